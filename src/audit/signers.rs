//! Changes of the keys that sign: what the book must say of each, and which keys a site may have
//! signed by. That the keys they rest on signed them, the book itself was asked.
//!
//! Comes in: the commits of changes. Goes out: what each entry must say.
//! Never: a change without a commit, or one that names another before it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{commits::Numbered, expected::Said};
use crate::{
    digest::Sha256,
    instant::Instant,
    ledger::{Entry, Kind},
};

/// `vault/signers/commits/<n>.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignerCommit {
    txn: String,
    time: Instant,
    change: Change,
    pub(super) entry: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    role: String,
    old_vkey: Option<String>,
    new_vkey: Option<String>,
    reason: String,
    revoked: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_good: Option<Value>,
}

/// What the entry of each commit must say: each names the one before it.
pub(super) fn said(commits: &[Numbered<SignerCommit>]) -> Vec<Option<Said>> {
    let mut before: Vec<Sha256> = Vec::new();
    let mut all = Vec::new();
    for commit in commits {
        let SignerCommit { time, change, .. } = &commit.body;
        let mut body = json!({
            "commit": commit.number, "role": change.role, "old_vkey": change.old_vkey,
            "new_vkey": change.new_vkey, "reason": change.reason,
        });
        let kind = if change.revoked { Kind::KeyRevoked } else { Kind::KeyRotated };
        if let (true, Some(members)) = (change.revoked, body.as_object_mut()) {
            members.insert("last_good".to_owned(), change.last_good.clone().unwrap_or_default());
        }
        let prev = std::mem::take(&mut before);
        all.push(Some(Said { kind, time: *time, body, prev, subjects: Vec::new() }));
        before.extend(commit.entry.as_ref().map(Entry::id));
    }
    all
}
