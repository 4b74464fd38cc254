//! Apportionment under a cap for each payee, by water-filling.
//!
//! Comes in: an amount, weights, tie keys and the most that one payee may get. Goes out: shares, and
//! what no payee may take. Never: a share above the cap, or a unit that is neither given nor named.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use ethnum::U256;

use super::apportion::{Error, Shares, apportion};

/// Apportions `amount` by `weights`, at most `cap` to each payee: all whose exact share reaches the
/// cap are fixed at it at once, the rest is apportioned again among the others, and so on.
///
/// ```
/// use almoner::reward::apportion_capped;
/// let given = apportion_capped(100_000, &[70, 20, 10], &["a", "b", "c"], 40_000)?;
/// assert_eq!(given.shares, [40_000, 40_000, 20_000]);
/// let given = apportion_capped(100_000, &[70, 20, 10], &["a", "b", "c"], 30_000)?;
/// assert_eq!((given.shares, given.unallocated), (vec![30_000; 3], 10_000));
/// # Ok::<(), almoner::reward::ApportionError>(())
/// ```
pub fn apportion_capped<K: Ord + Sync>(
    amount: u128,
    weights: &[u128],
    keys: &[K],
    cap: u128,
) -> Result<Shares, Error> {
    let heavy = weights.iter().max().copied().unwrap_or_default();
    let mut sum =
        weights.iter().try_fold(0_u128, |sum, w| sum.checked_add(*w)).ok_or(Error::Overflow)?;
    if below(amount, heavy, cap, sum) {
        return apportion(amount, weights, keys);
    }
    if weights.len() != keys.len() {
        return Err(Error::Lengths { weights: weights.len(), keys: keys.len() });
    }
    let mut order: Vec<usize> = (0..weights.len()).collect();
    let weight = |at: usize| weights.get(at).copied().unwrap_or_default();
    order.sort_by_key(|at| std::cmp::Reverse(weight(*at)));

    // INVARIANT: fixing a payee whose exact share reaches the cap never lowers what a unit of weight
    // is worth to the others, so that one after another by weight fixes the same payees as all of a
    // round at once.
    let mut left = amount;
    let mut shares = vec![0_u128; weights.len()];
    let mut fixed = 0_usize;
    for at in &order {
        if sum == 0 || below(left, weight(*at), cap, sum) {
            break;
        }
        left = left.checked_sub(cap).ok_or(Error::Overflow)?;
        sum = sum.checked_sub(weight(*at)).ok_or(Error::Overflow)?;
        fixed = fixed.saturating_add(1);
        if let Some(share) = shares.get_mut(*at) {
            *share = cap;
        }
    }
    let others = order.get(fixed..).unwrap_or_default();
    let their_weights: Vec<u128> = others.iter().map(|at| weight(*at)).collect();
    let their_keys: Vec<&K> = others.iter().filter_map(|at| keys.get(*at)).collect();
    let given = apportion(left, &their_weights, &their_keys)?;
    for (at, given) in others.iter().zip(given.shares) {
        if let Some(share) = shares.get_mut(*at) {
            *share = given;
        }
    }
    Ok(Shares { shares, unallocated: given.unallocated })
}

/// Tells whether `amount * weight / sum` is below the cap.
fn below(amount: u128, weight: u128, cap: u128, sum: u128) -> bool {
    // INVARIANT: the product of two numbers of 128 bits fits 256.
    let product = |a, b| U256::from(a).wrapping_mul(U256::from(b));
    product(amount, weight) < product(cap, sum)
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

    fn capped(amount: u128, weights: &[u128], cap: u128) -> Shares {
        let keys: Vec<usize> = (0..weights.len()).collect();
        apportion_capped(amount, weights, &keys, cap).unwrap()
    }

    /// The rule as it is written: rounds, each fixing all that reach the cap at once.
    fn by_rounds(amount: u128, weights: &[u128], cap: u128) -> Shares {
        let mut fixed = vec![false; weights.len()];
        loop {
            let left = amount - cap * fixed.iter().filter(|f| **f).count() as u128;
            let open: Vec<usize> = (0..weights.len()).filter(|at| !fixed[*at]).collect();
            let theirs: Vec<u128> = open.iter().map(|at| weights[*at]).collect();
            let sum: u128 = theirs.iter().sum();
            let full: Vec<usize> = open
                .iter()
                .copied()
                .filter(|at| sum > 0 && left * weights[*at] >= cap * sum)
                .collect();
            if full.is_empty() {
                let given = apportion(left, &theirs, &open).unwrap();
                let mut shares: Vec<u128> =
                    fixed.iter().map(|f| if *f { cap } else { 0 }).collect();
                for (at, share) in open.iter().zip(given.shares) {
                    shares[*at] = share;
                }
                return Shares { shares, unallocated: given.unallocated };
            }
            for at in full {
                fixed[at] = true;
            }
        }
    }

    #[test]
    fn the_two_examples_of_the_reference_are_right() {
        assert_eq!(
            capped(100_000, &[70, 20, 10], 40_000),
            Shares { shares: vec![40_000, 40_000, 20_000], unallocated: 0 }
        );
        assert_eq!(
            capped(100_000, &[70, 20, 10], 30_000),
            Shares { shares: vec![30_000; 3], unallocated: 10_000 }
        );
    }

    #[test]
    fn edges_give_all_or_nothing_and_lose_nothing() {
        assert_eq!(capped(9, &[1, 2], 0), Shares { shares: vec![0, 0], unallocated: 9 });
        assert_eq!(capped(9, &[0, 0], 5), Shares { shares: vec![0, 0], unallocated: 9 });
        assert_eq!(capped(0, &[1, 2], 5), Shares { shares: vec![0, 0], unallocated: 0 });
        assert_eq!(capped(9, &[], 5), Shares { shares: vec![], unallocated: 9 });
        assert_eq!(capped(9, &[0, 1], 9), Shares { shares: vec![0, 9], unallocated: 0 });
        let large =
            apportion_capped(u128::MAX, &[u128::MAX / 2, 1], &[1, 2], u128::MAX / 2).unwrap();
        assert_eq!(large.shares, [u128::MAX / 2, u128::MAX / 2], "256 bits hold the products");
        assert_eq!(large.unallocated, 1, "what is above both caps stays");
        assert!(matches!(apportion_capped(9, &[1, 2], &[1], 1), Err(Error::Lengths { .. })));
        assert!(matches!(apportion_capped(9, &[1, 2], &[1], 99), Err(Error::Lengths { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn one_after_another_is_the_same_as_round_by_round(
            amount in 0_u128..100_000,
            weights in proptest::collection::vec(0_u128..1_000, 1..30),
            cap in 0_u128..20_000,
        ) {
            let given = capped(amount, &weights, cap);
            prop_assert_eq!(&given, &by_rounds(amount, &weights, cap));
            prop_assert_eq!(given.shares.iter().sum::<u128>() + given.unallocated, amount);
            prop_assert!(given.shares.iter().all(|share| *share <= cap), "a share is above the cap");
            if given.unallocated > 0 {
                let open = given.shares.iter().zip(&weights).any(|(s, w)| *w > 0 && *s < cap);
                prop_assert!(!open, "money is left over though somebody may take it");
            }
        }
    }
}
