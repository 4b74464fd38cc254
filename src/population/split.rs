//! Cuts one FHIR export of many organisations into a folder for each, as if each had sent its own.
//!
//! Comes in: NDJSON by type, and who provided each encounter. Goes out: files, and the truth of who
//! is who. Never: a resource at two organisations save the patient; a file held in memory.

mod seen;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{BufRead as _, BufReader, BufWriter, Write as _},
    path::Path,
};

use memchr::memmem;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::seen::Seen;
use super::{
    Error,
    consents_for::open,
    dice::Dice,
    write::{file, to_file},
};
use crate::{
    digest::{hex, hmac_sha256},
    source,
};

/// The types that are cut unless others are named.
pub const SPLIT_TYPES: [&str; 9] = [
    "Patient",
    "Encounter",
    "Condition",
    "Observation",
    "MedicationRequest",
    "Procedure",
    "AllergyIntolerance",
    "Immunization",
    "DiagnosticReport",
];

/// How an export is cut.
#[derive(Debug, Clone)]
pub struct Split {
    /// The types that are written.
    pub types: Vec<String>,
    /// What local ids are made of.
    pub seed: u64,
    /// Whether each organisation knows a patient by an id of its own.
    pub local_ids: bool,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Parted {
    /// Patients that some organisation saw.
    pub people: u64,
    /// Patients that two or more saw.
    pub several: u64,
    /// For each organisation: its folder, its patients, its resources.
    pub institutions: Vec<(String, u64, u64)>,
    /// Resources of patients whom no organisation saw, and lines that are no resource.
    pub left_out: u64,
}

/// Cuts the export in `from` into folders below `to`; files of the same names are replaced.
///
/// A resource goes with its encounter to the organisation that provided it; one without goes where
/// its patient was seen last before it, or first. A patient goes to everyone who saw them.
pub fn split(from: &Path, to: &Path, how: &Split) -> Result<Parted, Error> {
    let map = Map::read(from, how)?;
    for organisation in map.organisations.values() {
        let folder = to.join(organisation);
        fs::create_dir_all(&folder).map_err(|source| file("make", &folder, source))?;
    }
    let counts = how
        .types
        .par_iter()
        .map(|kind| cut(from, to, kind, &map))
        .collect::<Result<Vec<_>, Error>>()?;
    let mut resources: BTreeMap<&str, u64> = BTreeMap::new();
    for (organisation, count) in counts.iter().flat_map(|(written, _)| written) {
        *resources.entry(organisation).or_default() += count;
    }
    to_file(&to.join("truth.csv"), |out| map.write_truth(out))?;
    let people = map.seen.values().map(Visits::organisations);
    let mut patients: BTreeMap<&str, u64> = BTreeMap::new();
    for organisation in people.clone().flatten().filter_map(|id| map.organisations.get(id)) {
        *patients.entry(organisation).or_default() += 1;
    }
    let line = |name: &String| {
        let of = |counts: &BTreeMap<&str, u64>| counts.get(name.as_str()).copied().unwrap_or(0);
        (name.clone(), of(&patients), of(&resources))
    };
    let mut institutions: Vec<_> = map.organisations.values().map(line).collect();
    institutions.sort();
    Ok(Parted {
        people: map.seen.len() as u64,
        several: people.filter(|organisations| organisations.len() > 1).count() as u64,
        institutions,
        left_out: counts.iter().map(|(_, left_out)| left_out).sum(),
    })
}

/// Who was seen where, and what the organisations are called.
struct Map {
    /// The folder of each organisation that provided an encounter, by its id.
    organisations: BTreeMap<String, String>,
    /// The organisation of each encounter.
    encounters: BTreeMap<String, String>,
    /// The encounters of each patient.
    seen: BTreeMap<String, Visits>,
    key: Option<[u8; 32]>,
}

/// One patient's encounters: when and at which organisation, in order.
#[derive(Default)]
struct Visits(Vec<(i64, String)>);

impl Visits {
    fn organisations(&self) -> BTreeSet<&String> {
        self.0.iter().map(|(_, organisation)| organisation).collect()
    }

    /// Returns where the patient was seen last before an instant, or first.
    fn before(&self, when: Option<i64>) -> Option<&String> {
        let earlier = self.0.iter().rfind(|(start, _)| when.is_some_and(|when| *start <= when));
        earlier.or_else(|| self.0.first()).map(|(_, organisation)| organisation)
    }
}

impl Map {
    fn read(from: &Path, how: &Split) -> Result<Self, Error> {
        let mut encounters = BTreeMap::new();
        let mut seen: BTreeMap<String, Visits> = BTreeMap::new();
        each(from, "Encounter", |line| {
            let Ok(found) = serde_json::from_slice::<Seen>(line) else { return Ok(()) };
            let when = found.when().unwrap_or(i64::MIN);
            let provider = found.provider();
            let (Some(id), Some(patient), Some(provider)) = (&found.id, found.patient(), provider)
            else {
                return Ok(());
            };
            encounters.insert(id.clone(), provider.to_owned());
            seen.entry(patient.to_owned()).or_default().0.push((when, provider.to_owned()));
            Ok(())
        })?;
        for visits in seen.values_mut() {
            visits.0.sort();
        }
        let ids: BTreeSet<&String> = encounters.values().collect();
        let organisations = folders(from, &ids)?;
        let key = how.local_ids.then(|| {
            let mut key = [0; 32];
            let mut dice = Dice::new(how.seed, "local ids", 0);
            key.fill_with(|| u8::try_from(dice.below(256)).unwrap_or_default());
            key
        });
        Ok(Self { organisations, encounters, seen, key })
    }

    /// Returns the organisations that a resource goes to.
    fn takers(&self, kind: &str, found: &Seen) -> Vec<&String> {
        if kind == "Patient" {
            let visits = found.id.as_ref().and_then(|id| self.seen.get(id));
            return visits.into_iter().flat_map(Visits::organisations).collect();
        }
        let encounter = match kind {
            "Encounter" => found.id.as_deref(),
            _ => found.encounter(),
        };
        let of_encounter = encounter.and_then(|id| self.encounters.get(id));
        let visits = found.patient().and_then(|patient| self.seen.get(patient));
        let taker = of_encounter.or_else(|| visits?.before(found.when()));
        taker.into_iter().collect()
    }

    /// Returns an id that one organisation alone uses for a thing, in the form of a UUID.
    fn local(&self, organisation: &str, what: &str, id: &str) -> String {
        let Some(key) = &self.key else { return id.to_owned() };
        let mac = hmac_sha256(key, &[what.as_bytes(), organisation.as_bytes(), id.as_bytes()]);
        let digits = hex(mac.split_at(16).0);
        let mut text = String::with_capacity(36);
        for (at, digit) in digits.chars().enumerate() {
            if matches!(at, 8 | 12 | 16 | 20) {
                text.push('-');
            }
            text.push(digit);
        }
        text
    }

    /// Returns the line as an organisation would have written it.
    fn localised(&self, organisation: &str, kind: &str, line: &[u8], found: &Seen) -> Vec<u8> {
        if self.key.is_none() {
            return line.to_owned();
        }
        let mut line = self.references(organisation, line);
        if kind == "Patient" {
            let quoted = |id: &str| format!("\"{id}\"").into_bytes();
            let mut put = |what: &str, id: &str| {
                let local = self.local(organisation, what, id);
                line = replaced(&line, &quoted(id), &quoted(&local));
            };
            if let Some(id) = &found.id {
                put("patient", id);
            }
            for number in found.record_numbers() {
                put("record number", number);
            }
        }
        line
    }

    /// Puts local ids in the place of every reference to a patient that the export knows.
    fn references(&self, organisation: &str, line: &[u8]) -> Vec<u8> {
        const PATIENT: &[u8] = b"Patient/";
        let mut out = Vec::with_capacity(line.len());
        let mut rest = line;
        while let Some(at) = memmem::find(rest, PATIENT) {
            let (head, tail) = rest.split_at(at + PATIENT.len());
            out.extend_from_slice(head);
            let is_id = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
            let length = tail.iter().take_while(|byte| is_id(byte)).count();
            let (id, after) = tail.split_at(length);
            match std::str::from_utf8(id).ok().filter(|id| self.seen.contains_key(*id)) {
                Some(id) => out.extend(self.local(organisation, "patient", id).into_bytes()),
                None => out.extend_from_slice(id),
            }
            rest = after;
        }
        out.extend_from_slice(rest);
        out
    }

    fn write_truth(&self, out: &mut dyn std::io::Write) -> Result<u64, Error> {
        let mut lines = Vec::new();
        for (person, visits) in &self.seen {
            for organisation in visits.organisations() {
                let Some(name) = self.organisations.get(organisation) else { continue };
                lines.push((name, self.local(organisation, "patient", person), person));
            }
        }
        lines.sort();
        writeln!(out, "institution,local_id,person")?;
        for (name, local, person) in &lines {
            writeln!(out, "{name},{local},{person}")?;
        }
        Ok(lines.len() as u64)
    }
}

fn replaced(line: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut from = 0;
    for at in memmem::find_iter(line, old) {
        out.extend_from_slice(line.get(from..at).unwrap_or_default());
        out.extend_from_slice(new);
        from = at + old.len();
    }
    out.extend_from_slice(line.get(from..).unwrap_or_default());
    out
}

/// Names a folder for each organisation: its name where the export has one that is its own.
fn folders(from: &Path, ids: &BTreeSet<&String>) -> Result<BTreeMap<String, String>, Error> {
    #[derive(Deserialize)]
    struct Organisation {
        id: Option<String>,
        name: Option<String>,
    }
    let mut names: BTreeMap<String, String> =
        ids.iter().map(|id| ((*id).clone(), slug(id))).collect();
    let read = each(from, "Organization", |line| {
        if let Ok(Organisation { id: Some(id), name: Some(name) }) = serde_json::from_slice(line)
            && let Some(slot) = names.get_mut(&id)
            && !slug(&name).is_empty()
        {
            *slot = slug(&name);
        }
        Ok(())
    });
    match read {
        // Organisations may be absent: their ids name them then.
        Err(Error::Source(source::Error::NothingFound { .. })) => {}
        read => read?,
    }
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for name in names.values() {
        *counts.entry(name.clone()).or_default() += 1;
    }
    for (id, name) in &mut names {
        if counts.get(name.as_str()).is_some_and(|count| *count > 1) {
            *name = format!("{name}-{}", slug(id));
        }
    }
    Ok(names)
}

/// Returns lower-case letters and digits with single hyphens between them.
fn slug(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

/// Cuts the files of one type; says how many resources each folder got, and how many nobody.
fn cut(
    from: &Path,
    to: &Path,
    kind: &str,
    map: &Map,
) -> Result<(BTreeMap<String, u64>, u64), Error> {
    let mut files: BTreeMap<&String, (BufWriter<File>, u64)> = BTreeMap::new();
    let mut left_out = 0;
    let done = each(from, kind, |line| {
        let found = serde_json::from_slice::<Seen>(line).ok();
        let takers = found.as_ref().map(|found| map.takers(kind, found)).unwrap_or_default();
        left_out += u64::from(takers.is_empty());
        for (organisation, found) in takers.into_iter().zip(std::iter::repeat(&found)) {
            let (Some(found), Some(name)) = (found, map.organisations.get(organisation)) else {
                continue;
            };
            let path = to.join(name).join(format!("{kind}.ndjson"));
            if !files.contains_key(organisation) {
                let made = File::create(&path).map_err(|source| file("make", &path, source))?;
                files.insert(organisation, (BufWriter::with_capacity(1 << 16, made), 0));
            }
            let Some((out, count)) = files.get_mut(organisation) else { continue };
            let mut line = map.localised(organisation, kind, line, found);
            line.push(b'\n');
            out.write_all(&line).map_err(|source| file("write", &path, source))?;
            *count += 1;
        }
        Ok(())
    });
    match done {
        // An export need not have every type.
        Err(Error::Source(source::Error::NothingFound { .. })) => {}
        other => other?,
    }
    let mut written = BTreeMap::new();
    for (organisation, (mut out, count)) in files {
        out.flush().map_err(|source| file("write", to, source))?;
        if let Some(name) = map.organisations.get(organisation) {
            written.insert(name.clone(), count);
        }
    }
    Ok((written, left_out))
}

/// Hands on each line of the files of a type, in the order of their names.
fn each(
    folder: &Path,
    kind: &str,
    mut take: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    for path in source::find(&format!("{kind}.*ndjson*"), folder)? {
        let mut reader = BufReader::with_capacity(1 << 18, open(&path)?);
        let mut line = Vec::new();
        loop {
            line.clear();
            let fault = |source| file("read", &path, source);
            if reader.read_until(b'\n', &mut line).map_err(fault)? == 0 {
                break;
            }
            let line = line.trim_ascii();
            if !line.is_empty() {
                take(line)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENTS: &str = r#"{"resourceType":"Patient","id":"p1","identifier":[{"system":"urn:a","value":"m1"},{"type":{"coding":[{"code":"MR"}]},"value":"m1"},{"type":{"coding":[{"code":"SS"}]},"value":"999"}],"birthDate":"1970-01-01"}
{"resourceType":"Patient","id":"p2"}
{"resourceType":"Patient","id":"p3"}
"#;
    const ENCOUNTERS: &str = r#"{"resourceType":"Encounter","id":"e1","subject":{"reference":"Patient/p1"},"serviceProvider":{"reference":"Organization/o1"},"period":{"start":"2020-01-01T00:00:00Z"}}
{"resourceType":"Encounter","id":"e2","subject":{"reference":"Patient/p1"},"serviceProvider":{"reference":"Organization/o2"},"period":{"start":"2020-03-01T00:00:00+01:00"}}
{"resourceType":"Encounter","id":"e3","subject":{"reference":"Patient/p2"},"serviceProvider":{"reference":"Organization/o2"},"period":{"start":"2020-02-01"}}
"#;
    const CONDITIONS: &str = r#"{"resourceType":"Condition","id":"c1","subject":{"reference":"Patient/p1"},"encounter":{"reference":"Encounter/e1"},"note":"Patient/p1 and Patient/p9"}
{"resourceType":"Condition","id":"c2","subject":{"reference":"Patient/p1"},"recordedDate":"2020-02-15"}
{"resourceType":"Condition","id":"c3","subject":{"reference":"Patient/p1"},"recordedDate":"2019-01-01"}
{"resourceType":"Condition","id":"c4","subject":{"reference":"Patient/p3"}}
not a resource
{"resourceType":"Condition","id":"c5","subject":{"reference":"Patient/p1"},"recordedDate":"2021-02-15"}
"#;
    const ORGANISATIONS: &str = r#"{"resourceType":"Organization","id":"o1","name":"SAINT ANNE'S -"}
{"resourceType":"Organization","id":"o2","name":"Saint Annes"}
{"resourceType":"Organization","id":"o4","name":"nobody was here"}
"#;

    fn parted(local_ids: bool, seed: u64) -> (tempfile::TempDir, Parted) {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("from");
        fs::create_dir(&from).unwrap();
        for (name, text) in [
            ("Patient.ndjson", PATIENTS),
            ("Encounter.000.ndjson", ENCOUNTERS),
            ("Condition.ndjson", CONDITIONS),
            ("Organization.ndjson", ORGANISATIONS),
        ] {
            fs::write(from.join(name), text).unwrap();
        }
        let types = SPLIT_TYPES.map(str::to_owned).to_vec();
        let done = split(&from, &dir.path().join("to"), &Split { types, seed, local_ids }).unwrap();
        (dir, done)
    }

    fn text(dir: &tempfile::TempDir, name: &str) -> String {
        fs::read_to_string(dir.path().join("to").join(name)).unwrap_or_default()
    }

    #[test]
    fn a_resource_goes_where_its_encounter_was_or_where_its_patient_was_last_seen() {
        let (dir, done) = parted(false, 1);
        let ids = |name: &str| -> Vec<String> {
            let text = text(&dir, name);
            let id = |line: &str| line.split("\"id\":\"").nth(1).unwrap()[..2].to_owned();
            text.lines().map(id).collect()
        };
        assert_eq!(ids("saint-anne-s/Condition.ndjson"), ["c1", "c2", "c3"]);
        assert_eq!(ids("saint-annes/Condition.ndjson"), ["c5"]);
        assert_eq!(ids("saint-anne-s/Patient.ndjson"), ["p1"]);
        assert_eq!(ids("saint-annes/Patient.ndjson"), ["p1", "p2"], "everyone who saw a patient");
        assert_eq!((done.people, done.several), (2, 1));
        assert_eq!(done.left_out, 3, "a patient nobody saw, their condition, and no resource");
        assert!(!dir.path().join("to/saint-annes/Procedure.ndjson").exists(), "an empty file");
        let truth = text(&dir, "truth.csv");
        assert!(truth.ends_with("saint-anne-s,p1,p1\nsaint-annes,p1,p1\nsaint-annes,p2,p2\n"));
    }

    #[test]
    fn each_organisation_knows_a_patient_by_its_own_ids_and_the_truth_says_who_is_who() {
        let (dir, _) = parted(true, 1);
        let truth = text(&dir, "truth.csv");
        let local: Vec<&str> = truth.lines().filter_map(|line| line.strip_suffix(",p1")).collect();
        let (one, two) = (local[0].split_once(',').unwrap().1, local[1].split_once(',').unwrap().1);
        assert_ne!(one, two, "two organisations would share an id");
        let patient = text(&dir, "saint-anne-s/Patient.ndjson");
        assert!(patient.contains(&format!("\"id\":\"{one}\"")));
        assert!(!patient.contains("\"m1\""), "the record number would link the copies");
        assert!(patient.contains("\"999\"") && patient.contains("1970-01-01"), "all else stays");
        let conditions = text(&dir, "saint-anne-s/Condition.ndjson");
        assert!(!conditions.contains("Patient/p1"), "a reference to nobody");
        assert_eq!(conditions.matches(&format!("Patient/{one}")).count(), 4);
        assert!(conditions.contains("Patient/p9"), "what the export does not know stays");
        let (again, _) = parted(true, 1);
        assert_eq!(text(&again, "truth.csv"), truth, "the same seed made other ids");
        assert_ne!(text(&parted(true, 2).0, "truth.csv"), truth, "the seed does not matter");
    }

    #[test]
    fn organisations_of_one_name_get_a_folder_each() {
        let dir = tempfile::tempdir().unwrap();
        let text = ORGANISATIONS.replace("SAINT ANNE'S -", "Saint Annes");
        fs::write(dir.path().join("Organization.ndjson"), text).unwrap();
        let ids = ["o1".to_owned(), "o2".to_owned(), "o3".to_owned()];
        let names = folders(dir.path(), &ids.iter().collect()).unwrap();
        let names: Vec<&str> = names.values().map(String::as_str).collect();
        assert_eq!(names, ["saint-annes-o1", "saint-annes-o2", "o3"]);
    }
}
