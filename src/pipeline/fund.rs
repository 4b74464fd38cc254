//! Opens a pool and puts money into it, each act once.
//!
//! Comes in: rules, payments. Goes out: commits of `vault/pools` and their entries in the book.
//! Never: one payment counted twice, or a pool whose rules change.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    cover::Covers,
    digest::{CanonicalError, Sha3Digest, canonical_digest, hex, hmac_sha3_parts},
    ledger::{Entry, EntryId, Kind, Subject},
    money::{Accrual, Amount},
    reward::{
        Act, Commit, Dated, Funded, Opened, OpenedError, Pool, PoolError, PoolId, RuleSet,
        proof::leaf_hash, read_pools,
    },
    site::{self, Site},
    store::{self, Sequence},
};

/// Why a pool could not be opened or funded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The site failed.
    #[error(transparent)]
    Site(#[from] site::Error),
    /// The commits of pools are broken.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The rules make no sense.
    #[error("the rules of pool `{pool}`")]
    Rules {
        /// The pool.
        pool: PoolId,
        /// What is wrong.
        #[source]
        source: OpenedError,
    },
    /// An entry could not be written down.
    #[error("the act has no canonical form")]
    Canonical(#[from] CanonicalError),
    /// There is no such pool.
    #[error("there is no pool `{0}`")]
    Unknown(PoolId),
    /// A policy has the name.
    #[error("`{0}` is the name of a policy: its money would be two pools under one name")]
    IsPolicy(PoolId),
    /// The covers cannot be read.
    #[error(transparent)]
    Cover(#[from] crate::cover::CoverError),
    /// The pool was opened under other rules.
    #[error("pool `{0}` was opened under other rules")]
    OtherRules(PoolId),
    /// The reference was used for another payment.
    #[error("pool `{pool}` was funded under the same reference with another amount or sponsor")]
    OtherPayment {
        /// The pool.
        pool: PoolId,
        /// The commit of the other payment.
        commit: u64,
    },
    /// The pool is a fund.
    #[error("pool `{0}` is a fund that matches gifts to other pools, and pays nobody else")]
    Matches(PoolId),
    /// The payment is not one that the pool can take.
    #[error("pool `{0}` takes amounts above zero in its own currency")]
    Amount(PoolId),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Site(error.into())
    }
}

/// What an act came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Done {
    /// The commit.
    pub commit: u64,
    /// Its ledger entry.
    pub entry: EntryId,
    /// Whether this call made it; else it stood already and nothing was done.
    pub new: bool,
}

/// Returns all pools as they stand.
pub fn pools(site: &Site) -> Result<BTreeMap<PoolId, Pool>, Error> {
    Ok(load(site)?.0)
}

/// Returns all pools as they stand, and the number of the newest commit that says so.
pub(super) fn load(site: &Site) -> Result<(BTreeMap<PoolId, Pool>, u64), Error> {
    let commits = sequence(site).all()?;
    let newest = commits.last().map_or(0, |(number, _)| *number);
    Ok((read_pools(&commits)?, newest))
}

/// Opens a pool. Opening it again under the same rules changes nothing.
pub fn open(site: &Site, opened: Opened) -> Result<Done, Error> {
    let pool = opened.pool.clone();
    let opened = opened.check().map_err(|source| Error::Rules { pool: pool.clone(), source })?;
    let (pools, newest) = load(site)?;
    if let Some(known) = pools.get(&pool) {
        return if known.opened.act == opened {
            Ok(found(&known.opened))
        } else {
            Err(Error::OtherRules(pool))
        };
    }
    if Covers::load(&site.vault())?.get(&pool).is_some() {
        return Err(Error::IsPolicy(pool));
    }
    let mut body = Map::new();
    body.insert("pool".to_owned(), pool.as_str().into());
    body.insert("currency".to_owned(), opened.currency.code().into());
    body.insert("datasets".to_owned(), opened.datasets.clone().into());
    body.insert("purposes".to_owned(), json(&opened.purposes)?);
    body.insert("rules".to_owned(), rules(&opened.rules)?);
    let subject = subject(format!("pool:{pool}"), canonical_digest(&opened)?);
    let entry = site.entry(Kind::PoolOpened, &[subject], &[], &body)?;
    commit(site, newest, Act::Opened(opened), &entry)
}

/// Puts money into a pool. The same reference again is the same payment, and changes nothing.
pub fn fund(site: &Site, funded: Funded) -> Result<Done, Error> {
    let (pools, newest) = load(site)?;
    let pool = pools.get(&funded.pool).ok_or_else(|| Error::Unknown(funded.pool.clone()))?;
    if let Some(known) = pool.funded.iter().find(|f| f.act.reference == funded.reference) {
        return if known.act == funded {
            Ok(found(known))
        } else {
            Err(Error::OtherPayment { pool: funded.pool, commit: known.commit })
        };
    }
    if funded.amount.minor() <= 0 || funded.amount.currency() != pool.currency() {
        return Err(Error::Amount(funded.pool));
    }
    let keyed = |label: &str| {
        let parts =
            [funded.pool.as_str(), funded.sponsor.as_str(), &funded.reference].map(str::as_bytes);
        Sha3Digest(hmac_sha3_parts(&site.secret(label), &parts))
    };
    let commitment = keyed("payment-reference");
    let mut body = Map::new();
    body.insert("pool".to_owned(), funded.pool.as_str().into());
    body.insert("amount".to_owned(), json(&funded.amount)?);
    body.insert("sponsor_token".to_owned(), hex(keyed("sponsor-token").as_bytes()).into());
    body.insert("reference_commitment".to_owned(), commitment.to_string().into());
    let subject = subject(format!("payment:{}", funded.pool), commitment);
    let prev = leaf_hash(pool.opened.entry.as_bytes());
    let entry = site.entry(Kind::PoolFunded, &[subject], &[prev], &body)?;
    commit(site, newest, Act::Funded(funded), &entry)
}

/// Makes the commit after `newest`, the last one that the act was decided on, and puts its entry into
/// the book. Whoever committed since then makes it a conflict: the act must be decided again.
pub(super) fn commit(site: &Site, newest: u64, act: Act, entry: &Entry) -> Result<Done, Error> {
    commit_as(site, site.txn()?, newest, act, entry)
}

/// As [`commit`], under a random id that was drawn before: the entry's commitment is salted by it.
pub(super) fn commit_as(
    site: &Site,
    txn: String,
    newest: u64,
    act: Act,
    entry: &Entry,
) -> Result<Done, Error> {
    let sequence = sequence(site);
    let number = newest.saturating_add(1);
    let body = Commit { txn, time: site.now(), act, entry: entry.text().to_owned() };
    site.commit(&sequence, number, &body, entry)?;
    Ok(Done { commit: number, entry: entry.id(), new: true })
}

pub(super) fn found<T>(act: &Dated<T>) -> Done {
    Done { commit: act.commit, entry: leaf_hash(act.entry.as_bytes()), new: false }
}

pub(super) fn subject(name: String, sha3: Sha3Digest) -> Subject {
    Subject { name, sha3, sha256: None }
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<Value, CanonicalError> {
    serde_json::to_value(value).map_err(|e| CanonicalError::Json(e.to_string()))
}

/// Returns what the book says of a rule set: its name, version and digest.
pub(super) fn rules(set: &RuleSet) -> Result<Value, CanonicalError> {
    let digest = set.digest()?;
    Ok(json!({"name": set.name, "version": set.version, "digest": digest}))
}

fn sequence(site: &Site) -> Sequence {
    Sequence::new(&site.vault(), "pools/commits")
}

/// What institutions have of a pool, for showing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InstitutionStanding {
    /// All that was paid.
    pub paid: Amount,
    /// What they have earned and carry.
    pub carried: Accrual,
}

/// What a pool holds, for showing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Its name.
    pub pool: PoolId,
    /// How it was opened.
    pub opened: Opened,
    /// All that came in.
    pub funded: Amount,
    /// All fees.
    pub fees: Amount,
    /// All that was paid.
    pub paid: Amount,
    /// What contributors have earned and carry.
    pub carried: Accrual,
    /// What institutions were paid and carry, where the rules give them a part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub institutions: Option<InstitutionStanding>,
    /// What waits for the next settlement.
    pub open: Accrual,
    /// The periods that are settled.
    pub settled: Vec<String>,
}

impl Standing {
    /// Says how a pool stands.
    pub fn of(pool: &Pool) -> Result<Self, Error> {
        let money = |e| Error::Pool(PoolError::Money(e));
        let used = |n: &u64| pool.settled.iter().any(|s| s.act.funded.contains(n));
        let matched = pool.matched_out().map_err(money)?;
        let open = pool
            .funded
            .iter()
            .filter(|f| !used(&f.commit))
            .try_fold(pool.returned(), |sum, f| sum.plus(f.act.amount.to_accrual()?))
            .and_then(|open| open.minus(matched.to_accrual()?))
            .map_err(money)?;
        Ok(Self {
            pool: pool.id().clone(),
            opened: pool.opened.act.clone(),
            funded: pool.funds().map_err(money)?,
            fees: pool.fees().map_err(money)?,
            paid: pool.paid().map_err(money)?,
            carried: pool.carried(),
            institutions: pool
                .institutions()
                .map_err(money)?
                .map(|(paid, carried)| InstitutionStanding { paid, carried }),
            open,
            settled: pool.settled.iter().map(|s| s.act.period.to_string()).collect(),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{instant::Instant, ledger::Schema, money::Currency, party::SponsorId};

    pub(crate) fn site(folder: &tempfile::TempDir, now: &str) -> Site {
        let address = folder.path().join("site");
        let (address, keys) = (address.to_str().unwrap(), folder.path().join("keys"));
        let now = Instant::parse(now).unwrap();
        match Site::open(address, &keys, now) {
            Err(site::Error::Missing(_)) => {
                Site::init(address, &keys, "test.example/ledger", now).unwrap()
            }
            opened => opened.unwrap(),
        }
    }

    pub(crate) fn terms() -> Opened {
        let currency = Currency::parse("EUR").unwrap();
        let mut rules = RuleSet::plain(300_000, 700_000);
        rules.fee_bps = 500;
        let pool = PoolId::parse("p").unwrap();
        Opened { pool, currency, datasets: vec!["d".into()], purposes: vec![], rules }
    }

    pub(crate) fn gift(minor: i128, reference: &str) -> Funded {
        Funded {
            pool: PoolId::parse("p").unwrap(),
            amount: Amount::new(minor, Currency::parse("EUR").unwrap()),
            sponsor: SponsorId::parse("sponsor").unwrap(),
            reference: reference.into(),
        }
    }

    #[test]
    fn a_payment_told_twice_is_one_payment() {
        let folder = tempfile::tempdir().unwrap();
        let site = site(&folder, "2026-10-01");
        let opened = open(&site, terms()).unwrap();
        assert!(opened.new && !open(&site, terms()).unwrap().new);
        let first = fund(&site, gift(100, "r1")).unwrap();
        let again = fund(&site, gift(100, "r1")).unwrap();
        assert!(first.new && !again.new, "the sponsor would be credited twice");
        assert_eq!((first.commit, first.entry), (again.commit, again.entry));
        let other = fund(&site, gift(101, "r1"));
        assert!(matches!(other, Err(Error::OtherPayment { commit: 2, .. })));
        let pool = &pools(&site).unwrap()[&terms().pool];
        assert_eq!(Standing::of(pool).unwrap().open.whole().minor(), 100);
    }

    #[test]
    fn a_pool_keeps_its_rules_and_takes_its_own_currency_only() {
        let folder = tempfile::tempdir().unwrap();
        let site = site(&folder, "2026-10-01");
        let _ = open(&site, terms()).unwrap();
        let mut other = terms();
        other.rules.fee_bps = 501;
        assert!(matches!(open(&site, other), Err(Error::OtherRules(_))));
        let mut dollars = gift(100, "r1");
        dollars.amount = Amount::new(100, Currency::parse("USD").unwrap());
        assert!(matches!(fund(&site, dollars), Err(Error::Amount(_))));
        assert!(matches!(fund(&site, gift(0, "r2")), Err(Error::Amount(_))));
        let mut nowhere = gift(1, "r3");
        nowhere.pool = PoolId::parse("q").unwrap();
        assert!(matches!(fund(&site, nowhere), Err(Error::Unknown(_))));
    }

    #[test]
    fn an_act_decided_on_a_state_that_has_changed_is_a_conflict() {
        let folder = tempfile::tempdir().unwrap();
        let site = site(&folder, "2026-10-01");
        let opened = open(&site, terms()).unwrap();
        let _ = fund(&site, gift(100, "r1")).unwrap();
        let late = gift(100, "r2");
        let schema = Schema::of(Kind::PoolFunded);
        let subjects = schema.sample_subjects();
        let entry = site.entry(Kind::PoolFunded, &subjects, &[], &schema.sample()).unwrap();
        let result = commit(&site, opened.commit, Act::Funded(late), &entry);
        assert!(
            matches!(result, Err(Error::Site(site::Error::Conflict(_)))),
            "two stewards could settle one period twice"
        );
    }
}
