//! The double-entry journal of a pool: every act as postings that sum to zero. Other books of money, such
//! as those of a cover, are made of its [`Transaction`]s and [`Movement`]s as well.
//!
//! Comes in: a [`Pool`], what its payouts moved, and, for the private form, the lines of its settlements.
//! Goes out: hledger, ledger, beancount or CSV text. Never: a transaction that does not balance, an
//! account that a fraction turned negative, or a person's name.
//!
//! What people and institutions earn accrues in millionths; the books have whole minor units. An accrued
//! account holds the whole units of what is carried, rounded down once at each settlement, so that it is
//! never below zero; the fractions stay in the pool's account until they are whole.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

mod write;

use std::collections::BTreeMap;

use super::{Lines, Pool, PoolId, Settled, proof::leaf_hash};
use crate::{
    digest::{Sha256, hex},
    instant::{Date, Instant},
    money::{self, Accrual, Amount, Currency},
    party::InstitutionId,
    payee::PayeeId,
};

/// A journal in order of time and commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    title: String,
    pool: PoolId,
    currency: Currency,
    transactions: Vec<Transaction>,
}

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// When.
    pub time: Instant,
    /// The sequence of the vault in which its commit stands.
    pub sequence: &'static str,
    /// The commit.
    pub commit: u64,
    /// The ledger entry.
    pub entry: Sha256,
    /// What happened.
    pub narration: String,
    /// The postings; a debit is positive.
    pub postings: Vec<(String, Amount)>,
}

/// What an order to the bank, or an answer of it, moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// When.
    pub time: Instant,
    /// The commit of `vault/payouts`.
    pub commit: u64,
    /// The ledger entry.
    pub entry: Sha256,
    /// What happened to the payments.
    pub step: Step,
    /// The payments: the commit that owes each, whom, and minor units of the currency it is owed in.
    pub payments: Vec<(u64, PayeeId, i64)>,
}

/// What happened to payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The bank was told to pay.
    Ordered,
    /// The bank took the money from the account.
    Booked,
    /// Money that it had taken came back.
    Returned,
    /// The bank gave an order back and had not booked it.
    Recalled,
}

/// How a journal is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Dialect {
    /// hledger, each posting with the balance it leads to
    Hledger,
    /// ledger, each posting with the balance it leads to
    Ledger,
    /// beancount, zero tolerance, with closing balances
    Beancount,
    /// CSV, one posting a row
    Csv,
}

/// Why there is no journal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A sum does not fit.
    #[error(transparent)]
    Money(#[from] money::Error),
    /// A transaction does not sum to zero.
    #[error("{sequence} commit {commit} does not sum to zero")]
    Unbalanced {
        /// The sequence.
        sequence: &'static str,
        /// Its commit.
        commit: u64,
    },
    /// A payment is of a commit whose lines do not hold its payee.
    #[error("payouts commit {0} pays somebody to whom nothing is owed")]
    Stranger(u64),
    /// The text could not be written.
    #[error("the journal could not be written")]
    Write(#[from] csv::Error),
    /// There is no day after the last.
    #[error("the last transaction's date has no next day")]
    Date,
}

impl Journal {
    /// Makes the public journal: people are one account, and institutions another.
    pub fn public(pool: &Pool) -> Result<Self, Error> {
        Self::of(pool, None, &[])
    }

    /// Makes the private journal: each payment to a person has its own payable account, numbered by
    /// its line in the settlement, and each institution has one by its name. `lines` gives the lines of
    /// the settlement of a commit.
    pub fn private(pool: &Pool, lines: &BTreeMap<u64, Lines>) -> Result<Self, Error> {
        Self::of(pool, Some(lines), &[])
    }

    /// Makes the journal with what its payouts moved; public without `lines`, private with them.
    pub fn of(
        pool: &Pool,
        lines: Option<&BTreeMap<u64, Lines>>,
        movements: &[Movement],
    ) -> Result<Self, Error> {
        let id = pool.id();
        let accounts = Accounts::of(id);
        let mut transactions = Vec::new();
        for funded in &pool.funded {
            let amount = funded.act.amount;
            transactions.push(Transaction {
                time: funded.time,
                sequence: POOLS,
                commit: funded.commit,
                entry: leaf_hash(funded.entry.as_bytes()),
                narration: format!("fund {id}"),
                postings: vec![
                    (BANK.to_owned(), amount),
                    (accounts.pool.clone(), negated(amount)?),
                ],
            });
        }
        for matched in &pool.matched {
            let total = matched.act.total(pool.currency())?;
            transactions.push(Transaction {
                time: matched.time,
                sequence: POOLS,
                commit: matched.commit,
                entry: leaf_hash(matched.entry.as_bytes()),
                narration: format!("match {id} {}", matched.act.period),
                postings: vec![(accounts.pool.clone(), total), (BANK.to_owned(), negated(total)?)],
            });
        }
        let mut carried = Carried::zero(pool.currency());
        for settled in &pool.settled {
            let own = lines.and_then(|lines| lines.get(&settled.commit));
            let (earnings, payouts) =
                carried.settle(&accounts, settled.commit, &settled.act, own)?;
            let period = &settled.act.period;
            for (what, postings) in [("fee and rewards", earnings), ("payouts", payouts)] {
                transactions.push(Transaction {
                    time: settled.time,
                    sequence: POOLS,
                    commit: settled.commit,
                    entry: leaf_hash(settled.entry.as_bytes()),
                    narration: format!("settle {id} {period}: {what}"),
                    postings,
                });
            }
        }
        for movement in movements {
            let payable =
                |settlement: u64, payee: &PayeeId| accounts.payable(settlement, payee, lines);
            let postings = movement.postings(&accounts.transit, pool.currency(), payable)?;
            transactions.push(movement.transaction(id, postings));
        }
        Self::new(format!("pool {id}"), id.clone(), pool.currency(), transactions)
    }

    /// Makes the journal of transactions, each of which must balance. Within a second what is owed comes
    /// before its payment.
    pub(crate) fn new(
        title: String,
        pool: PoolId,
        currency: Currency,
        mut transactions: Vec<Transaction>,
    ) -> Result<Self, Error> {
        for transaction in &mut transactions {
            transaction.postings.retain(|(_, amount)| amount.minor() != 0);
            // INVARIANT: every transaction sums to zero.
            if transaction.sum(currency)?.minor() != 0 {
                let Transaction { sequence, commit, .. } = *transaction;
                return Err(Error::Unbalanced { sequence, commit });
            }
        }
        transactions.retain(|t| !t.postings.is_empty());
        transactions.sort_by_key(|t| (t.time, t.sequence == PAYOUTS, t.commit));
        Ok(Self { title, pool, currency, transactions })
    }

    /// Returns the journal of some days, both in it: what came before is one transaction of opening
    /// balances, so that it balances as the whole does.
    pub fn between(&self, from: Option<Date>, to: Option<Date>) -> Result<Self, Error> {
        let date = |t: &Transaction| t.time.date();
        let within = self.transactions.iter().filter(|t| to.is_none_or(|to| date(t) <= to));
        let (before, mut transactions): (Vec<Transaction>, Vec<Transaction>) =
            within.cloned().partition(|t| from.is_some_and(|from| date(t) < from));
        if let (Some(last), Some(from)) = (before.last(), from) {
            let earlier = Self { transactions: before.clone(), ..self.clone() };
            let opening = Transaction {
                time: Instant::midnight(from),
                narration: format!("opening balances of {}", self.pool),
                postings: earlier
                    .balances()?
                    .into_iter()
                    .filter(|(_, balance)| balance.minor() != 0)
                    .map(|(account, balance)| (account.to_owned(), balance))
                    .collect(),
                ..last.clone()
            };
            transactions.insert(0, opening);
        }
        transactions.retain(|t| !t.postings.is_empty());
        Ok(Self { transactions, ..self.clone() })
    }

    /// Returns the transactions.
    pub fn transactions(&self) -> &[Transaction] {
        &self.transactions
    }

    /// Returns the balance of each account.
    pub fn balances(&self) -> Result<BTreeMap<&str, Amount>, Error> {
        let mut balances: BTreeMap<&str, Amount> = BTreeMap::new();
        for (account, amount) in self.transactions.iter().flat_map(|t| &t.postings) {
            post(&mut balances, account, *amount)?;
        }
        Ok(balances)
    }
}

impl Transaction {
    fn sum(&self, currency: Currency) -> Result<Amount, money::Error> {
        super::pool::sum(currency, self.postings.iter().map(|(_, amount)| *amount))
    }
}

impl Step {
    fn words(self) -> &'static str {
        match self {
            Self::Ordered => "payouts ordered of",
            Self::Booked => "payouts booked of",
            Self::Returned => "payouts returned to",
            Self::Recalled => "payouts given back unbooked to",
        }
    }
}

const POOLS: &str = "pools";
const PAYOUTS: &str = "payouts";
/// The account of the money at the bank.
pub(crate) const BANK: &str = "Assets:Bank";

pub(crate) type Postings = Vec<(String, Amount)>;

impl Movement {
    /// Books the payments: out of what is payable into what is on its way, and on; one posting for each
    /// account that `payable` names by the commit that owes and the payee.
    pub(crate) fn postings(
        &self,
        transit: &str,
        currency: Currency,
        payable: impl Fn(u64, &PayeeId) -> Option<String>,
    ) -> Result<Postings, Error> {
        let mut accounts: BTreeMap<String, Amount> = BTreeMap::new();
        let mut total = Amount::zero(currency);
        for (owing, payee, minor) in &self.payments {
            let amount = Amount::new(i128::from(*minor), currency);
            total = total.plus(amount)?;
            let account = payable(*owing, payee).ok_or(Error::Stranger(self.commit))?;
            let sum = accounts.entry(account).or_insert_with(|| Amount::zero(currency));
            *sum = sum.plus(amount)?;
        }
        let owed_less = matches!(self.step, Step::Ordered);
        let mut postings = Postings::new();
        match self.step {
            Step::Booked => {
                postings.push((transit.to_owned(), total));
                postings.push((BANK.to_owned(), negated(total)?));
                return Ok(postings);
            }
            Step::Ordered => postings.push((transit.to_owned(), negated(total)?)),
            Step::Recalled => postings.push((transit.to_owned(), total)),
            Step::Returned => postings.push((BANK.to_owned(), total)),
        }
        for (account, amount) in accounts {
            postings.push((account, if owed_less { amount } else { negated(amount)? }));
        }
        Ok(postings)
    }

    /// Makes its transaction in the books of a pool or policy.
    pub(crate) fn transaction(&self, of: &PoolId, postings: Postings) -> Transaction {
        Transaction {
            time: self.time,
            sequence: PAYOUTS,
            commit: self.commit,
            entry: self.entry,
            narration: format!("{} {of}", self.step.words()),
            postings,
        }
    }
}

/// The names of a pool's accounts. Those of institutions stand beside people's, not below them: a
/// balance of an account holds those below it.
struct Accounts {
    pool: String,
    reserve: String,
    fees: String,
    platform: String,
    accrued: String,
    accrued_institutions: String,
    held: String,
    payable: String,
    payable_institutions: String,
    tax: String,
    transit: String,
}

impl Accounts {
    fn of(pool: &PoolId) -> Self {
        let name = capitalised(pool.as_str());
        let owed = |what: &str| format!("Liabilities:{what}:{name}");
        let income = |what: &str| format!("Income:{what}:{name}");
        Self {
            pool: owed("Pool"),
            reserve: owed("Reserve"),
            fees: income("Fees"),
            platform: income("Platform"),
            accrued: owed("Accrued"),
            accrued_institutions: owed("AccruedInstitutions"),
            held: owed("Held"),
            payable: owed("Payable"),
            payable_institutions: owed("PayableInstitutions"),
            tax: owed("Tax"),
            transit: owed("PayoutsInTransit"),
        }
    }

    fn person(&self, settlement: u64, line: usize) -> String {
        format!("{}:C{settlement}-{line:07}", self.payable)
    }

    fn institution(&self, institution: &InstitutionId) -> String {
        format!("{}:{}", self.payable_institutions, component(institution))
    }

    /// Returns the account out of which a payee is paid: one for all people and one for all institutions,
    /// or one each where lines are given; none for somebody whom the lines do not hold.
    fn payable(
        &self,
        settlement: u64,
        payee: &PayeeId,
        lines: Option<&BTreeMap<u64, Lines>>,
    ) -> Option<String> {
        match (payee, lines) {
            (PayeeId::Contributor(_), None) => Some(self.payable.clone()),
            (PayeeId::Institution(_), None) => Some(self.payable_institutions.clone()),
            (PayeeId::Institution(institution), Some(_)) => Some(self.institution(institution)),
            (PayeeId::Contributor(person), Some(lines)) => {
                let people = lines.get(&settlement)?.people.as_slice();
                let place = people.binary_search_by(|line| line.contributor.cmp(person)).ok()?;
                Some(self.person(settlement, place.saturating_add(1)))
            }
        }
    }
}

/// What is earned and not drawn after the newest settlement, rounded down to whole minor units.
struct Carried {
    people: Amount,
    institutions: Amount,
    held: Accrual,
}

impl Carried {
    fn zero(currency: Currency) -> Self {
        let zero = Amount::zero(currency);
        Self { people: zero, institutions: zero, held: Accrual::new(0, currency) }
    }

    /// Books a settlement: what is earned of the pool's money, then what is drawn of what is earned.
    fn settle(
        &mut self,
        accounts: &Accounts,
        commit: u64,
        settled: &Settled,
        lines: Option<&Lines>,
    ) -> Result<(Postings, Postings), Error> {
        let totals = &settled.totals;
        let currency = totals.paid.currency();
        let held = self
            .held
            .micro()
            .checked_add(totals.held.micro())
            .and_then(|held| held.checked_sub(totals.vested.micro()))
            .ok_or(money::Error::Overflow)?;
        let held = Accrual::new(held, currency);
        let shared = totals.institutions.as_ref();
        let shared_paid = shared.map_or(Amount::zero(currency), |sums| sums.paid);
        let shared_carried = shared.map_or(Amount::zero(currency), |sums| sums.carried.whole());
        let platform =
            totals.platform_account.as_ref().map_or(Amount::zero(currency), |sums| sums.paid);
        let people = totals.carried.whole();
        let earned = people.minus(self.people)?.plus(totals.payable)?;
        let shared_earned = shared_carried.minus(self.institutions)?.plus(shared_paid)?;
        let holding = held.whole().minus(self.held.whole())?;
        let mut given = Amount::zero(currency);
        let mut earnings = Postings::new();
        for (account, amount) in [
            (&accounts.fees, totals.fee),
            (&accounts.reserve, totals.reserve),
            (&accounts.accrued, earned),
            (&accounts.held, holding),
            (&accounts.accrued_institutions, shared_earned),
            (&accounts.platform, platform),
        ] {
            given = given.plus(amount)?;
            earnings.push((account.clone(), negated(amount)?));
        }
        earnings.insert(0, (accounts.pool.clone(), given));
        let mut payouts = vec![(accounts.accrued.clone(), totals.payable)];
        match lines {
            None => payouts.push((accounts.payable.clone(), negated(totals.paid)?)),
            Some(lines) => {
                for (number, line) in (1..).zip(&lines.people) {
                    let paid = Amount::new(i128::from(line.paid_minor), currency);
                    payouts.push((accounts.person(commit, number), negated(paid)?));
                }
            }
        }
        payouts.push((accounts.tax.clone(), negated(totals.tax)?));
        payouts.push((accounts.accrued_institutions.clone(), shared_paid));
        match lines {
            None => {
                payouts.push((accounts.payable_institutions.clone(), negated(shared_paid)?));
            }
            Some(lines) => {
                for line in &lines.institutions {
                    let paid = Amount::new(i128::from(line.paid_minor), currency);
                    payouts.push((accounts.institution(&line.institution), negated(paid)?));
                }
            }
        }
        *self = Self { people, institutions: shared_carried, held };
        Ok((earnings, payouts))
    }
}

/// Returns an institution's part of an account name: its name where it is of `a-z`, `0-9` and `-` alone,
/// else `HEX` and its bytes, which no such name can be.
fn component(institution: &InstitutionId) -> String {
    let text = institution.as_str();
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if text.bytes().all(plain) && !text.starts_with('-') {
        capitalised(text)
    } else {
        format!("HEX{}", hex(text.as_bytes()))
    }
}

/// Returns a name as a component of an account, which begins with a capital or a digit. Names of pools
/// have no capitals, so that two of them never share an account.
pub(crate) fn capitalised(name: &str) -> String {
    let mut name = name.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    name
}

pub(crate) fn negated(amount: Amount) -> Result<Amount, money::Error> {
    Amount::zero(amount.currency()).minus(amount)
}

fn post<'a>(
    balances: &mut BTreeMap<&'a str, Amount>,
    account: &'a str,
    amount: Amount,
) -> Result<Amount, money::Error> {
    let balance = balances.entry(account).or_insert_with(|| Amount::zero(amount.currency()));
    *balance = balance.plus(amount)?;
    Ok(*balance)
}

#[cfg(test)]
pub(super) mod tests;
