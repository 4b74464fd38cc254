//! `almoner ledger`: the public book, shown, proved, and witnessed.

mod cosign;
pub(super) mod seen;
mod witness;

use std::path::PathBuf;

use clap::Subcommand;

use super::{Context, Failure, Format, Kind, Table};
use crate::{
    pipeline::{book, linkage},
    signed_note::Verifier,
};

/// Show the public book and prove what is in it
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  almoner ledger show\n  almoner ledger checkpoint --remember seen\n  \
    almoner ledger policy witnesses.policy && almoner ledger ask\n  \
    almoner ledger prove entry 7 > entry-7.tlog-proof\n  \
    almoner ledger prove record M-00017 --dataset diabetes@1 > mine.json\n  \
    almoner ledger prove absence M-00017 --dataset diabetes@2 > gone.json\n  \
    almoner verify-proof gone.json --vkey VKEY")]
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
    /// Prove an entry, a person's record in a version, or its absence
    #[command(subcommand)]
    Prove(Prove),
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

#[derive(Debug, Subcommand)]
enum Prove {
    /// That an entry is in the log, as a C2SP tlog-proof
    Entry {
        /// Its leaf index or id
        entry: String,
        /// Write it here instead of to stdout
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// That a person's record is in a dataset version
    Record {
        /// The contributor
        person: String,
        /// `dataset` or `dataset@version`
        #[arg(long)]
        dataset: String,
        /// Write it here instead of to stdout
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// That no record of a person is in a dataset version
    Absence {
        /// The contributor
        person: String,
        /// `dataset` or `dataset@version`
        #[arg(long)]
        dataset: String,
        /// Write it here instead of to stdout
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// Check a proof with nothing but the log's public key
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The key is the word `log_vkey` in the site's site.json; take it from someone \
    you trust, not from whoever gave you the proof.\n\nExample:\n  \
    almoner verify-proof gone.json --vkey 'commons.example/ledger+d2770b31+AQOh…'"
)]
pub struct ProofArgs {
    /// The proof
    file: PathBuf,
    /// The key that signs the log's checkpoints
    #[arg(long)]
    vkey: String,
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
        Act::Prove(Prove::Entry { entry, out }) => {
            let proof = book::prove_entry(&context.site()?, entry)?.to_string();
            deliver(context, out.as_ref(), &proof)
        }
        Act::Prove(Prove::Record { person, dataset, out }) => {
            prove(context, &context.site()?, person, dataset, out.as_ref(), false)
        }
        Act::Prove(Prove::Absence { person, dataset, out }) => {
            prove(context, &context.site()?, person, dataset, out.as_ref(), true)
        }
    }
}

fn prove(
    context: &mut Context<'_>,
    site: &crate::site::Site,
    person: &str,
    dataset: &str,
    out: Option<&PathBuf>,
    absent: bool,
) -> Result<(), Failure> {
    let ids = linkage::ids(site, person)?;
    let proof = book::prove_record(site, &ids, dataset, absent)?;
    let text = serde_json::to_string_pretty(&proof).map_err(|e| Failure::new(Kind::Failed, e))?;
    deliver(context, out, &format!("{text}\n"))
}

fn deliver(context: &mut Context<'_>, out: Option<&PathBuf>, text: &str) -> Result<(), Failure> {
    match out {
        None => Ok(write!(context.out, "{text}")?),
        Some(file) => {
            std::fs::write(file, text)?;
            Ok(writeln!(context.err, "written to {}", file.display())?)
        }
    }
}

/// Runs `verify-proof`.
pub fn verify_proof(args: &ProofArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let text = std::fs::read_to_string(&args.file)
        .map_err(|e| Failure::new(Kind::Usage, format!("{}: {e}", args.file.display())))?;
    let key = Verifier::parse(&args.vkey).map_err(|e| Failure::new(Kind::Usage, e))?;
    if text.trim_start().starts_with('[') {
        return super::cover::verified(&text, &key, context);
    }
    let shown = book::verify_record_proof(&text, &[key])?;
    let mut table = Table::new(["the person is", "dataset", "version", "people in it", "log size"]);
    table.row([
        shown.what.to_owned(),
        shown.dataset.clone(),
        shown.version.to_string(),
        shown.people.to_string(),
        shown.log_size.to_string(),
    ]);
    let format = match context.global.format {
        Format::Parquet => Format::Json,
        other @ (Format::Table | Format::Json | Format::Csv) => other,
    };
    Ok(table.write(format, &shown, context.out)?)
}

impl From<book::Error> for Failure {
    fn from(error: book::Error) -> Self {
        use book::Error as E;
        match error {
            E::Site(error) => error.into(),
            E::Store(error) => error.into(),
            E::Lake(error) => error.into(),
            E::Reader(_) | E::Entry(_) | E::Record(_) | E::Log(_) | E::Refused(_) => {
                Self::new(Kind::Integrity, error)
            }
            E::Consent(_) => Self::new(Kind::Failed, error),
            E::NoEntry => Self::new(Kind::Usage, error).hint("`almoner ledger show` lists them"),
            E::NoPerson | E::Otherwise(_) | E::Form(_) => Self::new(Kind::Usage, error),
        }
    }
}
