//! Top and bottom coding by percentile: the ends of a column show the value at which they begin.
//!
//! Comes in: the rows of one column in ascending order of their values, for each row its person, the
//! shares, k. Goes out: for each row the row whose value it shows. Never: an end of fewer than k
//! people; an end moves inwards until it has them, and a column that cannot have both shows nothing.
//!
//! It protects those whom an extreme value makes known to everybody (the heaviest, the longest stay).
//! It costs the ends: they read "that or more" and "that or less", so means, variances and maxima are
//! pulled inwards, while medians and all quantiles between the two shares stay as they are.
//! sdcMicro's `topBotCoding` does the same with limits that somebody chose; the percentile is the
//! nearest rank (Hyndman and Fan 1996, type 1), so that the value shown is one of the column.

use std::collections::BTreeSet;

use super::shells::place;

/// The share of values below which, and above which, values are coded; in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::deid) struct Tails {
    /// The share at which the bottom ends; none where it is left alone.
    pub(in crate::deid) bottom_ppm: Option<u32>,
    /// The share at which the top begins.
    pub(in crate::deid) top_ppm: Option<u32>,
}

/// Codes the ends of a column.
///
/// `order` has the rows that hold a value, `people` the person of every row. The result has as many
/// items as `people`; `None` where a row shows no value.
pub(super) fn code(order: &[u32], people: &[u32], tails: Tails, k: usize) -> Vec<Option<u32>> {
    let mut out = vec![None; people.len()];
    let last = order.len().saturating_sub(1);
    let person = |row: &u32| people.get(place(*row)).copied().unwrap_or(u32::MAX);
    let bottom = tails.bottom_ppm.map(|share| {
        let own = order.len().saturating_sub(rank(order.len(), 1_000_000 - share.min(1_000_000)));
        reach(order.iter().map(person), k).map(|needed| own.max(needed))
    });
    let top = tails.top_ppm.map(|share| {
        let own = rank(order.len(), share).saturating_sub(1);
        reach(order.iter().rev().map(person), k).map(|needed| own.min(last - needed))
    });
    let (low, high) = match (bottom, top) {
        (Some(None), _) | (_, Some(None)) => return out,
        (None, None) => (0, last),
        (Some(Some(low)), None) => (low, last),
        (None, Some(Some(high))) => (0, high),
        (Some(Some(low)), Some(Some(high))) => (low, high),
    };
    if low > high {
        return out;
    }
    for (at, row) in order.iter().enumerate() {
        if let Some(out) = out.get_mut(place(*row)) {
            *out = order.get(at.clamp(low, high)).copied();
        }
    }
    out
}

/// The nearest rank of a share of so many values, from 1: the least that has the share at or below it.
fn rank(count: usize, ppm: u32) -> usize {
    let exact = (count as u128) * u128::from(ppm);
    usize::try_from(exact.div_ceil(1_000_000)).unwrap_or(count).clamp(1, count.max(1))
}

/// How many steps it takes until k people were met; none where there are fewer.
fn reach(people: impl Iterator<Item = u32>, k: usize) -> Option<usize> {
    let mut met = BTreeSet::new();
    people.enumerate().find_map(|(step, person)| {
        met.insert(person);
        (met.len() >= k.max(1)).then_some(step)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOTH: Tails = Tails { bottom_ppm: Some(10_000), top_ppm: Some(990_000) };

    #[test]
    fn a_hundredth_at_each_end_shows_where_the_end_begins() {
        let all: Vec<u32> = (0..1_000).collect();
        let shown = code(&all, &all, BOTH, 5);
        assert_eq!((shown[0], shown[9], shown[10]), (Some(10), Some(10), Some(10)), "the bottom");
        assert_eq!(
            (shown[989], shown[990], shown[999]),
            (Some(989), Some(989), Some(989)),
            "the top"
        );
        assert_eq!(shown[500], Some(500), "a value between the ends moved");
    }

    #[test]
    fn an_end_of_too_few_people_moves_inwards() {
        let all: Vec<u32> = (0..100).collect();
        let shown = code(&all, &all, BOTH, 11);
        assert_eq!((shown[99], shown[89], shown[88]), (Some(89), Some(89), Some(88)));
        assert_eq!((shown[0], shown[10], shown[11]), (Some(10), Some(10), Some(11)));
        // Eleven rows of one person are one person.
        let people: Vec<u32> = (0..100_u32).map(|row| row.min(80)).collect();
        let shown = code(&all, &people, Tails { bottom_ppm: None, ..BOTH }, 3);
        assert_eq!((shown[99], shown[78], shown[77]), (Some(78), Some(78), Some(77)));
    }

    #[test]
    fn a_column_of_fewer_than_k_people_shows_nothing() {
        let all: Vec<u32> = (0..8).collect();
        assert!(code(&all, &all, BOTH, 9).iter().all(Option::is_none));
        assert!(code(&all, &all, BOTH, 5).iter().all(Option::is_none), "the ends cross");
        assert!(code(&[], &all, BOTH, 2).iter().all(Option::is_none));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn order_is_kept_and_each_end_has_k_people(
            people in proptest::collection::vec(0_u32..40, 1..150), k in 1_usize..8,
            bottom in proptest::option::of(0_u32..400_000), top in proptest::option::of(600_000_u32..=1_000_000),
        ) {
            let order: Vec<u32> = (0..).take(people.len()).filter(|row| row % 5 != 2).collect();
            let shown = code(&order, &people, Tails { bottom_ppm: bottom, top_ppm: top }, k);
            let coded: Vec<u32> = shown.iter().copied().flatten().collect();
            prop_assert!(coded.is_empty() || coded.len() == order.len(), "some values were lost");
            prop_assert!(coded.is_sorted(), "two values changed their order");
            for end in [top.and(coded.last()), bottom.and(coded.first())].into_iter().flatten() {
                let own: BTreeSet<u32> = (0..).zip(&shown)
                    .filter(|(_, shown)| **shown == Some(*end))
                    .map(|(row, _): (usize, _)| people[row]).collect();
                prop_assert!(own.len() >= k, "an end of {} people", own.len());
            }
        }
    }
}
