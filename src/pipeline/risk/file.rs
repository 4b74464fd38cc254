//! The risk of a file of rows, each a person.
//!
//! Comes in: a delimited file, and which columns others may know. Goes out: its report. Never: a
//! column taken to be known that nobody named.

use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::array::ArrayRef;

use super::{
    super::deid::{Head, hierarchies},
    Error, PROGRAM, Told, figures, minimal, sensitive, tests,
};
use crate::{
    deid::risk::{Coded, Part},
    digest::Sha3Digest,
    report::{RiskConfiguration, RiskPopulation, RiskReport, RiskSubject, RiskTable},
    source::{self, Format, Options},
};

/// What is asked of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ask {
    /// The columns that others may know.
    pub quasi: Vec<String>,
    /// A folder whose files `*_hierarchy_COLUMN.csv` name them, where `quasi` does not.
    pub hierarchies: Option<PathBuf>,
    /// The columns that nobody should learn.
    pub sensitive: Vec<String>,
    /// The least number of people who must look alike; 0 where nothing was promised.
    pub k: u64,
}

/// Measures a file.
pub fn of_file(file: &Path, ask: &Ask, told: &Told) -> Result<RiskReport, Error> {
    let fault = |source| Error::Read { file: file.to_owned(), source };
    let (sha3, _) = Sha3Digest::of_reader(fs::File::open(file).map_err(fault)?).map_err(fault)?;
    let listed: BTreeMap<String, PathBuf> = match &ask.hierarchies {
        Some(dir) => hierarchies(dir, file)?,
        None => ask.quasi.iter().map(|name| (name.clone(), PathBuf::new())).collect(),
    };
    let head = Head::find(file, &listed)?;
    let known: Vec<&String> = match &ask.hierarchies {
        // As a search takes them: in the order of the file, save the sensitive ones.
        Some(_) => {
            let own = head.columns.iter().filter(|name| listed.contains_key(*name));
            own.filter(|name| !ask.sensitive.contains(name)).collect()
        }
        None => ask.quasi.iter().collect(),
    };
    if known.is_empty() {
        return Err(Error::NoQuasi);
    }
    let mut columns: Vec<(String, Part)> = Vec::new();
    let all = known.into_iter().map(|name| (name, Part::Quasi));
    for (name, part) in all.chain(ask.sensitive.iter().map(|name| (name, Part::Sensitive))) {
        if columns.iter().any(|(other, _)| other == name) {
            return Err(Error::Twice(name.clone()));
        }
        if !head.columns.contains(name) {
            return Err(head.lacks(file, name).into());
        }
        columns.push((name.clone(), part));
    }
    let mut coded = Coded::new(columns.clone());
    let mut people = 0_u32;
    let mut failed = Ok(());
    let wanted = columns.iter().map(|(name, _)| name.clone()).collect();
    let options =
        Options { separator: head.separator, columns: Some(wanted), ..Options::default() };
    source::read_all(file, Format::Csv, &options, &mut |batch| {
        let cells: Option<Vec<ArrayRef>> = columns
            .iter()
            .map(|(name, _)| Some(Arc::new(batch.column(name)?.clone()) as ArrayRef))
            .collect();
        let rows = u32::try_from(batch.rows()).unwrap_or(u32::MAX);
        let own = people..people.saturating_add(rows);
        people = own.end;
        failed = coded.add(own, &cells.unwrap_or_default());
        if failed.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    failed.map_err(|source| Error::Rows { table: name.clone(), source })?;
    if people == 0 {
        return Err(Error::Empty(file.to_owned()));
    }
    let measured = coded.measure();
    let tables = vec![RiskTable {
        table: name.clone(),
        rows: measured.rows,
        suppressed_rows: 0,
        quasi: columns.iter().filter(|c| c.1 == Part::Quasi).map(|c| c.0.clone()).collect(),
        before: None,
        figures: figures(&measured.sizes, &told.population),
        minimal_uniques: minimal(&measured),
        sensitive: sensitive(&measured),
        columns: Vec::new(),
    }];
    Ok(RiskReport {
        subject: RiskSubject::File { file: name, sha3 },
        k: ask.k.max(1),
        population: RiskPopulation {
            name: told.population.name.clone(),
            people: told.population.people,
        },
        tests: tests(&tables, ask.k),
        tables,
        configuration: RiskConfiguration {
            program: PROGRAM.to_owned(),
            code: told.code,
            ..RiskConfiguration::default()
        },
    })
}
