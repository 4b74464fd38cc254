//! Runs a table's plan on rows.
//!
//! Comes in: `consent::AdmittedBatch`. Goes out: [`DeidentifiedBatch`]: `person` and the kept columns,
//! for each row its person's place in the roster and its class of quasi-identifiers.
//! Never: a dropped column, an original id, or a column that the plan has no decision for.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    buffer::{Buffer, OffsetBuffer},
};

use super::{
    Error, TablePlan,
    classes::{ClassCodes, class_codes},
    people::People,
};
use crate::consent::AdmittedBatch;

/// De-identified rows whose classes have not been counted yet.
///
/// INVARIANT: only [`apply`] and `stage::read` of what was applied make one.
#[derive(Debug, Clone)]
pub struct DeidentifiedBatch {
    pub(super) table: Arc<str>,
    pub(super) rows: RecordBatch,
    pub(super) people: Vec<u32>,
    /// `None` where the table has no quasi-identifiers.
    pub(super) classes: Option<ClassCodes>,
}

impl DeidentifiedBatch {
    /// Returns the table's name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Returns how many rows it has.
    pub fn row_count(&self) -> usize {
        self.rows.num_rows()
    }

    /// Returns, for each row, its person's place in the roster.
    pub fn people(&self) -> &[u32] {
        &self.people
    }
}

/// De-identifies admitted rows by their table's plan.
#[expect(clippy::needless_pass_by_value, reason = "what was de-identified is not to be used again")]
pub fn apply(
    plan: &TablePlan,
    people: &People,
    batch: AdmittedBatch,
) -> Result<DeidentifiedBatch, Error> {
    let schema = batch.schema();
    if schema.table != plan.table() {
        return Err(Error::Table { planned: plan.table().to_owned(), found: schema.table.clone() });
    }
    if !Arc::ptr_eq(schema, plan.schema()) && schema != plan.schema() {
        return Err(Error::Schema { table: plan.table().to_owned() });
    }
    apply_rows(plan, people, batch.rows(), batch.people())
}

pub(super) fn apply_rows(
    plan: &TablePlan,
    people: &People,
    rows: &RecordBatch,
    persons: &[u32],
) -> Result<DeidentifiedBatch, Error> {
    let table = plan.table();
    let arrow = |doing| move |source| Error::Arrow { table: table.to_owned(), doing, source };
    if persons.len() != rows.num_rows() {
        return Err(Error::Person { table: table.to_owned(), row: persons.len() });
    }
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(1 + plan.steps().len());
    columns.push(Arc::new(person_column(plan, people, persons)?));
    for step in plan.steps() {
        let missing = || Error::Column { column: step.source.clone(), found: "nothing".to_owned() };
        let values = rows.columns().get(step.input).ok_or_else(missing)?;
        columns.push(step.kernel.run(&step.source, values, persons, people)?);
    }
    let classes = class_codes(plan, &columns).map_err(arrow("put into classes"))?;
    let rows = RecordBatch::try_new(Arc::clone(plan.output()), columns).map_err(arrow("built"))?;
    Ok(DeidentifiedBatch { table: Arc::from(table), rows, people: persons.to_vec(), classes })
}

/// Copies each row's 32 digits into one buffer: no hash and no allocation a row.
fn person_column(plan: &TablePlan, people: &People, persons: &[u32]) -> Result<StringArray, Error> {
    let mut digits = Vec::with_capacity(persons.len() * 32);
    for (row, person) in persons.iter().enumerate() {
        let Some(pseudonym) = people.digits(*person) else {
            return Err(Error::Person { table: plan.table().to_owned(), row });
        };
        digits.extend_from_slice(pseudonym.as_bytes());
    }
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(32, persons.len()));
    StringArray::try_new(offsets, Buffer::from_vec(digits), None).map_err(|source| Error::Arrow {
        table: plan.table().to_owned(),
        doing: "built",
        source,
    })
}
