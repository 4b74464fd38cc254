//! The files of a run and their parts, read part by part, whatever becomes of the rows.

use std::sync::Arc;

use super::{
    Error,
    plan::{Input, Task},
};
use crate::{
    pipeline::{
        reading,
        spec::{SourceSpec, Spec},
    },
    schema::{self, ConformedBatch, TableSchema},
    source::RawBatch,
};

/// The files of a run and their parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    /// The files.
    pub(super) inputs: &'a [Input],
    /// The parts, in the order of the files.
    pub(super) tasks: &'a [Task],
    /// The parts of tables that tell of no person.
    pub(super) references: &'a [Task],
}

impl Reading<'_> {
    /// Returns the source and the schema of a part.
    pub(super) fn of<'s>(
        &self,
        spec: &'s Spec,
        task: &Task,
    ) -> Option<(&'s SourceSpec, &'s Arc<TableSchema>)> {
        let source = spec.sources.get(self.inputs.get(task.input)?.source)?;
        Some((source, spec.schemas.get(source.schema)?))
    }

    /// Hands on the rows of a part as they stand, batch by batch, until the taker fails.
    pub(super) fn raw(
        &self,
        spec: &Spec,
        task: &Task,
        take: impl FnMut(RawBatch) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let lost = || Error::Counts { part: task.input };
        let input = self.inputs.get(task.input).ok_or_else(lost)?;
        let (source, _) = self.of(spec, task).ok_or_else(lost)?;
        reading::read(spec, source, (input.format, &input.file, &input.name), &task.part, take)
    }

    /// Hands on the rows of a part that fit their schema, batch by batch.
    pub(super) fn conformed(
        &self,
        spec: &Spec,
        task: &Task,
        take: &mut dyn FnMut(ConformedBatch) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (_, schema) = self.of(spec, task).ok_or(Error::Counts { part: task.input })?;
        self.raw(spec, task, |raw| take(schema::conform(schema, &raw)?.0))
    }
}
