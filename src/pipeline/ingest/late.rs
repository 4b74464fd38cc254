//! What a run does once the rows of all parts are known: columns masked and generalised, events held
//! back, and what the parts staged staged again.
//!
//! Comes in: the receipts of the parts. Goes out: receipts that name the new staged rows and classes,
//! and what was chosen for each table. Never: a second choice where a killed run had made its own.
//!
//! All of it is one step with one record in the vault, so that a run resumed finds it done or does it
//! anew; nothing outside has seen it before the commit.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Error,
    part::{Receipt, Waiting, Work},
};
use crate::{
    deid::{
        self, ClassCounter, DeidentifiedBatch, TablePlan,
        events::{self, Rows},
        late::{self, Choice, Gatherer, Settled},
    },
    digest::Sha256,
    pipeline::Progress,
    schema::{HierarchyRule, HierarchySpec, KernelSpec},
};

/// How long a search of more nodes than can all be looked at goes on, unless the pipeline says.
const SEARCH_SECONDS: u32 = 60;

/// By table: what was chosen for it.
pub(super) type Choices = BTreeMap<String, Choice>;

/// By table and released column: what a mask cost, in words.
pub(super) type Costs = BTreeMap<String, BTreeMap<String, String>>;

/// `runs/<run>/parts/late.json`: what was settled, and of what.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// The digest of the staged rows that it was settled of.
    rests_on: Sha256,
    choices: Choices,
    #[serde(default)]
    costs: Costs,
    /// By part: its rows as they are released, and their classes.
    again: BTreeMap<usize, Again>,
}

/// What a part staged, staged again.
#[derive(Debug, Serialize, Deserialize)]
struct Again {
    staged: Vec<Waiting>,
    classes: Waiting,
}

/// Settles what waited for all parts. A run without such steps goes on with the receipts it has.
pub(super) fn settle(
    work: &Work<'_>,
    mut receipts: Vec<Receipt>,
    progress: &dyn Progress,
) -> Result<(Vec<Receipt>, Choices, Costs), Error> {
    let late = work.deid.tables().iter().any(TablePlan::is_late);
    if !late && work.spec.deid.known_events.is_none() {
        return Ok((receipts, Choices::new(), Costs::new()));
    }
    let path = format!("runs/{}/parts/late.json", work.plan.run);
    let rests_on = rests_on(&receipts);
    let record = if let Some(record) = found(work, &path, &rests_on)? {
        record
    } else {
        let record = fresh(work, &receipts, rests_on, progress)?;
        work.keep(&path, serde_json::to_vec(&record)?)?;
        record
    };
    let Record { choices, costs, mut again, .. } = record;
    for receipt in &mut receipts {
        if let Some(Again { staged, classes }) = again.remove(&receipt.task) {
            receipt.staged = staged;
            receipt.classes = classes;
        }
    }
    Ok((receipts, choices, costs))
}

/// The files of hierarchies that the tables were generalised by: whoever judges a version asks what
/// its levels mean.
pub(super) fn hierarchies(work: &Work<'_>) -> BTreeMap<String, Bytes> {
    let kernels = work.spec.schemas.iter().flat_map(|schema| &schema.columns);
    let files = kernels.filter_map(|column| match &column.deid {
        Some(KernelSpec::Hierarchy(HierarchySpec {
            by: HierarchyRule::File { digest, text, .. },
            ..
        })) => {
            let text = Bytes::copy_from_slice(text.as_bytes());
            Some((format!("hierarchies/{digest}.csv"), text))
        }
        _ => None,
    });
    files.collect()
}

/// The digest of everything that the parts staged.
fn rests_on(receipts: &[Receipt]) -> Sha256 {
    let digests = receipts.iter().flat_map(|receipt| &receipt.staged);
    let digests: Vec<u8> = digests.flat_map(|staged| *staged.digest.as_bytes()).collect();
    Sha256::of(&digests)
}

/// Finds what a killed run settled, if it is of these rows and all there.
fn found(work: &Work<'_>, path: &str, rests_on: &Sha256) -> Result<Option<Record>, Error> {
    let Some(bytes) = work.kept(path)? else { return Ok(None) };
    let Ok(record) = serde_json::from_slice::<Record>(&bytes) else { return Ok(None) };
    if record.rests_on != *rests_on {
        return Ok(None);
    }
    for Again { staged, classes } in record.again.values() {
        if !work.are_there(staged.iter().chain([classes]))? {
            return Ok(None);
        }
    }
    Ok(Some(record))
}

fn fresh(
    work: &Work<'_>,
    receipts: &[Receipt],
    rests_on: Sha256,
    progress: &dyn Progress,
) -> Result<Record, Error> {
    let tables = tables(work, receipts);
    progress.stage("levels over all rows", tables.len() as u64);
    let mut settled = BTreeMap::new();
    for Table { plan, receipts, .. } in tables.iter().filter(|table| table.plan.is_late()) {
        settled.insert(plan.table(), settle_table(work, plan, receipts)?);
        progress.step();
    }
    let held = held(work, &tables, &settled)?;
    let (mut choices, mut costs) = (Choices::new(), Costs::new());
    for Table { plan, .. } in &tables {
        let masked = settled.get(plan.table()).into_iter().flat_map(|settled| settled.masked(plan));
        let words: BTreeMap<_, _> =
            masked.map(|(column, masked)| (column.to_owned(), masked.words())).collect();
        if !words.is_empty() {
            costs.insert(plan.table().to_owned(), words);
        }
    }
    for (table, settled) in &settled {
        choices.extend(settled.choice().map(|choice| ((*table).to_owned(), choice.clone())));
    }
    let mut again = BTreeMap::new();
    for Table { plan, receipts, .. } in &tables {
        let made =
            Made { work, plan, settled: settled.get(plan.table()), held: held.get(plan.table()) };
        if made.settled.is_some() || made.held.is_some() {
            again.extend(made.again(receipts)?);
        }
    }
    Ok(Record { rests_on, choices, costs, again })
}

/// The rows of one table that the parts staged.
struct Table<'r> {
    plan: &'r TablePlan,
    receipts: Vec<&'r Receipt>,
}

/// The tables with rows, by name, so that the order of the parts decides nothing else.
fn tables<'r>(work: &'r Work<'_>, receipts: &'r [Receipt]) -> Vec<Table<'r>> {
    let mut tables: BTreeMap<&str, Table<'r>> = BTreeMap::new();
    for receipt in receipts.iter().filter(|receipt| !receipt.staged.is_empty()) {
        let plan = work.of(receipt.task).and_then(|(_, schema)| work.deid.table(&schema.table));
        let Some(plan) = plan else { continue };
        let table = tables.entry(plan.table());
        table.or_insert_with(|| Table { plan, receipts: Vec::new() }).receipts.push(receipt);
    }
    tables.into_values().collect()
}

fn settle_table(
    work: &Work<'_>,
    plan: &TablePlan,
    receipts: &[&Receipt],
) -> Result<Settled, Error> {
    let mut gatherer = Gatherer::new(plan);
    for receipt in receipts {
        for waiting in &receipt.staged {
            read(work, plan, receipt.task, waiting)?.iter().for_each(|batch| gatherer.add(batch));
        }
    }
    let seconds = work.spec.deid.search_seconds.unwrap_or(SEARCH_SECONDS);
    let (begun, limit) = (Instant::now(), Duration::from_secs(u64::from(seconds)));
    let go_on = || begun.elapsed() < limit;
    Ok(late::settle(plan, work.deid.settings(), &work.people, gatherer.finish()?, &go_on)?)
}

/// By table: the rows that known events would single out, where the pipeline says how many may be
/// known.
fn held<'r>(
    work: &Work<'_>,
    tables: &[Table<'r>],
    settled: &BTreeMap<&str, Settled>,
) -> Result<BTreeMap<&'r str, Vec<bool>>, Error> {
    let Some(known) = work.spec.deid.known_events else { return Ok(BTreeMap::new()) };
    let with_classes: Vec<&Table<'r>> =
        tables.iter().filter(|table| table.plan.has_quasi_identifiers()).collect();
    let rows = with_classes
        .par_iter()
        .map(|Table { plan, receipts }| {
            let (mut rows, mut from) = (Rows::new(plan), 0);
            let settled = settled.get(plan.table());
            let made = Made { work, plan, settled, held: None };
            for (receipt, waiting) in staged(receipts) {
                for batch in made.batches(receipt.task, waiting, &mut from)? {
                    rows.add(&batch);
                }
            }
            Ok(rows)
        })
        .collect::<Result<Vec<Rows>, Error>>()?;
    let held = events::hold(&rows, work.spec.deid.k, known).map_err(Error::Events)?;
    let named = with_classes.iter().map(|table| table.plan.table()).zip(held);
    Ok(named.filter(|(_, held)| held.contains(&true)).collect())
}

fn staged<'r>(receipts: &[&'r Receipt]) -> impl Iterator<Item = (&'r Receipt, &'r Waiting)> {
    receipts
        .iter()
        .flat_map(|receipt| receipt.staged.iter().map(move |waiting| (*receipt, waiting)))
}

/// What makes of staged rows those that are released.
struct Made<'w> {
    work: &'w Work<'w>,
    plan: &'w TablePlan,
    settled: Option<&'w Settled>,
    held: Option<&'w Vec<bool>>,
}

impl Made<'_> {
    /// Stages the rows of a table again, part by part.
    fn again(&self, receipts: &[&Receipt]) -> Result<Vec<(usize, Again)>, Error> {
        let mut from = 0;
        receipts.iter().map(|receipt| self.part(receipt, &mut from)).collect()
    }

    fn part(&self, receipt: &Receipt, from: &mut usize) -> Result<(usize, Again), Error> {
        let folder = format!("runs/{}/parts/late-{:06}", self.work.plan.run, receipt.task);
        let mut counter = ClassCounter::default();
        let mut staged = Vec::with_capacity(receipt.staged.len());
        for (at, waiting) in receipt.staged.iter().enumerate() {
            let batches = self.batches(receipt.task, waiting, from)?;
            for batch in &batches {
                counter.add(batch);
            }
            let (bytes, digest) = deid::stage::write(self.plan, &batches)?;
            staged.push(self.work.put(format!("{folder}-{at:04}.arrow"), bytes, digest)?);
        }
        let classes = counter.finish().to_bytes();
        let digest = Sha256::of(&classes);
        let classes = self.work.put(format!("{folder}.classes"), classes, digest)?;
        Ok((receipt.task, Again { staged, classes }))
    }

    /// Reads what waits and makes it what is released; `from` counts the table's rows.
    fn batches(
        &self,
        task: usize,
        waiting: &Waiting,
        from: &mut usize,
    ) -> Result<Vec<DeidentifiedBatch>, Error> {
        let mut made = Vec::new();
        for batch in read(self.work, self.plan, task, waiting)? {
            let rows = *from..*from + batch.row_count();
            *from = rows.end;
            let batch = match self.settled {
                Some(settled) => settled.remake(self.plan, rows.start, batch)?,
                None => batch,
            };
            made.push(match self.held.and_then(|held| held.get(rows)) {
                Some(held) => batch.hold(held),
                None => batch,
            });
        }
        Ok(made)
    }
}

fn read(
    work: &Work<'_>,
    plan: &TablePlan,
    task: usize,
    waiting: &Waiting,
) -> Result<Vec<DeidentifiedBatch>, Error> {
    let bytes: Bytes = work.get(waiting)?.ok_or(Error::Counts { part: task })?;
    Ok(deid::stage::read(plan, bytes, &waiting.digest)?)
}
