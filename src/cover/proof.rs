//! The line tree of an evaluation: one keyed commitment a line, sorted, under one root in the book.
//!
//! Comes in: lines and a key a person. Goes out: the tree, and for each line the path that proves it.
//! Never: a leaf that tells anything to somebody without its key, or by which a person is followed.

use super::CoverLine;
use crate::{
    digest::{CanonicalError, Sha3Digest, canonical},
    ledger::line::COVER,
    party::ContributorId,
    reward::{
        PoolId,
        proof::{LineProof, LineTree, Opened},
    },
};

/// Makes the tree over the lines of an evaluation; `key` gives each person's own key.
pub fn tree(
    policy: &PoolId,
    lines: &[CoverLine],
    key: impl Fn(&ContributorId) -> [u8; 32],
) -> Result<LineTree, CanonicalError> {
    let leaf = |line: &CoverLine| Ok(open(policy, line, &key(&line.contributor))?.leaf());
    let leaves = lines.iter().map(leaf).collect::<Result<_, CanonicalError>>()?;
    Ok(LineTree::of_leaves(leaves))
}

/// Proves a line under its person's key; `None` where the tree does not hold it.
pub fn prove(
    tree: &LineTree,
    policy: &PoolId,
    line: &CoverLine,
    key: &[u8; 32],
) -> Result<Option<LineProof>, CanonicalError> {
    Ok(tree.proof(open(policy, line, key)?))
}

/// Opens a line: its leaf is `HMAC-SHA3-256(key, lp("rdm/cover-token/v1") lp(policy) lp(d))` and
/// `HMAC-SHA3-256(salt, lp("rdm/cover/v1") lp(policy) lp(d) lp(d))`, where `d` is the SHA3-256 digest
/// of the line's canonical text and the salt comes as the token does, under its own label.
fn open(policy: &PoolId, line: &CoverLine, key: &[u8; 32]) -> Result<Opened, CanonicalError> {
    let text = canonical(line)?;
    let digest = Sha3Digest::of(&text);
    let labels = ["rdm/cover-token/v1", "rdm/cover-salt/v1", COVER];
    let place = [policy.as_str().as_bytes(), digest.as_bytes().as_slice()];
    Ok(Opened::new(&text, key, labels, &place))
}
