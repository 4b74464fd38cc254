//! Puts a settlement down: its objects in the vault, and what the book says of it.
//!
//! Comes in: a settlement and its inputs. Goes out: objects, a commit's body, an entry.
//! Never: a contributor or an institution's amount in the book.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{Error, LineKeys, id};
use crate::{
    digest::{Sha3Digest, Sha256, hex, hmac_sha3_parts},
    ledger::{Entry, Kind},
    party::ContributorId,
    pipeline::fund::{self, json, subject},
    reward::{
        Inputs, ObjectRef, Pool, Settled, Settlement,
        proof::{LineTree, leaf_hash, root},
        write_held, write_institutions, write_lines,
    },
    site::Site,
};

/// Objects of the vault, and where they stand.
pub(super) type Objects = Vec<(ObjectRef, Bytes)>;

/// Where the objects of settlements are, in the vault.
pub(super) const FOLDER: &str = "pools/settlements";

/// Names an object of a settlement by its digest.
pub(super) fn named(bytes: Bytes, kind: &str) -> (ObjectRef, Bytes) {
    let digest = Sha3Digest::of(&bytes);
    (ObjectRef { path: format!("{FOLDER}/{digest}.{kind}"), digest }, bytes)
}

/// Makes the commit's body of a settlement, and the objects that it names.
pub(super) fn record(
    site: &Site,
    pool: &Pool,
    inputs: &Inputs,
    settlement: &Settlement,
) -> Result<(Settled, Objects), Error> {
    let broken = |source| Error::Table { path: FOLDER.to_owned(), source };
    let lines = write_lines(&settlement.lines).map_err(broken)?;
    let keys = LineKeys::load(site)?;
    let key = |contributor: &ContributorId| keys.of(contributor);
    let tree = LineTree::new(pool.id(), &inputs.period, &settlement.lines, key)?;
    let inputs_object = named(inputs.bytes()?.into(), "json");
    let lines_object = named(lines, "parquet");
    let leaves_object = named(tree.bytes().into(), "leaves");
    let mut objects = vec![inputs_object.clone(), lines_object.clone(), leaves_object.clone()];
    let mut also = |bytes: Bytes, kind: &str| {
        let (at, bytes) = named(bytes, kind);
        objects.push((at.clone(), bytes));
        at
    };
    let institution_lines = match &settlement.totals.institutions {
        Some(_) => {
            let lines = write_institutions(&settlement.institutions).map_err(broken)?;
            Some(also(lines, "institutions.parquet"))
        }
        None => None,
    };
    let held = match settlement.held.as_slice() {
        [] => None,
        held => Some(also(write_held(held).map_err(broken)?, "held.parquet")),
    };
    let settled = Settled {
        pool: pool.id().clone(),
        period: inputs.period.clone(),
        funded: inputs.funded.iter().map(|f| f.commit).collect(),
        inputs: inputs_object.0,
        lines: lines_object.0,
        leaves: leaves_object.0,
        root: tree.root(),
        count: settlement.lines.len() as u64,
        totals: settlement.totals.clone(),
        institution_lines,
        held,
    };
    Ok((settled, objects))
}

pub(super) fn entry(
    site: &Site,
    pool: &Pool,
    inputs: &Inputs,
    settled: &Settled,
) -> Result<Entry, Error> {
    let ids: BTreeSet<Sha256> = inputs
        .funded
        .iter()
        .map(|f| f.entry)
        .chain(inputs.versions.iter().map(|v| v.entry))
        .chain(inputs.queries.iter().map(|q| q.entry))
        .collect();
    let listed: Vec<Value> = if ids.len() <= ENTRIES_LISTED_MAX {
        ids.iter().map(|id| id.to_string().into()).collect()
    } else {
        Vec::new()
    };
    let leaves = ids.iter().map(|id| leaf_hash(id.as_bytes())).collect();
    let totals = &settled.totals;
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    put("pool", settled.pool.as_str().into());
    put("period", settled.period.as_str().into());
    put("inputs", listed.into());
    put("inputs_count", ids.len().into());
    put("inputs_root", root(leaves).to_string().into());
    put("method", inputs.rules.method.as_str().into());
    put("rules", fund::rules(&inputs.rules.set)?);
    put("root", settled.root.to_string().into());
    put("count", people(settled.count));
    put("total", json(&totals.paid)?);
    put("fee", json(&totals.fee)?);
    put("carried", json(&totals.carried)?);
    put("unallocated", json(&totals.unallocated)?);
    put("currency", pool.currency().code().into());
    put("input_digest", settled.inputs.digest.to_string().into());
    if let (Some(sums), Some(lines)) = (&totals.institutions, &settled.institution_lines) {
        // Keyed: what a small institution is paid tells how many rows its few people have.
        let (pool, period) = (settled.pool.as_str(), settled.period.as_str());
        let parts = [
            b"rdm/payout-institutions/v1".as_slice(),
            pool.as_bytes(),
            period.as_bytes(),
            lines.digest.as_bytes(),
        ];
        let commitment = hmac_sha3_parts(&site.secret("payout-lines"), &parts);
        let mut shared = Map::new();
        shared.insert("total".to_owned(), json(&sums.paid)?);
        shared.insert("carried".to_owned(), json(&sums.carried)?);
        shared.insert("commitment".to_owned(), hex(&commitment).into());
        put("institutions", Value::Object(shared));
    }
    let name = format!("payout:{}@{}", settled.pool, settled.period);
    let before = pool.settled.last().map_or(&pool.opened.entry, |s| &s.entry);
    let subject = subject(name, settled.inputs.digest);
    Ok(site.entry(Kind::PayoutComputed, &[subject], &[id(before)], &body)?)
}

/// Says how many people, as the book may say it: fewer than ten are not counted in the open.
pub(in crate::pipeline) fn people(count: u64) -> Value {
    if count < 10 { "<10".into() } else { count.into() }
}

/// More entry ids than these are given by their root alone: an entry has at most 65,535 bytes.
const ENTRIES_LISTED_MAX: usize = 400;
