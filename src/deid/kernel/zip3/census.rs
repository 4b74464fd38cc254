//! The census that the list of ZIP prefixes rests on, and how long its figures are the current ones.
//!
//! `build.rs` reads this file too: a build in a later year warns. Never: an import.

/// The census the list was computed from.
pub const CENSUS_YEAR: i32 = 2020;

/// The last year in which this list is the current one: the next census is of 2030, and its
/// figures by area appear within three years.
pub const CURRENT_THROUGH: i32 = 2032;

/// Whether newer figures must be expected to be public in a year.
pub const fn is_stale(year: i32) -> bool {
    year > CURRENT_THROUGH
}
