//! The rooms that read strangers' bytes, and the targets over them.
//!
//! Comes in: bytes of a fuzzer. Goes out: nothing, or the panic that was looked for.
//! Never: a target that the ordinary tests do not run too (`tests/fuzz.rs` replays the corpus).

#![allow(missing_docs, dead_code, unreachable_pub, reason = "the rooms are checked in their own crate")]

extern crate self as almoner;

/// The rooms, where the rest of the engine looks for them.
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
}

pub use rooms::*;

pub mod targets;
