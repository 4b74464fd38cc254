//! A site's life on a store that fails, from a seed: after every crash it is opened, goes on, and ends in
//! the root of a life that nothing disturbed. `ALMONER_SEEDS` says how many seeds are lived, and
//! `ALMONER_SEED` lives the one that failed again.

#![expect(clippy::unwrap_used, reason = "a test stops where something cannot be read")]
#![expect(clippy::indexing_slicing, reason = "the same, where a part is missing")]
#![expect(clippy::print_stdout, reason = "a test says what it lived through")]
#![expect(clippy::disallowed_methods, reason = "seeds are chosen by the environment")]

mod book;
mod commons;
mod deep;
mod dice;
mod erased;
mod fault_store;
mod flips;
mod gate;
mod key_files;
mod life;
mod raced;
mod stopped;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use life::Life;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Lives the seeds on two threads, and tells what struck; a seed that fails ends the test.
fn live(name: &str, life: &Life, seeds: u64) {
    let (first, seeds) = match (number("ALMONER_SEED"), number("ALMONER_SEEDS")) {
        (Some(seed), _) => (seed, 1),
        (None, Some(seeds)) => (0, seeds),
        (None, None) => (0, seeds),
    };
    let began = Instant::now();
    let next = AtomicU64::new(first);
    let struck: Mutex<BTreeMap<&str, u64>> = Mutex::default();
    let failed: Mutex<Vec<(u64, String)>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= first + seeds || !failed.lock().unwrap().is_empty() {
                        break;
                    }
                    match life.tell(seed) {
                        Ok(of_seed) => {
                            let mut struck = struck.lock().unwrap();
                            for (fault, times) in of_seed {
                                *struck.entry(fault).or_default() += times;
                            }
                        }
                        Err(why) => failed.lock().unwrap().push((seed, why)),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let failed: Vec<String> = failed
        .iter()
        .map(|(seed, why)| format!("{name}: ALMONER_SEED={seed} lives it again: {why}"))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let struck = struck.into_inner().unwrap();
    println!("{name}: {seeds} seeds in {:.1} s; {struck:?}", began.elapsed().as_secs_f64());
}

#[test]
fn a_book_of_many_writers_ends_in_the_same_root_whatever_fails() {
    let folder = tempfile::tempdir().unwrap();
    live("the book", &book::life(folder.path()), 1_700);
}

#[test]
fn a_whole_site_ends_in_the_same_root_and_a_clean_audit_whatever_fails() {
    let folder = tempfile::tempdir().unwrap();
    live("the commons", &commons::life(folder.path()), 300);
}
