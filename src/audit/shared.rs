//! What institutions are due, reckoned anew from rosters, and compared line by line.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::Value;

use super::{
    Audit, Check, Evidence,
    apportion::shares,
    released::Versions,
    shape::{InstitutionTotals, Settled, Terms},
    table::{self, ascends, ints, object, texts},
};
use crate::{
    digest::{Sha3Digest, hmac_sha3_parts},
    money::{Accrual, Amount, Currency},
    store,
};

/// One institution's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) institution: String,
    pub(super) weight: u128,
    pub(super) accrued_micro: i64,
    pub(super) opening_micro: i64,
    pub(super) closing_micro: i64,
    pub(super) paid_minor: i64,
}

/// What institutions are due in one settlement.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) lines: Vec<Share>,
    pub(super) totals: InstitutionTotals,
    /// What had no institution to go to, in minor units.
    pub(super) left: u128,
}

/// Reckons what institutions are due of what remains after the fee; `None` where a number does not fit
/// or a roster is missing.
pub(super) fn reckon(
    versions: &Versions,
    expected: &Value,
    seed: &Sha3Digest,
    terms: &Terms,
    remains: u128,
    opening: &[Share],
) -> Option<Due> {
    let currency: Currency = terms.minimum.currency();
    let part = remains.checked_mul(u128::from(terms.institution_ppm))?.checked_div(1_000_000)?;
    let mut weights: BTreeMap<&str, u128> = BTreeMap::new();
    for version in expected.get("versions")?.as_array()? {
        if !version.get("base")?.as_bool()? {
            continue;
        }
        let dataset = version.get("dataset")?.as_str()?.to_owned();
        for line in &versions.get(&(dataset, version.get("version")?.as_u64()?))?.roster {
            let weight = u128::from(line.rows).checked_mul(u128::from(line.quality))?;
            let sum = weights.entry(&line.institution).or_default();
            *sum = sum.checked_add(weight)?;
        }
    }
    let before: BTreeMap<&str, i64> =
        opening.iter().map(|l| (l.institution.as_str(), l.closing_micro)).collect();
    for (institution, balance) in &before {
        if *balance != 0 {
            weights.entry(institution).or_default();
        }
    }
    let tie = |id: &str| Sha3Digest::of(&[seed.as_bytes().as_slice(), id.as_bytes()].concat());
    let claims: Vec<(u128, Sha3Digest)> = weights.iter().map(|(id, w)| (*w, tie(id))).collect();
    let nobody = claims.iter().all(|(weight, _)| *weight == 0);
    let micro = shares(part.checked_mul(1_000_000)?, &claims)?;
    let mut lines = Vec::new();
    let mut sums = [0_i128; 4];
    for ((institution, weight), micro) in weights.iter().zip(micro) {
        let accrued_micro = i64::try_from(micro).ok()?;
        let opening_micro = before.get(institution).copied().unwrap_or(0);
        let balance = opening_micro.checked_add(accrued_micro)?;
        let whole = balance.div_euclid(1_000_000);
        let enough = whole > 0 && i128::from(whole) >= terms.minimum.minor();
        let paid_minor = if enough { whole } else { 0 };
        let closing_micro = balance.checked_sub(paid_minor.checked_mul(1_000_000)?)?;
        let cells = [opening_micro, accrued_micro, paid_minor, closing_micro];
        for (sum, cell) in sums.iter_mut().zip(cells) {
            *sum = sum.checked_add(i128::from(cell))?;
        }
        lines.push(Share {
            institution: (*institution).to_owned(),
            weight: *weight,
            accrued_micro,
            opening_micro,
            closing_micro,
            paid_minor,
        });
    }
    let [opening, accrued, paid, carried] = sums;
    let accrual = |micro: i128| Accrual::new(micro, currency);
    let totals = InstitutionTotals {
        part: Amount::new(i128::try_from(part).ok()?, currency),
        opening: accrual(opening),
        accrued: accrual(accrued),
        paid: Amount::new(paid, currency),
        carried: accrual(carried),
    };
    Some(Due { lines, totals, left: if nobody { part } else { 0 } })
}

/// Compares the recorded lines with those that are due; `due` is `None` where the terms give
/// institutions no part.
pub(super) fn compare(
    evidence: &Evidence,
    audit: &mut Audit,
    path: &str,
    act: &Settled,
    due: Option<&Due>,
) -> Result<(), store::Error> {
    let told = act.institution_lines.is_some() == due.is_some();
    let fault = "its institutions' lines are there without a part, or a part without lines";
    audit.check(Check::Lines, path, told, fault);
    let Some(at) = &act.institution_lines else { return Ok(()) };
    let bytes = object(audit, &evidence.vault, "vault", &at.path, &at.digest)?;
    let name = format!("vault/{}", at.path);
    let recorded = bytes.and_then(recorded);
    audit.check(Check::Lines, &name, recorded.is_some(), "it holds what are no lines");
    let (Some(recorded), Some(due)) = (recorded, due) else { return Ok(()) };
    let names: Vec<&String> = recorded.iter().map(|l| &l.institution).collect();
    audit.check(Check::Once, &name, ascends(&names), "it is out of order, or pays one twice");
    for line in &due.lines {
        let good = recorded.contains(line);
        audit.check(Check::Lines, &name, good, "an institution's line is not what it should be");
    }
    let due: BTreeSet<&str> = due.lines.iter().map(|l| l.institution.as_str()).collect();
    let all = recorded.len() == due.len();
    audit.check(Check::Lines, &name, all, "it has lines that are nobody's");
    Ok(())
}

/// The keyed commitment to the institutions' lines that the entry of a settlement holds.
pub(super) fn commitment(evidence: &Evidence, act: &Settled, lines: &Sha3Digest) -> [u8; 32] {
    let (pool, period) = (act.pool.as_bytes(), act.period.as_bytes());
    let parts = [b"rdm/payout-institutions/v1".as_slice(), pool, period, lines.as_bytes()];
    hmac_sha3_parts(&evidence.secrets.payout_lines, &parts)
}

fn recorded(bytes: Bytes) -> Option<Vec<Share>> {
    let mut lines = Vec::new();
    for batch in table::batches(bytes)? {
        let (institution, weight) = (texts(&batch, "institution")?, texts(&batch, "weight")?);
        let of = |name| ints(&batch, name);
        let (accrued, opening) = (of("accrued_micro")?, of("opening_micro")?);
        let (closing, paid) = (of("closing_micro")?, of("paid_minor")?);
        for row in 0..batch.num_rows() {
            lines.push(Share {
                institution: institution.value(row).to_owned(),
                weight: weight.value(row).parse().ok()?,
                accrued_micro: accrued.value(row),
                opening_micro: opening.value(row),
                closing_micro: closing.value(row),
                paid_minor: paid.value(row),
            });
        }
    }
    Some(lines)
}
