//! That a file stands in its signer's book: the entry, and the place of the file's digest in the
//! tree under the entry's `root`.
//!
//! Comes in: an entry and the digests of its batch. Goes out: a proof that the other side can check
//! without the book. Never: a proof whose every byte is not signed; a tree's proof alone would also
//! hold for a neighbouring count.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::refused::BookedFault;
use crate::{
    digest::{CanonicalError, Sha3Digest, Sha256, canonical},
    ledger::{
        Entry, EntryId, Kind,
        tree::{self, Tree, leaf_hashes},
    },
    party::InstitutionId,
    signed_note::{Signer, Verifier},
};

/// The type of what the steward signs of a place.
const TYPE: &str = "application/vnd.almoner.transfer-booked+json";

/// A file's place in a steward's book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Booked {
    /// The entry's text.
    pub entry: String,
    /// Which file of the entry's batch it is, from 0.
    pub index: u64,
    /// How many files the batch has.
    pub count: u64,
    /// The path of RFC 6962 from the file's digest to the entry's `root`.
    pub path: Vec<Sha256>,
    /// Base64 of the steward's signature over the file's digest and all of the above.
    pub signature: String,
}

/// What the steward signs of a place.
#[derive(Serialize)]
struct Place<'a> {
    file: &'a Sha3Digest,
    entry: EntryId,
    index: u64,
    count: u64,
    path: &'a [Sha256],
}

/// A batch of files under one entry, ready to prove each one's place.
#[derive(Debug)]
pub struct BookedBatch<'a> {
    entry: &'a Entry,
    files: &'a [Sha3Digest],
    tree: Tree,
}

/// A batch cannot be proven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BookingError {
    /// The digests are not the ones under the entry's root.
    #[error("the entry does not hold these files")]
    Root,
    /// There is no such file in the batch.
    #[error("the batch has no file {0}")]
    Index(u64),
    /// What is signed has no canonical bytes.
    #[error("a place in the book has no canonical bytes")]
    Canonical(#[from] CanonicalError),
}

/// The root that an entry holds over the files of its batch: RFC 6962 over their digests.
pub fn batch_root(files: &[Sha3Digest]) -> Sha256 {
    let leaves: Vec<&[u8]> = files.iter().map(|file| file.as_bytes().as_slice()).collect();
    tree::root(&leaves)
}

impl<'a> BookedBatch<'a> {
    /// Takes an entry and the digests of the files under its root, in their order.
    pub fn new(entry: &'a Entry, files: &'a [Sha3Digest]) -> Result<Self, BookingError> {
        let leaves: Vec<&[u8]> = files.iter().map(|file| file.as_bytes().as_slice()).collect();
        let tree = Tree::new(leaf_hashes(&leaves));
        match root_of(entry) {
            Some(root) if root == tree.root() => Ok(Self { entry, files, tree }),
            Some(_) | None => Err(BookingError::Root),
        }
    }

    /// Returns the id of the entry.
    pub fn entry_id(&self) -> EntryId {
        self.entry.id()
    }

    /// Proves the place of file `index`; the steward signs it.
    pub fn prove(&self, index: u64, steward: &Signer) -> Result<Booked, BookingError> {
        let missing = || BookingError::Index(index);
        let at = usize::try_from(index).map_err(|_| missing())?;
        let file = self.files.get(at).ok_or_else(missing)?;
        let path = self.tree.inclusion(index).map_err(|_| missing())?;
        let count = self.tree.size();
        let place = Place { file, entry: self.entry.id(), index, count, path: &path };
        let signature = STANDARD.encode(steward.sign_typed(TYPE, &canonical(&place)?));
        Ok(Booked { entry: self.entry.text().to_owned(), index, count, path, signature })
    }
}

impl Booked {
    /// Checks that `steward` booked the file under an entry of this kind, in the ledger of `origin`,
    /// about `partner`; returns the entry.
    pub fn verify(
        &self,
        file: &Sha3Digest,
        kind: Kind,
        steward: &Verifier,
        origin: &str,
        partner: &InstitutionId,
    ) -> Result<Entry, BookedFault> {
        let entry = Entry::parse(self.entry.as_bytes()).map_err(|_| BookedFault::Entry)?;
        if entry.origin() != Some(origin) || !entry.verify(std::slice::from_ref(steward)) {
            return Err(BookedFault::Signer);
        }
        if entry.kind() != Some(kind) {
            return Err(BookedFault::Kind);
        }
        if entry.body().get("partner").and_then(Value::as_str) != Some(partner.as_str()) {
            return Err(BookedFault::Partner);
        }
        let leaf = tree::leaf_hash(file.as_bytes());
        let root = root_of(&entry).ok_or(BookedFault::Leaf)?;
        if !tree::verify_inclusion(self.index, self.count, &leaf, &self.path, &root) {
            return Err(BookedFault::Leaf);
        }
        let (index, count, path) = (self.index, self.count, self.path.as_slice());
        let place = Place { file, entry: entry.id(), index, count, path };
        let place = canonical(&place).map_err(|_| BookedFault::Signature)?;
        let signature = STANDARD.decode(&self.signature).map_err(|_| BookedFault::Signature)?;
        if steward.verify_typed(TYPE, &place, &signature) {
            Ok(entry)
        } else {
            Err(BookedFault::Signature)
        }
    }
}

/// Returns the root that an entry holds.
fn root_of(entry: &Entry) -> Option<Sha256> {
    entry.body().get("root").and_then(Value::as_str).and_then(|root| Sha256::parse(root).ok())
}
