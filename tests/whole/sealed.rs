//! A sealed site from outside: nothing of it lies in the open, its keys are listed, rotated, destroyed and
//! handed out, and what was destroyed is said openly and breaks nothing else.
//!
//! Comes in: the command alone. Goes out: exit codes, findings, bytes. Never: a key in what is said.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::{
    commons::{Commons, files},
    people, plain,
};

/// A site with one release and two questions asked of it.
fn lived(name: &str) -> Commons {
    let commons = Commons::new(name);
    people::prepare(&commons, 200);
    let ingest = people::ingest(&commons);
    commons.ok(&ingest.each_ref().map(String::as_str));
    people::ask(&commons);
    commons
}

fn keys(commons: &Commons) -> Vec<(String, bool)> {
    let said = commons.ok(&["keys", "list", "--format", "json"]);
    let lines: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let lines = lines.as_array().unwrap().iter();
    lines.map(|l| (l["key"].as_str().unwrap().to_owned(), l["wrapped_by"].is_string())).collect()
}

fn is_clean(commons: &Commons) -> String {
    let said = commons.ok(&["audit", "--no-publish"]);
    commons.ok(&["verify", "--deep"]);
    commons.ok(&["dataset", "verify"]);
    said.out
}

const SQL: &str = "SELECT count(*) AS visits FROM visits";

#[test]
fn keys_are_listed_rotated_and_destroyed_and_all_that_can_be_read_is_clean() {
    let commons = lived("sealed");
    let pass = commons.path("pass");
    let ask = ["query", "--pass", pass.to_str().unwrap(), "--dataset", "diabetes@1", SQL];
    let version = ("lake/diabetes@1/1".to_owned(), true);
    assert_eq!(keys(&commons), [("vault/1".to_owned(), true), version]);
    let mut sealed = 0;
    for file in files(&commons.path("site/vault")) {
        let bytes = fs::read(&file).unwrap();
        if !file.to_str().unwrap().contains("/keyring/") {
            assert!(bytes.starts_with(b"ALMSEAL1"), "{} lies in the open", file.display());
            sealed += 1;
        }
    }
    assert!(sealed > 10, "the vault holds next to nothing");
    let answer = commons.ok(&ask).out;
    let secret = fs::read_to_string(commons.path("site.keys/site.wrap")).unwrap();

    let backup = commons.path("backup");
    super::kill::copy(&commons.path("site"), &backup);
    let said = commons.ok(&["keys", "rotate", "vault"]);
    assert!(said.out.contains("vault/2") && said.out.contains("vault/1"), "{}", said.out);
    commons.ok(&["keys", "rotate", "diabetes"]);
    let renewed = fs::read_to_string(commons.path("site.keys/site.wrap")).unwrap();
    assert_ne!(secret, renewed, "the old site key opens older copies");
    assert_eq!(commons.ok(&ask).out, answer, "the same question has another answer");
    is_clean(&commons);
    let said = commons.command(&["consent", "show"]).env("ALMONER_SITE", &backup).output().unwrap();
    assert!(!said.status.success(), "a copy from before the rotation opens with the keys of now");

    let said = commons.ok(&["keys", "destroy", "diabetes@1", "--format", "json"]);
    assert!(said.out.contains("lake/diabetes@1/2"), "{}", said.out);
    commons.ok(&["keys", "destroy", "diabetes@1"]);
    assert!(keys(&commons).iter().all(|(name, lives)| *lives == (name == "vault/2")));
    let said = commons.run(&ask);
    assert_eq!(said.code, Some(8), "a question was answered out of nothing: {}", said.err);
    assert!(said.err.contains("its key was destroyed"), "{}", said.err);
    let said = commons.ok(&["dataset", "show", "diabetes@1"]);
    assert!(said.err.contains("its key was destroyed"), "{}", said.err);
    let said = commons.run(&["dataset", "export", "diabetes@1", "--out", "/nowhere"]);
    assert_eq!(said.code, Some(8), "{}", said.err);
    let told = is_clean(&commons);
    assert!(
        told.contains("cannot be read any more"),
        "the audit hides what it did not see: {told}"
    );

    // The same delivery again is the same version, of which nobody has a key any more.
    let ingest = people::ingest(&commons);
    let said = commons.run(&ingest.each_ref().map(String::as_str));
    assert!(said.err.contains("nothing new"), "{}", said.err);
}

#[test]
fn a_copy_in_the_open_is_for_its_steward_alone_and_never_over_something() {
    let commons = lived("sealed-copy");
    let copy = commons.path("open");
    let to = copy.to_str().unwrap();
    commons.ok(&["keys", "copy", to]);
    let mode = fs::metadata(&copy).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "others may read the copy");
    let said = commons.run(&["keys", "copy", to]);
    assert_eq!(said.code, Some(2), "a copy was written over another: {}", said.err);
    let site = commons.path("site");
    let mut seen = 0;
    for file in files(&copy) {
        let name = file.strip_prefix(&copy).unwrap();
        let own = plain::read(site.join(name)).unwrap();
        assert_eq!(fs::read(&file).unwrap(), own, "{} is another", name.display());
        seen += 1;
    }
    assert!(seen > 30 && !copy.join("vault/keyring").exists(), "{seen} files");

    // With the keys of before there were seals, the copy is such a site: read as it is, then sealed.
    let old = Commons::new("sealed-old");
    super::kill::copy(&copy, &old.path("site"));
    super::kill::copy(&commons.path("site.keys"), &old.path("site.keys"));
    fs::remove_file(old.path("site.keys/site.wrap")).unwrap();
    is_clean(&old);
    let pass = commons.path("pass");
    let ask = ["query", "--pass", pass.to_str().unwrap(), "--dataset", "diabetes@1", SQL];
    let answer = old.ok(&ask).out;
    let said = old.run(&["keys", "destroy", "diabetes@1"]);
    assert_eq!(said.code, Some(8), "{}", said.err);
    assert!(said.err.contains("keys rotate vault"), "no hint what to do: {}", said.err);
    old.ok(&["keys", "rotate", "vault"]);
    let segment = files(&old.path("site/lake/diabetes/segments")).pop().unwrap();
    assert!(fs::read(segment).unwrap().ends_with(b"PARE"), "its lake lies in the open still");
    assert_eq!(old.ok(&ask).out, answer, "a sealed segment has other rows");
    is_clean(&old);

    // A plain object in a sealed site is refused.
    let roster = files(&old.path("site/vault/rosters")).pop().unwrap();
    let good = plain::read(&roster).unwrap();
    fs::write(&roster, &good).unwrap();
    let said = old.run(&["audit", "--no-publish", "--format", "csv"]);
    assert_eq!(said.code, Some(7), "a plain object was taken: {}", said.out);
    assert!(said.out.contains("rosters/"), "{}", said.out);
}
