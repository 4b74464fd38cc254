//! The books of a policy: its own acts with what its payouts moved.
//!
//! Comes in: a policy's name. Goes out: its [`Journal`]. Never: a person's name.

use super::{Error, movements};
use crate::{
    cover::{
        self, Covers,
        journal::{Paid, journal},
    },
    reward::{PoolId, journal::Journal},
    site::Site,
};

/// Makes the journal of a policy; the private one has an account a payment.
pub fn books(site: &Site, policy: &PoolId, private: bool) -> Result<Journal, Error> {
    let covers = Covers::load(&site.vault())?;
    let cover = covers.get(policy).ok_or_else(|| Error::Unknown(policy.clone()))?;
    let mut paid = Paid::new();
    for evaluated in cover.evaluated.iter().filter(|_| private) {
        let lines = cover::lines(&site.vault(), &evaluated.act)?;
        paid.insert(evaluated.commit, cover::payable(&lines)?);
    }
    let movements = movements(site, policy)?;
    Ok(journal(cover, private.then_some(&paid), &movements)?)
}
