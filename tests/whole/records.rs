//! Copies from outside: Synthea's patients, one of them brought again by ten others under their own
//! ids; what counts before and after, in the roster, the report and the auditor's eyes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use super::{
    commons::{Commons, files},
    plain,
    real_input::data,
};

const TABLES: [&str; 5] = ["patients", "encounters", "conditions", "observations", "medications"];
const SYBILS: usize = 10;

/// The shared pipeline with the least suppression there is, and with `[records]`.
fn pipeline() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = plain::read_to_string(root.join("pipelines/synthea.toml")).unwrap();
    let schemas = format!("\"{}/schemas/", root.display());
    text.replace("\"schemas/", &schemas)
        .replace("k              = 5", "k              = 2")
        .replace("suppress_limit = 0.5", "suppress_limit = 1.0")
        + "[records]\nsimilar = 0.75\nstratum = [\"conditions CODE\"]\n"
}

/// A person's lines under another name: their own id and those of their visits are others.
fn under_another_name(line: &str, own: &[String], sybil: usize) -> String {
    own.iter().fold(line.to_owned(), |line, id| {
        line.replace(id.as_str(), &format!("{:08x}{}", 0xa0 + sybil, &id[8..]))
    })
}

/// Writes the input, with the records of `victim` brought by so many sybils as well.
fn input(commons: &Commons, from: &Path, victim: &str, sybils: usize) -> PathBuf {
    let folder = commons.path("input");
    fs::create_dir_all(&folder).unwrap();
    let visits = plain::read_to_string(from.join("encounters.csv")).unwrap();
    let visits = visits.lines().filter(|line| line.contains(victim));
    let mut own: Vec<String> = visits.map(|line| line[..36].to_owned()).collect();
    own.push(victim.to_owned());
    for table in TABLES {
        let mut text = plain::read_to_string(from.join(format!("{table}.csv"))).unwrap();
        let lines: Vec<String> =
            text.lines().filter(|line| line.contains(victim)).map(str::to_owned).collect();
        assert!(!lines.is_empty(), "the victim has nothing in {table}");
        for sybil in 0..sybils {
            for line in &lines {
                text.push_str(&under_another_name(line, &own, sybil));
                text.push('\n');
            }
        }
        plain::write(folder.join(format!("{table}.csv")), text).unwrap();
    }
    folder
}

struct Released {
    /// Records that count, by contributor.
    records: BTreeMap<String, i64>,
    /// All rows.
    rows: i64,
    report: Value,
}

fn release(name: &str, from: &Path, victim: &str, sybils: usize) -> Released {
    let commons = Commons::new(name);
    let folder = input(&commons, from, victim, sybils);
    let people = plain::read_to_string(folder.join("patients.csv")).unwrap();
    let mut consents =
        "contributor,action,purposes,institutions,categories,valid_from,valid_until,\
                        decided_at\n"
            .to_owned();
    for line in people.lines().skip(1) {
        let id = &line[..36];
        consents.extend([
            "synthea:",
            id,
            ",grant,DUO:0000042,*,*,2020-01-01,,2019-08-29T12:00:00Z\n",
        ]);
    }
    plain::write(commons.path("consents.csv"), consents).unwrap();
    plain::write(commons.path("synthea.toml"), pipeline()).unwrap();
    let path = |name: &str| commons.path(name).display().to_string();
    commons.ok(&["init", &path("site")]);
    commons.ok(&["consent", "import", &path("consents.csv")]);
    commons.ok(&["ingest", &path("synthea.toml"), "--input", &path("input")]);
    commons.ok(&["verify", "--deep"]);
    let audit = commons.run(&["audit"]);
    assert_eq!(audit.code, Some(0), "the auditor objects: {}{}", audit.out, audit.err);
    let only = |folder: &str| files(&commons.path(folder)).pop().unwrap();
    let report = serde_json::from_slice(&plain::read(only("site/vault/reports")).unwrap()).unwrap();
    let mut released = Released { records: BTreeMap::new(), rows: 0, report };
    let roster = bytes::Bytes::from(plain::read(only("site/vault/rosters")).unwrap());
    for batch in ParquetRecordBatchReaderBuilder::try_new(roster).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let column = |name| batch.column_by_name(name).unwrap();
        let ids = column("contributor").as_string::<i32>();
        let records = column("records").as_primitive::<Int64Type>();
        for (id, records) in ids.iter().zip(records) {
            *released.records.entry(id.unwrap().to_owned()).or_default() += records.unwrap();
        }
        let rows = column("rows").as_primitive::<Int64Type>();
        released.rows += rows.iter().flatten().sum::<i64>();
    }
    released
}

fn counted(report: &Value, what: &str) -> u64 {
    report["records"].as_array().unwrap().iter().map(|l| l[what].as_u64().unwrap()).sum()
}

/// Counts visits that another patient's visit equals to the second, by code: two of the patients were born
/// on one day, and the generator gave them the same yearly check-ups.
fn alike_to_the_second(from: &Path) -> u64 {
    let text = plain::read_to_string(from.join("encounters.csv")).unwrap();
    let mut whose: BTreeMap<[&str; 3], BTreeSet<&str>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        whose.entry([cells[1], cells[2], cells[8]]).or_default().insert(cells[3]);
    }
    whose.values().map(|people| people.len() as u64 - 1).sum()
}

#[test]
fn ten_people_who_bring_a_patients_record_again_bring_nothing_that_counts() {
    let Some(from) = data("synthea-csv-27") else { return };
    // The patient with the most observations.
    let text = plain::read_to_string(from.join("observations.csv")).unwrap();
    let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
    for line in text.lines().skip(1) {
        *lines.entry(line.split(',').nth(1).unwrap()).or_default() += 1;
    }
    let victim = lines.iter().max_by_key(|(_, count)| **count).unwrap().0;
    let before = release("records-before", &from, victim, 0);
    let honest = counted(&before.report, "copied") + counted(&before.report, "similar");
    let rows = counted(&before.report, "rows");
    println!("{rows} honest rows, {honest} taken for another's: {}", before.report["records"]);
    let alike = alike_to_the_second(&from);
    assert!(
        honest <= alike,
        "an honest record is taken for a copy: {alike} alone are alike in the files"
    );

    let after = release("records-after", &from, victim, SYBILS);
    println!("with {SYBILS} sybils: {}", after.report["records"]);
    let key = format!("synthea:{victim}");
    let group = |released: &Released| -> i64 {
        let own = |id: &str| id == key || id.starts_with("synthea:000000a");
        released.records.iter().filter(|(id, _)| own(id)).map(|(_, records)| records).sum()
    };
    let brought = after.rows - before.rows;
    let gained = group(&after) - group(&before);
    println!("{brought} copied rows brought {gained} that count");
    // What says too little to be a copy (a code on a day) is not one, whoever says it.
    assert!(gained * 10 <= brought, "copies count");
}
