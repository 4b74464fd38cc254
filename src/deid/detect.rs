//! Looks at sampled values for identifiers that a column's name and role did not betray.
//!
//! Comes in: a plan and conformed rows of its table. Goes out: [`Finding`]s.
//! Never: a value in a finding; it says how many of how many cells looked like what.

mod patterns;

use std::collections::{BTreeMap, BTreeSet};

use arrow::{
    array::{ArrayRef, AsArray as _, RecordBatch},
    datatypes::{Float64Type, Int64Type},
};
use serde::{Deserialize, Serialize};

pub use self::patterns::Pattern;
use super::{
    TablePlan,
    plan::{Look, Step},
};
use crate::schema::Role;

/// So many cells of a column are looked at, empty ones left out.
pub const CELLS_MAX: u64 = 1_000;

/// What a finding asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// An identifier would leave: the run stops.
    Leak,
    /// The column's role looks wrong: somebody should look.
    Doubt,
}

/// A column whose values look like identifiers, and whose role says something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The column's name in the source.
    pub column: String,
    /// Its role.
    pub role: Role,
    /// What its values look like.
    pub what: Pattern,
    /// What it asks for.
    pub weight: Weight,
    /// How many of the sampled cells do.
    pub hits: u64,
    /// How many cells were sampled, empty ones left out.
    pub of: u64,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { column, what, hits, of, .. } = self;
        write!(f, "column `{column}` looks like {} in {hits} of {of} sampled rows", what.words())
    }
}

/// The first cells of each released column of a table, counted by what they look like.
#[derive(Debug)]
pub struct Sample<'p> {
    plan: &'p TablePlan,
    columns: Vec<Seen>,
}

/// What was seen of one column.
#[derive(Debug, Default)]
struct Seen {
    of: u64,
    hits: BTreeMap<Pattern, u64>,
    /// Codes that may be given to one row each; dropped with the sample.
    codes: BTreeSet<String>,
    /// The least and greatest of what could be degrees.
    degrees: Option<(f64, f64)>,
}

impl<'p> Sample<'p> {
    /// Begins a sample.
    pub fn new(plan: &'p TablePlan) -> Self {
        Self { plan, columns: plan.steps().iter().map(|_| Seen::default()).collect() }
    }

    /// Looks at conformed rows, in the schema's order, where a column's sample is not full yet.
    pub fn add(&mut self, rows: &RecordBatch) {
        for (step, seen) in self.plan.steps().iter().zip(&mut self.columns) {
            if step.look != Look::Hidden
                && seen.of < CELLS_MAX
                && let Some(values) = rows.columns().get(step.input)
            {
                seen.add(step, values);
            }
        }
    }

    /// Returns what was found.
    pub fn findings(&self) -> Vec<Finding> {
        let columns = self.plan.steps().iter().zip(&self.columns);
        columns.flat_map(|(step, seen)| seen.findings(step)).collect()
    }
}

impl Seen {
    fn add(&mut self, step: &Step, values: &ArrayRef) {
        let left = usize::try_from(CELLS_MAX - self.of).unwrap_or(0);
        if let Some(texts) = values.as_string_opt::<i32>() {
            for text in texts.iter().flatten().take(left) {
                if !step.is_coded && patterns::is_code(text) {
                    self.codes.insert(text.to_owned());
                }
                // Codes are digits too: where a vocabulary is declared, bare digits prove nothing.
                self.look(text, |pattern| step.is_coded && pattern.is_bare_digits());
            }
        } else if let Some(numbers) = values.as_primitive_opt::<Int64Type>() {
            for number in numbers.iter().flatten().take(left) {
                // A number of five digits is an amount more often than a ZIP code.
                self.look(&number.to_string(), |pattern| {
                    pattern == Pattern::Zip || (step.is_coded && pattern.is_bare_digits())
                });
            }
        } else if let Some(numbers) = values.as_primitive_opt::<Float64Type>() {
            for number in numbers.iter().flatten().take(left) {
                self.of += 1;
                if patterns::is_degrees(number) {
                    *self.hits.entry(Pattern::Point).or_default() += 1;
                    let (low, high) = self.degrees.unwrap_or((number, number));
                    self.degrees = Some((low.min(number), high.max(number)));
                }
            }
        }
    }

    fn look(&mut self, text: &str, proves_nothing: impl Fn(Pattern) -> bool) {
        self.of += 1;
        for pattern in patterns::of(text).filter(|pattern| !proves_nothing(*pattern)) {
            *self.hits.entry(pattern).or_default() += 1;
        }
    }

    fn findings(&self, step: &Step) -> Vec<Finding> {
        let unique = (Pattern::Unique, u64::try_from(self.codes.len()).unwrap_or(0));
        let hits = self.hits.iter().map(|(pattern, hits)| (*pattern, *hits)).chain([unique]);
        // Places of one region lie within a few degrees; measures do not keep so close together.
        let is_wide = self.degrees.is_some_and(|(low, high)| high - low > REGION_DEGREES);
        let found = hits.filter(|(what, hits)| {
            what.is_alarm(*hits, self.of) && !(*what == Pattern::Point && is_wide)
        });
        let weight = |what| match (step.look, what, self.degrees) {
            // A number with many decimals may be a measure after all.
            (Look::Bare, Pattern::Point, Some(_)) | (Look::Bare, Pattern::Unique, _) => {
                Weight::Doubt
            }
            (Look::Bare, _, _) => Weight::Leak,
            (Look::Allowed | Look::Hidden, _, _) => Weight::Doubt,
        };
        let finding = |(what, hits)| Finding {
            column: step.source.clone(),
            role: step.role,
            what,
            weight: weight(what),
            hits,
            of: self.of,
        };
        found.map(finding).collect()
    }
}

/// How far apart the places of one column may lie, in degrees.
const REGION_DEGREES: f64 = 15.0;
