//! The versions of all datasets: one sequence of commits, found by dataset and number, compared,
//! and checked against the bytes they name.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::{PrivateObject, Segment, Version};
use crate::{
    digest::{Sha3Digest, Sha256},
    store::{self, Sequence, Store},
};

/// What is wrong with the lake.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A segment could not be written.
    #[error("a segment of table `{table}` could not be written")]
    Write {
        /// The table.
        table: String,
        /// What Parquet said.
        #[source]
        source: parquet::errors::ParquetError,
    },
    /// Rows could not be put in order.
    #[error("rows of table `{table}` could not be put in order")]
    Order {
        /// The table.
        table: String,
        /// What Arrow said.
        #[source]
        source: arrow::error::ArrowError,
    },
    /// A segment could not be read.
    #[error("segment `{path}` could not be read")]
    Read {
        /// Its path.
        path: String,
        /// What Parquet said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An object's bytes are not those its version names.
    #[error("object `{path}` has changed since it was committed")]
    Changed {
        /// Its path.
        path: String,
    },
    /// A commit cannot be read.
    #[error("commit {number} of the lake is not what this version wrote: {reason}")]
    Format {
        /// The commit's number.
        number: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such dataset.
    #[error("there is no dataset `{dataset}`")]
    NoDataset {
        /// The name asked for.
        dataset: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// There is no such version.
    #[error("dataset `{dataset}` has no version {version}; its newest is {newest}")]
    NoVersion {
        /// The dataset.
        dataset: String,
        /// The version asked for.
        version: u64,
        /// The newest one.
        newest: u64,
    },
    /// A name is not `dataset` or `dataset@version`.
    #[error("`{0}` is not of the form `dataset` or `dataset@version`")]
    Name(String),
}

/// A version and the commit that made it.
#[derive(Debug, Clone)]
pub struct Located {
    /// The number of the commit in the lake.
    pub commit: u64,
    /// The version.
    pub version: Version,
}

/// Something that `dataset verify` found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The object.
    pub object: String,
    /// What is wrong with it.
    pub fault: String,
}

/// What is different between two versions.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// The table.
    pub table: String,
    /// Rows in the older version; 0 where it has no such table.
    pub rows_before: u64,
    /// Rows in the newer version.
    pub rows_after: u64,
    /// Columns that only the newer has.
    pub columns_added: Vec<String>,
    /// Columns that only the older has.
    pub columns_removed: Vec<String>,
    /// Whether the table's schema is another.
    pub schema_changed: bool,
}

/// The lake's commits.
#[derive(Debug, Clone)]
pub struct Lake {
    store: Store,
    sequence: Sequence,
}

impl Lake {
    /// Opens the lake zone.
    pub fn new(zone: Store) -> Self {
        let sequence = Sequence::new(&zone, "commits");
        Self { store: zone, sequence }
    }

    /// Returns the zone.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the sequence of commits.
    pub fn sequence(&self) -> &Sequence {
        &self.sequence
    }

    /// Reads all versions of all datasets, in the order of their commits.
    pub fn all(&self) -> Result<Vec<Located>, Error> {
        self.sequence
            .all()?
            .into_iter()
            .map(|(commit, body)| {
                let version = serde_json::from_slice(&body)
                    .map_err(|e| Error::Format { number: commit, reason: e.to_string() })?;
                Ok(Located { commit, version })
            })
            .collect()
    }

    /// Reads the newest version of each dataset, by name.
    pub fn newest(&self) -> Result<BTreeMap<String, Located>, Error> {
        Ok(self.all()?.into_iter().map(|v| (v.version.dataset.clone(), v)).collect())
    }

    /// Finds `dataset` (its newest version) or `dataset@version`.
    pub fn find(&self, name: &str) -> Result<Located, Error> {
        let (dataset, wanted) = match name.split_once('@') {
            None => (name, None),
            Some((dataset, number)) => {
                (dataset, Some(number.parse().map_err(|_| Error::Name(name.to_owned()))?))
            }
        };
        let all = self.all()?;
        let newest = all.iter().rfind(|v| v.version.dataset == dataset);
        let Some(newest) = newest.map(|v| v.version.version) else {
            let mut known: Vec<String> = all.into_iter().map(|v| v.version.dataset).collect();
            known.sort();
            known.dedup();
            return Err(Error::NoDataset { dataset: dataset.to_owned(), known });
        };
        let version: u64 = wanted.unwrap_or(newest);
        all.into_iter()
            .find(|v| v.version.dataset == dataset && v.version.version == version)
            .ok_or_else(|| Error::NoVersion { dataset: dataset.to_owned(), version, newest })
    }

    /// Compares two versions, table by table.
    pub fn difference(before: &Version, after: &Version) -> Vec<Difference> {
        let mut tables: Vec<&str> =
            before.tables.iter().chain(&after.tables).map(|t| t.table.as_str()).collect();
        tables.sort_unstable();
        tables.dedup();
        tables
            .into_iter()
            .map(|name| {
                let find = |v: &'_ Version| v.tables.iter().position(|t| t.table == name);
                let old = find(before).and_then(|at| before.tables.get(at));
                let new = find(after).and_then(|at| after.tables.get(at));
                let names = |t: Option<&super::TableVersion>| -> Vec<String> {
                    t.map(|t| t.columns.iter().map(|c| c.name.clone()).collect())
                        .unwrap_or_default()
                };
                let (had, has) = (names(old), names(new));
                Difference {
                    table: name.to_owned(),
                    rows_before: old.map_or(0, |t| t.rows),
                    rows_after: new.map_or(0, |t| t.rows),
                    columns_added: has.iter().filter(|c| !had.contains(c)).cloned().collect(),
                    columns_removed: had.iter().filter(|c| !has.contains(c)).cloned().collect(),
                    schema_changed: old.map(|t| t.schema) != new.map(|t| t.schema),
                }
            })
            .collect()
    }

    /// Hashes every object that a version names, and says which differ or are missing.
    pub fn verify(&self, version: &Version, vault: &Store) -> Result<Vec<Problem>, Error> {
        let segments: Vec<&Segment> = version.tables.iter().flat_map(|t| &t.segments).collect();
        let mut problems: Vec<Problem> = segments
            .par_iter()
            .map(|segment| self.verify_segment(segment))
            .collect::<Result<Vec<_>, Error>>()?
            .into_iter()
            .flatten()
            .collect();
        let papers = [&version.roster, &version.report].into_iter();
        let papers = papers.chain(&version.quality).chain(&version.papers);
        for PrivateObject { path, digest } in papers {
            let fault = match opened(vault.find(path))? {
                Opened::Missing => "it is missing",
                Opened::Closed => "it does not open",
                Opened::There(bytes) if Sha3Digest::of(&bytes) != *digest => {
                    "its bytes have changed"
                }
                Opened::There(_) | Opened::Destroyed => continue,
            };
            problems.push(Problem { object: format!("vault/{path}"), fault: fault.to_owned() });
        }
        Ok(problems)
    }

    fn verify_segment(&self, segment: &Segment) -> Result<Option<Problem>, Error> {
        let fault = match opened(self.store.find(&segment.path))? {
            Opened::Missing => "it is missing",
            Opened::Closed => "it does not open",
            Opened::There(bytes) if bytes.len() as u64 != segment.bytes => "its size has changed",
            Opened::There(bytes)
                if Sha3Digest::of(&bytes) != segment.sha3
                    || Sha256::of(&bytes) != segment.sha256 =>
            {
                "its bytes have changed"
            }
            // What was destroyed on purpose cannot be compared, and is no fault.
            Opened::There(_) | Opened::Destroyed => return Ok(None),
        };
        Ok(Some(Problem { object: format!("lake/{}", segment.path), fault: fault.to_owned() }))
    }
}

/// What came of reading an object that may be sealed.
enum Opened {
    There(bytes::Bytes),
    Missing,
    Closed,
    Destroyed,
}

fn opened(found: store::Result<Option<bytes::Bytes>>) -> store::Result<Opened> {
    match found {
        Ok(Some(bytes)) => Ok(Opened::There(bytes)),
        Ok(None) => Ok(Opened::Missing),
        Err(store::Error::Sealed { .. }) => Ok(Opened::Closed),
        Err(store::Error::Destroyed { .. }) => Ok(Opened::Destroyed),
        Err(error) => Err(error),
    }
}
