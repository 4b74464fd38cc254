//! The entries about keys, held against the keys they rest on and against where they are kept.
//!
//! Comes in: the log's entries. Goes out: whom to believe at which size, findings.
//! Never: a change of keys taken that the keys it rests on did not sign.

use bytes::Bytes;

use super::Check;
use crate::{
    ledger::{
        checkpoint::Opened,
        entry::Entry,
        trust::{Trust, kept},
    },
    store,
};

impl Check<'_> {
    /// Replays the entries about keys. A log whose first entry is no genesis of a known key has no
    /// other keys than the known ones.
    pub(super) fn keys(&mut self, texts: &[Bytes]) -> Result<(), store::Error> {
        let begun = texts.first().and_then(|text| Entry::parse(text).ok());
        let begun = begun.and_then(|genesis| Trust::begin(&genesis).ok());
        let begun = begun.filter(|trust| {
            trust.origin() == self.origin && self.known.contains(trust.first_log_key())
        });
        let entries = kept::about_keys(0, texts);
        let Some(mut trust) = begun else {
            for (index, _) in entries {
                self.seen.find(format!("entry {index}"), "it changes keys that no genesis names");
            }
            return Ok(());
        };
        for (index, entry) in &entries {
            if let Err(error) = trust.take(*index, entry) {
                self.seen.find(format!("entry {index}"), error.to_string());
            }
            let object = kept::object(*index);
            match self.take(&object)? {
                None => self.seen.find(object, "it is missing"),
                Some(bytes) if bytes == entry.bytes() => {}
                Some(_) => self.seen.find(object, "it is not the entry of its index"),
            }
        }
        self.seen.trust = Some(trust);
        Ok(())
    }

    /// Says why a checkpoint is not signed by the keys that stood at its size.
    pub(super) fn unsigned(&self, opened: &Opened) -> Option<String> {
        let trust = self.seen.trust.as_ref()?;
        trust.check_checkpoint(opened).err().map(|error| error.to_string())
    }
}
