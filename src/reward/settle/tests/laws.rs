//! What holds of every settlement: no money made or lost, nothing negative, no gain by another name, no
//! loss by leaving, the same lines in any order and by any number of threads.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::reward::{
    Override, OverrideInput,
    rules::{CapRule, Grain, SplitRule, TaxRule},
};

/// A commons small enough for many runs: rows, institution and verification a person, and who was drawn
/// on by the one question.
#[derive(Debug, Clone)]
struct Commons {
    people: Vec<(i64, usize, bool)>,
    drawn: Vec<i64>,
    new: Vec<(u64, u64)>,
}

fn commons() -> impl Strategy<Value = Commons> {
    proptest::collection::vec(
        (0_i64..60, 0_usize..3, any::<bool>(), 0_i64..9, 0_u64..9, 0_u64..90),
        1..9,
    )
    .prop_map(|rows| Commons {
        people: rows.iter().map(|r| (r.0, r.1, r.2)).collect(),
        drawn: rows.iter().map(|r| r.3).collect(),
        new: rows.iter().map(|r| (r.4, r.5)).collect(),
    })
}

fn rules() -> impl Strategy<Value = RuleSet> {
    let rates = (0_u32..1_500, 0_u32..500, 0_u64..200, any::<bool>(), 0_u32..4_000);
    let caps = (proptest::option::of(0_u32..=1_000_000), proptest::option::of(0_u32..=1_000_000));
    (rates, caps, proptest::collection::vec(1_u32..9, 0..4), 0_u32..=10_000, 0_u32..3).prop_map(
        |((fee_bps, reserve_bps, minimum_minor, minor, bps), caps, tranches, part, min)| {
            let mut set = RuleSet::plain(300_000, 500_000);
            set.layers.push(LayerRule::NewData {
                ppm: 200_000,
                half: 50,
                quality: true,
                contributors_min: min,
                cap_ppm: caps.0,
            });
            set.grain = if minor { Grain::Minor } else { Grain::Micro };
            (set.fee_bps, set.reserve_bps) = (fee_bps, reserve_bps);
            set.minimum_minor = minimum_minor;
            set.cap = caps.1.map(|person_ppm| CapRule { person_ppm });
            set.split = SplitRule {
                person_bps: 10_000 - part,
                institution_bps: part - part / 3,
                platform_bps: part / 3,
            };
            let from = crate::instant::Date::from_ymd_opt(2026, 1, 1).unwrap();
            set.tax = vec![TaxRule { country: "*".into(), from, until: None, bps }];
            set.tranches = tranches;
            set.check().unwrap()
        },
    )
}

const HOUSES: [&str; 3] = ["east", "north", "west"];

fn id(n: usize) -> ContributorId {
    ContributorId::parse(&format!("p{n:02}")).unwrap()
}

impl Commons {
    fn tables(&self, min: u32, turned: bool) -> Tables {
        let names: Vec<String> = (0..self.people.len()).map(|n| format!("p{n:02}")).collect();
        let mut entries: Vec<(&str, &str, i64, i64)> = names
            .iter()
            .zip(&self.people)
            .map(|(n, (rows, house, _))| (n.as_str(), HOUSES[*house], *rows, 970_001))
            .collect();
        let mut used: Vec<(&str, i64)> = names
            .iter()
            .zip(&self.drawn)
            .filter(|(_, rows)| **rows > 0)
            .map(|(n, rows)| (n.as_str(), *rows))
            .collect();
        let verified = |n: &usize| u32::try_from(*n % 3).unwrap();
        let mut new_data: Vec<NewDataLine> = self
            .new
            .iter()
            .enumerate()
            .map(|(n, (new, prior))| NewDataLine {
                contributor: id(n),
                stratum: format!("s{}", n % 2),
                new: *new,
                prior: *prior,
                quality_ppm: 970_001,
                verified: verified(&n),
                vested: verified(&n) >= min,
            })
            .collect();
        if turned {
            entries.reverse();
            used.reverse();
            new_data.reverse();
        }
        let mut tables = tables([held(&entries)], [drawn(&used)]);
        tables.new_data = new_data;
        tables.payees = (0..self.people.len())
            .map(|n| PayeeLine {
                contributor: id(n),
                person: Some(format!("person {}", n / 2)),
                verified: self.people[n].2,
                country: None,
            })
            .collect();
        tables
    }
}

fn inputs_of(minor: i128, set: &RuleSet, returned: Accrual, platform: Option<Accrual>) -> Inputs {
    let mut inputs = inputs(minor, 300_000, 0, 1);
    inputs.rules = Rules::new(eur(), set.clone());
    inputs.returned = returned;
    inputs.queries[0].institution = Some(InstitutionId::parse("north").unwrap());
    let opening = OpeningInput {
        commit: 1,
        lines: inputs.versions[0].roster.clone(),
        institution_lines: None,
        held: None,
        platform,
    };
    inputs.opening = Some(opening);
    inputs.seeded().unwrap()
}

fn min_of(set: &RuleSet) -> u32 {
    match set.layer(Layer::NewData) {
        Some(LayerRule::NewData { contributors_min, .. }) => *contributors_min,
        Some(LayerRule::Base { .. } | LayerRule::Usage { .. } | LayerRule::Value { .. }) | None => {
            0
        }
    }
}

fn debt(who: usize, minor: i128) -> OverrideInput {
    let amount = Amount::new(minor, eur());
    let act = Override::Correct { contributor: id(who), amount };
    OverrideInput { commit: 1, entry: Sha256::of(b""), act }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn over_many_runs_no_money_is_made_lost_or_negative(
        commons in commons(),
        set in rules(),
        funds in proptest::collection::vec(1_i128..90_000, 1..6),
        owed in 0_i128..3_000,
    ) {
        let min = min_of(&set);
        let (mut opening, mut returned, mut platform) =
            (Lines::default(), Accrual::new(0, eur()), None);
        let (mut inflow, mut outflow, mut owed_left) = (0_i128, 0_i128, owed * MICRO);
        for (run, minor) in funds.iter().enumerate() {
            let mut inputs = inputs_of(*minor, &set, returned, platform);
            if run == 0 && owed > 0 {
                inputs.overrides.push(debt(0, owed));
            }
            let mut tables = commons.tables(min, false);
            tables.opening = opening.clone();
            let settled = settle(&inputs, &tables).unwrap();
            for line in &settled.lines {
                let [base, usage, new, value, gross, institution, platform, person, adjust, debt, rest @ ..] =
                    line.amounts();
                let natural = [base, usage, new, value, gross, institution, platform, person, debt];
                prop_assert!(natural.into_iter().chain(rest).all(|amount| amount >= 0));
                prop_assert!(adjust <= 0 && -adjust <= person, "a correction took what was earned before");
                prop_assert_eq!(person + institution + platform, gross);
            }
            let totals = &settled.totals;
            owed_left += totals.adjusted.micro();
            let debts: i128 = settled.lines.iter().map(|l| i128::from(l.debt_micro)).sum();
            prop_assert_eq!(debts, owed_left, "a debt was forgotten or made");
            let paid = |sums: &Option<InstitutionTotals>| sums.as_ref().map_or(0, |s| s.paid.minor());
            inflow += minor;
            outflow += totals.fee.minor() + totals.reserve.minor() + totals.payable.minor()
                + paid(&totals.institutions) + paid(&totals.platform_account);
            returned = totals.unallocated;
            platform = totals.platform_account.as_ref().map(|sums| sums.carried);
            opening = closing(&settled);
        }
        let people: i128 = opening.people.iter().map(|l| i128::from(l.closing_micro)).sum();
        let houses: i128 = opening.institutions.iter().map(|l| i128::from(l.closing_micro)).sum();
        let held: i128 = opening.held.iter().map(|part| i128::from(part.micro)).sum();
        let kept = people + houses + held + platform.map_or(0, Accrual::micro) + returned.micro();
        prop_assert_eq!((inflow - outflow) * MICRO, kept, "what came in is not what went out and is kept");
    }

    #[test]
    fn neither_the_order_of_the_tables_nor_the_number_of_threads_decides_who_is_paid(
        commons in commons(),
        set in rules(),
        minor in 1_i128..90_000,
    ) {
        let inputs = inputs_of(minor, &set, Accrual::new(0, eur()), None);
        let min = min_of(&set);
        let straight = settle(&inputs, &commons.tables(min, false)).unwrap();
        prop_assert_eq!(&straight, &settle(&inputs, &commons.tables(min, true)).unwrap());
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let run = pool.install(|| settle(&inputs, &commons.tables(min, false)).unwrap());
            prop_assert_eq!(&straight, &run, "{} threads paid otherwise", threads);
            let bytes = crate::reward::write_lines(&run.lines).unwrap();
            prop_assert_eq!(bytes, crate::reward::write_lines(&straight.lines).unwrap());
        }
    }

    #[test]
    fn one_contributor_split_into_many_gains_no_more_minor_units_than_names(
        rows in proptest::collection::vec(1_i64..200, 2..7),
        names in 2_usize..12,
        minor in 1_i128..200_000,
        grain in any::<bool>(),
    ) {
        let mut set = RuleSet::plain(400_000, 600_000);
        set.grain = if grain { Grain::Minor } else { Grain::Micro };
        let inputs = inputs_of(minor, &set, Accrual::new(0, eur()), None);
        let others: Vec<(String, i64)> =
            rows.iter().enumerate().map(|(n, rows)| (format!("o{n}"), *rows)).collect();
        let run = |own: &[(String, i64)]| {
            let all: Vec<(&str, &str, i64, i64)> = own
                .iter()
                .chain(&others)
                .map(|(who, rows)| (who.as_str(), "east", *rows, 1_000_000))
                .collect();
            let used: Vec<(&str, i64)> = all.iter().map(|(who, _, rows, _)| (*who, *rows)).collect();
            let settled = settle(&inputs, &tables([held(&all)], [drawn(&used)])).unwrap();
            let own = settled.lines.iter().filter(|line| line.contributor.as_str().starts_with('s'));
            own.map(|line| i128::from(line.gross_micro)).sum::<i128>()
        };
        // Sixty rows by one name, or by many that have as many together.
        let split: Vec<(String, i64)> = (0..names)
            .map(|n| (format!("s{n:02}"), i64::try_from(60 / names).unwrap() + i64::from(n < 60 % names)))
            .collect();
        let (one, many) = (run(&[("s".into(), 60)]), run(&split));
        prop_assert!(many - one <= names as i128 * MICRO, "{many} by {names} names, {one} by one");
    }

    #[test]
    fn who_leaves_keeps_all_that_was_earned(
        commons in commons(),
        set in rules(),
        minor in 1_000_i128..90_000,
    ) {
        let min = min_of(&set);
        let first = settle(
            &inputs_of(minor, &set, Accrual::new(0, eur()), None),
            &commons.tables(min, false),
        ).unwrap();
        let mut left = commons.clone();
        left.people[0].0 = 0;
        let mut without = left.tables(min, false);
        let schema = without.rosters[0].slice(1, commons.people.len() - 1);
        without.rosters[0] = schema;
        without.usage[0] = drawn(&[]);
        without.new_data.retain(|line| line.contributor != id(0));
        let platform = first.totals.platform_account.as_ref().map(|sums| sums.carried);
        let mut opening = closing(&first);
        let held: i128 = first.held.iter().filter(|p| p.contributor == id(0)).map(|p| i128::from(p.micro)).sum();
        let earned = i128::from(first.lines[0].closing_micro) + held;
        let mut drawn_later = 0_i128;
        let mut returned = first.totals.unallocated;
        let mut platform = platform;
        let mut after = set.clone();
        after.minimum_minor = 0;
        for _ in 0..4 {
            let inputs = inputs_of(minor, &after, returned, platform);
            without.opening = opening;
            let run = settle(&inputs, &without).unwrap();
            if let Some(line) = run.lines.iter().find(|line| line.contributor == id(0)) {
                prop_assert_eq!(line.gross_micro, 0, "somebody who left still earns");
                drawn_later += i128::from(line.payable_minor) * MICRO;
            }
            (returned, opening) = (run.totals.unallocated, closing(&run));
            platform = run.totals.platform_account.as_ref().map(|sums| sums.carried);
        }
        let rest = opening.people.iter().find(|line| line.contributor == id(0));
        let rest = rest.map_or(0, |line| i128::from(line.closing_micro));
        prop_assert_eq!(drawn_later + rest, earned, "leaving cost what was earned before");
        prop_assert!(rest < MICRO, "whole minor units were kept back");
    }

    #[test]
    fn no_verified_person_gets_more_than_the_cap_by_any_number_of_names(
        commons in commons(),
        person_ppm in 0_u32..=1_000_000,
        minor in 1_i128..90_000,
    ) {
        let mut set = RuleSet::plain(500_000, 500_000);
        set.cap = Some(CapRule { person_ppm });
        let tables = commons.tables(0, false);
        let run = settle(&inputs_of(minor, &set, Accrual::new(0, eur()), None), &tables).unwrap();
        let cap = minor * MICRO * i128::from(person_ppm) / MICRO;
        let mut by_person: BTreeMap<Option<&str>, i128> = BTreeMap::new();
        for (line, payee) in run.lines.iter().zip(&tables.payees) {
            *by_person.entry(payee.verified_person()).or_default() += i128::from(line.gross_micro);
        }
        for sum in by_person.into_values() {
            prop_assert!(sum <= cap, "{sum} is more than the cap of {cap}");
        }
    }
}
