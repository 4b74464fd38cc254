//! A period's money turned into lines: fee, layers, weights, accrual, payout, carry.
//!
//! Comes in: [`Inputs`] and the tables they name. Goes out: a [`Settlement`]; the same inputs give
//! the same one. Never: a millionth of a cent that is nobody's, or a negative balance.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::collections::BTreeMap;

use arrow::array::RecordBatch;

use super::{
    ApportionError, Inputs, InstitutionLine, Line, Totals, apportion,
    draw::{self, draws},
    inputs::UNITS_PER_QUERY,
    institution,
    line::{self, Ints, Texts},
    pool::sum,
};
use crate::{
    digest::Sha3Digest,
    money::{self, Accrual, Amount, MICRO},
    party::ContributorId,
};

/// What a settlement comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// One line a contributor, sorted by contributor.
    pub lines: Vec<Line>,
    /// One line an institution, sorted; none where the terms give institutions no part.
    pub institutions: Vec<InstitutionLine>,
    /// The sums.
    pub totals: Totals,
    /// The sum of all base weights.
    pub base_weight: u128,
    /// The sum of all usage weights.
    pub usage_weight: u128,
    /// Each use of each contributor, sorted by line and question.
    pub uses: Vec<Use>,
}

impl Settlement {
    /// Returns the uses of one line.
    pub fn uses_of(&self, line: usize) -> &[Use] {
        let from = self.uses.partition_point(|u| u.line < line);
        let until = self.uses.partition_point(|u| u.line <= line);
        self.uses.get(from..until).unwrap_or_default()
    }
}

/// What one question drew from one contributor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The place of the contributor's line.
    pub line: usize,
    /// The place of the question in [`Inputs::queries`].
    pub query: usize,
    /// The rows it drew from this contributor.
    pub rows: u64,
    /// The share units that this was worth.
    pub units: u128,
}

/// Why a period cannot be settled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no money to give out.
    #[error("the pool holds nothing that came in before the period's end")]
    Empty,
    /// A sum does not fit.
    #[error(transparent)]
    Money(#[from] money::Error),
    /// An amount could not be apportioned.
    #[error("an amount could not be apportioned")]
    Apportion(#[from] ApportionError),
    /// A number does not fit its column.
    #[error("the {0} does not fit")]
    Overflow(&'static str),
    /// A roster or a settlement's lines cannot be read.
    #[error("a roster or the lines of the settlement before cannot be read")]
    Table(#[from] line::Error),
    /// The usage of a version does not fit its roster.
    #[error("the usage of version {version} of dataset `{dataset}`")]
    Usage {
        /// The dataset.
        dataset: String,
        /// The version.
        version: u64,
        /// What is wrong.
        #[source]
        source: draw::Error,
    },
    /// The tables are not those that the inputs name.
    #[error("the inputs name {named} {what}, and {given} were given")]
    Tables {
        /// What kind.
        what: &'static str,
        /// How many are named.
        named: usize,
        /// How many were given.
        given: usize,
    },
    /// A question asked a version that is not among the inputs.
    #[error("usage commit {0} asked a version that is not among the inputs")]
    Version(u64),
    /// The books would not balance: a bug.
    #[error("the settlement does not balance: {0}")]
    Balance(&'static str),
}

/// Settles a period. `rosters` stand in the order of [`Inputs::versions`], `usage` (the lines of
/// each question) in that of [`Inputs::queries`]; `opening` are the lines of the settlement before,
/// `institutions` its institutions' lines.
pub fn settle(
    inputs: &Inputs,
    rosters: &[RecordBatch],
    usage: &[RecordBatch],
    opening: &[Line],
    institutions: &[InstitutionLine],
) -> Result<Settlement, Error> {
    same("rosters", inputs.versions.len(), rosters.len())?;
    same("usage tables", inputs.queries.len(), usage.len())?;
    let currency = inputs.rules.currency;
    let received = sum(currency, inputs.funded.iter().map(|f| f.amount))?;
    let terms = &inputs.rules.terms;
    let fee = received.portion_floor(terms.fee_bps, 10_000)?;
    let given_out = received.plus(inputs.returned)?.minus(fee)?;
    if received.plus(inputs.returned)?.minor() <= 0 {
        return Err(Error::Empty);
    }
    let part = given_out.portion_floor(terms.institution_ppm, MILLION)?;
    let shared = if terms.institution_ppm > 0 || !institutions.is_empty() {
        Some(institution::share(inputs, part, rosters, institutions)?)
    } else {
        None
    };
    let rosters = rosters.iter().map(Roster::read).collect::<Result<Vec<_>, _>>()?;
    let payees = Payees::find(inputs, &rosters, opening);

    let base_weights = base_weights(inputs, &rosters, &payees)?;
    let uses = uses(inputs, &rosters, usage, &payees)?;
    let mut usage_weights = vec![0_u128; payees.ids.len()];
    for used in &uses {
        if let Some(weight) = usage_weights.get_mut(used.line) {
            *weight = weight.checked_add(used.units).ok_or(Error::Overflow("usage weight"))?;
        }
    }

    let layers = [u128::from(terms.base_ppm), u128::from(terms.usage_ppm)];
    let pots = apportion(natural(given_out.minus(part)?.minor())?, &layers, &[0_u8, 1])?.shares;
    let mut pots = pots.into_iter().map(|p| i128::try_from(p).unwrap_or(i128::MAX));
    let base = Amount::new(pots.next().unwrap_or_default(), currency);
    let used = Amount::new(pots.next().unwrap_or_default(), currency);
    let base_shares = layer(base, &base_weights, &payees.ranks)?;
    let usage_shares = layer(used, &usage_weights, &payees.ranks)?;
    let mut unallocated = base_shares.unallocated.plus(usage_shares.unallocated)?;
    if let Some(shared) = &shared {
        unallocated = unallocated.plus(shared.unallocated)?;
    }

    let minimum = i64::try_from(terms.minimum.minor()).unwrap_or(i64::MAX);
    let before: BTreeMap<&ContributorId, i64> =
        opening.iter().map(|l| (&l.contributor, l.closing_micro)).collect();
    let mut lines = Vec::with_capacity(payees.ids.len());
    let weights = base_weights.iter().zip(&usage_weights);
    let shares = base_shares.micro.iter().zip(&usage_shares.micro);
    for ((id, (&base_weight, &usage_weight)), (&base_micro, &usage_micro)) in
        payees.ids.iter().zip(weights).zip(shares)
    {
        let opening_micro = before.get(id).copied().unwrap_or_default();
        let balance = opening_micro
            .checked_add(base_micro)
            .and_then(|sum| sum.checked_add(usage_micro))
            .ok_or(Error::Overflow("balance"))?;
        let (paid_minor, closing_micro) = pay(balance, minimum)?;
        lines.push(Line {
            contributor: id.clone(),
            base_weight,
            usage_weight,
            base_micro,
            usage_micro,
            opening_micro,
            closing_micro,
            paid_minor,
        });
    }
    let total = |cell: fn(&Line) -> i64| -> Result<i128, Error> {
        let cells = lines.iter().map(|l| i128::from(cell(l)));
        cells.into_iter().try_fold(0_i128, i128::checked_add).ok_or(Error::Overflow("total"))
    };
    let (base_micro, usage_micro) = (total(|l| l.base_micro)?, total(|l| l.usage_micro)?);
    let accrued = base_micro.checked_add(usage_micro).ok_or(Error::Overflow("total"))?;
    let totals = Totals {
        received,
        returned: inputs.returned,
        fee,
        base,
        usage: used,
        unallocated,
        opening: Accrual::new(total(|l| l.opening_micro)?, currency),
        accrued: Accrual::new(accrued, currency),
        paid: Amount::new(total(|l| l.paid_minor)?, currency),
        carried: Accrual::new(total(|l| l.closing_micro)?, currency),
        institutions: shared.as_ref().map(|shared| shared.totals.clone()),
    };
    balance(&totals, opening, institutions)?;
    let institutions = shared.map(|shared| shared.lines).unwrap_or_default();
    let base_weight = whole(&base_weights)?;
    let usage_weight = whole(&usage_weights)?;
    Ok(Settlement { lines, institutions, totals, base_weight, usage_weight, uses })
}

/// Pays the whole minor units of a balance if they reach the minimum; returns what is paid and what
/// is carried, in millionths.
pub(super) fn pay(balance_micro: i64, minimum_minor: i64) -> Result<(i64, i64), Error> {
    const MICRO_64: i64 = 1_000_000;
    let whole = balance_micro.div_euclid(MICRO_64);
    if whole >= minimum_minor && whole > 0 {
        let paid = whole.checked_mul(MICRO_64).ok_or(Error::Overflow("payment"))?;
        let carried = balance_micro.checked_sub(paid).ok_or(Error::Overflow("carry"))?;
        Ok((whole, carried))
    } else {
        Ok((0, balance_micro))
    }
}

// INVARIANT: received + returned = fee + accrued + institutions' accrued + unallocated, and for people
// as for institutions opening + accrued = paid + carried, all to the millionth of a minor unit.
fn balance(
    totals: &Totals,
    opening: &[Line],
    institutions: &[InstitutionLine],
) -> Result<(), Error> {
    let micro = |amount: Amount| Ok::<i128, money::Error>(amount.to_accrual()?.micro());
    let (received, returned) = (micro(totals.received)?, micro(totals.returned)?);
    let sides = |parts: &[i128]| {
        parts.iter().try_fold(0_i128, |sum, p| sum.checked_add(*p)).ok_or(Error::Overflow("total"))
    };
    let (fee, unallocated) = (micro(totals.fee)?, micro(totals.unallocated)?);
    let (accrued, paid) = (totals.accrued.micro(), micro(totals.paid)?);
    let shared = totals.institutions.as_ref();
    let theirs = shared.map_or(0, |shared| shared.accrued.micro());
    if sides(&[received, returned])? != sides(&[fee, accrued, theirs, unallocated])? {
        return Err(Error::Balance("what came in is not what was given out"));
    }
    if sides(&[totals.opening.micro(), accrued])? != sides(&[paid, totals.carried.micro()])? {
        return Err(Error::Balance("what was earned is not what is paid and carried"));
    }
    if let Some(shared) = shared {
        let paid = micro(shared.paid)?;
        if sides(&[shared.opening.micro(), theirs])? != sides(&[paid, shared.carried.micro()])? {
            return Err(Error::Balance("what institutions earned is not what they get"));
        }
    }
    let brought: Vec<i128> = opening.iter().map(|l| i128::from(l.closing_micro)).collect();
    let before: Vec<i128> = institutions.iter().map(|l| i128::from(l.closing_micro)).collect();
    if sides(&brought)? != totals.opening.micro()
        || sides(&before)? != shared.map_or(0, |shared| shared.opening.micro())
    {
        return Err(Error::Balance("somebody's balance was left behind"));
    }
    Ok(())
}

/// A roster's columns.
struct Roster {
    people: Vec<(ContributorId, String, u128)>,
}

impl Roster {
    fn read(batch: &RecordBatch) -> Result<Self, Error> {
        let contributor = Texts::of(batch, "contributor")?;
        let pseudonym = Texts::of(batch, "pseudonym")?;
        let rows = Ints::of(batch, "rows")?;
        let quality = Ints::of(batch, "quality_ppm")?;
        let people = (0..batch.num_rows())
            .map(|row| {
                let weight = base_weight(&rows, &quality, row)?;
                Ok((contributor.person(row)?, pseudonym.get(row)?.to_owned(), weight))
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self { people })
    }
}

/// Returns what a line of a roster weighs: its rows times their quality.
pub(super) fn base_weight(rows: &Ints, quality: &Ints, row: usize) -> Result<u128, Error> {
    u128::from(rows.natural(row)?)
        .checked_mul(u128::from(quality.natural(row)?))
        .ok_or(Error::Overflow("base weight"))
}

/// Everybody whom a settlement could concern, sorted, each with the rank of its tie key.
struct Payees {
    ids: Vec<ContributorId>,
    ranks: Vec<u32>,
}

impl Payees {
    fn find(inputs: &Inputs, rosters: &[Roster], opening: &[Line]) -> Self {
        let mut ids: Vec<ContributorId> = rosters
            .iter()
            .flat_map(|r| r.people.iter().map(|(id, _, _)| id))
            .chain(opening.iter().filter(|l| l.closing_micro != 0).map(|l| &l.contributor))
            .cloned()
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let names: Vec<&str> = ids.iter().map(ContributorId::as_str).collect();
        let ranks = ranks(inputs, &names);
        Self { ids, ranks }
    }

    fn place(&self, id: &ContributorId) -> Option<usize> {
        self.ids.binary_search(id).ok()
    }
}

/// Returns the rank of each payee's tie key.
pub(super) fn ranks(inputs: &Inputs, payees: &[&str]) -> Vec<u32> {
    let mut order: Vec<(Sha3Digest, usize)> =
        payees.iter().enumerate().map(|(at, id)| (inputs.tie_key(id), at)).collect();
    order.sort_unstable();
    let mut ranks = vec![0; payees.len()];
    for (rank, (_, at)) in (0_u32..).zip(order) {
        if let Some(place) = ranks.get_mut(at) {
            *place = rank;
        }
    }
    ranks
}

fn base_weights(inputs: &Inputs, rosters: &[Roster], payees: &Payees) -> Result<Vec<u128>, Error> {
    let mut weights = vec![0_u128; payees.ids.len()];
    for (version, roster) in inputs.versions.iter().zip(rosters) {
        if !version.base {
            continue;
        }
        for (id, _, weight) in &roster.people {
            if let Some(sum) = payees.place(id).and_then(|at| weights.get_mut(at)) {
                *sum = sum.checked_add(*weight).ok_or(Error::Overflow("base weight"))?;
            }
        }
    }
    Ok(weights)
}

/// Splits each question's share units over those whose rows it drew on.
fn uses(
    inputs: &Inputs,
    rosters: &[Roster],
    usage: &[RecordBatch],
    payees: &Payees,
) -> Result<Vec<Use>, Error> {
    let asks = |q: usize, dataset: &str, version: u64| {
        inputs.queries.get(q).is_some_and(|q| q.dataset == dataset && q.version == version)
    };
    let mut uses = Vec::new();
    let mut met = 0_usize;
    for (version, roster) in inputs.versions.iter().zip(rosters) {
        let places: Vec<usize> = (0..inputs.queries.len())
            .filter(|q| asks(*q, &version.dataset, version.version))
            .collect();
        if places.is_empty() {
            continue;
        }
        met = met.saturating_add(places.len());
        let behind = roster
            .people
            .iter()
            .map(|(id, pseudonym, _)| {
                let payee = payees.place(id).and_then(|at| u32::try_from(at).ok());
                Ok((pseudonym.as_str(), payee.ok_or(Error::Overflow("number of payees"))?))
            })
            .collect::<Result<draw::Behind<'_>, Error>>()?;
        let lines: Vec<RecordBatch> =
            places.iter().filter_map(|q| usage.get(*q)).cloned().collect();
        let (dataset, number) = (version.dataset.clone(), version.version);
        let drawn = draws(&behind, &lines).map_err(|source| Error::Usage {
            dataset,
            version: number,
            source,
        })?;
        for of_one in drawn.chunk_by(|a, b| a.query == b.query) {
            let query = of_one.first().and_then(|d| usize::try_from(d.query).ok());
            let query = query.and_then(|q| places.get(q)).copied();
            let query = query.ok_or(Error::Overflow("number of questions"))?;
            split(inputs, query, of_one, &payees.ranks, &mut uses)?;
        }
    }
    if met != inputs.queries.len() {
        let known = |q: &super::QueryInput| {
            inputs.versions.iter().any(|v| v.dataset == q.dataset && v.version == q.version)
        };
        let stray = inputs.queries.iter().find(|q| !known(q)).map(|q| q.commit);
        return Err(Error::Version(stray.unwrap_or_default()));
    }
    uses.sort_unstable();
    Ok(uses)
}

fn split(
    inputs: &Inputs,
    query: usize,
    drawn: &[draw::Draw],
    ranks: &[u32],
    uses: &mut Vec<Use>,
) -> Result<(), Error> {
    let price = inputs.queries.get(query).map_or(0, |q| q.price);
    let units = u128::from(UNITS_PER_QUERY).saturating_mul(u128::from(price));
    let line = |d: &draw::Draw| usize::try_from(d.payee).unwrap_or(usize::MAX);
    let weights: Vec<u128> = drawn.iter().map(|d| u128::from(d.rows)).collect();
    let keys: Vec<u32> =
        drawn.iter().map(|d| ranks.get(line(d)).copied().unwrap_or(u32::MAX)).collect();
    let shares = apportion(units, &weights, &keys)?.shares;
    uses.extend(drawn.iter().zip(shares).map(|(d, units)| Use {
        line: line(d),
        query,
        rows: d.rows,
        units,
    }));
    Ok(())
}

/// A layer given out.
pub(super) struct Layer {
    pub(super) micro: Vec<i64>,
    pub(super) unallocated: Amount,
}

pub(super) fn layer(pot: Amount, weights: &[u128], ranks: &[u32]) -> Result<Layer, Error> {
    let micro = natural(pot.to_accrual()?.micro())?;
    let given = apportion(micro, weights, ranks)?;
    let nobody = given.unallocated > 0 || micro == 0;
    let micro = given
        .shares
        .into_iter()
        .map(|share| i64::try_from(share).map_err(|_| Error::Overflow("share")))
        .collect::<Result<_, _>>()?;
    let unallocated = if nobody { pot } else { Amount::zero(pot.currency()) };
    Ok(Layer { micro, unallocated })
}

fn whole(weights: &[u128]) -> Result<u128, Error> {
    weights
        .iter()
        .try_fold(0_u128, |sum, w| sum.checked_add(*w))
        .ok_or(Error::Overflow("sum of weights"))
}

fn natural(value: i128) -> Result<u128, Error> {
    u128::try_from(value).map_err(|_| Error::Balance("an amount is negative"))
}

fn same(what: &'static str, named: usize, given: usize) -> Result<(), Error> {
    if named == given { Ok(()) } else { Err(Error::Tables { what, named, given }) }
}

/// Millionths of a whole.
const MILLION: u32 = 1_000_000;

// INVARIANT: the two constants of a millionth are one.
const _: () = assert!(MICRO == 1_000_000);

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test that wraps fails, and names arrays by their trait"
)]
pub(super) mod tests;
