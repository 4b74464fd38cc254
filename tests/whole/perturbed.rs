//! Synthea's patients with their cells changed: sums as means of five, ends coded, ranks swapped,
//! noise, changed codes, ids of the same shape, dates moved by whole weeks.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use chrono::{Datelike as _, NaiveDateTime, Weekday};

use super::{
    commons::Commons,
    real_input::{Table, data, released, run},
};

type Columns = BTreeMap<String, Vec<String>>;

fn instants(cells: &[String]) -> Vec<NaiveDateTime> {
    let read = |cell: &String| {
        let text = cell.trim_end_matches('Z').replace('T', " ");
        NaiveDateTime::parse_from_str(text.split('.').next()?, "%Y-%m-%d %H:%M:%S").ok()
    };
    cells.iter().filter_map(read).collect()
}

fn counted<T: Ord>(all: impl IntoIterator<Item = T>) -> BTreeMap<T, usize> {
    all.into_iter().fold(BTreeMap::new(), |mut counts, one| {
        *counts.entry(one).or_default() += 1;
        counts
    })
}

/// Whether all of `some` are among `all`, as often.
fn are_among<T: Ord>(some: &BTreeMap<T, usize>, all: &BTreeMap<T, usize>) -> bool {
    some.iter().all(|(one, count)| all.get(one).is_some_and(|most| count <= most))
}

#[test]
fn perturbed_cells_keep_what_they_promise_and_stick_from_version_to_version() {
    let Some(input) = data("synthea-csv-27") else { return };
    let commons = run("perturbed", "synthea-perturbed.toml", &input, "patients.csv", "Id");

    let patients = released(&commons, "patients");
    let money: Vec<(&String, &String)> =
        patients["healthcare_expenses"].iter().zip(&patients["healthcare_coverage"]).collect();
    assert!(money.len() >= 20, "few patients are released");
    let shown = counted(money.clone());
    let original = Table::read(&input.join("patients.csv"));
    let expenses: BTreeSet<&str> = original.column("healthcare_expenses").into_iter().collect();
    assert!(
        shown.keys().all(|(sum, _)| !expenses.contains(sum.as_str())),
        "a sum is somebody's own"
    );
    // Groups have five people before patients in small classes are suppressed.
    let groups = money.len().div_ceil(5) + 1;
    assert!(shown.len() <= groups, "{} sums among {} patients", shown.len(), money.len());

    let encounters = released(&commons, "encounters");
    let table = Table::read(&input.join("encounters.csv"));
    shapes(&encounters, &released(&commons, "observations"), &table.column("id"));
    dates(&encounters, &table.column("start"));
    ends(&encounters);

    // One person less: all others' noise and dates are what they were.
    let values =
        |commons: &Commons| counted(released(commons, "observations").remove("value").unwrap());
    let before = values(&commons);
    for person in original.column("id").into_iter().take(3) {
        let person = format!("synthea:{person}");
        commons.run(&["--now", "2026-11-24T12:00:00Z", "consent", "withdraw", &person]);
    }
    let pipeline = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/synthea-perturbed.toml");
    commons.ok(&[
        "--now",
        "2026-11-25T12:00:00Z",
        "ingest",
        pipeline.to_str().unwrap(),
        "--input",
        input.to_str().unwrap(),
    ]);
    let after = values(&commons);
    assert!(after.values().sum::<usize>() < before.values().sum(), "nobody withdrew");
    assert!(after.len() > 100 && are_among(&after, &before), "noise was drawn anew");
    let ids =
        |encounters: &Columns| encounters["encounter"].iter().cloned().collect::<BTreeSet<_>>();
    let again = released(&commons, "encounters");
    assert!(ids(&again).is_disjoint(&ids(&encounters)), "two releases share a surrogate");
    assert!(
        are_among(&counted(&again["started"]), &counted(&encounters["started"])),
        "a date moved otherwise in another version"
    );
}

/// Ids are UUIDs, none of the source, and lead from one table to the other.
fn shapes(encounters: &Columns, observations: &Columns, original: &[&str]) {
    let ids: BTreeSet<&String> = encounters["encounter"].iter().collect();
    assert_eq!(ids.len(), encounters["encounter"].len(), "two encounters share an id");
    let is_uuid = |id: &str| id.len() == 36 && id.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    assert!(ids.iter().all(|id| is_uuid(id)), "an id lost its shape");
    assert!(ids.iter().all(|id| !original.contains(&id.as_str())), "an id is the source's");
    let refers = observations["encounter"].iter().filter(|id| !id.is_empty());
    let meets = refers.clone().filter(|id| ids.contains(id)).count();
    assert!(meets * 10 > refers.count() * 9, "observations no longer meet their encounters");
}

/// Weekday and time of day stay, and nothing lies after the horizon.
fn dates(encounters: &Columns, original: &[&str]) {
    let key = |at: &NaiveDateTime| (at.weekday().num_days_from_monday(), at.time());
    let horizon = chrono::NaiveDate::from_ymd_opt(2026, 6, 30).unwrap();
    let shown = instants(&encounters["started"]);
    assert!(shown.iter().all(|at| at.date() <= horizon), "a date lies after the horizon");
    let free: Vec<_> = shown.iter().filter(|at| at.date() < horizon).collect();
    let original: Vec<String> = original.iter().map(|cell| (*cell).to_owned()).collect();
    let original = instants(&original);
    assert!(free.iter().any(|at| at.weekday() == Weekday::Sun) || free.len() < 100);
    let kept = counted(free.into_iter().map(key));
    assert!(are_among(&kept, &counted(original.iter().map(key))), "a weekday changed");
    assert_ne!(counted(&shown), counted(&original), "no date moved");
}

/// Each end of a coded column is shown for at least five people.
fn ends(encounters: &Columns) {
    let cells = encounters["total_claim_cost"].iter().zip(&encounters["person"]);
    let costs: Vec<(f64, &String)> =
        cells.filter_map(|(cost, person)| Some((cost.parse().ok()?, person))).collect();
    for end in [
        costs.iter().map(|(cost, _)| *cost).fold(f64::NEG_INFINITY, f64::max),
        costs.iter().map(|(cost, _)| *cost).fold(f64::INFINITY, f64::min),
    ] {
        let people: BTreeSet<_> =
            costs.iter().filter(|(cost, _)| cost.total_cmp(&end).is_eq()).map(|(_, p)| p).collect();
        assert!(people.len() >= 5, "an end of {} people", people.len());
    }
}

#[test]
fn a_table_of_offsets_moves_dates_and_one_that_misses_people_is_refused() {
    let Some(input) = data("synthea-csv-27") else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let commons = run("offsets", "synthea-perturbed.toml", &input, "patients.csv", "Id");
    let text = std::fs::read_to_string(root.join("pipelines/synthea-perturbed.toml")).unwrap();
    let text = text
        .replace("synthea-perturbed\"", "synthea-offsets\"")
        .replace("horizon        = 2026-06-30", "shift_offsets  = \"offsets.csv\"")
        .replace("schemas/", &format!("{}/schemas/", root.display()));
    let pipeline = commons.path("offsets.toml");
    std::fs::write(&pipeline, text).unwrap();
    let arguments = ["ingest", pipeline.to_str().unwrap(), "--input", input.to_str().unwrap()];
    let table = Table::read(&input.join("patients.csv"));
    let mut lines: Vec<String> =
        table.column("id").iter().map(|id| format!("synthea:{id};14")).collect();
    let write = |lines: &[String]| {
        std::fs::write(commons.path("offsets.csv"), format!("person;days\n{}\n", lines.join("\n")))
    };

    write(&lines[..3]).unwrap();
    let said = commons.run(&arguments);
    assert_ne!(said.code, Some(0), "people whom the table misses were released");
    assert!(said.err.contains("shift_offsets") && !said.err.contains("synthea:"), "{}", said.err);

    lines[1] = lines[1].replace(";14", ";15");
    write(&lines).unwrap();
    let said = commons.run(&arguments);
    assert!(said.err.contains("line 3") && said.err.contains("whole weeks"), "{}", said.err);
    let id = table.column("id")[1].to_owned();
    assert!(!said.err.contains(&id) && !said.out.contains(&id), "a fault names a person");

    lines[1] = lines[1].replace(";15", ";14");
    write(&lines).unwrap();
    commons.ok(&arguments);
    let shown = instants(&released(&commons, "encounters")["started"]);
    let original: Vec<String> = Table::read(&input.join("encounters.csv"))
        .column("start")
        .iter()
        .map(|cell| (*cell).to_owned())
        .collect();
    let moved = instants(&original).into_iter().map(|at| at + chrono::Duration::days(14));
    assert!(shown.len() > 100 && are_among(&counted(shown), &counted(moved)), "not by the table");
}
