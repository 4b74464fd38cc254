//! How a column of free text is scrubbed, as its schema says it.
//!
//! Comes in: the members of `deid = { kernel = "scrub", … }`. Goes out: a [`ScrubSpec`], with the words
//! and the digest of a list's file, so that a schema's digest changes with it.
//! Never: a line of such a list that is no single word.

use serde::{Deserialize, Serialize};

use crate::{
    digest::Sha3Digest,
    fault::{Choice, Members, Text, found_from},
};

/// How a column of free text is scrubbed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScrubSpec {
    /// Words that are harmless besides those of the lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<WordList>,
    /// What becomes of whole dates.
    #[serde(default)]
    pub dates: ScrubDates,
}

/// A file of words, one a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordList {
    /// Its path, from the folder above `schemas/`.
    pub path: String,
    /// The digest of its bytes.
    pub digest: Sha3Digest,
    /// Its words.
    #[serde(skip)]
    pub words: Vec<String>,
}

impl WordList {
    /// Reads the words of a list, one a line, or says which line is none; `#` begins a comment.
    pub fn parse(text: &str) -> Result<Vec<String>, usize> {
        let lines = (1..).zip(text.lines().map(str::trim));
        let words = lines.filter(|(_, word)| !word.is_empty() && !word.starts_with('#'));
        words
            .map(|(line, word)| {
                let is_word = word.chars().all(char::is_alphanumeric) && word.chars().count() > 1;
                if is_word { Ok(word.to_owned()) } else { Err(line) }
            })
            .collect()
    }
}

/// What becomes of a whole date in a text, where there is but one way to read it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScrubDates {
    /// It is taken out, as every other date.
    #[default]
    Mask,
    /// It is moved by the person's own number of days.
    Shift,
}

const DATES: &Choice<ScrubDates> = &[("mask", ScrubDates::Mask), ("shift", ScrubDates::Shift)];

/// Reads the members of a scrubber.
pub(super) fn read(members: &Members<'_, '_>) -> Option<ScrubSpec> {
    let dates = members.choice("dates", DATES).unwrap_or_default();
    let words = match members.text("words") {
        Some(named) => Some(list(members, &named)?),
        None => None,
    };
    Some(ScrubSpec { words, dates })
}

fn list(members: &Members<'_, '_>, named: &Text) -> Option<WordList> {
    let sheet = members.sheet();
    let Some(found) = found_from(sheet.file(), &named.value) else {
        let hint = "paths are taken from the folder above `schemas/`";
        sheet.fault_hint(named.span.clone(), format!("there is no file `{}`", named.value), hint);
        return None;
    };
    let text = match std::fs::read_to_string(&found) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("`{}` cannot be read: {error}", named.value);
            sheet.fault(named.span.clone(), message);
            return None;
        }
    };
    match WordList::parse(&text) {
        Ok(words) => {
            let digest = Sha3Digest::of(text.as_bytes());
            Some(WordList { path: named.value.clone(), digest, words })
        }
        Err(line) => {
            let message =
                format!("line {line} of `{}` is no word of two letters or more", named.value);
            let hint = "write one word a line, `#` before a comment";
            sheet.fault_hint(named.span.clone(), message, hint);
            None
        }
    }
}
