//! Keys that come, go and are stolen, and those who forge that.

use serde_json::{Map, json};

use super::*;
use crate::{
    instant::Instant,
    ledger::{Checkpoint, entry::Signing, schema::Schema},
    signed_note::Signer,
};

pub(in crate::ledger) const ORIGIN: &str = "commons.example/ledger";

pub(in crate::ledger) fn key(role: Role, seed: u8) -> Signer {
    Signer::from_seed(&role.key_name(ORIGIN), &[seed; 32]).unwrap()
}

pub(in crate::ledger) fn log() -> Signer {
    key(Role::Log, 1)
}

pub(in crate::ledger) fn steward() -> Signer {
    key(Role::Steward, 2)
}

pub(in crate::ledger) fn recovery() -> Signer {
    key(Role::Recovery, 3)
}

pub(in crate::ledger) fn signed(kind: Kind, body: &Map<String, Value>, by: &[&Signer]) -> Entry {
    let time = Instant::parse("2026-11-22").unwrap();
    let signing = Signing { first: by[0], others: &by[1..] };
    Entry::sign_all(kind, ORIGIN, time, &[], &[], body, &signing).unwrap()
}

pub(in crate::ledger) fn genesis() -> Entry {
    let mut body = Schema::of(Kind::LogGenesis).sample();
    body.insert("log_vkey".to_owned(), log().verifier().vkey().into());
    body.insert("steward_vkey".to_owned(), steward().verifier().vkey().into());
    signed(Kind::LogGenesis, &body, &[&steward()])
}

pub(in crate::ledger) fn rotated(
    role: Role,
    old: Option<&Signer>,
    new: &Signer,
    by: &[&Signer],
) -> Entry {
    let body = json!({
        "commit": 1, "role": role.as_str(), "old_vkey": old.map(|key| key.verifier().vkey()),
        "new_vkey": new.verifier().vkey(), "reason": "a year is over",
    });
    signed(Kind::KeyRotated, body.as_object().unwrap(), by)
}

pub(in crate::ledger) fn revoked(
    role: Role,
    old: &Signer,
    new: Option<&Signer>,
    by: &[&Signer],
) -> Entry {
    let head = json!({"origin": ORIGIN, "size": 4, "root": Hash::of(b"").to_string()});
    let body = json!({
        "commit": 2, "role": role.as_str(), "old_vkey": old.verifier().vkey(),
        "new_vkey": new.map(|key| key.verifier().vkey()), "reason": "stolen",
        "last_good": (role == Role::Log).then_some(head),
    });
    signed(Kind::KeyRevoked, body.as_object().unwrap(), by)
}

pub(in crate::ledger) fn entry(by: &Signer) -> Entry {
    signed(Kind::ConsentBatch, &Schema::of(Kind::ConsentBatch).sample(), &[by])
}

fn opened(size: u64, by: &[&Signer]) -> Opened {
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size, root: Hash::of(b"x") };
    let note = checkpoint.sign_all(by).unwrap();
    let known: Vec<Verifier> = by.iter().map(|signer| signer.verifier().clone()).collect();
    Checkpoint::open(&note, ORIGIN, &known).unwrap()
}

/// A log whose recovery key came with entry 1.
fn begun() -> Trust {
    let first = rotated(Role::Recovery, None, &recovery(), &[&steward(), &recovery()]);
    Trust::replay([(0, &genesis()), (1, &first)]).unwrap()
}

#[test]
fn a_rotated_steward_signs_what_follows_and_the_old_one_for_a_period() {
    let (mut trust, next) = (begun(), key(Role::Steward, 4));
    trust.take(9, &rotated(Role::Steward, Some(&steward()), &next, &[&steward(), &next])).unwrap();
    assert_eq!(trust.key(Role::Steward), Some(next.verifier()));
    assert_eq!(trust.check_entry(10, &entry(&next)), Ok(()));
    assert_eq!(
        trust.check_entry(9 + PERIOD_ENTRIES, &entry(&steward())),
        Ok(()),
        "an entry made before the rotation could never be recovered into the book"
    );
    assert_eq!(trust.check_entry(10 + PERIOD_ENTRIES, &entry(&steward())), Err(Error::Over));
    assert_eq!(
        trust.check_entry(8, &entry(&next)),
        Err(Error::NotBySteward),
        "a key could sign what happened before it was the steward's"
    );
    assert_eq!(trust.good(Role::Steward).len(), 2, "passes of before the rotation would end");
    assert_eq!(trust.at(9).key(Role::Steward), Some(steward().verifier()));
    assert_eq!(trust.at(10), trust);
}

#[test]
fn a_revoked_stewards_entries_after_the_revocation_are_refused_and_those_before_stand() {
    let (mut trust, next) = (begun(), key(Role::Steward, 4));
    trust.take(9, &revoked(Role::Steward, &steward(), Some(&next), &[&recovery(), &next])).unwrap();
    assert_eq!(trust.check_entry(8, &entry(&steward())), Ok(()));
    assert_eq!(trust.check_entry(10, &entry(&steward())), Err(Error::Revoked));
    assert_eq!(trust.check_entry(10, &entry(&next)), Ok(()));
    assert_eq!(trust.good(Role::Steward), [next.verifier().clone()], "a thief's passes would pass");
}

#[test]
fn both_keys_of_a_log_sign_for_a_period_and_then_the_new_one() {
    let (mut trust, next) = (begun(), key(Role::Log, 5));
    trust.take(9, &rotated(Role::Log, Some(&log()), &next, &[&log(), &next])).unwrap();
    assert_eq!(trust.signers(9), [log().verifier()]);
    for size in [10, 9 + PERIOD_ENTRIES] {
        assert_eq!(trust.signers(size), [log().verifier(), next.verifier()], "at {size}");
        assert_eq!(trust.check_checkpoint(&opened(size, &[&log(), &next])), Ok(()));
        for alone in [&log(), &next] {
            assert!(trust.check_checkpoint(&opened(size, &[alone])).is_err(), "one key at {size}");
        }
    }
    let after = 10 + PERIOD_ENTRIES;
    assert_eq!(trust.check_checkpoint(&opened(after, &[&next])), Ok(()));
    assert!(
        trust.check_checkpoint(&opened(after, &[&log()])).is_err(),
        "who finds an old key could fork the log for ever"
    );
}

#[test]
fn a_log_whose_key_is_revoked_ends_with_the_checkpoint_that_says_so() {
    let mut trust = begun();
    trust.take(9, &revoked(Role::Log, &log(), None, &[&recovery(), &steward()])).unwrap();
    assert_eq!((trust.ended(), trust.key(Role::Log)), (Some(10), None));
    assert_eq!(trust.last_good().unwrap().size, 4);
    assert_eq!(trust.check_checkpoint(&opened(10, &[&log()])), Ok(()));
    assert_eq!(trust.check_checkpoint(&opened(11, &[&log()])), Err(Error::Ended(10)));
    let next = key(Role::Steward, 4);
    let late = rotated(Role::Steward, Some(&steward()), &next, &[&steward(), &next]);
    assert_eq!(trust.take(10, &late), Err(Error::Ended(10)));
    assert_eq!(trust.at(9), begun(), "what was believed before would change with hindsight");
}

#[test]
fn a_change_that_the_right_keys_did_not_sign_changes_nothing() {
    let (next, thief) = (key(Role::Steward, 4), key(Role::Steward, 6));
    let (next_log, old) = (key(Role::Log, 5), Some(&steward()).cloned());
    let old = old.as_ref();
    for (what, index, change, fault) in [
        (
            "the new key alone",
            9,
            rotated(Role::Steward, old, &next, &[&next, &thief]),
            Error::Unsigned(Role::Steward),
        ),
        (
            "the old key alone",
            9,
            rotated(Role::Steward, old, &next, &[&steward(), &thief]),
            Error::Unsigned(Role::Steward),
        ),
        (
            "a key that is not in force",
            9,
            rotated(Role::Steward, Some(&thief), &next, &[&thief, &next]),
            Error::NotInForce(Role::Steward),
        ),
        (
            "the steward for the log",
            9,
            rotated(Role::Log, Some(&log()), &next_log, &[&steward(), &next_log]),
            Error::Unsigned(Role::Log),
        ),
        (
            "a key of another name",
            9,
            rotated(Role::Log, Some(&log()), &next, &[&log(), &next]),
            Error::NotNew(Role::Log),
        ),
        (
            "the same key again",
            9,
            rotated(Role::Steward, old, &steward(), &[&steward(), &steward()]),
            Error::NotNew(Role::Steward),
        ),
        (
            "a second recovery key by the steward",
            9,
            rotated(Role::Recovery, None, &key(Role::Recovery, 7), &[&steward(), &thief]),
            Error::NotInForce(Role::Recovery),
        ),
        (
            "a revocation by the steward",
            9,
            revoked(Role::Log, &log(), None, &[&steward(), &thief]),
            Error::Unsigned(Role::Log),
        ),
        (
            "a steward's revocation without one to follow",
            9,
            revoked(Role::Steward, &steward(), None, &[&recovery(), &thief]),
            Error::Unsigned(Role::Steward),
        ),
        (
            "one before another",
            1,
            rotated(Role::Steward, old, &next, &[&steward(), &next]),
            Error::Order,
        ),
    ] {
        let mut trust = begun();
        assert_eq!(trust.take(index, &change), Err(fault), "{what}");
        assert_eq!(trust, begun(), "{what} changed something");
        assert!(trust.check_entry(index, &change).is_err(), "{what} passes as an entry");
    }
}

#[test]
fn without_a_recovery_key_nothing_can_be_revoked() {
    let mut trust = Trust::begin(&genesis()).unwrap();
    let next = key(Role::Steward, 4);
    let change = revoked(Role::Steward, &steward(), Some(&next), &[&recovery(), &next]);
    assert_eq!(trust.take(3, &change), Err(Error::NoRecovery));
}

#[test]
fn a_genesis_of_other_names_or_by_another_hand_begins_nothing() {
    let mut body = Schema::of(Kind::LogGenesis).sample();
    body.insert("log_vkey".to_owned(), steward().verifier().vkey().into());
    body.insert("steward_vkey".to_owned(), steward().verifier().vkey().into());
    let named = signed(Kind::LogGenesis, &body, &[&steward()]);
    assert_eq!(Trust::begin(&named), Err(Error::Genesis));
    body.insert("log_vkey".to_owned(), log().verifier().vkey().into());
    let by_other = signed(Kind::LogGenesis, &body, &[&key(Role::Steward, 6)]);
    assert_eq!(Trust::begin(&by_other), Err(Error::Genesis));
    assert_eq!(Trust::begin(&entry(&steward())), Err(Error::Genesis));
}
