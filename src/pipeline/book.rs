//! The public book as people ask it: what stands in it, proofs of an entry, of a person's record in
//! a dataset version, and of its absence; and the check of the book itself.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

pub use crate::ledger::{Verified, verify_book};
use crate::{
    consent::{self, Register},
    digest::{Sha256, hex},
    lake::{self, Lake},
    ledger::{
        self, Entry, EntryId, LogProof, ProofFile, Reader,
        line::Lines,
        proof_file::{self, Claim},
        record::{self, Evidence, RecordTree},
        witnessed::first_covering,
    },
    party::ContributorId,
    report::PageProofs,
    signed_note::Verifier,
    site::{self, Site},
    store::{self, Store},
};

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
    /// A proof does not hold.
    #[error("the proof does not hold")]
    Proof(#[from] proof_file::Error),
    /// There is no such entry.
    #[error("the book has no such entry")]
    NoEntry,
    /// The person is unknown here, so has no key.
    #[error("this site knows nobody of that id")]
    NoPerson,
    /// A proof of presence was asked for somebody who is absent, or the other way round.
    #[error("the person is {0} that version")]
    Otherwise(&'static str),
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

/// Returns the size and root of the book as the world is shown it.
pub fn head(site: &Site) -> Result<(u64, Sha256), Error> {
    Ok(Prover::open(site)?.head())
}

/// The book, opened to prove from it to others.
#[derive(Debug)]
pub struct Prover {
    /// As the world is shown it.
    reader: Reader,
    zone: Store,
    origin: String,
    known: Vec<Verifier>,
}

/// An entry's place in the book, under one signed checkpoint.
#[derive(Debug, Clone)]
pub struct Booked {
    entry: Entry,
    log: LogProof,
    /// The keys that vouch for the checkpoint.
    keys: Vec<Verifier>,
}

impl Prover {
    /// Opens the book of a site.
    pub fn open(site: &Site) -> Result<Self, Error> {
        // The key that the log began with: the others follow from it.
        let first = site.trust().first_log_key();
        Self::new(&site.ledger(), &site.about().origin, std::slice::from_ref(first))
    }

    /// Opens a book, as the known keys vouch for it.
    pub fn new(zone: &Store, origin: &str, known: &[Verifier]) -> Result<Self, Error> {
        let reader = Reader::open(zone, origin, known)?;
        let (origin, known) = (origin.to_owned(), known.to_vec());
        Ok(Self { reader, zone: zone.clone(), origin, known })
    }

    /// Returns the size and root of the current checkpoint.
    pub fn head(&self) -> (u64, Sha256) {
        (self.reader.size(), self.reader.root())
    }

    /// Proves that the newest entry is under the current checkpoint.
    pub fn newest(&self) -> Result<Booked, Error> {
        booked(&self.reader, self.reader.size().checked_sub(1).ok_or(Error::NoEntry)?)
    }

    /// Finds an entry under the current checkpoint, or where it awaits its witnesses still, under the
    /// newest that is signed.
    pub fn find(&self, id: &EntryId) -> Result<Booked, Error> {
        if let Some(index) = self.reader.find(id)? {
            return booked(&self.reader, index);
        }
        let signed = self.signed()?;
        booked(&signed, signed.find(id)?.ok_or(Error::NoEntry)?)
    }

    fn at(&self, index: u64) -> Result<Booked, Error> {
        if index < self.reader.size() {
            return booked(&self.reader, index);
        }
        let signed = self.signed()?;
        if index < signed.size() { booked(&signed, index) } else { Err(Error::NoEntry) }
    }

    fn signed(&self) -> Result<Reader, Error> {
        let newest = self.reader.checkpoint_sizes()?.last().copied().ok_or(Error::NoEntry)?;
        Ok(Reader::open_size(&self.zone, &self.origin, &self.known, newest)?)
    }

    /// Finds an entry under the first checkpoint that covers it and that the world may be shown, so that
    /// its proofs are the same bytes whenever they are made.
    fn first(&self, index: u64) -> Result<Booked, Error> {
        let first = first_covering(&self.zone, &self.origin, &self.known, index)?;
        let Some((note, opened)) = first else { return self.at(index) };
        let then = opened.checkpoint.size;
        let then = Reader::open_size(&self.zone, &self.origin, &self.known, then)?;
        let Booked { entry, log, .. } = booked(&then, index)?;
        let keys = opened.vouched.into_iter().map(|vouched| vouched.by).collect();
        Ok(Booked { entry, log: LogProof { checkpoint: note, ..log }, keys })
    }
}

fn booked(reader: &Reader, index: u64) -> Result<Booked, Error> {
    let keys = reader.vouched().iter().map(|vouched| vouched.by.clone()).collect();
    let (leaf, log) = reader.prove_leaf(index)?;
    let entry =
        Entry::parse(&leaf).map_err(|source| ledger::reader::Error::Entry { index, source })?;
    Ok(Booked { entry, log, keys })
}

impl Booked {
    /// Makes the proof of a claim about the entry, once it holds.
    pub fn prove(&self, claim: Claim) -> Result<ProofFile, Error> {
        let proof = ProofFile::new(self.entry.clone(), claim, self.log.clone());
        proof.verify(&self.keys)?;
        Ok(proof)
    }

    /// Proves a claim for a page, and names the key that signed the checkpoint.
    pub fn prove_on(&self, page: &mut PageProofs, claim: Claim) -> Result<(), Error> {
        let proof = ProofFile::new(self.entry.clone(), claim, self.log.clone());
        let vouched = proof.verify(&self.keys)?.opened.vouched;
        let key = vouched.iter().find(|vouched| vouched.by.name() == proof.origin());
        let key = key.ok_or(Error::NoEntry)?;
        page.add(key.by.vkey(), proof.text()?);
        Ok(())
    }

    /// Returns the root of lines that the entry names.
    pub fn root(&self) -> Option<Sha256> {
        Sha256::parse(self.entry.body().get("root")?.as_str()?).ok()
    }
}

/// Returns every entry that names a root of lines, with its place in the book.
pub fn with_lines(site: &Site) -> Result<BTreeMap<EntryId, Booked>, Error> {
    let prover = Prover::open(site)?;
    let mut booked = BTreeMap::new();
    for entry in reader(site)?.entries() {
        let (index, entry) = entry?;
        if entry.kind().and_then(Lines::of).is_some() {
            booked.insert(entry.id(), prover.first(index)?);
        }
    }
    Ok(booked)
}

/// Proves that an entry is in the log. It is named by index or id.
pub fn prove_entry(site: &Site, name: &str) -> Result<ProofFile, Error> {
    let prover = Prover::open(site)?;
    let place = match (Sha256::parse(name), name.parse::<u64>()) {
        (Ok(id), _) => prover.find(&id)?,
        (Err(_), Ok(index)) => prover.at(index)?,
        (Err(_), Err(_)) => return Err(Error::NoEntry),
    };
    place.prove(Claim::Entry {})
}

/// Proves that a person's record is in a version, or, with `absent`, that none is. The first of a
/// person's ids is the one in use; a version of before a merge may hold them under another.
pub fn prove_record(
    site: &Site,
    ids: &[ContributorId],
    dataset: &str,
    absent: bool,
) -> Result<ProofFile, Error> {
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
) -> Result<ProofFile, Error> {
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
    let entry = Entry::parse(version.entry.as_bytes())?;
    let claim = Claim::Record { token: Sha256(token), evidence, opening: None };
    Prover::open(site)?.find(&entry.id())?.prove(claim)
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
