//! A pipeline's table of demographics, read and conformed as ingest does, and turned into tokens at
//! once: no value is kept.

use std::path::Path;

use rayon::prelude::*;

use super::Error;
use crate::{
    linkage::Table,
    pipeline::{
        Progress,
        reading::{self, PART_BYTES},
        spec::{LinkageSpec, Spec},
    },
    schema,
    site::Site,
    source,
};

pub(super) fn table(
    site: &Site,
    spec: &Spec,
    own: &LinkageSpec,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Table, Error> {
    let spec = &spec.over(folder)?;
    let mut parts = Vec::new();
    for source in spec.sources.iter().filter(|source| source.schema == own.schema) {
        for (format, file) in reading::files(spec, source, folder)? {
            let survey = source::survey(&file, format, PART_BYTES)?;
            parts.extend(survey.parts.into_iter().map(|part| (source, format, file.clone(), part)));
        }
    }
    let schema = spec.schemas.get(own.schema);
    let person = schema.and_then(|schema| schema.columns.get(schema.person()?));
    let (Some(schema), Some(person)) = (schema, person) else { return Ok(Table::default()) };
    let secret = site.secret("linkage-tokens");
    progress.stage("tokens of demographics", parts.len() as u64);
    let tables = parts
        .par_iter()
        .map(|(source, format, file, part)| {
            let mut tables: Vec<Table> = Vec::new();
            let name = file.strip_prefix(folder).unwrap_or(file).display().to_string();
            reading::read(spec, source, (*format, file, &name), part, |raw| {
                let (conformed, _) = schema::conform(schema, &raw)?;
                let (rows, institution) = (conformed.rows(), &source.institution);
                tables.push(Table::of(rows, &person.name, &own.fields, institution, &secret)?);
                Ok::<(), Error>(())
            })?;
            progress.step();
            Ok(tables)
        })
        .collect::<Result<Vec<_>, Error>>()?;
    Ok(Table::join(tables.into_iter().flatten()))
}
