//! Late steps: generalised columns, held rows, and what is said of them.

use std::collections::BTreeSet;

use arrow::array::{AsArray as _, Int64Array, StringArray};
use proptest::prelude::*;

use super::*;
use crate::{
    deid::{
        Asked, ClassCounter, Fraction, Plan, ReleaseKeys, Risk,
        apply::apply_rows,
        plan::tests::{column, settings, table, with},
        release,
    },
    digest::canonical,
    party::ContributorId,
    schema::{ColumnType, Role, TableSchema},
};

/// One row: person, age, sex, diagnosis.
type Row = (u32, Option<i64>, bool, u8);

/// Ages by a rule, sexes as they are, a diagnosis to be protected.
fn schema(age: &str) -> Arc<TableSchema> {
    let mut diagnosis = column("DIAGNOSIS", ColumnType::String, Role::Sensitive);
    diagnosis.codes = (0..9).map(|n| format!("D{n}")).collect();
    let columns = vec![
        with(column("AGE", ColumnType::Int, Role::Quasi), age),
        column("SEX", ColumnType::String, Role::Quasi),
        diagnosis,
    ];
    table("patients", columns)
}

const AGE: &str = "kernel = 'hierarchy'\nafter = 'age'\nby = { widths = [5, 10, 20] }";

fn asked() -> Settings {
    Settings { k: 3, suppress_limit: Fraction::parse("0.2").unwrap(), ..settings() }
}

fn people(count: u32) -> People {
    let roster: Vec<ContributorId> =
        (0..count).map(|n| ContributorId::parse(&format!("p{n:04}")).unwrap()).collect();
    let keys = ReleaseKeys { pseudonym: [1; 32], shift: [2; 32], noise: [3; 32] };
    People::new(&roster, &keys, &settings())
}

fn staged(plan: &TablePlan, people: &People, rows: &[Row]) -> DeidentifiedBatch {
    let persons: Vec<u32> = rows.iter().map(|row| row.0).collect();
    let texts = |text: fn(&Row) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(text)))
    };
    let columns: [(&str, ArrayRef); 4] = [
        ("Id", texts(|row| row.0.to_string())),
        ("AGE", Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>())),
        ("SEX", texts(|row| if row.2 { "F" } else { "M" }.to_owned())),
        ("DIAGNOSIS", texts(|row| format!("D{}", row.3))),
    ];
    let columns = columns.into_iter().map(|(name, column)| (name, column, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    apply_rows(plan, people, &batch, &persons).unwrap()
}

/// Settles rows that came in two batches, and makes both anew.
fn settled(
    plan: &TablePlan,
    settings: &Settings,
    rows: &[Row],
) -> Result<(Settled, Vec<DeidentifiedBatch>), Error> {
    let people = people(200);
    let (one, two) = rows.split_at(rows.len() / 2);
    let batches = [one, two].map(|rows| staged(plan, &people, rows));
    let mut gatherer = Gatherer::new(plan);
    for batch in &batches {
        gatherer.add(batch);
    }
    let settled = settle(plan, settings, &people, gatherer.finish()?, &|| true)?;
    let mut from = 0;
    let mut made = Vec::new();
    for batch in batches {
        let rows = batch.row_count();
        made.push(settled.remake(plan, from, batch)?);
        from += rows;
    }
    Ok((settled, made))
}

/// The rows that are released after that, as age, sex and diagnosis, each with its person.
fn released(settings: &Settings, batches: Vec<DeidentifiedBatch>) -> Vec<([String; 3], u32)> {
    let mut counter = ClassCounter::default();
    for batch in &batches {
        counter.add(batch);
    }
    let classes = counter.finish();
    let small = classes.small(settings.k);
    let least = Risk::of(&classes, settings.k).after.k;
    assert!(least == 0 || least >= u64::from(settings.k), "a class of {least} is shown");
    let mut out = Vec::new();
    for batch in batches {
        let (batch, _) = release(batch, &small).unwrap();
        for (row, person) in batch.people().iter().enumerate() {
            let text = |at: usize| {
                let column = batch.rows().column(at).as_string::<i32>();
                if column.is_null(row) { "-".to_owned() } else { column.value(row).to_owned() }
            };
            out.push(([text(1), text(2), text(3)], *person));
        }
    }
    out
}

fn patients() -> Vec<Row> {
    (0..60).map(|n| (n, Some(i64::from(n % 30) + 20), n % 2 == 0, (n % 4) as u8)).collect()
}

#[test]
fn ages_are_told_by_the_least_exact_need_and_every_class_has_k_people() {
    let settings = asked();
    let plan = Plan::read(&[schema(AGE)], &settings).unwrap();
    let plan = &plan.tables()[0];
    let (settled, batches) = settled(plan, &settings, &patients()).unwrap();
    let choice = settled.choice().unwrap();
    assert_eq!((choice.columns[0].column.as_str(), choice.columns[0].height), ("age", 5));
    assert_eq!(choice.columns[0].level, 1, "bands of five years have five people each");
    assert_eq!((choice.records, choice.suppressed, choice.bound.as_deref()), (60, 0, None));
    let rows = released(&settings, batches);
    assert_eq!(rows.len(), 60);
    for ([age, sex, diagnosis], person) in &rows {
        let (low, high) = age.split_once('-').unwrap();
        let own = person % 30 + 20;
        assert!((low.parse().unwrap()..=high.parse().unwrap()).contains(&own), "{own} is in {age}");
        assert_eq!(*sex == "F", person % 2 == 0, "a row got another's sex");
        assert_eq!(*diagnosis, format!("D{}", person % 4), "a row got another's diagnosis");
    }
}

#[test]
fn the_choice_reaches_canonical_bytes_without_a_float_and_reads_back() {
    let settings = Settings {
        models: vec![Asked::TCloseness {
            sensitive: "diagnosis".to_owned(),
            t: Fraction::parse("0.6").unwrap(),
            by: crate::deid::Apart::Equal,
        }],
        ..asked()
    };
    let plan = Plan::read(&[schema(AGE)], &settings).unwrap();
    let (settled, _) = settled(&plan.tables()[0], &settings, &patients()).unwrap();
    let choice = settled.choice().unwrap();
    assert_eq!(choice.models_said(), ["3-anonymity", "0.6-closeness of `diagnosis`"]);
    let bytes = canonical(choice).unwrap();
    assert_eq!(&serde_json::from_slice::<Choice>(&bytes).unwrap(), choice);
    assert!(choice.score.parse::<f64>().unwrap() > 0.0);
    let text = String::from_utf8(bytes).unwrap();
    assert!(!text.contains("D1") && !text.contains("20-24"), "a label stands in it: {text}");
}

#[test]
fn a_class_that_breaks_a_model_is_held_however_many_people_it_has() {
    let sensitive = "diagnosis".to_owned();
    let settings = Settings { models: vec![Asked::DistinctL { sensitive, l: 2 }], ..asked() };
    let plan = Plan::read(&[schema(AGE)], &settings).unwrap();
    let plan = &plan.tables()[0];
    // Eight women of one age have one diagnosis; all others have two.
    let rows: Vec<Row> =
        (0..60)
            .map(|n| {
                if n < 8 {
                    (n, Some(20), true, 0)
                } else {
                    (n, Some(50), n % 2 == 0, (n % 3) as u8)
                }
            })
            .collect();
    let (settled, batches) = settled(plan, &settings, &rows).unwrap();
    assert_eq!(settled.choice().unwrap().suppressed, 8);
    let rows = released(&settings, batches);
    assert_eq!(rows.len(), 52, "whoever is 20 and a woman has D0");
    assert!(rows.iter().all(|(_, person)| *person >= 8));
}

#[test]
fn levels_below_the_least_are_never_chosen() {
    let settings = asked();
    let age = format!("{AGE}\nleast = 2");
    let plan = Plan::read(&[schema(&age)], &settings).unwrap();
    // Everybody is of one age, so level 0 would do.
    let rows: Vec<Row> = (0..20).map(|n| (n, Some(33), true, 0)).collect();
    let (settled, batches) = settled(&plan.tables()[0], &settings, &rows).unwrap();
    assert_eq!(settled.choice().unwrap().columns[0].level, 2);
    assert!(released(&settings, batches).iter().all(|(row, _)| row[0] == "30-39"));
    let faults = Plan::read(&[schema(&format!("{AGE}\nleast = 5"))], &settings).unwrap_err();
    assert!(faults[0].to_string().contains("below level 5 of 5"), "{}", faults[0]);
}

#[test]
fn nothing_stays_nothing_until_all_are_one() {
    let settings = asked();
    let plan = Plan::read(&[schema(AGE)], &settings).unwrap();
    let mut rows = patients();
    rows.iter_mut().take(12).for_each(|row| row.1 = None);
    let (_, batches) = settled(&plan.tables()[0], &settings, &rows).unwrap();
    let rows = released(&settings, batches);
    assert!(rows.iter().all(|(row, person)| (row[0] == "-") == (*person < 12)));
}

#[test]
fn a_person_with_many_rows_does_not_make_a_class_look_large() {
    let settings = asked();
    let plan = Plan::read(&[schema(AGE)], &settings).unwrap();
    // Person 0 has thirty visits at 90; nobody else is over 60.
    let mut rows: Vec<Row> = (0..30_u8).map(|n| (0, Some(90), true, n % 9)).collect();
    rows.extend((1..200).map(|n| (n, Some(20 + i64::from(n % 40)), n % 2 == 0, 0)));
    let (settled, batches) = settled(&plan.tables()[0], &settings, &rows).unwrap();
    assert_eq!(settled.choice().unwrap().records, 200, "what is said twice is one record");
    let rows = released(&settings, batches);
    let mut classes = std::collections::BTreeMap::<[String; 2], BTreeSet<u32>>::new();
    for ([age, sex, _], person) in rows {
        classes.entry([age, sex]).or_default().insert(person);
    }
    assert!(classes.values().all(|people| people.len() >= 3), "rows were counted, not people");
}

#[test]
fn a_column_that_is_no_quasi_identifier_may_have_no_hierarchy() {
    let wrong = with(
        column("SCORE", ColumnType::Int, Role::Measure),
        "kernel = 'hierarchy'\nby = { widths = [5] }",
    );
    let faults = Plan::read(&[table("t", vec![wrong])], &asked()).unwrap_err();
    assert!(faults[0].message.contains("quasi-identifiers"), "{}", faults[0]);
}

#[test]
fn a_date_of_birth_with_a_hierarchy_alone_is_refused() {
    let by = "kernel = 'hierarchy'\nby = { dates = ['year', 'decade'] }";
    for least in ["", "\nleast = 1"] {
        let born =
            with(column("BIRTHDATE", ColumnType::Date, Role::Quasi), &format!("{by}{least}"));
        let faults = Plan::read(&[table("t", vec![born])], &asked()).unwrap_err();
        assert!(!faults.is_empty(), "an age over 89 can be told from it");
    }
    let seen = |least: &str| {
        let seen = with(column("SEEN", ColumnType::Date, Role::Quasi), &format!("{by}{least}"));
        Plan::read(&[table("t", vec![seen])], &asked())
    };
    assert!(seen("").is_err(), "the search might choose the day itself");
    assert!(seen("\nleast = 1").is_ok());
}

#[test]
fn settings_that_ask_for_no_search_have_the_bytes_they_always_had() {
    let bytes = canonical(&settings()).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(
        text,
        r#"{"as_of":"2026-11-22","k":11,"profile":"expert","shift_days_max":182,"suppress_limit":"1"}"#,
        "the plans of all earlier runs would have other digests"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_is_found_no_released_class_has_fewer_than_k_people_or_l_values(
        rows in prop::collection::vec(
            (0_u32..40, prop::option::of(0_i64..100), any::<bool>(), 0_u8..4), 40..120),
        l in 1_u32..3,
    ) {
        let sensitive = "diagnosis".to_owned();
        let settings = Settings {
            models: vec![Asked::DistinctL { sensitive, l }],
            suppress_limit: Fraction::parse("1").unwrap(),
            ..asked()
        };
        let plan = Plan::read(&[schema(AGE)], &settings).unwrap();
        let (_, batches) = settled(&plan.tables()[0], &settings, &rows).unwrap();
        let mut classes =
            std::collections::BTreeMap::<[String; 2], (BTreeSet<u32>, BTreeSet<String>)>::new();
        for ([age, sex, diagnosis], person) in released(&settings, batches) {
            let (people, values) = classes.entry([age, sex]).or_default();
            people.insert(person);
            values.insert(diagnosis);
        }
        for (people, values) in classes.values() {
            prop_assert!(people.len() >= 3 && values.len() >= l as usize);
        }
    }
}
