//! The run report of a version: what came in by institution, what was left behind and why, what
//! was done to each column, and the risk that is left.

use std::collections::BTreeMap;

use super::{
    close::TableOutcome,
    leaks,
    part::{Receipt, Work},
    roster::Roster,
};
use crate::{
    deid::{
        Risk,
        late::{Choice, Chosen},
    },
    lake::Counts,
    party::InstitutionId,
    report::{
        ChoiceLine, ColumnLine, InstitutionLine, RecordsLine, RiskLine, RunReport, TableLine,
    },
    schema::Role,
};

pub(super) fn run_report(
    work: &Work<'_>,
    receipts: &[Receipt],
    (counts, records): (&Counts, Vec<RecordsLine>),
    tables: &[TableOutcome],
    roster: &Roster,
) -> RunReport {
    let mut refusals: BTreeMap<String, u64> = BTreeMap::new();
    let mut rejects: BTreeMap<String, u64> = BTreeMap::new();
    for receipt in receipts {
        for (reason, rows) in &receipt.refused {
            *refusals.entry(reason.clone()).or_default() += rows;
        }
        for reject in &receipt.rejects {
            *rejects.entry(reject.rule.name().to_owned()).or_default() += 1;
        }
    }
    for reject in work.bad.rejects().values().flatten() {
        *rejects.entry(reject.rule.name().to_owned()).or_default() += 1;
    }
    let segments = tables.iter().flat_map(|t| &t.version.segments);
    RunReport {
        run: work.plan.run.clone(),
        pipeline: work.spec.name.clone(),
        dataset: work.spec.dataset.clone(),
        version: if work.is_dry() { 0 } else { work.plan.version },
        time: work.site.now(),
        purposes: work.spec.purposes.clone(),
        k: u64::from(work.spec.deid.k),
        people: counts.people,
        people_several: roster.people_several(),
        institutions: institutions(work, receipts, roster),
        files_left: work.plan.files_left(),
        refusals,
        rejects,
        doubts: leaks::doubts(
            &work.deid,
            receipts.iter().filter_map(|receipt| {
                let (_, schema) = work.of(receipt.task)?;
                Some((schema.table.as_str(), receipt.doubts.as_slice()))
            }),
        ),
        tables: tables.iter().map(|table| line(work, table)).collect(),
        records,
        scrubs: work.scrubs.clone(),
        segments: segments.clone().count() as u64,
        bytes: segments.map(|segment| segment.bytes).sum(),
        entry: None,
        checkpoint: None,
    }
}

fn institutions(work: &Work<'_>, receipts: &[Receipt], roster: &Roster) -> Vec<InstitutionLine> {
    let mut lines: BTreeMap<InstitutionId, InstitutionLine> = BTreeMap::new();
    for receipt in receipts {
        let Some((source, _)) = work.of(receipt.task) else { continue };
        let line = lines.entry(source.institution.clone()).or_default();
        line.read += receipt.read;
        line.rejected += receipt.rejects.len() as u64;
        line.refused += receipt.refused.values().sum::<u64>();
        line.admitted += receipt.admitted;
    }
    for (institution, found) in work.bad.rejects() {
        let line = lines.entry(institution.clone()).or_default();
        line.read += found.len() as u64;
        line.rejected += found.len() as u64;
    }
    for (institution, line) in &mut lines {
        institution.as_str().clone_into(&mut line.institution);
        (line.people, line.released) = roster.of(institution);
    }
    lines.into_values().collect()
}

fn line(work: &Work<'_>, outcome: &TableOutcome) -> TableLine {
    let table = &outcome.version;
    let mut columns: Vec<ColumnLine> = Vec::new();
    if let Some(plan) = work.deid.table(&table.table) {
        let kept = plan.columns().iter().zip(&table.columns).map(|(column, released)| ColumnLine {
            name: column.source_name.clone(),
            role: column.role,
            done: released.done.clone(),
        });
        columns.extend(kept);
        for name in plan.dropped() {
            let column = plan.schema().columns.iter().find(|column| column.name == name);
            columns.push(ColumnLine {
                name: name.to_owned(),
                role: column.map_or(Role::Drop, |column| column.role),
                done: "taken out".to_owned(),
            });
        }
    }
    TableLine {
        table: table.table.clone(),
        rows: table.rows,
        suppressed: table.suppressed,
        class_min: table.class_min,
        columns,
        risk: outcome.risk.as_ref().map(risk),
        choice: table.choice.as_ref().map(choice),
    }
}

fn choice(choice: &Choice) -> ChoiceLine {
    let column = |own: &Chosen| (own.column.clone(), own.level, own.height - 1);
    ChoiceLine {
        columns: choice.columns.iter().map(column).collect(),
        metric: choice.metric.clone(),
        score: choice.score.clone(),
        bound: choice.bound.clone(),
        models: choice.models_said(),
        suppressed: choice.suppressed,
        recoded: choice.recoded,
        lattice: choice.lattice,
        checked: choice.checked,
    }
}

fn risk(risk: &Risk) -> RiskLine {
    RiskLine {
        classes: risk.after.classes,
        prosecutor_max_ppm: u64::from(risk.after.prosecutor.max_ppm),
        prosecutor_avg_ppm: u64::from(risk.after.prosecutor.average_ppm),
        at_risk_ppm: u64::from(risk.after.prosecutor.over_fifth_ppm),
        unique_before_ppm: u64::from(risk.before.uniques_ppm),
        suppressed_ppm: u64::from(risk.suppressed_ppm),
    }
}
