//! Reads `schemas/*.toml`: every fault of a file at once, each with its place and what to write.
//!
//! Comes in: a file's text. Goes out: a [`TableSchema`]. Never: a schema with an unknown key, two
//! persons or none, or a bound that its own type cannot read.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::Path,
};

use super::{Column, ColumnType, KernelSpec, Precision, Role, TableSchema, Unfit, cell, kernel};
use crate::{
    digest::{Sha3Digest, canonical_digest},
    fault::{Choice, Fault, Members, Sheet, Text},
};

/// The name of the person's column in every released table.
const PERSON: &str = "person";

const TYPES: &Choice<ColumnType> = &[
    ("string", ColumnType::String),
    ("int", ColumnType::Int),
    ("float", ColumnType::Float),
    ("bool", ColumnType::Bool),
    ("date", ColumnType::Date),
    ("timestamp", ColumnType::Timestamp),
];

const ROLES: &Choice<Role> = &[
    ("person", Role::Person),
    ("direct", Role::Direct),
    ("quasi", Role::Quasi),
    ("sensitive", Role::Sensitive),
    ("measure", Role::Measure),
    ("drop", Role::Drop),
];

const PRECISIONS: &Choice<Precision> =
    &[("year", Precision::Year), ("month", Precision::Month), ("day", Precision::Day)];

const UNFIT: &Choice<Unfit> = &[("reject", Unfit::Reject), ("null", Unfit::Null)];

impl ColumnType {
    /// Returns the word for it in a schema.
    pub fn word(self) -> &'static str {
        TYPES.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| *word)
    }
}

impl Role {
    /// Returns the word for it in a schema.
    pub fn word(self) -> &'static str {
        ROLES.iter().find(|(_, role)| *role == self).map_or("", |(word, _)| *word)
    }
}

impl TableSchema {
    /// Reads a schema from the text of its file.
    pub fn read(file: &Path, text: &str) -> Result<Self, Vec<Fault>> {
        let sheet = Sheet::new(file, text);
        let text = sheet.text();
        let parsed = sheet.parse(&text);
        if !sheet.is_clean() {
            // Half a file read would only add faults that are none.
            drop(parsed);
            return Err(sheet.into_faults());
        }
        let schema = read_table(&sheet, Members::new(&sheet, "schema", &parsed), file);
        drop(parsed);
        match schema {
            Some(schema) if sheet.is_clean() => Ok(schema),
            Some(_) | None => Err(sheet.into_faults()),
        }
    }
}

/// Returns whether a text is lower-case letters, digits and `_`, and begins with no digit.
pub(super) fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

fn read_table(sheet: &Sheet<'_>, top: Members<'_, '_>, file: &Path) -> Option<TableSchema> {
    let table = top.text_needed("table");
    if let Some(table) = table.as_ref().filter(|table| !is_name(&table.value)) {
        let name = &table.value;
        sheet.fault_hint(
            table.span.clone(),
            format!("`{name}` is no table name"),
            "a table name is lower-case letters, digits and `_`",
        );
    }
    let description = top.text("description").map(|text| text.value);
    let reference = top.flag("reference").unwrap_or(false);
    let category = top.text("category").map(|text| text.value);
    let nulls: Vec<String> =
        top.texts("null").unwrap_or_default().into_iter().map(|text| text.value).collect();
    let date_format = format(sheet, top.text("date_format"));
    let timestamp_format = format(sheet, top.text("timestamp_format"));
    let key = top.texts("key").unwrap_or_default();

    let mut columns: Vec<(Column, Places)> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for members in top.tables("column") {
        names.extend(members.text("name").map(|name| name.value));
        columns.extend(read_column(sheet, members, (&date_format, &timestamp_format)));
    }
    if columns.is_empty() && !top.has("column") {
        sheet.fault_hint(0..0, "this schema declares no columns", "each is a `[[column]]`");
    }

    // A column at fault is not missing as well.
    let whole = columns.len() == top.tables("column").len();
    if reference {
        check_reference(sheet, &columns);
    } else {
        check_persons(sheet, &columns, whole, top_span(table.as_ref()));
    }
    check_names(sheet, &columns);
    for part in &key {
        if !names.contains(&part.value) {
            let known = names.iter().map(String::as_str);
            sheet.unknown(part.span.clone(), "key column", &part.value, known);
        }
    }
    top.finish();

    let table = table?.value;
    let mut schema = TableSchema {
        category: category.unwrap_or_else(|| table.clone()),
        table,
        description,
        reference,
        key: key.into_iter().map(|text| text.value).collect(),
        columns: columns.into_iter().map(|(column, _)| column).collect(),
        nulls: nulls.into_iter().filter(|text| !text.is_empty()).collect(),
        date_format,
        timestamp_format,
        file: file.to_owned(),
        digest: Sha3Digest([0; 32]),
    };
    match canonical_digest(&schema) {
        Ok(digest) => schema.digest = digest,
        Err(error) => sheet.fault(0..0, error.to_string()),
    }
    Some(schema)
}

fn top_span(table: Option<&Text>) -> Range<usize> {
    table.map_or(0..0, |table| table.span.clone())
}

/// Checks a strftime format, which must not panic or fail at the first cell.
fn format(sheet: &Sheet<'_>, text: Option<Text>) -> Option<String> {
    let text = text?;
    let mut items = chrono::format::StrftimeItems::new(&text.value);
    if items.any(|item| matches!(item, chrono::format::Item::Error)) {
        sheet.fault_hint(text.span, "not a strftime format", "write one like \"%m/%d/%Y\"");
    }
    Some(text.value)
}

/// What to do with a column that nobody classified.
const UNCLASSIFIED: &str = "say what it is to the person, or give it the role `drop`: what nobody \
    classified may be any number, characteristic or code of one person, 45 CFR 164.514(b)(2)(i)(R)";

/// Where a column's members stand, for faults found later.
struct Places {
    name: Range<usize>,
    role: Range<usize>,
    released: Range<usize>,
}

fn read_column(
    sheet: &Sheet<'_>,
    members: Members<'_, '_>,
    (dates, times): (&Option<String>, &Option<String>),
) -> Option<(Column, Places)> {
    let name = members.text_needed("name");
    let kind = members.choice_needed("type", TYPES);
    if !members.has("role") {
        sheet.fault_hint(members.span(), "this column lacks `role`", UNCLASSIFIED);
    }
    let role = members.choice("role", ROLES);
    let released = members.text("as");
    let required = members.flag("required");
    let deid = members.table("deid").and_then(|table| kernel::read(table, kind));
    let range = members.table("range").map(|range| {
        let bounds = (range.scalar("min"), range.scalar("max"));
        range.finish();
        bounds
    });
    let codes = members.texts("codes").unwrap_or_default();
    let unit = members.text("unit").map(|text| text.value);
    let code_system = members.text("code_system").map(|text| text.value);
    let references = members.text("references");
    let unfit = members.choice("unfit", UNFIT).unwrap_or_default();
    let precision = members.choice("precision", PRECISIONS);
    let precision_span = members.value_span("precision");
    members.text("description");

    if let Some(references) = references.as_ref() {
        let parts = references.value.split_once('.');
        if !parts.is_some_and(|(table, column)| is_name(table) && !column.is_empty()) {
            let message = "a reference is `table.column`";
            sheet.fault(references.span.clone(), message);
        }
    }
    let places = Places {
        name: members.value_span("name"),
        role: members.value_span("role"),
        released: if released.is_some() {
            members.value_span("as")
        } else {
            members.value_span("name")
        },
    };
    let unfit_span = members.value_span("unfit");
    let deid_span = members.has("deid").then(|| members.value_span("deid"));
    members.finish();

    let (name, kind, role) = (name?, kind?, role?);
    if name.value.is_empty() || name.value != name.value.trim() {
        sheet.fault(name.span, "a column's name is neither empty nor has spaces at its ends");
    }
    let (min, max) = range.unwrap_or_default();
    let reads = |text: &str| match kind {
        ColumnType::String => true,
        ColumnType::Int => cell::int(text).is_some(),
        ColumnType::Float => cell::float(text).is_some(),
        ColumnType::Bool => cell::bool(text).is_some(),
        ColumnType::Date => cell::date(text, dates.as_deref()).is_some(),
        ColumnType::Timestamp => cell::timestamp(text, times.as_deref()).is_some(),
    };
    let word = kind.word();
    for bound in [&min, &max].into_iter().flatten() {
        if !reads(&bound.value) {
            sheet.fault(bound.span.clone(), format!("not a value of type `{word}`"));
        }
    }
    if let (Some(min), Some(max)) = (&min, &max) {
        let order = |text: &str| -> Option<f64> {
            match kind {
                ColumnType::Int | ColumnType::Float => cell::float(text),
                ColumnType::Date => cell::date(text, dates.as_deref()).map(f64::from),
                ColumnType::String | ColumnType::Bool | ColumnType::Timestamp => None,
            }
        };
        if order(&min.value).partial_cmp(&order(&max.value)) == Some(Ordering::Greater) {
            sheet.fault(min.span.clone(), "`min` is greater than `max`");
        }
    }
    for code in &codes {
        if !reads(&code.value) {
            sheet.fault(code.span.clone(), format!("not a value of type `{word}`"));
        }
    }
    let leaves_open = match kind {
        ColumnType::Date => dates.is_none() && precision != Some(Precision::Day),
        ColumnType::Timestamp => times.is_none(),
        ColumnType::String | ColumnType::Int | ColumnType::Float | ColumnType::Bool => false,
    };
    if precision.is_some() && !leaves_open {
        let message = format!("a column of type `{word}` has no such precision");
        let hint = "dates take `year` and `month`, timestamps `day` too, where no format is given";
        sheet.fault_hint(precision_span, message, hint);
    }
    if unfit == Unfit::Null && (role == Role::Person || required == Some(true)) {
        sheet.fault(unfit_span, "a column that must not be empty cannot empty its cells");
    }
    if let Some(span) = deid_span {
        match role {
            Role::Person => {
                sheet.fault(span, "the person's column becomes the pseudonym; it takes no kernel");
            }
            Role::Drop if deid != Some(KernelSpec::Drop {}) => {
                let hint = "leave `deid` out, or give the column another role";
                sheet.fault_hint(span, "a column of role `drop` takes no kernel", hint);
            }
            Role::Direct | Role::Quasi | Role::Sensitive | Role::Measure | Role::Drop => {}
        }
    }
    let default = if role == Role::Person { PERSON.to_owned() } else { name.value.to_lowercase() };
    let column = Column {
        released: released.map_or(default, |text| text.value),
        name: name.value,
        kind,
        role,
        required: required.unwrap_or(role == Role::Person),
        unfit,
        precision,
        deid,
        min: min.map(|text| text.value),
        max: max.map(|text| text.value),
        codes: codes.into_iter().map(|text| text.value).collect(),
        unit,
        code_system,
        references: references.map(|text| text.value),
    };
    Some((column, places))
}

fn check_persons(
    sheet: &Sheet<'_>,
    columns: &[(Column, Places)],
    whole: bool,
    table: Range<usize>,
) {
    let mut persons = columns.iter().filter(|(column, _)| column.role == Role::Person);
    match persons.next() {
        None if !whole || columns.is_empty() => {}
        None => sheet.fault_hint(
            table,
            "no column has the role `person`",
            "the rows of a table must tell whose they are: give one column `role = \"person\"`",
        ),
        Some((column, places)) if column.kind != ColumnType::String => sheet.fault_hint(
            places.role.clone(),
            "the person's column must be of type `string`",
            "an id is compared as it stands, so that 007 and 7 stay two people",
        ),
        Some((column, places)) if !column.required => {
            sheet.fault(places.role.clone(), "the person's column cannot be optional");
        }
        Some((_, _)) => {}
    }
    for (_, places) in persons {
        sheet.fault(places.role.clone(), "a second column with the role `person`");
    }
}

/// Checks that nothing of a table that tells of no person would be released.
fn check_reference(sheet: &Sheet<'_>, columns: &[(Column, Places)]) {
    for (_, places) in columns.iter().filter(|(column, _)| column.role != Role::Drop) {
        sheet.fault_hint(
            places.role.clone(),
            "a reference table releases nothing",
            "give its columns the role `drop`; rows of people need a column of role `person`",
        );
    }
}

/// Returns whether a column may reach a released table.
fn stays(column: &Column) -> bool {
    match column.role {
        Role::Drop => false,
        Role::Direct => !matches!(column.deid, None | Some(KernelSpec::Drop {})),
        Role::Person | Role::Quasi | Role::Sensitive | Role::Measure => {
            column.deid != Some(KernelSpec::Drop {})
        }
    }
}

fn check_names(sheet: &Sheet<'_>, columns: &[(Column, Places)]) {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let mut released: BTreeMap<&str, &str> = BTreeMap::new();
    for (column, places) in columns {
        let name = column.name.as_str();
        if !names.insert(name) {
            sheet.fault(places.name.clone(), format!("a second column named `{name}`"));
            continue;
        }
        if !stays(column) {
            continue;
        }
        let shown = column.released.as_str();
        if !is_name(shown) {
            sheet.fault_hint(
                places.released.clone(),
                format!("`{shown}` is no name for a released column"),
                "say `as = \"…\"` with lower-case letters, digits and `_`",
            );
        }
        if (shown == PERSON) != (column.role == Role::Person) {
            let message = format!("`{PERSON}` is the name of the person's column, and only of it");
            sheet.fault(places.released.clone(), message);
        }
        if let Some(other) = released.insert(shown, name) {
            let message = format!("released as `{shown}`, as is column `{other}`");
            sheet.fault(places.released.clone(), message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
table = "visits"
key = ["id"]
null = ["NULL"]
[[column]]
name = "PATIENT"
type = "string"
role = "person"
[[column]]
name = "id"
type = "int"
role = "measure"
required = true
range = { min = 1, max = 10 }
[[column]]
name = "BORN"
type = "date"
role = "quasi"
deid = { kernel = "year", band = 40 }
range = { min = 1900-01-01 }
"#;

    fn faults(text: &str) -> Vec<String> {
        let faults = TableSchema::read(Path::new("s.toml"), text).unwrap_err();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_good_schema_is_read_whole() {
        let schema = TableSchema::read(Path::new("s.toml"), GOOD).unwrap();
        assert_eq!(schema.category, "visits");
        assert_eq!(schema.person(), Some(0));
        let person = &schema.columns[0];
        assert!(person.required && person.released == "person");
        let born = &schema.columns[2];
        assert_eq!(born.deid, Some(KernelSpec::Year { top_age: 89, band: Some(40) }));
        assert_eq!(born.min.as_deref(), Some("1900-01-01"));
        assert_eq!(born.released, "born");
    }

    #[test]
    fn the_digest_changes_with_what_is_said_and_not_with_how_it_is_spaced() {
        let one = TableSchema::read(Path::new("a.toml"), GOOD).unwrap();
        let two = TableSchema::read(Path::new("b.toml"), &GOOD.replace(" = ", "=")).unwrap();
        let other = GOOD.replace("band = 40", "band = 41");
        let three = TableSchema::read(Path::new("a.toml"), &other).unwrap();
        assert_eq!(one.digest, two.digest);
        assert_ne!(one.digest, three.digest, "a changed contract would pass as the same");
    }

    #[test]
    fn all_faults_of_a_schema_come_at_once_in_its_order() {
        let text = GOOD
            .replace("role = \"measure\"", "role = \"mesure\"")
            .replace("required", "requird")
            .replace("kernel = \"year\"", "kernel = \"zip3\"");
        let found = faults(&text);
        assert!(found[0].starts_with("s.toml:12:8: unknown role `mesure`"), "{found:?}");
        assert!(found[1].starts_with("s.toml:13:1: unknown member"), "{found:?}");
        assert!(found.iter().any(|fault| fault.starts_with("s.toml:19:19: kernel")), "{found:?}");
    }

    #[test]
    fn a_syntax_error_has_a_place_too() {
        assert!(faults("table = \"a\"\ntable = = 3\n")[0].starts_with("s.toml:"));
    }
}
