//! Part of a lattice, and of a table what is still open in it.
//!
//! A view holds the groups of its lowest node, put together by the class of its highest node that they
//! fall into. Comes in: groups, a range of levels. Goes out: a narrower view, a node's count. Never: a
//! record counted again that is suppressed all over the view, or one that stays all over it where
//! nothing is reckoned by it.

#![expect(
    clippy::indexing_slicing,
    reason = "the innermost loops; places come from the lists' lengths"
)]

use super::{
    Verdict,
    case::{Case, Lost},
    groups::{Groups, Merged, Numbering, number},
    keys::{Key, place},
};

/// What is still open between two nodes.
#[derive(Debug)]
pub(super) struct View<K> {
    pub(super) low: Vec<usize>,
    pub(super) groups: Groups<K>,
    /// Where the groups of each class of the highest node end.
    pub(super) ends: Vec<u32>,
    /// What is suppressed all over it, not among the groups.
    pub(super) lost: Lost,
}

/// How coarse the classes of a node and of those above it are at the least.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coarse {
    pub(super) classes: u64,
    pub(super) squares: u128,
}

/// What a task works with, kept from node to node so as not to be allocated anew.
#[derive(Debug)]
pub(super) struct Bench<K> {
    pub(super) numbering: Numbering<K>,
    /// For each group looked at the number of its class.
    pub(super) number_of: Vec<u32>,
    /// Which groups were looked at; empty where all in a row were.
    pub(super) picked: Vec<u32>,
    pub(super) sorted: Sorted,
    pub(super) merged: Merged,
    /// For each class whether its records are suppressed in all nodes below.
    pub(super) hopeless: Vec<bool>,
    /// The groups of those classes.
    pub(super) lost: Vec<u32>,
    /// Classes suppressed in this node.
    pub(super) merely: Vec<(K, u32)>,
    /// Classes that stay unless the mean risk is too high, with their first rows.
    pub(super) stay: Vec<(K, u32, u32)>,
}

impl<K: Key> Default for Bench<K> {
    fn default() -> Self {
        Self {
            numbering: Numbering::default(),
            number_of: Vec::new(),
            picked: Vec::new(),
            sorted: Sorted::default(),
            merged: Merged::default(),
            hopeless: Vec::new(),
            lost: Vec::new(),
            merely: Vec::new(),
            stay: Vec::new(),
        }
    }
}

impl<K> Bench<K> {
    pub(super) fn clear(&mut self) {
        self.lost.clear();
        self.merely.clear();
        self.stay.clear();
    }
}

/// Members put together by their number.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    ends: Vec<u32>,
    members: Vec<u32>,
}

impl Sorted {
    pub(super) fn sort(
        &mut self,
        numbers: usize,
        number_of: &[u32],
        member: impl Fn(usize) -> u32,
    ) {
        self.ends.clear();
        self.ends.resize(numbers, 0);
        for number in number_of {
            self.ends[place(*number)] += 1;
        }
        let mut total = 0;
        for end in &mut self.ends {
            total += std::mem::replace(end, total);
        }
        self.members.clear();
        self.members.resize(number_of.len(), 0);
        for (place_of, number) in number_of.iter().enumerate() {
            let at = &mut self.ends[place(*number)];
            self.members[place(*at)] = member(place_of);
            *at += 1;
        }
    }

    pub(super) fn of(&self, number: usize) -> &[u32] {
        let from = if number == 0 { 0 } else { place(self.ends[number - 1]) };
        &self.members[from..place(self.ends[number])]
    }
}

/// From so many groups of one class on, a part of them is looked at before the rest.
pub(super) const MANY: usize = 1 << 16;

/// How many bits of a hash say in which part a key is.
pub(super) const PART_BITS: u32 = 8;

impl<K: Key> View<K> {
    /// Begins with all groups of a table.
    pub(super) fn whole(case: &Case<'_>, groups: Groups<K>) -> Self {
        let low = vec![0; case.table.quasi.len()];
        Self { low, ends: vec![number(groups.len())], groups, lost: case.nothing_lost() }
    }

    /// Returns how many groups are open.
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// Returns what it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let lost = self.lost.columns.iter().map(|leaves| leaves.len() * 8).sum::<usize>();
        self.groups.bytes() + self.ends.len() * 4 + lost
    }

    /// Counts how coarse a node is.
    pub(super) fn coarse(&self, case: &Case<'_>, levels: &[usize], bench: &mut Bench<K>) -> Coarse {
        let mask = case.layout.mask(levels);
        let least = case.conditions.least_rows();
        let mut coarse = Coarse { classes: 0, squares: 0 };
        let mut from = 0;
        for end in &self.ends {
            let range = from..place(*end);
            from = range.end;
            bench.numbering.clear();
            for (key, rows) in self.groups.keys[range.clone()].iter().zip(&self.groups.rows[range])
            {
                bench.numbering.add(key.and(mask), *rows);
            }
            for (_, rows) in &bench.numbering.entries {
                let rows = u64::from(*rows);
                coarse.classes += u64::from(rows > 0);
                coarse.squares += u128::from(rows * rows.max(least));
            }
        }
        coarse
    }

    /// Guesses how many groups a narrower view would have, from a part of them.
    pub(super) fn guess(&self, case: &Case<'_>, low: &[usize], bench: &mut Bench<K>) -> usize {
        let mask: K = case.layout.mask(low);
        let part = (if self.len() < MANY { 16 } else { 4 }) << (u64::BITS - PART_BITS);
        bench.numbering.clear();
        let mut dealt = 0;
        for key in &self.groups.keys {
            let key = key.and(mask);
            if key.slice() < part {
                dealt += 1;
                bench.numbering.add(key, 0);
            }
        }
        let distinct = self.len() * bench.numbering.entries.len();
        distinct.checked_div(dealt).unwrap_or(self.len())
    }

    /// Narrows to a range of levels within this one's.
    pub(super) fn narrow(
        &self,
        case: &Case<'_>,
        low: &[usize],
        high: &[usize],
        bench: &mut Bench<K>,
    ) -> Self {
        let (low_mask, high_mask): (K, K) = (case.layout.mask(low), case.layout.mask(high));
        // The classes of the highest node, all at once: segments are whole classes of a higher one.
        let mut classes: Vec<(K, u32)> = Vec::new();
        bench.number_of.clear();
        let mut from = 0;
        for end in &self.ends {
            let range = from..place(*end);
            from = range.end;
            bench.numbering.clear();
            let first = number(classes.len());
            for (key, rows) in self.groups.keys[range.clone()].iter().zip(&self.groups.rows[range])
            {
                bench.number_of.push(first + bench.numbering.add(key.and(high_mask), *rows));
            }
            classes.extend_from_slice(&bench.numbering.entries);
        }
        bench.sorted.sort(classes.len(), &bench.number_of, number);
        let mut lost = self.lost.clone();
        let mut order = Vec::with_capacity(classes.len());
        for (class, (_, rows)) in classes.iter().enumerate() {
            let members = bench.sorted.of(class);
            let dead = if let Some(least) = case.least_rows {
                *rows < least
            } else {
                self.groups.merge(members, &mut bench.merged);
                case.hope(&bench.merged) == Verdict::Suppressed
            };
            if dead {
                for member in members {
                    let member = place(*member);
                    case.lose(&mut lost, self.groups.keys[member], self.groups.rows[member]);
                }
            } else {
                order.push((*rows, class));
            }
        }
        // Small classes first: what is to be suppressed is found among them.
        order.sort_unstable();
        let mut groups = self.groups.none(self.len());
        let mut ends = Vec::with_capacity(order.len());
        let mut parts = Sorted::default();
        for (_, class) in order {
            let members = bench.sorted.of(class);
            bench.numbering.clear();
            bench.number_of.clear();
            for member in members {
                let member = place(*member);
                let key = self.groups.keys[member].and(low_mask);
                bench.number_of.push(bench.numbering.add(key, self.groups.rows[member]));
            }
            if let Some(least) = case.least_rows
                && case.forgets()
                && bench.numbering.entries.iter().all(|(_, rows)| *rows >= least)
            {
                continue;
            }
            if self.groups.carries_rows_alone() {
                for (key, rows) in &bench.numbering.entries {
                    groups.keys.push(*key);
                    groups.rows.push(*rows);
                }
            } else {
                parts.sort(bench.numbering.entries.len(), &bench.number_of, |at| members[at]);
                for (part, (key, _)) in bench.numbering.entries.iter().enumerate() {
                    self.groups.merge(parts.of(part), &mut bench.merged);
                    groups.push(*key, &bench.merged, &self.groups);
                }
            }
            ends.push(number(groups.len()));
        }
        groups.shrink();
        Self { low: low.to_vec(), groups, ends, lost }
    }
}
