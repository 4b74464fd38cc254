//! The writing hand: entries in, tiles, bundles and a signed checkpoint out.
//!
//! A numbered commit is the one point at which entries enter; all else follows from the commits and
//! is made again after a crash. Only `site` and `pipeline` may import this file.
//! Never: a signed checkpoint before every byte it covers is durable, or two of one size that differ.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)
)]

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{
    checkpoint::Checkpoint,
    commit::Commit,
    edge::Edge,
    entry::{Entry, EntryId},
    places::Places,
    tile::{self, Row, Tile},
    tree::{Hash, leaf_hashes, root_of_hashes},
};
use crate::{
    signed_note::Signer,
    store::{Committed, Created, Sequence, Store},
};

/// How often a writer who was not first tries again.
const ATTEMPTS: usize = 32;

/// What is wrong with a log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// Another writer was first, again and again.
    #[error("another writer appended at the same time")]
    Conflict,
    /// The log's files do not fit together.
    #[error("the log is broken: {0}")]
    Broken(String),
}

/// The log of one site, open for writing.
#[derive(Debug)]
pub struct Log {
    zone: Store,
    origin: String,
    signer: Signer,
    state: Mutex<State>,
}

/// How far the log has come, as of its newest known commit.
#[derive(Debug, Clone, Default)]
struct State {
    /// The newest commit's number; 0 before the first.
    number: u64,
    edge: Edge,
    /// Where each entry stands; read when first asked for.
    places: Option<Places>,
}

impl Log {
    /// Starts a log in an empty ledger zone; finding the same log there is no error.
    pub fn create(zone: Store, origin: &str, signer: Signer) -> Result<Self, Error> {
        let vkey = Bytes::from(format!("{}\n", signer.verifier().vkey()));
        match zone.create("log.vkey", vkey)? {
            Created::New | Created::Exists => Self::open(zone, origin, signer),
        }
    }

    /// Opens a log and finishes what a crash left half done.
    pub fn open(zone: Store, origin: &str, signer: Signer) -> Result<Self, Error> {
        let vkey = zone.get("log.vkey")?;
        if vkey != format!("{}\n", signer.verifier().vkey()).as_bytes() {
            return Err(broken("`log.vkey` is another key than this log's"));
        }
        if signer.verifier().name() != origin {
            return Err(broken("a log's key bears the name of its origin"));
        }
        let log = Self { zone, origin: origin.to_owned(), signer, state: Mutex::default() };
        *log.state() = log.load()?;
        Ok(log)
    }

    /// Appends entries that are not there yet, durably, and publishes a signed checkpoint.
    /// Returns the leaf index of each, in order.
    pub fn append(&self, entries: &[Entry]) -> Result<Vec<u64>, Error> {
        self.append_texts(&entries.iter().map(Entry::text).collect::<Vec<_>>())
    }

    /// As `append`, whatever the entries' form.
    pub(super) fn append_texts(&self, texts: &[&str]) -> Result<Vec<u64>, Error> {
        let ids = leaf_hashes(texts);
        let mut state = self.state();
        for _ in 0..ATTEMPTS {
            self.load_places(&mut state)?;
            let first_index = state.edge.size;
            let placed = state.places.get_or_insert_default().place(&ids, first_index);
            if placed.fresh.is_empty() {
                return Ok(placed.indexes);
            }
            let fresh = || placed.fresh.iter().copied();
            let entries: Vec<&str> = fresh().filter_map(|at| texts.get(at).copied()).collect();
            let added: Vec<Hash> = fresh().filter_map(|at| ids.get(at).copied()).collect();
            let mut edge = state.edge.clone();
            let objects = edge.grow(&entries, &added).map_err(|e| broken(e.to_string()))?;
            let number = state.number.saturating_add(1);
            let commit =
                Commit { prev_size: first_index, size: edge.size, root: edge.root(), entries };
            match self.commits().commit(number, &commit.bytes())? {
                Committed::Done => {
                    self.publish(&objects, &edge)?;
                    (state.number, state.edge) = (number, edge);
                    state.places.get_or_insert_default().add(added, first_index);
                    return Ok(placed.indexes);
                }
                Committed::Conflict => *state = self.load()?,
            }
        }
        Err(Error::Conflict)
    }

    /// Says whether an entry is in the log.
    pub fn contains(&self, id: &EntryId) -> Result<bool, Error> {
        let mut state = self.state();
        self.load_places(&mut state)?;
        Ok(state.places.as_ref().is_some_and(|places| places.get(id).is_some()))
    }

    /// Returns the number of entries.
    pub fn size(&self) -> Result<u64, Error> {
        Ok(self.state().edge.size)
    }

    /// Returns the root over all entries.
    pub fn root(&self) -> Hash {
        self.state().edge.root()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A state is replaced whole, so one left by a panic is still a true one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commits(&self) -> Sequence {
        Sequence::new(&self.zone, "commits")
    }

    /// Reads the newest commit, and makes again what should follow from it.
    fn load(&self) -> Result<State, Error> {
        let Some((number, bytes)) = self.commits().latest()? else { return Ok(State::default()) };
        let commit = Commit::parse(&bytes)
            .map_err(|reason| broken(format!("commit {number} cannot be read: {reason}")))?;
        let mut edge = self.read_edge(commit.prev_size)?;
        let hashes = leaf_hashes(&commit.entries);
        let objects = edge.grow(&commit.entries, &hashes).map_err(|e| broken(e.to_string()))?;
        // INVARIANT: nothing is signed but what the tiles and the commit agree on.
        if edge.size != commit.size || edge.root() != commit.root {
            return Err(broken(format!(
                "commit {number} does not follow from the tiles before it"
            )));
        }
        self.publish(&objects, &edge)?;
        Ok(State { number, edge, places: None })
    }

    /// Writes what follows from a commit: bundles and tiles, then the checkpoint. All of it may be
    /// there already, whole or in part.
    fn publish(&self, objects: &[(Tile, Bytes)], edge: &Edge) -> Result<(), Error> {
        self.zone.put_contents(objects.iter().map(|(tile, bytes)| (tile.path(), bytes.clone())))?;
        let checkpoint =
            Checkpoint { origin: self.origin.clone(), size: edge.size, root: edge.root() };
        let note = checkpoint.sign(&self.signer).map_err(|e| broken(e.to_string()))?;
        let note = Bytes::from(note);
        self.zone.put_content(&format!("checkpoints/{}", edge.size), &note)?;
        // The current checkpoint stays where it says the same, for it may bear witnesses' lines by
        // now, and where it says more, by a writer who came after this one.
        let known = std::slice::from_ref(self.signer.verifier());
        let current = self.zone.find("checkpoint")?;
        let stands = current
            .and_then(|current| String::from_utf8(current.to_vec()).ok())
            .and_then(|current| Checkpoint::open(&current, &self.origin, known).ok())
            .is_some_and(|opened| {
                opened.checkpoint == checkpoint || opened.checkpoint.size > checkpoint.size
            });
        if !stands {
            self.zone.put("checkpoint", note)?;
        }
        Ok(())
    }

    /// Reads the unfinished tiles of a tree of `size` leaves. Whoever calls it compares a root.
    fn read_edge(&self, size: u64) -> Result<Edge, Error> {
        let read = |tile: Tile| {
            tile::fetch(&self.zone, tile)?
                .ok_or_else(|| broken(format!("`{}` is missing", tile.path())))
        };
        let mut levels = Vec::new();
        for tile in tile::edge(size) {
            levels.push(match tile {
                Some(tile) => decode(tile, &read(tile)?)?,
                None => Vec::new(),
            });
        }
        let full_bundles = size.checked_div(256).unwrap_or(0);
        let bundle = match Tile::of_size(Row::Entries, full_bundles, size) {
            Some(tile) => {
                let bytes = read(tile)?;
                let entries = tile::decode_bundle(&bytes, tile.width)
                    .map_err(|e| broken(format!("`{}`: {e}", tile.path())))?;
                // The bundle is written on into the next one: its entries must be the tree's.
                if levels.first().is_none_or(|leaves| *leaves != leaf_hashes(&entries)) {
                    return Err(broken(format!("`{}` is not what its tile says", tile.path())));
                }
                bytes.to_vec()
            }
            None => Vec::new(),
        };
        Ok(Edge { size, levels, bundle })
    }

    /// Reads all leaf hashes, once, and checks them against the root.
    fn load_places(&self, state: &mut State) -> Result<(), Error> {
        if state.places.is_some() {
            return Ok(());
        }
        let size = state.edge.size;
        let mut hashes = Vec::new();
        for index in 0..size.div_ceil(256) {
            let Some(tile) = Tile::of_size(Row::Level(0), index, size) else { continue };
            let bytes = tile::fetch(&self.zone, tile)?
                .ok_or_else(|| broken(format!("`{}` is missing", tile.path())))?;
            hashes.extend(decode(tile, &bytes)?);
        }
        if root_of_hashes(&hashes) != state.edge.root() {
            return Err(broken("the tiles under `tile/0` do not give the root"));
        }
        state.places = Some(Places::of(hashes));
        Ok(())
    }
}

fn decode(tile: Tile, bytes: &[u8]) -> Result<Vec<Hash>, Error> {
    tile::decode_hashes(bytes, tile.width).map_err(|e| broken(format!("`{}`: {e}", tile.path())))
}

fn broken(reason: impl Into<String>) -> Error {
    Error::Broken(reason.into())
}
