//! Indivisible units given out by highest averages (Sainte-Laguë), in integers.
//!
//! Comes in: how many units there are, weights, and a key for each payee that breaks ties. Goes
//! out: whole units that sum to the house. Never: a unit taken back because there are more of them.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::{cmp::Ordering, collections::BinaryHeap};

use ethnum::U256;

use super::apportion::Error;

/// Gives out `total_units` by `weights`: each unit goes to the payee with the largest
/// `weight / (2 * units so far + 1)`, ties to the smaller key.
///
/// A payee never has fewer units because there are more to give. Where all weights are zero nobody
/// gets anything.
///
/// ```
/// use almoner::reward::units;
/// let gross = [31_751_79, 27_718_61, 33_041_97, 2_487_63];
/// assert_eq!(units(7, &gross, &["a", "b", "c", "d"])?, [2, 2, 3, 0]);
/// # Ok::<(), almoner::reward::ApportionError>(())
/// ```
pub fn units<K: Ord>(total_units: u64, weights: &[u128], keys: &[K]) -> Result<Vec<u64>, Error> {
    units_more(&vec![0; weights.len()], total_units, weights, keys)
}

/// Gives out `units` more to payees that have `given` already, in the same way, and returns what
/// each has then: weights that have changed since take nothing back.
pub fn units_more<K: Ord>(
    given: &[u64],
    units: u64,
    weights: &[u128],
    keys: &[K],
) -> Result<Vec<u64>, Error> {
    for length in [keys.len(), given.len()] {
        if length != weights.len() {
            return Err(Error::Lengths { weights: weights.len(), keys: length });
        }
    }
    let sum = weights.iter().try_fold(0_u128, |sum, w| sum.checked_add(*w));
    let sum = sum.ok_or(Error::Overflow)?;
    let house = given.iter().try_fold(units, |sum, had| sum.checked_add(*had));
    let house = house.ok_or(Error::Overflow)?;
    if sum == 0 {
        return Ok(given.to_vec());
    }
    let mut has = proportional(given, house, weights, sum)?;
    let out = has.iter().try_fold(0_u64, |sum, had| sum.checked_add(*had));
    let mut left = out.and_then(|out| house.checked_sub(out)).ok_or(Error::Overflow)?;
    let mut claims: BinaryHeap<Claim<'_, K>> = (weights.iter().zip(keys).zip(&has).enumerate())
        .filter(|(_, ((weight, _), _))| **weight > 0)
        .map(|(at, ((weight, key), has))| Claim { weight: *weight, has: *has, key, at })
        .collect();
    while left > 0 {
        let Some(claim) = claims.pop() else { return Err(Error::Overflow) };
        left = left.saturating_sub(1);
        // Only a twin of the last winner would leave the choice to the input's order.
        if left == 0 && claims.peek().is_some_and(|next| *next == claim) {
            return Err(Error::SameKey);
        }
        let now = claim.has.checked_add(1).ok_or(Error::Overflow)?;
        if let Some(has) = has.get_mut(claim.at) {
            *has = now;
        }
        claims.push(Claim { has: now, ..claim });
    }
    Ok(has)
}

/// Returns units that each payee will have for certain, as many as can be told at once.
///
/// With `n` payees of some weight and a house of `h`, a payee's quota is `q = w * (h - n/2) / sum`.
/// All units whose average is at least that of one common divisor are `floor(q + 1/2)` a payee, and
/// sum to `h` at most: they are among the `h` highest averages, whatever the rest are.
fn proportional(given: &[u64], house: u64, weights: &[u128], sum: u128) -> Result<Vec<u64>, Error> {
    let payees = weights.iter().filter(|weight| **weight > 0).count();
    let payees = u128::try_from(payees).map_err(|_| Error::Overflow)?;
    let twice = u128::from(house).checked_mul(2).and_then(|twice| twice.checked_sub(payees));
    let Some(twice) = twice else { return Ok(given.to_vec()) };
    let (twice, sum) = (U256::from(twice), U256::from(sum));
    let divisor = sum.checked_add(sum).ok_or(Error::Overflow)?;
    let mut start = Vec::with_capacity(weights.len());
    let mut out = 0_u64;
    for (weight, had) in weights.iter().zip(given) {
        let product = U256::from(*weight).checked_mul(twice).ok_or(Error::Overflow)?;
        let rounded = product.checked_add(sum).and_then(|sum| sum.checked_div(divisor));
        let certain = if *weight > 0 { rounded.ok_or(Error::Overflow)? } else { U256::ZERO };
        let has = u64::try_from(certain).map_err(|_| Error::Overflow)?.max(*had);
        // Who has more than his quota from before leaves less to the others: one by one then.
        match out.checked_add(has).filter(|out| *out <= house) {
            Some(sum) => out = sum,
            None => return Ok(given.to_vec()),
        }
        start.push(has);
    }
    Ok(start)
}

/// A payee's claim to one unit more.
#[derive(Debug)]
struct Claim<'a, K> {
    weight: u128,
    has: u64,
    key: &'a K,
    at: usize,
}

impl<K> Claim<'_, K> {
    /// Returns `weight / (2 * has + 1)` times both divisors.
    fn average_over(&self, other: &Self) -> U256 {
        // INVARIANT: a weight of 128 bits times an odd number below 2^65 cannot wrap.
        let odd = u128::from(other.has).wrapping_mul(2).wrapping_add(1);
        U256::from(self.weight).wrapping_mul(U256::from(odd))
    }
}

impl<K: Ord> Ord for Claim<'_, K> {
    fn cmp(&self, other: &Self) -> Ordering {
        let averages = self.average_over(other).cmp(&other.average_over(self));
        averages.then_with(|| other.key.cmp(self.key))
    }
}

impl<K: Ord> PartialOrd for Claim<'_, K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord> PartialEq for Claim<'_, K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<K: Ord> Eq for Claim<'_, K> {}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test that wraps fails")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The gross shares of the worked example, in cents: reference/rewards.md §3.
    const GROSS: [u128; 4] = [3_175_179, 2_771_861, 3_304_197, 248_763];

    fn keys(weights: &[u128]) -> Vec<usize> {
        (0..weights.len()).collect()
    }

    /// The definition, one unit after another, with nothing given at once.
    fn one_by_one(total: u64, weights: &[u128]) -> Vec<u64> {
        let mut has = vec![0_u64; weights.len()];
        for _ in 0..total {
            let mut best = 0;
            for at in 1..weights.len() {
                let over = weights[at] * u128::from(2 * has[best] + 1);
                if over > weights[best] * u128::from(2 * has[at] + 1) {
                    best = at;
                }
            }
            has[best] += 1;
        }
        has
    }

    #[test]
    fn seven_meters_and_forty_two_go_as_the_worked_example_says() {
        assert_eq!(units(7, &GROSS, &keys(&GROSS)).unwrap(), [2, 2, 3, 0]);
        assert_eq!(units(42, &GROSS, &keys(&GROSS)).unwrap(), [14, 12, 15, 1]);
    }

    #[test]
    fn nobody_ever_gives_a_unit_back_in_four_hundred_steps() {
        let weights: Vec<u128> = (1_u128..40).map(|w| w * w * w % 977).collect();
        let mut before = vec![0; weights.len()];
        for house in 1..=400 {
            let now = units(house, &weights, &keys(&weights)).unwrap();
            let more = units_more(&before, 1, &weights, &keys(&weights)).unwrap();
            assert_eq!(now, more, "a house of {house} is the house before and one unit");
            assert!(now.iter().zip(&before).all(|(now, before)| now >= before), "house {house}");
            before = now;
        }
    }

    #[test]
    fn weights_that_have_changed_take_nothing_back() {
        let has = units(7, &[1, 0], &[1, 2]).unwrap();
        assert_eq!(has, [7, 0]);
        assert_eq!(units_more(&has, 8, &[1, 100], &[1, 2]).unwrap(), [7, 8]);
    }

    #[test]
    fn a_tie_goes_to_the_smaller_key_and_twins_are_refused() {
        assert_eq!(units(1, &[5, 5, 5], &[9, 2, 4]).unwrap(), [0, 1, 0]);
        assert_eq!(units(2, &[5, 5, 5], &[9, 2, 4]).unwrap(), [0, 1, 1]);
        assert_eq!(units(1, &[5, 5], &[3, 3]), Err(Error::SameKey), "the input's order would pay");
        assert_eq!(units(2, &[5, 5], &[3, 3]).unwrap(), [1, 1], "no tie, no choice");
    }

    #[test]
    fn nobody_gets_anything_for_no_weight_and_nothing_wraps() {
        assert_eq!(units(9, &[0, 0], &[1, 2]).unwrap(), [0, 0]);
        assert!(units::<u8>(9, &[], &[]).unwrap().is_empty());
        assert_eq!(units(9, &[0, 4], &[1, 2]).unwrap(), [0, 9]);
        assert_eq!(units(1, &[u128::MAX, 1], &[1, 2]), Err(Error::Overflow));
        assert!(matches!(units(1, &[1], &[1, 2]), Err(Error::Lengths { .. })));
        let half = u128::MAX / 2;
        let most = units(u64::MAX, &[half, half], &[1, 2]).unwrap();
        assert_eq!(most, [u64::MAX / 2 + 1, u64::MAX / 2], "the odd one to the smaller key");
    }

    #[test]
    fn a_house_of_billions_is_filled_at_once() {
        let total = 30_000_000_007_u64;
        let given = units(total, &GROSS, &keys(&GROSS)).unwrap();
        assert_eq!(given.iter().sum::<u64>(), total, "every unit is given out once");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn the_start_by_quotas_changes_nothing(
            total in 0_u64..300,
            weights in proptest::collection::vec(0_u128..50, 1..20),
        ) {
            prop_assume!(weights.iter().any(|w| *w > 0));
            let given = units(total, &weights, &keys(&weights)).unwrap();
            prop_assert_eq!(given, one_by_one(total, &weights));
        }

        #[test]
        fn the_order_of_the_payees_does_not_matter(
            total in 0_u64..300,
            weights in proptest::collection::vec(0_u128..9, 1..20),
            turn in 0_usize..20,
        ) {
            let mut turned = weights.clone();
            let mut turned_keys = keys(&weights);
            let mut given = units(total, &weights, &turned_keys).unwrap();
            turned.rotate_left(turn % weights.len());
            turned_keys.rotate_left(turn % weights.len());
            given.rotate_left(turn % weights.len());
            prop_assert_eq!(units(total, &turned, &turned_keys).unwrap(), given);
        }

        #[test]
        fn goods_given_in_parts_are_conserved_and_never_taken_back(
            parts in proptest::collection::vec((0_u64..50, proptest::collection::vec(0_u128..99, 5)), 1..8),
        ) {
            let mut has = vec![0_u64; 5];
            let mut house = 0;
            for (more, weights) in parts {
                let now = units_more(&has, more, &weights, &keys(&weights)).unwrap();
                prop_assert!(now.iter().zip(&has).all(|(now, had)| now >= had));
                if weights.iter().any(|w| *w > 0) {
                    house += more;
                }
                prop_assert_eq!(now.iter().sum::<u64>(), house);
                has = now;
            }
        }
    }
}
