//! The secret that two institutions share without ever having sent it: both work it out of their own
//! transfer key and the other's public one ([`TransferKey::shared`]).
//!
//! Comes in: a key, a partner's public key, both institutions. Goes out: a [`PairSecret`], the same
//! on both sides, another for each pair. Never: a secret that a third institution can work out, or
//! one in debug output.

use std::fmt;

use zeroize::Zeroizing;

use super::{HpkeKey, TransferKey, WeakKey};
use crate::{
    digest::{Sha256, hmac_sha256},
    party::InstitutionId,
};

const LABEL: &[u8] = b"almoner/pair-secret/v1";

/// What two institutions know and nobody else does.
#[derive(Clone)]
pub struct PairSecret(Zeroizing<[u8; 32]>);

impl fmt::Debug for PairSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairSecret(…)")
    }
}

impl PairSecret {
    /// Works it out, bound to both institutions, whichever of them asks.
    ///
    /// # Errors
    /// Where the partner's key is one with which everybody would know the secret.
    pub fn of(
        own: &InstitutionId,
        key: &TransferKey,
        partner: &InstitutionId,
        partner_key: &HpkeKey,
    ) -> Result<Self, WeakKey> {
        let shared = key.shared(partner_key, LABEL)?;
        let mut ends = [own.as_str(), partner.as_str()];
        ends.sort_unstable();
        let [first, second] = ends.map(str::as_bytes);
        Ok(Self(Zeroizing::new(hmac_sha256(&shared, &[first, second]))))
    }

    /// The keyed hash of parts, for one use.
    pub(super) fn mac(&self, label: &str, parts: &[&[u8]]) -> Sha256 {
        let key = Zeroizing::new(hmac_sha256(&self.0, &[label.as_bytes()]));
        Sha256(hmac_sha256(&key, parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_work_out_one_secret_and_each_pair_has_another() {
        let end = |name: &str, seed| {
            (InstitutionId::parse(name).unwrap(), TransferKey::derive(&[seed; 32]))
        };
        let pair = |(own, key): &(_, TransferKey), (other, theirs): &(_, TransferKey)| {
            PairSecret::of(own, key, other, &theirs.public()).unwrap().mac("test", &[b"x"])
        };
        let (north, lake, third) = (end("north", 1), end("lake", 2), end("third", 3));
        assert_eq!(pair(&north, &lake), pair(&lake, &north), "they would never find a patient");
        let all = [pair(&north, &lake), pair(&north, &third), pair(&lake, &third)];
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2], "a third could read it");
        let (renamed, rekeyed) = (end("north-2", 1), end("north", 9));
        assert_ne!(pair(&renamed, &lake), pair(&north, &lake), "the name would not be bound");
        assert_ne!(pair(&rekeyed, &lake), pair(&north, &lake), "the key would not be bound");
        let secret = PairSecret::of(&north.0, &north.1, &lake.0, &lake.1.public()).unwrap();
        assert_eq!(format!("{secret:?}"), "PairSecret(…)");
    }
}
