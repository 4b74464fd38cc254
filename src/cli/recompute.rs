//! `almoner audit recompute`: reproduces a pool's settlements from their recorded inputs alone.
//!
//! Comes in: a pool, perhaps a period. Goes out: what was compared, the sums, the digests.
//! Never: success where one byte of an input, or one cell of a line, is another.

use serde::Serialize;

use super::{
    Context, Failure, Format, Kind, Table, address,
    pool::{pool_id, usage},
};
use crate::{
    instant::Instant,
    money::{Accrual, Amount},
    pipeline::{
        audit::{Files, Finding, Recomputed},
        recompute::{Error, recompute},
    },
    reward::Period,
};

/// Reproduce a pool's settlements from the inputs that they recorded, and nothing else
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  almoner audit recompute diabetes-2026
  almoner audit recompute diabetes-2026 --period 2026-Q4 --format json

It reads the settlement's commit, the inputs that the commit names by digest, and the tables that the
inputs name. Where one byte of them is another, or one cell of a line, it names the object and ends in
exit code 7.")]
pub struct Args {
    /// The pool
    pool: String,
    /// One period alone [default: all that are settled]
    #[arg(long)]
    period: Option<String>,
}

/// One settlement, as it is shown.
#[derive(Serialize)]
struct Shown<'a> {
    period: &'a str,
    commit: u64,
    time: Instant,
    objects: u64,
    lines_compared: u64,
    institution_lines_compared: u64,
    sums: Vec<Sum>,
    inputs: &'a str,
    inputs_digest: String,
    lines: &'a str,
    lines_digest: String,
}

/// The sum of a column of amounts over all lines.
#[derive(Serialize)]
struct Sum {
    column: &'static str,
    #[serde(flatten)]
    sum: Either,
}

/// Minor units, or millionths of them.
#[derive(Serialize)]
#[serde(untagged)]
enum Either {
    Minor(Amount),
    Micro(Accrual),
}

#[derive(Serialize)]
struct Page<'a> {
    pool: &'a str,
    settlements: Vec<Shown<'a>>,
    findings: &'a [Finding],
}

/// Runs the command.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let pool = pool_id(&args.pool)?;
    let period = args.period.as_deref().map(Period::parse).transpose();
    let period = period.map_err(|e| usage("--period", &e))?;
    let (site, keys) = address(&context.global)?;
    let (done, findings) = recompute(&Files::open(&site, &keys)?, &pool, period.as_ref())?;
    let page = Page {
        pool: pool.as_str(),
        settlements: done.iter().map(shown).collect(),
        findings: &findings,
    };
    let mut table = Table::new(["period", "objects", "lines", "institutions", "paid", "inputs"]);
    for one in &done {
        let paid = one.paid.map_or_else(|| "cannot be reckoned".to_owned(), |p| p.to_string());
        table.row([
            one.period.clone(),
            one.objects.to_string(),
            one.people.to_string(),
            one.institutions.to_string(),
            paid,
            one.inputs.1.to_string(),
        ]);
    }
    table.write(context.global.format, &page, context.out)?;
    if context.global.format == Format::Table {
        for finding in &findings {
            writeln!(context.out, "{}: {}", finding.object, finding.fault)?;
        }
    }
    if findings.is_empty() {
        return Ok(());
    }
    let named: Vec<&str> = findings.iter().map(|f| f.object.as_str()).take(1).collect();
    Err(Failure::new(
        Kind::Integrity,
        format!("the settlements of `{pool}` cannot be reproduced: `{}`", named.join("")),
    )
    .hint("restore the named object from a copy, or explain it"))
}

fn shown(one: &Recomputed) -> Shown<'_> {
    let currency = one.paid.map(Amount::currency);
    let sums = one.sums.iter().filter_map(|(column, sum)| {
        let currency = currency?;
        let sum = if column.ends_with("_minor") {
            Either::Minor(Amount::new(*sum, currency))
        } else {
            Either::Micro(Accrual::new(*sum, currency))
        };
        Some(Sum { column, sum })
    });
    Shown {
        period: &one.period,
        commit: one.commit,
        time: one.time,
        objects: one.objects,
        lines_compared: one.people,
        institution_lines_compared: one.institutions,
        sums: sums.collect(),
        inputs: &one.inputs.0,
        inputs_digest: one.inputs.1.to_string(),
        lines: &one.lines.0,
        lines_digest: one.lines.1.to_string(),
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => error.into(),
            Error::Unsettled(_) => {
                Self::new(Kind::Usage, error).hint("`almoner pool show` lists the settled periods")
            }
        }
    }
}
