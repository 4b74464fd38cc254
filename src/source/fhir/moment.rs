//! Dates and times as FHIR writes them, as precise as they are: compared, and widened to their
//! first and last instant.
//!
//! Comes in: text. Goes out: an order, if their precision gives one; a boundary. Never: a precision
//! that nobody wrote.

use std::cmp::Ordering;

use super::kind::Type;

/// A date or time taken apart; what was not written is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Moment<'t> {
    year: Option<i32>,
    month: Option<i32>,
    day: Option<i32>,
    hour: Option<i32>,
    minute: Option<i32>,
    second: Option<i32>,
    /// The digits after the point.
    fraction: Option<&'t str>,
    /// `Z` or an offset.
    zone: Option<&'t str>,
}

impl<'t> Moment<'t> {
    fn parse(text: &'t str) -> Option<Self> {
        let mut moment = Self::default();
        let text = text.trim_start_matches('@');
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, time),
            None if text.get(2..3) == Some(":") => ("", text),
            None => (text, ""),
        };
        if !date.is_empty() {
            let mut parts = date.splitn(3, '-');
            moment.year = Some(number(parts.next()?, 4, 9999)?);
            moment.month = parts.next().and_then(|m| number(m, 2, 12));
            moment.day = parts.next().and_then(|d| number(d, 2, 31));
            let wanted = 4 + 3 * (moment.month.iter().count() + moment.day.iter().count());
            if date.len() != wanted {
                return None;
            }
        }
        let at = time.find(['Z', '+', '-']).unwrap_or(time.len());
        let (clock, zone) = time.split_at_checked(at)?;
        moment.zone = (!zone.is_empty()).then_some(zone);
        if let Some(zone) = moment.zone {
            offset(zone)?;
        }
        if !clock.is_empty() {
            let (clock, fraction) = match clock.split_once('.') {
                Some((clock, fraction)) => (clock, Some(fraction)),
                None => (clock, None),
            };
            let mut parts = clock.splitn(3, ':');
            moment.hour = Some(number(parts.next()?, 2, 24)?);
            moment.minute = parts.next().and_then(|m| number(m, 2, 59));
            moment.second = parts.next().and_then(|s| number(s, 2, 60));
            moment.fraction = fraction.filter(|f| f.bytes().all(|b| b.is_ascii_digit()));
            let written = moment.minute.iter().count() + moment.second.iter().count();
            if clock.len() != 2 + 3 * written || moment.fraction != fraction {
                return None;
            }
        }
        (moment.year.is_some() || moment.hour.is_some()).then_some(moment)
    }

    fn parts(&self) -> [Option<i32>; 6] {
        [self.year, self.month, self.day, self.hour, self.minute, self.second]
    }

    /// Seconds from the year 0 in universal time, where it is precise enough to have one.
    fn instant(&self) -> Option<i64> {
        let (year, month, day) = (self.year?, self.month?, self.day?);
        let date = chrono::NaiveDate::from_ymd_opt(
            year,
            u32::try_from(month).ok()?,
            u32::try_from(day).ok()?,
        )?;
        let days = i64::from(chrono::Datelike::num_days_from_ce(&date));
        let minutes = i64::from(self.hour?) * 60 + i64::from(self.minute?) - offset(self.zone?)?;
        Some(days * 86_400 + minutes * 60 + i64::from(self.second.unwrap_or(0)))
    }
}

fn number(text: &str, width: usize, max: i32) -> Option<i32> {
    let digits = text.len() == width && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|number| *number <= max)
}

/// Minutes east of universal time.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, rest) = zone.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':')?;
    let minutes = i64::from(number(hours, 2, 14)?) * 60 + i64::from(number(minutes, 2, 59)?);
    Some(if sign == "-" { -minutes } else { minutes })
}

/// Returns which of two dates or times is later; `None` where their precision does not say, or
/// where one is none.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (Moment::parse(a)?, Moment::parse(b)?);
    if a.zone != b.zone {
        if a.zone.is_none() || b.zone.is_none() {
            // A day's difference outweighs every zone; less is not known.
            let dates = |m: &Moment<'_>| (m.year, m.month, m.day);
            let zoned = a.hour.is_some() && b.hour.is_some();
            return if zoned || dates(&a) == dates(&b) { None } else { order(&a, &b) };
        }
        let (x, y) = (a.instant()?, b.instant()?);
        return Some(x.cmp(&y).then_with(|| fraction(&a).cmp(fraction(&b))));
    }
    order(&a, &b)
}

fn order(a: &Moment<'_>, b: &Moment<'_>) -> Option<Ordering> {
    for (x, y) in a.parts().into_iter().zip(b.parts()) {
        match (x, y) {
            (Some(x), Some(y)) if x == y => {}
            (Some(x), Some(y)) => return Some(x.cmp(&y)),
            (None, None) => {}
            (None, Some(_)) | (Some(_), None) => return None,
        }
    }
    Some(fraction(a).cmp(fraction(b)))
}

/// The fraction's digits without what does not count.
fn fraction<'t>(moment: &Moment<'t>) -> &'t str {
    moment.fraction.unwrap_or("").trim_end_matches('0')
}

/// Returns the first or last instant that a date or time may mean, as precise as its type can be.
pub(super) fn boundary(text: &str, kind: Type, high: bool) -> Option<String> {
    let moment = Moment::parse(text)?;
    let pick = |low: i32, top: i32| if high { top } else { low };
    let clock = || {
        let hour = moment.hour.unwrap_or(pick(0, 23));
        let minute = moment.minute.unwrap_or(pick(0, 59));
        let second = moment.second.unwrap_or(pick(0, 59));
        let written = moment.fraction.unwrap_or("");
        let fill = if high { "999" } else { "000" };
        let rest = fill.get(written.len()..).unwrap_or("");
        format!("{hour:02}:{minute:02}:{second:02}.{written}{rest}")
    };
    let Some(year) = moment.year else { return Some(clock()) };
    let month = moment.month.unwrap_or(pick(1, 12));
    let day = moment.day.unwrap_or_else(|| pick(1, days(year, month)));
    let date = format!("{year:04}-{month:02}-{day:02}");
    if kind != Type::DateTime && moment.hour.is_none() {
        return Some(date);
    }
    let zone = moment.zone.unwrap_or(if high { "-12:00" } else { "+14:00" });
    Some(format!("{date}T{}{zone}", clock()))
}

fn days(year: i32, month: i32) -> i32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_widens_to_its_first_and_last_day() {
        let low = |text, kind| boundary(text, kind, false).unwrap();
        let high = |text, kind| boundary(text, kind, true).unwrap();
        assert_eq!(low("1970-06", Type::Date), "1970-06-01");
        assert_eq!(high("1970-06", Type::Date), "1970-06-30");
        assert_eq!(high("2024-02", Type::Unknown), "2024-02-29", "a leap day was forgotten");
        assert_eq!(low("2010-10-10", Type::DateTime), "2010-10-10T00:00:00.000+14:00");
        assert_eq!(high("2010-10-10", Type::DateTime), "2010-10-10T23:59:59.999-12:00");
        assert_eq!(high("2010-10-10T10:00:00Z", Type::DateTime), "2010-10-10T10:00:00.999Z");
        assert_eq!(low("12:34:00", Type::Time), "12:34:00.000");
        assert_eq!(high("12:34", Type::Time), "12:34:59.999");
        for text in ["", "x", "20101010", "2010-13", "2010-1", "12:3", "2010-10-10T10+1"] {
            assert!(boundary(text, Type::DateTime, true).is_none(), "{text:?} is no moment");
        }
    }

    #[test]
    fn moments_of_different_precision_have_no_order_where_it_would_be_a_guess() {
        assert_eq!(compare("2010", "2011-05"), Some(Ordering::Less));
        assert_eq!(compare("2010", "2010-05"), None);
        assert_eq!(
            compare("2010-01-01T10:00:00Z", "2010-01-01T12:00:00+02:00"),
            Some(Ordering::Equal)
        );
        assert_eq!(
            compare("2010-01-01T10:00:00.5Z", "2010-01-01T10:00:00.50Z"),
            Some(Ordering::Equal)
        );
        assert_eq!(compare("18:12:00", "18:32:00"), Some(Ordering::Less));
        assert_eq!(compare("2010-01-01T10:00:00Z", "2010-01-01T10:00:00"), None);
    }
}
