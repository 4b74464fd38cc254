//! The official tests of SQL on FHIR, run again and compared with the reports that are kept.
//!
//! The tests lie beside the repository in `../shared/data/sql-on-fhir`; where they are absent, it
//! is said. `almoner view test DIR --out FILE` writes a report anew.

#![expect(clippy::unwrap_used, reason = "a test stops where something cannot be read")]
#![expect(clippy::print_stdout, reason = "a skipped test says so")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use almoner::pipeline::view::{self, Report};

/// Returns a folder of the shared data, or says that the test is skipped.
fn data(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = ["../shared/data", "../../shared/data"]
        .iter()
        .map(|up| root.join(up).join(name))
        .find(|folder| folder.is_dir());
    if found.is_none() {
        println!("SKIPPED the tests of {name}: ../shared/data/{name} is absent");
    }
    found
}

fn kept(name: &str) -> Report {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn failed(report: &Report) -> BTreeSet<(String, String)> {
    let tests = report.iter().flat_map(|(file, tests)| {
        tests.tests.iter().map(move |test| (file.clone(), test.name.clone(), test.result.passed))
    });
    tests.filter(|(_, _, passed)| !passed).map(|(file, name, _)| (file, name)).collect()
}

fn count(report: &Report) -> usize {
    report.values().map(|file| file.tests.len()).sum()
}

#[test]
fn every_test_of_version_2_1_passes_as_the_kept_report_says() {
    let kept = kept("sql-on-fhir-v2.1.json");
    assert_eq!((count(&kept), failed(&kept)), (144, BTreeSet::new()), "the report claims less");
    if let Some(folder) = data("sql-on-fhir/v2.1") {
        assert_eq!(view::test(&folder).unwrap(), kept, "the kept report is no longer true");
    }
}

#[test]
fn every_test_of_version_2_passes_but_the_two_that_2_1_took_back() {
    let kept = kept("sql-on-fhir-v2.json");
    // They want '' where nothing is to be joined; 2.1 wants null.
    let taken_back = ["string join", "string join: default separator"]
        .map(|name| ("fhirpath.json".to_owned(), name.to_owned()));
    assert_eq!((count(&kept), failed(&kept)), (134, BTreeSet::from(taken_back)));
    if let Some(folder) = data("sql-on-fhir/v2") {
        assert_eq!(view::test(&folder).unwrap(), kept, "the kept report is no longer true");
    }
}

#[test]
fn a_folder_without_tests_is_an_error_and_a_failing_test_is_told() {
    let folder = tempfile::tempdir().unwrap();
    assert!(view::test(folder.path()).is_err(), "nothing tested passed for all passed");
    let suite = r#"{"title": "t", "resources": [{"resourceType": "Patient", "id": "a"}], "tests": [
        {"title": "rows", "view": {"resource": "Patient", "select": [
            {"column": [{"name": "id", "path": "id", "type": "id"}]}]}, "expect": [{"id": "b"}]},
        {"title": "error", "view": {"resource": "Patient", "select": [
            {"column": [{"name": "id", "path": "id", "type": "id"}]}]}, "expectError": true}]}"#;
    fs::write(folder.path().join("t.json"), suite).unwrap();
    let report = view::test(folder.path()).unwrap();
    assert_eq!(failed(&report).len(), 2, "a runner that passes everything proves nothing");
}
