//! A folder on a local disk. A write goes to a temporary file, is synced, gets its name by link
//! (create) or rename (put), and then its folder, held open all the while, is synced: what returned
//! survives a power cut.
//!
//! Comes in: paths and bytes. Goes out: bytes. Never: a file half written under its name, one whose
//! folder could be lost, or, once a process has died, its temporary files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use object_store::{ObjectStore, local::LocalFileSystem};
use rayon::prelude::*;

use super::{Created, Error, Listed, Result, medium::Medium, name};

const TEMPORARY: &str = ".almoner-";

/// Files that are written, and held open, together.
const TOGETHER: usize = 256;

static COUNTER: AtomicU64 = AtomicU64::new(0);

#[derive(Debug, Clone)]
pub(super) struct Folder {
    root: Arc<PathBuf>,
    /// The folders that this process knows to survive a power cut.
    durable: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Folder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root: Arc::new(root), durable: Arc::default() }
    }

    pub(super) fn file(&self, path: &str) -> Result<PathBuf> {
        name::check(path)?;
        Ok(self.root.join(path))
    }

    fn below(&self, prefix: &str) -> Result<PathBuf> {
        if prefix.is_empty() { Ok(self.root.to_path_buf()) } else { self.file(prefix) }
    }

    pub(super) fn medium(&self) -> Result<Medium> {
        Medium::of(&self.root).map_err(unavailable("ask the file system of", ""))
    }

    pub(super) fn find(&self, path: &str) -> Result<Option<Bytes>> {
        match fs::read(self.file(path)?) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if is_absence(&error) => Ok(None),
            Err(error) => Err(unavailable("read", path)(error)),
        }
    }

    pub(super) fn put(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let file = self.file(path)?;
        let placed = || {
            let folder = self.enter(parent(&file))?;
            let temporary = Temporary::written(parent(&file), bytes)?;
            temporary.file.sync_all()?;
            fs::rename(&temporary.path, &file)?;
            folder.sync_all()
        };
        placed().map_err(unavailable("write", path))
    }

    pub(super) fn put_scratch(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let file = self.file(path)?;
        let placed = || {
            fs::create_dir_all(parent(&file))?;
            let temporary = Temporary::written(parent(&file), bytes)?;
            fs::rename(&temporary.path, &file)
        };
        placed().map_err(unavailable("write", path))
    }

    pub(super) fn create(&self, path: &str, bytes: &[u8]) -> Result<Created> {
        let file = self.file(path)?;
        let placed = || {
            let folder = self.enter(parent(&file))?;
            let created = if file.try_exists()? {
                Created::Exists
            } else {
                let temporary = Temporary::written(parent(&file), bytes)?;
                temporary.file.sync_all()?;
                match fs::hard_link(&temporary.path, &file) {
                    Ok(()) => Created::New,
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Created::Exists,
                    Err(error) => return Err(error),
                }
            };
            // Also where another writer made it: whoever acts on what is there must not lose it.
            folder.sync_all()?;
            Ok(created)
        };
        placed().map_err(unavailable("create", path))
    }

    /// Writes those of many objects that are missing. Their names are made of their content: one that
    /// is there must hold the same bytes.
    pub(super) fn put_contents(&self, objects: &[(String, Bytes)]) -> Result<()> {
        objects.chunks(TOGETHER).try_for_each(|objects| self.put_together(objects))
    }

    /// One sync for the bytes of all, and none of them has its name before.
    fn put_together(&self, objects: &[(String, Bytes)]) -> Result<()> {
        let mut folders: BTreeMap<PathBuf, File> = BTreeMap::new();
        for (path, _) in objects {
            let file = self.file(path)?;
            if !folders.contains_key(parent(&file)) {
                let folder = self.enter(parent(&file)).map_err(unavailable("create", path))?;
                folders.insert(parent(&file).to_owned(), folder);
            }
        }
        let written = objects.par_iter().map(|(path, bytes)| {
            if self.holds(path, bytes)? {
                return Ok(None);
            }
            let temporary = Temporary::written(parent(&self.file(path)?), bytes);
            Ok(Some((path, bytes, temporary.map_err(unavailable("create", path))?)))
        });
        let written: Vec<_> = written.filter_map(Result::transpose).collect::<Result<_>>()?;
        let temporaries = written.iter().map(|(_, _, temporary)| &temporary.file);
        sync_files(temporaries).map_err(unavailable("sync", "what was written"))?;
        written.into_par_iter().try_for_each(|(path, bytes, temporary)| {
            match fs::hard_link(&temporary.path, self.file(path)?) {
                // Another writer was first.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    self.holds(path, bytes).map(|_| ())
                }
                linked => linked.map_err(unavailable("create", path)),
            }
        })?;
        folders.iter().try_for_each(|(path, folder)| {
            folder.sync_all().map_err(unavailable("sync", &path.to_string_lossy()))
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

    /// Opens the folder that is to be written in, and makes it where it is missing. The first time
    /// this process writes there, every folder above it is synced, for whoever made them may have
    /// died before they were, and what dead writers left in it is removed.
    fn enter(&self, folder: &Path) -> io::Result<File> {
        let mut stands = folder;
        let handle = match open_folder(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.durable().remove(folder);
                while !stands.as_os_str().is_empty() && !stands.try_exists()? {
                    stands = stands.parent().unwrap_or(Path::new(""));
                }
                fs::create_dir_all(folder)?;
                open_folder(folder)?
            }
            opened => opened?,
        };
        if self.durable().contains(folder) {
            return Ok(handle);
        }
        sweep(folder)?;
        for above in folder.ancestors().skip(1) {
            let is_ours = above.starts_with(self.root.as_path());
            match open_folder(above).and_then(|opened| opened.sync_all()) {
                // Folders above the site may be others', and were there before.
                Err(error) if !is_ours && error.kind() == io::ErrorKind::PermissionDenied => {}
                synced => synced?,
            }
            let is_made = above != stands && above.starts_with(stands);
            if self.durable().contains(above) || !(is_ours || is_made) {
                break;
            }
        }
        self.durable().insert(folder.to_owned());
        Ok(handle)
    }

    fn durable(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        // A set left by a panic holds what was put in before.
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn list(&self, prefix: &str) -> Result<Vec<Listed>> {
        let mut listed = Vec::new();
        let folder = self.below(prefix)?;
        walk(&folder, &mut |path, bytes| {
            let relative = path.strip_prefix(self.root.as_path()).unwrap_or(path);
            listed.push(Listed { path: relative.to_string_lossy().into_owned(), bytes });
        })
        .map_err(unavailable("list", prefix))?;
        Ok(listed)
    }

    pub(super) fn sweep(&self, prefix: &str) -> Result<u64> {
        let folder = self.below(prefix)?;
        sweep_all(&folder).map_err(unavailable("sweep", prefix))
    }

    pub(super) fn delete(&self, path: &str) -> Result<()> {
        let file = self.file(path)?;
        let gone = || {
            let folder = open_folder(parent(&file))?;
            match fs::remove_file(&file) {
                Err(error) if !is_absence(&error) => Err(error),
                // Also where it was gone: another's deletion may not be on the disk yet.
                Ok(()) | Err(_) => folder.sync_all(),
            }
        };
        match gone() {
            Err(error) if is_absence(&error) => Ok(()),
            done => done.map_err(unavailable("delete", path)),
        }
    }

    pub(super) fn object_store(&self) -> Result<Arc<dyn ObjectStore>> {
        let store = LocalFileSystem::new_with_prefix(self.root.as_path()).map_err(|source| {
            Error::Unavailable { act: "open", path: String::new(), source: Box::new(source) }
        })?;
        Ok(Arc::new(store))
    }
}

/// Makes the bytes of files durable, which lie in one file system.
#[cfg(target_os = "linux")]
fn sync_files<'a>(mut files: impl Iterator<Item = &'a File>) -> io::Result<()> {
    // Of the whole file system at once: for a few hundred files that is faster than of each.
    files.next().map_or(Ok(()), |file| Ok(rustix::fs::syncfs(file)?))
}

#[cfg(not(target_os = "linux"))]
fn sync_files<'a>(mut files: impl Iterator<Item = &'a File>) -> io::Result<()> {
    files.try_for_each(File::sync_all)
}

/// A file that has no name of its own yet. It is locked while its writer lives, and its temporary
/// name goes with it.
#[derive(Debug)]
struct Temporary {
    path: PathBuf,
    file: File,
}

impl Temporary {
    fn written(folder: &Path, bytes: &[u8]) -> io::Result<Self> {
        let mut temporary = Self::made(folder)?;
        temporary.file.write_all(bytes)?;
        Ok(temporary)
    }

    fn made(folder: &Path) -> io::Result<Self> {
        loop {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{TEMPORARY}{}-{number}", std::process::id()));
            let file = match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => file,
                // A dead process of this number left it, or a living one in another container.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            let temporary = Self { path, file };
            if let Err(error) = temporary.file.lock() {
                // Where there are no locks, nobody sweeps.
                tracing::debug!(%error, "a temporary file could not be locked");
            }
            // A sweeper may have taken it for an orphan's before it was locked.
            if temporary.file.metadata()?.nlink() > 0 {
                return Ok(temporary);
            }
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // A renamed file has left the name already; one that cannot be removed is swept later.
        drop(fs::remove_file(&self.path));
    }
}

/// Removes the temporary files in one folder that no living process holds; returns how many.
fn sweep(folder: &Path) -> io::Result<u64> {
    let mut swept = 0_u64;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            continue;
        }
        let path = entry.path();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => continue,
            // Without locks nobody can say who lives.
            Err(TryLockError::Error(_)) => return Ok(swept),
        }
        match fs::remove_file(&path) {
            Ok(()) => swept += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(swept)
}

fn sweep_all(folder: &Path) -> io::Result<u64> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_absence(&error) => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut swept = sweep(folder)?;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            swept += sweep_all(&entry.path())?;
        }
    }
    if swept > 0 {
        open_folder(folder)?.sync_all()?;
    }
    Ok(swept)
}

/// Whether there is no such object: nothing there, or something that is none.
fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind as E;
    matches!(error.kind(), E::NotFound | E::NotADirectory | E::IsADirectory)
}

fn parent(file: &Path) -> &Path {
    file.parent().unwrap_or(file)
}

/// Tells of every object below a folder: its path, and its bytes.
fn walk(folder: &Path, found: &mut impl FnMut(&Path, u64)) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_absence(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), found)?;
        } else if !entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            match entry.metadata() {
                Ok(metadata) => found(&entry.path(), metadata.len()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Opens a folder to sync it; the empty path is the folder that the process stands in.
fn open_folder(folder: &Path) -> io::Result<File> {
    File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
}

fn unavailable(act: &'static str, path: &str) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::Unavailable { act, path, source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_dead_writers_left_is_swept_and_what_the_living_hold_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let vault = dir.path().join("vault");
        fs::create_dir(&vault).unwrap();
        fs::write(vault.join(".almoner-1-0"), b"half a row").unwrap();
        let living = Temporary::written(&vault, b"more to come").unwrap();
        let folder = Folder::new(dir.path().to_owned());
        folder.put("vault/object", b"whole").unwrap();
        let held = living.path.file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(
            names(&vault),
            [held, "object".to_owned()],
            "an orphan keeps a person's row, or a writer lost its file"
        );
        drop(living);
        assert_eq!(names(&vault), ["object"], "a writer left its temporary file");

        fs::write(vault.join(".almoner-1-0"), b"half a row").unwrap();
        folder.put("vault/object", b"again").unwrap();
        assert_eq!(names(&vault).len(), 2, "each write lists the folder");
        assert_eq!(folder.sweep("").unwrap(), 1, "an orphan in a known folder stays");
        assert_eq!(folder.sweep("nowhere").unwrap(), 0);
    }

    #[test]
    fn a_writer_whose_temporary_name_is_taken_takes_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let next = COUNTER.load(Ordering::Relaxed);
        for number in next..next + 20 {
            let name = format!("{TEMPORARY}{}-{number}", std::process::id());
            fs::write(dir.path().join(name), b"of another container").unwrap();
        }
        let made = Temporary::written(dir.path(), b"mine").unwrap();
        assert_eq!(fs::read(&made.path).unwrap(), b"mine");
        assert_eq!(names(dir.path()).len(), 21, "another writer's file was taken over");
    }

    #[test]
    fn a_write_that_fails_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path().to_owned());
        folder.put("zone/file", b"x").unwrap();
        // A folder in the object's place: the rename fails after the bytes are written.
        fs::create_dir_all(dir.path().join("zone/taken/by")).unwrap();
        assert!(folder.put("zone/taken", b"y").is_err());
        assert_eq!(names(&dir.path().join("zone")), ["file", "taken"], "a temporary file stayed");
    }

    #[test]
    fn a_folder_that_goes_away_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path().join("new/site"));
        folder.put("a/b/c", b"1").unwrap();
        fs::remove_dir_all(dir.path().join("new")).unwrap();
        folder.put("a/b/c", b"2").unwrap();
        assert_eq!(folder.find("a/b/c").unwrap().unwrap(), "2");
        assert_eq!(folder.find("a/b/c/d").unwrap(), None, "below an object there is nothing");
        assert_eq!(folder.find("a/b").unwrap(), None, "a folder is no object");
        assert_eq!(folder.list("a/b/c").unwrap(), [], "an object is no folder");
    }

    #[test]
    fn no_path_leads_out_of_the_store() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("secret"), b"key").unwrap();
        let folder = Folder::new(dir.path().join("site"));
        for path in ["../secret", "a/../../secret", "/etc/hostname", ""] {
            assert!(matches!(folder.find(path), Err(Error::Name { .. })), "`{path}` was read");
            assert!(
                matches!(folder.put(path, b""), Err(Error::Name { .. })),
                "`{path}` was written"
            );
        }
        assert_eq!(fs::read(dir.path().join("secret")).unwrap(), b"key");
    }
}
