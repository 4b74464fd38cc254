//! Suppresses the rows whose class is too small.
//!
//! Comes in: [`DeidentifiedBatch`], [`SmallClasses`] of all parts. Goes out: [`ReleasableBatch`].
//! Never: a row of a class that was not counted to k people; nor any other row held back.

use std::sync::Arc;

use arrow::{
    array::{BooleanArray, RecordBatch},
    compute::filter_record_batch,
};

use super::{DeidentifiedBatch, Error, SmallClasses};

/// Rows that may be released.
///
/// INVARIANT: only [`release`] makes one.
#[derive(Debug, Clone)]
pub struct ReleasableBatch {
    table: Arc<str>,
    rows: RecordBatch,
    people: Vec<u32>,
}

impl ReleasableBatch {
    /// Returns the table's name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Returns the rows: `person`, then the kept columns.
    pub fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    /// Returns, for each row, its person's place in the roster.
    pub fn people(&self) -> &[u32] {
        &self.people
    }
}

/// Takes out the rows of small classes, and returns how many those were. A table without
/// quasi-identifiers passes whole.
pub fn release(
    batch: DeidentifiedBatch,
    small: &SmallClasses,
) -> Result<(ReleasableBatch, u64), Error> {
    let DeidentifiedBatch { table, rows, people, classes } = batch;
    let Some(classes) = classes else {
        return Ok((ReleasableBatch { table, rows, people }, 0));
    };
    let is_large: Vec<bool> = classes.keys.iter().map(|key| !small.contains(*key)).collect();
    if is_large.iter().all(|large| *large) {
        return Ok((ReleasableBatch { table, rows, people }, 0));
    }
    let stays = |code: &u32| {
        usize::try_from(*code).ok().and_then(|code| is_large.get(code)).copied().unwrap_or(false)
    };
    let mask: BooleanArray = classes.codes.iter().map(|code| Some(stays(code))).collect();
    let kept = filter_record_batch(&rows, &mask).map_err(|source| Error::Arrow {
        table: table.as_ref().to_owned(),
        doing: "filtered",
        source,
    })?;
    let people: Vec<u32> = people
        .iter()
        .zip(&classes.codes)
        .filter(|(_, code)| stays(code))
        .map(|(person, _)| *person)
        .collect();
    let suppressed = (rows.num_rows() - kept.num_rows()) as u64;
    Ok((ReleasableBatch { table, rows: kept, people }, suppressed))
}
