//! The lists of words, and what each word is looked up to mean.
//!
//! Comes in: the lists of `words/` and words that a table brings. Goes out: a [`Sense`] for a folded
//! word. Never: a word on the list of harmless ones that is a common name of people or places; those
//! that are needed all the same pass in lower case alone.
//!
//! A list has words between blanks. A word may carry forms: `/s` its plural, `/v` the forms of a
//! regular verb, `/w` those of a verb that doubles its last letter, `/a` its adverb. `#` begins a
//! comment line.

use std::{collections::BTreeMap, fmt};

use super::{
    note::is_silent,
    senses::{self, Sense},
};
use crate::{linkage::plain, party::Lookup};

const SAFE: [&str; 5] = [
    include_str!("words/general.txt"),
    include_str!("words/anatomy.txt"),
    include_str!("words/clinical.txt"),
    include_str!("words/drugs.txt"),
    include_str!("words/letters.txt"),
];
const LOWER: &str = include_str!("words/lower.txt");
const UPPER: &str = include_str!("words/upper.txt");

/// Words by what they mean.
pub(super) struct Words {
    words: Vec<(Box<str>, Sense)>,
    lookup: Lookup,
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Words").field("count", &self.words.len()).finish_non_exhaustive()
    }
}

impl PartialEq for Words {
    fn eq(&self, other: &Self) -> bool {
        self.words == other.words
    }
}

impl Clone for Words {
    fn clone(&self) -> Self {
        Self::of(self.words.clone())
    }
}

impl Words {
    /// Reads the lists; `extra` are words that a table holds for harmless besides.
    pub(super) fn new(extra: &[String]) -> Self {
        let mut senses = BTreeMap::<String, Sense>::new();
        let mut add = |word: String, sense: Sense| {
            let slot = senses.entry(word).or_default();
            *slot = slot.and(sense);
        };
        let lists = SAFE.iter().map(|text| (*text, Sense::SAFE));
        for (text, sense) in lists.chain([(LOWER, Sense::LOWER), (UPPER, Sense::UPPER)]) {
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            for entry in lines.flat_map(str::split_whitespace) {
                forms(entry, &mut |word| add(word, sense));
            }
        }
        for (words, sense) in senses::TABLE {
            words.split_whitespace().for_each(|word| add(word.to_owned(), *sense));
        }
        for sense in senses.values_mut() {
            if sense.has(Sense::UNIT.and(Sense::LAB)) {
                *sense = sense.and(Sense::SAFE);
            }
            if sense.has(Sense::LOWER) {
                *sense = sense.without(Sense::SAFE);
            }
        }
        for word in extra {
            let slot = senses.entry(folded(word)).or_default();
            *slot = slot.and(Sense::SAFE);
        }
        Self::of(senses.into_iter().map(|(word, sense)| (word.into_boxed_str(), sense)).collect())
    }

    fn of(words: Vec<(Box<str>, Sense)>) -> Self {
        let lookup = Lookup::new(words.iter().map(|(word, _)| &**word));
        Self { words, lookup }
    }

    /// What is known of a folded word.
    pub(super) fn sense(&self, word: &str) -> Sense {
        let own = |at: usize| self.words.get(at).map(|(word, _)| &**word);
        let found = self.lookup.find(word, own).and_then(|at| usize::try_from(at).ok());
        found.and_then(|at| self.words.get(at)).map_or(Sense::NONE, |(_, sense)| *sense)
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, Sense)> {
        self.words.iter().map(|(word, sense)| (&**word, *sense))
    }
}

/// Writes a character in lower case and without its accents; nothing where it is silent.
pub(super) fn fold(c: char, out: &mut String) {
    match c {
        'µ' | 'μ' => out.push('u'),
        '²' => out.push('2'),
        '³' => out.push('3'),
        '\u{ff10}'..='\u{ff19}' | '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' => {
            let ascii = u32::from(c) - 0xfee0;
            out.extend(char::from_u32(ascii).map(|c| c.to_ascii_lowercase()));
        }
        c if is_silent(c) => {}
        c => {
            for c in c.to_lowercase().filter(|c| !is_silent(*c)) {
                match plain(c) {
                    Some(letters) => out.push_str(letters),
                    None => out.push(c),
                }
            }
        }
    }
}

/// All letters and digits of a text, folded, without what stands between them.
pub(super) fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().filter(|c| c.is_alphanumeric()).for_each(|c| fold(c, &mut out));
    out
}

/// Tells each form of an entry of a list.
fn forms(entry: &str, tell: &mut dyn FnMut(String)) {
    let (word, forms) = entry.split_once('/').unwrap_or((entry, ""));
    tell(word.to_owned());
    let last = word.chars().next_back().unwrap_or_default();
    let stem = word.strip_suffix(last).unwrap_or(word);
    let y = word.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    let plural = || match y {
        Some(stem) => format!("{stem}ies"),
        None if ["s", "x", "z", "ch", "sh"].iter().any(|end| word.ends_with(end)) => {
            format!("{word}es")
        }
        None => format!("{word}s"),
    };
    for form in forms.chars() {
        match form {
            's' => tell(plural()),
            'v' => {
                tell(plural());
                match (y, last) {
                    (Some(stem), _) => tell(format!("{stem}ied")),
                    (None, 'e') => tell(format!("{word}d")),
                    (None, _) => tell(format!("{word}ed")),
                }
                if last == 'e' && !stem.ends_with(['e', 'y', 'o']) {
                    tell(format!("{stem}ing"));
                } else {
                    tell(format!("{word}ing"));
                }
            }
            'w' => {
                tell(plural());
                tell(format!("{word}{last}ed"));
                tell(format!("{word}{last}ing"));
            }
            'a' => {
                if word.ends_with("le") {
                    tell(format!("{stem}y"));
                } else if word.ends_with("ic") {
                    tell(format!("{word}ally"));
                } else if let Some(stem) = y {
                    tell(format!("{stem}ily"));
                } else {
                    tell(format!("{word}ly"));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_stands_for_its_forms() {
        let all = |entry: &str| {
            let mut out = Vec::new();
            forms(entry, &mut |word| out.push(word));
            out.join(" ")
        };
        assert_eq!(all("biopsy/s"), "biopsy biopsies");
        assert_eq!(all("note/v"), "note notes noted noting");
        assert_eq!(all("agree/v"), "agree agrees agreed agreeing");
        assert_eq!(all("deny/v"), "deny denies denied denying");
        assert_eq!(all("stop/w"), "stop stops stopped stopping");
        assert_eq!(all("stable/a"), "stable stably");
        assert_eq!(all("chronic/a"), "chronic chronically");
        assert_eq!(all("stress/s"), "stress stresses");
        assert_eq!(all("knee/s"), "knee knees");
    }

    #[test]
    fn letters_are_folded_to_what_a_table_would_hold() {
        assert_eq!(folded("José-María O’Neill"), "josemariaoneill");
        assert_eq!(folded("JOSE\u{301}"), "jose", "a written-out accent is a letter of its own");
        assert_eq!(folded("Ro\u{ad}se"), "rose", "a soft hyphen hides a name");
        assert_eq!(folded("１２３ＡＢ"), "123ab", "wide digits hide a number");
        assert_eq!(folded("Straße Łódź"), "strasselodz");
    }

    #[test]
    fn the_lists_hold_thousands_of_words_and_no_common_name_that_passes_with_a_capital() {
        let words = Words::new(&[]);
        let safe = words.all().filter(|(_, sense)| sense.has(Sense::SAFE));
        assert!(safe.count() > 5_000, "the lists have shrunk");
        let people = [
            "smith", "johnson", "williams", "brown", "jones", "garcia", "miller", "davis", "young",
            "king", "wright", "hill", "green", "white", "hall", "mary", "john", "james", "rose",
            "grace", "faith", "mark", "frank", "will", "may", "june", "april", "bill", "art",
            "sue", "rich", "boston", "paris", "florence", "jordan", "chester", "reading", "long",
            "price",
        ];
        for name in people {
            assert!(!words.sense(name).has(Sense::SAFE), "{name} would pass as a word");
        }
    }
}
