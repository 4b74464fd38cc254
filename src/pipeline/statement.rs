//! Tells contributors what they earned and what covers paid them: recomputes each settlement from its
//! recorded inputs, checks that it comes to what was recorded, and hands out statements.
//!
//! Comes in: whose, of which pool or policy. Goes out: statements, as pages or files. Never: one that the record
//! or the book does not bear out.

mod account;
mod covers;
mod error;
mod known;
mod write;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::{account::Account, known::Known};
pub use self::{
    covers::covers,
    error::Error,
    write::{Files, Form, Written, folder, put, write},
};
use super::{fund, fund::pools};
use crate::{
    cover::Covers,
    party::ContributorId,
    report::StatementPage,
    reward::{Period, PoolId, statement::Statement},
    site::Site,
};

pub use self::account::lines;
pub(super) use self::account::settlement;

/// Which statements.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Whose: all ids of one person; everybody's if none is named.
    pub contributors: Vec<ContributorId>,
    /// Of which pool or policy; of all if none is named.
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
    let mut count = 0_u64;
    for account in accounts(site, selection)? {
        let account = account?;
        let basis = account.basis()?;
        for place in account.places(selection) {
            take(basis.statement(place, account.proof(place)?).map_err(Error::from)?)?;
            count = count.saturating_add(1);
        }
    }
    Ok(count)
}

/// Returns the pages of the selected statements, in the same order.
pub fn find(site: &Site, selection: &Selection) -> Result<Vec<StatementPage>, Error> {
    let known = Known::read(site)?;
    let mut found = Vec::new();
    statements(site, selection, |statement| {
        found.push(known.page(statement)?);
        Ok::<(), Error>(())
    })?;
    Ok(found)
}

/// Reads the selected settlements, one at a time.
fn accounts<'a>(
    site: &'a Site,
    selection: &'a Selection,
) -> Result<impl Iterator<Item = Result<Account, Error>> + 'a, Error> {
    let pools = pools(site)?;
    if let Some(unknown) = selection.pool.as_ref().filter(|p| !pools.contains_key(*p))
        && Covers::load(&site.vault())?.get(unknown).is_none()
    {
        return Err(fund::Error::Unknown(unknown.clone()).into());
    }
    let of_pool = |id: &PoolId| selection.pool.as_ref().is_none_or(|pool| pool == id);
    let of_period = |period: &Period| selection.period.as_ref().is_none_or(|p| p == period);
    let mut wanted = Vec::new();
    for pool in pools.into_values().filter(|pool| of_pool(pool.id())).map(Arc::new) {
        for (at, settled) in pool.settled.iter().enumerate() {
            if of_period(&settled.act.period) {
                wanted.push((Arc::clone(&pool), at));
            }
        }
    }
    Ok(wanted.into_iter().map(move |(pool, at)| Account::read(site, &pool, at)))
}
