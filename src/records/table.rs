//! The records of a version as the vault keeps them: one line a contributor and record.
//!
//! Comes in: lines, in any order. Goes out: Parquet, sorted by contributor and hash, and the lines
//! back. Never: a cell of a record; its hash is keyed by a secret of the site.

use std::sync::Arc;

use arrow::{
    array::{
        Array as _, ArrayRef, AsArray as _, BinaryArray, BooleanArray, FixedSizeBinaryArray,
        Int64Array, RecordBatch, StringArray,
    },
    datatypes::{Field, Int64Type, Schema},
};
use bytes::Bytes;
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
    schema::types::ColumnPath,
};
use rayon::slice::ParallelSliceMut as _;

use super::Error;
use crate::party::ContributorId;

/// One record of one contributor in a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordLine {
    /// Whose.
    pub contributor: ContributorId,
    /// Its keyed hash.
    pub hash: u128,
    /// The table that it is a row of.
    pub table: String,
    /// What kind of record it is: the table, and the values of its stratum's columns.
    pub stratum: String,
    /// Whether it counts: it is the first of those that are the same.
    pub first: bool,
    /// The quality of its institution's rows, in millionths.
    pub quality_ppm: u64,
    /// The tokens by which later records are compared with it; none where it counts nothing, or
    /// tells too little for a likeness.
    pub tokens: Option<Vec<u32>>,
}

/// Writes the records of a version.
pub fn write(mut lines: Vec<RecordLine>) -> Result<Bytes, Error> {
    lines.par_sort_unstable();
    let text = |cell: fn(&RecordLine) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(lines.iter().map(cell)))
    };
    let hashes = lines.iter().map(|line| line.hash.to_be_bytes());
    let hashes = FixedSizeBinaryArray::try_from_iter(hashes).or_else(|error| {
        // An array of nothing does not know its width.
        if lines.is_empty() { Ok(FixedSizeBinaryArray::new_null(16, 0)) } else { Err(error) }
    })?;
    let first: BooleanArray = lines.iter().map(|line| Some(line.first)).collect();
    let quality = lines.iter().map(|line| i64::try_from(line.quality_ppm).unwrap_or(i64::MAX));
    let tokens: Vec<Option<Vec<u8>>> = lines
        .iter()
        .map(|line| Some(line.tokens.as_ref()?.iter().flat_map(|t| t.to_be_bytes()).collect()))
        .collect();
    let tokens: BinaryArray = tokens.iter().map(Option::as_deref).collect();
    let columns: [(&str, ArrayRef, bool); 7] = [
        ("contributor", text(|line| line.contributor.as_str()), false),
        ("hash", Arc::new(hashes), false),
        ("table", text(|line| &line.table), false),
        ("stratum", text(|line| &line.stratum), false),
        ("first", Arc::new(first), false),
        ("quality_ppm", Arc::new(Int64Array::from_iter_values(quality)), false),
        ("tokens", Arc::new(tokens), true),
    ];
    let field = |(name, array, null): &(&str, ArrayRef, bool)| {
        Field::new(*name, array.data_type().clone(), *null)
    };
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let arrays = columns.into_iter().map(|(_, array, _)| array).collect();
    let batch = RecordBatch::try_new(schema, arrays)?;
    // A hash is met once; a dictionary of them would be built and thrown away.
    let properties = WriterProperties::builder()
        .set_created_by("almoner".to_owned())
        .set_column_dictionary_enabled(ColumnPath::from("hash"), false)
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties))?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(Bytes::from(bytes))
}

/// Reads the records of a version.
pub fn read(bytes: Bytes) -> Result<Vec<RecordLine>, Error> {
    let mut lines = Vec::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()? {
        take(&batch?, &mut lines).ok_or(Error::Table)?;
    }
    Ok(lines)
}

fn take(batch: &RecordBatch, lines: &mut Vec<RecordLine>) -> Option<()> {
    let column = |name: &str| batch.column_by_name(name);
    let contributor = column("contributor")?.as_string_opt::<i32>()?;
    let hash = column("hash")?.as_fixed_size_binary_opt()?;
    let table = column("table")?.as_string_opt::<i32>()?;
    let stratum = column("stratum")?.as_string_opt::<i32>()?;
    let first = column("first")?.as_boolean_opt()?;
    let quality = column("quality_ppm")?.as_primitive_opt::<Int64Type>()?;
    let tokens = column("tokens")?.as_binary_opt::<i32>()?;
    for row in 0..batch.num_rows() {
        let words = |bytes: &[u8]| -> Option<Vec<u32>> {
            let (words, rest) = bytes.as_chunks::<4>();
            rest.is_empty().then(|| words.iter().map(|word| u32::from_be_bytes(*word)).collect())
        };
        lines.push(RecordLine {
            contributor: ContributorId::parse(contributor.value(row)).ok()?,
            hash: u128::from_be_bytes(hash.value(row).try_into().ok()?),
            table: table.value(row).to_owned(),
            stratum: stratum.value(row).to_owned(),
            first: first.value(row),
            quality_ppm: u64::try_from(quality.value(row)).ok()?,
            tokens: if tokens.is_null(row) { None } else { Some(words(tokens.value(row))?) },
        });
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_back_as_they_were_whatever_order_they_came_in() {
        let line = |id: &str, hash: u128, tokens: Option<Vec<u32>>| RecordLine {
            contributor: ContributorId::parse(id).unwrap(),
            hash,
            table: "t".to_owned(),
            stratum: "t/code=E11".to_owned(),
            first: tokens.is_some(),
            quality_ppm: 990_000,
            tokens,
        };
        let lines = vec![line("b", 1, None), line("a", u128::MAX, Some(vec![1, u32::MAX, 0]))];
        let sorted = vec![lines[1].clone(), lines[0].clone()];
        let bytes = write(lines).unwrap();
        assert_eq!(bytes, write(sorted.clone()).unwrap(), "the order of lines is in the bytes");
        assert_eq!(read(bytes).unwrap(), sorted);
        assert_eq!(read(write(Vec::new()).unwrap()).unwrap(), []);
    }
}
