//! Points in shells around their middle, from which they are taken one by one: who is nearest, who is
//! farthest, where the middle of those that are left lies.
//!
//! Comes in: [`Points`]. Goes out: rows. Never: an answer that depends on how rows lie in memory; of
//! rows at the same distance the first of the table is meant.
//!
//! Rows are sorted by their distance from a centre, the farthest first. Two rows are at least as far
//! apart as their distances from the centre differ, and at most as far as these add up to, so a search
//! ends at the first shell that cannot change its answer; at worst it looks at every row.

use std::collections::BTreeSet;

/// What rounding may take from a bound: bounds are widened by so much, so that none ends a search
/// too early.
const SLACK: f64 = 1.0 + 1e-9;

/// Rows as points: so many numbers a row, one row after the other.
#[derive(Debug)]
pub(super) struct Points {
    width: usize,
    numbers: Vec<f64>,
}

impl Points {
    /// Makes points of `width` numbers each.
    pub(super) fn new(width: usize, numbers: Vec<f64>) -> Self {
        Self { width: width.max(1), numbers }
    }

    /// Returns how many points there are.
    pub(super) fn len(&self) -> usize {
        self.numbers.len() / self.width
    }

    /// Returns the numbers of a row.
    pub(super) fn at(&self, row: u32) -> &[f64] {
        let start = place(row).saturating_mul(self.width);
        self.numbers.get(start..start.saturating_add(self.width)).unwrap_or_default()
    }

    /// Returns the number along which some rows lie farthest apart.
    pub(super) fn widest(&self, rows: &[u32]) -> usize {
        let span = |at: usize| {
            let numbers = rows.iter().filter_map(|row| self.at(*row).get(at));
            let ends = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), number| {
                (low.min(*number), high.max(*number))
            });
            ends.1 - ends.0
        };
        (1..self.width).fold(0, |widest, at| if span(at) > span(widest) { at } else { widest })
    }

    /// Puts the lower half of some rows, by one of their numbers, before the upper half.
    pub(super) fn halve<'r>(
        &self,
        rows: &'r mut [u32],
        along: usize,
    ) -> (&'r mut [u32], &'r mut [u32]) {
        let number = |row: u32| self.at(row).get(along).copied().unwrap_or_default();
        let middle = rows.len() / 2;
        if middle > 0 {
            rows.select_nth_unstable_by(middle, |a, b| {
                number(*a).total_cmp(&number(*b)).then(a.cmp(b))
            });
        }
        rows.split_at_mut(middle)
    }
}

/// Rows that are left, in shells.
#[derive(Debug)]
pub(super) struct Shells {
    width: usize,
    centre: Vec<f64>,
    /// By distance from the centre, the farthest first.
    sorted: Vec<Shell>,
    /// The numbers of the rows, in the same order.
    numbers: Vec<f64>,
    /// Where each row that is left stands in `sorted`.
    places: Vec<usize>,
    /// The sum of the rows that are left.
    sums: Vec<f64>,
    left: usize,
}

#[derive(Debug, Clone, Copy)]
struct Shell {
    radius: f64,
    row: u32,
    is_taken: bool,
}

impl Shells {
    /// Sorts some rows into shells.
    pub(super) fn new(points: &Points, rows: &[u32]) -> Self {
        let mut shells = Self {
            width: points.width,
            centre: Vec::new(),
            sorted: Vec::new(),
            numbers: Vec::new(),
            places: vec![usize::MAX; points.len()],
            sums: Vec::new(),
            left: 0,
        };
        shells.sort(points, rows);
        shells
    }

    fn sort(&mut self, points: &Points, rows: &[u32]) {
        self.left = rows.len();
        self.sums = vec![0.0; self.width];
        for row in rows {
            self.sums.iter_mut().zip(points.at(*row)).for_each(|(sum, number)| *sum += number);
        }
        self.centre = self.middle();
        let shell = |row: &u32| {
            let radius = squared(&self.centre, points.at(*row)).sqrt();
            Shell { radius, row: *row, is_taken: false }
        };
        self.sorted = rows.iter().map(shell).collect();
        self.sorted.sort_unstable_by(|a, b| b.radius.total_cmp(&a.radius).then(a.row.cmp(&b.row)));
        self.numbers.clear();
        for (at, shell) in self.sorted.iter().enumerate() {
            self.numbers.extend_from_slice(points.at(shell.row));
            if let Some(own) = self.places.get_mut(place(shell.row)) {
                *own = at;
            }
        }
    }

    /// Returns how many rows are left.
    pub(super) fn len(&self) -> usize {
        self.left
    }

    /// Returns the rows that are left, in the order of the table.
    pub(super) fn rows(&self) -> Vec<u32> {
        let left = self.sorted.iter().filter(|shell| !shell.is_taken);
        let mut rows: Vec<u32> = left.map(|shell| shell.row).collect();
        rows.sort_unstable();
        rows
    }

    /// Returns the mean of the rows that are left.
    pub(super) fn middle(&self) -> Vec<f64> {
        let count = count(self.left.max(1));
        self.sums.iter().map(|sum| sum / count).collect()
    }

    /// Returns the row farthest from a point.
    pub(super) fn farthest(&self, point: &[f64]) -> Option<u32> {
        let own = squared(&self.centre, point).sqrt();
        let mut best: Option<(f64, u32)> = None;
        for (shell, numbers) in self.sorted.iter().zip(self.numbers.chunks_exact(self.width)) {
            if best.is_some_and(|(far, _)| square(own + shell.radius) * SLACK < far) {
                break;
            }
            if shell.is_taken {
                continue;
            }
            let distance = squared(point, numbers);
            let is_better = best.is_none_or(|(far, first)| {
                distance > far || (distance >= far && shell.row < first)
            });
            if is_better {
                best = Some((distance, shell.row));
            }
        }
        best.map(|(_, row)| row)
    }

    /// Returns the rows nearest to a point, the nearest first, until they are of k people. The row
    /// that lies at the point, if one is named, comes before others that lie there too.
    pub(super) fn around(
        &self,
        (point, own): (&[f64], Option<u32>),
        person: impl Fn(u32) -> u32,
        k: usize,
    ) -> Vec<u32> {
        let radius = squared(&self.centre, point).sqrt();
        let mut met = Met { k, people: Vec::with_capacity(k + 1) };
        let mut near: Vec<(f64, u32)> = Vec::new();
        // Looks at one shell; `false` where no row on its side can be near enough.
        let mut look = |shell: &Shell, numbers: &[f64]| {
            let reach = met.reach();
            if square(shell.radius - radius) > reach * SLACK {
                return false;
            }
            if !shell.is_taken {
                let is_own = own == Some(shell.row);
                let distance = if is_own { -1.0 } else { squared(point, numbers) };
                if distance <= reach {
                    near.push((distance, shell.row));
                    met.meet(distance, person(shell.row));
                }
            }
            true
        };
        let middle = self.sorted.partition_point(|shell| shell.radius > radius);
        let (outer, inner) = self.sorted.split_at(middle);
        let (outer_numbers, inner_numbers) = self.numbers.split_at(middle * self.width);
        let mut outer = outer.iter().zip(outer_numbers.chunks_exact(self.width)).rev();
        let mut inner = inner.iter().zip(inner_numbers.chunks_exact(self.width));
        let (mut goes_out, mut goes_in) = (true, true);
        while goes_out || goes_in {
            goes_out =
                goes_out && outer.next().is_some_and(|(shell, numbers)| look(shell, numbers));
            goes_in = goes_in && inner.next().is_some_and(|(shell, numbers)| look(shell, numbers));
        }
        near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut people = BTreeSet::new();
        let needed = near.iter().take_while(|(_, row)| {
            let is_needed = people.len() < k;
            people.insert(person(*row));
            is_needed
        });
        needed.map(|(_, row)| *row).collect()
    }

    /// Takes a row out.
    pub(super) fn take(&mut self, points: &Points, row: u32) {
        let Some(at) = self.places.get_mut(place(row)) else { return };
        let at = std::mem::replace(at, usize::MAX);
        let Some(shell) = self.sorted.get_mut(at) else { return };
        shell.is_taken = true;
        self.left -= 1;
        self.sums.iter_mut().zip(points.at(row)).for_each(|(sum, number)| *sum -= number);
        // Sorted anew when an eighth was taken: the centre follows the middle, sums do not drift, and
        // searches step over few rows that were taken.
        if (self.sorted.len() - self.left) * 8 > self.sorted.len() {
            let rows = self.rows();
            self.sort(points, &rows);
        }
    }
}

/// The nearest row of each of the k people that were met nearest, by distance.
struct Met {
    k: usize,
    people: Vec<(f64, u32)>,
}

impl Met {
    /// How far a row may lie that is still needed.
    fn reach(&self) -> f64 {
        let last = self.k.checked_sub(1).and_then(|last| self.people.get(last));
        last.map_or(f64::INFINITY, |(distance, _)| *distance)
    }

    fn meet(&mut self, distance: f64, person: u32) {
        if let Some(known) = self.people.iter().position(|(_, known)| *known == person) {
            if self.people.get(known).is_some_and(|(nearer, _)| *nearer <= distance) {
                return;
            }
            self.people.remove(known);
        }
        let at = self.people.partition_point(|(nearer, _)| *nearer <= distance);
        self.people.insert(at, (distance, person));
        self.people.truncate(self.k);
    }
}

/// The squared distance of two points.
pub(super) fn squared(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| square(a - b)).sum()
}

fn square(number: f64) -> f64 {
    number * number
}

/// A row as a place in a list.
pub(super) fn place(row: u32) -> usize {
    usize::try_from(row).unwrap_or(usize::MAX)
}

/// A count as a number to divide by.
#[expect(clippy::cast_precision_loss, reason = "rows are under 2^53")]
pub(super) fn count(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_shells_answer_as_a_look_at_every_row_does(
            numbers in proptest::collection::vec(-4_i8..4, 2..240),
            taken in proptest::collection::vec(0_u32..120, 0..60),
            at in (-5_i8..5, -5_i8..5),
        ) {
            let numbers: Vec<f64> = numbers.iter().map(|n| f64::from(*n)).collect();
            let points = Points::new(2, numbers[..numbers.len() / 2 * 2].to_vec());
            let all: Vec<u32> = (0..).take(points.len()).collect();
            let mut shells = Shells::new(&points, &all);
            for row in &taken {
                shells.take(&points, *row);
            }
            let left: Vec<u32> = all.into_iter().filter(|row| !taken.contains(row)).collect();
            let point = [f64::from(at.0), f64::from(at.1)];
            let mut sorted = left.clone();
            sorted.sort_by(|a, b| {
                squared(&point, points.at(*a)).total_cmp(&squared(&point, points.at(*b)))
            });
            let near = |k| shells.around((&point, None), |row| row % 5, k);
            prop_assert_eq!(near(6), sorted.clone(), "not by distance");
            let mut people = BTreeSet::new();
            let first = sorted.iter().position(|row| people.insert(row % 5) && people.len() == 3);
            prop_assert_eq!(near(3), sorted[..first.map_or(sorted.len(), |at| at + 1)].to_vec());
            let far = left.iter().copied().reduce(|far, row| {
                if squared(&point, points.at(row)) > squared(&point, points.at(far)) { row } else { far }
            });
            prop_assert_eq!(shells.farthest(&point), far, "another row is farther");
            prop_assert_eq!(shells.rows(), left.clone(), "a row that was taken is still there");
            let sum: f64 = left.iter().map(|row| points.at(*row)[0]).sum();
            if !left.is_empty() {
                prop_assert!((shells.middle()[0] * count(left.len()) - sum).abs() < 1e-9, "the middle drifted");
            }
        }
    }
}
