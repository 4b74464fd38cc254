//! The book itself: every file against the entries and the signed checkpoints, every signature, and
//! the root once more by the plainest code there is.

use std::collections::BTreeMap;

use super::{
    Audit, Check, Evidence,
    table::{leaf_hash, root},
};
use crate::{
    digest::Sha256,
    ledger::{
        Entry, Kind, Reader, Trust,
        trust::{self, Role},
        verify_all,
    },
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
    let known = [evidence.trust.first_log_key().clone()];
    let keys = first_keys(&evidence.trust) == evidence.claimed;
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
    let trust = seen.trust.as_ref().unwrap_or(&evidence.trust);
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
        match trust.check_entry(index, &entry) {
            // Of another log: that is found below.
            Ok(()) | Err(trust::Error::Origin) => audit.check(Check::Entry, &name, true, ""),
            Err(error) => audit.check(Check::Entry, &name, false, &error.to_string()),
        };
        let kind = entry.kind();
        match (kind, entry.check()) {
            (None, _) => audit.check(Check::Entry, &name, false, "its kind is unknown"),
            (Some(_), Err(error)) => audit.check(Check::Entry, &name, false, &error.to_string()),
            (Some(_), Ok(())) => audit.check(Check::Entry, &name, true, ""),
        };
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
    let members = ["log_vkey", "steward_vkey"];
    for (member, key) in members.into_iter().zip(first_keys(&evidence.trust)) {
        let said = entry.body().get(member).and_then(serde_json::Value::as_str);
        let good = said == Some(key.as_str());
        audit.check(Check::Agrees, name, good, &format!("its `{member}` is another key"));
    }
}

/// The keys of log and steward that a log began with.
fn first_keys(trust: &Trust) -> [String; 2] {
    [Role::Log, Role::Steward].map(|role| {
        let first = trust.held().iter().find(|held| held.role == role);
        first.map(|held| held.key.vkey()).unwrap_or_default()
    })
}
