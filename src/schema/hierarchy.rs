//! By which hierarchy a column is generalised, as its schema says it.
//!
//! Comes in: the members of `deid = { kernel = "hierarchy", … }`. Goes out: a [`HierarchySpec`], with
//! the text and digest of a hierarchy's file, so that a schema's digest changes with it.
//! Never: two rules for one column, or none.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ColumnType;
use crate::{
    digest::Sha3Digest,
    fault::{Choice, Members, Text, found_from},
};

/// By which hierarchy a column is generalised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HierarchySpec {
    /// What builds the hierarchy.
    pub by: HierarchyRule,
    /// What is done to each value first; its text is what the hierarchy's leaves are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<First>,
    /// The lowest level that may be shown; 0 is the value itself.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub least: u32,
}

/// What builds a hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum HierarchyRule {
    /// A file of lines `value;level1;level2;…`.
    File {
        /// Its path, from the folder above `schemas/`.
        path: String,
        /// The digest of its bytes.
        digest: Sha3Digest,
        /// Its text.
        #[serde(skip)]
        text: Arc<str>,
    },
    /// The first characters of a text: so many at each level, fewer and fewer.
    Prefix(Vec<u32>),
    /// Numbers in bands: of such a width at each level, wider and wider.
    Widths(Vec<u32>),
    /// Dates, told less and less exactly.
    Dates(Vec<DatePart>),
    /// A code system that has levels of its own.
    Codes(CodeSystem),
}

/// How exactly a date is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatePart {
    /// `2015-02-07`, of a date with a time of day.
    Day,
    /// `2015-02`.
    Month,
    /// `2015-Q1`.
    Quarter,
    /// `2015`.
    Year,
    /// `2010-2019`.
    Decade,
}

/// A code system whose codes stand in levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CodeSystem {
    /// Category, block and chapter of ICD-10.
    #[serde(rename = "icd-10")]
    Icd10,
    /// The five levels of the Anatomical Therapeutic Chemical classification.
    Atc,
}

/// A kernel of rows that runs before a hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum First {
    /// The year, those that show an age over 89 in one class.
    Year,
    /// An age, those over 89 in one class.
    Age,
    /// The first three digits of a ZIP code where enough people live.
    Zip3,
}

const DATE_PARTS: [(&str, DatePart); 5] = [
    ("day", DatePart::Day),
    ("month", DatePart::Month),
    ("quarter", DatePart::Quarter),
    ("year", DatePart::Year),
    ("decade", DatePart::Decade),
];

const CODE_SYSTEMS: &Choice<CodeSystem> =
    &[("icd-10", CodeSystem::Icd10), ("atc", CodeSystem::Atc)];

const FIRSTS: &Choice<First> = &[("year", First::Year), ("age", First::Age), ("zip3", First::Zip3)];

/// The keys of which exactly one says what builds the hierarchy.
const RULES: [&str; 5] = ["file", "prefix", "widths", "dates", "codes"];

/// Reads the members of a hierarchy.
pub(super) fn read(members: &Members<'_, '_>) -> Option<HierarchySpec> {
    let named: Vec<&str> = RULES.into_iter().filter(|key| members.has(key)).collect();
    let after = members.choice("after", FIRSTS);
    let least = members.integer("least", 0).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let rule = members.text("file").map(|text| file(members, &text));
    let prefix = numbers(members, "prefix");
    let widths = numbers(members, "widths");
    let dates = members.texts("dates").map(|texts| parts(members, texts));
    let codes = members.choice("codes", CODE_SYSTEMS);
    let [_] = named.as_slice() else {
        let hint = "exactly one of `file`, `prefix`, `widths`, `dates` and `codes` builds it";
        members.sheet().fault_hint(
            members.span(),
            format!("this hierarchy has {} rules", named.len()),
            hint,
        );
        return None;
    };
    let by = match (rule, prefix, widths, dates, codes) {
        (Some(file), ..) => file?,
        (_, Some(lengths), ..) => {
            descend(members, "prefix", &lengths);
            HierarchyRule::Prefix(lengths)
        }
        (_, _, Some(widths), ..) => {
            ascend(members, "widths", &widths);
            HierarchyRule::Widths(widths)
        }
        (_, _, _, Some(parts), _) => {
            ascend(members, "dates", &parts);
            HierarchyRule::Dates(parts)
        }
        (.., Some(codes)) => HierarchyRule::Codes(codes),
        (None, None, None, None, None) => return None,
    };
    Some(HierarchySpec { by, after, least })
}

/// The types of columns that a hierarchy takes.
pub(super) fn takes(spec: &HierarchySpec) -> &'static [ColumnType] {
    use ColumnType::{Bool, Date, Float, Int, String, Timestamp};
    match (spec.after, &spec.by) {
        (Some(First::Year), _) => &[Date, Timestamp, Int],
        (Some(First::Age), _) => &[Int],
        (Some(First::Zip3), _) | (None, HierarchyRule::Prefix(_) | HierarchyRule::Codes(_)) => {
            &[String]
        }
        (None, HierarchyRule::File { .. }) => &[String, Int, Float, Bool, Date],
        (None, HierarchyRule::Widths(_)) => &[Int, Float],
        (None, HierarchyRule::Dates(_)) => &[Date, Timestamp],
    }
}

fn file(members: &Members<'_, '_>, named: &Text) -> Option<HierarchyRule> {
    let sheet = members.sheet();
    let source = sheet.file();
    let Some(found) = found_from(source, &named.value) else {
        let hint = "paths are taken from the folder above `schemas/`";
        sheet.fault_hint(named.span.clone(), format!("there is no file `{}`", named.value), hint);
        return None;
    };
    match std::fs::read_to_string(&found) {
        Ok(text) => Some(HierarchyRule::File {
            path: named.value.clone(),
            digest: Sha3Digest::of(text.as_bytes()),
            text: text.into(),
        }),
        Err(error) => {
            let message = format!("`{}` cannot be read: {error}", named.value);
            sheet.fault(named.span.clone(), message);
            None
        }
    }
}

fn numbers(members: &Members<'_, '_>, key: &'static str) -> Option<Vec<u32>> {
    let number = |text: Text| {
        let number = text.value.parse::<u32>().ok().filter(|number| *number > 0);
        if number.is_none() {
            members.sheet().fault(text.span, "not an integer of 1 or more");
        }
        number
    };
    Some(members.texts(key)?.into_iter().filter_map(number).collect())
}

fn parts(members: &Members<'_, '_>, texts: Vec<Text>) -> Vec<DatePart> {
    let known = DATE_PARTS.map(|(word, _)| word);
    let part = |text: Text| {
        let found = DATE_PARTS.iter().find(|(word, _)| *word == text.value);
        if found.is_none() {
            members.sheet().unknown(text.span, "part of a date", &text.value, known);
        }
        found.map(|(_, part)| *part)
    };
    texts.into_iter().filter_map(part).collect()
}

fn ascend<T: Ord>(members: &Members<'_, '_>, key: &'static str, levels: &[T]) {
    if levels.is_empty() || !levels.is_sorted_by(|a, b| a < b) {
        let message = format!("each level of `{key}` is coarser than the one before");
        members.sheet().fault(members.value_span(key), message);
    }
}

fn descend(members: &Members<'_, '_>, key: &'static str, levels: &[u32]) {
    if levels.is_empty() || !levels.is_sorted_by(|a, b| a > b) {
        let message = format!("each level of `{key}` keeps fewer characters than the one before");
        members.sheet().fault(members.value_span(key), message);
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
