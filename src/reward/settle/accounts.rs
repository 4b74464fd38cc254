//! People's accounts: what was earned, made good, held, vested, taxed, paid and carried.
//!
//! Comes in: people's parts, and the lines of the settlement before. Goes out: what is drawn and carried,
//! a line each, and what is still held. Never: a correction of what was earned before, or a balance below
//! zero.

use std::collections::BTreeMap;

use super::{Error, grains::Grains, parts::Known, roster::Payees};
use crate::{
    instant::Date,
    money::MICRO,
    party::ContributorId,
    reward::{Held, Inputs, Line, Lines, Override},
};

/// Settles the account of each line, whose parts are known; returns what is held from now on, sorted.
pub(super) fn settle(
    inputs: &Inputs,
    lines: &mut [Line],
    payees: &Payees,
    known: &Known<'_>,
    opening: &Lines,
) -> Result<Vec<Held>, Error> {
    let before: BTreeMap<&ContributorId, &Line> =
        opening.people.iter().map(|line| (&line.contributor, line)).collect();
    let debts = debts(inputs, payees, &before)?;
    let mut held_before: BTreeMap<&ContributorId, Vec<&Held>> = BTreeMap::new();
    for part in &opening.held {
        held_before.entry(&part.contributor).or_default().push(part);
    }
    let last = inputs.period.last_day();
    let mut held = Vec::new();
    for (line, debt) in lines.iter_mut().zip(debts) {
        line.opening_micro = before.get(&line.contributor).map_or(0, |line| line.closing_micro);
        make_good(inputs, line, debt)?;
        let own = held_before.remove(&line.contributor).unwrap_or_default();
        let mut parts = vest(inputs, line, &own)?;
        held.append(&mut parts);
        let country = known.get(&line.contributor).and_then(|payee| payee.country.as_deref());
        draw(inputs, line, country, last)?;
    }
    if held_before.is_empty() {
        Ok(held)
    } else {
        Err(Error::Balance("what somebody may not draw yet was left behind"))
    }
}

/// Returns what each payee has to make good: what is left from before, and what was decided since.
fn debts(
    inputs: &Inputs,
    payees: &Payees,
    before: &BTreeMap<&ContributorId, &Line>,
) -> Result<Vec<i128>, Error> {
    let mut debts: Vec<i128> = payees
        .ids
        .iter()
        .map(|id| before.get(id).map_or(0, |line| i128::from(line.debt_micro)))
        .collect();
    for decided in &inputs.overrides {
        if let Override::Correct { contributor, amount } = &decided.act
            && let Some(debt) = debts.get_mut(payees.known(contributor)?)
        {
            let more = amount.to_accrual()?.micro();
            *debt = debt.checked_add(more).ok_or(Error::Overflow("correction"))?;
        }
    }
    Ok(debts)
}

/// Takes what is to be made good off what was earned now, and never off what was earned before.
fn make_good(inputs: &Inputs, line: &mut Line, debt: i128) -> Result<(), Error> {
    let wanted = debt.min(i128::from(line.person_micro));
    let wanted = u128::try_from(wanted).map_err(|_| Error::Balance("a debt is negative"))?;
    let recovered = small(Grains::new(inputs.rules.set.grain).floor(wanted), "correction")?;
    line.adjust_micro = recovered.checked_neg().ok_or(Error::Overflow("correction"))?;
    let rest = debt.checked_sub(i128::from(recovered)).and_then(|rest| i64::try_from(rest).ok());
    line.debt_micro = rest.ok_or(Error::Overflow("correction"))?;
    Ok(())
}

/// Puts off the later tranches of what was earned now, and lets fall due what was put off until now.
fn vest(inputs: &Inputs, line: &mut Line, before: &[&Held]) -> Result<Vec<Held>, Error> {
    let tranches: Vec<u128> = inputs.rules.set.tranches.iter().copied().map(u128::from).collect();
    // By the settlements that are still to come.
    let mut held: BTreeMap<u32, i64> = BTreeMap::new();
    for part in before {
        let left = part.due.checked_sub(1).ok_or(Error::Balance("a held part was due before"))?;
        let sum = if left == 0 { &mut line.vested_micro } else { held.entry(left).or_default() };
        *sum = sum.checked_add(part.micro).ok_or(Error::Overflow("held part"))?;
    }
    if tranches.len() > 1 {
        let earned = line.person_micro.checked_add(line.adjust_micro);
        let earned = earned.and_then(|micro| u128::try_from(micro).ok());
        let earned = earned.ok_or(Error::Balance("a correction above what was earned"))?;
        let order: Vec<usize> = (0..tranches.len()).collect();
        let parts = Grains::new(inputs.rules.set.grain).give(earned, &tranches, &order)?.micro;
        for (due, micro) in (0_u32..).zip(parts).skip(1) {
            let micro = small(micro, "held part")?;
            let sum = held.entry(due).or_default();
            *sum = sum.checked_add(micro).ok_or(Error::Overflow("held part"))?;
            let sum = line.held_micro.checked_add(micro);
            line.held_micro = sum.ok_or(Error::Overflow("held part"))?;
        }
    }
    let part = |(due, micro)| Held { contributor: line.contributor.clone(), due, micro };
    Ok(held.into_iter().filter(|(_, micro)| *micro != 0).map(part).collect())
}

/// Draws the whole minor units of the balance if they reach the minimum, and withholds the tax of the
/// payee's country.
fn draw(inputs: &Inputs, line: &mut Line, country: Option<&str>, day: Date) -> Result<(), Error> {
    let more = [line.person_micro, line.adjust_micro, line.vested_micro];
    let balance = more.into_iter().try_fold(line.opening_micro, i64::checked_add);
    let balance = balance.and_then(|balance| balance.checked_sub(line.held_micro));
    let balance = balance.ok_or(Error::Overflow("balance"))?;
    (line.payable_minor, line.closing_micro) = pay(balance, inputs.rules.set.minimum_minor)?;
    let bps = i128::from(inputs.rules.set.tax_bps(country, day));
    // INVARIANT: 64 bits times a rate of 32 bits fit in 128, and a rate is the whole at most.
    let tax = i128::from(line.payable_minor).saturating_mul(bps).div_euclid(10_000);
    line.tax_minor = i64::try_from(tax).map_err(|_| Error::Overflow("tax"))?;
    let paid = line.payable_minor.checked_sub(line.tax_minor);
    line.paid_minor = paid.ok_or(Error::Overflow("tax"))?;
    Ok(())
}

/// Pays the whole minor units of a balance if they reach the minimum; returns what is paid and what
/// is carried, in millionths.
pub(in crate::reward) fn pay(balance_micro: i64, minimum_minor: u64) -> Result<(i64, i64), Error> {
    let balance = i128::from(balance_micro);
    let whole = balance.div_euclid(MICRO);
    if whole <= 0 || whole < i128::from(minimum_minor) {
        return Ok((0, balance_micro));
    }
    let fits = |value: i128| i64::try_from(value).map_err(|_| Error::Overflow("payment"));
    Ok((fits(whole)?, fits(balance.rem_euclid(MICRO))?))
}

/// Returns an amount that fits a column.
pub(in crate::reward) fn small(micro: u128, what: &'static str) -> Result<i64, Error> {
    i64::try_from(micro).map_err(|_| Error::Overflow(what))
}
