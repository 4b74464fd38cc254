//! S3, Azure and memory, through `object_store`. Calls block on a runtime of the store's own, so
//! that the rest of the engine stays ordinary code.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::{
    ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion,
    aws::AmazonS3Builder, azure::MicrosoftAzureBuilder, memory::InMemory, path::Path,
};
use tokio::runtime::Runtime;

use super::{Created, Error, Listed, Result, name};

/// How often a write begins again because others wrote the same object meanwhile.
const RACED_MAX: usize = 32;

/// How often a write begins again that failed and left nothing: each time the store itself has already
/// been asked again for a while.
const LOST_MAX: usize = 2;

static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("almoner-store")
        .enable_all()
        .build()
});

/// One memory store for each name, so that `memory://x` opened twice in a process is one store.
static MEMORY: LazyLock<Mutex<BTreeMap<String, Arc<InMemory>>>> = LazyLock::new(Mutex::default);

#[derive(Debug, Clone)]
pub(super) struct Remote {
    store: Arc<dyn ObjectStore>,
    kind: &'static str,
}

impl Remote {
    pub(super) fn open(address: &str) -> std::result::Result<(Self, String), String> {
        let url = url::Url::parse(address).map_err(|e| e.to_string())?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let prefix = url.path().trim_matches('/').to_owned();
        if host.is_empty() {
            return Err("the bucket or container is missing".to_owned());
        }
        let store: (Arc<dyn ObjectStore>, &'static str) = match url.scheme() {
            "memory" => {
                let mut stores = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
                (Arc::clone(stores.entry(host).or_default()) as Arc<dyn ObjectStore>, "memory")
            }
            "s3" | "s3a" => {
                let builder = AmazonS3Builder::from_env().with_bucket_name(host);
                (Arc::new(builder.build().map_err(|e| e.to_string())?), "s3")
            }
            _ => {
                let builder = MicrosoftAzureBuilder::from_env().with_container_name(host);
                (Arc::new(builder.build().map_err(|e| e.to_string())?), "azure")
            }
        };
        Ok((Self { store: store.0, kind: store.1 }, prefix))
    }

    pub(super) fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, kind: "given" }
    }

    pub(super) fn kind(&self) -> &'static str {
        self.kind
    }

    pub(super) fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    pub(super) fn find(&self, path: &str) -> Result<Option<Bytes>> {
        Ok(self.read(path)?.map(|(bytes, _)| bytes))
    }

    /// Reads an object, and which of those that lay there it is.
    fn read(&self, path: &str) -> Result<Option<(Bytes, UpdateVersion)>> {
        let location = location(path)?;
        let read = wait("read", path, async {
            let found = self.store.get(&location).await?;
            let version = version(&found.meta);
            Ok((found.bytes().await?, version))
        })?;
        match read {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(unavailable("read", path, error)),
        }
    }

    /// Writes over what is there, as it was seen just before: a request that was given up and is done long
    /// after, when others have written, takes nothing back.
    pub(super) fn put(&self, path: &str, bytes: &Bytes) -> Result<()> {
        let location = location(path)?;
        let mut seen = match wait("read", path, self.store.head(&location))? {
            Ok(meta) => Some(version(&meta)),
            Err(object_store::Error::NotFound { .. }) => None,
            Err(error) => return Err(unavailable("read", path, error)),
        };
        let (mut raced, mut lost) = (0, 0);
        loop {
            let mode = match &seen {
                None => PutMode::Create,
                Some(UpdateVersion { e_tag: None, .. }) => PutMode::Overwrite,
                Some(version) => PutMode::Update(version.clone()),
            };
            let payload = bytes.clone().into();
            let Err(error) =
                wait("write", path, self.store.put_opts(&location, payload, mode.into()))?
            else {
                return Ok(());
            };
            let may_go_on = matches!(
                error,
                object_store::Error::AlreadyExists { .. }
                    | object_store::Error::Precondition { .. }
                    | object_store::Error::Generic { .. }
            );
            // What is there now is this call's own, whose answer was lost, or another's, or what was there
            // before: then it is written over as it is seen now.
            let now = match self.read(path) {
                Ok(Some((found, _))) if found == *bytes => return Ok(()),
                Ok(found) if may_go_on => found.map(|(_, version)| version),
                Ok(_) | Err(_) => return Err(unavailable("write", path, error)),
            };
            let of = |version: &Option<UpdateVersion>| version.as_ref().map(|v| v.e_tag.clone());
            let (tries, max) =
                if of(&now) == of(&seen) { (&mut lost, LOST_MAX) } else { (&mut raced, RACED_MAX) };
            if *tries == max {
                return Err(unavailable("write", path, error));
            }
            *tries += 1;
            seen = now;
        }
    }

    /// Writes over whatever is there.
    pub(super) fn put_scratch(&self, path: &str, bytes: Bytes) -> Result<()> {
        let location = location(path)?;
        wait("write", path, self.store.put(&location, bytes.into()))?
            .map(|_| ())
            .map_err(|error| unavailable("write", path, error))
    }

    pub(super) fn create(&self, path: &str, bytes: Bytes) -> Result<Created> {
        let location = location(path)?;
        let options = PutOptions::from(PutMode::Create);
        match wait("create", path, self.store.put_opts(&location, bytes.into(), options))? {
            Ok(_) => Ok(Created::New),
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. },
            ) => Ok(Created::Exists),
            // The store may have made the object and lost the answer, and a caller who gave up must
            // not be told that there is nothing: whoever hears `Exists` asks whose it is.
            Err(error) => match self.find(path) {
                Ok(Some(_)) => Ok(Created::Exists),
                Ok(None) | Err(_) => Err(unavailable("create", path, error)),
            },
        }
    }

    pub(super) fn list(&self, prefix: &str) -> Result<Vec<Listed>> {
        let location = if prefix.is_empty() { None } else { Some(location(prefix)?) };
        let listing = self.store.list(location.as_ref()).try_collect::<Vec<_>>();
        let found = wait("list", prefix, listing)?.map_err(|e| unavailable("list", prefix, e))?;
        Ok(found
            .into_iter()
            .map(|meta| Listed { path: meta.location.to_string(), bytes: meta.size })
            .collect())
    }

    pub(super) fn delete(&self, path: &str) -> Result<()> {
        let location = location(path)?;
        match wait("delete", path, self.store.delete(&location))? {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(unavailable("delete", path, error)),
        }
    }
}

/// A path as it stands: two names never become one, and a listing gives back what was put.
fn location(path: &str) -> Result<Path> {
    name::check(path)?;
    Path::parse(path).map_err(|_| Error::Name { path: path.escape_debug().to_string() })
}

fn version(meta: &ObjectMeta) -> UpdateVersion {
    UpdateVersion { e_tag: meta.e_tag.clone(), version: meta.version.clone() }
}

fn wait<F: Future>(act: &'static str, path: &str, future: F) -> Result<F::Output> {
    match &*RUNTIME {
        Ok(runtime) => Ok(runtime.block_on(future)),
        Err(error) => Err(Error::Unavailable {
            act,
            path: path.to_owned(),
            source: Box::new(std::io::Error::new(error.kind(), error.to_string())),
        }),
    }
}

fn unavailable(act: &'static str, path: &str, error: object_store::Error) -> Error {
    Error::Unavailable { act, path: path.to_owned(), source: Box::new(error) }
}

/// The store answered, and what it answered is of no use.
pub(super) fn unavailable_because(act: &'static str, path: &str, reason: &'static str) -> Error {
    Error::Unavailable { act, path: path.to_owned(), source: reason.into() }
}
