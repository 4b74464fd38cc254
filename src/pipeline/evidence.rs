//! Two checkpoints of one log side by side: does one continue the other, or has the log forked.
//!
//! Comes in: two signed notes, whom to believe, and the log where there is one to ask. Goes out: a
//! finding that anyone can check again. Never: a fork claimed that the log's own key did not sign.

use serde::Serialize;

use crate::{
    instant::Instant,
    ledger::{
        Checkpoint, Hash, Reader,
        checkpoint::{self, Opened},
        policy::Believed,
        reader,
        tree::verify_consistency,
    },
    signed_note::{KeyUse, Note, Verifier},
    store::Store,
};

/// Why two checkpoints cannot be held against each other.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A checkpoint cannot be believed.
    #[error("`{file}` cannot be believed")]
    Checkpoint {
        /// What it is called.
        file: String,
        /// Why.
        #[source]
        source: checkpoint::Error,
    },
    /// They are of different logs.
    #[error("they are of two logs: `{0}` and `{1}`")]
    Origins(String, String),
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Log(#[from] reader::Error),
    /// The policy is not met.
    #[error("fewer witnesses cosigned the checkpoint than the policy asks for")]
    Few,
}

/// Opens a log as the world is shown it: its own key signed it, and enough witnesses cosigned.
pub fn shown(log: &Store, believed: &Believed) -> Result<Reader, Error> {
    let object = "checkpoint".to_owned();
    let note = log.find(&object).map_err(reader::Error::from)?;
    let note = note.ok_or(reader::Error::Missing { object })?;
    // The origin it claims; the key of that name must have signed it.
    let claimed = note.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let origin = String::from_utf8_lossy(claimed);
    let reader = Reader::open(log, &origin, believed.keys())?;
    if believed.suffices(reader.vouched()) { Ok(reader) } else { Err(Error::Few) }
}

/// How two checkpoints stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// They say the same.
    Same,
    /// The newer one continues the older one.
    Continues,
    /// No log can have been both: its key signed two histories.
    Forked,
    /// Without the log, nothing shows whether the one continues the other.
    Undecided,
}

/// Who signed a checkpoint, and when, where the signature says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signed {
    /// The key.
    pub by: Verifier,
    /// The time of a witness's cosignature.
    pub time: Option<Instant>,
}

/// One of two checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// What it is called.
    pub name: String,
    /// How many entries it has.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// The known keys that signed it.
    pub signed: Vec<Signed>,
    /// The note, every byte of it.
    pub note: String,
}

/// Two checkpoints of one log, and how they stand to each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// `almoner/fork-evidence/v1`.
    pub format: &'static str,
    /// The log.
    pub origin: String,
    /// How they stand to each other.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub why: String,
    /// The one of fewer entries.
    pub older: Side,
    /// The one of more entries.
    pub newer: Side,
    /// The root that the newer tree had when it had as many entries as the older one.
    pub root_then: Option<Hash>,
    /// The proof of that: it is consistent (RFC 6962, 2.1.2) with the newer one.
    pub proof: Vec<Hash>,
    /// Witnesses who cosigned both of two histories.
    pub two_tongued: Vec<String>,
}

/// Holds two checkpoints against each other, each with what it is called. `log` decides where their
/// sizes differ; what it says is checked against the signed roots.
pub fn compare(
    a: (&str, &str),
    b: (&str, &str),
    known: &[Verifier],
    log: Option<&Store>,
) -> Result<Evidence, Error> {
    let (a, b) = (Told::open(a, known)?, Told::open(b, known)?);
    let (origin, other) = (a.opened.checkpoint.origin.clone(), &b.opened.checkpoint.origin);
    if origin != *other {
        return Err(Error::Origins(origin, other.clone()));
    }
    let (mut older, mut newer) = if a.size() <= b.size() { (a, b) } else { (b, a) };
    let (mut root_then, mut proof) = (None, Vec::new());
    let verdict = if older.opened.checkpoint == newer.opened.checkpoint {
        Verdict::Same
    } else if older.size() == newer.size() {
        Verdict::Forked
    } else if older.size() == 0 {
        Verdict::Continues
    } else if let Some(zone) = log {
        let reader = Reader::open(zone, &origin, known)?;
        if reader.root_at(newer.size())? != newer.root() {
            // The log that is shown now is a third history: it and the newer one are the pair.
            let shown = ("the log as it is shown", reader.note());
            (older, newer) = (newer, Told::open(shown, known)?);
        }
        let then = reader.root_at(older.size())?;
        proof = reader.consistency(older.size(), newer.size())?;
        let holds = |root: &Hash| {
            verify_consistency(older.size(), newer.size(), root, &newer.root(), &proof)
        };
        root_then = Some(then);
        match (holds(&then), then == older.root()) {
            (true, true) => Verdict::Continues,
            (true, false) => Verdict::Forked,
            (false, _) => Verdict::Undecided,
        }
    } else {
        Verdict::Undecided
    };
    let two_tongued = match verdict {
        Verdict::Forked => older.witnesses().filter(|w| newer.witnesses().any(|o| o == *w)),
        Verdict::Same | Verdict::Continues | Verdict::Undecided => {
            return Ok(evidence(origin, verdict, (older, newer), root_then, proof, Vec::new()));
        }
    };
    let two_tongued = two_tongued.map(Verifier::vkey).collect();
    Ok(evidence(origin, verdict, (older, newer), root_then, proof, two_tongued))
}

fn evidence(
    origin: String,
    verdict: Verdict,
    (older, newer): (Told, Told),
    root_then: Option<Hash>,
    proof: Vec<Hash>,
    two_tongued: Vec<String>,
) -> Evidence {
    let why = match verdict {
        Verdict::Same => "they say the same".to_owned(),
        Verdict::Continues => "the newer one continues the older one".to_owned(),
        Verdict::Undecided => {
            "their sizes differ, and nothing at hand shows whether the one continues the other"
                .to_owned()
        }
        Verdict::Forked if older.size() == newer.size() => {
            format!("the log's key signed two trees of {} entries", older.size())
        }
        Verdict::Forked => format!(
            "the log's key signed a tree of {} entries whose first {} have another root than it \
             signed for {} entries",
            newer.size(),
            older.size(),
            older.size()
        ),
    };
    Evidence {
        format: "almoner/fork-evidence/v1",
        origin,
        verdict,
        why,
        older: older.side(),
        newer: newer.side(),
        root_then,
        proof,
        two_tongued,
    }
}

/// A checkpoint that opened.
struct Told {
    name: String,
    note: String,
    opened: Opened,
}

impl Told {
    fn open((name, note): (&str, &str), known: &[Verifier]) -> Result<Self, Error> {
        let fault = |source| Error::Checkpoint { file: name.to_owned(), source };
        let parsed = Note::parse(note).map_err(|e| fault(e.into()))?;
        // The origin it claims; that its log's own key signed it is checked next.
        let origin = parsed.text().split('\n').next().unwrap_or_default();
        let opened = Checkpoint::open(note, origin, known).map_err(fault)?;
        Ok(Self { name: name.to_owned(), note: note.to_owned(), opened })
    }

    fn size(&self) -> u64 {
        self.opened.checkpoint.size
    }

    fn root(&self) -> Hash {
        self.opened.checkpoint.root
    }

    fn witnesses(&self) -> impl Iterator<Item = &Verifier> {
        let by = self.opened.vouched.iter().map(|vouched| &vouched.by);
        by.filter(|by| by.key_use() == KeyUse::Cosign)
    }

    fn side(self) -> Side {
        let signed = self.opened.vouched.into_iter().map(|vouched| {
            let unix = vouched.unix.and_then(|unix| i64::try_from(unix).ok());
            Signed { by: vouched.by, time: unix.and_then(|unix| Instant::from_unix(unix).ok()) }
        });
        Side {
            name: self.name,
            size: self.opened.checkpoint.size,
            root: self.opened.checkpoint.root,
            signed: signed.collect(),
            note: self.note,
        }
    }
}
