//! Settles a period of a pool: gathers what counts, writes it down, computes, pays once.
//!
//! Comes in: a pool, a period. Goes out: a commit, its objects in the vault, an entry in the book.
//! Never: a period settled twice, or a use paid in two periods.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::{Map, Value};

use super::fund::{self, Done, commit, found, json, load, subject};
use crate::{
    consent::Register,
    digest::{CanonicalError, Sha3Digest, Sha256, hex, hmac_sha3_parts},
    instant::Instant,
    lake::Version,
    ledger::{Entry, Kind},
    party::ContributorId,
    reward::{
        Act, FundedInput, Inputs, InstitutionLine, LineError, Lines, ObjectRef, OpeningInput,
        Period, Pool, PoolId, QueryInput, Rules, SettleError, Settled, Settlement, VersionInput,
        proof::{LineTree, leaf_hash, root},
        read_institutions, read_lines, read_table, settle as compute, write_institutions,
        write_lines,
    },
    site::{self, Site},
    store::{self, Sequence},
    usage::UsageRecord,
};

/// Why a period could not be settled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pools or the site failed.
    #[error(transparent)]
    Fund(#[from] fund::Error),
    /// The period is not over, so that more could still count.
    #[error("period `{period}` is not over before {until}")]
    NotOver {
        /// The period.
        period: Period,
        /// Its end.
        until: Instant,
    },
    /// A period that is settled begins later or reaches into this one.
    #[error("period `{period}` begins before the end of `{earlier}`, which is settled")]
    Overlap {
        /// The period.
        period: Period,
        /// The settled one.
        earlier: Period,
    },
    /// There is no money to give out: nothing is settled, so that the usage is not spent on it.
    #[error("pool `{pool}` holds nothing that came in before the end of `{period}`")]
    Empty {
        /// The pool.
        pool: PoolId,
        /// The period.
        period: Period,
    },
    /// The computation refused.
    #[error("pool `{pool}` could not be settled for `{period}`")]
    Settle {
        /// The pool.
        pool: PoolId,
        /// The period.
        period: Period,
        /// Why.
        #[source]
        source: Box<SettleError>,
    },
    /// An object is not what was recorded.
    #[error("object `{path}` of the vault is not what was recorded")]
    Integrity {
        /// The object.
        path: String,
    },
    /// A table cannot be read or written.
    #[error("object `{path}` of the vault cannot be read or written")]
    Table {
        /// The object.
        path: String,
        /// Why.
        #[source]
        source: LineError,
    },
    /// A commit or object holds something else than this version writes.
    #[error("`{path}` cannot be read")]
    Format {
        /// The object.
        path: String,
        /// What the reader said.
        #[source]
        source: serde_json::Error,
    },
    /// The consent register, which holds each person's key, cannot be read.
    #[error("the consent register cannot be read")]
    Register(#[source] Box<crate::consent::Error>),
    /// A question asked a version that the lake does not have.
    #[error(
        "usage commit {commit} asked version {version} of `{dataset}`, which is not in the lake"
    )]
    Version {
        /// The usage commit.
        commit: u64,
        /// The dataset.
        dataset: String,
        /// The version.
        version: u64,
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

/// What a settlement came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The settlement as it is recorded (or would be).
    pub settled: Settled,
    /// The institutions' lines; none where the pool's terms give them no part.
    pub institutions: Vec<InstitutionLine>,
    /// The commit and entry; `None` for a dry run.
    pub done: Option<Done>,
    /// Questions on the pool's datasets before this period that no settled period holds: they are
    /// paid by nobody, and the steward should know.
    pub unpaid_before: u64,
    /// Questions that repeat a counted one of the same day, and so did not count.
    pub repeats: u64,
}

/// Settles a period. A period that is settled already is found, and nothing is paid again. A dry
/// run computes, commits nothing, and may look at a period that is not over.
pub fn settle(
    site: &Site,
    pool: &PoolId,
    period: &Period,
    dry_run: bool,
) -> Result<Outcome, Error> {
    let (pools, newest) = load(site)?;
    let pool = pools.get(pool).ok_or_else(|| fund::Error::Unknown(pool.clone()))?;
    let interval = |p: &Period| (p.from(), p.until());
    if let Some(known) = pool.settled.iter().find(|s| interval(&s.act.period) == interval(period)) {
        let settled = known.act.clone();
        let done = Some(found(known));
        let institutions =
            recorded(site, &settled.lines, settled.institution_lines.as_ref())?.institutions;
        return Ok(Outcome { settled, institutions, done, unpaid_before: 0, repeats: 0 });
    }
    if let Some(last) = pool.settled.last().filter(|s| period.from() < s.act.period.until()) {
        let earlier = last.act.period.clone();
        return Err(Error::Overlap { period: period.clone(), earlier });
    }
    if !dry_run && site.now() < period.until() {
        return Err(Error::NotOver { period: period.clone(), until: period.until() });
    }
    let (inputs, unpaid_before) = gather(site, pool, period)?;
    let settlement = recompute(site, &inputs)?;
    let (settled, objects) = record(site, pool, &inputs, &settlement)?;
    let institutions = settlement.institutions;
    let repeats = inputs.repeats.len() as u64;
    if dry_run {
        return Ok(Outcome { settled, institutions, done: None, unpaid_before, repeats });
    }
    let vault = site.vault();
    for (object, bytes) in &objects {
        vault.put_content(&object.path, bytes)?;
    }
    let entry = entry(site, pool, &inputs, &settled)?;
    let done = commit(site, newest, Act::Settled(Box::new(settled.clone())), &entry)?;
    Ok(Outcome { settled, institutions, done: Some(done), unpaid_before, repeats })
}

/// Writes down everything that counts for a period, from the commits alone.
fn gather(site: &Site, pool: &Pool, period: &Period) -> Result<(Inputs, u64), Error> {
    let opened = &pool.opened.act;
    let funded = pool
        .unsettled(period.until())
        .into_iter()
        .map(|f| FundedInput { commit: f.commit, entry: id(&f.entry), amount: f.act.amount })
        .collect();

    let mut queries = Vec::new();
    let mut repeats = Vec::new();
    let mut counted = BTreeSet::new();
    let mut unpaid_before = 0_u64;
    for (number, record) in usage(site)? {
        if !opened.datasets.contains(&record.dataset) {
            continue;
        }
        if period.contains(record.time) {
            // The same question again on the same day is one use, however often it is asked.
            let key = (
                record.dataset.clone(),
                record.query,
                record.researcher.clone(),
                record.time.date(),
            );
            if counted.insert(key) {
                queries.push(query(number, record));
            } else {
                repeats.push(number);
            }
        } else if record.time < period.from()
            && !pool.settled.iter().any(|s| s.act.period.contains(record.time))
        {
            unpaid_before = unpaid_before.saturating_add(1);
        }
    }

    let inputs = Inputs {
        format: 1,
        pool: opened.pool.clone(),
        period: period.clone(),
        datasets: opened.datasets.clone(),
        rules: Rules::new(opened.currency, opened.terms.clone()),
        funded,
        returned: pool.returned(),
        versions: versions(site, &opened.datasets, period, &queries)?,
        queries,
        repeats,
        opening: pool.settled.last().map(|s| OpeningInput {
            commit: s.commit,
            lines: s.act.lines.clone(),
            institution_lines: s.act.institution_lines.clone(),
        }),
        seed: Sha3Digest([0; 32]),
    };
    Ok((inputs.seeded()?, unpaid_before))
}

fn query(commit: u64, record: UsageRecord) -> QueryInput {
    QueryInput {
        commit,
        entry: id(&record.entry),
        time: record.time,
        dataset: record.dataset,
        version: record.version,
        purpose: record.purpose,
        researcher: record.researcher,
        institution: record.institution,
        query: record.query,
        price: 1,
        people: record.people,
        rows: record.rows,
        lines: ObjectRef { path: record.lines_path, digest: record.lines },
    }
}

/// Returns the newest version of each dataset when the period ended, and every version asked.
fn versions(
    site: &Site,
    datasets: &[String],
    period: &Period,
    queries: &[QueryInput],
) -> Result<Vec<VersionInput>, Error> {
    let mut known = BTreeMap::new();
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    for (commit, body) in Sequence::new(&site.lake(), "commits").all()? {
        let path = format!("lake/commits/{commit}");
        let version: Version =
            serde_json::from_slice(&body).map_err(|source| Error::Format { path, source })?;
        let Some(dataset) = datasets.iter().find(|d| **d == version.dataset) else { continue };
        if version.time < period.until() {
            let number = newest.entry(dataset).or_default();
            *number = version.version.max(*number);
        }
        known.insert((version.dataset.clone(), version.version), (commit, version));
    }
    let mut wanted: BTreeSet<(&str, u64)> = newest.iter().map(|(d, v)| (*d, *v)).collect();
    for query in queries {
        if !known.contains_key(&(query.dataset.clone(), query.version)) {
            let (commit, dataset) = (query.commit, query.dataset.clone());
            return Err(Error::Version { commit, dataset, version: query.version });
        }
        wanted.insert((&query.dataset, query.version));
    }
    Ok(known
        .into_iter()
        .filter(|((dataset, version), _)| wanted.contains(&(dataset.as_str(), *version)))
        .map(|((dataset, number), (commit, version))| VersionInput {
            commit,
            entry: id(&version.entry),
            base: newest.get(dataset.as_str()) == Some(&number),
            dataset,
            version: number,
            roster: ObjectRef { path: version.roster.path, digest: version.roster.digest },
        })
        .collect())
}

fn usage(site: &Site) -> Result<Vec<(u64, UsageRecord)>, Error> {
    Sequence::new(&site.vault(), "usage/commits")
        .all()?
        .into_iter()
        .map(|(number, body)| {
            let path = format!("vault/usage/commits/{number}");
            let record =
                serde_json::from_slice(&body).map_err(|source| Error::Format { path, source })?;
            Ok((number, record))
        })
        .collect()
}

/// Computes a settlement from its inputs and the objects that they name, each checked against its
/// digest.
pub(super) fn recompute(site: &Site, inputs: &Inputs) -> Result<Settlement, Error> {
    let table = |at: &ObjectRef| {
        let bytes = object(site, at)?;
        read_table(&bytes).map_err(|source| Error::Table { path: at.path.clone(), source })
    };
    let rosters =
        inputs.versions.iter().map(|v| table(&v.roster)).collect::<Result<Vec<_>, _>>()?;
    let usage = inputs.queries.iter().map(|q| table(&q.lines)).collect::<Result<Vec<_>, _>>()?;
    let opening = match &inputs.opening {
        Some(opening) => recorded(site, &opening.lines, opening.institution_lines.as_ref())?,
        None => Lines::default(),
    };
    let (pool, period) = (inputs.pool.clone(), inputs.period.clone());
    compute(inputs, &rosters, &usage, &opening.people, &opening.institutions).map_err(|source| {
        if matches!(source, SettleError::Empty) {
            Error::Empty { pool, period }
        } else {
            Error::Settle { pool, period, source: Box::new(source) }
        }
    })
}

/// Reads an object of the vault and checks its digest.
pub(super) fn object(site: &Site, at: &ObjectRef) -> Result<Bytes, Error> {
    let bytes = site.vault().get(&at.path)?;
    if Sha3Digest::of(&bytes) == at.digest {
        Ok(bytes)
    } else {
        Err(Error::Integrity { path: at.path.clone() })
    }
}

/// Reads the recorded lines of a settlement: those of people, and of institutions where it has any.
pub(super) fn recorded(
    site: &Site,
    lines: &ObjectRef,
    institution_lines: Option<&ObjectRef>,
) -> Result<Lines, Error> {
    let broken = |at: &ObjectRef, source| Error::Table { path: at.path.clone(), source };
    let people = read_lines(&object(site, lines)?).map_err(|source| broken(lines, source))?;
    let institutions = match institution_lines {
        Some(at) => read_institutions(&object(site, at)?).map_err(|source| broken(at, source))?,
        None => Vec::new(),
    };
    Ok(Lines { people, institutions })
}

/// The keys under which contributors' lines are committed to: each one's own from the consent
/// register, which they hold as well; one of the site's where the register has none any more.
pub(super) struct LineKeys {
    register: Register,
    secret: [u8; 32],
}

impl LineKeys {
    pub(super) fn load(site: &Site) -> Result<Self, Error> {
        let register = Register::load(&site.vault()).map_err(|e| Error::Register(Box::new(e)))?;
        Ok(Self { register, secret: site.secret("payout-lines") })
    }

    pub(super) fn of(&self, contributor: &ContributorId) -> [u8; 32] {
        let people = self.register.people();
        match people.index(contributor.as_str()).and_then(|index| people.key(index)) {
            Some(key) => *key,
            None => hmac_sha3_parts(&self.secret, &[contributor.as_str().as_bytes()]),
        }
    }
}

type Objects = Vec<(ObjectRef, Bytes)>;

fn record(
    site: &Site,
    pool: &Pool,
    inputs: &Inputs,
    settlement: &Settlement,
) -> Result<(Settled, Objects), Error> {
    let named = |bytes: Vec<u8>, kind: &str| {
        let digest = Sha3Digest::of(&bytes);
        let path = format!("pools/settlements/{digest}.{kind}");
        (ObjectRef { path, digest }, Bytes::from(bytes))
    };
    let broken = |source| Error::Table { path: "pools/settlements".to_owned(), source };
    let lines = write_lines(&settlement.lines).map_err(broken)?;
    let keys = LineKeys::load(site)?;
    let key = |contributor: &ContributorId| keys.of(contributor);
    let tree = LineTree::new(pool.id(), &inputs.period, &settlement.lines, key)?;
    let inputs_object = named(inputs.bytes()?, "json");
    let lines_object = named(lines.to_vec(), "parquet");
    let leaves_object = named(tree.bytes(), "leaves");
    let mut objects = Vec::new();
    if settlement.totals.institutions.is_some() {
        let lines = write_institutions(&settlement.institutions).map_err(broken)?;
        objects.push(named(lines.to_vec(), "institutions.parquet"));
    }
    let settled = Settled {
        pool: pool.id().clone(),
        period: inputs.period.clone(),
        funded: inputs.funded.iter().map(|f| f.commit).collect(),
        inputs: inputs_object.0.clone(),
        lines: lines_object.0.clone(),
        leaves: leaves_object.0.clone(),
        root: tree.root(),
        count: settlement.lines.len() as u64,
        totals: settlement.totals.clone(),
        institution_lines: objects.first().map(|(at, _)| at.clone()),
    };
    objects.extend([inputs_object, lines_object, leaves_object]);
    Ok((settled, objects))
}

fn entry(site: &Site, pool: &Pool, inputs: &Inputs, settled: &Settled) -> Result<Entry, Error> {
    let ids: BTreeSet<Sha256> = inputs
        .funded
        .iter()
        .map(|f| f.entry)
        .chain(inputs.versions.iter().map(|v| v.entry))
        .chain(inputs.queries.iter().map(|q| q.entry))
        .collect();
    let listed: Vec<Value> = if ids.len() <= ENTRIES_LISTED_MAX {
        ids.iter().map(|id| id.to_string().into()).collect()
    } else {
        Vec::new()
    };
    let leaves = ids.iter().map(|id| leaf_hash(id.as_bytes())).collect();
    let totals = &settled.totals;
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    put("pool", settled.pool.as_str().into());
    put("period", settled.period.as_str().into());
    put("inputs", listed.into());
    put("inputs_count", ids.len().into());
    put("inputs_root", root(leaves).to_string().into());
    put("rules", json(&inputs.rules)?);
    put("root", settled.root.to_string().into());
    put("count", people(settled.count));
    put("total", json(&totals.paid)?);
    put("fee", json(&totals.fee)?);
    put("carried", json(&totals.carried)?);
    put("unallocated", json(&totals.unallocated)?);
    put("currency", pool.currency().code().into());
    put("input_digest", settled.inputs.digest.to_string().into());
    if let (Some(sums), Some(lines)) = (&totals.institutions, &settled.institution_lines) {
        // Keyed: what a small institution is paid tells how many rows its few people have.
        let (pool, period) = (settled.pool.as_str(), settled.period.as_str());
        let parts = [
            b"rdm/payout-institutions/v1".as_slice(),
            pool.as_bytes(),
            period.as_bytes(),
            lines.digest.as_bytes(),
        ];
        let commitment = hmac_sha3_parts(&site.secret("payout-lines"), &parts);
        let mut shared = Map::new();
        shared.insert("total".to_owned(), json(&sums.paid)?);
        shared.insert("carried".to_owned(), json(&sums.carried)?);
        shared.insert("commitment".to_owned(), hex(&commitment).into());
        put("institutions", Value::Object(shared));
    }
    let name = format!("payout:{}@{}", settled.pool, settled.period);
    let before = pool.settled.last().map_or(&pool.opened.entry, |s| &s.entry);
    let subject = subject(name, settled.inputs.digest);
    Ok(site.entry(Kind::PayoutComputed, &[subject], &[id(before)], &body)?)
}

/// Says how many people, as the book may say it: fewer than ten are not counted in the open.
fn people(count: u64) -> Value {
    if count < 10 { "<10".into() } else { count.into() }
}

fn id(entry: &str) -> Sha256 {
    leaf_hash(entry.as_bytes())
}

/// More entry ids than these are given by their root alone: an entry has at most 65,535 bytes.
const ENTRIES_LISTED_MAX: usize = 400;

#[cfg(test)]
pub(super) mod tests;
