//! Tells contributors what they earned: recomputes each settlement from its recorded inputs, checks
//! that it comes to what was recorded, and hands out one statement at a time.
//!
//! Comes in: whose, of which pool. Goes out: statements. Never: one that the record does not bear out.

use std::collections::BTreeMap;

use super::{
    fund::pools,
    settle::{Error, LineKeys, object, recompute, recorded},
};
use crate::{
    party::ContributorId,
    reward::{
        Dated, Inputs, Line, Lines, Period, Pool, PoolId, Settled, Settlement, proof::LineTree,
        statement::Statement,
    },
    site::Site,
};

/// Which statements.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Whose: all ids of one person; everybody's if none is named.
    pub contributors: Vec<ContributorId>,
    /// Of which pool; of all if none is named.
    pub pool: Option<PoolId>,
    /// For which period; for all if none is named.
    pub period: Option<Period>,
}

/// Hands each selected statement to `take`, by pool, settlement and contributor; returns how many.
pub fn statements<E: From<Error>>(
    site: &Site,
    selection: &Selection,
    mut take: impl FnMut(Statement) -> Result<(), E>,
) -> Result<u64, E> {
    let pools = pools(site).map_err(Error::from)?;
    if let Some(unknown) = selection.pool.as_ref().filter(|p| !pools.contains_key(*p)) {
        return Err(Error::from(super::fund::Error::Unknown(unknown.clone())).into());
    }
    let mut count = 0_u64;
    let wanted = |pool: &&Pool| selection.pool.as_ref().is_none_or(|p| p == pool.id());
    for pool in pools.values().filter(wanted) {
        let wanted =
            |s: &&Dated<Settled>| selection.period.as_ref().is_none_or(|p| *p == s.act.period);
        for settled in pool.settled.iter().filter(wanted) {
            count = count.saturating_add(of_one(site, settled, selection, &mut take)?);
        }
    }
    Ok(count)
}

fn of_one<E: From<Error>>(
    site: &Site,
    settled: &Dated<Settled>,
    selection: &Selection,
    take: &mut impl FnMut(Statement) -> Result<(), E>,
) -> Result<u64, E> {
    let act = &settled.act;
    let (inputs, settlement) = settlement(site, settled)?;
    let changed = |path: &str| Error::Integrity { path: path.to_owned() };
    let lines = recorded(site, &act.lines, act.institution_lines.as_ref())?;
    if lines.people != settlement.lines
        || lines.institutions != settlement.institutions
        || settlement.totals != act.totals
    {
        return Err(changed(&act.lines.path).into());
    }
    let keys = LineKeys::load(site)?;
    let tree = LineTree::read(&object(site, &act.leaves)?).filter(|t| t.root() == act.root);
    let tree = tree.ok_or_else(|| changed(&act.leaves.path))?;
    let mut count = 0_u64;
    let whose = |line: &Line| {
        selection.contributors.is_empty() || selection.contributors.contains(&line.contributor)
    };
    for (place, line) in settlement.lines.iter().enumerate().filter(|(_, line)| whose(line)) {
        let proof = tree
            .prove(&act.pool, &act.period, line, &keys.of(&line.contributor))
            .map_err(Error::from)?
            .ok_or_else(|| changed(&act.leaves.path))?;
        let statement = Statement::new(&inputs, settled, &settlement, place, line, proof)
            .map_err(Error::from)?;
        take(statement)?;
        count = count.saturating_add(1);
    }
    Ok(count)
}

/// Reads the inputs of a settlement, and computes it again.
pub(super) fn settlement(
    site: &Site,
    settled: &Dated<Settled>,
) -> Result<(Inputs, Settlement), Error> {
    let inputs = inputs(site, settled)?;
    let settlement = recompute(site, &inputs)?;
    Ok((inputs, settlement))
}

fn inputs(site: &Site, settled: &Dated<Settled>) -> Result<Inputs, Error> {
    let at = &settled.act.inputs;
    serde_json::from_slice(&object(site, at)?)
        .map_err(|source| Error::Format { path: at.path.clone(), source })
}

/// Returns the recorded lines of each settlement of a pool, by commit, for the private journal.
pub fn lines(site: &Site, pool: &Pool) -> Result<BTreeMap<u64, Lines>, Error> {
    pool.settled
        .iter()
        .map(|s| Ok((s.commit, recorded(site, &s.act.lines, s.act.institution_lines.as_ref())?)))
        .collect()
}
