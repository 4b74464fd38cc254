//! Minimal uniques, as SUDA looks for them (Elliot, Manning and Ford 2002): the smallest sets of
//! columns whose values only one person has.
//!
//! Comes in: codes of quasi-identifiers, whose each row is. Goes out: [`MinimalUniques`], counts over
//! the table. Never: which record it is, or of which value.

use rayon::prelude::*;
use serde::Serialize;

/// Sets of more columns are not looked at: who knows four things of somebody seldom knows only these.
pub(super) const COLUMNS_MAX: usize = 3;

/// More sets than this are not looked at.
const SETS_MAX: usize = 5_000;

/// So many sets are looked at side by side.
const SETS_AT_ONCE: usize = 8;

/// How records are singled out by few columns.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MinimalUniques {
    /// The most columns of a set that was looked at.
    pub columns_max: usize,
    /// Records (a person's rows of one class are one) with at least one minimal unique.
    pub records: u64,
    /// Minimal uniques of one column, of two, and so on.
    pub by_columns: Vec<u64>,
    /// For each column the share of the whole SUDA score that its minimal uniques bring.
    pub columns: Vec<Contribution>,
}

/// What one column adds to the danger.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contribution {
    /// The column.
    pub column: String,
    /// The share of the score: the columns' shares may come to more than one, since a unique of two
    /// columns counts for both.
    pub share: f64,
}

#[expect(clippy::disallowed_types, reason = "looked up only; its order never reaches output")]
type Lookup<K> = std::collections::HashMap<K, (usize, bool), foldhash::fast::FixedState>;

/// Finds the minimal uniques of up to [`COLUMNS_MAX`] columns; `classes` are those of all columns.
pub(super) fn minimal_uniques(
    names: Vec<String>,
    columns: &[&[u32]],
    classes: &[u32],
    people: &[u32],
) -> MinimalUniques {
    let most = size_max(columns.len());
    // Rows that all columns together do not single out have no unique set of fewer.
    let every: Vec<usize> = (0..people.len()).collect();
    let candidates = alone(&[classes], people, &every);
    let mut found: Vec<Vec<u128>> = vec![Vec::new(); people.len()];
    let mut by_columns = vec![0_u64; most];
    let mut scores = vec![0.0_f64; columns.len()];
    let mut whole = 0.0;
    for size in 1..=most {
        if candidates.is_empty() {
            break;
        }
        let score = weight(size, most, columns.len());
        // A few sets at a time, so that what each finds takes little memory.
        for few in sets(columns.len(), size).chunks(SETS_AT_ONCE) {
            let alone: Vec<Vec<usize>> = few
                .par_iter()
                .map(|set| {
                    let chosen = set.iter().filter_map(|at| columns.get(*at).copied());
                    alone(&chosen.collect::<Vec<_>>(), people, &candidates)
                })
                .collect();
            for (set, rows) in few.iter().zip(alone) {
                let mask = set.iter().fold(0_u128, |mask, at| mask | 1 << at);
                for row in rows {
                    let Some(own) = found.get_mut(row) else { continue };
                    if own.iter().any(|smaller| smaller & mask == *smaller) {
                        continue;
                    }
                    own.push(mask);
                    if let Some(count) = by_columns.get_mut(size - 1) {
                        *count += 1;
                    }
                    whole += score;
                    for at in set {
                        if let Some(sum) = scores.get_mut(*at) {
                            *sum += score;
                        }
                    }
                }
            }
        }
    }
    let share = |score: f64| if whole > 0.0 { score / whole } else { 0.0 };
    MinimalUniques {
        columns_max: most,
        records: found.iter().filter(|sets| !sets.is_empty()).count() as u64,
        by_columns,
        columns: names
            .into_iter()
            .zip(scores)
            .map(|(column, score)| Contribution { column, share: share(score) })
            .collect(),
    }
}

/// The most columns of a set that is looked at: fewer where the sets would be too many.
fn size_max(columns: usize) -> usize {
    let mut sets = 0;
    let mut of_size = 1;
    for size in 1..=COLUMNS_MAX.min(columns) {
        of_size = of_size * (columns - size + 1) / size;
        sets += of_size;
        // INVARIANT: a column's place is a bit of a mask.
        if sets > SETS_MAX || columns > 128 {
            return size - 1;
        }
    }
    COLUMNS_MAX.min(columns)
}

/// Returns the rows among `asked` whose values in these columns only their person has, one row for
/// each such combination. The columns are few enough for their codes to fit one number.
fn alone(columns: &[&[u32]], people: &[u32], asked: &[usize]) -> Vec<usize> {
    let value = |row: usize| {
        let codes = columns.iter().filter_map(|column| column.get(row));
        codes.fold(0_u128, |value, code| value << 32 | u128::from(*code))
    };
    // The first row of each combination, and whether another person has it as well.
    let mut seen = Lookup::<u128>::default();
    for (row, person) in people.iter().enumerate() {
        let (first, shared) = seen.entry(value(row)).or_insert((row, false));
        *shared |= people.get(*first) != Some(person);
    }
    let is_alone =
        |row: &usize| seen.get(&value(*row)).is_some_and(|(first, shared)| !shared && first == row);
    asked.iter().copied().filter(is_alone).collect()
}

/// All sets of `size` of the first `count` columns, ascending.
fn sets(count: usize, size: usize) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..size {
        let longer = |set: Vec<usize>| {
            let next = set.last().map_or(0, |last| last + 1);
            (next..count).map(move |at| set.iter().copied().chain([at]).collect::<Vec<_>>())
        };
        all = all.into_iter().flat_map(longer).collect();
    }
    all
}

/// What a minimal unique of `size` columns scores: the fewer columns, the more; SUDA's product of
/// the numbers of columns left, up to the largest set.
fn weight(size: usize, most: usize, columns: usize) -> f64 {
    let left = |at: usize| u32::try_from(columns.saturating_sub(at)).unwrap_or(u32::MAX);
    (size..=most).map(|at| f64::from(left(at).max(1))).product()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|at| format!("c{at}")).collect()
    }

    fn found(columns: &[&[u32]], people: &[u32]) -> MinimalUniques {
        let classes = super::super::coded::classes(columns, people.len()).0;
        minimal_uniques(names(columns.len()), columns, &classes, people)
    }

    #[test]
    fn a_set_is_minimal_only_where_no_part_of_it_is_unique() {
        // c0 singles out the last row, c1 with c2 three others, all three together the first.
        let (c0, c1, c2) = ([0, 0, 0, 0, 1], [0, 1, 1, 0, 0], [0, 1, 0, 1, 0]);
        let found = found(&[&c0, &c1, &c2], &[0, 1, 2, 3, 4]);
        assert_eq!((found.records, found.by_columns), (5, vec![1, 3, 1]));
    }

    #[test]
    fn two_rows_of_one_person_hide_nobody() {
        let own = found(&[&[7, 7, 8]], &[0, 0, 1]);
        assert_eq!((own.records, own.by_columns), (2, vec![2]), "a person hides behind themselves");
        let shared = found(&[&[7, 7, 8, 8]], &[0, 1, 0, 1]);
        assert_eq!(shared.records, 0, "what two people share singles out nobody");
        assert!(shared.columns[0].share < 1e-12);
    }

    #[test]
    fn of_many_columns_smaller_sets_are_looked_at_and_it_says_so() {
        for (columns, most) in [(0, 0), (1, 1), (9, 3), (30, 3), (40, 2), (120, 1), (200, 0)] {
            assert_eq!(size_max(columns), most, "{columns} columns");
        }
    }

    #[test]
    fn a_table_of_large_classes_has_none() {
        let column = vec![1_u32; 40];
        let people: Vec<u32> = (0..40).collect();
        let found = found(&[&column, &column], &people);
        assert_eq!((found.records, found.by_columns), (0, vec![0, 0]));
    }

    proptest::proptest! {
        #[test]
        fn it_finds_what_asking_every_set_of_every_record_finds(
            rows in proptest::collection::vec(proptest::array::uniform4(0_u32..3), 1..25),
        ) {
            let columns: Vec<Vec<u32>> =
                (0..4).map(|at| rows.iter().map(|row| row[at]).collect()).collect();
            let columns: Vec<&[u32]> = columns.iter().map(Vec::as_slice).collect();
            let people: Vec<u32> = (0..u32::try_from(rows.len()).unwrap()).collect();
            let found = found(&columns, &people);
            let unique = |row: &[u32; 4], mask: u32| {
                let same = |other: &&[u32; 4]| (0..4).all(|at| mask >> at & 1 == 0 || other[at] == row[at]);
                rows.iter().filter(same).count() == 1
            };
            let mut expected = vec![0_u64; 3];
            for row in &rows {
                for mask in 1_u32..16 {
                    let size = usize::try_from(mask.count_ones()).unwrap();
                    let parts = (1..mask).filter(|part| part & mask == *part);
                    if size <= 3 && unique(row, mask) && !parts.into_iter().any(|part| unique(row, part)) {
                        expected[size - 1] += 1;
                    }
                }
            }
            proptest::prop_assert_eq!(found.by_columns, expected);
        }
    }
}
