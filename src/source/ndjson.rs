//! NDJSON: one flat object a line; columns are the names that the lines have.
//!
//! Comes in: a part of a file. Goes out: raw batches. Never: a nested value or a bad line that
//! stops the others; each is a fault of its row.

use std::{ops::ControlFlow, path::Path, sync::Arc};

use super::{
    Error, Format, Options, Part, RawBatch, RowFault, RowFaultKind,
    columns::Builder,
    json::Object,
    lines::{Line, lines, too_long},
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
    let mut builder = Builder::new(name, Vec::new(), false, options.batch_rows);
    let (done, _) = lines(file, Format::Ndjson, part, options, &mut |line, found| {
        match found {
            Line::Long { bytes } => {
                builder.fault(too_long(line, bytes, options.record_bytes_max));
            }
            Line::Record(record) => row(&mut builder, record, line, options),
        }
        if builder.is_full() {
            Ok(take(builder.finish(file)?))
        } else {
            Ok(ControlFlow::Continue(()))
        }
    })?;
    if done.is_continue() && !builder.is_empty() {
        let _ = take(builder.finish(file)?);
    }
    Ok(())
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
