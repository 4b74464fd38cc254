//! The delivery note: what an institution delivered and when it said so, as a C2SP signed note
//! beside the files.
//!
//! Comes in: a note, the keys that the institution's licences name. Goes out: a [`Delivery`].
//! Never: a name that leaves the folder, an unknown line, or a second spelling of the same note.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    digest::Sha3Digest,
    instant::Instant,
    party::InstitutionId,
    signed_note::{self, Note, Signer, Verifier},
};

/// The first line of a delivery note.
const HEADER: &str = "almoner/delivery/v1";
/// The longest text that is signed: a note of 64 KiB is read, and its signature lines are in it.
const TEXT_BYTES_MAX: usize = 60 * 1024;
/// The longest name of a file, in bytes.
const NAME_BYTES_MAX: usize = 1024;

/// Returns whether a file's name is that of a delivery note: `delivery.note`, or `delivery-2.note`
/// and on where one does not hold all files.
pub fn is_note(name: &str) -> bool {
    let middle = name.strip_prefix("delivery").and_then(|rest| rest.strip_suffix(".note"));
    middle.is_some_and(|middle| middle.is_empty() || middle.starts_with('-'))
}

/// Returns the name of the note at a place, from 1.
pub fn note_name(place: usize) -> String {
    if place == 1 { "delivery.note".to_owned() } else { format!("delivery-{place}.note") }
}

/// What is wrong with a delivery note. It never holds a name of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// It is no note, or none of the keys signed it.
    #[error("the delivery note: {0}")]
    Note(#[from] signed_note::Error),
    /// A line does not fit.
    #[error("line {0} of the delivery note is not what stands there")]
    Line(usize),
    /// Its files are out of order, or it is spelt in another way.
    #[error("the delivery note is not spelt as it is signed: files sorted, each once")]
    Spelling,
    /// It names no file.
    #[error("the delivery note names no file")]
    Empty,
    /// A file's name cannot stand in a note.
    #[error(
        "the name of file {0} cannot stand in a delivery note: names are relative, with `/`, \
         without `..` and control characters, and at most {NAME_BYTES_MAX} bytes"
    )]
    Name(usize),
}

/// One delivered file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveredFile {
    /// The SHA3-256 digest of its bytes.
    pub digest: Sha3Digest,
    /// Its size.
    pub bytes: u64,
}

/// The delivered files, by their names below the note's folder.
pub type DeliveredFiles = BTreeMap<String, DeliveredFile>;

/// What one note says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    institution: InstitutionId,
    signed: Instant,
    files: DeliveredFiles,
}

impl Delivery {
    /// Makes what an institution says at `signed`: one delivery, or several where the files are more
    /// than one note holds.
    pub fn split(
        institution: &InstitutionId,
        signed: Instant,
        files: DeliveredFiles,
    ) -> Result<Vec<Self>, DeliveryError> {
        let empty =
            || Self { institution: institution.clone(), signed, files: DeliveredFiles::new() };
        let head = empty().text().len();
        let mut deliveries = Vec::new();
        let (mut open, mut bytes) = (empty(), head);
        for (at, (name, file)) in (1..).zip(files) {
            if !is_name(&name) {
                return Err(DeliveryError::Name(at));
            }
            let line = line(&name, &file).len();
            if bytes + line > TEXT_BYTES_MAX {
                deliveries.push(std::mem::replace(&mut open, empty()));
                bytes = head;
            }
            bytes += line;
            open.files.insert(name, file);
        }
        if open.files.is_empty() {
            return Err(DeliveryError::Empty);
        }
        deliveries.push(open);
        Ok(deliveries)
    }

    /// Signs it with a key that the institution's licence names.
    pub fn sign(&self, key: &Signer) -> Result<String, DeliveryError> {
        Ok(key.sign_note(&self.text())?)
    }

    /// Returns the text that is signed. A delivery has one text: no other is read.
    pub fn text(&self) -> String {
        let Self { institution, signed, files } = self;
        let mut text = format!("{HEADER}\ninstitution {institution}\nsigned {signed}\n");
        for (name, file) in files {
            text.push_str(&line(name, file));
        }
        text
    }

    fn parse(text: &str) -> Result<Self, DeliveryError> {
        let mut lines = (1..).zip(text.lines());
        let mut next = |at: usize| lines.next().ok_or(DeliveryError::Line(at));
        let (at, header) = next(1)?;
        if header != HEADER {
            return Err(DeliveryError::Line(at));
        }
        let (at, line) = next(2)?;
        let institution = line.strip_prefix("institution ").map(InstitutionId::parse);
        let institution = institution.and_then(Result::ok).ok_or(DeliveryError::Line(at))?;
        let (at, line) = next(3)?;
        let signed = line.strip_prefix("signed ").map(Instant::parse);
        let signed = signed.and_then(Result::ok).ok_or(DeliveryError::Line(at))?;
        let files = lines.map(|(at, line)| file(line).ok_or(DeliveryError::Line(at)));
        let files = files.collect::<Result<DeliveredFiles, _>>()?;
        if files.is_empty() {
            return Err(DeliveryError::Empty);
        }
        let delivery = Self { institution, signed, files };
        if delivery.text() == text { Ok(delivery) } else { Err(DeliveryError::Spelling) }
    }

    /// Returns whose files they are.
    pub fn institution(&self) -> &InstitutionId {
        &self.institution
    }

    /// Returns when it was signed, by the institution's own word.
    pub fn signed(&self) -> Instant {
        self.signed
    }

    /// Returns the files.
    pub fn files(&self) -> &DeliveredFiles {
        &self.files
    }
}

/// A note that was read, its signature not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryNote {
    note: Note,
    delivery: Delivery,
}

impl DeliveryNote {
    /// Reads a note; every line must be one that a delivery has.
    pub fn read(note: &str) -> Result<Self, DeliveryError> {
        let note = Note::parse(note)?;
        let delivery = Delivery::parse(note.text())?;
        Ok(Self { note, delivery })
    }

    /// Returns what it says; believe it only after [`DeliveryNote::vouched`].
    pub fn claims(&self) -> &Delivery {
        &self.delivery
    }

    /// Returns what it says, where one of `keys` signed it.
    pub fn vouched(&self, keys: &[Verifier]) -> Result<&Delivery, DeliveryError> {
        self.note.vouched(keys)?;
        Ok(&self.delivery)
    }
}

fn line(name: &str, file: &DeliveredFile) -> String {
    let mut line = String::with_capacity(name.len() + 100);
    let _ = writeln!(line, "file {name} sha3:{} bytes {}", file.digest, file.bytes);
    line
}

/// Reads a line of a file. A name may hold spaces: digest and size are taken from the end.
fn file(line: &str) -> Option<(String, DeliveredFile)> {
    let (rest, bytes) = line.strip_prefix("file ")?.rsplit_once(" bytes ")?;
    let (name, digest) = rest.rsplit_once(" sha3:")?;
    let file =
        DeliveredFile { digest: Sha3Digest::parse(digest).ok()?, bytes: bytes.parse().ok()? };
    is_name(name).then(|| (name.to_owned(), file))
}

fn is_name(name: &str) -> bool {
    let part = |part: &str| !matches!(part, "" | "." | "..");
    name.len() <= NAME_BYTES_MAX && name.split('/').all(part) && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> Signer {
        Signer::from_seed("north-shore", &[7; 32]).unwrap()
    }

    fn instant() -> Instant {
        Instant::parse("2026-10-05T08:00:00Z").unwrap()
    }

    fn files(names: &[&str]) -> DeliveredFiles {
        let file = |name: &str| DeliveredFile {
            digest: Sha3Digest::of(name.as_bytes()),
            bytes: name.len() as u64,
        };
        names.iter().map(|name| ((*name).to_owned(), file(name))).collect()
    }

    fn delivery(names: &[&str]) -> Delivery {
        let institution = InstitutionId::parse("north shore").unwrap();
        Delivery::split(&institution, instant(), files(names)).unwrap().remove(0)
    }

    #[test]
    fn a_note_says_what_was_signed_to_those_who_know_the_key_and_to_nobody_else() {
        let delivery = delivery(&["b.csv", "a b.csv", "fhir/Patient.ndjson.gz"]);
        let text = delivery.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..3],
            ["almoner/delivery/v1", "institution north shore", "signed 2026-10-05T08:00:00Z"]
        );
        assert!(lines[3].starts_with("file a b.csv sha3:"), "files are not sorted: {text}");
        assert!(lines[3].ends_with(" bytes 7"), "{text}");
        let note = DeliveryNote::read(&delivery.sign(&key()).unwrap()).unwrap();
        assert_eq!(note.vouched(&[key().verifier().clone()]).unwrap(), &delivery);
        let other = Signer::from_seed("north-shore", &[8; 32]).unwrap();
        let refused = note.vouched(&[other.verifier().clone()]);
        assert_eq!(refused, Err(DeliveryError::Note(signed_note::Error::Unsigned)));
    }

    #[test]
    fn a_note_that_is_spelt_otherwise_is_not_read() {
        let good = delivery(&["a.csv", "b.csv"]).text();
        let sign = |text: &str| key().sign_note(text).unwrap();
        assert!(DeliveryNote::read(&sign(&good)).is_ok());
        let lines: Vec<&str> = good.lines().collect();
        let swapped = [lines[0], lines[1], lines[2], lines[4], lines[3], ""].join("\n");
        let twice = format!("{good}{}\n", lines[4]);
        let bad = [
            (swapped, "files out of order"),
            (twice, "a file named twice"),
            (good.replace("v1", "v2"), "another version"),
            (good.replace("signed ", "signed  "), "a second space"),
            (good.replace("08:00:00Z", "08:00:00+00:00"), "another spelling of the instant"),
            (good.replace("file a.csv", "file ../a.csv"), "a name that leaves the folder"),
            (good.replace("file a.csv", "file /a.csv"), "a name from the root"),
            (good.replace("file a.csv", "file x//a.csv"), "an empty folder"),
            (good.replace(" bytes 5", " bytes 05"), "a size with a zero before it"),
            (format!("{good}note hello\n"), "an unknown line"),
            (lines[..3].join("\n") + "\n", "no file"),
        ];
        for (text, what) in bad {
            assert!(DeliveryNote::read(&sign(&text)).is_err(), "{what} was read");
        }
    }

    #[test]
    fn more_files_than_a_note_holds_make_several_notes_that_are_read() {
        let names: Vec<String> = (0..2_000).map(|at| format!("fhir/{at:04}.json")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let institution = InstitutionId::parse("north").unwrap();
        let all = Delivery::split(&institution, instant(), files(&names)).unwrap();
        assert!(all.len() > 2, "two thousand files were put into {} notes", all.len());
        let mut seen = DeliveredFiles::new();
        for delivery in &all {
            let note = DeliveryNote::read(&delivery.sign(&key()).unwrap()).unwrap();
            seen.extend(note.claims().files().clone());
        }
        assert_eq!(seen, files(&names), "a file was lost between two notes");
        let none = Delivery::split(&institution, instant(), DeliveredFiles::new());
        assert_eq!(none, Err(DeliveryError::Empty));
        let names: Vec<String> = (1..=3).map(note_name).collect();
        assert_eq!(names, ["delivery.note", "delivery-2.note", "delivery-3.note"]);
        assert!(names.iter().all(|name| is_note(name)));
        assert!(!is_note("delivery.notes") && !is_note("deliveries.note") && !is_note("x.note"));
    }

    proptest! {
        #[test]
        fn any_names_that_a_note_takes_come_back_as_they_went_in(
            names in prop::collection::btree_set("[ -~é]{1,20}(/[ -~é]{1,9})?", 1..20)
        ) {
            let taken: Vec<&str> =
                names.iter().map(String::as_str).filter(|name| is_name(name)).collect();
            prop_assume!(!taken.is_empty());
            let delivery = delivery(&taken);
            let note = DeliveryNote::read(&delivery.sign(&key()).unwrap()).unwrap();
            prop_assert_eq!(note.claims(), &delivery);
        }
    }
}
