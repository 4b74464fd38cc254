//! The book itself: every file against the entries and the signed checkpoints, every signature, and
//! the root once more by the plainest code there is.

use std::collections::BTreeMap;

use super::{
    Audit, Check, Evidence,
    table::{leaf_hash, root},
};
use crate::{
    digest::Sha256,
    ledger::{Entry, Kind, Reader, verify_all},
    store,
};

/// The entries of a book that can be believed.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) entries: Vec<Entry>,
    /// Where each entry stands.
    pub(super) places: BTreeMap<Sha256, u64>,
}

/// Reads the book; `None` where its entries cannot be had under a signed checkpoint.
pub(super) fn book(evidence: &Evidence, audit: &mut Audit) -> Result<Option<Book>, store::Error> {
    let known = [evidence.log.clone()];
    let keys = [evidence.log.vkey(), evidence.steward.vkey()] == evidence.claimed;
    audit.check(Check::Entry, "site.json", keys, "its keys are not those of the key folder");
    let seen = verify_all(&evidence.ledger, &evidence.origin, &known)?;
    audit.passed(Check::Book, seen.objects.saturating_sub(super::table::count(&seen.findings)));
    for finding in &seen.findings {
        audit.check(Check::Book, &format!("ledger/{}", finding.object), false, &finding.reason);
    }
    audit.head = seen.checkpoint.as_ref().map(|checkpoint| (checkpoint.size, checkpoint.root));
    // Witnesses may still be to cosign what the log signed last; the audit reads that all the same.
    let size = seen.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
    let Ok(reader) = Reader::open_size(&evidence.ledger, &evidence.origin, &known, size) else {
        // What hinders the reader is named above; nothing at all is no book.
        let named = !seen.findings.is_empty();
        audit.check(Check::Book, "ledger/checkpoint", named, "it cannot be believed");
        return Ok(None);
    };
    let mut book = Book { entries: Vec::new(), places: BTreeMap::new() };
    let mut hashes = Vec::new();
    for leaf in reader.leaves() {
        let Ok((index, bytes)) = leaf else {
            let named = !seen.findings.is_empty();
            audit.check(Check::Book, "ledger/tile/entries", named, "entries cannot be read");
            return Ok(None);
        };
        let id = leaf_hash(&bytes);
        hashes.push(id);
        let name = format!("ledger/entry {index}");
        let Ok(entry) = Entry::parse(&bytes) else {
            audit.check(Check::Entry, &name, false, "it is not of the form of an entry");
            continue;
        };
        let twice = book.places.insert(id, index).is_some();
        audit.check(Check::Once, &name, !twice, "it stands in the book twice");
        let signed = entry.verify(std::slice::from_ref(&evidence.steward));
        audit.check(Check::Entry, &name, signed, "the steward's signature does not hold");
        let kind = entry.kind();
        audit.check(Check::Entry, &name, kind.is_some(), "its kind is unknown");
        let origin = entry.origin() == Some(evidence.origin.as_str());
        audit.check(Check::Entry, &name, origin, "it is of another log");
        let first = (index == 0) == (kind == Some(Kind::LogGenesis));
        audit.check(Check::Entry, &name, first, "the genesis is the first entry and no other");
        if kind == Some(Kind::LogGenesis) {
            genesis(evidence, audit, &name, &entry);
        }
        book.entries.push(entry);
    }
    let good = root(&hashes) == reader.root();
    audit.check(Check::Book, "ledger/checkpoint", good, "its root is not that of the entries");
    Ok(Some(book))
}

fn genesis(evidence: &Evidence, audit: &mut Audit, name: &str, entry: &Entry) {
    let made = entry.time() == Some(evidence.created);
    audit.check(Check::Agrees, "site.json", made, "it was made at another time than its genesis");
    for (member, key) in [("log_vkey", &evidence.log), ("steward_vkey", &evidence.steward)] {
        let said = entry.body().get(member).and_then(serde_json::Value::as_str);
        let good = said == Some(key.vkey().as_str());
        audit.check(Check::Agrees, name, good, &format!("its `{member}` is another key"));
    }
}
