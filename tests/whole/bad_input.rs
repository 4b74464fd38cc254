//! Bad input: each kind with the exit code it must give and the words it must say.
//!
//! The site is a small one of 30 people whose visits fall in two wards: 10 people in one, 20 in the
//! other, so that one cell is too small by one person.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::Duration,
};

use super::commons::{Commons, Said, files};
use super::plain;

const SCHEMA: &str = r#"table = "visits"

[[column]]
name = "member"
type = "string"
role = "person"

[[column]]
name  = "ward"
type  = "string"
role  = "measure"
codes = ["east", "west"]

[[column]]
name     = "days"
type     = "int"
role     = "measure"
required = true
range    = { min = 0, max = 400 }

[[column]]
name = "seen"
type = "date"
role = "sensitive"
deid = { kernel = "shift-date" }
"#;

const PIPELINE: &str = r#"name    = "visits"
dataset = "wards"
purpose = ["DUO:0000006"]
pool    = "wards-2026"

[[source]]
institution = "north-shore"
table       = "visits"
schema      = "SCHEMA"
format      = "csv"
path        = "INPUT"

[deid]
profile        = "expert"
k              = 11
suppress_limit = 0.02
shift_days_max = 182

[quality]
rejects_max = REJECTS

[lake]
rows_per_segment = 1000
"#;

/// The rows of 30 people: 10 in the east, 20 in the west, two visits each.
fn rows() -> String {
    let mut text = String::from("member,ward,days,seen\n");
    for person in 0..30 {
        let ward = if person < 10 { "east" } else { "west" };
        for visit in 1..=2 {
            writeln!(text, "m-{person:03},{ward},{},2025-0{visit}-1{}", person + visit, person % 9)
                .unwrap();
        }
    }
    text
}

/// Makes the site with its consents; `input` is what the pipeline will read.
fn wards(name: &str, input: &[u8], rejects_max: &str) -> Commons {
    let commons = Commons::new(&format!("bad_input/{name}"));
    plain::write(commons.path("visits.csv"), input).unwrap();
    plain::write(commons.path("visits.toml"), SCHEMA).unwrap();
    write_pipeline(&commons, "visits.toml", "visits.csv", rejects_max);
    let mut consents = String::from(
        "contributor,action,purposes,institutions,categories,valid_from,valid_until,decided_at\n",
    );
    for person in 0..30 {
        writeln!(consents, "m-{person:03},grant,DUO:0000006,*,*,2020-01-01,,2020-01-01T00:00:00Z")
            .unwrap();
    }
    plain::write(commons.path("consents.csv"), consents).unwrap();
    commons.ok(&["init", commons.path("site").to_str().unwrap()]);
    commons.ok(&["consent", "import", commons.path("consents.csv").to_str().unwrap()]);
    commons
}

fn write_pipeline(commons: &Commons, schema: &str, input: &str, rejects_max: &str) {
    let text = PIPELINE
        .replace("SCHEMA", commons.path(schema).to_str().unwrap())
        .replace("INPUT", input)
        .replace("REJECTS", rejects_max);
    plain::write(commons.path("wards.toml"), text).unwrap();
}

fn ingest(commons: &Commons) -> Said {
    let pipeline = commons.path("wards.toml");
    commons.run(&[
        "ingest",
        pipeline.to_str().unwrap(),
        "--input",
        commons.folder.to_str().unwrap(),
    ])
}

/// Expects an end with `code` whose message has all of `words`, and that nothing was committed.
#[track_caller]
fn refused(commons: &Commons, said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "it should end with {code}:\n{}\n{}", said.out, said.err);
    for word in words {
        assert!(said.err.contains(word), "the message should say `{word}`:\n{}", said.err);
    }
    let versions = files(&commons.path("site/lake/commits")).len();
    assert_eq!(versions, 0, "a run that failed committed a version");
}

/// Makes the site whole: a version, a pass, an answer, a settlement.
fn lived(name: &str) -> Commons {
    let commons = wards(name, rows().as_bytes(), "0.0");
    let said = ingest(&commons);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let pass = commons.path("pass");
    commons.ok(&issue(pass.to_str().unwrap(), "2027-01-01"));
    commons
}

fn issue<'a>(pass: &'a str, expires: &'a str) -> [&'a str; 12] {
    [
        "credential",
        "issue",
        "--researcher",
        "r-1",
        "--dataset",
        "wards",
        "--purpose",
        "DUO:0000006",
        "--expires",
        expires,
        "--out",
        pass,
    ]
}

#[test]
fn a_truncated_zstd_file_is_named() {
    let whole = zstd::encode_all(rows().as_bytes(), 3).unwrap();
    let commons = wards("zstd", &whole[..whole.len() - 20], "0.0");
    refused(&commons, &ingest(&commons), 3, &["visits.csv"]);
}

#[test]
fn a_truncated_gzip_file_is_named() {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(rows().as_bytes()).unwrap();
    let whole = writer.finish().unwrap();
    let commons = wards("gzip", &whole[..whole.len() - 20], "0.0");
    refused(&commons, &ingest(&commons), 3, &["visits.csv"]);
}

#[test]
fn an_empty_file_is_named() {
    let commons = wards("empty", b"", "0.0");
    refused(&commons, &ingest(&commons), 3, &["visits.csv", "empty"]);
}

#[test]
fn a_pattern_that_finds_no_file_is_an_error() {
    let commons = wards("none", rows().as_bytes(), "0.0");
    write_pipeline(&commons, "visits.toml", "absent-*.csv", "0.0");
    refused(&commons, &ingest(&commons), 3, &["absent-*.csv"]);
}

#[test]
fn an_undeclared_column_is_named_with_its_file() {
    let text = rows().replacen("seen", "seen,ssn", 1).replace("2025", "x,2025");
    let commons = wards("undeclared", text.as_bytes(), "0.0");
    let said = ingest(&commons);
    refused(&commons, &said, 3, &["visits.csv", "ssn"]);
}

/// Ingests rows with a bad one in line 4: with no patience it stops, with some it is quarantined.
fn quarantined(name: &str, bad: &[u8], rule: &str) {
    let mut text = rows().into_bytes();
    let lines: Vec<usize> =
        text.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i).collect();
    text.splice(lines[2] + 1..=lines[3], bad.iter().copied());

    let strict = wards(&format!("{name}-strict"), &text, "0.0");
    refused(&strict, &ingest(&strict), 4, &["reject"]);

    let patient = wards(name, &text, "0.05");
    let said = ingest(&patient);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let run = fs::read_dir(patient.path("site/vault/runs")).unwrap().next().unwrap().unwrap();
    let run = run.file_name().to_string_lossy().into_owned();
    let shown = patient.ok(&["--format", "csv", "rejects", "show", &run]);
    let line = shown.out.lines().find(|l| l.contains("visits.csv")).unwrap_or_default();
    let cells: Vec<&str> = line.split(',').collect();
    assert!(cells.contains(&"4") && cells.contains(&rule), "line 4, rule {rule}: {}", shown.out);
    assert!(!shown.out.contains("CANARY"), "a quarantine shows no value");
}

#[test]
fn invalid_utf8_is_quarantined_with_its_line() {
    quarantined("utf8", b"m-001,CANARY\xff\xfe,3,2025-01-11\n", "encoding");
}

#[test]
fn a_wrong_column_count_is_quarantined_with_its_line() {
    quarantined("columns", b"m-001,CANARY,3\n", "columns");
}

#[test]
fn a_value_of_another_type_is_quarantined_with_its_line() {
    quarantined("type", b"m-001,east,CANARY,2025-01-11\n", "type");
}

#[test]
fn a_value_out_of_range_is_quarantined_with_its_line() {
    quarantined("range", b"m-001,east,401,2025-01-11\n", "range");
}

#[test]
fn an_unknown_code_is_quarantined_with_its_line() {
    quarantined("code", b"m-001,CANARY,4,2025-01-11\n", "code");
}

#[test]
fn a_line_of_100_megabytes_does_not_fill_memory() {
    let commons = wards("long", b"", "0.0");
    let mut file = fs::File::create(commons.path("visits.csv")).unwrap();
    file.write_all(rows().as_bytes()).unwrap();
    file.write_all(b"m-001,").unwrap();
    let chunk = vec![b'x'; 1 << 20];
    for _ in 0..100 {
        file.write_all(&chunk).unwrap();
    }
    file.write_all(b",3,2025-01-11\n").unwrap();
    drop(file);

    let pipeline = commons.path("wards.toml");
    let arguments =
        ["ingest", pipeline.to_str().unwrap(), "--input", commons.folder.to_str().unwrap()];
    let mut child =
        commons.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak_kib = None;
    let code = loop {
        peak_kib = peak(&status).max(peak_kib);
        thread::sleep(Duration::from_millis(2));
        if let Some(ended) = child.try_wait().unwrap() {
            break ended.code();
        }
    };
    assert!(matches!(code, Some(1 | 4)), "a line of 100 MB is an error or a reject: {code:?}");
    assert!(files(&commons.path("site/lake/commits")).is_empty(), "nothing may be committed");
    match peak_kib {
        Some(kib) => assert!(kib < 300_000, "{kib} KiB for one line of 100 MB"),
        None => println!("SKIPPED the memory of a 100 MB line: there is no /proc here"),
    }
}

/// Reads the most memory a process has held, in KiB.
fn peak(status: &Path) -> Option<u64> {
    let text = plain::read_to_string(status).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[test]
fn a_typo_in_a_schema_is_shown_with_line_and_column() {
    let commons = wards("typo", rows().as_bytes(), "0.0");
    let typo = SCHEMA.replace("role  = \"measure\"", "role  = \"measuer\"");
    plain::write(commons.path("visits.toml"), typo).unwrap();
    let said = ingest(&commons);
    refused(&commons, &said, 3, &["visits.toml:11:9", "measure"]);
}

#[test]
fn every_fault_of_a_pipeline_is_shown_at_once() {
    let commons = wards("faults", rows().as_bytes(), "0.0");
    let text = plain::read_to_string(commons.path("wards.toml")).unwrap();
    let text = text.replace("DUO:0000006", "research").replace("\nk   ", "\nkk  ");
    plain::write(commons.path("wards.toml"), text).unwrap();
    let said = ingest(&commons);
    refused(&commons, &said, 3, &["wards.toml:3:", "wards.toml:15:", "kk"]);
}

#[test]
fn a_pipeline_that_leaks_an_identifier_is_refused_when_it_is_read() {
    let commons = wards("leak", rows().as_bytes(), "0.0");
    let leak = "\n[[column]]\nname = \"ssn\"\ntype = \"string\"\nrole = \"measure\"\n";
    plain::write(commons.path("visits.toml"), format!("{SCHEMA}{leak}")).unwrap();
    refused(&commons, &ingest(&commons), 3, &["ssn", "visits.toml:"]);
}

#[test]
fn an_expired_pass_opens_nothing() {
    let commons = lived("expired");
    let pass = commons.path("old");
    let pass = pass.to_str().unwrap();
    commons.ok(&issue(pass, "2026-12-01"));
    let ask = ["query", "--pass", pass, "SELECT count(*) FROM visits"];
    commons.ok(&ask);
    let mut late = vec!["--now", "2026-12-02T00:00:00Z"];
    late.extend(ask);
    let said = commons.run(&late);
    assert_eq!(said.code, Some(8), "{}", said.err);
    assert!(said.err.contains("expired"), "{}", said.err);
}

#[test]
fn sql_reaches_nothing_but_the_granted_tables() {
    let commons = lived("sql");
    let pass = commons.path("pass");
    let before = files(&commons.path("site/vault/usage")).len();
    for sql in [
        "SELECT count(*) FROM '/etc/passwd'",
        "SELECT count(*) FROM read_csv('/etc/passwd')",
        "SELECT count(*) FROM \"/etc/passwd\"",
        "SELECT count(*) FROM information_schema.tables",
        "COPY visits TO '/tmp/almoner-leak.csv'",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "CREATE TABLE t (x INT)",
        "SET datafusion.execution.batch_size = 1",
        "SELECT count(*) FROM visits; SELECT count(*) FROM visits",
        "SELECT * FROM visits",
        "SELECT person, count(*) FROM visits GROUP BY person",
        "SELECT max(days) FROM visits",
    ] {
        let said = commons.run(&["query", "--pass", pass.to_str().unwrap(), sql]);
        // An engine's own word is no SQL to the guard, and so not even understood.
        let code = if sql.starts_with("CREATE EXTERNAL") { 2 } else { 8 };
        assert_eq!(said.code, Some(code), "`{sql}` should be refused by policy: {}", said.err);
        assert!(said.out.is_empty(), "`{sql}` gave an answer");
        assert!(!said.err.contains("root:"), "`{sql}` quoted a file");
    }
    assert!(!Path::new("/tmp/almoner-leak.csv").exists());
    assert_eq!(files(&commons.path("site/vault/usage")).len(), before, "a refusal is no usage");
}

#[test]
fn a_cell_of_10_people_is_suppressed() {
    let commons = lived("cell");
    let pass = commons.path("pass");
    let pass = pass.to_str().unwrap();
    let by_ward = "SELECT ward, count(DISTINCT person) AS people FROM visits GROUP BY ward";
    let said = commons.ok(&["--format", "csv", "query", "--pass", pass, by_ward]);
    assert!(!said.out.contains("east"), "a cell of 10 people left:\n{}", said.out);
    // With one cell hidden of two, the other would tell it by the total: it is hidden as well.
    let whole = "SELECT count(DISTINCT person) AS people FROM visits";
    let said = commons.ok(&["--format", "csv", "query", "--pass", pass, whole]);
    assert!(said.out.contains("30"), "30 people are enough:\n{}", said.out);
    let east = "SELECT count(*) AS n FROM visits WHERE ward = 'east'";
    let said = commons.ok(&["--format", "csv", "query", "--pass", pass, east]);
    assert!(!said.out.contains("20"), "20 visits of 10 people left:\n{}", said.out);
}

#[test]
fn a_flipped_byte_in_any_kind_of_object_is_found_and_named() {
    let commons = lived("flip");
    let pass = commons.path("pass");
    let count = "SELECT count(*) AS n FROM visits";
    commons.ok(&["query", "--pass", pass.to_str().unwrap(), count]);
    commons.ok(&[
        "pool",
        "open",
        "wards-2026",
        "--currency",
        "EUR",
        "--dataset",
        "wards",
        "--fee-bps",
        "500",
        "--base-ppm",
        "300000",
        "--usage-ppm",
        "700000",
    ]);
    commons.ok(&[
        "pool",
        "fund",
        "wards-2026",
        "--amount",
        "1000.00",
        "--sponsor",
        "acme",
        "--reference",
        "wire-1",
    ]);
    commons.ok(&["--now", "2027-01-02T00:00:00Z", "settle", "wards-2026", "--period", "2026-Q4"]);
    commons.ok(&["verify", "--deep"]);

    let site = commons.path("site");
    let mut kinds: BTreeMap<String, PathBuf> = BTreeMap::new();
    for zone in ["lake", "ledger", "vault"] {
        for file in files(&site.join(zone)) {
            let name = file.strip_prefix(&site).unwrap().display().to_string();
            kinds.entry(kind(&name)).or_insert(file);
        }
    }
    assert!(kinds.len() >= 12, "too few kinds of objects: {:?}", kinds.keys());
    let mut missed = Vec::new();
    for (kind, file) in &kinds {
        let whole = plain::read(file).unwrap();
        let mut flipped = whole.clone();
        let Some(byte) = flipped.get_mut(whole.len() / 2) else { continue };
        *byte ^= 1;
        plain::write(file, &flipped).unwrap();
        let said = commons.run(&["verify", "--deep"]);
        let name = file.file_name().unwrap().to_str().unwrap();
        if said.code != Some(7) || !(said.out.contains(name) || said.err.contains(name)) {
            missed.push(format!("{kind}: ended with {:?}: {}", said.code, said.err.trim()));
        }
        plain::write(file, &whole).unwrap();
    }
    commons.ok(&["verify", "--deep"]);
    assert!(
        missed.is_empty(),
        "{} of {} missed:\n{}",
        missed.len(),
        kinds.len(),
        missed.join("\n")
    );
    println!("flipped bytes: {} kinds of objects, all found and named", kinds.len());
}

/// Returns what kind of object a path is of: numbers and digests in it do not count.
fn kind(name: &str) -> String {
    let part = |part: &str| {
        let (stem, end) = part.split_once('.').unwrap_or((part, ""));
        let numbered = stem.chars().all(|c| c.is_ascii_digit() || c == 'x')
            || (stem.len() >= 16 && stem.chars().all(|c| c.is_ascii_hexdigit()));
        if numbered { format!("*.{end}") } else { part.to_owned() }
    };
    name.split('/').map(part).collect::<Vec<_>>().join("/")
}
