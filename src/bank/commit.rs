//! What is written down of an order and of an answer: the commits of `vault/payouts`.
//!
//! Comes in: acts. Goes out: their form on disk. Never: an account or a name; those stand in the
//! register of payees and in the file for the bank.

use serde::{Deserialize, Serialize};

use super::pain001::Version;
use crate::{
    digest::Sha3Digest,
    instant::{Date, Instant},
    money::Amount,
    payee::{Object, PayeeId},
    reward::{Period, PoolId},
};

/// One payment of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportLine {
    /// The commit of the settlement, or of a policy's evaluation, that owes it.
    pub settlement: u64,
    /// Whom it owes it to.
    pub payee: PayeeId,
    /// How often it was ordered, this time counted.
    pub attempt: u32,
    /// What is owed, in minor units of the currency of who owes it.
    pub minor: i64,
    /// What the bank is told to pay, in minor units of the order's currency.
    pub sent_minor: i64,
    /// The id under which the bank answers.
    pub end_to_end: String,
}

/// A rate of exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Units of the order's currency...
    pub num: u64,
    /// ...for so many of the pool's.
    pub den: u64,
    /// Who published it.
    pub source: String,
    /// For which day.
    pub date: Date,
}

/// An order was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    /// The pool or policy; no two share a name.
    pub pool: PoolId,
    /// The period whose settlement or evaluations were to be paid, with what was left of those before.
    pub period: Period,
    /// The commits of the settlements or evaluations that it pays of.
    pub settlements: Vec<u64>,
    /// The message's id.
    pub message: String,
    /// The version of the message.
    pub version: Version,
    /// When the bank shall pay.
    pub date: Date,
    /// The file for the bank: one object of XML; `count` is its number of payments.
    pub file: Object,
    /// The payments.
    pub lines: Object,
    /// What they come to in the currency of who owes them.
    pub total: Amount,
    /// What they come to in the order's: the file's control sum.
    pub control: Amount,
    /// How one became the other, where they are two currencies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Payments that wait because their payee has no account, or because the rate leaves them nothing.
    pub waiting: u64,
}

/// What the bank answered to one payment, as it was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applied {
    /// The payment.
    pub end_to_end: String,
    /// When the bank booked it.
    pub date: Date,
    /// Why it came back; none where it was booked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<String>,
}

/// The bank answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    /// The pool or policy.
    pub pool: PoolId,
    /// The SHA3-256 digest of the bank's file.
    pub source: Sha3Digest,
    /// The answers that were applied.
    pub answers: Object,
    /// How many payments were booked.
    pub booked: u64,
    /// What they come to in the pool's currency.
    pub booked_sum: Amount,
    /// How many came back.
    pub returned: u64,
    /// What they come to in the pool's currency.
    pub returned_sum: Amount,
    /// How much in the file was not applied.
    pub findings: u64,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Act {
    /// An order was made.
    Exported(Box<Exported>),
    /// The bank answered.
    Answered(Box<Answered>),
}

/// One commit of `vault/payouts/commits`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// A random id of this commit.
    pub txn: String,
    /// When.
    pub time: Instant,
    /// What.
    pub act: Act,
    /// The ledger entry, as its bytes stand in the log.
    pub entry: String,
}
