//! The modules of an encrypted Parquet file, as far as its pages need: which key it bears, where its
//! pages lie, and the pages themselves. <https://github.com/apache/parquet-format/blob/master/Encryption.md>
//!
//! Comes in: bytes of a file. Goes out: pages, compressed as they are in the plain file.
//! Never: a page whose tag did not fit, or a read outside the bytes that are there.

use super::cipher::{self, Key};

/// How an encrypted file ends: length of what the footer needs, and these bytes.
const MAGIC: &[u8; 4] = b"PARE";

/// What stands in the open at the end of an encrypted file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Crypto {
    /// The bytes that bind each module to this file.
    pub(super) file: Vec<u8>,
    /// The name of the key.
    pub(super) key: Vec<u8>,
}

/// Reads what stands in the open at the end of an encrypted file; none where it is not encrypted, or
/// not as this version writes it.
pub(super) fn crypto(bytes: &[u8]) -> Option<Crypto> {
    let (rest, length) = bytes.strip_suffix(MAGIC)?.split_last_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let mut reader = Thrift { bytes: rest.get(rest.len().checked_sub(length)?..)? };
    let (mut file, mut key) = (None, None);
    reader.fields(|id, kind, reader| match (id, kind) {
        // The algorithm: a union whose first member is AES-GCM.
        (1, STRUCT) => reader.fields(|id, kind, reader| match (id, kind) {
            (1, STRUCT) => reader.fields(|id, kind, reader| match (id, kind) {
                (2, BINARY) => reader.binary().map(|bytes| file = Some(bytes.to_vec())),
                _ => reader.skip(kind, 0),
            }),
            _ => reader.skip(kind, 0),
        }),
        (2, BINARY) => reader.binary().map(|bytes| key = Some(bytes.to_vec())),
        _ => reader.skip(kind, 0),
    })?;
    Some(Crypto { file: file?, key: key? })
}

/// The pages of one column chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    /// The row group, from 0.
    pub(super) group: usize,
    /// The column, from 0.
    pub(super) column: usize,
    /// Whether the first page is its dictionary.
    pub(super) has_dictionary: bool,
}

/// Finds the compressed pages of a plain column chunk: where each begins and ends in the chunk.
pub(super) fn plain_pages(chunk: &[u8]) -> Option<Vec<(usize, usize)>> {
    let (mut pages, mut at) = (Vec::new(), 0_usize);
    while at < chunk.len() {
        let mut reader = Thrift { bytes: chunk.get(at..)? };
        let before = reader.bytes.len();
        let mut size = None;
        reader.fields(|id, kind, reader| match (id, kind) {
            (3, I32) => reader.signed().map(|bytes| size = usize::try_from(bytes).ok()),
            _ => reader.skip(kind, 0),
        })?;
        let begins = at.checked_add(before.checked_sub(reader.bytes.len())?)?;
        at = begins.checked_add(size?)?;
        chunk.get(begins..at)?;
        pages.push((begins, at));
    }
    Some(pages)
}

/// Opens the compressed pages of an encrypted column chunk, in order. Their headers, which the plain file
/// has in the open, are opened too: each byte of the chunk is vouched for by a tag.
pub(super) fn open_pages(
    key: &Key,
    file: &[u8],
    of: Chunk,
    mut chunk: &[u8],
) -> Option<Vec<Vec<u8>>> {
    let mut pages = Vec::new();
    let mut data = 0_u16;
    while !chunk.is_empty() {
        let is_dictionary = of.has_dictionary && pages.is_empty();
        let (header, page, nth) = if is_dictionary {
            (DICTIONARY_PAGE_HEADER, DICTIONARY_PAGE, None)
        } else {
            (DATA_PAGE_HEADER, DATA_PAGE, Some(data))
        };
        cipher::open(key, &aad(file, header, of, nth)?, module(&mut chunk)?)?;
        pages.push(cipher::open(key, &aad(file, page, of, nth)?, module(&mut chunk)?)?);
        data = data.checked_add(u16::from(!is_dictionary))?;
    }
    Some(pages)
}

/// Opens what lies between the last column chunk of a file and its footer: the indexes of columns, then
/// those of offsets, of the `chunks` that have one. Returns what is left.
pub(super) fn open_indexes<'a>(
    key: &Key,
    file: &[u8],
    chunks: &[(Chunk, [bool; 2])],
    mut bytes: &'a [u8],
) -> Option<&'a [u8]> {
    for (nth, kind) in [COLUMN_INDEX, OFFSET_INDEX].into_iter().enumerate() {
        for (of, _) in chunks.iter().filter(|(_, has)| has.get(nth).is_some_and(|has| *has)) {
            cipher::open(key, &aad(file, kind, *of, None)?, module(&mut bytes)?)?;
        }
    }
    Some(bytes)
}

/// Says whether these bytes are a footer and no more: what stands in the open, the sealed rest, their
/// length and the file's last bytes. Whoever reads the footer opens what is sealed of it.
pub(super) fn is_footer(crypto: &Crypto, bytes: &[u8]) -> bool {
    let rest = bytes.strip_prefix(crypto.bytes().as_slice());
    let taken = rest.and_then(|mut rest| module(&mut rest).map(|_| rest));
    let length = bytes.len().checked_sub(8).and_then(|length| u32::try_from(length).ok());
    let end = length.map(|length| [length.to_le_bytes().as_slice(), MAGIC].concat());
    taken.is_some() && taken == end.as_deref()
}

/// Says whether a file begins as an encrypted one does.
pub(super) fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

impl Crypto {
    /// What stands in the open, as this version writes it.
    fn bytes(&self) -> Vec<u8> {
        // A union whose member is AES-GCM, with the file's own bytes; the key's name; each ended by zero.
        let mut bytes = vec![0x1c, 0x1c, 0x28];
        binary(&self.file, &mut bytes);
        bytes.extend([0, 0, 0x18]);
        binary(&self.key, &mut bytes);
        bytes.push(0);
        bytes
    }
}

/// Writes a binary of Thrift's compact protocol.
fn binary(value: &[u8], bytes: &mut Vec<u8>) {
    let mut length = value.len();
    while length > 0x7f {
        bytes.push(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap_or(0));
    bytes.extend_from_slice(value);
}

const DATA_PAGE: u8 = 2;
const DICTIONARY_PAGE: u8 = 3;
const DATA_PAGE_HEADER: u8 = 4;
const DICTIONARY_PAGE_HEADER: u8 = 5;
const COLUMN_INDEX: u8 = 6;
const OFFSET_INDEX: u8 = 7;

/// What binds a module to its place: the file, what it is, and where.
fn aad(file: &[u8], kind: u8, of: Chunk, page: Option<u16>) -> Option<Vec<u8>> {
    let mut aad = file.to_vec();
    aad.push(kind);
    aad.extend_from_slice(&u16::try_from(of.group).ok()?.to_le_bytes());
    aad.extend_from_slice(&u16::try_from(of.column).ok()?.to_le_bytes());
    aad.extend(page.map(u16::to_le_bytes).into_iter().flatten());
    Some(aad)
}

/// Takes one module off the front: its length, then nonce, ciphertext and tag.
fn module<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (module, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(module)
}

/// Thrift's compact protocol, as far as Parquet's headers use it.
struct Thrift<'a> {
    bytes: &'a [u8],
}

const I32: u8 = 5;
const BINARY: u8 = 8;
const STRUCT: u8 = 12;
/// No header of Parquet lies deeper.
const DEPTH_MAX: u8 = 16;

impl<'a> Thrift<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let coded = self.varint()?;
        let half = i64::try_from(coded >> 1).ok()?;
        Some(if coded & 1 == 0 { half } else { -half - 1 })
    }

    fn binary(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(taken)
    }

    /// Hands each field of a struct to `take`, which must read it whole.
    fn fields(&mut self, mut take: impl FnMut(i64, u8, &mut Self) -> Option<()>) -> Option<()> {
        let mut id = 0_i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            let delta = i64::from(head >> 4);
            id = if delta == 0 { self.signed()? } else { id.checked_add(delta)? };
            take(id, head & 0x0f, self)?;
        }
    }

    fn skip(&mut self, kind: u8, depth: u8) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        match kind {
            1 | 2 => Some(()),
            3 => self.byte().map(drop),
            4..=6 => self.varint().map(drop),
            7 => self.bytes.split_at_checked(8).map(|(_, rest)| self.bytes = rest),
            BINARY => self.binary().map(drop),
            9 | 10 => {
                let head = self.byte()?;
                let short = u64::from(head >> 4);
                let length = if short == 15 { self.varint()? } else { short };
                for _ in 0..length {
                    // A yes or no in a list takes a byte, in a field none.
                    match head & 0x0f {
                        1 | 2 => self.byte().map(drop)?,
                        kind => self.skip(kind, depth + 1)?,
                    }
                }
                Some(())
            }
            STRUCT => self.fields(|_, kind, reader| reader.skip(kind, depth + 1)),
            _ => None,
        }
    }
}
