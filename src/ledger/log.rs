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
    publish, reader,
    signing::Signing,
    tile::{self, Row, Tile},
    tree::{Hash, leaf_hashes, root_of_hashes},
    trust::{self, Role, Trust, kept},
};
use crate::{
    signed_note::{Signer, Verifier},
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
    /// The keys have changed since the log was opened: what was made may be signed by one that is
    /// no longer in force.
    #[error("the log's keys have changed since it was opened")]
    KeysChanged,
    /// An entry changes keys in a way that the keys it rests on do not allow.
    #[error("the change of keys is none")]
    Keys(#[from] trust::Error),
    /// The log's key was revoked.
    #[error("the log ended at size {0}: its key was revoked")]
    Ended(u64),
    /// A seed is missing.
    #[error("there is no seed of `{0}`, which signs for this log")]
    NoSeed(String),
    /// The log's files do not fit together.
    #[error("the log is broken: {0}")]
    Broken(String),
}

/// The log of one site, open for writing.
#[derive(Debug)]
pub struct Log {
    zone: Store,
    origin: String,
    signing: Signing,
    state: Mutex<State>,
}

/// How far the log has come, as of its newest known commit.
#[derive(Debug, Clone, Default)]
struct State {
    /// The newest commit's number; 0 before the first.
    number: u64,
    edge: Edge,
    /// Whom to believe; none while no entry has changed a key.
    trust: Option<Trust>,
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
        Self::open_with(zone, origin, vec![signer])
    }

    /// As `open`, where the log's key may have changed: of each key that signs now there is a seed.
    pub fn open_with(zone: Store, origin: &str, signers: Vec<Signer>) -> Result<Self, Error> {
        let vkey = zone.get("log.vkey")?;
        let vkey = std::str::from_utf8(&vkey).ok().and_then(|vkey| vkey.strip_suffix('\n'));
        let first = vkey.and_then(|vkey| Verifier::parse(vkey).ok());
        let first = first.ok_or_else(|| broken("`log.vkey` is no key"))?;
        if first.name() != origin {
            return Err(broken("a log's key bears the name of its origin"));
        }
        let signing = Signing::new(&zone, first, signers);
        let log = Self { zone, origin: origin.to_owned(), signing, state: Mutex::default() };
        *log.state() = log.load()?;
        Ok(log)
    }

    /// Takes a seed that will sign once an entry has brought its key in.
    pub fn hold(&mut self, signer: Signer) {
        self.signing.hold(signer);
    }

    /// Returns whom to believe; none while no entry has changed a key.
    pub fn trust(&self) -> Option<Trust> {
        self.state().trust.clone()
    }

    /// Returns the key that the log began with.
    pub fn first_key(&self) -> &Verifier {
        self.signing.first()
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
            let about_keys = kept::about_keys(first_index, &entries);
            let trust = self.signing.after(state.trust.as_ref(), first_index, &about_keys)?;
            let mut edge = state.edge.clone();
            let objects = edge.grow(&entries, &added).map_err(|e| broken(e.to_string()))?;
            let number = state.number.saturating_add(1);
            let commit =
                Commit { prev_size: first_index, size: edge.size, root: edge.root(), entries };
            match self.commits().commit(number, &commit.bytes())? {
                Committed::Done => {
                    self.publish(&objects, &about_keys, &edge, trust.as_ref())?;
                    (state.number, state.edge, state.trust) = (number, edge, trust);
                    state.places.get_or_insert_default().add(added, first_index);
                    return Ok(placed.indexes);
                }
                Committed::Conflict => {
                    let newer = self.load()?;
                    let same = newer.trust == state.trust;
                    *state = newer;
                    if !same {
                        return Err(Error::KeysChanged);
                    }
                }
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
        let about_keys = kept::about_keys(commit.prev_size, &commit.entries);
        let trust = self.signing.trust(commit.prev_size, &about_keys)?;
        self.publish(&objects, &about_keys, &edge, trust.as_ref())?;
        let first = || vec![self.signing.first().clone()];
        let known = trust.as_ref().map_or_else(first, |trust| trust.all(Role::Log));
        publish::mend(&self.zone, &self.origin, &known)?;
        Ok(State { number, edge, trust, places: None })
    }

    /// Writes what follows from a commit: bundles, tiles and entries about keys, then the checkpoint.
    /// All of it may be there already, whole or in part.
    fn publish(
        &self,
        objects: &[(Tile, Bytes)],
        about_keys: &[(u64, Entry)],
        edge: &Edge,
        trust: Option<&Trust>,
    ) -> Result<(), Error> {
        self.zone.put_contents(objects.iter().map(|(tile, bytes)| (tile.path(), bytes.clone())))?;
        kept::keep(&self.zone, about_keys)?;
        let (size, root) = (edge.size, edge.root());
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root };
        let signers = self.signing.signers(trust, size)?;
        publish::sign(&self.zone, &checkpoint, &signers)
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

impl From<reader::Error> for Error {
    fn from(error: reader::Error) -> Self {
        match error {
            reader::Error::Store(error) => Self::Store(error),
            error @ (reader::Error::Missing { .. }
            | reader::Error::Checkpoint { .. }
            | reader::Error::Broken { .. }
            | reader::Error::Entry { .. }
            | reader::Error::Beyond { .. }) => Self::Broken(error.to_string()),
        }
    }
}

fn broken(reason: impl Into<String>) -> Error {
    Error::Broken(reason.into())
}
