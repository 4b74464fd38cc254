//! The second reckoning of covers: what the rules give passes, and each way to give otherwise is a fault.

use serde_json::json;

use super::*;

fn policy(more: &serde_json::Value) -> Policy {
    let euros = |amount: &str| json!({"amount": amount, "scale": 2, "currency": "EUR"});
    let mut text = json!({
        "policy": "care-2026",
        "cover": "insurance",
        "insurer": "vitana",
        "currency": "EUR",
        "term": {"from": "2026-01-01", "until": "2027-01-01"},
        "sum": euros("50000"),
        "cap_person": euros("80000"),
        "cap_policy": euros("200000"),
        "partly": true,
        "event_days": 30,
        "purpose": "HL7:HPAYMT",
        "triggers": [{
            "name": "birth", "table": "observations", "id": "id", "day": "effective",
            "code": {"column": "code", "any": ["http://loinc.org|1504-0"]},
        }],
    });
    for (name, value) in more.as_object().cloned().unwrap_or_default() {
        text[name] = value;
    }
    serde_json::from_value(text).unwrap()
}

fn line(who: &str, day: &str, row: &str, outcome: Outcome, sums: [i64; 3]) -> Line {
    serde_json::from_value(json!({
        "contributor": who,
        "event": Sha3Digest::of(format!("{who}{day}").as_bytes()),
        "outcome": outcome,
        "day": day,
        "trigger": "birth",
        "row": {"institution": "north", "table": "observations", "id": row},
        "category": "labs",
        "evidence": Sha3Digest::of(row.as_bytes()),
        "owed_minor": sums[0],
        "recovered_minor": sums[1],
        "paid_minor": sums[2],
    }))
    .unwrap()
}

/// Judges evaluation after evaluation; returns the faults of the last.
fn faults(policy: &Policy, funds: i64, evaluations: &[&[Line]]) -> Vec<&'static str> {
    faults_where(policy, funds, evaluations, &|_, _| true)
}

fn faults_where(
    policy: &Policy,
    funds: i64,
    evaluations: &[&[Line]],
    stands: &dyn Fn(&str, &Seen) -> bool,
) -> Vec<&'static str> {
    let mut standing = Standing::default();
    let who = |id: &str| id.to_owned();
    let mut last = Vec::new();
    for lines in evaluations {
        assert!(last.is_empty(), "an evaluation before the last is wrong already: {last:?}");
        last = standing.judge(policy, lines, funds, &who, stands).unwrap();
    }
    last.into_iter().map(|(_, fault)| fault).collect()
}

const FUNDS: i64 = 1_000_000;

fn paid(who: &str, day: &str, row: &str) -> Line {
    line(who, day, row, Outcome::Paid, [50_000, 0, 50_000])
}

#[test]
fn what_the_rules_give_passes() {
    let policy = policy(&json!({}));
    let first = [paid("anna", "2026-03-05", "r1"), paid("bert", "2026-03-06", "r2")];
    // Anna's row is taken back; another of the same event comes from elsewhere too late to be flagged.
    let second = [line("anna", "2026-03-05", "r1", Outcome::Flagged, [-50_000, 0, 0])];
    // Her next event is worth 500, all of it kept; the one after that pays what one person may have.
    let third = [line("anna", "2026-05-01", "r3", Outcome::Recovered, [50_000, 50_000, 0])];
    let fourth = [
        line("anna", "2026-06-15", "r4", Outcome::Paid, [30_000, 0, 30_000]),
        line("bert", "2026-03-06", "r5", Outcome::Known, [0; 3]),
        line("bert", "2026-06-15", "r6", Outcome::Paid, [30_000, 0, 30_000]),
        line("cleo", "2026-06-16", "r7", Outcome::Paid, [40_000, 0, 40_000]),
        line("dora", "2026-06-17", "r8", Outcome::CapPolicy, [0; 3]),
    ];
    let all: [&[Line]; 4] = [&first, &second, &third, &fourth];
    assert_eq!(faults(&policy, FUNDS, &all), Vec::<&str>::new());
}

#[test]
fn an_event_paid_twice_is_found_in_one_evaluation_and_over_two() {
    let policy = policy(&json!({}));
    let once = [paid("anna", "2026-03-05", "r1")];
    let twice = [paid("anna", "2026-03-05", "r1"), paid("anna", "2026-03-05", "r2")];
    assert!(faults(&policy, FUNDS, &[&twice]).contains(&"it pays an event twice"));
    let again = [line("anna", "2026-03-08", "r2", Outcome::Paid, [30_000, 0, 30_000])];
    let found = faults(&policy, FUNDS, &[&once, &again]);
    assert_eq!(found, ["it pays for an event that no row shows, or that was paid before"]);
}

#[test]
fn an_amount_that_the_policy_does_not_give_is_found() {
    let policy = policy(&json!({}));
    for (outcome, sums) in [
        (Outcome::Paid, [50_001, 0, 50_001]),
        (Outcome::Paid, [49_999, 0, 49_999]),
        (Outcome::Paid, [50_000, 0, 49_999]),
        (Outcome::Waiting, [0; 3]),
        (Outcome::CapPerson, [0; 3]),
        (Outcome::Recovered, [50_000, 10_000, 40_000]),
    ] {
        let lines = [line("anna", "2026-03-05", "r1", outcome, sums)];
        let found = faults(&policy, FUNDS, &[&lines]);
        assert_eq!(found, ["a line does not come to what its policy says"], "{outcome:?} {sums:?}");
    }
    let known = [
        paid("anna", "2026-03-05", "r1"),
        line("anna", "2026-03-06", "r2", Outcome::Known, [0, 0, 1]),
    ];
    assert_eq!(faults(&policy, FUNDS, &[&known]), ["a line that is worth nothing has a sum"]);
}

#[test]
fn caps_and_pool_hold_and_nobody_overtakes_who_waits() {
    let policy = policy(&json!({}));
    let third = |sums| {
        let before = [paid("anna", "2026-01-05", "r1")];
        let second = [line("anna", "2026-03-05", "r2", Outcome::Paid, sums)];
        faults(&policy, FUNDS, &[&before, &second])
    };
    assert_eq!(third([30_000, 0, 30_000]), Vec::<&str>::new());
    assert_eq!(third([50_000, 0, 50_000]).len(), 1, "more than one person gets");
    // 700 euros: Anna gets 500, Bert 200, and Cleo waits.
    let poor = [
        paid("anna", "2026-03-05", "r1"),
        line("bert", "2026-03-06", "r2", Outcome::Paid, [20_000, 0, 20_000]),
        line("cleo", "2026-03-07", "r3", Outcome::Waiting, [0; 3]),
    ];
    assert_eq!(faults(&policy, 70_000, &[&poor]), Vec::<&str>::new());
    let overdrawn = [paid("anna", "2026-03-05", "r1"), paid("bert", "2026-03-06", "r2")];
    assert_eq!(
        faults(&policy, 70_000, &[&overdrawn]),
        ["a line does not come to what its policy says"],
        "the pool was overdrawn"
    );
    assert_eq!(
        faults(&policy, 0, &[&[paid("anna", "2026-03-05", "r1")]]),
        ["a line does not come to what its policy says"],
        "an evaluation was paid before the insurer did"
    );
    // Where nothing is paid in part, who comes later does not get what was too little for another.
    let whole = self::policy(&json!({"partly": false}));
    let overtaken = [
        paid("anna", "2026-03-05", "r1"),
        line("bert", "2026-03-06", "r2", Outcome::Waiting, [0; 3]),
        line("cleo", "2026-03-07", "r3", Outcome::Waiting, [0; 3]),
    ];
    assert_eq!(faults(&whole, 70_000, &[&overtaken]), Vec::<&str>::new());
}

#[test]
fn what_was_flagged_is_kept_whole_and_never_more() {
    let policy = policy(&json!({}));
    let first = [paid("anna", "2026-03-05", "r1")];
    let flagged = [line("anna", "2026-03-05", "r1", Outcome::Flagged, [-50_000, 0, 0])];
    let kept = |sums| [line("anna", "2026-05-01", "r2", Outcome::Recovered, sums)];
    let after = |lines: &[Line]| faults(&policy, FUNDS, &[&first, &flagged, lines]);
    assert_eq!(after(&kept([50_000, 50_000, 0])), Vec::<&str>::new());
    assert_eq!(after(&kept([50_000, 20_000, 30_000])).len(), 1, "less was kept than is owed");
    assert_eq!(after(&[paid("anna", "2026-05-01", "r2")]).len(), 1, "nothing was kept");
    // A second claim on the same payment, and one on a payment that never was.
    let again = faults(&policy, FUNDS, &[&first, &flagged, &flagged]);
    assert_eq!(again, ["what is due no more was not flagged, or something else was"]);
    assert_eq!(faults(&policy, FUNDS, &[&flagged]).len(), 1);
    let less = [line("anna", "2026-03-05", "r1", Outcome::Flagged, [-40_000, 0, 0])];
    assert_eq!(faults(&policy, FUNDS, &[&first, &less]).len(), 1);
    // The row is gone and nothing says that what it was paid for is due no more.
    let silent = [line("anna", "2026-03-05", "r1", Outcome::TakenBack, [0; 3])];
    assert_eq!(faults(&policy, FUNDS, &[&first, &silent]), again, "a wrong payment was hidden");
    let back = [line("anna", "2026-03-05", "r1", Outcome::Known, [0; 3])];
    let found = faults(&policy, FUNDS, &[&first, &flagged, &back]);
    assert_eq!(found, ["a row that was taken back counts again"]);
}

#[test]
fn an_event_that_rows_show_and_no_line_settles_is_found() {
    let policy = policy(&json!({}));
    let dropped = [line("anna", "2026-03-06", "r2", Outcome::Known, [0; 3])];
    assert_eq!(faults(&policy, FUNDS, &[&dropped]), ["an event that was due has no line"]);
    let unwilling = |_: &str, _: &Seen| false;
    let found = faults_where(&policy, FUNDS, &[&dropped], &unwilling);
    assert_eq!(found, Vec::<&str>::new(), "nothing is due to whom took consent back");
    let found = faults_where(&policy, FUNDS, &[&[paid("anna", "2026-03-05", "r1")]], &unwilling);
    assert_eq!(found, ["a person was paid, or would have been, without consent"]);
}

#[test]
fn enrolment_and_weeks_are_counted_anew() {
    let policy = policy(&json!({
        "enrolment_days": 84,
        "enrolment_weeks_max": 20,
        "triggers": [{
            "name": "birth", "table": "observations", "id": "id", "day": "effective",
            "code": {"column": "code", "any": ["http://loinc.org|1504-0"]},
            "weeks": {"min": 24, "max": 28},
        }],
    }));
    let enrolment = |enrolled: &str, due: Option<&str>| Enrolment {
        contributor: "anna".into(),
        enrolled: enrolled.parse().unwrap(),
        due: due.map(|due| due.parse().unwrap()),
    };
    // Due on the 1st of August: 20 weeks and 6 days are completed on the 20th of March.
    assert!(fits(&policy, &enrolment("2026-03-20", Some("2026-08-01"))));
    assert!(!fits(&policy, &enrolment("2026-03-21", Some("2026-08-01"))), "it is week 21");
    assert!(!fits(&policy, &enrolment("2026-03-26", Some("2026-12-01"))), "after 84 days");
    assert!(!fits(&policy, &enrolment("2025-12-31", Some("2026-08-01"))), "before the term");
    assert!(!fits(&policy, &enrolment("2026-03-05", None)), "nobody knows the week");
    let mut before = Before::new(&policy);
    before.enrol(vec![enrolment("2026-03-05", Some("2026-08-01"))]);
    let people = History::default().at(0);
    let on = |day: &str| before.is_covered(&people, &paid("anna", day, "r1"));
    assert!(on("2026-04-11") && on("2026-05-15"), "weeks 24 to 28, both ends");
    assert!(!on("2026-04-10") && !on("2026-05-16"));
    assert!(!before.is_covered(&people, &paid("bert", "2026-04-11", "r1")), "nobody enrolled them");
}
