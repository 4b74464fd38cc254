//! Why statements could not be made.

use std::path::PathBuf;

use crate::{
    bank::PayoutsError,
    consent,
    cover::CoverError,
    digest::CanonicalError,
    lake, money, payee,
    pipeline::{book, fund, settle},
    report::PdfError,
    reward::statement,
    store,
};

/// Why statements could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pools cannot be read.
    #[error(transparent)]
    Fund(#[from] fund::Error),
    /// A settlement cannot be read, or does not come to what was recorded.
    #[error(transparent)]
    Settle(#[from] settle::Error),
    /// The book cannot be read.
    #[error(transparent)]
    Book(#[from] book::Error),
    /// The lake failed.
    #[error(transparent)]
    Lake(#[from] lake::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The consent register cannot be read.
    #[error(transparent)]
    Consent(#[from] consent::Error),
    /// The commits of covers are broken.
    #[error(transparent)]
    Cover(#[from] CoverError),
    /// The lines of an evaluation cannot be read.
    #[error(transparent)]
    Object(#[from] payee::Error),
    /// The payouts cannot be read.
    #[error(transparent)]
    Payouts(#[from] PayoutsError),
    /// The book does not bear an evaluation out.
    #[error("the book has another root than evaluation {commit} of policy `{policy}`, or none")]
    Unbooked {
        /// The policy.
        policy: String,
        /// The commit.
        commit: u64,
    },
    /// A statement cannot be made of its settlement.
    #[error("a statement could not be made")]
    Statement(#[from] statement::Error),
    /// A line cannot be opened.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// A sum does not fit.
    #[error(transparent)]
    Money(#[from] money::Error),
    /// A record is not what this version wrote.
    #[error("`{path}` cannot be read: {reason}")]
    Format {
        /// The object.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The proof of a line does not hold against the settlement's entry in the book.
    #[error("the proof of line {line} of settlement {pool} {period} does not hold")]
    Proof {
        /// The pool.
        pool: String,
        /// The period.
        period: String,
        /// The line's index in the tree.
        line: u64,
    },
    /// A statement could not be written as JSON.
    #[error("a statement could not be written as JSON")]
    Json(#[from] serde_json::Error),
    /// A statement could not be printed.
    #[error("a statement could not be written as PDF")]
    Pdf(#[from] PdfError),
    /// A file could not be written.
    #[error("`{}` cannot be written", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
