//! What an evaluation had to say, reckoned anew from the rows that its lines name: which events are due
//! no more, and what each event gets of cap and pool, in order.
//!
//! Comes in: a policy, its lines so far, new lines. Goes out: faults. Never: a sum taken over from a line.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::collections::{BTreeMap, BTreeSet};

use super::shape::{Line, Outcome, Policy, RowId};
use crate::{audit::Check, digest::Sha3Digest, instant::Date, money::Amount};

/// One event: whose, of which name, in which window of days of the term.
pub(super) type Key = (String, String, u32);

/// A row that shows an event, the oldest first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seen {
    pub(super) day: Date,
    pub(super) row: RowId,
    pub(super) category: String,
    evidence: Sha3Digest,
}

impl Seen {
    /// Reads what a line's row shows.
    pub(super) fn of(line: &Line) -> Self {
        let (row, category) = (line.row.clone(), line.category.clone());
        Self { day: line.day, row, category, evidence: line.evidence }
    }
}

#[derive(Default)]
struct Event {
    /// What it is worth.
    owed: i64,
    rows: BTreeSet<Seen>,
    told: Option<Outcome>,
}

/// What a policy has come to.
#[derive(Default)]
pub(super) struct Standing {
    events: BTreeMap<Key, Event>,
    /// The events that each row shows.
    shown: BTreeMap<RowId, BTreeSet<Key>>,
    taken: BTreeSet<RowId>,
    /// What is due to each person, and what they were paid.
    people: BTreeMap<String, (i64, i64)>,
    paid: i64,
}

/// Whose line it is, by the ids that people had then.
pub(super) type Who<'a> = &'a dyn Fn(&str) -> String;

/// Returns which event of its kind a day belongs to; none outside of the term.
pub(super) fn window(policy: &Policy, day: Date) -> Option<u32> {
    if day < policy.term.from || day >= policy.term.until {
        return None;
    }
    let days = u32::try_from(day.signed_duration_since(policy.term.from).num_days()).ok()?;
    match policy.event_days {
        None => Some(0),
        Some(length) => days.checked_div(length),
    }
}

fn key(policy: &Policy, line: &Line, who: Who<'_>) -> Key {
    let window = window(policy, line.day).unwrap_or(u32::MAX);
    (who(&line.contributor), line.trigger.clone(), window)
}

const NOT_DUE: &str = "what is due no more was not flagged, or something else was";

/// Says whether a line tells that something is due no more.
fn less(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Flagged | Outcome::Twice)
}

/// Says whether a line tells what an event gets.
fn settles(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Paid
        | Outcome::Recovered
        | Outcome::Waiting
        | Outcome::CapPerson
        | Outcome::CapPolicy => true,
        Outcome::Flagged | Outcome::Known | Outcome::TakenBack | Outcome::Twice => false,
    }
}

impl Standing {
    /// Takes the lines of evaluations that were judged before.
    pub(super) fn of(policy: &Policy, evaluations: &[Vec<Line>], who: Who<'_>) -> Option<Self> {
        let mut standing = Self::default();
        for lines in evaluations {
            standing.rows(policy, lines, who);
            for line in lines {
                standing.sums(policy, line, who)?;
            }
        }
        Some(standing)
    }

    /// Takes the rows that lines name: those taken back first, since what they showed is lost for good.
    fn rows(&mut self, policy: &Policy, lines: &[Line], who: Who<'_>) {
        let back = |line: &&Line| matches!(line.outcome, Outcome::Flagged | Outcome::TakenBack);
        for line in lines.iter().filter(back) {
            self.taken.insert(line.row.clone());
            for key in self.shown.remove(&line.row).unwrap_or_default() {
                if let Some(event) = self.events.get_mut(&key) {
                    event.rows.retain(|seen| seen.row != line.row);
                }
            }
        }
        for line in lines.iter().filter(|line| !back(line) && line.outcome != Outcome::Twice) {
            if !self.taken.contains(&line.row) {
                let key = key(policy, line, who);
                self.shown.entry(line.row.clone()).or_default().insert(key.clone());
                self.events.entry(key).or_default().rows.insert(Seen::of(line));
            }
        }
    }

    fn sums(&mut self, policy: &Policy, line: &Line, who: Who<'_>) -> Option<()> {
        let key = key(policy, line, who);
        let (owed, paid) = self.people.entry(key.0.clone()).or_default();
        *owed = owed.checked_add(line.owed_minor)?;
        *paid = paid.checked_add(line.paid_minor)?;
        self.paid = self.paid.checked_add(line.paid_minor)?;
        let event = self.events.entry(key).or_default();
        event.owed = event.owed.checked_add(line.owed_minor)?;
        if settles(line.outcome) {
            event.told = Some(line.outcome);
        }
        Some(())
    }

    /// Returns all that was paid.
    pub(super) fn paid(&self) -> i64 {
        self.paid
    }

    /// Judges the lines of one more evaluation; `None` where a number does not fit. `stands` says of a
    /// row that shows an event whether consent stood for it.
    pub(super) fn judge(
        &mut self,
        policy: &Policy,
        lines: &[Line],
        funds: i64,
        who: Who<'_>,
        stands: &dyn Fn(&str, &Seen) -> bool,
    ) -> Option<Vec<(Check, &'static str)>> {
        let mut faults = Vec::new();
        let sum = i64::try_from(policy.sum.minor()).ok()?;
        if lines.iter().any(|line| is_untaken(line) && self.taken.contains(&line.row)) {
            faults.push((Check::Covers, "a row that was taken back counts again"));
        }
        self.rows(policy, lines, who);
        let mut told = Told::new();
        for line in lines {
            told.entry(key(policy, line, who)).or_default().push(line);
        }
        self.due_no_more(&told, sum, &mut faults)?;
        let (mut order, mut empty) = (Vec::new(), false);
        for (key, event) in &self.events {
            let first = event.rows.first().filter(|_| event.owed < sum);
            order.extend(first.map(|seen| (seen.day, key.clone(), seen.clone())));
        }
        order.sort_unstable();
        let mut settled = BTreeSet::new();
        for (_, key, seen) in order {
            let own = of(&told, &key, settles);
            let (outcome, sums) = self.payment(policy, &key, sum, funds, empty)?;
            let is_news = self
                .events
                .get(&key)
                .is_some_and(|event| sums.first() != Some(&0) || event.told != Some(outcome));
            settled.insert(key.clone());
            let Some(line) = own.first() else {
                let stood = stands(&key.0, &seen);
                if is_news && stood {
                    faults.push((Check::Covers, "an event that was due has no line"));
                }
                empty |= stood && outcome == Outcome::Waiting;
                continue;
            };
            empty |= outcome == Outcome::Waiting;
            if own.len() > 1 {
                faults.push((Check::Once, "it pays an event twice"));
            }
            let said = [line.owed_minor, line.recovered_minor, line.paid_minor];
            if said != sums || line.outcome != outcome || line.row != seen.row {
                faults.push((Check::Covers, "a line does not come to what its policy says"));
            }
            if !stands(&key.0, &seen) {
                faults.push((
                    Check::Standing,
                    "a person was paid, or would have been, without consent",
                ));
            }
            for line in &own {
                self.sums(policy, line, who)?;
            }
        }
        for line in lines {
            let key = key(policy, line, who);
            if settles(line.outcome) && !settled.contains(&key) {
                faults.push((
                    Check::Once,
                    "it pays for an event that no row shows, or that was paid before",
                ));
                self.sums(policy, line, who)?;
            }
            let zero = [line.owed_minor, line.recovered_minor, line.paid_minor] == [0, 0, 0];
            if matches!(line.outcome, Outcome::Known | Outcome::TakenBack) && !zero {
                faults.push((Check::Covers, "a line that is worth nothing has a sum"));
            }
        }
        faults.sort_unstable();
        faults.dedup();
        Some(faults)
    }

    /// Judges the lines by which something is due no more: an event that no row shows any more, or one
    /// that is worth more than its sum because two ids became one person.
    fn due_no_more(
        &mut self,
        told: &Told<'_>,
        sum: i64,
        faults: &mut Vec<(Check, &'static str)>,
    ) -> Option<()> {
        for (key, lines) in told {
            if lines.iter().any(|line| less(line.outcome)) && !self.events.contains_key(key) {
                faults.push((Check::Covers, NOT_DUE));
            }
        }
        for (key, event) in &mut self.events {
            // No row shows an event that was flagged: its floor is nothing. That of others is the sum.
            for (outcome, floor) in [(Outcome::Flagged, 0), (Outcome::Twice, sum)] {
                let lost = outcome == Outcome::Twice || event.rows.is_empty();
                let excess = if lost { event.owed.checked_sub(floor)?.max(0) } else { 0 };
                let lines = of(told, key, |own| own == outcome);
                let due = [excess.checked_neg()?, 0, 0];
                let said = |line: &&Line| {
                    excess > 0 && [line.owed_minor, line.recovered_minor, line.paid_minor] == due
                };
                let right = lines.iter().all(said) && lines.len() == usize::from(excess > 0);
                if !right {
                    faults.push((Check::Covers, NOT_DUE));
                }
                for line in lines {
                    event.owed = event.owed.checked_add(line.owed_minor)?;
                    let (owed, _) = self.people.entry(key.0.clone()).or_default();
                    *owed = owed.checked_add(line.owed_minor)?;
                }
            }
        }
        Some(())
    }

    /// What an event gets: what is owed by it, what of that is kept, what is paid.
    fn payment(
        &self,
        policy: &Policy,
        key: &Key,
        sum: i64,
        funds: i64,
        empty: bool,
    ) -> Option<(Outcome, [i64; 3])> {
        let due = sum.checked_sub(self.events.get(key)?.owed)?;
        let (had, paid) = self.people.get(&key.0).copied().unwrap_or_default();
        let left = |cap: &Option<Amount>, used: i64| match cap {
            None => Some(i64::MAX),
            Some(cap) => {
                let cap = i64::try_from(cap.minor()).unwrap_or(i64::MAX);
                Some(cap.checked_sub(used)?.max(0))
            }
        };
        let owed = due.min(left(&policy.cap_person, had)?);
        if owed == 0 || (owed < due && !policy.partly) {
            return Some((Outcome::CapPerson, [0; 3]));
        }
        let kept = owed.min(paid.checked_sub(had)?.max(0));
        let mut pays = owed.checked_sub(kept)?;
        let pool = if empty { 0 } else { funds.checked_sub(self.paid)?.max(0) };
        let limits =
            [(left(&policy.cap_policy, self.paid)?, Outcome::CapPolicy), (pool, Outcome::Waiting)];
        for (most, outcome) in limits.into_iter().filter(|(most, _)| *most < i64::MAX) {
            if pays > most {
                if !policy.partly || (most == 0 && kept == 0) {
                    return Some((outcome, [0; 3]));
                }
                pays = most;
            }
        }
        let outcome = if kept > 0 { Outcome::Recovered } else { Outcome::Paid };
        Some((outcome, [kept.checked_add(pays)?, kept, pays]))
    }
}

/// The lines of an evaluation, by event.
type Told<'a> = BTreeMap<Key, Vec<&'a Line>>;

/// Returns the lines of an event with some outcomes.
fn of<'a>(told: &Told<'a>, key: &Key, is: impl Fn(Outcome) -> bool) -> Vec<&'a Line> {
    let own = told.get(key).into_iter().flatten();
    own.filter(|line| is(line.outcome)).copied().collect()
}

/// Says whether a line lets its row show something.
fn is_untaken(line: &Line) -> bool {
    settles(line.outcome) || line.outcome == Outcome::Known
}
