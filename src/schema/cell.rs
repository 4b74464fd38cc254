//! One cell's text read as a value of its column's type.
//!
//! Comes in: text. Goes out: a value, or nothing. Never: a guess; `2023-02-30` is no date, `1e999`
//! no number, and a date without a time no timestamp.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use super::Precision;

const MICROS_A_SECOND: i64 = 1_000_000;
const SECONDS_A_DAY: i64 = 86_400;

/// Reads an integer: an optional sign and decimal digits.
pub(super) fn int(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// Reads a finite number.
pub(super) fn float(text: &str) -> Option<f64> {
    let first = text.bytes().next()?;
    // Rust reads `inf` and `nan` too; they are words, not measurements.
    if !matches!(first, b'0'..=b'9' | b'-' | b'+' | b'.') {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Reads true or false, 1 or 0, yes or no, or their first letters.
pub(super) fn bool(text: &str) -> Option<bool> {
    let is = |words: [&str; 5]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["true", "1", "t", "yes", "y"]) {
        Some(true)
    } else if is(["false", "0", "f", "no", "n"]) {
        Some(false)
    } else {
        None
    }
}

/// Reads a date as days since 1970-01-01.
pub(super) fn date(text: &str, format: Option<&str>) -> Option<i32> {
    let Some(format) = format else { return iso_date(text.as_bytes()) };
    let date = NaiveDate::parse_from_str(text, format).ok()?;
    let days = date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp() / SECONDS_A_DAY;
    i32::try_from(days).ok()
}

/// Reads a timestamp as microseconds since 1970-01-01T00:00:00Z; one without an offset is UTC.
pub(super) fn timestamp(text: &str, format: Option<&str>) -> Option<i64> {
    let Some(format) = format else { return iso_timestamp(text.as_bytes()) };
    let naive = NaiveDateTime::parse_from_str(text, format).ok();
    naive
        .map(|at| at.and_utc().timestamp_micros())
        .or_else(|| DateTime::parse_from_str(text, format).ok().map(|at| at.timestamp_micros()))
}

/// Reads `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, if that is precise enough, as its first day: days since
/// 1970-01-01.
pub(super) fn partial(text: &str, least: Precision) -> Option<i32> {
    let (precision, rest) = match text.len() {
        4 => (Precision::Year, "-01-01"),
        7 => (Precision::Month, "-01"),
        10 => (Precision::Day, ""),
        _ => return None,
    };
    if precision < least {
        return None;
    }
    let mut whole = [0; 10];
    for (to, from) in whole.iter_mut().zip(text.bytes().chain(rest.bytes())) {
        *to = from;
    }
    iso_date(&whole)
}

/// Reads the same as a first instant: microseconds since 1970-01-01T00:00:00Z.
pub(super) fn partial_instant(text: &str, least: Precision) -> Option<i64> {
    Some(i64::from(partial(text, least)?) * SECONDS_A_DAY * MICROS_A_SECOND)
}

/// Reads exactly so many digits from the front.
#[inline]
fn digits<const N: usize>(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    let mut value = 0;
    for byte in head {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some((value, rest))
}

#[inline]
fn byte(bytes: &[u8], wanted: u8) -> Option<&[u8]> {
    bytes.split_first().filter(|(first, _)| **first == wanted).map(|(_, rest)| rest)
}

#[inline]
fn iso_date(bytes: &[u8]) -> Option<i32> {
    let (days, rest) = date_prefix(bytes)?;
    rest.is_empty().then_some(days)
}

#[inline]
fn date_prefix(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let (year, rest) = digits::<4>(bytes)?;
    let (month, rest) = digits::<2>(byte(rest, b'-')?)?;
    let (day, rest) = digits::<2>(byte(rest, b'-')?)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    if !(1..=length).contains(&day) || year == 0 {
        return None;
    }
    Some((i32::try_from(days_from_civil(year, month, day)).ok()?, rest))
}

/// Counts days from 1970-01-01 in the proleptic Gregorian calendar.
/// <https://howardhinnant.github.io/date_algorithms.html#days_from_civil>
#[inline]
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[inline]
fn iso_timestamp(bytes: &[u8]) -> Option<i64> {
    let (days, rest) = date_prefix(bytes)?;
    let rest = byte(rest, b'T').or_else(|| byte(rest, b' '))?;
    let (hour, rest) = digits::<2>(rest)?;
    let (minute, mut rest) = digits::<2>(byte(rest, b':')?)?;
    let mut second = 0;
    let mut micros = 0;
    if let Some(seconds) = byte(rest, b':') {
        (second, rest) = digits::<2>(seconds)?;
        if let Some(fraction) = byte(rest, b'.') {
            (micros, rest) = fraction_micros(fraction)?;
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let offset = offset_seconds(rest)?;
    let seconds = i64::from(days) * SECONDS_A_DAY + hour * 3600 + minute * 60 + second - offset;
    Some(seconds * MICROS_A_SECOND + micros)
}

/// Reads one to nine digits; what is finer than a microsecond is cut.
fn fraction_micros(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let count = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&count) {
        return None;
    }
    let (head, rest) = bytes.split_at(count);
    let padded = head.iter().copied().chain(std::iter::repeat(b'0')).take(6);
    Some((padded.fold(0, |value, digit| value * 10 + i64::from(digit - b'0')), rest))
}

/// Reads nothing, `Z`, `+01:00` or `+0100` to the end.
fn offset_seconds(bytes: &[u8]) -> Option<i64> {
    let (sign, rest) = match bytes {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = digits::<2>(rest)?;
    let (minutes, rest) = digits::<2>(byte(rest, b':').unwrap_or(rest))?;
    (rest.is_empty() && hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_that_the_calendar_lacks_are_none() {
        for text in ["2023-02-29", "2023-13-01", "2023-04-31", "2023-1-1", "0000-01-01", "20230101"]
        {
            assert_eq!(date(text, None), None, "{text} would become some other day");
        }
        assert_eq!(date("2024-02-29", None), Some(19_782));
    }

    #[test]
    fn timestamps_are_read_in_the_forms_that_exports_use() {
        let noon = Some(12 * 3600 * MICROS_A_SECOND);
        for text in [
            "1970-01-01T12:00:00Z",
            "1970-01-01 12:00:00",
            "1970-01-01T12:00",
            "1970-01-01T12:00:00.000000Z",
            "1970-01-01T13:00:00+01:00",
            "1970-01-01T06:30:00-0530",
        ] {
            assert_eq!(timestamp(text, None), noon, "{text}");
        }
        for text in ["1970-01-01", "1970-01-01T24:00:00Z", "1970-01-01T12:00:00 Z", "12:00"] {
            assert_eq!(timestamp(text, None), None, "{text} would be a guess");
        }
    }

    #[test]
    fn a_partial_date_is_its_first_day_if_it_is_precise_enough() {
        use Precision::{Day, Month, Year};
        for (text, least, wanted) in [
            ("2015", Year, Some("2015-01-01")),
            ("2015-02", Year, Some("2015-02-01")),
            ("2015-02-07", Year, Some("2015-02-07")),
            ("2015-02", Month, Some("2015-02-01")),
            ("2015", Month, None),
            ("2015-02", Day, None),
            ("2015-13", Year, None),
            ("20x5", Year, None),
            ("2015-2", Year, None),
            ("2015-02-30", Day, None),
            ("2015-02-07T10:00:00Z", Year, None),
        ] {
            let wanted = wanted.and_then(|text| date(text, None));
            assert_eq!(partial(text, least), wanted, "{text} would become some other day");
        }
        let midnight = timestamp("2015-02-07T00:00:00Z", None);
        assert_eq!(partial_instant("2015-02-07", Day), midnight);
    }

    #[test]
    fn what_is_no_finite_number_is_none() {
        for text in ["nan", "inf", "1e999", "", "1,5", "0x10", " 1"] {
            assert_eq!(float(text), None, "{text}");
        }
        assert_eq!(float("-1.5e3"), Some(-1500.0));
        assert_eq!(int("9223372036854775808"), None, "an id would wrap around");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn days_agree_with_chrono(days in -700_000_i32..2_900_000) {
            let day = NaiveDate::from_epoch_days(days).unwrap();
            prop_assert_eq!(date(&day.to_string(), None), Some(days));
        }

        #[test]
        fn micros_agree_with_chrono(micros in -9_000_000_000_000_000_i64..90_000_000_000_000_000) {
            let at = DateTime::from_timestamp_micros(micros).unwrap();
            let text = at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
            prop_assert_eq!(timestamp(&text, None), Some(micros));
        }
    }
}
