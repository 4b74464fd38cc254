//! Proof files of a person's lines, and the check of any proof file without a site.
//!
//! Comes in: a site and a person; or a text and the keys to believe. Goes out: proofs that were
//! checked before they are handed over; or what a file shows. Never: a line of somebody else.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    book::{self, Prover},
    cover, fund, goods,
    settle::{self, LineKeys, object, recorded},
};
use crate::{
    cover::{CoverError, Covers},
    digest::{CanonicalError, Sha256},
    instant::Instant,
    ledger::{
        Checkpoint, EntryId,
        policy::Believed,
        proof_file::{self, Claim, ProofFile, Standing, Verdict},
        trust,
    },
    party::ContributorId,
    reward::{
        PoolId,
        proof::{LineTree, leaf_hash},
    },
    site::Site,
};

/// Why lines cannot be proved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The book failed.
    #[error(transparent)]
    Book(#[from] book::Error),
    /// The pools failed.
    #[error(transparent)]
    Fund(#[from] fund::Error),
    /// A settlement cannot be read.
    #[error(transparent)]
    Settle(#[from] settle::Error),
    /// The goods cannot be read.
    #[error(transparent)]
    Goods(#[from] Box<goods::Error>),
    /// A cover cannot be read.
    #[error(transparent)]
    Cover(#[from] Box<cover::Error>),
    /// A line has no canonical bytes.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// What is recorded is not what the book says.
    #[error("the recorded lines of `{0}` are not those of its entry in the book")]
    Changed(PoolId),
    /// There is no line.
    #[error("no settlement, giving or cover has a line for that")]
    NoLine,
}

impl From<goods::Error> for Error {
    fn from(error: goods::Error) -> Self {
        Self::Goods(Box::new(error))
    }
}

impl From<cover::Error> for Error {
    fn from(error: cover::Error) -> Self {
        Self::Cover(Box::new(error))
    }
}

/// Proves every line of a person, by all their ids: what settlements paid, what they were given, what
/// covers paid; of one pool or policy, or of all.
pub fn lines(
    site: &Site,
    ids: &[ContributorId],
    of: Option<&PoolId>,
) -> Result<Vec<ProofFile>, Error> {
    let wanted = |pool: &PoolId| of.is_none_or(|of| of == pool);
    let (keys, prover) = (LineKeys::load(site)?, Prover::open(site)?);
    let mut proofs = Vec::new();
    let pools = fund::pools(site)?;
    for pool in pools.values().filter(|pool| wanted(pool.id())) {
        let changed = || Error::Changed(pool.id().clone());
        for settled in &pool.settled {
            let act = &settled.act;
            let mut own = recorded(site, act)?.people;
            own.retain(|line| ids.contains(&line.contributor));
            if own.is_empty() {
                continue;
            }
            let tree = LineTree::read(&object(site, &act.leaves)?).filter(|t| t.root() == act.root);
            let tree = tree.ok_or_else(changed)?;
            let place = prover.find(&leaf_hash(settled.entry.as_bytes()))?;
            for line in &own {
                let key = keys.of(&line.contributor);
                let proof = tree.prove(&act.pool, &act.period, line, &key)?.ok_or_else(changed)?;
                proofs.push(place.prove(proof.claim().ok_or_else(changed)?)?);
            }
        }
        for given in goods::prove(site, pool.id(), ids)? {
            let claim = given.proof.line.claim().ok_or_else(changed)?;
            proofs.push(prover.find(&given.proof.entry)?.prove(claim)?);
        }
    }
    let covers = Covers::load(&site.vault()).map_err(|e: CoverError| cover::Error::from(e))?;
    for policy in covers.iter().map(|cover| &cover.policy().policy).filter(|name| wanted(name)) {
        proofs.extend(cover::prove(site, policy, ids)?);
    }
    if let Some(unknown) = of.filter(|of| !pools.contains_key(of) && covers.get(of).is_none()) {
        return Err(fund::Error::Unknown(unknown.clone()).into());
    }
    if proofs.is_empty() { Err(Error::NoLine) } else { Ok(proofs) }
}

/// What a proof shows, in words and figures.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// `entry`, `present`, `present-with-record`, `absent` or `line`.
    pub shows: &'static str,
    /// The log.
    pub origin: String,
    /// The entry's id.
    pub entry: EntryId,
    /// Its leaf index.
    pub index: u64,
    /// What it tells, as its predicate type says.
    pub kind: String,
    /// When, by its actor's clock.
    pub time: Option<Instant>,
    /// Whether it was held against a known key of its actor.
    pub entry_signed: bool,
    /// The dataset, where the proof is of a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// The token that it is of: the person works it out from their own key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Sha256>,
    /// People in that version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<u64>,
    /// What the line says, where the proof is of a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<Value>,
    /// The checkpoint: as it was signed, and what it says.
    #[serde(skip)]
    pub checkpoint: (String, Checkpoint),
    /// The number of entries of the signed log.
    pub log_size: u64,
    /// Its root.
    pub log_root: Sha256,
    /// Who signed that state of the log, and when, where they say so.
    pub vouched: Vec<String>,
}

/// Why a file of proofs shows nothing.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A proof cannot be read or does not hold.
    #[error("proof {at} of {of} is refused")]
    Proof {
        /// Which, from 1.
        at: usize,
        /// Of how many.
        of: usize,
        /// Why.
        #[source]
        source: proof_file::Error,
    },
    /// Too few witnesses of the policy cosigned the checkpoint.
    #[error(
        "proof {at} of {of} holds, but too few witnesses of the policy cosigned its checkpoint"
    )]
    Unwitnessed {
        /// Which, from 1.
        at: usize,
        /// Of how many.
        of: usize,
    },
}

/// Checks a file of proofs with nothing but whom to believe. A log's key that took the place of a
/// believed one is believed too, if the proof of the entry that says so is in the file.
pub fn verify(text: &str, believed: &Believed) -> Result<Vec<Shown>, Refused> {
    let proofs = ProofFile::read(text);
    let proofs = proofs.map_err(|source| Refused::Proof { at: 1, of: 1, source })?;
    let entries: Vec<_> = proofs.iter().map(|proof| proof.entry.clone()).collect();
    let of = proofs.len();
    let mut all = Vec::new();
    for (at, proof) in (1..).zip(&proofs) {
        let known = trust::believed(proof.origin(), &entries, believed.keys());
        let verdict = proof.verify(&known).map_err(|source| Refused::Proof { at, of, source })?;
        if !believed.suffices(&verdict.opened.vouched) {
            return Err(Refused::Unwitnessed { at, of });
        }
        all.push(shown(proof, verdict));
    }
    Ok(all)
}

fn shown(proof: &ProofFile, verdict: Verdict) -> Shown {
    let (entry, Verdict { standing, opened, entry_signed }) = (&proof.entry, verdict);
    let body = entry.body();
    let (mut dataset, mut token, mut people, mut line) = (None, None, None, None);
    match &proof.claim {
        Claim::Entry {} => {}
        Claim::Record { token: of, .. } => {
            token = Some(*of);
            dataset = version(body);
            people = body.get("record").and_then(|record| record.get("count")?.as_u64());
        }
        Claim::Line { line: text, .. } => line = serde_json::from_str(text).ok(),
    }
    let kind = entry.kind().map(|kind| kind.as_str().to_owned());
    let vouched = opened.vouched.iter().map(|vouched| match vouched.unix {
        None => vouched.by.name().to_owned(),
        Some(unix) => format!("{} at {}", vouched.by.name(), at(unix)),
    });
    Shown {
        shows: match standing {
            Standing::Entry => "entry",
            Standing::Present => "present",
            Standing::PresentWithRecord => "present-with-record",
            Standing::Absent => "absent",
            Standing::Line => "line",
        },
        origin: proof.origin().to_owned(),
        entry: entry.id(),
        index: proof.log.index,
        kind: kind.unwrap_or_else(|| format!("unknown: {}", entry.predicate_type())),
        time: entry.time(),
        entry_signed,
        dataset,
        token,
        people,
        line,
        checkpoint: (proof.log.checkpoint.clone(), opened.checkpoint.clone()),
        log_size: opened.checkpoint.size,
        log_root: opened.checkpoint.root,
        vouched: vouched.collect(),
    }
}

/// Says which version an entry speaks of.
fn version(body: &Map<String, Value>) -> Option<String> {
    let dataset = body.get("dataset")?.as_str()?;
    Some(format!("{dataset}@{}", body.get("version")?.as_u64()?))
}

/// Writes Unix seconds as an instant, where they are one.
fn at(unix: u64) -> String {
    let instant = i64::try_from(unix).ok().and_then(|unix| Instant::from_unix(unix).ok());
    instant.map_or_else(|| unix.to_string(), |instant| instant.to_string())
}

#[cfg(test)]
mod tests;
