//! Policies on witnesses that a log took on: what the book must say of each.
//!
//! Comes in: the commits of policies, in the open beside the log. Goes out: what each entry must say.
//! Never: a look at who cosigned; that the book itself was asked.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{commits::Numbered, expected::Said};
use crate::{
    digest::Sha3Digest,
    instant::Instant,
    ledger::{Kind, policy::Policy},
};

/// `ledger/policies/<n>.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyCommit {
    time: Instant,
    policy: String,
    digest: Sha3Digest,
    pub(super) entry: String,
}

/// What the entry of a commit must say; none where its policy cannot be read.
pub(super) fn said(commit: &Numbered<PolicyCommit>) -> Option<Said> {
    let PolicyCommit { time, policy: text, .. } = &commit.body;
    let (policy, digest) = (Policy::parse(text.as_bytes()).ok()?, Sha3Digest::of(text.as_bytes()));
    let body = json!({
        "commit": commit.number, "policy": digest, "witnesses": policy.witnesses().len(),
        "witnessed": policy.asks(),
    });
    let subjects = vec![(format!("policy/{}", commit.number), digest, None)];
    Some(Said { kind: Kind::PolicySet, time: *time, body, prev: Vec::new(), subjects })
}
