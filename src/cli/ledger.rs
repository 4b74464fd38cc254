//! `almoner ledger`: the public book, shown, proved, and witnessed.

mod cosign;
pub(super) mod seen;
mod witness;

use clap::Subcommand;

use super::{Context, Failure, Kind, Table, proof};
use crate::pipeline::book;

/// Show the public book and prove what is in it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  almoner ledger show\n  almoner ledger checkpoint --remember seen\n  \
    almoner ledger policy witnesses.policy && almoner ledger ask\n  \
    almoner ledger prove entry 7 > entry-7.tlog-proof\n  \
    almoner ledger prove record M-00017 --dataset diabetes@1 > mine.tlog-proof\n  \
    almoner ledger prove absence M-00017 --dataset diabetes@2 > gone.tlog-proof\n  \
    almoner ledger prove lines M-00017 --pool diabetes-2026 > paid.tlog-proof\n  \
    almoner verify-proof gone.tlog-proof --vkey VKEY"
)]
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
    Checkpoint(seen::CheckpointArgs),
    /// Prove an entry, a person's record in a version or its absence, or what a person was paid
    #[command(subcommand)]
    Prove(proof::Prove),
    /// Check every tile, bundle and checkpoint against the entries
    Verify,
    /// Show the policy, or take one on: which witnesses must have cosigned what is shown
    Policy(cosign::PolicyArgs),
    /// Write what a witness is asked: C2SP tlog-witness add-checkpoint
    Request(cosign::RequestArgs),
    /// Take in what witnesses answered; the checkpoint is shown when the policy is met
    Cosign(cosign::CosignArgs),
    /// Ask the policy's witnesses that have a URL, over HTTP, and take in what they answer
    Ask(cosign::AskArgs),
    /// Put two checkpoints of one log side by side: does one continue the other, or did the log fork?
    Evidence(seen::EvidenceArgs),
    /// Be a witness of other people's logs
    Witness(witness::Args),
}

/// Runs the command.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    match &args.act {
        // A site that was tampered with may not open for acts; its book is checked all the same.
        Act::Verify => super::verify::book(context),
        Act::Checkpoint(args) => seen::checkpoint(args, context),
        Act::Evidence(args) => seen::evidence(args, context),
        Act::Witness(args) => witness::run(args, context),
        Act::Policy(args) => cosign::policy(args, context),
        Act::Request(args) => cosign::request(args, context),
        Act::Cosign(args) => cosign::cosign(args, context),
        Act::Ask(args) => cosign::ask(args, context),
        Act::Show { from } => {
            let lines = book::show(&context.site()?, *from)?;
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
        Act::Prove(what) => proof::prove(what, &context.site()?, context),
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
