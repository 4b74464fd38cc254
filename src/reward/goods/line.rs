//! One contributor's line of a giving, the Parquet object that holds them all, and the tree that
//! commits to them as settlements commit to payout lines.
//!
//! Comes in: lines sorted by contributor, and a key a person. Goes out: bytes, leaves, root, proofs.
//! Never: a leaf that tells anything to somebody without its key.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Given, ItemId};
use crate::{
    digest::{CanonicalError, Sha256, canonical},
    ledger::line::GIVING,
    party::ContributorId,
    reward::{
        LineError, Period, PoolId,
        line::{Ints, Texts, read_table, write_table},
        proof::{LineProof, LineTree, Opened},
    },
};

/// What one contributor has had and is given of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenLine {
    /// Who.
    pub contributor: ContributorId,
    /// All that they earned in the pool until then, in millionths of a minor unit.
    pub weight: u128,
    /// The units that they were given before, whatever became of them.
    pub held: u64,
    /// The units that they are given now.
    pub units: u64,
}

/// Writes lines as Parquet.
pub fn write_given(lines: &[GivenLine]) -> Result<Bytes, LineError> {
    let int = |name: &'static str, cell: fn(&GivenLine) -> u64| -> Result<ArrayRef, LineError> {
        let cells = lines.iter().enumerate().map(|(row, line)| {
            i64::try_from(cell(line)).map_err(|_| LineError::Cell { column: name, row })
        });
        Ok(Arc::new(Int64Array::from(cells.collect::<Result<Vec<_>, _>>()?)))
    };
    let text = |cell: fn(&GivenLine) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(lines.iter().map(cell)))
    };
    write_table(vec![
        ("contributor", text(|l| l.contributor.as_str().to_owned())),
        ("weight", text(|l| l.weight.to_string())),
        ("held", int("held", |l| l.held)?),
        ("units", int("units", |l| l.units)?),
    ])
}

/// Reads lines from Parquet.
pub fn read_given(bytes: &Bytes) -> Result<Vec<GivenLine>, LineError> {
    let batch = read_table(bytes)?;
    let contributor = Texts::of(&batch, "contributor")?;
    let weight = Texts::of(&batch, "weight")?;
    let (held, units) = (Ints::of(&batch, "held")?, Ints::of(&batch, "units")?);
    (0..batch.num_rows())
        .map(|row| {
            Ok(GivenLine {
                contributor: contributor.person(row)?,
                weight: weight.weight(row)?,
                held: held.natural(row)?,
                units: units.natural(row)?,
            })
        })
        .collect()
}

/// One line, opened for its owner, and the entry that has its root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivingProof {
    /// The line under the root: its leaf's second half is `HMAC-SHA3-256(salt, lp("rdm/giving/v1")
    /// lp(pool) lp(item) lp(period) lp(SHA3-256(line)))`.
    #[serde(flatten)]
    pub line: LineProof,
    /// The ledger entry of the giving.
    pub entry: Sha256,
}

/// The tree over all lines of a giving.
#[derive(Debug)]
pub struct GivingTree {
    pool: PoolId,
    item: ItemId,
    period: Period,
    tree: LineTree,
}

impl GivingTree {
    /// Makes the tree; `key` gives each person's own key.
    pub fn new(
        pool: &PoolId,
        item: &ItemId,
        period: &Period,
        lines: &[GivenLine],
        key: impl Fn(&ContributorId) -> [u8; 32],
    ) -> Result<Self, CanonicalError> {
        let leaves = lines
            .iter()
            .map(|line| Ok(open(pool, item, period, line, &key(&line.contributor))?.leaf()))
            .collect::<Result<Vec<_>, CanonicalError>>()?;
        let (pool, item, period) = (pool.clone(), item.clone(), period.clone());
        Ok(Self { pool, item, period, tree: LineTree::of_leaves(leaves) })
    }

    /// Reads the tree of a giving back from the bytes of its leaves; `None` if they are not its own.
    pub fn read(given: &Given, leaves: &[u8]) -> Option<Self> {
        let tree = LineTree::read(leaves).filter(|tree| tree.root() == given.root)?;
        let Given { pool, item, period, .. } = given.clone();
        Some(Self { pool, item, period, tree })
    }

    /// Returns the leaves, sorted, one after the other.
    pub fn bytes(&self) -> Vec<u8> {
        self.tree.bytes()
    }

    /// Returns the root.
    pub fn root(&self) -> Sha256 {
        self.tree.root()
    }

    /// Opens one line under its person's key; `None` where the tree does not hold it.
    pub fn prove(
        &self,
        line: &GivenLine,
        key: &[u8; 32],
        entry: Sha256,
    ) -> Result<Option<GivingProof>, CanonicalError> {
        let opened = open(&self.pool, &self.item, &self.period, line, key)?;
        Ok(self.tree.proof(opened).map(|line| GivingProof { line, entry }))
    }
}

fn open(
    pool: &PoolId,
    item: &ItemId,
    period: &Period,
    line: &GivenLine,
    key: &[u8; 32],
) -> Result<Opened, CanonicalError> {
    let text = canonical(&json!({
        "pool": pool.as_str(),
        "item": item.as_str(),
        "period": period.as_str(),
        "contributor": line.contributor.as_str(),
        "weight": line.weight.to_string(),
        "held": line.held.to_string(),
        "units": line.units.to_string(),
    }))?;
    let labels = ["rdm/giving-token/v1", "rdm/giving-salt/v1", GIVING];
    let place = [pool.as_str().as_bytes(), item.as_str().as_bytes(), period.as_str().as_bytes()];
    Ok(Opened::new(&text, key, labels, &place))
}
