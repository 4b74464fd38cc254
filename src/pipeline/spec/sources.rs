//! `[[source]]`: what a pipeline reads, from whom, and by which schema.
//!
//! Comes in: the tables of a pipeline's file. Goes out: sources, and the schemas they name, each
//! once. Never: a source of nobody; an institution comes by its key or by its folder.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Error, ViewSpec, read as read_text};
use crate::{
    fault::{Fault, Members, Sheet, Text, found_from},
    party::InstitutionId,
    schema::TableSchema,
    source::{self, Format},
};

/// Most pipelines are small files with few sources; a larger one is a mistake.
const SOURCES_MAX: usize = 10_000;

/// What stands in a path for the folder that is an institution's.
const INSTITUTION: &str = "{institution}";

/// One input of a pipeline: files of one table from one institution.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    /// Who contributes it.
    pub institution: InstitutionId,
    /// The position of its schema in [`Spec::schemas`](super::Spec::schemas).
    pub schema: usize,
    /// The position of its view in [`Spec::views`](super::Spec::views); FHIR has one, and nothing
    /// else.
    pub view: Option<usize>,
    /// How it is written.
    pub format: Format,
    /// A path or glob below the input folder.
    pub path: String,
}

/// Files of one table from every institution that has a folder.
#[derive(Debug, Clone)]
pub struct FolderSpec {
    schema: usize,
    view: Option<usize>,
    format: Format,
    /// A path or glob in which `{institution}` is one whole part.
    path: String,
}

impl FolderSpec {
    /// Makes a source of each institution's folder below `input`, by name.
    pub(super) fn sources(&self, input: &Path) -> Result<Vec<SourceSpec>, Error> {
        let source = |name: String| {
            let institution = InstitutionId::parse(&name)
                .map_err(|source| Error::Institution { path: self.path.clone(), source })?;
            let path = self.path.replacen(INSTITUTION, &glob::Pattern::escape(&name), 1);
            let Self { schema, view, format, .. } = *self;
            Ok(SourceSpec { institution, schema, view, format, path })
        };
        source::folders(&self.path, INSTITUTION, input)?.into_iter().map(source).collect()
    }
}

/// What `[[source]]` says, all together.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    pub(super) sources: Vec<SourceSpec>,
    pub(super) folders: Vec<FolderSpec>,
    pub(super) schemas: Vec<Arc<TableSchema>>,
    pub(super) views: Vec<ViewSpec>,
}

impl Inputs {
    /// Returns whether a source reads by this view and schema.
    fn pair(&self, view: usize, schema: usize) -> bool {
        let is = |pair: (Option<usize>, usize)| pair == (Some(view), schema);
        self.sources.iter().any(|source| is((source.view, source.schema)))
            || self.folders.iter().any(|source| is((source.view, source.schema)))
    }
}

/// Reads every source and the schemas they name.
pub(super) fn read(
    file: &Path,
    sheet: &Sheet<'_>,
    top: &Members<'_, '_>,
    faults: &mut Vec<Fault>,
) -> Result<Inputs, Error> {
    let mut inputs = Inputs::default();
    let members = top.tables("source");
    if members.is_empty() {
        sheet.fault_hint(top.span(), "this pipeline reads nothing", "add a [[source]]");
    }
    if members.len() > SOURCES_MAX {
        sheet.fault(top.span(), format!("more than {SOURCES_MAX} sources"));
        return Ok(inputs);
    }
    for source in members {
        let whose = whose(sheet, &source);
        let table = source.text_needed("table");
        let format = source.choice_needed("format", &Format::WORDS);
        let named = source.text_needed("schema");
        let view = view(sheet, &source, format);
        source.finish();
        let (Some((whose, path)), Some(table), Some(format), Some(named), Some(view)) =
            (whose, table, format, named, view)
        else {
            continue;
        };
        let Some(schema) = schema(file, sheet, &named, &mut inputs.schemas, faults)? else {
            continue;
        };
        if let Some(known) = inputs.schemas.get(schema)
            && known.table != table.value
        {
            let message = format!("this schema is of table `{}`", known.table);
            sheet.fault_hint(table.span, message, "name that table here, or another schema");
            continue;
        }
        let mut place = None;
        if let Some(named) = view {
            place = read_view(file, sheet, &named, &mut inputs.views, faults)?;
            let Some(view) = place else { continue };
            if let (Some(spec), Some(schema_read), false) =
                (inputs.views.get(view), inputs.schemas.get(schema), inputs.pair(view, schema))
            {
                spec.check(schema_read, faults);
            }
        }
        let view = place;
        match whose {
            Whose::Institution(institution) => {
                inputs.sources.push(SourceSpec { institution, schema, view, format, path });
            }
            Whose::Folders => inputs.folders.push(FolderSpec { schema, view, format, path }),
        }
    }
    for (at, schema) in inputs.schemas.iter().enumerate() {
        if inputs.schemas.iter().take(at).any(|other| other.table == schema.table) {
            sheet.fault(top.span(), format!("two schemas describe table `{}`", schema.table));
        }
    }
    Ok(inputs)
}

/// Whose a source's files are.
enum Whose {
    Institution(InstitutionId),
    /// Of those whose folders `{institution}` stands for.
    Folders,
}

/// Reads `institution` and `path`: exactly one of them says whose the files are.
fn whose(sheet: &Sheet<'_>, source: &Members<'_, '_>) -> Option<(Whose, String)> {
    let named = source.text("institution");
    let Text { value: path, span } = source.text_needed("path")?;
    let parts: Vec<&str> = path.split('/').collect();
    let at = parts.iter().position(|part| *part == INSTITUTION);
    match (named, at) {
        (Some(named), None) if !path.contains(INSTITUTION) => {
            let id = InstitutionId::parse(&named.value);
            let id = id.map_err(|error| sheet.fault(named.span, error.to_string())).ok()?;
            Some((Whose::Institution(id), path))
        }
        (None, Some(at))
            if path.matches(INSTITUTION).count() == 1
                && !parts.iter().take(at).any(|part| part.contains("**")) =>
        {
            Some((Whose::Folders, path))
        }
        (Some(named), _) => {
            let message = "`institution` is given, and `path` holds `{institution}`";
            sheet.fault_hint(named.span, message, "leave out one of them");
            None
        }
        (None, None) if !path.contains(INSTITUTION) => {
            let hint = "name one, or let folders name them: path = \"{institution}/…\"";
            sheet.fault_hint(source.span(), "this source lacks `institution`", hint);
            None
        }
        (None, _) => {
            let message = "`{institution}` stands for one folder, once, with no `**` before it";
            sheet.fault_hint(span, message, "write it between slashes: \"{institution}/…\"");
            None
        }
    }
}

/// Reads `view`: FHIR has one, and nothing else. `None` is a fault.
#[expect(clippy::option_option, reason = "a fault, no view, a view")]
fn view(
    sheet: &Sheet<'_>,
    source: &Members<'_, '_>,
    format: Option<Format>,
) -> Option<Option<Text>> {
    let view = source.text("view");
    let Some(format) = format else { return Some(view) };
    if format.is_fhir() && !source.has("view") {
        let message = "FHIR becomes a table through a view, and this source lacks `view`";
        let hint = "name a ViewDefinition: view = \"schemas/fhir/patient.json\"";
        sheet.fault_hint(source.value_span("format"), message, hint);
        return None;
    }
    if let Some(view) = view.as_ref().filter(|_| !format.is_fhir()) {
        let hint = "give it format \"fhir-ndjson\", \"fhir-bundle\" or \"fhir-manifest\"";
        sheet.fault_hint(view.span.clone(), "a view reads FHIR alone", hint);
        return None;
    }
    Some(view)
}

/// Finds the view that a source names among those that were read, or reads it.
fn read_view(
    file: &Path,
    sheet: &Sheet<'_>,
    named: &Text,
    views: &mut Vec<ViewSpec>,
    faults: &mut Vec<Fault>,
) -> Result<Option<usize>, Error> {
    let Some(found) = found(file, sheet, named) else { return Ok(None) };
    if let Some(at) = views.iter().position(|view| view.file == found) {
        return Ok(Some(at));
    }
    let Some(view) = ViewSpec::read(&found, faults)? else { return Ok(None) };
    views.push(view);
    Ok(Some(views.len() - 1))
}

/// Finds the schema that a source names among those that were read, or reads it.
fn schema(
    file: &Path,
    sheet: &Sheet<'_>,
    named: &Text,
    schemas: &mut Vec<Arc<TableSchema>>,
    faults: &mut Vec<Fault>,
) -> Result<Option<usize>, Error> {
    let Some(found) = found(file, sheet, named) else { return Ok(None) };
    if let Some(at) = schemas.iter().position(|schema| schema.file == found) {
        return Ok(Some(at));
    }
    match TableSchema::read(&found, &read_text(&found)?) {
        Ok(schema) => schemas.push(Arc::new(schema)),
        Err(found) => {
            faults.extend(found);
            return Ok(None);
        }
    }
    Ok(Some(schemas.len() - 1))
}

/// Finds a file that a pipeline names: below the pipeline's folder or the nearest one above it.
pub(super) fn found(pipeline: &Path, sheet: &Sheet<'_>, named: &Text) -> Option<PathBuf> {
    let found = found_from(pipeline, &named.value);
    if found.is_none() {
        let hint = "paths are taken from the folder above `pipelines/`";
        sheet.fault_hint(named.span.clone(), format!("there is no file `{}`", named.value), hint);
    }
    found
}
