//! Attacks on the way of a record, each refused by name, none of which holds up another transfer.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    super::{Answer, Error, Step},
    DAYS, LAKE, NORTH, World, codes, files, lake_id, letters, north_id,
};
use crate::transfer::{LicenceFault, TransferId};

fn two(world: &World, make: impl Fn(&World, &[String]) -> Vec<TransferId>) -> [TransferId; 2] {
    make(world, &[north_id(0), north_id(1)]).try_into().unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap();
}

/// Runs a place and expects these refusals, and that the second transfer took this step.
fn refused(world: &World, place: &str, now: &str, expected: &[&str], other: (TransferId, Step)) {
    let outcome = world.run(place, now);
    assert_eq!(codes(&outcome), expected, "{:?}", outcome.refused);
    let went_on = outcome.steps.iter().any(|done| (done.transfer, done.step) == other);
    assert!(went_on, "an attack on one transfer held up another: {:?}", outcome.steps);
}

#[test]
fn evidence_of_somebody_else_is_refused_as_the_wrong_patient() {
    let world = World::new(2);
    // The receiver's record with the same identifier and name is of somebody else.
    let file = world.path(LAKE).join("in/Patient.ndjson");
    let text = fs::read_to_string(&file).unwrap();
    let changed = text.replacen("\"birthDate\":\"1910-03-01\"", "\"birthDate\":\"1950-07-07\"", 1);
    assert_ne!(changed, text);
    fs::write(&file, changed).unwrap();
    let offered = world.offer(&[north_id(0), north_id(1)], DAYS[1]);
    let [wrong, right] = [offered.steps[0].transfer, offered.steps[1].transfer];
    world.run(LAKE, DAYS[1]);
    let judged = world.run(NORTH, DAYS[1]);
    assert_eq!(codes(&judged), ["wrong-patient"]);
    let ended: Vec<_> = judged.steps.iter().map(|done| (done.transfer, done.step)).collect();
    assert_eq!(ended, [(wrong, Step::Ended)], "a record would go to a stranger");
    world.answer(&right, Answer::Accept, DAYS[1]);
    world.run(NORTH, DAYS[2]);
    world.run(LAKE, DAYS[2]);
    assert!(world.received(&right).exists() && !world.received(&wrong).exists());
}

#[test]
fn evidence_that_says_too_little_is_refused() {
    let world = World::new(1);
    let file = world.path(LAKE).join("in/Patient.ndjson");
    let name = letters(0);
    let little = format!(
        r#"{{"resourceType":"Patient","id":"{}","name":[{{"family":"Ro{name}","given":["Ja{name}"]}}],"gender":"female","birthDate":"1910-03-01"}}"#,
        lake_id(0)
    );
    fs::write(&file, little + "\n").unwrap();
    world.offer(&[north_id(0)], DAYS[1]);
    world.run(LAKE, DAYS[1]);
    assert_eq!(codes(&world.run(NORTH, DAYS[1])), ["score-below"]);
}

#[test]
fn an_offer_for_nobody_or_for_several_is_not_answered_by_guess() {
    let world = World::new(2);
    let file = world.path(LAKE).join("in/Patient.ndjson");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.lines().next().unwrap().to_owned() + "\n").unwrap();
    world.offer(&[north_id(0), north_id(1)], DAYS[1]);
    assert_eq!(codes(&world.run(LAKE, DAYS[1])), ["no-patient"]);
    // They come to this institution later.
    fs::write(&file, text).unwrap();
    let later = world.run(LAKE, DAYS[2]);
    assert_eq!((codes(&later).len(), later.steps.len()), (0, 1), "the offer was thrown away");
}

#[test]
fn a_parcel_of_another_transfer_is_refused() {
    let world = World::new(2);
    let [swapped, own] = two(&world, World::sent);
    let (one, two) = (world.inbox(LAKE, &swapped), world.inbox(LAKE, &own));
    copy(&two.join("parcel.json"), &one.join("parcel.json"));
    refused(&world, LAKE, DAYS[2], &["other-transfer"], (own, Step::Received));
    assert!(!world.received(&swapped).exists());
    // The sender's next delivery puts the right one in its place.
    world.run(NORTH, DAYS[3]);
    assert_eq!(world.run(LAKE, DAYS[3]).steps.len(), 1, "a swap would stop a transfer for ever");
}

#[test]
fn a_part_of_another_parcel_is_refused() {
    let world = World::new(2);
    let [swapped, own] = two(&world, World::sent);
    let (one, two) = (world.inbox(LAKE, &swapped), world.inbox(LAKE, &own));
    copy(&two.join("parts/000000"), &one.join("parts/000000"));
    let outcome = world.run(LAKE, DAYS[2]);
    assert_eq!(outcome.steps.len(), 1);
    assert!(["part", "chunk"].contains(&codes(&outcome)[0]), "{:?}", outcome.refused);
    world.run(NORTH, DAYS[3]);
    assert_eq!(world.run(LAKE, DAYS[3]).steps.len(), 1);
}

#[test]
fn a_replayed_challenge_is_refused() {
    let world = World::new(2);
    let offered = world.offer(&[north_id(0), north_id(1)], DAYS[1]);
    let [replayed, own] = [offered.steps[0].transfer, offered.steps[1].transfer];
    world.run(LAKE, DAYS[1]);
    let (one, two) = (world.inbox(NORTH, &replayed), world.inbox(NORTH, &own));
    copy(&two.join("challenge.json"), &one.join("challenge.json"));
    assert_eq!(codes(&world.run(NORTH, DAYS[1])), ["other-transfer"]);
    let desk = world.path(NORTH).join("exchange/desk");
    assert!(!desk.join(replayed.to_string()).join("challenge.json").exists());
    assert!(desk.join(own.to_string()).join("challenge.json").exists());
}

#[test]
fn a_challenge_of_an_earlier_transfer_of_the_same_patient_is_refused() {
    let world = World::new(1);
    let first = world.challenged(&[north_id(0)])[0];
    world.at(NORTH, DAYS[2], |clerk| clerk.cancel(&first)).unwrap();
    world.run(NORTH, DAYS[2]);
    let second = world.offer(&[north_id(0)], DAYS[2]).steps[0].transfer;
    assert_ne!(first, second, "two transfers of one patient would share an id");
    let old = world.inbox(NORTH, &first).join("challenge.json");
    copy(&old, &world.inbox(NORTH, &second).join("challenge.json"));
    assert_eq!(codes(&world.run(NORTH, DAYS[2])), ["other-transfer"]);
}

#[test]
fn a_replayed_accept_is_refused_at_the_desk_and_at_the_other_side() {
    let world = World::new(2);
    let [replayed, own] = two(&world, World::challenged);
    world.answer(&own, Answer::Accept, DAYS[1]);
    let desk = world.path(NORTH).join("exchange/desk");
    let accept = |id: &TransferId| desk.join(id.to_string()).join("accept.json");
    copy(&accept(&own), &accept(&replayed));
    refused(&world, NORTH, DAYS[2], &["other-transfer"], (own, Step::Sent));
    fs::remove_file(accept(&replayed)).unwrap();
    world.answer(&replayed, Answer::Accept, DAYS[2]);
    world.run(NORTH, DAYS[2]);
    let (one, two) = (world.inbox(LAKE, &replayed), world.inbox(LAKE, &own));
    copy(&two.join("accept.json"), &one.join("accept.json"));
    refused(&world, LAKE, DAYS[2], &["other-transfer"], (own, Step::Received));
}

#[test]
fn a_part_cut_lengthened_repeated_or_reordered_is_refused() {
    let world = World::new(2);
    let [hit, own] = two(&world, World::sent);
    let part = world.inbox(LAKE, &hit).join("parts/000000");
    let good = fs::read(&part).unwrap();
    let mut first = Some(own);
    let cut = good[..good.len() - 1].to_vec();
    let long = [good.clone(), vec![0]].concat();
    let twice = [good.clone(), good.clone()].concat();
    let mut turned = good.clone();
    turned.reverse();
    for (what, bytes) in [
        ("cut", cut),
        ("lengthened", long),
        ("repeated", twice),
        ("reordered", turned),
        ("empty", vec![]),
    ] {
        fs::write(&part, bytes).unwrap();
        let outcome = world.run(LAKE, DAYS[2]);
        assert!(["part", "chunk"].contains(&codes(&outcome)[0]), "{what}: {:?}", outcome.refused);
        assert_eq!(outcome.steps.len(), usize::from(first.take().is_some()), "{what}");
        // Put aside, and brought again by the sender.
        assert!(!part.exists(), "{what}: it stands in the way of the right one");
        world.run(NORTH, DAYS[2]);
        assert_eq!(fs::read(&part).unwrap(), good, "{what}: it was not brought again");
    }
    assert_eq!(world.run(LAKE, DAYS[3]).steps.len(), 1);
}

#[test]
fn a_missing_part_is_waited_for() {
    let world = World::new(1);
    let [hit] = <[TransferId; 1]>::try_from(world.sent(&[north_id(0)])).unwrap();
    fs::remove_file(world.inbox(LAKE, &hit).join("parts/000000")).unwrap();
    let outcome = world.run(LAKE, DAYS[2]);
    assert!(outcome.refused.is_empty() && outcome.steps.is_empty(), "a courier is on the way");
}

#[test]
fn a_record_meant_for_another_institution_is_refused() {
    let world = World::new(1);
    let third = World::new(1);
    world.offer(&[north_id(0)], DAYS[1]);
    // Somebody carries the offer to another institution's inbox, which knows the sender.
    let from = world.path(LAKE).join("exchange/inbox").join(NORTH);
    for file in files(&from) {
        let to = third
            .path(LAKE)
            .join("exchange/inbox")
            .join(NORTH)
            .join(file.strip_prefix(&from).unwrap());
        copy(&file, &to);
    }
    let outcome = third.run(LAKE, DAYS[1]);
    assert!(outcome.steps.is_empty());
    // The other world's sender has other keys; with the same keys it is another recipient.
    assert_eq!(codes(&outcome), ["unknown-key"]);
    let desk = third.path(LAKE).join("desk.toml");
    let text = fs::read_to_string(world.path(LAKE).join("desk.toml")).unwrap();
    fs::write(&desk, text.replacen(LAKE, "riverside", 1)).unwrap();
    for file in files(&from) {
        let to = third
            .path(LAKE)
            .join("exchange/inbox")
            .join(NORTH)
            .join(file.strip_prefix(&from).unwrap());
        copy(&file, &to);
    }
    let outcome = third.run(LAKE, DAYS[1]);
    assert!(outcome.steps.is_empty() && codes(&outcome) == ["booked"], "{:?}", outcome.refused);
}

#[test]
fn consent_withdrawn_between_approval_and_sending_sends_nothing() {
    let world = World::new(2);
    let [withdrawn, own] = two(&world, World::approved);
    world.at(NORTH, DAYS[1], |clerk| clerk.accept(None)).unwrap();
    world.consent(&[north_id(0)], "deny", "2026-11-21");
    let outcome = world.run(NORTH, DAYS[2]);
    assert_eq!(codes(&outcome), ["consent-withdrawn"]);
    let mut steps: Vec<_> = outcome.steps.iter().map(|done| (done.transfer, done.step)).collect();
    steps.sort();
    let mut expected = vec![(withdrawn, Step::Ended), (own, Step::Sent)];
    expected.sort();
    assert_eq!(steps, expected);
    world.run(LAKE, DAYS[2]);
    assert!(!world.received(&withdrawn).exists() && world.received(&own).exists());
}

#[test]
fn a_licence_that_does_not_stand_stops_each_step_until_it_does() {
    let mut world = World::new(1);
    let offered = world.offer(&[north_id(0)], DAYS[1]);
    world.licences.insert(NORTH, LicenceFault::Suspended);
    assert_eq!(codes(&world.run(LAKE, DAYS[1])), ["licence"], "a suspended sender is answered");
    world.licences.clear();
    world.run(LAKE, DAYS[1]);
    world.licences.insert(LAKE, LicenceFault::Revoked);
    assert_eq!(codes(&world.run(NORTH, DAYS[1])), ["licence"], "a revoked receiver is believed");
    world.licences.clear();
    world.run(NORTH, DAYS[1]);
    world.answer(&offered.steps[0].transfer, Answer::Accept, DAYS[1]);
    world.at(NORTH, DAYS[1], |clerk| clerk.accept(None)).unwrap();
    for fault in [LicenceFault::Revoked, LicenceFault::Suspended, LicenceFault::Expired] {
        world.licences.insert(LAKE, fault);
        let outcome = world.run(NORTH, DAYS[2]);
        assert_eq!(codes(&outcome), ["licence"], "a record goes to who has no licence");
        assert!(outcome.steps.is_empty());
    }
    world.licences.clear();
    world.run(NORTH, DAYS[2]);
    world.licences.insert(NORTH, LicenceFault::Revoked);
    assert_eq!(codes(&world.run(LAKE, DAYS[2])), ["licence"]);
    world.licences.clear();
    assert_eq!(world.run(LAKE, DAYS[3]).steps.len(), 1, "reinstated, it goes on");
}

#[test]
fn a_clock_ahead_or_beyond_the_end_is_refused() {
    let world = World::new(2);
    let offered = world.offer(&[north_id(0), north_id(1)], DAYS[2]);
    assert_eq!(offered.steps.len(), 2);
    let early = world.run(LAKE, "2026-11-22T07:50:00Z");
    assert_eq!(codes(&early), ["not-yet", "not-yet"], "an offer from the future was answered");
    let close = world.run(LAKE, "2026-11-22T07:56:00Z");
    assert_eq!(close.steps.len(), 2, "clocks five minutes apart are no attack");
    let late = World::new(1);
    late.offer(&[north_id(0)], DAYS[1]);
    assert_eq!(codes(&late.run(LAKE, "2026-12-05T08:00:00Z")), ["expired"]);
    assert!(matches!(
        late.at(LAKE, DAYS[0], |clerk| clerk.run()),
        Ok(_) | Err(Error::Clock { .. })
    ));
}

/// Flips bytes of a file, one at a time, and expects that each run refuses it and nothing moves on.
fn flip(world: &World, place: &str, now: &str, file: &Path) {
    let good = fs::read(file).unwrap();
    let places: Vec<usize> = (0..6).map(|n| n * (good.len() - 1) / 5).collect();
    for (turn, at) in places.into_iter().enumerate() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (turn % 7);
        fs::write(file, &bad).unwrap();
        let outcome = world.run(place, now);
        let moved: Vec<_> = outcome.steps.iter().map(|done| done.step).collect();
        assert!(moved.is_empty(), "{}: byte {at} is not covered: {moved:?}", file.display());
        assert_eq!(
            outcome.refused.len(),
            1,
            "{}: byte {at}: {:?}",
            file.display(),
            outcome.refused
        );
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, &good).unwrap();
        // What was put aside with it.
        restore(world, place);
    }
}

/// Brings back what was put aside, as the partner's next delivery would.
fn restore(world: &World, place: &str) {
    let exchange = world.path(place).join("exchange");
    for file in files(&exchange.join("aside")) {
        let rest = file.strip_prefix(exchange.join("aside")).unwrap();
        let name = rest.file_name().unwrap().to_str().unwrap();
        let (_, name) = name.split_once('-').unwrap();
        let to: PathBuf = exchange.join("inbox").join(rest.parent().unwrap()).join(name);
        if !to.exists() {
            copy(&file, &to);
        }
        fs::remove_file(&file).unwrap();
    }
}

#[test]
fn a_byte_flipped_in_any_file_of_the_exchange_is_refused() {
    let world = World::new(1);
    let id = world.offer(&[north_id(0)], DAYS[1]).steps[0].transfer;
    let lake = |name: &str| world.inbox(LAKE, &id).join(name);
    let north = |name: &str| world.inbox(NORTH, &id).join(name);
    flip(&world, LAKE, DAYS[1], &lake("offer.json"));
    assert_eq!(world.run(LAKE, DAYS[1]).steps.len(), 1);
    flip(&world, NORTH, DAYS[1], &north("challenge.json"));
    world.run(NORTH, DAYS[1]);

    let desk = world.path(NORTH).join("exchange/desk").join(id.to_string());
    // What the patient is shown, changed: what they sign then is an approval of something else.
    for name in ["offer.json", "challenge.json"] {
        let good = fs::read_to_string(desk.join(name)).unwrap();
        let member = if name == "offer.json" { "\"purpose\":\"TREAT\"" } else { "\"nonce\":\"" };
        let lie = if name == "offer.json" { "\"purpose\":\"TREET\"" } else { "\"nonce\":\"00" };
        let mut bad = good.replacen(member, lie, 1);
        if name == "challenge.json" {
            let at = bad.find(lie).unwrap() + lie.len();
            bad.replace_range(at..at + 2, "");
        }
        assert_ne!(bad, good);
        fs::write(desk.join(name), &bad).unwrap();
        let hand = crate::transfer::KeyFile::open(&world.key()).unwrap();
        let asked = super::super::Asked::read(&desk);
        let signed = asked.and_then(|a| a.answer(Answer::Accept, &hand, super::at(DAYS[1])));
        if signed.is_ok() {
            let outcome = world.run(NORTH, DAYS[1]);
            let found = codes(&outcome);
            assert!(found.iter().all(|c| ["other-offer", "differs"].contains(c)), "{found:?}");
            assert!(outcome.steps.is_empty() && !found.is_empty(), "{name}: a lie was approved");
            fs::remove_file(desk.join("accept.json")).unwrap();
        }
        fs::write(desk.join(name), &good).unwrap();
    }
    world.answer(&id, Answer::Accept, DAYS[1]);
    flip(&world, NORTH, DAYS[2], &desk.join("accept.json"));
    assert_eq!(world.run(NORTH, DAYS[2]).steps.len(), 2);

    for name in ["accept.json", "parcel.json", "parts/000000"] {
        flip(&world, LAKE, DAYS[2], &lake(name));
    }
    assert_eq!(world.run(LAKE, DAYS[2]).steps.len(), 1);
    flip(&world, NORTH, DAYS[3], &north("receipt.json"));
    assert_eq!(world.run(NORTH, DAYS[3]).steps.len(), 1);
}

#[test]
fn a_byte_flipped_in_the_word_that_it_is_over_is_refused() {
    let world = World::new(1);
    let id = world.challenged(&[north_id(0)])[0];
    world.at(NORTH, DAYS[1], |clerk| clerk.cancel(&id)).unwrap();
    world.run(NORTH, DAYS[1]);
    flip(&world, LAKE, DAYS[1], &world.inbox(LAKE, &id).join("ended.json"));
    assert_eq!(world.run(LAKE, DAYS[1]).steps.len(), 1);
}

#[test]
fn files_that_belong_nowhere_are_named_and_left() {
    let world = World::new(1);
    let id = world.challenged(&[north_id(0)])[0];
    let inbox = world.path(NORTH).join("exchange/inbox");
    for path in ["stranger/x/offer.json", "lake-county/not-an-id/offer.json"] {
        fs::create_dir_all(inbox.join(path).parent().unwrap()).unwrap();
        fs::write(inbox.join(path), "{}").unwrap();
    }
    fs::write(world.inbox(NORTH, &id).join("notes.txt"), "x").unwrap();
    let outcome = world.run(NORTH, DAYS[1]);
    let mut found = codes(&outcome);
    found.sort_unstable();
    assert_eq!(found, ["unknown-name", "unknown-name", "unknown-partner"]);
    world
        .at(NORTH, DAYS[1], |clerk| {
            assert_eq!(clerk.status(false)?.refused.len(), 3, "status forgets what was refused");
            Ok(())
        })
        .unwrap();
}
