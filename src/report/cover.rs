//! What a cover paid one person: the events their records showed, what came of each, and how to check it.
//!
//! Comes in: the lines of one person under one policy, and what the bank said of the payments. Goes out:
//! one page as parts, for HTML and PDF; JSON; CSV. Private to the person. Never: a demand for money back.

use serde::{Deserialize, Serialize};

use super::{
    check::PageProofs,
    csv,
    document::{Block, Document, Row},
    messages::{
        Lang, Messages,
        Say::{Count, Text},
    },
};
use crate::{
    cover::{CoverKind, Outcome, Term},
    digest::{Sha3Digest, Sha256},
    instant::{Date, Instant},
    money::Amount,
    party::ContributorId,
    purpose::Purpose,
    reward::PoolId,
};

/// What one policy paid one person: the facts of one page, and its JSON.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverPage {
    /// `almoner-cover-statement/v1`.
    pub format: String,
    /// The policy.
    pub policy: PoolId,
    /// What it is.
    pub kind: CoverKind,
    /// Who pays.
    pub insurer: String,
    /// When events are covered.
    pub term: Term,
    /// What is paid for an event.
    pub sum: Amount,
    /// What the person must have consented to.
    pub purpose: Purpose,
    /// Whose page it is.
    pub contributor: ContributorId,
    /// A name for its files that tells nobody's.
    pub token: String,
    /// When the newest of the lines was evaluated.
    pub time: Instant,
    /// All that was paid.
    pub paid: Amount,
    /// What was paid without being due, and not kept from a later payment yet.
    pub to_recover: Amount,
    /// The lines, oldest first.
    pub lines: Vec<CoverPageLine>,
    /// The command that proves the lines.
    pub prove: String,
    /// The command that withdraws the person's consent.
    pub withdraw: String,
    /// The proofs of the lines, up to signed states of the book.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proofs: Option<PageProofs>,
}

impl std::fmt::Debug for CoverPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CoverPage").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// One line of an evaluation, as its person reads it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_debug_implementations, reason = "it tells what befell a person")]
pub struct CoverPageLine {
    /// The day of the event.
    pub day: Date,
    /// The name of the event in the policy.
    pub event: String,
    /// The institution whose row showed it.
    pub institution: String,
    /// What came of it.
    pub outcome: Outcome,
    /// What is due by it; below zero where it is due no more.
    pub owed: Amount,
    /// What of it was kept for an earlier payment that was not due.
    pub kept: Amount,
    /// What of it is paid.
    pub paid: Amount,
    /// Where the payment is; none where nothing is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentState>,
    /// When it was evaluated.
    pub evaluated: Instant,
    /// The digest of the row that showed it.
    pub evidence: Sha3Digest,
    /// The root over the lines of the evaluation.
    pub root: Sha256,
    /// The evaluation's entry in the public book.
    pub entry: Sha256,
}

/// Where a payment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PaymentState {
    /// The bank was not told yet, or the money came back and it will be told again.
    Open,
    /// The bank was told.
    Ordered,
    /// The bank has paid it.
    Booked,
}

impl PaymentState {
    /// Returns its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ordered => "ordered",
            Self::Booked => "booked",
        }
    }
}

impl CoverPage {
    /// Returns the parts of the page in a language.
    pub fn document(&self, lang: Lang) -> Document {
        let messages = Messages::of(lang);
        let policy = self.policy.as_str();
        let last = self.term.until.pred_opt().unwrap_or(self.term.until);
        let (from, until) = (messages.date(self.term.from), messages.date(last));
        let lead = [
            ("policy", Text(policy)),
            ("insurer", Text(&self.insurer)),
            ("from", Text(&from)),
            ("until", Text(&until)),
            ("member", Text(self.contributor.as_str())),
        ];
        let mut page = Document {
            lang,
            title: messages.say("cover-title"),
            lead: messages.tell("cover-lead", &lead),
            foot: messages.tell("cover-foot", &[("policy", Text(policy))]),
            blocks: vec![self.hero(messages)],
        };
        self.events(&mut page, messages);
        self.recovery(&mut page, messages);
        self.rights(&mut page, messages);
        self.check(&mut page, messages);
        page
    }

    fn hero(&self, messages: &Messages) -> Block {
        if self.paid.minor() == 0 {
            let text = messages.say("cover-hero-nothing");
            return Block::Hero { figure: messages.amount(self.paid), text };
        }
        let events = self.lines.iter().filter(|line| line.paid.minor() > 0).count();
        let count = u64::try_from(events).unwrap_or(u64::MAX);
        let text = messages.tell("cover-hero-paid", &[("count", Count(count))]);
        Block::Hero { figure: messages.amount(self.paid), text }
    }

    fn events(&self, page: &mut Document, messages: &Messages) {
        let sum = messages.amount(self.sum);
        let how = match self.kind {
            CoverKind::Insurance => "cover-how-insurance",
            CoverKind::Incentive => "cover-how-incentive",
        };
        page.text(messages.tell(how, &[("sum", Text(&sum))]));
        page.text(messages.say("cover-once"));
        page.heading(messages.say("cover-events-heading"));
        let number = |amount: Amount| messages.decimal(&amount.decimal());
        let rows = self.lines.iter().map(|line| {
            let state = line.payment.map(|state| messages.one_of("cover-state", state.as_str()));
            Row::of([
                messages.date(line.day),
                line.event.replace('-', " "),
                line.institution.clone(),
                messages.one_of("cover-outcome", line.outcome.as_str()),
                number(line.owed),
                number(line.kept),
                number(line.paid),
                state.unwrap_or_default(),
            ])
        });
        let rows = rows.collect();
        let heads = [
            messages.say("cover-day"),
            messages.say("cover-event"),
            messages.say("cover-institution"),
            messages.say("cover-outcome"),
            format!("#{}", messages.say("cover-owed")),
            format!("#{}", messages.say("cover-kept")),
            format!("#{}", messages.say("cover-paid")),
            messages.say("cover-state"),
        ];
        let currency = self.sum.currency().code();
        page.table(messages.tell("cover-caption", &[("currency", Text(currency))]), heads, rows);
    }

    /// What was paid without being due: told, and never asked back.
    fn recovery(&self, page: &mut Document, messages: &Messages) {
        let is_flag = |line: &CoverPageLine| line.owed.minor() < 0;
        if !self.lines.iter().any(is_flag) && self.to_recover.minor() == 0 {
            return;
        }
        page.heading(messages.say("cover-recovery-heading"));
        page.text(messages.say("cover-recovery-why"));
        let left = messages.amount(self.to_recover);
        let state =
            if self.to_recover.minor() > 0 { "cover-recovery-left" } else { "cover-recovery-done" };
        page.text(messages.tell(state, &[("amount", Text(&left))]));
    }

    fn rights(&self, page: &mut Document, messages: &Messages) {
        page.heading(messages.say("cover-consent-heading"));
        let purpose = messages.purpose(&self.purpose);
        page.text(messages.tell("cover-consent-text", &[("purpose", Text(&purpose))]));
        page.blocks.push(Block::Code { lines: vec![self.withdraw.clone()] });
    }

    fn check(&self, page: &mut Document, messages: &Messages) {
        page.heading(messages.say("check-heading"));
        page.text(messages.say("cover-check-text"));
        page.blocks.push(Block::Code { lines: vec![self.prove.clone()] });
        for line in &self.lines {
            let day = messages.date(line.day);
            let pair = |name: &str, value: String| super::Pair { name: messages.say(name), value };
            page.blocks.push(Block::Pairs {
                title: Some(messages.tell("cover-proof-title", &[("day", Text(&day))])),
                pairs: vec![
                    pair("cover-evidence", line.evidence.to_string()),
                    pair("proof-root", line.root.to_string()),
                    pair("check-entry", line.entry.to_string()),
                ],
            });
        }
    }
}

/// Writes a cover's page as HTML, to stand beside `STEM.csv`, `STEM.json` and, if `printed`, `STEM.pdf`.
pub fn cover_page(page: &CoverPage, lang: Lang, stem: &str, printed: bool) -> String {
    let proofs = page.proofs.as_ref();
    super::statement::with_forms(&page.document(lang), page.time, stem, printed, proofs)
}

const HEADER: [&str; 14] = [
    "policy",
    "day",
    "event",
    "institution",
    "outcome",
    "owed_minor",
    "kept_minor",
    "paid_minor",
    "currency",
    "payment",
    "evaluated",
    "evidence",
    "root",
    "entry",
];

/// Writes a cover's page as CSV: one row a line, every amount in minor units.
pub fn cover_csv(page: &CoverPage) -> String {
    let rows = page.lines.iter().map(|line| {
        let minor = |amount: Amount| amount.minor().to_string();
        let cells = [
            page.policy.to_string(),
            line.day.to_string(),
            line.event.clone(),
            line.institution.clone(),
            line.outcome.as_str().to_owned(),
            minor(line.owed),
            minor(line.kept),
            minor(line.paid),
            line.owed.currency().to_string(),
            line.payment.map_or("", PaymentState::as_str).to_owned(),
            line.evaluated.to_string(),
            line.evidence.to_string(),
            line.root.to_string(),
            line.entry.to_string(),
        ];
        cells.map(Into::into).to_vec()
    });
    csv::write(&HEADER, rows)
}

#[cfg(test)]
mod tests;
