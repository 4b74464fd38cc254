//! What the entry of a settlement must say, from its commit and the inputs that it names.
//!
//! Comes in: a commit's act. Goes out: the body. Never: a member taken from the entry itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    Evidence,
    expected::shown,
    shape::Settled,
    table::{leaf_hash, root},
};
use crate::digest::{Sha3Digest, Sha256, canonical_digest, hex, hmac_sha3_parts};

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
    let set = inputs.get("rules")?.get("set")?;
    let rules = json!({
        "name": set.get("name")?,
        "version": set.get("version")?,
        "digest": canonical_digest(set).ok()?,
    });
    let mut body = json!({
        "pool": act.pool,
        "period": act.period,
        "inputs": ids.iter().filter(|_| listed).collect::<Vec<_>>(),
        "inputs_count": ids.len(),
        "inputs_root": root(&leaves),
        "method": inputs.get("rules")?.get("method")?,
        "rules": rules,
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

/// The keyed commitment to the institutions' lines.
fn commitment(evidence: &Evidence, act: &Settled, lines: &Sha3Digest) -> [u8; 32] {
    let (pool, period) = (act.pool.as_bytes(), act.period.as_bytes());
    let parts = [b"rdm/payout-institutions/v1".as_slice(), pool, period, lines.as_bytes()];
    hmac_sha3_parts(&evidence.secrets.payout_lines, &parts)
}
