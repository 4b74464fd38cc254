//! Why a file, or a patient's offer, was refused: what is told, kept, and shown.
//!
//! Comes in: what a step found. Goes out: a [`Refused`] with a name for programs and words for people.
//! Never: a patient's id or a value of the record.

use serde::{Serialize, Serializer, ser::SerializeMap as _};

use crate::{
    party::InstitutionId,
    transfer::{self, EndReason, TransferId},
};

/// Why a file, or a patient's offer, was refused. Nothing changed by it.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// The folder is not named for a partner.
    #[error("no partner of this desk has such a folder")]
    Partner,
    /// Neither a transfer's folder nor one of its files.
    #[error("no file of a transfer has this name")]
    Name,
    /// The patient is not known here, or not in the records.
    #[error("the patient is not known here")]
    NoPatient,
    /// More than one person here fits.
    #[error("more than one person here fits the offer")]
    SeveralPatients,
    /// Nobody can approve.
    #[error("no key of the patient or a delegate is registered here")]
    NoApprover,
    /// Nothing may be sent.
    #[error("no consent permits any of the record: {0}")]
    NothingPermitted(String),
    /// The patient's no came after the parcel was sent.
    #[error("it came after the parcel was sent")]
    TooLate,
    /// The kept record is not the one that was offered.
    #[error("the record that was kept is not the one that was offered")]
    Lost,
    /// Other bytes lie where a file of this side belongs.
    #[error("other bytes lie in its place")]
    Differs,
    /// The protocol does not allow it.
    #[error(transparent)]
    Protocol(#[from] transfer::Refused),
}

impl Why {
    /// Returns its name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Partner => "unknown-partner",
            Self::Name => "unknown-name",
            Self::NoPatient => "no-patient",
            Self::SeveralPatients => "several-patients",
            Self::NoApprover => "no-approver",
            Self::NothingPermitted(_) => "nothing-permitted",
            Self::TooLate => "too-late",
            Self::Lost => "lost",
            Self::Differs => "differs",
            Self::Protocol(refused) => protocol_code(refused),
        }
    }

    /// Returns why the transfer ends with it, where what was found cannot be mended: another patient, a
    /// consent that was taken back.
    pub(super) fn ends(&self) -> Option<EndReason> {
        use transfer::Refused as R;
        match self {
            Self::Protocol(
                refused @ (R::WrongPatient
                | R::ScoreBelow
                | R::ConsentWithdrawn
                | R::ConsentChanged),
            ) => Some(EndReason::Refused(refused.cause())),
            Self::Protocol(_)
            | Self::Partner
            | Self::Name
            | Self::NoPatient
            | Self::SeveralPatients
            | Self::NoApprover
            | Self::NothingPermitted(_)
            | Self::TooLate
            | Self::Lost
            | Self::Differs => None,
        }
    }

    /// Says whether the file's own bytes are at fault, so that no later day makes it good.
    pub(super) fn is_of_bytes(&self) -> bool {
        use transfer::Refused as R;
        match self {
            Self::Partner
            | Self::Name
            | Self::NoPatient
            | Self::SeveralPatients
            | Self::NoApprover
            | Self::NothingPermitted(_)
            | Self::TooLate
            | Self::Lost
            | Self::Differs => false,
            Self::Protocol(refused) => match refused {
                R::WrongPatient
                | R::ScoreBelow
                | R::NotYet { .. }
                | R::Expired
                | R::Licence { .. }
                | R::ApproverEnded
                | R::ConsentWithdrawn
                | R::ConsentChanged => false,
                R::Form { .. }
                | R::Signature { .. }
                | R::UnknownKey { .. }
                | R::Booked { .. }
                | R::NotThisTransfer { .. }
                | R::NotTheOffer { .. }
                | R::NotTheChallenge { .. }
                | R::NotTheAccept
                | R::NotTheParcel
                | R::WrongSender { .. }
                | R::WrongRecipient { .. }
                | R::WrongRole
                | R::Part { .. }
                | R::Chunk { .. }
                | R::Sealed
                | R::Root
                | R::Counts { .. }
                | R::Replayed { .. } => true,
            },
        }
    }
}

fn protocol_code(refused: &transfer::Refused) -> &'static str {
    use transfer::Refused as R;
    match refused {
        R::Form { .. } => "form",
        R::Signature { .. } => "signature",
        R::UnknownKey { .. } => "unknown-key",
        R::Booked { .. } => "booked",
        R::NotThisTransfer { .. } => "other-transfer",
        R::NotTheOffer { .. } => "other-offer",
        R::NotTheChallenge { .. } => "other-challenge",
        R::NotTheAccept => "other-accept",
        R::NotTheParcel => "other-parcel",
        R::WrongSender { .. } => "wrong-sender",
        R::WrongRecipient { .. } => "wrong-recipient",
        R::WrongPatient => "wrong-patient",
        R::ScoreBelow => "score-below",
        R::NotYet { .. } => "not-yet",
        R::Expired => "expired",
        R::Licence { .. } => "licence",
        R::ApproverEnded => "approver-ended",
        R::WrongRole => "wrong-role",
        R::ConsentWithdrawn => "consent-withdrawn",
        R::ConsentChanged => "consent-changed",
        R::Part { .. } => "part",
        R::Chunk { .. } => "chunk",
        R::Sealed => "sealed",
        R::Root => "root",
        R::Counts { .. } => "counts",
        R::Replayed { .. } => "replayed",
    }
}

/// A file or an offer that was refused.
#[derive(Debug, Serialize)]
pub struct Refused {
    /// The file in the exchange, or what was to be done.
    pub file: String,
    /// The partner, where it is one.
    pub partner: Option<InstitutionId>,
    /// The transfer, where there is one.
    pub transfer: Option<TransferId>,
    /// Why.
    #[serde(serialize_with = "told")]
    pub why: Why,
}

fn told<S: Serializer>(why: &Why, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(2))?;
    map.serialize_entry("code", why.code())?;
    map.serialize_entry("words", &why.to_string())?;
    map.end()
}
