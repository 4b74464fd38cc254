//! A rule: what must hold of a table's rows, how bad it is where it does not, and what follows.
//!
//! Comes in: rule files, by `read`. Goes out: [`Rules`] that fit a pipeline's schemas.
//! Never: a rule on a column that its table lacks, or of a type that its kind cannot judge.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::kind::{Category, Kind, Relation};
use crate::{
    digest::Sha3Digest,
    fault::{Fault, nearest},
    schema::{ColumnType, TableSchema},
};

/// How bad it is when a rule does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing; it does not weigh in an institution's validity.
    Info,
    /// Worth looking at.
    Warning,
    /// Wrong.
    Error,
    /// So wrong that one failing row stops the run, unless `error_if` says otherwise.
    Fatal,
}

/// From where on a rule's failures count: a share of the rows it looked at, or a number of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Threshold {
    /// This share or more, in millionths (of a drift: its measure); 0 is any failure.
    SharePpm(u64),
    /// This many rows or more.
    Rows(u64),
}

impl Threshold {
    /// Any failing row.
    pub const ANY: Self = Self::SharePpm(0);

    /// Parses `0.01`, `2`, `10 rows`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(rows) = text.strip_suffix(" rows") {
            return rows.parse().ok().map(Self::Rows);
        }
        let (whole, places) = text.split_once('.').unwrap_or((text, ""));
        if places.len() > 6 || !places.bytes().chain(whole.bytes()).all(|b| b.is_ascii_digit()) {
            return None;
        }
        let places: u64 = format!("{places:0<6}").parse().ok()?;
        let whole: u64 = whole.parse().ok()?;
        whole.checked_mul(1_000_000)?.checked_add(places).map(Self::SharePpm)
    }

    /// Says whether so many failing rows of so many reach it.
    pub fn reached(self, failing: u64, rows: u64) -> bool {
        match self {
            Self::SharePpm(ppm) => {
                failing > 0 && u128::from(failing) * 1_000_000 >= u128::from(rows) * u128::from(ppm)
            }
            Self::Rows(least) => failing > 0 && failing >= least,
        }
    }

    /// Says whether a measure in millionths reaches it; a number of rows is none of a measure.
    pub fn reached_by(self, measure_ppm: u64) -> bool {
        match self {
            Self::SharePpm(ppm) => measure_ppm > 0 && measure_ppm >= ppm,
            Self::Rows(_) => false,
        }
    }
}

/// Which rows a rule looks at: those of which a column says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scope {
    /// The column.
    pub column: String,
    /// What must be of it.
    pub test: Test,
}

/// What must be of a column for a rule to look at its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Test {
    /// It is one of these.
    Is(Vec<String>),
    /// It is none of these, or empty.
    Not(Vec<String>),
    /// It holds a value, or (`false`) it does not.
    Filled(bool),
}

/// A column that a rule needs, the types it takes there, and where the rule says so.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Use {
    pub(super) table: String,
    pub(super) column: String,
    pub(super) takes: &'static [ColumnType],
    pub(super) span: Range<usize>,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name: what a quarantined row bears.
    pub name: Arc<str>,
    /// Why it is asked, for people.
    pub description: Option<String>,
    /// The table whose rows it judges.
    pub table: String,
    /// What must hold.
    pub(super) kind: Kind,
    /// Which rows it looks at; all where none.
    pub scope: Option<Scope>,
    /// How bad it is.
    pub severity: Severity,
    /// From where on it is told.
    pub warn_if: Threshold,
    /// From where on it stops the run.
    pub error_if: Option<Threshold>,
    /// Whether failing rows go to quarantine instead of on.
    pub reject: bool,
    pub(super) uses: Vec<Use>,
    pub(super) span: Range<usize>,
}

impl Rule {
    /// Returns the columns of its own table that it judges, in the order of the rule.
    pub fn columns(&self) -> Vec<String> {
        self.kind.columns()
    }

    /// Returns the word for its kind.
    pub fn kind(&self) -> &'static str {
        self.kind.word()
    }

    /// Returns Kahn's category of it.
    pub fn category(&self) -> Category {
        self.kind.category()
    }

    /// Says whether every table that it needs is among these.
    pub(super) fn applies(&self, schemas: &[Arc<TableSchema>]) -> bool {
        let there = |table: &str| schemas.iter().any(|schema| schema.table == table);
        there(&self.table) && self.uses.iter().all(|needed| there(&needed.table))
    }
}

/// One file of rules.
#[derive(Debug, Clone)]
pub struct RuleSet {
    /// Its rules, in order.
    pub rules: Vec<Rule>,
    /// The digest of its text.
    pub digest: Sha3Digest,
    /// Its file.
    pub file: PathBuf,
    pub(super) text: Arc<str>,
}

impl RuleSet {
    fn fault(&self, span: Range<usize>, message: String) -> Fault {
        Fault::new(&self.file, &self.text, span, message)
    }
}

/// The rules of a pipeline.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    sets: Vec<RuleSet>,
}

impl Rules {
    /// Takes in a file of rules.
    pub fn add(&mut self, file: &Path, text: &str) -> Result<(), Vec<Fault>> {
        let set = RuleSet::read(file, text)?;
        let mut faults = Vec::new();
        for rule in &set.rules {
            if self.iter().any(|other| other.name == rule.name) {
                let message = format!("another file has a rule `{}`", rule.name);
                faults.push(set.fault(rule.span.clone(), message));
            }
        }
        self.sets.push(set);
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Returns the rules, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.sets.iter().flat_map(|set| &set.rules)
    }

    /// Returns the files.
    pub fn sets(&self) -> &[RuleSet] {
        &self.sets
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// Checks every rule against the schemas of a pipeline, and returns all faults. A rule of a
    /// table that the pipeline does not read is left alone: ready sets serve many pipelines.
    pub fn check(&self, schemas: &[Arc<TableSchema>]) -> Vec<Fault> {
        let mut faults = Vec::new();
        for set in &self.sets {
            for rule in set.rules.iter().filter(|rule| rule.applies(schemas)) {
                for needed in &rule.uses {
                    let schema = schemas.iter().find(|schema| schema.table == needed.table);
                    let Some(schema) = schema else { continue };
                    faults.extend(fits(set, schema, needed));
                }
                if let Some((one, other)) = unlike(rule, schemas) {
                    let message = format!(
                        "a column of type `{}` cannot be held against one of type `{}`",
                        one.word(),
                        other.word()
                    );
                    faults.push(set.fault(rule.span.clone(), message));
                }
            }
        }
        faults
    }
}

/// The types of two columns that a rule compares and that cannot be compared.
fn unlike(rule: &Rule, schemas: &[Arc<TableSchema>]) -> Option<(ColumnType, ColumnType)> {
    let kind_of = |table: &str, column: &str| {
        let schema = schemas.iter().find(|schema| schema.table == table)?;
        schema.columns.get(schema.column(column)?).map(|column| column.kind)
    };
    let (one, other) = if let Kind::ForeignKey { column, to } = &rule.kind {
        (kind_of(&rule.table, column)?, kind_of(&to.table, &to.column)?)
    } else if let Kind::Consistency {
        first,
        second,
        relation: Relation::Equal | Relation::AtMost,
    } = &rule.kind
    {
        (kind_of(&rule.table, first)?, kind_of(&rule.table, second)?)
    } else {
        return None;
    };
    (one != other).then_some((one, other))
}

fn fits(set: &RuleSet, schema: &TableSchema, needed: &Use) -> Option<Fault> {
    let Some(column) = schema.column(&needed.column).and_then(|at| schema.columns.get(at)) else {
        let message = format!("`{}` declares no column `{}`", schema.table, needed.column);
        let fault = set.fault(needed.span.clone(), message);
        let known = schema.columns.iter().map(|column| column.name.as_str());
        return Some(match nearest(&needed.column, known) {
            Some(meant) => fault.hint(format!("did you mean `{meant}`?")),
            None => fault,
        });
    };
    if needed.takes.contains(&column.kind) {
        return None;
    }
    let words: Vec<String> = needed.takes.iter().map(|kind| format!("`{}`", kind.word())).collect();
    let message = format!("`{}` is of type `{}`", needed.column, column.kind.word());
    let fault = set.fault(needed.span.clone(), message);
    Some(fault.hint(format!("the rule takes {}", words.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_exact_and_zero_means_any() {
        let one = Threshold::parse("0.01").unwrap();
        assert!(one.reached(1, 100), "one of a hundred is one per cent");
        assert!(!one.reached(1, 101));
        assert!(Threshold::parse("0").unwrap().reached(1, u64::MAX));
        assert!(!Threshold::ANY.reached(0, 10), "nothing failing reaches nothing");
        let ten = Threshold::parse("10 rows").unwrap();
        assert!(ten.reached(10, 1_000_000) && !ten.reached(9, 9));
        for text in ["", "-1", "1e3", "0.1234567", "x rows", "ten", "1.-5"] {
            assert_eq!(Threshold::parse(text), None, "{text}");
        }
    }
}
