//! Transfers: a patient's record goes to another institution once the patient has approved it.
//!
//! Comes in: the desk file, FHIR records, files of an exchange. Goes out: commits of `vault/transfers`,
//! entries of the book that name the partner's, files for the partner and the patient.
//! Never: a record without the patient's signature, a valid consent and a match; a refused file that
//! stops other transfers or changes how its own stands.
//!
//! Each act is one call of a [`Clerk`]; every step is written in this order: objects, commit with its
//! entry, book, the outbox file (which the commit determines, and which is put again where it is
//! missing), delivery.

mod answer;
mod approve;
mod approvers;
mod book;
mod clerk;
mod consents;
mod desk;
mod end;
mod exchange;
mod file;
mod key;
mod licence;
mod offer;
mod patient;
mod receive;
mod run;
mod send;
mod stand;
mod status;
mod why;

use std::path::PathBuf;

use serde::Serialize;

pub(super) use self::book::of_patients;
pub use self::{
    approvers::Approver,
    book::{Act, ApproverLine, Approvers, COMMITS, Commit, Content, End, Line, Score, Step, Steps},
    clerk::{Clerk, LicenceOf},
    desk::{Desk, PURPOSES, Partner, purpose_words},
    file::File,
    key::{Keys, keys},
    licence::licence_of,
    patient::{Answer, Asked, Decided},
    status::{RefusedRow, Row, Status},
    why::{Refused, Why},
};
use crate::{
    consent, credential,
    digest::{CanonicalError, Sha3Digest},
    fault::Fault,
    instant::Instant,
    ledger::entry::EntryId,
    linkage,
    party::InstitutionId,
    payee, site, store,
    transfer::{self, TransferId},
};

/// Why an act of transfers did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The site failed, or somebody else committed first.
    #[error(transparent)]
    Site(#[from] site::Error),
    /// A file cannot be read or written.
    #[error("`{}` cannot be read or written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The desk file has faults.
    #[error("the desk file `{}` has {} faults", file.display(), faults.len())]
    Faults {
        /// The file.
        file: PathBuf,
        /// Each of them, with its place.
        faults: Vec<Fault>,
    },
    /// The desk file has no such partner.
    #[error("the desk file has no partner `{partner}`")]
    Partner {
        /// Who was asked for.
        partner: InstitutionId,
        /// Whom it has.
        known: String,
    },
    /// An object of the commits is broken.
    #[error(transparent)]
    Object(#[from] payee::Error),
    /// A commit cannot be read.
    #[error("transfer commit {commit} cannot be read")]
    Format {
        /// Its number.
        commit: u64,
        /// What the reader said.
        #[source]
        source: serde_json::Error,
    },
    /// A commit does not follow from those before it.
    #[error("transfer commit {commit}: {reason}")]
    Order {
        /// Its number.
        commit: u64,
        /// Why not.
        reason: &'static str,
    },
    /// The run's instant lies before the newest commit.
    #[error("the run's instant {now} lies before the newest step of a transfer, {newest}")]
    Clock {
        /// The run's instant.
        now: Instant,
        /// When the newest commit was recorded.
        newest: Instant,
    },
    /// There is no such transfer.
    #[error("there is no transfer `{0}`")]
    Unknown(TransferId),
    /// The transfer cannot take this step any more.
    #[error("transfer `{transfer}` is {}: it cannot be {act} any more", step.as_str())]
    TooLate {
        /// The transfer.
        transfer: TransferId,
        /// How it stands.
        step: Step,
        /// What was asked for.
        act: &'static str,
    },
    /// What is sent was not what was offered: the vault has changed.
    #[error("the record of transfer `{0}` in the vault is not what was offered")]
    Changed(TransferId),
    /// A value has no canonical form.
    #[error("a file of a transfer has no canonical form")]
    Canonical(#[from] CanonicalError),
    /// A value could not be written down.
    #[error("a step could not be written down")]
    Write(#[from] serde_json::Error),
    /// The register of consents is broken.
    #[error(transparent)]
    Consent(#[from] consent::Error),
    /// The person index is broken.
    #[error(transparent)]
    Linkage(#[from] linkage::Error),
    /// The records cannot be read.
    #[error(transparent)]
    Select(#[from] transfer::SelectError),
    /// The two institutions share no secret.
    #[error(transparent)]
    Pair(#[from] transfer::WeakKey),
    /// A parcel could not be sealed or opened here.
    #[error("a parcel could not be sealed or opened")]
    Parcel(#[from] transfer::ParcelError),
    /// A record could not be unpacked here.
    #[error(transparent)]
    Unpack(#[from] transfer::UnpackError),
    /// The register of licences is broken.
    #[error(transparent)]
    Licence(#[from] credential::LicencesError),
    /// A file of consents in the vault cannot be read.
    #[error("the consents `{digest}` in the vault cannot be read")]
    Documents {
        /// The file's digest.
        digest: Sha3Digest,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// An approver's key cannot be registered.
    #[error("{0}")]
    Key(String),
    /// An approver's key did not sign.
    #[error(transparent)]
    Approver(#[from] transfer::ApproverError),
    /// A file's place in the book could not be proven.
    #[error(transparent)]
    Booking(#[from] transfer::BookingError),
    /// What the patient was asked is not there, or not whole.
    #[error("`{}`: {reason}", path.display())]
    Asked {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A promise of this code was broken.
    #[error("a transfer is held that took no step: a promise of the commits was broken")]
    Bug,
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Site(error.into())
    }
}

/// A step that a transfer took in this run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Done {
    /// The transfer.
    pub transfer: TransferId,
    /// The other side.
    pub partner: InstitutionId,
    /// The step.
    pub step: Step,
}

/// What an act came to.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    /// The steps that were taken.
    pub steps: Vec<Done>,
    /// The files and offers that were refused; each was left as it was, or put aside.
    pub refused: Vec<Refused>,
    /// What was asked for and stands already.
    pub known: u64,
    /// Files carried to partners.
    pub carried: u64,
    /// What could not be carried, and why: others lie in its place, a partner cannot be reached.
    pub blocked: Vec<String>,
    /// The numbers of the commits made.
    pub commits: Vec<u64>,
    /// The ids of their entries.
    pub entries: Vec<EntryId>,
}

#[cfg(test)]
mod tests;
