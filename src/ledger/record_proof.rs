//! A person's proof file: that their record is in a dataset version, or that no leaf of theirs is,
//! from the leaf up to a signed checkpoint, checked offline.
//!
//! Comes in: a record tree and the version's entry, or a file and the keys to believe. Goes out: a
//! file, or a verdict. Never: a root or count believed that is not in a signed entry of the log.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)
)]

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    checkpoint::Opened,
    entry::{self, Entry, Kind},
    proof::{self, LogProof},
    record::{self, Evidence, RecordTree, Token},
    tree::Hash,
};
use crate::{
    digest::{Sha3Digest, Sha256},
    signed_note::Verifier,
};

/// The format that this version writes and reads.
const FORMAT: &str = "almoner/record-proof/v1";

/// What is wrong with a record proof.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no proof file of this version.
    #[error("this is no record proof: {0}")]
    Form(String),
    /// The version's entry cannot be read.
    #[error("the entry in the proof cannot be read")]
    Entry(#[from] entry::Error),
    /// No known key signed the version's entry.
    #[error("no known key signed the entry in the proof")]
    Unsigned,
    /// The entry speaks of another version, or of another record tree.
    #[error("the entry in the proof speaks of another {0}")]
    Other(&'static str),
    /// The entry is not in the log.
    #[error("the entry is not shown to be in the log")]
    Log(#[from] proof::Error),
    /// The record tree does not hold what the proof says.
    #[error(transparent)]
    Record(#[from] record::Error),
    /// The record shown is not the one that the leaf commits to.
    #[error("the record shown is not the one that the leaf commits to")]
    Opening,
}

/// A proof about one token in one dataset version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordProof {
    format: String,
    /// The dataset.
    pub dataset: String,
    /// Its version.
    pub version: u64,
    /// The person's token in it, in hex: they can work it out from their own key.
    pub token: Sha256,
    /// The record tree's root.
    pub root: Hash,
    /// The record tree's number of leaves.
    pub count: u64,
    /// Why the token is there or not.
    pub evidence: Evidence,
    /// What opens the commitment, for a checker who is shown the record.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub opening: Option<Opening>,
    /// The `dataset-version` entry, as it stands in the log.
    pub entry: String,
    /// The entry's proof file.
    pub log_proof: String,
}

/// What opens one leaf's commitment and no other.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// The record's key, [`record::record_key`], in hex.
    pub record_key: Sha256,
    /// The digest of the record's bytes.
    pub record: Sha3Digest,
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opening").field("record", &self.record).finish_non_exhaustive()
    }
}

/// What a proof shows of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A leaf bears the token; the record was not shown.
    Present,
    /// A leaf bears the token and commits to the record shown.
    PresentWithRecord,
    /// No leaf bears the token.
    Absent,
}

/// A verdict: what is shown, and the checkpoint that vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What the proof shows.
    pub standing: Standing,
    /// The checkpoint, with who signed it and when.
    pub opened: Opened,
}

impl RecordProof {
    /// Makes the proof about a token, whichever way it falls out.
    pub fn make(
        dataset: &str,
        version: u64,
        tree: &RecordTree,
        token: &Token,
        opening: Option<Opening>,
        entry: &Entry,
        log_proof: &LogProof,
    ) -> Result<Self, Error> {
        let evidence = tree.prove(token)?;
        let there = matches!(evidence, Evidence::Present { .. });
        Ok(Self {
            format: FORMAT.to_owned(),
            dataset: dataset.to_owned(),
            version,
            token: Sha256(*token),
            root: tree.root(),
            count: tree.count(),
            evidence,
            opening: opening.filter(|_| there),
            entry: entry.text().to_owned(),
            log_proof: log_proof.to_string(),
        })
    }

    /// Reads a proof file.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let fault =
            |e: serde_json::Error| Error::Form(format!("line {}, column {}", e.line(), e.column()));
        let proof: Self = serde_json::from_str(text).map_err(fault)?;
        if proof.format == FORMAT {
            Ok(proof)
        } else {
            Err(Error::Form("its format is another".to_owned()))
        }
    }

    /// Returns the file's text.
    pub fn text(&self) -> String {
        let text = serde_json::to_string_pretty(self)
            .unwrap_or_else(|_| unreachable!("digests, numbers and texts are always JSON"));
        format!("{text}\n")
    }

    /// Verifies the proof from the leaf to the signed checkpoint. `log` are the keys that sign
    /// checkpoints (the log's, bearing the origin's name, and witnesses'), `actors` those that
    /// sign entries. That the token is this person's, the person checks with [`record::token`].
    pub fn verify(
        &self,
        origin: &str,
        log: &[Verifier],
        actors: &[Verifier],
    ) -> Result<Verdict, Error> {
        let entry = Entry::parse(self.entry.as_bytes())?;
        if !entry.verify(actors) {
            return Err(Error::Unsigned);
        }
        self.check_entry(&entry, origin)?;
        let opened = LogProof::parse(&self.log_proof)?.verify(&entry.id(), origin, log)?;
        let token = &self.token.0;
        let standing = match &self.evidence {
            Evidence::Absent { .. } => {
                self.evidence.verify_absent(token, &self.root, self.count)?;
                Standing::Absent
            }
            Evidence::Present { .. } => {
                let commitment = self.evidence.verify_present(token, &self.root, self.count)?;
                self.open(&commitment)?
            }
        };
        Ok(Verdict { standing, opened })
    }

    /// Checks that the entry is of this version and names this record tree.
    fn check_entry(&self, entry: &Entry, origin: &str) -> Result<(), Error> {
        if entry.kind() != Some(Kind::DatasetVersion) {
            return Err(Error::Other("kind of act"));
        }
        if entry.origin() != Some(origin) {
            return Err(Error::Other("log"));
        }
        let body = entry.body();
        if body.get("dataset").and_then(Value::as_str) != Some(&self.dataset) {
            return Err(Error::Other("dataset"));
        }
        if body.get("version").and_then(Value::as_u64) != Some(self.version) {
            return Err(Error::Other("version"));
        }
        let record = |name: &str| body.get("record").and_then(|record| record.get(name));
        if record("root").and_then(Value::as_str) != Some(&self.root.to_string()) {
            return Err(Error::Other("record tree"));
        }
        if record("count").and_then(Value::as_u64) != Some(self.count) {
            return Err(Error::Other("number of records"));
        }
        Ok(())
    }

    fn open(&self, commitment: &[u8; 32]) -> Result<Standing, Error> {
        let Some(Opening { record_key, record }) = &self.opening else {
            return Ok(Standing::Present);
        };
        let made = record::commitment(&record_key.0, &self.dataset, self.version, record);
        if made == *commitment { Ok(Standing::PresentWithRecord) } else { Err(Error::Opening) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        instant::Instant,
        ledger::{
            Schema,
            checkpoint::Checkpoint,
            tree::{Tree, leaf_hash},
        },
        signed_note::Signer,
    };

    const ORIGIN: &str = "commons.example/ledger";

    struct World {
        log: Signer,
        steward: Signer,
        tree: RecordTree,
        entry: Entry,
        log_proof: LogProof,
    }

    fn world(version: u64) -> World {
        let log = Signer::from_seed(ORIGIN, &[1; 32]).unwrap();
        let steward = Signer::from_seed("commons.example/ledger/steward", &[2; 32]).unwrap();
        let leaves = (1..20).map(|k| record::leaf(&[k; 32], "d", version, &digest())).collect();
        let tree = RecordTree::build(leaves).unwrap();
        let mut body = Schema::of(Kind::DatasetVersion).sample();
        body.insert("dataset".to_owned(), "d".into());
        body.insert("version".to_owned(), version.into());
        let record = json!({"root": tree.root().to_string(), "count": tree.count()});
        body.insert("record".to_owned(), record);
        let entry = Entry::sign(
            Kind::DatasetVersion,
            ORIGIN,
            Instant::parse("2026-11-22").unwrap(),
            &[],
            &[],
            &body,
            &steward,
        )
        .unwrap();
        let hashes = Tree::new(vec![leaf_hash(b"genesis"), entry.id(), leaf_hash(b"later")]);
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: 3, root: hashes.root() };
        let log_proof = LogProof {
            extra: None,
            index: 1,
            hashes: hashes.inclusion(1).unwrap(),
            checkpoint: checkpoint.sign(&log).unwrap(),
        };
        World { log, steward, tree, entry, log_proof }
    }

    fn digest() -> Sha3Digest {
        Sha3Digest::of(b"record")
    }

    impl World {
        fn proof(&self, person: u8, version: u64) -> RecordProof {
            let token = record::token(&[person; 32], "d", version);
            let opening = Opening {
                record_key: Sha256(record::record_key(&[person; 32], "d", version)),
                record: digest(),
            };
            let made = RecordProof::make(
                "d",
                version,
                &self.tree,
                &token,
                Some(opening),
                &self.entry,
                &self.log_proof,
            );
            RecordProof::parse(&made.unwrap().text()).unwrap()
        }

        fn verdict(&self, proof: &RecordProof) -> Result<Standing, Error> {
            let (log, actors) = (self.log.verifier().clone(), self.steward.verifier().clone());
            proof.verify(ORIGIN, &[log], &[actors]).map(|verdict| verdict.standing)
        }
    }

    #[test]
    fn presence_and_absence_are_shown_from_the_leaf_to_the_signed_checkpoint() {
        let world = world(2);
        assert_eq!(world.verdict(&world.proof(7, 2)).unwrap(), Standing::PresentWithRecord);
        let closed = RecordProof { opening: None, ..world.proof(7, 2) };
        assert_eq!(world.verdict(&closed).unwrap(), Standing::Present);
        let absent = world.proof(77, 2);
        assert_eq!(world.verdict(&absent).unwrap(), Standing::Absent);
        assert!(absent.opening.is_none(), "a key was given away that opens nothing here");
    }

    #[test]
    fn a_proof_with_one_thing_of_another_proof_is_refused() {
        let (one, two) = (world(1), world(2));
        let good = two.proof(7, 2);
        let old = one.proof(7, 1);
        let lies = [
            RecordProof { dataset: "e".to_owned(), ..good.clone() },
            RecordProof { version: 1, ..good.clone() },
            RecordProof { token: old.token, ..good.clone() },
            RecordProof { root: old.root, ..good.clone() },
            RecordProof { count: 20, ..good.clone() },
            RecordProof { evidence: two.proof(8, 2).evidence, ..good.clone() },
            RecordProof { evidence: two.proof(77, 2).evidence, ..good.clone() },
            RecordProof { opening: two.proof(8, 2).opening, ..good.clone() },
            RecordProof { entry: old.entry.clone(), ..good.clone() },
            RecordProof { log_proof: old.log_proof.clone(), ..good.clone() },
        ];
        for (at, lie) in lies.iter().enumerate() {
            assert!(two.verdict(lie).is_err(), "lie {at} was believed");
        }
        let log = [two.log.verifier().clone()];
        let nobody = good.verify(ORIGIN, &log, &log);
        assert!(matches!(nobody, Err(Error::Unsigned)), "any key could sign a version");
        assert!(good.verify("other.example", &log, &[two.steward.verifier().clone()]).is_err());
    }

    #[test]
    fn a_file_of_another_format_is_refused_without_its_contents() {
        let text = world(1).proof(7, 1).text();
        let error = RecordProof::parse(&text.replace("proof/v1", "proof/v2")).unwrap_err();
        assert!(matches!(error, Error::Form(_)));
        let error = RecordProof::parse(&text.replace("\"count\"", "\"kount\"")).unwrap_err();
        assert!(error.to_string().starts_with("this is no record proof: line"), "{error}");
    }
}
