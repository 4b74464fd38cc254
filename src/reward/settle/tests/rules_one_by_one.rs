//! Each rule by itself, in numbers small enough to check by hand.

use super::*;
use crate::{
    instant::Date,
    reward::{
        Override, OverrideInput, RelatedInput,
        rules::{CapRule, Grain, SplitRule, TaxRule},
    },
};

fn id(who: &str) -> ContributorId {
    ContributorId::parse(who).unwrap()
}

fn house(name: &str) -> InstitutionId {
    InstitutionId::parse(name).unwrap()
}

fn base_alone(minor: i128) -> Inputs {
    let mut inputs = inputs(minor, 1_000_000, 0, 0);
    inputs.rules.set.grain = Grain::Minor;
    inputs
}

fn verified(who: &str, person: &str, country: Option<&str>) -> PayeeLine {
    PayeeLine {
        contributor: id(who),
        person: Some(person.into()),
        verified: true,
        country: country.map(str::to_owned),
    }
}

fn gross(run: &Settlement) -> Vec<i64> {
    run.lines.iter().map(|line| line.gross_micro / 1_000_000).collect()
}

#[test]
fn what_is_above_the_cap_of_a_person_goes_to_the_others_and_what_nobody_may_have_stays() {
    let mut inputs = base_alone(100_000);
    let mut tables = tables([roster(&[("a", 70, 1), ("b", 20, 1), ("c", 10, 1)])], []);
    tables.payees = ["a", "b", "c"].map(|who| verified(who, who, None)).into();
    inputs.rules.set.cap = Some(CapRule { person_ppm: 400_000 });
    let run = settle(&inputs, &tables).unwrap();
    assert_eq!(gross(&run), [40_000, 40_000, 20_000]);
    inputs.rules.set.cap = Some(CapRule { person_ppm: 300_000 });
    let run = settle(&inputs, &tables).unwrap();
    assert_eq!(gross(&run), [30_000, 30_000, 30_000]);
    assert_eq!(run.totals.unallocated.whole().minor(), 10_000, "it stays in the pool");
}

#[test]
fn two_names_of_one_person_share_one_cap_and_so_do_all_whom_nobody_verified() {
    let mut inputs = base_alone(100_000);
    inputs.rules.set.cap = Some(CapRule { person_ppm: 400_000 });
    let people = [("a", 35, 1), ("b", 35, 1), ("c", 15, 1), ("d", 15, 1)];
    let mut tables = tables([roster(&people)], []);
    tables.payees = vec![verified("a", "one", None), verified("b", "one", None)];
    let run = settle(&inputs, &tables).unwrap();
    assert_eq!(gross(&run), [20_000, 20_000, 20_000, 20_000], "names would each have a cap");
    tables.payees[1].verified = false;
    let run = settle(&inputs, &tables).unwrap();
    // a alone has one cap; b, c and d another, by 35 : 15 : 15.
    assert_eq!(gross(&run), [40_000, 21_538, 9_231, 9_231]);
}

#[test]
fn a_payers_own_records_and_those_of_its_relations_do_not_count() {
    let people = || held(&[("a", "north", 30, 1), ("a", "south", 10, 1), ("b", "west", 40, 1)]);
    let used = || drawn(&[("a", 20), ("b", 20)]);
    let mut asked = inputs(1_000, 0, 0, 1);
    let units = |inputs: &Inputs| {
        let run = settle(inputs, &tables([people()], [used()])).unwrap();
        let uses: Vec<(u64, u64, u128)> =
            run.uses.iter().map(|used| (used.rows, used.counted, used.units)).collect();
        (uses, run.totals.unallocated.whole().minor())
    };
    let half = 500_000_000_000;
    assert_eq!(units(&asked).0, [(20, 20, half), (20, 20, half)], "nobody is known to have asked");
    asked.queries[0].institution = Some(house("north"));
    // Ten of a's forty records are not north's: five of twenty rows.
    assert_eq!(units(&asked).0, [(20, 5, 200_000_000_000), (20, 20, 800_000_000_000)]);
    let related = |payer: &str, institution: &str| RelatedInput {
        payer: house(payer),
        institution: house(institution),
        entry: Sha256::of(b""),
    };
    asked.related = vec![related("north", "south"), related("south", "west")];
    let (uses, _) = units(&asked);
    assert_eq!(uses, [(20, 0, 0), (20, 20, 1_000_000_000_000)], "a relation has one direction");
    asked.related.push(related("north", "west"));
    let (uses, left) = units(&asked);
    assert_eq!(uses, [(20, 0, 0), (20, 0, 0)]);
    assert_eq!(left, 1_000, "a payer would buy its own records, or others be paid for nothing");
    asked.rules.set.exclude_payer = false;
    assert_eq!(units(&asked).0, [(20, 20, half), (20, 20, half)], "the rules count all");
}

#[test]
fn uses_may_weigh_by_record_instead_of_by_question() {
    let mut inputs = inputs(1_200, 0, 0, 2);
    inputs.rules.set.layers[1] = LayerRule::Usage { ppm: 1_000_000, weigh: UsageWeight::Record };
    inputs.queries[1].price = 3;
    let tables = tables(
        [roster(&[("a", 1, 1), ("b", 1, 1)])],
        [drawn(&[("a", 90)]), drawn(&[("a", 0), ("b", 10)])],
    );
    let run = settle(&inputs, &tables).unwrap();
    let weights: Vec<u128> = run.lines.iter().map(|line| line.usage_weight).collect();
    assert_eq!(weights, [90, 30], "a record of a question of price 3 weighs 3");
    assert_eq!(gross(&run), [900, 300]);
}

#[test]
fn new_records_weigh_the_more_the_rarer_they_are_and_nothing_before_two_people_vouch_for_them() {
    let mut inputs = base_alone(700);
    let layer = |contributors_min, cap_ppm| {
        vec![LayerRule::NewData {
            ppm: 1_000_000,
            half: 50,
            quality: true,
            contributors_min,
            cap_ppm,
        }]
    };
    inputs.rules.set.layers = layer(2, None);
    let line = |who: &str, new, prior, verified| NewDataLine {
        contributor: id(who),
        stratum: format!("of {who}"),
        new,
        prior,
        quality_ppm: 500_000,
        verified,
        vested: verified >= 2,
    };
    let mut tables = tables([roster(&[("a", 1, 1), ("b", 1, 1), ("faker", 1, 1)])], []);
    tables.new_data = vec![line("a", 6, 50, 2), line("b", 1, 0, 3), line("faker", 7, 0, 1)];
    let run = settle(&inputs, &tables).unwrap();
    let weights: Vec<u128> = run.lines.iter().map(|line| line.new_weight).collect();
    assert_eq!(weights, [6 * 250_000, 500_000, 0], "fabricated rare records were paid");
    assert_eq!(gross(&run), [525, 175, 0]);
    // The same table under rules that ask for nobody was not gathered for them.
    inputs.rules.set.layers = layer(0, None);
    assert!(matches!(settle(&inputs, &tables), Err(Error::Vested)));
    inputs.rules.set.layers = layer(2, Some(500_000));
    let run = settle(&inputs, &tables).unwrap();
    assert_eq!(gross(&run), [350, 350, 0], "what is above the cap of the layer goes to the others");
}

#[test]
fn tranches_become_payable_one_settlement_after_another() {
    let mut inputs = base_alone(1_000);
    inputs.rules.set.tranches = vec![50, 30, 20];
    let mut tables = tables([roster(&[("a", 1, 1)])], []);
    let first = settle(&inputs, &tables).unwrap();
    let line = &first.lines[0];
    assert_eq!((line.paid_minor, line.held_micro), (500, 500_000_000));
    let held: Vec<(u32, i64)> = first.held.iter().map(|part| (part.due, part.micro)).collect();
    assert_eq!(held, [(1, 300_000_000), (2, 200_000_000)]);
    // No new money: what was held still falls due, and nobody has to be in a version for it.
    inputs.funded.clear();
    tables.rosters[0] = roster(&[]);
    tables.opening = closing(&first);
    let second = settle(&inputs, &tables).unwrap();
    assert_eq!((second.lines[0].paid_minor, second.lines[0].vested_micro), (300, 300_000_000));
    tables.opening = closing(&second);
    let third = settle(&inputs, &tables).unwrap();
    assert_eq!(third.lines[0].paid_minor, 200);
    assert!(third.held.is_empty(), "a tranche was put off twice");
    tables.opening = closing(&third);
    assert!(matches!(settle(&inputs, &tables), Err(Error::Empty)));
}

#[test]
fn tax_is_withheld_by_where_a_payee_pays_it_and_by_the_periods_last_day() {
    let mut inputs = base_alone(4_000);
    let day = |text: &str| text.parse::<Date>().unwrap();
    let row = |country: &str, from: &str, until: Option<&str>, bps| TaxRule {
        country: country.into(),
        from: day(from),
        until: until.map(day),
        bps,
    };
    inputs.rules.set.tax = vec![
        row("DE", "2026-01-01", Some("2026-12-30"), 9_000),
        row("DE", "2026-12-31", None, 1_500),
        row("*", "2027-01-01", None, 5_000),
    ];
    let mut tables = tables([roster(&[("a", 1, 1), ("b", 1, 1), ("c", 1, 1), ("d", 1, 1)])], []);
    tables.payees = vec![verified("a", "a", Some("DE")), verified("b", "b", Some("FR"))];
    let run = settle(&inputs, &tables).unwrap();
    let taxes: Vec<i64> = run.lines.iter().map(|line| line.tax_minor).collect();
    assert_eq!(taxes, [150, 0, 0, 0], "2026-Q4 ends on 2026-12-31");
    assert_eq!(run.lines[0].paid_minor, 850);
    inputs.period = Period::parse("2027-Q1").unwrap();
    let run = settle(&inputs, &tables).unwrap();
    let taxes: Vec<i64> = run.lines.iter().map(|line| line.tax_minor).collect();
    assert_eq!(taxes, [150, 500, 500, 500], "every other country, and none");
    assert_eq!(run.totals.tax.minor(), 1_650);
}

#[test]
fn a_correction_is_limited_to_what_is_earned_and_the_rest_waits_for_the_next_settlement() {
    let mut inputs = base_alone(1_000);
    inputs.rules.set.minimum_minor = 2_000;
    let mut tables = tables([roster(&[("a", 1, 1), ("b", 1, 1)])], []);
    let first = settle(&inputs, &tables).unwrap();
    tables.opening = closing(&first);
    let amount = Amount::new(700, eur());
    let act = Override::Correct { contributor: id("a"), amount };
    inputs.overrides = vec![OverrideInput { commit: 3, entry: Sha256::of(b""), act }];
    let second = settle(&inputs, &tables).unwrap();
    let line = &second.lines[0];
    assert_eq!((line.adjust_micro, line.debt_micro), (-500_000_000, 200_000_000));
    assert_eq!(line.closing_micro, 500_000_000, "what was earned before was taken");
    assert_eq!(second.totals.unallocated.whole().minor(), 500);
    inputs.overrides.clear();
    inputs.returned = second.totals.unallocated;
    tables.opening = closing(&second);
    let third = settle(&inputs, &tables).unwrap();
    assert_eq!((third.lines[0].adjust_micro, third.lines[0].debt_micro), (-200_000_000, 0));
}

#[test]
fn values_pay_by_what_was_recorded_and_an_excluded_contributor_weighs_nothing_anywhere() {
    let mut inputs = base_alone(1_000);
    inputs.rules.set.layers =
        vec![LayerRule::Base { ppm: 500_000 }, LayerRule::Value { ppm: 500_000 }];
    let mut tables = tables([roster(&[("a", 1, 1), ("b", 1, 1)])], []);
    tables.values = vec![(id("a"), 1), (id("b"), 3)];
    assert_eq!(gross(&settle(&inputs, &tables).unwrap()), [250 + 125, 250 + 375]);
    let act = Override::ExcludeContributor { contributor: id("b") };
    inputs.overrides = vec![OverrideInput { commit: 3, entry: Sha256::of(b""), act }];
    assert_eq!(gross(&settle(&inputs, &tables).unwrap()), [1_000, 0]);
}

#[test]
fn duplicates_that_were_found_do_not_weigh_and_an_old_roster_counts_its_rows() {
    let old = roster(&[("a", 100, 1), ("b", 100, 1)]);
    let records: ArrayRef = Arc::new(Int64Array::from(vec![10, 30]));
    let mut columns: Vec<(String, ArrayRef)> = old
        .schema()
        .fields()
        .iter()
        .zip(old.columns())
        .map(|(field, column)| (field.name().clone(), Arc::clone(column)))
        .collect();
    columns.push(("records".into(), records));
    let new = RecordBatch::try_from_iter(columns).unwrap();
    let inputs = base_alone(1_000);
    assert_eq!(gross(&settle(&inputs, &tables([old], [])).unwrap()), [500, 500]);
    assert_eq!(gross(&settle(&inputs, &tables([new], [])).unwrap()), [250, 750]);
}

#[test]
fn the_institutions_part_of_somebody_in_no_base_version_goes_by_records_and_else_stays() {
    let mut inputs = base_alone(1_000);
    inputs.rules.set.layers = vec![LayerRule::Value { ppm: 1_000_000 }];
    inputs.rules.set.split =
        SplitRule { person_bps: 6_000, institution_bps: 3_000, platform_bps: 1_000 };
    inputs.versions[0].base = false;
    let mut tables = tables([held(&[("a", "north", 30, 1), ("a", "south", 10, 1)])], []);
    tables.values = vec![(id("a"), 1), (id("z"), 1)];
    let run = settle(&inputs, &tables).unwrap();
    let paid: Vec<i64> = run.institutions.iter().map(|line| line.paid_minor).collect();
    assert_eq!(paid, [112, 38], "150 by 30 : 10, the half cent by the tie of largest remainders");
    assert_eq!(run.totals.unallocated.whole().minor(), 150, "z's has no institution to go to");
    assert_eq!(run.totals.platform_account.unwrap().paid.minor(), 100);
}

#[test]
fn a_reserve_is_kept_back_once_and_rounds_down() {
    let mut inputs = base_alone(999);
    (inputs.rules.set.fee_bps, inputs.rules.set.reserve_bps) = (500, 1_000);
    let run = settle(&inputs, &tables([roster(&[("a", 1, 1)])], [])).unwrap();
    let totals = &run.totals;
    assert_eq!((totals.fee.minor(), totals.reserve.minor(), totals.paid.minor()), (49, 99, 851));
}
