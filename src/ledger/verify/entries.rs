//! Each entry of a log by itself: its form, the schema of its kind, and who signed it at its place.
//!
//! Comes in: a ledger zone and the keys to believe. Goes out: what [`verify_all`] saw, and findings
//! about entries. Never: an entry of an unknown kind guessed at; it is counted and shown.

use rayon::prelude::*;

use super::{Finding, Verified, reason, verify_all};
use crate::{
    ledger::{entry::Entry, reader::Reader, trust::Trust},
    signed_note::Verifier,
    store::{self, Store},
};

/// Entries that are held in memory at once.
const CHUNK: usize = 4096;

/// As [`verify_all`], and each entry by itself too: signatures cost more than all the rest. Of a log
/// that begins with no genesis of a known key, nobody can say who may sign its entries.
pub fn verify_book(
    zone: &Store,
    origin: &str,
    known: &[Verifier],
) -> Result<Verified, store::Error> {
    let mut seen = verify_all(zone, origin, known)?;
    let (Some(checkpoint), Some(trust)) = (seen.checkpoint.clone(), seen.trust.clone()) else {
        return Ok(seen);
    };
    // What hinders the reader is named above.
    let Ok(reader) = Reader::open_size(zone, origin, known, checkpoint.size) else {
        return Ok(seen);
    };
    let mut chunk = Vec::with_capacity(CHUNK);
    let mut leaves = reader.leaves();
    loop {
        let leaf = leaves.next();
        let over = !matches!(leaf, Some(Ok(_)));
        match leaf {
            Some(Ok(leaf)) => chunk.push(leaf),
            Some(Err(error)) => {
                seen.find(format!("entry {}", checkpoint.size), reason(&error));
            }
            None => {}
        }
        if over || chunk.len() == CHUNK {
            let looked: Vec<_> =
                chunk.par_iter().map(|(index, bytes)| look(*index, bytes, &trust)).collect();
            chunk.clear();
            for one in looked {
                match one {
                    Ok(known) => seen.unknown = seen.unknown.saturating_add(u64::from(!known)),
                    Err(finding) => seen.findings.push(finding),
                }
            }
        }
        if over {
            break;
        }
    }
    seen.findings.sort();
    seen.findings.dedup();
    Ok(seen)
}

/// Says whether an entry's kind is known, or what is wrong with it.
fn look(index: u64, bytes: &[u8], trust: &Trust) -> Result<bool, Finding> {
    let wrong = |reason: String| Finding { object: format!("entry {index}"), reason };
    let entry = Entry::parse(bytes).map_err(|e| wrong(e.to_string()))?;
    entry.check().map_err(|e| wrong(e.to_string()))?;
    trust.check_entry(index, &entry).map_err(|e| wrong(e.to_string()))?;
    Ok(entry.kind().is_some())
}
