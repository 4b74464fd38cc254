//! A node counted within a view: which records it suppresses, and what it loses.
//!
//! Comes in: a [`View`] and levels. Goes out: [`Counted`], or nothing as soon as it is clear that the
//! node and all below it suppress too many records. Never: a class judged by a part of its records.

#![expect(
    clippy::indexing_slicing,
    reason = "the innermost loops; places come from the lists' lengths"
)]

use std::ops::Range;

use super::{
    Verdict,
    average::{self, Class},
    case::{Case, Costs, Lost},
    groups::number,
    keys::{Key, place},
    view::{Bench, MANY, PART_BITS, View},
};

/// A node whose classes were counted.
#[derive(Debug)]
pub(super) struct Counted {
    /// What is suppressed in it and all nodes below.
    pub(super) costs: Costs,
    /// How many records that are.
    pub(super) lost: u64,
    /// What it loses; none where it may not be shown.
    pub(super) kept: Option<Kept>,
}

/// A node that may be shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    pub(super) score: f64,
    pub(super) suppressed: u64,
    pub(super) classes: u64,
    pub(super) smallest: u64,
}

impl<K: Key> View<K> {
    /// Counts a node's classes; none where it and all nodes below would suppress too many records.
    pub(super) fn count(
        &self,
        case: &Case<'_>,
        levels: &[usize],
        bench: &mut Bench<K>,
    ) -> Option<Counted> {
        let mask = case.layout.mask(levels);
        let mut sums = Sums { lost: self.lost.rows, ..Sums::default() };
        bench.clear();
        let mut from = 0;
        for end in &self.ends {
            let range = from..place(*end);
            from = range.end;
            if range.len() < MANY {
                self.number(mask, range.clone(), bench);
                self.judge(case, range.start, &mut sums, bench)?;
                continue;
            }
            // Classes that a part of all hashes deals out are whole ones: often they are enough.
            let mut dealt = 0;
            while dealt < PARTS {
                let (next, before) = (sums.next(case.limit, dealt), sums.lost);
                self.deal(mask, range.clone(), dealt..next, bench);
                self.judge(case, range.start, &mut sums, bench)?;
                sums.rate = (sums.lost - before) / (next - dealt);
                dealt = next;
            }
        }
        Some(self.counted(case, levels, sums, bench))
    }

    /// Numbers the classes of some groups.
    fn number(&self, mask: K, range: Range<usize>, bench: &mut Bench<K>) {
        bench.numbering.clear();
        bench.number_of.clear();
        bench.picked.clear();
        let groups = self.groups.keys[range.clone()].iter().zip(&self.groups.rows[range]);
        for (key, rows) in groups {
            bench.number_of.push(bench.numbering.add(key.and(mask), *rows));
        }
    }

    /// Numbers those classes of some groups whose hash is in some parts.
    fn deal(&self, mask: K, range: Range<usize>, parts: Range<u64>, bench: &mut Bench<K>) {
        bench.numbering.clear();
        bench.number_of.clear();
        bench.picked.clear();
        let groups = self.groups.keys[range.clone()].iter().zip(&self.groups.rows[range]);
        for (at, (key, rows)) in groups.enumerate() {
            let key = key.and(mask);
            if parts.contains(&(key.slice() >> (u64::BITS - PART_BITS))) {
                bench.number_of.push(bench.numbering.add(key, *rows));
                bench.picked.push(number(at));
            }
        }
    }

    /// Judges the classes that the bench holds, of groups from `first` on.
    fn judge(
        &self,
        case: &Case<'_>,
        first: usize,
        sums: &mut Sums,
        bench: &mut Bench<K>,
    ) -> Option<()> {
        let before = sums.lost;
        if let Some(least) = case.least_rows {
            for (_, rows) in &bench.numbering.entries {
                if *rows >= least {
                    sums.keep(*rows);
                } else {
                    sums.lost += u64::from(*rows);
                }
            }
            bench.hopeless.clear();
            if before < sums.lost && sums.lost <= case.limit {
                let entries = bench.numbering.entries.iter();
                bench.hopeless.extend(entries.map(|(_, rows)| *rows < least));
            }
        } else {
            self.judge_values(case, first, sums, bench)?;
        }
        if sums.lost > case.limit {
            return None;
        }
        if before < sums.lost {
            for (at, number_of) in bench.number_of.iter().enumerate() {
                if bench.hopeless[place(*number_of)] {
                    let at = bench.picked.get(at).map_or(at, |at| place(*at));
                    bench.lost.push(number(first + at));
                }
            }
        }
        Some(())
    }

    /// Judges classes by more than their rows.
    fn judge_values(
        &self,
        case: &Case<'_>,
        first: usize,
        sums: &mut Sums,
        bench: &mut Bench<K>,
    ) -> Option<()> {
        let averaged = case.conditions.average().is_some();
        let least = case.conditions.least_rows();
        bench.hopeless.clear();
        if sums.too_many(case) {
            let entries = bench.numbering.entries.iter().map(|(_, rows)| u64::from(*rows));
            let small = entries.map(|rows| if rows < least { rows } else { 0 });
            bench.hopeless.extend(small.map(|rows| {
                sums.lost += rows;
                rows > 0
            }));
            return Some(());
        }
        let picked = &bench.picked;
        bench.sorted.sort(bench.numbering.entries.len(), &bench.number_of, |at| {
            number(first + picked.get(at).map_or(at, |at| place(*at)))
        });
        for (class, (key, rows)) in bench.numbering.entries.iter().enumerate() {
            let small = *rows > 0 && u64::from(*rows) < least;
            let verdict = if small {
                Verdict::Suppressed
            } else if sums.too_many(case) {
                bench.hopeless.push(false);
                continue;
            } else {
                self.groups.merge(bench.sorted.of(class), &mut bench.merged);
                case.verdict(&bench.merged)
            };
            let mut hopeless = false;
            match verdict {
                Verdict::Forbids => return None,
                Verdict::Stays if *rows == 0 => {}
                Verdict::Stays => {
                    sums.keep(*rows);
                    if averaged {
                        bench.stay.push((*key, *rows, bench.merged.first));
                    }
                }
                Verdict::Suppressed => {
                    hopeless =
                        small || case.monotone || case.hope(&bench.merged) == Verdict::Suppressed;
                    if hopeless {
                        sums.lost += u64::from(*rows);
                        if sums.lost > case.limit {
                            return None;
                        }
                    } else {
                        sums.merely += u64::from(*rows);
                        bench.merely.push((*key, *rows));
                    }
                }
            }
            bench.hopeless.push(hopeless);
        }
        Some(())
    }

    /// Sums up what was counted.
    fn counted(
        &self,
        case: &Case<'_>,
        levels: &[usize],
        mut sums: Sums,
        bench: &Bench<K>,
    ) -> Counted {
        let mut lost = self.lost.clone();
        for group in &bench.lost {
            let group = place(*group);
            case.lose(&mut lost, self.groups.keys[group], self.groups.rows[group]);
        }
        let costs = case.costs(&lost);
        let hopeless = lost.rows;
        let kept = kept(case, levels, &costs, &mut lost, &mut sums, bench);
        Counted { costs, lost: hopeless, kept }
    }
}

/// Reckons what a node loses, if it does not suppress too much.
fn kept<K: Key>(
    case: &Case<'_>,
    levels: &[usize],
    costs: &Costs,
    lost: &mut Lost,
    sums: &mut Sums,
    bench: &Bench<K>,
) -> Option<Kept> {
    if sums.lost + sums.merely > case.limit {
        return None;
    }
    let hopeless = lost.rows;
    for (key, rows) in &bench.merely {
        case.lose(lost, *key, *rows);
    }
    if let Some(most) = case.conditions.average() {
        let codes: Vec<Vec<u32>> =
            bench.stay.iter().map(|(key, ..)| case.codes(levels, *key)).collect();
        let classes = bench.stay.iter().zip(&codes).map(|((_, rows, first), codes)| Class {
            rows: u64::from(*rows),
            first_row: *first,
            codes,
        });
        let classes: Vec<Class<'_>> = classes.collect();
        let mut stays = vec![true; bench.stay.len()];
        for gone in average::suppress(&case.measure, levels, most, &classes) {
            stays[gone] = false;
            case.lose(lost, bench.stay[gone].0, bench.stay[gone].1);
        }
        *sums = Sums::default();
        for (_, (_, rows, _)) in stays.iter().zip(&bench.stay).filter(|(stays, _)| **stays) {
            sums.keep(*rows);
        }
    }
    if lost.rows > case.limit {
        return None;
    }
    let score = if case.measure.is_by_columns() {
        let all = (lost.rows > hopeless).then(|| case.costs(lost));
        case.bound(all.as_ref().unwrap_or(costs), levels)
    } else {
        case.measure.of_classes(sums.classes, sums.squares, lost.rows)
    };
    let (classes, smallest) = (sums.classes, sums.smallest.unwrap_or(0));
    Some(Kept { score, suppressed: lost.rows, classes, smallest })
}

/// Classes kept so far, and records suppressed.
#[derive(Debug, Default)]
struct Sums {
    classes: u64,
    squares: u128,
    smallest: Option<u64>,
    /// Records suppressed in this node and all nodes below.
    lost: u64,
    /// Records suppressed in this node.
    merely: u64,
    /// Records lost in each part of the hashes that was looked at last.
    rate: u64,
}

impl Sums {
    /// Returns up to which part to look next: so far as will be too much, if the rest is like the last.
    fn next(&self, limit: u64, dealt: u64) -> u64 {
        if dealt == 0 {
            return PARTS_FIRST;
        }
        let left = limit.saturating_sub(self.lost) + 1;
        let parts = left.checked_div(self.rate).map_or(PARTS, |parts| parts + parts / 8 + 2);
        if parts > PARTS / 2 { PARTS } else { (dealt + parts).min(PARTS) }
    }

    /// Tells whether a node cannot be shown, and what is hopeless in it is told by rows: no more need
    /// be known of its classes.
    fn too_many(&self, case: &Case<'_>) -> bool {
        case.hopes_by_rows && self.lost + self.merely > case.limit
    }

    #[inline]
    fn keep(&mut self, rows: u32) {
        let rows = u64::from(rows);
        self.classes += 1;
        self.squares += u128::from(rows * rows);
        self.smallest = Some(self.smallest.map_or(rows, |smallest| smallest.min(rows)));
    }
}

/// How many parts of all hashes there are.
const PARTS: u64 = 1 << PART_BITS;

/// How many are looked at first.
const PARTS_FIRST: u64 = 3;
