//! Licences from outside: institutions sign what they deliver, one is suspended, and its files and its
//! researchers stay out from then on; the audit finds nothing in it.

use std::fs;

use serde_json::Value;

use super::{commons::Commons, people};

const INSTITUTIONS: [&str; 4] = ["lake-county", "north-shore", "riverside", "st-anselm"];

fn json(commons: &Commons, arguments: &[&str]) -> Value {
    let said = commons.ok(&[arguments, &["--format", "json"]].concat());
    serde_json::from_str(&said.out).unwrap()
}

fn path(commons: &Commons, name: &str) -> String {
    commons.path(name).display().to_string()
}

/// Makes each institution's key, and has this site give it a licence that names it.
fn license(commons: &Commons) {
    commons.ok(&["credential", "issuer", "new"]);
    let own = json(commons, &["credential", "issuer", "show"]);
    let (name, vkey) = (own["issuer"].as_str().unwrap(), own["vkey"].as_str().unwrap());
    commons.ok(&["credential", "trust", "add", name, "--vkey", vkey]);
    for institution in INSTITUTIONS {
        let key = path(commons, &format!("{institution}.key"));
        let new = ["credential", "sign-delivery", "--new-key", "--key", &key];
        let made = json(commons, &[&new[..], &["--institution", institution]].concat());
        let vkey = made["vkey"].as_str().unwrap();
        let licence = format!("l-{institution}");
        commons.ok(&[
            "credential",
            "licence",
            "issue",
            &licence,
            institution,
            "--class",
            "hospital",
            "--key",
            vkey,
        ]);
    }
}

fn sign(commons: &Commons, institution: &str, when: &str) {
    let folder = path(commons, &format!("input/{institution}"));
    let key = path(commons, &format!("{institution}.key"));
    commons.ok(&[
        "credential",
        "sign-delivery",
        &folder,
        "--institution",
        institution,
        "--key",
        &key,
        "--again",
        "--now",
        when,
    ]);
}

fn issue(commons: &Commons, institution: Option<&str>, file: &str) -> Option<i32> {
    let out = path(commons, file);
    let mut arguments = vec!["credential", "issue", "--researcher", "ada", "--dataset", "diabetes"];
    arguments.extend(["--purpose", "DUO:0000006", "--expires", "2027-11-22", "--out", &out]);
    if let Some(institution) = institution {
        arguments.extend(["--institution", institution]);
    }
    commons.run(&arguments).code
}

#[test]
fn a_suspended_institution_delivers_nothing_more_and_its_researchers_ask_nothing_more() {
    let commons = Commons::new("licences");
    people::prepare(&commons, 200);
    let pipeline = commons.path("pipeline.toml");
    let text = fs::read_to_string(&pipeline).unwrap();
    fs::write(&pipeline, format!("{text}\n[licence]\nrequired = true\n")).unwrap();
    let ingest = people::ingest(&commons);
    let ingest = ingest.each_ref().map(String::as_str);
    assert_eq!(issue(&commons, None, "early.pass"), Some(0), "rules before any issuer is trusted");
    let none = commons.run(&ingest);
    assert_eq!(none.code, Some(8), "unsigned files were taken: {}", none.err);
    assert!(none.err.contains("no-delivery-note"), "{}", none.err);
    license(&commons);
    for institution in INSTITUTIONS {
        sign(&commons, institution, "2026-11-22T12:00:00Z");
    }
    let first = json(&commons, &ingest);
    assert_eq!(first["institutions"].as_array().unwrap().len(), 4);
    assert!(first.get("files_left").is_none(), "{}", first["files_left"]);

    let sql = "SELECT count(*) AS visits FROM visits";
    let ask = |pass: &str, now: &str| {
        commons.run(&["query", "--pass", &path(&commons, pass), sql, "--now", now])
    };
    let unnamed = ask("early.pass", "2026-11-22T13:00:00Z");
    assert_eq!(unnamed.code, Some(8), "a pass of nobody's asked: {}", unnamed.out);
    assert!(unnamed.err.contains("names no institution"), "{}", unnamed.err);
    assert_eq!(issue(&commons, None, "no.pass"), Some(8), "a pass names no institution");
    assert_eq!(issue(&commons, Some("nowhere"), "no.pass"), Some(8), "an unlicensed pass");
    assert_eq!(issue(&commons, Some("riverside"), "ada.pass"), Some(0));
    assert_eq!(ask("ada.pass", "2026-11-22T13:00:00Z").code, Some(0));

    let suspend = ["credential", "licence", "suspend", "l-riverside"];
    commons.ok(&[&suspend[..], &["--now", "2026-11-23T00:00:00Z"]].concat());
    let late = ask("ada.pass", "2026-11-23T01:00:00Z");
    assert_eq!(late.code, Some(8), "a suspended institution's researcher asked: {}", late.out);
    assert!(late.err.contains("was suspended at 2026-11-23"), "{}", late.err);

    // What was signed before stays what it is; what is signed from then on is left.
    let again = commons.ok(&[&ingest[..], &["--now", "2026-11-24T00:00:00Z"]].concat());
    assert!(again.err.contains("nothing new"), "{}", again.err);
    sign(&commons, "riverside", "2026-11-24T00:00:00Z");
    let second = commons.ok(&[&ingest[..], &["--now", "2026-11-24T01:00:00Z"]].concat());
    assert!(second.err.contains("diabetes@2 made"), "{}", second.err);
    assert!(second.err.contains("of riverside: licence-suspended"), "{}", second.err);
    assert!(!second.out.contains("riverside"), "{}", second.out);
    commons.ok(&["publish", "--now", "2026-11-24T02:00:00Z"]);
    let audit = ["audit", "--no-publish", "--format", "csv", "--now", "2026-11-25T00:00:00Z"];
    let audited = commons.run(&audit);
    assert_eq!(audited.code, Some(0), "{}{}", audited.out, audited.err);
    assert_eq!(commons.run(&["verify", "--deep"]).code, Some(0));
}
