//! Export: a version's released rows in a form that other programs read. It is the steward's act.
//!
//! Comes in: a version whose every byte is as it was committed. Goes out: Parquet, CSV or MEDS files,
//! the same ones each time. Never: a column that was not released, or a row of a changed object.

mod meds;

use std::{
    fs,
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use arrow::{
    array::RecordBatch,
    error::ArrowError,
    util::display::{ArrayFormatter, FormatOptions},
};
use serde::Serialize;

pub use crate::lake::Problem;
use crate::{
    lake::{self, Lake, TableVersion, Version, read_segment},
    site::Site,
    store::Store,
};

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The segments as they lie in the lake: `<table>/<n>.parquet`.
    Parquet,
    /// `<table>.csv`.
    Csv,
    /// The Medical Event Data Standard, v0.4:
    /// <https://github.com/Medical-Event-Data-Standard/meds>.
    Meds,
}

/// One file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    /// Where it lies.
    pub path: PathBuf,
    /// Its rows.
    pub rows: u64,
}

/// Why a version was not exported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lake failed.
    #[error(transparent)]
    Lake(#[from] lake::Error),
    /// Objects of the version are not as they were committed.
    #[error("{} objects of `{version}` are not as committed, `{}` first", problems.len(),
        problems.first().map(|problem| problem.object.as_str()).unwrap_or_default())]
    Changed {
        /// The version.
        version: String,
        /// What is wrong.
        problems: Vec<Problem>,
    },
    /// The version has no such table.
    #[error("`{version}` has no table `{table}`")]
    NoTable {
        /// The version.
        version: String,
        /// The table.
        table: String,
        /// Those that it has.
        known: Vec<String>,
    },
    /// A file could not be written.
    #[error("`{}` cannot be written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Rows could not be put into the form.
    #[error("rows could not be put into the form of the export")]
    Arrow(#[from] ArrowError),
    /// A Parquet file could not be made.
    #[error("a Parquet file of the export could not be made")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// A description could not be made.
    #[error("the description of the export could not be made")]
    Json(#[from] serde_json::Error),
}

/// Exports `dataset` or `dataset@version`, or one table of it, into a folder; files of the same names
/// are replaced.
pub fn export(
    site: &Site,
    name: &str,
    form: Form,
    table: Option<&str>,
    out: &Path,
) -> Result<Vec<File>, Error> {
    let lake = Lake::new(site.lake());
    let mut version = lake.find(name)?.version;
    let title = format!("{}@{}", version.dataset, version.version);
    let problems = lake.verify(&version, &site.vault())?;
    if !problems.is_empty() {
        return Err(Error::Changed { version: title, problems });
    }
    if let Some(wanted) = table {
        let known: Vec<String> = version.tables.iter().map(|t| t.table.clone()).collect();
        version.tables.retain(|t| t.table == wanted);
        if version.tables.is_empty() {
            return Err(Error::NoTable { version: title, table: wanted.to_owned(), known });
        }
    }
    match form {
        Form::Parquet => segments(lake.store(), &version, out),
        Form::Csv => version.tables.iter().map(|t| csv(lake.store(), t, out)).collect(),
        Form::Meds => meds::write(lake.store(), &version, out),
    }
}

fn segments(lake: &Store, version: &Version, out: &Path) -> Result<Vec<File>, Error> {
    let mut files = Vec::new();
    for table in &version.tables {
        for (at, segment) in table.segments.iter().enumerate() {
            let path = out.join(&table.table).join(format!("{at:05}.parquet"));
            let bytes = lake.get(&segment.path).map_err(lake::Error::from)?;
            put(&path, &bytes)?;
            files.push(File { path, rows: segment.rows });
        }
    }
    Ok(files)
}

fn csv(lake: &Store, table: &TableVersion, out: &Path) -> Result<File, Error> {
    let path = out.join(format!("{}.csv", table.table));
    let fault = |source: io::Error| Error::File { path: path.clone(), source };
    folder(&path)?;
    let file = fs::File::create(&path).map_err(fault)?;
    let mut writer = ::csv::Writer::from_writer(BufWriter::with_capacity(1 << 18, file));
    let line = |error: ::csv::Error| fault(io::Error::other(error));
    writer.write_record(table.columns.iter().map(|column| &column.name)).map_err(line)?;
    for segment in &table.segments {
        for batch in read_segment(lake, segment)? {
            rows(&batch, &mut |cells| writer.write_record(cells).map_err(line))?;
        }
    }
    writer.flush().map_err(fault)?;
    Ok(File { path: path.clone(), rows: table.rows })
}

/// Hands on the cells of each row as text; an empty one is empty.
fn rows(
    batch: &RecordBatch,
    take: &mut dyn FnMut(&[String]) -> Result<(), Error>,
) -> Result<(), Error> {
    let options = FormatOptions::default().with_null("");
    let columns = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<Result<Vec<_>, ArrowError>>()?;
    for row in 0..batch.num_rows() {
        let cells: Vec<String> =
            columns.iter().map(|column| column.value(row).to_string()).collect();
        take(&cells)?;
    }
    Ok(())
}

fn folder(path: &Path) -> Result<(), Error> {
    let Some(folder) = path.parent() else { return Ok(()) };
    fs::create_dir_all(folder).map_err(|source| Error::File { path: folder.to_owned(), source })
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    folder(path)?;
    fs::write(path, bytes).map_err(|source| Error::File { path: path.to_owned(), source })
}
