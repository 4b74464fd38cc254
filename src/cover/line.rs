//! What an evaluation says of each event: a line, and the sums of all lines.
//!
//! Comes in: decisions of the evaluation. Goes out: objects of the vault and back.
//! Never: a line whose parts do not add up.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Evaluated;
use crate::{
    digest::Sha3Digest,
    instant::Date,
    party::{ContributorId, InstitutionId},
    payee,
    store::Store,
};

/// What became of an event, or of a row of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is paid.
    Paid,
    /// It is due, and all or part of it is kept for what was paid before without being due.
    Recovered,
    /// It was paid, and every row that showed it was taken back: what was due is due no more
    /// (`owed_minor` below zero), and is kept from later payments of the policy to the person.
    Flagged,
    /// It is due once the pool has money.
    Waiting,
    /// The person has had all that one person gets.
    CapPerson,
    /// The policy has paid all that it pays.
    CapPolicy,
    /// One more row shows an event that is known already: nothing more is due.
    Known,
    /// A row was taken back; it never counts again.
    TakenBack,
    /// Two ids turned out to be one person, and the event was paid under both: one of the sums is due
    /// no more (`owed_minor` below zero), and is kept from later payments.
    Twice,
}

impl Outcome {
    /// All outcomes, in order.
    pub const ALL: [Self; 9] = [
        Self::Paid,
        Self::Recovered,
        Self::Flagged,
        Self::Waiting,
        Self::CapPerson,
        Self::CapPolicy,
        Self::Known,
        Self::TakenBack,
        Self::Twice,
    ];

    /// Returns the word of reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Recovered => "recovered",
            Self::Flagged => "flagged",
            Self::Waiting => "waiting",
            Self::CapPerson => "cap-person",
            Self::CapPolicy => "cap-policy",
            Self::Known => "known",
            Self::TakenBack => "taken-back",
            Self::Twice => "twice",
        }
    }
}

/// A row of an institution, by which it is known again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowId {
    /// Whose row.
    pub institution: InstitutionId,
    /// Of which table.
    pub table: String,
    /// Its id there.
    pub id: String,
}

/// One line of an evaluation. Over all lines of an event the sum of `owed_minor` is what it is worth
/// now, nothing or up to the policy's sum; over all lines of a person the sum of `paid_minor` is never
/// below that of `owed_minor`, and exceeds it by what is still to be kept from later payments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoverLine {
    /// Whose event.
    pub contributor: ContributorId,
    /// The event's key: keyed, and the same for the same event wherever it was seen.
    pub event: Sha3Digest,
    /// What became of it.
    pub outcome: Outcome,
    /// The day of the row.
    pub day: Date,
    /// The name of the trigger.
    pub trigger: String,
    /// The row that showed it.
    pub row: RowId,
    /// The table's category, by which consent is judged.
    pub category: String,
    /// The digest of the row's canonical form: the columns that the trigger names.
    pub evidence: Sha3Digest,
    /// What is due by this line; below zero where it is due no more.
    pub owed_minor: i64,
    /// What of it is kept for earlier payments that were not due.
    pub recovered_minor: i64,
    /// What of it is paid: `owed_minor - recovered_minor`, nothing on a line that flags.
    pub paid_minor: i64,
}

/// The sums of an evaluation's lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoverTotals {
    /// How many lines have each outcome.
    pub lines: BTreeMap<Outcome, u64>,
    /// What became due, less what is due no more.
    pub owed_minor: i64,
    /// What of it is kept for earlier payments that were not due.
    pub recovered_minor: i64,
    /// What is paid.
    pub paid_minor: i64,
}

impl CoverTotals {
    /// Sums lines; `None` where a sum does not fit.
    pub fn of(lines: &[CoverLine]) -> Option<Self> {
        lines.iter().try_fold(Self::default(), |mut sums, line| {
            let count = sums.lines.entry(line.outcome).or_default();
            *count = count.checked_add(1)?;
            sums.owed_minor = sums.owed_minor.checked_add(line.owed_minor)?;
            sums.recovered_minor = sums.recovered_minor.checked_add(line.recovered_minor)?;
            sums.paid_minor = sums.paid_minor.checked_add(line.paid_minor)?;
            Some(sums)
        })
    }

    /// Returns how many lines have an outcome.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.lines.get(&outcome).copied().unwrap_or_default()
    }

    /// Returns how many lines say that something is paid or kept.
    pub fn settled(&self) -> u64 {
        self.count(Outcome::Paid).saturating_add(self.count(Outcome::Recovered))
    }
}

/// Where the lines of evaluations are, in the vault.
pub const LINES: &str = "covers/lines";

/// Reads the lines of an evaluation.
pub fn lines(vault: &Store, evaluated: &Evaluated) -> Result<Vec<CoverLine>, payee::Error> {
    evaluated.lines.read(vault)
}
