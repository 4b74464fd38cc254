//! How far the sensitive values of a class are from those of the whole table: t-closeness.
//!
//! Comes in: once the table's sensitive attributes, then the counts of classes. Goes out: whether a
//! class is as close as asked. Never: a distance from what is left after suppression; the whole is
//! what came in (Li et al. 2007).

#![expect(clippy::cast_precision_loss, reason = "counts of records stay far below 2^53")]

use super::{Sensitive, Table, model::Distance};
use crate::deid::hierarchy::Hierarchy;

/// The sensitive values of all released records.
#[derive(Debug, Clone)]
pub struct Whole {
    attributes: Vec<Attribute>,
}

#[derive(Debug, Clone)]
struct Attribute {
    rows: u64,
    /// The records of each value.
    counts: Vec<u64>,
    /// Their share.
    shares: Vec<f64>,
    /// The values that any row holds, in order: what an ordered distance steps along.
    held: Vec<usize>,
    /// For each level above the values the label over each label (or value) of the level below.
    above: Vec<Vec<u32>>,
}

impl Whole {
    /// Counts the sensitive values of the released records.
    pub fn new(table: &Table) -> Self {
        let attributes = table.sensitive.iter().map(|sensitive| Attribute::new(table, sensitive));
        Self { attributes: attributes.collect() }
    }

    /// Tells whether a class's values are within `t`. An attribute that there is not is never close.
    pub(super) fn is_close(
        &self,
        sensitive: usize,
        values: &[(u32, u32)],
        t: f64,
        distance: Distance,
    ) -> bool {
        self.attributes.get(sensitive).is_some_and(|attribute| match distance {
            Distance::Equal => attribute.equal(values) <= t,
            Distance::Ordered => attribute.is_ordered_within(values, t),
            Distance::Hierarchical => attribute.hierarchical(values) <= t,
        })
    }

    /// Returns the distance of a class's values from the whole, 0 to 1.
    pub fn distance(&self, sensitive: usize, values: &[(u32, u32)], distance: Distance) -> f64 {
        self.attributes.get(sensitive).map_or(1.0, |attribute| match distance {
            Distance::Equal => attribute.equal(values),
            Distance::Ordered => {
                attribute.ordered(values).last().unwrap_or(0.0) / attribute.steps()
            }
            Distance::Hierarchical => attribute.hierarchical(values),
        })
    }
}

impl Attribute {
    fn new(table: &Table, sensitive: &Sensitive) -> Self {
        let mut counts = vec![0_u64; sensitive.labels.len()];
        let mut is_held = vec![false; counts.len()];
        for (row, code) in sensitive.codes.iter().enumerate() {
            let code = *code as usize;
            if let (Some(count), Some(is)) = (counts.get_mut(code), is_held.get_mut(code)) {
                *count += u64::from(table.is_released(row));
                *is = true;
            }
        }
        let rows = counts.iter().sum::<u64>();
        Self {
            rows,
            shares: counts.iter().map(|count| *count as f64 / rows as f64).collect(),
            held: (0..).zip(is_held).filter(|(_, is)| *is).map(|(value, _)| value).collect(),
            above: sensitive.hierarchy.as_deref().map(above).unwrap_or_default(),
            counts,
        }
    }

    /// Half the sum of differences; what a class does not hold differs by its whole share.
    fn equal(&self, values: &[(u32, u32)]) -> f64 {
        let rows = rows(values);
        let sum = values.iter().fold(1.0, |sum, (value, count)| {
            let share = self.shares.get(*value as usize).copied().unwrap_or(0.0);
            sum + (share - f64::from(*count) / rows).abs() - share
        });
        sum / 2.0
    }

    /// The number of steps from the first to the last value.
    fn steps(&self) -> f64 {
        (self.held.len() as f64 - 1.0).max(1.0)
    }

    /// The records carried past each value in turn, summed up.
    fn ordered(&self, values: &[(u32, u32)]) -> impl Iterator<Item = f64> {
        let rows = rows(values);
        let mut shares = vec![0.0; self.shares.len()];
        for (value, count) in values {
            if let Some(share) = shares.get_mut(*value as usize) {
                *share = f64::from(*count) / rows;
            }
        }
        let pairs = self.held.iter().filter_map(move |value| {
            Some((self.shares.get(*value).copied()?, shares.get(*value).copied()?))
        });
        pairs.scan((0.0_f64, 0.0_f64), |(carried, sum), (whole, class)| {
            *carried += class - whole;
            *sum += carried.abs();
            Some(*sum)
        })
    }

    fn is_ordered_within(&self, values: &[(u32, u32)], t: f64) -> bool {
        let most = t * (self.held.len() as f64 - 1.0);
        self.ordered(values).all(|sum| sum <= most)
    }

    /// The cost of moving what the class has too much of through the hierarchy, level by level: at a
    /// label of level h of H what can be settled among its children costs h / H each.
    fn hierarchical(&self, values: &[(u32, u32)]) -> f64 {
        let class_rows = values.iter().map(|(_, count)| i128::from(*count)).sum::<i128>();
        let whole_rows = i128::from(self.rows);
        let mut extra: Vec<i128> =
            self.counts.iter().map(|count| i128::from(*count) * class_rows).collect();
        for (value, count) in values {
            if let Some(extra) = extra.get_mut(*value as usize) {
                *extra -= i128::from(*count) * whole_rows;
            }
        }
        let height = self.above.len() as f64;
        let mut cost = 0.0;
        for (level, above) in self.above.iter().enumerate() {
            let labels = above.iter().max().map_or(0, |most| *most as usize + 1);
            let mut flows = vec![(0_i128, 0_i128); labels];
            for (extra, label) in extra.iter().zip(above) {
                if let Some((more, less)) = flows.get_mut(*label as usize) {
                    *more += (*extra).max(0);
                    *less += (-*extra).max(0);
                }
            }
            for (more, less) in &flows {
                cost += ((level as f64 + 1.0) / height) * (*more.min(less) as f64);
            }
            extra = flows.iter().map(|(more, less)| more - less).collect();
        }
        cost / (whole_rows as f64 * class_rows as f64)
    }
}

/// For each level but the first the label over each label of the level below.
fn above(hierarchy: &Hierarchy) -> Vec<Vec<u32>> {
    let levels = (0..).map_while(|level| hierarchy.level(level));
    let pairs = levels.clone().zip(levels.skip(1));
    pairs
        .map(|(below, level)| {
            let mut above = vec![0; below.labels.len()];
            for (label, over) in below.of_leaf.iter().zip(&level.of_leaf) {
                if let Some(above) = above.get_mut(*label as usize) {
                    *above = *over;
                }
            }
            above
        })
        .collect()
}

fn rows(values: &[(u32, u32)]) -> f64 {
    values.iter().map(|(_, count)| u64::from(*count)).sum::<u64>() as f64
}
