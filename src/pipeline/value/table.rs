//! The table of a valuation: one row for each test record and training record, with their distance
//! and whether their labels match, as CSV or Parquet.
//!
//! Comes in: a file. Goes out: a [`Training`] set, copies of a record collapsed to one. Never: a cell
//! in an error, or a test record that saw only some of the training records.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use arrow::array::Array as _;

use crate::{
    party::ContributorId,
    reward::{Neighbour, Training},
    source::{self, Format, Options, RawBatch},
};

/// The columns of the table, in any order; others are passed over.
pub const COLUMNS: [&str; 5] = ["test", "record", "contributor", "distance", "match"];

/// Why a table cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// The file is neither CSV nor Parquet by its name.
    #[error("`{}` is named neither .csv nor .parquet", .0.display())]
    Format(PathBuf),
    /// A row does not fit.
    #[error("line {line} of `{}`: {reason}", file.display())]
    Row {
        /// The file.
        file: PathBuf,
        /// The line, from 1; in Parquet the row.
        line: u64,
        /// What is wrong with it, without the value.
        reason: String,
    },
    /// The table holds no row.
    #[error("`{}` holds no training record", .0.display())]
    Empty(PathBuf),
    /// A test record was not held against all training records.
    #[error(
        "`{}`: the test record of line {line} has {rows} of {records} training records",
        file.display()
    )]
    Incomplete {
        /// The file.
        file: PathBuf,
        /// The line that the test record is first seen on.
        line: u64,
        /// How many training records it has.
        rows: usize,
        /// How many there are.
        records: usize,
    },
}

/// Reads a table. `who` says which contributor an id stands for, and nobody for an id unknown.
pub(super) fn read(
    file: &Path,
    who: &dyn Fn(ContributorId) -> Option<ContributorId>,
) -> Result<Training, Error> {
    let format = format(file).ok_or_else(|| Error::Format(file.to_owned()))?;
    let mut rows = Rows { who, records: BTreeMap::new(), tests: BTreeMap::new() };
    let mut fault = None;
    source::read_all(file, format, &Options::default(), &mut |batch| match rows.take(&batch) {
        Ok(()) => ControlFlow::Continue(()),
        Err((line, reason)) => {
            fault = Some(Error::Row { file: file.to_owned(), line, reason });
            ControlFlow::Break(())
        }
    })?;
    if let Some(fault) = fault {
        return Err(fault);
    }
    rows.training(file)
}

/// Says by its name what a file is, below its compression.
fn format(file: &Path) -> Option<Format> {
    let named =
        |path: &Path, end: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(end));
    let packed = named(file, "gz") || named(file, "zst");
    let plain = if packed { Path::new(file.file_stem()?) } else { file };
    if named(plain, "csv") {
        Some(Format::Csv)
    } else {
        named(file, "parquet").then_some(Format::Parquet)
    }
}

/// The line of a row that does not fit, and why.
type Fault = (u64, String);

/// A training record while the table is read: whose it is, and its place in the order of first sight.
struct Record {
    contributor: ContributorId,
    seen: u32,
}

/// A test record while the table is read: where it began, and each neighbour's distance and match.
struct Test {
    line: u64,
    neighbours: BTreeMap<u32, (u64, bool)>,
}

struct Rows<'a> {
    who: &'a dyn Fn(ContributorId) -> Option<ContributorId>,
    records: BTreeMap<String, Record>,
    tests: BTreeMap<String, Test>,
}

impl Rows<'_> {
    fn take(&mut self, batch: &RawBatch) -> Result<(), Fault> {
        if let Some(fault) = batch.faults().first() {
            return Err((fault.line, fault.reason.clone()));
        }
        let mut columns = Vec::with_capacity(COLUMNS.len());
        for name in COLUMNS {
            let cells = batch.column(name);
            columns.push(cells.ok_or_else(|| (1, format!("column `{name}` is missing")))?);
        }
        for (row, line) in batch.lines().iter().enumerate() {
            let cells: Vec<&str> =
                columns.iter().filter(|c| c.is_valid(row)).map(|c| c.value(row)).collect();
            let [test, record, contributor, distance, label] = cells.as_slice() else {
                return Err((*line, "a cell is empty".to_owned()));
            };
            let cells = [*test, *record, *contributor, *distance, *label];
            self.add(*line, cells).map_err(|reason| (*line, reason))?;
        }
        Ok(())
    }

    fn add(&mut self, line: u64, cells: [&str; 5]) -> Result<(), String> {
        let [test, record, contributor, distance, label] = cells;
        let contributor = ContributorId::parse(contributor)
            .map_err(|error| format!("column `contributor` holds no id: {error}"))?;
        let contributor = (self.who)(contributor)
            .ok_or("column `contributor` names nobody that the register knows")?;
        let distance = distance.parse::<i64>().ok().and_then(|far| u64::try_from(far).ok());
        let distance = distance.ok_or("column `distance` holds no whole number from 0")?;
        let is_match = match label {
            "1" | "true" => true,
            "0" | "false" => false,
            _ => return Err("column `match` holds neither 0 nor 1".to_owned()),
        };
        let seen = match self.records.get(record) {
            Some(known) if known.contributor == contributor => known.seen,
            Some(_) => {
                return Err("the record is another contributor's on a line before".to_owned());
            }
            None => {
                let seen = u32::try_from(self.records.len()).map_err(|_| "too many records")?;
                self.records.insert(record.to_owned(), Record { contributor, seen });
                seen
            }
        };
        if !self.tests.contains_key(test) {
            self.tests.insert(test.to_owned(), Test { line, neighbours: BTreeMap::new() });
        }
        let Some(test) = self.tests.get_mut(test) else { return Ok(()) };
        // Copies of a record bear its id, and are one record: the nearest.
        let (near, known) = test.neighbours.entry(seen).or_insert((distance, is_match));
        if *known != is_match {
            return Err("the record stands twice for a test record, with another match".to_owned());
        }
        *near = distance.min(*near);
        Ok(())
    }

    fn training(self, file: &Path) -> Result<Training, Error> {
        if self.records.is_empty() {
            return Err(Error::Empty(file.to_owned()));
        }
        let places: BTreeMap<u32, u32> = self.records.values().map(|r| r.seen).zip(0..).collect();
        let mut tests = Vec::with_capacity(self.tests.len());
        for test in self.tests.into_values() {
            let (rows, records) = (test.neighbours.len(), self.records.len());
            if rows != records {
                let (file, line) = (file.to_owned(), test.line);
                return Err(Error::Incomplete { file, line, rows, records });
            }
            let neighbours =
                test.neighbours.into_iter().filter_map(|(seen, (distance, is_match))| {
                    let record = *places.get(&seen)?;
                    Some(Neighbour { distance, record, is_match })
                });
            let mut neighbours: Vec<Neighbour> = neighbours.collect();
            neighbours.sort_unstable();
            tests.push(neighbours);
        }
        let records = self.records.into_iter().map(|(id, record)| (id, record.contributor));
        Ok(Training { records: records.collect(), tests })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "test,record,contributor,distance,match\n";

    fn table(rows: &str) -> Result<Training, Error> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("table.csv");
        std::fs::write(&file, format!("{HEADER}{rows}")).unwrap();
        read(&file, &|id| (id.as_str() != "stranger").then_some(id))
    }

    #[track_caller]
    fn refused(rows: &str, words: &str) {
        let said = table(rows).unwrap_err().to_string();
        assert!(said.contains(words), "`{said}` does not say `{words}`");
        assert!(!said.contains("jane"), "an error names a person");
    }

    #[test]
    fn copies_of_a_record_are_one_and_places_follow_the_ids() {
        let rows = "t,b,jane,5,1\nt,a,joe,7,0\nt,b,jane,3,1\n";
        let training = table(rows).unwrap();
        let ids: Vec<&str> = training.records.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
        let near = Neighbour { distance: 3, record: 1, is_match: true };
        let far = Neighbour { distance: 7, record: 0, is_match: false };
        assert_eq!(training.tests, [[near, far]], "a copy counts, or the wrong distance stands");
        let turned = table("t,a,joe,7,0\nt,b,jane,3,1\n").unwrap();
        assert_eq!(training, turned, "the order of rows decides");
    }

    #[test]
    fn what_does_not_fit_is_refused_by_line_without_its_value() {
        refused("t,a,jane,far,1\n", "line 2");
        refused("t,a,jane,-1,1\n", "no whole number");
        refused("t,a,jane,1,maybe\n", "neither 0 nor 1");
        refused("t,a,jane,1,\n", "a cell is empty");
        refused("t,a,stranger,1,1\n", "nobody");
        refused("t,a,jane,1,1\nt,a,jane,1,0\n", "line 3");
        refused("t,a,jane,1,1\nu,a,joe,1,1\n", "another contributor's");
        refused("t,a,jane,1,1\nt,b,jane,2,0\nu,a,jane,1,1\n", "1 of 2 training records");
        refused("", "no training record");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("table.csv");
        std::fs::write(&file, "test,record,contributor,match\nt,a,jane,1\n").unwrap();
        let said = read(&file, &Some).unwrap_err().to_string();
        assert!(said.contains("column `distance` is missing"), "{said}");
        assert!(matches!(read(Path::new("table.txt"), &Some), Err(Error::Format(_))));
    }
}
