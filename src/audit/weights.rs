//! What everyone's contribution weighs in each layer, from the tables of a settlement.
//!
//! Comes in: [`Given`]. Goes out: [`Weights`]. Never: a record of the asker's own that counts where
//! the rules exclude it.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::collections::{BTreeMap, BTreeSet};

use super::{
    apportion::{portion, shares},
    given::{Given, Question, Version},
    rules::{Layer, MILLION, Weigh},
};

/// By contributor.
pub(super) type Weights = BTreeMap<String, u128>;

/// Weighs everyone in a layer; `None` where a number does not fit or somebody is not in the version
/// asked.
pub(super) fn weights(given: &Given, layer: &Layer) -> Option<Weights> {
    let mut weights = match layer {
        Layer::Base { .. } => base(given)?,
        Layer::Usage { weigh, .. } => usage(given, *weigh)?,
        Layer::NewData { half, quality, contributors_min, .. } => {
            new_data(given, u128::from(*half), *quality, u64::from(*contributors_min))?
        }
        Layer::Value { .. } => given.value.clone(),
    };
    for contributor in given.excluded() {
        let _ = weights.remove(contributor);
    }
    Some(weights)
}

fn add(weights: &mut Weights, contributor: &str, more: u128) -> Option<()> {
    let sum = weights.entry(contributor.to_owned()).or_default();
    *sum = sum.checked_add(more)?;
    Some(())
}

fn base(given: &Given) -> Option<Weights> {
    let mut weights = Weights::new();
    for seat in given.versions.iter().filter(|v| v.base).flat_map(|v| &v.seats) {
        let weight = u128::from(seat.records).checked_mul(u128::from(seat.quality))?;
        add(&mut weights, &seat.contributor, weight)?;
    }
    Some(weights)
}

fn usage(given: &Given, weigh: Weigh) -> Option<Weights> {
    let mut weights = Weights::new();
    let excluded = given.excluded();
    let rosters: BTreeMap<(&str, u64), Roster<'_>> =
        given.versions.iter().map(|v| ((v.dataset.as_str(), v.number), Roster::of(v))).collect();
    for question in &given.questions {
        let roster = rosters.get(&(question.dataset.as_str(), question.version))?;
        let counted = roster.counted(given, question, &excluded)?;
        let price = u128::from(question.price);
        match weigh {
            Weigh::Record => {
                for (contributor, records) in &counted {
                    add(&mut weights, contributor, records.checked_mul(price)?)?;
                }
            }
            Weigh::Question => {
                let units = u128::from(given.inputs.rules.units_per_query).checked_mul(price)?;
                let claims: Vec<_> =
                    counted.iter().map(|(id, records)| (*records, given.tie(id))).collect();
                for (contributor, units) in counted.keys().zip(shares(units, &claims)?) {
                    add(&mut weights, contributor, units)?;
                }
            }
        }
    }
    Some(weights)
}

/// Who is in a version.
struct Roster<'a> {
    /// By pseudonym: the contributor.
    behind: BTreeMap<&'a str, &'a str>,
    /// By contributor: institutions, with the records there.
    seats: BTreeMap<&'a str, Vec<(&'a str, u128)>>,
}

impl<'a> Roster<'a> {
    fn of(version: &'a Version) -> Self {
        let mut roster = Self { behind: BTreeMap::new(), seats: BTreeMap::new() };
        for seat in &version.seats {
            roster.behind.insert(&seat.pseudonym, &seat.contributor);
            let own = roster.seats.entry(&seat.contributor).or_default();
            own.push((&seat.institution, u128::from(seat.records)));
        }
        roster
    }

    /// Counts the rows that a question drew on from each contributor, without those of the asker's own
    /// and related institutions where the rules say so.
    fn counted(
        &self,
        given: &Given,
        question: &Question,
        excluded: &BTreeSet<&str>,
    ) -> Option<BTreeMap<&'a str, u128>> {
        let payer = question.institution.as_deref();
        let payer = payer.filter(|_| given.inputs.rules.set.exclude_payer);
        let mut own: BTreeSet<&str> = payer.into_iter().collect();
        let related = payer.and_then(|payer| given.related.get(payer));
        own.extend(related.into_iter().flatten().map(String::as_str));
        let mut drawn: BTreeMap<&str, u128> = BTreeMap::new();
        for (pseudonym, rows) in &question.drawn {
            let contributor = *self.behind.get(pseudonym.as_str())?;
            let rows = if excluded.contains(contributor) { 0 } else { u128::from(*rows) };
            let sum = drawn.entry(contributor).or_default();
            *sum = sum.checked_add(rows)?;
        }
        for (contributor, rows) in &mut drawn {
            let seats = self.seats.get(contributor)?;
            if !seats.iter().any(|(institution, _)| own.contains(institution)) {
                continue;
            }
            let (mut elsewhere, mut all) = (0_u128, 0_u128);
            for (institution, records) in seats {
                all = all.checked_add(*records)?;
                if !own.contains(institution) {
                    elsewhere = elsewhere.checked_add(*records)?;
                }
            }
            *rows = if all == 0 { 0 } else { portion(*rows, elsewhere, all)? };
        }
        Some(drawn)
    }
}

fn new_data(given: &Given, half: u128, quality: bool, least: u64) -> Option<Weights> {
    let mut weights = Weights::new();
    for row in &given.new_data {
        if row.vested != (row.verified >= least) {
            return None;
        }
        if !row.vested {
            continue;
        }
        let rarity = match half.checked_add(u128::from(row.prior))? {
            0 => 0,
            whole => portion(MILLION, half, whole)?,
        };
        let each =
            if quality { portion(u128::from(row.quality), rarity, MILLION)? } else { rarity };
        add(&mut weights, &row.contributor, u128::from(row.new).checked_mul(each)?)?;
    }
    Some(weights)
}
