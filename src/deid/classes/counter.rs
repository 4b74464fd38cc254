//! Counts the people of each class as batches come by.
//!
//! Comes in: batches of one table, in any order. Goes out: [`Classes`].
//! Never: memory by rows; pairs of class and person are kept once.

use super::{Classes, Lookup};
use crate::deid::DeidentifiedBatch;

/// How many new pairs are taken before they are sorted and what is there twice goes.
const PENDING: usize = 1 << 20;

/// Counts the people of each class of one table's batches.
#[derive(Debug, Clone, Default)]
pub struct ClassCounter {
    places: Lookup<u128>,
    keys: Vec<u128>,
    rows: Vec<u64>,
    /// Class in the high half, person in the low one.
    pairs: Vec<u64>,
    settled: usize,
}

impl ClassCounter {
    /// Counts a batch; one of a table without quasi-identifiers has nothing to count.
    pub fn add(&mut self, batch: &DeidentifiedBatch) {
        if let Some(classes) = &batch.classes {
            self.add_rows(&classes.keys, &classes.codes, &batch.people);
        }
    }

    pub(in crate::deid) fn add_rows(&mut self, keys: &[u128], codes: &[u32], people: &[u32]) {
        let places: Vec<u32> = keys.iter().map(|key| self.place(*key)).collect();
        let at = |code: u32| usize::try_from(code).ok();
        let mut last = None;
        for (code, person) in codes.iter().zip(people) {
            let Some(place) = at(*code).and_then(|code| places.get(code)).copied() else {
                continue;
            };
            if let Some(rows) = at(place).and_then(|place| self.rows.get_mut(place)) {
                *rows += 1;
            }
            let pair = u64::from(place) << 32 | u64::from(*person);
            if last != Some(pair) {
                self.pairs.push(pair);
                last = Some(pair);
            }
        }
        if self.pairs.len() - self.settled > PENDING.max(self.settled) {
            self.settle();
        }
    }

    /// Returns what was counted.
    pub fn finish(mut self) -> Classes {
        self.settle();
        let mut by_key: Vec<(u128, u32)> =
            self.places.iter().map(|(key, place)| (*key, *place)).collect();
        by_key.sort_unstable();
        let mut out = Classes::default();
        out.people.reserve(self.pairs.len());
        for (key, place) in by_key {
            let first = u64::from(place) << 32;
            let start = self.pairs.partition_point(|pair| *pair < first);
            let people = self.pairs.get(start..).unwrap_or_default().iter();
            let people = people.take_while(|pair| *pair >> 32 == u64::from(place));
            let rows = usize::try_from(place).ok().and_then(|place| self.rows.get(place));
            // The low half is the person.
            let people = people.map(|pair| u32::try_from(pair & u64::from(u32::MAX)).unwrap_or(0));
            out.push(key, rows.copied().unwrap_or(0), people);
        }
        out
    }

    fn place(&mut self, key: u128) -> u32 {
        let next = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        let place = *self.places.entry(key).or_insert(next);
        if place == next {
            self.keys.push(key);
            self.rows.push(0);
        }
        place
    }

    fn settle(&mut self) {
        self.pairs.sort_unstable();
        self.pairs.dedup();
        self.settled = self.pairs.len();
    }
}
