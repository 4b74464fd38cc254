//! What each file of a transfer says. Its canonical JSON (RFC 8785) is what is signed and hashed.
//!
//! Comes in: JSON. Goes out: values with no member unknown or missing.
//! Never: a name, a birth date or an id of the patient; what stands for the patient is keyed.

use serde::{Deserialize, Serialize};

use super::{Cause, Commitment, Encapsulated, HpkeKey, Nonce, Payload, TransferId};
use crate::{
    digest::{Sha3Digest, Sha256},
    instant::Instant,
    ledger::Kind,
    party::InstitutionId,
    signed_note::Verifier,
};

/// One end of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// The institution.
    pub institution: InstitutionId,
    /// The origin of its ledger.
    pub origin: String,
}

/// A holds a record and offers it to B.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The transfer.
    pub transfer: TransferId,
    /// Who holds the record.
    pub from: Side,
    /// Who may ask for it.
    pub to: Side,
    /// What it is for, a code of v3-ActReason such as `TREAT`.
    pub purpose: String,
    /// When it was made.
    pub issued: Instant,
    /// From when on nothing more may happen.
    pub expires: Instant,
    /// How B finds the patient, one token a set of fields.
    pub tokens: Vec<PairToken>,
    /// What would be sent, and what would not.
    pub manifest: Manifest,
    /// The consent it rests on.
    pub consent: ConsentRef,
    /// Whose signature is asked for: any one of them.
    pub approvers: Vec<ApproverKey>,
}

/// One set of a patient's fields under the secret that A and B share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairToken {
    /// Which fields, such as `name+birth+sex`.
    pub set: String,
    /// Their keyed hash.
    pub token: Sha256,
}

/// The consent that an offer rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentRef {
    /// Digests of the canonical documents, sorted.
    pub documents: Vec<Sha3Digest>,
    /// A digest over what was decided of each resource.
    pub decision: Sha3Digest,
}

/// One who may approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproverKey {
    /// Their key.
    pub key: Verifier,
    /// As what they sign.
    pub role: Role,
    /// From when on the key signs no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Instant>,
}

/// As what somebody approves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The patient.
    Patient,
    /// One whom the patient named.
    Delegate,
}

/// What a parcel holds, file by file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The files, in the order in which the parcel holds them.
    pub files: Vec<FileEntry>,
    /// The root of RFC 6962 over all lines, in the order of the files.
    pub root: Sha256,
    /// How many resources there are.
    pub resources: u64,
    /// How many bytes the files have.
    pub bytes: u64,
    /// What is left out, and under which rule.
    pub withheld: Vec<Withheld>,
}

/// One file of a parcel: FHIR NDJSON of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its name, such as `Observation.ndjson`.
    pub name: String,
    /// Its lines.
    pub resources: u64,
    /// Its bytes, line feeds among them.
    pub bytes: u64,
    /// The root of RFC 6962 over its lines without their line feeds.
    pub root: Sha256,
}

/// What one rule left out of one type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withheld {
    /// The rule in words, such as `label R`.
    pub rule: String,
    /// The FHIR type.
    pub class: String,
    /// How many resources.
    pub resources: u64,
}

/// B asks for what was offered, and shows that it knows the patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// The transfer.
    pub transfer: TransferId,
    /// The offer's digest.
    pub offer: Sha3Digest,
    /// Who asks.
    pub by: Side,
    /// What was drawn for this challenge.
    pub nonce: Nonce,
    /// The key that the parcel shall be sealed for.
    pub hpke: HpkeKey,
    /// B's licence, a compact `vc+jwt`, where it has one to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// What B knows of the patient, field by field, under the nonce.
    pub evidence: Vec<Evidence>,
    /// When it was made.
    pub issued: Instant,
}

/// One field of the patient as B has it, under the nonce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Which field.
    pub field: String,
    /// Its keyed hash.
    pub mac: Sha256,
}

/// The patient, or a delegate, says yes to one offer and one challenge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// The transfer.
    pub transfer: TransferId,
    /// The offer's digest.
    pub offer: Sha3Digest,
    /// The challenge's digest.
    pub challenge: Sha3Digest,
    /// When.
    pub decided: Instant,
    /// As what.
    pub role: Role,
}

/// The patient, or a delegate, says no, before or after a yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The transfer.
    pub transfer: TransferId,
    /// The offer's digest.
    pub offer: Sha3Digest,
    /// Whether a yes was given before.
    pub act: RefusalAct,
    /// When.
    pub decided: Instant,
}

/// How a patient says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalAct {
    /// To what was asked.
    Decline,
    /// To what was approved.
    Revoke,
}

/// The head of a sealed parcel: it is written last and makes the parts one parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parcel {
    /// The transfer.
    pub transfer: TransferId,
    /// The offer's digest.
    pub offer: Sha3Digest,
    /// The challenge's digest.
    pub challenge: Sha3Digest,
    /// The accept's digest.
    pub accept: Sha3Digest,
    /// The encapsulated key.
    pub enc: Encapsulated,
    /// What binds the head to the key under which the chunks are sealed.
    pub commitment: Commitment,
    /// How many chunks there are.
    pub chunks: u64,
    /// How many bytes they hold when open.
    pub bytes: u64,
    /// The objects that hold the chunks.
    pub parts: Vec<Part>,
    /// When it was sealed.
    pub issued: Instant,
}

/// One object of a parcel: up to 16 sealed chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its bytes, sealed.
    pub bytes: u64,
    /// The digest of its chunks' tags (16 bytes each), one after the other. It says without a key
    /// which chunks stand here and in which order; that a chunk's bytes are its tag's, the cipher
    /// says. A SHA3 over all bytes would take six times as long as sealing them.
    pub digest: Sha3Digest,
}

/// B opened the parcel and found in it what was offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The transfer.
    pub transfer: TransferId,
    /// The parcel's digest.
    pub parcel: Sha3Digest,
    /// The root over the lines that came out of it.
    pub manifest_root: Sha256,
    /// What came out of it, file by file.
    pub files: Vec<ReceivedFile>,
    /// When.
    pub received: Instant,
}

/// One file that came out of a parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceivedFile {
    /// Its name.
    pub name: String,
    /// Its lines.
    pub resources: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// A transfer ended before a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// The transfer.
    pub transfer: TransferId,
    /// The offer's digest.
    pub offer: Sha3Digest,
    /// Who ended it.
    pub by: Side,
    /// Why.
    pub why: EndReason,
    /// When.
    pub at: Instant,
}

/// Why a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndReason {
    /// One of the institutions withdrew.
    Cancelled,
    /// The patient said no.
    Declined,
    /// The patient took a yes back.
    Revoked,
    /// Its time was over.
    Expired,
    /// A file, a licence or a consent did not hold.
    Refused(Cause),
}

macro_rules! payload {
    ($name:ident, $file:literal, $kind:ident) => {
        impl Payload for $name {
            const TYPE: &'static str = concat!("application/vnd.almoner.transfer-", $file, "+json");
            const NAME: &'static str = $file;
            const KIND: Kind = Kind::$kind;

            fn transfer(&self) -> &TransferId {
                &self.transfer
            }
        }
    };
}

payload!(Offer, "offer", TransfersOffered);
payload!(Challenge, "challenge", TransfersChallenged);
payload!(Accept, "accept", TransfersApproved);
payload!(Refusal, "refusal", TransfersEnded);
payload!(Parcel, "parcel", TransfersSent);
payload!(Receipt, "receipt", TransfersReceived);
payload!(Ended, "ended", TransfersEnded);
