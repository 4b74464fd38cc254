//! `almoner publish`: the public pages, made anew from what is recorded.

use super::{Context, Failure, Kind, Table};
use crate::pipeline::publish;

/// Write the public pages, and the steward's run reports, from what is recorded
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Pages go to public/ of the site, with the same facts as JSON beside each; run \
    reports to the vault.\n\nExample:\n  almoner publish"
)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    let published = publish::publish(&site)?;
    let mut table = Table::new(["page"]);
    for page in &published.pages {
        table.row([format!("public/{page}")]);
    }
    Ok(table.write(context.global.format, &published, context.out)?)
}

impl From<publish::Error> for Failure {
    fn from(error: publish::Error) -> Self {
        use publish::Error as E;
        match error {
            E::Store(error) => error.into(),
            E::Lake(error) => error.into(),
            E::Book(error) => error.into(),
            E::Fund(error) => error.into(),
            E::Settle(error) => error.into(),
            E::Query(error) => error.into(),
            E::Sponsor(error) => (*error).into(),
            E::Statement(error) => error.into(),
            E::Licence(error) => error.into(),
            E::Consent(_) => Self::new(Kind::Failed, error),
            E::Entry(_) | E::Format { .. } => Self::new(Kind::Integrity, error)
                .hint("run `almoner verify --deep`, which names what has changed"),
        }
    }
}
