//! A client's memory: the last checkpoint of a log that it saw, so that nobody can show it another
//! history. A witness that signs nothing.
//!
//! Comes in: a file, a checkpoint, a log to prove with. Goes out: how the one continues the other.
//! Never: a checkpoint remembered that was not shown to continue the one before.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Error as Failed, locked::Locked};
use crate::{
    ledger::{
        Checkpoint, Reader, checkpoint,
        reader::{self},
        tree::verify_consistency,
    },
    signed_note::Note,
};

/// Why a checkpoint is not taken for the log that is remembered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The memory failed.
    #[error(transparent)]
    Memory(#[from] Failed),
    /// The log that is to prove it cannot be read.
    #[error("the log cannot prove that it continues what is remembered")]
    Log(#[from] reader::Error),
    /// What is remembered is of another log.
    #[error("`{file}` remembers the log `{remembered}`, not `{seen}`")]
    Origin {
        /// The memory.
        file: String,
        /// The log that it remembers.
        remembered: String,
        /// The log that was seen.
        seen: String,
    },
    /// The log shows a smaller tree than before.
    #[error("the log was set back: it shows {seen} entries, and showed {remembered} before")]
    SetBack {
        /// The size that is remembered.
        remembered: u64,
        /// The size that was seen.
        seen: u64,
    },
    /// The two checkpoints are of different histories.
    #[error(
        "the log has two histories: the checkpoint of {seen} entries does not fit the remembered one \
         of {remembered}; both are kept, the new one as `{kept}`"
    )]
    Forked {
        /// The size that is remembered.
        remembered: u64,
        /// The size that was seen.
        seen: u64,
        /// Where the new one is kept.
        kept: String,
    },
    /// Nothing was given to prove it with.
    #[error(
        "nothing shows that the checkpoint of {seen} entries fits the remembered one of {remembered}"
    )]
    Unproved {
        /// The size that is remembered.
        remembered: u64,
        /// The size that was seen.
        seen: u64,
    },
}

/// How what was seen stands to what is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "sight")]
pub enum Sight {
    /// Nothing was remembered; this is now.
    First,
    /// It is the remembered one.
    Same,
    /// It continues the remembered one, of `from` entries, and is remembered now.
    Continues {
        /// The size that was remembered.
        from: u64,
    },
    /// The remembered one, of `to` entries, continues it, and stays.
    Earlier {
        /// The size that is remembered.
        to: u64,
    },
}

/// The file in which a client remembers one log.
#[derive(Debug, Clone)]
pub struct Memory {
    folder: PathBuf,
    name: String,
}

impl Memory {
    /// Names the file, which need not be there yet.
    pub fn of(file: &Path) -> Self {
        let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        Self {
            folder: folder.unwrap_or(Path::new(".")).to_owned(),
            name: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        }
    }

    /// Sees the checkpoint that a log shows now, as `reader` opened it: it must continue what is
    /// remembered.
    pub fn see(&self, reader: &Reader) -> Result<Sight, Error> {
        let (seen, remembered) = (reader.checkpoint(), self.last()?);
        if let Some((last, _)) = &remembered
            && last.origin == seen.origin
            && last.size > seen.size
        {
            return Err(Error::SetBack { remembered: last.size, seen: seen.size });
        }
        self.see_note(reader.note(), seen, Some(reader))
    }

    /// Sees a checkpoint that came by another way, such as in a proof; it may be older than the one
    /// that is remembered. Its signatures were verified. `log` proves how the two fit together.
    pub fn see_note(
        &self,
        note: &str,
        seen: &Checkpoint,
        log: Option<&Reader>,
    ) -> Result<Sight, Error> {
        let locked = self.lock()?;
        let Some((last, _)) = self.read(&locked)? else {
            locked.put(&self.name, note.to_owned())?;
            return Ok(Sight::First);
        };
        if last.origin != seen.origin {
            let (remembered, seen) = (last.origin, seen.origin.clone());
            return Err(Error::Origin { file: self.name.clone(), remembered, seen });
        }
        if last == *seen {
            return Ok(Sight::Same);
        }
        let fits = if last.size == seen.size {
            false // Of two trees of one size at most one can be the log's.
        } else {
            match log {
                Some(log) => continued(log, &last)? && continued(log, seen)?,
                None => {
                    return Err(Error::Unproved { remembered: last.size, seen: seen.size });
                }
            }
        };
        if !fits {
            let root = seen.root.to_string();
            let kept = format!("{}.{}-{}", self.name, seen.size, root.get(..16).unwrap_or(&root));
            locked.put(&kept, note.to_owned())?;
            return Err(Error::Forked { remembered: last.size, seen: seen.size, kept });
        }
        if seen.size < last.size {
            return Ok(Sight::Earlier { to: last.size });
        }
        locked.put(&self.name, note.to_owned())?;
        Ok(Sight::Continues { from: last.size })
    }

    /// Returns what is remembered: what it says, and the note.
    pub fn last(&self) -> Result<Option<(Checkpoint, String)>, Error> {
        Ok(self.read(&self.lock()?)?)
    }

    fn lock(&self) -> Result<Locked, Failed> {
        Locked::open(&self.folder, &format!(".{}.lock", self.name))
    }

    /// What stands in the file was verified before it was written; its keys may be gone since.
    fn read(&self, locked: &Locked) -> Result<Option<(Checkpoint, String)>, Failed> {
        let Some(bytes) = locked.find(&self.name)? else { return Ok(None) };
        let fault = |reason: String| Failed::Format { place: self.name.clone(), reason };
        let note = String::from_utf8(bytes.to_vec()).map_err(|e| fault(e.to_string()))?;
        let text = Note::parse(&note).map_err(checkpoint::Error::from);
        let last = text.and_then(|note| Checkpoint::parse(note.text()));
        Ok(Some((last.map_err(|e| fault(e.to_string()))?, note)))
    }
}

/// Says whether a log continues a checkpoint, by a proof that is verified here.
fn continued(log: &Reader, from: &Checkpoint) -> Result<bool, reader::Error> {
    if from.size > log.size() {
        return Err(reader::Error::Beyond { size: log.size(), asked: from.size });
    }
    let proof = log.consistency(from.size, log.size())?;
    Ok(verify_consistency(from.size, log.size(), &from.root, &log.root(), &proof))
}
