//! A folder on a local disk. A write goes to a temporary file, is synced, gets its name by link
//! (create) or rename (put), and then its folder is synced: what returned survives a power cut.

use std::{
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
