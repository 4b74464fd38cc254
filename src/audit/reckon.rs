//! A settlement reckoned anew from its inputs alone: pots, layers, caps, split, corrections, vesting,
//! tax and payment, to the millionth of a minor unit.
//!
//! Comes in: [`Given`]. Goes out: [`Reckoned`]. Never: a rule that the inputs do not name.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::collections::{BTreeMap, BTreeSet};

use super::{
    apportion::{capped, portion, shares},
    given::{Given, Payee},
    inputs::last_day,
    lines::{Held, Line, Share},
    rules::{BASIS, Layer, MILLION, RuleSet},
    shape::{Account, LayerTotals, Totals},
    weights::{Weights, weights},
};
use crate::{
    digest::Sha3Digest,
    instant::Date,
    money::{Accrual, Amount},
};

/// A settlement as it must be.
#[derive(Debug)]
pub(super) struct Reckoned {
    /// How many millionths of a minor unit a grain is.
    pub(super) grain: u128,
    pub(super) totals: Totals,
    pub(super) lines: Vec<Line>,
    pub(super) held: Vec<Held>,
    pub(super) institutions: Vec<Share>,
}

/// Reckons a settlement; `None` where a number does not fit or the inputs do not fit together.
pub(super) fn reckon(given: &Given) -> Option<Reckoned> {
    let set = &given.inputs.rules.set;
    let (received, returned) = (given.received, given.returned);
    let fee = portion(received, u128::from(set.fee_bps), BASIS)?;
    let reserve = portion(received, u128::from(set.reserve_bps), BASIS)?;
    let remains = received.checked_sub(fee)?.checked_sub(reserve)?;
    let pot = remains.checked_mul(MILLION)?.checked_add(returned)?;
    let grain = set.grain.micro();

    let parts: Vec<(u128, usize)> =
        set.layers.iter().map(|layer| u128::from(layer.ppm())).zip(0..).collect();
    let pots = grains(pot, grain, |pot| shares(pot, &parts))?;
    let mut layers = Vec::new();
    for (layer, pot) in set.layers.iter().zip(pots) {
        layers.push(Weighed { layer, pot, weights: weights(given, layer)? });
    }
    let mut people = People::find(given, &layers);
    let mut told = Vec::new();
    for Weighed { layer, pot, weights } in &layers {
        told.push(people.layer(given, layer, *pot, weights)?);
    }
    people.cap(given, pot)?;
    let mut places = Places::find(given)?;
    people.split(given, &mut places)?;
    people.correct(given)?;
    let held = people.vest(given)?;
    people.pay(set, given, last_day(&given.inputs.period)?)?;
    let lines = people.lines;

    let (institutions, institution_account) = places.pay(given)?;
    let total = |cell: fn(&Line) -> i64| -> Option<i128> {
        lines.iter().try_fold(0_i128, |sum, line| sum.checked_add(i128::from(cell(line))))
    };
    let currency = given.inputs.rules.currency;
    let accrual = |micro: i128| Accrual::new(micro, currency);
    let amount = |minor: i128| Amount::new(minor, currency);
    let natural = |number: u128| i128::try_from(number).ok();
    let gross = total(|l| l.gross)?;
    let unallocated = natural(pot)?
        .checked_sub(gross)?
        .checked_sub(total(|l| l.adjust)?)?
        .checked_add(natural(places.nowhere)?)?;
    let platform = total(|l| l.platform)?;
    let totals = Totals {
        received: amount(natural(received)?),
        returned: accrual(natural(returned)?),
        fee: amount(natural(fee)?),
        reserve: amount(natural(reserve)?),
        layers: told
            .into_iter()
            .map(|(layer, pot, weight, left)| {
                Some(LayerTotals {
                    layer: layer.name().to_owned(),
                    pot: accrual(natural(pot)?),
                    weight: weight.to_string(),
                    unallocated: accrual(natural(left)?),
                })
            })
            .collect::<Option<_>>()?,
        unallocated: accrual(unallocated),
        opening: accrual(total(|l| l.opening)?),
        gross: accrual(gross),
        person: accrual(total(|l| l.person)?),
        institution: accrual(total(|l| l.institution)?),
        platform: accrual(platform),
        adjusted: accrual(total(|l| l.adjust)?),
        held: accrual(total(|l| l.held)?),
        vested: accrual(total(|l| l.vested)?),
        payable: amount(total(|l| l.payable)?),
        tax: amount(total(|l| l.tax)?),
        paid: amount(total(|l| l.paid)?),
        carried: accrual(total(|l| l.closing)?),
        institutions: institution_account,
        platform_account: match (set.split.platform_bps, given.opening.platform) {
            (0, 0) => None,
            _ => Some(platform_account(given, platform)?),
        },
    };
    Some(Reckoned { grain, totals, lines, held, institutions })
}

/// One layer, weighed.
struct Weighed<'a> {
    layer: &'a Layer,
    pot: u128,
    weights: Weights,
}

/// Gives out a whole number of grains; what is no such number is not given out at all.
fn grains(
    micro: u128,
    grain: u128,
    give: impl FnOnce(u128) -> Option<Vec<u128>>,
) -> Option<Vec<u128>> {
    if micro.checked_rem(grain)? != 0 {
        return None;
    }
    give(micro.checked_div(grain)?)?.into_iter().map(|share| share.checked_mul(grain)).collect()
}

fn small(number: u128) -> Option<i64> {
    i64::try_from(number).ok()
}

fn natural(number: i64) -> Option<u128> {
    u128::try_from(number).ok()
}

/// Pays the whole minor units of a balance where they reach the least; returns them and the rest.
fn drawn(balance: i64, least: i64) -> Option<(i64, i64)> {
    let whole = balance.div_euclid(1_000_000);
    let payable = if whole >= least.max(1) { whole } else { 0 };
    Some((payable, balance.checked_sub(payable.checked_mul(1_000_000)?)?))
}

/// Everyone whom the settlement concerns, sorted.
struct People {
    lines: Vec<Line>,
    places: BTreeMap<String, usize>,
    grain: u128,
}

impl People {
    fn find(given: &Given, layers: &[Weighed<'_>]) -> Self {
        let mut all: BTreeSet<&str> = BTreeSet::new();
        for version in &given.versions {
            all.extend(version.seats.iter().map(|seat| seat.contributor.as_str()));
        }
        all.extend(layers.iter().flat_map(|layer| layer.weights.keys().map(String::as_str)));
        let brought = |line: &&Line| line.closing != 0 || line.debt != 0;
        let before = given.opening.people.iter().filter(brought);
        all.extend(before.map(|line| line.contributor.as_str()));
        all.extend(given.opening.held.iter().map(|held| held.contributor.as_str()));
        all.extend(given.new_data.iter().map(|row| row.contributor.as_str()));
        all.extend(given.value.keys().map(String::as_str));
        all.extend(given.corrections().map(|(contributor, _)| contributor));
        all.extend(given.excluded());
        let lines: Vec<Line> = all
            .iter()
            .map(|id| Line { contributor: (*id).to_owned(), ..Line::default() })
            .collect();
        let places = all.iter().map(|id| (*id).to_owned()).zip(0..).collect();
        Self { lines, places, grain: given.inputs.rules.set.grain.micro() }
    }

    fn of(&mut self, contributor: &str) -> Option<&mut Line> {
        self.lines.get_mut(*self.places.get(contributor)?)
    }

    /// Gives out one layer; returns its pot, the sum of its weights, and what was given to nobody.
    fn layer<'a>(
        &mut self,
        given: &Given,
        layer: &'a Layer,
        pot: u128,
        weights: &Weights,
    ) -> Option<(&'a Layer, u128, u128, u128)> {
        let claims: Vec<(u128, Sha3Digest)> =
            weights.iter().map(|(id, weight)| (*weight, given.tie(id))).collect();
        let cap = match layer {
            Layer::NewData { cap_ppm, .. } => *cap_ppm,
            Layer::Base { .. } | Layer::Usage { .. } | Layer::Value { .. } => None,
        };
        let micro = grains(pot, self.grain, |pot| match cap {
            Some(ppm) => capped(pot, portion(pot, u128::from(ppm), MILLION)?, &claims),
            None => shares(pot, &claims),
        })?;
        let mut left = pot;
        let mut sum = 0_u128;
        for ((id, weight), micro) in weights.iter().zip(micro) {
            let line = self.of(id)?;
            *line.weights.get_mut(layer.place())? = *weight;
            *line.micro.get_mut(layer.place())? = small(micro)?;
            line.gross = line.gross.checked_add(small(micro)?)?;
            left = left.checked_sub(micro)?;
            sum = sum.checked_add(*weight)?;
        }
        Some((layer, pot, sum, left))
    }

    /// Holds each verified person, and all the others together, to the cap of a settlement.
    fn cap(&mut self, given: &Given, pot: u128) -> Option<()> {
        let Some(rule) = given.inputs.rules.set.cap else { return Some(()) };
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, line) in self.lines.iter().enumerate() {
            let payee = given.payees.get(&line.contributor);
            let person = payee.and_then(Payee::verified_person);
            groups.entry(person.unwrap_or(UNVERIFIED)).or_default().push(at);
        }
        let gross = |at: &usize| natural(self.lines.get(*at)?.gross);
        let mut claims = Vec::new();
        let mut all = 0_u128;
        for (group, members) in &groups {
            let sum = members.iter().try_fold(0_u128, |sum, at| sum.checked_add(gross(at)?))?;
            all = all.checked_add(sum)?;
            claims.push((sum, given.tie(group)));
        }
        let cap = portion(pot.checked_div(self.grain)?, u128::from(rule.person_ppm), MILLION)?;
        let given_out = grains(all, self.grain, |all| capped(all, cap, &claims))?;
        let mut capped_gross = Vec::new();
        for (members, micro) in groups.values().zip(given_out) {
            let own: Option<Vec<(u128, Sha3Digest)>> = members
                .iter()
                .map(|at| Some((gross(at)?, given.tie(&self.lines.get(*at)?.contributor))))
                .collect();
            let own = grains(micro, self.grain, |micro| shares(micro, &own?))?;
            capped_gross.extend(members.iter().copied().zip(own));
        }
        for (at, micro) in capped_gross {
            self.lines.get_mut(at)?.gross = small(micro)?;
        }
        Some(())
    }

    /// Splits what everyone earned, and gives the institutions' parts to institutions.
    fn split(&mut self, given: &Given, places: &mut Places) -> Option<()> {
        let parts: Vec<(u128, usize)> =
            given.inputs.rules.set.split.parts().into_iter().zip(0..).collect();
        for line in &mut self.lines {
            let split = grains(natural(line.gross)?, self.grain, |gross| shares(gross, &parts))?;
            let [person, institution, platform] = split.try_into().ok()?;
            (line.person, line.platform) = (small(person)?, small(platform)?);
            line.institution = small(institution)?;
            places.give(given, &line.contributor, institution, self.grain)?;
        }
        Some(())
    }

    /// Takes what should not have been paid off what is earned now; the rest of it stays a debt.
    fn correct(&mut self, given: &Given) -> Option<()> {
        for before in &given.opening.people {
            if before.debt != 0 {
                self.of(&before.contributor)?.debt = before.debt;
            }
        }
        for (contributor, minor) in given.corrections() {
            let more = i64::try_from(minor.checked_mul(1_000_000)?).ok()?;
            let line = self.of(contributor)?;
            line.debt = line.debt.checked_add(more)?;
        }
        let grain = small(self.grain)?;
        for line in &mut self.lines {
            let taken = line.debt.min(line.person);
            let taken = taken.checked_sub(taken.checked_rem(grain)?)?;
            line.debt = line.debt.checked_sub(taken)?;
            line.adjust = taken.checked_neg()?;
        }
        Some(())
    }

    /// Holds back what becomes somebody's to draw later, and sets free what is due now.
    fn vest(&mut self, given: &Given) -> Option<Vec<Held>> {
        let mut held: BTreeMap<(String, i64), i64> = BTreeMap::new();
        for part in &given.opening.held {
            if part.due <= 1 {
                let line = self.of(&part.contributor)?;
                line.vested = line.vested.checked_add(part.micro)?;
            } else {
                let due = part.due.checked_sub(1)?;
                let sum = held.entry((part.contributor.clone(), due)).or_default();
                *sum = sum.checked_add(part.micro)?;
            }
        }
        let tranches = &given.inputs.rules.set.tranches;
        let parts: Vec<(u128, usize)> =
            tranches.iter().map(|part| u128::from(*part)).zip(0..).collect();
        for line in &mut self.lines {
            let own = natural(line.person.checked_add(line.adjust)?)?;
            if parts.len() < 2 {
                continue;
            }
            let waits = grains(own, self.grain, |own| shares(own, &parts))?;
            for (due, micro) in (1_i64..).zip(waits.into_iter().skip(1)) {
                let micro = small(micro)?;
                if micro != 0 {
                    let sum = held.entry((line.contributor.clone(), due)).or_default();
                    *sum = sum.checked_add(micro)?;
                    line.held = line.held.checked_add(micro)?;
                }
            }
        }
        let held = held.into_iter();
        Some(held.map(|((contributor, due), micro)| Held { contributor, due, micro }).collect())
    }

    /// Pays what everyone may draw, less what is withheld.
    fn pay(&mut self, set: &RuleSet, given: &Given, day: Date) -> Option<()> {
        for before in &given.opening.people {
            if before.closing != 0 {
                self.of(&before.contributor)?.opening = before.closing;
            }
        }
        let least = i64::try_from(set.minimum_minor).ok()?;
        for line in &mut self.lines {
            let balance = line.opening.checked_add(line.person)?.checked_add(line.adjust)?;
            let balance = balance.checked_sub(line.held)?.checked_add(line.vested)?;
            (line.payable, line.closing) = drawn(balance, least)?;
            let payee = given.payees.get(&line.contributor);
            let bps = set.tax_bps(payee.and_then(|payee| payee.country.as_deref()), day);
            line.tax = small(portion(natural(line.payable)?, u128::from(bps), BASIS)?)?;
            line.paid = line.payable.checked_sub(line.tax)?;
        }
        Some(())
    }
}

/// The institutions: what a contributor's records weigh at each, and what each is given.
struct Places {
    /// By contributor and institution, in the versions that the base layer pays for.
    base: BTreeMap<String, BTreeMap<String, u128>>,
    /// By contributor and institution: records in all versions read.
    records: BTreeMap<String, BTreeMap<String, u128>>,
    given: BTreeMap<String, u128>,
    part: u128,
    /// What had no institution to go to.
    nowhere: u128,
}

impl Places {
    fn find(given: &Given) -> Option<Self> {
        let mut places = Self {
            base: BTreeMap::new(),
            records: BTreeMap::new(),
            given: BTreeMap::new(),
            part: 0,
            nowhere: 0,
        };
        for version in &given.versions {
            for seat in &version.seats {
                let records = u128::from(seat.records);
                let mut add = |base: bool, more: u128| {
                    let by = if base { &mut places.base } else { &mut places.records };
                    let own = by.entry(seat.contributor.clone()).or_default();
                    let sum = own.entry(seat.institution.clone()).or_default();
                    *sum = sum.checked_add(more)?;
                    Some(())
                };
                add(false, records)?;
                if version.base {
                    add(true, records.checked_mul(u128::from(seat.quality))?)?;
                }
            }
        }
        Some(places)
    }

    /// Gives an institutions' part of one contributor's earnings to where the records came from.
    fn give(&mut self, given: &Given, contributor: &str, micro: u128, grain: u128) -> Option<()> {
        self.part = self.part.checked_add(micro)?;
        let weighs = |own: &&BTreeMap<String, u128>| own.values().any(|weight| *weight > 0);
        let base = self.base.get(contributor).filter(weighs);
        let own = base.or_else(|| self.records.get(contributor).filter(weighs));
        let Some(own) = own else {
            self.nowhere = self.nowhere.checked_add(micro)?;
            return Some(());
        };
        let claims: Vec<(u128, Sha3Digest)> =
            own.iter().map(|(id, weight)| (*weight, given.tie(id))).collect();
        for (id, micro) in own.keys().zip(grains(micro, grain, |micro| shares(micro, &claims))?) {
            let sum = self.given.entry(id.clone()).or_default();
            *sum = sum.checked_add(micro)?;
        }
        Some(())
    }

    /// Makes the institutions' lines, and their sums where they have a part or brought something.
    fn pay(&self, given: &Given) -> Option<(Vec<Share>, Option<Account>)> {
        let set = &given.inputs.rules.set;
        let before: BTreeMap<&str, i64> = given
            .opening
            .institutions
            .iter()
            .filter(|line| line.closing != 0)
            .map(|line| (line.institution.as_str(), line.closing))
            .collect();
        if set.split.institution_bps == 0 && before.is_empty() {
            return Some((Vec::new(), None));
        }
        let mut weights: BTreeMap<&str, u128> = BTreeMap::new();
        for (id, weight) in self.base.values().flatten() {
            let sum = weights.entry(id).or_default();
            *sum = sum.checked_add(*weight)?;
        }
        let seen = given.versions.iter().flat_map(|version| &version.seats);
        let mut all: BTreeSet<&str> = seen.map(|seat| seat.institution.as_str()).collect();
        all.extend(before.keys());
        let least = i64::try_from(set.minimum_minor).ok()?;
        let mut lines = Vec::new();
        let mut sums = [0_i128; 4];
        for id in all {
            let opening = before.get(id).copied().unwrap_or(0);
            let accrued = small(self.given.get(id).copied().unwrap_or(0))?;
            let (paid, closing) = drawn(opening.checked_add(accrued)?, least)?;
            for (sum, cell) in sums.iter_mut().zip([opening, accrued, paid, closing]) {
                *sum = sum.checked_add(i128::from(cell))?;
            }
            let weight = weights.get(id).copied().unwrap_or(0);
            lines.push(Share {
                institution: id.to_owned(),
                weight,
                accrued,
                opening,
                closing,
                paid,
            });
        }
        let [opening, accrued, paid, carried] = sums;
        let currency = given.inputs.rules.currency;
        let accrual = |micro: i128| Accrual::new(micro, currency);
        let account = Account {
            part: accrual(i128::try_from(self.part).ok()?),
            opening: accrual(opening),
            accrued: accrual(accrued),
            paid: Amount::new(paid, currency),
            carried: accrual(carried),
        };
        Some((lines, Some(account)))
    }
}

/// The platform's own account: whole minor units are paid at once, whatever they come to.
fn platform_account(given: &Given, part: i128) -> Option<Account> {
    let opening = given.opening.platform;
    let balance = opening.checked_add(i64::try_from(part).ok()?)?;
    let (paid, carried) = drawn(balance, 1)?;
    let currency = given.inputs.rules.currency;
    let accrual = |micro: i128| Accrual::new(micro, currency);
    Some(Account {
        part: accrual(part),
        opening: accrual(i128::from(opening)),
        accrued: accrual(part),
        paid: Amount::new(i128::from(paid), currency),
        carried: accrual(i128::from(carried)),
    })
}

/// The group of all whom nobody verified, under the cap of a person.
const UNVERIFIED: &str = "unverified";

#[cfg(test)]
mod tests;
