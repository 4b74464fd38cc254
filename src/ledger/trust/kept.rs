//! The entries about keys, kept under their leaf indexes beside the tiles, `keys/<index>.json`, so
//! that nobody reads the whole log to learn whom to believe.
//!
//! Comes in: a ledger zone. Goes out: those entries, or the keys that follow from known ones.
//! Never: a key that no known key vouches for; that none is kept back, `verify_all` says.

use bytes::Bytes;
use memchr::memmem;

use super::{Error as TrustError, Role, Trust, vkey};
use crate::{
    ledger::entry::{Entry, Kind},
    signed_note::Verifier,
    store::{self, Store},
};

/// Where the entries about keys lie.
const FOLDER: &str = "keys";

/// Why the keys of a log cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// An object is no entry, or not one that may stand where it stands.
    #[error("`{object}` changes no keys: {reason}")]
    Broken {
        /// The object's path below the log.
        object: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Trust {
    /// Takes all changes of keys that are kept in a ledger zone.
    pub fn follow(mut self, zone: &Store) -> Result<Self, Error> {
        for (index, object) in objects(zone)? {
            let broken = |reason: String| Error::Broken { object: object.clone(), reason };
            let bytes = zone.get(&object)?;
            let entry = Entry::parse(&bytes).map_err(|e| broken(e.to_string()))?;
            self.take(index, &entry).map_err(|e| broken(e.to_string()))?;
        }
        Ok(self)
    }
}

/// Returns the keys of `known`, and those that took the place of a log's key among them.
pub(in super::super) fn followed(
    zone: &Store,
    origin: &str,
    known: &[Verifier],
) -> Result<Vec<Verifier>, store::Error> {
    let mut entries = Vec::new();
    for (_, object) in objects(zone)? {
        entries.extend(Entry::parse(&zone.get(&object)?));
    }
    Ok(believed(origin, &entries, known))
}

/// Returns the keys of `known`, and those that by entries of a log took the place of the log's key
/// among them, each signed by the one before it.
pub fn believed(origin: &str, entries: &[Entry], known: &[Verifier]) -> Vec<Verifier> {
    let mut all = known.to_vec();
    for entry in entries {
        if entry.kind() != Some(Kind::KeyRotated) || entry.origin() != Some(origin) {
            continue;
        }
        let (old, new) = (vkey(entry, "old_vkey"), vkey(entry, "new_vkey"));
        let (Some(old), Some(new)) = (old, new) else { continue };
        let log = |key: &Verifier| key.name() == Role::Log.key_name(origin);
        let signed = entry.is_signed_by(&old) && entry.is_signed_by(&new);
        if log(&old) && log(&new) && signed && all.contains(&old) && !all.contains(&new) {
            all.push(new);
        }
    }
    all
}

/// Returns the paths of the kept entries with their leaf indexes, in order.
pub(in super::super) fn objects(zone: &Store) -> Result<Vec<(u64, String)>, store::Error> {
    let paths = zone.list(FOLDER.trim_end_matches('/'))?.into_iter().map(|listed| listed.path);
    let mut kept: Vec<_> = paths.filter_map(|path| Some((index_of(&path)?, path))).collect();
    kept.sort();
    Ok(kept)
}

/// Returns the path of the entry at a leaf index.
pub(in super::super) fn object(index: u64) -> String {
    format!("{FOLDER}/{index:012}.json")
}

/// Returns the leaf index that a path of [`FOLDER`] names.
pub(in super::super) fn index_of(path: &str) -> Option<u64> {
    let index =
        path.strip_prefix(FOLDER)?.strip_prefix('/')?.strip_suffix(".json")?.parse().ok()?;
    (object(index) == path).then_some(index)
}

/// Returns those of a log's entries that are about keys, the first of them at leaf index `first`.
pub(in super::super) fn about_keys<'a, T: AsRef<[u8]> + 'a>(
    first: u64,
    texts: impl IntoIterator<Item = &'a T>,
) -> Vec<(u64, Entry)> {
    let keyid = memmem::Finder::new("\"keyid\":");
    let about = (first..).zip(texts).filter_map(|(index, text)| {
        let bytes = text.as_ref();
        // No entry has two signatures but these; parsing all would cost more than hashing them.
        keyid.find_iter(bytes).nth(1)?;
        let entry = Entry::parse(bytes).ok()?;
        let kinds = [Some(Kind::KeyRotated), Some(Kind::KeyRevoked)];
        kinds.contains(&entry.kind()).then_some((index, entry))
    });
    about.collect()
}

/// Takes entries about keys one after the other; the first that is none ends it.
pub(in super::super) fn take_all(
    trust: &mut Trust,
    entries: &[(u64, Entry)],
) -> Result<(), TrustError> {
    entries.iter().try_for_each(|(index, entry)| trust.take(*index, entry))
}

/// Writes the entries about keys.
pub(in super::super) fn keep(zone: &Store, entries: &[(u64, Entry)]) -> Result<(), store::Error> {
    for (index, entry) in entries {
        zone.put_content(&object(*index), &Bytes::copy_from_slice(entry.bytes()))?;
    }
    Ok(())
}
