//! `almoner approve`, `decline` and `revoke`: the patient's own word on a transfer. No site is needed.
//!
//! Comes in: a transfer's folder at the desk, the patient's key. Goes out: what is asked, in plain
//! words, and a signed answer beside the offer. Never: a signature to what was not shown first.

use std::{
    io::{self, BufRead as _, IsTerminal as _},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{Context, Failure, Format, Kind};
use crate::{
    instant::Instant,
    party::InstitutionId,
    pipeline::transfer::{Answer, Asked, purpose_words},
    transfer::{ApproverError, ApproverSigner as _, KeyFile, Role},
};

/// Approve that your record goes to another institution: see what goes where and why, then sign
#[derive(Debug, clap::Args)]
#[command(after_help = "\
OFFER is the folder of the transfer at your institution's desk (desk/<transfer>), its offer.json, or \
the desk itself where one transfer waits. You see who would get what, for which purpose and until when, \
and what stays where it is. Nothing is sent before you approve. You can take your approval back with \
`almoner revoke` until the record is on its way.

Make a key once, and have your institution register what is printed; the key stays with you:
  almoner approve --new-key my.key

Examples:
  almoner approve exchange/desk/5f0c… --key my.key
  almoner approve exchange/desk/5f0c… --key my.key --yes --format json")]
pub struct ApproveArgs {
    /// What you are asked
    #[arg(required_unless_present = "new_key")]
    offer: Option<PathBuf>,
    /// Your key
    #[arg(long, value_name = "FILE", required_unless_present = "new_key")]
    key: Option<PathBuf>,
    /// Sign without being asked
    #[arg(long)]
    yes: bool,
    /// Make a key in a new file and print what your institution must register
    #[arg(long, value_name = "FILE", conflicts_with_all = ["offer", "key", "yes"])]
    new_key: Option<PathBuf>,
}

/// Decline a transfer of your record: nothing goes, and the other institution is told so
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  almoner decline exchange/desk/5f0c… --key my.key")]
pub struct DeclineArgs {
    #[command(flatten)]
    refusal: RefusalArgs,
}

/// Take back your approval of a transfer, until the record is on its way
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Once your institution has sent the record, it cannot be called back; `almoner transfer status` there \
says how it stands.

Examples:
  almoner revoke exchange/desk/5f0c… --key my.key")]
pub struct RevokeArgs {
    #[command(flatten)]
    refusal: RefusalArgs,
}

#[derive(Debug, clap::Args)]
struct RefusalArgs {
    /// What you were asked
    offer: PathBuf,
    /// Your key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Sign without being asked
    #[arg(long)]
    yes: bool,
}

/// Runs `almoner approve`.
pub fn approve(args: &ApproveArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    match (&args.new_key, &args.offer, &args.key) {
        (Some(file), ..) => new_key(file, context),
        (None, Some(offer), Some(key)) => answer(Answer::Accept, offer, key, args.yes, context),
        (None, ..) => Err(Failure::new(Kind::Usage, "no offer or no key was named")),
    }
}

/// Runs `almoner decline`.
pub fn decline(args: &DeclineArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let RefusalArgs { offer, key, yes } = &args.refusal;
    answer(Answer::Decline, offer, key, *yes, context)
}

/// Runs `almoner revoke`.
pub fn revoke(args: &RevokeArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let RefusalArgs { offer, key, yes } = &args.refusal;
    answer(Answer::Revoke, offer, key, *yes, context)
}

fn new_key(file: &Path, context: &mut Context<'_>) -> Result<(), Failure> {
    let key = match KeyFile::create(file) {
        Err(ApproverError::Exists(_)) => KeyFile::open(file)?,
        made => made?,
    };
    let vkey = key.key().vkey();
    match context.global.format {
        Format::Json | Format::Parquet => {
            let told = serde_json::json!({"file": file, "vkey": vkey});
            writeln!(context.out, "{told}")?;
        }
        Format::Table | Format::Csv => writeln!(context.out, "{vkey}")?,
    }
    writeln!(
        context.err,
        "keep `{}` to yourself: whoever has it can sign for you",
        file.display()
    )?;
    Ok(())
}

/// What goes where and why, as it is shown before somebody signs.
#[derive(Debug, Serialize)]
struct Facts {
    from: InstitutionId,
    to: InstitutionId,
    purpose: String,
    purpose_words: String,
    records: Vec<(String, u64)>,
    resources: u64,
    bytes: u64,
    withheld: Vec<(String, String, u64)>,
    offered: Instant,
    expires: Instant,
    asked_for: bool,
    agree: Vec<String>,
    differ: Vec<String>,
    as_what: Role,
    transfer: String,
}

fn answer(
    answer: Answer,
    offer: &Path,
    key: &Path,
    yes: bool,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let now = super::instant(&context.global)?;
    let asked = Asked::read(offer)?;
    let hand = KeyFile::open(key)?;
    let role = asked.approver(&hand, now)?.role;
    let facts = facts(&asked, role);
    let is_json = matches!(context.global.format, Format::Json | Format::Parquet);
    if !is_json {
        show(&facts, answer, context)?;
    }
    if !yes {
        context.out.flush()?;
        if !io::stdin().is_terminal() {
            return Err(Failure::new(Kind::Usage, "nobody is there to be asked")
                .hint("read what is shown, then give --yes"));
        }
        write!(context.err, "Do you {}? [y/N] ", verb(answer))?;
        context.err.flush()?;
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        if !matches!(line.trim(), "y" | "Y" | "yes") {
            writeln!(context.err, "nothing was signed")?;
            return Ok(());
        }
    }
    let decided = asked.answer(answer, &hand, now)?;
    if is_json {
        let told = serde_json::json!({"asked": facts, "decided": decided});
        serde_json::to_writer_pretty(&mut *context.out, &told).map_err(io::Error::from)?;
        writeln!(context.out)?;
    } else {
        let when = if decided.new { "Signed" } else { "You had signed it before" };
        let name = decided.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        writeln!(context.out, "\n{when}: {name}")?;
    }
    Ok(())
}

fn verb(answer: Answer) -> &'static str {
    match answer {
        Answer::Accept => "approve this",
        Answer::Decline => "decline this",
        Answer::Revoke => "take your approval back",
    }
}

fn facts(asked: &Asked, as_what: Role) -> Facts {
    let offer = &asked.offer.payload;
    let manifest = &offer.manifest;
    let kind = |name: &str| name.strip_suffix(".ndjson").unwrap_or(name).to_owned();
    let matched = asked.matched.clone().unwrap_or_default();
    Facts {
        from: offer.from.institution.clone(),
        to: offer.to.institution.clone(),
        purpose: offer.purpose.clone(),
        purpose_words: purpose_words(&offer.purpose).unwrap_or(&offer.purpose).to_owned(),
        records: manifest.files.iter().map(|file| (kind(&file.name), file.resources)).collect(),
        resources: manifest.resources,
        bytes: manifest.bytes,
        withheld: manifest
            .withheld
            .iter()
            .map(|held| (held.class.clone(), held.rule.clone(), held.resources))
            .collect(),
        offered: offer.issued,
        expires: offer.expires,
        asked_for: asked.challenge.is_some(),
        agree: matched.agree,
        differ: matched.differ,
        as_what,
        transfer: offer.transfer.to_string(),
    }
}

fn show(facts: &Facts, answer: Answer, context: &mut Context<'_>) -> io::Result<()> {
    let Facts { from, to, purpose, purpose_words, expires, .. } = facts;
    let out = &mut *context.out;
    match facts.as_what {
        Role::Patient => writeln!(out, "{from} asks you about your record.\n")?,
        Role::Delegate => writeln!(out, "{from} asks you about a record you speak for.\n")?,
    }
    writeln!(out, "To:       {to}")?;
    writeln!(out, "From:     {from}")?;
    writeln!(out, "For:      {purpose_words} ({purpose})")?;
    writeln!(out, "Until:    {expires}; if nothing is sent by then, nothing will be")?;
    writeln!(out, "\nWhat would go: {} records", facts.resources)?;
    for (kind, count) in &facts.records {
        writeln!(out, "  {count:>7} {kind}")?;
    }
    if facts.withheld.is_empty() {
        writeln!(out, "\nNothing of your record is held back.")?;
    } else {
        writeln!(out, "\nWhat stays at {from}, as your consent says:")?;
        for (kind, rule, count) in &facts.withheld {
            writeln!(out, "  {count:>7} {kind}: {rule}")?;
        }
    }
    writeln!(out)?;
    match (facts.asked_for, facts.agree.is_empty()) {
        (false, _) => writeln!(out, "{to} has not asked for it yet: come back to approve.")?,
        (true, true) => writeln!(out, "{to} says that you are its patient.")?,
        (true, false) => {
            writeln!(out, "Both know the same person by: {}.", facts.agree.join(", "))?;
            if !facts.differ.is_empty() {
                writeln!(out, "They differ in: {}.", facts.differ.join(", "))?;
            }
        }
    }
    writeln!(
        out,
        "It goes sealed: {to} alone can open it. Both institutions note in their public books that a \
         transfer took place, without your name."
    )?;
    match answer {
        Answer::Accept => writeln!(
            out,
            "You can take your approval back with `almoner revoke` until {from} has sent the record. \
             What {to} has received cannot be called back."
        ),
        Answer::Decline => writeln!(out, "If you decline, nothing is sent, and {to} is told so."),
        Answer::Revoke => {
            writeln!(out, "If you take your approval back before it is sent, nothing is sent.")
        }
    }
}

impl From<ApproverError> for Failure {
    fn from(error: ApproverError) -> Self {
        Self::new(Kind::Invalid, error)
            .hint("`almoner approve --new-key FILE` makes a key; only its owner may read the file")
    }
}
