//! The code table of one release under safe harbour: for each person of the roster a code that was
//! drawn, not derived (45 CFR 164.514(c)(1)), and that is told to nobody (c)(2).
//!
//! Comes in: the roster and bytes of the system's randomness, or the table as the vault keeps it.
//! Goes out: [`Codes`]. Never: a code made of anything that is known of the person, or two people of
//! one code.
//!
//! The table is text: a line `code`, a tab, `contributor`, then a line a person in the roster's
//! order.

use std::{collections::BTreeSet, fmt, fmt::Write as _};

use super::kernel::pseudonym::Digits;
use crate::party::ContributorId;

/// Bytes of randomness in one code.
pub const CODE_BYTES: usize = 16;

const HEADER: &str = "code\tcontributor";

/// The codes of a roster, in its order.
#[derive(Clone)]
pub struct Codes(Vec<Digits>);

impl fmt::Debug for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Codes({})", self.0.len())
    }
}

/// Why a code table cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodesError {
    /// There is not as much randomness as the roster asks for.
    #[error("{people} codes need {} random bytes, and {bytes} came", people * CODE_BYTES)]
    Randomness {
        /// People of the roster.
        people: usize,
        /// Bytes that came.
        bytes: usize,
    },
    /// Two people have one code.
    #[error("two people of the code table have one code")]
    Repeated,
    /// The table is not of this form.
    #[error("line {line} of the code table is not `code`, a tab and a contributor")]
    Form {
        /// The line.
        line: usize,
    },
    /// The table is of another roster.
    #[error("the code table has {found} people and the roster has {people}, or others")]
    Roster {
        /// People of the table.
        found: usize,
        /// People of the roster.
        people: usize,
    },
}

impl Codes {
    /// Makes a code of 16 random bytes for each person.
    pub fn draw(roster: &[ContributorId], random: &[u8]) -> Result<Self, CodesError> {
        let wanted = roster.len() * CODE_BYTES;
        if random.len() != wanted {
            return Err(CodesError::Randomness { people: roster.len(), bytes: random.len() });
        }
        Self::of(random.chunks_exact(CODE_BYTES).map(Digits::of_bytes).collect())
    }

    /// Reads the table of this roster.
    pub fn read(roster: &[ContributorId], table: &[u8]) -> Result<Self, CodesError> {
        let text = std::str::from_utf8(table).map_err(|_| CodesError::Form { line: 1 })?;
        let mut lines = text.lines();
        if lines.next() != Some(HEADER) {
            return Err(CodesError::Form { line: 1 });
        }
        let mut codes = Vec::with_capacity(roster.len());
        let mut fits = true;
        for (at, line) in lines.enumerate() {
            let read = line
                .split_once('\t')
                .and_then(|(code, person)| Some((Digits::parse(code)?, person)));
            let (code, person) = read.ok_or(CodesError::Form { line: at + 2 })?;
            fits &= roster.get(at).is_some_and(|id| id.as_str() == person);
            codes.push(code);
        }
        if !fits || codes.len() != roster.len() {
            return Err(CodesError::Roster { found: codes.len(), people: roster.len() });
        }
        Self::of(codes)
    }

    /// Writes the table of this roster.
    pub fn table(&self, roster: &[ContributorId]) -> String {
        let mut text = format!("{HEADER}\n");
        for (code, person) in self.0.iter().zip(roster) {
            // Writing to a string fails never.
            let _: fmt::Result = writeln!(text, "{}\t{}", code.as_str(), person.as_str());
        }
        text
    }

    fn of(codes: Vec<Digits>) -> Result<Self, CodesError> {
        let mut seen = BTreeSet::new();
        if codes.iter().all(|code| seen.insert(code.as_bytes())) {
            Ok(Self(codes))
        } else {
            Err(CodesError::Repeated)
        }
    }

    pub(super) fn digits(&self) -> &[Digits] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster(names: &[&str]) -> Vec<ContributorId> {
        names.iter().map(|name| ContributorId::parse(name).unwrap()).collect()
    }

    #[test]
    fn a_code_is_what_was_drawn_whoever_the_person_is() {
        let random: Vec<u8> = (0..32).collect();
        let one = Codes::draw(&roster(&["a", "b"]), &random).unwrap();
        let two = Codes::draw(&roster(&["x", "y"]), &random).unwrap();
        assert_eq!(one.digits(), two.digits(), "a code depends on the person's id");
        assert_eq!(one.digits()[0].as_str(), "000102030405060708090a0b0c0d0e0f");
    }

    #[test]
    fn a_table_reads_back_and_not_for_another_roster() {
        let people = roster(&["synthea:a b", "synthea:c"]);
        let random: Vec<u8> = (0..32).collect();
        let codes = Codes::draw(&people, &random).unwrap();
        let table = codes.table(&people);
        let back = Codes::read(&people, table.as_bytes()).unwrap();
        assert_eq!(back.digits(), codes.digits());
        for other in [&["synthea:a b"][..], &["synthea:c", "synthea:a b"]] {
            let error = Codes::read(&roster(other), table.as_bytes()).unwrap_err();
            assert!(matches!(error, CodesError::Roster { .. }), "another roster's codes are taken");
            assert!(!error.to_string().contains("synthea"), "an error names a person");
        }
        for (text, line) in [("", 1), ("code\tcontributor\n00\tsynthea:a b\n", 2)] {
            let error = Codes::read(&people, text.as_bytes()).unwrap_err();
            assert_eq!(error, CodesError::Form { line }, "half a table is taken");
        }
    }

    #[test]
    fn randomness_that_is_short_or_repeats_is_refused() {
        let people = roster(&["a", "b"]);
        let short = Codes::draw(&people, &[7; 31]).unwrap_err();
        assert_eq!(short, CodesError::Randomness { people: 2, bytes: 31 });
        assert_eq!(Codes::draw(&people, &[7; 32]).unwrap_err(), CodesError::Repeated);
    }
}
