//! Numbers as bands `[low, low + width)`, written `40-49`; all from `top` on in one, written `90+`.
//!
//! Comes in: `Int64` or `Float64`. Goes out: `Utf8`. Never: a value at or above `top` told apart.

use arrow::array::{Float64Array, Int64Array, StringArray};

use super::label;

/// The widest whole number that a float holds exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Bands of integers. `low` is a multiple of `width`, below zero as well: -5 lies in `-10--1`.
pub fn integers(values: &Int64Array, width: u32, top: Option<i64>) -> StringArray {
    label::per_value(values, |value| band_of(value, width, top), |band| text(band, width, top))
}

/// Bands of floats; a value is reckoned by its floor, so 49.5 lies in `40-49`.
pub fn floats(values: &Float64Array, width: u32, top: Option<i64>) -> StringArray {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "clamped to integers a float holds exactly"
    )]
    let whole = |value: f64| value.floor().clamp(-EXACT, EXACT) as i64;
    label::per_value(
        values,
        |value| band_of(whole(value), width, top),
        |band| text(band, width, top),
    )
}

/// The number of the open band; no closed band reaches it.
const OPEN: i64 = i64::MAX;

fn band_of(value: i64, width: u32, top: Option<i64>) -> i64 {
    match top {
        Some(top) if value >= top => OPEN,
        // INVARIANT: a width of 1 divides i64::MAX into itself; `top` is the only way to `OPEN`
        // that matters, and one band at the end of the integers may share it.
        Some(_) | None => value.div_euclid(i64::from(width.max(1))),
    }
}

fn text(band: i64, width: u32, top: Option<i64>) -> String {
    match top {
        Some(top) if band == OPEN => format!("{top}+"),
        Some(_) | None => {
            let width = i64::from(width.max(1));
            let low = band.saturating_mul(width);
            let high = low.saturating_add(width - 1);
            label::range(low, top.map_or(high, |top| high.min(top.saturating_sub(1))))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ages_fall_into_decades_and_one_open_band() {
        let ages = Int64Array::from(vec![Some(0), Some(49), Some(90), Some(104), Some(-5), None]);
        let bands = integers(&ages, 10, Some(90));
        assert_eq!(
            bands.iter().collect::<Vec<_>>(),
            [Some("0-9"), Some("40-49"), Some("90+"), Some("90+"), Some("-10--1"), None]
        );
    }

    #[test]
    fn the_last_closed_band_ends_where_the_open_one_begins() {
        let bands = integers(&Int64Array::from(vec![85, 90]), 20, Some(90));
        assert_eq!(bands.iter().flatten().collect::<Vec<_>>(), ["80-89", "90+"]);
    }

    #[test]
    fn a_fraction_lies_in_the_band_of_its_floor() {
        let bands = floats(&Float64Array::from(vec![49.99, 50.0, -0.5, 1e300]), 10, Some(1_000));
        assert_eq!(
            bands.iter().flatten().collect::<Vec<_>>(),
            ["40-49", "50-59", "-10--1", "1000+"]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_band_holds_its_value(value in 0_i64..1_000_000, width in 2_u32..1_000) {
            let bands = integers(&Int64Array::from(vec![value]), width, None);
            let (low, high) = bands.value(0).split_once('-').unwrap();
            let (low, high): (i64, i64) = (low.parse().unwrap(), high.parse().unwrap());
            prop_assert!(low <= value && value <= high && high - low == i64::from(width) - 1);
        }
    }
}
