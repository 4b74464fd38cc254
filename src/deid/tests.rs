//! The whole station: rows in, counted, suppressed, released.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::{
    array::{
        Array as _, ArrayRef, AsArray as _, Date32Array, Int64Array, RecordBatch, StringArray,
        TimestampMicrosecondArray,
    },
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use proptest::prelude::*;

use super::{
    apply::apply_rows,
    plan::tests::{column, settings, table, with},
    *,
};
use crate::{
    party::ContributorId,
    schema::{ColumnType, Role},
};

const CANARY: &str = "CANARY-7f3a";

fn roster(count: u32) -> Vec<ContributorId> {
    (0..count).map(|n| ContributorId::parse(&format!("{CANARY}-{n:04}")).unwrap()).collect()
}

fn keys(n: u8) -> ReleaseKeys {
    ReleaseKeys { pseudonym: [n; 32], shift: [n ^ 0x5a; 32], noise: [n ^ 0x3c; 32] }
}

fn people(count: u32) -> People {
    People::new(&roster(count), &keys(1), &settings())
}

/// Patients: birth date, sex and ZIP are known to others; a time and a value are not.
fn plan() -> Plan {
    let columns = vec![
        with(column("BIRTHDATE", ColumnType::Date, Role::Quasi), "kernel = 'year'\nband = 20"),
        column("SEX", ColumnType::String, Role::Quasi),
        with(column("ZIP", ColumnType::String, Role::Quasi), "kernel = 'zip3'"),
        column("SSN", ColumnType::String, Role::Direct),
        with(column("SEEN", ColumnType::Timestamp, Role::Measure), "kernel = 'shift-date'"),
        with(column("VALUE", ColumnType::Int, Role::Measure), "kernel = 'round'\nto = '10'"),
    ];
    Plan::read(&[table("patients", columns)], &settings()).unwrap()
}

/// One row: person, year of birth, sex, ZIP.
type Row = (u32, i32, bool, u8);

fn rows(given: &[Row]) -> (RecordBatch, Vec<u32>) {
    let ids = given.iter().map(|row| format!("{CANARY}-{:04}", row.0));
    let born = given.iter().map(|row| Some((row.1 - 1970) * 365 + (row.1 - 1970) / 4));
    let zips = ["02155", "94110", "03601", CANARY];
    let columns: [(&str, ArrayRef); 7] = [
        ("Id", Arc::new(StringArray::from_iter_values(ids))),
        ("BIRTHDATE", Arc::new(born.collect::<Date32Array>())),
        (
            "SEX",
            Arc::new(StringArray::from_iter_values(
                given.iter().map(|r| if r.2 { "F" } else { "M" }),
            )),
        ),
        (
            "ZIP",
            Arc::new(StringArray::from_iter_values(
                given.iter().map(|r| zips[usize::from(r.3) % 4]),
            )),
        ),
        ("SSN", Arc::new(StringArray::from_iter_values(given.iter().map(|_| CANARY)))),
        (
            "SEEN",
            Arc::new(TimestampMicrosecondArray::from_iter_values((0_i64..).take(given.len()))),
        ),
        ("VALUE", Arc::new(Int64Array::from_iter_values((0_i64..).take(given.len())))),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    );
    (batch.unwrap(), given.iter().map(|row| row.0).collect())
}

fn applied(plan: &TablePlan, people: &People, given: &[Row]) -> DeidentifiedBatch {
    let (rows, persons) = rows(given);
    apply_rows(plan, people, &rows, &persons).unwrap()
}

fn classes(batches: &[DeidentifiedBatch]) -> Classes {
    let mut counter = ClassCounter::default();
    for batch in batches {
        counter.add(batch);
    }
    counter.finish()
}

/// The released tuple of quasi-identifiers of each row, with its person.
fn tuples(batch: &ReleasableBatch) -> Vec<(String, u32)> {
    let rows = batch.rows();
    let text = |column: usize, row| rows.column(column).as_string::<i32>().value(row).to_owned();
    (0..rows.num_rows())
        .map(|row| {
            ((1..4).map(|c| text(c, row)).collect::<Vec<_>>().join("|"), batch.people()[row])
        })
        .collect()
}

#[test]
fn a_released_row_holds_the_pseudonym_and_what_the_kernels_made() {
    let plan = plan();
    let plan = &plan.tables()[0];
    let people = people(40);
    let given: Vec<Row> = (0..40).map(|n| (n, 1_912, true, 0)).collect();
    let batch = applied(plan, &people, &given);
    let small = classes(std::slice::from_ref(&batch)).small(11);
    let (released, suppressed) = release(batch, &small).unwrap();
    assert_eq!((released.rows().num_rows(), suppressed), (40, 0));
    let rows = released.rows();
    let names: Vec<_> = rows.schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["person", "birthdate", "sex", "zip", "seen", "value"]);
    assert_eq!(rows.column(0).as_string::<i32>().value(3), people.pseudonym(3).unwrap());
    assert_eq!(rows.column(1).as_string::<i32>().value(0), "1937-1939");
    assert_eq!(rows.column(3).as_string::<i32>().value(0), "021");
    let seen = rows.column(4).as_primitive::<TimestampMicrosecondType>();
    assert_eq!((seen.value(5) - 5) % 86_400_000_000, 0, "the time of day is not kept");
    assert_eq!(rows.column(5).as_primitive::<Int64Type>().value(15), 20);
    let shown = format!("{rows:?}");
    assert!(!shown.contains(CANARY), "an original id or a dropped column is released");
}

#[test]
fn a_table_without_quasi_identifiers_passes_whole() {
    let plan = Plan::read(
        &[table("visits", vec![column("VALUE", ColumnType::Int, Role::Measure)])],
        &settings(),
    );
    let plan = plan.unwrap();
    let values: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let ids: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    let rows = RecordBatch::try_from_iter([("Id", ids), ("VALUE", values)]).unwrap();
    let batch = apply_rows(&plan.tables()[0], &people(2), &rows, &[0, 1]).unwrap();
    let counted = classes(std::slice::from_ref(&batch));
    assert!(counted.is_empty());
    let (bytes, digest) = stage::write(&plan.tables()[0], [&batch]).unwrap();
    let back = stage::read(&plan.tables()[0], bytes.into(), &digest).unwrap();
    let (released, suppressed) = release(back[0].clone(), &counted.small(11)).unwrap();
    assert_eq!((released.rows().num_rows(), suppressed), (2, 0));
}

#[test]
fn no_error_repeats_a_cell() {
    let plan = plan();
    let plan = &plan.tables()[0];
    let (rows, persons) = rows(&[(0, 1980, true, 3), (9, 1980, true, 3)]);
    let mut errors = vec![apply_rows(plan, &people(2), &rows, &persons).unwrap_err()];
    let mut swapped = rows.columns().to_vec();
    swapped.swap(1, 2);
    swapped.swap(4, 5);
    let mixed = RecordBatch::try_from_iter_with_nullable(
        swapped.into_iter().enumerate().map(|(n, c)| (format!("c{n}"), c, true)),
    );
    errors.push(apply_rows(plan, &people(10), &mixed.unwrap(), &persons).unwrap_err());
    let none = RecordBatch::try_from_iter([("Id", Arc::clone(rows.column(0)))]).unwrap();
    errors.push(apply_rows(plan, &people(10), &none, &persons).unwrap_err());
    let batch = applied(plan, &people(2), &[(0, 1980, true, 3)]);
    let risk = Risk::of(&classes(std::slice::from_ref(&batch)), 11);
    errors.push(risk.check("patients", Fraction::from_ppm(0).unwrap()).unwrap_err());
    let (mut bytes, digest) = stage::write(plan, [&batch]).unwrap();
    bytes[200] ^= 1;
    errors.push(stage::read(plan, bytes.into(), &digest).unwrap_err());
    for error in errors {
        assert!(!format!("{error} {error:?}").contains(CANARY), "an error repeats a cell");
    }
}

#[test]
fn staged_rows_read_back_as_written_and_not_under_another_plan() {
    let whole = plan();
    let plan = &whole.tables()[0];
    let people = people(30);
    let one =
        applied(plan, &people, &(0..30).map(|n| (n, 1980, n % 2 == 0, 1)).collect::<Vec<_>>());
    let two = applied(plan, &people, &(0..9).map(|n| (n, 1950, true, 2)).collect::<Vec<_>>());
    let (bytes, digest) = stage::write(plan, [&one, &two]).unwrap();
    let back = stage::read(plan, bytes.clone().into(), &digest).unwrap();
    assert_eq!(back.len(), 2);
    for (a, b) in [&one, &two].into_iter().zip(&back) {
        assert_eq!((&a.rows, &a.people, &a.classes), (&b.rows, &b.people, &b.classes));
    }
    let other = Settings { k: 12, ..settings() };
    let other = Plan::read(&[Arc::clone(plan.schema())], &other).unwrap();
    let error = stage::read(&other.tables()[0], bytes.clone().into(), &digest).unwrap_err();
    assert!(matches!(error, Error::Staged { .. }), "rows of another plan are taken");
    let cut = crate::digest::Sha256::of(&bytes[..bytes.len() / 2]);
    let half = bytes[..bytes.len() / 2].to_vec();
    assert!(stage::read(plan, half.into(), &cut).is_err(), "half a part is taken for a whole");
}

#[test]
fn a_shifted_quasi_identifier_says_only_whether_there_is_one() {
    let columns =
        vec![with(column("DEATHDATE", ColumnType::Date, Role::Quasi), "kernel = 'shift-date'")];
    let plan = Plan::read(&[table("patients", columns)], &settings()).unwrap();
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..30).map(|n| n.to_string())));
    let died: ArrayRef = Arc::new((0..30).map(|n| (n < 10).then_some(n)).collect::<Date32Array>());
    let rows =
        RecordBatch::try_from_iter_with_nullable([("Id", ids, true), ("DEATHDATE", died, true)]);
    let persons: Vec<u32> = (0..30).collect();
    let batch = apply_rows(&plan.tables()[0], &people(30), &rows.unwrap(), &persons).unwrap();
    let small = classes(std::slice::from_ref(&batch)).small(11);
    let (released, suppressed) = release(batch, &small).unwrap();
    assert_eq!(suppressed, 10, "ten dead among thirty are fewer than k");
    assert_eq!(released.rows().column(1).null_count(), 20);
}

fn table_of_rows() -> impl Strategy<Value = Vec<Row>> {
    proptest::collection::vec((0_u32..40, 1920_i32..2020, any::<bool>(), 0_u8..4), 0..150)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_class_under_k_is_released_and_no_large_one_held_back(
        given in table_of_rows(), k in 2_u32..12,
    ) {
        let plan = plan();
        let batch = applied(&plan.tables()[0], &people(40), &given);
        let counted = classes(std::slice::from_ref(&batch));
        let all = batch.row_count();
        let whole = ReleasableBatchOf(batch.clone()).tuples();
        let (released, suppressed) = release(batch, &counted.small(k)).unwrap();
        let risk = Risk::of(&counted, k);
        prop_assert_eq!(risk.suppressed_rows, suppressed);
        prop_assert_eq!(released.rows().num_rows() as u64 + suppressed, all as u64);
        prop_assert_eq!(released.people().len(), released.rows().num_rows());
        let sizes = |rows: &[(String, u32)]| {
            let mut sizes = BTreeMap::<String, BTreeSet<u32>>::new();
            for (tuple, person) in rows {
                sizes.entry(tuple.clone()).or_default().insert(*person);
            }
            sizes
        };
        let shown = tuples(&released);
        for (tuple, people) in sizes(&shown) {
            prop_assert!(people.len() >= k as usize, "a small class is released: {}", tuple);
        }
        // Exactly the rows of large classes, in their order: a subset, and no more than needed.
        let large: BTreeSet<String> = sizes(&whole)
            .into_iter()
            .filter(|(_, people)| people.len() >= k as usize)
            .map(|(tuple, _)| tuple)
            .collect();
        let expected: Vec<_> = whole.into_iter().filter(|(tuple, _)| large.contains(tuple)).collect();
        prop_assert_eq!(shown, expected);
        prop_assert!(risk.after.k == 0 || risk.after.k >= u64::from(k));
        prop_assert!(risk.after.prosecutor.max_ppm <= 1_000_000_u32.div_ceil(k));
        prop_assert_eq!(risk.after.uniques, 0);
    }

    #[test]
    fn suppressing_again_takes_nothing(given in table_of_rows(), k in 2_u32..12) {
        let plan = plan();
        let plan = &plan.tables()[0];
        let batch = applied(plan, &people(40), &given);
        let small = classes(std::slice::from_ref(&batch)).small(k);
        let (_, suppressed) = release(batch.clone(), &small).unwrap();
        let kept: Vec<Row> = {
            let codes = batch.classes.clone().unwrap();
            let large = |at: usize| !small.contains(codes.keys[codes.codes[at] as usize]);
            given.iter().enumerate().filter(|(at, _)| large(*at)).map(|(_, row)| *row).collect()
        };
        prop_assert_eq!(kept.len() as u64 + suppressed, given.len() as u64);
        let again = applied(plan, &people(40), &kept);
        let small = classes(std::slice::from_ref(&again)).small(k);
        prop_assert_eq!(release(again, &small).unwrap().1, 0);
    }

    #[test]
    fn the_order_of_batches_and_parts_changes_nothing(
        given in table_of_rows(), cut in 0_usize..150,
    ) {
        let plan = plan();
        let plan = &plan.tables()[0];
        let people = people(40);
        let (first, second) = given.split_at(cut.min(given.len()));
        let parts = [applied(plan, &people, first), applied(plan, &people, second)];
        let whole = classes(&[applied(plan, &people, &given)]);
        let merged = Classes::merge(parts.iter().rev().map(|b| classes(std::slice::from_ref(b))).collect());
        prop_assert_eq!(Risk::of(&merged, 5), Risk::of(&whole, 5));
        let small = merged.small(5);
        let apart: Vec<_> = parts.into_iter()
            .flat_map(|batch| tuples(&release(batch, &small).unwrap().0)).collect();
        let together = tuples(&release(applied(plan, &people, &given), &whole.small(5)).unwrap().0);
        prop_assert_eq!(apart, together);
    }

    #[test]
    fn two_releases_share_no_pseudonym_and_a_person_is_one_in_all_tables(n in 1_u32..60) {
        let one = people(n);
        let two = People::new(&roster(n), &keys(2), &settings());
        let first: BTreeSet<_> = (0..n).filter_map(|at| one.pseudonym(at)).collect();
        prop_assert_eq!(first.len(), n as usize);
        prop_assert!((0..n).all(|at| !first.contains(two.pseudonym(at).unwrap())));
    }
}

/// Looks at rows that are not released yet, as the tests above look at released ones.
struct ReleasableBatchOf(DeidentifiedBatch);

impl ReleasableBatchOf {
    fn tuples(self) -> Vec<(String, u32)> {
        let counted = classes(std::slice::from_ref(&self.0));
        tuples(&release(self.0, &counted.small(1)).unwrap().0)
    }
}
