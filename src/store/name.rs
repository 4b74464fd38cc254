//! Names of objects: what a path may be.
//!
//! Comes in: a path such as `lake/commits/000000000001.json`. Goes out: nothing, or what is wrong.
//! Never: a path that leaves its store, or two paths of one object.

use super::{Error, Result};

/// Checks a path: names that are not empty, `.` or `..`, with one `/` between them.
pub(super) fn check(path: &str) -> Result<()> {
    if path.split('/').all(|name| !matches!(name, "" | "." | "..")) {
        return Ok(());
    }
    Err(Error::Name { path: path.escape_debug().to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_one_object_below_its_store() {
        for path in ["a", "a/b c", "ledger/tile/0/x001/067", "ü/~/[x]%20#?.json", "..a/.b"] {
            assert!(check(path).is_ok(), "`{path}` is a name like any other");
        }
        for path in ["", "/a", "a/", "a//b", "..", "a/../b", "./a"] {
            assert!(check(path).is_err(), "`{path:?}` could lead elsewhere");
        }
    }
}
