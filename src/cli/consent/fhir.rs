//! `almoner consent import --input-format fhir`: FHIR Consents, and what was left out of them.

use serde::Serialize;

use super::{Context, Failure, Format, ImportArgs, act, failure, outcome_table, tell};
use crate::{party::InstitutionId, site::Site};

/// How many documents that were put aside are shown in a table.
const ASIDE_SHOWN_MAX: usize = 20;

pub(super) fn import(
    site: &Site,
    args: &ImportArgs,
    institution: Option<&InstitutionId>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Imported<'a> {
        #[serde(flatten)]
        outcome: &'a act::Outcome,
        documents: &'a act::Report,
    }
    let sources = act::sources(&args.files, institution).map_err(failure)?;
    let (outcome, report) = act::import_fhir(site, &sources, &args.namespace).map_err(failure)?;
    if context.global.format != Format::Table {
        let imported = Imported { outcome: &outcome, documents: &report };
        return Ok(outcome_table(&outcome).write(context.global.format, &imported, context.out)?);
    }
    tell(&outcome, context)?;
    let act::Report { files, documents, granting, .. } = report;
    writeln!(context.out, "\n{documents} Consents in {files} files; {granting} grant something")?;
    for (note, count) in &report.left_out {
        writeln!(context.out, "{count:>8}  {}", note.words())?;
    }
    if !report.put_aside.is_empty() {
        writeln!(context.out, "{:>8}  put aside:", report.put_aside.len())?;
    }
    for aside in report.put_aside.iter().take(ASIDE_SHOWN_MAX) {
        writeln!(
            context.out,
            "          {}:{} {}",
            aside.file.display(),
            aside.line,
            aside.reason
        )?;
    }
    Ok(())
}
