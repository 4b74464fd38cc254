//! What the searches of a pipeline would choose, in the keys of [`super::Found`].
//!
//! Comes in: a pipeline and its inputs. Goes out: [`Chosen`], a table each. Never: anything written.

use std::path::Path;

use serde::Serialize;

use crate::{
    pipeline::{
        Progress,
        ingest::{self, Choice},
        spec::Spec,
    },
    site::Site,
};

/// What the search of one table would choose.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chosen {
    /// The table.
    pub table: String,
    /// The generalised columns, in the order of the table.
    pub columns: Vec<String>,
    /// The level of each.
    pub levels: Vec<u64>,
    /// The highest level of each.
    pub levels_most: Vec<u64>,
    /// What is lost, on the metric's scale.
    pub score: f64,
    /// Records that are suppressed.
    pub suppressed_rows: u64,
    /// Records among them that are told by coarser levels of their own instead.
    pub recoded_rows: u64,
    /// Classes that stay.
    pub classes: u64,
    /// Records in the smallest of them.
    pub smallest_class: u64,
    /// Nodes whose classes were counted.
    pub nodes_checked: u64,
    /// Nodes of the lattice.
    pub lattice: u64,
    /// Records; a person's rows of one tuple are one.
    pub rows: u64,
    /// What was to be lost least.
    pub metric: String,
    /// The models.
    pub models: Vec<String>,
    /// Whether no node loses less.
    pub optimal: bool,
    /// How much less a node might lose, on the metric's scale.
    pub gap: f64,
}

/// Runs a pipeline as far as its searches; nothing is written.
pub fn of_pipeline(
    site: &Site,
    spec: &Spec,
    input: &Path,
    progress: &dyn Progress,
) -> Result<Vec<Chosen>, ingest::Error> {
    let choices = ingest::search(site, spec, input, progress)?;
    Ok(choices.into_iter().map(|(table, choice)| Chosen::of(table, &choice)).collect())
}

impl Chosen {
    fn of(table: String, choice: &Choice) -> Self {
        // INVARIANT: a choice's decimals are written of numbers.
        let number = |text: &str| text.parse().unwrap_or(f64::NAN);
        let score = number(&choice.score);
        Self {
            table,
            columns: choice.columns.iter().map(|one| one.column.clone()).collect(),
            levels: choice.columns.iter().map(|one| one.level).collect(),
            levels_most: choice.columns.iter().map(|one| one.height.saturating_sub(1)).collect(),
            score,
            suppressed_rows: choice.suppressed,
            recoded_rows: choice.recoded,
            classes: choice.classes,
            smallest_class: choice.smallest,
            nodes_checked: choice.checked,
            lattice: choice.lattice,
            rows: choice.records,
            metric: choice.metric.clone(),
            models: choice.models_said(),
            optimal: choice.bound.is_none(),
            gap: choice.bound.as_deref().map_or(0.0, |bound| score - number(bound)),
        }
    }
}
