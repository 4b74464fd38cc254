//! The bank's side of a payout: the order that it is sent, the answer that it gives, and what stands
//! between the two.
//!
//! Comes in: payments, the bank's files. Goes out: ISO 20022 pain.001, and what camt.054 says, held
//! against what was ordered. Never: a payment ordered again while the first may still arrive, or an
//! answer that is taken without the order it answers.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

mod answer;
mod camt054;
mod characters;
mod commit;
mod pain001;
mod payouts;
mod xml;

pub use self::{
    answer::{Answer, AnswerError, Fate, Fault, Finding, Reply, read_csv},
    camt054::read_camt054,
    commit::{Act, Answered, Applied, Commit, ExportLine, Exported, Rate},
    pain001::{Debtor, Order, OrderError, Payment, Sums, Version, check, write},
    payouts::{COMMITS, Due, Export, Judged, Payouts, PayoutsError, Settling, State},
    xml::XmlError,
};
