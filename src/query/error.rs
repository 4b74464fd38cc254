//! Why a question has no answer: what and where in its SQL, never what is in the data.

use std::{fmt, time::Duration};

/// A place in the SQL, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no SQL, or names what is not there.
    #[error("the question is not understood: {reason}")]
    Sql {
        /// What the parser or planner said; it has seen the question, never the data.
        reason: String,
    },
    /// The question asks for what does not leave.
    #[error("{what}{} is not answered", place.map(|p| format!(" at {p}")).unwrap_or_default())]
    Refused {
        /// What does not leave.
        what: String,
        /// Where it stands in the SQL.
        place: Option<Place>,
        /// What to do instead.
        hint: Option<String>,
    },
    /// The question needs more memory than it may have.
    #[error("the question needs more than its {} MiB of memory", .0 >> 20)]
    Memory(usize),
    /// The question takes longer than it may.
    #[error("the question takes longer than its {} s", .0.as_secs_f64())]
    Time(Duration),
    /// The answer has more rows than may leave at once.
    #[error("the answer has more than {0} cells")]
    TooManyCells(usize),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// A segment or manifest is not what this version wrote.
    #[error("{0}")]
    Integrity(String),
    /// The usage record does not belong to the answer.
    #[error("the usage record is of another answer")]
    Unrecorded,
    /// The engine failed. What it said may hold a cell's value and is not passed on.
    #[error("the query engine failed while it {doing} ({kind})")]
    Engine {
        /// What it was doing.
        doing: &'static str,
        /// The kind of its error.
        kind: &'static str,
    },
}

impl Error {
    /// Refuses something without a place.
    pub(super) fn refused(what: impl Into<String>, hint: &str) -> Self {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        Self::Refused { what: what.into(), place: None, hint }
    }

    /// Returns what to do next, where that is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Refused { hint, .. } => hint.as_deref(),
            Self::Memory(_) | Self::Time(_) => {
                Some("ask for fewer groups, or put a narrower condition into WHERE")
            }
            Self::TooManyCells(_) => Some("group by fewer or coarser columns"),
            Self::Sql { .. }
            | Self::Store(_)
            | Self::Integrity(_)
            | Self::Unrecorded
            | Self::Engine { .. } => None,
        }
    }
}
