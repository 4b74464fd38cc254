//! The commits of consents, people, pools and parties as an auditor reads them: what stands in the
//! JSON, no more. Comes in: bytes. Goes out: shapes. Never: a member that is passed over.

use serde::{Deserialize, Serialize};

use super::{matched::Matched, rules::RuleSet};
use crate::{
    digest::{Sha3Digest, Sha256},
    instant::Instant,
    money::{Accrual, Amount, Currency},
    purpose::Purpose,
};

/// An object with its rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Counted {
    pub(super) path: String,
    pub(super) digest: Sha3Digest,
    pub(super) count: u64,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    pub(super) path: String,
    pub(super) digest: Sha3Digest,
}

/// `vault/consent/commits/<n>.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConsentCommit {
    pub(super) txn: String,
    pub(super) number: u64,
    pub(super) time: Instant,
    pub(super) events: Counted,
    pub(super) contributors: Option<Counted>,
    pub(super) grants: u64,
    pub(super) withdrawals: u64,
    pub(super) root: Sha256,
    pub(super) entry: String,
}

/// `vault/linkage/commits/<n>.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkageCommit {
    pub(super) txn: String,
    pub(super) number: u64,
    pub(super) time: Instant,
    pub(super) act: LinkageAct,
    pub(super) members: Option<Counted>,
    pub(super) tokens: Option<Counted>,
    pub(super) review: Option<Counted>,
    pub(super) root: Sha256,
    pub(super) entry: String,
}

/// What was done with the person index.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum LinkageAct {
    Run {
        pipeline: (String, Sha3Digest),
        match_centibits: i64,
        review_centibits: i64,
        people_new: u64,
        pairs_review: u64,
    },
    Merge {
        kept: String,
        alias: String,
        reason: String,
    },
    Split {
        from: String,
        to: String,
        reason: String,
    },
}

/// `vault/pools/commits/<n>.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolCommit {
    pub(super) txn: String,
    pub(super) time: Instant,
    pub(super) act: Act,
    pub(super) entry: String,
}

/// What was done with a pool.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Act {
    Opened(Opened),
    Funded(Funded),
    Overridden(Overridden),
    Matched(Matched),
    Settled(Box<Settled>),
}

impl Act {
    /// Returns the pool's name.
    pub(super) fn pool(&self) -> &str {
        match self {
            Self::Opened(act) => &act.pool,
            Self::Funded(act) => &act.pool,
            Self::Overridden(act) => &act.pool,
            Self::Matched(act) => &act.pool,
            Self::Settled(act) => &act.pool,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Opened {
    pub(super) pool: String,
    pub(super) currency: Currency,
    pub(super) datasets: Vec<String>,
    pub(super) purposes: Vec<Purpose>,
    pub(super) rules: RuleSet,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Funded {
    pub(super) pool: String,
    pub(super) amount: Amount,
    pub(super) sponsor: String,
    pub(super) reference: String,
}

/// A decision of the steward on the next settlement.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Overridden {
    pub(super) pool: String,
    pub(super) change: Override,
    pub(super) reason: String,
    pub(super) approver: String,
}

/// What is decided.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Override {
    ExcludeQuery { query: u64 },
    ExcludeContributor { contributor: String },
    Price { query: u64, price: u32 },
    Correct { contributor: String, amount: Amount },
}

impl Override {
    /// Returns its name, as the book says it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::ExcludeQuery { .. } => "exclude-query",
            Self::ExcludeContributor { .. } => "exclude-contributor",
            Self::Price { .. } => "price",
            Self::Correct { .. } => "correct",
        }
    }
}

/// `vault/parties/commits/<n>.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartyCommit {
    pub(super) txn: String,
    pub(super) time: Instant,
    pub(super) act: Relation,
    pub(super) entry: String,
}

/// An institution's questions do not count the records of another.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Relation {
    pub(super) payer: String,
    pub(super) institution: String,
    pub(super) reason: String,
    pub(super) approver: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settled {
    pub(super) pool: String,
    pub(super) period: String,
    pub(super) funded: Vec<u64>,
    pub(super) inputs: Named,
    pub(super) lines: Named,
    pub(super) leaves: Named,
    pub(super) root: Sha256,
    pub(super) count: u64,
    pub(super) totals: Totals,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) institution_lines: Option<Named>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) held: Option<Named>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Totals {
    pub(super) received: Amount,
    pub(super) returned: Accrual,
    pub(super) fee: Amount,
    pub(super) reserve: Amount,
    pub(super) layers: Vec<LayerTotals>,
    pub(super) unallocated: Accrual,
    pub(super) opening: Accrual,
    pub(super) gross: Accrual,
    pub(super) person: Accrual,
    pub(super) institution: Accrual,
    pub(super) platform: Accrual,
    pub(super) adjusted: Accrual,
    pub(super) held: Accrual,
    pub(super) vested: Accrual,
    pub(super) payable: Amount,
    pub(super) tax: Amount,
    pub(super) paid: Amount,
    pub(super) carried: Accrual,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) institutions: Option<Account>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) platform_account: Option<Account>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LayerTotals {
    pub(super) layer: String,
    pub(super) pot: Accrual,
    pub(super) weight: String,
    pub(super) unallocated: Accrual,
}

/// What institutions together, or the platform, brought along, earned, are paid and carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Account {
    pub(super) part: Accrual,
    pub(super) opening: Accrual,
    pub(super) accrued: Accrual,
    pub(super) paid: Amount,
    pub(super) carried: Accrual,
}
