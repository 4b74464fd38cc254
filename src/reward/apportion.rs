//! Exact apportionment by largest remainders (Hamilton), in integers.
//!
//! Comes in: an amount, weights, and a key for each payee that breaks ties. Goes out: shares that
//! sum to the amount exactly. Never: a float, a unit lost or made, or a result that wrapped.

use std::cmp::Ordering;

/// Why an amount cannot be apportioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The weights' sum does not fit.
    #[error("the sum of the weights is too large")]
    Overflow,
    /// There are not as many keys as weights.
    #[error("{weights} weights came with {keys} keys")]
    Lengths {
        /// How many weights.
        weights: usize,
        /// How many keys.
        keys: usize,
    },
    /// Two payees with the same key are tied, so that the order of the input would decide.
    #[error("two payees share a tie key")]
    SameKey,
}

/// How an amount was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shares {
    /// What each payee gets, in the order of the weights.
    pub shares: Vec<u128>,
    /// What nobody could be given because all weights are zero.
    pub unallocated: u128,
}

/// Apportions `amount` by `weights`: each payee gets `floor(amount * weight / sum)`, and the units
/// left over go one each to the largest remainders, ties to the smaller key.
///
/// The result does not depend on the order of the payees, only on their weights and keys.
///
/// ```
/// use almoner::reward::apportion;
/// let cents = apportion(100_00, &[70, 20, 10], &["a", "b", "c"])?;
/// assert_eq!(cents.shares, [70_00, 20_00, 10_00]);
/// # Ok::<(), almoner::reward::ApportionError>(())
/// ```
pub fn apportion<K: Ord>(amount: u128, weights: &[u128], keys: &[K]) -> Result<Shares, Error> {
    if weights.len() != keys.len() {
        return Err(Error::Lengths { weights: weights.len(), keys: keys.len() });
    }
    let sum = weights.iter().try_fold(0_u128, |sum, w| sum.checked_add(*w));
    let sum = sum.ok_or(Error::Overflow)?;
    if sum == 0 {
        return Ok(Shares { shares: vec![0; weights.len()], unallocated: amount });
    }
    let mut shares = Vec::with_capacity(weights.len());
    let mut claims = Vec::with_capacity(weights.len());
    let mut left = amount;
    for (at, (weight, key)) in weights.iter().zip(keys).enumerate() {
        let (share, remainder) = mul_div(amount, *weight, sum);
        left = left.checked_sub(share).ok_or(Error::Overflow)?;
        shares.push(share);
        if remainder > 0 {
            claims.push(Claim { remainder, key, at });
        }
    }
    // INVARIANT: the remainders sum to `left * sum` and each is below `sum`, so that more payees
    // have one than there are units left.
    let left = usize::try_from(left).map_err(|_| Error::Overflow)?;
    if left > 0 {
        for at in largest(&mut claims, left)? {
            if let Some(share) = shares.get_mut(at) {
                *share = share.checked_add(1).ok_or(Error::Overflow)?;
            }
        }
    }
    debug_assert_eq!(shares.iter().sum::<u128>(), amount, "every unit is given out once");
    Ok(Shares { shares, unallocated: 0 })
}

#[derive(Debug)]
struct Claim<'a, K> {
    remainder: u128,
    key: &'a K,
    at: usize,
}

impl<K: Ord> Claim<'_, K> {
    fn rank(&self, other: &Self) -> Ordering {
        other.remainder.cmp(&self.remainder).then_with(|| self.key.cmp(other.key))
    }
}

/// Returns the places of the `count` claims that come first, in time linear in their number.
fn largest<K: Ord>(claims: &mut [Claim<'_, K>], count: usize) -> Result<Vec<usize>, Error> {
    let last = count.checked_sub(1).filter(|last| *last < claims.len()).ok_or(Error::Overflow)?;
    let (before, pivot, after) = claims.select_nth_unstable_by(last, Claim::rank);
    // Only a twin of the last winner among the losers would leave the choice to the input's order.
    if after.iter().any(|claim| claim.rank(pivot) == Ordering::Equal) {
        return Err(Error::SameKey);
    }
    Ok(before.iter().map(|claim| claim.at).chain([pivot.at]).collect())
}

/// Returns quotient and remainder of `a * w / sum` for `w <= sum`, with a 256-bit product.
fn mul_div(a: u128, w: u128, sum: u128) -> (u128, u128) {
    match a.checked_mul(w) {
        Some(product) => (
            product.checked_div(sum).unwrap_or_default(),
            product.checked_rem(sum).unwrap_or_default(),
        ),
        None => divide(wide_mul(a, w), sum),
    }
}

/// Returns the high and low halves of a 256-bit product.
fn wide_mul(a: u128, b: u128) -> (u128, u128) {
    const LOW: u128 = 0xffff_ffff_ffff_ffff;
    let (a1, a0, b1, b0) = (a >> 64, a & LOW, b >> 64, b & LOW);
    // Schoolbook on 64-bit halves: no partial product or carry sum exceeds 128 bits.
    let low = a0.wrapping_mul(b0);
    let middle = a1.wrapping_mul(b0).wrapping_add(low >> 64);
    let other = a0.wrapping_mul(b1).wrapping_add(middle & LOW);
    let high = a1.wrapping_mul(b1).wrapping_add(middle >> 64).wrapping_add(other >> 64);
    (high, (other << 64) | (low & LOW))
}

/// Divides a 256-bit number by `divisor`, one bit at a time. Where `high < divisor`, as it is for
/// `a * w` with `w <= divisor`, the quotient fits.
fn divide((high, low): (u128, u128), divisor: u128) -> (u128, u128) {
    let mut remainder = high;
    let mut quotient = 0_u128;
    for bit in (0..128_u32).rev() {
        let carried = remainder >> 127 == 1;
        remainder = (remainder << 1) | (low.wrapping_shr(bit) & 1);
        quotient <<= 1;
        if carried || remainder >= divisor {
            remainder = remainder.wrapping_sub(divisor);
            quotient |= 1;
        }
    }
    (quotient, remainder)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shares(amount: u128, weights: &[u128]) -> Vec<u128> {
        let keys: Vec<usize> = (0..weights.len()).collect();
        apportion(amount, weights, &keys).unwrap().shares
    }

    #[test]
    fn the_worked_example_of_the_base_layer_is_right_to_the_cent() {
        // reference/rewards.md §3: records x quality of A, B, C, D over 28,500.00.
        let weights = [920_000_000, 396_000_000, 50_000_000, 4_270_000];
        assert_eq!(shares(2_850_000, &weights), [1_913_492, 823_633, 103_994, 8_881]);
    }

    #[test]
    fn the_worked_example_of_the_usage_layer_is_right_to_the_cent() {
        // Three questions at prices 1, 2, 1; 10^12 share units each, split by rows used.
        let unit = 1_000_000_000_000;
        let mut weights = [0_u128; 4];
        for (price, rows) in [(1, [600, 300, 50, 0]), (2, [10, 0, 50, 0]), (1, [0, 100, 0, 7])] {
            for (weight, share) in weights.iter_mut().zip(shares(price * unit, &rows)) {
                *weight += share;
            }
        }
        assert_eq!(
            weights,
            [964_912_280_702, 1_250_368_912_936, 1_719_298_245_614, 65_420_560_748]
        );
        assert_eq!(shares(4_750_000, &weights), [1_145_833, 1_484_813, 2_041_667, 77_687]);
    }

    #[test]
    fn layers_are_apportioned_like_people() {
        assert_eq!(
            shares(9_500_000, &[300_000, 500_000, 200_000]),
            [2_850_000, 4_750_000, 1_900_000]
        );
    }

    #[test]
    fn without_weights_nobody_is_paid_and_nothing_is_lost() {
        let result = apportion(500, &[0, 0], &[1, 2]).unwrap();
        assert_eq!(result, Shares { shares: vec![0, 0], unallocated: 500 });
        let result = apportion::<u8>(500, &[], &[]).unwrap();
        assert_eq!(result.unallocated, 500);
    }

    #[test]
    fn a_tie_goes_to_the_smaller_key_wherever_it_stands() {
        assert_eq!(apportion(1, &[1, 1, 1], &[9, 2, 5]).unwrap().shares, [0, 1, 0]);
        assert_eq!(apportion(2, &[1, 1, 1], &[9, 2, 5]).unwrap().shares, [0, 1, 1]);
    }

    #[test]
    fn a_tie_between_equal_keys_is_refused() {
        assert_eq!(
            apportion(1, &[1, 1], &[3, 3]),
            Err(Error::SameKey),
            "the order of the input would decide who is paid"
        );
        assert!(apportion(2, &[1, 1], &[3, 3]).is_ok(), "no tie, no choice");
    }

    #[test]
    fn weights_whose_sum_does_not_fit_are_refused() {
        assert_eq!(apportion(1, &[u128::MAX, 1], &[1, 2]), Err(Error::Overflow));
        assert!(matches!(apportion(1, &[1], &[1, 2]), Err(Error::Lengths { .. })));
    }

    #[test]
    fn a_product_beyond_128_bits_is_still_exact() {
        let big = u128::MAX / 3;
        let result = shares(u128::MAX, &[big, big, big]);
        assert_eq!(result, [big, big, big], "u128::MAX is divisible by three");
        assert_eq!(wide_mul(u128::MAX, u128::MAX), (u128::MAX - 1, 1));
        assert_eq!(divide((u128::MAX - 1, 1), u128::MAX), (u128::MAX, 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn shares_sum_to_the_amount_and_each_is_within_one_of_its_exact_share(
            amount in 0_u128..1 << 90,
            weights in proptest::collection::vec(0_u128..1 << 60, 1..40),
        ) {
            let keys: Vec<usize> = (0..weights.len()).collect();
            let result = apportion(amount, &weights, &keys).unwrap();
            prop_assert_eq!(result.shares.iter().sum::<u128>() + result.unallocated, amount);
            let sum: u128 = weights.iter().sum();
            if sum > 0 {
                for (share, weight) in result.shares.iter().zip(&weights) {
                    let (floor, remainder) = mul_div(amount, *weight, sum);
                    prop_assert!(*share == floor || (remainder > 0 && *share == floor + 1));
                }
            }
        }

        #[test]
        fn the_order_of_the_payees_does_not_matter(
            amount in 0_u128..10_000,
            weights in proptest::collection::vec(0_u128..5, 1..30),
            turn in 0_usize..30,
        ) {
            let keys: Vec<usize> = (0..weights.len()).collect();
            let straight = apportion(amount, &weights, &keys).unwrap().shares;
            let turned = |list: &[u128]| {
                let mut list = list.to_vec();
                list.rotate_left(turn % weights.len());
                list.reverse();
                list
            };
            let mut turned_keys = keys.clone();
            turned_keys.rotate_left(turn % weights.len());
            turned_keys.reverse();
            let result = apportion(amount, &turned(&weights), &turned_keys).unwrap().shares;
            prop_assert_eq!(result, turned(&straight));
        }

        #[test]
        fn the_wide_and_the_narrow_division_agree(a in any::<u64>(), w in any::<u64>(), d in 1_u64..) {
            let (a, w, d) = (u128::from(a), u128::from(w % d), u128::from(d));
            prop_assert_eq!(divide(wide_mul(a, w), d), mul_div(a, w, d));
        }
    }
}
