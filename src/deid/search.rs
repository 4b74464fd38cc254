//! The optimal generalisation: of all nodes of the lattice that make a table anonymous, the one that
//! loses least.
//!
//! Comes in: a [`Table`] of codes with their hierarchies, a [`Request`]. Goes out: an [`Optimum`],
//! exact or with the gap that is left, and after it a `Recoding` of what would be suppressed.
//! Never: a value, a clock or a random number; a node called optimal that was not shown to be.

pub mod average;
mod case;
mod conditions;
mod count;
mod distance;
mod groups;
mod keys;
mod measure;
pub mod metric;
pub mod model;
mod node;
mod quality;
mod recode;
#[cfg(test)]
mod reference;
mod regions;
mod solve;
pub mod table;
#[cfg(test)]
mod tests;
mod view;

use std::sync::Arc;

pub use self::{
    conditions::{Conditions, Verdict},
    distance::Whole,
    measure::{Measure, Tally},
    metric::Metric,
    model::{ClassCounts, Model},
    node::{Judged, Members, Node},
    quality::Quality,
    recode::{Recoding, recode},
    solve::{Error, search},
    table::{Missing, QuasiColumn, SensitiveColumn, TableError},
};
use super::{Fraction, hierarchy::Hierarchy};

/// A table as the search sees it: one row a record, every column codes of leaves.
// INVARIANT: all columns have `rows` codes, each under its hierarchy's (or labels') count.
#[derive(Debug, Clone)]
pub struct Table {
    pub(super) quasi: Vec<Quasi>,
    pub(super) sensitive: Vec<Sensitive>,
    /// Which rows are to be released, where the others are only the population they come from
    /// (k-map, delta-presence); `None` where all are.
    pub(super) released: Option<Vec<bool>>,
    pub(super) rows: usize,
}

impl Table {
    /// Tells whether a row is to be released.
    pub fn is_released(&self, row: usize) -> bool {
        self.released.as_ref().is_none_or(|released| released.get(row).is_some_and(|is| *is))
    }

    /// Returns how many rows are to be released.
    pub fn released_rows(&self) -> u64 {
        match &self.released {
            Some(released) => released.iter().filter(|is| **is).count() as u64,
            None => self.rows as u64,
        }
    }
}

/// A quasi-identifier.
#[derive(Debug, Clone)]
pub struct Quasi {
    /// Its hierarchy.
    pub hierarchy: Arc<Hierarchy>,
    /// The leaf of each row.
    pub codes: Vec<u32>,
}

impl Quasi {
    /// Returns the code of each row at a level.
    pub fn told(&self, level: usize) -> Vec<u32> {
        let of_leaf = self.hierarchy.level(level).map_or(&[][..], |level| &level.of_leaf);
        let codes = self.codes.iter();
        codes.map(|leaf| of_leaf.get(*leaf as usize).copied().unwrap_or_default()).collect()
    }
}

/// A sensitive attribute.
#[derive(Debug, Clone)]
pub struct Sensitive {
    /// The column.
    pub name: String,
    /// Its distinct values; for an ordered distance in their order.
    pub labels: Vec<String>,
    /// The value of each row.
    pub codes: Vec<u32>,
    /// What hierarchical distance goes by; its leaves are `labels`, in that order.
    pub hierarchy: Option<Arc<Hierarchy>>,
}

/// What is asked of the search.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The privacy models, all of which every class must satisfy.
    pub models: Vec<Model>,
    /// The share of the records that may be suppressed.
    pub suppress: Fraction,
    /// What is to be lost least.
    pub metric: Metric,
    /// Above this many nodes the search goes best first, until it is told to stop.
    pub exact_nodes: u64,
}

impl Request {
    /// Returns how many of so many records may be suppressed at the most: the product of the decimal
    /// limit and the count as floating-point numbers, cut, since that is what ARX takes.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of records, at most as large as it came"
    )]
    pub fn suppressed_most(&self, rows: u64) -> u64 {
        (f64::from(self.suppress.ppm()) / 1e6 * rows as f64).floor() as u64
    }
}

/// The node that loses least.
#[derive(Debug, Clone, PartialEq)]
pub struct Optimum {
    /// The level of each quasi-identifier, in the table's order.
    pub levels: Vec<usize>,
    /// What is lost, by the metric's own scale; less is better.
    pub score: f64,
    /// Records in classes that break a model.
    pub suppressed: u64,
    /// Classes that stay.
    pub classes: u64,
    /// Records in the smallest class that stays.
    pub smallest: u64,
    /// Nodes of the lattice.
    pub lattice: u64,
    /// Nodes whose classes were counted.
    pub checked: u64,
    /// Whether it is shown to be the best.
    pub proof: Proof,
}

/// How good a found node is shown to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Proof {
    /// No node loses less.
    Exact,
    /// The search was stopped: no node loses less than `bound`.
    Gap {
        /// What is lost at the least, on the metric's scale.
        bound: f64,
    },
}
