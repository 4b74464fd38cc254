//! What can go wrong with the register. No variant holds a person's id or a cell's value.

use crate::store;

/// Why the register cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// An object's bytes are not those its commit names.
    #[error("`{path}` in the vault is not the object that its consent commit names")]
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
    #[error("events of consent could not be {act}")]
    Arrow {
        /// What was being done: `written` or `read`.
        act: &'static str,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No randomness for a new contributor's key.
    #[error("no randomness for a new contributor's key")]
    Randomness(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// More people than an index of 32 bits can tell apart.
    #[error("the register holds more people than 4,294,967,294")]
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
