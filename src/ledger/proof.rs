//! Proof files (C2SP tlog-proof): one entry's inclusion under a signed checkpoint, checked offline.
//!
//! Comes in: a text, an entry, the keys to believe. Goes out: the checkpoint that covers the entry.
//! Never: a proof believed whose checkpoint was not signed by the log it names.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)
)]

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    checkpoint::{self, Checkpoint, Opened},
    entry::EntryId,
    tree::{Hash, verify_inclusion},
};
use crate::{digest::Sha256, signed_note::Verifier};

/// The first line of a proof file.
pub(super) const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// An inclusion proof has at most one hash a level.
const HASHES_MAX: usize = 63;

/// What is wrong with a proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is no proof file.
    #[error("this is no proof file: {0}")]
    Form(&'static str),
    /// The checkpoint cannot be believed.
    #[error("the proof's checkpoint cannot be believed")]
    Checkpoint(#[from] checkpoint::Error),
    /// The hashes do not lead from the entry to the checkpoint's root.
    #[error("the proof does not lead from the entry to the signed root")]
    NotIncluded,
}

/// A proof that an entry is in a log: <https://c2sp.org/tlog-proof>.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// Bytes that travel with the proof and that nothing vouches for.
    pub extra: Option<Vec<u8>>,
    /// The entry's leaf index.
    pub index: u64,
    /// The hashes beside its path, the leaf's sibling first.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint, as it was signed.
    pub checkpoint: String,
}

impl LogProof {
    /// Reads a proof file.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (proof, checkpoint) =
            text.split_once("\n\n").ok_or(Error::Form("no blank line before its checkpoint"))?;
        let mut lines = proof.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(Error::Form("its first line is another"));
        }
        let extra = match lines.peek().and_then(|line| line.strip_prefix("extra ")) {
            Some(encoded) => {
                let bytes = STANDARD.decode(encoded);
                let bytes = bytes.map_err(|_| Error::Form("its extra line is not base64"))?;
                lines.next();
                Some(bytes)
            }
            None => None,
        };
        let digits = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .ok_or(Error::Form("it names no index"))?;
        let index: u64 = digits.parse().map_err(|_| Error::Form("its index is no number"))?;
        if index.to_string() != digits {
            return Err(Error::Form("its index is no number"));
        }
        let mut hashes = Vec::new();
        for line in lines {
            let bytes = STANDARD.decode(line).ok().and_then(|bytes| bytes.try_into().ok());
            hashes.push(Sha256(bytes.ok_or(Error::Form("a line is no hash"))?));
            if hashes.len() > HASHES_MAX {
                return Err(Error::Form("it has more hashes than a tree has levels"));
            }
        }
        Ok(Self { extra, index, hashes, checkpoint: checkpoint.to_owned() })
    }

    /// Verifies that the entry of this id is in the log `origin`, as the known keys vouch for it.
    /// Returns the checkpoint, with who signed it and when.
    pub fn verify(&self, id: &EntryId, origin: &str, known: &[Verifier]) -> Result<Opened, Error> {
        let opened = Checkpoint::open(&self.checkpoint, origin, known)?;
        let Checkpoint { size, root, .. } = &opened.checkpoint;
        if verify_inclusion(self.index, *size, id, &self.hashes, root) {
            Ok(opened)
        } else {
            Err(Error::NotIncluded)
        }
    }
}

impl fmt::Display for LogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", STANDARD.encode(hash.0))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ledger::tree::{Tree, leaf_hash},
        signed_note::Signer,
    };

    fn made() -> (LogProof, EntryId, Verifier) {
        let seed = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let signer = Signer::from_seed("ledger.example/rdm", &seed).unwrap();
        let tree = Tree::new((0..5).map(|n| leaf_hash(format!("entry-{n}").as_bytes())).collect());
        let checkpoint =
            Checkpoint { origin: "ledger.example/rdm".to_owned(), size: 5, root: tree.root() };
        let proof = LogProof {
            extra: None,
            index: 4,
            hashes: tree.inclusion(4).unwrap(),
            checkpoint: checkpoint.sign(&signer).unwrap(),
        };
        (proof, leaf_hash(b"entry-4"), signer.verifier().clone())
    }

    #[test]
    fn the_worked_examples_proof_is_written_as_the_standard_says() {
        let (proof, id, key) = made();
        let text = proof.to_string();
        assert_eq!(
            text,
            "c2sp.org/tlog-proof@v1\nindex 4\nJWueiCXl03CkrgBdCQHqKRl34pJ/XPjj5yZg3QlRnts=\n\n\
             ledger.example/rdm\n5\nGqaNMHSQWlgfhMu9D3U3lJBP2ARRvEwT5p2aU7xZUCw=\n\n\
             \u{2014} ledger.example/rdm 0ncLMSk7dIwBEoRolGN6DIU4XFpZbeudGQzJt8mZy12g82Vxih5FWcg0RFBVzsrzJcUDY4zZQoIyj0XIqW09mFVMnwE=\n"
        );
        let read = LogProof::parse(&text).unwrap();
        assert_eq!(read, proof);
        let opened = read.verify(&id, "ledger.example/rdm", &[key]).unwrap();
        assert_eq!(opened.checkpoint.size, 5);
    }

    #[test]
    fn extra_bytes_travel_and_change_nothing() {
        let (proof, id, key) = made();
        let proof = LogProof { extra: Some(b"hello".to_vec()), ..proof };
        let read = LogProof::parse(&proof.to_string()).unwrap();
        assert_eq!(read.extra.as_deref(), Some(&b"hello"[..]));
        assert!(read.verify(&id, "ledger.example/rdm", &[key]).is_ok());
    }

    #[test]
    fn a_proof_of_another_entry_index_log_or_key_is_refused() {
        let (proof, id, key) = made();
        let origin = "ledger.example/rdm";
        let known = [key];
        assert_eq!(proof.verify(&leaf_hash(b"x"), origin, &known), Err(Error::NotIncluded));
        let moved = LogProof { index: 3, ..proof.clone() };
        assert_eq!(moved.verify(&id, origin, &known), Err(Error::NotIncluded));
        let longer = LogProof { hashes: vec![proof.hashes[0]; 2], ..proof.clone() };
        assert_eq!(longer.verify(&id, origin, &known), Err(Error::NotIncluded));
        assert!(matches!(proof.verify(&id, "other", &known), Err(Error::Checkpoint(_))));
        assert!(matches!(proof.verify(&id, origin, &[]), Err(Error::Checkpoint(_))));
        let text = proof.to_string();
        for (from, to) in [
            ("@v1", "@v2"),
            ("index 4", "index 04"),
            ("index 4", "index -4"),
            ("JWue", "JWu"),
            ("index 4\n", ""),
            ("\n\n", "\n"),
        ] {
            let changed = text.replacen(from, to, 1);
            let held = LogProof::parse(&changed)
                .and_then(|proof| proof.verify(&id, origin, &known))
                .is_ok();
            assert!(!held, "{from:?} could be {to:?}");
        }
    }
}
