//! The tables that were gathered for a settlement, gathered anew: who was known to be whom and where
//! they pay tax, and what was new.
//!
//! Comes in: [`Given`], the register of payees, the versions. Goes out: findings.
//! Never: a value, or whose it is.

use std::collections::BTreeMap;

use super::{
    Audit, Check, Evidence,
    commits::Commits,
    fresh,
    given::{self, Given, NewData, Payee},
    inputs::Before,
    payees,
    shape::Named,
    table::{ascends, object},
};
use crate::{instant::Instant, store};

/// Compares a settlement's tables of payees and of new data with what they must hold.
pub(super) fn compare(
    evidence: &Evidence,
    audit: &mut Audit,
    commits: &Commits,
    pool: &Before<'_>,
    given: &Given,
    known: &dyn Fn(Instant, &str) -> bool,
) -> Result<(), store::Error> {
    let Some(known) = payees::at(evidence, audit, commits, known)? else { return Ok(()) };
    let name = |at: &Option<Named>| {
        at.as_ref()
            .map_or_else(|| "vault/pools/settlements".to_owned(), |at| format!("vault/{}", at.path))
    };
    let table = name(&given.inputs.payees);
    let told = given.payees.iter().all(|(id, payee)| known.get(id) == Some(payee));
    audit.check(Check::Inputs, &table, told, "a payee is not as the register had it");
    let all = known.len() == given.payees.len();
    audit.check(Check::Inputs, &table, all, "it leaves out somebody whom the register had");

    let opened = pool.opened;
    let paid = opened.rules.contributors_min().is_some();
    let table = name(&given.inputs.new_data);
    let fault = "new records are paid for and not counted, or counted and not paid for";
    audit.check(Check::Inputs, &table, paid == given.inputs.new_data.is_some(), fault);
    if !paid {
        return Ok(());
    }
    let Some(earlier) = earlier(evidence, audit, pool)? else { return Ok(()) };
    let person = |id: &str| known.get(id).and_then(Payee::verified_person).map(str::to_owned);
    let period = &given.inputs.period;
    let own = fresh::count(evidence, audit, commits, opened, period, &person, &earlier)?;
    let Some(own) = own else { return Ok(()) };
    let keys: Vec<_> = given.new_data.iter().map(|row| (&row.contributor, &row.stratum)).collect();
    audit.check(Check::Once, &table, ascends(&keys), "it is out of order, or counts one twice");
    let told: BTreeMap<_, &NewData> =
        given.new_data.iter().map(|row| ((&row.contributor, &row.stratum), row)).collect();
    for row in &own {
        let good = told.get(&(&row.contributor, &row.stratum)).is_some_and(|told| *told == row);
        audit.check(Check::Inputs, &table, good, "somebody's new records are counted otherwise");
    }
    let all = told.len() == own.len();
    audit.check(Check::Inputs, &table, all, "it counts new records that there are not");
    Ok(())
}

/// The tables of new data of the settlements before, in order.
fn earlier(
    evidence: &Evidence,
    audit: &mut Audit,
    pool: &Before<'_>,
) -> Result<Option<Vec<Vec<NewData>>>, store::Error> {
    let mut tables = Vec::new();
    for (_, act) in &pool.settled {
        let Some((inputs, _)) = given::inputs(audit, &evidence.vault, &act.inputs)? else {
            return Ok(None);
        };
        let Some(at) = inputs.new_data else { continue };
        let bytes = object(audit, &evidence.vault, "vault", &at.path, &at.digest)?;
        let Some(rows) = bytes.and_then(given::new_data) else { return Ok(None) };
        tables.push(rows);
    }
    Ok(Some(tables))
}
