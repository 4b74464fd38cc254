//! How much of the money went to how few: the share of the ten largest payees, and the
//! Herfindahl–Hirschman index.
//!
//! Comes in: what each payee was paid. Goes out: whole parts of 10,000. Never: a name, or a figure of
//! a group of people that is smaller than the smallest cell.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use ethnum::U256;
use serde::Serialize;

use crate::report::PublicCount;

/// The payees whose share is given together.
const TOP: usize = 10;

/// The smallest group of people of which a figure is given.
const GROUP_MIN: usize = 11;

/// The whole, in which shares are given.
const WHOLE: u32 = 10_000;

/// How concentrated payments are; shares in parts of 10,000, rounded down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Concentration {
    /// Payees that were paid something.
    pub payees: PublicCount,
    /// The share of the ten largest, where it tells of no small group.
    pub top: Option<u32>,
    /// The Herfindahl–Hirschman index: the sum of the squared shares, 10,000 where one has all.
    pub index: Option<u32>,
}

impl Concentration {
    /// Measures payments to people: the index where at least 11 were paid, the share of ten where at
    /// least 11 others were paid too, so that neither tells what one of them got.
    pub fn of_people(paid: &[u64]) -> Self {
        let paid = sorted(paid);
        let others = paid.len().saturating_sub(TOP);
        Self {
            payees: count(&paid),
            top: (others >= GROUP_MIN).then(|| top(&paid)).flatten(),
            index: (paid.len() >= GROUP_MIN).then(|| index(&paid)).flatten(),
        }
    }

    /// Measures payments to institutions, of which a sponsor may know each one's.
    pub fn of_institutions(paid: &[u64]) -> Self {
        let paid = sorted(paid);
        Self { payees: count(&paid), top: top(&paid), index: index(&paid) }
    }
}

fn count(paid: &[u64]) -> PublicCount {
    PublicCount::new(u64::try_from(paid.len()).unwrap_or(u64::MAX))
}

/// Returns what was paid, the largest first, without those who got nothing.
fn sorted(paid: &[u64]) -> Vec<u64> {
    let mut paid: Vec<u64> = paid.iter().copied().filter(|amount| *amount > 0).collect();
    paid.sort_unstable_by(|a, b| b.cmp(a));
    paid
}

fn top(sorted: &[u64]) -> Option<u32> {
    let largest = total(sorted.get(..TOP).unwrap_or(sorted))?;
    let whole = total(sorted)?;
    part(U256::from(largest).checked_mul(U256::from(WHOLE))?, U256::from(whole))
}

fn index(sorted: &[u64]) -> Option<u32> {
    let whole = U256::from(total(sorted)?);
    let squares = sorted.iter().try_fold(U256::ZERO, |sum, amount| {
        let amount = U256::from(*amount);
        sum.checked_add(amount.checked_mul(amount)?)
    })?;
    part(squares.checked_mul(U256::from(WHOLE))?, whole.checked_mul(whole)?)
}

fn total(amounts: &[u64]) -> Option<u128> {
    amounts.iter().try_fold(0_u128, |sum, amount| sum.checked_add(u128::from(*amount)))
}

fn part(numerator: U256, denominator: U256) -> Option<u32> {
    u32::try_from(numerator.checked_div(denominator)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_what_one_reckons_by_hand() {
        let of = |paid: &[u64]| Concentration::of_institutions(paid).index;
        assert_eq!(of(&[7]), Some(10_000), "one payee has all");
        assert_eq!(of(&[5, 5]), Some(5_000), "two equal shares");
        assert_eq!(of(&[70, 20, 10]), Some(5_400), "0.49 + 0.04 + 0.01");
        assert_eq!(of(&[1; 100]), Some(100), "a hundred equal shares");
        assert_eq!(of(&[1, 1, 1]), Some(3_333), "rounded down");
        assert_eq!(of(&[]), None, "nobody was paid");
        assert_eq!(of(&[0, 0, 9]), Some(10_000), "who got nothing is no payee");
        assert_eq!(of(&[u64::MAX; 4]), Some(2_500), "the largest sums must not wrap");
    }

    #[test]
    fn the_share_of_ten_is_of_the_ten_largest() {
        let mut paid = vec![1_u64; 30];
        paid.extend([20; 10]);
        let told = Concentration::of_people(&paid);
        assert_eq!(told.top, Some(8_695), "200 of 230, rounded down");
        paid.reverse();
        assert_eq!(Concentration::of_people(&paid), told, "the order would decide");
    }

    #[test]
    fn small_groups_of_people_are_not_told_of() {
        let few = Concentration::of_people(&[5; 10]);
        assert_eq!((few.top, few.index), (None, None));
        assert_eq!(few.payees.to_string(), "<11", "ten people would be counted");
        let eleven = Concentration::of_people(&[5; 11]);
        assert_eq!(eleven.index, Some(909), "11 * (1/11)^2");
        assert_eq!(eleven.top, None, "what is left over would be one person's amount");
        assert_eq!(Concentration::of_people(&[5; 20]).top, None, "ten others are too few");
        assert_eq!(Concentration::of_people(&[5; 21]).top, Some(4_761));
    }
}
