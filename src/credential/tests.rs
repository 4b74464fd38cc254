//! What credentials and status lists say, and what is refused of them.

use std::{collections::BTreeSet, io::Read as _, path::Path};

use serde_json::{Value, json};

use super::{
    Credential, CredentialError, Holder, LicenceAction, LicenceEvent, LicenceLine, Licences,
    Refusal, ShapeError, Standing, StatusList, StatusPurpose, TokenError, TrustChange, Trusted,
    key_id, open_credential, write_licence, write_list,
};
use crate::{
    digest::{Sha3Digest, canonical},
    instant::Instant,
    party::{InstitutionId, is_npi},
    signed_note::{Signer, Verifier},
};

const BOARD: &str = "board.example/licences";

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn board() -> Signer {
    Signer::from_seed(BOARD, &[5; 32]).unwrap()
}

fn clinic() -> Holder {
    Holder::Institution(InstitutionId::parse("north-shore").unwrap())
}

fn issue(holder: Holder, licence: &str) -> LicenceEvent {
    LicenceEvent {
        licence: licence.to_owned(),
        holder,
        issuer: BOARD.to_owned(),
        action: LicenceAction::Issue,
        class: "hospital".to_owned(),
        from: at("2026-01-01"),
        until: Some(at("2028-01-01")),
        restriction: None,
        decided_at: at("2025-12-15"),
        key: None,
    }
}

fn later(event: &LicenceEvent, action: LicenceAction, day: &str) -> LicenceEvent {
    let (from, decided_at) = (at(day), at(day));
    LicenceEvent { action, from, decided_at, until: None, key: None, ..event.clone() }
}

fn line(event: LicenceEvent, signer: &Signer) -> LicenceLine {
    let by = key_id(signer.verifier());
    LicenceLine { event, by, credential: None, list: None, salt: None }
}

fn trusting(signer: &Signer) -> Licences {
    let mut register = Licences::default();
    let vkey = signer.verifier().vkey();
    let trusted = Trusted { vkey, change: TrustChange::Added, from: None };
    register.trust(&trusted, at("2025-01-01"), 1).unwrap();
    register
}

fn known(lines: Vec<LicenceEvent>) -> Licences {
    let lines = lines.into_iter().map(|event| line(event, &board())).collect();
    trusting(&board()).with(at("2026-10-01"), lines)
}

/// Opens what `board()` signed.
fn open(token: &str) -> Result<Credential, CredentialError> {
    open_credential(token, &[board().verifier().clone()], at("2026-11-26"))
}

fn opened(token: &str) -> LicenceEvent {
    match open(token).unwrap() {
        Credential::Licence(told) => told.event,
        Credential::List(_) => panic!("a licence was taken for a list"),
    }
}

fn sign(payload: &Value) -> String {
    super::jose::sign(&canonical(payload).unwrap(), &board()).unwrap()
}

/// A credential as another program might write it: no `iat`, no `action`, an issuer with a name.
fn foreign() -> Value {
    json!({
        "@context": ["https://www.w3.org/ns/credentials/v2", "https://board.example/terms"],
        "id": "https://board.example/credentials/3732",
        "type": ["VerifiableCredential", "LicenceCredential"],
        "issuer": {"id": format!("https://{BOARD}"), "name": "Board of Licences"},
        "validFrom": "2026-01-01T00:00:00+01:00",
        "validUntil": "2028-01-01T00:00:00Z",
        "name": "Licence of a hospital",
        "credentialSubject": {
            "id": "https://north-shore.example/", "licence": "H-1", "class": "hospital",
            "institution": "north-shore",
        },
    })
}

#[test]
fn every_decision_reads_back_as_it_was_signed() {
    let first = issue(clinic(), "H-1");
    for action in LicenceAction::ALL {
        let mut event = later(&first, action, "2026-03-01");
        if action == LicenceAction::Restrict {
            event.restriction = Some("no surgery".to_owned());
        }
        let token = write_licence(&event, &[], &board()).unwrap();
        assert_eq!(opened(&token), event, "{action} was told otherwise than it was decided");
        assert_eq!(token, write_licence(&event, &[], &board()).unwrap(), "bytes vary");
    }
    let key = Some(board().verifier().vkey());
    let doctor = Holder::practitioner("1234567893").unwrap();
    let event = LicenceEvent { key, ..issue(doctor, "P-7") };
    assert_eq!(opened(&write_licence(&event, &[], &board()).unwrap()), event);
}

#[test]
fn a_credential_of_another_program_is_taken_as_it_is_meant() {
    let event = opened(&sign(&foreign()));
    let meant = LicenceEvent {
        from: at("2025-12-31T23:00:00Z"),
        decided_at: at("2025-12-31T23:00:00Z"),
        ..issue(clinic(), "H-1")
    };
    assert_eq!(event, meant);
}

#[test]
fn what_is_no_credential_or_not_understood_is_refused() {
    let change = |path: &str, value: Value| {
        let mut payload = foreign();
        *payload.pointer_mut(path).unwrap() = value;
        open(&sign(&payload))
    };
    let add = |path: &str, name: &str, value: Value| {
        let mut payload = foreign();
        let object = payload.pointer_mut(path).unwrap().as_object_mut().unwrap();
        object.insert(name.to_owned(), value);
        open(&sign(&payload))
    };
    let refused = |verdict: Result<Credential, CredentialError>, why: &str| {
        assert!(verdict.is_err(), "taken: {why}");
    };
    refused(change("/@context/0", json!("https://www.w3.org/2018/credentials/v1")), "version 1");
    refused(change("/type", json!(["LicenceCredential"])), "no VerifiableCredential");
    refused(change("/type", json!(["VerifiableCredential", "Degree"])), "another type");
    refused(change("/validFrom", json!("2026-01-01")), "a date without a zone");
    refused(add("", "vc", json!({})), "`vc`, which may not be present");
    refused(add("", "iss", json!("https://other.example")), "two issuers");
    refused(add("", "exp", json!(at("2026-11-25").unix())), "a token that has expired");
    refused(add("", "nbf", json!(at("2026-11-27").unix())), "a token of tomorrow");
    refused(add("/credentialSubject", "npi", json!("1234567893")), "two holders");
    refused(add("/credentialSubject", "limits", json!("none")), "a word nobody understands");
    assert_eq!(
        add("", "iat", json!(at("2026-11-27").unix())),
        Err(CredentialError::Future { decided: at("2026-11-27"), now: at("2026-11-26") })
    );
    assert_eq!(
        change("/validUntil", json!("2025-01-01T00:00:00Z")),
        Err(CredentialError::Shape(ShapeError::Term)),
        "a term ends before it begins"
    );
    assert_eq!(
        change("/issuer/id", json!("https://other.example/licences")),
        Err(CredentialError::Untrusted)
    );
    // Members that the standard lets stand beside the others are ignored.
    assert!(add("", "evidence", json!([{"type": "Inspection"}])).is_ok());
    // A member that stands twice is met, outside and inside the subject.
    let text = foreign().to_string();
    for (once, twice) in [
        ("\"validFrom\":", "\"validFrom\":\"2020-01-01T00:00:00Z\",\"validFrom\":"),
        ("\"licence\":", "\"licence\":\"H-2\",\"licence\":"),
    ] {
        let token = super::jose::sign(text.replacen(once, twice, 1).as_bytes(), &board()).unwrap();
        assert!(open(&token).is_err(), "{once} was taken twice");
    }
}

#[test]
fn a_token_of_a_strangers_key_under_the_boards_name_is_refused() {
    let stranger = Signer::from_seed(BOARD, &[6; 32]).unwrap();
    let event = issue(clinic(), "H-1");
    let token = write_licence(&event, &[], &stranger).unwrap();
    assert_eq!(open(&token), Err(CredentialError::Token(TokenError::UnknownKey)));
    let (signed, _) = token.rsplit_once('.').unwrap();
    let good = write_licence(&event, &[], &board()).unwrap();
    let mixed = format!("{signed}.{}", good.rsplit_once('.').unwrap().1);
    assert!(open(&mixed).is_err(), "another token's signature was taken");
}

#[test]
fn a_clinic_suspended_in_march_and_reinstated_in_may_stood_before_and_stands_after() {
    let first = issue(clinic(), "H-1");
    let register = known(vec![
        later(&first, LicenceAction::Reinstate, "2026-05-01"),
        first.clone(),
        later(&first, LicenceAction::Suspend, "2026-03-01"),
    ]);
    let standing = |day| register.standing(&clinic(), at(day));
    let stands = || Standing::Stands { until: first.until, restrictions: vec![] };
    assert_eq!(standing("2025-12-31"), Standing::NotYet);
    assert_eq!(standing("2026-02-28"), stands(), "a suspension undid the day before it");
    assert_eq!(standing("2026-04-15"), Standing::Suspended { since: at("2026-03-01") });
    assert_eq!(standing("2026-05-01"), stands());
    assert_eq!(standing("2028-01-01"), Standing::Expired { since: at("2028-01-01") });
    let order: Vec<LicenceAction> =
        register.history(&clinic()).iter().map(|held| held.line.event.action).collect();
    let [issue, suspend, reinstate] =
        [LicenceAction::Issue, LicenceAction::Suspend, LicenceAction::Reinstate];
    assert_eq!(order, [issue, suspend, reinstate], "a history out of its order");
}

#[test]
fn a_suspension_that_is_dated_back_counts_from_its_decision() {
    let first = issue(clinic(), "H-1");
    let mut suspended = later(&first, LicenceAction::Suspend, "2026-02-01");
    suspended.decided_at = at("2026-06-01");
    let register = known(vec![first, suspended]);
    assert!(register.standing(&clinic(), at("2026-05-31")).stands(), "yesterday was undone");
    let since = at("2026-06-01");
    assert_eq!(register.standing(&clinic(), since), Standing::Suspended { since });
}

#[test]
fn conditions_add_up_and_a_reinstatement_lifts_them_last() {
    let first = LicenceEvent { restriction: Some("by day".into()), ..issue(clinic(), "H-1") };
    let mut restricted = later(&first, LicenceAction::Restrict, "2026-02-01");
    restricted.restriction = Some("no surgery".to_owned());
    let again = |action, day| LicenceEvent { restriction: None, ..later(&first, action, day) };
    let register = known(vec![
        first.clone(),
        restricted,
        again(LicenceAction::Suspend, "2026-03-01"),
        again(LicenceAction::Reinstate, "2026-04-01"),
        again(LicenceAction::Reinstate, "2026-05-01"),
    ]);
    let conditions = |day| {
        let standing = register.standing(&clinic(), at(day));
        let Standing::Stands { restrictions, .. } = standing else { panic!("{standing}, {day}") };
        restrictions
    };
    assert_eq!(conditions("2026-01-01"), ["by day"]);
    assert_eq!(conditions("2026-02-01"), ["by day", "no surgery"]);
    assert_eq!(conditions("2026-04-01"), ["by day", "no surgery"], "a suspension lifted them");
    assert!(conditions("2026-05-01").is_empty());
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    let first = issue(clinic(), "H-1");
    let other = Holder::Institution(InstitutionId::parse("lake-county").unwrap());
    let revoked = later(&first, LicenceAction::Revoke, "2026-06-01");
    let strange = LicenceEvent { class: "laboratory".into(), ..revoked.clone() };
    let register = known(vec![
        first.clone(),
        later(&first, LicenceAction::Renew, "2025-06-01"),
        later(&first, LicenceAction::Reinstate, "2026-03-01"),
        LicenceEvent { from: at("2026-04-01"), holder: other, ..first.clone() },
        LicenceEvent { from: at("2026-05-01"), ..first.clone() },
        strange,
        revoked,
        later(&first, LicenceAction::Reinstate, "2026-07-01"),
        later(&first, LicenceAction::Renew, "2026-08-01"),
    ]);
    let refusals: Vec<Option<Refusal>> = register.held().iter().map(|held| held.refused).collect();
    assert_eq!(
        refusals,
        [
            None,
            Some(Refusal::NotIssued),
            Some(Refusal::NothingToReinstate),
            Some(Refusal::OtherHolder),
            Some(Refusal::Issued),
            Some(Refusal::OtherClass),
            None,
            Some(Refusal::Revoked),
            Some(Refusal::Revoked),
        ]
    );
    let since = at("2026-06-01");
    assert_eq!(register.standing(&clinic(), at("2026-09-01")), Standing::Revoked { since });
}

#[test]
fn only_the_issuer_of_a_licence_decides_on_it() {
    let rival = Signer::from_seed("rival.example/licences", &[7; 32]).unwrap();
    let first = issue(clinic(), "H-1");
    let mut theirs = later(&first, LicenceAction::Revoke, "2026-03-01");
    theirs.issuer = "rival.example/licences".to_owned();
    let mut register = trusting(&board());
    let vkey = rival.verifier().vkey();
    let trusted = Trusted { vkey, change: TrustChange::Added, from: None };
    register.trust(&trusted, at("2025-01-01"), 2).unwrap();
    let lines = vec![line(first, &board()), line(theirs.clone(), &rival)];
    let register = register.with(at("2026-10-01"), lines);
    let refused: Vec<Option<Refusal>> = register.held().iter().map(|held| held.refused).collect();
    assert_eq!(refused, [None, Some(Refusal::NotTheIssuer)]);
    assert!(register.standing(&clinic(), at("2026-10-01")).stands());
    // Under the board's name, the rival's key is nobody's.
    theirs.issuer = BOARD.to_owned();
    let register = register.with(at("2026-10-01"), vec![line(theirs, &rival)]);
    assert_eq!(register.held().last().unwrap().refused, Some(Refusal::Untrusted));
}

#[test]
fn the_best_of_several_licences_counts_and_keys_come_from_those_that_stand() {
    let key = |seed| Signer::from_seed("north.example/log", &[seed; 32]).unwrap();
    let vkey = |seed| Some(key(seed).verifier().vkey());
    let hospital = LicenceEvent { key: vkey(1), ..issue(clinic(), "H-1") };
    let laboratory =
        LicenceEvent { key: vkey(2), class: "laboratory".into(), ..issue(clinic(), "L-1") };
    let mut renewed = later(&laboratory, LicenceAction::Renew, "2026-07-01");
    renewed.key = vkey(3);
    let revoked = later(&hospital, LicenceAction::Revoke, "2026-03-01");
    let register = known(vec![hospital, laboratory, revoked, renewed]);
    let id = InstitutionId::parse("north-shore").unwrap();
    let keys =
        |day| -> Vec<String> { register.keys(&id, at(day)).iter().map(Verifier::vkey).collect() };
    let expect = |seeds: &[u8]| -> Vec<String> {
        seeds.iter().map(|seed| key(*seed).verifier().vkey()).collect()
    };
    assert_eq!(keys("2026-02-01"), expect(&[1, 2]));
    assert_eq!(keys("2026-03-01"), expect(&[2]), "a revoked licence's key still signs");
    assert_eq!(keys("2026-07-01"), expect(&[3]), "a renewed key did not take the old one's place");
    assert!(register.standing(&clinic(), at("2026-10-01")).stands());
}

/// A register that holds a clinic's credential, and the board's list of suspensions as of a day.
fn listed(day: &str, set: bool, more: Vec<LicenceEvent>) -> (Licences, StatusList) {
    let first = issue(clinic(), "H-1");
    let status = trusting(&board()).entries(BOARD, "H-1", &[3; 32]);
    let mut given = line(first.clone(), &board());
    given.credential = Some(write_licence(&first, &status, &board()).unwrap());
    let mut lines = vec![given];
    lines.extend(more.into_iter().map(|event| line(event, &board())));
    let register = trusting(&board()).with(at("2026-10-01"), lines);
    let places: BTreeSet<u64> = status.iter().map(|entry| entry.index).filter(|_| set).collect();
    let suspension = StatusPurpose::Suspension;
    let token = write_list(suspension, (&places, 0), at(day), &board()).unwrap();
    match open(&token).unwrap() {
        Credential::List(list) => (register, list),
        Credential::Licence(_) => panic!("a list was taken for a licence"),
    }
}

fn told(register: &Licences, list: &StatusList) -> Vec<LicenceEvent> {
    let lines = register.told_by(list, Sha3Digest::of(b"list"));
    lines.into_iter().map(|line| line.event).collect()
}

#[test]
fn a_set_bit_suspends_as_of_its_lists_time_and_says_it_once() {
    let (register, list) = listed("2026-03-01", true, vec![]);
    let told = told(&register, &list);
    let suspended = later(&issue(clinic(), "H-1"), LicenceAction::Suspend, "2026-03-01");
    assert_eq!(told, [suspended]);
    let (register, list) = listed("2026-04-01", true, told);
    assert!(self::told(&register, &list).is_empty(), "the same suspension was told twice");
    let (register, list) = listed("2026-03-01", false, vec![]);
    assert!(self::told(&register, &list).is_empty(), "a cleared bit told something");
}

#[test]
fn a_list_older_than_a_reinstatement_does_not_undo_it() {
    let first = issue(clinic(), "H-1");
    let suspended = later(&first, LicenceAction::Suspend, "2026-03-01");
    let reinstated = later(&first, LicenceAction::Reinstate, "2026-05-01");
    // The site learns of both by credentials, and only then of the list of April.
    let (register, list) = listed("2026-04-01", true, vec![suspended.clone(), reinstated.clone()]);
    assert!(told(&register, &list).is_empty());
    // Even where the list is all it ever heard of the suspension, May comes after it.
    let (register, list) = listed("2026-04-01", true, vec![reinstated]);
    let lines: Vec<LicenceLine> =
        told(&register, &list).into_iter().map(|event| line(event, &board())).collect();
    assert_eq!(lines.len(), 1);
    let register = register.with(at("2026-10-01"), lines);
    assert!(!register.standing(&clinic(), at("2026-04-15")).stands());
    assert!(register.standing(&clinic(), at("2026-05-01")).stands(), "an old list undid May");
    // A newer list with the bit cleared ends the suspension by its own time.
    let (register, list) = listed("2026-06-01", false, vec![suspended]);
    let ended = told(&register, &list);
    assert_eq!(ended, [later(&first, LicenceAction::Reinstate, "2026-06-01")]);
}

#[test]
fn a_list_of_the_future_another_purpose_or_another_list_tells_nothing() {
    let suspension = StatusPurpose::Suspension;
    let token = write_list(suspension, (&BTreeSet::new(), 0), at("2026-11-27"), &board()).unwrap();
    assert!(matches!(open(&token), Err(CredentialError::Future { .. })));
    let (register, mut list) = listed("2026-03-01", true, vec![]);
    list.id.push('x');
    assert!(told(&register, &list).is_empty(), "another list's bit was taken");
    let (register, mut list) = listed("2026-03-01", true, vec![]);
    list.issuer = "rival.example/licences".to_owned();
    assert!(told(&register, &list).is_empty(), "another issuer's bit was taken");
}

#[test]
fn a_thousand_licences_have_a_thousand_places_that_stay() {
    let mut register = trusting(&board());
    let mut places = BTreeSet::new();
    let mut lines = Vec::new();
    for number in 0..1000 {
        let event = issue(clinic(), &format!("H-{number}"));
        let status = register.entries(BOARD, &event.licence, &[3; 32]);
        places.insert(status[0].index);
        let mut line = line(event.clone(), &board());
        line.credential = Some(write_licence(&event, &status, &board()).unwrap());
        lines.push(line.clone());
        if number % 100 == 99 {
            register = register.with(at("2026-01-01"), std::mem::take(&mut lines));
        }
    }
    // Within a hundred that were not told of each other, two may meet; in the register none do.
    assert!(places.len() > 990, "places are not spread");
    let entry = register.entries(BOARD, "H-7", &[9; 32]);
    assert_eq!(entry, register.entries(BOARD, "H-7", &[3; 32]), "a place moved");
}

#[test]
fn a_credential_shows_its_holder_as_the_register_knows_better() {
    let first = issue(clinic(), "H-1");
    let token = write_licence(&first, &[], &board()).unwrap();
    let now = at("2026-04-01");
    let shown = |register: &Licences, holder: &Holder| register.shown_by(&token, holder, now);
    let blank = trusting(&board());
    assert!(shown(&blank, &clinic()).unwrap().stands());
    let other = Holder::Institution(InstitutionId::parse("lake-county").unwrap());
    assert_eq!(shown(&blank, &other), Ok(Standing::Unknown), "a borrowed licence was taken");
    let suspended = later(&first, LicenceAction::Suspend, "2026-03-01");
    let register = known(vec![first, suspended]);
    assert!(!shown(&register, &clinic()).unwrap().stands(), "an old credential hid a suspension");
    let stranger = Licences::default();
    assert_eq!(shown(&stranger, &clinic()), Err(CredentialError::Untrusted));
}

#[test]
fn no_debug_text_names_a_practitioner() {
    let doctor = Holder::practitioner("1234567893").unwrap();
    let event = issue(doctor, "P-7");
    let mut line = line(event.clone(), &board());
    line.credential = Some(write_licence(&event, &[], &board()).unwrap());
    let text = format!("{event:?} {line:?}");
    for secret in ["1234567893", "P-7", "eyJ"] {
        assert!(!text.contains(secret), "a log line would name the practitioner: {text}");
    }
}

#[test]
fn the_practitioners_of_synthea_have_no_valid_identifier() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/data/synthea-r4-multi/Practitioner.ndjson.zst");
    let Ok(opened) = std::fs::File::open(&file) else {
        println!("skipped: ../shared/data is absent");
        return;
    };
    let mut text = String::new();
    zstd::Decoder::new(opened).unwrap().read_to_string(&mut text).unwrap();
    let (mut good, mut bad) = (0, 0);
    for line in text.lines() {
        let practitioner: Value = serde_json::from_str(line).unwrap();
        let npi = practitioner["identifier"]
            .as_array()
            .unwrap()
            .iter()
            .find(|identifier| identifier["system"] == "http://hl7.org/fhir/sid/us-npi");
        let npi = npi.unwrap()["value"].as_str().unwrap();
        // Kept all the same.
        assert!(Holder::practitioner(npi).is_ok());
        if is_npi(npi) { good += 1 } else { bad += 1 }
    }
    assert_eq!((good, bad), (0, 102));
}
