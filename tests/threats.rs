//! The threat model names the test behind each claim: a test that is gone takes its claim with it.

#![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

use std::{collections::BTreeSet, fs, path::Path};

/// Collects the names of all functions below a folder.
fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") {
                functions(&path, names);
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let after = text.split("fn ").skip(1);
            names.extend(after.filter_map(|rest| rest.split('(').next()).map(str::to_owned));
        }
    }
}

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = BTreeSet::new();
    for folder in ["src", "tests"] {
        functions(&root.join(folder), &mut names);
    }
    let text = fs::read_to_string(root.join("docs/threat-model.md")).unwrap();
    let mut seen = 0;
    for row in text.lines().filter(|line| line.starts_with("| ")) {
        let Some(tests) = row.split('|').nth(4) else { continue };
        for name in tests.split('`').skip(1).step_by(2) {
            let found = names.contains(name) || root.join(name).exists();
            assert!(found, "the threat model rests on `{name}`, which is no test here");
            seen += 1;
        }
    }
    assert!(seen > 60, "the threat model names {seen} tests: its tables were not read");
}
