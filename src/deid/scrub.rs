//! Free text with everything taken out that is not known to be harmless.
//!
//! Comes in: a note, and what structured tables say of its person. Goes out: the note with each span
//! that was taken out as its class in brackets: `[name]`, `[date]`, `[age 60-69]`.
//! Never: a word that is on no list, a number that is of no clinical shape, a value of the person's
//! own tables. What is not understood is taken out, not passed on.
//!
//! ```text
//! text -note::read-> tokens
//!      -addresses, dates, ages, patterns, context, known, numbers, words-> marks -> spans
//! ```
//!
//! A mark is never taken back: a later step can only take out more. What is left of English is words
//! of the lists in `words/`, punctuation, and numbers such as a dose, a laboratory value or a
//! percentage. Words of another language are on no list; a table may bring a list of its own.

mod ages;
mod class;
mod context;
mod dates;
mod known;
mod note;
mod numbers;
mod patterns;
mod recall;
mod senses;
mod strangers;
mod words;

use std::ops::Range;

pub use self::{
    class::Class,
    known::{Kind, Known, Matcher},
    recall::{Gold, GoldError, GoldSpan, GoldValue, Recall, Score},
};
use self::{dates::Day, note::Note, words::Words};
use crate::schema::ScrubDates;

/// A span that is taken out of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The bytes.
    pub bytes: Range<usize>,
    /// What it is taken for.
    pub class: Class,
    /// What stands in its place, brackets left out, where that is not the class alone.
    shown: Option<String>,
}

/// The lists and settings of one column; made once, lent to every note.
#[derive(Debug, Clone, PartialEq)]
pub struct Scrubber {
    words: Words,
    dates: ScrubDates,
}

impl Scrubber {
    /// Takes the lists of this crate, and words that a table holds for harmless besides.
    pub fn new(extra: &[String], dates: ScrubDates) -> Self {
        Self { words: Words::new(extra), dates }
    }

    /// Finds the spans to take out of a text, in order and without overlap.
    ///
    /// `known` finds what tables say of the person; `days` is the person's shift.
    pub fn spans(&self, text: &str, known: &Matcher, days: i32) -> Vec<Span> {
        let mut note = Note::read(text, &self.words);
        let days = match self.dates {
            ScrubDates::Mask => None,
            ScrubDates::Shift => Some(days),
        };
        patterns::addresses(&mut note);
        dates::mark(&mut note);
        ages::mark(&mut note);
        patterns::numbers(&mut note);
        context::mark(&mut note);
        known.mark(&mut note);
        numbers::mark(&mut note, &self.words);
        strangers::mark(&mut note);
        note.spans(|day: Day| days.and_then(|days| day.moved(days)))
    }

    /// Returns a text with its spans replaced.
    pub fn scrub(&self, text: &str, known: &Matcher, days: i32) -> String {
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for span in self.spans(text, known, days) {
            out.push_str(text.get(at..span.bytes.start).unwrap_or_default());
            out.push('[');
            out.push_str(span.shown.as_deref().unwrap_or_else(|| span.class.word()));
            out.push(']');
            at = span.bytes.end;
        }
        out.push_str(text.get(at..).unwrap_or_default());
        out
    }
}

#[cfg(test)]
mod tests;
