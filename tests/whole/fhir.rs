//! FHIR from many institutions, from outside: split, ingested through views, queried, exported.

use std::{fmt::Write as _, fs, path::Path};

use serde_json::{Value, json};

use super::{
    commons::{Commons, files},
    plain,
    real_input::data,
};

/// Reads the newest version that a site has.
fn newest(commons: &Commons) -> Value {
    let newest = files(&commons.path("site/lake/commits")).pop().unwrap();
    serde_json::from_slice(&plain::read(newest).unwrap()).unwrap()
}

/// Makes the site and lets everyone in a column of a file consent.
fn site(commons: &Commons, people: &Path, column: &str, share: &str) {
    let consents = commons.path("consents.csv");
    let (people, consents) = (people.to_str().unwrap(), consents.to_str().unwrap());
    commons.ok(&[
        "population",
        "consents",
        "--for",
        people,
        "--column",
        column,
        "--seed",
        "7",
        "--grant-share",
        share,
        "--out",
        consents,
    ]);
    commons.ok(&["init", commons.path("site").to_str().unwrap()]);
    commons.ok(&["consent", "import", consents]);
}

#[test]
fn ninety_nine_institutions_send_fhir_and_three_tables_are_joined() {
    let Some(export) = data("synthea-r4-multi") else { return };
    let commons = Commons::new("fhir/split");
    let input = commons.path("input");
    let input = input.to_str().unwrap();
    let export = export.to_str().unwrap();
    let said = commons.ok(&["population", "split", "--fhir", export, "--out", input]);
    assert!(
        said.err.contains("615 people at 99 institutions, 288 of them at several; 0 resources"),
        "{}",
        said.err
    );
    commons.ok(&["population", "consents", "--fhir-folders", input, "--seed", "3"]);
    commons.ok(&["init", commons.path("site").to_str().unwrap()]);
    let pipeline = "pipelines/synthea-fhir.toml";
    let said = commons.ok(&["--format", "json", "linkage", "run", pipeline, "--input", input]).out;
    let linked: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&linked["counts"]["people"], &linked["counts"]["people_several"]),
        (&json!(615), &json!(288)),
        "somebody was taken for somebody else, or for two"
    );
    let truth = commons.path("input/truth.csv");
    let truth = truth.to_str().unwrap();
    let judged = ["linkage", "evaluate", pipeline, "--input", input, "--truth", truth];
    let judged = commons.ok(&[["--format", "csv"].as_slice(), &judged].concat()).out;
    let index = judged.lines().find(|line| line.starts_with("person index")).unwrap();
    assert!(index.contains(",1.00000,1.00000,"), "precision or recall is below one: {index}");
    let consents = format!("{input}/{{institution}}/Consent.ndjson");
    let said = commons.ok(&["consent", "import", "--input-format", "fhir", &consents]).out;
    assert!(said.contains("in 99 files"), "{said}");
    let terms = "--currency EUR --dataset synthea-fhir --fee-bps 500 --base-ppm 300000 \
                 --usage-ppm 700000 --institution-bps 1500 --minimum 1.00";
    let open: Vec<&str> = terms.split_whitespace().collect();
    commons.ok(&[["pool", "open", "fhir-2026"].as_slice(), &open].concat());
    let fund = "--amount 100000.00 --sponsor meridian --reference wire-1";
    let fund: Vec<&str> = fund.split_whitespace().collect();
    commons.ok(&[["pool", "fund", "fhir-2026"].as_slice(), &fund].concat());
    let ingest = ["ingest", pipeline, "--input", input];
    commons.ok(&ingest);
    let version = newest(&commons);
    assert_eq!(version["institutions"], 99, "an institution was left out");
    let counts = &version["counts"];
    assert_eq!((&counts["read"], &counts["rejected"]), (&json!(131_102), &json!(0)));
    assert!(counts["refused"].as_u64().unwrap() > 1_000, "whoever denied was let through");
    assert!(counts["people"].as_u64().unwrap() <= 615, "a person was counted twice");
    let tables = version["tables"].as_array().unwrap();
    let names: Vec<&str> = tables.iter().map(|t| t["table"].as_str().unwrap()).collect();
    let wanted =
        ["conditions", "encounters", "medications", "observations", "patients", "procedures"];
    assert_eq!(names, wanted);
    assert!(tables.iter().all(|t| t["class_min"].as_u64().unwrap() >= 5), "k is 5: {tables:#?}");
    let entry = version["entry"].as_str().unwrap();
    assert!(entry.len() < 65_535, "an entry of {} bytes has no place in the book", entry.len());
    assert!(commons.ok(&ingest).err.contains("nothing new"), "the same run made a second version");

    let pass = commons.path("pass");
    let pass = pass.to_str().unwrap();
    commons.ok(&[
        "credential",
        "issue",
        "--researcher",
        "r-1",
        "--dataset",
        "synthea-fhir",
        "--purpose",
        "DUO:0000006",
        "--expires",
        "2027-11-22",
        "--out",
        pass,
    ]);
    let sql = "SELECT p.gender, COUNT(DISTINCT p.person) AS people, AVG(o.value) AS bmi \
               FROM patients p JOIN conditions c ON c.person = p.person \
               JOIN observations o ON o.person = p.person \
               WHERE c.code = '15777000' AND o.code = '39156-5' GROUP BY p.gender";
    let answer = commons.ok(&["--format", "csv", "query", "--pass", pass, sql]).out;
    assert_eq!(answer.lines().count(), 3, "two sexes and a header: {answer}");
    for line in answer.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        assert!(cells[1].parse::<u64>().unwrap() >= 20, "{answer}");
        assert!((20.0..40.0).contains(&cells[2].parse::<f64>().unwrap()), "{answer}");
    }
    let later = ["--now", "2027-01-02T00:00:00Z"];
    let json = [later.as_slice(), &["--format", "json"]].concat();
    let settle = [json.as_slice(), &["settle", "fhir-2026", "--period", "2026-Q4"]].concat();
    let settled: Value = serde_json::from_str(&commons.ok(&settle).out).unwrap();
    let shares = settled["institutions"].as_array().unwrap();
    assert_eq!(shares.len(), 99, "an institution sent rows and got no line");
    let micros = |amount: &Value| amount["amount"].as_str().unwrap().parse::<u64>().unwrap();
    let earned: u64 = shares.iter().map(|share| micros(&share["accrued"])).sum();
    // Each person's part is rounded to the millionth of a cent.
    let off = earned.abs_diff(1_425_000_000_000);
    assert!(off < 10_000, "15 % of what the fee of 5 % leaves of 100,000.00, but for {off}");
    let audited = commons.ok(&[later.as_slice(), &["audit"]].concat());
    assert!(audited.out.contains("checks, 0 findings"), "{}{}", audited.out, audited.err);

    // What was earned stays earned: a withdrawal takes nothing of it back.
    let records = plain::read_to_string(truth).unwrap();
    let paid = |record: &str| {
        let said = commons.run(&[json.as_slice(), &["statement", record]].concat());
        let found: Value = serde_json::from_str(&said.out).ok()?;
        Some(micros(&found[0]["paid"]))
    };
    let records = records.lines().skip(1).filter_map(|line| line.rsplit_once(','));
    let mut records = records.map(|(record, _)| record.replacen(',', "/", 1));
    let (record, before) = records
        .find_map(|record| Some((paid(&record)?, record)).filter(|(paid, _)| *paid > 0))
        .map(|(paid, record)| (record, paid))
        .unwrap();
    let withdrawn = commons.ok(&[later.as_slice(), &["consent", "withdraw", &record]].concat()).out;
    assert!(withdrawn.contains("synthea-fhir@1"), "no release is told: {withdrawn}");
    assert_eq!(paid(&record), Some(before), "a withdrawal took back what was earned");
    commons.ok(&["publish"]);
    let run = version["run"].as_str().unwrap();
    let page = commons.path(&format!("site/vault/runs/{run}/report.html"));
    let page = plain::read_to_string(page).unwrap();
    assert!(page.len() < 200_000, "{} bytes are no page to read", page.len());
    assert!(page.contains("winchester-hospital"));

    // An id of the export, or of one institution alone, is nowhere in what was released.
    let truth = plain::read_to_string(commons.path("input/truth.csv")).unwrap();
    let ids: Vec<&str> = truth.lines().skip(1).flat_map(|line| line.split(',').skip(1)).collect();
    let out = commons.path("csv");
    commons.ok(&[
        "dataset",
        "export",
        "synthea-fhir",
        "--as",
        "csv",
        "--out",
        out.to_str().unwrap(),
    ]);
    let patients = plain::read_to_string(out.join("patients.csv")).unwrap();
    assert!(patients.lines().count() > 800, "nothing to search");
    assert!(!ids.iter().any(|id| patients.contains(id)), "a patient's id was released");
}

/// A pipeline of patients alone, with one source in the place of `SOURCE`.
fn pipeline(commons: &Commons, source: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let text = format!(
        "name = \"fhir\"\ndataset = \"fhir\"\npurpose = [\"DUO:0000006\"]\n{source}\n\
         [deid]\nprofile = \"expert\"\nk = 2\nsuppress_limit = 0.5\n[quality]\nrejects_max = 0.2\n"
    )
    .replace(
        "PATIENTS",
        &format!(
            "table = \"patients\"\nschema = \"{root}/schemas/fhir/patients.toml\"\n\
         view = \"{root}/schemas/fhir/patient.json\""
        ),
    );
    let path = commons.path("pipeline.toml");
    plain::write(&path, text).unwrap();
    path.display().to_string()
}

fn patient(institution: &str, number: usize) -> Value {
    let gender = if number.is_multiple_of(2) { "female" } else { "male" };
    let born = ["1992", "1992-03", "1992-03-30"][number % 3];
    json!({"resourceType": "Patient", "id": format!("{institution}-{number}"), "gender": gender,
           "birthDate": born, "address": [{"postalCode": "02138"}]})
}

/// Writes thirty patients of each of three institutions, in three forms, and their ids.
fn three_forms(commons: &Commons) {
    let folder = |name: &str| {
        let folder = commons.path("input").join(name);
        fs::create_dir_all(&folder).unwrap();
        folder
    };
    let mut ids = "id\n".to_owned();
    let mut lines = String::new();
    for at in 0..30 {
        match at {
            3 => lines.push_str("{\"resourceType\": \"Patient\", \"id\": CANARY\n"),
            7 => lines.push_str("{\"resourceType\": \"Patient\", \"gender\": \"CANARY\"}\n"),
            11 => lines.push_str("{\"resourceType\": \"Encounter\", \"id\": \"e1\"}\n"),
            _ => writeln!(lines, "{}", patient("north", at)).unwrap(),
        }
        for name in ["north", "south", "west"] {
            writeln!(ids, "{name}-{at}").unwrap();
        }
    }
    plain::write(commons.path("ids.csv"), ids).unwrap();
    plain::write(folder("north").join("Patient.ndjson"), lines).unwrap();
    let entry: Vec<Value> = (0..30).map(|at| json!({"resource": patient("south", at)})).collect();
    let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": entry});
    plain::write(folder("south").join("all.json"), bundle.to_string()).unwrap();
    let west = folder("west");
    let lines = |from: usize, to: usize| -> String {
        (from..to).map(|at| patient("west", at).to_string() + "\n").collect()
    };
    plain::write(west.join("p1.ndjson"), lines(0, 15)).unwrap();
    plain::write(
        west.join("p2.ndjson.zst"),
        zstd::encode_all(lines(15, 30).as_bytes(), 1).unwrap(),
    )
    .unwrap();
    plain::write(west.join("e.ndjson"), "{\"resourceType\": \"Encounter\", \"id\": \"e1\"}\n")
        .unwrap();
    let output = json!([{"type": "Patient", "url": "p1.ndjson"}, {"type": "Encounter", "url": "e.ndjson"},
                        {"type": "Patient", "url": "p2.ndjson.zst"}]);
    let manifest = json!({"transactionTime": "2026-11-01T00:00:00Z", "output": output});
    plain::write(west.join("manifest.json"), manifest.to_string()).unwrap();
}

const SOURCES: &str = "\
[[source]]\nformat = \"fhir-ndjson\"\npath = \"{institution}/Patient.ndjson\"\nPATIENTS\n\
[[source]]\nformat = \"fhir-bundle\"\ninstitution = \"south\"\npath = \"south/*.json\"\nPATIENTS\n\
[[source]]\nformat = \"fhir-manifest\"\npath = \"{institution}/manifest.json\"\nPATIENTS\n";

#[test]
fn ndjson_bundles_and_manifests_are_read_and_what_is_no_resource_is_told_by_its_line() {
    let commons = Commons::new("fhir/forms");
    three_forms(&commons);
    site(&commons, &commons.path("ids.csv"), "id", "1");
    let pipeline = pipeline(&commons, SOURCES);
    let input = commons.path("input");
    let input = input.to_str().unwrap();
    let said = commons.ok(&["ingest", &pipeline, "--input", input]);
    assert!(said.err.contains("2 rows are in quarantine"), "{}", said.err);
    let version = newest(&commons);
    let counts = &version["counts"];
    assert_eq!(counts["read"], 89, "30 patients of each, and an encounter in the place of one");
    assert_eq!(counts["rejected"], 2);
    assert_eq!(version["institutions"], 3);
    let rejects =
        commons.ok(&["--format", "csv", "rejects", "show", version["run"].as_str().unwrap()]);
    assert!(rejects.out.contains("north/Patient.ndjson,4,"), "{}", rejects.out);
    assert!(rejects.out.contains("north/Patient.ndjson,8,"), "{}", rejects.out);
    assert!(!rejects.out.contains("CANARY"), "a value of a resource was told");

    // Another view is another run, though every file is as it was.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let view = plain::read_to_string(root.join("schemas/fhir/patient.json")).unwrap();
    let own = commons.path("patient.json");
    plain::write(&own, view.replace("\"status\": \"active\"", "\"status\": \"draft\"")).unwrap();
    let text = plain::read_to_string(&pipeline).unwrap();
    let text = text
        .replace(root.join("schemas/fhir/patient.json").to_str().unwrap(), own.to_str().unwrap());
    plain::write(&pipeline, text).unwrap();
    let said = commons.ok(&["ingest", &pipeline, "--input", input]);
    assert!(said.err.contains("fhir@2 made"), "a view's change went unseen: {}", said.err);
}

#[test]
fn a_pipeline_that_finds_no_folder_or_no_view_says_what_to_do() {
    let commons = Commons::new("fhir/missing");
    three_forms(&commons);
    commons.ok(&["init", commons.path("site").to_str().unwrap()]);
    let found = pipeline(&commons, SOURCES);
    let said = commons.run(&["ingest", &found, "--input", commons.folder.to_str().unwrap()]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("`{institution}/Patient.ndjson`"), "{}", said.err);
    assert!(said.err.contains("hint: `{institution}` stands for a folder below --input"));
    for (source, wanted) in [
        (
            SOURCES.replacen("PATIENTS", "table = \"patients\"\nschema = \"s.toml\"", 1),
            "lacks `view`",
        ),
        (SOURCES.replacen("fhir-ndjson", "csv", 1), "a view reads FHIR alone"),
        (SOURCES.replacen("{institution}", "x{institution}", 1), "stands for one folder"),
        (SOURCES.replacen("{institution}", "**/{institution}", 1), "stands for one folder"),
        (SOURCES.replacen("{institution}", "north", 1), "lacks `institution`"),
        (SOURCES.replacen("south/*", "{institution}/*", 1), "leave out one of them"),
    ] {
        let said = commons.run(&["ingest", &pipeline(&commons, &source), "--input", "."]);
        assert_eq!(said.code, Some(3), "{wanted}: {}", said.err);
        assert!(said.err.contains(wanted), "{wanted}: {}", said.err);
        assert!(said.err.contains("pipeline.toml:"), "the fault has no place: {}", said.err);
    }
}

#[test]
fn an_export_is_the_same_twice_and_refused_once_a_byte_has_changed() {
    let commons = Commons::new("fhir/export");
    three_forms(&commons);
    site(&commons, &commons.path("ids.csv"), "id", "1");
    let input = commons.path("input");
    commons.ok(&["ingest", &pipeline(&commons, SOURCES), "--input", input.to_str().unwrap()]);
    for form in ["parquet", "csv", "meds"] {
        let (one, two) = (commons.path(&format!("{form}-1")), commons.path(&format!("{form}-2")));
        for out in [&one, &two] {
            let out = out.to_str().unwrap();
            commons.ok(&["dataset", "export", "fhir@1", "--as", form, "--out", out]);
        }
        let read = |folder: &Path| -> Vec<Vec<u8>> {
            files(folder).iter().map(|file| plain::read(file).unwrap()).collect()
        };
        assert!(!read(&one).is_empty());
        assert_eq!(read(&one), read(&two), "{form}: the same version made other bytes");
    }
    let out = commons.path("none");
    let out = out.to_str().unwrap();
    let said = commons.run(&["dataset", "export", "fhir", "--table", "visits", "--out", out]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    let segment = files(&commons.path("site/lake/fhir")).pop().unwrap();
    let mut bytes = plain::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    plain::write(&segment, bytes).unwrap();
    let said = commons.run(&["dataset", "export", "fhir", "--as", "meds", "--out", out]);
    assert_eq!(said.code, Some(7), "changed rows were handed out: {}", said.err);
    assert!(!Path::new(out).exists());
}

#[test]
fn a_table_that_tells_of_no_person_is_checked_against_and_its_bad_rows_are_told() {
    let commons = Commons::new("fhir/reference");
    let root = env!("CARGO_MANIFEST_DIR");
    let mut text = "name = \"omop\"\ndataset = \"omop\"\npurpose = [\"DUO:0000006\"]\n".to_owned();
    for table in ["person", "visit_occurrence", "provider"] {
        writeln!(
            text,
            "[[source]]\ninstitution = \"a\"\ntable = \"{table}\"\nformat = \"csv\"\n\
             schema = \"{root}/schemas/omop/{table}.toml\"\npath = \"{table}.csv\""
        )
        .unwrap();
    }
    text +=
        "[deid]\nprofile = \"expert\"\nk = 2\nsuppress_limit = 0.5\n[quality]\nrejects_max = 0.5\n";
    plain::write(commons.path("pipeline.toml"), text).unwrap();
    let input = commons.path("input");
    fs::create_dir_all(&input).unwrap();
    let mut people = "person_id,gender_concept_id,year_of_birth\n".to_owned();
    let mut visits =
        "visit_occurrence_id,person_id,visit_concept_id,visit_start_date,provider_id\n".to_owned();
    for at in 0..20 {
        writeln!(people, "p{at},8507,1970").unwrap();
        writeln!(visits, "{at},p{at},9202,2020-01-01,{}", if at == 4 { 9 } else { 1 }).unwrap();
    }
    plain::write(input.join("person.csv"), people).unwrap();
    plain::write(input.join("visit_occurrence.csv"), visits).unwrap();
    plain::write(
        input.join("provider.csv"),
        "provider_id,provider_name\n1,CANARY\n1,CANARY\nx,CANARY\n",
    )
    .unwrap();
    site(&commons, &input.join("person.csv"), "person_id", "1");
    let pipeline = commons.path("pipeline.toml");
    let ingest = ["ingest", pipeline.to_str().unwrap(), "--input", input.to_str().unwrap()];
    commons.ok(&ingest);
    let version = newest(&commons);
    assert_eq!(version["counts"]["rejected"], 3);
    let tables = version["tables"].as_array().unwrap();
    assert!(tables.iter().all(|t| t["table"] != "provider"), "a list of doctors was released");
    let run = version["run"].as_str().unwrap();
    let told = commons.ok(&["--format", "csv", "rejects", "show", run]).out;
    for line in [
        "provider.csv,3,,key-duplicate,",
        "provider.csv,4,provider_id,type,",
        "visit_occurrence.csv,6,provider_id,foreign-key,",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(!told.contains("CANARY"), "a value was told");
}
