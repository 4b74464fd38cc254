//! One transfer from offer to receipt with real keys, and every way in which a step is refused.

use super::*;
use crate::{
    signed_note::Signer,
    transfer::{
        Cause, ParcelError, PartFault, Role, Signed, TransferId, TransferKey,
        sample::{Case, Site, clock, day},
    },
};

fn licence(fault: LicenceFault) -> Refused {
    Refused::Licence { institution: Case::new().b.us().clone(), fault }
}

#[test]
fn a_record_goes_from_offer_to_receipt() {
    let case = Case::new();
    let (sent, parts) = case.sent().unwrap();
    let mut out = Vec::new();
    sent.open(&case.b.key, |index| Ok(parts[&index].clone()), &mut out).unwrap();
    assert_eq!(out, case.content, "what was opened is not what was offered");
    let receipt = case.b.file(case.receipt(sent.parcel().digest()), &case.a);
    let receipt = receipt.received(&case.b.party, case.a.us()).unwrap();
    let received = sent.receive(receipt, clock(day(20))).unwrap();
    assert_eq!(
        received.receipt().payload().received,
        day(5),
        "a late receipt counts as of its day"
    );
}

#[test]
fn an_offer_of_another_sender_or_to_another_recipient_is_refused() {
    let (case, other) = (Case::new(), Site::new("elsewhere", 0xc));
    let open = |offer: Offer, by: &Site| {
        let file = Signed::sign(offer, &by.steward).unwrap().kept(&by.party.steward).unwrap();
        Offered::open(file, case.ends(), clock(day(2))).map(|_| ())
    };
    let offer = Offer { from: other.party.side.clone(), ..case.offer() };
    assert_eq!(open(offer, &case.a), Err(Refused::WrongSender { file: "offer" }));
    let offer = Offer { to: other.party.side.clone(), ..case.offer() };
    assert_eq!(open(offer, &case.a), Err(Refused::WrongRecipient { file: "offer" }));
    let refused = Err(Refused::UnknownKey { file: "offer" });
    assert_eq!(
        open(case.offer(), &other),
        refused,
        "another's signature was taken for the sender's"
    );
}

#[test]
fn an_offer_whose_sums_names_or_times_do_not_hold_is_refused() {
    let case = Case::new();
    let open = |change: &dyn Fn(&mut Offer)| {
        let mut offer = case.offer();
        change(&mut offer);
        let file = Signed::sign(offer, &case.a.steward).unwrap();
        let file = file.kept(&case.a.party.steward).unwrap();
        Offered::open(file, case.ends(), clock(day(2))).map(|_| ()).unwrap_err().cause()
    };
    assert_eq!(open(&|o| o.manifest.bytes += 1), Cause::Content);
    assert_eq!(open(&|o| o.manifest.resources += 1), Cause::Content);
    assert_eq!(open(&|o| o.manifest.files[0].bytes = u64::MAX >> 12), Cause::Content);
    for name in ["../Patient.ndjson", ".ndjson", "Patient", "Observation.ndjson", "a/B.ndjson"] {
        let cause = open(&|o| name.clone_into(&mut o.manifest.files[0].name));
        assert_eq!(cause, Cause::Form, "a file named {name} would be written outside, or twice");
    }
    assert_eq!(open(&|o| o.approvers.clear()), Cause::Form);
    assert_eq!(open(&|o| o.expires = o.issued), Cause::Form);
    assert_eq!(open(&|o| o.issued = day(3)), Cause::NotYet, "an offer from the future was taken");
    assert_eq!(open(&|o| o.expires = day(2)), Cause::Expired);
}

#[test]
fn a_challenge_for_another_patient_or_with_too_little_evidence_is_refused() {
    let case = Case::new();
    for (mismatch, refused) in [
        (Mismatch::WrongPatient, Refused::WrongPatient),
        (Mismatch::ScoreBelow, Refused::ScoreBelow),
    ] {
        let offered = case.offered().unwrap();
        let file = case.challenge_of(offered.offer());
        let found = offered.challenge(file, Err(mismatch), Licences::STAND, clock(day(2)));
        assert_eq!(found.unwrap_err(), refused);
    }
}

#[test]
fn a_replayed_or_foreign_challenge_is_refused() {
    let (case, second, other) = (Case::new(), Case::numbered(2), Site::new("elsewhere", 0xc));
    let offered = case.offered().unwrap();
    let take = |challenge: Challenge, by: &Site, now| {
        let file = Signed::sign(challenge, &by.steward).unwrap();
        let file = file.kept(&by.party.steward).unwrap();
        let taken = offered.clone().challenge(file, Ok(()), Licences::STAND, clock(now));
        taken.map(|_| ()).unwrap_err()
    };
    let good = case.challenge(offered.offer().digest());
    let file = "challenge";
    let theirs = second.challenge(second.offered().unwrap().offer().digest());
    assert_eq!(take(theirs.clone(), &case.b, day(2)), Refused::NotThisTransfer { file });
    let theirs = Challenge { transfer: case.id, ..theirs };
    assert_eq!(take(theirs, &case.b, day(2)), Refused::NotTheOffer { file });
    assert_eq!(take(good.clone(), &other, day(2)), Refused::UnknownKey { file });
    let by = other.party.side.clone();
    let wrong = Refused::WrongRecipient { file };
    assert_eq!(take(Challenge { by, ..good.clone() }, &case.b, day(2)), wrong);
    let early = Challenge { issued: case.offer().issued, ..good.clone() };
    assert_eq!(take(early, &case.b, day(15)), Refused::Expired);
    let before = Instant::from_unix(case.offer().issued.unix() - 301).unwrap();
    let early = Challenge { issued: before, ..good.clone() };
    assert_eq!(take(early, &case.b, day(2)), Refused::NotYet { file }, "a clock was set back");
    let late = Challenge { issued: day(9), ..good };
    assert_eq!(take(late, &case.b, day(2)), Refused::NotYet { file }, "a clock was set forward");
}

#[test]
fn clocks_may_differ_by_the_skew_and_no_second_more() {
    let case = Case::new();
    for (ahead, fits) in [(300, true), (301, false)] {
        let offered = case.offered().unwrap();
        let issued = Instant::from_unix(day(2).unix() + ahead).unwrap();
        let challenge = Challenge { issued, ..case.challenge(offered.offer().digest()) };
        let file = Signed::sign(challenge, &case.b.steward).unwrap();
        let file = file.kept(&case.b.party.steward).unwrap();
        let taken = offered.challenge(file, Ok(()), Licences::STAND, clock(day(2)));
        assert_eq!(taken.is_ok(), fits, "{ahead} seconds ahead");
    }
}

#[test]
fn both_licences_must_stand_at_the_challenge_and_at_the_release() {
    let case = Case::new();
    for fault in [
        LicenceFault::Unknown,
        LicenceFault::NotYet,
        LicenceFault::Expired,
        LicenceFault::Suspended,
        LicenceFault::Revoked,
        LicenceFault::Forged,
    ] {
        let to = Licences { to: Err(fault), ..Licences::STAND };
        let from = Licences { from: Err(fault), ..Licences::STAND };
        let offered = case.offered().unwrap();
        let file = case.challenge_of(offered.offer());
        let taken = offered.clone().challenge(file.clone(), Ok(()), to, clock(day(2)));
        assert_eq!(taken.unwrap_err(), licence(fault));
        let taken = offered.challenge(file, Ok(()), from, clock(day(2))).unwrap_err();
        assert_eq!(taken.cause(), Cause::Licence);
        assert_ne!(taken, licence(fault), "the wrong institution was blamed");
        let accepted = case.accepted().unwrap();
        let released = accepted.release(Ok(()), to, &case.approvers(), clock(day(4)));
        assert_eq!(released.unwrap_err(), licence(fault), "a licence lost after the accept");
    }
}

#[test]
fn a_replayed_or_foreign_accept_is_refused() {
    let (case, second) = (Case::new(), Case::numbered(2));
    let challenged = case.challenged().unwrap();
    let (offer, challenge) =
        (*challenged.offered().offer().digest(), *challenged.challenge().digest());
    let good = case.accept(&offer, &challenge);
    let take = |accept: Accept, now| {
        let file = Signed::approve(accept, &case.patient).unwrap();
        let file = file.approved(&case.approvers()).unwrap();
        challenged.clone().accept(file, &case.approvers(), clock(now)).map(|_| ())
    };
    let file = "accept";
    let other = Sha3Digest::of(b"other");
    let replay = Accept { transfer: second.id, ..good.clone() };
    assert_eq!(take(replay, day(3)), Err(Refused::NotThisTransfer { file }));
    let replay = Accept { offer: other, ..good.clone() };
    assert_eq!(take(replay, day(3)), Err(Refused::NotTheOffer { file }));
    let replay = Accept { challenge: other, ..good.clone() };
    assert_eq!(take(replay, day(3)), Err(Refused::NotTheChallenge { file }));
    let role = Accept { role: Role::Delegate, ..good.clone() };
    assert_eq!(take(role, day(3)), Err(Refused::WrongRole));
    assert_eq!(take(good.clone(), day(15)), Err(Refused::Expired));
    let early = Accept { decided: day(1), ..good.clone() };
    assert_eq!(
        take(early, day(3)),
        Err(Refused::NotYet { file }),
        "a yes from before the question"
    );
    let late = Accept { decided: day(9), ..good.clone() };
    assert_eq!(take(late, day(3)), Err(Refused::NotYet { file }));
    assert_eq!(take(good.clone(), day(3)), Ok(()));

    let stranger = Signed::approve(good, &second.patient).unwrap();
    let refused = stranger.clone().approved(&case.approvers()).map(|_| ());
    assert_eq!(refused, Err(Refused::UnknownKey { file }), "another patient approved");
    let smuggled = stranger.approved(&second.approvers()).unwrap();
    let refused = challenged.accept(smuggled, &case.approvers(), clock(day(3))).map(|_| ());
    assert_eq!(refused, Err(Refused::UnknownKey { file }), "the offer does not name this key");
}

#[test]
fn a_delegate_approves_until_the_key_ends_or_is_taken_back() {
    let case = Case::new();
    let challenged = case.challenged().unwrap();
    let offer = challenged.offered().offer().digest();
    let accept = case.accept(offer, challenged.challenge().digest());
    let accept = Accept { role: Role::Delegate, decided: day(5), ..accept };
    let file = Signed::approve(accept, &case.delegate).unwrap();
    let file = file.approved(&case.approvers()).unwrap();
    let take = |registered: &[ApproverKey], now| {
        challenged.clone().accept(file.clone(), registered, clock(now)).map(|_| ())
    };
    assert_eq!(take(&case.approvers(), day(5)), Ok(()));
    assert_eq!(take(&case.approvers(), day(6)), Err(Refused::ApproverEnded), "the key has ended");
    let patient_alone = &case.approvers()[..1];
    assert_eq!(take(patient_alone, day(5)), Err(Refused::ApproverEnded), "the key was taken back");

    let accepted =
        challenged.clone().accept(file.clone(), &case.approvers(), clock(day(5))).unwrap();
    let release = |registered: &[ApproverKey], now| {
        accepted.release(Ok(()), Licences::STAND, registered, clock(now)).map(|_| ())
    };
    assert_eq!(release(&case.approvers(), day(5)), Ok(()));
    assert_eq!(release(patient_alone, day(5)), Err(Refused::ApproverEnded));
}

#[test]
fn nothing_is_released_after_consent_was_withdrawn_or_changed_or_after_the_end() {
    let case = Case::new();
    let accepted = case.accepted().unwrap();
    let release = |consent, now| {
        accepted.release(consent, Licences::STAND, &case.approvers(), clock(now)).map(|_| ())
    };
    assert_eq!(release(Ok(()), day(14)), Ok(()));
    assert_eq!(release(Ok(()), day(15)), Err(Refused::Expired));
    let withdrawn = release(Err(ConsentFault::Withdrawn), day(4));
    assert_eq!(withdrawn, Err(Refused::ConsentWithdrawn));
    let changed = release(Err(ConsentFault::Changed), day(4));
    assert_eq!(changed, Err(Refused::ConsentChanged));
}

#[test]
fn a_swapped_parcel_is_refused() {
    let (case, second) = (Case::new(), Case::numbered(2));
    let accepted = case.accepted().unwrap();
    let (good, _) = case.sealed(&accepted);
    let take = |parcel: Parcel, by: &Site| {
        let file = Signed::sign(parcel, &by.steward).unwrap();
        let file = file.kept(&by.party.steward).unwrap();
        accepted.clone().send(file, clock(day(5))).map(|_| ()).unwrap_err()
    };
    let (theirs, _) = second.sealed(&second.accepted().unwrap());
    let (file, other) = ("parcel", Sha3Digest::of(b"other"));
    assert_eq!(take(theirs, &case.a), Refused::NotThisTransfer { file });
    let swapped = Parcel { offer: other, ..good.clone() };
    assert_eq!(take(swapped, &case.a), Refused::NotTheOffer { file });
    let swapped = Parcel { challenge: other, ..good.clone() };
    assert_eq!(take(swapped, &case.a), Refused::NotTheChallenge { file });
    let swapped = Parcel { accept: other, ..good.clone() };
    assert_eq!(take(swapped, &case.a), Refused::NotTheAccept);
    assert_eq!(take(good.clone(), &case.b), Refused::UnknownKey { file });
    let counts = Refused::Counts { file };
    assert_eq!(take(Parcel { bytes: good.bytes + 1, ..good.clone() }, &case.a), counts);
    assert_eq!(take(Parcel { chunks: 2, ..good.clone() }, &case.a), counts);
    assert_eq!(take(Parcel { parts: Vec::new(), ..good.clone() }, &case.a), counts);
    let late = Parcel { issued: day(9), ..good };
    assert_eq!(take(late, &case.a), Refused::NotYet { file });
}

#[test]
fn a_parcel_whose_parts_are_anothers_or_whose_reader_is_another_is_refused() {
    let (case, second) = (Case::new(), Case::numbered(2));
    let (sent, _) = case.sent().unwrap();
    let (_, theirs) = second.sent().unwrap();
    let refused = |opened: Result<(), ParcelError>| match opened {
        Err(ParcelError::Refused(refused)) => refused,
        other => panic!("{other:?}"),
    };
    let opened = sent.open(&case.b.key, |index| Ok(theirs[&index].clone()), &mut Vec::new());
    let foreign = Refused::Part { index: 0, fault: PartFault::Foreign };
    assert_eq!(refused(opened), foreign, "the parts of another transfer");
    let stranger = TransferKey::derive(&[0xc; 32]);
    let opened = sent.open(&stranger, |index| Ok(theirs[&index].clone()), &mut Vec::new());
    assert_eq!(refused(opened), Refused::WrongRecipient { file: "parcel" });
}

#[test]
fn a_parcel_is_sealed_by_the_senders_own_key_and_holds_what_was_offered() {
    let case = Case::new();
    let accepted = case.accepted().unwrap();
    let release =
        accepted.release(Ok(()), Licences::STAND, &case.approvers(), clock(day(4))).unwrap();
    let sealed = release.seal(&case.b.key, case.content.as_slice(), day(4), |_, _| Ok(()));
    let wrong = Refused::WrongSender { file: "parcel" };
    assert!(matches!(sealed, Err(ParcelError::Refused(refused)) if refused == wrong));
    let sealed = release.seal(&case.a.key, b"short".as_slice(), day(4), |_, _| Ok(()));
    let counts = Refused::Counts { file: "parcel" };
    assert!(matches!(sealed, Err(ParcelError::Refused(refused)) if refused == counts));
}

#[test]
fn a_receipt_for_other_content_or_another_parcel_is_refused() {
    let (case, second) = (Case::new(), Case::numbered(2));
    let (sent, _) = case.sent().unwrap();
    let good = case.receipt(sent.parcel().digest());
    let take = |receipt: Receipt, by: &Site| {
        let file = Signed::sign(receipt, &by.steward).unwrap();
        let file = file.kept(&by.party.steward).unwrap();
        sent.clone().receive(file, clock(day(6))).map(|_| ()).unwrap_err()
    };
    let file = "receipt";
    let other = Receipt { transfer: second.id, ..good.clone() };
    assert_eq!(take(other, &case.b), Refused::NotThisTransfer { file });
    let other = Receipt { parcel: Sha3Digest::of(b"other"), ..good.clone() };
    assert_eq!(take(other, &case.b), Refused::NotTheParcel);
    let other = Receipt { manifest_root: second.manifest().root, ..good.clone() };
    assert_eq!(take(other, &case.b), Refused::Root);
    let mut other = good.clone();
    other.files[0].resources += 1;
    assert_eq!(take(other, &case.b), Refused::Counts { file });
    assert_eq!(take(good.clone(), &case.a), Refused::UnknownKey { file });
    let late = Receipt { received: day(9), ..good.clone() };
    assert_eq!(take(late, &case.b), Refused::NotYet { file });
    let early = Receipt { received: day(1), ..good };
    assert_eq!(take(early, &case.b), Refused::NotYet { file }, "received before it was sealed");
}

#[test]
fn the_patient_may_say_no_and_nobody_else_may() {
    let (case, second) = (Case::new(), Case::numbered(2));
    let offered = case.offered().unwrap();
    let offer = offered.offer().digest();
    for (act, why) in
        [(RefusalAct::Decline, EndReason::Declined), (RefusalAct::Revoke, EndReason::Revoked)]
    {
        let file = Signed::approve(case.refusal(offer, act), &case.patient).unwrap();
        let file = file.approved(&case.approvers()).unwrap();
        assert_eq!(offered.refuse(&file, clock(day(3))), Ok(why));
    }
    let file = Signed::approve(case.refusal(offer, RefusalAct::Decline), &second.patient).unwrap();
    let refused = file.clone().approved(&case.approvers()).map(|_| ());
    assert_eq!(refused, Err(Refused::UnknownKey { file: "refusal" }));
    let smuggled = file.approved(&second.approvers()).unwrap();
    let refused = offered.refuse(&smuggled, clock(day(3)));
    assert_eq!(refused, Err(Refused::UnknownKey { file: "refusal" }));
    let other = Sha3Digest::of(b"other");
    let replay = Signed::approve(case.refusal(&other, RefusalAct::Revoke), &case.patient).unwrap();
    let replay = replay.approved(&case.approvers()).unwrap();
    let refused = offered.refuse(&replay, clock(day(3)));
    assert_eq!(refused, Err(Refused::NotTheOffer { file: "refusal" }), "a no to another question");
}

#[test]
fn either_end_may_end_it_under_its_own_name_alone() {
    let (case, other) = (Case::new(), Site::new("elsewhere", 0xc));
    let offered = case.offered().unwrap();
    let end = |said: &Site, signer: &Signer| {
        let file = Signed::sign(case.ended(offered.offer().digest(), said), signer).unwrap();
        let file = file.kept(signer.verifier()).unwrap();
        offered.clone().end(file, clock(day(3))).map(|_| ())
    };
    let file = "ended";
    assert_eq!(end(&case.a, &case.a.steward), Ok(()));
    assert_eq!(end(&case.b, &case.b.steward), Ok(()));
    assert_eq!(end(&case.a, &case.b.steward), Err(Refused::WrongSender { file }));
    assert_eq!(end(&case.b, &case.a.steward), Err(Refused::WrongRecipient { file }));
    assert_eq!(end(&other, &other.steward), Err(Refused::WrongRecipient { file }));
}

#[test]
fn no_refusal_shows_what_a_file_holds() {
    let case = Case::new();
    let id = TransferId([0xee; 16]);
    let offer = Offer { transfer: id, ..case.offer() };
    let file = Signed::sign(offer, &case.b.steward).unwrap();
    let refused = file.kept(&case.a.party.steward).map(|_| ()).unwrap_err();
    assert!(!refused.to_string().contains("eeee"), "{refused}");
}
