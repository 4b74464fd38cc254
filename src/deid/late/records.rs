//! Records: rows that say the same of the same person are one.
//!
//! Comes in: for each row its person and its codes. Goes out: [`Records`]. Never: two people's rows
//! taken for one record.

use std::collections::BTreeSet;

/// Which record each row is of.
#[derive(Debug)]
pub(super) struct Records {
    /// The record of each row; none where each row is one.
    of_row: Option<Vec<u32>>,
    /// The first row of each record.
    first_rows: Vec<usize>,
    /// Each record's person.
    persons: Vec<u32>,
    /// Whether nobody has two records.
    is_plain: bool,
}

impl Records {
    /// Finds the records of rows by their people and the codes of their columns.
    pub(super) fn of<'c>(
        persons: &[u32],
        quasi: impl Iterator<Item = &'c Vec<u32>>,
        sensitive: impl Iterator<Item = &'c Vec<u32>>,
    ) -> Self {
        let columns: Vec<&Vec<u32>> = quasi.chain(sensitive).collect();
        let mut order: Vec<usize> = (0..persons.len()).collect();
        let person = |row: &usize| persons.get(*row).copied();
        let tuple = |row: &usize| {
            let row = *row;
            columns.iter().map(move |column| column.get(row).copied())
        };
        order.sort_by(|one, two| {
            person(one).cmp(&person(two)).then_with(|| tuple(one).cmp(tuple(two)))
        });
        let same = |one: &usize, two: &usize| person(one) == person(two);
        let is_plain = order.chunk_by(same).all(|rows| rows.len() == 1);
        if is_plain {
            let first_rows = (0..persons.len()).collect();
            return Self { of_row: None, first_rows, persons: persons.to_vec(), is_plain };
        }
        // Records stand in the order of their first rows.
        let mut firsts: Vec<usize> = vec![0; persons.len()];
        for rows in order.chunk_by(|one, two| same(one, two) && tuple(one).eq(tuple(two))) {
            let first = rows.iter().min().copied().unwrap_or_default();
            for row in rows {
                if let Some(slot) = firsts.get_mut(*row) {
                    *slot = first;
                }
            }
        }
        let mut of_row: Vec<u32> = Vec::with_capacity(persons.len());
        let mut first_rows = Vec::new();
        for (row, first) in firsts.iter().enumerate() {
            let record = if row == *first {
                first_rows.push(row);
                u32::try_from(first_rows.len() - 1).unwrap_or(u32::MAX)
            } else {
                of_row.get(*first).copied().unwrap_or(u32::MAX)
            };
            of_row.push(record);
        }
        let persons: Vec<u32> =
            first_rows.iter().filter_map(|row| persons.get(*row).copied()).collect();
        Self { of_row: Some(of_row), first_rows, persons, is_plain }
    }

    /// Whether nobody has two records.
    pub(super) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Returns a column's codes record by record.
    pub(super) fn codes(&self, of_rows: &[u32]) -> Vec<u32> {
        self.first_rows.iter().filter_map(|row| of_rows.get(*row).copied()).collect()
    }

    /// Returns the record of a row.
    pub(super) fn of_row(&self, row: usize) -> usize {
        match &self.of_row {
            None => row,
            Some(of_row) => {
                let record = of_row.get(row).copied().unwrap_or(u32::MAX);
                usize::try_from(record).unwrap_or(usize::MAX)
            }
        }
    }

    /// Counts the rows that have no class, or one of fewer than `k` people.
    pub(super) fn lost(&self, classes: &[Option<u32>], k: u32) -> u64 {
        let mut pairs: Vec<(u32, u32)> = classes
            .iter()
            .zip(&self.persons)
            .filter_map(|(class, person)| Some(((*class)?, *person)))
            .collect();
        pairs.sort_unstable();
        pairs.dedup();
        let least = usize::try_from(k).unwrap_or(usize::MAX);
        let large: BTreeSet<u32> = pairs
            .chunk_by(|(one, _), (two, _)| one == two)
            .filter(|people| people.len() >= least)
            .filter_map(|people| people.first().map(|(class, _)| *class))
            .collect();
        let rows = self.of_row.as_ref().map_or(self.first_rows.len(), Vec::len);
        let is_lost = |row: &usize| {
            let class = classes.get(self.of_row(*row)).copied().flatten();
            class.is_none_or(|class| !large.contains(&class))
        };
        (0..rows).filter(is_lost).count() as u64
    }
}
