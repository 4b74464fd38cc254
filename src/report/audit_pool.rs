//! A sponsor's audit of one pool: what the money became, line by line, and how to check it.
//!
//! Comes in: [`PoolFacts`], what the acts recorded. Goes out: [`SponsorAudit`], its HTML, JSON, CSV
//! and PDF. Never: a contributor, a figure of fewer than 11 people, a sum that does not add up and is
//! not called an exception, or on the public page what the book does not say already.

mod concentration;
mod csv;
mod exceptions;
mod figures;
mod institutions;
mod lines;
mod money;
mod page;
mod reconciliation;
mod sample;

pub use self::{
    concentration::Concentration,
    csv::sponsor_csv,
    exceptions::{Exception, Restricted, SelfDealing},
    institutions::InstitutionFacts,
    lines::{
        Disbursed, Federal, FederalLine, Indirect, InstitutionsShare, OwedLine, Part, PurposeShare,
        RollLine, SponsorAudit, Waterfall,
    },
    money::{Money, TooLarge},
    page::{document as sponsor_document, sponsor_page},
    sample::{Drawn, draw},
};

use serde::Serialize;

use super::{AuditCheck, AuditFinding, Checkpoint, PublicCount};
use crate::{
    digest::Sha256,
    instant::{Date, Instant},
    money::{Accrual, Amount, Currency},
    purpose::Purpose,
};

/// The fewest people that a figure may be of.
const PEOPLE_MIN: u64 = 11;

/// What the acts recorded of one pool.
#[derive(Debug, Clone)]
pub struct PoolFacts {
    /// The pool.
    pub pool: String,
    /// The site's ledger.
    pub origin: String,
    /// When it was looked at.
    pub time: Instant,
    /// The pool's currency.
    pub currency: Currency,
    /// The days whose acts are told of.
    pub days: Days,
    /// The datasets that the pool pays for.
    pub datasets: Vec<String>,
    /// What the pool's money may pay for; none is anything.
    pub purposes: Vec<Purpose>,
    /// How it pays.
    pub rules: RulesFacts,
    /// What came in, in order.
    pub receipts: Vec<Receipt>,
    /// What was settled, in order.
    pub settlements: Vec<SettlementFacts>,
    /// What the bank said it paid, less what came back; `None` where no bank file is recorded.
    pub bank: Option<Vec<BankFacts>>,
    /// Who is related to whom.
    pub related: Vec<RelatedFacts>,
    /// What somebody decided otherwise than the rules do.
    pub overrides: Vec<OverrideFacts>,
    /// The balances of the journal's accounts at the end of these days; a debit is positive.
    pub journal: Vec<(String, Amount)>,
    /// What the bank was asked to pay, beside what it answered.
    pub payouts: Vec<Reconciled>,
    /// What the audit recomputed.
    pub checks: Vec<AuditCheck>,
    /// What did not come out.
    pub findings: Vec<AuditFinding>,
    /// The entries of the book that all of this rests on.
    pub entries: Vec<EntryFacts>,
    /// The signed state that holds them.
    pub checkpoint: Checkpoint,
    /// Lines drawn for a closer look.
    pub sample: Option<Sample>,
}

/// Days from and until which acts are told of, both included; open where none is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Days {
    /// The first day.
    pub from: Option<Date>,
    /// The last day.
    pub until: Option<Date>,
}

impl Days {
    /// Says whether an act came before these days.
    pub fn after(&self, time: Instant) -> bool {
        self.from.is_some_and(|from| time.date() < from)
    }

    /// Says whether an act falls into these days.
    pub fn hold(&self, time: Instant) -> bool {
        !self.after(time) && self.until.is_none_or(|until| time.date() <= until)
    }
}

/// How a pool pays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RulesFacts {
    /// The rule set's name and version.
    pub name: String,
    /// Its digest, fixed in the book when the pool was opened.
    pub digest: String,
    /// The method.
    pub method: String,
    /// The fee, in hundredths of a percent.
    pub fee_bps: u32,
    /// What is kept back, in hundredths of a percent.
    pub reserve_bps: u32,
}

/// Money that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// When.
    pub time: Instant,
    /// How much.
    pub amount: Amount,
    /// From whom.
    pub sponsor: String,
}

/// What one settlement made of the money.
#[derive(Debug, Clone)]
pub struct SettlementFacts {
    /// The period.
    pub period: String,
    /// When it was settled.
    pub time: Instant,
    /// New money.
    pub received: Amount,
    /// What the settlement before could not give out.
    pub returned: Accrual,
    /// The fee.
    pub fee: Amount,
    /// Kept back.
    pub reserve: Amount,
    /// What nobody had a claim to.
    pub unallocated: Accrual,
    /// What people earned, after corrections.
    pub people: AccountFacts,
    /// Withheld of people's payouts as tax; part of what is owed, to the tax office.
    pub tax: Amount,
    /// Held back for later settlements, all in all; part of what people are owed.
    pub held: Accrual,
    /// Institutions.
    pub institutions: AccountFacts,
    /// The platform.
    pub platform: AccountFacts,
    /// Taken back for proven fraud, out of what would have been earned.
    pub adjusted: Accrual,
    /// How many people these three are of.
    pub of_people: OfPeople,
    /// Layers by name: the pot, and what of it had no one to go to.
    pub layers: Vec<LayerFacts>,
    /// The questions that count: what for, and the weight of each.
    pub questions: Vec<QuestionFacts>,
    /// What each institution got.
    pub by_institution: Vec<InstitutionFacts>,
    /// What each contributor is paid, in minor units, by a number that stands for them in all
    /// settlements of the pool.
    pub paid_to: Vec<(usize, u64)>,
    /// What did not count.
    pub excluded: Excluded,
    /// The root over all lines.
    pub root: Sha256,
    /// The number of lines.
    pub lines: u64,
    /// Its entry in the book.
    pub entry: String,
}

/// How many people a sum is of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OfPeople {
    /// Those of whose payouts tax is withheld.
    pub taxed: u64,
    /// Those for whom something is held back.
    pub held: u64,
    /// Those from whom something was taken back.
    pub adjusted: u64,
}

/// What somebody brought along, earned, is paid and carries on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountFacts {
    /// Owed from before, what is held back among it.
    pub opening: Accrual,
    /// Earned.
    pub earned: Accrual,
    /// Paid, or withheld as tax.
    pub payable: Amount,
    /// Owed on, what is held back among it.
    pub closing: Accrual,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerFacts {
    /// Its name.
    pub layer: String,
    /// What it had to give out.
    pub pot: Accrual,
    /// What of it had no one to go to.
    pub unallocated: Accrual,
}

/// One question that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionFacts {
    /// What for.
    pub purpose: Purpose,
    /// Its share units in the usage layer, all contributors together.
    pub units: u128,
    /// Its entry in the book.
    pub entry: String,
    /// Whether the pool's money may pay for it.
    pub allowed: bool,
}

/// What did not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Excluded {
    /// Questions that repeat a counted one of the same day.
    pub repeats: u64,
    /// Questions for a purpose that the pool's money may not pay for.
    pub other_purpose: u64,
    /// Questions that an override excluded.
    pub overridden: u64,
    /// Contributors whom an override excluded.
    pub contributors: PublicCount,
}

/// What the bank said of one payout file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BankFacts {
    /// When its answer was recorded.
    pub time: Instant,
    /// Booked, less what came back.
    pub booked: Amount,
}

/// Somebody who pays is related to an institution that is paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RelatedFacts {
    /// Who pays.
    pub payer: String,
    /// Who is paid.
    pub institution: String,
    /// The entry that says so.
    pub entry: String,
}

/// Something that was decided otherwise than the rules do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OverrideFacts {
    /// When.
    pub time: Instant,
    /// What kind of decision, as the book calls it.
    pub kind: String,
    /// What, without naming anyone; the book commits to it and does not tell it.
    pub what: String,
    /// Why.
    pub reason: String,
    /// Who approved it.
    pub approver: String,
    /// Its entry in the book.
    pub entry: String,
}

/// Two books beside each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// What is compared, such as an account.
    pub what: String,
    /// What the settlements say.
    pub settled: Money,
    /// The other book.
    pub other: String,
    /// What the other book says.
    pub booked: Money,
}

/// An entry of the public book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntryFacts {
    /// Its place in the book.
    pub index: u64,
    /// Its id.
    pub id: String,
    /// What happened.
    pub kind: String,
    /// When.
    pub time: Instant,
}

/// Lines drawn for a closer look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// The seed.
    pub seed: String,
    /// How a line's key is made.
    pub method: &'static str,
    /// How many lines there were to draw from.
    pub lines: u64,
    /// Those drawn, in the order of their keys.
    pub drawn: Vec<SampleLine>,
}

/// One line drawn: figures alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SampleLine {
    /// The period.
    pub period: String,
    /// Its number, from 1.
    pub line: u64,
    /// The key that it was drawn by.
    pub key: String,
    /// The root over all lines, as the book has it.
    pub root: String,
    /// Its leaf below the root: a keyed token and a commitment; none where the person was erased.
    pub leaf: Option<String>,
    /// Earned, after corrections, the person's own part.
    pub earned: Money,
    /// Withheld as tax.
    pub tax: Money,
    /// Paid.
    pub paid: Money,
    /// Carried on.
    pub carried: Money,
    /// A command that proves it.
    pub command: String,
}

/// Who reads a sponsor's audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SponsorReader {
    /// The sponsor and their auditor.
    Sponsor,
    /// Everyone: only sums that the book and the settlements' public pages say already. No sponsor, no
    /// institution's amount, no concentration, no reason, approver or sample.
    Public,
}

#[cfg(test)]
pub(super) mod tests;
