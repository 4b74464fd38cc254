//! CSV after RFC 4180: a header, quoted cells with `""` and line ends within, LF or CRLF. Between cells
//! stands a comma, or the byte that was asked for.
//!
//! Comes in: a part of a file. Goes out: raw batches. Never: a guess; a row with a cell too many,
//! text after a closing quote, or bytes that are not UTF-8 is a fault of that row alone.

#![expect(clippy::indexing_slicing, reason = "cell bounds come from the scan of the same bytes")]

use std::{ops::ControlFlow, path::Path, sync::Arc};

use memchr::{memchr, memchr_iter};

use super::{
    Error, Options, Part, RawBatch, RowFault, RowFaultKind,
    bytes::{Compression, Content, open},
    columns::Builder,
    window::Window,
};

/// A header longer than this is none.
const HEADER_BYTES_MAX: usize = 1 << 20;
const BOM: &[u8] = b"\xef\xbb\xbf";

pub(super) fn read(
    file: &Path,
    name: &Arc<str>,
    part: &Part,
    options: &Options,
    take: &mut dyn FnMut(RawBatch) -> ControlFlow<()>,
) -> Result<(), Error> {
    let (opened, compression, size) = open(file, super::Format::Csv)?;
    if size != part.file_bytes() {
        return Err(Error::Changed { file: file.to_owned(), now: size, then: part.file_bytes() });
    }
    let mut window = Window::new(Content::whole(file, opened, compression)?);
    let (header, header_lines) = read_header(&mut window, options.separator)?;
    let mut line = header_lines + 1;
    if !part.is_whole() && compression == Compression::Plain {
        let (opened, _, _) = open(file, super::Format::Csv)?;
        window = Window::new(Content::part(file, opened, part)?);
        line = part.first_line();
    }
    Reader::new(name, &header, options).run(&mut window, line, take)
}

/// Reads the names of the columns, and how many lines they and the blank lines before them take.
fn read_header(window: &mut Window, separator: u8) -> Result<(Vec<Arc<str>>, u64), Error> {
    let error = |window: &Window, reason: String| {
        Err(Error::Header { file: window.content().file().to_owned(), reason })
    };
    let mut lines = 0;
    let mut cells = Vec::new();
    let mut first = true;
    loop {
        if std::mem::take(&mut first) {
            while window.bytes().len() < BOM.len() && !window.is_done() {
                window.fill()?;
            }
            if window.bytes().starts_with(BOM) {
                window.use_up(BOM.len());
            }
        }
        let record = scan(window.bytes(), window.is_done(), separator, &mut cells);
        match record {
            None if window.is_done() && window.bytes().is_empty() => {
                return Err(Error::Empty { file: window.content().file().to_owned() });
            }
            None if window.is_done() => return error(window, "ends within quotes".to_owned()),
            None if window.bytes().len() > HEADER_BYTES_MAX => {
                return error(window, format!("is longer than {HEADER_BYTES_MAX} bytes"));
            }
            None => window.fill()?,
            Some(record) if record.blank => {
                lines += record.lines;
                window.use_up(record.end);
            }
            Some(record) => {
                if record.junk.is_some() {
                    return error(window, "has text after a closing quote".to_owned());
                }
                lines += record.lines;
                let mut names: Vec<Arc<str>> = Vec::with_capacity(cells.len());
                for (at, cell) in cells.iter().enumerate() {
                    let mut bytes = Vec::new();
                    cell.copy(window.bytes(), |run| bytes.extend_from_slice(run));
                    let Ok(text) = std::str::from_utf8(&bytes) else {
                        return error(window, format!("is not UTF-8 in column {}", at + 1));
                    };
                    let text = text.trim();
                    if text.is_empty() {
                        return error(window, format!("names no column {}", at + 1));
                    }
                    // The names themselves stay unsaid: a file without a header has values here.
                    if let Some(other) = names.iter().position(|name| name.as_ref() == text) {
                        let (one, two) = (other + 1, at + 1);
                        return error(window, format!("names columns {one} and {two} the same"));
                    }
                    names.push(Arc::from(text));
                }
                window.use_up(record.end);
                return Ok((names, lines));
            }
        }
    }
}

/// Where one cell stands in the window.
#[derive(Debug, Clone, Copy)]
struct Cell {
    start: usize,
    end: usize,
    /// Whether it holds doubled quotes.
    doubled: bool,
}

impl Cell {
    /// Hands over the cell's bytes, quotes undoubled.
    #[inline]
    fn copy(self, bytes: &[u8], mut out: impl FnMut(&[u8])) {
        let mut rest = &bytes[self.start..self.end];
        if self.doubled {
            while let Some(quote) = memchr(b'"', rest) {
                out(&rest[..=quote]);
                rest = rest.get(quote + 2..).unwrap_or_default();
            }
        }
        out(rest);
    }
}

/// What one record looks like.
#[derive(Debug, Clone, Copy)]
struct Record {
    /// The place after its line end.
    end: usize,
    lines: u64,
    /// Whether its line holds nothing.
    blank: bool,
    /// The cell with text after its closing quote.
    junk: Option<usize>,
    /// Whether quotes opened and the bytes ended before they closed.
    open: bool,
}

/// Finds the cells of the record at the beginning of the bytes; `None` if its end is not there.
#[inline]
fn scan(bytes: &[u8], done: bool, separator: u8, cells: &mut Vec<Cell>) -> Option<Record> {
    cells.clear();
    if bytes.is_empty() {
        return None;
    }
    let mut record = Record { end: 0, lines: 0, blank: false, junk: None, open: false };
    let mut at = 0;
    loop {
        if bytes.get(at) == Some(&b'"') {
            let start = at + 1;
            let mut doubled = false;
            at = start;
            let end = loop {
                let Some(quote) = memchr(b'"', &bytes[at..]).map(|found| at + found) else {
                    if !done {
                        return None;
                    }
                    record.open = true;
                    break bytes.len();
                };
                match bytes.get(quote + 1) {
                    Some(b'"') => {
                        doubled = true;
                        at = quote + 2;
                    }
                    None if !done => return None,
                    Some(_) | None => break quote,
                }
            };
            record.lines += memchr_iter(b'\n', &bytes[start..end]).count() as u64;
            cells.push(Cell { start, end, doubled });
            let after = (end + 1).min(bytes.len());
            let stop = delimiter(bytes, after, separator);
            if stop == bytes.len() && !done {
                return None;
            }
            let rest = &bytes[after..stop];
            let is_return = rest == b"\r" && bytes.get(stop) != Some(&separator);
            if !(rest.is_empty() || is_return) {
                record.junk = record.junk.or(Some(cells.len() - 1));
            }
            at = stop;
        } else {
            let stop = delimiter(bytes, at, separator);
            if stop == bytes.len() && !done {
                return None;
            }
            let mut end = stop;
            if end > at && bytes.get(stop) != Some(&separator) && bytes[end - 1] == b'\r' {
                end -= 1;
            }
            cells.push(Cell { start: at, end, doubled: false });
            at = stop;
        }
        match bytes.get(at) {
            Some(byte) if *byte == separator => at += 1,
            Some(_) => {
                record.lines += 1;
                record.end = at + 1;
                break;
            }
            None => {
                record.end = at;
                break;
            }
        }
    }
    let [only] = cells.as_slice() else { return Some(record) };
    record.blank = only.start == 0 && only.end == 0;
    Some(record)
}

/// Returns the place of the next separator or line feed, eight bytes at a time.
#[inline]
fn delimiter(bytes: &[u8], from: usize, separator: u8) -> usize {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    const FEED: u64 = u64::from_ne_bytes([b'\n'; 8]);
    let separators = u64::from_ne_bytes([separator; 8]);
    let mut at = from;
    while let Some((word, _)) = bytes[at..].split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        // The lowest set bit marks the first zero byte exactly; only bits above it may be wrong.
        let zeros = |x: u64| x.wrapping_sub(LOW) & !x & HIGH;
        let hit = zeros(word ^ separators) | zeros(word ^ FEED);
        if hit != 0 {
            return at + (hit.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let tail = bytes[at..].iter().position(|byte| *byte == separator || *byte == b'\n');
    tail.map_or(bytes.len(), |found| at + found)
}

struct Reader {
    builder: Builder,
    header: Vec<Arc<str>>,
    /// For each column of the file, its place in the batch, if it is wanted.
    places: Vec<Option<usize>>,
    separator: u8,
    record_bytes_max: usize,
}

impl Reader {
    fn new(name: &Arc<str>, header: &[Arc<str>], options: &Options) -> Self {
        let wanted = |name: &Arc<str>| {
            options.columns.as_ref().is_none_or(|all| all.iter().any(|one| **one == **name))
        };
        let names: Vec<Arc<str>> = header.iter().filter(|name| wanted(name)).cloned().collect();
        let places = header.iter().map(|name| names.iter().position(|held| held == name)).collect();
        Self {
            builder: Builder::new(name, names, true, options.batch_rows),
            header: header.to_vec(),
            places,
            separator: options.separator,
            record_bytes_max: options.record_bytes_max,
        }
    }

    fn run(
        mut self,
        window: &mut Window,
        mut line: u64,
        take: &mut dyn FnMut(RawBatch) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut cells = Vec::with_capacity(self.header.len());
        let mut sent = false;
        loop {
            let record = scan(window.bytes(), window.is_done(), self.separator, &mut cells);
            let Some(record) = record else {
                if window.bytes().len() > self.record_bytes_max {
                    let (bytes, lines) = window.skip_record(true)?;
                    self.too_long(line, bytes);
                    line += lines;
                } else if window.is_done() {
                    break;
                } else {
                    window.fill()?;
                }
                continue;
            };
            if record.end > self.record_bytes_max {
                self.too_long(line, record.end as u64);
            } else if !record.blank {
                self.row(&window.bytes()[..record.end], &cells, &record, line);
            }
            window.use_up(record.end);
            line += record.lines;
            if self.builder.is_full() {
                sent = true;
                let batch = self.builder.finish(window.content().file())?;
                if take(batch).is_break() {
                    return Ok(());
                }
            }
        }
        // A header without rows still goes on, so that its columns are checked.
        if !sent || !self.builder.is_empty() {
            let _ = take(self.builder.finish(window.content().file())?);
        }
        Ok(())
    }

    #[inline]
    fn row(&mut self, bytes: &[u8], cells: &[Cell], record: &Record, line: u64) {
        if cells.len() != self.places.len() || record.junk.is_some() || record.open {
            return self.bad_shape(cells.len(), record, line);
        }
        if std::str::from_utf8(bytes).is_err() {
            return self.bad_bytes(bytes, cells, line);
        }
        let columns = self.builder.columns();
        for (cell, place) in cells.iter().zip(&self.places) {
            if let Some(column) = place.and_then(|place| columns.get_mut(place)) {
                cell.copy(bytes, |run| column.extend(run));
                column.end_cell();
            }
        }
        self.builder.end_row(line, bytes.len());
    }

    #[cold]
    fn bad_shape(&mut self, found: usize, record: &Record, line: u64) {
        let wanted = self.header.len();
        let name = |at: usize| self.header.get(at).map(|name| name.as_ref().to_owned());
        let (kind, column, reason) = if record.open {
            (RowFaultKind::Syntax, None, "its quotes do not close before the file ends".to_owned())
        } else if let Some(at) = record.junk {
            (RowFaultKind::Syntax, name(at), "text after a closing quote".to_owned())
        } else {
            (RowFaultKind::Columns, None, format!("{found} cells where the header has {wanted}"))
        };
        self.builder.fault(RowFault { line, column, kind, reason });
    }

    #[cold]
    fn bad_bytes(&mut self, bytes: &[u8], cells: &[Cell], line: u64) {
        let at = cells
            .iter()
            .position(|cell| std::str::from_utf8(&bytes[cell.start..cell.end]).is_err());
        let column = at.and_then(|at| self.header.get(at)).map(|name| name.as_ref().to_owned());
        let reason = match at {
            Some(at) => format!("not UTF-8 in cell {} of the row", at + 1),
            None => "not UTF-8".to_owned(),
        };
        let kind = RowFaultKind::Encoding;
        self.builder.fault(RowFault { line, column, kind, reason });
    }

    #[cold]
    fn too_long(&mut self, line: u64, bytes: u64) {
        let reason = format!("{bytes} bytes, the limit is {}", self.record_bytes_max);
        self.builder.fault(RowFault { line, column: None, kind: RowFaultKind::Length, reason });
    }
}
