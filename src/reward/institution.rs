//! The institutions' part of a settlement: apportioned by what their released rows weigh, paid and
//! carried as people's parts are.
//!
//! Comes in: [`Inputs`], the part, rosters, the lines of the settlement before. Goes out: one line an
//! institution, their sums, and the Parquet object that holds them. Never: a millionth of a minor
//! unit that is nobody's, or an institution whose balance is left behind.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::{collections::BTreeMap, sync::Arc};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use bytes::Bytes;

use super::{
    Inputs, Line,
    line::{self, Ints, Texts, read_table, write_table},
    pool::InstitutionTotals,
    settle::{Error, Layer, base_weight, layer, pay, ranks},
};
use crate::{
    money::{Accrual, Amount},
    party::InstitutionId,
};

/// What one institution brought along, accrued, is paid and carries on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstitutionLine {
    /// Who.
    pub institution: InstitutionId,
    /// The sum of rows times quality over its people in the versions that the base layer pays for.
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
    /// One an institution, sorted; none where the pool's terms give institutions no part.
    pub institutions: Vec<InstitutionLine>,
}

/// The institutions' part given out.
pub(super) struct Part {
    pub(super) lines: Vec<InstitutionLine>,
    pub(super) totals: InstitutionTotals,
    /// What had no institution to go to.
    pub(super) unallocated: Amount,
}

/// Gives out the institutions' part: by weight, exactly, ties by the seed; what reaches the minimum is
/// paid, what does not is carried.
pub(super) fn share(
    inputs: &Inputs,
    part: Amount,
    rosters: &[RecordBatch],
    opening: &[InstitutionLine],
) -> Result<Part, Error> {
    let mut weights = weights(inputs, rosters)?;
    let before: BTreeMap<&InstitutionId, i64> =
        opening.iter().map(|l| (&l.institution, l.closing_micro)).collect();
    for line in opening.iter().filter(|l| l.closing_micro != 0) {
        weights.entry(line.institution.clone()).or_default();
    }
    let ids: Vec<&str> = weights.keys().map(InstitutionId::as_str).collect();
    let ranks = ranks(inputs, &ids);
    let all: Vec<u128> = weights.values().copied().collect();
    let Layer { micro, unallocated } = layer(part, &all, &ranks)?;
    let minimum = i64::try_from(inputs.rules.terms.minimum.minor()).unwrap_or(i64::MAX);
    let lines = weights
        .iter()
        .zip(micro)
        .map(|((institution, weight), accrued_micro)| {
            let opening_micro = before.get(institution).copied().unwrap_or_default();
            let balance = opening_micro.checked_add(accrued_micro);
            let (paid_minor, closing_micro) =
                pay(balance.ok_or(Error::Overflow("balance"))?, minimum)?;
            Ok(InstitutionLine {
                institution: institution.clone(),
                weight: *weight,
                accrued_micro,
                opening_micro,
                closing_micro,
                paid_minor,
            })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let total = |cell: fn(&InstitutionLine) -> i64| {
        let cells = lines.iter().map(|l| i128::from(cell(l)));
        cells.into_iter().try_fold(0_i128, i128::checked_add).ok_or(Error::Overflow("total"))
    };
    let currency = part.currency();
    let totals = InstitutionTotals {
        part,
        opening: Accrual::new(total(|l| l.opening_micro)?, currency),
        accrued: Accrual::new(total(|l| l.accrued_micro)?, currency),
        paid: Amount::new(total(|l| l.paid_minor)?, currency),
        carried: Accrual::new(total(|l| l.closing_micro)?, currency),
    };
    Ok(Part { lines, totals, unallocated })
}

/// Returns what each institution's rows weigh in the versions that the base layer pays for.
fn weights(
    inputs: &Inputs,
    rosters: &[RecordBatch],
) -> Result<BTreeMap<InstitutionId, u128>, Error> {
    let mut weights: BTreeMap<InstitutionId, u128> = BTreeMap::new();
    for (_, roster) in inputs.versions.iter().zip(rosters).filter(|(version, _)| version.base) {
        let institution = Texts::of(roster, "institution")?;
        let (rows, quality) = (Ints::of(roster, "rows")?, Ints::of(roster, "quality_ppm")?);
        for row in 0..roster.num_rows() {
            let sum = weights.entry(institution.institution(row)?).or_default();
            let weight = base_weight(&rows, &quality, row)?;
            *sum = sum.checked_add(weight).ok_or(Error::Overflow("institution's weight"))?;
        }
    }
    Ok(weights)
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
