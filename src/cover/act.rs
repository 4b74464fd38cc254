//! Covers as numbered acts: a policy opened, funded, people enrolled, runs evaluated.
//!
//! Comes in: the commits of `vault/covers`. Goes out: each [`Cover`] as it stands.
//! Never: an act on a policy that was not opened, or in another currency than the policy's.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{CoverTotals, Enrolment, Policy};
use crate::{
    digest::{Sha3Digest, Sha256},
    instant::Instant,
    money::{self, Amount},
    payee::{self, Object},
    reward::{Dated, Funded, ObjectRef, PoolId},
    store::{self, Sequence, Store},
};

/// Where the commits of covers are, in the vault.
pub const COMMITS: &str = "covers/commits";

/// People are enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolled {
    /// In which policy.
    pub policy: PoolId,
    /// The enrolments ([`Enrolment`], sorted), new or changed by this act.
    pub people: Object,
    /// The keyed digest of them that stands in the book.
    pub commitment: Sha3Digest,
}

/// A run is evaluated: each event in it pays once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluated {
    /// Under which policy.
    pub policy: PoolId,
    /// The run: the ingest's, or the pipeline's name and the digest of the inputs.
    pub run: String,
    /// The lines ([`super::CoverLine`], sorted by contributor, event and row).
    pub lines: Object,
    /// The leaves of the line tree, 64 bytes each, sorted.
    pub leaves: ObjectRef,
    /// The root over the leaves.
    pub root: Sha256,
    /// The number of lines.
    pub count: u64,
    /// The sums of the lines.
    pub totals: CoverTotals,
    /// How many rows had a code of the policy and were looked at.
    pub considered: u64,
    /// How many of them did not count, by reason.
    pub refused: BTreeMap<String, u64>,
    /// The keyed digest of the lines that stands in the book.
    pub commitment: Sha3Digest,
}

/// One act on a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Act {
    /// It is opened.
    Opened(Box<Policy>),
    /// The insurer's money comes in.
    Funded(Funded),
    /// People are enrolled.
    Enrolled(Enrolled),
    /// A run is evaluated.
    Evaluated(Box<Evaluated>),
}

/// One commit of `vault/covers/commits`.
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

/// A policy as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cover {
    /// How it was opened.
    pub opened: Dated<Policy>,
    /// What came in, in order.
    pub funded: Vec<Dated<Funded>>,
    /// Who was enrolled, in order.
    pub enrolled: Vec<Dated<Enrolled>>,
    /// What was evaluated, in order.
    pub evaluated: Vec<Dated<Evaluated>>,
}

impl Cover {
    /// Returns the policy.
    pub fn policy(&self) -> &Policy {
        &self.opened.act
    }

    /// Returns all that came in.
    pub fn funds(&self) -> Result<Amount, money::Error> {
        let nothing = Amount::zero(self.policy().currency);
        self.funded.iter().map(|f| f.act.amount).try_fold(nothing, Amount::plus)
    }

    /// Returns all that was paid out.
    pub fn paid(&self) -> Result<Amount, money::Error> {
        let currency = self.policy().currency;
        let paid = self.evaluated.iter().map(|e| i128::from(e.act.totals.paid_minor));
        paid.map(|minor| Amount::new(minor, currency))
            .try_fold(Amount::zero(currency), Amount::plus)
    }

    /// Returns the entry of the newest act.
    pub fn newest_entry(&self) -> &str {
        let funded = self.funded.last().map(|act| (act.commit, &act.entry));
        let enrolled = self.enrolled.last().map(|act| (act.commit, &act.entry));
        let evaluated = self.evaluated.last().map(|act| (act.commit, &act.entry));
        let newest = [funded, enrolled, evaluated].into_iter().flatten().max();
        newest.map_or(&self.opened.entry, |(_, entry)| entry)
    }

    /// Reads who is enrolled: of one person and day of enrolment, as the newest act says.
    pub fn enrolments(&self, vault: &Store) -> Result<Vec<Enrolment>, payee::Error> {
        let mut standing = BTreeMap::new();
        for act in &self.enrolled {
            for enrolment in act.act.people.read::<Enrolment>(vault)? {
                let key = (enrolment.contributor.clone(), enrolment.enrolled);
                standing.insert(key, enrolment);
            }
        }
        Ok(standing.into_values().collect())
    }
}

/// All policies as they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Covers {
    commit: u64,
    policies: BTreeMap<PoolId, Cover>,
}

/// What is wrong with the commits of covers.
#[derive(Debug, thiserror::Error)]
pub enum CoverError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A commit cannot be read. What the reader said stays out: it may quote a cell.
    #[error("cover commit {commit} cannot be read, at line {line}")]
    Format {
        /// Its number.
        commit: u64,
        /// Where.
        line: usize,
    },
    /// A commit does not follow from those before it.
    #[error("cover commit {commit}: {reason}")]
    Order {
        /// Its number.
        commit: u64,
        /// Why not.
        reason: &'static str,
    },
}

impl Covers {
    /// Reads the policies of a vault.
    pub fn load(vault: &Store) -> Result<Self, CoverError> {
        Self::read(&Sequence::new(vault, COMMITS).all()?)
    }

    /// Reads all commits into policies as they stand.
    pub fn read(commits: &[(u64, Bytes)]) -> Result<Self, CoverError> {
        let mut covers = Self::default();
        for (number, body) in commits {
            let read = serde_json::from_slice(body);
            let commit: Commit =
                read.map_err(|error| CoverError::Format { commit: *number, line: error.line() })?;
            covers
                .take(*number, commit)
                .map_err(|reason| CoverError::Order { commit: *number, reason })?;
            covers.commit = *number;
        }
        Ok(covers)
    }

    fn take(&mut self, commit: u64, body: Commit) -> Result<(), &'static str> {
        let Commit { time, act, entry, .. } = body;
        let id = match &act {
            Act::Opened(act) => act.policy.clone(),
            Act::Funded(act) => act.pool.clone(),
            Act::Enrolled(act) => act.policy.clone(),
            Act::Evaluated(act) => act.policy.clone(),
        };
        if let Act::Opened(act) = act {
            let opened = Dated { commit, time, entry, act: *act };
            let (funded, enrolled, evaluated) = (Vec::new(), Vec::new(), Vec::new());
            let cover = Cover { opened, funded, enrolled, evaluated };
            return match self.policies.insert(id, cover) {
                None => Ok(()),
                Some(_) => Err("the policy was opened before"),
            };
        }
        let cover = self.policies.get_mut(&id).ok_or("the policy was not opened before")?;
        match act {
            Act::Opened(_) => {}
            Act::Funded(act) => {
                if act.amount.currency() != cover.policy().currency || act.amount.minor() <= 0 {
                    return Err("the amount is not a positive one in the policy's currency");
                }
                cover.funded.push(Dated { commit, time, entry, act });
            }
            Act::Enrolled(act) => cover.enrolled.push(Dated { commit, time, entry, act }),
            Act::Evaluated(act) => {
                cover.evaluated.push(Dated { commit, time, entry, act: *act });
            }
        }
        Ok(())
    }

    /// Returns the number of the newest commit, 0 where there is none.
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// Returns a policy.
    pub fn get(&self, policy: &PoolId) -> Option<&Cover> {
        self.policies.get(policy)
    }

    /// Returns all policies, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Cover> {
        self.policies.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(number: u64, act: &serde_json::Value) -> (u64, Bytes) {
        let body = serde_json::json!({
            "txn": number.to_string(), "time": "2026-02-01T00:00:00Z", "entry": "e", "act": act,
        });
        (number, Bytes::from(body.to_string()))
    }

    fn opened() -> serde_json::Value {
        let text = include_str!("../../pipelines/cover-appointment.toml");
        let policy =
            super::super::read(std::path::Path::new("cover-appointment.toml"), text).unwrap();
        let act = Act::Opened(Box::new(policy));
        serde_json::to_value(act).unwrap()
    }

    fn funded(amount: &str, currency: &str) -> serde_json::Value {
        serde_json::json!({
            "kind": "funded", "pool": "appointments-2026", "sponsor": "s", "reference": "r",
            "amount": {"amount": amount, "scale": 2, "currency": currency},
        })
    }

    #[test]
    fn acts_are_read_in_order_and_money_adds_up() {
        let acts = [commit(1, &opened()), commit(2, &funded("500", "EUR"))];
        let covers = Covers::read(&acts).unwrap();
        let cover = covers.iter().next().unwrap();
        assert_eq!((covers.commit(), cover.funds().unwrap().minor()), (2, 500));
        assert_eq!((cover.paid().unwrap().minor(), cover.newest_entry()), (0, "e"));
    }

    #[test]
    fn an_act_that_does_not_follow_is_named_by_its_number() {
        for (acts, word) in [
            (vec![commit(1, &funded("500", "EUR"))], "not opened"),
            (vec![commit(1, &opened()), commit(2, &opened())], "opened before"),
            (vec![commit(1, &opened()), commit(2, &funded("0", "EUR"))], "positive"),
            (vec![commit(1, &opened()), commit(2, &funded("500", "USD"))], "currency"),
            (vec![(7, Bytes::from_static(b"{}"))], "cannot be read"),
        ] {
            let error = Covers::read(&acts).unwrap_err().to_string();
            let last = acts.last().unwrap().0.to_string();
            assert!(error.contains(word) && error.contains(&last), "{error}");
        }
    }
}
