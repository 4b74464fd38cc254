//! How much of what must go a scrubber finds: counts on a gold set, and the bound that they allow.
//!
//! Comes in: notes with their spans marked by hand or by construction. Goes out: [`Recall`]: counts
//! and shares in millionths. Never: a note or a part of one in a figure or a fault.

use std::{collections::BTreeMap, ops::Range};

use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta, ContinuousCDF as _};

use super::{Class, Kind, Matcher, Scrubber};

/// One note of a gold set: a line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gold {
    /// The note.
    pub text: String,
    /// What must go.
    pub spans: Vec<GoldSpan>,
    /// What tables say of its person.
    #[serde(default)]
    pub known: Vec<GoldValue>,
}

/// A span that must go; it counts characters, not bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldSpan {
    /// Its first character.
    pub start: usize,
    /// The character after its last.
    pub end: usize,
    /// What it is.
    pub class: Class,
}

/// A value that tables hold of a note's person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldValue {
    /// What it is: name, place, id, contact.
    pub kind: Kind,
    /// The value.
    pub value: String,
}

/// Why a gold set cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum GoldError {
    /// Its file cannot be read.
    #[error("the gold set cannot be read")]
    Unread(#[source] std::io::Error),
    /// A line is no note with spans.
    #[error("line {line} of the gold set is no note: {said}")]
    Line {
        /// The line.
        line: usize,
        /// What is wrong, without the line's text.
        said: String,
    },
    /// A span lies outside its note.
    #[error("line {line} of the gold set has a span that its text does not have")]
    Span {
        /// The line.
        line: usize,
    },
    /// There is no note in it.
    #[error("the gold set has no note")]
    Empty,
}

impl Gold {
    /// Reads a gold set, one note a line.
    pub fn read(text: &str) -> Result<Vec<Self>, GoldError> {
        let mut all = Vec::new();
        for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
            let gold: Self = serde_json::from_str(text).map_err(|error| GoldError::Line {
                line,
                // What serde says may quote the text.
                said: format!("{:?} error at column {}", error.classify(), error.column())
                    .to_lowercase(),
            })?;
            let length = gold.text.chars().count();
            if gold.spans.iter().any(|span| span.start >= span.end || span.end > length) {
                return Err(GoldError::Span { line });
            }
            all.push(gold);
        }
        if all.is_empty() { Err(GoldError::Empty) } else { Ok(all) }
    }
}

/// Counts of one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// Spans in the gold set.
    pub spans: u64,
    /// Of them, those that went whole.
    pub spans_found: u64,
    /// Letters and digits in them.
    pub characters: u64,
    /// Of them, those that went.
    pub characters_found: u64,
}

impl Score {
    /// The share of characters that went, in millionths, rounded down.
    pub fn recall_ppm(&self) -> u64 {
        ppm(self.characters_found, self.characters)
    }

    /// The least share of characters that the counts allow with a confidence of 95 %, in millionths.
    pub fn bound_ppm(&self) -> u64 {
        bound_ppm(self.characters_found, self.characters)
    }

    /// The same for spans that go whole.
    pub fn spans_bound_ppm(&self) -> u64 {
        bound_ppm(self.spans_found, self.spans)
    }

    fn add(&mut self, other: &Self) {
        self.spans += other.spans;
        self.spans_found += other.spans_found;
        self.characters += other.characters;
        self.characters_found += other.characters_found;
    }
}

/// What a scrubber does on a gold set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recall {
    /// Notes.
    pub notes: u64,
    /// By class of the gold set.
    pub classes: BTreeMap<Class, Score>,
    /// All classes.
    pub all: Score,
    /// Classes that their form gives away.
    pub patterns: Score,
    /// Letters and digits that went.
    pub masked: u64,
    /// Of them, those of a span of the gold set.
    pub masked_rightly: u64,
    /// Letters and digits in all notes.
    pub characters: u64,
}

impl Recall {
    /// Runs a scrubber over a gold set.
    pub fn measure(scrubber: &Scrubber, gold: &[Gold]) -> Self {
        let mut recall = Self::default();
        for note in gold {
            recall.add(scrubber, note);
        }
        recall
    }

    /// The share of what went that had to go, in millionths.
    pub fn precision_ppm(&self) -> u64 {
        ppm(self.masked_rightly, self.masked)
    }

    /// Of what did not have to go, the share that stayed, in millionths.
    pub fn kept_ppm(&self) -> u64 {
        let harmless = self.characters.saturating_sub(self.all.characters);
        ppm(harmless.saturating_sub(self.masked.saturating_sub(self.masked_rightly)), harmless)
    }

    fn add(&mut self, scrubber: &Scrubber, note: &Gold) {
        let known = Matcher::new(note.known.iter().map(|known| (known.kind, known.value.as_str())));
        let spans = scrubber.spans(&note.text, &known, 1);
        let gone: Vec<Range<usize>> = spans.into_iter().map(|span| span.bytes).collect();
        let mut at = 0;
        // For each character: whether it counts, and whether it went.
        let signs: Vec<(bool, bool)> = note
            .text
            .char_indices()
            .map(|(byte, sign)| {
                while gone.get(at).is_some_and(|span| span.end <= byte) {
                    at += 1;
                }
                let went = gone.get(at).is_some_and(|span| span.contains(&byte));
                (sign.is_alphanumeric(), went)
            })
            .collect();
        let mut wanted = vec![false; signs.len()];
        for span in &note.spans {
            let own = signs.get(span.start..span.end).unwrap_or_default();
            wanted.get_mut(span.start..span.end).into_iter().flatten().for_each(|w| *w = true);
            let counted =
                |went: bool| own.iter().filter(|(counts, w)| *counts && *w == went).count() as u64;
            let (found, missed) = (counted(true), counted(false));
            let score = Score {
                spans: 1,
                spans_found: u64::from(missed == 0),
                characters: found + missed,
                characters_found: found,
            };
            self.classes.entry(span.class).or_default().add(&score);
            self.all.add(&score);
            if span.class.is_pattern() {
                self.patterns.add(&score);
            }
        }
        self.notes += 1;
        for ((counts, went), wanted) in signs.into_iter().zip(wanted) {
            self.characters += u64::from(counts);
            self.masked += u64::from(counts && went);
            self.masked_rightly += u64::from(counts && went && wanted);
        }
    }
}

fn ppm(part: u64, whole: u64) -> u64 {
    part.saturating_mul(1_000_000).checked_div(whole).unwrap_or(1_000_000)
}

/// The one-sided lower bound of Clopper and Pearson (Biometrika 26, 1934) at 95 %, rounded down.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are far below 2^53 and a share lies between 0 and 1"
)]
fn bound_ppm(found: u64, of: u64) -> u64 {
    const LEVEL: f64 = 0.05;
    if found == 0 || of == 0 {
        return 0;
    }
    let missed = of.saturating_sub(found);
    let bound = if missed == 0 {
        LEVEL.powf(1.0 / of as f64)
    } else {
        match Beta::new(found as f64, missed as f64 + 1.0) {
            Ok(beta) => beta.inverse_cdf(LEVEL),
            Err(_) => 0.0,
        }
    };
    (bound.clamp(0.0, 1.0) * 1e6) as u64
}

#[cfg(test)]
mod tests {
    use super::super::ScrubDates;
    use super::*;

    #[test]
    fn the_bound_is_the_published_one() {
        // The share at which k or more of n come up one time in twenty, from the binomial sum.
        for (found, of, bound) in [
            (0, 10, 0),
            (10, 10, 741_134),
            (9, 10, 605_836),
            (95, 100, 897_746),
            (990, 1_000, 983_096),
            (9_990, 10_000, 998_304),
        ] {
            let own = bound_ppm(found, of);
            assert!(own.abs_diff(bound) <= 2, "{found} of {of}: {own} and not {bound}");
        }
    }

    #[test]
    fn what_goes_and_what_should_is_counted_by_characters_and_by_spans() {
        let line = r#"{"text":"Zoë Doe has pain on 2019-03-04, Hand","spans":[
            {"start":0,"end":7,"class":"name"},{"start":20,"end":30,"class":"date"},
            {"start":32,"end":36,"class":"name"}]}"#
            .replace('\n', " ");
        let gold = Gold::read(&line).unwrap();
        let recall = Recall::measure(&Scrubber::new(&[], ScrubDates::Mask), &gold);
        assert_eq!(recall.classes[&Class::Date].spans_found, 1);
        let names = recall.classes[&Class::Name];
        assert_eq!((names.spans, names.characters), (2, 10), "a blank is counted");
        assert_eq!(names.spans_found, 1, "a span that did not go whole counts as found");
        assert_eq!(names.characters_found, 6);
        assert_eq!(recall.patterns.characters, 8);
        assert_eq!(recall.precision_ppm(), 1_000_000);
        let known = line.replace("]}", r#"],"known":[{"kind":"name","value":"Hand"}]}"#);
        let recall =
            Recall::measure(&Scrubber::new(&[], ScrubDates::Mask), &Gold::read(&known).unwrap());
        assert_eq!(recall.all.recall_ppm(), 1_000_000, "a known value is missed");
    }

    #[test]
    fn a_bad_gold_set_is_told_by_line_and_without_its_text() {
        let fault =
            Gold::read("{\"text\":\"Zaphod\",\"spans\":[]}\n{\"text\":\"Zaphod\"").unwrap_err();
        let said = fault.to_string();
        assert!(said.contains("line 2") && !said.contains("Zaphod"), "{said}");
        let fault = Gold::read(r#"{"text":"Zo","spans":[{"start":0,"end":3,"class":"name"}]}"#);
        assert!(matches!(fault, Err(GoldError::Span { line: 1 })));
        assert!(matches!(Gold::read("\n"), Err(GoldError::Empty)));
    }
}
