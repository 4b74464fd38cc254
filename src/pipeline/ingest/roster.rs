//! Who is in a version: contributor, institution, pseudonym, rows, quality, and how many rows count;
//! private, in the vault.
//! Rewards are reckoned on it, and an auditor judges everyone's standing by it.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    error::ArrowError,
};
use bytes::Bytes;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};

use super::{
    Error,
    part::{Receipt, Work},
};
use crate::{lake::Written, party::InstitutionId};

/// Rows of each person, by institution.
#[derive(Debug, Default)]
pub(super) struct Roster {
    rows: BTreeMap<InstitutionId, BTreeMap<u32, Held>>,
}

/// What a version holds of a person from an institution.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    rows: u64,
    /// Rows that count; the others are copies and repetitions.
    records: u64,
}

impl Roster {
    /// Adds the people of a segment.
    pub(super) fn add(&mut self, institution: &InstitutionId, written: &Written) {
        let own = self.rows.entry(institution.clone()).or_default();
        for (person, _, rows) in &written.people {
            let held = own.entry(*person).or_default();
            held.rows += rows;
            if !written.segment.duplicates {
                held.records += rows;
            }
        }
    }

    /// Returns how many people an institution has in the version, and their rows.
    pub(super) fn of(&self, institution: &InstitutionId) -> (u64, u64) {
        self.rows
            .get(institution)
            .map_or((0, 0), |own| (own.len() as u64, own.values().map(|held| held.rows).sum()))
    }

    /// Returns how many institutions have rows.
    pub(super) fn institutions(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Returns how many people have rows of two or more institutions.
    pub(super) fn people_several(&self) -> u64 {
        let mut seen: BTreeMap<u32, u32> = BTreeMap::new();
        for person in self.rows.values().flat_map(BTreeMap::keys) {
            *seen.entry(*person).or_default() += 1;
        }
        seen.values().filter(|times| **times > 1).count() as u64
    }

    /// Returns the roster as Parquet, sorted by contributor and institution.
    pub(super) fn bytes(
        &self,
        work: &Work<'_>,
        quality: &BTreeMap<InstitutionId, u64>,
    ) -> Result<Bytes, Error> {
        let ids = work.plan.admission.people();
        let mut lines: Vec<(u32, &InstitutionId, Held)> = self
            .rows
            .iter()
            .flat_map(|(institution, own)| own.iter().map(move |(p, n)| (*p, institution, *n)))
            .collect();
        lines.sort();
        let contributor: StringArray = lines
            .iter()
            .map(|(person, _, _)| usize::try_from(*person).ok().and_then(|at| ids.get(at)))
            .map(|id| id.map(crate::party::ContributorId::as_str))
            .collect();
        let institution: StringArray =
            lines.iter().map(|(_, institution, _)| Some(institution.as_str())).collect();
        let pseudonym: StringArray =
            lines.iter().map(|(person, _, _)| work.people.pseudonym(*person)).collect();
        let number = |n: u64| i64::try_from(n).ok();
        let rows: Int64Array = lines.iter().map(|(_, _, held)| number(held.rows)).collect();
        let records: Int64Array = lines.iter().map(|(_, _, held)| number(held.records)).collect();
        let quality: Int64Array = lines
            .iter()
            .map(|(_, institution, _)| number(quality.get(*institution).copied().unwrap_or(0)))
            .collect();
        let mut columns: Vec<(&str, ArrayRef, bool)> = vec![
            ("contributor", Arc::new(contributor), false),
            ("institution", Arc::new(institution), false),
            ("pseudonym", Arc::new(pseudonym), false),
            ("rows", Arc::new(rows), false),
            ("quality_ppm", Arc::new(quality), false),
        ];
        if work.spec.records.is_some() {
            columns.push(("records", Arc::new(records), false));
        }
        let batch = RecordBatch::try_from_iter_with_nullable(columns);
        parquet(&batch.map_err(|e: ArrowError| e)?)
    }
}

/// The quality of each institution's rows, in millionths: the share of rows that conformed, times
/// the share of their cells that hold a value, times the share of checks of quality that held where
/// there are rules; rounded down once.
pub(super) fn quality(work: &Work<'_>, receipts: &[Receipt]) -> BTreeMap<InstitutionId, u64> {
    let mut sums: BTreeMap<InstitutionId, [u128; 4]> = BTreeMap::new();
    for receipt in receipts {
        let Some((source, _)) = work.of(receipt.task) else { continue };
        let [read, good, cells, filled] = sums.entry(source.institution.clone()).or_default();
        *read += u128::from(receipt.read);
        *good += u128::from(receipt.read - receipt.rejects.len() as u64);
        *cells += u128::from(receipt.cells.0);
        *filled += u128::from(receipt.cells.1);
    }
    sums.into_iter()
        .map(|(institution, [read, good, cells, filled])| {
            let (checked, held) = work.judged.validity(&institution);
            let whole = read * cells * u128::from(checked);
            let part = 1_000_000 * good * filled * u128::from(held);
            let share = part.checked_div(whole).unwrap_or(0);
            (institution, u64::try_from(share).unwrap_or(1_000_000))
        })
        .collect()
}

/// Writes a private table: Parquet, zstd.
pub(super) fn parquet(batch: &RecordBatch) -> Result<Bytes, Error> {
    let properties = WriterProperties::builder()
        .set_created_by("almoner".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties))?;
    writer.write(batch)?;
    writer.close()?;
    Ok(Bytes::from(bytes))
}
