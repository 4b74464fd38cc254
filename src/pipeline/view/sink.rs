//! What an export writes: Parquet, CSV or NDJSON, encoded by many threads, written by one.
//!
//! Comes in: batches. Goes out: a file that bears its name only when it is whole. Never: a row
//! group of unbounded size.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use parquet::{
    arrow::{
        ArrowWriter,
        arrow_writer::{
            ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
        },
    },
    basic::{Compression, ZstdLevel},
    errors::ParquetError,
    file::{
        properties::{EnabledStatistics, WriterProperties},
        writer::SerializedFileWriter,
    },
    schema::types::ColumnPath,
};

use super::{Error, cells};
use crate::source::fhir::{Column, DIGEST_COLUMN, Kind, View};

/// Rows of a Parquet row group.
const GROUP_ROWS: usize = 1 << 17;
/// Bytes of text in one piece.
const TEXT_BYTES: usize = 1 << 20;

/// What is encoded and waits to be written.
pub(super) enum Piece {
    Columns(Vec<ArrowColumnChunk>),
    Text(Vec<u8>),
}

/// How pieces are made; shared by the threads.
pub(super) enum Pieces {
    Parquet { factory: Arc<ArrowRowGroupWriterFactory>, schema: SchemaRef },
    Csv,
    Ndjson,
}

/// A file under construction.
pub(super) struct Sink {
    out: PathBuf,
    partial: PathBuf,
    writer: Writer,
    schema: SchemaRef,
}

enum Writer {
    Parquet {
        file: Box<SerializedFileWriter<BufWriter<File>>>,
        factory: Arc<ArrowRowGroupWriterFactory>,
    },
    Csv(BufWriter<File>),
    Ndjson(BufWriter<File>),
}

impl Sink {
    pub(super) fn create(out: &Path, schema: &SchemaRef, view: &View) -> Result<Self, Error> {
        let mut partial = out.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let create = || {
            let file = File::create(&partial);
            file.map(BufWriter::new)
                .map_err(|source| Error::Write { file: partial.clone(), source })
        };
        let writer = match out.extension().and_then(|end| end.to_str()) {
            Some("parquet") => {
                let writer =
                    ArrowWriter::try_new(create()?, Arc::clone(schema), Some(properties(view)));
                let (file, factory) = writer
                    .and_then(ArrowWriter::into_serialized_writer)
                    .map_err(|source| Error::Encode { file: out.to_owned(), source })?;
                Writer::Parquet { file: Box::new(file), factory: Arc::new(factory) }
            }
            Some("csv") => {
                let mut file = create()?;
                let mut header = csv::Writer::from_writer(&mut file);
                let names = schema.fields().iter().map(|field| field.name());
                let written = header.write_record(names).map_err(io::Error::from);
                written
                    .and_then(|()| header.flush())
                    .map_err(|source| Error::Write { file: partial.clone(), source })?;
                drop(header);
                Writer::Csv(file)
            }
            Some("ndjson") => Writer::Ndjson(create()?),
            Some(_) | None => return Err(Error::OutputName { file: out.to_owned() }),
        };
        Ok(Self { out: out.to_owned(), partial, writer, schema: Arc::clone(schema) })
    }

    /// Returns how pieces for it are made.
    pub(super) fn pieces(&self) -> Pieces {
        match &self.writer {
            Writer::Parquet { factory, .. } => {
                Pieces::Parquet { factory: Arc::clone(factory), schema: Arc::clone(&self.schema) }
            }
            Writer::Csv(_) => Pieces::Csv,
            Writer::Ndjson(_) => Pieces::Ndjson,
        }
    }

    pub(super) fn write(&mut self, piece: Piece) -> Result<(), Error> {
        match (&mut self.writer, piece) {
            (Writer::Parquet { file, .. }, Piece::Columns(chunks)) => {
                let append = || -> Result<(), ParquetError> {
                    let mut group = file.next_row_group()?;
                    for chunk in chunks {
                        chunk.append_to_row_group(&mut group)?;
                    }
                    group.close().map(drop)
                };
                append().map_err(|source| Error::Encode { file: self.out.clone(), source })
            }
            (Writer::Csv(file) | Writer::Ndjson(file), Piece::Text(text)) => file
                .write_all(&text)
                .map_err(|source| Error::Write { file: self.partial.clone(), source }),
            // INVARIANT: pieces are made for the file they go to.
            (Writer::Parquet { .. }, Piece::Text(_))
            | (Writer::Csv(_) | Writer::Ndjson(_), Piece::Columns(_)) => Ok(()),
        }
    }

    /// Takes back what was written.
    pub(super) fn abandon(self) {
        drop(self.writer);
        if let Err(error) = std::fs::remove_file(&self.partial) {
            tracing::warn!(%error, "a partial table could not be removed");
        }
    }

    /// Ends the file and gives it its name.
    pub(super) fn close(self) -> Result<(), Error> {
        let error = |source| Error::Write { file: self.partial.clone(), source };
        let file = match self.writer {
            Writer::Parquet { file, .. } => file
                .into_inner()
                .map_err(|source| Error::Encode { file: self.out.clone(), source })?,
            Writer::Csv(file) | Writer::Ndjson(file) => file,
        };
        let file = file.into_inner().map_err(|e| error(e.into_error()))?;
        file.sync_all().map_err(error)?;
        std::fs::rename(&self.partial, &self.out).map_err(error)
    }
}

/// Zstd, but for digests, which nothing makes smaller; no dictionary where hardly a value comes
/// twice.
fn properties(view: &View) -> WriterProperties {
    let digest = ColumnPath::from(DIGEST_COLUMN);
    let mut properties = WriterProperties::builder()
        .set_created_by("almoner".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_column_dictionary_enabled(digest.clone(), false)
        .set_column_statistics_enabled(digest.clone(), EnabledStatistics::None)
        .set_column_compression(digest, Compression::UNCOMPRESSED);
    let unlike = |column: &&Column| column.is_key() || column.kind == Kind::Decimal;
    for column in view.columns().iter().filter(unlike) {
        let path = ColumnPath::from(column.name.as_str());
        properties = properties.set_column_dictionary_enabled(path, false);
    }
    properties.build()
}

impl Pieces {
    pub(super) fn encoder(&self) -> Encoder<'_> {
        Encoder { pieces: self, columns: Vec::new(), rows: 0, text: Vec::new() }
    }
}

/// Makes the pieces of one part.
pub(super) struct Encoder<'p> {
    pieces: &'p Pieces,
    columns: Vec<ArrowColumnWriter>,
    rows: usize,
    text: Vec<u8>,
}

impl Encoder<'_> {
    /// Adds rows; returns a piece when one is full.
    pub(super) fn add(&mut self, rows: &RecordBatch) -> Result<Option<Piece>, Error> {
        match self.pieces {
            Pieces::Parquet { factory, schema } => {
                if self.columns.is_empty() {
                    self.columns = factory.create_column_writers(0)?;
                }
                let mut writers = self.columns.iter_mut();
                for (field, array) in schema.fields().iter().zip(rows.columns()) {
                    for leaf in compute_leaves(field, array)? {
                        if let Some(writer) = writers.next() {
                            writer.write(&leaf)?;
                        }
                    }
                }
                self.rows += rows.num_rows();
                if self.rows >= GROUP_ROWS { self.finish() } else { Ok(None) }
            }
            Pieces::Csv => {
                let mut writer = csv::Writer::from_writer(&mut self.text);
                for row in 0..rows.num_rows() {
                    let cells = rows.columns().iter().map(|array| cells::text(array, row));
                    writer.write_record(cells)?;
                }
                writer.flush().map_err(csv::Error::from)?;
                drop(writer);
                self.full_text()
            }
            Pieces::Ndjson => {
                let schema = rows.schema();
                for row in 0..rows.num_rows() {
                    let mut before = b'{';
                    for (field, array) in schema.fields().iter().zip(rows.columns()) {
                        self.text.push(std::mem::replace(&mut before, b','));
                        serde_json::to_writer(&mut self.text, field.name())?;
                        self.text.push(b':');
                        serde_json::to_writer(&mut self.text, &cells::value(array, row))?;
                    }
                    self.text.extend_from_slice(b"}\n");
                }
                self.full_text()
            }
        }
    }

    fn full_text(&mut self) -> Result<Option<Piece>, Error> {
        if self.text.len() >= TEXT_BYTES { self.finish() } else { Ok(None) }
    }

    /// Ends the piece at hand.
    pub(super) fn finish(&mut self) -> Result<Option<Piece>, Error> {
        let text = std::mem::take(&mut self.text);
        let columns = std::mem::take(&mut self.columns);
        let rows = std::mem::take(&mut self.rows);
        Ok(match self.pieces {
            Pieces::Csv | Pieces::Ndjson => (!text.is_empty()).then_some(Piece::Text(text)),
            Pieces::Parquet { .. } if rows == 0 => None,
            Pieces::Parquet { .. } => {
                let chunks = columns.into_iter().map(ArrowColumnWriter::close);
                Some(Piece::Columns(chunks.collect::<Result<_, _>>()?))
            }
        })
    }
}
