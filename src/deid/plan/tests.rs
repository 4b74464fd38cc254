//! What a plan lets leave, and what it refuses, rule by rule.

mod safe_harbor;

use super::*;
use crate::{
    deid::{Fraction, detect},
    schema::Column,
};

pub(in crate::deid) fn column(name: &str, kind: ColumnType, role: Role) -> Column {
    Column {
        name: name.to_owned(),
        released: name.to_lowercase(),
        kind,
        role,
        required: false,
        precision: None,
        unfit: crate::schema::Unfit::default(),
        deid: None,
        min: None,
        max: None,
        codes: Vec::new(),
        unit: None,
        code_system: None,
        references: None,
    }
}

pub(in crate::deid) fn with(mut column: Column, deid: &str) -> Column {
    column.deid = Some(toml::from_str(deid).unwrap());
    column
}

pub(in crate::deid) fn table(name: &str, columns: Vec<Column>) -> Arc<TableSchema> {
    let mut all = vec![column("Id", ColumnType::String, Role::Person)];
    all.extend(columns);
    Arc::new(TableSchema {
        table: name.to_owned(),
        description: None,
        reference: false,
        category: name.to_owned(),
        key: Vec::new(),
        columns: all,
        nulls: Vec::new(),
        date_format: None,
        timestamp_format: None,
        file: std::path::PathBuf::new(),
        digest: Sha3Digest::of(b""),
    })
}

pub(in crate::deid) fn settings() -> Settings {
    Settings {
        as_of: chrono::NaiveDate::from_ymd_opt(2026, 11, 22),
        suppress_limit: Fraction::parse("1").unwrap(),
        ..Settings::default()
    }
}

fn read(columns: Vec<Column>) -> Result<Plan, Vec<PlanFault>> {
    Plan::read(&[table("t", columns)], &settings())
}

/// Reads a plan of one column and returns what it is refused for.
fn refused(column: Column) -> String {
    let name = column.name.clone();
    match read(vec![column]) {
        Ok(_) => panic!("`{name}` would leave bare"),
        Err(faults) => {
            assert!(faults.iter().all(|fault| fault.column.as_deref() == Some(&name)));
            faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        }
    }
}

fn taken(column: Column) {
    if let Err(faults) = read(vec![column]) {
        panic!("a safe column is refused: {}", faults[0]);
    }
}

use ColumnType::{Bool, Date, Float, Int, String as Text, Timestamp};

const MEASURE: Role = Role::Measure;

#[test]
fn a_column_whose_name_looks_like_an_identifier_may_not_leave_bare() {
    for name in [
        "SSN",
        "passport_no",
        "PHONE",
        "email",
        "mrn",
        "FIRST",
        "last_name",
        "Name",
        "address",
        "street",
        "ip_address",
        "licence",
        "license_number",
        "DRIVERS",
    ] {
        for role in [Role::Measure, Role::Quasi, Role::Sensitive] {
            assert!(refused(column(name, Text, role)).contains("looks by its name like"), "{name}");
        }
        taken(with(column(name, Text, MEASURE), "kernel = 'keep'\nallow = 'checked by hand'"));
        taken(with(column(name, Text, MEASURE), "kernel = 'pseudonym'\ndomain = 'x'"));
        taken(column(name, Text, Role::Direct));
    }
    for name in ["lat", "lon"] {
        assert!(refused(column(name, Float, MEASURE)).contains("a point on the map"));
        taken(with(column(name, Float, Role::Quasi), "kernel = 'round'\nto = '1'"));
    }
    for name in ["ssn", "account_number"] {
        assert!(refused(column(name, Int, MEASURE)).contains("a number given to one person"));
        assert!(
            refused(with(column(name, Text, MEASURE), "kernel = 'prefix'\nlength = 5"))
                .contains("number")
        );
    }
}

#[test]
fn a_date_needs_a_shift_or_only_its_year() {
    for kind in [Date, Timestamp] {
        for role in [Role::Measure, Role::Quasi, Role::Sensitive] {
            assert!(refused(column("START", kind, role)).contains("is a date"));
        }
        taken(with(column("START", kind, MEASURE), "kernel = 'shift-date'"));
        taken(with(column("START", kind, Role::Quasi), "kernel = 'year'"));
    }
}

#[test]
fn a_date_of_birth_may_not_leave_shifted() {
    let shifted = with(column("BIRTHDATE", Date, Role::Quasi), "kernel = 'shift-date'");
    assert!(
        refused(shifted).contains("a date of birth"),
        "a shifted birth date shows an age over 89"
    );
    taken(with(column("BIRTHDATE", Date, Role::Quasi), "kernel = 'year'"));
    taken(with(column("BIRTHDATE", Date, Role::Quasi), "kernel = 'year'\nband = 20"));
    assert!(refused(column("month_of_birth", Int, MEASURE)).contains("a part of one"));
}

#[test]
fn a_birth_year_or_an_age_needs_its_top() {
    assert!(refused(column("year_of_birth", Int, Role::Quasi)).contains("a year of birth"));
    taken(with(column("year_of_birth", Int, Role::Quasi), "kernel = 'year'"));
    assert!(refused(column("age_at_visit", Int, Role::Quasi)).contains("an age"));
    taken(with(column("age_at_visit", Int, Role::Quasi), "kernel = 'age'"));
    taken(with(column("AGE", Float, Role::Quasi), "kernel = 'band'\nwidth = 5\ntop = 90"));
    for band in ["kernel = 'band'\nwidth = 5", "kernel = 'band'\nwidth = 5\ntop = 95"] {
        assert!(refused(with(column("age", Int, Role::Quasi), band)).contains("an age"));
    }
    let high = with(column("age", Int, Role::Quasi), "kernel = 'age'\ntop_age = 95");
    assert!(refused(high).contains("ages up to 95"));
}

#[test]
fn a_zip_code_leaves_as_three_digits_or_not_at_all() {
    for name in ["ZIP", "postal_code", "Postcode"] {
        assert!(refused(column(name, Text, Role::Quasi)).contains("ZIP"));
        let allowed = with(column(name, Text, Role::Quasi), "kernel = 'keep'\nallow = 'please'");
        assert!(refused(allowed).contains("ZIP"));
        taken(with(column(name, Text, Role::Quasi), "kernel = 'zip3'"));
        taken(with(column(name, Text, Role::Quasi), "kernel = 'drop'"));
    }
}

#[test]
fn free_text_is_dropped_unless_somebody_answers_for_it() {
    for role in [Role::Measure, Role::Sensitive] {
        assert!(refused(column("note", Text, role)).contains("is free text"));
        taken(with(column("note", Text, role), "kernel = 'drop'"));
        taken(with(column("note", Text, role), "kernel = 'keep'\nallow = 'display of a code'"));
        let mut coded = column("CODE", Text, role);
        coded.code_system = Some("http://loinc.org".to_owned());
        taken(coded);
        let mut listed = column("kind", Text, role);
        listed.codes = vec!["a".to_owned(), "b".to_owned()];
        taken(listed);
    }
    let silent = with(column("note", Text, MEASURE), "kernel = 'keep'\nallow = ' '");
    assert!(refused(silent).contains("without a reason"));
}

#[test]
fn a_key_of_the_source_may_not_leave_bare() {
    assert!(refused(column("visit_occurrence_id", Int, MEASURE)).contains("a key of a record"));
    taken(column("condition_concept_id", Int, MEASURE));
    let mut schema = table("t", vec![column("number", Int, MEASURE)]).as_ref().clone();
    schema.key = vec!["number".to_owned()];
    let faults = Plan::read(&[Arc::new(schema)], &settings()).unwrap_err();
    assert!(faults[0].message.contains("the table's key"));
}

#[test]
fn a_reference_leaves_in_the_form_of_what_it_refers_to() {
    let visits = table(
        "visits",
        vec![with(column("Visit", Text, MEASURE), "kernel = 'pseudonym'\ndomain = 'visit'")],
    );
    let refers = |mut column: Column| {
        column.references = Some("visits.Visit".to_owned());
        Plan::read(&[Arc::clone(&visits), table("t", vec![column])], &settings())
    };
    let bare = refers(column("Visit", Text, MEASURE)).unwrap_err();
    assert!(bare[0].message.contains("becomes a pseudonym of `visit`"));
    let other = with(column("Visit", Text, MEASURE), "kernel = 'pseudonym'\ndomain = 'v'");
    assert!(refers(other).is_err());
    let same = with(column("Visit", Text, MEASURE), "kernel = 'pseudonym'\ndomain = 'visit'");
    assert!(refers(same).is_ok());
    let mut nowhere = column("Visit", Text, MEASURE);
    nowhere.references = Some("elsewhere.Visit".to_owned());
    assert!(refused(nowhere).contains("no table of this pipeline"));
}

#[test]
fn a_direct_identifier_is_dropped_or_becomes_a_pseudonym() {
    let plan = read(vec![column("SSN", Text, Role::Direct)]).unwrap();
    assert_eq!(plan.tables()[0].columns().len(), 1, "a direct identifier is released");
    assert_eq!(plan.tables()[0].dropped().collect::<Vec<_>>(), ["SSN"]);
    taken(with(column("SSN", Text, Role::Direct), "kernel = 'pseudonym'\ndomain = 'ssn'"));
    let kept = with(column("SSN", Text, Role::Direct), "kernel = 'keep'\nallow = 'why not'");
    assert!(refused(kept).contains("a direct identifier"));
}

#[test]
fn a_table_needs_exactly_one_person_whose_id_becomes_the_pseudonym() {
    let mut nobody = table("t", Vec::new()).as_ref().clone();
    nobody.columns[0].role = Role::Drop;
    let faults = Plan::read(&[Arc::new(nobody)], &settings()).unwrap_err();
    assert!(faults[0].message.contains("no person column"));
    assert!(refused(column("Other", Text, Role::Person)).contains("second person column"));
    let mut kept = table("t", Vec::new()).as_ref().clone();
    kept.columns[0].deid = Some(KernelSpec::Keep { allow: Some("why not".to_owned()) });
    assert!(Plan::read(&[Arc::new(kept)], &settings()).is_err());
    let own = with(column("mother", Text, MEASURE), "kernel = 'pseudonym'\ndomain = 'person'");
    assert!(refused(own).contains("the contributor's own"));
    assert!(read(vec![column("PERSON", Bool, MEASURE)]).is_err(), "two columns named `person`");
}

#[test]
fn a_kernel_that_does_not_fit_its_column_is_refused() {
    for (kind, deid) in [
        (Int, "kernel = 'zip3'"),
        (Bool, "kernel = 'round'\nto = '10'"),
        (Int, "kernel = 'round'\nto = '0.5'"),
        (Float, "kernel = 'round'\nto = '0'"),
        (Text, "kernel = 'shift-date'"),
        (Float, "kernel = 'age'"),
        (Float, "kernel = 'band'\nwidth = 0"),
        (Text, "kernel = 'prefix'\nlength = 0"),
    ] {
        refused(with(column("value", kind, MEASURE), deid));
    }
}

#[test]
fn settings_that_protect_nobody_are_refused() {
    let year = || with(column("BIRTHDATE", Date, Role::Quasi), "kernel = 'year'");
    let zip = || with(column("ZIP", Text, Role::Quasi), "kernel = 'zip3'");
    for (wrong, word) in [
        (Settings { k: 1, ..settings() }, "k = 1"),
        (Settings { shift_days_max: 0, ..settings() }, "shift_days_max"),
        (Settings { as_of: None, ..settings() }, "no day is given"),
        (
            Settings { as_of: chrono::NaiveDate::from_ymd_opt(2033, 1, 1), ..settings() },
            "2020 census",
        ),
    ] {
        let faults = Plan::read(&[table("t", vec![year(), zip()])], &wrong).unwrap_err();
        assert!(faults[0].to_string().contains(word), "{}", faults[0]);
        assert_eq!(faults[0].table, None);
    }
}

#[test]
fn every_fault_is_reported_at_once() {
    let faults = read(vec![
        column("SSN", Text, MEASURE),
        column("START", Date, MEASURE),
        column("ZIP", Text, Role::Quasi),
    ])
    .unwrap_err();
    let columns: BTreeSet<_> = faults.iter().filter_map(|fault| fault.column.as_deref()).collect();
    assert_eq!(columns.into_iter().collect::<Vec<_>>(), ["SSN", "START", "ZIP"]);
}

#[test]
fn values_betray_an_identifier_whose_name_does_not() {
    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    let columns = vec![
        column("ref1", Text, Role::Quasi),
        column("amount", Int, MEASURE),
        with(column("remark", Text, MEASURE), "kernel = 'keep'\nallow = 'checked'"),
        with(column("hidden", Text, MEASURE), "kernel = 'pseudonym'\ndomain = 'h'"),
    ];
    let plan = read(columns).unwrap();
    let ssn: ArrayRef =
        Arc::new(StringArray::from(vec!["999-17-5017", "999-50-8136", "219-09-9999"]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![17, 23, 4_000]));
    let rows = RecordBatch::try_from_iter_with_nullable([
        ("Id", Arc::clone(&ssn), true),
        ("ref1", Arc::clone(&ssn), true),
        ("amount", numbers, true),
        ("remark", Arc::clone(&ssn), true),
        ("hidden", ssn, true),
    ]);
    let mut sample = detect::Sample::new(&plan.tables()[0]);
    sample.add(&rows.unwrap());
    let findings = sample.findings();
    let told: Vec<_> = findings.iter().map(|found| (found.column.as_str(), found.weight)).collect();
    let (leak, doubt) = (detect::Weight::Leak, detect::Weight::Doubt);
    assert_eq!(
        told,
        [("ref1", leak), ("remark", doubt)],
        "a column is missed, or a hidden one told"
    );
    let text = findings[0].to_string();
    assert_eq!(text, "column `ref1` looks like a US social security number in 3 of 3 sampled rows");
    assert!(!format!("{findings:?}").contains("999"), "a finding repeats a value");
}

/// Reads the schemas that a pipeline's file names, and its profile.
fn schemas_of(pipeline: &std::path::Path) -> (Vec<Arc<TableSchema>>, Profile) {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(pipeline).unwrap();
    let pipeline: toml::Table = toml::from_str(&text).unwrap();
    let profile = pipeline.get("deid").and_then(|deid| deid.get("profile"));
    let profile = profile.map_or(Profile::Expert, |name| name.clone().try_into().unwrap());
    // A file of rules, which has no sources, releases nothing.
    let sources = pipeline.get("source").into_iter().flat_map(|all| all.as_array().unwrap());
    let files: BTreeSet<_> =
        sources.map(|source| root.join(source["schema"].as_str().unwrap())).collect();
    let read = |file: &std::path::PathBuf| {
        Arc::new(TableSchema::read(file, &std::fs::read_to_string(file).unwrap()).unwrap())
    };
    (files.iter().map(read).collect(), profile)
}

#[test]
fn the_pipelines_of_this_repository_let_no_identifier_leave() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    let mut faults = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let (schemas, profile) = schemas_of(&file);
        if let Err(found) = Plan::read(&schemas, &Settings { profile, ..settings() }) {
            faults.extend(found.iter().map(|fault| format!("{}: {fault}", file.display())));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
