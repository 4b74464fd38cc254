//! What the steward decided on settlements, and which institutions are related: what the book must say.
//!
//! Comes in: commits. Goes out: what each entry must be. Never: a contributor named in the book.

use serde_json::json;

use super::{
    Evidence,
    expected::Said,
    shape::{Overridden, PartyCommit, Relation},
};
use crate::{
    digest::{Sha3Digest, Sha256, canonical, hex, hmac_sha3_parts},
    instant::Instant,
    ledger::Kind,
};

/// A decision on a settlement: the book says what kind of one, why and who approved it, and commits to
/// the rest.
pub(super) fn overridden(
    evidence: &Evidence,
    txn: &str,
    decision: &Overridden,
    time: Instant,
    newest: Sha256,
) -> Option<Said> {
    let change = canonical(&decision.change).ok()?;
    let label = b"almoner/settlement-overrides/v2".as_slice();
    let parts = [label, txn.as_bytes(), decision.pool.as_bytes(), change.as_slice()];
    let sealed = hmac_sha3_parts(&evidence.secrets.overrides, &parts);
    let body = json!({
        "pool": decision.pool,
        "change": decision.change.name(),
        "reason": decision.reason,
        "approver": decision.approver,
        "commitment": hex(&sealed),
    });
    let subjects = vec![(format!("override:{}", decision.pool), Sha3Digest(sealed), None)];
    Some(Said { kind: Kind::SettlementOverridden, time, body, prev: vec![newest], subjects })
}

/// A relation: the book says which, why and who approved it.
pub(super) fn related(commit: &PartyCommit) -> Said {
    let Relation { payer, institution, reason, approver } = &commit.act;
    let body = json!({
        "payer": payer, "institution": institution, "reason": reason, "approver": approver,
    });
    let (kind, time) = (Kind::PartyRelated, commit.time);
    Said { kind, time, body, prev: Vec::new(), subjects: Vec::new() }
}
