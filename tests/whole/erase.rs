//! A person is erased from a commons that lived through a quarter; then somebody who holds every zone, every
//! key and all of the person's data looks for them.

mod cut;
mod proofs;
mod redactions;
mod site;

use std::{collections::BTreeSet, fs, path::Path};

use almoner::{
    digest::{hex, hmac_sha256},
    instant::Instant,
    ledger::Entry,
    site::Site,
};
use arrow::util::display::array_value_to_string;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use self::site::{Lived, lived, rows};
use crate::{
    commons::{Commons, files},
    people,
};

/// All files of a folder as a searcher reads them: their bytes, and the cells of tables.
fn readable(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for file in files(folder) {
        let name = file.strip_prefix(folder).unwrap().display().to_string();
        let mut bytes = fs::read(&file).unwrap();
        if name.ends_with(".parquet") && bytes.starts_with(b"PAR1") {
            for batch in rows(bytes.clone()) {
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
    let hits = places.iter().filter_map(|(name, bytes)| {
        let hit = patterns.find(bytes)?;
        Some(format!("{name}: form {} of {}", hit.pattern().as_usize() % 3, hit.len()))
    });
    hits.collect()
}

/// Everything that is left, with all keys: the zones in the open and as they are, and the key folder.
fn everything(commons: &Commons, name: &str) -> Vec<(String, Vec<u8>)> {
    let open = commons.path(name);
    commons.ok(&["keys", "copy", open.to_str().unwrap()]);
    let mut places: Vec<_> =
        ["vault", "lake"].iter().flat_map(|zone| readable(&open.join(zone))).collect();
    for zone in ["site/vault", "site/lake", "site/ledger", "site/public", "site.keys"] {
        places.extend(readable(&commons.path(zone)));
    }
    places
}

/// What the site's key folder makes of the person, now.
fn pseudonyms(commons: &Commons, person: &str) -> Vec<String> {
    let text = fs::read_to_string(commons.path("site.keys/pseudonym.secret")).unwrap();
    let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
    let secret: [u8; 32] = std::array::from_fn(byte);
    let key = hmac_sha256(&secret, &[b"almoner/pseudonyms/v1", b"pseudonym/diabetes/1"]);
    vec![hex(&hmac_sha256(&key, &[b"person", person.as_bytes()])[..16])]
}

/// Holds a site against all that is the person's; the book must be whole and come out.
#[track_caller]
fn is_gone(commons: &Commons, lived: &Lived, open: &str) {
    commons.ok(&["verify", "--deep"]);
    commons.ok(&["audit", "--no-publish"]);
    let mut own = lived.own.clone();
    own.extend(pseudonyms(commons, &lived.person));
    let hits = found(&everything(commons, open), &own);
    assert_eq!(hits, Vec::<String>::new(), "the person is still linked");
}

/// What an entry commits to of a commit's objects: the site's secret, the label, the parts.
fn sealed(sequence: &str, commit: &Value) -> Option<(&'static str, &'static str, Vec<Vec<u8>>)> {
    let act = &commit["act"];
    let text = |value: &Value| value.as_str().unwrap().as_bytes().to_vec();
    let digest = |value: &Value| -> Vec<u8> {
        let hex = value.as_str().unwrap();
        (0..32).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
    };
    let of = |name: &str| digest(&act[name]["digest"]);
    Some(match (sequence, act["kind"].as_str().unwrap_or_default()) {
        ("payees", _) => ("payees", "almoner/payees/v2", vec![digest(&commit["payees"]["digest"])]),
        ("covers", "enrolled") => ("covers", "almoner/cover-people/v2", vec![of("people")]),
        ("covers", "evaluated") => ("covers", "almoner/cover-lines/v2", vec![of("lines")]),
        ("payouts", "exported") => {
            ("payouts", "almoner/payout-exported/v2", vec![of("lines"), of("file")])
        }
        ("pools", "overridden") => {
            let change = almoner::digest::canonical(&act["change"]).unwrap();
            let label = "almoner/settlement-overrides/v2";
            ("settlement-overrides", label, vec![text(&act["pool"]), change])
        }
        ("goods", "redeemed" | "lapsed") => {
            let mut parts = vec![text(&act["pool"]), text(&act["item"])];
            parts.extend(act["voucher"].as_str().map(|id| id.as_bytes().to_vec()));
            parts.extend(act["vouchers"].as_array().into_iter().flatten().map(text));
            ("voucher-ids", "almoner/vouchers-ended/v2", parts)
        }
        _ => return None,
    })
}

/// The commits of an open copy: the sequence, and the commit.
fn commits(open: &Path) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for sequence in ["covers", "goods", "payees", "payouts", "pools"] {
        for file in files(&open.join("vault").join(sequence).join("commits")) {
            let commit = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
            all.push((sequence.to_owned(), commit));
        }
    }
    all
}

#[test]
fn an_erased_person_is_linked_to_nothing_by_whoever_holds_all_zones_and_keys() {
    let lived = lived();
    let commons = lived.copied("searched");
    let before = everything(&commons, "before");
    assert!(found(&before, &lived.own).len() > 15, "the search finds next to nothing");

    let dry = commons.ok(&[&lived.erase()[..], &["--dry-run", "--format", "json"]].concat()).out;
    assert!(dry.contains("\"people\": 1") && dry.contains("\"commit\": null"), "{dry}");
    let after_dry = everything(&commons, "dry");
    assert!(before == after_dry, "a dry run changed something");
    let told = commons.ok(&[&lived.erase()[..], &["--format", "json"]].concat()).out;
    assert!(told.contains("\"commit\": 1"), "{told}");
    is_gone(&commons, lived, "after");
    let audit = commons.ok(&["audit", "--no-publish", "--format", "json"]).out;
    assert!(audit.contains("erasures"), "the audit does not say what it could not read: {audit}");

    // Whoever knew every object as it was, and has every key and every commit of today, meets nothing in the
    // book that they can make again.
    let now = Instant::parse(site::LATER).unwrap();
    let site = Site::open(&commons.site(), &commons.path("site.keys"), now).unwrap();
    let made = |(secret, label, parts): &(&str, &str, Vec<Vec<u8>>), txn: &Value| {
        let mut all: Vec<&[u8]> = vec![label.as_bytes(), txn.as_str().unwrap().as_bytes()];
        all.extend(parts.iter().map(Vec::as_slice));
        hex(&almoner::digest::hmac_sha3_parts(&site.secret(secret), &all))
    };
    let (was, left) = (commits(&commons.path("before")), commits(&commons.path("after")));
    assert_eq!(was.len(), left.len());
    let (mut erased, mut kept) = (0, 0);
    for ((sequence, commit), (_, today)) in was.iter().zip(&left) {
        let Some(sealed) = sealed(sequence, commit) else { continue };
        let entry = Entry::parse(commit["entry"].as_str().unwrap().as_bytes()).unwrap();
        let own = entry.body()["commitment"].as_str().unwrap();
        assert_eq!(
            made(&sealed, &commit["txn"]),
            own,
            "{sequence}: the searcher's formula is wrong"
        );
        let again = left.iter().any(|(_, other)| made(&sealed, &other["txn"]) == own);
        if *commit == *today {
            assert!(again, "{sequence}: of others something was destroyed");
            kept += 1;
        } else {
            assert!(!again, "{sequence}: what the book commits to can be made again");
            erased += 1;
        }
    }
    assert!(erased >= 8 && kept >= 1, "{erased} commitments to the person, {kept} to others");

    // Again, it changes nothing.
    let size = fs::read(commons.path("site/ledger/checkpoint")).unwrap();
    let again = commons.ok(&[&lived.erase()[..], &["--format", "json"]].concat()).out;
    assert!(again.contains("\"unknown\": 1") && again.contains("\"commit\": null"), "{again}");
    assert_eq!(fs::read(commons.path("site/ledger/checkpoint")).unwrap(), size, "the book grew");
}

#[test]
fn at_a_site_that_is_not_sealed_the_segments_of_an_erased_person_are_deleted() {
    let lived = lived();
    let commons = lived.copied_in_the_open("open");
    let segments = files(&commons.path("site/lake/diabetes/segments")).len();
    assert!(segments > 0, "there is nothing to delete");
    commons.ok(&lived.erase());
    assert_eq!(
        files(&commons.path("site/lake/diabetes/segments")).len(),
        0,
        "rows are still there"
    );
    is_gone(&commons, lived, "after");
}

#[test]
fn versions_that_are_kept_can_be_read_and_tell_pseudonyms_that_nobody_can_make_again() {
    let lived = lived();
    let commons = lived.copied("kept");
    let told = commons.ok(&[&lived.erase()[..], &["--versions", "keep"]].concat()).out;
    assert!(told.contains("versions kept") && told.contains("diabetes@1"), "{told}");
    commons.ok(&["verify", "--deep"]);
    commons.ok(&["audit", "--no-publish"]);
    commons.ok(&["dataset", "verify"]);
    people::ask(&commons);
    // The rows stay under their pseudonym; nothing else of the person does, and no key makes it again.
    let roster = |text: &&String| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let left = everything(&commons, "after");
    let rest: BTreeSet<String> = lived.own.iter().filter(|text| !roster(text)).cloned().collect();
    assert_eq!(found(&left, &rest), Vec::<String>::new(), "more than rows is kept");
    let made: BTreeSet<String> = pseudonyms(&commons, &lived.person).into_iter().collect();
    assert_eq!(found(&left, &made), Vec::<String>::new(), "the pseudonym can be made again");
}

#[test]
fn a_reason_that_names_the_person_is_refused_and_nothing_is_done() {
    let lived = lived();
    let commons = lived.copied("reason");
    let before = everything(&commons, "before");
    let names =
        lived.own.iter().filter(|text| text.starts_with("person-") || text.contains("Canar"));
    for text in names {
        let said = commons.run(&["erase", &lived.person, "--reason", &format!("for {text}")]);
        assert_eq!(said.code, Some(2), "the book would tell who was erased: {}", said.err);
        assert!(!said.err.contains(text.as_str()), "an error names the person");
    }
    assert!(before == everything(&commons, "after"), "a refused erasure changed something");
}
