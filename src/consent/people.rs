//! Everyone the register knows, sorted, each with the key of their commitments; and who is who by
//! one hash look-up without an allocation.
//!
//! Never: a key or an id in debug output, or an order that depends on the hash.

use std::fmt;

use zeroize::Zeroizing;

use super::Error;
use crate::party::{ContributorId, Lookup};

/// Everyone the register knows. An index is a position in the sorted list of ids.
pub struct People {
    ids: Vec<ContributorId>,
    keys: Zeroizing<Vec<[u8; 32]>>,
    lookup: Lookup,
}

impl fmt::Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("People").field("count", &self.ids.len()).finish_non_exhaustive()
    }
}

impl People {
    /// Sorts people by id. Where an id comes twice, which no register holds, the first key stays.
    pub(super) fn new(mut people: Vec<(ContributorId, [u8; 32])>) -> Result<Self, Error> {
        people.sort_by(|(a, _), (b, _)| a.cmp(b));
        people.dedup_by(|(a, _), (b, _)| a == b);
        let (ids, keys): (Vec<_>, Vec<_>) = people.into_iter().unzip();
        if u32::try_from(ids.len()).is_err() {
            return Err(Error::TooMany);
        }
        let lookup = Lookup::new(ids.iter().map(ContributorId::as_str));
        Ok(Self { ids, keys: Zeroizing::new(keys), lookup })
    }

    /// Returns the ids, sorted.
    pub fn ids(&self) -> &[ContributorId] {
        &self.ids
    }

    /// Returns the index of an id.
    pub fn index(&self, id: &str) -> Option<u32> {
        self.lookup.find(id, |at| self.ids.get(at).map(ContributorId::as_str))
    }

    /// Returns what [`People::index`] looks up in; its positions are those of [`People::ids`].
    pub(super) fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    /// Returns the key of a person's commitments, `K_c`.
    pub fn key(&self, index: u32) -> Option<&[u8; 32]> {
        self.keys.get(usize::try_from(index).ok()?)
    }
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
