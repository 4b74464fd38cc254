//! The records of many patients out of a folder of FHIR NDJSON, in one pass over its files.
//!
//! Comes in: `Type*.ndjson*`, plain, gzip or zstd; whose records are wanted and what of each may go.
//! Goes out: the lines that may, byte for byte, as they come; a manifest for each patient, and a
//! digest over what was decided. Never: a line of somebody else's; a record in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use memchr::memmem;
use serde::Deserialize;
use serde_json::Value;
use sha3::{Digest as _, Sha3_256};

use super::{
    Manifest,
    compartment::{SUPPORTING, is_id, patients},
    consented::Consented,
    tally::{Tally, file_of},
};
use crate::{
    digest::Sha3Digest,
    ledger::tree::leaf_hash,
    source::{self, Options, each_line},
};

/// What is said of a line that is no resource.
const UNREADABLE: &str = "the line is no FHIR resource";
/// What is said of one in a file of another type.
const MISPLACED: &str = "the line is of another type than its file";
/// What is said of one that tells of others too.
const SHARED: &str = "it is about other patients too";

/// Why a folder could not be read, or a line not be kept.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// The folder cannot be listed.
    #[error("the folder of records `{folder}` cannot be listed")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder holds no file of FHIR NDJSON.
    #[error("the folder of records `{folder}` holds no file like `Patient.ndjson`")]
    Nothing {
        /// The folder.
        folder: PathBuf,
    },
    /// A file cannot be read.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// Whoever takes the lines could not keep one.
    #[error("a line of `{file}` could not be kept")]
    Keep {
        /// The file it would have gone to.
        file: String,
        /// Why.
        source: io::Error,
    },
}

/// Whose record is wanted, and what of it may go.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The patient's local id.
    pub patient: &'a str,
    /// What their consents leave.
    pub consented: &'a Consented,
}

/// What was found of one patient's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// The lines that go, and what stays under which rule.
    pub manifest: Manifest,
    /// A digest over what was decided of each resource, in order.
    pub decision: Sha3Digest,
}

/// Takes a line that goes: of which of those wanted, to which file, without a line feed. Lines of
/// one patient come in the order of the manifest.
pub type Keep<'k> = dyn FnMut(usize, &str, &[u8]) -> io::Result<()> + 'k;

/// Reads the folder once for all who are wanted; of each, what [`Wanted::consented`] leaves goes to
/// `keep`. The resources come by type in alphabetical order, then those of organisations,
/// practitioners, places and medications that a resource which goes refers to, once each.
///
/// # Errors
/// Where a file cannot be read, or a line not be kept. A line that is no resource is counted among
/// what is withheld of whoever it names.
pub fn select(
    folder: &Path,
    wanted: &[Wanted<'_>],
    keep: &mut Keep<'_>,
) -> Result<Vec<Selected>, SelectError> {
    let files = files(folder)?;
    let mut scan = Scan {
        wanted,
        places: BTreeMap::new(),
        tallies: wanted.iter().map(|_| (Tally::default(), Sha3_256::new())).collect(),
        leant_on: BTreeMap::new(),
        keep,
    };
    for (at, own) in wanted.iter().enumerate() {
        scan.places.entry(own.patient).or_default().insert(at);
    }
    let supporting = |kind: &str| SUPPORTING.iter().position(|own| *own == kind);
    for (kind, paths) in files.iter().filter(|(kind, _)| supporting(kind).is_none()) {
        for path in paths {
            scan.file(path, |scan, line| scan.resource(kind, line))?;
        }
    }
    for kind in SUPPORTING {
        for path in files.get(kind).into_iter().flatten() {
            scan.file(path, |scan, line| scan.support(kind, line))?;
        }
    }
    let ends = scan.tallies.into_iter().map(|(tally, decided)| Selected {
        manifest: tally.manifest(),
        decision: Sha3Digest(decided.finalize().into()),
    });
    Ok(ends.collect())
}

/// Reads every Patient of a folder, each with its local id; a line that is no Patient is passed over.
///
/// # Errors
/// Where a file cannot be read.
pub fn each_patient(folder: &Path, take: &mut dyn FnMut(&str, &Value)) -> Result<(), SelectError> {
    for path in files(folder)?.get("Patient").into_iter().flatten() {
        each_line(path, &Options::fhir(), &mut |_, line| {
            if let Ok(value) = serde_json::from_slice::<Value>(line)
                && value.get("resourceType").and_then(Value::as_str) == Some("Patient")
                && let Some(id) = value.get("id").and_then(Value::as_str)
            {
                take(id, &value);
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok(())
}

/// Returns the files of a folder by the type that their names begin with.
fn files(folder: &Path) -> Result<BTreeMap<String, Vec<PathBuf>>, SelectError> {
    let fault = |source| SelectError::Folder { folder: folder.to_owned(), source };
    let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let kind: String = name.chars().take_while(char::is_ascii_alphabetic).collect();
        let is_ours =
            name.contains(".ndjson") && kind.starts_with(|c: char| c.is_ascii_uppercase());
        if is_ours && path.is_file() {
            found.entry(kind).or_default().push(path);
        }
    }
    if found.is_empty() {
        return Err(SelectError::Nothing { folder: folder.to_owned() });
    }
    for paths in found.values_mut() {
        paths.sort();
    }
    Ok(found)
}

/// What of a resource tells whether it is one that is leant on.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, rename = "resourceType")]
    kind: &'a str,
    #[serde(borrow)]
    id: &'a str,
}

struct Scan<'a, 'k> {
    wanted: &'a [Wanted<'a>],
    // Which of those wanted are of a patient: one may go to two institutions.
    places: BTreeMap<&'a str, BTreeSet<usize>>,
    tallies: Vec<(Tally, Sha3_256)>,
    // Whose resources that go refer to `Practitioner/x` and the like.
    leant_on: BTreeMap<String, BTreeSet<usize>>,
    keep: &'a mut Keep<'k>,
}

impl Scan<'_, '_> {
    /// Hands each line of a file on.
    fn file(
        &mut self,
        path: &Path,
        take: impl Fn(&mut Self, &[u8]) -> Result<(), SelectError>,
    ) -> Result<(), SelectError> {
        let mut done = Ok(());
        each_line(path, &Options::fhir(), &mut |_, line| {
            done = take(self, line);
            if done.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        done
    }

    /// Takes a line of a type that is about patients.
    fn resource(&mut self, kind: &str, line: &[u8]) -> Result<(), SelectError> {
        let is_wanted = |id: &&str| self.places.contains_key(id);
        let named: BTreeSet<&str> = if kind == "Patient" {
            let head = serde_json::from_slice::<Head<'_>>(line).ok();
            head.map(|head| head.id).filter(|id| is_wanted(id)).into_iter().collect()
        } else {
            named(line).filter(is_wanted).collect()
        };
        if named.is_empty() {
            return Ok(());
        }
        let parsed = serde_json::from_slice::<Value>(line);
        let resource = parsed.as_ref().ok().and_then(Value::as_object);
        let own = resource.and_then(|own| own.get("resourceType")).and_then(Value::as_str);
        let (Some(resource), Some(own)) = (resource, own) else {
            self.withhold(&named, UNREADABLE, kind, line);
            return Ok(());
        };
        if own != kind {
            self.withhold(&named, MISPLACED, kind, line);
            return Ok(());
        }
        let about = patients(kind, resource);
        if about.len() > 1 {
            self.withhold(&about, SHARED, kind, line);
            return Ok(());
        }
        for at in about.into_iter().filter_map(|id| self.places.get(id)).flatten() {
            let Some(wanted) = self.wanted.get(*at) else { continue };
            let facts = wanted.consented.facts(kind, resource);
            let kept = wanted.consented.keeps(&facts);
            let Some((tally, decided)) = self.tallies.get_mut(*at) else { continue };
            if let Some(rule) = kept {
                tally.withhold(&rule, kind);
                note(decided, line, Some(&rule));
                continue;
            }
            note(decided, line, None);
            put(tally, self.keep, *at, kind, line)?;
            for reference in facts.supporting() {
                self.leant_on.entry(reference.clone()).or_default().insert(*at);
            }
        }
        Ok(())
    }

    /// Keeps a line from whoever of those wanted it names.
    fn withhold(&mut self, named: &BTreeSet<&str>, rule: &str, kind: &str, line: &[u8]) {
        for at in named.iter().filter_map(|id| self.places.get(id)).flatten() {
            if let Some((tally, decided)) = self.tallies.get_mut(*at) {
                tally.withhold(rule, kind);
                note(decided, line, Some(rule));
            }
        }
    }

    /// Takes a line of a type that records lean on.
    fn support(&mut self, kind: &str, line: &[u8]) -> Result<(), SelectError> {
        let Ok(head) = serde_json::from_slice::<Head<'_>>(line) else { return Ok(()) };
        if head.kind != kind {
            return Ok(());
        }
        // Taken out of the map: a second line of the same id does not go again.
        let Some(whose) = self.leant_on.remove(&format!("{kind}/{}", head.id)) else {
            return Ok(());
        };
        let Ok(Value::Object(resource)) = serde_json::from_slice(line) else { return Ok(()) };
        for at in whose {
            let Some(wanted) = self.wanted.get(at) else { continue };
            for reference in wanted.consented.facts(kind, &resource).supporting() {
                self.leant_on.entry(reference.clone()).or_default().insert(at);
            }
            let Some((tally, _)) = self.tallies.get_mut(at) else { continue };
            put(tally, self.keep, at, kind, line)?;
        }
        Ok(())
    }
}

/// Counts a line that goes and hands it on.
fn put(
    tally: &mut Tally,
    keep: &mut Keep<'_>,
    at: usize,
    kind: &str,
    line: &[u8],
) -> Result<(), SelectError> {
    let file = file_of(kind);
    tally.add(&file, line);
    keep(at, &file, line).map_err(|source| SelectError::Keep { file, source })
}

/// Adds what was decided of a resource to the digest over all of it.
fn note(decided: &mut Sha3_256, line: &[u8], rule: Option<&str>) {
    let rule = rule.unwrap_or_default().as_bytes();
    decided.update(leaf_hash(line).as_bytes());
    decided.update(u64::try_from(rule.len()).unwrap_or(u64::MAX).to_be_bytes());
    decided.update(rule);
}

/// Returns the ids in references to patients, wherever they stand in a line, without parsing it.
fn named(line: &[u8]) -> impl Iterator<Item = &str> {
    const PATIENT: &[u8] = b"Patient";
    memmem::find_iter(line, PATIENT).filter_map(|at| {
        let rest = line.get(at + PATIENT.len()..)?;
        // Some write a slash with a backslash before it.
        let rest = rest.strip_prefix(b"\\").unwrap_or(rest).strip_prefix(b"/")?;
        let end = rest.iter().position(|byte| !is_id(*byte)).unwrap_or(rest.len());
        std::str::from_utf8(rest.get(..end)?).ok()
    })
}

#[cfg(test)]
mod tests;
