//! Matches: what a fund added to other pools, reckoned anew from the gifts of a period.
//!
//! Comes in: commits, the recorded inputs. Goes out: findings, and the payments that a match made.
//! Never: a gift counted twice for one person, or money that left a fund and came into no pool.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::collections::{BTreeMap, BTreeSet};

use ethnum::U256;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Audit, Check, Evidence,
    apportion::capped,
    commits::{Commits, Numbered},
    inputs::{Before, interval},
    shape::{Act, Funded, Named, PoolCommit},
    table::{ascends, leaf_hash, object},
};
use crate::{
    digest::{Sha3Digest, canonical},
    money::{Amount, Currency},
    store,
};

/// A fund's money is added to what was given to pools.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Matched {
    pub(super) pool: String,
    pub(super) period: String,
    pub(super) inputs: Named,
    pub(super) shares: Vec<Share>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Share {
    pub(super) pool: String,
    pub(super) asked: Amount,
    pub(super) amount: Amount,
}

impl Matched {
    /// Returns all that left the fund; `None` where it does not fit or is not of one currency.
    pub(super) fn total(&self, currency: Currency) -> Option<Amount> {
        let zero = Amount::new(0, currency);
        self.shares.iter().try_fold(zero, |sum, share| sum.plus(share.amount).ok())
    }

    fn reference(&self) -> String {
        format!("match:{}@{}", self.pool, self.period)
    }
}

/// Returns the body of a match's entry; `None` where its inputs cannot be read, a finding of their own.
pub(super) fn body(evidence: &Evidence, act: &Matched) -> Option<Value> {
    let bytes = evidence.vault.find(&act.inputs.path).ok()??;
    let inputs: Value = serde_json::from_slice(&bytes).ok()?;
    let currency = act.shares.first()?.amount.currency();
    let share = |share: &Share| json!({"pool": share.pool, "amount": share.amount});
    Some(json!({
        "fund": act.pool,
        "period": act.period,
        "total": act.total(currency)?,
        "shares": act.shares.iter().map(share).collect::<Vec<_>>(),
        "cap_ppm": inputs.get("cap_ppm")?,
        "input_digest": act.inputs.digest,
    }))
}

/// Returns the payments that each match made, by its commit.
pub(super) fn payments(commits: &Commits) -> BTreeMap<u64, Vec<Funded>> {
    let mut payments = BTreeMap::new();
    for commit in &commits.pools {
        if let Act::Matched(act) = &commit.body.act {
            let paid = act.shares.iter().filter(|share| share.amount.minor() != 0);
            let paid = paid.map(|share| Funded {
                pool: share.pool.clone(),
                amount: share.amount,
                sponsor: act.pool.clone(),
                reference: act.reference(),
            });
            payments.insert(commit.number, paid.collect());
        }
    }
    payments
}

/// Reckons a match anew, from the pools as they stood before it.
pub(super) fn check(
    evidence: &Evidence,
    audit: &mut Audit,
    commit: &Numbered<PoolCommit>,
    pools: &BTreeMap<&str, Before<'_>>,
    act: &Matched,
) -> Result<(), store::Error> {
    let path = commit.path.as_str();
    let Some(fund) = pools.get(act.pool.as_str()) else { return Ok(()) };
    audit.check(Check::Once, path, fund.settled.is_empty(), "its fund pays people as well");
    let own = interval(&act.period);
    let over = own.is_some_and(|(_, until)| until <= commit.body.time);
    audit.check(Check::Inputs, path, over, "its period was not over");
    let apart = fund.matched.iter().all(|earlier| {
        matches!((interval(&earlier.period), own),
            (Some((start, end)), Some((from, until))) if end <= from || until <= start)
    });
    audit.check(Check::Once, path, apart, "its period was matched before");
    let names: Vec<&String> = act.shares.iter().map(|share| &share.pool).collect();
    audit.check(Check::Once, path, ascends(&names), "a pool is named twice, or out of order");
    let bytes = object(audit, &evidence.vault, "vault", &act.inputs.path, &act.inputs.digest)?;
    let recorded = bytes.as_ref().and_then(|b| serde_json::from_slice::<Value>(b).ok());
    let Some(recorded) = recorded else { return Ok(()) };
    let name = format!("vault/{}", act.inputs.path);
    let expected = gather(pools, fund, act, &recorded);
    let same = expected.as_ref().is_some_and(|own| *own == recorded);
    audit.check(Check::Inputs, &name, same, "it is not what the match had to rest on");
    let shares = expected.as_ref().and_then(reckon);
    let good = shares.is_some_and(|shares| shares == act.shares);
    audit.check(Check::Lines, path, good, "a pool's match is not what its gifts ask for");
    Ok(())
}

/// What a match had to rest on. Who is a person, and the cap, are the steward's to say.
fn gather(
    pools: &BTreeMap<&str, Before<'_>>,
    fund: &Before<'_>,
    act: &Matched,
    recorded: &Value,
) -> Option<Value> {
    let (from, until) = interval(&act.period)?;
    let currency = fund.opened.currency;
    let held = fund
        .funded
        .iter()
        .try_fold(Amount::new(0, currency), |sum, (.., funded)| sum.plus(funded.amount).ok())?;
    let available = fund
        .matched
        .iter()
        .try_fold(held, |left, earlier| left.minus(earlier.total(currency)?).ok())?;
    let verified = recorded.get("verified")?.as_array()?;
    let mut people: BTreeMap<&str, &str> = BTreeMap::new();
    for one in verified {
        let person = one.get("person")?.as_str()?;
        // A sponsor who is two persons is none.
        if people.insert(one.get("sponsor")?.as_str()?, person).is_some() {
            return None;
        }
    }
    let mut gifts: Vec<(u64, Value)> = Vec::new();
    for share in &act.shares {
        let pool = pools.get(share.pool.as_str())?;
        if pool.opened.currency != currency || share.pool == act.pool {
            return None;
        }
        for (number, time, entry, funded) in &pool.funded {
            let matched = pool.payments.contains(number);
            if (from..until).contains(time) && !matched {
                let gift = json!({
                    "pool": share.pool,
                    "commit": number,
                    "entry": leaf_hash(entry.as_bytes()),
                    "amount": funded.amount,
                    "person": people.get(funded.sponsor.as_str()),
                });
                gifts.push((*number, gift));
            }
        }
    }
    gifts.sort_by_key(|(number, _)| *number);
    Some(json!({
        "format": 1,
        "fund": act.pool,
        "period": act.period,
        "available": available,
        "cap_ppm": recorded.get("cap_ppm")?,
        "pools": act.shares.iter().map(|share| &share.pool).collect::<Vec<_>>(),
        "verified": verified,
        "gifts": gifts.into_iter().map(|(_, gift)| gift).collect::<Vec<_>>(),
    }))
}

/// Reckons what each pool is due.
fn reckon(inputs: &Value) -> Option<Vec<Share>> {
    let available: Amount = serde_json::from_value(inputs.get("available")?.clone()).ok()?;
    let currency = available.currency();
    let fund = u128::try_from(available.minor()).ok()?;
    let seed = Sha3Digest::of(&canonical(inputs).ok()?);
    let pools: Vec<&str> =
        inputs.get("pools")?.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
    let mut asked = Vec::new();
    for pool in &pools {
        let mut people: BTreeMap<&str, u128> = BTreeMap::new();
        for gift in inputs.get("gifts")?.as_array()? {
            let own = gift.get("pool")?.as_str()? == *pool;
            let (Some(person), true) = (gift.get("person")?.as_str(), own) else { continue };
            let amount: Amount = serde_json::from_value(gift.get("amount")?.clone()).ok()?;
            let sum = people.entry(person).or_default();
            *sum = sum.checked_add(u128::try_from(amount.minor()).ok()?)?;
        }
        asked.push(asks(people.values().copied())?);
    }
    let all = asked.iter().try_fold(0_u128, |sum, asked| sum.checked_add(*asked))?;
    let cap = match inputs.get("cap_ppm")?.as_u64() {
        Some(ppm) => fund.checked_mul(u128::from(ppm))?.checked_div(1_000_000)?,
        None => fund,
    };
    let tie = |pool: &str| Sha3Digest::of(&[seed.as_bytes().as_slice(), pool.as_bytes()].concat());
    let claims: Vec<(u128, Sha3Digest)> =
        pools.iter().zip(&asked).map(|(pool, asked)| (*asked, tie(pool))).collect();
    let given = capped(fund.min(all), cap, &claims)?;
    let amount = |minor: u128| Some(Amount::new(i128::try_from(minor).ok()?, currency));
    pools
        .into_iter()
        .zip(asked)
        .zip(given)
        .map(|((pool, asked), given)| {
            let (pool, given) = (pool.to_owned(), given.min(asked));
            Some(Share { pool, asked: amount(asked)?, amount: amount(given)? })
        })
        .collect()
}

/// `(sum of square roots)² - sum`, roots cut at the sixth decimal.
fn asks(gifts: impl Iterator<Item = u128>) -> Option<u128> {
    const SQUARE: u128 = 1_000_000_000_000;
    let (mut sum, mut roots) = (0_u128, 0_u128);
    for gift in gifts {
        sum = sum.checked_add(gift)?;
        roots = roots.checked_add(root(gift.checked_mul(SQUARE)?)?)?;
    }
    let whole =
        U256::from(roots).checked_mul(U256::from(roots))?.checked_div(U256::from(SQUARE))?;
    Some(u128::try_from(whole).ok()?.saturating_sub(sum))
}

/// The whole square root, found by halving.
fn root(square: u128) -> Option<u128> {
    let (mut low, mut high) = (0_u128, 1_u128 << 64);
    while high.checked_sub(low)? > 1 {
        let middle = low.checked_add(high)?.checked_div(2)?;
        if middle.checked_mul(middle).is_some_and(|own| own <= square) {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(low)
}

/// The commits by which matches paid into a pool.
pub(super) type Payments = BTreeSet<u64>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_whole_and_gifts_ask_as_the_reference_says() {
        for n in (0..5_000_u128).chain([u128::from(u64::MAX), u128::MAX]) {
            assert_eq!(root(n).unwrap(), n.isqrt(), "the root of {n}");
        }
        assert_eq!(asks([900].into_iter()), Some(0), "one gift of 900");
        assert_eq!(asks([100; 9].into_iter()), Some(7_200), "nine gifts of 100");
    }
}
