//! Quality: what the rules find in a folder's files before a run, and what they found in one.

use serde::Serialize;

pub use super::ingest::dry_check as run;
use crate::{
    digest::Sha3Digest,
    lake::{self, Lake},
    quality::Profile,
    report::QualityReport,
    site::Site,
    store,
};

/// Why findings cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The lake failed.
    #[error(transparent)]
    Lake(#[from] lake::Error),
    /// No run of this name kept findings.
    #[error("no run `{0}` kept findings of quality")]
    NoRun(String),
    /// The findings have changed since they were committed, or cannot be read.
    #[error("the findings `{path}` are not what was kept: {reason}")]
    Format {
        /// The object.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads the findings of a run: of the version that it made, or of where it was stopped.
pub fn show(site: &Site, run: &str) -> Result<QualityReport, Error> {
    let versions = Lake::new(site.lake()).all()?;
    let made = versions.into_iter().rfind(|located| located.version.run == run);
    let kept = made.and_then(|located| located.version.quality);
    let (path, digest) = match kept {
        Some(kept) => (kept.path, Some(kept.digest)),
        None => (super::ingest::findings_path(run), None),
    };
    let found = site.vault().find(&path)?;
    let bytes = found.ok_or_else(|| Error::NoRun(run.to_owned()))?;
    let fault = |reason: String| Error::Format { path: path.clone(), reason };
    if digest.is_some_and(|digest| Sha3Digest::of(&bytes) != digest) {
        return Err(fault("its bytes have changed".to_owned()));
    }
    serde_json::from_slice(&bytes).map_err(|error| fault(error.to_string()))
}

/// A version's tables in figures that single nobody out.
#[derive(Debug, Clone, Serialize)]
pub struct Profiled {
    /// The dataset.
    pub dataset: String,
    /// The version.
    pub version: u64,
    /// Its tables.
    pub tables: Vec<Profile>,
}

/// Describes the columns of a version's tables, one table in memory at a time.
pub fn profile(site: &Site, name: &str) -> Result<Profiled, Error> {
    let lake = Lake::new(site.lake());
    let version = lake.find(name)?.version;
    let mut tables = Vec::new();
    for table in &version.tables {
        let mut batches = Vec::new();
        for segment in &table.segments {
            batches.extend(lake::read_segment(lake.store(), segment)?);
        }
        tables.push(crate::quality::profile(&table.table, &batches));
    }
    Ok(Profiled { dataset: version.dataset, version: version.version, tables })
}
