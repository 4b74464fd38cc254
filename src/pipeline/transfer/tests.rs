//! Two sites in two folders: a record goes over, and every attack on its way is refused by name.
#![expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method of a clerk takes one lifetime, and the acts of a test take any"
)]

mod attacks;
mod audited;
mod batch;
mod crash;
mod story;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use super::{Answer, Asked, Clerk, Desk, Error, Keys, LicenceOf, Outcome, keys};
use crate::{
    instant::Instant,
    party::InstitutionId,
    pipeline::{
        Silent,
        consent::{Source, import_fhir},
    },
    site::Site,
    transfer::{ApproverSigner as _, KeyFile, LicenceFault, Role, TransferId},
};

pub(super) const NORTH: &str = "north-shore";
pub(super) const LAKE: &str = "lake-county";

/// Days on which a story's steps are taken.
pub(super) const DAYS: [&str; 6] = [
    "2026-11-20T08:00:00Z",
    "2026-11-21T08:00:00Z",
    "2026-11-22T08:00:00Z",
    "2026-11-23T08:00:00Z",
    "2026-11-24T08:00:00Z",
    "2026-11-25T08:00:00Z",
];

/// Two institutions that share patients, each with a site, records and a desk.
pub(super) struct World {
    pub(super) folder: PathBuf,
    _kept: tempfile::TempDir,
    /// How licences stand, by institution; those not named stand.
    pub(super) licences: BTreeMap<&'static str, LicenceFault>,
    pub(super) skew: u32,
}

impl World {
    /// Makes both sites, `people` patients known to both, keys and consents for all of them.
    pub(super) fn new(people: usize) -> Self {
        // In memory where there is such a place: a thousand transfers wait for a disk tens of thousands
        // of times.
        let memory = tempfile::tempdir_in("/dev/shm");
        let kept = memory.or_else(|_| tempfile::tempdir()).unwrap();
        let world = Self {
            folder: kept.path().to_owned(),
            _kept: kept,
            licences: BTreeMap::new(),
            skew: 300,
        };
        for place in [NORTH, LAKE] {
            let address = world.path(place).join("site");
            fs::create_dir_all(world.path(place).join("in")).unwrap();
            let keys = world.path(place).join("keys");
            let origin = format!("{place}.example/ledger");
            Site::init(address.to_str().unwrap(), &keys, &origin, at(DAYS[0])).unwrap();
            world.write_desk(place, "");
        }
        let (north, lake) = (world.keys(NORTH), world.keys(LAKE));
        for (place, other, exchange) in [(NORTH, lake, LAKE), (LAKE, north, NORTH)] {
            let path = world.path(exchange).join("exchange");
            let exchange = format!("exchange = \"{}\"\n", path.display());
            world.write_desk(place, &(other.toml() + &exchange));
        }
        world.write_records(people);
        KeyFile::create(&world.key()).unwrap();
        let everyone: Vec<String> = (0..people).map(north_id).collect();
        world.consent(&everyone, "permit", "2026-01-01");
        world.register(&everyone);
        world
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns the key of every patient; a test needs no more than one.
    pub(super) fn key(&self) -> PathBuf {
        self.path("patient.key")
    }

    fn write_desk(&self, place: &str, partner: &str) {
        let text = format!(
            "institution = \"{place}\"\nrecords = \"in\"\nexchange = \"exchange\"\n\
             received = \"received\"\n{partner}"
        );
        fs::write(self.path(place).join("desk.toml"), text).unwrap();
    }

    pub(super) fn desk(&self, place: &str) -> Desk {
        let mut desk = Desk::read(&self.path(place).join("desk.toml")).unwrap();
        desk.clock_skew_seconds = self.skew;
        desk
    }

    pub(super) fn site(&self, place: &str, now: &str) -> Site {
        let address = self.path(place).join("site");
        Site::open(address.to_str().unwrap(), &self.path(place).join("keys"), at(now)).unwrap()
    }

    fn keys(&self, place: &str) -> Keys {
        keys(&self.site(place, DAYS[0]), &self.desk(place))
    }

    fn write_records(&self, people: usize) {
        for (place, id) in [(NORTH, north_id as fn(usize) -> String), (LAKE, lake_id)] {
            let (mut patients, mut observations) = (String::new(), String::new());
            for who in 0..people {
                writeln!(patients, "{}", patient(&id(who), who)).unwrap();
                for at in 0..3 {
                    writeln!(observations, "{}", observation(&id(who), who, at)).unwrap();
                }
            }
            let folder = self.path(place).join("in");
            fs::write(folder.join("Patient.ndjson"), patients).unwrap();
            fs::write(folder.join("Observation.ndjson"), observations).unwrap();
        }
    }

    /// Imports one Consent each, for treatment at the other institution.
    pub(super) fn consent(&self, patients: &[String], kind: &str, day: &str) {
        let mut text = String::new();
        for id in patients {
            writeln!(text, "{}", consent(id, kind, day)).unwrap();
        }
        let file = self.path(&format!("Consent-{kind}-{day}.ndjson"));
        fs::write(&file, text).unwrap();
        let institution = Some(InstitutionId::parse(NORTH).unwrap());
        let now = if kind == "permit" { DAYS[0] } else { DAYS[2] };
        import_fhir(&self.site(NORTH, now), &[Source { file, institution }], "").unwrap();
    }

    /// Registers the one key for all patients.
    fn register(&self, patients: &[String]) {
        let vkey = KeyFile::open(&self.key()).unwrap().key().vkey();
        self.at(NORTH, DAYS[0], |clerk| {
            for patient in patients {
                clerk.add_approver(patient, &vkey, Role::Patient, None)?;
            }
            Ok(())
        })
        .unwrap();
    }

    /// Lets a clerk act at a place.
    pub(super) fn at(
        &self,
        place: &str,
        now: &str,
        act: impl FnOnce(&mut Clerk<'_>) -> Result<(), Error>,
    ) -> Result<Outcome, Error> {
        let address = self.path(place).join("site");
        let keys = self.path(place).join("keys");
        let site = Site::open(address.to_str().unwrap(), &keys, at(now))?;
        let desk = self.desk(place);
        let faults = self.licences.clone();
        let licence = move |id: &InstitutionId, _: Option<&str>, _: Instant| {
            faults.get(id.as_str()).map_or(Ok(()), |fault| Err(*fault))
        };
        let licence: &LicenceOf<'_> = &licence;
        let mut clerk = Clerk::open(&site, &desk, licence, &Silent)?;
        act(&mut clerk)?;
        Ok(clerk.close())
    }

    pub(super) fn run(&self, place: &str, now: &str) -> Outcome {
        self.at(place, now, |clerk| clerk.run()).unwrap()
    }

    pub(super) fn offer(&self, patients: &[String], now: &str) -> Outcome {
        let lake = InstitutionId::parse(LAKE).unwrap();
        self.at(NORTH, now, |clerk| {
            clerk.offer(&lake, patients, None)?;
            clerk.run()
        })
        .unwrap()
    }

    /// Answers all that waits at the desk.
    pub(super) fn answer(&self, transfer: &TransferId, answer: Answer, now: &str) {
        let folder = self.path(NORTH).join("exchange/desk").join(transfer.to_string());
        let hand = KeyFile::open(&self.key()).unwrap();
        Asked::read(&folder).unwrap().answer(answer, &hand, at(now)).unwrap();
    }

    /// Offers to and challenges by the others; returns the transfers, in the order of patients.
    pub(super) fn challenged(&self, patients: &[String]) -> Vec<TransferId> {
        let offered = self.offer(patients, DAYS[1]);
        assert!(offered.refused.is_empty(), "{:?}", offered.refused);
        self.run(LAKE, DAYS[1]);
        self.run(NORTH, DAYS[1]);
        offered.steps.iter().map(|done| done.transfer).collect()
    }

    /// Goes on until the approvals are given at the desk, and not taken yet.
    pub(super) fn approved(&self, patients: &[String]) -> Vec<TransferId> {
        let transfers = self.challenged(patients);
        for transfer in &transfers {
            self.answer(transfer, Answer::Accept, DAYS[1]);
        }
        transfers
    }

    /// Goes on until the parcels lie in the other's inbox.
    pub(super) fn sent(&self, patients: &[String]) -> Vec<TransferId> {
        let transfers = self.approved(patients);
        let sent = self.run(NORTH, DAYS[2]);
        assert!(sent.refused.is_empty(), "{:?}", sent.refused);
        transfers
    }

    /// Returns the folder of a transfer's files that came in.
    pub(super) fn inbox(&self, place: &str, transfer: &TransferId) -> PathBuf {
        let other = if place == NORTH { LAKE } else { NORTH };
        self.path(place).join("exchange/inbox").join(other).join(transfer.to_string())
    }

    pub(super) fn received(&self, transfer: &TransferId) -> PathBuf {
        self.path(LAKE).join("received").join(transfer.to_string())
    }
}

pub(super) fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

pub(super) fn north_id(who: usize) -> String {
    format!("n{who}")
}

pub(super) fn lake_id(who: usize) -> String {
    format!("l{who}")
}

/// Spells a number in letters, so that each person has a name of their own.
fn letters(mut number: usize) -> String {
    let mut text = String::new();
    for _ in 0..4 {
        text.push(char::from(b'a' + u8::try_from(number % 26).unwrap()));
        number /= 26;
    }
    text
}

fn patient(id: &str, who: usize) -> String {
    let (name, day) = (letters(who), who % 28 + 1);
    format!(
        r#"{{"resourceType":"Patient","id":"{id}","name":[{{"family":"Ro{name}","given":["Ja{name}"]}}],"gender":"female","birthDate":"19{:02}-03-{day:02}","address":[{{"line":["{who} Elm Street"],"city":"Boston","postalCode":"02110"}}],"telecom":[{{"system":"phone","value":"617-555-{who:04}"}}],"identifier":[{{"type":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"SS"}}]}},"system":"http://hl7.org/fhir/sid/us-ssn","value":"{:03}-45-{:04}"}}]}}"#,
        who % 90 + 10,
        who % 800 + 100,
        who + 1000
    )
}

fn observation(id: &str, who: usize, at: usize) -> String {
    let value = who * 10 + at;
    format!(
        r#"{{"resourceType":"Observation","id":"o-{id}-{at}","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"29463-7"}}]}},"subject":{{"reference":"Patient/{id}"}},"effectiveDateTime":"2025-0{}-01","valueQuantity":{{"value":{value},"unit":"kg"}}}}"#,
        at + 1
    )
}

fn consent(id: &str, kind: &str, day: &str) -> String {
    format!(
        r#"{{"resourceType":"Consent","id":"c-{id}","status":"active","scope":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}}]}},"category":[{{"coding":[{{"system":"http://loinc.org","code":"59284-0"}}]}}],"patient":{{"reference":"Patient/{id}"}},"dateTime":"{day}","policy":[{{"uri":"https://example.org/policy"}}],"provision":{{"type":"{kind}","purpose":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"TREAT"}}]}}}}"#
    )
}

pub(super) fn codes(outcome: &Outcome) -> Vec<&'static str> {
    outcome.refused.iter().map(|refused| refused.why.code()).collect()
}

pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
