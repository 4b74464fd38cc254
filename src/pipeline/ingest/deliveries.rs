//! Which files of institutions are taken where a pipeline asks for licences: those that a delivery
//! note lists, by a key of a licence that stood when it was signed.
//!
//! Comes in: the files found, the register of licences. Goes out: the files taken, and
//! [`Deliveries`]: what was left behind and why, and what each decision rested on.
//! Never: a file taken in part, or one bad file that keeps the others out.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use rayon::prelude::*;
use serde::Serialize;

use super::{
    Error,
    plan::{Found, Surveyed},
};
use crate::{
    credential::{Activity, DeliveredFile, DeliveryNote, Holder, Licences, Unlicensed, is_note},
    digest::Sha3Digest,
    instant::Instant,
    lake::DELIVERIES,
    party::InstitutionId,
    pipeline::{Progress, spec::Spec},
    report::LeftLine,
    site::Site,
    source,
};

/// No note is longer: a signed note of more bytes is not read.
const NOTE_BYTES_MAX: u64 = 64 * 1024;

/// Why a file was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// No delivery note lies beside it or above.
    NoNote,
    /// The delivery notes there cannot be read.
    NoteMalformed,
    /// They are of other institutions.
    NoteOfAnother,
    /// They do not list it.
    NotListed,
    /// They list it with other bytes.
    Changed,
    /// No key that a licence of the institution names signed the note.
    NotSigned,
    /// The note is dated after the run.
    Future,
    /// The institution's licence did not allow it when the note was signed.
    Unlicensed(Unlicensed),
    /// It refers to a table of which another file of the institution was not taken.
    Incomplete,
}

impl Reason {
    /// Returns the short name, as the report has it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::NoNote => "no-delivery-note",
            Self::NoteMalformed => "delivery-note-malformed",
            Self::NoteOfAnother => "delivery-note-of-another",
            Self::NotListed => "not-in-delivery-note",
            Self::Changed => "not-as-delivered",
            Self::NotSigned => "delivery-note-not-signed",
            Self::Future => "delivery-note-from-the-future",
            Self::Unlicensed(reason) => reason.as_str(),
            Self::Incomplete => "delivery-incomplete",
        }
    }
}

/// `vault/deliveries/<digest>.json`: what was taken and left, and what that rests on.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Deliveries {
    /// The newest commit of the register of licences.
    licence_commit: u64,
    /// The files taken, in the order of the inputs.
    taken: Vec<Taken>,
    /// The files left behind.
    pub(super) left: Vec<LeftLine>,
    /// The tables of which a file was left behind, by institution.
    #[serde(skip)]
    pub(super) lost: BTreeSet<(InstitutionId, String)>,
    /// The notes by which files were taken, as they are kept in the vault.
    #[serde(skip)]
    notes: BTreeMap<Sha3Digest, Bytes>,
}

/// One file taken.
#[derive(Debug, Clone, Serialize)]
struct Taken {
    institution: InstitutionId,
    /// Its path below the input folder.
    file: String,
    digest: Sha3Digest,
    bytes: u64,
    /// The digest of the note that lists it.
    note: Sha3Digest,
}

impl Deliveries {
    /// Returns the objects of the vault that hold it: each note, then itself.
    pub(super) fn objects(&self) -> Result<Vec<(String, Bytes)>, Error> {
        let notes = self.notes.iter();
        let mut objects: Vec<(String, Bytes)> = notes
            .map(|(digest, note)| (format!("{DELIVERIES}{digest}.note"), note.clone()))
            .collect();
        let bytes = Bytes::from(serde_json::to_vec_pretty(self)?);
        objects.push((format!("{DELIVERIES}{}.json", Sha3Digest::of(&bytes)), bytes));
        Ok(objects)
    }
}

/// Finds the files of every source, and looks at those that may be taken.
pub(super) fn survey(
    site: &Site,
    spec: &Spec,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<(Surveyed, Deliveries), Error> {
    let licences = Licences::load(&site.vault())?;
    let mut found = Found::all(spec, folder)?;
    // A note is no data, however wide the pattern of a source is.
    found.retain(|found| !found.file.file_name().and_then(OsStr::to_str).is_some_and(is_note));
    let mut desk = Desk {
        licences: &licences,
        now: site.now(),
        folder: whole(folder),
        notes: BTreeMap::new(),
    };
    let judged: Vec<Result<Vec<Listing>, Reason>> = found
        .iter()
        .map(|found| desk.listings(&found.institution, &whole(&found.file)))
        .collect::<Result<_, Error>>()?;
    progress.stage("looking at the inputs", found.len() as u64);
    let judged: Vec<_> = found
        .into_par_iter()
        .zip(judged)
        .map(|(found, listings)| {
            let looked = match listings {
                Ok(listings) => look(&found, &listings)?,
                Err(reason) => Err(reason),
            };
            progress.step();
            Ok((found, looked))
        })
        .collect::<Result<_, Error>>()?;
    let judged = complete(spec, judged);
    let lost = lost(spec, &judged);
    let licence_commit = licences.commit();
    let mut deliveries = Deliveries { licence_commit, lost, ..Deliveries::default() };
    let mut taken = Vec::new();
    for (found, looked) in judged {
        match looked {
            Ok((survey, note)) => {
                deliveries.taken.push(Taken {
                    institution: found.institution.clone(),
                    file: found.name.clone(),
                    digest: survey.digest,
                    bytes: survey.bytes,
                    note: note.digest,
                });
                deliveries.notes.insert(note.digest, note.bytes);
                taken.push((found, survey));
            }
            Err(reason) => deliveries.left.push(LeftLine {
                institution: found.institution.as_str().to_owned(),
                file: found.name,
                reason: reason.as_str().to_owned(),
            }),
        }
    }
    if taken.is_empty() {
        return Err(Error::Untaken { left: deliveries.left });
    }
    Ok((Surveyed::of(spec, taken), deliveries))
}

/// What a note that may be believed says of a file.
#[derive(Debug, Clone)]
struct Listing {
    file: DeliveredFile,
    note: KeptNote,
}

/// A note as it is kept.
#[derive(Debug, Clone)]
struct KeptNote {
    digest: Sha3Digest,
    bytes: Bytes,
}

/// A note found in a folder; none where it cannot be read.
#[derive(Debug)]
struct ReadNote {
    kept: KeptNote,
    note: Option<DeliveryNote>,
}

/// Judges notes by the register, and reads each folder once.
struct Desk<'a> {
    licences: &'a Licences,
    now: Instant,
    folder: PathBuf,
    notes: BTreeMap<PathBuf, Vec<ReadNote>>,
}

impl Desk<'_> {
    /// Returns what the institution's notes say of a file: those of the nearest folder that has any.
    fn listings(
        &mut self,
        institution: &InstitutionId,
        file: &Path,
    ) -> Result<Result<Vec<Listing>, Reason>, Error> {
        let mut reason = Reason::NoNote;
        let root = self.folder.clone();
        for folder in file.ancestors().skip(1).take_while(|folder| folder.starts_with(&root)) {
            if !self.notes.contains_key(folder) {
                self.notes.insert(folder.to_owned(), read_notes(folder)?);
            }
            let notes = self.notes.get(folder).map(Vec::as_slice).unwrap_or_default();
            let own: Vec<(&KeptNote, &DeliveryNote)> = notes
                .iter()
                .filter_map(|read| Some((&read.kept, read.note.as_ref()?)))
                .filter(|(_, note)| note.claims().institution() == institution)
                .collect();
            if !own.is_empty() {
                let name = name_below(folder, file);
                return Ok(self.believed(institution, &name, own));
            }
            if notes.iter().any(|read| read.note.is_none()) {
                reason = Reason::NoteMalformed;
            } else if !notes.is_empty() && reason == Reason::NoNote {
                reason = Reason::NoteOfAnother;
            }
        }
        Ok(Err(reason))
    }

    /// Of the notes that list a file, those that may be believed, the newest first.
    fn believed(
        &self,
        institution: &InstitutionId,
        name: &str,
        own: Vec<(&KeptNote, &DeliveryNote)>,
    ) -> Result<Vec<Listing>, Reason> {
        let mut listing: Vec<_> = own
            .into_iter()
            .filter_map(|(kept, note)| Some((kept, note, *note.claims().files().get(name)?)))
            .collect();
        listing.sort_by_key(|(kept, note, _)| (Reverse(note.claims().signed()), kept.digest));
        let mut reason = Reason::NotListed;
        let mut believed = Vec::new();
        for (kept, note, file) in listing {
            match self.believe(institution, note) {
                Ok(()) => believed.push(Listing { file, note: kept.clone() }),
                Err(other) if reason == Reason::NotListed => reason = other,
                Err(_) => {}
            }
        }
        if believed.is_empty() { Err(reason) } else { Ok(believed) }
    }

    /// Judges a note by the day on which it was signed, as the register knows that day now.
    fn believe(&self, institution: &InstitutionId, note: &DeliveryNote) -> Result<(), Reason> {
        let signed = note.claims().signed();
        if signed > self.now {
            return Err(Reason::Future);
        }
        let standing = self.licences.standing(&Holder::Institution(institution.clone()), signed);
        Activity::Contribution.check(&standing).map_err(Reason::Unlicensed)?;
        let keys = self.licences.keys(institution, signed);
        note.vouched(&keys).map(|_| ()).map_err(|_| Reason::NotSigned)
    }
}

/// Looks at a file, and holds it against what the notes say: a file whose bytes are not those that
/// were signed is not taken, however broken it is.
fn look(
    found: &Found,
    listings: &[Listing],
) -> Result<Result<(source::Survey, KeptNote), Reason>, Error> {
    let by = |digest: Sha3Digest, bytes: u64| {
        let same =
            |listing: &&Listing| listing.file.digest == digest && listing.file.bytes == bytes;
        listings.iter().find(same).map(|listing| listing.note.clone())
    };
    match found.survey() {
        Ok(survey) => Ok(match by(survey.digest, survey.bytes) {
            Some(note) => Ok((survey, note)),
            None => Err(Reason::Changed),
        }),
        Err(error) => {
            let read = fs::File::open(&found.file).and_then(Sha3Digest::of_reader);
            match read {
                Ok((digest, bytes)) if by(digest, bytes).is_none() => Ok(Err(Reason::Changed)),
                Ok(_) | Err(_) => Err(error.into()),
            }
        }
    }
}

type Looked = (Found, Result<(source::Survey, KeptNote), Reason>);

/// Returns the tables of which a file was left behind, by institution.
fn lost(spec: &Spec, judged: &[Looked]) -> BTreeSet<(InstitutionId, String)> {
    let left = judged.iter().filter(|(_, looked)| looked.is_err());
    let table = |found: &Found| {
        let schema = spec.schemas.get(found.schema)?;
        Some((found.institution.clone(), schema.table.clone()))
    };
    left.filter_map(|(found, _)| table(found)).collect()
}

/// Leaves behind what refers to a table of which a file of the same institution was left behind: its
/// rows would all be found to lead nowhere.
fn complete(spec: &Spec, mut judged: Vec<Looked>) -> Vec<Looked> {
    loop {
        let lost = lost(spec, &judged);
        let mut changed = false;
        for (found, looked) in judged.iter_mut().filter(|(_, looked)| looked.is_ok()) {
            let schema = spec.schemas.get(found.schema);
            let columns = schema.map(|schema| schema.columns.as_slice()).unwrap_or_default();
            let references = columns.iter().filter_map(|column| column.references.as_deref());
            let mut tables = references.filter_map(|named| Some(named.split_once('.')?.0));
            if tables.any(|table| lost.contains(&(found.institution.clone(), table.to_owned()))) {
                *looked = Err(Reason::Incomplete);
                changed = true;
            }
        }
        if !changed {
            return judged;
        }
    }
}

/// Reads the notes of a folder, in the order of their names.
fn read_notes(folder: &Path) -> Result<Vec<ReadNote>, Error> {
    let fault = |source: io::Error| Error::Notes { folder: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        if entry.file_name().to_str().is_some_and(is_note) {
            files.push(entry.path());
        }
    }
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let length = fs::metadata(&file).map_err(fault)?.len();
            let bytes = if length > NOTE_BYTES_MAX {
                Bytes::new()
            } else {
                Bytes::from(fs::read(&file).map_err(fault)?)
            };
            let text = std::str::from_utf8(&bytes).ok();
            let note = text.and_then(|text| DeliveryNote::read(text).ok());
            Ok(ReadNote { kept: KeptNote { digest: Sha3Digest::of(&bytes), bytes }, note })
        })
        .collect()
}

/// A path from the root, so that folders above a file can be told however the input was named.
fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The name of a file as a note in `folder` has it.
fn name_below(folder: &Path, file: &Path) -> String {
    let parts = file.strip_prefix(folder).unwrap_or(file).components();
    let parts: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests;
