//! Makes again what follows from the entries of a log: tiles, bundles, commits, checkpoints.
//!
//! Entries come from the commits or the bundles, whichever the newest signed checkpoint vouches for.
//! Comes in: a ledger zone, the keys to believe, seeds that sign. Goes out: what was mended, what was not.
//! Never: an entry made up, a signature under a root that does not follow from entries, or a signed
//! checkpoint of another root written over: that is evidence.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)
)]

use bytes::Bytes;

use super::{
    checkpoint::Checkpoint,
    commit::Commit,
    publish,
    reader::{self, read_checkpoint},
    tile::{self, Row, Tile},
    tree::{Hash, Tree, count, leaf_hashes, root_at, root_of_hashes},
    trust::{Trust, kept},
    verify::{Finding, verify_all},
};
use crate::{
    signed_note::{Signer, Verifier},
    store::{self, Sequence, Store},
};

/// What a repair came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repaired {
    /// Objects that were written again, or would be, with what was wrong.
    pub mended: Vec<Finding>,
    /// What cannot be made again from what is there.
    pub left: Vec<Finding>,
}

/// Writes again each object of a log that is missing or broken and follows from its entries; a dry run
/// writes nothing. Fails only where the store does.
pub fn repair(
    zone: &Store,
    origin: &str,
    known: &[Verifier],
    seeds: &[Signer],
    is_dry: bool,
) -> Result<Repaired, store::Error> {
    let seen = verify_all(zone, origin, known)?;
    let mut done = Repaired::default();
    if seen.is_whole() {
        return Ok(done);
    }
    let known = kept::followed(zone, origin, known)?;
    let whole = match &seen.checkpoint {
        Some(checkpoint) => Whole::find(zone, checkpoint)?,
        None => None,
    };
    let Some(whole) = whole else {
        done.left = seen.findings;
        return Ok(done);
    };
    let trust = seen.trust.or_else(|| whole.trust());
    let wanted = whole.wanted(zone, origin, &known, &|checkpoint| {
        let keys = trust.as_ref()?.signers(checkpoint.size);
        let seed = |key: &Verifier| seeds.iter().find(|seed| seed.verifier() == key);
        let signers: Option<Vec<&Signer>> = keys.into_iter().map(seed).collect();
        checkpoint.sign_all(&signers?).ok()
    })?;
    for (object, bytes) in wanted {
        let found = zone.find(&object)?;
        if found.as_ref() == Some(&bytes) {
            continue;
        }
        let reason = if found.is_some() { "it was broken" } else { "it was missing" };
        done.mended.push(Finding { object: object.clone(), reason: reason.to_owned() });
        if !is_dry {
            zone.put(&object, bytes)?;
        }
    }
    if seen.findings.iter().any(|finding| finding.object == "checkpoint") {
        let reason = "it was not the newest that may be shown".to_owned();
        done.mended.push(Finding { object: "checkpoint".to_owned(), reason });
        if !is_dry {
            match publish::raise(zone, origin, &known) {
                Ok(_) => {}
                Err(reader::Error::Store(error)) => return Err(error),
                // What hinders it is found below.
                Err(_) => drop(done.mended.pop()),
            }
        }
    }
    let after = if is_dry { seen.findings } else { verify_all(zone, origin, &known)?.findings };
    let is_mended = |finding: &Finding| done.mended.iter().any(|m| m.object == finding.object);
    done.left = after.into_iter().filter(|finding| !is_dry || !is_mended(finding)).collect();
    done.mended.sort();
    Ok(done)
}

/// All entries under a signed checkpoint.
struct Whole {
    texts: Vec<String>,
    tree: Tree,
}

impl Whole {
    /// Finds the entries in commits and bundles: the root decides which of the two to believe.
    fn find(zone: &Store, checkpoint: &Checkpoint) -> Result<Option<Self>, store::Error> {
        let size = usize::try_from(checkpoint.size).unwrap_or(usize::MAX);
        let from_commits = from_commits(zone)?;
        let from_bundles = from_bundles(zone, checkpoint.size)?;
        let tiles = leaf_tiles(zone, checkpoint.size)?;
        let of = |texts: &[Option<String>], at: usize| texts.get(at).cloned().flatten();
        let hashed = |text: &Option<String>| text.as_ref().map(|text| leaf_hashes(&[text]));
        let first = |a: &[Option<String>], b: &[Option<String>]| -> Option<Vec<String>> {
            (0..size).map(|at| of(a, at).or_else(|| of(b, at))).collect()
        };
        let by_tile = || -> Option<Vec<String>> {
            let one = |at: usize| {
                let hash = tiles.get(at).copied().flatten();
                let both = [of(&from_commits, at), of(&from_bundles, at)];
                let fits = |text: &&Option<String>| {
                    hashed(text).and_then(|hashes| hashes.first().copied()) == hash
                };
                both.iter().find(fits).or_else(|| both.iter().find(|t| t.is_some())).cloned()?
            };
            (0..size).map(one).collect()
        };
        let choices =
            [first(&from_commits, &from_bundles), first(&from_bundles, &from_commits), by_tile()];
        let whole = choices.into_iter().flatten().find_map(|texts| {
            let hashes = leaf_hashes(&texts);
            (root_of_hashes(&hashes) == checkpoint.root)
                .then(|| Self { texts, tree: Tree::new(hashes) })
        });
        Ok(whole)
    }

    /// Reads who may sign from the entries alone.
    fn trust(&self) -> Option<Trust> {
        let entry = |text: &String| super::Entry::parse(text.as_bytes()).ok();
        let mut trust = Trust::begin(&entry(self.texts.first()?)?).ok()?;
        kept::take_all(&mut trust, &kept::about_keys(0, &self.texts)).ok()?;
        Some(trust)
    }

    /// Every object of the zone that follows from the entries, and those that must be there.
    fn wanted(
        &self,
        zone: &Store,
        origin: &str,
        known: &[Verifier],
        sign: &dyn Fn(&Checkpoint) -> Option<String>,
    ) -> Result<Vec<(String, Bytes)>, store::Error> {
        let size = self.tree.size();
        let mut tiles = tile::added(0, size);
        let listed = zone.list("tile")?;
        tiles.extend(listed.iter().filter_map(|object| Tile::parse(&object.path)));
        tiles.sort();
        tiles.dedup();
        let mut wanted: Vec<_> =
            tiles.into_iter().filter_map(|tile| Some((tile.path(), self.tile(tile)?))).collect();
        for (index, entry) in kept::about_keys(0, &self.texts) {
            wanted.push((kept::object(index), Bytes::copy_from_slice(entry.bytes())));
        }
        if let Some(first) = known.iter().find(|key| key.name() == origin) {
            wanted.push(("log.vkey".to_owned(), Bytes::from(format!("{}\n", first.vkey()))));
        }
        let ends = self.commits(zone, &mut wanted)?;
        for end in ends {
            let object = format!("checkpoints/{end}");
            // One that the log signed stays, whatever it says.
            match read_checkpoint(zone, origin, known, &object) {
                Ok((_, opened)) if opened.checkpoint.size == end => continue,
                Err(reader::Error::Store(error)) => return Err(error),
                Ok(_) | Err(_) => {}
            }
            let Ok(root) = root_at(&self.tree, end) else { continue };
            let checkpoint = Checkpoint { origin: origin.to_owned(), size: end, root };
            wanted.extend(sign(&checkpoint).map(|note| (object, Bytes::from(note))));
        }
        Ok(wanted)
    }

    /// The bytes of a tile or bundle, if the log has or had it.
    fn tile(&self, tile: Tile) -> Option<Bytes> {
        let start = usize::try_from(tile.index.checked_mul(256)?).ok()?;
        let range = start..start.checked_add(usize::from(tile.width))?;
        match tile.row {
            Row::Entries => {
                let mut bundle = Vec::new();
                for text in self.texts.get(range)? {
                    tile::encode_entry(text.as_bytes(), &mut bundle).ok()?;
                }
                Some(bundle.into())
            }
            Row::Level(level) => {
                let last = tile.index.checked_mul(256)?.checked_add(u64::from(tile.width))?;
                if last > tile.row.width_of(self.tree.size()) {
                    return None;
                }
                let height = u32::from(level).checked_mul(8)?;
                let node = |index| super::tree::Nodes::node(&self.tree, height, index).ok();
                let first = tile.index.checked_mul(256)?;
                let hashes: Option<Vec<Hash>> = (first..last).map(node).collect();
                Some(tile::encode_hashes(&hashes?))
            }
        }
    }

    /// Adds the commits that can be written, and returns where each ends. A lost one begins where the
    /// one before it ends, and ends where the next begins or, for want of that, where the next signed
    /// checkpoint stands.
    fn commits(
        &self,
        zone: &Store,
        wanted: &mut Vec<(String, Bytes)>,
    ) -> Result<Vec<u64>, store::Error> {
        let sequence = Sequence::new(zone, "commits");
        let numbers = sequence.numbers()?;
        let signed: Vec<u64> = zone
            .list("checkpoints")?
            .iter()
            .filter_map(|object| object.path.strip_prefix("checkpoints/")?.parse().ok())
            .collect();
        let good = |number: u64| -> Result<Option<Commit>, store::Error> {
            if !numbers.contains(&number) {
                return Ok(None);
            }
            let commit = Commit::parse(&sequence.read(number)?).ok();
            Ok(commit.filter(|commit| {
                self.commit(commit.prev_size, commit.size).as_ref() == Some(commit)
            }))
        };
        let (mut start, mut ends) = (0, Vec::new());
        for number in 1_u64.. {
            if start >= self.tree.size() {
                break;
            }
            let end = match good(number)?.filter(|commit| commit.prev_size == start) {
                Some(commit) => Some(commit.size),
                None => match good(number.saturating_add(1))? {
                    Some(next) => Some(next.prev_size),
                    None => signed.iter().copied().filter(|size| *size > start).min(),
                },
            };
            let Some(commit) = end.and_then(|end| self.commit(start, end)) else { break };
            start = commit.size;
            ends.push(start);
            wanted.push((format!("commits/{number:012}.json"), commit.bytes()));
        }
        Ok(ends)
    }

    /// The commit of the entries from `start` to `end`.
    fn commit(&self, start: u64, end: u64) -> Option<Commit> {
        let range = usize::try_from(start).ok()?..usize::try_from(end).ok()?;
        let entries = self.texts.get(range).filter(|entries| !entries.is_empty())?.to_vec();
        Some(Commit { prev_size: start, size: end, root: root_at(&self.tree, end).ok()?, entries })
    }
}

/// The entries as the commits have them, each at the place that its commit names.
fn from_commits(zone: &Store) -> Result<Vec<Option<String>>, store::Error> {
    let mut texts = Vec::new();
    for (_, bytes) in Sequence::new(zone, "commits").all()? {
        let Ok(commit) = Commit::parse(&bytes) else { continue };
        let Ok(start) = usize::try_from(commit.prev_size) else { continue };
        if start > texts.len().saturating_add(tile::ENTRY_BYTES_MAX) {
            continue;
        }
        if texts.len() < start.saturating_add(commit.entries.len()) {
            texts.resize(start.saturating_add(commit.entries.len()), None);
        }
        for (place, text) in texts.iter_mut().skip(start).zip(commit.entries) {
            *place = Some(text);
        }
    }
    Ok(texts)
}

/// The entries as the newest bundles have them.
fn from_bundles(zone: &Store, size: u64) -> Result<Vec<Option<String>>, store::Error> {
    let mut texts = Vec::new();
    for index in 0..size.div_ceil(256) {
        let Some(tile) = Tile::of_size(Row::Entries, index, size) else { continue };
        let width = usize::from(tile.width);
        let bytes = tile::fetch(zone, tile)?;
        let bundle = bytes.as_ref().and_then(|bytes| tile::decode_bundle(bytes, tile.width).ok());
        let text = |entry: &&[u8]| String::from_utf8(entry.to_vec()).ok();
        match bundle {
            Some(entries) => texts.extend(entries.iter().map(text)),
            None => texts.extend(std::iter::repeat_n(None, width)),
        }
    }
    debug_assert!(count(texts.len()) == size, "as many places as leaves");
    Ok(texts)
}

/// The leaf hashes as the newest tiles have them.
fn leaf_tiles(zone: &Store, size: u64) -> Result<Vec<Option<Hash>>, store::Error> {
    let mut hashes = Vec::new();
    for index in 0..size.div_ceil(256) {
        let Some(tile) = Tile::of_size(Row::Level(0), index, size) else { continue };
        let bytes = tile::fetch(zone, tile)?;
        match bytes.as_ref().and_then(|bytes| tile::decode_hashes(bytes, tile.width).ok()) {
            Some(found) => hashes.extend(found.into_iter().map(Some)),
            None => hashes.extend(std::iter::repeat_n(None, usize::from(tile.width))),
        }
    }
    Ok(hashes)
}
