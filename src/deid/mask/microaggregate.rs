//! Microaggregation (Domingo-Ferrer and Mateo-Sanz 2002): each row shows the mean of a group of rows
//! that lie near it, of at least k people.
//!
//! Comes in: the numbers of a group's columns, for each row its person, k. Goes out: the numbers that
//! are shown. Never: a mean of fewer than k people; rows that cannot be in such a group show nothing.
//!
//! It protects by k-anonymity: in these columns at least k people look alike, whatever is known of
//! one. It does not make them differ in other columns: combine it with a model for the sensitive one.
//! It costs the spread within groups, told by [`super::Masked`] as a share of the whole; the less, the
//! fewer columns a group has and the more they go together. Means stay where each person has one row;
//! correlations look stronger than they are.
//!
//! Columns are weighed by their standard deviations. A row is grouped with rows that have values in
//! the same columns, so nothing stays nothing, and a pattern of fewer than k people shows nothing at
//! all. A person with several rows in a group counts in its mean as one, so that none outweighs the
//! others. Integers show the nearest integer.

use std::collections::BTreeMap;

use super::{
    mdav,
    shells::{Points, count, place},
};

/// Microaggregates columns together; all have as many items as `people`.
pub(super) fn shown(
    columns: &[Vec<Option<f64>>],
    people: &[u32],
    k: usize,
) -> Vec<Vec<Option<f64>>> {
    let scales: Vec<f64> = columns.iter().map(|column| deviation(column)).collect();
    let mut patterns: BTreeMap<Vec<bool>, Vec<u32>> = BTreeMap::new();
    for (row, at) in (0..).zip(0..people.len()) {
        let pattern = columns.iter().map(|column| column.get(at).is_some_and(Option::is_some));
        patterns.entry(pattern.collect()).or_default().push(row);
    }
    let mut out = vec![vec![None; people.len()]; columns.len()];
    for (pattern, rows) in patterns.iter().filter(|(pattern, _)| pattern.contains(&true)) {
        let here = || columns.iter().zip(&scales).zip(pattern).filter(|(_, is_there)| **is_there);
        let numbers = rows
            .iter()
            .flat_map(|row| here().map(|((column, scale), _)| number(column, *row) / scale));
        let points = Points::new(here().count(), numbers.collect());
        let persons: Vec<u32> =
            rows.iter().map(|row| people.get(place(*row)).copied().unwrap_or(u32::MAX)).collect();
        let Some(groups) = mdav::groups(&points, &persons, k) else { continue };
        let mut order: Vec<(u32, u32, u32)> =
            groups.iter().zip(&persons).zip(rows).map(|((g, p), row)| (*g, *p, *row)).collect();
        order.sort_unstable();
        let shown = columns.iter().zip(&mut out).zip(pattern).filter(|(_, is_there)| **is_there);
        for ((column, out), _) in shown {
            for group in order.chunk_by(|a, b| a.0 == b.0) {
                let mean = mean(column, group);
                for (_, _, row) in group {
                    if let Some(out) = out.get_mut(place(*row)) {
                        *out = Some(mean);
                    }
                }
            }
        }
    }
    out
}

fn number(column: &[Option<f64>], row: u32) -> f64 {
    column.get(place(row)).copied().flatten().unwrap_or_default()
}

/// The mean over a group's people of the means of their rows.
fn mean(column: &[Option<f64>], group: &[(u32, u32, u32)]) -> f64 {
    let people = group.chunk_by(|a, b| a.1 == b.1);
    let means = people.map(|rows| {
        rows.iter().map(|(_, _, row)| number(column, *row)).sum::<f64>() / count(rows.len())
    });
    let (sum, people) = means.fold((0.0, 0), |(sum, people), mean| (sum + mean, people + 1));
    sum / count(people)
}

/// The standard deviation of a column's values, or 1 where they do not differ.
fn deviation(column: &[Option<f64>]) -> f64 {
    let values: Vec<f64> = column.iter().copied().flatten().collect();
    let mean = values.iter().sum::<f64>() / count(values.len().max(1));
    let squares = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
    let deviation = (squares / count(values.len().max(1))).sqrt();
    if deviation > 0.0 && deviation.is_finite() { deviation } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_stays_nothing_and_too_few_people_show_nothing() {
        let one = vec![Some(1.0), Some(2.0), Some(3.0), None, Some(5.0), Some(100.0)];
        let two = vec![Some(1.0), Some(2.0), Some(3.0), None, Some(5.0), None];
        let out = shown(&[one, two], &[0, 1, 2, 3, 4, 5], 2);
        assert_eq!(out[0][..5], [Some(1.5), Some(1.5), Some(4.0), None, Some(4.0)]);
        assert_eq!(out[1][..5], [Some(1.5), Some(1.5), Some(4.0), None, Some(4.0)]);
        assert_eq!((out[0][5], out[1][5]), (None, None), "one person's pattern shows a value");
        let alone = shown(&[vec![Some(1.0), Some(2.0)]], &[7, 7], 2);
        assert_eq!(alone[0], [None, None], "two rows of one person pass for two people");
    }

    #[test]
    fn a_person_with_many_rows_counts_as_one_in_the_mean() {
        let out = shown(&[vec![Some(10.0), Some(10.0), Some(10.0), Some(20.0)]], &[1, 1, 1, 2], 2);
        assert_eq!(out[0], [Some(15.0); 4]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn each_value_is_shown_for_k_people_and_means_stay(
            rows in proptest::collection::vec((0_i16..500, 0_i16..500), 4..160), k in 2_usize..5,
        ) {
            let one: Vec<_> = rows.iter().map(|(a, _)| Some(f64::from(*a))).collect();
            let two: Vec<_> = rows.iter().map(|(_, b)| Some(f64::from(*b))).collect();
            let people: Vec<u32> = (0..).take(rows.len()).collect();
            let out = shown(&[one.clone(), two], &people, k);
            let sum = |column: &[Option<f64>]| column.iter().flatten().sum::<f64>();
            prop_assert!((sum(&out[0]) - sum(&one)).abs() < 1e-6, "the mean moved");
            for (a, b) in out[0].iter().zip(&out[1]) {
                let alike = out[0].iter().zip(&out[1]).filter(|(x, y)| (*x, *y) == (a, b)).count();
                prop_assert!(alike >= k, "{alike} people look alike");
            }
            let distinct: BTreeSet<u64> = out[0].iter().flatten().map(|n| n.to_bits()).collect();
            prop_assert!(distinct.len() <= rows.len() / k);
        }
    }
}
