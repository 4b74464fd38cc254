//! Reads a file of rows into the search's table.
//!
//! Comes in: a delimited file, hierarchies by column. Goes out: a [`Table`] and what each column is.
//! Never: a text kept for each cell, or a row left out because it could not be read.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::array::{Array as _, StringArray};
use rayon::prelude::*;

use super::{Error, folder::Listed};
use crate::{
    deid::search::{Quasi, QuasiColumn, Sensitive, SensitiveColumn, Table},
    fault::nearest,
    source::{self, Format, Options, RowFault},
};

/// What may stand between cells, the likeliest first.
const SEPARATORS: [u8; 4] = [b';', b',', b'\t', b'|'];

/// As many rows are looked at to find the separator.
const HEAD_ROWS: usize = 64;

/// As many rows that could not be read are told.
const TOLD_MAX: usize = 5;

/// How a file is written: its columns, and what stands between them.
#[derive(Debug, Clone)]
pub(in crate::pipeline) struct Head {
    pub(in crate::pipeline) separator: u8,
    pub(in crate::pipeline) columns: Vec<String>,
}

impl Head {
    /// Finds the separator: the one by which most of the wanted columns are found, then the one that
    /// gives the first rows as many cells as the header, then the one that gives most columns.
    pub(in crate::pipeline) fn find(
        file: &Path,
        wanted: &BTreeMap<String, PathBuf>,
    ) -> Result<Self, Error> {
        let mut best: Option<((usize, bool, usize), Self)> = None;
        let mut fault = None;
        for separator in SEPARATORS {
            let options = Options { separator, batch_rows: HEAD_ROWS, ..Options::default() };
            let mut head = None;
            let read = source::read_all(file, Format::Csv, &options, &mut |batch| {
                let columns: Vec<String> = batch.names().iter().map(ToString::to_string).collect();
                head = Some((columns, batch.faults().is_empty()));
                ControlFlow::Break(())
            });
            match (read, head) {
                (Ok(()), Some((columns, even))) => {
                    let found = columns.iter().filter(|name| wanted.contains_key(*name)).count();
                    let rank = (found, even && columns.len() > 1, columns.len());
                    if best.as_ref().is_none_or(|(held, _)| rank > *held) {
                        best = Some((rank, Self { separator, columns }));
                    }
                }
                (Err(error @ source::Error::Header { .. }), _) => drop(fault.get_or_insert(error)),
                (Err(error), _) => return Err(error.into()),
                (Ok(()), None) => {}
            }
        }
        match (best, fault) {
            // Where no column is found, what a header lacks may be why.
            (Some(((found, ..), head)), fault) if found > 0 || fault.is_none() => Ok(head),
            (_, Some(error)) => Err(error.into()),
            (_, None) => Err(Error::NoRows { file: file.to_owned() }),
        }
    }

    /// Returns an error that says that the file has no such column.
    pub(in crate::pipeline) fn lacks(&self, file: &Path, column: &str) -> Error {
        let near = nearest(column, self.columns.iter().map(String::as_str)).map(str::to_owned);
        Error::NoColumn { column: column.to_owned(), file: file.to_owned(), near }
    }
}

/// What a column is read for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role<'a> {
    /// A quasi-identifier.
    Quasi(&'a Listed),
    /// Sensitive, and told apart by its own hierarchy.
    Graded(&'a Listed),
    /// Sensitive.
    Sensitive,
}

/// A column that is being read.
enum Reading {
    Coded(QuasiColumn),
    Named(SensitiveColumn),
}

impl Reading {
    fn push(&mut self, cells: &StringArray, trim: bool) {
        for row in 0..cells.len() {
            // An empty cell is read as none; here it is a value like others.
            let cell = if cells.is_null(row) { "" } else { cells.value(row) };
            let cell = if trim { cell.trim() } else { cell };
            match self {
                Self::Coded(column) => column.push(cell),
                Self::Named(column) => column.push(cell),
            }
        }
    }
}

/// The columns of a file, read.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) quasi: Vec<Quasi>,
    pub(super) sensitive: Vec<Sensitive>,
}

impl Columns {
    /// Returns how many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.quasi.first().map_or(0, |one| one.codes.len())
    }
}

/// Reads the columns of a file that have a role, in the order of the roles.
pub(super) fn read(
    file: &Path,
    separator: u8,
    roles: &[(&str, Role<'_>)],
    trim: bool,
) -> Result<Columns, Error> {
    let mut columns: Vec<Reading> = roles
        .iter()
        .map(|(name, role)| match role {
            Role::Quasi(listed) | Role::Graded(listed) => {
                Reading::Coded(QuasiColumn::new(Arc::clone(&listed.hierarchy)))
            }
            Role::Sensitive => Reading::Named(SensitiveColumn::new(name)),
        })
        .collect();
    let wanted = roles.iter().map(|(name, _)| (*name).to_owned()).collect();
    let options = Options { separator, columns: Some(wanted), ..Options::default() };
    let mut faults: Vec<RowFault> = Vec::new();
    let mut faulty = 0;
    source::read_all(file, Format::Csv, &options, &mut |batch| {
        faulty += batch.faults().len();
        let room = TOLD_MAX.saturating_sub(faults.len());
        faults.extend(batch.faults().iter().take(room).cloned());
        columns.par_iter_mut().zip(roles).for_each(|(column, (name, _))| {
            if let Some(cells) = batch.column(name) {
                column.push(cells, trim);
            }
        });
        ControlFlow::Continue(())
    })?;
    if faulty > 0 {
        return Err(Error::Rows { file: file.to_owned(), faulty, faults });
    }
    finish(columns, roles, trim)
}

fn finish(columns: Vec<Reading>, roles: &[(&str, Role<'_>)], trim: bool) -> Result<Columns, Error> {
    let mut read = Columns::default();
    let mut missing = Vec::new();
    for (column, (_, role)) in columns.into_iter().zip(roles) {
        match (column, role) {
            (Reading::Named(column), _) => read.sensitive.push(column.finish()),
            (Reading::Coded(column), Role::Quasi(listed)) => match column.finish() {
                Ok(quasi) => read.quasi.push(quasi),
                Err(error) => missing.push(listed.misses(&error, trim)),
            },
            (Reading::Coded(column), Role::Graded(listed)) => match column.finish() {
                Ok(quasi) => read.sensitive.push(quasi.into()),
                Err(error) => missing.push(listed.misses(&error, trim)),
            },
            // INVARIANT: `read` makes a coded column of each role with a hierarchy.
            (Reading::Coded(_), Role::Sensitive) => {}
        }
    }
    if missing.is_empty() { Ok(read) } else { Err(Error::Hierarchies(missing)) }
}

/// Adds the people that the rows were taken from: who is not among the rows is not released.
///
/// Each row must be one of the population's, by its quasi-identifiers, and no two rows the same one.
pub(super) fn among(rows: Columns, population: &Columns) -> Result<Table, Error> {
    let Columns { mut quasi, mut sensitive } = rows;
    let own = quasi.first().map_or(0, |one| one.codes.len());
    let all = population.quasi.first().map_or(0, |one| one.codes.len());
    let sorted = |columns: &[Quasi], rows: usize| {
        let mut order: Vec<usize> = (0..rows).collect();
        order.par_sort_unstable_by(|one, two| {
            columns
                .iter()
                .map(|c| c.codes.get(*one).cmp(&c.codes.get(*two)))
                .find(|o| o.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        order
    };
    let same = |one: usize, two: usize| {
        let columns = quasi.iter().zip(&population.quasi);
        columns.map(|(a, b)| a.codes.get(one).cmp(&b.codes.get(two))).find(|o| o.is_ne())
    };
    let mut mine = sorted(&quasi, own).into_iter().peekable();
    let mut others = Vec::with_capacity(all.saturating_sub(own));
    let mut strangers = 0_usize;
    for person in sorted(&population.quasi, all) {
        while mine.peek().is_some_and(|row| same(*row, person) == Some(std::cmp::Ordering::Less)) {
            mine.next();
            strangers += 1;
        }
        match mine.peek() {
            Some(row) if same(*row, person).is_none() => drop(mine.next()),
            Some(_) | None => others.push(person),
        }
    }
    strangers += mine.count();
    if strangers > 0 {
        return Err(Error::Population { strangers });
    }
    others.sort_unstable();
    for (column, whole) in quasi.iter_mut().zip(&population.quasi) {
        column.codes.extend(others.iter().filter_map(|row| whole.codes.get(*row)));
    }
    for column in &mut sensitive {
        // Nobody asks for the sensitive values of those who are not released.
        column.codes.resize(own + others.len(), 0);
    }
    let released = (0..own + others.len()).map(|row| row < own).collect();
    Ok(Table::new(quasi, sensitive, Some(released))?)
}
