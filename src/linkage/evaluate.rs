//! How good a linkage is, where it is known who is who.
//!
//! Comes in: a truth, clusters. Goes out: precision and recall over pairs of records.
//! Never: a record in the reckoning that the truth does not name.

use std::collections::BTreeMap;

use super::{
    cluster::{Clusters, Pair, Rules},
    tokens::Table,
    weights::Weights,
};
use crate::party::InstitutionId;

/// Who is who: (institution, local id) to a person's name in the truth.
pub type Truth = BTreeMap<(InstitutionId, String), String>;

/// Pairs of records, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Quality {
    /// Records that both the truth and the linkage name.
    pub records: u64,
    /// Pairs of one person by the truth.
    pub pairs_true: u64,
    /// Pairs of one person by the linkage.
    pub pairs_found: u64,
    /// Pairs of one person by both.
    pub pairs_right: u64,
}

impl Quality {
    /// Returns how many of the pairs found are right; 1 where none was found.
    pub fn precision(&self) -> f64 {
        share(self.pairs_right, self.pairs_found)
    }

    /// Returns how many of the true pairs were found; 1 where there is none.
    pub fn recall(&self) -> f64 {
        share(self.pairs_right, self.pairs_true)
    }

    /// Returns the harmonic mean of precision and recall.
    pub fn f1(&self) -> f64 {
        let (precision, recall) = (self.precision(), self.recall());
        if precision + recall == 0.0 {
            0.0
        } else {
            2.0 * precision * recall / (precision + recall)
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "shares are for people to read")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

/// Counts pairs by what a linkage calls each record's person.
pub fn quality<'a, P: Ord>(
    truth: &Truth,
    linked: impl Iterator<Item = (&'a InstitutionId, &'a str, P)>,
) -> Quality {
    let mut both: Vec<(&str, P)> = Vec::new();
    for (institution, local, person) in linked {
        if let Some(name) = truth.get(&(institution.clone(), local.to_owned())) {
            both.push((name, person));
        }
    }
    both.sort_unstable();
    let mut quality = Quality { records: both.len() as u64, ..Quality::default() };
    quality.pairs_right = pairs(both.chunk_by(|a, b| a == b));
    quality.pairs_true = pairs(both.chunk_by(|(a, _), (b, _)| a == b));
    let mut people: Vec<P> = both.into_iter().map(|(_, person)| person).collect();
    people.sort_unstable();
    quality.pairs_found = pairs(people.chunk_by(|a, b| a == b));
    quality
}

fn pairs<'a, T: 'a>(groups: impl Iterator<Item = &'a [T]>) -> u64 {
    groups.map(|group| (group.len() as u64) * (group.len() as u64 - 1) / 2).sum()
}

/// Links a table as if nothing were known, once for each match weight.
pub fn curve(
    table: &Table,
    weights: &Weights,
    rules: &Rules,
    pairs: &[Pair],
    truth: &Truth,
    thresholds: &[i32],
) -> Vec<(i32, Quality)> {
    let at = |match_centibits: &i32| {
        let rules = Rules { match_centibits: *match_centibits, ..*rules };
        let clusters = Clusters::of(table, weights, &rules, pairs, Vec::new());
        let linked = (0_u32..)
            .zip(&table.records)
            .map(|(row, record)| (&record.institution, record.local.as_ref(), clusters.root(row)));
        (*match_centibits, quality(truth, linked))
    };
    thresholds.iter().map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_counted_on_both_sides() {
        let north = InstitutionId::parse("north").unwrap();
        let truth: Truth = [("1", "a"), ("2", "a"), ("3", "a"), ("4", "b")]
            .map(|(local, name)| ((north.clone(), local.to_owned()), name.to_owned()))
            .into();
        let linked = [("1", 7), ("2", 7), ("3", 8), ("4", 8), ("stranger", 8)];
        let found = quality(&truth, linked.iter().map(|(local, person)| (&north, *local, *person)));
        let expected = Quality { records: 4, pairs_true: 3, pairs_found: 2, pairs_right: 1 };
        assert_eq!(found, expected, "a record outside of the truth was counted");
        assert!(
            (found.precision() - 0.5).abs() < 1e-9 && (found.recall() - 1.0 / 3.0).abs() < 1e-9
        );
    }
}
