//! Longitudinal tables: whoever knows a person's own class and m of their events must not find fewer
//! than k people.
//!
//! Comes in: for each row of each table with quasi-identifiers its person and its class. Goes out:
//! the rows that must be held back, so that of the rest every such knowledge finds k people or none.
//! Never: a row held back twice, or a person told from fewer than k by what is left.
//!
//! A table whose key is the person tells a person's *own class*; every other table tells *events*, an
//! event being a class, however many rows a person has in it. Knowledge is all own classes of a person
//! together (one seen at two institutions may have two), and up to m events (k^m-anonymity, Terrovitis et al. 2008, with what is
//! known of the person besides). An event that breaks it is taken from the people who are too few:
//! of the known events the one that costs fewest rows.

mod group;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::{
    DeidentifiedBatch, TablePlan,
    classes::{HELD, Lookup},
};

/// So many combinations of events are looked at in one run.
const COMBINATIONS_MAX: u64 = 400_000_000;

/// More combinations of events than can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{known} known events of people with up to {events} distinct ones are more combinations than can \
     be looked at"
)]
pub struct TooMany {
    /// How many events are known.
    pub known: u32,
    /// The most distinct events of one person.
    pub events: u64,
}

/// The rows of one table as whoever knows events sees them.
#[derive(Debug, Clone)]
pub struct Rows {
    is_own: bool,
    places: Lookup<u128>,
    classes: Vec<u32>,
    people: Vec<u32>,
}

/// The code of a class that nobody is shown anyway.
const GONE: u32 = u32::MAX;

impl Rows {
    /// Begins with no row of a table.
    pub fn new(plan: &TablePlan) -> Self {
        Self::of(plan.is_of_people())
    }

    fn of(is_own: bool) -> Self {
        Self { is_own, places: Lookup::default(), classes: Vec::new(), people: Vec::new() }
    }

    /// Adds the next rows of the table; those of a table without quasi-identifiers tell nothing.
    pub fn add(&mut self, batch: &DeidentifiedBatch) {
        let Some(found) = &batch.classes else { return };
        let places: Vec<u32> = found.keys.iter().map(|key| self.place(*key)).collect();
        let place = |code: &u32| usize::try_from(*code).ok().and_then(|code| places.get(code));
        self.classes.extend(found.codes.iter().map(|code| place(code).copied().unwrap_or(GONE)));
        self.people.extend_from_slice(&batch.people);
    }

    fn place(&mut self, key: u128) -> u32 {
        if key == HELD {
            return GONE;
        }
        let next = u32::try_from(self.places.len()).unwrap_or(GONE);
        *self.places.entry(key).or_insert(next)
    }

    /// Each row's person and class; rows that are gone are not among them.
    fn seen(&self) -> impl Iterator<Item = (u32, u32)> {
        let rows = self.people.iter().zip(&self.classes);
        rows.filter(|(_, class)| **class != GONE).map(|(person, class)| (*person, *class))
    }
}

/// An event or an own class: the place of its table, and its class there.
type Item = (usize, u32);

/// Finds the rows that must be held back, by table; `k` people are the fewest that may be found, and
/// `known` events the most that anybody knows.
pub fn hold(tables: &[Rows], k: u32, known: u32) -> Result<Vec<Vec<bool>>, TooMany> {
    let k = usize::try_from(k).unwrap_or(usize::MAX);
    let mut events: BTreeMap<u32, BTreeMap<Item, u64>> = BTreeMap::new();
    let mut own: BTreeMap<u32, BTreeSet<Item>> = BTreeMap::new();
    for (at, table) in tables.iter().enumerate() {
        let small = small(table, k);
        for (person, class) in table.seen().filter(|(_, class)| !small.contains(class)) {
            if table.is_own {
                own.entry(person).or_default().insert((at, class));
            } else {
                *events.entry(person).or_default().entry((at, class)).or_default() += 1;
            }
        }
    }
    let told = own.clone();
    agree(&mut own, k);
    let mut groups: BTreeMap<Vec<Item>, Vec<group::Person>> = BTreeMap::new();
    for (person, events) in &events {
        let class = own.get(person).into_iter().flatten().copied();
        groups.entry(class.collect()).or_default().push(group::Person::new(*person, events));
    }
    afford(groups.values().flatten(), known)?;
    let alone: BTreeMap<Vec<Item>, usize> = sizes(&own);
    let taken: Vec<(u32, Item)> = groups
        .into_par_iter()
        .flat_map_iter(|(class, people)| {
            // Whoever has no event is in the class as well.
            let size = alone.get(&class).copied().unwrap_or(0).max(people.len());
            group::take(people, size, k, known)
        })
        .collect();
    let mut gone: BTreeSet<(u32, Item)> = taken.into_iter().collect();
    for (person, told) in told {
        let left = own.get(&person);
        let lost = told.into_iter().filter(|item| left.is_none_or(|own| !own.contains(item)));
        gone.extend(lost.map(|item| (person, item)));
    }
    let marked = |(at, table): (usize, &Rows)| {
        let rows = table.people.iter().zip(&table.classes);
        rows.map(|(person, class)| gone.contains(&(*person, (at, *class)))).collect()
    };
    Ok(tables.iter().enumerate().map(marked).collect())
}

/// The classes of a table with fewer than `k` people: their rows are suppressed anyway.
fn small(table: &Rows, k: usize) -> BTreeSet<u32> {
    let mut pairs: Vec<(u32, u32)> = table.seen().map(|(person, class)| (class, person)).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let classes = pairs.chunk_by(|(one, _), (two, _)| one == two);
    let small = classes.filter(|people| people.len() < k);
    small.filter_map(|people| people.first()).map(|(class, _)| *class).collect()
}

/// Takes own classes away, the last table's first, until those of each person together are shared
/// by `k` people, as each of them is alone.
fn agree(own: &mut BTreeMap<u32, BTreeSet<Item>>, k: usize) {
    loop {
        let groups = sizes(own);
        let mut alone: BTreeMap<Item, usize> = BTreeMap::new();
        for item in own.values().flatten() {
            *alone.entry(*item).or_default() += 1;
        }
        let mut is_done = true;
        for classes in own.values_mut().filter(|classes| !classes.is_empty()) {
            let tuple: Vec<Item> = classes.iter().copied().collect();
            let before = classes.len();
            classes.retain(|item| alone.get(item).is_none_or(|people| *people >= k));
            let is_few = groups.get(&tuple).is_none_or(|size| *size < k);
            if is_few && classes.len() == before {
                classes.pop_last();
            }
            is_done &= classes.len() == before;
        }
        if is_done {
            return;
        }
    }
}

fn sizes(own: &BTreeMap<u32, BTreeSet<Item>>) -> BTreeMap<Vec<Item>, usize> {
    let mut sizes = BTreeMap::new();
    for classes in own.values() {
        *sizes.entry(classes.iter().copied().collect()).or_default() += 1;
    }
    sizes
}

/// Refuses more combinations than can be looked at.
fn afford<'p>(people: impl Iterator<Item = &'p group::Person>, known: u32) -> Result<(), TooMany> {
    let (mut all, mut most) = (0_u64, 0);
    for person in people {
        let events = person.count();
        most = most.max(events);
        let mut ways = 1_u64;
        for at in 0..u64::from(known).min(events) {
            ways = ways.saturating_mul(events - at) / (at + 1);
        }
        all = all.saturating_add(ways);
    }
    if all > COMBINATIONS_MAX { Err(TooMany { known, events: most }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A table of events as (person, class) pairs, one a row.
    fn rows(pairs: &[(u32, u32)]) -> Rows {
        table(false, pairs)
    }

    /// A table of people's own classes.
    fn own(pairs: &[(u32, u32)]) -> Rows {
        table(true, pairs)
    }

    fn table(is_own: bool, pairs: &[(u32, u32)]) -> Rows {
        let mut rows = Rows::of(is_own);
        for (person, class) in pairs {
            let place = rows.place(u128::from(*class) + 1);
            rows.classes.push(place);
            rows.people.push(*person);
        }
        rows
    }

    /// What is left of a table: neither held back nor in a class of fewer than `k` people.
    fn left(table: &Rows, held: &[bool], k: usize) -> Vec<(u32, u32)> {
        let small = small(table, k);
        let rows = table.people.iter().zip(&table.classes).zip(held);
        let rows = rows.filter(|((_, class), held)| !**held && !small.contains(class));
        rows.map(|((person, class), _)| (*person, *class)).collect()
    }

    /// Every set of up to `known` of some events, the empty one apart.
    fn sets(events: &[Item], known: usize) -> Vec<Vec<Item>> {
        let mut all: Vec<Vec<Item>> = vec![Vec::new()];
        for event in events {
            let more: Vec<Vec<Item>> = all
                .iter()
                .filter(|set| set.len() < known)
                .map(|set| set.iter().copied().chain([*event]).collect())
                .collect();
            all.extend(more);
        }
        all.into_iter().filter(|set| !set.is_empty()).collect()
    }

    /// The least number of people that any knowledge finds; none where nobody is left.
    fn least(tables: &[Rows], held: &[Vec<bool>], k: usize, known: usize) -> Option<usize> {
        let mut own: BTreeMap<u32, BTreeSet<Item>> = BTreeMap::new();
        let mut events: BTreeMap<u32, BTreeSet<Item>> = BTreeMap::new();
        for (at, (table, held)) in tables.iter().zip(held).enumerate() {
            for (person, class) in left(table, held, k) {
                if table.is_own {
                    own.entry(person).or_default().insert((at, class));
                } else {
                    events.entry(person).or_default().insert((at, class));
                }
            }
        }
        let mut found: BTreeMap<(BTreeSet<Item>, Vec<Item>), usize> = BTreeMap::new();
        for (person, events) in &events {
            let class = own.get(person).cloned().unwrap_or_default();
            let events: Vec<Item> = events.iter().copied().collect();
            for set in sets(&events, known) {
                *found.entry((class.clone(), set)).or_default() += 1;
            }
        }
        for class in own.values() {
            *found.entry((class.clone(), Vec::new())).or_default() += 1;
        }
        found.into_values().min()
    }

    #[test]
    fn two_events_that_only_one_person_has_together_lose_the_rarer_one() {
        // Everybody of 1 to 3 has event 1, everybody of 3 to 5 event 2: only 3 has both.
        let table = rows(&[(1, 1), (1, 1), (2, 1), (3, 1), (3, 1), (3, 2), (4, 2), (5, 2), (5, 2)]);
        let alone = hold(std::slice::from_ref(&table), 2, 1).unwrap();
        assert!(!alone[0].contains(&true), "each event by itself has people enough");
        let both = hold(std::slice::from_ref(&table), 2, 2).unwrap();
        let at: Vec<usize> = (0..9).filter(|row| both[0][*row]).collect();
        assert_eq!(at, [5], "not the one row by which person 3 is told was held back");
    }

    #[test]
    fn a_common_event_is_held_where_it_is_rare_in_the_persons_own_class() {
        let people = own(&[(1, 1), (2, 1), (3, 2), (4, 2)]);
        let visits = rows(&[(1, 7), (2, 7), (3, 7), (3, 7), (4, 8), (4, 8), (1, 8), (2, 8)]);
        let held = hold(&[people, visits], 2, 1).unwrap();
        assert!(!held[0].contains(&true), "an own class of two people was held back");
        assert_eq!(
            held[1],
            [false, false, true, true, true, true, false, false],
            "whoever knows class 2 and an event finds one person"
        );
    }

    #[test]
    fn own_classes_that_are_only_rare_together_lose_the_last() {
        let one = own(&[(1, 1), (2, 1), (3, 2), (4, 2)]);
        let two = own(&[(1, 1), (2, 2), (3, 1), (4, 2)]);
        let held = hold(&[one, two], 2, 1).unwrap();
        assert_eq!(held, [vec![false; 4], vec![true; 4]]);
    }

    #[test]
    fn more_combinations_than_can_be_looked_at_are_refused() {
        let many: Vec<(u32, u32)> =
            (0..20).flat_map(|person| (0..200).map(move |class| (person, class))).collect();
        let error = hold(&[rows(&many)], 2, 5).unwrap_err();
        assert_eq!(error, TooMany { known: 5, events: 200 });
        assert!(hold(&[rows(&many)], 2, 1).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn no_knowledge_finds_fewer_than_k_people(
            one in prop::collection::vec((0_u32..24, 0_u32..3), 0..30),
            other in prop::collection::btree_map(0_u32..24, 0_u32..2, 0..24),
            visits in prop::collection::vec((0_u32..24, 0_u32..5), 0..90),
            drugs in prop::collection::vec((0_u32..24, 0_u32..5), 0..90),
            k in 2_u32..5, known in 1_u32..4,
        ) {
            let other: Vec<(u32, u32)> = other.into_iter().collect();
            let tables = [own(&one), own(&other), rows(&visits), rows(&drugs)];
            let held = hold(&tables, k, known).unwrap();
            let (k, known) = (k as usize, known as usize);
            let least = least(&tables, &held, k, known);
            prop_assert!(least.is_none_or(|n| n >= k), "{least:?} people are found");
            // Nothing is held where nothing had to be.
            let none: Vec<Vec<bool>> =
                tables.iter().map(|table| vec![false; table.people.len()]).collect();
            if super::tests::least(&tables, &none, k, known).is_none_or(|n| n >= k)
                && tables.iter().all(|table| small(table, k).is_empty())
            {
                prop_assert_eq!(held, none, "rows were held back for nothing");
            }
        }
    }
}
