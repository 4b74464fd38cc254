//! The files of a key folder, kept in memory: each life changes keys in a folder of its own.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use tempfile::TempDir;

/// What a key folder holds.
pub(crate) struct KeyFiles(Vec<(OsString, Vec<u8>)>);

impl KeyFiles {
    /// Reads a folder.
    pub(crate) fn read(folder: &Path) -> Self {
        let files = fs::read_dir(folder).unwrap().map(|file| {
            let file = file.unwrap();
            (file.file_name(), fs::read(file.path()).unwrap())
        });
        Self(files.collect())
    }

    /// Makes a folder that holds them.
    pub(crate) fn put_down(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in &self.0 {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(0o600);
            options.open(folder.path().join(name)).unwrap().write_all(bytes).unwrap();
        }
        folder
    }
}
