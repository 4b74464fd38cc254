//! AES-256-GCM with a random nonce: nonce, ciphertext, tag.
//!
//! Comes in: a key, associated data, bytes. Goes out: sealed bytes, and back.
//! Never: a nonce that is not random, or plain bytes whose tag did not fit.

use aes_gcm::{
    Aes256Gcm, KeyInit as _,
    aead::{Aead as _, Payload},
};
use zeroize::Zeroizing;

use super::Error;

/// A key of data, or one that wraps such keys.
pub(super) type Key = Zeroizing<[u8; 32]>;

/// The length of a nonce.
pub(super) const NONCE: usize = 12;

/// Returns 32 random bytes.
pub(super) fn random_key() -> Result<Key, Error> {
    let mut key = Zeroizing::new([0; 32]);
    fill(key.as_mut_slice())?;
    Ok(key)
}

fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes).map_err(|_| Error::Seal("the machine has no randomness"))
}

/// Seals bytes.
pub(super) fn seal(key: &Key, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
    let mut nonce = [0; NONCE];
    fill(&mut nonce)?;
    let sealed = Aes256Gcm::new((&**key).into())
        .encrypt(&nonce.into(), Payload { msg: plain, aad })
        .map_err(|_| Error::Seal("it is too large"))?;
    Ok([nonce.as_slice(), &sealed].concat())
}

/// Opens sealed bytes; none where key, associated data or bytes are others.
pub(super) fn open(key: &Key, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
    let payload = Payload { msg: sealed, aad };
    Aes256Gcm::new((&**key).into()).decrypt(&(*nonce).into(), payload).ok()
}
