//! A sponsor's money under its terms, as numbered acts: opened, funded, settled.
//!
//! Comes in: the commits of `vault/pools`. Goes out: each [`Pool`] as it stands.
//! Never: an act on a pool that was not opened, or in another currency than the pool's.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Period;
use crate::{
    digest::{Sha3Digest, Sha256},
    instant::Instant,
    money::{self, Accrual, Amount, Currency},
    party::SponsorId,
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

/// How a pool pays: first the fee, of what is new; then the institutions' part, of all that remains;
/// then the rest to people, in two layers that sum to the whole of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The platform's fee of each cent received, once, in hundredths of a percent, rounded down.
    pub fee_bps: u32,
    /// The institutions' part of what remains after the fee, in millionths, rounded down. Like the
    /// layers, it takes its part again of what an earlier settlement could not give out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub institution_ppm: u32,
    /// The part for having contributed, in millionths of what goes to people.
    pub base_ppm: u32,
    /// The part for having been used, in millionths of what goes to people.
    pub usage_ppm: u32,
    /// The least that is paid out; less than this is carried.
    pub minimum: Amount,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(ppm: &u32) -> bool {
    *ppm == 0
}

/// What is wrong with terms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// A fee above the whole.
    #[error("a fee of {0} bps is more than the whole")]
    Fee(u32),
    /// A part of the institutions above the whole.
    #[error("an institutions' part of {0} ppm is more than the whole")]
    Institutions(u32),
    /// The layers are not the whole.
    #[error("the layers sum to {0} ppm, not to 1000000")]
    Layers(u64),
    /// A minimum below zero.
    #[error("the least payout may not be negative")]
    Minimum,
    /// No dataset is named.
    #[error("a pool pays for at least one dataset")]
    Datasets,
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
    /// How it pays.
    pub terms: Terms,
}

impl Opened {
    /// Checks the terms, and sorts the datasets.
    pub fn check(mut self) -> Result<Self, TermsError> {
        let terms = &self.terms;
        let layers = u64::from(terms.base_ppm).saturating_add(u64::from(terms.usage_ppm));
        if terms.fee_bps > 10_000 {
            return Err(TermsError::Fee(terms.fee_bps));
        }
        if terms.institution_ppm > 1_000_000 {
            return Err(TermsError::Institutions(terms.institution_ppm));
        }
        if layers != 1_000_000 {
            return Err(TermsError::Layers(layers));
        }
        if terms.minimum.minor() < 0 || terms.minimum.currency() != self.currency {
            return Err(TermsError::Minimum);
        }
        self.datasets.sort();
        self.datasets.dedup();
        if self.datasets.is_empty() { Err(TermsError::Datasets) } else { Ok(self) }
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

/// The sums of a settlement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// New funds.
    pub received: Amount,
    /// What earlier settlements could not give out; it has paid its fee already.
    pub returned: Amount,
    /// The fee on the new funds.
    pub fee: Amount,
    /// The pot of the base layer.
    pub base: Amount,
    /// The pot of the usage layer.
    pub usage: Amount,
    /// What had no one to go to; it stays in the pool.
    pub unallocated: Amount,
    /// What contributors brought along from before.
    pub opening: Accrual,
    /// What they accrued now.
    pub accrued: Accrual,
    /// What is paid.
    pub paid: Amount,
    /// What they carry on.
    pub carried: Accrual,
    /// The sums of institutions, where the pool's terms give them a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub institutions: Option<InstitutionTotals>,
}

/// The sums of a settlement's institutions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstitutionTotals {
    /// Their part of the money.
    pub part: Amount,
    /// What they brought along from before.
    pub opening: Accrual,
    /// What they accrued now.
    pub accrued: Accrual,
    /// What is paid.
    pub paid: Amount,
    /// What they carry on.
    pub carried: Accrual,
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
    /// The lines of institutions, one each (Parquet), where the pool's terms give them a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub institution_lines: Option<ObjectRef>,
}

/// One act on a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Act {
    /// It is opened.
    Opened(Opened),
    /// It is funded.
    Funded(Funded),
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
    pub fn returned(&self) -> Amount {
        match self.settled.last() {
            Some(last) => last.act.totals.unallocated,
            None => Amount::zero(self.currency()),
        }
    }

    /// Returns all that came in.
    pub fn funds(&self) -> Result<Amount, money::Error> {
        sum(self.currency(), self.funded.iter().map(|f| f.act.amount))
    }

    /// Returns all that was paid out.
    pub fn paid(&self) -> Result<Amount, money::Error> {
        sum(self.currency(), self.settled.iter().map(|s| s.act.totals.paid))
    }

    /// Returns all that was paid to institutions and what they carry; `None` where the terms give them
    /// no part.
    pub fn institutions(&self) -> Result<Option<(Amount, Accrual)>, money::Error> {
        if self.opened.act.terms.institution_ppm == 0 {
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
                let pool = Pool { opened, funded: Vec::new(), settled: Vec::new() };
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
            Act::Settled(act) => {
                let pool = pools.get_mut(&act.pool).ok_or_else(|| wrong(UNOPENED))?;
                pool.settled.push(Dated { commit, time, entry, act: *act });
            }
        }
    }
    Ok(pools)
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
            terms: Terms {
                fee_bps: 500,
                institution_ppm: 0,
                base_ppm: 300_000,
                usage_ppm: 700_000,
                minimum: Amount::new(100, currency),
            },
        }
    }

    fn body(act: Act) -> Bytes {
        let time = Instant::parse("2026-11-22").unwrap();
        let commit = Commit { txn: "t".into(), time, act, entry: "e".into() };
        Bytes::from(serde_json::to_vec(&commit).unwrap())
    }

    #[test]
    fn terms_that_are_not_the_whole_are_refused() {
        assert_eq!(opened().check().unwrap().datasets, ["a", "b"]);
        let mut wrong = opened();
        wrong.terms.base_ppm = 299_999;
        assert_eq!(
            wrong.check(),
            Err(TermsError::Layers(999_999)),
            "a millionth would be nobody's"
        );
        let mut wrong = opened();
        wrong.terms.fee_bps = 10_001;
        assert_eq!(wrong.check(), Err(TermsError::Fee(10_001)));
        let mut wrong = opened();
        wrong.terms.institution_ppm = 1_000_001;
        assert_eq!(
            wrong.check(),
            Err(TermsError::Institutions(1_000_001)),
            "institutions would be paid more than there is"
        );
        let mut wrong = opened();
        wrong.terms.minimum = Amount::new(-1, wrong.currency);
        assert_eq!(wrong.check(), Err(TermsError::Minimum));
        let mut wrong = opened();
        wrong.datasets.clear();
        assert_eq!(wrong.check(), Err(TermsError::Datasets));
    }

    #[test]
    fn terms_without_an_institutions_part_are_written_as_they_always_were() {
        let text = serde_json::to_string(&opened().terms).unwrap();
        assert!(!text.contains("institution"), "every entry of before would have other bytes");
        assert_eq!(serde_json::from_str::<Terms>(&text).unwrap(), opened().terms);
        let mut shared = opened().terms;
        shared.institution_ppm = 150_000;
        let text = serde_json::to_string(&shared).unwrap();
        assert!(text.contains("\"institution_ppm\":150000"), "the book would not say it: {text}");
        assert_eq!(serde_json::from_str::<Terms>(&text).unwrap(), shared);
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
