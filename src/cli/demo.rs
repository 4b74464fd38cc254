//! `almoner demo`: a commons lives through a quarter, made from a seed, every step the same act that
//! the other commands call.

mod account;
mod cover;
mod determination;
mod handover;
mod licences;
mod money;
mod story;

use std::path::PathBuf;

use self::{account::Account, story::Story};
use super::{Context, Failure};

/// Live through a quarter of a generated commons: consent, ingest, questions, withdrawal, payout
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  almoner demo\n  almoner demo /tmp/commons --people 500\n\n\
    Everything in the folder is made from the seed: institutions, people, consents, sponsors. Run \
    again on the same folder, the demo finds every act done and changes nothing.")]
pub struct Args {
    /// The folder
    #[arg(default_value = "demo")]
    folder: PathBuf,
    /// How many people
    #[arg(long, default_value_t = 2_000)]
    people: u64,
    /// How many institutions
    #[arg(long, default_value_t = 4)]
    institutions: u32,
    /// The seed of the population
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs the command.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let file = args.folder.join("demo.json");
    let story = Story::new(args)?;
    let done = match std::fs::read_to_string(&file) {
        Ok(text) => Some(serde_json::from_str::<Account>(&text).map_err(|e| {
            Failure::new(super::Kind::Failed, format!("`{}`: {e}", file.display()))
        })?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(account) = done {
        story.unchanged(&account)?;
        account.write(context)?;
        let said = "this demo was lived through before: every act was found done, nothing changed";
        return Ok(writeln!(context.err, "{said}")?);
    }
    let account = story.live(context)?;
    let text =
        serde_json::to_string_pretty(&account).map_err(|e| Failure::new(super::Kind::Failed, e))?;
    std::fs::write(&file, text)?;
    account.write(context)
}
