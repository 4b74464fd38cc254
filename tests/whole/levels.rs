//! Levels that a search finds, in a run: in the version, its entry and its report; nobody told from
//! fewer than k people by what others may know; killed and run again, the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{
    commons::{Commons, files},
    kill::{copy, kill_and_run_again},
    people, plain,
};

/// The least number of people that any knowledge may find here.
const K: usize = 4;

/// Writes one of the demo's pipelines for few people, and returns how it is ingested.
fn prepare(commons: &Commons, name: &str, people: u64, settings: &str) -> [String; 4] {
    people::prepare(commons, people);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = plain::read_to_string(root.join("pipelines").join(name)).unwrap();
    let schemas = format!("\"{}/schemas/", root.display());
    let lines: Vec<String> = text
        .lines()
        .map(|line| match line.split('=').next().map(str::trim) {
            Some("k") => format!("k = {K}\n{settings}"),
            Some("suppress_limit") => "suppress_limit = 0.9".to_owned(),
            Some("known_events" | "metric" | "recode") => String::new(),
            Some("rejects_max") => "rejects_max = 0.5".to_owned(),
            _ => line.replace("\"schemas/", &schemas),
        })
        .collect();
    plain::write(commons.path("levels.toml"), lines.join("\n")).unwrap();
    let path = |name: &str| commons.path(name).display().to_string();
    ["ingest".to_owned(), path("levels.toml"), "--input".to_owned(), path("input")]
}

fn json(commons: &Commons, arguments: &[&str]) -> Value {
    serde_json::from_str(&commons.ok(&[arguments, &["--format", "json"]].concat()).out).unwrap()
}

/// The rows of an exported table, cell by cell under their columns' names.
fn exported(commons: &Commons, table: &str) -> Vec<BTreeMap<String, String>> {
    let text = plain::read_to_string(commons.path("export").join(format!("{table}.csv"))).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        let cells = line.split(',').map(str::to_owned);
        names.iter().map(|name| (*name).to_owned()).zip(cells).collect()
    };
    lines.map(row).collect()
}

fn newest_commit(commons: &Commons) -> std::path::PathBuf {
    files(&commons.path("site/lake/commits")).pop().unwrap()
}

#[test]
fn whoever_knows_a_persons_class_and_two_events_finds_k_people_or_nobody() {
    let commons = Commons::new("levels/events");
    let ingest = prepare(&commons, "demo-events.toml", 400, "known_events = 2");
    let ingest = ingest.each_ref().map(String::as_str);
    commons.ok(&ingest);
    let out = commons.path("export");
    let export = ["dataset", "export", "diabetes-events", "--as", "csv", "--out"];
    commons.ok(&[&export[..], &[out.to_str().unwrap()]].concat());

    let mut own: BTreeMap<String, BTreeSet<[String; 2]>> = BTreeMap::new();
    for row in exported(&commons, "patients") {
        let class = ["birth_years", "sex"].map(|name| row[name].clone());
        own.entry(row["person"].clone()).or_default().insert(class);
    }
    let mut events: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in exported(&commons, "conditions") {
        events.entry(row["person"].clone()).or_default().insert(row["code"].clone());
    }
    let mut found: BTreeMap<(BTreeSet<[String; 2]>, BTreeSet<&str>), usize> = BTreeMap::new();
    for (person, events) in &events {
        let class = own.get(person).cloned().unwrap_or_default();
        let mut known: BTreeSet<BTreeSet<&str>> = BTreeSet::new();
        for one in events {
            for two in events {
                known.insert(BTreeSet::from([one.as_str(), two.as_str()]));
            }
        }
        for known in known {
            *found.entry((class.clone(), known)).or_default() += 1;
        }
    }
    for class in own.values() {
        *found.entry((class.clone(), BTreeSet::new())).or_default() += 1;
    }
    let least = found.values().min().copied().unwrap();
    println!("levels: {} kinds of knowledge, the least finds {least} people", found.len());
    assert!(found.keys().any(|(_, events)| events.len() == 2), "nothing is known of two events");
    assert!(least >= K, "somebody is told from {least} people");
}

#[test]
fn what_was_chosen_stands_in_version_entry_and_report_and_the_audit_sees_another() {
    let commons = Commons::new("levels/chosen");
    let ingest = prepare(&commons, "demo-levels.toml", 200, "recode = true\nmetric = \"entropy\"");
    let ingest = ingest.each_ref().map(String::as_str);
    let dry = json(&commons, &[&ingest[..], &["--dry-run"]].concat());
    let report = json(&commons, &ingest);
    let at = |said: &Value| {
        said["tables"].as_array().unwrap().iter().position(|t| t["table"] == "patients").unwrap()
    };
    let table = |said: &Value| said["tables"][at(said)].clone();
    assert!(table(&report)["choice"].is_object(), "the report does not say what was chosen");
    assert_eq!(table(&dry)["choice"], table(&report)["choice"], "a dry run chose otherwise");
    let version = json(&commons, &["dataset", "show", "diabetes-levels"]);
    let choice = table(&version)["choice"].clone();
    assert_eq!(choice["metric"], "entropy");
    let names: Vec<&Value> =
        choice["columns"].as_array().unwrap().iter().map(|own| &own["column"]).collect();
    assert_eq!(names, ["birth_years", "sex", "race", "zip3"]);
    assert!(choice["score"].is_string(), "a float stands in the version");

    let commit = newest_commit(&commons);
    let text = plain::read_to_string(&commit).unwrap();
    let body: Value = serde_json::from_str(&text).unwrap();
    let entry: Value = serde_json::from_str(body["entry"].as_str().unwrap()).unwrap();
    let payload = STANDARD.decode(entry["payload"].as_str().unwrap()).unwrap();
    let entry: Value = serde_json::from_slice(&payload).unwrap();
    let said = &entry["predicate"]["deid"];
    assert_eq!(said["patients"]["choice"], choice, "the entry says otherwise");

    let unchanged = commons.ok(&ingest);
    assert!(unchanged.err.contains("nothing new"), "the same run made another version");
    let audit = ["audit", "--no-publish", "--format", "csv"];
    commons.ok(&audit);
    let mut lie = body.clone();
    let level = &mut lie["tables"][at(&body)]["choice"]["columns"][0]["level"];
    *level = (level.as_u64().unwrap() + 9).into();
    plain::write(&commit, serde_json::to_string(&lie).unwrap()).unwrap();
    let said = commons.run(&audit);
    assert_ne!(said.code, Some(0), "another choice passes the audit");
    assert!(said.out.contains("`deid`"), "the audit does not name it:\n{}", said.out);
    assert!(said.out.contains("a level is chosen that there is not"), "{}", said.out);
}

#[test]
fn a_hierarchy_that_misses_a_value_is_named_and_the_value_is_not() {
    let commons = Commons::new("levels/missing");
    let ingest = prepare(&commons, "demo-levels.toml", 60, "");
    let ingest = ingest.each_ref().map(String::as_str);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    copy(&root.join("schemas"), &commons.path("schemas"));
    let pipeline = plain::read_to_string(commons.path("levels.toml")).unwrap();
    let own = pipeline.replace(&format!("\"{}/schemas/", root.display()), "\"schemas/");
    plain::write(commons.path("levels.toml"), own).unwrap();
    let hierarchy = commons.path("schemas/hierarchies/sex.csv");
    let dry = [&ingest[..], &["--dry-run"]].concat();
    commons.ok(&dry);
    plain::write(&hierarchy, "female;*\nother;*\n").unwrap();
    let said = commons.run(&dry);
    assert_eq!(said.code, Some(3), "{}", said.err);
    assert!(said.err.contains("misses 1 value of column `sex`"), "{}", said.err);
    assert!(said.err.contains("add a line for each"), "{}", said.err);
    assert!(!said.err.contains("male"), "a value stands in the error: {}", said.err);
    plain::write(&hierarchy, "female;*\nmale;*;all\n").unwrap();
    let said = commons.run(&dry);
    assert_eq!(said.code, Some(3), "{}", said.err);
    assert!(said.err.contains("sex.csv`: line 2"), "the line is not named: {}", said.err);
}

#[test]
fn a_search_that_is_killed_and_run_again_ends_in_the_same_root() {
    let base = Commons::new("levels/base");
    let ingest = prepare(&base, "demo-levels.toml", 60, "recode = true");
    let ingest: Vec<&str> = ingest.iter().map(String::as_str).collect();
    let undisturbed = Commons::new("levels/ingested");
    copy(&base.folder, &undisturbed.folder);
    undisturbed.ok(&ingest);
    kill_and_run_again(&base, "levels", &ingest, &undisturbed, 15);
}
