//! Why a step of a transfer is refused, each reason its own variant; and the same reasons in one
//! word, as the other side and the book may know them.
//!
//! Never: a value of the patient's, a key's secret, or a byte of the record in an error.

use serde::{Deserialize, Serialize};

use crate::party::InstitutionId;

/// Why a file, or a step, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The bytes are not the canonical JSON of such a file.
    #[error("the {file} is malformed: {reason}")]
    Form {
        /// Which file.
        file: &'static str,
        /// What is wrong; never a value.
        reason: &'static str,
    },
    /// The signature does not verify, or the key is another one than the file says.
    #[error("the signature of the {file} does not verify")]
    Signature {
        /// Which file.
        file: &'static str,
    },
    /// None of the keys that may sign it did.
    #[error("the {file} is signed by a key that may not sign it")]
    UnknownKey {
        /// Which file.
        file: &'static str,
    },
    /// The signer's ledger does not hold the file.
    #[error("the {file} does not stand in its signer's book: {fault}")]
    Booked {
        /// Which file.
        file: &'static str,
        /// What is wrong.
        fault: BookedFault,
    },
    /// A file names another transfer.
    #[error("the {file} belongs to another transfer")]
    NotThisTransfer {
        /// Which file.
        file: &'static str,
    },
    /// A file answers another offer: a replay.
    #[error("the {file} answers another offer")]
    NotTheOffer {
        /// Which file.
        file: &'static str,
    },
    /// A file answers another challenge: a replay.
    #[error("the {file} answers another challenge")]
    NotTheChallenge {
        /// Which file.
        file: &'static str,
    },
    /// A parcel answers another accept.
    #[error("the parcel answers another accept")]
    NotTheAccept,
    /// A receipt is for another parcel.
    #[error("the receipt is for another parcel")]
    NotTheParcel,
    /// An offer is not from the partner that it came from.
    #[error("the {file} names another sender")]
    WrongSender {
        /// Which file.
        file: &'static str,
    },
    /// It is meant for, or comes from, another institution or key than the offer's recipient.
    #[error("the {file} names another recipient")]
    WrongRecipient {
        /// Which file.
        file: &'static str,
    },
    /// What the other side knows of the patient contradicts what is known here.
    #[error("the evidence is of another patient")]
    WrongPatient,
    /// Too little of what the other side knows of the patient agrees.
    #[error("too little of the evidence agrees to say that it is the same patient")]
    ScoreBelow,
    /// A file is from the future, or from before what it answers.
    #[error("the {file} bears a time that has not come, or lies before what it answers")]
    NotYet {
        /// Which file.
        file: &'static str,
    },
    /// The time of the offer is over.
    #[error("the offer has expired")]
    Expired,
    /// One end's licence does not stand.
    #[error("the licence of `{institution}` {fault}")]
    Licence {
        /// Whose.
        institution: InstitutionId,
        /// How it stands.
        fault: LicenceFault,
    },
    /// The key that approved has ended, or was taken back at the desk.
    #[error("the approver's key has ended")]
    ApproverEnded,
    /// It was approved in another role than the key has.
    #[error("the approver's key has another role")]
    WrongRole,
    /// The patient withdrew consent, or opted out, since.
    #[error("the consent was withdrawn")]
    ConsentWithdrawn,
    /// What the consent permits is not what was offered and approved.
    #[error("the consent no longer permits what was approved")]
    ConsentChanged,
    /// One object of the parcel is not what its head says.
    #[error("part {index} {fault}")]
    Part {
        /// Which, from 0.
        index: u32,
        /// What is wrong.
        fault: PartFault,
    },
    /// One chunk is not what was sealed in its place.
    #[error("chunk {index} {fault}")]
    Chunk {
        /// Which, from 0, over all parts.
        index: u64,
        /// What is wrong.
        fault: ChunkFault,
    },
    /// The head commits to another key than the one these ends and this handshake give.
    #[error("the parcel was sealed for another reader, by another sender or for another handshake")]
    Sealed,
    /// The content is not what the manifest's root says.
    #[error("the content is not what was offered")]
    Root,
    /// Bytes, chunks, files or resources are not as many as they should be.
    #[error("the {file} has other counts than it should")]
    Counts {
        /// Which file.
        file: &'static str,
    },
    /// A file of this kind was taken for this transfer before, with another content.
    #[error("another {file} was taken for this transfer before")]
    Replayed {
        /// Which file.
        file: &'static str,
    },
}

/// What is wrong with a file's place in its signer's book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum BookedFault {
    /// It has none.
    #[error("it bears no entry")]
    Missing,
    /// The entry does not parse.
    #[error("the entry is malformed")]
    Entry,
    /// The entry is not signed by the partner's steward, or is of another ledger.
    #[error("the entry is another's")]
    Signer,
    /// The entry is of another kind than the file.
    #[error("the entry tells of something else")]
    Kind,
    /// The entry is about another partner.
    #[error("the entry names another partner")]
    Partner,
    /// The file's digest is not in the tree under the entry's root.
    #[error("the entry does not hold it")]
    Leaf,
    /// What is said of the place is not signed so.
    #[error("its place is not signed so")]
    Signature,
}

/// How a licence does not stand.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, thiserror::Error,
)]
#[serde(rename_all = "kebab-case")]
pub enum LicenceFault {
    /// No licence is known.
    #[error("is not known")]
    Unknown,
    /// It has not begun.
    #[error("has not begun")]
    NotYet,
    /// Its term is over.
    #[error("has expired")]
    Expired,
    /// It is suspended.
    #[error("is suspended")]
    Suspended,
    /// It is revoked.
    #[error("is revoked")]
    Revoked,
    /// It stands, but not for transfers.
    #[error("excludes transfers")]
    Restricted,
    /// What was shown is no licence of a trusted issuer's.
    #[error("is not one that a trusted issuer signed")]
    Forged,
}

/// How evidence does not fit a patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mismatch {
    /// It contradicts what is known.
    WrongPatient,
    /// Too little of it agrees.
    ScoreBelow,
}

impl From<Mismatch> for Refused {
    fn from(mismatch: Mismatch) -> Self {
        match mismatch {
            Mismatch::WrongPatient => Self::WrongPatient,
            Mismatch::ScoreBelow => Self::ScoreBelow,
        }
    }
}

/// What is wrong with one object of a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum PartFault {
    /// It is shorter than its head says.
    #[error("is cut short")]
    Truncated,
    /// It is longer than its head says.
    #[error("is too long")]
    TooLong,
    /// It is another part of the same parcel.
    #[error("stands in another's place")]
    Misplaced,
    /// It is of no parcel with this head.
    #[error("is not of this parcel")]
    Foreign,
}

/// What is wrong with one sealed chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum ChunkFault {
    /// Its bytes were changed.
    #[error("was changed")]
    Changed,
    /// It is a chunk that came before.
    #[error("is repeated")]
    Repeated,
    /// The chunk that belongs here stands at another place.
    #[error("stands out of order")]
    Reordered,
    /// It should be the last and was not sealed as such: the end is missing.
    #[error("is not the end: the parcel is cut")]
    EndMissing,
    /// It was sealed as the last and is not.
    #[error("is the end, and more follows")]
    EndEarly,
}

/// A reason in one word, as it may stand in an `ended` file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A file is malformed.
    Form,
    /// A signature, or the key under it.
    Signature,
    /// A file's place in its signer's book.
    Booked,
    /// A file of another transfer, offer, challenge, accept or parcel.
    Replayed,
    /// Another institution or key than the one offered to.
    WrongRecipient,
    /// Another patient.
    WrongPatient,
    /// Too little evidence.
    ScoreBelow,
    /// A time that has not come.
    NotYet,
    /// Too late.
    Expired,
    /// A licence.
    Licence,
    /// The approver's key.
    Approver,
    /// Consent was withdrawn.
    ConsentWithdrawn,
    /// Consent permits something else.
    ConsentChanged,
    /// A parcel that does not open.
    Parcel,
    /// Content that is not what was offered.
    Content,
}

impl Refused {
    /// Returns the reason in one word.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Form { .. } => Cause::Form,
            Self::Signature { .. } | Self::UnknownKey { .. } => Cause::Signature,
            Self::Booked { .. } => Cause::Booked,
            Self::NotThisTransfer { .. }
            | Self::NotTheOffer { .. }
            | Self::NotTheChallenge { .. }
            | Self::NotTheAccept
            | Self::NotTheParcel
            | Self::Replayed { .. } => Cause::Replayed,
            Self::WrongSender { .. } | Self::WrongRecipient { .. } => Cause::WrongRecipient,
            Self::WrongPatient => Cause::WrongPatient,
            Self::ScoreBelow => Cause::ScoreBelow,
            Self::NotYet { .. } => Cause::NotYet,
            Self::Expired => Cause::Expired,
            Self::Licence { .. } => Cause::Licence,
            Self::ApproverEnded | Self::WrongRole => Cause::Approver,
            Self::ConsentWithdrawn => Cause::ConsentWithdrawn,
            Self::ConsentChanged => Cause::ConsentChanged,
            Self::Part { .. } | Self::Chunk { .. } | Self::Sealed => Cause::Parcel,
            Self::Root | Self::Counts { .. } => Cause::Content,
        }
    }
}
