//! What a search goes by: the table's layout, the models, the metric, how much may be suppressed.
//!
//! Comes in: a table and a request. Goes out: a [`Case`], the same for every node, and [`Costs`]: what
//! nodes lose where some records are known to be suppressed. Never: a cost above what a node loses.

use super::{
    ClassCounts, Conditions, Error, Measure, Model, Request, Table, Verdict,
    groups::{Carried, Merged},
    keys::{Key, Layout, place},
};

/// The same for every node.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) table: &'a Table,
    pub(super) layout: Layout,
    pub(super) measure: Measure,
    /// What a class must satisfy to stay.
    pub(super) conditions: Conditions,
    /// What it must satisfy so that it, or a part of it, may stay in a node below.
    hope: Conditions,
    /// How many records may be suppressed.
    pub(super) limit: u64,
    /// A node that is good stays good upwards.
    pub(super) monotone: bool,
    /// The number of rows decides alone whether a class may stay in a node below.
    pub(super) hopes_by_rows: bool,
    /// The number of rows decides alone, and this is the least.
    pub(super) least_rows: Option<u32>,
}

impl<'a> Case<'a> {
    pub(super) fn new(table: &'a Table, request: &Request) -> Result<Self, Error> {
        let conditions = Conditions::new(table, &request.models);
        let hope: Vec<Model> = request.models.iter().filter_map(hoped).collect();
        let limit = request.suppressed_most(table.released_rows());
        let alone = conditions.rows_alone();
        let least = u32::try_from(conditions.least_rows().max(1)).unwrap_or(u32::MAX);
        let hope = Conditions::new(table, &hope);
        let monotone = conditions.are_monotone(limit);
        // Presence may forbid a node for one class: each is looked at.
        let forbids = |model: &Model| matches!(model, Model::Presence { .. });
        Ok(Self {
            hopes_by_rows: !monotone && hope.rows_alone() && !request.models.iter().any(forbids),
            table,
            layout: Layout::of(table)?,
            measure: Measure::new(table, request.metric),
            hope,
            limit,
            monotone,
            least_rows: alone.then_some(least),
            conditions,
        })
    }

    /// Tells what the search carries along with groups.
    pub(super) fn carried(&self, models: &[Model]) -> Carried {
        let asks = |place| models.iter().any(|model| model.sensitive() == Some(place));
        let sensitive: Vec<bool> = (0..self.table.sensitive.len()).map(asks).collect();
        let none = !sensitive.contains(&true);
        Carried {
            first: self.conditions.average().is_some(),
            sensitive: if none { Vec::new() } else { sensitive },
        }
    }

    /// Judges a class for the node that it is of.
    pub(super) fn verdict(&self, class: &Merged) -> Verdict {
        judge(&self.conditions, class)
    }

    /// Judges a class for the nodes below the one that it is of: whether any part of it may stay.
    pub(super) fn hope(&self, class: &Merged) -> Verdict {
        judge(if self.monotone || class.rows == 0 { &self.conditions } else { &self.hope }, class)
    }

    /// Tells whether a group all of whose parts stay at the lowest node may be forgotten: it stays, and
    /// nothing is reckoned by it.
    pub(super) fn forgets(&self) -> bool {
        self.monotone && self.measure.is_by_columns() && self.conditions.average().is_none()
    }

    /// Returns no suppressed records.
    pub(super) fn nothing_lost(&self) -> Lost {
        let leaves = |quasi: &super::Quasi| vec![0; quasi.hierarchy.leaves()];
        let columns = if self.measure.is_by_columns() {
            self.table.quasi.iter().map(leaves).collect()
        } else {
            Vec::new()
        };
        Lost { rows: 0, columns }
    }

    /// Returns what columns lose at each level where these records are suppressed, others maybe too.
    pub(super) fn costs(&self, lost: &Lost) -> Costs {
        let mut labels = Vec::new();
        let columns = self.table.quasi.iter().zip(&lost.columns).enumerate();
        let columns = columns.map(|(column, (quasi, leaves))| {
            let levels = (0..).map_while(|level| Some((level, quasi.hierarchy.level(level)?)));
            let lost = levels.map(|(level, told)| {
                labels.clear();
                labels.resize(told.labels.len(), 0);
                for (label, rows) in told.of_leaf.iter().zip(leaves) {
                    if let Some(label) = labels.get_mut(place(*label)) {
                        *label += rows;
                    }
                }
                self.measure.column(column, level, lost.rows, &labels)
            });
            lost.collect()
        });
        Costs { columns: columns.collect() }
    }

    /// Returns what a node loses at the least.
    pub(super) fn bound(&self, costs: &Costs, levels: &[usize]) -> f64 {
        if costs.columns.is_empty() {
            return self.measure.bound(levels);
        }
        let lost = costs.columns.iter().zip(levels);
        self.measure.joined(lost.map(|(column, level)| column.get(*level).copied().unwrap_or(0.0)))
    }

    /// Returns the highest node.
    pub(super) fn top(&self) -> Vec<usize> {
        self.table.quasi.iter().map(|quasi| quasi.hierarchy.height().saturating_sub(1)).collect()
    }

    /// Counts suppressed records of a key in.
    pub(super) fn lose<K: Key>(&self, lost: &mut Lost, key: K, rows: u32) {
        lost.rows += u64::from(rows);
        for (column, leaves) in lost.columns.iter_mut().enumerate() {
            let leaf = self.layout.leaf(column, key).and_then(|leaf| leaves.get_mut(place(leaf)));
            if let Some(leaf) = leaf {
                *leaf += u64::from(rows);
            }
        }
    }

    /// Returns the codes of a key at a node's levels.
    pub(super) fn codes<K: Key>(&self, levels: &[usize], key: K) -> Vec<u32> {
        let columns = self.table.quasi.iter().zip(levels).enumerate();
        let codes = columns.map(|(column, (quasi, level))| {
            let of_leaf = &quasi.hierarchy.level(*level)?.of_leaf;
            of_leaf.get(place(self.layout.leaf(column, key)?)).copied()
        });
        codes.map(Option::unwrap_or_default).collect()
    }
}

fn judge(conditions: &Conditions, class: &Merged) -> Verdict {
    let counts = |sensitive: &[&[(u32, u32)]]| {
        let (rows, population) = (u64::from(class.rows), u64::from(class.people));
        conditions.verdict(&ClassCounts { rows, population, sensitive })
    };
    if let [values] = class.values.as_slice() {
        return counts(&[values]);
    }
    counts(&class.values.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// Records that must be suppressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lost {
    /// How many.
    pub(super) rows: u64,
    /// For each column how many have each leaf, or one that a node does not tell from it; empty for
    /// metrics that ask for no column.
    pub(super) columns: Vec<Vec<u64>>,
}

/// What each column loses at each level at the least.
#[derive(Debug, Clone)]
pub(super) struct Costs {
    columns: Vec<Vec<f64>>,
}

/// Returns what is left of a model for a class some of whose records may stay in a node below: the
/// records and values of a part are never more than the whole's.
fn hoped(model: &Model) -> Option<Model> {
    match *model {
        Model::KAnonymity { .. }
        | Model::DistinctL { .. }
        | Model::KMap { .. }
        | Model::MaximumRisk { .. } => Some(*model),
        Model::EntropyL { sensitive, l } => Some(Model::DistinctL { sensitive, l: whole(l) }),
        Model::RecursiveL { sensitive, l, .. } => Some(Model::DistinctL { sensitive, l }),
        Model::Presence { .. } | Model::TCloseness { .. } | Model::AverageRisk { .. } => None,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "l is 1 or more; one that no table reaches saturates"
)]
fn whole(l: f64) -> u64 {
    l.ceil() as u64
}
