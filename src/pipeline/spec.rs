//! A pipeline file: what is read, for which purpose, how it is made safe, where it goes, which pool
//! pays. Read whole, every fault at once, each with its line and column.

mod deid;
mod duo;
mod licence;
mod linkage;
mod records;

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use self::duo::DuoSpec;
pub use self::linkage::LinkageSpec;
pub use self::records::RecordsSpec;
use crate::{
    cover::{self, Policy},
    deid::{Fraction, Settings},
    digest::Sha3Digest,
    fault::{Fault, Members, Sheet},
    purpose::Purpose,
    quality::Rules,
    schema::TableSchema,
};

mod sources;
mod views;

use self::sources::Inputs;
pub use self::{
    sources::{FolderSpec, SourceSpec},
    views::ViewSpec,
};

/// A pipeline, read and checked.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// The dataset that it makes versions of.
    pub dataset: String,
    /// What the data may be used for; every person in it consented to each.
    pub purposes: Vec<Purpose>,
    /// The terms that bind every use of the dataset, beyond what its people consented to.
    pub duo: Option<DuoSpec>,
    /// The pool that pays for use.
    pub pool: Option<String>,
    /// What contributor ids of its files are prefixed with, as `namespace:id`.
    pub namespace: String,
    /// Its inputs, in order.
    pub sources: Vec<SourceSpec>,
    /// Its inputs whose institutions are the folders that are found: [`Spec::over`] adds them.
    pub folders: Vec<FolderSpec>,
    /// The schemas of its tables, by table name; no two tables share one.
    pub schemas: Vec<Arc<TableSchema>>,
    /// The views by which it reads FHIR.
    pub views: Vec<ViewSpec>,
    /// Whether a file is taken only by a delivery note of an institution whose licence stood.
    pub licence_required: bool,
    /// How its people are linked, where institutions know them by ids of their own.
    pub linkage: Option<LinkageSpec>,
    /// How copies and repetitions are told from records that count; none where all rows count.
    pub records: Option<RecordsSpec>,
    /// How rows are made safe.
    pub deid: Settings,
    /// The share of rows that may be rejected, in millionths.
    pub rejects_max_ppm: u64,
    /// The policies whose events its rows may show.
    pub covers: Vec<Policy>,
    /// The rules of quality.
    pub rules: Rules,
    /// The most rows of one segment.
    pub segment_rows: usize,
    /// The digest of its file.
    pub digest: Sha3Digest,
    /// Its file.
    pub file: PathBuf,
    /// Its file's text.
    pub text: Arc<str>,
    /// Where `[deid]` stands, to point at.
    pub deid_span: Range<usize>,
}

/// Why a pipeline cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is not there or not text.
    #[error("`{}` cannot be read", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// No folder is there in which a source's path finds a file.
    #[error(transparent)]
    Folders(#[from] crate::source::Error),
    /// A folder cannot name an institution.
    #[error("a folder that `{path}` finds cannot name an institution")]
    Institution {
        /// The source's path.
        path: String,
        /// Why not.
        #[source]
        source: crate::party::IdError,
    },
    /// The file, or a schema it names, has faults.
    #[error("pipeline `{}` has {}", file.display(), faults_said(faults.len()))]
    Faults {
        /// The pipeline's file.
        file: PathBuf,
        /// Each fault, with its place.
        faults: Vec<Fault>,
    },
}

fn faults_said(count: usize) -> String {
    if count == 1 { "a fault".to_owned() } else { format!("{count} faults") }
}

impl Spec {
    /// Reads a pipeline and the schemas it names.
    pub fn read(file: &Path) -> Result<Self, Error> {
        let text = read(file)?;
        let sheet = Sheet::new(file, &text);
        let mut faults = Vec::new();
        let spec = Self::parse(file, &sheet, &mut faults)?;
        faults.extend(sheet.into_faults());
        match spec {
            Some(spec) if faults.is_empty() => Ok(spec),
            Some(_) | None => Err(Error::Faults { file: file.to_owned(), faults }),
        }
    }

    fn parse(
        file: &Path,
        sheet: &Sheet<'_>,
        faults: &mut Vec<Fault>,
    ) -> Result<Option<Self>, Error> {
        let text = sheet.text();
        let table = sheet.parse(&text);
        let top = Members::new(sheet, "pipeline", &table);
        let name = top.text_needed("name").and_then(|t| plain(sheet, t.value, t.span));
        let dataset = top.text_needed("dataset").and_then(|t| plain(sheet, t.value, t.span));
        let purposes = purposes(sheet, &top);
        let duo = duo::read(file, sheet, &top);
        let pool = top.text("pool").map(|t| t.value);
        let namespace = top.text("namespace").map(|t| t.value).unwrap_or_default();
        let Inputs { sources, folders, schemas, views } = sources::read(file, sheet, &top, faults)?;
        let licence_required = licence::required(sheet, &top);
        let linkage = linkage::read(sheet, &top, &schemas);
        let records = records::read(sheet, &top, &schemas);
        let deid_span = top.key_span("deid").unwrap_or(0..0);
        let deid = deid::read(file, sheet, &top)?;
        let mut rejects_max_ppm = 10_000;
        let mut rules = Rules::default();
        if let Some(quality) = top.table("quality") {
            rules = read_rules(file, sheet, &quality, &schemas, faults)?;
            let limit = share(sheet, &quality, "rejects_max").map(|share| u64::from(share.ppm()));
            rejects_max_ppm = limit.unwrap_or(rejects_max_ppm);
            quality.finish();
        }
        let covers = read_covers(file, sheet, &top, &schemas, faults)?;
        let mut segment_rows = 1_000_000;
        if let Some(lake) = top.table("lake") {
            let rows = lake.integer("rows_per_segment", 1_000);
            segment_rows = rows.and_then(|n| usize::try_from(n).ok()).unwrap_or(segment_rows);
            lake.finish();
        }
        top.finish();
        let (Some(name), Some(dataset), Some(deid)) = (name, dataset, deid) else {
            return Ok(None);
        };
        Ok(Some(Self {
            name,
            dataset,
            purposes,
            duo,
            pool,
            namespace,
            sources,
            folders,
            schemas,
            views,
            licence_required,
            linkage,
            records,
            deid,
            rejects_max_ppm,
            covers,
            rules,
            segment_rows,
            digest: Sha3Digest::of(text.as_bytes()),
            file: file.to_owned(),
            text: Arc::clone(&text),
            deid_span,
        }))
    }

    /// Returns the pipeline with one more source for each institution's folder below `input`.
    pub fn over(&self, input: &Path) -> Result<Self, Error> {
        let mut spec = self.clone();
        for folder in std::mem::take(&mut spec.folders) {
            spec.sources.extend(folder.sources(input)?);
        }
        Ok(spec)
    }

    /// Makes a fault of this pipeline's file at `[deid]`.
    pub fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::new(&self.file, &self.text, self.deid_span.clone(), message.into())
    }
}

fn read(file: &Path) -> Result<String, Error> {
    fs::read_to_string(file).map_err(|source| Error::File { file: file.to_owned(), source })
}

fn plain(sheet: &Sheet<'_>, value: String, span: Range<usize>) -> Option<String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !value.is_empty() && value.len() <= 64 && value.chars().all(fits) {
        return Some(value);
    }
    sheet.fault_hint(
        span,
        "a name is 1 to 64 lower-case letters, digits, `-` and `_`",
        "names stand in paths and in the public book",
    );
    None
}

fn purposes(sheet: &Sheet<'_>, top: &Members<'_, '_>) -> Vec<Purpose> {
    let Some(texts) = top.texts("purpose") else {
        if !top.has("purpose") {
            sheet.fault_hint(
                top.span(),
                "this pipeline lacks `purpose`",
                "say what the data is for: purpose = [\"DUO:0000006\"]",
            );
        }
        return Vec::new();
    };
    if texts.is_empty() {
        sheet.fault(top.value_span("purpose"), "`purpose` names no purpose");
    }
    let parse = |text: crate::fault::Text| match Purpose::parse(&text.value) {
        Ok(purpose) if purpose.term().is_some() => Some(purpose),
        Ok(_) => {
            let hint = "DUO:0000006 is biomedical research, DUO:0000042 general research";
            sheet.fault_hint(text.span, "the Data Use Ontology has no such term", hint);
            None
        }
        Err(error) => {
            sheet.fault_hint(text.span, error.to_string(), "DUO:0000006 is biomedical research");
            None
        }
    };
    texts.into_iter().filter_map(parse).collect()
}

/// Reads the policies that a pipeline names, and holds them against its schemas.
fn read_covers(
    file: &Path,
    sheet: &Sheet<'_>,
    top: &Members<'_, '_>,
    schemas: &[Arc<TableSchema>],
    faults: &mut Vec<Fault>,
) -> Result<Vec<Policy>, Error> {
    let mut policies: Vec<Policy> = Vec::new();
    for named in top.texts("cover").unwrap_or_default() {
        let beside = file.with_file_name(&named.value);
        let found =
            if beside.is_file() { Some(beside) } else { sources::found(file, sheet, &named) };
        let Some(found) = found else { continue };
        match cover::read(&found, &read(&found)?) {
            Err(found) => faults.extend(found),
            Ok(policy) if policies.iter().any(|own| own.policy == policy.policy) => {
                sheet.fault(named.span, "the policy is named twice");
            }
            Ok(policy) => {
                for misfit in super::cover::misfits(&policy, schemas) {
                    sheet.fault(named.span.clone(), misfit);
                }
                policies.push(policy);
            }
        }
    }
    Ok(policies)
}

/// Reads the files of rules that a pipeline names, and holds them against its schemas.
fn read_rules(
    file: &Path,
    sheet: &Sheet<'_>,
    quality: &Members<'_, '_>,
    schemas: &[Arc<TableSchema>],
    faults: &mut Vec<Fault>,
) -> Result<Rules, Error> {
    let mut rules = Rules::default();
    for named in quality.texts("rules").unwrap_or_default() {
        let Some(found) = sources::found(file, sheet, &named) else { continue };
        if let Err(found) = rules.add(&found, &read(&found)?) {
            faults.extend(found);
        }
    }
    faults.extend(rules.check(schemas));
    Ok(rules)
}

/// Reads a share between 0 and 1, exactly.
fn share(sheet: &Sheet<'_>, members: &Members<'_, '_>, key: &'static str) -> Option<Fraction> {
    let text = members.scalar(key)?;
    match Fraction::parse(&text.value) {
        Ok(share) => Some(share),
        Err(error) => {
            sheet.fault(text.span, format!("`{key}` is {error}"));
            None
        }
    }
}
