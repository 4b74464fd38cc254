//! The books of a settlement, closed to the millionth of a minor unit before anything is recorded.
//!
//! Comes in: a settlement, and what it began with. Goes out: nothing, or the side that is off.
//! Never: a settlement that makes or loses money.

use super::{Error, Settlement};
use crate::{
    money::{self, Amount},
    reward::{Inputs, Lines},
};

/// Checks that every side of a settlement's books is the other.
pub(super) fn check(
    inputs: &Inputs,
    settlement: &Settlement,
    opening: &Lines,
    nobodys: u128,
) -> Result<(), Error> {
    let totals = &settlement.totals;
    let micro = |amount: Amount| Ok::<i128, money::Error>(amount.to_accrual()?.micro());
    let nobodys = i128::try_from(nobodys).map_err(|_| Error::Overflow("total"))?;
    let negative = |micro: i128| micro.checked_neg().ok_or(Error::Overflow("total"));
    let (fee, reserve) = (micro(totals.fee)?, micro(totals.reserve)?);
    let (person, adjusted) = (totals.person.micro(), totals.adjusted.micro());
    let (gross, held) = (totals.gross.micro(), totals.held.micro());
    let unallocated = totals.unallocated.micro();
    equal(
        [micro(totals.received)?, inputs.returned.micro(), nobodys, negative(adjusted)?],
        [fee, reserve, gross, unallocated],
        "what came in is not what was given out",
    )?;
    equal(
        [gross],
        [person, totals.institution.micro(), totals.platform.micro()],
        "what was earned is not its parts",
    )?;
    equal(
        [totals.opening.micro(), person, adjusted, totals.vested.micro()],
        [held, micro(totals.payable)?, totals.carried.micro()],
        "what people earned is not what is drawn, held and carried",
    )?;
    equal([micro(totals.payable)?], [micro(totals.tax)?, micro(totals.paid)?], "a tax is lost")?;
    let parts = |parts: &[crate::reward::Held]| sum(parts.iter().map(|p| i128::from(p.micro)));
    equal(
        [parts(&opening.held)?, held],
        [totals.vested.micro(), parts(&settlement.held)?],
        "what people may not draw yet is lost",
    )?;
    let brought = sum(opening.people.iter().map(|line| i128::from(line.closing_micro)))?;
    equal([brought], [totals.opening.micro()], "somebody's balance was left behind")?;
    let brought = sum(opening.institutions.iter().map(|line| i128::from(line.closing_micro)))?;
    let shared = totals.institutions.as_ref();
    equal(
        [brought],
        [shared.map_or(0, |sums| sums.opening.micro())],
        "an institution's balance was left behind",
    )?;
    equal(
        [totals.institution.micro()],
        [shared.map_or(0, |sums| sums.accrued.micro()), nobodys],
        "the institutions' part is not what they are given",
    )?;
    for sums in [shared, totals.platform_account.as_ref()].into_iter().flatten() {
        equal(
            [sums.opening.micro(), sums.accrued.micro()],
            [micro(sums.paid)?, sums.carried.micro()],
            "what an institution or the platform earned is not what it gets",
        )?;
    }
    let sound = |line: &crate::reward::Line| {
        let [base, usage, new, value, gross, institution, platform, person, adjust, rest @ ..] =
            line.amounts();
        let positive = [base, usage, new, value, gross, institution, platform, person];
        adjust <= 0 && positive.into_iter().chain(rest).all(|amount| amount >= 0)
    };
    if settlement.lines.iter().all(sound) && unallocated >= 0 {
        Ok(())
    } else {
        Err(Error::Balance("an amount is negative"))
    }
}

fn equal<const A: usize, const B: usize>(
    left: [i128; A],
    right: [i128; B],
    fault: &'static str,
) -> Result<(), Error> {
    if sum(left)? == sum(right)? { Ok(()) } else { Err(Error::Balance(fault)) }
}

fn sum(parts: impl IntoIterator<Item = i128>) -> Result<i128, Error> {
    parts.into_iter().try_fold(0_i128, i128::checked_add).ok_or(Error::Overflow("total"))
}
