//! What lies beside a log of its witnesses: the policies it took on, and cosignature lines by size.
//!
//! Comes in: a ledger zone, the log's keys. Goes out: checkpoints with the lines that hold.
//! Never: a line that does not verify handed on, or a policy that its commit does not name.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)
)]

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    checkpoint::{Checkpoint, Opened},
    policy::Policy,
    reader::{Error, read_checkpoint},
};
use crate::{
    digest::{Sha3Digest, Sha256, hex},
    instant::Instant,
    signed_note::{Signature, Verifier, add_signature},
    store::{self, Created, Sequence, Store},
};

/// The sequence of policies that a log took on, each with its entry.
pub const POLICIES: &str = "policies";

/// The newest policy's text, for whoever fetches files; the commits are the truth.
pub const COPY: &str = "policy";

const COSIGNATURES: &str = "cosignatures";

/// A policy that a log took on: one commit of [`POLICIES`]. It holds no id of its transaction: who
/// takes on the same policy at the same instant does the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adopted {
    /// When.
    pub time: Instant,
    /// The policy file.
    pub policy: String,
    /// The digest of that file.
    pub digest: Sha3Digest,
    /// The entry that tells of it.
    pub entry: String,
}

impl Adopted {
    /// Reads commit `number`.
    fn parse(number: u64, bytes: &[u8]) -> Result<(Self, Policy), Error> {
        let broken = |reason: String| Error::Broken { object: object(number), reason };
        let adopted: Self = serde_json::from_slice(bytes)
            .map_err(|e| broken(format!("line {}, column {}", e.line(), e.column())))?;
        if Sha3Digest::of(adopted.policy.as_bytes()) != adopted.digest {
            return Err(broken("its policy has another digest".to_owned()));
        }
        let policy = Policy::parse(adopted.policy.as_bytes()).map_err(|e| broken(e.to_string()))?;
        Ok((adopted, policy))
    }
}

/// Returns the policy that stands, with its commit; none where the log has none.
pub fn policy(zone: &Store) -> Result<Option<(u64, Adopted, Policy)>, Error> {
    let Some((number, bytes)) = Sequence::new(zone, POLICIES).latest()? else { return Ok(None) };
    let (adopted, policy) = Adopted::parse(number, &bytes)?;
    Ok(Some((number, adopted, policy)))
}

/// Returns all policies that a log took on, each with the name of its commit.
pub(super) fn policies(zone: &Store) -> Result<Vec<(String, Read)>, store::Error> {
    let all = Sequence::new(zone, POLICIES).all()?;
    let read = |(number, bytes): (u64, Bytes)| (object(number), Adopted::parse(number, &bytes));
    Ok(all.into_iter().map(read).collect())
}

/// A policy with its commit, or why it cannot be read.
pub(super) type Read = Result<(Adopted, Policy), Error>;

fn object(number: u64) -> String {
    format!("{POLICIES}/{number:012}.json")
}

/// Returns where the line of a witness under the checkpoint of `size` lies.
fn path(size: u64, witness: &Verifier) -> String {
    let name = Sha256::of(witness.vkey().as_bytes());
    format!("{COSIGNATURES}/{size}/{}", hex(name.as_bytes().split_at(8).0))
}

/// Keeps a witness's line; the first of a witness under a checkpoint stands. Says whether this is it.
pub(super) fn keep(
    zone: &Store,
    size: u64,
    witness: &Verifier,
    line: &Signature,
) -> Result<bool, Error> {
    match zone.create(&path(size, witness), Bytes::from(line.line()))? {
        Created::New => Ok(true),
        Created::Exists => Ok(false),
    }
}

/// Returns the largest size at which a witness's line is kept: where it stands, as far as is known.
pub fn last_of(zone: &Store, witness: &Verifier) -> Result<Option<u64>, Error> {
    let sizes = gathered(zone)?.into_iter();
    let own = sizes.filter(|(size, lines)| lines.contains(&path(*size, witness)));
    Ok(own.map(|(size, _)| size).max())
}

/// Returns the objects of all lines that are kept, by the size they are under.
pub(super) fn gathered(zone: &Store) -> Result<BTreeMap<u64, Vec<String>>, Error> {
    let mut sizes: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for object in zone.list(COSIGNATURES)? {
        if let Some(size) = size_of(&object.path) {
            sizes.entry(size).or_default().push(object.path);
        }
    }
    Ok(sizes)
}

/// Returns the size that a line's object is under, if it is a line's.
pub(super) fn size_of(object: &str) -> Option<u64> {
    let (size, _) = object.strip_prefix(COSIGNATURES)?.strip_prefix('/')?.split_once('/')?;
    size.parse().ok()
}

/// Returns the checkpoint of `size` with those of the kept lines that hold under a key of `known`.
pub(super) fn cosigned(
    zone: &Store,
    origin: &str,
    known: &[Verifier],
    size: u64,
    lines: &[String],
) -> Result<(String, Opened), Error> {
    let (mut note, mut opened) =
        read_checkpoint(zone, origin, known, &format!("checkpoints/{size}"))?;
    for object in lines {
        let Some(bytes) = zone.find(object)? else { continue };
        if let Some((longer, with)) = joined(&note, &opened, origin, known, &bytes) {
            (note, opened) = (longer, with);
        }
    }
    Ok((note, opened))
}

/// Returns the first checkpoint that covers the entry at a leaf index and that meets the policy, with
/// the lines that are kept under it; where no witness need be asked, the first that was signed.
pub fn first_covering(
    zone: &Store,
    origin: &str,
    logs: &[Verifier],
    index: u64,
) -> Result<Option<(String, Opened)>, Error> {
    let policy = policy(zone)?.map(|(_, _, policy)| policy).filter(Policy::asks);
    let Some(policy) = policy else {
        let signed = zone.list("checkpoints")?.into_iter();
        let sizes = signed.filter_map(|at| at.path.strip_prefix("checkpoints/")?.parse().ok());
        let Some(size) = sizes.filter(|size| *size > index).min() else { return Ok(None) };
        return cosigned(zone, origin, logs, size, &[]).map(Some);
    };
    let known: Vec<Verifier> = logs.iter().cloned().chain(policy.keys()).collect();
    for (size, lines) in gathered(zone)?.into_iter().filter(|(size, _)| *size > index) {
        let (note, opened) = cosigned(zone, origin, &known, size, &lines)?;
        if policy.satisfied(&opened.vouched) {
            return Ok(Some((note, opened)));
        }
    }
    Ok(None)
}

/// Adds a line to a checkpoint if a known key that has not signed it yet signed the line.
pub(super) fn joined(
    note: &str,
    opened: &Opened,
    origin: &str,
    known: &[Verifier],
    line: &[u8],
) -> Option<(String, Opened)> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let longer = add_signature(note, &Signature::parse(line).ok()?).ok()?;
    let with = Checkpoint::open(&longer, origin, known).ok()?;
    (with.vouched.len() > opened.vouched.len()).then_some((longer, with))
}
