//! Foreign readers and a log of 70,000 entries, three levels of tiles high: the crates `signed_note`
//! and `tlog_tiles` accept it, and no bit of it can be flipped without our reader minding.
//!
//! It leaves the log in `target/tmp/foreign_log`, where `tests/run` has Go and Python read it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where its log cannot be made"
)]

use std::{cell::Cell, fs, path::PathBuf};

use almoner::{
    instant::Instant,
    ledger::{
        Checkpoint, Entry, Kind, Reader,
        log::Log,
        reader::Error,
        schema::Schema,
        tile::{Row, Tile, added, decode_bundle},
        tree::{leaf_hash, verify_inclusion},
    },
    signed_note::{Signer, Verifier, add_signature},
    store::Store,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use rayon::prelude::*;
use signed_note::{Note, StandardVerifier, Verifier as Foreign, VerifierList};
use tlog_tiles::{
    HashReader as _, TileHashReader, TileReader, check_record, check_tree, prove_record,
    prove_tree, record_hash, stored_hash_index, tree_hash,
};

const ORIGIN: &str = "ledger.example/rdm";
const SIZES: [u64; 8] = [1, 5, 255, 256, 257, 300, 65_536, 70_000];
const SIZE: u64 = 70_000;

fn log_key() -> Signer {
    Signer::from_seed(ORIGIN, &[1; 32]).unwrap()
}

fn witness() -> Signer {
    Signer::witness("witness.example/w1", &[2; 32]).unwrap()
}

fn known() -> Vec<Verifier> {
    vec![log_key().verifier().clone(), witness().verifier().clone()]
}

/// The log, made once for all tests of this program.
fn log() -> (PathBuf, Store) {
    static LOG: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    let folder = LOG.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("foreign_log");
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        make(&Store::open(folder.join("ledger").to_str().unwrap()).unwrap());
        let about = format!(
            "{{\"origin\":\"{ORIGIN}\",\"log_vkey\":\"{}\",\"witness_vkey\":\"{}\"}}\n",
            log_key().verifier().vkey(),
            witness().verifier().vkey(),
        );
        fs::write(folder.join("site.json"), about).unwrap();
        folder
    });
    (folder.clone(), Store::open(folder.join("ledger").to_str().unwrap()).unwrap())
}

fn make(zone: &Store) {
    let now = Instant::parse("2026-11-26T09:30:00Z").unwrap();
    let (signer, sample) = (log_key(), Schema::of(Kind::ConsentBatch).sample());
    let entries: Vec<Entry> = (0..SIZE)
        .into_par_iter()
        .map(|n| {
            let mut body = sample.clone();
            body.insert("count".to_owned(), n.into());
            Entry::sign(Kind::ConsentBatch, ORIGIN, now, &[], &[], &body, &signer).unwrap()
        })
        .collect();
    let log = Log::create(zone.clone(), ORIGIN, signer).unwrap();
    let mut from = 0;
    for size in SIZES {
        let to = usize::try_from(size).unwrap();
        log.append(&entries[from..to]).unwrap();
        from = to;
    }
    // Each checkpoint is cosigned, the published and the current one.
    for (size, object) in SIZES
        .map(|size| (size, format!("checkpoints/{size}")))
        .into_iter()
        .chain([(SIZE, "checkpoint".to_owned())])
    {
        let note = text(zone, &object);
        let opened = Checkpoint::open(&note, ORIGIN, &known()).unwrap();
        let line = witness().cosign(&opened.checkpoint.text(), 1_800_000_000 + size).unwrap();
        zone.put(&object, add_signature(&note, &line).unwrap().into()).unwrap();
    }
}

fn text(zone: &Store, object: &str) -> String {
    String::from_utf8(zone.get(object).unwrap().to_vec()).unwrap()
}

/// The witness's key as the crate wants it: cosignature/v1 is not among those it knows, the Ed25519
/// below it is.
struct Cosignature {
    key_id: u32,
    ed25519: StandardVerifier,
}

impl Cosignature {
    fn new(key: &Verifier) -> Self {
        let plain = [&[1], &key.public()[..]].concat();
        let id = signed_note::key_id(key.name(), &plain);
        let vkey = format!("{}+{id:08x}+{}", key.name(), STANDARD.encode(&plain));
        let ed25519 = StandardVerifier::new(&vkey).unwrap();
        let key_id = signed_note::key_id(key.name(), &[&[4], &key.public()[..]].concat());
        Self { key_id, ed25519 }
    }
}

impl Foreign for Cosignature {
    fn name(&self) -> &str {
        self.ed25519.name()
    }

    fn key_id(&self) -> u32 {
        self.key_id
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        let Some((time, signature)) = signature.split_first_chunk::<8>() else { return false };
        let head = format!("cosignature/v1\ntime {}\n", u64::from_be_bytes(*time));
        self.ed25519.verify(&[head.as_bytes(), text].concat(), signature)
    }
}

/// What a note says, if the crate believes that the log and the witness signed it.
fn believed(note: &[u8]) -> Option<(u64, tlog_tiles::Hash)> {
    let log = StandardVerifier::new(&log_key().verifier().vkey()).unwrap();
    let witness = Cosignature::new(witness().verifier());
    let known = VerifierList::new(vec![Box::new(log), Box::new(witness)]);
    let note = Note::from_bytes(note).ok()?;
    let (verified, _) = note.verify(&known).ok()?;
    let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text()).ok()?;
    (verified.len() == 2 && checkpoint.origin() == ORIGIN)
        .then(|| (checkpoint.size(), *checkpoint.hash()))
}

/// The tiles of a zone as the crate asks for them; its paths name the height, ours do not.
struct Tiles<'a> {
    zone: &'a Store,
    saved: Cell<usize>,
}

impl TileReader for Tiles<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let path = |tile: &tlog_tiles::Tile| tile.path().replacen("tile/8/", "tile/", 1);
        let read = |tile| self.zone.get(&path(tile)).map(|bytes| bytes.to_vec());
        tiles.iter().map(read).collect::<Result<_, _>>().map_err(|_| tlog_tiles::Error::BadMath)
    }

    fn save_tiles(&self, tiles: &[tlog_tiles::Tile], _: &[Vec<u8>]) {
        self.saved.set(self.saved.get() + tiles.len());
    }
}

/// The leaf hashes of one bundle as the crate authenticates them.
fn foreign_leaves(
    zone: &Store,
    root: tlog_tiles::Hash,
    bundle: u64,
) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
    let tiles = Tiles { zone, saved: Cell::new(0) };
    let leaves = bundle * 256..SIZE.min((bundle + 1) * 256);
    let indexes: Vec<u64> = leaves.map(|leaf| stored_hash_index(0, leaf)).collect();
    TileHashReader::new(SIZE, root, &tiles).read_hashes(&indexes)
}

#[test]
fn foreign_crates_accept_every_checkpoint_and_every_entry() {
    let (_, zone) = log();
    let mut checkpoints = Vec::new();
    for size in SIZES {
        let (stated, root) = believed(&zone.get(&format!("checkpoints/{size}")).unwrap()).unwrap();
        assert_eq!(stated, size, "a checkpoint is of another size than its name");
        checkpoints.push((size, root));
    }
    let (size, root) = believed(&zone.get("checkpoint").unwrap()).unwrap();
    assert_eq!((size, root), checkpoints[7], "the current checkpoint is not the newest");

    let tiles = Tiles { zone: &zone, saved: Cell::new(0) };
    let reader = TileHashReader::new(SIZE, root, &tiles);
    for (old, old_root) in checkpoints {
        assert_eq!(tree_hash(old, &reader).unwrap(), old_root, "another root at {old}");
        if old < SIZE {
            let proof = prove_tree(SIZE, old, &reader).unwrap();
            check_tree(&proof, SIZE, root, old, old_root).unwrap();
        }
    }
    for bundle in 0..SIZE.div_ceil(256) {
        let tile = Tile::of_size(Row::Entries, bundle, SIZE).unwrap();
        let bytes = zone.get(&tile.path()).unwrap();
        let entries = decode_bundle(&bytes, tile.width).unwrap();
        let hashes: Vec<_> = entries.iter().map(|entry| record_hash(entry)).collect();
        assert_eq!(foreign_leaves(&zone, root, bundle).unwrap(), hashes, "bundle {bundle}");
    }
    for leaf in (0..SIZE).step_by(701).chain([255, 256, 65_535, 65_536, SIZE - 1]) {
        let proof = prove_record(SIZE, leaf, &reader).unwrap();
        let hash = reader.read_hashes(&[stored_hash_index(0, leaf)]).unwrap()[0];
        check_record(&proof, SIZE, root, leaf, hash).unwrap();
    }
    assert!(tiles.saved.get() > 0, "the crate authenticated no tile");
}

/// The log in memory, where one object after the other can be changed.
fn copy(name: &str) -> Store {
    let (_, zone) = log();
    let copy = Store::open(&format!("memory://{name}")).unwrap();
    for listed in zone.list("").unwrap() {
        let wanted = listed.path.starts_with("tile/") || listed.path.starts_with("checkpoint");
        if wanted {
            copy.put(&listed.path, zone.get(&listed.path).unwrap()).unwrap();
        }
    }
    copy
}

fn flipped(bytes: &Bytes, seed: usize) -> Bytes {
    let mut bytes = bytes.to_vec();
    let at = seed.wrapping_mul(2_654_435_761) % bytes.len();
    bytes[at] ^= 1 << (seed % 8);
    bytes.into()
}

fn reader(zone: &Store) -> Result<Reader, Error> {
    Reader::open(zone, ORIGIN, &known())
}

#[test]
fn a_flipped_bit_in_any_tile_or_bundle_refuses_every_leaf_below_it() {
    let zone = copy("every-tile");
    let tiles = added(0, SIZE);
    assert_eq!(tiles.len(), 274 + 274 + 2 + 1, "the log has other tiles than the standard says");
    let (_, root) = believed(&zone.get("checkpoint").unwrap()).unwrap();
    let mut blind = 0;
    for (seed, tile) in tiles.into_iter().enumerate() {
        let path = tile.path();
        let bytes = zone.get(&path).unwrap();
        zone.put(&path, flipped(&bytes, seed)).unwrap();
        let per_hash = match tile.row {
            Row::Entries | Row::Level(0) => 1,
            Row::Level(level) => 256_u64.pow(u32::from(level)),
        };
        let first = tile.index * 256 * per_hash;
        let leaves = first..SIZE.min(first + u64::from(tile.width) * per_hash);
        // Every leaf of a tile or bundle; of a tile further up one leaf of each tile below it.
        let step = if per_hash == 1 { 1 } else { 256 };
        match reader(&zone) {
            Ok(reader) => {
                for leaf in leaves.clone().step_by(step) {
                    let read = reader.leaf(leaf);
                    assert!(
                        matches!(&read, Err(Error::Broken { object, .. }) if *object == path),
                        "a bit of `{path}` was flipped and leaf {leaf} was read"
                    );
                }
            }
            Err(Error::Broken { object, .. }) => assert!(object.contains(&path), "{object}"),
            Err(error) => panic!("`{path}`: {error}"),
        }
        // Where the crate returns a hash of a flipped tile as authenticated, it is blind (its
        // reader has the flaw of CVE-2026-56865); what it says of entries must be asked of proofs.
        if tile.row == Row::Level(0) {
            let tiles = Tiles { zone: &zone, saved: Cell::new(0) };
            let foreign = TileHashReader::new(SIZE, root, &tiles);
            let read = foreign.read_hashes(&[stored_hash_index(0, leaves.start)]);
            blind += u64::from(read.is_ok());
        }
        zone.put(&path, bytes).unwrap();
    }
    eprintln!("tlog_tiles gave hashes of {blind} of 274 flipped tiles of leaves as authenticated");
    let whole = reader(&zone).unwrap();
    assert_eq!(whole.leaves().flatten().count(), 70_000, "a tile was not put back");
    let leaf = leaf_hash(&whole.leaf(17 * 256).unwrap());
    let proof = whole.inclusion(17 * 256).unwrap();
    assert!(verify_inclusion(17 * 256, SIZE, &leaf, &proof, &whole.root()));
}

/// The edge vouches for all that lies left of it, so its unfinished tiles are read for every proof.
#[test]
fn a_proof_from_a_cold_folder_reads_the_edge_two_tiles_and_one_bundle() {
    let (_, zone) = log();
    let cold = Store::open("memory://cold").unwrap();
    for object in [
        "checkpoint",
        "tile/0/273.p/112",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
        "tile/1/000",
        "tile/0/017",
        "tile/entries/017",
    ] {
        cold.put(object, zone.get(object).unwrap()).unwrap();
    }
    let leaf = 17 * 256 + 9;
    let reader = reader(&cold).unwrap();
    let hash = leaf_hash(&reader.leaf(leaf).unwrap());
    let proof = reader.inclusion(leaf).unwrap();
    assert!(verify_inclusion(leaf, SIZE, &hash, &proof, &reader.root()), "another proof");
}

#[test]
fn a_flipped_bit_in_any_line_of_any_checkpoint_is_minded() {
    let zone = copy("every-line");
    let objects = SIZES.map(|size| format!("checkpoints/{size}"));
    for object in objects.iter().map(String::as_str).chain(["checkpoint"]) {
        let bytes = zone.get(object).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1 << (at % 7);
            zone.put(object, changed.clone().into()).unwrap();
            assert!(believed(&changed).is_none(), "byte {at} of `{object}`: the crate minds not");
            let opened = match object.strip_prefix("checkpoints/") {
                Some(size) => Reader::open_size(&zone, ORIGIN, &known(), size.parse().unwrap()),
                None => reader(&zone),
            };
            // A line whose name is another is a stranger's, and one signature is then missing.
            let full = opened.is_ok_and(|reader| reader.vouched().len() == 2);
            assert!(!full, "byte {at} of `{object}` was changed and nobody minded");
        }
        zone.put(object, bytes).unwrap();
    }
}
