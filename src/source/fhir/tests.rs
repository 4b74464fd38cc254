//! Tests of views as a whole: what is refused, what a bad resource does, and the laws.

use std::{fmt::Write as _, ops::ControlFlow, path::PathBuf, sync::Arc};

use arrow::array::{Array as _, AsArray as _};
use proptest::prelude::*;

use super::*;
use crate::source::{
    Error, Format, Options, Part, RawBatch, RowFault, RowFaultKind, cut, read_view, survey,
};

/// A view of one select, with these columns as name, path and type.
fn view_of(resource: &str, columns: &[(&str, &str, &str)]) -> View {
    let columns: Vec<String> = columns
        .iter()
        .map(|(name, path, kind)| {
            serde_json::json!({"name": name, "path": path, "type": kind}).to_string()
        })
        .collect();
    let columns = columns.join(",");
    View::compile(&format!(
        r#"{{"resource": "{resource}", "select": [{{"column": [{columns}]}}]}}"#
    ))
    .unwrap()
}

fn patients() -> View {
    view_of("Patient", &[("id", "id", "id"), ("family", "name.family.first()", "string")])
}

fn numbers() -> View {
    view_of(
        "Observation",
        &[
            ("id", "getResourceKey()", "id"),
            ("n", "value.ofType(integer)", "integer"),
            ("q", "value.ofType(Quantity).value", "decimal"),
        ],
    )
}

/// Runs a view over resources; rows as text, `-` for null, and faults as line and kind.
fn see(view: &View, resources: &[&str]) -> (Vec<String>, Vec<(u64, RowFaultKind)>) {
    let mut runner = Runner::with_cells(view, Settings::default(), table::Cells::Text);
    for (line, resource) in (1..).zip(resources) {
        runner.push(resource.as_bytes(), line);
    }
    let batch = runner.finish_text(&Arc::from("t")).unwrap();
    let faults = batch.faults().iter().map(|fault| (fault.line, fault.kind)).collect();
    (rows(&batch), faults)
}

fn rows(batch: &RawBatch) -> Vec<String> {
    (0..batch.rows())
        .map(|row| {
            let cell = |name: &Arc<str>| {
                let column = batch.column(name).unwrap();
                if column.is_valid(row) { column.value(row).to_owned() } else { "-".to_owned() }
            };
            batch.names().iter().map(cell).collect::<Vec<_>>().join("|")
        })
        .collect()
}

fn faults_of(text: &str) -> Vec<String> {
    View::compile(text).unwrap_err().faults().iter().map(|fault| fault.path.clone()).collect()
}

#[test]
fn every_fault_of_a_view_is_told_with_its_place() {
    let text = r#"{"resource": "Patient", "resorce": 1, "constant": [{"name": "x"}],
        "select": [{"forEach": "name.", "forEachOrNull": "name", "column": [
            {"name": "a b", "path": "id"}, {"name": "c", "path": "frist()", "type": "strnig"},
            {"path": "id"}]},
            {"column": [{"name": "d", "path": "id", "collection": "yes"}]}, {}],
        "where": [{"path": "id.join()"}]}"#;
    assert_eq!(
        faults_of(text),
        [
            "resorce",
            "constant[0]",
            "select[0]",
            "select[0].forEach",
            "select[0].column[0].name",
            "select[0].column[1].path",
            "select[0].column[1].type",
            "select[0].column[2].name",
            "select[1].column[0].collection",
            "select[2]",
            "where[0].path",
        ]
    );
    let error = View::compile(r#"{"resource": "Patient", "select": [{"colunm": []}]}"#);
    let error = error.unwrap_err();
    assert_eq!(error.faults()[0].hint.as_deref(), Some("did you mean `column`?"));
    for text in ["", "[]", "{", "{}", "nul", r#"{"resource": 1}"#] {
        assert!(!faults_of(text).is_empty(), "{text} was taken for a view");
    }
}

#[test]
fn deeply_nested_selects_are_refused_and_not_followed() {
    let deep = format!(
        r#"{{"resource": "Patient", "select": [{}{}]}}"#,
        r#"{"select": ["#.repeat(50_000),
        "]}".repeat(50_000)
    );
    assert!(View::compile(&deep).is_err(), "the stack would overflow");
}

#[test]
fn a_bad_resource_is_told_by_its_kind_and_its_neighbours_go_on() {
    let big =
        format!(r#"{{"resourceType":"Observation","id":"f","valueInteger":{}}}"#, "9".repeat(30));
    let deep = format!(
        r#"{{"resourceType":"Observation","id":"g","x":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let resources = [
        r#"{"resourceType":"Observation","id":"a","valueInteger":1}"#,
        r#"{"resourceType":"Observation","id":"b","valueInteger":"1"}"#,
        r#"{"resourceType":"Observation","valueInteger":1}"#,
        r#"{"id":"c","valueInteger":1}"#,
        r#"{"resourceType":"Patient","id":"p"}"#,
        "[1]",
        r#"{"resourceType":"Observation","id":"d""#,
        r#"{"resourceType":"Observation","id":"e","valueInteger":1.5}"#,
        &big,
        &deep,
        r#"{"resourceType":"Observation","id":"","valueInteger":1}"#,
        r#"{"resourceType":"Observation","id":"h","valueQuantity":[{"value":1},{"value":2}]}"#,
        r#"{"resourceType":"Observation","id":"z","valueQuantity":{"value":1.50}}"#,
    ];
    let (rows, faults) = see(&numbers(), &resources);
    assert_eq!(rows, ["a|1|-", "z|-|1.50"], "a decimal lost a digit, or a bad row passed");
    assert_eq!(
        faults,
        [
            (2, RowFaultKind::Value),
            (3, RowFaultKind::Resource),
            (4, RowFaultKind::Resource),
            (6, RowFaultKind::Resource),
            (7, RowFaultKind::Syntax),
            (8, RowFaultKind::Value),
            (9, RowFaultKind::Syntax),
            (10, RowFaultKind::Syntax),
            (11, RowFaultKind::Resource),
            (12, RowFaultKind::Value),
        ]
    );
}

#[test]
fn a_member_given_twice_is_a_fault_and_not_a_choice() {
    let twice = r#"{"resourceType":"Observation","id":"a","valueInteger":1,"valueInteger":2}"#;
    let (rows, faults) = see(&numbers(), &[twice, &twice.replace("1,\"valueInteger\"", "1,\"x\"")]);
    assert_eq!(rows, ["a|1|-"], "one of two values was taken");
    assert_eq!(faults, [(1, RowFaultKind::Resource)]);
}

#[test]
fn a_fault_names_its_column_and_never_the_value() {
    let view = numbers();
    let mut runner = Runner::new(&view, Settings::default());
    runner.push(br#"{"resourceType":"Observation","id":"a","valueInteger":"CANARY"}"#, 7);
    runner.push(b"{\"resourceType\":\"Observation\",\"id\":CANARY}", 8);
    let faults = runner.finish().unwrap().faults;
    assert_eq!(faults[0].column.as_deref(), Some("n"));
    assert_eq!(faults[0].reason, "a text where a whole number is wanted");
    let said = format!("{faults:?}");
    assert!(!said.contains("CANARY"), "{said}");
}

#[test]
fn a_resource_that_fails_half_way_leaves_no_row() {
    let view = View::compile(
        r#"{"resource": "Patient", "select": [{"column": [{"name": "id", "path": "id"}]},
            {"forEach": "name", "column": [
                {"name": "family", "path": "family", "type": "string"},
                {"name": "given", "path": "given", "type": "string", "collection": true}]}]}"#,
    )
    .unwrap();
    let good = r#"{"resourceType":"Patient","id":"a","name":[{"family":"A","given":["x","y"]}]}"#;
    let half =
        r#"{"resourceType":"Patient","id":"b","name":[{"family":"B","given":["z"]},{"family":1}]}"#;
    let mut runner = Runner::new(&view, Settings { digests: true, ..Settings::default() });
    for (line, text) in [(1, good), (2, half), (3, good)] {
        runner.push(text.as_bytes(), line);
    }
    let batch = runner.finish().unwrap();
    assert_eq!(batch.lines, [1, 3], "rows of a faulted resource stayed");
    let given = batch.rows.column(2).as_list::<i32>();
    assert_eq!(given.value(1).as_string::<i32>().value(0), "x", "a list has another's items");
    let digests = batch.rows.column(3).as_fixed_size_binary();
    assert_eq!(digests.value(0), crate::digest::Sha256::of(good.as_bytes()).0);
    assert_eq!(runner.counts().faults, 1);
}

#[test]
fn text_as_json_writes_it_is_unescaped_and_numbers_after_it_are_found() {
    let resource = r#"{"resourceType":"Observation","id":"a\u00e9\"","x":"\\\"\n","y":[1.10,[2.20,{}]],
        "valueQuantity":{"value":  -3.300E0 }}"#;
    let (rows, faults) = see(&numbers(), &[resource]);
    assert_eq!(rows, ["aé\"|-|-3.300E0"], "{faults:?}");
}

#[test]
fn undeclared_columns_take_what_their_path_says_else_text() {
    let view = View::compile(
        r#"{"resource": "Observation", "select": [{"column": [
            {"name": "has", "path": "value.exists()"}, {"name": "n", "path": "%rowIndex"},
            {"name": "q", "path": "value.ofType(Quantity).value"}, {"name": "t", "path": "status"}]}]}"#,
    )
    .unwrap();
    let kinds: Vec<Kind> = view.columns().iter().map(|column| column.kind).collect();
    assert_eq!(kinds, [Kind::Boolean, Kind::Integer, Kind::Text, Kind::Text]);
    let resource =
        r#"{"resourceType":"Observation","id":"a","status":true,"valueQuantity":{"value":1.0}}"#;
    let (rows, _) = see(&view, &[resource]);
    assert_eq!(rows, ["true|0|1.0|true"]);
}

#[test]
fn a_resource_cannot_make_rows_without_end() {
    let view = View::compile(
        r#"{"resource": "Patient", "select": [{"column": [{"name": "id", "path": "id"}]},
            {"forEach": "name", "column": [{"name": "a", "path": "use"}]},
            {"forEach": "name", "column": [{"name": "b", "path": "use"}]}]}"#,
    )
    .unwrap();
    let names = vec!["{}"; 1000].join(",");
    let resource = format!(r#"{{"resourceType":"Patient","id":"a","name":[{names}]}}"#);
    let (rows, faults) = see(&view, &[&resource]);
    assert!(rows.is_empty(), "a million rows of one resource passed");
    assert_eq!(faults, [(1, RowFaultKind::Value)]);
}

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

type Seen = (Vec<(u64, String)>, Vec<RowFault>, Counts);

fn read_file(path: &std::path::Path, format: Format, view: &View) -> Result<Seen, Error> {
    let part = Part::whole(crate::source::bytes::size(path)?);
    read_part(path, format, view, &part, &Options::default())
}

fn read_part(
    path: &std::path::Path,
    format: Format,
    view: &View,
    part: &Part,
    options: &Options,
) -> Result<Seen, Error> {
    let mut seen = Seen::default();
    let name = Arc::from("t");
    seen.2 = read_view(path, &name, format, view, part, options, &mut |batch| {
        seen.0.extend(batch.lines().iter().copied().zip(rows(&batch)));
        seen.1.extend_from_slice(batch.faults());
        ControlFlow::Continue(())
    })?;
    Ok(seen)
}

const A: &str = r#"{"resourceType":"Patient","id":"a","name":[{"family":"A"}]}"#;
const B: &str = r#"{"resourceType":"Patient","id":"b"}"#;
const O: &str = r#"{"resourceType":"Observation","id":"o"}"#;

#[test]
fn ndjson_with_a_byte_order_mark_blank_lines_and_carriage_returns_is_read() {
    let dir = Dir::new();
    let text = format!("\u{feff}{A}\r\n\r\n{O}  \r\nx\n  {B}\t");
    let path = dir.file("t.ndjson", &text);
    let (rows, faults, counts) = read_file(&path, Format::FhirNdjson, &patients()).unwrap();
    assert_eq!(rows, [(1, "a|A".to_owned()), (5, "b|-".to_owned())]);
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].line, 4, "a steward would look at the wrong line");
    let wanted = Counts { resources: 2, rows: 2, faults: 1, passed_over: 1, lines: 5 };
    assert_eq!(counts, wanted);

    let zstd = dir.file("t.ndjson.zst", zstd::encode_all(text.as_bytes(), 3).unwrap());
    assert_eq!(read_file(&zstd, Format::FhirNdjson, &patients()).unwrap().0, rows);
    let empty = dir.file("empty.ndjson", " \n");
    let error = read_file(&empty, Format::FhirNdjson, &patients()).unwrap_err();
    assert!(matches!(error, Error::Empty { .. }), "{error}");
}

#[test]
fn a_line_past_the_limit_is_a_fault_and_the_rest_goes_on() {
    let dir = Dir::new();
    let long = format!(r#"{{"resourceType":"Patient","id":"l","x":"{}"}}"#, "x".repeat(2 << 20));
    let path = dir.file("t.ndjson", format!("{A}\n{long}\n{B}\n"));
    let (rows, faults, _) = read_file(&path, Format::FhirNdjson, &patients()).unwrap();
    assert_eq!(rows.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 3]);
    assert_eq!((faults[0].line, faults[0].kind), (2, RowFaultKind::Length));
}

#[test]
fn a_bundle_gives_its_entries_with_their_lines() {
    let dir = Dir::new();
    let bundle = format!(
        "\u{feff}{{\"type\": \"collection\", \"resourceType\": \"Bundle\",\n\"entry\": [\n\
         {{\"fullUrl\": \"x]}}\\\"\", \"resource\": {A}}},\n{{\"resource\": {O}}},\n{{\"request\": {{}}}},\n\
         {{\"resource\":\n{B}}},{{\"resource\": 5}}]}}\n"
    );
    let path = dir.file("b.json", &bundle);
    let (rows, faults, counts) = read_file(&path, Format::FhirBundle, &patients()).unwrap();
    assert_eq!(rows, [(3, "a|A".to_owned()), (7, "b|-".to_owned())]);
    assert_eq!((faults[0].line, faults[0].kind), (7, RowFaultKind::Resource));
    assert_eq!(counts.passed_over, 1);
    for (text, line) in [
        (A.to_owned(), 1),
        ("{\n\"resourceType\":\"Bundle\",\"entry\":[\n{]}".to_owned(), 3),
        (bundle.replace("5}]}", "5}]"), 8),
        ("{\"resourceType\":\"Bundle\"} x".to_owned(), 1),
        ("[".repeat(100_000), 1),
    ] {
        let path = dir.file("bad.json", text);
        let error = read_file(&path, Format::FhirBundle, &patients()).unwrap_err();
        let Error::Bundle { line: found, .. } = error else { panic!("read as {error}") };
        assert_eq!(found, line, "{error}");
    }
}

#[test]
fn a_manifest_reads_its_files_of_the_type_and_names_what_is_wrong() {
    let dir = Dir::new();
    dir.file("1.ndjson", format!("{A}\n"));
    let second = dir.file("2.ndjson", format!("{B}\n"));
    dir.file("3.ndjson", format!("{O}\n"));
    let manifest = |output: &str| {
        let text = format!(
            r#"{{"transactionTime":"2026-01-01","requiresAccessToken":true,
            "output":[{output}]}}"#
        );
        dir.file("manifest.json", text)
    };
    let path = manifest(&format!(
        r#"{{"type":"Patient","url":"1.ndjson"}},{{"url":"file://{}"}},
           {{"type":"Observation","url":"3.ndjson"}}"#,
        second.display()
    ));
    let (rows, _, counts) = read_file(&path, Format::FhirManifest, &patients()).unwrap();
    assert_eq!(rows, [(1, "a|A".to_owned()), (1, "b|-".to_owned())]);
    assert_eq!(counts.passed_over, 0, "a file of another type was read for nothing");
    for (output, said) in [
        (r#"{"type":"Patient","url":"none.ndjson"}"#, "output[0], which is not there"),
        (r#"{"type":"Patient","url":"https://a.org/1.ndjson"}"#, "download the files first"),
        (r#"{"type":"Patient"}"#, "no `url` in output[0]"),
    ] {
        let error = read_file(&manifest(output), Format::FhirManifest, &patients()).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn other_formats_and_fhir_without_a_view_are_refused() {
    let dir = Dir::new();
    let path = dir.file("t.ndjson", A);
    let error = read_file(&path, Format::Ndjson, &patients()).unwrap_err();
    assert!(matches!(error, Error::NotFhir { .. }), "{error}");
    let error =
        crate::source::read_all(&path, Format::FhirNdjson, &Options::default(), &mut |_| {
            ControlFlow::Continue(())
        });
    assert!(matches!(error.unwrap_err(), Error::ViewNeeded { .. }));
}

/// A patient with names, its members in any order.
fn patient() -> impl Strategy<Value = (Vec<String>, Vec<String>)> {
    let name = ("[a-zé\"\\\\]{0,4}", proptest::collection::vec("[a-z]{1,3}", 0..3));
    let names = proptest::collection::vec(name, 0..3);
    ("[a-z0-9]{1,6}", names, any::<bool>(), -1000_i32..1000).prop_flat_map(
        |(id, names, active, number)| {
            let names: Vec<serde_json::Value> = names
                .iter()
                .map(|(family, given)| serde_json::json!({"family": family, "given": given}))
                .collect();
            let members = vec![
                r#""resourceType":"Patient""#.to_owned(),
                format!(r#""id":"{id}""#),
                format!(r#""name":{}"#, serde_json::Value::Array(names)),
                format!(r#""active":{active}"#),
                format!(r#""multipleBirthInteger":{number}"#),
                r#""text":{"status":"generated","div":"<div>\"{}[]</div>"}"#.to_owned(),
            ];
            (Just(members.clone()), Just(members).prop_shuffle())
        },
    )
}

fn wide() -> View {
    View::compile(
        r#"{"resource": "Patient", "select": [{"column": [
            {"name": "id", "path": "id", "type": "id"},
            {"name": "active", "path": "active", "type": "boolean"},
            {"name": "birth", "path": "multipleBirth.ofType(integer)", "type": "integer"}]},
            {"forEachOrNull": "name", "column": [
                {"name": "at", "path": "%rowIndex", "type": "integer"},
                {"name": "family", "path": "family", "type": "string"},
                {"name": "given", "path": "given", "type": "string", "collection": true}]}]}"#,
    )
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_members_changes_no_row((written, shuffled) in patient()) {
        let one = format!("{{{}}}", written.join(","));
        let other = format!("{{ {} }}", shuffled.join(" , "));
        let view = wide();
        prop_assert_eq!(see(&view, &[&one]), see(&view, &[&other]));
    }

    #[test]
    fn a_faulted_resource_leaves_the_others_unchanged(
        patients in proptest::collection::vec(patient(), 1..6), at in 0_usize..6, cut in 1_usize..40,
    ) {
        let view = wide();
        let texts: Vec<String> =
            patients.iter().map(|(members, _)| format!("{{{}}}", members.join(","))).collect();
        let good: Vec<&str> = texts.iter().map(String::as_str).collect();
        let (rows, faults) = see(&view, &good);
        prop_assert!(faults.is_empty());
        let broken: String = texts[0].chars().take(cut).collect();
        let mut mixed = good.clone();
        mixed.insert(at.min(good.len()), &broken);
        let (again, faults) = see(&view, &mixed);
        prop_assert_eq!(again, rows);
        prop_assert_eq!(faults.len(), 1);
    }

    #[test]
    fn parts_together_are_the_whole_wherever_they_are_cut(
        lines in proptest::collection::vec((patient(), any::<u8>()), 1..12),
        part_bytes in 1_u64..400,
        batch_rows in 1_usize..5,
    ) {
        let mut text = String::new();
        for ((members, _), kind) in &lines {
            match kind % 5 {
                0 => writeln!(text, "{O}").unwrap(),
                1 => writeln!(text, "{{broken").unwrap(),
                2 => text.push('\n'),
                _ => writeln!(text, "{{{}}}", members.join(",")).unwrap(),
            }
        }
        if text.trim().is_empty() {
            return Ok(());
        }
        let dir = Dir::new();
        let path = dir.file("t.ndjson", &text);
        let view = wide();
        let whole = read_file(&path, Format::FhirNdjson, &view).unwrap();
        let options = Options { batch_rows, ..Options::default() };
        let surveyed = survey(&path, Format::FhirNdjson, part_bytes).unwrap().parts;
        let cut = cut(&path, Format::FhirNdjson, part_bytes).unwrap();
        for (parts, relative) in [(surveyed, false), (cut, true)] {
            let mut seen = Seen::default();
            for part in &parts {
                let (rows, faults, counts) =
                    read_part(&path, Format::FhirNdjson, &view, part, &options).unwrap();
                let before = if relative { seen.2.lines } else { 0 };
                seen.0.extend(rows.into_iter().map(|(line, row)| (line + before, row)));
                seen.1.extend(
                    faults.into_iter().map(|f| RowFault { line: f.line + before, ..f }),
                );
                seen.2 += counts;
            }
            prop_assert_eq!(&seen, &whole);
        }
    }
}
