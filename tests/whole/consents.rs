//! Consent from outside: a dataset with DUO terms, FHIR Consents from folders, an explanation by
//! layers, a withdrawal that names what cannot be called back, and an opt-out.

use std::fs;

use serde_json::Value;

use super::{commons::Commons, people};

fn json(commons: &Commons, arguments: &[&str]) -> Value {
    let mut all = vec!["--format", "json"];
    all.extend(arguments);
    serde_json::from_str(&commons.ok(&all).out).unwrap()
}

/// Everyone who granted something at an institution.
fn granting(commons: &Commons, institution: &str) -> Vec<String> {
    let file = commons.path("input").join(institution).join("consents.csv");
    let text = fs::read_to_string(file).unwrap();
    let cells = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    cells.filter(|cells| cells[1] == "grant").map(|cells| cells[0].to_owned()).collect()
}

#[test]
fn three_layers_must_permit_and_each_says_why() {
    let commons = Commons::new("consents");
    people::prepare(&commons, 200);
    let pipeline = fs::read_to_string(commons.path("pipeline.toml")).unwrap();
    let terms = "\n[duo]\nterms = [\"DUO:0000006\", \"DUO:0000021\", \"DUO:0000019\"]\n";
    fs::write(commons.path("pipeline.toml"), pipeline + terms).unwrap();
    let ingest = people::ingest(&commons);
    let ingest: Vec<&str> = ingest.iter().map(String::as_str).collect();
    commons.ok(&ingest);

    // The researcher's evidence: a bare pass is referred, one with what is missing is answered.
    let pass = |name: &str, claims: &[&str]| {
        let out = commons.path(name).display().to_string();
        let mut all = vec!["credential", "issue", "--researcher", "r-1", "--dataset", "diabetes"];
        all.extend(["--purpose", "DUO:0000006", "--expires", "2027-11-22", "--out", &out]);
        all.extend(claims.iter().flat_map(|claim| ["--claim", claim]));
        commons.ok(&all);
        out
    };
    let sql = "SELECT count(*) AS visits FROM visits";
    let bare = pass("bare", &[]);
    let said = commons.run(&["query", "--pass", &bare, sql]);
    assert_eq!(said.code, Some(8), "a use of which nothing was shown was answered: {}", said.out);
    assert!(said.err.contains("an ethics approval is missing"), "{}", said.err);
    assert!(said.err.contains("make results public is missing"), "{}", said.err);
    let shown = pass("shown", &["ethics=IRB-7", "accepts=publication"]);
    let said = commons.ok(&["query", "--pass", &shown, sql]);
    assert!(said.err.contains("you took on to make results public"), "{}", said.err);
    let odd = commons.run(&[
        "credential",
        "issue",
        "--researcher",
        "r",
        "--dataset",
        "d",
        "--purpose",
        "DUO:0000006",
        "--expires",
        "2027-01-01",
        "--out",
        "x",
        "--claim",
        "canary",
    ]);
    assert_eq!(odd.code, Some(2));
    assert!(!odd.err.contains("canary"), "{}", odd.err);

    // The person's consent, the dataset's terms and the evidence, joined.
    let all = granting(&commons, "north-shore");
    let explain = |person: &str, pass: &str| {
        json(
            &commons,
            &[
                "consent",
                "explain",
                person,
                "--purpose",
                "HMB",
                "--institution",
                "north-shore",
                "--category",
                "visits",
                "--dataset",
                "diabetes@1",
                "--pass",
                pass,
            ],
        )
    };
    let named = |local: &str| format!("north-shore/{local}");
    let local = all.iter().find(|local| explain(&named(local), &shown)["permit"] == true);
    let local = local.expect("nobody consents to health research").as_str();
    let person = named(local);
    let person = person.as_str();
    let referred = explain(person, &bare);
    assert_eq!(referred["effect"], "refer");
    let layers: Vec<(&str, &str)> = referred["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| (l["layer"].as_str().unwrap(), l["effect"].as_str().unwrap()))
        .collect();
    assert_eq!(layers, [("consent", "permit"), ("dataset", "refer"), ("evidence", "permit")]);
    let words = commons.ok(&[
        "consent",
        "explain",
        person,
        "--purpose",
        "HMB",
        "--category",
        "visits",
        "--institution",
        "north-shore",
    ]);
    assert!(words.out.starts_with("yes: "), "{}", words.out);

    // A withdrawal says what cannot be called back; what stood before can still be told.
    let taken = json(&commons, &["--now", "2026-11-23T12:00:00Z", "consent", "withdraw", person]);
    assert_eq!(taken["withdrawals"], 1);
    assert_eq!(taken["not_recallable"][0]["dataset"], "diabetes");
    assert_eq!(taken["not_recallable"][0]["version"], 1);
    let ask = |as_of: &str| {
        json(
            &commons,
            &[
                "--now",
                "2026-11-24T12:00:00Z",
                "consent",
                "explain",
                person,
                "--purpose",
                "HMB",
                "--institution",
                "north-shore",
                "--category",
                "visits",
                "--on",
                "2026-11-23",
                "--as-of",
                as_of,
            ],
        )
    };
    assert_eq!(ask("2026-11-24T12:00:00Z")["reason"], "withdrawn");
    assert_eq!(ask("2026-11-22T12:00:00Z")["permit"], true, "the past was rewritten");

    // A FHIR Consent gives it again, and an opt-out overrules that.
    let folder = commons.path("fhir/north-shore");
    fs::create_dir_all(&folder).unwrap();
    let consent = format!(
        r#"{{"resourceType":"Consent","status":"active","scope":{{"coding":[{{"code":"research"}}]}},"patient":{{"reference":"Patient/{local}"}},"dateTime":"2026-11-25","provision":{{"type":"permit","purpose":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"HRESCH"}}]}}}}"#
    );
    fs::write(folder.join("Consent.ndjson"), format!("{consent}\n{{\"canary\":1}}\n")).unwrap();
    let template = commons.path("fhir/{institution}/Consent.ndjson*").display().to_string();
    let import = ["--now", "2026-11-26T12:00:00Z", "consent", "import", "--input-format", "fhir"];
    let told = json(&commons, &[&import[..], &[&template]].concat());
    assert_eq!((&told["grants"], &told["documents"]["documents"]), (&1.into(), &2.into()));
    assert_eq!(told["documents"]["put_aside"][0]["line"], 2);
    let later = |now: &str| {
        json(
            &commons,
            &[
                "--now",
                now,
                "consent",
                "explain",
                person,
                "--purpose",
                "HMB",
                "--institution",
                "north-shore",
                "--category",
                "visits",
            ],
        )
    };
    assert_eq!(later("2026-11-26T12:00:00Z")["permit"], true);
    commons.ok(&["--now", "2026-11-27T12:00:00Z", "consent", "opt-out", person]);
    assert_eq!(later("2026-11-27T12:00:00Z")["reason"], "opted-out");
    commons.ok(&["--now", "2026-11-28T12:00:00Z", "consent", "opt-in", person]);
    assert_eq!(later("2026-11-28T12:00:00Z")["permit"], true);
    let audit = commons.run(&["--now", "2026-11-29T12:00:00Z", "audit"]);
    assert_eq!(audit.code, Some(0), "{}\n{}", audit.out, audit.err);
}
