//! Stops a test's writes, as a process that is killed stops: the next write and all after it fail.
//!
//! Comes in: after how many writes. Goes out: errors on the same thread. Never: anything outside tests.

use std::cell::Cell;

use super::{Error, Result};

thread_local! {
    static LEFT: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Lets so many writes of this thread pass, and none after them.
pub(crate) fn after(writes: u64) {
    LEFT.set(Some(writes));
}

/// Lets all writes pass again; returns whether one was stopped.
pub(crate) fn never() -> bool {
    LEFT.take() == Some(0)
}

/// Returns how many writes may still pass.
pub(crate) fn left() -> u64 {
    LEFT.get().unwrap_or(u64::MAX)
}

/// Counts a write.
pub(super) fn spend(path: &str) -> Result<()> {
    match LEFT.get() {
        None => Ok(()),
        Some(0) => Err(Error::Unavailable {
            act: "write",
            path: path.to_owned(),
            source: "the test stopped here".into(),
        }),
        Some(left) => {
            LEFT.set(Some(left - 1));
            Ok(())
        }
    }
}
