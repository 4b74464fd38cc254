//! Determinations: what an expert signed names the version that is there, and the key that the book
//! holds signed it.
//!
//! Comes in: the commits of determinations, their envelopes, the versions. Goes out: findings, and
//! what each entry must say. Never: a figure of the report judged; that was the expert's part.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Audit, Check, Evidence,
    commits::{Commits, Numbered},
    expected::Said,
    table::object,
};
use crate::{
    digest::{Sha3Digest, Sha256},
    instant::Instant,
    lake::{TableVersion, Version},
    ledger::{Entry, Kind},
    signed_note::Verifier,
    store,
};

/// The type of what an expert signs.
const TYPE: &str = "application/vnd.almoner.determination+json";

/// `vault/determinations/commits/<n>.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeterminationCommit {
    txn: String,
    time: Instant,
    dataset: String,
    version: u64,
    by: String,
    vkey: String,
    report: Sha3Digest,
    pub(super) envelope: Named,
    pub(super) entry: String,
}

/// An object of the vault.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    pub(super) path: String,
    pub(super) digest: Sha3Digest,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Envelope {
    payload_type: String,
    payload: String,
    signatures: Vec<Signature>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    keyid: String,
    sig: String,
}

/// What the entry of a commit must say.
pub(super) fn said(commit: &Numbered<DeterminationCommit>, commits: &Commits) -> Option<Said> {
    let DeterminationCommit { time, dataset, version, vkey, report, envelope, .. } = &commit.body;
    let (made, entry) = released(&commit.body, commits)?;
    let body = json!({
        "commit": commit.number, "dataset": dataset, "version": version, "version_entry": entry,
        "record_root": made.record.root, "report": report, "determination": envelope.digest,
        "vkey": vkey,
    });
    let subjects = vec![(format!("{dataset}@{version}/determination"), envelope.digest, None)];
    let kind = Kind::DeterminationSigned;
    Some(Said { kind, time: *time, body, prev: vec![entry], subjects })
}

/// The version that a determination is of, and its entry.
fn released<'c>(
    commit: &DeterminationCommit,
    commits: &'c Commits,
) -> Option<(&'c Version, Sha256)> {
    let mut all = commits.lake.iter();
    let made = all
        .find(|made| made.body.dataset == commit.dataset && made.body.version == commit.version)?;
    Some((&made.body, made.entry.as_ref().map(Entry::id)?))
}

/// Checks each determination by its own envelope.
pub(super) fn check(
    evidence: &Evidence,
    audit: &mut Audit,
    commits: &Commits,
) -> Result<(), store::Error> {
    for commit in &commits.determinations {
        let Named { path, digest } = &commit.body.envelope;
        let Some(bytes) = object(audit, &evidence.vault, "vault", path, digest)? else { continue };
        let name = format!("vault/{path}");
        let payload = opened(&bytes, &commit.body.vkey);
        let fault = "it is not signed by the key that the book holds";
        audit.check(Check::Determinations, &name, payload.is_some(), fault);
        let Some(payload) = payload else { continue };
        let own = released(&commit.body, commits);
        let names = own.is_some_and(|(version, entry)| names(&payload, version, entry));
        let fault = "it names other digests than its version has";
        audit.check(Check::Determinations, &name, names, fault);
        let said = |member: &str| payload.get(member).and_then(Value::as_str);
        let time = commit.body.time.to_string();
        let same = said("by") == Some(&*commit.body.by)
            && said("key") == Some(&*commit.body.vkey)
            && said("time") == Some(&*time);
        let fault = "its commit tells of another expert or time";
        audit.check(Check::Determinations, &name, same, fault);
    }
    Ok(())
}

/// Returns what was signed, where this key signed it.
fn opened(bytes: &[u8], vkey: &str) -> Option<Value> {
    let envelope: Envelope = serde_json::from_slice(bytes).ok()?;
    let key = Verifier::parse(vkey).ok()?;
    let [signature] = envelope.signatures.as_slice() else { return None };
    let (payload, sig) =
        (STANDARD.decode(&envelope.payload).ok()?, STANDARD.decode(&signature.sig).ok()?);
    let good = envelope.payload_type == TYPE
        && signature.keyid == key.key_id()
        && key.verify_typed(TYPE, &payload, &sig);
    if good { serde_json::from_slice(&payload).ok() } else { None }
}

/// Whether what was signed names this version, by every digest that it could be known by.
fn names(payload: &Value, version: &Version, entry: Sha256) -> bool {
    let tables: Vec<Value> =
        version.tables.iter().map(|table| json!([table.table, list(table)])).collect();
    let expected = [
        ("dataset", json!(version.dataset)),
        ("version", json!(version.version)),
        ("version_entry", json!(entry)),
        ("record_root", json!(version.record.root)),
        ("tables", Value::Array(tables)),
        ("pipeline", json!(version.pipeline.1)),
    ];
    let measured = payload.pointer("/report/subject/version/entry");
    expected.iter().all(|(member, value)| payload.get(*member) == Some(value))
        && measured == Some(&json!(entry))
}

fn list(table: &TableVersion) -> Sha3Digest {
    let all: Vec<u8> = table.segments.iter().flat_map(|segment| segment.sha3.0).collect();
    Sha3Digest::of(&all)
}
