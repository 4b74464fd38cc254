//! The `[deid]` part of a pipeline.
//!
//! Comes in: TOML. Goes out: [`Settings`]. Never: a fraction kept as a float; what decides whether
//! a run fails is an integer.

mod asked;
mod offsets;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use self::{
    asked::{Apart, Asked},
    offsets::{Offsets, OffsetsError},
};
use super::{kernel::shift_date::Weekdays, search::Metric};
use crate::instant::Date;

/// By which rules rows are made safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Expert determination, 45 CFR 164.514(b)(1): dates are shifted, ids become keyed pseudonyms,
    /// and the risk that is left is measured.
    #[default]
    Expert,
    /// Safe harbour, 45 CFR 164.514(b)(2): no date but its year, no code derived from the person.
    SafeHarbor,
}

/// How a pipeline's rows are made safe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// By which rules.
    #[serde(default)]
    pub profile: Profile,
    /// The least number of people in a class of quasi-identifiers.
    #[serde(default = "k")]
    pub k: u32,
    /// The share of a table's rows that may be suppressed before the run fails.
    #[serde(default = "suppress_limit")]
    pub suppress_limit: Fraction,
    /// Dates move by at most this many days.
    #[serde(default = "shift_days_max")]
    pub shift_days_max: u32,
    /// Whether shifts are whole weeks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub shift_weekdays: bool,
    /// Each person's days, where a table from outside says them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub shift_offsets: Option<Offsets>,
    /// The day after which no shifted date lies.
    #[serde(default, skip_serializing_if = "is_default")]
    pub horizon: Option<Date>,
    /// The file of notes with marked spans on which scrubbers are measured; it changes no released byte.
    #[serde(skip)]
    pub scrub_gold: Option<PathBuf>,
    /// The day on which ages are reckoned. The pipeline gives its run's day where a file says none;
    /// a plan with a birth year is refused without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Date>,
    /// What the search for the levels of hierarchies is to lose least.
    #[serde(default, skip_serializing_if = "is_default")]
    pub metric: Metric,
    /// What classes must satisfy beyond having k people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<Asked>,
    /// Whether rows that the found levels would suppress are told by coarser ones instead.
    #[serde(default, skip_serializing_if = "is_default")]
    pub recode: bool,
    /// How many events of a person somebody may know; none where no more than one row is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub known_events: Option<u32>,
    /// After so many seconds a search of more nodes than can all be looked at takes the best it has.
    #[serde(default, skip_serializing_if = "is_default")]
    pub search_seconds: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            k: k(),
            suppress_limit: suppress_limit(),
            shift_days_max: shift_days_max(),
            shift_weekdays: false,
            shift_offsets: None,
            scrub_gold: None,
            horizon: None,
            as_of: None,
            metric: Metric::default(),
            models: Vec::new(),
            recode: false,
            known_events: None,
            search_seconds: None,
        }
    }
}

impl Settings {
    /// Returns whether shifted dates keep their days of the week.
    pub fn weekdays(&self) -> Weekdays {
        if self.shift_weekdays { Weekdays::Stay } else { Weekdays::Move }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn k() -> u32 {
    11
}

fn suppress_limit() -> Fraction {
    Fraction(20_000)
}

fn shift_days_max() -> u32 {
    182
}

/// A share between 0 and 1 in millionths. It is written as a decimal, `0.02`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub struct Fraction(u32);

/// A text or number is no decimal between 0 and 1 of at most six places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal between 0 and 1 with at most six places, such as 0.02")]
pub struct FractionError;

impl Fraction {
    /// Makes a share of millionths, at most a million of them.
    pub fn from_ppm(ppm: u32) -> Result<Self, FractionError> {
        if ppm <= 1_000_000 { Ok(Self(ppm)) } else { Err(FractionError) }
    }

    /// Parses `0.02`, `0`, `1`.
    pub fn parse(text: &str) -> Result<Self, FractionError> {
        let (whole, places) = text.split_once('.').unwrap_or((text, ""));
        let whole: u32 = match whole {
            "0" => 0,
            "1" => 1_000_000,
            _ => return Err(FractionError),
        };
        if places.len() > 6 || !places.bytes().all(|b| b.is_ascii_digit()) {
            return Err(FractionError);
        }
        let places: u32 = format!("{places:0<6}").parse().map_err(|_| FractionError)?;
        Self::from_ppm(whole + places)
    }

    /// Returns millionths.
    pub fn ppm(self) -> u32 {
        self.0
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Integer(i64),
    Float(f64),
    Text(String),
}

impl TryFrom<Written> for Fraction {
    type Error = FractionError;

    fn try_from(written: Written) -> Result<Self, FractionError> {
        // A float's shortest decimal text is what its author wrote.
        match written {
            Written::Integer(n) => Self::parse(&n.to_string()),
            Written::Float(n) => Self::parse(&n.to_string()),
            Written::Text(text) => Self::parse(&text),
        }
    }
}

impl From<Fraction> for String {
    fn from(fraction: Fraction) -> Self {
        let Fraction(ppm) = fraction;
        if ppm == 1_000_000 {
            return "1".to_owned();
        }
        let text = format!("0.{ppm:06}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_left_out_are_the_careful_ones() {
        let settings: Settings = toml::from_str("").unwrap();
        assert_eq!(settings, Settings::default());
        assert_eq!((settings.k, settings.suppress_limit.ppm()), (11, 20_000));
    }

    #[test]
    fn a_fraction_reads_back_as_it_was_written() {
        for (text, ppm) in [("0.02", 20_000), ("0", 0), ("1", 1_000_000), ("0.000001", 1)] {
            let settings: Settings = toml::from_str(&format!("suppress_limit = {text}")).unwrap();
            assert_eq!(settings.suppress_limit.ppm(), ppm);
            assert_eq!(String::from(settings.suppress_limit), text);
            let json = serde_json::to_string(&settings).unwrap();
            assert_eq!(serde_json::from_str::<Settings>(&json).unwrap(), settings);
            assert!(crate::digest::canonical(&settings).is_ok(), "a float reached a digest");
        }
        for text in ["1.1", "-0.1", "2", "0.0000001", "nan", "\"\""] {
            assert!(toml::from_str::<Settings>(&format!("suppress_limit = {text}")).is_err());
        }
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        assert!(toml::from_str::<Settings>("K = 11").is_err());
    }
}
