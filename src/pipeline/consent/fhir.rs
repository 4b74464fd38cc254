//! Imports FHIR Consents: one act over many files, all of it or nothing.
//!
//! Comes in: files and who a patient is. Goes out: events of the register, and a report on what was
//! left out. Never: more granted than a document permits, or a value in the report.

use std::{collections::BTreeMap, fs::File, io::BufReader, path::PathBuf};

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use super::{Error, Outcome, Source, record, unpacked};
use crate::{
    consent::{
        Register,
        fhir::{self, Note, read_documents, take_in},
    },
    digest::Sha3Digest,
    linkage::PersonIndex,
    party::{ContributorId, InstitutionId},
    site::Site,
};

/// Says who an institution's patient is; none where nobody knows.
type Resolve<'a> = dyn Fn(&InstitutionId, &str) -> Option<ContributorId> + 'a;

/// How many places of documents are told one by one.
const PLACES_TOLD_MAX: usize = 1_000;

/// What an import of FHIR Consents made of its documents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The files.
    pub files: u64,
    /// The Consents in them.
    pub documents: u64,
    /// Consents that granted something.
    pub granting: u64,
    /// Consents whose patient the person index does not know; they are put aside.
    pub not_linked: u64,
    /// How many Consents had something left out or widened, by reason.
    pub left_out: BTreeMap<Note, u64>,
    /// Where those stand: the first thousand.
    pub places: Vec<Place>,
    /// Consents that were put aside: where, and why.
    pub put_aside: Vec<PutAside>,
}

/// Where a document stands of which something was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line, or the entry of a Bundle.
    pub line: u64,
    /// Why.
    pub reasons: Vec<Note>,
}

/// A document that was put aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PutAside {
    /// The file.
    pub file: PathBuf,
    /// The line, or the entry of a Bundle.
    pub line: u64,
    /// Why.
    pub reason: &'static str,
}

/// Imports Consents. An institution's patient is whom the person index says; where nothing is
/// linked, the id itself, as `namespace:id` where there is a namespace. The files are kept in the
/// vault as they came.
pub fn import_fhir(
    site: &Site,
    sources: &[Source],
    namespace: &str,
) -> Result<(Outcome, Report), Error> {
    let index = PersonIndex::load(&site.vault())?;
    let resolve = |own: &InstitutionId, local: &str| index.person(own, local).cloned();
    let linked = index.commit() > 0;
    import(site, sources, namespace, linked.then_some(&resolve as &Resolve<'_>))
}

fn import(
    site: &Site,
    sources: &[Source],
    namespace: &str,
    resolve: Option<&Resolve<'_>>,
) -> Result<(Outcome, Report), Error> {
    let mut report = Report::default();
    let mut documents = Vec::new();
    let mut files = Vec::new();
    for source in sources {
        let fault = |error| Error::Read { file: source.file.clone(), source: error };
        let bytes = std::fs::read(&source.file).map_err(fault)?;
        let digest = Sha3Digest::of(&bytes);
        let opened = File::open(&source.file).and_then(unpacked).map_err(fault)?;
        let found = read_documents(BufReader::with_capacity(1 << 18, opened)).map_err(fault)?;
        report.files += 1;
        for found in found {
            report.documents += 1;
            let mut aside = |reason| {
                let (file, line) = (source.file.clone(), found.line);
                report.put_aside.push(PutAside { file, line, reason });
            };
            let document = match found.document {
                Ok(document) => document,
                Err(reason) => {
                    aside(reason);
                    continue;
                }
            };
            let local = local(&document.patient);
            let linked = source.institution.as_ref().zip(resolve);
            let person = match linked {
                Some((own, resolve)) => resolve(own, local).ok_or("`patient` is not linked"),
                None => named(namespace, local).ok_or("`patient` is no id"),
            };
            let person = match person {
                Ok(person) => person,
                Err(reason) => {
                    aside(reason);
                    report.not_linked += u64::from(linked.is_some());
                    continue;
                }
            };
            // Whom the index knows decides for records everywhere, as one person; where there is
            // none, an institution can speak for its own records alone.
            let reach = source.institution.as_ref().filter(|_| linked.is_none());
            let intake = take_in(&document, reach);
            report.granting += u64::from(!intake.grants.is_empty());
            report.note(source, found.line, intake.notes.iter().copied().collect());
            documents.push((person, intake));
        }
        files.push((digest, source.institution.clone(), Bytes::from(bytes)));
    }
    let register = Register::load(&site.vault())?;
    let events = fhir::events(&register, documents).map_err(|_| Error::Event)?;
    // The files are durable before the commit that names them.
    let mut listed = Vec::new();
    for (digest, institution, bytes) in &files {
        site.vault().put_content(&format!("consent/documents/{digest}"), bytes)?;
        listed.push(json!({"sha3": digest, "institution": institution}));
    }
    let list = Bytes::from(serde_json::to_vec(&listed).map_err(|_| Error::Event)?);
    let digest = Sha3Digest::of(&list);
    site.vault().put_content(&format!("consent/documents/{digest}.json"), &list)?;
    let outcome = record(site, events, &format!("{}sha3:{digest}", fhir::SOURCE))?;
    Ok((Outcome { not_linked: report.not_linked, ..outcome }, report))
}

impl Report {
    fn note(&mut self, source: &Source, line: u64, reasons: Vec<Note>) {
        for reason in &reasons {
            *self.left_out.entry(*reason).or_default() += 1;
        }
        if !reasons.is_empty() && self.places.len() < PLACES_TOLD_MAX {
            self.places.push(Place { file: source.file.clone(), line, reasons });
        }
    }
}

/// An institution's own id of a patient: the end of the reference.
fn local(reference: &str) -> &str {
    reference.rsplit(['/', ':']).next().unwrap_or(reference)
}

fn named(namespace: &str, local: &str) -> Option<ContributorId> {
    let id = if namespace.is_empty() {
        ContributorId::parse(local)
    } else {
        ContributorId::parse(&format!("{namespace}:{local}"))
    };
    id.ok()
}

#[cfg(test)]
mod tests;
