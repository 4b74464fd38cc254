//! Late steps: what is done to a column once the rows of all parts are known.
//!
//! Comes in: the staged rows of a table, in order. Goes out: [`Settled`], which makes of each staged
//! batch the one that is staged again, and the [`Choice`] of the search. Never: a row more or less, a
//! row moved, or a label that the searched levels do not have.
//!
//! ```text
//! part:   AdmittedBatch -apply-> DeidentifiedBatch (late columns bare) -stage::Writer-> vault
//! close:  vault -stage::read-> Whole -settle-> mask (whole columns) -> search -> Settled
//!         vault -stage::read-> Settled::remake -> classes anew -stage::Writer-> vault
//! ```
//!
//! A late step's staged column has the type in which it is released.

mod choice;
mod find;
mod ladder;
mod records;
mod whole;

use std::{collections::BTreeMap, sync::Arc};

use arrow::array::{Array as _, ArrayRef, RecordBatch};

pub(super) use self::ladder::{Ladder, rule};
pub use self::{
    choice::{Choice, Chosen},
    whole::{Gatherer, Whole},
};
use super::{
    DeidentifiedBatch, Error, Settings, TablePlan,
    classes::{HELD, class_codes},
    hierarchy::RuleError,
    kernel::Kernel,
    mask::{Mask, Masked},
    people::People,
    plan::Step,
    search::{self, Missing, TableError},
};

/// What a late step does to its column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Late {
    /// Generalises it to the level that the search finds.
    Hierarchy(Ladder),
    /// Masks it as a whole, before the search.
    Mask(Mask),
}

impl Late {
    /// Returns the hierarchy, where it has one.
    fn ladder(&self) -> Option<&Ladder> {
        match self {
            Self::Hierarchy(ladder) => Some(ladder),
            Self::Mask(_) => None,
        }
    }

    /// Returns the mask of the whole column, where it is one.
    fn mask(&self) -> Option<&Mask> {
        match self {
            Self::Hierarchy(_) => None,
            Self::Mask(mask) => Some(mask),
        }
    }
}

impl Step {
    /// Returns what it waits with for the rows of all parts, where it waits.
    pub(super) fn late(&self) -> Option<&Late> {
        if let Kernel::Late(late) = &self.kernel { Some(late) } else { None }
    }
}

impl TablePlan {
    /// Whether something of it waits for the rows of all parts.
    pub fn is_late(&self) -> bool {
        self.is_searched() || self.steps().iter().any(|step| matches!(step.kernel, Kernel::Late(_)))
    }

    /// Whether a search finds the levels of its columns, or the rows that break a model.
    pub fn is_searched(&self) -> bool {
        let has_hierarchy = |step: &Step| step.late().and_then(Late::ladder).is_some();
        !self.asked().is_empty() || self.steps().iter().any(has_hierarchy)
    }
}

/// Why late steps cannot be settled.
#[derive(Debug, thiserror::Error)]
pub enum LateError {
    /// A column that the search cannot read.
    #[error("column `{column}` is nothing that can be searched")]
    Column {
        /// The column.
        column: String,
    },
    /// A hierarchy that has no level which may be shown.
    #[error("the hierarchy of column `{column}` has {height} levels, and none that may be shown")]
    Least {
        /// The column.
        column: String,
        /// How many it has, level 0 counted.
        height: usize,
    },
    /// A hierarchy cannot be built.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// A hierarchy does not know all values.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// The columns are no table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// No node was found.
    #[error(transparent)]
    Search(#[from] search::Error),
}

/// A table whose late steps are settled.
#[derive(Debug)]
pub struct Settled {
    /// By the place of the step in the plan: its column as released, all rows of all parts.
    columns: BTreeMap<usize, ArrayRef>,
    /// Rows that a model of privacy lets nobody see.
    held: Option<Vec<bool>>,
    choice: Option<Choice>,
    masked: Vec<Masked>,
}

/// Settles the late steps of a table. `go_on` is asked while a search of many nodes goes on; once it
/// says no, the best node that was found is taken.
pub fn settle(
    plan: &TablePlan,
    settings: &Settings,
    people: &People,
    mut whole: Whole,
    go_on: &(dyn Fn() -> bool + Sync),
) -> Result<Settled, Error> {
    let masked = whole.mask(plan, people)?;
    let found =
        if plan.is_searched() { Some(find::find(plan, settings, &whole, go_on)?) } else { None };
    let mut columns = whole.columns;
    columns.retain(|at, _| {
        plan.steps().get(*at).is_some_and(|step| matches!(step.kernel, Kernel::Late(_)))
    });
    let (mut held, mut choice) = (None, None);
    if let Some(found) = found {
        columns.extend(found.columns);
        (held, choice) = (found.held, Some(found.choice));
    }
    Ok(Settled { columns, held, choice, masked })
}

impl Settled {
    /// Returns what the search chose; none where no column has a hierarchy.
    pub fn choice(&self) -> Option<&Choice> {
        self.choice.as_ref()
    }

    /// Returns what the masks did, by the released column's name.
    pub fn masked<'p>(
        &'p self,
        plan: &'p TablePlan,
    ) -> impl Iterator<Item = (&'p str, &'p Masked)> {
        self.masked.iter().filter_map(|masked| {
            // Column 0 is the person's.
            plan.columns().get(masked.at + 1).map(|column| (column.name.as_str(), masked))
        })
    }

    /// Makes of a staged batch, whose first row is row `from` of the table, the one to release: late
    /// columns replaced, classes found anew, rows that break a model held.
    pub fn remake(
        &self,
        plan: &TablePlan,
        from: usize,
        batch: DeidentifiedBatch,
    ) -> Result<DeidentifiedBatch, Error> {
        let DeidentifiedBatch { table, rows, people, .. } = batch;
        let count = rows.num_rows();
        let mut columns = rows.columns().to_vec();
        for (at, whole) in &self.columns {
            let short = || Error::Rows { table: plan.table().to_owned() };
            // Column 0 is the person's.
            let slot = columns.get_mut(at + 1).ok_or_else(short)?;
            if from + count > whole.len() {
                return Err(short());
            }
            *slot = whole.slice(from, count);
        }
        let classes =
            class_codes(plan, &columns).map_err(|source| plan.arrow("put into classes", source))?;
        let rows = RecordBatch::try_new(Arc::clone(plan.output()), columns)
            .map_err(|source| plan.arrow("built", source))?;
        let batch = DeidentifiedBatch { table, rows, people, classes };
        Ok(match self.held.as_ref().and_then(|held| held.get(from..from + count)) {
            Some(held) => batch.hold(held),
            None => batch,
        })
    }
}

impl DeidentifiedBatch {
    /// Holds back the rows that are marked, whatever their class: nobody is to see them.
    #[must_use]
    pub fn hold(mut self, marked: &[bool]) -> Self {
        if let Some(classes) = self.classes.as_mut().filter(|_| marked.contains(&true)) {
            let held = u32::try_from(classes.keys.len()).unwrap_or(u32::MAX);
            classes.keys.push(HELD);
            for (code, _) in classes.codes.iter_mut().zip(marked).filter(|(_, marked)| **marked) {
                *code = held;
            }
        }
        self
    }
}

#[cfg(test)]
mod tests;
