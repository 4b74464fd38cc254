//! The log as a whole: what the hand writes, what the reader believes, what a check finds.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    LogProof, Reader, RecordTree, entry,
    log::{self, Log},
    reader, record, tile,
    tree::{Hash, leaf_hash, verify_consistency, verify_inclusion},
    verify_all,
};
use crate::{
    digest::Sha3Digest,
    signed_note::{Signer, Verifier, add_signature},
    store::{self, Created, Store},
};

const ORIGIN: &str = "ledger.example/rdm";

fn signer() -> Signer {
    let seed = std::array::from_fn(|at| u8::try_from(at).unwrap());
    Signer::from_seed(ORIGIN, &seed).unwrap()
}

fn known() -> Vec<Verifier> {
    vec![signer().verifier().clone()]
}

fn open(zone: &Store) -> Log {
    Log::create(zone.clone(), ORIGIN, signer()).unwrap()
}

fn reader(zone: &Store) -> Result<Reader, reader::Error> {
    Reader::open(zone, ORIGIN, &known())
}

fn texts(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("entry-{n}")).collect()
}

fn append(log: &Log, range: std::ops::Range<usize>) -> Vec<u64> {
    let texts = texts(range);
    log.append_texts(&texts.iter().map(String::as_str).collect::<Vec<_>>()).unwrap()
}

fn folder(dir: &Path) -> Store {
    Store::open(dir.to_str().unwrap()).unwrap()
}

fn contents(zone: &Store) -> BTreeMap<String, Bytes> {
    let paths = zone.list("").unwrap().into_iter().map(|listed| listed.path);
    paths.map(|path| (path.clone(), zone.get(&path).unwrap())).collect()
}

fn filled(name: &str, objects: &BTreeMap<String, Bytes>) -> Store {
    let zone = Store::open(&format!("memory://{name}")).unwrap();
    for listed in zone.list("").unwrap() {
        zone.delete(&listed.path).unwrap();
    }
    for (path, bytes) in objects {
        zone.put(path, bytes.clone()).unwrap();
    }
    zone
}

fn hex_bytes(hashes: &[&str]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| Hash::parse(hash).unwrap().0).collect()
}

#[test]
fn the_worked_example_is_written_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let zone = folder(dir.path());
    assert_eq!(append(&open(&zone), 0..5), [0, 1, 2, 3, 4]);
    let objects = contents(&zone);
    assert_eq!(
        objects.keys().map(String::as_str).collect::<Vec<_>>(),
        [
            "checkpoint",
            "checkpoints/5",
            "commits/000000000001.json",
            "log.vkey",
            "tile/0/000.p/5",
            "tile/entries/000.p/5",
        ]
    );
    let note = "ledger.example/rdm\n5\nGqaNMHSQWlgfhMu9D3U3lJBP2ARRvEwT5p2aU7xZUCw=\n\n\
        \u{2014} ledger.example/rdm 0ncLMSk7dIwBEoRolGN6DIU4XFpZbeudGQzJt8mZy12g82Vxih5FWcg0RFBVzsrzJcUDY4zZQoIyj0XIqW09mFVMnwE=\n";
    assert_eq!(objects["checkpoint"], note);
    assert_eq!(objects["checkpoints/5"], note);
    assert_eq!(
        objects["tile/0/000.p/5"],
        hex_bytes(&[
            "40766b2033429026f53d54502679a839706b4741f8dcaf3a8bba5f41b5ffe075",
            "e868811a482c27d50b6d45dde79c465d6adb9b06645100477a90cf3d8518898b",
            "049d7dcdb56bcfebd313304c9839f196a3d4b6ef3bdc0b08298f93ac8191f0a8",
            "27479b6ab321d2ee477452f68ba527748e863cafe8fbd1df2bf89d1570d1b697",
            "194bb5a2d5bd10e5d1aa6fd5d42980b356caf1da623cd9987c4bfa2f81771ed7",
        ])
    );
    assert_eq!(
        objects["tile/entries/000.p/5"],
        &b"\0\x07entry-0\0\x07entry-1\0\x07entry-2\0\x07entry-3\0\x07entry-4"[..]
    );
    let reader = reader(&zone).unwrap();
    assert_eq!(reader.leaf(4).unwrap(), "entry-4");
    let proof = reader.prove(4).unwrap();
    assert_eq!(
        proof.hashes[0].to_string(),
        "256b9e8825e5d370a4ae005d0901ea291977e2927f5cf8e3e72660dd09519edb"
    );
}

#[test]
fn entries_one_by_one_and_all_at_once_give_the_same_tree() {
    let one_by_one = Store::open("memory://one-by-one").unwrap();
    let log = open(&one_by_one);
    for n in 0..300 {
        assert_eq!(append(&log, n..n + 1), [u64::try_from(n).unwrap()]);
    }
    let at_once = Store::open("memory://at-once").unwrap();
    append(&open(&at_once), 0..300);
    let (a, b) = (contents(&one_by_one), contents(&at_once));
    assert_eq!(a["checkpoint"], b["checkpoint"]);
    for (path, bytes) in b.iter().filter(|(path, _)| path.starts_with("tile/")) {
        assert_eq!(&a[path], bytes, "{path}");
    }
    let seen = verify_all(&one_by_one, ORIGIN, &known()).unwrap();
    assert_eq!(seen.findings, []);
    assert_eq!((seen.entries, seen.checkpoints), (300, 300));
    let reader = reader(&one_by_one).unwrap();
    for size in reader.checkpoint_sizes().unwrap() {
        let opened = reader.checkpoint_of(size).unwrap();
        let proof = reader.consistency(size, 300).unwrap();
        let old = opened.checkpoint.root;
        assert!(verify_consistency(size, 300, &old, &reader.root(), &proof), "{size}");
        let then = Reader::open_size(&one_by_one, ORIGIN, &known(), size).unwrap();
        assert_eq!(then.leaf(size - 1).unwrap(), format!("entry-{}", size - 1));
    }
}

#[test]
fn an_entry_stands_in_the_log_once() {
    let zone = Store::open("memory://once").unwrap();
    let log = open(&zone);
    assert_eq!(append(&log, 0..3), [0, 1, 2]);
    let before = contents(&zone);
    assert_eq!(append(&log, 1..3), [1, 2]);
    assert_eq!(contents(&zone), before, "an act done twice left a trace");
    assert_eq!(log.append_texts(&["entry-2", "new", "new", "entry-0"]).unwrap(), [2, 3, 3, 0]);
    assert!(log.contains(&leaf_hash(b"new")).unwrap());
    assert!(!log.contains(&leaf_hash(b"newer")).unwrap());
    let again = open(&zone);
    assert_eq!(again.size().unwrap(), 4);
    assert!(again.contains(&leaf_hash(b"entry-0")).unwrap());
    assert_eq!(again.append_texts(&["new"]).unwrap(), [3]);
    assert_eq!(again.root(), reader(&zone).unwrap().root());
}

/// The objects of one append in the order of the protocol; tiles may come in any.
fn written(before: &BTreeMap<String, Bytes>, after: &BTreeMap<String, Bytes>) -> Vec<String> {
    let changed = after.iter().filter(|(path, bytes)| before.get(*path) != Some(bytes));
    let mut paths: Vec<String> = changed.map(|(path, _)| path.clone()).collect();
    paths.sort_by_key(|path| match path.split('/').next() {
        Some("commits") => 0,
        Some("tile") => 1,
        Some("checkpoints") => 2,
        _ => 3,
    });
    paths
}

#[test]
fn a_crash_at_any_write_is_mended_when_the_log_is_opened() {
    for (first, second) in [(0, 1), (3, 5), (250, 260), (255, 256), (511, 514)] {
        let name = format!("crash-{first}");
        let zone = filled(&name, &BTreeMap::new());
        let log = open(&zone);
        if first > 0 {
            append(&log, 0..first);
        }
        let before = contents(&zone);
        append(&log, first..second);
        let after = contents(&zone);
        let order = written(&before, &after);
        assert!(order.len() >= 5, "{order:?}");
        for crashed in 0..=order.len() {
            let mut state = before.clone();
            for path in &order[..crashed] {
                state.insert(path.clone(), after[path].clone());
            }
            let zone = filled(&format!("{name}-then"), &state);
            if crashed > 0 && first > 0 {
                // The book can be read at every moment, at the last signed checkpoint.
                let size = reader(&zone).unwrap().size();
                assert!(size == first as u64 || size == second as u64);
                let seen = verify_all(&zone, ORIGIN, &known()).unwrap();
                let stale = seen.findings.iter().all(|f| f.object == "checkpoint");
                assert!(stale, "crash at {crashed}: {:?}", seen.findings);
            }
            let log = open(&zone);
            let expected = if crashed == 0 { &before } else { &after };
            assert_eq!(&contents(&zone), expected, "crash before write {crashed} of {order:?}");
            append(&log, first..second);
            assert_eq!(contents(&zone), after, "crash before write {crashed}, then done again");
        }
    }
}

#[test]
fn two_writers_lose_nothing_and_write_nothing_twice() {
    let zone = Store::open("memory://two-writers").unwrap();
    let logs = [open(&zone), open(&zone), open(&zone)];
    std::thread::scope(|scope| {
        for (writer, log) in logs.iter().enumerate() {
            scope.spawn(move || {
                for n in 0..12 {
                    let own = format!("w{writer}-{n}");
                    let shared = format!("shared-{n}");
                    while let Err(error) = log.append_texts(&[&own, &shared]) {
                        assert!(matches!(error, log::Error::Conflict), "{error}");
                    }
                }
            });
        }
    });
    open(&zone);
    let seen = verify_all(&zone, ORIGIN, &known()).unwrap();
    assert_eq!(seen.findings, []);
    assert_eq!(seen.entries, 48);
    let leaves: BTreeSet<_> = reader(&zone).unwrap().leaves().map(|leaf| leaf.unwrap().1).collect();
    assert_eq!(leaves.len(), 48);
}

#[test]
fn ten_thousand_entries_in_one_call_are_one_commit() {
    let zone = Store::open("memory://bulk").unwrap();
    append(&open(&zone), 0..10_000);
    let reader = reader(&zone).unwrap();
    assert_eq!(reader.size(), 10_000);
    assert_eq!(reader.checkpoint_sizes().unwrap(), [10_000]);
    for (n, leaf) in (0_u64..).zip(reader.leaves()) {
        assert_eq!(leaf.unwrap(), (n, Bytes::from(format!("entry-{n}"))));
    }
    for index in [0, 1, 255, 256, 4095, 4096, 9_983, 9_984, 9_999] {
        let leaf = leaf_hash(format!("entry-{index}").as_bytes());
        let proof = reader.inclusion(index).unwrap();
        assert!(verify_inclusion(index, 10_000, &leaf, &proof, &reader.root()), "{index}");
        assert_eq!(reader.find(&leaf).unwrap(), Some(index));
        let proof = LogProof::parse(&reader.prove(index).unwrap().to_string()).unwrap();
        assert!(proof.verify(&leaf, ORIGIN, &known()).is_ok());
    }
    assert_eq!(reader.find(&leaf_hash(b"x")).unwrap(), None);
    assert!(matches!(reader.leaf(10_000), Err(reader::Error::Beyond { .. })));
    assert!(matches!(reader.inclusion(10_000), Err(reader::Error::Beyond { .. })));
    assert!(matches!(reader.consistency(1, 10_001), Err(reader::Error::Beyond { .. })));
}

/// A log of several commits across a tile's edge, with a record tree beside it.
fn small_log(name: &str) -> (Store, BTreeMap<String, Bytes>) {
    let zone = filled(name, &BTreeMap::new());
    let log = open(&zone);
    let mut from = 0;
    for to in [1, 5, 255, 256, 257, 300, 520] {
        append(&log, from..to);
        from = to;
    }
    let digest = Sha3Digest::of(b"r");
    let leaves = (0..9).map(|n| record::leaf(&[n; 32], "d", 1, &digest)).collect();
    let tree = RecordTree::build(leaves).unwrap();
    assert_eq!(zone.create(&tree.path(), tree.bytes()).unwrap(), Created::New);
    let objects = contents(&zone);
    (zone, objects)
}

#[test]
fn a_flipped_bit_in_any_object_is_found_and_the_object_named() {
    let (zone, objects) = small_log("flip");
    let seen = verify_all(&zone, ORIGIN, &known()).unwrap();
    assert_eq!(seen.findings, []);
    assert_eq!(usize::try_from(seen.objects).unwrap(), objects.len(), "an object was not read");
    for (path, bytes) in &objects {
        for (at, bit) in [(0, 0), (bytes.len() / 2, 3), (bytes.len() - 1, 6)] {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1 << bit;
            zone.put(path, changed.into()).unwrap();
            let seen = verify_all(&zone, ORIGIN, &known()).unwrap();
            let named: BTreeSet<_> = seen.findings.iter().map(|f| f.object.as_str()).collect();
            assert_eq!(named, BTreeSet::from([path.as_str()]), "byte {at} of `{path}`");
        }
        for changed in [&bytes[..bytes.len() - 1], &[bytes, &b"\0"[..]].concat(), &[]] {
            zone.put(path, Bytes::copy_from_slice(changed)).unwrap();
            let seen = verify_all(&zone, ORIGIN, &known()).unwrap();
            assert!(seen.findings.iter().any(|f| f.object == *path), "length of `{path}`");
        }
        zone.put(path, bytes.clone()).unwrap();
    }
}

#[test]
fn a_missing_object_is_found_unless_a_full_one_stands_for_it() {
    let (zone, objects) = small_log("missing");
    for (path, bytes) in objects {
        zone.delete(&path).unwrap();
        let seen = verify_all(&zone, ORIGIN, &known()).unwrap();
        let earlier = tile::Tile::parse(&path)
            .is_some_and(|tile| !tile.is_full() && !tile::added(0, 520).contains(&tile));
        let optional = earlier
            || path.starts_with("records/")
            || path == "checkpoints/1"
            || path.starts_with("checkpoints/") && path != "checkpoints/520";
        let found = seen.findings.iter().any(|finding| finding.object == path);
        assert_eq!(found, !optional, "`{path}`: {:?}", seen.findings);
        zone.put(&path, bytes).unwrap();
    }
    zone.put("tile/0/x001/000", Bytes::from_static(b"x")).unwrap();
    zone.put("notes.txt", Bytes::from_static(b"x")).unwrap();
    let seen = verify_all(&zone, ORIGIN, &known()).unwrap();
    assert_eq!(seen.findings.len(), 2, "{:?}", seen.findings);
}

#[test]
fn tiles_and_bundles_broken_in_several_places_are_each_named() {
    let (zone, objects) = small_log("several");
    let broken = ["tile/0/000", "tile/entries/001", "tile/1/000.p/2", "checkpoints/257"];
    for path in broken {
        let mut bytes = objects[path].to_vec();
        bytes[40] ^= 1;
        zone.put(path, bytes.into()).unwrap();
    }
    let seen = verify_all(&zone, ORIGIN, &known()).unwrap();
    let named: BTreeSet<_> = seen.findings.iter().map(|f| f.object.as_str()).collect();
    assert_eq!(named, BTreeSet::from(broken));
}

/// Small trees do not meet the fault of CVE-2026-56865; three levels of tiles do.
#[test]
fn no_leaf_is_read_through_a_tile_that_does_not_lead_to_the_root() {
    let zone = Store::open("memory://three-levels").unwrap();
    append(&open(&zone), 0..66_000);
    let whole = reader(&zone).unwrap();
    assert_eq!(whole.size(), 66_000);
    let old = whole.root_at(40_000).unwrap();
    let proof = whole.consistency(40_000, 66_000).unwrap();
    assert!(verify_consistency(40_000, 66_000, &old, &whole.root(), &proof));
    for (path, at, leaf) in [
        ("tile/0/017", 0, 17 * 256),
        ("tile/0/017", 8_191, 17 * 256 + 3),
        ("tile/0/255", 5, 65_535),
        ("tile/entries/017", 9, 17 * 256 + 40),
        ("tile/1/000", 17 * 32 + 1, 17 * 256),
        ("tile/1/000", 200 * 32, 17 * 256),
        ("tile/1/001.p/1", 3, 65_536),
        ("tile/2/000.p/1", 3, 0),
        ("tile/0/257.p/208", 70, 65_999),
        ("tile/entries/257.p/208", 70, 65_999),
    ] {
        let bytes = zone.get(path).unwrap();
        let mut changed = bytes.to_vec();
        changed[at] ^= 0x10;
        zone.put(path, changed.into()).unwrap();
        let read = reader(&zone).and_then(|reader| reader.leaf(leaf));
        assert!(
            matches!(&read, Err(reader::Error::Broken { object, .. }) if object.contains(path)),
            "`{path}` was believed: {read:?}"
        );
        if !path.contains("entries") {
            let proved = reader(&zone).and_then(|reader| reader.inclusion(leaf));
            assert!(proved.is_err(), "`{path}` was believed in a proof");
        }
        zone.put(path, bytes).unwrap();
    }
    assert_eq!(reader(&zone).unwrap().leaf(65_999).unwrap(), "entry-65999");
}

#[test]
fn an_entry_is_proved_from_four_tiles_and_one_bundle() {
    let zone = Store::open("memory://whole-log").unwrap();
    append(&open(&zone), 0..70_000);
    let part = Store::open("memory://part-of-a-log").unwrap();
    for path in [
        "log.vkey",
        "checkpoint",
        "tile/0/273.p/112",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
        "tile/1/000",
        "tile/entries/017",
    ] {
        part.put(path, zone.get(path).unwrap()).unwrap();
    }
    let (leaf, proof) = reader(&part).unwrap().prove_leaf(17 * 256 + 3).unwrap();
    assert_eq!(leaf, format!("entry-{}", 17 * 256 + 3), "more than these files was asked for");
    let (index, hashes) = (proof.index, &proof.hashes);
    let root = reader(&zone).unwrap().root();
    assert!(verify_inclusion(index, 70_000, &leaf_hash(&leaf), hashes, &root));
    // The same proof as the one that is made of the tiles.
    assert_eq!(*hashes, reader(&zone).unwrap().inclusion(index).unwrap());

    let mut changed = part.get("tile/entries/017").unwrap().to_vec();
    changed[9] ^= 0x10;
    part.put("tile/entries/017", changed.into()).unwrap();
    let proved = reader(&part).unwrap().prove_leaf(17 * 256 + 200);
    assert!(
        matches!(&proved, Err(reader::Error::Broken { object, .. }) if object == "tile/entries/017"),
        "a bundle was believed that no tile vouches for: {proved:?}"
    );
    let beyond = reader(&zone).unwrap().prove_leaf(70_000);
    assert!(matches!(beyond, Err(reader::Error::Beyond { .. })));
}

#[test]
fn an_earlier_partial_tile_may_go_when_the_full_one_is_there() {
    let (zone, objects) = small_log("garbage");
    for path in objects.keys().filter(|path| path.contains("000.p/") && !path.contains("tile/1")) {
        zone.delete(path).unwrap();
    }
    let then = Reader::open_size(&zone, ORIGIN, &known(), 255).unwrap();
    assert_eq!(then.leaf(254).unwrap(), "entry-254");
    assert_eq!(then.leaves().count(), 255);
    let proof = then.inclusion(3).unwrap();
    assert!(verify_inclusion(3, 255, &leaf_hash(b"entry-3"), &proof, &then.root()));
}

#[test]
fn a_second_history_is_never_signed() {
    let (zone, objects) = small_log("fork");
    // Another commit of the same size in the place of the newest.
    let path = "commits/000000000007.json";
    let forged = String::from_utf8(objects[path].to_vec()).unwrap();
    let other = filled("fork-other", &BTreeMap::new());
    let log = open(&other);
    append(&log, 0..300);
    log.append_texts(&(0..220).map(|_| "x").collect::<Vec<_>>()).unwrap();
    assert!(forged.contains("\"entry-300\""));
    zone.put(path, forged.replace("\"entry-300\"", "\"entry-3OO\"").into()).unwrap();
    let opened = Log::open(zone.clone(), ORIGIN, signer());
    assert!(matches!(opened, Err(log::Error::Broken(_))), "{opened:?}");
    zone.put(path, objects[path].clone()).unwrap();
    // The tiles before the newest commit are not what its root says.
    let edge = "tile/0/001.p/44";
    let mut bytes = objects[edge].to_vec();
    bytes[9] ^= 1;
    zone.put(edge, bytes.into()).unwrap();
    assert!(matches!(Log::open(zone.clone(), ORIGIN, signer()), Err(log::Error::Broken(_))));
    zone.put(edge, objects[edge].clone()).unwrap();
    // A checkpoint of that size with another root is there already.
    let mut note = objects["checkpoints/300"].to_vec();
    note.truncate(10);
    zone.put("checkpoints/520", note.into()).unwrap();
    let opened = Log::open(zone.clone(), ORIGIN, signer());
    assert!(matches!(opened, Err(log::Error::Store(store::Error::Differs { .. }))), "{opened:?}");
    assert_eq!(zone.get("checkpoint").unwrap(), objects["checkpoint"]);
}

#[test]
fn a_log_is_opened_with_its_own_key_alone() {
    let zone = Store::open("memory://own-key").unwrap();
    append(&open(&zone), 0..1);
    let other = Signer::from_seed(ORIGIN, &[9; 32]).unwrap();
    assert!(Log::open(zone.clone(), ORIGIN, other.clone()).is_err());
    assert!(Log::create(zone.clone(), ORIGIN, other.clone()).is_err());
    assert!(Log::open(zone.clone(), "other.example", signer()).is_err());
    assert!(Reader::open(&zone, ORIGIN, &[other.verifier().clone()]).is_err());
    assert!(Reader::open(&zone, "other.example", &known()).is_err());
    let empty = Store::open("memory://empty-zone").unwrap();
    assert!(Log::open(empty.clone(), ORIGIN, signer()).is_err());
    assert!(matches!(reader(&empty), Err(reader::Error::Missing { .. })));
}

#[test]
fn a_witnesss_line_stays_until_the_log_grows() {
    let zone = Store::open("memory://witness").unwrap();
    let log = open(&zone);
    append(&log, 0..5);
    let witness = Signer::witness("witness.example/w1", &[3; 32]).unwrap();
    let note = String::from_utf8(zone.get("checkpoint").unwrap().to_vec()).unwrap();
    let line = witness.cosign(note.split_once("\n\n").unwrap().0.to_owned().as_str(), 7);
    assert!(line.is_err(), "a text without its last line feed was cosigned");
    let text = format!("{}\n", note.split_once("\n\n").unwrap().0);
    let cosigned = add_signature(&note, &witness.cosign(&text, 7).unwrap()).unwrap();
    zone.put("checkpoint", cosigned.clone().into()).unwrap();
    open(&zone);
    assert_eq!(zone.get("checkpoint").unwrap(), cosigned);
    let mut keys = known();
    keys.push(witness.verifier().clone());
    assert_eq!(Reader::open(&zone, ORIGIN, &keys).unwrap().vouched().len(), 2);
    assert!(verify_all(&zone, ORIGIN, &keys).unwrap().is_whole());
    append(&open(&zone), 5..6);
    assert_eq!(Reader::open(&zone, ORIGIN, &keys).unwrap().vouched().len(), 1);
}

#[test]
fn an_entry_that_this_version_refuses_is_named_by_its_index() {
    let zone = Store::open("memory://refused").unwrap();
    append(&open(&zone), 0..2);
    let reader = reader(&zone).unwrap();
    let error = reader.entry(1).unwrap_err();
    assert!(matches!(error, reader::Error::Entry { index: 1, source: entry::Error::Form(_) }));
    assert!(reader.entries().next().unwrap().is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_log_reads_back_and_every_proof_of_it_holds(
        steps in prop::collection::vec(1_usize..200, 1..6), at: prop::sample::Index,
    ) {
        let zone = filled("any-log", &BTreeMap::new());
        let (mut log, mut size) = (open(&zone), 0);
        for (n, step) in steps.iter().enumerate() {
            append(&log, size..size + step);
            size += step;
            if n % 2 == 1 {
                log = open(&zone);
            }
        }
        let reader = reader(&zone).unwrap();
        let size = u64::try_from(size).unwrap();
        prop_assert_eq!(reader.size(), size);
        let index = u64::try_from(at.index(usize::try_from(size).unwrap())).unwrap();
        let leaf = leaf_hash(&reader.leaf(index).unwrap());
        let proof = reader.inclusion(index).unwrap();
        prop_assert!(verify_inclusion(index, size, &leaf, &proof, &reader.root()));
        for old in reader.checkpoint_sizes().unwrap() {
            let root = reader.checkpoint_of(old).unwrap().checkpoint.root;
            let proof = reader.consistency(old, size).unwrap();
            prop_assert!(verify_consistency(old, size, &root, &reader.root(), &proof));
        }
        prop_assert!(verify_all(&zone, ORIGIN, &known()).unwrap().is_whole());
    }
}
