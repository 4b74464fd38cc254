//! What a search chose for a version's tables, held against their rows and against the book.
//!
//! Comes in: a version's choices, the released rows. Goes out: findings. Never: trust in a choice; that
//! its columns are quasi-identifiers, its levels are levels, and each class has the distinct sensitive
//! values that it speaks of is seen in the table itself.

use std::collections::{BTreeMap, BTreeSet};

use arrow::{
    array::{ArrayRef, RecordBatch},
    row::{RowConverter, SortField},
};
use serde_json::{Map, Value, json};

use super::{
    Audit, Check,
    released::{known_columns, quasi},
};
use crate::{
    digest::canonical_digest,
    lake::{TableVersion, Version},
    schema::Role,
};

/// The member `deid` of a version's entry.
pub(super) fn said(version: &Version) -> Option<Value> {
    let choices = version.tables.iter().filter_map(|table| {
        let choice = json!(table.choice.as_ref()?);
        let digest = canonical_digest(&choice).ok()?;
        Some((table.table.clone(), json!({"choice": choice, "digest": digest})))
    });
    let choices: Map<String, Value> = choices.collect();
    (!choices.is_empty()).then_some(Value::Object(choices))
}

/// The sensitive values of each class of one table.
pub(super) struct Generalised {
    quasi: Vec<(String, bool)>,
    /// The sensitive columns that a model speaks of, each with the least number of distinct values.
    asked: Vec<(String, usize)>,
    values: BTreeMap<Vec<u8>, Vec<BTreeSet<Vec<u8>>>>,
}

impl Generalised {
    pub(super) fn of(table: &TableVersion) -> Self {
        let choice = table.choice.as_ref().map_or(Value::Null, |choice| json!(choice));
        let models = choice.get("models").and_then(Value::as_array).cloned().unwrap_or_default();
        // The entropy and recursive models want as many distinct values at the least.
        let asked = models.iter().filter_map(|model| {
            let least = usize::try_from(model.get("l")?.as_u64()?).ok()?;
            Some((model.get("sensitive")?.as_str()?.to_owned(), least))
        });
        Self { quasi: quasi(table), asked: asked.collect(), values: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, batch: &RecordBatch) -> Option<()> {
        if self.asked.is_empty() {
            return Some(());
        }
        let quasi = rows(&known_columns(&self.quasi, batch)?)?;
        let values = |(name, _): &(String, usize)| rows(&[batch.column_by_name(name).cloned()?]);
        let sensitive: Vec<Vec<Vec<u8>>> = self.asked.iter().map(values).collect::<Option<_>>()?;
        for (row, class) in quasi.into_iter().enumerate() {
            let own = self.values.entry(class);
            let own = own.or_insert_with(|| vec![BTreeSet::new(); sensitive.len()]);
            for (values, column) in own.iter_mut().zip(&sensitive) {
                values.extend(column.get(row).cloned());
            }
        }
        Some(())
    }

    pub(super) fn judge(&self, audit: &mut Audit, version: &Version, table: &TableVersion) {
        let Some(choice) = &table.choice else { return };
        let name = format!("lake/{}@{}/{}", version.dataset, version.version, table.table);
        for chosen in &choice.columns {
            let own = table.columns.iter().find(|column| column.name == chosen.column);
            let good = own.is_some_and(|column| column.role == Role::Quasi);
            let fault = "what was generalised is no quasi-identifier of it";
            audit.check(Check::Classes, &name, good, fault);
            let good = chosen.level < chosen.height;
            audit.check(Check::Classes, &name, good, "a level is chosen that there is not");
        }
        let good = choice.k >= version.k;
        audit.check(Check::Classes, &name, good, "its levels were searched for with a smaller k");
        for values in self.values.values() {
            for (found, (_, least)) in values.iter().zip(&self.asked) {
                let good = found.len() >= *least;
                let fault = "a class holds fewer sensitive values than its model asks";
                audit.check(Check::Classes, &name, good, fault);
            }
        }
    }
}

/// The bytes of each row of some columns, the same for equal ones.
fn rows(columns: &[ArrayRef]) -> Option<Vec<Vec<u8>>> {
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone()));
    let converter = RowConverter::new(fields.collect()).ok()?;
    let rows = converter.convert_columns(columns).ok()?;
    Some(rows.iter().map(|row| row.as_ref().to_vec()).collect())
}
