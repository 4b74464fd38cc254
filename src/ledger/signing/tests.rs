//! A log whose key changes: what it signs with, and who goes on reading it.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    ledger::{
        Entry, Kind, Reader, Schema,
        log::{Error, Log},
        trust::{
            PERIOD_ENTRIES, Role,
            tests::{ORIGIN, genesis, key, log, recovery, revoked, rotated, signed, steward},
        },
        verify_all, verify_book,
    },
    signed_note::{Signer, Verifier},
    store::{Store, stop},
};

fn next() -> Signer {
    key(Role::Log, 5)
}

fn rotation() -> Entry {
    rotated(Role::Log, Some(&log()), &next(), &[&log(), &next()])
}

fn open(zone: &Store) -> Log {
    Log::open_with(zone.clone(), ORIGIN, vec![log(), next()]).unwrap()
}

/// A log of a genesis, in a folder.
fn begun(folder: &tempfile::TempDir) -> Store {
    let zone = Store::open(folder.path().to_str().unwrap()).unwrap();
    let log = Log::create(zone.clone(), ORIGIN, log()).unwrap();
    assert_eq!(log.append(&[genesis()]).unwrap(), [0]);
    zone
}

/// Entry `number` of many that are all alike.
fn entry(number: u64) -> Entry {
    let mut body = Schema::of(Kind::ConsentBatch).sample();
    body.insert("commit".to_owned(), number.into());
    signed(Kind::ConsentBatch, &body, &[&steward()])
}

fn first() -> [Verifier; 1] {
    [log().verifier().clone()]
}

fn faults(zone: &Store) -> Vec<String> {
    let seen = verify_book(zone, ORIGIN, &first()).unwrap();
    seen.findings.into_iter().map(|f| format!("{}: {}", f.object, f.reason)).collect()
}

fn contents(zone: &Store) -> BTreeMap<String, Bytes> {
    let paths = zone.list("").unwrap().into_iter().map(|listed| listed.path);
    paths.map(|path| (path.clone(), zone.get(&path).unwrap())).collect()
}

/// Who signed the checkpoint of `size`, as one who knows the first key alone finds.
fn by(zone: &Store, size: u64) -> Vec<Verifier> {
    let reader = Reader::open_size(zone, ORIGIN, &first(), size).unwrap();
    reader.vouched().iter().map(|vouched| vouched.by.clone()).collect()
}

#[test]
fn both_keys_sign_for_a_period_and_who_knows_the_first_follows_to_the_second() {
    let folder = tempfile::tempdir().unwrap();
    let zone = begun(&folder);
    let log_of_both = open(&zone);
    log_of_both.append(&[rotation()]).unwrap();
    for number in 0..=PERIOD_ENTRIES {
        log_of_both.append(&[entry(number)]).unwrap();
    }
    let size = log_of_both.size().unwrap();
    assert_eq!(by(&zone, 1), first());
    let text = |size: u64| {
        String::from_utf8(zone.get(&format!("checkpoints/{size}")).unwrap().to_vec()).unwrap()
    };
    for at in [2, 1 + PERIOD_ENTRIES] {
        assert_eq!(text(at).matches('\u{2014}').count(), 2, "both keys sign at {at}");
    }
    assert_eq!(by(&zone, size), [next().verifier().clone()], "the second signs alone");
    assert_eq!(faults(&zone), [""; 0]);
    drop(log_of_both);
    let alone = Log::open_with(zone.clone(), ORIGIN, vec![log()]);
    assert!(matches!(alone, Err(Error::NoSeed(_))), "a log without its seed would sign nothing");
    let second = Log::open_with(zone.clone(), ORIGIN, vec![next()]).unwrap();
    second.append(&[entry(999)]).unwrap();
    assert_eq!(faults(&zone), [""; 0]);
    // A thief who finds the first seed later signs another root at a size that is past.
    let reader = Reader::open_size(&zone, ORIGIN, &first(), size).unwrap();
    let forged = reader.checkpoint().sign(&log()).unwrap();
    zone.put(&format!("checkpoints/{size}"), forged.into()).unwrap();
    assert!(
        faults(&zone).iter().any(|fault| fault.contains("which stood at its size")),
        "an old key could sign for ever"
    );
}

#[test]
fn a_rotation_stopped_at_any_write_is_made_whole() {
    for writes in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let zone = begun(&folder);
        let log = open(&zone);
        stop::after(writes);
        let done = log.append(&[rotation()]);
        stop::never();
        drop(log);
        let log = open(&zone);
        assert_eq!(log.append(&[rotation()]).unwrap(), [1], "after {writes} writes");
        assert_eq!(log.append(&[entry(1)]).unwrap(), [2]);
        assert_eq!(log.trust().unwrap().key(Role::Log), Some(next().verifier()));
        assert_eq!(faults(&zone), [""; 0], "after {writes} writes");
        if done.is_ok() {
            assert!(writes > 4, "nothing was stopped");
            break;
        }
    }
}

#[test]
fn a_writer_who_knows_the_old_keys_alone_learns_of_the_new_ones_before_it_writes() {
    let folder = tempfile::tempdir().unwrap();
    let zone = begun(&folder);
    let (one, other) = (open(&zone), open(&zone));
    one.append(&[rotation()]).unwrap();
    assert!(matches!(other.append(&[entry(1)]), Err(Error::KeysChanged)));
    assert_eq!(one.size().unwrap(), 2, "it wrote all the same");
    other.append(&[entry(1)]).unwrap();
    assert_eq!(faults(&zone), [""; 0]);
}

#[test]
fn a_listing_without_the_newest_key_lets_nobody_sign_with_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let zone = begun(&folder);
    open(&zone).append(&[rotation()]).unwrap();
    open(&zone).append(&[entry(1)]).unwrap();
    let (path, kept) = ("keys/000000000001.json", zone.get("keys/000000000001.json").unwrap());
    zone.delete(path).unwrap();
    let stale = Log::open_with(zone.clone(), ORIGIN, vec![log(), next()]);
    assert!(matches!(stale, Err(Error::KeysChanged)), "it would go on with a key that gave way");
    zone.put(path, kept).unwrap();
    open(&zone).append(&[entry(2)]).unwrap();
    assert_eq!(faults(&zone), [""; 0]);
}

#[test]
fn a_change_that_its_keys_did_not_sign_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let zone = begun(&folder);
    let log_of_both = open(&zone);
    let before = contents(&zone);
    let forged = rotated(Role::Log, Some(&log()), &next(), &[&steward(), &next()]);
    assert!(matches!(log_of_both.append(&[forged]), Err(Error::Keys(_))));
    assert_eq!(contents(&zone), before, "a change of keys was committed that nobody would take");
}

#[test]
fn after_its_end_a_log_takes_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let zone = begun(&folder);
    let log_of_both = open(&zone);
    let offline = rotated(Role::Recovery, None, &recovery(), &[&steward(), &recovery()]);
    let end = revoked(Role::Log, &log(), None, &[&recovery(), &steward()]);
    log_of_both.append(&[offline]).unwrap();
    log_of_both.append(&[end]).unwrap();
    let before = contents(&zone);
    assert!(matches!(log_of_both.append(&[entry(1)]), Err(Error::Ended(3))));
    assert!(matches!(open(&zone).append(&[entry(1)]), Err(Error::Ended(3))));
    assert_eq!(contents(&zone), before);
    assert_eq!(verify_all(&zone, ORIGIN, &first()).unwrap().findings, []);
}

#[test]
fn an_entry_that_does_not_fit_its_schema_or_its_signer_is_found_and_an_unknown_kind_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let zone = begun(&folder);
    let log_of_both = open(&zone);
    let thief = signed(
        Kind::ConsentBatch,
        &Schema::of(Kind::ConsentBatch).sample(),
        &[&key(Role::Steward, 9)],
    );
    log_of_both.append(&[entry(1), thief]).unwrap();
    assert_eq!(faults(&zone), ["entry 2: the steward's signature does not hold"]);
    let seen = verify_book(&zone, ORIGIN, &first()).unwrap();
    assert_eq!((seen.entries, seen.unknown), (3, 0));
}
