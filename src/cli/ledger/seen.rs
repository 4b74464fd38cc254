//! `almoner ledger checkpoint|evidence`: what a log shows, remembered, and what does not fit it.
//!
//! Comes in: a site or a log's public files, whom to believe, a memory. Goes out: checkpoints, verdicts.
//! Never: a key of the site where somebody else looks.

use std::path::{Path, PathBuf};

use crate::{
    cli::{Context, Failure, Format, Kind, Table, address, believe::Believe},
    ledger::{Reader, policy::Believed, reader},
    pipeline::{
        audit::Files,
        book,
        evidence::{self as act, Evidence, Side, Verdict},
    },
    store::Store,
    witness::{
        self, Memory,
        memory::{self, Sight},
    },
};

/// The signed checkpoint, as it was signed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Where a policy asks for witnesses, the newest checkpoint that they cosigned is shown; --signed shows the \
newest that the log signed. Anybody who can read a log's public files may look, and remember what they \
saw: the next time the log must prove that it continues that.

Examples:
  almoner ledger checkpoint
  almoner ledger checkpoint --ledger https-mirror/ledger --policy witnesses.policy --remember seen")]
pub(super) struct CheckpointArgs {
    /// The newest that is signed, cosigned or not
    #[arg(long, conflicts_with_all = ["ledger", "remember"])]
    signed: bool,
    /// Look at a log's public files, a folder or URL, instead of at a site
    #[arg(long, value_name = "LEDGER")]
    ledger: Option<String>,
    #[command(flatten)]
    believe: Believe,
    /// Remember it in this file, and demand that it continues what the file remembers
    #[arg(long, value_name = "FILE")]
    remember: Option<PathBuf>,
}

/// Put two checkpoints of one log side by side: does one continue the other, or did the log fork?
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Two trees of one size prove a fork by themselves. Where the sizes differ, the log's public files decide, \
by a proof that stands in the evidence for anyone to check. Exit code 7: the log forked, or one of them \
is not to be believed. Exit code 8: nothing at hand decides.

Examples:
  almoner ledger evidence seen new.checkpoint --vkey VKEY
  almoner ledger evidence a b --policy witnesses.policy --ledger mirror/ledger --out evidence.json")]
pub(super) struct EvidenceArgs {
    /// A checkpoint
    a: PathBuf,
    /// Another
    b: PathBuf,
    #[command(flatten)]
    believe: Believe,
    /// The log's public files, a folder or URL [default: the site's]
    #[arg(long, value_name = "LEDGER")]
    ledger: Option<String>,
    /// Write the evidence here too, as JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs `ledger checkpoint`.
pub(super) fn checkpoint(args: &CheckpointArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let reader = match &args.ledger {
        Some(ledger) => act::shown(&Store::open(ledger)?, &args.believe.required()?)?,
        None if args.signed => {
            return Ok(write!(context.out, "{}", book::checkpoint(&context.site()?)?)?);
        }
        None => match args.believe.read()? {
            Some(believed) => act::shown(files(context)?.ledger(), &believed)?,
            None => files(context)?.shown()?,
        },
    };
    remember(args.remember.as_deref(), &reader, context)?;
    Ok(write!(context.out, "{}", reader.note())?)
}

/// Has a memory see what a log shows.
pub(crate) fn remember(
    file: Option<&Path>,
    reader: &Reader,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    let said = match Memory::of(file).see(reader)? {
        Sight::First => "it is remembered from now on".to_owned(),
        Sight::Same => "it is the one that is remembered".to_owned(),
        Sight::Continues { from } => format!("it continues the remembered {from} entries"),
        Sight::Earlier { to } => format!("the remembered {to} entries continue it"),
    };
    Ok(writeln!(context.err, "{}: {said}", file.display())?)
}

fn files(context: &Context<'_>) -> Result<Files, Failure> {
    let (site, keys) = address(&context.global)?;
    Ok(Files::open(&site, &keys)?)
}

/// Runs `ledger evidence`.
pub(super) fn evidence(args: &EvidenceArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let read = |file: &Path| {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file)
            .map_err(|e| Failure::new(Kind::Usage, format!("{name}: {e}")))?;
        Ok::<_, Failure>((name, text))
    };
    let (a, b) = (read(&args.a)?, read(&args.b)?);
    let mut log = args.ledger.as_deref().map(Store::open).transpose()?;
    let believed = match args.believe.read()? {
        Some(believed) => believed,
        None if context.global.site.is_some() => {
            let files = files(context)?;
            log.get_or_insert_with(|| files.ledger().clone());
            Believed::new(vec![files.log_key().clone()], None)
        }
        None => args.believe.required()?,
    };
    let (a, b) = ((a.0.as_str(), a.1.as_str()), (b.0.as_str(), b.1.as_str()));
    let found = act::compare(a, b, believed.keys(), log.as_ref())?;
    show(&found, context)?;
    if let Some(file) = &args.out {
        let text = serde_json::to_string_pretty(&found);
        std::fs::write(file, text.map_err(|e| Failure::new(Kind::Failed, e))?)?;
    }
    match found.verdict {
        Verdict::Same | Verdict::Continues => Ok(()),
        Verdict::Forked => Err(Failure::new(Kind::Integrity, found.why)
            .hint("publish both: nobody can explain them away")),
        Verdict::Undecided => Err(Failure::new(Kind::Refused, found.why)
            .hint("give the log's public files: --ledger LEDGER")),
    }
}

fn show(found: &Evidence, context: &mut Context<'_>) -> Result<(), Failure> {
    let (older, newer) = (&found.older, &found.newer);
    let mut table = Table::new(["", older.name.as_str(), newer.name.as_str()]);
    table.row(["log", &found.origin, &found.origin]);
    table.row(["entries", &older.size.to_string(), &newer.size.to_string()]);
    table.row(["root", &older.root.to_string(), &newer.root.to_string()]);
    if let Some(then) = found.root_then {
        let label = format!("root at {} entries", older.size);
        table.row([label, older.root.to_string(), then.to_string()]);
    }
    let (left, right) = (signers(older), signers(newer));
    for at in 0..left.len().max(right.len()) {
        let label = if at == 0 { "signed by" } else { "" };
        let of = |side: &[String]| side.get(at).cloned().unwrap_or_default();
        table.row([label.to_owned(), of(&left), of(&right)]);
    }
    for witness in &found.two_tongued {
        table.row(["cosigned both", witness, witness]);
    }
    let format = match context.global.format {
        Format::Parquet => Format::Json,
        other @ (Format::Table | Format::Json | Format::Csv) => other,
    };
    table.write(format, found, context.out)?;
    Ok(writeln!(context.err, "{}", found.why)?)
}

fn signers(side: &Side) -> Vec<String> {
    let signed = side.signed.iter().map(|signed| match signed.time {
        Some(time) => format!("{} at {time}", signed.by.name()),
        None => signed.by.name().to_owned(),
    });
    signed.collect()
}

impl From<reader::Error> for Failure {
    fn from(error: reader::Error) -> Self {
        match error {
            reader::Error::Store(error) => error.into(),
            reader::Error::Missing { .. }
            | reader::Error::Checkpoint { .. }
            | reader::Error::Broken { .. }
            | reader::Error::Entry { .. } => Self::new(Kind::Integrity, error),
            reader::Error::Beyond { .. } => Self::new(Kind::Usage, error),
        }
    }
}

impl From<act::Error> for Failure {
    fn from(error: act::Error) -> Self {
        use act::Error as E;
        match error {
            E::Log(error) => error.into(),
            E::Checkpoint { .. } => Self::new(Kind::Integrity, error)
                .hint("give the key that the log has by your own knowledge: --vkey or --policy"),
            E::Origins(..) => Self::new(Kind::Usage, error),
            E::Few => Self::new(Kind::Refused, error)
                .hint("look again later; the log shows what its own policy lets it show"),
        }
    }
}

impl From<witness::Error> for Failure {
    fn from(error: witness::Error) -> Self {
        use witness::Error as E;
        match error {
            E::Store(error) => error.into(),
            E::Lock { .. } => Self::new(Kind::Failed, error),
            E::Network { .. } => {
                Self::new(Kind::Refused, error).hint("keep a witness on a disk of its own machine")
            }
            E::Format { .. } => Self::new(Kind::Integrity, error)
                .hint("do not begin anew: what it knew is what makes it worth asking"),
            E::Missing(_) => {
                Self::new(Kind::Usage, error).hint("`almoner ledger witness init` makes one")
            }
            E::Other { .. } => Self::new(Kind::Usage, error).hint("name another folder"),
            E::Key(_) | E::Seed(_) => Self::new(Kind::Usage, error),
            E::Http { .. } => Self::new(Kind::Unavailable, error),
        }
    }
}

impl From<memory::Error> for Failure {
    fn from(error: memory::Error) -> Self {
        use memory::Error as E;
        match error {
            E::Memory(error) => error.into(),
            E::Log(error) => error.into(),
            E::Origin { .. } => Self::new(Kind::Usage, error).hint("one file remembers one log"),
            E::SetBack { .. } | E::Forked { .. } => Self::new(Kind::Integrity, error).hint(
                "`almoner ledger evidence REMEMBERED NEW` puts both side by side; publish them",
            ),
            E::Unproved { .. } => Self::new(Kind::Refused, error)
                .hint("give the log's public files, so that it can be proved: --ledger LEDGER"),
        }
    }
}
