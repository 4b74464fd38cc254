//! The body of an `add-checkpoint` request: the size a witness knows, a proof from there, a checkpoint.
//!
//! Comes in: a body, or a log's checkpoint and proof. Goes out: the one or the other.
//! Never: a body that could be read two ways.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{digest::Sha256, ledger::Hash};

/// The most hashes of a consistency proof, as the protocol says.
const HASHES_MAX: usize = 63;

/// The longest body that is read: a proof and the longest note.
pub(super) const BODY_BYTES_MAX: usize = 68 * 1024;

/// What a log asks of a witness: <https://c2sp.org/tlog-witness>.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The size of the checkpoint that the witness cosigned last.
    pub old: u64,
    /// The proof that the checkpoint continues that tree.
    pub proof: Vec<Hash>,
    /// The signed checkpoint, as it was signed.
    pub checkpoint: String,
}

impl Request {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, &'static str> {
        if body.len() > BODY_BYTES_MAX {
            return Err("the body is longer than 68 KiB");
        }
        let text = std::str::from_utf8(body).map_err(|_| "the body is not UTF-8")?;
        let (head, checkpoint) =
            text.split_once("\n\n").ok_or("there is no blank line before the checkpoint")?;
        let mut lines = head.split('\n');
        let digits = lines
            .next()
            .and_then(|line| line.strip_prefix("old "))
            .ok_or("the first line does not read `old SIZE`")?;
        let old: u64 = digits.parse().map_err(|_| "the old size is no number")?;
        if old.to_string() != digits {
            return Err("the old size is no number");
        }
        let mut proof = Vec::new();
        for line in lines {
            let bytes = STANDARD.decode(line).ok().and_then(|bytes| bytes.try_into().ok());
            proof.push(Sha256(bytes.ok_or("a line of the proof is no hash")?));
            if proof.len() > HASHES_MAX {
                return Err("the proof has more than 63 hashes");
            }
        }
        Ok(Self { old, proof, checkpoint: checkpoint.to_owned() })
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        for hash in &self.proof {
            writeln!(f, "{}", STANDARD.encode(hash.0))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_as_it_was_written_and_in_no_other_way() {
        let hash = Sha256::of(b"");
        let request =
            Request { old: 7, proof: vec![hash; 2], checkpoint: "o\n9\nr\n\n— x\n".into() };
        let body = request.to_string();
        assert_eq!(Request::parse(body.as_bytes()), Ok(request));
        let line = format!("{}\n", STANDARD.encode(hash.0));
        for (from, to) in [
            ("old 7", "old 07"),
            ("old 7", "old +7"),
            ("old 7", "old -1"),
            ("old 7", "old 18446744073709551616"),
            ("old 7", "old  7"),
            ("old 7\n", ""),
            (line.as_str(), "AAAA\n"),
            (line.as_str(), "not base64\n"),
            (line.as_str(), line.repeat(63).as_str()),
        ] {
            let changed = body.replacen(from, to, 1);
            assert!(Request::parse(changed.as_bytes()).is_err(), "{changed:?} was taken");
        }
        let most = body.replacen(&line, &line.repeat(62), 1);
        assert!(Request::parse(most.as_bytes()).is_ok(), "63 hashes are allowed");
        assert!(Request::parse(b"\xff").is_err() && Request::parse(b"old 0\n").is_err());
        assert!(Request::parse(&vec![b'x'; BODY_BYTES_MAX + 1]).is_err());
    }
}
