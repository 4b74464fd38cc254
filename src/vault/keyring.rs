//! The keys of a site's data: found by name, made where they are missing, wrapped wherever they lie.
//!
//! Comes in: the site's store, its key folder. Goes out: sealed zones. Keys lie below `vault/keyring/`, one
//! object a key, itself not sealed but wrapped; a destroyed key leaves an object that says so, so that its
//! name is never given again. Never: an object sealed by a key that could be destroyed meanwhile: who seals
//! holds a part of the key folder's lock, and who destroys must hold all of it.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    Error, KeyName, SiteKey, Wrapper,
    cipher::{self, Key},
    objects::VaultSeal,
    segments::LakeSeal,
    site_key::Closed,
};
use crate::store::{Created, Listed, Store};

/// The place of the keys in the vault.
pub(super) const KEYRING: &str = "keyring";

/// One key as it lies in the vault.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// Its name.
    key: String,
    /// What wrapped it.
    under: String,
    /// The key and its name, wrapped; of a destroyed key its name alone, so that nobody but a holder of the
    /// site key can say that it was destroyed.
    wrapped: String,
}

/// What is wrapped begins with one of these.
const LIVES: u8 = 1;
const DESTROYED: u8 = 0;

/// The keys of a site's data. Cloning it is cheap.
#[derive(Clone)]
pub struct Keyring {
    inner: Arc<Inner>,
}

struct Inner {
    vault: Store,
    lake: Store,
    site_key: SiteKey,
    state: Mutex<State>,
}

/// What this process has opened so far.
#[derive(Default)]
pub(super) struct State {
    /// The keys by name; none where one was destroyed.
    keys: BTreeMap<KeyName, Option<Arc<Key>>>,
    wrappers: Vec<Arc<dyn Wrapper>>,
    /// The keys that new objects are sealed by, by what they are for: the vault, or a version.
    sealing: BTreeMap<Option<(String, u64)>, KeyName>,
    /// The part in the lock of the key folder, once something was sealed.
    pub(super) part: Option<File>,
    /// Whether that part is the whole of it.
    pub(super) is_alone: bool,
    /// The newest epoch of the vault's key when the site was opened.
    pub(super) epoch: Option<u64>,
    is_sealed: bool,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("site_key", &self.inner.site_key).finish_non_exhaustive()
    }
}

impl Keyring {
    /// Names the keyring of the site in a store. Where the site is not sealed it leaves all as it is.
    pub fn new(site: &Store, site_key: SiteKey) -> Self {
        let (vault, lake) = (site.zone("vault"), site.zone("lake"));
        Self { inner: Arc::new(Inner { vault, lake, site_key, state: Mutex::default() }) }
    }

    /// Says how far the site is sealed. Once it is, it stays so.
    pub fn closed(&self) -> Result<Closed, Error> {
        if self.state().is_sealed {
            return Ok(Closed::Sealed);
        }
        let closed = self.inner.site_key.closed()?;
        self.state().is_sealed = closed == Closed::Sealed;
        Ok(closed)
    }

    /// Remembers the vault's key of now: who writes by this keyring later is refused if it was renewed.
    pub fn note_epoch(&self) -> Result<(), Error> {
        let newest = self.newest_epoch()?;
        self.state().epoch = Some(newest);
        Ok(())
    }

    /// Makes sure that the vault's key is the one that was noted.
    pub(super) fn is_of_now(&self) -> Result<(), Error> {
        let noted = self.state().epoch;
        match noted {
            Some(noted) if self.newest_epoch()? > noted => Err(Error::Renewed),
            Some(_) | None => Ok(()),
        }
    }

    /// The first epoch is there from the first object on.
    fn newest_epoch(&self) -> Result<u64, Error> {
        match self.newest_vault()? {
            Some(KeyName::Vault { epoch }) => Ok(epoch),
            Some(KeyName::Version { .. }) | None => Ok(1),
        }
    }

    fn newest_vault(&self) -> Result<Option<KeyName>, Error> {
        let listed = self.names()?.into_iter().rfind(|name| matches!(name, KeyName::Vault { .. }));
        self.newest(listed, &KeyName::Vault { epoch: 1 })
    }

    /// Keys are counted, so what a listing lacks after the newest that it shows is asked for.
    fn newest(&self, listed: Option<KeyName>, first: &KeyName) -> Result<Option<KeyName>, Error> {
        let mut newest = listed;
        loop {
            let next = newest.as_ref().map_or_else(|| first.clone(), KeyName::next);
            if self.zone().find(&next.path())?.is_none() {
                return Ok(newest);
            }
            newest = Some(next);
        }
    }

    /// Returns the vault as if it were open.
    pub fn vault(&self) -> Store {
        self.inner.vault.sealed(Arc::new(VaultSeal::new(self.clone())))
    }

    /// Returns the lake as if it were open.
    pub fn lake(&self) -> Store {
        self.inner.lake.sealed(Arc::new(LakeSeal::new(self.clone())))
    }

    /// Lists all keys that there are or were, each with what wraps it; none where it was destroyed.
    pub fn list(&self) -> Result<Vec<(KeyName, Option<String>)>, Error> {
        let listed = self.names()?.into_iter().map(|name| {
            let under = self.record(&name)?.under;
            let lives = self.find(&name)?.is_some();
            Ok((name, lives.then_some(under)))
        });
        listed.collect()
    }

    /// Opens every key, also the word of each that it was destroyed; returns how many there are, and
    /// the objects of those that do not open.
    pub fn check(&self) -> Result<(u64, Vec<String>), Error> {
        let (mut count, mut closed) = (0_u64, Vec::new());
        for name in self.names()? {
            count = count.saturating_add(1);
            match self.find(&name) {
                Ok(_) => {}
                Err(Error::Lost { .. } | Error::Unknown { .. } | Error::Format { .. }) => {
                    closed.push(format!("{KEYRING}/{}", name.path()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((count, closed))
    }

    /// Says whether the key of a dataset version was destroyed: none of its keys is left.
    pub fn is_destroyed(&self, dataset: &str, version: u64) -> Result<bool, Error> {
        match self.newest_of(dataset, version)? {
            Some(name) => Ok(self.find(&name)?.is_none()),
            None => Ok(false),
        }
    }

    /// Returns the living key of a dataset version, for programs of the steward's own.
    pub fn export(
        &self,
        dataset: &str,
        version: u64,
    ) -> Result<(KeyName, Zeroizing<[u8; 32]>), Error> {
        let name = self
            .newest_of(dataset, version)?
            .ok_or_else(|| Error::Unknown { key: format!("lake/{dataset}@{version}") })?;
        let key = self.key(&name)?;
        Ok((name, (*key).clone()))
    }

    pub(super) fn raw_vault(&self) -> &Store {
        &self.inner.vault
    }

    pub(super) fn raw_lake(&self) -> &Store {
        &self.inner.lake
    }

    pub(super) fn site_key(&self) -> &SiteKey {
        &self.inner.site_key
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn zone(&self) -> Store {
        self.inner.vault.zone(KEYRING)
    }

    /// Returns the names of all keys, the destroyed ones too.
    pub(super) fn names(&self) -> Result<Vec<KeyName>, Error> {
        Ok(names(&self.zone().list("")?))
    }

    /// Returns the same, and none is missing because a listing is behind.
    pub(super) fn names_now(&self) -> Result<Vec<KeyName>, Error> {
        Ok(names(&self.zone().list_now("")?))
    }

    fn newest_of(&self, dataset: &str, version: u64) -> Result<Option<KeyName>, Error> {
        let first = KeyName::Version { dataset: dataset.to_owned(), version, generation: 1 };
        let listed = self.zone().list(&format!("lake/{dataset}@{version}"))?;
        self.newest(listed.iter().filter_map(|o| KeyName::of_path(&o.path)).max(), &first)
    }

    /// Returns a key by its name.
    pub(super) fn key(&self, name: &KeyName) -> Result<Arc<Key>, Error> {
        self.find(name)?.ok_or_else(|| Error::Destroyed { key: name.to_string() })
    }

    /// Returns a key by its name; none where it was destroyed.
    pub(super) fn find(&self, name: &KeyName) -> Result<Option<Arc<Key>>, Error> {
        if let Some(known) = self.state().keys.get(name) {
            return Ok(known.clone());
        }
        let key = self.unwrapped(name, &self.record(name)?)?.map(Arc::new);
        self.state().keys.insert(name.clone(), key.clone());
        Ok(key)
    }

    fn record(&self, name: &KeyName) -> Result<Record, Error> {
        let bytes = self
            .zone()
            .find(&name.path())?
            .ok_or_else(|| Error::Unknown { key: name.to_string() })?;
        let fault =
            |reason: String| Error::Format { path: format!("{KEYRING}/{}", name.path()), reason };
        let record: Record = serde_json::from_slice(&bytes)
            .map_err(|e| fault(format!("line {}, column {}", e.line(), e.column())))?;
        if record.key != name.to_string() {
            return Err(fault("it is another key's".to_owned()));
        }
        Ok(record)
    }

    fn unwrapped(&self, name: &KeyName, record: &Record) -> Result<Option<Key>, Error> {
        let lost = || Error::Lost { key: name.to_string() };
        let wrapped = STANDARD.decode(&record.wrapped).map_err(|_| lost())?;
        let mut known = self.wrapper(|wrapper| wrapper.id() == record.under);
        if known.is_none() {
            self.reload()?;
            known = self.wrapper(|wrapper| wrapper.id() == record.under);
        }
        let plain = known.ok_or_else(lost)?.unwrap(&wrapped)?.ok_or_else(lost)?;
        let (kind, rest) = plain.split_first().ok_or_else(lost)?;
        let (key, of) = match *kind {
            LIVES => rest.split_first_chunk::<32>().map(|(key, of)| (Some(key), of)),
            DESTROYED => Some((None, rest)),
            _ => None,
        }
        .ok_or_else(lost)?;
        // The name was wrapped with the key: no record stands in for another.
        if of != name.to_string().as_bytes() {
            return Err(lost());
        }
        Ok(key.map(|key| Zeroizing::new(*key)))
    }

    fn wrapper(&self, wanted: impl Fn(&dyn Wrapper) -> bool) -> Option<Arc<dyn Wrapper>> {
        self.state().wrappers.iter().find(|wrapper| wanted(wrapper.as_ref())).map(Arc::clone)
    }

    /// Reads anew what wraps keys.
    pub(super) fn reload(&self) -> Result<(), Error> {
        let wrappers = self.inner.site_key.wrappers()?;
        self.state().wrappers = wrappers;
        Ok(())
    }

    /// Forgets by which keys new objects are sealed.
    pub(super) fn forget(&self) {
        let mut state = self.state();
        state.sealing.clear();
        state.keys.clear();
    }

    /// Wraps a key, or the word that it was destroyed.
    fn wrapped(&self, name: &KeyName, key: Option<&Key>) -> Result<Bytes, Error> {
        let wrapper = self.wrapper(|_| true).ok_or(Error::Seal("there is no site key"))?;
        let text = name.to_string();
        let plain = Zeroizing::new(match key {
            Some(key) => [&[LIVES], key.as_slice(), text.as_bytes()].concat(),
            None => [&[DESTROYED], text.as_bytes()].concat(),
        });
        let wrapped = STANDARD.encode(wrapper.wrap(&plain)?);
        let record = Record { key: text, under: wrapper.id(), wrapped };
        let bytes = serde_json::to_vec_pretty(&record).map_err(|_| Error::Seal("it is no JSON"))?;
        Ok(Bytes::from(bytes))
    }

    /// Wraps a key anew, or the word that it was destroyed.
    pub(super) fn put(&self, name: &KeyName, key: Option<&Key>) -> Result<(), Error> {
        Ok(self.zone().put(&name.path(), self.wrapped(name, key)?)?)
    }

    /// Makes a new key; of several who make one of a name, all get the same.
    pub(super) fn make(&self, name: &KeyName) -> Result<Arc<Key>, Error> {
        let record = self.wrapped(name, Some(&cipher::random_key()?))?;
        match self.zone().create(&name.path(), record)? {
            Created::New | Created::Exists => self.key(name),
        }
    }

    /// Says of a key that it is gone, in the place where it was.
    pub(super) fn destroy(&self, name: &KeyName) -> Result<(), Error> {
        self.put(name, None)?;
        self.state().keys.insert(name.clone(), None);
        Ok(())
    }

    /// Returns the key by which new objects of the vault are sealed.
    pub(super) fn sealing_vault(&self) -> Result<(u64, Arc<Key>), Error> {
        let name = self.sealing(None, |keyring| {
            Ok(keyring.newest_vault()?.unwrap_or(KeyName::Vault { epoch: 1 }))
        })?;
        let epoch = match &name {
            KeyName::Vault { epoch } => *epoch,
            KeyName::Version { .. } => return Err(Error::Lost { key: name.to_string() }),
        };
        Ok((epoch, self.key(&name)?))
    }

    /// Returns the key by which the segments of a dataset version are sealed.
    pub(super) fn sealing_version(
        &self,
        dataset: &str,
        version: u64,
    ) -> Result<(KeyName, Arc<Key>), Error> {
        let name = self.sealing(Some((dataset.to_owned(), version)), |keyring| {
            let newest = keyring.newest_of(dataset, version)?;
            let dataset = dataset.to_owned();
            Ok(newest.unwrap_or(KeyName::Version { dataset, version, generation: 1 }))
        })?;
        let key = self.key(&name)?;
        Ok((name, key))
    }

    /// Finds a key to seal by, under a part of the lock; makes it where it is missing.
    fn sealing(
        &self,
        of: Option<(String, u64)>,
        find: impl Fn(&Self) -> Result<KeyName, Error>,
    ) -> Result<KeyName, Error> {
        if let Some(name) = self.state().sealing.get(&of) {
            return Ok(name.clone());
        }
        self.take_part()?;
        let name = find(self)?;
        match self.key(&name) {
            Ok(_) => {}
            Err(Error::Unknown { .. }) => {
                self.make(&name)?;
            }
            Err(error) => return Err(error),
        }
        self.state().sealing.insert(of, name.clone());
        Ok(name)
    }

    /// Takes a part of the key folder's lock, and keeps it as long as this keyring is open. Whoever writes
    /// does so first; refused if the vault's key was renewed since it was noted.
    pub fn take_part(&self) -> Result<(), Error> {
        if self.state().part.is_some() {
            return Ok(());
        }
        let part = self.inner.site_key.share()?;
        self.state().part = Some(part);
        // Keys may have been renewed before the part was had.
        self.forget();
        self.reload()?;
        let current = self.is_of_now();
        if current.is_err() {
            self.state().part = None;
        }
        current
    }
}

fn names(listed: &[Listed]) -> Vec<KeyName> {
    let mut names: Vec<KeyName> = listed.iter().filter_map(|o| KeyName::of_path(&o.path)).collect();
    names.sort();
    names
}
