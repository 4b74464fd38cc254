//! A policy: whom it covers, which event it pays for, how much, and up to where.
//!
//! Comes in: a policy file, read by [`super::read`]. Goes out: [`Policy`], whole and checked.
//! Never: a policy that no event could meet, or one whose sum exceeds its own cap.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use serde::{Deserialize, Serialize};

use super::quantity::{Decimal, Substance, Unit};
use crate::{
    instant::Date,
    money::{Amount, Currency},
    party::SponsorId,
    purpose::Purpose,
    reward::PoolId,
};

/// What a policy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CoverKind {
    /// It pays when something befalls the insured.
    Insurance,
    /// It pays for something that the person did, such as keeping an appointment.
    Incentive,
}

impl CoverKind {
    /// Returns the word of policy files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Insurance => "insurance",
            Self::Incentive => "incentive",
        }
    }
}

/// The days on which events are covered: `from` is the first, `until` the first after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// The first day.
    pub from: Date,
    /// The first day after it.
    pub until: Date,
}

/// A code of a code system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Code {
    system: String,
    code: String,
}

/// A text is no code with its system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code is `system|code`, such as `http://loinc.org|20436-2`")]
pub struct CodeError;

impl Code {
    /// Parses `system|code`.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let (system, code) = text.split_once('|').ok_or(CodeError)?;
        let plain = |part: &str| {
            !part.is_empty() && !part.contains('|') && !part.contains(char::is_whitespace)
        };
        if !plain(system) || !plain(code) || !system.contains(':') {
            return Err(CodeError);
        }
        Ok(Self { system: system.to_owned(), code: code.to_owned() })
    }

    /// Returns the code system's address.
    pub fn system(&self) -> &str {
        &self.system
    }

    /// Returns the code.
    pub fn code(&self) -> &str {
        &self.code
    }
}

impl TryFrom<String> for Code {
    type Error = CodeError;

    fn try_from(text: String) -> Result<Self, CodeError> {
        Self::parse(&text)
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        format!("{}|{}", code.system, code.code)
    }
}

/// Which codes a row must have, one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeTest {
    /// The column of the code.
    pub column: String,
    /// The column of its system; where there is none, the schema's column says which it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The codes, sorted.
    pub any: Vec<Code>,
}

/// What must have been measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueTest {
    /// The column of the number.
    pub column: String,
    /// The least number that counts.
    pub at_least: Decimal,
    /// The column of the unit.
    pub unit_column: String,
    /// The unit of the threshold.
    pub unit: Unit,
    /// Of what it is measured, where mass and amount of substance are to be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub substance: Option<Substance>,
}

/// Which rows stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusTest {
    /// The column of the status.
    pub column: String,
    /// The statuses of a row that counts, sorted; empty where every one does that is not refused.
    pub is: Vec<String>,
    /// The statuses that take a row back for good, sorted.
    pub refuse: Vec<String>,
}

/// Completed weeks of a pregnancy, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weeks {
    /// The first.
    pub min: u32,
    /// The last.
    pub max: u32,
}

/// What sets a payment off. Triggers of one name are ways to see the same event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// The event's name.
    pub name: String,
    /// The pipeline's table whose rows are looked at.
    pub table: String,
    /// The column by which a row is known again.
    pub id: String,
    /// The column of the day.
    pub day: String,
    /// The codes.
    pub code: CodeTest,
    /// The measurement; none where the code alone is the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ValueTest>,
    /// The status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusTest>,
    /// The weeks of pregnancy, by the due date of the enrolment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weeks: Option<Weeks>,
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Its name; no pool has the same.
    pub policy: PoolId,
    /// What it is; the tag of an act is named `kind` already.
    #[serde(rename = "cover")]
    pub kind: CoverKind,
    /// Who pays.
    pub insurer: SponsorId,
    /// Its currency.
    pub currency: Currency,
    /// When events are covered.
    pub term: Term,
    /// In how many days of the term, from its first, one may enrol; in all of them if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolment_days: Option<u32>,
    /// Up to which week of pregnancy one may enrol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolment_weeks_max: Option<u32>,
    /// What is paid for an event.
    pub sum: Amount,
    /// The most that one person gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap_person: Option<Amount>,
    /// The most that all get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap_policy: Option<Amount>,
    /// Whether an event may be paid in part where a cap or the pool has not enough for all of it.
    pub partly: bool,
    /// How many days make one event, counted in turns from the term's first day; the whole term if
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_days: Option<u32>,
    /// What the insured's own consent must be for.
    pub purpose: Purpose,
    /// What sets a payment off.
    pub triggers: Vec<Trigger>,
}

impl Policy {
    /// Returns which event of its kind a day of the term belongs to; none outside of the term.
    pub fn window(&self, day: Date) -> Option<u32> {
        if day < self.term.from || day >= self.term.until {
            return None;
        }
        let days = u32::try_from(day.signed_duration_since(self.term.from).num_days()).ok()?;
        match self.event_days {
            None => Some(0),
            Some(length) => days.checked_div(length),
        }
    }
}
