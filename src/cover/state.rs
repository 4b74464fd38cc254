//! What a policy has come to: its events, the rows that show them, what each person got. It is worked
//! out anew from all lines ever recorded, so that there is no second truth.
//!
//! Comes in: lines. Goes out: [`State`]. Never: a state that depends on the order of lines within an
//! evaluation, or of rows that show the same event.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::collections::{BTreeMap, BTreeSet};

use super::{CoverLine, Outcome, Policy, RowId};
use crate::{digest::Sha3Digest, instant::Date, party::ContributorId};

/// What one event is: whose, of which name, in which window of days.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventKey {
    /// Whose.
    pub contributor: ContributorId,
    /// The trigger's name.
    pub trigger: String,
    /// The window of days of the term.
    pub window: u32,
}

/// A row that shows an event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shown {
    pub(super) day: Date,
    pub(super) row: RowId,
    pub(super) category: String,
    pub(super) evidence: Sha3Digest,
}

/// One event as it stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Event {
    /// The key under which its newest line that pays stands; none where no line does.
    pub(super) digest: Option<Sha3Digest>,
    /// What it is worth now.
    pub(super) owed: i64,
    /// The rows that show it and were not taken back, by day.
    pub(super) rows: BTreeSet<Shown>,
    /// What its newest line says of its payment.
    pub(super) told: Option<Outcome>,
}

/// What one person has come to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    /// What their events are worth.
    pub(super) owed: i64,
    /// What they were paid.
    pub(super) paid: i64,
}

/// A sum does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sum of the policy is too large")]
pub struct Overflow;

/// Adds two sums.
pub(super) fn plus(a: i64, b: i64) -> Result<i64, Overflow> {
    a.checked_add(b).ok_or(Overflow)
}

/// Takes one sum from another.
pub(super) fn minus(a: i64, b: i64) -> Result<i64, Overflow> {
    a.checked_sub(b).ok_or(Overflow)
}

/// What a policy has come to.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) events: BTreeMap<EventKey, Event>,
    /// Where each row that shows something stands.
    pub(super) shown: BTreeMap<RowId, BTreeSet<EventKey>>,
    /// Rows that were taken back.
    pub(super) taken: BTreeSet<RowId>,
    pub(super) people: BTreeMap<ContributorId, Sums>,
    /// All that was paid.
    pub(super) paid: i64,
}

impl State {
    /// Takes all lines of a policy, in the order of their evaluations. Their contributors are those
    /// who are meant today.
    pub(super) fn of(policy: &Policy, lines: &[CoverLine]) -> Result<Self, Overflow> {
        let mut state = Self::default();
        for line in lines {
            state.take(policy, line)?;
        }
        Ok(state)
    }

    /// Takes one more line.
    pub(super) fn take(&mut self, policy: &Policy, line: &CoverLine) -> Result<(), Overflow> {
        let sums = self.people.entry(line.contributor.clone()).or_default();
        sums.owed = plus(sums.owed, line.owed_minor)?;
        sums.paid = plus(sums.paid, line.paid_minor)?;
        self.paid = plus(self.paid, line.paid_minor)?;
        // A line lies in the term: its event would else never have been one.
        let window = policy.window(line.day).unwrap_or(u32::MAX);
        let (contributor, trigger) = (line.contributor.clone(), line.trigger.clone());
        let key = EventKey { contributor, trigger, window };
        match line.outcome {
            Outcome::Flagged | Outcome::TakenBack => {
                self.withdraw(&line.row);
            }
            Outcome::Twice => {}
            Outcome::Paid
            | Outcome::Recovered
            | Outcome::Waiting
            | Outcome::CapPerson
            | Outcome::CapPolicy
            | Outcome::Known => {
                self.show(
                    &key,
                    Shown {
                        day: line.day,
                        row: line.row.clone(),
                        category: line.category.clone(),
                        evidence: line.evidence,
                    },
                );
            }
        }
        let event = self.events.entry(key).or_default();
        event.owed = plus(event.owed, line.owed_minor)?;
        match line.outcome {
            Outcome::Paid | Outcome::Recovered => {
                event.digest = Some(line.event);
                event.told = Some(line.outcome);
            }
            Outcome::Waiting | Outcome::CapPerson | Outcome::CapPolicy => {
                event.told = Some(line.outcome);
            }
            Outcome::Flagged | Outcome::Known | Outcome::TakenBack | Outcome::Twice => {}
        }
        Ok(())
    }

    /// Lets a row show an event; a row that was taken back shows nothing.
    pub(super) fn show(&mut self, key: &EventKey, shown: Shown) {
        if self.taken.contains(&shown.row) {
            return;
        }
        self.shown.entry(shown.row.clone()).or_default().insert(key.clone());
        self.events.entry(key.clone()).or_default().rows.insert(shown);
    }

    /// Takes a row back for good; returns the events that it showed, each with what it showed.
    pub(super) fn withdraw(&mut self, row: &RowId) -> Vec<(EventKey, Shown)> {
        self.taken.insert(row.clone());
        let mut lost = Vec::new();
        for key in self.shown.remove(row).unwrap_or_default() {
            let Some(event) = self.events.get_mut(&key) else { continue };
            let (gone, left) = std::mem::take(&mut event.rows)
                .into_iter()
                .partition::<BTreeSet<_>, _>(|shown| shown.row == *row);
            event.rows = left;
            lost.extend(gone.into_iter().map(|shown| (key.clone(), shown)));
        }
        lost
    }

    /// Returns what a person was paid beyond what is due to them.
    pub(super) fn debt(&self, contributor: &ContributorId) -> Result<i64, Overflow> {
        let sums = self.people.get(contributor).copied().unwrap_or_default();
        Ok(minus(sums.paid, sums.owed)?.max(0))
    }
}
