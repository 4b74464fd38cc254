//! Checkpoints (C2SP tlog-checkpoint): the origin, size and root that a log vouches for.
//!
//! Comes in: a signed note, or a size and root. Goes out: a checkpoint its log signed.
//! Never: a checkpoint of another origin, or one that only a witness signed.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::tree::{Hash, empty_root};
use crate::{
    digest::Sha256,
    signed_note::{self, KeyUse, Note, Signer, Verifier, Vouched},
};

/// What is wrong with a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The note does not open.
    #[error(transparent)]
    Note(#[from] signed_note::Error),
    /// The text is not origin, size, root.
    #[error("the text is not an origin, a size and a root")]
    Form,
    /// It is of another log.
    #[error("it is of another log than `{0}`")]
    Origin(String),
    /// The log's own key did not sign it.
    #[error("the log's own key did not sign it")]
    NotByLog,
}

/// What a log vouches for: its first `size` entries have this root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// The number of entries.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// A checkpoint whose signatures were verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The known keys that signed it: the log's, and witnesses'.
    pub vouched: Vec<Vouched>,
}

impl Checkpoint {
    /// Returns the note's text: <https://c2sp.org/tlog-checkpoint>.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.0))
    }

    /// Reads a note's text. Extension lines are allowed by the standard and mean nothing here.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut lines = text.strip_suffix('\n').ok_or(Error::Form)?.split('\n');
        let origin = lines.next().filter(|origin| !origin.is_empty()).ok_or(Error::Form)?;
        let digits = lines.next().ok_or(Error::Form)?;
        let size: u64 = digits.parse().map_err(|_| Error::Form)?;
        let encoded = lines.next().ok_or(Error::Form)?;
        let root = STANDARD.decode(encoded).map_err(|_| Error::Form)?;
        let root = Sha256(root.try_into().map_err(|_| Error::Form)?);
        let plain = size.to_string() == digits && lines.all(|line| !line.is_empty());
        if !plain || (size == 0 && root != empty_root()) {
            return Err(Error::Form);
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// Signs it; the same checkpoint gives the same bytes.
    pub fn sign(&self, signer: &Signer) -> Result<String, signed_note::Error> {
        signer.sign_note(&self.text())
    }

    /// Signs it with several keys, each in a line of its own.
    pub fn sign_all(&self, signers: &[&Signer]) -> Result<String, signed_note::Error> {
        let text = self.text();
        let lines = signers.iter().map(|signer| Ok(signer.sign_line(&text)?.line()));
        Ok(format!("{text}\n{}", lines.collect::<Result<String, signed_note::Error>>()?))
    }

    /// Opens a signed checkpoint of `origin`: the known key of that name must have signed it, and
    /// no known key, log's or witness's, may have failed.
    pub fn open(note: &str, origin: &str, known: &[Verifier]) -> Result<Opened, Error> {
        let note = Note::parse(note)?;
        let vouched = note.vouched(known)?;
        let by_log = |v: &Vouched| v.by.name() == origin && v.by.key_use() == KeyUse::Sign;
        if !vouched.iter().any(by_log) {
            return Err(Error::NotByLog);
        }
        let checkpoint = Self::parse(note.text())?;
        if checkpoint.origin != origin {
            return Err(Error::Origin(origin.to_owned()));
        }
        Ok(Opened { checkpoint, vouched })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signed_note::add_signature;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            origin: "ledger.example/rdm".to_owned(),
            size: 5,
            root: Hash::parse("1aa68d3074905a581f84cbbd0f753794904fd80451bc4c13e69d9a53bc59502c")
                .unwrap(),
        }
    }

    #[test]
    fn the_worked_example_has_its_published_text() {
        let text = "ledger.example/rdm\n5\nGqaNMHSQWlgfhMu9D3U3lJBP2ARRvEwT5p2aU7xZUCw=\n";
        assert_eq!(checkpoint().text(), text);
        assert_eq!(Checkpoint::parse(text).unwrap(), checkpoint());
    }

    #[test]
    fn texts_that_could_be_read_two_ways_are_refused() {
        let root = "GqaNMHSQWlgfhMu9D3U3lJBP2ARRvEwT5p2aU7xZUCw=";
        for text in [
            String::new(),
            format!("o\n05\n{root}\n"),
            format!("o\n+5\n{root}\n"),
            format!("o\n-1\n{root}\n"),
            format!("o\n18446744073709551616\n{root}\n"),
            format!("\n5\n{root}\n"),
            format!("o\n5\n{root}"),
            format!("o\n5\n{root}\n\n"),
            "o\n5\nGqaN\n".to_owned(),
            format!("o\n0\n{root}\n"),
        ] {
            assert!(Checkpoint::parse(&text).is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn a_checkpoint_of_another_origin_or_by_a_witness_alone_is_refused() {
        let log = Signer::from_seed("ledger.example/rdm", &[1; 32]).unwrap();
        let other = Signer::from_seed("other.example/rdm", &[2; 32]).unwrap();
        let witness = Signer::witness("witness.example/w1", &[3; 32]).unwrap();
        let known = [&log, &other, &witness].map(|signer| signer.verifier().clone());
        let note = checkpoint().sign(&log).unwrap();
        let opened = Checkpoint::open(&note, "ledger.example/rdm", &known).unwrap();
        assert_eq!((opened.checkpoint, opened.vouched.len()), (checkpoint(), 1));
        assert_eq!(
            Checkpoint::open(&note, "other.example/rdm", &known),
            Err(Error::NotByLog),
            "a log could speak for another"
        );
        let foreign = checkpoint().sign(&other).unwrap();
        assert_eq!(
            Checkpoint::open(&foreign, "other.example/rdm", &known),
            Err(Error::Origin("other.example/rdm".to_owned()))
        );
        let line = witness.cosign(&checkpoint().text(), 7).unwrap();
        let cosigned = format!("{}\n{}", checkpoint().text(), line.line());
        assert_eq!(Checkpoint::open(&cosigned, "ledger.example/rdm", &known), Err(Error::NotByLog));
        let both = add_signature(&note, &line).unwrap();
        let opened = Checkpoint::open(&both, "ledger.example/rdm", &known).unwrap();
        assert_eq!(opened.vouched.len(), 2);
    }
}
