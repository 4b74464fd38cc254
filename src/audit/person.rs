//! Each person's record as bytes, gathered from released rows by a second reading of the format
//! that `lake/record.rs` documents, and the leaf that stands for it in the record tree.

use std::collections::BTreeMap;

use arrow::{
    array::{Array, AsArray as _, RecordBatch},
    datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType},
};
use sha3::{Digest as _, Sha3_256};

use super::table::texts;
use crate::digest::{Sha3Digest, hmac_sha3, hmac_sha3_parts};

/// The records of a version's people, by pseudonym, as far as segments were read.
#[derive(Debug, Default)]
pub(super) struct Records {
    people: BTreeMap<String, (Sha3_256, u64, u64)>,
}

/// What a version holds of one person.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) rows: u64,
    /// Rows that are no copies and no repetitions.
    pub(super) counted: u64,
    pub(super) digest: Sha3Digest,
}

/// One segment's rows, person by person.
#[derive(Debug, Default)]
pub(super) struct Part {
    people: BTreeMap<String, (Sha3_256, u64)>,
}

impl Part {
    /// Adds a batch of the segment; `None` where a column is of no type that is ever released.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Option<()> {
        let person = texts(batch, "person")?;
        let schema = batch.schema();
        let fields = schema.fields().iter().zip(batch.columns());
        let columns: Vec<&dyn Array> =
            fields.filter(|(f, _)| f.name() != "person").map(|(_, c)| c.as_ref()).collect();
        let mut bytes = Vec::new();
        for row in 0..batch.num_rows() {
            bytes.clear();
            for column in &columns {
                cell(*column, row, &mut bytes)?;
            }
            let name = person.value(row);
            if !self.people.contains_key(name) {
                self.people.insert(name.to_owned(), (Sha3_256::new(), 0));
            }
            if let Some((hasher, rows)) = self.people.get_mut(name) {
                hasher.update(&bytes);
                *rows = rows.saturating_add(1);
            }
        }
        Some(())
    }

    /// Returns the people of the segment.
    pub(super) fn people(&self) -> impl Iterator<Item = &str> {
        self.people.keys().map(String::as_str)
    }
}

impl Records {
    /// Adds the next segment of a table, whose rows may be duplicates; tables and segments come in
    /// order.
    pub(super) fn add(&mut self, table: &str, segment: u64, part: Part, duplicates: bool) {
        let length = u32::try_from(table.len()).unwrap_or(u32::MAX);
        for (name, (rows_of, rows)) in part.people {
            let (hasher, sum, counted) =
                self.people.entry(name).or_insert_with(|| (Sha3_256::new(), 0, 0));
            hasher.update(length.to_be_bytes());
            hasher.update(table.as_bytes());
            hasher.update(segment.to_be_bytes());
            hasher.update(rows_of.finalize());
            *sum = sum.saturating_add(rows);
            if !duplicates {
                *counted = counted.saturating_add(rows);
            }
        }
    }

    /// Returns each person's rows and record digest, by pseudonym.
    pub(super) fn finish(self) -> BTreeMap<String, Own> {
        let people = self.people.into_iter();
        let own = |(name, (hasher, rows, counted)): (String, (Sha3_256, u64, u64))| {
            (name, Own { rows, counted, digest: Sha3Digest(hasher.finalize().into()) })
        };
        people.map(own).collect()
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "Arrow's types are many, the lake's are six")]
fn cell(column: &dyn Array, row: usize, out: &mut Vec<u8>) -> Option<()> {
    let is_null = column.is_null(row);
    let number: [u8; 8] = match column.data_type() {
        DataType::Utf8 => {
            if is_null {
                out.push(0);
                return Some(());
            }
            let text = column.as_string::<i32>().value(row);
            out.push(1);
            out.extend_from_slice(&u32::try_from(text.len()).ok()?.to_be_bytes());
            out.extend_from_slice(text.as_bytes());
            return Some(());
        }
        DataType::Boolean => {
            if is_null {
                out.push(0);
            } else {
                out.extend_from_slice(&[1, u8::from(column.as_boolean().value(row))]);
            }
            return Some(());
        }
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_be_bytes(),
        DataType::Float64 => {
            column.as_primitive::<Float64Type>().value(row).to_bits().to_be_bytes()
        }
        DataType::Date32 => i64::from(column.as_primitive::<Date32Type>().value(row)).to_be_bytes(),
        DataType::Timestamp(_, _) => {
            column.as_primitive_opt::<TimestampMicrosecondType>()?.value(row).to_be_bytes()
        }
        _ => return None,
    };
    if is_null {
        out.push(0);
    } else {
        out.push(1);
        out.extend_from_slice(&number);
    }
    Some(())
}

/// Returns a person's leaf: a token that only their key finds, and a keyed commitment to the record
/// (ledger reference, section 6.4).
pub(super) fn leaf(key: &[u8; 32], dataset: &str, version: u64, record: &Sha3Digest) -> [u8; 64] {
    let number = version.to_be_bytes();
    let name = dataset.as_bytes();
    let token = hmac_sha3_parts(key, &[b"rdm/token/v1", name, &number]);
    let own = hmac_sha3_parts(key, &[b"rdm/record-key/v1", name, &number]);
    let salt = hmac_sha3_parts(&own, &[b"rdm/salt/v1", name, &number]);
    let mut message = Vec::new();
    for part in [b"rdm/record/v1".as_slice(), name] {
        message.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        message.extend_from_slice(part);
    }
    message.extend_from_slice(&number);
    message.extend_from_slice(&32_u32.to_be_bytes());
    message.extend_from_slice(record.as_bytes());
    let commitment = hmac_sha3(&salt, &message);
    let mut leaf = [0; 64];
    let (left, right) = leaf.split_at_mut(32);
    left.copy_from_slice(&token);
    right.copy_from_slice(&commitment);
    leaf
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_readings_of_a_leaf_agree() {
        let record = Sha3Digest::of(b"rows");
        let own = leaf(&[7; 32], "diabetes", 3, &record);
        assert_eq!(own, crate::ledger::record::leaf(&[7; 32], "diabetes", 3, &record));
    }
}
