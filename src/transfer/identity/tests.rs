//! Who is taken for whom: twins, movers, typing errors, strangers; and all patients of the real data.

use std::{fs::File, io::BufRead as _, path::Path};

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::{party::InstitutionId, transfer::TransferKey};

const TRANSFER: TransferId = TransferId([7; 16]);
const NONCE: Nonce = Nonce([9; 32]);

fn pair_of(a: &str, b: &str) -> PairSecret {
    let end = |name: &str| {
        let seed = Sha256::of(name.as_bytes()).0;
        (InstitutionId::parse(name).unwrap(), TransferKey::derive(&seed))
    };
    let ((a, key), (b, other)) = (end(a), end(b));
    PairSecret::of(&a, &key, &b, &other.public()).unwrap()
}

fn patient() -> Value {
    let number = |code: &str, system: &str, value: &str| json!({"type": {"coding": [{"code": code}]}, "system": system, "value": value});
    json!({"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1980-05-17",
        "name": [{"use": "official", "family": "Aalto", "given": ["Helmi"]}],
        "address": [{"line": ["4 Birch Road"], "city": "Salem", "postalCode": "01970"}],
        "telecom": [{"system": "phone", "value": "978-555-0134"}],
        "identifier": [number("SS", "urn:ssn", "123-45-6789"), number("DL", "urn:ma", "S1234567"),
            number("MR", "urn:a", "MR-1")]})
}

/// The patient with members put in place of her own; null takes one away.
fn but(changes: &Value) -> Value {
    let mut other = patient();
    for (name, value) in changes.as_object().unwrap() {
        other[name] = value.clone();
    }
    other
}

/// What A makes of what B shows: A holds `own`, B holds `other`.
fn meet(own: &Value, other: &Value) -> Match {
    let pair = pair_of("north", "lake");
    let shown = evidence(&pair, &TRANSFER, &NONCE, &Demographics::of(other));
    judge(&pair, &TRANSFER, &NONCE, &shown, &Demographics::of(own))
}

fn conflicts(found: &Match) -> Vec<Conflict> {
    found.conflicts.iter().copied().collect()
}

fn named(given: &str) -> Value {
    json!([{"family": "Aalto", "given": [given]}])
}

#[test]
fn the_same_patient_is_matched_and_a_record_number_plays_no_part() {
    let found = meet(&patient(), &patient());
    assert!(found.is_the_patient(), "{found:?}");
    assert_eq!(found.weight(), 20, "document 10, contacts 5, name 3, birth 2");
    let other = but(&json!({"identifier": [
        {"type": {"coding": [{"code": "MR"}]}, "system": "urn:a", "value": "MR-2"}]}));
    assert!(meet(&patient(), &other).is_the_patient(), "each institution has its own");
}

#[test]
fn twins_are_never_taken_for_each_other_whatever_their_records_lack() {
    let bare = |given: &str| but(&json!({"name": named(given), "identifier": null}));
    let found = meet(&bare("Helmi"), &bare("Aino"));
    assert_eq!(conflicts(&found), [Conflict::Given], "a twin's record would go");
    // Names that sound alike, or that one is short for: no conflict, and yet not enough.
    for (one, other) in [("Maria", "Marie"), ("Anna", "Annie"), ("Joan", "Joann")] {
        let found = meet(&bare(one), &bare(other));
        assert!(found.conflicts.is_empty() && !found.is_the_patient(), "{one} and {other}");
        assert_eq!(found.weight(), 7, "birth 2 and contacts 5");
    }
    let mut other = but(&json!({"name": named("Helmi")}));
    other["identifier"][0]["value"] = json!("987-65-4321");
    let found = meet(&patient(), &other);
    assert_eq!(conflicts(&found), [Conflict::Identifier], "another number is another person");
    let brother = but(&json!({"name": named("Helmo"), "gender": "male"}));
    assert_eq!(conflicts(&meet(&patient(), &brother)), [Conflict::Sex]);
}

#[test]
fn another_day_of_birth_is_another_person_whatever_else_agrees() {
    let found = meet(&patient(), &but(&json!({"birthDate": "1980-05-18"})));
    assert_eq!(conflicts(&found), [Conflict::Birth]);
    let month = meet(&patient(), &but(&json!({"birthDate": "1980-05"})));
    assert!(month.is_the_patient() && !month.floor.birth_date, "a month agrees with no day");
}

#[test]
fn one_who_moved_is_known_by_a_number_and_not_without_one() {
    let away = json!([{"line": ["9 Far Street"], "city": "Worcester", "postalCode": "01602"}]);
    let moved = but(&json!({"address": away, "telecom": null}));
    let found = meet(&patient(), &moved);
    assert!(found.is_the_patient() && !found.floor.address, "{found:?}");
    let mut without = moved.clone();
    without["identifier"] = json!([patient()["identifier"][0].clone()]);
    assert_eq!(meet(&patient(), &without).weight(), 9, "social security, name and birth suffice");
    without["identifier"] = Value::Null;
    let found = meet(&patient(), &without);
    assert_eq!((found.weight(), found.is_the_patient()), (5, false), "a namesake would be matched");
}

#[test]
fn a_typing_error_in_a_name_needs_a_document_and_is_found_by_its_sound() {
    let typed = json!([{"family": "Aaltoo", "given": ["Hellmi"]}]);
    let typo = but(&json!({"name": typed}));
    let found = meet(&patient(), &typo);
    assert!(found.is_the_patient() && !found.floor.name, "{found:?}");
    let bare = but(&json!({"name": typed, "identifier": null}));
    let found = meet(&patient(), &bare);
    assert!(found.conflicts.is_empty() && !found.is_the_patient(), "no name agrees");
    let pair = pair_of("north", "lake");
    let mut roll = Roll::default();
    roll.add(&pair, "b-7", &Demographics::of(&bare));
    let offered = tokens(&pair, &Demographics::of(&but(&json!({"identifier": null}))));
    assert_eq!(roll.find(&offered), Found::One("b-7".to_owned()), "nobody would be asked");
}

#[test]
fn an_initial_is_no_conflict_with_the_name_and_agrees_with_none() {
    let found = meet(&patient(), &but(&json!({"name": named("H.")})));
    assert!(found.is_the_patient() && !found.floor.name);
    let other = meet(&patient(), &but(&json!({"name": named("K.")})));
    assert_eq!(conflicts(&other), [Conflict::Given]);
}

#[test]
fn evidence_for_another_nonce_transfer_or_pair_proves_nothing() {
    let (pair, who) = (pair_of("north", "lake"), Demographics::of(&patient()));
    let others = [
        evidence(&pair, &TRANSFER, &Nonce([1; 32]), &who),
        evidence(&pair, &TransferId([1; 16]), &NONCE, &who),
        evidence(&pair_of("north", "third"), &TRANSFER, &NONCE, &who),
    ];
    for shown in others {
        let found = judge(&pair, &TRANSFER, &NONCE, &shown, &who);
        assert!(!found.is_the_patient() && found.weight() == 0, "a replay would be a match");
    }
    assert_eq!(tokens(&pair, &who), tokens(&pair_of("lake", "north"), &who), "B would find nobody");
}

#[test]
fn guessing_at_a_field_is_seen() {
    let (pair, own) = (pair_of("north", "lake"), Demographics::of(&patient()));
    let guess = |day: u32| {
        let other = but(&json!({"birthDate": format!("1980-05-{day:02}")}));
        evidence(&pair, &TRANSFER, &NONCE, &Demographics::of(&other))
    };
    let mut shown: Vec<Evidence> = (10..20).flat_map(guess).collect();
    shown.dedup();
    let found = judge(&pair, &TRANSFER, &NONCE, &shown, &own);
    assert_eq!(conflicts(&found), [Conflict::Guesses], "ten birthdays would be tried at once");
}

#[test]
fn b_finds_one_none_or_several_and_a_number_makes_one_stand_out() {
    let pair = pair_of("north", "lake");
    let roll = |patients: &[(&str, &Value)]| {
        let mut roll = Roll::default();
        for (local, own) in patients {
            roll.add(&pair, local, &Demographics::of(own));
        }
        roll
    };
    let offered = tokens(&pair, &Demographics::of(&patient()));
    let stranger = but(&json!({"name": named("Aino"), "identifier": null}));
    let mut narrow = Roll::looking_for(&offered);
    for (local, own) in [("s", &stranger), ("own", &patient())] {
        narrow.add(&pair, local, &Demographics::of(own));
    }
    assert_eq!(narrow.locals, ["own"], "who bears none of the tokens takes memory");
    assert_eq!(narrow.find(&offered), Found::One("own".to_owned()));
    assert_eq!(roll(&[("s", &stranger)]).find(&offered), Found::Nobody, "only A knows her");
    let namesake = but(&json!({"identifier": null, "address": null, "telecom": null}));
    let both = [("n", &namesake), ("s", &stranger)];
    assert_eq!(roll(&both).find(&offered), Found::One("n".to_owned()));
    let [own, twice] = [patient(), namesake.clone()];
    let found = roll(&[("n", &namesake), ("m", &twice)]).find(&offered);
    assert_eq!(found, Found::Several(2), "one of two would be picked");
    let found = roll(&[("n", &namesake), ("own", &own)]).find(&offered);
    assert_eq!(found, Found::One("own".to_owned()), "the number says which");
    let found = roll(&[("own", &own), ("again", &own)]).find(&offered);
    assert_eq!(found, Found::Several(2), "a patient registered twice is for a person to look at");
}

/// The patients of the real data by their ids; for each organisation, whom it saw.
struct Real {
    patients: BTreeMap<String, Value>,
    seen: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Encounter {
    subject: Reference,
    service_provider: Option<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    reference: String,
}

fn real() -> Option<Real> {
    let folders = ["../shared/data/synthea-r4-multi", "../../shared/data/synthea-r4-multi"];
    let Some(folder) = folders.iter().map(Path::new).find(|path| path.is_dir()) else {
        println!("skipped: ../shared/data/synthea-r4-multi is absent");
        return None;
    };
    let lines = |name: &str| {
        let file = File::open(folder.join(name)).unwrap();
        std::io::BufReader::new(zstd::Decoder::new(file).unwrap()).lines().map(Result::unwrap)
    };
    let patients = lines("Patient.ndjson.zst").map(|line| {
        let patient: Value = serde_json::from_str(&line).unwrap();
        (patient["id"].as_str().unwrap().to_owned(), patient)
    });
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in lines("Encounter.ndjson.zst") {
        let encounter: Encounter = serde_json::from_str(&line).unwrap();
        let Some(provider) = encounter.service_provider else { continue };
        let who = encounter.subject.reference.trim_start_matches("Patient/").to_owned();
        seen.entry(provider.reference).or_default().insert(who);
    }
    Some(Real { patients: patients.collect(), seen })
}

#[test]
fn all_real_patients_of_two_institutions_are_matched_and_no_wrong_one_is() {
    let Some(Real { patients, seen }) = real() else { return };
    let who: BTreeMap<&str, Demographics> =
        patients.iter().map(|(id, own)| (id.as_str(), Demographics::of(own))).collect();
    let (mut shared, mut matched, mut strangers, mut people) = (0, 0, 0, BTreeSet::new());
    for (a, at_a) in &seen {
        for (b, at_b) in seen.iter().filter(|(b, at_b)| *b != a && !at_a.is_disjoint(at_b)) {
            let pair = pair_of(a, b);
            let mut roll = Roll::default();
            for id in at_b {
                roll.add(&pair, id, &who[id.as_str()]);
            }
            for id in at_a {
                let own = &who[id.as_str()];
                let found = roll.find(&tokens(&pair, own));
                if !at_b.contains(id) {
                    strangers += 1;
                    assert_eq!(found, Found::Nobody, "B would show evidence of somebody else");
                    continue;
                }
                shared += 1;
                people.insert(id);
                let Found::One(local) = found else { continue };
                let shown = evidence(&pair, &TRANSFER, &NONCE, &who[local.as_str()]);
                let is_match = judge(&pair, &TRANSFER, &NONCE, &shown, own).is_the_patient();
                matched += usize::from(local == *id && is_match);
                assert!(local == *id || !is_match, "a wrong patient's record would be released");
            }
        }
    }
    println!(
        "{} people at several institutions, {shared} offers of shared patients: {matched} matched; \
         {strangers} offers of patients whom the other side does not know",
        people.len()
    );
    assert_eq!(matched, shared, "a shared patient was not found");
    assert!(people.len() > 200 && strangers > 1000, "the real data are not what they were");
}

/// A slip, and what it does to a record.
type Slip = (&'static str, fn(&mut Value));

/// Records of the real patients as another institution may have written them down.
const SLIPS: [Slip; 5] = [
    ("as they are", |_| {}),
    ("moved, with another telephone", |own| {
        own["address"] =
            json!([{"line": ["1 New Lane"], "city": "Elsewhere", "postalCode": "99999"}]);
        own["telecom"] = Value::Null;
    }),
    ("family name with a letter doubled", |own| {
        let name = own["name"][0]["family"].as_str().unwrap().to_owned();
        own["name"][0]["family"] = json!(format!("{}{name}", name.chars().next().unwrap()));
    }),
    ("no number but the record number", |own| own["identifier"] = Value::Null),
    ("another given name, no number: a twin", |own| {
        own["name"] = json!([{"family": own["name"][0]["family"], "given": ["Zebulon"]}]);
        own["identifier"] = Value::Null;
    }),
];

#[test]
fn of_all_pairs_of_real_patients_none_is_wrong_however_the_records_slip() {
    let Some(Real { patients, .. }) = real() else { return };
    let pair = pair_of("north", "lake");
    let own: Vec<(Demographics, Vec<Evidence>)> = patients
        .values()
        .map(Demographics::of)
        .map(|own| (own.clone(), evidence(&pair, &TRANSFER, &NONCE, &own)))
        .collect();
    for (words, slip) in SLIPS {
        let others: Vec<Vec<Evidence>> = patients
            .values()
            .map(|other| {
                let mut other = other.clone();
                slip(&mut other);
                evidence(&pair, &TRANSFER, &NONCE, &Demographics::of(&other))
            })
            .collect();
        // Whoever shares nothing that weighs has no weight: only the others are compared.
        let weighs = |one: &&Evidence| !matches!(one.field.as_str(), "sex" | "given-initial");
        let mut holders: BTreeMap<Sha256, Vec<usize>> = BTreeMap::new();
        for (at, shown) in others.iter().enumerate() {
            shown.iter().filter(weighs).for_each(|e| holders.entry(e.mac).or_default().push(at));
        }
        let (mut right, mut compared) = (0, 0);
        for (at, (who, shown)) in own.iter().enumerate() {
            let near: BTreeSet<usize> = shown
                .iter()
                .filter(weighs)
                .flat_map(|one| holders.get(&one.mac).into_iter().flatten().copied())
                .collect();
            for other in near {
                compared += 1;
                let is_match = compare(shown, &others[other], who).is_the_patient();
                assert!(other == at || !is_match, "{words}: a wrong patient was matched");
                right += usize::from(other == at && is_match);
            }
        }
        println!("{words}: {right} of {} matched, {compared} pairs compared", own.len());
        if words.ends_with("twin") {
            assert_eq!(right, 0, "a twin would be matched");
        } else {
            assert!(right * 100 >= own.len() * 75, "{words}: too few are known again");
        }
    }
}
