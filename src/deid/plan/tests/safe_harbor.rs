//! Safe harbour, 45 CFR 164.514(b)(2): what it refuses, and by which paragraph.

use super::*;

fn safe() -> Settings {
    Settings { profile: Profile::SafeHarbor, ..settings() }
}

fn plan_of(columns: Vec<Column>) -> Result<Plan, Vec<PlanFault>> {
    Plan::read(&[table("t", columns)], &safe())
}

/// Returns what a column is refused for; each refusal must name a paragraph and what to do.
#[track_caller]
fn letters(column: Column) -> String {
    let (name, deid) = (column.name.clone(), column.deid.clone());
    let Err(faults) = plan_of(vec![column]) else { panic!("`{name}` would leave by {deid:?}") };
    let letter = |fault: &PlanFault| {
        assert!(!fault.hint.is_empty(), "{fault} comes without a hint");
        let (_, rest) = fault
            .message
            .split_once("45 CFR 164.514(b)(2)(i)(")
            .unwrap_or_else(|| panic!("{fault} names no paragraph"));
        rest.chars().next().unwrap()
    };
    faults.iter().map(letter).collect()
}

#[track_caller]
fn let_through(column: Column) {
    if let Err(faults) = plan_of(vec![column]) {
        panic!("{} {}", faults[0], faults[0].hint);
    }
}

fn kept(column: Column) -> Column {
    with(column, "kernel = 'keep'\nallow = 'we asked, and it is fine'")
}

#[test]
fn each_of_the_eighteen_is_refused_by_its_paragraph_and_no_permission_helps() {
    for (letter, names) in [
        ('A', &["last_name", "FIRST", "maiden", "mother", "employer", "next_of_kin"][..]),
        ('B', &["ADDRESS", "street", "CITY", "county", "precinct", "ZIP", "geocode", "birthplace"]),
        ('C', &["birth_month", "visit_date", "admission_month", "weekday", "age_text"]),
        ('D', &["phone", "mobile", "spouse_phone", "employer_telephone"]),
        ('E', &["fax", "FAX_NUMBER"]),
        ('F', &["email", "e-mail", "guardianEmail"]),
        ('G', &["ssn", "social_security_no", "SpouseSSN"]),
        ('H', &["mrn", "medical_record", "patient_number"]),
        ('I', &["member_id", "medicare_no", "beneficiary", "policy_number"]),
        ('J', &["account", "iban", "credit_card"]),
        ('K', &["licence", "license_number", "DRIVERS", "certificate_no"]),
        ('L', &["vin", "license_plate", "vehicle"]),
        ('M', &["device_serial", "udi", "imei", "device_id"]),
        ('N', &["url", "homepage"]),
        ('O', &["ip", "ip_address"]),
        ('P', &["fingerprint", "voice_print", "biometric"]),
        ('Q', &["photo", "portrait", "face_image"]),
        ('R', &["passport", "national_id", "study_code", "remark", "visit_id"]),
    ] {
        for name in names {
            for role in [Role::Measure, Role::Sensitive, Role::Quasi] {
                for column in [column(name, Text, role), kept(column(name, Text, role))] {
                    let found = letters(column);
                    assert!(found.starts_with(letter), "`{name}` is refused by ({found})");
                }
            }
            let hashed =
                with(column(name, Text, Role::Direct), "kernel = 'pseudonym'\ndomain = 'x'");
            assert!(letters(hashed).contains('R'), "a keyed hash of `{name}` leaves");
            let_through(column(name, Text, Role::Direct));
        }
    }
}

#[test]
fn what_is_of_relatives_employers_and_the_household_is_refused_in_their_name() {
    for name in ["employer_phone", "mothers_maiden_name", "SpouseSSN", "guarantor_address"] {
        let faults = plan_of(vec![column(name, Text, MEASURE)]).unwrap_err();
        let said = faults[0].to_string();
        assert!(said.contains("a relative, an employer or a member of the household"), "{said}");
    }
}

#[test]
fn no_element_of_a_date_stays_but_its_year() {
    for kind in [Date, Timestamp] {
        assert_eq!(letters(column("START", kind, MEASURE)), "C");
        assert_eq!(letters(kept(column("START", kind, Role::Quasi))), "C");
        assert_eq!(letters(with(column("START", kind, MEASURE), "kernel = 'shift-date'")), "C");
        let_through(with(column("START", kind, MEASURE), "kernel = 'year'"));
    }
    assert_eq!(letters(with(column("BIRTHDATE", Date, MEASURE), "kernel = 'shift-date'")), "C");
    let_through(with(column("BIRTHDATE", Date, Role::Quasi), "kernel = 'year'"));
    for name in ["admission_month", "discharge_year", "day", "visit_date"] {
        let found = letters(column(name, Int, MEASURE));
        assert!(found.starts_with('C'), "`{name}` is refused by ({found})");
    }
    let_through(with(column("discharge_year", Int, MEASURE), "kernel = 'year'"));
    let mut supply = column("dose_per_day", Int, MEASURE);
    supply.unit = Some("mg/d".to_owned());
    let_through(supply);
}

#[test]
fn ages_over_89_are_one_class_and_no_sum_tells_them() {
    assert!(letters(column("age", Int, Role::Quasi)).contains('C'));
    let_through(with(column("age", Int, Role::Quasi), "kernel = 'age'"));
    let_through(with(column("age", Int, Role::Quasi), "kernel = 'band'\nwidth = 5\ntop = 90"));
    let age = || with(column("age", Int, Role::Quasi), "kernel = 'age'");
    let event = || with(column("admitted", Date, MEASURE), "kernel = 'year'");
    let birth = || with(column("BIRTHDATE", Date, Role::Quasi), "kernel = 'year'");
    let other = table("visits", vec![event()]);
    for tables in [vec![table("t", vec![age(), event()])], vec![table("t", vec![age()]), other]] {
        let faults = Plan::read(&tables, &safe()).unwrap_err();
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].column.as_deref(), Some("age"));
        assert!(faults[0].message.contains("45 CFR 164.514(b)(2)(i)(C)"), "{}", faults[0]);
    }
    assert!(plan_of(vec![birth(), event()]).is_ok(), "years that are capped tell no such age");
    assert!(plan_of(vec![birth(), age()]).is_ok(), "an age of an unknown day tells no year");
}

#[test]
fn a_place_stays_as_a_listed_prefix_or_not_at_all() {
    let_through(with(column("ZIP", Text, Role::Quasi), "kernel = 'zip3'"));
    for deid in ["kernel = 'prefix'\nlength = 3", "kernel = 'keep'\nallow = 'x'"] {
        assert!(letters(with(column("ZIP", Text, Role::Quasi), deid)).contains('B'));
    }
    for name in ["lat", "longitude"] {
        let rounded = with(column(name, Float, Role::Quasi), "kernel = 'round'\nto = '1'");
        assert!(letters(rounded).contains('B'), "a rounded point is a place smaller than a state");
    }
    let mut county = column("county", Text, Role::Quasi);
    county.code_system = Some("urn:fips".to_owned());
    assert!(letters(county).contains('B'), "a code of a county is a county");
}

#[test]
fn a_column_that_nobody_classified_is_refused() {
    for column in [
        column("finding", Text, Role::Quasi),
        with(column("finding", Text, Role::Quasi), "kernel = 'prefix'\nlength = 3"),
        column("score", Int, MEASURE),
        column("score", Float, Role::Sensitive),
        with(column("score", Int, MEASURE), "kernel = 'round'\nto = '1'"),
        with(column("score", Int, MEASURE), "kernel = 'band'\nwidth = 1"),
    ] {
        assert_eq!(letters(column), "R");
    }
    let classified = |set: fn(&mut Column)| {
        let mut all = [column("finding", Text, Role::Quasi), column("score", Int, MEASURE)];
        all.iter_mut().for_each(set);
        all
    };
    for column in classified(|column| column.codes = vec!["1".to_owned()]) {
        let_through(column);
    }
    for column in classified(|column| column.code_system = Some("http://loinc.org".to_owned())) {
        let_through(column);
    }
    for set in
        [|c: &mut Column| c.unit = Some("mg".into()), |c: &mut Column| c.max = Some("9".into())]
    {
        let [_, mut score] = classified(|_| ());
        set(&mut score);
        let_through(score);
    }
    let_through(column("flag", Bool, MEASURE));
}

#[test]
fn a_key_and_what_refers_to_a_lost_one_are_refused_by_a_paragraph() {
    let mut key = column("row", Int, MEASURE);
    key.max = Some("9".to_owned());
    let mut keyed = table("t", vec![key]).as_ref().clone();
    keyed.key = vec!["row".to_owned()];
    let faults = Plan::read(&[Arc::new(keyed)], &safe()).unwrap_err();
    assert!(faults[0].message.ends_with("(R)"), "{}", faults[0]);
    let mut reference = column("visit", Text, MEASURE);
    reference.references = Some("visits.Id".to_owned());
    let tables = [table("t", vec![reference]), table("visits", Vec::new())];
    let faults = Plan::read(&tables, &safe()).unwrap_err();
    assert!(faults[0].message.ends_with("(R)"), "{}", faults[0]);
}

#[test]
fn what_others_know_and_no_class_counts_is_a_doubt() {
    let sex = |role| {
        let mut sex = column("sex", Text, role);
        sex.codes = vec!["F".to_owned(), "M".to_owned()];
        plan_of(vec![sex]).unwrap().doubts()
    };
    let doubts = sex(MEASURE);
    assert_eq!((doubts.len(), doubts[0].column.as_deref()), (1, Some("sex")));
    assert!(sex(Role::Quasi).is_empty(), "a role that suits its column is doubted");
}

#[test]
fn a_surrogate_and_parts_of_a_date_are_refused_and_a_mask_takes_no_paragraphs_place() {
    let surrogate = with(column("visit", Text, Role::Direct), "kernel = 'surrogate'\ndomain = 'v'");
    assert!(letters(surrogate).contains('R'), "a surrogate of an id leaves");
    let dates = "kernel = 'hierarchy'\nby = { dates = ['month', 'year'] }\nleast = 1";
    assert_eq!(letters(with(column("START", Date, Role::Quasi), dates)), "C");
    let by_year = "kernel = 'hierarchy'\nafter = 'year'\nby = { widths = [5, 10] }";
    let_through(with(column("BIRTHDATE", Date, Role::Quasi), by_year));
    let by_zip = "kernel = 'hierarchy'\nafter = 'zip3'\nby = { prefix = [2, 1] }";
    let_through(with(column("ZIP", Text, Role::Quasi), by_zip));
    let bare_zip = "kernel = 'hierarchy'\nby = { prefix = [3, 2] }";
    assert!(letters(with(column("ZIP", Text, Role::Quasi), bare_zip)).contains('B'));
    let noise = |mut score: Column| {
        score.max = Some("9".to_owned());
        with(score, "kernel = 'noise'\nscale = '2'")
    };
    let_through(noise(column("score", Int, MEASURE)));
    assert!(letters(noise(column("age", Int, MEASURE))).contains('C'));
    assert!(letters(noise(column("account", Int, MEASURE))).contains('J'));
    let bare = with(column("score", Int, MEASURE), "kernel = 'noise'\nscale = '2'");
    assert_eq!(letters(bare), "R");
}
