//! One node of the lattice, counted plainly: its classes, what becomes of each, what is lost.
//!
//! Comes in: a table and levels. Goes out: [`Node`], by which a found optimum is applied, measured and
//! recoded, and against which the search is tested. Never: a shortcut; every row is looked at.

use super::{
    Conditions, Measure, Table, Verdict,
    average::{self, Class},
    model::ClassCounts,
};

/// The classes of a node.
#[derive(Debug, Clone)]
pub struct Node {
    /// The class of each row, released or not.
    pub class_of: Vec<u32>,
    /// The classes, in the order in which rows show them.
    pub classes: Vec<Members>,
}

/// What is counted of a class of rows.
#[derive(Debug, Clone)]
pub struct Members {
    /// Its code in each column.
    pub codes: Vec<u32>,
    /// Its released records.
    pub rows: u64,
    /// Its records.
    pub population: u64,
    /// Its first released row, or its first where none is released.
    pub first_row: u32,
    /// Its sensitive values by attribute, by value.
    pub sensitive: Vec<Vec<(u32, u32)>>,
}

/// A node judged.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Whether each class stays.
    pub stays: Vec<bool>,
    /// Whether any model forbids the node altogether.
    pub forbidden: bool,
    /// What is lost.
    pub score: f64,
    /// Suppressed records.
    pub suppressed: u64,
    /// Classes that stay.
    pub classes: u64,
    /// Records in the smallest of them.
    pub smallest: u64,
}

impl Node {
    /// Finds the classes of a table at levels.
    pub fn count(table: &Table, levels: &[usize]) -> Self {
        let mut class_of = vec![0_u32; table.rows];
        let mut first_rows = if table.rows == 0 { Vec::new() } else { vec![0_u32] };
        let told: Vec<Vec<u32>> =
            table.quasi.iter().zip(levels).map(|(quasi, level)| quasi.told(*level)).collect();
        for codes in &told {
            first_rows = refine(&mut class_of, codes);
        }
        let mut classes: Vec<Members> = first_rows
            .iter()
            .map(|row| Members {
                codes: told.iter().filter_map(|codes| codes.get(*row as usize).copied()).collect(),
                rows: 0,
                population: 0,
                first_row: *row,
                sensitive: vec![Vec::new(); table.sensitive.len()],
            })
            .collect();
        for (row, class) in (0_u32..).zip(&class_of) {
            if let Some(class) = classes.get_mut(*class as usize) {
                class.population += 1;
                if table.is_released(row as usize) {
                    if class.rows == 0 {
                        class.first_row = row;
                    }
                    class.rows += 1;
                }
            }
        }
        for (place, sensitive) in table.sensitive.iter().enumerate() {
            let mut pairs: Vec<(u32, u32)> = class_of
                .iter()
                .zip(&sensitive.codes)
                .enumerate()
                .filter(|(row, _)| table.is_released(*row))
                .map(|(_, (class, value))| (*class, *value))
                .collect();
            pairs.sort_unstable();
            for same in pairs.chunk_by(|one, other| one == other) {
                if let Some((class, value)) = same.first()
                    && let Some(class) = classes.get_mut(*class as usize)
                    && let Some(values) = class.sensitive.get_mut(place)
                {
                    values.push((*value, u32::try_from(same.len()).unwrap_or(u32::MAX)));
                }
            }
        }
        Self { class_of, classes }
    }

    /// Judges the classes and reckons what is lost.
    pub fn judge(&self, conditions: &Conditions, measure: &Measure, levels: &[usize]) -> Judged {
        let verdicts: Vec<Verdict> = self
            .classes
            .iter()
            .map(|class| {
                let sensitive: Vec<&[(u32, u32)]> =
                    class.sensitive.iter().map(Vec::as_slice).collect();
                conditions.verdict(&ClassCounts {
                    rows: class.rows,
                    population: class.population,
                    sensitive: &sensitive,
                })
            })
            .collect();
        let mut stays: Vec<bool> =
            verdicts.iter().map(|verdict| *verdict == Verdict::Stays).collect();
        if let Some(most) = conditions.average() {
            let (places, stay): (Vec<usize>, Vec<Class<'_>>) = self
                .classes
                .iter()
                .enumerate()
                .filter(|(place, class)| {
                    class.rows > 0 && stays.get(*place).is_some_and(|stays| *stays)
                })
                .map(|(place, class)| {
                    let Members { rows, first_row, ref codes, .. } = *class;
                    (place, Class { rows, first_row, codes })
                })
                .unzip();
            for gone in average::suppress(measure, levels, most, &stay) {
                if let Some(stays) = places.get(gone).and_then(|place| stays.get_mut(*place)) {
                    *stays = false;
                }
            }
        }
        let mut tally = measure.tally(levels);
        let mut smallest = u64::MAX;
        for (class, stays) in self.classes.iter().zip(&stays) {
            if *stays {
                tally.keep(class.rows);
                smallest = if class.rows > 0 { smallest.min(class.rows) } else { smallest };
            } else {
                tally.suppress(class.rows, |column| {
                    class.codes.get(column).copied().unwrap_or_default()
                });
            }
        }
        Judged {
            forbidden: verdicts.contains(&Verdict::Forbids),
            score: tally.score(),
            suppressed: tally.suppressed_rows(),
            classes: tally.kept_classes(),
            smallest: if tally.kept_classes() == 0 { 0 } else { smallest },
            stays,
        }
    }
}

#[expect(clippy::disallowed_types, reason = "looked up only; ids follow the order of rows")]
type Lookup = std::collections::HashMap<u64, u32, foldhash::fast::FixedState>;

/// Splits classes by one more column; returns the first row of each.
fn refine(class_of: &mut [u32], codes: &[u32]) -> Vec<u32> {
    let mut ids = Lookup::default();
    let mut first_rows = Vec::new();
    for (row, (class, code)) in (0_u32..).zip(class_of.iter_mut().zip(codes)) {
        let next = u32::try_from(first_rows.len()).unwrap_or(u32::MAX);
        let key = (u64::from(*class) << 32) | u64::from(*code);
        *class = *ids.entry(key).or_insert_with(|| {
            first_rows.push(row);
            next
        });
    }
    first_rows
}
