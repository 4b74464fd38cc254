//! Local recoding: each record told as exactly as its own neighbours allow.
//!
//! Comes in: a table, a request, the node that was found. Goes out: [`Recoding`], for each record the
//! levels at which it is told. Never: a class that breaks a model; a record suppressed that some class
//! could take in.
//!
//! Nodes are visited from the most exact upwards. At each the records that are left are put into
//! classes, and a class that satisfies the models is done: its records are told at this node, or lower
//! where all of them say the same. The few that no node helped join the class that loses least by it.

mod climb;
mod rest;
mod units;

use self::{climb::climb, rest::settle, units::Units};
use super::{
    Conditions, Measure, Optimum, Request, Table,
    keys::{Key, Layout, Wide},
    model::Model,
    node::Node,
    solve::WORDS,
};

/// At which levels each record is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recoding {
    nodes: Vec<Vec<usize>>,
    of_row: Vec<Option<u32>>,
}

/// Records told at the same levels with the same labels, as places of units.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Class {
    levels: Vec<usize>,
    units: Vec<u32>,
}

/// Tells each released record of a table as exactly as the request's models allow.
///
/// Models that ask for the population outside of the release judge whole nodes, since everybody in it
/// is told at one node: such a table stays at its optimum. A mean risk is held class by class.
pub fn recode(table: &Table, request: &Request, optimum: &Optimum) -> Recoding {
    let by_population = |model: &Model| match model {
        Model::KMap { .. } => table.released.is_some(),
        Model::Presence { .. } => true,
        Model::KAnonymity { .. }
        | Model::DistinctL { .. }
        | Model::EntropyL { .. }
        | Model::RecursiveL { .. }
        | Model::TCloseness { .. }
        | Model::AverageRisk { .. }
        | Model::MaximumRisk { .. } => false,
    };
    let layout = Layout::of(table).ok().filter(|_| !request.models.iter().any(by_population));
    let recoded = layout.and_then(|layout| {
        let bits = layout.bits();
        if bits < u64::BITS {
            Some(all::<u64>(table, request, &layout))
        } else if bits < u128::BITS {
            Some(all::<u128>(table, request, &layout))
        } else {
            (bits < Wide::<WORDS>::BITS).then(|| all::<Wide<WORDS>>(table, request, &layout))
        }
    });
    recoded.unwrap_or_else(|| Recoding::of_optimum(table, request, optimum))
}

fn all<K: Key>(table: &Table, request: &Request, layout: &Layout) -> Recoding {
    let models: Vec<Model> = request
        .models
        .iter()
        .map(|model| match *model {
            Model::AverageRisk { most } => Model::MaximumRisk { most },
            Model::KAnonymity { .. }
            | Model::DistinctL { .. }
            | Model::EntropyL { .. }
            | Model::RecursiveL { .. }
            | Model::TCloseness { .. }
            | Model::KMap { .. }
            | Model::Presence { .. }
            | Model::MaximumRisk { .. } => *model,
        })
        .collect();
    let conditions = Conditions::new(table, &models);
    let units = Units::<K>::of(table, layout, conditions.rows_alone());
    let (mut classes, left) = climb(table, layout, &units, &conditions);
    settle(table, &units, &conditions, &mut classes, left);
    let mut recoding =
        Recoding { nodes: vec![vec![0; table.quasi.len()]], of_row: vec![None; table.rows] };
    for class in classes {
        let node = u32::try_from(recoding.nodes.len()).ok();
        for row in class.units.iter().flat_map(|unit| units.rows(*unit)) {
            if let Some(of_row) = recoding.of_row.get_mut(*row as usize) {
                *of_row = node;
            }
        }
        recoding.nodes.push(class.levels);
    }
    recoding
}

impl Recoding {
    /// The table as it came.
    pub fn of_input(table: &Table) -> Self {
        Self { nodes: vec![vec![0; table.quasi.len()]], of_row: vec![Some(0); table.rows] }
    }

    /// The table at the node that was found, its small classes suppressed.
    pub fn of_optimum(table: &Table, request: &Request, optimum: &Optimum) -> Self {
        let node = Node::count(table, &optimum.levels);
        let conditions = Conditions::new(table, &request.models);
        let measure = Measure::new(table, request.metric);
        let judged = node.judge(&conditions, &measure, &optimum.levels);
        let of_row = node.class_of.iter().enumerate().map(|(row, class)| {
            let stays = judged.stays.get(*class as usize).is_some_and(|stays| *stays);
            (stays && table.is_released(row)).then_some(1)
        });
        Self {
            nodes: vec![vec![0; table.quasi.len()], optimum.levels.clone()],
            of_row: of_row.collect(),
        }
    }

    /// Returns the levels of a row; none where it is suppressed or not released.
    pub fn levels(&self, row: usize) -> Option<&[usize]> {
        let node = (*self.of_row.get(row)?)?;
        self.nodes.get(node as usize).map(Vec::as_slice)
    }

    /// Returns how many rows there are.
    pub fn rows(&self) -> usize {
        self.of_row.len()
    }

    /// Level 0 of every column: the first of the nodes.
    pub(super) fn zeros(&self) -> &[usize] {
        self.nodes.first().map(Vec::as_slice).unwrap_or_default()
    }
}
