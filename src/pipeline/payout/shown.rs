//! How payouts stand: each order with what became of its payments, the sums of a pool or policy, and
//! what moved in its books.
//!
//! Comes in: the commits of payouts. Goes out: counts and sums. Never: a payee.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Error, Owing};
use crate::{
    bank::{Export, ExportLine, Payouts, State},
    money::Amount,
    reward::{
        PoolId,
        journal::{Movement, Step},
        proof::leaf_hash,
    },
    site::Site,
};

/// How one order stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderStanding {
    /// The commit.
    pub commit: u64,
    /// The pool or policy.
    pub pool: PoolId,
    /// The period.
    pub period: String,
    /// The message's id.
    pub message: String,
    /// Payments in it.
    pub count: u64,
    /// What they come to at the bank.
    pub control: Amount,
    /// Payments that the bank has not answered.
    pub ordered: u64,
    /// Payments that the bank has booked.
    pub booked: u64,
    /// Payments that came back.
    pub returned: u64,
    /// Payments that waited when it was made.
    pub waiting: u64,
}

/// Returns every order of these pools and policies, oldest first.
pub fn orders(site: &Site, pools: &[PoolId]) -> Result<Vec<OrderStanding>, Error> {
    let payouts = Payouts::load(&site.vault())?;
    let exports = pools.iter().flat_map(|pool| payouts.exports(pool));
    let mut orders: Vec<OrderStanding> = exports
        .map(|export| {
            let of = |state| count(&payouts, export, state);
            OrderStanding {
                commit: export.commit,
                pool: export.act.pool.clone(),
                period: export.act.period.to_string(),
                message: export.act.message.clone(),
                count: export.act.lines.count,
                control: export.act.control,
                ordered: of(State::Ordered),
                booked: of(State::Booked),
                returned: of(State::Returned),
                waiting: export.act.waiting,
            }
        })
        .collect();
    orders.sort_by_key(|order| order.commit);
    Ok(orders)
}

fn count(payouts: &Payouts, export: &Export, state: State) -> u64 {
    let is = |line: &&ExportLine| payouts.state(&line.end_to_end) == Some(state);
    export.lines.iter().filter(is).count() as u64
}

/// What of the payouts of a pool or policy is where, in its own currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// What settlements owe people after tax, and institutions; or evaluations the insured.
    pub owed: Amount,
    /// What the bank was told to pay and has not answered.
    pub in_transit: Amount,
    /// What the bank has paid and what did not come back.
    pub booked: Amount,
    /// What is owed and not on its way: never ordered, or returned.
    pub open: Amount,
}

/// Returns what of the payouts of a pool or policy is where.
pub fn standing(site: &Site, pool: &PoolId) -> Result<Standing, Error> {
    let owing = Owing::find(site, pool)?;
    let payouts = Payouts::load(&site.vault())?;
    let (owed, currency) = (owing.owed()?, owing.currency());
    let sum = |state| {
        let lines = payouts.exports(pool).flat_map(|export| &export.lines);
        lines
            .filter(|line| payouts.state(&line.end_to_end) == Some(state))
            .map(|line| Amount::new(i128::from(line.minor), currency))
            .try_fold(Amount::zero(currency), Amount::plus)
    };
    let (in_transit, booked) = (sum(State::Ordered)?, sum(State::Booked)?);
    Ok(Standing { owed, in_transit, booked, open: owed.minus(in_transit)?.minus(booked)? })
}

/// Returns what orders and answers moved in the books of a pool or policy.
pub fn movements(site: &Site, pool: &PoolId) -> Result<Vec<Movement>, Error> {
    let payouts = Payouts::load(&site.vault())?;
    let payment = |line: &ExportLine| (line.settlement, line.payee.clone(), line.minor);
    let mut movements: Vec<Movement> = payouts
        .exports(pool)
        .map(|export| Movement {
            time: export.time,
            commit: export.commit,
            entry: leaf_hash(export.entry.as_bytes()),
            step: Step::Ordered,
            payments: export.lines.iter().map(payment).collect(),
        })
        .collect();
    for settling in payouts.answers(pool) {
        let mut steps: BTreeMap<u8, (Step, Vec<_>)> = BTreeMap::new();
        for (line, before, applied) in &settling.changes {
            let (place, step) = match (before, applied.returned.is_some()) {
                (_, false) => (0, Step::Booked),
                (State::Ordered, true) => (1, Step::Recalled),
                (State::Booked | State::Returned, true) => (2, Step::Returned),
            };
            steps.entry(place).or_insert((step, Vec::new())).1.push(payment(line));
        }
        movements.extend(steps.into_values().map(|(step, payments)| Movement {
            time: settling.time,
            commit: settling.commit,
            entry: leaf_hash(settling.entry.as_bytes()),
            step,
            payments,
        }));
    }
    Ok(movements)
}
