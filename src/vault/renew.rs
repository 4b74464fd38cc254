//! Keys replaced and destroyed: of the vault, of a dataset, of one version.
//!
//! Comes in: a keyring that nobody else writes by. Goes out: data under new keys, and what is gone. Each of
//! them renews the site key as well, so that the keys in older copies of the site open nothing either.
//! Never: a key destroyed before all that it sealed is sealed anew, or a listing believed that is behind;
//! killed anywhere it can be run again.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::{
    Closed, Error, KeyName, Keyring,
    keyring::KEYRING,
    objects::{self, VaultSeal},
    segments::{self, LakeSeal},
};
use crate::store::Seal as _;

/// What came of a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewed {
    /// The keys that are new.
    pub made: Vec<KeyName>,
    /// How many objects were sealed anew.
    pub objects: u64,
    /// The keys that nobody has any more.
    pub destroyed: Vec<KeyName>,
}

/// Hears how many of how many objects are sealed anew.
pub type Heard<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// A keyring that shuts all other writers out.
#[derive(Debug)]
#[must_use]
pub struct Alone<'a> {
    keyring: &'a Keyring,
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        let mut state = self.keyring.state();
        state.is_alone = false;
        state.part = None;
    }
}

impl Keyring {
    /// Seals every object of the vault under a new key and destroys the keys before it: no copy of the
    /// vault that was made earlier opens after that. A site that was not sealed yet is sealed by it, its
    /// lake too. Every call makes a new key, also after one that was killed.
    pub fn rotate_vault(&self, heard: Heard<'_>) -> Result<Renewed, Error> {
        self.alone(|| {
            let names = self.names_now()?;
            let epochs = names.iter().filter_map(|name| match name {
                KeyName::Vault { epoch } => Some(*epoch),
                KeyName::Version { .. } => None,
            });
            let epoch = epochs.max().unwrap_or(0).saturating_add(1);
            let made = KeyName::Vault { epoch };
            self.make(&made)?;
            let mut objects = self.reseal_vault(epoch, heard)?;
            if self.site_key().closed()? == Closed::Begun {
                objects += self.seal_lake()?;
            }
            let old = names.into_iter().filter(|name| matches!(name, KeyName::Vault { .. }));
            let destroyed = self.destroy_all(old.collect())?;
            Ok(Renewed { made: vec![made], objects, destroyed })
        })
    }

    /// Encrypts every segment of a dataset under a new key of its version and destroys the keys before.
    pub fn rotate_dataset(&self, dataset: &str, heard: Heard<'_>) -> Result<Renewed, Error> {
        self.known(dataset, None)?;
        self.alone(|| {
            let old = self.living(dataset, None)?;
            let mut made: Vec<KeyName> = Vec::new();
            for name in old.iter().rev() {
                let KeyName::Version { version, .. } = name else { continue };
                let newer = |made: &KeyName| {
                    matches!(made, KeyName::Version { version: of, .. } if of == version)
                };
                if !made.iter().any(newer) {
                    let next = name.next();
                    self.make(&next)?;
                    made.push(next);
                }
            }
            made.sort();
            let lake = self.raw_lake();
            let listed = lake.list_now(&format!("{dataset}/segments"))?;
            let (all, done) = (count(listed.len()), AtomicU64::new(0));
            let seal = LakeSeal::new(self.clone());
            let resealed = listed.par_iter().map(|object| {
                let Some(stored) = lake.find(&object.path)? else { return Ok(0) };
                let of = segments::key_of(&stored);
                heard(done.fetch_add(1, Ordering::Relaxed).saturating_add(1), all);
                if !of.is_some_and(|name| old.contains(&name)) {
                    return Ok(0);
                }
                let plain = seal.open(&object.path, &stored)?;
                lake.put(&object.path, seal.seal(&object.path, &plain)?)?;
                Ok(1)
            });
            let objects = resealed.sum::<Result<u64, Error>>()?;
            Ok(Renewed { made, objects, destroyed: self.destroy_all(old)? })
        })
    }

    /// Destroys the keys of a dataset version: nobody reads the segments that it wrote again. Done twice
    /// it changes nothing.
    pub fn destroy_version(&self, dataset: &str, version: u64) -> Result<Vec<KeyName>, Error> {
        self.known(dataset, Some(version))?;
        let there = self.living(dataset, Some(version))?;
        if there.is_empty() && !self.site_key().is_renewing()? {
            return Ok(Vec::new());
        }
        self.alone(|| self.destroy_all(self.living(dataset, Some(version))?))
    }

    /// Shuts everybody else out who writes to the site, until what is returned is dropped. Refused while
    /// somebody else writes. Who opened the site before and writes afterwards is refused if the vault's key
    /// was renewed meanwhile.
    pub fn shut_out(&self) -> Result<Alone<'_>, Error> {
        self.claim()?;
        self.state().is_alone = true;
        Ok(Alone { keyring: self })
    }

    fn claim(&self) -> Result<(), Error> {
        let held = self.state().part.take();
        let (part, claimed) = match self.site_key().claim(held) {
            Ok(whole) => (Some(whole), Ok(())),
            Err((part, error)) => (part, Err(error)),
        };
        self.state().part = part;
        claimed?;
        self.forget();
        let current = self.is_of_now();
        if current.is_err() {
            self.state().part = None;
        }
        current
    }

    /// Does something while nobody else writes, and wraps all keys anew with a new site key.
    fn alone<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        self.claim()?;
        let done = self.site_key().begin().and_then(|()| self.reload()).and_then(|()| {
            // What does not open now could not be wrapped anew: nothing is begun then.
            for name in self.names_now()? {
                self.find(&name)?;
            }
            let done = work()?;
            self.rewrap()?;
            self.site_key().finish()?;
            Ok(done)
        });
        if !self.state().is_alone {
            self.state().part = None;
        }
        self.forget();
        self.reload()?;
        // The renewal was this keyring's own.
        let noted = self.state().epoch;
        if noted.is_some() {
            self.note_epoch()?;
        }
        done
    }

    fn rewrap(&self) -> Result<(), Error> {
        for name in self.names_now()? {
            let key = self.find(&name)?;
            self.put(&name, key.as_deref())?;
        }
        Ok(())
    }

    fn reseal_vault(&self, epoch: u64, heard: Heard<'_>) -> Result<u64, Error> {
        let vault = self.raw_vault();
        let mut listed = vault.list_now("")?;
        listed.retain(|object| !object.path.starts_with(KEYRING));
        let (all, done) = (count(listed.len()), AtomicU64::new(0));
        let seal = VaultSeal::new(self.clone());
        let resealed = listed.par_iter().map(|object| {
            let Some(stored) = vault.find(&object.path)? else { return Ok(0) };
            heard(done.fetch_add(1, Ordering::Relaxed).saturating_add(1), all);
            if objects::epoch(&stored) == Some(epoch) {
                return Ok(0);
            }
            let plain = seal.open(&object.path, &stored)?;
            vault.put(&object.path, seal.seal(&object.path, &plain)?)?;
            Ok(1)
        });
        resealed.sum()
    }

    /// Seals the segments that lie in the open.
    fn seal_lake(&self) -> Result<u64, Error> {
        let lake = self.raw_lake();
        let seal = LakeSeal::new(self.clone());
        let sealed = lake.list_now("")?.into_par_iter().map(|object| {
            if !segments::is_segment(&object.path) {
                return Ok(0);
            }
            let Some(stored) = lake.find(&object.path)? else { return Ok(0) };
            if segments::key_of(&stored).is_some() {
                return Ok(0);
            }
            lake.put(&object.path, seal.seal(&object.path, &stored)?)?;
            Ok(1)
        });
        sealed.sum()
    }

    /// Makes sure that there is a key of a dataset, or of one of its versions.
    fn known(&self, dataset: &str, version: Option<u64>) -> Result<(), Error> {
        if self.names_now()?.iter().any(|name| is_of(name, dataset, version)) {
            return Ok(());
        }
        let version = version.map(|version| format!("@{version}")).unwrap_or_default();
        Err(Error::Unknown { key: format!("lake/{dataset}{version}") })
    }

    /// The keys of a dataset, or of one of its versions, that are not destroyed.
    fn living(&self, dataset: &str, version: Option<u64>) -> Result<Vec<KeyName>, Error> {
        let mut living = Vec::new();
        for name in self.names_now()? {
            if is_of(&name, dataset, version) && self.find(&name)?.is_some() {
                living.push(name);
            }
        }
        Ok(living)
    }

    fn destroy_all(&self, names: Vec<KeyName>) -> Result<Vec<KeyName>, Error> {
        let mut destroyed = Vec::new();
        for name in names {
            if self.find(&name)?.is_some() {
                self.destroy(&name)?;
                destroyed.push(name);
            }
        }
        Ok(destroyed)
    }
}

fn is_of(name: &KeyName, dataset: &str, version: Option<u64>) -> bool {
    match name {
        KeyName::Vault { .. } => false,
        KeyName::Version { dataset: of, version: number, .. } => {
            of == dataset && version.is_none_or(|wanted| wanted == *number)
        }
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
