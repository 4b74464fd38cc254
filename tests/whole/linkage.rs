//! The same person at several institutions, from outside: measured on the generator's truth and on
//! Synthea's patients split by organisation; then consents, a release, a steward's decisions, and an
//! audit of all of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
};

use serde_json::Value;

use super::{
    commons::{Commons, Said, files},
    plain,
    real_input::data,
    search::{Hay, Needle, columns, hay, search},
};

const PLACES: [&str; 4] = ["north-shore", "lake-county", "riverside", "st-anselm"];

const LINKAGE: &str = r#"
[linkage]
table       = "patients"
given       = "first"
family      = "last"
birth_date  = "birth_date"
sex         = "sex"
address     = "address"
city        = "city"
postal_code = "zip"
phone       = "phone"
email       = "email"
identifiers = ["ssn"]
"#;

/// The demo's tables, as CSV from all four institutions.
fn pipeline() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).display();
    let mut text =
        "name = \"linked\"\ndataset = \"linked\"\npurpose = [\"DUO:0000006\"]\n".to_owned();
    for place in PLACES {
        for table in ["patients", "visits", "conditions", "measurements"] {
            write!(
                text,
                "[[source]]\ninstitution = \"{place}\"\ntable = \"{table}\"\n\
                 schema = \"{root}/schemas/demo/{table}.toml\"\nformat = \"csv\"\n\
                 path = \"{place}/{table}.csv\"\n"
            )
            .unwrap();
        }
    }
    text.push_str(LINKAGE);
    text.push_str("[deid]\nprofile = \"expert\"\nk = 3\nsuppress_limit = 1.0\n");
    text.push_str("[quality]\nrejects_max = 0.5\n");
    text
}

/// Makes people and a site; nobody is linked yet.
fn commons(name: &str, people: u64, seed: u64) -> Commons {
    let commons = Commons::new(name);
    let input = commons.path("input").display().to_string();
    let (people, seed) = (people.to_string(), seed.to_string());
    let make = ["population", "people", "--fhir", "0", "--people", &people, "--seed", &seed];
    commons.ok(&[make.as_slice(), &["--out", &input]].concat());
    plain::write(commons.path("linked.toml"), pipeline()).unwrap();
    commons.ok(&["init", commons.path("site").to_str().unwrap()]);
    commons
}

fn with_pipeline(commons: &Commons, words: &[&str], more: &[&str]) -> Said {
    let path = |name: &str| commons.path(name).display().to_string();
    let (file, input) = (path("linked.toml"), path("input"));
    commons.run(&[words, &[file.as_str(), "--input", input.as_str()], more].concat())
}

fn json(said: &Said) -> Value {
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    serde_json::from_str(&said.out).unwrap()
}

fn number(line: &Value, name: &str) -> f64 {
    line[name].as_str().unwrap().parse().unwrap()
}

#[test]
fn linkage_finds_nineteen_of_twenty_pairs_and_no_more_than_one_wrong_in_a_thousand() {
    for seed in [1, 2, 3] {
        let commons = commons("linkage-quality", 3_000, seed);
        let truth = commons.path("input/truth.csv").display().to_string();
        let evaluate = ["--truth", &truth, "--format", "json"];
        let curve = json(&with_pipeline(&commons, &["linkage", "evaluate"], &evaluate));
        let lines = curve.as_array().unwrap();
        let own = lines.iter().find(|line| line["is_default"] == true).unwrap();
        println!("seed {seed}: {own}");
        assert!(own["pairs_true"].as_u64().unwrap() > 1_500, "too few pairs to judge by");
        assert!(number(own, "precision") >= 0.999, "seed {seed}: strangers were joined: {own}");
        assert!(number(own, "recall") >= 0.95, "seed {seed}: people stayed two: {own}");
        let recalls: Vec<f64> = lines.iter().map(|line| number(line, "recall")).collect();
        assert!(recalls.is_sorted_by(|a, b| a >= b), "a higher threshold found more");
    }
}

#[test]
fn every_patient_of_ninety_nine_organisations_is_one_person() {
    let Some(export) = data("synthea-r4-multi") else { return };
    let commons = Commons::new("linkage-synthea");
    let input = commons.path("input").display().to_string();
    let export = export.to_str().unwrap();
    commons.ok(&["population", "split", "--fhir", export, "--out", &input]);
    let root = env!("CARGO_MANIFEST_DIR");
    let text = format!(
        "name = \"linked\"\ndataset = \"linked\"\npurpose = [\"DUO:0000006\"]\n\
         [[source]]\ntable = \"patients\"\nschema = \"{root}/schemas/fhir/patients.toml\"\n\
         view = \"{root}/schemas/fhir/patient.json\"\nformat = \"fhir-ndjson\"\n\
         path = \"{{institution}}/Patient.ndjson*\"\n\
         [linkage]\ntable = \"patients\"\ngiven = \"given\"\nfamily = \"family\"\n\
         birth_date = \"birth_date\"\nsex = \"gender\"\naddress = \"address_line\"\n\
         city = \"city\"\npostal_code = \"postal_code\"\nphone = \"phone\"\nemail = \"email\"\n\
         identifiers = [\"ssn\"]\ndocuments = [\"drivers_licence\", \"passport\"]\n\
         [deid]\nprofile = \"expert\"\n"
    );
    plain::write(commons.path("linked.toml"), text).unwrap();
    commons.ok(&["init", commons.path("site").to_str().unwrap()]);
    let counts =
        &json(&with_pipeline(&commons, &["linkage", "run"], &["--format", "json"]))["counts"];
    assert_eq!(counts["records"], 991, "{counts}");
    assert_eq!((&counts["people"], &counts["people_several"]), (&615.into(), &288.into()));
    let truth = commons.path("input/truth.csv").display().to_string();
    let more = ["--truth", &truth, "--format", "json"];
    let lines = json(&with_pipeline(&commons, &["linkage", "evaluate"], &more));
    let index = lines.as_array().unwrap().iter().find(|line| line["linkage"] == "person index");
    let index = index.unwrap();
    assert_eq!(index["pairs_found"], index["pairs_right"], "strangers were joined: {index}");
    assert_eq!(index["pairs_found"], index["pairs_true"], "a patient stayed two: {index}");
}

/// What a linked site says of a record's person.
fn person(commons: &Commons, record: &str) -> String {
    let shown = json(&commons.run(&["linkage", "show", record, "--format", "json"]));
    shown["person"].as_str().unwrap().to_owned()
}

/// (institution, local id) by the truth's person.
fn truth(commons: &Commons) -> BTreeMap<String, Vec<String>> {
    let text = plain::read_to_string(commons.path("input/truth.csv")).unwrap();
    let mut people: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let (record, person) = line.rsplit_once(',').unwrap();
        people.entry(person.to_owned()).or_default().push(record.replace(',', "/"));
    }
    people
}

fn audit(commons: &Commons) -> Said {
    commons.run(&["audit", "--no-publish", "--format", "csv"])
}

#[test]
fn a_linked_site_is_one_person_a_person_and_its_steward_decides() {
    let commons = commons("linkage-story", 400, 7);
    let input = commons.path("input");

    // Nothing goes on for people whom nobody linked, whatever stands under an institution's own ids.
    let consents = |place: &str| {
        let file = input.join(place).join("consents.csv").display().to_string();
        commons.run(&["consent", "import", "--institution", place, &file])
    };
    assert_eq!(consents("north-shore").code, Some(0));
    let unlinked = with_pipeline(&commons, &["ingest"], &[]);
    assert_eq!(unlinked.code, Some(8), "rows of unlinked people went on: {}", unlinked.out);

    let dry = with_pipeline(&commons, &["linkage", "run"], &["--dry-run", "--format", "json"]);
    let dry = json(&dry);
    let run = json(&with_pipeline(&commons, &["linkage", "run"], &["--format", "json"]));
    assert_eq!(dry["counts"], run["counts"], "a dry run said otherwise");
    assert_eq!((&dry["commit"], &run["commit"]), (&Value::Null, &Value::from(1)));
    let again = json(&with_pipeline(&commons, &["linkage", "run"], &["--format", "json"]));
    assert_eq!(again["commit"], Value::Null, "the same records were recorded twice");
    assert_eq!(again["counts"]["people"], run["counts"]["people"]);

    for place in PLACES {
        let said = consents(place);
        assert_eq!(said.code, Some(0), "{}", said.err);
    }
    let first = with_pipeline(&commons, &["ingest"], &["--format", "json"]);
    let report = json(&first);
    assert!(report["institutions"].as_array().unwrap().len() == 4);

    // One decision counts wherever the person was seen.
    let people = truth(&commons);
    let (a, b) = people
        .values()
        .filter(|records| records.len() == 2)
        .map(|records| (records[0].clone(), records[1].clone()))
        .find(|(a, b)| person(&commons, a) == person(&commons, b))
        .unwrap();
    commons.ok(&["consent", "withdraw", &a]);
    let shown = |record: &str| commons.ok(&["consent", "show", record, "--format", "json"]).out;
    assert_eq!(shown(&a), shown(&b), "a withdrawal at one institution did not count at the other");

    // What an institution sends under an id that is not linked decides for nobody, even where the id
    // is that of a person: it is left out and counted.
    let forged = commons.path("forged.csv");
    let header =
        "contributor,action,purposes,institutions,categories,valid_from,valid_until,decided_at";
    let line = format!("{},grant,DUO:0000006,,,,,2026-11-22T11:00:00Z", person(&commons, &a));
    plain::write(&forged, format!("{header}\n{line}\n")).unwrap();
    let before = shown(&a);
    let said = json(&commons.run(&[
        "--format",
        "json",
        "consent",
        "import",
        "--institution",
        "north-shore",
        forged.to_str().unwrap(),
    ]));
    assert_eq!((&said["grants"], &said["not_linked"]), (&Value::from(0), &Value::from(1)));
    assert_eq!(shown(&a), before, "an institution decided for a person in another's name");
    assert!(shown(&b).contains("withdraw"));

    // The steward merges two people, the audit agrees, and a split undoes it.
    let strangers: Vec<String> = {
        let mut seen = BTreeSet::new();
        let records = people.values().map(|records| records[0].clone());
        records.filter(|record| seen.insert(person(&commons, record))).skip(20).take(2).collect()
    };
    let [one, two] = strangers.as_slice() else { panic!("too few people") };
    let before = (person(&commons, one), person(&commons, two));
    let merge = ["linkage", "merge", one, two, "--reason", "passports seen", "--format", "json"];
    assert_eq!(json(&commons.run(&merge))["commit"], 2);
    assert_eq!(json(&commons.run(&merge))["commit"], Value::Null, "a merge was recorded twice");
    assert_eq!(person(&commons, one), person(&commons, two));
    let kept = person(&commons, one);
    let alias = if kept == before.0 { &before.1 } else { &before.0 };
    assert_eq!(&person(&commons, alias), &kept, "the other id stands for nobody");
    json(&with_pipeline(&commons, &["linkage", "run"], &["--format", "json"]));
    assert_eq!(person(&commons, one), person(&commons, two), "a run overruled the steward");
    let clean = audit(&commons);
    assert_eq!(clean.code, Some(0), "{}{}", clean.out, clean.err);

    // A withdrawal under the merged id binds both, before and after the split.
    commons.ok(&["consent", "withdraw", alias]);
    let moved = if alias == &before.1 { two } else { one };
    let split = ["linkage", "split", &kept, moved, "--reason", "no, twins", "--format", "json"];
    assert_eq!(json(&commons.run(&split))["commit"], 3);
    assert_eq!(json(&commons.run(&split))["commit"], Value::Null, "a split was recorded twice");
    assert_eq!((person(&commons, one), person(&commons, two)), before, "the split undid it badly");
    json(&with_pipeline(&commons, &["linkage", "run"], &["--format", "json"]));
    assert_eq!((person(&commons, one), person(&commons, two)), before);
    let review = commons.ok(&["linkage", "review", "--limit", "100000", "--format", "json"]).out;
    let listed: Vec<Value> = serde_json::from_str(&review).unwrap();
    let pair = |line: &Value| [line["a"].clone(), line["b"].clone()];
    let decided = [Value::from(one.as_str()), Value::from(two.as_str())];
    assert!(!listed.iter().any(|line| pair(line) == decided), "a decided pair is asked again");
    let second = json(&with_pipeline(&commons, &["ingest"], &["--format", "json"]));
    assert!(second["counts"] != report["counts"] || second != report, "withdrawals did nothing");
    let clean = audit(&commons);
    assert_eq!(clean.code, Some(0), "{}{}", clean.out, clean.err);
    commons.ok(&["verify", "--deep"]);
    tampered(&commons);
    silent(&commons);
}

/// A changed byte in each kind of object of the index, and in a commit, is found and named.
fn tampered(commons: &Commons) {
    let site = commons.path("site");
    for kind in ["linkage/members", "linkage/tokens", "linkage/commits"] {
        let file = files(&site.join("vault").join(kind)).remove(0);
        let name = file.strip_prefix(&site).unwrap().display().to_string();
        let good = plain::read(&file).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        plain::write(&file, &bad).unwrap();
        for said in [audit(commons), commons.run(&["verify", "--deep"])] {
            assert_eq!(said.code, Some(7), "{name}: {}{}", said.out, said.err);
            assert!(said.out.contains(&name), "{name} is not named:\n{}", said.out);
        }
        plain::write(&file, good).unwrap();
    }
}

/// No id of a person or a record, and no cell of the demographics, is in what others may read.
fn silent(commons: &Commons) {
    let needle = |text: &str, what: &str| Needle { text: text.to_owned(), what: what.to_owned() };
    let ids = truth(commons).into_values().flatten();
    let mut needles: Vec<Needle> =
        ids.filter_map(|record| Some(needle(record.split_once('/')?.1, "a record's id"))).collect();
    let members = files(&commons.path("site/vault/linkage/members"));
    let cells = members.iter().flat_map(|file| columns("members", file));
    let people: Vec<u8> =
        cells.filter(|hay| hay.bytes.starts_with(b"person-")).flat_map(|hay| hay.bytes).collect();
    let people = String::from_utf8(people).unwrap();
    assert!(people.lines().count() > 400, "the people of the index were not found");
    needles.extend(people.lines().map(|person| needle(person, "a person's id")));
    needles.push(needle("passports seen", "a steward's reason"));
    let mut all = hay(&commons.path("site"));
    let input = commons.path("input").display().to_string();
    let file = commons.path("linked.toml").display().to_string();
    let run = ["--log-level", "trace", "linkage", "run", file.as_str(), "--input", input.as_str()];
    for words in [run.as_slice(), &["--log-level", "trace", "audit", "--no-publish"]] {
        let said = commons.run(words);
        let bytes = format!("{}{}", said.out, said.err).into_bytes();
        all.push(Hay { place: words.join(" "), bytes, text: true });
    }
    let found = search(&all, &needles);
    assert!(found.is_empty(), "who is who got out: {found:?}");
}
