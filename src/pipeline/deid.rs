//! The act of a search: a file of rows and its hierarchies in, the generalisation that loses least out.
//!
//! Comes in: delimited files, what is asked. Goes out: [`Found`], and where it is asked the table at the
//! found levels. Never: a value of a row in an error, an entry of the book, or a row that breaks a model
//! in what is written.

pub mod asked;
mod chosen;
mod folder;
mod found;
pub mod recall;
mod rows;
mod written;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use self::{
    asked::{Diversity, Metric, Privacy},
    folder::Listed,
    rows::{Columns, Role},
};
pub use self::{
    chosen::{Chosen, of_pipeline},
    found::{Column, Found, Model, Quality, Recoded},
    written::Written,
};
pub(super) use self::{folder::list as hierarchies, rows::Head};
use super::Progress;
pub use crate::deid::Fraction;
pub use crate::deid::search::Error as Unfound;
use crate::{
    deid::search::{self, Recoding, Request, Table, TableError},
    fault::Fault,
    source::{self, RowFault},
};

/// Above this many nodes a search goes best first, until it is told to stop.
pub const EXACT_NODES: u64 = 10_000_000;

/// After how long a search that goes best first stops where nobody said.
pub const TIME_LIMIT: Duration = Duration::from_mins(10);

/// What is asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The rows.
    pub file: PathBuf,
    /// The folder of hierarchies.
    pub hierarchies: PathBuf,
    /// The quasi-identifiers; where none is named, every column that has a hierarchy and is not
    /// sensitive.
    pub quasi: Vec<String>,
    /// The sensitive columns.
    pub sensitive: Vec<String>,
    /// The rows of all people that those of the file were taken from.
    pub population: Option<PathBuf>,
    /// Whether spaces at the ends of cells count for nothing.
    pub trim: bool,
    /// The models.
    pub privacy: Privacy,
    /// The share of rows that may be suppressed.
    pub suppress: Fraction,
    /// What is to be lost least.
    pub metric: Metric,
    /// Whether suppressed rows are told less exactly instead.
    pub recode: bool,
    /// After how long the search is to stop. None: a lattice of at most [`EXACT_NODES`] is searched to
    /// its end, a larger one for [`TIME_LIMIT`].
    pub time_limit: Option<Duration>,
    /// Where the table is to be written.
    pub output: Option<PathBuf>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file of rows is not what can be read.
    #[error(transparent)]
    Source(source::Error),
    /// Some of its rows cannot be read.
    #[error("{faulty} rows of `{file}` cannot be read: {}", told(faults))]
    Rows {
        /// The file.
        file: PathBuf,
        /// How many.
        faulty: usize,
        /// The first of them.
        faults: Vec<RowFault>,
    },
    /// The file has no row.
    #[error("`{file}` has no row")]
    NoRows {
        /// The file.
        file: PathBuf,
    },
    /// The folder of hierarchies cannot be read.
    #[error("folder `{dir}` cannot be read")]
    Folder {
        /// The folder.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder has no hierarchy.
    #[error("no file in `{dir}` is named `*_hierarchy_COLUMN.csv`")]
    NoHierarchies {
        /// The folder.
        dir: PathBuf,
    },
    /// Two files are of one column.
    #[error(
        "`{dir}` holds several hierarchies of column `{column}`, and none is named after `{own}`"
    )]
    SeveralFiles {
        /// The column.
        column: String,
        /// The folder.
        dir: PathBuf,
        /// The name of the file of rows.
        own: String,
    },
    /// A file cannot be read.
    #[error("`{file}` cannot be read")]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of a hierarchy is no text.
    #[error("`{file}` is not UTF-8 in line {line}")]
    Encoding {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
    },
    /// Hierarchies are at fault.
    #[error("{} in the hierarchies", count(.0.len(), "fault"))]
    Hierarchies(Vec<Fault>),
    /// A column that was named is not there.
    #[error("`{file}` has no column `{column}`")]
    NoColumn {
        /// The column.
        column: String,
        /// The file of rows.
        file: PathBuf,
        /// One that may be meant.
        near: Option<String>,
    },
    /// A column that needs a hierarchy has none.
    #[error("`{dir}` holds no hierarchy of column `{column}`")]
    NoHierarchy {
        /// The column.
        column: String,
        /// The folder.
        dir: PathBuf,
    },
    /// A column is asked for twice.
    #[error("column `{0}` is named as a quasi-identifier and as sensitive")]
    SensitiveQuasi(String),
    /// No column of the file has a hierarchy.
    #[error("no column of `{file}` is a quasi-identifier: none has a hierarchy in `{dir}`")]
    NoQuasi {
        /// The file of rows.
        file: PathBuf,
        /// The folder.
        dir: PathBuf,
    },
    /// No model was asked for.
    #[error("no privacy model is asked for")]
    NoModel,
    /// A model needs what was not named.
    #[error("{0}")]
    Needs(&'static str),
    /// More records a class than there are.
    #[error("k is {k}, and the table has {rows} rows")]
    LargeK {
        /// k.
        k: u64,
        /// The rows.
        rows: u64,
    },
    /// More values a class than there are.
    #[error("l is {l}, and column `{column}` has {values} values")]
    LargeL {
        /// l.
        l: u64,
        /// The column.
        column: String,
        /// Its distinct values.
        values: u64,
    },
    /// Rows that are not of the population.
    #[error("{strangers} rows are not among the population, or more often than there")]
    Population {
        /// How many.
        strangers: usize,
    },
    /// The columns are no table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The search found nothing.
    #[error(transparent)]
    Search(#[from] search::Error),
    /// The table would be written over the rows it is of.
    #[error("`{0}` is the file that is read")]
    Overwrites(PathBuf),
    /// The table cannot be written.
    #[error("`{file}` cannot be written")]
    Write {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl From<source::Error> for Error {
    fn from(error: source::Error) -> Self {
        if let source::Error::Empty { file } = error {
            return Self::NoRows { file };
        }
        if let source::Error::Io { file, source } = error {
            return Self::Read { file, source };
        }
        Self::Source(error)
    }
}

fn told(faults: &[RowFault]) -> String {
    let one = |fault: &RowFault| format!("line {}: {}", fault.line, fault.reason);
    faults.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn count(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A file of rows, read.
struct Input {
    table: Table,
    head: Head,
    /// Columns that are neither quasi-identifiers nor sensitive.
    others: Vec<String>,
    warnings: Vec<String>,
}

/// Searches. `elapsed` tells how long it has been at work.
pub fn search(
    asked: &Asked,
    elapsed: &(dyn Fn() -> Duration + Sync),
    progress: &dyn Progress,
) -> Result<Found, Error> {
    check(asked)?;
    progress.stage("read", 0);
    let Input { table, head, others, warnings } = read(asked)?;
    fits(&asked.privacy, &table)?;
    let request = Request {
        models: asked.privacy.models(table.sensitive().len()),
        suppress: asked.suppress,
        metric: asked.metric,
        // A limit of time holds of a small lattice, too.
        exact_nodes: if asked.time_limit.is_some() { 0 } else { EXACT_NODES },
    };
    let limit = asked.time_limit.unwrap_or(TIME_LIMIT);
    progress.stage("search", 0);
    let go_on = || {
        progress.step();
        elapsed() < limit
    };
    let optimum = search::search(&table, &request, &go_on)?;
    progress.stage("measure", 0);
    let node = Recoding::of_optimum(&table, &request, &optimum);
    let recoding = asked.recode.then(|| search::recode(&table, &request, &optimum));
    let mut found = Found::of(&table, &request, &optimum, (&node, recoding.as_ref()));
    found.warnings = warnings;
    if let Some(file) = &asked.output {
        progress.stage("write", 0);
        let told = recoding.as_ref().unwrap_or(&node);
        let written = written::write(file, &table, told, head.separator, others);
        let fault = |source| Error::Write { file: file.clone(), source };
        found.written = Some(written.map_err(fault)?);
    }
    Ok(found)
}

/// Checks what can be checked before a file is opened.
fn check(asked: &Asked) -> Result<(), Error> {
    let Asked { privacy, quasi, sensitive, population, .. } = asked;
    if privacy.models(1).is_empty() {
        return Err(Error::NoModel);
    }
    if let Some(both) = sensitive.iter().find(|one| quasi.contains(one)) {
        return Err(Error::SensitiveQuasi(both.clone()));
    }
    if privacy.is_sensitive() && sensitive.is_empty() {
        return Err(Error::Needs("l-diversity and t-closeness are of a sensitive column"));
    }
    if privacy.is_of_population() && population.is_none() {
        return Err(Error::Needs("k-map and presence are about the population of the rows"));
    }
    let place = |file: &PathBuf| file.canonicalize().ok();
    let over = asked.output.as_ref().and_then(place);
    let read = [Some(&asked.file), population.as_ref()].into_iter().flatten();
    if let Some(file) = read.filter_map(place).find(|file| Some(file) == over.as_ref()) {
        return Err(Error::Overwrites(file));
    }
    Ok(())
}

/// Reads the file of rows with the hierarchies of its columns.
fn read(asked: &Asked) -> Result<Input, Error> {
    let Asked { file, hierarchies: dir, trim, .. } = asked;
    let files = folder::list(dir, file)?;
    let head = Head::find(file, &files)?;
    for column in asked.quasi.iter().chain(&asked.sensitive) {
        if !head.columns.contains(column) {
            return Err(head.lacks(file, column));
        }
    }
    let graded = asked.privacy.is_hierarchical();
    let is_quasi = |column: &String| {
        let named = asked.quasi.is_empty() || asked.quasi.contains(column);
        named && files.contains_key(column) && !asked.sensitive.contains(column)
    };
    let needed = asked.quasi.iter().chain(asked.sensitive.iter().filter(|_| graded));
    if let Some(column) = needed.into_iter().find(|column| !files.contains_key(*column)) {
        return Err(Error::NoHierarchy { column: column.clone(), dir: dir.clone() });
    }
    let mut listed = BTreeMap::new();
    let mut faults = Vec::new();
    for column in &head.columns {
        let file = files
            .get(column)
            .filter(|_| is_quasi(column) || graded && asked.sensitive.contains(column));
        match file.map(|file| Listed::read(column, file, *trim)) {
            Some(Ok(one)) => drop(listed.insert(column.as_str(), one)),
            Some(Err(Error::Hierarchies(more))) => faults.extend(more),
            Some(Err(other)) => return Err(other),
            None => {}
        }
    }
    if !faults.is_empty() {
        return Err(Error::Hierarchies(faults));
    }
    let (mut roles, mut others) = (Vec::new(), Vec::new());
    for column in &head.columns {
        match (listed.get(column.as_str()), asked.sensitive.contains(column)) {
            (Some(one), false) => roles.push((column.as_str(), Role::Quasi(one))),
            (Some(one), true) => roles.push((column.as_str(), Role::Graded(one))),
            (None, true) => roles.push((column.as_str(), Role::Sensitive)),
            (None, false) => others.push(column.clone()),
        }
    }
    roles.sort_by_key(|(name, role)| match role {
        Role::Quasi(_) => None,
        // Sensitive columns stand in the order in which they were named.
        Role::Graded(_) | Role::Sensitive => asked.sensitive.iter().position(|one| one == name),
    });
    if !roles.iter().any(|(_, role)| matches!(role, Role::Quasi(_))) {
        return Err(Error::NoQuasi { file: file.clone(), dir: dir.clone() });
    }
    let columns = rows::read(file, head.separator, &roles, *trim)?;
    if columns.rows() == 0 {
        return Err(Error::NoRows { file: file.clone() });
    }
    let table = match &asked.population {
        None => Table::new(columns.quasi, columns.sensitive, None)?,
        Some(population) => rows::among(columns, &people(population, &files, &roles, *trim)?)?,
    };
    let unused = |column: &&String| !head.columns.contains(column);
    let warnings = files
        .keys()
        .filter(unused)
        .map(|column| {
            format!("the hierarchy of `{column}` is of no column of `{}`", file.display())
        })
        .collect();
    Ok(Input { table, head, others, warnings })
}

/// Reads the quasi-identifiers of the population.
fn people(
    file: &Path,
    files: &BTreeMap<String, PathBuf>,
    roles: &[(&str, Role<'_>)],
    trim: bool,
) -> Result<Columns, Error> {
    let head = Head::find(file, files)?;
    let quasi: Vec<(&str, Role<'_>)> =
        roles.iter().filter(|(_, role)| matches!(role, Role::Quasi(_))).copied().collect();
    if let Some((column, _)) =
        quasi.iter().find(|(name, _)| !head.columns.iter().any(|c| c == name))
    {
        return Err(head.lacks(file, column));
    }
    rows::read(file, head.separator, &quasi, trim)
}

/// Checks that a class can have what the models ask of it.
fn fits(privacy: &Privacy, table: &Table) -> Result<(), Error> {
    let rows = table.released_rows();
    if let Some(k) = privacy.k.filter(|k| *k > rows) {
        return Err(Error::LargeK { k, rows });
    }
    if let Some(k) = privacy.k_map.filter(|k| *k > table.rows() as u64) {
        return Err(Error::LargeK { k, rows: table.rows() as u64 });
    }
    for column in table.sensitive() {
        let values = column.codes.iter().collect::<BTreeSet<_>>().len() as u64;
        if let Some(l) = privacy.diversity.iter().map(Diversity::least).find(|l| *l > values) {
            return Err(Error::LargeL { l, column: column.name.clone(), values });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
