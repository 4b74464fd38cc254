//! The evaluation of a run: rows to events, events to what is paid, kept, flagged or waits.
//!
//! Comes in: a policy, all lines so far, the rows of a run, the funds, and who answers for consent.
//! Goes out: new lines alone; the same rows again give none. Never: an event worth more than the
//! policy's sum, a payment beyond the caps or the funds, or a demand for what was paid.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::collections::BTreeMap;

use super::{
    CoverLine, CoverTotals, Enrolment, Outcome, Policy, RowId, Sighting,
    judge::{Reason, Verdict, judge},
    state::{Event, EventKey, Overflow, Shown, State, minus, plus},
};
use crate::{digest::Sha3Digest, instant::Date, money::Amount, party::ContributorId};

/// Says whether a person's consent to the policy's purpose stands for a row of an institution's
/// category, on a day and on the run's; else why not.
pub type Consent<'a> = &'a dyn Fn(&ContributorId, &RowId, &str, Date) -> Result<(), &'static str>;

/// Returns the key under which an event stands in lines.
pub type Keyed<'a> = &'a dyn Fn(&EventKey) -> Sha3Digest;

/// What an evaluation rests on beside the rows.
#[derive(Clone, Copy)]
pub struct Basis<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// Its lines so far, evaluation after evaluation, under the ids that people have today.
    pub past: &'a [CoverLine],
    /// Who is enrolled, under the same ids.
    pub enrolled: &'a BTreeMap<ContributorId, Vec<Enrolment>>,
    /// All that came in.
    pub funds: Amount,
    /// The run's day.
    pub today: Date,
    /// Who answers for consent.
    pub consent: Consent<'a>,
    /// What names an event.
    pub keyed: Keyed<'a>,
}

impl std::fmt::Debug for Basis<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Basis").field("policy", &self.policy.policy).finish_non_exhaustive()
    }
}

/// What came of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evaluation {
    /// The new lines, sorted by contributor, event, row and outcome.
    pub lines: Vec<CoverLine>,
    /// Their sums.
    pub totals: CoverTotals,
    /// How many rows were looked at.
    pub considered: u64,
    /// How many of them brought nothing new, by reason.
    pub refused: BTreeMap<String, u64>,
}

/// Evaluates a run. The order of rows does not matter.
pub fn evaluate(basis: &Basis<'_>, sightings: Vec<Sighting>) -> Result<Evaluation, Overflow> {
    let state = State::of(basis.policy, basis.past)?;
    let mut work = Work { basis, state, lines: Vec::new() };
    let rows = by_row(sightings);
    let mut refused: BTreeMap<String, u64> = BTreeMap::new();
    let mut refuse = |reason: Reason| {
        let count = refused.entry(reason.as_str().to_owned()).or_default();
        *count = count.saturating_add(1);
    };
    let considered = u64::try_from(rows.len()).map_err(|_| Overflow)?;
    // What takes rows back comes first, then what shows events: the order of rows is no matter then.
    let judged: Vec<(RowId, Judged)> =
        rows.into_iter().map(|(row, seen)| (row, work.judge(seen))).collect();
    let mut lost: BTreeMap<EventKey, Shown> = BTreeMap::new();
    for (row, judged) in &judged {
        if let Judged::TakenBack(sighting) = judged {
            work.take_back(row, sighting, &mut lost);
            refuse(Reason::TakenBack);
        }
    }
    let mut fresh: Vec<(EventKey, Shown)> = Vec::new();
    for (row, judged) in judged {
        match judged {
            Judged::TakenBack(_) => {}
            Judged::Refused(reason) => refuse(reason),
            Judged::Stands(_) if work.state.taken.contains(&row) => refuse(Reason::TakenBack),
            Judged::Stands(shows) => {
                let before = fresh.len();
                for (key, shown) in shows {
                    let known = work.state.shown.get(&row).is_some_and(|keys| keys.contains(&key));
                    if !known {
                        work.state.show(&key, shown.clone());
                        fresh.push((key, shown));
                    }
                }
                if fresh.len() == before {
                    refuse(Reason::Known);
                }
            }
        }
    }
    work.flag(lost)?;
    work.twice()?;
    let told = work.settle()?;
    for (key, shown) in fresh {
        if told.get(&key) == Some(&shown.row) {
            continue;
        }
        refuse(Reason::Known);
        work.line(&key, shown, Outcome::Known, [0, 0, 0]);
    }
    let mut lines = work.lines;
    let place =
        |line: &CoverLine| (line.contributor.clone(), line.event, line.row.clone(), line.outcome);
    lines.sort_by_cached_key(place);
    let totals = CoverTotals::of(&lines).ok_or(Overflow)?;
    Ok(Evaluation { lines, totals, considered, refused })
}

fn by_row(sightings: Vec<Sighting>) -> BTreeMap<RowId, Vec<Sighting>> {
    let mut rows: BTreeMap<RowId, Vec<Sighting>> = BTreeMap::new();
    for sighting in sightings {
        rows.entry(sighting.row.clone()).or_default().push(sighting);
    }
    for seen in rows.values_mut() {
        seen.sort_unstable();
        seen.dedup();
    }
    rows
}

/// What a row comes to, under all triggers, however often it was sent.
enum Judged {
    /// It shows these events.
    Stands(BTreeMap<EventKey, Shown>),
    /// It is taken back.
    TakenBack(Box<Sighting>),
    /// It shows nothing.
    Refused(Reason),
}

struct Work<'a> {
    basis: &'a Basis<'a>,
    state: State,
    lines: Vec<CoverLine>,
}

impl Work<'_> {
    fn judge(&self, seen: Vec<Sighting>) -> Judged {
        let (mut shows, mut reason) = (BTreeMap::new(), None);
        for sighting in seen {
            let enrolled = self.basis.enrolled.get(&sighting.contributor);
            let verdict = judge(self.basis.policy, &sighting, enrolled.map_or(&[], Vec::as_slice));
            let ask = |day: Date| {
                let Sighting { contributor, row, category, .. } = &sighting;
                (self.basis.consent)(contributor, row, category, day).map_err(Reason::Consent)
            };
            let told = match verdict {
                Verdict::Refused(reason) => Err(reason),
                Verdict::TakenBack => match ask(self.basis.today) {
                    Ok(()) => return Judged::TakenBack(Box::new(sighting)),
                    Err(reason) => Err(reason),
                },
                Verdict::Stands(window, day) => ask(day).map(|()| (window, day)),
            };
            match told {
                Err(other) => reason = reason.max(Some(other)),
                Ok((window, day)) => {
                    let Some(key) = self.key(&sighting, window) else { continue };
                    let Sighting { row, category, evidence, .. } = sighting;
                    shows.entry(key).or_insert(Shown { day, row, category, evidence });
                }
            }
        }
        match reason {
            Some(reason) if shows.is_empty() => Judged::Refused(reason),
            Some(_) | None => Judged::Stands(shows),
        }
    }

    fn key(&self, sighting: &Sighting, window: u32) -> Option<EventKey> {
        let trigger = self.basis.policy.triggers.get(sighting.trigger)?.name.clone();
        Some(EventKey { contributor: sighting.contributor.clone(), trigger, window })
    }

    /// Takes a row back: what it showed is lost. Of a row that showed nothing yet a line remains,
    /// where it could have shown something, so that it never will.
    fn take_back(
        &mut self,
        row: &RowId,
        sighting: &Sighting,
        lost: &mut BTreeMap<EventKey, Shown>,
    ) {
        if self.state.taken.contains(row) {
            return;
        }
        let gone = self.state.withdraw(row);
        if gone.is_empty() {
            let window = sighting.day.and_then(|day| Some((day, self.basis.policy.window(day)?)));
            let Some((day, window)) = window else { return };
            let Some(key) = self.key(sighting, window) else { return };
            let Sighting { row, category, evidence, .. } = sighting.clone();
            let shown = Shown { day, row, category, evidence };
            self.line(&key, shown, Outcome::TakenBack, [0, 0, 0]);
        }
        for (key, shown) in gone {
            if let Some(earlier) = lost.insert(key.clone(), shown) {
                self.line(&key, earlier, Outcome::TakenBack, [0, 0, 0]);
            }
        }
    }

    /// Flags what was due and is shown by no row any more.
    fn flag(&mut self, lost: BTreeMap<EventKey, Shown>) -> Result<(), Overflow> {
        for (key, shown) in lost {
            let event = self.state.events.get(&key).cloned().unwrap_or_default();
            if event.owed > 0 && event.rows.is_empty() {
                self.due_no_more(&key, shown, Outcome::Flagged, event.owed)?;
            } else {
                self.line(&key, shown, Outcome::TakenBack, [0, 0, 0]);
            }
        }
        Ok(())
    }

    /// Flags what is due beyond the sum: two ids turned out to be one person.
    fn twice(&mut self) -> Result<(), Overflow> {
        let sum = self.sum()?;
        let over: Vec<(EventKey, Shown, i64)> = self
            .state
            .events
            .iter()
            .filter_map(|(key, event)| {
                let excess = event.owed.checked_sub(sum).filter(|excess| *excess > 0)?;
                Some((key.clone(), event.rows.first()?.clone(), excess))
            })
            .collect();
        for (key, shown, excess) in over {
            self.due_no_more(&key, shown, Outcome::Twice, excess)?;
        }
        Ok(())
    }

    fn due_no_more(
        &mut self,
        key: &EventKey,
        shown: Shown,
        outcome: Outcome,
        owed: i64,
    ) -> Result<(), Overflow> {
        let less = minus(0, owed)?;
        let sums = self.state.people.entry(key.contributor.clone()).or_default();
        sums.owed = plus(sums.owed, less)?;
        if let Some(event) = self.state.events.get_mut(key) {
            event.owed = plus(event.owed, less)?;
        }
        self.line(key, shown, outcome, [less, 0, 0]);
        Ok(())
    }

    /// Pays what is due, the oldest events first; returns which row each line names.
    fn settle(&mut self) -> Result<BTreeMap<EventKey, RowId>, Overflow> {
        let sum = self.sum()?;
        let mut due: Vec<(Date, EventKey)> = Vec::new();
        for (key, event) in &self.state.events {
            let first = event.rows.first().filter(|_| event.owed < sum);
            due.extend(first.map(|shown| (shown.day, key.clone())));
        }
        due.sort_unstable();
        let mut told = BTreeMap::new();
        let mut is_empty = false;
        for (day, key) in due {
            let Some(event) = self.state.events.get(&key).cloned() else { continue };
            let Some(shown) = event.rows.first().cloned() else { continue };
            let consent = (self.basis.consent)(&key.contributor, &shown.row, &shown.category, day);
            if consent.is_err() {
                continue;
            }
            let (outcome, amounts) = self.payment(&key, &event, sum, is_empty)?;
            is_empty |= outcome == Outcome::Waiting;
            let [owed, _, paid] = amounts;
            // What was told is not told again, and of what is paid in part the rest waits unsaid.
            if owed == 0 && (event.told == Some(outcome) || event.owed > 0) {
                continue;
            }
            let sums = self.state.people.entry(key.contributor.clone()).or_default();
            sums.owed = plus(sums.owed, owed)?;
            sums.paid = plus(sums.paid, paid)?;
            self.state.paid = plus(self.state.paid, paid)?;
            told.insert(key.clone(), shown.row.clone());
            self.line(&key, shown, outcome, amounts);
        }
        Ok(told)
    }

    /// Says what an event gets now: what is owed by it, what of that is kept, what is paid.
    fn payment(
        &self,
        key: &EventKey,
        event: &Event,
        sum: i64,
        is_empty: bool,
    ) -> Result<(Outcome, [i64; 3]), Overflow> {
        let policy = self.basis.policy;
        let nothing = |outcome: Outcome| Ok((outcome, [0, 0, 0]));
        let due = minus(sum, event.owed)?;
        let own = self.state.people.get(&key.contributor).copied().unwrap_or_default();
        let left = |cap: Option<Amount>, used: i64| match cap {
            Some(cap) => minus(minor(cap), used).map(|left| left.max(0)),
            None => Ok(i64::MAX),
        };
        let mut owed = due.min(left(policy.cap_person, own.owed)?);
        if owed == 0 || (owed < due && !policy.partly) {
            return nothing(Outcome::CapPerson);
        }
        let kept = owed.min(self.state.debt(&key.contributor)?);
        let mut paid = minus(owed, kept)?;
        let funds = minus(minor(self.basis.funds), self.state.paid)?.max(0);
        for (most, outcome) in [
            (left(policy.cap_policy, self.state.paid)?, Outcome::CapPolicy),
            (if is_empty { 0 } else { funds }, Outcome::Waiting),
        ] {
            if paid <= most {
                continue;
            }
            if !policy.partly || (most == 0 && kept == 0) {
                return nothing(outcome);
            }
            paid = most;
            owed = plus(kept, paid)?;
        }
        let outcome = if kept > 0 { Outcome::Recovered } else { Outcome::Paid };
        Ok((outcome, [owed, kept, paid]))
    }

    fn sum(&self) -> Result<i64, Overflow> {
        i64::try_from(self.basis.policy.sum.minor()).map_err(|_| Overflow)
    }

    fn line(&mut self, key: &EventKey, shown: Shown, outcome: Outcome, amounts: [i64; 3]) {
        let [owed_minor, recovered_minor, paid_minor] = amounts;
        let known = self.state.events.get(key).and_then(|event| event.digest);
        self.lines.push(CoverLine {
            contributor: key.contributor.clone(),
            event: known.unwrap_or_else(|| (self.basis.keyed)(key)),
            outcome,
            day: shown.day,
            trigger: key.trigger.clone(),
            row: shown.row,
            category: shown.category,
            evidence: shown.evidence,
            owed_minor,
            recovered_minor,
            paid_minor,
        });
    }
}

/// Returns an amount's minor units; what is more than any sum of lines could be is as good as that.
fn minor(amount: Amount) -> i64 {
    i64::try_from(amount.minor()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test that wraps fails")]
mod laws;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test that wraps fails")]
mod tests;
