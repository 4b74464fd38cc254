//! Which cells leave, and how exact: the rules, pure, in one place.
//!
//! 1. A cell of fewer than [`PEOPLE_MIN`] people does not leave, and is not told from an empty one.
//! 2. If exactly one cell of a question is held back, the next smallest is too: otherwise the one
//!    could be had as a total less the rest. This guards one question, not the difference of two;
//!    two cells held back together are still known as a sum, and rounding blurs that.
//! 3. Counts are rounded to the nearest [`COUNT_STEP`], so that the difference of two questions
//!    tells a count of at most a few only with luck.
//! 4. COUNT(x), SUM and AVG need [`PEOPLE_MIN`] people *with a value*, not just in the cell, and
//!    none of them makes more than [`DOMINANCE_MAX`] of the count or of the absolute total.
//! 5. SUM and AVG have three significant digits, and are held back where fewer than
//!    `PEOPLE_MIN - 1` people differ from the least or from the greatest value: then the total
//!    would count the few who do (a column of 0 and 1 is a condition), or tell a value that all
//!    share.
//!
//! Never: MIN, MAX, a quantile, or any figure above that is not made of these.

use super::{
    cells::{Cell, Tally},
    shape::Measure,
};

/// The fewest people a cell may have.
pub const PEOPLE_MIN: u64 = 11;
/// Counts leave as multiples of this.
pub const COUNT_STEP: u64 = 5;
/// The greatest share of a total that one person may make.
pub const DOMINANCE_MAX: f64 = 0.85;
/// How many significant digits a SUM or AVG has.
const DIGITS: usize = 3;
/// How many of the digits of a sum cannot depend on the order of its terms.
const DIGITS_STABLE: usize = 12;

/// One value of a cell, as it leaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shown {
    /// A rounded count.
    Count(u64),
    /// A rounded number.
    Number(f64),
    /// There is no value to sum.
    Nothing,
    /// Held back.
    Withheld,
}

/// Says of each cell whether it leaves.
pub(super) fn released(cells: &[&Cell]) -> Vec<bool> {
    let mut released: Vec<bool> = cells.iter().map(|cell| cell.people >= PEOPLE_MIN).collect();
    if released.iter().filter(|shown| !**shown).count() == 1 {
        let next = cells
            .iter()
            .zip(&mut released)
            .filter(|(_, shown)| **shown)
            .min_by_key(|(cell, _)| cell.people);
        if let Some((_, shown)) = next {
            *shown = false;
        }
    }
    released
}

/// Makes one value of a cell that leaves.
pub(super) fn shown(measure: &Measure, cell: &Cell, tally: &Tally) -> Shown {
    let few = (1..PEOPLE_MIN).contains(&tally.people);
    match measure {
        Measure::Rows if dominates(cell.rows_most, cell.rows) => Shown::Withheld,
        Measure::Rows => Shown::Count(step(cell.rows)),
        Measure::People => Shown::Count(step(cell.people)),
        Measure::Count(_) | Measure::Distinct(_) | Measure::Sum(_) | Measure::Average(_) if few => {
            Shown::Withheld
        }
        Measure::Count(_) if dominates(tally.values_most, tally.values) => Shown::Withheld,
        Measure::Count(_) => Shown::Count(step(tally.values)),
        Measure::Distinct(_) => Shown::Count(step(tally.distinct)),
        Measure::Sum(_) | Measure::Average(_) if tally.people == 0 => Shown::Nothing,
        Measure::Sum(_) | Measure::Average(_) if tells_of_few(tally) => Shown::Withheld,
        Measure::Sum(_) => number(tally.sum.value()),
        Measure::Average(_) => number(tally.sum.value() / as_float(tally.values)),
    }
}

fn dominates(most: u64, all: u64) -> bool {
    as_float(most) > DOMINANCE_MAX * as_float(all)
}

fn tells_of_few(tally: &Tally) -> bool {
    let differ = |extreme: Option<(f64, u64)>| {
        extreme.map_or(0, |(_, same)| tally.people.saturating_sub(same))
    };
    let dominated = tally.largest > DOMINANCE_MAX * tally.absolute.value();
    dominated || differ(tally.low) < PEOPLE_MIN - 1 || differ(tally.high) < PEOPLE_MIN - 1
}

fn number(value: f64) -> Shown {
    if !value.is_finite() {
        return Shown::Withheld;
    }
    Shown::Number(significant(significant(value, DIGITS_STABLE), DIGITS))
}

/// Rounds to `digits` significant decimal digits, by way of the decimal text: what leaves is the
/// number that a person would write.
fn significant(value: f64, digits: usize) -> f64 {
    let text = format!("{value:.precision$e}", precision = digits.saturating_sub(1));
    let rounded: f64 = text.parse().unwrap_or(value);
    // No negative zero: it would tell that the sum was below 0.
    if rounded == 0.0 { 0.0 } else { rounded }
}

fn step(count: u64) -> u64 {
    count.saturating_add(COUNT_STEP / 2) / COUNT_STEP * COUNT_STEP
}

#[expect(clippy::cast_precision_loss, reason = "a count beyond 2^53 still has 15 exact digits")]
fn as_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(people: &[u64]) -> Vec<Cell> {
        people.iter().map(|&people| Cell { people, rows: people, ..Cell::default() }).collect()
    }

    fn decide(people: &[u64]) -> Vec<bool> {
        released(&cells(people).iter().collect::<Vec<_>>())
    }

    #[test]
    fn ten_people_do_not_leave_and_eleven_do() {
        assert_eq!(decide(&[10, 9, 11]), [false, false, true]);
        assert_eq!(step(11), 10);
        assert_eq!(step(13), 15);
        assert_eq!(step(0), 0);
    }

    #[test]
    fn one_cell_held_back_takes_the_next_smallest_with_it() {
        assert_eq!(decide(&[500, 10, 30, 12]), [true, false, true, false]);
        assert_eq!(decide(&[10]), [false]);
        assert_eq!(decide(&[11, 12]), [true, true]);
    }

    #[test]
    fn three_digits_leave() {
        assert_eq!(number(123_456.0), Shown::Number(123_000.0));
        assert_eq!(number(-0.012_349), Shown::Number(-0.0123));
        assert_eq!(number(f64::NAN), Shown::Withheld);
        assert_eq!(significant(-1e-300 * 1e-300, 3).to_bits(), 0.0_f64.to_bits());
    }
}
