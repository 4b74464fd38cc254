//! Orders the bank to pay what is owed, and takes its answers, each once.
//!
//! Comes in: who owes, a period, whose account pays; the bank's files. Goes out: commits of
//! `vault/payouts`, their entries in the book, the file for the bank. Never: a payment ordered again
//! before it came back, or a payee dropped for want of an account: what cannot be paid yet waits.

mod answer;
mod books;
mod owing;
mod shown;

use serde::Serialize;
use serde_json::{Map, Value};

use self::owing::{Debt, Owing};
pub use self::{
    answer::{AnswerForm, Heard, answer},
    books::books,
    shown::{OrderStanding, Standing, movements, orders, standing},
};
use super::{
    consent::shown as bucket,
    fund::{self, subject},
    settle,
};
pub use crate::bank::{Debtor, Finding, Rate, Sums, Version};
use crate::{
    bank::{
        self, Act, AnswerError, COMMITS, Commit, Due, Export, ExportLine, Exported, Order,
        OrderError, Payment, Payouts, PayoutsError,
    },
    cover::CoverError,
    digest::{CanonicalError, Sha3Digest, hex, hmac_sha3_parts},
    instant::Date,
    ledger::{Entry, EntryId, Kind},
    money::{self, Amount, Currency},
    payee::{self, Account, Object, PayeeId, Register},
    reward::{ApportionError, Period, PoolId, convert_all, journal, proof::leaf_hash},
    site::{self, Site},
    store::{self, Sequence},
};

/// Sums of fewer payments than these stand in the vault alone: one person's payout is nobody's business.
const PAYMENTS_SUMMED_MIN: u64 = 10;

/// Why the bank was not told, or not heard.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pools or the site failed.
    #[error(transparent)]
    Fund(#[from] fund::Error),
    /// The lines of a settlement cannot be read.
    #[error(transparent)]
    Settle(#[from] settle::Error),
    /// The commits of covers are broken.
    #[error(transparent)]
    Cover(#[from] CoverError),
    /// The register of payees is broken.
    #[error(transparent)]
    Payee(#[from] payee::Error),
    /// The commits of payouts are broken.
    #[error(transparent)]
    Payouts(#[from] PayoutsError),
    /// The order could not be made.
    #[error("the order to the bank could not be made")]
    Order(#[from] OrderError),
    /// Nobody of that name pays.
    #[error("there is no pool and no policy `{0}`")]
    Unknown(PoolId),
    /// The period is not settled.
    #[error("pool `{pool}` has no settlement of {period}")]
    NotSettled {
        /// The pool.
        pool: PoolId,
        /// The period.
        period: Period,
    },
    /// There is nothing to pay.
    #[error("`{pool}` owes nobody for {period} whom the bank could pay: {waiting} wait")]
    NothingDue {
        /// The pool or policy.
        pool: PoolId,
        /// The period.
        period: Period,
        /// How many payments wait for an account.
        waiting: u64,
    },
    /// A rate that is none.
    #[error("a rate of exchange is above zero and between two currencies")]
    Rate,
    /// The converted sum is beyond bounds.
    #[error("the payments could not be converted")]
    Exchange(#[from] ApportionError),
    /// The bank's file cannot be read.
    #[error("the bank's file cannot be read")]
    Answer(#[from] AnswerError),
    /// The books cannot be made.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// Amounts beyond bounds.
    #[error(transparent)]
    Money(#[from] money::Error),
    /// Something could not be written down.
    #[error("the act could not be written down")]
    Write(#[from] serde_json::Error),
}

impl From<site::Error> for Error {
    fn from(error: site::Error) -> Self {
        Self::Fund(error.into())
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Fund(error.into())
    }
}

impl From<CanonicalError> for Error {
    fn from(error: CanonicalError) -> Self {
        Self::Fund(error.into())
    }
}

/// How the bank is told.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Whose account pays.
    pub debtor: Debtor,
    /// The version of the message.
    pub version: Version,
    /// When the bank shall pay; today where none is given.
    pub date: Option<Date>,
    /// The currency to pay in and the rate, where it is not the pool's own.
    pub exchange: Option<(Currency, Rate)>,
}

/// An order to the bank, made now or before.
#[derive(Debug, Clone, Serialize)]
pub struct Ordered {
    /// What it says.
    #[serde(flatten)]
    pub order: Exported,
    /// The commit.
    pub commit: u64,
    /// Its ledger entry.
    pub entry: EntryId,
    /// Whether this call made it; else nothing new was due and it is the file of before.
    pub new: bool,
    /// The file for the bank.
    #[serde(skip)]
    pub file: Vec<u8>,
}

/// Orders what is owed for a period, with what was left of those before it: what was never ordered, and
/// what came back. Where nothing is due, the period's newest order is found and handed out again, the
/// same bytes.
pub fn export(
    site: &Site,
    pool: &PoolId,
    period: &Period,
    terms: &Terms,
) -> Result<Ordered, Error> {
    let owing = Owing::find(site, pool)?;
    let period = owing.period(period)?;
    let debts = owing.debts(&period)?;
    let payouts = Payouts::load(&site.vault())?;
    let mut dues = Vec::new();
    for debt in &debts {
        dues.extend(payouts.due(pool, debt.commit, debt.owed(site)?));
    }
    let register = Register::load(&site.vault())?;
    let payees = register.newest();
    let all = dues.len();
    let mut payable: Vec<(Due, &Account)> = dues
        .into_iter()
        .filter_map(|due| Some((payees.get(&due.payee)?.account.as_ref()?, due)))
        .map(|(account, due)| (due, account))
        .collect();
    let sent = exchanged(&mut payable, owing.currency(), terms.exchange.as_ref())?;
    let waiting = all.saturating_sub(payable.len()) as u64;
    if payable.is_empty() {
        let known = payouts.exports(pool).rfind(|export| export.act.period.is_same(&period));
        let pool = pool.clone();
        return found(site, known.ok_or(Error::NothingDue { pool, period, waiting })?);
    }
    let asked = Asked { owing: &owing, period: &period, debts: &debts, waiting, terms };
    order(site, &asked, payouts.commit(), &payable, &sent)
}

/// What an order is made for.
struct Asked<'a> {
    owing: &'a Owing,
    period: &'a Period,
    debts: &'a [Debt<'a>],
    waiting: u64,
    terms: &'a Terms,
}

/// Returns the order of before, its file held against its digest and its own sums.
fn found(site: &Site, known: &Export) -> Result<Ordered, Error> {
    let Object { path, digest, .. } = &known.act.file;
    let file = site.vault().get(path)?;
    if Sha3Digest::of(&file) != *digest {
        return Err(payee::Error::Changed { path: path.clone() }.into());
    }
    drop(bank::check(&file)?);
    Ok(Ordered {
        order: known.act.clone(),
        commit: known.commit,
        entry: leaf_hash(known.entry.as_bytes()),
        new: false,
        file: file.to_vec(),
    })
}

/// Converts what is due: the sum once, half to even, then each payment's part of it. A payment of which
/// nothing is left waits, and the rest is converted without it.
fn exchanged(
    payable: &mut Vec<(Due, &Account)>,
    own: Currency,
    exchange: Option<&(Currency, Rate)>,
) -> Result<Vec<Amount>, Error> {
    let Some((currency, rate)) = exchange else {
        let amount = |(due, _): &(Due, &Account)| Amount::new(i128::from(due.minor), own);
        return Ok(payable.iter().map(amount).collect());
    };
    if *currency == own || rate.num == 0 || rate.den == 0 {
        return Err(Error::Rate);
    }
    // The rate is of whole units: two currencies may have another number of minor units in one.
    let scaled = |rate: u64, currency: Currency| {
        let power = 10_u128.checked_pow(u32::from(currency.exponent()));
        power.and_then(|power| u128::from(rate).checked_mul(power)).ok_or(Error::Rate)
    };
    let (num, den) = (scaled(rate.num, *currency)?, scaled(rate.den, own)?);
    loop {
        let amounts: Vec<u128> =
            payable.iter().map(|(due, _)| u128::from(due.minor.unsigned_abs())).collect();
        let keys: Vec<(u64, &PayeeId)> =
            payable.iter().map(|(due, _)| (due.settlement, &due.payee)).collect();
        let sent =
            if amounts.is_empty() { Vec::new() } else { convert_all(&amounts, num, den, &keys)? };
        if sent.iter().all(|amount| *amount > 0) {
            let amount = |minor| {
                let minor = i128::try_from(minor).map_err(|_| money::Error::Overflow)?;
                Ok(Amount::new(minor, *currency))
            };
            return sent.into_iter().map(amount).collect();
        }
        let mut left = sent.iter();
        payable.retain(|_| left.next().is_some_and(|amount| *amount > 0));
    }
}

fn order(
    site: &Site,
    asked: &Asked<'_>,
    newest: u64,
    payable: &[(Due, &Account)],
    sent: &[Amount],
) -> Result<Ordered, Error> {
    let Asked { owing, period, waiting, terms, .. } = *asked;
    let date = terms.date.unwrap_or_else(|| site.now().date());
    let mut lines = Vec::with_capacity(payable.len());
    for ((due, _), sent) in payable.iter().zip(sent) {
        let attempt = due.before.saturating_add(1);
        lines.push(ExportLine {
            settlement: due.settlement,
            payee: due.payee.clone(),
            attempt,
            minor: due.minor,
            sent_minor: i64::try_from(sent.minor()).map_err(|_| money::Error::Overflow)?,
            end_to_end: end_to_end(site, owing.id(), due, attempt),
        });
    }
    let payments: Vec<Payment<'_>> = payable
        .iter()
        .zip(&lines)
        .zip(sent)
        .map(|(((_, account), line), amount)| Payment {
            end_to_end: &line.end_to_end,
            amount: *amount,
            account,
        })
        .collect();
    let (lines_object, lines_bytes) = Object::write("payouts/lines", &lines)?;
    let txn = site.txn()?;
    let message = message(site, &txn);
    let order = Order {
        message: &message,
        created: site.now(),
        date,
        remittance: &owing.remittance(period),
        debtor: &terms.debtor,
        payments: &payments,
    };
    let file = bank::write(terms.version, &order)?;
    let digest = Sha3Digest::of(&file);
    let file_object =
        Object { path: format!("payouts/files/{digest}.xml"), digest, count: lines.len() as u64 };
    let total = |currency, minor: fn(&ExportLine) -> i64| {
        let amount = |line| Amount::new(i128::from(minor(line)), currency);
        lines.iter().map(amount).try_fold(Amount::zero(currency), Amount::plus)
    };
    let bank_currency = terms.exchange.as_ref().map_or(owing.currency(), |(currency, _)| *currency);
    let mut settlements: Vec<u64> = lines.iter().map(|line| line.settlement).collect();
    settlements.dedup();
    let exported = Exported {
        pool: owing.id().clone(),
        period: period.clone(),
        settlements,
        message,
        version: terms.version,
        date,
        total: total(owing.currency(), |line| line.minor)?,
        control: total(bank_currency, |line| line.sent_minor)?,
        rate: terms.exchange.as_ref().map(|(_, rate)| rate.clone()),
        file: file_object,
        lines: lines_object,
        waiting,
    };
    let vault = site.vault();
    vault.put_content(&exported.file.path, &file.clone().into())?;
    vault.put_content(&exported.lines.path, &lines_bytes)?;
    let entry = exported_entry(site, &txn, asked.debts, &exported)?;
    let commit = commit(site, txn, newest, Act::Exported(Box::new(exported.clone())), &entry)?;
    Ok(Ordered { order: exported, commit, entry: entry.id(), new: true, file })
}

/// Names all pools and policies that may owe.
pub fn payers(site: &Site) -> Result<Vec<PoolId>, Error> {
    Owing::names(site)
}

/// Makes the id of a payment: keyed, so that it tells nobody whose it is, and of its own each time that
/// the payment is ordered.
fn end_to_end(site: &Site, pool: &PoolId, due: &Due, attempt: u32) -> String {
    let (kind, id) = match &due.payee {
        PayeeId::Contributor(id) => ("contributor", id.as_str()),
        PayeeId::Institution(id) => ("institution", id.as_str()),
    };
    let (settlement, attempt) = (due.settlement.to_be_bytes(), attempt.to_be_bytes());
    let parts = [pool.as_str().as_bytes(), &settlement, kind.as_bytes(), id.as_bytes(), &attempt];
    opaque("AL", &hmac_sha3_parts(&site.secret("payout-ids"), &parts))
}

/// Makes the id of a message of the random id of its commit: it is handed out once that stands, and found
/// again with it.
fn message(site: &Site, txn: &str) -> String {
    let parts = [b"almoner/payout-message/v2".as_slice(), txn.as_bytes()];
    opaque("ALM", &hmac_sha3_parts(&site.secret("payout-ids"), &parts))
}

fn opaque(prefix: &str, mac: &[u8; 32]) -> String {
    let mut id = format!("{prefix}{}", hex(mac));
    id.truncate(prefix.len().saturating_add(32));
    id
}

fn exported_entry(
    site: &Site,
    txn: &str,
    debts: &[Debt<'_>],
    exported: &Exported,
) -> Result<Entry, Error> {
    // Salted by the commit's random id, which an erasure of who is paid destroys.
    let parts = [
        b"almoner/payout-exported/v2".as_slice(),
        txn.as_bytes(),
        exported.lines.digest.as_bytes(),
        exported.file.digest.as_bytes(),
    ];
    let commitment = Sha3Digest(hmac_sha3_parts(&site.secret("payouts"), &parts));
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    put("pool", exported.pool.as_str().into());
    put("period", exported.period.as_str().into());
    put("message", exported.message.as_str().into());
    put("count", bucket(exported.lines.count));
    put("currency", exported.control.currency().code().into());
    put("commitment", commitment.to_string().into());
    if exported.lines.count >= PAYMENTS_SUMMED_MIN {
        put("total", serde_json::to_value(exported.total)?);
        put("control", serde_json::to_value(exported.control)?);
    }
    if let Some(rate) = &exported.rate {
        put("rate", serde_json::to_value(rate)?);
    }
    let name = format!("payout-order:{}@{}", exported.pool, exported.period);
    let paid = debts.iter().filter(|debt| exported.settlements.contains(&debt.commit));
    let prev: Vec<EntryId> = paid.map(|debt| debt.entry).collect();
    Ok(site.entry(Kind::PayoutExported, &[subject(name, commitment)], &prev, &body)?)
}

fn commit(site: &Site, txn: String, newest: u64, act: Act, entry: &Entry) -> Result<u64, Error> {
    let number = newest.saturating_add(1);
    let body = Commit { txn, time: site.now(), act, entry: entry.text().to_owned() };
    site.commit(&Sequence::new(&site.vault(), COMMITS), number, &body, entry)?;
    Ok(number)
}

/// Holds a file for the bank against its own sums; needs no site.
pub fn check(file: &[u8]) -> Result<Sums, Error> {
    Ok(bank::check(file)?)
}

#[cfg(test)]
mod tests;
