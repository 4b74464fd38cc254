//! Whom an evaluation pays: its lines by person, since a bank is told one payment a person.
//!
//! Comes in: the lines of an evaluation. Goes out: people with what they are paid, sorted, each once.
//! Never: a person who is paid nothing.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::collections::BTreeMap;

use super::CoverLine;
use crate::{money, party::ContributorId};

/// Sums what lines pay each person, in minor units.
pub fn payable(lines: &[CoverLine]) -> Result<Vec<(ContributorId, i64)>, money::Error> {
    let mut people: BTreeMap<&ContributorId, i64> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.paid_minor != 0) {
        let sum = people.entry(&line.contributor).or_default();
        *sum = sum.checked_add(line.paid_minor).ok_or(money::Error::Overflow)?;
    }
    let people = people.into_iter().filter(|(_, sum)| *sum != 0);
    Ok(people.map(|(person, sum)| (person.clone(), sum)).collect())
}
