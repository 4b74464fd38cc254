//! Decisions on a site with one dataset and a few questions.

use super::*;
use crate::{
    money::{Amount, Currency},
    pipeline::{
        fund::tests::{site, terms},
        settle::{
            settle,
            tests::{commons, quarter},
        },
    },
};

fn decision(change: Override) -> Overridden {
    let (reason, approver) = ("a test".to_owned(), "board".to_owned());
    Overridden { pool: terms().pool, change, reason, approver }
}

fn person(id: &str) -> ContributorId {
    ContributorId::parse(id).unwrap()
}

fn eur(minor: i128) -> Amount {
    Amount::new(minor, Currency::parse("EUR").unwrap())
}

fn paid(outcome: &crate::pipeline::settle::Outcome) -> i128 {
    outcome.settled.totals.paid.minor()
}

#[test]
fn an_excluded_question_and_its_repeats_do_not_count_and_the_book_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let site = commons(&folder, 10_000_000);
    let done = decide(&site, decision(Override::ExcludeQuery { query: 1 })).unwrap();
    let again = decide(&site, decision(Override::ExcludeQuery { query: 1 })).unwrap();
    assert!(done.new && !again.new, "one decision would stand twice");
    let outcome = settle(&site, &terms().pool, &quarter(), false).unwrap();
    // Question 2 repeats question 1; only question 3 is left, and it drew on one person alone.
    assert_eq!(outcome.repeats, 0, "a repeat would count in the place of the excluded question");
    assert_eq!(paid(&outcome), 9_500_000);
    let late = decide(&site, decision(Override::ExcludeQuery { query: 3 }));
    assert!(matches!(late, Err(Error::Settled { query: 3, .. })), "what is paid would change");
}

#[test]
fn a_price_changes_the_weight_of_one_question() {
    let folder = tempfile::tempdir().unwrap();
    let site = commons(&folder, 10_000_000);
    let change = Override::Price { query: 3, price: 3 };
    let _ = decide(&site, decision(change)).unwrap();
    let outcome = settle(&site, &terms().pool, &quarter(), false).unwrap();
    let layer = &outcome.settled.totals.layers[1];
    assert_eq!(layer.weight, "4000000000000", "one question of weight 1, one of weight 3");
}

#[test]
fn an_excluded_contributor_weighs_nothing_and_the_others_share() {
    let folder = tempfile::tempdir().unwrap();
    let site = commons(&folder, 10_000_000);
    let change = Override::ExcludeContributor { contributor: person("anna") };
    let _ = decide(&site, decision(change)).unwrap();
    let outcome = settle(&site, &terms().pool, &quarter(), false).unwrap();
    let lines = super::super::settle::recorded(&site, &outcome.settled).unwrap().people;
    let paid: Vec<i64> = lines.iter().map(|line| line.paid_minor).collect();
    // Base 20 : 10; one question is bert's alone now, the other cleo's.
    assert_eq!(paid, [0, 1_900_000 + 3_325_000, 950_000 + 3_325_000]);
}

#[test]
fn a_correction_takes_from_what_is_earned_and_carries_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let site = commons(&folder, 10_000_000);
    let change = |minor| Override::Correct { contributor: person("bert"), amount: eur(minor) };
    let _ = decide(&site, decision(change(5_000_000))).unwrap();
    let outcome = settle(&site, &terms().pool, &quarter(), false).unwrap();
    let lines = super::super::settle::recorded(&site, &outcome.settled).unwrap().people;
    let bert = &lines[1];
    let earned = (950_000_i64 + 831_250) * 1_000_000;
    assert_eq!(bert.adjust_micro, -earned);
    assert_eq!(bert.debt_micro, 5_000_000_000_000 - earned, "the rest would be forgotten");
    assert_eq!((bert.paid_minor, bert.closing_micro), (0, 0));
    assert_eq!(outcome.settled.totals.unallocated.micro(), i128::from(earned));
}

#[test]
fn what_the_pool_does_not_know_is_refused_and_nobody_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let site = commons(&folder, 1_000);
    let refused = |change| decide(&site, decision(change)).unwrap_err();
    let stranger = refused(Override::ExcludeContributor { contributor: person("zoe") });
    assert!(matches!(stranger, Error::Contributor { .. }));
    assert!(!format!("{stranger} {stranger:?}").contains("zoe"));
    assert!(matches!(
        refused(Override::ExcludeQuery { query: 99 }),
        Error::Query { query: 99, .. }
    ));
    let nothing = Override::Correct { contributor: person("anna"), amount: eur(0) };
    assert!(matches!(refused(nothing), Error::Amount { .. }));
    let mut silent = decision(Override::Price { query: 1, price: 2 });
    silent.reason.clear();
    assert!(matches!(decide(&site, silent), Err(Error::Silent)), "nobody could say why");
}

#[test]
fn the_book_holds_no_contributor_of_a_decision() {
    let folder = tempfile::tempdir().unwrap();
    let early = commons(&folder, 1_000);
    let change = Override::ExcludeContributor { contributor: person("anna") };
    let _ = decide(&early, decision(change)).unwrap();
    drop(early);
    let site = site(&folder, "2027-01-03");
    let (pools, _) = load(&site).unwrap();
    let entry = &pools[&terms().pool].overridden[0].entry;
    let entry = crate::ledger::Entry::parse(entry.as_bytes()).unwrap();
    let text = serde_json::to_string(entry.body()).unwrap();
    assert!(text.contains("exclude-contributor") && text.contains("board"));
    assert!(!text.contains("anna"), "the public book names a person");
}
