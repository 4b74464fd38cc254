//! Lines of a cover, rewritten: what paid a person says no more which row of which institution it was.
//!
//! Comes in: the lines of an evaluation. Goes out: the same, of nobody. Never: another's line changed, or a
//! sum.

use super::{Error, plan::Plan};
use crate::{
    cover::{CoverLine, LINES},
    digest::Sha3Digest,
    party::ContributorId,
};

/// Says whether an object holds lines of a cover.
pub(super) fn is_lines(path: &str) -> bool {
    path.strip_prefix(LINES).is_some_and(|rest| rest.ends_with(".ndjson"))
}

/// Reads the lines of an evaluation.
pub(super) fn read(path: &str, text: &str) -> Result<Vec<CoverLine>, Error> {
    let lines = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
    lines.map_err(|_| Error::Format(format!("vault/{path}")))
}

/// Rewrites the lines; `None` where none is the person's.
pub(super) fn redact(plan: &Plan, path: &str, text: &str) -> Result<Option<String>, Error> {
    if !plan.ids.iter().any(|id| text.contains(id)) {
        return Ok(None);
    }
    let mut lines = read(path, text)?;
    for line in &mut lines {
        if !plan.ids.contains(line.contributor.as_str()) {
            continue;
        }
        if let Some(alias) = plan.names.get(line.contributor.as_str()) {
            line.contributor = ContributorId::parse(alias)?;
        }
        line.event = Sha3Digest(plan.other(line.event.as_bytes()));
        line.evidence = Sha3Digest(plan.other(line.evidence.as_bytes()));
        if let Some(row) = plan.rows.get(&line.row.id) {
            line.row.id.clone_from(row);
        }
    }
    // As they are written: by contributor, event, row and outcome.
    lines.sort_by_cached_key(|l| (l.contributor.clone(), l.event, l.row.clone(), l.outcome));
    let lines = lines.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect()))
}
