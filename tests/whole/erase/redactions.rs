//! Whoever changes what was recorded and calls it an erasure is found by the audit.

use std::fs;

use almoner::digest::Sha3Digest;
use serde_json::{Value, json};

use super::site::lived;
use crate::commons::{Commons, files};

/// What the audit finds: exit code, and the findings.
fn audited(commons: &Commons) -> (Option<i32>, String) {
    let said = commons.run(&["audit", "--no-publish", "--format", "csv"]);
    (said.code, said.out)
}

/// Changes the newest payment's object, and its commit, so that the two fit.
fn changed(commons: &Commons) -> (String, String, String) {
    let vault = commons.path("site/vault");
    let commit = files(&vault.join("payouts/commits")).pop().unwrap();
    let text = fs::read_to_string(&commit).unwrap();
    let body: Value = serde_json::from_str(&text).unwrap();
    let (path, was) = (&body["act"]["lines"]["path"], &body["act"]["lines"]["digest"]);
    let (path, was) = (path.as_str().unwrap(), was.as_str().unwrap());
    let lines = fs::read_to_string(vault.join(path)).unwrap();
    let other = lines.replacen("\"attempt\":1", "\"attempt\":2", 1);
    assert_ne!(lines, other, "nothing was changed");
    let now = Sha3Digest::of(other.as_bytes()).to_string();
    fs::write(vault.join(path.replace(was, &now)), other).unwrap();
    fs::write(&commit, text.replace(was, &now)).unwrap();
    let name = commit.strip_prefix(commons.path("site")).unwrap().display().to_string();
    (name, was.to_owned(), now)
}

/// Adds to the list of an erasure that the change was one; returns the list's file and its new text.
fn claimed(commons: &Commons, change: &(String, String, String)) -> (std::path::PathBuf, String) {
    let (commit, was, now) = change;
    let list = files(&commons.path("site/vault/erasures/lists")).pop().unwrap();
    let mut body: Value = serde_json::from_slice(&fs::read(&list).unwrap()).unwrap();
    let digest = Sha3Digest::of(&fs::read(commons.path("site").join(commit)).unwrap()).to_string();
    let path = format!("payouts/lines/{now}.ndjson");
    let objects = body["objects"].as_array_mut().unwrap();
    objects.push(json!({ "path": path, "was": was, "digest": now }));
    let commits = body["commits"].as_array_mut().unwrap();
    commits.retain(|own| own["path"] != commit.as_str());
    commits.push(json!({ "path": commit, "digest": digest }));
    (list, serde_json::to_string_pretty(&body).unwrap())
}

#[test]
fn a_change_that_is_called_an_erasure_is_found() {
    let lived = lived();
    let honest = lived.copied_in_the_open("honest");
    honest.ok(&lived.erase());
    assert_eq!(audited(&honest).0, Some(0), "an honest erasure is a finding");
    let forge = |name: &str| {
        let commons = Commons::new(&format!("erase/{name}"));
        for part in ["site", "site.keys"] {
            crate::kill::copy(&honest.path(part), &commons.path(part));
        }
        commons
    };

    // Changed, and no list says so.
    let commons = forge("unlisted");
    changed(&commons);
    let (code, told) = audited(&commons);
    assert!(code == Some(7) && told.contains("payouts/"), "a changed payment passes: {told}");

    // The list says so, under the digest that the entry has.
    let commons = forge("overwritten");
    let change = changed(&commons);
    let (list, text) = claimed(&commons, &change);
    fs::write(&list, text).unwrap();
    let (code, told) = audited(&commons);
    let name = list.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(code == Some(7) && told.contains(&name), "a list of other bytes passes: {told}");

    // The list lies under its own digest, and the commit names it: the entry in the book names another.
    let commons = forge("renamed");
    let change = changed(&commons);
    let (list, text) = claimed(&commons, &change);
    let now = Sha3Digest::of(text.as_bytes()).to_string();
    let was = list.file_stem().unwrap().to_str().unwrap();
    fs::write(list.with_file_name(format!("{now}.json")), text).unwrap();
    let commit = files(&commons.path("site/vault/erasures/commits")).pop().unwrap();
    let body = fs::read_to_string(&commit).unwrap().replace(was, &now);
    fs::write(&commit, body).unwrap();
    let (code, told) = audited(&commons);
    let fault = "its entry says otherwise in `redactions`";
    assert!(code == Some(7) && told.contains(fault), "the book vouches for no such list: {told}");

    // A second erasure, made up, of which the book says nothing.
    let commons = forge("second");
    let change = changed(&commons);
    let (list, text) = claimed(&commons, &change);
    let digest = Sha3Digest::of(text.as_bytes()).to_string();
    fs::write(list.with_file_name(format!("{digest}.json")), text).unwrap();
    let first = files(&commons.path("site/vault/erasures/commits")).pop().unwrap();
    let body = fs::read_to_string(&first).unwrap();
    let body = body.replace(list.file_stem().unwrap().to_str().unwrap(), &digest);
    let body = body.replacen("\"number\": 1", "\"number\": 2", 1);
    fs::write(first.with_file_name("000000000002.json"), body).unwrap();
    let (code, told) = audited(&commons);
    assert!(code == Some(7), "an erasure that is not in the book passes: {told}");
    assert!(told.contains("erasures/commits/000000000002.json"), "it is not named: {told}");

    // A row made empty where no erasure made one.
    let commons = forge("emptied");
    let events = files(&commons.path("site/vault/consent/events")).pop().unwrap();
    let list = files(&commons.path("site/vault/erasures/lists")).pop().unwrap();
    let name = events.file_stem().unwrap().to_str().unwrap().to_owned();
    let text = fs::read_to_string(&list).unwrap();
    if text.contains(&name) {
        fs::write(&list, text.replace(&name, &"0".repeat(64))).unwrap();
        let (code, told) = audited(&commons);
        assert!(code == Some(7) && told.contains("erasures"), "an empty row needs no list: {told}");
    }
}
