//! The rooms that read strangers' bytes, and the targets over them.
//!
//! Comes in: bytes of a fuzzer. Goes out: nothing, or the panic that was looked for.
//! Never: a target that the ordinary tests do not run too (`tests/fuzz.rs` replays the corpus).

#![allow(missing_docs, dead_code, unreachable_pub, reason = "the rooms are checked in their own crate")]

extern crate self as almoner;

/// The rooms, where the rest of the engine looks for them.
#[cfg(not(feature = "engine"))]
#[path = "../../../src"]
pub mod rooms {
    pub mod digest;
    pub mod fault;
    pub mod instant;
    pub mod ledger;
    pub mod party;
    pub mod schema;
    pub mod signed_note;
    pub mod source;
    pub mod store;

    /// Of the witness what reads a log's request; its server is not for a fuzzer.
    pub mod witness {
        pub mod request;
        pub use request::Request;
    }
}

#[cfg(not(feature = "engine"))]
pub use rooms::*;
/// The whole engine, which takes long to compile.
#[cfg(feature = "engine")]
pub use whole::*;

#[cfg(feature = "engine")]
pub mod engine;
pub mod targets;
