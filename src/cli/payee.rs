//! `almoner payee`: import and count who is paid.
//!
//! Comes in: files of payees. Goes out: counts; with `--private` the payees themselves.
//! Never: a name or an account unless it was asked for by that option.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Context, Failure, Kind, Table};
use crate::{
    payee::PayeeId,
    pipeline::payee::{self as act, Reject},
};

/// At most so many bad rows are shown one by one.
const REJECTS_SHOWN_MAX: usize = 20;

/// Import and count payees: who they are, where they pay taxes, where their money goes
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Take a file of payees; a row replaces all that was known of its payee
    #[command(after_help = "\
The file is CSV with the columns contributor or institution (or both, one filled in each row), \
person, verified, country, name, iban, bic. A contributor may be INSTITUTION/ID. Cells may be empty: nobody verified, no country, no \
account yet. `person` is the key of the verified person, the same for all ids of one person.

Examples:
  almoner payee import payees.csv
  almoner payee import payees.csv --rejects-max-ppm 0 --format json")]
    Import(ImportArgs),
    /// Count the payees; with --private, show them
    #[command(after_help = "\
Examples:
  almoner payee show
  almoner payee show --private --format csv > payees.csv")]
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// The file
    file: PathBuf,
    /// How many of a million rows may be bad; they are left out. Where more are, nothing is taken
    #[arg(long, default_value_t = 10_000, value_name = "PPM")]
    rejects_max_ppm: u32,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// Show each payee with name and account
    #[arg(long)]
    private: bool,
}

/// Runs `almoner payee`.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    match &args.act {
        Act::Import(args) => import(args, context),
        Act::Show(ShowArgs { private: false }) => counts(context),
        Act::Show(ShowArgs { private: true }) => private(context),
    }
}

fn import(args: &ImportArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let outcome = act::import(&context.site()?, &args.file, args.rejects_max_ppm)?;
    for line in told(&args.file.display().to_string(), &outcome.rejects) {
        writeln!(context.err, "left out: {line}")?;
    }
    let mut table = Table::new(["contributors", "institutions", "known", "rejected", "commit"]);
    let counts = [outcome.contributors, outcome.institutions, outcome.known, outcome.rejected];
    let commit = outcome.commit.map_or_else(|| "none".to_owned(), |commit| commit.to_string());
    table.row(counts.map(|count| count.to_string()).into_iter().chain([commit]));
    table.write(context.global.format, &outcome, context.out)?;
    if outcome.commit.is_none() {
        writeln!(context.err, "nothing new: the register holds all of it")?;
    }
    Ok(())
}

/// Says which rows are bad, and why.
fn told(file: &str, rejects: &[Reject]) -> Vec<String> {
    let shown = rejects.iter().take(REJECTS_SHOWN_MAX);
    let mut lines: Vec<String> =
        shown.map(|Reject { line, reason }| format!("`{file}` line {line}: {reason}")).collect();
    if let Some(more @ 1..) = rejects.len().checked_sub(REJECTS_SHOWN_MAX) {
        lines.push(format!("`{file}`: {more} more rows"));
    }
    lines
}

fn counts(context: &mut Context<'_>) -> Result<(), Failure> {
    let standing = act::standing(&context.site()?)?;
    let mut table = Table::new(["payees", "count"]);
    for (name, count) in [
        ("contributors", standing.contributors),
        ("verified", standing.verified),
        ("persons", standing.persons),
        ("institutions", standing.institutions),
        ("with an account", standing.accounts),
        ("without a country", standing.without_country),
        ("imports", standing.imports),
    ] {
        table.row([name.to_owned(), count.to_string()]);
    }
    Ok(table.write(context.global.format, &standing, context.out)?)
}

/// The columns are those that `import` reads.
fn private(context: &mut Context<'_>) -> Result<(), Failure> {
    let payees = act::private(&context.site()?)?;
    let columns = ["contributor", "institution"].into_iter().chain(crate::payee::COLUMNS);
    let mut table = Table::new(columns);
    for payee in &payees {
        let (contributor, institution) = match &payee.id {
            PayeeId::Contributor(id) => (id.as_str(), ""),
            PayeeId::Institution(id) => ("", id.as_str()),
        };
        let account = payee.account.as_ref();
        table.row([
            contributor,
            institution,
            payee.person.as_deref().unwrap_or_default(),
            if payee.verified { "true" } else { "" },
            payee.country.as_ref().map_or("", |country| country.as_str()),
            account.map_or("", |account| account.name.as_str()),
            account.map_or("", |account| account.iban.as_str()),
            account.and_then(|account| account.bic.as_ref()).map_or("", |bic| bic.as_str()),
        ]);
    }
    Ok(table.write(context.global.format, &payees, context.out)?)
}

impl From<act::Error> for Failure {
    fn from(error: act::Error) -> Self {
        use act::Error as E;
        match error {
            E::Site(error) => error.into(),
            E::Linkage(error) => error.into(),
            E::Register(crate::payee::Error::Store(error)) => error.into(),
            error @ E::Register(_) => Self::new(Kind::Integrity, error)
                .hint("run `almoner verify --deep`, which names what has changed"),
            error @ E::Read { .. } => Self::new(Kind::Invalid, error)
                .hint("`almoner payee import --help` has the columns"),
            E::Rejects { file, rejects, rows, rejects_max_ppm } => {
                let lines = told(&file.display().to_string(), &rejects);
                let reports = lines.into_iter().map(miette::Report::msg).collect();
                Self::new(Kind::Rejects, E::Rejects { file, rejects, rows, rejects_max_ppm })
                    .hint("mend the rows, or allow more of them with --rejects-max-ppm")
                    .reports(reports)
            }
            error @ E::Clock { .. } => Self::new(Kind::Failed, error)
                .hint("set the clock, or give `--now` an instant that is not in the past"),
            error @ E::Write(_) => Self::new(Kind::Failed, error),
        }
    }
}
