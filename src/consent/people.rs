//! Everyone the register knows, sorted, each with the key of their commitments; and who is who by
//! one hash look-up without an allocation.
//!
//! Never: a key or an id in debug output, or an order that depends on the hash.

use std::{fmt, hash::BuildHasher as _};

use foldhash::fast::FixedState;
use zeroize::Zeroizing;

use super::Error;
use crate::party::ContributorId;

/// Everyone the register knows. An index is a position in the sorted list of ids.
pub struct People {
    ids: Vec<ContributorId>,
    keys: Zeroizing<Vec<[u8; 32]>>,
    // Open addressing over a power of two of slots, at most half of them taken: the upper half of
    // a slot is the upper half of the hash, the lower half the index plus one; 0 is free.
    slots: Vec<u64>,
    state: FixedState,
}

impl fmt::Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("People").field("count", &self.ids.len()).finish_non_exhaustive()
    }
}

const TAG: u64 = 0xffff_ffff_0000_0000;

impl People {
    /// Sorts people by id. Where an id comes twice, which no register holds, the first key stays.
    pub(super) fn new(mut people: Vec<(ContributorId, [u8; 32])>) -> Result<Self, Error> {
        people.sort_by(|(a, _), (b, _)| a.cmp(b));
        people.dedup_by(|(a, _), (b, _)| a == b);
        let (ids, keys): (Vec<_>, Vec<_>) = people.into_iter().unzip();
        if u32::try_from(ids.len()).is_err() {
            return Err(Error::TooMany);
        }
        let mut slots = vec![0; (ids.len() * 2).next_power_of_two().max(2)];
        let state = FixedState::with_seed(0x616c_6d6f_6e65_7221);
        for (id, index) in ids.iter().zip(1_u64..) {
            let hash = state.hash_one(id.as_str());
            let mut at = slot(hash, slots.len());
            while let Some(place) = slots.get_mut(at) {
                if *place == 0 {
                    *place = (hash & TAG) | index;
                    break;
                }
                at = (at + 1) & (slots.len() - 1);
            }
        }
        Ok(Self { ids, keys: Zeroizing::new(keys), slots, state })
    }

    /// Returns the ids, sorted.
    pub fn ids(&self) -> &[ContributorId] {
        &self.ids
    }

    /// Returns the index of an id.
    pub fn index(&self, id: &str) -> Option<u32> {
        let hash = self.hash(id);
        self.search(hash, self.candidate(hash), id)
    }

    /// Returns an id's hash, for [`People::candidate`] and [`People::search`]: looking up many ids
    /// in three sweeps lets the processor wait for many places of memory at once.
    #[inline]
    pub(super) fn hash(&self, id: &str) -> u64 {
        self.state.hash_one(id)
    }

    /// Returns the slot that a hash leads to first.
    #[inline]
    pub(super) fn candidate(&self, hash: u64) -> u64 {
        self.slots.get(slot(hash, self.slots.len())).copied().unwrap_or(0)
    }

    /// Finishes the look-up of an id from what its first slot holds.
    #[inline]
    pub(super) fn search(&self, hash: u64, candidate: u64, id: &str) -> Option<u32> {
        let mut at = slot(hash, self.slots.len());
        let mut place = candidate;
        while place != 0 {
            if (place ^ hash) & TAG == 0 {
                let index = u32::try_from(place & !TAG).ok()?.checked_sub(1)?;
                let own = self.ids.get(usize::try_from(index).ok()?);
                if own.is_some_and(|own| own.as_str() == id) {
                    return Some(index);
                }
            }
            at = (at + 1) & (self.slots.len() - 1);
            place = *self.slots.get(at)?;
        }
        None
    }

    /// Returns the key of a person's commitments, `K_c`.
    pub fn key(&self, index: u32) -> Option<&[u8; 32]> {
        self.keys.get(usize::try_from(index).ok()?)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "only the bits below the mask are kept")]
fn slot(hash: u64, slots: usize) -> usize {
    hash as usize & (slots - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_is_found_under_their_own_index_and_nobody_else_is() {
        let id = |n: u32| ContributorId::parse(&format!("person-{n}")).unwrap();
        let people = People::new((0..5000).rev().map(|n| (id(n), [1; 32])).collect()).unwrap();
        assert!(people.ids().is_sorted());
        for (at, own) in people.ids().iter().enumerate() {
            assert_eq!(people.index(own.as_str()), Some(u32::try_from(at).unwrap()));
        }
        for n in 5000..10_000 {
            assert_eq!(people.index(id(n).as_str()), None, "a stranger would pass as somebody");
        }
        assert_eq!(People::new(Vec::new()).unwrap().index("x"), None);
    }

    #[test]
    fn debug_output_names_nobody() {
        let people = People::new(vec![(ContributorId::parse("jane").unwrap(), [7; 32])]).unwrap();
        assert_eq!(format!("{people:?}"), "People { count: 1, .. }");
    }
}
