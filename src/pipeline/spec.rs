//! A pipeline file: what is read, for which purpose, how it is made safe, where it goes, which pool
//! pays. Read whole, every fault at once, each with its line and column.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    deid::{Fraction, Profile, Settings},
    digest::Sha3Digest,
    fault::{Fault, Members, Sheet},
    instant::Date,
    party::InstitutionId,
    purpose::Purpose,
    schema::TableSchema,
    source::Format,
};

/// Most pipelines are small files with few sources; a larger one is a mistake.
const SOURCES_MAX: usize = 10_000;

/// One input of a pipeline: files of one table from one institution.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    /// Who contributes it.
    pub institution: InstitutionId,
    /// The position of its schema in [`Spec::schemas`].
    pub schema: usize,
    /// How it is written.
    pub format: Format,
    /// A path or glob below the input folder.
    pub path: String,
}

/// A pipeline, read and checked.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// The dataset that it makes versions of.
    pub dataset: String,
    /// What the data may be used for; every person in it consented to each.
    pub purposes: Vec<Purpose>,
    /// The pool that pays for use.
    pub pool: Option<String>,
    /// What contributor ids of its files are prefixed with, as `namespace:id`.
    pub namespace: String,
    /// Its inputs, in order.
    pub sources: Vec<SourceSpec>,
    /// The schemas of its tables, by table name; no two tables share one.
    pub schemas: Vec<Arc<TableSchema>>,
    /// How rows are made safe.
    pub deid: Settings,
    /// The share of rows that may be rejected, in millionths.
    pub rejects_max_ppm: u64,
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
        let pool = top.text("pool").map(|t| t.value);
        let namespace = top.text("namespace").map(|t| t.value).unwrap_or_default();
        let (sources, schemas) = sources(file, sheet, &top, faults)?;
        let deid_span = top.key_span("deid").unwrap_or(0..0);
        let deid = deid(sheet, &top);
        let mut rejects_max_ppm = 10_000;
        if let Some(quality) = top.table("quality") {
            let limit = share(sheet, &quality, "rejects_max").map(|share| u64::from(share.ppm()));
            rejects_max_ppm = limit.unwrap_or(rejects_max_ppm);
            quality.finish();
        }
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
            pool,
            namespace,
            sources,
            schemas,
            deid,
            rejects_max_ppm,
            segment_rows,
            digest: Sha3Digest::of(text.as_bytes()),
            file: file.to_owned(),
            text: Arc::clone(&text),
            deid_span,
        }))
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

type Inputs = (Vec<SourceSpec>, Vec<Arc<TableSchema>>);

fn sources(
    file: &Path,
    sheet: &Sheet<'_>,
    top: &Members<'_, '_>,
    faults: &mut Vec<Fault>,
) -> Result<Inputs, Error> {
    let mut sources = Vec::new();
    let mut schemas: Vec<(PathBuf, Arc<TableSchema>)> = Vec::new();
    let members = top.tables("source");
    if members.is_empty() {
        sheet.fault_hint(top.span(), "this pipeline reads nothing", "add a [[source]]");
    }
    if members.len() > SOURCES_MAX {
        sheet.fault(top.span(), format!("more than {SOURCES_MAX} sources"));
        return Ok((sources, Vec::new()));
    }
    for source in members {
        let institution = source.text_needed("institution").and_then(|t| {
            let id = InstitutionId::parse(&t.value);
            id.map_err(|error| sheet.fault(t.span, error.to_string())).ok()
        });
        let table = source.text_needed("table");
        let path = source.text_needed("path").map(|t| t.value);
        let format = source.choice_needed("format", &Format::WORDS);
        let named = source.text_needed("schema");
        source.finish();
        let (Some(institution), Some(table), Some(path), Some(format), Some(named)) =
            (institution, table, path, format, named)
        else {
            continue;
        };
        let Some(found) = beside(file, &named.value) else {
            let hint = "paths are taken from the folder above `pipelines/`";
            sheet.fault_hint(named.span, format!("there is no file `{}`", named.value), hint);
            continue;
        };
        let at = if let Some(at) = schemas.iter().position(|(known, _)| *known == found) {
            at
        } else {
            match TableSchema::read(&found, &read(&found)?) {
                Ok(schema) => {
                    schemas.push((found, Arc::new(schema)));
                    schemas.len() - 1
                }
                Err(found) => {
                    faults.extend(found);
                    continue;
                }
            }
        };
        if let Some((_, schema)) = schemas.get(at)
            && schema.table != table.value
        {
            let message = format!("this schema is of table `{}`", schema.table);
            sheet.fault_hint(table.span, message, "name that table here, or another schema");
            continue;
        }
        sources.push(SourceSpec { institution, schema: at, format, path });
    }
    let schemas: Vec<_> = schemas.into_iter().map(|(_, schema)| schema).collect();
    for (at, schema) in schemas.iter().enumerate() {
        if schemas.iter().take(at).any(|other| other.table == schema.table) {
            sheet.fault(top.span(), format!("two schemas describe table `{}`", schema.table));
        }
    }
    Ok((sources, schemas))
}

/// Finds a file that a pipeline names: below the pipeline's folder or the nearest one above it.
fn beside(pipeline: &Path, named: &str) -> Option<PathBuf> {
    let absolute = std::path::absolute(pipeline).ok()?;
    absolute.ancestors().skip(1).take(4).map(|folder| folder.join(named)).find(|p| p.is_file())
}

fn deid(sheet: &Sheet<'_>, top: &Members<'_, '_>) -> Option<Settings> {
    let mut settings = Settings::default();
    let Some(members) = top.table("deid") else {
        if !top.has("deid") {
            sheet.fault_hint(
                top.span(),
                "this pipeline lacks `[deid]`",
                "say how rows are made safe: [deid] with profile = \"expert\" and k = 11",
            );
        }
        return None;
    };
    let profiles = [("expert", Profile::Expert), ("safe-harbor", Profile::SafeHarbor)];
    let profile = members.choice_needed("profile", &profiles);
    if let Some(k) = members.integer("k", 2) {
        match u32::try_from(k) {
            Ok(k) => settings.k = k,
            Err(_) => sheet.fault(members.value_span("k"), "larger than any table"),
        }
    }
    if let Some(share) = share(sheet, &members, "suppress_limit") {
        settings.suppress_limit = share;
    }
    if let Some(days) = members.integer("shift_days_max", 1) {
        match u32::try_from(days).ok().filter(|&days| days <= 3_650) {
            Some(days) => settings.shift_days_max = days,
            None => sheet.fault(members.value_span("shift_days_max"), "at most 3650 days"),
        }
    }
    if let Some(text) = members.scalar("as_of") {
        match Date::parse_from_str(&text.value, "%Y-%m-%d") {
            Ok(date) => settings.as_of = Some(date),
            Err(_) => sheet.fault(text.span, "not a date of the form YYYY-MM-DD"),
        }
    }
    members.finish();
    settings.profile = profile?;
    Some(settings)
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
