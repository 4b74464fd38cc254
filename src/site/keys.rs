//! The site's keys: Ed25519 seeds and one secret, in a folder of mode 0700 outside the site, each
//! file of mode 0600. Never in a log, an error or the site itself.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::Error;
use crate::{
    digest::{hex, hmac_sha256},
    signed_note::Signer,
};

/// The open keys of a site.
#[derive(Clone)]
pub struct Keys {
    folder: PathBuf,
    log: Signer,
    steward: Signer,
    secret: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Keys {
    /// Makes the keys that are missing in `folder`, and opens them all.
    pub fn create(folder: &Path, origin: &str) -> Result<Self, Error> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|e| fault(folder, &e.to_string()))?;
        for name in ["log.seed", "steward.seed", "site.secret"] {
            let key = Zeroizing::new(random()?);
            let text = Zeroizing::new(format!("{}\n", hex(key.as_slice())));
            let file = folder.join(name);
            let opened =
                fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
            match opened.and_then(|mut f| {
                f.write_all(text.as_bytes())?;
                f.sync_all()
            }) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(fault(folder, &error.to_string())),
            }
        }
        Self::open(folder, origin)
    }

    /// Opens the keys in `folder`.
    pub fn open(folder: &Path, origin: &str) -> Result<Self, Error> {
        let signer = |file: &str, name: &str| {
            let seed = read(folder, file)?;
            Signer::from_seed(name, &seed).map_err(|e| fault(folder, &e.to_string()))
        };
        Ok(Self {
            folder: folder.to_owned(),
            log: signer("log.seed", origin)?,
            steward: signer("steward.seed", &format!("{origin}/steward"))?,
            secret: read(folder, "site.secret")?,
        })
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the key that signs checkpoints; its name is the origin.
    pub fn log(&self) -> &Signer {
        &self.log
    }

    /// Returns the key that signs entries and passes.
    pub fn steward(&self) -> &Signer {
        &self.steward
    }

    /// Returns a secret for one use.
    pub fn secret(&self, label: &str) -> [u8; 32] {
        hmac_sha256(&self.secret, &[b"almoner/site-secret/v1", label.as_bytes()])
    }

    /// Returns a random id of 128 bits.
    pub fn random_id(&self) -> Result<String, Error> {
        Ok(hex(random()?.split_at(16).0))
    }
}

fn random() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|e| fault(Path::new("/dev/urandom"), &format!("no randomness: {e}")))?;
    Ok(bytes)
}

fn read(folder: &Path, name: &str) -> Result<Zeroizing<[u8; 32]>, Error> {
    let file = folder.join(name);
    let metadata =
        fs::metadata(&file).map_err(|e| fault(folder, &format!("`{name}` cannot be read: {e}")))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(fault(folder, &format!("`{name}` is open to others; chmod 600 it")));
    }
    let text =
        Zeroizing::new(fs::read_to_string(&file).map_err(|e| fault(folder, &e.to_string()))?);
    crate::digest::Sha256::parse(text.trim_end())
        .map(|digits| Zeroizing::new(digits.0))
        .map_err(|_| fault(folder, &format!("`{name}` does not hold 64 hex digits")))
}

fn fault(folder: &Path, reason: &str) -> Error {
    Error::Keys { folder: folder.to_owned(), reason: reason.to_owned() }
}
