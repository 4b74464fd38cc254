//! The last of a recoding: records that no node helped, and levels that say no more than lower ones.
//!
//! Comes in: classes and the units that are left. Goes out: classes that took them in, each told as
//! exactly as its records allow. Never: a class that breaks a model for having taken one in.

#![expect(clippy::cast_precision_loss, reason = "counts of records stay far below 2^53")]

use super::{Class, units::Units};
use crate::deid::search::{
    Conditions, Quasi, Table,
    keys::{Key, place},
};

/// As many classes are tried for a unit, the least costly first.
const TRIES: usize = 64;

/// Puts every unit that is left into a class, if any can take it, and tells each class as exactly as
/// its records allow.
pub(super) fn settle<K: Key>(
    table: &Table,
    units: &Units<K>,
    conditions: &Conditions,
    classes: &mut Vec<Class>,
    left: Vec<u32>,
) {
    let columns: Vec<Column<'_>> = table.quasi.iter().map(Column::new).collect();
    let leaf = |unit: u32, column: usize| {
        let row = units.rows(unit).first()?;
        table.quasi.get(column)?.codes.get(place(*row)).copied()
    };
    for class in &mut *classes {
        tighten(&columns, &leaf, class);
    }
    let mut alone = Vec::new();
    for unit in left {
        let mut costs: Vec<(f64, usize, Vec<usize>)> = classes
            .iter()
            .enumerate()
            .filter_map(|(place, class)| {
                let levels = join(&columns, &leaf, class, unit)?;
                let first = *class.units.first()?;
                let before = lost(&columns, &leaf, first, &class.levels);
                let after = lost(&columns, &leaf, first, &levels);
                let rows = units.count(&class.units) as f64;
                let joining = units.count(&[unit]) as f64;
                Some(((after - before) * rows + after * joining, place, levels))
            })
            .collect();
        let tries = TRIES.min(costs.len());
        if tries < costs.len() {
            costs.select_nth_unstable_by(tries, |one, other| one.0.total_cmp(&other.0));
        }
        costs.truncate(tries);
        costs.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        let taken = costs.into_iter().any(|(_, place, levels)| {
            let Some(class) = classes.get_mut(place) else { return false };
            class.units.push(unit);
            let holds = units.hold(&class.units, conditions);
            if holds {
                class.levels = levels;
            } else {
                class.units.pop();
            }
            holds
        });
        if !taken {
            alone.push(unit);
        }
    }
    gather(&columns, &leaf, units, conditions, classes, &alone);
}

/// Makes one class of units that no single class can take and as many classes as it needs, the
/// smallest first. Where even all together break a model the units stay out.
fn gather<K: Key>(
    columns: &[Column<'_>],
    leaf: &impl Fn(u32, usize) -> Option<u32>,
    units: &Units<K>,
    conditions: &Conditions,
    classes: &mut Vec<Class>,
    alone: &[u32],
) {
    let Some(first) = alone.first() else { return };
    let mut one = Class { levels: vec![0; columns.len()], units: vec![*first] };
    for unit in alone.iter().skip(1) {
        let Some(levels) = join(columns, leaf, &one, *unit) else { return };
        one.levels = levels;
        one.units.push(*unit);
    }
    let mut order: Vec<usize> = (0..classes.len()).collect();
    order.sort_by_key(|place| classes.get(*place).map_or(0, |class| units.count(&class.units)));
    let mut joined = Vec::new();
    for place in order {
        if units.hold(&one.units, conditions) {
            break;
        }
        let Some(class) = classes.get(place) else { continue };
        let Some(levels) = class.units.first().and_then(|unit| join(columns, leaf, &one, *unit))
        else {
            continue;
        };
        one.levels = levels.iter().zip(&class.levels).map(|(one, other)| *one.max(other)).collect();
        one.units.extend_from_slice(&class.units);
        joined.push(place);
    }
    if units.hold(&one.units, conditions) {
        joined.sort_unstable();
        for place in joined.into_iter().rev() {
            classes.swap_remove(place);
        }
        tighten(columns, leaf, &mut one);
        classes.push(one);
    }
}

/// A column's hierarchy with the share of leaves under each label.
struct Column<'a> {
    quasi: &'a Quasi,
    shares: Vec<Vec<f64>>,
}

impl<'a> Column<'a> {
    fn new(quasi: &'a Quasi) -> Self {
        let leaves = quasi.hierarchy.leaves() as f64;
        let levels = (0..).map_while(|level| quasi.hierarchy.level(level));
        let shares = levels.map(|level| {
            let mut shares = vec![0.0; level.labels.len()];
            for code in &level.of_leaf {
                if let Some(share) = shares.get_mut(place(*code)) {
                    *share += 1.0 / leaves;
                }
            }
            shares
        });
        let shares = shares.collect();
        Self { quasi, shares }
    }

    fn code(&self, level: usize, leaf: u32) -> Option<u32> {
        self.quasi.hierarchy.level(level)?.of_leaf.get(place(leaf)).copied()
    }

    /// Returns the lowest level from `from` on at which two leaves have one label.
    fn meet(&self, from: usize, one: u32, other: u32) -> Option<usize> {
        (from..self.quasi.hierarchy.height())
            .find(|level| self.code(*level, one) == self.code(*level, other))
    }
}

/// Lowers the levels of a class as far as all its records still say the same.
fn tighten(columns: &[Column<'_>], leaf: &impl Fn(u32, usize) -> Option<u32>, class: &mut Class) {
    let Some(first) = class.units.first().copied() else { return };
    for (place, (column, level)) in columns.iter().zip(&mut class.levels).enumerate() {
        let Some(one) = leaf(first, place) else { continue };
        let mut low = 0;
        for unit in class.units.iter().skip(1) {
            let other = leaf(*unit, place);
            low = other.and_then(|other| column.meet(low, one, other)).unwrap_or(*level);
            if low >= *level {
                break;
            }
        }
        *level = low.min(*level);
    }
}

/// Returns the levels at which a class could take a unit in.
fn join(
    columns: &[Column<'_>],
    leaf: &impl Fn(u32, usize) -> Option<u32>,
    class: &Class,
    unit: u32,
) -> Option<Vec<usize>> {
    let first = *class.units.first()?;
    let levels = columns.iter().zip(&class.levels).enumerate();
    levels
        .map(|(place, (column, level))| {
            column.meet(*level, leaf(first, place)?, leaf(unit, place)?)
        })
        .collect()
}

/// Returns what a record of a class loses at levels.
fn lost(
    columns: &[Column<'_>],
    leaf: &impl Fn(u32, usize) -> Option<u32>,
    unit: u32,
    levels: &[usize],
) -> f64 {
    let shares = columns.iter().zip(levels).enumerate().filter_map(|(at, (column, level))| {
        let code = column.code(*level, leaf(unit, at)?)?;
        column.shares.get(*level)?.get(place(code)).copied()
    });
    shares.sum()
}
