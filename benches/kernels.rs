//! The law of speed of `deid`: what belongs to a person is reckoned once a person, not once a row.
//! Beside each figure stands what a user would pick instead: a keyed hash for every row.

use std::{hint::black_box, sync::Arc};

use almoner::{
    deid::{
        People, ReleaseKeys, Settings,
        kernel::{band, prefix, pseudonym::Pseudonyms, round, shift_date, year, zip3},
        scrub::{Gold, Matcher, Scrubber},
    },
    party::ContributorId,
    population::note,
    schema::ScrubDates,
};
use arrow::array::{
    ArrayRef, Date32Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Rows of a batch on the belt.
const ROWS: usize = 65_536;
/// People of a roster; each has 16 rows.
const PEOPLE: usize = ROWS / 16;

fn roster() -> Vec<ContributorId> {
    let id = |n: usize| {
        ContributorId::parse(&format!("bench:{n:08}")).unwrap_or_else(|_| unreachable!())
    };
    (0..PEOPLE).map(id).collect()
}

fn persons(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("person");
    let roster = roster();
    let keys = ReleaseKeys { pseudonym: [1; 32], shift: [2; 32], noise: [3; 32] };
    let settings = Settings::default();
    group.throughput(Throughput::Elements(PEOPLE as u64));
    group.bench_function("people of a roster", |bench| {
        bench.iter(|| People::new(black_box(&roster), &keys, &settings));
    });
    group.throughput(Throughput::Elements(ROWS as u64));
    // What a user would pick instead: one HMAC for every row.
    let ids: Vec<&str> =
        (0..ROWS).map(|row| roster.get(row % PEOPLE).map_or("", |id| id.as_str())).collect();
    let ids = StringArray::from(ids);
    let keyed = Pseudonyms::new(&keys.pseudonym);
    group.bench_function("a keyed hash for every row", |bench| {
        bench.iter(|| keyed.texts("person", black_box(&ids)));
    });
    // A column in runs, as the visits of observations come.
    let runs: Vec<&str> =
        (0..ROWS).map(|row| roster.get(row / 16).map_or("", |id| id.as_str())).collect();
    let runs = StringArray::from(runs);
    group.bench_function("a pseudonym column in runs of 16", |bench| {
        bench.iter(|| keyed.texts("visit", black_box(&runs)));
    });
    group.finish();
}

fn columns(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("kernel");
    group.throughput(Throughput::Elements(ROWS as u64));
    let numbers = || (0_i32..).take(ROWS);
    let dates = Date32Array::from_iter_values(numbers().map(|n| n % 30_000 - 10_000));
    let times = TimestampMicrosecondArray::from_iter_values(
        numbers().map(|n| i64::from(n) * 86_400_000_000 / 7),
    );
    let integers = Int64Array::from_iter_values(numbers().map(|n| i64::from(n % 500)));
    let floats = Float64Array::from_iter_values(numbers().map(|n| f64::from(n) / 7.0));
    let zips = StringArray::from_iter_values(numbers().map(|n| format!("{:05}", n * 7 % 100_000)));
    let codes =
        StringArray::from_iter_values(numbers().map(|n| format!("E{:02}.{}", n % 100, n % 10)));
    let shifts = || numbers().map(|n| n % 182 + 1);
    let multiple = round::Multiple::parse("0.5").unwrap_or_else(|| unreachable!());
    let kernels: [(&str, &dyn Fn() -> ArrayRef); 8] = [
        ("shift-date of dates", &|| Arc::new(shift_date::dates(black_box(&dates), shifts(), None))),
        ("shift-date of timestamps", &|| {
            Arc::new(shift_date::timestamps(black_box(&times), shifts(), None))
        }),
        ("year", &|| Arc::new(year::of_dates(black_box(&dates), year::Shown::from(1_937)))),
        ("year in bands", &|| {
            Arc::new(year::banded(
                &year::of_dates(black_box(&dates), year::Shown::from(1_937)),
                20,
                1_937,
            ))
        }),
        ("zip3", &|| Arc::new(zip3::zip3(black_box(&zips)))),
        ("band", &|| Arc::new(band::integers(black_box(&integers), 10, Some(90)))),
        ("round", &|| Arc::new(round::floats(black_box(&floats), multiple))),
        ("prefix", &|| Arc::new(prefix::prefix(black_box(&codes), 3))),
    ];
    for (name, kernel) in kernels {
        group.bench_function(BenchmarkId::from_parameter(name), |bench| bench.iter(kernel));
    }
    group.finish();
}

/// Free text, a core: the rules alone, and with a matcher made for each person's two notes.
fn notes(criterion: &mut Criterion) {
    let notes: Vec<_> = (0..1_000).map(|index| note(1, index)).collect();
    let scrubber = Scrubber::new(&[], ScrubDates::Mask);
    let mut group = criterion.benchmark_group("scrub");
    group.throughput(Throughput::Bytes(notes.iter().map(|note| note.text.len() as u64).sum()));
    group.bench_function("the rules", |bench| {
        let nobody = Matcher::default();
        bench.iter(|| {
            notes.iter().map(|n| scrubber.scrub(&n.text, &nobody, 1).len()).sum::<usize>()
        });
    });
    group.bench_function("with what tables say of each person", |bench| {
        bench.iter(|| {
            let of_person = |two: &[Gold]| {
                let known = two.iter().flat_map(|note| &note.known).take(10);
                let matcher = Matcher::new(known.map(|known| (known.kind, known.value.as_str())));
                two.iter().map(|n| scrubber.scrub(&n.text, &matcher, 1).len()).sum::<usize>()
            };
            notes.chunks(2).map(of_person).sum::<usize>()
        });
    });
    group.finish();
}

criterion_group!(benches, persons, columns, notes);
criterion_main!(benches);
