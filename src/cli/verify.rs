//! `almoner verify`: the book against its checkpoints; with `--deep` every object that it names.
//!
//! Comes in: a site, opened for reading alone. Goes out: each object that is not as recorded.
//! Never: a site mended before it was looked at.

use serde::Serialize;

use super::{Context, Failure, Kind, Table, address};
use crate::pipeline::audit::Files;

/// Check the book against its checkpoints, and with --deep every object it names
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  almoner verify\n  almoner verify --deep --format json")]
pub struct Args {
    /// Hash every object that a commit names too: segments, rosters, reports, consents, usage,
    /// settlements, record trees
    #[arg(long)]
    deep: bool,
}

#[derive(Serialize)]
struct Problem {
    object: String,
    fault: String,
}

/// Runs the command.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let files = files(context)?;
    let mut problems = book_problems(&files, context)?;
    if args.deep {
        let seen = files.rehash()?;
        let found = seen.findings.into_iter();
        problems.extend(found.map(|f| Problem { object: f.object, fault: f.fault }));
        writeln!(context.err, "objects: {} hashed", seen.objects)?;
        if seen.unreadable > 0 {
            let many = seen.unreadable;
            writeln!(context.err, "{many} objects have no key any more: it was destroyed")?;
        }
    }
    finish(&problems, context)
}

/// Checks the book alone.
pub fn book(context: &mut Context<'_>) -> Result<(), Failure> {
    let files = files(context)?;
    let problems = book_problems(&files, context)?;
    finish(&problems, context)
}

fn files(context: &Context<'_>) -> Result<Files, Failure> {
    let (site, keys) = address(&context.global)?;
    Ok(Files::open(&site, &keys)?)
}

fn book_problems(files: &Files, context: &mut Context<'_>) -> Result<Vec<Problem>, Failure> {
    let seen = files.book()?;
    writeln!(
        context.err,
        "book: {} entries, {} objects, {} checkpoints",
        seen.entries, seen.objects, seen.checkpoints
    )?;
    let findings = seen.findings.into_iter();
    Ok(findings
        .map(|f| Problem { object: format!("ledger/{}", f.object), fault: f.reason })
        .collect())
}

fn finish(problems: &[Problem], context: &mut Context<'_>) -> Result<(), Failure> {
    let mut table = Table::new(["object", "fault"]);
    for problem in problems {
        table.row([problem.object.clone(), problem.fault.clone()]);
    }
    table.write(context.global.format, &problems, context.out)?;
    if problems.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Kind::Integrity, format!("{} objects are not as recorded", problems.len()))
        .hint("restore the named objects from a copy"))
}
