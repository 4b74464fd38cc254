//! What everybody else could prove before somebody was erased they can prove afterwards.

use std::{fs, path::PathBuf};

use serde_json::Value;

use super::site::{LATER, Lived, lived};
use crate::commons::Commons;

/// Makes proofs of others, and of entries that hold the person; returns their files.
fn prove(commons: &Commons, lived: &Lived, folder: &str, versions: bool) -> Vec<PathBuf> {
    fs::create_dir_all(commons.path(folder)).unwrap();
    let mut made = Vec::new();
    let mut prove = |name: &str, arguments: &[&str]| {
        let file = commons.path(folder).join(name);
        let out = ["--out", file.to_str().unwrap()];
        let now = ["--now", LATER, "ledger", "prove"];
        commons.ok(&[&now[..], arguments, &out].concat());
        made.push(file);
    };
    prove("lines", &["lines", &lived.other]);
    prove("money", &["lines", &lived.other, "--pool", "diabetes-2026"]);
    prove("cover", &["lines", &lived.other, "--pool", "infections-2026"]);
    for index in 1..fs::read_dir(commons.path("site/ledger/tile/entries/000.p")).unwrap().count() {
        if index % 4 == 0 {
            prove(&format!("entry-{index}"), &["entry", &index.to_string()]);
        }
    }
    if versions {
        prove("record", &["record", &lived.other, "--dataset", "diabetes"]);
        prove("absence", &["absence", &lived.withdrawn, "--dataset", "diabetes"]);
    }
    made
}

#[track_caller]
fn verify(commons: &Commons, proofs: &[PathBuf]) -> String {
    let about = fs::read(commons.path("site/site.json")).unwrap();
    let about: Value = serde_json::from_slice(&about).unwrap();
    let key = |name: &str| about[name].as_str().unwrap().to_owned();
    let (log, steward) = (key("log_vkey"), key("steward_vkey"));
    let files: Vec<&str> = proofs.iter().map(|file| file.to_str().unwrap()).collect();
    let keys = ["--vkey", &log, "--vkey", &steward];
    commons.ok(&[&["verify-proof"][..], &files, &keys].concat()).out
}

#[test]
fn proofs_of_everybody_else_hold_after_an_erasure_and_new_ones_are_made() {
    let lived = lived();
    let commons = lived.copied("proofs");
    let before = prove(&commons, lived, "before", true);
    // But for the digests of tables that hold everybody, and the person no more.
    let statement = || {
        let said = commons.ok(&["--now", LATER, "statement", &lived.other]).out;
        let kept = said.lines().filter(|line| !line.contains("Digest of"));
        kept.map(str::to_owned).collect::<Vec<_>>()
    };
    let told = statement();
    commons.ok(&lived.erase());
    verify(&commons, &before);
    assert_eq!(statement(), told, "another's statement says something else");

    // The lines of settled quarters are proven as ever; of the version that was destroyed nothing is.
    let after = prove(&commons, lived, "after", false);
    verify(&commons, &after);
    let lines = |folder: &str| {
        let said = verify(&commons, &[commons.path(folder).join("lines")]);
        let told = said.lines().filter(|line| !line.contains("signed state of the log"));
        told.map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(lines("before").len() > 40, "next to nothing is proven");
    assert_eq!(lines("before"), lines("after"), "a line says something else");
    commons.ok(&["audit", "recompute", "diabetes-2026"]);

    // The next version holds everybody but the person, and proves it of each.
    let (pipeline, input) = (commons.path("pipeline.toml"), commons.path("input"));
    let ingest = ["ingest", pipeline.to_str().unwrap(), "--input", input.to_str().unwrap()];
    commons.ok(&[&["--now", LATER][..], &ingest].concat());
    let next = prove(&commons, lived, "next", true);
    verify(&commons, &next);
    let said = commons.run(&["ledger", "prove", "record", &lived.person, "--dataset", "diabetes"]);
    assert_ne!(said.code, Some(0), "an erased person is in the next version: {}", said.out);
    commons.ok(&["audit", "--no-publish"]);
    commons.ok(&["verify", "--deep"]);
}
