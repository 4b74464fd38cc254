//! The institutions' part in numbers small enough to check by hand, and its laws.

use proptest::prelude::*;

use super::*;
use crate::{
    digest::canonical,
    reward::{
        Rules, Settlement, apportion, settle,
        settle::tests::{drawn, eur, held, inputs, roster},
    },
};

fn shared(minor: i128, fee_bps: u32, ppm: u32, queries: usize) -> Inputs {
    let mut inputs = inputs(minor, 300_000, fee_bps, queries);
    inputs.rules.terms.institution_ppm = ppm;
    inputs.rules = Rules::new(eur(), inputs.rules.terms);
    inputs.seeded().unwrap()
}

fn paid(run: &Settlement) -> Vec<(&str, i64)> {
    run.institutions.iter().map(|l| (l.institution.as_str(), l.paid_minor)).collect()
}

#[test]
fn institutions_are_paid_first_by_what_their_rows_weigh_and_people_share_the_rest() {
    // 1,000.00: fee 50.00; institutions 15 % of 950.00, 142.50; people 807.50, in 242.25 and 565.25.
    let people = held(&[
        ("a", "north", 60, 1_000_000),
        ("b", "north", 20, 500_000),
        ("b", "south", 30, 1_000_000),
    ]);
    let used = drawn(&[("a", 1)]);
    let run = settle(&shared(100_000, 500, 150_000, 1), &[people], &[used], &[], &[]).unwrap();
    let totals = &run.totals;
    let sums = totals.institutions.as_ref().unwrap();
    assert_eq!((totals.fee.minor(), sums.part.minor()), (5_000, 14_250));
    assert_eq!((totals.base.minor(), totals.usage.minor()), (24_225, 56_525));
    // North weighs 70 million, south 30: 99.75 and 42.75.
    assert_eq!(paid(&run), [("north", 9_975), ("south", 4_275)]);
    let weights: Vec<u128> = run.institutions.iter().map(|l| l.weight).collect();
    assert_eq!(weights, [70_000_000, 30_000_000]);
    // A weighs 60, b 40 (in both houses): base 145.35 and 96.90; usage is a's.
    let lines: Vec<i64> = run.lines.iter().map(|l| l.paid_minor).collect();
    assert_eq!(lines, [14_535 + 56_525, 9_690], "people would be paid another's part");
    assert_eq!(totals.unallocated.minor(), 0);
}

#[test]
fn a_part_is_rounded_down_and_the_remainder_is_peoples() {
    let people = held(&[("a", "north", 1, 1)]);
    let run = settle(&shared(9, 0, 150_000, 0), &[people], &[], &[], &[]).unwrap();
    let sums = run.totals.institutions.unwrap();
    assert_eq!(sums.part.minor(), 1, "15 % of 9 is 1.35");
    assert_eq!(run.totals.base.minor() + run.totals.usage.minor(), 8);
}

#[test]
fn without_a_part_the_rules_are_written_as_they_always_were() {
    let inputs = inputs(100, 300_000, 500, 0);
    let people = held(&[("a", "north", 1, 1)]);
    let run = settle(&inputs, &[people], &[], &[], &[]).unwrap();
    assert!(run.institutions.is_empty() && run.totals.institutions.is_none());
    let text = canonical(&(&inputs.rules, &run.totals)).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains("institution"), "settlements of before would have other digests");
    let rules = String::from_utf8(canonical(&inputs.rules).unwrap()).unwrap();
    assert_eq!(
        rules,
        "{\"accrual_per_minor\":1000000,\"base_ppm\":300000,\"currency\":\"EUR\",\"fee_bps\":500,\
         \"method\":\"almoner-reward/v1\",\"minimum\":{\"amount\":\"0\",\"currency\":\"EUR\",\
         \"scale\":2},\"rounding\":\"largest remainders; ties by SHA3-256(seed || contributor) \
         ascending; layers tie in the order base, usage\",\"units_per_query\":1000000000000,\
         \"usage_ppm\":700000}"
    );
    let rules = String::from_utf8(canonical(&shared(1, 0, 7, 0).rules).unwrap()).unwrap();
    assert!(rules.contains("\"institution_ppm\":7") && rules.contains("seed || institution"));
}

#[test]
fn below_the_minimum_all_is_carried_and_a_later_period_pays_it() {
    let mut inputs = shared(1_000, 0, 100_000, 0);
    inputs.rules.terms.minimum = Amount::new(60, eur());
    let people = [held(&[("a", "north", 2, 1), ("a", "south", 1, 1)])];
    let first = settle(&inputs, &people, &[], &[], &[]).unwrap();
    // 10.00 by 2 : 1 gives 66.666667 and 33.333333 cents.
    assert_eq!(paid(&first), [("north", 66), ("south", 0)]);
    let closing: Vec<i64> = first.institutions.iter().map(|l| l.closing_micro).collect();
    assert_eq!(closing, [666_667, 33_333_333]);
    // South has left; what it earned is still its own, and joins what the pool gives now.
    inputs.rules.terms.minimum = Amount::zero(eur());
    let people = [held(&[("a", "north", 1, 1)])];
    let second = settle(&inputs, &people, &[], &first.lines, &first.institutions).unwrap();
    assert_eq!(paid(&second), [("north", 100), ("south", 33)]);
    let closing: Vec<i64> = second.institutions.iter().map(|l| l.closing_micro).collect();
    assert_eq!(closing, [666_667, 333_333]);
    assert_eq!(second.totals.institutions.unwrap().opening.micro(), 34_000_000);
}

#[test]
fn a_part_that_no_institution_weighs_in_for_stays_in_the_pool() {
    let run = settle(&shared(1_000, 0, 250_000, 0), &[held(&[])], &[], &[], &[]).unwrap();
    assert_eq!(run.totals.unallocated.minor(), 1_000);
    assert_eq!(run.totals.institutions.unwrap().accrued.micro(), 0);
    assert!(run.institutions.is_empty());
}

#[test]
fn only_versions_that_the_base_layer_pays_for_count() {
    let mut inputs = shared(1_000, 0, 500_000, 0);
    let mut old = inputs.versions[0].clone();
    (old.version, old.base) = (2, false);
    inputs.versions.push(old);
    let people = [held(&[("a", "north", 1, 1)]), held(&[("a", "south", 9, 1)])];
    let run = settle(&inputs, &people, &[], &[], &[]).unwrap();
    assert_eq!(paid(&run), [("north", 500)], "a superseded version would be paid again");
}

#[test]
fn a_balance_is_never_left_behind_even_where_the_terms_give_no_part() {
    let first =
        settle(&shared(10, 0, 100_000, 0), &[roster(&[("a", 1, 1), ("b", 2, 1)])], &[], &[], &[]);
    let mut opening = first.unwrap().institutions;
    opening[0].closing_micro = 5;
    let run = settle(&shared(10, 0, 0, 0), &[held(&[])], &[], &[], &opening).unwrap();
    assert_eq!(run.totals.institutions.unwrap().carried.micro(), 5);
}

#[test]
fn amounts_and_weights_that_do_not_fit_are_refused() {
    let people = [held(&[("a", "north", 1, 1)])];
    let result = settle(&shared(i128::MAX, 0, 1, 0), &people, &[], &[], &[]);
    assert!(result.is_err(), "a sum wrapped");
    let heavy: Vec<_> = (0..5).map(|_| ("a", "north", i64::MAX, i64::MAX)).collect();
    let result = settle(&shared(1_000, 0, 500_000, 0), &[held(&heavy)], &[], &[], &[]);
    assert!(matches!(result, Err(Error::Overflow("institution's weight"))));
}

#[test]
fn lines_read_back_as_they_were_written_and_twice_gives_the_same_bytes() {
    let people = [held(&[("a", "north", 2, 1), ("a", "süd & co", 1, 1)])];
    let lines = settle(&shared(1_000, 0, 10, 0), &people, &[], &[], &[]).unwrap().institutions;
    let bytes = write_institutions(&lines).unwrap();
    assert_eq!(read_institutions(&bytes).unwrap(), lines);
    assert_eq!(
        write_institutions(&lines).unwrap(),
        bytes,
        "a re-run would not find its own object"
    );
    assert_eq!(read_institutions(&write_institutions(&[]).unwrap()).unwrap(), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn fee_institutions_people_carried_and_unallocated_are_what_came_in(
        rows in proptest::collection::vec((0_i64..50, 0_usize..5), 1..16),
        funds in proptest::collection::vec(1_i128..9_000, 1..6),
        ppm in 0_u32..=1_000_000,
        minimum in 0_i128..300,
        turn in 0_usize..16,
    ) {
        let names: Vec<String> = (0..rows.len()).map(|n| format!("p{n:02}")).collect();
        let houses = ["a", "b", "c", "d", "e"];
        let mut table: Vec<(&str, &str, i64, i64)> = names
            .iter()
            .zip(&rows)
            .map(|(n, (r, at))| (n.as_str(), houses[*at], *r, 970_001))
            .collect();
        let (mut people, mut theirs) = (Vec::new(), Vec::new());
        let mut returned = Amount::zero(eur());
        let (mut inflow, mut outflow) = (0_i128, 0_i128);
        for minor in funds {
            let mut inputs = shared(minor, 250, ppm, 0);
            inputs.rules.terms.minimum = Amount::new(minimum, eur());
            inputs.returned = returned;
            let run = settle(&inputs, &[held(&table)], &[], &people, &theirs).unwrap();
            table.rotate_left(turn % rows.len());
            table.reverse();
            let again = settle(&inputs, &[held(&table)], &[], &people, &theirs).unwrap();
            prop_assert_eq!(&run, &again, "the order of the roster decided who is paid");
            let fee = minor * 250 / 10_000;
            let part = (minor + returned.minor() - fee) * i128::from(ppm) / 1_000_000;
            if let Some(sums) = &run.totals.institutions {
                prop_assert_eq!(sums.part.minor(), part);
                let weights: Vec<u128> = run.institutions.iter().map(|l| l.weight).collect();
                let keys: Vec<_> =
                    run.institutions.iter().map(|l| inputs.tie_key(l.institution.as_str())).collect();
                let micro = u128::try_from(part).unwrap() * 1_000_000;
                let given = apportion(micro, &weights, &keys).unwrap().shares;
                let lines = run.institutions.iter().map(|l| u128::try_from(l.accrued_micro).unwrap());
                prop_assert!(lines.eq(given), "an institution's share is not its exact one");
                outflow += sums.paid.minor();
            }
            prop_assert!(run.institutions.iter().all(|l| l.closing_micro >= 0 && l.paid_minor >= 0));
            inflow += minor;
            outflow += run.totals.fee.minor() + run.totals.paid.minor();
            returned = run.totals.unallocated;
            (people, theirs) = (run.lines, run.institutions);
        }
        let carried: i128 = people.iter().map(|l| i128::from(l.closing_micro)).sum();
        let kept: i128 = theirs.iter().map(|l| i128::from(l.closing_micro)).sum();
        prop_assert_eq!((inflow - outflow - returned.minor()) * 1_000_000, carried + kept);
    }
}
