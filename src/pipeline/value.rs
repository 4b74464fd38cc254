//! Values contributors' records for a model, where a pool pays for that: run by the steward alone.
//!
//! Comes in: a table of distances, a number of neighbours. Goes out: a commit of `vault/values`, its
//! objects, an entry in the book. Never: a valuation that nobody asked for, or one made twice.

mod table;

use std::{num::NonZeroU32, path::Path};

use bytes::Bytes;
use serde_json::Map;

pub use self::table::{COLUMNS, Error as TableError};
use super::{
    consent::shown,
    fund::{self, Done, subject},
    settle::{self, object},
};
use crate::{
    consent::Register,
    digest::Sha3Digest,
    instant::Instant,
    ledger::Kind,
    linkage::{self, PersonIndex},
    party::ContributorId,
    reward::{
        ApportionError, Doubtful, LineError, ObjectRef, PoolId, SCALE, VALUE_METHOD, ValueCommit,
        proof::leaf_hash, read_review, read_values, write_review, write_values,
    },
    site::{self, Site},
    store::{self, Sequence},
};

/// Why records could not be valued or values not be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The site failed, or somebody else committed first.
    #[error(transparent)]
    Site(#[from] site::Error),
    /// The pools cannot be read, or there is no such pool.
    #[error(transparent)]
    Fund(#[from] fund::Error),
    /// The table cannot be taken.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The consent register cannot be read.
    #[error(transparent)]
    Register(#[from] crate::consent::Error),
    /// The person index cannot be read.
    #[error(transparent)]
    Linkage(#[from] linkage::Error),
    /// A sum does not fit.
    #[error("the records could not be valued")]
    Value(#[from] ApportionError),
    /// An object of the vault cannot be written or read.
    #[error("a table of values cannot be written or read")]
    Line(#[from] LineError),
    /// A commit or an object of the vault is missing or not what was recorded.
    #[error(transparent)]
    Recorded(Box<settle::Error>),
    /// Nothing was valued for the pool.
    #[error("nothing was valued for pool `{0}`")]
    None(PoolId),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Site(error.into())
    }
}

impl From<settle::Error> for Error {
    fn from(error: settle::Error) -> Self {
        Self::Recorded(Box::new(error))
    }
}

/// A valuation.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// As it is recorded.
    pub commit: ValueCommit,
    /// The commit and its entry.
    pub done: Done,
    /// The values of contributors, sorted by contributor.
    pub values: Vec<(ContributorId, u128)>,
    /// The records that are worth less than nothing, the worst first.
    pub review: Vec<Doubtful>,
}

/// Values the records of a table for a pool. The same table with the same number of neighbours as in
/// the pool's newest valuation changes nothing.
pub fn run(site: &Site, pool: &PoolId, file: &Path, k: NonZeroU32) -> Result<Outcome, Error> {
    if !fund::pools(site)?.contains_key(pool) {
        return Err(fund::Error::Unknown(pool.clone()).into());
    }
    let vault = site.vault();
    let register = Register::load(&vault)?;
    let index = PersonIndex::load(&vault)?;
    let training = table::read(file, &|id| {
        let person = index.canonical(&id);
        register.people().index(person.as_str()).map(|_| person.clone())
    })?;
    let named = |bytes: Bytes| {
        let digest = Sha3Digest::of(&bytes);
        (ObjectRef { path: format!("values/{digest}.parquet"), digest }, bytes)
    };
    let table = named(training.write()?);
    let newest = all(site)?;
    let number = newest.last().map_or(0, |(number, _)| *number).saturating_add(1);
    let last = newest.into_iter().rev().find(|(_, commit)| commit.pool == *pool);
    if let Some((number, commit)) = last
        && (commit.k, &commit.table) == (k, &table.0)
    {
        return read(site, number, commit);
    }
    let valued = training.value(k)?;
    let values = named(write_values(&valued.contributors)?);
    let review = named(write_review(&valued.review)?);
    for (object, bytes) in [&table, &values, &review] {
        vault.put_content(&object.path, bytes)?;
    }
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    let mut commit = ValueCommit {
        txn: site.txn()?,
        time: site.now(),
        pool: pool.clone(),
        method: VALUE_METHOD.to_owned(),
        k,
        table: table.0,
        values: values.0,
        review: review.0,
        tests: count(training.tests.len()),
        records: count(training.records.len()),
        contributors: count(valued.contributors.len()),
        doubtful: count(valued.review.len()),
        entry: String::new(),
    };
    let mut body = Map::new();
    body.insert("pool".to_owned(), pool.as_str().into());
    body.insert("method".to_owned(), VALUE_METHOD.into());
    body.insert("k".to_owned(), k.get().into());
    body.insert("scale".to_owned(), SCALE.into());
    body.insert("table".to_owned(), commit.table.digest.to_string().into());
    body.insert("contributors".to_owned(), shown(commit.contributors));
    let subject = subject(format!("values:{pool}"), commit.values.digest);
    let entry = site.entry(Kind::ValueComputed, &[subject], &[], &body)?;
    entry.text().clone_into(&mut commit.entry);
    site.commit(&sequence(site), number, &commit, &entry)?;
    let done = Done { commit: number, entry: entry.id(), new: true };
    Ok(Outcome { commit, done, values: valued.contributors, review: valued.review })
}

/// Shows the newest valuation of a pool.
pub fn show(site: &Site, pool: &PoolId) -> Result<Outcome, Error> {
    let (number, commit) = newest(site, pool, None)?.ok_or_else(|| Error::None(pool.clone()))?;
    read(site, number, commit)
}

/// Returns the newest valuation of a pool, made before an instant where one is given.
pub(super) fn newest(
    site: &Site,
    pool: &PoolId,
    until: Option<Instant>,
) -> Result<Option<(u64, ValueCommit)>, settle::Error> {
    let counts = |commit: &ValueCommit| {
        commit.pool == *pool && until.is_none_or(|until| commit.time < until)
    };
    Ok(all(site)?.into_iter().rev().find(|(_, commit)| counts(commit)))
}

fn all(site: &Site) -> Result<Vec<(u64, ValueCommit)>, settle::Error> {
    let read = |(number, body): (u64, Bytes)| {
        let path = format!("vault/{COMMITS}/{number}");
        let commit = serde_json::from_slice(&body);
        commit
            .map(|commit| (number, commit))
            .map_err(|source| settle::Error::Format { path, source })
    };
    sequence(site).all()?.into_iter().map(read).collect()
}

fn read(site: &Site, number: u64, commit: ValueCommit) -> Result<Outcome, Error> {
    let values = read_values(&object(site, &commit.values)?)?;
    let review = read_review(&object(site, &commit.review)?)?;
    let done = Done { commit: number, entry: leaf_hash(commit.entry.as_bytes()), new: false };
    Ok(Outcome { commit, done, values, review })
}

fn sequence(site: &Site) -> Sequence {
    Sequence::new(&site.vault(), COMMITS)
}

/// The sequence of valuations.
const COMMITS: &str = "values/commits";

#[cfg(test)]
mod tests;
