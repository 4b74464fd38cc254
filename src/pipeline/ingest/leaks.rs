//! The plan of de-identification, and its refusals turned into faults of the schema's file.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::Error;
use crate::{deid, fault::Fault, pipeline::spec::Spec, schema::TableSchema};

/// Plans de-identification, or says which column would leave bare, and where that is written.
pub(super) fn plan(spec: &Spec, settings: &deid::Settings) -> Result<deid::Plan, Error> {
    deid::Plan::read(&spec.schemas, settings).map_err(|found| Error::Leak {
        pipeline: spec.name.clone(),
        faults: found.into_iter().map(|fault| placed(spec, &fault)).collect(),
    })
}

/// Rows of a file that are looked at for identifiers.
const SAMPLE_ROWS: usize = 1_000;

/// Refuses rows whose bare columns look like identifiers: a name betrays less than values do.
pub(super) fn values(
    spec: &Spec,
    schema: &TableSchema,
    table: &deid::TablePlan,
    rows: &RecordBatch,
) -> Result<(), Error> {
    let found = deid::detect::detect(table, &rows.slice(0, rows.num_rows().min(SAMPLE_ROWS)));
    if found.is_empty() {
        return Ok(());
    }
    let faults = found.into_iter().map(|finding| {
        column(schema, &finding.column, finding.to_string()).hint(
            "give it role \"direct\", or say why it may stay: deid = { kernel = \"keep\", allow = \"…\" }",
        )
    });
    Err(Error::Leak { pipeline: spec.name.clone(), faults: faults.collect() })
}

fn placed(spec: &Spec, fault: &deid::PlanFault) -> Fault {
    let schema = spec.schemas.iter().find(|schema| Some(&schema.table) == fault.table.as_ref());
    let Some(schema) = schema else {
        return spec.fault(fault.message.clone()).hint(fault.hint.clone());
    };
    let name = fault.column.as_deref().unwrap_or_default();
    column(schema, name, fault.message.clone()).hint(fault.hint.clone())
}

/// Makes a fault at a column, found again by its name as the schema's file writes it.
fn column(schema: &TableSchema, name: &str, message: String) -> Fault {
    let text: Arc<str> = std::fs::read_to_string(&schema.file).unwrap_or_default().into();
    let quoted = format!("\"{name}\"");
    let found = text.find(&quoted).map(|at| at..at + quoted.len());
    Fault::new(&schema.file, &text, found.unwrap_or(0..0), message)
}
