//! The whole command, from outside: killed at random moments, fed bad input, searched for canaries,
//! run on real files.
//!
//! One program, so that it is linked once. A test that cannot run here prints `SKIPPED` and why.
#![expect(clippy::unwrap_used, reason = "a test stops where something cannot be read")]
#![expect(clippy::indexing_slicing, reason = "the same, where a part is missing")]
#![expect(clippy::print_stdout, reason = "a test says what it measured and what it skipped")]

mod bad_input;
mod canaries;
mod clocks;
mod commons;
mod consents;
mod erase;
mod fhir;
mod formats;
mod full;
mod kernels;
mod kill;
mod levels;
mod licences;
mod linkage;
mod notes;
mod parcel;
mod people;
mod perturbed;
mod plain;
mod quality;
mod real_input;
mod records;
mod releases;
mod rewards;
mod risk;
mod safe_harbor;
mod sealed;
mod search;
mod story;
mod transfers;
mod witnesses;
