//! Gathers what a pool gave for open grants data: sums by period and institution.
//!
//! Comes in: a pool and who publishes. Goes out: a 360Giving package. Never: people of whom fewer than
//! eleven were paid, or one row that is a person's.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    fund::{self, pools},
    payout,
    statement::lines,
};
pub use crate::report::Funder;
use crate::{
    instant::{Date, Instant},
    money::{self, Amount},
    payee::PayeeId,
    report::{DigitsError, Grant, Recipient, giving as write},
    reward::{
        PoolId,
        journal::{Movement, Step},
    },
    site::Site,
};

/// People whose payments of one settlement are published together, at least.
const PEOPLE_MIN: usize = 11;

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The payouts or the settlements cannot be read.
    #[error(transparent)]
    Payout(#[from] payout::Error),
    /// Nothing was paid that may be published.
    #[error("pool `{0}` has paid nothing that may be published")]
    Nothing(PoolId),
    /// An amount has too many digits.
    #[error(transparent)]
    Digits(#[from] DigitsError),
}

impl From<money::Error> for Error {
    fn from(error: money::Error) -> Self {
        Self::Payout(error.into())
    }
}

/// A 360Giving package.
#[derive(Debug, Clone)]
pub struct Package {
    /// The JSON.
    pub json: Value,
    /// Periods whose people are left out, because fewer than eleven were paid.
    pub left_out: Vec<String>,
}

/// Gathers what a pool gave.
pub fn giving(site: &Site, pool: &PoolId, funder: &Funder) -> Result<Package, Error> {
    let pools = pools(site).map_err(payout::Error::from)?;
    let known = pools.get(pool);
    let pool = known.ok_or_else(|| payout::Error::from(fund::Error::Unknown(pool.clone())))?;
    let lines = lines(site, pool).map_err(payout::Error::from)?;
    let arrived = arrived(&payout::movements(site, pool.id())?);
    let amount = |minor: i128| Amount::new(minor, pool.currency());
    let (mut grants, mut left_out) = (Vec::new(), Vec::new());
    for settled in &pool.settled {
        let Some(lines) = lines.get(&settled.commit) else { continue };
        let period = &settled.act.period;
        let grant = |recipient, awarded, disbursed| Grant {
            pool: pool.id().to_string(),
            period: period.to_string(),
            days: (period.from().date().to_string(), last_day(period.until()).to_string()),
            awarded_at: settled.time,
            recipient,
            awarded,
            disbursed,
        };
        let sum = |people: bool, who: Option<&PayeeId>| -> i128 {
            let of = arrived.iter().filter(|((settlement, payee), _)| {
                *settlement == settled.commit
                    && who.is_none_or(|who| who == payee)
                    && people == matches!(payee, PayeeId::Contributor(_))
            });
            of.map(|(_, minor)| *minor).sum()
        };
        let paid = lines.people.iter().filter(|line| line.paid_minor > 0).count();
        if paid >= PEOPLE_MIN {
            let awarded = settled.act.totals.paid;
            grants.push(grant(Recipient::People, awarded, amount(sum(true, None))));
        } else if paid > 0 {
            left_out.push(period.to_string());
        }
        for line in lines.institutions.iter().filter(|line| line.paid_minor > 0) {
            let who = PayeeId::Institution(line.institution.clone());
            let recipient = Recipient::Institution(line.institution.to_string());
            let awarded = amount(i128::from(line.paid_minor));
            grants.push(grant(recipient, awarded, amount(sum(false, Some(&who)))));
        }
    }
    if grants.is_empty() {
        return Err(Error::Nothing(pool.id().clone()));
    }
    Ok(Package { json: write(funder, &grants, site.now())?, left_out })
}

/// What arrived and did not come back, by settlement and payee.
fn arrived(movements: &[Movement]) -> BTreeMap<(u64, PayeeId), i128> {
    let mut arrived = BTreeMap::new();
    for movement in movements {
        let sign = match movement.step {
            Step::Booked => 1,
            Step::Returned => -1,
            Step::Ordered | Step::Recalled => continue,
        };
        for (settlement, payee, minor) in &movement.payments {
            *arrived.entry((*settlement, payee.clone())).or_default() += sign * i128::from(*minor);
        }
    }
    arrived
}

fn last_day(until: Instant) -> Date {
    let date = until.date();
    date.pred_opt().unwrap_or(date)
}
