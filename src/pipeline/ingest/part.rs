//! One part: read, conform, admit, de-identify, count classes, stage. Its receipt says what came
//! of it; a part whose receipt is in the vault is not run again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::array::Array as _;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Error, codes, keys::BadLines, known, plan::Plan, quality::Judged, records, utility};
use crate::{
    consent,
    deid::{self, ClassCounter, Classes, DeidentifiedBatch, People, Profile, ReleaseKeys, detect},
    digest::Sha256,
    pipeline::{
        Progress,
        spec::{SourceSpec, Spec},
    },
    quality::Tally,
    records::{Sketcher, Sketches},
    report::ScrubLine,
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
    /// The columns of free text, and how well each is scrubbed.
    pub(super) scrubs: Vec<ScrubLine>,
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
    /// Released columns whose values look like identifiers, and that somebody answered for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) doubts: Vec<detect::Finding>,
    /// Where the de-identified rows wait, in order, each at most one segment.
    pub(super) staged: Vec<Waiting>,
    /// Where the sketches of those rows wait, one object for each; none where the pipeline does not
    /// ask which rows count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) sketches: Vec<Waiting>,
    /// Where the classes wait.
    pub(super) classes: Waiting,
    /// How admitted rows are spread before anything is done to them.
    pub(super) spread: Tally,
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
        progress: &dyn Progress,
    ) -> Result<Self, Error> {
        let mut settings = spec.deid.clone();
        settings.as_of = Some(plan.as_of);
        let deid = super::leaks::plan(spec, &settings)?;
        // Pseudonyms differ from version to version, so that versions cannot be linked by them.
        // Shifts and noise do not: several of one value would bound it ever closer.
        let keys = ReleaseKeys {
            pseudonym: site
                .keys()
                .pseudonym_secret(&format!("pseudonym/{}/{}", spec.dataset, plan.version)),
            shift: site.secret(&format!("shift/{}", spec.dataset)),
            noise: site.secret(&format!("noise/{}", spec.dataset)),
        };
        let roster = plan.admission.people();
        let missing = settings.shift_offsets.as_ref().map_or(0, |offsets| offsets.missing(roster));
        if missing > 0 {
            return Err(Error::Offsets { missing });
        }
        let known = known::find(spec, plan, &deid, progress)?;
        let scrubs = known::lines(spec, &deid, &known)?;
        let people = People::new(roster, &keys, &settings).with_known(known);
        let people = match settings.profile {
            Profile::Expert => people,
            Profile::SafeHarbor => people.coded(&codes::of_run(site, &plan.run, roster, dry_run)?),
        };
        let dry = dry_run.then(Mutex::default);
        Ok(Self { site, spec, plan, deid, people, scrubs, bad, judged, vault: site.vault(), dry })
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

    /// Puts an object aside for the commit.
    pub(super) fn put(
        &self,
        path: String,
        bytes: Vec<u8>,
        digest: Sha256,
    ) -> Result<Waiting, Error> {
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

    /// Keeps a record of the run in the vault; a dry run keeps none.
    pub(super) fn keep(&self, path: &str, bytes: Vec<u8>) -> Result<(), Error> {
        if !self.is_dry() {
            self.vault.put(path, Bytes::from(bytes))?;
        }
        Ok(())
    }

    /// Finds a record that an earlier, killed run kept.
    pub(super) fn kept(&self, path: &str) -> Result<Option<Bytes>, Error> {
        Ok(if self.is_dry() { None } else { self.vault.find(path)? })
    }

    fn all_there(&self, receipt: &Receipt) -> Result<bool, Error> {
        self.are_there(receipt.staged.iter().chain(&receipt.sketches).chain([&receipt.classes]))
    }

    /// Whether objects that were put aside are there, as they were.
    pub(super) fn are_there<'o>(
        &self,
        objects: impl Iterator<Item = &'o Waiting>,
    ) -> Result<bool, Error> {
        for waiting in objects {
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
    if let Some(bytes) = work.kept(&path)?
        && let Ok(receipt) = serde_json::from_slice::<Receipt>(&bytes)
        && work.all_there(&receipt)?
    {
        return Ok(receipt);
    }
    let receipt = fresh(work, task, &folder)?;
    work.keep(&path, serde_json::to_vec(&receipt)?)?;
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
        sample: detect::Sample::new(table),
        read: 0,
        rejects: Vec::new(),
        refused: BTreeMap::new(),
        admitted: 0,
        cells: (0, 0),
        counter: ClassCounter::default(),
        spread: utility::tally(work),
        held: (0, Vec::new()),
        staged: Vec::new(),
        sketcher: records::sketcher(work, task),
        sketches: Sketches::default(),
        sketched: Vec::new(),
    };
    work.plan.reading().raw(work.spec, planned, |raw| rows.take(&raw))?;
    rows.stage()?;
    let doubts = super::leaks::values(work.spec, schema, rows.sample.findings())?;
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
        doubts,
        staged: rows.staged,
        sketches: rows.sketched,
        classes,
        spread: rows.spread,
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
    /// The first cells of each column, which are looked at for identifiers.
    sample: detect::Sample<'w>,
    read: u64,
    rejects: Vec<Reject>,
    refused: BTreeMap<String, u64>,
    admitted: u64,
    cells: (u64, u64),
    counter: ClassCounter,
    spread: Tally,
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
        self.sample.add(conformed.rows());
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
        utility::add(&mut self.spread, self.schema, admitted.batch.rows());
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
