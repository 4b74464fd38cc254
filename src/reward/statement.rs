//! What one contributor is told of one settlement: every number, where it comes from, and its proof.
//!
//! Comes in: a [`Basis`], which is read once a settlement. Goes out: a [`Statement`] a contributor.
//! Never: another contributor's numbers, or the size of a small crowd.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

mod basis;

use serde::{Deserialize, Serialize};

pub use self::basis::{Basis, Error, PEOPLE_MIN, Reason};
use super::{Layer, Period, PoolId, proof::LineProof, rules::Grain};
use crate::{
    digest::{Sha3Digest, Sha256},
    instant::{Date, Instant},
    money::{Accrual, Amount, Currency},
    party::{ContributorId, InstitutionId},
    purpose::Purpose,
};

/// How many days after a settlement a contributor may dispute it. It is a promise of the statement, not
/// a rule of the computation: sixty days are what US law gives bank customers to report an error of a
/// periodic statement, 12 CFR 1005.11(b)(1).
pub const DISPUTE_DAYS: u64 = 60;

/// One contributor's account of one settled period of one pool. Its JSON is stable: members are added,
/// none is renamed or taken away without another `format`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// The format, `almoner-statement/v2`.
    pub format: String,
    /// Whose it is.
    pub contributor: ContributorId,
    /// The pool.
    pub pool: PoolId,
    /// The period.
    pub period: Period,
    /// The currency of all amounts.
    pub currency: Currency,
    /// When it was settled.
    pub settled: Instant,
    /// The last day on which it may be disputed.
    pub dispute_until: Date,
    /// What it was computed by.
    pub rules: RulesLine,
    /// The money that was there to give out.
    pub money: MoneyLine,
    /// Brought along from before.
    pub opening: Accrual,
    /// What each layer gave, in the order of the rule set.
    pub layers: Vec<LayerLine>,
    /// What a cap of a person changed, where the rule set has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<CapLine>,
    /// What the layers came to after the cap.
    pub gross: Accrual,
    /// How that is split.
    pub split: SplitLine,
    /// What was taken off to make good what should not have been paid.
    pub adjustment: AdjustmentLine,
    /// What of this settlement becomes theirs to draw in later ones.
    pub held: Accrual,
    /// What of earlier settlements became theirs to draw now.
    pub vested: Accrual,
    /// All that still waits to become theirs to draw, by when it does.
    pub later: Vec<HeldLine>,
    /// What is drawn: whole minor units, once they reach the minimum.
    pub payable: Amount,
    /// What is withheld of it.
    pub tax: TaxLine,
    /// What is paid.
    pub paid: Amount,
    /// What is carried to the next settlement.
    pub carried: Accrual,
    /// The least that is paid out.
    pub minimum: Amount,
    /// The settlements of this pool in the calendar year of this one, up to it.
    pub year: YearLine,
    /// Each use of this contributor's records.
    pub uses: Vec<UseLine>,
    /// This contributor's records in the versions that were read.
    pub records: Vec<RecordsLine>,
    /// This contributor's new records, where a layer pays for them.
    pub new_data: Vec<NewLine>,
    /// The digest of the inputs: the ledger entry has the same.
    pub inputs: Sha3Digest,
    /// The digest of all lines.
    pub lines: Sha3Digest,
    /// The ledger entry of the settlement.
    pub entry: Sha256,
    /// The proof that this line is under the entry's root.
    pub proof: LineProof,
    /// The command that recomputes it.
    pub recompute: String,
}

impl std::fmt::Debug for Statement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statement")
            .field("pool", &self.pool)
            .field("period", &self.period)
            .finish_non_exhaustive()
    }
}

/// What a settlement was computed by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesLine {
    /// The name of the rule set.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Its digest, as the pool's entry in the ledger has it.
    pub digest: Sha3Digest,
    /// The method.
    pub method: String,
    /// The grain in which rewards accrue.
    pub grain: Grain,
}

/// The money of a settlement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoneyLine {
    /// New funds.
    pub received: Amount,
    /// What the settlement before could not give out.
    pub returned: Accrual,
    /// The platform's fee on the new funds.
    pub fee: Amount,
    /// The fee's rate, in hundredths of a percent.
    pub fee_bps: u32,
    /// What is kept back of the new funds.
    pub reserve: Amount,
    /// What is left to give out.
    pub given_out: Accrual,
}

/// What one layer gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerLine {
    /// Which.
    pub layer: Layer,
    /// The layer's part of what is given out, in millionths.
    pub ppm: u32,
    /// What the layer had to give out in all.
    pub pot: Accrual,
    /// This contributor's weight.
    pub weight: String,
    /// The sum of all weights.
    pub total_weight: String,
    /// The weight's share of the sum, in billionths, rounded down.
    pub share_ppb: u64,
    /// `pot * weight / total_weight` in whole grains, remainders to the largest.
    pub amount: Accrual,
}

/// What a cap of a person changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapLine {
    /// The most that a person gets, in millionths of what was given out.
    pub person_ppm: u32,
    /// What the layers came to before it.
    pub before: Accrual,
    /// What it added (of what others could not get) or took off.
    pub change: Accrual,
}

/// How what was earned is split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitLine {
    /// The person's own part, in hundredths of a percent.
    pub person_bps: u32,
    /// The institutions' part, in hundredths of a percent.
    pub institution_bps: u32,
    /// The platform's part, in hundredths of a percent.
    pub platform_bps: u32,
    /// The person's own part.
    pub person: Accrual,
    /// The institutions' part.
    pub institution: Accrual,
    /// The platform's part.
    pub platform: Accrual,
}

/// What was taken off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdjustmentLine {
    /// How much, now; never above zero.
    pub amount: Accrual,
    /// What is still to be made good.
    pub still_owed: Accrual,
    /// The decisions of this settlement that it rests on.
    pub decisions: Vec<DecisionLine>,
}

/// A decision on this contributor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionLine {
    /// What was decided: `correct` or `exclude-contributor`.
    pub code: String,
    /// How much is to be made good, where it is an amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// Why.
    pub reason: String,
    /// Its entry in the ledger.
    pub entry: Sha256,
}

/// What becomes theirs to draw later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLine {
    /// How many settlements are still to come until then; 1 is the next one.
    pub due: u32,
    /// How much.
    pub amount: Accrual,
}

/// What is withheld.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxLine {
    /// Where the person pays tax, as far as it is known.
    pub country: Option<String>,
    /// The rate, in hundredths of a percent of what is drawn.
    pub bps: u32,
    /// How much.
    pub amount: Amount,
}

/// The sums of a calendar year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct YearLine {
    /// The year, as the settlements were made in it.
    pub year: i32,
    /// How many settlements.
    pub settlements: u64,
    /// What the person earned: their own part.
    pub earned: Accrual,
    /// What was withheld.
    pub tax: Amount,
    /// What was paid.
    pub paid: Amount,
}

/// One use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseLine {
    /// On which day.
    pub date: Date,
    /// What for.
    pub purpose: Purpose,
    /// Where the researcher works.
    pub institution: Option<InstitutionId>,
    /// The dataset.
    pub dataset: String,
    /// Its version.
    pub version: u64,
    /// How many of this contributor's records.
    pub my_records: u64,
    /// How many of them count: not those of the institution that asked.
    pub counted: u64,
    /// How many records in all; none where fewer than eleven people were in the question.
    pub all_records: Option<u64>,
    /// The share units that this was worth.
    pub units: String,
    /// The ledger entry of the answer.
    pub entry: Sha256,
}

/// The records of a contributor in one version, from one institution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordsLine {
    /// The dataset.
    pub dataset: String,
    /// The version.
    pub version: u64,
    /// Whether the base layer pays for it.
    pub base: bool,
    /// Where the records come from.
    pub institution: InstitutionId,
    /// The rows in it.
    pub rows: u64,
    /// The rows that only repeat another; they count once.
    pub duplicates: u64,
    /// The quality, in millionths.
    pub quality_ppm: u64,
}

/// New records of one stratum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewLine {
    /// How many.
    pub new: u64,
    /// The records that were there before in the stratum; none where they are fewer than eleven.
    pub prior: Option<u64>,
    /// Their quality, in millionths.
    pub quality_ppm: u64,
    /// Whether they count now: enough verified contributors have such records.
    pub counts: bool,
}
