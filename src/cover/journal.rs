//! The double-entry journal of a cover: the insurer's money, what events are paid of it, and what was paid
//! without being due, until it is kept from later payments.
//!
//! Comes in: a [`Cover`], what its payouts moved, and, for the private form, whom its evaluations pay.
//! Goes out: a [`Journal`], written as a pool's is. Never: a person's name, or a claim counted as money
//! of the pool: what is to be recovered stands on accounts of its own, which cancel out.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::collections::BTreeMap;

use super::{Cover, CoverTotals};
use crate::{
    money::{Amount, Currency},
    party::ContributorId,
    payee::PayeeId,
    reward::{
        PoolId,
        journal::{BANK, Error, Journal, Movement, Postings, Transaction, capitalised, negated},
        proof::leaf_hash,
    },
};

/// Whom each evaluation pays how much, by commit; people sorted, each once.
pub type Paid = BTreeMap<u64, Vec<(ContributorId, i64)>>;

/// Makes the journal of a cover; public without `paid`, and with it one account a payment.
pub fn journal(
    cover: &Cover,
    paid: Option<&Paid>,
    movements: &[Movement],
) -> Result<Journal, Error> {
    let policy = cover.policy();
    let (id, currency) = (&policy.policy, policy.currency);
    let accounts = Accounts::of(id);
    let mut transactions = Vec::new();
    for funded in &cover.funded {
        let amount = funded.act.amount;
        transactions.push(Transaction {
            time: funded.time,
            sequence: COVERS,
            commit: funded.commit,
            entry: leaf_hash(funded.entry.as_bytes()),
            narration: format!("fund {id}"),
            postings: vec![(BANK.to_owned(), amount), (accounts.cover.clone(), negated(amount)?)],
        });
    }
    for evaluated in &cover.evaluated {
        let own = paid.and_then(|paid| paid.get(&evaluated.commit));
        let totals = &evaluated.act.totals;
        let (due, taken_back) = accounts.evaluated(evaluated.commit, totals, own, currency)?;
        for (what, postings) in [("events", due), ("to be recovered", taken_back)] {
            transactions.push(Transaction {
                time: evaluated.time,
                sequence: COVERS,
                commit: evaluated.commit,
                entry: leaf_hash(evaluated.entry.as_bytes()),
                narration: format!("evaluate {id}: {what}"),
                postings,
            });
        }
    }
    for movement in movements {
        let payable = |commit: u64, payee: &PayeeId| match (payee, paid) {
            (PayeeId::Institution(_), _) => None,
            (PayeeId::Contributor(_), None) => Some(accounts.payable.clone()),
            (PayeeId::Contributor(person), Some(paid)) => {
                let own = paid.get(&commit)?;
                let place = own.binary_search_by(|(id, _)| id.cmp(person)).ok()?;
                Some(accounts.person(commit, place.saturating_add(1)))
            }
        };
        let postings = movement.postings(&accounts.transit, currency, payable)?;
        transactions.push(movement.transaction(id, postings));
    }
    Journal::new(format!("cover {id}"), id.clone(), currency, transactions)
}

const COVERS: &str = "covers";

/// The names of a cover's accounts.
struct Accounts {
    cover: String,
    payable: String,
    transit: String,
    recoverable: String,
    recovering: String,
}

impl Accounts {
    fn of(policy: &PoolId) -> Self {
        let name = capitalised(policy.as_str());
        Self {
            cover: format!("Liabilities:Cover:{name}"),
            payable: format!("Liabilities:Payable:{name}"),
            transit: format!("Liabilities:PayoutsInTransit:{name}"),
            recoverable: format!("Assets:Recoverable:{name}"),
            recovering: format!("Liabilities:Recoverable:{name}"),
        }
    }

    fn person(&self, commit: u64, place: usize) -> String {
        format!("{}:C{commit}-{place:07}", self.payable)
    }

    /// Books an evaluation: what is paid of the insurer's money, then what became recoverable by it, less
    /// what it kept.
    fn evaluated(
        &self,
        commit: u64,
        totals: &CoverTotals,
        paid: Option<&Vec<(ContributorId, i64)>>,
        currency: Currency,
    ) -> Result<(Postings, Postings), Error> {
        let amount = |minor: i128| Amount::new(minor, currency);
        let CoverTotals { owed_minor, recovered_minor, paid_minor, .. } = *totals;
        let total = amount(i128::from(paid_minor));
        let mut due = vec![(self.cover.clone(), total)];
        match paid {
            None => due.push((self.payable.clone(), negated(total)?)),
            Some(paid) => {
                for (place, (_, minor)) in (1..).zip(paid) {
                    let account = self.person(commit, place);
                    due.push((account, negated(amount(i128::from(*minor)))?));
                }
            }
        }
        // What is paid and kept exceeds what is due by what is due no more.
        let (owed, kept) = (i128::from(owed_minor), i128::from(recovered_minor));
        let flagged = i128::from(paid_minor)
            .checked_sub(owed)
            .and_then(|more| more.checked_add(kept))
            .ok_or(crate::money::Error::Overflow)?;
        let claims = amount(flagged).minus(amount(kept))?;
        let taken_back =
            vec![(self.recoverable.clone(), claims), (self.recovering.clone(), negated(claims)?)];
        Ok((due, taken_back))
    }
}

#[cfg(test)]
mod tests;
