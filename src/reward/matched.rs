//! A fund's match of what verified persons gave to pools, as one act: money leaves the fund and comes
//! into each pool in the same commit, so that none of it is ever in two places or in none.
//!
//! Comes in: a fund, the gifts of a period, who gave them. Goes out: what is added to each pool.
//! Never: a match above what the gifts ask for, or for a gift of somebody whom nobody verified.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ApportionError, ObjectRef, Period, PoolId, match_pool, match_weight};
use crate::{
    digest::{CanonicalError, Sha3Digest, Sha256, canonical_digest},
    money::{self, Amount, Currency},
    party::SponsorId,
};

/// Money of a fund is added to what verified persons gave to pools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matched {
    /// The fund: a pool that pays nobody but pools.
    pub pool: PoolId,
    /// The period whose gifts are matched.
    pub period: Period,
    /// Everything that the match rests on ([`MatchInputs`], canonical JSON).
    pub inputs: ObjectRef,
    /// What is added to each pool, by name.
    pub shares: Vec<MatchShare>,
}

/// What is added to one pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchShare {
    /// The pool.
    pub pool: PoolId,
    /// What its gifts ask for, in minor units: `(sum of square roots)² - sum`.
    pub asked: Amount,
    /// What it gets.
    pub amount: Amount,
}

impl Matched {
    /// Returns all that leaves the fund.
    pub fn total(&self, currency: Currency) -> Result<Amount, money::Error> {
        super::pool::sum(currency, self.shares.iter().map(|share| share.amount))
    }

    /// Returns the reference under which the money comes into each pool.
    pub fn reference(&self) -> String {
        format!("match:{}@{}", self.pool, self.period)
    }
}

/// Everything that a match rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchInputs {
    /// The format, 1.
    pub format: u32,
    /// The fund.
    pub fund: PoolId,
    /// The period.
    pub period: Period,
    /// What the fund holds.
    pub available: Amount,
    /// The most that one pool gets, in millionths of what the fund holds.
    pub cap_ppm: Option<u32>,
    /// The pools, sorted.
    pub pools: Vec<PoolId>,
    /// Who is who among those who give, sorted by sponsor.
    pub verified: Vec<VerifiedSponsor>,
    /// The gifts to the pools in the period, by commit.
    pub gifts: Vec<GiftInput>,
}

/// A sponsor who is known to be a person: several ids of one person are one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VerifiedSponsor {
    /// The sponsor.
    pub sponsor: SponsorId,
    /// The person.
    pub person: String,
}

/// A gift to a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftInput {
    /// The pool.
    pub pool: PoolId,
    /// Its commit.
    pub commit: u64,
    /// Its ledger entry.
    pub entry: Sha256,
    /// How much.
    pub amount: Amount,
    /// The person who gave it; none where nobody verified the sponsor, and then it asks for nothing.
    pub person: Option<String>,
}

/// Why nothing can be matched.
#[derive(Debug, thiserror::Error)]
pub enum MatchError {
    /// A number does not fit.
    #[error("the match cannot be reckoned")]
    Apportion(#[from] ApportionError),
    /// An amount does not fit.
    #[error(transparent)]
    Money(#[from] money::Error),
    /// The inputs have no canonical bytes.
    #[error("what the match rests on has no canonical form")]
    Canonical(#[from] CanonicalError),
}

/// Reckons a match. All gifts of one person to one pool are one gift. Where the fund holds more than
/// all gifts ask for, the rest stays in the fund; where it holds less, each pool gets its share.
pub fn reckon(inputs: &MatchInputs) -> Result<Vec<MatchShare>, MatchError> {
    let overflow = || MatchError::Money(money::Error::Overflow);
    let mut given: BTreeMap<(&PoolId, &str), u128> = BTreeMap::new();
    for gift in &inputs.gifts {
        if let Some(person) = &gift.person {
            let minor = u128::try_from(gift.amount.minor()).map_err(|_| overflow())?;
            let sum = given.entry((&gift.pool, person)).or_default();
            *sum = sum.checked_add(minor).ok_or_else(overflow)?;
        }
    }
    let gifts = |pool: &PoolId| -> Vec<u128> {
        given.iter().filter(|((own, _), _)| *own == pool).map(|(_, sum)| *sum).collect()
    };
    let projects: Vec<Vec<u128>> = inputs.pools.iter().map(gifts).collect();
    let asked: Vec<u128> =
        projects.iter().map(|gifts| match_weight(gifts)).collect::<Result<_, _>>()?;
    let all = asked.iter().try_fold(0_u128, |sum, asked| sum.checked_add(*asked));
    let available = u128::try_from(inputs.available.minor()).map_err(|_| overflow())?;
    let fund = available.min(all.ok_or_else(overflow)?);
    let cap = match inputs.cap_ppm {
        Some(ppm) => available
            .checked_mul(u128::from(ppm))
            .and_then(|most| most.checked_div(1_000_000))
            .ok_or_else(overflow)?,
        None => available,
    };
    let seed = canonical_digest(inputs)?;
    let key = |pool: &PoolId| {
        Sha3Digest::of(&[seed.as_bytes().as_slice(), pool.as_str().as_bytes()].concat())
    };
    let keys: Vec<Sha3Digest> = inputs.pools.iter().map(key).collect();
    let shares = match_pool(fund, &projects, &keys, cap)?.shares;
    let currency = inputs.available.currency();
    let amount = |minor: u128| {
        let minor = i128::try_from(minor).map_err(|_| overflow())?;
        Ok::<_, MatchError>(Amount::new(minor, currency))
    };
    let pools = inputs.pools.iter().zip(asked).zip(shares);
    pools
        .map(|((pool, asked), share)| {
            // What a capped pool leaves may not lift another above what its own gifts ask for.
            let (pool, amount_minor) = (pool.clone(), share.min(asked));
            Ok(MatchShare { pool, asked: amount(asked)?, amount: amount(amount_minor)? })
        })
        .collect()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test that wraps fails")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn eur(minor: i128) -> Amount {
        Amount::new(minor, Currency::parse("EUR").unwrap())
    }

    fn pool(text: &str) -> PoolId {
        PoolId::parse(text).unwrap()
    }

    /// Gifts as (pool, person, minor units); an empty person is nobody who was verified.
    fn inputs(available: i128, cap_ppm: Option<u32>, gifts: &[(&str, &str, i128)]) -> MatchInputs {
        let gift = |(commit, (to, person, minor)): (u64, &(&str, &str, i128))| GiftInput {
            pool: pool(to),
            commit,
            entry: Sha256::of(&commit.to_be_bytes()),
            amount: eur(*minor),
            person: (!person.is_empty()).then(|| (*person).to_owned()),
        };
        MatchInputs {
            format: 1,
            fund: pool("fund"),
            period: Period::parse("2026-Q4").unwrap(),
            available: eur(available),
            cap_ppm,
            pools: vec![pool("a"), pool("b")],
            verified: Vec::new(),
            gifts: (1..).zip(gifts).map(gift).collect(),
        }
    }

    fn amounts(inputs: &MatchInputs) -> Vec<i128> {
        reckon(inputs).unwrap().iter().map(|share| share.amount.minor()).collect()
    }

    const NINE: [&str; 9] = ["p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9"];

    #[test]
    fn nine_persons_are_matched_and_nine_names_of_one_are_not() {
        let nine = NINE.map(|person| ("b", person, 100));
        let with = |gifts: &[(&str, &str, i128)]| amounts(&inputs(100_000, None, gifts));
        assert_eq!(with(&nine), [0, 7_200], "nine gifts of 100");
        assert_eq!(with(&[("a", "p1", 900)]), [0, 0], "one gift of 900");
        assert_eq!(with(&[("a", "p1", 100); 9]), [0, 0], "one person told nine times");
        assert_eq!(with(&[("a", "", 100); 9]), [0, 0], "nobody verified them");
        let both: Vec<_> = nine.into_iter().chain([("a", "p1", 900)]).collect();
        assert_eq!(with(&both), [0, 7_200], "a large gift took from the many");
    }

    #[test]
    fn a_small_fund_is_shared_and_a_cap_leaves_the_rest_in_it() {
        let gifts: Vec<_> = NINE
            .iter()
            .map(|person| ("b", *person, 100))
            .chain([("a", "p1", 400), ("a", "p2", 400)])
            .collect();
        assert_eq!(amounts(&inputs(8_000, None, &gifts)), [800, 7_200]);
        assert_eq!(amounts(&inputs(4_000, None, &gifts)), [400, 3_600], "in proportion");
        assert_eq!(
            amounts(&inputs(8_000, Some(500_000), &gifts)),
            [800, 4_000],
            "above its asking"
        );
        assert_eq!(amounts(&inputs(0, None, &gifts)), [0, 0], "an empty fund");
        assert!(reckon(&inputs(8_000, None, &[("a", "p1", -1)])).is_err(), "a gift below nothing");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn nothing_is_matched_above_the_fund_the_cap_or_the_asking(
            available in 0_i128..1_000_000,
            cap in proptest::option::of(0_u32..1_000_001),
            gifts in proptest::collection::vec((any::<bool>(), 0_usize..9, 1_i128..50_000), 0..40),
        ) {
            let gifts: Vec<_> =
                gifts.iter().map(|(a, p, m)| (if *a { "a" } else { "b" }, NINE[*p], *m)).collect();
            let inputs = inputs(available, cap, &gifts);
            let shares = reckon(&inputs).unwrap();
            let sum: i128 = shares.iter().map(|share| share.amount.minor()).sum();
            prop_assert!(sum <= available, "the fund gave what it does not hold");
            let cap = available * i128::from(cap.unwrap_or(1_000_000)) / 1_000_000;
            for share in &shares {
                let minor = share.amount.minor();
                prop_assert!(minor >= 0 && minor <= cap && minor <= share.asked.minor());
            }
            let mut turned = inputs.clone();
            turned.gifts.reverse();
            turned.gifts.iter_mut().zip(&inputs.gifts).for_each(|(t, i)| t.commit = i.commit);
            let asked = |shares: &[MatchShare]| shares.iter().map(|s| s.asked).collect::<Vec<_>>();
            prop_assert_eq!(asked(&reckon(&turned).unwrap()), asked(&shares), "order decided");
        }
    }
}
