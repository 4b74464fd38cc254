//! Which institutions are related to one another, so that neither pays for its own data.
//!
//! Comes in: the commits of `vault/parties`. Goes out: relations, in order.
//! Never: a relation without a reason and an approver.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{instant::Instant, party::InstitutionId};

/// An institution is related to one that asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// The institution that asks.
    pub payer: InstitutionId,
    /// The institution whose records its questions do not count.
    pub institution: InstitutionId,
    /// Why.
    pub reason: String,
    /// Who approved it.
    pub approver: String,
}

/// One commit of `vault/parties/commits`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelationCommit {
    /// A random id of this commit.
    pub txn: String,
    /// When.
    pub time: Instant,
    /// What.
    pub act: Relation,
    /// The ledger entry, as its bytes stand in the log.
    pub entry: String,
}

/// A commit of relations cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("party commit {commit} cannot be read")]
pub struct RelationError {
    /// Its number.
    pub commit: u64,
    /// What the reader said.
    #[source]
    pub source: serde_json::Error,
}

/// Reads all commits of relations, by number.
pub fn read_relations(
    commits: &[(u64, Bytes)],
) -> Result<Vec<(u64, RelationCommit)>, RelationError> {
    commits
        .iter()
        .map(|(commit, body)| {
            let read = serde_json::from_slice(body);
            Ok((*commit, read.map_err(|source| RelationError { commit: *commit, source })?))
        })
        .collect()
}
