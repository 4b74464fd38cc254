//! A whole small site by the command alone, on every store: made, filled, asked, left by somebody,
//! settled, audited, somebody erased, a key renewed. What the book says afterwards does not depend on
//! the store.

use std::fs;

use almoner::{
    ledger::{Entry, Kind},
    store::{Sequence, Store},
};
use serde_json::Value;

use super::{
    commons::{Commons, files},
    elsewhere, people,
};

/// How many people there are.
const PEOPLE: u64 = 60;

/// Lives the life of a site from the first question to the audit; `people::prepare` came before.
fn live(commons: &Commons) {
    let inputs = files(&commons.path("input"));
    let ingest = people::ingest(commons);
    let ingest: Vec<&str> = ingest.iter().map(String::as_str).collect();
    commons.ok(&ingest);
    if commons.path("pass").exists() {
        people::ask_again(commons);
    } else {
        people::ask(commons);
    }
    let input = fs::read_to_string(commons.path("input/north-shore/consents.csv")).unwrap();
    let contributor = input.lines().nth(1).unwrap().split(',').next().unwrap();
    commons.ok(&["consent", "withdraw", &format!("north-shore/{contributor}")]);
    commons.ok(&ingest);
    let later = ["--now", "2027-01-02T00:00:00Z"];
    commons.ok(&[&later[..], &["settle", "diabetes-2026", "--period", "2026-Q4"]].concat());
    commons.ok(&[&later[..], &["audit"]].concat());
    commons.ok(&[&later[..], &["verify", "--deep"]].concat());
    let doctor = commons.ok(&["doctor", "--rounds", "2", "--writers", "8", "--format", "json"]);
    let doctor: Value = serde_json::from_str(&doctor.out).unwrap();
    assert_eq!(doctor["healthy"], true, "{doctor}");
    assert_eq!(files(&commons.path("input")), inputs, "a life made or lost a file of its input");
}

/// Erases a person and renews the vault's key: both rest on a listing of all that there is, which the store
/// must give.
fn forget(commons: &Commons) {
    let input = fs::read_to_string(commons.path("input/north-shore/consents.csv")).unwrap();
    let local = input.lines().nth(2).unwrap().split(',').next().unwrap();
    let later = ["--now", "2027-01-03T00:00:00Z"];
    let person = format!("north-shore/{local}");
    let erase = ["erase", &person, "--reason", "request under Art. 17 GDPR"];
    commons.ok(&[&later[..], &erase].concat());
    commons.ok(&[&later[..], &["keys", "rotate", "vault"]].concat());
    commons.ok(&[&later[..], &["audit"]].concat());
    commons.ok(&[&later[..], &["verify", "--deep"]].concat());
    let open = commons.path("open");
    if open.exists() {
        fs::remove_dir_all(&open).unwrap();
    }
    commons.ok(&["keys", "copy", open.to_str().unwrap()]);
    for file in files(&open) {
        assert!(!file.to_str().unwrap().contains("/listing/"), "a listing left its mark");
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let is_there = text.match_indices(local).any(|(at, _)| {
            let next = text[at + local.len()..].chars().next();
            !next.is_some_and(|next| next.is_ascii_alphanumeric())
        });
        assert!(!is_there, "{} names who was erased", file.display());
    }
}

/// Returns the entries of the book, in order. Each question draws a random id, so its researcher's token and
/// the settlement that names it are new in every life: of these two kinds the name alone is compared.
fn book(address: &str) -> Vec<String> {
    let ledger = Store::open(address).unwrap().zone("ledger");
    let mut entries = Vec::new();
    for (_, bytes) in Sequence::new(&ledger, "commits").all().unwrap() {
        let commit: Value = serde_json::from_slice(&bytes).unwrap();
        for text in commit["entries"].as_array().unwrap() {
            let entry = Entry::parse(text.as_str().unwrap().as_bytes()).unwrap();
            let kind = entry.kind().unwrap();
            let is_drawn = matches!(kind, Kind::QueryExecuted | Kind::PayoutComputed);
            entries.push(if is_drawn { kind.to_string() } else { entry.text().to_owned() });
        }
    }
    entries
}

/// Copies every object of a store to another.
fn carry(from: &str, to: &str) {
    let (from, to) = (Store::open(from).unwrap(), Store::open(to).unwrap());
    for object in from.list("").unwrap() {
        to.put(&object.path, from.get(&object.path).unwrap()).unwrap();
    }
}

#[test]
fn a_site_lives_the_same_life_on_every_store() {
    let addresses = elsewhere();
    if addresses.is_empty() {
        println!("skipped: no store runs elsewhere; tests/stores/run.sh starts some");
        return;
    }
    let here = Commons::new("stores/here");
    people::prepare(&here, PEOPLE);
    let bare = here.path("bare").display().to_string();
    carry(&here.site(), &bare);
    live(&here);
    for (at, address) in addresses.iter().enumerate() {
        // A site that began in a folder goes on in the store, with the same keys.
        let mut there = here.clone();
        let moved = format!("{address}/moved-{}", std::process::id());
        carry(&bare, &moved);
        there.elsewhere = Some(moved.clone());
        live(&there);
        assert!(book(&moved) == book(&here.site()), "{address} wrote another book than a folder");

        // And one that began there does too, with its own; these may be renewed.
        let mut there = Commons::new(&format!("stores/there-{at}"));
        there.elsewhere = Some(format!("{address}/whole-{}", std::process::id()));
        people::prepare(&there, PEOPLE);
        live(&there);
        forget(&there);
        println!("{address}: {} entries", book(&moved).len());
    }
}
