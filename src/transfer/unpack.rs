//! What comes out of a parcel, split into the files of its manifest while it streams.
//!
//! Comes in: plain bytes, file after file. Goes out: a folder of FHIR NDJSON with `transfer.json`
//! beside it, whole or not at all. Never: a file that the manifest does not name, a byte kept where
//! a count or root is wrong, or a line in memory.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use memchr::memchr;
use serde::{Deserialize, Serialize};

use super::{FileEntry, Manifest, ReceivedFile, Refused, Side, TransferId, tally::OpenFile};
use crate::{
    instant::Instant,
    ledger::{LeafHasher, RunningRoot},
};

/// The file that says what a folder holds and whose it is.
const NOTE: &str = "transfer.json";
/// Tells folders that one process writes apart.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// What stands beside the files of a received record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The transfer.
    pub transfer: TransferId,
    /// Who sent it.
    pub from: Side,
    /// Who received it.
    pub to: Side,
    /// What it may be used for.
    pub purpose: String,
    /// Whose it is: the receiver's own id of the patient.
    pub patient: String,
    /// What it holds, and what was withheld under which rule.
    pub manifest: Manifest,
    /// When it was unpacked.
    pub received: Instant,
}

/// A record that was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// Where it lies.
    pub folder: PathBuf,
    /// What lies there.
    pub files: Vec<ReceivedFile>,
}

/// Why nothing was unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The manifest is none by which anything may be written.
    #[error("the manifest of the parcel cannot be used")]
    Manifest(#[source] Refused),
    /// A file holds fewer or more resources than the manifest says, or one without an end.
    #[error("file {file} of the parcel holds other counts than its manifest says")]
    Counts {
        /// Which, from 0.
        file: usize,
    },
    /// A file's lines are others.
    #[error("the lines of file {file} of the parcel are not those of its manifest")]
    Root {
        /// Which, from 0.
        file: usize,
    },
    /// All files are right and their order is not.
    #[error("the lines of the parcel are not those of its manifest")]
    WholeRoot,
    /// The parcel ends too early.
    #[error("the parcel ends before its manifest does")]
    Short,
    /// The parcel goes on.
    #[error("the parcel goes on after its manifest ends")]
    Long,
    /// Another record lies where this one would.
    #[error("`{folder}` holds another record of the same transfer")]
    Other {
        /// Where.
        folder: PathBuf,
    },
    /// The operating system says no.
    #[error("`{path}` could not be {act}")]
    Io {
        /// What was being done.
        act: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl UnpackError {
    /// Returns what it means for the transfer; `None` where it is this machine's fault alone.
    pub fn refused(&self) -> Option<Refused> {
        match self {
            Self::Manifest(refused) => Some(refused.clone()),
            Self::Counts { .. } | Self::Short | Self::Long => {
                Some(Refused::Counts { file: "parcel" })
            }
            Self::Root { .. } | Self::WholeRoot => Some(Refused::Root),
            Self::Other { .. } => Some(Refused::Replayed { file: "parcel" }),
            Self::Io { .. } => None,
        }
    }
}

/// Makes the error of something done to a path.
fn fault(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> UnpackError {
    let path = path.to_owned();
    move |source| UnpackError::Io { act, path, source }
}

/// Returns the record of a transfer that was unpacked before; `None` where there is none.
///
/// # Errors
/// Where another one lies in its place, or it cannot be read.
pub fn unpacked(
    root: &Path,
    transfer: &TransferId,
    manifest: &Manifest,
) -> Result<Option<Unpacked>, UnpackError> {
    let folder = root.join(transfer.to_string());
    if !folder.exists() {
        return Ok(None);
    }
    let note = folder.join(NOTE);
    let text = fs::read(&note).map_err(fault("read", &note))?;
    let same = serde_json::from_slice::<Note>(&text)
        .is_ok_and(|note| note.transfer == *transfer && note.manifest == *manifest);
    let has = |file: &FileEntry| {
        fs::metadata(folder.join(&file.name)).is_ok_and(|found| found.len() == file.bytes)
    };
    if same && manifest.files.iter().all(has) {
        Ok(Some(Unpacked { folder, files: manifest.received() }))
    } else {
        Err(UnpackError::Other { folder })
    }
}

/// A record while it is unpacked: what is written to it is the plain content of the parcel. Dropped
/// before [`Unpacking::finish`] it leaves nothing behind.
#[derive(Debug)]
pub struct Unpacking {
    root: PathBuf,
    partial: PathBuf,
    note: Note,
    at: usize,
    open: Option<Open>,
    whole: RunningRoot,
    fault: Option<UnpackError>,
}

/// The file that is being written.
#[derive(Debug)]
struct Open {
    out: BufWriter<File>,
    path: PathBuf,
    found: OpenFile,
    // The line that has begun and not ended.
    line: Option<LeafHasher>,
}

impl Unpacking {
    /// Begins a folder below `root`. What a process that was killed left of the same transfer goes.
    ///
    /// # Errors
    /// Where the manifest is not sound, or the folder cannot be made.
    pub fn begin(root: &Path, note: Note) -> Result<Self, UnpackError> {
        note.manifest.check().map_err(UnpackError::Manifest)?;
        fs::create_dir_all(root).map_err(fault("made", root))?;
        let stem = format!(".{}.", note.transfer);
        for left in fs::read_dir(root).map_err(fault("listed", root))? {
            let left = left.map_err(fault("listed", root))?;
            if left.file_name().to_string_lossy().starts_with(&stem) {
                fs::remove_dir_all(left.path()).map_err(fault("removed", &left.path()))?;
            }
        }
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let partial = root.join(format!("{stem}{}-{number}", std::process::id()));
        fs::create_dir(&partial).map_err(fault("made", &partial))?;
        Ok(Self {
            root: root.to_owned(),
            partial,
            note,
            at: 0,
            open: None,
            whole: RunningRoot::default(),
            fault: None,
        })
    }

    /// Returns what went wrong with what was written, once: the reader of a parcel sees only an
    /// [`io::Error`].
    pub fn fault(&mut self) -> Option<UnpackError> {
        self.fault.take()
    }

    /// Ends it: checks that all came, writes `transfer.json`, and gives the folder its name.
    ///
    /// # Errors
    /// Where anything of it is not what the manifest says; then nothing remains.
    pub fn finish(mut self) -> Result<Unpacked, UnpackError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let manifest = &self.note.manifest;
        if self.open.is_some() || self.at < manifest.files.len() {
            return Err(UnpackError::Short);
        }
        if self.whole.root() != manifest.root {
            return Err(UnpackError::WholeRoot);
        }
        let path = self.partial.join(NOTE);
        let text = serde_json::to_vec_pretty(&self.note).map_err(io::Error::from);
        text.and_then(|text| {
            let mut file = File::create_new(&path)?;
            file.write_all(&text)?;
            file.sync_all()
        })
        .map_err(fault("written", &path))?;
        sync(&self.partial)?;
        let folder = self.root.join(self.note.transfer.to_string());
        if let Err(source) = fs::rename(&self.partial, &folder) {
            // Another process was faster.
            let done = unpacked(&self.root, &self.note.transfer, manifest)?;
            return done.ok_or(UnpackError::Io { act: "named", path: folder, source });
        }
        sync(&self.root)?;
        Ok(Unpacked { folder, files: manifest.received() })
    }

    /// Takes the next bytes of the content.
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), UnpackError> {
        while !bytes.is_empty() {
            let Some(wanted) = self.note.manifest.files.get(self.at) else {
                return Err(UnpackError::Long);
            };
            let open = match self.open.take() {
                Some(open) => self.open.insert(open),
                None => self.open.insert(Open::create(&self.partial, &wanted.name)?),
            };
            let left = wanted.bytes.saturating_sub(open.found.bytes);
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            let (own, rest) = bytes.split_at(length);
            open.write(own, &mut self.whole)?;
            bytes = rest;
            if open.found.bytes == wanted.bytes
                && let Some(open) = self.open.take()
            {
                open.end(wanted, self.at)?;
                self.at += 1;
            }
        }
        Ok(())
    }
}

impl Write for Unpacking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.fault.is_none() {
            self.fault = self.take(bytes).err();
        }
        match &self.fault {
            None => Ok(bytes.len()),
            Some(fault) => Err(io::Error::other(fault.to_string())),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), |open| open.out.flush())
    }
}

impl Drop for Unpacking {
    fn drop(&mut self) {
        self.open = None;
        match fs::remove_dir_all(&self.partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "a partly unpacked record could not be removed");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

impl Open {
    fn create(folder: &Path, name: &str) -> Result<Self, UnpackError> {
        let path = folder.join(name);
        let file = File::create_new(&path).map_err(fault("made", &path))?;
        let out = BufWriter::with_capacity(1 << 17, file);
        Ok(Self { out, path, found: OpenFile::named(name), line: None })
    }

    fn write(&mut self, bytes: &[u8], whole: &mut RunningRoot) -> Result<(), UnpackError> {
        self.out.write_all(bytes).map_err(fault("written", &self.path))?;
        self.found.bytes += bytes.len() as u64;
        let mut rest = bytes;
        while let Some(end) = memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            let mut hasher = self.line.take().unwrap_or_else(LeafHasher::new);
            hasher.update(line);
            let leaf = hasher.finish();
            self.found.root.push(leaf);
            whole.push(leaf);
            rest = after.get(1..).unwrap_or_default();
        }
        if !rest.is_empty() {
            self.line.get_or_insert_with(LeafHasher::new).update(rest);
        }
        Ok(())
    }

    /// Ends a file that has all its bytes, and holds it against the manifest.
    fn end(self, wanted: &FileEntry, at: usize) -> Result<(), UnpackError> {
        let counts = self.line.is_none() && self.found.root.count() == wanted.resources;
        if !counts {
            return Err(UnpackError::Counts { file: at });
        }
        if self.found.root.root() != wanted.root {
            return Err(UnpackError::Root { file: at });
        }
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error);
        file.and_then(|file| file.sync_all()).map_err(fault("written", &self.path))
    }
}

fn sync(folder: &Path) -> Result<(), UnpackError> {
    File::open(folder).and_then(|open| open.sync_all()).map_err(fault("synced", folder))
}

#[cfg(test)]
mod tests;
