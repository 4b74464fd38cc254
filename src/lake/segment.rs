//! One segment: rows as Parquet bytes (zstd, page index, bloom filter on `person`, key-value
//! metadata), and back. The same rows give the same bytes.

use arrow::{
    array::{RecordBatch, UInt32Array},
    compute::{concat_batches, take_record_batch},
};
use bytes::Bytes;
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::{Compression, ZstdLevel},
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder},
    },
    schema::types::ColumnPath,
};

use rayon::prelude::*;

use super::{Segment, record::digest_people, versions::Error};
use crate::{
    deid::ReleasableBatch,
    digest::{Sha3Digest, Sha256},
    store::Store,
};

/// Row groups of this many rows keep a lookup by person cheap: each tells its bounds and has a filter.
const GROUP_ROWS: usize = 20_000;

/// A column of a row group is one page, and its dictionary another, up to this size. DuckDB 2.0 opens
/// no more than that of a column that is encrypted.
const PAGE_BYTES: usize = 256 << 20;

/// What a segment says of itself.
#[derive(Debug, Clone)]
pub struct Metadata<'a> {
    /// The dataset.
    pub dataset: &'a str,
    /// The version that the segment was first written for.
    pub version: u64,
    /// The table.
    pub table: &'a str,
    /// The digest of the table's schema.
    pub schema: Sha3Digest,
    /// The digest of the pipeline's file.
    pub pipeline: Sha3Digest,
    /// Whether its rows are copies and repetitions.
    pub duplicates: bool,
}

impl Metadata<'_> {
    fn pairs(&self) -> Vec<KeyValue> {
        [
            ("almoner.dataset", self.dataset.to_owned()),
            ("almoner.version", self.version.to_string()),
            ("almoner.table", self.table.to_owned()),
            ("almoner.schema", self.schema.to_string()),
            ("almoner.pipeline", self.pipeline.to_string()),
        ]
        .into_iter()
        .chain(self.duplicates.then(|| ("almoner.records", "duplicates".to_owned())))
        .map(|(key, value)| KeyValue::new(key.to_owned(), value))
        .collect()
    }
}

/// What came of writing a segment.
#[derive(Debug, Clone)]
pub struct Written {
    /// The segment.
    pub segment: Segment,
    /// Its people by their place in the roster, each with the digest of their rows and their number.
    pub people: Vec<(u32, Sha3Digest, u64)>,
}

/// Writes released rows as one segment of the lake zone, under the name that its bytes give it.
///
/// Rows are ordered by person, in the order of `rank` (a number for each place of the roster; by
/// pseudonym, so that the order tells nothing), and a person's rows stay in the order they came.
/// No rows make no segment.
pub fn write_segment(
    lake: &Store,
    metadata: &Metadata<'_>,
    batches: &[ReleasableBatch],
    rank: &[u32],
) -> Result<Option<Written>, Error> {
    let Some(first) = batches.first() else { return Ok(None) };
    let fault = |source| Error::Order { table: metadata.table.to_owned(), source };
    let rows = concat_batches(&first.rows().schema(), batches.iter().map(ReleasableBatch::rows))
        .map_err(fault)?;
    if rows.num_rows() == 0 {
        return Ok(None);
    }
    let mut order: Vec<(u32, u32, u32)> = Vec::with_capacity(rows.num_rows());
    for person in batches.iter().flat_map(ReleasableBatch::people) {
        let place = rank.get(usize::try_from(*person).unwrap_or(usize::MAX)).copied();
        let row = u32::try_from(order.len()).unwrap_or(u32::MAX);
        order.push((place.unwrap_or(u32::MAX), row, *person));
    }
    order.par_sort_unstable();
    let indices: UInt32Array = order.iter().map(|(_, row, _)| Some(*row)).collect();
    let rows = take_record_batch(&rows, &indices).map_err(fault)?;
    let persons: Vec<u32> = order.into_iter().map(|(_, _, person)| person).collect();
    let (people, segment) = rayon::join(
        || digest_people(&rows, &persons),
        || {
            let count = persons.chunk_by(|a, b| a == b).count() as u64;
            write_rows(lake, metadata, &rows, count)
        },
    );
    Ok(Some(Written { segment: segment?, people }))
}

/// How the pages of a segment are made: the same rows give the same pages.
pub fn segment_properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_created_by("almoner".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_data_page_row_count_limit(GROUP_ROWS)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_dictionary_page_size_limit(PAGE_BYTES)
}

fn write_rows(
    lake: &Store,
    metadata: &Metadata<'_>,
    rows: &RecordBatch,
    people: u64,
) -> Result<Segment, Error> {
    let person = ColumnPath::from("person");
    let properties = segment_properties()
        .set_column_bloom_filter_enabled(person.clone(), true)
        .set_column_bloom_filter_max_ndv(person, people.clamp(1, GROUP_ROWS as u64))
        .set_key_value_metadata(Some(metadata.pairs()))
        .build();
    let fault = |source| Error::Write { table: metadata.table.to_owned(), source };
    let mut bytes = Vec::with_capacity(rows.get_array_memory_size() / 4);
    let mut writer =
        ArrowWriter::try_new(&mut bytes, rows.schema(), Some(properties)).map_err(fault)?;
    writer.write(rows).map_err(fault)?;
    writer.close().map_err(fault)?;
    let bytes = Bytes::from(bytes);
    let (sha3, sha256) = rayon::join(|| Sha3Digest::of(&bytes), || Sha256::of(&bytes));
    let path = format!("{}/segments/{sha3}.parquet", metadata.dataset);
    lake.put_content(&path, &bytes)?;
    Ok(Segment {
        path,
        rows: rows.num_rows() as u64,
        bytes: bytes.len() as u64,
        sha3,
        sha256,
        duplicates: metadata.duplicates,
    })
}

/// Reads a segment's rows, after checking that its bytes are the ones its version names.
pub fn read_segment(lake: &Store, segment: &Segment) -> Result<Vec<RecordBatch>, Error> {
    let bytes = lake.get(&segment.path)?;
    if Sha3Digest::of(&bytes) != segment.sha3 {
        return Err(Error::Changed { path: segment.path.clone() });
    }
    let fault = |e: parquet::errors::ParquetError| Error::Read {
        path: segment.path.clone(),
        source: Box::new(e),
    };
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(fault)?;
    let reader = reader.with_batch_size(65_536).build().map_err(fault)?;
    reader
        .map(|batch| {
            batch.map_err(|source| Error::Read {
                path: segment.path.clone(),
                source: Box::new(source),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{ArrayRef, Int64Array, StringArray},
        datatypes::{DataType, Field, Schema},
    };

    use super::*;

    fn rows() -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("person", DataType::Utf8, false),
            Field::new("value", DataType::Int64, true),
        ]);
        let person: ArrayRef = Arc::new(StringArray::from(vec!["aa", "aa", "bb"]));
        let value: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
        RecordBatch::try_new(Arc::new(schema), vec![person, value]).unwrap()
    }

    fn metadata() -> Metadata<'static> {
        Metadata {
            dataset: "d",
            version: 1,
            table: "t",
            schema: Sha3Digest::of(b"s"),
            pipeline: Sha3Digest::of(b"p"),
            duplicates: false,
        }
    }

    #[test]
    fn the_same_rows_are_the_same_object_and_read_back_as_they_were() {
        let lake = Store::open("memory://segment-same").unwrap();
        let one = write_rows(&lake, &metadata(), &rows(), 2).unwrap();
        let two = write_rows(&lake, &metadata(), &rows(), 2).unwrap();
        assert_eq!(one, two, "a run repeated would write the lake anew");
        assert_eq!(read_segment(&lake, &one).unwrap(), [rows()]);
    }

    #[test]
    fn a_flipped_byte_in_a_segment_is_found_before_a_row_is_read() {
        let lake = Store::open("memory://segment-flip").unwrap();
        let segment = write_rows(&lake, &metadata(), &rows(), 2).unwrap();
        let mut bytes = lake.get(&segment.path).unwrap().to_vec();
        bytes[40] ^= 1;
        lake.put(&segment.path, bytes.into()).unwrap();
        assert!(matches!(read_segment(&lake, &segment), Err(Error::Changed { .. })));
    }
}
