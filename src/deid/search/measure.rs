//! Reckons what a node loses: a bound before its classes are counted, a score after.
//!
//! Comes in: a table and a [`Metric`], then for each node the sizes of the classes that stay and the
//! codes of those that do not. Goes out: numbers on the metric's own scale, less is better, the same
//! that ARX prints. Never: a bound above the score of its node or of any node above it.
//!
//! A label's share of its column is the number of the hierarchy's leaves under it, whether rows hold
//! them or not, over the number of leaves. Figures of columns are cut to ten decimals, as ARX cuts
//! them, so that nodes tie here where they tie there.

#![expect(clippy::cast_precision_loss, reason = "counts of records stay far below 2^53")]

use std::cmp::Ordering;

use super::{Metric, Quasi, Table};
use crate::deid::hierarchy::Level;

/// Reckons by one metric over one table.
#[derive(Debug, Clone)]
pub struct Measure {
    metric: Metric,
    rows: u64,
    columns: Vec<Column>,
}

#[derive(Debug, Clone)]
struct Column {
    leaves: u64,
    levels: Vec<Told>,
}

/// A column told at one level.
#[derive(Debug, Clone)]
struct Told {
    /// The leaves under each label.
    leaves: Vec<u64>,
    /// The sum over records of the leaves under their label.
    leaves_sum: u64,
    /// The sum over records of log2(records of the value / records of the label), 0 or less.
    entropy: f64,
    /// The level over the highest one.
    height: f64,
    /// What the column loses where nothing is suppressed, by the metric.
    lost: f64,
    /// Labels that records hold.
    labels: u64,
}

/// What is known of a node's classes, counted class by class.
#[derive(Debug, Clone)]
pub struct Tally<'m> {
    measure: &'m Measure,
    levels: Vec<usize>,
    kept_rows: u64,
    kept_classes: u64,
    kept_squares: u128,
    suppressed_rows: u64,
    suppressed_classes: u64,
    suppressed_squares: u128,
    /// By column the sum over suppressed records of the leaves under their label.
    leaves: Vec<u64>,
    /// By column the suppressed records of each label; for entropy alone.
    labels: Vec<Vec<u64>>,
}

impl Measure {
    /// Reads from a table what every node shares.
    pub fn new(table: &Table, metric: Metric) -> Self {
        let rows = table.released_rows();
        let columns = table.quasi.iter().map(|quasi| Column::new(table, quasi, rows, metric));
        Self { metric, rows, columns: columns.collect() }
    }

    /// Tells whether the columns lose each by itself, so that [`Measure::column`] says all.
    pub(super) fn is_by_columns(&self) -> bool {
        match self.metric {
            Metric::Loss
            | Metric::Granularity
            | Metric::Entropy
            | Metric::MonotonicEntropy
            | Metric::Precision => true,
            Metric::Discernibility | Metric::AverageClass => false,
        }
    }

    /// Returns what a column loses at a level where so many records are suppressed, that have its
    /// labels as often as `labels` says.
    pub(super) fn column(
        &self,
        column: usize,
        level: usize,
        suppressed: u64,
        labels: &[u64],
    ) -> f64 {
        let Some(column) = self.columns.get(column) else { return 0.0 };
        let Some(told) = column.levels.get(level) else { return 0.0 };
        match self.metric {
            Metric::Loss | Metric::Granularity => {
                let under = labels.iter().zip(&told.leaves).map(|(rows, leaves)| rows * leaves);
                let kept = told.leaves_sum - under.sum::<u64>();
                column.lost(kept + suppressed * column.leaves, self.rows)
            }
            Metric::Entropy => turned(told.entropy_with(suppressed, labels)),
            Metric::MonotonicEntropy | Metric::Discernibility | Metric::AverageClass => told.lost,
            Metric::Precision => told.height_with(suppressed, self.rows),
        }
    }

    /// Joins what the columns lose to what the node loses.
    pub(super) fn joined(&self, lost: impl Iterator<Item = f64>) -> f64 {
        self.total(lost)
    }

    /// Returns what so many classes lose, by a metric of classes.
    pub(super) fn of_classes(&self, kept: u64, kept_squares: u128, suppressed: u64) -> f64 {
        match self.metric {
            Metric::Discernibility => {
                (kept_squares + u128::from(suppressed) * u128::from(self.rows)) as f64
            }
            Metric::AverageClass => {
                let classes = kept + u64::from(suppressed > 0);
                if classes == 0 { 0.0 } else { self.rows as f64 / classes as f64 }
            }
            Metric::Loss
            | Metric::Granularity
            | Metric::Entropy
            | Metric::MonotonicEntropy
            | Metric::Precision => 0.0,
        }
    }

    /// Returns the metric.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Returns the released records.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns what the node and every node above it loses at the least.
    pub fn bound(&self, levels: &[usize]) -> f64 {
        match self.metric {
            Metric::Loss
            | Metric::Granularity
            | Metric::Entropy
            | Metric::MonotonicEntropy
            | Metric::Precision => self.total(self.told(levels).map(|told| told.lost)),
            Metric::Discernibility => {
                let classes = self.classes_most(levels) as f64;
                if classes == 0.0 { 0.0 } else { (self.rows as f64) * (self.rows as f64) / classes }
            }
            Metric::AverageClass => {
                let classes = self.classes_most(levels) as f64;
                if classes == 0.0 { 0.0 } else { self.rows as f64 / classes }
            }
        }
    }

    /// Begins to count a node's classes.
    pub fn tally(&self, levels: &[usize]) -> Tally<'_> {
        let labels = match self.metric {
            Metric::Entropy => self.told(levels).map(|told| vec![0; told.leaves.len()]).collect(),
            Metric::Loss
            | Metric::Granularity
            | Metric::MonotonicEntropy
            | Metric::Discernibility
            | Metric::AverageClass
            | Metric::Precision => Vec::new(),
        };
        Tally {
            measure: self,
            levels: levels.to_vec(),
            kept_rows: 0,
            kept_classes: 0,
            kept_squares: 0,
            suppressed_rows: 0,
            suppressed_classes: 0,
            suppressed_squares: 0,
            leaves: vec![0; self.columns.len()],
            labels,
        }
    }

    /// Orders two nodes with their scores, the better one first: the lower score, then the lower sum
    /// of levels, then more columns left as they came, then the lower level in the last column that
    /// differs. ARX takes the lower sum as well, and of equals what its search happens to meet first,
    /// which most often is this.
    pub fn order(&self, one: (&[usize], f64), other: (&[usize], f64)) -> Ordering {
        let told = |levels: &[usize]| levels.iter().filter(|level| **level > 0).count();
        one.1
            .total_cmp(&other.1)
            .then_with(|| one.0.iter().sum::<usize>().cmp(&other.0.iter().sum()))
            .then_with(|| told(one.0).cmp(&told(other.0)))
            .then_with(|| one.0.iter().rev().cmp(other.0.iter().rev()))
    }

    /// Returns what one class of a node loses by itself: what decides between classes of one size
    /// which is suppressed first.
    pub(super) fn class_lost(
        &self,
        levels: &[usize],
        rows: u64,
        code: impl Fn(usize) -> u32,
    ) -> f64 {
        let shares = self.columns.iter().zip(levels).enumerate().map(|(place, (column, level))| {
            let under = column.levels.get(*level).map_or(0, |told| told.leaves_under(code(place)));
            rows as f64 * (under as f64 / column.leaves as f64)
        });
        match self.metric {
            Metric::Loss | Metric::Granularity => self.total(shares),
            Metric::Entropy
            | Metric::MonotonicEntropy
            | Metric::Discernibility
            | Metric::AverageClass
            | Metric::Precision => rows as f64,
        }
    }

    fn told<'a>(&'a self, levels: &'a [usize]) -> impl Iterator<Item = &'a Told> {
        self.columns.iter().zip(levels).filter_map(|(column, level)| column.levels.get(*level))
    }

    /// Joins what the columns lose.
    fn total(&self, lost: impl Iterator<Item = f64>) -> f64 {
        let columns = self.columns.len() as f64;
        match self.metric {
            Metric::Loss => lost.map(|v| (v + 1.0).powf(1.0 / columns)).product::<f64>() - 1.0,
            Metric::Granularity | Metric::Precision => lost.map(|v| v / columns).sum(),
            Metric::Entropy | Metric::MonotonicEntropy => lost.sum(),
            Metric::Discernibility | Metric::AverageClass => 0.0,
        }
    }

    /// The most classes a node can have.
    fn classes_most(&self, levels: &[usize]) -> u64 {
        let labels = self.told(levels).map(|told| told.labels);
        labels.fold(1, u64::saturating_mul).min(self.rows)
    }
}

impl Tally<'_> {
    /// Counts a class that stays. A class without released records is none.
    pub fn keep(&mut self, rows: u64) {
        if rows > 0 {
            self.kept_rows += rows;
            self.kept_classes += 1;
            self.kept_squares += u128::from(rows) * u128::from(rows);
        }
    }

    /// Counts a class that is suppressed, `code` giving its code in a column.
    pub fn suppress(&mut self, rows: u64, code: impl Fn(usize) -> u32) {
        if rows == 0 {
            return;
        }
        self.suppressed_rows += rows;
        self.suppressed_classes += 1;
        self.suppressed_squares += u128::from(rows) * u128::from(rows);
        match self.measure.metric {
            Metric::Loss | Metric::Granularity => {
                let told = self.measure.told(&self.levels);
                for (place, (sum, told)) in self.leaves.iter_mut().zip(told).enumerate() {
                    *sum += rows * told.leaves_under(code(place));
                }
            }
            Metric::Entropy => {
                for (place, labels) in self.labels.iter_mut().enumerate() {
                    if let Some(count) = labels.get_mut(code(place) as usize) {
                        *count += rows;
                    }
                }
            }
            Metric::MonotonicEntropy
            | Metric::Discernibility
            | Metric::AverageClass
            | Metric::Precision => {}
        }
    }

    /// Returns the records of the classes that stay.
    pub fn kept_rows(&self) -> u64 {
        self.kept_rows
    }

    /// Returns the classes that stay.
    pub fn kept_classes(&self) -> u64 {
        self.kept_classes
    }

    /// Returns the records of the classes that are suppressed.
    pub fn suppressed_rows(&self) -> u64 {
        self.suppressed_rows
    }

    /// Returns what the node loses, all its classes counted.
    pub fn score(&self) -> f64 {
        let measure = self.measure;
        let told = || measure.columns.iter().zip(measure.told(&self.levels));
        match measure.metric {
            Metric::Loss | Metric::Granularity => {
                measure.total(told().zip(&self.leaves).map(|((column, told), suppressed)| {
                    let kept = told.leaves_sum - suppressed;
                    column.lost(kept + self.suppressed_rows * column.leaves, measure.rows)
                }))
            }
            Metric::Entropy => measure.total(
                told()
                    .zip(&self.labels)
                    .map(|((_, told), labels)| {
                        let all = self.suppressed_rows as f64;
                        let suppressed = labels.iter().filter(|count| **count > 0).map(|count| {
                            let count = *count as f64;
                            count * log2(count / all)
                        });
                        suppressed.fold(told.entropy, |sum, bits| sum + bits)
                    })
                    .map(turned),
            ),
            Metric::MonotonicEntropy => measure.bound(&self.levels),
            Metric::Discernibility => {
                let suppressed = u128::from(self.suppressed_rows) * u128::from(measure.rows);
                (self.kept_squares + suppressed) as f64
            }
            Metric::AverageClass => {
                let classes = self.kept_classes + u64::from(self.suppressed_classes > 0);
                if classes == 0 { 0.0 } else { measure.rows as f64 / classes as f64 }
            }
            Metric::Precision => measure.total(told().map(|(_, told)| {
                let lost = self.kept_rows as f64 * told.height + self.suppressed_rows as f64;
                lost / measure.rows as f64
            })),
        }
    }

    /// Returns what every node above this one loses at the least, now that its classes are known.
    pub fn bound_above(&self) -> f64 {
        let counted = match self.measure.metric {
            Metric::Discernibility => (self.kept_squares + self.suppressed_squares) as f64,
            Metric::AverageClass => {
                let classes = self.kept_classes + self.suppressed_classes;
                if classes == 0 { 0.0 } else { self.measure.rows as f64 / classes as f64 }
            }
            Metric::Loss
            | Metric::Granularity
            | Metric::Entropy
            | Metric::MonotonicEntropy
            | Metric::Precision => 0.0,
        };
        counted.max(self.measure.bound(&self.levels))
    }
}

impl Column {
    fn new(table: &Table, quasi: &Quasi, rows: u64, metric: Metric) -> Self {
        let leaves = quasi.hierarchy.leaves();
        let mut held = vec![0_u64; leaves];
        // Values in the order in which records show them: sums of logarithms are taken in it.
        let mut seen = Vec::new();
        for (row, code) in quasi.codes.iter().enumerate() {
            if let Some(count) = held.get_mut(*code as usize) {
                if *count == 0 && table.is_released(row) {
                    seen.push(*code as usize);
                }
                *count += u64::from(table.is_released(row));
            }
        }
        let mut column = Self { leaves: leaves as u64, levels: Vec::new() };
        let highest = quasi.hierarchy.height().saturating_sub(1);
        for level in (0..).map_while(|level| quasi.hierarchy.level(level)) {
            let mut told = Told::new(level, &held, &seen);
            told.height =
                if highest == 0 { 0.0 } else { column.levels.len() as f64 / highest as f64 };
            told.lost = match metric {
                Metric::Loss | Metric::Granularity => column.lost(told.leaves_sum, rows),
                Metric::Entropy | Metric::MonotonicEntropy => turned(told.entropy),
                Metric::Precision => told.height,
                Metric::Discernibility | Metric::AverageClass => 0.0,
            };
            column.levels.push(told);
        }
        column
    }

    /// What the column loses where the leaves under its records' labels sum to so many.
    fn lost(&self, leaves_sum: u64, rows: u64) -> f64 {
        let (leaves, rows) = (self.leaves as f64, rows as f64);
        let least = rows / leaves;
        let lost = (leaves_sum as f64 / leaves - least) / (rows - least);
        // One leaf leaves nothing to lose: 0 / 0.
        cut(if lost >= 0.0 { lost } else { 0.0 })
    }
}

impl Told {
    fn new(level: &Level, held: &[u64], seen: &[usize]) -> Self {
        let mut leaves = vec![0_u64; level.labels.len()];
        let mut records = leaves.clone();
        for (code, held) in level.of_leaf.iter().zip(held) {
            if let (Some(leaves), Some(records)) =
                (leaves.get_mut(*code as usize), records.get_mut(*code as usize))
            {
                *leaves += 1;
                *records += held;
            }
        }
        let entropy = seen.iter().filter_map(|leaf| {
            let value = *held.get(*leaf)? as f64;
            let label = *records.get(*level.of_leaf.get(*leaf)? as usize)? as f64;
            Some(value * log2(value / label))
        });
        Self {
            leaves_sum: leaves.iter().zip(&records).map(|(leaves, records)| leaves * records).sum(),
            entropy: entropy.fold(0.0, |sum, bits| sum + bits),
            height: 0.0,
            lost: 0.0,
            labels: records.iter().filter(|records| **records > 0).count() as u64,
            leaves,
        }
    }

    /// The entropy where so many records are suppressed, that have the labels as often as said.
    fn entropy_with(&self, suppressed: u64, labels: &[u64]) -> f64 {
        let bits = labels.iter().filter(|rows| **rows > 0).map(|rows| {
            let rows = *rows as f64;
            rows * log2(rows / suppressed as f64)
        });
        bits.fold(self.entropy, |sum, bits| sum + bits)
    }

    /// The height where so many of the records are suppressed.
    fn height_with(&self, suppressed: u64, rows: u64) -> f64 {
        ((rows - suppressed) as f64 * self.height + suppressed as f64) / rows as f64
    }

    fn leaves_under(&self, code: u32) -> u64 {
        self.leaves.get(code as usize).copied().unwrap_or(0)
    }
}

/// Turns a sum of logarithms into bits lost.
fn turned(sum: f64) -> f64 {
    cut(if sum == 0.0 { 0.0 } else { -sum })
}

/// Cuts to ten decimals.
fn cut(value: f64) -> f64 {
    const DECIMALS: f64 = 1e10;
    (value * DECIMALS).floor() / DECIMALS
}

fn log2(value: f64) -> f64 {
    value.ln() / 2.0_f64.ln()
}
