//! One contributor's line of a settlement, and the Parquet object that holds them all.
//!
//! Comes in: lines sorted by contributor. Goes out: bytes, the same for the same lines.
//! Never: a value that the column's type would cut.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::sync::Arc;

use arrow::{
    array::{
        Array as _, ArrayRef, AsArray as _, BooleanArray, Int64Array, RecordBatch, StringArray,
    },
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

use super::rules::Layer;
use crate::party::{ContributorId, InstitutionId};

/// What one contributor brought along, earned, is paid and carries on.
///
/// `_micro` are millionths of a minor unit, `_minor` minor units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Who.
    pub contributor: ContributorId,
    /// The weight in the base layer.
    pub base_weight: u128,
    /// The weight in the usage layer.
    pub usage_weight: u128,
    /// The weight in the layer of new data.
    pub new_weight: u128,
    /// The weight in the layer of model values.
    pub value_weight: u128,
    /// What the base layer gave.
    pub base_micro: i64,
    /// What the usage layer gave.
    pub usage_micro: i64,
    /// What the layer of new data gave.
    pub new_micro: i64,
    /// What the layer of model values gave.
    pub value_micro: i64,
    /// What the layers came to after the cap of a person.
    pub gross_micro: i64,
    /// The institutions' part of it.
    pub institution_micro: i64,
    /// The platform's part of it.
    pub platform_micro: i64,
    /// The person's own part of it.
    pub person_micro: i64,
    /// What was taken off it to make good what should not have been paid; never above zero.
    pub adjust_micro: i64,
    /// What is still to be made good.
    pub debt_micro: i64,
    /// What of it becomes the person's to draw in later settlements.
    pub held_micro: i64,
    /// What of earlier settlements became the person's to draw now.
    pub vested_micro: i64,
    /// Brought along.
    pub opening_micro: i64,
    /// Carried on.
    pub closing_micro: i64,
    /// What is drawn: paid or withheld.
    pub payable_minor: i64,
    /// Withheld for the tax office.
    pub tax_minor: i64,
    /// Paid.
    pub paid_minor: i64,
}

impl Line {
    /// The columns of weights, in order.
    pub const WEIGHTS: [&str; 4] = ["base_weight", "usage_weight", "new_weight", "value_weight"];

    /// The columns of amounts, in order.
    pub const AMOUNTS: [&str; 17] = [
        "base_micro",
        "usage_micro",
        "new_micro",
        "value_micro",
        "gross_micro",
        "institution_micro",
        "platform_micro",
        "person_micro",
        "adjust_micro",
        "debt_micro",
        "held_micro",
        "vested_micro",
        "opening_micro",
        "closing_micro",
        "payable_minor",
        "tax_minor",
        "paid_minor",
    ];

    /// Makes the line of somebody who has nothing yet.
    pub fn empty(contributor: ContributorId) -> Self {
        Self {
            contributor,
            base_weight: 0,
            usage_weight: 0,
            new_weight: 0,
            value_weight: 0,
            base_micro: 0,
            usage_micro: 0,
            new_micro: 0,
            value_micro: 0,
            gross_micro: 0,
            institution_micro: 0,
            platform_micro: 0,
            person_micro: 0,
            adjust_micro: 0,
            debt_micro: 0,
            held_micro: 0,
            vested_micro: 0,
            opening_micro: 0,
            closing_micro: 0,
            payable_minor: 0,
            tax_minor: 0,
            paid_minor: 0,
        }
    }

    /// Returns the weights, in the order of [`Line::WEIGHTS`] and [`Layer::ALL`].
    pub fn weights(&self) -> [u128; 4] {
        [self.base_weight, self.usage_weight, self.new_weight, self.value_weight]
    }

    /// Returns the amounts, in the order of [`Line::AMOUNTS`].
    pub fn amounts(&self) -> [i64; 17] {
        [
            self.base_micro,
            self.usage_micro,
            self.new_micro,
            self.value_micro,
            self.gross_micro,
            self.institution_micro,
            self.platform_micro,
            self.person_micro,
            self.adjust_micro,
            self.debt_micro,
            self.held_micro,
            self.vested_micro,
            self.opening_micro,
            self.closing_micro,
            self.payable_minor,
            self.tax_minor,
            self.paid_minor,
        ]
    }

    fn amounts_mut(&mut self) -> [&mut i64; 17] {
        [
            &mut self.base_micro,
            &mut self.usage_micro,
            &mut self.new_micro,
            &mut self.value_micro,
            &mut self.gross_micro,
            &mut self.institution_micro,
            &mut self.platform_micro,
            &mut self.person_micro,
            &mut self.adjust_micro,
            &mut self.debt_micro,
            &mut self.held_micro,
            &mut self.vested_micro,
            &mut self.opening_micro,
            &mut self.closing_micro,
            &mut self.payable_minor,
            &mut self.tax_minor,
            &mut self.paid_minor,
        ]
    }

    /// Returns the weight in a layer.
    pub fn weight(&self, layer: Layer) -> u128 {
        match layer {
            Layer::Base => self.base_weight,
            Layer::Usage => self.usage_weight,
            Layer::NewData => self.new_weight,
            Layer::Value => self.value_weight,
        }
    }

    /// Returns what a layer gave, in millionths of a minor unit.
    pub fn micro(&self, layer: Layer) -> i64 {
        match layer {
            Layer::Base => self.base_micro,
            Layer::Usage => self.usage_micro,
            Layer::NewData => self.new_micro,
            Layer::Value => self.value_micro,
        }
    }

    /// Puts down what a layer gave, and by which weight.
    pub(super) fn put(&mut self, layer: Layer, weight: u128, micro: i64) {
        let (own_weight, own_micro) = match layer {
            Layer::Base => (&mut self.base_weight, &mut self.base_micro),
            Layer::Usage => (&mut self.usage_weight, &mut self.usage_micro),
            Layer::NewData => (&mut self.new_weight, &mut self.new_micro),
            Layer::Value => (&mut self.value_weight, &mut self.value_micro),
        };
        (*own_weight, *own_micro) = (weight, micro);
    }
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
    let names = lines.iter().map(|line| line.contributor.as_str());
    let contributor: ArrayRef = Arc::new(StringArray::from_iter_values(names));
    let mut columns = vec![("contributor", contributor)];
    for (at, name) in Line::WEIGHTS.into_iter().enumerate() {
        let cells = lines.iter().filter_map(|l| l.weights().get(at).map(u128::to_string));
        columns.push((name, Arc::new(StringArray::from_iter_values(cells))));
    }
    for (at, name) in Line::AMOUNTS.into_iter().enumerate() {
        let cells = lines.iter().filter_map(|l| l.amounts().get(at).copied());
        columns.push((name, Arc::new(Int64Array::from_iter_values(cells))));
    }
    write_table(columns)
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
    let weights = Line::WEIGHTS.map(|name| Texts::of(&batch, name));
    let amounts = Line::AMOUNTS
        .into_iter()
        .map(|name| Ints::of(&batch, name))
        .collect::<Result<Vec<_>, _>>()?;
    let [base, usage, new, value] = weights;
    let (base, usage, new, value) = (base?, usage?, new?, value?);
    (0..batch.num_rows())
        .map(|row| {
            let mut line = Line::empty(contributor.person(row)?);
            line.base_weight = base.weight(row)?;
            line.usage_weight = usage.weight(row)?;
            line.new_weight = new.weight(row)?;
            line.value_weight = value.weight(row)?;
            for (amount, column) in line.amounts_mut().into_iter().zip(&amounts) {
                *amount = column.get(row)?;
            }
            Ok(line)
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

    /// Returns a cell that fits 32 bits.
    pub(super) fn small(&self, row: usize) -> Result<u32, Error> {
        u32::try_from(self.get(row)?).map_err(|_| Error::Cell { column: self.name, row })
    }
}

/// A column of yes and no.
#[derive(Debug)]
pub(super) struct Flags {
    name: &'static str,
    array: BooleanArray,
}

impl Flags {
    pub(super) fn of(batch: &RecordBatch, name: &'static str) -> Result<Self, Error> {
        let column = batch.column_by_name(name).ok_or(Error::Column(name))?;
        let array = column.as_boolean_opt().ok_or(Error::Column(name))?.clone();
        Ok(Self { name, array })
    }

    pub(super) fn get(&self, row: usize) -> Result<bool, Error> {
        if row < self.array.len() && self.array.is_valid(row) {
            Ok(self.array.value(row))
        } else {
            Err(Error::Cell { column: self.name, row })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(who: &str, weight: u128) -> Line {
        let mut line = Line::empty(ContributorId::parse(who).unwrap());
        line.base_weight = weight;
        line.value_weight = u128::MAX;
        for (amount, at) in line.amounts_mut().into_iter().zip(-8_i64..) {
            *amount = at;
        }
        line
    }

    #[test]
    fn every_amount_has_its_own_column() {
        let amounts = line("a", 1).amounts();
        assert!(amounts.into_iter().eq(-8..9), "two columns are one amount");
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
