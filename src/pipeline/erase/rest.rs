//! What the book knows of by digest, and the segments and keys of versions that are destroyed.
//!
//! Comes in: a site, a plan. Goes out: digests that entries hold; versions that nobody reads again.
//! Never: a segment gone that another version needs.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::Value;

use super::{Error, is_apart, is_commit, plan::Plan};
use crate::{
    lake::{Lake, Version},
    ledger::entry::Entry,
    site::Site,
    vault::Closed,
};

/// All texts of 64 hex digits that entries of the book hold.
pub(super) fn known(site: &Site) -> Result<BTreeSet<String>, Error> {
    let mut known = BTreeSet::new();
    let mut take = |body: &Bytes| -> Result<(), Error> {
        let commit: Value = serde_json::from_slice(body)?;
        let Some(text) = commit.get("entry").and_then(Value::as_str) else { return Ok(()) };
        let entry = Entry::parse(text.as_bytes())?;
        known.extend(entry.subjects().iter().map(|subject| subject.sha3.to_string()));
        let body = serde_json::to_string(entry.body())?;
        known.extend(body.split('"').filter(|part| part.len() == 64).map(str::to_owned));
        Ok(())
    };
    for (zone, is_lake) in [(site.vault(), false), (site.lake(), true)] {
        for listed in zone.list_now("")? {
            if is_commit(&listed.path) && (is_lake || !is_apart(&listed.path)) {
                take(&zone.get(&listed.path)?)?;
            }
        }
    }
    Ok(known)
}

/// Deletes the records that were kept or sealed for a transfer of the people: one that is still open ends,
/// its record lost.
pub(super) fn transfers(site: &Site, plan: &Plan) -> Result<(), Error> {
    let vault = site.vault();
    if plan.transfers.is_empty() {
        return Ok(());
    }
    for object in vault.list_now("")? {
        let own = plan.transfers.iter().any(|transfer| {
            let folders = ["content", "sealed"].map(|f| format!("transfers/{f}/{transfer}/"));
            folders.iter().any(|folder| object.path.starts_with(folder))
        });
        if own {
            vault.delete(&object.path)?;
        }
    }
    Ok(())
}

/// Destroys the keys of versions that hold the people; at a site without keys the segments that no other
/// version needs.
pub(super) fn destroy(site: &Site, plan: &Plan) -> Result<(), Error> {
    if site.keyring().closed()? == Closed::Sealed {
        for (dataset, version) in &plan.versions {
            site.keyring().destroy_version(dataset, *version)?;
        }
        return Ok(());
    }
    let paths = |version: &Version| -> Vec<String> {
        version.tables.iter().flat_map(|t| &t.segments).map(|s| s.path.clone()).collect()
    };
    let lake = Lake::new(site.lake());
    let (mut own, mut needed) = (BTreeSet::new(), BTreeSet::new());
    for located in lake.all()? {
        let version = &located.version;
        let key = (version.dataset.clone(), version.version);
        if plan.versions.contains(&key) { &mut own } else { &mut needed }.extend(paths(version));
    }
    for path in own.difference(&needed) {
        lake.store().delete(path)?;
    }
    Ok(())
}
