//! The answer: safe cells, and the proof that its usage was recorded before it was handed over.
//!
//! Comes in: what `session` released. Goes out: an [`Answer`], against its usage record alone.
//! Never: an answer whose digest is not in the record.

use bytes::Bytes;
use datafusion::{
    arrow::{
        array::{Array as _, AsArray as _, RecordBatch},
        datatypes::{DataType, Float64Type, Int64Type, SchemaRef},
        util::display::{ArrayFormatter, FormatOptions},
    },
    parquet::{
        arrow::ArrowWriter,
        basic::{Compression, ZstdLevel},
        file::properties::WriterProperties,
    },
};
use serde_json::{Map, Value, json};

use super::error::Error;
use crate::{
    digest::{Sha3Digest, canonical_digest},
    usage::{UsageLine, UsageRecord},
};

/// An answer with the rows that it drew on. The answer comes out by [`Outcome::hand_over`] alone.
#[derive(Debug)]
pub struct Outcome {
    answer: Answer,
    query: Sha3Digest,
    digest: Sha3Digest,
    lines: Vec<UsageLine>,
}

impl Outcome {
    pub(super) fn new(answer: Answer, query: &str, drawn: Vec<(u128, u64)>) -> Result<Self, Error> {
        let digest = answer.digest()?;
        let lines = drawn
            .into_iter()
            .map(|(person, rows)| UsageLine { pseudonym: format!("{person:032x}"), rows })
            .collect();
        Ok(Self { answer, query: Sha3Digest::of(query.as_bytes()), digest, lines })
    }

    /// Returns the digest of the question's normalised text.
    pub fn query(&self) -> Sha3Digest {
        self.query
    }

    /// Returns the digest of the answer's canonical bytes.
    pub fn digest(&self) -> Sha3Digest {
        self.digest
    }

    /// Returns whose rows the answer drew on, by pseudonym.
    pub fn lines(&self) -> &[UsageLine] {
        &self.lines
    }

    /// Hands the answer over against the committed record of its usage.
    pub fn hand_over(self, record: &UsageRecord) -> Result<Answer, Error> {
        let rows: u64 = self.lines.iter().map(|line| line.rows).sum();
        let fits = record.answer == self.digest
            && record.query == self.query
            && record.people == self.lines.len() as u64
            && record.rows == rows
            && !record.entry.is_empty();
        if fits { Ok(self.answer) } else { Err(Error::Unrecorded) }
    }
}

/// A governed answer: nothing in it is of fewer than [`super::PEOPLE_MIN`] people.
#[derive(Debug, Clone)]
pub struct Answer {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    cells: u64,
    cells_suppressed: u64,
    values_withheld: u64,
}

impl Answer {
    pub(super) fn new(
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
        cells: u64,
        cells_suppressed: u64,
        values_withheld: u64,
    ) -> Self {
        Self { schema, batches, cells, cells_suppressed, values_withheld }
    }

    /// Returns the names of the columns.
    pub fn columns(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// Returns the batches.
    pub fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Returns how many cells the question had, those held back included.
    pub fn cells(&self) -> u64 {
        self.cells
    }

    /// Returns how many cells were held back.
    pub fn cells_suppressed(&self) -> u64 {
        self.cells_suppressed
    }

    /// Returns how many single values of released cells were held back; they are null.
    pub fn values_withheld(&self) -> u64 {
        self.values_withheld
    }

    /// Returns each row as texts; `None` is null.
    pub fn texts(&self) -> Result<Vec<Vec<Option<String>>>, Error> {
        let options = FormatOptions::default();
        let mut rows = Vec::with_capacity(self.rows());
        for batch in &self.batches {
            let columns = batch
                .columns()
                .iter()
                .map(|column| Ok((column, ArrayFormatter::try_new(column, &options)?)))
                .collect::<Result<Vec<_>, datafusion::arrow::error::ArrowError>>()
                .map_err(|_| unreadable())?;
            rows.extend((0..batch.num_rows()).map(|row| {
                let cell = |(column, formatter): &(&_, ArrayFormatter<'_>)| {
                    let column: &datafusion::arrow::array::ArrayRef = column;
                    column.is_valid(row).then(|| formatter.value(row).to_string())
                };
                columns.iter().map(cell).collect()
            }));
        }
        Ok(rows)
    }

    /// Returns the rows as JSON objects: numbers and booleans as such, all else as text.
    pub fn json(&self) -> Result<Value, Error> {
        let texts = self.texts()?;
        let mut texts = texts.into_iter();
        let mut rows = Vec::with_capacity(self.rows());
        for batch in &self.batches {
            for row in 0..batch.num_rows() {
                let line = texts.next().ok_or_else(unreadable)?;
                let mut object = Map::new();
                for ((field, column), text) in
                    self.schema.fields().iter().zip(batch.columns()).zip(line)
                {
                    let value = match (text, field.data_type()) {
                        (None, _) => Value::Null,
                        (Some(_), DataType::Int64) => {
                            json!(column.as_primitive::<Int64Type>().value(row))
                        }
                        (Some(_), DataType::Float64) => {
                            json!(column.as_primitive::<Float64Type>().value(row))
                        }
                        (Some(text), DataType::Boolean) => json!(text == "true"),
                        (Some(text), _) => json!(text),
                    };
                    object.insert(field.name().clone(), value);
                }
                rows.push(Value::Object(object));
            }
        }
        Ok(Value::Array(rows))
    }

    /// Returns the answer as one Parquet file.
    pub fn parquet(&self) -> Result<Bytes, Error> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by("almoner".to_owned())
            .build();
        let write = || {
            let mut file = Vec::new();
            let schema = SchemaRef::clone(&self.schema);
            let mut writer = ArrowWriter::try_new(&mut file, schema, Some(properties))?;
            self.batches.iter().try_for_each(|batch| writer.write(batch))?;
            writer.close()?;
            Ok(Bytes::from(file))
        };
        write().map_err(|_: datafusion::parquet::errors::ParquetError| unreadable())
    }

    /// Returns the SHA3-256 digest of the answer's canonical bytes: JCS of `{columns: [[name,
    /// type]…], rows: [[text or null]…]}`.
    fn digest(&self) -> Result<Sha3Digest, Error> {
        let columns: Vec<[String; 2]> = self
            .schema
            .fields()
            .iter()
            .map(|field| [field.name().clone(), field.data_type().to_string()])
            .collect();
        canonical_digest(&json!({"columns": columns, "rows": self.texts()?}))
            .map_err(|_| unreadable())
    }
}

fn unreadable() -> Error {
    Error::Engine { doing: "wrote the answer", kind: "arrow" }
}
