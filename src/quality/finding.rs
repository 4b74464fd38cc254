//! What came of one rule at one institution, and what an institution's rules come to.

use serde::{Deserialize, Serialize};

use super::{
    kind::Category,
    rule::{Rule, Severity, Threshold},
};

/// What follows from a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The rule holds, or fails too rarely to be told.
    Passed,
    /// There was nothing to judge it by, such as a previous version.
    Unjudged,
    /// It fails often enough to be told.
    Warned,
    /// It fails so often that the run must not go on.
    Stopped,
}

/// Where a failing row stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The file, below the input folder.
    pub file: String,
    /// The line that the row begins on, from 1.
    pub line: u64,
}

/// What a rule on a table as a whole measured, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// How far off it is: what thresholds are held against.
    pub off_ppm: u64,
    /// What was measured now, where that is a share or a count in millions.
    pub now_ppm: Option<u64>,
    /// The same of the previous version.
    pub before_ppm: Option<u64>,
}

/// What came of one rule at one institution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule.
    pub rule: String,
    /// Why it is asked, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its table.
    pub table: String,
    /// The columns it judges.
    pub columns: Vec<String>,
    /// Its kind.
    pub kind: String,
    /// Kahn's category.
    pub category: Category,
    /// How bad it is.
    pub severity: Severity,
    /// Whose rows.
    pub institution: String,
    /// The rows it looked at: those that `where` leaves.
    pub rows: u64,
    /// Those of them that fail (for `missing-share`, those that are empty).
    pub failing: u64,
    /// Their share, in millionths.
    pub share_ppm: u64,
    /// What it measured, for a rule on a table as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<Measure>,
    /// From where on it is told.
    pub warn_if: Threshold,
    /// From where on it stops the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_if: Option<Threshold>,
    /// Whether the failing rows were put into quarantine.
    pub rejects: bool,
    /// What follows.
    pub outcome: Outcome,
    /// The first failing rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first: Vec<Place>,
}

/// How many failing rows a finding points at.
pub(super) const PLACES: usize = 5;

impl Finding {
    /// Makes the finding of a rule that judges rows.
    pub(super) fn of_rows(
        rule: &Rule,
        institution: &str,
        rows: u64,
        failing: u64,
        first: Vec<Place>,
    ) -> Self {
        let mut finding = Self::blank(rule, institution, rows, failing);
        let stops = rule.error_if.is_some_and(|limit| limit.reached(failing, rows));
        finding.outcome = if stops {
            Outcome::Stopped
        } else if rule.warn_if.reached(failing, rows) {
            Outcome::Warned
        } else {
            Outcome::Passed
        };
        finding.first = first;
        finding
    }

    /// Makes the finding of a rule that judges a table as a whole; without a measure it is unjudged.
    pub(super) fn of_table(
        rule: &Rule,
        institution: &str,
        rows: u64,
        failing: u64,
        measure: Option<Measure>,
    ) -> Self {
        let mut finding = Self::blank(rule, institution, rows, failing);
        let off = measure.map(|measure| measure.off_ppm);
        finding.outcome = match off {
            None => Outcome::Unjudged,
            Some(off) if rule.error_if.is_some_and(|limit| limit.reached_by(off)) => {
                Outcome::Stopped
            }
            Some(off) if rule.warn_if.reached_by(off) => Outcome::Warned,
            Some(_) => Outcome::Passed,
        };
        finding.measure = measure;
        finding
    }

    fn blank(rule: &Rule, institution: &str, rows: u64, failing: u64) -> Self {
        Self {
            rule: rule.name.to_string(),
            description: rule.description.clone(),
            table: rule.table.clone(),
            columns: rule.columns(),
            kind: rule.kind().to_owned(),
            category: rule.category(),
            severity: rule.severity,
            institution: institution.to_owned(),
            rows,
            failing,
            share_ppm: share_ppm(failing, rows),
            measure: None,
            warn_if: rule.warn_if,
            error_if: rule.error_if,
            rejects: rule.reject,
            outcome: Outcome::Passed,
            first: Vec::new(),
        }
    }
}

/// The part of a whole in millionths, rounded down; 0 of nothing.
pub(super) fn share_ppm(part: u64, whole: u64) -> u64 {
    let share = (u128::from(part) * 1_000_000).checked_div(u128::from(whole)).unwrap_or(0);
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// How many checks of rows were made at an institution, and how many held: by rules that judge rows
/// and are more than information. Rules that reject do not count: a rejected row already weighs as
/// one that did not conform.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validity {
    /// Rows times rules.
    pub checked: u64,
    /// Those that held.
    pub held: u64,
}

impl Validity {
    pub(super) fn add(&mut self, rule: &Rule, rows: u64, failing: u64) {
        if !rule.reject && rule.severity > Severity::Info {
            self.checked += rows;
            self.held += rows - failing.min(rows);
        }
    }
}
