//! The worked example of the reference to the cent, and what each rule changes in it.
//!
//! Comes in: tables made by hand. Goes out: nothing. Never: the engine's own code.

#![expect(clippy::arithmetic_side_effects, reason = "a test that wraps fails")]

use serde_json::{Value, json};

use super::*;
use crate::{
    audit::{
        given::{Inputs, NewData, Opening, Question, Seat, Version},
        shape::Override,
    },
    money::Currency,
};

/// The rules of the reference: fee 5 %, layers 30/50/20, split 70/25/5, tax 15 %, whole cents.
fn rules() -> Value {
    json!({
        "name": "reference", "version": 1, "grain": "minor", "fee_bps": 500, "reserve_bps": 0,
        "minimum_minor": 0,
        "layer": [
            {"kind": "base", "ppm": 300_000},
            {"kind": "usage", "ppm": 500_000, "weigh": "question"},
            {"kind": "new-data", "ppm": 200_000, "half": 50, "quality": false,
             "contributors_min": 2},
        ],
        "split": {"person_bps": 7_000, "institution_bps": 2_500, "platform_bps": 500},
        "tax": [{"country": "*", "from": "2026-01-01", "bps": 1_500}],
        "exclude_payer": true,
    })
}

/// The tables of the reference: A, B, C, D and three questions.
fn given(rules: &Value) -> Given {
    let inputs: Inputs = serde_json::from_value(json!({
        "format": 2, "pool": "p", "period": "2026-Q4", "datasets": ["d"], "purposes": [],
        "rules": {"method": "almoner-reward/v2", "currency": "EUR", "set": rules,
                  "units_per_query": 1_000_000_000_000_u64, "rounding": ""},
        "funded": [], "versions": [], "queries": [], "repeats": [], "other_purpose": [],
        "returned": {"amount": "0", "scale": 8, "currency": "EUR"},
        "related": [], "overrides": [], "payees": null, "new_data": null, "value": null,
        "opening": null, "seed": "00".repeat(32),
    }))
    .unwrap();
    let seat = |id: &str, house: &str, records, quality| Seat {
        contributor: id.to_owned(),
        institution: house.to_owned(),
        pseudonym: format!("~{id}"),
        records,
        quality,
    };
    let seats = vec![
        seat("A", "north", 1_000, 920_000),
        seat("B", "north", 400, 990_000),
        seat("C", "south", 50, 1_000_000),
        seat("D", "south", 7, 610_000),
    ];
    let asked = |price, drawn: &[(&str, u64)]| Question {
        dataset: "d".into(),
        version: 1,
        institution: None,
        price,
        drawn: drawn.iter().map(|(id, rows)| (format!("~{id}"), *rows)).collect(),
    };
    let new = |id: &str, new, prior| NewData {
        contributor: id.to_owned(),
        stratum: "F|1950".into(),
        new,
        prior,
        quality: 500_000,
        verified: 2,
        vested: true,
    };
    Given {
        received: 10_000_000,
        returned: 0,
        versions: vec![Version { dataset: "d".into(), number: 1, base: true, seats }],
        questions: vec![
            asked(1, &[("A", 600), ("B", 300), ("C", 50)]),
            asked(2, &[("A", 10), ("C", 50)]),
            asked(1, &[("B", 100), ("D", 7)]),
        ],
        related: BTreeMap::new(),
        overrides: Vec::new(),
        payees: BTreeMap::new(),
        new_data: vec![new("A", 100, 950), new("B", 40, 50), new("C", 50, 0), new("D", 7, 0)],
        value: BTreeMap::new(),
        opening: Opening::default(),
        seed: inputs.seed,
        inputs,
    }
}

const CENT: i64 = 1_000_000;

fn column(done: &Reckoned, cell: fn(&Line) -> i64) -> Vec<i64> {
    done.lines.iter().map(cell).collect()
}

/// What came in is what went out, whatever the rules.
#[track_caller]
fn conserved(given: &Given, done: &Reckoned) {
    let totals = &done.totals;
    let account =
        |account: &Option<Account>| account.as_ref().map_or(0, |sums| sums.accrued.micro());
    let came = i128::try_from(given.received * 1_000_000 + given.returned).unwrap();
    let kept = (totals.fee.minor() + totals.reserve.minor()) * 1_000_000;
    let earned = totals.person.micro() + totals.adjusted.micro();
    let shared = account(&totals.institutions) + account(&totals.platform_account);
    let out = kept + earned + shared + totals.unallocated.micro();
    assert_eq!(came, out, "money was lost or made");
    for line in &done.lines {
        let balance = line.opening + line.person + line.adjust - line.held + line.vested;
        assert_eq!(balance, line.payable * CENT + line.closing, "a balance was cut");
        assert_eq!(line.payable, line.tax + line.paid);
        assert!(line.closing >= 0 && line.paid >= 0 && line.person + line.adjust >= 0);
    }
}

#[test]
fn the_worked_example_of_the_reference_comes_out_to_the_cent() {
    let given = given(&rules());
    let done = reckon(&given).unwrap();
    conserved(&given, &done);
    assert_eq!(done.totals.fee.minor(), 500_000);
    let base = column(&done, |l| l.micro[0] / CENT);
    assert_eq!(base, [1_913_492, 823_633, 103_994, 8_881]);
    let units: Vec<u128> = done.lines.iter().map(|l| l.weights[1]).collect();
    assert_eq!(
        units,
        [964_912_280_702, 1_250_368_912_936, 1_719_298_245_614, 65_420_560_748],
        "a question's units were split otherwise"
    );
    assert_eq!(column(&done, |l| l.micro[1] / CENT), [1_145_833, 1_484_813, 2_041_667, 77_687]);
    assert_eq!(column(&done, |l| l.micro[2] / CENT), [115_854, 463_415, 1_158_536, 162_195]);
    assert_eq!(column(&done, |l| l.gross / CENT), [3_175_179, 2_771_861, 3_304_197, 248_763]);
    assert_eq!(column(&done, |l| l.person / CENT)[0], 2_222_625);
    assert_eq!(column(&done, |l| l.institution / CENT)[0], 793_795);
    assert_eq!(column(&done, |l| l.platform / CENT)[0], 158_759);
    assert_eq!(column(&done, |l| l.paid), [1_889_232, 1_649_258, 1_965_998, 148_014]);
    assert_eq!(done.totals.paid.minor(), 5_652_502, "the bank's control sum is another");
}

#[test]
fn an_askers_own_and_related_records_do_not_count() {
    let mut given = given(&rules());
    given.questions[0].institution = Some("north".into());
    let done = reckon(&given).unwrap();
    conserved(&given, &done);
    let units: Vec<u128> = done.lines.iter().map(|l| l.weights[1]).collect();
    assert_eq!(units[2], 1_000_000_000_000 + 1_666_666_666_667, "the asker paid itself");
    given.related.insert("north".into(), BTreeSet::from(["south".to_owned()]));
    let done = reckon(&given).unwrap();
    let sum: u128 = done.lines.iter().map(|l| l.weights[1]).sum();
    assert_eq!(sum, 3_000_000_000_000, "a question of nobody's records handed out units");
}

#[test]
fn new_records_that_one_person_alone_brought_weigh_nothing() {
    let mut given = given(&rules());
    given.new_data[3].verified = 1;
    assert!(reckon(&given).is_none(), "a row says it counts, and the rule says it does not");
    given.new_data[3].vested = false;
    let done = reckon(&given).unwrap();
    conserved(&given, &done);
    assert_eq!((done.lines[3].weights[2], done.lines[3].micro[2]), (0, 0));
}

#[test]
fn caps_hold_a_layer_and_a_person_and_what_is_over_stays_in_the_pool() {
    let mut rules = rules();
    rules["cap"] = json!({"person_ppm": 300_000});
    rules["layer"][2]["cap_ppm"] = json!(100_000);
    let mut given = given(&rules);
    let person = |name: &str| Payee { person: Some(name.into()), verified: true, country: None };
    given.payees.insert("A".into(), person("one"));
    given.payees.insert("B".into(), person("one"));
    given.payees.insert("C".into(), person("two"));
    let done = reckon(&given).unwrap();
    conserved(&given, &done);
    assert_eq!(column(&done, |l| l.micro[2] / CENT), [190_000; 4], "a cap of a tenth gave more");
    let gross = column(&done, |l| l.gross / CENT);
    assert_eq!(gross[0] + gross[1], 2_850_000, "two ids of one person got two caps");
    assert!(gross[2] <= 2_850_000 && done.totals.unallocated.micro() > 0);
}

#[test]
fn corrections_take_what_is_earned_now_and_leave_the_rest_a_debt() {
    let mut given = given(&rules());
    let euro = Currency::parse("EUR").unwrap();
    given.overrides = vec![
        Override::Correct { contributor: "A".into(), amount: Amount::new(9_000_000, euro) },
        Override::Correct { contributor: "Z".into(), amount: Amount::new(5, euro) },
        Override::ExcludeContributor { contributor: "B".into() },
    ];
    let done = reckon(&given).unwrap();
    conserved(&given, &done);
    let line = |id: &str| done.lines.iter().find(|l| l.contributor == id).unwrap();
    assert_eq!((line("A").person + line("A").adjust, line("A").paid), (0, 0));
    assert!(line("A").debt > 0, "what is still owed was forgotten");
    assert_eq!((line("Z").debt, line("Z").adjust), (5 * CENT, 0));
    assert_eq!((line("B").weights, line("B").gross), ([0; 4], 0), "an excluded person earned");
}

#[test]
fn later_tranches_wait_and_come_due_one_settlement_after_the_other() {
    let mut rules = rules();
    rules["tranches"] = json!([2, 1, 1]);
    let mut given = given(&rules);
    let done = reckon(&given).unwrap();
    conserved(&given, &done);
    let a = &done.lines[0];
    assert_eq!((a.person / CENT, a.held / CENT), (2_222_625, 1_111_312));
    assert_eq!(done.held.len(), 8);
    given.opening = Opening { people: done.lines, held: done.held, ..Opening::default() };
    given.received = 0;
    let next = reckon(&given).unwrap();
    conserved(&given, &next);
    assert_eq!(next.lines[0].vested / CENT, 555_656, "the second part did not come due");
    assert!(next.held.iter().all(|part| part.due == 1), "a part waits longer than it must");
}
