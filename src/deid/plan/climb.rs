//! Hierarchies in a plan: who may have one, by what its column is judged, and its file read.
//!
//! Comes in: what a schema says of a hierarchy. Goes out: a [`Ladder`], or the rule it breaks.
//! Never: a column judged by a higher level than the lowest that a search may choose.

use std::{path::Path, sync::Arc};

use super::{
    PlannedColumn,
    rules::{Broken, TOP_AGE, Words, compile, words},
};
use crate::{
    deid::{
        Asked, Profile, Settings,
        hierarchy::Hierarchy,
        late::{self, Ladder},
    },
    digest::canonical_digest,
    fault::Fault,
    schema::{Column, First, HierarchyRule, HierarchySpec, KernelSpec, Role},
};

/// The models that a table's classes must satisfy beyond k: those of its columns, and those of all
/// records where it has quasi-identifiers.
pub(super) fn asked(columns: &[PlannedColumn], settings: &Settings) -> Vec<Asked> {
    if columns.iter().all(|column| column.role != Role::Quasi) {
        return Vec::new();
    }
    let is_own = |asked: &&Asked| {
        asked.sensitive().is_none_or(|name| columns.iter().any(|column| column.name == name))
    };
    settings.models.iter().filter(is_own).cloned().collect()
}

/// What a hierarchy stands on: what is done to the value first, and its file.
pub(super) fn ladder(
    column: &str,
    spec: &HierarchySpec,
    settings: &Settings,
) -> Result<Ladder, Words> {
    let first = compile(column, &before(spec), settings)?;
    let (read, digest, height) = match &spec.by {
        HierarchyRule::File { path, digest, text } => {
            let read = Hierarchy::read(column, Path::new(path), text, false);
            let read = Arc::new(read.map_err(|faults| unread(path, &faults))?);
            let height = read.height();
            (Some(read), *digest, height)
        }
        HierarchyRule::Prefix(_)
        | HierarchyRule::Widths(_)
        | HierarchyRule::Dates(_)
        | HierarchyRule::Codes(_) => {
            let rule = late::rule(&spec.by).map_err(|error| {
                words(&format!("has a hierarchy that is none: {error}"), "mend its levels")
            })?;
            let digest = canonical_digest(&spec.by)
                .map_err(|_| words("has a rule without a canonical form", "use small integers"))?;
            (None, digest, rule.height())
        }
    };
    let least = usize::try_from(spec.least).unwrap_or(usize::MAX);
    if least >= height {
        let message = format!("may not be shown below level {least} of {height}");
        return Err(words(&message, "`least` is the lowest level shown; the value itself is 0"));
    }
    Ok(Ladder { first: Box::new(first), rule: spec.by.clone(), read, least, digest })
}

/// Says where a hierarchy's file is at fault.
fn unread(path: &str, faults: &[Fault]) -> Words {
    let said: Vec<String> = faults
        .iter()
        .map(|fault| format!("line {}: {}", fault.place().0, fault.message()))
        .collect();
    let hint = faults.iter().find_map(Fault::hint_text);
    words(
        &format!("has a hierarchy that cannot be read, `{path}`: {}", said.join("; ")),
        hint.unwrap_or("each line is a value and what stands for it, level by level"),
    )
}

/// The kernel by which a column is judged: a search may choose the lowest level of a hierarchy.
pub(super) fn shown_at_least(spec: &KernelSpec) -> KernelSpec {
    let KernelSpec::Hierarchy(hierarchy) = spec else { return spec.clone() };
    let HierarchySpec { by, after, least } = hierarchy;
    // Parts of a date, from the first level on, never show the day.
    if matches!(by, HierarchyRule::Dates(_)) && after.is_none() && *least > 0 {
        return spec.clone();
    }
    before(hierarchy)
}

/// Who may have a hierarchy, and where one shows too much.
pub(super) fn by_hierarchy(
    column: &Column,
    spec: &KernelSpec,
    settings: &Settings,
) -> Option<Broken> {
    let KernelSpec::Hierarchy(hierarchy) = spec else { return None };
    if column.role != Role::Quasi {
        return Some(Broken::slip(words(
            "has a hierarchy, by which nothing is searched but quasi-identifiers",
            "give it role \"quasi\", or another kernel",
        )));
    }
    let is_dated = matches!(hierarchy.by, HierarchyRule::Dates(_));
    (is_dated && settings.profile == Profile::SafeHarbor).then(|| {
        Broken::new(
            'C',
            "would show parts of a date: safe harbour keeps no element of a date but its year",
            "put the year first: { kernel = \"hierarchy\", after = \"year\", widths = [5, 10] }",
        )
    })
}

/// The kernel that runs before a hierarchy.
fn before(spec: &HierarchySpec) -> KernelSpec {
    match spec.after {
        None => KernelSpec::Keep { allow: None },
        Some(First::Year) => KernelSpec::Year { top_age: TOP_AGE, band: None },
        Some(First::Age) => KernelSpec::Age { top_age: TOP_AGE },
        Some(First::Zip3) => KernelSpec::Zip3 {},
    }
}
