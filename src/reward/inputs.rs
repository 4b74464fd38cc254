//! Everything a settlement rests on, written down before it is computed.
//!
//! Comes in: what the acts found. Goes out: canonical bytes, their digest, and the seed that breaks
//! ties. Never: a parameter that an auditor would have to guess.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{ObjectRef, Override, Period, PoolId, RuleSet};
use crate::{
    digest::{CanonicalError, Sha3Digest, Sha256, canonical},
    instant::{Date, Instant},
    money::{Accrual, Amount, Currency},
    party::{InstitutionId, ResearcherId},
    purpose::Purpose,
};

/// Everything a settlement rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// The format, 2.
    pub format: u32,
    /// The pool.
    pub pool: PoolId,
    /// The period.
    pub period: Period,
    /// The datasets that the pool pays for, sorted.
    pub datasets: Vec<String>,
    /// What its money may pay for; empty for anything.
    pub purposes: Vec<Purpose>,
    /// How it pays.
    pub rules: Rules,
    /// The new funds, by commit.
    pub funded: Vec<FundedInput>,
    /// What the settlement before could not give out.
    pub returned: Accrual,
    /// The versions whose rosters are read, by dataset and version.
    pub versions: Vec<VersionInput>,
    /// The questions that count, by commit.
    pub queries: Vec<QueryInput>,
    /// The commits of questions that repeat a counted one, and so do not count.
    pub repeats: Vec<u64>,
    /// The commits of questions for a purpose that the pool's money may not pay for.
    pub other_purpose: Vec<u64>,
    /// Institutions related to those that asked, by commit.
    pub related: Vec<RelatedInput>,
    /// The steward's decisions since the settlement before, by commit. A question that one excludes
    /// stands in none of the lists above, and neither do its repeats.
    pub overrides: Vec<OverrideInput>,
    /// What is known of the people who are paid ([`super::PayeeLine`]), where anything is.
    pub payees: Option<ObjectRef>,
    /// The new records ([`super::NewDataLine`]), where the rules pay for them.
    pub new_data: Option<ObjectRef>,
    /// The values of contributors' records for a model, where the rules pay for them.
    pub value: Option<ValueInput>,
    /// The lines whose closing balances are this settlement's opening ones.
    pub opening: Option<OpeningInput>,
    /// SHA3-256 of the canonical bytes of all other members: fixed only when all inputs are.
    pub seed: Sha3Digest,
}

/// How a settlement computes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// The method, `almoner-reward/v2`.
    pub method: String,
    /// The currency.
    pub currency: Currency,
    /// The pool's own rule set.
    pub set: RuleSet,
    /// Share units of one question of price 1.
    pub units_per_query: u64,
    /// How ties and remainders are settled.
    pub rounding: String,
}

impl Rules {
    /// Makes the rules of this version of the engine under a pool's rule set.
    pub fn new(currency: Currency, set: RuleSet) -> Self {
        Self {
            method: "almoner-reward/v2".to_owned(),
            currency,
            set,
            units_per_query: UNITS_PER_QUERY,
            rounding: "largest remainders in grains; ties by SHA3-256(seed || payee) ascending; \
                       layers, parts and tranches tie in their order; fee, reserve, tax and caps \
                       round down"
                .to_owned(),
        }
    }

    /// Returns the digest of the rules' canonical bytes.
    pub fn digest(&self) -> Result<Sha3Digest, CanonicalError> {
        Ok(Sha3Digest::of(&canonical(self)?))
    }
}

/// The share units that one question of price 1 hands out.
pub(crate) const UNITS_PER_QUERY: u64 = 1_000_000_000_000;

/// New money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FundedInput {
    /// The pool commit.
    pub commit: u64,
    /// Its ledger entry.
    pub entry: Sha256,
    /// How much.
    pub amount: Amount,
}

/// A dataset version whose roster is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionInput {
    /// The lake commit.
    pub commit: u64,
    /// Its ledger entry.
    pub entry: Sha256,
    /// The dataset.
    pub dataset: String,
    /// The version.
    pub version: u64,
    /// Who is in it.
    pub roster: ObjectRef,
    /// Whether the base layer pays for it: the newest of its dataset when the period ended.
    pub base: bool,
}

/// A question that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryInput {
    /// The usage commit.
    pub commit: u64,
    /// Its ledger entry.
    pub entry: Sha256,
    /// When it was answered.
    pub time: Instant,
    /// The dataset.
    pub dataset: String,
    /// The version.
    pub version: u64,
    /// What for.
    pub purpose: Purpose,
    /// Who asked.
    pub researcher: ResearcherId,
    /// Where they work.
    pub institution: Option<InstitutionId>,
    /// The digest of its text.
    pub query: Sha3Digest,
    /// The weight of its price.
    pub price: u32,
    /// How many people's rows it drew on.
    pub people: u64,
    /// How many rows.
    pub rows: u64,
    /// Whose rows: pseudonym, rows.
    pub lines: ObjectRef,
}

impl QueryInput {
    /// Returns the day on which it was answered.
    pub fn day(&self) -> Date {
        self.time.date()
    }
}

/// A relation between an institution that asks and one that has records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelatedInput {
    /// The institution that asks.
    pub payer: InstitutionId,
    /// The institution whose records its questions do not count.
    pub institution: InstitutionId,
    /// Its ledger entry.
    pub entry: Sha256,
}

/// A decision of the steward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideInput {
    /// The pool commit.
    pub commit: u64,
    /// Its ledger entry.
    pub entry: Sha256,
    /// What is changed.
    pub act: Override,
}

/// Values that were computed and recorded before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueInput {
    /// The value commit.
    pub commit: u64,
    /// Its ledger entry.
    pub entry: Sha256,
    /// Contributors and their values.
    pub object: ObjectRef,
}

/// Where opening balances come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpeningInput {
    /// The pool commit of the settlement before.
    pub commit: u64,
    /// Its lines.
    pub lines: ObjectRef,
    /// Its institutions' lines, where it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub institution_lines: Option<ObjectRef>,
    /// What people may not draw yet ([`super::Held`]), where there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<ObjectRef>,
    /// What the platform carries, where the rules give it a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Accrual>,
}

impl Inputs {
    /// Returns the inputs with their seed.
    pub fn seeded(mut self) -> Result<Self, CanonicalError> {
        self.seed = self.compute_seed()?;
        Ok(self)
    }

    /// Returns the institutions whose records a question does not count: the one that asks, and those
    /// related to it; none where the rules count all.
    pub fn payer<'a>(&'a self, asked: &'a QueryInput) -> BTreeSet<&'a InstitutionId> {
        let asks = asked.institution.as_ref().filter(|_| self.rules.set.exclude_payer);
        let related = self.related.iter().filter(|relation| Some(&relation.payer) == asks);
        asks.into_iter().chain(related.map(|relation| &relation.institution)).collect()
    }

    /// Returns the canonical bytes: the object that is stored under their digest.
    pub fn bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        canonical(self)
    }

    /// Returns the key that breaks the ties of a contributor or an institution.
    pub fn tie_key(&self, payee: &str) -> Sha3Digest {
        Sha3Digest::of(&[self.seed.as_bytes().as_slice(), payee.as_bytes()].concat())
    }

    fn compute_seed(&self) -> Result<Sha3Digest, CanonicalError> {
        let mut value =
            serde_json::to_value(self).map_err(|e| CanonicalError::Json(e.to_string()))?;
        if let Some(members) = value.as_object_mut() {
            members.remove("seed");
        }
        Ok(Sha3Digest::of(&canonical(&value)?))
    }
}
