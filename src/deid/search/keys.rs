//! A record's quasi-identifiers as one number, in which telling less is dropping bits.
//!
//! Comes in: the hierarchies and the leaves that rows hold. Goes out: a [`Layout`]: for each leaf its
//! bits, for each level of each column the mask that keeps what the level tells. Never: two leaves that
//! a level tells apart with the same bits under its mask, or two that it does not with different ones.

use super::{Error, Table};
use crate::deid::hierarchy::Hierarchy;

/// A number wide enough for all columns together.
pub(super) trait Key: Copy + Eq + Ord + Default + Send + Sync {
    /// How many bits it has.
    const BITS: u32;

    /// Returns the bits that both have.
    fn and(self, mask: Self) -> Self;

    /// Returns the bits that either has.
    fn or(self, other: Self) -> Self;

    /// Returns `field` at a place.
    fn place(field: u64, shift: u32) -> Self;

    /// Returns the field of `width` bits (at most 63) at a place.
    fn field(self, shift: u32, width: u32) -> u64;

    /// Returns bits, mixed in the highest ones, for dealing keys out cheaply.
    fn slice(self) -> u64;

    /// Returns well mixed bits, the same for equal keys.
    fn mix(self) -> u64;
}

const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
const MIX_HIGH: u64 = 0xD6E8_FEB8_6659_FD93;

#[inline(always)]
#[expect(clippy::inline_always, reason = "one multiplication in the innermost loop")]
#[expect(clippy::cast_possible_truncation, reason = "both halves of the product are wanted")]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

impl Key for u64 {
    const BITS: u32 = 64;

    #[inline]
    fn and(self, mask: Self) -> Self {
        self & mask
    }

    #[inline]
    fn or(self, other: Self) -> Self {
        self | other
    }

    fn place(field: u64, shift: u32) -> Self {
        field << shift
    }

    #[inline]
    fn field(self, shift: u32, width: u32) -> u64 {
        (self >> shift) & ((1 << width) - 1)
    }

    #[inline]
    fn slice(self) -> u64 {
        self.wrapping_mul(MIX)
    }

    #[inline]
    fn mix(self) -> u64 {
        fold(self ^ MIX_HIGH, MIX)
    }
}

impl Key for u128 {
    const BITS: u32 = 128;

    #[inline]
    fn and(self, mask: Self) -> Self {
        self & mask
    }

    #[inline]
    fn or(self, other: Self) -> Self {
        self | other
    }

    fn place(field: u64, shift: u32) -> Self {
        Self::from(field) << shift
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "masked to at most 63 bits")]
    fn field(self, shift: u32, width: u32) -> u64 {
        ((self >> shift) as u64) & ((1 << width) - 1)
    }

    #[inline]
    fn slice(self) -> u64 {
        self.mix()
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "both halves are mixed")]
    fn mix(self) -> u64 {
        fold(self as u64 ^ MIX_HIGH, MIX ^ fold((self >> 64) as u64 ^ MIX, MIX_HIGH))
    }
}

impl<const N: usize> Key for Wide<N> {
    const BITS: u32 = 64 * Self::WORDS;

    #[inline]
    fn and(self, mask: Self) -> Self {
        let mut words = self.0;
        words.iter_mut().zip(mask.0).for_each(|(word, mask)| *word &= mask);
        Self(words)
    }

    #[inline]
    fn or(self, other: Self) -> Self {
        let mut words = self.0;
        words.iter_mut().zip(other.0).for_each(|(word, other)| *word |= other);
        Self(words)
    }

    fn place(field: u64, shift: u32) -> Self {
        let mut words = [0; N];
        let (word, bit) = (shift / 64, shift % 64);
        for (place, slot) in (0..).zip(&mut words) {
            if place == word {
                *slot = field << bit;
            } else if place == word + 1 && bit > 0 {
                *slot = field >> (64 - bit);
            }
        }
        Self(words)
    }

    #[inline]
    fn field(self, shift: u32, width: u32) -> u64 {
        let (word, bit) = (shift / 64, shift % 64);
        let mut field = 0;
        for (place, slot) in (0..).zip(self.0) {
            if place == word {
                field |= slot >> bit;
            } else if place == word + 1 && bit > 0 {
                field |= slot << (64 - bit);
            }
        }
        field & ((1 << width) - 1)
    }

    #[inline]
    fn slice(self) -> u64 {
        self.mix()
    }

    #[inline]
    fn mix(self) -> u64 {
        self.0.iter().fold(MIX, |mixed, word| fold(mixed ^ word, MIX_HIGH).wrapping_add(MIX))
    }
}

/// A key of several words, for tables of very many columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wide<const N: usize>([u64; N]);

impl<const N: usize> Default for Wide<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Wide<N> {
    #[expect(clippy::cast_possible_truncation, reason = "a key has a handful of words")]
    #[expect(clippy::as_conversions, reason = "in a constant")]
    const WORDS: u32 = N as u32;
}

/// Where each column's bits lie.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    columns: Vec<Field>,
    bits: u32,
}

/// One column's bits: the top level's label first, then at each level which of its parent's children.
#[derive(Debug, Clone)]
struct Field {
    shift: u32,
    width: u32,
    /// For each level how many of the low bits it does not tell.
    untold: Vec<u32>,
    /// The bits of each leaf that a row holds.
    of_leaf: Vec<u64>,
    /// The leaves that rows hold, by their bits.
    sorted: Vec<(u64, u32)>,
    /// For each value of the upper bits (at most [`INDEX_BITS`]) where in `sorted` it begins.
    index: Vec<u32>,
}

/// How many bits a column may have.
const FIELD_BITS: u32 = 40;

/// How many of a field's bits are looked up at once.
const INDEX_BITS: u32 = 12;

impl Layout {
    /// Lays the columns of a table side by side.
    pub(super) fn of(table: &Table) -> Result<Self, Error> {
        let mut columns = Vec::with_capacity(table.quasi.len());
        let mut bits = 0;
        for quasi in &table.quasi {
            let field = Field::of(&quasi.hierarchy, &quasi.codes, bits)?;
            bits += field.width;
            columns.push(field);
        }
        Ok(Self { columns, bits })
    }

    /// Returns how many bits a key needs.
    pub(super) fn bits(&self) -> u32 {
        self.bits
    }

    /// Returns the key bits of each leaf of a column.
    pub(super) fn keys<K: Key>(&self, column: usize) -> Vec<K> {
        self.columns.get(column).map_or_else(Vec::new, |field| {
            field.of_leaf.iter().map(|bits| K::place(*bits, field.shift)).collect()
        })
    }

    /// Returns the mask that keeps what a node's levels tell.
    pub(super) fn mask<K: Key>(&self, levels: &[usize]) -> K {
        self.columns.iter().zip(levels).fold(K::default(), |mask, (field, level)| {
            let untold = field.untold.get(*level).copied().unwrap_or(field.width);
            let told = ((1u64 << field.width) - 1) & !((1u64 << untold) - 1);
            mask.or(K::place(told, field.shift))
        })
    }

    /// Returns a leaf of a column that stands under what a masked key tells of it.
    #[inline]
    pub(super) fn leaf<K: Key>(&self, column: usize, key: K) -> Option<u32> {
        self.columns.get(column)?.leaf(key)
    }
}

impl Field {
    fn of(hierarchy: &Hierarchy, codes: &[u32], shift: u32) -> Result<Self, Error> {
        let leaves = hierarchy.leaves();
        let mut held = vec![false; leaves];
        for code in codes {
            *held.get_mut(place(*code)).ok_or(Error::Codes)? = true;
        }
        let mut of_leaf = vec![0u64; leaves];
        let mut untold = vec![0u32; hierarchy.height()];
        let mut width = 0;
        // From the leaves up, so that the low bits are those told at level 0 alone.
        for depth in 0..hierarchy.height() {
            *untold.get_mut(depth).ok_or(Error::Codes)? = width;
            let level = hierarchy.level(depth).ok_or(Error::Codes)?;
            let above = hierarchy.level(depth + 1);
            let mut child: Vec<Option<u64>> = vec![None; level.labels.len()];
            let mut children = vec![0u64; above.map_or(1, |above| above.labels.len())];
            let mut most = 1;
            for (leaf, _) in held.iter().enumerate().filter(|(_, held)| **held) {
                let label = place(*level.of_leaf.get(leaf).ok_or(Error::Codes)?);
                let parent = above.map_or(Some(0), |above| above.of_leaf.get(leaf).copied());
                let taken =
                    children.get_mut(place(parent.ok_or(Error::Codes)?)).ok_or(Error::Codes)?;
                let child = child.get_mut(label).ok_or(Error::Codes)?.get_or_insert_with(|| {
                    *taken += 1;
                    *taken - 1
                });
                most = most.max(*taken);
                *of_leaf.get_mut(leaf).ok_or(Error::Codes)? |= *child << width;
            }
            width += most.next_power_of_two().trailing_zeros();
            if width > FIELD_BITS {
                return Err(Error::Wide { most: FIELD_BITS });
            }
        }
        let mut sorted: Vec<(u64, u32)> = (0..)
            .zip(of_leaf.iter().zip(&held))
            .filter(|(_, (_, held))| **held)
            .map(|(leaf, (bits, _))| (*bits, leaf))
            .collect();
        sorted.sort_unstable();
        let cut = width.saturating_sub(INDEX_BITS);
        let index = (0..1u64 << width.min(INDEX_BITS))
            .map(|upper| {
                u32::try_from(sorted.partition_point(|(bits, _)| bits >> cut < upper))
                    .map_err(|_| Error::Wide { most: FIELD_BITS })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { shift, width, untold, of_leaf, sorted, index })
    }

    #[inline]
    fn leaf<K: Key>(&self, key: K) -> Option<u32> {
        let bits = key.field(self.shift, self.width);
        let upper = bits >> self.width.saturating_sub(INDEX_BITS);
        let from = place(*self.index.get(usize::try_from(upper).ok()?)?);
        self.sorted.get(from..)?.iter().find(|(leaf, _)| *leaf >= bits).map(|(_, leaf)| *leaf)
    }
}

/// Returns a code as a place in a list.
#[inline]
pub(super) fn place(code: u32) -> usize {
    usize::try_from(code).unwrap_or(usize::MAX)
}
