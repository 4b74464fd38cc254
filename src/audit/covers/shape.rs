//! The commits of covers and their lines as an auditor reads them: what stands in the JSON, no more.
//! Comes in: bytes. Goes out: shapes. Never: a member that is passed over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    audit::shape::{Counted, Funded, Named},
    digest::{Sha3Digest, Sha256},
    instant::{Date, Instant},
    money::{Amount, Currency},
    purpose::Purpose,
};

/// `vault/covers/commits/<n>.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::audit) struct CoverCommit {
    pub(super) txn: String,
    pub(in crate::audit) time: Instant,
    pub(in crate::audit) act: CoverAct,
    pub(in crate::audit) entry: String,
}

impl CoverCommit {
    /// Names the objects of the commit: path and digest.
    pub(in crate::audit) fn objects(&self) -> Vec<(&str, Sha3Digest)> {
        match &self.act {
            CoverAct::Opened(_) | CoverAct::Funded(_) => Vec::new(),
            CoverAct::Enrolled(act) => vec![(&act.people.path, act.people.digest)],
            CoverAct::Evaluated(act) => {
                vec![(&act.lines.path, act.lines.digest), (&act.leaves.path, act.leaves.digest)]
            }
        }
    }
}

/// What was done with a policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(in crate::audit) enum CoverAct {
    Opened(Box<Policy>),
    Funded(Funded),
    Enrolled(Enrolled),
    Evaluated(Box<Evaluated>),
}

impl CoverAct {
    /// Returns the policy's name.
    pub(in crate::audit) fn policy(&self) -> &str {
        match self {
            Self::Opened(act) => &act.policy,
            Self::Funded(act) => &act.pool,
            Self::Enrolled(act) => &act.policy,
            Self::Evaluated(act) => &act.policy,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the members are called so in the JSON")]
pub(in crate::audit) struct Policy {
    pub(super) policy: String,
    pub(super) cover: String,
    pub(super) insurer: String,
    pub(super) currency: Currency,
    pub(super) term: Term,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) enrolment_days: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) enrolment_weeks_max: Option<u32>,
    pub(super) sum: Amount,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cap_person: Option<Amount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cap_policy: Option<Amount>,
    pub(super) partly: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) event_days: Option<u32>,
    pub(super) purpose: Purpose,
    pub(super) triggers: Vec<Trigger>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Term {
    pub(super) from: Date,
    pub(super) until: Date,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trigger {
    pub(super) name: String,
    pub(super) table: String,
    id: String,
    day: String,
    code: CodeTest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<ValueTest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<StatusTest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) weeks: Option<Weeks>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeTest {
    column: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    system: Option<String>,
    any: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ValueTest {
    column: String,
    at_least: String,
    unit_column: String,
    unit: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    substance: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusTest {
    column: String,
    is: Vec<String>,
    refuse: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Weeks {
    pub(super) min: u32,
    pub(super) max: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::audit) struct Enrolled {
    pub(super) policy: String,
    pub(super) people: Counted,
    pub(super) commitment: Sha3Digest,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::audit) struct Evaluated {
    pub(in crate::audit) policy: String,
    pub(super) run: String,
    pub(in crate::audit) lines: Counted,
    pub(super) leaves: Named,
    pub(super) root: Sha256,
    pub(super) count: u64,
    pub(super) totals: Totals,
    pub(super) considered: u64,
    pub(super) refused: BTreeMap<String, u64>,
    pub(super) commitment: Sha3Digest,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Totals {
    pub(super) lines: BTreeMap<Outcome, u64>,
    pub(super) owed_minor: i64,
    pub(super) recovered_minor: i64,
    pub(super) paid_minor: i64,
}

impl Totals {
    /// Returns how many events were paid or kept for earlier payments.
    pub(super) fn settled(&self) -> u64 {
        let of = |outcome| self.lines.get(&outcome).copied().unwrap_or_default();
        of(Outcome::Paid).saturating_add(of(Outcome::Recovered))
    }
}

/// What became of an event, or of a row of one; in this order counts are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    Paid,
    Recovered,
    Flagged,
    Waiting,
    CapPerson,
    CapPolicy,
    Known,
    TakenBack,
    Twice,
}

/// One person's enrolment, a line of its object.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Enrolment {
    pub(super) contributor: String,
    pub(super) enrolled: Date,
    #[serde(default)]
    pub(super) due: Option<Date>,
}

/// A row of an institution.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RowId {
    pub(super) institution: String,
    pub(super) table: String,
    pub(super) id: String,
}

/// One line of an evaluation. Its canonical form is what its leaf commits to.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::audit) struct Line {
    pub(in crate::audit) contributor: String,
    pub(super) event: Sha3Digest,
    pub(super) outcome: Outcome,
    pub(super) day: Date,
    pub(super) trigger: String,
    pub(super) row: RowId,
    pub(super) category: String,
    pub(super) evidence: Sha3Digest,
    pub(super) owed_minor: i64,
    pub(super) recovered_minor: i64,
    pub(in crate::audit) paid_minor: i64,
}
