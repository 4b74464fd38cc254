//! Small registers for the tests of this room: no store, no Parquet, the same path otherwise.

use std::sync::Arc;

use super::{
    Error, Register,
    batch::{contributors, events},
    event::{Action, Event, Terms},
};
use crate::{
    instant::{Date, Instant},
    party::{ContributorId, InstitutionId},
};

pub(super) fn instant(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

pub(super) fn date(text: &str) -> Date {
    text.parse().unwrap()
}

pub(super) fn institution(text: &str) -> InstitutionId {
    InstitutionId::parse(text).unwrap()
}

/// `person action purposes institutions categories from until decided`, `-` for nothing.
pub(super) fn event(line: &str) -> Event {
    let cells: Vec<&str> = line.split_whitespace().collect();
    let [person, action, purposes, institutions, categories, from, until, decided] = cells[..]
    else {
        panic!("eight cells are needed");
    };
    let day = |text: &str| (text != "-").then(|| date(text));
    Event::new(
        ContributorId::parse(person).unwrap(),
        Action::parse(action).unwrap(),
        Arc::new(Terms::parse(purposes, institutions, categories).unwrap()),
        day(from),
        day(until),
        instant(decided),
    )
    .unwrap()
}

/// A register of batches, each recorded at an instant.
pub(super) fn register(batches: &[(&str, Vec<Event>)]) -> Register {
    register_from(batches, "test")
}

/// The same, of events from a source.
pub(super) fn register_from(batches: &[(&str, Vec<Event>)], source: &str) -> Register {
    let mut people: Vec<_> = batches.iter().flat_map(|(_, e)| e).map(Event::contributor).collect();
    people.sort();
    people.dedup();
    let keyed: Vec<_> = people.into_iter().zip((0..=255_u8).map(|n| [n; 32])).collect();
    let mut first = 1;
    let mut recorded = Vec::new();
    for (at, batch) in batches {
        recorded.push(events(batch, first, instant(at), source).unwrap());
        first += batch.len() as u64;
    }
    let people: Result<_, Error> = contributors(&keyed);
    Register::assemble(batches.len() as u64, &[people.unwrap()], &recorded).unwrap()
}
