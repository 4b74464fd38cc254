//! What a register takes of documents, case by case, and the law that it never permits what a
//! document does not.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::consent::{
    Decision, Event, Register, Scope as Asked,
    fhir::{Data, Request, events, standing},
    sample::{date, instant, institution},
};

fn consent(provision: impl Into<Value>) -> Value {
    json!({
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"code": "research"}]},
        "patient": {"reference": "Patient/1"},
        "dateTime": "2025-01-01",
        "provision": provision.into(),
    })
}

fn research() -> Value {
    json!([{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"}])
}

fn take(value: &Value) -> Intake {
    let north = institution("north");
    take_in(&Document::parse(value).unwrap(), Some(&north))
}

fn notes(value: &Value) -> Vec<Note> {
    take(value).notes.into_iter().collect()
}

fn terms(intake: &Intake) -> Vec<String> {
    let text = |terms: &Terms| {
        let parts = [terms.purposes_text(), terms.institutions_text(), terms.categories_text()];
        parts.join(" ")
    };
    intake.grants.iter().map(|(terms, ..)| text(terms)).collect()
}

#[test]
fn a_consent_to_research_is_granted_for_its_institution_and_days() {
    let period = json!({"start": "2024-01-01", "end": "2026-12-31"});
    let value = consent(json!({"type": "permit", "purpose": research(), "period": period}));
    let intake = take(&value);
    assert_eq!(terms(&intake), ["DUO:0000006 north *"]);
    let (_, from, until) = &intake.grants[0];
    assert_eq!(*from, Some(date("2025-01-01")), "it held before it was decided");
    assert_eq!(*until, Some(date("2027-01-01")));
    assert!(intake.notes.is_empty());
    let everywhere = take_in(&Document::parse(&value).unwrap(), None);
    assert_eq!(terms(&everywhere), ["DUO:0000006 * *"]);
}

#[test]
fn r5_says_the_same_in_its_own_shape() {
    let value = json!({
        "resourceType": "Consent", "status": "active", "subject": {"reference": "Patient/1"},
        "date": "2025-01-01", "decision": "deny",
        "provision": [{"purpose": research()}],
    });
    assert_eq!(terms(&take(&value)), ["DUO:0000006 north *"], "an exception to a denial gives");
    let mut permit = value;
    permit["decision"] = json!("permit");
    let intake = take(&permit);
    assert!(intake.grants.is_empty(), "a consent that names no purpose opened research");
    assert_eq!(intake.denials.len(), 1);
}

#[test]
fn what_a_register_cannot_say_grants_nothing_and_is_told() {
    let rule = |name: &str, value: Value| {
        let mut provision = json!({"type": "permit", "purpose": research()});
        provision[name] = value;
        consent(provision)
    };
    let coding = |code: &str| json!([{"system": "x", "code": code}]);
    let actor = |role: &str, reference: &str| json!([{"role": {"coding": [{"code": role}]}, "reference": {"reference": reference}}]);
    let data = json!([{"meaning": "instance", "reference": {"reference": "Observation/1"}}]);
    let concept = json!([{"coding": [{"system": "x", "code": "1"}]}]);
    let table = [
        (rule("securityLabel", coding("R")), Note::SecurityLabel),
        (rule("data", data), Note::DataInstance),
        (rule("dataPeriod", json!({"start": "2020"})), Note::DataPeriod),
        (rule("code", concept.clone()), Note::Code),
        (rule("action", concept), Note::Act),
        (rule("class", coding("Unheard")), Note::Class),
        (rule("actor", actor("IRCP", "Organization/lab")), Note::Recipients),
        (rule("actor", actor("AUT", "Practitioner/1")), Note::Author),
        (rule("actor", actor("ODD", "Practitioner/1")), Note::ActorRole),
        (rule("purpose", coding("FooBar")), Note::PurposeUnknown),
        (rule("period", json!({"end": "2024"})), Note::Over),
        (rule("expression", json!({"language": "x"})), Note::Unread),
        (consent(json!({"type": "permit"})), Note::PurposeUnsaid),
    ];
    for (value, note) in table {
        let intake = take(&value);
        assert!(intake.grants.is_empty(), "{note:?} was granted");
        assert!(intake.notes.contains(&note), "{note:?} is not told: {:?}", intake.notes);
    }
    let elsewhere = rule("actor", actor("CST", "Organization/south"));
    assert_eq!(notes(&elsewhere), [Note::Institution]);
    assert!(take(&elsewhere).replaces.is_none(), "another institution's consent took ours away");
    assert_eq!(terms(&take(&rule("actor", actor("CST", "Organization/north")))).len(), 1);
    let act = |code: &str| {
        let system = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
        rule("purpose", json!([{"system": system, "code": code}]))
    };
    assert_eq!(notes(&act("CLINTRCH")), [Note::PurposeNarrower]);
    assert_eq!(notes(&act("TREAT")), [Note::NotResearch]);
    assert!(take(&act("TREAT")).replaces.is_none(), "a consent to care took research away");
}

#[test]
fn a_consent_to_payment_grants_payment_alone_and_a_denial_of_a_kind_of_it_takes_it_back() {
    let act = |kind: &str, code: &str| {
        let system = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
        consent(json!({"type": kind, "purpose": [{"system": system, "code": code}]}))
    };
    let granted = take(&act("permit", "HPAYMT"));
    let purposes: Vec<String> =
        granted.grants.iter().map(|(terms, ..)| terms.purposes_text()).collect();
    assert_eq!(purposes, ["HL7:HPAYMT"]);
    let replaced = granted.replaces.map(|terms| terms.purposes_text());
    assert_eq!(replaced.as_deref(), Some("HL7:HPAYMT"), "research was taken away with it");
    assert!(take(&act("permit", "COVAUTH")).grants.is_empty(), "one claim is not every payment");
    let denied = take(&act("deny", "COVAUTH"));
    assert_eq!(denied.replaces.map(|terms| terms.purposes_text()).as_deref(), Some("HL7:HPAYMT"));
}

#[test]
fn a_status_that_does_not_permit_takes_back_or_says_nothing() {
    let with = |status: &str| {
        let mut value = consent(json!({"type": "permit", "purpose": research()}));
        value["status"] = json!(status);
        take(&value)
    };
    for status in ["inactive", "rejected"] {
        let intake = with(status);
        assert!(intake.grants.is_empty() && intake.replaces.is_some(), "{status}");
    }
    for status in ["draft", "proposed"] {
        assert!(with(status).replaces.is_none(), "{status} took something away");
    }
    assert!(with("entered-in-error").is_undone);
}

#[test]
fn a_denial_leaves_out_its_class_and_all_that_could_hide_under_another_name() {
    let class = json!([{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}]);
    let deny = json!([{"type": "deny", "class": class}]);
    let value = consent(json!({"type": "permit", "purpose": research(), "provision": deny}));
    let granted = terms(&take(&value)).remove(0);
    assert!(granted.contains("conditions") && !granted.contains("observations"));
    assert!(!granted.contains("measurements") && !granted.ends_with('*'));
    let label = json!([{"type": "deny", "securityLabel": [{"system": "x", "code": "R"}]}]);
    let value = consent(json!({"type": "permit", "purpose": research(), "provision": label}));
    let intake = take(&value);
    assert_eq!(intake.denials.len(), 1, "restricted records would be used");
    assert!(intake.notes.contains(&Note::DenialWidened));
}

fn recorded(batches: &[&[Value]]) -> Register {
    let person = crate::party::ContributorId::parse("p").unwrap();
    let mut all: Vec<(String, Vec<Event>)> = Vec::new();
    for (day, batch) in (1..).zip(batches) {
        let known: Vec<(&str, Vec<Event>)> =
            all.iter().map(|(at, events)| (at.as_str(), events.clone())).collect();
        let known = sourced(&known);
        let intakes = batch.iter().map(|value| (person.clone(), take(value))).collect();
        let news = known.news(events(&known, intakes).unwrap());
        all.push((format!("2025-06-{day:02}"), news));
    }
    let all: Vec<(&str, Vec<Event>)> =
        all.iter().map(|(at, events)| (at.as_str(), events.clone())).collect();
    sourced(&all)
}

fn sourced(batches: &[(&str, Vec<Event>)]) -> Register {
    crate::consent::sample::register_from(batches, "fhir:test")
}

fn permits(register: &Register, category: &str, on: &str) -> bool {
    let north = institution("north");
    let scope = Asked {
        purposes: vec![Purpose::parse("DUO:0000006").unwrap()],
        cells: vec![(north.clone(), category.to_owned())],
        on: date(on),
        known_at: instant("2030-01-01"),
    };
    register.admission(&scope).decision("p", &north, category) == Decision::Permit
}

fn dated(mut value: Value, day: &str, status: &str) -> Value {
    value["dateTime"] = json!(day);
    value["status"] = json!(status);
    value
}

#[test]
fn the_newest_document_decides_in_whichever_order_they_come() {
    let yes = || consent(json!({"type": "permit", "purpose": research()}));
    let no = || consent(json!({"type": "deny"}));
    let narrow = || {
        let class = json!([{"system": "urn:almoner:category", "code": "labs"}]);
        consent(json!({"type": "permit", "purpose": research(), "class": class}))
    };
    let old = dated(yes(), "2025-01-01", "active");
    for (newer, visits, labs) in [
        (dated(no(), "2025-02-01", "active"), false, false),
        (dated(narrow(), "2025-02-01", "active"), false, true),
        (dated(yes(), "2025-02-01", "active"), true, true),
        (dated(yes(), "2025-01-01", "inactive"), false, false),
        (dated(yes(), "2025-01-01", "entered-in-error"), false, false),
    ] {
        let orders: [&[&[Value]]; 3] = [
            &[&[old.clone(), newer.clone()]],
            &[std::slice::from_ref(&old), std::slice::from_ref(&newer)],
            &[std::slice::from_ref(&newer), std::slice::from_ref(&old)],
        ];
        let undone = newer["status"] == "entered-in-error";
        for (at, batches) in orders.iter().enumerate() {
            // What was undone before it was ever taken in leaves no trace.
            if undone && at == 2 {
                continue;
            }
            let register = recorded(batches);
            let found = (
                permits(&register, "visits", "2025-03-01"),
                permits(&register, "labs", "2025-03-01"),
            );
            assert_eq!(found, (visits, labs), "order {at} of {newer}");
            let again: Vec<&[Value]> = batches.iter().chain(*batches).copied().collect();
            assert_eq!(recorded(&again).event_count(), register.event_count(), "not idempotent");
        }
        let register = recorded(orders[0]);
        let before = permits(&register, "visits", "2025-01-15");
        assert_eq!(before, newer["dateTime"] != old["dateTime"], "history was rewritten");
    }
}

fn any_rule(kind: &'static str) -> impl Strategy<Value = Value> {
    let purposes = prop::sample::select(&["", "HRESCH", "CLINTRCH", "TREAT", "BIORCH"][..]);
    let class = prop::sample::select(&["", "Observation", "Condition", "Odd"][..]);
    let actor = prop::sample::select(&["", "CST north", "CST south", "IRCP lab", "AUT a"][..]);
    let label = prop::sample::select(&["", "", "N"][..]);
    let data_period = prop::sample::select(&["", "", "2020"][..]);
    let action = prop::sample::select(&["", "", "use", "correct"][..]);
    let period = prop::sample::select(&["", "2025-02-01", "2024-02-01"][..]);
    (purposes, class, actor, label, data_period, action, period).prop_map(
        move |(purpose, class, actor, label, data_period, action, period)| {
            let mut rule = json!({"type": kind});
            if !purpose.is_empty() {
                let system = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
                rule["purpose"] = json!([{"system": system, "code": purpose}]);
            }
            if !class.is_empty() {
                let system = "http://hl7.org/fhir/resource-types";
                rule["class"] = json!([{"system": system, "code": class}]);
            }
            if let Some((role, id)) = actor.split_once(' ') {
                let reference = format!("Organization/{id}");
                rule["actor"] = json!([{"role": {"coding": [{"code": role}]},
                    "reference": {"reference": reference}}]);
            }
            if !label.is_empty() {
                rule["securityLabel"] = json!([{"system": "c", "code": label}]);
            }
            if !data_period.is_empty() {
                rule["dataPeriod"] = json!({"start": data_period});
            }
            if !action.is_empty() {
                rule["action"] = json!([{"coding": [{"system": "a", "code": action}]}]);
            }
            if !period.is_empty() {
                rule["period"] = json!({"start": "2023", "end": period});
            }
            rule
        },
    )
}

fn any_consent() -> impl Strategy<Value = Value> {
    let nested = prop::collection::vec(prop_oneof![any_rule("permit"), any_rule("deny")], 0..3);
    let root = prop_oneof![3 => any_rule("permit"), 1 => any_rule("deny")];
    let status = prop::sample::select(&["active", "active", "active", "inactive", "draft"][..]);
    (root, nested, status, 1..20_u32).prop_map(|(mut root, nested, status, day)| {
        if !nested.is_empty() {
            root["provision"] = json!(nested);
        }
        dated(consent(root), &format!("2025-01-{day:02}"), status)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_register_never_permits_what_the_documents_do_not(
        values in prop::collection::vec(any_consent(), 1..4),
        cut in 0..4_usize,
    ) {
        let (first, second) = values.split_at(cut.min(values.len()));
        let register = recorded(&[first, second]);
        let documents: Vec<Document> =
            values.iter().map(|value| Document::parse(value).unwrap()).collect();
        for (category, class) in [("observations", "Observation"), ("conditions", "Condition")] {
            for day in ["2025-01-10", "2025-01-25", "2025-06-01"] {
                let class = Coding::new("http://hl7.org/fhir/resource-types", class);
                let request = Request {
                    recipients: BTreeSet::new(),
                    custodian: Some("Organization/north".to_owned()),
                    action: Some(Coding::new("a", "use")),
                    purposes: vec![Coding::purpose("BIORCH")],
                    day: date(day),
                    data: Some(Data { classes: vec![class], ..Data::default() }),
                };
                // A day is judged by the documents decided until then.
                let known: Vec<Document> = documents
                    .iter()
                    .filter(|document| document.decided_at.date() <= date(day))
                    .cloned()
                    .collect();
                if permits(&register, category, day) {
                    let outcome = standing(&known, &request, false);
                    prop_assert_eq!(
                        outcome.effect(), crate::purpose::Effect::Permit,
                        "{} on {}: {:?}", category, day, outcome
                    );
                }
            }
        }
    }
}
