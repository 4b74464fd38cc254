//! One pass over a folder for many patients: whose lines go, whose stay, and in which order.

use std::io::Write as _;

use serde_json::json;

use super::*;
use crate::{
    ledger::tree::root,
    transfer::{Asked, Consents, Registered},
};

const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";

fn consented(rules: &Value) -> Consented {
    let mut own = Consents::default();
    own.add(&json!({"resourceType": "Consent", "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "patient": {"reference": "Patient/a"}, "dateTime": "2026-01-10",
        "provision": {"type": "permit", "provision": rules}}));
    let asked = Asked {
        recipients: BTreeSet::from(["Organization/lake".to_owned()]),
        custodian: None,
        purpose: "TREAT".to_owned(),
        day: "2026-11-26".parse().unwrap(),
        unlabelled: None,
    };
    own.judge(&asked, Registered::default())
}

/// What was kept of each: its lines with their files, and the manifest, which is that of the lines.
fn selected(folder: &Path, wanted: &[Wanted<'_>]) -> Vec<(Vec<(String, String)>, Selected)> {
    let mut kept = vec![Vec::new(); wanted.len()];
    let found = select(folder, wanted, &mut |at, file, line| {
        kept[at].push((file.to_owned(), String::from_utf8(line.to_vec()).unwrap()));
        Ok(())
    })
    .unwrap();
    for (lines, found) in kept.iter().zip(&found) {
        let bytes: Vec<&[u8]> = lines.iter().map(|(_, line)| line.as_bytes()).collect();
        assert_eq!(found.manifest.root, root(&bytes), "the root is not that of the lines");
        assert_eq!(found.manifest.check(), Ok(()));
        let names: Vec<String> = found
            .manifest
            .files
            .iter()
            .flat_map(|f| vec![f.name.clone(); usize::try_from(f.resources).unwrap()])
            .collect();
        let order: Vec<String> = lines.iter().map(|(file, _)| file.clone()).collect();
        assert_eq!(order, names, "lines come in another order than the manifest's");
    }
    kept.into_iter().zip(found).collect()
}

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let plain = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    plain(
        "Patient.ndjson",
        "{\"resourceType\":\"Patient\",\"id\":\"a\"}\n{\"resourceType\": \"Patient\", \"id\":\"b\"}\n\
         {\"resourceType\":\"Patient\",\"id\":\"child\",\"link\":[{\"other\":{\"reference\":\"Patient/a\"}}]}\n",
    );
    let observation = |id: &str, of: &str, label: &str, by: &str| {
        json!({"resourceType": "Observation", "id": id, "subject": {"reference": of},
            "meta": {"security": [{"system": CONFIDENTIALITY, "code": label}]},
            "performer": [{"reference": by}]})
        .to_string()
    };
    let first = [
        observation("1", "Patient/a", "N", "Practitioner/x"),
        observation("2", "Patient/b", "N", "Practitioner/y"),
        observation("3", "Patient/child", "N", "Patient/a"),
        "{\"subject\":{\"reference\":\"Patient/a\"}, broken".to_owned(),
        observation("4", "Patient/aa", "N", "Practitioner/z"),
    ];
    // A slash may be written with a backslash; the second file follows the first.
    let second =
        observation("5", "Patient/a", "R", "Practitioner/z").replace("Patient/", "Patient\\/");
    plain("Observation.1.ndjson", &format!("{}\n", first.join("\n\n")));
    let packed = std::fs::File::create(dir.path().join("Observation.2.ndjson.gz")).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    gzip.write_all(second.as_bytes()).unwrap();
    gzip.finish().unwrap();
    let procedure = json!({"resourceType": "Procedure", "id": "9", "subject": {"reference": "Patient/a"},
        "meta": {"security": [{"system": CONFIDENTIALITY, "code": "N"}]},
        "performer": [{"actor": {"reference": "Practitioner/x"},
            "onBehalfOf": {"reference": "Organization/o"}}]});
    let packed = zstd::encode_all(format!("{procedure}\n").as_bytes(), 1).unwrap();
    std::fs::write(dir.path().join("Procedure.ndjson.zst"), packed).unwrap();
    let list = |kind: &str, ids: &[&str]| {
        let line = |id: &&str| json!({"resourceType": kind, "id": id}).to_string() + "\n";
        plain(&format!("{kind}.ndjson"), &ids.iter().map(line).collect::<String>());
    };
    list("Practitioner", &["w", "x", "y", "z"]);
    list("Organization", &["o", "p"]);
    plain("README.txt", "not a file of records");
    plain("Empty.ndjson", "");
    dir
}

#[test]
fn several_patients_are_taken_in_one_pass_and_each_line_stays_as_it_was() {
    let dir = folder();
    let all = consented(&json!([]));
    let wanted = ["a", "b", "nobody"].map(|patient| Wanted { patient, consented: &all });
    let found = selected(dir.path(), &wanted);
    let ids = |at: usize| -> Vec<String> {
        let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].clone();
        found[at].0.iter().map(|(_, line)| id(line).as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        ids(0),
        ["1", "5", "a", "9", "x", "z", "o"],
        "files, then lines, then who made them"
    );
    assert_eq!(ids(1), ["2", "b", "y"]);
    assert_eq!(
        found[1].0[1].1, "{\"resourceType\": \"Patient\", \"id\":\"b\"}",
        "a blank is a byte"
    );
    assert!(found[0].0[1].1.contains("Patient\\/a"), "the line was written anew");
    assert_eq!((ids(2).len(), found[2].1.manifest.resources), (0, 0), "nobody has no record");
    let withheld = &found[0].1.manifest.withheld;
    assert_eq!((withheld.len(), withheld[0].rule.as_str()), (1, UNREADABLE), "{withheld:?}");
    assert!(found[1].1.manifest.withheld.is_empty(), "a broken line of another patient");
}

#[test]
fn what_stays_is_counted_by_rule_and_what_only_it_leans_on_stays_too() {
    let dir = folder();
    let label = json!([{"type": "deny",
        "securityLabel": [{"system": CONFIDENTIALITY, "code": "R"}]}]);
    let (all, some) = (consented(&json!([])), consented(&label));
    // One patient to two institutions, each under its own consent.
    let wanted =
        [Wanted { patient: "a", consented: &all }, Wanted { patient: "a", consented: &some }];
    let found = selected(dir.path(), &wanted);
    let lines = |at: usize| found[at].0.iter().map(|(_, line)| line.as_str()).collect::<String>();
    assert!(lines(0).contains("\"id\":\"z\"") && !lines(1).contains("\"id\":\"z\""));
    let rules: Vec<(&str, &str, u64)> = found[1]
        .1
        .manifest
        .withheld
        .iter()
        .map(|own| (own.rule.as_str(), own.class.as_str(), own.resources))
        .collect();
    let unsure = "security label R (whether it applies is not known)";
    let wanted = [
        ("security label R", "Observation", 1),
        (unsure, "Patient", 1),
        (UNREADABLE, "Observation", 1),
    ];
    assert_eq!(rules, wanted, "what was left out is told wrongly");
    assert_ne!(found[0].1.decision, found[1].1.decision, "two decisions would have one digest");
    let again = selected(dir.path(), &[Wanted { patient: "a", consented: &some }]);
    assert_eq!(again[0].1, found[1].1, "the same decision has another digest");
}

#[test]
fn where_nothing_is_permitted_nothing_goes_not_even_who_made_it() {
    let dir = folder();
    let none = Consents::default().judge(
        &Asked {
            recipients: BTreeSet::new(),
            custodian: None,
            purpose: "TREAT".to_owned(),
            day: "2026-11-26".parse().unwrap(),
            unlabelled: None,
        },
        Registered::default(),
    );
    let found = selected(dir.path(), &[Wanted { patient: "a", consented: &none }]);
    assert!(found[0].0.is_empty() && found[0].1.manifest.files.is_empty());
    assert_eq!(found[0].1.manifest.withheld.iter().map(|own| own.resources).sum::<u64>(), 5);
}

#[test]
fn every_patient_of_a_folder_is_read_with_their_local_id() {
    let dir = folder();
    let mut seen = Vec::new();
    each_patient(dir.path(), &mut |id, _| seen.push(id.to_owned())).unwrap();
    assert_eq!(seen, ["a", "b", "child"], "one of them could not be found by a partner");
}

#[test]
fn a_folder_without_records_and_a_line_that_cannot_be_kept_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let keep: &mut Keep<'_> = &mut |_, _, _| Err(io::Error::other("the disk is full"));
    let error = select(dir.path(), &[], keep).unwrap_err();
    assert!(matches!(error, SelectError::Nothing { .. }), "{error:?}");
    let error = select(&dir.path().join("absent"), &[], keep).unwrap_err();
    assert!(matches!(error, SelectError::Folder { .. }), "{error:?}");
    let all = consented(&json!([]));
    let error = select(folder().path(), &[Wanted { patient: "a", consented: &all }], keep);
    assert!(matches!(error.unwrap_err(), SelectError::Keep { .. }));
}

#[test]
fn a_real_record_is_all_that_names_the_patient_as_its_subject() {
    let folders = ["../shared/data/synthea-r4-multi", "../../shared/data/synthea-r4-multi"];
    let Some(folder) = folders.iter().map(Path::new).find(|path| path.is_dir()) else {
        println!("skipped: ../shared/data/synthea-r4-multi is absent");
        return;
    };
    let all = consented(&json!([]));
    let mut ids = Vec::new();
    each_patient(folder, &mut |id, _| ids.push(id.to_owned())).unwrap();
    let wanted: Vec<Wanted<'_>> =
        ids.iter().step_by(100).map(|patient| Wanted { patient, consented: &all }).collect();
    let mut kept = vec![0_u64; wanted.len()];
    let found = select(folder, &wanted, &mut |at, _, _| {
        kept[at] += 1;
        Ok(())
    })
    .unwrap();
    let needles: Vec<String> =
        wanted.iter().map(|own| format!("\"Patient/{}\"", own.patient)).collect();
    let mut counted = vec![0_u64; wanted.len()];
    for path in &files(folder).unwrap()["Encounter"] {
        each_line(path, &Options::fhir(), &mut |_, line| {
            for (count, needle) in counted.iter_mut().zip(&needles) {
                *count += u64::from(memmem::find(line, needle.as_bytes()).is_some());
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    }
    let of = |at: usize, name: &str| {
        let files = &found[at].manifest.files;
        files.iter().find(|file| file.name == name).map_or(0, |file| file.resources)
    };
    for at in 0..wanted.len() {
        assert_eq!(of(at, "Encounter.ndjson"), counted[at], "an encounter was left out or added");
        assert_eq!(of(at, "Patient.ndjson"), 1);
        assert!(of(at, "Practitioner.ndjson") > 0 && of(at, "Organization.ndjson") > 0);
        assert_eq!(found[at].manifest.resources, kept[at]);
        assert!(found[at].manifest.withheld.is_empty());
    }
    println!("{} records of {:?} resources out of {}", wanted.len(), kept, folder.display());
}
