//! One line of the book: a DSSE envelope round an in-toto Statement, in canonical bytes.
//!
//! Comes in: a kind, subjects and a body, or bytes of a log. Goes out: a signed entry, its id.
//! Never: an entry whose bytes could have been written another way, or a guess at an unknown kind.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

pub use super::kind::Kind;
use super::{
    schema::{self, Schema},
    tile::ENTRY_BYTES_MAX,
    tree::leaf_hash,
};
use crate::{
    digest::{self, CanonicalError, Sha3Digest, Sha256, hex, hmac_sha3},
    instant::Instant,
    signed_note::{Signer, Verifier},
};

/// The hash of an entry's leaf: its id wherever it stands.
pub type EntryId = Sha256;

/// The payload type of the envelope: <https://github.com/in-toto/attestation>.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The type of the payload's value.
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// Members that every predicate has and no body may bring.
const COMMON: [&str; 4] = ["actor", "nonce", "prev", "time"];

/// What an entry speaks of, by digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// A public name, such as `synthea-clinical@1`.
    pub name: String,
    /// The content's SHA3-256 digest.
    pub sha3: Sha3Digest,
    /// The content's SHA-256 digest, where it is an object.
    pub sha256: Option<Sha256>,
}

/// The keys that sign an entry.
#[derive(Debug, Clone, Copy)]
pub struct Signing<'a> {
    /// The entry's actor.
    pub first: &'a Signer,
    /// Who signs beside it.
    pub others: &'a [&'a Signer],
}

impl<'a> Signing<'a> {
    /// One key alone.
    pub fn by(signer: &'a Signer) -> Self {
        Self { first: signer, others: &[] }
    }
}

/// A signed entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    text: String,
    id: EntryId,
    payload: Vec<u8>,
    signatures: Vec<(String, Vec<u8>)>,
    subjects: Vec<Subject>,
    predicate_type: String,
    predicate: Map<String, Value>,
}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More than 65,535 bytes.
    #[error("an entry of {0} bytes is longer than 65,535")]
    TooLong(usize),
    /// A body brings a member that every entry has of itself.
    #[error("an entry's body may not bring the member `{0}`")]
    Reserved(&'static str),
    /// A body holds what has no canonical bytes.
    #[error("the entry has no canonical bytes")]
    Canonical(#[from] CanonicalError),
    /// The bytes are not the canonical ones of their value: other spacing or order of keys, a key
    /// twice, a float.
    #[error("the entry's {0} is not in canonical bytes")]
    NotCanonical(&'static str),
    /// The bytes are no envelope of one statement.
    #[error("the entry is malformed: {0}")]
    Form(&'static str),
    /// The payload is of another type than an in-toto Statement.
    #[error("the entry's payload is of an unknown type")]
    PayloadType,
    /// It is not as the schema of its kind says.
    #[error(transparent)]
    Schema(#[from] schema::Error),
}

impl Entry {
    /// Makes and signs an entry as the schema of its kind says. The same arguments give the same
    /// bytes: the nonce is a keyed hash of the statement under the signer's own key.
    pub fn sign(
        kind: Kind,
        origin: &str,
        time: Instant,
        subjects: &[Subject],
        prev: &[EntryId],
        body: &Map<String, Value>,
        signer: &Signer,
    ) -> Result<Self, Error> {
        Self::sign_all(kind, origin, time, subjects, prev, body, &Signing::by(signer))
    }

    /// As `sign`, by several keys.
    pub fn sign_all(
        kind: Kind,
        origin: &str,
        time: Instant,
        subjects: &[Subject],
        prev: &[EntryId],
        body: &Map<String, Value>,
        signing: &Signing<'_>,
    ) -> Result<Self, Error> {
        Schema::check(kind, &body.iter(), subjects.len(), signing.others.len().saturating_add(1))?;
        Self::seal(kind, origin, time, subjects, prev, body, signing)
    }

    fn seal(
        kind: Kind,
        origin: &str,
        time: Instant,
        subjects: &[Subject],
        prev: &[EntryId],
        body: &Map<String, Value>,
        signing: &Signing<'_>,
    ) -> Result<Self, Error> {
        let signer = signing.first;
        if let Some(taken) = COMMON.into_iter().find(|name| body.contains_key(*name)) {
            return Err(Error::Reserved(taken));
        }
        let mut predicate = body.clone();
        predicate.insert("actor".to_owned(), signer.verifier().name().into());
        predicate.insert("time".to_owned(), time.to_string().into());
        predicate.insert("prev".to_owned(), prev.iter().map(ToString::to_string).collect());
        let mut statement = json!({
            "_type": STATEMENT_TYPE,
            "subject": subjects.iter().map(Subject::value).collect::<Vec<_>>(),
            "predicateType": format!("https://{origin}/predicate/{kind}/v1"),
            "predicate": predicate,
        });
        // Without the nonce an entry of few possible bodies could be guessed from its hash.
        let key = signer.secret("entry-nonce/v1");
        let nonce = hmac_sha3(&key, &digest::canonical(&statement)?);
        if let Some(members) = statement.get_mut("predicate").and_then(Value::as_object_mut) {
            members.insert("nonce".to_owned(), hex(nonce.split_at(16).0).into());
        }
        let payload = digest::canonical(&statement)?;
        let signatures = std::iter::once(&signer).chain(signing.others).map(|by| {
            let signature = STANDARD.encode(by.sign_typed(PAYLOAD_TYPE, &payload));
            json!({"keyid": by.verifier().key_id(), "sig": signature})
        });
        let envelope = digest::canonical(&json!({
            "payload": STANDARD.encode(&payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": signatures.collect::<Vec<_>>(),
        }))?;
        Self::parse(&envelope)
    }

    /// Parses and checks the form of an entry's bytes; signatures are checked by `verify`.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(Error::TooLong(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Error::Form("it is not UTF-8"))?;
        let envelope = canonical_value(bytes, "envelope")?;
        let [payload, payload_type, signatures] =
            members(&envelope, ["payload", "payloadType", "signatures"])?;
        if payload_type.as_str() != Some(PAYLOAD_TYPE) {
            return Err(Error::PayloadType);
        }
        let payload = base64(payload)?;
        let signatures = signatures
            .as_array()
            .filter(|signatures| !signatures.is_empty())
            .ok_or(Error::Form("it has no signatures"))?
            .iter()
            .map(|signature| {
                let [key, bytes] = members(signature, ["keyid", "sig"])?;
                Ok((string(key)?.to_owned(), base64(bytes)?))
            })
            .collect::<Result<Vec<_>, Error>>()?;

        let statement = canonical_value(&payload, "payload")?;
        let [statement_type, predicate, predicate_type, subjects] =
            members(&statement, ["_type", "predicate", "predicateType", "subject"])?;
        if statement_type.as_str() != Some(STATEMENT_TYPE) {
            return Err(Error::PayloadType);
        }
        let subjects = subjects
            .as_array()
            .ok_or(Error::Form("its subjects are no list"))?
            .iter()
            .map(Subject::read)
            .collect::<Result<Vec<_>, Error>>()?;
        let predicate =
            predicate.as_object().ok_or(Error::Form("its predicate is no object"))?.clone();
        let entry = Self {
            text: text.to_owned(),
            id: leaf_hash(bytes),
            predicate_type: string(predicate_type)?.to_owned(),
            payload,
            signatures,
            subjects,
            predicate,
        };
        if entry.kind().is_some() {
            entry.check_common()?;
        }
        Ok(entry)
    }

    fn check_common(&self) -> Result<(), Error> {
        let text = |name: &str| self.predicate.get(name).and_then(Value::as_str);
        let nonce = text("nonce").is_some_and(|nonce| {
            nonce.len() == 32 && nonce.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        });
        let time = text("time").is_some_and(|time| {
            Instant::parse(time).is_ok_and(|instant| instant.to_string() == time)
        });
        let prev = self.predicate.get("prev").and_then(Value::as_array).is_some_and(|prev| {
            prev.iter().all(|id| {
                id.as_str().is_some_and(|id| EntryId::parse(id).is_ok_and(|p| p.to_string() == id))
            })
        });
        if text("actor").is_some() && nonce && time && prev {
            Ok(())
        } else {
            Err(Error::Form("actor, nonce, prev or time is missing or of another form"))
        }
    }

    /// Returns the id: the RFC 6962 leaf hash of the bytes.
    pub fn id(&self) -> EntryId {
        self.id
    }

    /// Returns the bytes as they stand in the log.
    pub fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Returns the bytes as text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Says whether one of the keys signed it and none of them that appears on it failed.
    pub fn verify(&self, known: &[Verifier]) -> bool {
        let mut verified = false;
        for (name, bytes) in &self.signatures {
            if let Some(key) = known.iter().find(|key| key.key_id() == *name) {
                if !key.verify_typed(PAYLOAD_TYPE, &self.payload, bytes) {
                    return false;
                }
                verified = true;
            }
        }
        verified
    }

    /// Says whether this one key signed it.
    pub fn is_signed_by(&self, key: &Verifier) -> bool {
        let id = key.key_id();
        let mut own = self.signatures.iter().filter(|(name, _)| *name == id);
        own.next().is_some_and(|(_, bytes)| key.verify_typed(PAYLOAD_TYPE, &self.payload, bytes))
            && own.next().is_none()
    }

    /// Returns the names of the keys that stand under it, `name+hash`; whether they signed it is
    /// for [`Entry::is_signed_by`] to say.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.signatures.iter().map(|(name, _)| name.as_str())
    }

    /// Says whether it is as the schema of its kind says. An entry of a kind or version that is
    /// not known here has none, and is never guessed at.
    pub fn check(&self) -> Result<(), schema::Error> {
        let Some(kind) = self.kind() else { return Ok(()) };
        let body = self.predicate.iter().filter(|(name, _)| !COMMON.contains(&name.as_str()));
        Schema::check(kind, &body, self.subjects.len(), self.signatures.len())
    }

    /// Returns its kind; `None` where this version does not know it.
    pub fn kind(&self) -> Option<Kind> {
        self.typed().and_then(|(_, kind)| Kind::parse(kind))
    }

    /// Returns the origin that its predicate type names, where it is of our form.
    pub fn origin(&self) -> Option<&str> {
        self.typed().map(|(origin, _)| origin)
    }

    /// Takes apart `https://<origin>/predicate/<kind>/v1`.
    fn typed(&self) -> Option<(&str, &str)> {
        let rest = self.predicate_type.strip_prefix("https://")?.strip_suffix("/v1")?;
        rest.rsplit_once("/predicate/").filter(|(_, kind)| !kind.contains('/'))
    }

    /// Returns the predicate type as it stands, known or not.
    pub fn predicate_type(&self) -> &str {
        &self.predicate_type
    }

    /// Returns the predicate: common members (`actor`, `time`, `nonce`, `prev`) and the kind's own.
    pub fn body(&self) -> &Map<String, Value> {
        &self.predicate
    }

    /// Returns what it speaks of.
    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    /// Returns who says to have made it: a key's name.
    pub fn actor(&self) -> Option<&str> {
        self.predicate.get("actor").and_then(Value::as_str)
    }

    /// Returns when its actor says to have made it.
    pub fn time(&self) -> Option<Instant> {
        self.predicate.get("time").and_then(Value::as_str).and_then(|t| Instant::parse(t).ok())
    }

    /// Returns the ids of the entries it builds on.
    pub fn prev(&self) -> Vec<EntryId> {
        let ids = self.predicate.get("prev").and_then(Value::as_array);
        let ids = ids.into_iter().flatten().filter_map(Value::as_str);
        ids.filter_map(|id| EntryId::parse(id).ok()).collect()
    }
}

impl Subject {
    fn value(&self) -> Value {
        let mut digests = Map::new();
        digests.insert("sha3_256".to_owned(), self.sha3.to_string().into());
        if let Some(sha256) = self.sha256 {
            digests.insert("sha256".to_owned(), sha256.to_string().into());
        }
        json!({"name": self.name, "digest": digests})
    }

    fn read(value: &Value) -> Result<Self, Error> {
        const FORM: Error = Error::Form("a subject is no name with its digests");
        let [digests, name] = members(value, ["digest", "name"])?;
        let digests = digests.as_object().ok_or(FORM)?;
        let hex = |name: &str| digests.get(name).map(Value::as_str);
        let known = digests.keys().all(|name| name == "sha3_256" || name == "sha256");
        let (Some(Some(sha3)), true) = (hex("sha3_256"), known) else { return Err(FORM) };
        let sha256 = match hex("sha256") {
            None => None,
            Some(text) => Some(Sha256::parse(text.ok_or(FORM)?).map_err(|_| FORM)?),
        };
        let sha3 = Sha3Digest::parse(sha3).map_err(|_| FORM)?;
        Ok(Self { name: string(name)?.to_owned(), sha3, sha256 })
    }
}

/// Reads JSON that must stand in its canonical bytes; so no key can stand twice.
fn canonical_value(bytes: &[u8], part: &'static str) -> Result<Value, Error> {
    let value: Value = serde_json::from_slice(bytes).map_err(|_| Error::Form("it is not JSON"))?;
    match digest::canonical(&value) {
        Ok(canonical) if canonical == bytes => Ok(value),
        Ok(_) | Err(_) => Err(Error::NotCanonical(part)),
    }
}

/// Returns the values of an object that has these members and no others.
fn members<'a, const N: usize>(
    value: &'a Value,
    names: [&str; N],
) -> Result<[&'a Value; N], Error> {
    const FORM: Error = Error::Form("an object has other members than it should");
    let object = value.as_object().filter(|object| object.len() == N).ok_or(FORM)?;
    let found: Vec<&Value> = names.iter().filter_map(|name| object.get(*name)).collect();
    found.try_into().map_err(|_| FORM)
}

fn string(value: &Value) -> Result<&str, Error> {
    value.as_str().ok_or(Error::Form("a member is no text"))
}

fn base64(value: &Value) -> Result<Vec<u8>, Error> {
    STANDARD.decode(string(value)?).map_err(|_| Error::Form("a member is not base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        Signer::from_seed("commons.example/ledger/steward", &[7; 32]).unwrap()
    }

    fn body(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn entry(value: &Value) -> Result<Entry, Error> {
        let subject = Subject {
            name: "synthea-clinical@1".to_owned(),
            sha3: Sha3Digest::of(b"x"),
            sha256: Some(Sha256::of(b"x")),
        };
        Entry::seal(
            Kind::DatasetVersion,
            "commons.example/ledger",
            Instant::parse("2026-11-22T09:30:00Z").unwrap(),
            &[subject],
            &[leaf_hash(b"before")],
            &body(value),
            &Signing::by(&signer()),
        )
    }

    /// Signs any statement, as a faulty or foreign program might.
    fn envelope(payload: &[u8]) -> Vec<u8> {
        let sig = STANDARD.encode(signer().sign_typed(PAYLOAD_TYPE, payload));
        digest::canonical(&json!({
            "payload": STANDARD.encode(payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": signer().verifier().key_id(), "sig": sig}],
        }))
        .unwrap()
    }

    #[test]
    fn an_entry_reads_back_with_all_that_was_put_in() {
        let entry = entry(&json!({"dataset": "synthea-clinical", "rows": 12})).unwrap();
        let read = Entry::parse(entry.bytes()).unwrap();
        assert_eq!(read, entry);
        assert_eq!(read.id(), leaf_hash(read.bytes()));
        assert_eq!(read.kind(), Some(Kind::DatasetVersion));
        assert_eq!(read.origin(), Some("commons.example/ledger"));
        assert_eq!(read.body().get("rows"), Some(&json!(12)));
        assert_eq!(read.actor(), Some("commons.example/ledger/steward"));
        assert_eq!(read.time().unwrap().to_string(), "2026-11-22T09:30:00Z");
        assert_eq!(read.prev(), [leaf_hash(b"before")]);
        assert_eq!(read.subjects().len(), 1);
        assert!(read.verify(&[signer().verifier().clone()]));
        assert!(!read.verify(&[]));
        let other = Signer::from_seed("commons.example/ledger/steward", &[8; 32]).unwrap();
        assert!(!read.verify(&[other.verifier().clone()]));
    }

    #[test]
    fn the_same_act_gives_the_same_bytes_and_another_gives_another_nonce() {
        let nonce = |entry: &Entry| entry.body().get("nonce").cloned().unwrap();
        let (a, b) = (entry(&json!({"n": 1})).unwrap(), entry(&json!({"n": 1})).unwrap());
        assert_eq!(a.bytes(), b.bytes(), "an act done twice would stand in the book twice");
        assert_ne!(nonce(&a), nonce(&entry(&json!({"n": 2})).unwrap()));
    }

    #[test]
    fn a_body_may_not_bring_a_common_member_or_a_float_or_too_much() {
        assert_eq!(entry(&json!({"time": "x"})), Err(Error::Reserved("time")));
        assert!(matches!(entry(&json!({"rate": 0.5})), Err(Error::Canonical(_))));
        let long = "x".repeat(49_200);
        assert!(matches!(entry(&json!({"text": long})), Err(Error::TooLong(_))));
    }

    #[test]
    fn bytes_that_could_be_written_another_way_are_refused() {
        let good = entry(&json!({"n": 1})).unwrap();
        let spaced = good.text().replacen(',', ", ", 1);
        assert_eq!(Entry::parse(spaced.as_bytes()), Err(Error::NotCanonical("envelope")));
        let twice = good.text().replacen('{', "{\"payload\":\"\",", 1);
        assert_eq!(Entry::parse(twice.as_bytes()), Err(Error::NotCanonical("envelope")));
        let payload = String::from_utf8(good.payload.clone()).unwrap();
        assert!(Entry::parse(&envelope(payload.as_bytes())).is_ok());
        for (from, to) in [
            ("\"n\":1", "\"n\":1,\"n\":1"),
            ("\"n\":1", "\"n\":1.0"),
            ("\"n\":1", "\"n\": 1"),
            ("\"n\":1", "\"n\":\"\\u0041\""),
        ] {
            assert!(payload.contains(from));
            let changed = payload.replacen(from, to, 1);
            assert_eq!(
                Entry::parse(&envelope(changed.as_bytes())),
                Err(Error::NotCanonical("payload")),
                "{to} passed"
            );
        }
    }

    #[test]
    fn an_unknown_payload_type_or_form_is_refused() {
        let good = entry(&json!({"n": 1})).unwrap();
        let other = good.text().replace("in-toto+json", "in-tata+json");
        assert_eq!(Entry::parse(other.as_bytes()), Err(Error::PayloadType));
        let payload = String::from_utf8(good.payload.clone()).unwrap();
        for (from, to) in [
            ("2026-11-22T09:30:00Z", "2026-11-22T09:30:00+00:00"),
            ("\"prev\":[\"", "\"prev\":[\"0"),
            ("\"nonce\":\"", "\"nonce\":\"0"),
            ("\"sha256\"", "\"sha257\""),
            ("\"subject\"", "\"subjekt\""),
        ] {
            let changed = payload.replacen(from, to, 1);
            assert_ne!(changed, payload);
            assert!(Entry::parse(&envelope(changed.as_bytes())).is_err(), "{to} passed");
        }
        assert!(Entry::parse(b"entry-0").is_err());
        assert!(Entry::parse(b"").is_err());
        assert!(Entry::parse(&[0xff; 9]).is_err());
    }

    #[test]
    fn an_unknown_kind_is_shown_and_never_guessed() {
        let good = entry(&json!({"n": 1})).unwrap();
        let payload = String::from_utf8(good.payload.clone()).unwrap();
        for kind in ["dataset-version/v2", "dataset-versions/v1", "x/dataset-version/v1"] {
            let changed = payload.replace("dataset-version/v1", kind);
            let read = Entry::parse(&envelope(changed.as_bytes())).unwrap();
            assert_eq!(read.kind(), None, "{kind} was taken for a kind that is known");
            assert!(read.predicate_type().ends_with(kind));
            assert_eq!(read.body().get("n"), Some(&json!(1)));
        }
        assert_eq!(Kind::ALL.map(|kind| Kind::parse(kind.as_str())), Kind::ALL.map(Some));
    }

    #[test]
    fn every_bit_of_an_entry_is_covered_by_its_signature_or_form() {
        let good = entry(&json!({"n": 1})).unwrap();
        let known = [signer().verifier().clone()];
        for at in (0..good.bytes().len()).step_by(7) {
            let mut bytes = good.bytes().to_vec();
            bytes[at] ^= 1 << (at % 7);
            let held = Entry::parse(&bytes).is_ok_and(|entry| entry.verify(&known));
            assert!(!held, "byte {at} is not covered");
        }
    }
}
