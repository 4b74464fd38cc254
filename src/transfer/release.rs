//! What lets a parcel be sealed, and what lets one be opened: nothing but the state of a transfer.
//!
//! Comes in: an accepted transfer whose checks passed at this instant, or a sent one. Goes out: a
//! parcel, or its content. Never: a parcel for another key than the challenge's.

use std::io::{Read, Write};

use bytes::Bytes;

use super::{
    Accepted, Fault, HpkeKey, Info, OpenKeys, Parcel, ParcelError, Payload as _, Refused, SealKeys,
    Sealed, Sent, TransferKey, open, seal,
};
use crate::{digest::Sha3Digest, instant::Instant};

/// The leave to seal one parcel of an accepted transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    transfer: super::TransferId,
    offer: Sha3Digest,
    challenge: Sha3Digest,
    accept: Sha3Digest,
    sender: HpkeKey,
    recipient: HpkeKey,
    info: Info,
    bytes: u64,
}

impl Release {
    /// Only [`Accepted::release`] makes one.
    pub(super) fn new(accepted: &Accepted) -> Self {
        let (challenged, offered) = (accepted.challenged(), accepted.offered());
        Self {
            transfer: offered.offer().payload().transfer,
            offer: *offered.offer().digest(),
            challenge: *challenged.challenge().digest(),
            accept: *accepted.accepted().digest(),
            sender: offered.ends().from.hpke,
            recipient: *accepted.recipient(),
            info: accepted.info(),
            bytes: offered.offer().payload().manifest.bytes,
        }
    }

    /// Seals the content; `put` keeps each part. The head is the last thing to be written: without
    /// it the parts are no parcel, so that whoever was stopped seals again under a new key.
    pub fn seal(
        &self,
        own: &TransferKey,
        content: impl Read,
        now: Instant,
        put: impl FnMut(u32, Bytes) -> Result<(), Fault>,
    ) -> Result<Parcel, ParcelError> {
        if own.public() != self.sender {
            return Err(Refused::WrongSender { file: Parcel::NAME }.into());
        }
        let keys = SealKeys { own, recipient: &self.recipient };
        let Sealed { enc, commitment, chunks, bytes, parts } =
            seal(&keys, &self.info, content, put)?;
        if bytes != self.bytes {
            return Err(Refused::Counts { file: Parcel::NAME }.into());
        }
        let Self { transfer, offer, challenge, accept, .. } = *self;
        let issued = now;
        Ok(Parcel {
            transfer,
            offer,
            challenge,
            accept,
            enc,
            commitment,
            chunks,
            bytes,
            parts,
            issued,
        })
    }

    /// Returns what the parcel's key is bound to.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Returns the key that the parcel is sealed for.
    pub fn recipient(&self) -> &HpkeKey {
        &self.recipient
    }
}

impl Sent {
    /// Opens the parcel with the key that the challenge asked for; `get` gives each part.
    pub fn open(
        &self,
        own: &TransferKey,
        get: impl FnMut(u32) -> Result<Bytes, Fault>,
        out: &mut impl Write,
    ) -> Result<(), ParcelError> {
        let accepted = self.accepted();
        if own.public() != *accepted.recipient() {
            return Err(Refused::WrongRecipient { file: Parcel::NAME }.into());
        }
        let keys = OpenKeys { own, sender: &accepted.offered().ends().from.hpke };
        open(&keys, &accepted.info(), self.parcel().payload(), get, out)
    }
}
