//! The scale kernel: the weights of many uses summed for each payee, and the shares written out.
//!
//! Comes in: Parquet of uses (a payee's place, a weight), an amount. Goes out: exact sums, shares in
//! the order of places. Never: all uses in memory, or an output that the number of threads changes.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::{collections::BTreeMap, fs::File, io, io::Write, path::Path, sync::Arc};

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, Int64Array, RecordBatch, UInt32Array},
    datatypes::{DataType, Field, Schema, UInt32Type, UInt64Type},
    error::ArrowError,
};
use parquet::{
    arrow::{
        ArrowWriter, ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
    },
    basic::{Compression, ZstdLevel},
    errors::ParquetError,
    file::properties::WriterProperties,
};
use rayon::prelude::*;

/// Why uses could not be summed or shares not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened.
    #[error("the file of uses cannot be opened")]
    Open(#[from] io::Error),
    /// Parquet refused.
    #[error("the uses cannot be read, or the shares not be written, as Parquet")]
    Parquet(#[from] ParquetError),
    /// Arrow refused.
    #[error("the columns do not fit together")]
    Arrow(#[from] ArrowError),
    /// A column is missing or of another type.
    #[error("the uses have no column `{0}` of whole numbers")]
    Column(&'static str),
    /// A cell is null, negative or too large.
    #[error("column `{column}` holds no valid number in row group {group}")]
    Cell {
        /// The column.
        column: &'static str,
        /// The row group, from 0.
        group: usize,
    },
    /// A use is of nobody.
    #[error("a use names a payee beyond the number of payees")]
    Payee,
    /// A number does not fit.
    #[error("the {0} does not fit")]
    Overflow(&'static str),
}

/// Sums the column `weight` for each `payee` of a Parquet file: places from 0, below `payees`.
///
/// Row groups are read side by side, a batch at a time. Each thread adds to sums of its own, and
/// sums are added up in the end: whole numbers come to the same in any order.
pub fn tally(file: &Path, payees: usize) -> Result<Vec<u128>, Error> {
    let metadata = ArrowReaderMetadata::load(&File::open(file)?, ArrowReaderOptions::default())?;
    let groups = metadata.metadata().num_row_groups();
    let readers = readers(payees).min(groups).max(1);
    let parts: Vec<Tally> = (0..readers)
        .into_par_iter()
        .map(|reader| {
            // Opened anew: threads that share a file would share the place where it is read.
            let file = File::open(file)?;
            let mut tally = Tally::new(payees);
            for group in (reader..groups).step_by(readers) {
                add_group(&file, &metadata, group, &mut tally)?;
            }
            tally.finish()?;
            Ok(tally)
        })
        .collect::<Result<_, Error>>()?;
    let mut sums = vec![0_u128; payees];
    for part in parts {
        let added = sums.par_chunks_mut(CHUNK).zip(part.sums.par_chunks(CHUNK)).map(add_sums);
        added.collect::<Option<()>>().ok_or(OVERFLOW)?;
        for (place, carries) in part.carries {
            let sum = sums.get_mut(place).ok_or(Error::Payee)?;
            let high = u128::from(carries).checked_shl(u64::BITS).ok_or(OVERFLOW)?;
            *sum = sum.checked_add(high).ok_or(OVERFLOW)?;
        }
    }
    Ok(sums)
}

fn add_sums((sums, part): (&mut [u128], &[u64])) -> Option<()> {
    for (sum, part) in sums.iter_mut().zip(part) {
        *sum = sum.checked_add(u128::from(*part))?;
    }
    Some(())
}

/// Returns how many threads may have sums of their own: half a gibibyte of them in all.
fn readers(payees: usize) -> usize {
    const BYTES_MAX: usize = 512 << 20;
    // Eight bytes of sum a payee, and about as many that wait.
    let bytes = payees.saturating_mul(16).max(1);
    rayon::current_num_threads().min(BYTES_MAX.div_euclid(bytes)).max(1)
}

/// The sums of one thread. Millions of them do not fit a cache: uses wait in buckets of neighbouring
/// payees, and a bucket that is full is added at once.
struct Tally {
    /// Each payee's sum, less what has been carried.
    sums: Vec<u64>,
    /// How often a sum has passed 2^64.
    carries: BTreeMap<usize, u64>,
    buckets: Vec<Vec<(u32, u64)>>,
}

/// The payees of a bucket, as a power of two: a mebibyte of sums.
const BUCKET_BITS: u32 = 17;

/// The uses that wait in a bucket at most.
const BUCKET_USES: usize = 1 << 16;

impl Tally {
    fn new(payees: usize) -> Self {
        let buckets = payees.div_ceil(1 << BUCKET_BITS);
        let buckets = (0..buckets).map(|_| Vec::with_capacity(BUCKET_USES)).collect();
        Self { sums: vec![0; payees], carries: BTreeMap::new(), buckets }
    }

    fn add(&mut self, payee: u32, weight: u64) -> Result<(), Error> {
        let bucket = usize::try_from(payee >> BUCKET_BITS).unwrap_or(usize::MAX);
        let Some(bucket) = self.buckets.get_mut(bucket) else { return Err(Error::Payee) };
        bucket.push((payee, weight));
        if bucket.len() >= BUCKET_USES {
            add_bucket(&mut self.sums, &mut self.carries, bucket)?;
        }
        Ok(())
    }

    /// Adds all that waits.
    fn finish(&mut self) -> Result<(), Error> {
        for mut bucket in std::mem::take(&mut self.buckets) {
            add_bucket(&mut self.sums, &mut self.carries, &mut bucket)?;
        }
        Ok(())
    }
}

fn add_bucket(
    sums: &mut [u64],
    carries: &mut BTreeMap<usize, u64>,
    bucket: &mut Vec<(u32, u64)>,
) -> Result<(), Error> {
    for (payee, weight) in bucket.drain(..) {
        let place = usize::try_from(payee).unwrap_or(usize::MAX);
        let Some(sum) = sums.get_mut(place) else { return Err(Error::Payee) };
        let (next, carried) = sum.overflowing_add(weight);
        *sum = next;
        if carried {
            let carries = carries.entry(place).or_default();
            *carries = carries.checked_add(1).ok_or(OVERFLOW)?;
        }
    }
    Ok(())
}

const OVERFLOW: Error = Error::Overflow("sum of a payee's weights");

fn add_group(
    file: &File,
    metadata: &ArrowReaderMetadata,
    group: usize,
    tally: &mut Tally,
) -> Result<(), Error> {
    let builder =
        ParquetRecordBatchReaderBuilder::new_with_metadata(file.try_clone()?, metadata.clone());
    let wanted = ProjectionMask::columns(builder.parquet_schema(), ["payee", "weight"]);
    let reader = builder
        .with_projection(wanted)
        .with_row_groups(vec![group])
        .with_batch_size(CHUNK)
        .build()?;
    for batch in reader {
        let batch = batch?;
        let payees = column(&batch, "payee", &DataType::UInt32, group)?;
        let payees = payees.as_primitive_opt::<UInt32Type>().ok_or(Error::Column("payee"))?;
        let weights = column(&batch, "weight", &DataType::UInt64, group)?;
        let weights = weights.as_primitive_opt::<UInt64Type>().ok_or(Error::Column("weight"))?;
        for (payee, weight) in payees.values().iter().zip(weights.values()) {
            tally.add(*payee, *weight)?;
        }
    }
    Ok(())
}

/// Returns a column as numbers of one type; one that does not fit is refused like an empty cell.
fn column(
    batch: &RecordBatch,
    name: &'static str,
    kind: &DataType,
    group: usize,
) -> Result<ArrayRef, Error> {
    let cells = batch.column_by_name(name).ok_or(Error::Column(name))?;
    if !cells.data_type().is_integer() {
        return Err(Error::Column(name));
    }
    let cells = arrow::compute::cast(cells, kind)?;
    if cells.null_count() > 0 { Err(Error::Cell { column: name, group }) } else { Ok(cells) }
}

/// Writes shares as Parquet, a row a payee in the order of places: `payee`, `share`.
pub fn write_shares<W: Write + Send>(shares: &[u128], to: W) -> Result<(), Error> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("payee", DataType::UInt32, false),
        Field::new("share", DataType::Int64, false),
    ]));
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_enabled(false)
        .set_created_by("almoner".to_owned())
        .build();
    let mut writer = ArrowWriter::try_new(to, Arc::clone(&schema), Some(properties))?;
    let mut first = 0_u32;
    for part in shares.chunks(CHUNK) {
        let count = u32::try_from(part.len()).map_err(|_| Error::Overflow("number of payees"))?;
        let next = first.checked_add(count).ok_or(Error::Overflow("number of payees"))?;
        let fit = |share: &u128| i64::try_from(*share).map_err(|_| Error::Overflow("share"));
        let shares = part.iter().map(fit).collect::<Result<Vec<_>, _>>()?;
        let payees: ArrayRef = Arc::new(UInt32Array::from_iter_values(first..next));
        let shares: ArrayRef = Arc::new(Int64Array::from(shares));
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), vec![payees, shares])?)?;
        first = next;
    }
    drop(writer.close()?);
    Ok(())
}

/// Rows that are taken at a time.
const CHUNK: usize = 1 << 16;

#[cfg(test)]
#[expect(clippy::as_conversions, reason = "a test names lengths by cast")]
mod tests {
    use arrow::array::UInt64Array;

    use super::*;
    use crate::reward::{apportion, line::read_table};

    /// Writes uses with small row groups, and returns where.
    fn uses(payees: ArrayRef, weights: ArrayRef) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let batch = RecordBatch::try_from_iter([("payee", payees), ("weight", weights)]).unwrap();
        let small = WriterProperties::builder().set_max_row_group_row_count(Some(100)).build();
        let mut writer = ArrowWriter::try_new(&file, batch.schema(), Some(small)).unwrap();
        writer.write(&batch).unwrap();
        drop(writer.close().unwrap());
        file
    }

    fn on<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
    }

    #[test]
    fn sums_and_shares_are_the_same_for_one_thread_and_for_many() {
        let payees: ArrayRef =
            Arc::new(UInt32Array::from_iter_values((0..5_000_u32).map(|use_at| use_at * 7 % 301)));
        let weights: ArrayRef =
            Arc::new(UInt64Array::from_iter_values((0..5_000_u64).map(|use_at| use_at * use_at)));
        let file = uses(payees, weights);
        let mut exact = vec![0_u128; 301];
        for use_at in 0..5_000_usize {
            exact[use_at * 7 % 301] += (use_at * use_at) as u128;
        }
        let keys: Vec<u32> = (0..301).collect();
        let written = |threads| {
            on(threads, || {
                let sums = tally(file.path(), 301).unwrap();
                assert_eq!(sums, exact, "{threads} threads lost or made weight");
                let shares = apportion(1_000_003, &sums, &keys).unwrap().shares;
                let mut bytes = Vec::new();
                write_shares(&shares, &mut bytes).unwrap();
                bytes
            })
        };
        let one = written(1);
        assert_eq!(one, written(2), "the number of threads changes the bytes");
        assert_eq!(one, written(5), "the number of threads changes the bytes");
        let shares = read_table(&one.into()).unwrap();
        let shares = shares.column(1).as_primitive::<arrow::datatypes::Int64Type>().clone();
        assert_eq!(shares.values().iter().sum::<i64>(), 1_000_003, "money was lost or made");
    }

    #[test]
    fn uses_that_are_of_nobody_or_do_not_fit_are_refused() {
        let file = uses(
            Arc::new(UInt32Array::from(vec![0, 9])),
            Arc::new(UInt64Array::from(vec![1, u64::MAX])),
        );
        assert!(matches!(tally(file.path(), 9), Err(Error::Payee)), "place 9 of 9 is nobody's");
        assert_eq!(tally(file.path(), 10).unwrap()[9], u128::from(u64::MAX));
        let negative: ArrayRef = Arc::new(Int64Array::from(vec![1, -1]));
        let places: ArrayRef = Arc::new(UInt32Array::from(vec![0, 0]));
        let file = uses(Arc::clone(&places), negative);
        assert!(matches!(tally(file.path(), 1), Err(Error::Cell { column: "weight", group: 0 })));
        let file = uses(Arc::clone(&places), Arc::new(UInt64Array::from(vec![Some(1), None])));
        assert!(matches!(tally(file.path(), 1), Err(Error::Cell { column: "weight", group: 0 })));
        let texts: ArrayRef = Arc::new(arrow::array::StringArray::from(vec!["1", "2"]));
        let file = uses(texts, places);
        assert!(matches!(tally(file.path(), 1), Err(Error::Column("payee"))));
        assert!(matches!(tally(Path::new("nowhere.parquet"), 1), Err(Error::Open(_))));
        assert!(matches!(write_shares(&[u128::MAX], Vec::new()), Err(Error::Overflow("share"))));
    }

    #[test]
    fn sums_beyond_64_bits_and_full_buckets_are_exact() {
        let count = 3 * BUCKET_USES as u64 + 5;
        let payees = UInt32Array::from_iter_values((0..count).map(|use_at| {
            // Mostly one payee, the first of the second bucket, and the last one now and then.
            if use_at % 1_000 == 0 { (1 << BUCKET_BITS) + 9 } else { 1 << BUCKET_BITS }
        }));
        let weights = UInt64Array::from_iter_values((0..count).map(|_| u64::MAX));
        let file = uses(Arc::new(payees), Arc::new(weights));
        let sums = tally(file.path(), (1 << BUCKET_BITS) + 10).unwrap();
        let rare = u128::from(count.div_ceil(1_000));
        assert_eq!(sums[(1 << BUCKET_BITS) + 9], rare * u128::from(u64::MAX), "a carry was lost");
        let often = u128::from(count) - rare;
        assert_eq!(sums[1 << BUCKET_BITS], often * u128::from(u64::MAX), "a carry was lost");
        assert_eq!(sums.iter().filter(|sum| **sum > 0).count(), 2, "a weight went to another");
        let short = tally(file.path(), (1 << BUCKET_BITS) + 9);
        assert!(matches!(short, Err(Error::Payee)), "the last place is nobody's");
    }

    #[test]
    fn no_uses_come_to_nothing() {
        let file = uses(
            Arc::new(UInt32Array::from(Vec::<u32>::new())),
            Arc::new(UInt64Array::from(Vec::<u64>::new())),
        );
        assert_eq!(tally(file.path(), 3).unwrap(), [0, 0, 0]);
    }
}
