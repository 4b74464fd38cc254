//! The public book: an RFC 6962 tree in C2SP tlog-tiles, its checkpoints, entries and proofs.
//!
//! Comes in: digests, counts, ids, amounts. Goes out: files anyone can verify.
//! Never: a row, a name, or anything that stands for one person from entry to entry.

pub mod checkpoint;
mod commit;
mod edge;
pub mod entry;
mod kind;
pub mod line;
pub mod log;
mod places;
pub mod policy;
pub mod proof;
pub mod proof_file;
pub mod publish;
pub mod reader;
pub mod record;
pub mod repair;
mod running;
pub mod schema;
mod signing;
pub mod tile;
pub mod tree;
pub mod trust;
pub mod verify;
pub mod witnessed;

pub use self::{
    checkpoint::Checkpoint,
    entry::{Entry, EntryId, Kind, Signing, Subject},
    policy::Policy,
    proof::LogProof,
    proof_file::ProofFile,
    reader::Reader,
    record::RecordTree,
    running::{LeafHasher, RunningRoot},
    schema::Schema,
    tree::Hash,
    trust::Trust,
    verify::{Finding, Verified, verify_all, verify_book},
};

#[cfg(test)]
mod lying_prover;
#[cfg(test)]
mod tests;
