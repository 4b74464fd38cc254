//! The commits of consents, people and pools as an auditor reads them: what stands in the JSON, no more.

use serde::{Deserialize, Serialize};

use crate::{
    digest::{Sha3Digest, Sha256},
    instant::Instant,
    money::{Accrual, Amount, Currency},
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    Settled(Box<Settled>),
}

impl Act {
    /// Returns the pool's name.
    pub(super) fn pool(&self) -> &str {
        match self {
            Self::Opened(act) => &act.pool,
            Self::Funded(act) => &act.pool,
            Self::Settled(act) => &act.pool,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Opened {
    pub(super) pool: String,
    pub(super) currency: Currency,
    pub(super) datasets: Vec<String>,
    pub(super) terms: Terms,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Terms {
    pub(super) fee_bps: u32,
    #[serde(default, skip_serializing_if = "none")]
    pub(super) institution_ppm: u32,
    pub(super) base_ppm: u32,
    pub(super) usage_ppm: u32,
    pub(super) minimum: Amount,
}

/// Pools of before, and those that give institutions no part, do not name it.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn none(ppm: &u32) -> bool {
    *ppm == 0
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Funded {
    pub(super) pool: String,
    pub(super) amount: Amount,
    pub(super) sponsor: String,
    pub(super) reference: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) institution_lines: Option<Named>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    pub(super) received: Amount,
    pub(super) returned: Amount,
    pub(super) fee: Amount,
    pub(super) base: Amount,
    pub(super) usage: Amount,
    pub(super) unallocated: Amount,
    pub(super) opening: Accrual,
    pub(super) accrued: Accrual,
    pub(super) paid: Amount,
    pub(super) carried: Accrual,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) institutions: Option<InstitutionTotals>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InstitutionTotals {
    pub(super) part: Amount,
    pub(super) opening: Accrual,
    pub(super) accrued: Accrual,
    pub(super) paid: Amount,
    pub(super) carried: Accrual,
}
