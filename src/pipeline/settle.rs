//! Settles a period of a pool: gathers what counts, writes it down, computes, pays once.
//!
//! Comes in: a pool, a period. Goes out: a commit, its objects in the vault, an entry in the book.
//! Never: a period settled twice, or a use paid in two periods.

mod gather;
mod new_data;
mod questions;
mod record;
mod ties;

use bytes::Bytes;

pub use self::questions::{Question, QuestionState, questions};
use self::{
    gather::{Gathered, gather},
    record::{Objects, entry, record},
};
pub(super) use self::{record::people, ties::as_recorded};
use super::fund::{self, Done, commit, found, load};
use crate::{
    consent::Register,
    digest::{CanonicalError, Sha3Digest, Sha256, hmac_sha3_parts},
    instant::Instant,
    party::ContributorId,
    reward::{
        Act, Inputs, InstitutionLine, LineError, Lines, ObjectRef, Period, PoolId, SettleError,
        Settled, Settlement, Tables, proof::leaf_hash, read_held, read_institutions, read_lines,
        read_new_data, read_payee_lines, read_table, read_values, settle as compute,
    },
    site::{self, Site},
    store,
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
    /// A version's records cannot be read.
    #[error("object `{path}` of the vault cannot be read")]
    Records {
        /// The object.
        path: String,
        /// Why.
        #[source]
        source: crate::records::Error,
    },
    /// The lake failed.
    #[error(transparent)]
    Lake(#[from] crate::lake::Error),
    /// The register of payees cannot be read.
    #[error("the register of payees cannot be read")]
    Payees(#[source] Box<crate::payee::Error>),
    /// The relations of institutions cannot be read.
    #[error("the relations of institutions cannot be read")]
    Related(#[source] Box<super::related::Error>),
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

impl Error {
    /// Says whether the store did not answer: what it keeps may be whole.
    pub(super) fn is_unavailable(&self) -> bool {
        let Self::Fund(fund::Error::Site(site::Error::Store(error))) = self else { return false };
        matches!(error, store::Error::Unavailable { .. })
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
    /// The institutions' lines; none where the rules give them no part.
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
        let institutions = recorded(site, &settled)?.institutions;
        return Ok(Outcome { settled, institutions, done, unpaid_before: 0, repeats: 0 });
    }
    if let Some(last) = pool.settled.last().filter(|s| period.from() < s.act.period.until()) {
        let earlier = last.act.period.clone();
        return Err(Error::Overlap { period: period.clone(), earlier });
    }
    if !pool.matched.is_empty() {
        return Err(fund::Error::Matches(pool.id().clone()).into());
    }
    if !dry_run && site.now() < period.until() {
        return Err(Error::NotOver { period: period.clone(), until: period.until() });
    }
    let Gathered { inputs, mut objects, unpaid_before } = gather(site, pool, period)?;
    let settlement = computed(site, &inputs, &objects)?;
    let (settled, recorded) = record(site, pool, &inputs, &settlement)?;
    objects.extend(recorded);
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

/// Computes a settlement from its inputs and the objects that they name, each checked against its
/// digest.
pub(super) fn recompute(site: &Site, inputs: &Inputs) -> Result<Settlement, Error> {
    from_tables(inputs, &tables(site, inputs)?)
}

/// Computes a settlement; `fresh` are objects that are not in the vault yet.
fn computed(site: &Site, inputs: &Inputs, fresh: &Objects) -> Result<Settlement, Error> {
    from_tables(inputs, &found_tables(site, inputs, fresh)?)
}

/// Reads the tables that the inputs name.
pub(super) fn tables(site: &Site, inputs: &Inputs) -> Result<Tables, Error> {
    found_tables(site, inputs, &Vec::new())
}

/// Reads the tables that the inputs name; `fresh` are objects that are not in the vault yet.
fn found_tables(site: &Site, inputs: &Inputs, fresh: &Objects) -> Result<Tables, Error> {
    let table = |at: &ObjectRef| read(site, fresh, at, read_table);
    Ok(Tables {
        rosters: inputs.versions.iter().map(|v| table(&v.roster)).collect::<Result<_, _>>()?,
        usage: inputs.queries.iter().map(|q| table(&q.lines)).collect::<Result<_, _>>()?,
        payees: found_in(site, fresh, inputs.payees.as_ref(), read_payee_lines)?,
        new_data: found_in(site, fresh, inputs.new_data.as_ref(), read_new_data)?,
        values: found_in(
            site,
            fresh,
            inputs.value.as_ref().map(|value| &value.object),
            read_values,
        )?,
        opening: match &inputs.opening {
            Some(opening) => Lines {
                people: read(site, fresh, &opening.lines, read_lines)?,
                institutions: found_in(
                    site,
                    fresh,
                    opening.institution_lines.as_ref(),
                    read_institutions,
                )?,
                held: found_in(site, fresh, opening.held.as_ref(), read_held)?,
            },
            None => Lines::default(),
        },
    })
}

/// Computes a settlement from its inputs and their tables.
pub(super) fn from_tables(inputs: &Inputs, tables: &Tables) -> Result<Settlement, Error> {
    let (pool, period) = (inputs.pool.clone(), inputs.period.clone());
    compute(inputs, tables).map_err(|source| {
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

/// Reads the recorded lines of a settlement: those of people, and of institutions and what is held where
/// it has any.
pub(super) fn recorded(site: &Site, settled: &Settled) -> Result<Lines, Error> {
    let none = Vec::new();
    Ok(Lines {
        people: read(site, &none, &settled.lines, read_lines)?,
        institutions: found_in(site, &none, settled.institution_lines.as_ref(), read_institutions)?,
        held: found_in(site, &none, settled.held.as_ref(), read_held)?,
    })
}

/// Reads a table of the vault, or one that is not in it yet, and checks its digest.
fn read<T>(
    site: &Site,
    fresh: &Objects,
    at: &ObjectRef,
    table: impl Fn(&Bytes) -> Result<T, LineError>,
) -> Result<T, Error> {
    let bytes = match fresh.iter().find(|(own, _)| own == at) {
        Some((_, bytes)) => bytes.clone(),
        None => object(site, at)?,
    };
    table(&bytes).map_err(|source| Error::Table { path: at.path.clone(), source })
}

/// Reads a table where there is one.
fn found_in<T: Default>(
    site: &Site,
    fresh: &Objects,
    at: Option<&ObjectRef>,
    table: impl Fn(&Bytes) -> Result<T, LineError>,
) -> Result<T, Error> {
    at.map_or_else(|| Ok(T::default()), |at| read(site, fresh, at, table))
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

fn id(entry: &str) -> Sha256 {
    leaf_hash(entry.as_bytes())
}

#[cfg(test)]
pub(super) mod tests;
