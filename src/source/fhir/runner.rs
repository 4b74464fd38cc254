//! Runs a view over resources, one after the other, into batches.
//!
//! Comes in: the JSON of one resource at a time. Goes out: batches, and a reason for each resource
//! that gives no rows. Never: half the rows of a resource, or a tree in memory.

use std::{mem, sync::Arc};

use arrow::{
    array::{FixedSizeBinaryArray, RecordBatch},
    buffer::Buffer,
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
};
use sha2::{Digest as _, Sha256};
use simd_json::{Buffers, ErrorType, Node};

use super::{
    Counts, View,
    eval::{Evaluator, Focus, Item, Memory},
    kind::Type,
    known::{self, Found},
    rows::{Refused, Rows, Scratch},
    table::{Cells, Table, data_type},
    tape::Tape,
};
use crate::source::{RawBatch, RowFault, RowFaultKind};

/// The column of digests.
pub const DIGEST_COLUMN: &str = "_sha256";

/// How a view is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// Whether a last column `_sha256` holds the SHA-256 of the bytes of each row's resource.
    pub digests: bool,
    /// Whether a resource may lack an id, as the official tests' do.
    pub ids_optional: bool,
}

/// Rows of a view, and what could not be read among them.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The rows.
    pub rows: RecordBatch,
    /// For each row, the line that its resource begins on.
    pub lines: Vec<u64>,
    /// The resources, or lines, that gave none.
    pub faults: Vec<RowFault>,
}

/// Runs one view.
pub struct Runner<'v> {
    view: &'v View,
    settings: Settings,
    schema: SchemaRef,
    buffers: Buffers,
    /// The nodes of the resource before; kept for its memory.
    tape: simd_json::Tape<'static>,
    /// The bytes of the resource at hand, which the parser writes on.
    bytes: Vec<u8>,
    memory: Memory<'v>,
    scratch: Scratch<'v>,
    table: Table,
    lines: Vec<u64>,
    digests: Vec<u8>,
    faults: Vec<RowFault>,
    counts: Counts,
}

impl std::fmt::Debug for Runner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("counts", &self.counts).finish_non_exhaustive()
    }
}

/// Why a resource is put aside.
struct Aside {
    kind: RowFaultKind,
    column: Option<usize>,
    reason: String,
}

impl Aside {
    fn resource(reason: &str) -> Self {
        Self { kind: RowFaultKind::Resource, column: None, reason: reason.to_owned() }
    }
}

impl<'v> Runner<'v> {
    /// Makes a runner of a view.
    pub fn new(view: &'v View, settings: Settings) -> Self {
        Self::with_cells(view, settings, Cells::Typed)
    }

    pub(super) fn with_cells(view: &'v View, settings: Settings, cells: Cells) -> Self {
        Self {
            view,
            settings,
            schema: schema(view, settings),
            buffers: Buffers::default(),
            tape: simd_json::Tape(Vec::new()),
            bytes: Vec::new(),
            memory: Memory::default(),
            scratch: Scratch::default(),
            table: Table::new(view.columns(), cells),
            lines: Vec::new(),
            digests: Vec::new(),
            faults: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Returns the type of the resources that the view is of.
    pub(super) fn resource(&self) -> &str {
        self.view.resource()
    }

    /// Returns what was counted since it was made.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns the rows, or the faults if they are more, that wait to be taken.
    pub fn waiting(&self) -> usize {
        self.table.rows().max(self.faults.len())
    }

    /// Returns the bytes of text in the rows that wait.
    pub fn waiting_bytes(&self) -> usize {
        self.table.text_bytes()
    }

    /// Runs the view over one resource; what is wrong with it is told in the batch's faults.
    pub fn push(&mut self, resource: &[u8], line: u64) {
        let before = self.table.rows();
        let mut bytes = mem::take(&mut self.bytes);
        bytes.clear();
        bytes.extend_from_slice(resource);
        bytes.resize(resource.len() + simd_json::INPUT_PADDING, 0);
        let mut tape = mem::replace(&mut self.tape, simd_json::Tape(Vec::new())).reset();
        let done = self.run(resource, &mut bytes, &mut tape);
        self.tape = tape.reset();
        self.bytes = bytes;
        match done {
            Ok(true) => {
                let rows = self.table.rows() - before;
                self.counts.resources += 1;
                self.counts.rows += rows as u64;
                self.lines.resize(before + rows, line);
                if self.settings.digests && rows > 0 {
                    let digest = Sha256::digest(resource);
                    for _ in 0..rows {
                        self.digests.extend_from_slice(&digest);
                    }
                }
            }
            Ok(false) => self.counts.passed_over += 1,
            Err(Aside { kind, column, reason }) => {
                self.table.truncate(before);
                let column = column.and_then(|at| self.view.columns().get(at));
                let column = column.map(|column| column.name.clone());
                self.fault(RowFault { line, column, kind, reason });
            }
        }
    }

    /// Counts lines of a file.
    pub(super) fn pass_lines(&mut self, lines: u64) {
        self.counts.lines += lines;
    }

    /// Notes something that is no resource.
    pub(super) fn fault(&mut self, fault: RowFault) {
        self.counts.faults += 1;
        self.faults.push(fault);
    }

    /// Returns whether the resource is one of the view's type; its rows are then in the table.
    fn run<'t>(
        &mut self,
        text: &[u8],
        bytes: &'t mut [u8],
        nodes: &mut simd_json::Tape<'t>,
    ) -> Result<bool, Aside> {
        let address = bytes.as_ptr() as usize;
        simd_json::fill_tape_padded(bytes, text.len(), &mut self.buffers, nodes)
            .map_err(|error| aside(&error))?;
        let tape =
            Tape { nodes: &nodes.0, text, address, tokens: self.buffers.structural_indexes() };
        let (root, compiled) = (0, &self.view.0);
        if !matches!(tape.node(root), Some(Node::Object { .. })) {
            return Err(Aside::resource("it is no JSON object"));
        }
        self.memory.items.clear();
        self.memory.made.clear();
        let found = compiled.known.find(tape, root, &mut self.memory.found);
        found.map_err(|wrong| Aside::resource(&wrong.to_string()))?;
        let text_of = |slot: usize| match self.memory.found.get(slot) {
            Some(Found::At(at, _)) => tape.str(*at).filter(|text| !text.is_empty()),
            Some(Found::Missing | Found::Bare(_)) | None => None,
        };
        match text_of(known::TYPE) {
            Some(kind) if kind == compiled.resource => {}
            Some(_) => return Ok(false),
            None => return Err(Aside::resource("it does not say its resourceType")),
        }
        if !self.settings.ids_optional && text_of(known::ID).is_none() {
            return Err(Aside::resource("it has no id"));
        }
        let known = &compiled.known;
        let evaluator = Evaluator { tape, root, known, memory: &mut self.memory };
        let mut rows = Rows::new(evaluator, &compiled.columns, &mut self.scratch, &mut self.table);
        let focus = Focus { item: Some(Item::Node(root, Type::Complex)), index: 0 };
        let done = rows
            .passes(&compiled.filters, focus)
            .and_then(|passes| if passes { rows.all(&compiled.selects, focus) } else { Ok(()) });
        done.map(|()| true).map_err(|Refused { column, wrong }| Aside {
            kind: RowFaultKind::Value,
            column,
            reason: wrong.to_string(),
        })
    }

    /// Hands over the rows that wait.
    pub fn finish(&mut self) -> Result<Batch, ArrowError> {
        let mut arrays = self.table.finish()?;
        let lines = mem::take(&mut self.lines);
        if self.settings.digests {
            let digests = Buffer::from_vec(mem::take(&mut self.digests));
            arrays.push(Arc::new(FixedSizeBinaryArray::try_new(32, digests, None)?));
        }
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(lines.len()));
        let schema = Arc::clone(&self.schema);
        let rows = RecordBatch::try_new_with_options(schema, arrays, &options)?;
        Ok(Batch { rows, lines, faults: mem::take(&mut self.faults) })
    }

    /// Hands over the rows that wait, as text.
    pub(super) fn finish_text(&mut self, file: &Arc<str>) -> Result<RawBatch, ArrowError> {
        Ok(RawBatch {
            file: Arc::clone(file),
            names: self.view.columns().iter().map(|c| Arc::from(c.name.as_str())).collect(),
            cells: self.table.finish_text()?,
            lines: mem::take(&mut self.lines),
            faults: mem::take(&mut self.faults),
            headed: true,
        })
    }
}

pub(super) fn schema(view: &View, settings: Settings) -> SchemaRef {
    let mut fields: Vec<Field> = view
        .columns()
        .iter()
        .map(|column| Field::new(&column.name, data_type(column), true))
        .collect();
    if settings.digests {
        fields.push(Field::new(DIGEST_COLUMN, DataType::FixedSizeBinary(32), false));
    }
    Arc::new(Schema::new(fields))
}

/// What the parser says, without the character it stumbled on.
fn aside(error: &simd_json::Error) -> Aside {
    let at = error.index() + 1;
    let (kind, reason) = if matches!(error.error(), ErrorType::InvalidUtf8) {
        (RowFaultKind::Encoding, "not UTF-8".to_owned())
    } else if matches!(error.error(), ErrorType::InvalidNumber) {
        (RowFaultKind::Syntax, "a number that is none, or beyond 64 bits".to_owned())
    } else {
        (RowFaultKind::Syntax, format!("no JSON, at byte {at} of the resource"))
    };
    Aside { kind, column: None, reason }
}
