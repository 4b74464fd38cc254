//! Whether a store and its site are fit: one name, many writers, exactly one winner; the keys; the
//! book; the clock against the newest act.

use std::path::Path;

use bytes::Bytes;
use serde::Serialize;

use super::Progress;
use crate::{
    deid::kernel::zip3,
    instant::Instant,
    site::{self, Site},
    store::{Created, Store},
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

/// Looks at everything; `races` is the number of rounds and of writers in each.
pub fn examine(
    store: &Store,
    place: &str,
    keys: &Path,
    now: Instant,
    races: (u32, u32),
    progress: &dyn Progress,
) -> Vec<Check> {
    let mut checks = vec![probe(store, races, progress), zip_codes(now)];
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

/// Lets many writers race for one name, many times; a fit store lets exactly one win each time and
/// keeps the winner's bytes.
pub fn probe(store: &Store, (rounds, writers): (u32, u32), progress: &dyn Progress) -> Check {
    let place = store.zone("doctor");
    progress.stage("probing the store", u64::from(rounds));
    let mut wrong = 0_u32;
    let mut fault = None;
    for round in 0..rounds {
        let name = format!("probe-{}-{round}", std::process::id());
        if let Err(error) = place.delete(&name) {
            fault = Some(error.to_string());
            break;
        }
        let results: Vec<_> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..writers)
                .map(|writer| {
                    let (place, name) = (&place, &name);
                    scope.spawn(move || {
                        let body = Bytes::from(format!("writer {writer}"));
                        (place.create(name, body.clone()), body)
                    })
                })
                .collect();
            running.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        let mut winners = Vec::new();
        for (result, body) in results {
            match result {
                Ok(Created::New) => winners.push(body),
                Ok(Created::Exists) => {}
                Err(error) => fault = Some(error.to_string()),
            }
        }
        match (winners.as_slice(), place.get(&name)) {
            ([winner], Ok(kept)) if *winner == kept => {}
            _ => wrong += 1,
        }
        if let Err(error) = place.delete(&name) {
            fault = Some(error.to_string());
        }
        progress.step();
    }
    let kind = store.kind();
    let found = match &fault {
        Some(error) => format!("{kind}: {error}"),
        None if wrong > 0 => {
            format!("{kind}: {wrong} of {rounds} races had no single winner; this store overwrites")
        }
        None => format!("{kind}: {rounds} races of {writers} writers, one winner each"),
    };
    Check { name: "conditional create", passed: fault.is_none() && wrong == 0, found }
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
            let check = probe(&Store::open(place).unwrap(), (5, 8), &Silent);
            assert!(check.passed, "{}", check.found);
        }
    }
}
