//! Rows that do not fit: where they stand and why, ready for the quarantine in the vault.
//!
//! Comes in: faults of rows. Goes out: [`Reject`]s, and one Arrow batch of them.
//! Never: a value.

use std::{fmt, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    error::ArrowError,
};
use serde::{Deserialize, Serialize};

use crate::source::RowFaultKind;

/// The rule that a row breaks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// More or fewer cells than the header.
    Columns,
    /// Bytes that are not UTF-8.
    Encoding,
    /// Not a record of the file's format.
    Syntax,
    /// More bytes than a record or an id may have.
    Length,
    /// An empty cell that must not be.
    Required,
    /// Not a value of the column's type.
    Type,
    /// A value below the least or above the greatest.
    Range,
    /// None of the codes allowed.
    Code,
    /// The key of an earlier row.
    KeyDuplicate,
    /// A reference to a row that is not there.
    ForeignKey,
    /// No FHIR resource, or one without a type or an id.
    Resource,
    /// A rule of quality, by its name.
    Quality(Arc<str>),
}

impl Rule {
    /// Returns its name, as reports write it.
    pub fn name(&self) -> &str {
        match self {
            Self::Columns => "columns",
            Self::Encoding => "encoding",
            Self::Syntax => "syntax",
            Self::Length => "length",
            Self::Required => "required",
            Self::Type => "type",
            Self::Range => "range",
            Self::Code => "code",
            Self::KeyDuplicate => "key-duplicate",
            Self::ForeignKey => "foreign-key",
            Self::Resource => "resource",
            Self::Quality(name) => name,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<RowFaultKind> for Rule {
    fn from(kind: RowFaultKind) -> Self {
        match kind {
            RowFaultKind::Columns => Self::Columns,
            RowFaultKind::Encoding => Self::Encoding,
            RowFaultKind::Syntax => Self::Syntax,
            RowFaultKind::Length => Self::Length,
            RowFaultKind::Resource => Self::Resource,
            RowFaultKind::Value => Self::Type,
        }
    }
}

/// One rejected row, with the first thing that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reject {
    /// The file.
    pub file: Arc<str>,
    /// The line that the row begins on, from 1 (in Parquet, the row).
    pub line: u64,
    /// The column, where one is at fault.
    pub column: Option<String>,
    /// The rule.
    pub rule: Rule,
    /// Why, for people; never the value.
    pub reason: String,
}

/// Returns rejects as one batch with the columns run, file, line, column, rule, reason.
pub fn rejects_batch(run: &str, rejects: &[Reject]) -> Result<RecordBatch, ArrowError> {
    let text = |of: fn(&Reject) -> Option<&str>| -> ArrayRef {
        Arc::new(rejects.iter().map(of).collect::<StringArray>())
    };
    let runs: StringArray = rejects.iter().map(|_| Some(run)).collect();
    let lines: Int64Array =
        rejects.iter().map(|reject| Some(i64::try_from(reject.line).unwrap_or(i64::MAX))).collect();
    RecordBatch::try_from_iter_with_nullable([
        ("run", Arc::new(runs) as ArrayRef, false),
        ("file", text(|reject| Some(&reject.file)), false),
        ("line", Arc::new(lines), false),
        ("column", text(|reject| reject.column.as_deref()), true),
        ("rule", text(|reject| Some(reject.rule.name())), false),
        ("reason", text(|reject| Some(&reject.reason)), false),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_become_rows_with_nulls_only_for_the_column() {
        let reject = Reject {
            file: Arc::from("a.csv"),
            line: 7,
            column: None,
            rule: Rule::KeyDuplicate,
            reason: "the key of line 3".to_owned(),
        };
        let batch = rejects_batch("run-1", &[reject]).unwrap();
        assert_eq!(batch.num_rows(), 1);
        assert_eq!(batch.column(3).null_count(), 1);
        assert_eq!(rejects_batch("run-1", &[]).unwrap().num_rows(), 0);
    }
}
