//! What a sponsor's audit takes from other books: decisions, relations, the journal, the bank, the
//! ledger.
//!
//! Comes in: a pool and its commits. Goes out: facts. Never: a contributor.

use std::collections::BTreeMap;

use super::{Error, id};
use crate::{
    bank::{self, Payouts},
    digest::Sha256,
    instant::Instant,
    money::{Amount, Currency},
    pipeline::{book, payout, settle},
    report::{
        BankFacts, Days, EntryFacts, Money, OverrideFacts, Reconciled, RelatedFacts, TooLarge,
    },
    reward::{
        Dated, Overridden, Override, Pool, RelationCommit,
        journal::{Journal, Movement, Step},
        read_relations,
    },
    site::Site,
    store::Sequence,
};

/// Returns what was decided otherwise than the rules do, without naming anyone.
pub(super) fn overrides(pool: &Pool) -> Vec<OverrideFacts> {
    let decided = |decided: &Dated<Overridden>| OverrideFacts {
        time: decided.time,
        kind: decided.act.change.name().to_owned(),
        what: match &decided.act.change {
            Override::ExcludeQuery { query } => format!("question {query} does not count"),
            Override::ExcludeContributor { .. } => "a contributor does not count".to_owned(),
            Override::Price { query, price } => format!("question {query} weighs {price}"),
            Override::Correct { .. } => "an earlier payment is made good".to_owned(),
        },
        reason: decided.act.reason.clone(),
        approver: decided.act.approver.clone(),
        entry: id(&decided.entry).to_string(),
    };
    pool.overridden.iter().map(decided).collect()
}

/// Returns who is related to whom.
pub(super) fn related(site: &Site) -> Result<Vec<RelatedFacts>, Error> {
    let commits = Sequence::new(&site.vault(), "parties/commits").all()?;
    let relation = |(_, commit): (u64, RelationCommit)| RelatedFacts {
        payer: commit.act.payer.as_str().to_owned(),
        institution: commit.act.institution.as_str().to_owned(),
        entry: id(&commit.entry).to_string(),
    };
    Ok(read_relations(&commits)?.into_iter().map(relation).collect())
}

/// Returns the balance of each account at the end of the days.
pub(super) fn journal(
    pool: &Pool,
    movements: &[Movement],
    days: Days,
) -> Result<Vec<(String, Amount)>, Error> {
    let made = Journal::of(pool, None, movements)?.between(None, days.until)?;
    let balances = made.balances()?;
    Ok(balances.into_iter().map(|(account, amount)| (account.to_owned(), amount)).collect())
}

/// Returns what the bank booked, less what came back; `None` where it has answered nothing.
pub(super) fn bank(
    movements: &[Movement],
    currency: Currency,
) -> Result<Option<Vec<BankFacts>>, TooLarge> {
    let mut answers = Vec::new();
    for movement in movements {
        let sign = match movement.step {
            Step::Booked => 1,
            Step::Returned => -1,
            Step::Recalled => 0,
            Step::Ordered => continue,
        };
        let sum = movement.payments.iter().map(|(_, _, minor)| i128::from(*minor));
        let sum = sum.into_iter().try_fold(0_i128, i128::checked_add).ok_or(TooLarge)?;
        let booked = Amount::new(sum.checked_mul(sign).ok_or(TooLarge)?, currency);
        answers.push(BankFacts { time: movement.time, booked });
    }
    Ok((!answers.is_empty()).then_some(answers))
}

/// Lays each order beside its payments, and the control sum of the bank's own file beside both.
pub(super) fn payouts(site: &Site, pool: &Pool, days: Days) -> Result<Vec<Reconciled>, Error> {
    let vault = site.vault();
    let all = Payouts::load(&vault).map_err(payout::Error::from)?;
    let mut lines = Vec::new();
    for export in all.exports(pool.id()).filter(|export| days.hold(export.time)) {
        let act = &export.act;
        let sum = |minors: &mut dyn Iterator<Item = i64>, currency| {
            let sum = minors.map(i128::from).try_fold(0_i128, i128::checked_add);
            Money::of(Amount::new(sum.ok_or(TooLarge)?, currency))
        };
        lines.push(Reconciled {
            what: format!("Order {}: its payments", act.message),
            settled: sum(&mut export.lines.iter().map(|line| line.minor), pool.currency())?,
            other: "recorded total".to_owned(),
            booked: Money::of(act.total)?,
        });
        let changed = || settle::Error::Integrity { path: act.file.path.clone() };
        let file = vault.get(&act.file.path)?;
        let sums = bank::check(&file).map_err(|_| changed())?;
        let currency = act.control.currency();
        let mut sent = export.lines.iter().map(|line| line.sent_minor);
        lines.push(Reconciled {
            what: format!("Order {}: sent to the bank, {currency}", act.message),
            settled: sum(&mut sent, currency)?,
            other: "CtrlSum of pain.001".to_owned(),
            booked: Money::of(sums.sum)?,
        });
    }
    Ok(lines)
}

/// Returns the entries of the pool's acts of these days, and of its opening, as the book has them.
pub(super) fn entries(
    site: &Site,
    pool: &Pool,
    movements: &[Movement],
    days: Days,
) -> Result<Vec<EntryFacts>, Error> {
    let opened = (id(&pool.opened.entry), pool.opened.time);
    let acts = pool
        .funded
        .iter()
        .map(|act| (id(&act.entry), act.time))
        .chain(pool.overridden.iter().map(|act| (id(&act.entry), act.time)))
        .chain(pool.settled.iter().map(|act| (id(&act.entry), act.time)))
        .chain(movements.iter().map(|movement| (movement.entry, movement.time)));
    let wanted: BTreeMap<Sha256, Instant> =
        acts.filter(|(_, time)| days.hold(*time)).chain([opened]).collect();
    let line = |line: book::Line| {
        let time = *wanted.get(&line.id)?;
        Some(EntryFacts { index: line.index, id: line.id.to_string(), kind: line.kind, time })
    };
    Ok(book::show(site, 0)?.into_iter().filter_map(line).collect())
}
