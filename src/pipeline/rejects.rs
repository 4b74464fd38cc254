//! The quarantine: which rows of a run did not fit, where they stand and why; never what they hold.

use std::collections::BTreeMap;

use arrow::{
    array::{Array as _, AsArray as _, RecordBatch},
    datatypes::Int64Type,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Serialize;

use crate::{
    site::Site,
    store::{self, Store},
};

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// There is no such run.
    #[error("there is no run `{0}`")]
    NoRun(String),
    /// The quarantine cannot be read.
    #[error("the quarantine of run `{run}` cannot be read")]
    Read {
        /// The run.
        run: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// One rejected row, or one fault of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The file, below the input folder.
    pub file: String,
    /// The line that the row begins on, from 1.
    pub line: i64,
    /// The column at fault, where it is one.
    pub column: Option<String>,
    /// The rule that the row broke.
    pub rule: String,
    /// What is wrong, without the value.
    pub reason: String,
}

/// Rejected rows of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The file.
    pub file: String,
    /// The column; empty where the whole row is at fault.
    pub column: String,
    /// The rule.
    pub rule: String,
    /// How many.
    pub rows: u64,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Its name.
    pub run: String,
    /// Faults in its quarantine.
    pub rejected: u64,
}

/// Where a run's quarantine is, in the vault.
pub fn path(run: &str) -> String {
    format!("runs/{run}/rejects.parquet")
}

/// Lists the runs of a site.
pub fn runs(site: &Site) -> Result<Vec<Run>, Error> {
    let vault = site.vault();
    let mut names: Vec<String> = vault
        .list("runs")?
        .into_iter()
        .filter_map(|o| Some(o.path.strip_prefix("runs/")?.strip_suffix("/run.json")?.to_owned()))
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|run| {
            let rejected = batches(&vault, &run)?.iter().map(|b| b.num_rows() as u64).sum();
            Ok(Run { run, rejected })
        })
        .collect()
}

/// Reads the quarantine of one run.
pub fn show(site: &Site, run: &str) -> Result<Vec<Line>, Error> {
    let vault = site.vault();
    if vault.find(&format!("runs/{run}/run.json"))?.is_none() {
        return Err(Error::NoRun(run.to_owned()));
    }
    let fault = || Error::Read { run: run.to_owned(), source: "it lacks a column".into() };
    let mut lines = Vec::new();
    for batch in batches(&vault, run)? {
        let text = |name: &str| {
            batch.column_by_name(name).and_then(|c| c.as_string_opt::<i32>()).ok_or_else(fault)
        };
        let (file, column, rule, reason) =
            (text("file")?, text("column")?, text("rule")?, text("reason")?);
        let line = batch
            .column_by_name("line")
            .and_then(|c| c.as_primitive_opt::<Int64Type>())
            .ok_or_else(fault)?;
        for row in 0..batch.num_rows() {
            lines.push(Line {
                file: file.value(row).to_owned(),
                line: line.value(row),
                column: (!column.is_null(row)).then(|| column.value(row).to_owned()),
                rule: rule.value(row).to_owned(),
                reason: reason.value(row).to_owned(),
            });
        }
    }
    Ok(lines)
}

/// Counts rejected rows by file, column and rule.
pub fn count(lines: &[Line]) -> Vec<Count> {
    let mut counts: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for line in lines {
        let column = line.column.as_deref().unwrap_or_default();
        *counts.entry((&line.file, column, &line.rule)).or_default() += 1;
    }
    counts
        .into_iter()
        .map(|((file, column, rule), rows)| Count {
            file: file.to_owned(),
            column: column.to_owned(),
            rule: rule.to_owned(),
            rows,
        })
        .collect()
}

fn batches(vault: &Store, run: &str) -> Result<Vec<RecordBatch>, Error> {
    let Some(bytes) = vault.find(&path(run))? else { return Ok(Vec::new()) };
    let fault = |source: Box<dyn std::error::Error + Send + Sync>| Error::Read {
        run: run.to_owned(),
        source,
    };
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|e| fault(Box::new(e)))?;
    reader.map(|batch| batch.map_err(|e| fault(Box::new(e)))).collect()
}
