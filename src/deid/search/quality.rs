//! What a told table is still good for, on scales where 1 is the table as it came and 0 says nothing.
//!
//! Comes in: a table and at which levels each record is told. Goes out: [`Quality`], the figures that
//! ARX prints for such a table. Never: the scale of a [`super::Metric`]; a search compares nodes, these
//! compare tables that were told in any way.

#![expect(clippy::cast_precision_loss, reason = "counts of records stay far below 2^53")]

use std::collections::BTreeMap;

use super::{Quasi, Recoding, Table};

/// How useful a told table is. What is told of a column is its labels: one that stands at two levels
/// of a hierarchy is one label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Granularity (Iyengar 2002): by the share of a column's values that a label may stand for.
    pub granularity: f64,
    /// Generalisation intensity (Sweeney 2002): by how high labels stand.
    pub intensity: f64,
    /// Non-uniform entropy (De Waal and Willenborg 1999).
    pub entropy: f64,
    /// Discernibility (Bayardo and Agrawal 2005).
    pub discernibility: f64,
    /// Average class size (`LeFevre` et al. 2006).
    pub average_class: f64,
    /// Classes that are told.
    pub classes: u64,
    /// Records in the smallest of them.
    pub smallest: u64,
    /// Records that are not told.
    pub suppressed: u64,
}

impl Quality {
    /// Measures the released records of a table.
    pub fn of(table: &Table, recoding: &Recoding) -> Self {
        let columns: Vec<Labels> = table
            .quasi
            .iter()
            .enumerate()
            .map(|(place, quasi)| Labels::new(place, quasi))
            .collect();
        let rows: Vec<(usize, Option<&[usize]>)> = (0..table.rows)
            .filter(|row| table.is_released(*row))
            .map(|row| (row, recoding.levels(row)))
            .collect();
        let count = rows.len() as f64;
        let told: Vec<Figures> =
            columns.iter().map(|column| column.figures(table, &rows, count)).collect();

        let classes = sizes(table, &columns, &rows);
        let suppressed = rows.iter().filter(|(_, levels)| levels.is_none()).count() as u64;
        let input: Vec<(usize, Option<&[usize]>)> = {
            let leaves = recoding.zeros();
            rows.iter().map(|(row, _)| (*row, Some(leaves))).collect()
        };
        let before = sizes(table, &columns, &input);
        let squares = |sizes: &[u64]| sizes.iter().map(|n| (*n as f64) * (*n as f64)).sum::<f64>();
        let average = |sizes: &[u64]| {
            let records = sizes.iter().sum::<u64>() as f64;
            if sizes.is_empty() { count } else { records / sizes.len() as f64 }
        };
        let least: f64 = told.iter().map(|one| one.least_share).sum();
        let shares: f64 = told.iter().map(|one| one.share).sum();
        let heights: Vec<f64> = told.iter().filter_map(|one| one.height).collect();
        let bits: f64 = told.iter().map(|one| one.bits).sum();
        let bits_most: f64 = told.iter().map(|one| one.bits_most).sum();
        Self {
            granularity: kept(shares - least, told.len() as f64 - least),
            intensity: kept(heights.iter().sum(), heights.len() as f64),
            entropy: kept(bits, bits_most),
            discernibility: kept(
                squares(&classes) + suppressed as f64 * count - squares(&before),
                count * count - squares(&before),
            ),
            average_class: kept(average(&classes) - average(&before), count - average(&before)),
            classes: classes.len() as u64,
            smallest: classes.iter().min().copied().unwrap_or(0),
            suppressed,
        }
    }
}

/// What is left of the most that can be lost.
fn kept(lost: f64, most: f64) -> f64 {
    if most > 0.0 { 1.0 - (lost / most).clamp(0.0, 1.0) } else { 1.0 }
}

/// Returns the sizes of the classes of the records that are told.
fn sizes(table: &Table, columns: &[Labels], rows: &[(usize, Option<&[usize]>)]) -> Vec<u64> {
    let told = rows.iter().filter_map(|(row, levels)| Some((*row, (*levels)?)));
    let all = columns.iter().try_fold(1_u128, |all, column| all.checked_mul(column.count()));
    if all.is_some() {
        // All tuples that there may be are fewer than 2^128: each is a number.
        let number = |(row, levels): (usize, &[usize])| -> Option<u128> {
            columns.iter().zip(levels).try_fold(0, |number, (column, level)| {
                Some(number * column.count() + u128::from(column.id(table, row, *level)?))
            })
        };
        runs(told.filter_map(number).collect())
    } else {
        let list = |(row, levels): (usize, &[usize])| -> Option<Vec<u32>> {
            columns
                .iter()
                .zip(levels)
                .map(|(column, level)| column.id(table, row, *level))
                .collect()
        };
        runs(told.filter_map(list).collect())
    }
}

/// Returns how often each key is there.
fn runs<K: Ord>(mut keys: Vec<K>) -> Vec<u64> {
    keys.sort_unstable();
    keys.chunk_by(|one, other| one == other).map(|class| class.len() as u64).collect()
}

/// What one column tells.
struct Figures {
    share: f64,
    least_share: f64,
    /// How high its labels stand on average, 0 to 1; none where there is one level.
    height: Option<f64>,
    bits: f64,
    bits_most: f64,
}

/// A column's labels, those of all levels by their text.
pub(super) struct Labels {
    place: usize,
    /// By level and code the label's place in `shares` and `lowest`.
    ids: Vec<Vec<u32>>,
    /// The share of leaves under each label.
    shares: Vec<f64>,
    /// The lowest level on which each label stands.
    lowest: Vec<usize>,
    /// The level that stands for a suppressed value.
    suppressed: usize,
}

impl Labels {
    pub(super) fn new(place: usize, quasi: &Quasi) -> Self {
        let mut by_text: BTreeMap<&str, u32> = BTreeMap::new();
        let (mut ids, mut shares, mut lowest) = (Vec::new(), Vec::new(), Vec::new());
        let leaves = quasi.hierarchy.leaves() as f64;
        for (height, level) in (0..).map_while(|h| Some((h, quasi.hierarchy.level(h)?))) {
            let mut under = vec![0_u64; level.labels.len()];
            for code in &level.of_leaf {
                if let Some(under) = under.get_mut(*code as usize) {
                    *under += 1;
                }
            }
            let here = level.labels.iter().zip(&under).map(|(label, under)| {
                let id = *by_text.entry(label).or_insert_with(|| {
                    shares.push(0.0);
                    lowest.push(height);
                    u32::try_from(shares.len() - 1).unwrap_or(u32::MAX)
                });
                // The highest level on which the label stands says what it may stand for.
                if let Some(share) = shares.get_mut(id as usize) {
                    *share = *under as f64 / leaves;
                }
                id
            });
            let here = here.collect();
            ids.push(here);
        }
        let top = ids.len().saturating_sub(1);
        let star = by_text.get("*").and_then(|id| lowest.get(*id as usize));
        Self { place, suppressed: star.copied().unwrap_or(top), ids, shares, lowest }
    }

    /// Returns how many labels there are.
    fn count(&self) -> u128 {
        self.shares.len() as u128
    }

    /// Returns the label of a row at a level, as a number.
    pub(super) fn id(&self, table: &Table, row: usize, level: usize) -> Option<u32> {
        let quasi = table.quasi.get(self.place)?;
        let leaf = *quasi.codes.get(row)?;
        let code = *quasi.hierarchy.level(level)?.of_leaf.get(leaf as usize)?;
        self.ids.get(level)?.get(code as usize).copied()
    }

    fn figures(&self, table: &Table, rows: &[(usize, Option<&[usize]>)], count: f64) -> Figures {
        let levels = self.ids.len();
        let leaves = table.quasi.get(self.place).map_or(0, |quasi| quasi.hierarchy.leaves());
        // Records of each value by the lowest level on which their label stands.
        let mut held = vec![vec![0_u64; leaves]; levels];
        let (mut share, mut height) = (0.0, 0.0);
        let steps = levels.saturating_sub(1) as f64;
        for (row, told) in rows {
            let level = told.and_then(|levels| levels.get(self.place).copied());
            let label = level.and_then(|level| self.id(table, *row, level)).map(|id| id as usize);
            share += label.and_then(|id| self.shares.get(id)).copied().unwrap_or(1.0);
            let lowest = label.and_then(|id| self.lowest.get(id)).copied();
            height += lowest.map_or(1.0, |level| level as f64 / steps);
            if let Some(quasi) = table.quasi.get(self.place)
                && let Some(leaf) = quasi.codes.get(*row)
                && let Some(held) = held.get_mut(lowest.unwrap_or(self.suppressed))
                && let Some(held) = held.get_mut(*leaf as usize)
            {
                *held += 1;
            }
        }
        let (bits, bits_most) = self.bits(table, &held, count);
        Figures {
            share: share / count,
            least_share: 1.0 / leaves as f64,
            height: (levels > 1).then_some(height / count),
            bits,
            bits_most,
        }
    }

    /// Returns the entropy that the column lost and what it could lose. A record loses it on the way
    /// up, at each level where any record's label stands, among the records that go at least so far.
    fn bits(&self, table: &Table, held: &[Vec<u64>], count: f64) -> (f64, f64) {
        let Some(quasi) = table.quasi.get(self.place) else { return (0.0, 0.0) };
        let mut left: Vec<u64> = vec![0; quasi.hierarchy.leaves()];
        for held in held {
            left.iter_mut().zip(held).for_each(|(sum, held)| *sum += held);
        }
        let most = left.iter().filter(|n| **n > 0).map(|n| *n as f64 * (*n as f64 / count).log2());
        let most: f64 = most.sum();
        let mut lost = 0.0;
        let mut below: usize = 0;
        for (height, here) in held.iter().enumerate() {
            let any = here.iter().any(|n| *n > 0);
            if let (true, Some(under), Some(level)) =
                (any, quasi.hierarchy.level(below), quasi.hierarchy.level(height))
            {
                let (from, to) = (sums(&under.of_leaf, &left), sums(&level.of_leaf, &left));
                for ((from_code, to_code), n) in under.of_leaf.iter().zip(&level.of_leaf).zip(&left)
                {
                    if let (true, Some(from), Some(to)) =
                        (*n > 0, from.get(*from_code as usize), to.get(*to_code as usize))
                    {
                        lost += *n as f64 * (*from as f64 / *to as f64).log2();
                    }
                }
                below = height;
            }
            left.iter_mut().zip(here).for_each(|(left, here)| *left -= here);
        }
        (-lost, -most)
    }
}

/// Sums the records of leaves by their label.
fn sums(of_leaf: &[u32], records: &[u64]) -> Vec<u64> {
    let mut sums = vec![0; of_leaf.iter().max().map_or(0, |most| *most as usize + 1)];
    for (code, records) in of_leaf.iter().zip(records) {
        if let Some(sum) = sums.get_mut(*code as usize) {
            *sum += records;
        }
    }
    sums
}
