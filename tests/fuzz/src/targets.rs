//! What each reader of strangers' bytes must keep for any bytes at all.
//!
//! Comes in: bytes. Goes out: nothing. Never: an assertion that holds for the good case alone; each
//! target asks the same of bytes that were read and of bytes that were refused.

use std::path::Path;

use almoner::{
    ledger::{
        Checkpoint, Entry, LogProof, ProofFile, RecordTree,
        policy::Policy,
        tile::{self, Tile},
        tree::{self, Hash},
    },
    schema::TableSchema,
    signed_note::{Note, Signer, Verifier, open_note},
    witness::Request,
};

/// A target: its name, which is that of its folder in the corpus, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const ALL: &[Target] = &[
    ("note", note),
    ("checkpoint", checkpoint),
    ("tile", tile),
    ("proof", proof),
    ("entry", entry),
    ("policy", policy),
    ("request", request),
    ("schema", schema),
];

/// The one text that the known key has signed; no other may ever be believed.
pub const SIGNED: &str = "ledger.example/rdm\n5\nGqaNMHSQWlgfhMu9D3U3lJBP2ARRvEwT5p2aU7xZUCw=\n";

/// The key of ledger.md's worked example.
pub fn signer() -> Signer {
    let seed = std::array::from_fn(|at| u8::try_from(at).unwrap_or(0));
    Signer::from_seed("ledger.example/rdm", &seed).unwrap_or_else(|_| unreachable!("a good name"))
}

/// A note: nothing but the text that was signed is ever opened.
pub fn note(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let known = [signer().verifier().clone()];
    if let Ok(opened) = open_note(text, &known) {
        assert_eq!(opened, SIGNED, "a text was believed that its key never signed");
    }
    if let Ok(note) = Note::parse(text) {
        let lines: String =
            note.signatures().iter().map(almoner::signed_note::Signature::line).collect();
        let again = Note::parse(&format!("{}\n{lines}", note.text()));
        assert_eq!(again.as_ref(), Ok(&note), "a note written again is another note");
    }
    if let Ok(key) = Verifier::parse(text) {
        assert_eq!(key.vkey(), text, "a vkey can be written in two ways");
    }
}

/// A checkpoint: what is read is written back the same.
pub fn checkpoint(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert!(text.starts_with(&checkpoint.text()), "a checkpoint can be written in two ways");
    }
    let known = [signer().verifier().clone()];
    if let Ok(opened) = Checkpoint::open(text, "ledger.example/rdm", &known) {
        assert_eq!(opened.checkpoint.text(), SIGNED, "a tree was believed that nobody signed");
    }
}

/// Tiles, bundles and their paths: what is read is written back the same.
pub fn tile(bytes: &[u8]) {
    if let Some(tile) = std::str::from_utf8(bytes).ok().and_then(Tile::parse) {
        assert_eq!(tile.path().as_bytes(), bytes, "a path of a tile can be written in two ways");
    }
    for width in [1_u16, 2, 255, 256] {
        if let Ok(entries) = tile::decode_bundle(bytes, width) {
            let mut again = Vec::new();
            for entry in &entries {
                assert!(tile::encode_entry(entry, &mut again).is_ok(), "a bundle held too much");
            }
            assert_eq!(again, bytes, "a bundle can be written in two ways");
        }
        if let Ok(hashes) = tile::decode_hashes(bytes, width) {
            assert_eq!(tile::encode_hashes(&hashes), bytes, "a tile can be written in two ways");
        }
    }
    if let Ok(records) = RecordTree::read(bytes) {
        assert_eq!(records.bytes(), bytes, "a record tree can be written in two ways");
    }
}

/// Proof files, and proofs of hashes that the bytes give.
pub fn proof(bytes: &[u8]) {
    let known = [signer().verifier().clone()];
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(proof) = LogProof::parse(text) {
            assert_eq!(proof.to_string(), text, "a proof can be written in two ways");
            let nowhere = tree::leaf_hash(b"an entry that is in no log");
            assert!(
                proof.verify(&nowhere, "ledger.example/rdm", &known).is_err(),
                "an entry that was never logged was proved"
            );
        }
        if let Ok(proofs) = ProofFile::read(text) {
            let again: Result<String, _> = proofs.iter().map(ProofFile::text).collect();
            assert_eq!(
                again.ok().as_deref(),
                Some(text),
                "a file of proofs can be written in two ways"
            );
            for proof in proofs {
                let shown = proof.verify(&known).is_ok();
                assert!(!shown, "an entry was proved that the one signed tree does not hold");
            }
        }
    }
    // Sizes and hashes at will: a proof of a leaf that the root does not hold.
    let Some((head, rest)) = bytes.split_first_chunk::<16>() else { return };
    let (first, second) = head.split_at(8);
    let number = |part: &[u8]| part.iter().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
    let (a, b) = (number(first), number(second));
    let hashes: Vec<Hash> =
        rest.as_chunks::<32>().0.iter().map(|hash| almoner::digest::Sha256(*hash)).collect();
    let leaf = tree::leaf_hash(b"an entry that is in no log");
    let root = tree::leaf_hash(b"a root that is of no tree");
    assert!(!tree::verify_inclusion(a, b, &leaf, &hashes, &root), "a leaf was proved in no tree");
    let other = tree::leaf_hash(b"another root that is of no tree");
    if a != 0 {
        let held = tree::verify_consistency(a, b, &root, &other, &hashes);
        assert!(!held, "two trees that share nothing were proved to be one");
    }
}

/// An entry: its bytes could not have been written another way.
pub fn entry(bytes: &[u8]) {
    if let Ok(entry) = Entry::parse(bytes) {
        assert_eq!(entry.bytes(), bytes, "an entry was read that would be written otherwise");
        assert_eq!(entry.id(), tree::leaf_hash(bytes), "an entry's id is not its leaf's hash");
        if entry.kind().is_some() {
            let common = entry.actor().is_some() && entry.time().is_some();
            assert!(common, "an entry of a known kind has no actor or no time");
        }
    }
}

/// A policy: who it asks for never is nobody, and all of them always suffice.
pub fn policy(bytes: &[u8]) {
    match Policy::parse(bytes) {
        Ok(policy) => {
            let nobody = policy.satisfied_by(|_| false);
            assert_ne!(policy.asks(), nobody, "a policy that asks for witnesses is met by nobody");
            assert!(policy.satisfied_by(|_| true), "a policy can be met by nobody at all");
        }
        Err(error) => {
            let lines = bytes.split(|byte| *byte == b'\n').count();
            assert!((1..=lines).contains(&error.line), "a fault lies in no line of the file");
        }
    }
}

/// What a log asks of a witness: what is read is written back the same.
pub fn request(bytes: &[u8]) {
    if let Ok(request) = Request::parse(bytes) {
        assert_eq!(request.to_string().as_bytes(), bytes, "a request can be written in two ways");
    }
}

/// A schema in TOML: read, or refused with faults that lie in the file.
pub fn schema(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(faults) = TableSchema::read(Path::new("fuzz.toml"), text) {
        assert!(!faults.is_empty(), "a schema was refused without a reason");
        for fault in faults {
            let report = miette::Report::new(fault);
            assert!(!format!("{report:?}").is_empty(), "a fault has no words");
        }
    }
}
