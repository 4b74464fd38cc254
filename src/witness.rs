//! A witness of other people's logs (C2SP tlog-witness): it remembers the newest checkpoint of each
//! and cosigns only what continues it. Over files, and over HTTP as a thin wrapper.
//!
//! Comes in: `add-checkpoint` bodies. Goes out: cosignatures, or why not; a client's memory.
//! Never: an answer before what it says is on the disk, or two trees cosigned of which neither
//! continues the other.

mod answer;
pub mod http;
mod locked;
pub mod memory;
mod request;
mod state;

pub use self::{
    answer::Answer,
    memory::Memory,
    request::Request,
    state::{Seen, State},
};

/// Why a witness or a memory cannot do its work. A refusal is an [`Answer`], not one of these.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder cannot be opened or locked.
    #[error("`{place}` cannot be opened and locked")]
    Lock {
        /// The file or folder.
        place: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The folder lies across a network, where a lock may be nobody's.
    #[error("`{place}` lies on {medium}, across a network: a lock there may not hold")]
    Network {
        /// The folder.
        place: String,
        /// The file system.
        medium: &'static str,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// What is kept cannot be read.
    #[error("`{place}` is not what this version wrote: {reason}")]
    Format {
        /// The file.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no witness in the folder.
    #[error("there is no witness in `{0}`")]
    Missing(String),
    /// The witness is of another name or key.
    #[error("the witness in `{place}` is `{vkey}`")]
    Other {
        /// The folder.
        place: String,
        /// The witness that is there.
        vkey: String,
    },
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] crate::signed_note::Error),
    /// A key's file cannot be read or made.
    #[error(transparent)]
    Seed(#[from] crate::signed_note::seed::SeedError),
    /// HTTP failed.
    #[error("{act} `{url}`: {reason}")]
    Http {
        /// What was being done.
        act: &'static str,
        /// Where.
        url: String,
        /// Why it failed.
        reason: String,
    },
}
