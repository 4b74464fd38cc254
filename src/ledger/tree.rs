//! The Merkle tree of RFC 6962: hashes, roots, inclusion and consistency proofs, and their checks.
//!
//! Comes in: leaf bytes or hashes. Goes out: a root, a proof, a verdict.
//! Never: a proof taken that is one hash too long or too short, or an odd node hashed twice.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)
)]

mod lanes;

use std::ops::Range;

use rayon::prelude::*;
use sha2::{Digest as _, Sha256 as Hasher};

use self::lanes::LANES;
use crate::digest::Sha256;

/// The hash of a leaf or of a node.
pub type Hash = Sha256;

/// Leaves of one tile.
pub const TILE_WIDTH: usize = 256;

/// Hashes that are folded in one go: they stay in a fast cache, and few of their nodes stand alone.
const FOLD_WIDTH: usize = 1024;

/// The hash of a leaf: `SHA-256(0x00 || data)`, RFC 6962 §2.1.
pub fn leaf_hash(data: &[u8]) -> Hash {
    let mut hasher = Hasher::new();
    hasher.update([0]);
    hasher.update(data);
    Sha256(hasher.finalize().into())
}

/// The hash of an inner node: `SHA-256(0x01 || left || right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1; 65];
    let (start, end) = bytes.split_at_mut(33);
    start.split_at_mut(1).1.copy_from_slice(&left.0);
    end.copy_from_slice(&right.0);
    Sha256(Hasher::digest(bytes).into())
}

/// The root of no leaves: `SHA-256("")`.
pub fn empty_root() -> Hash {
    Sha256::of(b"")
}

/// The hashes of leaves, on all cores where there are many.
pub fn leaf_hashes<L: AsRef<[u8]> + Sync>(leaves: &[L]) -> Vec<Hash> {
    let mut hashes = vec![Sha256([0; 32]); leaves.len()];
    leaves
        .par_chunks(FOLD_WIDTH)
        .zip(hashes.par_chunks_mut(FOLD_WIDTH))
        .for_each(|(leaves, hashes)| hashes.copy_from_slice(&hash_leaves(leaves)));
    hashes
}

/// The root over leaves: a thousand are hashed and folded in one go, on all cores, then their roots.
pub fn root<L: AsRef<[u8]> + Sync>(leaves: &[L]) -> Hash {
    let roots = leaves.par_chunks(FOLD_WIDTH).map(|leaves| fold(hash_leaves(leaves)));
    root_of_hashes(&roots.collect::<Vec<_>>())
}

/// The root over leaf hashes, or over the roots of whole subtrees of one size (the last may be
/// smaller): an odd node at the end is carried up unchanged.
pub fn root_of_hashes(hashes: &[Hash]) -> Hash {
    if hashes.len() <= FOLD_WIDTH {
        return fold(hashes.to_vec());
    }
    let roots = hashes.par_chunks(FOLD_WIDTH).map(|hashes| fold(hashes.to_vec()));
    root_of_hashes(&roots.collect::<Vec<_>>())
}

fn hash_leaves<L: AsRef<[u8]>>(leaves: &[L]) -> Vec<Hash> {
    let mut hashes = Vec::with_capacity(leaves.len());
    for leaves in leaves.chunks(LANES) {
        hashes.extend_from_slice(lanes::leaves(leaves).split_at(leaves.len()).0);
    }
    hashes
}

/// The nodes over whole pairs of a level.
fn parents(level: &[Hash]) -> Vec<Hash> {
    let (pairs, _) = level.as_chunks::<2>();
    let mut nodes = Vec::with_capacity(pairs.len().saturating_add(1));
    for pairs in pairs.chunks(LANES) {
        nodes.extend_from_slice(lanes::nodes(pairs).split_at(pairs.len()).0);
    }
    nodes
}

/// Folds a level into its root: an odd hash at its end goes up as it is.
fn fold(mut level: Vec<Hash>) -> Hash {
    while level.len() > 1 {
        let mut above = parents(&level);
        above.extend(level.as_chunks::<2>().1);
        level = above;
    }
    level.first().copied().unwrap_or_else(empty_root)
}

/// Where whole subtrees' hashes come from: `level` 0 is leaves, a subtree at `level` and `index`
/// covers the leaves from `index << level` to `(index + 1) << level`.
pub trait Nodes {
    /// Why a hash cannot be had.
    type Error;

    /// Returns the hash of one whole subtree.
    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// A tree held in memory, every level of it.
#[derive(Debug, Clone)]
pub struct Tree {
    levels: Vec<Vec<Hash>>,
}

/// A hash was asked for that a tree does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tree has no such node or leaf")]
pub struct OutOfTree;

impl Tree {
    /// Builds the tree of leaf hashes.
    pub fn new(leaves: Vec<Hash>) -> Self {
        let mut levels = vec![leaves];
        while let Some(below) = levels.last()
            && below.len() > 1
        {
            let above = parents(below);
            levels.push(above);
        }
        Self { levels }
    }

    /// Returns the number of leaves.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| count(leaves.len()))
    }

    /// Returns the root.
    pub fn root(&self) -> Hash {
        root_at(self, self.size()).unwrap_or_else(|OutOfTree| empty_root())
    }

    /// Proves that leaf `index` is in the tree.
    pub fn inclusion(&self, index: u64) -> Result<Vec<Hash>, OutOfTree> {
        if index >= self.size() {
            return Err(OutOfTree);
        }
        inclusion(self, index, self.size())
    }

    /// Proves that the tree of the first `old` leaves is a start of this one.
    pub fn consistency(&self, old: u64) -> Result<Vec<Hash>, OutOfTree> {
        if old > self.size() {
            return Err(OutOfTree);
        }
        consistency(self, old, self.size())
    }
}

impl Nodes for Tree {
    type Error = OutOfTree;

    fn node(&self, level: u32, index: u64) -> Result<Hash, OutOfTree> {
        let level = usize::try_from(level).map_err(|_| OutOfTree)?;
        let index = usize::try_from(index).map_err(|_| OutOfTree)?;
        self.levels.get(level).and_then(|hashes| hashes.get(index)).copied().ok_or(OutOfTree)
    }
}

/// The root of the first `size` leaves.
pub fn root_at<N: Nodes>(nodes: &N, size: u64) -> Result<Hash, N::Error> {
    if size == 0 { Ok(empty_root()) } else { range_hash(nodes, 0..size) }
}

/// Proves that leaf `index` is among the first `size`: PATH of RFC 6962 §2.1.1, the leaf's
/// sibling first. `index` must be below `size`.
pub fn inclusion<N: Nodes>(nodes: &N, index: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    let mut ranges = Vec::new();
    let (mut start, mut end) = (0_u64, size);
    while end.saturating_sub(start) > 1 {
        let middle = start.saturating_add(split(end.saturating_sub(start)));
        if index < middle {
            ranges.push(middle..end);
            end = middle;
        } else {
            ranges.push(start..middle);
            start = middle;
        }
    }
    ranges.into_iter().rev().map(|range| range_hash(nodes, range)).collect()
}

/// Proves that the first `old` leaves are the start of the first `new`: PROOF of RFC 6962 §2.1.2.
/// `old` must be at most `new`.
pub fn consistency<N: Nodes>(nodes: &N, old: u64, new: u64) -> Result<Vec<Hash>, N::Error> {
    if old == 0 || old >= new {
        return Ok(Vec::new());
    }
    let mut ranges = Vec::new();
    let (mut start, mut end) = (0_u64, new);
    while old < end {
        let middle = start.saturating_add(split(end.saturating_sub(start)));
        if old <= middle {
            ranges.push(middle..end);
            end = middle;
        } else {
            ranges.push(start..middle);
            start = middle;
        }
    }
    if start > 0 {
        // The old tree's last whole part is a node that the verifier does not have.
        ranges.push(start..end);
    }
    ranges.into_iter().rev().map(|range| range_hash(nodes, range)).collect()
}

/// Checks an inclusion proof: RFC 9162 §2.1.3.2.
pub fn verify_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut place, mut last) = (index, size.saturating_sub(1));
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            hash = node_hash(sibling, &hash);
            skip_promoted(&mut place, &mut last);
        } else {
            hash = node_hash(&hash, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Checks a consistency proof: RFC 9162 §2.1.4.2. An empty old tree is consistent with any, if its
/// root is that of no leaves.
pub fn verify_consistency(
    old: u64,
    new: u64,
    old_root: &Hash,
    new_root: &Hash,
    proof: &[Hash],
) -> bool {
    if old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return proof.is_empty() && *old_root == empty_root();
    }
    // A power of two is a whole subtree: the old root itself starts the walk.
    let (first, rest) = if old.is_power_of_two() {
        (old_root, proof)
    } else {
        match proof.split_first() {
            Some(parts) => parts,
            None => return false,
        }
    };
    if rest.is_empty() {
        return false;
    }
    let (mut place, mut last) = (old.saturating_sub(1), new.saturating_sub(1));
    while place & 1 == 1 {
        place >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            skip_promoted(&mut place, &mut last);
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

/// Climbs the levels at which an odd last node was carried up unchanged.
fn skip_promoted(place: &mut u64, last: &mut u64) {
    while *place & 1 == 0 && *place != 0 {
        *place >>= 1;
        *last >>= 1;
    }
}

/// The largest power of two strictly below `size`, which is 2 or more.
fn split(size: u64) -> u64 {
    let below = size.saturating_sub(1);
    1_u64.checked_shl(63_u32.saturating_sub(below.leading_zeros())).unwrap_or(0)
}

/// The root over a range of leaves whose start is aligned to a power of two that is no smaller
/// than its length; so it is made of ever smaller whole subtrees.
fn range_hash<N: Nodes>(nodes: &N, range: Range<u64>) -> Result<Hash, N::Error> {
    let mut parts = Vec::new();
    let mut start = range.start;
    while start < range.end {
        let level = 63_u32.saturating_sub(range.end.saturating_sub(start).leading_zeros());
        parts.push(nodes.node(level, start.checked_shr(level).unwrap_or(0))?);
        start = start.saturating_add(1_u64.checked_shl(level).unwrap_or(u64::MAX));
    }
    let mut parts = parts.into_iter().rev();
    let last = parts.next().unwrap_or_else(empty_root);
    Ok(parts.fold(last, |right, left| node_hash(&left, &right)))
}

/// A length as the tree counts it.
pub(crate) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(format!("entry-{n}").as_bytes())).collect()
    }

    fn hash(text: &str) -> Hash {
        Hash::parse(text).unwrap()
    }

    /// The recursive definition of RFC 6962 §2.1, as it is written there.
    fn defined(hashes: &[Hash]) -> Hash {
        match hashes {
            [] => empty_root(),
            [one] => *one,
            _ => {
                let mut k = 1;
                while k * 2 < hashes.len() {
                    k *= 2;
                }
                node_hash(&defined(&hashes[..k]), &defined(&hashes[k..]))
            }
        }
    }

    #[test]
    fn the_worked_example_has_its_published_hashes() {
        let tree = Tree::new(leaves(5));
        let n0123 = hash("256b9e8825e5d370a4ae005d0901ea291977e2927f5cf8e3e72660dd09519edb");
        assert_eq!(
            tree.node(0, 4).unwrap(),
            hash("194bb5a2d5bd10e5d1aa6fd5d42980b356caf1da623cd9987c4bfa2f81771ed7")
        );
        assert_eq!(
            tree.root(),
            hash("1aa68d3074905a581f84cbbd0f753794904fd80451bc4c13e69d9a53bc59502c")
        );
        assert_eq!(tree.inclusion(4).unwrap(), [n0123]);
        let old = hash("a64bf26e09128f6fe2fe6f8b2d8c801e166b57c047a7cd9b2b809e7a96a2f1cb");
        assert_eq!(root_at(&tree, 3).unwrap(), old);
        assert_eq!(
            tree.consistency(3).unwrap(),
            [
                hash("049d7dcdb56bcfebd313304c9839f196a3d4b6ef3bdc0b08298f93ac8191f0a8"),
                hash("27479b6ab321d2ee477452f68ba527748e863cafe8fbd1df2bf89d1570d1b697"),
                hash("2f27a5082c1d42afa488ac350a9fc4390c084f54f71ecdff859e98db8429b479"),
                hash("194bb5a2d5bd10e5d1aa6fd5d42980b356caf1da623cd9987c4bfa2f81771ed7"),
            ]
        );
    }

    #[test]
    fn the_reference_trees_of_certificate_transparency_have_their_published_roots() {
        let published = include_str!("../../tests/vectors/ledger/rfc6962-roots.txt");
        let mut leaves: Vec<Vec<u8>> = Vec::new();
        for line in published.lines().filter(|line| !line.starts_with('#')) {
            let (leaf, expected) = line.split_once(' ').unwrap();
            let digits = leaf.strip_prefix('-').unwrap_or(leaf).as_bytes().chunks(2);
            let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            leaves.push(digits.map(byte).collect());
            assert_eq!(root(&leaves).to_string(), expected, "{} leaves", leaves.len());
        }
        assert_eq!(leaves.len(), 8);
    }

    #[test]
    fn every_way_to_a_root_gives_the_root_that_rfc_6962_defines() {
        let all: Vec<[u8; 64]> =
            (0..600_u64).map(|n| std::array::from_fn(|at| n.to_le_bytes()[at % 8])).collect();
        for size in (0..70).chain([127, 128, 129, 255, 256, 257, 511, 512, 513, 600]) {
            let hashes = leaf_hashes(&all[..size]);
            let expected = defined(&hashes);
            assert_eq!(root(&all[..size]), expected, "by tiles, size {size}");
            assert_eq!(root_of_hashes(&hashes), expected, "by hashes, size {size}");
            assert_eq!(Tree::new(hashes).root(), expected, "in memory, size {size}");
        }
    }

    #[test]
    fn all_proofs_of_small_trees_verify_and_prove_nothing_else() {
        for size in 1..=34_u64 {
            let tree = Tree::new(leaves(usize::try_from(size).unwrap()));
            let root = tree.root();
            for index in 0..size {
                let proof = tree.inclusion(index).unwrap();
                let leaf = tree.node(0, index).unwrap();
                for other in 0..size + 2 {
                    let holds = verify_inclusion(other, size, &leaf, &proof, &root);
                    assert_eq!(holds, other == index, "{index} shown as {other} of {size}");
                }
            }
            for old in 0..=size {
                let proof = tree.consistency(old).unwrap();
                let old_root = root_at(&tree, old).unwrap();
                assert!(verify_consistency(old, size, &old_root, &root, &proof));
                for other in (1..=size).filter(|other| *other != old) {
                    assert!(
                        !verify_consistency(other, size, &old_root, &root, &proof) || old == 0,
                        "{old} shown as {other} of {size}"
                    );
                }
            }
        }
    }

    /// A prover who lies: immudb's verifiers once took such proofs.
    #[test]
    fn a_lying_prover_is_refused() {
        let tree = Tree::new(leaves(11));
        let (root, leaf) = (tree.root(), tree.node(0, 10).unwrap());
        let proof = tree.inclusion(10).unwrap();
        assert!(verify_inclusion(10, 11, &leaf, &proof, &root));
        // An inner node sold as a leaf of a tree of half the height.
        let inner = node_hash(&proof[0], &leaf);
        assert!(!verify_inclusion(5, 6, &inner, &proof[1..], &root));
        let inner_bytes = [proof[0].0, leaf.0].concat();
        assert_ne!(leaf_hash(&inner_bytes), inner, "a leaf's data would pass for two nodes");
        assert!(!verify_inclusion(10, 11, &inner, &proof[1..], &root));
        assert!(!verify_inclusion(0, 0, &leaf, &[], &leaf));
        assert!(!verify_inclusion(u64::MAX, u64::MAX, &leaf, &[], &leaf));
        assert!(!verify_inclusion(0, u64::MAX, &leaf, &[root; 70], &root));
        assert!(!verify_inclusion(0, 1, &leaf, &[root], &root));
        let old = root_at(&tree, 7).unwrap();
        let proof = tree.consistency(7).unwrap();
        assert!(!verify_consistency(7, 11, &old, &root, &[]));
        assert!(!verify_consistency(8, 11, &old, &root, &proof));
        assert!(!verify_consistency(7, 7, &old, &old, &proof));
        assert!(!verify_consistency(11, 7, &root, &old, &proof));
        assert!(!verify_consistency(0, 11, &old, &root, &[]), "any root passed as that of nothing");
        assert!(!verify_consistency(4, 11, &root_at(&tree, 4).unwrap(), &root, &[]));
        let reversed: Vec<_> = proof.iter().rev().copied().collect();
        assert!(!verify_consistency(7, 11, &old, &root, &reversed));
    }

    /// Every proof one change away: a bit, a hash more, a hash less, two swapped.
    fn mutations(proof: &[Hash], bit: usize, extra: Hash) -> Vec<Vec<Hash>> {
        let mut all = Vec::new();
        for at in 0..proof.len() {
            let mut changed = proof.to_vec();
            changed[at].0[bit / 8 % 32] ^= 1 << (bit % 8);
            all.push(changed);
            let mut shorter = proof.to_vec();
            shorter.remove(at);
            all.push(shorter);
        }
        for at in 0..=proof.len() {
            let mut longer = proof.to_vec();
            longer.insert(at, extra);
            all.push(longer);
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn an_inclusion_proof_verifies_and_fails_with_one_thing_changed(
            size in 1_u64..700, at: prop::sample::Index, bit in 0_usize..256, by in 1_u64..700,
        ) {
            let tree = Tree::new(leaves(usize::try_from(size).unwrap()));
            let index = u64::try_from(at.index(usize::try_from(size).unwrap())).unwrap();
            let (root, leaf) = (tree.root(), tree.node(0, index).unwrap());
            let proof = tree.inclusion(index).unwrap();
            prop_assert!(verify_inclusion(index, size, &leaf, &proof, &root));
            for wrong in mutations(&proof, bit, root) {
                prop_assert!(!verify_inclusion(index, size, &leaf, &wrong, &root));
            }
            let mut other = root;
            other.0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verify_inclusion(index, size, &leaf, &proof, &other));
            let mut other = leaf;
            other.0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verify_inclusion(index, size, &other, &proof, &root));
            prop_assert!(!verify_inclusion((index + by) % (size + by), size, &leaf, &proof, &root));
        }

        #[test]
        fn a_consistency_proof_verifies_and_fails_with_one_thing_changed(
            new in 2_u64..700, at: prop::sample::Index, bit in 0_usize..256,
        ) {
            let tree = Tree::new(leaves(usize::try_from(new).unwrap()));
            let old = 1 + u64::try_from(at.index(usize::try_from(new - 1).unwrap())).unwrap();
            let (root, old_root) = (tree.root(), root_at(&tree, old).unwrap());
            let proof = tree.consistency(old).unwrap();
            prop_assert!(verify_consistency(old, new, &old_root, &root, &proof));
            for wrong in mutations(&proof, bit, root) {
                prop_assert!(!verify_consistency(old, new, &old_root, &root, &wrong));
            }
            let mut other = root;
            other.0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verify_consistency(old, new, &old_root, &other, &proof));
            prop_assert!(!verify_consistency(old, new, &other, &root, &proof));
        }
    }
}
