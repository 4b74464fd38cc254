//! Warns whoever builds this after the list of ZIP prefixes went stale.
//!
//! Comes in: the day of the build and the year of the list's census. Goes out: a warning, or nothing.
//! Never: a failed build, or other code for another day.

use std::time::{SystemTime, UNIX_EPOCH};

#[expect(unreachable_pub, reason = "the library shows them")]
#[path = "src/deid/kernel/zip3/census.rs"]
mod census;

/// Days in the mean Gregorian year, times 10,000.
const DAYS_A_YEAR_E4: u64 = 3_652_425;

#[expect(clippy::disallowed_methods, reason = "a build has no site to hand out its instant")]
fn main() {
    println!("cargo::rerun-if-changed=src/deid/kernel/zip3/census.rs");
    let days = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() / 86_400);
    let year = i32::try_from(1970 + days * 10_000 / DAYS_A_YEAR_E4).unwrap_or(i32::MAX);
    if census::is_stale(year) {
        println!(
            "cargo::warning=the list of ZIP prefixes is of the {} census and was current through {}: \
             45 CFR 164.514(b)(2)(i)(B) asks for current figures",
            census::CENSUS_YEAR,
            census::CURRENT_THROUGH
        );
    }
}
