//! FHIR Consents of others, each with the result that its authors state: every Consent of IHE's
//! Privacy Consent on FHIR by its notes, and HL7's twelve R4 examples.
//!
//! Comes in: `../shared/data/consent`, read in place; where it is absent the tests say so and pass.
//! Never: a note or example that no row of the tables names.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test stops where something cannot be read, and says what it skips"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use almoner::{
    consent::fhir::{
        Coding, Criteria, Data, DataReference, Document, Meaning, Period, Request, Residual,
        RuleType, decide, leaves, standing,
    },
    instant::Date,
    purpose::Effect,
};
use serde_json::{Map, Value, json};

fn folder(name: &str) -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let found = root.join("../shared/data/consent").join(name);
    if found.is_dir() {
        return Some(found);
    }
    println!("skipped: {} is not there", found.display());
    None
}

// ---- A reader of FHIR Shorthand: as much of it as these instances use.

/// How the value of an element is written in JSON.
fn typed(path: &str, value: &str) -> Value {
    let name = path.rsplit('.').next().unwrap();
    if let Some(target) = value.strip_prefix("Reference(").and_then(|v| v.strip_suffix(')')) {
        return json!({"reference": target});
    }
    if let Some(text) = value.strip_prefix('"') {
        return json!(text.trim_end_matches('"'));
    }
    let code = value.split(" \"").next().unwrap();
    let Some((system, code)) = code.split_once('#') else { return json!(value) };
    let coding = json!({"system": system, "code": code});
    match name {
        "status" | "type" | "meaning" => json!(code),
        "purpose" | "securityLabel" | "class" | "security" => coding,
        _ => json!({"coding": [coding]}),
    }
}

/// The elements of Consent that are lists.
fn is_list(path: &str) -> bool {
    let name = path.rsplit('.').next().unwrap();
    let lists = ["category", "performer", "organization", "policy", "actor", "action"];
    let more = ["securityLabel", "purpose", "class", "code", "data", "security"];
    lists.contains(&name) || more.contains(&name) || path == "provision.provision"
}

/// Puts a value where a path such as `provision.data[iData][+].meaning` says.
fn put(root: &mut Value, path: &str, value: &str, slices: &mut BTreeMap<(String, String), usize>) {
    let plain = |segment: &str| segment.split('[').next().unwrap().to_owned();
    let segments: Vec<&str> = path.split('.').collect();
    let (mut at, mut walked) = (root, String::new());
    for (depth, segment) in segments.iter().enumerate() {
        let name = plain(segment);
        walked = if walked.is_empty() { name.clone() } else { format!("{walked}.{name}") };
        let object = at.as_object_mut().unwrap();
        at = object.entry(name).or_insert(Value::Null);
        if is_list(&walked) {
            if at.is_null() {
                *at = json!([]);
            }
            let list = at.as_array_mut().unwrap();
            let marks: Vec<&str> =
                segment.split('[').skip(1).map(|m| m.trim_end_matches(']')).collect();
            let place = if marks.contains(&"+") {
                list.len()
            } else if marks.contains(&"=") {
                list.len() - 1
            } else if let Some(slice) = marks.first() {
                let next = list.len();
                *slices.entry((walked.clone(), (*slice).to_owned())).or_insert(next)
            } else {
                0
            };
            if place == list.len() {
                list.push(Value::Null);
            }
            at = &mut list[place];
        }
        if depth + 1 == segments.len() {
            let clean: Vec<String> = segments.iter().map(|s| plain(s)).collect();
            *at = typed(&clean.join("."), value);
        } else if at.is_null() {
            *at = Value::Object(Map::new());
        }
    }
}

/// Reads the instances of Consent in a file, by id.
fn consents(text: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let mut current: Option<(String, Value, BTreeMap<_, _>)> = None;
    let mut prose = false;
    let profiles = ["BasicConsent", "IntermediateConsent", "AdvancedConsent"];
    for line in text.lines() {
        prose ^= line.matches("\"\"\"").count() % 2 == 1;
        if prose {
            continue;
        }
        if line.starts_with("Instance:")
            || line.starts_with("Profile:")
            || line.starts_with("ValueSet:")
        {
            if let Some((id, value, _)) =
                current.take().filter(|(_, v, _)| v.get("status").is_some())
            {
                found.insert(id, value);
            }
            let id = line.split_once(':').unwrap().1.trim().to_owned();
            current = line.starts_with("Instance:").then(|| (id, json!({}), BTreeMap::new()));
        } else if let Some(kind) = line.strip_prefix("InstanceOf:") {
            if profiles.contains(&kind.trim()) {
                let (_, value, _) = current.as_mut().unwrap();
                value["resourceType"] = json!("Consent");
            } else {
                current = None;
            }
        } else if let (Some(rule), Some((_, value, slices))) =
            (line.strip_prefix("* "), current.as_mut())
        {
            let (path, own) = rule.split_once(" = ").unwrap();
            put(value, path.trim(), own.trim(), slices);
        }
    }
    if let Some((id, value, _)) = current {
        found.insert(id, value);
    }
    found
}

// ---- The notes: what their authors expect.

/// What a note's JSON states. Some of it is no JSON as it stands (`...`, commas too many or few), so
/// the two lists are cut out and mended by nothing but taking away commas before a bracket.
fn stated(note: &str, name: &str) -> Vec<Value> {
    let Some((_, after)) = note.split_once(&format!("\"{name}\" : ")) else { return Vec::new() };
    let mut depth = 0;
    let end = after.find(|c| {
        depth += i32::from(c == '[') - i32::from(c == ']');
        c == ']' && depth == 0
    });
    let text: String = after[..=end.unwrap()].split_whitespace().collect();
    let text = text.replace(",}", "}").replace(",]", "]");
    serde_json::from_str(&text).unwrap()
}

fn coding(value: &Value) -> Coding {
    Coding::new(value["system"].as_str().unwrap(), value["code"].as_str().unwrap())
}

/// The residual rules of a note; `deny` stands for `forbid` in one of them.
fn residual(note: &str) -> Vec<Residual> {
    let items = stated(note, "residual");
    let rule = |item: &Value| {
        let kind = match item["type"].as_str().unwrap() {
            "permit" => RuleType::Permit,
            "forbid" | "deny" => RuleType::Deny,
            other => panic!("a residual rule of type {other}"),
        };
        let known = ["type", "securityLabel", "dataPeriod", "data"];
        assert!(item.as_object().unwrap().keys().all(|name| known.contains(&name.as_str())));
        let list = |name: &str| item[name].as_array().cloned().unwrap_or_default();
        let data = |value: &Value| DataReference {
            meaning: match value["meaning"].as_str().unwrap() {
                "instance" => Meaning::Instance,
                "related" => Meaning::Related,
                "authoredby" => Meaning::AuthoredBy,
                other => panic!("data by {other}"),
            },
            reference: value["reference"]["reference"]
                .as_str()
                .unwrap()
                .replace("http://example.org/fhir/", ""),
        };
        let criteria = Criteria {
            labels: list("securityLabel").iter().map(coding).collect(),
            data: list("data").iter().map(data).collect(),
            data_period: item.get("dataPeriod").map(|period| Period::parse(period).unwrap()),
            ..Criteria::default()
        };
        Residual { kind, criteria }
    };
    items.iter().map(rule).collect()
}

/// Says whether two lists leave the same of records of every label that the notes know.
fn same_by_label(one: &[Residual], other: &[Residual]) -> bool {
    let grades = ["U", "L", "M", "N", "R", "V"]
        .map(|code| Coding::new("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", code));
    let kinds = ["PSY", "SDV", "ETH", "HIV"]
        .map(|code| Coding::new("http://terminology.hl7.org/CodeSystem/v3-ActCode", code));
    let mut labels: Vec<Vec<Coding>> = vec![Vec::new()];
    labels.extend(grades.iter().chain(&kinds).map(|label| vec![label.clone()]));
    for grade in &grades {
        labels.extend(kinds.iter().map(|kind| vec![grade.clone(), kind.clone()]));
    }
    labels.into_iter().all(|labels| {
        let data = Data { labels, ..Data::default() };
        leaves(one, &data) == leaves(other, &data)
    })
}

#[derive(Debug, Clone, Copy)]
enum Expected {
    /// Permit, with the residual of its own note.
    Own,
    /// What the note of another states.
    As(&'static str),
    /// An error: no token is issued.
    Refused,
}

/// Who asks, what for, when, and what the note says of it.
type Asked = (&'static [&'static str], &'static str, &'static str, Expected);

const DAY: &str = "2022-07-01";
const USER: &[&str] = &["Practitioner/ex-author", "Organization/ex-organization"];
const PRACTITIONER: &[&str] = &["Practitioner/ex-practitioner"];
const PRIVILEGED: &[&str] = &["Practitioner/ex-practitioner", "Group/ex-privilegedUsers"];
const RESEARCHER: &[&str] = &["Organization/ex-org-researcher"];

const NOTES: [(&str, &[Asked]); 21] = {
    use Expected::{As, Own, Refused};
    [
        (
            "ex-consent-basic-treat",
            &[
                (USER, "TREAT", DAY, Own),
                (USER, "HPAYMT", DAY, Own),
                (USER, "HOPERAT", DAY, Own),
                (USER, "HRESCH", DAY, Refused),
            ],
        ),
        ("ex-consent-basic-ink", &[(USER, "TREAT", DAY, As("ex-consent-basic-treat"))]),
        (
            "ex-consent-expired-treat",
            &[
                (USER, "TREAT", "2022-12-31", As("ex-consent-basic-treat")),
                (USER, "TREAT", "2023-01-01", Refused),
            ],
        ),
        ("ex-consent-basic-reject", &[(USER, "TREAT", DAY, Refused)]),
        ("ex-consent-intermediate-timeframe", &[(USER, "TREAT", DAY, Own)]),
        ("ex-consent-intermediate-not-timeframe", &[(USER, "TREAT", DAY, Own)]),
        ("ex-consent-intermediate-authoredby", &[(USER, "TREAT", DAY, Own)]),
        ("ex-consent-intermediate-not-authoredby", &[(USER, "TREAT", DAY, Own)]),
        ("ex-consent-intermediate-encounter", &[(USER, "TREAT", DAY, Own)]),
        ("ex-consent-intermediate-not-encounter", &[(USER, "TREAT", DAY, Own)]),
        ("ex-consent-intermediate-data", &[(USER, "TREAT", DAY, Own)]),
        ("ex-consent-intermediate-not-data", &[(USER, "TREAT", DAY, Own)]),
        (
            "ex-consent-intermediate-purpose",
            &[
                (RESEARCHER, "FooBar", DAY, Own),
                (USER, "FooBar", DAY, Refused),
                (RESEARCHER, "TREAT", DAY, Refused),
            ],
        ),
        (
            "ex-dissent-intermediate-break-glass",
            &[
                (PRIVILEGED, "BTG", DAY, Own),
                (PRIVILEGED, "TREAT", DAY, Refused),
                (USER, "BTG", DAY, Refused),
            ],
        ),
        ("ex-consent-advanced-normal", &[(USER, "TREAT", DAY, Own)]),
        ("ex-consent-advanced-normal-restricted", &[(USER, "TREAT", DAY, Own)]),
        ("ex-consent-advanced-normal-not-restricted", &[(USER, "TREAT", DAY, Own)]),
        (
            "ex-consent-advanced-normal-focused-restricted",
            &[
                (USER, "TREAT", DAY, As("ex-consent-advanced-normal")),
                (PRACTITIONER, "TREAT", DAY, As("ex-consent-advanced-normal-restricted")),
            ],
        ),
        (
            "ex-consent-advanced-normal-focused-psy",
            &[
                (USER, "TREAT", DAY, As("ex-consent-advanced-normal")),
                (PRACTITIONER, "TREAT", DAY, Own),
            ],
        ),
        (
            "ex-consent-advanced-normal-focused-psy-or-sdv",
            &[
                (USER, "TREAT", DAY, As("ex-consent-advanced-normal")),
                (PRACTITIONER, "TREAT", DAY, Own),
            ],
        ),
        (
            "ex-consent-advanced-normal-break-glass-restricted",
            &[
                (USER, "TREAT", DAY, As("ex-consent-advanced-normal")),
                (PRIVILEGED, "TREAT", DAY, As("ex-consent-advanced-normal")),
                (PRIVILEGED, "BTG", DAY, As("ex-consent-advanced-normal-restricted")),
            ],
        ),
    ]
};

/// Consents without a note: (id, purpose, what their description says).
const WITHOUT_NOTE: [(&str, &str, Effect); 4] = [
    ("ex-consent-basic-treat-infant", "TREAT", Effect::Permit),
    ("ex-consent-basic-treat-infant", "HRESCH", Effect::Deny),
    ("ex-consent-basic-research", "HRESCH", Effect::Permit),
    ("ex-consent-basic-research", "TREAT", Effect::Deny),
];

fn request(recipients: &[&str], purpose: &str, day: &str) -> Request {
    let purpose = match purpose {
        "FooBar" => Coding::new("http://example.org/policies/purposeOfUse", "FooBar"),
        other => Coding::purpose(other),
    };
    Request {
        recipients: recipients.iter().map(|own| (*own).to_owned()).collect(),
        custodian: Some("Organization/ex-organization".to_owned()),
        action: Some(action("access")),
        purposes: vec![purpose],
        day: day.parse::<Date>().unwrap(),
        data: None,
    }
}

fn action(code: &str) -> Coding {
    Coding::new("http://terminology.hl7.org/CodeSystem/consentaction", code)
}

#[test]
fn every_consent_of_ihe_pcf_comes_to_what_its_note_states() {
    let Some(folder) = folder("ihe-pcf") else { return };
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let note = |id: &str| read(&format!("Consent-{id}-notes.md"));
    let consents = consents(&read("consent.fsh"));
    assert_eq!(consents.len(), 23, "a Consent was not read: {:?}", consents.keys());
    for (id, asked) in NOTES {
        let document = Document::parse(&consents[id]).unwrap_or_else(|why| panic!("{id}: {why}"));
        assert!(document.unread.is_empty(), "{id}: {:?} was not read", document.unread);
        for (user, purpose, day, expected) in asked {
            let outcome = decide(&document, &request(user, purpose, day));
            let place = format!("{id}, {user:?} asks for {purpose} on {day}");
            let stated_by = match expected {
                Expected::Refused => {
                    assert_eq!(outcome.effect(), Effect::Deny, "{place}: {outcome:?}");
                    continue;
                }
                Expected::Own => note(id),
                Expected::As(other) => note(other),
            };
            assert_eq!(outcome.effect(), Effect::Permit, "{place}: {outcome:?}");
            let rules = residual(&stated_by);
            if let Expected::Own = expected {
                assert_eq!(outcome.residual, rules, "{place}: other residual rules");
            } else {
                assert!(same_by_label(&outcome.residual, &rules), "{place}: {outcome:?}");
            }
            let purposes: Vec<Coding> =
                stated(&stated_by, "purpose_of_use").iter().map(coding).collect();
            assert_eq!(outcome.purposes, purposes, "{place}: bound to other purposes");
        }
    }
    for (id, purpose, effect) in WITHOUT_NOTE {
        let document = Document::parse(&consents[id]).unwrap();
        assert_eq!(decide(&document, &request(USER, purpose, DAY)).effect(), effect, "{id}");
    }
    let known: BTreeSet<String> = NOTES.iter().map(|(id, _)| (*id).to_owned()).collect();
    let found: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let id = name.strip_prefix("Consent-")?.strip_suffix("-notes.md")?;
            Some(id.to_owned())
        })
        .collect();
    assert_eq!(known, found, "a note is checked by no row, or a row has no note");
    let all: BTreeSet<String> =
        known.into_iter().chain(WITHOUT_NOTE.map(|(id, ..)| id.to_owned())).collect();
    assert!(all.iter().eq(consents.keys()), "a Consent is judged by no row");
}

#[test]
fn a_record_is_left_by_the_rules_of_its_consent_alone() {
    let Some(folder) = folder("ihe-pcf") else { return };
    let consents = consents(&fs::read_to_string(folder.join("consent.fsh")).unwrap());
    let effect = |id: &str, data: Data| {
        let document = Document::parse(&consents[id]).unwrap();
        decide(&document, &Request { data: Some(data), ..request(USER, "TREAT", DAY) }).effect()
    };
    let set = |items: &[&str]| Some(items.iter().map(|own| (*own).to_owned()).collect());
    let day = |text: &str| Some(text.parse().unwrap());
    let timeframe = "ex-consent-intermediate-timeframe";
    assert_eq!(
        effect(timeframe, Data { day: day("2022-06-01"), ..Data::default() }),
        Effect::Permit
    );
    assert_eq!(effect(timeframe, Data { day: day("2021-06-01"), ..Data::default() }), Effect::Deny);
    assert_eq!(effect(timeframe, Data::default()), Effect::Refer, "a record without a day passed");
    let author = "ex-consent-intermediate-not-authoredby";
    let by = |name| Data { authors: set(&[name]), ..Data::default() };
    assert_eq!(effect(author, by("Practitioner/ex-practitioner")), Effect::Deny);
    assert_eq!(effect(author, by("Practitioner/ex-author")), Effect::Permit);
    assert_eq!(effect(author, Data::default()), Effect::Refer);
    let encounter = "ex-consent-intermediate-encounter";
    let at = |name| Data {
        reference: Some("Observation/x".to_owned()),
        related: set(&[name]),
        ..Data::default()
    };
    assert_eq!(effect(encounter, at("Encounter/ex-encounter")), Effect::Permit);
    assert_eq!(effect(encounter, at("Encounter/other")), Effect::Deny);
    let data = "ex-consent-intermediate-not-data";
    let own = |name: &str| Data { reference: Some(name.to_owned()), ..Data::default() };
    assert_eq!(effect(data, own("Observation/ex-alcoholUse")), Effect::Deny);
    assert_eq!(effect(data, own("Observation/ex-weight")), Effect::Permit);
}

#[test]
fn of_several_consents_the_newest_decides_and_an_opt_out_denies_all() {
    let Some(folder) = folder("ihe-pcf") else { return };
    let consents = consents(&fs::read_to_string(folder.join("consent.fsh")).unwrap());
    let dated = |id: &str, day: &str, status: &str| {
        let mut value = consents[id].clone();
        value["dateTime"] = json!(day);
        value["status"] = json!(status);
        Document::parse(&value).unwrap()
    };
    let yes = |day, status| dated("ex-consent-basic-treat", day, status);
    let no = |day, status| dated("ex-consent-basic-reject", day, status);
    let asked = request(USER, "TREAT", DAY);
    let effect = |all: &[Document]| standing(all, &asked, false).effect();
    assert_eq!(effect(&[yes("2022-01-02", "active"), no("2022-01-01", "active")]), Effect::Permit);
    assert_eq!(effect(&[no("2022-01-02", "active"), yes("2022-01-01", "active")]), Effect::Deny);
    let both = [yes("2022-01-01", "active"), no("2022-01-01", "active")];
    assert_eq!(effect(&both), Effect::Deny, "of two at one instant the milder decided");
    for status in ["inactive", "rejected", "draft", "proposed", "entered-in-error"] {
        assert_eq!(effect(&[yes("2022-01-01", status)]), Effect::Deny, "{status}");
    }
    let revoked = [yes("2022-01-02", "inactive"), yes("2022-01-01", "active")];
    assert_eq!(effect(&revoked), Effect::Deny, "an ended consent left an older one standing");
    let draft = [no("2022-01-02", "draft"), yes("2022-01-01", "active")];
    assert_eq!(effect(&draft), Effect::Permit, "what was never decided decided");
    let research = dated("ex-consent-basic-research", "2022-01-03", "active");
    let apart = [yes("2022-01-01", "active"), research];
    assert_eq!(effect(&apart), Effect::Permit, "a consent to research took care away");
    assert_eq!(standing(&apart, &asked, true).effect(), Effect::Deny);
    assert_eq!(effect(&[]), Effect::Deny);
}

/// HL7's examples: who holds the data, who wants it, what for, on which day, and what comes of it;
/// or why the example is put aside.
#[test]
fn every_r4_example_has_a_result_or_a_reason() {
    const HOLDER: &str = "Organization/f001";
    type Example = (
        &'static str,
        Result<
            &'static [(&'static str, &'static str, &'static str, &'static str, Effect)],
            &'static str,
        >,
    );
    use Effect::{Deny, Refer};
    let table: [Example; 12] = [
        // OPTIN with an untyped root: whether it bounds the policy or is an exception to it, the
        // standard does not say; the narratives mean exceptions, PCF means bounds.
        (
            "basic",
            Ok(&[
                (HOLDER, "Practitioner/1", "TREAT", "2015-06-01", Refer),
                (HOLDER, "Practitioner/1", "TREAT", "2017-06-01", Refer),
            ]),
        ),
        ("notAuthor", Ok(&[(HOLDER, "Practitioner/1", "TREAT", "2016-01-01", Refer)])),
        ("notThem", Ok(&[(HOLDER, "Practitioner/f204", "TREAT", "2016-01-01", Refer)])),
        ("notThis", Ok(&[(HOLDER, "Practitioner/1", "TREAT", "2016-01-01", Refer)])),
        ("notTime", Ok(&[(HOLDER, "Practitioner/1", "TREAT", "2015-01-15", Refer)])),
        ("signature", Ok(&[(HOLDER, "Practitioner/13", "TREAT", "2016-01-01", Refer)])),
        // Its half hour is no whole day in either reading.
        (
            "smartonfhir",
            Ok(&[
                (HOLDER, "Practitioner/1", "TREAT", "2016-06-23", Deny),
                (HOLDER, "Practitioner/1", "TREAT", "2016-06-24", Refer),
            ]),
        ),
        // OPTOUT: both readings deny whatever the root does not name.
        (
            "Out",
            Ok(&[
                ("Organization/other", "Practitioner/1", "TREAT", "2016-01-01", Deny),
                (HOLDER, "Practitioner/1", "TREAT", "2016-01-01", Refer),
            ]),
        ),
        (
            "grantor",
            Ok(&[
                (HOLDER, "Practitioner/1", "TREAT", "2016-01-01", Deny),
                (HOLDER, "Patient/example", "TREAT", "2016-01-01", Refer),
            ]),
        ),
        // A typed exception denies the one actor that the root names.
        (
            "Emergency",
            Ok(&[
                (HOLDER, "Practitioner/1", "ETREAT", "2016-01-01", Deny),
                (HOLDER, "Practitioner/1", "TREAT", "2016-01-01", Deny),
            ]),
        ),
        ("notOrg", Err("`policyRule` and `provision.type` contradict each other")),
        ("pkb", Err("a nested provision has no type")),
    ];
    let Some(folder) = folder("r4-examples") else { return };
    for (name, expected) in &table {
        let path = folder.join(format!("Consent-consent-example-{name}.json"));
        let value: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let found = Document::parse(&value);
        match (found, expected) {
            (Err(why), Err(reason)) => assert_eq!(why, *reason, "{name}"),
            (Ok(document), Ok(asked)) => {
                for (holder, user, purpose, day, effect) in *asked {
                    let mut own = request(&[user], purpose, day);
                    own.custodian = Some((*holder).to_owned());
                    let outcome = decide(&document, &own);
                    assert_eq!(outcome.effect(), *effect, "{name}, {user} {day}: {outcome:?}");
                    assert!(!outcome.verdict.reasons().is_empty(), "{name}: no reason is given");
                }
            }
            (found, _) => panic!("{name}: {found:?}"),
        }
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), table.len(), "an example is in no row");
}
