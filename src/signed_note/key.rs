//! Ed25519 keys under names: type 0x01 signs notes, type 0x04 cosigns checkpoints with a time.
//!
//! Comes in: a seed, or a vkey. Goes out: signatures, or a verdict on one.
//! Never: a seed in a debug text, or left in memory after its signer is gone.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Error, Signature, Vouched, check_text};
use crate::digest::{Sha256, hex, hmac_sha3_parts};

/// What a key is for; its number stands in the key's id, so one key never passes for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyUse {
    /// 0x01: plain signatures of notes and entries.
    Sign,
    /// 0x04: a witness's `cosignature/v1`, with its time.
    Cosign,
}

impl KeyUse {
    fn number(self) -> u8 {
        match self {
            Self::Sign => 0x01,
            Self::Cosign => 0x04,
        }
    }
}

/// A key that signs notes and entries, under a name.
#[derive(Clone)]
pub struct Signer {
    // INVARIANT: `SigningKey` overwrites its seed when it is dropped (feature `zeroize`).
    key: SigningKey,
    verifier: Verifier,
}

/// A public key under a name: a vkey, `name+hash+base64`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Verifier {
    name: String,
    key_id: [u8; 4],
    key_use: KeyUse,
    key: VerifyingKey,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("vkey", &self.verifier.vkey()).finish_non_exhaustive()
    }
}

impl Signer {
    /// Makes the signer of a 32-byte Ed25519 seed.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, Error> {
        Self::new(name, seed, KeyUse::Sign)
    }

    /// Makes the witness of a 32-byte Ed25519 seed: it cosigns checkpoints of other logs.
    pub fn witness(name: &str, seed: &[u8; 32]) -> Result<Self, Error> {
        Self::new(name, seed, KeyUse::Cosign)
    }

    fn new(name: &str, seed: &[u8; 32], key_use: KeyUse) -> Result<Self, Error> {
        let key = SigningKey::from_bytes(seed);
        let verifier = Verifier::new(name, key_use, key.verifying_key())?;
        Ok(Self { key, verifier })
    }

    /// Returns its public half.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Signs bytes as they are (DSSE takes this), 64 bytes.
    pub fn sign_raw(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }

    /// Signs a payload of a type over DSSE's encoding of both, 64 bytes.
    pub fn sign_typed(&self, payload_type: &str, payload: &[u8]) -> [u8; 64] {
        self.sign_raw(&pae(payload_type, payload))
    }

    /// Makes a signed note of a text that ends in a line feed.
    pub fn sign_note(&self, text: &str) -> Result<String, Error> {
        Ok(format!("{text}\n{}", self.sign_line(text)?.line()))
    }

    /// Makes this key's signature line under a text that ends in a line feed.
    pub fn sign_line(&self, text: &str) -> Result<Signature, Error> {
        check_text(text)?;
        if self.verifier.key_use != KeyUse::Sign {
            return Err(Error::Algorithm(self.verifier.key_use.number()));
        }
        Ok(self.verifier.line(self.sign_raw(text.as_bytes()).to_vec()))
    }

    /// Makes a witness's line under a text: `cosignature/v1`, <https://c2sp.org/tlog-cosignature>.
    pub fn cosign(&self, text: &str, unix: u64) -> Result<Signature, Error> {
        check_text(text)?;
        if self.verifier.key_use != KeyUse::Cosign {
            return Err(Error::Algorithm(self.verifier.key_use.number()));
        }
        let signature = self.sign_raw(&cosigned(text, unix));
        Ok(self.verifier.line([unix.to_be_bytes().as_slice(), &signature].concat()))
    }

    /// Returns a secret of this key for one use, named by `label`; it tells nothing of the seed.
    pub(crate) fn secret(&self, label: &str) -> Zeroizing<[u8; 32]> {
        let seed = Zeroizing::new(self.key.to_bytes());
        Zeroizing::new(hmac_sha3_parts(&seed, &[b"almoner/key-secret/v1", label.as_bytes()]))
    }
}

impl Verifier {
    fn new(name: &str, key_use: KeyUse, key: VerifyingKey) -> Result<Self, Error> {
        check_name(name)?;
        let typed = [&[key_use.number()], key.as_bytes().as_slice()].concat();
        Ok(Self { name: name.to_owned(), key_id: key_id(name, &typed), key_use, key })
    }

    /// Parses a vkey.
    pub fn parse(vkey: &str) -> Result<Self, Error> {
        // The base64 may hold a plus itself: only the first two part the text.
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(hash), Some(text)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(Error::Vkey);
        };
        check_name(name)?;
        let typed = STANDARD.decode(text).map_err(|_| Error::Vkey)?;
        let (number, bytes) = typed.split_first().ok_or(Error::Vkey)?;
        if hex(&key_id(name, &typed)) != hash {
            return Err(Error::Vkey);
        }
        let key_use = match number {
            0x01 => KeyUse::Sign,
            0x04 => KeyUse::Cosign,
            number => return Err(Error::Algorithm(*number)),
        };
        let bytes: &[u8; 32] = bytes.try_into().map_err(|_| Error::Vkey)?;
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| Error::Vkey)?;
        if key.is_weak() {
            return Err(Error::Vkey);
        }
        Self::new(name, key_use, key)
    }

    /// Returns the vkey.
    pub fn vkey(&self) -> String {
        let typed = [&[self.key_use.number()], self.key.as_bytes().as_slice()].concat();
        format!("{}+{}+{}", self.name, hex(&self.key_id), STANDARD.encode(typed))
    }

    /// Returns the key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the public key itself: two vkeys under other names may share it.
    pub fn public(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Returns the key's id.
    pub fn id(&self) -> [u8; 4] {
        self.key_id
    }

    /// Returns the key as an envelope names it: `name+hash`, the start of its vkey.
    pub fn key_id(&self) -> String {
        format!("{}+{}", self.name, hex(&self.key_id))
    }

    /// Returns what the key is for.
    pub fn key_use(&self) -> KeyUse {
        self.key_use
    }

    /// Verifies a raw signature. A witness's key makes none, so for it none verifies.
    pub fn verify_raw(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key_use == KeyUse::Sign && self.verifies(message, signature)
    }

    /// Verifies a signature over DSSE's encoding of a payload and its type.
    pub fn verify_typed(&self, payload_type: &str, payload: &[u8], signature: &[u8]) -> bool {
        self.verify_raw(&pae(payload_type, payload), signature)
    }

    /// Verifies a signature line's bytes over a note's text.
    pub(super) fn verify_note(&self, text: &str, signature: &[u8]) -> Option<Vouched> {
        match self.key_use {
            KeyUse::Sign => self
                .verifies(text.as_bytes(), signature)
                .then(|| Vouched { by: self.clone(), unix: None }),
            KeyUse::Cosign => {
                let (unix, signature) = signature.split_first_chunk::<8>()?;
                let unix = u64::from_be_bytes(*unix);
                self.verifies(&cosigned(text, unix), signature)
                    .then(|| Vouched { by: self.clone(), unix: Some(unix) })
            }
        }
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        // Strict: no small-order points, no second encoding of one signature.
        ed25519_dalek::Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }

    fn line(&self, bytes: Vec<u8>) -> Signature {
        Signature { name: self.name.clone(), key_id: self.key_id, bytes }
    }
}

/// What a typed signature is made over: DSSE's pre-authentication encoding,
/// <https://github.com/secure-systems-lab/dsse>.
fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

fn cosigned(text: &str, unix: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {unix}\n{text}").into_bytes()
}

impl TryFrom<String> for Verifier {
    type Error = Error;

    fn try_from(vkey: String) -> Result<Self, Error> {
        Self::parse(&vkey)
    }
}

impl From<Verifier> for String {
    fn from(key: Verifier) -> Self {
        key.vkey()
    }
}

fn key_id(name: &str, typed: &[u8]) -> [u8; 4] {
    let digest = Sha256::of(&[name.as_bytes(), b"\n", typed].concat());
    let [a, b, c, d, ..] = digest.0;
    [a, b, c, d]
}

/// Refuses a name that is empty or holds a space, a plus or a control character.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    let bad = |c: char| c.is_whitespace() || c == '+' || c.is_control();
    if name.is_empty() || name.contains(bad) { Err(Error::KeyName) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_signature_is_over_dsses_own_encoding() {
        // The example of <https://github.com/secure-systems-lab/dsse/blob/master/protocol.md>.
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }
}
