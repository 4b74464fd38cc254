//! Counts, bytes and roots of the lines of a record, as its manifest says them.
//!
//! Comes in: lines, in the order of files then lines. Goes out: a [`Manifest`].
//! Never: memory that grows with the lines.

use std::{collections::BTreeMap, mem};

use super::{FileEntry, Manifest, Withheld};
use crate::{
    digest::Sha256,
    ledger::{RunningRoot, tree::leaf_hash},
};

/// Returns the file of a type.
pub(super) fn file_of(kind: &str) -> String {
    format!("{kind}.ndjson")
}

/// A manifest in the making.
#[derive(Debug, Default)]
pub(super) struct Tally {
    files: Vec<FileEntry>,
    open: Option<OpenFile>,
    whole: RunningRoot,
    withheld: BTreeMap<(String, String), u64>,
}

/// What is known of a file so far.
#[derive(Debug, Default)]
pub(super) struct OpenFile {
    pub(super) name: String,
    pub(super) root: RunningRoot,
    pub(super) bytes: u64,
}

impl OpenFile {
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub(super) fn entry(self) -> FileEntry {
        let (resources, root) = (self.root.count(), self.root.root());
        FileEntry { name: self.name, resources, bytes: self.bytes, root }
    }
}

impl Tally {
    /// Adds a line that goes, and returns its leaf hash.
    pub(super) fn add(&mut self, file: &str, line: &[u8]) -> Sha256 {
        if self.open.as_ref().is_none_or(|open| open.name != file) {
            self.end_file();
        }
        let leaf = leaf_hash(line);
        let open = self.open.get_or_insert_with(|| OpenFile::named(file));
        open.root.push(leaf);
        open.bytes += line.len() as u64 + 1;
        self.whole.push(leaf);
        leaf
    }

    /// Counts a resource that stays.
    pub(super) fn withhold(&mut self, rule: &str, class: &str) {
        *self.withheld.entry((rule.to_owned(), class.to_owned())).or_default() += 1;
    }

    fn end_file(&mut self) {
        self.files.extend(mem::take(&mut self.open).map(OpenFile::entry));
    }

    /// Ends the last file and says all.
    pub(super) fn manifest(mut self) -> Manifest {
        self.end_file();
        let withheld = self.withheld.into_iter();
        Manifest {
            root: self.whole.root(),
            resources: self.whole.count(),
            bytes: self.files.iter().map(|file| file.bytes).sum(),
            files: self.files,
            withheld: withheld
                .map(|((rule, class), resources)| Withheld { rule, class, resources })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tree::root;

    #[test]
    fn a_manifest_tells_each_file_and_all_lines_in_their_order() {
        let mut tally = Tally::default();
        let lines = [("A.ndjson", "one"), ("A.ndjson", "two"), ("B.ndjson", "three")];
        for (file, line) in lines {
            tally.add(file, line.as_bytes());
        }
        tally.withhold("label R", "Observation");
        tally.withhold("label R", "Observation");
        let manifest = tally.manifest();
        assert_eq!(manifest.check(), Ok(()));
        assert_eq!((manifest.resources, manifest.bytes), (3, 14), "line feeds count");
        assert_eq!(manifest.root, root(&["one", "two", "three"]));
        assert_eq!(manifest.files[0].root, root(&["one", "two"]));
        assert_eq!(manifest.withheld[0].resources, 2);
    }
}
