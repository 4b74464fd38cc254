//! Acts on the keys that sign for a site: one takes another's place, a stolen one is revoked, and a
//! recovery key that lies offline comes into the book.
//!
//! Comes in: an open site, a role, a recovery key's file. Goes out: a commit and its entry.
//! Never: a change that the keys it rests on did not sign, or a seed in the book.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    digest::Sha256,
    instant::Instant,
    ledger::{
        Entry, EntryId, Kind, Reader, Signing, entry, reader,
        trust::{End, Head, Held, Role, Trust},
    },
    signed_note::{self, Signer, Verifier, seed},
    site::{self, Site},
    store::{self, Sequence, Store},
};

/// Where changes of keys are committed, in the vault.
const COMMITS: &str = "signers/commits";

/// Why the keys are as they were.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The site failed, or its book does not take the change.
    #[error(transparent)]
    Site(#[from] site::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The book cannot be read.
    #[error("the book cannot be believed")]
    Reader(#[from] reader::Error),
    /// The entry could not be made.
    #[error("an entry of the ledger could not be made")]
    Entry(#[from] entry::Error),
    /// A recovery key's file cannot be had.
    #[error(transparent)]
    Seed(#[from] seed::SeedError),
    /// A seed makes no key.
    #[error(transparent)]
    Note(#[from] signed_note::Error),
    /// The reason is empty.
    #[error("a change of keys has a reason")]
    Reason,
    /// The recovery key is not the one in the book.
    #[error("`{}` holds another key than the recovery key that the book names", .0.display())]
    OtherRecovery(PathBuf),
    /// There is no recovery key.
    #[error("the book names no recovery key")]
    NoRecovery,
    /// There is one already, and the file that holds it was not named.
    #[error("the book names a recovery key already, and it must sign the one that follows it")]
    HasRecovery,
    /// No such key ever signed for the site.
    #[error("no key of that name ever signed for this site")]
    NoKey,
    /// A recovery key does not revoke itself.
    #[error("a recovery key is not revoked; another takes its place")]
    OwnKey,
    /// No checkpoint was signed at that size.
    #[error("no checkpoint of {0} entries was signed")]
    NoCheckpoint(u64),
    /// A log that another should continue has not ended.
    #[error("the log at `{0}` has not ended: its key was not revoked")]
    NotEnded(String),
    /// A ledger names no key, or no genesis of it.
    #[error("there is no ledger with a genesis of its key at `{0}`")]
    NoLedger(String),
    /// The log has ended.
    #[error("the log ended at size {0}: its key was revoked")]
    Ended(u64),
}

/// One commit of `vault/signers/commits`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Commit {
    txn: String,
    time: Instant,
    change: Change,
    entry: String,
}

/// A change of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    role: String,
    old_vkey: Option<String>,
    new_vkey: Option<String>,
    reason: String,
    /// How the old key's time ends.
    revoked: bool,
    /// How far a log may be believed whose key is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_good: Option<Value>,
}

/// What came of a change of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Which key.
    pub role: &'static str,
    /// The key that went.
    pub old: Option<String>,
    /// The key that came.
    pub new: Option<String>,
    /// The entry in the public book.
    pub entry: Option<EntryId>,
    /// Whether the key had gone before, and nothing was written.
    pub known: bool,
    /// Keys whose time is over and whose seeds were deleted.
    pub forgotten: Vec<String>,
}

/// One key that signs or signed for the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What for.
    pub role: &'static str,
    /// The key.
    pub vkey: String,
    /// The index of the entry that brought it.
    pub from: u64,
    /// The index of the entry that ended its time.
    pub until: Option<u64>,
    /// `in force`, `rotated` or `revoked`.
    pub state: &'static str,
}

/// Lists all keys that sign or signed for a site.
pub fn list(site: &Site) -> Vec<Line> {
    let line = |held: &Held| Line {
        role: held.role.as_str(),
        vkey: held.key.vkey(),
        from: held.from,
        until: held.end.map(|(at, _)| at),
        state: match held.end {
            None => "in force",
            Some((_, End::Rotated)) => "rotated",
            Some((_, End::Revoked)) => "revoked",
        },
    };
    site.trust().held().iter().map(line).collect()
}

/// Puts a new key in the place of the log's or the steward's. With `key` only if that is the one in
/// force: a command that is given twice rotates once.
pub fn rotate(
    site: &mut Site,
    role: Role,
    reason: &str,
    key: Option<&str>,
) -> Result<Changed, Error> {
    going(site, reason)?;
    let old = match role {
        Role::Log => site.keys().log().clone(),
        Role::Steward | Role::Recovery => site.keys().steward().clone(),
    };
    if key.is_some_and(|key| key != old.verifier().key_id() && key != old.verifier().vkey()) {
        return Ok(unchanged(role, old.verifier()));
    }
    let new = site.next_signer(role)?;
    let change = Change {
        role: role.as_str().to_owned(),
        old_vkey: Some(old.verifier().vkey()),
        new_vkey: Some(new.verifier().vkey()),
        reason: reason.trim().to_owned(),
        revoked: false,
        last_good: None,
    };
    commit(site, role, change, &old, &[&new])
}

/// Brings a recovery key into the book; its seed is made in `file` where there is none. One that is
/// in the book already must sign the one that follows it: it lies in `old`.
pub fn recovery(
    site: &mut Site,
    file: &Path,
    old: Option<&Path>,
    reason: &str,
) -> Result<Changed, Error> {
    going(site, reason)?;
    let current = site.trust().key(Role::Recovery).cloned();
    seed::create(file)?;
    let new = open(site, file)?;
    if current.as_ref() == Some(new.verifier()) {
        return Ok(unchanged(Role::Recovery, new.verifier()));
    }
    let by = match (&current, old) {
        (None, _) => site.keys().steward().clone(),
        (Some(_), None) => return Err(Error::HasRecovery),
        (Some(_), Some(old)) => held(site, old)?,
    };
    let change = Change {
        role: Role::Recovery.as_str().to_owned(),
        old_vkey: current.map(|key| key.vkey()),
        new_vkey: Some(new.verifier().vkey()),
        reason: reason.trim().to_owned(),
        revoked: false,
        last_good: None,
    };
    commit(site, Role::Recovery, change, &by, &[&new])
}

/// Revokes the log's or the steward's key by the recovery key. A steward's is followed by a new one;
/// a log ends, and may be believed as far as its checkpoint of `last_good` entries: the newest where
/// none is named. A key that was revoked before stays so.
pub fn revoke(
    site: &mut Site,
    key: &str,
    file: &Path,
    reason: &str,
    last_good: Option<u64>,
) -> Result<Changed, Error> {
    let named = |held: &&Held| held.key.key_id() == key || held.key.vkey() == key;
    let Held { role, key, end, .. } =
        site.trust().held().iter().find(named).cloned().ok_or(Error::NoKey)?;
    if matches!(end, Some((_, End::Revoked))) {
        return Ok(unchanged(role, &key));
    }
    going(site, reason)?;
    let recovery = held(site, file)?;
    let steward = site.keys().steward().clone();
    let (new, head) = match role {
        Role::Log => {
            let size = last_good.map_or_else(|| site.book_size(), Ok)?;
            let known = std::slice::from_ref(site.log_verifier());
            let reader = Reader::open_size(&site.ledger(), &site.about().origin, known, size);
            let root = match reader {
                Ok(reader) => reader.root(),
                Err(reader::Error::Missing { .. }) => return Err(Error::NoCheckpoint(size)),
                Err(error) => return Err(error.into()),
            };
            let origin = site.about().origin.clone();
            (None, Some(Head { origin, size, root }.value()))
        }
        Role::Steward => (Some(site.next_signer(Role::Steward)?), None),
        Role::Recovery => return Err(Error::OwnKey),
    };
    let change = Change {
        role: role.as_str().to_owned(),
        old_vkey: Some(key.vkey()),
        new_vkey: new.as_ref().map(|new| new.verifier().vkey()),
        reason: reason.trim().to_owned(),
        revoked: true,
        last_good: head,
    };
    commit(site, role, change, &recovery, &[new.as_ref().unwrap_or(&steward)])
}

/// Returns how far the log of a public ledger may be believed whose key was revoked.
pub fn last_good(ledger: &str) -> Result<Head, Error> {
    let zone = Store::open(ledger)?;
    let text = zone.find("log.vkey")?.unwrap_or_default();
    let key = std::str::from_utf8(&text).ok().and_then(|text| Verifier::parse(text.trim()).ok());
    let key = key.ok_or_else(|| Error::NoLedger(ledger.to_owned()))?;
    let reader = Reader::open(&zone, key.name(), std::slice::from_ref(&key))?;
    let entries = reader.entries().collect::<Result<Vec<_>, _>>()?;
    let trust = Trust::replay(entries.iter().map(|(index, entry)| (*index, entry)));
    let trust = trust.ok().filter(|trust| *trust.first_log_key() == key);
    let trust = trust.ok_or_else(|| Error::NoLedger(ledger.to_owned()))?;
    trust.last_good().cloned().ok_or_else(|| Error::NotEnded(ledger.to_owned()))
}

fn commit(
    site: &mut Site,
    role: Role,
    change: Change,
    by: &Signer,
    others: &[&Signer],
) -> Result<Changed, Error> {
    let sequence = Sequence::new(&site.vault(), COMMITS);
    // INVARIANT: each change that the book took is one commit. Who does not know the newest change is
    // in conflict here, before anything is committed that the book would not take.
    let changes = u64::try_from(site.trust().changes().len()).unwrap_or(u64::MAX);
    let number = changes.saturating_add(1);
    let mut body = json!({
        "commit": number, "role": change.role, "old_vkey": change.old_vkey,
        "new_vkey": change.new_vkey, "reason": change.reason,
    });
    let kind = if change.revoked { Kind::KeyRevoked } else { Kind::KeyRotated };
    if let (true, Some(members)) = (change.revoked, body.as_object_mut()) {
        members.insert("last_good".to_owned(), change.last_good.clone().unwrap_or_default());
    }
    let body = body.as_object().cloned().unwrap_or_default();
    // Each change names the one before it.
    let prev: Vec<Sha256> = site.trust().changes().last().map(|(_, id)| *id).into_iter().collect();
    let origin = &site.about().origin;
    let signing = Signing { first: by, others };
    let entry = Entry::sign_all(kind, origin, site.now(), &[], &prev, &body, &signing)?;
    let (old, new) = (change.old_vkey.clone(), change.new_vkey.clone());
    let text = entry.text().to_owned();
    let commit = Commit { txn: site.txn()?, time: site.now(), change, entry: text };
    site.commit_keys(&sequence, number, &commit, &entry)?;
    let forgotten = site.forget_seeds()?;
    Ok(Changed { role: role.as_str(), old, new, entry: Some(entry.id()), known: false, forgotten })
}

fn going(site: &Site, reason: &str) -> Result<(), Error> {
    match site.trust().ended() {
        Some(size) => Err(Error::Ended(size)),
        None if reason.trim().is_empty() => Err(Error::Reason),
        None => Ok(()),
    }
}

fn unchanged(role: Role, key: &Verifier) -> Changed {
    let new = Some(key.vkey());
    Changed { role: role.as_str(), old: None, new, entry: None, known: true, forgotten: Vec::new() }
}

/// Opens a recovery key's file.
fn open(site: &Site, file: &Path) -> Result<Signer, Error> {
    let name = Role::Recovery.key_name(&site.about().origin);
    Ok(Signer::from_seed(&name, &*seed::read(file)?)?)
}

/// Opens the file of the recovery key that the book names.
fn held(site: &Site, file: &Path) -> Result<Signer, Error> {
    let key = site.trust().key(Role::Recovery).ok_or(Error::NoRecovery)?;
    let signer = open(site, file)?;
    if signer.verifier() == key { Ok(signer) } else { Err(Error::OtherRecovery(file.to_owned())) }
}

#[cfg(test)]
mod tests;
