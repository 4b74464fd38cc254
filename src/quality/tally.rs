//! How the values of columns are spread, counted as batches go by: a few cells a column, each with
//! its rows and up to eleven people.
//!
//! Comes in: batches, conformed or released. Goes out: [`Distribution`]s before and after, cells of
//! few people shown together and uncounted. Never: a cell of fewer than eleven people by itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, Hasher as _},
};

use arrow::{
    array::{Array, AsArray as _, RecordBatch},
    compute::cast,
    datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimeUnit},
};
use foldhash::quality::FixedState;
use serde::{Deserialize, Serialize};

use super::SHOWN_MIN;

/// A column of more different cells than this is not drawn.
const CELLS_MAX: usize = 48;
/// A longer text is no code.
const TEXT_MAX: usize = 48;
const MICROS_A_DAY: i64 = 86_400_000_000;

/// A cell of a distribution: texts and whole numbers by themselves, dates by their year, other
/// numbers by their first digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Bin {
    Year(i64),
    Whole(i64),
    /// In millionths.
    Digit(i64),
    Text(String),
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Counted {
    rows: u64,
    /// Hashes of the first people, up to the number from which on a cell is shown.
    people: BTreeSet<u64>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Column {
    #[serde(with = "pairs")]
    cells: BTreeMap<Bin, Counted>,
    /// Whole numbers are too many: they are counted by their first digit.
    coarse: bool,
    /// Cells are too many to be drawn.
    many: bool,
}

/// The distributions of one table's columns under count. Merged in any order it is the same.
///
/// Written down it holds the cells of few people, too: it is for the vault alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tally {
    /// A cell of fewer people is not shown by itself.
    least: u64,
    columns: BTreeMap<String, Column>,
}

impl Default for Tally {
    fn default() -> Self {
        Self::showing_from(0)
    }
}

impl Tally {
    /// Begins a count of which no cell of fewer than `least` people is shown, nor one of fewer than
    /// [`SHOWN_MIN`].
    pub fn showing_from(least: u64) -> Self {
        Self { least: least.max(SHOWN_MIN), columns: BTreeMap::new() }
    }

    /// Counts some columns of a batch; `person` is the place of the person's column.
    pub fn add<'n>(
        &mut self,
        rows: &RecordBatch,
        person: usize,
        names: impl IntoIterator<Item = &'n str>,
    ) {
        let Some(people) = rows.columns().get(person).and_then(|c| c.as_string_opt::<i32>()) else {
            return;
        };
        let hash = |text: &str| {
            let mut hasher = FixedState::with_seed(1).build_hasher();
            hasher.write(text.as_bytes());
            hasher.finish()
        };
        let people: Vec<Option<u64>> = people.iter().map(|text| text.map(hash)).collect();
        for name in names {
            let Some(array) = rows.column_by_name(name) else { continue };
            let column = self.columns.entry(name.to_owned()).or_default();
            for (row, bin) in bins(array.as_ref(), column.many).into_iter().enumerate() {
                let (Some(bin), Some(person)) = (bin, people.get(row).copied().flatten()) else {
                    continue;
                };
                column.count(bin, |counted| {
                    counted.rows += 1;
                    counted.meet(person, self.least);
                });
            }
            column.fold(self.least);
        }
    }

    /// Takes in what another part counted.
    pub fn merge(&mut self, other: Self) {
        let least = self.least;
        for (name, theirs) in other.columns {
            let column = self.columns.entry(name).or_default();
            column.many |= theirs.many;
            column.coarse |= theirs.coarse;
            for (bin, counted) in theirs.cells {
                column.count(bin, |own| {
                    own.rows += counted.rows;
                    for person in &counted.people {
                        own.meet(*person, least);
                    }
                });
            }
            column.fold(least);
        }
    }

    /// Returns the cells of a column; none where it is too varied to be drawn, or not there.
    pub fn cells(&self, name: &str) -> Option<Vec<Cell>> {
        let column = self.columns.get(name).filter(|column| !column.many)?;
        let mut cells = Vec::new();
        let mut few = false;
        for (bin, counted) in &column.cells {
            if counted.people.len() as u64 >= self.least {
                cells.push(Cell { label: bin.label(), rows: Some(counted.rows) });
            } else {
                few = true;
            }
        }
        if few {
            cells.push(Cell {
                label: format!("others, fewer than {} people each", self.least),
                rows: None,
            });
        }
        Some(cells)
    }
}

/// Writes cells as a list: a bin is no name of a member.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::{Bin, Counted};

    pub(super) fn serialize<S: Serializer>(
        cells: &BTreeMap<Bin, Counted>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(cells)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Bin, Counted>, D::Error> {
        Ok(Vec::<(Bin, Counted)>::deserialize(deserializer)?.into_iter().collect())
    }
}

impl Counted {
    fn meet(&mut self, person: u64, least: u64) {
        if (self.people.len() as u64) < least {
            self.people.insert(person);
        }
    }
}

impl Column {
    fn count(&mut self, bin: Bin, add: impl FnOnce(&mut Counted)) {
        if self.many {
            return;
        }
        let bin = match bin {
            Bin::Whole(number) if self.coarse => first_digit(whole(number)),
            Bin::Year(_) | Bin::Whole(_) | Bin::Digit(_) | Bin::Text(_) => bin,
        };
        add(self.cells.entry(bin).or_default());
    }

    /// Makes whole numbers coarser where they are too many, then gives the column up.
    fn fold(&mut self, least: u64) {
        if self.cells.len() > CELLS_MAX && !self.coarse {
            self.coarse = true;
        }
        if self.coarse {
            for (bin, counted) in std::mem::take(&mut self.cells) {
                self.count(bin, |own| {
                    own.rows += counted.rows;
                    for person in &counted.people {
                        own.meet(*person, least);
                    }
                });
            }
        }
        if self.cells.len() > CELLS_MAX || self.many {
            self.many = true;
            self.cells.clear();
        }
    }
}

impl Bin {
    fn label(&self) -> String {
        match self {
            Self::Year(number) | Self::Whole(number) => number.to_string(),
            Self::Digit(millionths) => format!("about {}", whole(*millionths) / 1e6),
            Self::Text(text) => text.clone(),
        }
    }
}

/// Returns the bin of each row; none for an empty cell.
#[expect(clippy::wildcard_enum_match_arm, reason = "Arrow's types are many, the belt's are six")]
fn bins(array: &dyn Array, skip: bool) -> Vec<Option<Bin>> {
    if skip {
        return Vec::new();
    }
    match array.data_type() {
        DataType::Utf8 => {
            let texts = array.as_string::<i32>().iter();
            texts.map(|text| text.map(|t| Bin::Text(t.chars().take(TEXT_MAX).collect()))).collect()
        }
        DataType::Boolean => {
            let flags = array.as_boolean().iter();
            flags.map(|flag| flag.map(|flag| Bin::Text(flag.to_string()))).collect()
        }
        DataType::Int64 => {
            array.as_primitive::<Int64Type>().iter().map(|n| n.map(Bin::Whole)).collect()
        }
        DataType::Float64 => {
            array.as_primitive::<Float64Type>().iter().map(|n| n.map(first_digit)).collect()
        }
        DataType::Date32 => array
            .as_primitive::<Date32Type>()
            .iter()
            .map(|days| days.and_then(|days| year(i64::from(days))))
            .collect(),
        DataType::Timestamp(_, _) => {
            let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))
                .and_then(|array| cast(&array, &DataType::Int64));
            let Ok(micros) = micros else { return Vec::new() };
            micros
                .as_primitive::<Int64Type>()
                .iter()
                .map(|at| at.and_then(|at| year(at.div_euclid(MICROS_A_DAY))))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn year(days: i64) -> Option<Bin> {
    use chrono::Datelike as _;
    let date = chrono::NaiveDate::from_epoch_days(i32::try_from(days).ok()?)?;
    Some(Bin::Year(i64::from(date.year())))
}

/// A number cut to its first digit: 0.037 is 0.03, 184 is 100.
#[expect(clippy::cast_possible_truncation, reason = "the cast holds at the ends of the integer")]
fn first_digit(number: f64) -> Bin {
    if number == 0.0 {
        return Bin::Digit(0);
    }
    let power = 10_f64.powf(number.abs().log10().floor());
    Bin::Digit(((number / power).trunc() * power * 1e6).round() as i64)
}

#[expect(clippy::cast_precision_loss, reason = "its first digit is all that is asked")]
fn whole(number: i64) -> f64 {
    number as f64
}

/// One cell of a distribution as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Which values it holds.
    pub label: String,
    /// Their rows; none where they are of fewer than eleven people.
    pub rows: Option<u64>,
}

/// A column's values before and after de-identification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// The table.
    pub table: String,
    /// The column, as the source calls it.
    pub column: String,
    /// Before; none where it is too varied to be drawn.
    pub before: Option<Vec<Cell>>,
    /// After; none where it is too varied, or was not released.
    pub after: Option<Vec<Cell>>,
}

impl Distribution {
    /// Puts what was counted of one column side by side. `after` names it as it was released.
    pub fn of(
        table: &str,
        column: &str,
        before: &Tally,
        after: Option<(&Tally, &str)>,
    ) -> Option<Self> {
        let before = before.cells(column);
        let after = after.and_then(|(tally, name)| tally.cells(name));
        if before.is_none() && after.is_none() {
            return None;
        }
        Some(Self { table: table.to_owned(), column: column.to_owned(), before, after })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    fn batch(rows: &[(usize, i64)]) -> RecordBatch {
        let people: StringArray = rows.iter().map(|(p, _)| Some(format!("p{p}"))).collect();
        let numbers: Int64Array = rows.iter().map(|(_, n)| Some(*n)).collect();
        RecordBatch::try_from_iter([
            ("person", Arc::new(people) as ArrayRef),
            ("n", Arc::new(numbers)),
        ])
        .unwrap()
    }

    fn tally(parts: &[&[(usize, i64)]]) -> Tally {
        let mut all = Tally::default();
        for part in parts {
            let mut one = Tally::default();
            one.add(&batch(part), 0, ["n"]);
            all.merge(one);
        }
        all
    }

    #[test]
    fn ten_people_are_hidden_and_eleven_shown_however_many_rows_they_have() {
        let mut rows: Vec<(usize, i64)> = (0..11).map(|p| (p, 1)).collect();
        rows.extend((0..300).map(|row| (row % 10, 2)));
        let cells = tally(&[&rows]).cells("n").unwrap();
        assert_eq!(cells.len(), 2);
        assert_eq!(cells[0], Cell { label: "1".to_owned(), rows: Some(11) });
        assert_eq!(cells[1].rows, None, "a cell of ten people would be counted");
    }

    #[test]
    fn a_count_that_was_written_down_goes_on_as_if_it_had_not_been() {
        let rows: Vec<(usize, i64)> = (0..30).map(|row| (row % 15, 1)).collect();
        let mut one = Tally::showing_from(15);
        one.add(&batch(&rows[..20]), 0, ["n"]);
        let text = serde_json::to_string(&one).unwrap();
        let mut read: Tally = serde_json::from_str(&text).unwrap();
        assert_eq!(read.cells("n").unwrap()[0].rows, Some(20));
        read.add(&batch(&rows[20..]), 0, ["n"]);
        assert_eq!(read.cells("n").unwrap()[0].rows, Some(30));
        let mut few = Tally::showing_from(16);
        few.add(&batch(&rows), 0, ["n"]);
        assert_eq!(few.cells("n").unwrap()[0].rows, None, "fewer than k people are told apart");
    }

    #[test]
    fn the_order_and_number_of_parts_change_nothing() {
        let rows: Vec<(usize, i64)> =
            (0..500).map(|row| (row % 40, i64::try_from(row * row % 97).unwrap())).collect();
        let (one, two) = rows.split_at(123);
        let whole = tally(&[&rows]).cells("n");
        assert_eq!(whole, tally(&[one, two]).cells("n"));
        assert_eq!(whole, tally(&[two, one]).cells("n"));
        assert!(whole.is_some(), "many whole numbers are counted by their first digit");
    }
}
