//! FHIR R4 resources as tables: a runner of SQL on FHIR v2 views, and readers of NDJSON, Bundles
//! and Bulk Data manifests.
//!
//! Comes in: a [`View`], compiled once; resources. Goes out: Arrow batches, or text for the belt as
//! [`RawBatch`](super::RawBatch)es. Never: a tree for each resource, or half the rows of a bad one.

mod bundle;
mod compile;
mod decimal;
mod error;
mod eval;
mod kind;
mod known;
mod lex;
mod manifest;
mod moment;
mod operators;
mod parse;
mod plan;
mod read;
mod rows;
mod runner;
mod table;
mod tape;

pub(super) use self::read::read_text;
pub use self::{
    error::{ViewError, ViewFault},
    kind::Kind,
    manifest::{Listed, listed},
    plan::Column,
    read::read,
    runner::{Batch, DIGEST_COLUMN, Runner, Settings},
};

/// A ViewDefinition, checked and compiled: which resource it is of, its columns, and how a
/// resource becomes rows.
#[derive(Debug)]
pub struct View(compile::Compiled);

impl View {
    /// Compiles the JSON text of a ViewDefinition.
    pub fn compile(text: &str) -> Result<Self, ViewError> {
        compile::compile(text).map(Self)
    }

    /// Returns its name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Returns the type of the resources it is of.
    pub fn resource(&self) -> &str {
        &self.0.resource
    }

    /// Returns the Arrow schema of its typed batches.
    pub fn schema(&self, settings: Settings) -> arrow::datatypes::SchemaRef {
        runner::schema(self, settings)
    }

    /// Returns its columns, in their order.
    pub fn columns(&self) -> &[Column] {
        &self.0.columns
    }
}

/// What a reader came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Resources of the view's type that were read well.
    pub resources: u64,
    /// Rows they gave.
    pub rows: u64,
    /// Resources, or lines that are none, that were put aside with a reason.
    pub faults: u64,
    /// Resources of other types, passed over.
    pub passed_over: u64,
    /// Lines of NDJSON, blank ones too.
    pub lines: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.resources += other.resources;
        self.rows += other.rows;
        self.faults += other.faults;
        self.passed_over += other.passed_over;
        self.lines += other.lines;
    }
}

#[cfg(test)]
mod tests;
