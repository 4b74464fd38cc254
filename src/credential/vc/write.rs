//! The other way: a decision, or the bits of a status list, as a token signed by its issuer.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use super::{CONTEXT, Purpose, StatusEntry};
use crate::{
    credential::{
        jose::{issuer_url, sign},
        licence::{Holder, LicenceAction, LicenceEvent},
        status_list::{Bits, ListError},
    },
    digest::{CanonicalError, canonical},
    instant::Instant,
    signed_note::Signer,
};

/// Returns the URL of a status list of an issuer.
pub fn list_url(issuer: &str, purpose: Purpose) -> String {
    format!("{}/status/{}", issuer_url(issuer), purpose.as_str())
}

fn context(issuer: &str) -> Value {
    json!([CONTEXT, {"@vocab": format!("{}/terms#", issuer_url(issuer))}])
}

fn put<T: Serialize>(object: &mut Value, name: &str, value: Option<T>) {
    if let (Some(members), Some(value)) = (object.as_object_mut(), value) {
        members.insert(name.to_owned(), json!(value));
    }
}

/// Writes a decision as a token; the same decision, the same bytes.
pub fn write_licence(
    event: &LicenceEvent,
    status: &[StatusEntry],
    signer: &Signer,
) -> Result<String, CanonicalError> {
    let kind = match event.action {
        LicenceAction::Issue | LicenceAction::Renew => "LicenceCredential",
        LicenceAction::Restrict
        | LicenceAction::Suspend
        | LicenceAction::Revoke
        | LicenceAction::Reinstate => "LicenceDecision",
    };
    let mut subject = json!({
        "licence": event.licence,
        "class": event.class,
        "action": event.action,
    });
    match &event.holder {
        Holder::Institution(id) => put(&mut subject, "institution", Some(id)),
        Holder::Practitioner { npi } => put(&mut subject, "npi", Some(npi)),
    }
    put(&mut subject, "restriction", event.restriction.as_ref());
    put(&mut subject, "key", event.key.as_ref());
    let mut payload = json!({
        "@context": context(&event.issuer),
        "type": ["VerifiableCredential", kind],
        "issuer": issuer_url(&event.issuer),
        "validFrom": event.from,
        "iat": event.decided_at.unix(),
        "credentialSubject": subject,
    });
    put(&mut payload, "validUntil", event.until);
    let entry = |entry: &StatusEntry| {
        json!({
            "id": format!("{}#{}", entry.list, entry.index),
            "type": "BitstringStatusListEntry",
            "statusPurpose": entry.purpose,
            "statusListIndex": entry.index.to_string(),
            "statusListCredential": entry.list,
        })
    };
    let status: Vec<Value> = status.iter().map(entry).collect();
    put(&mut payload, "credentialStatus", Some(status).filter(|status| !status.is_empty()));
    sign(&canonical(&payload)?, signer)
}

/// Writes a status list of an issuer as a token: of so many bits those at `places` are set, as things are
/// from `from` on.
pub fn write_list(
    purpose: Purpose,
    (places, bits): (&BTreeSet<u64>, u64),
    from: Instant,
    signer: &Signer,
) -> Result<String, WriteError> {
    let issuer = signer.verifier().name();
    let id = list_url(issuer, purpose);
    let payload = json!({
        "@context": [CONTEXT],
        "id": id,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer_url(issuer),
        "validFrom": from,
        "credentialSubject": {
            "id": format!("{id}#list"),
            "type": "BitstringStatusList",
            "statusPurpose": purpose,
            "encodedList": Bits::new(places, bits).encode()?,
        },
    });
    Ok(sign(&canonical(&payload)?, signer)?)
}

/// Why a status list could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Its bits could not be packed.
    #[error(transparent)]
    List(#[from] ListError),
    /// It has no canonical bytes.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}
