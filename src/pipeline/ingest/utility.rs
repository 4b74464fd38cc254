//! What tables were like before de-identification, so that a report can say what is left of them: how
//! each column is spread, and how large the classes of people who look alike are.
//!
//! Comes in: admitted rows, part by part; the sizes of all classes. Goes out: a paper of the version,
//! private. Never: a cell of fewer than k people, or of fewer than eleven, by itself.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    Error,
    part::{Receipt, Work},
};
use crate::{
    deid::risk::Sizes,
    quality::{Cell, Tally},
    schema::{self, KernelSpec, Role, TableSchema},
};

/// What a version's table was like before de-identification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::pipeline) struct Before {
    /// The table.
    pub(in crate::pipeline) table: String,
    /// How many classes there were of each size, before small ones were left out.
    pub(in crate::pipeline) classes: Vec<(u64, u64)>,
    /// Each column that says something of a person, in the order of the schema.
    pub(in crate::pipeline) columns: Vec<Column>,
}

/// How a column was spread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::pipeline) struct Column {
    /// Its name in the source.
    pub(in crate::pipeline) name: String,
    /// Its role.
    pub(in crate::pipeline) role: Role,
    /// Its cells; none where they are too many to be drawn, or name somebody.
    pub(in crate::pipeline) cells: Option<Vec<Cell>>,
}

/// Begins a count of admitted rows.
pub(super) fn tally(work: &Work<'_>) -> Tally {
    Tally::showing_from(u64::from(work.spec.deid.k))
}

/// Counts admitted rows.
pub(super) fn add(tally: &mut Tally, schema: &TableSchema, rows: &RecordBatch) {
    let person = schema.columns.iter().position(|column| column.role == Role::Person);
    let Some(person) = person.and_then(|at| {
        let name = &schema.columns.get(at)?.name;
        rows.schema().index_of(name).ok()
    }) else {
        return;
    };
    let drawn = schema.columns.iter().filter(|column| is_drawn(column));
    tally.add(rows, person, drawn.map(|column| column.name.as_str()));
}

/// Writes down what was counted.
pub(super) fn bytes<'s>(
    work: &Work<'_>,
    receipts: &[Receipt],
    sizes: impl Fn(usize) -> Option<&'s Sizes>,
) -> Result<Bytes, Error> {
    let mut spreads: BTreeMap<usize, Tally> = BTreeMap::new();
    for receipt in receipts {
        if let Some((source, _)) = work.of(receipt.task) {
            let all = spreads.entry(source.schema).or_insert_with(|| tally(work));
            all.merge(receipt.spread.clone());
        }
    }
    let mut tables = Vec::new();
    for (at, spread) in spreads {
        let Some(schema) = work.spec.schemas.get(at) else { continue };
        let columns = schema.columns.iter().map(|column| Column {
            name: column.name.clone(),
            role: column.role,
            cells: if is_drawn(column) { spread.cells(&column.name) } else { None },
        });
        tables.push(Before {
            table: schema.table.clone(),
            classes: sizes(at).map(|sizes| sizes.iter().collect()).unwrap_or_default(),
            columns: columns.collect(),
        });
    }
    tables.sort_by(|a, b| a.table.cmp(&b.table));
    Ok(Bytes::from(serde_json::to_vec_pretty(&tables)?))
}

/// Whether a column's values may be shown where enough people share them: not what names somebody, and
/// not free text.
fn is_drawn(column: &schema::Column) -> bool {
    let is_text = matches!(column.deid, Some(KernelSpec::Scrub(_) | KernelSpec::Drop {}));
    match column.role {
        Role::Quasi | Role::Measure | Role::Sensitive => !is_text,
        Role::Person | Role::Direct | Role::Drop => false,
    }
}
