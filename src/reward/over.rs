//! A steward's decision that changes what the next settlement computes, with a reason and an approver.
//!
//! Comes in: what is to be changed. Goes out: an act on a pool; the book says that it was done, by whom
//! it was approved and why, and commits to what it was. Never: a change of what is paid already.

use serde::{Deserialize, Serialize};

use super::PoolId;
use crate::{money::Amount, party::ContributorId};

/// A decision on the next settlement of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overridden {
    /// The pool.
    pub pool: PoolId,
    /// What is changed.
    pub change: Override,
    /// Why.
    pub reason: String,
    /// Who approved it.
    pub approver: String,
}

/// What is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Override {
    /// A question does not count, and neither do its repeats.
    ExcludeQuery {
        /// Its usage commit.
        query: u64,
    },
    /// A contributor weighs nothing in any layer; what was earned before stays.
    ExcludeContributor {
        /// Who.
        contributor: ContributorId,
    },
    /// A question weighs more or less than another.
    Price {
        /// Its usage commit.
        query: u64,
        /// Its weight; a question without one weighs 1.
        price: u32,
    },
    /// What should not have been paid is taken off what a contributor earns from now on.
    Correct {
        /// Who.
        contributor: ContributorId,
        /// How much, above zero.
        amount: Amount,
    },
}

impl Override {
    /// Returns its name, as the book says it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ExcludeQuery { .. } => "exclude-query",
            Self::ExcludeContributor { .. } => "exclude-contributor",
            Self::Price { .. } => "price",
            Self::Correct { .. } => "correct",
        }
    }
}
