//! Rules of quality in a run: rows in quarantine under the rule's name, a run that is stopped, the
//! findings in the book, and a replay that accounts for every row.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::commons::{Commons, Said, files};
use super::plain;

const RULES: &str = r#"
[[rule]]
name     = "visit-ends"
table    = "visits"
kind     = "temporal-order"
columns  = ["start", "end"]
severity = "error"
error_if = 0.5
reject   = true

[[rule]]
name    = "lab-of-a-visit"
table   = "labs"
kind    = "foreign-key"
column  = "visit"
to      = "visits.visit"
reject  = true

[[rule]]
name    = "value-told"
table   = "labs"
kind    = "required"
columns = ["value"]

[[rule]]
name    = "visits-as-before"
table   = "visits"
kind    = "row-count"
rows_min = 10
warn_if = 0.2
"#;

const PIPELINE: &str = r#"
name    = "small"
dataset = "small"
purpose = ["DUO:0000006"]

[[source]]
institution = "north"
table       = "visits"
schema      = "visits.toml"
format      = "csv"
path        = "visits.csv"

[[source]]
institution = "north"
table       = "labs"
schema      = "labs.toml"
format      = "csv"
path        = "labs.csv"

[deid]
profile = "expert"
k = 2

[quality]
rejects_max = 0.2
rules       = ["rules.toml"]
"#;

const VISITS: &str = r#"
table = "visits"
key = ["visit"]
[[column]]
name = "visit"
type = "string"
role = "direct"
required = true
deid = { kernel = "pseudonym", domain = "visit" }
[[column]]
name = "who"
type = "string"
role = "person"
[[column]]
name = "start"
type = "date"
role = "measure"
required = true
deid = { kernel = "shift-date" }
[[column]]
name = "end"
as = "finish"
type = "date"
role = "measure"
deid = { kernel = "shift-date" }
"#;

const LABS: &str = r#"
table = "labs"
[[column]]
name = "visit"
type = "string"
role = "direct"
required = true
references = "visits.visit"
deid = { kernel = "pseudonym", domain = "visit" }
[[column]]
name = "who"
type = "string"
role = "person"
[[column]]
name = "value"
type = "float"
role = "measure"
"#;

/// A site, a pipeline of two tables with rules, and consents for its twenty people.
fn small(name: &str) -> Commons {
    let commons = Commons::new(&format!("quality/{name}"));
    for (file, text) in
        [("rules.toml", RULES), ("visits.toml", VISITS), ("labs.toml", LABS), ("p.toml", PIPELINE)]
    {
        plain::write(commons.path(file), text).unwrap();
    }
    let mut consents = String::from("contributor,action,purposes,decided_at\n");
    for person in 0..20 {
        writeln!(consents, "p{person},grant,DUO:0000006,2026-01-01T09:00:00Z").unwrap();
    }
    plain::write(commons.path("consents.csv"), consents).unwrap();
    input(&commons, &[3, 7]);
    commons.ok(&["init", commons.path("site").to_str().unwrap()]);
    commons.ok(&["consent", "import", commons.path("consents.csv").to_str().unwrap()]);
    commons
}

/// Writes forty visits and their labs; the visits of these numbers end before they begin.
fn input(commons: &Commons, upside_down: &[usize]) {
    let (mut visits, mut labs) =
        (String::from("visit,who,start,end\n"), String::from("visit,who,value\n"));
    for n in 0..40 {
        let end = if upside_down.contains(&n) { "2019-01-01" } else { "2020-02-02" };
        writeln!(visits, "v{n},p{},2020-02-01,{end}", n % 20).unwrap();
        let value = if n < 10 { String::new() } else { n.to_string() };
        writeln!(labs, "v{n},p{},{value}", n % 20).unwrap();
    }
    fs::create_dir_all(commons.path("in")).unwrap();
    plain::write(commons.path("in/visits.csv"), visits).unwrap();
    plain::write(commons.path("in/labs.csv"), labs).unwrap();
}

fn ingest(commons: &Commons) -> Said {
    let (pipeline, input) = (commons.path("p.toml"), commons.path("in"));
    commons.run(&["ingest", pipeline.to_str().unwrap(), "--input", input.to_str().unwrap()])
}

fn json(commons: &Commons, arguments: &[&str]) -> Value {
    let said = commons.ok(&[arguments, &["--format", "json"]].concat());
    serde_json::from_str(&said.out).unwrap()
}

fn version(commons: &Commons) -> Value {
    let newest = files(&commons.path("site/lake/commits")).pop().unwrap();
    serde_json::from_slice(&plain::read(newest).unwrap()).unwrap()
}

fn run_of(commons: &Commons) -> String {
    version(commons)["run"].as_str().unwrap().to_owned()
}

#[test]
fn rows_that_break_a_rejecting_rule_are_quarantined_under_its_name_with_what_hangs_on_them() {
    let commons = small("quarantine");
    let said = ingest(&commons);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let run = run_of(&commons);
    let lines = json(&commons, &["rejects", "show", &run]);
    let told: Vec<(&str, i64, &str)> = lines
        .as_array()
        .unwrap()
        .iter()
        .map(|l| {
            (l["file"].as_str().unwrap(), l["line"].as_i64().unwrap(), l["rule"].as_str().unwrap())
        })
        .collect();
    let wanted = [
        ("visits.csv", 5, "visit-ends"),
        ("visits.csv", 9, "visit-ends"),
        ("labs.csv", 5, "lab-of-a-visit"),
        ("labs.csv", 9, "lab-of-a-visit"),
    ];
    assert_eq!(told, wanted);
    let version = version(&commons);
    assert_eq!(version["counts"]["rejected"], 4);
    assert_eq!(version["counts"]["released"], 76, "a failing row would be released");

    let report: Value = serde_json::from_slice(
        &plain::read(commons.path("site/vault").join(version["report"]["path"].as_str().unwrap()))
            .unwrap(),
    )
    .unwrap();
    assert_eq!(report["rejects"]["visit-ends"], 2, "the run report counts by the rule's name");

    let found = json(&commons, &["quality", "show", &run]);
    let of = |rule: &str| {
        found["findings"].as_array().unwrap().iter().find(|f| f["rule"] == rule).unwrap().clone()
    };
    assert_eq!((&of("visit-ends")["failing"], &of("visit-ends")["rows"]), (&2.into(), &40.into()));
    assert_eq!(of("lab-of-a-visit")["failing"], 0, "its visits were there when it was asked");
    assert_eq!(of("visits-as-before")["outcome"], "unjudged");
    // Ten of forty labs lack their value: by the rule that does not reject, a quarter does not hold.
    assert_eq!(found["validity"]["north"]["checked"], 40);
    assert_eq!(found["validity"]["north"]["held"], 30);
}

#[test]
fn findings_are_in_the_book_and_a_changed_byte_of_them_is_found() {
    let commons = small("book");
    assert_eq!(ingest(&commons).code, Some(0));
    let version = version(&commons);
    let book = json(&commons, &["ledger", "show"]);
    let entry = book.as_array().unwrap().iter().rfind(|e| e["kind"] == "dataset-version").unwrap();
    assert_eq!(
        entry["body"]["quality"], version["quality"]["digest"],
        "the book does not name them"
    );
    commons.ok(&["audit"]);
    commons.ok(&["verify", "--deep"]);
    commons.ok(&["dataset", "verify"]);

    let path = commons.path("site/vault").join(version["quality"]["path"].as_str().unwrap());
    let good = plain::read(&path).unwrap();
    let mut bad = good.clone();
    bad[20] ^= 1;
    plain::write(&path, &bad).unwrap();
    for command in [&["audit"][..], &["verify", "--deep"], &["dataset", "verify"]] {
        assert_eq!(commons.run(command).code, Some(7), "{command:?} takes changed findings");
    }
    let run = version["run"].as_str().unwrap();
    assert_eq!(commons.run(&["quality", "show", run]).code, Some(7));
    plain::write(&path, &good).unwrap();

    // Another digest in the commit is not the one in the book.
    let commit = files(&commons.path("site/lake/commits")).pop().unwrap();
    let text = plain::read_to_string(&commit).unwrap();
    let digest = version["quality"]["digest"].as_str().unwrap();
    let other = digest.replace(&digest[..1], if digest.starts_with('0') { "1" } else { "0" });
    plain::write(&commit, text.replace(digest, &other)).unwrap();
    assert_eq!(commons.run(&["audit"]).code, Some(7), "the entry is not held against the commit");
}

#[test]
fn a_rule_that_fails_too_often_stops_the_run_and_says_which_and_how_often() {
    let commons = small("stop");
    let many: Vec<usize> = (0..20).collect();
    input(&commons, &many);
    let said = ingest(&commons);
    assert_eq!(said.code, Some(4), "{}", said.err);
    for word in ["`visit-ends`", "`visits`", "`north`", "20 of 40 rows", "500000 in a million"] {
        assert!(said.err.contains(word), "it does not say {word}: {}", said.err);
    }
    assert!(
        files(&commons.path("site/lake")).is_empty(),
        "a stopped run left something in the lake"
    );
    let runs = json(&commons, &["rejects", "list"]);
    let run = runs[0]["run"].as_str().unwrap();
    assert_eq!(runs[0]["rejected"], 40, "twenty visits and their labs");
    let found = json(&commons, &["quality", "show", run]);
    assert_eq!(found["findings"][0]["outcome"], "stopped");

    // Mended, the same quarantine is taken again; nothing is lost.
    input(&commons, &[]);
    let replayed = json(&commons, &["rejects", "replay", run]);
    let rows = replayed["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 40);
    assert!(rows.iter().all(|row| row["fate"] == "admitted"), "{rows:?}");
    assert_eq!(version(&commons)["counts"]["released"], 80);
}

#[test]
fn a_replay_accounts_for_every_row_once_however_often_it_is_run() {
    let commons = small("replay");
    assert_eq!(ingest(&commons).code, Some(0));
    let run = run_of(&commons);
    // One row is mended, the other's person withdraws no consent but its visit stays wrong.
    input(&commons, &[7]);
    let first = commons.ok(&["rejects", "replay", &run, "--format", "json"]);
    let told: Value = serde_json::from_str(&first.out).unwrap();
    let fates: Vec<(&str, i64, &str)> = told["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| {
            (r["file"].as_str().unwrap(), r["line"].as_i64().unwrap(), r["fate"].as_str().unwrap())
        })
        .collect();
    let wanted = [
        ("visits.csv", 5, "admitted"),
        ("visits.csv", 9, "rejected"),
        ("labs.csv", 5, "admitted"),
        ("labs.csv", 9, "rejected"),
    ];
    assert_eq!(fates, wanted);
    assert_eq!(version(&commons)["version"], 2);
    assert_eq!(version(&commons)["counts"]["released"], 78);
    let before = fingerprint(&commons.path("site"));
    let second = commons.ok(&["rejects", "replay", &run, "--format", "json"]);
    assert_eq!(first.out, second.out, "the same replay says something else");
    assert_eq!(fingerprint(&commons.path("site")), before, "a replay repeated changes the site");

    // Rows are lost to nobody: a line that is gone is told as gone.
    plain::write(commons.path("in/labs.csv"), "visit,who,value\nv1,p1,1\n").unwrap();
    let told = json(&commons, &["rejects", "replay", &run]);
    let gone = told["rows"].as_array().unwrap().iter().filter(|r| r["fate"] == "gone").count();
    assert_eq!((told["rows"].as_array().unwrap().len(), gone), (4, 2));
    commons.ok(&["audit"]);
}

#[test]
fn corrected_rules_are_another_run_and_drifts_are_held_against_the_version_before() {
    let commons = small("rules");
    assert_eq!(ingest(&commons).code, Some(0));
    let run = run_of(&commons);
    plain::write(commons.path("rules.toml"), RULES.replace("reject   = true", "reject   = false"))
        .unwrap();
    let told = json(&commons, &["rejects", "replay", &run]);
    let rows = told["rows"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["fate"] == "admitted"), "{rows:?}");
    assert_ne!(run_of(&commons), run, "other rules are another run");
    let found = json(&commons, &["quality", "show", &run_of(&commons)]);
    let rows = found["findings"].as_array().unwrap();
    let rows = rows.iter().find(|f| f["rule"] == "visits-as-before").unwrap();
    assert_eq!((&rows["outcome"], &found["previous"]), (&"passed".into(), &1.into()));
}

#[test]
fn a_check_before_a_run_needs_no_site_and_writes_nothing_but_its_page() {
    let commons = small("check");
    let page = commons.path("page.html");
    let (pipeline, input) = (commons.path("p.toml"), commons.path("in"));
    let mut command = commons.command(&[
        "quality",
        "run",
        pipeline.to_str().unwrap(),
        "--input",
        input.to_str().unwrap(),
        "--out",
        page.to_str().unwrap(),
    ]);
    let output = command.env_remove("ALMONER_SITE").env_remove("ALMONER_KEYS").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let html = plain::read_to_string(&page).unwrap();
    assert!(html.contains("visit-ends") && html.contains("<svg class=\"heat\""));
    assert!(page.with_extension("json").is_file());
    assert!(files(&commons.path("site/lake")).is_empty(), "a check made a version");
}

#[test]
fn a_profile_tells_nothing_of_few_people() {
    let commons = small("profile");
    assert_eq!(ingest(&commons).code, Some(0));
    let found = json(&commons, &["dataset", "show", "small", "--profile"]);
    let labs = found["tables"].as_array().unwrap().iter().find(|t| t["table"] == "labs").unwrap();
    let value =
        labs["columns"].as_array().unwrap().iter().find(|c| c["column"] == "value").unwrap();
    // Ten rows are empty, of ten people: less what is missing with the two rejected ones.
    assert_eq!(value["missing"], Value::Null, "{value}");
    assert_eq!(value["filled"], Value::Null, "one count would tell the other");
}

fn fingerprint(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files(folder).into_iter().map(|file| (file.clone(), plain::read(file).unwrap())).collect()
}
