//! What a sponsor's auditor has to look at: sums that do not add up, money for another purpose, books
//! that differ, findings of the audit, and money that went back to who paid it.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Money, PEOPLE_MIN, PoolFacts, SettlementFacts, SponsorAudit, SponsorReader, TooLarge};
use crate::{money::MICRO, purpose::Purpose, report::AuditFinding};

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exception {
    /// Where: a line of this audit, a settlement, an object, an entry.
    pub object: String,
    /// What is wrong; never a value of a person.
    pub fault: String,
}

/// Whether money was spent on what it may be spent on alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restricted {
    /// What the pool's money may pay for; none is anything.
    pub purposes: Vec<Purpose>,
    /// Questions that counted.
    pub counted: u64,
    /// Those of them that had another purpose, by their entries.
    pub broken: Vec<(String, Purpose)>,
}

impl Restricted {
    pub(super) fn of(purposes: &[Purpose], within: &[&SettlementFacts]) -> Self {
        let questions = || within.iter().flat_map(|s| &s.questions);
        let broken = questions().filter(|q| !q.allowed);
        Self {
            purposes: purposes.to_vec(),
            counted: u64::try_from(questions().count()).unwrap_or(u64::MAX),
            broken: broken.map(|q| (q.entry.clone(), q.purpose.clone())).collect(),
        }
    }
}

/// How much of a sponsor's money went back to institutions related to them. A pool's money is one:
/// each sponsor's part of a payment is as large as their part of what was received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SelfDealing {
    /// The sponsor.
    pub sponsor: String,
    /// Received from them until the end of the days that are told of.
    pub received: Money,
    /// The institutions related to them that were paid, or how many.
    pub institutions: Vec<String>,
    /// Of their own money, what went to these, rounded down to whole minor units; hidden where these
    /// have the records of fewer than 11 people.
    pub returned: Option<Money>,
    /// The same in parts of 10,000 of what was received from them.
    pub share: Option<u32>,
    /// Whether anything did.
    pub flagged: bool,
}

/// Returns a line for each sponsor whom somebody is related to.
pub(super) fn self_dealing(
    facts: &PoolFacts,
    within: &[&SettlementFacts],
) -> Result<Vec<SelfDealing>, TooLarge> {
    let mut received: BTreeMap<&str, Money> = BTreeMap::new();
    let zero = Money::zero(facts.currency);
    let mut all = zero;
    for receipt in &facts.receipts {
        if facts.days.after(receipt.time) || facts.days.hold(receipt.time) {
            let sum = received.entry(&receipt.sponsor).or_insert(zero);
            let amount = Money::of(receipt.amount)?;
            (*sum, all) = (sum.plus(amount)?, all.plus(amount)?);
        }
    }
    let mut lines = Vec::new();
    for (sponsor, own) in received {
        let mut related: Vec<&str> = facts
            .related
            .iter()
            .filter(|r| r.payer == sponsor)
            .map(|r| r.institution.as_str())
            .collect();
        related.sort_unstable();
        related.dedup();
        if related.is_empty() {
            continue;
        }
        let mut paid: BTreeMap<&str, Money> = BTreeMap::new();
        for line in within.iter().flat_map(|s| &s.by_institution) {
            if related.contains(&line.institution.as_str()) && line.paid.minor() > 0 {
                let sum = paid.entry(&line.institution).or_insert(zero);
                *sum = sum.plus(Money::of(line.paid)?)?;
            }
        }
        let back = Money::sum(facts.currency, paid.values().copied())?;
        let people = within.iter().map(|s| {
            let paid =
                s.by_institution.iter().filter(|l| paid.contains_key(l.institution.as_str()));
            paid.map(|line| line.people).fold(0, u64::saturating_add)
        });
        let told = back.is_zero() || people.max().unwrap_or(0) >= PEOPLE_MIN;
        let returned = part(back.minor(), own.minor(), all.minor())?;
        let share = u32::try_from(part(returned, 10_000, own.minor())?).map_err(|_| TooLarge)?;
        lines.push(SelfDealing {
            sponsor: sponsor.to_owned(),
            received: own,
            institutions: paid.keys().map(|name| (*name).to_owned()).collect(),
            returned: if told {
                let micro = returned.checked_mul(MICRO).ok_or(TooLarge)?;
                Some(Money::of_micro(micro, facts.currency))
            } else {
                None
            },
            share: told.then_some(share),
            flagged: !back.is_zero(),
        });
    }
    Ok(lines)
}

/// Returns `floor(amount * part / whole)`, 0 of nothing.
fn part(amount: i128, part: i128, whole: i128) -> Result<i128, TooLarge> {
    let product = amount.checked_mul(part).ok_or(TooLarge)?;
    Ok(product.checked_div_euclid(whole).unwrap_or(0))
}

/// Gathers everything that is not as it should be.
pub(super) fn exceptions(
    audit: &SponsorAudit,
    findings: &[AuditFinding],
) -> Result<Vec<Exception>, TooLarge> {
    let mut found = Vec::new();
    let mut fault = |object: String, fault: String| found.push(Exception { object, fault });
    for line in &audit.roll {
        if !line.difference.is_zero() {
            fault(
                format!("settlement {}", line.period),
                format!("the pool’s money does not add up by {}", line.difference.shown()),
            );
        }
    }
    for line in &audit.owed {
        if !line.difference.is_zero() {
            fault(
                format!("settlement {}", line.period),
                format!("what is owed does not add up by {}", line.difference.shown()),
            );
        }
    }
    for (number, parts) in [("10h", &audit.unobligated), ("10f", &audit.unliquidated)] {
        let sum = Money::sum(audit.currency, parts.iter().map(|part| part.amount))?;
        if let Some(line) = audit.line(number)
            && line.until != sum
        {
            let difference = line.until.minus(sum)?.shown();
            let said = format!("its parts, reckoned apart, differ from it by {difference}");
            fault(format!("line {number}"), said);
        }
        for part in parts.iter().filter(|part| part.amount.micro() < 0) {
            fault(format!("line {number}"), format!("“{}” is below nothing", part.what));
        }
    }
    let steps = audit.waterfall.changes.iter().map(|part| part.amount);
    let ends = Money::sum(audit.currency, steps)?.plus(audit.waterfall.opening)?;
    if ends != audit.waterfall.closing {
        let difference = audit.waterfall.closing.minus(ends)?.shown();
        fault("roll-forward".to_owned(), format!("it misses its closing by {difference}"));
    }
    for (entry, purpose) in &audit.restricted.broken {
        let said = format!("a question for {purpose} counted, which the pool may not pay for");
        fault(format!("entry {entry}"), said);
    }
    for line in audit.reconciliation.iter().filter(|line| line.settled != line.booked) {
        let difference = line.booked.minus(line.settled)?.shown();
        fault(line.what.clone(), format!("{} differs by {difference}", line.other));
    }
    // A finding may name an object of the private zone: the public page has those of `audit.html`.
    if audit.reader == SponsorReader::Sponsor {
        for finding in findings {
            fault(finding.object.clone(), format!("{}: {}", finding.check, finding.fault));
        }
    }
    Ok(found)
}
