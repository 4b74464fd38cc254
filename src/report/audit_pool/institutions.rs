//! What institutions earned, for the sponsor: small ones put together, so that no amount tells how
//! many records a handful of people have.
//!
//! Comes in: settlements. Goes out: a line an institution of at least 11 people. Never: an amount that
//! stands for fewer than 11 people, also not as what is left over of the sum.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::collections::BTreeMap;

use super::{Concentration, InstitutionsShare, Money, PEOPLE_MIN, SettlementFacts, TooLarge};
use crate::{
    money::{Accrual, Amount, Currency},
    report::PublicCount,
};

/// What one institution got of a settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstitutionFacts {
    /// Which.
    pub institution: String,
    /// People whose records it sent.
    pub people: u64,
    /// Earned.
    pub earned: Accrual,
    /// To be paid.
    pub paid: Amount,
}

#[derive(Clone)]
struct Sum {
    name: String,
    people: u64,
    earned: Money,
    paid: Money,
}

/// Returns what each institution earned, by name, and the small ones together last.
pub(super) fn shares(
    within: &[&SettlementFacts],
    currency: Currency,
) -> Result<Vec<InstitutionsShare>, TooLarge> {
    let mut large = sums(within, currency)?;
    // The smallest first; an institution without people, and so without earnings, hides nobody.
    large.sort_by(|a, b| (b.people, &b.name).cmp(&(a.people, &a.name)));
    let mut small: Vec<Sum> = Vec::new();
    let mut people = 0_u64;
    while let Some(last) = large.last() {
        let alone = last.people < PEOPLE_MIN;
        let too_few = !small.is_empty() && people < PEOPLE_MIN;
        if !alone && !too_few {
            break;
        }
        people = people.saturating_add(last.people);
        small.extend(large.pop());
    }
    large.sort_by(|a, b| a.name.cmp(&b.name));
    if !small.is_empty() {
        let name = match small.len() {
            1 => format!("1 institution of fewer than {PEOPLE_MIN} people"),
            several => format!("{several} institutions together"),
        };
        let earned = Money::sum(currency, small.iter().map(|s| s.earned))?;
        let paid = Money::sum(currency, small.iter().map(|s| s.paid))?;
        large.push(Sum { name, people, earned, paid });
    }
    Ok(large
        .into_iter()
        .map(|sum| InstitutionsShare {
            institution: sum.name,
            people: PublicCount::new(sum.people),
            earned: sum.earned,
            paid: sum.paid,
        })
        .collect())
}

/// Measures how concentrated payments to institutions are; `None` where they get no part.
pub(super) fn concentration(within: &[&SettlementFacts]) -> Option<Concentration> {
    let mut paid: BTreeMap<&str, u64> = BTreeMap::new();
    for line in within.iter().flat_map(|s| &s.by_institution) {
        let sum = paid.entry(&line.institution).or_default();
        *sum = sum.saturating_add(u64::try_from(line.paid.minor()).unwrap_or(0));
    }
    let paid: Vec<u64> = paid.into_values().collect();
    (!paid.is_empty()).then(|| Concentration::of_institutions(&paid))
}

fn sums(within: &[&SettlementFacts], currency: Currency) -> Result<Vec<Sum>, TooLarge> {
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    for line in within.iter().flat_map(|s| &s.by_institution) {
        let sum = sums.entry(&line.institution).or_insert_with(|| Sum {
            name: line.institution.clone(),
            people: 0,
            earned: Money::zero(currency),
            paid: Money::zero(currency),
        });
        // The most that were there at once: their sum would count people twice.
        sum.people = sum.people.max(line.people);
        sum.earned = sum.earned.plus(line.earned.into())?;
        sum.paid = sum.paid.plus(Money::of(line.paid)?)?;
    }
    Ok(sums.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::audit_pool::tests::settlement;

    fn shown(lines: &[(&str, u64, i128)]) -> Vec<(String, String, String)> {
        let mut settled = settlement();
        let currency = settled.received.currency();
        settled.by_institution = lines
            .iter()
            .map(|(name, people, minor)| InstitutionFacts {
                institution: (*name).to_owned(),
                people: *people,
                earned: Accrual::new(minor.saturating_mul(1_000_000), currency),
                paid: Amount::new(*minor, currency),
            })
            .collect();
        shares(&[&settled], currency)
            .unwrap()
            .into_iter()
            .map(|s| (s.institution, s.people.to_string(), s.earned.decimal()))
            .collect()
    }

    fn row(name: &str, people: &str, earned: &str) -> (String, String, String) {
        (name.to_owned(), people.to_owned(), earned.to_owned())
    }

    #[test]
    fn a_small_institution_is_put_together_with_the_next_so_that_its_amount_is_not_left_over() {
        assert_eq!(
            shown(&[("a", 40, 500), ("b", 20, 300), ("c", 3, 7)]),
            [row("a", "40", "5.00"), row("2 institutions together", "23", "3.07")],
            "the sum less the others would be the amount of three people"
        );
        assert_eq!(
            shown(&[("a", 40, 500), ("b", 9, 300), ("c", 3, 7)]),
            [row("a", "40", "5.00"), row("2 institutions together", "12", "3.07")],
            "twelve people are enough"
        );
    }

    #[test]
    fn large_institutions_stand_by_name_and_a_lone_small_one_has_nothing_to_hide_in() {
        assert_eq!(
            shown(&[("b", 11, 1), ("a", 12, 2)]),
            [row("a", "12", "0.02"), row("b", "11", "0.01")]
        );
        assert_eq!(
            shown(&[("a", 3, 7)]),
            [row("1 institution of fewer than 11 people", "<11", "0.07")],
            "its amount is the total, which the book says"
        );
        assert!(shown(&[]).is_empty());
    }
}
