//! What the entry of a settlement must say, from its commit and the inputs that it names; and the
//! commitments to its lines.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    Evidence,
    expected::shown,
    shape::Settled,
    shared::commitment,
    table::{leaf_hash, root},
};
use crate::digest::{Sha3Digest, Sha256, canonical, hex, hmac_sha3_parts};

/// More entries than these are told by their root alone.
const LISTED_MAX: usize = 400;

/// Returns the body; `None` where the inputs cannot be read, which is a finding of their own.
pub(super) fn body(evidence: &Evidence, act: &Settled) -> Option<Value> {
    let bytes = evidence.vault.find(&act.inputs.path).ok()??;
    let inputs: Value = serde_json::from_slice(&bytes).ok()?;
    let mut ids: BTreeSet<Sha256> = BTreeSet::new();
    for list in ["funded", "versions", "queries"] {
        for item in inputs.get(list)?.as_array()? {
            ids.insert(Sha256::parse(item.get("entry")?.as_str()?).ok()?);
        }
    }
    let listed = ids.len() <= LISTED_MAX;
    let leaves: Vec<Sha256> = ids.iter().map(|id| leaf_hash(id.as_bytes())).collect();
    let totals = &act.totals;
    let mut body = json!({
        "pool": act.pool,
        "period": act.period,
        "inputs": ids.iter().filter(|_| listed).collect::<Vec<_>>(),
        "inputs_count": ids.len(),
        "inputs_root": root(&leaves),
        "rules": inputs.get("rules")?,
        "root": act.root,
        "count": shown(act.count),
        "total": totals.paid,
        "fee": totals.fee,
        "carried": totals.carried,
        "unallocated": totals.unallocated,
        "currency": totals.paid.currency(),
        "input_digest": act.inputs.digest,
    });
    if let (Some(sums), Some(lines)) = (&totals.institutions, &act.institution_lines) {
        let sealed = commitment(evidence, act, &lines.digest);
        let said = json!({"total": sums.paid, "carried": sums.carried, "commitment": hex(&sealed)});
        body.as_object_mut()?.insert("institutions".to_owned(), said);
    }
    Some(body)
}

/// One contributor's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) contributor: String,
    pub(super) base_weight: u128,
    pub(super) usage_weight: u128,
    pub(super) base_micro: i64,
    pub(super) usage_micro: i64,
    pub(super) opening_micro: i64,
    pub(super) closing_micro: i64,
    pub(super) paid_minor: i64,
}

impl Line {
    /// Returns the leaf that commits to the line under its person's key.
    pub(super) fn leaf(&self, pool: &str, period: &str, key: &[u8; 32]) -> Option<[u8; 64]> {
        let text = canonical(&json!({
            "pool": pool,
            "period": period,
            "contributor": self.contributor,
            "base_weight": self.base_weight.to_string(),
            "usage_weight": self.usage_weight.to_string(),
            "base_micro": self.base_micro.to_string(),
            "usage_micro": self.usage_micro.to_string(),
            "opening_micro": self.opening_micro.to_string(),
            "closing_micro": self.closing_micro.to_string(),
            "paid_minor": self.paid_minor.to_string(),
        }))
        .ok()?;
        let (pool, period) = (pool.as_bytes(), period.as_bytes());
        let token = hmac_sha3_parts(key, &[b"rdm/payout-token/v1", pool, period]);
        let salt = hmac_sha3_parts(key, &[b"rdm/payout-salt/v1", pool, period]);
        let digest = Sha3Digest::of(&text);
        let sealed = hmac_sha3_parts(&salt, &[b"rdm/payout/v1", pool, period, digest.as_bytes()]);
        let mut leaf = [0; 64];
        let (left, right) = leaf.split_at_mut(32);
        left.copy_from_slice(&token);
        right.copy_from_slice(&sealed);
        Some(leaf)
    }
}
