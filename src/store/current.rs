//! Listings that are not behind: what rests on having seen every object rests on these.
//!
//! Comes in: a prefix. Goes out: the objects below it. Never: a listing older than the call, on a store
//! whose listings show what was made in the order in which it was made.

use std::{thread, time::Duration};

use bytes::Bytes;

use super::{Backend, Created, Listed, Result, Store, remote::unavailable_because};

/// The folder below a listed prefix in which an object is made before it is listed.
const MARKS: &str = "listing";

/// How many marks are tried, each next to those that dead processes left, and how many listings.
const MARKS_MAX: u32 = 10_000;
const LISTINGS_MAX: u32 = 6;

/// How long the store is left alone before it is asked for the third listing; then twice as long each time.
const PAUSE: Duration = Duration::from_millis(50);

impl Store {
    /// Lists as [`Store::list`] does, and believes no listing that is behind: an object is made just before
    /// and must be in it. For whoever destroys what opened the objects that are not listed, or says that
    /// there are none. One caller at a time; what one that died has left the next one takes away.
    pub fn list_now(&self, prefix: &str) -> Result<Vec<Listed>> {
        if matches!(self.backend, Backend::Folder(_)) {
            return self.list(prefix);
        }
        let prefix = prefix.trim_end_matches('/');
        let marks = if prefix.is_empty() { MARKS.to_owned() } else { format!("{prefix}/{MARKS}") };
        let mut pause = PAUSE;
        for attempt in 0..LISTINGS_MAX {
            if attempt > 1 {
                thread::sleep(pause);
                pause = pause.saturating_mul(2);
            }
            let mark = self.mark(&marks)?;
            let is_mark =
                |path: &str| path.strip_prefix(&marks).is_some_and(|rest| rest.starts_with('/'));
            let (seen, listed): (Vec<Listed>, Vec<Listed>) =
                self.list(prefix)?.into_iter().partition(|object| is_mark(&object.path));
            let is_current = seen.iter().any(|object| object.path == mark);
            for path in seen.iter().map(|object| &object.path).chain([&mark]) {
                self.delete(path)?;
            }
            if is_current {
                return Ok(listed);
            }
        }
        let reason = "its listing does not show what was just made; try again later";
        Err(unavailable_because("list all of", &self.full(prefix), reason))
    }

    /// Makes an object that was not there.
    fn mark(&self, marks: &str) -> Result<String> {
        for number in 1..=MARKS_MAX {
            let path = format!("{marks}/{number}");
            if self.create(&path, Bytes::from_static(b"listed after this"))? == Created::New {
                return Ok(path);
            }
        }
        Err(unavailable_because("write", &self.full(marks), "too many objects are left there"))
    }
}
