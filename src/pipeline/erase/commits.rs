//! Numbered commits, rewritten: who they name, which objects, and the random id that salts what the book
//! holds of them.
//!
//! Comes in: a commit's path and bytes. Goes out: its new bytes, where it held the person or names an object
//! that did. Never: its entry changed, which is the book's.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use super::{Error, plan::Plan, text};
use crate::{
    digest::hex,
    reward::goods::{GoodsAct, GoodsCommit},
};

/// The sequences whose entries hold a commitment to a person's rows, salted by the id of the commit.
const SALTED: [&str; 6] = ["covers/", "goods/", "payees/", "payouts/", "pools/", "transfers/"];

/// Rewrites a commit; `None` where nothing changes. `renames` are digests of objects, before and after.
pub(super) fn commit(
    plan: &Plan,
    renames: &BTreeMap<String, String>,
    path: &str,
    old: &Bytes,
) -> Result<Option<Bytes>, Error> {
    let old = std::str::from_utf8(old).map_err(|_| Error::Format(path.to_owned()))?;
    let Some(mut new) = text::redact(plan, renames, path, old)? else { return Ok(None) };
    let own: Value = serde_json::from_str(&new)?;
    // Why the steward moved a person's records may tell who they are.
    let moved = own.pointer("/act/act").is_some();
    if let Some(reason) = own.pointer("/act/reason").and_then(Value::as_str).filter(|_| moved) {
        let quoted = serde_json::to_string(reason)?;
        new = new.replace(&format!("\"reason\": {quoted}"), "\"reason\": \"erased\"");
    }
    if path.starts_with("goods/") {
        let mut goods: GoodsCommit = serde_json::from_str(&new)?;
        if let GoodsAct::Lapsed(act) = &mut goods.act {
            act.vouchers.sort();
            new = serde_json::to_string_pretty(&goods)?;
        }
    }
    // Without the id nobody can make again what the entry commits to.
    let txn = own.get("txn").and_then(Value::as_str);
    if let Some(txn) = txn.filter(|_| SALTED.iter().any(|zone| path.starts_with(zone))) {
        let other = hex(plan.other(txn.as_bytes()).split_at(16).0);
        new = new.replacen(&format!("\"txn\": \"{txn}\""), &format!("\"txn\": \"{other}\""), 1);
    }
    Ok(Some(new.into()))
}
