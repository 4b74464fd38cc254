//! What a statement tells that its settlement does not know: decisions, releases, rejected rows; and
//! whether the book bears the settlement out.

use std::collections::BTreeMap;

use arrow::{
    array::{Array as _, AsArray as _},
    datatypes::Int64Type,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::Error;
use crate::{
    consent::Register,
    lake::{Lake, Version},
    ledger::EntryId,
    pipeline::book::{self, Booked},
    report::{PageProofs, RunReport, StatementPage, StatementRejected, StatementRelease},
    reward::statement::{PEOPLE_MIN, Statement},
    site::Site,
};

/// Everything that is read once for all statements.
pub(super) struct Known {
    register: Register,
    releases: BTreeMap<String, Vec<StatementRelease>>,
    rejected: BTreeMap<(String, u64), Vec<StatementRejected>>,
    booked: BTreeMap<EntryId, Booked>,
}

impl Known {
    pub(super) fn read(site: &Site) -> Result<Self, Error> {
        let mut releases = BTreeMap::new();
        let mut rejected = BTreeMap::new();
        for located in Lake::new(site.lake()).all()? {
            let version = located.version;
            roster(site, &version, &mut releases)?;
            let lines = rejects(site, &version)?;
            rejected.insert((version.dataset, version.version), lines);
        }
        let register = Register::load(&site.vault())?;
        Ok(Self { register, releases, rejected, booked: book::with_lines(site)? })
    }

    /// Makes the page of a statement, once its proof holds against the book.
    pub(super) fn page(&self, statement: Statement) -> Result<StatementPage, Error> {
        let proofs = prove(&statement, &self.booked)?;
        let releases =
            self.releases.get(statement.contributor.as_str()).cloned().unwrap_or_default();
        let events = self.register.events(&statement.contributor).unwrap_or_default();
        let decisions: Vec<_> = events.into_iter().map(|held| held.event).collect();
        let mut versions: Vec<_> = statement.records.iter().filter(|line| line.base).collect();
        versions.dedup_by_key(|line| (&line.dataset, line.version));
        let rejected = versions
            .iter()
            .filter_map(|line| self.rejected.get(&(line.dataset.clone(), line.version)));
        let rejected = rejected.flatten().cloned().collect();
        let page = StatementPage::of(statement, releases, rejected, &decisions);
        Ok(StatementPage { proofs: Some(proofs), ..page })
    }
}

/// Proves a statement's line against the book.
fn prove(statement: &Statement, booked: &BTreeMap<EntryId, Booked>) -> Result<PageProofs, Error> {
    let broken = || Error::Proof {
        pool: statement.pool.to_string(),
        period: statement.period.to_string(),
        line: statement.proof.leaf_index,
    };
    let place = booked.get(&statement.entry).ok_or_else(broken)?;
    if place.root() != Some(statement.proof.root) {
        return Err(broken());
    }
    let mut proofs = PageProofs::default();
    place
        .prove_on(&mut proofs, statement.proof.claim().ok_or_else(broken)?)
        .map_err(|_| broken())?;
    Ok(proofs)
}

/// Returns the rows that the run of a version did not take in, by rule.
fn rejects(site: &Site, version: &Version) -> Result<Vec<StatementRejected>, Error> {
    let path = &version.report.path;
    let report: RunReport = serde_json::from_slice(&site.vault().get(path)?)
        .map_err(|e| Error::Format { path: path.clone(), reason: e.to_string() })?;
    let line = |(reason, rows): (String, u64)| StatementRejected {
        dataset: version.dataset.clone(),
        version: version.version,
        reason,
        rows: (rows >= PEOPLE_MIN).then_some(rows),
    };
    Ok(report.rejects.into_iter().filter(|(_, rows)| *rows > 0).map(line).collect())
}

/// Adds each contributor's rows in a version.
fn roster(
    site: &Site,
    version: &Version,
    releases: &mut BTreeMap<String, Vec<StatementRelease>>,
) -> Result<(), Error> {
    let path = &version.roster.path;
    let fault = |reason: String| Error::Format { path: path.clone(), reason };
    let bytes = site.vault().get(path)?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|e| fault(e.to_string()))?;
    for batch in reader {
        let batch = batch.map_err(|e| fault(e.to_string()))?;
        let lost = || fault("it lacks a column".to_owned());
        let ids = batch.column_by_name("contributor").and_then(|c| c.as_string_opt::<i32>());
        let ids = ids.ok_or_else(lost)?;
        let rows = batch.column_by_name("rows").and_then(|c| c.as_primitive_opt::<Int64Type>());
        let rows = rows.ok_or_else(lost)?;
        for at in 0..ids.len() {
            let own = releases.entry(ids.value(at).to_owned()).or_default();
            let count = u64::try_from(rows.value(at)).unwrap_or(0);
            let same = |last: &&mut StatementRelease| {
                last.dataset == version.dataset && last.version == version.version
            };
            match own.last_mut().filter(same) {
                Some(last) => last.rows = last.rows.saturating_add(count),
                None => own.push(StatementRelease {
                    dataset: version.dataset.clone(),
                    version: version.version,
                    rows: count,
                }),
            }
        }
    }
    Ok(())
}
