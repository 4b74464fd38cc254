//! What all statements of one settlement rest on, read once, so that each one is quick to make.
//!
//! Comes in: a settlement, its inputs and tables. Goes out: a [`Statement`] a line.
//! Never: one person's rows under another's name.

use std::collections::BTreeMap;

use chrono::{Datelike as _, Days};
use ethnum::U256;

use super::{
    AdjustmentLine, CapLine, DISPUTE_DAYS, DecisionLine, HeldLine, LayerLine, MoneyLine, NewLine,
    RecordsLine, RulesLine, SplitLine, Statement, TaxLine, UseLine, YearLine,
};
use crate::{
    digest::{CanonicalError, Sha3Digest, Sha256},
    instant::Date,
    money::{self, Accrual, Amount},
    party::ContributorId,
    reward::{
        Dated, Inputs, LayerTotals, Line, LineError, NewDataLine, Override, Settled, Settlement,
        Tables,
        line::{Ints, Texts},
        proof::{LineProof, leaf_hash},
        rules::LayerRule,
    },
};

/// The fewest people of a question whose records are told.
pub const PEOPLE_MIN: u64 = 11;

/// Why a statement could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A roster cannot be read.
    #[error("a roster cannot be read")]
    Table(#[from] LineError),
    /// The rules cannot be digested.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// The sums of a year do not fit.
    #[error(transparent)]
    Money(#[from] money::Error),
    /// The settlement has no such line.
    #[error("the settlement has no line {0}")]
    Line(usize),
}

/// Why a decision was made, by the commit that holds it.
pub type Reason = (u64, String);

/// What all statements of one settlement rest on.
#[derive(Debug)]
pub struct Basis<'a> {
    inputs: &'a Inputs,
    settled: &'a Dated<Settled>,
    settlement: &'a Settlement,
    money: MoneyLine,
    rules: Sha3Digest,
    entry: Sha256,
    last_day: Date,
    country: BTreeMap<&'a ContributorId, &'a str>,
    records: BTreeMap<ContributorId, Vec<RecordsLine>>,
    new_data: BTreeMap<&'a ContributorId, Vec<&'a NewDataLine>>,
    reasons: BTreeMap<u64, String>,
    years: BTreeMap<ContributorId, YearLine>,
    year: YearLine,
}

impl<'a> Basis<'a> {
    /// Reads what the statements rest on. `reasons` are those of the decisions among the inputs; `year`
    /// holds the lines of the pool's earlier settlements in the calendar year of this one.
    pub fn new(
        inputs: &'a Inputs,
        settled: &'a Dated<Settled>,
        settlement: &'a Settlement,
        tables: &'a Tables,
        reasons: impl IntoIterator<Item = Reason>,
        year: &[Vec<Line>],
    ) -> Result<Self, Error> {
        let mut new_data: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for line in &tables.new_data {
            new_data.entry(&line.contributor).or_default().push(line);
        }
        let country = |line: &'a crate::reward::PayeeLine| {
            Some((&line.contributor, line.country.as_deref()?))
        };
        let currency = inputs.rules.currency;
        let nothing = YearLine {
            year: settled.time.date().year(),
            settlements: u64::try_from(year.len()).unwrap_or(u64::MAX).saturating_add(1),
            earned: Accrual::new(0, currency),
            tax: Amount::zero(currency),
            paid: Amount::zero(currency),
        };
        let mut years: BTreeMap<ContributorId, YearLine> = BTreeMap::new();
        for line in year.iter().flatten() {
            let sums = years.entry(line.contributor.clone());
            add(sums.or_insert_with(|| nothing.clone()), line)?;
        }
        let totals = &settlement.totals;
        let fresh = totals.received.minus(totals.fee)?.minus(totals.reserve)?.to_accrual()?;
        let money = MoneyLine {
            received: totals.received,
            returned: totals.returned,
            fee: totals.fee,
            fee_bps: inputs.rules.set.fee_bps,
            reserve: totals.reserve,
            given_out: fresh.plus(totals.returned)?,
        };
        Ok(Self {
            money,
            rules: inputs.rules.set.digest()?,
            entry: leaf_hash(settled.entry.as_bytes()),
            last_day: inputs.period.last_day(),
            country: tables.payees.iter().filter_map(country).collect(),
            records: records(inputs, tables)?,
            new_data,
            reasons: reasons.into_iter().collect(),
            years,
            year: nothing,
            inputs,
            settled,
            settlement,
        })
    }

    /// Makes the statement of a line; `proof` proves that line.
    pub fn statement(&self, place: usize, proof: LineProof) -> Result<Statement, Error> {
        let line = self.settlement.lines.get(place).ok_or(Error::Line(place))?;
        let inputs = self.inputs;
        let (set, currency) = (&inputs.rules.set, inputs.rules.currency);
        let accrual = |micro: i64| Accrual::new(i128::from(micro), currency);
        let amount = |minor: i64| Amount::new(i128::from(minor), currency);
        let layers: Vec<LayerLine> =
            self.settlement.totals.layers.iter().map(|sums| self.layer(sums, line)).collect();
        let before = layers.iter().try_fold(accrual(0), |sum, layer| sum.plus(layer.amount))?;
        let cap = set.cap.map(|cap| {
            let change = accrual(line.gross_micro).minus(before)?;
            Ok::<_, Error>(CapLine { person_ppm: cap.person_ppm, before, change })
        });
        let mut year = self.years.get(&line.contributor).unwrap_or(&self.year).clone();
        add(&mut year, line)?;
        let country = self.country.get(&line.contributor).copied();
        let settled = self.settled.time.date();
        Ok(Statement {
            format: "almoner-statement/v2".to_owned(),
            contributor: line.contributor.clone(),
            pool: inputs.pool.clone(),
            period: inputs.period.clone(),
            currency,
            settled: self.settled.time,
            dispute_until: settled.checked_add_days(Days::new(DISPUTE_DAYS)).unwrap_or(Date::MAX),
            rules: RulesLine {
                name: set.name.clone(),
                version: set.version,
                digest: self.rules,
                method: inputs.rules.method.clone(),
                grain: set.grain,
            },
            money: self.money.clone(),
            opening: accrual(line.opening_micro),
            cap: cap.transpose()?,
            layers,
            gross: accrual(line.gross_micro),
            split: SplitLine {
                person_bps: set.split.person_bps,
                institution_bps: set.split.institution_bps,
                platform_bps: set.split.platform_bps,
                person: accrual(line.person_micro),
                institution: accrual(line.institution_micro),
                platform: accrual(line.platform_micro),
            },
            adjustment: AdjustmentLine {
                amount: accrual(line.adjust_micro),
                still_owed: accrual(line.debt_micro),
                decisions: self.decisions(&line.contributor),
            },
            held: accrual(line.held_micro),
            vested: accrual(line.vested_micro),
            later: self.later(&line.contributor),
            payable: amount(line.payable_minor),
            tax: TaxLine {
                country: country.map(str::to_owned),
                bps: set.tax_bps(country, self.last_day),
                amount: amount(line.tax_minor),
            },
            paid: amount(line.paid_minor),
            carried: accrual(line.closing_micro),
            minimum: Amount::new(i128::from(set.minimum_minor), currency),
            year,
            uses: self.uses(place),
            records: self.records.get(&line.contributor).cloned().unwrap_or_default(),
            new_data: self.new_data(&line.contributor),
            inputs: self.settled.act.inputs.digest,
            lines: self.settled.act.lines.digest,
            entry: self.entry,
            proof,
            recompute: format!("almoner audit recompute {}", inputs.pool),
        })
    }

    fn layer(&self, sums: &LayerTotals, line: &Line) -> LayerLine {
        let (weight, total) = (line.weight(sums.layer), sums.weight.parse::<u128>().unwrap_or(0));
        LayerLine {
            layer: sums.layer,
            ppm: self.inputs.rules.set.layer(sums.layer).map_or(0, LayerRule::ppm),
            pot: sums.pot,
            weight: weight.to_string(),
            total_weight: sums.weight.clone(),
            share_ppb: share(weight, total),
            amount: Accrual::new(i128::from(line.micro(sums.layer)), self.inputs.rules.currency),
        }
    }

    fn later(&self, contributor: &ContributorId) -> Vec<HeldLine> {
        let held = &self.settlement.held;
        let from = held.partition_point(|part| part.contributor < *contributor);
        let own = held.iter().skip(from).take_while(|part| part.contributor == *contributor);
        let currency = self.inputs.rules.currency;
        own.map(|part| HeldLine {
            due: part.due,
            amount: Accrual::new(i128::from(part.micro), currency),
        })
        .collect()
    }

    fn decisions(&self, contributor: &ContributorId) -> Vec<DecisionLine> {
        let decided = self.inputs.overrides.iter().filter_map(|decided| {
            let amount = match &decided.act {
                Override::Correct { contributor: whose, amount } if whose == contributor => {
                    Some(*amount)
                }
                Override::ExcludeContributor { contributor: whose } if whose == contributor => None,
                Override::Correct { .. }
                | Override::ExcludeContributor { .. }
                | Override::ExcludeQuery { .. }
                | Override::Price { .. } => return None,
            };
            Some(DecisionLine {
                code: decided.act.name().to_owned(),
                amount,
                reason: self.reasons.get(&decided.commit).cloned().unwrap_or_default(),
                entry: decided.entry,
            })
        });
        decided.collect()
    }

    fn uses(&self, place: usize) -> Vec<UseLine> {
        let uses = self.settlement.uses_of(place).iter().filter_map(|used| {
            let query = self.inputs.queries.get(used.query)?;
            Some(UseLine {
                date: query.day(),
                purpose: query.purpose.clone(),
                institution: query.institution.clone(),
                dataset: query.dataset.clone(),
                version: query.version,
                my_records: used.rows,
                counted: used.counted,
                all_records: (query.people >= PEOPLE_MIN).then_some(query.rows),
                units: used.units.to_string(),
                entry: query.entry,
            })
        });
        uses.collect()
    }

    fn new_data(&self, contributor: &ContributorId) -> Vec<NewLine> {
        let lines = self.new_data.get(contributor).map(Vec::as_slice).unwrap_or_default();
        let told = lines.iter().map(|line| NewLine {
            new: line.new,
            prior: (line.prior >= PEOPLE_MIN).then_some(line.prior),
            quality_ppm: line.quality_ppm,
            counts: line.vested,
        });
        told.collect()
    }
}

/// Returns a weight's share of a sum, in billionths, rounded down.
fn share(weight: u128, total: u128) -> u64 {
    let scaled = U256::from(weight).checked_mul(U256::from(1_000_000_000_u64));
    let share = scaled.and_then(|scaled| scaled.checked_div(U256::from(total)));
    share.and_then(|share| u64::try_from(share).ok()).unwrap_or(0)
}

fn add(sums: &mut YearLine, line: &Line) -> Result<(), money::Error> {
    let currency = sums.paid.currency();
    sums.earned = sums.earned.plus(Accrual::new(i128::from(line.person_micro), currency))?;
    sums.tax = sums.tax.plus(Amount::new(i128::from(line.tax_minor), currency))?;
    sums.paid = sums.paid.plus(Amount::new(i128::from(line.paid_minor), currency))?;
    Ok(())
}

/// Returns each contributor's records in the versions that were read.
fn records(
    inputs: &Inputs,
    tables: &Tables,
) -> Result<BTreeMap<ContributorId, Vec<RecordsLine>>, LineError> {
    let mut records: BTreeMap<ContributorId, Vec<RecordsLine>> = BTreeMap::new();
    for (version, roster) in inputs.versions.iter().zip(&tables.rosters) {
        let contributor = Texts::of(roster, "contributor")?;
        let institution = Texts::of(roster, "institution")?;
        let (rows, quality) = (Ints::of(roster, "rows")?, Ints::of(roster, "quality_ppm")?);
        let distinct = match roster.column_by_name("records") {
            Some(_) => Some(Ints::of(roster, "records")?),
            None => None,
        };
        for row in 0..roster.num_rows() {
            let all = rows.natural(row)?;
            let counted = match &distinct {
                Some(distinct) => distinct.natural(row)?,
                None => all,
            };
            let line = RecordsLine {
                dataset: version.dataset.clone(),
                version: version.version,
                base: version.base,
                institution: institution.institution(row)?,
                rows: all,
                duplicates: all.saturating_sub(counted),
                quality_ppm: quality.natural(row)?,
            };
            records.entry(contributor.person(row)?).or_default().push(line);
        }
    }
    Ok(records)
}
