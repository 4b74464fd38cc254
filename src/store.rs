//! Objects by path, in a folder, S3, Azure or memory; every write durable before it returns, and
//! numbered commits that exactly one writer wins.
//!
//! Comes in: a URL. Goes out: bytes. Everything above calls it from ordinary (not async) code.
//! Never: a success that a power cut could undo, or a conflict reported to the writer who won.

mod current;
mod folder;
mod medium;
mod name;
mod probe;
mod remote;
mod seal;
mod sequence;
#[cfg(test)]
pub(crate) mod stop;

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use object_store::{ObjectStore, path::Path};
use rayon::prelude::*;

use self::seal::Sealed;
pub use self::{
    medium::Medium,
    probe::{Races, Unfit},
    seal::Seal,
    sequence::{Committed, Sequence},
};

/// What went wrong with an object.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The site's address cannot be read.
    #[error("`{url}` is not an address of a store: {reason}")]
    Address {
        /// The address as given, without credentials.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A path leads nowhere, or out of the store.
    #[error("`{path}` is no name of an object")]
    Name {
        /// The path, with what cannot be printed escaped.
        path: String,
    },
    /// There is no such object.
    #[error("there is no object `{path}`")]
    NotFound {
        /// The object's path in its zone.
        path: String,
    },
    /// A content-addressed object holds other bytes than its name says.
    #[error("object `{path}` exists with other bytes")]
    Differs {
        /// The object's path.
        path: String,
    },
    /// A sealed object does not open: it was changed, moved, never sealed, or its key is not here.
    #[error("object `{path}` does not open: {reason}")]
    Sealed {
        /// The object's path.
        path: String,
        /// Why.
        reason: String,
    },
    /// The key of a sealed object was destroyed on purpose; nothing opens it again.
    #[error("object `{path}` cannot be read any more: its key, {key}, was destroyed")]
    Destroyed {
        /// The object's path.
        path: String,
        /// The key's name.
        key: String,
    },
    /// The store could not be reached or refused.
    #[error("the store failed to {act} `{path}`")]
    Unavailable {
        /// What was being done.
        act: &'static str,
        /// The object's path.
        path: String,
        /// What the store said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// From how many objects on a folder syncs them together.
const TOGETHER_MIN: usize = 64;

/// A result of the store.
pub type Result<T> = std::result::Result<T, Error>;

/// Whether a conditional create made the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Created {
    /// This call made it.
    New,
    /// It was there already; nothing was written.
    Exists,
}

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The path, relative to the store it was listed from.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
}

#[derive(Debug, Clone)]
enum Backend {
    Folder(folder::Folder),
    Remote(remote::Remote),
}

/// A place for objects. Cloning it is cheap; a zone is a store below a store.
#[derive(Debug, Clone)]
pub struct Store {
    backend: Backend,
    prefix: String,
    sealed: Option<Sealed>,
}

impl Store {
    /// Opens a folder path, or a `file://`, `s3://`, `az://` or `memory://` URL. S3 and Azure take
    /// credentials and endpoint from their usual environment variables.
    pub fn open(address: &str) -> Result<Self> {
        let fault = |reason: String| Error::Address { url: address.to_owned(), reason };
        let (backend, prefix) = match address.split_once("://") {
            None => (Backend::Folder(folder::Folder::new(PathBuf::from(address))), String::new()),
            Some(("file", path)) => {
                if !path.starts_with('/') {
                    return Err(fault(
                        "a file URL names an absolute path: file:///srv/site".into(),
                    ));
                }
                (Backend::Folder(folder::Folder::new(PathBuf::from(path))), String::new())
            }
            Some(("memory" | "s3" | "s3a" | "az" | "abfs" | "abfss", _)) => {
                let (remote, prefix) = remote::Remote::open(address).map_err(fault)?;
                (Backend::Remote(remote), prefix)
            }
            Some((scheme, _)) => {
                return Err(fault(format!(
                    "`{scheme}` is none of file, s3, az, memory; a folder needs no scheme"
                )));
            }
        };
        Ok(Self { backend, prefix, sealed: None })
    }

    /// Takes any object store, with conditional writes, for a place that has no address: one that a
    /// test makes fail.
    pub fn over(store: Arc<dyn ObjectStore>) -> Self {
        let backend = Backend::Remote(remote::Remote::over(store));
        Self { backend, prefix: String::new(), sealed: None }
    }

    /// Returns the store below `name`.
    #[must_use]
    pub fn zone(&self, name: &str) -> Self {
        let sealed = self.sealed.clone();
        Self { backend: self.backend.clone(), prefix: self.full(name), sealed }
    }

    /// Returns the same place with every object sealed: what is written and read stays as it is,
    /// what is stored is what `seal` makes of it. Paths are told to `seal` from this place on.
    #[must_use]
    pub fn sealed(&self, seal: Arc<dyn Seal>) -> Self {
        let sealed = Some(Sealed::new(seal, &self.prefix));
        Self { backend: self.backend.clone(), prefix: self.prefix.clone(), sealed }
    }

    /// Returns what seals this place, if anything does.
    pub fn seal(&self) -> Option<&Arc<dyn Seal>> {
        self.sealed.as_ref().map(Sealed::seal)
    }

    fn full(&self, path: &str) -> String {
        match (self.prefix.is_empty(), path.is_empty()) {
            (true, _) => path.to_owned(),
            (false, true) => self.prefix.clone(),
            (false, false) => format!("{}/{path}", self.prefix),
        }
    }

    /// Reads an object.
    pub fn get(&self, path: &str) -> Result<Bytes> {
        self.find(path)?.ok_or_else(|| Error::NotFound { path: self.full(path) })
    }

    /// Reads an object, or says that there is none.
    pub fn find(&self, path: &str) -> Result<Option<Bytes>> {
        let full = self.full(path);
        let found = match &self.backend {
            Backend::Folder(folder) => folder.find(&full),
            Backend::Remote(remote) => remote.find(&full),
        }?;
        match (&self.sealed, found) {
            (Some(sealed), Some(bytes)) => sealed.open(&full, &bytes).map(Some),
            (_, found) => Ok(found),
        }
    }

    /// Returns the bytes to store for an object.
    fn stored(&self, full: &str, bytes: Bytes) -> Result<Bytes> {
        match &self.sealed {
            Some(sealed) => sealed.close(full, &bytes),
            None => Ok(bytes),
        }
    }

    /// Says whether a sealed object holds these bytes already. Sealed again they would be others in
    /// the store, though nothing changed.
    fn holds(&self, path: &str, bytes: &Bytes) -> Result<bool> {
        if self.sealed.is_none() {
            return Ok(false);
        }
        match self.find(path) {
            Ok(found) => Ok(found.as_ref() == Some(bytes)),
            // What does not open is written over like anything else.
            Err(Error::Sealed { .. } | Error::Destroyed { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes an object, over whatever was there. For pointers and pages that may change.
    pub fn put(&self, path: &str, bytes: Bytes) -> Result<()> {
        if self.holds(path, &bytes)? {
            return Ok(());
        }
        let full = self.full(path);
        #[cfg(test)]
        stop::spend(&full)?;
        let bytes = self.stored(&full, bytes)?;
        match &self.backend {
            Backend::Folder(folder) => folder.put(&full, &bytes),
            Backend::Remote(remote) => remote.put(&full, &bytes),
        }
    }

    /// Writes an object that can be made again, without waiting until it would survive a power cut.
    /// Whoever reads it back checks its digest.
    pub fn put_scratch(&self, path: &str, bytes: Bytes) -> Result<()> {
        if self.holds(path, &bytes)? {
            return Ok(());
        }
        let full = self.full(path);
        #[cfg(test)]
        stop::spend(&full)?;
        let bytes = self.stored(&full, bytes)?;
        match &self.backend {
            Backend::Folder(folder) => folder.put_scratch(&full, &bytes),
            Backend::Remote(remote) => remote.put_scratch(&full, bytes),
        }
    }

    /// Makes an object if there is none, atomically: of many callers at most one gets
    /// [`Created::New`]. A caller whose success was lost on the way gets [`Created::Exists`], so
    /// whoever gets it reads what is there before calling it another's: [`Sequence::commit`] and
    /// [`Store::put_content`] do.
    pub fn create(&self, path: &str, bytes: Bytes) -> Result<Created> {
        let full = self.full(path);
        #[cfg(test)]
        stop::spend(&full)?;
        let bytes = self.stored(&full, bytes)?;
        match &self.backend {
            Backend::Folder(folder) => folder.create(&full, &bytes),
            Backend::Remote(remote) => remote.create(&full, bytes),
        }
    }

    /// Writes an object whose name is made of its content; writing it twice is the same as once.
    pub fn put_content(&self, path: &str, bytes: &Bytes) -> Result<()> {
        match self.create(path, bytes.clone())? {
            Created::New => Ok(()),
            Created::Exists if self.get(path)? == *bytes => Ok(()),
            Created::Exists => Err(Error::Differs { path: self.full(path) }),
        }
    }

    /// Writes many objects as [`Store::put_content`] does, and returns when all are durable. A folder
    /// syncs them together, which for thousands is far faster than one after the other.
    pub fn put_contents(&self, objects: impl IntoIterator<Item = (String, Bytes)>) -> Result<()> {
        let objects: Vec<(String, Bytes)> = objects.into_iter().collect();
        match &self.backend {
            Backend::Folder(folder) if objects.len() >= TOGETHER_MIN && self.sealed.is_none() => {
                let full = |(path, bytes): &(String, Bytes)| (self.full(path), bytes.clone());
                let objects: Vec<_> = objects.iter().map(full).collect();
                #[cfg(test)]
                objects.iter().try_for_each(|(path, _)| stop::spend(path))?;
                folder.put_contents(&objects)
            }
            Backend::Folder(_) | Backend::Remote(_) => objects
                .par_iter()
                .with_min_len(4)
                .try_for_each(|(path, bytes)| self.put_content(path, bytes)),
        }
    }

    /// Lists all objects below a prefix (a folder path; empty for all), sorted by path, each with
    /// its size as it is stored.
    pub fn list(&self, prefix: &str) -> Result<Vec<Listed>> {
        let full = self.full(prefix.trim_end_matches('/'));
        let mut listed = match &self.backend {
            Backend::Folder(folder) => folder.list(&full)?,
            Backend::Remote(remote) => remote.list(&full)?,
        };
        if !self.prefix.is_empty() {
            let skip = self.prefix.len() + 1;
            for object in &mut listed {
                object.path = object.path.get(skip..).unwrap_or_default().to_owned();
            }
        }
        listed.sort();
        Ok(listed)
    }

    /// Deletes an object; deleting none is no error.
    pub fn delete(&self, path: &str) -> Result<()> {
        let full = self.full(path);
        #[cfg(test)]
        stop::spend(&full)?;
        match &self.backend {
            Backend::Folder(folder) => folder.delete(&full),
            Backend::Remote(remote) => remote.delete(&full),
        }
    }

    /// Removes what writers that died have left below a prefix (a folder path; empty for all), and
    /// returns how many files; an object store clears up after itself.
    pub fn sweep(&self, prefix: &str) -> Result<u64> {
        match &self.backend {
            Backend::Folder(folder) => folder.sweep(&self.full(prefix)),
            Backend::Remote(_) => Ok(0),
        }
    }

    /// Returns what a folder lies on; nothing for an object store.
    pub fn medium(&self) -> Result<Option<Medium>> {
        match &self.backend {
            Backend::Folder(folder) => folder.medium().map(Some),
            Backend::Remote(_) => Ok(None),
        }
    }

    /// Returns the file behind an object, where the store is a folder.
    pub fn local_path(&self, path: &str) -> Option<PathBuf> {
        match &self.backend {
            Backend::Folder(folder) => folder.file(&self.full(path)).ok(),
            Backend::Remote(_) => None,
        }
    }

    /// Returns the store as DataFusion takes it, and the path of this zone in it.
    pub fn object_store(&self) -> Result<(Arc<dyn ObjectStore>, Path)> {
        let store = match &self.backend {
            Backend::Folder(folder) => folder.object_store()?,
            Backend::Remote(remote) => remote.object_store(),
        };
        let prefix = Path::parse(&self.prefix)
            .map_err(|_| Error::Name { path: self.prefix.escape_debug().to_string() })?;
        Ok((store, prefix))
    }

    /// Whether a program that is not ours answers for what is kept: S3 or Azure, or what calls
    /// itself so.
    pub fn is_foreign(&self) -> bool {
        matches!(self.kind(), "s3" | "azure")
    }

    /// Says what kind of store this is: `folder`, `s3`, `azure`, `memory`, or `given`.
    pub fn kind(&self) -> &'static str {
        match &self.backend {
            Backend::Folder(_) => "folder",
            Backend::Remote(remote) => remote.kind(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(store: &Store) {
        assert!(store.find("a/b").unwrap().is_none());
        assert_eq!(store.create("a/b", Bytes::from_static(b"one")).unwrap(), Created::New);
        assert_eq!(store.create("a/b", Bytes::from_static(b"two")).unwrap(), Created::Exists);
        assert_eq!(store.get("a/b").unwrap(), Bytes::from_static(b"one"));
        store.put("a/b", Bytes::from_static(b"three")).unwrap();
        assert_eq!(store.zone("a").get("b").unwrap(), Bytes::from_static(b"three"));
        store.put("a/c/d", Bytes::from_static(b"x")).unwrap();
        let paths: Vec<_> = store.zone("a").list("").unwrap().into_iter().map(|o| o.path).collect();
        assert_eq!(paths, ["b", "c/d"]);
        assert!(store.put_content("a/c/d", &Bytes::from_static(b"x")).is_ok());
        assert!(matches!(
            store.put_content("a/c/d", &Bytes::from_static(b"y")),
            Err(Error::Differs { .. })
        ));
        store.delete("a/b").unwrap();
        store.delete("a/b").unwrap();
        assert!(matches!(store.get("a/b"), Err(Error::NotFound { .. })));
    }

    #[test]
    fn a_folder_and_a_memory_store_keep_the_same_contract() {
        let dir = tempfile::tempdir().unwrap();
        contract(&Store::open(dir.path().to_str().unwrap()).unwrap());
        contract(&Store::open("memory://contract").unwrap());
        contract(&Store::open("memory://contract/below").unwrap());
    }

    #[test]
    fn of_many_writers_of_one_number_exactly_one_wins() {
        let dir = tempfile::tempdir().unwrap();
        for store in [
            Store::open(dir.path().to_str().unwrap()).unwrap(),
            Store::open("memory://race").unwrap(),
        ] {
            for round in 1..=20_u64 {
                let won: usize = std::thread::scope(|scope| {
                    let writers: Vec<_> = (0..16)
                        .map(|writer| {
                            let sequence = Sequence::new(&store, "commits");
                            scope.spawn(move || {
                                let body = Bytes::from(format!("{{\"txn\":{writer}}}"));
                                sequence.commit(round, &body).unwrap() == Committed::Done
                            })
                        })
                        .collect();
                    writers.into_iter().filter_map(|w| w.join().unwrap().then_some(())).count()
                });
                assert_eq!(won, 1, "two writers would both believe that they committed");
            }
        }
    }

    #[test]
    fn a_retried_success_is_no_conflict() {
        let sequence = Sequence::new(&Store::open("memory://retry").unwrap(), "c");
        let body = Bytes::from_static(b"{\"txn\":\"7\"}");
        assert_eq!(sequence.commit(1, &body).unwrap(), Committed::Done);
        assert_eq!(sequence.commit(1, &body).unwrap(), Committed::Done);
        assert_eq!(sequence.commit(1, &Bytes::from_static(b"{}")).unwrap(), Committed::Conflict);
        assert_eq!(sequence.latest().unwrap().map(|(n, _)| n), Some(1));
    }
}
