//! Ingest: a record's way in, from an institution's file to a version of a dataset.
//!
//! `plan` (pipeline and inputs → parts) → `run_part` (part → receipt; idempotent) → `commit`
//! (receipts, in order → segments → version → entry). The same pipeline on the same inputs and
//! consents is the same run: begun again it goes on, finished it is found done.

mod close;
mod codes;
mod deliveries;
mod error;
mod keys;
mod known;
mod late;
mod leaks;
mod part;
mod plan;
mod quality;
mod reading;
mod records;
mod report;
mod roster;
mod trace;
mod utility;

use std::{collections::BTreeMap, path::Path};

use rayon::prelude::*;

pub use self::error::Error;
use self::part::{Receipt, Work};
pub use self::{
    quality::dry_check,
    trace::{Fate, trace},
};
pub(super) use self::{quality::path as findings_path, utility::Before};
use super::{Progress, cover, spec::Spec};
pub use crate::deid::{
    Error as DeidError,
    late::{Choice, LateError},
    search::Error as Unfound,
};
use crate::{
    lake::{Lake, Version},
    report::RunReport,
    site::Site,
};

/// What a run ended with.
#[derive(Debug, Clone)]
pub struct Ingested {
    /// What happened to the version.
    pub outcome: Outcome,
    /// The run.
    pub run: String,
    /// The version, made now or before; what it would be for a dry run.
    pub version: Version,
    /// The run report.
    pub report: RunReport,
    /// What the policies that the pipeline names came to; none for a dry run.
    pub covers: Vec<cover::Paid>,
}

/// What happened to the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was made.
    New,
    /// The same run had made it before; nothing was written.
    Unchanged,
    /// Nothing was to be written.
    Dry,
}

/// Runs a pipeline over the files of an input folder.
pub fn ingest(
    site: &Site,
    spec: &Spec,
    input: &Path,
    dry_run: bool,
    progress: &dyn Progress,
) -> Result<Ingested, Error> {
    cover::ready(site, spec)?;
    let spec = &spec.over(input)?;
    let plan = plan::plan(site, spec, input, progress)?;
    tracing::info!(run = plan.run, inputs = plan.inputs.len(), parts = plan.tasks.len(), "planned");
    let lake = Lake::new(site.lake());
    if let Some(found) = plan::made_before(&lake, &plan)? {
        // A crash after the commit may have left what waited for it.
        close::sweep(site, &found.version.run)?;
        let mut report = close::read_report(site, &found.version)?;
        // The same files are taken; why others are left may be another reason today.
        report.files_left = plan.files_left();
        let run = found.version.run.clone();
        // A crash after the commit may have left the policies that wait for it, too.
        let covers = covers(site, spec, input, &run, progress)?;
        let version = found.version;
        return Ok(Ingested { outcome: Outcome::Unchanged, run, version, report, covers });
    }
    if !dry_run {
        plan.record(site, spec, input)?;
    }
    let mut bad = keys::check(plan.reading(), spec, progress)?;
    let judged = quality::check(site, spec, &plan, &mut bad, dry_run, progress)?;
    let work = Work::new(site, spec, &plan, (&bad, &judged), dry_run, progress)?;
    let receipts = parts(&work, progress)?;
    let mut done = close::commit(&work, &lake, receipts, progress)?;
    if !dry_run {
        done.covers = covers(site, spec, input, &done.run, progress)?;
    }
    Ok(done)
}

/// Runs a pipeline as far as its searches, and returns what each would choose, by table. Nothing is
/// written; rows are admitted by the consents that stand, as in a run.
pub fn search(
    site: &Site,
    spec: &Spec,
    input: &Path,
    progress: &dyn Progress,
) -> Result<BTreeMap<String, Choice>, Error> {
    let spec = &spec.over(input)?;
    let plan = plan::plan(site, spec, input, progress)?;
    let mut bad = keys::check(plan.reading(), spec, progress)?;
    let judged = quality::check(site, spec, &plan, &mut bad, true, progress)?;
    let work = Work::new(site, spec, &plan, (&bad, &judged), true, progress)?;
    let receipts = parts(&work, progress)?;
    Ok(late::settle(&work, receipts, progress)?.1)
}

/// Runs every part, or finds its receipt.
fn parts(work: &Work<'_>, progress: &dyn Progress) -> Result<Vec<Receipt>, Error> {
    let count = work.plan.tasks.len();
    progress.stage("conform, admit, de-identify", count as u64);
    (0..count)
        .into_par_iter()
        .map(|task| {
            let receipt = part::run_part(work, task)?;
            tracing::debug!(task, read = receipt.read, admitted = receipt.admitted, "part done");
            progress.step();
            Ok(receipt)
        })
        .collect()
}

/// Evaluates the policies that a pipeline names over what was just released.
fn covers(
    site: &Site,
    spec: &Spec,
    input: &Path,
    run: &str,
    progress: &dyn Progress,
) -> Result<Vec<cover::Paid>, Error> {
    if spec.covers.is_empty() {
        return Ok(Vec::new());
    }
    Ok(cover::run_as(site, spec, input, &[], Some(run), progress)?)
}
