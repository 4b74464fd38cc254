//! Files of a site as they are to whoever holds its keys: objects of the vault and the lake are opened
//! when they are read and sealed when they are written; all other files are read and written as they lie.

use std::{
    io,
    path::{Path, PathBuf},
};

use almoner::{
    store::Store,
    vault::{Keyring, SiteKey},
};
use bytes::Bytes;

/// Returns the zone that a file lies in, as if it were open, the file's path in it, and the site.
fn zone(file: &Path) -> Option<(Store, String)> {
    let site = file.ancestors().skip(1).find(|folder| folder.join("site.json").is_file())?;
    let beside = PathBuf::from(format!("{}.keys", site.display()));
    let keys = if beside.is_dir() { beside } else { site.with_file_name("keys") };
    let path = file.strip_prefix(site).ok()?.to_str()?.to_owned();
    let keyring = Keyring::new(&Store::open(site.to_str()?).unwrap(), SiteKey::new(&keys, None));
    match path.split_once('/')? {
        ("vault", path) if !path.starts_with("keyring/") => {
            Some((keyring.vault(), path.to_owned()))
        }
        ("lake", path) => Some((keyring.lake(), path.to_owned())),
        _ => None,
    }
}

/// Reads a file.
pub(crate) fn read(file: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let file = file.as_ref();
    match zone(file) {
        Some((zone, path)) => zone.get(&path).map(|bytes| bytes.to_vec()).map_err(io::Error::other),
        None => std::fs::read(file),
    }
}

/// Reads a file of text.
pub(crate) fn read_to_string(file: impl AsRef<Path>) -> io::Result<String> {
    String::from_utf8(read(file)?).map_err(io::Error::other)
}

/// Writes a file. What is no segment any more cannot be sealed, and is written as it is.
pub(crate) fn write(file: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let (file, bytes) = (file.as_ref(), bytes.as_ref());
    if let Some((zone, path)) = zone(file)
        && zone.put(&path, Bytes::copy_from_slice(bytes)).is_ok()
    {
        return Ok(());
    }
    std::fs::write(file, bytes)
}
