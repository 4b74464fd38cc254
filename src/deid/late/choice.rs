//! What a search chose for a table, as report and ledger keep it.
//!
//! Comes in: a request and its optimum. Goes out: [`Choice`], in integers and decimal text.
//! Never: a float, a label, or a value of a row.

use serde::{Deserialize, Serialize};

use super::super::{
    Asked, Metric,
    search::{Optimum, Proof, Request},
};
use crate::digest::{CanonicalError, Sha3Digest, canonical_digest};

/// What was chosen for one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The generalised columns, in the order of the table.
    pub columns: Vec<Chosen>,
    /// What was to be lost least.
    pub metric: String,
    /// What is lost, by the metric's own scale, as decimal text.
    pub score: String,
    /// The least number of records in a class.
    pub k: u64,
    /// What classes satisfy besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<Asked>,
    /// The share of the records that might be suppressed, in millionths.
    pub suppress_ppm: u32,
    /// Records that were searched: a person's rows of one tuple are one record.
    pub records: u64,
    /// Records in classes that break a model at the node.
    pub suppressed: u64,
    /// Of these, records that stay by a coarser node of their own.
    pub recoded: u64,
    /// Classes that stay.
    pub classes: u64,
    /// Records in the smallest class that stays.
    pub smallest: u64,
    /// Nodes of the lattice.
    pub lattice: u64,
    /// Nodes whose classes were counted.
    pub checked: u64,
    /// What no node is below, as decimal text, where the search was stopped; none where the node is
    /// shown to be the best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<String>,
}

/// A generalised column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    /// Its name in the released table.
    pub column: String,
    /// The digest of its hierarchy's file, or of the rule that builds it.
    pub hierarchy: Sha3Digest,
    /// The chosen level; 0 is the value itself.
    pub level: u64,
    /// How many levels the hierarchy has.
    pub height: u64,
}

impl Choice {
    /// Returns the digest of its canonical bytes.
    pub fn digest(&self) -> Result<Sha3Digest, CanonicalError> {
        canonical_digest(self)
    }

    /// Says the models of privacy in words.
    pub fn models_said(&self) -> Vec<String> {
        let k = format!("{}-anonymity", self.k);
        std::iter::once(k).chain(self.models.iter().map(Asked::words)).collect()
    }
}

/// What a search was asked for and what it found.
pub(super) struct Outcome<'a> {
    pub(super) request: &'a Request,
    pub(super) optimum: &'a Optimum,
    /// The models beyond k.
    pub(super) asked: &'a [Asked],
    /// The least number of records in a class.
    pub(super) k: u64,
    /// Records that were searched.
    pub(super) records: u64,
    /// Records that stay by a coarser node of their own.
    pub(super) recoded: u64,
}

impl Outcome<'_> {
    /// Writes it down without a float.
    pub(super) fn choice(&self, columns: Vec<Chosen>) -> Choice {
        let Self { request, optimum, .. } = self;
        Choice {
            columns,
            metric: metric(request.metric).to_owned(),
            score: decimal(optimum.score),
            k: self.k,
            models: self.asked.to_vec(),
            suppress_ppm: request.suppress.ppm(),
            records: self.records,
            suppressed: optimum.suppressed,
            recoded: self.recoded,
            classes: optimum.classes,
            smallest: optimum.smallest,
            lattice: optimum.lattice,
            checked: optimum.checked,
            bound: match optimum.proof {
                Proof::Exact => None,
                Proof::Gap { bound } => Some(decimal(bound)),
            },
        }
    }
}

/// The shortest decimal text that reads back to the same number.
fn decimal(number: f64) -> String {
    number.to_string()
}

/// The word for a metric, as pipelines write it.
fn metric(metric: Metric) -> &'static str {
    match metric {
        Metric::Loss => "loss",
        Metric::Entropy => "entropy",
        Metric::MonotonicEntropy => "monotonic-entropy",
        Metric::Discernibility => "discernibility",
        Metric::AverageClass => "aecs",
        Metric::Precision => "precision",
        Metric::Granularity => "granularity",
    }
}
