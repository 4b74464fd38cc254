//! The lines of a sponsor's audit, as its JSON has them.

use serde::Serialize;

use super::{
    Concentration, Days, EntryFacts, Exception, Excluded, Money, OverrideFacts, Reconciled,
    Restricted, RulesFacts, Sample, SelfDealing, SponsorReader,
};
use crate::{
    instant::Instant,
    money::Currency,
    purpose::Purpose,
    report::{AuditCheck, Checkpoint, PublicCount},
};

/// A sponsor's audit of one pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SponsorAudit {
    /// The format, 1.
    pub format: u32,
    /// The pool.
    pub pool: String,
    /// The site's ledger.
    pub origin: String,
    /// Who may read this copy.
    pub reader: SponsorReader,
    /// When it was made.
    pub time: Instant,
    /// The days whose acts it tells of.
    pub days: Days,
    /// The currency of all money in it.
    pub currency: Currency,
    /// The datasets that the pool pays for.
    pub datasets: Vec<String>,
    /// Who paid how much in these days; none on the public page.
    pub sponsors: Vec<Part>,
    /// How the pool pays.
    pub rules: RulesFacts,
    /// The lines of SF-425.
    pub federal: Federal,
    /// What line h is made of, at the end.
    pub unobligated: Vec<Part>,
    /// What line f is made of, at the end.
    pub unliquidated: Vec<Part>,
    /// How what was not given out before these days became what is not given out after them.
    pub waterfall: Waterfall,
    /// The pool's money, a settlement a line.
    pub roll: Vec<RollLine>,
    /// What is owed to people, institutions and the platform, a settlement a line.
    pub owed: Vec<OwedLine>,
    /// What each layer gave out.
    pub layers: Vec<Part>,
    /// The usage layer's money by what the questions were for.
    pub by_purpose: Vec<PurposeShare>,
    /// What institutions earned; none on the public page, or where the rules give them no part.
    pub by_institution: Vec<InstitutionsShare>,
    /// How concentrated payments to people are; none on the public page.
    pub people: Option<Concentration>,
    /// How concentrated payments to institutions are; none on the public page.
    pub institutions: Option<Concentration>,
    /// What went back to who paid; none on the public page.
    pub self_dealing: Vec<SelfDealing>,
    /// What did not count.
    pub excluded: Excluded,
    /// What was decided otherwise than the rules do; on the public page without who and why.
    pub overrides: Vec<OverrideFacts>,
    /// Whether the money paid for what it may pay for alone.
    pub restricted: Restricted,
    /// Withheld as tax in these days; hidden where it is of fewer than 11 people, and in public.
    pub tax: Option<Money>,
    /// Held back for later settlements, at the end; hidden like the tax.
    pub held: Option<Money>,
    /// Taken back for proven fraud in these days, out of what would have been earned; hidden like the
    /// tax.
    pub adjusted: Option<Money>,
    /// The settlements beside other books.
    pub reconciliation: Vec<Reconciled>,
    /// What was checked.
    pub checks: Vec<AuditCheck>,
    /// What did not come out.
    pub exceptions: Vec<Exception>,
    /// The entries of the book that all of this rests on.
    pub entries: Vec<EntryFacts>,
    /// The signed state that holds them.
    pub checkpoint: Checkpoint,
    /// Lines drawn for a closer look; none on the public page.
    pub sample: Option<Sample>,
    /// Commands that check it.
    pub commands: Vec<String>,
}

/// A part of a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What.
    pub what: String,
    /// How much.
    pub amount: Money,
}

/// Where the sum of what was disbursed comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disbursed {
    /// What the bank booked, less what came back.
    Bank,
    /// The lines to be paid: no bank file is recorded.
    PaidLines,
}

/// The lines of SF-425.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Federal {
    /// Where line 10b comes from.
    pub disbursed: Disbursed,
    /// The lines, 10a to 10h.
    pub lines: Vec<FederalLine>,
    /// Line 11.
    pub indirect: Indirect,
}

/// One line: before the days that are told of, in them, and all of it until their end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FederalLine {
    /// Its number on the form.
    pub line: &'static str,
    /// Its name on the form, in our words.
    pub what: &'static str,
    /// What of the pool it is.
    pub meaning: &'static str,
    /// Before.
    pub before: Money,
    /// In these days.
    pub within: Money,
    /// Until their end.
    pub until: Money,
}

/// Line 11: the fee as indirect expense, in these days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Indirect {
    /// The rate, in hundredths of a percent.
    pub rate_bps: u32,
    /// What it was charged on.
    pub base: Money,
    /// The fee.
    pub amount: Money,
}

/// How one balance became the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waterfall {
    /// Not given out before.
    pub opening: Money,
    /// What came in and what was given out, the latter negative.
    pub changes: Vec<Part>,
    /// Not given out after.
    pub closing: Money,
}

/// The pool's money in one settlement: `opening + received - fee - reserve - earned = closing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RollLine {
    /// The period.
    pub period: String,
    /// When it was settled.
    pub time: Instant,
    /// Not given out by the settlement before.
    pub opening: Money,
    /// New money.
    pub received: Money,
    /// The fee.
    pub fee: Money,
    /// Kept back.
    pub reserve: Money,
    /// Earned by people, after corrections.
    pub people: Money,
    /// Earned by institutions.
    pub institutions: Money,
    /// Earned by the platform.
    pub platform: Money,
    /// Not given out, as the settlement says.
    pub closing: Money,
    /// What the sum lacks; nothing where it adds up.
    pub difference: Money,
}

/// What is owed in one settlement: `opening + earned - paid = closing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwedLine {
    /// The period.
    pub period: String,
    /// Owed from before.
    pub opening: Money,
    /// Earned by people, institutions and the platform.
    pub earned: Money,
    /// To be paid to people: after tax, or with it where it is hidden.
    pub people: Money,
    /// Withheld as tax; hidden where it is of fewer than 11 people, and in public.
    pub tax: Option<Money>,
    /// To be paid to institutions.
    pub institutions: Money,
    /// Paid to the platform.
    pub platform: Money,
    /// Owed on, what is held back among it.
    pub closing: Money,
    /// What the sum lacks; nothing where it adds up.
    pub difference: Money,
}

/// What the usage layer paid for one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PurposeShare {
    /// The GA4GH DUO term.
    pub purpose: Purpose,
    /// Its label.
    pub label: String,
    /// The questions that counted.
    pub questions: u64,
    /// How much.
    pub amount: Money,
}

/// What one institution, or several small ones together, earned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InstitutionsShare {
    /// Its name, or how many are put together.
    pub institution: String,
    /// People whose records it sent.
    pub people: PublicCount,
    /// Earned.
    pub earned: Money,
    /// To be paid.
    pub paid: Money,
}
