//! Who owes what to whom: a pool what its settlements say, a policy what its evaluations say.
//!
//! Comes in: the commits of pools and covers. Goes out: an [`Owing`] and its debts, oldest first.
//! Never: a debt that no recorded line says, or words that tell a bank what somebody suffers from.

use super::Error;
use crate::{
    cover::{self, Cover, Covers, Evaluated},
    ledger::EntryId,
    money::{self, Amount, Currency},
    payee::PayeeId,
    pipeline::{fund::pools, settle::recorded},
    redaction::is_nobody,
    reward::{Dated, Period, Pool, PoolId, Settled, proof::leaf_hash},
    site::Site,
};

/// Who owes: every payment has one of them behind it.
#[derive(Debug)]
pub(super) enum Owing {
    /// A pool, by its settlements.
    Pool(Box<Pool>),
    /// A policy, by its evaluations.
    Policy(Box<Cover>),
}

/// What one settlement or evaluation owes.
#[derive(Debug)]
pub(super) struct Debt<'a> {
    /// The commit that owes it.
    pub(super) commit: u64,
    /// Its ledger entry.
    pub(super) entry: EntryId,
    lines: Lines<'a>,
}

#[derive(Debug)]
enum Lines<'a> {
    Settled(&'a Settled),
    Evaluated(&'a Evaluated),
}

impl Owing {
    /// Finds who owes by a name.
    pub(super) fn find(site: &Site, name: &PoolId) -> Result<Self, Error> {
        if let Some(pool) = pools(site)?.remove(name) {
            return Ok(Self::Pool(Box::new(pool)));
        }
        let covers = Covers::load(&site.vault())?;
        let cover = covers.get(name).cloned();
        cover.map(|cover| Self::Policy(Box::new(cover))).ok_or_else(|| Error::Unknown(name.clone()))
    }

    /// Names all who may owe.
    pub(super) fn names(site: &Site) -> Result<Vec<PoolId>, Error> {
        let covers = Covers::load(&site.vault())?;
        let policies = covers.iter().map(|cover| cover.policy().policy.clone());
        Ok(pools(site)?.into_keys().chain(policies).collect())
    }

    pub(super) fn id(&self) -> &PoolId {
        match self {
            Self::Pool(pool) => pool.id(),
            Self::Policy(cover) => &cover.policy().policy,
        }
    }

    pub(super) fn currency(&self) -> Currency {
        match self {
            Self::Pool(pool) => pool.currency(),
            Self::Policy(cover) => cover.policy().currency,
        }
    }

    /// Returns a period as its orders name it: a pool pays by settled periods, a policy by any.
    pub(super) fn period(&self, period: &Period) -> Result<Period, Error> {
        match self {
            Self::Pool(pool) => Ok(settled(pool, period)?.act.period.clone()),
            Self::Policy(_) => Ok(period.clone()),
        }
    }

    /// Returns what is owed for a period and those before it, oldest first.
    pub(super) fn debts(&self, period: &Period) -> Result<Vec<Debt<'_>>, Error> {
        match self {
            Self::Pool(pool) => {
                let newest = settled(pool, period)?.commit;
                let due = pool.settled.iter().take_while(|settled| settled.commit <= newest);
                Ok(due.map(|settled| Debt::of(settled, Lines::Settled(&settled.act))).collect())
            }
            Self::Policy(cover) => {
                let due = cover.evaluated.iter().filter(|e| e.time < period.until());
                Ok(due.map(|e| Debt::of(e, Lines::Evaluated(&e.act))).collect())
            }
        }
    }

    /// Returns all that was ever owed.
    pub(super) fn owed(&self) -> Result<Amount, money::Error> {
        match self {
            Self::Pool(pool) => match pool.institutions()? {
                Some((institutions, _)) => pool.paid()?.plus(institutions),
                None => pool.paid(),
            },
            Self::Policy(cover) => cover.paid(),
        }
    }

    /// Returns what stands beside a payment on the payee's account. The name of pool or policy stays out
    /// of it: it may tell a bank clerk what somebody suffers from.
    pub(super) fn remittance(&self, period: &Period) -> String {
        match self {
            Self::Pool(_) => format!("Data reward {period}"),
            Self::Policy(_) => format!("Benefit {period}"),
        }
    }
}

impl<'a> Debt<'a> {
    fn of<T>(dated: &'a Dated<T>, lines: Lines<'a>) -> Self {
        Self { commit: dated.commit, entry: leaf_hash(dated.entry.as_bytes()), lines }
    }

    /// Reads whom it owes how much, in minor units; each payee once.
    pub(super) fn owed(&self, site: &Site) -> Result<Vec<(PayeeId, i64)>, Error> {
        match self.lines {
            Lines::Settled(act) => {
                let lines = recorded(site, act)?;
                let people = lines.people.into_iter();
                let people = people.filter(|l| !is_nobody(l.contributor.as_str()));
                let people = people.map(|l| (PayeeId::Contributor(l.contributor), l.paid_minor));
                let institutions = lines.institutions.into_iter();
                let institutions =
                    institutions.map(|l| (PayeeId::Institution(l.institution), l.paid_minor));
                Ok(people.chain(institutions).collect())
            }
            Lines::Evaluated(act) => {
                let people = cover::payable(&cover::lines(&site.vault(), act)?)?;
                let people = people.into_iter().filter(|(id, _)| !is_nobody(id.as_str()));
                Ok(people.map(|(person, minor)| (PayeeId::Contributor(person), minor)).collect())
            }
        }
    }
}

fn settled<'a>(pool: &'a Pool, period: &Period) -> Result<&'a Dated<Settled>, Error> {
    let settled = pool.settled.iter().find(|settled| settled.act.period.is_same(period));
    settled.ok_or_else(|| Error::NotSettled { pool: pool.id().clone(), period: period.clone() })
}
