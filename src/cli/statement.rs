//! `almoner statement`: what a contributor earned, why, and how to check it.
//!
//! Comes in: a person, or all. Goes out: statements on stdout, or a file each in a folder.
//! Never: two people's statements in one file, or a person's id in a file's name.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::{
    Context, Failure, Format, Kind, Table,
    pool::{pool_id, usage},
};
use crate::{
    pipeline::{
        linkage,
        statement::{Selection, statements},
    },
    reward::{
        Period,
        statement::{CSV_HEADER, Statement},
    },
};

/// State what a contributor earned, why, and how to check it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  almoner statement p-117
  almoner statement p-117 --pool diabetes-2026 --period 2026-Q4 --format json
  almoner statement --all --out statements/")]
pub struct Args {
    /// The person
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    person: Option<String>,
    /// Everybody's statements
    #[arg(long, requires = "out")]
    all: bool,
    /// Of one pool
    #[arg(long, value_name = "POOL")]
    pool: Option<String>,
    /// For one period
    #[arg(long, value_name = "PERIOD")]
    period: Option<String>,
    /// Write a JSON and a CSV file for each statement into this folder, readable by you alone
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs `almoner statement`.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    let selection = Selection {
        contributors: match &args.person {
            Some(text) => linkage::ids(&site, text)?,
            None => Vec::new(),
        },
        pool: args.pool.as_deref().map(pool_id).transpose()?,
        period: match &args.period {
            Some(text) => Some(Period::parse(text).map_err(|e| usage("--period", &e))?),
            None => None,
        },
    };
    if let Some(folder) = &args.out {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let count = statements(&site, &selection, |statement| write(folder, &statement))?;
        nobody(count)?;
        return Ok(writeln!(context.out, "{count} statements in {}", folder.display())?);
    }
    let mut found = Vec::new();
    nobody(statements(&site, &selection, |statement| {
        found.push(statement);
        Ok::<(), Failure>(())
    })?)?;
    match context.global.format {
        Format::Table => found.iter().try_for_each(|statement| show(statement, context)),
        Format::Json | Format::Csv | Format::Parquet => {
            let mut table = Table::new(CSV_HEADER);
            found.iter().flat_map(Statement::csv_rows).for_each(|row| table.row(row));
            Ok(table.write(context.global.format, &found, context.out)?)
        }
    }
}

fn nobody(count: u64) -> Result<(), Failure> {
    if count > 0 {
        return Ok(());
    }
    Err(Failure::new(Kind::Failed, "no settlement has a line for that").hint(
        "`almoner pool show` lists the settled periods; a person has a line once released or paid",
    ))
}

fn show(statement: &Statement, context: &mut Context<'_>) -> Result<(), Failure> {
    writeln!(context.out, "{} {}", statement.pool, statement.period)?;
    let mut table = Table::new(["item", "date", "", "mine", "all", "amount"]);
    for [_, _, item, date, note, mine, all, _, amount, currency] in statement.csv_rows() {
        let amount = if amount.is_empty() { amount } else { format!("{currency} {amount}") };
        table.row([item, date, note, mine, all, amount]);
    }
    table.write(Format::Table, &(), context.out)?;
    writeln!(context.out, "paid {}, carried {}", statement.paid, statement.carried)?;
    let proof = &statement.proof;
    writeln!(
        context.out,
        "entry {}, line {} of {} under root {}",
        statement.entry, proof.leaf_index, proof.leaf_count, proof.root
    )?;
    Ok(writeln!(context.out, "recompute with: {}\n", statement.recompute)?)
}

/// Writes one statement; its file is named by the line's token, which tells nobody's name.
fn write(folder: &Path, statement: &Statement) -> Result<(), Failure> {
    let token = statement.proof.token.get(..16).unwrap_or(&statement.proof.token);
    let name = format!("{}-{}-{token}", statement.pool, statement.period);
    let mut json = create(&folder.join(format!("{name}.json")))?;
    serde_json::to_writer_pretty(&mut json, statement)
        .map_err(|e| Failure::new(Kind::Failed, e))?;
    json.write_all(b"\n")?;
    let mut table = Table::new(CSV_HEADER);
    statement.csv_rows().into_iter().for_each(|row| table.row(row));
    let mut csv = create(&folder.join(format!("{name}.csv")))?;
    Ok(table.write(Format::Csv, &(), &mut csv)?)
}

fn create(file: &Path) -> Result<fs::File, Failure> {
    Ok(fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?)
}
