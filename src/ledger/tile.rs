//! Tiles and entry bundles of a C2SP tlog-tiles log: their paths, their bytes, which a size has.
//!
//! Comes in: sizes, hashes, entries. Goes out: paths and bytes, <https://c2sp.org/tlog-tiles>.
//! Never: a partial tile that counts towards the level above it, or a path that names two tiles.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)
)]

use std::fmt;

use bytes::Bytes;

use super::tree::{Hash, TILE_WIDTH, count, root_of_hashes};
use crate::{
    digest::Sha256,
    store::{self, Store},
};

/// The longest entry: its length stands in two bytes.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// Hashes of a full tile.
const FULL: u64 = 256;

/// What a tile object holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// Raw entries, each after its length.
    Entries,
    /// Hashes of whole subtrees of `256^level` leaves.
    Level(u8),
}

/// One tile or bundle: where it stands and how many hashes or entries it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tile {
    /// The row it stands in.
    pub row: Row,
    /// Its place in the row.
    pub index: u64,
    /// 1 to 256; below 256 it is partial.
    pub width: u16,
}

impl Tile {
    /// The tile or bundle at `index` of `row` in a tree of `size` leaves, if there is one.
    pub fn of_size(row: Row, index: u64, size: u64) -> Option<Self> {
        let hashes = row.width_of(size);
        let left = hashes.checked_sub(index.checked_mul(FULL)?)?.min(FULL);
        let width = u16::try_from(left).ok().filter(|width| *width > 0)?;
        Some(Self { row, index, width })
    }

    /// Says whether it holds 256 hashes or entries.
    pub fn is_full(self) -> bool {
        u64::from(self.width) == FULL
    }

    /// Returns the same tile when full.
    #[must_use]
    pub fn full(self) -> Self {
        Self { width: 256, ..self }
    }

    /// Returns its path below the log.
    pub fn path(self) -> String {
        self.to_string()
    }

    /// Reads a path that [`Tile::path`] wrote; `None` for any other text.
    pub fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("tile/")?;
        let (row, rest) = rest.split_once('/')?;
        let row = if row == "entries" { Row::Entries } else { Row::Level(row.parse().ok()?) };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok().filter(|w| *w < 256)?),
            None => (rest, 256),
        };
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        let tile = Self { row, index: digits.parse().ok()?, width };
        // What reads back as another text was not written by us.
        (tile.width > 0 && tile.path() == path).then_some(tile)
    }
}

impl Row {
    /// How many hashes or entries the row holds in a tree of `size` leaves.
    pub fn width_of(self, size: u64) -> u64 {
        match self {
            Self::Entries => size,
            Self::Level(level) => size.checked_shr(u32::from(level).saturating_mul(8)).unwrap_or(0),
        }
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row {
            Row::Entries => f.write_str("tile/entries/")?,
            Row::Level(level) => write!(f, "tile/{level}/")?,
        }
        // Groups of three digits; all but the last begin with an x.
        let digits = self.index.to_string();
        let digits = format!(
            "{}{digits}",
            "0".repeat(digits.len().div_ceil(3).saturating_mul(3).saturating_sub(digits.len()))
        );
        let groups = digits.len() / 3;
        for group in 0..groups {
            let start = group.saturating_mul(3);
            let text = digits.get(start..start.saturating_add(3)).unwrap_or_default();
            if group.saturating_add(1) < groups {
                write!(f, "x{text}/")?;
            } else {
                f.write_str(text)?;
            }
        }
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

/// The rows of a tree of `size` leaves: entries, then the levels that hold a hash.
pub fn rows(size: u64) -> impl Iterator<Item = Row> {
    let levels = (0..8).map(Row::Level).take_while(move |row| row.width_of(size) > 0);
    std::iter::once(Row::Entries).filter(move |_| size > 0).chain(levels)
}

/// The tiles and bundles that a tree of `new` leaves has and one of `old` leaves had not.
pub fn added(old: u64, new: u64) -> Vec<Tile> {
    let mut tiles = Vec::new();
    for row in rows(new) {
        let (before, after) = (row.width_of(old), row.width_of(new));
        if before == after {
            continue;
        }
        let last = after.saturating_sub(1) / FULL;
        tiles.extend((before / FULL..=last).filter_map(|index| Tile::of_size(row, index, new)));
    }
    tiles
}

/// The partial tiles at the right edge of a tree of `size` leaves, lowest level first; a level
/// whose last tile is full has none.
pub fn edge(size: u64) -> Vec<Option<Tile>> {
    let at_level = |row: Row| {
        let width = row.width_of(size);
        Tile::of_size(row, width / FULL, size)
    };
    (0..8).map(Row::Level).take_while(|row| row.width_of(size) > 0).map(at_level).collect()
}

/// The root over the hashes at the right edge, lowest level first: each level's whole subtrees,
/// then what is left over from the levels below.
pub fn edge_root<'a>(levels: impl IntoIterator<Item = &'a [Hash]>) -> Hash {
    let mut rest: Option<Hash> = None;
    for level in levels {
        let mut hashes = level.to_vec();
        hashes.extend(rest);
        rest = (!hashes.is_empty()).then(|| root_of_hashes(&hashes));
    }
    rest.unwrap_or_else(|| root_of_hashes(&[]))
}

/// What is wrong with a tile's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A tile's bytes are not as many hashes as its name says.
    #[error("it does not hold the {0} hashes of its name")]
    Width(u16),
    /// A bundle's bytes are not as many entries as its name says.
    #[error("it does not hold the {0} entries of its name")]
    Bundle(u16),
    /// An entry is too long for a bundle.
    #[error("an entry of {0} bytes is longer than 65,535")]
    TooLong(usize),
}

/// The bytes of a tile.
pub fn encode_hashes(hashes: &[Hash]) -> Bytes {
    let mut bytes = Vec::with_capacity(hashes.len().saturating_mul(32));
    for hash in hashes {
        bytes.extend_from_slice(&hash.0);
    }
    bytes.into()
}

/// Reads a tile's bytes.
pub fn decode_hashes(bytes: &[u8], width: u16) -> Result<Vec<Hash>, Error> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() || hashes.len() != usize::from(width) {
        return Err(Error::Width(width));
    }
    Ok(hashes.iter().copied().map(Sha256).collect())
}

/// Adds an entry to a bundle's bytes.
pub fn encode_entry(entry: &[u8], bundle: &mut Vec<u8>) -> Result<(), Error> {
    let length = u16::try_from(entry.len()).map_err(|_| Error::TooLong(entry.len()))?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// Reads a bundle's bytes.
pub fn decode_bundle(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, Error> {
    let mut entries = Vec::with_capacity(usize::from(width).min(TILE_WIDTH));
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, after) = after.split_at_checked(length).ok_or(Error::Bundle(width))?;
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() && count(entries.len()) == u64::from(width) {
        Ok(entries)
    } else {
        Err(Error::Bundle(width))
    }
}

/// Reads a tile or bundle object; where a partial one is gone, the full one's start takes its
/// place. The bytes are as the store gave them: the caller authenticates them.
pub(super) fn fetch(zone: &Store, tile: Tile) -> store::Result<Option<Bytes>> {
    if let Some(bytes) = zone.find(&tile.path())? {
        return Ok(Some(bytes));
    }
    if tile.is_full() {
        return Ok(None);
    }
    let Some(full) = zone.find(&tile.full().path())? else { return Ok(None) };
    let end = match tile.row {
        Row::Level(_) => usize::from(tile.width).saturating_mul(32).min(full.len()),
        Row::Entries => match decode_bundle(&full, 256) {
            Ok(entries) => entries
                .iter()
                .take(usize::from(tile.width))
                .map(|entry| entry.len().saturating_add(2))
                .sum(),
            Err(_) => full.len(),
        },
    };
    Ok(Some(full.slice(..end)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn paths(size: u64) -> Vec<String> {
        added(0, size).into_iter().map(Tile::path).collect()
    }

    #[test]
    fn paths_are_those_of_the_standard() {
        let path = |index| Tile { row: Row::Level(0), index, width: 256 }.path();
        assert_eq!(path(0), "tile/0/000");
        assert_eq!(path(999), "tile/0/999");
        assert_eq!(path(1000), "tile/0/x001/000");
        assert_eq!(path(1_234_067), "tile/0/x001/x234/067");
        assert_eq!(
            Tile { row: Row::Entries, index: 273, width: 112 }.path(),
            "tile/entries/273.p/112"
        );
    }

    #[test]
    fn seventy_thousand_entries_lie_in_exactly_the_published_tiles() {
        let paths = paths(70_000);
        let of = |row: &str| -> Vec<&String> {
            paths.iter().filter(|path| path.starts_with(row)).collect()
        };
        assert_eq!(of("tile/0/").len(), 274);
        assert_eq!(of("tile/0/").last().unwrap().as_str(), "tile/0/273.p/112");
        assert_eq!(of("tile/0/")[272], "tile/0/272");
        assert_eq!(of("tile/1/"), ["tile/1/000", "tile/1/001.p/17"]);
        assert_eq!(of("tile/2/"), ["tile/2/000.p/1"]);
        assert!(of("tile/3/").is_empty());
        assert_eq!(of("tile/entries/").len(), 274);
        assert_eq!(of("tile/entries/").last().unwrap().as_str(), "tile/entries/273.p/112");
    }

    #[test]
    fn a_size_of_256_has_a_full_tile_and_one_hash_above_it() {
        assert_eq!(paths(256), ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
        assert_eq!(paths(255), ["tile/entries/000.p/255", "tile/0/000.p/255"]);
        assert!(paths(0).is_empty());
        let more: Vec<_> = added(255, 257).into_iter().map(Tile::path).collect();
        assert_eq!(
            more,
            [
                "tile/entries/000",
                "tile/entries/001.p/1",
                "tile/0/000",
                "tile/0/001.p/1",
                "tile/1/000.p/1",
            ]
        );
    }

    #[test]
    fn a_bundle_reads_back_and_a_short_or_long_one_does_not() {
        let mut bytes = Vec::new();
        for entry in ["entry-0", "entry-1"] {
            encode_entry(entry.as_bytes(), &mut bytes).unwrap();
        }
        assert_eq!(bytes, b"\x00\x07entry-0\x00\x07entry-1");
        assert_eq!(decode_bundle(&bytes, 2).unwrap(), [b"entry-0", b"entry-1"]);
        assert_eq!(decode_bundle(&bytes, 1), Err(Error::Bundle(1)));
        assert_eq!(decode_bundle(&bytes, 3), Err(Error::Bundle(3)));
        assert_eq!(decode_bundle(&bytes[..bytes.len() - 1], 2), Err(Error::Bundle(2)));
        assert_eq!(decode_bundle(&[&bytes[..], b"\0"].concat(), 2), Err(Error::Bundle(2)));
        assert_eq!(encode_entry(&vec![0; 65_536], &mut bytes), Err(Error::TooLong(65_536)));
    }

    #[test]
    fn only_paths_that_we_write_are_read() {
        for path in [
            "tile/0/0",
            "tile/00/000",
            "tile/0/x000/001",
            "tile/0/1000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/entries/-01",
            "tile/0/x001/x1/067",
            "tile/0/",
            "checkpoint",
        ] {
            assert_eq!(Tile::parse(path), None, "{path}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_path_reads_back_as_its_tile(
            level in prop::option::of(0_u8..64), index in 0_u64..1 << 50, width in 1_u16..=256,
        ) {
            let tile = Tile { row: level.map_or(Row::Entries, Row::Level), index, width };
            prop_assert_eq!(Tile::parse(&tile.path()), Some(tile));
        }

        #[test]
        fn growing_in_steps_ends_in_the_tiles_of_the_last_size(
            a in 0_u64..70_000, b in 0_u64..70_000,
        ) {
            let (old, new) = (a.min(b), a.max(b));
            let mut both: Vec<_> = added(0, old).into_iter().chain(added(old, new)).collect();
            both.sort_unstable();
            let duplicates = both.windows(2).any(|pair| pair[0] == pair[1]);
            prop_assert!(!duplicates, "a tile would be written twice");
            for tile in added(0, new) {
                prop_assert!(both.binary_search(&tile).is_ok(), "{} is missing", tile);
            }
        }
    }
}
