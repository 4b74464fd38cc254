//! The seal of the vault's objects: eight bytes that say what it is, the epoch of the key, a nonce, the
//! ciphertext, the tag. All that stands before the nonce and the object's path are proven by the tag.

use bytes::Bytes;
use zeroize::Zeroizing;

use super::{Closed, Error, KeyName, Keyring, cipher};
use crate::store::{Result, Seal};

const MAGIC: &[u8; 8] = b"ALMSEAL1";

/// Seals objects of the vault.
#[derive(Debug)]
pub(super) struct VaultSeal {
    keyring: Keyring,
}

impl VaultSeal {
    pub(super) fn new(keyring: Keyring) -> Self {
        Self { keyring }
    }

    fn sealed(&self, path: &str, plain: &Bytes) -> std::result::Result<Bytes, Error> {
        if self.keyring.closed()? == Closed::Open {
            return Ok(plain.clone());
        }
        let (epoch, key) = self.keyring.sealing_vault()?;
        let head = [MAGIC.as_slice(), &epoch.to_be_bytes()].concat();
        let sealed = cipher::seal(&key, &aad(&head, path), plain)?;
        Ok([head, sealed].concat().into())
    }

    fn opened(&self, path: &str, sealed: &Bytes) -> std::result::Result<Option<Bytes>, Error> {
        let Some(epoch) = epoch(sealed) else {
            return Ok((self.keyring.closed()? != Closed::Sealed).then(|| sealed.clone()));
        };
        let key = self.keyring.key(&KeyName::Vault { epoch })?;
        let (head, body) = sealed.split_at_checked(HEAD).unwrap_or_default();
        Ok(cipher::open(&key, &aad(head, path), body).map(Bytes::from))
    }
}

const HEAD: usize = MAGIC.len() + 8;

/// Returns the epoch of the key that sealed an object; none where it is not sealed.
pub(super) fn epoch(sealed: &[u8]) -> Option<u64> {
    let epoch = sealed.strip_prefix(MAGIC)?.first_chunk()?;
    Some(u64::from_be_bytes(*epoch))
}

fn aad(head: &[u8], path: &str) -> Vec<u8> {
    [head, path.as_bytes()].concat()
}

impl Seal for VaultSeal {
    fn seal(&self, path: &str, plain: &Bytes) -> Result<Bytes> {
        self.sealed(path, plain).map_err(|e| e.at(path))
    }

    fn open(&self, path: &str, sealed: &Bytes) -> Result<Bytes> {
        let fault = |reason: &str| crate::store::Error::Sealed {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        match self.opened(path, sealed) {
            Ok(Some(plain)) => Ok(plain),
            Ok(None) if epoch(sealed).is_none() => {
                Err(fault("it is not sealed, in a sealed vault"))
            }
            Ok(None) => Err(fault("it was changed, or is another object's")),
            // A rotation seals all anew before it destroys a key: what it missed was put there later.
            Err(Error::Destroyed { .. }) => {
                Err(fault("it is an older copy: its key was destroyed"))
            }
            Err(error) => Err(error.at(path)),
        }
    }

    fn takes_plain(&self) -> Result<bool> {
        self.keyring.closed().map(|closed| closed != Closed::Sealed).map_err(|e| e.at(""))
    }

    fn key(&self, path: &str, _name: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        Err(Error::Seal("no object of the vault bears a key of its own").at(path))
    }
}
