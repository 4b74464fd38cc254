//! A period's money turned into lines: fee, layers, cap, split, corrections, vesting, tax, payout, carry.
//!
//! Comes in: [`Inputs`] and the [`Tables`] they name. Goes out: a [`Settlement`]; the same inputs give
//! the same one. Never: a millionth of a cent that is nobody's, or a negative balance.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

pub(super) mod accounts;
mod balance;
mod grains;
mod layers;
pub(super) mod parts;
pub(super) mod roster;
mod uses;

use arrow::array::RecordBatch;

use self::{
    layers::LayerShare,
    parts::{Known, Parts, total},
    roster::{Holdings, Payees},
};
pub use self::{roster::contributors, uses::Use};
use super::{
    ApportionError, Held, Inputs, InstitutionLine, Line, Lines, NewDataLine, PayeeLine, Totals,
    draw, institution, line,
    pool::sum,
    rules::{Layer, LayerRule, UsageWeight},
    totals::LayerTotals,
};
use crate::{
    money::{self, Accrual, Amount},
    party::ContributorId,
};

/// The tables that [`Inputs`] name, as they were read.
#[derive(Debug, Default)]
pub struct Tables {
    /// Who is in each version, in the order of [`Inputs::versions`].
    pub rosters: Vec<RecordBatch>,
    /// Whose rows each question drew on, in the order of [`Inputs::queries`].
    pub usage: Vec<RecordBatch>,
    /// What is known of the people who are paid.
    pub payees: Vec<PayeeLine>,
    /// The new records.
    pub new_data: Vec<NewDataLine>,
    /// The values of contributors' records for a model.
    pub values: Vec<(ContributorId, u128)>,
    /// The lines of the settlement before.
    pub opening: Lines,
}

/// What a settlement comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// One line a contributor, sorted by contributor.
    pub lines: Vec<Line>,
    /// One line an institution, sorted; none where the rules give institutions no part.
    pub institutions: Vec<InstitutionLine>,
    /// What people may not draw yet, sorted.
    pub held: Vec<Held>,
    /// The sums.
    pub totals: Totals,
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
    /// The lines of new data were gathered under another rule.
    #[error("a line of new data counts, or does not, otherwise than the rules say")]
    Vested,
    /// The books would not balance: a bug.
    #[error("the settlement does not balance: {0}")]
    Balance(&'static str),
}

/// Settles a period.
pub fn settle(inputs: &Inputs, tables: &Tables) -> Result<Settlement, Error> {
    same("rosters", inputs.versions.len(), tables.rosters.len())?;
    same("usage tables", inputs.queries.len(), tables.usage.len())?;
    let set = &inputs.rules.set;
    let currency = inputs.rules.currency;
    let opening = &tables.opening;
    let received = sum(currency, inputs.funded.iter().map(|f| f.amount))?;
    let fee = received.portion_floor(set.fee_bps, 10_000)?;
    let reserve = received.portion_floor(set.reserve_bps, 10_000)?;
    let fresh = received.minus(fee)?.minus(reserve)?.to_accrual()?;
    let given_out = natural(fresh.plus(inputs.returned)?.micro())?;
    if received.minor() <= 0 && inputs.returned.micro() <= 0 && opening.held.is_empty() {
        return Err(Error::Empty);
    }

    let rosters = tables.rosters.iter().map(roster::read).collect::<Result<Vec<_>, _>>()?;
    let payees = Payees::find(inputs, &rosters, tables);
    let holdings = Holdings::find(inputs, &rosters, &payees)?;
    let known: Known<'_> = tables.payees.iter().map(|line| (&line.contributor, line)).collect();
    let uses = uses::uses(inputs, weigh(inputs), &rosters, &tables.usage, &payees)?;
    let layers = layers::give_out(inputs, &rosters, tables, &uses, &payees, given_out)?;
    let gross = parts::capped(inputs, gross(&layers, payees.len())?, given_out, &payees, &known)?;
    let parts = parts::split(inputs, &gross, &payees, &holdings)?;

    let mut lines = lines(&payees, &layers, &gross, &parts)?;
    let held = accounts::settle(inputs, &mut lines, &payees, &known, opening)?;
    let shared = institution::settle(inputs, &holdings, &parts, &opening.institutions)?;
    let platform = institution::platform(inputs, &parts)?;

    let cells = |cell: fn(&Line) -> i64| -> Result<i128, Error> {
        let cells = lines.iter().map(|line| i128::from(cell(line)));
        cells.into_iter().try_fold(0_i128, i128::checked_add).ok_or(Error::Overflow("total"))
    };
    let accrual = |cell| Ok::<_, Error>(Accrual::new(cells(cell)?, currency));
    let amount = |cell| Ok::<_, Error>(Amount::new(cells(cell)?, currency));
    let gross = accrual(|line| line.gross_micro)?;
    let adjusted = accrual(|line| line.adjust_micro)?;
    let left = Accrual::new(signed(given_out)?, currency).minus(gross)?.minus(adjusted)?;
    let nobodys = Accrual::new(signed(parts.nobodys)?, currency);
    let totals = Totals {
        received,
        returned: inputs.returned,
        fee,
        reserve,
        layers: layers
            .iter()
            .map(|share| {
                Ok(LayerTotals {
                    layer: share.layer,
                    pot: Accrual::new(signed(share.pot)?, currency),
                    weight: share.weight.to_string(),
                    unallocated: Accrual::new(signed(share.given.unallocated)?, currency),
                })
            })
            .collect::<Result<_, Error>>()?,
        unallocated: left.plus(nobodys)?,
        opening: accrual(|line| line.opening_micro)?,
        gross,
        person: accrual(|line| line.person_micro)?,
        institution: accrual(|line| line.institution_micro)?,
        platform: accrual(|line| line.platform_micro)?,
        adjusted,
        held: accrual(|line| line.held_micro)?,
        vested: accrual(|line| line.vested_micro)?,
        payable: amount(|line| line.payable_minor)?,
        tax: amount(|line| line.tax_minor)?,
        paid: amount(|line| line.paid_minor)?,
        carried: accrual(|line| line.closing_micro)?,
        institutions: shared.as_ref().map(|(_, totals)| totals.clone()),
        platform_account: platform,
    };
    let institutions = shared.map(|(lines, _)| lines).unwrap_or_default();
    let settlement = Settlement { lines, institutions, held, totals, uses };
    balance::check(inputs, &settlement, opening, parts.nobodys)?;
    Ok(settlement)
}

/// Returns how uses are weighed; where no layer pays for them, as if one did, for the statements' sake.
fn weigh(inputs: &Inputs) -> UsageWeight {
    match inputs.rules.set.layer(Layer::Usage) {
        Some(LayerRule::Usage { weigh, .. }) => *weigh,
        Some(LayerRule::Base { .. } | LayerRule::NewData { .. } | LayerRule::Value { .. })
        | None => UsageWeight::default(),
    }
}

/// Returns what the layers gave to each payee.
fn gross(layers: &[LayerShare], payees: usize) -> Result<Vec<u128>, Error> {
    let mut gross = vec![0_u128; payees];
    for share in layers {
        for (sum, micro) in gross.iter_mut().zip(&share.given.micro) {
            *sum = total([*sum, *micro])?;
        }
    }
    Ok(gross)
}

/// Begins a line for each payee: what the layers gave, and how it is split.
fn lines(
    payees: &Payees,
    layers: &[LayerShare],
    gross: &[u128],
    parts: &Parts,
) -> Result<Vec<Line>, Error> {
    let mut lines: Vec<Line> = payees.ids.iter().cloned().map(Line::empty).collect();
    for share in layers {
        let cells = share.weights.iter().zip(&share.given.micro);
        for (line, (weight, micro)) in lines.iter_mut().zip(cells) {
            line.put(share.layer, *weight, accounts::small(*micro, "share")?);
        }
    }
    for (line, (gross, parts)) in lines.iter_mut().zip(gross.iter().zip(&parts.by_payee)) {
        let [person, institution, platform] = *parts;
        line.gross_micro = accounts::small(*gross, "share")?;
        line.person_micro = accounts::small(person, "share")?;
        line.institution_micro = accounts::small(institution, "share")?;
        line.platform_micro = accounts::small(platform, "share")?;
    }
    Ok(lines)
}

fn natural(value: i128) -> Result<u128, Error> {
    u128::try_from(value).map_err(|_| Error::Balance("an amount is negative"))
}

fn signed(value: u128) -> Result<i128, Error> {
    i128::try_from(value).map_err(|_| Error::Overflow("total"))
}

fn same(what: &'static str, named: usize, given: usize) -> Result<(), Error> {
    if named == given { Ok(()) } else { Err(Error::Tables { what, named, given }) }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test that wraps fails, and names arrays by their trait"
)]
pub(super) mod tests;
