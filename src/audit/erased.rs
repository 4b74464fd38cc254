//! What was erased, as an auditor reads it: which objects and commits may be redacted, which digests of the
//! book stand for which of today, which ids are nobody's any more.
//!
//! Comes in: `vault/erasures`. Goes out: [`Erased`]. Never: a redaction taken that no erasure of the book
//! covers.

use std::collections::{BTreeMap, BTreeSet};

use arrow::{
    array::{Array as _, AsArray as _, BooleanArray, RecordBatch},
    compute::filter_record_batch,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Audit, Check, Evidence,
    commits::{self, Numbered},
    expected::{Said, differing, shown},
    table::{count, ints, leaf_hash, object, root},
};
use crate::{
    digest::{Sha3Digest, Sha256},
    instant::Instant,
    ledger::{Kind, trust::Role},
    store,
};

/// `vault/erasures/commits/<n>.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ErasureCommit {
    pub(super) txn: String,
    pub(super) number: u64,
    pub(super) time: Instant,
    pub(super) clause: String,
    pub(super) people: u64,
    pub(super) stores: BTreeSet<String>,
    pub(super) destroyed: Vec<(String, u64)>,
    pub(super) versions: String,
    pub(super) redactions: Redacted,
    pub(super) entry: String,
}

/// An object with its digest, and the one that the book knows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Redacted {
    pub(super) path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) was: Option<Sha3Digest>,
    pub(super) digest: Sha3Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Redactions {
    aliases: BTreeSet<String>,
    objects: Vec<Redacted>,
    commits: Vec<Redacted>,
}

/// All that was erased so far.
#[derive(Debug, Default)]
pub(super) struct Erased {
    /// The digests of the book, by those that took their place.
    was: BTreeMap<String, String>,
    objects: BTreeSet<(String, Sha3Digest)>,
    commits: BTreeMap<String, Sha3Digest>,
    /// Ids that stand in erased people's place.
    aliases: BTreeSet<String>,
    destroyed: BTreeSet<(String, u64)>,
}

/// What a table holds of rows that are empty.
#[derive(Debug, Default)]
pub(super) struct Gone {
    pub(super) rows: u64,
    pub(super) numbers: Vec<i64>,
    pub(super) leaves: Vec<[u8; 32]>,
}

impl Erased {
    /// Reads what the erasures cover.
    pub(super) fn read(
        evidence: &Evidence,
        audit: &mut Audit,
        commits: &[Numbered<ErasureCommit>],
    ) -> Result<Self, store::Error> {
        let mut all = Self::default();
        let vault = &evidence.vault;
        for commit in commits {
            let ErasureCommit { redactions: at, destroyed, number, .. } = &commit.body;
            let own = commit.number == *number;
            audit.check(Check::Commit, &commit.path, own, "it bears another number than its name");
            all.destroyed.extend(destroyed.iter().cloned());
            let Some(bytes) = object(audit, vault, "vault", &at.path, &at.digest)? else {
                continue;
            };
            let name = format!("vault/{}", at.path);
            let list: Option<Redactions> = serde_json::from_slice(&bytes).ok();
            audit.check(Check::Erasures, &name, list.is_some(), "it is no list of redactions");
            let Some(list) = list else { continue };
            all.aliases.extend(list.aliases);
            for redacted in list.objects {
                if let Some(was) = redacted.was {
                    let first = all.was.get(&was.to_string()).cloned().unwrap_or(was.to_string());
                    all.was.insert(redacted.digest.to_string(), first);
                }
                let path = format!("vault/{}", redacted.path);
                audit.redacted.insert(path.clone());
                all.objects.insert((path, redacted.digest));
            }
            all.commits.extend(list.commits.into_iter().map(|c| (c.path, c.digest)));
        }
        for (path, digest) in &all.commits {
            let (zone, own) = match path.split_once('/') {
                Some(("lake", own)) => (&evidence.lake, own),
                Some((_, own)) => (vault, own),
                None => (vault, path.as_str()),
            };
            let bytes = zone.find(own)?;
            let good = bytes.is_some_and(|bytes| Sha3Digest::of(&bytes) == *digest);
            let fault = "it is not the commit that an erasure left";
            audit.check(Check::Erasures, path, good, fault);
        }
        Ok(all)
    }

    /// Reads what the erasures cover for one who reads no book: each is held against its signed entry.
    pub(super) fn signed(evidence: &Evidence, audit: &mut Audit) -> Result<Self, store::Error> {
        let commits = commits::erasures(evidence, audit)?;
        let known = evidence.trust.all(Role::Steward);
        for commit in &commits {
            let said = said(&commit.body);
            let good = commit.entry.as_ref().is_some_and(|entry| {
                entry.verify(&known)
                    && entry.kind() == Some(said.kind)
                    && differing(entry.body(), &said.body).is_empty()
            });
            let fault = "its entry does not vouch for it";
            audit.check(Check::Erasures, &commit.path, good, fault);
        }
        Self::read(evidence, audit, &commits)
    }

    /// Says whether an erasure rewrote a commit.
    pub(super) fn covers(&self, commit: &str) -> bool {
        self.commits.contains_key(commit)
    }

    /// Says whether an id stands in an erased person's place.
    pub(super) fn is_nobody(&self, id: &str) -> bool {
        self.aliases.contains(id)
    }

    /// Says whether a version was destroyed.
    pub(super) fn is_destroyed(&self, dataset: &str, version: u64) -> bool {
        self.destroyed.contains(&(dataset.to_owned(), version))
    }

    /// Returns the digest that the book knows for one of today.
    pub(super) fn before(&self, digest: Sha3Digest) -> Sha3Digest {
        let was = self.was.get(&digest.to_string());
        was.and_then(|was| Sha3Digest::parse(was).ok()).unwrap_or(digest)
    }

    /// Puts the digests that the book knows into what an entry must say.
    pub(super) fn restore(&self, said: &mut Value) {
        match said {
            Value::String(text) => {
                if let Some(was) = self.was.get(text) {
                    text.clone_from(was);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.restore(item)),
            Value::Object(members) => members.values_mut().for_each(|value| self.restore(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Takes the empty rows out of a table; a finding where no erasure covers it.
    pub(super) fn standing(
        &self,
        audit: &mut Audit,
        name: &str,
        digest: &Sha3Digest,
        batches: Vec<RecordBatch>,
    ) -> (Vec<RecordBatch>, Gone) {
        let mut gone = Gone::default();
        if batches.iter().all(|batch| batch.column_by_name("erased").is_none()) {
            return (batches, gone);
        }
        let covered = self.objects.contains(&(name.to_owned(), *digest));
        let fault = "rows of it are empty, and no erasure of the book says so";
        audit.check(Check::Erasures, name, covered, fault);
        let kept: Option<Vec<_>> = batches.iter().map(|batch| split(batch, &mut gone)).collect();
        audit.check(Check::Erasures, name, kept.is_some(), "its empty rows are not told as such");
        audit.passed(Check::Erasures, gone.rows);
        (kept.unwrap_or(batches), gone)
    }
}

fn split(batch: &RecordBatch, gone: &mut Gone) -> Option<RecordBatch> {
    let own = batch.column_by_name("erased")?.as_boolean_opt()?;
    if own.null_count() > 0 {
        return None;
    }
    let numbers = ints(batch, "seq");
    let leaves = batch.column_by_name("leaf").and_then(|column| column.as_fixed_size_binary_opt());
    for row in (0..batch.num_rows()).filter(|row| own.value(*row)) {
        gone.rows = gone.rows.saturating_add(1);
        gone.numbers.extend(numbers.map(|numbers| numbers.value(row)));
        if let Some(leaves) = leaves.filter(|leaves| leaves.is_valid(row)) {
            gone.leaves.push(leaves.value(row).try_into().ok()?);
        }
    }
    let kept: BooleanArray = own.iter().map(|gone| gone.map(|gone| !gone)).collect();
    filter_record_batch(batch, &kept).ok()
}

/// Judges the leaves of lines of which some are nobody's any more: those of all others are there, and
/// there are just as many more as lines are nobody's.
pub(super) fn sealed(own: &[[u8; 64]], nobody: u64, leaves: &[u8], tree: &Sha256) -> bool {
    let (stored, rest) = leaves.as_chunks::<64>();
    let hashes: Vec<Sha256> = stored.iter().map(|leaf| leaf_hash(leaf)).collect();
    let all: BTreeSet<&[u8; 64]> = stored.iter().collect();
    rest.is_empty()
        && root(&hashes) == *tree
        && count(stored) == count(own).saturating_add(nobody)
        && own.iter().all(|leaf| all.contains(leaf))
}

/// What the entry of an erasure must say.
pub(super) fn said(commit: &ErasureCommit) -> Said {
    let ErasureCommit { number, time, clause, people, stores, versions, redactions, .. } = commit;
    let body = json!({
        "commit": number,
        "stores": stores,
        "clause": clause,
        "count": shown(*people),
        "redactions": redactions.digest,
        "versions": versions,
    });
    let kind = Kind::ErasureExecuted;
    Said { kind, time: *time, body, prev: Vec::new(), subjects: Vec::new() }
}
