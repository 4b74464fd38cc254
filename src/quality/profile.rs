//! What a released table's columns hold, in figures that single nobody out.
//!
//! Comes in: released batches. Goes out: a [`Profile`] a table: counts, bounds, quantiles, most
//! frequent values. Never: a count, bound or value that rests on fewer than eleven people.

use std::collections::{BTreeMap, BTreeSet};

use arrow::{
    array::{Array as _, AsArray as _, RecordBatch},
    compute::cast,
    datatypes::{DataType, Float64Type, Int64Type, TimeUnit},
};
use chrono::{DateTime, NaiveDate};
use serde::{Deserialize, Serialize};

use super::SHOWN_MIN;

/// So many of the most frequent values are told.
const TOP: usize = 10;
/// Whole numbers of at most so many values are codes.
const WHOLE_MAX: u64 = 64;
/// The quantiles that are told, in per cent.
const QUANTILES: [u64; 5] = [5, 25, 50, 75, 95];

/// One released table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The table.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// Its columns, `person` left out.
    pub columns: Vec<ColumnProfile>,
}

/// One column. What is none rests on fewer than eleven people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// The column.
    pub column: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Rows that hold a value.
    pub filled: Option<u64>,
    /// Rows that do not.
    pub missing: Option<u64>,
    /// Different values; up to the next ten, where some are of fewer than eleven people.
    pub distinct: Option<u64>,
    /// A round bound that no value lies below, and one that none lies above.
    pub bounds: Option<(String, String)>,
    /// Per cent and value, rounded to three digits.
    pub quantiles: Vec<(u64, String)>,
    /// The most frequent values of a column of texts, flags or few whole numbers.
    pub top: Vec<TopValue>,
}

/// A frequent value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopValue {
    /// The value.
    pub value: String,
    /// Its rows.
    pub rows: u64,
}

/// Describes a table's columns; the first column of a batch is `person`.
pub fn profile(table: &str, batches: &[RecordBatch]) -> Profile {
    let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    let schema = batches.first().map(RecordBatch::schema);
    let fields = schema.iter().flat_map(|schema| schema.fields().iter().skip(1));
    let columns = fields.map(|field| column(field.name(), field.data_type(), batches)).collect();
    Profile { table: table.to_owned(), rows, columns }
}

/// The rows and the people of one value.
#[derive(Default)]
struct Group<'b> {
    rows: u64,
    people: BTreeSet<&'b str>,
}

impl<'b> Group<'b> {
    fn meet(&mut self, person: &'b str) {
        self.rows += 1;
        self.people.insert(person);
    }
}

fn column(name: &str, kind: &DataType, batches: &[RecordBatch]) -> ColumnProfile {
    let mut gathered = Gathered::default();
    for batch in batches {
        gathered.add(name, batch);
    }
    let Gathered { mut groups, numbers, filled, missing, with, without } = gathered;
    let many = with.len() as u64 >= SHOWN_MIN;
    let mut out = ColumnProfile {
        column: name.to_owned(),
        kind: kind.to_string(),
        filled: shown(filled, with.len()),
        missing: shown(missing, without.len()),
        distinct: None,
        bounds: None,
        quantiles: Vec::new(),
        top: Vec::new(),
    };
    // One count of the two would tell the other.
    if out.filled.is_none() || out.missing.is_none() {
        (out.filled, out.missing) = (None, None);
    }
    if !many {
        return out;
    }
    let form = Form::of(kind);
    if let Some(form) = form {
        let mut numbers: Vec<(f64, &str)> = numbers;
        numbers.sort_by(|a, b| a.0.total_cmp(&b.0));
        let people = with.len() as u64;
        out.distinct = Some(distinct(&numbers));
        out.bounds = bounds(&numbers).map(|(low, high)| (form.write(low), form.write(high)));
        for percent in QUANTILES {
            // At least eleven people lie on either side of what is told.
            let side = people * percent.min(100 - percent) / 100;
            let at = numbers.len() * usize::try_from(percent).unwrap_or(0) / 100;
            if let Some((number, _)) = numbers.get(at).filter(|_| side >= SHOWN_MIN) {
                out.quantiles.push((percent, form.write(form.rounded(*number))));
            }
        }
        if *kind != DataType::Int64 || distinct(&numbers) > WHOLE_MAX {
            return out;
        }
        // Few whole numbers are codes.
        for (number, person) in numbers {
            groups.entry(form.write(number)).or_default().meet(person);
        }
    }
    let shown = groups.values().filter(|group| group.people.len() as u64 >= SHOWN_MIN);
    // How many values there are is told up to the next ten, where some of them are of few people.
    let all = groups.len() as u64;
    let exact = shown.count() as u64 == all;
    out.distinct = Some(if exact { all } else { all.div_ceil(10) * 10 });
    let mut top: Vec<(&String, &Group<'_>)> =
        groups.iter().filter(|(_, group)| group.people.len() as u64 >= SHOWN_MIN).collect();
    top.sort_by(|a, b| b.1.rows.cmp(&a.1.rows).then_with(|| a.0.cmp(b.0)));
    let top = top.into_iter().take(TOP);
    out.top =
        top.map(|(value, group)| TopValue { value: value.clone(), rows: group.rows }).collect();
    out
}

/// A count that is none where it is of few people; nothing is nobody's.
fn shown(count: u64, people: usize) -> Option<u64> {
    (count == 0 || people as u64 >= SHOWN_MIN).then_some(count)
}

#[derive(Default)]
struct Gathered<'b> {
    groups: BTreeMap<String, Group<'b>>,
    numbers: Vec<(f64, &'b str)>,
    filled: u64,
    missing: u64,
    with: BTreeSet<&'b str>,
    without: BTreeSet<&'b str>,
}

impl<'b> Gathered<'b> {
    fn add(&mut self, name: &str, batch: &'b RecordBatch) {
        let people = batch.columns().first().and_then(|column| column.as_string_opt::<i32>());
        let (Some(people), Some(array)) = (people, batch.column_by_name(name)) else { return };
        let texts = array.as_string_opt::<i32>();
        let flags = array.as_boolean_opt();
        let numbers = as_numbers(array.as_ref());
        for row in 0..batch.num_rows() {
            let person = people.value(row);
            if array.is_null(row) {
                self.missing += 1;
                self.without.insert(person);
                continue;
            }
            self.filled += 1;
            self.with.insert(person);
            if let Some(number) = numbers.as_ref().map(|numbers| numbers.value(row)) {
                self.numbers.push((number, person));
                continue;
            }
            let text = texts.map(|texts| texts.value(row).to_owned());
            let text = text.or_else(|| flags.map(|flags| flags.value(row).to_string()));
            self.groups.entry(text.unwrap_or_default()).or_default().meet(person);
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "Arrow's types are many, the lake's are six")]
fn as_numbers(array: &dyn arrow::array::Array) -> Option<arrow::array::Float64Array> {
    let array = match array.data_type() {
        DataType::Int64 | DataType::Float64 => cast(array, &DataType::Float64),
        DataType::Date32 | DataType::Timestamp(_, _) => {
            cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))
                .and_then(|at| cast(&at, &DataType::Int64))
                .map(|at| {
                    // Whole days: a time of day would tell more than a bound should.
                    let days = at.as_primitive::<Int64Type>();
                    let days: arrow::array::Int64Array =
                        days.iter().map(|at| at.map(|at| at.div_euclid(86_400_000_000))).collect();
                    std::sync::Arc::new(days) as arrow::array::ArrayRef
                })
                .and_then(|days| cast(&days, &DataType::Float64))
        }
        _ => return None,
    };
    array.ok().map(|array| array.as_primitive::<Float64Type>().clone())
}

fn distinct(sorted: &[(f64, &str)]) -> u64 {
    sorted.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()).count() as u64
}

/// Bounds at the next multiple of a power of ten of the span, outwards.
fn bounds(sorted: &[(f64, &str)]) -> Option<(f64, f64)> {
    let (least, most) = (sorted.first()?.0, sorted.last()?.0);
    let span = most - least;
    if span <= 0.0 {
        return Some((least, most));
    }
    let step = 10_f64.powf(span.log10().floor());
    Some(((least / step).floor() * step, (most / step).ceil() * step))
}

/// How a number is written.
#[derive(Debug, Clone, Copy)]
enum Form {
    Number,
    Day,
}

impl Form {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other types are no numbers")]
    fn of(kind: &DataType) -> Option<Self> {
        match kind {
            DataType::Int64 | DataType::Float64 => Some(Self::Number),
            DataType::Date32 | DataType::Timestamp(_, _) => Some(Self::Day),
            _ => None,
        }
    }

    fn rounded(self, number: f64) -> f64 {
        match self {
            Self::Day => number,
            Self::Number if number == 0.0 => 0.0,
            Self::Number => {
                let unit = 10_f64.powf(number.abs().log10().floor() - 2.0);
                (number / unit).round() * unit
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "days of dates that were read are few")]
    fn write(self, number: f64) -> String {
        match self {
            // Rounding in binary leaves tails such as 0.30000000000000004.
            Self::Number => {
                let text = format!("{number:.6}");
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            }
            Self::Day => {
                let day: Option<NaiveDate> =
                    DateTime::from_timestamp(number as i64 * 86_400, 0).map(|at| at.date_naive());
                day.map_or_else(String::new, |day| day.format("%Y-%m").to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, StringArray};

    use super::*;

    /// One row a person: a code and a number each.
    fn released(rows: &[(u32, Option<&str>, Option<f64>)]) -> Profile {
        let people: StringArray = rows.iter().map(|(p, _, _)| Some(format!("{p:032}"))).collect();
        let codes: StringArray = rows.iter().map(|(_, code, _)| *code).collect();
        let numbers: Float64Array = rows.iter().map(|(_, _, number)| *number).collect();
        let batch = RecordBatch::try_from_iter([
            ("person", Arc::new(people) as ArrayRef),
            ("code", Arc::new(codes)),
            ("value", Arc::new(numbers)),
        ])
        .unwrap();
        profile("t", &[batch])
    }

    #[test]
    fn a_value_of_ten_people_is_not_told_and_one_of_eleven_is() {
        let rows: Vec<_> = (0..121)
            .map(|p| (p, Some(if p < 111 { "common" } else { "CANARY" }), Some(f64::from(p))))
            .collect();
        let found = released(&rows);
        let text = serde_json::to_string(&found).unwrap();
        assert!(!text.contains("CANARY"), "{text}");
        let code = &found.columns[0];
        assert_eq!(code.top, [TopValue { value: "common".to_owned(), rows: 111 }]);
        assert_eq!(code.distinct, Some(10), "an exact count would tell how many are hidden");
        let value = &found.columns[1];
        assert_eq!(value.bounds, Some(("0".to_owned(), "200".to_owned())), "the maximum is bare");
        let told: Vec<u64> = value.quantiles.iter().map(|(at, _)| *at).collect();
        assert_eq!(told, [25, 50, 75], "six people lie beyond the fifth per cent");
    }

    #[test]
    fn a_column_that_few_people_fill_or_leave_empty_is_not_counted() {
        let few = |p: u32| if p < 10 { None } else { Some("x") };
        let rows: Vec<_> = (0..50).map(|p| (p, few(p), (p >= 45).then_some(1.5))).collect();
        let found = released(&rows);
        assert_eq!((found.columns[0].filled, found.columns[0].missing), (None, None));
        let value = &found.columns[1];
        assert_eq!((value.filled, value.missing, value.distinct), (None, None, None));
        assert_eq!((&value.bounds, value.quantiles.len(), value.top.len()), (&None, 0, 0));
    }

    #[test]
    fn no_rows_have_no_columns_to_tell_of() {
        assert_eq!(profile("t", &[]), Profile { table: "t".to_owned(), rows: 0, columns: vec![] });
        let found = released(&[]);
        assert_eq!(found.columns[0].filled, Some(0), "nothing is nobody's");
    }
}
