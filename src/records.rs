//! Records that are new, and those that are there already: copies and repetitions weigh nothing.
//!
//! Comes in: admitted rows, before anything is taken out of them. Goes out: for each released row
//! whether it counts, and the records of a version for the vault. Never: a cell's value, or an
//! outcome that depends on the order of inputs or on threads.
//!
//! A record is a row. Its *tokens* are its filled cells, one a column, without ids and direct
//! identifiers and what is read but never kept; its *hash* is a keyed digest of table and cells.
//! Of records that are the same, the first counts: the one that counted in the earliest version,
//! then the least by a keyed order. They are the same if
//!
//! 1. they are one person's, and equal (wherever that person was seen): **repeated**;
//! 2. they are two people's, and equal: **copied**;
//! 3. they are two people's, and the share of tokens that both have among the tokens that either
//!    has is at least the pipeline's `similar`: **similar**. A record whose tokens are so few that
//!    one more or less leaves that share is compared for equality alone;
//!
//! and, of two people, only if chance would not have it so. Two people are given one code on one
//! day, and neither copied from the other: the tokens that agree must be so rare together that
//! fewer than one record in a thousand would meet its like by chance (`chance`).

mod chance;
mod group;
mod minhash;
mod sketch;
mod table;

#[cfg(test)]
mod tests;

pub use self::{
    group::{Earlier, Fate, Pile, STRANGER, Settings, judge},
    sketch::{Sketcher, Sketches},
    table::{RecordLine, read, write},
};

/// Why records cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Parquet refused.
    #[error("the records could not be written or read as Parquet")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// Arrow refused.
    #[error("the records' columns do not fit together")]
    Arrow(#[from] arrow::error::ArrowError),
    /// A table is not what this version writes.
    #[error("the records are not what this version writes")]
    Table,
}
