//! The lines of a text file: those that hold something, each with its number.
//!
//! Comes in: a part of a file. Goes out: line after line. Never: a line past the limit in memory.

#![expect(clippy::indexing_slicing, reason = "line bounds come from the scan of the same bytes")]

use std::{ops::ControlFlow, path::Path};

use memchr::memchr;

use super::{
    Error, Format, Options, Part, RowFault, RowFaultKind,
    bytes::{Compression, Content, open},
    window::Window,
};

/// One line that is not blank.
pub(super) enum Line<'w> {
    /// Without white space at its end.
    Record(&'w [u8]),
    /// One with more bytes than a record may have.
    Long { bytes: u64 },
}

/// Makes the fault of a line past the limit.
pub(super) fn too_long(line: u64, bytes: u64, limit: usize) -> RowFault {
    let reason = format!("{bytes} bytes, the limit is {limit}");
    RowFault { line, column: None, kind: RowFaultKind::Length, reason }
}

/// Opens the bytes of a part; returns them, and whether they are a range of the file.
pub(super) fn content(file: &Path, format: Format, part: &Part) -> Result<(Content, bool), Error> {
    let (opened, compression, size) = open(file, format)?;
    if size != part.file_bytes() {
        return Err(Error::Changed { file: file.to_owned(), now: size, then: part.file_bytes() });
    }
    let ranged = !part.is_whole() && compression == Compression::Plain;
    let content = if ranged {
        Content::part(file, opened, part)?
    } else {
        Content::whole(file, opened, compression)?
    };
    Ok((content, ranged))
}

/// Hands on each line of a whole file of NDJSON that holds something, with its number and without
/// white space at its end, until there are no more or the taker breaks off. A file without any line
/// is no error. Returns how many lines were passed over because they are longer than a record may be.
pub fn each_line(
    file: &Path,
    options: &Options,
    take: &mut dyn FnMut(u64, &[u8]) -> ControlFlow<()>,
) -> Result<u64, Error> {
    let format = Format::FhirNdjson;
    let mut long = 0;
    let part = match open(file, format) {
        Ok((_, _, size)) => Part::whole(size),
        Err(Error::Empty { .. }) => return Ok(0),
        Err(error) => return Err(error),
    };
    let done = lines(file, format, &part, options, &mut |line, found| {
        Ok(match found {
            Line::Record(record) => take(line, record),
            Line::Long { .. } => {
                long += 1;
                ControlFlow::Continue(())
            }
        })
    });
    match done {
        Ok(_) | Err(Error::Empty { .. }) => Ok(long),
        Err(error) => Err(error),
    }
}

/// What takes a line with its number.
pub(super) type TakeLine<'t> = dyn FnMut(u64, Line<'_>) -> Result<ControlFlow<()>, Error> + 't;

/// Hands on each line of a part with its number, until there are no more or the taker breaks off.
/// Returns how many lines were passed.
pub(super) fn lines(
    file: &Path,
    format: Format,
    part: &Part,
    options: &Options,
    take: &mut TakeLine<'_>,
) -> Result<(ControlFlow<()>, u64), Error> {
    let (content, ranged) = content(file, format, part)?;
    let mut window = Window::new(content);
    let first = if ranged { part.first_line() } else { 1 };
    let mut line = first;
    let mut at_start = part.start() == 0;
    let mut any = false;
    loop {
        if std::mem::take(&mut at_start) {
            window.fill()?;
            if window.bytes().starts_with(b"\xef\xbb\xbf") {
                window.use_up(3);
            }
        }
        let end = match memchr(b'\n', window.bytes()) {
            Some(end) => end + 1,
            None if window.bytes().len() > options.record_bytes_max => {
                let (bytes, _) = window.skip_record(false)?;
                any = true;
                if take(line, Line::Long { bytes })?.is_break() {
                    return Ok((ControlFlow::Break(()), line + 1 - first));
                }
                line += 1;
                continue;
            }
            None if !window.is_done() => {
                window.fill()?;
                continue;
            }
            None if window.bytes().is_empty() => break,
            None => window.bytes().len(),
        };
        let record = &window.bytes()[..end];
        let found = if end > options.record_bytes_max {
            Some(Line::Long { bytes: end as u64 })
        } else if record.trim_ascii().is_empty() {
            None
        } else {
            Some(Line::Record(record.trim_ascii_end()))
        };
        if let Some(found) = found {
            any = true;
            if take(line, found)?.is_break() {
                return Ok((ControlFlow::Break(()), line + 1 - first));
            }
        }
        window.use_up(end);
        line += 1;
    }
    if !any && !ranged {
        return Err(Error::Empty { file: file.to_owned() });
    }
    Ok((ControlFlow::Continue(()), line - first))
}
