//! What one commit of the person index holds: who is whom from now on, and a keyed root over it.
//!
//! Comes in: assignments of records to people. Goes out: Parquet objects named by their content,
//! and [`Commit`]s. Never: an object that is read without its digest being checked.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::{Field, Schema},
};
use bytes::Bytes;
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use serde::{Deserialize, Serialize};

use super::Error;
use crate::{
    digest::{Sha3Digest, Sha256, hmac_sha3_parts},
    instant::Instant,
    ledger::tree,
    party::{ContributorId, InstitutionId},
    store::{Sequence, Store},
};

/// The prefix of the sequence of commits, in the vault.
pub const COMMITS: &str = "linkage/commits";

/// An object of the person index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Its path in the vault.
    pub path: String,
    /// The SHA3-256 digest of its bytes.
    pub digest: Sha3Digest,
    /// Its rows.
    pub count: u64,
}

/// `vault/linkage/commits/<n>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// A random id of this commit.
    pub txn: String,
    /// Its number, from 1.
    pub number: u64,
    /// When it was recorded.
    pub time: Instant,
    /// What was done.
    pub act: Act,
    /// Which records belong to whom from now on; a later line on a record takes the place of an
    /// earlier one.
    pub members: Option<Object>,
    /// Keyed tokens of the records that a run saw for the first time or changed.
    pub tokens: Option<Object>,
    /// The pairs of records that a run leaves to the steward.
    pub review: Option<Object>,
    /// The RFC 6962 root over the sorted commitments of its members.
    pub root: Sha256,
    /// The ledger entry of this commit, as its bytes stand in the log.
    pub entry: String,
}

/// What a commit of the person index did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum Act {
    /// An automatic run over a pipeline's table of demographics.
    Run {
        /// The pipeline's name and digest.
        pipeline: (String, Sha3Digest),
        /// The weight from which two records are one person, in hundredths of a bit.
        match_centibits: i64,
        /// The weight from which two records are put to the steward.
        review_centibits: i64,
        /// People whom the run was the first to tell of.
        people_new: u64,
        /// Pairs left to the steward.
        pairs_review: u64,
    },
    /// The steward says that two people are one.
    Merge {
        /// Whose id stays.
        kept: ContributorId,
        /// Whose id stands for the same person from now on.
        alias: ContributorId,
        /// Why; stays in the vault.
        reason: String,
    },
    /// The steward says that a record is not of a person.
    Split {
        /// The person that it was taken for.
        from: ContributorId,
        /// The person that it is of.
        to: ContributorId,
        /// Why; stays in the vault.
        reason: String,
    },
}

/// That a record is of a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Assignment {
    /// Whose record.
    pub institution: InstitutionId,
    /// The institution's own id of the person.
    pub local: String,
    /// Who that is.
    pub person: ContributorId,
}

/// A commit in the making: its objects' bytes, and what its manifest and entry say.
#[derive(Debug, Clone)]
pub struct Batch {
    txn: String,
    /// The number it will have.
    pub number: u64,
    /// What is done.
    pub act: Act,
    /// How many records get another person, or their first one.
    pub count: u64,
    /// The root over the commitments of its members.
    pub root: Sha256,
    objects: [Option<(Object, Bytes)>; 3],
}

impl Batch {
    /// Writes the objects; writing them again is the same as once.
    pub fn write(&self, vault: &Store) -> Result<(), Error> {
        for (object, bytes) in self.objects.iter().flatten() {
            vault.put_content(&object.path, bytes)?;
        }
        Ok(())
    }

    /// Returns the object of pairs for review.
    pub fn review(&self) -> Option<&Object> {
        let [_, _, review] = &self.objects;
        review.as_ref().map(|(object, _)| object)
    }

    /// Returns the manifest.
    pub fn commit(&self, time: Instant, entry: &str) -> Commit {
        let [members, tokens, review] =
            self.objects.each_ref().map(|held| held.as_ref().map(|(object, _)| object.clone()));
        Commit {
            txn: self.txn.clone(),
            number: self.number,
            time,
            act: self.act.clone(),
            members,
            tokens,
            review,
            root: self.root,
            entry: entry.to_owned(),
        }
    }
}

/// Returns the key under which one commit commits to its assignments: of the site's secret for that, and
/// of the commit's own random id. Without the id nobody can tell what the commit's root holds.
pub fn commit_key(secret: &[u8; 32], txn: &str) -> [u8; 32] {
    hmac_sha3_parts(secret, &[b"almoner/linkage-commit/v1", txn.as_bytes()])
}

/// Returns the key of one assignment, which opens no other.
pub fn row_key(commit_key: &[u8; 32], seq: u64) -> [u8; 32] {
    hmac_sha3_parts(commit_key, &[b"almoner/linkage-row/v1", &seq.to_be_bytes()])
}

/// Prepares commit `number`. `first` is the number of its first assignment; `txn` is its random id, and
/// with the site's `secret` it opens the commitments of assignments.
pub fn prepare(
    (number, first): (u64, u64),
    act: Act,
    assignments: &[Assignment],
    tokens: Option<&RecordBatch>,
    review: Option<&RecordBatch>,
    (txn, secret): (&str, &[u8; 32]),
) -> Result<Batch, Error> {
    let key = commit_key(secret, txn);
    let mut leaves: Vec<[u8; 32]> =
        (first..).zip(assignments).map(|(seq, a)| commitment(&row_key(&key, seq), a)).collect();
    // Sorted, so that the root tells nothing of the order of records in a file.
    leaves.sort_unstable();
    let members = if assignments.is_empty() {
        None
    } else {
        Some(object("members", &members(first, assignments)?)?)
    };
    let tokens = tokens.map(|batch| object("tokens", batch)).transpose()?;
    let review = review.map(|batch| object("review", batch)).transpose()?;
    Ok(Batch {
        txn: txn.to_owned(),
        number,
        act,
        count: assignments.len() as u64,
        root: tree::root(&leaves),
        objects: [members, tokens, review],
    })
}

/// The commitment to one assignment under the key of its row. The parts, framed by
/// [`hmac_sha3_parts`]: label, institution, local id, person.
pub fn commitment(row_key: &[u8; 32], assignment: &Assignment) -> [u8; 32] {
    hmac_sha3_parts(
        row_key,
        &[
            b"almoner/linkage-member/v2",
            assignment.institution.as_str().as_bytes(),
            assignment.local.as_bytes(),
            assignment.person.as_str().as_bytes(),
        ],
    )
}

fn members(first: u64, assignments: &[Assignment]) -> Result<RecordBatch, Error> {
    let numbers = (first..).zip(assignments);
    let seq: Int64Array =
        numbers.map(|(seq, _)| i64::try_from(seq).unwrap_or(i64::MAX)).collect::<Vec<_>>().into();
    let text = |cell: &dyn Fn(&Assignment) -> &str| -> ArrayRef {
        Arc::new(assignments.iter().map(|a| Some(cell(a))).collect::<StringArray>())
    };
    table(vec![
        ("seq", Arc::new(seq)),
        ("institution", text(&|a| a.institution.as_str())),
        ("local", text(&|a| &a.local)),
        ("person", text(&|a| a.person.as_str())),
    ])
}

/// Makes a table without empty cells.
pub(super) fn table(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch, Error> {
    let fields =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), false));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(schema, arrays).map_err(Error::written)
}

fn object(kind: &str, batch: &RecordBatch) -> Result<(Object, Bytes), Error> {
    let level = ZstdLevel::try_new(1).map_err(Error::written)?;
    let properties = WriterProperties::builder()
        .set_created_by("almoner".to_owned())
        .set_compression(Compression::ZSTD(level))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties))
        .map_err(Error::written)?;
    writer.write(batch).map_err(Error::written)?;
    writer.close().map_err(Error::written)?;
    let digest = Sha3Digest::of(&bytes);
    let path = format!("linkage/{kind}/{digest}.parquet");
    Ok((Object { path, digest, count: batch.num_rows() as u64 }, Bytes::from(bytes)))
}

/// Reads the commits up to a number; they must be 1, 2, 3, … without a gap.
pub fn commits(vault: &Store, number: u64) -> Result<Vec<Commit>, Error> {
    let sequence = Sequence::new(vault, COMMITS);
    let mut commits = Vec::new();
    for (found, expected) in sequence.numbers()?.into_iter().zip(1_u64..) {
        if expected > number {
            break;
        }
        let path = format!("{COMMITS}/{found:012}.json");
        let commit: Commit = serde_json::from_slice(&sequence.read(found)?)
            .map_err(|_| Error::format(&path, "it is no manifest of a linkage commit"))?;
        if found != expected || commit.number != expected {
            return Err(Error::format(&path, format!("commit {expected} should be here")));
        }
        commits.push(commit);
    }
    Ok(commits)
}

/// Reads an object and checks its digest and count.
pub(super) fn read(vault: &Store, object: &Object) -> Result<Vec<RecordBatch>, Error> {
    let bytes = vault.get(&object.path)?;
    if Sha3Digest::of(&bytes) != object.digest {
        return Err(Error::Changed { path: object.path.clone() });
    }
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(Error::read)?;
    let reader = reader.with_batch_size(1 << 16).build().map_err(Error::read)?;
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(Error::read)?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if rows as u64 != object.count {
        return Err(Error::Changed { path: object.path.clone() });
    }
    Ok(batches)
}
