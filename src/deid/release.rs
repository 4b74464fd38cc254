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

    /// Parts the rows by a mark of each: those with it, and those without.
    pub fn part(self, marked: &[bool]) -> Result<(Self, Self), Error> {
        let mask: BooleanArray = marked.iter().map(|mark| Some(*mark)).collect();
        let others: BooleanArray = marked.iter().map(|mark| Some(!*mark)).collect();
        let of = |mask: &BooleanArray, wanted: bool| -> Result<Self, Error> {
            let rows = filtered(&self.table, &self.rows, mask)?;
            let people = self.people.iter().zip(marked);
            let people = people.filter(|(_, mark)| **mark == wanted).map(|(person, _)| *person);
            Ok(Self { table: Arc::clone(&self.table), rows, people: people.collect() })
        };
        Ok((of(&mask, true)?, of(&others, false)?))
    }
}

/// Takes out the rows of small classes, and returns how many those were. A table without
/// quasi-identifiers passes whole.
pub fn release(
    batch: DeidentifiedBatch,
    small: &SmallClasses,
) -> Result<(ReleasableBatch, u64), Error> {
    let Some(stays) = stays(&batch, small) else {
        let DeidentifiedBatch { table, rows, people, .. } = batch;
        return Ok((ReleasableBatch { table, rows, people }, 0));
    };
    let DeidentifiedBatch { table, rows, people, .. } = batch;
    let mask: BooleanArray = stays.iter().map(|stays| Some(*stays)).collect();
    let kept = filtered(&table, &rows, &mask)?;
    let people = people.iter().zip(&stays).filter(|(_, stays)| **stays).map(|(p, _)| *p).collect();
    let suppressed = (rows.num_rows() - kept.num_rows()) as u64;
    Ok((ReleasableBatch { table, rows: kept, people }, suppressed))
}

/// Tells which rows of a batch [`release`] lets go on; `None` where all do.
pub fn stays(batch: &DeidentifiedBatch, small: &SmallClasses) -> Option<Vec<bool>> {
    let classes = batch.classes.as_ref()?;
    let is_large: Vec<bool> = classes.keys.iter().map(|key| !small.contains(*key)).collect();
    if is_large.iter().all(|large| *large) {
        return None;
    }
    let stays = |code: &u32| {
        usize::try_from(*code).ok().and_then(|code| is_large.get(code)).copied().unwrap_or(false)
    };
    Some(classes.codes.iter().map(stays).collect())
}

fn filtered(table: &str, rows: &RecordBatch, mask: &BooleanArray) -> Result<RecordBatch, Error> {
    filter_record_batch(rows, mask).map_err(|source| Error::Arrow {
        table: table.to_owned(),
        doing: "filtered",
        source,
    })
}
