//! The line tree of an evaluation: one keyed commitment a line, sorted, under one root in the book.
//!
//! Comes in: lines and a key a person. Goes out: the tree, and for each line the path that proves it.
//! Never: a leaf that tells anything to somebody without its key, or by which a person is followed.

use super::CoverLine;
use crate::{
    digest::{CanonicalError, Sha3Digest, Sha256, canonical, hmac_sha3_parts},
    party::ContributorId,
    reward::{
        PoolId,
        proof::{LineProof, LineTree, Opened, included},
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

/// Returns the line that a proof opens; `None` where the line's text, its salt and its leaf do not
/// belong together, or the leaf does not stand under the root.
pub fn opened(policy: &PoolId, proof: &LineProof, root: &Sha256) -> Option<CoverLine> {
    let line: CoverLine = serde_json::from_str(&proof.line).ok()?;
    let salt: [u8; 32] = unhex(&proof.salt)?.try_into().ok()?;
    let digest = Sha3Digest::of(proof.line.as_bytes());
    let digest = digest.as_bytes().as_slice();
    let parts = [COMMIT.as_bytes(), policy.as_str().as_bytes(), digest, digest];
    let leaf = unhex(&proof.leaf)?;
    let commitment = hmac_sha3_parts(&salt, &parts);
    let stands = leaf.len() == 64
        && leaf.ends_with(&commitment)
        && included(&leaf, proof.leaf_index, proof.leaf_count, &proof.path, root);
    stands.then_some(line)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

const COMMIT: &str = "rdm/cover/v1";

/// Opens a line: its leaf is `HMAC-SHA3-256(key, lp("rdm/cover-token/v1") lp(policy) lp(d))` and
/// `HMAC-SHA3-256(salt, lp("rdm/cover/v1") lp(policy) lp(d) lp(d))`, where `d` is the SHA3-256 digest
/// of the line's canonical text and the salt comes as the token does, under its own label.
fn open(policy: &PoolId, line: &CoverLine, key: &[u8; 32]) -> Result<Opened, CanonicalError> {
    let text = canonical(line)?;
    let digest = Sha3Digest::of(&text);
    let labels = ["rdm/cover-token/v1", "rdm/cover-salt/v1", COMMIT];
    let place = [policy.as_str().as_bytes(), digest.as_bytes().as_slice()];
    Ok(Opened::new(&text, key, labels, &place))
}
