//! Reads files of FHIR through a view: NDJSON by parts, Bundles, the files of a manifest.
//!
//! Comes in: files. Goes out: batches, typed or of text, and counts. Never: more of a file in
//! memory than a record, a batch, or one Bundle.

use std::{ops::ControlFlow, path::Path, sync::Arc};

use super::{
    Counts, View, bundle,
    manifest::listed,
    runner::{Batch, Runner, Settings},
    table::Cells,
};
use crate::source::{
    Error, Format, Options, Part, RawBatch, bytes,
    lines::{Line, lines, too_long},
};

/// Text that a batch holds at most, about.
const BATCH_BYTES: usize = 32 << 20;

/// Hands a runner's batch on.
type Flush<'f, 'v> = dyn FnMut(&mut Runner<'v>, &Path) -> Result<ControlFlow<()>, Error> + 'f;

/// Reads one part of a file through a view, handing on typed batches until there are no more or
/// the taker breaks off.
///
/// A resource that gives no rows is told in its batch's faults; those of other types are passed
/// over.
pub fn read(
    file: &Path,
    format: Format,
    view: &View,
    part: &Part,
    options: &Options,
    settings: Settings,
    take: &mut dyn FnMut(Batch) -> ControlFlow<()>,
) -> Result<Counts, Error> {
    let mut runner = Runner::new(view, settings);
    feed(file, format, part, options, &mut runner, &mut |runner, file| {
        let batch = runner.finish();
        Ok(take(batch.map_err(|source| Error::Arrow { file: file.to_owned(), source })?))
    })?;
    Ok(runner.counts())
}

/// Reads one part of a file through a view into batches of text.
pub(in super::super) fn read_text(
    file: &Path,
    name: &Arc<str>,
    format: Format,
    view: &View,
    part: &Part,
    options: &Options,
    take: &mut dyn FnMut(RawBatch) -> ControlFlow<()>,
) -> Result<Counts, Error> {
    let mut runner = Runner::with_cells(view, Settings::default(), Cells::Text);
    feed(file, format, part, options, &mut runner, &mut |runner, path| {
        // What a manifest lists goes by its own name.
        let name = if path == file { Arc::clone(name) } else { file_name(path) };
        let batch = runner.finish_text(&name);
        Ok(take(batch.map_err(|source| Error::Arrow { file: path.to_owned(), source })?))
    })?;
    Ok(runner.counts())
}

fn file_name(file: &Path) -> Arc<str> {
    Arc::from(file.file_name().unwrap_or_default().to_string_lossy().as_ref())
}

fn feed<'v>(
    file: &Path,
    format: Format,
    part: &Part,
    options: &Options,
    runner: &mut Runner<'v>,
    flush: &mut Flush<'_, 'v>,
) -> Result<(), Error> {
    match format {
        Format::FhirNdjson => drop(ndjson(file, part, options, runner, flush)?),
        Format::FhirBundle => {
            let done = bundle::resources(file, part, options, &mut |line, found| {
                push(runner, file, line, &found, options, flush)
            })?;
            let _ = rest(file, done, runner, flush)?;
        }
        Format::FhirManifest => {
            for listed in listed(file)? {
                if listed.resource.as_deref().is_none_or(|kind| kind == runner.resource()) {
                    let part = Part::whole(bytes::size(&listed.file)?);
                    if ndjson(&listed.file, &part, options, runner, flush)?.is_break() {
                        break;
                    }
                }
            }
        }
        Format::Csv | Format::Ndjson | Format::Parquet => {
            return Err(Error::NotFhir { file: file.to_owned(), format: format.word() });
        }
    }
    Ok(())
}

fn ndjson<'v>(
    file: &Path,
    part: &Part,
    options: &Options,
    runner: &mut Runner<'v>,
    flush: &mut Flush<'_, 'v>,
) -> Result<ControlFlow<()>, Error> {
    let (done, passed) = lines(file, Format::FhirNdjson, part, options, &mut |line, found| {
        push(runner, file, line, &found, options, flush)
    })?;
    runner.pass_lines(passed);
    rest(file, done, runner, flush)
}

fn push<'v>(
    runner: &mut Runner<'v>,
    file: &Path,
    line: u64,
    found: &Line<'_>,
    options: &Options,
    flush: &mut Flush<'_, 'v>,
) -> Result<ControlFlow<()>, Error> {
    match found {
        Line::Record(resource) => runner.push(resource, line),
        Line::Long { bytes } => runner.fault(too_long(line, *bytes, options.record_bytes_max)),
    }
    if runner.waiting() >= options.batch_rows || runner.waiting_bytes() >= BATCH_BYTES {
        return flush(runner, file);
    }
    Ok(ControlFlow::Continue(()))
}

/// Hands on what waits at the end of a file.
fn rest<'v>(
    file: &Path,
    done: ControlFlow<()>,
    runner: &mut Runner<'v>,
    flush: &mut Flush<'_, 'v>,
) -> Result<ControlFlow<()>, Error> {
    if done.is_continue() && runner.waiting() > 0 { flush(runner, file) } else { Ok(done) }
}
