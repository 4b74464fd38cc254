//! Hierarchies by rule: what stands above a value follows from the value itself.
//!
//! Comes in: a rule's settings, the distinct values of a column. Goes out: a [`Hierarchy`] of those
//! values, whose last level is always `*`. Never: a value that a rule does not understand given a
//! label; nothing stands for nothing, up to `*`.

use std::collections::BTreeSet;

use super::{
    Defect, Hierarchy,
    code::System,
    date::{Span, spans},
    interval::widths,
    prefix::lengths,
};

/// The label of all values.
pub const ALL: &str = "*";

/// How labels follow from values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// The first so many characters: [5, 3, 1].
    Prefix(Vec<usize>),
    /// Intervals of numbers, each as wide: [5, 10, 20].
    Widths(Vec<u32>),
    /// Spans of the calendar.
    Dates(Vec<Span>),
    /// The levels of a code system.
    Codes(System),
}

/// Why a rule is none, or why it does not suit a column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A rule without a level.
    #[error("a rule without a level")]
    NoLevel,
    /// A level that is no coarsening of the one before, counted from 1.
    #[error("level {level}: {wanted}")]
    Level {
        /// The level.
        level: usize,
        /// What it must be.
        wanted: &'static str,
    },
    /// Values that the rule does not understand.
    #[error("column `{column}` has {values} values that are not {wanted}")]
    Values {
        /// The column.
        column: String,
        /// How many distinct ones.
        values: usize,
        /// What they should be.
        wanted: &'static str,
    },
    /// There is nothing to build of, or too much.
    #[error("column `{column}`")]
    Defect {
        /// The column.
        column: String,
        /// What is wrong.
        source: Defect,
    },
}

impl Rule {
    /// Makes a rule of prefixes, the longest first.
    pub fn prefix(keep: &[usize]) -> Result<Self, RuleError> {
        lengths(keep).map(|()| Self::Prefix(keep.to_vec()))
    }

    /// Makes a rule of intervals, the narrowest first; each width is a multiple of the one before.
    pub fn widths(all: &[u32]) -> Result<Self, RuleError> {
        widths(all).map(|()| Self::Widths(all.to_vec()))
    }

    /// Makes a rule of the calendar, the shortest span first.
    pub fn dates(all: &[Span]) -> Result<Self, RuleError> {
        spans(all).map(|()| Self::Dates(all.to_vec()))
    }

    /// Builds the hierarchy of a column's distinct values.
    pub fn hierarchy(
        &self,
        column: &str,
        values: &BTreeSet<String>,
    ) -> Result<Hierarchy, RuleError> {
        let leaves: Vec<Option<Vec<String>>> =
            values.iter().map(|value| self.leaf(value)).collect();
        let strange = leaves.iter().filter(|leaf| leaf.is_none()).count();
        if strange > 0 {
            let column = column.to_owned();
            return Err(RuleError::Values { column, values: strange, wanted: self.wanted() });
        }
        let defect = |(_, source)| RuleError::Defect { column: column.to_owned(), source };
        Hierarchy::of_leaves(column, leaves.into_iter().flatten()).map_err(defect)
    }

    /// Returns how many levels its hierarchies have, level 0 counted.
    pub fn height(&self) -> usize {
        let between = match self {
            Self::Prefix(keep) => keep.len(),
            Self::Widths(widths) => widths.len(),
            Self::Dates(spans) => spans.len(),
            Self::Codes(system) => system.levels(),
        };
        between + 2
    }

    /// Returns a value with its label at each level above, `*` last.
    fn leaf(&self, value: &str) -> Option<Vec<String>> {
        let above = if value.is_empty() {
            vec![String::new(); self.height() - 2]
        } else {
            match self {
                Self::Prefix(keep) => super::prefix::labels(value, keep),
                Self::Widths(widths) => super::interval::labels(value, widths)?,
                Self::Dates(spans) => super::date::labels(value, spans)?,
                Self::Codes(system) => system.labels(value)?,
            }
        };
        let mut leaf = vec![value.to_owned()];
        leaf.extend(above);
        leaf.push(ALL.to_owned());
        Some(leaf)
    }

    fn wanted(&self) -> &'static str {
        match self {
            Self::Prefix(_) => "texts",
            Self::Widths(_) => "numbers",
            Self::Dates(_) => "dates like 2026-11-26, 2026-11 or 2026",
            Self::Codes(system) => system.wanted(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(all: &[&str]) -> BTreeSet<String> {
        all.iter().map(|&value| value.to_owned()).collect()
    }

    fn rules() -> [Rule; 5] {
        [
            Rule::prefix(&[5, 3, 1]).unwrap(),
            Rule::widths(&[5, 10, 20]).unwrap(),
            Rule::dates(&[Span::Month, Span::Quarter, Span::Year, Span::Decade]).unwrap(),
            Rule::Codes(System::Icd10),
            Rule::Codes(System::Atc),
        ]
    }

    #[test]
    fn nothing_stands_for_nothing_until_everything_does() {
        for rule in rules() {
            let hierarchy = rule.hierarchy("c", &values(&[""])).unwrap();
            assert_eq!(hierarchy.height(), rule.height());
            let top = hierarchy.height() - 1;
            assert_eq!(hierarchy.label(top, 0), Some("*"), "the last level is not all values");
            assert!((0..top).all(|level| hierarchy.label(level, 0) == Some("")));
        }
    }

    #[test]
    fn a_value_that_is_not_understood_is_counted_and_never_told() {
        let error = Rule::Codes(System::Atc).hierarchy("drug", &values(&["A10BA02", "CANARY"]));
        let told = error.unwrap_err().to_string();
        assert_eq!(told, "column `drug` has 1 values that are not ATC codes like A10BA02");
    }

    proptest! {
        #[test]
        fn whatever_a_rule_takes_it_makes_a_hierarchy_of(
            texts in prop::collection::btree_set("[A-Z0-9.]{0,7}", 1..40),
            numbers in prop::collection::btree_set(-1000_i32..1000, 1..40),
            days in prop::collection::btree_set(0_i64..80_000, 1..40),
        ) {
            let [prefix, widths, dates, _, _] = rules();
            prop_assert!(prefix.hierarchy("c", &texts).is_ok(), "prefixes are no coarsening");
            let numbers = numbers.iter().map(ToString::to_string).collect();
            prop_assert!(widths.hierarchy("c", &numbers).is_ok(), "intervals are no coarsening");
            let day = |day: &i64| crate::instant::Instant::from_unix(day * 86_400).unwrap().date();
            let days = days.iter().map(|one| day(one).to_string()).collect();
            prop_assert!(dates.hierarchy("c", &days).is_ok(), "spans are no coarsening");
        }
    }
}
