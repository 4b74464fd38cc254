//! Almoner: the batch engine of a health-data commons.
//!
//! Records move along a belt. Each station takes the type the station before it made, and hands on
//! its own. What happened is written in a book by one hand. Those who check the book share no code
//! with the hand.
//!
//! A record's way in: [`source`] reads it, [`schema`] gives it types (what does not fit goes to
//! quarantine), [`quality`] judges it by rules, [`linkage`] says whose it is, whichever institution
//! sent it, [`consent`] admits it or refuses it by reason, [`deid`] makes it safe to share and
//! suppresses small classes, [`lake`] keeps it as a segment of a version, and one entry of the
//! [`ledger`] says so. A question's way out: [`query`] answers it in cells of eleven people or more,
//! and [`usage`] says whose rows it drew on. Money's way through: [`reward`] shares a pool out by
//! what was used, to those whom [`payee`] knows, and [`bank`] carries it there; [`cover`] pays by rule,
//! once, when records show an event that somebody is insured for. A record's way across: [`transfer`]
//! takes it to another institution when its patient says so, and [`credential`] says whose licence
//! stood on which day. [`audit`] recomputes all of it. An act ([`pipeline`]) is one numbered commit of
//! one [`site`]; a face ([`cli`], [`report`]) decides nothing.
//!
//! What never may be: a row past a station it has not passed (it does not compile), a name in the
//! book, a cell's value in an error, a second hand writing the book, an act done twice.

// Ground: values; they import nothing of ours.
pub mod digest;
pub mod fault;
pub mod instant;
pub mod money;
pub mod party;
pub mod purpose;
pub mod redaction;
pub mod store;

pub mod frame;
pub mod signed_note;

// The belt, the book, and what rests on them, from the ground up; `tests/tidy.rs` keeps the order.
pub mod payee;
pub mod source;
pub mod usage;

pub mod credential;
pub mod ledger;
pub mod witness;

pub mod schema;

pub mod bank;
pub mod cover;
pub mod quality;
pub mod reward;

pub mod linkage;
pub mod records;

pub mod consent;

pub mod deid;

pub mod lake;

pub mod vault;

pub mod audit;
pub mod query;
pub mod transfer;

pub mod report;

pub mod site;

pub mod pipeline;

pub mod population;

pub mod cli;
