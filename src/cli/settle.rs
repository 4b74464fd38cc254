//! `almoner settle`: turns a period's usage into payouts, once.
//!
//! Comes in: a pool and a period, or a decision on one. Goes out: the sums, and where they are written
//! down.
//! Never: which person is paid what; that is in each one's statement. What each institution is paid
//! stands in the JSON form alone.

use clap::Subcommand;
use serde::Serialize;

use super::{
    Context, Failure, Format, Kind, Table,
    pool::{one, pool_id, usage},
};
use crate::{
    money::{Accrual, Amount, Currency},
    party::{ContributorId, InstitutionId},
    pipeline::{
        fund::Done,
        over,
        settle::{Outcome, Question, questions, settle},
    },
    reward::{InstitutionLine, Overridden, Override, Period, Settled, Totals},
};

/// Settle a period of a pool: turn usage into exact payouts, once
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  almoner settle diabetes-2026 --period 2026-Q4 --dry-run
  almoner settle diabetes-2026 --period 2026-Q4
  almoner settle diabetes-2026 --period 2026-10-01..2026-11-21
  almoner settle override diabetes-2026 --exclude-query 17 --reason 'asked by a robot' --approver board"
)]
pub struct Args {
    /// The pool
    #[arg(required = true)]
    pool: Option<String>,
    /// The period: 2026-Q4, 2026-11, 2026, or FROM..TO with both days in it
    #[arg(long, value_name = "PERIOD", required = true)]
    period: Option<String>,
    /// Compute and show, commit nothing; the period need not be over
    #[arg(long)]
    dry_run: bool,
    #[command(subcommand)]
    act: Option<Act>,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Decide on a pool's next settlement, with a reason and an approver; it stands in the book
    #[command(after_help = "\
A question is named by its number, as `almoner settle questions` shows it. The book says what \
kind of decision it was, why and who approved it; it never says on whom.

Examples:
  almoner settle override diabetes-2026 --exclude-query 17 --reason 'a test' --approver board
  almoner settle override diabetes-2026 --price 18=3 --reason 'a drug trial' --approver board
  almoner settle override diabetes-2026 --correct person-7=12.50 --reason 'copied records' \\
      --approver board")]
    Override(OverrideArgs),
    /// List the questions of a period, and which of them count
    #[command(after_help = "\
Example:
  almoner settle questions diabetes-2026 --period 2026-Q4")]
    Questions(QuestionsArgs),
}

#[derive(Debug, clap::Args)]
struct QuestionsArgs {
    /// The pool
    pool: String,
    /// The period, as for `settle`
    #[arg(long, value_name = "PERIOD")]
    period: String,
}

#[derive(Debug, clap::Args)]
struct OverrideArgs {
    /// The pool
    pool: String,
    #[command(flatten)]
    change: ChangeArgs,
    /// Why; it stands in the public book, so it may name nobody
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who approved it; it stands in the public book
    #[arg(long, value_name = "NAME")]
    approver: String,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct ChangeArgs {
    /// Count neither a question nor its repeats
    #[arg(long, value_name = "N")]
    exclude_query: Option<u64>,
    /// Give a contributor no weight; what was earned before stays
    #[arg(long, value_name = "ID")]
    exclude_contributor: Option<String>,
    /// Weigh a question P times one without a price
    #[arg(long, value_name = "N=P")]
    price: Option<String>,
    /// Take an amount off what a contributor earns from now on
    #[arg(long, value_name = "ID=AMOUNT")]
    correct: Option<String>,
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
    match (&args.act, &args.pool, &args.period) {
        (Some(Act::Override(args)), ..) => decide(args, context),
        (Some(Act::Questions(args)), ..) => list(args, context),
        (None, Some(pool), Some(period)) => run_period(pool, period, args.dry_run, context),
        (None, ..) => Err(Failure::new(Kind::Usage, "name a pool and its `--period`")),
    }
}

fn decide(args: &OverrideArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    let pool = pool_id(&args.pool)?;
    let change = change(&args.change, one(&site, &pool)?.currency())?;
    let what = change.name();
    let (reason, approver) = (args.reason.clone(), args.approver.clone());
    let done = over::decide(&site, Overridden { pool, change, reason, approver })?;
    if context.global.format == Format::Table {
        let already = if done.new { "" } else { " already" };
        let (pool, commit, entry) = (&args.pool, done.commit, done.entry);
        writeln!(context.out, "pool {pool} {what}{already}: commit {commit}, entry {entry}")?;
        return Ok(());
    }
    let mut table = Table::new(["commit", "entry", "new"]);
    table.row([done.commit.to_string(), done.entry.to_string(), done.new.to_string()]);
    Ok(table.write(context.global.format, &done, context.out)?)
}

fn list(args: &QuestionsArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let pool = pool_id(&args.pool)?;
    let period = Period::parse(&args.period).map_err(|e| usage("--period", &e))?;
    let questions = questions(&context.site()?, &pool, &period)?;
    let mut table = Table::new([
        "question",
        "time",
        "dataset",
        "purpose",
        "researcher",
        "institution",
        "people",
        "rows",
        "price",
        "state",
    ]);
    for Question { query, state } in &questions {
        table.row([
            query.commit.to_string(),
            query.time.to_string(),
            format!("{}@{}", query.dataset, query.version),
            query.purpose.to_string(),
            query.researcher.to_string(),
            query.institution.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
            query.people.to_string(),
            query.rows.to_string(),
            query.price.to_string(),
            state.name().to_owned(),
        ]);
    }
    Ok(table.write(context.global.format, &questions, context.out)?)
}

fn change(args: &ChangeArgs, currency: Currency) -> Result<Override, Failure> {
    let person = |option, text: &str| ContributorId::parse(text).map_err(|e| usage(option, &e));
    let wrong = |text: &str| Failure::new(Kind::Usage, text.to_owned());
    match args {
        ChangeArgs { exclude_query: Some(query), .. } => {
            Ok(Override::ExcludeQuery { query: *query })
        }
        ChangeArgs { exclude_contributor: Some(who), .. } => {
            let contributor = person("--exclude-contributor", who)?;
            Ok(Override::ExcludeContributor { contributor })
        }
        ChangeArgs { price: Some(text), .. } => {
            let parts = text.split_once('=');
            let parts = parts.and_then(|(n, p)| Some((n.parse().ok()?, p.parse().ok()?)));
            let (query, price) = parts
                .ok_or_else(|| wrong("`--price`: write it as QUESTION=PRICE, such as 17=2"))?;
            Ok(Override::Price { query, price })
        }
        ChangeArgs { correct: Some(text), .. } => {
            let parts = text.rsplit_once('=');
            let (who, amount) =
                parts.ok_or_else(|| wrong("`--correct`: write it as CONTRIBUTOR=AMOUNT"))?;
            let amount = Amount::parse(amount, currency).map_err(|e| usage("--correct", &e))?;
            Ok(Override::Correct { contributor: person("--correct", who)?, amount })
        }
        ChangeArgs { .. } => Err(wrong("name what is to be changed")),
    }
}

fn run_period(
    pool: &str,
    period: &str,
    dry_run: bool,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let pool = pool_id(pool)?;
    let period = Period::parse(period).map_err(|e| usage("--period", &e))?;
    let Outcome { settled, institutions, done, unpaid_before, repeats } =
        settle(&context.site()?, &pool, &period, dry_run)?;
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
    let rows = rows(totals);
    let mut table = Table::new(["sum", "amount", "currency"]);
    for (name, amount) in rows {
        table.row([name, amount, currency.to_string()]);
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

/// The sums, as they are shown.
fn rows(totals: &Totals) -> Vec<(String, String)> {
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut row = |name: &str, amount: String| rows.push((name.to_owned(), amount));
    row("received", totals.received.grouped());
    row("returned from before", totals.returned.grouped());
    row("fee", totals.fee.grouped());
    row("reserve", totals.reserve.grouped());
    for sums in &totals.layers {
        row(&format!("{} layer", sums.layer.name()), sums.pot.grouped());
    }
    row("unallocated, stays in the pool", totals.unallocated.grouped());
    row("earned", totals.gross.grouped());
    row("people's part", totals.person.grouped());
    row("made good", totals.adjusted.grouped());
    row("held until later", totals.held.grouped());
    row("held before, due now", totals.vested.grouped());
    row("opening balances", totals.opening.grouped());
    row("tax withheld", totals.tax.grouped());
    row("paid", totals.paid.grouped());
    row("carried", totals.carried.grouped());
    for (whose, sums) in
        [("institutions", &totals.institutions), ("platform", &totals.platform_account)]
    {
        if let Some(sums) = sums {
            row(&format!("{whose}: part"), sums.part.grouped());
            row(&format!("{whose}: opening balances"), sums.opening.grouped());
            row(&format!("{whose}: paid"), sums.paid.grouped());
            row(&format!("{whose}: carried"), sums.carried.grouped());
        }
    }
    rows
}

impl From<over::Error> for Failure {
    fn from(error: over::Error) -> Self {
        use over::Error as E;
        let (kind, hint) = match error {
            E::Fund(error) => return error.into(),
            E::Silent | E::Amount { .. } => (Kind::Usage, None),
            E::Query { .. } => (
                Kind::Usage,
                Some(
                    "`almoner settle questions POOL --period PERIOD` shows each question with its number",
                ),
            ),
            E::Settled { .. } => (
                Kind::Refused,
                Some(
                    "what is paid stays paid; `--correct` takes it off what is earned from now on",
                ),
            ),
            E::Contributor { .. } => (
                Kind::Usage,
                Some("a contributor is named as in the consents, such as `cohort:4711`"),
            ),
            E::Format { .. } | E::Table { .. } => {
                (Kind::Integrity, Some("run `almoner verify --deep`, which names what has changed"))
            }
        };
        let failure = Self::new(kind, error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
