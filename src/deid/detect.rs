//! Looks at sampled values for identifiers that a column's name did not betray.
//!
//! Comes in: a plan and the first conformed rows of its table. Goes out: [`Finding`]s.
//! Never: a value in a finding; it says how many of how many rows looked like what.

mod patterns;

use std::collections::BTreeMap;

use arrow::{
    array::{AsArray as _, RecordBatch},
    datatypes::Int64Type,
};
use serde::{Deserialize, Serialize};

pub use self::patterns::Pattern;
use super::TablePlan;

/// A column that would leave bare and whose values look like identifiers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The column's name in the source.
    pub column: String,
    /// What its values look like.
    pub what: Pattern,
    /// How many of the sampled cells do.
    pub hits: u64,
    /// How many cells were sampled, empty ones left out.
    pub of: u64,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { column, what, hits, of } = self;
        write!(f, "column `{column}` looks like {} in {hits} of {of} sampled rows", what.words())
    }
}

/// Looks at the columns that `plan` releases bare and that nobody allowed in writing.
///
/// `rows` are conformed rows in the schema's order, or any part of them.
pub fn detect(plan: &TablePlan, rows: &RecordBatch) -> Vec<Finding> {
    let mut out = Vec::new();
    for step in plan.steps().iter().filter(|step| step.is_bare) {
        let Some(values) = rows.columns().get(step.input) else { continue };
        let mut of = 0;
        let mut hits = BTreeMap::<Pattern, u64>::new();
        let mut look = |text: &str| {
            of += 1;
            for pattern in patterns::of(text) {
                // Codes are digits too: where a vocabulary is declared, bare digits prove nothing.
                if !(step.is_coded && pattern.is_bare_digits()) {
                    *hits.entry(pattern).or_default() += 1;
                }
            }
        };
        if let Some(texts) = values.as_string_opt::<i32>() {
            texts.iter().flatten().for_each(&mut look);
        } else if let Some(numbers) = values.as_primitive_opt::<Int64Type>() {
            numbers.iter().flatten().for_each(|number| look(&number.to_string()));
        } else {
            continue;
        }
        let found = hits.into_iter().filter(|(pattern, hits)| pattern.is_alarm(*hits, of));
        out.extend(found.map(|(what, hits)| Finding {
            column: step.source.clone(),
            what,
            hits,
            of,
        }));
    }
    out
}
