//! The files of a transfer, whatever their kind: their names, bytes and digests.
//!
//! Comes in: bytes of an exchange, signed payloads. Goes out: a [`File`].
//! Never: a file whose bytes could have been written another way.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::{
    digest::Sha3Digest,
    transfer::{
        Accept, Booked, Challenge, Ended, Offer, Parcel, Payload as _, Receipt, Refusal, Signed,
        TransferId,
    },
};

/// A file of a transfer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum File {
    /// The sender's offer.
    Offer(Signed<Offer>),
    /// The receiver's challenge.
    Challenge(Signed<Challenge>),
    /// The patient's approval.
    Accept(Signed<Accept>),
    /// The patient's refusal, before or after they approved.
    Refusal(Signed<Refusal>),
    /// The header of the sender's parcel.
    Parcel(Signed<Parcel>),
    /// The receiver's receipt.
    Receipt(Signed<Receipt>),
    /// Either side's word that it is over.
    Ended(Signed<Ended>),
}

/// The name of a file in an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Offer,
    Challenge,
    Accept,
    Parcel,
    Receipt,
    Ended,
}

impl Name {
    const ALL: [Self; 6] =
        [Self::Offer, Self::Challenge, Self::Accept, Self::Parcel, Self::Receipt, Self::Ended];

    /// Returns the file's name.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Offer => "offer.json",
            Self::Challenge => "challenge.json",
            Self::Accept => "accept.json",
            Self::Parcel => "parcel.json",
            Self::Receipt => "receipt.json",
            Self::Ended => "ended.json",
        }
    }

    /// Returns which file has a name.
    pub(super) fn of_file(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.file() == name)
    }
}

/// Does the same to the signed payload of any file.
macro_rules! each {
    ($file:expr, $signed:ident => $do:expr) => {
        match $file {
            File::Offer($signed) => $do,
            File::Challenge($signed) => $do,
            File::Accept($signed) => $do,
            File::Refusal($signed) => $do,
            File::Parcel($signed) => $do,
            File::Receipt($signed) => $do,
            File::Ended($signed) => $do,
        }
    };
}

impl File {
    /// Returns the transfer that it is about.
    pub fn transfer(&self) -> &TransferId {
        each!(self, signed => signed.payload.transfer())
    }

    /// Returns the digest of its payload.
    pub fn digest(&self) -> Result<Sha3Digest, Error> {
        Ok(each!(self, signed => signed.digest()?))
    }

    /// Returns where it stands in its signer's book.
    pub fn booked(&self) -> Option<&Booked> {
        each!(self, signed => signed.booked.as_ref())
    }

    /// Says where it stands in its signer's book.
    #[must_use]
    pub fn book(mut self, booked: Booked) -> Self {
        each!(&mut self, signed => signed.booked = Some(booked));
        self
    }

    /// Returns its bytes in an exchange.
    pub fn bytes(&self) -> Result<Bytes, Error> {
        Ok(Bytes::from(each!(self, signed => signed.bytes()?)))
    }

    /// Returns its name in an exchange; a refusal is the patient's and stays at the desk.
    pub(super) fn name(&self) -> Option<Name> {
        match self {
            Self::Offer(_) => Some(Name::Offer),
            Self::Challenge(_) => Some(Name::Challenge),
            Self::Accept(_) => Some(Name::Accept),
            Self::Refusal(_) => None,
            Self::Parcel(_) => Some(Name::Parcel),
            Self::Receipt(_) => Some(Name::Receipt),
            Self::Ended(_) => Some(Name::Ended),
        }
    }
}
