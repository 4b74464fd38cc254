//! The public book as people ask it: what stands in it, proofs of an entry, of a person's record in
//! a dataset version, and of its absence; and the check of the book itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::ledger::{Verified, verify_book};
use crate::{
    consent::{self, Register},
    digest::{Sha256, hex},
    lake::{self, Lake},
    ledger::{
        self, Entry, LogProof, Reader,
        record::{self, Evidence, RecordTree},
    },
    party::ContributorId,
    signed_note::Verifier,
    site::{self, Site},
    store,
};

/// What a proof of a record or its absence calls itself.
const PROOF_FORMAT: &str = "almoner/record-proof/v1";

/// Why the book cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The book cannot be believed or read.
    #[error("the book cannot be believed")]
    Reader(#[from] ledger::reader::Error),
    /// The site failed.
    #[error(transparent)]
    Site(#[from] site::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The lake failed.
    #[error(transparent)]
    Lake(#[from] lake::Error),
    /// The consent register failed.
    #[error(transparent)]
    Consent(#[from] consent::Error),
    /// An entry cannot be read.
    #[error("an entry cannot be read")]
    Entry(#[from] ledger::entry::Error),
    /// The record tree or a proof about it is broken.
    #[error("the record tree is broken")]
    Record(#[from] record::Error),
    /// A proof about the log is broken.
    #[error("the proof of the entry is broken")]
    Log(#[from] ledger::proof::Error),
    /// There is no such entry.
    #[error("the book has no such entry")]
    NoEntry,
    /// The person is unknown here, so has no key.
    #[error("this site knows nobody of that id")]
    NoPerson,
    /// A proof of presence was asked for somebody who is absent, or the other way round.
    #[error("the person is {0} that version")]
    Otherwise(&'static str),
    /// A file is no proof.
    #[error("the file is no proof: {0}")]
    Form(String),
    /// A proof and the entry it rests on do not fit together.
    #[error("the proof does not hold: {0}")]
    Refused(String),
}

/// One line of the book.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// Its leaf index.
    pub index: u64,
    /// Its id: its leaf hash.
    pub id: Sha256,
    /// Its kind, as its predicate type says.
    pub kind: String,
    /// When, by the operator's clock.
    pub time: String,
    /// What it speaks of.
    pub subjects: Vec<String>,
    /// What it says.
    pub body: Value,
}

impl Line {
    fn of(index: u64, entry: &Entry) -> Self {
        let predicate = entry.predicate_type();
        let kind = entry.kind().map(|kind| kind.as_str().to_owned());
        Self {
            index,
            id: entry.id(),
            kind: kind.unwrap_or_else(|| format!("unknown: {predicate}")),
            time: entry.time().map(|time| time.to_string()).unwrap_or_default(),
            subjects: entry.subjects().iter().map(|s| s.name.clone()).collect(),
            body: Value::Object(entry.body().clone()),
        }
    }
}

/// A proof that a person's record is in a dataset version, or that none is. It needs no site: the
/// checkpoint's key is all that the checker brings.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordProof {
    /// What this is.
    pub format: String,
    /// The ledger's origin.
    pub origin: String,
    /// The dataset.
    pub dataset: String,
    /// Its version.
    pub version: u64,
    /// The person's token in it, in hex; who made it keeps the key.
    pub token: Sha256,
    /// The leaf, or the neighbours between which it would stand.
    pub evidence: Evidence,
    /// The entry of the version, which names the record tree's root and count.
    pub entry: String,
    /// The proof that the entry is in the log, as a C2SP tlog-proof.
    pub log_proof: String,
}

/// What a proof shows.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// `present` or `absent`.
    pub what: &'static str,
    /// The dataset.
    pub dataset: String,
    /// Its version.
    pub version: u64,
    /// People in that version.
    pub people: u64,
    /// The signed log's size.
    pub log_size: u64,
}

/// The book at its newest signed checkpoint: the steward reads also what awaits its witnesses.
fn reader(site: &Site) -> Result<Reader, Error> {
    let known = [site.log_verifier().clone()];
    Ok(Reader::open_size(&site.ledger(), &site.about().origin, &known, site.book_size()?)?)
}

/// Reads all entries, or those from `from` on.
pub fn show(site: &Site, from: u64) -> Result<Vec<Line>, Error> {
    let reader = reader(site)?;
    let mut lines = Vec::new();
    for entry in reader.entries() {
        let (index, entry) = entry?;
        if index >= from {
            lines.push(Line::of(index, &entry));
        }
    }
    Ok(lines)
}

/// Returns the newest signed checkpoint.
pub fn checkpoint(site: &Site) -> Result<String, Error> {
    Ok(reader(site)?.note().to_owned())
}

/// Returns the size and root of the signed book.
pub fn head(site: &Site) -> Result<(u64, Sha256), Error> {
    let reader = reader(site)?;
    Ok((reader.size(), reader.root()))
}

/// Proves that an entry is in the log: C2SP tlog-proof. The entry is named by index or id.
pub fn prove_entry(site: &Site, name: &str) -> Result<LogProof, Error> {
    let reader = reader(site)?;
    let index = match (name.parse::<u64>(), Sha256::parse(name)) {
        (Ok(index), _) if index < reader.size() => index,
        (_, Ok(id)) => reader.find(&id)?.ok_or(Error::NoEntry)?,
        (_, Err(_)) => return Err(Error::NoEntry),
    };
    Ok(reader.prove(index)?)
}

/// Proves that a person's record is in a version, or, with `absent`, that none is. The first of a
/// person's ids is the one in use; a version of before a merge may hold them under another.
pub fn prove_record(
    site: &Site,
    ids: &[ContributorId],
    dataset: &str,
    absent: bool,
) -> Result<RecordProof, Error> {
    let mut found = Err(Error::NoPerson);
    for id in ids {
        match prove_id(site, id, dataset, absent) {
            Err(Error::NoPerson) => {}
            // Not under this id: perhaps under the next.
            Err(Error::Otherwise(place)) if !absent => found = Err(Error::Otherwise(place)),
            Ok(proof) if !absent => return Ok(proof),
            // Absent is who is absent under all ids; the proof is of the one in use.
            Ok(proof) => found = found.or(Ok(proof)),
            Err(error) => return Err(error),
        }
    }
    found
}

fn prove_id(
    site: &Site,
    person: &ContributorId,
    dataset: &str,
    absent: bool,
) -> Result<RecordProof, Error> {
    let version = Lake::new(site.lake()).find(dataset)?.version;
    let register = Register::load(&site.vault())?;
    let people = register.people();
    let key =
        people.index(person.as_str()).and_then(|index| people.key(index)).ok_or(Error::NoPerson)?;
    let token = record::token(key, &version.dataset, version.version);
    let tree = RecordTree::read(&site.ledger().get(&version.record.path)?)?;
    let evidence = tree.prove(&token)?;
    match (&evidence, absent) {
        (Evidence::Present { .. }, false) | (Evidence::Absent { .. }, true) => {}
        (Evidence::Present { .. }, true) => return Err(Error::Otherwise("in")),
        (Evidence::Absent { .. }, false) => return Err(Error::Otherwise("not in")),
    }
    let reader = reader(site)?;
    let entry = Entry::parse(version.entry.as_bytes())?;
    let index = reader.find(&entry.id())?.ok_or(Error::NoEntry)?;
    Ok(RecordProof {
        format: PROOF_FORMAT.to_owned(),
        origin: site.about().origin.clone(),
        dataset: version.dataset,
        version: version.version,
        token: Sha256(token),
        evidence,
        entry: version.entry,
        log_proof: reader.prove(index)?.to_string(),
    })
}

/// Checks a proof with nothing but the log's public key.
pub fn verify_record_proof(text: &str, known: &[Verifier]) -> Result<Shown, Error> {
    let proof: RecordProof = serde_json::from_str(text).map_err(|e| Error::Form(e.to_string()))?;
    if proof.format != PROOF_FORMAT {
        return Err(Error::Form("it is of another format".to_owned()));
    }
    let entry = Entry::parse(proof.entry.as_bytes())?;
    let log_proof = LogProof::parse(&proof.log_proof)?;
    let opened = log_proof.verify(&entry.id(), &proof.origin, known)?;
    let body = entry.body();
    let said = |name: &str| body.get(name).and_then(Value::as_str);
    if said("dataset") != Some(&proof.dataset)
        || body.get("version").and_then(Value::as_u64) != Some(proof.version)
    {
        return Err(Error::Refused("the entry is of another version".to_owned()));
    }
    let record = body.get("record");
    let root = record
        .and_then(|record| record.get("root")?.as_str())
        .and_then(|root| Sha256::parse(root).ok())
        .ok_or_else(|| Error::Refused("the entry names no record root".to_owned()))?;
    let count = record
        .and_then(|record| record.get("count")?.as_u64())
        .ok_or_else(|| Error::Refused("the entry counts no records".to_owned()))?;
    let what = match &proof.evidence {
        Evidence::Present { .. } => {
            let _commitment: [u8; 32] =
                proof.evidence.verify_present(&proof.token.0, &root, count)?;
            "present"
        }
        Evidence::Absent { .. } => {
            proof.evidence.verify_absent(&proof.token.0, &root, count)?;
            "absent"
        }
    };
    Ok(Shown {
        what,
        dataset: proof.dataset,
        version: proof.version,
        people: count,
        log_size: opened.checkpoint.size,
    })
}

/// Says in hex what a leaf hash is; for faces.
pub fn short(id: &Sha256) -> String {
    hex(id.as_bytes().split_at(6).0)
}

/// Reads every object of the book and names each that is not what its signed checkpoint says.
pub fn verify(site: &Site) -> Result<Verified, Error> {
    let known = [site.log_verifier().clone()];
    Ok(verify_book(&site.ledger(), &site.about().origin, &known)?)
}
