//! Who is enrolled in a policy: files of people, each row judged by the policy's own rules.
//!
//! Comes in: CSV with `contributor`, `enrolled` and perhaps `due`. Goes out: enrolments, and each bad
//! row by its line and reason. Never: a cell's value in a reason, or an enrolment outside of the
//! policy's window.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::{
    collections::BTreeMap,
    io::{self, Read as Input},
};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{Policy, judge::week};
use crate::{instant::Date, party::ContributorId};

/// One person's enrolment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// Who.
    pub contributor: ContributorId,
    /// Since which day they are covered.
    pub enrolled: Date,
    /// The day on which a birth is due, where the policy asks for weeks of pregnancy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Date>,
}

/// What a file of enrolments held.
#[derive(Debug, Clone, Default)]
pub struct Enrolments {
    /// The enrolments, sorted.
    pub good: Vec<Enrolment>,
    /// The rows that make none: line in the file, from 1, and why.
    pub bad: Vec<(u64, EnrolmentFault)>,
}

/// Why a row makes no enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnrolmentFault {
    /// It has another number of cells than the header.
    #[error("the row has another number of cells than the header")]
    Cells,
    /// A cell holds no id.
    #[error("column `contributor` holds no id")]
    Id,
    /// The record is nobody's whom the person index knows.
    #[error("the person index knows nobody of this record: link it first")]
    NotLinked,
    /// A cell holds no day.
    #[error("column `{0}` holds no day like 2026-03-01")]
    Day(&'static str),
    /// The enrolment lies outside of the policy's window.
    #[error("column `enrolled` lies outside of the days in which one may enrol")]
    Window,
    /// The enrolment has not come yet.
    #[error("column `enrolled` lies after the run's day")]
    Future,
    /// The policy asks for a due date.
    #[error("column `due` is empty, and the policy asks for weeks of pregnancy")]
    NoDueDate,
    /// The due date fits no pregnancy on the day of the enrolment.
    #[error("column `due` fits no pregnancy on the day of the enrolment")]
    Due,
    /// The pregnancy had gone on too long.
    #[error("the enrolment lies after the last week of pregnancy in which one may enrol")]
    Late,
    /// The person stands in an earlier row with the same day.
    #[error("the enrolment stands in line {0} already")]
    Twice(u64),
}

/// Why a file of enrolments cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// The system failed.
    #[error(transparent)]
    Input(#[from] io::Error),
    /// The header lacks a column.
    #[error("line 1: the header has no column `{0}`")]
    Missing(&'static str),
    /// The header names a column that nobody knows. Its name stays unsaid: a file without a header has
    /// values here.
    #[error("line 1: column {0} of the header is unknown or stands twice")]
    Unknown(usize),
}

/// The columns of a file of enrolments; `due` may be left out.
pub const ENROLMENT_COLUMNS: [&str; 3] = ["contributor", "enrolled", "due"];

/// Reads a file of enrolments. `whose` says who is meant by a contributor's id, where anybody is.
pub fn enrolments(
    policy: &Policy,
    input: impl Input,
    today: Date,
    whose: impl Fn(&ContributorId) -> Option<ContributorId>,
) -> Result<Enrolments, EnrolmentError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let places = places(reader.byte_headers().map_err(csv_io)?)?;
    let (mut found, mut lines) = (Enrolments::default(), BTreeMap::new());
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(csv_io)? {
        let line = record.position().map_or(0, csv::Position::line);
        let enrolment = enrolment(policy, &record, places, today, &whose).and_then(|enrolment| {
            let key = (enrolment.contributor.clone(), enrolment.enrolled);
            match lines.insert(key, line) {
                Some(earlier) => Err(EnrolmentFault::Twice(earlier)),
                None => Ok(enrolment),
            }
        });
        match enrolment {
            Ok(enrolment) => found.good.push(enrolment),
            Err(fault) => found.bad.push((line, fault)),
        }
    }
    found.good.sort_unstable();
    Ok(found)
}

/// The places of the columns, and how many there are.
type Places = ([usize; 2], Option<usize>, usize);

fn places(header: &csv::ByteRecord) -> Result<Places, EnrolmentError> {
    let mut seen = [None; 3];
    for (at, name) in header.iter().enumerate() {
        let known = ENROLMENT_COLUMNS.iter().position(|column| column.as_bytes() == name);
        let slot = known.and_then(|known| seen.get_mut(known)).filter(|slot| slot.is_none());
        *slot.ok_or(EnrolmentError::Unknown(at.saturating_add(1)))? = Some(at);
    }
    let [contributor, enrolled, due] = seen;
    let contributor = contributor.ok_or(EnrolmentError::Missing("contributor"))?;
    let enrolled = enrolled.ok_or(EnrolmentError::Missing("enrolled"))?;
    Ok(([contributor, enrolled], due, header.len()))
}

fn enrolment(
    policy: &Policy,
    record: &csv::ByteRecord,
    ([contributor, enrolled], due, cells): Places,
    today: Date,
    whose: impl Fn(&ContributorId) -> Option<ContributorId>,
) -> Result<Enrolment, EnrolmentFault> {
    if record.len() != cells {
        return Err(EnrolmentFault::Cells);
    }
    let text = |at: usize| record.get(at).and_then(|cell| std::str::from_utf8(cell).ok());
    let id = text(contributor).and_then(|text| ContributorId::parse(text).ok());
    let contributor = whose(&id.ok_or(EnrolmentFault::Id)?).ok_or(EnrolmentFault::NotLinked)?;
    let day = |at: usize, column: &'static str| {
        let parsed = text(at).and_then(|text| text.trim().parse::<Date>().ok());
        parsed.ok_or(EnrolmentFault::Day(column))
    };
    let enrolled = day(enrolled, "enrolled")?;
    let due = match due {
        Some(at) if text(at) != Some("") => Some(day(at, "due")?),
        Some(_) | None => None,
    };
    let enrolment = Enrolment { contributor, enrolled, due };
    fits(policy, &enrolment, today)?;
    Ok(enrolment)
}

fn fits(policy: &Policy, enrolment: &Enrolment, today: Date) -> Result<(), EnrolmentFault> {
    let Enrolment { enrolled, due, .. } = *enrolment;
    let days = policy.enrolment_days.map(|days| TimeDelta::days(i64::from(days)));
    let last = days.and_then(|days| policy.term.from.checked_add_signed(days));
    let until = last.map_or(policy.term.until, |last| last.min(policy.term.until));
    if enrolled < policy.term.from || enrolled >= until {
        return Err(EnrolmentFault::Window);
    }
    if enrolled > today {
        return Err(EnrolmentFault::Future);
    }
    let asks = policy.triggers.iter().any(|trigger| trigger.weeks.is_some());
    let Some(due) = due else {
        let needed = asks || policy.enrolment_weeks_max.is_some();
        return if needed { Err(EnrolmentFault::NoDueDate) } else { Ok(()) };
    };
    let week = week(enrolled, due);
    if !(0..=WEEKS).contains(&week) {
        return Err(EnrolmentFault::Due);
    }
    match policy.enrolment_weeks_max {
        Some(max) if week > i64::from(max) => Err(EnrolmentFault::Late),
        Some(_) | None => Ok(()),
    }
}

/// The last week in which somebody may still be pregnant.
const WEEKS: i64 = 44;

fn csv_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        // A reader of bytes with flexible rows meets no other.
        csv::ErrorKind::Utf8 { .. }
        | csv::ErrorKind::UnequalLengths { .. }
        | csv::ErrorKind::Seek
        | csv::ErrorKind::Serialize(_)
        | csv::ErrorKind::Deserialize { .. }
        | _ => io::ErrorKind::InvalidData.into(),
    }
}
