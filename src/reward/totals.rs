//! The sums of a settlement: what came in, what each layer gave, what went where.
//!
//! Comes in: the lines of a settlement. Goes out: [`Totals`], as the commit and the book state them.
//! Never: a person's own amount.

use serde::{Deserialize, Serialize};

use super::rules::Layer;
use crate::money::{Accrual, Amount};

/// The sums of a settlement.
///
/// INVARIANT: `received + returned = fee + reserve + gross + unallocated − recovered − institutions'
/// part that no institution has a claim to`, where recovered is `−adjusted`; and
/// `opening + person + adjusted − held + vested = payable + carried`, `payable = tax + paid`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// New funds.
    pub received: Amount,
    /// What earlier settlements could not give out; it has paid its fee already.
    pub returned: Accrual,
    /// The fee on the new funds.
    pub fee: Amount,
    /// What is kept back of the new funds.
    pub reserve: Amount,
    /// Each layer, in the order of the rule set.
    pub layers: Vec<LayerTotals>,
    /// What had no one to go to; it stays in the pool.
    pub unallocated: Accrual,
    /// What contributors brought along from before.
    pub opening: Accrual,
    /// What contributors earned, before it is split.
    pub gross: Accrual,
    /// The part of it that is theirs.
    pub person: Accrual,
    /// The part of it that is the institutions'.
    pub institution: Accrual,
    /// The part of it that is the platform's.
    pub platform: Accrual,
    /// What was taken off to make good what should not have been paid; never above zero.
    pub adjusted: Accrual,
    /// What becomes people's to draw in later settlements.
    pub held: Accrual,
    /// What of earlier settlements became people's to draw now.
    pub vested: Accrual,
    /// What people draw: paid or withheld.
    pub payable: Amount,
    /// What is withheld of it for tax offices.
    pub tax: Amount,
    /// What is paid to people.
    pub paid: Amount,
    /// What people carry on.
    pub carried: Accrual,
    /// The sums of institutions, where the rules give them a part or they brought something along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub institutions: Option<InstitutionTotals>,
    /// The platform's own account, where the rules give it a part or it brought something along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_account: Option<InstitutionTotals>,
}

impl Totals {
    /// Returns the sums of a layer, where the rule set has it.
    pub fn layer(&self, layer: Layer) -> Option<&LayerTotals> {
        self.layers.iter().find(|sums| sums.layer == layer)
    }
}

/// The sums of one layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerTotals {
    /// Which.
    pub layer: Layer,
    /// What it had to give out.
    pub pot: Accrual,
    /// The sum of all weights, as decimal text.
    pub weight: String,
    /// What of it nobody could be given.
    pub unallocated: Accrual,
}

/// The sums of all institutions, or of the platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstitutionTotals {
    /// Their part of the money.
    pub part: Accrual,
    /// What they brought along from before.
    pub opening: Accrual,
    /// What they earned now: the part, without what no institution has a claim to.
    pub accrued: Accrual,
    /// What is paid.
    pub paid: Amount,
    /// What they carry on.
    pub carried: Accrual,
}
