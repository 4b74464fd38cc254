//! A pool's books closed as double entry: every act posts to accounts and sums to zero, and in the end
//! what came in is what was paid, withheld, kept, is carried, held back or lies there still.
//!
//! Comes in: the acts of a pool. Goes out: whether they close. Never: a sum that was not posted.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::collections::{BTreeMap, BTreeSet};

use super::{
    inputs::Before,
    shape::{Account, Settled},
};
use crate::money::{Amount, Currency};

/// Says whether a pool's books close; `None` where a number does not fit or is of another currency.
pub(super) fn closes(pool: &Before<'_>) -> Option<bool> {
    let currency = pool.opened.currency;
    let mut books = Books::default();
    for (.., funded) in &pool.funded {
        books.move_to("pool", "bank", micro(funded.amount, currency)?)?;
    }
    for act in &pool.matched {
        books.move_to("funds", "pool", micro(act.total(currency)?, currency)?)?;
    }
    for (_, act) in &pool.settled {
        settle(&mut books, act, currency)?;
    }
    let last = pool.settled.last().map(|(_, act)| &act.totals);
    let account = |account: Option<&Account>| account.map_or(0, |sums| sums.carried.micro());
    let used: BTreeSet<u64> =
        pool.settled.iter().flat_map(|(_, s)| s.funded.iter().copied()).collect();
    let mut waiting = last.map_or(0, |totals| totals.unallocated.micro());
    for (commit, _, _, funded) in &pool.funded {
        if !used.contains(commit) {
            waiting = waiting.checked_add(micro(funded.amount, currency)?)?;
        }
    }
    for act in &pool.matched {
        waiting = waiting.checked_sub(micro(act.total(currency)?, currency)?)?;
    }
    let ends = [
        ("pool", waiting),
        ("people", last.map_or(0, |totals| totals.carried.micro())),
        ("institutions", account(last.and_then(|totals| totals.institutions.as_ref()))),
        ("platform", account(last.and_then(|totals| totals.platform_account.as_ref()))),
    ];
    Some(ends.into_iter().all(|(name, end)| books.balance(name) == end))
}

/// Posts a settlement: what left the pool, to whom, and what each of them drew.
fn settle(books: &mut Books, act: &Settled, currency: Currency) -> Option<()> {
    let totals = &act.totals;
    books.move_to("fees", "pool", micro(totals.fee, currency)?)?;
    books.move_to("reserve", "pool", micro(totals.reserve, currency)?)?;
    let earned = totals.person.micro().checked_add(totals.adjusted.micro())?;
    books.move_to("people", "pool", earned)?;
    books.move_to("held", "people", totals.held.micro())?;
    books.move_to("people", "held", totals.vested.micro())?;
    books.move_to("tax", "people", micro(totals.tax, currency)?)?;
    books.move_to("paid", "people", micro(totals.paid, currency)?)?;
    for (name, sums) in
        [("institutions", &totals.institutions), ("platform", &totals.platform_account)]
    {
        if let Some(sums) = sums {
            books.move_to(name, "pool", sums.accrued.micro())?;
            books.move_to("paid", name, micro(sums.paid, currency)?)?;
        }
    }
    Some(())
}

fn micro(amount: Amount, currency: Currency) -> Option<i128> {
    (amount.currency() == currency).then(|| amount.minor().checked_mul(1_000_000)).flatten()
}

/// What is owed on each account, in millionths; what is owed to nobody came from the bank.
#[derive(Debug, Default)]
struct Books(BTreeMap<&'static str, i128>);

impl Books {
    fn move_to(&mut self, to: &'static str, from: &'static str, micro: i128) -> Option<()> {
        let sum = self.0.entry(from).or_default();
        *sum = sum.checked_sub(micro)?;
        let sum = self.0.entry(to).or_default();
        *sum = sum.checked_add(micro)?;
        Some(())
    }

    fn balance(&self, name: &str) -> i128 {
        self.0.get(name).copied().unwrap_or(0)
    }
}
