//! The sender offers: what of a patient's record may go to a partner, kept as it is until it goes.
//!
//! Comes in: patients, the records, what they consented to. Goes out: the kept lines in the vault, one
//! signed offer a patient. Never: a line that no consent permits, or an offer that nobody can approve.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{
    Clerk, Error, Partner, Refused, Why,
    book::{Content, End, Line, Step},
    consents::Decided,
    file::File,
};
use crate::{
    consent::fhir::Coding,
    digest::{Sha3Digest, hmac_sha256},
    instant::Instant,
    party::InstitutionId,
    store::{self, Store},
    transfer::{
        ApproverKey, Asked, ConsentRef, Consented, Demographics, Offer, PairSecret, Selected,
        Signed, TransferId, Wanted, each_patient, select, tokens,
    },
};

/// How much of all records is held in memory before it is written to the vault.
const HELD_BYTES_MAX: usize = 64 << 20;
/// How much of one record is written as one object.
const PIECE_BYTES_MAX: usize = 4 << 20;

const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";

/// A patient whose record can be offered.
struct Ready {
    patient: String,
    transfer: TransferId,
    approvers: Vec<ApproverKey>,
    demographics: Demographics,
    consented: Consented,
}

impl Clerk<'_> {
    /// Offers the records of patients to a partner, in one pass over them. Who has an open transfer to
    /// this partner for this purpose is not offered again; whom no consent permits is refused.
    pub fn offer(
        &mut self,
        partner: &InstitutionId,
        patients: &[String],
        purpose: Option<&str>,
    ) -> Result<(), Error> {
        let desk = self.desk;
        let partner = desk.partner(partner)?;
        let purpose = purpose.unwrap_or(&desk.purpose);
        let pair = self.pair(partner)?;
        let ready = self.ready(partner, patients, purpose)?;
        if ready.is_empty() {
            return Ok(());
        }
        self.progress.stage("offer", ready.len() as u64);
        let wanted: Vec<Wanted<'_>> = ready
            .iter()
            .map(|own| Wanted { patient: &own.patient, consented: &own.consented })
            .collect();
        let vault = self.site.vault();
        let mut keeper = Keeper::new(&vault, &ready);
        let found = select(&desk.records, &wanted, &mut |at, file, line| {
            keeper.keep(at, file, line).map_err(std::io::Error::other)
        })?;
        let contents = keeper.end()?;
        let mut lines = Vec::new();
        for ((own, selected), content) in ready.iter().zip(found).zip(contents) {
            self.progress.step();
            if selected.manifest.resources == 0 {
                let why = Why::NothingPermitted("all of it is withheld".to_owned());
                self.refuse_offer(partner, patients, &own.patient, why);
                continue;
            }
            lines.push(self.offer_line(partner, purpose, &pair, own, selected, content)?);
        }
        self.commit(Step::Offered, &partner.institution, lines)
    }

    /// Returns the secret that this site shares with a partner.
    pub(super) fn pair(&self, partner: &Partner) -> Result<PairSecret, Error> {
        let own = &self.desk.institution;
        Ok(PairSecret::of(own, &self.key, &partner.institution, &partner.hpke)?)
    }

    /// Says who asks, what for, today.
    pub(super) fn asked(&self, to: &InstitutionId, purpose: &str) -> Asked {
        let names = [format!("Organization/{to}"), to.to_string()];
        Asked {
            recipients: names.into(),
            custodian: Some(format!("Organization/{}", self.desk.institution)),
            purpose: purpose.to_owned(),
            day: self.now().date(),
            unlabelled: self.desk.unlabelled.as_deref().map(|c| Coding::new(CONFIDENTIALITY, c)),
        }
    }

    fn ready(
        &mut self,
        partner: &Partner,
        patients: &[String],
        purpose: &str,
    ) -> Result<Vec<Ready>, Error> {
        let to = &partner.institution;
        let mut wanted: BTreeMap<&str, u32> =
            patients.iter().map(|own| (own.as_str(), 0)).collect();
        let mut open = BTreeSet::new();
        for held in self.book.transfers.values() {
            let Some(earlier) = wanted.get_mut(held.patient.as_str()) else { continue };
            if held.end == End::Sender && held.partner == *to {
                *earlier += 1;
                if held.is_open() && held.offer()?.payload.purpose == purpose {
                    open.insert(held.patient.clone());
                }
            }
        }
        wanted.retain(|patient, _| !open.contains(*patient));
        self.outcome.known += open.len() as u64;
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let mut people: BTreeMap<String, Demographics> = BTreeMap::new();
        each_patient(&self.desk.records, &mut |local, patient| {
            if wanted.contains_key(local) {
                people.insert(local.to_owned(), Demographics::of(patient));
            }
        })?;
        let names = people.keys().cloned().collect();
        let decided = Decided::load(self.site, self.desk, &names)?;
        let asked = self.asked(to, purpose);
        let mut ready = Vec::new();
        for (patient, earlier) in wanted {
            let refuse = |clerk: &mut Self, why| {
                clerk.refuse_offer(partner, patients, patient, why);
            };
            let Some(demographics) = people.remove(patient) else {
                refuse(self, Why::NoPatient);
                continue;
            };
            let approvers = self.approvers_of(patient);
            if approvers.is_empty() {
                refuse(self, Why::NoApprover);
                continue;
            }
            let registered = decided.registered(patient, asked.day);
            let consented = decided.consents(patient).judge(&asked, registered);
            if let Some(words) = consented.refusal() {
                refuse(self, Why::NothingPermitted(words.to_owned()));
                continue;
            }
            let transfer = self.transfer_id(to, purpose, patient, earlier);
            let patient = patient.to_owned();
            ready.push(Ready { patient, transfer, approvers, demographics, consented });
        }
        Ok(ready)
    }

    /// Makes the id of a transfer: random to whoever lacks the site's secret, and the same again where a
    /// crash undid an offer, so that nothing is kept twice.
    fn transfer_id(
        &self,
        to: &InstitutionId,
        purpose: &str,
        patient: &str,
        earlier: u32,
    ) -> TransferId {
        let parts = [to.as_str().as_bytes(), purpose.as_bytes(), patient.as_bytes()];
        let lengths = parts.map(|part| (part.len() as u64).to_be_bytes());
        let count = earlier.to_be_bytes();
        let mut all: Vec<&[u8]> = lengths.iter().map(<[u8; 8]>::as_slice).collect();
        all.extend(parts);
        all.push(&count);
        let mac = hmac_sha256(&self.site.secret("transfer-id"), &all);
        let mut id = [0; 16];
        id.iter_mut().zip(mac).for_each(|(to, from)| *to = from);
        TransferId(id)
    }

    fn offer_line(
        &self,
        partner: &Partner,
        purpose: &str,
        pair: &PairSecret,
        own: &Ready,
        selected: Selected,
        content: Vec<Content>,
    ) -> Result<Line, Error> {
        let now = self.now();
        let days = i64::from(self.desk.expires_days) * 86_400;
        let offer = Offer {
            transfer: own.transfer,
            from: self.own(),
            to: partner.side(),
            purpose: purpose.to_owned(),
            issued: now,
            expires: Instant::from_unix(now.unix().saturating_add(days)).map_err(|_| Error::Bug)?,
            tokens: tokens(pair, &own.demographics),
            manifest: selected.manifest,
            consent: ConsentRef {
                documents: own.consented.documents().to_vec(),
                decision: selected.decision,
            },
            approvers: own.approvers.clone(),
        };
        let file = File::Offer(Signed::sign(offer, self.site.keys().steward())?);
        Ok(Line {
            transfer: own.transfer,
            role: End::Sender,
            patient: own.patient.clone(),
            digest: file.digest()?,
            file,
            answers: Vec::new(),
            score: None,
            content,
            sealed: None,
        })
    }

    /// Tells that a patient's record is not offered, by the place in what was asked for.
    fn refuse_offer(&mut self, partner: &Partner, patients: &[String], patient: &str, why: Why) {
        let place = patients.iter().position(|own| own == patient).map_or(0, |at| at + 1);
        self.outcome.refused.push(Refused {
            file: format!("patient {place} of {}", patients.len()),
            partner: Some(partner.institution.clone()),
            transfer: None,
            why,
        });
    }
}

/// Keeps lines of many records, each piece an object of the vault that is named by its content.
struct Keeper<'a> {
    vault: &'a Store,
    records: Vec<Record>,
    held: usize,
}

struct Record {
    transfer: TransferId,
    file: String,
    bytes: Vec<u8>,
    content: Vec<Content>,
}

impl Record {
    fn put(&mut self, vault: &Store) -> Result<usize, store::Error> {
        let bytes = Bytes::from(std::mem::take(&mut self.bytes));
        if bytes.is_empty() {
            return Ok(0);
        }
        let digest = Sha3Digest::of(&bytes);
        let path = format!("transfers/content/{}/{digest}", self.transfer);
        vault.put_content(&path, &bytes)?;
        let (file, length) = (self.file.clone(), bytes.len());
        self.content.push(Content { file, path, digest, bytes: length as u64 });
        Ok(length)
    }
}

impl<'a> Keeper<'a> {
    fn new(vault: &'a Store, ready: &[Ready]) -> Self {
        let record = |own: &Ready| Record {
            transfer: own.transfer,
            file: String::new(),
            bytes: Vec::new(),
            content: Vec::new(),
        };
        Self { vault, records: ready.iter().map(record).collect(), held: 0 }
    }

    fn keep(&mut self, at: usize, file: &str, line: &[u8]) -> Result<(), store::Error> {
        let Some(record) = self.records.get_mut(at) else { return Ok(()) };
        if record.file != file || record.bytes.len() >= PIECE_BYTES_MAX {
            self.held -= record.put(self.vault)?;
            file.clone_into(&mut record.file);
        }
        record.bytes.extend_from_slice(line);
        record.bytes.push(b'\n');
        self.held += line.len() + 1;
        if self.held > HELD_BYTES_MAX {
            for record in &mut self.records {
                self.held -= record.put(self.vault)?;
            }
        }
        Ok(())
    }

    fn end(mut self) -> Result<Vec<Vec<Content>>, store::Error> {
        for record in &mut self.records {
            record.put(self.vault)?;
        }
        Ok(self.records.into_iter().map(|record| record.content).collect())
    }
}
