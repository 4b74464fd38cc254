//! Why a run could not go on.

use std::{io, path::PathBuf};

use crate::{
    consent, credential, deid, digest, fault::Fault, lake, linkage, pipeline::spec, quality,
    report::LeftLine, schema, site, source, store,
};

/// So many files are named in an error; the others are counted.
const FILES_NAMED: usize = 8;

/// Why a run could not go on. Nothing of it is in the lake then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folders of institutions cannot be found.
    #[error(transparent)]
    Folders(#[from] spec::Error),
    /// An input cannot be read.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// A file does not fit its schema at all.
    #[error(transparent)]
    Conform(#[from] schema::Error),
    /// The consent register failed.
    #[error(transparent)]
    Consent(#[from] consent::Error),
    /// The register of licences failed.
    #[error(transparent)]
    Licences(#[from] credential::LicencesError),
    /// The person index failed.
    #[error(transparent)]
    Linkage(#[from] linkage::Error),
    /// De-identification failed.
    #[error(transparent)]
    Deid(#[from] deid::Error),
    /// The table that says by how many days people's dates move does not know them all.
    #[error("the table of `shift_offsets` misses {missing} of the people whose rows may go on")]
    Offsets {
        /// How many it misses.
        missing: usize,
    },
    /// The run's code table does not fit its roster.
    #[error("the codes of the run's people cannot be used")]
    Codes(#[from] deid::CodesError),
    /// The system gave no randomness to draw codes from.
    #[error("the system gave no randomness for the codes of people: {0}")]
    Randomness(String),
    /// More combinations of known events than can be looked at.
    #[error("`known_events` asks for too much")]
    Events(#[source] deid::events::TooMany),
    /// The lake failed.
    #[error(transparent)]
    Lake(#[from] lake::Error),
    /// The site failed.
    #[error(transparent)]
    Site(#[from] site::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The version is committed, and a policy that the pipeline names could not be evaluated; the same
    /// run again evaluates it.
    #[error(transparent)]
    Cover(#[from] Box<crate::pipeline::cover::Error>),
    /// The records could not be kept or read.
    #[error(transparent)]
    Records(#[from] crate::records::Error),
    /// The record tree could not be made.
    #[error("the record tree could not be made")]
    Record(#[from] crate::ledger::record::Error),
    /// A value has no canonical bytes.
    #[error("a digest could not be made")]
    Digest(#[from] digest::CanonicalError),
    /// A record of the run is not JSON.
    #[error("a record of the run could not be written or read")]
    Json(#[from] serde_json::Error),
    /// Arrow or Parquet could not write a table of the run.
    #[error("a table of the run could not be written")]
    Arrow(#[from] arrow::error::ArrowError),
    /// Parquet could not write a table of the run.
    #[error("a table of the run could not be written")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// The pipeline would let an identifier leave.
    #[error("pipeline `{pipeline}` would let an identifier leave")]
    Leak {
        /// The pipeline.
        pipeline: String,
        /// Each leak, with its place in its schema.
        faults: Vec<Fault>,
    },
    /// Too many rows do not fit.
    #[error(
        "{rejected} of {read} rows were rejected ({ppm} in a million, {limit_ppm} are allowed); \
         nothing was committed"
    )]
    Rejects {
        /// The run.
        run: String,
        /// Rows read.
        read: u64,
        /// Rows rejected.
        rejected: u64,
        /// Their share, in millionths.
        ppm: u64,
        /// The share that the pipeline allows.
        limit_ppm: u64,
    },
    /// The gold set of `scrub_gold` cannot be used.
    #[error("the gold set `{}` cannot be used", file.display())]
    Gold {
        /// Its file.
        file: PathBuf,
        /// Why.
        source: deid::scrub::GoldError,
    },
    /// The rules of quality could not be run.
    #[error(transparent)]
    Quality(#[from] quality::Error),
    /// A rule of quality fails so often that the run must not go on.
    #[error("rule `{rule}` of table `{table}` stopped the run at `{institution}`: {said}")]
    Rule {
        /// The run.
        run: String,
        /// The rule.
        rule: String,
        /// Its table.
        table: String,
        /// Whose rows.
        institution: String,
        /// The counts and the limit, in words.
        said: String,
    },
    /// The delivery notes of a folder cannot be read.
    #[error("the delivery notes of `{}` cannot be read", folder.display())]
    Notes {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Not one file may be taken by the licences of the institutions.
    #[error("no file may be taken: {}", untaken(left))]
    Untaken {
        /// The files, each with the reason.
        left: Vec<LeftLine>,
    },
    /// No row is left to release.
    #[error("no row may be released: {refused} of {read} rows lack a standing consent")]
    Empty {
        /// Rows read.
        read: u64,
        /// Rows refused.
        refused: u64,
    },
    /// A promise of the run was broken: the counts of a part do not add up.
    #[error("the counts of part {part} do not add up")]
    Counts {
        /// The part.
        part: usize,
    },
}

fn untaken(left: &[LeftLine]) -> String {
    let mut said: Vec<String> = left
        .iter()
        .take(FILES_NAMED)
        .map(|line| format!("`{}` of {} ({})", line.file, line.institution, line.reason))
        .collect();
    let more = left.len().saturating_sub(FILES_NAMED);
    if more > 0 {
        said.push(format!("and {more} more"));
    }
    said.join(", ")
}

impl From<crate::pipeline::cover::Error> for Error {
    fn from(error: crate::pipeline::cover::Error) -> Self {
        Self::Cover(Box::new(error))
    }
}
