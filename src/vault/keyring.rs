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
use crate::store::{Created, Store};

/// The place of the keys in the vault.
pub(super) const KEYRING: &str = "keyring";

/// One key as it lies in the vault.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// Its name.
    key: String,
    /// What wrapped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) under: Option<String>,
    /// The key and its name, wrapped; none once it is destroyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wrapped: Option<String>,
    /// Whether it was destroyed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) destroyed: bool,
}

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
    keys: BTreeMap<KeyName, Arc<Key>>,
    wrappers: Vec<Arc<dyn Wrapper>>,
    /// The keys that new objects are sealed by, by what they are for: the vault, or a version.
    sealing: BTreeMap<Option<(String, u64)>, KeyName>,
    /// The part in the lock of the key folder, once something was sealed.
    pub(super) part: Option<File>,
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
        let records = self.names()?.into_iter().map(|name| {
            let record = self.record(&name)?;
            Ok((name, record.under.filter(|_| !record.destroyed)))
        });
        records.collect()
    }

    /// Says whether the key of a dataset version was destroyed: none of its keys is left.
    pub fn is_destroyed(&self, dataset: &str, version: u64) -> Result<bool, Error> {
        match self.newest_of(dataset, version)? {
            Some(name) => Ok(self.record(&name)?.destroyed),
            None => Ok(false),
        }
    }

    /// Returns the living key of a dataset version, for programs of the steward's own.
    pub fn export(
        &self,
        dataset: &str,
        version: u64,
    ) -> Result<(KeyName, Zeroizing<[u8; 32]>), Error> {
        let name = self.newest_of(dataset, version)?.ok_or_else(|| Error::Unknown {
            key: format!("lake/{dataset}@{version}"),
        })?;
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
        let mut names: Vec<KeyName> =
            self.zone().list("")?.iter().filter_map(|o| KeyName::of_path(&o.path)).collect();
        names.sort();
        Ok(names)
    }

    fn newest_of(&self, dataset: &str, version: u64) -> Result<Option<KeyName>, Error> {
        let folder = format!("lake/{dataset}@{version}");
        let listed = self.zone().list(&folder)?;
        Ok(listed.iter().filter_map(|o| KeyName::of_path(&o.path)).max())
    }

    /// Returns a key by its name.
    pub(super) fn key(&self, name: &KeyName) -> Result<Arc<Key>, Error> {
        if let Some(key) = self.state().keys.get(name) {
            return Ok(Arc::clone(key));
        }
        let record = self.record(name)?;
        if record.destroyed {
            return Err(Error::Destroyed { key: name.to_string() });
        }
        let key = Arc::new(self.unwrapped(name, &record)?);
        self.state().keys.insert(name.clone(), Arc::clone(&key));
        Ok(key)
    }

    pub(super) fn record(&self, name: &KeyName) -> Result<Record, Error> {
        let bytes = self
            .zone()
            .find(&name.path())?
            .ok_or_else(|| Error::Unknown { key: name.to_string() })?;
        let fault = |reason: String| Error::Format {
            path: format!("{KEYRING}/{}", name.path()),
            reason,
        };
        let record: Record = serde_json::from_slice(&bytes)
            .map_err(|e| fault(format!("line {}, column {}", e.line(), e.column())))?;
        if record.key != name.to_string() {
            return Err(fault("it is another key's".to_owned()));
        }
        Ok(record)
    }

    fn unwrapped(&self, name: &KeyName, record: &Record) -> Result<Key, Error> {
        let lost = || Error::Lost { key: name.to_string() };
        let wrapped = record.wrapped.as_deref().ok_or_else(lost)?;
        let wrapped = STANDARD.decode(wrapped).map_err(|_| lost())?;
        let under = record.under.as_deref().unwrap_or_default();
        let mut known = self.wrapper(|wrapper| wrapper.id() == under);
        if known.is_none() {
            self.reload()?;
            known = self.wrapper(|wrapper| wrapper.id() == under);
        }
        let plain = known.ok_or_else(lost)?.unwrap(&wrapped)?.ok_or_else(lost)?;
        // The name was wrapped with the key: no record stands in for another.
        let (key, of) = plain.split_first_chunk::<32>().ok_or_else(lost)?;
        if of != name.to_string().as_bytes() {
            return Err(lost());
        }
        Ok(Zeroizing::new(*key))
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

    pub(super) fn wrapped(&self, name: &KeyName, key: &Key) -> Result<Record, Error> {
        let wrapper = self.wrapper(|_| true).ok_or(Error::Seal("there is no site key"))?;
        let plain = Zeroizing::new([key.as_slice(), name.to_string().as_bytes()].concat());
        Ok(Record {
            key: name.to_string(),
            under: Some(wrapper.id()),
            wrapped: Some(STANDARD.encode(wrapper.wrap(&plain)?)),
            destroyed: false,
        })
    }

    pub(super) fn put(&self, name: &KeyName, record: &Record) -> Result<(), Error> {
        Ok(self.zone().put(&name.path(), text(record)?)?)
    }

    /// Makes a new key; of several who make one of a name, all get the same.
    pub(super) fn make(&self, name: &KeyName) -> Result<Arc<Key>, Error> {
        let record = self.wrapped(name, &cipher::random_key()?)?;
        match self.zone().create(&name.path(), text(&record)?)? {
            Created::New | Created::Exists => self.key(name),
        }
    }

    /// Says of a key that it is gone, in the place where it was.
    pub(super) fn destroy(&self, name: &KeyName) -> Result<(), Error> {
        let record =
            Record { key: name.to_string(), under: None, wrapped: None, destroyed: true };
        self.put(name, &record)?;
        self.state().keys.remove(name);
        Ok(())
    }

    /// Returns the key by which new objects of the vault are sealed.
    pub(super) fn sealing_vault(&self) -> Result<(u64, Arc<Key>), Error> {
        let name = self.sealing(None, |keyring| {
            let newest = keyring.names()?.into_iter().rfind(|n| matches!(n, KeyName::Vault { .. }));
            Ok(newest.unwrap_or(KeyName::Vault { epoch: 1 }))
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

    /// Takes a part of the key folder's lock, and keeps it as long as this keyring is open.
    pub(super) fn take_part(&self) -> Result<(), Error> {
        if self.state().part.is_some() {
            return Ok(());
        }
        let part = self.inner.site_key.share()?;
        self.state().part = Some(part);
        // Keys may have been renewed before the part was had.
        self.forget();
        self.reload()
    }
}

fn text(record: &Record) -> Result<Bytes, Error> {
    let bytes = serde_json::to_vec_pretty(record).map_err(|_| Error::Seal("it is no JSON"))?;
    Ok(Bytes::from(bytes))
}
