//! What is wrong with a ViewDefinition, and with a resource that a view cannot take.
//!
//! Never: a value of a resource in any of them.

use std::fmt;

/// One fault of a ViewDefinition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewFault {
    /// Where it stands: the members from the root, such as `select[0].column[2].path`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl fmt::Display for ViewFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "`{}`: {}", self.path, self.message)
        }
    }
}

/// A ViewDefinition that cannot be run, with every fault found in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewError {
    faults: Vec<ViewFault>,
}

impl ViewError {
    pub(super) fn new(faults: Vec<ViewFault>) -> Self {
        Self { faults }
    }

    /// Returns the faults, in the order of the text; at least one.
    pub fn faults(&self) -> &[ViewFault] {
        &self.faults
    }
}

impl fmt::Display for ViewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the ViewDefinition is invalid")?;
        for fault in &self.faults {
            write!(f, "; {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ViewError {}

/// Why a resource gives no rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Wrong {
    #[error("several values where one is wanted; take `first()`, or make it a collection")]
    Several,
    #[error("{found} where {wanted} is wanted")]
    Type { wanted: &'static str, found: &'static str },
    #[error("an object has no order and no sum; name one of its members")]
    Object,
    #[error("a number with more digits than can be kept exactly")]
    Digits,
    #[error("a division or sum beyond 38 digits")]
    Overflow,
    #[error("what is no date, time or number has no boundary")]
    Boundary,
    #[error("`repeat` stays where it is instead of going down")]
    Repeat,
    #[error("a member given twice")]
    Twice,
    #[error("more than {0} rows of one resource")]
    Rows(usize),
}
