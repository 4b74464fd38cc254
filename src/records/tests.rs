//! The laws of what counts: copies, edits, honest rows, order, earlier versions.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};

use super::{minhash::mix, *};
use crate::{
    digest::{Sha3Digest, hmac_sha256},
    party::ContributorId,
    schema::{Column, ColumnType, Role, TableSchema, Unfit},
};

const SETTINGS: Settings = Settings { similar_ppm: 750_000, bands: 16, rows: 4 };
const SECRET: [u8; 32] = [7; 32];

/// One row: whose, and its cells.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    person: u32,
    institution: u32,
    code: usize,
    /// What its text tells: the code, as a rule.
    text: usize,
    day: i32,
    second: i64,
    value: f64,
    notes: [String; 6],
}

fn draw(person: u32, row: u32, what: u64, of: u64) -> u64 {
    mix(u64::from(person) << 32 | u64::from(row), what) % of
}

/// An honest row: a code of fifty, a time to the second of ten years, a value, answers of a form.
fn honest(person: u32, row: u32) -> Row {
    let draw = |what: u64, of: u64| draw(person, row, what, of);
    let second = draw(1, 10 * 365 * 86_400);
    let code = usize::try_from(draw(2, 50)).unwrap();
    Row {
        person,
        institution: person % 3,
        code,
        text: code,
        day: i32::try_from(second / 86_400).unwrap(),
        second: i64::try_from(second).unwrap(),
        value: f64::from(u32::try_from(draw(3, 900)).unwrap()) / 10.0,
        notes: [0, 1, 2, 3, 4, 5].map(|at| format!("answer {}", draw(10 + at, 40))),
    }
}

fn people(count: u32, rows: u32) -> Vec<Row> {
    (0..count).flat_map(|person| (0..rows).map(move |row| honest(person, row))).collect()
}

fn schema(columns: &[(&str, ColumnType)]) -> TableSchema {
    let column = |(name, kind): &(&str, ColumnType)| Column {
        name: (*name).to_owned(),
        released: (*name).to_owned(),
        kind: *kind,
        role: if *name == "note" { Role::Drop } else { Role::Measure },
        required: false,
        unfit: Unfit::default(),
        precision: None,
        deid: None,
        min: None,
        max: None,
        codes: Vec::new(),
        unit: None,
        code_system: None,
        references: None,
    };
    TableSchema {
        table: "events".to_owned(),
        description: None,
        reference: false,
        category: "events".to_owned(),
        key: Vec::new(),
        columns: columns.iter().map(column).collect(),
        nulls: Vec::new(),
        date_format: None,
        timestamp_format: None,
        file: "events.toml".into(),
        digest: Sha3Digest::of(b""),
    }
}

/// What a table holds of a row.
#[derive(Clone, Copy, PartialEq)]
enum Width {
    /// Code, its text, day, time, value, six answers.
    Wide,
    /// Code, its text, day, time, value: a laboratory's row.
    Time,
    /// Code, its text, day: what people share by chance.
    Day,
}

fn pile(rows: &[Row], width: Width) -> Pile {
    let mut pile = Pile::default();
    let texts = |cell: &dyn Fn(&Row) -> String, rows: &[Row]| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(cell(row))).collect::<StringArray>())
    };
    for row in rows.chunk_by(|a, b| a.institution == b.institution) {
        let mut columns: Vec<(String, ColumnType, ArrayRef)> = vec![
            ("code".into(), ColumnType::String, texts(&|r| format!("c{}", r.code), row)),
            ("text".into(), ColumnType::String, texts(&|r| format!("means {}", r.text), row)),
            (
                "day".into(),
                ColumnType::Date,
                Arc::new(row.iter().map(|r| Some(r.day)).collect::<Date32Array>()),
            ),
        ];
        if width != Width::Day {
            let times: TimestampMicrosecondArray =
                row.iter().map(|r| Some(r.second * 1_000_000)).collect();
            columns.push(("at".into(), ColumnType::Timestamp, Arc::new(times)));
            let values: Float64Array = row.iter().map(|r| Some(r.value)).collect();
            columns.push(("value".into(), ColumnType::Float, Arc::new(values)));
            for at in 0..if width == Width::Wide { 6 } else { 0 } {
                let notes = texts(&|r| r.notes[at].clone(), row);
                columns.push((format!("answer{at}"), ColumnType::String, notes));
            }
        }
        let named: Vec<(&str, ColumnType)> =
            columns.iter().map(|(name, kind, _)| (name.as_str(), *kind)).collect();
        let sketcher = Sketcher::new(&SECRET, &schema(&named), &["code".to_owned()]);
        let arrays = columns.iter().map(|(name, _, array)| (name.as_str(), Arc::clone(array)));
        let batch = RecordBatch::try_from_iter(arrays).unwrap();
        let people: Vec<u32> = row.iter().map(|r| r.person).collect();
        let mut sketches = Sketches::default();
        sketcher.add(&batch, &people, &mut sketches);
        let back = Sketches::read(&sketches.bytes()).unwrap();
        assert_eq!(back, sketches, "what waits for the commit is not what was put aside");
        pile.add(&back, None, row[0].institution);
    }
    pile
}

fn order() -> Vec<[u8; 16]> {
    let half = |n: u32| hmac_sha256(&SECRET, &[&n.to_be_bytes()])[..16].try_into().unwrap();
    (0..2_000).map(half).collect()
}

fn fates(rows: &[Row], width: Width, earlier: &Earlier) -> Vec<Fate> {
    judge("events", &pile(rows, width), earlier, &order(), &SETTINGS)
}

/// How many rows of these people count.
fn counting(rows: &[Row], fates: &[Fate], whose: impl Fn(u32) -> bool) -> usize {
    rows.iter().zip(fates).filter(|(row, fate)| whose(row.person) && **fate == Fate::Counts).count()
}

fn copy_of(row: &Row, person: u32) -> Row {
    Row { person, institution: person % 3, ..row.clone() }
}

#[test]
fn ten_copies_of_a_persons_records_leave_the_credit_of_all_of_them_unchanged() {
    let honest = people(500, 20);
    let victim: Vec<Row> = honest.iter().filter(|row| row.person == 3).cloned().collect();
    let one_sybil: Vec<Row> =
        (0..10).flat_map(|_| victim.iter().map(|row| copy_of(row, 1_000))).collect();
    let ten_sybils: Vec<Row> =
        (0..10).flat_map(|n| victim.iter().map(move |row| copy_of(row, 1_000 + n))).collect();
    for copies in [one_sybil, ten_sybils] {
        let rows = [honest.clone(), copies].concat();
        let fates = fates(&rows, Width::Wide, &Earlier::default());
        let group = counting(&rows, &fates, |person| person == 3 || person >= 1_000);
        assert_eq!(group, victim.len(), "copies bring credit, or take it from the group");
        let others = counting(&rows, &fates, |person| person != 3 && person < 1_000);
        assert_eq!(others, honest.len() - victim.len(), "somebody honest pays for it");
    }
}

#[test]
fn a_copy_with_one_cell_changed_counts_nothing_whichever_cell_that_is() {
    let honest = people(500, 20);
    for cell in 0..11 {
        let edited = |row: &Row| {
            let mut row = copy_of(row, 1_000);
            match cell {
                0 => row.code = 99,
                1 => row.day += 1,
                2 => row.second += 1,
                3 => row.value += 0.5,
                4 => row.text = 99,
                at => row.notes[at - 5].push('!'),
            }
            row
        };
        let copies: Vec<Row> = honest.iter().filter(|r| r.person == 3).map(edited).collect();
        let rows = [honest.clone(), copies].concat();
        let fates = fates(&rows, Width::Wide, &Earlier::default());
        let group = counting(&rows, &fates, |person| person == 3 || person == 1_000);
        assert_eq!(group, 20, "an edit of cell {cell} makes a new record");
        assert!(fates.iter().all(|f| matches!(f, Fate::Counts | Fate::Similar)));
    }
}

#[test]
fn honest_rows_all_count_and_people_of_one_code_and_day_copied_from_nobody() {
    let rows = people(1_000, 20);
    let wide = fates(&rows, Width::Wide, &Earlier::default());
    assert!(wide.iter().all(|fate| *fate == Fate::Counts), "honest records are taken for copies");
    let narrow = fates(&rows, Width::Day, &Earlier::default());
    let copied = narrow.iter().filter(|f| matches!(f, Fate::Copied | Fate::Similar)).count();
    let mut equal: Vec<(usize, i32)> = rows.iter().map(|row| (row.code, row.day)).collect();
    equal.sort_unstable();
    equal.dedup();
    assert!(rows.len() - equal.len() > 900, "this law is asked of too few chances");
    assert_eq!(copied, 0, "two people of one code and day are taken for copies");
}

#[test]
fn what_counts_depends_neither_on_the_order_of_rows_nor_on_threads() {
    let honest = people(300, 20);
    let copies = honest.iter().filter(|r| r.person < 20).map(|r| copy_of(r, 1_000 + r.person % 4));
    let mut rows: Vec<Row> = honest.iter().cloned().chain(copies).collect();
    let seen = |rows: &[Row], threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let fates = pool.install(|| fates(rows, Width::Wide, &Earlier::default()));
        let mut seen: Vec<(u32, i64, Fate)> =
            rows.iter().zip(fates).map(|(row, fate)| (row.person, row.second, fate)).collect();
        seen.sort_unstable();
        seen
    };
    let one = seen(&rows, 1);
    assert_eq!(one, seen(&rows, 2), "another number of threads, other records");
    rows.sort_by_key(|row| mix(row.second.cast_unsigned(), row.person.into()));
    assert_eq!(one, seen(&rows, 2), "another order of rows, other records");
}

#[test]
fn one_persons_record_seen_at_two_institutions_counts_once() {
    let own = people(50, 5);
    let again: Vec<Row> =
        own.iter().map(|row| Row { institution: row.institution + 3, ..row.clone() }).collect();
    for width in [Width::Wide, Width::Day] {
        let fates = fates(&[own.clone(), again.clone()].concat(), width, &Earlier::default());
        assert!(fates[..250].iter().all(|fate| *fate == Fate::Counts));
        assert!(fates[250..].iter().all(|fate| *fate == Fate::Repeated), "it counts twice");
    }
}

/// What a version of these rows leaves to later ones; contributors are named by their number.
fn version(rows: &[Row], earlier: &Earlier) -> Vec<RecordLine> {
    let pile = pile(rows, Width::Wide);
    let fates = judge("events", &pile, earlier, &order(), &SETTINGS);
    let line = |(row, fate): (usize, &Fate)| RecordLine {
        contributor: ContributorId::parse(&format!("p{}", rows[row].person)).unwrap(),
        hash: pile.row(row).unwrap().0,
        table: "events".to_owned(),
        stratum: pile.sketches.stratum(row).to_owned(),
        first: *fate == Fate::Counts,
        quality_ppm: 1_000_000,
        tokens: (*fate == Fate::Counts).then(|| pile.sketches.tokens(row).to_vec()),
    };
    fates.iter().enumerate().map(line).collect()
}

fn later(lines: Vec<RecordLine>) -> Earlier {
    let mut earlier = Earlier::default();
    earlier.add(1, lines, &|id| id.as_str()[1..].parse().unwrap());
    earlier
}

#[test]
fn who_had_a_record_in_an_earlier_version_keeps_it_and_copies_of_who_left_count_nothing() {
    let first = people(200, 10);
    let order = order();
    // The copier would win a tie with the victim.
    let victim = (0..200).find(|n| order[*n as usize] > order[1_000]).unwrap();
    let of_victim = |row: &&Row| row.person == victim;
    let exact = |row: &Row| copy_of(row, 1_000);
    let edited = |row: &Row| Row { value: row.value + 0.5, ..copy_of(row, 1_000) };
    for copied in [exact as fn(&Row) -> Row, edited] {
        let copies: Vec<Row> = first.iter().filter(of_victim).map(copied).collect();
        let both = [first.clone(), copies.clone()].concat();
        let earlier = later(version(&first, &Earlier::default()));
        let now = fates(&both, Width::Wide, &earlier);
        assert_eq!(counting(&both, &now, |p| p == victim), 10, "the first one lost their records");
        assert_eq!(counting(&both, &now, |p| p == 1_000), 0);
        let left: Vec<Row> =
            first.iter().filter(|row| row.person != victim).cloned().chain(copies).collect();
        let now = fates(&left, Width::Wide, &earlier);
        assert_eq!(counting(&left, &now, |p| p == 1_000), 0, "copies of who left are new");
        assert_eq!(counting(&left, &now, |p| p != 1_000), 199 * 10, "others lost by it");
    }
}

#[test]
fn a_stratum_is_named_by_table_and_coarse_values() {
    let rows = people(1, 1);
    let pile = pile(&rows, Width::Day);
    assert_eq!(pile.sketches.stratum(0), format!("events/code=c{}", rows[0].code));
}

#[test]
fn a_few_peoples_rows_of_a_time_and_a_value_are_known_again_as_well() {
    // Thirty people's visits, of ten rows each; ten sybils bring what one of them has.
    let visit = |row: Row| Row { second: row.second / 1_000 * 1_000, ..row };
    let own: Vec<Row> = (0..30)
        .flat_map(|person| (0..30).map(move |row| (person, row)))
        .map(|(person, row)| {
            let Row { day, second, .. } = honest(person, row / 10);
            visit(Row { day, second, ..honest(person, row) })
        })
        .collect();
    let copies: Vec<Row> = (0..10)
        .flat_map(|n| own.iter().filter(|r| r.person == 3).map(move |r| copy_of(r, 1_000 + n)))
        .collect();
    let alone = fates(&own, Width::Time, &Earlier::default());
    assert!(alone.iter().all(|fate| matches!(fate, Fate::Counts | Fate::Repeated)));
    let rows = [own.clone(), copies].concat();
    let fates = fates(&rows, Width::Time, &Earlier::default());
    let group = counting(&rows, &fates, |person| person == 3 || person >= 1_000);
    assert_eq!(group, 30, "copies of a time and a value count");
}
