//! Which releases hold a person: what was handed to researchers cannot be called back.
//!
//! Comes in: a person. Goes out: dataset versions that hold a record of theirs, oldest first.
//! Never: another person's record looked at; the tree of records tells by the person's key alone.

use serde::Serialize;

use super::Error;
use crate::{
    consent::Register,
    instant::Instant,
    lake::{Lake, Version},
    ledger::record::{Evidence, RecordTree, token},
    linkage::PersonIndex,
    party::ContributorId,
    site::Site,
};

/// A release that holds a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Release {
    /// The dataset.
    pub dataset: String,
    /// Its version.
    pub version: u64,
    /// When it was made.
    pub released: Instant,
}

/// Returns the releases that hold a person's record, under whichever id they had then.
pub fn releases(site: &Site, person: &ContributorId) -> Result<Vec<Release>, Error> {
    let register = Register::load(&site.vault())?;
    let people = register.people();
    let index = PersonIndex::load(&site.vault())?;
    let own = index.canonical(person);
    let ids = std::iter::once(own).chain(index.aliases(own));
    let keys: Vec<_> = ids.filter_map(|id| people.key(people.index(id.as_str())?)).collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for located in Lake::new(site.lake()).all()? {
        let version = located.version;
        let fault = |reason: String| {
            let path = format!("ledger/{}", version.record.path);
            Error::Site(crate::site::Error::Format { path, reason })
        };
        let tree = RecordTree::read(&site.ledger().get(&version.record.path)?)
            .map_err(|error| fault(error.to_string()))?;
        let mut is_held = false;
        for key in &keys {
            let own = token(key, &version.dataset, version.version);
            match tree.prove(&own).map_err(|error| fault(error.to_string()))? {
                Evidence::Present { .. } => is_held = true,
                Evidence::Absent { .. } => {}
            }
        }
        if is_held {
            let Version { dataset, version, time: released, .. } = version;
            found.push(Release { dataset, version, released });
        }
    }
    Ok(found)
}
