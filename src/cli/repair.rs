//! `almoner repair`: writes again what follows from the entries of the book, and names what it cannot.
//!
//! Comes in: a site whose book is broken. Goes out: each object that was mended, and each that was not.
//! Never: an entry made up, or anything outside the book touched.

use serde::Serialize;

use super::{Context, Failure, Kind, Table, address};
use crate::pipeline::repair::repair;

/// Write again the tiles, bundles, commits and checkpoints of the book that are lost or broken
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Entries are read from the commits and from the bundles; the newest checkpoint that the log signed decides
which to believe, and all else is made again from them: tiles, bundles, commits, the log's own lines of
checkpoints. No entry is made up, and nothing is deleted. A checkpoint that is signed and says something
else is evidence and stays. What is in the vault and the lake comes back from a copy alone.

Examples:
  almoner repair --dry-run
  almoner repair
  almoner verify --deep

It ends in exit code 7 where something is left that it cannot make again.")]
pub struct Args {
    /// Say what would be mended; write nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Line {
    object: String,
    was: String,
    mended: bool,
}

/// Runs the command.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let (site, keys) = address(&context.global)?;
    let done = repair(&site, &keys, args.dry_run)?;
    let left = done.left.len();
    let line = |mended| {
        move |finding: crate::ledger::Finding| {
            let object = format!("ledger/{}", finding.object);
            Line { object, was: finding.reason, mended }
        }
    };
    let mended = done.mended.into_iter().map(line(true));
    let lines: Vec<Line> = mended.chain(done.left.into_iter().map(line(false))).collect();
    let mut table = Table::new(["object", "was", "mended"]);
    for line in &lines {
        let mended = match (line.mended, args.dry_run) {
            (true, true) => "can be",
            (true, false) => "yes",
            (false, _) => "no",
        };
        table.row([line.object.as_str(), &line.was, mended]);
    }
    table.write(context.global.format, &lines, context.out)?;
    if lines.is_empty() {
        writeln!(context.err, "the book is whole")?;
    }
    if left == 0 {
        return Ok(());
    }
    Err(Failure::new(Kind::Integrity, format!("{left} objects cannot be made again"))
        .hint("restore them from a copy of the ledger folder"))
}
