//! `almoner settle`: turns a period's usage into payouts, once.
//!
//! Comes in: a pool and a period. Goes out: the sums, and where they are written down.
//! Never: which person is paid what; that is in each one's statement. What each institution is paid
//! stands in the JSON form alone.

use serde::Serialize;

use super::{
    Context, Failure, Format, Table,
    pool::{pool_id, usage},
};
use crate::{
    money::{Accrual, Amount, Currency},
    party::InstitutionId,
    pipeline::{
        fund::Done,
        settle::{Outcome, settle},
    },
    reward::{InstitutionLine, Period, Settled},
};

/// Settle a period of a pool: turn usage into exact payouts, once
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  almoner settle diabetes-2026 --period 2026-Q4 --dry-run
  almoner settle diabetes-2026 --period 2026-Q4
  almoner settle diabetes-2026 --period 2026-10-01..2026-11-21")]
pub struct Args {
    /// The pool
    pool: String,
    /// The period: 2026-Q4, 2026-11, 2026, or FROM..TO with both days in it
    #[arg(long, value_name = "PERIOD")]
    period: String,
    /// Compute and show, commit nothing; the period need not be over
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    dry_run: bool,
    #[serde(flatten)]
    settled: &'a Settled,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    institutions: Vec<Share>,
    done: Option<&'a Done>,
    unpaid_before: u64,
    repeats: u64,
}

/// What one institution is paid, and why.
#[derive(Serialize)]
struct Share {
    institution: InstitutionId,
    weight: String,
    opening: Accrual,
    accrued: Accrual,
    paid: Amount,
    carried: Accrual,
}

impl Share {
    fn of(line: InstitutionLine, currency: Currency) -> Self {
        let accrual = |micro: i64| Accrual::new(i128::from(micro), currency);
        Self {
            weight: line.weight.to_string(),
            opening: accrual(line.opening_micro),
            accrued: accrual(line.accrued_micro),
            paid: Amount::new(i128::from(line.paid_minor), currency),
            carried: accrual(line.closing_micro),
            institution: line.institution,
        }
    }
}

/// Runs `almoner settle`.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let pool = pool_id(&args.pool)?;
    let period = Period::parse(&args.period).map_err(|e| usage("--period", &e))?;
    let Outcome { settled, institutions, done, unpaid_before, repeats } =
        settle(&context.site()?, &pool, &period, args.dry_run)?;
    if unpaid_before > 0 {
        writeln!(
            context.err,
            "note: {unpaid_before} questions before {period} lie in no settled period and are paid \
             by none"
        )?;
    }
    if repeats > 0 {
        writeln!(context.err, "note: {repeats} repeated questions count once each day")?;
    }
    let totals = &settled.totals;
    let currency = totals.paid.currency();
    if context.global.format == Format::Table {
        let state = match &done {
            None => "would be settled (dry run: nothing was written)",
            Some(Done { new: true, .. }) => "settled",
            Some(Done { new: false, .. }) => "was settled already: nothing was paid again",
        };
        writeln!(context.out, "{} {} {state}", settled.pool, settled.period)?;
    }
    let mut rows = vec![
        ("received", totals.received.grouped()),
        ("returned from before", totals.returned.grouped()),
        ("fee", totals.fee.grouped()),
    ];
    if let Some(shared) = &totals.institutions {
        rows.push(("institutions", shared.part.grouped()));
    }
    rows.extend([
        ("base layer", totals.base.grouped()),
        ("usage layer", totals.usage.grouped()),
        ("unallocated, stays in the pool", totals.unallocated.grouped()),
        ("opening balances", totals.opening.grouped()),
        ("accrued", totals.accrued.grouped()),
        ("paid", totals.paid.grouped()),
        ("carried", totals.carried.grouped()),
    ]);
    if let Some(shared) = &totals.institutions {
        rows.extend([
            ("institutions' opening balances", shared.opening.grouped()),
            ("paid to institutions", shared.paid.grouped()),
            ("carried for institutions", shared.carried.grouped()),
        ]);
    }
    let mut table = Table::new(["sum", "amount", "currency"]);
    for (name, amount) in rows {
        table.row([name.to_owned(), amount, currency.to_string()]);
    }
    let dry_run = done.is_none();
    let shown = Shown {
        dry_run,
        settled: &settled,
        institutions: institutions.into_iter().map(|line| Share::of(line, currency)).collect(),
        done: done.as_ref(),
        unpaid_before,
        repeats,
    };
    table.write(context.global.format, &shown, context.out)?;
    if let (Format::Table, Some(done)) = (context.global.format, &done) {
        writeln!(context.out, "commit {}, entry {}", done.commit, done.entry)?;
    }
    Ok(())
}
