//! The new records of a period as a settlement weighs them, and the Parquet object that holds them.
//!
//! Comes in: one line a contributor and stratum, sorted. Goes out: bytes, the same for the same lines.
//! Never: a record, or what it says; a stratum is named by a digest or a coarse label.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, StringArray};
use bytes::Bytes;

use super::line::{Error, Flags, Ints, Texts, read_table, write_table};
use crate::party::ContributorId;

/// The new records of one contributor in one stratum.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NewDataLine {
    /// Whose.
    pub contributor: ContributorId,
    /// Records that count as alike.
    pub stratum: String,
    /// How many records of theirs were not there before and never counted.
    pub new: u64,
    /// How many records the stratum held when the period began.
    pub prior: u64,
    /// The new records' quality, in millionths.
    pub quality_ppm: u64,
    /// How many verified persons have records in the stratum.
    pub verified: u32,
    /// Whether the records count now: `verified` is at least what the rule asks for. Those that do not
    /// count stay new, and may count in a later settlement.
    pub vested: bool,
}

/// Writes lines of new data as Parquet.
pub fn write_new_data(lines: &[NewDataLine]) -> Result<Bytes, Error> {
    let text = |cell: fn(&NewDataLine) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(lines.iter().map(cell)))
    };
    let natural = |name: &'static str, cell: fn(&NewDataLine) -> u64| {
        let cells = lines.iter().enumerate().map(|(row, line)| {
            i64::try_from(cell(line)).map_err(|_| Error::Cell { column: name, row })
        });
        let array: ArrayRef = Arc::new(Int64Array::from(cells.collect::<Result<Vec<_>, _>>()?));
        Ok::<_, Error>((name, array))
    };
    let vested: ArrayRef =
        Arc::new(lines.iter().map(|line| Some(line.vested)).collect::<BooleanArray>());
    write_table(vec![
        ("contributor", text(|line| line.contributor.as_str())),
        ("stratum", text(|line| &line.stratum)),
        natural("new", |line| line.new)?,
        natural("prior", |line| line.prior)?,
        natural("quality_ppm", |line| line.quality_ppm)?,
        natural("verified", |line| u64::from(line.verified))?,
        ("vested", vested),
    ])
}

/// Reads lines of new data from Parquet.
pub fn read_new_data(bytes: &Bytes) -> Result<Vec<NewDataLine>, Error> {
    let batch = read_table(bytes)?;
    let (contributor, stratum) = (Texts::of(&batch, "contributor")?, Texts::of(&batch, "stratum")?);
    let (new, prior) = (Ints::of(&batch, "new")?, Ints::of(&batch, "prior")?);
    let (quality, verified) = (Ints::of(&batch, "quality_ppm")?, Ints::of(&batch, "verified")?);
    let vested = Flags::of(&batch, "vested")?;
    (0..batch.num_rows())
        .map(|row| {
            Ok(NewDataLine {
                contributor: contributor.person(row)?,
                stratum: stratum.get(row)?.to_owned(),
                new: new.natural(row)?,
                prior: prior.natural(row)?,
                quality_ppm: quality.natural(row)?,
                verified: verified.small(row)?,
                vested: vested.get(row)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_back_as_they_were_written_and_what_does_not_fit_is_refused() {
        let mut line = NewDataLine {
            contributor: ContributorId::parse("a").unwrap(),
            stratum: "F|1950".into(),
            new: 3,
            prior: u64::try_from(i64::MAX).unwrap(),
            quality_ppm: 1_000_000,
            verified: 2,
            vested: true,
        };
        let bytes = write_new_data(std::slice::from_ref(&line)).unwrap();
        assert_eq!(read_new_data(&bytes).unwrap(), [line.clone()]);
        assert_eq!(read_new_data(&write_new_data(&[]).unwrap()).unwrap(), []);
        line.prior += 1;
        let result = write_new_data(&[line]);
        assert!(matches!(result, Err(Error::Cell { column: "prior", row: 0 })), "a count wrapped");
    }
}
