//! Rows of a conformed table to sightings: those that have a code of a policy's trigger.
//!
//! Comes in: a batch, and who is enrolled. Goes out: [`Sighting`]s of enrolled people, and counts of
//! the rest. Never: a number that went through anything but its shortest decimal text.

use std::collections::BTreeMap;

use arrow::{
    array::{Array, AsArray as _, RecordBatch},
    datatypes::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType},
};
use chrono::{DateTime, TimeDelta};

use super::Error;
use crate::{
    cover::{Policy, Reason, RowId, Sighting, Trigger},
    digest::canonical_digest,
    instant::Date,
    party::{ContributorId, InstitutionId},
    schema::{ConformedBatch, TableSchema},
};

/// What was found in rows.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Rows of people who are enrolled.
    pub(super) sightings: Vec<Sighting>,
    /// Rows with a code of the policy whose person is unknown or not enrolled.
    pub(super) others: BTreeMap<&'static str, u64>,
}

/// Who a row is of, and whether they are enrolled.
pub(super) type Whose<'a> =
    &'a (dyn Fn(&InstitutionId, &str) -> Result<ContributorId, Reason> + Sync);

/// Finds what a policy looks at in a batch.
pub(super) fn find(
    policy: &Policy,
    institution: &InstitutionId,
    batch: &ConformedBatch,
    whose: Whose<'_>,
    found: &mut Found,
) -> Result<(), Error> {
    let schema = batch.schema();
    let Some(person) = schema.person().and_then(|at| schema.columns.get(at)) else {
        return Ok(());
    };
    for (at, trigger) in policy.triggers.iter().enumerate() {
        if trigger.table != schema.table {
            continue;
        }
        let rows = Rows { trigger, schema, batch: batch.rows() };
        let mut said: Option<(String, Result<ContributorId, Reason>)> = None;
        for row in 0..batch.rows().num_rows() {
            if !rows.has_code(row) {
                continue;
            }
            let local = rows.text(&person.name, row).unwrap_or_default();
            if said.as_ref().is_none_or(|(last, _)| *last != local) {
                let own = whose(institution, &local);
                said = Some((local, own));
            }
            match &said {
                Some((_, Ok(contributor))) => {
                    found.sightings.extend(rows.sighting(at, row, institution, contributor)?);
                }
                Some((_, Err(reason))) => {
                    let count = found.others.entry(reason.as_str()).or_default();
                    *count = count.saturating_add(1);
                }
                None => {}
            }
        }
    }
    Ok(())
}

struct Rows<'a> {
    trigger: &'a Trigger,
    schema: &'a TableSchema,
    batch: &'a RecordBatch,
}

impl Rows<'_> {
    fn has_code(&self, row: usize) -> bool {
        let test = &self.trigger.code;
        let Some(code) = self.text(&test.column, row) else { return false };
        let mut named = test.any.iter().filter(|own| own.code() == code).peekable();
        if named.peek().is_none() {
            return false;
        }
        let system = if let Some(column) = &test.system {
            self.text(column, row)
        } else {
            let column = self.schema.column(&test.column);
            column.and_then(|at| self.schema.columns.get(at)?.code_system.clone())
        };
        system.is_some_and(|system| named.any(|own| own.system() == system))
    }

    /// Returns what a row shows; none where it has no id by which it would be known again.
    fn sighting(
        &self,
        trigger: usize,
        row: usize,
        institution: &InstitutionId,
        contributor: &ContributorId,
    ) -> Result<Option<Sighting>, Error> {
        let test = self.trigger;
        let Some(id) = self.text(&test.id, row) else { return Ok(None) };
        let mut columns = vec![test.id.as_str(), &test.day, &test.code.column];
        columns.extend(test.code.system.as_deref());
        let of_value = test.value.iter();
        columns.extend(of_value.flat_map(|own| [own.column.as_str(), own.unit_column.as_str()]));
        columns.extend(test.status.iter().map(|own| own.column.as_str()));
        let cells: BTreeMap<&str, Option<String>> =
            columns.into_iter().map(|column| (column, self.text(column, row))).collect();
        let cell = |column: &str| cells.get(column).cloned().flatten();
        let evidence = canonical_digest(&serde_json::json!({
            "institution": institution,
            "table": test.table,
            "row": cells,
        }))?;
        Ok(Some(Sighting {
            row: RowId { institution: institution.clone(), table: test.table.clone(), id },
            trigger,
            contributor: contributor.clone(),
            category: self.schema.category.clone(),
            day: self.day(&test.day, row),
            status: test.status.as_ref().and_then(|own| cell(&own.column)),
            value: test.value.as_ref().and_then(|own| cell(&own.column)),
            unit: test.value.as_ref().and_then(|own| cell(&own.unit_column)),
            evidence,
        }))
    }

    fn column(&self, name: &str, row: usize) -> Option<&dyn Array> {
        let column = self.batch.column(self.schema.column(name)?);
        column.is_valid(row).then(|| column.as_ref())
    }

    /// Returns a cell's text: of a number its shortest decimal, which is the one that was sent as long
    /// as that had at most 15 digits.
    fn text(&self, name: &str, row: usize) -> Option<String> {
        let column = self.column(name, row)?;
        if let Some(texts) = column.as_string_opt::<i32>() {
            return Some(texts.value(row).to_owned());
        }
        if let Some(numbers) = column.as_primitive_opt::<Float64Type>() {
            return Some(numbers.value(row).to_string());
        }
        if let Some(numbers) = column.as_primitive_opt::<Int64Type>() {
            return Some(numbers.value(row).to_string());
        }
        if let Some(flags) = column.as_boolean_opt() {
            return Some(flags.value(row).to_string());
        }
        if let Some(times) = column.as_primitive_opt::<TimestampMicrosecondType>() {
            return DateTime::from_timestamp_micros(times.value(row)).map(|time| time.to_rfc3339());
        }
        self.day(name, row).map(|day| day.to_string())
    }

    fn day(&self, name: &str, row: usize) -> Option<Date> {
        let column = self.column(name, row)?;
        if let Some(days) = column.as_primitive_opt::<Date32Type>() {
            return Date::default().checked_add_signed(TimeDelta::days(days.value(row).into()));
        }
        if let Some(times) = column.as_primitive_opt::<TimestampMicrosecondType>() {
            return Some(DateTime::from_timestamp_micros(times.value(row))?.date_naive());
        }
        column.as_string_opt::<i32>()?.value(row).get(..10)?.parse().ok()
    }
}
