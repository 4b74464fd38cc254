//! What keeps the private zone and the lake closed: keys of data, wrapped by one key of the site.
//!
//! Comes in: a site's store and its key folder. Goes out: the two zones as if they were open, and acts
//! on keys: list, rotate, export, destroy. Never: a key in the open in a store, an error or a log; an
//! object that an old key still opens after its rotation.
//!
//! Every object of the vault is sealed by AES-256-GCM under the key of the newest *epoch*, with its path
//! as associated data. Every segment of the lake is Parquet by modular encryption, under the key of the
//! dataset version that wrote it first. Keys of data lie in the vault (`keyring/`), wrapped by the site
//! key, which lies in the key folder ([`SiteKey`]) or with a service of its own ([`Wrapper`]).

mod cipher;
mod keyring;
mod modules;
mod name;
mod objects;
mod renew;
mod segments;
mod site_key;
#[cfg(test)]
mod tests;
mod wrapper;

use std::{io, path::PathBuf};

pub use self::{
    keyring::Keyring,
    name::KeyName,
    renew::{Alone, Heard, Renewed},
    site_key::{Closed, SiteKey},
    wrapper::Wrapper,
};
use crate::store;

/// What is wrong with a key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A file of the key folder cannot be read or written.
    #[error("`{}` of the key folder: {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What the system said.
        #[source]
        source: Option<io::Error>,
    },
    /// The command that wraps keys did not do it.
    #[error("the command that wraps keys failed to {act}: {reason}")]
    Command {
        /// What it was to do: `wrap` or `unwrap`.
        act: &'static str,
        /// How it ended.
        reason: String,
    },
    /// No wrapping key that is here opens a key.
    #[error("key {key} does not open: it was wrapped by another site key, or has changed")]
    Lost {
        /// The key's name.
        key: String,
    },
    /// A key was destroyed on purpose.
    #[error("key {key} was destroyed")]
    Destroyed {
        /// The key's name.
        key: String,
    },
    /// There is no such key.
    #[error("there is no key {key}")]
    Unknown {
        /// The key's name.
        key: String,
    },
    /// An object of the keyring is not what this version wrote.
    #[error("`vault/{path}` is not what this version wrote: {reason}")]
    Format {
        /// The object.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Somebody else writes to the site just now.
    #[error("somebody else is writing to the site: its keys cannot be changed now")]
    Busy,
    /// The vault's key was renewed after the site was opened, as every erasure does: what was read before may
    /// be of somebody who is erased.
    #[error("the key of the vault was renewed since the site was opened")]
    Renewed,
    /// Nothing can be sealed: the machine has no randomness, or an object is too large.
    #[error("nothing can be sealed: {0}")]
    Seal(&'static str),
}

impl Error {
    /// Returns the error as one of the store, about the object at a path.
    fn at(self, path: &str) -> store::Error {
        let path = path.to_owned();
        match self {
            Self::Store(error) => error,
            Self::Destroyed { key } => store::Error::Destroyed { path, key },
            Self::Lost { .. } | Self::Unknown { .. } | Self::Format { .. } => {
                store::Error::Sealed { path, reason: self.to_string() }
            }
            Self::File { .. }
            | Self::Command { .. }
            | Self::Busy
            | Self::Renewed
            | Self::Seal(_) => {
                store::Error::Unavailable { act: "seal or open", path, source: Box::new(self) }
            }
        }
    }
}
