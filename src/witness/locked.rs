//! A folder of few small files that one process at a time may change: an exclusive lock, held from
//! the reading until the writing is on the disk.
//!
//! Comes in: a folder on a disk. Goes out: bytes. Never: what was read outlived by another's write.

use std::{fs, path::Path};

use bytes::Bytes;

use super::Error;
use crate::store::Store;

/// A folder, locked until this is dropped.
#[derive(Debug)]
pub(super) struct Locked {
    place: String,
    store: Store,
    /// The lock goes when the file is closed, also by the end of the process.
    _lock: fs::File,
}

impl Locked {
    /// Waits for the lock `lock` of a folder, which is made where it is missing.
    pub(super) fn open(folder: &Path, lock: &str) -> Result<Self, Error> {
        let place = folder.display().to_string();
        let fault = |source| Error::Lock { place: place.clone(), source };
        fs::create_dir_all(folder).map_err(fault)?;
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(lock))
            .map_err(fault)?;
        file.lock().map_err(fault)?;
        Ok(Self { store: Store::open(&place)?, place, _lock: file })
    }

    /// Refuses a folder across a network: two machines may both be told that they hold its lock.
    pub(super) fn is_local(&self) -> Result<(), Error> {
        match self.store.medium()? {
            Some(medium) if medium.is_network => {
                Err(Error::Network { place: self.place.clone(), medium: medium.name })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Reads a file.
    pub(super) fn find(&self, name: &str) -> Result<Option<Bytes>, Error> {
        Ok(self.store.find(name)?)
    }

    /// Writes a file over what was there; when this returns, it is on the disk.
    pub(super) fn put(&self, name: &str, text: String) -> Result<(), Error> {
        Ok(self.store.put(name, Bytes::from(text))?)
    }
}
