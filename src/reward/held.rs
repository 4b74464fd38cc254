//! What people have earned and may not draw yet, and the Parquet object that holds it.
//!
//! Comes in: parts sorted by contributor and by when they are due. Goes out: bytes, the same for the
//! same parts. Never: a part that is due already.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use bytes::Bytes;

use super::line::{Error, Ints, Texts, read_table, write_table};
use crate::party::ContributorId;

/// A part of what somebody has earned that becomes theirs to draw in a later settlement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    /// Whose.
    pub contributor: ContributorId,
    /// How many settlements are still to come until then; 1 is the next one.
    pub due: u32,
    /// How much, in millionths of a minor unit.
    pub micro: i64,
}

/// Writes held parts as Parquet.
pub fn write_held(held: &[Held]) -> Result<Bytes, Error> {
    let names = held.iter().map(|part| part.contributor.as_str());
    let contributor: ArrayRef = Arc::new(StringArray::from_iter_values(names));
    let int = |cell: fn(&Held) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(held.iter().map(cell)))
    };
    write_table(vec![
        ("contributor", contributor),
        ("due", int(|part| i64::from(part.due))),
        ("micro", int(|part| part.micro)),
    ])
}

/// Reads held parts from Parquet.
pub fn read_held(bytes: &Bytes) -> Result<Vec<Held>, Error> {
    let batch = read_table(bytes)?;
    let contributor = Texts::of(&batch, "contributor")?;
    let (due, micro) = (Ints::of(&batch, "due")?, Ints::of(&batch, "micro")?);
    (0..batch.num_rows())
        .map(|row| {
            Ok(Held {
                contributor: contributor.person(row)?,
                due: due.small(row)?,
                micro: micro.get(row)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_parts_read_back_as_they_were_written() {
        let held = |who: &str, due, micro| Held {
            contributor: ContributorId::parse(who).unwrap(),
            due,
            micro,
        };
        let parts = [held("a", 1, 5), held("a", 2, i64::MAX), held("b", 1, 0)];
        let bytes = write_held(&parts).unwrap();
        assert_eq!(read_held(&bytes).unwrap(), parts);
        assert_eq!(write_held(&parts).unwrap(), bytes, "a re-run would not find its own object");
        let wrong = write_held(&[held("a", u32::MAX, 1)]).unwrap();
        assert!(read_held(&wrong).is_ok(), "the largest number of settlements does not fit");
    }
}
