//! The risk of a version of a dataset: its rows measured, its papers read.
//!
//! Comes in: a version. Goes out: its report. Never: a paper that has changed, or a table held whole
//! in memory beside another.

use std::collections::BTreeMap;

use arrow::array::AsArray as _;
use serde::de::DeserializeOwned;

use super::{
    super::ingest::Before, Error, PROGRAM, Population, Told, figures, minimal, sensitive, tests,
    told,
};
use crate::{
    deid::{
        self,
        risk::{Coded, Part, Sizes},
    },
    digest::Sha3Digest,
    lake::{Lake, PrivateObject, TableVersion, Version},
    ledger::Entry,
    quality::{Cell, Tally},
    report::{
        ColumnLine, RiskColumn, RiskConfiguration, RiskPopulation, RiskReport, RiskSubject,
        RiskTable, RunReport,
    },
    schema::Role,
    site::Site,
};

/// Measures a version by `dataset` or `dataset@version`.
pub fn of_version(site: &Site, name: &str, asked: &Told) -> Result<RiskReport, Error> {
    let lake = Lake::new(site.lake());
    let version = lake.find(name)?.version;
    let run: RunReport = paper(site, &version.report)?;
    let before: Vec<Before> = match version.utility() {
        Some(object) => paper(site, object)?,
        None => Vec::new(),
    };
    let tables = version
        .tables
        .iter()
        .map(|table| {
            let done = run.tables.iter().find(|line| line.table == table.table);
            let done = done.map(|line| line.columns.as_slice()).unwrap_or_default();
            let before = before.iter().find(|before| before.table == table.table);
            measure(&lake, &version, table, done, before, &asked.population)
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let entry = Entry::parse(version.entry.as_bytes())?;
    Ok(RiskReport {
        subject: RiskSubject::Version {
            dataset: version.dataset.clone(),
            version: version.version,
            entry: entry.id(),
        },
        k: version.k,
        population: RiskPopulation {
            name: asked.population.name.clone(),
            people: asked.population.people,
        },
        tests: tests(&tables, version.k),
        tables,
        configuration: RiskConfiguration {
            pipeline: Some(version.pipeline.clone()),
            run_key: Some(version.run_key),
            schemas: version.tables.iter().map(|t| (t.table.clone(), t.schema)).collect(),
            deid: entry.body().get("deid").cloned(),
            program: PROGRAM.to_owned(),
            code: asked.code,
        },
    })
}

/// Reads a paper of the version.
fn paper<T: DeserializeOwned>(site: &Site, object: &PrivateObject) -> Result<T, Error> {
    let bytes = site.vault().get(&object.path)?;
    let fault = |reason: String| Error::Paper { path: object.path.clone(), reason };
    if Sha3Digest::of(&bytes) != object.digest {
        return Err(fault("its bytes have changed".to_owned()));
    }
    serde_json::from_slice(&bytes).map_err(|error| fault(error.to_string()))
}

fn measure(
    lake: &Lake,
    version: &Version,
    table: &TableVersion,
    done: &[ColumnLine],
    before: Option<&Before>,
    population: &Population,
) -> Result<RiskTable, Error> {
    // What is done to a column decides what others can match it with.
    let part = |role: Role, done: &str| match role {
        Role::Quasi if deid::is_done_with_a_key(done) => Some(Part::Keyed),
        Role::Quasi => Some(Part::Quasi),
        Role::Sensitive => Some(Part::Sensitive),
        Role::Person | Role::Direct | Role::Measure | Role::Drop => None,
    };
    let parts: Vec<(&str, Part)> = table
        .columns
        .iter()
        .filter_map(|column| Some((column.name.as_str(), part(column.role, &column.done)?)))
        .collect();
    let quasi: Vec<String> = parts
        .iter()
        .filter(|(_, part)| *part != Part::Sensitive)
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let mut coded = Coded::new(parts.iter().map(|(name, part)| ((*name).to_owned(), *part)));
    let mut after = Tally::showing_from(version.k);
    let mut people: BTreeMap<String, u32> = BTreeMap::new();
    for segment in &table.segments {
        for batch in crate::lake::read_segment(lake.store(), segment)? {
            let fault = |reason: &str| Error::Paper {
                path: segment.path.clone(),
                reason: reason.to_owned(),
            };
            let names = table.columns.iter().skip(1).map(|column| column.name.as_str());
            after.add(&batch, 0, names);
            if quasi.is_empty() {
                continue;
            }
            let persons = batch.columns().first().and_then(|c| c.as_string_opt::<i32>());
            let persons = persons.ok_or_else(|| fault("its first column names no people"))?;
            let mut own = Vec::with_capacity(batch.num_rows());
            for person in persons.iter().flatten() {
                let next = u32::try_from(people.len()).unwrap_or(u32::MAX);
                let number = match people.get(person) {
                    Some(number) => *number,
                    None => *people.entry(person.to_owned()).or_insert(next),
                };
                own.push(number);
            }
            let columns = parts
                .iter()
                .map(|(name, _)| batch.column_by_name(name).cloned())
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| fault("it lacks a column"))?;
            let named = |source| Error::Rows { table: table.table.clone(), source };
            coded.add(own, &columns).map_err(named)?;
        }
    }
    let measured = coded.measure();
    let classes = before.map(|before| before.classes.as_slice()).unwrap_or_default();
    let has_quasi = !quasi.is_empty();
    Ok(RiskTable {
        table: table.table.clone(),
        rows: table.rows,
        suppressed_rows: table.suppressed,
        before: if has_quasi { figures(&Sizes::counted(classes), population) } else { None },
        figures: if has_quasi { figures(&measured.sizes, population) } else { None },
        minimal_uniques: if has_quasi { minimal(&measured) } else { <_>::default() },
        sensitive: if has_quasi { sensitive(&measured) } else { Vec::new() },
        quasi,
        columns: columns(table, done, before, &after),
    })
}

/// What was done to each column of the source, and how it is spread before and after.
fn columns(
    table: &TableVersion,
    done: &[ColumnLine],
    before: Option<&Before>,
    after: &Tally,
) -> Vec<RiskColumn> {
    // INVARIANT: a run's report names the kept columns first, in the order of the version's.
    let released = table.columns.iter().map(Some).chain(std::iter::repeat(None));
    done.iter()
        .zip(released)
        .map(|(line, released)| {
            let had = before.and_then(|before| {
                before.columns.iter().find(|column| column.name == line.name)?.cells.clone()
            });
            let has = released.and_then(|column| after.cells(&column.name));
            RiskColumn {
                distance: had.as_deref().zip(has.as_deref()).and_then(|(a, b)| distance(a, b)),
                name: line.name.clone(),
                role: line.role,
                done: line.done.clone(),
                before: had,
                after: has,
            }
        })
        .collect()
}

/// How far two histograms are apart: the share that would have to move (total variation). None where
/// the values of the second are not values of the first.
fn distance(before: &[Cell], after: &[Cell]) -> Option<f64> {
    let shown = |cells: &'_ [Cell]| -> BTreeMap<String, u64> {
        cells.iter().filter_map(|cell| Some((cell.label.clone(), cell.rows?))).collect()
    };
    let (before, after) = (shown(before), shown(after));
    if after.is_empty() || after.keys().any(|label| !before.contains_key(label)) {
        return None;
    }
    let sum = |cells: &BTreeMap<String, u64>| cells.values().sum::<u64>();
    let (whole, left) = (sum(&before), sum(&after));
    let share = |rows: u64, of: u64| ratio(rows, of);
    let apart: f64 = before
        .iter()
        .map(|(label, rows)| {
            let now = after.get(label).copied().unwrap_or(0);
            (share(*rows, whole) - share(now, left)).abs()
        })
        .sum();
    Some(told(apart / 2.0))
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows lie far below 2^53")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod laws {
    use super::*;

    fn cells(of: &[(&str, Option<u64>)]) -> Vec<Cell> {
        of.iter().map(|(label, rows)| Cell { label: (*label).to_owned(), rows: *rows }).collect()
    }

    #[test]
    fn alike_histograms_are_no_distance_apart_and_coarser_ones_have_none() {
        let before = cells(&[("F", Some(60)), ("M", Some(40)), ("others", None)]);
        let same = cells(&[("F", Some(30)), ("M", Some(20))]);
        assert_eq!(distance(&before, &same), Some(0.0), "fewer rows alike are another spread");
        let moved = cells(&[("F", Some(30))]);
        assert_eq!(distance(&before, &moved), Some(0.4));
        assert_eq!(distance(&before, &cells(&[("any", Some(100))])), None);
        assert_eq!(distance(&before, &cells(&[("others", None)])), None);
    }
}
