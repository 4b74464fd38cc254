//! A steward's decisions on the next settlement of a pool, each with a reason and an approver.
//!
//! Comes in: what is to be changed. Goes out: a commit of `vault/pools`, and an entry in the book that
//! says what kind of change it is, why and who approved it, and commits to the rest. Never: a question
//! of a settled period, somebody whom the pool does not know, or a contributor in the book.

use serde_json::Map;

use super::fund::{self, Done, commit_as, found, load, subject};
use crate::{
    digest::{Sha3Digest, canonical, hex, hmac_sha3_parts},
    lake::Version,
    ledger::Kind,
    party::ContributorId,
    reward::{Act, LineError, Overridden, Override, Pool, PoolId, contributors, proof::leaf_hash},
    site::Site,
    store::Sequence,
    usage::UsageRecord,
};

/// Why a decision was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pools or the site failed.
    #[error(transparent)]
    Fund(#[from] fund::Error),
    /// Nobody could say later why or by whose word.
    #[error("a decision needs a reason and an approver")]
    Silent,
    /// There is no such question.
    #[error("no question {query} was asked of a dataset that pool `{pool}` pays for")]
    Query {
        /// The pool.
        pool: PoolId,
        /// The usage commit.
        query: u64,
    },
    /// The question is paid for already.
    #[error("question {query} lies in a period of pool `{pool}` that is settled")]
    Settled {
        /// The pool.
        pool: PoolId,
        /// The usage commit.
        query: u64,
    },
    /// Nobody of that id is in a dataset of the pool.
    #[error("pool `{pool}` knows no such contributor")]
    Contributor {
        /// The pool.
        pool: PoolId,
    },
    /// The amount is not one that can be made good.
    #[error("a correction in pool `{pool}` is above zero and in its own currency")]
    Amount {
        /// The pool.
        pool: PoolId,
    },
    /// A commit or object cannot be read.
    #[error("`{path}` cannot be read")]
    Format {
        /// The object.
        path: String,
    },
    /// A table cannot be read.
    #[error("object `{path}` of the vault cannot be read")]
    Table {
        /// The object.
        path: String,
        /// Why.
        #[source]
        source: LineError,
    },
}

impl From<crate::site::Error> for Error {
    fn from(error: crate::site::Error) -> Self {
        Self::Fund(error.into())
    }
}

impl From<crate::store::Error> for Error {
    fn from(error: crate::store::Error) -> Self {
        Self::Fund(error.into())
    }
}

impl From<crate::digest::CanonicalError> for Error {
    fn from(error: crate::digest::CanonicalError) -> Self {
        Self::Fund(error.into())
    }
}

/// Takes a decision. The same one again, before it has counted, changes nothing.
pub fn decide(site: &Site, decision: Overridden) -> Result<Done, Error> {
    let (pools, newest) = load(site)?;
    let pool =
        pools.get(&decision.pool).ok_or_else(|| fund::Error::Unknown(decision.pool.clone()))?;
    if decision.reason.trim().is_empty() || decision.approver.trim().is_empty() {
        return Err(Error::Silent);
    }
    if let Some(known) = pool.decided().find(|known| known.act == decision) {
        return Ok(found(known));
    }
    match &decision.change {
        Override::ExcludeQuery { query } | Override::Price { query, .. } => {
            open_question(site, pool, *query)?;
        }
        Override::ExcludeContributor { contributor } => known(site, pool, contributor)?,
        Override::Correct { contributor, amount } => {
            if amount.minor() <= 0 || amount.currency() != pool.currency() {
                return Err(Error::Amount { pool: decision.pool });
            }
            known(site, pool, contributor)?;
        }
    }
    // Salted by the commit's random id, which an erasure of the person that it names destroys.
    let (txn, change) = (site.txn()?, canonical(&decision.change)?);
    let parts = [
        b"almoner/settlement-overrides/v2".as_slice(),
        txn.as_bytes(),
        decision.pool.as_str().as_bytes(),
        &change,
    ];
    let commitment = Sha3Digest(hmac_sha3_parts(&site.secret("settlement-overrides"), &parts));
    let mut body = Map::new();
    body.insert("pool".to_owned(), decision.pool.as_str().into());
    body.insert("change".to_owned(), decision.change.name().into());
    body.insert("reason".to_owned(), decision.reason.as_str().into());
    body.insert("approver".to_owned(), decision.approver.as_str().into());
    body.insert("commitment".to_owned(), hex(commitment.as_bytes()).into());
    let subject = subject(format!("override:{}", decision.pool), commitment);
    let before = pool.settled.last().map_or(&pool.opened.entry, |s| &s.entry);
    let prev = leaf_hash(before.as_bytes());
    let entry = site.entry(Kind::SettlementOverridden, &[subject], &[prev], &body)?;
    Ok(commit_as(site, txn, newest, Act::Overridden(decision), &entry)?)
}

/// Asks for a question of the pool's datasets that no settlement has paid for.
fn open_question(site: &Site, pool: &Pool, query: u64) -> Result<(), Error> {
    let id = || pool.id().clone();
    let path = format!("vault/usage/commits/{query}");
    let usage = Sequence::new(&site.vault(), "usage/commits");
    if !usage.numbers()?.contains(&query) {
        return Err(Error::Query { pool: id(), query });
    }
    let record: UsageRecord =
        serde_json::from_slice(&usage.read(query)?).map_err(|_| Error::Format { path })?;
    if !pool.opened.act.datasets.contains(&record.dataset) {
        return Err(Error::Query { pool: id(), query });
    }
    if pool.settled.iter().any(|s| s.act.period.contains(record.time)) {
        return Err(Error::Settled { pool: id(), query });
    }
    Ok(())
}

/// Asks for somebody who is, or was, in a dataset of the pool.
fn known(site: &Site, pool: &Pool, contributor: &ContributorId) -> Result<(), Error> {
    let vault = site.vault();
    for (number, body) in Sequence::new(&site.lake(), "commits").all()?.into_iter().rev() {
        let path = format!("lake/commits/{number}");
        let version: Version = serde_json::from_slice(&body).map_err(|_| Error::Format { path })?;
        if !pool.opened.act.datasets.contains(&version.dataset) {
            continue;
        }
        let path = version.roster.path;
        let known = contributors(&vault.get(&path)?);
        if known.map_err(|source| Error::Table { path, source })?.contains(contributor) {
            return Ok(());
        }
    }
    Err(Error::Contributor { pool: pool.id().clone() })
}

#[cfg(test)]
mod tests;
