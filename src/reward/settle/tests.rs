//! Settlements small enough to check by hand, the worked example of the rules, and their laws.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use proptest::prelude::*;

use super::*;
use crate::{
    digest::Sha256,
    instant::Instant,
    money::Currency,
    party::ResearcherId,
    purpose::Purpose,
    reward::{FundedInput, ObjectRef, Period, PoolId, QueryInput, Rules, Terms, VersionInput},
};

pub(crate) fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}

fn object() -> ObjectRef {
    ObjectRef { path: "o".into(), digest: Sha3Digest::of(b"") }
}

pub(crate) fn inputs(minor: i128, base_ppm: u32, fee_bps: u32, queries: usize) -> Inputs {
    let minimum = Amount::zero(eur());
    let terms =
        Terms { fee_bps, institution_ppm: 0, base_ppm, usage_ppm: 1_000_000 - base_ppm, minimum };
    let entry = Sha256::of(b"");
    let query = |n: usize| QueryInput {
        commit: n as u64 + 1,
        entry,
        time: Instant::parse("2026-11-02").unwrap(),
        dataset: "d".into(),
        version: 1,
        purpose: Purpose::parse("DUO:0000006").unwrap(),
        researcher: ResearcherId::parse("r").unwrap(),
        institution: None,
        query: Sha3Digest::of(&n.to_be_bytes()),
        price: 1,
        people: 20,
        rows: 100,
        lines: object(),
    };
    Inputs {
        format: 1,
        pool: PoolId::parse("p").unwrap(),
        period: Period::parse("2026-Q4").unwrap(),
        datasets: vec!["d".into()],
        rules: Rules::new(eur(), terms),
        funded: vec![FundedInput { commit: 1, entry, amount: Amount::new(minor, eur()) }],
        returned: Amount::zero(eur()),
        versions: vec![VersionInput {
            commit: 1,
            entry,
            dataset: "d".into(),
            version: 1,
            roster: object(),
            base: true,
        }],
        queries: (0..queries).map(query).collect(),
        repeats: vec![],
        opening: None,
        seed: Sha3Digest::of(b""),
    }
    .seeded()
    .unwrap()
}

pub(crate) fn roster(people: &[(&str, i64, i64)]) -> RecordBatch {
    held(&people.iter().map(|p| (p.0, "i", p.1, p.2)).collect::<Vec<_>>())
}

/// A roster of people, institutions, rows and qualities.
pub(crate) fn held(people: &[(&str, &str, i64, i64)]) -> RecordBatch {
    let text = |cells: Vec<String>| Arc::new(StringArray::from(cells)) as ArrayRef;
    let int = |cells: Vec<i64>| Arc::new(Int64Array::from(cells)) as ArrayRef;
    RecordBatch::try_from_iter([
        ("contributor", text(people.iter().map(|p| p.0.to_owned()).collect())),
        ("institution", text(people.iter().map(|p| p.1.to_owned()).collect())),
        ("pseudonym", text(people.iter().map(|p| format!("~{}", p.0)).collect())),
        ("rows", int(people.iter().map(|p| p.2).collect())),
        ("quality_ppm", int(people.iter().map(|p| p.3).collect())),
    ])
    .unwrap()
}

pub(crate) fn drawn(people: &[(&str, i64)]) -> RecordBatch {
    let text = people.iter().map(|p| format!("~{}", p.0));
    RecordBatch::try_from_iter([
        ("pseudonym", Arc::new(StringArray::from_iter_values(text)) as ArrayRef),
        ("rows", Arc::new(Int64Array::from_iter_values(people.iter().map(|p| p.1)))),
    ])
    .unwrap()
}

fn cents(settlement: &Settlement) -> Vec<i64> {
    settlement.lines.iter().map(|l| l.paid_minor).collect()
}

#[test]
fn a_thousand_runs_of_one_cent_pay_seventy_twenty_ten() {
    // reference/rewards.md §3: apportioned in cents, each run would pay the first alone.
    let people = roster(&[("a", 70, 1), ("b", 20, 1), ("c", 10, 1)]);
    let mut opening = Vec::new();
    let mut paid = [0_i64; 3];
    for _ in 0..1_000 {
        let run =
            settle(&inputs(1, 1_000_000, 0, 0), std::slice::from_ref(&people), &[], &opening, &[])
                .unwrap();
        for (sum, cents) in paid.iter_mut().zip(cents(&run)) {
            *sum += cents;
        }
        opening = run.lines;
    }
    assert_eq!(paid, [700, 200, 100]);
}

#[test]
fn base_and_usage_of_the_worked_example_are_right_to_the_cent() {
    // The worked example without its novelty layer: 76,000.00 in layers of 28,500 and 47,500.
    let people = roster(&[
        ("a", 1_000, 920_000),
        ("b", 400, 990_000),
        ("c", 50, 1_000_000),
        ("d", 7, 610_000),
    ]);
    let second = [("a", 10), ("c", 50)];
    let usage = [
        drawn(&[("a", 600), ("b", 300), ("c", 50)]),
        drawn(&second),
        drawn(&[("b", 100), ("d", 7)]),
    ];
    let mut inputs = inputs(8_000_000, 375_000, 500, 3);
    inputs.queries[1].price = 2;
    let run = settle(&inputs, &[people], &usage, &[], &[]).unwrap();
    assert_eq!(run.totals.fee.minor(), 400_000);
    assert_eq!((run.totals.base.minor(), run.totals.usage.minor()), (2_850_000, 4_750_000));
    let floor = |micro: i64| micro / 1_000_000;
    let base: Vec<i64> = run.lines.iter().map(|l| floor(l.base_micro)).collect();
    assert_eq!(base, [1_913_491, 823_633, 103_994, 8_881]);
    let weights: Vec<u128> = run.lines.iter().map(|l| l.usage_weight).collect();
    assert_eq!(weights, [964_912_280_702, 1_250_368_912_936, 1_719_298_245_614, 65_420_560_748]);
    let used: Vec<i64> = run.lines.iter().map(|l| floor(l.usage_micro)).collect();
    assert_eq!(used, [1_145_833, 1_484_813, 2_041_666, 77_686]);
    let paid: i64 = cents(&run).iter().sum();
    assert!((7_600_000 - 4..=7_600_000).contains(&paid), "at most a cent a person is carried");
    assert_eq!(run.uses_of(0).len(), 2);
    assert_eq!(run.uses_of(3), [Use { line: 3, query: 2, rows: 7, units: 65_420_560_748 }]);
}

#[test]
fn a_layer_without_weights_stays_in_the_pool() {
    let run = settle(&inputs(10_000, 300_000, 500, 0), &[roster(&[("a", 1, 1)])], &[], &[], &[]);
    let totals = run.unwrap().totals;
    assert_eq!(totals.unallocated.minor(), 6_650);
    assert_eq!(totals.paid.minor(), 2_850);
    let mut next = inputs(0, 300_000, 500, 0);
    next.funded.clear();
    next.returned = totals.unallocated;
    let run = settle(&next, &[roster(&[("a", 1, 1)])], &[], &[], &[]).unwrap();
    assert_eq!(run.totals.fee.minor(), 0, "the same cent would pay the fee twice");
    assert_eq!(run.totals.paid.minor(), 1_995);
}

#[test]
fn an_empty_pool_is_refused_so_that_usage_is_not_spent_on_nothing() {
    let mut empty = inputs(0, 300_000, 0, 0);
    empty.funded.clear();
    let result = settle(&empty, &[roster(&[("a", 1, 1)])], &[], &[], &[]);
    assert!(matches!(result, Err(Error::Empty)));
}

#[test]
fn below_the_minimum_all_is_carried_and_paid_when_it_is_reached() {
    let mut run_inputs = inputs(99, 1_000_000, 0, 0);
    run_inputs.rules.terms.minimum = Amount::new(100, eur());
    let people = [roster(&[("a", 1, 1)])];
    let first = settle(&run_inputs, &people, &[], &[], &[]).unwrap();
    assert_eq!((first.lines[0].paid_minor, first.lines[0].closing_micro), (0, 99_000_000));
    let second = settle(&run_inputs, &people, &[], &first.lines, &[]).unwrap();
    assert_eq!((second.lines[0].paid_minor, second.lines[0].closing_micro), (198, 0));
}

#[test]
fn somebody_who_left_is_still_paid_what_was_earned() {
    let mut run_inputs = inputs(50, 1_000_000, 0, 0);
    run_inputs.rules.terms.minimum = Amount::new(60, eur());
    let first = settle(&run_inputs, &[roster(&[("a", 1, 1)])], &[], &[], &[]).unwrap();
    run_inputs.rules.terms.minimum = Amount::zero(eur());
    let second = settle(&run_inputs, &[roster(&[("b", 1, 1)])], &[], &first.lines, &[]).unwrap();
    assert_eq!(cents(&second), [50, 50], "a withdrawal would cost what was earned before it");
}

#[test]
fn amounts_that_do_not_fit_are_refused() {
    let people = [roster(&[("a", 1, 1)])];
    for minor in [i128::MAX, i128::from(i64::MAX)] {
        let result = settle(&inputs(minor, 1_000_000, 0, 0), &people, &[], &[], &[]);
        assert!(matches!(result, Err(Error::Money(_) | Error::Overflow(_))));
    }
    let heavy = [roster(&[
        ("a", i64::MAX, i64::MAX),
        ("b", i64::MAX, i64::MAX),
        ("c", i64::MAX, i64::MAX),
        ("d", i64::MAX, i64::MAX),
        ("e", i64::MAX, i64::MAX),
    ])];
    let result = settle(&inputs(1, 1_000_000, 0, 0), &heavy, &[], &[], &[]);
    assert!(matches!(result, Err(Error::Apportion(ApportionError::Overflow))));
}

#[test]
fn usage_of_a_version_that_is_not_among_the_inputs_is_refused() {
    let mut run_inputs = inputs(100, 0, 0, 1);
    run_inputs.queries[0].version = 2;
    let result = settle(&run_inputs, &[roster(&[("a", 1, 1)])], &[drawn(&[("a", 1)])], &[], &[]);
    assert!(matches!(result, Err(Error::Version(1))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn many_runs_never_lose_or_make_money(
        rows in proptest::collection::vec(0_i64..50, 1..12),
        funds in proptest::collection::vec(1_i128..5_000, 1..6),
        minimum in 0_i128..300,
    ) {
        let names: Vec<String> = (0..rows.len()).map(|n| format!("p{n:02}")).collect();
        let table: Vec<(&str, i64, i64)> =
            names.iter().zip(&rows).map(|(n, r)| (n.as_str(), *r, 970_001)).collect();
        let used: Vec<(&str, i64)> =
            names.iter().zip(&rows).filter(|(_, r)| **r > 0).map(|(n, r)| (n.as_str(), 51 - r)).collect();
        let (mut opening, mut returned) = (Vec::new(), Amount::zero(eur()));
        let (mut inflow, mut outflow) = (0_i128, 0_i128);
        for minor in funds {
            let mut run_inputs = inputs(minor, 300_000, 250, 1);
            run_inputs.rules.terms.minimum = Amount::new(minimum, eur());
            run_inputs.returned = returned;
            let run = settle(&run_inputs, &[roster(&table)], &[drawn(&used)], &opening, &[]).unwrap();
            prop_assert!(run.lines.iter().all(|l| l.closing_micro >= 0 && l.paid_minor >= 0));
            inflow += minor;
            outflow += run.totals.fee.minor() + run.totals.paid.minor();
            returned = run.totals.unallocated;
            opening = run.lines;
        }
        let carried: i128 = opening.iter().map(|l| i128::from(l.closing_micro)).sum();
        prop_assert_eq!((inflow - outflow - returned.minor()) * 1_000_000, carried);
    }
}
