//! Why an act on a policy did not happen.

use std::path::PathBuf;

use crate::{
    consent,
    cover::{CoverError, EnrolmentError, EnrolmentFault, Overflow},
    digest::CanonicalError,
    fault::Fault,
    instant::Instant,
    linkage, money, payee,
    pipeline::{book, fund, settle, spec},
    reward::PoolId,
    schema, site, source, store,
};

/// Why an act on a policy did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The site failed, or somebody else committed first.
    #[error(transparent)]
    Site(#[from] site::Error),
    /// The commits of covers are broken.
    #[error(transparent)]
    Cover(#[from] CoverError),
    /// An object of the vault is broken.
    #[error(transparent)]
    Object(#[from] payee::Error),
    /// The pools cannot be read.
    #[error(transparent)]
    Fund(#[from] fund::Error),
    /// A policy's file is not there or not text.
    #[error("`{}` cannot be read", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A policy's file has faults.
    #[error("policy `{}` has {} fault(s)", file.display(), faults.len())]
    Faults {
        /// The file.
        file: PathBuf,
        /// Each fault, with its place.
        faults: Vec<Fault>,
    },
    /// There is no such policy.
    #[error("no policy `{0}` was opened")]
    Unknown(PoolId),
    /// The policy was opened on other terms.
    #[error("policy `{0}` was opened on other terms")]
    OtherTerms(PoolId),
    /// A pool has the name.
    #[error("`{0}` is the name of a pool: its money would be two pools under one name")]
    IsPool(PoolId),
    /// The reference was used for another payment.
    #[error("policy `{policy}` was funded under the same reference with another amount or sponsor")]
    OtherPayment {
        /// The policy.
        policy: PoolId,
        /// The commit of the other payment.
        commit: u64,
    },
    /// The payment is not one that the policy can take.
    #[error("policy `{0}` takes amounts above zero in its own currency")]
    Amount(PoolId),
    /// A file of people cannot be read at all.
    #[error("`{}` cannot be read", file.display())]
    People {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: EnrolmentError,
    },
    /// More rows are bad than was allowed.
    #[error(
        "`{}`: {} of {rows} rows are bad, more than {rejects_max_ppm} in a million; none was taken",
        file.display(),
        rejects.len()
    )]
    Rejects {
        /// The file.
        file: PathBuf,
        /// The bad rows: their lines, and why.
        rejects: Vec<(u64, EnrolmentFault)>,
        /// All rows.
        rows: u64,
        /// How many were allowed.
        rejects_max_ppm: u32,
    },
    /// The run's instant lies before the newest act.
    #[error("the run's instant {now} lies before the newest act on the policy, {newest}")]
    Clock {
        /// The run's instant.
        now: Instant,
        /// When the newest act was recorded.
        newest: Instant,
    },
    /// The policy cannot be evaluated over the pipeline's tables.
    #[error("{0}")]
    Misfit(String),
    /// No policy was named.
    #[error("pipeline `{0}` names no policy")]
    NoPolicy(String),
    /// What a line should be proved by does not bear it out.
    #[error("a line of policy `{0}` is not borne out by what was recorded")]
    Proof(PoolId),
    /// The folders of institutions cannot be found.
    #[error(transparent)]
    Folders(#[from] spec::Error),
    /// An input cannot be read.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// A file does not fit its schema at all.
    #[error(transparent)]
    Conform(#[from] schema::Error),
    /// The consent register failed.
    #[error(transparent)]
    Consent(#[from] consent::Error),
    /// The person index failed.
    #[error(transparent)]
    Linkage(#[from] linkage::Error),
    /// Who is meant cannot be said.
    #[error(transparent)]
    Person(#[from] super::super::linkage::Error),
    /// The keys of lines cannot be read.
    #[error(transparent)]
    Keys(#[from] settle::Error),
    /// The book cannot answer.
    #[error(transparent)]
    Book(#[from] book::Error),
    /// A sum does not fit.
    #[error(transparent)]
    Sum(#[from] Overflow),
    /// A sum does not fit.
    #[error(transparent)]
    Money(#[from] money::Error),
    /// A value has no canonical bytes.
    #[error("a digest could not be made")]
    Canonical(#[from] CanonicalError),
    /// The lines could not be written.
    #[error("the lines could not be written")]
    Write(#[source] serde_json::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Site(error.into())
    }
}
