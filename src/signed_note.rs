//! Signed notes (C2SP signed-note): parse, verify, sign; Ed25519 keys and witness cosignatures.
//!
//! Comes in: a note's text, a key. Goes out: a note, or the text that a known key vouches for.
//! Never: a text whose known key failed to verify.

mod key;
pub mod seed;

use base64::{Engine as _, engine::general_purpose::STANDARD};

pub use self::key::{KeyUse, Signer, Verifier};

/// The longest note that is read.
const NOTE_BYTES_MAX: usize = 64 * 1024;

/// The most signature lines that are read; the standard asks for at least 16.
const SIGNATURES_MAX: usize = 100;

/// What is wrong with a note or key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A key name is empty or holds a space or a plus.
    #[error("a key name may not be empty or hold a space or a plus sign")]
    KeyName,
    /// A vkey is not `name+hash+base64`, or its hash is not that of its key.
    #[error("a vkey reads name+hash+base64, and its hash is that of the name and key")]
    Vkey,
    /// A vkey's key is of a type this version does not know.
    #[error("keys of type {0:#04x} are not known here")]
    Algorithm(u8),
    /// A text cannot be signed or was not: it is empty, does not end in a line feed, or holds a
    /// control character.
    #[error("a note's text ends in a line feed and holds no control character but line feeds")]
    Text,
    /// The note is longer than 64 KiB.
    #[error("a note of {0} bytes is longer than 65,536")]
    TooLong(usize),
    /// A note has more signature lines than are read.
    #[error("a note has more than {SIGNATURES_MAX} signature lines")]
    TooManySignatures,
    /// There is no blank line before signatures, or a signature line is malformed.
    #[error("the note is malformed: {0}")]
    Malformed(&'static str),
    /// Two different known keys share a name and id, so neither can be told from the other.
    #[error("two known keys share the name and id of `{0}`")]
    Ambiguous(String),
    /// A known key's signature does not verify.
    #[error("the signature of `{0}` does not verify")]
    BadSignature(String),
    /// None of the known keys signed it.
    #[error("no known key signed the note")]
    Unsigned,
}

/// One signature line of a note, not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The key's name.
    pub name: String,
    /// The key's id: the first four bytes of a hash over name and key.
    pub key_id: [u8; 4],
    /// What follows the id.
    pub bytes: Vec<u8>,
}

/// A note taken apart, its signatures not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// One known key that signed a note, and when, where the signature says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// The key.
    pub by: Verifier,
    /// Unix seconds of a witness's cosignature.
    pub unix: Option<u64>,
}

impl Note {
    /// Takes a note apart: <https://c2sp.org/signed-note>. The text is not yet to be believed.
    pub fn parse(note: &str) -> Result<Self, Error> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(Error::TooLong(note.len()));
        }
        // The text may hold blank lines itself: the last one stands before the signatures.
        let split = note.rfind("\n\n").ok_or(Error::Malformed("it has no signatures"))?;
        let (text, lines) = note.split_at(split + 1);
        check_text(text)?;
        let lines = lines.strip_prefix('\n').unwrap_or(lines);
        let lines =
            lines.strip_suffix('\n').ok_or(Error::Malformed("it does not end in a line feed"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == SIGNATURES_MAX {
                return Err(Error::TooManySignatures);
            }
            signatures.push(Signature::parse(line)?);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Returns which of the known keys signed it. An unknown key's line is ignored; a known key's
    /// line that does not verify, or no known key at all, refuses the note.
    pub fn vouched(&self, known: &[Verifier]) -> Result<Vec<Vouched>, Error> {
        let mut vouched: Vec<Vouched> = Vec::new();
        for signature in &self.signatures {
            let mut keys = known.iter().filter(|key| signature.is_of(key));
            let Some(key) = keys.next() else { continue };
            if keys.any(|other| other != key) {
                return Err(Error::Ambiguous(key.name().to_owned()));
            }
            if vouched.iter().any(|earlier| earlier.by == *key) {
                continue; // As Go's note.Open: the first line of a key counts.
            }
            let bad = || Error::BadSignature(key.name().to_owned());
            vouched.push(key.verify_note(&self.text, &signature.bytes).ok_or_else(bad)?);
        }
        if vouched.is_empty() { Err(Error::Unsigned) } else { Ok(vouched) }
    }

    /// Returns the text; believe it only after [`Note::vouched`].
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the signature lines, verified or not.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }
}

impl Signature {
    /// Reads a signature line without its line feed. Nothing is verified.
    pub fn parse(line: &str) -> Result<Self, Error> {
        let rest = line
            .strip_prefix("\u{2014} ")
            .ok_or(Error::Malformed("a signature line starts with an em dash and a space"))?;
        let (name, text) =
            rest.split_once(' ').ok_or(Error::Malformed("a signature line names its key"))?;
        key::check_name(name)?;
        let bytes =
            STANDARD.decode(text).map_err(|_| Error::Malformed("a signature is not base64"))?;
        match bytes.split_first_chunk::<4>() {
            Some((key_id, rest)) if !rest.is_empty() => {
                Ok(Self { name: name.to_owned(), key_id: *key_id, bytes: rest.to_owned() })
            }
            Some(_) | None => Err(Error::Malformed("a signature is shorter than five bytes")),
        }
    }

    /// Says whether it claims to be of a key.
    pub fn is_of(&self, key: &Verifier) -> bool {
        self.name == key.name() && self.key_id == key.id()
    }

    /// Returns the line, with its line feed.
    pub fn line(&self) -> String {
        let bytes = [self.key_id.as_slice(), &self.bytes].concat();
        format!("\u{2014} {} {}\n", self.name, STANDARD.encode(bytes))
    }
}

/// Opens a signed note: returns its text if at least one of `known` signed it and none of `known`
/// that appears on it failed.
pub fn open_note(note: &str, known: &[Verifier]) -> Result<String, Error> {
    let note = Note::parse(note)?;
    note.vouched(known).map(|_| note.text)
}

/// Adds a signature line to a note.
pub fn add_signature(note: &str, signature: &Signature) -> Result<String, Error> {
    let longer = format!("{note}{}", signature.line());
    Note::parse(&longer).map(|_| longer)
}

fn check_text(text: &str) -> Result<(), Error> {
    let clean = text.chars().all(|c| c == '\n' || u32::from(c) >= 0x20);
    if clean && text.ends_with('\n') { Ok(()) } else { Err(Error::Text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "ledger.example/rdm\n5\nGqaNMHSQWlgfhMu9D3U3lJBP2ARRvEwT5p2aU7xZUCw=\n";
    const LOG_LINE: &str = "\u{2014} ledger.example/rdm 0ncLMSk7dIwBEoRolGN6DIU4XFpZbeudGQzJt8mZy12g82Vxih5FWcg0RFBVzsrzJcUDY4zZQoIyj0XIqW09mFVMnwE=\n";
    const WITNESS_LINE: &str = "\u{2014} witness.example/w1 IDJKvgAAAABrSdIFbJqJHKFOSMbkoB2HXpAIqihTaPoOKuvM1SZlG8DjRfv7XXA89NU0nfT8ncF2pdCz5xiEghhEV1PAQcDr83X9Aw==\n";

    fn seed(first: u8) -> [u8; 32] {
        std::array::from_fn(|at| first + u8::try_from(at).unwrap())
    }

    fn log() -> Signer {
        Signer::from_seed("ledger.example/rdm", &seed(0)).unwrap()
    }

    fn witness() -> Signer {
        Signer::witness("witness.example/w1", &seed(0x20)).unwrap()
    }

    #[test]
    fn the_worked_examples_keys_have_their_published_vkeys() {
        let vkey = "ledger.example/rdm+d2770b31+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
        assert_eq!(log().verifier().vkey(), vkey);
        assert_eq!(Verifier::parse(vkey).unwrap(), *log().verifier());
        let vkey = "witness.example/w1+20324abe+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X";
        assert_eq!(witness().verifier().vkey(), vkey);
        assert_eq!(Verifier::parse(vkey).unwrap(), *witness().verifier());
    }

    #[test]
    fn the_worked_example_is_signed_and_cosigned_byte_for_byte() {
        let note = log().sign_note(TEXT).unwrap();
        assert_eq!(note, format!("{TEXT}\n{LOG_LINE}"));
        let line = witness().cosign(TEXT, 1_800_000_005).unwrap();
        let note = add_signature(&note, &line).unwrap();
        assert_eq!(note, format!("{TEXT}\n{LOG_LINE}{WITNESS_LINE}"));
        assert_eq!(note, include_str!("../tests/vectors/ledger/checkpoint"));
        let known = [log().verifier().clone(), witness().verifier().clone()];
        let vouched = Note::parse(&note).unwrap().vouched(&known).unwrap();
        assert_eq!(
            vouched.iter().map(|v| v.unix).collect::<Vec<_>>(),
            [None, Some(1_800_000_005)],
            "a witness's time would not be told from the log's plain signature"
        );
    }

    /// The sample of <https://c2sp.org/signed-note>, also in Go's `note` package.
    #[test]
    fn the_standards_own_sample_opens() {
        let vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let text = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
        let note = format!(
            "{text}\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
        );
        assert_eq!(open_note(&note, &[Verifier::parse(vkey).unwrap()]).unwrap(), text);
    }

    #[test]
    fn a_known_keys_bad_signature_refuses_what_another_key_signed_well() {
        let bad = LOG_LINE.replace("0ncLMSk7", "0ncLMSk8");
        let note = format!("{TEXT}\n{bad}{WITNESS_LINE}");
        let both = [log().verifier().clone(), witness().verifier().clone()];
        assert_eq!(open_note(&note, &both), Err(Error::BadSignature("ledger.example/rdm".into())));
        // Unknown to the reader, the same line is ignored.
        assert_eq!(open_note(&note, &both[1..]).unwrap(), TEXT);
    }

    #[test]
    fn a_note_without_a_known_signature_is_refused() {
        let note = log().sign_note(TEXT).unwrap();
        assert_eq!(open_note(&note, &[]), Err(Error::Unsigned));
        assert_eq!(open_note(&note, &[witness().verifier().clone()]), Err(Error::Unsigned));
        let namesake = Signer::from_seed("ledger.example/rdm", &seed(1)).unwrap();
        assert_eq!(open_note(&note, &[namesake.verifier().clone()]), Err(Error::Unsigned));
    }

    #[test]
    fn every_bit_of_a_note_is_covered() {
        let note = log().sign_note(TEXT).unwrap();
        let known = [log().verifier().clone()];
        for at in 0..note.len() {
            for bit in 0..8 {
                let mut bytes = note.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let Ok(text) = String::from_utf8(bytes) else { continue };
                assert!(open_note(&text, &known).is_err(), "byte {at}, bit {bit} is not covered");
            }
        }
    }

    #[test]
    fn malformed_notes_are_refused() {
        let known = [log().verifier().clone()];
        for note in [
            String::new(),
            TEXT.to_owned(),
            format!("{TEXT}\n"),
            format!("{TEXT}{LOG_LINE}"),
            format!("{TEXT}\n{}", LOG_LINE.trim_end()),
            format!("{TEXT}\n{LOG_LINE}\n"),
            format!("{TEXT}\n{LOG_LINE}- x AAAAAAA=\n"),
            format!("{TEXT}\n{LOG_LINE}\u{2014} x AAAA\n"),
            format!("a\tb\n\n{LOG_LINE}"),
        ] {
            assert!(open_note(&note, &known).is_err(), "{note:?} was opened");
        }
        let long = format!("{}\n\n{LOG_LINE}", "x".repeat(NOTE_BYTES_MAX));
        assert!(matches!(open_note(&long, &known), Err(Error::TooLong(_))));
    }

    #[test]
    fn sixteen_signature_lines_are_read_and_a_hundred_and_one_are_not() {
        let signers: Vec<_> =
            (0..101).map(|n| Signer::from_seed(&format!("k{n}"), &seed(n)).unwrap()).collect();
        let note = |count: usize| {
            let lines = signers[..count].iter().map(|s| {
                let note = s.sign_note(TEXT).unwrap();
                note.rsplit_once("\n\n").unwrap().1.to_owned()
            });
            format!("{TEXT}\n{}", lines.collect::<String>())
        };
        let last = [signers[15].verifier().clone()];
        assert_eq!(open_note(&note(16), &last).unwrap(), TEXT);
        assert_eq!(open_note(&note(101), &last), Err(Error::TooManySignatures));
    }

    #[test]
    fn a_key_with_a_wrong_hash_type_or_name_is_refused() {
        for vkey in [
            "ledger.example/rdm+d2770b32+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
            "ledger.example/rdm+D2770B31+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
            "+d2770b31+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
            "ledger.example/rdm+d2770b31",
            "ledger.example/rdm+d2770b31+AQOhB7",
        ] {
            assert!(Verifier::parse(vkey).is_err(), "{vkey} was taken");
        }
        assert_eq!(Signer::from_seed("a b", &seed(0)).unwrap_err(), Error::KeyName);
        assert_eq!(Signer::from_seed("a+b", &seed(0)).unwrap_err(), Error::KeyName);
        assert_eq!(Signer::from_seed("", &seed(0)).unwrap_err(), Error::KeyName);
    }

    #[test]
    fn a_signer_never_shows_its_seed() {
        let text = format!("{:?}", log());
        assert!(!text.contains("1, 2, 3") && !text.contains("010203"), "{text}");
    }
}
