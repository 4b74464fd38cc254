//! The stretch of time that a settlement covers: `2026-Q4`, `2026-11`, `2026` or `FROM..TO`.
//!
//! Comes in: text. Goes out: a half-open interval of instants. Never: an empty one.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::instant::{Date, Instant};

/// A period, in whole days of UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period {
    text: String,
    from: Date,
    until: Date,
}

/// A text is no period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a period like 2026-Q4, 2026-11, 2026 or 2026-10-01..2026-12-31")]
pub struct PeriodError;

impl Period {
    /// Parses a period; both days of `FROM..TO` belong to it.
    ///
    /// ```
    /// use almoner::reward::Period;
    /// let quarter = Period::parse("2026-Q4")?;
    /// assert_eq!(quarter.until().to_string(), "2027-01-01T00:00:00Z");
    /// # Ok::<(), almoner::reward::PeriodError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, PeriodError> {
        let (from, until) = interval(text).ok_or(PeriodError)?;
        if from < until {
            Ok(Self { text: text.to_owned(), from, until })
        } else {
            Err(PeriodError)
        }
    }

    /// Returns the period as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns its first instant.
    pub fn from(&self) -> Instant {
        Instant::midnight(self.from)
    }

    /// Returns the first instant after it.
    pub fn until(&self) -> Instant {
        Instant::midnight(self.until)
    }

    /// Returns its last day.
    pub fn last_day(&self) -> Date {
        // INVARIANT: a period begins before it ends, so that its end has a day before.
        self.until.pred_opt().unwrap_or(self.from)
    }

    /// Says whether it is the same days as another, however both are written.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.from, self.until) == (other.from, other.until)
    }

    /// Says whether an instant lies in it.
    pub fn contains(&self, instant: Instant) -> bool {
        (self.from()..self.until()).contains(&instant)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Period {
    type Error = PeriodError;

    fn try_from(text: String) -> Result<Self, PeriodError> {
        Self::parse(&text)
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.text
    }
}

fn interval(text: &str) -> Option<(Date, Date)> {
    if let Some((from, to)) = text.split_once("..") {
        return Some((day(from)?, day(to)?.succ_opt()?));
    }
    let (year, rest) = text.split_at_checked(4)?;
    let year: i32 = if digits(year) { year.parse().ok()? } else { return None };
    let (first, months) = match rest {
        "" => (1, 12),
        "-Q1" => (1, 3),
        "-Q2" => (4, 3),
        "-Q3" => (7, 3),
        "-Q4" => (10, 3),
        month => {
            let month = month.strip_prefix('-').filter(|m| m.len() == 2 && digits(m))?;
            (month.parse().ok()?, 1)
        }
    };
    let from = Date::from_ymd_opt(year, first, 1)?;
    Some((from, from.checked_add_months(chrono::Months::new(months))?))
}

fn day(text: &str) -> Option<Date> {
    // INVARIANT: one day has one text, so that one period cannot be settled under two names.
    Date::parse_from_str(text, "%Y-%m-%d").ok().filter(|d| d.to_string() == text)
}

fn digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_holds_its_last_second_and_not_the_next() {
        for (text, from, last) in [
            ("2026-Q4", "2026-10-01", "2026-12-31T23:59:59Z"),
            ("2026-02", "2026-02-01", "2026-02-28T23:59:59Z"),
            ("2028", "2028-01-01", "2028-12-31T23:59:59Z"),
            ("2026-10-01..2026-11-21", "2026-10-01", "2026-11-21T23:59:59Z"),
        ] {
            let period = Period::parse(text).unwrap();
            let last = Instant::parse(last).unwrap();
            assert!(period.contains(Instant::parse(from).unwrap()), "{text}");
            assert!(period.contains(last), "an answer in the last second would go unpaid: {text}");
            assert!(!period.contains(Instant::from_unix(last.unix() + 1).unwrap()), "{text}");
        }
    }

    #[test]
    fn what_is_no_period_is_refused() {
        for text in [
            "",
            "2026-Q5",
            "2026-13",
            "26-11",
            "2026-1",
            "2026-11-02..2026-11-01",
            "2026-11-1..2026-11-02",
            "+026",
            "20é6",
        ] {
            assert_eq!(Period::parse(text), Err(PeriodError), "{text}");
        }
    }
}
