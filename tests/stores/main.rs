//! One contract for every store: what a site rests on holds in a folder, in memory, on S3 and on
//! Azure, and where answers are lost on the way.
//!
//! Folder and memory are always tested. `ALMONER_TEST_STORES` names others by their URLs, with a
//! space between; `tests/stores/run.sh` starts them.
#![expect(clippy::unwrap_used, reason = "a test stops where something cannot be read")]
#![expect(clippy::indexing_slicing, reason = "the same, where a part is missing")]
#![expect(clippy::print_stdout, reason = "a test says what it measured and what it skipped")]

mod ambiguous;
#[path = "../whole/commons.rs"]
mod commons;
mod contract;
mod outlives;
#[path = "../whole/people.rs"]
mod people;
mod site;

use almoner::store::Store;

/// Returns a setting of `run.sh`.
fn setting(name: &str) -> Option<String> {
    std::env::var_os(name).and_then(|value| value.into_string().ok()).filter(|v| !v.is_empty())
}

/// Returns the addresses of the stores that run elsewhere.
fn elsewhere() -> Vec<String> {
    let named = setting("ALMONER_TEST_STORES").unwrap_or_default();
    named.split_whitespace().map(str::to_owned).collect()
}

/// Returns an empty place of this test's own in a store.
fn place(address: &str, test: &str) -> Store {
    Store::open(address).unwrap().zone(&format!("{test}-{}", std::process::id()))
}

/// Runs a check on a folder, on memory, and on every store that runs elsewhere.
fn each(test: &str, check: impl Fn(&Store)) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap().to_owned();
    let own = [folder, "memory://contract".to_owned()];
    for address in own.into_iter().chain(elsewhere()) {
        println!("{test}: {address}");
        check(&place(&address, test));
    }
}
