//! Canaries: values so strange that a search for them in an output proves a leak, or that there is
//! none.
//!
//! The first [`CANARY_PEOPLE`] people of every population carry them in each identifying cell, and
//! every second faulty cell is one. [`canaries`] lists all of a seed.

use super::{
    dice::stir,
    person::{Person, mrn},
};

/// How many people, from index 0, carry canaries.
pub const CANARY_PEOPLE: u64 = 8;

/// Returns every canary of a seed: texts that must occur in no released byte, no log, no error.
///
/// Member and record numbers of the canary people are among them.
pub fn canaries(seed: u64, institutions: u32) -> Vec<String> {
    let mut found = vec![cell(seed)];
    for index in 0..CANARY_PEOPLE {
        let person = super::person::make(seed, institutions, index);
        found.extend(person.institutions.iter().map(|at| mrn(seed, *at, index)));
        found.extend([
            person.member_no,
            person.ssn,
            person.first,
            person.last,
            person.address,
            person.phone,
            person.email,
            note(seed, index),
        ]);
    }
    found
}

/// Puts canaries in the place of a person's identifiers.
pub(super) fn mark(seed: u64, person: &mut Person) {
    if person.index >= CANARY_PEOPLE {
        return;
    }
    let tag = tag(seed, person.index);
    let number = tag & 0xffff_ffff;
    person.ssn = format!("900-{:02}-{:04}", number / 10_000 % 100, number % 10_000);
    person.first = format!("Canaria{tag:010x}");
    person.last = format!("Canary{tag:010x}");
    person.address = format!("{} Canary{tag:010x} Street", 1 + number % 900);
    person.phone = format!("900-555-{:04}", number / 7 % 10_000);
    person.email = format!("canary{tag:010x}@example.org");
}

/// The note of a canary person.
pub(super) fn note(seed: u64, index: u64) -> String {
    format!("Canary note {:010x}", tag(seed, index))
}

/// What stands in a faulty cell.
pub(super) fn cell(seed: u64) -> String {
    format!("CanaryCell{:010x}", tag(seed, u64::MAX))
}

fn tag(seed: u64, index: u64) -> u64 {
    stir(stir(seed) ^ index) & 0xff_ffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canaries_are_told_apart_and_stand_in_the_files() {
        let canaries = canaries(5, 4);
        let distinct: std::collections::BTreeSet<_> = canaries.iter().collect();
        assert_eq!(distinct.len(), canaries.len(), "one canary would hide another's leak");
        let population = super::super::Population::new(5, 300, 4).unwrap();
        let files = super::super::write::tests::text(&population)
            + &super::super::write::tests::text(&population.with_fhir(4));
        for canary in &canaries {
            assert!(files.contains(canary.as_str()), "a canary that is nowhere proves nothing");
        }
    }
}
