//! The kinds of rules and their parameters; each is of one of Kahn's categories.
//!
//! Cells that are empty: `primary-key` and `required` fail them, `duplicates` takes two empty cells
//! as equal, `missing-share`, `drift` and `row-count` count them; every other kind leaves a row
//! alone whose cells it would need are empty.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// Kahn's category of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// Written as agreed.
    Conformance,
    /// There.
    Completeness,
    /// Able to be true.
    Plausibility,
}

/// A column of another table, found by the person or by a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The table.
    pub(super) table: String,
    /// The column.
    pub(super) column: String,
}

/// A bound of a range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bound {
    /// Of a number.
    Number(f64),
    /// Of a date or timestamp: this day.
    Day(NaiveDate),
}

/// A range of one unit, and of one code where it names one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct UnitRange {
    /// The unit, as its column holds it.
    pub(super) unit: String,
    /// The code of what was measured.
    pub(super) code: Option<String>,
    /// The least value.
    pub(super) min: Option<f64>,
    /// The greatest value.
    pub(super) max: Option<f64>,
}

/// The units that a code may be measured in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CodeUnits {
    /// The code.
    pub(super) code: String,
    /// Its units.
    pub(super) units: Vec<String>,
}

/// How two columns must stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// The same value.
    Equal,
    /// The first is not greater.
    AtMost,
    /// Both are filled or neither.
    Together,
    /// Where the first is filled, so is the second.
    Implies,
}

/// What must hold of a table's rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// The columns hold a value each, and no earlier row has the same ones.
    PrimaryKey { columns: Vec<String> },
    /// Some row of the other table has the value.
    ForeignKey { column: String, to: Target },
    /// Each column holds a value.
    Required { columns: Vec<String> },
    /// The value is one of these.
    AllowedCodes { column: String, codes: Vec<String> },
    /// The value lies within the bounds.
    Range { column: String, min: Option<Bound>, max: Option<Bound> },
    /// The value lies within the bounds of its unit (and code).
    RangeByUnit { column: String, unit: String, code: Option<String>, ranges: Vec<UnitRange> },
    /// The unit is one that its code is measured in.
    UnitsOfCode { column: String, code: String, units: Vec<CodeUnits> },
    /// The whole text has the form.
    Pattern { column: String, pattern: String },
    /// No earlier row has the same values; a row with an empty cell among them is left alone.
    UniqueShare { columns: Vec<String> },
    /// No earlier row has the same cells.
    Duplicates { columns: Vec<String> },
    /// The day lies between the person's birth and death.
    DuringLife { column: String, birth: Target, death: Option<Target>, grace_days: i64 },
    /// The day lies not after the person's death.
    BeforeDeath { column: String, death: Target, grace_days: i64 },
    /// The first is not later than the second.
    TemporalOrder { first: String, second: String },
    /// The second is so many days after the first.
    Duration { first: String, second: String, min_days: Option<f64>, max_days: Option<f64> },
    /// The day lies within the span of the row that it refers to, such as a visit.
    WithinSpan {
        column: String,
        by: String,
        of: Target,
        from: String,
        until: String,
        grace_days: i64,
    },
    /// A code of one sex stands with people of that sex.
    SexSpecificCodes {
        column: String,
        codes: Vec<String>,
        prefixes: Vec<String>,
        sex: Target,
        is: Vec<String>,
    },
    /// The day is not after the day of the run.
    NotFuture { column: String },
    /// No person has more rows.
    RowsPerPerson { max: u32 },
    /// The two columns stand in this relation.
    Consistency { first: String, second: String, relation: Relation },
    /// The share of empty cells did not rise over the previous version's, or over a stated one.
    MissingShare { column: String, baseline_ppm: Option<u64> },
    /// The values are spread as in the previous version: the population stability index.
    Drift { column: String, rows_min: u64 },
    /// The mean is that of the previous version: its move in the standard deviations of then.
    MeanShift { column: String, rows_min: u64 },
    /// There are as many rows as in the previous version: the relative change.
    RowCount { rows_min: u64 },
}

impl Kind {
    /// Returns its word in a rule file.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::PrimaryKey { .. } => "primary-key",
            Self::ForeignKey { .. } => "foreign-key",
            Self::Required { .. } => "required",
            Self::AllowedCodes { .. } => "allowed-codes",
            Self::Range { .. } => "range",
            Self::RangeByUnit { .. } => "range-by-unit",
            Self::UnitsOfCode { .. } => "units-of-code",
            Self::Pattern { .. } => "pattern",
            Self::UniqueShare { .. } => "unique-share",
            Self::Duplicates { .. } => "duplicates",
            Self::DuringLife { .. } => "during-life",
            Self::BeforeDeath { .. } => "before-death",
            Self::TemporalOrder { .. } => "temporal-order",
            Self::Duration { .. } => "duration",
            Self::WithinSpan { .. } => "within-span",
            Self::SexSpecificCodes { .. } => "sex-specific-codes",
            Self::NotFuture { .. } => "not-future",
            Self::RowsPerPerson { .. } => "rows-per-person",
            Self::Consistency { .. } => "consistency",
            Self::MissingShare { .. } => "missing-share",
            Self::Drift { .. } => "drift",
            Self::MeanShift { .. } => "mean-shift",
            Self::RowCount { .. } => "row-count",
        }
    }

    /// Returns Kahn's category.
    pub(super) fn category(&self) -> Category {
        match self {
            Self::PrimaryKey { .. }
            | Self::ForeignKey { .. }
            | Self::AllowedCodes { .. }
            | Self::UnitsOfCode { .. }
            | Self::Pattern { .. } => Category::Conformance,
            Self::Required { .. } | Self::MissingShare { .. } | Self::RowCount { .. } => {
                Category::Completeness
            }
            Self::Range { .. }
            | Self::RangeByUnit { .. }
            | Self::UniqueShare { .. }
            | Self::Duplicates { .. }
            | Self::DuringLife { .. }
            | Self::BeforeDeath { .. }
            | Self::TemporalOrder { .. }
            | Self::Duration { .. }
            | Self::WithinSpan { .. }
            | Self::SexSpecificCodes { .. }
            | Self::NotFuture { .. }
            | Self::RowsPerPerson { .. }
            | Self::Consistency { .. }
            | Self::Drift { .. }
            | Self::MeanShift { .. } => Category::Plausibility,
        }
    }

    /// Says whether it judges a table as a whole, against the previous version, and no single row.
    pub(super) fn is_aggregate(&self) -> bool {
        match self {
            Self::MissingShare { .. }
            | Self::Drift { .. }
            | Self::MeanShift { .. }
            | Self::RowCount { .. } => true,
            Self::PrimaryKey { .. }
            | Self::ForeignKey { .. }
            | Self::Required { .. }
            | Self::AllowedCodes { .. }
            | Self::Range { .. }
            | Self::RangeByUnit { .. }
            | Self::UnitsOfCode { .. }
            | Self::Pattern { .. }
            | Self::UniqueShare { .. }
            | Self::Duplicates { .. }
            | Self::DuringLife { .. }
            | Self::BeforeDeath { .. }
            | Self::TemporalOrder { .. }
            | Self::Duration { .. }
            | Self::WithinSpan { .. }
            | Self::SexSpecificCodes { .. }
            | Self::NotFuture { .. }
            | Self::RowsPerPerson { .. }
            | Self::Consistency { .. } => false,
        }
    }

    /// Returns the columns of its own table that it judges.
    pub(super) fn columns(&self) -> Vec<String> {
        match self {
            Self::PrimaryKey { columns }
            | Self::Required { columns }
            | Self::UniqueShare { columns }
            | Self::Duplicates { columns } => columns.clone(),
            Self::ForeignKey { column, .. }
            | Self::AllowedCodes { column, .. }
            | Self::Range { column, .. }
            | Self::RangeByUnit { column, .. }
            | Self::UnitsOfCode { column, .. }
            | Self::Pattern { column, .. }
            | Self::DuringLife { column, .. }
            | Self::BeforeDeath { column, .. }
            | Self::WithinSpan { column, .. }
            | Self::SexSpecificCodes { column, .. }
            | Self::NotFuture { column }
            | Self::MissingShare { column, .. }
            | Self::Drift { column, .. }
            | Self::MeanShift { column, .. } => vec![column.clone()],
            Self::TemporalOrder { first, second }
            | Self::Duration { first, second, .. }
            | Self::Consistency { first, second, .. } => vec![first.clone(), second.clone()],
            Self::RowsPerPerson { .. } | Self::RowCount { .. } => Vec::new(),
        }
    }

    /// Says why a row fails, in words without a value.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::PrimaryKey { .. } => "an empty key, or that of an earlier row".to_owned(),
            Self::ForeignKey { to, .. } => {
                format!("no row of `{}.{}` has this", to.table, to.column)
            }
            Self::Required { .. } => "empty".to_owned(),
            Self::AllowedCodes { codes, .. } => format!("none of the {} codes", codes.len()),
            Self::Range { .. } => "out of range".to_owned(),
            Self::RangeByUnit { .. } => "out of the range of its unit".to_owned(),
            Self::UnitsOfCode { .. } => "no unit of its code".to_owned(),
            Self::Pattern { .. } => "not of the form".to_owned(),
            Self::UniqueShare { .. } => "the values of an earlier row".to_owned(),
            Self::Duplicates { .. } => "the same as an earlier row".to_owned(),
            Self::DuringLife { .. } => "not between the person's birth and death".to_owned(),
            Self::BeforeDeath { .. } => "after the person's death".to_owned(),
            Self::TemporalOrder { first, second } => format!("`{first}` is later than `{second}`"),
            Self::Duration { .. } => "too short or too long".to_owned(),
            Self::WithinSpan { of, .. } => format!("not within the span of its `{}`", of.table),
            Self::SexSpecificCodes { .. } => "a code of another sex".to_owned(),
            Self::NotFuture { .. } => "after the day of the run".to_owned(),
            Self::RowsPerPerson { max } => format!("a person with more than {max} rows"),
            Self::Consistency { first, second, relation } => match relation {
                Relation::Equal => format!("`{first}` is not `{second}`"),
                Relation::AtMost => format!("`{first}` is more than `{second}`"),
                Relation::Together => format!("`{first}` and `{second}` are not filled together"),
                Relation::Implies => format!("`{first}` is filled and `{second}` is not"),
            },
            Self::MissingShare { .. } => "more is missing than before".to_owned(),
            Self::Drift { .. } => "spread otherwise than before".to_owned(),
            Self::MeanShift { .. } => "another mean than before".to_owned(),
            Self::RowCount { .. } => "other rows than before".to_owned(),
        }
    }
}
