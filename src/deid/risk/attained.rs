//! How varied a sensitive column is within the classes: the l and t that a table attains.
//!
//! Comes in: the class and the value of each row. Goes out: [`Attained`]. Never: a value.

#![expect(clippy::cast_precision_loss, reason = "counts of rows lie far below 2^53")]

use std::collections::BTreeMap;

use serde::Serialize;

/// What a table attains for one sensitive column, in its worst class by each measure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Attained {
    /// Distinct l-diversity: the fewest different values of a class; 0 where there is no class.
    pub l: u64,
    /// Entropy l-diversity: the number of equally frequent values that would be as uncertain.
    pub entropy_l: f64,
    /// Recursive (c, 2)-diversity: how many times as frequent as all others together the most
    /// frequent value is, at the most; none where a class has one value.
    pub recursive_c: Option<f64>,
    /// t-closeness with all values equally far apart: the largest share of a class's rows that would
    /// have to change their value for the class to look like the whole table.
    pub t: f64,
    /// The share of rows whose class leaves no doubt: all of one value.
    pub certain: f64,
}

pub(super) fn attained(classes: &[u32], codes: &[u32]) -> Attained {
    let mut whole: BTreeMap<u32, u64> = BTreeMap::new();
    let mut cells: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    for (class, code) in classes.iter().zip(codes) {
        *whole.entry(*code).or_default() += 1;
        *cells.entry((*class, *code)).or_default() += 1;
    }
    let rows = classes.len() as f64;
    let of_whole = |code: u32| whole.get(&code).copied().unwrap_or(0) as f64 / rows;
    let mut worst = Attained { l: 0, entropy_l: 0.0, recursive_c: Some(0.0), t: 0.0, certain: 0.0 };
    let cells: Vec<((u32, u32), u64)> = cells.into_iter().collect();
    for (at, class) in cells.chunk_by(|((a, _), _), ((b, _), _)| a == b).enumerate() {
        let size = class.iter().map(|(_, count)| count).sum::<u64>() as f64;
        let most = class.iter().map(|(_, count)| *count).max().unwrap_or(0) as f64;
        let (mut entropy, mut apart, mut met) = (0.0, 0.0, 0.0);
        for ((_, code), count) in class {
            let share = *count as f64 / size;
            entropy -= share * share.ln();
            apart += (share - of_whole(*code)).abs();
            met += of_whole(*code);
        }
        let l = class.len() as u64;
        let effective = entropy.exp();
        let c = (size > most).then(|| most / (size - most));
        worst.l = if at == 0 { l } else { worst.l.min(l) };
        worst.entropy_l = if at == 0 { effective } else { worst.entropy_l.min(effective) };
        worst.recursive_c = worst.recursive_c.zip(c).map(|(a, b)| a.max(b));
        worst.t = worst.t.max(f64::midpoint(apart, (1.0 - met).max(0.0)));
        worst.certain += if l == 1 { size / rows } else { 0.0 };
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn the_worst_class_decides() {
        // Class 0: a, a, b, c. Class 1: a, b. The table: a 3, b 2, c 1.
        let found = attained(&[0, 0, 0, 0, 1, 1], &[0, 0, 1, 2, 0, 1]);
        assert_eq!(found.l, 2);
        assert!(near(found.entropy_l, 2.0), "{found:?}");
        assert_eq!(found.recursive_c, Some(1.0), "{found:?}");
        // Class 1 is (1/2, 1/2, 0) of (1/2, 1/3, 1/6): a sixth would have to change.
        assert!(near(found.t, 1.0 / 6.0), "{found:?}");
        assert!(near(found.certain, 0.0));
    }

    #[test]
    fn a_class_of_one_value_is_certain_and_told_so() {
        let found = attained(&[0, 0, 1, 1], &[5, 5, 5, 6]);
        assert_eq!((found.l, found.recursive_c), (1, None));
        assert!(near(found.entropy_l, 1.0) && near(found.certain, 0.5), "{found:?}");
        assert!(near(found.t, 0.25), "{found:?}");
    }

    #[test]
    fn no_row_attains_nothing() {
        assert_eq!(attained(&[], &[]).l, 0);
    }
}
