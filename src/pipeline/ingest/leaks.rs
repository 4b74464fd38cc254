//! The plan of de-identification, and its refusals turned into faults of the schema's file.

use std::{collections::BTreeMap, sync::Arc};

use super::Error;
use crate::{
    deid::{
        self, Profile,
        detect::{Finding, Pattern, Weight},
    },
    fault::Fault,
    pipeline::spec::Spec,
    report::DoubtLine,
    schema::TableSchema,
};

/// Plans de-identification, or says which column would leave bare, and where that is written.
pub(super) fn plan(spec: &Spec, settings: &deid::Settings) -> Result<deid::Plan, Error> {
    deid::Plan::read(&spec.schemas, settings).map_err(|found| Error::Leak {
        pipeline: spec.name.clone(),
        faults: found.into_iter().map(|fault| placed(spec, &fault)).collect(),
    })
}

/// Refuses rows whose bare columns look like identifiers, for a name betrays less than values do;
/// returns the doubts about the others.
pub(super) fn values(
    spec: &Spec,
    schema: &TableSchema,
    found: Vec<Finding>,
) -> Result<Vec<Finding>, Error> {
    let (leaks, doubts): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|finding| finding.weight == Weight::Leak);
    if leaks.is_empty() {
        return Ok(doubts);
    }
    let faults = leaks.into_iter().map(|finding| {
        let (paragraph, hint) = match spec.deid.profile {
            Profile::Expert => (
                String::new(),
                "give it role \"direct\", or say why it may stay: deid = { kernel = \"keep\", \
                 allow = \"…\" }",
            ),
            Profile::SafeHarbor => (
                format!(", 45 CFR 164.514(b)(2)(i)({})", finding.what.letter()),
                "give it role \"direct\", which takes it out, or use profile = \"expert\"",
            ),
        };
        column(schema, &finding.column, format!("{finding}{paragraph}")).hint(hint)
    });
    Err(Error::Leak { pipeline: spec.name.clone(), faults: faults.collect() })
}

/// Says every doubt about the columns of a run: of names from the plan, of values from its parts.
pub(super) fn doubts<'r>(
    plan: &deid::Plan,
    parts: impl Iterator<Item = (&'r str, &'r [Finding])>,
) -> Vec<DoubtLine> {
    let names = plan.doubts().into_iter().map(|doubt| DoubtLine {
        table: doubt.table.unwrap_or_default(),
        column: doubt.column.unwrap_or_default(),
        said: format!("{}: {}", doubt.message, doubt.hint),
    });
    let mut sums: BTreeMap<(&str, &str, Pattern), (u64, u64)> = BTreeMap::new();
    for (table, findings) in parts {
        for finding in findings {
            let (hits, of) = sums.entry((table, &finding.column, finding.what)).or_default();
            *hits += finding.hits;
            *of += finding.of;
        }
    }
    let values = sums.into_iter().map(|((table, column, what), (hits, of))| DoubtLine {
        table: table.to_owned(),
        column: column.to_owned(),
        said: format!("looks like {} in {hits} of {of} sampled cells", what.words()),
    });
    names.chain(values).collect()
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
