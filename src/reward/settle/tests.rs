//! Settlements small enough to check by hand, the worked example of the rules, and their laws.

mod laws;
mod rules_one_by_one;

use std::sync::Arc;

use super::*;
use crate::{
    digest::{Sha3Digest, Sha256},
    instant::Instant,
    money::{Currency, MICRO},
    party::{InstitutionId, ResearcherId},
    purpose::Purpose,
    reward::{
        FundedInput, InstitutionTotals, ObjectRef, OpeningInput, Period, PoolId, QueryInput,
        RuleSet, Rules, VersionInput,
    },
};
use arrow::array::{ArrayRef, Int64Array, StringArray};

pub(crate) fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}

fn object() -> ObjectRef {
    ObjectRef { path: "o".into(), digest: Sha3Digest::of(b"") }
}

pub(crate) fn inputs(minor: i128, base_ppm: u32, fee_bps: u32, queries: usize) -> Inputs {
    let set = RuleSet { fee_bps, ..RuleSet::plain(base_ppm, 1_000_000 - base_ppm) };
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
        format: 2,
        pool: PoolId::parse("p").unwrap(),
        period: Period::parse("2026-Q4").unwrap(),
        datasets: vec!["d".into()],
        purposes: vec![],
        rules: Rules::new(eur(), set),
        funded: vec![FundedInput { commit: 1, entry, amount: Amount::new(minor, eur()) }],
        returned: Accrual::new(0, eur()),
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
        other_purpose: vec![],
        related: vec![],
        overrides: vec![],
        payees: None,
        new_data: None,
        value: None,
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

/// The tables of a first settlement.
pub(crate) fn tables<const R: usize, const U: usize>(
    rosters: [RecordBatch; R],
    usage: [RecordBatch; U],
) -> Tables {
    Tables { rosters: rosters.into(), usage: usage.into(), ..Tables::default() }
}

/// The lines with which the settlement after begins.
pub(crate) fn closing(run: &Settlement) -> Lines {
    let (people, institutions) = (run.lines.clone(), run.institutions.clone());
    Lines { people, institutions, held: run.held.clone() }
}

fn cents(settlement: &Settlement) -> Vec<i64> {
    settlement.lines.iter().map(|l| l.paid_minor).collect()
}

#[test]
fn a_thousand_runs_of_one_cent_pay_seventy_twenty_ten() {
    // reference/rewards.md §3: apportioned in cents, each run would pay the first alone.
    let people = roster(&[("a", 70, 1), ("b", 20, 1), ("c", 10, 1)]);
    let mut tables = tables([people], []);
    let mut paid = [0_i64; 3];
    for _ in 0..1_000 {
        let run = settle(&inputs(1, 1_000_000, 0, 0), &tables).unwrap();
        for (sum, cents) in paid.iter_mut().zip(cents(&run)) {
            *sum += cents;
        }
        tables.opening = closing(&run);
    }
    assert_eq!(paid, [700, 200, 100]);
}

#[test]
fn a_layer_without_weights_stays_in_the_pool() {
    let one = || tables([roster(&[("a", 1, 1)])], []);
    let totals = settle(&inputs(10_000, 300_000, 500, 0), &one()).unwrap().totals;
    assert_eq!(totals.unallocated.whole().minor(), 6_650);
    assert_eq!(totals.layer(Layer::Usage).unwrap().unallocated, totals.unallocated);
    assert_eq!(totals.paid.minor(), 2_850);
    let mut next = inputs(0, 300_000, 500, 0);
    next.funded.clear();
    next.returned = totals.unallocated;
    let run = settle(&next, &one()).unwrap();
    assert_eq!(run.totals.fee.minor(), 0, "the same cent would pay the fee twice");
    assert_eq!(run.totals.paid.minor(), 1_995);
}

#[test]
fn an_empty_pool_is_refused_so_that_usage_is_not_spent_on_nothing() {
    let mut empty = inputs(0, 300_000, 0, 0);
    empty.funded.clear();
    let result = settle(&empty, &tables([roster(&[("a", 1, 1)])], []));
    assert!(matches!(result, Err(Error::Empty)));
}

#[test]
fn below_the_minimum_all_is_carried_and_paid_when_it_is_reached() {
    let mut run_inputs = inputs(99, 1_000_000, 0, 0);
    run_inputs.rules.set.minimum_minor = 100;
    let mut tables = tables([roster(&[("a", 1, 1)])], []);
    let first = settle(&run_inputs, &tables).unwrap();
    assert_eq!((first.lines[0].paid_minor, first.lines[0].closing_micro), (0, 99_000_000));
    tables.opening = closing(&first);
    let second = settle(&run_inputs, &tables).unwrap();
    assert_eq!((second.lines[0].paid_minor, second.lines[0].closing_micro), (198, 0));
}

#[test]
fn somebody_who_left_is_still_paid_what_was_earned() {
    let mut run_inputs = inputs(50, 1_000_000, 0, 0);
    run_inputs.rules.set.minimum_minor = 60;
    let first = settle(&run_inputs, &tables([roster(&[("a", 1, 1)])], [])).unwrap();
    run_inputs.rules.set.minimum_minor = 0;
    let mut later = tables([roster(&[("b", 1, 1)])], []);
    later.opening = closing(&first);
    let second = settle(&run_inputs, &later).unwrap();
    assert_eq!(cents(&second), [50, 50], "a withdrawal would cost what was earned before it");
}

#[test]
fn amounts_that_do_not_fit_are_refused() {
    for minor in [i128::MAX, i128::from(i64::MAX)] {
        let people = tables([roster(&[("a", 1, 1)])], []);
        let result = settle(&inputs(minor, 1_000_000, 0, 0), &people);
        assert!(matches!(result, Err(Error::Money(_) | Error::Overflow(_))));
    }
    let heavy: Vec<(&str, i64, i64)> =
        ["a", "b", "c", "d", "e"].map(|who| (who, i64::MAX, i64::MAX)).into();
    let result = settle(&inputs(1, 1_000_000, 0, 0), &tables([roster(&heavy)], []));
    assert!(matches!(result, Err(Error::Overflow("sum of weights"))));
}

#[test]
fn usage_of_a_version_that_is_not_among_the_inputs_is_refused() {
    let mut run_inputs = inputs(100, 0, 0, 1);
    run_inputs.queries[0].version = 2;
    let result = settle(&run_inputs, &tables([roster(&[("a", 1, 1)])], [drawn(&[("a", 1)])]));
    assert!(matches!(result, Err(Error::Version(1))));
}
