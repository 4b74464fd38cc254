//! What structured tables say of a person, found again in the person's notes.
//!
//! Comes in: values with what they are, by person. Goes out: a [`Matcher`] for one person's notes.
//! Never: a value in debug output; a word of grammar taken out in lower case because somebody's
//! family name is Do.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use serde::{Deserialize, Serialize};

use super::{
    Class,
    note::{Case, Note},
    words::folded,
};

/// What a known value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A name: each of its words counts.
    Name,
    /// A place or an address: its words count, and numbers of three digits or more.
    Place,
    /// A number or code: it counts as a whole, and its parts of four signs or more.
    Id,
    /// A telephone number or an address on a network.
    Contact,
}

/// The values that tables hold, by the person's place in the roster.
#[derive(Clone, Default)]
pub struct Known {
    people: BTreeMap<u32, BTreeSet<(Class, String)>>,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").field("people", &self.people.len()).finish()
    }
}

impl Known {
    /// Adds a value of a person.
    pub fn add(&mut self, person: u32, kind: Kind, value: &str) {
        let own = self.people.entry(person).or_default();
        forms(kind, value, &mut |class, form| {
            own.insert((class, form));
        });
    }

    /// Adds what another part found.
    pub fn merge(&mut self, other: Self) {
        for (person, mut forms) in other.people {
            self.people.entry(person).or_default().append(&mut forms);
        }
    }

    /// Returns of how many people something is known.
    pub fn people(&self) -> usize {
        self.people.len()
    }

    /// Makes ready to search one person's notes.
    pub fn matcher(&self, person: u32) -> Matcher {
        self.people.get(&person).map_or_else(Matcher::default, Matcher::of)
    }
}

/// Finds one person's values.
#[derive(Clone, Default)]
pub struct Matcher {
    found: Option<AhoCorasick>,
    classes: Vec<Class>,
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matcher").field("forms", &self.classes.len()).finish_non_exhaustive()
    }
}

impl Matcher {
    /// Makes ready to search for some values.
    pub fn new<'v>(values: impl IntoIterator<Item = (Kind, &'v str)>) -> Self {
        let mut all = BTreeSet::new();
        for (kind, value) in values {
            forms(kind, value, &mut |class, form| {
                all.insert((class, form));
            });
        }
        Self::of(&all)
    }

    fn of(forms: &BTreeSet<(Class, String)>) -> Self {
        let found = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::NoncontiguousNFA))
            .prefilter(false)
            .build(forms.iter().map(|(_, form)| form.as_bytes()))
            .ok()
            .filter(|_| !forms.is_empty());
        // Forms of a person are few and short; more than an automaton holds there cannot be.
        debug_assert!(found.is_some() || forms.is_empty(), "no automaton for a person's values");
        Self { found, classes: forms.iter().map(|(class, _)| *class).collect() }
    }

    /// Marks what is found: whole tokens, whatever stands between them.
    pub(super) fn mark(&self, note: &mut Note<'_>) {
        let Some(found) = &self.found else { return };
        let mut hits = Vec::new();
        for hit in found.find_overlapping_iter(note.folded()) {
            if let (Some(first), Some(last)) =
                (note.beginning_at(hit.start()), note.ending_at(hit.end()))
            {
                hits.push((first, last, hit.pattern().as_usize()));
            }
        }
        for (first, last, form) in hits {
            let class = self.classes.get(form).copied().unwrap_or(Class::Word);
            let is_grammar = first == last
                && note.case(first) == Case::Lower
                && CLOSED.contains(&note.word(first));
            if is_grammar {
                continue;
            }
            if class == Class::Name || class == Class::Place {
                (first..=last).for_each(|at| note.mark(at, class));
            } else {
                note.mark_all(first..last + 1, class);
            }
        }
    }
}

/// Words without which no sentence is, and which are family names all the same: An, Do, So.
const CLOSED: &[&str] = &[
    "a", "an", "as", "at", "be", "by", "do", "he", "if", "in", "is", "it", "me", "my", "no", "of",
    "on", "or", "so", "to", "up", "us", "we", "and", "for", "had", "has", "her", "him", "his",
    "not", "she", "the", "was", "you", "with", "from",
];

/// Words of addresses that every address has.
const OF_ADDRESSES: &[&str] = &[
    "street",
    "st",
    "avenue",
    "ave",
    "road",
    "rd",
    "drive",
    "lane",
    "court",
    "apt",
    "apartment",
    "unit",
    "suite",
    "floor",
    "the",
    "and",
    "for",
    "north",
    "south",
    "east",
    "west",
    "box",
    "hospital",
    "clinic",
    "center",
    "medical",
    "health",
    "care",
    "general",
    "university",
    "school",
    "company",
    "inc",
    "llc",
];

/// The shortest name that is found across the gaps between words.
const WHOLE_MIN: usize = 5;

/// Tells the forms by which a value is found, folded.
fn forms(kind: Kind, value: &str, tell: &mut dyn FnMut(Class, String)) {
    let words = value.split(|c: char| !c.is_alphanumeric() && !super::note::is_silent(c));
    let words: Vec<String> = words.map(folded).filter(|word| !word.is_empty()).collect();
    let whole = words.concat();
    let is_number = |word: &str| word.bytes().all(|b| b.is_ascii_digit());
    match kind {
        Kind::Name => {
            for word in words.iter().filter(|word| word.chars().count() > 1 && !is_number(word)) {
                tell(Class::Name, word.clone());
                // A name that a generator numbered is written without its number as well.
                let bare = word.trim_end_matches(|c: char| c.is_ascii_digit());
                if bare.len() < word.len() && bare.chars().count() > 1 {
                    tell(Class::Name, bare.to_owned());
                }
            }
            // A name that a line or a blank breaks. What is short would be found in other words:
            // `do an` holds Doan.
            if whole.chars().count() >= WHOLE_MIN && words.len() > 1 && !is_number(&whole) {
                tell(Class::Name, whole);
            }
        }
        Kind::Place => {
            for word in &words {
                let counts =
                    if is_number(word) { word.len() >= 3 } else { word.chars().count() >= 3 };
                if counts && !OF_ADDRESSES.contains(&word.as_str()) {
                    tell(Class::Place, word.clone());
                }
            }
            if words.len() > 1 {
                tell(Class::Place, whole);
            }
        }
        Kind::Id => {
            for word in words.iter().filter(|word| word.len() >= 4) {
                tell(Class::Id, word.clone());
            }
            if whole.len() >= 4 {
                tell(Class::Id, whole);
            }
        }
        Kind::Contact => {
            for word in words.iter().filter(|word| word.chars().count() >= 3) {
                let is_plain = matches!(
                    word.as_str(),
                    "com" | "org" | "net" | "www" | "http" | "https" | "mail"
                );
                if !is_plain && !is_number(word) {
                    tell(Class::Email, word.clone());
                }
            }
            if whole.len() >= 5 {
                let digits = is_number(&whole);
                tell(if digits { Class::Phone } else { Class::Email }, whole.clone());
                // Without the country or the area.
                for tail in [10, 7] {
                    let tail = whole.len().checked_sub(tail).filter(|cut| *cut > 0);
                    if let Some(tail) = tail.and_then(|cut| whole.get(cut..)).filter(|_| digits) {
                        tell(Class::Phone, tail.to_owned());
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ScrubDates, Scrubber};
    use super::*;

    fn masked(values: &[(Kind, &str)], text: &str) -> String {
        let matcher = Matcher::new(values.iter().copied());
        Scrubber::new(&[], ScrubDates::Mask).scrub(text, &matcher, 0)
    }

    #[test]
    fn a_word_of_the_lists_that_is_the_persons_name_goes_in_every_writing() {
        let known = [(Kind::Name, "Hand"), (Kind::Name, "Iron Heart-Bone")];
        for name in [
            "Hand",
            "HAND",
            "hand",
            "Hand's",
            "Hand-Heart",
            "Iron\nHand",
            "IRON",
            "iron-hand",
            "Bone, Iron",
        ] {
            let shown = masked(&known, &format!("seen: {name} for pain")).to_lowercase();
            for part in ["hand", "iron", "heart", "bone"] {
                assert!(!shown.contains(part), "{part} of {name:?} shows: {shown}");
            }
        }
        assert_eq!(masked(&[], "hand pain"), "hand pain", "a word of the lists is lost for others");
        assert_eq!(
            masked(&known, "both hands hurt"),
            "both hands hurt",
            "half a word is taken out"
        );
    }

    #[test]
    fn a_name_broken_by_a_line_or_by_letters_is_one_name() {
        let known = [(Kind::Name, "Johnson"), (Kind::Name, "Heartstone")];
        for text in ["with Heart-\nstone today", "with Heart stone today", "with heart stone today"]
        {
            let shown = masked(&known, text);
            assert!(!shown.to_lowercase().contains("heart"), "half a name shows: {shown}");
        }
    }

    #[test]
    fn a_known_number_goes_even_in_a_clinical_shape() {
        let known = [(Kind::Id, "4711"), (Kind::Id, "12-34 56"), (Kind::Place, "120 Hand Street")];
        for text in ["took 4711 mg", "has 12 3456", "123456", "at 120 hand st", "glucose 4711"] {
            let shown = masked(&known, text);
            assert!(!shown.contains(|c: char| c.is_ascii_digit()), "a known number shows: {shown}");
        }
        assert_eq!(masked(&known, "took 500 mg"), "took 500 mg", "another number is lost");
    }

    #[test]
    fn accents_do_not_hide_a_name() {
        let known = [(Kind::Name, "Hañd")];
        assert!(!masked(&known, "a hand").contains("hand"), "an accent less hides a name");
        let known = [(Kind::Name, "Hand")];
        assert!(!masked(&known, "a HÁND").contains('H'), "an accent more hides a name");
    }

    #[test]
    fn grammar_stays_in_lower_case_whoever_is_named_so() {
        let known = [(Kind::Name, "An Do")];
        assert_eq!(masked(&known, "to do an exam"), "to do an exam");
        assert!(!masked(&known, "seen: An Do").contains("An"), "a short name shows");
    }

    #[test]
    fn no_value_stands_in_debug_output() {
        let mut known = Known::default();
        known.add(3, Kind::Name, "Zaphod");
        let shown = format!("{known:?} {:?}", known.matcher(3));
        assert!(!shown.to_lowercase().contains("zaphod"), "a name would reach a log");
    }
}
