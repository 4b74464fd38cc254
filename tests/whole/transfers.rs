//! `kill -9` at random moments of each run of a transfer, at both sites: run again, it ends where an
//! undisturbed one ends.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use super::{
    commons::{Commons, Said, files},
    kill::{Dice, copy, seed},
    plain,
};

const PATIENTS: usize = 6;
/// How often each act is killed.
const KILLS: usize = 5;

/// One run of the command: at which site, and what.
#[derive(Debug, Clone)]
struct Act {
    place: &'static str,
    now: &'static str,
    words: Vec<String>,
}

fn act(place: &'static str, now: &'static str, words: &[&str]) -> Act {
    Act { place, now, words: words.iter().map(|word| (*word).to_owned()).collect() }
}

impl Act {
    fn arguments(&self, commons: &Commons) -> Vec<String> {
        let path = |name: &str| commons.path(name).display().to_string();
        let desk = path(&format!("{}.toml", self.place));
        let site = ["--site".to_owned(), path(self.place)];
        let keys = ["--keys".to_owned(), path(&format!("{}.keys", self.place))];
        let mut all: Vec<String> = vec!["transfer".into()];
        all.extend(self.words.clone());
        all.extend(["--desk".to_owned(), desk, "--now".to_owned(), self.now.to_owned()]);
        all.into_iter().chain(site).chain(keys).collect()
    }

    fn run(&self, commons: &Commons) -> Said {
        let arguments = self.arguments(commons);
        commons.ok(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

fn patient(id: &str, who: usize) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"{id}","name":[{{"family":"Roe{0}","given":["Jane{0}"]}}],"gender":"female","birthDate":"197{who}-03-04","identifier":[{{"system":"http://hl7.org/fhir/sid/us-ssn","value":"123-45-678{who}"}}],"telecom":[{{"system":"phone","value":"617-555-010{who}"}}],"address":[{{"line":["{who} Elm Street"],"city":"Boston","postalCode":"02110"}}]}}"#,
        ["a", "b", "c", "d", "e", "f"][who]
    )
}

fn consent(id: &str) -> String {
    format!(
        r#"{{"resourceType":"Consent","status":"active","scope":{{"coding":[{{"code":"patient-privacy"}}]}},"category":[{{"coding":[{{"system":"http://loinc.org","code":"59284-0"}}]}}],"patient":{{"reference":"Patient/{id}"}},"dateTime":"2026-01-01","provision":{{"type":"permit","purpose":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"TREAT"}}]}}}}"#
    )
}

/// Makes two sites whose patients have keys and consents.
fn base() -> Commons {
    let commons = Commons::new("transfers/base");
    let path = |name: &str| commons.path(name).display().to_string();
    commons.ok(&["approve", "--new-key", &path("patient.key")]);
    let vkey = commons.ok(&["approve", "--new-key", &path("patient.key")]).out;
    let now = "2026-11-20T08:00:00Z";
    for place in ["north", "lake"] {
        let keys = path(&format!("{place}.keys"));
        let origin = format!("{place}.example/ledger");
        commons.ok(&["init", &path(place), "--keys", &keys, "--origin", &origin, "--now", now]);
        let folder = commons.path(&format!("in-{place}"));
        fs::create_dir_all(&folder).unwrap();
        let (mut patients, mut labs) = (String::new(), String::new());
        for who in 0..PATIENTS {
            let id = format!("{place}{who}");
            writeln!(patients, "{}", patient(&id, who)).unwrap();
            for at in 0..20 {
                writeln!(
                    labs,
                    r#"{{"resourceType":"Observation","id":"{id}-{at}","status":"final","code":{{"text":"x"}},"subject":{{"reference":"Patient/{id}"}},"valueInteger":{at}}}"#
                )
                .unwrap();
            }
        }
        plain::write(folder.join("Patient.ndjson"), patients).unwrap();
        plain::write(folder.join("Observation.ndjson"), labs).unwrap();
        let desk = format!(
            "institution = \"{place}\"\nrecords = \"in-{place}\"\nexchange = \"exchange-{place}\"\n\
             received = \"received-{place}\"\n"
        );
        plain::write(commons.path(&format!("{place}.toml")), desk).unwrap();
    }
    let keys = |place| act(place, now, &["keys", "--as", "toml"]).run(&commons).out;
    for (place, other, keys) in [("north", "lake", keys("lake")), ("lake", "north", keys("north"))]
    {
        let file = commons.path(&format!("{place}.toml"));
        let own = plain::read_to_string(&file).unwrap();
        plain::write(file, format!("{own}{keys}exchange = \"exchange-{other}\"\n")).unwrap();
    }
    let consents: String = (0..PATIENTS).map(|n| consent(&format!("north{n}")) + "\n").collect();
    plain::write(commons.path("consents.ndjson"), consents).unwrap();
    let (site, keys) = (path("north"), path("north.keys"));
    let place = ["--site", &site, "--keys", &keys, "--now", now];
    let import = ["consent", "import", &path("consents.ndjson"), "--input-format", "fhir"];
    commons.ok(&[import.as_slice(), &["--institution", "north"], &place].concat());
    for who in 0..PATIENTS {
        act("north", now, &["approver", "add", &format!("north{who}"), vkey.trim()]).run(&commons);
    }
    commons
}

/// What must be the same: steps on both sides, the length of both books, what was unpacked, what is left.
fn state(commons: &Commons) -> BTreeMap<String, Vec<u8>> {
    let mut state = BTreeMap::new();
    for place in ["north", "lake"] {
        let status =
            act(place, "2026-11-25T08:00:00Z", &["status", "--format", "json"]).run(commons);
        let status: serde_json::Value = serde_json::from_str(&status.out).unwrap();
        for row in status["transfers"].as_array().unwrap() {
            let key = format!("{place}: {}", row["transfer"].as_str().unwrap());
            state.insert(key, row["step"].to_string().into_bytes());
        }
        for folder in
            ["vault/transfers/commits", "vault/transfers/content", "vault/transfers/sealed"]
        {
            let count = files(&commons.path(place).join(folder)).len();
            state.insert(format!("{place}/{folder}"), count.to_string().into_bytes());
        }
        let (site, keys) = (commons.path(place), commons.path(&format!("{place}.keys")));
        let shown = commons.ok(&[
            "ledger",
            "show",
            "--format",
            "csv",
            "--site",
            site.to_str().unwrap(),
            "--keys",
            keys.to_str().unwrap(),
        ]);
        state.insert(format!("{place}: book"), shown.out.lines().count().to_string().into_bytes());
    }
    let received = commons.path("received-lake");
    for file in
        files(&received).into_iter().filter(|f| f.extension().is_some_and(|e| e == "ndjson"))
    {
        let name = file.strip_prefix(&received).unwrap().display().to_string();
        state.insert(name, plain::read(&file).unwrap());
    }
    state
}

/// Approves all that waits.
fn approve(commons: &Commons) {
    let desk = commons.path("exchange-north/desk");
    for entry in fs::read_dir(desk).unwrap() {
        let (offer, key) = (entry.unwrap().path(), commons.path("patient.key"));
        let (offer, key) = (offer.display().to_string(), key.display().to_string());
        commons.ok(&["approve", &offer, "--key", &key, "--yes", "--now", "2026-11-21T08:00:00Z"]);
    }
}

#[test]
fn a_killed_transfer_run_again_ends_where_an_undisturbed_one_ends() {
    let base = base();
    let mut offer = vec!["offer", "--to", "lake"];
    let ids: Vec<String> = (0..PATIENTS).map(|who| format!("north{who}")).collect();
    offer.push("--patient");
    offer.extend(ids.iter().map(String::as_str));
    let acts = [
        act("north", "2026-11-20T09:00:00Z", &offer),
        act("north", "2026-11-20T09:00:00Z", &["run"]),
        act("lake", "2026-11-20T10:00:00Z", &["run"]),
        act("north", "2026-11-20T11:00:00Z", &["run"]),
        act("north", "2026-11-21T09:00:00Z", &["run"]),
        act("lake", "2026-11-21T10:00:00Z", &["run"]),
        act("north", "2026-11-21T11:00:00Z", &["run"]),
    ];
    let seed = seed();
    println!("transfers: seed {seed}");
    let mut dice = Dice::new(seed);
    let undisturbed = Commons::new("transfers/undisturbed");
    copy(&base.folder, &undisturbed.folder);
    let mut spans = Vec::new();
    for (at, act) in acts.iter().enumerate() {
        if at == 4 {
            approve(&undisturbed);
        }
        let began = Instant::now();
        act.run(&undisturbed);
        spans.push(began.elapsed() + Duration::from_millis(2));
    }
    let expected = state(&undisturbed);
    let steps = expected.iter().filter(|(key, _)| key.contains(": ") && !key.ends_with("book"));
    assert!(steps.clone().all(|(_, step)| step == b"\"received\""), "{expected:?}");
    assert_eq!(steps.count(), 2 * PATIENTS);

    // Each round kills every act once, at another moment.
    let mut kills = 0;
    for round in 0..KILLS {
        let copied = Commons::new("transfers/killed");
        copy(&base.folder, &copied.folder);
        for (at, (act, span)) in acts.iter().zip(&spans).enumerate() {
            if at == 4 {
                approve(&copied);
            }
            let arguments = act.arguments(&copied);
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let mut child = copied
                .command(&arguments)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            thread::sleep(dice.moment(*span));
            kills += usize::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
            act.run(&copied);
        }
        let found = state(&copied);
        for (key, value) in &expected {
            assert_eq!(found.get(key), Some(value), "seed {seed}, round {round}: {key}");
        }
        assert_eq!(
            found.len(),
            expected.len(),
            "seed {seed}, round {round}: something is there twice"
        );
    }
    println!("transfers: {kills} of {} runs were killed", KILLS * acts.len());
    assert!(kills > 0, "no run was killed");
}
