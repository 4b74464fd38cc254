//! `almoner ledger`: the public book, shown and proved.

use clap::Subcommand;

use super::{Context, Failure, Kind, Table, proof};
use crate::pipeline::book;

/// Show the public book and prove what is in it
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  almoner ledger show\n  almoner ledger checkpoint\n  \
    almoner ledger prove entry 7 > entry-7.tlog-proof\n  \
    almoner ledger prove record M-00017 --dataset diabetes@1 > mine.tlog-proof\n  \
    almoner ledger prove absence M-00017 --dataset diabetes@2 > gone.tlog-proof\n  \
    almoner ledger prove lines M-00017 --pool diabetes-2026 > paid.tlog-proof\n  \
    almoner verify-proof gone.tlog-proof --vkey VKEY")]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// The entries: kind, time, what each speaks of
    Show {
        /// From this leaf index on
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
    /// The signed checkpoint, as it was signed
    Checkpoint,
    /// Prove an entry, a person's record in a version or its absence, or what a person was paid
    #[command(subcommand)]
    Prove(proof::Prove),
    /// Check every tile, bundle and checkpoint against the entries
    Verify,
}

/// Runs the command.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    if matches!(args.act, Act::Verify) {
        // A site that was tampered with may not open for acts; its book is checked all the same.
        return super::verify::book(context);
    }
    let site = context.site()?;
    match &args.act {
        Act::Show { from } => {
            let lines = book::show(&site, *from)?;
            let mut table = Table::new(["index", "time", "kind", "id", "speaks of"]);
            for line in &lines {
                let subjects = match line.subjects.as_slice() {
                    [] => String::new(),
                    [one] => one.clone(),
                    [first, rest @ ..] => format!("{first} and {} more", rest.len()),
                };
                table.row([
                    line.index.to_string(),
                    line.time.clone(),
                    line.kind.clone(),
                    book::short(&line.id),
                    subjects,
                ]);
            }
            Ok(table.write(context.global.format, &lines, context.out)?)
        }
        Act::Checkpoint => Ok(write!(context.out, "{}", book::checkpoint(&site)?)?),
        Act::Prove(what) => proof::prove(what, &site, context),
        Act::Verify => super::verify::book(context),
    }
}

impl From<book::Error> for Failure {
    fn from(error: book::Error) -> Self {
        use book::Error as E;
        match error {
            E::Site(error) => error.into(),
            E::Store(error) => error.into(),
            E::Lake(error) => error.into(),
            E::Reader(_) | E::Entry(_) | E::Record(_) | E::Proof(_) => {
                Self::new(Kind::Integrity, error)
            }
            E::Consent(_) => Self::new(Kind::Failed, error),
            E::NoEntry => Self::new(Kind::Usage, error).hint("`almoner ledger show` lists them"),
            E::NoPerson | E::Otherwise(_) => Self::new(Kind::Usage, error),
        }
    }
}
