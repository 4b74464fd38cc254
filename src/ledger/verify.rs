//! The whole log, object by object: what follows from the entries is made again and compared.
//!
//! Comes in: a ledger zone and the keys to believe. Goes out: every object that differs, by name.
//! Never: a tile taken for good because the tile above it fits; all come from the entries alone.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)
)]

mod entries;
mod keys;
mod shown;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

pub use self::entries::verify_book;
use super::{
    checkpoint::Checkpoint,
    commit::Commit,
    reader::{Error, read_checkpoint},
    record::RecordTree,
    tile::{self, Row, Tile},
    tree::{Hash, Tree, leaf_hashes, root_at, root_of_hashes},
    trust::{Trust, kept},
};
use crate::{
    signed_note::Verifier,
    store::{self, Sequence, Store},
};

/// One object of a log that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The object's path below the ledger zone.
    pub object: String,
    /// What is wrong with it.
    pub reason: String,
}

/// What a check of the whole log saw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// The newest checkpoint that can be believed.
    pub checkpoint: Option<Checkpoint>,
    /// The checkpoint that the world sees; older where witnesses are still to cosign.
    pub shown: Option<Checkpoint>,
    /// Entries that were hashed.
    pub entries: u64,
    /// Objects that were read.
    pub objects: u64,
    /// Published checkpoints that were compared.
    pub checkpoints: u64,
    /// Record trees that were read.
    pub records: u64,
    /// Entries whose kind or version is not known here; [`verify_book`] counts them.
    pub unknown: u64,
    /// Who may sign, and since when; none where the first entry is no genesis of a known key.
    pub trust: Option<Trust>,
    /// Commits that await the next opening of the log: a crash came between them and their
    /// checkpoint. Nothing vouches for them yet.
    pub pending: u64,
    /// What is wrong, sorted by object.
    pub findings: Vec<Finding>,
}

impl Verified {
    /// Says whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }

    fn find(&mut self, object: impl Into<String>, reason: impl Into<String>) {
        let finding = Finding { object: object.into(), reason: reason.into() };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}

/// Reads every object of a log and names each that is not what the signed checkpoint says. Fails
/// only where the store does.
pub fn verify_all(
    zone: &Store,
    origin: &str,
    known: &[Verifier],
) -> Result<Verified, store::Error> {
    let known = &kept::followed(zone, origin, known)?;
    let mut check = Check {
        zone,
        origin,
        known,
        objects: zone.list("")?.into_iter().map(|listed| listed.path).collect(),
        seen: Verified::default(),
    };
    check.run()?;
    let mut seen = check.seen;
    seen.findings.sort();
    Ok(seen)
}

struct Check<'a> {
    zone: &'a Store,
    origin: &'a str,
    known: &'a [Verifier],
    /// All objects of the zone; what no check has taken away at the end does not belong.
    objects: BTreeSet<String>,
    seen: Verified,
}

impl Check<'_> {
    fn run(&mut self) -> Result<(), store::Error> {
        self.vkey()?;
        self.records()?;
        let Some(checkpoint) = self.checkpoint()? else {
            self.empty()?;
            self.strays();
            return Ok(());
        };
        self.seen.checkpoint = Some(checkpoint.clone());
        let Some((tree, texts)) = self.leaves(&checkpoint)? else {
            self.strays_none();
            return Ok(());
        };
        self.keys(&texts)?;
        self.levels(&tree)?;
        self.checkpoints(&tree)?;
        self.commits(&tree, &texts)?;
        self.shown(&checkpoint, &tree)?;
        self.strays();
        Ok(())
    }

    fn take(&mut self, object: &str) -> Result<Option<Bytes>, store::Error> {
        self.objects.remove(object);
        let bytes = self.zone.find(object)?;
        self.seen.objects = self.seen.objects.saturating_add(u64::from(bytes.is_some()));
        Ok(bytes)
    }

    fn vkey(&mut self) -> Result<(), store::Error> {
        let Some(bytes) = self.take("log.vkey")? else {
            self.seen.find("log.vkey", "it is missing");
            return Ok(());
        };
        let log = self.known.iter().filter(|key| key.name() == self.origin);
        if !log.into_iter().any(|key| format!("{}\n", key.vkey()).as_bytes() == bytes) {
            self.seen.find("log.vkey", "it is not the log's known key");
        }
        Ok(())
    }

    /// Returns the newest checkpoint that can be believed: the current one, unless it is broken, was
    /// set back, or waits for witnesses.
    fn checkpoint(&mut self) -> Result<Option<Checkpoint>, store::Error> {
        let current = self.open("checkpoint")?;
        self.seen.shown.clone_from(&current);
        let mut sizes: Vec<u64> = self.sizes();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        for size in sizes {
            if current.as_ref().is_some_and(|current| current.size >= size) {
                break;
            }
            let object = format!("checkpoints/{size}");
            if let Ok((_, opened)) = read_checkpoint(self.zone, self.origin, self.known, &object)
                && opened.checkpoint.size == size
            {
                return Ok(Some(opened.checkpoint));
            }
        }
        Ok(current)
    }

    fn sizes(&self) -> Vec<u64> {
        let names = self.objects.iter().filter_map(|path| path.strip_prefix("checkpoints/"));
        names.filter_map(|name| name.parse().ok()).collect()
    }

    fn open(&mut self, object: &str) -> Result<Option<Checkpoint>, store::Error> {
        match read_checkpoint(self.zone, self.origin, self.known, object) {
            Ok((_, opened)) => {
                self.take(object)?;
                Ok(Some(opened.checkpoint))
            }
            Err(Error::Store(error)) => Err(error),
            Err(error) => {
                self.take(object)?;
                let commits = self.objects.iter().any(|path| path.starts_with("commits/"));
                let missing = matches!(error, Error::Missing { .. });
                if !missing || commits {
                    self.seen.find(object, reason(&error));
                }
                Ok(None)
            }
        }
    }

    /// Reads the leaves twice, from bundles and from tiles, and finds which of the two the signed
    /// root vouches for. Returns the tree and the entries, where all could be had.
    fn leaves(
        &mut self,
        checkpoint: &Checkpoint,
    ) -> Result<Option<(Tree, Vec<Bytes>)>, store::Error> {
        let size = checkpoint.size;
        let mut from_bundles: Vec<Option<Bundle>> = Vec::new();
        let mut from_tiles: Vec<Option<Vec<Hash>>> = Vec::new();
        for index in 0..size.div_ceil(256) {
            from_bundles.push(self.bundle(index, size)?);
            from_tiles.push(self.leaf_tile(index, size)?);
        }
        let Some(hashes) = vouched(&from_bundles, &from_tiles, &checkpoint.root) else {
            self.seen.find(
                "checkpoint",
                "neither the bundles nor the tiles of the leaves give the root it signs",
            );
            for (index, (bundle, leaf_tile)) in (0_u64..).zip(from_bundles.iter().zip(&from_tiles))
            {
                let bundle = bundle.as_ref().map(|(hashes, _)| hashes);
                if let (Some(bundle), Some(leaf_tile)) = (bundle, leaf_tile)
                    && bundle != leaf_tile
                {
                    for row in [Row::Entries, Row::Level(0)] {
                        if let Some(tile) = Tile::of_size(row, index, size) {
                            self.seen.find(tile.path(), "bundle and tile of leaves disagree");
                        }
                    }
                }
            }
            return Ok(None);
        };
        let mut texts = Vec::new();
        for ((index, (bundle, leaf_tile)), good) in
            (0_u64..).zip(from_bundles.into_iter().zip(from_tiles)).zip(hashes.chunks(256))
        {
            let name = |row| Tile::of_size(row, index, size).map(Tile::path).unwrap_or_default();
            match bundle {
                Some((hashes, entries)) if hashes == good => texts.extend(entries),
                Some((hashes, _)) => {
                    let at = hashes.iter().zip(good).position(|(a, b)| a != b).unwrap_or_default();
                    let at = index.saturating_mul(256).saturating_add(super::tree::count(at));
                    self.seen.find(name(Row::Entries), format!("entry {at} has another hash"));
                }
                None => {}
            }
            if leaf_tile.is_some_and(|hashes| hashes != good) {
                self.seen.find(name(Row::Level(0)), "its hashes are not those of the entries");
            }
        }
        self.seen.entries = size;
        self.earlier_bundles(&hashes)?;
        Ok(Some((Tree::new(hashes), texts)))
    }

    fn bundle(&mut self, index: u64, size: u64) -> Result<Option<Bundle>, store::Error> {
        let Some(tile) = Tile::of_size(Row::Entries, index, size) else { return Ok(None) };
        let Some(bytes) = self.fetch(tile)? else { return Ok(None) };
        match tile::decode_bundle(&bytes, tile.width) {
            Ok(entries) => {
                let held = entries.iter().map(|entry| bytes.slice_ref(entry)).collect();
                Ok(Some((leaf_hashes(&entries), held)))
            }
            Err(error) => {
                self.seen.find(tile.path(), error.to_string());
                Ok(None)
            }
        }
    }

    fn leaf_tile(&mut self, index: u64, size: u64) -> Result<Option<Vec<Hash>>, store::Error> {
        let Some(tile) = Tile::of_size(Row::Level(0), index, size) else { return Ok(None) };
        let Some(bytes) = self.fetch(tile)? else { return Ok(None) };
        match tile::decode_hashes(&bytes, tile.width) {
            Ok(hashes) => Ok(Some(hashes)),
            Err(error) => {
                self.seen.find(tile.path(), error.to_string());
                Ok(None)
            }
        }
    }

    /// Reads a tile that the current size must have.
    fn fetch(&mut self, tile: Tile) -> Result<Option<Bytes>, store::Error> {
        let path = tile.path();
        if let Some(bytes) = self.take(&path)? {
            return Ok(Some(bytes));
        }
        let bytes = tile::fetch(self.zone, tile)?;
        if bytes.is_none() {
            self.seen.find(path, "it is missing");
        }
        Ok(bytes)
    }

    /// Compares the partial bundles of earlier sizes: each entry of them by its hash.
    fn earlier_bundles(&mut self, hashes: &[Hash]) -> Result<(), store::Error> {
        for tile in self.tiles(|row| row == Row::Entries) {
            let Some(expected) = leaf_range(hashes, tile) else { continue };
            let path = tile.path();
            let Some(bytes) = self.take(&path)? else { continue };
            match tile::decode_bundle(&bytes, tile.width) {
                Ok(entries) if leaf_hashes(&entries) == expected => {}
                Ok(_) => self.seen.find(path, "its entries are not those of the log"),
                Err(error) => self.seen.find(path, error.to_string()),
            }
        }
        Ok(())
    }

    /// Makes every tile of hashes again and compares, the current size's and earlier ones.
    fn levels(&mut self, tree: &Tree) -> Result<(), store::Error> {
        let mut rows: BTreeMap<Row, Vec<Hash>> = BTreeMap::new();
        let size = tree.size();
        for row in tile::rows(size) {
            let Row::Level(level) = row else { continue };
            let hashes = (0..row.width_of(size)).map(|index| {
                super::tree::Nodes::node(tree, u32::from(level).saturating_mul(8), index)
            });
            rows.insert(row, hashes.filter_map(Result::ok).collect());
        }
        for tile in tile::added(0, size) {
            let hashes = rows.get(&tile.row).and_then(|hashes| leaf_range(hashes, tile));
            if let Some(expected) = hashes
                && tile.row != Row::Level(0)
                && let Some(bytes) = self.fetch(tile)?
                && tile::encode_hashes(expected) != bytes
            {
                self.seen.find(tile.path(), "its hashes are not those of the entries");
            }
        }
        for tile in self.tiles(|row| row != Row::Entries) {
            let hashes = rows.get(&tile.row).and_then(|hashes| leaf_range(hashes, tile));
            let Some(expected) = hashes else { continue };
            let path = tile.path();
            if let Some(bytes) = self.take(&path)?
                && tile::encode_hashes(expected) != bytes
            {
                self.seen.find(path, "its hashes are not those of the entries");
            }
        }
        Ok(())
    }

    /// The tiles not yet looked at.
    fn tiles(&self, wanted: impl Fn(Row) -> bool) -> Vec<Tile> {
        let tiles = self.objects.iter().filter_map(|path| Tile::parse(path));
        tiles.filter(|tile| wanted(tile.row)).collect()
    }

    /// Compares each published checkpoint with the tree that the entries give at its size.
    fn checkpoints(&mut self, tree: &Tree) -> Result<(), store::Error> {
        let current = tree.size();
        let mut found_current = false;
        for size in self.sizes() {
            let object = format!("checkpoints/{size}");
            let Some(bytes) = self.take(&object)? else { continue };
            let opened = std::str::from_utf8(&bytes)
                .map_err(|_| super::checkpoint::Error::Form)
                .and_then(|note| Checkpoint::open(note, self.origin, self.known));
            match opened {
                Err(error) => self.seen.find(&object, error.to_string()),
                Ok(opened) if opened.checkpoint.size != size => {
                    self.seen.find(&object, "it is of another size than its name says");
                }
                Ok(opened) => {
                    if root_at(tree, size).ok() != Some(opened.checkpoint.root) {
                        self.seen.find(&object, "it signs another root than the entries give");
                    }
                    if let Some(fault) = self.unsigned(&opened) {
                        self.seen.find(&object, fault);
                    }
                }
            }
            self.seen.checkpoints = self.seen.checkpoints.saturating_add(1);
            found_current |= size == current;
        }
        if !found_current && current > 0 {
            self.seen.find(format!("checkpoints/{current}"), "it is missing");
        }
        Ok(())
    }

    /// Writes each commit again from the entries and compares.
    fn commits(&mut self, tree: &Tree, texts: &[Bytes]) -> Result<(), store::Error> {
        let complete = super::tree::count(texts.len()) == tree.size();
        let sequence = Sequence::new(self.zone, "commits");
        // Where the next commit must begin; unknown after one that cannot be believed.
        let mut expected_start = Some(0);
        let mut expected_number = 1;
        for number in sequence.numbers()? {
            let object = format!("commits/{number:012}.json");
            let Some(bytes) = self.take(&object)? else { continue };
            if number != expected_number {
                let missing = format!("commits/{expected_number:012}.json");
                self.seen.find(missing, "it is missing");
                expected_start = None;
            }
            expected_number = number.saturating_add(1);
            let start = expected_start.take();
            if let Some(again) = written_again(&bytes, tree, texts)
                && start.is_none_or(|start| start == again.prev_size)
            {
                expected_start = Some(again.size);
                continue;
            }
            let commit = match Commit::parse(&bytes) {
                Ok(commit) if start.is_none_or(|start| start == commit.prev_size) => commit,
                Ok(_) => {
                    self.seen.find(&object, "it does not begin where the one before it ends");
                    continue;
                }
                Err(reason) => {
                    self.seen.find(&object, reason);
                    continue;
                }
            };
            expected_start = Some(commit.size);
            if commit.size > tree.size() {
                self.seen.pending = self.seen.pending.saturating_add(1);
                continue;
            }
            let range = usize::try_from(commit.prev_size).unwrap_or(usize::MAX)
                ..usize::try_from(commit.size).unwrap_or(usize::MAX);
            let same = !complete || texts.get(range).is_some_and(|texts| *texts == commit.entries);
            if !same || root_at(tree, commit.size).ok() != Some(commit.root) {
                self.seen.find(&object, "its entries or root are not those of the log");
            }
        }
        if expected_start.is_some_and(|size| size < tree.size()) {
            self.seen.find(
                format!("commits/{expected_number:012}.json"),
                "it is missing: the checkpoint covers more entries than the commits",
            );
        }
        Ok(())
    }

    /// A log without a checkpoint has no entries, or its first commit awaits its opening.
    fn empty(&mut self) -> Result<(), store::Error> {
        for number in Sequence::new(self.zone, "commits").numbers()? {
            self.objects.remove(&format!("commits/{number:012}.json"));
            self.seen.pending = self.seen.pending.saturating_add(1);
        }
        self.objects.retain(|path| !path.starts_with("tile/") && !path.starts_with("checkpoints/"));
        Ok(())
    }

    fn records(&mut self) -> Result<(), store::Error> {
        let paths: Vec<String> =
            self.objects.iter().filter(|path| path.starts_with("records/")).cloned().collect();
        for path in paths {
            let Some(bytes) = self.take(&path)? else { continue };
            self.seen.records = self.seen.records.saturating_add(1);
            match RecordTree::read(&bytes) {
                Ok(tree) if tree.path() == path => {}
                Ok(_) => self.seen.find(path, "its leaves do not give the root of its name"),
                Err(error) => self.seen.find(path, error.to_string()),
            }
        }
        Ok(())
    }

    /// Names what no check has looked at. Tiles beyond the checkpoint are a crash's, if commits
    /// are pending.
    fn strays(&mut self) {
        let pending = self.seen.pending > 0;
        for path in std::mem::take(&mut self.objects) {
            let follows = Tile::parse(&path).is_some() || kept::index_of(&path).is_some();
            if !(pending && follows) {
                self.seen.find(path, "it is no object of this log");
            }
        }
    }

    /// Where the leaves could not be had nothing can be said of the rest.
    fn strays_none(&mut self) {
        self.objects.clear();
    }
}

/// The leaves of one chunk as its bundle gives them: hashes and entries.
type Bundle = (Vec<Hash>, Vec<Bytes>);

/// Chooses for each chunk of 256 leaves its bundle's hashes or its tile's, so that together they
/// give the root; where many chunks' two sources disagree, not every choice is tried.
fn vouched(
    bundles: &[Option<Bundle>],
    tiles: &[Option<Vec<Hash>>],
    root: &Hash,
) -> Option<Vec<Hash>> {
    const DISPUTED_MAX: usize = 10;
    let mut chunks: Vec<(&[Hash], &[Hash])> = Vec::new();
    for (bundle, tile) in bundles.iter().zip(tiles) {
        let bundle = bundle.as_ref().map(|(hashes, _)| hashes.as_slice());
        let tile = tile.as_deref();
        chunks.push((bundle.or(tile)?, tile.or(bundle)?));
    }
    let roots: Vec<(Hash, Hash)> =
        chunks.iter().map(|(a, b)| (root_of_hashes(a), root_of_hashes(b))).collect();
    let disputed: Vec<usize> =
        (0_usize..).zip(&roots).filter(|(_, (a, b))| a != b).map(|(at, _)| at).collect();
    let choices: u32 = if disputed.len() <= DISPUTED_MAX {
        1_u32.checked_shl(u32::try_from(disputed.len()).unwrap_or(0)).unwrap_or(1)
    } else {
        1
    };
    let mut all_tiles = vec![u32::MAX];
    all_tiles.extend(0..choices);
    for choice in all_tiles {
        // Bit n of the choice: the n-th disputed chunk comes from its tile.
        let by_tile = |at: usize| {
            let nth = disputed.binary_search(&at).unwrap_or(usize::MAX);
            choice == u32::MAX
                || choice.checked_shr(u32::try_from(nth).unwrap_or(32)).unwrap_or(0) & 1 == 1
        };
        let picked: Vec<Hash> =
            (0_usize..).zip(&roots).map(|(at, (a, b))| if by_tile(at) { *b } else { *a }).collect();
        if root_of_hashes(&picked) == *root {
            let hashes = (0_usize..).zip(&chunks).flat_map(|(at, (a, b))| {
                let chosen: &[Hash] = if by_tile(at) { b } else { a };
                chosen.iter().copied()
            });
            return Some(hashes.collect());
        }
    }
    None
}

/// Writes a commit from the entries that its head names, and returns its head if the bytes are the
/// same; so a large one need not be read.
fn written_again(bytes: &[u8], tree: &Tree, texts: &[Bytes]) -> Option<Commit> {
    let head = Commit::head(bytes)?;
    let range = usize::try_from(head.prev_size).ok()?..usize::try_from(head.size).ok()?;
    let entries = texts.get(range).filter(|texts| !texts.is_empty())?;
    let entries: Result<Vec<&str>, _> = entries.iter().map(|e| std::str::from_utf8(e)).collect();
    let (prev_size, size, root) = (head.prev_size, head.size, root_at(tree, head.size).ok()?);
    let again = Commit { prev_size, size, root, entries: entries.ok()? };
    (size <= tree.size() && again.bytes() == bytes).then_some(head)
}

/// The hashes of one tile in its row.
fn leaf_range(row: &[Hash], tile: Tile) -> Option<&[Hash]> {
    let start = usize::try_from(tile.index.checked_mul(256)?).ok()?;
    row.get(start..start.checked_add(usize::from(tile.width))?)
}

/// An error with its causes, in one line.
fn reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
