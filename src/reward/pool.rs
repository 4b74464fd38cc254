//! A sponsor's money under its terms, as numbered acts: opened, funded, settled.
//!
//! Comes in: the commits of `vault/pools`. Goes out: each [`Pool`] as it stands.
//! Never: an act on a pool that was not opened, or in another currency than the pool's.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Matched, Overridden, Period, RuleError, RuleSet, Totals};
use crate::{
    digest::{Sha3Digest, Sha256},
    instant::Instant,
    money::{self, Accrual, Amount, Currency},
    party::SponsorId,
    purpose::{Purpose, covers},
};

/// A pool's name: 1 to 64 of `a-z`, `0-9` and `-`, a letter or digit first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PoolId(String);

/// A text is no name of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pool's name is 1 to 64 of a-z, 0-9 and `-`, beginning with a letter or digit")]
pub struct PoolIdError;

impl PoolId {
    /// Parses a name.
    pub fn parse(text: &str) -> Result<Self, PoolIdError> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let good =
            (1..=64).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(fits);
        if good { Ok(Self(text.to_owned())) } else { Err(PoolIdError) }
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for PoolId {
    type Error = PoolIdError;

    fn try_from(text: String) -> Result<Self, PoolIdError> {
        Self::parse(&text)
    }
}

impl From<PoolId> for String {
    fn from(id: PoolId) -> Self {
        id.0
    }
}

/// What is wrong with the way in which a pool is opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenedError {
    /// The rule set is no whole.
    #[error(transparent)]
    Rules(#[from] RuleError),
    /// No dataset is named.
    #[error("a pool pays for at least one dataset")]
    Datasets,
    /// A purpose is no permission.
    #[error("`{0}` says on what conditions data may be used, not what for")]
    Purpose(Purpose),
}

/// A pool is opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Its name.
    pub pool: PoolId,
    /// Its currency.
    pub currency: Currency,
    /// The datasets it pays for, sorted.
    pub datasets: Vec<String>,
    /// What its money may pay for, sorted; empty for anything.
    pub purposes: Vec<Purpose>,
    /// How it pays.
    pub rules: RuleSet,
}

impl Opened {
    /// Checks the rules, and sorts the datasets and purposes.
    pub fn check(mut self) -> Result<Self, OpenedError> {
        self.rules = self.rules.check()?;
        self.datasets.sort();
        self.datasets.dedup();
        self.purposes.sort();
        self.purposes.dedup();
        if let Some(other) = self.purposes.iter().find(|purpose| !purpose.is_research()) {
            return Err(OpenedError::Purpose(other.clone()));
        }
        if self.datasets.is_empty() { Err(OpenedError::Datasets) } else { Ok(self) }
    }

    /// Says whether the pool's money may pay for a use.
    pub fn pays_for(&self, purpose: &Purpose) -> bool {
        self.purposes.is_empty() || self.purposes.iter().any(|granted| covers(granted, purpose))
    }
}

/// Money comes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Funded {
    /// The pool.
    pub pool: PoolId,
    /// How much.
    pub amount: Amount,
    /// From whom.
    pub sponsor: SponsorId,
    /// The payment's reference: the same one twice is one payment.
    pub reference: String,
}

/// An object of the vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Its path in the vault.
    pub path: String,
    /// The SHA3-256 digest of its bytes.
    pub digest: Sha3Digest,
}

/// A period is settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The pool.
    pub pool: PoolId,
    /// The period.
    pub period: Period,
    /// The commits whose money it gave out.
    pub funded: Vec<u64>,
    /// Everything the result rests on ([`super::Inputs`], canonical JSON).
    pub inputs: ObjectRef,
    /// The lines, one a contributor (Parquet).
    pub lines: ObjectRef,
    /// The leaves of the line tree, 64 bytes each, sorted.
    pub leaves: ObjectRef,
    /// The root over the leaves.
    pub root: Sha256,
    /// The number of lines.
    pub count: u64,
    /// The sums.
    pub totals: Totals,
    /// The lines of institutions, one each (Parquet), where the rules give them a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub institution_lines: Option<ObjectRef>,
    /// What people may not draw yet (Parquet, [`super::Held`]), where there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<ObjectRef>,
}

/// One act on a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Act {
    /// It is opened.
    Opened(Opened),
    /// It is funded.
    Funded(Funded),
    /// The steward decides on its next settlement.
    Overridden(Overridden),
    /// Its money is added to what was given to other pools.
    Matched(Matched),
    /// A period of it is settled.
    Settled(Box<Settled>),
}

/// One commit of `vault/pools/commits`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// A random id of this commit.
    pub txn: String,
    /// When.
    pub time: Instant,
    /// What.
    pub act: Act,
    /// The ledger entry, as its bytes stand in the log.
    pub entry: String,
}

/// Something that happened to a pool: its commit's number, and the rest of the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated<T> {
    /// The commit's number.
    pub commit: u64,
    /// When.
    pub time: Instant,
    /// The ledger entry, as its bytes stand in the log.
    pub entry: String,
    /// What.
    pub act: T,
}

/// A pool as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// How it was opened.
    pub opened: Dated<Opened>,
    /// What came in, in order.
    pub funded: Vec<Dated<Funded>>,
    /// What the steward decided, in order.
    pub overridden: Vec<Dated<Overridden>>,
    /// What left it for other pools, in order.
    pub matched: Vec<Dated<Matched>>,
    /// What was settled, in order.
    pub settled: Vec<Dated<Settled>>,
}

/// What is wrong with the commits of pools.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// A commit cannot be read.
    #[error("pool commit {commit} cannot be read")]
    Format {
        /// Its number.
        commit: u64,
        /// What the reader said.
        #[source]
        source: serde_json::Error,
    },
    /// A commit does not follow from those before it.
    #[error("pool commit {commit}: {reason}")]
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

impl Pool {
    /// Returns the pool's name.
    pub fn id(&self) -> &PoolId {
        &self.opened.act.pool
    }

    /// Returns the pool's currency.
    pub fn currency(&self) -> Currency {
        self.opened.act.currency
    }

    /// Returns the payments that came in before `until` and are in no settlement yet.
    pub fn unsettled(&self, until: Instant) -> Vec<&Dated<Funded>> {
        let used = |n: u64| self.settled.iter().any(|s| s.act.funded.contains(&n));
        self.funded.iter().filter(|f| f.time < until && !used(f.commit)).collect()
    }

    /// Returns what the newest settlement left in the pool because nobody had a claim to it.
    pub fn returned(&self) -> Accrual {
        match self.settled.last() {
            Some(last) => last.act.totals.unallocated,
            None => Accrual::new(0, self.currency()),
        }
    }

    /// Returns what the steward decided since the newest settlement.
    pub fn decided(&self) -> impl Iterator<Item = &Dated<Overridden>> {
        let since = self.settled.last().map_or(0, |settled| settled.commit);
        self.overridden.iter().filter(move |decided| decided.commit > since)
    }

    /// Returns all that came in.
    pub fn funds(&self) -> Result<Amount, money::Error> {
        sum(self.currency(), self.funded.iter().map(|f| f.act.amount))
    }

    /// Returns all that left it for other pools.
    pub fn matched_out(&self) -> Result<Amount, money::Error> {
        let total = |matched: &Dated<Matched>| matched.act.total(self.currency());
        self.matched.iter().try_fold(Amount::zero(self.currency()), |sum, m| sum.plus(total(m)?))
    }

    /// Returns all that was paid out.
    pub fn paid(&self) -> Result<Amount, money::Error> {
        sum(self.currency(), self.settled.iter().map(|s| s.act.totals.paid))
    }

    /// Returns all that was paid to institutions and what they carry; `None` where the rules give them
    /// no part.
    pub fn institutions(&self) -> Result<Option<(Amount, Accrual)>, money::Error> {
        if self.opened.act.rules.split.institution_bps == 0 {
            return Ok(None);
        }
        let sums = || self.settled.iter().filter_map(|s| s.act.totals.institutions.as_ref());
        let nothing = Accrual::new(0, self.currency());
        let paid = sum(self.currency(), sums().map(|s| s.paid))?;
        Ok(Some((paid, sums().next_back().map_or(nothing, |s| s.carried))))
    }

    /// Returns all fees.
    pub fn fees(&self) -> Result<Amount, money::Error> {
        sum(self.currency(), self.settled.iter().map(|s| s.act.totals.fee))
    }

    /// Returns what contributors carry since the newest settlement.
    pub fn carried(&self) -> Accrual {
        match self.settled.last() {
            Some(last) => last.act.totals.carried,
            None => Accrual::new(0, self.currency()),
        }
    }
}

/// Sums amounts of one currency.
pub(super) fn sum(
    currency: Currency,
    amounts: impl IntoIterator<Item = Amount>,
) -> Result<Amount, money::Error> {
    amounts.into_iter().try_fold(Amount::zero(currency), Amount::plus)
}

/// Reads all commits into pools as they stand.
pub fn read_pools(commits: &[(u64, Bytes)]) -> Result<BTreeMap<PoolId, Pool>, PoolError> {
    let mut pools = BTreeMap::new();
    for (number, body) in commits {
        let commit = *number;
        let Commit { time, act, entry, .. } =
            serde_json::from_slice(body).map_err(|source| PoolError::Format { commit, source })?;
        let wrong = |reason| PoolError::Order { commit, reason };
        match act {
            Act::Opened(act) => {
                let opened = Dated { commit, time, entry, act };
                let id = opened.act.pool.clone();
                let pool = Pool {
                    opened,
                    funded: Vec::new(),
                    overridden: Vec::new(),
                    matched: Vec::new(),
                    settled: Vec::new(),
                };
                if pools.insert(id, pool).is_some() {
                    return Err(wrong("the pool was opened before"));
                }
            }
            Act::Funded(act) => {
                let pool: &mut Pool = pools.get_mut(&act.pool).ok_or_else(|| wrong(UNOPENED))?;
                if act.amount.currency() != pool.currency() || act.amount.minor() <= 0 {
                    return Err(wrong("the amount is not a positive one in the pool's currency"));
                }
                pool.funded.push(Dated { commit, time, entry, act });
            }
            Act::Overridden(act) => {
                let pool = pools.get_mut(&act.pool).ok_or_else(|| wrong(UNOPENED))?;
                pool.overridden.push(Dated { commit, time, entry, act });
            }
            Act::Matched(act) => {
                take_match(&mut pools, Dated { commit, time, entry, act }, wrong)?;
            }
            Act::Settled(act) => {
                let pool = pools.get_mut(&act.pool).ok_or_else(|| wrong(UNOPENED))?;
                if !pool.matched.is_empty() {
                    return Err(wrong("a fund that matches pays nobody else"));
                }
                pool.settled.push(Dated { commit, time, entry, act: *act });
            }
        }
    }
    Ok(pools)
}

/// Takes the money of a match from the fund, and puts it into each pool as one more payment.
fn take_match(
    pools: &mut BTreeMap<PoolId, Pool>,
    matched: Dated<Matched>,
    wrong: impl Fn(&'static str) -> PoolError,
) -> Result<(), PoolError> {
    let Dated { commit, time, ref entry, ref act } = matched;
    let fund = pools.get(&act.pool).ok_or_else(|| wrong(UNOPENED))?;
    let left = fund.funds()?.minus(fund.matched_out()?)?.minus(act.total(fund.currency())?)?;
    if left.minor() < 0 || !fund.settled.is_empty() {
        return Err(wrong("the fund pays people, or holds less than it gives"));
    }
    let sponsor = SponsorId::parse(act.pool.as_str()).map_err(|_| wrong("the fund has no name"))?;
    for share in act.shares.iter().filter(|share| share.amount.minor() != 0) {
        let pool = pools.get_mut(&share.pool).ok_or_else(|| wrong(UNOPENED))?;
        if share.pool == act.pool || share.amount.minor() < 0 {
            return Err(wrong("it takes from a pool, or gives to the fund"));
        }
        if share.amount.currency() != pool.currency() {
            return Err(wrong("the amount is not in the pool's currency"));
        }
        let (sponsor, reference) = (sponsor.clone(), act.reference());
        let act = Funded { pool: share.pool.clone(), amount: share.amount, sponsor, reference };
        pool.funded.push(Dated { commit, time, entry: entry.clone(), act });
    }
    let fund = pools.get_mut(&act.pool.clone()).ok_or_else(|| wrong(UNOPENED))?;
    fund.matched.push(matched);
    Ok(())
}

const UNOPENED: &str = "the pool was not opened before";

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> Opened {
        let currency = Currency::parse("EUR").unwrap();
        Opened {
            pool: PoolId::parse("diabetes-2026").unwrap(),
            currency,
            datasets: vec!["b".into(), "a".into(), "b".into()],
            purposes: vec![],
            rules: RuleSet::plain(300_000, 700_000),
        }
    }

    fn body(act: Act) -> Bytes {
        let time = Instant::parse("2026-11-22").unwrap();
        let commit = Commit { txn: "t".into(), time, act, entry: "e".into() };
        Bytes::from(serde_json::to_vec(&commit).unwrap())
    }

    #[test]
    fn a_pool_names_its_datasets_once_and_pays_by_whole_rules_for_uses_alone() {
        let checked = opened().check().unwrap();
        assert_eq!(checked.datasets, ["a", "b"]);
        let mut wrong = opened();
        wrong.rules.fee_bps = 10_001;
        assert_eq!(wrong.check(), Err(OpenedError::Rules(RuleError::Rate("fee_bps"))));
        let mut wrong = opened();
        wrong.datasets.clear();
        assert_eq!(wrong.check(), Err(OpenedError::Datasets));
        let mut wrong = opened();
        let condition = Purpose::parse("DUO:0000045").unwrap();
        wrong.purposes = vec![condition.clone()];
        assert_eq!(
            wrong.check(),
            Err(OpenedError::Purpose(condition)),
            "the pool would pay for nothing"
        );
    }

    #[test]
    fn restricted_money_pays_for_what_its_purposes_cover() {
        let health = Purpose::parse("DUO:0000006").unwrap();
        let ancestry = Purpose::parse("DUO:0000011").unwrap();
        let mut pool = opened();
        assert!(pool.pays_for(&ancestry), "money without a purpose is for any");
        pool.purposes = vec![health.clone()];
        assert!(pool.pays_for(&health));
        assert!(!pool.pays_for(&ancestry), "restricted money would pay for another purpose");
    }

    #[test]
    fn acts_read_back_as_the_pool_they_made() {
        let amount = Amount::new(10_000_000, Currency::parse("EUR").unwrap());
        let funded = Funded {
            pool: opened().pool,
            amount,
            sponsor: SponsorId::parse("foundation").unwrap(),
            reference: "r-1".into(),
        };
        let commits = [(1, body(Act::Opened(opened()))), (2, body(Act::Funded(funded.clone())))];
        let pools = read_pools(&commits).unwrap();
        let pool = &pools[&funded.pool];
        assert_eq!(pool.funds().unwrap(), amount);
        assert_eq!(pool.unsettled(Instant::parse("2026-11-22").unwrap()).len(), 0);
        assert_eq!(pool.unsettled(Instant::parse("2026-11-23").unwrap()).len(), 1);
        assert!(matches!(read_pools(&commits[1..]), Err(PoolError::Order { commit: 2, .. })));
    }

    #[test]
    fn a_pools_name_fits_an_account_and_a_path() {
        for name in ["", "-a", "A", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert_eq!(PoolId::parse(name), Err(PoolIdError));
        }
    }
}
