//! The right edge of the tree: its unfinished tiles and bundle, which is all that is needed to grow it.
//!
//! Comes in: entries and their leaf hashes. Goes out: the tiles and bundles that come to be.
//! Never: a full tile that is held back, or a partial one that is counted in the level above.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)
)]

use bytes::Bytes;
use rayon::prelude::*;

use super::{
    tile::{self, Row, Tile},
    tree::{Hash, TILE_WIDTH, count, root_of_hashes},
};

/// The unfinished tiles at the tree's right edge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Edge {
    /// The number of leaves.
    pub(super) size: u64,
    /// The hashes of each level's partial tile, lowest first.
    pub(super) levels: Vec<Vec<Hash>>,
    /// The bytes of the partial bundle.
    pub(super) bundle: Vec<u8>,
}

impl Edge {
    /// Returns the root over all leaves.
    pub(super) fn root(&self) -> Hash {
        tile::edge_root(self.levels.iter().map(Vec::as_slice))
    }

    /// Adds entries and returns the objects that come to be: full tiles and bundles, and the
    /// partial ones of the new size.
    pub(super) fn grow<T: AsRef<[u8]> + Sync>(
        &mut self,
        entries: &[T],
        hashes: &[Hash],
    ) -> Result<Vec<(Tile, Bytes)>, tile::Error> {
        let before = self.size;
        self.size = before.saturating_add(count(entries.len()));
        let mut objects = self.grow_bundles(before, entries)?;
        let mut added = hashes.to_vec();
        for level in 0.. {
            if added.is_empty() {
                break;
            }
            added = self.grow_level(before, level, &added, &mut objects);
        }
        Ok(objects)
    }

    fn grow_bundles<T: AsRef<[u8]> + Sync>(
        &mut self,
        before: u64,
        entries: &[T],
    ) -> Result<Vec<(Tile, Bytes)>, tile::Error> {
        // What the partial bundle has room for is written on to it.
        let held = self.levels.first().map_or(0, Vec::len);
        let room = TILE_WIDTH.saturating_sub(held).min(entries.len());
        let (first, rest) = entries.split_at(room);
        let started = std::mem::take(&mut self.bundle);
        let chunks: Vec<&[T]> = std::iter::once(first).chain(rest.chunks(TILE_WIDTH)).collect();
        let bundles = (0_usize..chunks.len()).into_par_iter().zip(&chunks).map(|(at, entries)| {
            let mut bundle = if at == 0 { started.clone() } else { Vec::new() };
            for entry in *entries {
                tile::encode_entry(entry.as_ref(), &mut bundle)?;
            }
            Ok(Bytes::from(bundle))
        });
        let bundles = bundles.collect::<Result<Vec<_>, _>>()?;
        let named = (before / 256..).zip(bundles).filter_map(|(index, bytes)| {
            Some((Tile::of_size(Row::Entries, index, self.size)?, bytes))
        });
        let objects: Vec<_> = named.collect();
        if let Some((_, bytes)) = objects.last().filter(|(tile, _)| !tile.is_full()) {
            self.bundle = bytes.to_vec();
        }
        Ok(objects)
    }

    /// Adds hashes to a level. Returns the roots of the tiles that became full, for the level above.
    fn grow_level(
        &mut self,
        before: u64,
        level: u8,
        added: &[Hash],
        objects: &mut Vec<(Tile, Bytes)>,
    ) -> Vec<Hash> {
        let at = usize::from(level);
        if self.levels.len() <= at {
            self.levels.resize(at.saturating_add(1), Vec::new());
        }
        let Some(edge) = self.levels.get_mut(at) else { return Vec::new() };
        edge.extend_from_slice(added);
        let row = Row::Level(level);
        let tiles = (row.width_of(before) / 256..).zip(edge.chunks(TILE_WIDTH));
        objects.extend(tiles.filter_map(|(index, hashes)| {
            Some((Tile::of_size(row, index, self.size)?, tile::encode_hashes(hashes)))
        }));
        let (full, partial) = edge.as_chunks::<TILE_WIDTH>();
        let roots = full.par_iter().map(|hashes| root_of_hashes(hashes)).collect();
        *edge = partial.to_vec();
        roots
    }
}
