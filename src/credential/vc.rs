//! W3C Verifiable Credentials 2.0, JOSE-secured: a decision on a licence, or a status list, in one token.
//!
//! Comes in: a compact `vc+jwt` and the issuers' keys, or a decision to sign. Goes out: what a trusted key
//! says, or a token. Never: a decision of a key that the reader does not hold, or one whose subject says something
//! that is not understood.

mod write;

use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::Value;

pub use self::write::{WriteError, list_url, write_licence, write_list};

use super::{
    jose::{Token, TokenError},
    licence::{Holder, LicenceAction, LicenceEvent, ShapeError},
    register::key_id,
    status_list::{Bits, ListError},
};
use crate::{instant::Instant, party::InstitutionId, signed_note::Verifier};

/// The first context of every credential of version 2.0.
const CONTEXT: &str = "https://www.w3.org/ns/credentials/v2";

/// What is wrong with a credential. It never holds what the credential says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The token.
    #[error("the credential cannot be believed: {0}")]
    Token(#[from] TokenError),
    /// It is no credential of a known form.
    #[error("the credential is malformed: {0}")]
    Form(&'static str),
    /// Its issuer has no key that the reader trusts.
    #[error("its issuer is not trusted")]
    Untrusted,
    /// It was decided or begins later than now.
    #[error("it bears the time {decided}; now is {now}")]
    Future {
        /// When it says to have been decided.
        decided: Instant,
        /// The run's instant.
        now: Instant,
    },
    /// The token itself has expired, or is not to be used yet.
    #[error("the token is not to be used now")]
    TokenTime,
    /// What it says of a licence makes no sense.
    #[error("the credential makes no sense: {0}")]
    Shape(#[from] ShapeError),
    /// Its status list cannot be unpacked.
    #[error("the status list cannot be read: {0}")]
    List(#[from] ListError),
}

/// For what a status list is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// A set bit: the licence is revoked, for ever.
    Revocation,
    /// A set bit: the licence rests, until the bit is cleared.
    Suspension,
}

impl Purpose {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Revocation, Self::Suspension];

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Revocation => "revocation",
            Self::Suspension => "suspension",
        }
    }

    /// Returns the purpose of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == name)
    }
}

/// Where a status list tells the state of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusEntry {
    /// The list's URL.
    pub list: String,
    /// For what the list is kept.
    pub purpose: Purpose,
    /// The place of the bit.
    pub index: u64,
}

/// A decision on a licence, as a trusted key tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenceCredential {
    /// The decision.
    pub event: LicenceEvent,
    /// The id of the key that signed it.
    pub by: String,
    /// Where its state is told.
    pub status: Vec<StatusEntry>,
}

/// A status list, as a trusted key tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusList {
    /// Its URL.
    pub id: String,
    /// The issuer's name.
    pub issuer: String,
    /// The id of the key that signed it.
    pub by: String,
    /// For what it is kept.
    pub purpose: Purpose,
    /// From when on it says how things are.
    pub from: Instant,
    /// When another one takes its place.
    pub until: Option<Instant>,
    /// The bits.
    pub bits: Bits,
}

/// What a token turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A decision on a licence.
    Licence(LicenceCredential),
    /// A status list.
    List(StatusList),
}

/// One value, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    // First, since a `Value` could be a list itself.
    Many(Vec<T>),
    One(T),
}

impl<T> OneOrMany<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Issuer {
    Url(String),
    Object { id: String },
}

/// The members that are understood; others are ignored, as the standard asks, save in the subject.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    #[serde(rename = "@context")]
    context: OneOrMany<Value>,
    id: Option<String>,
    #[serde(rename = "type")]
    types: OneOrMany<String>,
    issuer: Issuer,
    valid_from: String,
    valid_until: Option<String>,
    credential_status: Option<OneOrMany<Status>>,
    iss: Option<String>,
    iat: Option<i64>,
    exp: Option<i64>,
    nbf: Option<i64>,
    vc: Option<IgnoredAny>,
    vp: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Status {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "statusPurpose")]
    purpose: String,
    #[serde(rename = "statusListIndex")]
    index: String,
    #[serde(rename = "statusListCredential")]
    list: String,
    #[serde(rename = "statusSize")]
    size: Option<u64>,
}

/// What a credential speaks of, read apart: so a member that stands twice in it is met.
#[derive(Debug, Deserialize)]
struct Body<S> {
    #[serde(rename = "credentialSubject")]
    subject: S,
}

/// The subject of a decision: all of it is understood, or the credential is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    #[serde(rename = "id")]
    _id: Option<String>,
    #[serde(rename = "type")]
    _type: Option<IgnoredAny>,
    #[serde(rename = "name")]
    _name: Option<String>,
    licence: String,
    class: String,
    institution: Option<InstitutionId>,
    npi: Option<String>,
    action: Option<LicenceAction>,
    restriction: Option<String>,
    key: Option<String>,
}

/// The subject of a status list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ListSubject {
    #[serde(rename = "id")]
    _id: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    status_purpose: OneOrMany<String>,
    encoded_list: String,
    #[serde(rename = "ttl")]
    _ttl: Option<u64>,
}

const FORM: CredentialError =
    CredentialError::Form("it is no JSON object with the members of a credential, each once");

impl Payload {
    fn parse(bytes: &[u8]) -> Result<Self, CredentialError> {
        let payload: Self = serde_json::from_slice(bytes).map_err(|_| FORM)?;
        if payload.vc.is_some() || payload.vp.is_some() {
            return Err(CredentialError::Form("`vc` and `vp` may not stand in it"));
        }
        Ok(payload)
    }

    /// Returns the issuer's name, from its URL.
    fn issuer(&self) -> Result<&str, CredentialError> {
        const URL: CredentialError =
            CredentialError::Form("its issuer is no URL that begins with https://");
        let url = match &self.issuer {
            Issuer::Url(url) | Issuer::Object { id: url } => url,
        };
        if self.iss.as_ref().is_some_and(|iss| iss != url) {
            return Err(CredentialError::Form("`iss` and `issuer` are two"));
        }
        url.strip_prefix("https://").filter(|name| !name.is_empty()).ok_or(URL)
    }

    fn has_type(&self, wanted: &str) -> bool {
        match &self.types {
            OneOrMany::One(one) => one == wanted,
            OneOrMany::Many(many) => many.iter().any(|one| one == wanted),
        }
    }

    /// Checks what every credential of version 2.0 has, and the token's own times.
    fn check(&self, now: Instant) -> Result<(), CredentialError> {
        let first = match &self.context {
            OneOrMany::One(one) => Some(one),
            OneOrMany::Many(many) => many.first(),
        };
        if first.and_then(Value::as_str) != Some(CONTEXT) {
            return Err(CredentialError::Form("it is no credential of version 2.0"));
        }
        if !self.has_type("VerifiableCredential") {
            return Err(CredentialError::Form("its type is no VerifiableCredential"));
        }
        let is_over = self.exp.is_some_and(|exp| exp <= now.unix());
        if is_over || self.nbf.is_some_and(|nbf| nbf > now.unix()) {
            return Err(CredentialError::TokenTime);
        }
        Ok(())
    }

    fn times(&self) -> Result<(Instant, Option<Instant>), CredentialError> {
        let until = self.valid_until.as_deref().map(instant).transpose()?;
        Ok((instant(&self.valid_from)?, until))
    }
}

/// Parses a time with a zone; a date alone is none.
fn instant(text: &str) -> Result<Instant, CredentialError> {
    let time = Some(text).filter(|text| text.contains('T'));
    time.and_then(|text| Instant::parse(text).ok())
        .ok_or(CredentialError::Form("a time is not RFC 3339 with a zone"))
}

/// Opens a token: the signature first, then what it says. `keys` are those of trusted issuers.
pub fn open_credential(
    text: &str,
    keys: &[Verifier],
    now: Instant,
) -> Result<Credential, CredentialError> {
    let token = Token::parse(text)?;
    let payload = Payload::parse(token.payload())?;
    let issuer = payload.issuer()?.to_owned();
    let mut own = keys.iter().filter(|key| key.name() == issuer).peekable();
    if own.peek().is_none() {
        return Err(CredentialError::Untrusted);
    }
    let by = key_id(token.verify(own)?);
    payload.check(now)?;
    if payload.has_type("BitstringStatusListCredential") {
        let Body { subject } = serde_json::from_slice(token.payload())
            .map_err(|_| CredentialError::Form("its subject is no status list"))?;
        return list(payload, subject, issuer, by, now).map(Credential::List);
    }
    let Body { subject } = serde_json::from_slice(token.payload()).map_err(|_| {
        CredentialError::Form("its subject holds something that is not understood, or lacks it")
    })?;
    licence(payload, subject, issuer, by, now).map(Credential::Licence)
}

fn licence(
    payload: Payload,
    subject: Subject,
    issuer: String,
    by: String,
    now: Instant,
) -> Result<LicenceCredential, CredentialError> {
    let is_decision = payload.has_type("LicenceDecision");
    if !is_decision && !payload.has_type("LicenceCredential") {
        return Err(CredentialError::Form("it is neither of a licence nor a status list"));
    }
    let (from, until) = payload.times()?;
    let decided_at = payload.iat.map(Instant::from_unix).transpose();
    let decided_at =
        decided_at.map_err(|_| CredentialError::Form("`iat` is no time"))?.unwrap_or(from);
    if decided_at > now {
        return Err(CredentialError::Future { decided: decided_at, now });
    }
    let status = entries(payload.credential_status)?;
    let holder = match (subject.institution, subject.npi) {
        (Some(institution), None) => Holder::Institution(institution),
        (None, Some(npi)) => Holder::practitioner(&npi)?,
        (Some(_), Some(_)) | (None, None) => {
            return Err(CredentialError::Form("its subject is not one `institution` or one `npi`"));
        }
    };
    let action = match (subject.action, is_decision) {
        (Some(action), _) => action,
        (None, false) => LicenceAction::Issue,
        (None, true) => return Err(CredentialError::Form("its subject names no `action`")),
    };
    let event = LicenceEvent {
        licence: subject.licence,
        holder,
        issuer,
        action,
        class: subject.class,
        from,
        until,
        restriction: subject.restriction,
        decided_at,
        key: subject.key,
    };
    event.check()?;
    Ok(LicenceCredential { event, by, status })
}

fn entries(status: Option<OneOrMany<Status>>) -> Result<Vec<StatusEntry>, CredentialError> {
    const STATUS: CredentialError =
        CredentialError::Form("its status is no one-bit entry of a Bitstring Status List");
    let mut entries = Vec::new();
    for status in status.map(OneOrMany::into_vec).unwrap_or_default() {
        if status.kind != "BitstringStatusListEntry" || status.size.unwrap_or(1) != 1 {
            return Err(STATUS);
        }
        let index = status.index.parse().map_err(|_| STATUS)?;
        // A purpose that is not known, such as `refresh`, takes nothing from a licence.
        if let Some(purpose) = Purpose::parse(&status.purpose) {
            entries.push(StatusEntry { list: status.list, purpose, index });
        }
    }
    Ok(entries)
}

fn list(
    payload: Payload,
    subject: ListSubject,
    issuer: String,
    by: String,
    now: Instant,
) -> Result<StatusList, CredentialError> {
    let (from, until) = payload.times()?;
    if from > now {
        return Err(CredentialError::Future { decided: from, now });
    }
    let id = payload.id.ok_or(CredentialError::Form("a status list has no `id`"))?;
    if subject.kind != "BitstringStatusList" {
        return Err(CredentialError::Form("its subject is no status list"));
    }
    let purposes = subject.status_purpose.into_vec();
    let purpose = match purposes.as_slice() {
        [one] => Purpose::parse(one),
        [] | [..] => None,
    };
    let purpose = purpose.ok_or(CredentialError::Form(
        "its list is kept neither for revocation nor for suspension",
    ))?;
    let bits = Bits::decode(&subject.encoded_list)?;
    Ok(StatusList { id, issuer, by, purpose, from, until, bits })
}

/// Returns where a credential's state is told; of a credential that was opened before.
pub(super) fn status_entries(text: &str) -> Vec<StatusEntry> {
    let token = Token::parse(text).ok();
    let payload = token.and_then(|token| Payload::parse(token.payload()).ok());
    payload.and_then(|payload| entries(payload.credential_status).ok()).unwrap_or_default()
}
