//! Spans of the calendar: 2026-11, 2026-Q4, 2026, 2020-2029. Comes in: a date, or what is known of one.
//! Goes out: the span it lies in, longer at each level. Never: a day told by a longer span.

use chrono::{Datelike as _, NaiveDate};

use super::rule::RuleError;
use crate::instant::Date;

/// A span of the calendar; what comes later holds whole ones of what came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Span {
    /// `2026-11-26`, of a date with a time of day.
    Day,
    /// `2026-11`.
    Month,
    /// `2026-Q4`.
    Quarter,
    /// `2026`.
    Year,
    /// `2020-2029`.
    Decade,
}

impl Span {
    /// The words for spans in a schema.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("day", Self::Day),
        ("month", Self::Month),
        ("quarter", Self::Quarter),
        ("year", Self::Year),
        ("decade", Self::Decade),
    ];
}

/// Checks that each span is longer than the one before.
pub(super) fn spans(all: &[Span]) -> Result<(), RuleError> {
    if all.is_empty() {
        return Err(RuleError::NoLevel);
    }
    let wrong = all.windows(2).position(|pair| matches!(pair, [one, two] if one >= two));
    let wanted = "a span that is longer than the one before";
    wrong.map_or(Ok(()), |at| Err(RuleError::Level { level: at + 2, wanted }))
}

/// How much of a date is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    first: Date,
    to: Span,
}

/// Returns the spans that a date lies in. A date without its day, or without its month, is told as
/// exactly as it is known.
pub(super) fn labels(value: &str, spans: &[Span]) -> Option<Vec<String>> {
    let known = known(value)?;
    Some(spans.iter().map(|span| label(known.first, (*span).max(known.to))).collect())
}

fn label(date: Date, span: Span) -> String {
    let year = date.year();
    match span {
        Span::Day => date.to_string(),
        Span::Month => format!("{year:04}-{:02}", date.month()),
        Span::Quarter => format!("{year:04}-Q{}", date.month0() / 3 + 1),
        Span::Year => format!("{year:04}"),
        Span::Decade => {
            let first = year.div_euclid(10).saturating_mul(10);
            format!("{first:04}-{:04}", first.saturating_add(9))
        }
    }
}

/// Reads `2026-11-26`, with or without a time of day, `2026-11`, `2026`.
fn known(value: &str) -> Option<Known> {
    let (date, time) = value.split_once(['T', ' ']).unwrap_or((value, ""));
    if !time.bytes().all(|byte| byte.is_ascii_digit() || b":.+-Z".contains(&byte)) {
        return None;
    }
    let first = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    let digits = date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    match (date.len(), digits) {
        (10, true) => Some(Known { first: first(date)?, to: Span::Day }),
        (7, true) if time.is_empty() => {
            Some(Known { first: first(&format!("{date}-01"))?, to: Span::Month })
        }
        (4, true) if time.is_empty() => {
            Some(Known { first: first(&format!("{date}-01-01"))?, to: Span::Year })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_lies_in_one_span_of_each_length() {
        let all = Span::WORDS.map(|(_, span)| span);
        let told = |value| labels(value, &all).unwrap().join(" ");
        assert_eq!(told("2026-11-26"), "2026-11-26 2026-11 2026-Q4 2026 2020-2029");
        assert_eq!(told("2026-11-26T09:30:00Z"), told("2026-11-26"), "an hour is told");
        assert_eq!(told("2026-11"), "2026-11 2026-11 2026-Q4 2026 2020-2029");
        assert_eq!(told("2026"), "2026 2026 2026 2026 2020-2029", "a month was made up");
        for text in ["", "2026-13-01", "26.11.2026", "2026-11-26 noon", "yesterday", "20261126"] {
            assert_eq!(labels(text, &all), None, "`{text}` was taken for a date");
        }
    }

    #[test]
    fn spans_that_do_not_grow_are_refused() {
        let two =
            Err(RuleError::Level { level: 2, wanted: "a span that is longer than the one before" });
        assert_eq!(spans(&[Span::Year, Span::Month]), two);
        assert_eq!(spans(&[Span::Year, Span::Year]), two);
        assert_eq!(spans(&[Span::Month, Span::Decade]), Ok(()));
    }
}
