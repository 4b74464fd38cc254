//! What an audit makes of transfers: nothing where the acts made them, and a finding for every step that
//! was forged, left out or moved, whatever was dressed up around it.

use std::fs;

use serde_json::Value;

use super::{
    super::{Act, Answer, COMMITS, Commit},
    DAYS, LAKE, NORTH, World, at, files, north_id,
};
use crate::{
    digest::{Sha3Digest, canonical_digest},
    payee::Object,
    pipeline::{Silent, audit},
    store::Sequence,
    transfer::batch_root,
};

/// Two records that went over, and one each that was declined, revoked, cancelled and expired.
fn lived() -> World {
    let world = World::new(6);
    let who: Vec<String> = (0..6).map(north_id).collect();
    let transfers = world.challenged(&who);
    let [one, two, declined, revoked, cancelled, _expired] = transfers[..] else { panic!() };
    world.answer(&one, Answer::Accept, DAYS[1]);
    world.answer(&two, Answer::Accept, DAYS[1]);
    world.answer(&declined, Answer::Decline, DAYS[1]);
    world.answer(&revoked, Answer::Accept, DAYS[1]);
    world.at(NORTH, DAYS[1], |clerk| clerk.accept(None)).unwrap();
    world.answer(&revoked, Answer::Revoke, DAYS[2]);
    world.at(LAKE, DAYS[2], |clerk| clerk.cancel(&cancelled)).unwrap();
    for day in [DAYS[2], DAYS[3], "2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z"] {
        world.run(NORTH, day);
        world.run(LAKE, day);
    }
    assert!(world.received(&two).exists(), "the story is another one");
    world
}

/// Opens a place for reading alone: nothing that was tampered with is mended.
#[track_caller]
fn findings(world: &World, place: &str) -> Vec<String> {
    beside(world, place, &[])
}

#[track_caller]
fn beside(world: &World, place: &str, ledgers: &[String]) -> Vec<String> {
    let address = world.path(place).join("site");
    let files = audit::Files::open(address.to_str().unwrap(), &world.path(place).join("keys"));
    let files = files.unwrap().beside(ledgers).unwrap();
    let audited = files.audit(at("2027-01-03T00:00:00Z"), None, &Silent).unwrap();
    let said = |f: &audit::Finding| format!("{} {} {}", f.check, f.object, f.fault);
    audited.findings().iter().map(said).collect()
}

/// Returns the number and the body of a commit of a place by its step and the kind of its first file.
fn commit(world: &World, place: &str, step: &str, file: &str) -> (u64, Commit) {
    let vault = world.site(place, "2027-01-03T00:00:00Z").vault();
    let all = Sequence::new(&vault, COMMITS).all().unwrap();
    let found = all.into_iter().find_map(|(number, body)| {
        let commit: Commit = serde_json::from_slice(&body).unwrap();
        let own = match &commit.act {
            Act::Approvers(_) => false,
            Act::Steps(act) => {
                let lines: Vec<Value> = act.steps.read(&vault).unwrap();
                act.step.as_str() == step && lines[0]["file"].get(file).is_some()
            }
        };
        own.then_some((number, commit))
    });
    found.unwrap()
}

/// Changes the lines of a commit, with digests, root, count and names to fit, for the time of an audit.
#[track_caller]
fn dressed(
    world: &World,
    place: &str,
    (step, file): (&str, &str),
    change: impl FnOnce(&mut Vec<Value>),
) -> Vec<String> {
    let (number, mut commit) = commit(world, place, step, file);
    let vault = world.site(place, "2027-01-03T00:00:00Z").vault();
    let Act::Steps(act) = &mut commit.act else { panic!() };
    let mut lines: Vec<Value> = act.steps.read(&vault).unwrap();
    let before = lines.clone();
    change(&mut lines);
    assert_ne!(lines, before, "nothing was changed");
    let digests: Vec<Sha3Digest> = lines
        .iter_mut()
        .map(|line| {
            let file = line["file"].as_object().unwrap().values().next().unwrap();
            let digest = canonical_digest(&file["payload"]).unwrap();
            line["digest"] = digest.to_string().into();
            digest
        })
        .collect();
    let (object, bytes) = Object::write("transfers/steps", &lines).unwrap();
    vault.put(&object.path, bytes).unwrap();
    (act.root, act.count, act.steps) = (batch_root(&digests), object.count, object);
    let path = format!("{COMMITS}/{number:012}.json");
    let good = vault.get(&path).unwrap();
    vault.put(&path, serde_json::to_vec_pretty(&commit).unwrap().into()).unwrap();
    let found = findings(world, place);
    vault.put(&path, good).unwrap();
    found
}

#[test]
fn an_audit_finds_nothing_where_the_acts_made_the_transfers_and_every_changed_byte_of_them() {
    let world = lived();
    for place in [NORTH, LAKE] {
        assert_eq!(findings(&world, place), Vec::<String>::new(), "at {place}");
    }
    for place in [NORTH, LAKE] {
        let site = world.path(place).join("site");
        let all = ["steps", "commits", "approvers"]
            .map(|folder| files(&site.join("vault/transfers").join(folder)));
        // Every key of an approver is an object of its own: two are enough.
        let [steps, commits, approvers] = all;
        let own = steps.into_iter().chain(commits).chain(approvers.into_iter().take(2));
        for file in own {
            let good = fs::read(&file).unwrap();
            let mut bad = good.clone();
            bad[good.len() / 2] ^= 1;
            fs::write(&file, bad).unwrap();
            let name = file.strip_prefix(&site).unwrap().display().to_string();
            let found = findings(&world, place);
            assert!(found.iter().any(|f| f.contains(&name)), "{place}, {name}: {found:?}");
            fs::write(&file, good).unwrap();
        }
        assert_eq!(findings(&world, place), Vec::<String>::new(), "{place} was not put back");
    }
}

#[test]
fn each_kind_of_forgery_is_found_by_its_own_check() {
    let world = lived();
    let payload = |line: &mut Value, file: &str| line["file"][file]["payload"].take();
    let put =
        |line: &mut Value, file: &str, payload: Value| line["file"][file]["payload"] = payload;
    let is_found = |found: &[String], fault: &str| {
        assert!(found.iter().any(|f| f.contains(fault)), "{fault}: {found:?}");
    };
    // An approval of another time, by nobody's hand.
    let found = dressed(&world, NORTH, ("approved", "accept"), |lines| {
        let mut own = payload(&mut lines[0], "accept");
        own["decided"] = "2026-11-21T09:00:00Z".into();
        put(&mut lines[0], "accept", own);
    });
    is_found(&found, "an approval or refusal is not by one who may give it");
    // A parcel that was sealed for another approval.
    let found = dressed(&world, NORTH, ("sent", "parcel"), |lines| {
        let mut own = payload(&mut lines[0], "parcel");
        own["accept"] = own["offer"].clone();
        put(&mut lines[0], "parcel", own);
    });
    is_found(&found, "a file does not name the file that it answers");
    is_found(&found, "a file of this site is not signed by its steward");
    // A receipt for other content.
    let found = dressed(&world, LAKE, ("received", "receipt"), |lines| {
        let mut own = payload(&mut lines[0], "receipt");
        own["files"][0]["resources"] = 7.into();
        put(&mut lines[0], "receipt", own);
    });
    is_found(&found, "a receipt is not for what was offered");
    // A receipt of the partner's that their book does not hold.
    let found = dressed(&world, NORTH, ("received", "receipt"), |lines| {
        lines[0]["file"]["receipt"]["booked"]["index"] = 1.into();
        lines[1]["file"]["receipt"]["booked"]["index"] = 1.into();
    });
    assert!(found.iter().any(|f| f.contains("does not stand in their book")), "{found:?}");
    let found = dressed(&world, NORTH, ("received", "receipt"), |lines| {
        lines[0]["file"]["receipt"].as_object_mut().unwrap().remove("booked").unwrap();
        lines[1]["file"]["receipt"].as_object_mut().unwrap().remove("booked").unwrap();
    });
    is_found(&found, "does not name the partner's entries");
    // Two patients whose records changed places.
    let found = dressed(&world, NORTH, ("sent", "parcel"), |lines| {
        let one = lines[0]["patient"].take();
        lines[0]["patient"] = lines[1]["patient"].take();
        lines[1]["patient"] = one;
    });
    is_found(&found, "a transfer changed its sides or its patient");
    // A step taken twice, and a challenge without its offer.
    let found = dressed(&world, NORTH, ("sent", "parcel"), |lines| lines.push(lines[0].clone()));
    is_found(&found, "took a step twice, out of order, or after its end");
    let found = dressed(&world, LAKE, ("challenged", "challenge"), |lines| {
        lines[0].as_object_mut().unwrap().remove("answers").unwrap();
    });
    is_found(&found, "holds other files than such a step has");
    // A refusal that is kept out.
    let found = dressed(&world, NORTH, ("ended", "ended"), |lines| {
        lines[0]["file"]["ended"]["payload"]["why"] = "expired".into();
    });
    is_found(&found, "a file of this site is not signed by its steward");
}

#[test]
fn a_parcel_without_the_approvals_commit_is_found_although_all_numbers_fit() {
    let world = lived();
    let (approved, _) = commit(&world, NORTH, "approved", "accept");
    let vault = world.site(NORTH, "2027-01-03T00:00:00Z").vault();
    let all: Vec<String> = vault.list(COMMITS).unwrap().into_iter().map(|o| o.path).collect();
    let lost = format!("{COMMITS}/{approved:012}.json");
    let at = all.iter().position(|path| *path == lost).unwrap();
    for pair in all[at..].windows(2) {
        vault.put(&pair[0], vault.get(&pair[1]).unwrap()).unwrap();
    }
    vault.delete(all.last().unwrap()).unwrap();
    let found = findings(&world, NORTH);
    for fault in ["took a step twice, out of order", "no commit of the site stands behind it"] {
        assert!(found.iter().any(|f| f.contains(fault)), "{fault}: {found:?}");
    }
}

#[test]
fn two_books_hold_against_each_other_and_a_lost_entry_of_either_is_found() {
    let world = lived();
    let ledger = |place: &str| world.path(place).join("site/ledger").display().to_string();
    for (place, other) in [(NORTH, LAKE), (LAKE, NORTH)] {
        let found = beside(&world, place, &[ledger(other)]);
        assert_eq!(found, Vec::<String>::new(), "{place} beside {other}");
    }
    // A partner whose ledger is a new one has none of the entries that were named.
    let fresh = World::new(1);
    let other = fresh.path(LAKE).join("site/ledger").display().to_string();
    let found = beside(&world, NORTH, &[other]);
    for fault in ["not in the partner's ledger", "not signed by their steward"] {
        assert!(found.iter().any(|f| f.contains(fault)), "{fault}: {found:?}");
    }
    // This site's own ledger of before: the partner's names entries that it has not.
    let transfers = fresh.challenged(&[north_id(0)]);
    assert_eq!(transfers.len(), 1);
    let found = beside(&fresh, NORTH, &[ledger(LAKE)]);
    let fault = "it names an entry that is not in this site's ledger";
    assert!(found.iter().any(|f| f.contains(fault)), "{found:?}");
}
