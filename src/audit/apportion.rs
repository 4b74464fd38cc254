//! Exact shares by largest remainders, reckoned bit by bit; slower than the engine's, and its own.

use std::cmp::Reverse;

/// Returns quotient and remainder of `amount * weight / sum`, for `weight <= sum < 2^126`: the
/// amount's bits are taken from the top, as one multiplies by hand in base two.
pub(super) fn divide(amount: u128, weight: u128, sum: u128) -> Option<(u128, u128)> {
    if sum == 0 || weight > sum || sum >> 126 != 0 {
        return None;
    }
    let (mut quotient, mut remainder) = (0_u128, 0_u128);
    for bit in (0..128_u32).rev() {
        quotient = quotient.checked_mul(2)?;
        remainder = remainder.checked_mul(2)?;
        if amount >> bit & 1 == 1 {
            remainder = remainder.checked_add(weight)?;
        }
        while remainder >= sum {
            remainder = remainder.checked_sub(sum)?;
            quotient = quotient.checked_add(1)?;
        }
    }
    Some((quotient, remainder))
}

/// Gives out an amount by weights: everyone's floor, then one unit each to the largest remainders,
/// ties to the smaller key. Without weights nobody gets anything. `None` where it does not fit.
pub(super) fn shares<K: Ord>(amount: u128, claims: &[(u128, K)]) -> Option<Vec<u128>> {
    let sum = claims.iter().try_fold(0_u128, |sum, (weight, _)| sum.checked_add(*weight))?;
    if sum == 0 {
        return Some(vec![0; claims.len()]);
    }
    let mut shares = Vec::with_capacity(claims.len());
    let mut order = Vec::new();
    let mut left = amount;
    for (at, (weight, key)) in claims.iter().enumerate() {
        let (share, remainder) = divide(amount, *weight, sum)?;
        left = left.checked_sub(share)?;
        shares.push(share);
        if remainder > 0 {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_worked_example_of_the_reference_is_right_to_the_cent() {
        let weights = [920_000_000, 396_000_000, 50_000_000, 4_270_000];
        let claims: Vec<(u128, usize)> = weights.into_iter().zip(0..).collect();
        assert_eq!(shares(2_850_000, &claims).unwrap(), [1_913_492, 823_633, 103_994, 8_881]);
    }

    #[test]
    fn a_tie_goes_to_the_smaller_key_and_nobody_to_nothing() {
        assert_eq!(shares(1, &[(1, 9), (1, 2), (1, 5)]).unwrap(), [0, 1, 0]);
        assert_eq!(shares(5, &[(0, 1), (0, 2)]).unwrap(), [0, 0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_unit_is_given_out_once_and_floors_are_exact(
            amount in 0_u128..1 << 60,
            weights in proptest::collection::vec(0_u128..1 << 60, 1..30),
        ) {
            let claims: Vec<(u128, usize)> = weights.iter().copied().zip(0..).collect();
            let sum: u128 = weights.iter().sum();
            let given = shares(amount, &claims).unwrap();
            if let Some(sum) = std::num::NonZeroU128::new(sum) {
                prop_assert_eq!(given.iter().sum::<u128>(), amount);
                for (share, weight) in given.iter().zip(&weights) {
                    let floor = amount * weight / sum;
                    prop_assert!(*share == floor || *share == floor + 1);
                    prop_assert_eq!(divide(amount, *weight, sum.get()).unwrap().0, floor);
                }
            }
        }
    }
}
