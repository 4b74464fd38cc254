//! A person is erased from a commons that lived through a quarter; then somebody who holds every zone, every
//! key and all of the person's data looks for them.

use std::{collections::BTreeSet, fs, path::Path};

use almoner::digest::{hex, hmac_sha256};
use arrow::{
    array::{AsArray as _, RecordBatch},
    util::display::array_value_to_string,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::commons::{Commons, files};

const REASON: &str = "request under Art. 17 GDPR";

fn rows(file: &Path) -> Vec<RecordBatch> {
    let bytes = bytes::Bytes::from(fs::read(file).unwrap());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    reader.collect::<Result<_, _>>().unwrap()
}

fn column(batch: &RecordBatch, name: &str) -> Vec<String> {
    let cells = batch.column_by_name(name).unwrap().as_string::<i32>();
    cells.iter().map(|cell| cell.unwrap_or_default().to_owned()).collect()
}

/// All files of a folder as a searcher reads them: their bytes, and the cells of tables.
fn readable(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for file in files(folder) {
        let name = file.strip_prefix(folder).unwrap().display().to_string();
        let mut bytes = fs::read(&file).unwrap();
        if name.ends_with(".parquet") && bytes.starts_with(b"PAR1") {
            for batch in rows(&file) {
                for cells in batch.columns() {
                    for row in 0..batch.num_rows() {
                        let text = array_value_to_string(cells, row).unwrap_or_default();
                        bytes.extend([b"\n", text.as_bytes()].concat());
                    }
                }
            }
        }
        all.push((name, bytes));
    }
    all
}

/// Where any of the texts stands, as it is, in hex or in base64.
fn found(places: &[(String, Vec<u8>)], texts: &BTreeSet<String>) -> Vec<String> {
    let forms = |text: &String| [text.clone(), hex(text.as_bytes()), STANDARD.encode(text)];
    let forms: Vec<String> = texts.iter().flat_map(forms).collect();
    let patterns = aho_corasick::AhoCorasick::new(&forms).unwrap();
    let hits = places.iter().filter(|(_, bytes)| patterns.is_match(bytes));
    hits.map(|(name, _)| name.clone()).collect()
}

#[test]
fn an_erased_person_is_linked_to_nothing_by_whoever_holds_all_zones_and_keys() {
    let home = Commons::new("erase");
    let demo = home.path("demo");
    home.ok(&["demo", demo.to_str().unwrap(), "--quiet"]);
    let site = if demo.join("site").exists() { demo.join("site") } else { demo.clone() };
    let keys = site.with_extension("keys");
    let run = |arguments: &[&str]| {
        let output = home
            .command(arguments)
            .env("ALMONER_SITE", &site)
            .env("ALMONER_KEYS", &keys)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "almoner {arguments:?} failed:\n{}\n{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    };
    let open = |name: &str| {
        let folder = home.path(name);
        run(&["keys", "copy", folder.to_str().unwrap()]);
        folder
    };

    // All that is the person's: the id, what institutions call them, the pseudonyms, the key.
    let before = open("before");
    let mut person = None;
    let mut own = BTreeSet::new();
    for file in files(&before.join("vault/rosters")) {
        for batch in rows(&file) {
            let (ids, names) = (column(&batch, "contributor"), column(&batch, "pseudonym"));
            let whom: &String = person.get_or_insert_with(|| ids[ids.len() / 2].clone());
            own.extend(
                ids.iter().zip(&names).filter(|(id, _)| *id == whom).map(|(_, n)| n.clone()),
            );
        }
    }
    let person = person.unwrap();
    own.insert(person.clone());
    let mut records = Vec::new();
    for file in files(&before.join("vault/linkage/members")) {
        for batch in rows(&file) {
            let (locals, people) = (column(&batch, "local"), column(&batch, "person"));
            records.extend(
                locals
                    .into_iter()
                    .zip(people)
                    .filter(|(_, p)| *p == person)
                    .map(|(local, _)| local),
            );
        }
    }
    own.extend(records.iter().cloned());
    assert!(own.len() > 3 && !records.is_empty(), "the demo links nobody");
    assert!(found(&readable(&before), &own).len() > 5, "the search finds nothing at all");

    let dry = run(&["erase", &person, "--reason", REASON, "--dry-run", "--format", "json"]);
    assert!(dry.contains("\"people\": 1") && dry.contains("\"commit\": null"), "{dry}");
    assert_eq!(
        found(&readable(&before), &own),
        found(&readable(&open("dry")), &own),
        "a dry run changed something"
    );
    let told = run(&["erase", &person, "--reason", REASON, "--format", "json"]);
    assert!(told.contains("\"commit\": 1"), "{told}");

    // The book is whole, and everything that is left comes out.
    run(&["verify", "--deep"]);
    let audit = run(&["audit", "--format", "json"]);
    assert!(audit.contains("erasures"), "the audit does not say what it could not read: {audit}");

    // Everything that is left, with all keys: the zones in the open, as they are, and the key folder.
    let after = open("after");
    let secret = fs::read_to_string(keys.join("pseudonym.secret")).unwrap();
    let secret: Vec<u8> = (0..32)
        .map(|at| u8::from_str_radix(&secret.trim()[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    for version in 1..=2 {
        let label = format!("pseudonym/diabetes/{version}");
        let secret: [u8; 32] = secret.clone().try_into().unwrap();
        let key = hmac_sha256(&secret, &[b"almoner/pseudonyms/v1", label.as_bytes()]);
        let mac = hmac_sha256(&key, &[b"person", person.as_bytes()]);
        own.insert(hex(&mac[..16]));
    }
    let zones = ["vault", "lake"].map(|zone| after.join(zone));
    let mut places: Vec<(String, Vec<u8>)> = zones.iter().flat_map(|zone| readable(zone)).collect();
    for zone in ["vault", "lake", "ledger", "public"] {
        places.extend(readable(&site.join(zone)));
    }
    places.extend(readable(&keys));
    assert_eq!(found(&places, &own), Vec::<String>::new(), "the person is still linked");

    // Again, it changes nothing.
    let size = fs::read(site.join("ledger/checkpoint")).unwrap();
    let again = run(&["erase", &person, "--reason", REASON, "--format", "json"]);
    assert!(again.contains("\"unknown\": 1") && again.contains("\"commit\": null"), "{again}");
    assert_eq!(fs::read(site.join("ledger/checkpoint")).unwrap(), size, "the book grew");
}
