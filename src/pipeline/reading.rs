//! Inputs read the same way by every act: rows as they stand, or FHIR through the source's view.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::spec::{SourceSpec, Spec};
use crate::source::{self, Error, Format, Part, RawBatch, fhir};

/// Parts are about this long, so that a few fit in memory at once.
pub(super) const PART_BYTES: u64 = 24 << 20;

/// Returns the files of a source, each with its format; a manifest stands for the files it lists.
pub(super) fn files(
    spec: &Spec,
    source: &SourceSpec,
    folder: &Path,
) -> Result<Vec<(Format, PathBuf)>, Error> {
    let found = source::find(&source.path, folder)?;
    if source.format != Format::FhirManifest {
        return Ok(found.into_iter().map(|file| (source.format, file)).collect());
    }
    let view = source.view.and_then(|view| spec.views.get(view));
    let wanted = view.map(|view| view.view.resource());
    let mut files = Vec::new();
    for manifest in found {
        let listed = fhir::listed(&manifest)?.into_iter();
        let own = listed.filter(|l| l.resource.is_none() || l.resource.as_deref() == wanted);
        files.extend(own.map(|listed| (Format::FhirNdjson, listed.file)));
    }
    Ok(files)
}

/// Reads one part of a source's file, handing on batch after batch until the taker fails. `name` is
/// what reports call the file.
pub(super) fn read<E: From<Error>>(
    spec: &Spec,
    source: &SourceSpec,
    (format, file, name): (Format, &Path, &str),
    part: &Part,
    mut take: impl FnMut(RawBatch) -> Result<(), E>,
) -> Result<(), E> {
    let name: Arc<str> = Arc::from(name);
    let mut failure = None;
    let mut taker = |raw: RawBatch| match take(raw) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failure = Some(error);
            ControlFlow::Break(())
        }
    };
    if let Some(view) = source.view.and_then(|view| spec.views.get(view)) {
        let options = source::Options::fhir();
        source::read_view(file, &name, format, &view.view, part, &options, &mut taker)?;
    } else {
        let options = source::Options::default();
        source::read(file, &name, format, part, &options, &mut taker)?;
    }
    failure.map_or(Ok(()), Err)
}
