//! Numbers to the nearest multiple, halves away from zero.
//!
//! Comes in: `Int64` or `Float64`, and the multiple as decimal text. Goes out: the same type.
//! Never: drift; the multiple is a whole number over a power of ten, so that a rounded float is the
//! float nearest to the decimal one would write (0.1 three times is `0.3`, not `0.30000000000000004`).

use arrow::array::{Float64Array, Int64Array};

/// A positive decimal number: `units / 10^places`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Multiple {
    units: u32,
    places: u8,
}

impl Multiple {
    /// Parses `10`, `0.5`, `0.001`: digits, with at most nine in all and six of them after a point.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let fraction = fraction.trim_end_matches('0');
        let digits = format!("{whole}{fraction}");
        let fits = !whole.is_empty() && digits.len() <= 9 && fraction.len() <= 6;
        if !fits || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let units = digits.parse().ok().filter(|units| *units > 0)?;
        Some(Self { units, places: u8::try_from(fraction.len()).ok()? })
    }

    /// Returns the multiple as a number to reckon with.
    pub(super) fn number(self) -> f64 {
        f64::from(self.units) / 10_f64.powi(i32::from(self.places))
    }

    /// Returns the power of ten that is at most a tenth of it, and more than a hundredth.
    pub(super) fn tenth(self) -> Self {
        let digits = u8::try_from(self.units.checked_ilog10().unwrap_or(0)).unwrap_or(0);
        match digits.checked_sub(self.places + 1) {
            Some(zeros) => Self { units: 10_u32.pow(u32::from(zeros)), places: 0 },
            None => Self { units: 1, places: self.places + 1 - digits },
        }
    }

    /// Whether it is 1 or more.
    pub(in crate::deid) fn is_at_least_one(self) -> bool {
        self.number() >= 1.0
    }

    /// Returns the multiple as a whole number, where it is one.
    pub fn whole(self) -> Option<i64> {
        (self.places == 0).then_some(i64::from(self.units))
    }
}

/// Rounds integers to multiples of `multiple`, halves away from zero. At the ends of the integers,
/// where the nearest multiple does not fit, the one towards zero stands.
pub fn integers(values: &Int64Array, multiple: i64) -> Int64Array {
    let multiple = multiple.max(1);
    values.unary(|value| {
        let towards_zero = value - value % multiple;
        let left = (value % multiple).unsigned_abs();
        if left.saturating_mul(2) < multiple.unsigned_abs() {
            towards_zero
        } else {
            towards_zero.checked_add(multiple * value.signum()).unwrap_or(towards_zero)
        }
    })
}

/// Rounds floats to multiples of `multiple`, halves away from zero.
pub fn floats(values: &Float64Array, multiple: Multiple) -> Float64Array {
    let units = f64::from(multiple.units);
    let scale = 10_f64.powi(i32::from(multiple.places));
    values.unary(|value| {
        let rounded = (value * scale / units).round() * units / scale;
        // A zero from below reads "-0.0" in a file; it is plain zero. Beyond the range of a float
        // the value itself is already a coarse multiple.
        if rounded == 0.0 {
            0.0
        } else if rounded.is_finite() {
            rounded
        } else {
            value
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn halves_go_away_from_zero() {
        let values = Int64Array::from(vec![Some(5), Some(-5), Some(4), Some(-4), Some(15), None]);
        let rounded: Vec<_> = integers(&values, 10).iter().collect();
        assert_eq!(rounded, [Some(10), Some(-10), Some(0), Some(0), Some(20), None]);
        let half = Multiple::parse("0.5").unwrap();
        let floats = floats(&Float64Array::from(vec![0.25, -0.25, 0.2, -0.2, 7.3]), half);
        assert_eq!(floats.values().as_ref(), [0.5, -0.5, 0.0, 0.0, 7.5]);
        assert!(floats.value(3).is_sign_positive(), "a rounded-away sign would show");
    }

    #[test]
    fn a_rounded_float_is_the_decimal_one_would_write() {
        let tenth = Multiple::parse("0.10").unwrap();
        let rounded =
            floats(&Float64Array::from(vec![0.300_000_000_000_000_04, 70.04, 98.66]), tenth);
        assert_eq!(rounded.values().as_ref(), [0.3, 70.0, 98.7]);
    }

    #[test]
    fn a_multiple_is_a_positive_decimal() {
        for text in ["0", "0.0", "-1", "1e3", "", ".5", "1.0000001", "12345678901", "1.5x", "+1"] {
            assert_eq!(Multiple::parse(text), None, "a strange multiple is taken: {text}");
        }
        assert_eq!(Multiple::parse("100").and_then(Multiple::whole), Some(100));
        assert_eq!(Multiple::parse("10.0").and_then(Multiple::whole), Some(10));
        assert_eq!(Multiple::parse("0.5").and_then(Multiple::whole), None);
    }

    #[test]
    fn a_tenth_is_a_power_of_ten() {
        for (text, tenth) in [
            ("1000", "100"),
            ("25", "1"),
            ("10", "1"),
            ("9", "0.1"),
            ("1.5", "0.1"),
            ("0.5", "0.01"),
            ("0.000001", "0.0000001"),
        ] {
            let found = Multiple::parse(text).unwrap().tenth().number();
            assert_eq!(found.to_string(), tenth, "a tenth of {text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn rounding_twice_is_rounding_once(value in any::<i64>(), multiple in 1_i64..1_000_000) {
            let once = integers(&Int64Array::from(vec![value]), multiple);
            prop_assert_eq!(once.value(0) % multiple, 0);
            prop_assert_eq!(&integers(&once, multiple), &once);
        }

        #[test]
        fn a_float_moves_by_at_most_half_a_multiple(cents in -10_000_000_i32..10_000_000) {
            let value = f64::from(cents) / 100.0;
            let multiple = Multiple::parse("0.5").unwrap();
            let rounded = floats(&Float64Array::from(vec![value]), multiple).value(0);
            prop_assert!((rounded - value).abs() <= 0.25 + 1e-9);
            prop_assert!(rounded * 2.0 % 1.0 == 0.0);
        }
    }
}
