//! What each training record is worth to a nearest-neighbour model: Shapley values in integers.
//!
//! Comes in: the neighbours of one test record, with their distances and whether their labels match.
//! Goes out: a value for each, in parts of [`SCALE`]. Never: a float, or an order that chance decides.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::num::NonZeroU32;

use super::apportion::Error;

/// What a whole is worth: the utility of a test record whose `k` nearest neighbours all match.
pub const SCALE: i64 = 1_000_000_000_000_000;

/// A training record as one test record sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Neighbour {
    /// How far it is.
    pub distance: u64,
    /// The place of its id among all ids, sorted: of two at the same distance the first is nearer.
    pub record: u32,
    /// Whether its label is the test record's.
    pub is_match: bool,
}

/// Sorts the neighbours of one test record by distance, and returns what each is worth there, in
/// that order, by the closed form of Jia et al. (2019), theorem 1.
///
/// From the farthest inwards: `s_n = m_n * floor(S / max(n, k))`, and
/// `s_i = s_{i+1} + (m_i - m_{i+1}) * floor(S / max(k, i))`, where `m` is 1 for a match and 0 else.
///
/// ```
/// use std::num::NonZeroU32;
/// use almoner::reward::{Neighbour, SCALE, knn_shapley};
/// let near = Neighbour { distance: 1, record: 0, is_match: true };
/// let far = Neighbour { distance: 2, record: 1, is_match: false };
/// assert_eq!(knn_shapley(NonZeroU32::MIN, &mut [far, near])?, [SCALE, 0]);
/// # Ok::<(), almoner::reward::ApportionError>(())
/// ```
pub fn knn_shapley(k: NonZeroU32, neighbours: &mut [Neighbour]) -> Result<Vec<i64>, Error> {
    neighbours.sort_unstable();
    let mut values = vec![0_i64; neighbours.len()];
    let k = u64::from(k.get());
    let mut beyond: Option<(i64, bool)> = None;
    for (at, (value, neighbour)) in values.iter_mut().zip(neighbours.iter()).enumerate().rev() {
        let rank = u64::try_from(at).unwrap_or(u64::MAX).saturating_add(1);
        let part = SCALE.div_euclid(i64::try_from(rank.max(k)).map_err(|_| Error::Overflow)?);
        let (step, from) = match beyond {
            Some((next, was)) => {
                (i64::from(neighbour.is_match).saturating_sub(i64::from(was)), next)
            }
            None => (i64::from(neighbour.is_match), 0),
        };
        let own = step.checked_mul(part).and_then(|step| from.checked_add(step));
        *value = own.ok_or(Error::Overflow)?;
        beyond = Some((*value, neighbour.is_match));
    }
    Ok(values)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test that wraps fails")]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn k(k: u32) -> NonZeroU32 {
        NonZeroU32::new(k).unwrap()
    }

    fn neighbours(matches: &[bool]) -> Vec<Neighbour> {
        let neighbour = |(at, is_match): (u32, &bool)| Neighbour {
            distance: u64::from(at) / 2,
            record: at,
            is_match: *is_match,
        };
        (0..).zip(matches).map(neighbour).collect()
    }

    /// Shapley's own definition over all coalitions, times `n! * k`: whole numbers throughout.
    fn by_all_coalitions(k: u32, matches: &[bool]) -> Vec<i64> {
        let n = matches.len();
        let factorial = |n: usize| (1..=n).map(|i| i64::try_from(i).unwrap()).product::<i64>();
        // The utility of a coalition times k: matches among its k nearest.
        let utility = |coalition: u32| {
            let members = (0..n).filter(|at| coalition & (1 << at) != 0);
            let near = members.take(usize::try_from(k).unwrap());
            i64::try_from(near.filter(|at| matches[*at]).count()).unwrap()
        };
        (0..n)
            .map(|at| {
                (0..1_u32 << n)
                    .filter(|coalition| coalition & (1 << at) == 0)
                    .map(|coalition| {
                        let size = usize::try_from(coalition.count_ones()).unwrap();
                        let orders = factorial(size) * factorial(n - size - 1);
                        orders * (utility(coalition | 1 << at) - utility(coalition))
                    })
                    .sum()
            })
            .collect()
    }

    #[test]
    fn values_are_those_of_all_coalitions_of_eight_records() {
        // 8! * k divides into SCALE only with a rest: each value may fall short of the exact one by
        // less than one part a step of the recursion.
        let n = 8;
        let orders: i128 = 40_320;
        for neighbours_max in 1..=9_u32 {
            for labels in 0..256_u32 {
                let matches: Vec<bool> = (0..n).map(|at| labels & (1 << at) != 0).collect();
                let own = knn_shapley(k(neighbours_max), &mut neighbours(&matches)).unwrap();
                for (own, exact) in own.iter().zip(by_all_coalitions(neighbours_max, &matches)) {
                    let whole = orders * i128::from(neighbours_max);
                    let off = i128::from(*own) * whole - i128::from(exact) * i128::from(SCALE);
                    assert!(
                        off.abs() <= whole * 8,
                        "labels {labels:08b}, k = {neighbours_max}: off by more than 8 parts"
                    );
                }
            }
        }
    }

    #[test]
    fn ties_go_by_distance_and_then_by_id() {
        let at = |distance, record, is_match| Neighbour { distance, record, is_match };
        let mut one = [at(5, 2, true), at(5, 1, false), at(4, 3, true)];
        let mut other = [at(4, 3, true), at(5, 2, true), at(5, 1, false)];
        let values = knn_shapley(k(1), &mut one).unwrap();
        assert_eq!(values, knn_shapley(k(1), &mut other).unwrap(), "the input's order decides");
        assert_eq!(one, other);
        assert_eq!(one.map(|n| n.record), [3, 1, 2]);
    }

    #[test]
    fn nobody_is_worth_nothing_and_one_alone_is_worth_what_he_answers() {
        assert!(knn_shapley(k(5), &mut []).unwrap().is_empty());
        let alone = |is_match| [Neighbour { distance: 0, record: 0, is_match }];
        assert_eq!(knn_shapley(k(5), &mut alone(true)).unwrap(), [SCALE / 5]);
        assert_eq!(knn_shapley(k(5), &mut alone(false)).unwrap(), [0]);
        assert_eq!(knn_shapley(k(u32::MAX), &mut alone(true)).unwrap(), [SCALE / 4_294_967_295]);
    }

    #[test]
    fn a_record_copied_ten_times_would_take_credit_so_copies_must_be_one_before() {
        // The sixth of ten neighbours, k = 3: what rewards.md §3 found when it copied a record.
        let honest = [true, false, true, true, false, true, true, false, true, true];
        let share = |copies: usize| {
            let mut matches = honest.to_vec();
            for _ in 1..copies {
                matches.insert(5, true);
            }
            let values = knn_shapley(k(3), &mut neighbours(&matches)).unwrap();
            values[5..5 + copies].iter().sum::<i64>()
        };
        assert!(share(10) > share(1), "copies gain nothing: the recursion is not KNN-Shapley's");
    }

    #[test]
    fn flipped_labels_are_ranked_last() {
        // Twenty records that match but for three whose labels were poisoned.
        let poisoned = [2_usize, 7, 11];
        let matches: Vec<bool> = (0..20).map(|at| !poisoned.contains(&at)).collect();
        let values = knn_shapley(k(3), &mut neighbours(&matches)).unwrap();
        let ranked: BTreeMap<i64, Vec<usize>> =
            values.iter().zip(0..).fold(BTreeMap::new(), |mut ranked, (value, at)| {
                ranked.entry(*value).or_default().push(at);
                ranked
            });
        let negative: Vec<usize> =
            ranked.range(..0).flat_map(|(_, places)| places.iter().copied()).collect();
        assert!(negative.iter().all(|at| poisoned.contains(at)), "an honest record is suspected");
        assert!(negative.contains(&2), "the nearest poisoned record is not seen");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn values_sum_to_what_all_records_together_answer(
            matches in proptest::collection::vec(any::<bool>(), 1..60),
            neighbours_max in 1_u32..12,
        ) {
            let values = knn_shapley(k(neighbours_max), &mut neighbours(&matches)).unwrap();
            let nearest = usize::try_from(neighbours_max).unwrap();
            let right = matches.iter().take(nearest).filter(|m| **m).count();
            let whole = i64::try_from(right).unwrap() * SCALE;
            let k = i64::from(neighbours_max);
            let off = (values.iter().sum::<i64>() * k - whole).abs();
            // Each division is cut by less than a part, and reaches every nearer record once.
            let places = i64::try_from(matches.len()).unwrap();
            prop_assert!(off <= k * places * places, "value was lost or made: {off}");
        }
    }
}
