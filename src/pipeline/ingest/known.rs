//! What the tables of a run say of each person, found before any note is scrubbed.
//!
//! Read only where a table asks for `scrub`; kept in memory, never in a receipt or an error. A row
//! without a standing consent counts as well: what it says is looked for and goes nowhere.

use std::fmt::Write as _;

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _},
    datatypes::Int64Type,
};
use rayon::prelude::*;

use super::{Error, plan::Plan};
use crate::{
    consent,
    deid::{
        self,
        scrub::{Gold, Kind, Known, Recall},
        telling,
    },
    digest::Sha3Digest,
    pipeline::{Progress, spec::Spec},
    report::ScrubLine,
};

/// A longer value is no name, number or address.
const VALUE_BYTES_MAX: usize = 256;

/// Reads what the tables say of each person of the roster; nothing where nothing is scrubbed.
pub(super) fn find(
    spec: &Spec,
    plan: &Plan,
    deid: &deid::Plan,
    progress: &dyn Progress,
) -> Result<Known, Error> {
    if deid.tables().iter().all(|table| table.scrubbers().next().is_none()) {
        return Ok(Known::default());
    }
    let reading = plan.reading();
    progress.stage("who is who, for the notes", reading.tasks.len() as u64);
    let found = reading
        .tasks
        .par_iter()
        .enumerate()
        .map(|(at, task)| {
            let (source, schema) = reading.of(spec, task).ok_or(Error::Counts { part: at })?;
            let columns = telling(schema);
            let mut known = Known::default();
            reading.conformed(spec, task, &mut |batch| {
                let people =
                    consent::whose(&plan.admission, &source.institution, &spec.namespace, &batch);
                for (column, kind) in &columns {
                    if let Some(values) = batch.rows().columns().get(*column) {
                        add(&mut known, &people, values, *kind);
                    }
                }
                Ok(())
            })?;
            progress.step();
            Ok(known)
        })
        .collect::<Result<Vec<Known>, Error>>()?;
    let mut known = Known::default();
    for part in found {
        known.merge(part);
    }
    Ok(known)
}

/// Adds a column; rows of one person mostly repeat what the row before said.
fn add(known: &mut Known, people: &[Option<u32>], values: &ArrayRef, kind: Kind) {
    let mut last: Option<(u32, String)> = None;
    let mut cell = |person: u32, value: &str| {
        let is_same = last.as_ref().is_some_and(|(p, v)| *p == person && v == value);
        if !is_same && value.len() <= VALUE_BYTES_MAX {
            known.add(person, kind, value);
            last = Some((person, value.to_owned()));
        }
    };
    if let Some(texts) = values.as_string_opt::<i32>() {
        let rows = people.iter().zip(texts.iter());
        rows.filter_map(|(person, text)| (*person).zip(text)).for_each(|(p, text)| cell(p, text));
    } else if let Some(numbers) = values.as_primitive_opt::<Int64Type>() {
        let mut text = String::new();
        for (person, number) in people.iter().zip(numbers.iter()) {
            if let Some((person, number)) = (*person).zip(number) {
                text.clear();
                // Writing to a string cannot fail.
                let _ = write!(text, "{number}");
                cell(person, &text);
            }
        }
    } else {
        debug_assert!(values.is_empty(), "a telling column of another type");
    }
}

/// Tells what is scrubbed and how well the scrubber does on the pipeline's gold set.
pub(super) fn lines(
    spec: &Spec,
    deid: &deid::Plan,
    known: &Known,
) -> Result<Vec<ScrubLine>, Error> {
    let mut columns = deid
        .tables()
        .iter()
        .flat_map(|table| table.scrubbers().map(move |(column, own)| (table.table(), column, own)))
        .peekable();
    if columns.peek().is_none() {
        return Ok(Vec::new());
    }
    let gold = match &spec.deid.scrub_gold {
        None => None,
        Some(file) => {
            let unread = |source| Error::Gold { file: file.clone(), source };
            let text = std::fs::read_to_string(file)
                .map_err(|error| unread(deid::scrub::GoldError::Unread(error)))?;
            Some((Sha3Digest::of(text.as_bytes()), Gold::read(&text).map_err(unread)?))
        }
    };
    let line = |(table, column, scrubber): (&str, &str, &deid::scrub::Scrubber)| {
        let measured = gold
            .as_ref()
            .map(|(digest, gold)| (digest.to_string(), Recall::measure(scrubber, gold)));
        ScrubLine {
            table: table.to_owned(),
            column: column.to_owned(),
            people_known: known.people() as u64,
            gold: measured.as_ref().map(|(digest, _)| digest.clone()),
            notes: measured.as_ref().map_or(0, |(_, recall)| recall.notes),
            characters: measured.as_ref().map_or(0, |(_, recall)| recall.all.characters),
            recall_ppm: measured.as_ref().map(|(_, recall)| recall.all.recall_ppm()),
            recall_bound_ppm: measured.as_ref().map(|(_, recall)| recall.all.bound_ppm()),
            patterns_ppm: measured.as_ref().map(|(_, recall)| recall.patterns.recall_ppm()),
            precision_ppm: measured.as_ref().map(|(_, recall)| recall.precision_ppm()),
        }
    };
    Ok(columns.map(line).collect())
}
