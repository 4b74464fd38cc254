//! Institutions' accounts in numbers small enough to check by hand.

use crate::{
    money::Accrual,
    reward::{
        Inputs, Settlement, read_institutions, settle,
        settle::tests::{closing, eur, held, inputs, tables},
        write_institutions,
    },
};

fn shared(minor: i128, bps: u32) -> Inputs {
    let mut inputs = inputs(minor, 1_000_000, 0, 0);
    let split = &mut inputs.rules.set.split;
    (split.person_bps, split.institution_bps) = (10_000 - bps, bps);
    inputs.seeded().unwrap()
}

fn paid(run: &Settlement) -> Vec<(&str, i64)> {
    run.institutions.iter().map(|l| (l.institution.as_str(), l.paid_minor)).collect()
}

#[test]
fn institutions_share_what_their_own_people_earn_by_what_they_hold_of_each() {
    // 100.00 by 60 : 20 + 20; b's 40.00 come half from each house.
    let people = held(&[("a", "north", 60, 1), ("b", "north", 20, 1), ("b", "south", 20, 1)]);
    let run = settle(&shared(10_000, 2_500), &tables([people], [])).unwrap();
    assert_eq!(paid(&run), [("north", 1_500 + 500), ("south", 500)]);
    let weights: Vec<u128> = run.institutions.iter().map(|l| l.weight).collect();
    assert_eq!(weights, [80, 20]);
    let lines: Vec<i64> = run.lines.iter().map(|l| l.paid_minor).collect();
    assert_eq!(lines, [4_500, 3_000], "people would be paid another's part");
    assert_eq!(run.totals.unallocated, Accrual::new(0, eur()));
}

#[test]
fn below_the_minimum_all_is_carried_and_a_later_period_pays_it() {
    let mut inputs = shared(1_000, 1_000);
    inputs.rules.set.minimum_minor = 60;
    let both = held(&[("a", "north", 2, 1), ("a", "south", 1, 1)]);
    let first = settle(&inputs, &tables([both], [])).unwrap();
    // 1.00 by 2 : 1 gives 66.666667 and 33.333333 cents.
    assert_eq!(paid(&first), [("north", 66), ("south", 0)]);
    let carried: Vec<i64> = first.institutions.iter().map(|l| l.closing_micro).collect();
    assert_eq!(carried, [666_667, 33_333_333]);
    // South has left; what it earned is still its own.
    inputs.rules.set.minimum_minor = 0;
    let mut later = tables([held(&[("a", "north", 1, 1)])], []);
    later.opening = closing(&first);
    let second = settle(&inputs, &later).unwrap();
    assert_eq!(paid(&second), [("north", 100), ("south", 33)]);
    assert_eq!(second.totals.institutions.unwrap().opening.micro(), 34_000_000);
}

#[test]
fn a_balance_is_never_left_behind_even_where_the_rules_give_no_part() {
    let people = || held(&[("a", "north", 1, 1)]);
    let mut first = settle(&shared(10, 1_000), &tables([people()], [])).unwrap();
    first.institutions[0].closing_micro = 5;
    let mut later = tables([people()], []);
    later.opening = closing(&first);
    let run = settle(&shared(10, 0), &later).unwrap();
    assert_eq!(run.totals.institutions.unwrap().carried.micro(), 5);
}

#[test]
fn lines_read_back_as_they_were_written_and_twice_gives_the_same_bytes() {
    let people = held(&[("a", "north", 2, 1), ("a", "süd & co", 1, 1)]);
    let lines = settle(&shared(1_000, 10), &tables([people], [])).unwrap().institutions;
    let bytes = write_institutions(&lines).unwrap();
    assert_eq!(read_institutions(&bytes).unwrap(), lines);
    assert_eq!(
        write_institutions(&lines).unwrap(),
        bytes,
        "a re-run would not find its own object"
    );
    assert_eq!(read_institutions(&write_institutions(&[]).unwrap()).unwrap(), []);
}
