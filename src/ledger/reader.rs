//! The reading side of a log: every hash and entry it gives was hashed up to a signed root.
//!
//! Comes in: a ledger zone and the keys to believe. Goes out: entries, proofs, checkpoints.
//! Never: a hash from a tile that was not itself hashed up to the checkpoint's root; readers that
//! took the top of a tile on trust have been fooled (CVE-2026-56865).

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)
)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

use super::{
    checkpoint::{self, Checkpoint, Opened},
    entry::{self, Entry, EntryId},
    proof::LogProof,
    tile::{self, Row, Tile},
    tree::{self, Hash, Nodes, leaf_hash, leaf_hashes, root_of_hashes},
    trust::kept,
};
use crate::{
    signed_note::{self, Verifier, Vouched},
    store::{self, Store},
};

/// Tiles kept in memory, 8 KiB each.
const TILES_KEPT: usize = 4096;

/// What is wrong with a log that is read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// There is no checkpoint: the log has no entries yet, or this is no log.
    #[error("there is no `{object}`")]
    Missing {
        /// The object's path below the log.
        object: String,
    },
    /// A checkpoint cannot be believed.
    #[error("`{object}` cannot be believed")]
    Checkpoint {
        /// The object's path below the log.
        object: String,
        /// Why.
        #[source]
        source: checkpoint::Error,
    },
    /// An object is not what the signed root says.
    #[error("`{object}` is not what the signed checkpoint says: {reason}")]
    Broken {
        /// The object's path below the log.
        object: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An entry stands in the log whose form this version refuses.
    #[error("entry {index} is not of the form of an entry")]
    Entry {
        /// Its leaf index.
        index: u64,
        /// Why.
        #[source]
        source: entry::Error,
    },
    /// More was asked for than the checkpoint covers.
    #[error("the checkpoint covers {size} entries, not entry or size {asked}")]
    Beyond {
        /// The checkpoint's size.
        size: u64,
        /// The index or size asked for.
        asked: u64,
    },
}

/// Tiles by level and index.
type Tiles = BTreeMap<(u8, u64), Arc<Vec<Hash>>>;

/// A log under one signed checkpoint.
#[derive(Debug)]
pub struct Reader {
    zone: Store,
    origin: String,
    known: Vec<Verifier>,
    note: String,
    opened: Opened,
    /// The partial tiles at the right edge, lowest level first; their fold is the root.
    edge: Vec<Arc<Vec<Hash>>>,
    /// Full tiles whose fold is a hash of the tile above them.
    tiles: Mutex<Tiles>,
}

impl Reader {
    /// Opens the log at its current checkpoint: the newest that the world is shown. The key of `known` that is named like the origin
    /// is the log's; the others are witnesses, whose lines must hold where they stand.
    pub fn open(zone: &Store, origin: &str, known: &[Verifier]) -> Result<Self, Error> {
        Self::open_at(zone, origin, known, "checkpoint")
    }

    /// Opens the log as it was when it had `size` entries, at the checkpoint signed then.
    pub fn open_size(
        zone: &Store,
        origin: &str,
        known: &[Verifier],
        size: u64,
    ) -> Result<Self, Error> {
        let object = format!("checkpoints/{size}");
        let reader = Self::open_at(zone, origin, known, &object)?;
        if reader.size() != size {
            let reason = format!("it is the checkpoint of {} entries", reader.size());
            return Err(Error::Broken { object, reason });
        }
        Ok(reader)
    }

    fn open_at(
        zone: &Store,
        origin: &str,
        known: &[Verifier],
        object: &str,
    ) -> Result<Self, Error> {
        let (note, opened) = read_checkpoint(zone, origin, known, object)?;
        let Checkpoint { size, root, .. } = opened.checkpoint;
        let mut edge = Vec::new();
        for tile in tile::edge(size) {
            edge.push(Arc::new(match tile {
                Some(tile) => decode(tile, &fetch(zone, tile)?)?,
                None => Vec::new(),
            }));
        }
        // Each hash at the edge is an input of the root, so this vouches for all of them at once.
        if tile::edge_root(edge.iter().map(|hashes| hashes.as_slice())) != root {
            let tiles: Vec<_> = tile::edge(size).into_iter().flatten().map(Tile::path).collect();
            return Err(Error::Broken {
                object: tiles.join("`, `"),
                reason: format!("the tiles at the right edge do not give the root of `{object}`"),
            });
        }
        Ok(Self {
            zone: zone.clone(),
            origin: origin.to_owned(),
            known: known.to_vec(),
            note,
            opened,
            edge,
            tiles: Mutex::default(),
        })
    }

    /// Returns what the checkpoint says.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.opened.checkpoint
    }

    /// Returns the checkpoint as it was signed.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Returns which of the known keys signed the checkpoint.
    pub fn vouched(&self) -> &[Vouched] {
        &self.opened.vouched
    }

    /// Returns the number of entries.
    pub fn size(&self) -> u64 {
        self.opened.checkpoint.size
    }

    /// Returns the root over all entries.
    pub fn root(&self) -> Hash {
        self.opened.checkpoint.root
    }

    /// Returns the bytes of all entries with their leaf indexes, one bundle in memory at a time.
    pub fn leaves(&self) -> Leaves<'_> {
        Leaves { reader: self, next: 0, bundle: Vec::new().into_iter(), failed: false }
    }

    /// Returns all entries with their leaf indexes, one bundle in memory at a time.
    pub fn entries(&self) -> impl Iterator<Item = Result<(u64, Entry), Error>> {
        self.leaves().map(|leaf| {
            let (index, bytes) = leaf?;
            parse(index, &bytes).map(|entry| (index, entry))
        })
    }

    /// Returns the bytes of one entry.
    pub fn leaf(&self, index: u64) -> Result<Bytes, Error> {
        let place = usize::try_from(index.checked_rem(256).unwrap_or(0)).unwrap_or(usize::MAX);
        let bundle = self.bundle(index / 256)?;
        bundle.into_iter().nth(place).ok_or_else(|| self.beyond(index))
    }

    /// Returns one entry.
    pub fn entry(&self, index: u64) -> Result<Entry, Error> {
        parse(index, &self.leaf(index)?)
    }

    /// Returns where an entry stands, if it does.
    pub fn find(&self, id: &EntryId) -> Result<Option<u64>, Error> {
        for index in 0..self.size().div_ceil(256) {
            let hashes = self.tile(0, index)?;
            if let Some((place, _)) = (0_u64..).zip(hashes.iter()).find(|(_, hash)| *hash == id) {
                return Ok(Some(index.saturating_mul(256).saturating_add(place)));
            }
        }
        Ok(None)
    }

    /// Returns the entries of one bundle, each checked against its leaf hash.
    fn bundle(&self, index: u64) -> Result<Vec<Bytes>, Error> {
        let tile = Tile::of_size(Row::Entries, index, self.size())
            .ok_or_else(|| self.beyond(index.saturating_mul(256)))?;
        let hashes = self.tile(0, index)?;
        let bytes = fetch(&self.zone, tile)?;
        let entries = tile::decode_bundle(&bytes, tile.width)
            .map_err(|e| Error::Broken { object: tile.path(), reason: e.to_string() })?;
        let first = index.saturating_mul(256);
        for ((place, entry), hash) in (0_u64..).zip(&entries).zip(hashes.iter()) {
            if leaf_hash(entry) != *hash {
                let at = first.saturating_add(place);
                let reason = format!("entry {at} has another hash");
                return Err(Error::Broken { object: tile.path(), reason });
            }
        }
        Ok(entries.into_iter().map(|entry| bytes.slice_ref(entry)).collect())
    }

    /// Returns a tile that was hashed up to the root: at the edge by the fold of the edge, else by
    /// the hash of the tile above it, which was so too.
    fn tile(&self, level: u8, index: u64) -> Result<Arc<Vec<Hash>>, Error> {
        let tile = Tile::of_size(Row::Level(level), index, self.size())
            .ok_or_else(|| self.beyond(index.saturating_mul(256)))?;
        if !tile.is_full() {
            let hashes = self.edge.get(usize::from(level));
            return hashes.map(Arc::clone).ok_or_else(|| self.beyond(index));
        }
        if let Some(hashes) = self.kept(level, index) {
            return Ok(hashes);
        }
        let expected = self.hash(level.saturating_add(1), index)?;
        let hashes = decode(tile, &fetch(&self.zone, tile)?)?;
        if root_of_hashes(&hashes) != expected {
            let reason = "its hashes do not give the hash of the tile above it".to_owned();
            return Err(Error::Broken { object: tile.path(), reason });
        }
        let hashes = Arc::new(hashes);
        self.keep(level, index, Arc::clone(&hashes));
        Ok(hashes)
    }

    fn kept(&self, level: u8, index: u64) -> Option<Arc<Vec<Hash>>> {
        self.tiles.lock().unwrap_or_else(PoisonError::into_inner).get(&(level, index)).cloned()
    }

    /// Keeps a tile that was hashed up to the root.
    fn keep(&self, level: u8, index: u64, hashes: Arc<Vec<Hash>>) {
        let mut kept = self.tiles.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= TILES_KEPT {
            kept.clear();
        }
        kept.insert((level, index), hashes);
    }

    /// Returns one hash of a row of tiles.
    fn hash(&self, level: u8, index: u64) -> Result<Hash, Error> {
        let place = usize::try_from(index.checked_rem(256).unwrap_or(0)).unwrap_or(usize::MAX);
        let hashes = self.tile(level, index / 256)?;
        hashes.get(place).copied().ok_or_else(|| self.beyond(index))
    }

    fn beyond(&self, asked: u64) -> Error {
        Error::Beyond { size: self.size(), asked }
    }

    /// Proves that entry `index` is in the log.
    pub fn inclusion(&self, index: u64) -> Result<Vec<Hash>, Error> {
        if index >= self.size() {
            return Err(self.beyond(index));
        }
        tree::inclusion(self, index, self.size())
    }

    /// Proves that the log of `old` entries is a start of the log of `new` entries.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, Error> {
        if old > new || new > self.size() {
            return Err(self.beyond(old.max(new)));
        }
        tree::consistency(self, old, new)
    }

    /// Returns the root over the first `size` entries.
    pub fn root_at(&self, size: u64) -> Result<Hash, Error> {
        if size > self.size() {
            return Err(self.beyond(size));
        }
        tree::root_at(self, size)
    }

    /// Makes the proof file of an entry: inclusion under the current checkpoint, offline.
    pub fn prove(&self, index: u64) -> Result<LogProof, Error> {
        Ok(LogProof {
            extra: None,
            index,
            hashes: self.inclusion(index)?,
            checkpoint: self.note.clone(),
        })
    }

    /// Returns the bytes of one entry and its proof. What is read of a cold log of up to 2^24 entries
    /// is at most four tiles and one bundle, whose entries' own hashes stand for the tile below them.
    pub fn prove_leaf(&self, index: u64) -> Result<(Bytes, LogProof), Error> {
        let bundle = index / 256;
        let tile = Tile::of_size(Row::Entries, bundle, self.size());
        let tile = tile.ok_or_else(|| self.beyond(index))?;
        if !tile.is_full() || self.kept(0, bundle).is_some() {
            return Ok((self.leaf(index)?, self.prove(index)?));
        }
        let bytes = fetch(&self.zone, tile)?;
        let entries = tile::decode_bundle(&bytes, tile.width)
            .map_err(|e| Error::Broken { object: tile.path(), reason: e.to_string() })?;
        let hashes = leaf_hashes(&entries);
        if root_of_hashes(&hashes) != self.hash(1, bundle)? {
            let reason = "its entries do not give the hash of the tile above them".to_owned();
            return Err(Error::Broken { object: tile.path(), reason });
        }
        let place = usize::try_from(index.checked_rem(256).unwrap_or(0)).unwrap_or(usize::MAX);
        let leaf = entries.get(place).map(|entry| bytes.slice_ref(entry));
        self.keep(0, bundle, Arc::new(hashes));
        Ok((leaf.ok_or_else(|| self.beyond(index))?, self.prove(index)?))
    }

    /// Returns the sizes of all published checkpoints, ascending.
    pub fn checkpoint_sizes(&self) -> Result<Vec<u64>, Error> {
        let mut sizes: Vec<u64> = self
            .zone
            .list("checkpoints")?
            .iter()
            .filter_map(|object| object.path.strip_prefix("checkpoints/")?.parse().ok())
            .collect();
        sizes.sort_unstable();
        Ok(sizes)
    }

    /// Opens a published checkpoint and checks that its tree is a start of this one.
    pub fn checkpoint_of(&self, size: u64) -> Result<Opened, Error> {
        let object = format!("checkpoints/{size}");
        let (_, opened) = read_checkpoint(&self.zone, &self.origin, &self.known, &object)?;
        let Checkpoint { size: stated, root, .. } = opened.checkpoint;
        if stated != size || self.root_at(size)? != root {
            let reason = "it signs another tree than the current checkpoint continues".to_owned();
            return Err(Error::Broken { object, reason });
        }
        Ok(opened)
    }
}

impl Nodes for Reader {
    type Error = Error;

    fn node(&self, level: u32, index: u64) -> Result<Hash, Error> {
        // A whole subtree lies inside one tile, at most seven levels above that tile's own row.
        let row = u8::try_from(level / 8).unwrap_or(u8::MAX);
        let above = level % 8;
        if above == 0 {
            return self.hash(row, index);
        }
        let width = 1_usize.checked_shl(above).unwrap_or(usize::MAX);
        let first = index.checked_shl(above).unwrap_or(u64::MAX);
        let tile = self.tile(row, first / 256)?;
        let start = usize::try_from(first.checked_rem(256).unwrap_or(0)).unwrap_or(usize::MAX);
        let hashes = tile.get(start..start.saturating_add(width));
        hashes.map(root_of_hashes).ok_or_else(|| self.beyond(first))
    }
}

/// All entries' bytes, in order: see [`Reader::leaves`].
#[derive(Debug)]
pub struct Leaves<'a> {
    reader: &'a Reader,
    next: u64,
    bundle: std::vec::IntoIter<Bytes>,
    failed: bool,
}

impl Iterator for Leaves<'_> {
    type Item = Result<(u64, Bytes), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.next >= self.reader.size() {
            return None;
        }
        if self.bundle.as_slice().is_empty() {
            match self.reader.bundle(self.next / 256) {
                Ok(bundle) => self.bundle = bundle.into_iter(),
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
        let leaf = self.bundle.next()?;
        let index = self.next;
        self.next = index.saturating_add(1);
        Some(Ok((index, leaf)))
    }
}

fn parse(index: u64, bytes: &[u8]) -> Result<Entry, Error> {
    Entry::parse(bytes).map_err(|source| Error::Entry { index, source })
}

fn fetch(zone: &Store, tile: Tile) -> Result<Bytes, Error> {
    tile::fetch(zone, tile)?.ok_or_else(|| Error::Missing { object: tile.path() })
}

fn decode(tile: Tile, bytes: &[u8]) -> Result<Vec<Hash>, Error> {
    tile::decode_hashes(bytes, tile.width)
        .map_err(|e| Error::Broken { object: tile.path(), reason: e.to_string() })
}

/// Reads a checkpoint object and verifies its signatures.
pub(super) fn read_checkpoint(
    zone: &Store,
    origin: &str,
    known: &[Verifier],
    object: &str,
) -> Result<(String, Opened), Error> {
    let bytes = zone.find(object)?.ok_or_else(|| Error::Missing { object: object.to_owned() })?;
    let fault = |source| Error::Checkpoint { object: object.to_owned(), source };
    let note = String::from_utf8(bytes.to_vec()).map_err(|_| fault(checkpoint::Error::Form))?;
    let opened = match Checkpoint::open(&note, origin, known) {
        // A known key may have signed another one in: the log's key of today follows from it.
        Err(
            checkpoint::Error::NotByLog | checkpoint::Error::Note(signed_note::Error::Unsigned),
        ) => Checkpoint::open(&note, origin, &kept::followed(zone, origin, known)?),
        opened => opened,
    };
    Ok((note, opened.map_err(fault)?))
}
