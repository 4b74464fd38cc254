//! The days by which people's dates move, where a table from outside says them: another holder of the
//! same people's data can then shift alike.
//!
//! Comes in: text, one person and one number of days a line. Goes out: [`Offsets`]. Never: a shift of
//! zero days, a person with two, or an id in a fault; the table itself leaves nothing but its digest.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    deid::kernel::shift_date::{DAYS_MAX, Weekdays},
    digest::Sha3Digest,
    party::ContributorId,
};

/// The days by which each person's dates move.
///
/// Where it is read back from its digest it knows nobody, and a run is refused.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offsets {
    digest: Sha3Digest,
    #[serde(skip)]
    days: Arc<BTreeMap<ContributorId, i32>>,
}

impl fmt::Debug for Offsets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offsets").field("people", &self.days.len()).finish_non_exhaustive()
    }
}

/// Why a table of offsets cannot be used; lines are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OffsetsError {
    /// The first line is not the names of the two columns.
    #[error("line 1 is not `person;days`")]
    Head,
    /// A line that is not a person and a number.
    #[error("line {0} is not a person's id, `;`, and a whole number of days")]
    Line(usize),
    /// A shift that is none, or out of range.
    #[error("line {0} moves dates by no day, or by more than {DAYS_MAX}")]
    Days(usize),
    /// A shift that changes weekdays, where they are to stay.
    #[error("line {0} moves dates by days that are no whole weeks, and shift_weekdays = true")]
    Weekday(usize),
    /// A person who stands there twice.
    #[error("line {0} has a person who has a line above")]
    Twice(usize),
    /// No person stands there.
    #[error("it has no line with a person")]
    Empty,
}

impl Offsets {
    /// Reads a table: `person;days` (or `person,days`), then a person's id as consents name it and the
    /// days, a line each.
    pub fn parse(text: &str, weekdays: Weekdays) -> Result<Self, OffsetsError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = (1..).zip(text.lines());
        let mark = match lines.next().map(|(_, head)| head.trim()) {
            Some("person;days") => ';',
            Some("person,days") => ',',
            Some(_) | None => return Err(OffsetsError::Head),
        };
        let mut all = BTreeMap::new();
        for (line, text) in lines.filter(|(_, text)| !text.trim().is_empty()) {
            let (person, days) =
                text.trim_end().rsplit_once(mark).ok_or(OffsetsError::Line(line))?;
            let person = ContributorId::parse(person).map_err(|_| OffsetsError::Line(line))?;
            let days: i32 = days.trim().parse().map_err(|_| OffsetsError::Line(line))?;
            if days == 0 || days.unsigned_abs() > DAYS_MAX {
                return Err(OffsetsError::Days(line));
            }
            if weekdays == Weekdays::Stay && days % 7 != 0 {
                return Err(OffsetsError::Weekday(line));
            }
            if all.insert(person, days).is_some() {
                return Err(OffsetsError::Twice(line));
            }
        }
        if all.is_empty() {
            return Err(OffsetsError::Empty);
        }
        Ok(Self { digest: Sha3Digest::of(text.as_bytes()), days: Arc::new(all) })
    }

    /// Returns the digest of the table.
    pub fn digest(&self) -> Sha3Digest {
        self.digest
    }

    /// Returns a person's days.
    pub fn days(&self, person: &ContributorId) -> Option<i32> {
        self.days.get(person).copied()
    }

    /// Counts the people of a roster that the table misses.
    pub fn missing(&self, roster: &[ContributorId]) -> usize {
        roster.iter().filter(|person| !self.days.contains_key(*person)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_each_persons_days_and_its_digest_alone_is_kept() {
        let text = "person;days\nsite:a;-14\r\n\nsite:b;21\n";
        let offsets = Offsets::parse(text, Weekdays::Stay).unwrap();
        let id = |id: &str| ContributorId::parse(id).unwrap();
        assert_eq!(offsets.days(&id("site:a")), Some(-14));
        assert_eq!(offsets.missing(&[id("site:b"), id("site:c")]), 1);
        let json = serde_json::to_string(&offsets).unwrap();
        assert_eq!(json, format!("\"{}\"", offsets.digest()), "more than the digest leaves");
        let back: Offsets = serde_json::from_str(&json).unwrap();
        assert_eq!(back.missing(&[id("site:a")]), 1, "a table read from its digest knows people");
        assert!(!format!("{offsets:?}").contains("site"), "debug output names people");
    }

    #[test]
    fn each_fault_is_told_by_its_line() {
        let read = |text: &str, weekdays| Offsets::parse(text, weekdays).unwrap_err();
        let moving = |text| read(text, Weekdays::Move);
        assert_eq!(moving("a;3\n"), OffsetsError::Head);
        assert_eq!(moving("person;days\na,3"), OffsetsError::Line(2));
        assert_eq!(moving("person;days\na;3\nb;x"), OffsetsError::Line(3));
        assert_eq!(moving("person;days\n;3"), OffsetsError::Line(2));
        assert_eq!(moving("person;days\na;0"), OffsetsError::Days(2));
        assert_eq!(moving("person;days\na;3654"), OffsetsError::Days(2));
        assert_eq!(moving("person;days\na;3\na;3"), OffsetsError::Twice(3));
        assert_eq!(moving("person;days\n\n"), OffsetsError::Empty);
        assert_eq!(read("person;days\na;7\nb;8", Weekdays::Stay), OffsetsError::Weekday(3));
    }
}
