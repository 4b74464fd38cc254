//! The columns of a table that late steps need, all rows of all parts.
//!
//! Comes in: staged batches, in order. Goes out: [`Whole`]. Never: a column that no late step needs
//! kept in memory.

use std::collections::{BTreeMap, BTreeSet};

use arrow::{array::ArrayRef, compute::concat};

use super::super::{
    Asked, DeidentifiedBatch, Error, TablePlan,
    kernel::Kernel,
    mask::{self, Masked},
    people::People,
};

/// The columns of a table that late steps need, all rows of all parts, in order.
#[derive(Debug)]
pub struct Whole {
    /// By the place of the step in the plan: the column as it is staged.
    pub(in crate::deid) columns: BTreeMap<usize, ArrayRef>,
    /// Each row's person, as a place in the roster.
    pub(in crate::deid) persons: Vec<u32>,
}

/// Gathers the columns batch by batch.
#[derive(Debug)]
pub struct Gatherer<'p> {
    plan: &'p TablePlan,
    chunks: BTreeMap<usize, Vec<ArrayRef>>,
    persons: Vec<u32>,
}

impl<'p> Gatherer<'p> {
    /// Begins with no row.
    pub fn new(plan: &'p TablePlan) -> Self {
        let named: BTreeSet<&str> = plan.asked().iter().filter_map(Asked::sensitive).collect();
        let needed = plan.steps().iter().zip(plan.columns().iter().skip(1)).enumerate();
        let needed = needed.filter(|(_, (step, column))| {
            step.is_quasi
                || matches!(step.kernel, Kernel::Late(_))
                || named.contains(column.name.as_str())
        });
        let chunks = needed.map(|(at, _)| (at, Vec::new())).collect();
        Self { plan, chunks, persons: Vec::new() }
    }

    /// Adds a batch.
    pub fn add(&mut self, batch: &DeidentifiedBatch) {
        for (at, chunks) in &mut self.chunks {
            // Column 0 is the person's.
            chunks.extend(batch.rows.columns().get(at + 1).cloned());
        }
        self.persons.extend_from_slice(&batch.people);
    }

    /// Returns the whole columns.
    pub fn finish(self) -> Result<Whole, Error> {
        let plan = self.plan;
        let joined = |(at, chunks): (usize, Vec<ArrayRef>)| {
            let parts: Vec<&dyn arrow::array::Array> = chunks.iter().map(AsRef::as_ref).collect();
            Some(concat(&parts).map(|column| (at, column)))
                .filter(|_| !parts.is_empty())
                .transpose()
                .map_err(|source| plan.arrow("gathered", source))
        };
        let columns = self.chunks.into_iter().filter_map(|chunk| joined(chunk).transpose());
        Ok(Whole { columns: columns.collect::<Result<_, _>>()?, persons: self.persons })
    }
}

impl Whole {
    /// Runs the kernels that need whole columns, before anything is searched.
    pub(super) fn mask(&mut self, plan: &TablePlan, people: &People) -> Result<Vec<Masked>, Error> {
        let masks = plan.steps().iter().enumerate();
        let masks = masks.filter_map(|(at, step)| Some((at, step.late()?.mask()?)));
        mask::run(&mut self.columns, &masks.collect(), &self.persons, people.sticky())
            .map_err(|source| plan.arrow("masked", source))
    }
}
