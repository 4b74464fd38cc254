//! The settlements beside the double-entry journal and the bank's files.
//!
//! Comes in: the audit's own figures, the journal's balances. Goes out: pairs that should be equal.
//! Never: a balance of one person or of a handful: only sums over all.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use super::{
    Disbursed, Federal, Money, Part, PoolFacts, Reconciled, SettlementFacts, TooLarge,
    figures::{IN_TRANSIT, RESERVE},
};

/// The accounts that the journal holds for what the bank is asked to pay.
const PAYABLE: [&str; 3] =
    ["Liabilities:Payable", "Liabilities:PayableInstitutions", "Liabilities:PayoutsInTransit"];

/// Lays the journal and the bank's files beside the settlements.
pub(super) fn reconcile(
    facts: &PoolFacts,
    federal: &Federal,
    unobligated: &[Part],
    unliquidated: &[Part],
) -> Result<Vec<Reconciled>, TooLarge> {
    let currency = facts.currency;
    let mut lines = facts.payouts.clone();
    if facts.journal.is_empty() {
        return Ok(lines);
    }
    let zero = Money::zero(currency);
    let booked = |holds: &dyn Fn(&str) -> bool| {
        let accounts = facts.journal.iter().filter(|(account, _)| holds(account));
        let amounts = accounts.map(|(_, amount)| Money::of(*amount));
        Money::sum(currency, amounts.collect::<Result<Vec<_>, _>>()?)
    };
    let line = |number: &str| {
        let found = federal.lines.iter().find(|line| line.line == number);
        found.map_or(zero, |line| line.until)
    };
    let part = |parts: &[Part], what: &str| {
        parts.iter().find(|part| part.what == what).map_or(zero, |part| part.amount)
    };
    let ended = facts.ended();
    let sum = |of: fn(&SettlementFacts) -> Result<Money, TooLarge>| {
        Money::sum(currency, ended.iter().map(|s| of(s)).collect::<Result<Vec<_>, _>>()?)
    };
    let transit = part(unliquidated, IN_TRANSIT);
    let payable = |account: &str| PAYABLE.iter().any(|name| below(account, name));
    let owed = |account: &str| {
        account.starts_with("Liabilities:")
            && !payable(account)
            && !below(account, "Liabilities:Reserve")
    };
    let mut beside = |what: &str, other: &str, settled, booked| {
        let (what, other) = (what.to_owned(), other.to_owned());
        lines.push(Reconciled { what, settled, other, booked });
    };
    // What is payable and not booked is in the bank still: less it, cash is the same in both books.
    let cash = booked(&|account| account == "Assets:Bank")?;
    let transit_booked = booked(&payable)?;
    let after = line("10c").minus(transit)?;
    beside(
        "Cash after what is payable",
        "journal: bank and payables",
        after,
        cash.plus(transit_booked)?,
    );
    if federal.disbursed == Disbursed::Bank {
        beside("Cash on hand", "journal: bank", line("10c"), cash);
    }
    let negative = |amount: Money| zero.minus(amount);
    beside(
        "Fees",
        "journal: Income:Fees",
        sum(|s| Money::of(s.fee))?,
        negative(booked(&|account| below(account, "Income:Fees"))?)?,
    );
    beside(
        "The platform’s part",
        "journal: Income:Platform",
        sum(|s| Money::of(s.platform.payable))?,
        negative(booked(&|account| below(account, "Income:Platform"))?)?,
    );
    let reserve = part(unobligated, RESERVE);
    beside(
        RESERVE,
        "journal: Liabilities:Reserve",
        reserve,
        negative(booked(&|account| below(account, "Liabilities:Reserve"))?)?,
    );
    beside(
        "Owed and not payable yet",
        "journal: all other liabilities",
        line("10h").minus(reserve)?.plus(line("10f"))?.minus(transit)?,
        negative(booked(&owed)?)?,
    );
    Ok(lines)
}

/// Says whether an account is one of a name, or below it: `Liabilities:Payable:P` is, and
/// `Liabilities:PayableInstitutions:P` is not.
fn below(account: &str, name: &str) -> bool {
    account.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}
