//! A commit of the log: which entries entered it together, and what the tree was then.
//!
//! Its bytes follow from the entries and the size before, so whoever holds the entries can write
//! every commit again.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::tree::Hash;

/// One commit, `commits/<n>.json`, of entries that are owned or borrowed. However many there are, it
/// is one object: they are durable when it is, and tiles and bundles follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Commit<T = String> {
    /// The number of entries before it.
    pub(super) prev_size: u64,
    /// The number of entries after it.
    pub(super) size: u64,
    /// The root over all entries after it.
    pub(super) root: Hash,
    /// The entries it adds, in order.
    pub(super) entries: Vec<T>,
}

impl<T: Serialize> Commit<T> {
    pub(super) fn bytes(&self) -> Bytes {
        let text = serde_json::to_vec(self)
            .unwrap_or_else(|_| unreachable!("numbers and texts are always JSON"));
        text.into()
    }
}

impl Commit {
    /// Reads a commit without its entries; nothing vouches for it yet.
    pub(super) fn head(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'[')?;
        let head = [bytes.get(..=end)?, b"]}"].concat();
        serde_json::from_slice(&head).ok()
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let commit: Self = serde_json::from_slice(bytes).map_err(|e| {
            format!("line {}, column {} is not as this version writes it", e.line(), e.column())
        })?;
        if commit.bytes() != bytes {
            return Err("its bytes are not as this version writes them".to_owned());
        }
        let added = u64::try_from(commit.entries.len()).unwrap_or(u64::MAX);
        if added == 0 || commit.prev_size.checked_add(added) != Some(commit.size) {
            return Err("its sizes are not those of its entries".to_owned());
        }
        Ok(commit)
    }
}
