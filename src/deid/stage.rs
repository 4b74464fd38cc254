//! Keeps de-identified rows between the two phases of a run: Arrow IPC, uncompressed, in the vault.
//!
//! Comes in: [`DeidentifiedBatch`]es of one part. Goes out: bytes and their digest, and from those
//! the same batches. Never: rows read back that are not what was written under the same plan; the
//! digest stands in the part's receipt.
//!
//! The stream's columns are those of the released table, then `#person` (`UInt32`, the place in the
//! roster), then for a table with quasi-identifiers `#class` (a dictionary of 16 bytes). The digest
//! is SHA-256, which this machine's processor reckons four times as fast as SHA3-256: staged bytes
//! are read once and thrown away.

use std::{io::Write, sync::Arc};

use arrow::{
    array::{
        Array as _, ArrayRef, AsArray as _, DictionaryArray, FixedSizeBinaryArray, RecordBatch,
        UInt32Array,
    },
    buffer::Buffer,
    datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type},
    error::ArrowError,
    ipc::{reader::StreamDecoder, writer::StreamWriter},
};
use bytes::Bytes;
use sha2::Digest as _;

use super::{DeidentifiedBatch, Error, TablePlan, classes::ClassCodes};
use crate::digest::Sha256;

/// Writes the batches of one part of one table.
pub struct Writer<W: Write> {
    table: String,
    schema: SchemaRef,
    stream: StreamWriter<Hashed<W>>,
}

impl<W: Write> std::fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("table", &self.table).finish_non_exhaustive()
    }
}

impl<W: Write> Writer<W> {
    /// Begins a part.
    pub fn new(plan: &TablePlan, sink: W) -> Result<Self, Error> {
        let schema = staged(plan);
        let sink = Hashed { sink, hasher: sha2::Sha256::new() };
        let stream = StreamWriter::try_new(sink, &schema)
            .map_err(|source| fault(plan.table(), "staged", source))?;
        Ok(Self { table: plan.table().to_owned(), schema, stream })
    }

    /// Writes a batch.
    pub fn write(&mut self, batch: &DeidentifiedBatch) -> Result<(), Error> {
        let made = columns(batch)
            .and_then(|columns| RecordBatch::try_new(Arc::clone(&self.schema), columns))
            .and_then(|rows| self.stream.write(&rows));
        made.map_err(|source| fault(&self.table, "staged", source))
    }

    /// Ends the part; returns the sink and the digest of all that was written to it.
    pub fn finish(self) -> Result<(W, Sha256), Error> {
        let sink = self.stream.into_inner();
        let Hashed { sink, hasher } =
            sink.map_err(|source| fault(&self.table, "staged", source))?;
        Ok((sink, Sha256(hasher.finalize().into())))
    }
}

/// Writes batches of one part to memory.
pub fn write<'a>(
    plan: &TablePlan,
    batches: impl IntoIterator<Item = &'a DeidentifiedBatch>,
) -> Result<(Vec<u8>, Sha256), Error> {
    let mut writer = Writer::new(plan, Vec::new())?;
    batches.into_iter().try_for_each(|batch| writer.write(batch))?;
    writer.finish()
}

/// Reads back the batches of one part, if the bytes are those of `digest` and the plan is the one
/// they were made under. The columns share the bytes' memory.
pub fn read(
    plan: &TablePlan,
    bytes: Bytes,
    digest: &Sha256,
) -> Result<Vec<DeidentifiedBatch>, Error> {
    let wrong = |why| Error::Staged { table: plan.table().to_owned(), why };
    let broken = |source| fault(plan.table(), "read back", source);
    if Sha256::of(&bytes) != *digest {
        return Err(wrong("their digest differs"));
    }
    let schema = staged(plan);
    let mut buffer = Buffer::from(bytes);
    let mut decoder = StreamDecoder::new();
    let mut out = Vec::new();
    loop {
        let rows = match decoder.decode(&mut buffer).map_err(broken)? {
            Some(rows) => rows,
            None if buffer.is_empty() => break,
            None => continue,
        };
        if rows.schema() != schema {
            return Err(wrong("they were made under another plan"));
        }
        out.push(restored(plan, &rows).ok_or_else(|| wrong("their columns do not fit"))?);
    }
    decoder.finish().map_err(broken)?;
    Ok(out)
}

fn staged(plan: &TablePlan) -> SchemaRef {
    let mut fields: Vec<_> = plan.output().fields().iter().map(Arc::clone).collect();
    fields.push(Arc::new(Field::new("#person", DataType::UInt32, false)));
    if plan.has_quasi_identifiers() {
        let key = Box::new(DataType::UInt32);
        let class = DataType::Dictionary(key, Box::new(DataType::FixedSizeBinary(16)));
        fields.push(Arc::new(Field::new("#class", class, false)));
    }
    let about = [("table", plan.table().to_owned()), ("plan", plan.digest().to_string())];
    let about = about.map(|(key, value)| (key.to_owned(), value));
    Arc::new(Schema::new_with_metadata(fields, about.into()))
}

fn columns(batch: &DeidentifiedBatch) -> Result<Vec<ArrayRef>, ArrowError> {
    let mut columns = batch.rows.columns().to_vec();
    columns.push(Arc::new(UInt32Array::from(batch.people.clone())));
    if let Some(classes) = &batch.classes {
        let keys: Vec<u8> = classes.keys.iter().flat_map(|key| key.to_be_bytes()).collect();
        let keys = FixedSizeBinaryArray::try_new(16, Buffer::from_vec(keys), None)?;
        let codes = UInt32Array::from(classes.codes.clone());
        columns.push(Arc::new(DictionaryArray::try_new(codes, Arc::new(keys))?));
    }
    Ok(columns)
}

fn restored(plan: &TablePlan, rows: &RecordBatch) -> Option<DeidentifiedBatch> {
    let width = plan.output().fields().len();
    let people = rows.columns().get(width)?.as_primitive_opt::<UInt32Type>()?;
    let classes = match rows.columns().get(width + 1) {
        None => None,
        Some(column) => {
            let column = column.as_dictionary_opt::<UInt32Type>()?;
            let keys = column.values().as_fixed_size_binary_opt()?;
            let key = |bytes: &[u8]| bytes.iter().fold(0, |key, b| key << 8 | u128::from(*b));
            let keys = (0..keys.len()).map(|at| key(keys.value(at))).collect();
            Some(ClassCodes { keys, codes: column.keys().values().to_vec() })
        }
    };
    let released = rows.columns().get(..width)?.to_vec();
    Some(DeidentifiedBatch {
        table: Arc::from(plan.table()),
        rows: RecordBatch::try_new(Arc::clone(plan.output()), released).ok()?,
        people: people.values().to_vec(),
        classes,
    })
}

fn fault(table: &str, doing: &'static str, source: ArrowError) -> Error {
    Error::Arrow { table: table.to_owned(), doing, source }
}

/// Hashes what passes through.
#[derive(Debug)]
struct Hashed<W> {
    sink: W,
    hasher: sha2::Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = self.sink.write(bytes)?;
        self.hasher.update(bytes.get(..taken).unwrap_or_default());
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.sink.flush()
    }
}
