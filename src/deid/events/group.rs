//! The events of the people of one own class, and which of them must go.
//!
//! Comes in: people with their events. Goes out: pairs of person and event to take away. Never: the
//! order of the people, or of a map, in what is taken.

use std::collections::BTreeMap;

use super::Item;

/// A person of the group.
#[derive(Debug, Clone)]
pub(super) struct Person {
    id: u32,
    /// The events that are left, each with its rows.
    events: BTreeMap<Item, u64>,
}

impl Person {
    pub(super) fn new(id: u32, events: &BTreeMap<Item, u64>) -> Self {
        Self { id, events: events.clone() }
    }

    pub(super) fn count(&self) -> u64 {
        self.events.len() as u64
    }
}

/// Takes events until every `known` of them that somebody has are had by `k` people; `size` is how
/// many people share the own class.
pub(super) fn take(people: Vec<Person>, size: usize, k: usize, known: u32) -> Vec<(u32, Item)> {
    let mut group = Group { people, k, known, taken: Vec::new() };
    if size < k {
        let everybody: Vec<usize> = (0..group.people.len()).collect();
        for person in everybody {
            let own = group.people.get_mut(person).map(|one| std::mem::take(&mut one.events));
            let id = group.people.get(person).map_or(0, |one| one.id);
            group.taken.extend(own.into_iter().flatten().map(|(item, _)| (id, item)));
        }
        return group.taken;
    }
    loop {
        let before = group.taken.len();
        let everybody: Vec<usize> = (0..group.people.len()).collect();
        group.look(&mut Vec::new(), &everybody);
        if group.taken.len() == before {
            return group.taken;
        }
    }
}

struct Group {
    people: Vec<Person>,
    k: usize,
    known: u32,
    taken: Vec<(u32, Item)>,
}

impl Group {
    /// Looks at every event that some of `people`, who all have the events `had`, have beside them.
    fn look(&mut self, had: &mut Vec<Item>, people: &[usize]) {
        let last = had.last().copied();
        let mut found: Vec<(Item, usize)> = Vec::new();
        for at in people {
            let Some(person) = self.people.get(*at) else { continue };
            let beside = person.events.keys().filter(|item| last.is_none_or(|last| **item > last));
            found.extend(beside.map(|item| (*item, *at)));
        }
        found.sort_unstable();
        for people in found.chunk_by(|(one, _), (two, _)| one == two) {
            let Some((item, _)) = people.first() else { continue };
            had.push(*item);
            let people: Vec<usize> = people.iter().map(|(_, person)| *person).collect();
            if people.len() < self.k {
                self.part(had, &people);
            } else if had.len() < usize::try_from(self.known).unwrap_or(usize::MAX) {
                self.look(had, &people);
            }
            had.pop();
        }
    }

    /// Takes from `people` the one of their common events that costs fewest rows.
    fn part(&mut self, had: &[Item], people: &[usize]) {
        let rows = |item: &Item| -> u64 {
            let own = people.iter().filter_map(|at| self.people.get(*at)?.events.get(item));
            own.sum()
        };
        // Of equals the last: the events before it were found to be many, so more rest on them.
        let Some(least) = had.iter().rev().min_by_key(|item| rows(item)).copied() else { return };
        for at in people {
            let Some(person) = self.people.get_mut(*at) else { continue };
            if person.events.remove(&least).is_some() {
                self.taken.push((person.id, least));
            }
        }
    }
}
