//! Branch and bound over regions: all nodes between a lowest and a highest one.
//!
//! Comes in: a [`Case`] and a table's groups. Goes out: the best node and how far that is shown. Never:
//! a region given up that may hold a better node: one goes when its highest node suppresses too much
//! (its other nodes suppress more), or when its lowest node, with what the highest suppresses, already
//! loses more than a node that was found.
//!
//! Regions are taken best bound first, several at a time whatever the number of threads, and what they
//! find is put together in their order: the same node and the same counts each time.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use rayon::prelude::*;

use super::{
    case::{Case, Costs},
    count::{Counted, Kept},
    groups::Groups,
    keys::Key,
    view::{Bench, View},
};

/// What the search found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) best: Option<(Vec<usize>, Kept)>,
    pub(super) checked: u64,
    /// What each node that was not looked at loses at the least; none where all were.
    pub(super) open: Option<f64>,
}

/// How many regions are taken at a time.
const WAVE: usize = 8;

/// From so many open regions on the worst are taken first, so that they do not fill the memory.
const OPEN_MOST: usize = 50_000;

/// What all views together may take in memory.
const VIEW_BYTES: usize = 320 << 20;

/// A view of fewer groups is not worth narrowing.
const GROUPS_LEAST: usize = 256;

/// A bound is lowered by so much, since sums of logarithms come out a little apart.
const SLACK: f64 = 1e-12;

#[derive(Debug)]
struct Region<K> {
    low: Vec<usize>,
    high: Vec<usize>,
    bound: f64,
    view: Arc<View<K>>,
    costs: Arc<Costs>,
    /// Records lost in all of it.
    lost: u64,
    /// The sum of the lowest levels when its view was last thought of.
    seen: usize,
}

/// What taking a region led to.
#[derive(Debug)]
struct Taken<K> {
    regions: Vec<Region<K>>,
    best: Option<(Vec<usize>, Kept)>,
    /// Nodes that suppress too much, as all below them do.
    bad: Vec<Vec<usize>>,
    checked: u64,
}

struct Search<'a, K> {
    case: &'a Case<'a>,
    best: Option<(Vec<usize>, Kept)>,
    bad: Vec<Vec<usize>>,
    narrows: bool,
    key: std::marker::PhantomData<K>,
}

/// Finds the best node.
pub(super) fn best<K: Key>(
    case: &Case<'_>,
    groups: Groups<K>,
    go_on: &(dyn Fn() -> bool + Sync),
) -> Found {
    let root = Arc::new(View::whole(case, groups));
    let mut search =
        Search { case, best: None, bad: Vec::new(), narrows: true, key: std::marker::PhantomData };
    let mut checked = 1;
    let mut open: BTreeMap<(u64, u64), Region<K>> = BTreeMap::new();
    let mut next = 0;
    if let Some(counted) = root.count(case, &case.top(), &mut Bench::default()) {
        search.meet(case.top(), counted.kept);
        let low = vec![0; case.top().len()];
        let bound = lowered(case.bound(&counted.costs, &low));
        let (costs, lost) = (Arc::new(counted.costs), counted.lost);
        let view = Arc::clone(&root);
        let region = Region { low, high: case.top(), bound, view, costs, lost, seen: 0 };
        open.insert((ordered(bound), next), region);
    }
    while !open.is_empty() {
        if !go_on() {
            break;
        }
        let mut wave = Vec::with_capacity(WAVE);
        while wave.len() < WAVE {
            let taken = if open.len() > OPEN_MOST { open.pop_last() } else { open.pop_first() };
            let Some((_, region)) = taken else { break };
            if !search.is_beaten(region.bound, &region.low) && !search.is_bad(&region.high) {
                wave.push(region);
            }
        }
        let taken: Vec<Taken<K>> = wave
            .into_par_iter()
            .with_max_len(1)
            .map_init(Bench::default, |bench, region| search.take(region, bench))
            .collect();
        for taken in taken {
            checked += taken.checked;
            search.bad.extend(taken.bad);
            if let Some((levels, kept)) = taken.best {
                search.meet(levels, Some(kept));
            }
            for region in taken.regions {
                next += 1;
                open.insert((ordered(region.bound), next), region);
            }
        }
        search.narrows = views_bytes(&open) < VIEW_BYTES;
    }
    let open = open.first_key_value().map(|(_, region)| region.bound);
    // What is left open and beaten is not open.
    let open =
        open.filter(|bound| search.best.as_ref().is_none_or(|(_, kept)| *bound < kept.score));
    let mut best = search.best;
    if let Some((levels, kept)) = &mut best {
        // A view forgets classes that stay: all of them are counted for the figures.
        let counted = root.count(case, levels, &mut Bench::default());
        *kept = counted.and_then(|counted| counted.kept).unwrap_or(*kept);
    }
    Found { best, checked, open }
}

impl<K: Key> Search<'_, K> {
    /// Keeps a node that may be shown if it is better than the best so far.
    fn meet(&mut self, levels: Vec<usize>, kept: Option<Kept>) {
        if let Some(kept) = kept
            && better(self.case, (&levels, &kept), self.best.as_ref())
        {
            self.best = Some((levels, kept));
        }
    }

    /// Tells whether no node from `low` up that loses at least `bound` can be better than the best.
    fn is_beaten(&self, bound: f64, low: &[usize]) -> bool {
        beaten(self.best.as_ref(), bound, low)
    }

    /// Tells whether a node is known to suppress too much.
    fn is_bad(&self, levels: &[usize]) -> bool {
        self.bad.iter().any(|bad| levels.iter().zip(bad).all(|(level, bad)| level <= bad))
    }

    /// Looks at a region: trims it, and splits what is left in two.
    fn take(&self, mut region: Region<K>, bench: &mut Bench<K>) -> Taken<K> {
        let case = self.case;
        let mut taken =
            Taken { regions: Vec::new(), best: self.best.clone(), bad: Vec::new(), checked: 0 };
        self.narrow(&mut region, bench);
        if !case.measure.is_by_columns() {
            taken.checked += 1;
            self.coarsen(&mut region, bench);
            if beaten(taken.best.as_ref(), region.bound, &region.low) {
                return taken.told(self.best.as_ref());
            }
        }
        loop {
            let high = self.trimmed(&region, taken.best.as_ref());
            if high == region.high {
                break;
            }
            let Some(counted) = self.count(&region, &high, &mut taken, bench) else {
                return taken.told(self.best.as_ref());
            };
            region.high = high;
            region.lost = counted.lost;
            region.bound = region.bound.max(lowered(case.bound(&counted.costs, &region.low)));
            region.costs = Arc::new(counted.costs);
            if beaten(taken.best.as_ref(), region.bound, &region.low) {
                return taken.told(self.best.as_ref());
            }
        }
        if let Some((column, level)) = self.split(&region) {
            let mut low = region.low.clone();
            set(&mut low, column, level + 1);
            let bound = region.bound.max(lowered(case.bound(&region.costs, &low)));
            let mut high = region.high.clone();
            set(&mut high, column, level);
            if let Some(counted) = self.count(&region, &high, &mut taken, bench) {
                let bound = region.bound.max(lowered(case.bound(&counted.costs, &region.low)));
                taken.regions.push(Region {
                    low: region.low.clone(),
                    high,
                    bound,
                    view: Arc::clone(&region.view),
                    lost: counted.lost,
                    costs: Arc::new(counted.costs),
                    seen: region.seen,
                });
            }
            taken.regions.push(Region { low, bound, ..region });
            let best = taken.best.clone();
            taken.regions.retain(|region| !beaten(best.as_ref(), region.bound, &region.low));
        }
        taken.told(self.best.as_ref())
    }

    /// Counts a node of a region; none where it and all below suppress too much.
    fn count(
        &self,
        region: &Region<K>,
        levels: &[usize],
        taken: &mut Taken<K>,
        bench: &mut Bench<K>,
    ) -> Option<Counted> {
        if self.is_bad(levels) {
            return None;
        }
        taken.checked += 1;
        let counted = region.view.count(self.case, levels, bench);
        let counted = counted.filter(|counted| counted.kept.is_some() || !self.case.monotone);
        let Some(counted) = counted else {
            taken.bad.push(levels.to_vec());
            return None;
        };
        if let Some(kept) = counted.kept
            && better(self.case, (levels, &kept), taken.best.as_ref())
        {
            taken.best = Some((levels.to_vec(), kept));
        }
        Some(counted)
    }

    /// Returns the highest node of a region without levels that are beaten whatever the others are.
    fn trimmed(&self, region: &Region<K>, best: Option<&(Vec<usize>, Kept)>) -> Vec<usize> {
        let mut probe = region.low.clone();
        let ranges = region.low.iter().zip(&region.high).enumerate();
        let trimmed = ranges.map(|(column, (low, high))| {
            let level = (low + 1..=*high).rev().find(|level| {
                set(&mut probe, column, *level);
                !beaten(best, lowered(self.case.bound(&region.costs, &probe)), &probe)
            });
            set(&mut probe, column, *low);
            level.unwrap_or(*low)
        });
        trimmed.collect()
    }

    /// Returns where to split a region: the column and the last level of the lower part. It is where
    /// the upper part's bound rises most for the levels that the lower part has.
    fn split(&self, region: &Region<K>) -> Option<(usize, usize)> {
        let mut probe = region.low.clone();
        let mut most: Option<(f64, (usize, usize))> = None;
        for (column, (low, high)) in region.low.iter().zip(&region.high).enumerate() {
            for level in *low..*high {
                set(&mut probe, column, level + 1);
                let rise = lowered(self.case.bound(&region.costs, &probe)) - region.bound;
                let rise = rise / f64::from(u32::try_from(level - low + 1).unwrap_or(u32::MAX));
                if most.is_none_or(|(most, _)| rise > most) {
                    most = Some((rise, (column, level)));
                }
            }
            set(&mut probe, column, *low);
        }
        most.map(|(_, place)| place)
    }

    /// Narrows the view of a region if that makes it much smaller.
    fn narrow(&self, region: &mut Region<K>, bench: &mut Bench<K>) {
        let levels: usize = region.low.iter().sum();
        if !self.narrows
            || levels == region.seen
            || region.view.low == region.low
            || region.view.len() < GROUPS_LEAST
        {
            return;
        }
        region.seen = levels;
        if region.view.guess(self.case, &region.low, bench) * 4 < region.view.len() {
            let view = region.view.narrow(self.case, &region.low, &region.high, bench);
            region.view = Arc::new(view);
        }
    }

    /// Raises the bound of a region by how coarse its lowest node is, for metrics of classes.
    fn coarsen(&self, region: &mut Region<K>, bench: &mut Bench<K>) {
        let case = self.case;
        let coarse = region.view.coarse(case, &region.low, bench);
        let (rows, least) = (case.measure.rows(), case.conditions.least_rows());
        let most = (rows - region.lost).checked_div(least);
        let classes = most.map_or(coarse.classes, |most| most.min(coarse.classes));
        // What is suppressed may be a class more.
        let classes = classes + u64::from(case.limit > 0);
        // What is lost was counted as if it stayed, in classes of no more than all of it.
        let dearer = rows.saturating_sub(region.lost.max(least));
        let squares = coarse.squares + u128::from(region.lost) * u128::from(dearer);
        let bound = case.measure.of_classes(classes, squares, 0);
        region.bound = region.bound.max(lowered(bound));
    }
}

impl<K> Taken<K> {
    /// Forgets a best node that is not its own.
    fn told(mut self, known: Option<&(Vec<usize>, Kept)>) -> Self {
        if let (Some((levels, _)), Some((known, _))) = (&self.best, known)
            && levels == known
        {
            self.best = None;
        }
        self
    }
}

fn better(
    case: &Case<'_>,
    (levels, kept): (&[usize], &Kept),
    best: Option<&(Vec<usize>, Kept)>,
) -> bool {
    best.is_none_or(|(best_levels, best)| {
        case.measure.order((levels, kept.score), (best_levels, best.score)) == Ordering::Less
    })
}

fn beaten(best: Option<&(Vec<usize>, Kept)>, bound: f64, low: &[usize]) -> bool {
    best.is_some_and(|(levels, kept)| {
        bound > kept.score
            || (bound >= lowered(kept.score)
                && low.iter().sum::<usize>() > levels.iter().sum::<usize>())
    })
}

fn lowered(bound: f64) -> f64 {
    bound - bound.abs() * SLACK
}

/// Returns bits that are in the order of the numbers, which are 0 or more.
fn ordered(bound: f64) -> u64 {
    bound.max(0.0).to_bits()
}

fn set(levels: &mut [usize], column: usize, level: usize) {
    if let Some(place) = levels.get_mut(column) {
        *place = level;
    }
}

fn views_bytes<K: Key>(open: &BTreeMap<(u64, u64), Region<K>>) -> usize {
    let mut views: Vec<(*const View<K>, usize)> =
        open.values().map(|region| (Arc::as_ptr(&region.view), region.view.bytes())).collect();
    views.sort_unstable();
    views.dedup();
    views.iter().map(|(_, bytes)| bytes).sum()
}
