//! A folder on a local disk. A write goes to a temporary file, is synced, gets its name by link
//! (create) or rename (put), and then its folder is synced: what returned survives a power cut.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use object_store::{ObjectStore, local::LocalFileSystem};
use rayon::prelude::*;

use super::{Created, Error, Listed, Result};

const TEMPORARY: &str = ".almoner-";

static COUNTER: AtomicU64 = AtomicU64::new(0);

#[derive(Debug, Clone)]
pub(super) struct Folder {
    root: Arc<PathBuf>,
}

impl Folder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root: Arc::new(root) }
    }

    pub(super) fn file(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub(super) fn find(&self, path: &str) -> Result<Option<Bytes>> {
        match fs::read(self.file(path)) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unavailable("read", path)(error)),
        }
    }

    pub(super) fn put(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let file = self.file(path);
        self.written(&file, bytes)
            .and_then(|temporary| {
                fs::rename(&temporary, &file)?;
                sync_folder(&file)
            })
            .map_err(unavailable("write", path))
    }

    pub(super) fn put_scratch(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let file = self.file(path);
        let parent = file.parent().unwrap_or(self.root.as_path());
        make_folders(parent)
            .and_then(|()| {
                let temporary = temporary(parent);
                fs::write(&temporary, bytes)?;
                fs::rename(&temporary, &file)
            })
            .map_err(unavailable("write", path))
    }

    pub(super) fn create(&self, path: &str, bytes: &[u8]) -> Result<Created> {
        let file = self.file(path);
        if file.exists() {
            return Ok(Created::Exists);
        }
        let created = self.written(&file, bytes).and_then(|temporary| {
            let linked = fs::hard_link(&temporary, &file);
            fs::remove_file(&temporary)?;
            match linked {
                Ok(()) => sync_folder(&file).map(|()| Created::New),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Created::Exists),
                Err(error) => Err(error),
            }
        });
        created.map_err(unavailable("create", path))
    }

    /// Writes those of many objects that are missing, with one sync for all of their bytes: none
    /// gets its name before. Names are made of content: an object that is there must hold the same.
    pub(super) fn put_contents(&self, objects: &[(String, Bytes)]) -> Result<()> {
        let written = objects.par_iter().map(|(path, bytes)| {
            if self.holds(path, bytes)? {
                return Ok(None);
            }
            let file = self.file(path);
            let parent = file.parent().unwrap_or(self.root.as_path());
            make_folders(parent)
                .and_then(|()| {
                    let temporary = temporary(parent);
                    fs::write(&temporary, bytes)?;
                    Ok(Some((path, bytes, temporary)))
                })
                .map_err(unavailable("write", path))
        });
        let written: Vec<_> = written.filter_map(Result::transpose).collect::<Result<_>>()?;
        if written.is_empty() {
            return Ok(());
        }
        let temporaries = written.iter().map(|(_, _, temporary)| temporary.as_path());
        sync_files(&self.root, temporaries).map_err(unavailable("sync", "what was written"))?;
        written.par_iter().try_for_each(|(path, bytes, temporary)| {
            let linked = fs::hard_link(temporary, self.file(path));
            fs::remove_file(temporary).map_err(unavailable("create", path))?;
            match linked {
                // Another writer was first, with the same bytes.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    self.holds(path, bytes).map(|_| ())
                }
                Ok(()) | Err(_) => linked.map_err(unavailable("create", path)),
            }
        })?;
        let folders: BTreeSet<&Path> =
            written.iter().filter_map(|(_, _, temporary)| temporary.parent()).collect();
        folders.into_iter().try_for_each(|folder| {
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(unavailable("sync", &folder.to_string_lossy()))
        })
    }

    /// Says whether an object is there; one with other bytes is an error.
    fn holds(&self, path: &str, bytes: &Bytes) -> Result<bool> {
        match self.find(path)? {
            None => Ok(false),
            Some(found) if found == *bytes => Ok(true),
            Some(_) => Err(Error::Differs { path: path.to_owned() }),
        }
    }

    /// Writes and syncs a temporary file beside `file`, making folders where they are missing.
    fn written(&self, file: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
        let parent = file.parent().unwrap_or(self.root.as_path());
        make_folders(parent)?;
        let temporary = temporary(parent);
        let mut handle = File::create(&temporary)?;
        handle.write_all(bytes)?;
        handle.sync_all()?;
        Ok(temporary)
    }

    pub(super) fn list(&self, prefix: &str) -> Result<Vec<Listed>> {
        let mut listed = Vec::new();
        self.walk(&self.file(prefix), &mut listed).map_err(unavailable("list", prefix))?;
        Ok(listed)
    }

    fn walk(&self, folder: &Path, listed: &mut Vec<Listed>) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.walk(&entry.path(), listed)?;
            } else if !entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
                let path = entry.path();
                let relative = path.strip_prefix(self.root.as_path()).unwrap_or(&path);
                let bytes = match entry.metadata() {
                    Ok(metadata) => metadata.len(),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                };
                listed.push(Listed { path: relative.to_string_lossy().replace('\\', "/"), bytes });
            }
        }
        Ok(())
    }

    pub(super) fn delete(&self, path: &str) -> Result<()> {
        let file = self.file(path);
        match fs::remove_file(&file) {
            Ok(()) => sync_folder(&file).map_err(unavailable("delete", path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(unavailable("delete", path)(error)),
        }
    }

    pub(super) fn object_store(&self) -> Result<Arc<dyn ObjectStore>> {
        let store = LocalFileSystem::new_with_prefix(self.root.as_path()).map_err(|source| {
            Error::Unavailable { act: "open", path: String::new(), source: Box::new(source) }
        })?;
        Ok(Arc::new(store))
    }
}

fn temporary(folder: &Path) -> PathBuf {
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    folder.join(format!("{TEMPORARY}{}-{number}", std::process::id()))
}

fn make_folders(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    sync_folder(folder)
}

/// Makes the bytes of files durable, which lie in one file system.
#[cfg(target_os = "linux")]
fn sync_files<'a>(root: &Path, _: impl Iterator<Item = &'a Path>) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(root)?)?)
}

#[cfg(not(target_os = "linux"))]
fn sync_files<'a>(_: &Path, mut files: impl Iterator<Item = &'a Path>) -> io::Result<()> {
    files.try_for_each(|file| File::open(file)?.sync_all())
}

fn sync_folder(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        Some(_) | None => File::open(".")?.sync_all(),
    }
}

fn unavailable(act: &'static str, path: &str) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::Unavailable { act, path, source: Box::new(error) }
}
