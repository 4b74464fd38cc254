//! Laws of evaluation, on random rows in random runs.

use proptest::prelude::*;

use super::{
    tests::{World, test, with},
    *,
};

/// A row of one of three people, at one of two institutions, in one of six weeks; some are wrong.
fn row() -> impl Strategy<Value = Sighting> {
    (0_usize..3, 0_usize..2, 0_u32..12, 0_u32..34, 0_u32..10).prop_map(
        |(who, place, id, on, odd)| {
            let first: Date = "2026-05-12".parse().unwrap();
            let day = first + chrono::Days::new(on.into());
            // A record's person and day hang on its id, as they do in life.
            let row = test(
                ["a", "b", "c"][who],
                ["north", "south"][place],
                &format!("{who}-{id}"),
                "2026-05-12",
            );
            with(row, |row| {
                row.day = Some(day);
                if odd == 0 {
                    row.value = Some("100".to_owned());
                }
            })
        },
    )
}

fn taken_back(row: &Sighting) -> Sighting {
    with(row.clone(), |row| row.status = Some("cancelled".to_owned()))
}

/// Keeps, of rows with one id, the first: a record does not change.
fn records(rows: Vec<Sighting>) -> Vec<Sighting> {
    let mut seen = std::collections::BTreeSet::new();
    rows.into_iter().filter(|row| seen.insert(row.row.clone())).collect()
}

const CAP: (&str, &str) = ("sum      = \"500.00\"", "sum = \"500.00\"\ncap_person = \"700.00\"");

proptest! {
    #[test]
    fn the_order_of_rows_and_of_runs_does_not_change_who_is_paid_what(
        rows in prop::collection::vec(row(), 0..24),
        cuts in prop::collection::vec(0_usize..24, 0..4),
        seed in prop::collection::vec(any::<u32>(), 24),
        capped in any::<bool>(),
    ) {
        let rows = records(rows);
        let change: &[(&str, &str)] = if capped { &[CAP] } else { &[] };
        let mut once = World::new(change);
        once.run(&rows);
        let mut shuffled: Vec<(u32, Sighting)> = seed.into_iter().zip(rows).collect();
        shuffled.sort_by_key(|(at, _)| *at);
        let shuffled: Vec<Sighting> = shuffled.into_iter().map(|(_, row)| row).collect();
        let mut many = World::new(change);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(shuffled.len())).collect();
        cuts.extend([0, shuffled.len()]);
        cuts.sort_unstable();
        for pair in cuts.windows(2) {
            many.run(&shuffled[pair[0]..pair[1]]);
        }
        prop_assert_eq!(once.paid(), many.paid());
        prop_assert!(many.run(&shuffled).lines.is_empty(), "twice is not once");
    }

    #[test]
    fn what_is_due_does_not_depend_on_when_records_are_taken_back(
        rows in prop::collection::vec(row(), 1..16),
        back in prop::collection::vec(0_usize..16, 0..6),
        early in any::<bool>(),
    ) {
        let rows = records(rows);
        let wrong: Vec<Sighting> =
            back.into_iter().filter_map(|at| rows.get(at)).map(taken_back).collect();
        let mut all = rows.clone();
        all.extend(wrong.clone());
        let mut once = World::new(&[]);
        once.run(&all);
        let mut late = World::new(&[]);
        if early {
            late.run(&wrong);
            late.run(&rows);
        } else {
            late.run(&rows);
            late.run(&wrong);
        }
        prop_assert_eq!(once.owed(), late.owed());
        prop_assert!(late.run(&all).lines.is_empty(), "twice is not once");
        for (who, paid) in late.paid() {
            prop_assert!(paid >= late.owed().get(&who).copied().unwrap_or_default());
        }
    }

    #[test]
    fn no_more_is_paid_than_the_funds_and_the_caps_hold_and_lines_add_up(
        runs in prop::collection::vec((prop::collection::vec(row(), 0..8), 0_i64..200_000, any::<bool>()), 1..6),
        partly in any::<bool>(),
    ) {
        let caps = "sum = \"500.00\"\ncap_person = \"700.00\"\ncap_policy = \"1600.00\"";
        let caps = format!("{caps}\npartly = {partly}");
        let mut world = World::new(&[("sum      = \"500.00\"", caps.as_str())]);
        let mut funds = 0;
        for (rows, more, wrong) in runs {
            funds += more;
            world.fund(funds);
            let mut rows = records(rows);
            if wrong {
                rows = rows.iter().map(taken_back).collect();
            }
            let done = world.run(&rows);
            for line in &done.lines {
                let parts = line.recovered_minor + line.paid_minor;
                prop_assert!(line.owed_minor == parts || (line.owed_minor < 0 && parts == 0));
                prop_assert!(line.paid_minor >= 0, "somebody is asked for money");
            }
            let paid = world.paid();
            let total: i64 = paid.values().sum();
            prop_assert!(total <= funds && total <= 160_000);
            prop_assert!(paid.values().all(|sum| *sum <= 70_000), "above a person's cap: {paid:?}");
            prop_assert!(world.run(&rows).lines.is_empty(), "twice is not once");
        }
    }
}
