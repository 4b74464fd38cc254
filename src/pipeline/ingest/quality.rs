//! The pass of quality: after keys, before anything is admitted. Rows that break a rule that
//! rejects are taken out; a rule that fails too often stops the run; the findings are kept.
//!
//! One institution at a time, so that memory holds one institution's rule columns.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use arrow::array::RecordBatch;
use bytes::Bytes;
use rayon::prelude::*;

use super::{
    Error,
    keys::{self, BadLines},
    part::Work,
    plan::{self, Plan, Surveyed},
    reading::Reading,
    roster,
};
use crate::{
    deid,
    digest::Sha3Digest,
    instant::{Date, Instant},
    lake::{Lake, Version},
    party::InstitutionId,
    pipeline::{Progress, rejects, spec::Spec},
    quality::{
        Assessment, Baseline, Distribution, Finding, Measure, Need, Outcome, Portion, Tables,
        Tally, Threshold, assess,
    },
    report::{FilledLine, QualityReport, RuleFile},
    schema::{self, Reject, Role, rejects_batch},
    site::Site,
};

/// What the rules found, by institution.
#[derive(Debug, Default)]
pub(super) struct Judged {
    assessments: BTreeMap<InstitutionId, Assessment>,
    before: BTreeMap<String, Tally>,
    /// The version that drifts were held against.
    previous: Option<u64>,
}

/// Judges a run's rows: those that must not go on join the bad ones. Stops the run where a rule
/// says so, with its failing rows in quarantine and the findings kept.
pub(super) fn check(
    site: &Site,
    spec: &Spec,
    plan: &Plan,
    bad: &mut BadLines,
    dry_run: bool,
    progress: &dyn Progress,
) -> Result<Judged, Error> {
    if spec.rules.is_empty() {
        return Ok(Judged::default());
    }
    let mut previous = previous(site, &spec.dataset)?;
    if let (Some((_, before)), Some(deliveries)) = (&mut previous, &plan.deliveries) {
        // What is left behind is no drift.
        for (institution, table) in &deliveries.lost {
            if let Some(own) = before.institutions.get_mut(institution.as_str()) {
                own.retain(|_, base| base.table != *table);
            }
        }
    }
    let today = site.now().date();
    let mut judged = judge(spec, plan.reading(), bad, previous.as_ref(), today, progress)?;
    if let Some(finding) = judged.stopping() {
        let error = stopped(&plan.run, finding);
        if !dry_run {
            keep(site, spec, plan, &judged)?;
        }
        return Err(error);
    }
    for (institution, assessment) in &mut judged.assessments {
        for (table, broken) in std::mem::take(&mut assessment.broken) {
            let schema = spec.schemas.iter().position(|schema| schema.table == table);
            if let Some(schema) = schema {
                bad.add(institution, schema, broken);
            }
        }
    }
    Ok(judged)
}

/// Judges the files of a folder and keeps nothing: a check before a run, with or without a site.
pub fn dry_check(
    site: Option<&Site>,
    spec: &Spec,
    folder: &Path,
    now: Instant,
    progress: &dyn Progress,
) -> Result<QualityReport, Error> {
    let spec = &spec.over(folder)?;
    let Surveyed { inputs, tasks, references } = plan::survey(spec, folder, progress)?;
    let reading = Reading { inputs: &inputs, tasks: &tasks, references: &references };
    let bad = keys::check(reading, spec, progress)?;
    let previous = match site {
        Some(site) => previous(site, &spec.dataset)?,
        None => None,
    };
    let judged = judge(spec, reading, &bad, previous.as_ref(), now.date(), progress)?;
    let distributions = judged.distributions(spec, None);
    Ok(judged.report(spec, String::new(), 0, now, distributions))
}

fn judge(
    spec: &Spec,
    reading: Reading<'_>,
    bad: &BadLines,
    previous: Option<&(u64, Baseline)>,
    today: Date,
    progress: &dyn Progress,
) -> Result<Judged, Error> {
    let needs = Need::of(&spec.rules, &spec.schemas);
    let mut tasks: BTreeMap<&InstitutionId, Vec<usize>> = BTreeMap::new();
    // An institution of which no file is taken is not judged for what it lacks.
    for source in reading.inputs.iter().filter_map(|input| spec.sources.get(input.source)) {
        tasks.entry(&source.institution).or_default();
    }
    for (at, task) in reading.tasks.iter().enumerate() {
        if let Some((source, _)) = reading.of(spec, task) {
            tasks.entry(&source.institution).or_default().push(at);
        }
    }
    progress.stage("rules of quality", reading.tasks.len() as u64);
    let mut judged =
        Judged { previous: previous.map(|(version, _)| *version), ..Judged::default() };
    for (institution, tasks) in tasks {
        let portions = tasks
            .par_iter()
            .map(|&at| {
                let portion = portion(spec, reading, bad, &needs, at)?;
                progress.step();
                Ok(portion)
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let tables = Tables::new(&needs, portions)?;
        let before = previous.and_then(|(_, all)| all.institutions.get(institution.as_str()));
        let assessment =
            assess(&spec.rules, &spec.schemas, institution.as_str(), &tables, before, today)?;
        for (table, tally) in tables.tallies {
            judged.before.entry(table).or_default().merge(tally);
        }
        judged.assessments.insert(institution.clone(), assessment);
    }
    Ok(judged)
}

fn portion(
    spec: &Spec,
    reading: Reading<'_>,
    bad: &BadLines,
    needs: &[Need],
    at: usize,
) -> Result<Portion, Error> {
    let lost = || Error::Counts { part: at };
    let task = reading.tasks.get(at).ok_or_else(lost)?;
    let (source, _) = reading.of(spec, task).ok_or_else(lost)?;
    let mut portion = Portion::new(needs.get(source.schema).ok_or_else(lost)?);
    reading.conformed(spec, task, &mut |batch| {
        let (batch, _) = bad.take_out(task.input, source, batch)?;
        Ok(portion.add(task.input as u64, &batch)?)
    })?;
    Ok(portion)
}

/// What the newest version of a dataset was like, where its pipeline had rules.
fn previous(site: &Site, dataset: &str) -> Result<Option<(u64, Baseline)>, Error> {
    let newest = Lake::new(site.lake()).newest()?.remove(dataset);
    let Some(Version { version, papers, .. }) = newest.map(|located| located.version) else {
        return Ok(None);
    };
    let Some(paper) = papers.iter().find(|paper| paper.path.starts_with("baselines/")) else {
        return Ok(None);
    };
    let bytes = site.vault().get(&paper.path)?;
    if Sha3Digest::of(&bytes) != paper.digest {
        let path = paper.path.clone();
        return Err(Error::Lake(crate::lake::Error::Changed { path }));
    }
    Ok(Some((version, serde_json::from_slice(&bytes)?)))
}

/// Keeps what a run that was stopped found: its findings, and its failing rows in quarantine.
fn keep(site: &Site, spec: &Spec, plan: &Plan, judged: &Judged) -> Result<(), Error> {
    let distributions = judged.distributions(spec, None);
    let report = judged.report(spec, plan.run.clone(), 0, site.now(), distributions);
    let vault = site.vault();
    vault.put(&path(&plan.run), Bytes::from(serde_json::to_vec_pretty(&report)?))?;
    let mut all = Vec::new();
    for broken in judged.assessments.values().flat_map(|a| [&a.broken, &a.stopping]) {
        for ((input, line), row) in broken.values().flatten() {
            let input = usize::try_from(*input).ok().and_then(|at| plan.inputs.get(at));
            all.push(Reject {
                file: Arc::from(input.map_or("", |input| input.name.as_str())),
                line: *line,
                column: row.column.clone(),
                rule: schema::Rule::Quality(Arc::clone(&row.rule)),
                reason: row.reason.clone(),
            });
        }
    }
    all.sort();
    let bytes = roster::parquet(&rejects_batch(&plan.run, &all)?)?;
    Ok(vault.put(&rejects::path(&plan.run), bytes)?)
}

/// Where the findings of a run that made no version are, in the vault.
pub(in crate::pipeline) fn path(run: &str) -> String {
    format!("runs/{run}/quality.json")
}

fn stopped(run: &str, finding: &Finding) -> Error {
    let limit = match finding.error_if {
        Some(Threshold::SharePpm(ppm)) => format!("{ppm} in a million stop it"),
        Some(Threshold::Rows(rows)) => format!("{rows} rows stop it"),
        None => "none may".to_owned(),
    };
    let Finding { failing, rows, share_ppm, .. } = finding;
    let said = if let Some(Measure { off_ppm, .. }) = finding.measure {
        format!("it measures {off_ppm} in a million against the previous version; {limit}")
    } else {
        format!("{failing} of {rows} rows fail it ({share_ppm} in a million); {limit}")
    };
    Error::Rule {
        run: run.to_owned(),
        rule: finding.rule.clone(),
        table: finding.table.clone(),
        institution: finding.institution.clone(),
        said,
    }
}

impl Judged {
    fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.assessments.values().flat_map(|assessment| &assessment.findings)
    }

    fn stopping(&self) -> Option<&Finding> {
        self.findings().find(|finding| finding.outcome == Outcome::Stopped)
    }

    /// How many checks of an institution's rows were made and how many held; one of one where no
    /// rule judged them.
    pub(super) fn validity(&self, institution: &InstitutionId) -> (u64, u64) {
        let validity = self.assessments.get(institution).map(|a| a.validity);
        validity.filter(|v| v.checked > 0).map_or((1, 1), |v| (v.checked, v.held))
    }

    /// Counts released rows, for the pictures; nothing where there are no rules.
    pub(super) fn tally(&self, table: &deid::TablePlan, rows: &RecordBatch, tally: &mut Tally) {
        if !self.assessments.is_empty() {
            tally.add(rows, 0, drawn(table).map(|column| column.name.as_str()));
        }
    }

    /// The findings, and what the next version will be held against, as they are kept; none where
    /// there are no rules.
    pub(super) fn papers(
        &self,
        work: &Work<'_>,
        after: &BTreeMap<String, Tally>,
    ) -> Result<Option<(Bytes, Bytes)>, Error> {
        if self.assessments.is_empty() {
            return Ok(None);
        }
        let distributions = self.distributions(work.spec, Some((&work.deid, after)));
        let version = if work.is_dry() { 0 } else { work.plan.version };
        let run = work.plan.run.clone();
        let report = self.report(work.spec, run, version, work.site.now(), distributions);
        let institutions = self
            .assessments
            .iter()
            .map(|(institution, a)| (institution.as_str().to_owned(), a.base.clone()))
            .collect();
        let baseline = serde_json::to_vec_pretty(&Baseline { institutions })?;
        Ok(Some((Bytes::from(serde_json::to_vec_pretty(&report)?), Bytes::from(baseline))))
    }

    /// How quasi-identifiers and measures are spread, before and after where that is known.
    fn distributions(
        &self,
        spec: &Spec,
        after: Option<(&deid::Plan, &BTreeMap<String, Tally>)>,
    ) -> Vec<Distribution> {
        let mut all = Vec::new();
        for schema in &spec.schemas {
            let Some(before) = self.before.get(&schema.table) else { continue };
            let table = after.and_then(|(plan, _)| plan.table(&schema.table));
            for column in &schema.columns {
                let released = table.and_then(|table| {
                    drawn(table).find(|released| released.source_name == column.name)
                });
                let tally = after.and_then(|(_, tallies)| tallies.get(&schema.table));
                let after = tally.zip(released).map(|(t, column)| (t, column.name.as_str()));
                all.extend(Distribution::of(&schema.table, &column.name, before, after));
            }
        }
        all
    }

    fn report(
        &self,
        spec: &Spec,
        run: String,
        version: u64,
        time: Instant,
        distributions: Vec<Distribution>,
    ) -> QualityReport {
        let mut filled = Vec::new();
        for (institution, assessment) in &self.assessments {
            for (table, (rows, columns)) in &assessment.filled {
                filled.push(FilledLine {
                    institution: institution.as_str().to_owned(),
                    table: table.clone(),
                    rows: *rows,
                    columns: columns.clone(),
                });
            }
        }
        let asked: std::collections::BTreeSet<&str> =
            self.findings().map(|finding| finding.rule.as_str()).collect();
        let idle = spec.rules.iter().filter(|rule| !asked.contains(rule.name.as_ref()));
        let name =
            |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        QualityReport {
            run,
            pipeline: spec.name.clone(),
            dataset: spec.dataset.clone(),
            version,
            time,
            rules: spec
                .rules
                .sets()
                .iter()
                .map(|set| RuleFile { file: name(&set.file), digest: set.digest })
                .collect(),
            previous: self.previous,
            findings: self.findings().cloned().collect(),
            filled,
            validity: self
                .assessments
                .iter()
                .map(|(institution, a)| (institution.as_str().to_owned(), a.validity))
                .collect(),
            distributions,
            idle: idle.map(|rule| rule.name.to_string()).collect(),
        }
    }
}

/// The released columns that pictures show.
fn drawn(table: &deid::TablePlan) -> impl Iterator<Item = &deid::PlannedColumn> {
    let shown = |role: Role| match role {
        Role::Quasi | Role::Measure => true,
        Role::Person | Role::Direct | Role::Sensitive | Role::Drop => false,
    };
    table.columns().iter().filter(move |column| shown(column.role))
}
