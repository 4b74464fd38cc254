//! The acts: ingest, consent, withdraw, query, fund, settle; each on one page.
//!
//! Comes in: what a face was asked. Goes out: what was done, and one entry of the book for it.
//! Never: half an act; each is one numbered commit, and running it again finds it done.

pub mod audit;
pub mod book;
pub mod consent;
pub mod cosign;
pub mod cover;
pub mod dataset;
pub mod deid;
pub mod delivery;
pub mod doctor;
pub mod erase;
pub mod evidence;
pub mod export;
pub mod fund;
pub mod giving;
pub mod goods;
pub mod ingest;
pub mod keys;
pub mod licence;
pub mod linkage;
pub mod matching;
pub mod over;
pub mod pass;
pub mod payee;
pub mod payout;
pub mod policy;
pub mod proof;
pub mod publish;
pub mod quality;
pub mod query;
mod reading;
pub mod recompute;
pub mod rejects;
pub mod related;
pub mod repair;
pub mod replay;
pub mod risk;
pub mod rules;
pub mod settle;
pub mod signing;
pub mod spec;
pub mod sponsor;
pub mod standing;
pub mod statement;
pub mod terms;
pub mod transfer;
pub mod value;
pub mod view;

/// What a long act tells its caller while it runs.
pub trait Progress: Sync {
    /// A stage of so many steps begins.
    fn stage(&self, name: &str, steps: u64);
    /// One step is done.
    fn step(&self);
}

/// Progress that nobody watches.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _name: &str, _steps: u64) {}

    fn step(&self) {}
}
