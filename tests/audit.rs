//! The audit from outside: a whole small site comes out clean, and a changed byte in each kind of
//! object, or a change that was dressed up with fresh digests, is found and named.
//!
//! Comes in: the command alone. Goes out: exit codes and findings. Never: a look into the library.

#![expect(clippy::unwrap_used, reason = "a test stops where something cannot be read")]
#![expect(clippy::indexing_slicing, reason = "the same, where a part is missing")]
#![expect(clippy::panic, reason = "the same, with the name of the object that is missing")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::array::{AsArray as _, Int64Array, RecordBatch};
use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};
use sha3::Digest as _;

#[path = "whole/commons.rs"]
mod commons;
#[path = "whole/people.rs"]
mod people;
#[path = "whole/plain.rs"]
mod plain;
#[path = "audit/settlement.rs"]
mod settlement;

use commons::{Commons, Said, files};

/// Makes a site that has lived: consents, a release, two questions, a settlement.
fn lived(name: &str) -> Commons {
    let commons = Commons::new(name);
    people::prepare(&commons, 200);
    let ingest = people::ingest(&commons);
    commons.ok(&ingest.each_ref().map(String::as_str));
    people::ask(&commons);
    commons.ok(&[
        "settle",
        "diabetes-2026",
        "--period",
        "2026-Q4",
        "--now",
        "2027-01-02T00:00:00Z",
    ]);
    commons
}

fn audit(commons: &Commons) -> Said {
    commons.run(&["audit", "--no-publish", "--format", "csv", "--now", "2027-01-03T00:00:00Z"])
}

/// Finds the first file below a zone whose path holds `part` and ends in `end`.
fn find(commons: &Commons, part: &str, end: &str) -> PathBuf {
    let site = commons.path("site");
    let all = files(&site);
    let found = all.into_iter().find(|file| {
        let path = file.strip_prefix(&site).unwrap().to_str().unwrap();
        // `.parquet` alone does not mean `.institutions.parquet`: each kind has its own turn.
        let is_other = path.trim_end_matches(end).ends_with(".institutions");
        path.contains(part) && path.ends_with(end) && !is_other
    });
    found.unwrap_or_else(|| panic!("the site has no {part}*{end}"))
}

/// Changes one byte for the time of an audit, and puts it back.
#[track_caller]
fn flipped(commons: &Commons, file: &Path, at: usize) {
    let good = plain::read(file).unwrap();
    let mut bad = good.clone();
    let at = at.min(bad.len() - 1);
    bad[at] ^= 1;
    plain::write(file, &bad).unwrap();
    let said = audit(commons);
    plain::write(file, &good).unwrap();
    let name = file.strip_prefix(commons.path("site")).unwrap().to_str().unwrap();
    assert_eq!(said.code, Some(7), "{name}, byte {at}: {}{}", said.out, said.err);
    assert!(said.out.contains(name), "{name}, byte {at}, is not named:\n{}", said.out);
}

#[test]
fn a_site_that_lived_comes_out_clean_and_a_flipped_byte_in_each_kind_of_object_is_named() {
    let commons = lived("audit");
    let clean = audit(&commons);
    assert_eq!(clean.code, Some(0), "{}{}", clean.out, clean.err);
    let kinds = [
        ("lake/diabetes/segments/", ".parquet"),
        ("vault/rosters/", ".parquet"),
        ("vault/reports/", ".json"),
        ("vault/consent/events/", ".parquet"),
        ("vault/consent/contributors/", ".parquet"),
        ("vault/usage/lines/", ".parquet"),
        ("vault/pools/settlements/", ".json"),
        ("vault/pools/settlements/", ".parquet"),
        ("vault/pools/settlements/", ".institutions.parquet"),
        ("vault/pools/settlements/", ".leaves"),
        ("ledger/records/", ".leaves"),
        ("ledger/commits/", "1.json"),
        ("ledger/checkpoints/", "/1"),
        ("ledger/", "/checkpoint"),
        ("ledger/tile/0/", ""),
        ("ledger/tile/entries/", ""),
        ("ledger/", "log.vkey"),
    ];
    for (part, end) in kinds {
        let file = find(&commons, part, end);
        let middle = usize::try_from(fs::metadata(&file).unwrap().len()).unwrap() / 2;
        flipped(&commons, &file, middle);
    }
    // In a commit: a digit of a digest, a brace, and a letter of its entry.
    for part in
        ["lake/commits/", "vault/consent/commits/", "vault/pools/commits/", "vault/usage/commits/"]
    {
        let file = find(&commons, part, "1.json");
        let text = plain::read_to_string(&file).unwrap();
        flipped(&commons, &file, 0);
        flipped(&commons, &file, text.rfind("\"entry\"").unwrap() + 80);
        flipped(&commons, &file, text.find("\"time\"").unwrap() + 12);
    }
    let deep = commons.run(&["verify", "--deep"]);
    assert_eq!(deep.code, Some(0), "{}{}", deep.out, deep.err);
    let file = find(&commons, "vault/consent/contributors/", ".parquet");
    let good = plain::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let deep = commons.run(&["verify", "--deep"]);
    assert_eq!(deep.code, Some(7), "a lost key file went unseen");
    assert!(deep.out.contains("vault/consent/contributors/"), "{}", deep.out);
    plain::write(&file, good).unwrap();
    pages(&commons);
    dressed_up(&commons);
    raised(&commons);
}

/// The public page is written by an audit, and tells its sums.
fn pages(commons: &Commons) {
    let said = commons.ok(&["audit", "--now", "2027-01-03T00:00:00Z"]);
    assert!(said.out.trim_end().ends_with(", 0 findings"), "{}", said.out);
    let text = plain::read_to_string(commons.path("site/public/audit.json")).unwrap();
    let page: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(page["findings"], serde_json::json!([]));
    let names: Vec<&str> =
        page["checks"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    for name in ["book", "classes", "records", "standing", "usage", "lines", "sums", "once"] {
        assert!(names.contains(&name), "nobody asked for {name}");
    }
    assert!(commons.path("site/public/audit.html").exists());
    let one = commons.run(&["audit", "diabetes-2026", "--no-publish"]);
    assert_eq!(one.code, Some(0), "{}", one.err);
    assert_eq!(commons.run(&["audit", "no-such-pool", "--no-publish"]).code, Some(2));
}

/// Totals in a settlement's commit that are changed with care: the JSON stays whole, the entry
/// stays as it was signed.
fn dressed_up(commons: &Commons) {
    let file = files(&commons.path("site/vault/pools/commits")).pop().unwrap();
    let good = plain::read_to_string(&file).unwrap();
    let paid = good.find("\"paid\"").unwrap();
    let digit = paid + good[paid..].find("\"amount\": \"").unwrap() + 11;
    let mut bad = good.clone().into_bytes();
    bad[digit] = if bad[digit] == b'9' { b'8' } else { bad[digit] + 1 };
    plain::write(&file, bad).unwrap();
    let said = audit(commons);
    plain::write(&file, good).unwrap();
    assert_eq!(said.code, Some(7), "a changed sum went unseen");
    for check in ["agrees", "sums"] {
        assert!(said.out.contains(check), "no check of {check} found it:\n{}", said.out);
    }
    // A commit that never was: its number leaves a gap, and its entry stands behind nothing.
    let file = find(commons, "vault/usage/commits/", "1.json");
    let good = plain::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let said = audit(commons);
    plain::write(&file, good).unwrap();
    assert_eq!(said.code, Some(7), "a question taken out of the record went unseen");
    assert!(said.out.contains("no commit of the site stands behind it"), "{}", said.out);
}

/// An institution is paid one cent more, and the object's name, its digest and the sums of the commit
/// are changed to fit.
fn raised(commons: &Commons) {
    let file = files(&commons.path("site/vault/pools/commits")).pop().unwrap();
    let good = plain::read_to_string(&file).unwrap();
    let lines = find(commons, "vault/pools/settlements/", ".institutions.parquet");
    let (batch, bytes) = more(&lines);
    assert_eq!(batch.num_rows(), 4, "an institution has no line");
    let (old, new) = (hex_digest(&plain::read(&lines).unwrap()), hex_digest(&bytes));
    let other = lines.with_file_name(format!("{new}.institutions.parquet"));
    plain::write(&other, bytes).unwrap();
    assert!(good.contains(&old), "the commit does not name the lines");
    plain::write(&file, good.replace(&old, &new)).unwrap();
    let said = audit(commons);
    plain::write(&file, &good).unwrap();
    fs::remove_file(&other).unwrap();
    assert_eq!(said.code, Some(7), "an institution was paid a cent that nobody gave");
    for part in
        ["an institution's line is not what it should be", "says otherwise in `institutions`"]
    {
        assert!(said.out.contains(part), "not found: {part}:\n{}", said.out);
    }
    assert_eq!(audit(commons).code, Some(0), "the site was not put back");
}

fn hex_digest(bytes: &[u8]) -> String {
    sha3::Sha3_256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Reads lines, and writes them again with one cent more for the first.
fn more(file: &Path) -> (RecordBatch, Vec<u8>) {
    let bytes = bytes::Bytes::from(plain::read(file).unwrap());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    let batch = reader.into_iter().next().unwrap().unwrap();
    let at = batch.schema().index_of("paid_minor").unwrap();
    let paid: &Int64Array = batch.column(at).as_primitive();
    let paid = paid.iter().enumerate().map(|(row, cents)| cents.map(|c| c + i64::from(row == 0)));
    let mut columns = batch.columns().to_vec();
    columns[at] = Arc::new(paid.collect::<Int64Array>());
    let changed = RecordBatch::try_new(batch.schema(), columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, changed.schema(), None).unwrap();
    writer.write(&changed).unwrap();
    drop(writer.close().unwrap());
    (changed, bytes)
}
