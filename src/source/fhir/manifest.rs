//! A Bulk Data manifest: which NDJSON files an export consists of.
//!
//! Comes in: `manifest.json` as the export's status request answered it. Goes out: the files beside
//! it. Never: a fetch from the network, or a listed file that is quietly left out.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::source::{Error, bytes};

/// Bytes that a manifest may have.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// A file that a manifest lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The type of its resources, if the manifest says so.
    pub resource: Option<String>,
    /// The file.
    pub file: PathBuf,
}

/// Returns the files of a manifest's `output`, in its order; each is there.
pub fn listed(manifest: &Path) -> Result<Vec<Listed>, Error> {
    let wrong = |reason: String| Error::Manifest { file: manifest.to_owned(), reason };
    if bytes::size(manifest)? > MANIFEST_BYTES_MAX {
        return Err(wrong(format!("has more than {MANIFEST_BYTES_MAX} bytes")));
    }
    let text = std::fs::read(manifest).map_err(|source| bytes::io_error(manifest, source))?;
    let value: Value =
        serde_json::from_slice(&text).map_err(|error| wrong(format!("is no JSON: {error}")))?;
    let output = value.get("output").and_then(Value::as_array);
    let output = output.ok_or_else(|| wrong("has no `output` array".to_owned()))?;
    let folder = manifest.parent().unwrap_or_else(|| Path::new(""));
    let mut files = Vec::with_capacity(output.len());
    for (index, entry) in output.iter().enumerate() {
        let url = entry.get("url").and_then(Value::as_str);
        let url = url.ok_or_else(|| wrong(format!("has no `url` in output[{index}]")))?;
        let file = local(url, folder).map_err(|reason| wrong(format!("lists {reason}")))?;
        if !file.is_file() {
            let file = file.display();
            return Err(wrong(format!("lists `{file}` in output[{index}], which is not there")));
        }
        let resource = entry.get("type").and_then(Value::as_str).map(str::to_owned);
        files.push(Listed { resource, file });
    }
    Ok(files)
}

/// Returns the local file that a URL names.
fn local(url: &str, folder: &Path) -> Result<PathBuf, String> {
    match url.split_once("://") {
        None => Ok(folder.join(url)),
        Some(("file", _)) => url::Url::parse(url)
            .ok()
            .and_then(|parsed| parsed.to_file_path().ok())
            .ok_or_else(|| format!("`{url}`, which names no local file")),
        Some((scheme, _)) => Err(format!(
            "a file at {scheme}://; download the files first, and write their names as `url`"
        )),
    }
}
