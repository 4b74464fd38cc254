//! Notes that are released scrubbed: none of a person's own values is left in them, dates move as the
//! columns do, and the report says how much a scrubber finds.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use super::{
    commons::Commons,
    plain,
    real_input::{released, run},
};

fn words(text: &str) -> BTreeSet<String> {
    let words = text.split(|sign: char| !sign.is_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

#[test]
fn a_released_note_holds_none_of_its_persons_identifiers() {
    let maker = Commons::new("notes/input");
    let input = maker.path("input");
    let folder = input.to_str().unwrap();
    maker.ok(&["population", "notes", "--notes", "300", "--seed", "3", "--out", folder]);
    let commons = run("notes", "notes.toml", &input, "patients.csv", "patient_id");

    let notes = released(&commons, "notes");
    let texts = notes["note_text"].join("\n");
    assert!(texts.contains("[name]") && texts.contains("[date"), "no note was scrubbed");
    assert!(texts.contains("metformin 500 mg"), "the medicine went as well");
    let shown = words(&texts);
    let lists = fs::read_dir("src/deid/scrub/words").unwrap();
    let listed: BTreeSet<String> = lists
        .flat_map(|list| words(&plain::read_to_string(list.unwrap().path()).unwrap()))
        .collect();
    let mut rows = csv::Reader::from_path(input.join("patients.csv")).unwrap();
    let headers = rows.headers().unwrap().clone();
    let mut looked_for = 0;
    for row in rows.records() {
        let row = row.unwrap();
        let cell = |name: &str| &row[headers.iter().position(|header| header == name).unwrap()];
        for column in ["ssn", "mrn", "phone", "email", "patient_id", "address"] {
            assert!(!texts.contains(cell(column)), "a cell of `{column}` is left");
            looked_for += 1;
        }
        // Names that are words as well stay in the notes of others.
        for column in ["first_name", "last_name"] {
            let is_left = |name: &String| shown.contains(name) && !listed.contains(name);
            assert!(!words(cell(column)).iter().any(is_left), "a name of `{column}` is left");
        }
    }
    assert!(looked_for > 100, "few patients were looked for");

    let report = report(&commons);
    let line = &report["scrubs"][0];
    assert_eq!(line["table"], "notes");
    assert!(line["recall_bound_ppm"].as_u64().unwrap() >= 995_000, "the gold set is not reached");
    assert_eq!(line["patterns_ppm"], 1_000_000, "a date or a number of a fixed form is left");
    assert!(line["people_known"].as_u64().unwrap() > 100, "tables said nothing of the people");
}

fn report(commons: &Commons) -> Value {
    let reports = super::commons::files(&commons.path("site/vault/reports"));
    serde_json::from_slice(&plain::read(&reports[0]).unwrap()).unwrap()
}

#[test]
fn the_scrubber_is_measured_by_a_command_and_refused_below_a_bound() {
    let commons = Commons::new("notes/recall");
    let gold = Path::new("schemas/notes/gold.jsonl").to_str().unwrap();
    let said = commons.ok(&["--format", "json", "deid", "recall", gold, "--at-least", "0.98"]);
    let found: Value = serde_json::from_str(&said.out).unwrap();
    let all = found["classes"].as_array().unwrap().iter().find(|c| c["class"] == "all").unwrap();
    assert!(all["bound_ppm"].as_u64().unwrap() <= all["recall_ppm"].as_u64().unwrap());
    assert!(found["precision_ppm"].as_u64().unwrap() >= 900_000, "{found}");

    let bad = commons.path("bad.jsonl");
    plain::write(
        &bad,
        "{\"text\":\"Zaphod\",\"spans\":[{\"start\":0,\"end\":6,\"class\":\"nobody\"}]}\n",
    )
    .unwrap();
    let said = commons.run(&["deid", "recall", bad.to_str().unwrap()]);
    assert_eq!(said.code, Some(3), "{}", said.err);
    assert!(said.err.contains("line 1") && !said.err.contains("Zaphod"), "{}", said.err);

    // A word that is on no list passes where it is marked nowhere, and one that is stays where it must go.
    plain::write(
        &bad,
        "{\"text\":\"pain\",\"spans\":[{\"start\":0,\"end\":4,\"class\":\"name\"}]}\n",
    )
    .unwrap();
    let said = commons.run(&["deid", "recall", bad.to_str().unwrap(), "--at-least", "0.5"]);
    assert_eq!(said.code, Some(4), "what is missed is taken for found: {}", said.err);
}

#[test]
fn free_text_is_dropped_by_default_and_refused_under_safe_harbour() {
    let commons = Commons::new("notes/refused");
    let pipelines = commons.path("pipelines");
    let schemas = commons.path("schemas/notes");
    fs::create_dir_all(&pipelines).unwrap();
    fs::create_dir_all(&schemas).unwrap();
    for file in ["patients.toml", "notes.toml", "gold.jsonl"] {
        fs::copy(Path::new("schemas/notes").join(file), schemas.join(file)).unwrap();
    }
    let text = plain::read_to_string("pipelines/notes.toml").unwrap();
    let pipeline = pipelines.join("notes.toml");
    plain::write(&pipeline, text.replace("\"expert\"", "\"safe-harbor\"")).unwrap();
    commons.ok(&["init", commons.path("site").to_str().unwrap()]);
    let input = commons.path("input");
    let folder = input.to_str().unwrap();
    commons.ok(&["population", "notes", "--notes", "20", "--seed", "3", "--out", folder]);
    let arguments = ["ingest", pipeline.to_str().unwrap(), "--input", folder];
    let said = commons.run(&arguments);
    assert_eq!(said.code, Some(3), "{}", said.err);
    assert!(said.err.contains("scrubbed free text"), "{}", said.err);

    plain::write(&pipeline, text).unwrap();
    let notes = plain::read_to_string("schemas/notes/notes.toml").unwrap();
    let scrub = "deid = { kernel = \"scrub\", dates = \"shift\" }\n";
    assert!(notes.contains(scrub));
    plain::write(schemas.join("notes.toml"), notes.replace(scrub, "")).unwrap();
    let said = commons.run(&arguments);
    assert_eq!(said.code, Some(3), "free text leaves as it came: {}", said.err);
    assert!(said.err.contains("free text"), "{}", said.err);
}
