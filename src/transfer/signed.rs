//! A signed file of a transfer: what it says, who signed it, and where it stands in their book.
//!
//! Comes in: a payload and a key, or bytes. Goes out: bytes, or a payload that a known key vouches
//! for. Never: two texts of one file; bytes that are not the canonical ones are refused.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{ApproverError, ApproverSigner, Booked, Refused, TransferId};
use crate::{
    digest::{CanonicalError, Sha3Digest, canonical, canonical_digest},
    ledger::Kind,
    signed_note::{Signer, Verifier},
};

/// The longest signed file that is read: an offer of thousands of files stays far below.
pub const FILE_BYTES_MAX: usize = 4 << 20;

/// What can be signed.
pub trait Payload: Serialize + DeserializeOwned {
    /// Its media type; it stands in what is signed, so that no file passes for another kind.
    const TYPE: &'static str;
    /// Its name: `offer` lies in `offer.json`.
    const NAME: &'static str;
    /// The entry that tells of it in its signer's book.
    const KIND: Kind;

    /// Returns the transfer it belongs to.
    fn transfer(&self) -> &TransferId;
}

/// One signed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed<T> {
    /// What it says.
    pub payload: T,
    /// The key: `name+hash`, the start of its vkey.
    pub key: String,
    /// Base64 of the Ed25519 signature over DSSE's encoding of the type and the canonical payload.
    pub signature: String,
    /// Where it stands in a steward's book.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booked: Option<Booked>,
}

impl<T: Payload> Signed<T> {
    /// Signs a payload.
    pub fn sign(payload: T, signer: &Signer) -> Result<Self, CanonicalError> {
        let signature = STANDARD.encode(signer.sign_typed(T::TYPE, &canonical(&payload)?));
        Ok(Self { payload, key: signer.verifier().key_id(), signature, booked: None })
    }

    /// Has an approver sign a payload.
    pub fn approve(payload: T, approver: &dyn ApproverSigner) -> Result<Self, ApproverError> {
        let signature = approver.sign_typed(T::TYPE, &canonical(&payload)?)?;
        let (key, signature) = (approver.key().key_id(), STANDARD.encode(signature));
        Ok(Self { payload, key, signature, booked: None })
    }

    /// Adds where it stands in a book.
    #[must_use]
    pub fn with(self, booked: Booked) -> Self {
        Self { booked: Some(booked), ..self }
    }

    /// Reads a file. Nothing in it is to be believed before [`Signed::verify`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let form = |reason| Refused::Form { file: T::NAME, reason };
        if bytes.len() > FILE_BYTES_MAX {
            return Err(form("it is longer than 4 MiB"));
        }
        let file: Self =
            serde_json::from_slice(bytes).map_err(|_| form("it is not the JSON of such a file"))?;
        match canonical(&file) {
            Ok(canonical) if canonical == bytes => Ok(file),
            Ok(_) | Err(_) => Err(form("it is not in canonical bytes")),
        }
    }

    /// Returns the bytes of the file: its canonical JSON.
    pub fn bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        canonical(self)
    }

    /// Returns the payload's digest, by which later files name it.
    pub fn digest(&self) -> Result<Sha3Digest, CanonicalError> {
        canonical_digest(&self.payload)
    }

    /// Says whether this key signed it, and returns the payload's digest.
    pub fn verify(&self, key: &Verifier) -> Result<Sha3Digest, Refused> {
        let refused = || Refused::Signature { file: T::NAME };
        if self.key != key.key_id() {
            return Err(Refused::UnknownKey { file: T::NAME });
        }
        let signature = STANDARD.decode(&self.signature).map_err(|_| refused())?;
        let payload = canonical(&self.payload).map_err(|_| refused())?;
        if key.verify_typed(T::TYPE, &payload, &signature) {
            Ok(Sha3Digest::of(&payload))
        } else {
            Err(refused())
        }
    }
}

#[cfg(test)]
mod tests;
