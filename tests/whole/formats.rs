//! One population in CSV and in FHIR: through the demo's views the two are the same rows.
//!
//! Comes in: a seed. Goes out: rows of one institution, sent in both formats, compared one by one.

use std::{collections::BTreeSet, fs, path::Path};

use super::commons::Commons;

/// Reads the rows of a table, the header too. A time loses its offset, which is none, and a number
/// its last zeros: FHIR has both in other forms.
fn rows(file: &Path) -> BTreeSet<Vec<String>> {
    let text = fs::read_to_string(file).unwrap();
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(text.as_bytes());
    let plain = |cell: &str| {
        let is_time = cell.len() == 20 && cell.ends_with('Z');
        let is_number = cell.contains('.') && cell.bytes().all(|b| b == b'.' || b.is_ascii_digit());
        match (is_time, is_number.then(|| cell.parse::<f64>())) {
            (true, _) => cell.trim_end_matches('Z').to_owned(),
            (false, Some(Ok(number))) => number.to_string(),
            (false, _) => cell.to_owned(),
        }
    };
    reader.records().map(|row| row.unwrap().iter().map(plain).collect()).collect()
}

#[test]
fn what_an_institution_sends_in_fhir_is_what_it_would_send_in_csv() {
    let commons = Commons::new("formats");
    let path = |name: &str| commons.path(name).display().to_string();
    for (count, out) in [("0", "csv"), ("4", "fhir")] {
        let make = ["population", "people", "--people", "400", "--seed", "3", "--fhir", count];
        commons.ok(&[&make[..], &["--out", &path(out)]].concat());
    }
    for (table, resource) in [
        ("patients", "Patient"),
        ("visits", "Encounter"),
        ("conditions", "Condition"),
        ("measurements", "Observation"),
    ] {
        let view = format!("schemas/demo/{table}.json");
        let (fhir, out) = (path(&format!("fhir/riverside/{resource}.ndjson")), path("view.csv"));
        commons.ok(&["view", "run", &view, &fhir, "--out", &out]);
        let viewed = rows(Path::new(&out));
        let sent = rows(&commons.path("csv/riverside").join(format!("{table}.csv")));
        assert!(sent.len() > 100, "{table}: too few rows to judge by");
        // One row in a hundred is faulty, and broken in each format's own way.
        let odd = sent.symmetric_difference(&viewed).count();
        let limit = sent.len() * 4 / 100;
        assert!(odd <= limit, "{table}: {odd} rows differ, of {}", sent.len());
        println!("formats: {table}: {} rows, {odd} of them differ by a fault", sent.len());
    }
    let truths = ["csv/truth.csv", "fhir/truth.csv"].map(|name| fs::read(commons.path(name)));
    let [csv, fhir] = truths.map(Result::unwrap);
    assert_eq!(csv, fhir, "who is who rests on the format");
}
