//! Keys that are unique and references that lead somewhere, over all parts of an input.
//!
//! Comes in: conformed batches. Goes out: sets of 128-bit hashes, small enough to hand from part
//! to part, then a [`Screen`] that takes bad rows out. Never: a key's value.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, Hasher as _},
    ops::Range,
    sync::Arc,
};

use arrow::{
    array::AsArray as _,
    datatypes::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType},
    error::ArrowError,
};
use foldhash::quality::FixedState;

use super::{ColumnType, ConformedBatch, Reject, Rule, TableSchema};
use crate::fault::Fault;

const ENTRY_BYTES: usize = 32;

/// The hash of one key.
type KeyHash = u128;

/// Where a row stands: the place of its file in the order of the run, and its line.
type Place = (u64, u64);

/// The keys of a table, each with the place it stands at.
///
/// Keys are compared by 128-bit hashes: among a billion rows, two different keys meet with a
/// probability of about one in 10^21.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySet {
    entries: Vec<(KeyHash, Place)>,
    sorted: bool,
}

impl KeySet {
    /// Adds the keys of a batch; `file` is the place of its file in the order of the run. A row
    /// with a null in its key has none.
    pub fn gather(&mut self, file: u64, batch: &ConformedBatch) {
        let schema = batch.schema();
        let columns: Vec<usize> =
            schema.key.iter().filter_map(|name| schema.column(name)).collect();
        if columns.is_empty() {
            return;
        }
        let hashes = hashes(batch, &columns);
        let rows = hashes.into_iter().zip(batch.lines());
        self.entries.extend(rows.filter_map(|(hash, &line)| Some((hash?, (file, line)))));
        self.sorted = false;
    }

    /// Takes in the keys of another part.
    pub fn merge(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.sorted = false;
    }

    /// Puts the keys in order, which [`KeySet::duplicates`] and [`ReferenceSet::missing`] rest on.
    pub fn sort(&mut self) {
        if !self.sorted {
            self.entries.sort_unstable();
            self.sorted = true;
        }
    }

    /// Returns how many rows have a key.
    pub fn rows(&self) -> usize {
        self.entries.len()
    }

    /// Returns the places of rows whose key an earlier row has, by the order of files and lines,
    /// each with the place of the first.
    pub fn duplicates(&mut self) -> BTreeMap<(u64, u64), (u64, u64)> {
        self.sort();
        let groups = self.entries.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1);
        groups
            .filter_map(<[_]>::split_first)
            .flat_map(|(first, rest)| rest.iter().map(|(_, place)| (*place, first.1)))
            .collect()
    }

    fn contains(&self, hash: KeyHash) -> bool {
        self.entries.binary_search_by(|entry| entry.0.cmp(&hash)).is_ok()
    }

    /// Returns the set as bytes: 32 for each key, in order.
    pub fn encode(&mut self) -> Vec<u8> {
        self.sort();
        let mut bytes = Vec::with_capacity(self.entries.len() * ENTRY_BYTES);
        for (hash, (file, line)) in &self.entries {
            bytes.extend_from_slice(&hash.to_be_bytes());
            bytes.extend_from_slice(&file.to_be_bytes());
            bytes.extend_from_slice(&line.to_be_bytes());
        }
        bytes
    }

    /// Reads the bytes of [`KeySet::encode`]; `None` if they are not.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let chunks = bytes.chunks_exact(ENTRY_BYTES);
        if !chunks.remainder().is_empty() {
            return None;
        }
        let mut entries = Vec::with_capacity(bytes.len() / ENTRY_BYTES);
        for chunk in chunks {
            let (hash, rest) = chunk.split_first_chunk::<16>()?;
            let (file, rest) = rest.split_first_chunk::<8>()?;
            let (line, _) = rest.split_first_chunk::<8>()?;
            let place = (u64::from_be_bytes(*file), u64::from_be_bytes(*line));
            entries.push((KeyHash::from_be_bytes(*hash), place));
        }
        let sorted = entries.is_sorted();
        Some(Self { entries, sorted })
    }
}

/// What the references of one column point to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReferenceSet {
    hashes: BTreeSet<KeyHash>,
}

impl ReferenceSet {
    /// Adds the cells of a column; empty ones refer to nothing.
    pub fn gather(&mut self, column: usize, batch: &ConformedBatch) {
        let mut hashes: Vec<KeyHash> = hashes(batch, &[column]).into_iter().flatten().collect();
        hashes.sort_unstable();
        hashes.dedup();
        self.hashes.extend(hashes);
    }

    /// Takes in the references of another part.
    pub fn merge(&mut self, other: Self) {
        self.hashes.extend(other.hashes);
    }

    /// Returns those that no key answers.
    #[must_use]
    pub fn missing(&self, keys: &mut KeySet) -> Self {
        keys.sort();
        Self { hashes: self.hashes.iter().copied().filter(|&hash| !keys.contains(hash)).collect() }
    }

    /// Returns how many different ones there are.
    pub fn count(&self) -> usize {
        self.hashes.len()
    }

    /// Returns the set as bytes: 16 for each, in order.
    pub fn encode(&self) -> Vec<u8> {
        self.hashes.iter().flat_map(|hash| hash.to_be_bytes()).collect()
    }

    /// Reads the bytes of [`ReferenceSet::encode`]; `None` if they are not.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<16>();
        let hashes = chunks.iter().map(|chunk| KeyHash::from_be_bytes(*chunk)).collect();
        rest.is_empty().then_some(Self { hashes })
    }
}

/// A row that broke a rule of quality.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The rule's name.
    pub rule: Arc<str>,
    /// The column, where one is at fault.
    pub column: Option<String>,
    /// Why, for people; never the value.
    pub reason: String,
}

/// What is known of a table once all its parts were seen: rows to take out of later passes.
#[derive(Debug, Clone, Default)]
pub struct Screen {
    duplicates: BTreeMap<Place, Place>,
    missing: BTreeMap<usize, ReferenceSet>,
    broken: BTreeMap<Place, Broken>,
}

impl Screen {
    /// Makes a screen of duplicates ([`KeySet::duplicates`]).
    pub fn new(duplicates: BTreeMap<(u64, u64), (u64, u64)>) -> Self {
        Self { duplicates, ..Self::default() }
    }

    /// Adds the references of a column that lead nowhere ([`ReferenceSet::missing`]).
    #[must_use]
    pub fn references(mut self, column: usize, missing: ReferenceSet) -> Self {
        if missing.count() > 0 {
            self.missing.insert(column, missing);
        }
        self
    }

    /// Adds rows that broke rules of quality, by the place of their file and their line.
    #[must_use]
    pub fn broken(mut self, broken: BTreeMap<(u64, u64), Broken>) -> Self {
        self.broken.extend(broken);
        self
    }

    /// Returns whether it takes nothing out.
    pub fn is_empty(&self) -> bool {
        self.duplicates.is_empty() && self.missing.is_empty() && self.broken.is_empty()
    }

    /// Takes the bad rows out of a batch; `file` is the place that [`KeySet::gather`] was given.
    pub fn apply(
        &self,
        file: u64,
        batch: ConformedBatch,
    ) -> Result<(ConformedBatch, Vec<Reject>), ArrowError> {
        if self.is_empty() {
            return Ok((batch, Vec::new()));
        }
        let schema = Arc::clone(batch.schema());
        let mut marks = vec![true; batch.lines().len()];
        let mut rejects = Vec::new();
        let reject = |line: u64, column: Option<String>, rule: Rule, reason: String| Reject {
            file: Arc::clone(batch.file()),
            line,
            column,
            rule,
            reason,
        };
        for (mark, &line) in marks.iter_mut().zip(batch.lines()) {
            if let Some(&(first_file, first_line)) = self.duplicates.get(&(file, line)) {
                *mark = false;
                let column = match schema.key.as_slice() {
                    [only] => Some(only.clone()),
                    _ => None,
                };
                let place = if first_file == file { "this file" } else { "an earlier file" };
                let reason = format!("the key of line {first_line} of {place}");
                rejects.push(reject(line, column, Rule::KeyDuplicate, reason));
            }
        }
        for (&column, missing) in &self.missing {
            let name = schema.columns.get(column);
            let hashes = hashes(&batch, &[column]);
            for ((mark, hash), &line) in marks.iter_mut().zip(hashes).zip(batch.lines()) {
                if *mark && hash.is_some_and(|hash| missing.hashes.contains(&hash)) {
                    *mark = false;
                    let to = name.and_then(|column| column.references.as_deref());
                    let reason = format!("no row of `{}` has this", to.unwrap_or_default());
                    let name = name.map(|column| column.name.clone());
                    rejects.push(reject(line, name, Rule::ForeignKey, reason));
                }
            }
        }
        for (mark, &line) in marks.iter_mut().zip(batch.lines()) {
            if *mark && let Some(Broken { rule, column, reason }) = self.broken.get(&(file, line)) {
                *mark = false;
                let rule = Rule::Quality(Arc::clone(rule));
                rejects.push(reject(line, column.clone(), rule, reason.clone()));
            }
        }
        rejects.sort_by_key(|reject| reject.line);
        if rejects.is_empty() {
            return Ok((batch, rejects));
        }
        Ok((batch.keep(&marks)?, rejects))
    }
}

/// Checks that every reference among these tables names the one key column of a table, of the same
/// type; a reference to a table that is not among them is left alone.
pub fn check_references(schemas: &[Arc<TableSchema>], texts: &[Arc<str>]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (schema, text) in schemas.iter().zip(texts) {
        for column in &schema.columns {
            let Some((table, name)) =
                column.references.as_deref().and_then(|reference| reference.split_once('.'))
            else {
                continue;
            };
            let Some(other) = schemas.iter().find(|other| other.table == table) else { continue };
            let target = other.column(name).and_then(|at| other.columns.get(at));
            let wrong = match target {
                None => Some(format!("`{table}` declares no column `{name}`")),
                Some(_) if other.key != [name] => {
                    Some(format!("`{name}` is not the key of `{table}`"))
                }
                Some(target) if target.kind != column.kind => {
                    Some(format!("`{table}.{name}` is of type `{}`", target.kind.word()))
                }
                Some(_) => None,
            };
            if let Some(message) = wrong {
                let span = reference_span(text, table, name);
                faults.push(Fault::new(&schema.file, text, span, message));
            }
        }
    }
    faults
}

fn reference_span(text: &str, table: &str, column: &str) -> Range<usize> {
    let wanted = format!("{table}.{column}");
    text.find(&wanted).map_or(0..0, |start| start..start + wanted.len())
}

/// Returns the hash of each row's cells in these columns; a row with a null among them has none.
fn hashes(batch: &ConformedBatch, columns: &[usize]) -> Vec<Option<KeyHash>> {
    let rows = batch.rows().num_rows();
    let start =
        || (FixedState::with_seed(1).build_hasher(), FixedState::with_seed(2).build_hasher());
    let mut hashers: Vec<_> = (0..rows).map(|_| Some(start())).collect();
    for &index in columns {
        let Some(column) = batch.schema().columns.get(index) else { continue };
        let Some(array) = batch.rows().columns().get(index) else { continue };
        let mut push = |row: usize, bytes: Option<&[u8]>| {
            let Some(hasher) = hashers.get_mut(row) else { return };
            match (bytes, hasher.as_mut()) {
                (Some(bytes), Some((low, high))) => {
                    // The length keeps ("ab", "c") and ("a", "bc") apart.
                    low.write_usize(bytes.len());
                    low.write(bytes);
                    high.write_usize(bytes.len());
                    high.write(bytes);
                }
                (None, _) | (_, None) => *hasher = None,
            }
        };
        match column.kind {
            ColumnType::String => {
                for (row, text) in array.as_string::<i32>().iter().enumerate() {
                    push(row, text.map(str::as_bytes));
                }
            }
            ColumnType::Int => {
                for (row, n) in array.as_primitive::<Int64Type>().iter().enumerate() {
                    push(row, n.map(i64::to_le_bytes).as_ref().map(<[u8; 8]>::as_slice));
                }
            }
            ColumnType::Float => {
                for (row, n) in array.as_primitive::<Float64Type>().iter().enumerate() {
                    push(row, n.map(f64::to_le_bytes).as_ref().map(<[u8; 8]>::as_slice));
                }
            }
            ColumnType::Bool => {
                for (row, flag) in array.as_boolean().iter().enumerate() {
                    push(row, flag.map(|flag| [u8::from(flag)]).as_ref().map(<[u8; 1]>::as_slice));
                }
            }
            ColumnType::Date => {
                for (row, n) in array.as_primitive::<Date32Type>().iter().enumerate() {
                    push(row, n.map(i32::to_le_bytes).as_ref().map(<[u8; 4]>::as_slice));
                }
            }
            ColumnType::Timestamp => {
                for (row, n) in array.as_primitive::<TimestampMicrosecondType>().iter().enumerate()
                {
                    push(row, n.map(i64::to_le_bytes).as_ref().map(<[u8; 8]>::as_slice));
                }
            }
        }
    }
    hashers
        .into_iter()
        .map(|hasher| {
            hasher.map(|(low, high)| {
                (KeyHash::from(high.finish()) << 64) | KeyHash::from(low.finish())
            })
        })
        .collect()
}
