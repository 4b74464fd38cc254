//! The accounts of institutions and of the platform: what they earned, are paid and carry.
//!
//! Comes in: their parts of what contributors earned, and the lines of the settlement before. Goes out:
//! one line an institution, their sums, and the Parquet object that holds them. Never: an institution
//! whose balance is left behind.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::{collections::BTreeMap, sync::Arc};

use arrow::array::{ArrayRef, Int64Array, StringArray};
use bytes::Bytes;

use super::{
    Held, Inputs, InstitutionTotals, Line,
    line::{self, Ints, Texts, read_table, write_table},
    settle::{
        Error,
        accounts::{pay, small},
        parts::{Parts, total},
        roster::Holdings,
    },
};
use crate::{
    money::{Accrual, Amount, Currency},
    party::InstitutionId,
};

/// What one institution brought along, accrued, is paid and carries on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstitutionLine {
    /// Who.
    pub institution: InstitutionId,
    /// The sum of records times quality over its people in the versions that the base layer pays for.
    pub weight: u128,
    /// Accrued, in millionths of a minor unit.
    pub accrued_micro: i64,
    /// Brought along, in millionths of a minor unit.
    pub opening_micro: i64,
    /// Carried on, in millionths of a minor unit.
    pub closing_micro: i64,
    /// Paid, in minor units.
    pub paid_minor: i64,
}

/// All lines of a settlement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// One a contributor, sorted.
    pub people: Vec<Line>,
    /// One an institution, sorted; none where the rules give institutions no part.
    pub institutions: Vec<InstitutionLine>,
    /// What people may not draw yet, sorted.
    pub held: Vec<Held>,
}

/// The lines of institutions, and their sums.
pub(super) type Shared = (Vec<InstitutionLine>, InstitutionTotals);

/// Settles the accounts of institutions: of all that are in a version read, and of those that bring
/// something along; `None` where the rules give them no part and nobody brings anything.
pub(super) fn settle(
    inputs: &Inputs,
    holdings: &Holdings,
    parts: &Parts,
    opening: &[InstitutionLine],
) -> Result<Option<Shared>, Error> {
    let brings = |line: &&InstitutionLine| line.closing_micro != 0;
    let currency = inputs.rules.currency;
    if inputs.rules.set.split.institution_bps == 0 && !opening.iter().any(|line| brings(&line)) {
        return Ok(None);
    }
    let weights = holdings.weights()?;
    let mut accounts: BTreeMap<&InstitutionId, (u128, i64, i64)> = BTreeMap::new();
    for (institution, (weight, micro)) in
        holdings.institutions.iter().zip(weights.iter().zip(&parts.by_institution))
    {
        accounts.insert(institution, (*weight, small(*micro, "institution's share")?, 0));
    }
    for line in opening.iter().filter(brings) {
        accounts.entry(&line.institution).or_default().2 = line.closing_micro;
    }
    let lines = accounts
        .into_iter()
        .map(|(institution, (weight, accrued_micro, opening_micro))| {
            let balance = opening_micro.checked_add(accrued_micro);
            let balance = balance.ok_or(Error::Overflow("balance"))?;
            let (paid_minor, closing_micro) = pay(balance, inputs.rules.set.minimum_minor)?;
            Ok(InstitutionLine {
                institution: institution.clone(),
                weight,
                accrued_micro,
                opening_micro,
                closing_micro,
                paid_minor,
            })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let sum = |cell: fn(&InstitutionLine) -> i64| {
        let cells = lines.iter().map(|l| i128::from(cell(l)));
        cells.into_iter().try_fold(0_i128, i128::checked_add).ok_or(Error::Overflow("total"))
    };
    let accrual = |micro| Accrual::new(micro, currency);
    let part = total(parts.by_institution.iter().copied().chain([parts.nobodys]))?;
    let totals = InstitutionTotals {
        part: exact(part, currency)?,
        opening: accrual(sum(|l| l.opening_micro)?),
        accrued: accrual(sum(|l| l.accrued_micro)?),
        paid: Amount::new(sum(|l| l.paid_minor)?, currency),
        carried: accrual(sum(|l| l.closing_micro)?),
    };
    Ok(Some((lines, totals)))
}

/// Settles the platform's account: whole minor units are paid at once; `None` where the rules give it
/// no part and it brings nothing along.
pub(super) fn platform(inputs: &Inputs, parts: &Parts) -> Result<Option<InstitutionTotals>, Error> {
    let currency = inputs.rules.currency;
    let before = inputs.opening.as_ref().and_then(|opening| opening.platform);
    let opening = before.unwrap_or(Accrual::new(0, currency));
    if inputs.rules.set.split.platform_bps == 0 && opening.micro() == 0 {
        return Ok(None);
    }
    let part = exact(total(parts.by_payee.iter().map(|[_, _, platform]| *platform))?, currency)?;
    let balance = opening.plus(part)?;
    let paid = balance.whole();
    let carried = balance.minus(paid.to_accrual()?)?;
    Ok(Some(InstitutionTotals { part, opening, accrued: part, paid, carried }))
}

fn exact(micro: u128, currency: Currency) -> Result<Accrual, Error> {
    let micro = i128::try_from(micro).map_err(|_| Error::Overflow("total"))?;
    Ok(Accrual::new(micro, currency))
}

/// Writes institutions' lines as Parquet.
pub fn write_institutions(lines: &[InstitutionLine]) -> Result<Bytes, line::Error> {
    let text = |cell: fn(&InstitutionLine) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(lines.iter().map(cell)))
    };
    let int = |cell: fn(&InstitutionLine) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(lines.iter().map(cell)))
    };
    write_table(vec![
        ("institution", text(|l| l.institution.as_str().to_owned())),
        ("weight", text(|l| l.weight.to_string())),
        ("accrued_micro", int(|l| l.accrued_micro)),
        ("opening_micro", int(|l| l.opening_micro)),
        ("closing_micro", int(|l| l.closing_micro)),
        ("paid_minor", int(|l| l.paid_minor)),
    ])
}

/// Reads institutions' lines from Parquet.
pub fn read_institutions(bytes: &Bytes) -> Result<Vec<InstitutionLine>, line::Error> {
    let batch = read_table(bytes)?;
    let institution = Texts::of(&batch, "institution")?;
    let weight = Texts::of(&batch, "weight")?;
    let accrued_micro = Ints::of(&batch, "accrued_micro")?;
    let opening_micro = Ints::of(&batch, "opening_micro")?;
    let closing_micro = Ints::of(&batch, "closing_micro")?;
    let paid_minor = Ints::of(&batch, "paid_minor")?;
    (0..batch.num_rows())
        .map(|row| {
            Ok(InstitutionLine {
                institution: institution.institution(row)?,
                weight: weight.weight(row)?,
                accrued_micro: accrued_micro.get(row)?,
                opening_micro: opening_micro.get(row)?,
                closing_micro: closing_micro.get(row)?,
                paid_minor: paid_minor.get(row)?,
            })
        })
        .collect()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test that wraps fails")]
mod tests;
