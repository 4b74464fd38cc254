//! When: the run's one instant, in whole seconds of UTC, and civil dates.
//!
//! Comes in: the site's clock once, or `--now`. Goes out: RFC 3339 text, always ending in `Z`.
//! Never: a second look at the clock; whoever needs the time gets it as an argument.

use std::fmt;

use chrono::{DateTime, NaiveDate, TimeZone as _, Utc};
use serde::{Deserialize, Serialize};

/// A civil date.
pub type Date = NaiveDate;

/// An instant in whole seconds of UTC; its text is RFC 3339, `2026-11-22T09:30:00Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Instant(i64);

/// A text is not an RFC 3339 instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 instant like 2026-11-22T09:30:00Z")]
pub struct InstantError;

impl Instant {
    /// Makes an instant of Unix seconds.
    pub fn from_unix(seconds: i64) -> Result<Self, InstantError> {
        Utc.timestamp_opt(seconds, 0).single().map(|_| Self(seconds)).ok_or(InstantError)
    }

    /// Parses RFC 3339, or a civil date as its midnight in UTC; fractions of a second are cut.
    pub fn parse(text: &str) -> Result<Self, InstantError> {
        if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return Ok(Self::midnight(date));
        }
        DateTime::parse_from_rfc3339(text).map(|t| Self(t.timestamp())).map_err(|_| InstantError)
    }

    /// Returns the first instant of a civil date in UTC.
    pub fn midnight(date: Date) -> Self {
        Self(date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp())
    }

    /// Returns Unix seconds.
    pub fn unix(self) -> i64 {
        self.0
    }

    /// Returns the civil date in UTC.
    pub fn date(self) -> Date {
        self.utc().date_naive()
    }

    fn utc(self) -> DateTime<Utc> {
        Utc.timestamp_opt(self.0, 0).single().unwrap_or_default()
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.utc().format("%Y-%m-%dT%H:%M:%SZ"))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Instant {
    type Error = InstantError;

    fn try_from(text: String) -> Result<Self, InstantError> {
        Self::parse(&text)
    }
}

impl From<Instant> for String {
    fn from(instant: Instant) -> Self {
        instant.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_reads_back_as_it_was_written() {
        let instant = Instant::parse("2026-11-22T10:30:00+01:00").unwrap();
        assert_eq!(instant.to_string(), "2026-11-22T09:30:00Z");
        assert_eq!(Instant::parse(&instant.to_string()), Ok(instant));
        assert_eq!(Instant::parse("2026-11-22").unwrap().to_string(), "2026-11-22T00:00:00Z");
    }
}
