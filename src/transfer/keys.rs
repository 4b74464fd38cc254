//! X25519 keys that parcels are sealed by and for, each derived from 32 secret bytes.
//!
//! Comes in: a site's secret. Goes out: a public key, and what two keys share.
//! Never: a private key in a text, or left in memory after its owner is gone.

use std::{convert::Infallible, fmt};

use hpke::{
    Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _,
    aead::AesGcm256,
    kdf::HkdfSha256,
    kem::X25519HkdfSha256,
    rand_core::{TryCryptoRng, TryRng},
    setup_receiver, setup_sender_with_rng,
};
use zeroize::Zeroizing;

use super::HpkeKey;

/// DHKEM(X25519, HKDF-SHA256), RFC 9180 §7.1.
pub(super) type Kem = X25519HkdfSha256;
/// HKDF-SHA256, RFC 9180 §7.2.
pub(super) type Kdf = HkdfSha256;
/// AES-256-GCM, RFC 9180 §7.3.
pub(super) type Aead = AesGcm256;
pub(super) type PublicKey = <Kem as hpke::Kem>::PublicKey;
pub(super) type PrivateKey = <Kem as hpke::Kem>::PrivateKey;

/// A key pair.
#[derive(Clone)]
pub struct TransferKey {
    // INVARIANT: the private key overwrites itself when it is dropped (x25519-dalek, `zeroize`).
    private: PrivateKey,
    public: PublicKey,
    secret: Zeroizing<[u8; 32]>,
}

/// Two keys share nothing: one of them is of small order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other side's transfer key is no key of X25519 that can be used")]
pub struct WeakKey;

impl fmt::Debug for TransferKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferKey").field("public", &self.public()).finish_non_exhaustive()
    }
}

impl TransferKey {
    /// Derives the pair of 32 secret bytes: `DeriveKeyPair` of RFC 9180 §7.1.3.
    pub fn derive(secret: &[u8; 32]) -> Self {
        let (private, public) = Kem::derive_keypair(secret);
        Self { private, public, secret: Zeroizing::new(*secret) }
    }

    /// Returns the public key.
    pub fn public(&self) -> HpkeKey {
        HpkeKey(self.public.to_bytes().into())
    }

    /// Returns 32 bytes that only the owners of these two keys can know, the same for both, another
    /// for each label.
    ///
    /// It is the exporter secret (RFC 9180 §5.3) of a set-up in base mode, in which the owner of the
    /// lower key takes it where an ephemeral one would stand. Nothing is ever sealed under it.
    pub fn shared(&self, other: &HpkeKey, label: &[u8]) -> Result<Zeroizing<[u8; 32]>, WeakKey> {
        const INFO: &[u8] = b"almoner/transfer-shared/v1";
        let mut shared = Zeroizing::new([0; 32]);
        let exported = if self.public() <= *other {
            let mut own = Drawn(&self.secret);
            let to = public_key(other).ok_or(WeakKey)?;
            let mode = OpModeS::<Kem>::Base;
            setup_sender_with_rng::<Aead, Kdf, Kem>(&mode, &to, INFO, &mut own)
                .and_then(|(_, context)| context.export(label, shared.as_mut_slice()))
        } else {
            let from = <Kem as hpke::Kem>::EncappedKey::from_bytes(other.as_bytes())
                .map_err(|_| WeakKey)?;
            setup_receiver::<Aead, Kdf, Kem>(&OpModeR::Base, &self.private, &from, INFO)
                .and_then(|context| context.export(label, shared.as_mut_slice()))
        };
        exported.map(|()| shared).map_err(|_| WeakKey)
    }

    pub(super) fn private(&self) -> &PrivateKey {
        &self.private
    }

    pub(super) fn pair(&self) -> (PrivateKey, PublicKey) {
        (self.private.clone(), self.public.clone())
    }
}

/// Reads a public key.
pub(super) fn public_key(key: &HpkeKey) -> Option<PublicKey> {
    PublicKey::from_bytes(key.as_bytes()).ok()
}

/// Gives 32 bytes that were drawn before, once: so that a machine without randomness is an error
/// and no panic, and so that [`TransferKey::shared`] has no randomness at all.
pub(super) struct Drawn<'a>(pub(super) &'a [u8; 32]);

impl TryRng for Drawn<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("a key pair is drawn as bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("a key pair is drawn as bytes")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        // INVARIANT: `gen_keypair_with_rng` draws the 32 bytes of `DeriveKeyPair` and no more.
        out.copy_from_slice(self.0);
        Ok(())
    }
}

impl TryCryptoRng for Drawn<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pair_of_rfc_9180s_own_vector_is_derived() {
        // RFC 9180 §A.1.1 (DHKEM(X25519, HKDF-SHA256), base mode): ikmR, skRm, pkRm.
        let ikm = "6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037";
        let key = TransferKey::derive(HpkeKey::parse(ikm).unwrap().as_bytes());
        assert_eq!(
            key.public().to_string(),
            "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d"
        );
    }

    #[test]
    fn two_keys_share_one_secret_a_label_and_a_third_key_has_another() {
        let [a, b, c] = [1, 2, 3].map(|n| TransferKey::derive(&[n; 32]));
        let (ab, ba) = (a.shared(&b.public(), b"x").unwrap(), b.shared(&a.public(), b"x").unwrap());
        assert_eq!(ab, ba, "the two sides would make different tokens of one patient");
        assert_ne!(ab, a.shared(&b.public(), b"y").unwrap());
        assert_ne!(ab, a.shared(&c.public(), b"x").unwrap());
        assert_ne!(ab, c.shared(&b.public(), b"x").unwrap());
    }

    #[test]
    fn a_key_of_small_order_shares_nothing() {
        let key = TransferKey::derive(&[1; 32]);
        assert_eq!(key.shared(&HpkeKey([0; 32]), b"x"), Err(WeakKey));
    }

    #[test]
    fn a_key_never_shows_its_secret() {
        let text = format!("{:?}", TransferKey::derive(&[0xab; 32]));
        assert!(!text.contains("abab") && !text.contains("171, 171"), "{text}");
    }
}
