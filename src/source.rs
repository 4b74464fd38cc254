//! Reads what is there and gives it no meaning: CSV, Parquet, flat NDJSON, and FHIR through a view;
//! plain, gzip, zstd.
//!
//! Comes in: files. Goes out: their digests and parts ([`survey`]), then [`RawBatch`]es of text.
//! Never: a whole file in memory, a bad row that stops the good ones, a value in an error.

mod bytes;
mod columns;
mod csv;
pub mod fhir;
mod folders;
mod json;
mod lines;
mod ndjson;
mod parquet;
mod split;
mod survey;
mod window;

use std::{
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::array::StringArray;
use serde::{Deserialize, Serialize};

pub use folders::folders;
pub use lines::each_line;
pub use survey::{Part, Survey, cut, survey};

/// What a file is, below its compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Comma-separated values with a header (RFC 4180).
    Csv,
    /// One flat JSON object a line.
    Ndjson,
    /// Apache Parquet with flat columns.
    Parquet,
    /// One FHIR resource a line, of one type or mixed; read through a view.
    FhirNdjson,
    /// One FHIR Bundle; its entries' resources are read through a view.
    FhirBundle,
    /// A Bulk Data manifest; the NDJSON files it lists are read through a view.
    FhirManifest,
}

impl Format {
    /// The words for formats in a pipeline.
    pub const WORDS: [(&'static str, Self); 6] = [
        ("csv", Self::Csv),
        ("ndjson", Self::Ndjson),
        ("parquet", Self::Parquet),
        ("fhir-ndjson", Self::FhirNdjson),
        ("fhir-bundle", Self::FhirBundle),
        ("fhir-manifest", Self::FhirManifest),
    ];

    /// Returns whether it is read through a view ([`read_view`]), and not by [`read`].
    pub fn is_fhir(self) -> bool {
        match self {
            Self::Csv | Self::Ndjson | Self::Parquet => false,
            Self::FhirNdjson | Self::FhirBundle | Self::FhirManifest => true,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Ndjson => "NDJSON",
            Self::Parquet => "Parquet",
            Self::FhirNdjson => "FHIR NDJSON",
            Self::FhirBundle => "a FHIR Bundle",
            Self::FhirManifest => "a Bulk Data manifest",
        }
    }
}

/// How to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Rows a batch holds at most.
    pub batch_rows: usize,
    /// Bytes that one record may have; a longer one is a fault of its row.
    pub record_bytes_max: usize,
    /// The only columns wanted; `None` takes all.
    pub columns: Option<Vec<String>>,
    /// What stands between the cells of CSV. A file with another separator than a comma is read
    /// whole, by [`read_all`].
    pub separator: u8,
}

impl Default for Options {
    fn default() -> Self {
        Self { batch_rows: 1 << 16, record_bytes_max: 1 << 20, columns: None, separator: b',' }
    }
}

impl Options {
    /// Returns options for FHIR, whose resources may hold whole documents.
    pub fn fhir() -> Self {
        Self { record_bytes_max: 64 << 20, ..Self::default() }
    }
}

/// What is wrong with a row that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowFaultKind {
    /// More or fewer cells than the header.
    Columns,
    /// Bytes that are not UTF-8.
    Encoding,
    /// Not a record of the format.
    Syntax,
    /// More bytes than a record may have.
    Length,
    /// JSON that is no FHIR resource: no object, no type, no id.
    Resource,
    /// A value that the view's column cannot hold, or several where it holds one.
    Value,
}

/// A row that could not be read; the rows around it go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFault {
    /// The line it begins on, from 1 (in Parquet, the row; in a Bundle, the line its
    /// resource begins on).
    pub line: u64,
    /// The column, where one is at fault.
    pub column: Option<String>,
    /// What is wrong.
    pub kind: RowFaultKind,
    /// What is wrong, for people; never a value.
    pub reason: String,
}

/// Rows as they stand in a file: text, an empty cell as null.
#[derive(Debug, Clone)]
pub struct RawBatch {
    file: Arc<str>,
    names: Vec<Arc<str>>,
    cells: Vec<StringArray>,
    lines: Vec<u64>,
    faults: Vec<RowFault>,
    headed: bool,
}

impl RawBatch {
    /// Returns the name of the file the rows come from, for reports.
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// Returns the names of the columns, in the file's order.
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// Returns a column's cells.
    pub fn column(&self, name: &str) -> Option<&StringArray> {
        let at = self.names.iter().position(|held| held.as_ref() == name)?;
        self.cells.get(at)
    }

    /// Returns, for each row, the line it begins on.
    pub fn lines(&self) -> &[u64] {
        &self.lines
    }

    /// Returns how many rows were read well.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// Returns the rows among them that could not be read.
    pub fn faults(&self) -> &[RowFault] {
        &self.faults
    }

    /// Returns whether the file says itself which columns it has (CSV, Parquet); in NDJSON a batch
    /// has the columns that its rows happen to have.
    pub fn is_headed(&self) -> bool {
        self.headed
    }
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pattern is no glob.
    #[error("`{pattern}` is no file pattern")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        source: glob::PatternError,
    },
    /// No file has a name like that.
    #[error("no file matches `{pattern}` in `{dir}`")]
    NothingFound {
        /// The pattern.
        pattern: String,
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// The operating system says no.
    #[error("`{file}` cannot be read")]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not one byte, or nothing after the compression.
    #[error("`{file}` is empty")]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// The compressed stream stops before its end.
    #[error("`{file}` is cut off: its {compression} stream stops after {bytes} bytes of content")]
    Truncated {
        /// The file.
        file: PathBuf,
        /// gzip or zstd.
        compression: &'static str,
        /// Bytes of content that could be read.
        bytes: u64,
    },
    /// The compressed stream is not what it should be.
    #[error(
        "`{file}` is damaged: its {compression} stream is wrong after {bytes} bytes of content"
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// gzip or zstd.
        compression: &'static str,
        /// Bytes of content that could be read.
        bytes: u64,
        /// What the decompressor says.
        source: io::Error,
    },
    /// The first line does not name the columns.
    #[error("the header of `{file}` {reason}")]
    Header {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is something else than the pipeline says.
    #[error("`{file}` is {found}, not {wanted}")]
    Format {
        /// The file.
        file: PathBuf,
        /// What was asked for.
        wanted: &'static str,
        /// What its first bytes say.
        found: &'static str,
    },
    /// A Parquet column that holds lists, maps or structs.
    #[error("column `{column}` of `{file}` is nested ({kind}); only flat columns are read")]
    Nested {
        /// The file.
        file: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        kind: String,
    },
    /// The Parquet reader says no.
    #[error("`{file}` is no readable Parquet file")]
    Parquet {
        /// The file.
        file: PathBuf,
        /// Why.
        source: ::parquet::errors::ParquetError,
    },
    /// Arrow says no.
    #[error("a batch of `{file}` cannot be made")]
    Arrow {
        /// The file.
        file: PathBuf,
        /// Why.
        source: arrow::error::ArrowError,
    },
    /// FHIR that is to be read without a view.
    #[error("`{file}` is {format}: it becomes a table through a view alone")]
    ViewNeeded {
        /// The file.
        file: PathBuf,
        /// What it is.
        format: &'static str,
    },
    /// A view that is to read something else than FHIR.
    #[error("`{file}` is {format}: a view reads FHIR alone")]
    NotFhir {
        /// The file.
        file: PathBuf,
        /// What it is.
        format: &'static str,
    },
    /// No Bundle, or one that is no JSON.
    #[error("`{file}` is no readable Bundle: {reason}, at line {line}")]
    Bundle {
        /// The file.
        file: PathBuf,
        /// Where it goes wrong.
        line: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// No manifest, or one that lists what cannot be read.
    #[error("manifest `{file}` {reason}")]
    Manifest {
        /// The manifest.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is not the one that was surveyed.
    #[error("`{file}` has changed since it was surveyed: {now} bytes, then {then}")]
    Changed {
        /// The file.
        file: PathBuf,
        /// Its size now.
        now: u64,
        /// Its size when it was surveyed.
        then: u64,
    },
}

/// Returns the files that a pattern names, below a folder unless the pattern is absolute, sorted.
pub fn find(pattern: &str, dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let base = glob::Pattern::escape(&dir.to_string_lossy());
    let full = if Path::new(pattern).is_absolute() || base.is_empty() {
        pattern.to_owned()
    } else {
        format!("{}/{pattern}", base.trim_end_matches('/'))
    };
    let paths = glob::glob(&full)
        .map_err(|source| Error::Pattern { pattern: pattern.to_owned(), source })?;
    let mut files = Vec::new();
    for path in paths {
        let path = path
            .map_err(|error| Error::Io { file: error.path().to_owned(), source: error.into() })?;
        if path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Error::NothingFound { pattern: pattern.to_owned(), dir: dir.to_owned() });
    }
    files.sort();
    Ok(files)
}

/// Reads one part of a file, handing on batch after batch until there are no more or the taker
/// breaks off.
///
/// `name` is what reports call the file. Each bad row is told in its batch's faults.
pub fn read(
    file: &Path,
    name: &Arc<str>,
    format: Format,
    part: &Part,
    options: &Options,
    take: &mut dyn FnMut(RawBatch) -> ControlFlow<()>,
) -> Result<(), Error> {
    match format {
        Format::Csv => csv::read(file, name, part, options, take),
        Format::Ndjson => ndjson::read(file, name, part, options, take),
        Format::Parquet => parquet::read(file, name, part, options, take),
        Format::FhirNdjson | Format::FhirBundle | Format::FhirManifest => {
            Err(Error::ViewNeeded { file: file.to_owned(), format: format.word() })
        }
    }
}

/// Reads one part of a FHIR file through a view, handing on batch after batch of text: the view's
/// columns, null where there is nothing; lists as JSON arrays.
///
/// Resources of other types are passed over. A resource that gives no rows is told in its batch's
/// faults. A manifest's files are read one after the other, each under its own name; to survey and
/// cut them, take them from [`fhir::listed`] and read each as [`Format::FhirNdjson`].
pub fn read_view(
    file: &Path,
    name: &Arc<str>,
    format: Format,
    view: &fhir::View,
    part: &Part,
    options: &Options,
    take: &mut dyn FnMut(RawBatch) -> ControlFlow<()>,
) -> Result<fhir::Counts, Error> {
    fhir::read_text(file, name, format, view, part, options, take)
}

/// Reads a whole file without a survey, all its parts in one.
pub fn read_all(
    file: &Path,
    format: Format,
    options: &Options,
    take: &mut dyn FnMut(RawBatch) -> ControlFlow<()>,
) -> Result<(), Error> {
    let name = Arc::from(file.file_name().unwrap_or_default().to_string_lossy().as_ref());
    let bytes = bytes::size(file)?;
    read(file, &name, format, &Part::whole(bytes), options, take)
}

#[cfg(test)]
mod tests;
