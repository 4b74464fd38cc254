//! Figures as people read them: thousands apart, shares in per cent, small groups hidden.

use std::fmt;

use serde::{Serialize, Serializer};

/// The smallest number of people that a public page shows; see the query room's smallest cell.
const SHOWN_MIN: u64 = 11;

/// A number of people (or of their rows) for a public page: 1 to 10 are written `<11`, in JSON too.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct PublicCount(u64);

impl PublicCount {
    /// Wraps a number for a public page.
    pub fn new(count: u64) -> Self {
        Self(count)
    }

    /// Adds another number before either is shown.
    pub(super) fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for PublicCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0"),
            count if count < SHOWN_MIN => write!(f, "<{SHOWN_MIN}"),
            count => f.write_str(&thousands(count)),
        }
    }
}

impl fmt::Debug for PublicCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for PublicCount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if (1..SHOWN_MIN).contains(&self.0) {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

/// Writes `31204` as `31,204`.
pub(super) fn thousands(number: u64) -> String {
    grouped(&number.to_string(), ',')
}

/// Writes decimal text such as `94871.16` as `94,871.16`; other text stays as it is.
pub(super) fn decimal(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("−", rest));
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return text.to_owned();
    }
    let dot = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{dot}{fraction}", grouped(whole, ','))
}

/// Returns the digits of decimal text as one number with `places` decimals, to draw with.
pub(super) fn scaled(text: &str, places: usize) -> u128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction: String = fraction.chars().chain(std::iter::repeat('0')).take(places).collect();
    format!("{whole}{fraction}").parse().unwrap_or(0)
}

/// Adds two decimal texts exactly; the longer fraction stays.
pub(super) fn sum(first: &str, second: &str) -> String {
    let places = places(first).max(places(second));
    let digits = (scaled(first, places) + scaled(second, places)).to_string();
    let digits = format!("{digits:0>width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// Returns the decimals of decimal text.
pub(super) fn places(text: &str) -> usize {
    text.split_once('.').map_or(0, |(_, fraction)| fraction.len())
}

/// Writes parts per million as per cent: `9.1 %`.
pub(super) fn percent(ppm: u64) -> String {
    let tenths = ppm.saturating_add(500) / 1_000;
    if ppm > 0 && tenths == 0 {
        return "under 0.1 %".to_owned();
    }
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// Writes a part of a whole as per cent.
pub(super) fn share(part: u64, whole: u64) -> String {
    let ppm = u128::from(part) * 1_000_000 / u128::from(whole.max(1));
    percent(u64::try_from(ppm).unwrap_or(u64::MAX))
}

/// Writes digits in groups of three.
pub(super) fn grouped(digits: &str, between: char) -> String {
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(between);
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_ten_is_hidden_in_text_and_json_and_eleven_shown() {
        for (count, text, json) in [
            (0, "0", "0"),
            (1, "<11", "\"<11\""),
            (10, "<11", "\"<11\""),
            (11, "11", "11"),
            (31_204, "31,204", "31204"),
        ] {
            let count = PublicCount::new(count);
            assert_eq!(count.to_string(), text);
            assert_eq!(format!("{count:?}"), text, "a log would tell");
            assert_eq!(serde_json::to_string(&count).unwrap(), json);
        }
    }

    #[test]
    fn figures_are_written_as_people_read_them() {
        assert_eq!(thousands(1_204), "1,204");
        assert_eq!(thousands(999), "999");
        assert_eq!(decimal("94871.16"), "94,871.16");
        assert_eq!(decimal("-1000"), "−1,000");
        assert_eq!(decimal("<script>"), "<script>");
        assert_eq!(percent(90_909), "9.1 %");
        assert_eq!(percent(400), "under 0.1 %");
        assert_eq!(share(1, 8), "12.5 %");
        assert_eq!(scaled("12.3", 2), 1_230);
        assert_eq!(sum("0.0042", "51.268431"), "51.272631");
        assert_eq!(sum("7", "3"), "10");
    }
}
