//! Whose records each question drew on, without those of the institution that asks, and what that was
//! worth.
//!
//! Comes in: usage, rosters, relations. Goes out: one [`Use`] a contributor and question.
//! Never: a payer that is paid for its own data.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;

use super::{
    Error,
    roster::{Entry, Payees},
};
use crate::{
    party::InstitutionId,
    reward::{
        Inputs, QueryInput, apportion,
        draw::{self, Draw, draws},
        rules::UsageWeight,
    },
};

/// What one question drew from one contributor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The place of the contributor's line.
    pub line: usize,
    /// The place of the question in [`Inputs::queries`].
    pub query: usize,
    /// The rows it drew from this contributor.
    pub rows: u64,
    /// Those of them that count: not those of the institution that asked.
    pub counted: u64,
    /// The share units that this was worth.
    pub units: u128,
}

/// Finds all uses, sorted by line and question.
pub(super) fn uses(
    inputs: &Inputs,
    weigh: UsageWeight,
    rosters: &[Vec<Entry>],
    usage: &[RecordBatch],
    payees: &Payees,
) -> Result<Vec<Use>, Error> {
    let mut uses = Vec::new();
    let mut met = 0_usize;
    for (version, roster) in inputs.versions.iter().zip(rosters) {
        let asks = |q: &QueryInput| q.dataset == version.dataset && q.version == version.version;
        let (places, queries): (Vec<usize>, Vec<&QueryInput>) =
            inputs.queries.iter().enumerate().filter(|(_, q)| asks(q)).unzip();
        if places.is_empty() {
            continue;
        }
        met = met.saturating_add(places.len());
        let behind = roster
            .iter()
            .map(|entry| {
                let payee = u32::try_from(payees.known(&entry.contributor)?);
                let payee = payee.map_err(|_| Error::Overflow("number of payees"))?;
                Ok((entry.pseudonym.as_str(), payee))
            })
            .collect::<Result<draw::Behind<'_>, Error>>()?;
        let lines: Vec<RecordBatch> =
            places.iter().filter_map(|q| usage.get(*q)).cloned().collect();
        let drawn = draws(&behind, &lines).map_err(|source| Error::Usage {
            dataset: version.dataset.clone(),
            version: version.version,
            source,
        })?;
        let held = Held::of(roster, payees)?;
        for of_one in drawn.chunk_by(|a, b| a.query == b.query) {
            let at = of_one.first().and_then(|d| usize::try_from(d.query).ok());
            let place = at.and_then(|at| places.get(at));
            let asked = at.and_then(|at| queries.get(at));
            let (Some(place), Some(asked)) = (place, asked) else {
                return Err(Error::Overflow("number of questions"));
            };
            let payer = inputs.payer(asked);
            let counted = of_one
                .iter()
                .map(|draw| held.counted(draw, payees, &payer))
                .collect::<Result<Vec<u64>, Error>>()?;
            let units = units(asked, weigh, of_one, &counted, payees)?;
            for ((draw, counted), units) in of_one.iter().zip(counted).zip(units) {
                let line = place_of(draw)?;
                uses.push(Use { line, query: *place, rows: draw.rows, counted, units });
            }
        }
    }
    if met != inputs.queries.len() {
        let known = |q: &QueryInput| {
            inputs.versions.iter().any(|v| v.dataset == q.dataset && v.version == q.version)
        };
        let stray = inputs.queries.iter().find(|q| !known(q)).map(|q| q.commit);
        return Err(Error::Version(stray.unwrap_or_default()));
    }
    uses.sort_unstable();
    Ok(uses)
}

/// Returns what each draw of a question is worth.
fn units(
    asked: &QueryInput,
    weigh: UsageWeight,
    drawn: &[Draw],
    counted: &[u64],
    payees: &Payees,
) -> Result<Vec<u128>, Error> {
    let price = u128::from(asked.price);
    match weigh {
        UsageWeight::Record => {
            Ok(counted.iter().map(|rows| price.saturating_mul(u128::from(*rows))).collect())
        }
        UsageWeight::Question => {
            let units = price.saturating_mul(u128::from(crate::reward::inputs::UNITS_PER_QUERY));
            let weights: Vec<u128> = counted.iter().map(|rows| u128::from(*rows)).collect();
            let keys = drawn
                .iter()
                .map(|draw| Ok(payees.rank(place_of(draw)?)))
                .collect::<Result<Vec<u32>, Error>>()?;
            Ok(apportion(units, &weights, &keys)?.shares)
        }
    }
}

fn place_of(draw: &Draw) -> Result<usize, Error> {
    usize::try_from(draw.payee).map_err(|_| Error::Overflow("number of payees"))
}

/// The records of each contributor of one version, by institution.
struct Held<'a>(BTreeMap<usize, Vec<(&'a InstitutionId, u64)>>);

impl<'a> Held<'a> {
    fn of(roster: &'a [Entry], payees: &Payees) -> Result<Self, Error> {
        let mut held: BTreeMap<usize, Vec<(&InstitutionId, u64)>> = BTreeMap::new();
        for entry in roster {
            let records = held.entry(payees.known(&entry.contributor)?).or_default();
            records.push((&entry.institution, entry.records));
        }
        Ok(Self(held))
    }

    /// Returns which of the rows drawn count: in the proportion in which the contributor's records are
    /// not the payer's, rounded down.
    fn counted(
        &self,
        draw: &Draw,
        payees: &Payees,
        payer: &BTreeSet<&InstitutionId>,
    ) -> Result<u64, Error> {
        let at = place_of(draw)?;
        if payees.excluded.get(at) != Some(&false) {
            return Ok(0);
        }
        let records = self.0.get(&at).map(Vec::as_slice).unwrap_or_default();
        if !records.iter().any(|(institution, _)| payer.contains(institution)) {
            return Ok(draw.rows);
        }
        let sum = |others: bool| {
            let counts = records.iter().filter(|(at, _)| !others || !payer.contains(at));
            counts.fold(0_u128, |sum, (_, records)| sum.saturating_add(u128::from(*records)))
        };
        let rows = u128::from(draw.rows).checked_mul(sum(true)).ok_or(Error::Overflow("use"))?;
        let rows = rows.checked_div(sum(false)).unwrap_or_default();
        u64::try_from(rows).map_err(|_| Error::Overflow("use"))
    }
}
