//! One pass over a file's bytes: its digest, its size, and where it may be cut into parts.
//!
//! Comes in: a file. Goes out: a [`Survey`]. Never: a part that begins within a record, or parts
//! that differ between two surveys of the same bytes.

use std::{
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use serde::{Deserialize, Serialize};
use sha3::{Digest as _, Sha3_256};

use super::{
    Error, Format,
    bytes::{Compression, io_error, open},
    split::Splitter,
};
use crate::digest::Sha3Digest;

/// A piece of a file that can be read by itself: a byte range of a plain CSV or NDJSON file, or
/// all of any other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    index: u32,
    start: u64,
    end: u64,
    first_line: u64,
    whole: bool,
    file_bytes: u64,
}

impl Part {
    /// Makes the part that is the whole file.
    pub(super) fn whole(file_bytes: u64) -> Self {
        Self { index: 0, start: 0, end: file_bytes, first_line: 1, whole: true, file_bytes }
    }

    /// Returns its place among the file's parts, from 0.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Returns its first byte in the file.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Returns the byte after its last.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Returns the line it begins on, from 1.
    pub fn first_line(&self) -> u64 {
        self.first_line
    }

    /// Returns whether it is the whole file, header and compression included.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Returns the size that the file had when it was surveyed.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }
}

/// What one pass over a file tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// The SHA3-256 digest of the file's bytes, compressed as they are.
    pub digest: Sha3Digest,
    /// The file's size.
    pub bytes: u64,
    /// Its parts, in order; at least one.
    pub parts: Vec<Part>,
}

/// Surveys a file: digest, size, and parts of about `part_bytes`.
pub fn survey(file: &Path, format: Format, part_bytes: u64) -> Result<Survey, Error> {
    let (mut opened, compression, _) = open(file, format)?;
    let mut cuts = match (format, compression) {
        (Format::Csv, Compression::Plain) => Some(Cuts::new(true, part_bytes)),
        (Format::Ndjson | Format::FhirNdjson, Compression::Plain) => {
            Some(Cuts::new(false, part_bytes))
        }
        (
            Format::Csv
            | Format::Ndjson
            | Format::FhirNdjson
            | Format::Parquet
            | Format::FhirBundle
            | Format::FhirManifest,
            _,
        ) => None,
    };
    let mut hasher = Sha3_256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut bytes = 0_u64;
    loop {
        let count = match opened.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(io_error(file, error)),
        };
        let (chunk, _) = buffer.split_at(count);
        hasher.update(chunk);
        if let Some(cuts) = &mut cuts {
            cuts.pass(chunk);
        }
        bytes += count as u64;
    }
    let parts = cuts.map_or_else(|| vec![Part::whole(bytes)], |cuts| cuts.parts(bytes));
    Ok(Survey { digest: Sha3Digest(hasher.finalize().into()), bytes, parts })
}

/// Cuts a file into parts of about `part_bytes` without reading all of it, as a survey does: no
/// digest is made, and each part counts its lines from 1.
///
/// Only FHIR NDJSON that is not compressed is cut; any other file is one part.
pub fn cut(file: &Path, format: Format, part_bytes: u64) -> Result<Vec<Part>, Error> {
    let (mut opened, compression, bytes) = open(file, format)?;
    if format != Format::FhirNdjson || compression != Compression::Plain || part_bytes >= bytes {
        return Ok(vec![Part::whole(bytes)]);
    }
    let mut starts = vec![0];
    let mut target = part_bytes.max(1);
    while target < bytes {
        opened.seek(SeekFrom::Start(target)).map_err(|source| io_error(file, source))?;
        let mut passed = 0;
        let mut reader = BufReader::with_capacity(1 << 16, &opened);
        let found = loop {
            let held = reader.fill_buf().map_err(|source| io_error(file, source))?;
            if let Some(end) = memchr::memchr(b'\n', held) {
                break target + passed + end as u64 + 1;
            }
            if held.is_empty() {
                break bytes;
            }
            let held = held.len();
            passed += held as u64;
            reader.consume(held);
        };
        if found < bytes {
            starts.push(found);
        }
        target = found.saturating_add(part_bytes.max(1));
    }
    Ok(parts_between(starts.into_iter().map(|start| (start, 0)).collect(), bytes))
}

/// Returns the parts that begin at these bytes, with so many lines before each.
fn parts_between(starts: Vec<(u64, u64)>, file_bytes: u64) -> Vec<Part> {
    let ends: Vec<u64> =
        starts.iter().skip(1).map(|&(start, _)| start).chain([file_bytes]).collect();
    starts
        .into_iter()
        .zip(ends)
        .zip(0_u32..)
        .map(|(((start, lines), end), index)| Part {
            index,
            start,
            end,
            first_line: lines + 1,
            whole: false,
            file_bytes,
        })
        .collect()
}

/// The places where a plain file may be cut, found as its bytes go by.
struct Cuts {
    splitter: Splitter,
    part_bytes: u64,
    passed: u64,
    /// Where each part begins, and how many lines stand before it. A header belongs to no part.
    starts: Vec<(u64, u64)>,
    header: bool,
    /// Whether the header's line holds anything yet.
    named: bool,
}

impl Cuts {
    fn new(header: bool, part_bytes: u64) -> Self {
        let starts = if header { Vec::new() } else { vec![(0, 0)] };
        let splitter = Splitter::new(header);
        Self { splitter, part_bytes: part_bytes.max(1), passed: 0, starts, header, named: false }
    }

    fn pass(&mut self, mut chunk: &[u8]) {
        // The header's end is the first part's start; blank lines before it are part of it.
        while self.header && !chunk.is_empty() {
            let end = self.splitter.next_end(chunk);
            let (head, rest) = chunk.split_at(end.unwrap_or(chunk.len()));
            self.named |= head.iter().any(|byte| !matches!(byte, b'\r' | b'\n'));
            self.passed += head.len() as u64;
            chunk = rest;
            if end.is_some() && self.named {
                self.header = false;
                self.starts.push((self.passed, self.splitter.lines()));
            }
        }
        while !chunk.is_empty() {
            let last = self.starts.last().map_or(0, |&(start, _)| start);
            let target = last.saturating_add(self.part_bytes);
            let ends_after = self.passed + chunk.len() as u64;
            // At most one cut a call; parts smaller than a chunk take several.
            let from = (target <= ends_after)
                .then(|| usize::try_from(target.saturating_sub(self.passed + 1)).unwrap_or(0));
            let probe = self.splitter.clone();
            match self.splitter.pass(chunk, from) {
                None => {
                    self.passed = ends_after;
                    return;
                }
                Some((end, lines)) => {
                    let (head, rest) = chunk.split_at(end);
                    self.splitter = probe;
                    self.splitter.pass(head, None);
                    self.passed += head.len() as u64;
                    self.starts.push((self.passed, lines));
                    chunk = rest;
                }
            }
        }
    }

    fn parts(self, file_bytes: u64) -> Vec<Part> {
        let mut starts = self.starts;
        if starts.len() > 1 && starts.last().is_some_and(|&(start, _)| start >= file_bytes) {
            starts.pop();
        }
        if starts.is_empty() {
            // A header alone, without a line end.
            starts.push((file_bytes, 1));
        }
        parts_between(starts, file_bytes)
    }
}
