//! What is known of each cell: its people, its rows, and for each measure who contributed how much.
//!
//! Comes in: one row a (cell, person) from the engine, in any order. Goes out: the cells by key,
//! and which rows of whom each drew on. Never: a figure that depends on the order of arrival.

use std::collections::BTreeMap;

use datafusion::arrow::{
    array::{Array as _, ArrayRef, AsArray as _, RecordBatch},
    datatypes::{DataType, Float64Type, Int64Type},
    row::{RowConverter, SortField},
};

use super::{error::Error, session::Limits, shape::Measure};

/// One measure of one cell.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Tally {
    /// People with a value.
    pub(super) people: u64,
    /// Values.
    pub(super) values: u64,
    /// The most values of one person.
    pub(super) values_most: u64,
    /// The sum of the values.
    pub(super) sum: Sum,
    /// The sum of the absolute sums of each person.
    pub(super) absolute: Sum,
    /// The greatest absolute sum of one person.
    pub(super) largest: f64,
    /// The least value, and how many people have only it.
    pub(super) low: Option<(f64, u64)>,
    /// The greatest value, and how many people have only it.
    pub(super) high: Option<(f64, u64)>,
    /// Different values, for `COUNT(DISTINCT …)`.
    pub(super) distinct: u64,
}

/// A sum that keeps what rounding loses (Neumaier 1974), so that the order of its terms is far
/// below the digits that leave.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sum {
    total: f64,
    lost: f64,
}

impl Sum {
    fn add(&mut self, term: f64) {
        let total = self.total + term;
        self.lost += if self.total.abs() >= term.abs() {
            (self.total - total) + term
        } else {
            (term - total) + self.total
        };
        self.total = total;
    }

    /// Returns the sum.
    pub(super) fn value(self) -> f64 {
        self.total + self.lost
    }
}

impl Tally {
    fn take(&mut self, values: u64, numbers: Option<[f64; 3]>) {
        if values == 0 {
            return;
        }
        self.people += 1;
        self.values += values;
        self.values_most = self.values_most.max(values);
        let Some([sum, low, high]) = numbers else { return };
        self.sum.add(sum);
        self.absolute.add(sum.abs());
        self.largest = self.largest.max(sum.abs());
        let only = u64::from(low.total_cmp(&high).is_eq());
        self.low = Some(match self.low {
            Some((least, count)) if least < low => (least, count),
            Some((least, count)) if least.total_cmp(&low).is_eq() => (least, count + only),
            Some(_) | None => (low, only),
        });
        self.high = Some(match self.high {
            Some((greatest, count)) if greatest > high => (greatest, count),
            Some((greatest, count)) if greatest.total_cmp(&high).is_eq() => {
                (greatest, count + only)
            }
            Some(_) | None => (high, only),
        });
    }
}

/// One cell.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Cell {
    /// People with a row in it.
    pub(super) people: u64,
    /// Its rows.
    pub(super) rows: u64,
    /// The most rows of one person.
    pub(super) rows_most: u64,
    /// Its measures, in the order of the question.
    pub(super) tallies: Vec<Tally>,
}

/// Rows of one person in one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Drawn {
    /// The pseudonym's 128 bits.
    pub(super) person: u128,
    /// The cell, in order of arrival.
    pub(super) cell: usize,
    /// The rows that count: all but duplicates.
    pub(super) rows: u64,
}

/// The cells of one question.
#[derive(Debug)]
pub(super) struct Cells {
    converter: Option<RowConverter>,
    key_types: Vec<DataType>,
    index: BTreeMap<Box<[u8]>, usize>,
    arrived: Vec<Cell>,
    drawn: Vec<Drawn>,
    measures: Vec<Measure>,
    /// Whether the engine says how many of the rows count as records.
    weighed: bool,
    limits: Limits,
}

impl Cells {
    /// Starts with no cells; `key_types` are the types of the columns grouped by.
    pub(super) fn new(
        key_types: Vec<DataType>,
        measures: &[Measure],
        weighed: bool,
        limits: Limits,
    ) -> Result<Self, Error> {
        let fields: Vec<SortField> = key_types.iter().cloned().map(SortField::new).collect();
        let converter = (!fields.is_empty())
            .then(|| RowConverter::new(fields))
            .transpose()
            .map_err(|_| Error::refused("a group by a column of this type", ""))?;
        Ok(Self {
            converter,
            key_types,
            index: BTreeMap::new(),
            arrived: Vec::new(),
            drawn: Vec::new(),
            measures: measures.to_vec(),
            weighed,
            limits,
        })
    }

    /// Takes rows of (keys…, person, rows, rows that count where they are weighed, then for each measure its columns: `Count` and
    /// `Distinct` the values; `Sum` and `Average` the values, sum, least, greatest).
    pub(super) fn take(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let at = self.locate(batch)?;
        let mut columns = batch.columns().iter().skip(self.key_types.len());
        let mut next = || columns.next().ok_or_else(broken);
        let people = next()?.as_string_opt::<i32>().ok_or_else(broken)?.clone();
        let rows = numbers(next()?)?;
        let records = if self.weighed { numbers(next()?)? } else { rows };
        let mut tallies: Vec<(usize, ArrayRef, Option<[ArrayRef; 3]>)> = Vec::new();
        for (at, measure) in self.measures.iter().enumerate() {
            match measure {
                Measure::Rows | Measure::People => {}
                Measure::Count(_) | Measure::Distinct(_) => {
                    tallies.push((at, ArrayRef::clone(next()?), None));
                }
                Measure::Sum(_) | Measure::Average(_) => {
                    let values = ArrayRef::clone(next()?);
                    let sum = ArrayRef::clone(next()?);
                    let low = ArrayRef::clone(next()?);
                    let high = ArrayRef::clone(next()?);
                    tallies.push((at, values, Some([sum, low, high])));
                }
            }
        }
        for (row, &cell) in at.iter().enumerate() {
            let person = pseudonym(people.is_valid(row).then(|| people.value(row)))?;
            let count = u64::try_from(rows.value(row)).map_err(|_| broken())?;
            let records = u64::try_from(records.value(row)).map_err(|_| broken())?;
            self.drawn.push(Drawn { person, cell, rows: records });
            let cell = self.arrived.get_mut(cell).ok_or_else(broken)?;
            cell.people += 1;
            cell.rows += count;
            cell.rows_most = cell.rows_most.max(count);
            for (at, values, figures) in &tallies {
                let tally = cell.tallies.get_mut(*at).ok_or_else(broken)?;
                let values = u64::try_from(numbers(values)?.value(row)).map_err(|_| broken())?;
                let figures = figures
                    .as_ref()
                    .map(|[sum, low, high]| {
                        Ok::<_, Error>([float(sum, row)?, float(low, row)?, float(high, row)?])
                    })
                    .transpose()?;
                tally.take(values, figures);
            }
        }
        if self.drawn.len().saturating_mul(size_of::<Drawn>()) > self.limits.memory_bytes {
            return Err(Error::Memory(self.limits.memory_bytes));
        }
        Ok(())
    }

    /// Takes rows of (keys…, different values) for one measure.
    pub(super) fn take_distinct(
        &mut self,
        measure: usize,
        batch: &RecordBatch,
    ) -> Result<(), Error> {
        let at = self.locate(batch)?;
        let counts = numbers(batch.columns().last().ok_or_else(broken)?)?;
        for (row, &cell) in at.iter().enumerate() {
            let tally = self.arrived.get_mut(cell).and_then(|cell| cell.tallies.get_mut(measure));
            let count = u64::try_from(counts.value(row)).map_err(|_| broken())?;
            tally.ok_or_else(broken)?.distinct = count;
        }
        Ok(())
    }

    /// Finds the cell of each row of a batch; a new key makes a new cell.
    fn locate(&mut self, batch: &RecordBatch) -> Result<Vec<usize>, Error> {
        let mut found = Vec::with_capacity(batch.num_rows());
        let Some(converter) = &self.converter else {
            if batch.num_rows() > 0 && self.arrived.is_empty() {
                self.index.insert(Box::default(), 0);
                self.arrived.push(self.empty());
            }
            found.resize(batch.num_rows(), 0);
            return Ok(found);
        };
        let keys = batch.columns().get(..self.key_types.len()).ok_or_else(broken)?;
        let rows = converter.convert_columns(keys).map_err(|_| broken())?;
        for row in &rows {
            if let Some(&at) = self.index.get(row.as_ref()) {
                found.push(at);
                continue;
            }
            let next = self.arrived.len();
            if next >= self.limits.cells_max {
                return Err(Error::TooManyCells(self.limits.cells_max));
            }
            self.index.insert(row.as_ref().into(), next);
            self.arrived.push(self.empty());
            found.push(next);
        }
        Ok(found)
    }

    fn empty(&self) -> Cell {
        Cell { tallies: vec![Tally::default(); self.measures.len()], ..Cell::default() }
    }

    /// Returns the cells in the order of their keys, each with its number of arrival.
    pub(super) fn ordered(&self) -> Vec<(usize, &Cell)> {
        self.index.values().filter_map(|&at| Some((at, self.arrived.get(at)?))).collect()
    }

    /// Returns the key columns of the cells that `keep` names, in the order of their keys.
    pub(super) fn keys(&self, keep: impl Fn(usize) -> bool) -> Result<Vec<ArrayRef>, Error> {
        let Some(converter) = &self.converter else { return Ok(Vec::new()) };
        let parser = converter.parser();
        let kept = self.index.iter().filter(|(_, at)| keep(**at)).map(|(key, _)| parser.parse(key));
        converter.convert_rows(kept).map_err(|_| broken())
    }

    /// Returns the rows of each person that fall in cells that `keep` names and count, by pseudonym.
    pub(super) fn drawn(&self, keep: impl Fn(usize) -> bool) -> Vec<(u128, u64)> {
        let mut people = BTreeMap::new();
        for drawn in self.drawn.iter().filter(|drawn| keep(drawn.cell) && drawn.rows > 0) {
            *people.entry(drawn.person).or_insert(0) += drawn.rows;
        }
        people.into_iter().collect()
    }
}

fn broken() -> Error {
    Error::Engine { doing: "counted the cells", kind: "internal" }
}

fn numbers(
    array: &ArrayRef,
) -> Result<&datafusion::arrow::array::PrimitiveArray<Int64Type>, Error> {
    array.as_primitive_opt::<Int64Type>().ok_or_else(broken)
}

fn float(array: &ArrayRef, row: usize) -> Result<f64, Error> {
    let array = array.as_primitive_opt::<Float64Type>().ok_or_else(broken)?;
    Ok(if array.is_valid(row) { array.value(row) } else { 0.0 })
}

fn pseudonym(text: Option<&str>) -> Result<u128, Error> {
    let fault = || Error::Integrity("a row of the lake has no pseudonym of 32 hex digits".into());
    let text = text.filter(|text| text.len() == 32).ok_or_else(fault)?;
    u128::from_str_radix(text, 16).map_err(|_| fault())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_who_have_only_the_extreme_are_counted_in_any_order() {
        let people = [[1.0, 1.0, 1.0], [2.0, 1.0, 1.0], [5.0, 2.0, 3.0], [3.0, 3.0, 3.0]];
        for shift in 0..people.len() {
            let mut tally = Tally::default();
            for at in 0..people.len() {
                tally.take(1, Some(people[(at + shift) % people.len()]));
            }
            assert_eq!(tally.low, Some((1.0, 2)));
            assert_eq!(tally.high, Some((3.0, 1)));
        }
    }

    #[test]
    fn a_sum_does_not_depend_on_the_order_of_its_terms() {
        let terms = [1e16, 1.0, -1e16, 1.0];
        for shift in 0..terms.len() {
            let mut sum = Sum::default();
            (0..terms.len()).for_each(|at| sum.add(terms[(at + shift) % terms.len()]));
            assert!((sum.value() - 2.0).abs() < 1e-9, "small terms would be lost");
        }
    }
}
