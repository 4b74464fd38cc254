//! What can go wrong with linkage. No variant holds an id, a token or a cell's value.

use crate::{frame, store};

/// Why people cannot be linked, or the index cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// An object's bytes are not those its commit names.
    #[error("`{path}` in the vault is not the object that its linkage commit names")]
    Changed {
        /// The object's path in the vault.
        path: String,
    },
    /// A commit or object holds what this version does not write.
    #[error("`{path}` in the vault is not what this version wrote: {reason}")]
    Format {
        /// The object's path in the vault.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Parquet or Arrow failed.
    #[error("the person index could not be {act}")]
    Arrow {
        /// What was being done: `written` or `read`.
        act: &'static str,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A table could not cross to or from Polars.
    #[error(transparent)]
    Frame(#[from] frame::Error),
    /// Polars could not join the blocks.
    #[error("candidate pairs could not be joined")]
    Join(#[from] polars::error::PolarsError),
    /// More records than an index of 32 bits can tell apart.
    #[error("more records than 4,294,967,294")]
    TooMany,
}

impl Error {
    pub(super) fn format(path: &str, reason: impl Into<String>) -> Self {
        Self::Format { path: path.to_owned(), reason: reason.into() }
    }

    pub(super) fn written(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Arrow { act: "written", source: source.into() }
    }

    pub(super) fn read(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Arrow { act: "read", source: source.into() }
    }
}
