//! `almoner value`: run, show.
//!
//! Comes in: a table of distances between test and training records. Goes out: what was valued, and
//! which records to look at. Never: a clawback; a label that seems wrong is for the steward to judge.

use std::{num::NonZeroU32, path::PathBuf};

use clap::Subcommand;
use serde::Serialize;

use super::{Context, Failure, Format, Kind, Table, pool::pool_id};
use crate::{
    party::ContributorId,
    pipeline::{
        fund::Done,
        value::{self as act, Outcome},
    },
    reward::{Doubtful, ValueCommit},
};

/// Value contributors' records for a model, where a pool pays for that
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Value the records of a table by nearest neighbours (KNN-Shapley, in whole numbers)
    #[command(after_help = "\
The table is CSV or Parquet with one row for each test record and training record:
  test         the test record's id
  record       the training record's id; copies of a record bear the same id and count once
  contributor  whose record it is
  distance     how far the two are, a whole number; ties go to the smaller record id
  match        1 where their labels are the same, else 0
A contributor's value is the sum of his records' values, and never below nothing. The pool's rules say
whether a settlement pays by it: the newest valuation before the period's end counts.

Examples:
  almoner value run diabetes-2026 --table distances.parquet --k 5
  almoner value run diabetes-2026 --table distances.csv --k 5 --format json")]
    Run(RunArgs),
    /// Show the newest valuation of a pool: its sums, or the values, or the records to look at
    #[command(after_help = "\
Examples:
  almoner value show diabetes-2026
  almoner value show diabetes-2026 --list values --format csv
  almoner value show diabetes-2026 --list review")]
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// The pool
    pool: String,
    /// The table of distances, .csv or .parquet
    #[arg(long, value_name = "FILE")]
    table: PathBuf,
    /// How many of the nearest training records answer for a test record
    #[arg(long, value_name = "K")]
    k: NonZeroU32,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The pool
    pool: String,
    /// What is listed
    #[arg(long, value_enum, default_value_t = List::Sums)]
    list: List,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum List {
    /// How many of what there are
    Sums,
    /// Each contributor's value
    Values,
    /// The records that are worth less than nothing, the worst first: their labels may be wrong
    Review,
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    commit: &'a ValueCommit,
    done: &'a Done,
}

#[derive(Serialize)]
struct Value<'a> {
    contributor: &'a ContributorId,
    value: String,
}

/// Runs the command.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    match &args.act {
        Act::Run(args) => {
            let pool = pool_id(&args.pool)?;
            let outcome = act::run(&context.site()?, &pool, &args.table, args.k)?;
            if context.global.format == Format::Table {
                let state = if outcome.done.new {
                    "valued"
                } else {
                    "was valued so already: nothing was written"
                };
                writeln!(context.out, "{pool} {state}")?;
            }
            sums(&outcome, context)
        }
        Act::Show(args) => {
            let outcome = act::show(&context.site()?, &pool_id(&args.pool)?)?;
            match args.list {
                List::Sums => sums(&outcome, context),
                List::Values => values(&outcome, context),
                List::Review => review(&outcome.review, context),
            }
        }
    }
}

fn sums(outcome: &Outcome, context: &mut Context<'_>) -> Result<(), Failure> {
    let Outcome { commit, done, .. } = outcome;
    let mut table = Table::new(["", "count"]);
    for (name, count) in [
        ("neighbours that answer", u64::from(commit.k.get())),
        ("test records", commit.tests),
        ("training records", commit.records),
        ("contributors", commit.contributors),
        ("records to look at", commit.doubtful),
    ] {
        table.row([name.to_owned(), count.to_string()]);
    }
    table.write(context.global.format, &Shown { commit, done }, context.out)?;
    if context.global.format == Format::Table {
        writeln!(context.out, "commit {}, entry {}", done.commit, done.entry)?;
    }
    if commit.doubtful > 0 {
        writeln!(
            context.err,
            "note: {} records make the model worse: their labels may be wrong; see `almoner value \
             show {} --list review`",
            commit.doubtful, commit.pool
        )?;
    }
    Ok(())
}

fn values(outcome: &Outcome, context: &mut Context<'_>) -> Result<(), Failure> {
    let shown: Vec<Value<'_>> = outcome
        .values
        .iter()
        .map(|(contributor, value)| Value { contributor, value: value.to_string() })
        .collect();
    let mut table = Table::new(["contributor", "value"]);
    for Value { contributor, value } in &shown {
        table.row([contributor.as_str().to_owned(), value.clone()]);
    }
    Ok(table.write(context.global.format, &shown, context.out)?)
}

fn review(review: &[Doubtful], context: &mut Context<'_>) -> Result<(), Failure> {
    let mut table = Table::new(["record", "contributor", "value"]);
    for Doubtful { value, record, contributor } in review {
        table.row([record.clone(), contributor.as_str().to_owned(), value.to_string()]);
    }
    Ok(table.write(context.global.format, &review, context.out)?)
}

impl From<act::Error> for Failure {
    fn from(error: act::Error) -> Self {
        use act::{Error as E, TableError as T};
        let hint = match error {
            E::Site(error) => return error.into(),
            E::Fund(error) => return error.into(),
            E::Recorded(error) => return (*error).into(),
            E::Table(T::Source(_) | T::Format(_)) => {
                return Self::new(Kind::Usage, error)
                    .hint("give a .csv, .csv.gz, .csv.zst or .parquet file that can be read");
            }
            E::Table(T::Row { .. } | T::Empty(_) | T::Incomplete { .. }) => {
                return Self::new(Kind::Invalid, error).hint(format!(
                    "each test record is held against each training record, in the columns {}; \
                     `almoner value run --help` says what they hold",
                    act::COLUMNS.join(", ")
                ));
            }
            E::None(_) => {
                return Self::new(Kind::Usage, error).hint("`almoner value run` values records");
            }
            E::Value(_) => return Self::new(Kind::Failed, error),
            E::Register(_) | E::Linkage(_) | E::Line(_) => {
                "run `almoner verify --deep`, which names what has changed"
            }
        };
        Self::new(Kind::Integrity, error).hint(hint)
    }
}
