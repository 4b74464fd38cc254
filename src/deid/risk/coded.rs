//! A table as risk is measured on it: codes of what others may know, codes of what they may not, and
//! whose each row is.
//!
//! Comes in: Arrow columns, batch by batch. Goes out: [`Measured`]: class sizes, what is unique, how
//! varied sensitive values are within classes. Never: a value, or a row taken for a person where one
//! person has several.

use std::sync::Arc;

use arrow::{
    array::{Array as _, ArrayRef},
    compute::is_not_null,
    error::ArrowError,
    row::{RowConverter, SortField},
};

use super::{
    attained::{Attained, attained},
    minimal::{MinimalUniques, minimal_uniques},
    population::Sizes,
};

/// What a column is to a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Others may know it.
    Quasi,
    /// Others may know that there is something, not what: a key or a shift made it.
    Keyed,
    /// Nobody should learn it.
    Sensitive,
}

/// A table under measurement: one row a row.
#[derive(Debug)]
pub struct Coded {
    columns: Vec<Column>,
    /// The person of each row.
    people: Vec<u32>,
}

#[derive(Debug)]
struct Column {
    name: String,
    part: Part,
    codes: Vec<u32>,
    values: Codes,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Rows.
    pub rows: u64,
    /// The sizes of the classes, in people.
    pub sizes: Sizes,
    /// Combinations of few columns that single out.
    pub minimal: MinimalUniques,
    /// How varied each sensitive column is within classes.
    pub attained: Vec<(String, Attained)>,
}

#[expect(clippy::disallowed_types, reason = "looked up only; its order never reaches output")]
type Lookup<K> = std::collections::HashMap<K, u32, foldhash::fast::FixedState>;

/// Numbers distinct values in the order in which they come.
#[derive(Debug, Default)]
struct Codes(Lookup<Box<[u8]>>);

impl Codes {
    fn of(&mut self, value: &[u8]) -> u32 {
        if let Some(code) = self.0.get(value) {
            return *code;
        }
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0.insert(value.into(), next);
        next
    }
}

impl Coded {
    /// Begins a table of these columns.
    pub fn new(columns: impl IntoIterator<Item = (String, Part)>) -> Self {
        let column =
            |(name, part)| Column { name, part, codes: Vec::new(), values: Codes::default() };
        Self { columns: columns.into_iter().map(column).collect(), people: Vec::new() }
    }

    /// Adds rows: for each the number of its person, and the columns in the order given at first.
    pub fn add(
        &mut self,
        people: impl IntoIterator<Item = u32>,
        columns: &[ArrayRef],
    ) -> Result<(), ArrowError> {
        for (column, array) in self.columns.iter_mut().zip(columns) {
            let told: ArrayRef = match column.part {
                Part::Keyed => Arc::new(is_not_null(array)?),
                Part::Quasi | Part::Sensitive => Arc::clone(array),
            };
            let converter = RowConverter::new(vec![SortField::new(told.data_type().clone())])?;
            let rows = converter.convert_columns(&[told])?;
            column.codes.extend(rows.iter().map(|row| column.values.of(row.data())));
        }
        self.people.extend(people);
        Ok(())
    }

    /// Measures the table.
    pub fn measure(&self) -> Measured {
        let of = |wanted: fn(Part) -> bool| self.columns.iter().filter(move |c| wanted(c.part));
        let quasi: Vec<&[u32]> = of(|part| part != Part::Sensitive).map(|c| &*c.codes).collect();
        let (classes, count) = classes(&quasi, self.people.len());
        let mut sizes = vec![0_u64; count];
        let mut pairs: Vec<(u32, u32)> =
            classes.iter().copied().zip(self.people.iter().copied()).collect();
        pairs.sort_unstable();
        pairs.dedup();
        for (class, _) in pairs {
            if let Some(size) = usize::try_from(class).ok().and_then(|at| sizes.get_mut(at)) {
                *size += 1;
            }
        }
        let names = of(|part| part != Part::Sensitive).map(|c| c.name.clone()).collect();
        Measured {
            rows: self.people.len() as u64,
            sizes: Sizes::of(sizes),
            minimal: minimal_uniques(names, &quasi, &classes, &self.people),
            attained: of(|part| part == Part::Sensitive)
                .map(|c| (c.name.clone(), attained(&classes, &c.codes)))
                .collect(),
        }
    }
}

/// Numbers the class of each row; rows are all of one class where there is no column.
pub(super) fn classes(columns: &[&[u32]], rows: usize) -> (Vec<u32>, usize) {
    let mut classes = vec![0_u32; rows];
    let mut count = usize::from(rows > 0);
    for column in columns {
        let mut lookup = Lookup::<(u32, u32)>::default();
        for (class, code) in classes.iter_mut().zip(*column) {
            let next = u32::try_from(lookup.len()).unwrap_or(u32::MAX);
            *class = *lookup.entry((*class, *code)).or_insert(next);
        }
        count = lookup.len();
    }
    (classes, count)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};

    use super::*;

    fn texts(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(values.iter().copied().collect::<StringArray>())
    }

    #[test]
    fn a_class_counts_people_and_not_rows_over_all_batches() {
        let mut table = Coded::new([
            ("sex".to_owned(), Part::Quasi),
            ("seen".to_owned(), Part::Keyed),
            ("code".to_owned(), Part::Sensitive),
        ]);
        let seen: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), Some(3)]));
        let sex = texts(&[Some("F"), Some("F"), Some("M")]);
        table.add([0, 0, 1], &[sex, seen, texts(&[Some("a"), Some("b"), None])]).unwrap();
        let seen: ArrayRef = Arc::new(Int64Array::from(vec![Some(9), None]));
        let sex = texts(&[Some("F"), Some("F")]);
        table.add([2, 3], &[sex, seen, texts(&[Some("a"), Some("a")])]).unwrap();
        let measured = table.measure();
        assert_eq!(measured.rows, 5);
        assert_eq!(
            measured.sizes,
            Sizes::of([2, 1, 1]),
            "a person's rows made a class look large, or what a shift made tells people apart"
        );
        assert_eq!(measured.attained.len(), 1);
        assert_eq!(measured.attained[0].1.l, 1, "one class has one value");
    }

    #[test]
    fn a_table_without_quasi_identifiers_is_one_class() {
        let mut table = Coded::new([]);
        table.add([0, 1, 1], &[]).unwrap();
        assert_eq!(table.measure().sizes, Sizes::of([2]));
    }
}
