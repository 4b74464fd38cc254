//! What a researcher may ask, and what comes back: a small lake, every refusal of the list, and the
//! law that no released cell is of fewer than eleven people.

#![expect(clippy::unwrap_used, reason = "a test stops where something cannot be read")]
#![expect(clippy::panic, reason = "the same, with the question that was asked")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    reason = "people are numbered below a hundred"
)]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use almoner::{
    credential::{self, PassRequest},
    digest::{Sha3Digest, Sha256},
    instant::Instant,
    lake::{
        Counts, PrivateObject, RecordTree, ReleasedColumn, Segment, TableVersion, Version,
        VersionTerms, segment_properties,
    },
    ledger::{self, Kind},
    party::ResearcherId,
    pipeline::{
        pass,
        query::{self as act, Question},
    },
    purpose::{Claims, DataTerm, DataUse, Effect, Purpose},
    query::{Answer, Error, Limits, Outcome, ask},
    schema::{ColumnType, Role},
    site::Site,
    store::{Sequence, Store},
    usage::{UsageRecord, read_lines},
    vault::{Keyring, SiteKey},
};
use arrow::{
    array::{
        ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
        TimestampMicrosecondArray,
    },
    datatypes::{DataType, Field, Schema},
};
use bytes::Bytes;
use parquet::{arrow::ArrowWriter, file::metadata::KeyValue};
use proptest::prelude::*;

struct Lake {
    dir: tempfile::TempDir,
    store: Store,
    version: Version,
}

fn person(n: usize) -> String {
    format!("{:032x}", (n as u128 + 1) * 0x0123_4567_89ab_cdef_1122_3344_5566)
}

fn digest(text: &str) -> Sha3Digest {
    Sha3Digest::of(text.as_bytes())
}

type Columns = Vec<(&'static str, ColumnType, Role, ArrayRef)>;

impl Lake {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("site")).unwrap();
        let store = Store::open(dir.path().join("site").to_str().unwrap()).unwrap().zone("lake");
        let purpose = Purpose::parse("DUO:0000006").unwrap();
        let private = || PrivateObject { path: "x".into(), digest: digest("x") };
        let version = Version {
            txn: "1".into(),
            dataset: "demo".into(),
            version: 1,
            run: "r".into(),
            run_key: digest("run"),
            time: Instant::parse("2026-01-01").unwrap(),
            purposes: vec![purpose],
            pool: None,
            pipeline: ("demo".into(), digest("pipeline")),
            k: 11,
            institutions: 4,
            tables: Vec::new(),
            inputs: Vec::new(),
            counts: Counts::default(),
            record: RecordTree { root: Sha256::of(b""), count: 0, path: "x".into() },
            consent_commit: 1,
            roster: private(),
            report: private(),
            quality: None,
            papers: Vec::new(),
            duo: None,
            linkage_commit: None,
            entry: String::new(),
        };
        Self { dir, store, version }
    }

    /// Adds a table in two segments.
    fn table(&mut self, name: &str, people: &[usize], columns: Columns) -> &mut Self {
        let people: ArrayRef =
            Arc::new(people.iter().map(|n| Some(person(*n))).collect::<StringArray>());
        let mut all: Columns = vec![("person", ColumnType::String, Role::Person, people)];
        all.extend(columns);
        let schema = Arc::new(Schema::new(
            all.iter()
                .map(|(name, kind, _, _)| Field::new(*name, kind.arrow(), true))
                .collect::<Vec<_>>(),
        ));
        let arrays = all.iter().map(|(.., array)| Arc::clone(array)).collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).unwrap();
        let half = batch.num_rows() / 2;
        let parts = [batch.slice(0, half), batch.slice(half, batch.num_rows() - half)];
        let segments = parts.iter().map(|part| {
            let mut file = Vec::new();
            let pair = |key: &str, value: &str| KeyValue::new(key.to_owned(), value.to_owned());
            let pairs = vec![pair("almoner.dataset", "demo"), pair("almoner.version", "1")];
            let properties = segment_properties().set_key_value_metadata(Some(pairs)).build();
            let mut writer =
                ArrowWriter::try_new(&mut file, Arc::clone(&schema), Some(properties)).unwrap();
            writer.write(part).unwrap();
            writer.close().unwrap();
            let sha3 = Sha3Digest::of(&file);
            let path = format!("demo/segments/{sha3}.parquet");
            let sha256 = Sha256::of(&file);
            let bytes = file.len() as u64;
            self.store.put(&path, Bytes::from(file)).unwrap();
            Segment { path, rows: part.num_rows() as u64, bytes, sha3, sha256, duplicates: false }
        });
        let segments = segments.collect();
        self.version.tables.push(TableVersion {
            table: name.into(),
            schema: digest(name),
            category: name.into(),
            columns: all
                .iter()
                .map(|(name, kind, role, _)| ReleasedColumn {
                    name: (*name).into(),
                    kind: kind.arrow().to_string(),
                    source: *kind,
                    role: *role,
                    done: "kept".into(),
                    unit: None,
                    code_system: None,
                })
                .collect(),
            segments,
            rows: batch.num_rows() as u64,
            suppressed: 0,
            class_min: 11,
            choice: None,
        });
        self
    }

    fn ask(&self, sql: &str) -> Result<Outcome, Error> {
        ask(&self.store, &self.version, sql, Limits { partitions: 2, ..Limits::default() })
    }

    fn answer(&self, sql: &str) -> (Answer, BTreeMap<String, u64>) {
        let outcome = self.ask(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let lines =
            outcome.lines().iter().map(|line| (line.pseudonym.clone(), line.rows)).collect();
        let record = record(&outcome);
        (outcome.hand_over(&record).unwrap(), lines)
    }

    fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let rows = self.answer(sql).0.texts().unwrap();
        let text = |cell: Option<String>| cell.unwrap_or_else(|| "null".into());
        rows.into_iter().map(|row| row.into_iter().map(text).collect()).collect()
    }

    fn refusal(&self, sql: &str) -> String {
        match self.ask(sql) {
            Err(error @ Error::Refused { .. }) => {
                format!("{error}; {}", error.hint().unwrap_or_default())
            }
            Err(error) => panic!("{sql}: not refused but: {error}"),
            Ok(_) => panic!("{sql}: answered"),
        }
    }
}

fn record(outcome: &Outcome) -> UsageRecord {
    UsageRecord {
        txn: "1".into(),
        time: Instant::parse("2026-01-01").unwrap(),
        researcher: almoner::party::ResearcherId::parse("ada").unwrap(),
        institution: None,
        purpose: Purpose::parse("DUO:0000006").unwrap(),
        dataset: "demo".into(),
        version: 1,
        query: outcome.query(),
        answer: outcome.digest(),
        people: outcome.lines().len() as u64,
        rows: outcome.lines().iter().map(|line| line.rows).sum(),
        lines_path: "x".into(),
        lines: digest("x"),
        entry: "{}".into(),
    }
}

fn texts(values: impl IntoIterator<Item = &'static str>) -> ArrayRef {
    Arc::new(values.into_iter().map(Some).collect::<StringArray>())
}

/// 60 patients; conditions: E11 of 40 people (50 rows), I10 of 11, J45 of 10, K21 of 9; visits.
fn demo() -> Lake {
    let mut lake = Lake::new();
    let people: Vec<usize> = (0..60).collect();
    lake.table(
        "patients",
        &people,
        vec![
            (
                "sex",
                ColumnType::String,
                Role::Quasi,
                texts(people.iter().map(|n| if n % 2 == 0 { "f" } else { "m" })),
            ),
            (
                "age",
                ColumnType::Int,
                Role::Quasi,
                Arc::new(people.iter().map(|n| Some(20 + *n as i64)).collect::<Int64Array>()),
            ),
            (
                "died",
                ColumnType::Int,
                Role::Sensitive,
                Arc::new(people.iter().map(|n| Some(i64::from(*n < 3))).collect::<Int64Array>()),
            ),
            (
                "born",
                ColumnType::Date,
                Role::Quasi,
                Arc::new(people.iter().map(|n| Some(*n as i32 * 365)).collect::<Date32Array>()),
            ),
        ],
    );
    let mut rows: Vec<(usize, &str, f64)> = Vec::new();
    rows.extend((0..40).map(|n| (n, "E11", 7.0 + n as f64 / 100.0)));
    rows.extend((0..10).map(|n| (n, "E11", 8.0)));
    rows.extend((0..11).map(|n| (n, "I10", 1.0 + n as f64)));
    rows.extend((0..10).map(|n| (n, "J45", 1.0 + n as f64)));
    rows.extend((0..9).map(|n| (n, "K21", 1.0 + n as f64)));
    // Z00: 20 people; one of them makes nearly all of the cost.
    rows.extend((20..40).map(|n| (n, "Z00", if n == 20 { 1e6 } else { n as f64 })));
    let people: Vec<usize> = rows.iter().map(|row| row.0).collect();
    lake.table(
        "conditions",
        &people,
        vec![
            ("code", ColumnType::String, Role::Sensitive, texts(rows.iter().map(|row| row.1))),
            (
                "value",
                ColumnType::Float,
                Role::Measure,
                Arc::new(rows.iter().map(|row| Some(row.2)).collect::<Float64Array>()),
            ),
            ("visit", ColumnType::String, Role::Direct, texts(rows.iter().map(|_| "00ff"))),
        ],
    );
    let people: Vec<usize> = (0..60).chain(0..30).collect();
    lake.table(
        "visits",
        &people,
        vec![(
            "start",
            ColumnType::Timestamp,
            Role::Measure,
            Arc::new(
                people
                    .iter()
                    .map(|n| Some(1_600_000_000_000_000 + *n as i64 * 86_400_000_000))
                    .collect::<TimestampMicrosecondArray>(),
            ),
        )],
    );
    lake
}

#[test]
fn a_cell_of_ten_is_held_back_and_one_of_eleven_is_shown_rounded() {
    let lake = demo();
    let sql = "SELECT code, COUNT(*) AS n, COUNT(DISTINCT person) AS people FROM conditions \
               GROUP BY code ORDER BY code";
    assert_eq!(
        lake.rows(sql),
        [["E11", "50", "40"], ["I10", "10", "10"], ["Z00", "20", "20"]],
        "a small cell would leave, or an exact count"
    );
    let (answer, lines) = lake.answer(sql);
    assert_eq!((answer.cells(), answer.cells_suppressed()), (5, 2));
    assert_eq!(lines.values().sum::<u64>(), 50 + 11 + 20, "the usage would not be the rows shown");
    assert_eq!(lines.len(), 40);
}

#[test]
fn one_small_cell_takes_the_next_smallest_with_it() {
    let lake = demo();
    let sql = "SELECT code, COUNT(*) FROM conditions WHERE code <> 'K21' GROUP BY code ORDER BY 1";
    assert_eq!(lake.rows(sql), [["E11", "50"], ["Z00", "20"]]);
}

#[test]
fn a_total_of_nobody_is_not_told_from_a_total_of_a_few() {
    let lake = demo();
    for code in ["J45", "none"] {
        let (answer, lines) =
            lake.answer(&format!("SELECT COUNT(*) FROM conditions WHERE code = '{code}'"));
        assert_eq!((answer.rows(), answer.cells(), answer.cells_suppressed()), (0, 1, 1));
        assert!(lines.is_empty());
    }
}

#[test]
fn sums_and_averages_have_three_digits() {
    let lake = demo();
    let sql = "SELECT SUM(value), AVG(value), SUM(age), AVG(age) FROM conditions \
               JOIN patients USING (person) WHERE code = 'E11'";
    // Exact: 367.8, 7.356, 1825 (a tie, to the even digit), 36.5.
    assert_eq!(lake.rows(sql), [["368.0", "7.36", "1820", "36.5"]]);
}

#[test]
fn one_person_who_makes_the_total_holds_it_back() {
    let lake = demo();
    let sql = "SELECT COUNT(*), SUM(value), AVG(value) FROM conditions WHERE code = 'Z00'";
    let (answer, _) = lake.answer(sql);
    assert_eq!(answer.values_withheld(), 2);
    assert_eq!(lake.rows(sql), [["20", "null", "null"]], "the sum is one person's value");
}

#[test]
fn a_sum_over_a_column_of_zero_and_one_is_no_way_round_small_cells() {
    let lake = demo();
    for sql in ["SELECT SUM(died) FROM patients", "SELECT AVG(died) FROM patients"] {
        assert_eq!(lake.rows(sql), [["null"]], "three deaths would be counted");
    }
    for sql in [
        "SELECT SUM(CASE WHEN age = 30 THEN 1 ELSE 0 END) FROM patients",
        "SELECT COUNT(CASE WHEN age = 30 THEN 1 END) FROM patients",
        "SELECT COUNT(*) FILTER (WHERE age = 30) FROM patients",
        "SELECT SUM(n) FROM (SELECT person, CASE WHEN age = 30 THEN 1 ELSE 0 END AS n FROM patients) t",
        "SELECT SUM(age * 1000000 + died) FROM patients",
        "SELECT SUM(1) FROM patients",
    ] {
        lake.refusal(sql);
    }
}

#[test]
fn what_names_a_person_is_refused() {
    let lake = demo();
    for sql in [
        "SELECT person, COUNT(*) FROM conditions GROUP BY person",
        "SELECT COUNT(*) FROM conditions GROUP BY person",
        "SELECT substr(person, 1, 1), COUNT(*) FROM conditions GROUP BY 1",
        "SELECT COUNT(*) FROM conditions WHERE person <> '0'",
        "SELECT COUNT(*) FROM conditions WHERE visit = '00ff'",
        "SELECT p, COUNT(*) FROM (SELECT person AS p, code FROM conditions) t GROUP BY p",
        "SELECT COUNT(*) FROM (SELECT person, person || 'x' AS p FROM conditions) t",
        "SELECT * FROM conditions",
        "SELECT code FROM conditions ORDER BY code LIMIT 1",
        "SELECT MIN(age), MAX(age) FROM patients",
        "SELECT DISTINCT code FROM conditions",
        "SELECT code, COUNT(*) OVER () FROM conditions",
        "SELECT COUNT(*) FROM (SELECT person FROM patients ORDER BY age LIMIT 12) t",
        "SELECT AVG(n) FROM (SELECT person, COUNT(*) AS n FROM conditions GROUP BY person) t",
    ] {
        lake.refusal(sql);
    }
}

#[test]
fn what_reaches_outside_is_refused() {
    let lake = demo();
    for sql in [
        "SELECT COUNT(*) FROM read_csv('/etc/passwd')",
        "SELECT COUNT(*) FROM '/etc/passwd'",
        "SELECT COUNT(*) FROM \"/etc/passwd\"",
        "COPY conditions TO '/tmp/out.csv'",
        "SET datafusion.catalog.information_schema = true",
        "SELECT COUNT(*) FROM conditions; SELECT COUNT(*) FROM conditions",
        "SELECT COUNT(*) FROM information_schema.tables",
        "SELECT COUNT(*) FROM conditions UNION ALL SELECT COUNT(*) FROM patients",
        "SELECT COUNT(*), (SELECT COUNT(*) FROM patients) FROM conditions",
        "SELECT COUNT(*) FROM conditions c WHERE EXISTS (SELECT 1 FROM patients p WHERE p.person = c.person AND p.age > c.value)",
        "SELECT COUNT(*) FROM conditions WHERE person IN (SELECT person FROM patients)",
    ] {
        lake.refusal(sql);
    }
}

#[test]
fn a_join_or_inner_select_that_loses_the_person_is_refused_with_a_hint() {
    let lake = demo();
    for sql in [
        "SELECT COUNT(*) FROM conditions c JOIN patients p ON c.value = p.age",
        "SELECT COUNT(*) FROM conditions c, patients p WHERE c.person = p.person",
        "SELECT COUNT(*) FROM conditions c JOIN patients p ON c.person = p.person OR c.value > 1",
        "SELECT COUNT(*) FROM conditions c JOIN patients p ON c.person <> p.person",
        "SELECT COUNT(*) FROM conditions c CROSS JOIN patients p",
    ] {
        assert!(lake.refusal(sql).contains("person"), "{sql}: {}", lake.refusal(sql));
    }
    let refusal = lake.refusal("SELECT COUNT(*) FROM (SELECT code FROM conditions) t");
    assert!(refusal.contains("keep the column `person`"), "{refusal}");
    let left = "SELECT COUNT(*) FROM conditions c LEFT JOIN visits v ON c.person = v.person \
                LEFT JOIN patients p ON v.person = p.person";
    assert!(lake.refusal(left).contains("person"), "the middle side may be missing");
}

#[test]
fn what_fails_on_a_row_is_refused_because_it_tells_of_the_row() {
    let lake = demo();
    for sql in [
        "SELECT COUNT(*) FROM patients WHERE 1 / (age - 30) > 0",
        "SELECT COUNT(*) FROM patients WHERE age % 0 = 1",
        "SELECT COUNT(*) FROM conditions WHERE CAST(code AS INT) = 1",
        "SELECT COUNT(*) FROM conditions WHERE substr(code, 1, CAST(value AS INT) - 5) = 'x'",
    ] {
        lake.refusal(sql);
    }
}

#[test]
fn ordinary_questions_are_answered() {
    let lake = demo();
    let rows = lake.rows(
        "WITH e AS (SELECT person, code FROM conditions WHERE code LIKE 'E%') \
         SELECT p.sex, COUNT(DISTINCT e.person) AS n FROM e JOIN patients p ON e.person = p.person \
         GROUP BY p.sex ORDER BY n DESC, p.sex LIMIT 5",
    );
    assert_eq!(rows, [["f", "20"], ["m", "20"]]);
    assert_eq!(lake.rows("SELECT COUNT(DISTINCT code) FROM conditions"), [["5"]]);
    assert_eq!(
        lake.rows(
            "SELECT CASE WHEN age < 50 THEN 'young' ELSE 'old' END AS band, COUNT(*) * 2 AS twice \
             FROM patients GROUP BY 1 ORDER BY 1"
        ),
        [["old", "60"], ["young", "60"]]
    );
    assert_eq!(
        lake.rows(
            "SELECT COUNT(*) FROM visits v LEFT JOIN patients p USING (person) \
             WHERE p.age >= 20 AND v.start >= '2020-01-01' AND extract(year FROM p.born) > 1969"
        ),
        [["90"]]
    );
    assert_eq!(lake.rows("SELECT COUNT(*) FROM patients WHERE born > DATE '1990-01-01'"), [["40"]]);
    assert_eq!(
        lake.rows(
            "SELECT COUNT(*) FROM patients WHERE born + INTERVAL '1 year' > DATE '1990-01-01'"
        ),
        [["40"]]
    );
    assert_eq!(lake.rows("SELECT AVG(CAST(age AS DOUBLE)) FROM patients"), [["49.5"]]);
    assert_eq!(
        lake.rows(
            "SELECT sex, SUM(age) / COUNT(*) AS mean FROM patients GROUP BY sex ORDER BY sex"
        ),
        [["f", "49"], ["m", "50"]]
    );
    assert!(
        lake.rows("SELECT code, COUNT(*) FROM conditions WHERE value < 0 GROUP BY code").is_empty()
    );
}

#[test]
fn having_sees_only_what_is_shown() {
    let lake = demo();
    let sql = |test| format!("SELECT code FROM conditions GROUP BY code HAVING COUNT(*) {test}");
    assert!(lake.rows(&sql("= 11")).is_empty(), "an exact count could be probed");
    assert_eq!(lake.rows(&sql("= 10")), [["I10"]]);
    assert!(lake.rows(&sql("< 10")).is_empty(), "a small cell could be listed");
}

#[test]
fn the_same_question_gives_the_same_answer_and_digest() {
    let lake = demo();
    let one = lake.ask("SELECT code, AVG(value) FROM conditions GROUP BY code").unwrap();
    let two = lake.ask("select  code, AVG(value)\nFROM conditions GROUP BY code").unwrap();
    assert_eq!(one.digest(), two.digest());
    assert_eq!(one.lines(), two.lines());
}

#[test]
fn an_answer_is_not_handed_over_against_another_record() {
    let lake = demo();
    let one = lake.ask("SELECT COUNT(*) FROM conditions").unwrap();
    let two = lake.ask("SELECT COUNT(*) FROM patients").unwrap();
    let record = record(&two);
    assert!(matches!(one.hand_over(&record), Err(Error::Unrecorded)));
}

#[test]
fn a_question_that_needs_too_much_ends_with_its_limit() {
    let lake = demo();
    let sql = "SELECT COUNT(*) FROM visits a JOIN visits b USING (person) GROUP BY a.start";
    let little = Limits { memory_bytes: 1, partitions: 1, ..Limits::default() };
    let error = ask(&lake.store, &lake.version, sql, little).unwrap_err();
    assert!(matches!(error, Error::Memory(1)), "{error:?}");
    let quick = Limits { time: Duration::ZERO, ..Limits::default() };
    let error = ask(&lake.store, &lake.version, sql, quick).unwrap_err();
    assert!(matches!(error, Error::Time(_)), "{error:?}");
    let few = Limits { cells_max: 2, ..Limits::default() };
    let sql = "SELECT COUNT(*) FROM patients GROUP BY age";
    let error = ask(&lake.store, &lake.version, sql, few).unwrap_err();
    assert!(matches!(error, Error::TooManyCells(2)), "{error:?}");
}

#[test]
fn one_person_whose_rows_are_nearly_all_holds_a_count_back() {
    let mut lake = Lake::new();
    let people: Vec<usize> = (0..20).chain(std::iter::repeat_n(0, 400)).collect();
    let codes = texts(people.iter().map(|_| "a"));
    lake.table("t", &people, vec![("code", ColumnType::String, Role::Measure, codes)]);
    assert_eq!(
        lake.rows("SELECT COUNT(*), COUNT(code), COUNT(DISTINCT person) FROM t"),
        [["null", "null", "20"]],
        "the count of one person's visits would leave"
    );
}

#[test]
fn a_question_that_multiplies_rows_is_stopped_by_the_clock() {
    let mut lake = Lake::new();
    let people = vec![0; 50_000];
    let values: Int64Array = (0..50_000).map(Some).collect();
    lake.table("t", &people, vec![("x", ColumnType::Int, Role::Measure, Arc::new(values))]);
    let sql = "SELECT COUNT(*) FROM t a JOIN t b ON a.person = b.person AND a.x * b.x = 7 \
               JOIN t c ON b.person = c.person AND b.x * c.x = 11";
    let begun = std::time::Instant::now();
    let limits = Limits { time: Duration::from_millis(500), ..Limits::default() };
    let error = ask(&lake.store, &lake.version, sql, limits).unwrap_err();
    assert!(matches!(error, Error::Time(_) | Error::Memory(_)), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "the clock does not stop the engine");
}

#[test]
fn the_deepest_question_that_is_taken_is_answered() {
    let lake = demo();
    let deep = |links, brackets| {
        let chain = format!("age{}", " + 1 - 1".repeat(links));
        format!(
            "SELECT COUNT(*) FROM patients WHERE {}{chain}{} > 0",
            "(".repeat(brackets),
            ")".repeat(brackets)
        )
    };
    assert_eq!(lake.rows(&deep(60, 0)), [["60"]]);
    assert_eq!(lake.rows(&deep(40, 20)), [["60"]]);
    lake.refusal(&deep(2_000, 0));
}

#[test]
fn only_the_segments_of_the_version_are_read() {
    let mut lake = demo();
    let stray = lake.store.get(&lake.version.tables[0].segments[0].path).unwrap();
    lake.store.put("demo/segments/stray.parquet", stray).unwrap();
    assert_eq!(lake.rows("SELECT COUNT(*) FROM patients"), [["60"]]);
    let gone = lake.version.tables[0].segments[0].path.clone();
    lake.store.delete(&gone).unwrap();
    let error = lake.ask("SELECT COUNT(*) FROM patients").unwrap_err();
    assert!(matches!(error, Error::Integrity(_)), "a missing segment would be skipped: {error:?}");
    lake.store.put(&gone, Bytes::from_static(b"no parquet at all, just text")).unwrap();
    let error = lake.ask("SELECT COUNT(*) FROM patients").unwrap_err();
    assert!(matches!(error, Error::Integrity(_)), "{error:?}");
    lake.version.tables[0].segments[0].path = "../vault/secret.parquet".into();
    assert!(matches!(lake.ask("SELECT COUNT(*) FROM patients"), Err(Error::Integrity(_))));
}

#[test]
fn no_error_holds_a_value() {
    let lake = demo();
    for sql in [
        "SELECT COUNT(*) FROM conditions WHERE TRY_CAST(code AS INT) = 1",
        "SELECT COUNT(*) FROM conditions WHERE CAST(code AS INT) = 1",
        "SELECT code, CAST(code AS INT), COUNT(*) FROM conditions GROUP BY code",
        "SELECT nothing FROM conditions",
    ] {
        if let Err(error) = lake.ask(sql) {
            let text = format!("{error} {error:?}");
            assert!(!text.contains("E11") && !text.contains("I10"), "{text}");
        }
    }
}

#[test]
fn a_sealed_lake_answers_as_an_open_one_on_every_kind_of_store_and_takes_no_plain_segment() {
    let sql = "SELECT code, COUNT(*) FROM conditions GROUP BY code ORDER BY code";
    let mut lake = demo();
    let open = lake.rows(sql);
    let keys = lake.dir.path().join("keys");
    std::fs::create_dir(&keys).unwrap();
    SiteKey::new(&keys, None).create().unwrap();
    let folder = lake.dir.path().join("sealed").display().to_string();
    for (n, address) in [folder.as_str(), "memory://query-sealed/below"].into_iter().enumerate() {
        let site = Store::open(address).unwrap();
        let keyring = || Keyring::new(&site, SiteKey::new(&keys, None));
        let segments: Vec<Segment> =
            lake.version.tables.iter().flat_map(|table| table.segments.clone()).collect();
        let plain: Vec<Bytes> = segments.iter().map(|s| lake.store.get(&s.path).unwrap()).collect();
        for (segment, bytes) in segments.iter().zip(&plain) {
            keyring().lake().put(&segment.path, bytes.clone()).unwrap();
        }
        let before = std::mem::replace(&mut lake.store, keyring().lake());
        assert_eq!(lake.rows(sql), open, "store {n} answers otherwise");
        for (segment, bytes) in segments.iter().zip(&plain) {
            site.zone("lake").put(&segment.path, bytes.clone()).unwrap();
        }
        let error = lake.ask(sql).unwrap_err();
        assert!(
            matches!(error, Error::Integrity(_)),
            "store {n}: plain segments were taken: {error}"
        );
        lake.store = before;
    }
}

/// A site whose lake is the demo's, version 1 in the book.
fn site(lake: &mut Lake) -> Site {
    let address = lake.dir.path().join("site");
    let keys = lake.dir.path().join("keys");
    let now = Instant::parse("2026-06-01").unwrap();
    let site = Site::init(address.to_str().unwrap(), &keys, "commons.example/ledger", now).unwrap();
    for segment in lake.version.tables.iter().flat_map(|table| &table.segments) {
        site.lake().put(&segment.path, lake.store.get(&segment.path).unwrap()).unwrap();
    }
    let body = ledger::Schema::of(Kind::DatasetVersion).sample();
    let entry = site.entry(Kind::DatasetVersion, &[], &[], &body).unwrap();
    entry.text().clone_into(&mut lake.version.entry);
    let sequence = Sequence::new(&site.lake(), "commits");
    site.commit(&sequence, 1, &lake.version, &entry).unwrap();
    site
}

fn request(purpose: &str, dataset: &str) -> PassRequest {
    PassRequest {
        researcher: ResearcherId::parse("ada@uni.example").unwrap(),
        institution: None,
        datasets: [dataset.to_owned()].into(),
        purposes: [Purpose::parse(purpose).unwrap()].into(),
        claims: Claims::default(),
        expires: Instant::parse("2027-01-01").unwrap(),
    }
}

fn question<'a>(pass: &'a str, sql: &'a str) -> Question<'a> {
    Question { pass, dataset: None, purpose: None, sql, limits: Limits::default() }
}

const COUNT: &str = "SELECT code, COUNT(*) AS n FROM conditions GROUP BY code ORDER BY code";

#[test]
fn an_answer_is_in_the_vault_and_the_book_before_it_is_handed_over() {
    let mut lake = demo();
    let site = site(&mut lake);
    let (_, note) = pass::issue(&site, request("DUO:0000006", "demo")).unwrap();
    let before = site.book_size().unwrap();
    let answered = act::answer(&site, &question(&note, COUNT)).unwrap();
    assert_eq!((answered.dataset.as_str(), answered.version, answered.commit), ("demo", 1, 1));
    assert_eq!(site.book_size().unwrap(), before + 1);
    let commit = Sequence::new(&site.vault(), "usage/commits").read(1).unwrap();
    let record: UsageRecord = serde_json::from_slice(&commit).unwrap();
    assert_eq!((record.people, record.rows), (40, 81));
    let object = site.vault().get(&record.lines_path).unwrap();
    assert_eq!(Sha3Digest::of(&object), record.lines);
    let lines = read_lines(object).unwrap();
    assert_eq!(lines.iter().map(|line| line.rows).sum::<u64>(), record.rows);
    let entry = almoner::ledger::Entry::parse(record.entry.as_bytes()).unwrap();
    assert_eq!(entry.id(), answered.entry);
    assert_eq!(entry.kind(), Some(Kind::QueryExecuted));
    let body = serde_json::to_string(entry.body()).unwrap();
    assert!(!body.contains("uni.example"), "the book would name the researcher: {body}");
    assert!(body.contains("\"rows_bucket\":80") && body.contains("\"people_bucket\":40"), "{body}");

    let again = act::answer(&site, &question(&note, COUNT)).unwrap();
    assert_eq!(again.commit, 2, "each use is recorded");
    let other = Sequence::new(&site.vault(), "usage/commits").read(2).unwrap();
    let other: UsageRecord = serde_json::from_slice(&other).unwrap();
    assert_eq!((other.answer, other.lines), (record.answer, record.lines));
    let token = |record: &UsageRecord| {
        let entry = almoner::ledger::Entry::parse(record.entry.as_bytes()).unwrap();
        entry.body().get("researcher_token").unwrap().clone()
    };
    assert_ne!(token(&other), token(&record), "a researcher could be followed in the book");
}

#[test]
fn the_terms_of_a_dataset_are_judged_by_the_claims_of_the_pass() {
    let terms = |names: &[&str]| {
        let terms = names.iter().map(|name| DataTerm::bare(Purpose::named(name).unwrap()));
        let terms = DataUse::new(terms.collect()).unwrap();
        Some(VersionTerms { terms, ontology: None })
    };
    let mut lake = demo();
    lake.version.duo = terms(&["HMB", "IRB", "PUB", "NPU"]);
    let site = site(&mut lake);
    let ask = |claims: &[(&str, &str)]| {
        let mut request = request("DUO:0000006", "demo");
        for (name, value) in claims {
            request.claims.take(name, value).unwrap().unwrap();
        }
        let (_, note) = pass::issue(&site, request).unwrap();
        act::answer(&site, &question(&note, COUNT))
    };
    let before = site.book_size().unwrap();
    let act::Error::Terms { verdict, .. } = ask(&[]).unwrap_err() else { panic!("not its terms") };
    assert_eq!(verdict.effect(), Effect::Refer, "a use was answered that nothing was shown of");
    let missing: Vec<&str> = verdict.deciding().map(|reason| reason.clause.as_str()).collect();
    assert_eq!(missing.len(), 3, "{missing:?}");
    let profit = ask(&[("organisation", "for-profit"), ("ethics", "IRB-7")]).unwrap_err();
    let act::Error::Terms { verdict, .. } = &profit else { panic!("not its terms") };
    assert_eq!(verdict.effect(), Effect::Deny);
    assert!(profit.to_string().contains("works for profit"), "{profit}");
    assert_eq!(site.book_size().unwrap(), before, "what was refused is in the book as answered");
    let shown = [("organisation", "non-profit"), ("ethics", "IRB-7"), ("accepts", "publication")];
    let answered = ask(&shown).unwrap();
    assert_eq!(answered.obligations.len(), 1, "a promise would be forgotten");
    assert_eq!(site.book_size().unwrap(), before + 1);
}

#[test]
fn a_question_without_a_released_cell_is_recorded_and_a_refused_one_is_not() {
    let mut lake = demo();
    let site = site(&mut lake);
    let (_, note) = pass::issue(&site, request("DUO:0000006", "demo")).unwrap();
    let sql = "SELECT COUNT(*) FROM conditions WHERE code = 'K21'";
    let answered = act::answer(&site, &question(&note, sql)).unwrap();
    assert_eq!((answered.answer.rows(), answered.answer.cells_suppressed()), (0, 1));
    let before = site.book_size().unwrap();
    let refused = act::answer(&site, &question(&note, "SELECT * FROM patients"));
    assert!(matches!(refused, Err(act::Error::Query(Error::Refused { .. }))));
    assert_eq!(site.book_size().unwrap(), before);
}

#[test]
fn a_pass_that_does_not_stand_opens_nothing() {
    let mut lake = demo();
    let mut site = site(&mut lake);
    let health = "DUO:0000006";
    let (_, note) = pass::issue(&site, request(health, "demo")).unwrap();
    let error = |site: &Site, note: &str| act::answer(site, &question(note, COUNT)).unwrap_err();

    let forged = note.replace("researcher ada", "researcher eve");
    assert!(matches!(error(&site, &forged), act::Error::Pass(credential::Error::Signature(_))));
    let seed = almoner::signed_note::Signer::from_seed("commons.example/ledger/steward", &[7; 32]);
    let text = note.split_once("\n\n").unwrap().0.to_owned() + "\n";
    let foreign = seed.unwrap().sign_note(&text).unwrap();
    assert!(matches!(error(&site, &foreign), act::Error::Pass(credential::Error::Signature(_))));
    let (_, other) = pass::issue(&site, request(health, "heart")).unwrap();
    let named = Question { dataset: Some("demo@1"), ..question(&other, COUNT) };
    assert!(matches!(
        act::answer(&site, &named),
        Err(act::Error::Pass(credential::Error::Dataset { .. }))
    ));
    // General research covers health, but these people consented to health alone.
    let (_, wide) = pass::issue(&site, request("DUO:0000042", "demo")).unwrap();
    assert!(matches!(error(&site, &wide), act::Error::NotConsented { .. }));
    let purpose = Purpose::parse(health).unwrap();
    let narrowed = Question { purpose: Some(&purpose), ..question(&wide, COUNT) };
    assert!(act::answer(&site, &narrowed).is_ok());
    site.set_now(Instant::parse("2027-01-01").unwrap());
    assert!(matches!(error(&site, &note), act::Error::Pass(credential::Error::Expired { .. })));
    site.set_now(Instant::parse("2026-05-31").unwrap());
    assert!(matches!(
        error(&site, &note),
        act::Error::Pass(credential::Error::NotYetIssued { .. })
    ));
}

#[test]
fn the_command_issues_a_pass_and_answers_in_every_format() {
    let mut lake = demo();
    drop(site(&mut lake));
    let almoner = |args: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_almoner"))
            .args(["--site", "site", "--keys", "keys", "--now", "2026-06-02T00:00:00Z"])
            .args(args)
            .current_dir(lake.dir.path())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), output.stdout.clone(), text(&output.stderr))
    };
    let issue = [
        "credential",
        "issue",
        "--researcher",
        "ada",
        "--dataset",
        "demo",
        "--purpose",
        "DUO:0000006",
        "--expires",
        "2027-01-01",
        "--out",
        "ada.pass",
    ];
    let (code, _, err) = almoner(&issue);
    assert_eq!(code, 0, "{err}");
    assert_eq!(almoner(&issue).0, 2, "a pass would be written over");
    let (code, out, err) = almoner(&["credential", "verify", "ada.pass"]);
    assert!(code == 0 && String::from_utf8_lossy(&out).contains("demo"), "{err}");

    let (code, out, err) = almoner(&["query", "--pass", "ada.pass", "--format", "csv", COUNT]);
    assert_eq!(
        (code, String::from_utf8_lossy(&out).as_ref()),
        (0, "code,n\nE11,50\nI10,10\nZ00,20\n"),
        "{err}"
    );
    assert!(err.contains("2 of 5 cells held back") && err.contains("entry "), "{err}");
    let (code, out, _) = almoner(&["query", "--pass", "ada.pass", "--format", "json", COUNT]);
    let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(
        (code, &json["rows"][0]["n"], &json["cells_suppressed"]),
        (0, &50.into(), &2.into())
    );
    let (code, out, _) = almoner(&["query", "--pass", "ada.pass", "--format", "parquet", COUNT]);
    assert!(code == 0 && out.starts_with(b"PAR1"));
    let (code, out, _) = almoner(&["query", "--pass", "ada.pass", COUNT]);
    assert!(code == 0 && String::from_utf8_lossy(&out).contains("E11"));

    for (sql, wanted) in [
        ("SELECT * FROM read_csv('/etc/passwd')", 8),
        ("SELECT MIN(age) FROM patients", 8),
        ("SELECT nothing FROM patients", 2),
        ("SELECT COUNT(* FROM patients", 2),
    ] {
        let (code, out, err) = almoner(&["query", "--pass", "ada.pass", sql]);
        assert!(
            code == wanted && out.is_empty() && err.starts_with("error: "),
            "{sql}: {code} {err}"
        );
        println!("{err}");
    }
    let (code, _, err) =
        almoner(&["query", "--pass", "ada.pass", "--purpose", "DUO:0000011", COUNT]);
    assert_eq!(code, 8, "{err}");
}

#[test]
fn types_of_the_manifest_read_back() {
    for kind in [
        ColumnType::String,
        ColumnType::Int,
        ColumnType::Float,
        ColumnType::Bool,
        ColumnType::Date,
        ColumnType::Timestamp,
    ] {
        let kind = kind.arrow();
        assert_eq!(kind.to_string().parse::<DataType>().unwrap(), kind);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_released_cell_is_small_and_usage_is_its_rows(
        rows in prop::collection::vec((0_usize..40, 0_usize..4, 0_i64..3), 0..200)
    ) {
        const CODES: [&str; 4] = ["a", "b", "c", "d"];
        let mut lake = Lake::new();
        let people: Vec<usize> = rows.iter().map(|row| row.0).collect();
        lake.table("t", &people, vec![
            ("code", ColumnType::String, Role::Measure, texts(rows.iter().map(|row| CODES[row.1]))),
            ("x", ColumnType::Int, Role::Measure,
                Arc::new(rows.iter().map(|row| Some(row.2)).collect::<Int64Array>())),
        ]);
        let mut cells: BTreeMap<(&str, i64), BTreeMap<String, u64>> = BTreeMap::new();
        for (n, code, x) in &rows {
            *cells.entry((CODES[*code], *x)).or_default().entry(person(*n)).or_insert(0) += 1;
        }
        let (answer, lines) = lake.answer("SELECT code, x, COUNT(*), COUNT(DISTINCT person) FROM t GROUP BY code, x");
        let mut used: BTreeMap<String, u64> = BTreeMap::new();
        for row in answer.texts().unwrap() {
            let row: Vec<String> = row.into_iter().map(Option::unwrap).collect();
            let cell = &cells[&(row[0].as_str(), row[1].parse::<i64>().unwrap())];
            prop_assert!(cell.len() >= 11, "a cell of {} people left", cell.len());
            let exact: u64 = cell.values().sum();
            prop_assert!(row[2].parse::<u64>().unwrap().abs_diff(exact) <= 2);
            prop_assert!(row[2].parse::<u64>().unwrap() % 5 == 0);
            prop_assert!(row[3].parse::<u64>().unwrap().abs_diff(cell.len() as u64) <= 2);
            for (person, rows) in cell {
                *used.entry(person.clone()).or_insert(0) += rows;
            }
        }
        prop_assert_eq!(lines, used);
        prop_assert_eq!(answer.cells(), cells.len() as u64);
    }
}

#[test]
fn a_duplicate_is_in_the_answer_and_not_in_the_record_of_whose_rows_it_drew_on() {
    let mut lake = demo();
    let whole = lake.answer("SELECT COUNT(*) FROM conditions");
    let joined = "SELECT COUNT(*) AS n FROM (SELECT person, code FROM conditions WHERE value > 0) c \
                  LEFT JOIN patients p USING (person) WHERE code = 'E11'";
    let all = lake.answer(joined);
    // The second half of the conditions' rows, and of the patients', are copies.
    for table in &mut lake.version.tables {
        if table.table != "visits" {
            table.segments[1].duplicates = true;
        }
    }
    let marked = lake.answer("SELECT COUNT(*) FROM conditions");
    assert_eq!(marked.0.texts().unwrap(), whole.0.texts().unwrap(), "a mark changed an answer");
    assert_eq!((whole.1.values().sum::<u64>(), marked.1.values().sum::<u64>()), (100, 50));
    assert!(marked.1.values().all(|rows| *rows > 0), "somebody is paid for copies alone");
    let counted = lake.answer(joined);
    assert_eq!(counted.0.texts().unwrap(), all.0.texts().unwrap());
    // Of E11's fifty rows, those of patients 0 to 29 join a row that counts, those of 30 to 39 do not.
    assert_eq!((all.1.values().sum::<u64>(), counted.1.values().sum::<u64>()), (50, 40));
    let visits = lake.answer("SELECT COUNT(*) FROM visits").1;
    assert_eq!(visits.values().sum::<u64>(), 90, "a table without duplicates lost rows");
    for sql in [
        "SELECT \"#duplicate\", COUNT(*) FROM conditions GROUP BY 1",
        "SELECT COUNT(\"#duplicate\") FROM conditions",
    ] {
        assert!(lake.ask(sql).is_err(), "a question sees the mark");
    }
}
