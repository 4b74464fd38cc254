//! The whole way of a record, and the ways in which it ends early.

use std::fs;

use super::{
    super::{Answer, Error, Step},
    DAYS, LAKE, NORTH, World, at, codes, files, lake_id, north_id,
};
use crate::{
    ledger::{entry::Kind, tree::leaf_hash},
    store::Sequence,
    transfer::{ApproverSigner as _, KeyFile, TransferId},
};

fn steps(outcome: &super::Outcome) -> Vec<Step> {
    outcome.steps.iter().map(|done| done.step).collect()
}

/// Returns how a transfer stands at a place: its step and the note.
fn standing(world: &World, place: &str, transfer: &TransferId, now: &str) -> (Step, String) {
    let mut found = None;
    world
        .at(place, now, |clerk| {
            let status = clerk.status(false)?;
            let row = status.transfers.into_iter().find(|row| row.transfer == *transfer);
            found = row.map(|row| (row.step, row.note));
            Ok(())
        })
        .unwrap();
    found.unwrap()
}

/// Returns the commits of a place: the entry and the act's step, where it is one.
fn commits(world: &World, place: &str) -> Vec<super::super::Commit> {
    let vault = world.site(place, DAYS[5]).vault();
    let all = Sequence::new(&vault, super::super::COMMITS).all().unwrap();
    all.iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect()
}

#[test]
fn a_record_goes_over_once_the_patient_approves_and_both_books_name_each_other() {
    let world = World::new(3);
    let who = [north_id(1)];
    let offered = world.offer(&who, DAYS[1]);
    assert_eq!((steps(&offered), codes(&offered)), (vec![Step::Offered], vec![]));
    let transfer = offered.steps[0].transfer;
    let again = world.offer(&who, DAYS[1]);
    assert_eq!((again.known, again.steps.len()), (1, 0), "a second offer would stand beside it");

    assert_eq!(steps(&world.run(LAKE, DAYS[1])), [Step::Challenged]);
    assert_eq!(steps(&world.run(NORTH, DAYS[1])), [], "nothing may go before the patient said so");
    assert_eq!(standing(&world, NORTH, &transfer, DAYS[1]).0, Step::Offered);
    world.answer(&transfer, Answer::Accept, DAYS[2]);
    assert_eq!(steps(&world.run(NORTH, DAYS[2])), [Step::Approved, Step::Sent]);
    assert_eq!(steps(&world.run(LAKE, DAYS[2])), [Step::Received]);
    assert_eq!(steps(&world.run(NORTH, DAYS[3])), [Step::Received]);
    for place in [NORTH, LAKE] {
        assert_eq!(standing(&world, place, &transfer, DAYS[3]).0, Step::Received);
        let idle = world.run(place, DAYS[3]);
        assert!(idle.commits.is_empty() && idle.carried == 0, "a finished transfer goes on");
    }

    let folder = world.received(&transfer);
    let sent = fs::read_to_string(world.path(NORTH).join("in/Observation.ndjson")).unwrap();
    let own: String = sent
        .lines()
        .filter(|line| line.contains("Patient/n1\""))
        .map(|l| l.to_owned() + "\n")
        .collect();
    assert_eq!(fs::read_to_string(folder.join("Observation.ndjson")).unwrap(), own);
    let note = fs::read_to_string(folder.join("transfer.json")).unwrap();
    assert!(note.contains(&lake_id(1)), "the receiver would not know whose record it is");

    // Each step's entry names the partner's entries that it answers.
    let entries = |place: &str| -> Vec<(Kind, String, Vec<String>)> {
        let commits = commits(&world, place);
        let entry = |c: &super::super::Commit| {
            let entry = crate::ledger::Entry::parse(c.entry.as_bytes()).unwrap();
            let prev = entry.body()["prev"].as_array().unwrap().iter();
            let prev = prev.map(|p| p.as_str().unwrap().to_owned()).collect();
            (entry.kind().unwrap(), leaf_hash(c.entry.as_bytes()).to_string(), prev)
        };
        commits.iter().map(entry).filter(|(k, ..)| *k != Kind::ApproversRegistered).collect()
    };
    let (north, lake) = (entries(NORTH), entries(LAKE));
    let kinds =
        |all: &[(Kind, String, Vec<String>)]| all.iter().map(|(k, ..)| *k).collect::<Vec<_>>();
    assert_eq!(
        kinds(&north),
        [
            Kind::TransfersOffered,
            Kind::TransfersApproved,
            Kind::TransfersSent,
            Kind::TransfersReceived
        ]
    );
    assert_eq!(kinds(&lake), [Kind::TransfersChallenged, Kind::TransfersReceived]);
    assert_eq!(lake[0].2, [north[0].1.clone()], "the challenge does not name the offer");
    assert_eq!(north[1].2, [lake[0].1.clone()], "the approval does not name the challenge");
    let mut answered = vec![north[1].1.clone(), north[2].1.clone()];
    answered.sort();
    assert_eq!(lake[1].2, answered, "the receipt does not name approval and parcel");
    assert_eq!(north[3].2, [lake[1].1.clone()], "the end does not name the receipt");

    // What was kept of the record is gone, and the books name nobody.
    let left = world.site(NORTH, DAYS[3]).vault().list("transfers/content").unwrap();
    assert!(left.is_empty(), "the sender keeps a copy of what it sent");
    for place in [NORTH, LAKE] {
        for file in files(&world.path(place).join("site/ledger")) {
            let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
            let id = if place == NORTH { "n1" } else { "l1" };
            assert!(!text.contains(&format!("\"{id}\"")) && !text.contains("Robaaa"), "{file:?}");
        }
    }
}

#[test]
fn a_patient_who_declines_or_revokes_keeps_the_record_where_it_is() {
    let world = World::new(3);
    let [declined, revoked, late] =
        <[TransferId; 3]>::try_from(world.challenged(&[north_id(0), north_id(1), north_id(2)]))
            .unwrap();
    world.answer(&declined, Answer::Decline, DAYS[1]);
    world.answer(&revoked, Answer::Accept, DAYS[1]);
    assert_eq!(
        steps(&world.at(NORTH, DAYS[1], |c| c.accept(None)).unwrap()),
        [Step::Ended, Step::Approved]
    );
    world.answer(&revoked, Answer::Revoke, DAYS[2]);
    world.answer(&late, Answer::Accept, DAYS[2]);
    let ended = world.run(NORTH, DAYS[2]);
    assert_eq!(steps(&ended), [Step::Ended, Step::Approved, Step::Sent]);
    assert_eq!(standing(&world, NORTH, &declined, DAYS[2]).1, "the patient declined");
    assert_eq!(standing(&world, NORTH, &revoked, DAYS[2]).1, "the patient took the approval back");
    world.answer(&late, Answer::Revoke, DAYS[2]);
    let refused = world.run(NORTH, DAYS[2]);
    assert_eq!(codes(&refused), ["too-late"], "who revokes too late would not be told");
    let there = world.run(LAKE, DAYS[2]);
    let mut expected = vec![Step::Ended, Step::Ended, Step::Received];
    expected.sort();
    let mut found = steps(&there);
    found.sort();
    assert_eq!(found, expected, "the partner would wait for what was refused");
    assert!(!world.received(&declined).exists() && !world.received(&revoked).exists());
    assert!(world.received(&late).exists());
}

#[test]
fn either_side_calls_off_and_time_ends_what_nobody_ends() {
    let world = World::new(3);
    let [own, other, time] =
        <[TransferId; 3]>::try_from(world.challenged(&[north_id(0), north_id(1), north_id(2)]))
            .unwrap();
    assert_eq!(steps(&world.at(NORTH, DAYS[2], |c| c.cancel(&own)).unwrap()), [Step::Ended]);
    assert_eq!(world.at(NORTH, DAYS[2], |c| c.cancel(&own)).unwrap().known, 1);
    assert_eq!(steps(&world.at(LAKE, DAYS[2], |c| c.cancel(&other)).unwrap()), [Step::Ended]);
    world.run(LAKE, DAYS[2]);
    world.run(NORTH, DAYS[2]);
    world.run(LAKE, DAYS[2]);
    assert_eq!(standing(&world, LAKE, &own, DAYS[2]).1, format!("cancelled by {NORTH}"));
    assert_eq!(standing(&world, NORTH, &other, DAYS[2]).1, format!("cancelled by {LAKE}"));
    let unknown = world.at(NORTH, DAYS[2], |c| c.cancel(&TransferId([7; 16])));
    assert!(matches!(unknown, Err(Error::Unknown(_))));
    // Fourteen days after the offer.
    let expired = world.run(NORTH, "2026-12-05T08:00:00Z");
    assert_eq!(steps(&expired), [Step::Ended]);
    assert_eq!(standing(&world, NORTH, &time, "2026-12-05T08:00:00Z").1, "it expired");
    assert_eq!(steps(&world.run(LAKE, "2026-12-06T08:00:00Z")), [Step::Ended]);
    let left = world.site(NORTH, "2026-12-06").vault().list("transfers/content").unwrap();
    assert!(left.is_empty(), "what is over would be kept");
}

#[test]
fn who_has_sent_takes_a_late_receipt_and_cannot_call_off() {
    let world = World::new(1);
    let [transfer] = <[TransferId; 1]>::try_from(world.sent(&[north_id(0)])).unwrap();
    let off = world.at(NORTH, DAYS[2], |c| c.cancel(&transfer));
    assert!(matches!(off, Err(Error::TooLate { step: Step::Sent, .. })));
    world.run(LAKE, DAYS[3]);
    let late = world.run(NORTH, "2026-12-20T08:00:00Z");
    assert_eq!(steps(&late), [Step::Received], "the two books would tell two stories");
}

#[test]
fn nobody_is_offered_without_a_key_a_consent_or_a_record() {
    let world = World::new(2);
    world.consent(&[north_id(1)], "deny", "2026-11-22");
    let refused = world.offer(&[north_id(1), "nobody".to_owned()], DAYS[2]);
    assert_eq!(codes(&refused), ["nothing-permitted", "no-patient"]);
    assert!(!format!("{refused:?}").contains("nobody"), "an outcome names a patient");
    let vkey = KeyFile::open(&world.key()).unwrap().key().vkey();
    world.at(NORTH, DAYS[2], |c| c.revoke_approver(&north_id(0), &vkey)).unwrap();
    assert_eq!(codes(&world.offer(&[north_id(0)], DAYS[3])), ["no-approver"]);
}

#[test]
fn a_key_revoked_after_it_approved_sends_nothing() {
    let world = World::new(1);
    let [transfer] = <[TransferId; 1]>::try_from(world.approved(&[north_id(0)])).unwrap();
    world.at(NORTH, DAYS[1], |c| c.accept(None)).unwrap();
    let vkey = KeyFile::open(&world.key()).unwrap().key().vkey();
    world.at(NORTH, DAYS[2], |c| c.revoke_approver(&north_id(0), &vkey)).unwrap();
    assert_eq!(codes(&world.run(NORTH, DAYS[2])), ["approver-ended"]);
    assert_eq!(standing(&world, NORTH, &transfer, DAYS[2]).0, Step::Approved);
}

#[test]
fn a_clock_set_back_at_ones_own_site_stops_every_act() {
    let world = World::new(1);
    world.challenged(&[north_id(0)]);
    let back = world.at(NORTH, DAYS[0], |clerk| clerk.run());
    assert!(matches!(back, Err(Error::Clock { newest, .. }) if newest == at(DAYS[1])));
}
