//! Visits nodes from the most exact upwards and takes out every class that satisfies the models.
//!
//! Comes in: units. Goes out: classes, and the units that no node helped. Never: more work than a fixed
//! number of looks at units; a large table has fewer of its nodes visited.

#![expect(clippy::cast_precision_loss, reason = "counts of records stay far below 2^53")]

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{Class, units::Units};
use crate::deid::search::{
    Conditions, Table,
    groups::Numbering,
    keys::{Key, Layout, place},
};

/// As often is a unit looked at, over all nodes.
const LOOKS_MAX: f64 = 4e8;

/// As many nodes are thought of before the rest of the way is one straight ladder.
const NODES_MAX: usize = 1 << 18;

/// Returns the classes that nodes gave and the units that are left.
pub(super) fn climb<K: Key>(
    table: &Table,
    layout: &Layout,
    units: &Units<K>,
    conditions: &Conditions,
) -> (Vec<Class>, Vec<u32>) {
    let mut left: Vec<u32> = (0..).take(units.len()).collect();
    let mut classes = Vec::new();
    let mut looks = 0.0;
    let mut next = f64::NEG_INFINITY;
    let mut ladder = Ladder::new(table);
    let mut node = Classes::new();
    while let Some((lost, levels, is_top)) = ladder.step() {
        if left.is_empty() {
            break;
        }
        if lost < next && !is_top {
            continue;
        }
        looks += left.len() as f64;
        // So far apart that the looks that are left reach the top, were no unit taken out any more;
        // since most soon are, an eighth of that.
        let nodes = ((LOOKS_MAX - looks).max(1.0) / left.len() as f64).max(1.0);
        next = lost + (table.quasi.len() as f64 - lost) / nodes / 8.0;
        let mask = layout.mask::<K>(&levels);
        node.take_out(units, &mut left, mask, conditions, |members| {
            classes.push(Class { levels: levels.clone(), units: members.to_vec() });
        });
    }
    (classes, left)
}

/// The nodes in order of what they lose on average: the sum over columns of the share of the column's
/// values that a record's label may stand for.
struct Ladder {
    /// By column and level that share, as ordered bits.
    shares: Vec<Vec<f64>>,
    /// Nodes to come, with the column that was raised last.
    open: BinaryHeap<Reverse<(u64, Vec<usize>, usize)>>,
    thought_of: usize,
}

impl Ladder {
    fn new(table: &Table) -> Self {
        let shares = table.quasi.iter().map(|quasi| {
            let leaves = quasi.hierarchy.leaves();
            let mut held = vec![0_u64; leaves];
            for (row, code) in quasi.codes.iter().enumerate() {
                if let Some(held) = held.get_mut(place(*code)) {
                    *held += u64::from(table.is_released(row));
                }
            }
            let rows = held.iter().sum::<u64>().max(1) as f64;
            let levels = (0..).map_while(|level| quasi.hierarchy.level(level));
            levels
                .map(|level| {
                    let mut under = vec![0_u64; level.labels.len()];
                    for code in &level.of_leaf {
                        if let Some(under) = under.get_mut(place(*code)) {
                            *under += 1;
                        }
                    }
                    let labels = level.of_leaf.iter().zip(&held);
                    let sum = labels.filter_map(|(code, n)| Some(n * under.get(place(*code))?));
                    sum.sum::<u64>() as f64 / rows / leaves as f64
                })
                .collect()
        });
        let shares: Vec<Vec<f64>> = shares.collect();
        let mut ladder = Self { shares, open: BinaryHeap::new(), thought_of: 0 };
        ladder.push(vec![0; table.quasi.len()], 0);
        ladder
    }

    /// Returns the next node, what it loses and whether it is the highest.
    fn step(&mut self) -> Option<(f64, Vec<usize>, bool)> {
        let Reverse((lost, levels, raised)) = self.open.pop()?;
        let is_top = self.raises(&levels).is_empty();
        if self.thought_of < NODES_MAX {
            // Each node has one parent: what was raised before the last column stays as it is.
            for (column, _) in self.raises(&levels) {
                if column >= raised {
                    self.push(raise(&levels, column), column);
                }
            }
        } else {
            self.open.clear();
            let least =
                self.raises(&levels).into_iter().min_by(|one, other| one.1.total_cmp(&other.1));
            if let Some((column, _)) = least {
                self.push(raise(&levels, column), 0);
            }
        }
        Some((f64::from_bits(lost), levels, is_top))
    }

    fn push(&mut self, levels: Vec<usize>, raised: usize) {
        let lost: f64 =
            self.shares.iter().zip(&levels).filter_map(|(shares, level)| shares.get(*level)).sum();
        self.thought_of += 1;
        // Losses are positive, and the bits of positive numbers stand in their order.
        self.open.push(Reverse((lost.to_bits(), levels, raised)));
    }

    /// Returns the columns that can be raised, with what each would lose by it.
    fn raises(&self, levels: &[usize]) -> Vec<(usize, f64)> {
        let columns = self.shares.iter().zip(levels).enumerate();
        columns
            .filter_map(|(column, (shares, level))| {
                Some((column, shares.get(level + 1)? - shares.get(*level)?))
            })
            .collect()
    }
}

fn raise(levels: &[usize], column: usize) -> Vec<usize> {
    let mut levels = levels.to_vec();
    if let Some(level) = levels.get_mut(column) {
        *level += 1;
    }
    levels
}

/// The classes at one node, kept between nodes for its room.
#[derive(Debug)]
struct Classes<K> {
    numbering: Numbering<K>,
    /// The class of each unit that is left.
    of_left: Vec<u32>,
    /// Units, class by class.
    members: Vec<u32>,
}

impl<K: Key> Classes<K> {
    fn new() -> Self {
        Self { numbering: Numbering::default(), of_left: Vec::new(), members: Vec::new() }
    }

    /// Takes the units out of `left` whose class under the mask satisfies the models.
    #[expect(clippy::indexing_slicing, reason = "the inner loops; places come from the numbering")]
    fn take_out(
        &mut self,
        units: &Units<K>,
        left: &mut Vec<u32>,
        mask: K,
        conditions: &Conditions,
        mut done: impl FnMut(&[u32]),
    ) {
        self.numbering.clear();
        self.of_left.clear();
        for unit in &*left {
            let unit = place(*unit);
            let class = self.numbering.add(units.keys[unit].and(mask), units.counts[unit]);
            self.of_left.push(class);
        }
        let least = conditions.least_rows().max(1);
        let is_large = |class: u32| u64::from(self.numbering.entries[place(class)].1) >= least;
        let classes = self.numbering.entries.len();
        // How many units each large class has, then where they begin, then where they end.
        let mut ends = vec![0; classes];
        for class in self.of_left.iter().filter(|class| is_large(**class)) {
            ends[place(*class)] += 1;
        }
        let mut begin = 0;
        for end in &mut ends {
            begin += std::mem::replace(end, begin);
        }
        if begin == 0 {
            return;
        }
        self.members.resize(begin, 0);
        for (unit, class) in left.iter().zip(&self.of_left) {
            if is_large(*class) {
                self.members[ends[place(*class)]] = *unit;
                ends[place(*class)] += 1;
            }
        }
        let mut begin = 0;
        let mut gone = vec![false; classes];
        for (end, gone) in ends.iter().zip(&mut gone) {
            let members = &self.members[begin..*end];
            begin = *end;
            *gone =
                !members.is_empty() && (conditions.rows_alone() || units.hold(members, conditions));
            if *gone {
                done(members);
            }
        }
        let mut of_left = self.of_left.iter();
        left.retain(|_| of_left.next().is_none_or(|class| !gone[place(*class)]));
    }
}
