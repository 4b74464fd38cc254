//! The mean risk over a node's classes: what more must go when each class by itself may stay.
//!
//! Comes in: the classes that stay. Goes out: those of them that are suppressed, the smallest first,
//! until the mean of 1 / size over records is low enough. Never: a class suppressed that need not be.

#![expect(clippy::cast_precision_loss, reason = "counts of records stay far below 2^53")]

use super::Measure;

/// A class that each other model lets stay.
#[derive(Debug, Clone, Copy)]
pub struct Class<'a> {
    /// Its released records, at least 1.
    pub rows: u64,
    /// The first of its released rows.
    pub first_row: u32,
    /// Its codes at the node's levels.
    pub codes: &'a [u32],
}

/// Returns the places of the classes to suppress: the smallest first, of one size the one that
/// loses least by itself, then the one whose first row comes first.
///
/// The mean over records of 1 / size is classes / records. It needs no class sizes beyond that, and
/// suppressing a smallest class never raises it.
pub fn suppress(measure: &Measure, levels: &[usize], most: f64, stay: &[Class<'_>]) -> Vec<usize> {
    let mut rows: u64 = stay.iter().map(|class| class.rows).sum();
    let mut classes = stay.len() as u64;
    let is_low =
        |classes: u64, rows: u64| classes == 0 || 1.0 / (rows as f64 / classes as f64) <= most;
    if is_low(classes, rows) {
        return Vec::new();
    }
    let mut order: Vec<(u64, f64, u32, usize)> = stay
        .iter()
        .enumerate()
        .map(|(place, class)| {
            let code = |column: usize| class.codes.get(column).copied().unwrap_or(0);
            let lost = measure.class_lost(levels, class.rows, code);
            (class.rows, lost, class.first_row, place)
        })
        .collect();
    order.sort_by(|one, other| {
        one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)).then(one.2.cmp(&other.2))
    });
    let mut gone = Vec::new();
    for (size, _, _, place) in order {
        if is_low(classes, rows) {
            break;
        }
        rows -= size;
        classes -= 1;
        gone.push(place);
    }
    gone
}
