//! Whoever approves signs with a key of their own: a file today, a card or a phone by the same
//! trait tomorrow.
//!
//! Comes in: a file's bytes to sign. Goes out: a signature. Never: a name of a person in a key's
//! name; it is made of the key itself.

use std::path::{Path, PathBuf};

use crate::{
    digest::{CanonicalError, Sha256, hex},
    signed_note::{
        self, Signer, Verifier,
        seed::{self, SeedError},
    },
};

/// A key that a patient or a delegate holds.
pub trait ApproverSigner {
    /// Returns its public half.
    fn key(&self) -> &Verifier;

    /// Signs a payload of a type over DSSE's encoding of both. What holds the key may ask its owner
    /// first, and may refuse.
    fn sign_typed(&self, payload_type: &str, payload: &[u8]) -> Result<[u8; 64], ApproverError>;
}

/// Why an approver's key did not sign.
#[derive(Debug, thiserror::Error)]
pub enum ApproverError {
    /// The key's file.
    #[error("the approver's key cannot be used")]
    Seed(#[from] SeedError),
    /// There is a key already where one should be made.
    #[error("there is a key already in `{0}`; it is not written over")]
    Exists(PathBuf),
    /// The key's name or bytes.
    #[error("the approver's key cannot be used")]
    Key(#[from] signed_note::Error),
    /// What should be signed has no canonical bytes.
    #[error("the file cannot be signed")]
    Canonical(#[from] CanonicalError),
    /// What holds the key refused.
    #[error("the approver's device did not sign: {0}")]
    Device(String),
}

/// A key in a file: 64 hex digits, mode 0600.
#[derive(Debug)]
pub struct KeyFile {
    signer: Signer,
}

impl KeyFile {
    /// Makes a new key in a file that is not there yet.
    pub fn create(file: &Path) -> Result<Self, ApproverError> {
        if seed::create(file)? {
            Self::open(file)
        } else {
            Err(ApproverError::Exists(file.to_owned()))
        }
    }

    /// Opens a key.
    pub fn open(file: &Path) -> Result<Self, ApproverError> {
        Self::from_seed(&*seed::read(file)?)
    }

    pub(super) fn from_seed(seed: &[u8; 32]) -> Result<Self, ApproverError> {
        // The name is made of the public key: it tells nothing of its owner.
        let unnamed = Signer::from_seed("approver", seed)?.verifier().vkey();
        let name = format!("approver-{}", hex(Sha256::of(unnamed.as_bytes()).0.split_at(8).0));
        Ok(Self { signer: Signer::from_seed(&name, seed)? })
    }
}

impl ApproverSigner for KeyFile {
    fn key(&self) -> &Verifier {
        self.signer.verifier()
    }

    fn sign_typed(&self, payload_type: &str, payload: &[u8]) -> Result<[u8; 64], ApproverError> {
        Ok(self.signer.sign_typed(payload_type, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_keeps_its_key_and_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("my.key");
        let made = KeyFile::create(&file).unwrap();
        assert_eq!(KeyFile::open(&file).unwrap().key(), made.key());
        assert!(matches!(KeyFile::create(&file), Err(ApproverError::Exists(_))));
        let signature = made.sign_typed("t", b"yes").unwrap();
        assert!(made.key().verify_typed("t", b"yes", &signature));
        assert!(!made.key().verify_typed("u", b"yes", &signature), "one type passes for another");
    }
}
