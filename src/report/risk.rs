//! What could still be learnt from a table, and what it is still good for: the facts of a report that
//! an expert signs, and its page.
//!
//! Comes in: figures. Goes out: the same facts as JSON and as a page, in English or German. Never: a
//! value of fewer people than k by itself, or a model without a solution told as one that found nobody.

mod page;
#[cfg(test)]
pub(super) mod tests;

use serde::{Deserialize, Serialize};

pub use self::page::risk_page;
use crate::{
    digest::{Sha3Digest, Sha256},
    instant::Instant,
    quality::Cell,
    schema::Role,
};

/// The report. It bears no time: the same version measured twice is the same report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RiskReport {
    /// What was measured.
    pub subject: RiskSubject,
    /// The least number of people who must look alike; 1 where nothing was promised.
    pub k: u64,
    /// The population that the data are taken to be drawn from.
    pub population: RiskPopulation,
    /// The tables.
    pub tables: Vec<RiskTable>,
    /// The three tests of the data-protection authorities (WP29, opinion 05/2014).
    pub tests: Vec<RiskTest>,
    /// What the figures rest on.
    pub configuration: RiskConfiguration,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RiskSubject {
    /// A version of a dataset.
    Version {
        /// The dataset.
        dataset: String,
        /// The version.
        version: u64,
        /// Its entry in the public book.
        entry: Sha256,
    },
    /// A file.
    File {
        /// Its name.
        file: String,
        /// The digest of its bytes.
        sha3: Sha3Digest,
    },
}

/// A population.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskPopulation {
    /// Its name, or `given`.
    pub name: String,
    /// Its people.
    pub people: u64,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RiskTable {
    /// Its name.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// Rows left out because too few people look like theirs.
    pub suppressed_rows: u64,
    /// The columns that others may know.
    pub quasi: Vec<String>,
    /// The figures before rows were left out; none where nobody counted them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<RiskFigures>,
    /// The figures of what is there; none where nobody knows anything of it.
    pub figures: Option<RiskFigures>,
    /// Combinations of few columns that single out.
    pub minimal_uniques: RiskMinimal,
    /// How varied sensitive columns are where people look alike.
    pub sensitive: Vec<RiskSensitive>,
    /// What was done to each column, and what is left of it.
    pub columns: Vec<RiskColumn>,
}

/// Figures over classes of people who look alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RiskFigures {
    /// People, counted once in each class they have rows in.
    pub records: u64,
    /// Classes.
    pub classes: u64,
    /// The people of the smallest class.
    pub smallest_class: u64,
    /// The mean size of a class.
    pub average_class: f64,
    /// Somebody looks for a person who they know is in the data.
    pub prosecutor: RiskAttack,
    /// Somebody looks for anybody whom they find in a register; without one, as strong.
    pub journalist: RiskAttack,
    /// Somebody matches as many as possible.
    pub marketer: RiskMarketer,
    /// The share of people alone in their class.
    pub sample_unique: f64,
    /// The share of the population that is unique in it; none where it is smaller than the data.
    pub population_unique: Option<RiskUnique>,
}

/// One attack.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RiskAttack {
    /// The highest risk of any record.
    pub highest: f64,
    /// The share of records whose risk is over `threshold`.
    pub at_risk: f64,
    /// One fifth.
    pub threshold: f64,
    /// The mean risk of a record.
    pub success: f64,
}

/// The marketer's attack.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RiskMarketer {
    /// The share of records matched rightly.
    pub success: f64,
}

/// Estimates of who is unique in the population, as shares of it; 0 where a model has no solution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RiskUnique {
    /// By the model that the rule of Dankar et al. chooses.
    pub dankar: f64,
    /// That model.
    pub dankar_model: String,
    /// Zayatz.
    pub zayatz: f64,
    /// Slide negative binomial, its number of classes estimated as ARX does.
    pub snb: f64,
    /// The same with Shlosser's formula as it was printed.
    pub snb_shlosser: f64,
    /// Pitman.
    pub pitman: f64,
    /// The models without a solution.
    pub unsolved: Vec<String>,
}

/// Minimal uniques, as SUDA looks for them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RiskMinimal {
    /// The most columns of a set that was looked at.
    pub columns_max: u64,
    /// People singled out by so few columns.
    pub records: u64,
    /// Minimal uniques of one column, of two, and so on.
    pub by_columns: Vec<u64>,
    /// For each column the share of the score that it has a part in.
    pub columns: Vec<(String, f64)>,
}

/// What a table attains for one sensitive column, in its worst class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RiskSensitive {
    /// The column.
    pub column: String,
    /// Distinct l.
    pub l: u64,
    /// Entropy l.
    pub entropy_l: f64,
    /// The c of recursive (c, 2)-diversity; none where a class has one value.
    pub recursive_c: Option<f64>,
    /// t, all values equally far apart.
    pub t: f64,
    /// The share of rows whose class has one value alone.
    pub certain: f64,
}

/// One column: what was done to it, and what is left of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RiskColumn {
    /// Its name in the source.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// What was done to it, in words.
    pub done: String,
    /// How its values were spread before; none where they are too varied to be drawn, or not counted.
    pub before: Option<Vec<Cell>>,
    /// How they are spread now; none where they are too varied, or were taken out.
    pub after: Option<Vec<Cell>>,
    /// The share of what is shown that would have to move for both to be alike; none where the
    /// values of one are not values of the other.
    pub distance: Option<f64>,
}

/// One of the three tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskTest {
    /// Which.
    pub test: RiskQuestion,
    /// What the figures say.
    pub outcome: RiskOutcome,
    /// The tables that decide it.
    pub tables: Vec<String>,
}

/// What a test asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RiskQuestion {
    /// Can a person be singled out?
    SinglingOut,
    /// Can records of one person be linked?
    Linkability,
    /// Can something new be inferred of a person?
    Inference,
}

/// What the figures say of a test. None of it is a determination: that is the expert's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RiskOutcome {
    /// The figures show that it cannot.
    Holds,
    /// The figures alone do not decide; the expert does.
    Judge,
    /// The figures show that it can.
    Fails,
}

/// What the figures rest on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskConfiguration {
    /// The pipeline's name and the digest of its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<(String, Sha3Digest)>,
    /// The digest of all that the run's result depends on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_key: Option<Sha3Digest>,
    /// The digests of the tables' schemas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<(String, Sha3Digest)>,
    /// How values were generalised, as the version's entry tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deid: Option<serde_json::Value>,
    /// The program that measured, with its version.
    pub program: String,
    /// The SHA-256 digest of the program's bytes; none where they cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Sha256>,
}

/// Who determined that the risk is very small.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskSigned {
    /// The expert, as they sign.
    pub by: String,
    /// Their key.
    pub key: String,
    /// When.
    pub time: Instant,
    /// The entry in the public book.
    pub entry: Sha256,
}
