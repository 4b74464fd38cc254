//! The lake: segments (Parquet objects named by their content), versions of a dataset, and the
//! numbered commits that make them.
//!
//! Comes in: `deid::ReleasableBatch`. Goes out: [`Version`]s, and tables to read.
//! Never: a row that has not passed the whole belt; a version changed after its commit.

mod record;
mod segment;
mod versions;

pub use self::{
    record::{RecordDigests, row_bytes},
    segment::{Metadata, Written, read_segment, segment_properties, write_segment},
    versions::{Difference, Error, Lake, Located, Problem},
};

use serde::{Deserialize, Serialize};

use crate::{
    deid::late::Choice,
    digest::{Sha3Digest, Sha256},
    instant::Instant,
    purpose::{DataUse, Purpose},
    schema::{ColumnType, Role},
};

/// One Parquet object of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Its path in the lake zone: `<dataset>/segments/<sha3>.parquet`.
    pub path: String,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// The SHA3-256 digest of its bytes.
    pub sha3: Sha3Digest,
    /// The SHA-256 digest of its bytes.
    pub sha256: Sha256,
    /// Whether its rows are copies and repetitions of records elsewhere: they are data like any
    /// other, but weigh nothing where somebody is rewarded for them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub duplicates: bool,
}

/// One column of a released table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedColumn {
    /// Its name.
    pub name: String,
    /// Its Arrow type after the kernel, as Arrow's `DataType` displays it.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its type before the kernel.
    pub source: ColumnType,
    /// Its role.
    pub role: Role,
    /// What was done to it, such as `year (top age 89)`.
    pub done: String,
    /// Its unit.
    pub unit: Option<String>,
    /// The code system of its codes, such as `http://loinc.org`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_system: Option<String>,
}

/// One table of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableVersion {
    /// Its name, as researchers write it in SQL.
    pub table: String,
    /// The digest of its schema.
    pub schema: Sha3Digest,
    /// The category of data that people consented to; an auditor judges their standing by it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub category: String,
    /// Its columns. The first is always `person`, the pseudonym (Utf8, 32 hex digits).
    pub columns: Vec<ReleasedColumn>,
    /// Its segments, in order.
    pub segments: Vec<Segment>,
    /// Its rows, all segments together.
    pub rows: u64,
    /// Rows left out because their class was smaller than k.
    pub suppressed: u64,
    /// The smallest class of quasi-identifiers in it (people); 0 where it has none.
    pub class_min: u64,
    /// What the search chose for it; none where nothing was searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
}

/// A record tree: one leaf a person of the version (ledger reference §6.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordTree {
    /// The RFC 6962 root over the leaves.
    pub root: Sha256,
    /// The number of leaves.
    pub count: u64,
    /// The object in the ledger zone that holds the leaves: 64 bytes each, sorted.
    pub path: String,
}

/// An object of the vault that a version rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateObject {
    /// Its path in the vault.
    pub path: String,
    /// The SHA3-256 digest of its bytes.
    pub digest: Sha3Digest,
}

/// The DUO terms of a version, and the diseases by which they are judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionTerms {
    /// The terms.
    pub terms: DataUse,
    /// The ontology of diseases, where the pipeline names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ontology: Option<PrivateObject>,
}

/// How many rows went which way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows read.
    pub read: u64,
    /// Rows that did not fit their schema.
    pub rejected: u64,
    /// Rows without a standing consent.
    pub refused: u64,
    /// Rows that went on to de-identification.
    pub admitted: u64,
    /// Rows left out by k-anonymity.
    pub suppressed: u64,
    /// Rows released.
    pub released: u64,
    /// People with at least one released row.
    pub people: u64,
}

/// One version of a dataset: an unchanging snapshot. Stored as `lake/commits/<n>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// A random id of this commit.
    pub txn: String,
    /// The dataset's name.
    pub dataset: String,
    /// The version, from 1.
    pub version: u64,
    /// The run that made it.
    pub run: String,
    /// The digest of everything the run's result depends on: the same key is the same version.
    pub run_key: Sha3Digest,
    /// When it was made.
    pub time: Instant,
    /// The purposes that every person in it consented to.
    pub purposes: Vec<Purpose>,
    /// The pool that pays for its use.
    pub pool: Option<String>,
    /// The pipeline's name and the digest of its file.
    pub pipeline: (String, Sha3Digest),
    /// The declared k.
    pub k: u64,
    /// How many institutions' rows are in it.
    pub institutions: u64,
    /// Its tables, by name.
    pub tables: Vec<TableVersion>,
    /// The digests of the input files, sorted.
    pub inputs: Vec<Sha3Digest>,
    /// How many rows went which way.
    pub counts: Counts,
    /// The record tree.
    pub record: RecordTree,
    /// The number of the newest consent commit that it rests on.
    pub consent_commit: u64,
    /// The number of the newest commit of the person index, where the version's people are linked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linkage_commit: Option<u64>,
    /// Who is in it (private): Parquet with contributor, institution, pseudonym, rows, `quality_ppm`.
    pub roster: PrivateObject,
    /// The run report (private).
    pub report: PrivateObject,
    /// What the rules of quality found (private); none where the pipeline names no rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<PrivateObject>,
    /// The run's other papers (private): its record, its quarantine where it has one, and
    /// what the next version is held against where it has rules.
    #[serde(default)]
    pub papers: Vec<PrivateObject>,
    /// The DUO terms that bind every use of it, beyond what its people consented to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duo: Option<VersionTerms>,
    /// The ledger entry of this version, as its bytes stand in the log.
    pub entry: String,
}

impl Version {
    /// Names its records in the vault: whose, which count and which are copies (private); none where
    /// its pipeline does not ask for them.
    pub fn records(&self) -> Option<&PrivateObject> {
        self.papers.iter().find(|paper| paper.path.starts_with(RECORDS))
    }

    /// Names what its tables were like before de-identification, in the vault (private); none where
    /// the version was made before that was counted.
    pub fn utility(&self) -> Option<&PrivateObject> {
        self.papers.iter().find(|paper| paper.path.starts_with(UTILITY))
    }

    /// Names what was delivered and by which licences it was taken, in the vault (private); none
    /// where its pipeline does not ask for licences.
    pub fn deliveries(&self) -> Option<&PrivateObject> {
        let is_own = |path: &str| {
            let name = path.strip_prefix(DELIVERIES);
            name.is_some_and(|name| name.strip_suffix(".json").is_some())
        };
        self.papers.iter().find(|paper| is_own(&paper.path))
    }
}

/// Where what the tables of versions were like before de-identification is told, in the vault.
pub const UTILITY: &str = "utility/";

/// Where the records of versions are, in the vault.
pub const RECORDS: &str = "records/";

/// Where deliveries and their notes are, in the vault.
pub const DELIVERIES: &str = "deliveries/";
