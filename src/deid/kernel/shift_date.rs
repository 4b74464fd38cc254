//! Moves the dates of a person by the person's own number of days.
//!
//! Comes in: dates or timestamps, and for each row its person's shift. Goes out: the same type.
//! Never: a shift of zero days, or two shifts for one person of a release; so the intervals between
//! a person's events are kept to the microsecond, in every table.
//!
//! It protects when something was: who knows a day finds it at 2·`days_max` other people's. It does not
//! hide intervals, which tell people apart as well. `shift_weekdays` keeps the rhythm of the week, which
//! studies of wards need, and leaves a seventh of the shifts to be tried. `horizon` stops dates that
//! would lie after the day until which data were gathered and would so bound the shift from below; the
//! price is the intervals to them. `shift_offsets` takes the days of each person from a table, so that
//! other holders of the same people's data can shift alike.

use arrow::{
    array::{Array as _, PrimitiveArray},
    datatypes::{ArrowPrimitiveType, Date32Type, TimestampMicrosecondType},
};

use crate::{digest::hmac_sha256, instant::Date, party::ContributorId};

const DOMAIN: &[u8] = b"almoner/shift-date/v1";
const MICROSECONDS_A_DAY: i64 = 86_400_000_000;
const DAYS_A_WEEK: i32 = 7;

/// Returns a person's shift: uniform over `-days_max..=days_max` without zero, in whole weeks if
/// weekdays are to be kept.
///
/// It is the first 8 bytes of HMAC-SHA-256(key, `lp(domain) || lp(id) || lp(days_max)`), where lp is
/// a length of 4 big-endian bytes and then the bytes, scaled to the range by a multiplication (Lemire
/// 2019); what that favours one day over another by is below 2^-40.
pub fn shift_days(
    key: &[u8; 32],
    person: &ContributorId,
    days_max: u32,
    weekdays: Weekdays,
) -> i32 {
    let days_max = days_max.clamp(1, DAYS_MAX);
    match weekdays {
        Weekdays::Move => draw(key, person, days_max),
        Weekdays::Stay => DAYS_A_WEEK * draw(key, person, (days_max / 7).max(1)),
    }
}

fn draw(key: &[u8; 32], person: &ContributorId, days_max: u32) -> i32 {
    let mac = hmac_sha256(key, &[DOMAIN, person.as_str().as_bytes(), &days_max.to_be_bytes()]);
    let draw = mac.iter().take(8).fold(0_u64, |draw, byte| draw << 8 | u64::from(*byte));
    let place = (u128::from(draw) * u128::from(2 * days_max)) >> 64;
    let days_max = i32::try_from(days_max).unwrap_or(i32::MAX);
    let shift = i32::try_from(place).unwrap_or(0) - days_max;
    if shift < 0 { shift } else { shift + 1 }
}

/// Whether a shifted date keeps its day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weekdays {
    /// It does not: a person has one of all shifts.
    Move,
    /// It does: shifts are whole weeks, so a person has one of a seventh as many.
    Stay,
}

/// The widest shift that is taken: ten years.
pub const DAYS_MAX: u32 = 3_653;

/// Moves dates; `shifts` has the days of each row.
///
/// A date that would lie after the horizon becomes the horizon.
pub fn dates(
    dates: &PrimitiveArray<Date32Type>,
    shifts: impl Iterator<Item = i32>,
    horizon: Option<Date>,
) -> PrimitiveArray<Date32Type> {
    let last = horizon.map_or(i32::MAX, Date32Type::from_naive_date);
    moved(dates, shifts, |date, days| date.saturating_add(days).min(last))
}

/// Moves timestamps by whole days.
///
/// One that would lie after the horizon becomes its last microsecond: so nothing stands before what it
/// came after.
pub fn timestamps(
    at: &PrimitiveArray<TimestampMicrosecondType>,
    shifts: impl Iterator<Item = i32>,
    horizon: Option<Date>,
) -> PrimitiveArray<TimestampMicrosecondType> {
    let last = horizon.map_or(i64::MAX, |day| {
        (i64::from(Date32Type::from_naive_date(day)) + 1) * MICROSECONDS_A_DAY - 1
    });
    moved(at, shifts, |at, days| at.saturating_add(i64::from(days) * MICROSECONDS_A_DAY).min(last))
}

// INVARIANT: additions saturate only beyond the year 200,000, which no schema's date format can
// write; there an interval would not be kept.
fn moved<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    shifts: impl Iterator<Item = i32>,
    add: impl Fn(T::Native, i32) -> T::Native,
) -> PrimitiveArray<T> {
    let moved: Vec<T::Native> =
        values.values().iter().zip(shifts).map(|(value, days)| add(*value, days)).collect();
    PrimitiveArray::new(moved.into(), values.nulls().cloned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn person(name: &str) -> ContributorId {
        ContributorId::parse(name).unwrap()
    }

    #[test]
    fn shifts_cover_the_whole_range_evenly_and_leave_out_zero() {
        let mut seen = std::collections::BTreeMap::<i32, u32>::new();
        for n in 0..8_000 {
            *seen
                .entry(shift_days(&[7; 32], &person(&format!("p{n}")), 4, Weekdays::Move))
                .or_default() += 1;
        }
        assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [-4, -3, -2, -1, 1, 2, 3, 4]);
        assert!(seen.values().all(|n| (850..1150).contains(n)), "not uniform: {seen:?}");
    }

    #[test]
    fn shifts_that_keep_the_weekday_are_whole_weeks_over_the_whole_range() {
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..2_000 {
            seen.insert(shift_days(&[7; 32], &person(&format!("p{n}")), 23, Weekdays::Stay));
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-21, -14, -7, 7, 14, 21]);
    }

    #[test]
    fn no_date_lies_after_the_horizon_and_none_changes_its_order() {
        let horizon = Date::from_ymd_opt(2026, 6, 30);
        let last = horizon.map(Date32Type::from_naive_date).unwrap();
        let given = PrimitiveArray::<Date32Type>::from(vec![Some(last - 30), Some(last), None]);
        let shown = dates(&given, std::iter::repeat(20), horizon);
        assert_eq!(shown.iter().collect::<Vec<_>>(), [Some(last - 10), Some(last), None]);
        let noon = i64::from(last) * MICROSECONDS_A_DAY + MICROSECONDS_A_DAY / 2;
        let given =
            PrimitiveArray::<TimestampMicrosecondType>::from(vec![noon - MICROSECONDS_A_DAY, noon]);
        let shown = timestamps(&given, std::iter::repeat(1), horizon);
        let end = (i64::from(last) + 1) * MICROSECONDS_A_DAY - 1;
        assert_eq!(shown.values().as_ref(), [noon, end], "the last day is not the horizon's");
    }

    #[test]
    fn a_shift_is_the_published_function_of_key_and_person() {
        // Python: hmac.new(bytes(range(32)), lp(b"almoner/shift-date/v1") + lp(b"synthea:p1")
        //   + lp((182).to_bytes(4, "big")), "sha256").digest()[:8] scaled to 364 places.
        let key: [u8; 32] = std::array::from_fn(|n| u8::try_from(n).unwrap());
        assert_eq!(shift_days(&key, &person("synthea:p1"), 182, Weekdays::Move), -144);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_interval_of_a_person_is_kept_and_no_date_stays(
            at in proptest::collection::vec(-4_000_000_000_000_000_i64..4_000_000_000_000_000, 1..20),
            days_max in 1_u32..400, name in "[a-z]{1,8}", key in any::<[u8; 32]>(),
        ) {
            let days = shift_days(&key, &person(&name), days_max, Weekdays::Move);
            prop_assert!(days != 0 && days.unsigned_abs() <= days_max);
            let given = PrimitiveArray::<TimestampMicrosecondType>::from(at.clone());
            let shown = timestamps(&given, std::iter::repeat(days), None);
            for (a, b) in at.iter().zip(shown.values()) {
                prop_assert_eq!(b - a, i64::from(days) * MICROSECONDS_A_DAY);
            }
            let given = PrimitiveArray::<Date32Type>::from(vec![Some(0), None, Some(700)]);
            let shown = dates(&given, std::iter::repeat(days), None);
            prop_assert_eq!(shown.value(2) - shown.value(0), 700);
            prop_assert!(shown.is_null(1));
        }

        #[test]
        fn equal_people_share_a_shift_and_another_key_gives_another(n in 0_u32..1_000) {
            let p = person(&format!("p{n}"));
            let shift = |k: u8, p: &ContributorId| shift_days(&[k; 32], p, 182, Weekdays::Move);
            prop_assert_eq!(shift(1, &p), shift(1, &p.clone()));
            let differ = (0..8_u8).filter(|k| shift(*k, &p) != shift(9, &p));
            prop_assert!(differ.count() >= 5);
        }
    }
}
