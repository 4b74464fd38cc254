//! A governed answer: guard, session, disclosure; the answer and whose rows it drew on, made
//! together or not at all.
//!
//! Comes in: one SELECT and one dataset version. Goes out: an [`Outcome`] whose answer is handed
//! over against its usage record alone. Never: a cell of fewer than [`PEOPLE_MIN`] people, a
//! person's least or greatest value, a file, a setting, or a row.

mod answer;
mod cells;
mod disclosure;
mod error;
mod functions;
mod guard;
mod keys;
mod records;
mod session;
mod shape;
mod tables;

pub use self::{
    answer::{Answer, Outcome},
    disclosure::{COUNT_STEP, DOMINANCE_MAX, PEOPLE_MIN},
    error::{Error, Place},
    session::{Limits, ask},
};
