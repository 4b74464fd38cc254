//! One contributor's line of a settlement, and the Parquet object that holds them all.
//!
//! Comes in: lines sorted by contributor. Goes out: bytes, the same for the same lines.
//! Never: a value that the column's type would cut.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::sync::Arc;

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Int64Type, Schema},
    error::ArrowError,
};
use bytes::Bytes;
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::{Compression, ZstdLevel},
    errors::ParquetError,
    file::properties::WriterProperties,
};

use crate::party::{ContributorId, InstitutionId};

/// What one contributor brought along, accrued, is paid and carries on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Who.
    pub contributor: ContributorId,
    /// The weight in the base layer.
    pub base_weight: u128,
    /// The weight in the usage layer.
    pub usage_weight: u128,
    /// Accrued in the base layer, in millionths of a minor unit.
    pub base_micro: i64,
    /// Accrued in the usage layer, in millionths of a minor unit.
    pub usage_micro: i64,
    /// Brought along, in millionths of a minor unit.
    pub opening_micro: i64,
    /// Carried on, in millionths of a minor unit.
    pub closing_micro: i64,
    /// Paid, in minor units.
    pub paid_minor: i64,
}

/// What is wrong with an object of lines.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Parquet refused.
    #[error("the table could not be written or read as Parquet")]
    Parquet(#[from] ParquetError),
    /// Arrow refused.
    #[error("the table's columns do not fit together")]
    Arrow(#[from] ArrowError),
    /// A column is missing or of another type.
    #[error("the table has no column `{0}` of the right type")]
    Column(&'static str),
    /// A cell is null or out of range.
    #[error("column `{column}` holds no valid value in row {row}")]
    Cell {
        /// The column.
        column: &'static str,
        /// The row, from 0.
        row: usize,
    },
}

/// Writes lines as Parquet.
pub fn write_lines(lines: &[Line]) -> Result<Bytes, Error> {
    let text = |cell: fn(&Line) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(lines.iter().map(cell)))
    };
    let int = |cell: fn(&Line) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(lines.iter().map(cell)))
    };
    write_table(vec![
        ("contributor", text(|l| l.contributor.as_str().to_owned())),
        ("base_weight", text(|l| l.base_weight.to_string())),
        ("usage_weight", text(|l| l.usage_weight.to_string())),
        ("base_micro", int(|l| l.base_micro)),
        ("usage_micro", int(|l| l.usage_micro)),
        ("opening_micro", int(|l| l.opening_micro)),
        ("closing_micro", int(|l| l.closing_micro)),
        ("paid_minor", int(|l| l.paid_minor)),
    ])
}

/// Writes columns without nulls as Parquet, the same bytes for the same cells.
pub(super) fn write_table(columns: Vec<(&str, ArrayRef)>) -> Result<Bytes, Error> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), false))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by("almoner".to_owned())
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties))?;
    writer.write(&batch)?;
    drop(writer.close()?);
    Ok(Bytes::from(bytes))
}

/// Reads lines from Parquet.
pub fn read_lines(bytes: &Bytes) -> Result<Vec<Line>, Error> {
    let batch = read_table(bytes)?;
    let contributor = Texts::of(&batch, "contributor")?;
    let base_weight = Texts::of(&batch, "base_weight")?;
    let usage_weight = Texts::of(&batch, "usage_weight")?;
    let base_micro = Ints::of(&batch, "base_micro")?;
    let usage_micro = Ints::of(&batch, "usage_micro")?;
    let opening_micro = Ints::of(&batch, "opening_micro")?;
    let closing_micro = Ints::of(&batch, "closing_micro")?;
    let paid_minor = Ints::of(&batch, "paid_minor")?;
    (0..batch.num_rows())
        .map(|row| {
            Ok(Line {
                contributor: contributor.person(row)?,
                base_weight: base_weight.weight(row)?,
                usage_weight: usage_weight.weight(row)?,
                base_micro: base_micro.get(row)?,
                usage_micro: usage_micro.get(row)?,
                opening_micro: opening_micro.get(row)?,
                closing_micro: closing_micro.get(row)?,
                paid_minor: paid_minor.get(row)?,
            })
        })
        .collect()
}

/// Reads a whole Parquet object into one batch.
pub fn read_table(bytes: &Bytes) -> Result<RecordBatch, Error> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes.clone())?;
    let schema = Arc::clone(builder.schema());
    let batches = builder.build()?.collect::<Result<Vec<_>, _>>()?;
    Ok(arrow::compute::concat_batches(&schema, &batches)?)
}

/// A text column.
#[derive(Debug)]
pub(super) struct Texts {
    name: &'static str,
    array: StringArray,
}

impl Texts {
    pub(super) fn of(batch: &RecordBatch, name: &'static str) -> Result<Self, Error> {
        let column = batch.column_by_name(name).ok_or(Error::Column(name))?;
        let column = arrow::compute::cast(column, &DataType::Utf8)?;
        let array = column.as_string_opt::<i32>().ok_or(Error::Column(name))?.clone();
        Ok(Self { name, array })
    }

    pub(super) fn get(&self, row: usize) -> Result<&str, Error> {
        if row < self.array.len() && self.array.is_valid(row) {
            Ok(self.array.value(row))
        } else {
            Err(self.fault(row))
        }
    }

    pub(super) fn person(&self, row: usize) -> Result<ContributorId, Error> {
        ContributorId::parse(self.get(row)?).map_err(|_| self.fault(row))
    }

    pub(super) fn institution(&self, row: usize) -> Result<InstitutionId, Error> {
        InstitutionId::parse(self.get(row)?).map_err(|_| self.fault(row))
    }

    pub(super) fn weight(&self, row: usize) -> Result<u128, Error> {
        self.get(row)?.parse().map_err(|_| self.fault(row))
    }

    fn fault(&self, row: usize) -> Error {
        Error::Cell { column: self.name, row }
    }
}

/// A column of integers.
#[derive(Debug)]
pub(super) struct Ints {
    name: &'static str,
    array: Int64Array,
}

impl Ints {
    pub(super) fn of(batch: &RecordBatch, name: &'static str) -> Result<Self, Error> {
        let column = batch.column_by_name(name).ok_or(Error::Column(name))?;
        let array = column.as_primitive_opt::<Int64Type>().ok_or(Error::Column(name))?.clone();
        Ok(Self { name, array })
    }

    pub(super) fn get(&self, row: usize) -> Result<i64, Error> {
        if row < self.array.len() && self.array.is_valid(row) {
            Ok(self.array.value(row))
        } else {
            Err(Error::Cell { column: self.name, row })
        }
    }

    /// Returns a cell that may not be negative.
    pub(super) fn natural(&self, row: usize) -> Result<u64, Error> {
        u64::try_from(self.get(row)?).map_err(|_| Error::Cell { column: self.name, row })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(who: &str, weight: u128) -> Line {
        Line {
            contributor: ContributorId::parse(who).unwrap(),
            base_weight: weight,
            usage_weight: u128::MAX,
            base_micro: 1,
            usage_micro: 2,
            opening_micro: 3,
            closing_micro: 4,
            paid_minor: 5,
        }
    }

    #[test]
    fn lines_read_back_as_they_were_written_and_twice_gives_the_same_bytes() {
        let lines = [line("a", 0), line("b", 1 << 100)];
        let bytes = write_lines(&lines).unwrap();
        assert_eq!(read_lines(&bytes).unwrap(), lines);
        assert_eq!(write_lines(&lines).unwrap(), bytes, "a re-run would not find its own object");
        assert_eq!(read_lines(&write_lines(&[]).unwrap()).unwrap(), []);
    }

    #[test]
    fn a_cut_object_is_an_error_and_names_nobody() {
        let bytes = write_lines(&[line("jane-doe", 7)]).unwrap();
        let error = read_lines(&bytes.slice(..bytes.len() - 9)).unwrap_err();
        assert!(!format!("{error:?}").contains("jane"));
    }
}
