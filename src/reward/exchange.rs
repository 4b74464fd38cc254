//! A run's total in another currency: converted once, then apportioned.
//!
//! Comes in: amounts in minor units and a rate as a fraction. Goes out: amounts that sum to the
//! converted total. Never: a drift from rounding payee by payee.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use ethnum::U256;

use super::apportion::{Error, apportion};

/// Returns `total * num / den`, rounded half to even; `None` for a denominator of zero or a result
/// that does not fit.
///
/// The rate is between minor units: 1.0837 US dollars a euro is 10837/10000, and to a currency with
/// another exponent it brings the power of ten along.
///
/// ```
/// use almoner::reward::convert;
/// assert_eq!(convert(100_00, 10_837, 10_000), Some(108_37));
/// assert_eq!((convert(1, 1, 2), convert(3, 1, 2)), (Some(0), Some(2)));
/// ```
pub fn convert(total: u128, num: u128, den: u128) -> Option<u128> {
    let product = U256::from(total).checked_mul(U256::from(num))?;
    let den = U256::from(den);
    let floor = product.checked_div(den)?;
    let rest = product.checked_rem(den)?;
    let floor = u128::try_from(floor).ok()?;
    let twice = rest.checked_mul(U256::from(2_u8))?;
    let up = twice > den || (twice == den && !floor.is_multiple_of(2));
    if up { floor.checked_add(1) } else { Some(floor) }
}

/// Converts the sum of `amounts` once and apportions it by them, ties to the smaller key.
pub fn convert_all<K: Ord + Sync>(
    amounts: &[u128],
    num: u128,
    den: u128,
    keys: &[K],
) -> Result<Vec<u128>, Error> {
    let total = amounts.iter().try_fold(0_u128, |sum, amount| sum.checked_add(*amount));
    let total = total.and_then(|total| convert(total, num, den)).ok_or(Error::Overflow)?;
    Ok(apportion(total, amounts, keys)?.shares)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test that wraps fails")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ten_thousand_payees_do_not_drift_from_the_total() {
        let amounts: Vec<u128> = (0..10_000).map(|payee| 1_000 + payee * 37 % 9_001).collect();
        let keys: Vec<usize> = (0..amounts.len()).collect();
        let total = convert(amounts.iter().sum(), 10_837, 10_000).unwrap();
        let given = convert_all(&amounts, 10_837, 10_000, &keys).unwrap();
        assert_eq!(given.iter().sum::<u128>(), total, "the payments are not the run's total");
        let alone: u128 = amounts.iter().map(|a| convert(*a, 10_837, 10_000).unwrap()).sum();
        assert_ne!(alone, total, "a rounding for each payee would have drifted here");
        for (given, amount) in given.iter().zip(&amounts) {
            let exact = amount * 10_837;
            assert!((given * 10_000).abs_diff(exact) < 10_001, "a payee is a whole unit off");
        }
    }

    #[test]
    fn halves_go_to_even_and_a_rate_over_nothing_is_refused() {
        let halves: Vec<u128> = (0..6).filter_map(|total| convert(total, 1, 2)).collect();
        assert_eq!(halves, [0, 0, 1, 2, 2, 2]);
        assert_eq!(convert(7, 2, 3), Some(5), "14/3 is nearer to five");
        assert_eq!(convert(1, 1, 0), None);
        assert_eq!(convert(u128::MAX, 2, 1), None, "a result that does not fit may not wrap");
        assert_eq!(convert(u128::MAX, 10_837, 10_837), Some(u128::MAX));
        assert_eq!(convert_all(&[1], 1, 0, &[1]), Err(Error::Overflow));
        assert_eq!(convert_all(&[0, 0], 3, 1, &[1, 2]).unwrap(), [0, 0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn what_is_converted_is_within_half_a_unit(
            total in 0_u128..1 << 80,
            num in 0_u128..1 << 40,
            den in 1_u128..1 << 40,
        ) {
            let given = convert(total, num, den).unwrap();
            let off = (given * den).abs_diff(total * num);
            prop_assert!(2 * off <= den);
        }
    }
}
