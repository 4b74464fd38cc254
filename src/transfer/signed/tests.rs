//! Every byte of a signed file is covered, and its place in a book is checked in every part.

use super::*;
use crate::{
    party::InstitutionId,
    transfer::{
        BookedBatch, BookedFault, BookingError, LicenceFault, RefusalAct,
        sample::{Case, Site},
    },
};

/// Says that no single byte of a file can be changed, in three of its bits.
fn every_byte_is_covered<T: Payload + Clone + PartialEq + std::fmt::Debug>(
    file: &Signed<T>,
    take: impl Fn(Signed<T>) -> Result<(), Refused>,
) {
    let good = file.bytes().unwrap();
    assert_eq!(Signed::parse(&good).unwrap(), *file);
    take(file.clone()).unwrap();
    for at in 0..good.len() {
        for bit in [0x01, 0x02, 0x20] {
            let mut bytes = good.clone();
            bytes[at] ^= bit;
            let taken = Signed::parse(&bytes).and_then(&take);
            let place = String::from_utf8_lossy(&good[at.saturating_sub(20)..=at]);
            assert!(taken.is_err(), "{}: byte {at} is not covered: …{place}", T::NAME);
        }
    }
}

#[test]
fn a_byte_changed_anywhere_in_any_signed_file_is_refused() {
    let case = Case::new();
    let (a, b) = (&case.a, &case.b);
    let offer = a.file(case.offer(), b);
    let digest = offer.digest().unwrap();
    every_byte_is_covered(&offer, |f| f.received(&a.party, b.us()).map(|_| ()));
    let challenge = b.file(case.challenge(&digest), a);
    every_byte_is_covered(&challenge, |f| f.received(&b.party, a.us()).map(|_| ()));
    let accept = case.accept(&digest, &challenge.digest().unwrap());
    let accept = Signed::approve(accept, &case.patient).unwrap();
    every_byte_is_covered(&accept, |f| f.approved(&case.approvers()).map(|_| ()));
    let accept = a.book(accept, b);
    let forwarded = |f: Signed<_>| f.forwarded(&case.approvers(), &a.party, b.us()).map(|_| ());
    every_byte_is_covered(&accept, forwarded);
    let refusal = case.refusal(&digest, RefusalAct::Revoke);
    let refusal = Signed::approve(refusal, &case.delegate).unwrap();
    every_byte_is_covered(&refusal, |f| f.approved(&case.approvers()).map(|_| ()));
    let (parcel, _) = case.sealed(&case.accepted().unwrap());
    let parcel = a.file(parcel, b);
    every_byte_is_covered(&parcel, |f| f.received(&a.party, b.us()).map(|_| ()));
    let receipt = b.file(case.receipt(&parcel.digest().unwrap()), a);
    every_byte_is_covered(&receipt, |f| f.received(&b.party, a.us()).map(|_| ()));
    let ended = a.file(case.ended(&digest, a), b);
    every_byte_is_covered(&ended, |f| f.received(&a.party, b.us()).map(|_| ()));
}

#[test]
fn a_file_has_one_text_alone() {
    let case = Case::new();
    let file = Signed::sign(case.offer(), &case.a.steward).unwrap();
    let text = String::from_utf8(file.bytes().unwrap()).unwrap();
    for (from, to) in [
        ("{", "{ "),
        ("\"payload\":", "\"extra\":1,\"payload\":"),
        ("\"key\":", "\"booked\":null,\"key\":"),
        ("\"role\":\"patient\"", "\"role\":\"patient\",\"until\":null"),
        ("\"purpose\":\"TREAT\"", "\"purpose\":\"TREAT\",\"purpose\":\"TREAT\""),
        ("0101", "0x01"),
        ("12:00:00Z", "12:00:00.5Z"),
        ("12:00:00Z", "13:00:00+01:00"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from} is not in the file");
        let read = Signed::<super::super::Offer>::parse(changed.as_bytes());
        assert!(matches!(read, Err(Refused::Form { .. })), "{to} is a second text");
    }
    let long = vec![b' '; FILE_BYTES_MAX + 1];
    assert!(Signed::<super::super::Offer>::parse(&long).is_err());
}

#[test]
fn one_kind_of_file_never_passes_for_another() {
    // The same canonical payload under another type: the signature is over the type as well.
    let case = Case::new();
    let payload = canonical(&case.offer()).unwrap();
    let signature =
        case.a.steward.sign_typed("application/vnd.almoner.transfer-ended+json", &payload);
    let file = Signed {
        signature: STANDARD.encode(signature),
        ..Signed::sign(case.offer(), &case.a.steward).unwrap()
    };
    let refused = file.kept(&case.a.party.steward).map(|_| ());
    assert_eq!(refused, Err(Refused::Signature { file: "offer" }));
}

#[test]
fn a_file_that_does_not_stand_in_its_signers_book_is_refused_by_reason() {
    let (case, other) = (Case::new(), Site::new("elsewhere", 0xc));
    let (a, b) = (&case.a, &case.b);
    let signed = Signed::sign(case.offer(), &a.steward).unwrap();
    let digest = signed.digest().unwrap();
    let take = |file: Signed<_>, us: &InstitutionId| match file.received(&a.party, us) {
        Err(Refused::Booked { file: "offer", fault }) => fault,
        taken => panic!("{taken:?}"),
    };
    assert_eq!(take(signed.clone(), b.us()), BookedFault::Missing);
    let booked = a.book(signed.clone(), b).booked.unwrap();
    let with = |booked| signed.clone().with(booked);
    assert_eq!(take(with(booked.clone()), other.us()), BookedFault::Partner);
    let entry = "{}".to_owned();
    assert_eq!(take(with(Booked { entry, ..booked.clone() }), b.us()), BookedFault::Entry);
    let theirs = other.book(signed.clone(), b).booked.unwrap();
    assert_eq!(take(with(theirs), b.us()), BookedFault::Signer, "another's ledger");
    let files = [digest];
    let kind = a.entry::<super::super::Parcel>(&files, b);
    let kind = BookedBatch::new(&kind, &files).unwrap().prove(0, &a.steward).unwrap();
    assert_eq!(take(with(kind), b.us()), BookedFault::Kind);
    let index = booked.index + 1;
    assert_eq!(take(with(Booked { index, ..booked.clone() }), b.us()), BookedFault::Leaf);
    // The tree's proof alone would hold: leaf 1 of 3 has the same path as leaf 1 of 4.
    let count = booked.count + 1;
    assert_eq!(take(with(Booked { count, ..booked.clone() }), b.us()), BookedFault::Signature);
    let unsigned = Booked { signature: STANDARD.encode([0; 64]), ..booked };
    assert_eq!(take(with(unsigned), b.us()), BookedFault::Signature);
}

#[test]
fn a_batch_proves_its_own_files_alone() {
    let case = Case::new();
    let files: Vec<Sha3Digest> = (0..5_u8).map(|n| Sha3Digest::of(&[n])).collect();
    let entry = case.a.entry::<super::super::Offer>(&files, &case.b);
    let batch = BookedBatch::new(&entry, &files).unwrap();
    for (index, file) in (0..).zip(&files) {
        let booked = batch.prove(index, &case.a.steward).unwrap();
        let (origin, steward) = (&case.a.party.side.origin, &case.a.party.steward);
        let kind = super::super::Offer::KIND;
        let entry = booked.verify(file, kind, steward, origin, case.b.us()).unwrap();
        assert_eq!(entry.id(), batch.entry_id());
    }
    assert_eq!(batch.prove(5, &case.a.steward), Err(BookingError::Index(5)));
    let short = &files[..4];
    assert!(matches!(BookedBatch::new(&entry, short), Err(BookingError::Root)));
}

#[test]
fn a_refusal_and_its_cause_are_words_of_their_own() {
    let text = serde_json::to_string(&super::super::EndReason::Refused(
        Refused::from(super::super::Mismatch::ScoreBelow).cause(),
    ));
    assert_eq!(text.unwrap(), "{\"refused\":\"score-below\"}");
    assert_eq!(LicenceFault::Suspended.to_string(), "is suspended");
}
