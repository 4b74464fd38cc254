//! The money's commands given what they must refuse, each with its exit code and words; and the rule sets
//! of this repository, which they must take.

use std::{fs, path::Path};

use super::commons::Commons;

fn bare(name: &str) -> Commons {
    let commons = Commons::new(&format!("rewards/{name}"));
    commons.ok(&["init", commons.path("site").to_str().unwrap()]);
    commons
}

fn rules(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines").join(name).display().to_string()
}

const OPEN: [&str; 7] = ["pool", "open", "p", "--currency", "EUR", "--dataset", "d"];

fn open<'a>(with: &[&'a str]) -> Vec<&'a str> {
    [OPEN.as_slice(), with].concat()
}

#[test]
fn the_rule_sets_of_this_repository_open_pools_and_stay_as_they_were() {
    let commons = bare("sets");
    for (pool, file) in [("s", "rewards.toml"), ("w", "rewards-worked-example.toml")] {
        let file = rules(file);
        let open = ["pool", "open", pool, "--currency", "EUR", "--dataset", "d", "--rules", &file];
        let first = commons.ok(&open).out;
        assert!(commons.ok(&open).out.contains("already"), "a pool was opened twice: {first}");
        let other = commons.run(&open[..7]);
        assert_eq!(other.code, Some(8), "a pool changed its rules: {}", other.err);
    }
    let shown = commons.ok(&["pool", "show"]).out;
    assert!(shown.contains("standard@1") && shown.contains("worked-example@1"), "{shown}");
}

#[test]
fn a_rule_file_with_a_typo_ends_with_3_and_says_file_line_and_what_was_meant() {
    let commons = bare("typo");
    let text = fs::read_to_string(rules("rewards.toml")).unwrap();
    let file = commons.path("mine.toml");
    fs::write(&file, text.replace("fee_bps ", "fee_bsp ")).unwrap();
    let said = commons.run(&open(&["--rules", file.to_str().unwrap()]));
    assert_eq!(said.code, Some(3), "{}", said.err);
    assert!(said.err.contains("mine.toml:8:1"), "no editor finds the place: {}", said.err);
    assert!(said.err.contains("did you mean `fee_bps`?"), "{}", said.err);
    let missing = commons.run(&open(&["--rules", "nowhere.toml"]));
    assert_eq!(missing.code, Some(3), "{}", missing.err);
    let both = commons.run(&open(&["--rules", "x.toml", "--fee-bps", "5"]));
    assert_eq!(both.code, Some(2), "one of two rule sets would be ignored: {}", both.err);
}

#[test]
fn money_that_is_no_money_is_refused_before_anything_is_recorded() {
    let commons = bare("money");
    for currency in ["XAU", "EURO", "eur"] {
        let said = commons.run(&["pool", "open", "p", "--currency", currency, "--dataset", "d"]);
        assert_eq!(said.code, Some(2), "{currency}: {}", said.err);
        assert!(said.err.contains("ISO 4217"), "{}", said.err);
    }
    let said = commons.run(&open(&["--institution-bps", "10001"]));
    assert_eq!(said.code, Some(2), "{}", said.err);
    let said = commons.run(&open(&["--purpose", "DUO:0000045"]));
    assert!(said.code == Some(2), "a condition is no purpose: {}", said.err);
    commons.ok(&OPEN);
    let fund = |amount: &str| {
        let rest = ["--amount", amount, "--sponsor", "s", "--reference", amount];
        commons.run(&[["pool", "fund", "p"].as_slice(), &rest].concat())
    };
    let settle =
        || commons.run(&["--now", "2027-01-02T00:00:00Z", "settle", "p", "--period", "2026-Q4"]);
    let empty = settle();
    assert_eq!(empty.code, Some(8), "an empty pool was settled: {}", empty.err);
    assert!(empty.err.contains("holds nothing"), "{}", empty.err);
    assert_eq!(fund(&"9".repeat(40)).code, Some(2), "an amount wrapped");
    let huge = format!("{}.00", "9".repeat(34));
    assert_eq!(fund(&huge).code, Some(0), "it fits an amount");
    let beyond = settle();
    assert_eq!(beyond.code, Some(1), "millionths of it do not fit: {}", beyond.err);
    assert!(beyond.err.contains("too large"), "{}", beyond.err);
}

#[test]
fn decisions_and_relations_need_what_they_speak_of_and_somebody_who_answers_for_them() {
    let commons = bare("decisions");
    commons.ok(&OPEN);
    let decide = |with: &[&str]| {
        let said = ["--reason", "a test", "--approver", "board"];
        commons.run(&[["settle", "override", "p"].as_slice(), with, &said].concat())
    };
    let question = decide(&["--exclude-query", "7"]);
    assert_eq!(question.code, Some(2), "{}", question.err);
    assert!(question.err.contains("settle questions"), "{}", question.err);
    let stranger = decide(&["--correct", "jane-roe=1.00"]);
    assert_eq!(stranger.code, Some(2), "{}", stranger.err);
    assert!(!stranger.err.contains("jane-roe"), "an error names a person: {}", stranger.err);
    assert_eq!(decide(&["--price", "7:2"]).code, Some(2));
    assert_eq!(decide(&[]).code, Some(2), "nothing was to be changed");
    let silent = commons.run(&["settle", "override", "p", "--exclude-query", "7"]);
    assert_eq!(silent.code, Some(2), "nobody answers for it");
    let relate = ["party", "relate", "owner", "clinic", "--reason", "one owner"];
    assert_eq!(commons.run(&relate).code, Some(2), "nobody answers for it");
    let relate = [relate.as_slice(), &["--approver", "board"]].concat();
    commons.ok(&relate);
    assert!(commons.ok(&relate).out.contains("already"));
    assert!(commons.ok(&["party", "show"]).out.contains("one owner"));
    let none = commons.ok(&["settle", "questions", "p", "--period", "2026-Q4"]).out;
    assert!(!none.contains("counts"), "{none}");
}
