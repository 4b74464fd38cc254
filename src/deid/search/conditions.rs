//! All models of a request together, as each class of a node meets them.
//!
//! Comes in: the models and the table they are asked of. Goes out: for each class a [`Verdict`].
//! Never: a class judged by one model where another was asked as well.

use super::{
    Table,
    distance::Whole,
    model::{ClassCounts, Model},
};

/// The models that every class must satisfy.
#[derive(Debug, Clone)]
pub struct Conditions {
    models: Vec<Model>,
    whole: Whole,
    least_rows: u64,
}

/// What becomes of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Stays,
    /// Its records are suppressed.
    Suppressed,
    /// The node cannot be shown at all: people who are not in the release are told not to be, and no
    /// suppression helps them.
    Forbids,
}

impl Conditions {
    /// Prepares the models for the classes of a table.
    pub fn new(table: &Table, models: &[Model]) -> Self {
        Self {
            models: models.to_vec(),
            whole: Whole::new(table),
            least_rows: models.iter().map(Model::least_rows).max().unwrap_or(0),
        }
    }

    /// Judges a class.
    ///
    /// One without released records stays (and counts for nothing) unless delta-presence fails on
    /// it. As in ARX that is asked only where no model demands a number of records; where one does,
    /// such a class falls to it first.
    pub fn verdict(&self, class: &ClassCounts<'_>) -> Verdict {
        if class.rows == 0 {
            let broken = |model: &Model| match model {
                Model::Presence { least, .. } => *least > 0.0,
                Model::KAnonymity { .. }
                | Model::DistinctL { .. }
                | Model::EntropyL { .. }
                | Model::RecursiveL { .. }
                | Model::TCloseness { .. }
                | Model::KMap { .. }
                | Model::AverageRisk { .. }
                | Model::MaximumRisk { .. } => false,
            };
            let forbids = self.least_rows == 0 && self.models.iter().any(broken);
            return if forbids { Verdict::Forbids } else { Verdict::Stays };
        }
        let holds = class.rows >= self.least_rows
            && self.models.iter().all(|model| model.holds(class, &self.whole));
        if holds { Verdict::Stays } else { Verdict::Suppressed }
    }

    /// Tells whether a class with released records satisfies those models whose outliers only grow
    /// fewer upwards. What they suppress in the highest node of a sub-lattice is suppressed, at the
    /// least, in each of its nodes.
    pub fn monotone_part_holds(&self, class: &ClassCounts<'_>) -> bool {
        let mut monotone = self.models.iter().filter(|model| model.is_monotone());
        class.rows >= self.least_rows && monotone.all(|model| model.holds(class, &self.whole))
    }

    /// Tells whether a node that is good stays good upwards: with nothing to be suppressed whatever
    /// the models are, else where each is monotone.
    pub fn are_monotone(&self, suppressed_most: u64) -> bool {
        suppressed_most == 0 || self.models.iter().all(Model::is_monotone)
    }

    /// Tells whether the number of released records decides alone.
    pub fn rows_alone(&self) -> bool {
        self.models.iter().all(|model| match model {
            Model::KAnonymity { .. } | Model::MaximumRisk { .. } => true,
            Model::DistinctL { .. }
            | Model::EntropyL { .. }
            | Model::RecursiveL { .. }
            | Model::TCloseness { .. }
            | Model::KMap { .. }
            | Model::Presence { .. }
            | Model::AverageRisk { .. } => false,
        })
    }

    /// Returns the released records that a class must have for any model.
    pub fn least_rows(&self) -> u64 {
        self.least_rows
    }

    /// Returns the highest mean risk, where one was asked for.
    pub fn average(&self) -> Option<f64> {
        let averages = self.models.iter().filter_map(|model| match model {
            Model::AverageRisk { most } => Some(*most),
            Model::KAnonymity { .. }
            | Model::DistinctL { .. }
            | Model::EntropyL { .. }
            | Model::RecursiveL { .. }
            | Model::TCloseness { .. }
            | Model::KMap { .. }
            | Model::Presence { .. }
            | Model::MaximumRisk { .. } => None,
        });
        averages.reduce(f64::min)
    }

    /// Returns the sensitive values of the whole table.
    pub fn whole(&self) -> &Whole {
        &self.whole
    }
}
