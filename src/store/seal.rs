//! What seals a place of a store: between the bytes that are written and read and those that lie there.
//!
//! Comes in: an object's path and bytes. Goes out: sealed bytes, and back.
//! Never: a sealed object opened in the place of another, or a plain one taken for a sealed one.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use zeroize::Zeroizing;

use super::Result;

/// Seals the objects of a place, and opens them.
pub trait Seal: fmt::Debug + Send + Sync {
    /// Makes the bytes to store of an object; twice may give two, which open to the same.
    fn seal(&self, path: &str, plain: &Bytes) -> Result<Bytes>;

    /// Returns the bytes that were sealed. `path` is part of what is proven.
    fn open(&self, path: &str, sealed: &Bytes) -> Result<Bytes>;

    /// Says whether an object may lie in the open: in a place whose sealing has not ended.
    fn takes_plain(&self) -> Result<bool>;

    /// Returns the key of a Parquet object by the name that the object bears in its footer.
    fn key(&self, path: &str, name: &[u8]) -> Result<Zeroizing<Vec<u8>>>;
}

/// A seal and the place that its paths begin at.
#[derive(Debug, Clone)]
pub(super) struct Sealed {
    seal: Arc<dyn Seal>,
    skip: usize,
}

impl Sealed {
    pub(super) fn new(seal: Arc<dyn Seal>, prefix: &str) -> Self {
        Self { seal, skip: if prefix.is_empty() { 0 } else { prefix.len() + 1 } }
    }

    pub(super) fn seal(&self) -> &Arc<dyn Seal> {
        &self.seal
    }

    pub(super) fn open(&self, full: &str, sealed: &Bytes) -> Result<Bytes> {
        self.seal.open(full.get(self.skip..).unwrap_or_default(), sealed)
    }

    pub(super) fn close(&self, full: &str, plain: &Bytes) -> Result<Bytes> {
        self.seal.seal(full.get(self.skip..).unwrap_or_default(), plain)
    }
}
