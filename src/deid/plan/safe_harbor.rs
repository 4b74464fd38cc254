//! What safe harbour asks of a column beyond the rules of every release: the eighteen paragraphs of
//! 45 CFR 164.514(b)(2)(i), (A) to (R), of the person and of relatives, employers and household.
//!
//! Comes in: a column that would be released and its kernel. Goes out: each paragraph it breaks.
//! Never: a written permission in the place of a rule; the profile knows none.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a rule names the kernels it lets through; a new kernel is refused until a rule knows it"
)]

use super::{
    PlanFault, TablePlan,
    climb::shown_at_least,
    rules::{Broken, TOP_AGE, is_coded, is_number, likenesses, looks},
};
use crate::{
    deid::names::Likeness,
    schema::{Column, ColumnType, HierarchyRule, HierarchySpec, KernelSpec},
};

/// Returns what a column breaks, the plainest first; `shown` is the kernel by which the column is
/// judged, that of the lowest level where a hierarchy has many.
pub(super) fn broken(column: &Column, spec: &KernelSpec, shown: &KernelSpec) -> Vec<Broken> {
    let mut broken: Vec<Broken> =
        likenesses(column).filter_map(|found| by_name(column, found, shown)).collect();
    broken.extend(by_kernel(column, shown));
    if !is_of_closed_list(spec) {
        broken.extend(unclassified(column, shown));
    }
    broken
}

/// Whether a hierarchy lists every value that there may be: another stops the run.
fn is_of_closed_list(spec: &KernelSpec) -> bool {
    matches!(
        spec,
        KernelSpec::Hierarchy(HierarchySpec {
            by: HierarchyRule::File { .. } | HierarchyRule::Codes(_),
            ..
        })
    )
}

/// A column whose name betrays one of the eighteen.
fn by_name(column: &Column, likeness: Likeness, spec: &KernelSpec) -> Option<Broken> {
    let is_text = column.kind == ColumnType::String;
    let is_flag = column.kind == ColumnType::Bool;
    let is_dated = matches!(column.kind, ColumnType::Date | ColumnType::Timestamp);
    // A quantity that says its unit is no part of a date.
    let is_quantity = is_number(column.kind) && column.unit.is_some();
    let fits = is_flag
        || match likeness {
            Likeness::Zip => matches!(spec, KernelSpec::Zip3 {}),
            Likeness::Birth | Likeness::BirthYear => matches!(spec, KernelSpec::Year { .. }),
            Likeness::Age => match spec {
                KernelSpec::Age { .. } => true,
                KernelSpec::Band { top: Some(top), .. } => *top <= i64::from(TOP_AGE) + 1,
                _ => is_text && !column.codes.is_empty(),
            },
            Likeness::Address | Likeness::Point | Likeness::Area => false,
            Likeness::Name | Likeness::Relative | Likeness::Biometric | Likeness::Picture => {
                is_coded(column) || !is_text
            }
            Likeness::SocialSecurity
            | Likeness::MedicalRecord
            | Likeness::HealthPlan
            | Likeness::Account
            | Likeness::Licence
            | Likeness::Vehicle
            | Likeness::Device
            | Likeness::Number
            | Likeness::Phone
            | Likeness::Fax
            | Likeness::Email
            | Likeness::Web
            | Likeness::Network => {
                !column.codes.is_empty() || !(is_text || column.kind == ColumnType::Int)
            }
            // What is of a type of dates is judged by its kernel.
            Likeness::Date | Likeness::DatePart => is_dated || is_quantity,
            Likeness::Year => is_dated || is_quantity || matches!(spec, KernelSpec::Year { .. }),
            Likeness::Id => true,
        };
    let hint = match likeness {
        Likeness::Zip => "use { kernel = \"zip3\" } on text, or take the column out",
        Likeness::Birth | Likeness::BirthYear | Likeness::Date | Likeness::Year => {
            "use { kernel = \"year\" } on a date or an integer, or take the column out"
        }
        Likeness::Age => "use { kernel = \"age\" }, or a band whose `top` is at most 90",
        Likeness::Address | Likeness::Point | Likeness::Area => {
            "take it out: a place smaller than a state may stay only as { kernel = \"zip3\" }"
        }
        _ => "give it role \"direct\", which takes it out, or use profile = \"expert\"",
    };
    (!fits).then(|| looks(column, likeness, hint))
}

/// What the kernel leaves of a column.
fn by_kernel(column: &Column, spec: &KernelSpec) -> Option<Broken> {
    let instead = "use profile = \"expert\", or take the column out";
    match spec {
        KernelSpec::Keep { .. }
            if matches!(column.kind, ColumnType::Date | ColumnType::Timestamp) =>
        {
            Some(Broken::new(
                'C',
                "is a date and would leave as it came: safe harbour keeps no element of a date but \
                 its year",
                "use { kernel = \"year\" }, or take the column out",
            ))
        }
        KernelSpec::Keep { allow: Some(_) }
            if column.kind == ColumnType::String && !is_coded(column) =>
        {
            Some(Broken::new(
                'R',
                "is free text or an identifier that was allowed: safe harbour knows no such \
                 permission",
                instead,
            ))
        }
        KernelSpec::ShiftDate {} => Some(Broken::new(
            'C',
            "would keep a shifted date: safe harbour keeps no element of a date but its year",
            "use { kernel = \"year\" } or profile = \"expert\"",
        )),
        KernelSpec::Pseudonym { .. } => Some(Broken::new(
            'R',
            "would keep a keyed hash of an id: safe harbour takes no code that is derived from \
             the person's own, 45 CFR 164.514(c)(1)",
            instead,
        )),
        KernelSpec::Scrub(_) => Some(Broken::new(
            'R',
            "would keep scrubbed free text: how much a scrubber misses is measured, and safe harbour \
             takes no remainder",
            instead,
        )),
        KernelSpec::Surrogate { .. } => Some(Broken::new(
            'R',
            "would keep a surrogate that is made of an id: safe harbour takes no code that is derived \
             from the person's own, 45 CFR 164.514(c)(1)",
            instead,
        )),
        KernelSpec::Keep { .. }
        | KernelSpec::Drop {}
        | KernelSpec::Year { .. }
        | KernelSpec::Age { .. }
        | KernelSpec::Zip3 {}
        | KernelSpec::Band { .. }
        // Judged by what it shows at least; one of dates is refused with its other rules.
        | KernelSpec::Hierarchy(_)
        | KernelSpec::Prefix { .. }
        | KernelSpec::Round { .. }
        // What these make of a number or of a closed list of codes is a number or code of nobody.
        | KernelSpec::Microaggregate { .. }
        | KernelSpec::Noise { .. }
        | KernelSpec::Pram { .. }
        | KernelSpec::RankSwap { .. }
        | KernelSpec::TopBottom { .. } => None,
    }
}

/// A column of which nobody said what it holds may hold any number, characteristic or code.
fn unclassified(column: &Column, spec: &KernelSpec) -> Option<Broken> {
    let is_bounded = column.min.is_some() || column.max.is_some() || column.unit.is_some();
    let is_said = is_coded(column) || column.references.is_some();
    let is_classified = match column.kind {
        ColumnType::String => is_said || matches!(spec, KernelSpec::Zip3 {}),
        ColumnType::Int | ColumnType::Float => {
            is_said
                || is_bounded
                || matches!(spec, KernelSpec::Year { .. } | KernelSpec::Age { .. })
                || likenesses(column).any(|found| found == Likeness::Age)
        }
        ColumnType::Bool | ColumnType::Date | ColumnType::Timestamp => true,
    };
    (!is_classified).then(|| {
        Broken::new(
            'R',
            "is unclassified: nothing says what it holds, so it may be any number, characteristic \
             or code of one person",
            "declare its `codes` or `code_system`, the `unit` or `range` of a number, or take it out",
        )
    })
}

/// Ages beside years of events: their difference is a year of birth, and so an age over 89 that
/// neither of them shows.
pub(super) fn ages_beside_years(tables: &[TablePlan]) -> Vec<PlanFault> {
    let kept = || {
        tables.iter().flat_map(|table| {
            let kept = table.columns().iter().map(|column| column.source_name.as_str());
            let column = |name: &str| {
                let mut all = table.schema().columns.iter();
                all.find(|column| column.name == name)
            };
            kept.filter_map(column).map(|column| (table.table(), column))
        })
    };
    let is = |column: &Column, wanted: &[Likeness]| {
        likenesses(column).any(|found| wanted.contains(&found))
    };
    let shown = |column: &Column| column.deid.as_ref().map(shown_at_least);
    let of_event = |column: &Column| {
        matches!(shown(column), Some(KernelSpec::Year { .. }))
            && !is(column, &[Likeness::Birth, Likeness::BirthYear])
    };
    let Some((where_, year)) = kept().find(|(_, column)| of_event(column)) else {
        return Vec::new();
    };
    let of_age = |column: &Column| {
        matches!(shown(column), Some(KernelSpec::Age { .. })) || is(column, &[Likeness::Age])
    };
    let faults = kept().filter(|(_, column)| of_age(column)).map(|(table, column)| PlanFault {
        table: Some(table.to_owned()),
        column: Some(column.name.clone()),
        message: format!(
            "is an age beside the years of column `{}` of table `{where_}`: the two tell a year of \
             birth, and so an age over 89, 45 CFR 164.514(b)(2)(i)(C)",
            year.name
        ),
        hint:
            "release the year of birth by { kernel = \"year\" } in its place, or take one of the \
               two out"
                .to_owned(),
    });
    faults.collect()
}
