//! The official tests of SQL on FHIR: runs them, and reports as their format asks.
//!
//! Comes in: a folder of test files. Goes out: one verdict a test. Never: a test that passes by an
//! error it did not expect.

use std::{collections::BTreeMap, path::Path};

use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Error, cells};
use crate::source::fhir::{Runner, Settings, View};

/// One file of tests.
#[derive(Debug, Deserialize)]
struct Suite {
    resources: Vec<Value>,
    tests: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    title: String,
    view: Value,
    expect: Option<Vec<Map<String, Value>>>,
    expect_count: Option<usize>,
    expect_error: Option<bool>,
    expect_columns: Option<Vec<String>>,
}

/// The report, by file.
pub type Report = BTreeMap<String, FileReport>;

/// What became of one file's tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReport {
    /// Its tests, in its order.
    pub tests: Vec<TestReport>,
}

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestReport {
    /// Its title.
    pub name: String,
    /// Its result.
    pub result: TestResult,
}

/// Whether a test passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestResult {
    /// Whether it did.
    pub passed: bool,
    /// Why it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Runs every test of a folder's files.
pub fn test(folder: &Path) -> Result<Report, Error> {
    let read = |source| Error::Read { file: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // The schema of the tests lies beside them.
        let is_tests = path.extension().is_some_and(|end| end == "json");
        if is_tests && !name.ends_with(".schema.json") {
            files.push((name, path));
        }
    }
    files.sort();
    let mut report = Report::new();
    for (name, path) in files {
        let text = super::read(&path)?;
        let suite: Suite = serde_json::from_str(&text)
            .map_err(|source| Error::Suite { file: path.clone(), source })?;
        let tests = suite.tests.iter().map(|case| TestReport {
            name: case.title.clone(),
            result: match verdict(case, &suite.resources) {
                Ok(()) => TestResult { passed: true, reason: None },
                Err(reason) => TestResult { passed: false, reason: Some(reason) },
            },
        });
        report.insert(name, FileReport { tests: tests.collect() });
    }
    if report.is_empty() {
        return Err(Error::NoTests { folder: folder.to_owned() });
    }
    Ok(report)
}

fn verdict(case: &Case, resources: &[Value]) -> Result<(), String> {
    let outcome = rows(&case.view, resources);
    if case.expect_error == Some(true) {
        return match outcome {
            Ok(_) => Err("it ran, and should not have".to_owned()),
            Err(_) => Ok(()),
        };
    }
    let batch = outcome?;
    let schema = batch.schema();
    if let Some(columns) = &case.expect_columns {
        let found: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        if columns != &found {
            return Err(format!("columns {found:?} instead of {columns:?}"));
        }
    }
    if let Some(count) = case.expect_count
        && count != batch.num_rows()
    {
        return Err(format!("{} rows instead of {count}", batch.num_rows()));
    }
    let Some(expected) = &case.expect else { return Ok(()) };
    let mut found = Vec::new();
    for row in 0..batch.num_rows() {
        let cells = schema.fields().iter().zip(batch.columns());
        let cells = cells.map(|(field, array)| (field.name().clone(), cells::value(array, row)));
        found.push(Value::Object(cells.collect()));
    }
    // Rows have no order: both sides are brought into the same.
    let mut expected: Vec<Value> = expected.iter().cloned().map(Value::Object).collect();
    for rows in [&mut found, &mut expected] {
        rows.iter_mut().for_each(plain_numbers);
        rows.sort_by_cached_key(ToString::to_string);
    }
    if found == expected {
        return Ok(());
    }
    let show = |rows: Vec<Value>| Value::Array(rows).to_string();
    Err(format!("rows {} instead of {}", show(found), show(expected)))
}

fn rows(view: &Value, resources: &[Value]) -> Result<RecordBatch, String> {
    let view = View::compile(&view.to_string()).map_err(|error| error.to_string())?;
    let mut runner = Runner::new(&view, Settings { ids_optional: true, ..Settings::default() });
    for (line, resource) in (1..).zip(resources) {
        runner.push(resource.to_string().as_bytes(), line);
    }
    let batch = runner.finish().map_err(|error| error.to_string())?;
    match batch.faults.first() {
        None => Ok(batch.rows),
        Some(fault) => Err(format!("resource {}: {}", fault.line, fault.reason)),
    }
}

/// Writes 5.0 as 5: the tests write numbers either way.
fn plain_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64() {
                *value = cells::number(float);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(plain_numbers),
        Value::Object(members) => members.values_mut().for_each(plain_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
