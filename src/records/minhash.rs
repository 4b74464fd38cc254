//! `MinHash` (Broder 1997): two sets' least values under a random order agree as often as the sets
//! are alike; and bands of them, in which alike sets meet.
//!
//! Comes in: the tokens of a row. Goes out: band keys, and an estimate of likeness for whoever
//! wants to see it hold. Never: a verdict; what meets in a band is compared token by token.

/// Returns the key of one band of a row: a mix of `rows` least values. Rows that agree in a share
/// `j` of their tokens agree in a band with probability `j^rows`.
pub(super) fn band(tokens: &[u32], band: usize, rows: usize) -> u64 {
    let first = band * rows;
    let seed = mix(SEED, band as u64);
    (first..first + rows).fold(seed, |key, at| mix(key, least(tokens, at)))
}

/// The least value of the filled tokens under the order of a number.
fn least(tokens: &[u32], at: usize) -> u64 {
    let seed = mix(SEED, !(at as u64));
    let values = tokens.iter().filter(|token| **token != 0).map(|token| mix(seed, (*token).into()));
    values.min().unwrap_or(u64::MAX)
}

const SEED: u64 = 0x616c_6d6f_6e65_7221;

/// Mixes two numbers into one: the finisher of `SplitMix64` over their sum and product.
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ b.wrapping_mul(0xd6e8_feb8_6659_fd93);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// How many tokens two rows of one table share, and how many either has.
pub(super) fn overlap(one: &[u32], other: &[u32]) -> (u32, u32) {
    let (mut shared, mut filled) = (0, 0);
    for (a, b) in one.iter().zip(other) {
        shared += u32::from(a == b && *a != 0);
        filled += u32::from(*a != 0) + u32::from(*b != 0);
    }
    (shared, filled - shared)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Rows that share some of their tokens.
    fn pair() -> impl Strategy<Value = (Vec<u32>, Vec<u32>)> {
        let cell = (1..=u32::MAX, 1..=u32::MAX, any::<bool>());
        prop::collection::vec(cell, 1..40).prop_map(|cells| {
            cells.into_iter().map(|(a, b, same)| (a, if same { a } else { b })).unzip()
        })
    }

    proptest! {
        #[test]
        fn the_share_of_least_values_that_agree_estimates_the_likeness((a, b) in pair()) {
            const VALUES: u16 = 1_024;
            let agrees = |at: &u16| least(&a, usize::from(*at)) == least(&b, usize::from(*at));
            let agree = u32::try_from((0..VALUES).filter(agrees).count()).unwrap();
            let (shared, either) = overlap(&a, &b);
            let exact = f64::from(shared) / f64::from(either);
            let estimate = f64::from(agree) / f64::from(VALUES);
            // Five standard deviations of the mean of as many coins: one case in two million.
            let bound = 5.0 * 0.5 / f64::from(VALUES).sqrt();
            prop_assert!((estimate - exact).abs() <= bound, "estimated {estimate}, is {exact}");
        }

        #[test]
        fn equal_rows_meet_in_every_band((a, _) in pair()) {
            for at in 0..16 {
                prop_assert_eq!(band(&a, at, 4), band(&a.clone(), at, 4));
            }
        }
    }

    #[test]
    fn alike_rows_nearly_always_meet_in_some_band_and_unlike_ones_rarely() {
        let row = |seed: u64, changed: usize| -> Vec<u32> {
            let cell = |at: u64, salt| u32::try_from(mix(seed ^ salt, at) >> 32).unwrap().max(1);
            (0..20).map(|at| cell(at as u64, u64::from(at < changed) << 40)).collect()
        };
        let meet = |changed: usize| {
            let met = |seed: &u64| {
                let (a, b) = (row(*seed, 0), row(*seed, changed));
                (0..16).any(|at| band(&a, at, 4) == band(&b, at, 4))
            };
            (0..1_000_u64).filter(met).count()
        };
        assert!(meet(1) >= 999, "an edited copy is not even looked at");
        assert!(meet(18) <= 20, "rows of two shared cells of twenty are all compared");
    }
}
