//! What a settlement knows of the people it pays, and the Parquet object that holds it.
//!
//! Comes in: one line a contributor, sorted. Goes out: bytes, the same for the same lines.
//! Never: a name or an account; those are for the bank alone.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, StringArray};
use bytes::Bytes;

use super::line::{Error, Flags, Texts, read_table, write_table};
use crate::party::ContributorId;

/// What a settlement knows of one contributor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PayeeLine {
    /// Who.
    pub contributor: ContributorId,
    /// The person's key: the same for all ids of one person.
    pub person: Option<String>,
    /// Whether somebody vouched for who they are.
    pub verified: bool,
    /// Where they pay tax, ISO 3166-1 alpha-2.
    pub country: Option<String>,
}

impl PayeeLine {
    /// Returns the verified person; `None` where nobody vouched for one.
    pub fn verified_person(&self) -> Option<&str> {
        self.person.as_deref().filter(|_| self.verified)
    }
}

/// Writes lines of payees as Parquet; what is not known is an empty text.
pub fn write_payee_lines(lines: &[PayeeLine]) -> Result<Bytes, Error> {
    let text = |cell: fn(&PayeeLine) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(lines.iter().map(cell)))
    };
    let verified: ArrayRef =
        Arc::new(lines.iter().map(|line| Some(line.verified)).collect::<BooleanArray>());
    write_table(vec![
        ("contributor", text(|line| line.contributor.as_str())),
        ("person", text(|line| line.person.as_deref().unwrap_or_default())),
        ("verified", verified),
        ("country", text(|line| line.country.as_deref().unwrap_or_default())),
    ])
}

/// Reads lines of payees from Parquet.
pub fn read_payee_lines(bytes: &Bytes) -> Result<Vec<PayeeLine>, Error> {
    let batch = read_table(bytes)?;
    let contributor = Texts::of(&batch, "contributor")?;
    let (person, country) = (Texts::of(&batch, "person")?, Texts::of(&batch, "country")?);
    let verified = Flags::of(&batch, "verified")?;
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (0..batch.num_rows())
        .map(|row| {
            Ok(PayeeLine {
                contributor: contributor.person(row)?,
                person: known(person.get(row)?),
                verified: verified.get(row)?,
                country: known(country.get(row)?),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_back_as_they_were_written_and_only_the_verified_are_persons() {
        let line = |who: &str, person: Option<&str>, verified| PayeeLine {
            contributor: ContributorId::parse(who).unwrap(),
            person: person.map(str::to_owned),
            verified,
            country: person.map(|_| "DE".to_owned()),
        };
        let lines =
            [line("a", Some("p1"), true), line("b", Some("p2"), false), line("c", None, true)];
        assert_eq!(read_payee_lines(&write_payee_lines(&lines).unwrap()).unwrap(), lines);
        let persons: Vec<_> = lines.iter().map(PayeeLine::verified_person).collect();
        assert_eq!(persons, [Some("p1"), None, None], "anyone could say to be another");
    }
}
