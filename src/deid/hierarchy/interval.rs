//! Intervals: 30-34, 30-39, 20-39. Comes in: a number. Goes out: `low-high` in whole numbers, wider at
//! each level; a fraction lies where its whole part does. Never: two intervals that overlap.

use super::rule::RuleError;
use crate::deid::kernel::label;

/// A number this far from zero is not exact any more in a float.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Checks that each width is a multiple of the one before, and wider.
pub(super) fn widths(all: &[u32]) -> Result<(), RuleError> {
    if all.is_empty() {
        return Err(RuleError::NoLevel);
    }
    let before = std::iter::once(&1).chain(all);
    let good = |(now, before): (&u32, &u32)| now > before && now.checked_rem(*before) == Some(0);
    let wrong = all.iter().zip(before).position(|pair| !good(pair));
    let wanted = "a width that is a multiple of the one before and wider, the first over 1";
    wrong.map_or(Ok(()), |at| Err(RuleError::Level { level: at + 1, wanted }))
}

/// Returns the intervals that a number lies in, as the kernel `band` writes them.
pub(super) fn labels(value: &str, widths: &[u32]) -> Option<Vec<String>> {
    let whole = whole(value)?;
    let label = |width: &u32| {
        let width = i64::from(*width);
        let low = whole.div_euclid(width).saturating_mul(width);
        label::range(low, low.saturating_add(width - 1))
    };
    Some(widths.iter().map(label).collect())
}

fn whole(value: &str) -> Option<i64> {
    if let Ok(whole) = value.parse() {
        return Some(whole);
    }
    let number: f64 = value.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a whole number that a float holds exactly"
    )]
    (number.abs() < EXACT).then(|| number.floor() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_lies_in_one_interval_of_each_width() {
        assert_eq!(labels("39", &[5, 10, 20]).unwrap(), ["35-39", "30-39", "20-39"]);
        assert_eq!(labels("39.9", &[5]).unwrap(), ["35-39"], "a fraction left its interval");
        assert_eq!(labels("-0.5", &[5]).unwrap(), ["-5--1"], "below zero is rounded upwards");
        for text in ["", "old", "NaN", "inf", "1e300", "3 9"] {
            assert_eq!(labels(text, &[5]), None, "`{text}` was taken for a number");
        }
    }

    #[test]
    fn widths_that_would_overlap_are_refused() {
        for all in [&[5, 12][..], &[5, 5], &[1], &[0], &[10, 5]] {
            assert!(matches!(widths(all), Err(RuleError::Level { .. })), "{all:?} was taken");
        }
        assert_eq!(widths(&[5, 10, 20]), Ok(()));
    }
}
