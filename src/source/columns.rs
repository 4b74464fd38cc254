//! Text columns under construction: bytes, offsets and nulls, no allocation for a cell.
//!
//! Comes in: cells, row after row. Goes out: Arrow string arrays. Never: half a row; a row that
//! turns out bad is taken back.

use std::sync::Arc;

use arrow::{
    array::StringArray,
    buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer},
};

use super::{Error, RawBatch, RowFault};

/// Bytes of cells in one batch, all columns together; far below the 2 GiB of 32-bit offsets.
const BATCH_BYTES: usize = 32 << 20;

#[derive(Debug, Default)]
pub(super) struct CellColumn {
    bytes: Vec<u8>,
    offsets: Vec<i32>,
    valid: Vec<bool>,
    nulls: bool,
}

impl CellColumn {
    pub(super) fn new() -> Self {
        Self { offsets: vec![0], ..Self::default() }
    }

    /// Appends bytes to the cell under construction.
    #[inline]
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Ends the cell; one without bytes is null.
    #[inline]
    pub(super) fn end_cell(&mut self) {
        // INVARIANT: a batch is flushed near BATCH_BYTES, and a record is shorter than 1 GiB.
        let end = i32::try_from(self.bytes.len()).unwrap_or(i32::MAX);
        let empty = self.offsets.last() == Some(&end);
        self.nulls |= empty;
        self.valid.push(!empty);
        self.offsets.push(end);
    }

    pub(super) fn rows(&self) -> usize {
        self.valid.len()
    }

    /// Returns the bytes of all its cells.
    pub(super) fn text_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Takes back all cells after the first so many.
    pub(super) fn truncate(&mut self, rows: usize) {
        self.valid.truncate(rows);
        self.offsets.truncate(rows + 1);
        let end = self.offsets.last().map_or(0, |&end| usize::try_from(end).unwrap_or(0));
        self.bytes.truncate(end);
    }

    fn fill_nulls(&mut self, rows: usize) {
        while self.rows() < rows {
            self.end_cell();
        }
    }

    /// Hands over the cells and starts anew.
    pub(super) fn finish(&mut self) -> Result<StringArray, arrow::error::ArrowError> {
        let room = self.bytes.len() + self.bytes.len() / 8;
        let rows = self.rows();
        let bytes = std::mem::replace(&mut self.bytes, Vec::with_capacity(room));
        let offsets = std::mem::replace(&mut self.offsets, Vec::with_capacity(rows + 1));
        self.offsets.push(0);
        let nulls =
            std::mem::take(&mut self.nulls).then(|| NullBuffer::from(self.valid.as_slice()));
        self.valid.clear();
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        StringArray::try_new(offsets, Buffer::from_vec(bytes), nulls)
    }
}

/// A raw batch under construction.
#[derive(Debug)]
pub(super) struct Builder {
    file: Arc<str>,
    names: Vec<Arc<str>>,
    columns: Vec<CellColumn>,
    lines: Vec<u64>,
    faults: Vec<RowFault>,
    bytes: usize,
    headed: bool,
    batch_rows: usize,
}

impl Builder {
    pub(super) fn new(
        file: &Arc<str>,
        names: Vec<Arc<str>>,
        headed: bool,
        batch_rows: usize,
    ) -> Self {
        let columns = names.iter().map(|_| CellColumn::new()).collect();
        Self {
            file: Arc::clone(file),
            names,
            columns,
            lines: Vec::new(),
            faults: Vec::new(),
            bytes: 0,
            headed,
            batch_rows: batch_rows.max(1),
        }
    }

    pub(super) fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// Returns the columns, to push one cell into each.
    pub(super) fn columns(&mut self) -> &mut [CellColumn] {
        &mut self.columns
    }

    /// Adds a column that the rows before this one lack.
    pub(super) fn add_column(&mut self, name: &str) -> usize {
        let mut column = CellColumn::new();
        column.fill_nulls(self.lines.len());
        self.names.push(Arc::from(name));
        self.columns.push(column);
        self.columns.len() - 1
    }

    /// Returns whether the row under construction has a cell in this column already.
    pub(super) fn has_cell(&self, column: usize) -> bool {
        self.columns.get(column).is_some_and(|column| column.rows() > self.lines.len())
    }

    /// Ends a good row; columns it has no cell for get a null.
    pub(super) fn end_row(&mut self, line: u64, bytes: usize) {
        self.lines.push(line);
        let rows = self.lines.len();
        if !self.headed {
            for column in &mut self.columns {
                column.fill_nulls(rows);
            }
        }
        self.bytes += bytes;
    }

    /// Takes back the row under construction and notes why.
    pub(super) fn fault(&mut self, fault: RowFault) {
        let rows = self.lines.len();
        for column in &mut self.columns {
            column.truncate(rows);
        }
        self.faults.push(fault);
    }

    pub(super) fn is_full(&self) -> bool {
        self.lines.len() >= self.batch_rows
            || self.faults.len() >= self.batch_rows
            || self.bytes >= BATCH_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.faults.is_empty()
    }

    /// Hands over what was gathered and starts the next batch.
    pub(super) fn finish(&mut self, path: &std::path::Path) -> Result<RawBatch, Error> {
        let cells = self
            .columns
            .iter_mut()
            .map(CellColumn::finish)
            .collect::<Result<_, _>>()
            .map_err(|source| Error::Arrow { file: path.to_owned(), source })?;
        self.bytes = 0;
        let batch = RawBatch {
            file: Arc::clone(&self.file),
            names: self.names.clone(),
            cells,
            lines: std::mem::take(&mut self.lines),
            faults: std::mem::take(&mut self.faults),
            headed: self.headed,
        };
        if !self.headed {
            self.names.clear();
            self.columns.clear();
        }
        Ok(batch)
    }
}
