//! The line tree: one keyed commitment a line, sorted, under one root in the book.
//!
//! Comes in: lines and a key a person. Goes out: leaves, root, and for each line the path that proves
//! it. Never: a leaf that tells anything to somebody without its key.

use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::{Line, Period, PoolId};
use crate::{
    digest::{CanonicalError, Sha3Digest, Sha256, canonical, hex, hmac_sha3_parts},
    ledger::{line::PAYOUT, proof_file::Claim, record::Spot},
    party::ContributorId,
};

/// A leaf: 32 bytes of keyed token, 32 bytes of commitment.
pub type Leaf = [u8; 64];

/// One line, opened for its owner: all that is needed to check it against the root in the book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineProof {
    /// The canonical JSON of the line.
    pub line: String,
    /// The token that finds the leaf, hex.
    pub token: String,
    /// The salt of the commitment, hex: the leaf's second half is
    /// `HMAC-SHA3-256(salt, lp("rdm/payout/v1") lp(pool) lp(period) lp(SHA3-256(line)))`.
    pub salt: String,
    /// The leaf, hex.
    pub leaf: String,
    /// Its index.
    pub leaf_index: u64,
    /// The number of leaves.
    pub leaf_count: u64,
    /// The RFC 6962 inclusion path.
    pub path: Vec<Sha256>,
    /// The root, as the ledger entry has it.
    pub root: Sha256,
}

impl LineProof {
    /// Returns what it claims of its entry; `None` where its salt is none.
    pub fn claim(&self) -> Option<Claim> {
        let spot =
            Spot { index: self.leaf_index, leaf: self.leaf.clone(), proof: self.path.clone() };
        let salt = Sha256::parse(&self.salt).ok()?;
        Some(Claim::Line { line: self.line.clone(), salt, spot, count: self.leaf_count })
    }
}

/// The tree over all lines of a settlement.
#[derive(Debug, Clone)]
pub struct LineTree {
    leaves: Vec<Leaf>,
    tree: Tree,
}

impl LineTree {
    /// Makes the tree; `key` gives each person's own key.
    pub fn new(
        pool: &PoolId,
        period: &Period,
        lines: &[Line],
        key: impl Fn(&ContributorId) -> [u8; 32],
    ) -> Result<Self, CanonicalError> {
        let leaves = lines
            .iter()
            .map(|line| Ok(open(pool, period, line, &key(&line.contributor))?.leaf))
            .collect::<Result<Vec<_>, CanonicalError>>()?;
        Ok(Self::of_leaves(leaves))
    }

    /// Makes the tree of leaves in any order.
    pub fn of_leaves(mut leaves: Vec<Leaf>) -> Self {
        leaves.sort_unstable();
        Self::of(leaves)
    }

    /// Reads the tree back from [`LineTree::bytes`]; `None` if they are no sorted leaves. It needs
    /// nobody's key, so that one person's erasure takes no other's proof away.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (leaves, rest) = bytes.as_chunks::<64>();
        (rest.is_empty() && leaves.is_sorted()).then(|| Self::of(leaves.to_vec()))
    }

    fn of(leaves: Vec<Leaf>) -> Self {
        let tree = Tree::new(leaves.iter().map(|leaf| leaf_hash(leaf)).collect());
        Self { leaves, tree }
    }

    /// Returns the leaves, sorted, one after the other.
    pub fn bytes(&self) -> Vec<u8> {
        self.leaves.concat()
    }

    /// Returns the root.
    pub fn root(&self) -> Sha256 {
        self.tree.root()
    }

    /// Opens one line under its person's key; `None` where the tree does not hold it.
    pub fn prove(
        &self,
        pool: &PoolId,
        period: &Period,
        line: &Line,
        key: &[u8; 32],
    ) -> Result<Option<LineProof>, CanonicalError> {
        Ok(self.proof(open(pool, period, line, key)?))
    }

    /// Proves an opened line of any kind; `None` where the tree does not hold it.
    pub fn proof(&self, opened: Opened) -> Option<LineProof> {
        self.find(&opened.leaf).map(|found| LineProof {
            line: opened.text,
            token: hex(&opened.token),
            salt: hex(&opened.salt),
            leaf: hex(&opened.leaf),
            leaf_index: found.index,
            leaf_count: found.count,
            path: found.path,
            root: self.root(),
        })
    }

    /// Finds a leaf, and the path to the root.
    pub(super) fn find(&self, leaf: &Leaf) -> Option<Found> {
        self.leaves.binary_search(leaf).ok().map(|index| Found {
            index: index as u64,
            count: self.leaves.len() as u64,
            path: self.tree.path(index),
        })
    }
}

/// Where a leaf stands.
pub(super) struct Found {
    pub(super) index: u64,
    pub(super) count: u64,
    pub(super) path: Vec<Sha256>,
}

/// A line under its person's key: its text, and how its leaf came about.
#[derive(Debug)]
pub struct Opened {
    text: String,
    token: [u8; 32],
    salt: [u8; 32],
    leaf: Leaf,
}

impl Opened {
    /// Opens the canonical text of a line. `labels` are those of token, salt and commitment; `place`
    /// says where the line stands, and is part of all three.
    pub fn new(text: &[u8], key: &[u8; 32], labels: [&str; 3], place: &[&[u8]]) -> Self {
        let [token, salt, commit] = labels.map(|label| {
            let mut parts = vec![label.as_bytes()];
            parts.extend(place);
            parts
        });
        let token = hmac_sha3_parts(key, &token);
        let salt = hmac_sha3_parts(key, &salt);
        let digest = Sha3Digest::of(text);
        let commit = [commit.as_slice(), &[digest.as_bytes()]].concat();
        let commit = hmac_sha3_parts(&salt, &commit);
        let mut leaf = [0; 64];
        let (left, right) = leaf.split_at_mut(32);
        left.copy_from_slice(&token);
        right.copy_from_slice(&commit);
        Self { text: String::from_utf8_lossy(text).into_owned(), token, salt, leaf }
    }

    /// Returns the leaf.
    pub fn leaf(&self) -> Leaf {
        self.leaf
    }
}

fn open(
    pool: &PoolId,
    period: &Period,
    line: &Line,
    key: &[u8; 32],
) -> Result<Opened, CanonicalError> {
    let mut members = Map::new();
    let mut put = |name: &str, text: String| drop(members.insert(name.to_owned(), text.into()));
    put("pool", pool.as_str().to_owned());
    put("period", period.as_str().to_owned());
    put("contributor", line.contributor.as_str().to_owned());
    for (name, weight) in Line::WEIGHTS.into_iter().zip(line.weights()) {
        put(name, weight.to_string());
    }
    for (name, amount) in Line::AMOUNTS.into_iter().zip(line.amounts()) {
        put(name, amount.to_string());
    }
    let place = [pool.as_str().as_bytes(), period.as_str().as_bytes()];
    let labels = ["rdm/payout-token/v1", "rdm/payout-salt/v1", PAYOUT];
    Ok(Opened::new(&canonical(&members)?, key, labels, &place))
}

/// Returns the RFC 6962 hash of a leaf's data (§2.1); of an entry's bytes it is the entry's id.
pub fn leaf_hash(data: &[u8]) -> Sha256 {
    Sha256::of(&[&[0_u8], data].concat())
}

/// Returns the RFC 6962 root over leaf hashes.
pub fn root(hashes: Vec<Sha256>) -> Sha256 {
    Tree::new(hashes).root()
}

fn node(left: &Sha256, right: &Sha256) -> Sha256 {
    let mut data = [1_u8; 65];
    let (_, pair) = data.split_at_mut(1);
    let (first, second) = pair.split_at_mut(32);
    first.copy_from_slice(left.as_bytes());
    second.copy_from_slice(right.as_bytes());
    Sha256::of(&data)
}

/// All levels of an RFC 6962 tree: pairing neighbours and lifting a lone last node unchanged gives
/// the same root as splitting at the largest power of two.
#[derive(Debug, Clone)]
struct Tree {
    levels: Vec<Vec<Sha256>>,
}

impl Tree {
    fn new(hashes: Vec<Sha256>) -> Self {
        let mut levels = vec![hashes];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let above = below
                .chunks(2)
                .filter_map(|pair| match pair {
                    [left, right] => Some(node(left, right)),
                    [lone] => Some(*lone),
                    _ => None,
                })
                .collect();
            levels.push(above);
        }
        Self { levels }
    }

    fn root(&self) -> Sha256 {
        self.levels.last().and_then(|top| top.first()).copied().unwrap_or_else(|| Sha256::of(b""))
    }

    fn path(&self, mut index: usize) -> Vec<Sha256> {
        let mut path = Vec::new();
        for level in &self.levels {
            if let Some(sibling) = level.get(index ^ 1).filter(|_| level.len() > 1) {
                path.push(*sibling);
            }
            index /= 2;
        }
        path
    }
}

/// Checks an inclusion path (RFC 9162 §2.1.3.2).
pub fn included(leaf: &[u8], index: u64, count: u64, path: &[Sha256], root: &Sha256) -> bool {
    if index >= count {
        return false;
    }
    let (mut at, mut last) = (index, count - 1);
    let mut hash = leaf_hash(leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at % 2 == 1 || at == last {
            hash = node(sibling, &hash);
            while at % 2 == 0 && at != 0 {
                at /= 2;
                last /= 2;
            }
        } else {
            hash = node(&hash, sibling);
        }
        at /= 2;
        last /= 2;
    }
    last == 0 && hash == *root
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962 §2.1, word for word.
    fn slow_root(leaves: &[Vec<u8>]) -> Sha256 {
        match leaves {
            [] => Sha256::of(b""),
            [leaf] => leaf_hash(leaf),
            _ => {
                let k = leaves.len().next_power_of_two() / 2;
                node(&slow_root(&leaves[..k]), &slow_root(&leaves[k..]))
            }
        }
    }

    fn line(n: usize) -> Line {
        let mut line = Line::empty(ContributorId::parse(&format!("person-{n}")).unwrap());
        line.paid_minor = i64::try_from(n).unwrap();
        line
    }

    fn key(id: &ContributorId) -> [u8; 32] {
        Sha3Digest::of(id.as_str().as_bytes()).0
    }

    #[test]
    fn every_line_of_a_tree_of_any_size_is_proved_and_a_changed_one_is_not() {
        let (pool, period) = (PoolId::parse("p").unwrap(), Period::parse("2026").unwrap());
        for count in 0..20_usize {
            let lines: Vec<Line> = (0..count).map(line).collect();
            let tree = LineTree::new(&pool, &period, &lines, key).unwrap();
            let leaves: Vec<Vec<u8>> = tree.leaves.iter().map(|l| l.to_vec()).collect();
            assert_eq!(tree.root(), slow_root(&leaves));
            assert_eq!(LineTree::read(&tree.bytes()).unwrap().root(), tree.root());
            for line in &lines {
                let key = key(&line.contributor);
                let proof = tree.prove(&pool, &period, line, &key).unwrap().unwrap();
                let LineProof { leaf_index, leaf_count, path, root, .. } = &proof;
                let index = usize::try_from(*leaf_index).unwrap();
                assert!(included(&leaves[index], *leaf_index, *leaf_count, path, root));
                let mut changed = leaves[index].clone();
                changed[63] ^= 1;
                assert!(!included(&changed, *leaf_index, *leaf_count, path, root));
                assert!(!included(&leaves[index], leaf_index + 1, *leaf_count, path, root));
                let mut other = line.clone();
                other.paid_minor += 1;
                let none = tree.prove(&pool, &period, &other, &key).unwrap();
                assert!(none.is_none(), "a cent more would be provable");
            }
        }
    }

    #[test]
    fn leaves_of_one_person_do_not_match_from_period_to_period() {
        let pool = PoolId::parse("p").unwrap();
        let leaf = |period: &str| {
            let period = Period::parse(period).unwrap();
            open(&pool, &period, &line(1), &[7; 32]).unwrap().token
        };
        assert_ne!(leaf("2026-11"), leaf("2026-12"), "a token would follow a person");
    }
}
