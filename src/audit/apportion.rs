//! Exact shares by largest remainders and under a cap, in 256 bits; slower than the engine's, and
//! its own. Comes in: an amount in grains, weights, what breaks ties. Goes out: a share each.
//! Never: a grain given twice, or a number that wrapped.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::cmp::Reverse;

use ethnum::U256;

/// Gives out an amount by weights: everyone's floor, then one unit each to the largest remainders,
/// ties to the smaller key. Without weights nobody gets anything. `None` where it does not fit.
pub(super) fn shares<K: Ord>(amount: u128, claims: &[(u128, K)]) -> Option<Vec<u128>> {
    let sum = sum(claims.iter().map(|(weight, _)| *weight))?;
    if sum == U256::ZERO {
        return Some(vec![0; claims.len()]);
    }
    let mut shares = Vec::with_capacity(claims.len());
    let mut order = Vec::new();
    let mut left = amount;
    for (at, (weight, key)) in claims.iter().enumerate() {
        let product = U256::from(amount).checked_mul(U256::from(*weight))?;
        let share = u128::try_from(product.checked_div(sum)?).ok()?;
        let remainder = product.checked_rem(sum)?;
        left = left.checked_sub(share)?;
        shares.push(share);
        if remainder > U256::ZERO {
            order.push((Reverse(remainder), key, at));
        }
    }
    order.sort_unstable();
    for (_, _, at) in order.into_iter().take(usize::try_from(left).ok()?) {
        let share = shares.get_mut(at)?;
        *share = share.checked_add(1)?;
        left = left.checked_sub(1)?;
    }
    (left == 0).then_some(shares)
}

/// Gives out an amount by weights, nobody more than `cap`: all whose exact share reaches the cap get
/// just that, at once, and the others share what remains by the same rule. What is left over when
/// all are capped is nobody's.
pub(super) fn capped<K: Ord>(amount: u128, cap: u128, claims: &[(u128, K)]) -> Option<Vec<u128>> {
    let mut given = vec![0_u128; claims.len()];
    let mut open: Vec<usize> = (0..claims.len()).collect();
    let mut left = amount;
    loop {
        let weight = |at: &usize| claims.get(*at).map_or(0, |(weight, _)| *weight);
        let sum = sum(open.iter().map(weight))?;
        if sum == U256::ZERO {
            return Some(given);
        }
        let bound = U256::from(cap).checked_mul(sum)?;
        let mut below = Vec::new();
        let mut remains = left;
        for at in &open {
            if U256::from(left).checked_mul(U256::from(weight(at)))? >= bound {
                *given.get_mut(*at)? = cap;
                remains = remains.checked_sub(cap)?;
            } else {
                below.push(*at);
            }
        }
        if below.len() == open.len() {
            let own: Option<Vec<(u128, &K)>> =
                open.iter().map(|at| claims.get(*at).map(|(weight, key)| (*weight, key))).collect();
            for (at, share) in open.iter().zip(shares(left, &own?)?) {
                *given.get_mut(*at)? = share;
            }
            return Some(given);
        }
        (open, left) = (below, remains);
    }
}

/// Returns `whole * part / of`, rounded down; `None` where it does not fit.
pub(super) fn portion(whole: u128, part: u128, of: u128) -> Option<u128> {
    let product = U256::from(whole).checked_mul(U256::from(part))?;
    u128::try_from(product.checked_div(U256::from(of))?).ok()
}

fn sum(weights: impl Iterator<Item = u128>) -> Option<U256> {
    let mut weights = weights;
    weights.try_fold(U256::ZERO, |sum, weight| sum.checked_add(U256::from(weight)))
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test that wraps fails")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claims(weights: &[u128]) -> Vec<(u128, usize)> {
        weights.iter().copied().zip(0..).collect()
    }

    #[test]
    fn the_worked_example_of_the_reference_is_right_to_the_cent() {
        let base = claims(&[920_000_000, 396_000_000, 50_000_000, 4_270_000]);
        assert_eq!(shares(2_850_000, &base).unwrap(), [1_913_492, 823_633, 103_994, 8_881]);
        let new = claims(&[5_000_000, 20_000_000, 50_000_000, 7_000_000]);
        assert_eq!(shares(1_900_000, &new).unwrap(), [115_854, 463_415, 1_158_536, 162_195]);
    }

    #[test]
    fn a_tie_goes_to_the_smaller_key_and_nobody_to_nothing() {
        assert_eq!(shares(1, &[(1, 9), (1, 2), (1, 5)]).unwrap(), [0, 1, 0]);
        assert_eq!(shares(5, &[(0, 1), (0, 2)]).unwrap(), [0, 0]);
    }

    #[test]
    fn a_cap_gives_what_the_reference_says_and_leaves_the_rest() {
        let three = claims(&[70, 20, 10]);
        assert_eq!(capped(100_000, 40_000, &three).unwrap(), [40_000, 40_000, 20_000]);
        assert_eq!(capped(100_000, 30_000, &three).unwrap(), [30_000, 30_000, 30_000]);
        assert_eq!(capped(100_000, 100_000, &three).unwrap(), [70_000, 20_000, 10_000]);
        assert_eq!(capped(100, 0, &three).unwrap(), [0, 0, 0], "a cap of nothing gave something");
        assert_eq!(capped(100, 40, &claims(&[0, 0])).unwrap(), [0, 0]);
    }

    #[test]
    fn numbers_as_large_as_there_are_are_divided_exactly() {
        let most = u128::MAX;
        assert_eq!(shares(most, &claims(&[most, most])).unwrap(), [most / 2 + 1, most / 2]);
        assert_eq!(portion(most, 3, 3), Some(most));
        assert_eq!(portion(most, 2, 1), None, "an amount wrapped");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_unit_is_given_out_once_and_floors_are_exact(
            amount in 0_u128..1 << 60,
            weights in proptest::collection::vec(0_u128..1 << 60, 1..30),
        ) {
            let sum: u128 = weights.iter().sum();
            let given = shares(amount, &claims(&weights)).unwrap();
            if let Some(sum) = std::num::NonZeroU128::new(sum) {
                prop_assert_eq!(given.iter().sum::<u128>(), amount);
                for (share, weight) in given.iter().zip(&weights) {
                    let floor = amount * weight / sum;
                    prop_assert!(*share == floor || *share == floor + 1);
                }
            }
        }

        #[test]
        fn nobody_gets_more_than_the_cap_and_nothing_is_left_while_somebody_is_below_it(
            amount in 0_u128..1_000_000,
            cap in 0_u128..400_000,
            weights in proptest::collection::vec(1_u128..1_000, 1..12),
        ) {
            let given = capped(amount, cap, &claims(&weights)).unwrap();
            let sum: u128 = given.iter().sum();
            prop_assert!(sum <= amount && given.iter().all(|share| *share <= cap));
            prop_assert!(sum == amount || given.iter().all(|share| *share == cap));
        }
    }
}
