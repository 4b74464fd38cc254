//! `almoner ledger prove` and `almoner verify-proof`: proof files, made and checked.
//!
//! Comes in: what to prove; or a file and the keys to believe. Goes out: a proof file, or what it
//! shows. Never: a proof that was not checked before it was handed over.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{Context, Failure, Format, Kind, Table, believe::Believe, pool::pool_id};
use crate::{
    ledger::{ProofFile, Reader, proof_file},
    pipeline::{
        book, linkage,
        proof::{self as act, Refused, Shown},
    },
    reward::PoolId,
    site::Site,
    store::Store,
    witness::Memory,
};

/// What to prove.
#[derive(Debug, Subcommand)]
pub(super) enum Prove {
    /// That an entry is in the log
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
    /// What a person was paid and given: a proof a line of settlements, givings and covers
    Lines {
        /// The contributor
        person: String,
        /// Of one pool, or one policy of a cover
        #[arg(long, value_name = "POOL")]
        pool: Option<String>,
        /// Write them here instead of to stdout
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// Check a proof with nothing but the log's public key
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A proof file is a C2SP tlog-proof that brings its entry along; a file may hold several. The log's key \
is the word `log_vkey` in the site's site.json: take it from someone you trust, not from whoever gave \
you the proof. Give keys of witnesses too, and their cosignatures must hold where they stand; give a \
policy, and enough of its witnesses must have cosigned; give the steward's key, and it must have signed \
the entry. Where the log's key was changed since, give the proof of that entry beside the one you check.
With --remember nobody can show you another history of the log later.

Examples:
  almoner verify-proof gone.tlog-proof --vkey 'commons.example/ledger+d2770b31+AQOh…'
  almoner verify-proof paid.tlog-proof --policy witnesses.policy --format json
  almoner verify-proof rotated.tlog-proof paid.tlog-proof --vkey \"$LOG_VKEY\" --vkey \"$STEWARD_VKEY\"")]
pub struct Args {
    /// The proofs
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    believe: Believe,
    /// Remember the checkpoints in this file, and demand that each fits what the file remembers
    #[arg(long, value_name = "FILE")]
    remember: Option<PathBuf>,
    /// The log's public files, a folder or URL, to show that a checkpoint fits what is remembered
    #[arg(long, value_name = "LEDGER", requires = "remember")]
    ledger: Option<String>,
}

/// Runs `almoner ledger prove`.
pub(super) fn prove(what: &Prove, site: &Site, context: &mut Context<'_>) -> Result<(), Failure> {
    let (proof, out) = match what {
        Prove::Entry { entry, out } => (book::prove_entry(site, entry)?, out),
        Prove::Record { person, dataset, out } => {
            (book::prove_record(site, &linkage::ids(site, person)?, dataset, false)?, out)
        }
        Prove::Absence { person, dataset, out } => {
            (book::prove_record(site, &linkage::ids(site, person)?, dataset, true)?, out)
        }
        Prove::Lines { person, pool, out } => {
            let pool = pool.as_deref().map(pool_id).transpose()?;
            return lines(site, person, pool.as_ref(), out.as_deref(), context);
        }
    };
    deliver(context, out.as_deref(), &[proof])
}

/// Proves the lines of a person.
pub(super) fn lines(
    site: &Site,
    person: &str,
    of: Option<&PoolId>,
    out: Option<&Path>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let proofs = act::lines(site, &linkage::ids(site, person)?, of)?;
    deliver(context, out, &proofs)
}

fn deliver(
    context: &mut Context<'_>,
    out: Option<&Path>,
    proofs: &[ProofFile],
) -> Result<(), Failure> {
    let text = proofs.iter().map(ProofFile::text).collect::<Result<String, _>>()?;
    match out {
        None => Ok(write!(context.out, "{text}")?),
        Some(file) => {
            std::fs::write(file, text)?;
            Ok(writeln!(context.err, "written to {}", file.display())?)
        }
    }
}

/// Runs `almoner verify-proof`.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let mut text = String::new();
    for file in &args.files {
        let fault = |e| Failure::new(Kind::Usage, format!("{}: {e}", file.display()));
        text += &std::fs::read_to_string(file).map_err(fault)?;
    }
    let believed = args.believe.required()?;
    let shown = act::verify(&text, &believed)?;
    if let Some(file) = &args.remember {
        let log = args.ledger.as_deref().map(Store::open).transpose()?;
        for one in &shown {
            let log = log.as_ref().map(|log| Reader::open(log, &one.origin, believed.keys()));
            let (note, checkpoint) = &one.checkpoint;
            Memory::of(file).see_note(note, checkpoint, log.transpose()?.as_ref())?;
        }
    }
    let mut table = Table::new(["proof", "what it shows", ""]);
    for (at, one) in (1_u64..).zip(&shown) {
        for (name, value) in told(one) {
            table.row([at.to_string(), name, value]);
        }
    }
    let format = match context.global.format {
        Format::Parquet => Format::Json,
        other @ (Format::Table | Format::Json | Format::Csv) => other,
    };
    Ok(table.write(format, &shown, context.out)?)
}

/// Tells what a proof shows, name by name.
fn told(shown: &Shown) -> Vec<(String, String)> {
    let mut told = Vec::new();
    let mut tell = |name: &str, value: String| told.push((name.to_owned(), value));
    match (shown.shows, &shown.dataset) {
        ("absent", Some(dataset)) => tell("the person is", format!("absent from {dataset}")),
        (_, Some(dataset)) => tell("the person is", format!("present in {dataset}")),
        ("line", None) => tell("in the book is", "a line that says".to_owned()),
        (_, None) => tell("in the book is", "the entry".to_owned()),
    }
    if let Some(token) = shown.token {
        tell("whose token in it is", token.to_string());
    }
    if let Some(people) = shown.people {
        tell("people in it", people.to_string());
    }
    let members = shown.line.as_ref().and_then(serde_json::Value::as_object);
    for (name, value) in members.into_iter().flatten() {
        tell(name, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    tell("entry", shown.entry.to_string());
    tell("which is", format!("{} at index {}", shown.kind, shown.index));
    if let Some(time) = shown.time {
        tell("recorded, by its signer's clock", time.to_string());
    }
    tell("log", shown.origin.clone());
    tell("signed state of the log", format!("{} entries, root {}", shown.log_size, shown.log_root));
    tell("vouched for by", shown.vouched.join(", "));
    let signed = if shown.entry_signed { "checked" } else { "not checked: no key of it was given" };
    tell("signature of the entry", signed.to_owned());
    told
}

impl From<proof_file::Error> for Failure {
    fn from(error: proof_file::Error) -> Self {
        Self::new(Kind::Integrity, error)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Proof { .. } => Self::new(Kind::Integrity, refused).hint(
                "nothing that this file says is proved: ask for another, and keep this one. A proof \
                 file is what `almoner ledger prove` wrote, every byte of it",
            ),
            Refused::Unwitnessed { .. } => Self::new(Kind::Integrity, refused)
                .hint("ask for a proof made after more of the witnesses have cosigned"),
        }
    }
}

impl From<act::Error> for Failure {
    fn from(error: act::Error) -> Self {
        use act::Error as E;
        match error {
            E::Book(error) => error.into(),
            E::Fund(error) => error.into(),
            E::Settle(error) => error.into(),
            E::Goods(error) => (*error).into(),
            E::Cover(error) => (*error).into(),
            E::Canonical(_) => Self::new(Kind::Failed, error),
            E::Changed(_) => Self::new(Kind::Integrity, error)
                .hint("run `almoner verify --deep`, which names what has changed"),
            E::NoLine => Self::new(Kind::Failed, error).hint(
                "`almoner explain`, `cover explain` and `goods show` say who has a line, and why",
            ),
        }
    }
}
