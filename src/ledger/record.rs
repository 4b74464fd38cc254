//! Record trees: one leaf for each person of a dataset version, sorted by a keyed token.
//!
//! Comes in: a person's key, a record's digest. Goes out: leaves, a root, proofs that a person's
//! record is in a version or that no leaf of theirs is. Who lacks the key learns nothing.
//! Never: a tree out of order or with one token twice; then absence would prove nothing.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)
)]

use bytes::Bytes;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::tree::{self, Hash, Tree, count, leaf_hash, verify_inclusion};
use crate::digest::{Sha3Digest, hex, hmac_sha3, hmac_sha3_parts};

/// Bytes of a leaf: a token, then a commitment.
pub const LEAF_BYTES: usize = 64;

/// A token: what a person's key makes of a dataset version. Two versions' tokens of one person
/// have nothing in common for those without the key.
pub type Token = [u8; 32];

/// A leaf's data.
pub type Leaf = [u8; LEAF_BYTES];

/// What is wrong with a record tree or a proof about one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are no whole number of leaves.
    #[error("{0} bytes are no whole number of leaves")]
    Length(usize),
    /// A leaf stands before one that is smaller, or two leaves have one token.
    #[error("leaf {0} is out of order or bears the token of the one before it")]
    Order(u64),
    /// The tree has no such leaf.
    #[error("the tree has no leaf {0}")]
    NoLeaf(u64),
    /// The proof does not hold against the root.
    #[error("the proof does not hold: {0}")]
    Refused(&'static str),
}

/// Returns a person's token in a dataset version.
pub fn token(person_key: &[u8; 32], dataset: &str, version: u64) -> Token {
    let version = version.to_be_bytes();
    hmac_sha3_parts(person_key, &[b"rdm/token/v1", dataset.as_bytes(), &version])
}

/// Returns the key of a person's record in a dataset version: whoever checks that record is given
/// this one, and can open no other.
pub fn record_key(person_key: &[u8; 32], dataset: &str, version: u64) -> [u8; 32] {
    let version = version.to_be_bytes();
    hmac_sha3_parts(person_key, &[b"rdm/record-key/v1", dataset.as_bytes(), &version])
}

/// Returns the commitment to a record: a keyed hash over its digest.
pub fn commitment(
    record_key: &[u8; 32],
    dataset: &str,
    version: u64,
    record: &Sha3Digest,
) -> [u8; 32] {
    let version = version.to_be_bytes();
    let salt = hmac_sha3_parts(record_key, &[b"rdm/salt/v1", dataset.as_bytes(), &version]);
    let mut message = Vec::new();
    let mut part = |bytes: &[u8]| {
        message.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        message.extend_from_slice(bytes);
    };
    part(b"rdm/record/v1");
    part(dataset.as_bytes());
    message.extend_from_slice(&version);
    message.extend_from_slice(&32_u32.to_be_bytes());
    message.extend_from_slice(record.as_bytes());
    hmac_sha3(&salt, &message)
}

/// Returns a person's leaf in a dataset version; `record` is the digest of their record's bytes.
pub fn leaf(person_key: &[u8; 32], dataset: &str, version: u64, record: &Sha3Digest) -> Leaf {
    let key = record_key(person_key, dataset, version);
    join(token(person_key, dataset, version), commitment(&key, dataset, version, record))
}

/// Joins a token and a commitment.
pub fn join(token: Token, commitment: [u8; 32]) -> Leaf {
    let mut leaf = [0; LEAF_BYTES];
    let (start, end) = leaf.split_at_mut(32);
    start.copy_from_slice(&token);
    end.copy_from_slice(&commitment);
    leaf
}

/// Returns the token of a leaf.
pub fn token_of(leaf: &Leaf) -> Token {
    let mut token = [0; 32];
    token.copy_from_slice(leaf.split_at(32).0);
    token
}

/// Returns the commitment of a leaf.
pub fn commitment_of(leaf: &Leaf) -> [u8; 32] {
    let mut commitment = [0; 32];
    commitment.copy_from_slice(leaf.split_at(32).1);
    commitment
}

/// The sorted leaves of one dataset version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordTree {
    // INVARIANT: strictly ascending by token.
    leaves: Vec<Leaf>,
    root: Hash,
}

impl RecordTree {
    /// Sorts leaves into a tree; two leaves of one token are refused.
    pub fn build(mut leaves: Vec<Leaf>) -> Result<Self, Error> {
        leaves.par_sort_unstable();
        Self::sorted(leaves)
    }

    /// Reads the object that [`RecordTree::bytes`] made; leaves out of order are refused.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let (leaves, rest) = bytes.as_chunks::<LEAF_BYTES>();
        if !rest.is_empty() {
            return Err(Error::Length(bytes.len()));
        }
        Self::sorted(leaves.to_vec())
    }

    fn sorted(leaves: Vec<Leaf>) -> Result<Self, Error> {
        let faulty = leaves.array_windows().position(|[a, b]| token_of(a) >= token_of(b));
        if let Some(at) = faulty {
            return Err(Error::Order(count(at).saturating_add(1)));
        }
        let root = tree::root(&leaves);
        Ok(Self { leaves, root })
    }

    /// Returns the object's bytes: the leaves one after the other.
    pub fn bytes(&self) -> Bytes {
        self.leaves.concat().into()
    }

    /// Returns the object's path below the ledger zone.
    pub fn path(&self) -> String {
        path(&self.root)
    }

    /// Returns the root.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// Returns the number of leaves: of people.
    pub fn count(&self) -> u64 {
        count(self.leaves.len())
    }

    /// Returns the leaves, ascending.
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// Proves for a token that its leaf is in the tree, or that none is.
    pub fn prove(&self, token: &Token) -> Result<Evidence, Error> {
        let hashes = Tree::new(tree::leaf_hashes(&self.leaves));
        let spot = |at: usize| {
            let index = count(at);
            let leaf = self.leaves.get(at).ok_or(Error::NoLeaf(index))?;
            let proof = hashes.inclusion(index).map_err(|_| Error::NoLeaf(index))?;
            Ok(Spot { index, leaf: hex(leaf), proof })
        };
        match self.leaves.binary_search_by(|leaf| token_of(leaf).cmp(token)) {
            Ok(at) => Ok(Evidence::Present { spot: spot(at)? }),
            Err(at) => Ok(Evidence::Absent {
                before: at.checked_sub(1).map(spot).transpose()?,
                after: (at < self.leaves.len()).then(|| spot(at)).transpose()?,
            }),
        }
    }
}

/// Returns where the record tree of a root lies, below the ledger zone.
pub fn path(root: &Hash) -> String {
    format!("records/{root}.leaves")
}

/// One leaf of a record tree with its inclusion proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spot {
    /// The leaf's place.
    pub index: u64,
    /// The leaf's data, in hex.
    pub leaf: String,
    /// The hashes beside its path, its sibling first.
    pub proof: Vec<Hash>,
}

/// What is known of one token in one record tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Evidence {
    /// Its leaf is there.
    Present {
        /// The leaf.
        spot: Spot,
    },
    /// The leaves on both sides of where it would stand are neighbours.
    Absent {
        /// The greatest leaf below it; none when it would be the first.
        before: Option<Spot>,
        /// The smallest leaf above it; none when it would be the last.
        after: Option<Spot>,
    },
}

impl Spot {
    /// Checks the proof, and returns the leaf.
    pub(super) fn verified(&self, root: &Hash, count: u64) -> Result<Leaf, Error> {
        const FORM: Error = Error::Refused("a leaf is not 64 bytes in hex");
        let (token, commitment) = self.leaf.split_at_checked(64).ok_or(FORM)?;
        let half = |text: &str| Hash::parse(text).map(|half| half.0).map_err(|_| FORM);
        let leaf = join(half(token)?, half(commitment)?);
        if hex(&leaf) != self.leaf {
            return Err(FORM); // One leaf has one text.
        }
        if verify_inclusion(self.index, count, &leaf_hash(&leaf), &self.proof, root) {
            Ok(leaf)
        } else {
            Err(Error::Refused("a leaf is not in the tree of this root and count"))
        }
    }
}

impl Evidence {
    /// Verifies against an authentic root and count that the token's leaf is there, and returns
    /// its commitment: [`commitment`] of the record must give the same.
    pub fn verify_present(
        &self,
        token: &Token,
        root: &Hash,
        count: u64,
    ) -> Result<[u8; 32], Error> {
        let Self::Present { spot } = self else {
            return Err(Error::Refused("it speaks of absence"));
        };
        let leaf = spot.verified(root, count)?;
        if token_of(&leaf) != *token {
            return Err(Error::Refused("the leaf bears another token"));
        }
        Ok(commitment_of(&leaf))
    }

    /// Verifies against an authentic root and count that no leaf bears the token.
    ///
    /// The tree must be sorted, which anyone who holds its leaves can check. What this cannot show
    /// is that the person's data was not put in again under another token; an auditor who holds
    /// the keys can.
    pub fn verify_absent(&self, token: &Token, root: &Hash, count: u64) -> Result<(), Error> {
        let Self::Absent { before, after } = self else {
            return Err(Error::Refused("it speaks of presence"));
        };
        if let Some(before) = before
            && token_of(&before.verified(root, count)?) >= *token
        {
            return Err(Error::Refused("the leaf before is not below the token"));
        }
        if let Some(after) = after
            && token_of(&after.verified(root, count)?) <= *token
        {
            return Err(Error::Refused("the leaf after is not above the token"));
        }
        let neighbours = match (before, after) {
            (None, None) => count == 0 && *root == tree::empty_root(),
            (None, Some(after)) => after.index == 0,
            (Some(before), None) => before.index.checked_add(1) == Some(count),
            (Some(before), Some(after)) => before.index.checked_add(1) == Some(after.index),
        };
        if neighbours { Ok(()) } else { Err(Error::Refused("the leaves are no neighbours")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DATASET: &str = "ds:diabetes-2026";

    /// The five records of the published vectors.
    fn vectors() -> Vec<Leaf> {
        (0..5_u8)
            .map(|i| {
                let record = format!("{{\"age_band\":\"40-49\",\"hba1c_x10\":{}}}", 60 + i);
                let digest = Sha3Digest::of(record.as_bytes());
                join(
                    token(&[0x40 + i; 32], DATASET, 3),
                    commitment(&[0x80 + i; 32], DATASET, 3, &digest),
                )
            })
            .collect()
    }

    #[test]
    fn the_published_vectors_come_out() {
        let tree = RecordTree::build(vectors()).unwrap();
        let published = include_str!("../../tests/vectors/ledger/record-tree.txt");
        let lines = published.lines().filter(|line| !line.starts_with('#'));
        let made = tree.leaves().iter().map(|leaf| {
            let (token, commitment) = leaf.split_at(32);
            format!("{} {}", hex(token), hex(commitment))
        });
        let made: Vec<_> = made.chain([format!("root {}", tree.root())]).collect();
        assert_eq!(made, lines.collect::<Vec<_>>());
        let absent = token(&[0x7f; 32], DATASET, 3);
        assert_eq!(hex(&absent[..8]), "ddb1ecf938b51069");
        let evidence = tree.prove(&absent).unwrap();
        let Evidence::Absent { before: Some(before), after: None } = &evidence else {
            panic!("{evidence:?}")
        };
        assert_eq!(before.index, 4);
        assert_eq!(evidence.verify_absent(&absent, &tree.root(), 5), Ok(()));
    }

    #[test]
    fn a_person_finds_their_own_record_and_no_other() {
        let digest = Sha3Digest::of(b"record");
        let leaves: Vec<Leaf> = (1..=20).map(|k| leaf(&[k; 32], DATASET, 1, &digest)).collect();
        let tree = RecordTree::build(leaves).unwrap();
        let mine = token(&[7; 32], DATASET, 1);
        let evidence = tree.prove(&mine).unwrap();
        let found = evidence.verify_present(&mine, &tree.root(), tree.count()).unwrap();
        let key = record_key(&[7; 32], DATASET, 1);
        assert_eq!(found, commitment(&key, DATASET, 1, &digest));
        assert_ne!(found, commitment(&key, DATASET, 1, &Sha3Digest::of(b"other")));
        let other = token(&[8; 32], DATASET, 1);
        assert!(evidence.verify_present(&other, &tree.root(), tree.count()).is_err());
        assert!(evidence.verify_absent(&mine, &tree.root(), tree.count()).is_err());
        let next = token(&[7; 32], DATASET, 2);
        assert_ne!(mine, next, "a person could be followed from version to version");
    }

    #[test]
    fn leaves_out_of_order_or_twice_are_refused() {
        let tree = RecordTree::build(vectors()).unwrap();
        assert_eq!(RecordTree::read(&tree.bytes()).unwrap(), tree);
        let mut swapped = tree.leaves().to_vec();
        swapped.swap(1, 2);
        assert_eq!(RecordTree::read(&swapped.concat()), Err(Error::Order(2)));
        let mut twice = vectors();
        let mut same_token = twice[3];
        same_token[63] ^= 1;
        twice.push(same_token);
        assert!(matches!(RecordTree::build(twice), Err(Error::Order(_))));
        assert_eq!(RecordTree::read(&tree.bytes()[1..]), Err(Error::Length(319)));
        assert_eq!(RecordTree::build(Vec::new()).unwrap().root(), tree::empty_root());
    }

    /// A custodian who kept a withdrawn person's leaf and would deny it.
    #[test]
    fn a_lying_custodian_cannot_show_the_absence_of_a_leaf_that_is_there() {
        let tree = RecordTree::build(vectors()).unwrap();
        let (root, leaves) = (tree.root(), tree.leaves());
        let spot = |at: usize| match tree.prove(&token_of(&leaves[at])).unwrap() {
            Evidence::Present { spot } => spot,
            Evidence::Absent { .. } => unreachable!("the leaf is there"),
        };
        for (hidden, leaf) in leaves.iter().enumerate() {
            let token = token_of(leaf);
            let ends = || (0..5).map(Some).chain([None]);
            for (before, after) in ends().flat_map(|b| ends().map(move |a| (b, a))) {
                for claimed in 0..8 {
                    let lie = Evidence::Absent { before: before.map(spot), after: after.map(spot) };
                    assert!(
                        lie.verify_absent(&token, &root, claimed).is_err(),
                        "leaf {hidden} was denied by {before:?} and {after:?} of {claimed}"
                    );
                }
            }
        }
        // Relabelled neighbours: the proof fixes where a leaf stands.
        let token = token_of(&leaves[2]);
        let moved = Spot { index: 2, ..spot(3) };
        let lie = Evidence::Absent { before: Some(spot(1)), after: Some(moved) };
        assert!(lie.verify_absent(&token, &root, 5).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn of_every_token_presence_or_absence_is_proved_and_the_other_is_not(
            people in prop::collection::btree_set(any::<u64>(), 0..60), asked: u64, bit in 0_usize..512,
        ) {
            let key = |n: u64| hmac_sha3(&[9; 32], &n.to_be_bytes());
            let digest = Sha3Digest::of(b"r");
            let leaves = people.iter().map(|n| leaf(&key(*n), DATASET, 1, &digest)).collect();
            let tree = RecordTree::build(leaves).unwrap();
            let (root, size) = (tree.root(), tree.count());
            for n in people.iter().copied().chain([asked]) {
                let token = token(&key(n), DATASET, 1);
                let evidence = tree.prove(&token).unwrap();
                let text = serde_json::to_string(&evidence).unwrap();
                let evidence: Evidence = serde_json::from_str(&text).unwrap();
                let there = people.contains(&n);
                prop_assert_eq!(evidence.verify_present(&token, &root, size).is_ok(), there);
                prop_assert_eq!(evidence.verify_absent(&token, &root, size).is_ok(), !there);
                let mut other = root;
                other.0[bit / 16] ^= 1 << (bit % 8);
                prop_assert!(evidence.verify_present(&token, &other, size).is_err());
                prop_assert!(evidence.verify_absent(&token, &other, size).is_err());
            }
        }
    }
}
