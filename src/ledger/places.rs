//! Where each entry of a log stands, by its id.
//!
//! Comes in: the leaf hashes in order. Goes out: leaf indexes. Never: an entry that stands twice.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)
)]

use rayon::prelude::*;

use super::{entry::EntryId, tree::count};

/// Ids and leaf indexes, sorted by id: a list sorts and is searched faster than a tree of a million
/// is built.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Vec<(EntryId, u64)>);

/// Where entries stand or would stand.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// The leaf index of each, in order.
    pub(super) indexes: Vec<u64>,
    /// Which of them are new, by place in what was asked.
    pub(super) fresh: Vec<usize>,
}

impl Places {
    /// Takes up the ids of all leaves in order; of equal ones the first counts.
    pub(super) fn of(ids: Vec<EntryId>) -> Self {
        let mut places = Self::default();
        places.add(ids, 0);
        places.0.dedup_by_key(|(id, _)| *id);
        places
    }

    /// Adds the ids of leaves that follow each other from an index on.
    pub(super) fn add(&mut self, ids: Vec<EntryId>, first_index: u64) {
        self.0.extend(ids.into_iter().zip(first_index..));
        self.0.par_sort();
    }

    /// Returns the leaf index of an entry.
    pub(super) fn get(&self, id: &EntryId) -> Option<u64> {
        let at = self.0.binary_search_by(|(known, _)| known.cmp(id)).ok()?;
        self.0.get(at).map(|(_, index)| *index)
    }

    /// Says where entries stand, or would stand if those that are new, once each, were appended.
    pub(super) fn place(&self, ids: &[EntryId], size: u64) -> Placed {
        let mut indexes: Vec<u64> = Vec::with_capacity(ids.len());
        let mut fresh = Vec::new();
        for ((at, id), first) in ids.iter().enumerate().zip(first_places(ids)) {
            let stands = if first < at { indexes.get(first).copied() } else { self.get(id) };
            indexes.push(stands.unwrap_or_else(|| {
                fresh.push(at);
                size.saturating_add(count(fresh.len())).saturating_sub(1)
            }));
        }
        Placed { indexes, fresh }
    }
}

/// For each id the place of the first that is equal to it.
fn first_places(ids: &[EntryId]) -> Vec<usize> {
    let mut sorted: Vec<(&EntryId, usize)> = ids.iter().zip(0..).collect();
    sorted.par_sort_unstable();
    let mut firsts: Vec<usize> = (0..ids.len()).collect();
    for equal in sorted.chunk_by(|(a, _), (b, _)| a == b).filter(|equal| equal.len() > 1) {
        for (_, at) in equal {
            if let (Some(first), Some((_, place))) = (firsts.get_mut(*at), equal.first()) {
                *first = *place;
            }
        }
    }
    firsts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::digest::Sha256;

    proptest! {
        #[test]
        fn each_entry_is_placed_once_where_one_by_one_they_would_be(
            steps in prop::collection::vec(prop::collection::vec(0_u8..40, 0..30), 0..6),
        ) {
            let (mut places, mut log) = (Places::default(), Vec::new());
            for step in steps {
                let ids: Vec<EntryId> = step.iter().map(|n| Sha256([*n; 32])).collect();
                let placed = places.place(&ids, count(log.len()));
                let size = count(log.len());
                let mut expected = Vec::new();
                for id in &ids {
                    let at = log.iter().position(|known| known == id).unwrap_or(log.len());
                    if at == log.len() {
                        log.push(*id);
                    }
                    expected.push(count(at));
                }
                prop_assert_eq!(&placed.indexes, &expected);
                let fresh: Vec<EntryId> = placed.fresh.iter().map(|at| ids[*at]).collect();
                prop_assert_eq!(&fresh[..], &log[usize::try_from(size).unwrap()..]);
                places.add(fresh, size);
            }
            for (index, id) in (0_u64..).zip(&log) {
                prop_assert_eq!(places.get(id), Some(index));
                prop_assert_eq!(Places::of(log.clone()).get(id), Some(index));
            }
            prop_assert_eq!(places.get(&Sha256([99; 32])), None);
        }
    }

    #[test]
    fn of_equal_leaves_in_a_log_the_first_counts() {
        let [a, b] = [Sha256([1; 32]), Sha256([2; 32])];
        let places = Places::of(vec![b, a, b, a]);
        assert_eq!((places.get(&a), places.get(&b)), (Some(1), Some(0)));
        assert_eq!(places.place(&[a, b], 4), Placed { indexes: vec![1, 0], fresh: vec![] });
    }
}
