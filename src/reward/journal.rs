//! The double-entry journal of a pool: every act as postings that sum to zero.
//!
//! Comes in: a [`Pool`] and, for the private form, the lines of its settlements. Goes out: hledger,
//! beancount or CSV text. Never: a transaction that does not balance, or a person's name.
//!
//! What institutions earn and are paid has accounts of its own beside people's, where the pool's terms
//! give them a part.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::{collections::BTreeMap, fmt::Write as _};

use super::{Lines, Pool, PoolId, Totals, proof::leaf_hash};
use crate::{
    digest::{Sha256, hex},
    instant::{Date, Instant},
    money::{self, Amount},
    party::InstitutionId,
};

/// A journal in order of date and commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    pool: PoolId,
    transactions: Vec<Transaction>,
}

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// When.
    pub time: Instant,
    /// The pool commit.
    pub commit: u64,
    /// The ledger entry.
    pub entry: Sha256,
    /// What happened.
    pub narration: String,
    /// The postings; a debit is positive.
    pub postings: Vec<(String, Amount)>,
}

/// How a journal is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Dialect {
    /// hledger, each posting with the balance it leads to
    Hledger,
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
    #[error("pool commit {0} does not sum to zero")]
    Unbalanced(u64),
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
        Self::new(pool, |_| None)
    }

    /// Makes the private journal: each payment to a person has its own payable account, numbered by
    /// its line in the settlement, and each institution has one by its name. `lines` gives the lines of
    /// the settlement of a commit.
    pub fn private(pool: &Pool, lines: &BTreeMap<u64, Lines>) -> Result<Self, Error> {
        Self::new(pool, |commit| lines.get(&commit))
    }

    fn new<'a>(pool: &Pool, lines: impl Fn(u64) -> Option<&'a Lines>) -> Result<Self, Error> {
        let id = pool.id();
        let name = capitalised(id.as_str());
        let (bank, held) = ("Assets:Bank".to_owned(), format!("Liabilities:Pool:{name}"));
        let accrued = format!("Liabilities:Accrued:{name}");
        let payable = format!("Liabilities:Payable:{name}");
        let fees = format!("Income:Fees:{name}");
        let mut transactions = Vec::new();
        for funded in &pool.funded {
            let amount = funded.act.amount;
            transactions.push(Transaction {
                time: funded.time,
                commit: funded.commit,
                entry: leaf_hash(funded.entry.as_bytes()),
                narration: format!("fund {id}"),
                postings: vec![(bank.clone(), amount), (held.clone(), negated(amount)?)],
            });
        }
        for settled in &pool.settled {
            let totals = &settled.act.totals;
            let earned = totals.accrued.whole();
            let (commit, time) = (settled.commit, settled.time);
            let entry = leaf_hash(settled.entry.as_bytes());
            let mut payables = vec![(accrued.clone(), totals.paid)];
            match lines(commit) {
                None => payables.push((payable.clone(), negated(totals.paid)?)),
                Some(lines) => {
                    let paying = |(_, line): &(u64, &super::Line)| line.paid_minor != 0;
                    for (number, line) in (1_u64..).zip(&lines.people).filter(paying) {
                        let paid = Amount::new(i128::from(line.paid_minor), pool.currency());
                        let own = format!("{payable}:C{commit}-{number:07}");
                        payables.push((own, negated(paid)?));
                    }
                }
            }
            let shared = Shared::of(&name, totals, lines(commit))?;
            payables.extend(shared.payouts);
            let period = &settled.act.period;
            let earnings = vec![
                (held.clone(), totals.fee.plus(earned)?.plus(shared.earned)?),
                (fees.clone(), negated(totals.fee)?),
                (accrued.clone(), negated(earned)?),
                (shared.account, negated(shared.earned)?),
            ];
            transactions.push(Transaction {
                time,
                commit,
                entry,
                narration: format!("settle {id} {period}: fee and rewards"),
                postings: earnings,
            });
            transactions.push(Transaction {
                time,
                commit,
                entry,
                narration: format!("settle {id} {period}: payouts"),
                postings: payables,
            });
        }
        for transaction in &mut transactions {
            transaction.postings.retain(|(_, amount)| amount.minor() != 0);
            // INVARIANT: every transaction sums to zero.
            if sum(pool, transaction)?.minor() != 0 {
                return Err(Error::Unbalanced(transaction.commit));
            }
        }
        transactions.retain(|t| !t.postings.is_empty());
        transactions.sort_by_key(|t| (t.time.date(), t.commit));
        Ok(Self { pool: id.clone(), transactions })
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

    /// Writes the journal.
    pub fn write(&self, dialect: Dialect) -> Result<String, Error> {
        match dialect {
            Dialect::Hledger => self.hledger(),
            Dialect::Beancount => self.beancount(),
            Dialect::Csv => self.csv(),
        }
    }

    fn hledger(&self) -> Result<String, Error> {
        let balances = self.balances()?;
        let mut out = format!("; almoner: journal of pool {}\n", self.pool);
        if let Some(amount) = balances.values().next() {
            let sample = Amount::new(0, amount.currency());
            let point = if sample.currency().exponent() == 0 { "." } else { "" };
            let _ = writeln!(out, "commodity {}{point} {}", sample.decimal(), sample.currency());
        }
        for account in balances.keys() {
            let _ = writeln!(out, "account {account}");
        }
        let mut running = BTreeMap::new();
        for t in &self.transactions {
            let _ = writeln!(out, "\n{} * {}  ; entry:{}", t.time.date(), t.narration, t.entry);
            for (account, amount) in &t.postings {
                let balance = post(&mut running, account, *amount)?;
                let _ = writeln!(out, "    {account}  {} = {}", money(*amount), money(balance));
            }
        }
        Ok(out)
    }

    fn beancount(&self) -> Result<String, Error> {
        let balances = self.balances()?;
        let mut out = format!("option \"title\" \"almoner: journal of pool {}\"\n", self.pool);
        let Some((first, last)) = self.span() else { return Ok(out) };
        if let Some(currency) = balances.values().next().map(|a| a.currency()) {
            let _ = writeln!(out, "option \"operating_currency\" \"{currency}\"");
            let _ = writeln!(out, "option \"inferred_tolerance_default\" \"{currency}:0\"");
            for account in balances.keys() {
                let _ = writeln!(out, "{first} open {account} {currency}");
            }
        }
        for t in &self.transactions {
            let _ = writeln!(
                out,
                "\n{} * \"{}\"\n  entry: \"{}\"",
                t.time.date(),
                t.narration,
                t.entry
            );
            for (account, amount) in &t.postings {
                let _ = writeln!(out, "  {account}  {}", money(*amount));
            }
        }
        // An assertion holds at the beginning of its day.
        let after = last.succ_opt().ok_or(Error::Date)?;
        out.push('\n');
        for (account, balance) in &balances {
            let _ = writeln!(
                out,
                "{after} balance {account}  {} ~ 0 {}",
                balance.decimal(),
                balance.currency()
            );
        }
        Ok(out)
    }

    fn csv(&self) -> Result<String, Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record([
            "date",
            "time",
            "commit",
            "entry",
            "narration",
            "account",
            "side",
            "minor",
            "amount",
            "currency",
        ])?;
        for t in &self.transactions {
            for (account, amount) in &t.postings {
                let side = if amount.minor() < 0 { "credit" } else { "debit" };
                let absolute = if amount.minor() < 0 { negated(*amount)? } else { *amount };
                writer.write_record([
                    t.time.date().to_string().as_str(),
                    t.time.to_string().as_str(),
                    t.commit.to_string().as_str(),
                    t.entry.to_string().as_str(),
                    t.narration.as_str(),
                    account,
                    side,
                    amount.minor().to_string().as_str(),
                    absolute.decimal().as_str(),
                    amount.currency().code(),
                ])?;
            }
        }
        let bytes = writer.into_inner().map_err(|e| csv::Error::from(e.into_error()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn span(&self) -> Option<(Date, Date)> {
        Some((self.transactions.first()?.time.date(), self.transactions.last()?.time.date()))
    }
}

/// What a settlement books for institutions.
struct Shared {
    /// The account of what they have earned and are not paid.
    account: String,
    earned: Amount,
    payouts: Vec<(String, Amount)>,
}

impl Shared {
    /// Makes the bookings; without `lines` all institutions are one payable account.
    fn of(pool: &str, totals: &Totals, lines: Option<&Lines>) -> Result<Self, Error> {
        // Beside people's accounts, not below them: a balance of an account holds those below it.
        let account = format!("Liabilities:AccruedInstitutions:{pool}");
        let payable = format!("Liabilities:PayableInstitutions:{pool}");
        let Some(sums) = &totals.institutions else {
            let earned = Amount::zero(totals.paid.currency());
            return Ok(Self { account, earned, payouts: Vec::new() });
        };
        let mut payouts = vec![(account.clone(), sums.paid)];
        match lines {
            None => payouts.push((payable, negated(sums.paid)?)),
            Some(lines) => {
                for line in &lines.institutions {
                    let paid = Amount::new(i128::from(line.paid_minor), sums.paid.currency());
                    let own = format!("{payable}:{}", component(&line.institution));
                    payouts.push((own, negated(paid)?));
                }
            }
        }
        Ok(Self { account, earned: sums.accrued.whole(), payouts })
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
fn capitalised(name: &str) -> String {
    let mut name = name.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    name
}

fn money(amount: Amount) -> String {
    format!("{} {}", amount.decimal(), amount.currency())
}

fn negated(amount: Amount) -> Result<Amount, money::Error> {
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

fn sum(pool: &Pool, transaction: &Transaction) -> Result<Amount, money::Error> {
    super::pool::sum(pool.currency(), transaction.postings.iter().map(|(_, amount)| *amount))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        digest::Sha3Digest,
        money::Currency,
        party::SponsorId,
        reward::{
            Dated, Funded, ObjectRef, Opened, Period, Settled, Terms, settle,
            settle::tests::{inputs, roster},
        },
    };

    fn dated<T>(commit: u64, day: &str, act: T) -> Dated<T> {
        Dated { commit, time: Instant::parse(day).unwrap(), entry: format!("e{commit}"), act }
    }

    fn pool() -> (Pool, Lines) {
        shared_pool(0)
    }

    fn shared_pool(institution_ppm: u32) -> (Pool, Lines) {
        let currency = Currency::parse("EUR").unwrap();
        let mut inputs = inputs(1_000_100, 300_000, 500, 0);
        inputs.rules.terms.institution_ppm = institution_ppm;
        let people = roster(&[("jane-doe", 2, 1), ("john-roe", 1, 1)]);
        let run = settle(&inputs, &[people], &[], &[], &[]).unwrap();
        let id = inputs.pool.clone();
        let object = ObjectRef { path: "o".into(), digest: Sha3Digest::of(b"") };
        let pool = Pool {
            opened: dated(
                1,
                "2026-10-01",
                Opened {
                    pool: id.clone(),
                    currency,
                    datasets: vec!["d".into()],
                    terms: Terms { minimum: Amount::zero(currency), ..inputs.rules.terms },
                },
            ),
            funded: vec![dated(
                2,
                "2026-10-02",
                Funded {
                    pool: id.clone(),
                    amount: Amount::new(1_000_100, currency),
                    sponsor: SponsorId::parse("big-sponsor").unwrap(),
                    reference: "secret-reference".into(),
                },
            )],
            settled: vec![dated(
                3,
                "2027-01-01",
                Settled {
                    pool: id,
                    period: Period::parse("2026-Q4").unwrap(),
                    funded: vec![2],
                    inputs: object.clone(),
                    lines: object.clone(),
                    leaves: object,
                    root: Sha256::of(b""),
                    count: 2,
                    totals: run.totals,
                    institution_lines: None,
                },
            )],
        };
        (pool, Lines { people: run.lines, institutions: run.institutions })
    }

    #[test]
    fn the_books_balance_and_the_pool_keeps_what_had_no_one_to_go_to() {
        let (pool, _) = pool();
        let journal = Journal::public(&pool).unwrap();
        let balances = journal.balances().unwrap();
        let of = |account: &str| balances[account].minor();
        assert_eq!(of("Assets:Bank"), 1_000_100);
        assert_eq!(of("Income:Fees:P"), -50_005);
        assert_eq!(of("Liabilities:Pool:P"), -pool.returned().minor());
        assert_eq!(of("Liabilities:Payable:P"), -pool.paid().unwrap().minor());
        assert_eq!(of("Liabilities:Accrued:P"), -1, "a cent is carried, in two parts");
        assert_eq!(balances.values().map(|a| a.minor()).sum::<i128>(), 0);
    }

    #[test]
    fn the_private_journal_has_an_account_a_payment_and_the_same_sums() {
        let (pool, lines) = pool();
        let journal = Journal::private(&pool, &BTreeMap::from([(3, lines.clone())])).unwrap();
        let balances = journal.balances().unwrap();
        assert_eq!(
            balances["Liabilities:Payable:P:C3-0000001"].minor(),
            -i128::from(lines.people[0].paid_minor)
        );
        let text = journal.write(Dialect::Csv).unwrap();
        assert!(text.starts_with("date,time,commit,entry,"));
    }

    #[test]
    fn institutions_have_accounts_of_their_own_and_the_books_still_balance() {
        let (pool, lines) = shared_pool(150_000);
        let public = Journal::public(&pool).unwrap();
        let balances = public.balances().unwrap();
        let sums = pool.settled[0].act.totals.institutions.as_ref().unwrap();
        assert_eq!(sums.paid.minor(), 142_514, "15 % of 9,500.95, rounded down");
        assert_eq!(balances["Liabilities:PayableInstitutions:P"].minor(), -142_514);
        assert_eq!(balances["Liabilities:AccruedInstitutions:P"].minor(), 0, "all of it is paid");
        assert_eq!(balances["Liabilities:Pool:P"].minor(), -pool.returned().minor());
        assert_eq!(balances.values().map(|a| a.minor()).sum::<i128>(), 0);
        let private = Journal::private(&pool, &BTreeMap::from([(3, lines)])).unwrap();
        let balances = private.balances().unwrap();
        assert_eq!(balances["Liabilities:PayableInstitutions:P:I"].minor(), -142_514);
        assert_eq!(balances.values().map(|a| a.minor()).sum::<i128>(), 0);
    }

    #[test]
    fn no_two_institutions_share_an_account_whatever_their_names_hold() {
        let names = ["st-anne", "St-anne", "hexa", "HEXA", "-a", "a", "A", "é b", "HEX41", "hex41"];
        let accounts: std::collections::BTreeSet<String> =
            names.iter().map(|n| component(&InstitutionId::parse(n).unwrap())).collect();
        assert_eq!(accounts.len(), names.len(), "one would be booked what is another's");
        for account in accounts {
            assert!(account.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{account}");
            let first = account.as_bytes()[0];
            assert!(first.is_ascii_uppercase() || first.is_ascii_digit(), "{account}");
        }
    }

    #[test]
    fn no_dialect_names_a_person_a_sponsor_or_a_payment_reference() {
        let (pool, lines) = pool();
        let private = Journal::private(&pool, &BTreeMap::from([(3, lines)])).unwrap();
        for journal in [Journal::public(&pool).unwrap(), private] {
            for dialect in [Dialect::Hledger, Dialect::Beancount, Dialect::Csv] {
                let text = journal.write(dialect).unwrap();
                for secret in ["jane", "john", "big-sponsor", "secret-reference"] {
                    assert!(!text.contains(secret));
                }
            }
        }
    }

    #[test]
    fn hledger_states_each_balance_and_beancount_the_last() {
        let (pool, _) = pool();
        let journal = Journal::public(&pool).unwrap();
        let text = journal.write(Dialect::Hledger).unwrap();
        assert!(text.contains("commodity 0.00 EUR\n"), "{text}");
        assert!(text.contains("    Assets:Bank  10001.00 EUR = 10001.00 EUR\n"), "{text}");
        let text = journal.write(Dialect::Beancount).unwrap();
        assert!(text.contains("option \"inferred_tolerance_default\" \"EUR:0\"\n"), "{text}");
        assert!(text.contains("2026-10-02 open Assets:Bank EUR\n"), "{text}");
        assert!(text.contains("2027-01-02 balance Assets:Bank  10001.00 ~ 0 EUR\n"), "{text}");
    }
}
