//! A sponsors' match by quadratic funding, in integers.
//!
//! Comes in: what each verified person gave to each project, and a pool. Goes out: what the pool
//! adds to each. Never: a match for a single gift, however large, or a root that is not exact.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use ethnum::U256;

use super::{
    apportion::{Error, Shares},
    capped::apportion_capped,
};

/// The square of a root's unit: roots are in millionths.
const UNIT: u128 = 1_000_000_000_000;

/// Returns what a project's gifts ask of the pool: `(sum of square roots)² - sum`. Each gift is all
/// that one verified person gave to the project.
///
/// ```
/// use almoner::reward::match_weight;
/// assert_eq!(match_weight(&[900])?, 0);
/// assert_eq!(match_weight(&[100; 9])?, 7_200);
/// # Ok::<(), almoner::reward::ApportionError>(())
/// ```
pub fn match_weight(gifts: &[u128]) -> Result<u128, Error> {
    let (mut sum, mut roots) = (0_u128, 0_u128);
    for gift in gifts {
        let square = gift.checked_mul(UNIT).ok_or(Error::Overflow)?;
        sum = sum.checked_add(*gift).ok_or(Error::Overflow)?;
        roots = roots.checked_add(square.isqrt()).ok_or(Error::Overflow)?;
    }
    let square = U256::from(roots).checked_mul(U256::from(roots)).ok_or(Error::Overflow)?;
    let whole = square.checked_div(U256::from(UNIT)).ok_or(Error::Overflow)?;
    let whole = u128::try_from(whole).map_err(|_| Error::Overflow)?;
    // Roots are cut, so that a single gift's square may fall short of the gift.
    Ok(whole.saturating_sub(sum))
}

/// Gives the pool to projects by what their gifts ask of it, at most `cap` to each.
pub fn match_pool<K: Ord + Sync, G: AsRef<[u128]>>(
    pool: u128,
    projects: &[G],
    keys: &[K],
    cap: u128,
) -> Result<Shares, Error> {
    let weights: Vec<u128> =
        projects.iter().map(|gifts| match_weight(gifts.as_ref())).collect::<Result<_, _>>()?;
    apportion_capped(pool, &weights, keys, cap)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test that wraps fails")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_large_gift_matches_nothing_and_nine_small_ones_do() {
        assert_eq!(match_weight(&[900]).unwrap(), 0);
        assert_eq!(match_weight(&[100; 9]).unwrap(), 7_200, "(9 * 10)² - 900");
        assert_eq!(match_weight(&[]).unwrap(), 0);
        assert_eq!(match_weight(&[2]).unwrap(), 0, "a cut root may not match below nothing");
    }

    #[test]
    fn the_pool_goes_to_many_givers_up_to_the_cap() {
        let projects = [vec![900], vec![100; 9], vec![400, 400]];
        let given = match_pool(8_000, &projects, &[1, 2, 3], 8_000).unwrap();
        assert_eq!(given.shares, [0, 7_200, 800]);
        let given = match_pool(8_000, &projects, &[1, 2, 3], 5_000).unwrap();
        assert_eq!(given.shares, [0, 5_000, 3_000], "the cap's rest goes to the others");
        let given = match_pool(8_000, &projects, &[1, 2, 3], 2_000).unwrap();
        assert_eq!((given.shares, given.unallocated), (vec![0, 2_000, 2_000], 4_000));
        let alone = match_pool(500, &[[900]], &[1], 500).unwrap();
        assert_eq!(alone.unallocated, 500, "nobody is matched, nothing is lost");
    }

    #[test]
    fn a_gift_beyond_bounds_is_refused() {
        assert_eq!(match_weight(&[u128::MAX]), Err(Error::Overflow));
        assert!(match_weight(&[u128::MAX / UNIT]).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn one_more_giver_never_lowers_the_match_by_more_than_the_cut_of_roots(
            gifts in proptest::collection::vec(1_u128..1_000_000, 1..20),
            more in 1_u128..1_000_000,
        ) {
            let before = match_weight(&gifts).unwrap();
            let mut after = gifts.clone();
            after.push(more);
            prop_assert!(match_weight(&after).unwrap() + 1 >= before);
        }
    }
}
