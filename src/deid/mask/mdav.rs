//! Groups of at least k people whose rows lie near each other: MDAV, the maximum distance to
//! average vector (Domingo-Ferrer and Mateo-Sanz 2002; as "MDAV-generic" in Domingo-Ferrer and
//! Torra 2005).
//!
//! Comes in: points, for each the person it is of, k. Goes out: the group of each row.
//! Never: a group of fewer than k people.
//!
//! While 3k people are left, the row farthest from the middle of what is left and the row farthest
//! from that one each gather their nearest rows; then one more group and the rest. Where each person
//! has one row this is MDAV to the letter. Where people have several, a group takes nearest rows until
//! k people are in it, and what is left of fewer than k people goes to the nearest group's middle.
//!
//! MDAV looks at every row for every group, which is quadratic; [`Shells`] give the same answer and look
//! at few. More than [`BLOCK_ROWS`] rows are first cut at medians into blocks, each grouped by itself.

use rayon::prelude::*;

use super::shells::{Points, Shells, count, place};

/// The most rows that are grouped as one.
pub(super) const BLOCK_ROWS: usize = 100_000;

/// Returns the group of each row, numbered from 0 in no meant order; `None` where there are fewer
/// than k people.
pub(super) fn groups(points: &Points, people: &[u32], k: usize) -> Option<Vec<u32>> {
    grouped(points, people, k, BLOCK_ROWS)
}

fn grouped(points: &Points, people: &[u32], k: usize, block_rows: usize) -> Option<Vec<u32>> {
    let mut rows: Vec<u32> = (0..).take(points.len()).collect();
    let mut blocks = Vec::new();
    cut(points, &mut rows, block_rows.max(1), &mut blocks);
    let gathered: Vec<Block> =
        blocks.into_par_iter().map(|rows| Block::gather(points, people, &rows, k.max(1))).collect();
    let mut of_row = vec![u32::MAX; points.len()];
    let mut middles = Vec::new();
    let mut number = 0_u32;
    for group in gathered.iter().flat_map(|block| &block.groups) {
        for row in group {
            if let Some(of_row) = of_row.get_mut(place(*row)) {
                *of_row = number;
            }
        }
        middles.extend(middle(points, group));
        number += 1;
    }
    if number == 0 {
        return None;
    }
    let middles = Points::new(middles.len() / place(number), middles);
    let all: Vec<u32> = (0..number).collect();
    let shells = Shells::new(&middles, &all);
    for row in gathered.iter().flat_map(|block| &block.left) {
        if let (Some(of_row), Some(near)) = (
            of_row.get_mut(place(*row)),
            shells.around((points.at(*row), None), |group| group, 1).pop(),
        ) {
            *of_row = near;
        }
    }
    Some(of_row)
}

/// Cuts rows at medians until no block has more than `most`.
fn cut(points: &Points, rows: &mut [u32], most: usize, blocks: &mut Vec<Vec<u32>>) {
    if rows.len() <= most {
        blocks.push(rows.to_vec());
        return;
    }
    let along = points.widest(rows);
    let (low, high) = points.halve(rows, along);
    cut(points, low, most, blocks);
    cut(points, high, most, blocks);
}

fn middle(points: &Points, rows: &[u32]) -> Vec<f64> {
    let mut sums: Vec<f64> = Vec::new();
    for row in rows {
        let point = points.at(*row);
        sums.resize(point.len(), 0.0);
        sums.iter_mut().zip(point).for_each(|(sum, number)| *sum += number);
    }
    for sum in &mut sums {
        *sum /= count(rows.len().max(1));
    }
    sums
}

/// The groups of one block, and the rows of the too few people that were left.
struct Block {
    groups: Vec<Vec<u32>>,
    left: Vec<u32>,
}

impl Block {
    fn gather(points: &Points, people: &[u32], rows: &[u32], k: usize) -> Self {
        let mut left = Left::new(points, people, rows);
        let mut groups = Vec::new();
        while left.people >= k && left.shells.len() > 0 {
            if left.people < 3 * k && left.shells.len() < 2 * k {
                groups.push(left.take(left.shells.rows()));
                break;
            }
            let from_the_middle = left.shells.farthest(&left.shells.middle());
            let Some(first) = from_the_middle else { break };
            let takes_two = left.people >= 3 * k;
            let group = left.around(first, k);
            groups.push(left.take(group));
            let second = left.shells.farthest(points.at(first));
            if let Some(second) = second.filter(|_| takes_two) {
                let group = left.around(second, k);
                groups.push(left.take(group));
            }
        }
        Self { groups, left: left.shells.rows() }
    }
}

/// The rows that are in no group yet, and how many people they are of.
struct Left<'p> {
    points: &'p Points,
    shells: Shells,
    person_of: &'p [u32],
    /// The people of the block in order, and how many rows of each are left.
    known: Vec<u32>,
    rows_of: Vec<u32>,
    people: usize,
}

impl<'p> Left<'p> {
    fn new(points: &'p Points, person_of: &'p [u32], rows: &[u32]) -> Self {
        let of = |row: &u32| person_of.get(place(*row)).copied().unwrap_or(u32::MAX);
        let mut known: Vec<u32> = rows.iter().map(of).collect();
        known.sort_unstable();
        known.dedup();
        let rows_of = vec![0; known.len()];
        let people = known.len();
        let shells = Shells::new(points, rows);
        let mut left = Self { points, shells, person_of, known, rows_of, people };
        for row in rows {
            if let Some(count) = left.count_of(*row) {
                *count += 1;
            }
        }
        left
    }

    fn person(&self, row: u32) -> u32 {
        self.person_of.get(place(row)).copied().unwrap_or(u32::MAX)
    }

    fn count_of(&mut self, row: u32) -> Option<&mut u32> {
        let at = self.known.binary_search(&self.person(row)).ok()?;
        self.rows_of.get_mut(at)
    }

    /// The nearest rows to a row, itself the first, until they are of k people.
    fn around(&self, row: u32, k: usize) -> Vec<u32> {
        self.shells.around((self.points.at(row), Some(row)), |row| self.person(row), k)
    }

    fn take(&mut self, group: Vec<u32>) -> Vec<u32> {
        for row in &group {
            self.shells.take(self.points, *row);
            let was_last = self.count_of(*row).is_some_and(|count| {
                *count = count.saturating_sub(1);
                *count == 0
            });
            self.people = self.people.saturating_sub(usize::from(was_last));
        }
        group
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::{super::shells::squared, *};

    /// MDAV by a look at every row, as the papers write it, for one row a person.
    fn plain(points: &Points, k: usize) -> Vec<BTreeSet<u32>> {
        let mut left: Vec<u32> = (0..).take(points.len()).collect();
        let mut groups = Vec::new();
        let far = |left: &[u32], from: &[f64]| {
            left.iter().copied().reduce(|far, row| {
                if squared(from, points.at(row)) > squared(from, points.at(far)) {
                    row
                } else {
                    far
                }
            })
        };
        let around = |left: &mut Vec<u32>, row: u32| -> BTreeSet<u32> {
            let from = points.at(row);
            left.sort_by(|a, b| {
                (squared(from, points.at(*a)), *a != row)
                    .partial_cmp(&(squared(from, points.at(*b)), *b != row))
                    .unwrap()
            });
            let group = left.drain(..k).collect();
            left.sort_unstable();
            group
        };
        while left.len() >= 3 * k {
            let first = far(&left, &middle(points, &left)).unwrap();
            groups.push(around(&mut left, first));
            let second = far(&left, points.at(first)).unwrap();
            groups.push(around(&mut left, second));
        }
        if left.len() >= 2 * k {
            let first = far(&left, &middle(points, &left)).unwrap();
            groups.push(around(&mut left, first));
        }
        groups.push(left.into_iter().collect());
        groups
    }

    fn sets(of_row: &[u32]) -> BTreeSet<BTreeSet<u32>> {
        let mut sets = BTreeMap::<u32, BTreeSet<u32>>::new();
        for (row, group) in (0..).zip(of_row) {
            sets.entry(*group).or_default().insert(row);
        }
        sets.into_values().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn one_row_a_person_is_mdav_as_it_was_published(
            numbers in proptest::collection::vec(-1e3_f64..1e3, 30..600), k in 2_usize..8,
        ) {
            let points = Points::new(3, numbers[..numbers.len() / 3 * 3].to_vec());
            prop_assume!(points.len() >= k);
            let people: Vec<u32> = (0..).take(points.len()).collect();
            let found = sets(&groups(&points, &people, k).unwrap());
            prop_assert_eq!(&found, &plain(&points, k).into_iter().collect());
            prop_assert!(found.iter().all(|group| (k..2 * k).contains(&group.len())));
        }

        #[test]
        fn every_group_has_k_people_however_many_rows_they_have(
            rows in proptest::collection::vec((0_u32..12, -3_i8..3), 1..150),
            k in 2_usize..6, block in 4_usize..200,
        ) {
            let points = Points::new(1, rows.iter().map(|(_, at)| f64::from(*at)).collect());
            let people: Vec<u32> = rows.iter().map(|(person, _)| *person).collect();
            let all = people.iter().collect::<BTreeSet<_>>().len();
            match grouped(&points, &people, k, block) {
                None => prop_assert!(all < k || block < rows.len(), "there were k people, and no group"),
                Some(of_row) => {
                    prop_assert!(of_row.iter().all(|group| *group != u32::MAX), "a row has no group");
                    for group in sets(&of_row) {
                        let own: BTreeSet<u32> = group.iter().map(|row| people[place(*row)]).collect();
                        prop_assert!(own.len() >= k, "a group of fewer than k people");
                    }
                }
            }
        }
    }
}
