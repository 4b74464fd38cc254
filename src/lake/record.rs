//! What one person's record in a version is, as bytes: the released rows of every segment, so that
//! a leaf of the record tree stands for all of them.
//!
//! A row's bytes are its cells in column order, `person` left out: 0 for null, else 1 and the
//! value: text as 4 length bytes and UTF-8, integers, dates (days) and timestamps (microseconds)
//! as 8 big-endian bytes, numbers as their IEEE 754 bits, booleans as one byte.
//! A person's part in a segment is SHA3-256 over the rows, in order. The record is
//! SHA3-256 over, for each part in the order of tables and segments: the table's name (length and
//! bytes), the segment's index (8 bytes), the part's digest.

#![expect(clippy::indexing_slicing, reason = "row and column indexes come from the batch itself")]

use arrow::{
    array::{
        Array, AsArray as _, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    },
    datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType},
};
use sha3::{Digest as _, Sha3_256};

use crate::digest::Sha3Digest;

enum Cells<'a> {
    Text(&'a StringArray),
    Int(&'a Int64Array),
    Float(&'a Float64Array),
    Bool(&'a BooleanArray),
    Date(&'a arrow::array::Date32Array),
    Timestamp(&'a arrow::array::TimestampMicrosecondArray),
    Null,
}

impl<'a> Cells<'a> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the kernels give no other Arrow types")]
    fn of(array: &'a dyn Array) -> Self {
        match array.data_type() {
            DataType::Utf8 => Self::Text(array.as_string()),
            DataType::Int64 => Self::Int(array.as_primitive::<Int64Type>()),
            DataType::Float64 => Self::Float(array.as_primitive::<Float64Type>()),
            DataType::Boolean => Self::Bool(array.as_boolean()),
            DataType::Date32 => Self::Date(array.as_primitive::<Date32Type>()),
            DataType::Timestamp(_, _) => {
                Self::Timestamp(array.as_primitive::<TimestampMicrosecondType>())
            }
            _ => Self::Null,
        }
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) {
        let fixed = |null: bool, bytes: [u8; 8], out: &mut Vec<u8>| {
            if null {
                out.push(0);
            } else {
                out.push(1);
                out.extend_from_slice(&bytes);
            }
        };
        match self {
            Self::Text(cells) if cells.is_null(row) => out.push(0),
            Self::Text(cells) => {
                let text = cells.value(row).as_bytes();
                out.push(1);
                out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
                out.extend_from_slice(text);
            }
            Self::Int(cells) => fixed(cells.is_null(row), cells.value(row).to_be_bytes(), out),
            Self::Float(cells) => {
                fixed(cells.is_null(row), cells.value(row).to_bits().to_be_bytes(), out);
            }
            Self::Bool(cells) if cells.is_null(row) => out.push(0),
            Self::Bool(cells) => out.extend_from_slice(&[1, u8::from(cells.value(row))]),
            Self::Date(cells) => {
                fixed(cells.is_null(row), i64::from(cells.value(row)).to_be_bytes(), out);
            }
            Self::Timestamp(cells) => {
                fixed(cells.is_null(row), cells.value(row).to_be_bytes(), out);
            }
            Self::Null => out.push(0),
        }
    }
}

/// Calls `each` with the bytes of every row, in order.
pub fn row_bytes(rows: &RecordBatch, mut each: impl FnMut(usize, &[u8])) {
    let cells: Vec<Cells<'_>> = rows
        .schema()
        .fields()
        .iter()
        .zip(rows.columns())
        .filter(|(field, _)| field.name() != "person")
        .map(|(_, column)| Cells::of(column.as_ref()))
        .collect();
    let mut bytes = Vec::new();
    for row in 0..rows.num_rows() {
        bytes.clear();
        for column in &cells {
            column.write(row, &mut bytes);
        }
        each(row, &bytes);
    }
}

/// Digests each person's rows of one segment, and counts them. `people` names the person of each
/// row; a person's rows stand together.
pub(super) fn digest_people(rows: &RecordBatch, people: &[u32]) -> Vec<(u32, Sha3Digest, u64)> {
    let mut digests = Vec::new();
    let mut hasher = Sha3_256::new();
    let mut count = 0;
    row_bytes(rows, |row, bytes| {
        hasher.update(bytes);
        count += 1;
        if people.get(row + 1) != Some(&people[row]) {
            digests.push((people[row], Sha3Digest(hasher.finalize_reset().into()), count));
            count = 0;
        }
    });
    digests
}

/// The record digests of the people of a version, gathered segment by segment.
#[derive(Debug, Default)]
pub struct RecordDigests {
    parts: Vec<(u32, Sha3Digest)>,
    starts: Vec<(String, u64, usize)>,
}

impl RecordDigests {
    /// Adds the digests of the next segment of a table; tables and segments come in order.
    pub fn push(&mut self, table: &str, segment: u64, people: &[(u32, Sha3Digest, u64)]) {
        self.starts.push((table.to_owned(), segment, self.parts.len()));
        self.parts.extend(people.iter().map(|(person, digest, _)| (*person, *digest)));
    }

    /// Returns each person's record digest, sorted by person.
    pub fn finish(self) -> Vec<(u32, Sha3Digest)> {
        let mut order: Vec<(u32, usize)> =
            self.parts.iter().enumerate().map(|(at, (person, _))| (*person, at)).collect();
        order.sort_unstable();
        let mut records: Vec<(u32, Sha3Digest)> = Vec::new();
        let mut hasher = Sha3_256::new();
        for (at, (person, part)) in order.iter().enumerate() {
            let start = self.starts.partition_point(|(_, _, first)| first <= part);
            let (table, segment, _) = &self.starts[start - 1];
            hasher.update(u32::try_from(table.len()).unwrap_or(u32::MAX).to_be_bytes());
            hasher.update(table.as_bytes());
            hasher.update(segment.to_be_bytes());
            hasher.update(self.parts[*part].1.as_bytes());
            if order.get(at + 1).map(|(next, _)| next) != Some(person) {
                records.push((*person, Sha3Digest(hasher.finalize_reset().into())));
            }
        }
        records
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{Field, Schema};

    use super::*;

    fn rows(values: &[(&str, Option<i64>)]) -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("person", DataType::Utf8, false),
            Field::new("value", DataType::Int64, true),
        ]);
        let person = StringArray::from_iter_values(values.iter().map(|(p, _)| p));
        let value: Int64Array = values.iter().map(|(_, v)| *v).collect();
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(person), Arc::new(value)]).unwrap()
    }

    #[test]
    fn a_record_changes_when_any_cell_of_the_person_changes_and_only_then() {
        let record = |value: Option<i64>, other: i64| {
            let one = rows(&[("a", value), ("a", Some(2)), ("b", Some(other))]);
            let mut digests = RecordDigests::default();
            digests.push("t", 0, &digest_people(&one, &[0, 0, 1]));
            digests.push("u", 0, &digest_people(&rows(&[("a", Some(9))]), &[0]));
            digests.finish()
        };
        let base = record(Some(1), 7);
        assert_eq!(base.len(), 2);
        assert_eq!(base[0], record(Some(1), 8)[0], "another person's cell is in the record");
        assert_ne!(base[0], record(None, 7)[0], "a null and a number are the same record");
        assert_ne!(base[1], record(Some(1), 8)[1]);
    }

    #[test]
    fn null_and_empty_text_have_different_bytes() {
        let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Utf8, true)]));
        let batch =
            RecordBatch::try_new(schema, vec![Arc::new(StringArray::from(vec![None, Some("")]))])
                .unwrap();
        let mut all = Vec::new();
        row_bytes(&batch, |_, bytes| all.push(bytes.to_vec()));
        assert_eq!(all, [vec![0], vec![1, 0, 0, 0, 0]]);
    }
}
