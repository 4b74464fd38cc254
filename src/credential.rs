//! Who may ask, and who may contribute: researchers' passes, signed by the steward, and licences of
//! institutions and practitioners, by issuers whom the site trusts.
//!
//! Comes in: signed notes, credentials, status lists. Goes out: a [`Pass`] and a [`Grant`] for one dataset
//! and purpose; what a licence is worth at any instant. Never: a pass of a foreign signer, a decision of an
//! issuer who is not trusted, or a line that nobody understood.

mod activity;
mod delivery;
mod history;
mod jose;
mod licence;
mod pass;
mod register;
mod shown;
mod status;
mod status_list;
mod vc;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

pub use self::{
    activity::{Activity, Unlicensed},
    delivery::{
        DeliveredFile, DeliveredFiles, Delivery, DeliveryError, DeliveryNote, is_note, note_name,
    },
    jose::{TokenError, is_token},
    licence::{Holder, LicenceAction, LicenceEvent, Refusal, ShapeError, Standing},
    pass::{Error, Fault, FaultKind, Grant, Pass, PassRequest},
    register::{
        Act as LicenceAct, COMMITS as LICENCE_COMMITS, Commit as LicenceCommit,
        Error as LicencesError, Held as HeldLicence, Holders, Licences, Line as LicenceLine,
        Recorded, Trust, TrustChange, Trusted, key_id,
    },
    status_list::{Bits, LIST_BITS, ListError},
    vc::{
        Credential, CredentialError, LicenceCredential, Purpose as StatusPurpose, StatusEntry,
        StatusList, WriteError, list_url, open_credential, write_licence, write_list,
    },
};
