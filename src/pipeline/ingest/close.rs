//! The commit of a run: receipts in, in the order of the plan; what may not leave is suppressed,
//! the rest becomes segments, a record tree, a roster, a report, a version, and one entry.

use std::collections::BTreeMap;

use bytes::Bytes;
use rayon::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    Error, Ingested, Outcome, codes,
    late::{self, Choices, Costs},
    part::{Receipt, Waiting, Work, classes},
    records,
    report::run_report,
    roster::{self, Roster},
    utility,
};
use crate::{
    deid::{self, Classes, PlannedColumn, Risk, SmallClasses, late::Choice, risk::Sizes},
    digest::{Sha3Digest, Sha256, hex},
    lake::{
        Counts, Lake, Metadata, PrivateObject, RecordDigests, RecordTree, ReleasedColumn,
        TableVersion, UTILITY, Version, VersionTerms, Written, write_segment,
    },
    ledger::{Kind, Subject, record},
    pipeline::{Progress, rejects},
    quality::Tally,
    schema::{Reject, TableSchema, rejects_batch},
    site::Site,
    store::Store,
};

/// What became of one table.
pub(super) struct TableOutcome {
    pub(super) version: TableVersion,
    pub(super) risk: Option<Risk>,
}

pub(super) fn commit(
    work: &Work<'_>,
    lake: &Lake,
    receipts: Vec<Receipt>,
    progress: &dyn Progress,
) -> Result<Ingested, Error> {
    let mut counts = counted(work, &receipts);
    quarantine(work, &receipts)?;
    check_rejects(work, &counts)?;
    if counts.admitted == 0 {
        return Err(Error::Empty { read: counts.read, refused: counts.refused });
    }
    let (receipts, mut choices, costs) = late::settle(work, receipts, progress)?;
    let receipts = receipts.as_slice();
    let risks = risks(work, receipts)?;
    let store = if work.is_dry() {
        Store::open(&format!("memory://dry-run/{}", work.plan.run))?
    } else {
        work.site.lake()
    };
    let waiting: Vec<(usize, &Waiting)> =
        receipts.iter().flat_map(|r| r.staged.iter().map(|w| (r.task, w))).collect();
    progress.stage("release", waiting.len() as u64);
    let rank = rank(work);
    let quality = roster::quality(work, receipts);
    let small = |schema: usize| risks.get(&schema).map(|judged| &judged.small);
    let mut found = records::find(work, receipts, &small, &quality)?;
    let written = waiting
        .par_iter()
        .enumerate()
        .map(|(at, (task, waiting))| {
            let counting = found.as_ref().map(|found| found.counting(at));
            let written =
                release(work, &store, &risks, &rank, (*task, waiting), counting.as_deref())?;
            progress.step();
            Ok(written)
        })
        .collect::<Result<Vec<_>, Error>>()?;
    progress.stage("record tree, roster, report", 1);
    let mut roster = Roster::default();
    let mut digests = RecordDigests::default();
    let mut after: BTreeMap<String, Tally> = BTreeMap::new();
    let mut parts = Vec::with_capacity(written.len());
    for ((task, _), (segments, suppressed, tally)) in waiting.iter().zip(written) {
        if let Some((_, schema)) = work.of(*task) {
            after.entry(schema.table.clone()).or_default().merge(tally);
        }
        parts.push((segments, suppressed));
    }
    let useful = utility::bytes(work, receipts, |schema| risks.get(&schema).map(|j| &j.sizes))?;
    let late = (&mut choices, &costs);
    let tables = tables(work, (&waiting, &parts), (risks, late), &mut digests, &mut roster);
    counts.suppressed = tables.iter().map(|t| t.version.suppressed).sum();
    counts.released = tables.iter().map(|t| t.version.rows).sum();
    let records = digests.finish();
    counts.people = records.len() as u64;
    if counts.released + counts.suppressed != counts.admitted {
        return Err(Error::Counts { part: receipts.len() });
    }
    let tree = tree(work, &records)?;
    let private = |path: String, bytes: &Bytes| -> Result<PrivateObject, Error> {
        if !work.is_dry() {
            work.site.vault().put_content(&path, bytes)?;
        }
        Ok(PrivateObject { path, digest: Sha3Digest::of(bytes) })
    };
    let bytes = roster.bytes(work, &quality)?;
    let roster_object = private(format!("rosters/{}.parquet", Sha3Digest::of(&bytes)), &bytes)?;
    let counted = found.as_mut().map(|found| std::mem::take(&mut found.counts));
    let report =
        run_report(work, receipts, (&counts, counted.unwrap_or_default()), &tables, &roster);
    let bytes = Bytes::from(serde_json::to_vec_pretty(&report)?);
    let report_object = private(format!("reports/{}.json", Sha3Digest::of(&bytes)), &bytes)?;
    let duo = match &work.spec.duo {
        None => None,
        Some(duo) => {
            let keep =
                |bytes: &Bytes| private(format!("ontologies/{}.tsv", Sha3Digest::of(bytes)), bytes);
            let ontology = duo.ontology.as_ref().map(keep).transpose()?;
            Some(VersionTerms { terms: duo.terms.clone(), ontology })
        }
    };
    let mut papers = papers(work)?;
    if let Some(found) = &mut found {
        let (path, bytes) = found.object()?;
        papers.push(private(path, &bytes)?);
    }
    papers.push(private(format!("{UTILITY}{}.json", Sha3Digest::of(&useful)), &useful)?);
    papers.extend(duo.iter().filter_map(|duo| duo.ontology.clone()));
    for (path, bytes) in late::hierarchies(work) {
        papers.push(private(path, &bytes)?);
    }
    if let Some(deliveries) = &work.plan.deliveries {
        for (path, bytes) in deliveries.objects()? {
            papers.push(private(path, &bytes)?);
        }
    }
    let quality_object = match work.judged.papers(work, &after)? {
        Some((findings, baseline)) => {
            let path = format!("baselines/{}.json", Sha3Digest::of(&baseline));
            papers.push(private(path, &baseline)?);
            let path = format!("quality/{}.json", Sha3Digest::of(&findings));
            Some(private(path, &findings)?)
        }
        None => None,
    };
    let mut version = Version {
        txn: work.site.txn()?,
        dataset: work.spec.dataset.clone(),
        version: work.plan.version,
        run: work.plan.run.clone(),
        run_key: work.plan.key,
        time: work.site.now(),
        purposes: work.spec.purposes.clone(),
        pool: work.spec.pool.clone(),
        pipeline: (work.spec.name.clone(), work.spec.digest),
        k: u64::from(work.spec.deid.k),
        institutions: roster.institutions(),
        tables: tables.into_iter().map(|t| t.version).collect(),
        inputs: inputs(work),
        counts,
        record: RecordTree { root: tree.root(), count: tree.count(), path: tree.path() },
        consent_commit: work.plan.consent_commit,
        linkage_commit: work.plan.admission.linkage_commit(),
        roster: roster_object,
        report: report_object,
        quality: quality_object,
        papers,
        duo,
        entry: String::new(),
    };
    let outcome = if work.is_dry() {
        Outcome::Dry
    } else {
        // The leaves are in place before the commit that names them, as are all other objects.
        work.site.ledger().put_content(&tree.path(), &tree.bytes())?;
        let entry =
            work.site.entry(Kind::DatasetVersion, &subjects(&version), &[], &body(&version))?;
        entry.text().clone_into(&mut version.entry);
        work.site.commit(lake.sequence(), work.plan.commit, &version, &entry)?;
        tracing::info!(
            dataset = version.dataset,
            version = version.version,
            rows = version.counts.released,
            "version committed"
        );
        sweep(work.site, &work.plan.run)?;
        Outcome::New
    };
    progress.step();
    let (run, covers) = (work.plan.run.clone(), Vec::new());
    Ok(Ingested { outcome, run, version, report, covers })
}

pub(super) fn read_report(
    site: &Site,
    version: &Version,
) -> Result<crate::report::RunReport, Error> {
    Ok(serde_json::from_slice(&site.vault().get(&version.report.path)?)?)
}

/// Counts the rows of people, and those of other tables that were rejected.
fn counted(work: &Work<'_>, receipts: &[Receipt]) -> Counts {
    let others = work.bad.rejects().values().map(|found| found.len() as u64).sum::<u64>();
    Counts {
        read: receipts.iter().map(|r| r.read).sum::<u64>() + others,
        rejected: receipts.iter().map(|r| r.rejects.len() as u64).sum::<u64>() + others,
        refused: receipts.iter().flat_map(|r| r.refused.values()).sum(),
        admitted: receipts.iter().map(|r| r.admitted).sum(),
        ..Counts::default()
    }
}

/// Puts every reject into the vault before anything else can fail.
fn quarantine(work: &Work<'_>, receipts: &[Receipt]) -> Result<(), Error> {
    let others = work.bad.rejects().values().flatten();
    let all: Vec<Reject> =
        receipts.iter().flat_map(|r| &r.rejects).chain(others).cloned().collect();
    if all.is_empty() || work.is_dry() {
        return Ok(());
    }
    let bytes = roster::parquet(&rejects_batch(&work.plan.run, &all)?)?;
    Ok(work.site.vault().put(&rejects::path(&work.plan.run), bytes)?)
}

/// Names the run's record, quarantine and codes as they lie in the vault.
fn papers(work: &Work<'_>) -> Result<Vec<PrivateObject>, Error> {
    let mut papers = Vec::new();
    if work.is_dry() {
        return Ok(papers);
    }
    let run = &work.plan.run;
    for path in [format!("runs/{run}/run.json"), rejects::path(run), codes::path(run)] {
        if let Some(bytes) = work.site.vault().find(&path)? {
            papers.push(PrivateObject { path, digest: Sha3Digest::of(&bytes) });
        }
    }
    Ok(papers)
}

fn check_rejects(work: &Work<'_>, counts: &Counts) -> Result<(), Error> {
    let limit = work.spec.rejects_max_ppm;
    let ppm = ppm(counts.rejected, counts.read);
    if u128::from(counts.rejected) * 1_000_000 <= u128::from(counts.read) * u128::from(limit) {
        return Ok(());
    }
    Err(Error::Rejects {
        run: work.plan.run.clone(),
        read: counts.read,
        rejected: counts.rejected,
        ppm,
        limit_ppm: limit,
    })
}

fn ppm(part: u64, whole: u64) -> u64 {
    let share = (u128::from(part) * 1_000_000).checked_div(u128::from(whole)).unwrap_or(0);
    u64::try_from(share).unwrap_or(1_000_000)
}

/// What k-anonymity says of each table with quasi-identifiers, by the place of its schema.
struct Judged {
    risk: Risk,
    small: SmallClasses,
    sizes: Sizes,
}

fn risks(work: &Work<'_>, receipts: &[Receipt]) -> Result<BTreeMap<usize, Judged>, Error> {
    let mut parts: BTreeMap<usize, Vec<Classes>> = BTreeMap::new();
    for receipt in receipts {
        if let Some((source, _)) = work.of(receipt.task) {
            parts.entry(source.schema).or_default().push(classes(work, receipt)?);
        }
    }
    let mut judged = BTreeMap::new();
    for (at, parts) in parts {
        let Some(schema) = work.spec.schemas.get(at) else { continue };
        let quasi =
            work.deid.table(&schema.table).is_some_and(deid::TablePlan::has_quasi_identifiers);
        if !quasi {
            continue;
        }
        let classes = Classes::merge(parts);
        let risk = Risk::of(&classes, work.spec.deid.k);
        risk.check(&schema.table, work.spec.deid.suppress_limit)?;
        let (small, sizes) = (classes.small(work.spec.deid.k), classes.sizes());
        judged.insert(at, Judged { risk, small, sizes });
    }
    Ok(judged)
}

/// Orders the roster by pseudonym: the order of rows tells nothing then.
fn rank(work: &Work<'_>) -> Vec<u32> {
    let count = u32::try_from(work.people.len()).unwrap_or(u32::MAX);
    let mut order: Vec<u32> = (0..count).collect();
    order.par_sort_unstable_by_key(|person| work.people.pseudonym(*person));
    let mut rank = vec![u32::MAX; work.people.len()];
    for (place, person) in (0..count).zip(order) {
        if let Some(slot) = usize::try_from(person).ok().and_then(|at| rank.get_mut(at)) {
            *slot = place;
        }
    }
    rank
}

fn release(
    work: &Work<'_>,
    lake: &Store,
    judged: &BTreeMap<usize, Judged>,
    rank: &[u32],
    (task, waiting): (usize, &Waiting),
    counting: Option<&[bool]>,
) -> Result<(Vec<Written>, u64, Tally), Error> {
    let lost = || Error::Counts { part: task };
    let (source, schema) = work.of(task).ok_or_else(lost)?;
    let table = work.deid.table(&schema.table).ok_or_else(lost)?;
    let bytes = work.get(waiting)?.ok_or_else(lost)?;
    let none = Classes::default().small(1);
    let small = judged.get(&source.schema).map_or(&none, |judged| &judged.small);
    let (mut suppressed, mut tally) = (0, Tally::default());
    let (mut batches, mut duplicates) = (Vec::new(), Vec::new());
    let mut marks = counting;
    for batch in deid::stage::read(table, bytes, &waiting.digest)? {
        let (batch, gone) = deid::release(batch, small)?;
        suppressed += gone;
        work.judged.tally(table, batch.rows(), &mut tally);
        let Some(left) = marks else {
            batches.push(batch);
            continue;
        };
        let (own, rest) = left.split_at_checked(batch.people().len()).ok_or_else(lost)?;
        marks = Some(rest);
        let (counts, others) = batch.part(own)?;
        batches.push(counts);
        duplicates.push(others);
    }
    let metadata = Metadata {
        dataset: &work.spec.dataset,
        version: work.plan.version,
        table: &schema.table,
        schema: schema.digest,
        pipeline: work.spec.digest,
        duplicates: false,
    };
    let mut written = Vec::new();
    written.extend(write_segment(lake, &metadata, &batches, rank)?);
    let metadata = Metadata { duplicates: true, ..metadata };
    written.extend(write_segment(lake, &metadata, &duplicates, rank)?);
    Ok((written, suppressed, tally))
}

/// The segments of a waiting object, and the rows of it that were suppressed.
type Released = (Vec<Written>, u64);

fn tables(
    work: &Work<'_>,
    (waiting, written): (&[(usize, &Waiting)], &[Released]),
    (mut risks, (choices, costs)): (BTreeMap<usize, Judged>, (&mut Choices, &Costs)),
    digests: &mut RecordDigests,
    roster: &mut Roster,
) -> Vec<TableOutcome> {
    let mut places: Vec<usize> = (0..work.spec.schemas.len()).collect();
    places.sort_by_key(|at| work.spec.schemas.get(*at).map(|schema| schema.table.clone()));
    let mut tables = Vec::new();
    for at in places {
        let Some(schema) = work.spec.schemas.get(at).filter(|s| !s.reference) else { continue };
        let risk = risks.remove(&at).map(|judged| judged.risk);
        let choice = choices.remove(&schema.table);
        let mut version = TableVersion {
            table: schema.table.clone(),
            schema: schema.digest,
            category: schema.category.clone(),
            columns: columns(work, schema, choice.as_ref(), costs.get(&schema.table)),
            segments: Vec::new(),
            rows: 0,
            suppressed: 0,
            class_min: risk.as_ref().map_or(0, |risk| risk.after.k),
            choice,
        };
        for ((task, _), (written, suppressed)) in waiting.iter().zip(written) {
            let Some((source, _)) = work.of(*task).filter(|(source, _)| source.schema == at) else {
                continue;
            };
            version.suppressed += suppressed;
            for written in written {
                digests.push(&schema.table, version.segments.len() as u64, &written.people);
                roster.add(&source.institution, written);
                version.rows += written.segment.rows;
                version.segments.push(written.segment.clone());
            }
        }
        tables.push(TableOutcome { version, risk });
    }
    tables
}

fn columns(
    work: &Work<'_>,
    schema: &TableSchema,
    choice: Option<&Choice>,
    costs: Option<&BTreeMap<String, String>>,
) -> Vec<ReleasedColumn> {
    let Some(plan) = work.deid.table(&schema.table) else { return Vec::new() };
    let system =
        |name: &str| schema.column(name).and_then(|at| schema.columns.get(at)?.code_system.clone());
    let released = plan.columns().iter().map(|column| ReleasedColumn {
        name: column.name.clone(),
        kind: column.kind.to_string(),
        source: column.source,
        role: column.role,
        done: done(column, choice, costs),
        unit: column.unit.clone(),
        code_system: system(&column.source_name),
    });
    released.collect()
}

/// What was done to a column, with the level where a search chose one, and with what a mask cost.
fn done(
    column: &PlannedColumn,
    choice: Option<&Choice>,
    costs: Option<&BTreeMap<String, String>>,
) -> String {
    let chosen = choice.and_then(|all| all.columns.iter().find(|own| own.column == column.name));
    let cost = costs.and_then(|costs| costs.get(&column.name));
    match (chosen, cost) {
        (Some(own), _) => {
            format!("{}: level {} of 0 to {}", column.done, own.level, own.height - 1)
        }
        (None, Some(cost)) => format!("{}; {cost}", column.done),
        (None, None) => column.done.clone(),
    }
}

fn tree(work: &Work<'_>, records: &[(u32, Sha3Digest)]) -> Result<record::RecordTree, Error> {
    let (dataset, version) = (&work.spec.dataset, work.plan.version);
    let leaves = records
        .par_iter()
        .map(|(person, digest)| {
            record::leaf(work.plan.admission.key(*person), dataset, version, digest)
        })
        .collect();
    Ok(record::RecordTree::build(leaves)?)
}

fn inputs(work: &Work<'_>) -> Vec<Sha3Digest> {
    let mut inputs: Vec<Sha3Digest> = work.plan.inputs.iter().map(|i| i.digest).collect();
    inputs.sort_unstable();
    inputs.dedup();
    inputs
}

fn subjects(version: &Version) -> Vec<Subject> {
    let name = format!("{}@{}", version.dataset, version.version);
    let segments = version.tables.iter().flat_map(|t| {
        t.segments.iter().enumerate().map(|(at, s)| (format!("{name}/{}/{at}", t.table), s))
    });
    // An entry is at most 65,535 bytes; a version of many segments is named by its tables' digests.
    let all: Vec<Subject> =
        segments.map(|(name, s)| Subject { name, sha3: s.sha3, sha256: Some(s.sha256) }).collect();
    if all.len() <= SEGMENTS_NAMED {
        return all;
    }
    version
        .tables
        .iter()
        .map(|t| Subject {
            name: format!("{name}/{}", t.table),
            sha3: list_digest(t),
            sha256: None,
        })
        .collect()
}

/// Up to this many segments stand in an entry one by one; beyond, each table's list by its digest.
const SEGMENTS_NAMED: usize = 64;

/// The digest of a table's list of segments: SHA3-256 over their digests, in order.
fn list_digest(table: &TableVersion) -> Sha3Digest {
    let digests: Vec<u8> = table.segments.iter().flat_map(|s| s.sha3.0).collect();
    Sha3Digest::of(&digests)
}

/// The public body of a version's entry: digests, counts, roots.
fn body(version: &Version) -> Map<String, Value> {
    let named = version.tables.iter().map(|t| t.segments.len()).sum::<usize>() <= SEGMENTS_NAMED;
    let tables: Vec<Value> = version
        .tables
        .iter()
        .map(|table| {
            let segments: Vec<Value> = table
                .segments
                .iter()
                .filter(|_| named)
                .map(|s| {
                    json!({"path": s.path, "rows": s.rows, "bytes": s.bytes,
                           "sha3": s.sha3, "sha256": s.sha256})
                })
                .collect();
            json!({"table": table.table, "schema": table.schema,
                   "category": table.category, "rows": table.rows,
                   "suppressed": table.suppressed, "segments": segments,
                   "segment_count": table.segments.len() as u64,
                   "segment_list": list_digest(table)})
        })
        .collect();
    let counts = &version.counts;
    let mut body = json!({
        "dataset": version.dataset,
        "version": version.version,
        "purposes": version.purposes,
        "pool": version.pool,
        "pipeline": {"name": version.pipeline.0, "digest": version.pipeline.1},
        "run_key": version.run_key,
        "k": version.k,
        "tables": tables,
        "record": {"root": version.record.root, "count": version.record.count},
        "consent_commit": version.consent_commit,
        "counts": {"read": counts.read, "rejected": counts.rejected, "refused": counts.refused,
                   "admitted": counts.admitted, "suppressed": counts.suppressed,
                   "released": counts.released, "people": counts.people},
        "inputs": input_root(&version.inputs),
        "roster": version.roster.digest,
        "report": version.report.digest,
    });
    if let (Some(commit), Some(members)) = (version.linkage_commit, body.as_object_mut()) {
        members.insert("linkage_commit".to_owned(), commit.into());
    }
    match body {
        Value::Object(mut body) => {
            if let Some(chosen) = chosen(version) {
                body.insert("deid".to_owned(), chosen);
            }
            if let Some(duo) = &version.duo {
                body.insert("duo".to_owned(), json!(duo.terms));
            }
            if let Some(records) = version.records() {
                body.insert("records".to_owned(), records.digest.to_string().into());
            }
            if let Some(deliveries) = version.deliveries() {
                body.insert("deliveries".to_owned(), deliveries.digest.to_string().into());
            }
            if let Some(quality) = &version.quality {
                body.insert("quality".to_owned(), quality.digest.to_string().into());
            }
            body
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

/// What was chosen for each table that was searched, with its digest.
fn chosen(version: &Version) -> Option<Value> {
    let choices = version.tables.iter().filter_map(|table| {
        let choice = table.choice.as_ref()?;
        Some((table.table.clone(), json!({"choice": choice, "digest": choice.digest().ok()?})))
    });
    let choices: Map<String, Value> = choices.collect();
    (!choices.is_empty()).then_some(Value::Object(choices))
}

/// The digest of the sorted list of input digests, so that many inputs fit one entry.
fn input_root(inputs: &[Sha3Digest]) -> String {
    let all: Vec<u8> = inputs.iter().flat_map(|digest| digest.0).collect();
    hex(Sha256::of(&all).as_bytes())
}

/// Takes away what waited for the commit.
pub(super) fn sweep(site: &Site, run: &str) -> Result<(), Error> {
    let vault = site.vault();
    for object in vault.list(&format!("runs/{run}/parts"))? {
        vault.delete(&object.path)?;
    }
    Ok(())
}
