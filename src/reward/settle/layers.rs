//! What each layer weighs and gives.
//!
//! Comes in: rosters, uses, new data, values. Goes out: a pot, weights and shares a layer, in the order
//! of the rule set. Never: a weight that wrapped.

use super::{
    Error, Tables, Use,
    grains::{Given, Grains},
    roster::{Entry, Payees},
};
use crate::reward::{
    Inputs, NewDataLine,
    rules::{Layer, LayerRule, MILLION},
};

/// A layer given out.
#[derive(Debug)]
pub(super) struct LayerShare {
    pub(super) layer: Layer,
    pub(super) pot: u128,
    pub(super) weights: Vec<u128>,
    pub(super) weight: u128,
    pub(super) given: Given,
}

/// Gives out an amount over the layers, and each layer's pot over the payees.
pub(super) fn give_out(
    inputs: &Inputs,
    rosters: &[Vec<Entry>],
    tables: &Tables,
    uses: &[Use],
    payees: &Payees,
    micro: u128,
) -> Result<Vec<LayerShare>, Error> {
    let set = &inputs.rules.set;
    let grains = Grains::new(set.grain);
    let parts: Vec<u128> = set.layers.iter().map(|rule| u128::from(rule.ppm())).collect();
    let order: Vec<usize> = (0..parts.len()).collect();
    let pots = grains.give(micro, &parts, &order)?.micro;
    set.layers
        .iter()
        .zip(pots)
        .map(|(rule, pot)| {
            let weights = match rule {
                LayerRule::Base { .. } => base(inputs, rosters, payees)?,
                LayerRule::Usage { .. } => usage(uses, payees)?,
                LayerRule::NewData { half, quality, contributors_min, .. } => {
                    let weight =
                        |line: &NewDataLine| new_data(line, *half, *quality, *contributors_min);
                    summed(payees, tables.new_data.iter().map(|l| (&l.contributor, weight(l))))?
                }
                LayerRule::Value { .. } => {
                    summed(payees, tables.values.iter().map(|(who, value)| (who, Ok(*value))))?
                }
            };
            let weight = weights.iter().try_fold(0_u128, |sum, w| sum.checked_add(*w));
            let weight = weight.ok_or(Error::Overflow("sum of weights"))?;
            let given = match rule {
                LayerRule::NewData { cap_ppm: Some(ppm), .. } => {
                    grains.give_capped(pot, grains.part(pot, *ppm)?, &weights, &payees.ranks)?
                }
                LayerRule::Base { .. }
                | LayerRule::Usage { .. }
                | LayerRule::NewData { cap_ppm: None, .. }
                | LayerRule::Value { .. } => grains.give(pot, &weights, &payees.ranks)?,
            };
            Ok(LayerShare { layer: rule.layer(), pot, weights, weight, given })
        })
        .collect()
}

fn base(inputs: &Inputs, rosters: &[Vec<Entry>], payees: &Payees) -> Result<Vec<u128>, Error> {
    let paid = inputs.versions.iter().zip(rosters).filter(|(version, _)| version.base);
    let entries = paid.flat_map(|(_, roster)| roster);
    summed(payees, entries.map(|entry| (&entry.contributor, entry.weight())))
}

fn usage(uses: &[Use], payees: &Payees) -> Result<Vec<u128>, Error> {
    let mut weights = vec![0_u128; payees.len()];
    for used in uses {
        if let Some(weight) = weights.get_mut(used.line) {
            *weight = weight.checked_add(used.units).ok_or(Error::Overflow("usage weight"))?;
        }
    }
    Ok(weights)
}

/// Returns what the new records of one stratum weigh: the more the rarer it is, nothing before enough
/// verified contributors have records in it.
fn new_data(line: &NewDataLine, half: u64, quality: bool, min: u32) -> Result<u128, Error> {
    let vested = line.verified >= min;
    if line.vested != vested {
        return Err(Error::Vested);
    }
    if !vested {
        return Ok(0);
    }
    let (half, prior, million) = (u128::from(half), u128::from(line.prior), u128::from(MILLION));
    // INVARIANT: none of the three products and sums of 64-bit numbers and a million can wrap.
    let rarity = half.saturating_mul(million).checked_div(half.saturating_add(prior));
    let rarity = rarity.unwrap_or_default();
    let record = if quality {
        let weighed = u128::from(line.quality_ppm).saturating_mul(rarity);
        weighed.checked_div(million).unwrap_or_default()
    } else {
        rarity
    };
    u128::from(line.new).checked_mul(record).ok_or(Error::Overflow("weight of new data"))
}

/// Sums weights by payee; whom the steward excluded weighs nothing.
fn summed<'a>(
    payees: &Payees,
    weights: impl Iterator<Item = (&'a crate::party::ContributorId, Result<u128, Error>)>,
) -> Result<Vec<u128>, Error> {
    let mut sums = vec![0_u128; payees.len()];
    for (contributor, weight) in weights {
        let weight = weight?;
        if let Some(sum) = payees.weighing(contributor)?.and_then(|at| sums.get_mut(at)) {
            *sum = sum.checked_add(weight).ok_or(Error::Overflow("weight"))?;
        }
    }
    Ok(sums)
}
