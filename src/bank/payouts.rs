//! Which payments are ordered, booked and returned: the fold of all orders and answers.
//!
//! Comes in: the commits of `vault/payouts`, in order. Goes out: what is due, and what an answer may
//! change. Never: more booked and not returned than is owed, whatever the order of answers: a payment is
//! ordered again only after it came back, under another id.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    answer::{Answer, Fate, Fault, Finding, Reply},
    commit::{Act, Answered, Applied, Commit, ExportLine, Exported},
};
use crate::{
    instant::Instant,
    money::Amount,
    payee::{self, PayeeId},
    reward::{Period, PoolId},
    store::{self, Sequence, Store},
};

/// Where the commits of payouts are, in the vault.
pub const COMMITS: &str = "payouts/commits";

/// What has become of one ordered payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The bank has it and has not answered.
    Ordered,
    /// The bank took the money from our account.
    Booked,
    /// It came back: what it paid is owed again.
    Returned,
}

/// What a settlement, or an evaluation of a policy, owes a payee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The commit of the settlement or evaluation.
    pub settlement: u64,
    /// Who.
    pub payee: PayeeId,
    /// Minor units of the currency that it is owed in.
    pub minor: i64,
    /// How often it was ordered before, and came back each time.
    pub before: u32,
}

/// An order, with where it stands.
#[derive(Debug, Clone)]
pub struct Export {
    /// The commit's number.
    pub commit: u64,
    /// When.
    pub time: Instant,
    /// The ledger entry, as its bytes stand in the log.
    pub entry: String,
    /// The order.
    pub act: Exported,
    /// Its payments.
    pub lines: Vec<ExportLine>,
}

/// An answer, with where it stands.
#[derive(Debug, Clone)]
pub struct Settling {
    /// The commit's number.
    pub commit: u64,
    /// When.
    pub time: Instant,
    /// The ledger entry, as its bytes stand in the log.
    pub entry: String,
    /// The answer.
    pub act: Answered,
    /// What it changed: the payment, and what had become of it before.
    pub changes: Vec<(ExportLine, State, Applied)>,
}

/// What an answer comes to.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    /// What it changes, each with the payment it is of.
    pub changes: Vec<(ExportLine, State, Applied)>,
    /// Answers that were known before, or come after the payment's return: nothing changes.
    pub known: u64,
    /// What is not applied.
    pub findings: Vec<Finding>,
    /// Entries that the bank has not booked yet.
    pub pending: u64,
    /// Other money of the account.
    pub other: u64,
}

/// Why payouts cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PayoutsError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// An object cannot be read.
    #[error(transparent)]
    Object(#[from] payee::Error),
    /// A commit does not follow from those before it.
    #[error("payout commit {commit}: {reason}")]
    Order {
        /// Its number.
        commit: u64,
        /// Why not.
        reason: &'static str,
    },
}

/// All orders and answers.
#[derive(Debug, Clone, Default)]
pub struct Payouts {
    commit: u64,
    exports: Vec<Export>,
    answers: Vec<Settling>,
    /// Each payment by its id: its order, its place in it, and what became of it.
    states: BTreeMap<String, (usize, usize, State)>,
    /// The newest id of what a settlement owes a payee.
    newest: BTreeMap<(PoolId, u64, PayeeId), String>,
}

impl Payouts {
    /// Reads the payouts of a vault.
    pub fn load(vault: &Store) -> Result<Self, PayoutsError> {
        let mut payouts = Self::default();
        for (number, body) in Sequence::new(vault, COMMITS).all()? {
            let commit: Commit = serde_json::from_slice(&body).map_err(|error| {
                let path = format!("vault/{COMMITS}/{number:012}.json");
                payee::Error::Format { path, line: error.line() }
            })?;
            let Commit { time, act, entry, .. } = commit;
            match act {
                Act::Exported(act) => {
                    let lines = act.lines.read(vault)?;
                    payouts.export(Export { commit: number, time, entry, act: *act, lines })?;
                }
                Act::Answered(act) => {
                    let answers = act.answers.read(vault)?;
                    payouts.answer(number, time, entry, *act, answers)?;
                }
            }
        }
        Ok(payouts)
    }

    /// Returns the number of the newest commit, 0 where there is none.
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// Returns the orders of a pool or policy, oldest first.
    pub fn exports<'a>(&'a self, pool: &'a PoolId) -> impl DoubleEndedIterator<Item = &'a Export> {
        self.exports.iter().filter(move |export| export.act.pool == *pool)
    }

    /// Returns the answers to the payments of a pool or policy, oldest first.
    pub fn answers<'a>(&'a self, pool: &'a PoolId) -> impl Iterator<Item = &'a Settling> {
        self.answers.iter().filter(move |answer| answer.act.pool == *pool)
    }

    /// Returns what has become of a payment.
    pub fn state(&self, end_to_end: &str) -> Option<State> {
        self.states.get(end_to_end).map(|(_, _, state)| *state)
    }

    /// Returns what has become of the newest payment of what a commit owes a payee.
    pub fn newest(&self, pool: &PoolId, owing: u64, payee: &PayeeId) -> Option<State> {
        self.line(pool, owing, payee).map(|(_, state)| state)
    }

    /// Returns, of what a settlement or evaluation owes, that which is not on its way or there.
    pub fn due(
        &self,
        pool: &PoolId,
        settlement: u64,
        owed: impl IntoIterator<Item = (PayeeId, i64)>,
    ) -> Vec<Due> {
        let due = |(payee, minor): (PayeeId, i64)| {
            let before = match self.line(pool, settlement, &payee) {
                None => 0,
                Some((line, State::Returned)) => line.attempt,
                Some((_, State::Ordered | State::Booked)) => return None,
            };
            Some(Due { settlement, payee, minor, before })
        };
        owed.into_iter().filter(|(_, minor)| *minor > 0).filter_map(due).collect()
    }

    fn line(
        &self,
        pool: &PoolId,
        settlement: u64,
        payee: &PayeeId,
    ) -> Option<(&ExportLine, State)> {
        let id = self.newest.get(&(pool.clone(), settlement, payee.clone()))?;
        self.payment(id).map(|(_, line, state)| (line, state))
    }

    fn payment(&self, end_to_end: &str) -> Option<(&Export, &ExportLine, State)> {
        let (export, line, state) = self.states.get(end_to_end)?;
        let export = self.exports.get(*export)?;
        Some((export, export.lines.get(*line)?, *state))
    }

    /// Takes an order that was committed.
    pub fn export(&mut self, export: Export) -> Result<(), PayoutsError> {
        let commit = export.commit;
        let order = |reason| PayoutsError::Order { commit, reason };
        let (pool, at) = (export.act.pool.clone(), self.exports.len());
        for (place, line) in export.lines.iter().enumerate() {
            let before = match self.line(&pool, line.settlement, &line.payee) {
                None => 0,
                Some((before, State::Returned)) => before.attempt,
                // INVARIANT: nothing is ordered again that may still arrive.
                Some((_, State::Ordered | State::Booked)) => {
                    return Err(order("it pays again what is on its way"));
                }
            };
            if before.checked_add(1) != Some(line.attempt) {
                return Err(order("it counts its attempts wrongly"));
            }
            let taken = self.states.insert(line.end_to_end.clone(), (at, place, State::Ordered));
            if taken.is_some() {
                return Err(order("it uses an end-to-end id again"));
            }
            let key = (pool.clone(), line.settlement, line.payee.clone());
            self.newest.insert(key, line.end_to_end.clone());
        }
        self.exports.push(export);
        self.commit = commit;
        Ok(())
    }

    /// Takes an answer that was committed.
    pub fn answer(
        &mut self,
        commit: u64,
        time: Instant,
        entry: String,
        act: Answered,
        answers: Vec<Applied>,
    ) -> Result<(), PayoutsError> {
        let order = |reason| PayoutsError::Order { commit, reason };
        let mut changes = Vec::with_capacity(answers.len());
        for answer in answers {
            let (export, line, state) = self
                .payment(&answer.end_to_end)
                .ok_or_else(|| order("it answers what was not ordered"))?;
            if export.act.pool != act.pool {
                return Err(order("it answers a payment of another pool"));
            }
            let next = next(state, answer.returned.is_some())
                .ok_or_else(|| order("it answers again what was answered"))?;
            changes.push((line.clone(), state, answer.clone()));
            if let Some((_, _, state)) = self.states.get_mut(&answer.end_to_end) {
                *state = next;
            }
        }
        self.answers.push(Settling { commit, time, entry, act, changes });
        self.commit = commit;
        Ok(())
    }

    /// Holds a bank's reply against what was ordered for a pool or policy, or for one period of it. What is known
    /// already is counted; what does not fit is a finding and changes nothing.
    pub fn judge(&self, pool: &PoolId, period: Option<&Period>, reply: Reply) -> Judged {
        let Reply { mut answers, findings, pending, other } = reply;
        let mut judged = Judged { findings, pending, other, ..Judged::default() };
        // A file may tell a return before its booking: bookings are taken first.
        answers.sort_by_key(|answer| answer.fate != Fate::Booked);
        let mut seen = BTreeSet::new();
        let mut states: BTreeMap<String, State> = BTreeMap::new();
        for answer in answers {
            let place = answer.place;
            match self.judged(pool, period, &answer, &mut seen, &mut states) {
                Ok(Verdict::Change(line, state, applied)) => {
                    judged.changes.push((line, state, applied));
                }
                Ok(Verdict::Known) => judged.known = judged.known.saturating_add(1),
                Ok(Verdict::Other) => judged.other = judged.other.saturating_add(1),
                Err(fault) => judged.findings.push(Finding { place, fault }),
            }
        }
        judged.findings.sort_by_key(|finding| finding.place);
        judged
    }

    fn judged(
        &self,
        pool: &PoolId,
        period: Option<&Period>,
        answer: &Answer,
        seen: &mut BTreeSet<(String, bool)>,
        states: &mut BTreeMap<String, State>,
    ) -> Result<Verdict, Fault> {
        let Answer { end_to_end, amount, date, fate, .. } = answer;
        let payment = self.payment(end_to_end).filter(|(export, ..)| export.act.pool == *pool);
        let (export, line, before) = match (payment, fate) {
            (Some(payment), Fate::Booked | Fate::Returned(_)) => payment,
            (Some(_), Fate::Credited) => return Err(Fault::Credit),
            (None, Fate::Credited) => return Ok(Verdict::Other),
            (None, Fate::Booked | Fate::Returned(_)) => return Err(Fault::Unknown),
        };
        if period.is_some_and(|period| !export.act.period.is_same(period)) {
            return Err(Fault::Period);
        }
        let sent = Amount::new(i128::from(line.sent_minor), export.act.control.currency());
        if amount.currency() != sent.currency() {
            return Err(Fault::Currency);
        }
        if *amount != sent {
            return Err(Fault::Amount);
        }
        let returned = match fate {
            Fate::Returned(reason) => Some(reason.clone()),
            Fate::Booked | Fate::Credited => None,
        };
        if !seen.insert((end_to_end.clone(), returned.is_some())) {
            return Err(Fault::Twice);
        }
        let state = states.get(end_to_end).copied().unwrap_or(before);
        let Some(next) = next(state, returned.is_some()) else { return Ok(Verdict::Known) };
        states.insert(end_to_end.clone(), next);
        let applied = Applied { end_to_end: end_to_end.clone(), date: *date, returned };
        Ok(Verdict::Change(line.clone(), state, applied))
    }
}

/// What one answer comes to.
enum Verdict {
    Change(ExportLine, State, Applied),
    Known,
    Other,
}

/// Returns what becomes of a payment by an answer; none where the answer brings nothing new. A booking
/// that is told after its return changes nothing: the money went and came back.
fn next(state: State, returned: bool) -> Option<State> {
    match (state, returned) {
        (State::Ordered, false) => Some(State::Booked),
        (State::Ordered | State::Booked, true) => Some(State::Returned),
        (State::Booked, false) | (State::Returned, true | false) => None,
    }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test that wraps fails"
)]
mod tests;
