//! Reproduces a pool's settlements from their recorded inputs, for anybody who holds a copy of them.
//!
//! Comes in: a site's files, a pool. Goes out: what was compared, and findings. Never: a write.

use super::audit::{Files, Finding, Recomputed};
use crate::{
    audit,
    reward::{Period, PoolId},
    store,
};

/// Why nothing was reproduced.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The pool, or the period of it, was never settled.
    #[error("pool `{0}` has no such settlement")]
    Unsettled(PoolId),
}

/// Reproduces the settlements of a pool, or the one of a period.
pub fn recompute(
    files: &Files,
    pool: &PoolId,
    period: Option<&Period>,
) -> Result<(Vec<Recomputed>, Vec<Finding>), Error> {
    let period = period.map(Period::as_str);
    let (done, findings) = audit::recompute(files.evidence(), pool.as_str(), period)?;
    if done.is_empty() && findings.is_empty() {
        return Err(Error::Unsettled(pool.clone()));
    }
    Ok((done, findings))
}
