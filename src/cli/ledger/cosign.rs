//! `almoner ledger request|cosign|ask|policy`: the site's side of its witnesses.
//!
//! Comes in: a policy, answers of witnesses. Goes out: requests, and what the world sees.
//! Never: a decision; the acts decide.

use std::path::{Path, PathBuf};

use crate::{
    cli::{Context, Failure, Kind, Table},
    pipeline::{
        cosign::{self as act, Line},
        policy::{self, Stands},
    },
};

/// Write what a witness is asked: C2SP tlog-witness add-checkpoint
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The request holds the newest signed checkpoint and the proof that it continues what the witness last \
cosigned, as far as the site knows. A witness that stands elsewhere answers with a size: give it as --old.

Examples:
  almoner ledger request --witness hospital > request
  almoner ledger request --old 412 --out request")]
pub(super) struct RequestArgs {
    /// The witness, as the policy calls it
    #[arg(long, value_name = "NAME")]
    witness: Option<String>,
    /// The size that the witness last cosigned
    #[arg(long, value_name = "SIZE")]
    old: Option<u64>,
    /// Write it here instead of to stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Take in what witnesses answered; the checkpoint is shown when the policy is met
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A line of an unknown key is ignored. The same answer twice changes nothing.

Examples:
  almoner ledger cosign response-of-hospital response-of-society")]
pub(super) struct CosignArgs {
    /// Answers, each a file
    #[arg(required = true, value_name = "RESPONSE")]
    answers: Vec<PathBuf>,
}

/// Ask the policy's witnesses that have a URL, over HTTP, and take in what they answer
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit code 5 while the policy is not met: ask again later.

Examples:
  almoner ledger ask
  almoner ledger ask --witness hospital --format json")]
pub(super) struct AskArgs {
    /// Ask this one alone, as the policy calls it
    #[arg(long, value_name = "NAME")]
    witness: Option<String>,
}

/// Show the policy, or take one on: which witnesses must have cosigned what is shown
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A policy is a file of C2SP tlog-policy: lines `log VKEY [URL]`, `witness NAME VKEY [URL]`, `group NAME \
all|any|NUMBER MEMBER…`, and one `quorum NAME|none`. Its digest goes into the book. From then on a \
checkpoint is signed at once and shown when the quorum has cosigned it.

Examples:
  almoner ledger policy
  almoner ledger policy witnesses.policy
  printf 'quorum none\\n' > open.policy && almoner ledger policy open.policy")]
pub(super) struct PolicyArgs {
    /// The policy to take on
    file: Option<PathBuf>,
}

/// Runs `ledger request`.
pub(super) fn request(args: &RequestArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let request = act::request(&context.site()?, args.witness.as_deref(), args.old)?;
    match &args.out {
        None => Ok(write!(context.out, "{request}")?),
        Some(file) => {
            std::fs::write(file, request.to_string())?;
            Ok(writeln!(context.err, "written to {}", file.display())?)
        }
    }
}

/// Runs `ledger cosign`.
pub(super) fn cosign(args: &CosignArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let read = |file: &PathBuf| {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file)
            .map_err(|e| Failure::new(Kind::Usage, format!("{name}: {e}")))?;
        Ok((name, text))
    };
    let answers = args.answers.iter().map(read).collect::<Result<Vec<_>, Failure>>()?;
    let done = act::cosign(&context.site()?, &answers)?;
    let mut table = Table::new(["witness", "line", "entries"]);
    for Line { witness, taken, size } in &done.lines {
        let size = size.map(|size| size.to_string()).unwrap_or_default();
        table.row([witness.as_str(), taken, &size]);
    }
    table.write(context.global.format, &done, context.out)?;
    tell(done.signed, done.shown, context)?;
    if done.lines.iter().any(|line| line.taken == "bad") {
        return Err(Failure::new(
            Kind::Integrity,
            "a line that names a witness of the policy holds under no checkpoint of this site",
        )
        .hint("ask that witness again: `almoner ledger request --witness NAME`"));
    }
    if done.lines.iter().all(|line| line.taken == "unknown") {
        return Err(Failure::new(Kind::Refused, "no line is of a witness of the policy")
            .hint("`almoner ledger policy` shows the policy"));
    }
    Ok(())
}

/// Runs `ledger ask`.
pub(super) fn ask(args: &AskArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let answers = act::ask(&context.site()?, args.witness.as_deref())?;
    let mut table = Table::new(["witness", "asked at", "said"]);
    for asked in &answers.asked {
        table.row([&asked.witness, &asked.url, &asked.said]);
    }
    table.write(context.global.format, &answers, context.out)?;
    tell(answers.signed, answers.shown, context)?;
    if answers.shown == Some(answers.signed) {
        return Ok(());
    }
    Err(Failure::new(Kind::Conflict, "the policy is not met yet")
        .hint("ask again, or ask those without a URL by file: `almoner ledger request`"))
}

/// Runs `ledger policy`.
pub(super) fn policy(args: &PolicyArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    let stands = match args.file.as_deref() {
        None => policy::show(&site)?,
        Some(file) => Some(set(&site, file)?),
    };
    let Some(stands) = stands else {
        Table::new(["policy"]).write(context.global.format, &stands, context.out)?;
        return Ok(writeln!(
            context.err,
            "this site has no policy: what it signs is shown at once"
        )?);
    };
    let mut table = Table::new(["policy", "SHA3-256", "entry"]);
    let Stands { number, digest, entry, .. } = &stands;
    table.row([number.to_string(), digest.to_string(), entry.to_string()]);
    table.write(context.global.format, &stands, context.out)?;
    if args.file.is_none() {
        write!(context.err, "{}", stands.policy)?;
    } else if stands.known {
        writeln!(context.err, "it stood before; nothing changed")?;
    }
    tell(stands.signed, stands.shown, context)
}

fn set(site: &crate::site::Site, file: &Path) -> Result<Stands, Failure> {
    let bytes = std::fs::read(file)
        .map_err(|e| Failure::new(Kind::Usage, format!("{}: {e}", file.display())))?;
    Ok(policy::set(site, &bytes)?)
}

fn tell(signed: u64, shown: Option<u64>, context: &mut Context<'_>) -> Result<(), Failure> {
    let shown = shown.map_or_else(|| "none".to_owned(), |shown| shown.to_string());
    Ok(writeln!(context.err, "signed: {signed} entries; shown: {shown}")?)
}

impl From<act::Error> for Failure {
    fn from(error: act::Error) -> Self {
        use act::Error as E;
        match error {
            E::Site(error) => error.into(),
            E::Store(error) => error.into(),
            E::Reader(error) => error.into(),
            E::Witness(error) => error.into(),
            E::NoPolicy => {
                Self::new(Kind::Usage, error).hint("`almoner ledger policy FILE` sets one")
            }
            E::NoWitness(_) => {
                Self::new(Kind::Usage, error).hint("`almoner ledger policy` shows its witnesses")
            }
            E::Stale { size, .. } => Self::new(Kind::Conflict, error)
                .hint(format!("ask again from there: `almoner ledger request --old {size}`")),
            E::Form { .. } => Self::new(Kind::Invalid, error)
                .hint("an answer is what `almoner ledger witness answer` wrote, every byte of it"),
        }
    }
}

impl From<policy::Error> for Failure {
    fn from(error: policy::Error) -> Self {
        use policy::Error as E;
        match error {
            E::Site(error) => error.into(),
            E::Reader(error) => error.into(),
            E::Entry(_) => Self::new(Kind::Integrity, error),
            E::Policy(_) | E::Encoding => Self::new(Kind::Invalid, error)
                .hint("`almoner ledger policy --help` says what it holds"),
            E::OtherLog(_) => Self::new(Kind::Invalid, error)
                .hint("add the line `log VKEY` with that key, or leave out all logs"),
        }
    }
}
