//! A site whose keys take each other's place, are stolen, and are looked for by those who read.

use std::collections::BTreeSet;

use super::*;
use crate::{
    ledger::{LogProof, Schema, log, trust::PERIOD_ENTRIES, verify_all},
    pipeline::{
        audit::audit,
        book,
        fund::{
            self, fund, open as open_pool,
            tests::{gift, site as open_site, terms},
        },
    },
    store::stop,
};

const DAY: &str = "2026-10-01";

/// A site with an open pool, and the file of its recovery key.
fn begun(folder: &tempfile::TempDir) -> (Site, PathBuf) {
    let mut site = open_site(folder, DAY);
    let _done = open_pool(&site, terms()).unwrap();
    let file = folder.path().join("recovery.seed");
    let changed = recovery(&mut site, &file, None, "offline").unwrap();
    assert!(changed.entry.is_some() && !changed.known);
    (site, file)
}

fn faults(site: &Site) -> Vec<String> {
    let audited = audit(site, None, &crate::pipeline::Silent).unwrap();
    audited.findings().iter().map(|f| format!("{}: {}", f.object, f.fault)).collect()
}

fn is_whole(site: &Site) {
    let seen = book::verify(site).unwrap();
    assert_eq!(seen.findings, [], "the book is not whole");
    assert_eq!(faults(site), [""; 0], "the audit is not clean");
}

/// Entries that only the book knows, to let a period pass.
fn pass(site: &Site, entries: u64) {
    for commit in 0..entries {
        let mut body = Schema::of(Kind::ConsentBatch).sample();
        body.insert("commit".to_owned(), commit.into());
        site.record(&site.entry(Kind::ConsentBatch, &[], &[], &body).unwrap()).unwrap();
    }
}

fn key(site: &Site, role: Role) -> String {
    site.trust().key(role).unwrap().key_id()
}

#[test]
fn keys_take_each_others_place_and_what_was_said_before_still_holds() {
    let folder = tempfile::tempdir().unwrap();
    let (mut site, _) = begun(&folder);
    let (first, id) = (site.log_verifier().clone(), book::show(&site, 1).unwrap()[0].id);
    let before = book::prove_entry(&site, "1").unwrap().text().unwrap();
    let pass_before = {
        let origin = &site.about().origin;
        LogProof::parse(&before).unwrap().verify(&id, origin, std::slice::from_ref(&first))
    };
    assert!(pass_before.is_ok());
    let (log, steward) = (key(&site, Role::Log), key(&site, Role::Steward));
    rotate(&mut site, Role::Steward, "a year is over", None).unwrap();
    let _done = fund(&site, gift(100, "by the new steward")).unwrap();
    rotate(&mut site, Role::Log, "a year is over", None).unwrap();
    let _done = fund(&site, gift(100, "under the new log key")).unwrap();
    assert_ne!((key(&site, Role::Log), key(&site, Role::Steward)), (log.clone(), steward));
    is_whole(&site);
    drop(site);
    let mut site = open_site(&folder, DAY);
    let again = rotate(&mut site, Role::Log, "a year is over", Some(&log)).unwrap();
    assert!(again.known, "a command that is given twice would rotate twice");
    is_whole(&site);
    let after = book::prove_entry(&site, "1").unwrap();
    let known = [vec![first.clone()], site.log_verifiers()];
    for known in known {
        let shown = after.verify(&known).unwrap();
        assert_eq!(shown.opened.vouched.len(), known.len(), "one of both keys did not sign");
    }
    let lines = list(&site);
    let states: Vec<_> = lines.iter().map(|line| (line.role, line.state)).collect();
    assert_eq!(
        states,
        [
            ("log", "rotated"),
            ("steward", "rotated"),
            ("recovery", "in force"),
            ("steward", "in force"),
            ("log", "in force"),
        ]
    );
}

#[test]
fn after_the_period_the_new_key_signs_alone_and_the_old_seed_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (mut site, _) = begun(&folder);
    let old = site.log_verifier().clone();
    rotate(&mut site, Role::Log, "by schedule", None).unwrap();
    pass(&site, PERIOD_ENTRIES);
    let (zone, origin) = (site.ledger(), site.about().origin.clone());
    let known = std::slice::from_ref(&old);
    let reader = Reader::open(&zone, &origin, known).unwrap();
    assert_eq!(reader.size(), site.book_size().unwrap(), "who knows the old key does not follow");
    let new = site.keys().log().verifier().clone();
    assert_eq!(reader.vouched().iter().map(|v| &v.by).collect::<Vec<_>>(), [&new]);
    assert_eq!(verify_all(&zone, &origin, known).unwrap().findings, []);
    let gone = rotate(&mut site, Role::Steward, "by schedule", None).unwrap().forgotten;
    assert_eq!(gone, [old.key_id()], "a seed that is of use to thieves alone would stay");
    drop(site);
    let site = open_site(&folder, DAY);
    pass(&site, 1);
    assert_eq!(book::verify(&site).unwrap().findings, []);
}

#[test]
fn a_rotation_that_is_killed_at_any_write_is_whole_when_the_site_is_opened_again() {
    for role in [Role::Log, Role::Steward] {
        let mut writes = 0;
        loop {
            let folder = tempfile::tempdir().unwrap();
            let (mut site, _) = begun(&folder);
            let before = key(&site, role);
            stop::after(writes);
            let done = rotate(&mut site, role, "by schedule", Some(&before));
            stop::never();
            drop(site);
            let mut site = open_site(&folder, DAY);
            rotate(&mut site, role, "by schedule", Some(&before)).unwrap();
            let held = site.trust().all(role);
            assert_eq!(
                held.len(),
                2,
                "{role}: one command, after {writes} writes, is one rotation"
            );
            let _done = fund(&site, gift(100, "after")).unwrap();
            is_whole(&site);
            if done.is_ok() {
                break;
            }
            writes += 1;
        }
        assert!(writes > 4, "{role}: nothing was stopped");
    }
}

#[test]
fn a_writer_who_opened_the_site_before_a_rotation_is_in_conflict_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut site, _) = begun(&folder);
    let stale = open_site(&folder, DAY);
    rotate(&mut site, Role::Steward, "by schedule", None).unwrap();
    let late = fund(&stale, gift(100, "late"));
    assert!(
        matches!(late, Err(fund::Error::Site(site::Error::Log(log::Error::KeysChanged)))),
        "a key that is no longer in force would go on signing"
    );
    drop((site, stale));
    let site = open_site(&folder, DAY);
    is_whole(&site);
    assert!(!fund(&site, gift(100, "late")).unwrap().new, "its act was lost");
}

#[test]
fn what_a_revoked_steward_signs_afterwards_is_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let (mut site, file) = begun(&folder);
    let stolen = open_site(&folder, DAY);
    let key = key(&site, Role::Steward);
    let missing = revoke(&mut site, &key, &folder.path().join("none"), "stolen", None);
    assert!(matches!(missing, Err(Error::Seed(_))));
    let other = folder.path().join("other.seed");
    seed::create(&other).unwrap();
    let strange = revoke(&mut site, &key, &other, "stolen", None);
    assert!(matches!(strange, Err(Error::OtherRecovery(_))), "anybody could revoke");
    let changed = revoke(&mut site, &key, &file, "stolen", None).unwrap();
    assert_eq!(changed.old.as_deref(), Some(&*stolen.steward_verifier().vkey()));
    assert!(revoke(&mut site, &key, &file, "stolen", None).unwrap().known);
    assert_eq!(site.stewards(), [site.steward_verifier().clone()], "a thief's passes would pass");
    is_whole(&site);
    let forged =
        stolen.entry(Kind::ConsentBatch, &[], &[], &Schema::of(Kind::ConsentBatch).sample());
    site.record(&forged.unwrap()).unwrap();
    let found = faults(&site);
    assert!(
        found.iter().any(|fault| fault.contains("signed by a key that was revoked before it")),
        "{found:?}"
    );
}

#[test]
fn a_listing_without_the_newest_change_lets_nobody_sign_as_the_old_steward() {
    let folder = tempfile::tempdir().unwrap();
    let (mut site, _) = begun(&folder);
    let _done = rotate(&mut site, Role::Steward, "by schedule", None).unwrap();
    // After an entry more the change is not in the newest commit of the log.
    pass(&site, 1);
    let (ledger, now) = (site.ledger(), site.now());
    let newest = ledger.list("keys").unwrap().pop().unwrap().path;
    let kept = ledger.get(&newest).unwrap();
    ledger.delete(&newest).unwrap();
    drop(site);
    let (place, keys) = (folder.path().join("site"), folder.path().join("keys"));
    let opened = || Site::open(place.to_str().unwrap(), &keys, now);
    let stale = opened().map(drop);
    assert!(matches!(stale, Err(site::Error::Log(log::Error::KeysChanged))), "{stale:?}");
    ledger.put(&newest, kept).unwrap();
    let site = opened().unwrap();
    assert_eq!(book::verify(&site).unwrap().findings, [], "the book is not whole");
}

#[test]
fn a_log_whose_key_is_revoked_ends_and_another_names_where_it_was_good() {
    let folder = tempfile::tempdir().unwrap();
    let (mut site, file) = begun(&folder);
    let address = folder.path().join("site/ledger");
    let address = address.to_str().unwrap();
    assert!(matches!(last_good(address), Err(Error::NotEnded(_))));
    let key = key(&site, Role::Log);
    let beyond = revoke(&mut site, &key, &file, "broken into", Some(99));
    assert!(matches!(beyond, Err(Error::NoCheckpoint(99))));
    revoke(&mut site, &key, &file, "broken into", Some(2)).unwrap();
    is_whole(&site);
    let late = fund(&site, gift(100, "late"));
    assert!(matches!(late, Err(fund::Error::Site(site::Error::Log(log::Error::Ended(4))))));
    let again = rotate(&mut site, Role::Log, "too late", None);
    assert!(matches!(again, Err(Error::Ended(4))));
    let head = last_good(address).unwrap();
    assert_eq!((head.size, &head.origin), (2, &site.about().origin));
    let (next, keys) = (folder.path().join("next"), folder.path().join("next.keys"));
    let next =
        Site::init_after(next.to_str().unwrap(), &keys, "next.example/l", site.now(), Some(&head));
    let genesis = book::show(&next.unwrap(), 0).unwrap();
    assert_eq!(genesis[0].body["continues"], head.value());
}

#[test]
fn a_change_of_keys_that_is_hidden_moved_or_made_up_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (mut site, _) = begun(&folder);
    rotate(&mut site, Role::Log, "by schedule", None).unwrap();
    let zone = site.ledger();
    let objects: Vec<String> =
        zone.list("keys").unwrap().into_iter().map(|listed| listed.path).collect();
    assert_eq!(objects.len(), 2, "a recovery key and a rotation");
    let found = |what: &str| {
        let objects: BTreeSet<String> =
            book::verify(&site).unwrap().findings.into_iter().map(|f| f.object).collect();
        assert!(!objects.is_empty(), "{what}");
        objects
    };
    for object in &objects {
        let bytes = zone.get(object).unwrap();
        zone.delete(object).unwrap();
        assert!(found("a change is hidden").contains(object));
        zone.put(object, zone.get(&objects[0]).unwrap_or_default()).unwrap();
        assert!(found("a change is written over").contains(object));
        zone.put(object, bytes.clone()).unwrap();
        zone.put("keys/000000000000.json", bytes.clone()).unwrap();
        assert!(found("a change is made up").contains("keys/000000000000.json"));
        zone.delete("keys/000000000000.json").unwrap();
    }
    is_whole(&site);
}
