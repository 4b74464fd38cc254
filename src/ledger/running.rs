//! The root of leaves that come one after the other: RFC 6962's, with one hash for each bit of their
//! count in memory.
//!
//! Comes in: leaf hashes, or a leaf's bytes in pieces. Goes out: the root that a tree of all of them
//! has. Never: memory that grows with the leaves.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use sha2::{Digest as _, Sha256 as Hasher};

use super::tree::{Hash, empty_root, node_hash};
use crate::digest::Sha256;

/// A root that grows.
#[derive(Debug, Clone, Default)]
pub struct RunningRoot {
    // The roots of whole subtrees, the largest first: one for each bit that is set in `count`.
    peaks: Vec<Hash>,
    count: u64,
}

impl RunningRoot {
    /// Adds the hash of the next leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        let mut rest = self.count;
        while rest & 1 == 1 {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
            rest >>= 1;
        }
        self.peaks.push(hash);
        self.count = self.count.saturating_add(1);
    }

    /// Returns how many leaves there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the root over all leaves so far.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return empty_root() };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }
}

/// The hash of a leaf whose bytes come in pieces.
#[derive(Debug, Clone)]
pub struct LeafHasher(Hasher);

impl LeafHasher {
    /// Begins a leaf.
    #[expect(clippy::new_without_default, reason = "a leaf begins where somebody says so")]
    pub fn new() -> Self {
        Self(Hasher::new_with_prefix([0]))
    }

    /// Adds bytes to it.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Ends it.
    pub fn finish(self) -> Hash {
        Sha256(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tree::{leaf_hash, root},
        *,
    };

    #[test]
    fn the_running_root_is_that_of_the_whole_tree_at_every_size() {
        let leaves: Vec<Vec<u8>> = (0..300_u16).map(|at| at.to_be_bytes().to_vec()).collect();
        let mut running = RunningRoot::default();
        for (at, leaf) in leaves.iter().enumerate() {
            assert_eq!(running.root(), root(&leaves[..at]), "after {at} leaves");
            running.push(leaf_hash(leaf));
        }
        assert_eq!((running.root(), running.count()), (root(&leaves), 300));
    }

    #[test]
    fn a_leaf_in_pieces_has_the_hash_of_the_whole() {
        let mut leaf = LeafHasher::new();
        for piece in [b"one ".as_slice(), b"", b"leaf"] {
            leaf.update(piece);
        }
        assert_eq!(leaf.finish(), leaf_hash(b"one leaf"));
    }
}
