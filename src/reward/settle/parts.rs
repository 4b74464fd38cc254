//! What contributors earned, under the cap of a person, and whose parts of it are whose.
//!
//! Comes in: what the layers gave. Goes out: gross, person's, institutions' and platform's parts.
//! Never: more for a verified person by coming under several names.

use std::collections::BTreeMap;

use super::{
    Error,
    grains::Grains,
    roster::{Holding, Holdings, Payees, ranks},
};
use crate::{
    party::{ContributorId, InstitutionId},
    reward::{
        Inputs, PayeeLine,
        rules::{BASIS, SplitRule},
    },
};

/// What is known of people, by contributor.
pub(super) type Known<'a> = BTreeMap<&'a ContributorId, &'a PayeeLine>;

/// Holds what contributors earned under the cap of a person: what is above it goes to the others, and
/// what nobody may have is left over. Contributors whom nobody verified share one cap.
pub(super) fn capped(
    inputs: &Inputs,
    gross: Vec<u128>,
    given_out: u128,
    payees: &Payees,
    known: &Known<'_>,
) -> Result<Vec<u128>, Error> {
    let Some(rule) = inputs.rules.set.cap else { return Ok(gross) };
    let grains = Grains::new(inputs.rules.set.grain);
    let mut groups: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
    for (at, contributor) in payees.ids.iter().enumerate() {
        let person = known.get(contributor).and_then(|line| line.verified_person());
        groups.entry(person).or_default().push(at);
    }
    let of = |at: &usize| gross.get(*at).copied().unwrap_or_default();
    let sums = groups
        .values()
        .map(|members| total(members.iter().map(of)))
        .collect::<Result<Vec<u128>, Error>>()?;
    let keys = ranks(inputs, groups.keys().map(|person| person.unwrap_or(UNVERIFIED)));
    let cap = grains.part(given_out, rule.person_ppm)?;
    let shares = grains.give_capped(total(sums.iter().copied())?, cap, &sums, &keys)?;
    let mut capped = vec![0_u128; gross.len()];
    for (members, share) in groups.values().zip(shares.micro) {
        let weights: Vec<u128> = members.iter().map(of).collect();
        let keys: Vec<u32> = members.iter().map(|at| payees.rank(*at)).collect();
        for (at, micro) in members.iter().zip(grains.give(share, &weights, &keys)?.micro) {
            if let Some(own) = capped.get_mut(*at) {
                *own = micro;
            }
        }
    }
    Ok(capped)
}

/// The tie key of all contributors whom nobody verified.
const UNVERIFIED: &str = "unverified";

/// Whose parts of what contributors earned are whose.
#[derive(Debug)]
pub(in crate::reward) struct Parts {
    /// By contributor: the person's, the institutions' and the platform's part.
    pub(in crate::reward) by_payee: Vec<[u128; 3]>,
    /// By institution: its part of all.
    pub(in crate::reward) by_institution: Vec<u128>,
    /// What no institution has a claim to.
    pub(in crate::reward) nobodys: u128,
}

/// Splits what contributors earned, and the institutions' part of each over those where the
/// contributor's records are.
pub(super) fn split(
    inputs: &Inputs,
    gross: &[u128],
    payees: &Payees,
    holdings: &Holdings,
) -> Result<Parts, Error> {
    let SplitRule { person_bps, institution_bps, platform_bps } = inputs.rules.set.split;
    let grains = Grains::new(inputs.rules.set.grain);
    let bps = [person_bps, institution_bps, platform_bps].map(u128::from);
    let keys = ranks(inputs, holdings.institutions.iter().map(InstitutionId::as_str));
    let mut parts = Parts {
        by_payee: Vec::with_capacity(gross.len()),
        by_institution: vec![0; holdings.institutions.len()],
        nobodys: 0,
    };
    for (at, micro) in gross.iter().enumerate().take(payees.len()) {
        let own = if person_bps == BASIS {
            [*micro, 0, 0]
        } else {
            let given = grains.give(*micro, &bps, &[0_u8, 1, 2])?.micro;
            <[u128; 3]>::try_from(given).map_err(|_| Error::Balance("a split of three parts"))?
        };
        let [_, institutions, _] = own;
        if institutions > 0 {
            let houses: Vec<(usize, Holding)> = holdings.of(at).collect();
            let by_weight = houses.iter().any(|(_, holding)| holding.weight > 0);
            let weigh = |holding: &Holding| {
                if by_weight { holding.weight } else { holding.records }
            };
            let weights: Vec<u128> = houses.iter().map(|(_, holding)| weigh(holding)).collect();
            let ties: Vec<u32> =
                houses.iter().map(|(at, _)| keys.get(*at).copied().unwrap_or(u32::MAX)).collect();
            let given = grains.give(institutions, &weights, &ties)?;
            parts.nobodys = total([parts.nobodys, given.unallocated])?;
            for ((house, _), micro) in houses.iter().zip(given.micro) {
                if let Some(sum) = parts.by_institution.get_mut(*house) {
                    *sum = total([*sum, micro])?;
                }
            }
        }
        parts.by_payee.push(own);
    }
    Ok(parts)
}

/// Sums what may not wrap.
pub(in crate::reward) fn total(parts: impl IntoIterator<Item = u128>) -> Result<u128, Error> {
    let sum = parts.into_iter().try_fold(0_u128, u128::checked_add);
    sum.ok_or(Error::Overflow("total"))
}
