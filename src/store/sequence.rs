//! Numbered commits: number n + 1 is made once, by one writer, on every store.
//!
//! A body holds an id of its transaction, so a writer that finds its number taken reads the body
//! back: its own bytes mean that its earlier attempt succeeded, others mean a conflict.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{Created, Result, Store};

/// Whether a commit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Committed {
    /// It stands, by this call or by an earlier attempt with the same bytes.
    Done,
    /// Another writer holds the number; nothing was written.
    Conflict,
}

/// A folder of numbered commits, `000000000001.json` onwards.
#[derive(Debug, Clone)]
pub struct Sequence {
    store: Store,
}

impl Sequence {
    /// Names the sequence below `prefix` of a store.
    pub fn new(store: &Store, prefix: &str) -> Self {
        Self { store: store.zone(prefix) }
    }

    fn name(number: u64) -> String {
        format!("{number:012}.json")
    }

    /// Returns the numbers of all commits, ascending. The first is 1.
    ///
    /// A listing may be of a while ago, so what it lacks between and after its numbers is asked for.
    pub fn numbers(&self) -> Result<Vec<u64>> {
        let listed: BTreeSet<u64> = self
            .store
            .list("")?
            .iter()
            .filter_map(|object| object.path.strip_suffix(".json"))
            .filter(|stem| stem.len() == 12)
            .filter_map(|stem| stem.parse().ok())
            .collect();
        let mut numbers = Vec::with_capacity(listed.len());
        let mut next = 1_u64;
        for listed in listed {
            next = self.unlisted(next, listed, &mut numbers)?.max(listed);
            numbers.push(listed);
            next = next.saturating_add(1);
        }
        self.unlisted(next, u64::MAX, &mut numbers)?;
        Ok(numbers)
    }

    /// Adds the commits from `next` on, below `end`, as far as there are any; returns where they end.
    fn unlisted(&self, mut next: u64, end: u64, numbers: &mut Vec<u64>) -> Result<u64> {
        while next < end && self.store.find(&Self::name(next))?.is_some() {
            numbers.push(next);
            next = next.saturating_add(1);
        }
        Ok(next)
    }

    /// Returns the newest commit, if there is any.
    pub fn latest(&self) -> Result<Option<(u64, Bytes)>> {
        match self.numbers()?.last() {
            Some(&number) => Ok(Some((number, self.read(number)?))),
            None => Ok(None),
        }
    }

    /// Reads one commit.
    pub fn read(&self, number: u64) -> Result<Bytes> {
        self.store.get(&Self::name(number))
    }

    /// Reads all commits, ascending.
    pub fn all(&self) -> Result<Vec<(u64, Bytes)>> {
        self.numbers()?.into_iter().map(|n| Ok((n, self.read(n)?))).collect()
    }

    /// Makes commit `number`, durably and atomically.
    pub fn commit(&self, number: u64, body: &Bytes) -> Result<Committed> {
        let name = Self::name(number);
        match self.store.create(&name, body.clone())? {
            Created::New => Ok(Committed::Done),
            Created::Exists if self.store.get(&name)? == *body => Ok(Committed::Done),
            Created::Exists => Ok(Committed::Conflict),
        }
    }
}
