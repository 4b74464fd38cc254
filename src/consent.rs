//! Whose rows may go on, for which purpose, on which day.
//!
//! Comes in: grants and withdrawals, conformed batches. Goes out: [`AdmittedBatch`] and refusals
//! counted by reason. Never: a row without a standing consent; what is unknown is refused.
//!
//! The register is append-only and bi-temporal. A grant says what a person permits (purposes,
//! institutions, categories) on which days; a withdrawal takes back, from its day on, every grant
//! decided until then that it touches; an opt-out overrules all grants until an opt-in. A decision is known from the later of its own instant and
//! the instant it was recorded, so what stood at a past instant can always be worked out again.

mod admission;
mod admit;
mod batch;
mod error;
mod event;
pub mod fhir;
mod import;
mod linked;
mod people;
mod register;
#[cfg(test)]
mod sample;
mod standing;

use std::sync::Arc;

use arrow::array::RecordBatch;

pub use self::{
    admission::{Admission, Scope},
    admit::{Admitted, admit, whose},
    batch::{Batch, Commit, Object, commitment, prepare},
    error::Error,
    event::{Action, Event, EventError, Terms},
    import::{Decisions, Fault, InputFormat, Linked, read},
    people::People,
    register::{Held, Register},
    standing::{Decision, Explanation, Refusal},
};
use crate::schema::TableSchema;

/// Rows whose people consented, each with the index of its person in the roster.
///
/// INVARIANT: only `consent::admit` makes one.
#[derive(Debug, Clone)]
pub struct AdmittedBatch {
    schema: Arc<TableSchema>,
    rows: RecordBatch,
    people: Vec<u32>,
}

impl AdmittedBatch {
    /// Returns the schema that the rows fit.
    pub fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    /// Returns the rows.
    pub fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    /// Returns, for each row, its person's index in `Admission::people`.
    pub fn people(&self) -> &[u32] {
        &self.people
    }
}
