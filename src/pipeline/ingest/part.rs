//! One part: read, conform, admit, de-identify, count classes, stage. Its receipt says what came
//! of it; a part whose receipt is in the vault is not run again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::array::Array as _;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Error, keys::BadLines, plan::Plan, quality::Judged, records};
use crate::{
    consent,
    deid::{self, ClassCounter, Classes, DeidentifiedBatch, People, ReleaseKeys},
    digest::Sha256,
    pipeline::spec::{SourceSpec, Spec},
    records::{Sketcher, Sketches},
    schema::{self, Reject, TableSchema},
    site::Site,
    source,
    store::Store,
};

/// What every part of a run needs.
pub(super) struct Work<'a> {
    pub(super) site: &'a Site,
    pub(super) spec: &'a Spec,
    pub(super) plan: &'a Plan,
    pub(super) deid: deid::Plan,
    pub(super) people: People,
    pub(super) bad: &'a BadLines,
    /// What the rules of quality found.
    pub(super) judged: &'a Judged,
    vault: Store,
    /// A dry run keeps what it staged in memory and writes nothing.
    dry: Option<Mutex<BTreeMap<String, Bytes>>>,
}

/// What came of one part.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Receipt {
    /// The part's place in the plan.
    pub(super) task: usize,
    /// Rows read, those that do not fit included.
    pub(super) read: u64,
    /// Rows that do not fit.
    pub(super) rejects: Vec<Reject>,
    /// Rows without a standing consent, by reason.
    pub(super) refused: BTreeMap<String, u64>,
    /// Rows that went on.
    pub(super) admitted: u64,
    /// Cells of conformed rows that are to be kept, and how many of them hold a value.
    pub(super) cells: (u64, u64),
    /// Where the de-identified rows wait, in order, each at most one segment.
    pub(super) staged: Vec<Waiting>,
    /// Where the sketches of those rows wait, one object for each; none where the pipeline does not
    /// ask which rows count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) sketches: Vec<Waiting>,
    /// Where the classes wait.
    pub(super) classes: Waiting,
}

/// An object that waits in the vault for the commit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) path: String,
    pub(super) digest: Sha256,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        site: &'a Site,
        spec: &'a Spec,
        plan: &'a Plan,
        (bad, judged): (&'a BadLines, &'a Judged),
        dry_run: bool,
    ) -> Result<Self, Error> {
        let mut settings = spec.deid.clone();
        settings.as_of = Some(plan.as_of);
        let deid = super::leaks::plan(spec, &settings)?;
        // Pseudonyms differ from version to version, so that versions cannot be linked by them.
        // Shifts do not: several shifts of one date would bound it ever closer.
        let keys = ReleaseKeys {
            pseudonym: site.secret(&format!("pseudonym/{}/{}", spec.dataset, plan.version)),
            shift: site.secret(&format!("shift/{}", spec.dataset)),
        };
        let people = People::new(plan.admission.people(), &keys, &settings);
        let dry = dry_run.then(Mutex::default);
        Ok(Self { site, spec, plan, deid, people, bad, judged, vault: site.vault(), dry })
    }

    pub(super) fn is_dry(&self) -> bool {
        self.dry.is_some()
    }

    /// Returns the source and schema of a part.
    pub(super) fn of(&self, task: usize) -> Option<(&'a SourceSpec, &'a Arc<TableSchema>)> {
        let input = self.plan.inputs.get(self.plan.tasks.get(task)?.input)?;
        let source = self.spec.sources.get(input.source)?;
        Some((source, self.spec.schemas.get(source.schema)?))
    }

    fn put(&self, path: String, bytes: Vec<u8>, digest: Sha256) -> Result<Waiting, Error> {
        let bytes = Bytes::from(bytes);
        let waiting = Waiting { path, digest };
        match &self.dry {
            None => self.vault.put_scratch(&waiting.path, bytes)?,
            Some(kept) => {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.insert(waiting.path.clone(), bytes);
            }
        }
        Ok(waiting)
    }

    /// Reads back what a part put aside; whoever takes it checks its digest.
    pub(super) fn get(&self, waiting: &Waiting) -> Result<Option<Bytes>, Error> {
        let found = match &self.dry {
            None => self.vault.find(&waiting.path)?,
            Some(kept) => {
                let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.get(&waiting.path).cloned()
            }
        };
        Ok(found)
    }

    fn all_there(&self, receipt: &Receipt) -> Result<bool, Error> {
        for waiting in receipt.staged.iter().chain(&receipt.sketches).chain([&receipt.classes]) {
            match self.get(waiting)? {
                Some(bytes) if Sha256::of(&bytes) == waiting.digest => {}
                Some(_) | None => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Runs one part, or finds its receipt.
pub(super) fn run_part(work: &Work<'_>, task: usize) -> Result<Receipt, Error> {
    let folder = format!("runs/{}/parts/{task:06}", work.plan.run);
    let path = format!("{folder}.json");
    if !work.is_dry()
        && let Some(bytes) = work.vault.find(&path)?
        && let Ok(receipt) = serde_json::from_slice::<Receipt>(&bytes)
        && work.all_there(&receipt)?
    {
        return Ok(receipt);
    }
    let receipt = fresh(work, task, &folder)?;
    if !work.is_dry() {
        work.vault.put(&path, Bytes::from(serde_json::to_vec(&receipt)?))?;
    }
    Ok(receipt)
}

fn fresh(work: &Work<'_>, task: usize, folder: &str) -> Result<Receipt, Error> {
    let missing = || Error::Counts { part: task };
    let (source, schema) = work.of(task).ok_or_else(missing)?;
    let planned = work.plan.tasks.get(task).ok_or_else(missing)?;
    let table = work.deid.table(&schema.table).ok_or_else(missing)?;
    let mut rows = Rows {
        work,
        source,
        schema,
        table,
        input: planned.input,
        people: work.people.of_institution(&source.institution),
        folder,
        is_first: planned.part.index() == 0,
        read: 0,
        rejects: Vec::new(),
        refused: BTreeMap::new(),
        admitted: 0,
        cells: (0, 0),
        counter: ClassCounter::default(),
        held: (0, Vec::new()),
        staged: Vec::new(),
        sketcher: records::sketcher(work, task),
        sketches: Sketches::default(),
        sketched: Vec::new(),
    };
    work.plan.reading().raw(work.spec, planned, |raw| rows.take(&raw))?;
    rows.stage()?;
    let refused: u64 = rows.refused.values().sum();
    if rows.read != rows.rejects.len() as u64 + refused + rows.admitted {
        return Err(missing());
    }
    let classes = rows.counter.finish().to_bytes();
    let digest = Sha256::of(&classes);
    let classes = work.put(format!("{folder}.classes"), classes, digest)?;
    Ok(Receipt {
        task,
        read: rows.read,
        rejects: rows.rejects,
        refused: rows.refused,
        admitted: rows.admitted,
        cells: rows.cells,
        staged: rows.staged,
        sketches: rows.sketched,
        classes,
    })
}

/// What a part gathers while its batches go by; rows are put aside a segment at a time, so that a
/// part of any length takes little memory.
struct Rows<'w> {
    work: &'w Work<'w>,
    source: &'w SourceSpec,
    schema: &'w Arc<TableSchema>,
    table: &'w deid::TablePlan,
    input: usize,
    people: People,
    folder: &'w str,
    /// Whether the file's first rows are still to come: they are looked at for identifiers.
    is_first: bool,
    read: u64,
    rejects: Vec<Reject>,
    refused: BTreeMap<String, u64>,
    admitted: u64,
    cells: (u64, u64),
    counter: ClassCounter,
    held: (usize, Vec<DeidentifiedBatch>),
    staged: Vec<Waiting>,
    /// What rows are known again by, where the pipeline asks which count.
    sketcher: Option<Sketcher>,
    sketches: Sketches,
    sketched: Vec<Waiting>,
}

impl Rows<'_> {
    fn take(&mut self, raw: &source::RawBatch) -> Result<(), Error> {
        self.read += (raw.rows() + raw.faults().len()) as u64;
        let (conformed, rejects) = schema::conform(self.schema, raw)?;
        self.rejects.extend(rejects);
        let (conformed, rejects) = self.work.bad.take_out(self.input, self.source, conformed)?;
        self.rejects.extend(rejects);
        if self.is_first {
            super::leaks::values(self.work.spec, self.schema, self.table, conformed.rows())?;
            self.is_first = false;
        }
        for column in conformed.rows().columns() {
            self.cells.0 += column.len() as u64;
            self.cells.1 += (column.len() - column.null_count()) as u64;
        }
        let (plan, spec) = (self.work.plan, self.work.spec);
        let institution = &self.source.institution;
        let admitted = consent::admit(&plan.admission, institution, &spec.namespace, conformed);
        for (reason, count) in admitted.refusals {
            *self.refused.entry(reason.as_str().to_owned()).or_default() += count;
        }
        self.admitted += admitted.batch.people().len() as u64;
        let bare = self.sketcher.is_some().then(|| admitted.batch.clone());
        let batch = deid::apply(self.table, &self.people, admitted.batch)?;
        self.counter.add(&batch);
        if self.held.0 + batch.row_count() > spec.segment_rows {
            self.stage()?;
        }
        if let (Some(sketcher), Some(bare)) = (&self.sketcher, bare) {
            sketcher.add(bare.rows(), bare.people(), &mut self.sketches);
        }
        self.held.0 += batch.row_count();
        self.held.1.push(batch);
        Ok(())
    }

    fn stage(&mut self) -> Result<(), Error> {
        let (rows, batches) = std::mem::take(&mut self.held);
        if rows > 0 {
            let path = format!("{}-{:04}.arrow", self.folder, self.staged.len());
            let (bytes, digest) = deid::stage::write(self.table, &batches)?;
            if self.sketcher.is_some() {
                let path = format!("{}-{:04}.sketches", self.folder, self.staged.len());
                let (bytes, digest) = records::bytes(&mut self.sketches);
                self.sketched.push(self.work.put(path, bytes, digest)?);
            }
            self.staged.push(self.work.put(path, bytes, digest)?);
        }
        Ok(())
    }
}

/// Reads the classes that a part counted.
pub(super) fn classes(work: &Work<'_>, receipt: &Receipt) -> Result<Classes, Error> {
    let lost = || Error::Counts { part: receipt.task };
    let bytes = work.get(&receipt.classes)?.ok_or_else(lost)?;
    if Sha256::of(&bytes) != receipt.classes.digest {
        return Err(lost());
    }
    Classes::from_bytes(&bytes).map_err(|_| lost())
}
