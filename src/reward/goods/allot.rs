//! Who is given how many units of an item: by highest averages on all that each has earned in the
//! pool, beginning with what each was given before, so that nobody ever gives a unit back.
//!
//! Comes in: a [`Basis`], what each earned, the lines of the giving before. Goes out: an
//! [`Allotment`]. Never: a unit to somebody who earned nothing, or a unit that is nobody's.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{GivenLine, ItemId};
use crate::{
    digest::{CanonicalError, Sha3Digest, Sha256, canonical, canonical_digest},
    party::ContributorId,
    reward::{ApportionError, ObjectRef, Period, PoolId, units_more},
};

/// A settlement whose earnings count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementRef {
    /// Its commit.
    pub commit: u64,
    /// Its ledger entry.
    pub entry: Sha256,
    /// Its lines.
    pub lines: ObjectRef,
}

/// Everything that an allotment rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The pool.
    pub pool: PoolId,
    /// The item.
    pub item: ItemId,
    /// The period.
    pub period: Period,
    /// The units to give.
    pub units: u64,
    /// All settlements of the pool up to and including the period, in order.
    pub settlements: Vec<SettlementRef>,
    /// The lines of the giving before; none where the item was never given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<ObjectRef>,
}

impl Basis {
    /// Returns the canonical bytes.
    pub fn bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        canonical(self)
    }
}

/// What each is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allotment {
    /// One line for each who earned or was ever given something, sorted.
    pub lines: Vec<GivenLine>,
}

/// Why nothing can be allotted.
#[derive(Debug, thiserror::Error)]
pub enum AllotError {
    /// Nobody has earned anything.
    #[error("nobody has earned anything in the pool by then")]
    Nobody,
    /// A number does not fit.
    #[error("the units cannot be allotted")]
    Apportion(#[from] ApportionError),
    /// The basis has no canonical bytes.
    #[error("what the allotment rests on has no canonical form")]
    Canonical(#[from] CanonicalError),
}

/// Allots the units of a basis. `earned` is what each earned in all its settlements together, and
/// `before` are the lines of the giving before.
pub fn allot(
    basis: &Basis,
    earned: &BTreeMap<ContributorId, u128>,
    before: &[GivenLine],
) -> Result<Allotment, AllotError> {
    let mut lines: BTreeMap<&ContributorId, GivenLine> = BTreeMap::new();
    let blank = |whose: &ContributorId| GivenLine {
        contributor: whose.clone(),
        weight: 0,
        held: 0,
        units: 0,
    };
    for line in before {
        let own = lines.entry(&line.contributor).or_insert_with(|| blank(&line.contributor));
        own.held = line.held.checked_add(line.units).ok_or(ApportionError::Overflow)?;
    }
    for (whose, weight) in earned {
        lines.entry(whose).or_insert_with(|| blank(whose)).weight = *weight;
    }
    let mut lines: Vec<GivenLine> =
        lines.into_values().filter(|line| line.weight > 0 || line.held > 0).collect();
    if lines.iter().all(|line| line.weight == 0) {
        return Err(AllotError::Nobody);
    }
    let seed = canonical_digest(basis)?;
    let key = |line: &GivenLine| {
        let whose = line.contributor.as_str().as_bytes();
        Sha3Digest::of(&[seed.as_bytes().as_slice(), whose].concat())
    };
    let keys: Vec<Sha3Digest> = lines.iter().map(key).collect();
    let weights: Vec<u128> = lines.iter().map(|line| line.weight).collect();
    let held: Vec<u64> = lines.iter().map(|line| line.held).collect();
    let has = units_more(&held, basis.units, &weights, &keys)?;
    for (line, has) in lines.iter_mut().zip(has) {
        // INVARIANT: nobody has less than before.
        line.units = has.checked_sub(line.held).ok_or(ApportionError::Overflow)?;
    }
    Ok(Allotment { lines })
}
