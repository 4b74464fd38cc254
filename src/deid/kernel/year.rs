//! The year of a date; years that would reveal an age over the top age share one class
//! (45 CFR 164.514(b)(2)(i)(C)).
//!
//! Comes in: dates, timestamps, or years as integers. Goes out: `Int64` years, or bands of years as
//! `Utf8` such as `1940-1959`. Never: a year before the floor or after the ceiling.

use arrow::{
    array::{Int64Array, PrimitiveArray, StringArray},
    datatypes::{ArrowPrimitiveType, Date32Type, Int64Type, TimestampMicrosecondType},
};

use super::label;

const MICROSECONDS_A_DAY: i64 = 86_400_000_000;

/// The years that may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// The first; earlier ones become it.
    pub floor: i64,
    /// The last; later ones become it.
    pub ceiling: i64,
}

impl Shown {
    /// The years from `floor` on.
    pub fn from(floor: i64) -> Self {
        Self { floor, ceiling: i64::MAX }
    }

    /// Returns the year that is shown in the place of one.
    fn of(self, year: i64) -> i64 {
        // INVARIANT: a floor lies 50 to 89 years before its ceiling, so which is held against first
        // does not matter.
        year.min(self.ceiling).max(self.floor)
    }
}

/// Returns the first year that reveals no age over `top_age` at any day of `as_of_year`: whoever
/// was born in it is at most `top_age` when that year ends.
pub fn floor(as_of_year: i32, top_age: u32) -> i64 {
    i64::from(as_of_year) - i64::from(top_age)
}

/// The years of dates, as they may be shown.
pub fn of_dates(dates: &PrimitiveArray<Date32Type>, shown: Shown) -> Int64Array {
    years(dates, shown, |days| civil_year(i64::from(days)))
}

/// The years of timestamps, as they may be shown.
pub fn of_timestamps(at: &PrimitiveArray<TimestampMicrosecondType>, shown: Shown) -> Int64Array {
    years(at, shown, |microseconds| civil_year(microseconds.div_euclid(MICROSECONDS_A_DAY)))
}

/// Years that came as integers, as they may be shown.
pub fn of_years(given: &PrimitiveArray<Int64Type>, shown: Shown) -> Int64Array {
    years(given, shown, |year| year)
}

fn years<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    shown: Shown,
    year: impl Fn(T::Native) -> i64,
) -> Int64Array {
    values.unary(|value| shown.of(year(value)))
}

/// Bands of `width` years, `[low, low + width)` with `low` a multiple of `width`. The band that
/// holds the floor begins at the floor, so that no shown year is below it.
pub fn banded(years: &Int64Array, width: u32, floor: i64) -> StringArray {
    let width = i64::from(width.max(1));
    label::per_value(
        years,
        |year| year.div_euclid(width),
        |band| {
            let low = band.saturating_mul(width);
            label::range(low.max(floor), low.saturating_add(width - 1))
        },
    )
}

/// The Gregorian year of a day counted from 1970-01-01.
///
/// After Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
fn civil_year(days: i64) -> i64 {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Years of the algorithm begin in March; day 306 is the first of January.
    year_of_era + era * 400 + i64::from(day_of_year >= 306)
}

#[cfg(test)]
mod tests {
    use chrono::{Datelike as _, NaiveDate};
    use proptest::prelude::*;

    use super::*;

    fn day(y: i32, m: u32, d: u32) -> i32 {
        let date = NaiveDate::from_ymd_opt(y, m, d).unwrap();
        Date32Type::from_naive_date(date)
    }

    #[test]
    fn birth_years_of_people_over_89_become_the_first_that_shows_no_such_age() {
        let floor = floor(2026, 89);
        let dates = PrimitiveArray::<Date32Type>::from(vec![
            Some(day(1936, 12, 31)),
            Some(day(1900, 1, 1)),
            Some(day(1937, 1, 1)),
            Some(day(1980, 2, 29)),
            None,
        ]);
        let shown = of_dates(&dates, Shown::from(floor));
        assert_eq!(
            shown.iter().collect::<Vec<_>>(),
            [Some(1937), Some(1937), Some(1937), Some(1980), None]
        );
    }

    #[test]
    fn a_band_never_begins_before_the_floor() {
        let years = Int64Array::from(vec![Some(1937), Some(1940), Some(2019), None]);
        let bands = banded(&years, 20, 1937);
        assert_eq!(
            bands.iter().collect::<Vec<_>>(),
            [Some("1937-1939"), Some("1940-1959"), Some("2000-2019"), None]
        );
    }

    #[test]
    fn a_timestamp_just_before_midnight_keeps_its_year() {
        let at = PrimitiveArray::<TimestampMicrosecondType>::from(vec![-1, 0]);
        assert_eq!(of_timestamps(&at, Shown::from(0)).values().as_ref(), [1969, 1970]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_two_years_that_are_shown_are_more_than_89_apart(
            born in 1850_i64..2030, seen in 1850_i64..2200, as_of in 1990_i32..2040,
        ) {
            let shown = Shown { floor: floor(as_of, 89), ceiling: i64::from(as_of) };
            let years = of_years(&Int64Array::from(vec![born, seen]), shown);
            prop_assert!((years.value(1) - years.value(0)).abs() <= 89, "an age over 89 shows");
        }

        #[test]
        fn the_year_is_the_calendars(days in -700_000_i32..700_000) {
            let date = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap()
                + chrono::Duration::days(i64::from(days));
            prop_assert_eq!(civil_year(i64::from(days)), i64::from(date.year()));
        }

        #[test]
        fn no_age_above_the_top_age_is_shown(
            year in 1850_i32..2027, top_age in 50_u32..=89, width in proptest::option::of(1_u32..50),
        ) {
            let floor = floor(2026, top_age);
            let given = Int64Array::from(vec![i64::from(year)]);
            let years = of_years(&given, Shown::from(floor));
            let shown = match width {
                None => years.value(0),
                Some(width) => {
                    let band = banded(&years, width, floor);
                    band.value(0).split('-').next().unwrap().parse().unwrap()
                }
            };
            prop_assert!(2026 - shown <= i64::from(top_age));
        }
    }
}
