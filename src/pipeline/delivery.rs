//! The act of an institution before it delivers: its files listed with their digests, and the list
//! signed, in a note beside them. It needs no site.
//!
//! Comes in: a folder, the institution's key, the instant. Goes out: `delivery.note`.
//! Never: a note replaced that says the same already, or one of another institution.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use serde::Serialize;

use crate::{
    credential::{
        DeliveredFile, DeliveredFiles, Delivery, DeliveryError, DeliveryNote, is_note, note_name,
    },
    digest::Sha3Digest,
    instant::Instant,
    party::InstitutionId,
    signed_note::Signer,
};

/// Why a delivery was not signed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be read or written.
    #[error("`{}` cannot be read or written", path.display())]
    File {
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is nothing to deliver, or a name that no note takes.
    #[error("`{}` cannot be signed for", folder.display())]
    Delivery {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        #[source]
        source: DeliveryError,
    },
    /// A note of somebody else lies there.
    #[error("`{}` is not a note of this institution", file.display())]
    Foreign {
        /// The note.
        file: PathBuf,
    },
}

/// What a signing came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signed {
    /// The notes.
    pub notes: Vec<PathBuf>,
    /// Files listed.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When it was signed: now, or before, where the same files were signed already.
    pub signed: Instant,
    /// Whether notes were written.
    pub new: bool,
}

/// Signs for all files below a folder; hidden files are none. Where the same files are signed with the
/// same key already, nothing is written, unless `again` asks for a new date.
pub fn sign(
    folder: &Path,
    institution: &InstitutionId,
    key: &Signer,
    now: Instant,
    again: bool,
) -> Result<Signed, Error> {
    let fault = |source| Error::Delivery { folder: folder.to_owned(), source };
    let files = listed(folder)?;
    let (count, bytes) = (files.len() as u64, files.values().map(|file| file.bytes).sum());
    let old = old(folder, institution)?;
    if let Some(signed) = (!again).then(|| said(&old, key, &files)).flatten() {
        let notes = old.into_iter().map(|(path, _)| path).collect();
        return Ok(Signed { notes, files: count, bytes, signed, new: false });
    }
    let deliveries = Delivery::split(institution, now, files).map_err(fault)?;
    let mut notes = Vec::new();
    for (place, delivery) in (1..).zip(&deliveries) {
        let note = delivery.sign(key).map_err(fault)?;
        let path = folder.join(note_name(place));
        write(&path, &note).map_err(|source| Error::File { path: path.clone(), source })?;
        notes.push(path);
    }
    for (path, _) in old.into_iter().filter(|(path, _)| !notes.contains(path)) {
        fs::remove_file(&path).map_err(|source| Error::File { path, source })?;
    }
    Ok(Signed { notes, files: count, bytes, signed: now, new: true })
}

/// Returns the notes of the institution that lie in the folder; each by a name that signing gives.
fn old(folder: &Path, institution: &InstitutionId) -> Result<Vec<(PathBuf, DeliveryNote)>, Error> {
    let mut notes = Vec::new();
    for place in 1.. {
        let path = folder.join(note_name(place));
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(source) => return Err(Error::File { path, source }),
        };
        let note = DeliveryNote::read(&text).ok();
        match note.filter(|note| note.claims().institution() == institution) {
            Some(note) => notes.push((path, note)),
            None => return Err(Error::Foreign { file: path }),
        }
    }
    Ok(notes)
}

/// Returns when the same files were signed with the same key; none where they were not.
fn said(old: &[(PathBuf, DeliveryNote)], key: &Signer, files: &DeliveredFiles) -> Option<Instant> {
    let keys = std::slice::from_ref(key.verifier());
    let told = old.iter().map(|(_, note)| note.vouched(keys).ok()).collect::<Option<Vec<_>>>()?;
    let signed = told.first()?.signed();
    let own = told.iter().flat_map(|delivery| delivery.files());
    let same = own.eq(files) && told.iter().all(|delivery| delivery.signed() == signed);
    same.then_some(signed)
}

/// Lists every file below a folder with its digest.
fn listed(folder: &Path) -> Result<DeliveredFiles, Error> {
    let mut paths = Vec::new();
    walk(folder, "", &mut paths)?;
    paths
        .into_par_iter()
        .map(|(name, path)| {
            let read = fs::File::open(&path).and_then(Sha3Digest::of_reader);
            let (digest, bytes) = read.map_err(|source| Error::File { path, source })?;
            Ok((name, DeliveredFile { digest, bytes }))
        })
        .collect()
}

fn walk(folder: &Path, below: &str, paths: &mut Vec<(String, PathBuf)>) -> Result<(), Error> {
    let fault = |source| Error::File { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || is_note(&name) {
            continue;
        }
        let name = format!("{below}{name}");
        if fs::metadata(&path).map_err(fault)?.is_dir() {
            walk(&path, &format!("{name}/"), paths)?;
        } else {
            paths.push((name, path));
        }
    }
    Ok(())
}

/// Writes a note whole or not at all.
fn write(path: &Path, note: &str) -> io::Result<()> {
    let half = path.with_file_name(".delivery.note.tmp");
    let mut file = fs::File::create(&half)?;
    file.write_all(note.as_bytes())?;
    file.sync_all()?;
    fs::rename(&half, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn institution(name: &str) -> InstitutionId {
        InstitutionId::parse(name).unwrap()
    }

    fn key(seed: u8) -> Signer {
        Signer::from_seed("north", &[seed; 32]).unwrap()
    }

    fn day(day: u8) -> Instant {
        Instant::parse(&format!("2026-10-{day:02}T08:00:00Z")).unwrap()
    }

    #[test]
    fn a_folder_is_signed_once_and_again_only_where_it_changed_or_a_new_date_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let north = institution("north");
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("patients.csv", "id\n1\n");
        put("fhir/Patient.ndjson", "{}\n");
        put(".hidden", "x");
        let sign = |on: u8, again: bool| sign(folder.path(), &north, &key(1), day(on), again);
        let first = sign(1, false).unwrap();
        assert_eq!((first.files, first.bytes, first.new), (2, 8, true));
        let text = fs::read_to_string(folder.path().join("delivery.note")).unwrap();
        let note = DeliveryNote::read(&text).unwrap();
        let names: Vec<&String> = note.claims().files().keys().collect();
        assert_eq!(names, ["fhir/Patient.ndjson", "patients.csv"], "hidden files are none");
        let second = sign(2, false).unwrap();
        assert_eq!((second.new, second.signed), (false, day(1)), "the same was signed twice");
        assert_eq!(fs::read_to_string(folder.path().join("delivery.note")).unwrap(), text);
        assert!(sign(3, true).unwrap().new, "a new date was asked for and not given");
        put("patients.csv", "id\n2\n");
        let changed = sign(4, false).unwrap();
        assert_eq!((changed.new, changed.signed), (true, day(4)), "other bytes bear an old date");
        let rekeyed = super::sign(folder.path(), &north, &key(2), day(5), false).unwrap();
        assert!(rekeyed.new, "another key left the old signature there");
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 4, "a half-written note lies there");
    }

    #[test]
    fn a_note_of_another_institution_is_left_alone_and_notes_that_are_needed_no_more_go() {
        let folder = tempfile::tempdir().unwrap();
        let (north, south) = (institution("north"), institution("south"));
        for at in 0..700 {
            fs::write(folder.path().join(format!("{at}.json")), "{}").unwrap();
        }
        let many = sign(folder.path(), &north, &key(1), day(1), false).unwrap();
        assert_eq!(many.notes.len(), 2, "seven hundred files fit into one note");
        assert!(!sign(folder.path(), &north, &key(1), day(2), false).unwrap().new);
        for at in 1..700 {
            fs::remove_file(folder.path().join(format!("{at}.json"))).unwrap();
        }
        sign(folder.path(), &north, &key(1), day(3), false).unwrap();
        assert!(
            !folder.path().join("delivery-2.note").exists(),
            "an old note speaks of lost files"
        );
        let foreign = sign(folder.path(), &south, &key(2), day(4), false);
        assert!(matches!(foreign, Err(Error::Foreign { .. })), "another's note was replaced");
        let empty = tempfile::tempdir().unwrap();
        let none = sign(empty.path(), &north, &key(1), day(1), false);
        assert!(matches!(none, Err(Error::Delivery { .. })), "nothing was signed for");
    }
}
