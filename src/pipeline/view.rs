//! Views on FHIR resources: checks them, runs them over files, runs the official tests.
//!
//! Comes in: definitions of views, files of resources. Goes out: tables, faults beside them, verdicts.
//! Never: a table that is half written under its name.

mod cells;
mod export;
mod place;
mod sink;
mod suite;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use self::{
    export::{Export, Exported, run},
    suite::{FileReport, Report, TestReport, TestResult, test},
};
use crate::{
    fault::Fault,
    source::fhir::{View, ViewFault},
};

/// Why a view cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ViewDefinition has faults.
    #[error("view `{file}` has {} faults", faults.len())]
    View {
        /// The file.
        file: PathBuf,
        /// Its faults, each with its place.
        faults: Vec<Fault>,
    },
    /// The operating system says no.
    #[error("`{file}` cannot be read")]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No test file is there.
    #[error("`{folder}` holds no test file (*.json)")]
    NoTests {
        /// The folder.
        folder: PathBuf,
    },
    /// A file that is no suite of tests.
    #[error("`{file}` is no file of SQL on FHIR tests")]
    Suite {
        /// The file.
        file: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// An input whose name does not say what it is.
    #[error("`{file}` is called neither *.ndjson, *.json (a Bundle) nor manifest.json")]
    InputName {
        /// The file.
        file: PathBuf,
    },
    /// An output whose name does not say what it shall be.
    #[error("`{file}` is called neither *.parquet, *.csv nor *.ndjson")]
    OutputName {
        /// The file.
        file: PathBuf,
    },
    /// The operating system does not write.
    #[error("`{file}` cannot be written")]
    Write {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The Parquet writer says no.
    #[error("`{file}` cannot be encoded")]
    Encode {
        /// The file.
        file: PathBuf,
        /// Why.
        source: parquet::errors::ParquetError,
    },
    /// Rows cannot be encoded as Parquet.
    #[error("rows cannot be encoded as Parquet")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// Rows cannot be encoded as CSV.
    #[error("rows cannot be encoded as CSV")]
    Csv(#[from] csv::Error),
    /// Rows cannot be encoded as JSON.
    #[error("rows cannot be encoded as JSON")]
    Json(#[from] serde_json::Error),
    /// A file of resources cannot be read.
    #[error(transparent)]
    Source(#[from] crate::source::Error),
    /// The thread that read a file ended without a word.
    #[error("reading `{file}` stopped")]
    Stopped {
        /// The file.
        file: PathBuf,
    },
}

/// Compiles the ViewDefinition of a file.
pub fn compile(file: &Path) -> Result<View, Error> {
    let text: Arc<str> = Arc::from(read(file)?);
    View::compile(&text).map_err(|error| Error::View {
        file: file.to_owned(),
        faults: error.faults().iter().map(|fault| placed(file, &text, fault)).collect(),
    })
}

fn placed(file: &Path, text: &Arc<str>, fault: &ViewFault) -> Fault {
    let made = Fault::new(file, text, place::find(text, &fault.path), fault.to_string());
    match &fault.hint {
        Some(hint) => made.hint(hint),
        None => made,
    }
}

fn read(file: &Path) -> Result<String, Error> {
    std::fs::read_to_string(file).map_err(|source| Error::Read { file: file.to_owned(), source })
}
