//! Whether a store and its site are fit: one name, many writers, exactly one winner; a folder's file
//! system; the keys; the book; the clock against the newest act.

use std::{error::Error as _, path::Path};

use serde::Serialize;

use super::Progress;
use crate::{
    deid::kernel::zip3,
    instant::Instant,
    site::{self, Site},
    store::{Medium, Races, Store, Unfit},
};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// Whether it is well.
    pub passed: bool,
    /// What was found.
    pub found: String,
}

/// Looks at a store alone, whether or not there is a site.
pub fn examine_store(
    store: &Store,
    races: Races,
    may_be_network: bool,
    progress: &dyn Progress,
) -> Vec<Check> {
    let mut checks = vec![fitness(store, races, progress)];
    checks.extend(medium(store, may_be_network));
    checks
}

/// Looks at a site: its keys, its book, the clock, and the lists it rests on.
pub fn examine_site(place: &str, keys: &Path, now: Instant) -> Vec<Check> {
    let mut checks = vec![zip_codes(now)];
    match Site::open(place, keys, now) {
        Ok(site) => {
            checks.push(Check {
                name: "keys",
                passed: true,
                found: "the site's own, readable by you alone".to_owned(),
            });
            checks.push(book(&site));
            checks.push(Check {
                name: "clock",
                passed: site.about().created <= now,
                found: format!("now {now}, site made {}", site.about().created),
            });
        }
        Err(site::Error::Missing(_)) => checks.push(Check {
            name: "site",
            passed: true,
            found: "none there yet; `almoner init` makes one".to_owned(),
        }),
        Err(error) => {
            checks.push(Check { name: "site", passed: false, found: error.to_string() });
        }
    }
    checks
}

/// Whether the list of ZIP prefixes that may be shown rests on the newest census.
fn zip_codes(now: Instant) -> Check {
    use chrono::Datelike as _;
    let (census, through) = (zip3::CENSUS_YEAR, zip3::CURRENT_THROUGH);
    let passed = !zip3::is_stale(now.date().year());
    let found = if passed {
        format!("prefixes of the {census} census, current through {through}")
    } else {
        format!(
            "prefixes of the {census} census: 45 CFR 164.514(b)(2)(i)(B) asks for current figures, \
             and plans with zip3 are refused; update almoner"
        )
    };
    Check { name: "zip codes", passed, found }
}

fn book(site: &Site) -> Check {
    match site.book_size() {
        Ok(size) => Check {
            name: "book",
            passed: size > 0,
            found: format!("{size} entries under a signed checkpoint"),
        },
        Err(error) => Check { name: "book", passed: false, found: error.to_string() },
    }
}

/// Probes the store: what is written is read at once, and of many writers of one name exactly one
/// wins and its bytes are kept.
fn fitness(store: &Store, races: Races, progress: &dyn Progress) -> Check {
    progress.stage("probing the store", u64::from(races.rounds));
    let kind = store.kind();
    let (passed, found) = match store.probe(races, &|| progress.step()) {
        Ok(()) => {
            let Races { rounds, writers } = races;
            (true, format!("{kind}: {rounds} races of {writers} writers, one winner each"))
        }
        // What the store itself said says what to do: a wrong address, a key that is missing.
        Err(Unfit::Failed(error)) => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            (false, format!("{kind}: {error}{cause}"))
        }
        Err(unfit) => (false, format!("{kind}: {unfit}")),
    };
    Check { name: "conditional create", passed, found }
}

/// What a folder lies on; across a network no site is kept, unless the steward says so.
fn medium(store: &Store, may_be_network: bool) -> Option<Check> {
    let (passed, found) = match store.medium() {
        Ok(None) => return None,
        Ok(Some(Medium { magic, name, is_network })) if is_network => (
            may_be_network,
            format!(
                "{name} (0x{magic:08x}), across a network{}",
                if may_be_network { "; allowed" } else { ": links, locks and syncs may not hold" }
            ),
        ),
        Ok(Some(Medium { magic, name, .. })) => (true, format!("{name} (0x{magic:08x}), local")),
        Err(error) => (false, error.to_string()),
    };
    Some(Check { name: "file system", passed, found })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Silent;

    #[test]
    fn a_list_of_zip_prefixes_is_well_until_newer_figures_are_due() {
        let on = |day: &str| zip_codes(Instant::parse(day).unwrap());
        assert!(on("2026-11-22T12:00:00Z").passed);
        let stale = on("2033-01-01T00:00:00Z");
        assert!(!stale.passed, "the figures of 2020 count as current in 2033");
        assert!(stale.found.contains("2020") && stale.found.contains("(B)"));
    }

    #[test]
    fn a_folder_and_a_memory_store_pass_the_race() {
        let dir = tempfile::tempdir().unwrap();
        for place in [dir.path().to_str().unwrap(), "memory://doctor"] {
            let store = Store::open(place).unwrap();
            let check = fitness(&store, Races { rounds: 5, writers: 8 }, &Silent);
            assert!(check.passed, "{}", check.found);
        }
    }
}
