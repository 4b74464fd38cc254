//! A file whose signer is known: the one thing that the steps of a transfer take.
//!
//! Comes in: a signed file and the keys that may have signed it. Goes out: the file, its digest and
//! whose it is. Never: an authentic file by any other way than a signature that verified.

use std::sync::Arc;

use super::{ApproverKey, BookedFault, HpkeKey, Payload, Refused, Side, Signed};
use crate::{digest::Sha3Digest, party::InstitutionId, signed_note::Verifier};

/// One end of a transfer, with the keys by which the other end knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Who it is.
    pub side: Side,
    /// The key of its steward, who signs its files and entries.
    pub steward: Verifier,
    /// Its transfer key.
    pub hpke: HpkeKey,
}

/// A file whose signature verified. Cloning it copies nothing.
#[derive(Debug)]
pub struct Authentic<T> {
    known: Arc<Known<T>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Known<T> {
    file: Signed<T>,
    digest: Sha3Digest,
    by: Verifier,
}

impl<T> Clone for Authentic<T> {
    fn clone(&self) -> Self {
        Self { known: Arc::clone(&self.known) }
    }
}

impl<T: PartialEq> PartialEq for Authentic<T> {
    fn eq(&self, other: &Self) -> bool {
        self.known == other.known
    }
}

impl<T> Authentic<T> {
    /// Returns what the file says.
    pub fn payload(&self) -> &T {
        &self.known.file.payload
    }

    /// Returns the file.
    pub fn file(&self) -> &Signed<T> {
        &self.known.file
    }

    /// Returns the digest by which later files name it.
    pub fn digest(&self) -> &Sha3Digest {
        &self.known.digest
    }

    /// Returns the key that signed it.
    pub fn by(&self) -> &Verifier {
        &self.known.by
    }

    fn new(file: Signed<T>, digest: Sha3Digest, by: &Verifier) -> Self {
        Self { known: Arc::new(Known { file, digest, by: by.clone() }) }
    }
}

impl<T: Payload> Signed<T> {
    /// Takes a file that came from a partner: signed by its steward, and in its book under an entry
    /// about `us`.
    pub fn received(self, from: &Party, us: &InstitutionId) -> Result<Authentic<T>, Refused> {
        let digest = self.verify(&from.steward)?;
        self.check_booked(&digest, from, us)?;
        Ok(Authentic::new(self, digest, &from.steward))
    }

    /// Takes a file back from one's own book, in which it was checked when it came.
    pub fn kept(self, key: &Verifier) -> Result<Authentic<T>, Refused> {
        let digest = self.verify(key)?;
        Ok(Authentic::new(self, digest, key))
    }

    /// Takes a file that one of the approvers of an offer signed, from their own hand.
    pub fn approved(self, approvers: &[ApproverKey]) -> Result<Authentic<T>, Refused> {
        let unknown = Refused::UnknownKey { file: T::NAME };
        let approver = approvers.iter().find(|a| a.key.key_id() == self.key).ok_or(unknown)?;
        self.kept(&approver.key)
    }

    /// Takes a file that an approver signed from the partner who took it, booked it under an entry
    /// about `us`, and sent it on.
    pub fn forwarded(
        self,
        approvers: &[ApproverKey],
        from: &Party,
        us: &InstitutionId,
    ) -> Result<Authentic<T>, Refused> {
        let approved = self.approved(approvers)?;
        approved.file().check_booked(approved.digest(), from, us)?;
        Ok(approved)
    }

    fn check_booked(
        &self,
        digest: &Sha3Digest,
        by: &Party,
        us: &InstitutionId,
    ) -> Result<(), Refused> {
        let refused = |fault| Refused::Booked { file: T::NAME, fault };
        let booked = self.booked.as_ref().ok_or(refused(BookedFault::Missing))?;
        let held = booked.verify(digest, T::KIND, &by.steward, &by.side.origin, us);
        held.map(|_| ()).map_err(refused)
    }
}

#[cfg(test)]
impl<T: Payload> Authentic<T> {
    /// Takes a signature for granted: in the search over all orders nobody can forge one, but an
    /// attacker may be given the power to write what should have been signed.
    pub(super) fn assumed(payload: T, key: &Verifier) -> Self {
        let digest = crate::digest::canonical_digest(&payload).unwrap();
        let (by, signature) = (key.key_id(), String::new());
        Self::new(Signed { payload, key: by, signature, booked: None }, digest, key)
    }
}
