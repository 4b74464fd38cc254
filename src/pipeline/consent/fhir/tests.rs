//! The acts on FHIR Consents as a steward sees them: import, opt-out, explain, releases.

use std::fs;

use super::*;
use crate::{
    consent::{Action, Decision, Event, Refusal, Scope, Terms},
    digest::Sha256,
    instant::Instant,
    lake::Version,
    ledger::{Kind, Schema, record::RecordTree},
    pipeline::consent::{Asked, Told, decide, explain, releases, sources},
    purpose::{Effect, Purpose},
    store::Sequence,
};

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        let (address, keys) = place.addresses();
        Site::init(&address, &keys, "test.example/ledger", instant("2026-01-01")).unwrap();
        place
    }

    fn addresses(&self) -> (String, PathBuf) {
        let site = self.dir.path().join("site");
        (site.to_str().unwrap().to_owned(), self.dir.path().join("keys"))
    }

    fn at(&self, now: &str) -> Site {
        let (address, keys) = self.addresses();
        Site::open(&address, &keys, instant(now)).unwrap()
    }

    fn file(&self, institution: &str, lines: &[String]) {
        let folder = self.dir.path().join("in").join(institution);
        fs::create_dir_all(&folder).unwrap();
        let packed = zstd::encode_all(lines.join("\n").as_bytes(), 1).unwrap();
        fs::write(folder.join("Consent.ndjson.zst"), packed).unwrap();
    }

    fn sources(&self) -> Vec<Source> {
        sources(&[self.dir.path().join("in/{institution}/Consent.ndjson*")], None).unwrap()
    }
}

fn instant(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn person(text: &str) -> ContributorId {
    ContributorId::parse(text).unwrap()
}

fn consent(patient: &str, day: &str, provision: &str) -> String {
    format!(
        r#"{{"resourceType":"Consent","status":"active","scope":{{"coding":[{{"code":"research"}}]}},"patient":{{"reference":"Patient/{patient}"}},"dateTime":"{day}","provision":{provision}}}"#
    )
}

const RESEARCH: &str = r#"{"type":"permit","purpose":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"HRESCH"}]}"#;

fn decision(site: &Site, id: &str, institution: &str) -> Decision {
    let own = InstitutionId::parse(institution).unwrap();
    let scope = Scope {
        purposes: vec![Purpose::named("HMB").unwrap()],
        cells: vec![(own.clone(), "visits".to_owned())],
        on: site.now().date(),
        known_at: site.now(),
    };
    let register = Register::load(&site.vault()).unwrap();
    register.admission(&scope).decision(id, &own, "visits")
}

#[test]
fn folders_of_institutions_are_one_act_and_who_is_who_comes_from_the_index() {
    let place = Place::new();
    let label =
        RESEARCH.replace("\"purpose\"", r#""securityLabel":[{"system":"x","code":"N"}],"purpose""#);
    place.file(
        "north",
        &[
            consent("7", "2026-01-05", RESEARCH),
            consent("8", "2026-01-05", &label),
            "{\"resourceType\":\"Consent\",\"status\":\"canary\"}".to_owned(),
        ],
    );
    place.file("lake", &[consent("44", "2026-01-06", RESEARCH)]);
    place.file("far", &[consent("9", "2026-01-06", RESEARCH)]);
    let site = place.at("2026-02-01");
    let resolve = |institution: &InstitutionId, local: &str| match (institution.as_str(), local) {
        ("north", "7") | ("lake", "44") => Some(person("ada")),
        ("north", "8") => Some(person("ben")),
        _ => None,
    };
    let (outcome, report) = import(&site, &place.sources(), "ns", Some(&resolve)).unwrap();
    assert_eq!((outcome.grants, outcome.people_new), (2, 2));
    assert_eq!(decision(&site, "ada", "north"), Decision::Permit);
    assert_eq!(decision(&site, "ada", "lake"), Decision::Permit, "one consent took the other");
    assert_eq!(
        decision(&site, "ada", "south"),
        Decision::Permit,
        "a person decides for all records"
    );
    assert_ne!(decision(&site, "ben", "north"), Decision::Permit);
    assert_ne!(decision(&site, "ns:9", "far"), Decision::Permit, "a stranger's consent was taken");
    assert_eq!((report.files, report.documents, report.granting, report.not_linked), (3, 5, 2, 1));
    let aside: Vec<_> = report.put_aside.iter().map(|aside| (aside.line, aside.reason)).collect();
    assert_eq!(aside[0], (1, "`patient` is not linked"));
    assert_eq!(report.left_out, [(Note::SecurityLabel, 1)].into());
    assert_eq!((aside.len(), aside[1].0), (2, 3));
    let told = serde_json::to_string(&report).unwrap();
    assert!(!told.contains("canary"), "a value stands in the report: {told}");
    let kept = site.vault().list("consent/documents").unwrap();
    assert_eq!(kept.len(), 4, "the files and their list are not kept");
    let again = import(&place.at("2026-02-02"), &place.sources(), "ns", Some(&resolve)).unwrap();
    assert!(again.0.commits.is_empty(), "a document was recorded twice");
}

#[test]
fn an_opt_out_denies_every_use_and_what_stood_before_can_be_told_again() {
    let place = Place::new();
    place.file("north", &[consent("7", "2026-01-05", RESEARCH)]);
    let site = place.at("2026-02-01");
    import(&site, &place.sources(), "", None).unwrap();
    let all = || Terms::new(Vec::new(), None, None).unwrap().into();
    let act = |site: &Site, action| {
        let event = Event::new(person("7"), action, all(), None, None, site.now()).unwrap();
        decide(site, vec![event]).unwrap()
    };
    let out = place.at("2026-03-01");
    assert_eq!(act(&out, Action::OptOut).withdrawals, 1);
    assert_eq!(decision(&out, "7", "north"), Decision::Refuse(Refusal::OptedOut));
    place.file("north", &[consent("7", "2026-03-05", RESEARCH)]);
    let later = place.at("2026-03-10");
    import(&later, &place.sources(), "", None).unwrap();
    assert_eq!(decision(&later, "7", "north"), Decision::Refuse(Refusal::OptedOut));

    let north = InstitutionId::parse("north").unwrap();
    let told = |on: &str, as_of: &str| -> Told {
        let asked = Asked {
            person: &person("7"),
            purposes: &[Purpose::named("HMB").unwrap()],
            institution: Some(&north),
            category: Some("visits"),
            on: on.parse().unwrap(),
            as_of: instant(as_of),
            dataset: None,
            pass: None,
        };
        explain(&later, &asked).unwrap()
    };
    let now = told("2026-03-10", "2026-03-10");
    assert_eq!(now.effect, Effect::Deny);
    assert_eq!(now.cells[0].reason, "opted-out");
    let deciding = now.events.iter().find(|(held, _)| Some(held.seq) == now.cells[0].decision);
    assert_eq!(deciding.unwrap().0.event.action(), Action::OptOut);
    let then = told("2026-03-10", "2026-02-28");
    assert_eq!(then.effect, Effect::Permit, "what stood in February cannot be told any more");
    assert_eq!(told("2026-02-10", "2026-01-31").cells[0].reason, "no-consent");
    let back = place.at("2026-04-01");
    act(&back, Action::OptIn);
    assert_eq!(decision(&back, "7", "north"), Decision::Permit);
}

#[test]
fn a_use_is_explained_for_all_that_decisions_name_where_nothing_is_said() {
    let place = Place::new();
    place.file("north", &[consent("7", "2026-01-05", RESEARCH)]);
    let site = place.at("2026-02-01");
    import(&site, &place.sources(), "", None).unwrap();
    let asked = Asked {
        person: &person("7"),
        purposes: &[Purpose::named("HMB").unwrap()],
        institution: None,
        category: None,
        on: "2026-02-01".parse().unwrap(),
        as_of: site.now(),
        dataset: None,
        pass: None,
    };
    let told = explain(&site, &asked).unwrap();
    let cells: Vec<(&str, bool)> =
        told.cells.iter().map(|cell| (cell.institution.as_str(), cell.permit)).collect();
    assert_eq!(cells, [("any other", false), ("north", true)]);
    assert_eq!(told.effect, Effect::Deny, "a part was told as the whole");
}

#[test]
fn releases_that_hold_a_person_are_told_and_others_are_not() {
    let place = Place::new();
    place.file(
        "north",
        &[consent("7", "2026-01-05", RESEARCH), consent("8", "2026-01-05", RESEARCH)],
    );
    let site = place.at("2026-02-01");
    import(&site, &place.sources(), "", None).unwrap();
    let register = Register::load(&site.vault()).unwrap();
    let people = register.people();
    let key = people.key(people.index("7").unwrap()).unwrap();
    let digest = Sha3Digest::of(b"record");
    let leaf = crate::ledger::record::leaf(key, "demo", 1, &digest);
    let tree = RecordTree::build(vec![leaf]).unwrap();
    site.ledger().put_content(&tree.path(), &tree.bytes()).unwrap();
    let paper = json!({"path": "x", "digest": digest});
    let mut version: Version = serde_json::from_value(json!({
        "txn": "1", "dataset": "demo", "version": 1, "run": "r", "run_key": digest,
        "time": "2026-02-01T00:00:00Z", "purposes": ["DUO:0000006"], "pool": null,
        "pipeline": ["demo", digest], "k": 11, "institutions": 1, "tables": [], "inputs": [],
        "counts": {"read": 0, "rejected": 0, "refused": 0, "admitted": 0, "suppressed": 0,
                   "released": 0, "people": 1},
        "record": {"root": tree.root(), "count": 1, "path": tree.path()},
        "consent_commit": 1, "roster": paper, "report": paper, "entry": "",
    }))
    .unwrap();
    let body = Schema::of(Kind::DatasetVersion).sample();
    let entry = site.entry(Kind::DatasetVersion, &[], &[], &body).unwrap();
    entry.text().clone_into(&mut version.entry);
    site.commit(&Sequence::new(&site.lake(), "commits"), 1, &version, &entry).unwrap();
    let found = releases(&site, &person("7")).unwrap();
    assert_eq!(found.len(), 1, "the person would not learn what cannot be called back");
    assert_eq!((found[0].dataset.as_str(), found[0].version), ("demo", 1));
    assert!(releases(&site, &person("8")).unwrap().is_empty());
    assert!(releases(&site, &person("stranger")).unwrap().is_empty());
    assert_ne!(tree.root(), Sha256([0; 32]));
}
