//! Whether one row shows an event that a policy pays for; consent is asked elsewhere.
//!
//! Comes in: a [`Sighting`], and the person's enrolments. Goes out: that it stands, or the first reason
//! why not. Never: a row that counts because something about it could not be read.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::fmt;

use super::{Enrolment, Policy, Reached, RowId, StatusTest, Trigger, Weeks, reaches};
use crate::{digest::Sha3Digest, instant::Date, party::ContributorId};

/// A row that has a code of a policy's trigger, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sighting {
    /// Which row.
    pub row: RowId,
    /// The trigger's place in the policy.
    pub trigger: usize,
    /// Whose row.
    pub contributor: ContributorId,
    /// The category of its table.
    pub category: String,
    /// Its day; none where it has none that can be read.
    pub day: Option<Date>,
    /// Its status.
    pub status: Option<String>,
    /// What was measured.
    pub value: Option<String>,
    /// In which unit.
    pub unit: Option<String>,
    /// The digest of its canonical form.
    pub evidence: Sha3Digest,
}

/// Why a row does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The person index does not know whose row it is.
    NotLinked,
    /// Its person is not enrolled.
    NotEnrolled,
    /// Its status is none that counts.
    Status,
    /// It has no day that can be read.
    NoDay,
    /// Its day lies before the term.
    BeforeTerm,
    /// Its day lies after the term.
    AfterTerm,
    /// Its day lies before the person's enrolment.
    BeforeEnrolment,
    /// The trigger asks for weeks of pregnancy, and the enrolment names no due date.
    NoDueDate,
    /// Its day lies after the birth was due.
    AfterBirth,
    /// Its day lies in another week of pregnancy.
    Weeks,
    /// What was measured is no number that can be compared.
    Number,
    /// Its unit cannot be compared with the threshold's.
    Unit,
    /// What was measured does not reach the threshold.
    Threshold,
    /// It was taken back, now or before.
    TakenBack,
    /// It shows an event that is known already.
    Known,
    /// Consent does not stand, on its day or on the run's, for the reason that the register gives.
    Consent(&'static str),
}

impl Reason {
    /// Returns the reason as it stands in reports, such as `before-enrolment`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotLinked => "not-linked",
            Self::NotEnrolled => "not-enrolled",
            Self::Status => "status",
            Self::NoDay => "no-day",
            Self::BeforeTerm => "before-term",
            Self::AfterTerm => "after-term",
            Self::BeforeEnrolment => "before-enrolment",
            Self::NoDueDate => "no-due-date",
            Self::AfterBirth => "after-birth",
            Self::Weeks => "weeks",
            Self::Number => "number",
            Self::Unit => "unit",
            Self::Threshold => "threshold",
            Self::TakenBack => "taken-back",
            Self::Known => "known",
            Self::Consent(reason) => reason,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a row says by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It shows an event of this window, on this day.
    Stands(u32, Date),
    /// Its status takes it back for good.
    TakenBack,
    /// It does not count.
    Refused(Reason),
}

/// Judges a row by a policy.
pub(super) fn judge(policy: &Policy, sighting: &Sighting, enrolled: &[Enrolment]) -> Verdict {
    let Some(trigger) = policy.triggers.get(sighting.trigger) else {
        return Verdict::Refused(Reason::Status);
    };
    if enrolled.is_empty() {
        return Verdict::Refused(Reason::NotEnrolled);
    }
    let status = trigger.status.as_ref();
    match status.map(|test| status_of(test, sighting.status.as_deref())) {
        None | Some(Status::Counts) => {}
        Some(Status::TakesBack) => return Verdict::TakenBack,
        Some(Status::Other) => return Verdict::Refused(Reason::Status),
    }
    let Some(day) = sighting.day else { return Verdict::Refused(Reason::NoDay) };
    let Some(window) = policy.window(day) else {
        let before = day < policy.term.from;
        return Verdict::Refused(if before { Reason::BeforeTerm } else { Reason::AfterTerm });
    };
    // One may be enrolled twice, for two pregnancies: the row counts where it fits one of them.
    let mut nearest = None;
    for enrolment in enrolled {
        match within(trigger, day, enrolment) {
            Ok(()) => {
                return match measured(trigger, sighting) {
                    Ok(()) => Verdict::Stands(window, day),
                    Err(reason) => Verdict::Refused(reason),
                };
            }
            Err(reason) => nearest = nearest.max(Some(reason)),
        }
    }
    Verdict::Refused(nearest.unwrap_or(Reason::NotEnrolled))
}

enum Status {
    Counts,
    TakesBack,
    Other,
}

fn status_of(test: &StatusTest, status: Option<&str>) -> Status {
    let is = |list: &[String]| status.is_some_and(|own| list.iter().any(|word| word == own));
    if is(&test.refuse) {
        Status::TakesBack
    } else if is(&test.is) || (test.is.is_empty() && status.is_some()) {
        Status::Counts
    } else {
        Status::Other
    }
}

fn within(trigger: &Trigger, day: Date, enrolment: &Enrolment) -> Result<(), Reason> {
    if day < enrolment.enrolled {
        return Err(Reason::BeforeEnrolment);
    }
    let Some(Weeks { min, max }) = trigger.weeks else { return Ok(()) };
    let due = enrolment.due.ok_or(Reason::NoDueDate)?;
    let week = week(day, due);
    if week > i64::from(max) && day > due {
        Err(Reason::AfterBirth)
    } else if week < i64::from(min) || week > i64::from(max) {
        Err(Reason::Weeks)
    } else {
        Ok(())
    }
}

/// Returns the completed weeks of pregnancy on a day: a birth is due at 40 of them, 280 days.
pub(super) fn week(day: Date, due: Date) -> i64 {
    let days = day.signed_duration_since(due).num_days();
    days.saturating_add(280).div_euclid(7)
}

fn measured(trigger: &Trigger, sighting: &Sighting) -> Result<(), Reason> {
    let Some(test) = &trigger.value else { return Ok(()) };
    let value = sighting.value.as_deref().ok_or(Reason::Number)?;
    let unit = sighting.unit.as_deref().unwrap_or_default();
    match reaches((value, unit), (test.at_least, test.unit), test.substance) {
        Reached::Yes => Ok(()),
        Reached::No => Err(Reason::Threshold),
        Reached::Unit => Err(Reason::Unit),
        Reached::Number => Err(Reason::Number),
    }
}
