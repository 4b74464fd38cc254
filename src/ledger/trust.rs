//! Who may sign: the keys that a log began with, and what its entries made of them since.
//!
//! Order comes from leaf indexes alone. Comes in: a genesis, entries about keys. Goes out: a
//! [`Trust`] that says which key stood where. Never: a change of keys that the keys it rests on did
//! not sign, or a time looked at.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)
)]

pub(super) mod kept;

use std::fmt;

use serde_json::{Value, json};

pub use self::kept::{Error as KeptError, believed};
use super::{
    checkpoint::Opened,
    entry::{Entry, EntryId, Kind},
    schema,
    tree::Hash,
};
use crate::signed_note::{KeyUse, Verifier};

/// For so many entries after a rotation the key that goes still stands beside the one that comes:
/// it signs checkpoints too, and entries that were made but not yet in the book may follow.
pub const PERIOD_ENTRIES: u64 = 64;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It signs checkpoints.
    Log,
    /// It signs entries and passes.
    Steward,
    /// It lies offline, and takes the others' place when one is stolen.
    Recovery,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::Log, Self::Steward, Self::Recovery];

    /// Returns the word that stands in entries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Steward => "steward",
            Self::Recovery => "recovery",
        }
    }

    /// Returns the role of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// Returns the name that a key of this role bears.
    pub fn key_name(self, origin: &str) -> String {
        match self {
            Self::Log => origin.to_owned(),
            Self::Steward | Self::Recovery => format!("{origin}/{}", self.as_str()),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a key's time ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Another took its place.
    Rotated,
    /// It is not to be believed any more.
    Revoked,
}

/// A key and the leaf indexes between which it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What it is for.
    pub role: Role,
    /// The key.
    pub key: Verifier,
    /// The index of the entry that brought it.
    pub from: u64,
    /// The index of the entry that ended its time, and how.
    pub end: Option<(u64, End)>,
}

/// Where a log stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The log's origin.
    pub origin: String,
    /// Its size.
    pub size: u64,
    /// The root over all entries.
    pub root: Hash,
}

impl Head {
    /// Returns it as it stands in an entry.
    pub fn value(&self) -> Value {
        json!({"origin": self.origin, "size": self.size, "root": self.root})
    }
}

/// Why an entry or a checkpoint is not to be believed, or a change of keys is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It does not fit the schema of its kind.
    #[error(transparent)]
    Schema(#[from] schema::Error),
    /// It is no genesis of a log whose keys bear its name.
    #[error("it is no genesis, signed by the steward that it names")]
    Genesis,
    /// The key that should go is not the one in force.
    #[error("the {0} key that should go is not the one in force")]
    NotInForce(Role),
    /// The key that should come bears another name, or stood before.
    #[error("the {0} key that should come bears another name, or stood before")]
    NotNew(Role),
    /// Not all the keys signed that had to.
    #[error("a change of the {0} key is not signed by the keys it rests on")]
    Unsigned(Role),
    /// There is no recovery key.
    #[error("there is no recovery key in the book that could revoke one")]
    NoRecovery,
    /// It stands before one that came earlier.
    #[error("it stands before a change of keys that came earlier")]
    Order,
    /// The log's key was revoked.
    #[error("the log ended at size {0}: its key was revoked")]
    Ended(u64),
    /// A checkpoint bears no line of a key that stood at its size.
    #[error("it is not signed by `{0}`, which stood at its size")]
    Checkpoint(String),
    /// An entry is of another log.
    #[error("it is of another log")]
    Origin,
    /// An entry bears the signature of a key that was revoked before it.
    #[error("it is signed by a key that was revoked before it")]
    Revoked,
    /// An entry bears the signature of a key whose time was over.
    #[error("it is signed by a key that another took the place of, long before")]
    Over,
    /// An entry bears no good signature of the steward.
    #[error("the steward's signature does not hold")]
    NotBySteward,
}

/// The keys of a log, and when each stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    origin: String,
    first: Verifier,
    held: Vec<Held>,
    /// The index and id of each entry that changed something, in order.
    changes: Vec<(u64, EntryId)>,
    last_good: Option<Head>,
}

impl Trust {
    /// Begins with the keys of a genesis that is known from elsewhere.
    pub fn new(origin: &str, log: Verifier, steward: Verifier) -> Self {
        let first = |role, key| Held { role, key, from: 0, end: None };
        Self {
            origin: origin.to_owned(),
            first: log.clone(),
            held: vec![first(Role::Log, log), first(Role::Steward, steward)],
            changes: Vec::new(),
            last_good: None,
        }
    }

    /// Begins with the keys that a genesis names. Who does not know the log's key from elsewhere
    /// believes whoever showed them this entry.
    pub fn begin(genesis: &Entry) -> Result<Self, Error> {
        genesis.check()?;
        let origin = genesis.origin().filter(|_| genesis.kind() == Some(Kind::LogGenesis));
        let origin = origin.ok_or(Error::Genesis)?;
        let (log, steward) = (vkey(genesis, "log_vkey"), vkey(genesis, "steward_vkey"));
        let (Some(log), Some(steward)) = (log, steward) else { return Err(Error::Genesis) };
        let named = log.name() == Role::Log.key_name(origin)
            && steward.name() == Role::Steward.key_name(origin);
        if !named || !genesis.is_signed_by(&steward) {
            return Err(Error::Genesis);
        }
        Ok(Self::new(origin, log, steward))
    }

    /// Begins with the first of a log's entries and takes all that follow.
    pub fn replay<'a>(entries: impl IntoIterator<Item = (u64, &'a Entry)>) -> Result<Self, Error> {
        let mut entries = entries.into_iter();
        let (_, genesis) = entries.next().filter(|(at, _)| *at == 0).ok_or(Error::Genesis)?;
        let mut trust = Self::begin(genesis)?;
        entries.try_for_each(|(index, entry)| trust.take(index, entry))?;
        Ok(trust)
    }

    /// Takes the entry at a leaf index: one about keys changes what is believed, if the keys that
    /// it rests on signed it; any other changes nothing.
    pub fn take(&mut self, index: u64, entry: &Entry) -> Result<(), Error> {
        let Some(kind @ (Kind::KeyRotated | Kind::KeyRevoked)) = entry.kind() else {
            return Ok(());
        };
        entry.check()?;
        if entry.origin() != Some(&self.origin) {
            return Err(Error::Origin);
        }
        if let Some(size) = self.ended() {
            return Err(Error::Ended(size));
        }
        if self.changes.last().is_some_and(|(last, _)| *last >= index) || index == 0 {
            return Err(Error::Order);
        }
        let said = |name: &str| entry.body().get(name).and_then(Value::as_str);
        let role = said("role").and_then(Role::parse).ok_or(Error::Genesis)?;
        let (old, new) = (vkey(entry, "old_vkey"), vkey(entry, "new_vkey"));
        if old.as_ref() != self.key(role) {
            return Err(Error::NotInForce(role));
        }
        if let Some(new) = &new {
            let fresh = self.held.iter().all(|held| held.key.key_id() != new.key_id());
            let named = new.name() == role.key_name(&self.origin);
            if !fresh || !named || new.key_use() != KeyUse::Sign {
                return Err(Error::NotNew(role));
            }
        }
        let mut last_good = None;
        let (signers, end) = if kind == Kind::KeyRotated {
            // A first recovery key is brought in by the steward.
            (vec![old.as_ref().or_else(|| self.key(Role::Steward)), new.as_ref()], End::Rotated)
        } else {
            let recovery = self.key(Role::Recovery).ok_or(Error::NoRecovery)?;
            last_good = head(entry, "last_good");
            // A steward's key has one to follow; a log without its key has come to its end.
            let second = match role {
                Role::Log if new.is_none() && last_good.is_some() => self.key(Role::Steward),
                Role::Steward if last_good.is_none() => new.as_ref(),
                Role::Log | Role::Steward | Role::Recovery => return Err(Error::NotNew(role)),
            };
            (vec![Some(recovery), second], End::Revoked)
        };
        let all = entry.key_ids().count() == signers.len();
        let signed = |key: Option<&Verifier>| key.is_some_and(|key| entry.is_signed_by(key));
        if !all || !signers.into_iter().all(signed) {
            return Err(Error::Unsigned(role));
        }
        let current = self.held.iter_mut().rev().find(|held| held.role == role);
        if let Some(held) = current {
            held.end = Some((index, end));
        }
        self.held.extend(new.map(|key| Held { role, key, from: index, end: None }));
        self.changes.push((index, entry.id()));
        self.last_good = self.last_good.take().or(last_good);
        Ok(())
    }

    /// Returns the log's origin.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns all keys that ever stood, in the order in which they came.
    pub fn held(&self) -> &[Held] {
        &self.held
    }

    /// Returns the index and id of each entry that changed something.
    pub fn changes(&self) -> &[(u64, EntryId)] {
        &self.changes
    }

    /// Returns the key of a role that is in force now.
    pub fn key(&self, role: Role) -> Option<&Verifier> {
        let last = self.held.iter().rev().find(|held| held.role == role);
        last.filter(|held| held.end.is_none()).map(|held| &held.key)
    }

    /// Returns all keys of a role that were not revoked: what they signed while they stood, such
    /// as a pass, is good.
    pub fn good(&self, role: Role) -> Vec<Verifier> {
        let revoked = |held: &&Held| !matches!(held.end, Some((_, End::Revoked)));
        let good = self.held.iter().filter(|held| held.role == role).filter(revoked);
        good.map(|held| held.key.clone()).collect()
    }

    /// Returns all keys of a role that ever stood: what stands in the book in its place was signed
    /// by one of them while it did.
    pub fn all(&self, role: Role) -> Vec<Verifier> {
        let own = self.held.iter().filter(|held| held.role == role);
        own.map(|held| held.key.clone()).collect()
    }

    /// Returns the key with which the log began.
    pub fn first_log_key(&self) -> &Verifier {
        &self.first
    }

    /// Says whether a key's time is over for good when the log has `size` entries, so that its seed
    /// is of no more use to anybody but a thief. The log's last key signs the log's end again.
    pub fn is_over(&self, key: &Verifier, size: u64) -> bool {
        let held = self.held.iter().find(|held| held.key == *key);
        held.is_some_and(|held| match held.end {
            None => false,
            Some((at, End::Rotated)) => size > at.saturating_add(PERIOD_ENTRIES),
            Some((_, End::Revoked)) => held.role != Role::Log,
        })
    }

    /// Returns the size at which the log ended because its key was revoked.
    pub fn ended(&self) -> Option<u64> {
        self.held.iter().find_map(|held| match (held.role, held.end) {
            (Role::Log, Some((at, End::Revoked))) => Some(at.saturating_add(1)),
            (Role::Log | Role::Steward | Role::Recovery, _) => None,
        })
    }

    /// Returns how far a log may be believed whose key was revoked.
    pub fn last_good(&self) -> Option<&Head> {
        self.last_good.as_ref()
    }

    /// Returns the trust as it was when the log had `size` entries.
    #[must_use]
    pub fn at(&self, size: u64) -> Self {
        let mut then = self.clone();
        then.held.retain(|held| held.from == 0 || held.from < size);
        for held in &mut then.held {
            held.end = held.end.filter(|(at, _)| *at < size);
        }
        then.changes.retain(|(at, _)| *at < size);
        if then.ended().is_none() {
            then.last_good = None;
        }
        then
    }

    /// Returns the keys that sign a checkpoint of `size`: the one in force, and for a period after
    /// a rotation the one before it. None after the log's end.
    pub fn signers(&self, size: u64) -> Vec<&Verifier> {
        let stands = |held: &&Held| {
            let begun = held.from == 0 || held.from < size;
            let over = match held.end {
                None => false,
                Some((at, End::Rotated)) => size > at.saturating_add(PERIOD_ENTRIES),
                // The checkpoint that covers the revocation is the last.
                Some((at, End::Revoked)) => size > at.saturating_add(1),
            };
            held.role == Role::Log && begun && !over
        };
        self.held.iter().filter(stands).map(|held| &held.key).collect()
    }

    /// Says whether the keys that stood at a checkpoint's size have all signed it.
    pub fn check_checkpoint(&self, opened: &Opened) -> Result<(), Error> {
        let size = opened.checkpoint.size;
        let signers = self.signers(size);
        if signers.is_empty() {
            return Err(Error::Ended(self.ended().unwrap_or(size)));
        }
        let unsigned = |key: &&&Verifier| opened.vouched.iter().all(|vouched| vouched.by != ***key);
        match signers.iter().find(unsigned) {
            Some(key) => Err(Error::Checkpoint(key.key_id())),
            None => Ok(()),
        }
    }

    /// Says whether an entry at a leaf index is one that its keys may have signed there: one about
    /// keys must have been taken, any other is signed by the steward of that time.
    pub fn check_entry(&self, index: u64, entry: &Entry) -> Result<(), Error> {
        if entry.origin() != Some(&self.origin) {
            return Err(Error::Origin);
        }
        if matches!(entry.kind(), Some(Kind::KeyRotated | Kind::KeyRevoked)) {
            let taken = self.changes.contains(&(index, entry.id()));
            return if taken { Ok(()) } else { Err(Error::Unsigned(Role::Steward)) };
        }
        let own = self.held.iter().filter(|held| held.role == Role::Steward);
        let by = own.clone().find(|held| entry.is_signed_by(&held.key));
        let Some(Held { from, end, .. }) = by else { return Err(Error::NotBySteward) };
        match end {
            _ if *from > index => Err(Error::NotBySteward),
            Some((at, End::Revoked)) if index > *at => Err(Error::Revoked),
            Some((at, End::Rotated)) if index > at.saturating_add(PERIOD_ENTRIES) => {
                Err(Error::Over)
            }
            Some((_, End::Rotated | End::Revoked)) | None => Ok(()),
        }
    }
}

fn vkey(entry: &Entry, member: &str) -> Option<Verifier> {
    let text = entry.body().get(member).and_then(Value::as_str)?;
    Verifier::parse(text).ok()
}

fn head(entry: &Entry, member: &str) -> Option<Head> {
    let head = entry.body().get(member)?;
    let text = |name: &str| head.get(name).and_then(Value::as_str);
    Some(Head {
        origin: text("origin")?.to_owned(),
        size: head.get("size")?.as_u64()?,
        root: Hash::parse(text("root")?).ok()?,
    })
}

#[cfg(test)]
pub(super) mod tests;
