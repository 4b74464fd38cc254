//! The plan of a run: which files, cut into which parts, for which version. It is a function of
//! the pipeline, the inputs' bytes and whose consent stands; its digest is the run's key.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Error,
    deliveries::{self, Deliveries},
    reading::Reading,
};
use crate::{
    consent::{Admission, Register, Scope},
    digest::{Sha3Digest, canonical_digest, hex},
    instant::Date,
    lake::{Lake, Located},
    linkage::PersonIndex,
    party::InstitutionId,
    pipeline::{
        Progress,
        reading::{self, PART_BYTES},
        spec::{DuoSpec, Spec},
    },
    report::LeftLine,
    site::Site,
    source::{self, Format, Part, Survey},
};

/// What the bytes of a version depend on beside its inputs: raised when the engine would make other
/// bytes of the same inputs.
const ENGINE: u64 = 1;

/// One file to read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Input {
    /// The position of its source in the pipeline.
    pub(super) source: usize,
    /// How it is written.
    pub(super) format: Format,
    /// The file.
    pub(super) file: PathBuf,
    /// What reports call it: its path below the input folder.
    pub(super) name: String,
    /// The digest of its bytes.
    pub(super) digest: Sha3Digest,
    /// Its size.
    pub(super) bytes: u64,
}

/// One part of one file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Task {
    /// The position of its input.
    pub(super) input: usize,
    /// The part.
    pub(super) part: Part,
}

/// A planned run.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The run's name.
    pub(super) run: String,
    /// The digest of everything the result depends on.
    pub(super) key: Sha3Digest,
    /// The version it will make.
    pub(super) version: u64,
    /// The commit of the lake that it will be.
    pub(super) commit: u64,
    /// The newest commit of the consent register.
    pub(super) consent_commit: u64,
    /// Whose rows may go on.
    pub(super) admission: Arc<Admission>,
    /// The day on which ages are reckoned.
    pub(super) as_of: Date,
    /// The files.
    pub(super) inputs: Vec<Input>,
    /// The parts, in the order of the files.
    pub(super) tasks: Vec<Task>,
    /// The parts of tables that tell of no person: their keys are checked against, no more.
    pub(super) references: Vec<Task>,
    /// What was delivered, where the pipeline asks for licences.
    pub(super) deliveries: Option<Deliveries>,
}

/// `vault/runs/<run>/run.json`: what a run set out to do.
#[derive(Debug, Serialize)]
struct RunRecord<'a> {
    run: &'a str,
    key: Sha3Digest,
    pipeline: &'a str,
    pipeline_file: PathBuf,
    folder: PathBuf,
    dataset: &'a str,
    version: u64,
    time: crate::instant::Instant,
    inputs: &'a [Input],
    tasks: &'a [Task],
    #[serde(skip_serializing_if = "<[Task]>::is_empty")]
    references: &'a [Task],
}

pub(super) fn plan(
    site: &Site,
    spec: &Spec,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Plan, Error> {
    let (surveyed, deliveries) = if spec.licence_required {
        let (surveyed, deliveries) = deliveries::survey(site, spec, folder, progress)?;
        (surveyed, Some(deliveries))
    } else {
        (survey(spec, folder, progress)?, None)
    };
    let Surveyed { inputs, tasks, references } = surveyed;
    progress.stage("consents", 1);
    let register = Register::load(&site.vault())?;
    let cells = spec.sources.iter().filter_map(|source| {
        let schema = spec.schemas.get(source.schema).filter(|schema| !schema.reference)?;
        Some((source.institution.clone(), schema.category.clone()))
    });
    let now = site.now();
    let admission = register.admission(&Scope {
        purposes: spec.purposes.clone(),
        cells: cells.collect(),
        on: now.date(),
        known_at: now,
    });
    let admission = match &spec.linkage {
        Some(_) => admission.link(Arc::new(PersonIndex::load(&site.vault())?)),
        None => admission,
    };
    progress.step();
    let as_of = spec.deid.as_of.unwrap_or_else(|| year_end(now.date()));
    let mut rests_on = serde_json::json!({
        "engine": ENGINE,
        "pipeline": spec.digest,
        "dataset": spec.dataset,
        "institutions": spec.sources.iter().map(|s| s.institution.as_str()).collect::<Vec<_>>(),
        "schemas": spec.schemas.iter().map(|s| s.digest).collect::<Vec<_>>(),
        "views": spec.views.iter().map(|v| v.digest).collect::<Vec<_>>(),
        "inputs": inputs.iter().map(|i| (i.source as u64, i.digest)).collect::<Vec<_>>(),
        "part_bytes": PART_BYTES,
        "as_of": as_of.to_string(),
        "admission": admission.digest(),
    });
    if let Some(members) = rests_on.as_object_mut() {
        if let Some(offsets) = &spec.deid.shift_offsets {
            members.insert("shift_offsets".to_owned(), offsets.digest().to_string().into());
        }
        if let Some(digest) = spec.duo.as_ref().and_then(DuoSpec::ontology_digest) {
            members.insert("ontology".to_owned(), digest.to_string().into());
        }
        // A pipeline without rules is the same run as before there were any.
        if !spec.rules.is_empty() {
            let rules: Vec<String> =
                spec.rules.sets().iter().map(|set| set.digest.to_string()).collect();
            members.insert("rules".to_owned(), rules.into());
        }
    }
    let key = canonical_digest(&rests_on)?;
    let lake = Lake::new(site.lake());
    let all = lake.all()?;
    let versions = all.iter().filter(|located| located.version.dataset == spec.dataset);
    Ok(Plan {
        run: format!("{}-{}", spec.name, hex(key.as_bytes().split_at(8).0)),
        key,
        version: versions.map(|located| located.version.version).max().unwrap_or(0) + 1,
        commit: all.last().map_or(0, |located| located.commit) + 1,
        consent_commit: register.commit(),
        admission: Arc::new(admission),
        as_of,
        inputs,
        tasks,
        references,
        deliveries,
    })
}

/// Finds the version that the same run made before.
pub(super) fn made_before(lake: &Lake, plan: &Plan) -> Result<Option<Located>, Error> {
    Ok(lake.all()?.into_iter().rfind(|located| located.version.run_key == plan.key))
}

impl Plan {
    /// Returns the files and their parts.
    pub(super) fn reading(&self) -> Reading<'_> {
        let (inputs, tasks, references) = (&self.inputs, &self.tasks, &self.references);
        Reading { inputs, tasks, references }
    }

    /// Returns the files that are not taken, where the pipeline asks for licences.
    pub(super) fn files_left(&self) -> Vec<LeftLine> {
        self.deliveries.iter().flat_map(|deliveries| deliveries.left.iter().cloned()).collect()
    }

    /// Writes down what the run sets out to do.
    pub(super) fn record(&self, site: &Site, spec: &Spec, folder: &Path) -> Result<(), Error> {
        let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let record = RunRecord {
            run: &self.run,
            key: self.key,
            pipeline: &spec.name,
            pipeline_file: whole(&spec.file),
            folder: whole(folder),
            dataset: &spec.dataset,
            version: self.version,
            time: site.now(),
            inputs: &self.inputs,
            tasks: &self.tasks,
            references: &self.references,
        };
        let text = serde_json::to_vec_pretty(&record)?;
        Ok(site.vault().put(&format!("runs/{}/run.json", self.run), Bytes::from(text))?)
    }
}

/// What a look at every file found.
pub(super) struct Surveyed {
    /// The files.
    pub(super) inputs: Vec<Input>,
    /// The parts, in the order of the files.
    pub(super) tasks: Vec<Task>,
    /// The parts of tables that tell of no person.
    pub(super) references: Vec<Task>,
}

/// Finds the files of every source and looks at each once.
pub(super) fn survey(
    spec: &Spec,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Surveyed, Error> {
    let found = Found::all(spec, folder)?;
    progress.stage("looking at the inputs", found.len() as u64);
    let surveyed = found
        .into_par_iter()
        .map(|found| {
            let survey = found.survey()?;
            progress.step();
            Ok((found, survey))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    Ok(Surveyed::of(spec, surveyed))
}

/// A file that a source finds, not yet looked at.
#[derive(Debug, Clone)]
pub(super) struct Found {
    source: usize,
    format: Format,
    /// The position of its schema in the pipeline.
    pub(super) schema: usize,
    /// Whose it is.
    pub(super) institution: InstitutionId,
    /// The file.
    pub(super) file: PathBuf,
    /// What reports call it: its path below the input folder.
    pub(super) name: String,
}

impl Found {
    /// Finds the files of every source, in the order of the sources.
    pub(super) fn all(spec: &Spec, folder: &Path) -> Result<Vec<Self>, Error> {
        let mut all = Vec::new();
        for (at, source) in spec.sources.iter().enumerate() {
            for (format, file) in reading::files(spec, source, folder)? {
                let name = file.strip_prefix(folder).unwrap_or(&file).display().to_string();
                let (schema, institution) = (source.schema, source.institution.clone());
                all.push(Self { source: at, format, schema, institution, file, name });
            }
        }
        Ok(all)
    }

    /// Looks at it: digest, size, parts.
    pub(super) fn survey(&self) -> Result<Survey, source::Error> {
        source::survey(&self.file, self.format, PART_BYTES)
    }
}

impl Surveyed {
    /// Puts files together in the order of the sources.
    pub(super) fn of(spec: &Spec, files: Vec<(Found, Survey)>) -> Self {
        let mut inputs = Vec::new();
        let mut tasks = Vec::new();
        for (Found { source, format, file, name, .. }, Survey { digest, bytes, parts }) in files {
            tasks.extend(parts.into_iter().map(|part| Task { input: inputs.len(), part }));
            inputs.push(Input { source, format, file, name, digest, bytes });
        }
        let is_reference = |task: &Task| {
            let source = inputs.get(task.input).and_then(|input| spec.sources.get(input.source));
            let schema = source.and_then(|source| spec.schemas.get(source.schema));
            schema.is_some_and(|schema| schema.reference)
        };
        let (references, tasks) = tasks.into_iter().partition(is_reference);
        Self { inputs, tasks, references }
    }
}

fn year_end(date: Date) -> Date {
    use chrono::Datelike as _;
    Date::from_ymd_opt(date.year(), 12, 31).unwrap_or(date)
}
