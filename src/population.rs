//! The seeded generator of institutions, people, their records and consents, sponsors, researchers.
//!
//! Comes in: a seed and a size. Goes out: CSV and FHIR files, consents, and who is who; the same ones
//! for the same seed, everywhere.
//! Never: a real person, a number kept for every person, or a draw that rests on another person's:
//! person `i` comes of (seed, `i`) alone, twins too, so a million stream through little memory.

mod accounts;
mod canary;
mod chart;
mod consent_files;
mod consents;
mod consents_for;
mod demo;
mod dice;
mod family;
mod faults;
mod fhir;
mod flat;
mod names;
mod notes;
mod parties;
mod person;
mod places;
mod records;
mod slips;
mod split;
mod write;

use std::path::PathBuf;

pub use self::{
    canary::{CANARY_PEOPLE, canaries},
    consent_files::CONSENT_HEADER,
    consents_for::{
        Asking, ConsentFormat, FolderConsents, consents_for, consents_for_folders,
        consents_for_patients, share_ppm,
    },
    demo::{Question, demo_files, demo_questions, write_demo_files},
    flat::write_flat,
    notes::{Patient, note, patient, write_notes},
    parties::{Researcher, Sponsor, researchers, sponsors, write_researchers, write_sponsors},
    person::{Person, institution, people, person, record_number},
    split::{Parted, SPLIT_TYPES, Split, split},
    write::{Written, to_file, write_people},
};

/// How many people, of which seed, at how many institutions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Population {
    seed: u64,
    people: u64,
    institutions: u32,
    fhir: u32,
}

impl Population {
    /// Makes a population whose institutions all send CSV, or says which number is out of range.
    pub fn new(seed: u64, people: u64, institutions: u32) -> Result<Self, Error> {
        if !(1..=PEOPLE_MAX).contains(&people) {
            return Err(Error::Range { what: "people", min: 1, max: PEOPLE_MAX });
        }
        if !(1..=INSTITUTIONS_MAX).contains(&institutions) {
            return Err(Error::Range {
                what: "institutions",
                min: 1,
                max: u64::from(INSTITUTIONS_MAX),
            });
        }
        Ok(Self { seed, people, institutions, fhir: 0 })
    }

    /// Lets `count` institutions send FHIR: the second and those after it, the first one last.
    #[must_use]
    pub fn with_fhir(self, count: u32) -> Self {
        Self { fhir: count.min(self.institutions), ..self }
    }

    /// Returns the seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the number of people.
    pub fn people(&self) -> u64 {
        self.people
    }

    /// Returns the number of institutions.
    pub fn institutions(&self) -> u32 {
        self.institutions
    }

    /// Returns how institution `at` sends its records.
    fn format(&self, at: u32) -> records::Format {
        let place = (at + self.institutions - 1) % self.institutions;
        if place < self.fhir { records::Format::Fhir } else { records::Format::Csv }
    }
}

/// The most people that member numbers of nine digits can tell apart, with room to spare.
const PEOPLE_MAX: u64 = 100_000_000;

/// The most institutions.
const INSTITUTIONS_MAX: u32 = 64;

/// A population could not be made or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A number is out of range.
    #[error("the number of {what} must lie between {min} and {max}")]
    Range {
        /// What the number counts.
        what: &'static str,
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// A file could not be written or read.
    #[error("cannot {act} `{}`", path.display())]
    File {
        /// What was being done.
        act: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A FHIR export could not be found.
    #[error(transparent)]
    Source(#[from] crate::source::Error),
    /// A writer that is no file failed.
    #[error("cannot write the population")]
    Write(#[from] std::io::Error),
    /// A file whose people should get consents is no CSV.
    #[error("cannot read line {line} of `{}` as CSV", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// The line, or the last one that could be read.
        line: u64,
    },
    /// A file whose people should get consents lacks their column.
    #[error("`{}` has no column `{column}`", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
}
