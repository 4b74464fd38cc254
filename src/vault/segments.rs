//! The seal of the lake's segments: Parquet by modular encryption, every module under one key, which any
//! reader of encrypted Parquet opens when it is given that key.
//!
//! Comes in: a segment's plain bytes, by which it is named and recorded. Goes out: the same rows and pages
//! encrypted, with an outline of the plain file in the encrypted footer, so that exactly the plain bytes come
//! back, by whatever version opens them. Never: a stored file that does not come back so, a filter on
//! `person` in the open, or another object of the lake touched: commits lie there as they are.

use std::sync::Arc;

use arrow::{array::RecordBatch, compute::concat_batches};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    encryption::{decrypt::FileDecryptionProperties, encrypt::FileEncryptionProperties},
    file::metadata::{ColumnChunkMetaData, KeyValue, ParquetMetaData, ParquetMetaDataReader},
};
use zeroize::Zeroizing;

use super::{
    Closed, Error, KeyName, Keyring,
    cipher::Key,
    modules::{self, Chunk},
};
use crate::{
    lake::segment_properties,
    store::{self, Seal},
};

/// The member of the footer that holds the outline.
const OUTLINE: &str = "almoner.outline";
/// The member that the writer of Arrow's rows adds by itself.
const ARROW: &str = "ARROW:schema";

/// Seals segments of the lake.
#[derive(Debug)]
pub(super) struct LakeSeal {
    keyring: Keyring,
}

/// Says whether an object of the lake is a segment.
pub(super) fn is_segment(path: &str) -> bool {
    path.split_once("/segments/").is_some_and(|(_, name)| name.ends_with(".parquet"))
}

/// Returns the name of the key that a segment bears; none where it is not sealed.
pub(super) fn key_of(sealed: &[u8]) -> Option<KeyName> {
    KeyName::parse(std::str::from_utf8(&modules::crypto(sealed)?.key).ok()?)
}

impl LakeSeal {
    pub(super) fn new(keyring: Keyring) -> Self {
        Self { keyring }
    }

    fn sealed(&self, plain: &Bytes) -> Result<Bytes, Error> {
        if self.keyring.closed()? == Closed::Open {
            return Ok(plain.clone());
        }
        let (dataset, version) = first_of(plain).ok_or(Error::Seal("it is no segment"))?;
        let (name, key) = self.keyring.sealing_version(&dataset, version)?;
        encrypt(plain, &name, &key)
    }

    fn opened(&self, path: &str, sealed: &Bytes) -> store::Result<Bytes> {
        let fault = |reason: &str| store::Error::Sealed {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        if sealed.starts_with(b"PAR1") {
            return match self.keyring.closed().map_err(|e| e.at(path))? {
                Closed::Open | Closed::Begun => Ok(sealed.clone()),
                Closed::Sealed => Err(fault("it is not sealed, in a sealed lake")),
            };
        }
        let name = key_of(sealed).ok_or_else(|| fault("it is no sealed segment"))?;
        let key = self.keyring.key(&name).map_err(|e| e.at(path))?;
        decrypt(sealed, &key).ok_or_else(|| fault("it was changed"))
    }
}

impl Seal for LakeSeal {
    fn seal(&self, path: &str, plain: &Bytes) -> store::Result<Bytes> {
        if is_segment(path) {
            return self.sealed(plain).map_err(|e| e.at(path));
        }
        Ok(plain.clone())
    }

    fn open(&self, path: &str, sealed: &Bytes) -> store::Result<Bytes> {
        if is_segment(path) { self.opened(path, sealed) } else { Ok(sealed.clone()) }
    }

    fn takes_plain(&self) -> store::Result<bool> {
        self.keyring.closed().map(|closed| closed != Closed::Sealed).map_err(|e| e.at(""))
    }

    fn key(&self, path: &str, name: &[u8]) -> store::Result<Zeroizing<Vec<u8>>> {
        let text = String::from_utf8_lossy(name).into_owned();
        let name = KeyName::parse(&text).ok_or(Error::Unknown { key: text });
        let key = name.and_then(|name| self.keyring.key(&name)).map_err(|e| e.at(path))?;
        Ok(Zeroizing::new(key.to_vec()))
    }
}

/// The dataset and version that a plain segment was written for first.
fn first_of(plain: &Bytes) -> Option<(String, u64)> {
    let metadata = ParquetMetaDataReader::new().parse_and_finish(plain).ok()?;
    let find = |key: &str| {
        let pairs = metadata.file_metadata().key_value_metadata()?;
        pairs.iter().find(|pair| pair.key == key)?.value.clone()
    };
    Some((find("almoner.dataset")?, find("almoner.version")?.parse().ok()?))
}

/// Encrypts a plain segment, and makes sure that it comes back.
pub(super) fn encrypt(plain: &Bytes, name: &KeyName, key: &Key) -> Result<Bytes, Error> {
    let fault = |_| Error::Seal("a segment could not be written encrypted");
    let reader = ParquetRecordBatchReaderBuilder::try_new(plain.clone()).map_err(fault)?;
    let metadata = Arc::clone(reader.metadata());
    let outline = outline(plain, &metadata).ok_or(Error::Seal("it is no plain segment"))?;
    let own = metadata.file_metadata().key_value_metadata().into_iter().flatten();
    let mut pairs: Vec<KeyValue> = own.filter(|pair| pair.key != ARROW).cloned().collect();
    pairs.push(KeyValue::new(OUTLINE.to_owned(), STANDARD.encode(outline)));
    let encryption = FileEncryptionProperties::builder(key.to_vec())
        .with_footer_key_metadata(name.to_string().into_bytes())
        .build()
        .map_err(fault)?;
    let properties = segment_properties()
        .set_key_value_metadata(Some(pairs))
        .with_file_encryption_properties(encryption)
        .build();
    let rows = rows(reader).ok_or(Error::Seal("it is no plain segment"))?;
    let mut bytes = Vec::with_capacity(plain.len().saturating_add(plain.len() / 8));
    let mut writer =
        ArrowWriter::try_new(&mut bytes, rows.schema(), Some(properties)).map_err(fault)?;
    writer.write(&rows).map_err(fault)?;
    writer.close().map_err(fault)?;
    // INVARIANT: what is stored opens to the bytes by which it is named.
    if decrypt(&bytes, key).as_ref() != Some(plain) {
        return Err(Error::Seal("a segment would not come back as it was"));
    }
    Ok(bytes.into())
}

fn rows(reader: ParquetRecordBatchReaderBuilder<Bytes>) -> Option<RecordBatch> {
    let schema = Arc::clone(reader.schema());
    let count = usize::try_from(reader.metadata().file_metadata().num_rows()).ok()?;
    let batches = reader.with_batch_size(count.max(1)).build().ok()?;
    let batches = batches.collect::<Result<Vec<_>, _>>().ok()?;
    concat_batches(&schema, &batches).ok()
}

/// Decrypts a segment to its plain bytes; none where key or bytes are others.
pub(super) fn decrypt(sealed: &[u8], key: &Key) -> Option<Bytes> {
    let crypto = modules::crypto(sealed)?;
    let properties = FileDecryptionProperties::builder(key.to_vec()).build().ok()?;
    let metadata = ParquetMetaDataReader::new()
        .with_decryption_properties(Some(properties))
        .parse_and_finish(&Bytes::copy_from_slice(sealed))
        .ok()?;
    let pairs = metadata.file_metadata().key_value_metadata()?;
    let outline = pairs.iter().find(|pair| pair.key == OUTLINE)?.value.as_deref()?;
    let outline = STANDARD.decode(outline).ok()?;
    if !modules::begins(sealed) {
        return None;
    }
    // Every byte is opened or compared, so that none can change unseen.
    let (mut pages, mut indexes, mut at) = (Vec::new(), Vec::new(), 4);
    for (of, chunk) in chunks(&metadata) {
        let (from, to) = place(chunk)?;
        if from != at {
            return None;
        }
        at = to;
        pages.extend(modules::open_pages(key, &crypto.file, of, sealed.get(from..to)?)?);
        let has = [chunk.column_index_offset(), chunk.offset_index_offset()].map(|at| at.is_some());
        indexes.push((of, has));
    }
    let footer = modules::open_indexes(key, &crypto.file, &indexes, sealed.get(at..)?)?;
    if !modules::is_footer(&crypto, footer) {
        return None;
    }
    filled(&outline, &pages)
}

fn chunks(metadata: &ParquetMetaData) -> impl Iterator<Item = (Chunk, &ColumnChunkMetaData)> {
    metadata.row_groups().iter().enumerate().flat_map(|(group, row_group)| {
        row_group.columns().iter().enumerate().map(move |(column, chunk)| {
            let has_dictionary = chunk.dictionary_page_offset().is_some();
            (Chunk { group, column, has_dictionary }, chunk)
        })
    })
}

/// Where a column chunk begins and ends in its file.
fn place(chunk: &ColumnChunkMetaData) -> Option<(usize, usize)> {
    let from = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
    let from = usize::try_from(from).ok()?;
    Some((from, from.checked_add(usize::try_from(chunk.compressed_size()).ok()?)?))
}

/// All of a plain file but its pages: how many there are, for each how many bytes stand before it and how
/// many it has, then all the other bytes.
fn outline(plain: &Bytes, metadata: &ParquetMetaData) -> Option<Vec<u8>> {
    let (mut lengths, mut other, mut at) = (Vec::new(), Vec::new(), 0_usize);
    let mut count = 0_u32;
    for (_, chunk) in chunks(metadata) {
        let (from, to) = place(chunk)?;
        for (begins, ends) in modules::plain_pages(plain.get(from..to)?)? {
            let (begins, ends) = (from.checked_add(begins)?, from.checked_add(ends)?);
            let before = plain.get(at..begins)?;
            other.extend_from_slice(before);
            for length in [before.len(), ends.checked_sub(begins)?] {
                lengths.extend_from_slice(&u32::try_from(length).ok()?.to_be_bytes());
            }
            count = count.checked_add(1)?;
            at = ends;
        }
    }
    other.extend_from_slice(plain.get(at..)?);
    Some([count.to_be_bytes().as_slice(), &lengths, &other].concat())
}

/// Puts pages back into the outline of their file.
fn filled(outline: &[u8], pages: &[Vec<u8>]) -> Option<Bytes> {
    let (count, rest) = outline.split_first_chunk::<4>()?;
    let count = usize::try_from(u32::from_be_bytes(*count)).ok()?;
    let (lengths, mut other) = rest.split_at_checked(count.checked_mul(8)?)?;
    if count != pages.len() {
        return None;
    }
    let whole = pages.iter().map(Vec::len).sum::<usize>().checked_add(other.len())?;
    let mut plain = Vec::with_capacity(whole);
    for (pair, page) in lengths.chunks_exact(8).zip(pages) {
        let (before, length) = pair.split_first_chunk::<4>()?;
        let before = usize::try_from(u32::from_be_bytes(*before)).ok()?;
        let length = usize::try_from(u32::from_be_bytes(*length.first_chunk()?)).ok()?;
        let (taken, left) = other.split_at_checked(before)?;
        if length != page.len() {
            return None;
        }
        plain.extend_from_slice(taken);
        plain.extend_from_slice(page);
        other = left;
    }
    plain.extend_from_slice(other);
    Some(plain.into())
}
