//! NDJSON: one flat object a line; columns are the names that the lines have.
//!
//! Comes in: a part of a file. Goes out: raw batches. Never: a nested value or a bad line that
//! stops the others; each is a fault of its row.

#![expect(clippy::indexing_slicing, reason = "line bounds come from the scan of the same bytes")]

use std::{ops::ControlFlow, path::Path, sync::Arc};

use memchr::memchr;

use super::{
    Error, Options, Part, RawBatch, RowFault, RowFaultKind,
    bytes::{Compression, Content, open},
    columns::Builder,
    json::Object,
    window::Window,
};

/// More names than this in one batch are taken for values used as names.
const COLUMNS_MAX: usize = 4096;

pub(super) fn read(
    file: &Path,
    name: &Arc<str>,
    part: &Part,
    options: &Options,
    take: &mut dyn FnMut(RawBatch) -> ControlFlow<()>,
) -> Result<(), Error> {
    let (opened, compression, size) = open(file, super::Format::Ndjson)?;
    if size != part.file_bytes() {
        return Err(Error::Changed { file: file.to_owned(), now: size, then: part.file_bytes() });
    }
    let ranged = !part.is_whole() && compression == Compression::Plain;
    let content = if ranged {
        Content::part(file, opened, part)?
    } else {
        Content::whole(file, opened, compression)?
    };
    let mut window = Window::new(content);
    let mut builder = Builder::new(name, Vec::new(), false, options.batch_rows);
    let mut line = if ranged { part.first_line() } else { 1 };
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
                too_long(&mut builder, line, bytes, options.record_bytes_max);
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
        if end > options.record_bytes_max {
            too_long(&mut builder, line, end as u64, options.record_bytes_max);
        } else if !record.trim_ascii().is_empty() {
            row(&mut builder, record.trim_ascii_end(), line, options);
            any = true;
        }
        window.use_up(end);
        line += 1;
        if builder.is_full() && take(builder.finish(file)?).is_break() {
            return Ok(());
        }
    }
    if !builder.is_empty() {
        let _ = take(builder.finish(file)?);
    } else if !any && !ranged {
        return Err(Error::Empty { file: file.to_owned() });
    }
    Ok(())
}

fn too_long(builder: &mut Builder, line: u64, bytes: u64, limit: usize) {
    let reason = format!("{bytes} bytes, the limit is {limit}");
    builder.fault(RowFault { line, column: None, kind: RowFaultKind::Length, reason });
}

fn row(builder: &mut Builder, record: &[u8], line: u64, options: &Options) {
    let text = match std::str::from_utf8(record) {
        Ok(text) => text,
        Err(error) => {
            let reason = format!("not UTF-8 at byte {} of the line", error.valid_up_to() + 1);
            let kind = RowFaultKind::Encoding;
            return builder.fault(RowFault { line, column: None, kind, reason });
        }
    };
    let mut state = State { builder, next: 0, open: None, wanted: options.columns.as_deref() };
    let done = Object::new(text).read(&mut state, State::member, State::piece, State::end);
    match done {
        Ok(()) => builder.end_row(line, record.len()),
        Err(wrong) => {
            let reason = format!("{} at byte {} of the line", wrong.reason, wrong.at);
            builder.fault(RowFault { line, column: None, kind: wrong.kind, reason });
        }
    }
}

/// The row under construction.
struct State<'b> {
    builder: &'b mut Builder,
    /// The column expected next: lines tend to have the same names in the same order.
    next: usize,
    /// The column of the value under construction; `None` for one that is not wanted.
    open: Option<usize>,
    wanted: Option<&'b [String]>,
}

impl State<'_> {
    fn member(&mut self, name: &str) -> Result<(), &'static str> {
        self.open = None;
        if self.wanted.is_some_and(|wanted| wanted.iter().all(|one| one != name)) {
            return Ok(());
        }
        let names = self.builder.names();
        let column = if names.get(self.next).is_some_and(|held| held.as_ref() == name) {
            Some(self.next)
        } else {
            names.iter().position(|held| held.as_ref() == name)
        };
        let column = match column {
            Some(column) if self.builder.has_cell(column) => return Err("a name given twice"),
            Some(column) => column,
            None if names.len() >= COLUMNS_MAX => {
                return Err("more names than a table has columns");
            }
            None => self.builder.add_column(name),
        };
        self.next = column + 1;
        self.open = Some(column);
        Ok(())
    }

    fn piece(&mut self, run: &[u8]) {
        if let Some(column) = self.open.and_then(|open| self.builder.columns().get_mut(open)) {
            column.extend(run);
        }
    }

    fn end(&mut self) {
        if let Some(column) = self.open.and_then(|open| self.builder.columns().get_mut(open)) {
            column.end_cell();
        }
    }
}
