//! Periods of FHIR: two dateTimes, each as exact as it was written, asked by whole days.
//!
//! Comes in: `start` and `end`. Goes out: whether a day lies in it wholly, or is touched by it.
//! Never: a day that is half outside counted as inside.

use chrono::{Datelike as _, Days, Months};
use serde_json::Value;

use crate::instant::{Date, Instant};

/// A period. Its days in UTC; an end that names a day, month or year includes all of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Period {
    // The first day that lies wholly inside, and the first that is touched.
    from: Option<(Date, Date)>,
    // The first day that is no longer wholly inside, and the first no longer touched.
    until: Option<(Date, Date)>,
}

impl Period {
    /// Reads a period; `None` where it is none that is understood.
    pub fn parse(value: &Value) -> Option<Self> {
        let members = value.as_object()?;
        let odd = |name: &String| !matches!(name.as_str(), "start" | "end" | "id" | "extension");
        if members.keys().any(|name| odd(name) && !name.starts_with('_')) {
            return None;
        }
        let bound = |name: &str| match members.get(name) {
            None => Some(None),
            Some(text) => Span::parse(text.as_str()?).map(Some),
        };
        let (start, end) = (bound("start")?, bound("end")?);
        let next = |day: Date| day.checked_add_days(Days::new(1)).unwrap_or(Date::MAX);
        let from = start.map(|span| match span {
            Span::Days(first, _) => (first, first),
            Span::Moment(day, true) => (day, day),
            Span::Moment(day, false) => (next(day), day),
        });
        let until = end.map(|span| match span {
            Span::Days(_, after) => (after, after),
            Span::Moment(day, true) => (day, day),
            Span::Moment(day, false) => (day, next(day)),
        });
        Some(Self { from, until })
    }

    /// Says whether all of a day lies in it.
    pub fn holds(&self, day: Date) -> bool {
        self.from.is_none_or(|(first, _)| first <= day)
            && self.until.is_none_or(|(after, _)| day < after)
    }

    /// Says whether any of a day may lie in it.
    pub fn touches(&self, day: Date) -> bool {
        self.from.is_none_or(|(_, first)| first <= day)
            && self.until.is_none_or(|(_, after)| day < after)
    }

    /// Returns the first day that lies in it wholly.
    pub fn first(&self) -> Option<Date> {
        self.from.map(|(first, _)| first)
    }

    /// Returns the first day after it.
    pub fn after(&self) -> Option<Date> {
        self.until.map(|(after, _)| after)
    }
}

/// A FHIR dateTime: some days, or a moment of one and whether that is its midnight.
#[derive(Debug, Clone, Copy)]
enum Span {
    Days(Date, Date),
    Moment(Date, bool),
}

impl Span {
    fn parse(text: &str) -> Option<Self> {
        if text.contains('T') {
            let at = Instant::parse(text).ok()?;
            return Some(Self::Moment(at.date(), at.unix().rem_euclid(86_400) == 0));
        }
        let first = match text.len() {
            4 => format!("{text}-01-01"),
            7 => format!("{text}-01"),
            _ => text.to_owned(),
        };
        let first = Date::parse_from_str(&first, "%Y-%m-%d").ok().filter(|d| d.year() > 0)?;
        let after = match text.len() {
            4 => first.checked_add_months(Months::new(12)),
            7 => first.checked_add_months(Months::new(1)),
            10 => first.checked_add_days(Days::new(1)),
            _ => None,
        };
        Some(Self::Days(first, after?))
    }
}

/// Reads when a person decided: an instant, or a day, which counts from its first second on, so that
/// what it replaces can be taken back on the same day.
pub(super) fn decided(text: &str) -> Option<Instant> {
    match text.len() {
        10 => {
            let midnight = Instant::parse(text).ok()?;
            Instant::from_unix(midnight.unix().checked_add(1)?).ok()
        }
        11.. => Instant::parse(text).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn an_end_includes_all_that_it_names_and_half_a_day_is_not_inside() {
        let year = Period::parse(&json!({"start": "2022", "end": "2022-12-31"})).unwrap();
        assert!(year.holds(day("2022-01-01")) && year.holds(day("2022-12-31")));
        assert!(!year.touches(day("2023-01-01")) && !year.touches(day("2021-12-31")));
        let hours =
            json!({"start": "2016-06-23T17:02:33+10:00", "end": "2016-06-23T17:32:33+10:00"});
        let hours = Period::parse(&hours).unwrap();
        assert!(hours.touches(day("2016-06-23")));
        assert!(!hours.holds(day("2016-06-23")), "half an hour would open a whole day");
        assert!(Period::parse(&json!({"start": "soon"})).is_none());
        assert!(Period::parse(&json!({"begin": "2022"})).is_none());
        assert!(Period::parse(&json!({})).unwrap().holds(day("1900-01-01")));
    }
}
