//! The search's table: every cell a code, no text kept twice.
//!
//! Comes in: columns of text, cell by cell, and their hierarchies. Goes out: a [`Table`], or how many
//! values a hierarchy misses. Never: a missing value in an error, or the row that held it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Quasi, Sensitive, Table};
use crate::{deid::hierarchy::Hierarchy, party::Lookup};

/// Why columns are not a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// No column has a hierarchy.
    #[error("a table without a quasi-identifier")]
    NoQuasi,
    /// There is no row.
    #[error("a table without a row")]
    Empty,
    /// A column is longer or shorter than the first.
    #[error("column `{column}` has {found} rows where the first has {expected}")]
    Rows {
        /// The column.
        column: String,
        /// Its rows.
        found: usize,
        /// The first column's rows.
        expected: usize,
    },
    /// A column is a quasi-identifier and sensitive, or stands twice.
    #[error("column `{0}` stands twice: a column is a quasi-identifier or sensitive, and once")]
    Twice(String),
    /// A code that its column's hierarchy or labels do not have.
    #[error("column `{0}` has a code without a label")]
    Code(String),
}

impl Table {
    /// Makes a table of columns that are equally long. `released` tells which rows are released,
    /// where the others are only the population that they come from.
    pub fn new(
        quasi: Vec<Quasi>,
        sensitive: Vec<Sensitive>,
        released: Option<Vec<bool>>,
    ) -> Result<Self, TableError> {
        let rows = quasi.first().ok_or(TableError::NoQuasi)?.codes.len();
        if rows == 0 {
            return Err(TableError::Empty);
        }
        let mut names = BTreeSet::new();
        let columns = quasi
            .iter()
            .map(|one| (one.hierarchy.column(), &one.codes, one.hierarchy.leaves()))
            .chain(sensitive.iter().map(|one| (one.name.as_str(), &one.codes, one.labels.len())));
        for (name, codes, labels) in columns {
            let column = || name.to_owned();
            if !names.insert(name) {
                return Err(TableError::Twice(column()));
            }
            if codes.len() != rows {
                let (found, expected) = (codes.len(), rows);
                return Err(TableError::Rows { column: column(), found, expected });
            }
            let most = codes.iter().max().and_then(|code| usize::try_from(*code).ok());
            if most.is_none_or(|code| code >= labels) {
                return Err(TableError::Code(column()));
            }
        }
        if let Some(flags) = released.as_ref().filter(|flags| flags.len() != rows) {
            let (found, expected) = (flags.len(), rows);
            return Err(TableError::Rows { column: "released".to_owned(), found, expected });
        }
        Ok(Self { quasi, sensitive, released, rows })
    }

    /// Returns the quasi-identifiers.
    pub fn quasi(&self) -> &[Quasi] {
        &self.quasi
    }

    /// Returns the sensitive attributes.
    pub fn sensitive(&self) -> &[Sensitive] {
        &self.sensitive
    }

    /// Returns which rows are to be released, where others are only the population.
    pub fn released(&self) -> Option<&[bool]> {
        self.released.as_deref()
    }

    /// Returns how many rows there are, those of the population counted.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// A hierarchy does not know all values of its column: how many, and what is known of them without
/// telling one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the hierarchy misses {values} {} of column `{column}`, in {rows} rows",
    if *values == 1 { "value" } else { "values" }
)]
pub struct Missing {
    /// The column.
    pub column: String,
    /// Distinct values that no leaf names.
    pub values: usize,
    /// Rows that hold one of them.
    pub rows: u64,
    /// Whether the empty cell is one of them.
    pub empty: bool,
    /// How many of them a leaf names but for spaces before or after.
    pub spaced: usize,
    /// How many a leaf names but for small and capital letters.
    pub cased: usize,
    /// How many are labels of a level above, `*` among them: rows that were generalised before.
    pub above: usize,
}

/// A quasi-identifier that is being read.
#[derive(Debug)]
pub struct QuasiColumn {
    hierarchy: Arc<Hierarchy>,
    lookup: Lookup,
    codes: Vec<u32>,
    missing: BTreeMap<String, u64>,
}

impl QuasiColumn {
    /// Begins a column with its hierarchy.
    pub fn new(hierarchy: Arc<Hierarchy>) -> Self {
        let lookup = Lookup::new(leaves(&hierarchy).iter().map(String::as_str));
        Self { hierarchy, lookup, codes: Vec::new(), missing: BTreeMap::new() }
    }

    /// Takes the next row's cell; it is one of the hierarchy's values to the letter, or missing.
    pub fn push(&mut self, cell: &str) {
        let labels = leaves(&self.hierarchy);
        let found = self.lookup.find(cell, |at| labels.get(at).map(String::as_str));
        self.codes.push(found.unwrap_or_default());
        if found.is_none() {
            *self.missing.entry(cell.to_owned()).or_default() += 1;
        }
    }

    /// Ends the column.
    pub fn finish(self) -> Result<Quasi, Missing> {
        if self.missing.is_empty() {
            let codes = first_leaves(&self.hierarchy, self.codes);
            return Ok(Quasi { hierarchy: self.hierarchy, codes });
        }
        let values = leaves(&self.hierarchy);
        let trimmed: BTreeSet<&str> = values.iter().map(|value| value.trim()).collect();
        let lower: BTreeSet<String> = values.iter().map(|value| value.to_lowercase()).collect();
        let levels = (1..self.hierarchy.height()).filter_map(|level| self.hierarchy.level(level));
        let labels: BTreeSet<&String> = levels.flat_map(|level| &level.labels).collect();
        let spaced = |value: &&String| trimmed.contains(value.trim());
        let cased = |value: &&String| lower.contains(&value.to_lowercase());
        Err(Missing {
            column: self.hierarchy.column().to_owned(),
            values: self.missing.len(),
            rows: self.missing.values().sum(),
            empty: self.missing.contains_key(""),
            spaced: self.missing.keys().filter(spaced).count(),
            cased: self.missing.keys().filter(cased).count(),
            above: self.missing.keys().filter(|value| labels.contains(value)).count(),
        })
    }
}

/// Returns the values of a hierarchy, each once.
fn leaves(hierarchy: &Hierarchy) -> &[String] {
    hierarchy.level(0).map_or(&[], |level| &level.labels)
}

/// Turns places among the distinct values into leaves; they differ where a file says a line again.
fn first_leaves(hierarchy: &Hierarchy, mut codes: Vec<u32>) -> Vec<u32> {
    let of_leaf = hierarchy.level(0).map_or(&[][..], |level| &level.of_leaf);
    if of_leaf.len() == leaves(hierarchy).len() {
        return codes;
    }
    let mut first = BTreeMap::new();
    for (code, leaf) in of_leaf.iter().zip(0_u32..) {
        first.entry(*code).or_insert(leaf);
    }
    for code in &mut codes {
        *code = first.get(code).copied().unwrap_or_default();
    }
    codes
}

/// A sensitive attribute that is being read.
#[derive(Debug)]
pub struct SensitiveColumn {
    name: String,
    places: BTreeMap<String, u32>,
    codes: Vec<u32>,
}

impl SensitiveColumn {
    /// Begins a column.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), places: BTreeMap::new(), codes: Vec::new() }
    }

    /// Takes the next row's cell.
    pub fn push(&mut self, cell: &str) {
        let known = self.places.get(cell).copied();
        self.codes.push(known.unwrap_or_else(|| {
            let next = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
            self.places.insert(cell.to_owned(), next);
            next
        }));
    }

    /// Ends the column. Its values stand in the order of numbers where all are, else of texts.
    pub fn finish(self) -> Sensitive {
        let mut order: Vec<(String, u32)> = self.places.into_iter().collect();
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        if order.iter().all(|(text, _)| number(text).is_some()) {
            let key = |text: &str| number(text).unwrap_or_default();
            order.sort_by(|(one, _), (two, _)| key(one).total_cmp(&key(two)));
        }
        let mut place = vec![0; order.len()];
        for ((_, old), new) in order.iter().zip(0_u32..) {
            if let Some(slot) = usize::try_from(*old).ok().and_then(|old| place.get_mut(old)) {
                *slot = new;
            }
        }
        let new = |old: u32| usize::try_from(old).ok().and_then(|old| place.get(old).copied());
        let codes = self.codes.into_iter().map(|code| new(code).unwrap_or_default()).collect();
        let labels = order.into_iter().map(|(label, _)| label).collect();
        Sensitive { name: self.name, labels, codes, hierarchy: None }
    }
}

impl From<Quasi> for Sensitive {
    /// Makes a column with a hierarchy a sensitive one: its leaves are the values.
    fn from(quasi: Quasi) -> Self {
        let Quasi { hierarchy, codes } = quasi;
        let labels =
            (0_u32..).map_while(|leaf| hierarchy.label(0, leaf).map(str::to_owned)).collect();
        let name = hierarchy.column().to_owned();
        Self { name, labels, codes, hierarchy: Some(hierarchy) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(cells: &[&str]) -> Result<Quasi, Missing> {
        let leaves = [["b", "x"], ["a", "x"], ["a", "x"], ["c", "y"]];
        let mut column =
            QuasiColumn::new(Arc::new(Hierarchy::of_leaves("letter", leaves).unwrap()));
        for cell in cells {
            column.push(cell);
        }
        column.finish()
    }

    fn sensitive(cells: &[&str]) -> Sensitive {
        let mut column = SensitiveColumn::new("s");
        for cell in cells {
            column.push(cell);
        }
        column.finish()
    }

    #[test]
    fn a_cell_is_the_first_leaf_that_names_it_to_the_letter() {
        let quasi = column(&["a", "c", "b", "a"]).unwrap();
        assert_eq!(quasi.codes, [1, 3, 0, 1], "a line said again moved the codes behind it");
    }

    #[test]
    fn what_a_hierarchy_misses_is_counted_and_never_told() {
        let missing = column(&["a", "CANARY", "", " a", "A", "CANARY", "x"]).unwrap_err();
        let Missing { values, rows, empty, spaced, cased, above, .. } = missing;
        assert_eq!((values, rows, empty, spaced, cased, above), (5, 6, true, 1, 1, 1));
        let told = format!("{missing} {missing:?}");
        assert!(!told.contains("CANARY"), "a value stands in an error: {told}");
    }

    #[test]
    fn numbers_stand_in_their_order_and_texts_in_theirs() {
        let numbers = sensitive(&["10", "9", "-1.5", "10"]);
        assert_eq!(numbers.labels, ["-1.5", "9", "10"]);
        assert_eq!(numbers.codes, [2, 1, 0, 2], "codes did not follow the labels");
        assert_eq!(sensitive(&["10", "9", "b"]).labels, ["10", "9", "b"]);
    }

    #[test]
    fn columns_that_are_no_table_are_refused() {
        let quasi = column(&["a", "b"]).unwrap();
        let new = |quasi: &[&Quasi], sensitive: Vec<Sensitive>, released| {
            let quasi = quasi.iter().map(|one| (*one).clone()).collect();
            Table::new(quasi, sensitive, released).map(|table| table.rows())
        };
        assert_eq!(new(&[&quasi], vec![sensitive(&["1", "2"])], None), Ok(2));
        assert_eq!(new(&[], vec![], None), Err(TableError::NoQuasi));
        assert_eq!(new(&[&column(&[]).unwrap()], vec![], None), Err(TableError::Empty));
        let twice = Err(TableError::Twice("letter".to_owned()));
        assert_eq!(new(&[&quasi, &quasi], vec![], None), twice);
        assert_eq!(new(&[&quasi], vec![quasi.clone().into()], None), twice);
        let short = new(&[&quasi], vec![sensitive(&["1"])], None);
        assert!(matches!(short, Err(TableError::Rows { found: 1, expected: 2, .. })));
        let flags = new(&[&quasi], vec![], Some(vec![true]));
        assert!(matches!(flags, Err(TableError::Rows { .. })), "a flag short was taken");
        let wrong = Quasi { codes: vec![0, 4], ..quasi };
        assert_eq!(new(&[&wrong], vec![], None), Err(TableError::Code("letter".to_owned())));
    }

    #[test]
    fn a_column_with_a_hierarchy_becomes_sensitive_with_its_leaves_as_values() {
        let sensitive = Sensitive::from(column(&["c", "a"]).unwrap());
        assert_eq!(sensitive.labels, ["b", "a", "a", "c"], "not the leaves in their order");
        assert_eq!((sensitive.codes, sensitive.name.as_str()), (vec![3, 1], "letter"));
        assert_eq!(sensitive.hierarchy.unwrap().leaves(), 4);
    }
}
