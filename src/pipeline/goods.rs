//! Goods in kind: taken in, given by what contributors earned, and handed out for vouchers.
//!
//! Comes in: a gift, a settled period, a voucher's code. Goes out: commits of `vault/goods` and their
//! entries in the book. Never: a unit taken back from somebody, or a voucher redeemed twice.
//!
//! Giving looks at what was earned, never at who consents today: what a person earned before they
//! withdrew stays theirs, and so do their vouchers.

mod vouchers;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

pub use self::vouchers::{
    Ended, Found, Proven, end_expired, find, give_back, listed, prove, redeem,
};
use super::{
    fund::{self, Done, found, json, load, subject},
    settle::{self, LineKeys, object, recorded},
};
use crate::{
    digest::{CanonicalError, Sha3Digest, canonical_digest, hex, hmac_sha3_parts},
    instant::Date,
    ledger::{Entry, Kind},
    money::{self, Amount},
    party::ContributorId,
    reward::{
        LineError, ObjectRef, Period, Pool, PoolId,
        goods::{
            AllotError, Basis, Counts, Given, GivenLine, GivingTree, Goods, GoodsAct, GoodsCommit,
            GoodsError, Item, ItemId, Received, Secrets, SettlementRef, allot, read_given,
            read_goods, value, write_given, write_journal,
        },
        journal::Dialect,
        proof::leaf_hash,
    },
    site::{self, Site},
    store::{self, Sequence},
};

/// Why an act on goods could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pools, the site or the store failed.
    #[error(transparent)]
    Fund(#[from] fund::Error),
    /// A settlement could not be read.
    #[error(transparent)]
    Settle(#[from] settle::Error),
    /// The commits of goods are broken.
    #[error(transparent)]
    Goods(#[from] GoodsError),
    /// The lines of a giving cannot be read.
    #[error("the lines of goods commit {commit} cannot be read")]
    Lines {
        /// The commit.
        commit: u64,
        /// What the reader said.
        #[source]
        source: LineError,
    },
    /// The lines of a giving could not be written.
    #[error("the lines of a giving could not be written")]
    Write(#[source] LineError),
    /// A recorded object is not what its commit says.
    #[error("the object `{path}` is not what its commit says")]
    Changed {
        /// The object.
        path: String,
    },
    /// The gift is not one that the pool can take.
    #[error("pool `{0}` takes one unit or more, at a price above zero in its own currency")]
    Gift(PoolId),
    /// The reference was used for another gift.
    #[error("pool `{pool}` was given goods under the same reference, but not these")]
    OtherGift {
        /// The pool.
        pool: PoolId,
        /// The commit of the other gift.
        commit: u64,
    },
    /// The item has another price.
    #[error("`{item}` is recorded at {recorded} a unit in pool `{pool}`")]
    OtherPrice {
        /// The pool.
        pool: PoolId,
        /// The item.
        item: ItemId,
        /// The price.
        recorded: Amount,
    },
    /// There is no such item.
    #[error("pool `{pool}` never received a `{item}`")]
    UnknownItem {
        /// The pool.
        pool: PoolId,
        /// The item.
        item: ItemId,
        /// The items that it did receive.
        known: Vec<String>,
    },
    /// The period is not settled.
    #[error("pool `{pool}` has not settled {period}")]
    Unsettled {
        /// The pool.
        pool: PoolId,
        /// The period.
        period: Period,
    },
    /// The item was given for a later period.
    #[error(
        "`{item}` of pool `{pool}` was given for {given} already, which does not end before {period} begins"
    )]
    Order {
        /// The pool.
        pool: PoolId,
        /// The item.
        item: ItemId,
        /// The period that is asked for.
        period: Period,
        /// The period of the giving.
        given: Period,
    },
    /// There is nothing to give.
    #[error("pool `{pool}` has nothing on hand to give for {period}")]
    Nothing {
        /// The pool.
        pool: PoolId,
        /// The period.
        period: Period,
    },
    /// There is less than is asked for.
    #[error("pool `{pool}` has {on_hand} of `{item}` on hand, not {asked}")]
    Short {
        /// The pool.
        pool: PoolId,
        /// The item.
        item: ItemId,
        /// How many there are.
        on_hand: u64,
        /// How many are asked for.
        asked: u64,
    },
    /// The last day of new vouchers is over already.
    #[error("the vouchers would have expired on {0} already")]
    Expiry(Date),
    /// The units could not be allotted.
    #[error("`{item}` of pool `{pool}` for {period}")]
    Allot {
        /// The pool.
        pool: PoolId,
        /// The item.
        item: ItemId,
        /// The period.
        period: Period,
        /// Why not.
        #[source]
        source: Box<AllotError>,
    },
    /// No voucher has the code.
    #[error("no voucher of this site has that code")]
    NoVoucher,
    /// The voucher's last day is over.
    #[error("the voucher was good until {0}")]
    Late(Date),
    /// The voucher has ended.
    #[error("the voucher was {how} on {on} already")]
    Over {
        /// What became of it.
        how: &'static str,
        /// When.
        on: Date,
    },
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

impl From<money::Error> for Error {
    fn from(error: money::Error) -> Self {
        Self::Goods(error.into())
    }
}

/// Returns the goods of all pools as they stand.
pub fn goods(site: &Site) -> Result<BTreeMap<PoolId, Goods>, Error> {
    Ok(load_goods(site)?.0)
}

/// Returns the goods of all pools, and the number of the newest commit that says so.
fn load_goods(site: &Site) -> Result<(BTreeMap<PoolId, Goods>, u64), Error> {
    let commits = sequence(site).all()?;
    let newest = commits.last().map_or(0, |(number, _)| *number);
    Ok((read_goods(&commits)?, newest))
}

fn sequence(site: &Site) -> Sequence {
    Sequence::new(&site.vault(), "goods/commits")
}

/// Makes the commit after `newest`, the last one that the act was decided on; whoever committed since
/// then makes it a conflict.
fn commit(
    site: &Site,
    txn: String,
    newest: u64,
    act: GoodsAct,
    entry: &Entry,
) -> Result<Done, Error> {
    let number = newest.saturating_add(1);
    let body = GoodsCommit { txn, time: site.now(), act, entry: entry.text().to_owned() };
    site.commit(&sequence(site), number, &body, entry)?;
    Ok(Done { commit: number, entry: entry.id(), new: true })
}

/// Takes goods into a pool. The same reference again is the same gift, and changes nothing.
pub fn receive(site: &Site, gift: Received) -> Result<Done, Error> {
    let (pools, _) = load(site)?;
    let pool = pools.get(&gift.pool).ok_or_else(|| fund::Error::Unknown(gift.pool.clone()))?;
    let (all, newest) = load_goods(site)?;
    let goods = all.get(&gift.pool);
    let mut known = goods.into_iter().flat_map(Goods::values).flat_map(|item| &item.received);
    if let Some(known) = known.find(|known| known.act.reference == gift.reference) {
        return if known.act == gift {
            Ok(found(known))
        } else {
            Err(Error::OtherGift { pool: gift.pool, commit: known.commit })
        };
    }
    let price = gift.unit_price;
    if gift.units == 0 || price.minor() <= 0 || price.currency() != pool.currency() {
        return Err(Error::Gift(gift.pool));
    }
    let recorded = goods.and_then(|goods| goods.get(&gift.item)).map(|item| item.unit_price);
    if let Some(recorded) = recorded.filter(|recorded| *recorded != price) {
        return Err(Error::OtherPrice { pool: gift.pool, item: gift.item, recorded });
    }
    let keyed = |label: &str| {
        let parts =
            [gift.pool.as_str(), gift.item.as_str(), gift.sponsor.as_str(), &gift.reference];
        Sha3Digest(hmac_sha3_parts(&site.secret(label), &parts.map(str::as_bytes)))
    };
    let commitment = keyed("payment-reference");
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    put("pool", gift.pool.as_str().into());
    put("item", gift.item.as_str().into());
    put("units", gift.units.into());
    put("unit_price", json(&price)?);
    put("value", json(&value(price, gift.units)?)?);
    put("sponsor_token", hex(keyed("sponsor-token").as_bytes()).into());
    put("reference_commitment", commitment.to_string().into());
    let subject = subject(format!("goods:{}/{}", gift.pool, gift.item), commitment);
    let prev = leaf_hash(pool.opened.entry.as_bytes());
    let entry = site.entry(Kind::GoodsReceived, &[subject], &[prev], &body)?;
    commit(site, site.txn()?, newest, GoodsAct::Received(gift), &entry)
}

/// What is to be given.
#[derive(Debug, Clone)]
pub struct Giving {
    /// The pool.
    pub pool: PoolId,
    /// The settled period up to which earnings count.
    pub period: Period,
    /// One item and how many of it; all that is on hand where no number is given, and every item where
    /// none is named.
    pub only: Option<(ItemId, Option<u64>)>,
    /// The last day on which the vouchers are taken.
    pub expires: Option<Date>,
    /// Whether nothing is written.
    pub dry_run: bool,
}

/// What was given of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GivenItem {
    /// The giving as it is recorded (or would be).
    pub given: Given,
    /// What the units are worth at the recorded price.
    pub value: Amount,
    /// To how many contributors the units go.
    #[serde(skip)]
    pub people: u64,
    /// The commit and entry; `None` for a dry run.
    pub done: Option<Done>,
}

/// Allots units of a pool's goods after the settlement of a period. What was given for the period
/// before is found, and nothing is given again.
pub fn give(site: &Site, giving: &Giving) -> Result<Vec<GivenItem>, Error> {
    let Giving { pool: name, period, .. } = giving;
    let (pools, _) = load(site)?;
    let pool = pools.get(name).ok_or_else(|| fund::Error::Unknown(name.clone()))?;
    if let Some(last) = giving.expires.filter(|last| *last < site.now().date()) {
        return Err(Error::Expiry(last));
    }
    let settled = |p: &Period| (p.from(), p.until()) == (period.from(), period.until());
    if !pool.settled.iter().any(|s| settled(&s.act.period)) {
        return Err(Error::Unsettled { pool: name.clone(), period: period.clone() });
    }
    let (all, mut newest) = load_goods(site)?;
    let goods = all.get(name).cloned().unwrap_or_default();
    let known = || goods.keys().map(ToString::to_string).collect();
    let wanted: Vec<(&ItemId, &Item, Option<u64>)> = match &giving.only {
        None => goods.iter().map(|(item, held)| (item, held, None)).collect(),
        Some((item, units)) => {
            let held = goods.get(item).ok_or_else(|| Error::UnknownItem {
                pool: name.clone(),
                item: item.clone(),
                known: known(),
            })?;
            vec![(item, held, *units)]
        }
    };
    let mut outcome = Vec::new();
    for (item, held, units) in wanted {
        if let Some(before) = held.given.iter().find(|given| settled(&given.act.period)) {
            let lines = given_lines(site, before.commit, &before.act)?;
            let value = held.value(before.act.units)?;
            let (given, people, done) = (before.act.clone(), people(&lines), Some(found(before)));
            outcome.push(GivenItem { given, value, people, done });
            continue;
        }
        let on_hand = held.counts()?.on_hand;
        let units = units.unwrap_or(on_hand);
        if units > on_hand {
            let (pool, item) = (name.clone(), item.clone());
            return Err(Error::Short { pool, item, on_hand, asked: units });
        }
        if units == 0 {
            continue;
        }
        let one = One { pool, period, item, held, units, expires: giving.expires };
        let given = one.give(site, newest, giving.dry_run)?;
        newest = given.done.as_ref().map_or(newest, |done| done.commit);
        outcome.push(given);
    }
    if outcome.is_empty() {
        return Err(Error::Nothing { pool: name.clone(), period: period.clone() });
    }
    Ok(outcome)
}

/// One item that is given.
struct One<'a> {
    pool: &'a Pool,
    period: &'a Period,
    item: &'a ItemId,
    held: &'a Item,
    units: u64,
    expires: Option<Date>,
}

impl One<'_> {
    fn give(&self, site: &Site, newest: u64, dry_run: bool) -> Result<GivenItem, Error> {
        let (pool, item) = (self.pool.id().clone(), self.item.clone());
        let last = self.held.given.last();
        if let Some(last) = last.filter(|last| self.period.from() < last.act.period.until()) {
            let (period, given) = (self.period.clone(), last.act.period.clone());
            return Err(Error::Order { pool, item, period, given });
        }
        let (basis, earned) = self.basis(site)?;
        let before = match last {
            Some(last) => given_lines(site, last.commit, &last.act)?,
            None => Vec::new(),
        };
        let lines = allot(&basis, &earned, &before)
            .map_err(|source| Error::Allot {
                pool: pool.clone(),
                item: item.clone(),
                period: self.period.clone(),
                source: Box::new(source),
            })?
            .lines;
        let keys = LineKeys::load(site)?;
        let tree = GivingTree::new(&pool, &item, self.period, &lines, |whose| keys.of(whose))?;
        let named = |bytes: Vec<u8>, kind: &str| {
            let digest = Sha3Digest::of(&bytes);
            (ObjectRef { path: format!("goods/givings/{digest}.{kind}"), digest }, bytes)
        };
        let basis_object = named(basis.bytes()?, "json");
        let lines_object = named(write_given(&lines).map_err(Error::Write)?.to_vec(), "parquet");
        let leaves_object = named(tree.bytes(), "leaves");
        let given = Given {
            pool,
            period: self.period.clone(),
            item,
            units: self.units,
            expires: self.expires,
            basis: basis_object.0.clone(),
            lines: lines_object.0.clone(),
            leaves: leaves_object.0.clone(),
            root: tree.root(),
            count: lines.len() as u64,
        };
        let value = self.held.value(self.units)?;
        let people = people(&lines);
        if dry_run {
            return Ok(GivenItem { given, value, people, done: None });
        }
        for (at, bytes) in [basis_object, lines_object, leaves_object] {
            site.vault().put_content(&at.path, &Bytes::from(bytes))?;
        }
        let entry = self.entry(site, &basis, &given, value)?;
        let done =
            commit(site, site.txn()?, newest, GoodsAct::Given(Box::new(given.clone())), &entry)?;
        Ok(GivenItem { given, value, people, done: Some(done) })
    }

    /// Returns what the allotment rests on, and what each contributor earned in all of it.
    fn basis(&self, site: &Site) -> Result<(Basis, BTreeMap<ContributorId, u128>), Error> {
        let counts = |p: &Period| p.until() <= self.period.until();
        let mut earned: BTreeMap<ContributorId, u128> = BTreeMap::new();
        let mut settlements = Vec::new();
        for settled in self.pool.settled.iter().filter(|s| counts(&s.act.period)) {
            let entry = leaf_hash(settled.entry.as_bytes());
            let lines = settled.act.lines.clone();
            for line in recorded(site, &settled.act)?.people {
                let sum = earned.entry(line.contributor.clone()).or_default();
                let all = u128::try_from(line.gross_micro).ok().and_then(|g| sum.checked_add(g));
                *sum = all.ok_or(money::Error::Overflow)?;
            }
            settlements.push(SettlementRef { commit: settled.commit, entry, lines });
        }
        let basis = Basis {
            pool: self.pool.id().clone(),
            item: self.item.clone(),
            period: self.period.clone(),
            units: self.units,
            settlements,
            before: self.held.given.last().map(|last| last.act.lines.clone()),
        };
        Ok((basis, earned))
    }

    fn entry(
        &self,
        site: &Site,
        basis: &Basis,
        given: &Given,
        value: Amount,
    ) -> Result<Entry, Error> {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
        put("pool", given.pool.as_str().into());
        put("period", given.period.as_str().into());
        put("item", given.item.as_str().into());
        put("units", given.units.into());
        put("value", json(&value)?);
        put("expires", json(&given.expires)?);
        put("root", given.root.to_string().into());
        put("count", settle::people(given.count));
        put("input_digest", given.basis.digest.to_string().into());
        let settlements = basis.settlements.last().map(|s| s.entry);
        let before = self.held.given.last().map(|last| leaf_hash(last.entry.as_bytes()));
        let prev: Vec<_> = settlements.into_iter().chain(before).collect();
        let name = format!("giving:{}/{}@{}", given.pool, given.item, given.period);
        let subject = subject(name, canonical_digest(basis)?);
        Ok(site.entry(Kind::GoodsGiven, &[subject], &prev, &body)?)
    }
}

/// Counts those who are given something.
fn people(lines: &[GivenLine]) -> u64 {
    lines.iter().filter(|line| line.units > 0).count() as u64
}

/// Reads the recorded lines of a giving.
pub(super) fn given_lines(
    site: &Site,
    commit: u64,
    given: &Given,
) -> Result<Vec<GivenLine>, Error> {
    let bytes = object(site, &given.lines)?;
    read_given(&bytes).map_err(|source| Error::Lines { commit, source })
}

/// Returns the secrets that vouchers are made of.
pub(super) fn secrets(site: &Site) -> Secrets {
    Secrets { codes: site.secret("voucher-codes"), ids: site.secret("voucher-ids") }
}

/// How an item of a pool stands, for showing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stock {
    /// The pool.
    pub pool: PoolId,
    /// The item.
    pub item: ItemId,
    /// What one is worth.
    pub unit_price: Amount,
    /// How many units are where.
    #[serde(flatten)]
    pub counts: Counts,
    /// What all that is still in store is worth: on hand, or waiting for its voucher.
    pub value: Amount,
    /// The periods for which it was given.
    pub given_for: Vec<String>,
}

/// Says how the goods of a pool stand, or of all pools.
pub fn stocks(site: &Site, pool: Option<&PoolId>) -> Result<Vec<Stock>, Error> {
    let all = goods_of(site, pool)?;
    let mut stocks = Vec::new();
    for (pool, goods) in &all {
        for (name, item) in goods {
            let counts = item.counts()?;
            let in_store = counts.on_hand.saturating_add(counts.outstanding);
            stocks.push(Stock {
                pool: pool.clone(),
                item: name.clone(),
                unit_price: item.unit_price,
                counts,
                value: item.value(in_store)?,
                given_for: item.given.iter().map(|g| g.act.period.to_string()).collect(),
            });
        }
    }
    Ok(stocks)
}

/// Writes the books of a pool's goods.
pub fn journal(site: &Site, pool: &PoolId, dialect: Dialect) -> Result<String, Error> {
    let goods = goods_of(site, Some(pool))?.remove(pool).unwrap_or_default();
    Ok(write_journal(pool, &goods, dialect)?)
}

/// Returns the goods of one pool, or of all; an error where there is no such pool.
fn goods_of(site: &Site, pool: Option<&PoolId>) -> Result<BTreeMap<PoolId, Goods>, Error> {
    let mut all = goods(site)?;
    if let Some(pool) = pool {
        if !load(site)?.0.contains_key(pool) {
            return Err(fund::Error::Unknown(pool.clone()).into());
        }
        all.retain(|name, _| name == pool);
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
