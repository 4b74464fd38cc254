//! Quality: rules over conformed tables, as data; what breaks them, how often, and where.
//!
//! Comes in: rule sets (`schemas/quality/*.toml`) and conformed batches. Goes out: an
//! [`Assessment`]: findings, completeness, validity, and the rows that must not go on.
//! Never: a cell's value in a finding; a rejected row let through; an outcome that hangs on how an
//! input was cut into parts.
//!
//! Kahn's three categories: *conformance* (is it written as agreed), *completeness* (is it there),
//! *plausibility* (can it be true). <https://doi.org/10.13063/2327-9214.1244>

mod aggregate;
mod assess;
mod baseline;
mod finding;
mod frames;
mod kind;
mod profile;
mod read;
mod row;
mod rule;
mod tally;

#[cfg(test)]
mod tests;

pub use self::{
    assess::{Assessment, Broken, assess},
    baseline::{Baseline, ColumnBase, TableBase},
    finding::{Finding, Measure, Outcome, Place, Validity},
    frames::{Need, Portion, Tables},
    kind::Category,
    profile::{ColumnProfile, Profile, TopValue, profile},
    rule::{Rule, RuleSet, Rules, Scope, Severity, Test, Threshold},
    tally::{Cell, Distribution, Tally},
};

/// A cell of fewer people than this is never shown.
pub const SHOWN_MIN: u64 = 11;

/// Why rules could not be run. It names tables and rules, never a value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Rows could not be made a frame.
    #[error("rows of table `{table}` could not be looked at")]
    Frame {
        /// The table.
        table: String,
        /// Why.
        #[source]
        source: crate::frame::Error,
    },
    /// Columns could not be picked from rows.
    #[error("columns of table `{table}` could not be picked")]
    Columns {
        /// The table.
        table: String,
        /// Why.
        #[source]
        source: arrow::error::ArrowError,
    },
    /// Frames could not be put together, or a rule could not be run on them.
    #[error("`{what}` could not be run")]
    Run {
        /// The rule, or the table.
        what: String,
        /// Why.
        #[source]
        source: polars::error::PolarsError,
    },
}
