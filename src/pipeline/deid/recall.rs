//! The act of a measurement: how much of what must go the scrubber finds on notes with marked spans.
//!
//! Comes in: a gold set, words that a table holds for harmless. Goes out: [`Recalled`]: counts, shares
//! in millionths and the bounds they allow. Never: a note or a part of one.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Serialize;

pub use crate::deid::scrub::{Gold, GoldError};
use crate::{
    deid::scrub::{Recall, Score, Scrubber},
    schema::{ScrubDates, WordList},
};

/// What a scrubber does on a gold set.
#[derive(Debug, Clone, Serialize)]
pub struct Recalled {
    /// Notes.
    pub notes: u64,
    /// Letters and digits in them.
    pub characters: u64,
    /// Letters and digits that went.
    pub masked: u64,
    /// Of them, the share that had to go, in millionths.
    pub precision_ppm: u64,
    /// Of what did not have to go, the share that stayed, in millionths.
    pub kept_ppm: u64,
    /// By class, in order; then `patterns`, what its form gives away, and `all`.
    pub classes: Vec<ClassLine>,
}

/// What a scrubber does on one class of a gold set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassLine {
    /// The class.
    pub class: String,
    /// Spans that must go.
    pub spans: u64,
    /// Of them, those that went whole.
    pub spans_found: u64,
    /// Letters and digits in them.
    pub characters: u64,
    /// Of them, those that went.
    pub characters_found: u64,
    /// Their share, in millionths.
    pub recall_ppm: u64,
    /// What that share is at least, with a confidence of 95 % (Clopper-Pearson).
    pub bound_ppm: u64,
    /// What the share of spans that go whole is at least, with the same confidence.
    pub spans_bound_ppm: u64,
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("`{}` cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The gold set is none.
    #[error("`{}` is no gold set", file.display())]
    Gold {
        /// The file.
        file: PathBuf,
        /// Why.
        source: GoldError,
    },
    /// The list of words is none.
    #[error("line {line} of `{}` is no word of two letters or more", file.display())]
    Words {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
    },
}

/// Reads a gold set: one note a line.
pub fn gold(file: &Path) -> Result<Vec<Gold>, Error> {
    Gold::read(&read(file)?).map_err(|source| Error::Gold { file: file.to_owned(), source })
}

/// Measures the scrubber on a gold set, with the words of a list besides its own.
pub fn recall(gold: &[Gold], words: Option<&Path>) -> Result<Recalled, Error> {
    let words = match words {
        None => Vec::new(),
        Some(file) => WordList::parse(&read(file)?)
            .map_err(|line| Error::Words { file: file.to_owned(), line })?,
    };
    let found = Recall::measure(&Scrubber::new(&words, ScrubDates::Mask), gold);
    let named = [("patterns", &found.patterns), ("all", &found.all)];
    let classes = found.classes.iter().map(|(class, score)| (class.word(), score));
    Ok(Recalled {
        notes: found.notes,
        characters: found.characters,
        masked: found.masked,
        precision_ppm: found.precision_ppm(),
        kept_ppm: found.kept_ppm(),
        classes: classes.chain(named).map(line).collect(),
    })
}

impl Recalled {
    /// What the share of characters that went is at least, over all classes, in millionths.
    pub fn bound_ppm(&self) -> u64 {
        self.classes.last().map_or(0, |line| line.bound_ppm)
    }
}

fn line((class, score): (&str, &Score)) -> ClassLine {
    ClassLine {
        class: class.to_owned(),
        spans: score.spans,
        spans_found: score.spans_found,
        characters: score.characters,
        characters_found: score.characters_found,
        recall_ppm: score.recall_ppm(),
        bound_ppm: score.bound_ppm(),
        spans_bound_ppm: score.spans_bound_ppm(),
    }
}

fn read(file: &Path) -> Result<String, Error> {
    fs::read_to_string(file).map_err(|source| Error::Read { file: file.to_owned(), source })
}
