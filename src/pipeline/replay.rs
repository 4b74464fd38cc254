//! Replay: the rows that a run put into quarantine, taken again after the input or the rules were
//! mended.
//!
//! A version is made of all rows of its inputs, never of some: so the whole pipeline is run anew
//! over the inputs as they are now, and each formerly quarantined row is then accounted for by its
//! file and line. Nothing can be lost (every one of them has a fate) or be there twice (the new
//! version has each row of its inputs once). Rows must be mended in place: a line that was moved is
//! another line. Run again it finds the same version made, and says the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use super::ingest::Fate;
use super::{
    Progress,
    ingest::{self, Ingested},
    rejects,
    spec::{self, Spec},
};
use crate::{site::Site, store};

/// Why a run cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The quarantine cannot be read.
    #[error(transparent)]
    Rejects(#[from] rejects::Error),
    /// The pipeline cannot be read.
    #[error(transparent)]
    Spec(#[from] spec::Error),
    /// The new run did not go on.
    #[error(transparent)]
    Ingest(#[from] ingest::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The run's record does not say which pipeline and folder it read.
    #[error("the record of run `{run}` does not say `{what}`")]
    Record {
        /// The run.
        run: String,
        /// What is missing.
        what: &'static str,
    },
    /// The pipeline makes another dataset.
    #[error("run `{run}` was of dataset `{was}`, and this pipeline makes `{is}`")]
    Dataset {
        /// The run.
        run: String,
        /// The run's dataset.
        was: String,
        /// The pipeline's.
        is: String,
    },
    /// What came of the rows could not be written.
    #[error("what came of the rows could not be written")]
    Json(#[from] serde_json::Error),
}

/// What came of one formerly quarantined row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traced {
    /// The file.
    pub file: String,
    /// The line.
    pub line: i64,
    /// The rule that it broke then.
    pub was: String,
    /// What became of it.
    #[serde(flatten)]
    pub fate: Fate,
}

/// What came of a replay. The vault keeps it as `runs/<new run>/replay-of-<run>.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Replayed {
    /// The run whose quarantine was taken again.
    pub run: String,
    /// The run that took it.
    pub again: String,
    /// The version that this one made, or had made before.
    pub version: u64,
    /// Every formerly quarantined row, in order.
    pub rows: Vec<Traced>,
    /// The new run.
    #[serde(skip)]
    pub ingested: Ingested,
}

/// The part of `run.json` that a replay rests on.
#[derive(Debug, Deserialize)]
struct Record {
    dataset: String,
    pipeline_file: Option<PathBuf>,
    folder: Option<PathBuf>,
}

/// Takes a run's quarantine again: with the pipeline and the folder that it read, or those given.
pub fn replay(
    site: &Site,
    run: &str,
    pipeline: Option<&Path>,
    input: Option<&Path>,
    progress: &dyn Progress,
) -> Result<Replayed, Error> {
    let old = rejects::show(site, run)?;
    let record: Record =
        serde_json::from_slice(&site.vault().get(&format!("runs/{run}/run.json"))?)?;
    let lacks = |what| Error::Record { run: run.to_owned(), what };
    let file = pipeline.map(Path::to_owned).or(record.pipeline_file);
    let folder = input.map(Path::to_owned).or(record.folder);
    let file = file.ok_or_else(|| lacks("pipeline_file"))?;
    let folder = folder.ok_or_else(|| lacks("folder"))?;
    let spec = Spec::read(&file)?;
    if spec.dataset != record.dataset {
        let (was, is) = (record.dataset, spec.dataset);
        return Err(Error::Dataset { run: run.to_owned(), was, is });
    }
    let ingested = ingest::ingest(site, &spec, &folder, false, progress)?;
    let rows = fates(site, &spec, &folder, &old, &ingested.run, progress)?;
    let (again, version) = (ingested.run.clone(), ingested.version.version);
    let replayed = Replayed { run: run.to_owned(), again, version, rows, ingested };
    let path = format!("runs/{}/replay-of-{run}.json", replayed.again);
    site.vault().put(&path, Bytes::from(serde_json::to_vec_pretty(&replayed)?))?;
    Ok(replayed)
}

fn fates(
    site: &Site,
    spec: &Spec,
    folder: &Path,
    old: &[rejects::Line],
    again: &str,
    progress: &dyn Progress,
) -> Result<Vec<Traced>, Error> {
    let mut asked: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for line in old {
        let number = u64::try_from(line.line).unwrap_or(0);
        asked.entry(line.file.clone()).or_default().insert(number);
    }
    let found = ingest::trace(site, spec, folder, &asked, progress)?;
    let now = rejects::show(site, again)?;
    let rejected: BTreeMap<(&str, i64), &rejects::Line> =
        now.iter().map(|line| ((line.file.as_str(), line.line), line)).collect();
    let fate = |line: &rejects::Line| {
        if let Some(now) = rejected.get(&(line.file.as_str(), line.line)) {
            return Fate::Rejected { rule: now.rule.clone(), reason: now.reason.clone() };
        }
        let number = u64::try_from(line.line).unwrap_or(0);
        found.get(&(line.file.clone(), number)).cloned().unwrap_or(Fate::Gone)
    };
    Ok(old
        .iter()
        .map(|line| Traced {
            file: line.file.clone(),
            line: line.line,
            was: line.rule.clone(),
            fate: fate(line),
        })
        .collect())
}
