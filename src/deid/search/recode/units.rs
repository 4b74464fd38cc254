//! Records that are alike in all that a recoding looks at, kept as one.
//!
//! Comes in: a table and its layout. Goes out: [`Units`]. Never: a row that is not released.

use crate::deid::search::{
    Conditions, Table, Verdict,
    keys::{Key, Layout},
    model::ClassCounts,
};

/// Like records, by key.
#[derive(Debug, Clone)]
pub(super) struct Units<K> {
    /// What each unit's records have in common.
    pub(super) keys: Vec<K>,
    /// How many records each has.
    pub(super) counts: Vec<u32>,
    /// The rows, unit by unit.
    rows: Vec<u32>,
    /// Where each unit's rows begin, and the end.
    starts: Vec<u32>,
    /// For each sensitive attribute each unit's value; no attribute where no model asks.
    values: Vec<Vec<u32>>,
}

impl<K: Key> Units<K> {
    /// Puts the released rows together that are alike, their sensitive values too unless the number of
    /// rows decides alone.
    pub(super) fn of(table: &Table, layout: &Layout, rows_alone: bool) -> Self {
        let mut keys = vec![K::default(); table.rows];
        for (place, quasi) in table.quasi.iter().enumerate() {
            let of_leaf: Vec<K> = layout.keys(place);
            for (key, leaf) in keys.iter_mut().zip(&quasi.codes) {
                *key = key.or(of_leaf.get(*leaf as usize).copied().unwrap_or_default());
            }
        }
        let sensitive: &[_] = if rows_alone { &[] } else { &table.sensitive };
        let same = |row: u32| {
            let values = sensitive.iter().map(move |one| one.codes.get(row as usize).copied());
            (keys.get(row as usize).copied().unwrap_or_default(), values)
        };
        let mut rows: Vec<u32> =
            (0..).take(table.rows).filter(|row| table.is_released(*row as usize)).collect();
        rows.sort_by(|one, other| {
            let ((one_key, one), (other_key, other)) = (same(*one), same(*other));
            one_key.cmp(&other_key).then_with(|| one.cmp(other))
        });
        let mut units = Self {
            keys: Vec::new(),
            counts: Vec::new(),
            starts: vec![0],
            values: vec![Vec::new(); sensitive.len()],
            rows: Vec::new(),
        };
        let mut end = 0;
        for alike in rows.chunk_by(|one, other| {
            let ((one_key, one), (other_key, other)) = (same(*one), same(*other));
            one_key == other_key && one.eq(other)
        }) {
            let Some(first) = alike.first() else { continue };
            let count = u32::try_from(alike.len()).unwrap_or(u32::MAX);
            end += count;
            units.keys.push(same(*first).0);
            units.counts.push(count);
            units.starts.push(end);
            for (values, value) in units.values.iter_mut().zip(same(*first).1) {
                values.push(value.unwrap_or_default());
            }
        }
        units.rows = rows;
        units
    }

    /// Returns how many units there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns the rows of a unit.
    pub(super) fn rows(&self, unit: u32) -> &[u32] {
        let unit = unit as usize;
        let ends = self.starts.get(unit).zip(self.starts.get(unit + 1));
        ends.and_then(|(from, to)| self.rows.get(*from as usize..*to as usize)).unwrap_or_default()
    }

    /// Returns the records of some units.
    pub(super) fn count(&self, units: &[u32]) -> u64 {
        let counts = units.iter().filter_map(|unit| self.counts.get(*unit as usize));
        counts.map(|count| u64::from(*count)).sum()
    }

    /// Tells whether some units together satisfy the models.
    pub(super) fn hold(&self, units: &[u32], conditions: &Conditions) -> bool {
        let rows = self.count(units);
        if rows == 0 || rows < conditions.least_rows() {
            return false;
        }
        let sensitive: Vec<Vec<(u32, u32)>> = self
            .values
            .iter()
            .map(|values| {
                let mut counts: Vec<(u32, u32)> = units
                    .iter()
                    .filter_map(|unit| {
                        let unit = *unit as usize;
                        Some((*values.get(unit)?, *self.counts.get(unit)?))
                    })
                    .collect();
                counts.sort_unstable();
                counts.dedup_by(|later, first| {
                    let same = later.0 == first.0;
                    first.1 += if same { later.1 } else { 0 };
                    same
                });
                counts
            })
            .collect();
        let sensitive: Vec<&[(u32, u32)]> = sensitive.iter().map(Vec::as_slice).collect();
        let class = ClassCounts { rows, population: rows, sensitive: &sensitive };
        conditions.verdict(&class) == Verdict::Stays
    }
}
