//! Which of many texts one is, by one hash look-up without an allocation.
//!
//! Comes in: texts in a list of the caller's. Goes out: positions in that list.
//! Never: an order that depends on the hash, or a text of its own.

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;

/// Finds the position of a text in a list that the caller keeps and lends for each look-up.
pub struct Lookup {
    // Open addressing over a power of two of slots, at most half of them taken: the upper half of
    // a slot is the upper half of the hash, the lower half the position plus one; 0 is free.
    slots: Vec<u64>,
    state: FixedState,
}

const TAG: u64 = 0xffff_ffff_0000_0000;

impl std::fmt::Debug for Lookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lookup").field("slots", &self.slots.len()).finish_non_exhaustive()
    }
}

impl Lookup {
    /// Takes the texts of a list, in order, each once and fewer than 2^32 - 1 of them.
    pub fn new<'a>(texts: impl ExactSizeIterator<Item = &'a str>) -> Self {
        let mut slots = vec![0; (texts.len() * 2).next_power_of_two().max(2)];
        let state = FixedState::with_seed(0x616c_6d6f_6e65_7221);
        for (text, index) in texts.zip(1_u64..) {
            let hash = state.hash_one(text);
            let mut at = slot(hash, slots.len());
            while let Some(place) = slots.get_mut(at) {
                if *place == 0 {
                    *place = (hash & TAG) | index;
                    break;
                }
                at = (at + 1) & (slots.len() - 1);
            }
        }
        Self { slots, state }
    }

    /// Returns the position of a text; `own` lends the text at a position.
    pub fn find<'a>(&self, text: &str, own: impl Fn(usize) -> Option<&'a str>) -> Option<u32> {
        let hash = self.hash(text);
        self.search(hash, self.candidate(hash), text, own)
    }

    /// Returns a text's hash, for [`Lookup::candidate`] and [`Lookup::search`]: looking up many
    /// texts in three sweeps lets the processor wait for many places of memory at once.
    #[inline]
    pub fn hash(&self, text: &str) -> u64 {
        self.state.hash_one(text)
    }

    /// Returns the slot that a hash leads to first.
    #[inline]
    pub fn candidate(&self, hash: u64) -> u64 {
        self.slots.get(slot(hash, self.slots.len())).copied().unwrap_or(0)
    }

    /// Finishes the look-up of a text from what its first slot holds.
    #[inline]
    pub fn search<'a>(
        &self,
        hash: u64,
        candidate: u64,
        text: &str,
        own: impl Fn(usize) -> Option<&'a str>,
    ) -> Option<u32> {
        let mut at = slot(hash, self.slots.len());
        let mut place = candidate;
        while place != 0 {
            if (place ^ hash) & TAG == 0 {
                let index = u32::try_from(place & !TAG).ok()?.checked_sub(1)?;
                if own(usize::try_from(index).ok()?) == Some(text) {
                    return Some(index);
                }
            }
            at = (at + 1) & (self.slots.len() - 1);
            place = *self.slots.get(at)?;
        }
        None
    }
}

#[expect(clippy::cast_possible_truncation, reason = "only the bits below the mask are kept")]
fn slot(hash: u64, slots: usize) -> usize {
    hash as usize & (slots - 1)
}
