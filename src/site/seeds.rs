//! The seeds of the keys that sign for a site, each in a file of its own: `log.seed` and
//! `steward.seed` are the first, `log-….seed` and `steward-….seed` those that came after.
//!
//! Comes in: a key folder, a role. Goes out: signers. Never: a seed told from another by its file's
//! name; which of them signs today says the book.

use std::{
    fs,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{Error, keys::fault};
use crate::{
    digest::{Sha256, hex},
    ledger::trust::{Role, Trust},
    signed_note::{Signer, Verifier, seed},
};

/// The seeds of one role that a folder holds; the one in force is known.
#[derive(Clone)]
pub(super) struct Seeds {
    role: Role,
    held: Vec<(PathBuf, Signer)>,
    in_force: usize,
}

impl Seeds {
    /// Reads all seeds of a role. Until the book says otherwise the first is in force.
    pub(super) fn open(folder: &Path, role: Role, origin: &str) -> Result<Self, Error> {
        let broken = |e: &dyn std::fmt::Display| fault(folder, &e.to_string());
        let (first, start) = (format!("{role}.seed"), format!("{role}-"));
        let mut later = Vec::new();
        for file in fs::read_dir(folder).map_err(|e| broken(&e))? {
            let name = file.map_err(|e| broken(&e))?.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.strip_suffix(".seed").is_some_and(|stem| stem.starts_with(&start)) {
                later.push(folder.join(name));
            }
        }
        later.sort();
        let first = folder.join(first);
        let mut files = Vec::new();
        if later.is_empty() || first.exists() {
            files.push(first);
        }
        files.extend(later);
        let held = files.into_iter().map(|file| {
            let seed = seed::read(&file).map_err(|e| broken(&e))?;
            let signer = Signer::from_seed(&role.key_name(origin), &seed);
            Ok((file, signer.map_err(|e| broken(&e))?))
        });
        Ok(Self { role, held: held.collect::<Result<_, Error>>()?, in_force: 0 })
    }

    /// Returns the signer in force.
    pub(super) fn signer(&self) -> &Signer {
        // INVARIANT: there is one at least, and `in_force` is the place of one.
        let Some((_, signer)) = self.held.get(self.in_force) else {
            unreachable!("a role has a seed")
        };
        signer
    }

    /// Returns all signers.
    pub(super) fn all(&self) -> Vec<Signer> {
        self.held.iter().map(|(_, signer)| signer.clone()).collect()
    }

    /// Puts the key in force that the book says is. A log that has ended keeps its last one.
    pub(super) fn follow(&mut self, folder: &Path, trust: &Trust) -> Result<(), Error> {
        let Some(key) = trust.key(self.role) else { return Ok(()) };
        let place = self.held.iter().position(|(_, signer)| signer.verifier() == key);
        self.in_force = place.ok_or_else(|| {
            let reason = format!("it holds no seed of `{}`, which the book names", key.key_id());
            fault(folder, &reason)
        })?;
        Ok(())
    }

    /// Returns a signer whose key never stood, for a rotation: one that a rotation left unused, or
    /// a new one of the secret that `drawn` gives.
    pub(super) fn next(
        &mut self,
        folder: &Path,
        trust: &Trust,
        drawn: impl FnOnce() -> Result<Zeroizing<[u8; 32]>, Error>,
    ) -> Result<Signer, Error> {
        let stood = |key: &Verifier| trust.held().iter().any(|held| held.key == *key);
        let unused = self.held.iter().find(|(_, signer)| !stood(signer.verifier()));
        if let Some((_, signer)) = unused {
            return Ok(signer.clone());
        }
        let secret = drawn()?;
        let name = self.signer().verifier().name();
        let signer = Signer::from_seed(name, &secret).map_err(|e| fault(folder, &e.to_string()))?;
        let vkey = Sha256::of(signer.verifier().vkey().as_bytes());
        let file = folder.join(format!("{}-{}.seed", self.role, hex(vkey.0.split_at(4).0)));
        seed::create_of(&file, &secret).map_err(|e| fault(folder, &e.to_string()))?;
        self.held.push((file, signer.clone()));
        Ok(signer)
    }

    /// Deletes the seeds whose time is over when the book has `size` entries; returns their keys.
    pub(super) fn forget(
        &mut self,
        folder: &Path,
        trust: &Trust,
        size: u64,
    ) -> Result<Vec<String>, Error> {
        let over = |key: &Verifier| trust.is_over(key, size);
        let current = self.signer().verifier().clone();
        let (gone, kept): (Vec<_>, Vec<_>) =
            self.held.drain(..).partition(|(_, signer)| over(signer.verifier()));
        self.held = kept;
        self.in_force = self.held.iter().position(|(_, s)| *s.verifier() == current).unwrap_or(0);
        let mut names = Vec::new();
        for (file, signer) in gone {
            fs::remove_file(file).map_err(|e| fault(folder, &e.to_string()))?;
            names.push(signer.verifier().key_id());
        }
        Ok(names)
    }
}
