//! What comes out of a parcel is what its manifest says, or nothing.

use proptest::prelude::*;

use super::*;
use crate::{digest::Sha256, party::InstitutionId, transfer::tally::Tally};

const FILES: [(&str, &[&str]); 2] = [
    ("Observation.ndjson", &["{\"a\":1}", "{\"b\":22}", "{}"]),
    ("Patient.ndjson", &["{\"resourceType\":\"Patient\"}"]),
];

fn manifest() -> Manifest {
    let mut tally = Tally::default();
    for (file, lines) in FILES {
        for line in lines {
            tally.add(file, line.as_bytes());
        }
    }
    tally.manifest()
}

fn content() -> Vec<u8> {
    FILES
        .iter()
        .flat_map(|(_, lines)| lines.iter())
        .flat_map(|l| format!("{l}\n").into_bytes())
        .collect()
}

fn note(manifest: Manifest) -> Note {
    let side = |name: &str| Side {
        institution: InstitutionId::parse(name).unwrap(),
        origin: format!("{name}.example/ledger"),
    };
    Note {
        transfer: TransferId([3; 16]),
        from: side("north"),
        to: side("lake"),
        purpose: "TREAT".to_owned(),
        patient: "b-7".to_owned(),
        manifest,
        received: Instant::parse("2026-11-26").unwrap(),
    }
}

fn unpack(root: &Path, manifest: Manifest, content: &[u8]) -> Result<Unpacked, UnpackError> {
    let mut unpacking = Unpacking::begin(root, note(manifest))?;
    for piece in content.chunks(5) {
        if unpacking.write_all(piece).is_err() {
            break;
        }
    }
    unpacking.finish()
}

fn left(root: &Path) -> usize {
    fs::read_dir(root).unwrap().count()
}

#[test]
fn a_parcel_becomes_its_files_byte_for_byte_and_once_more_is_found_done() {
    let dir = tempfile::tempdir().unwrap();
    let done = unpack(dir.path(), manifest(), &content()).unwrap();
    let mut all = Vec::new();
    for file in &done.files {
        all.extend(fs::read(done.folder.join(&file.name)).unwrap());
    }
    assert_eq!(all, content(), "what came out is not what was in it");
    let text = fs::read(done.folder.join(NOTE)).unwrap();
    assert_eq!(serde_json::from_slice::<Note>(&text).unwrap(), note(manifest()));
    assert_eq!(left(dir.path()), 1, "something else remained");
    let found = unpacked(dir.path(), &TransferId([3; 16]), &manifest()).unwrap();
    assert_eq!(found, Some(done.clone()), "it would be opened again");
    assert_eq!(unpack(dir.path(), manifest(), &content()).unwrap(), done, "a second one differs");
    assert_eq!(left(dir.path()), 1, "the second one left something");
    let mut other = manifest();
    other.files[0].root = Sha256::of(b"x");
    let error = unpacked(dir.path(), &TransferId([3; 16]), &other).unwrap_err();
    assert!(matches!(error, UnpackError::Other { .. }), "{error:?}");
    assert_eq!(unpacked(dir.path(), &TransferId([4; 16]), &manifest()).unwrap(), None);
}

#[test]
fn what_is_not_as_the_manifest_says_leaves_nothing_and_says_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let check = |manifest: Manifest, content: &[u8], wanted: fn(&UnpackError) -> bool| {
        let error = unpack(dir.path(), manifest, content).unwrap_err();
        assert!(wanted(&error), "{error:?}");
        assert_eq!(left(dir.path()), 0, "{error:?} left something");
        let shown = error.to_string();
        assert!(!shown.contains("22"), "{shown} tells a value");
    };
    let good = content();
    let mut flipped = good.clone();
    flipped[5] ^= 1;
    check(manifest(), &flipped, |e| matches!(e, UnpackError::Root { file: 0 }));
    let mut joined = good.clone();
    joined[7] = b' ';
    check(manifest(), &joined, |e| matches!(e, UnpackError::Counts { file: 0 }));
    let mut endless = good.clone();
    endless[19] = b' ';
    check(manifest(), &endless, |e| matches!(e, UnpackError::Counts { file: 0 }));
    check(manifest(), &good[..good.len() - 1], |e| matches!(e, UnpackError::Short));
    check(manifest(), &good[..20], |e| matches!(e, UnpackError::Short));
    check(manifest(), &[], |e| matches!(e, UnpackError::Short));
    check(manifest(), &[good.as_slice(), b"{}\n"].concat(), |e| matches!(e, UnpackError::Long));
    let mut other = manifest();
    other.root = Sha256::of(b"x");
    check(other, &good, |e| matches!(e, UnpackError::WholeRoot));
    let mut away = manifest();
    away.files[0].name = "../Observation.ndjson".to_owned();
    check(away, &good, |e| matches!(e, UnpackError::Manifest(_)));
}

#[test]
fn what_a_killed_process_left_goes_and_another_transfer_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let killed = dir.path().join(format!(".{}.1-1", TransferId([3; 16])));
    let other = dir.path().join(format!(".{}.1-1", TransferId([4; 16])));
    for folder in [&killed, &other] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("Patient.ndjson"), "half a li").unwrap();
    }
    unpack(dir.path(), manifest(), &content()).unwrap();
    assert!(!killed.exists() && other.exists());
}

proptest! {
    #[test]
    fn however_the_content_is_cut_the_files_are_the_same(sizes in prop::collection::vec(1..9_usize, 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let mut unpacking = Unpacking::begin(dir.path(), note(manifest())).unwrap();
        let (content, mut at) = (content(), 0);
        for size in sizes.iter().cycle() {
            let end = (at + size).min(content.len());
            unpacking.write_all(&content[at..end]).unwrap();
            at = end;
            if at == content.len() {
                break;
            }
        }
        prop_assert!(unpacking.finish().is_ok());
    }
}
