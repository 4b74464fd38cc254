//! Several documents of one person as events of a register: the newest that speaks of a use decides.
//!
//! Comes in: the register and what each document grants. Goes out: [`Event`]s, in any order.
//! Never: an older document that stands beside a newer one, whichever was imported first.
//!
//! A grant in the register stands until something takes it back; a document replaces what was
//! decided before it. So where an older grant would stand, a withdrawal of it is dated to the second
//! before the document. A document that grants nothing a register can hold takes back at its own
//! instant, and leaves a trace of itself so. Two documents of one instant that grant different things
//! on the same use leave neither standing.

use std::collections::BTreeMap;

use super::take_in::Intake;
use crate::{
    consent::{
        Register,
        event::{Action, Event, EventError, Terms},
    },
    instant::Instant,
    party::ContributorId,
};

/// How the source of an event begins that came from FHIR.
pub const SOURCE: &str = "fhir:";

/// Turns documents into events.
///
/// # Errors
/// Only where a document's terms make no event, which reading them rules out.
pub fn events(
    register: &Register,
    documents: Vec<(ContributorId, Intake)>,
) -> Result<Vec<Event>, EventError> {
    let mut people: BTreeMap<ContributorId, Vec<Intake>> = BTreeMap::new();
    for (person, intake) in documents {
        people.entry(person).or_default().push(intake);
    }
    let mut events = Vec::new();
    for (person, intakes) in &people {
        of_one(register, person, intakes, &mut events)?;
    }
    Ok(events)
}

fn of_one(
    register: &Register,
    person: &ContributorId,
    intakes: &[Intake],
    events: &mut Vec<Event>,
) -> Result<(), EventError> {
    let held = register.events(person).unwrap_or_default();
    let is_grant = |event: &&Event| event.action() == Action::Grant;
    let known: Vec<&Event> = held.iter().map(|held| &held.event).filter(is_grant).collect();
    let mut given: Vec<(Instant, &Terms)> =
        known.iter().map(|event| (event.decided_at(), event.terms())).collect();
    let mut fresh: Vec<(Instant, &Terms)> = Vec::new();
    for intake in intakes {
        fresh.extend(intake.grants.iter().map(|(terms, ..)| (intake.decided_at, terms)));
    }
    given.extend(&fresh);
    let withdraw = |terms: &Terms, at: Instant| {
        Event::new(person.clone(), Action::Withdraw, terms.clone().into(), None, None, at)
    };
    for intake in intakes {
        let at = intake.decided_at;
        let Some(replaces) = &intake.replaces else { continue };
        if intake.is_undone {
            // It undoes what was taken in of itself, and nothing else.
            if given.iter().any(|(decided, _)| *decided == at) {
                events.push(withdraw(replaces, at)?);
            }
            continue;
        }
        let older = given.iter().any(|(decided, own)| *decided < at && replaces.touch(own));
        if intake.grants.is_empty() {
            events.push(withdraw(replaces, at)?);
        } else if let Some(before) = before(at).filter(|_| older) {
            events.push(withdraw(replaces, before)?);
        }
        for (terms, from, until) in &intake.grants {
            let terms = terms.clone().into();
            events.push(Event::new(person.clone(), Action::Grant, terms, *from, *until, at)?);
        }
        for terms in &intake.denials {
            events.push(withdraw(terms, at)?);
        }
    }
    for (at, own) in intakes.iter().enumerate() {
        for other in intakes.iter().take(at).filter(|other| contradicts(own, other)) {
            for terms in [&own.replaces, &other.replaces].into_iter().flatten() {
                events.push(withdraw(terms, own.decided_at)?);
            }
        }
        let odd = held.iter().any(|held| {
            let event = &held.event;
            held.source.starts_with(SOURCE)
                && event.action() == Action::Grant
                && event.decided_at() == own.decided_at
                && own.grants.iter().all(|(terms, ..)| terms != event.terms())
                && own.replaces.as_ref().is_some_and(|terms| terms.touch(event.terms()))
        });
        if let Some(terms) = own.replaces.as_ref().filter(|_| odd && !own.is_undone) {
            events.push(withdraw(terms, own.decided_at)?);
        }
    }
    // A document that was imported before its elder.
    for held in held.iter().filter(|held| held.source.starts_with(SOURCE)) {
        let own = &held.event;
        if own.action() != Action::Grant {
            continue;
        }
        let at = own.decided_at();
        let replaced = own.terms().of_all_categories();
        let older = fresh.iter().any(|(decided, terms)| *decided < at && replaced.touch(terms));
        if let Some(before) = before(at).filter(|_| older) {
            events.push(withdraw(&replaced, before)?);
        }
    }
    Ok(())
}

/// Says whether two documents of one instant grant different things on some use.
fn contradicts(own: &Intake, other: &Intake) -> bool {
    let touch = match (&own.replaces, &other.replaces) {
        (Some(own), Some(other)) => own.touch(other),
        (_, _) => false,
    };
    own.decided_at == other.decided_at
        && !own.is_undone
        && !other.is_undone
        && touch
        && (own.grants != other.grants || own.denials != other.denials)
}

/// The second before.
fn before(at: Instant) -> Option<Instant> {
    Instant::from_unix(at.unix().checked_sub(1)?).ok()
}
