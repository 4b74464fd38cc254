//! What a consent keeps: by label, days, class and code; and what becomes of it afterwards.

use serde_json::{Map, json};

use super::*;

const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";

/// A consent of R4 to hand the record on to lake for treatment; `rules` are its exceptions.
fn consent(kind: &str, rules: &Value) -> Value {
    let purpose = json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
        "code": "TREAT"}]);
    json!({"resourceType": "Consent", "id": "c", "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope",
            "code": "patient-privacy"}]},
        "patient": {"reference": "Patient/p"}, "dateTime": "2026-01-10",
        "provision": {"type": kind, "purpose": if kind == "permit" { purpose } else { json!([]) },
            "actor": if kind == "permit" { lake() } else { json!([]) }, "provision": rules}})
}

fn lake() -> Value {
    json!([{"role": {"coding": [{"code": "IRCP"}]},
        "reference": {"reference": "Organization/lake"}}])
}

fn asked() -> Asked {
    Asked {
        recipients: BTreeSet::from(["Organization/lake".to_owned()]),
        custodian: Some("Organization/north".to_owned()),
        purpose: "TREAT".to_owned(),
        day: "2026-11-26".parse().unwrap(),
        unlabelled: None,
    }
}

fn consents(all: &[Value]) -> Consents {
    let mut found = Consents::default();
    for own in all {
        found.add(own);
    }
    found
}

fn judged(rules: &Value) -> Consented {
    consents(&[consent("permit", rules)]).judge(&asked(), Registered::default())
}

/// The rule that keeps a resource.
fn rule(consented: &Consented, resource: &Value) -> Option<String> {
    let kind = resource["resourceType"].as_str().unwrap();
    let resource: &Map<_, _> = resource.as_object().unwrap();
    consented.keeps(&consented.facts(kind, resource))
}

fn observation(extra: &Value) -> Value {
    let mut own = json!({"resourceType": "Observation", "id": "o",
        "subject": {"reference": "Patient/p"}, "effectiveDateTime": "2020-05-05",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]}});
    own.as_object_mut().unwrap().append(&mut extra.as_object().unwrap().clone());
    own
}

fn labelled(code: &str) -> Value {
    observation(&json!({"meta": {"security": [{"system": CONFIDENTIALITY, "code": code}]}}))
}

#[test]
fn without_exceptions_everything_goes_to_whom_it_is_for_and_nothing_to_anybody_else() {
    let own = consents(&[consent("permit", &json!([]))]);
    let given = own.judge(&asked(), Registered::default());
    assert_eq!((given.refusal(), rule(&given, &labelled("V"))), (None, None));
    assert_eq!(given.documents().len(), 1);
    let to = |change: fn(&mut Asked)| {
        let mut other = asked();
        change(&mut other);
        own.judge(&other, Registered::default()).refusal().map(str::to_owned)
    };
    assert!(to(|a| a.recipients = BTreeSet::from(["Organization/x".to_owned()])).is_some());
    assert!(to(|a| a.purpose = "HMARKT".to_owned()).is_some(), "another use would be served");
    assert!(to(|a| a.purpose = "COC".to_owned()).is_none(), "care is treatment");
    assert!(consents(&[]).judge(&asked(), Registered::default()).refusal().is_some());
    let denied = consents(&[consent("deny", &json!([]))]);
    let denied = denied.judge(&asked(), Registered::default());
    assert!(denied.refusal().is_some());
    assert_eq!(rule(&denied, &labelled("N")).as_deref(), denied.refusal(), "it would go anyway");
}

#[test]
fn what_is_labelled_restricted_stays_and_so_does_what_nobody_labelled() {
    let rules = json!([{"type": "deny",
        "securityLabel": [{"system": CONFIDENTIALITY, "code": "R"}]}]);
    let given = judged(&rules);
    assert_eq!(rule(&given, &labelled("N")), None);
    assert_eq!(rule(&given, &labelled("R")).as_deref(), Some("security label R"));
    assert!(rule(&given, &labelled("V")).is_some(), "what is more restricted would go");
    let unknown = rule(&given, &observation(&json!({}))).unwrap();
    assert_eq!(unknown, "security label R (whether it applies is not known)");
    let normal = Some(Coding::new(CONFIDENTIALITY, "N"));
    let said = Asked { unlabelled: normal, ..asked() };
    let given = consents(&[consent("permit", &rules)]).judge(&said, Registered::default());
    assert_eq!(rule(&given, &observation(&json!({}))), None, "the custodian says what it is");
    assert!(rule(&given, &labelled("R")).is_some());
}

#[test]
fn what_touches_forbidden_days_stays() {
    let rules = json!([{"type": "deny", "dataPeriod": {"end": "2014"}}]);
    let given = judged(&rules);
    let on = |day: &str| rule(&given, &observation(&json!({"effectiveDateTime": day})));
    assert_eq!(on("2015-01-01"), None);
    assert_eq!(on("2014-12-31").as_deref(), Some("data before 2015-01-01"));
    assert!(on("2014").is_some() && on("2014-12").is_some());
    let stay = json!({"resourceType": "Encounter", "period": {"start": "2013-01-01",
        "end": "2016-01-01"}});
    assert!(rule(&given, &stay).is_some(), "a stay that began before would go");
    let undated = json!({"resourceType": "Observation", "id": "o"});
    assert!(rule(&given, &undated).unwrap().ends_with("is not known)"));
    let who = json!({"resourceType": "Patient", "id": "p", "birthDate": "1950-01-01"});
    assert_eq!(rule(&given, &who), None, "a birth date is no day of a record");
    let within = json!([{"type": "deny", "dataPeriod": {"start": "2014", "end": "2015"}}]);
    assert!(rule(&judged(&within), &stay).is_some(), "the days lie inside of the stay");
}

#[test]
fn only_what_is_of_a_permitted_class_goes_and_the_rule_says_what_that_is() {
    let class = |code: &str| json!({"system": "http://hl7.org/fhir/resource-types", "code": code});
    let mut only = json!([{"type": "permit", "class": [class("Observation"), class("Patient")]}]);
    only[0]["actor"] = lake();
    let given = consents(&[consent("deny", &only)]).judge(&asked(), Registered::default());
    assert_eq!(rule(&given, &labelled("N")), None);
    let stay = json!({"resourceType": "Encounter", "period": {"start": "2020"}});
    let words = "not permitted; permitted is only: class Observation or Patient";
    assert_eq!(rule(&given, &stay).as_deref(), Some(words));
    let not = judged(&json!([{"type": "deny", "class": [class("Claim")]}]));
    assert_eq!(rule(&not, &json!({"resourceType": "Claim"})).as_deref(), Some("class Claim"));
    assert_eq!(rule(&not, &stay), None);
    let odd = judged(&json!([{"type": "deny", "class": [{"system": "urn:x", "code": "notes"}]}]));
    assert!(rule(&odd, &stay).is_some(), "a class that is not understood would forbid nothing");
}

#[test]
fn a_forbidden_code_keeps_whatever_bears_it_anywhere_or_says_it_in_words_alone() {
    let hiv = json!({"system": "http://snomed.info/sct", "code": "86406008"});
    let given = judged(&json!([{"type": "deny", "code": [{"coding": [hiv.clone()]}]}]));
    assert_eq!(rule(&given, &labelled("N")), None);
    let own = observation(&json!({"code": {"coding": [hiv.clone()]}}));
    assert_eq!(rule(&given, &own).as_deref(), Some("code 86406008"));
    let within = observation(&json!({"reasonCode": [{"coding": [hiv.clone()]}]}));
    assert!(rule(&given, &within).is_some(), "the reason tells it too");
    let words = observation(&json!({"code": {"text": "a diagnosis"},
        "valueQuantity": {"system": "http://unitsofmeasure.org", "code": "1"}}));
    assert!(rule(&given, &words).is_some(), "what it is stands in words alone");
    assert_eq!(rule(&given, &json!({"resourceType": "Patient", "id": "p"})), None);
    let mut only = json!([{"type": "permit", "code": [{"coding": [hiv]}]}]);
    only[0]["actor"] = lake();
    let given = consents(&[consent("deny", &only)]).judge(&asked(), Registered::default());
    assert_eq!(rule(&given, &own), None);
    assert!(rule(&given, &within).is_some(), "a mere mention would let it go");
}

#[test]
fn a_consent_that_cannot_be_read_keeps_everything() {
    let mut odd = consent("permit", &json!([]));
    odd["provision"]["provision"] = json!([{"securityLabel": []}]);
    let both = consents(&[consent("permit", &json!([])), odd]);
    let found = both.judge(&asked(), Registered::default());
    assert_eq!(found.refusal(), Some("a consent of the patient cannot be read"));
}

#[test]
fn who_opted_out_or_withdrew_after_signing_sends_nothing() {
    let own = consents(&[consent("permit", &json!([]))]);
    let at = |text| Some(Instant::parse(text).unwrap());
    let says = |opted_out, withdrawn| {
        own.judge(&asked(), Registered { opted_out, withdrawn }).refusal().is_some()
    };
    assert!(says(true, None) && says(false, at("2026-02-01")));
    assert!(!says(false, at("2026-01-09")), "they signed after they had withdrawn");
}

#[test]
fn lines_that_were_kept_are_judged_again() {
    let lines: Vec<String> = [labelled("N"), labelled("R")].iter().map(Value::to_string).collect();
    let mut tally = Tally::default();
    for line in &lines {
        tally.add("Observation.ndjson", line.as_bytes());
    }
    let manifest = tally.manifest();
    let kept = lines.join("\n") + "\n";
    let now = |own: &Consents| {
        own.judge(&asked(), Registered::default()).again(&manifest, kept.as_bytes()).unwrap()
    };
    let first = consent("permit", &json!([]));
    assert_eq!(now(&consents(std::slice::from_ref(&first))), Again::Same);
    let newer = |kind, rules: &Value| {
        let mut newer = consent(kind, rules);
        newer["dateTime"] = json!("2026-06-01");
        consents(&[first.clone(), newer])
    };
    assert_eq!(now(&newer("permit", &json!([]))), Again::Same, "a renewal changes nothing");
    let label =
        json!([{"type": "deny", "securityLabel": [{"system": CONFIDENTIALITY, "code": "R"}]}]);
    assert_eq!(now(&newer("permit", &label)), Again::Changed(1));
    let class = json!([{"type": "deny",
        "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}]}]);
    assert!(matches!(now(&newer("permit", &class)), Again::Withdrawn(_)));
    assert!(matches!(now(&newer("deny", &json!([]))), Again::Withdrawn(_)));
    let given = consents(&[first]).judge(&asked(), Registered::default());
    let other = kept.replacen("8302-2", "8302-3", 1);
    assert_eq!(given.again(&manifest, other.as_bytes()).unwrap(), Again::Lost);
    assert_eq!(given.again(&manifest, &b"no json\n"[..]).unwrap(), Again::Lost);
}
