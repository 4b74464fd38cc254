//! What later versions are held against: of each rule on a table as a whole, what it saw.
//!
//! Comes in: this run's frames. Goes out: a [`Baseline`], kept in the vault as
//! `runs/<run>/baseline.json` beside the version that it tells of. Private: it counts values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// By institution.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// What each institution's rules saw, by rule.
    pub institutions: BTreeMap<String, BTreeMap<String, TableBase>>,
}

/// What one rule saw at one institution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableBase {
    /// The table.
    pub table: String,
    /// The column; none where rows alone are counted.
    pub column: Option<String>,
    /// The rows it looked at.
    pub rows: u64,
    /// Those of them whose cell is empty.
    pub missing: u64,
    /// What the cells hold.
    pub base: ColumnBase,
}

/// What the cells of a column hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ColumnBase {
    /// Not looked at.
    None,
    /// How often each code is there.
    Codes {
        /// By code.
        counts: BTreeMap<String, u64>,
    },
    /// How many numbers lie below each edge and not below the one before; the last lie above all.
    Bins {
        /// Ascending.
        edges: Vec<f64>,
        /// One more than edges.
        counts: Vec<u64>,
    },
    /// The mean and the standard deviation.
    Mean {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        deviation: f64,
    },
}
