//! Exact apportionment by largest remainders (Hamilton), in integers.
//!
//! Comes in: an amount, weights, and a key for each payee that breaks ties. Goes out: shares that
//! sum to the amount exactly. Never: a float, a unit lost or made, or a result that wrapped.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::cmp::Ordering;

use ethnum::U256;
use rayon::prelude::*;

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
pub fn apportion<K: Ord + Sync>(
    amount: u128,
    weights: &[u128],
    keys: &[K],
) -> Result<Shares, Error> {
    if weights.len() != keys.len() {
        return Err(Error::Lengths { weights: weights.len(), keys: keys.len() });
    }
    let sum = weights.iter().try_fold(0_u128, |sum, w| sum.checked_add(*w));
    let sum = sum.ok_or(Error::Overflow)?;
    if sum == 0 {
        return Ok(Shares { shares: vec![0; weights.len()], unallocated: amount });
    }
    let rate = Rate { whole: amount.div_euclid(sum), rest: amount.rem_euclid(sum), sum };
    let mut shares = vec![0_u128; weights.len()];
    // Each payee's share is his own, and claims are ranked by a strict order: how many threads there
    // are, and who is first, changes nothing.
    let parts = if weights.len() <= PAYEES_PER_PART {
        rate.part(0, &mut shares, weights, keys).map(|part| vec![part])
    } else {
        let payees = weights.par_chunks(PAYEES_PER_PART).zip(keys.par_chunks(PAYEES_PER_PART));
        let parts = shares.par_chunks_mut(PAYEES_PER_PART).zip(payees).enumerate();
        let part = |(part, (shares, (weights, keys))): (usize, (&mut [u128], (&[u128], _)))| {
            rate.part(part.checked_mul(PAYEES_PER_PART)?, shares, weights, keys)
        };
        parts.map(part).collect()
    };
    let parts: Vec<Part<'_, K>> = parts.ok_or(Error::Overflow)?;
    let given = parts.iter().try_fold(0_u128, |sum, part| sum.checked_add(part.given));
    let left = given.and_then(|given| amount.checked_sub(given)).ok_or(Error::Overflow)?;
    // INVARIANT: the remainders sum to `left * sum` and each is below `sum`, so that more payees
    // have one than there are units left.
    let left = usize::try_from(left).map_err(|_| Error::Overflow)?;
    if left > 0 {
        let mut claims: Vec<Claim<'_, K>> =
            parts.into_iter().flat_map(|part| part.claims).collect();
        for at in largest(&mut claims, left)? {
            if let Some(share) = shares.get_mut(at) {
                *share = share.checked_add(1).ok_or(Error::Overflow)?;
            }
        }
    }
    debug_assert_eq!(shares.iter().sum::<u128>(), amount, "every unit is given out once");
    Ok(Shares { shares, unallocated: 0 })
}

/// How many payees one thread takes at a time.
const PAYEES_PER_PART: usize = 1 << 16;

/// The shares of some payees, without what is left over.
struct Part<'a, K> {
    given: u128,
    claims: Vec<Claim<'a, K>>,
}

/// What a unit of weight is worth: `amount / sum`, as a whole and a rest over the sum.
#[derive(Debug, Clone, Copy)]
struct Rate {
    whole: u128,
    rest: u128,
    sum: u128,
}

impl Rate {
    /// Fills in the shares of some payees, of whom `first` is the place of the first; `None` where
    /// something does not fit.
    fn part<'a, K>(
        &self,
        first: usize,
        shares: &mut [u128],
        weights: &[u128],
        keys: &'a [K],
    ) -> Option<Part<'a, K>> {
        let mut given = 0_u128;
        let mut claims = Vec::with_capacity(weights.len());
        for (at, ((share, weight), key)) in (first..).zip(shares.iter_mut().zip(weights).zip(keys))
        {
            let (floor, remainder) = self.times(*weight)?;
            given = given.checked_add(floor)?;
            *share = floor;
            if remainder > 0 {
                claims.push(Claim { remainder, key, at });
            }
        }
        Some(Part { given, claims })
    }

    /// Returns quotient and remainder of `amount * weight / sum`. The whole needs no division, and
    /// the product with the rest is narrow for all but the largest sums.
    fn times(&self, weight: u128) -> Option<(u128, u128)> {
        let whole = self.whole.checked_mul(weight)?;
        if let Some(product) = self.rest.checked_mul(weight) {
            let part = product.checked_div(self.sum)?;
            return Some((whole.checked_add(part)?, product.checked_rem(self.sum)?));
        }
        let product = U256::from(self.rest).checked_mul(U256::from(weight))?;
        let sum = U256::from(self.sum);
        let part = u128::try_from(product.checked_div(sum)?).ok()?;
        let remainder = u128::try_from(product.checked_rem(sum)?).ok()?;
        Some((whole.checked_add(part)?, remainder))
    }
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

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test that wraps fails, and names lengths by cast"
)]
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
        let (whole, rest) = ((u128::MAX - 1) / 3, u128::MAX - 1);
        let rate = Rate { whole: 0, rest, sum: u128::MAX };
        assert_eq!(rate.times(3), Some((2, u128::MAX - 3)), "a product of 130 bits was cut");
        assert_eq!(shares(rest, &[whole, u128::MAX - whole]), [whole, rest - whole]);
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
                    let product = U256::from(amount) * U256::from(*weight);
                    let floor = u128::try_from(product / U256::from(sum)).unwrap();
                    let remainder = product % U256::from(sum);
                    let up = remainder > 0 && *share == floor + 1;
                    prop_assert!(*share == floor || up, "a share is a unit off");
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
        fn the_wide_and_the_narrow_division_agree(
            amount in any::<u64>(),
            weights in proptest::collection::vec(0_u128..1 << 60, 1..20),
            shift in 0_u32..60,
        ) {
            // A common factor of all weights changes nothing but the width of the products.
            let wide: Vec<u128> = weights.iter().map(|w| w << shift).collect();
            let amount = u128::from(amount) << 40;
            prop_assert_eq!(shares(amount, &wide), shares(amount, &weights));
        }

        #[test]
        fn one_payee_who_takes_several_identities_gains_less_than_a_unit_for_each(
            amount in 0_u128..100_000,
            weights in proptest::collection::vec(0_u128..1_000, 1..20),
            parts in proptest::collection::vec(0_u128..400, 1..10),
        ) {
            let together: Vec<u128> =
                weights.iter().copied().chain([parts.iter().sum()]).collect();
            let apart: Vec<u128> = weights.iter().chain(&parts).copied().collect();
            let one = shares(amount, &together)[weights.len()];
            let many: u128 = shares(amount, &apart)[weights.len()..].iter().sum();
            prop_assert!(many <= one + parts.len() as u128, "splitting up pays");
        }
    }

    #[test]
    fn a_large_input_gives_the_same_for_any_number_of_threads() {
        let payees = u128::try_from(PAYEES_PER_PART).unwrap() * 3 + 17;
        let weights: Vec<u128> = (0..payees).map(|w| w * 7_919 % 1_009).collect();
        let keys: Vec<u128> = (0..payees).rev().collect();
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| apportion(9_999_999_999, &weights, &keys)).unwrap()
        };
        let one = with(1);
        assert_eq!(one, with(2));
        assert_eq!(one, with(5));
        // The same payees in pieces small enough to be taken at once, by the exact formula.
        let sum: u128 = weights.iter().sum();
        let exact = |w: u128| 9_999_999_999 * w / sum;
        let near = |(share, w): (&u128, &u128)| *share == exact(*w) || *share == exact(*w) + 1;
        assert!(one.shares.iter().zip(&weights).all(near));
        assert_eq!(one.shares.iter().sum::<u128>(), 9_999_999_999);
    }
}
