//! Records of one person, put together: pairs from the best on, and no record beside one that it
//! clearly is not of one person with.
//!
//! Comes in: a table, pairs with weights, whom the index knows. Goes out: [`Clusters`], and what is
//! left to the steward. Never: two people of the index made one, however good the evidence.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::{
    Error, block,
    score::{Comparison, Within, compare, may_join},
    tokens::Table,
    weights::Weights,
};

/// The most records of one person that are put together automatically.
const CLUSTER_MAX: usize = 64;

/// How a table is linked.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The weight from which two records are one person, in hundredths of a bit.
    pub match_centibits: i32,
    /// The weight from which two records are put to the steward.
    pub review_centibits: i32,
    /// When two records of one institution may be of one person.
    pub within: Within,
}

/// Two records that may be of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// The row of the first.
    pub a: u32,
    /// The row of the second, a later one.
    pub b: u32,
    /// What their comparison weighs.
    pub weight: i32,
    /// Whether they may be put together automatically, from the match weight on.
    pub may_join: bool,
}

/// The pairs of a table.
#[derive(Debug, Default)]
pub struct Candidates {
    /// Those that weigh as much as the review asks, the best first.
    pub pairs: Vec<Pair>,
    /// How many pairs were compared; one that several passes find is counted in each.
    pub compared: u64,
    /// Blocks that were too large to be compared.
    pub blocks_left_out: u64,
}

/// Finds the pairs of a table; `step` hears of each pass that is done.
pub fn candidates(
    table: &Table,
    weights: &Weights,
    rules: &Rules,
    step: &dyn Fn(),
) -> Result<Candidates, Error> {
    let mut found = Candidates::default();
    for pass in 0..block::passes(table) {
        let pairs = block::run(table, pass)?;
        found.compared += pairs.left.len() as u64;
        found.blocks_left_out += pairs.left_out;
        let rows = pairs.left.values().par_iter().zip(pairs.right.values().par_iter());
        let kept: Vec<Pair> =
            rows.filter_map(|(a, b)| judge(table, weights, rules, *a, *b)).collect();
        found.pairs.extend(kept);
        step();
    }
    found.pairs.par_sort_unstable_by_key(|pair| (-pair.weight, pair.a, pair.b));
    found.pairs.dedup();
    Ok(found)
}

/// Returns how many steps [`candidates`] takes.
pub fn steps(table: &Table) -> u64 {
    block::passes(table) as u64
}

fn judge(table: &Table, weights: &Weights, rules: &Rules, a: u32, b: u32) -> Option<Pair> {
    let comparison = compared(table, weights, a, b)?;
    if comparison.weight < rules.review_centibits || comparison.is_hopeless() {
        return None;
    }
    let records = &table.records;
    let (one, two) = (records.get(place(a))?, records.get(place(b))?);
    let may_join = comparison.floor.is_reached() && may_join(one, two, &comparison, rules.within);
    Some(Pair { a, b, weight: comparison.weight, may_join })
}

/// Compares two rows.
pub fn compared(table: &Table, weights: &Weights, a: u32, b: u32) -> Option<Comparison> {
    compare(table, weights, place(a), place(b))
}

fn place(row: u32) -> usize {
    usize::try_from(row).unwrap_or(usize::MAX)
}

/// Which records are of one person.
#[derive(Debug)]
pub struct Clusters {
    parent: Vec<u32>,
    members: BTreeMap<u32, Vec<u32>>,
    known: Vec<Option<u32>>,
}

impl Clusters {
    /// Puts records together whose pairs weigh enough. `known` says of each row which person of the
    /// index it is of; no two of them become one.
    pub fn of(
        table: &Table,
        weights: &Weights,
        rules: &Rules,
        pairs: &[Pair],
        known: Vec<Option<u32>>,
    ) -> Self {
        let rows = u32::try_from(table.len()).unwrap_or(u32::MAX);
        let mut clusters = Self { parent: (0..rows).collect(), members: BTreeMap::new(), known };
        clusters.known.resize(table.len(), None);
        let mut first: BTreeMap<u32, u32> = BTreeMap::new();
        for row in 0..rows {
            if let Some(person) = clusters.known.get(place(row)).copied().flatten() {
                let root = *first.entry(person).or_insert(row);
                clusters.union(root, row);
            }
        }
        let good = |pair: &&Pair| pair.may_join && pair.weight >= rules.match_centibits;
        for pair in pairs.iter().filter(good) {
            let (a, b) = (clusters.root(pair.a), clusters.root(pair.b));
            if a != b && clusters.fit(table, weights, rules, a, b) {
                clusters.union(a, b);
            }
        }
        clusters
    }

    /// Returns the row that stands for a row's cluster: its first.
    pub fn root(&self, mut row: u32) -> u32 {
        while let Some(parent) = self.parent.get(place(row)).filter(|parent| **parent != row) {
            row = *parent;
        }
        row
    }

    /// Returns the person of the index that a cluster is of.
    pub fn person(&self, root: u32) -> Option<u32> {
        self.known.get(place(root)).copied().flatten()
    }

    fn own(&self, root: u32) -> Vec<u32> {
        self.members.get(&root).cloned().unwrap_or_else(|| vec![root])
    }

    /// Says whether two clusters may become one: no two people of the index, and no two records
    /// that tell of two people.
    fn fit(&self, table: &Table, weights: &Weights, rules: &Rules, a: u32, b: u32) -> bool {
        if self.person(a).is_some() && self.person(b).is_some() {
            return false;
        }
        let (a, b) = (self.own(a), self.own(b));
        let clear = |x: u32, y: u32| {
            let (one, two) = (table.records.get(place(x))?, table.records.get(place(y))?);
            let comparison = compared(table, weights, x, y)?;
            may_join(one, two, &comparison, rules.within).then_some(())
        };
        a.len() + b.len() <= CLUSTER_MAX
            && a.iter().all(|x| b.iter().all(|y| clear(*x, *y).is_some()))
    }

    fn union(&mut self, a: u32, b: u32) {
        let (a, b) = (a.min(b), a.max(b));
        if a == b {
            return;
        }
        let mut own = self.own(a);
        own.extend(self.own(b));
        self.members.remove(&b);
        self.members.insert(a, own);
        if let Some(parent) = self.parent.get_mut(place(b)) {
            *parent = a;
        }
        let known = self.person(a).or(self.person(b));
        if let Some(slot) = self.known.get_mut(place(a)) {
            *slot = known;
        }
    }
}
