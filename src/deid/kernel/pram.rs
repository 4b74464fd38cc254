//! The post-randomisation method, PRAM (Gouweleeuw, Kooiman, Willenborg and de Wolf 1998): a code
//! stays with a stated probability, else becomes another of the column's codes, each alike.
//!
//! Comes in: text or `Int64` of a closed list of codes, for each row its person. Goes out: the same
//! type. Never: a code that the list does not have, which becomes nothing; a second draw for the same
//! code of the same person (`kernel::sticky`).
//!
//! It protects by doubt: nobody can say that a row's code is its person's own; of m codes an own one
//! is shown with probability `keep`, any other with (1 - keep) / (m - 1). It costs truth in single
//! rows and precision in counts, not bias: with T the true counts of n rows, the shown count of a code
//! is expected to be T·keep + (n - T)·(1 - keep) / (m - 1), which is stated with the column and solved
//! for T. Tables with other columns are pulled towards independence. Rare codes are the least well
//! kept: among few true ones most of those that are shown came from elsewhere.

use arrow::array::{Int64Array, StringArray};

use super::sticky::{Draw, Sticky};
use crate::deid::Fraction;

/// PRAM of one column.
#[derive(Debug, Clone, PartialEq)]
pub struct Pram {
    /// `table.column`, to which draws stick.
    pub(in crate::deid) stream: String,
    /// How likely a code stays.
    pub(in crate::deid) keep: Fraction,
    /// The codes, in the order of the schema.
    pub(in crate::deid) codes: Vec<String>,
}

impl Pram {
    /// Changes some texts.
    pub(super) fn texts(
        &self,
        values: &StringArray,
        persons: &[u32],
        sticky: &Sticky,
    ) -> StringArray {
        let codes: Vec<&str> = self.codes.iter().map(String::as_str).collect();
        let rows = values.iter().zip(persons);
        rows.map(|(value, person)| {
            let value = value?;
            let draw = sticky.draw(&self.stream, *person, value.as_bytes());
            self.shown(&codes, value, draw)
        })
        .collect()
    }

    /// Changes some integers.
    pub(super) fn integers(
        &self,
        values: &Int64Array,
        persons: &[u32],
        sticky: &Sticky,
    ) -> Int64Array {
        let codes: Vec<i64> = self.codes.iter().filter_map(|code| code.parse().ok()).collect();
        let rows = values.iter().zip(persons);
        rows.map(|(value, person)| {
            let value = value?;
            let draw = sticky.draw(&self.stream, *person, &value.to_be_bytes());
            self.shown(&codes, value, draw)
        })
        .collect()
    }

    fn shown<T: Copy + PartialEq>(&self, codes: &[T], code: T, draw: Draw) -> Option<T> {
        let own = codes.iter().position(|known| *known == code)?;
        if draw.units().0 * 1e6 < f64::from(self.keep.ppm()) {
            return Some(code);
        }
        let other = draw.place(codes.len().saturating_sub(1));
        codes.get(if other < own { other } else { other + 1 }).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::party::ContributorId;

    fn pram(keep: &str) -> Pram {
        let codes = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        Pram { stream: "t.c".to_owned(), keep: Fraction::parse(keep).unwrap(), codes }
    }

    fn people(count: u32) -> (Sticky, Vec<u32>) {
        let roster: Vec<_> =
            (0..count).map(|n| ContributorId::parse(&format!("p{n}")).unwrap()).collect();
        (Sticky::new(&[4; 32], &roster), (0..count).collect())
    }

    #[test]
    fn codes_change_as_often_as_is_stated_and_counts_can_be_solved_for() {
        const ROWS: u32 = 40_000;
        let (sticky, persons) = people(ROWS);
        // 70 % a, 20 % b, 10 % c, no d.
        let truth = |row: u32| match row % 10 {
            0..7 => "a",
            7..9 => "b",
            _ => "c",
        };
        let values = StringArray::from_iter_values((0..ROWS).map(truth));
        let share = |count: usize| f64::from(u32::try_from(count).unwrap()) / f64::from(ROWS);
        let shown = pram("0.8").texts(&values, &persons, &sticky);
        let kept = shown.iter().zip(&values).filter(|(shown, value)| shown == value).count();
        assert!((share(kept) - 0.8).abs() < 0.01, "{kept} stay");
        for (code, true_share) in [("a", 0.7), ("b", 0.2), ("c", 0.1), ("d", 0.0)] {
            let share = share(shown.iter().flatten().filter(|shown| *shown == code).count());
            let expected = true_share * 0.8 + (1.0 - true_share) * 0.2 / 3.0;
            assert!((share - expected).abs() < 0.01, "{share} of {code}, {expected} were expected");
            let solved = (share - 0.2 / 3.0) / (0.8 - 0.2 / 3.0);
            assert!((solved - true_share).abs() < 0.015, "{code} is solved to be {solved}");
        }
    }

    #[test]
    fn nothing_stays_nothing_and_no_foreign_code_passes() {
        let (sticky, persons) = people(3);
        let values = StringArray::from(vec![None, Some("x"), Some("a")]);
        let shown = pram("1").texts(&values, &persons, &sticky);
        assert_eq!(shown.iter().collect::<Vec<_>>(), [None, None, Some("a")]);
        let numbers = Pram { codes: vec!["1".to_owned(), "2".to_owned()], ..pram("0") };
        let shown =
            numbers.integers(&Int64Array::from(vec![Some(1), Some(2), None]), &persons, &sticky);
        assert_eq!(shown.iter().collect::<Vec<_>>(), [Some(2), Some(1), None], "0 keeps none");
    }

    #[test]
    fn a_person_who_says_the_same_twice_is_met_by_the_same_code() {
        let (sticky, _) = people(50);
        for person in 0..50 {
            let values = StringArray::from(vec!["b"; 5]);
            let shown = pram("0.5").texts(&values, &[person; 5], &sticky);
            assert!(
                shown.iter().all(|code| code == Some(shown.value(0))),
                "many rows tell the truth"
            );
        }
    }
}
