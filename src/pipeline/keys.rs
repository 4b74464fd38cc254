//! Acts on the keys of data: listed, replaced, handed out, destroyed; and a copy of a site in the open, for
//! programs of the steward's own.
//!
//! Comes in: a site, what is to be done. Goes out: what was done, by the names of keys.
//! Never: a copy over something that is there, or one that others can read.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use serde::Serialize;
use zeroize::Zeroizing;

use super::Progress;
pub use crate::vault::{Error as KeyError, KeyName, Renewed};
use crate::{
    lake,
    site::Site,
    store::{self, Store},
    vault::Closed,
};

/// Why an act on keys was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The keys failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The lake failed.
    #[error(transparent)]
    Lake(#[from] lake::Error),
    /// The site is not sealed.
    #[error("the site is not sealed: its data have no keys yet")]
    Open,
    /// There is something where the copy is to be.
    #[error("there is something at `{}` already", .0.display())]
    Exists(PathBuf),
    /// A file of the copy cannot be written.
    #[error("`{}` cannot be written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// One key, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Its name.
    pub key: String,
    /// What wraps it; none where it was destroyed.
    pub wrapped_by: Option<String>,
}

/// Lists the keys of data that there are or were.
pub fn list(site: &Site) -> Result<Vec<Line>, Error> {
    let names = site.keyring().list()?.into_iter();
    Ok(names.map(|(key, wrapped_by)| Line { key: key.to_string(), wrapped_by }).collect())
}

/// Seals the whole vault under a new key and destroys the keys before it; a site that was not sealed is
/// sealed by it.
pub fn rotate_vault(site: &Site, progress: &dyn Progress) -> Result<Renewed, Error> {
    progress.stage("seal the vault", 1);
    let renewed = site.keyring().rotate_vault(&|_, _| {})?;
    progress.step();
    Ok(renewed)
}

/// Encrypts every segment of a dataset under new keys and destroys those before.
pub fn rotate_dataset(
    site: &Site,
    dataset: &str,
    progress: &dyn Progress,
) -> Result<Renewed, Error> {
    is_sealed(site)?;
    progress.stage("encrypt the segments", 1);
    let renewed = site.keyring().rotate_dataset(dataset, &|_, _| {})?;
    progress.step();
    Ok(renewed)
}

/// Returns the key of a version, given as `dataset` or `dataset@version`.
pub fn export(site: &Site, name: &str) -> Result<(KeyName, Zeroizing<[u8; 32]>), Error> {
    is_sealed(site)?;
    let version = lake::Lake::new(site.lake()).find(name)?.version;
    Ok(site.keyring().export(&version.dataset, version.version)?)
}

/// Destroys the keys of a version, given as `dataset@version`; says which there were.
pub fn destroy(site: &Site, name: &str) -> Result<Vec<KeyName>, Error> {
    is_sealed(site)?;
    let version = lake::Lake::new(site.lake()).find(name)?.version;
    Ok(site.keyring().destroy_version(&version.dataset, version.version)?)
}

/// Copies the site into a new folder with vault and lake in the open; says how many objects there are, and
/// how many of them were left out because their keys are destroyed.
pub fn copy(site: &Site, folder: &Path, progress: &dyn Progress) -> Result<(u64, u64), Error> {
    let fault = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { path, source }
    };
    let made = fs::DirBuilder::new().mode(0o700).create(folder);
    made.map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => Error::Exists(folder.to_owned()),
        _ => fault(folder)(e),
    })?;
    let (mut copied, mut closed) = (0, 0);
    let whole = site.store();
    let zones: [(&str, Store); 4] = [
        ("vault", site.vault()),
        ("lake", site.lake()),
        ("ledger", site.ledger()),
        ("public", site.public()),
    ];
    progress.stage("copy", zones.len() as u64);
    let write = |name: &str, path: &str, bytes: &[u8]| {
        let file = folder.join(name).join(path);
        let parent = file.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(fault(parent))?;
        fs::write(&file, bytes).map_err(fault(&file))
    };
    for (name, zone) in &zones {
        for object in zone.list("")? {
            if *name == "vault" && object.path.starts_with("keyring/") {
                continue;
            }
            match zone.find(&object.path) {
                Ok(Some(bytes)) => {
                    write(name, &object.path, &bytes)?;
                    copied += 1;
                }
                Ok(None) => {}
                Err(store::Error::Destroyed { .. }) => closed += 1,
                Err(error) => return Err(error.into()),
            }
        }
        progress.step();
    }
    write("", "site.json", &whole.get("site.json")?)?;
    Ok((copied + 1, closed))
}

fn is_sealed(site: &Site) -> Result<(), Error> {
    match site.keyring().closed()? {
        Closed::Open => Err(Error::Open),
        Closed::Begun | Closed::Sealed => Ok(()),
    }
}
