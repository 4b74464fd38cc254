//! The site's keys: Ed25519 seeds and one secret, in a folder of mode 0700 outside the site, each
//! file of mode 0600. Never in a log, an error or the site itself.

use std::{
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{Error, seeds::Seeds};
use crate::{
    digest::hmac_sha256,
    ledger::trust::{Role, Trust},
    signed_note::{Signer, seed},
    vault::SiteKey,
};

/// Names the command that keeps the wrapping key, for sites made and keys rotated from now on.
const WRAP_COMMAND: &str = "ALMONER_WRAP_COMMAND";

/// The file of the key with which a site issues licences.
const ISSUER: &str = "issuer.seed";

/// The file of the secret of pseudonyms, which every erasure renews.
const PSEUDONYMS: &str = "pseudonym.secret";

/// The open keys of a site.
#[derive(Clone)]
pub struct Keys {
    folder: PathBuf,
    log: Seeds,
    steward: Seeds,
    secret: Zeroizing<[u8; 32]>,
    pseudonyms: Option<Zeroizing<[u8; 32]>>,
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
        for name in ["log.seed", "steward.seed", "site.secret", PSEUDONYMS] {
            make(folder, name)?;
        }
        Self::open(folder, origin)
    }

    /// Opens the keys in `folder`.
    pub fn open(folder: &Path, origin: &str) -> Result<Self, Error> {
        Ok(Self {
            folder: folder.to_owned(),
            log: Seeds::open(folder, Role::Log, origin)?,
            steward: Seeds::open(folder, Role::Steward, origin)?,
            secret: read(folder, "site.secret")?,
            pseudonyms: there(folder, PSEUDONYMS)?.then(|| read(folder, PSEUDONYMS)).transpose()?,
        })
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the key that signs checkpoints; its name is the origin.
    pub fn log(&self) -> &Signer {
        self.log.signer()
    }

    /// Returns all keys that sign or signed checkpoints.
    pub fn logs(&self) -> Vec<Signer> {
        self.log.all()
    }

    /// Returns the key that signs entries and passes.
    pub fn steward(&self) -> &Signer {
        self.steward.signer()
    }

    /// Puts the keys in force that the book says are.
    pub fn follow(&mut self, trust: &Trust) -> Result<(), Error> {
        self.log.follow(&self.folder, trust)?;
        self.steward.follow(&self.folder, trust)
    }

    /// Returns a key of a role that never stood, made where there is none. A recovery key lies
    /// elsewhere.
    pub(super) fn next(
        &mut self,
        role: Role,
        trust: &Trust,
        drawn: impl FnOnce() -> Result<Zeroizing<[u8; 32]>, Error>,
    ) -> Result<Signer, Error> {
        match role {
            Role::Log => self.log.next(&self.folder, trust, drawn),
            Role::Steward => self.steward.next(&self.folder, trust, drawn),
            Role::Recovery => Err(fault(&self.folder, "a recovery key does not lie in it")),
        }
    }

    /// Deletes the seeds whose time is over when the book has `size` entries; returns their keys.
    pub(super) fn forget(&mut self, trust: &Trust, size: u64) -> Result<Vec<String>, Error> {
        let mut gone = self.log.forget(&self.folder, trust, size)?;
        gone.extend(self.steward.forget(&self.folder, trust, size)?);
        Ok(gone)
    }

    /// Returns the key with which the site itself issues licences, if it has one.
    pub fn issuer(&self) -> Result<Option<Signer>, Error> {
        if !there(&self.folder, ISSUER)? {
            return Ok(None);
        }
        let seed = read(&self.folder, ISSUER)?;
        let name = format!("{}/licences", self.log().verifier().name());
        let signer = Signer::from_seed(&name, &seed);
        signer.map(Some).map_err(|e| fault(&self.folder, &e.to_string()))
    }

    /// Makes the key with which the site itself issues licences, where it has none.
    pub fn make_issuer(&self) -> Result<(), Error> {
        make(&self.folder, ISSUER)
    }

    /// Returns what wraps the keys of data.
    pub fn site_key(&self) -> SiteKey {
        #[expect(clippy::disallowed_methods, reason = "the one look at it; a site hands it out")]
        let command = std::env::var(WRAP_COMMAND).ok();
        let lines = command.map(|words| words.split_whitespace().collect::<Vec<_>>().join("\n"));
        SiteKey::new(&self.folder, lines.as_deref())
    }

    /// Returns a secret for one use.
    pub fn secret(&self, label: &str) -> [u8; 32] {
        hmac_sha256(&self.secret, &[b"almoner/site-secret/v1", label.as_bytes()])
    }

    /// Returns a secret for the pseudonyms of one version. A site of before it had a secret for these
    /// makes them of its one secret.
    pub fn pseudonym_secret(&self, label: &str) -> [u8; 32] {
        match &self.pseudonyms {
            Some(own) => hmac_sha256(own, &[b"almoner/pseudonyms/v1", label.as_bytes()]),
            None => self.secret(label),
        }
    }

    /// Destroys the secret of all pseudonyms made so far and makes another: nobody can work out any more
    /// which pseudonym was whose.
    pub(super) fn renew_pseudonyms(&self, secret: &[u8; 32]) -> Result<(), Error> {
        let next = format!("{PSEUDONYMS}.next");
        let made = seed::create_of(&self.folder.join(&next), secret);
        made.map_err(|error| fault(&self.folder, &error.to_string()))?;
        let renamed = fs::rename(self.folder.join(next), self.folder.join(PSEUDONYMS));
        let synced = renamed.and_then(|()| fs::File::open(&self.folder)?.sync_all());
        synced.map_err(|error| fault(&self.folder, &error.to_string()))
    }
}

/// Makes a key in the folder, where there is none of that name.
fn make(folder: &Path, name: &str) -> Result<(), Error> {
    let made = seed::create(&folder.join(name));
    made.map(|_| ()).map_err(|e| fault(folder, &e.to_string()))
}

/// Says whether the folder has a key of that name.
fn there(folder: &Path, name: &str) -> Result<bool, Error> {
    folder.join(name).try_exists().map_err(|error| fault(folder, &error.to_string()))
}

fn read(folder: &Path, name: &str) -> Result<Zeroizing<[u8; 32]>, Error> {
    seed::read(&folder.join(name)).map_err(|e| fault(folder, &e.to_string()))
}

pub(super) fn fault(folder: &Path, reason: &str) -> Error {
    Error::Keys { folder: folder.to_owned(), reason: reason.to_owned() }
}
