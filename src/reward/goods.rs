//! Goods in a pool, as numbered acts: received, given, and each voucher's end.
//!
//! Comes in: the commits of `vault/goods`. Goes out: each [`Item`] of each pool as it stands.
//! Never: more units given than there are, or a voucher that ends twice.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

mod allot;
mod journal;
mod line;
mod voucher;

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use self::{
    allot::{AllotError, Allotment, Basis, SettlementRef, allot},
    journal::write_journal,
    line::{GivenLine, GivingProof, GivingTree, read_given, write_given},
    voucher::{CodeError, Secrets, Voucher, VoucherCode, VoucherId},
};
use super::{Dated, ObjectRef, Period, PoolId};
use crate::{
    digest::Sha256,
    instant::{Date, Instant},
    money::{self, Amount},
    party::SponsorId,
};

/// The name of a kind of goods at one price: 2 to 24 of `a-z`, `0-9` and `-`, a letter first and no
/// `-` last, so that its capitals name a commodity in every dialect of the books.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ItemId(String);

/// A text is no name of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an item's name is 2 to 24 of a-z, 0-9 and `-`, a letter first and no `-` last")]
pub struct ItemIdError;

impl ItemId {
    /// Parses a name.
    pub fn parse(text: &str) -> Result<Self, ItemIdError> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let good = (2..=24).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && text.bytes().all(fits);
        if good { Ok(Self(text.to_owned())) } else { Err(ItemIdError) }
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ItemId {
    type Error = ItemIdError;

    fn try_from(text: String) -> Result<Self, ItemIdError> {
        Self::parse(&text)
    }
}

impl From<ItemId> for String {
    fn from(id: ItemId) -> Self {
        id.0
    }
}

/// Goods come in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// The pool.
    pub pool: PoolId,
    /// What.
    pub item: ItemId,
    /// How many.
    pub units: u64,
    /// What one is worth, in the pool's currency: the same for all units of an item.
    pub unit_price: Amount,
    /// From whom.
    pub sponsor: SponsorId,
    /// The gift's reference: the same one twice is one gift.
    pub reference: String,
}

/// Units of an item are allotted to contributors; each becomes a voucher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// The pool.
    pub pool: PoolId,
    /// The settled period up to which contributors' earnings count.
    pub period: Period,
    /// What.
    pub item: ItemId,
    /// How many.
    pub units: u64,
    /// The last day on which its vouchers are taken; none where they are always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
    /// Everything that the allotment rests on ([`Basis`], canonical JSON).
    pub basis: ObjectRef,
    /// The lines, one a contributor (Parquet).
    pub lines: ObjectRef,
    /// The leaves of the tree over the lines, 64 bytes each, sorted.
    pub leaves: ObjectRef,
    /// The root over the leaves.
    pub root: Sha256,
    /// The number of lines.
    pub count: u64,
}

/// A voucher is redeemed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redeemed {
    /// The pool.
    pub pool: PoolId,
    /// What was handed out for it.
    pub item: ItemId,
    /// The commit that issued it.
    pub giving: u64,
    /// Which.
    pub voucher: VoucherId,
}

/// Why vouchers end without being redeemed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lapse {
    /// Their last day is over.
    Expired,
    /// Their owner gave them back.
    Returned,
}

impl Lapse {
    /// Returns its name as commits and entries spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Returned => "returned",
        }
    }
}

/// Vouchers of one item end without being redeemed; their units go to the next giving.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lapsed {
    /// The pool.
    pub pool: PoolId,
    /// Of what.
    pub item: ItemId,
    /// Why.
    pub how: Lapse,
    /// Which, sorted.
    pub vouchers: Vec<VoucherId>,
}

/// One act on a pool's goods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum GoodsAct {
    /// Goods come in.
    Received(Received),
    /// Units are allotted.
    Given(Box<Given>),
    /// A voucher is redeemed.
    Redeemed(Redeemed),
    /// Vouchers end without being redeemed.
    Lapsed(Lapsed),
}

/// One commit of `vault/goods/commits`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoodsCommit {
    /// A random id of this commit.
    pub txn: String,
    /// When.
    pub time: Instant,
    /// What.
    pub act: GoodsAct,
    /// The ledger entry, as its bytes stand in the log.
    pub entry: String,
}

/// How a voucher stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoucherState {
    /// Nobody has redeemed it.
    Issued,
    /// It was redeemed.
    Redeemed(Instant),
    /// It ended without being redeemed.
    Lapsed(Lapse, Instant),
}

/// A kind of goods in a pool, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What one is worth.
    pub unit_price: Amount,
    /// What came in, in order.
    pub received: Vec<Dated<Received>>,
    /// What was allotted, in order.
    pub given: Vec<Dated<Given>>,
    /// What was redeemed, in order.
    pub redeemed: Vec<Dated<Redeemed>>,
    /// What lapsed, in order.
    pub lapsed: Vec<Dated<Lapsed>>,
    ended: BTreeMap<VoucherId, VoucherState>,
}

/// The goods of a pool, by item.
pub type Goods = BTreeMap<ItemId, Item>;

/// How many units of an item are where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All that came in.
    pub received: u64,
    /// All that was allotted: vouchers ever issued.
    pub given: u64,
    /// Handed out for a voucher.
    pub redeemed: u64,
    /// Vouchers that ended because their last day was over.
    pub expired: u64,
    /// Vouchers that were given back.
    pub returned: u64,
    /// Vouchers that may still be redeemed.
    pub outstanding: u64,
    /// Units that the next giving can allot.
    pub on_hand: u64,
}

/// What is wrong with the commits of goods.
#[derive(Debug, thiserror::Error)]
pub enum GoodsError {
    /// A commit cannot be read.
    #[error("goods commit {commit} cannot be read")]
    Format {
        /// Its number.
        commit: u64,
        /// What the reader said.
        #[source]
        source: serde_json::Error,
    },
    /// A commit does not follow from those before it.
    #[error("goods commit {commit}: {reason}")]
    Order {
        /// Its number.
        commit: u64,
        /// Why not.
        reason: &'static str,
    },
    /// A sum does not fit.
    #[error(transparent)]
    Money(#[from] money::Error),
}

impl Item {
    fn new(unit_price: Amount) -> Self {
        Self {
            unit_price,
            received: Vec::new(),
            given: Vec::new(),
            redeemed: Vec::new(),
            lapsed: Vec::new(),
            ended: BTreeMap::new(),
        }
    }

    /// Counts the units; an error where more went out than came in.
    pub fn counts(&self) -> Result<Counts, money::Error> {
        let lapsed = |how: Lapse| {
            let ended = self.ended.values();
            let own = |state: &&VoucherState| matches!(state, VoucherState::Lapsed(why, _) if *why == how);
            u64::try_from(ended.filter(own).count()).map_err(|_| money::Error::Overflow)
        };
        let received = total(self.received.iter().map(|r| r.act.units))?;
        let given = total(self.given.iter().map(|g| g.act.units))?;
        let redeemed = u64::try_from(self.redeemed.len()).map_err(|_| money::Error::Overflow)?;
        let (expired, returned) = (lapsed(Lapse::Expired)?, lapsed(Lapse::Returned)?);
        let less = |a: u64, b: u64| a.checked_sub(b).ok_or(money::Error::Overflow);
        let standing = less(less(given, expired)?, returned)?;
        Ok(Counts {
            received,
            given,
            redeemed,
            expired,
            returned,
            outstanding: less(standing, redeemed)?,
            on_hand: less(received, standing)?,
        })
    }

    /// Says how a voucher stands.
    pub fn state(&self, voucher: &VoucherId) -> VoucherState {
        self.ended.get(voucher).copied().unwrap_or(VoucherState::Issued)
    }

    /// Returns the value of so many units at the recorded price.
    pub fn value(&self, units: u64) -> Result<Amount, money::Error> {
        value(self.unit_price, units)
    }

    fn end(&mut self, voucher: &VoucherId, state: VoucherState) -> bool {
        self.ended.insert(voucher.clone(), state).is_none()
    }
}

fn total(mut units: impl Iterator<Item = u64>) -> Result<u64, money::Error> {
    units.try_fold(0_u64, u64::checked_add).ok_or(money::Error::Overflow)
}

/// Returns the value of units at a price.
pub fn value(unit_price: Amount, units: u64) -> Result<Amount, money::Error> {
    let minor = unit_price.minor().checked_mul(i128::from(units)).ok_or(money::Error::Overflow)?;
    Ok(Amount::new(minor, unit_price.currency()))
}

/// Reads all commits into the goods of each pool as they stand.
pub fn read_goods(commits: &[(u64, Bytes)]) -> Result<BTreeMap<PoolId, Goods>, GoodsError> {
    let mut pools: BTreeMap<PoolId, Goods> = BTreeMap::new();
    for (number, body) in commits {
        let commit = *number;
        let GoodsCommit { time, act, entry, .. } =
            serde_json::from_slice(body).map_err(|source| GoodsError::Format { commit, source })?;
        let wrong = |reason| GoodsError::Order { commit, reason };
        let (pool, name) = match &act {
            GoodsAct::Received(act) => (&act.pool, &act.item),
            GoodsAct::Given(act) => (&act.pool, &act.item),
            GoodsAct::Redeemed(act) => (&act.pool, &act.item),
            GoodsAct::Lapsed(act) => (&act.pool, &act.item),
        };
        let goods = pools.entry(pool.clone()).or_default();
        if let GoodsAct::Received(act) = act {
            let item = goods.entry(act.item.clone()).or_insert_with(|| Item::new(act.unit_price));
            if act.units == 0 || act.unit_price.minor() <= 0 || act.unit_price != item.unit_price {
                return Err(wrong("it holds nothing, or is at another price than before"));
            }
            item.received.push(Dated { commit, time, entry, act });
            item.counts()?;
            continue;
        }
        let item =
            goods.get_mut(name).ok_or_else(|| wrong("nothing of the item came in before"))?;
        match act {
            GoodsAct::Received(_) => {}
            GoodsAct::Given(act) => {
                let last = item.given.last();
                if last.is_some_and(|last| act.period.from() < last.act.period.until()) {
                    return Err(wrong("the item was given for that period or a later one before"));
                }
                if act.units == 0 || act.units > item.counts()?.on_hand {
                    return Err(wrong("it gives nothing, or more than was on hand"));
                }
                item.given.push(Dated { commit, time, entry, act: *act });
            }
            GoodsAct::Redeemed(act) => {
                if !item.end(&act.voucher, VoucherState::Redeemed(time)) {
                    return Err(wrong("the voucher had ended before"));
                }
                item.redeemed.push(Dated { commit, time, entry, act });
                item.counts()?;
            }
            GoodsAct::Lapsed(act) => {
                for voucher in &act.vouchers {
                    if !item.end(voucher, VoucherState::Lapsed(act.how, time)) {
                        return Err(wrong("a voucher had ended before"));
                    }
                }
                item.lapsed.push(Dated { commit, time, entry, act });
                item.counts()?;
            }
        }
    }
    Ok(pools)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test that wraps fails")]
mod tests;
