//! Parquet objects read plainly: batches, and columns by name and type.

use std::collections::BTreeSet;

use arrow::{
    array::{Array as _, AsArray as _, BooleanArray, Int64Array, RecordBatch, StringArray},
    datatypes::Int64Type,
};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{Audit, Check};
use crate::{
    digest::{Sha3Digest, Sha256},
    store::{self, Store},
};

/// Reads all batches; `None` where the bytes are no Parquet that can be read.
pub(super) fn batches(bytes: Bytes) -> Option<Vec<RecordBatch>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).ok()?;
    reader.with_batch_size(1 << 15).build().ok()?.collect::<Result<_, _>>().ok()
}

/// Returns a column of text without nulls.
pub(super) fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a StringArray> {
    let column = batch.column_by_name(name)?.as_string_opt::<i32>()?;
    (column.null_count() == 0).then_some(column)
}

/// Returns a column of integers without nulls.
pub(super) fn ints<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a Int64Array> {
    let column = batch.column_by_name(name)?.as_primitive_opt::<Int64Type>()?;
    (column.null_count() == 0).then_some(column)
}

/// Returns a column of yes and no without nulls.
pub(super) fn flags<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a BooleanArray> {
    let column = batch.column_by_name(name)?.as_boolean_opt()?;
    (column.null_count() == 0).then_some(column)
}

/// Reads an object and checks its digest; `None`, and a finding, where it is not as recorded.
pub(super) fn object(
    audit: &mut Audit,
    zone: &Store,
    named: &str,
    path: &str,
    digest: &Sha3Digest,
) -> Result<Option<Bytes>, store::Error> {
    let name = format!("{named}/{path}");
    let bytes = match zone.find(path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            audit.check(Check::Object, &name, false, "it is missing");
            return Ok(None);
        }
        Err(store::Error::Sealed { .. }) => {
            audit.check(Check::Object, &name, false, "its bytes have changed: it does not open");
            return Ok(None);
        }
        Err(store::Error::Destroyed { .. }) => {
            audit.unreadable.insert(name);
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let good = Sha3Digest::of(&bytes) == *digest;
    audit.check(Check::Object, &name, good, "its bytes have changed");
    Ok(good.then_some(bytes))
}

/// Reads an object of which [`object`] tells what is wrong: none where it is not there or does not open.
pub(super) fn if_opens(
    found: Result<Option<Bytes>, store::Error>,
) -> Result<Option<Bytes>, store::Error> {
    match found {
        Err(store::Error::Sealed { .. } | store::Error::Destroyed { .. }) => Ok(None),
        Ok(_) | Err(_) => found,
    }
}

/// Reads an object as Parquet after checking its digest.
pub(super) fn parquet(
    audit: &mut Audit,
    zone: &Store,
    named: &str,
    path: &str,
    digest: &Sha3Digest,
) -> Result<Option<Vec<RecordBatch>>, store::Error> {
    let Some(bytes) = object(audit, zone, named, path, digest)? else { return Ok(None) };
    let batches = batches(bytes);
    let name = format!("{named}/{path}");
    audit.check(Check::Object, &name, batches.is_some(), "it is no Parquet that can be read");
    Ok(batches)
}

/// The RFC 6962 hash of a leaf.
pub(super) fn leaf_hash(data: &[u8]) -> Sha256 {
    Sha256::of(&[&[0], data].concat())
}

/// The RFC 6962 root over leaf hashes, straight from its definition (section 2.1).
pub(super) fn root(hashes: &[Sha256]) -> Sha256 {
    match hashes {
        [] => Sha256::of(b""),
        [one] => *one,
        many => {
            let half = many.len().next_power_of_two() / 2;
            let (left, right) = many.split_at_checked(half).unwrap_or((many, &[]));
            let (left, right) = (root(left), root(right));
            Sha256::of(&[&[1], left.as_bytes().as_slice(), right.as_bytes()].concat())
        }
    }
}

/// Says whether texts come in ascending order, none twice.
pub(super) fn ascends<T: Ord>(items: &[T]) -> bool {
    items.iter().zip(items.iter().skip(1)).all(|(a, b)| a < b)
}

/// Says whether a text is a pseudonym: 32 lower-case hex digits.
pub(super) fn is_pseudonym(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A count as the length of a collection.
pub(super) fn count<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

/// The names that stand in only one of two sets, for findings that name columns.
pub(super) fn odd<'a>(a: &BTreeSet<&'a str>, b: &BTreeSet<&'a str>) -> String {
    a.symmetric_difference(b).copied().collect::<Vec<_>>().join("`, `")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_root_is_that_of_the_published_examples() {
        // RFC 6962: the root of nothing is the hash of nothing.
        assert_eq!(
            root(&[]).to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        for size in 1..40_u8 {
            let leaves: Vec<[u8; 1]> = (0..size).map(|n| [n]).collect();
            let hashes: Vec<Sha256> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
            assert_eq!(root(&hashes), crate::ledger::tree::root(&leaves), "two trees of {size}");
        }
    }
}
