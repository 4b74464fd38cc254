//! Proof files of this book: one entry, and what stands under a root that it names, up to a signed
//! checkpoint. A file is a C2SP tlog-proof whose extra bytes hold the entry and the claim.
//!
//! Comes in: an entry, a claim, a place in the log; or a text and the keys to believe. Goes out: a
//! file that needs no site, or a verdict. Never: a root believed that no signed entry names.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)
)]

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    checkpoint::Opened,
    entry::{self, Entry, Kind},
    line::Lines,
    proof::{self, HEADER, LogProof},
    record::{self, Evidence, Spot},
    tree::Hash,
};
use crate::{
    digest::{self, CanonicalError, Sha3Digest, Sha256},
    signed_note::{KeyUse, Verifier},
};

/// How the name of a proof file ends.
pub const EXTENSION: &str = "tlog-proof";

/// The format that this version writes and reads.
const FORMAT: &str = "almoner/proof/v1";

/// What is wrong with a proof file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text holds no proof of this form.
    #[error("this is no proof file: {0}")]
    Form(&'static str),
    /// What it brings beside the log's own proof is not in its one form.
    #[error("the entry and claim of the proof are not in their canonical form")]
    Extra,
    /// The claim cannot be written.
    #[error("the claim has no canonical bytes")]
    Canonical(#[from] CanonicalError),
    /// The entry cannot be read.
    #[error("the entry in the proof cannot be read")]
    Entry(#[from] entry::Error),
    /// The known keys that sign entries did not sign this one.
    #[error("none of the known keys signed the entry in the proof, or one of theirs is wrong")]
    Unsigned,
    /// The entry speaks of something else than the claim.
    #[error("the entry in the proof speaks of another {0}")]
    Other(&'static str),
    /// The entry is not in the log.
    #[error("the entry is not shown to be in the log")]
    Log(#[from] proof::Error),
    /// What is claimed does not stand under the root that the entry names.
    #[error(transparent)]
    Record(#[from] record::Error),
    /// The record or line shown is not the one that the leaf commits to.
    #[error("the {0} shown is not the one that the leaf commits to")]
    Opening(&'static str),
}

/// What a proof claims of its entry.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Claim {
    /// That it is in the log.
    Entry {},
    /// That the record tree of its dataset version holds a person's token, or does not.
    Record {
        /// The person's token in the version: they can work it out from their own key.
        token: Sha256,
        /// The leaf that bears it, or the neighbours between which it would stand.
        evidence: Evidence,
        /// What opens the leaf's commitment, for a checker who is shown the record.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        opening: Option<Opening>,
    },
    /// That a line stands under its root: of money paid, of goods given, of a cover.
    Line {
        /// The line's canonical JSON, as its owner reads it.
        line: String,
        /// The salt of the leaf's commitment.
        salt: Sha256,
        /// The leaf and its path.
        spot: Spot,
        /// The number of lines.
        count: u64,
    },
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A line, a salt and a token are a person's.
        f.write_str(match self {
            Self::Entry {} => "Claim::Entry",
            Self::Record { .. } => "Claim::Record",
            Self::Line { .. } => "Claim::Line",
        })
    }
}

/// What opens one leaf's commitment and no other.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_debug_implementations, reason = "it is a person's")]
pub struct Opening {
    /// The record's key, [`record::record_key`].
    pub record_key: Sha256,
    /// The digest of the record's bytes.
    pub record: Sha3Digest,
}

/// One proof: an entry, a claim about what it names, and its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofFile {
    /// The entry, as it stands in the log.
    pub entry: Entry,
    /// What is claimed.
    pub claim: Claim,
    /// The entry's place under a signed checkpoint.
    pub log: LogProof,
}

/// What travels in the extra bytes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Extra {
    claim: Claim,
    entry: String,
    format: String,
}

/// What a proof shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The entry is in the log.
    Entry,
    /// A leaf bears the token; the record was not shown.
    Present,
    /// A leaf bears the token and commits to the record shown.
    PresentWithRecord,
    /// No leaf bears the token.
    Absent,
    /// The line stands under the entry's root.
    Line,
}

/// A verdict: what is shown, the checkpoint that vouches for it, and by whom the entry was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What the proof shows.
    pub standing: Standing,
    /// The checkpoint, with who signed it and when.
    pub opened: Opened,
    /// Whether a known key that signs entries was brought and has signed the entry.
    pub entry_signed: bool,
}

impl ProofFile {
    /// Puts a proof together; the log's own proof brings no extra bytes of its own.
    pub fn new(entry: Entry, claim: Claim, log: LogProof) -> Self {
        Self { entry, claim, log: LogProof { extra: None, ..log } }
    }

    /// Reads all proofs of a file, of which there is at least one; they stand one after the other.
    pub fn read(text: &str) -> Result<Vec<Self>, Error> {
        let mut starts: Vec<usize> =
            text.match_indices(HEADER).map(|(at, _)| at).filter(|at| begins(text, *at)).collect();
        if starts.first() != Some(&0) {
            return Err(Error::Form("its first line is another"));
        }
        starts.push(text.len());
        let parts = starts.array_windows().filter_map(|[from, until]| text.get(*from..*until));
        parts.map(Self::parse).collect()
    }

    /// Reads one proof.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let log = LogProof::parse(text)?;
        let bytes = log.extra.as_deref().ok_or(Error::Form("it brings no entry"))?;
        let extra: Extra = serde_json::from_slice(bytes).map_err(|_| Error::Extra)?;
        if extra.format != FORMAT {
            return Err(Error::Form("its format is another"));
        }
        if digest::canonical(&extra)? != bytes {
            return Err(Error::Extra);
        }
        let entry = Entry::parse(extra.entry.as_bytes())?;
        let proof = Self::new(entry, extra.claim, log);
        // One proof has one text, so that a program may compare two by their bytes.
        if proof.text()? == text { Ok(proof) } else { Err(Error::Extra) }
    }

    /// Returns the file's text.
    pub fn text(&self) -> Result<String, Error> {
        let extra = digest::canonical(&Extra {
            claim: self.claim.clone(),
            entry: self.entry.text().to_owned(),
            format: FORMAT.to_owned(),
        })?;
        Ok(LogProof { extra: Some(extra), ..self.log.clone() }.to_string())
    }

    /// Returns the log that the checkpoint says it is of; believe it only once verified.
    pub fn origin(&self) -> &str {
        self.log.checkpoint.split('\n').next().unwrap_or_default()
    }

    /// Verifies the proof from the claim up to the signed checkpoint. Of the known keys those that
    /// bear the log's name sign checkpoints and witnesses cosign them; the others sign entries, and
    /// if there is one of them the entry must be signed by them. That a token is a given person's,
    /// the person checks with [`record::token`].
    pub fn verify(&self, known: &[Verifier]) -> Result<Verdict, Error> {
        let origin = self.origin();
        let (book, actors): (Vec<_>, Vec<_>) = known
            .iter()
            .cloned()
            .partition(|key| key.name() == origin || key.key_use() == KeyUse::Cosign);
        let opened = self.log.verify(&self.entry.id(), origin, &book)?;
        if self.entry.origin().is_some_and(|named| named != origin) {
            return Err(Error::Other("log"));
        }
        let entry_signed = !actors.is_empty();
        if entry_signed && !self.entry.verify(&actors) {
            return Err(Error::Unsigned);
        }
        let standing = match &self.claim {
            Claim::Entry {} => Standing::Entry,
            Claim::Record { token, evidence, opening } => {
                self.verify_record(token, evidence, opening.as_ref())?
            }
            Claim::Line { line, salt, spot, count } => {
                self.verify_line(line, salt, spot, *count)?
            }
        };
        Ok(Verdict { standing, opened, entry_signed })
    }

    fn verify_record(
        &self,
        token: &Sha256,
        evidence: &Evidence,
        opening: Option<&Opening>,
    ) -> Result<Standing, Error> {
        if self.entry.kind() != Some(Kind::DatasetVersion) {
            return Err(Error::Other("kind of act"));
        }
        let body = self.entry.body();
        let tree = body.get("record").ok_or(Error::Other("kind of record tree"))?;
        let root = root(tree.get("root")).ok_or(Error::Other("kind of record tree"))?;
        let count = tree.get("count").and_then(Value::as_u64);
        let count = count.ok_or(Error::Other("kind of record tree"))?;
        match (evidence, opening) {
            (Evidence::Absent { .. }, None) => {
                evidence.verify_absent(&token.0, &root, count)?;
                Ok(Standing::Absent)
            }
            (Evidence::Absent { .. }, Some(_)) => Err(Error::Opening("record")),
            (Evidence::Present { .. }, opening) => {
                let commitment = evidence.verify_present(&token.0, &root, count)?;
                let Some(opening) = opening else { return Ok(Standing::Present) };
                let dataset = body.get("dataset").and_then(Value::as_str);
                let version = body.get("version").and_then(Value::as_u64);
                let (Some(dataset), Some(version)) = (dataset, version) else {
                    return Err(Error::Other("kind of dataset version"));
                };
                let Opening { record_key, record } = opening;
                if record::commitment(&record_key.0, dataset, version, record) == commitment {
                    Ok(Standing::PresentWithRecord)
                } else {
                    Err(Error::Opening("record"))
                }
            }
        }
    }

    fn verify_line(
        &self,
        text: &str,
        salt: &Sha256,
        spot: &Spot,
        count: u64,
    ) -> Result<Standing, Error> {
        let kind = self.entry.kind().and_then(Lines::of).ok_or(Error::Other("kind of act"))?;
        let body = self.entry.body();
        let root = root(body.get("root")).ok_or(Error::Other("kind of line tree"))?;
        let commitment =
            kind.commitment(body, text, &salt.0).ok_or(Error::Other("place of its lines"))?;
        // Fewer than ten the entry does not count in the open; the path fixes the leaf all the same.
        if body.get("count").and_then(Value::as_u64).is_some_and(|said| said != count) {
            return Err(Error::Other("number of lines"));
        }
        let leaf = spot.verified(&root, count)?;
        if record::commitment_of(&leaf) == commitment {
            Ok(Standing::Line)
        } else {
            Err(Error::Opening("line"))
        }
    }
}

/// Says whether a line begins at this place.
fn begins(text: &str, at: usize) -> bool {
    at == 0 || text.get(..at).is_some_and(|before| before.ends_with('\n'))
}

fn root(value: Option<&Value>) -> Option<Hash> {
    Hash::parse(value?.as_str()?).ok()
}
