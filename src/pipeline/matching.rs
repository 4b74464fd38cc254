//! Matches what verified persons gave to pools with a fund's money (quadratic funding), once a period.
//!
//! Comes in: a fund, pools, a period, a list of sponsors who are persons. Goes out: one commit that
//! takes the money from the fund and puts it into the pools, and its entry in the book. Never: money
//! of a fund that pays people itself, or a gift that counts in two matches of one fund.
//!
//! Who is a person is told by a list of sponsors, not by the register of payees: a sponsor gives
//! money, a payee is owed some, and their ids are of two kinds.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::fund::{self, Done, commit, found, json, load, subject};
use crate::{
    digest::{CanonicalError, Sha3Digest, canonical},
    instant::Instant,
    ledger::{Entry, Kind},
    money,
    party::SponsorId,
    reward::{
        Act, Dated, GiftInput, MatchError, MatchInputs, MatchShare, Matched, ObjectRef, Period,
        Pool, PoolId, VerifiedSponsor, proof::leaf_hash, reckon_match,
    },
    site::{self, Site},
    store,
};

/// Why nothing could be matched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pools, the site or the store failed.
    #[error(transparent)]
    Fund(#[from] fund::Error),
    /// The list of sponsors cannot be read.
    #[error("the list of sponsors `{}`", file.display())]
    List {
        /// The file.
        file: PathBuf,
        /// What the reader said.
        #[source]
        source: csv::Error,
    },
    /// A row of the list is no sponsor and person.
    #[error("the list of sponsors `{}`, line {line}: {reason}", file.display())]
    Row {
        /// The file.
        file: PathBuf,
        /// The line.
        line: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// The period is not over, so that more gifts could still come.
    #[error("period `{period}` is not over before {until}")]
    NotOver {
        /// The period.
        period: Period,
        /// Its end.
        until: Instant,
    },
    /// The fund matches itself.
    #[error("fund `{0}` cannot match gifts to itself")]
    Itself(PoolId),
    /// A pool is in another currency than the fund.
    #[error("pool `{pool}` is not in the currency of fund `{fund}`")]
    Currency {
        /// The pool.
        pool: PoolId,
        /// The fund.
        fund: PoolId,
    },
    /// The fund pays people.
    #[error("pool `{0}` has been settled: it pays people, and matches nothing")]
    Settled(PoolId),
    /// The period reaches into one that is matched.
    #[error("fund `{fund}` has matched `{earlier}`, which `{period}` reaches into")]
    Overlap {
        /// The fund.
        fund: PoolId,
        /// The period.
        period: Period,
        /// The matched one.
        earlier: Period,
    },
    /// The period was matched for other pools.
    #[error("fund `{fund}` has matched `{period}` for other pools")]
    OtherPools {
        /// The fund.
        fund: PoolId,
        /// The period.
        period: Period,
    },
    /// Money came into a pool under the reference of the match.
    #[error("pool `{pool}` holds a payment under the reference `{reference}`")]
    Reference {
        /// The pool.
        pool: PoolId,
        /// The reference.
        reference: String,
    },
    /// Nothing is matched: the fund is empty, or no pool has gifts of two verified persons.
    #[error("fund `{fund}` has nothing to match in `{period}`")]
    Nothing {
        /// The fund.
        fund: PoolId,
        /// The period.
        period: Period,
    },
    /// The match could not be reckoned.
    #[error("fund `{fund}` could not match `{period}`")]
    Match {
        /// The fund.
        fund: PoolId,
        /// The period.
        period: Period,
        /// Why not.
        #[source]
        source: MatchError,
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
        Self::Fund(fund::Error::Pool(error.into()))
    }
}

/// What is to be matched.
#[derive(Debug, Clone)]
pub struct Request {
    /// The fund.
    pub fund: PoolId,
    /// The pools.
    pub pools: BTreeSet<PoolId>,
    /// The period whose gifts count.
    pub period: Period,
    /// The most that one pool gets, in millionths of what the fund holds.
    pub cap_ppm: Option<u32>,
    /// Which sponsors are persons.
    pub verified: BTreeMap<SponsorId, String>,
    /// Whether nothing is written.
    pub dry_run: bool,
}

/// What a match came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The match as it is recorded (or would be).
    pub matched: Matched,
    /// The commit and entry; `None` for a dry run.
    pub done: Option<Done>,
}

/// One row of the list of sponsors.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    sponsor: String,
    person: String,
}

/// Reads which sponsors are persons: CSV with the columns `sponsor` and `person`, where all ids of one
/// person name the same `person`.
pub fn read_verified(file: &Path) -> Result<BTreeMap<SponsorId, String>, Error> {
    let unread = |source| Error::List { file: file.to_owned(), source };
    let mut reader = csv::Reader::from_path(file).map_err(unread)?;
    let mut verified = BTreeMap::new();
    for (row, line) in reader.deserialize::<Row>().zip(2_u64..) {
        let row = row.map_err(unread)?;
        let wrong = |reason| Error::Row { file: file.to_owned(), line, reason };
        let sponsor = SponsorId::parse(&row.sponsor).map_err(|_| wrong("`sponsor` holds no id"))?;
        // A person's key has the form of an id.
        SponsorId::check(&row.person).map_err(|_| wrong("`person` holds no key"))?;
        if verified.insert(sponsor, row.person).is_some() {
            return Err(wrong("the sponsor stands in the list twice"));
        }
    }
    Ok(verified)
}

/// Matches the gifts of a period. A period that the fund has matched already is found, and nothing is
/// matched again.
pub fn match_gifts(site: &Site, request: &Request) -> Result<Outcome, Error> {
    let Request { fund: name, period, .. } = request;
    let (pools, newest) = load(site)?;
    let of = |pool: &PoolId| pools.get(pool).ok_or_else(|| fund::Error::Unknown(pool.clone()));
    let fund = of(name)?;
    if let Some(known) = known(fund, request)? {
        return Ok(Outcome { matched: known.act.clone(), done: Some(found(known)) });
    }
    if !fund.settled.is_empty() {
        return Err(Error::Settled(name.clone()));
    }
    if !request.dry_run && site.now() < period.until() {
        return Err(Error::NotOver { period: period.clone(), until: period.until() });
    }
    let inputs = gather(&pools, fund, request)?;
    let unmatched = |source| Error::Match { fund: name.clone(), period: period.clone(), source };
    let shares = reckon_match(&inputs).map_err(unmatched)?;
    let bytes = canonical(&inputs)?;
    let digest = Sha3Digest::of(&bytes);
    let at = ObjectRef { path: format!("pools/matches/{digest}.json"), digest };
    let matched = Matched { pool: name.clone(), period: period.clone(), inputs: at, shares };
    let reference = matched.reference();
    for pool in &request.pools {
        if of(pool)?.funded.iter().any(|funded| funded.act.reference == reference) {
            return Err(Error::Reference { pool: pool.clone(), reference });
        }
    }
    if request.dry_run {
        return Ok(Outcome { matched, done: None });
    }
    if matched.total(fund.currency())?.minor() == 0 {
        return Err(Error::Nothing { fund: name.clone(), period: period.clone() });
    }
    site.vault().put_content(&matched.inputs.path, &Bytes::from(bytes))?;
    let entry = entry(site, fund, &inputs, &matched)?;
    let done = commit(site, newest, Act::Matched(matched.clone()), &entry)?;
    Ok(Outcome { matched, done: Some(done) })
}

/// Finds the fund's match of the period, if there is one.
fn known<'a>(fund: &'a Pool, request: &Request) -> Result<Option<&'a Dated<Matched>>, Error> {
    let period = &request.period;
    let (from, until) = (period.from(), period.until());
    for known in &fund.matched {
        let earlier = &known.act.period;
        if (earlier.from(), earlier.until()) == (from, until) {
            return if known.act.shares.iter().map(|share| &share.pool).eq(&request.pools) {
                Ok(Some(known))
            } else {
                Err(Error::OtherPools { fund: fund.id().clone(), period: period.clone() })
            };
        }
        if earlier.from() < until && from < earlier.until() {
            return Err(Error::Overlap {
                fund: fund.id().clone(),
                period: period.clone(),
                earlier: earlier.clone(),
            });
        }
    }
    Ok(None)
}

/// Writes down all gifts of the period, and what the fund holds.
fn gather(
    pools: &BTreeMap<PoolId, Pool>,
    fund: &Pool,
    request: &Request,
) -> Result<MatchInputs, Error> {
    // Money of a match is nobody's gift.
    let matches: BTreeSet<u64> =
        pools.values().flat_map(|pool| &pool.matched).map(|matched| matched.commit).collect();
    let mut gifts = Vec::new();
    for name in &request.pools {
        let pool = pools.get(name).ok_or_else(|| fund::Error::Unknown(name.clone()))?;
        if name == fund.id() {
            return Err(Error::Itself(name.clone()));
        }
        if pool.currency() != fund.currency() {
            return Err(Error::Currency { pool: name.clone(), fund: fund.id().clone() });
        }
        let counts =
            |f: &&Dated<_>| request.period.contains(f.time) && !matches.contains(&f.commit);
        gifts.extend(pool.funded.iter().filter(counts).map(|gift| GiftInput {
            pool: name.clone(),
            commit: gift.commit,
            entry: leaf_hash(gift.entry.as_bytes()),
            amount: gift.act.amount,
            person: request.verified.get(&gift.act.sponsor).cloned(),
        }));
    }
    gifts.sort_by_key(|gift| gift.commit);
    let verified = request.verified.iter();
    let verified = verified.map(|(sponsor, person)| VerifiedSponsor {
        sponsor: sponsor.clone(),
        person: person.clone(),
    });
    Ok(MatchInputs {
        format: 1,
        fund: fund.id().clone(),
        period: request.period.clone(),
        available: fund.funds()?.minus(fund.matched_out()?)?,
        cap_ppm: request.cap_ppm,
        pools: request.pools.iter().cloned().collect(),
        verified: verified.collect(),
        gifts,
    })
}

fn entry(
    site: &Site,
    fund: &Pool,
    inputs: &MatchInputs,
    matched: &Matched,
) -> Result<Entry, Error> {
    let share = |MatchShare { pool, amount, .. }: &MatchShare| -> Result<Value, Error> {
        let mut share = Map::new();
        share.insert("pool".to_owned(), pool.as_str().into());
        share.insert("amount".to_owned(), json(amount)?);
        Ok(Value::Object(share))
    };
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    put("fund", matched.pool.as_str().into());
    put("period", matched.period.as_str().into());
    put("total", json(&matched.total(fund.currency())?)?);
    put("shares", matched.shares.iter().map(share).collect::<Result<Vec<_>, _>>()?.into());
    put("cap_ppm", json(&inputs.cap_ppm)?);
    put("input_digest", matched.inputs.digest.to_string().into());
    let before = fund.matched.last().map_or(&fund.opened.entry, |last| &last.entry);
    let subject = subject(matched.reference(), matched.inputs.digest);
    Ok(site.entry(Kind::FundsMatched, &[subject], &[leaf_hash(before.as_bytes())], &body)?)
}

#[cfg(test)]
mod tests;
