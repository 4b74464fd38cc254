//! The site key: the file `site.wrap` of the key folder holds a key, or names a command that keeps one.
//!
//! Comes in: the key folder. Goes out: what wraps keys of data. A renewal makes `site.wrap.new`, has
//! every key wrapped anew, and gives it the name `site.wrap`: from then on nothing opens what was wrapped
//! before, wherever a copy of it lies. Never: a renewal beside a writer, or a site taken for an open one
//! because its store says so; the key folder alone decides.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use zeroize::Zeroizing;

use super::{
    Error,
    wrapper::{FileKey, Outside, Wrapper},
};
use crate::signed_note::seed;

const NAME: &str = "site.wrap";
const NEXT: &str = "site.wrap.new";
const COMMAND: &str = "command\n";

/// How far a site is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Not at all: it was made before there were seals.
    Open,
    /// Its sealing has begun: objects may be plain still.
    Begun,
    /// Wholly: a plain object is refused.
    Sealed,
}

/// The key folder, as far as it wraps keys of data.
#[derive(Debug, Clone)]
pub struct SiteKey {
    folder: PathBuf,
    /// The command that a renewal is to hand the wrapping to.
    command: Option<Outside>,
}

impl SiteKey {
    /// Names the key folder, and the command that new wrapping keys are kept by, if any: a program and
    /// its arguments, each on a line.
    pub fn new(folder: &Path, command: Option<&str>) -> Self {
        Self { folder: folder.to_owned(), command: command.and_then(Outside::parse) }
    }

    /// Says how far the site is sealed.
    pub fn closed(&self) -> Result<Closed, Error> {
        let there = |name: &str| {
            let file = self.folder.join(name);
            file.try_exists().map_err(|e| fault(&file, "it cannot be looked for", e))
        };
        Ok(match (there(NAME)?, there(NEXT)?) {
            (true, _) => Closed::Sealed,
            (false, true) => Closed::Begun,
            (false, false) => Closed::Open,
        })
    }

    /// Says whether a renewal has begun and not ended.
    pub(super) fn is_renewing(&self) -> Result<bool, Error> {
        let file = self.folder.join(NEXT);
        file.try_exists().map_err(|e| fault(&file, "it cannot be looked for", e))
    }

    /// Makes the first site key, where there is none.
    pub fn create(&self) -> Result<(), Error> {
        self.make(NAME)
    }

    /// Returns what wraps: the next one first, where a renewal has begun.
    pub(super) fn wrappers(&self) -> Result<Vec<Arc<dyn Wrapper>>, Error> {
        let mut wrappers = Vec::new();
        for name in [NEXT, NAME] {
            wrappers.extend(self.read(name)?);
        }
        Ok(wrappers)
    }

    /// Begins a renewal, or goes on with one.
    pub(super) fn begin(&self) -> Result<(), Error> {
        self.make(NEXT)
    }

    /// Ends a renewal: what wrapped before is gone.
    pub(super) fn finish(&self) -> Result<(), Error> {
        let (next, file) = (self.folder.join(NEXT), self.folder.join(NAME));
        fs::rename(&next, &file).map_err(|e| fault(&file, "it cannot be renewed", e))?;
        self.sync()
    }

    /// Takes part in writing: until the returned file is dropped no key is destroyed.
    pub(super) fn share(&self) -> Result<File, Error> {
        let folder = self.opened()?;
        folder.lock_shared().map_err(|e| fault(&self.folder, "it cannot be locked", e))?;
        Ok(folder)
    }

    /// Shuts everybody else out; `held` is the caller's own part, which it keeps where this fails.
    pub(super) fn claim(&self, held: Option<File>) -> Result<File, (Option<File>, Error)> {
        let had_part = held.is_some();
        let folder = match held {
            Some(file) => file,
            None => self.opened().map_err(|e| (None, e))?,
        };
        match folder.try_lock() {
            Ok(()) => Ok(folder),
            // Who has no part yet does not wait for one: another may shut all out for long.
            Err(TryLockError::WouldBlock) if !had_part => Err((None, Error::Busy)),
            Err(TryLockError::WouldBlock) => match folder.lock_shared() {
                Ok(()) => Err((Some(folder), Error::Busy)),
                Err(e) => Err((None, fault(&self.folder, "it cannot be locked", e))),
            },
            Err(TryLockError::Error(e)) => {
                Err((None, fault(&self.folder, "it cannot be locked", e)))
            }
        }
    }

    fn opened(&self) -> Result<File, Error> {
        File::open(&self.folder).map_err(|e| fault(&self.folder, "it cannot be opened", e))
    }

    fn sync(&self) -> Result<(), Error> {
        self.opened()?.sync_all().map_err(|e| fault(&self.folder, "it cannot be synced", e))
    }

    fn make(&self, name: &str) -> Result<(), Error> {
        let file = self.folder.join(name);
        let other = |e: seed::SeedError| Error::File {
            file: file.clone(),
            reason: e.to_string(),
            source: None,
        };
        match &self.command {
            None => seed::create(&file).map(drop).map_err(other)?,
            Some(command) => {
                let text = format!("{COMMAND}{}", command.lines());
                seed::create_text(&file, &text).map(drop).map_err(other)?;
            }
        }
        self.sync()
    }

    fn read(&self, name: &str) -> Result<Option<Arc<dyn Wrapper>>, Error> {
        let file = self.folder.join(name);
        let other = |e: seed::SeedError| Error::File {
            file: file.clone(),
            reason: e.to_string(),
            source: None,
        };
        if !file.try_exists().map_err(|e| fault(&file, "it cannot be looked for", e))? {
            return Ok(None);
        }
        let text = match fs::read_to_string(&file) {
            Ok(text) => Zeroizing::new(text),
            // A renewal gave it its other name just now.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(fault(&file, "it cannot be read", e)),
        };
        Ok(Some(match text.strip_prefix(COMMAND) {
            Some(lines) => {
                let command = Outside::parse(lines).ok_or_else(|| Error::File {
                    file: file.clone(),
                    reason: "it names no command".to_owned(),
                    source: None,
                })?;
                Arc::new(command)
            }
            None => Arc::new(FileKey::new(seed::read(&file).map_err(other)?)),
        }))
    }
}

fn fault(file: &Path, reason: &str, source: io::Error) -> Error {
    Error::File { file: file.to_owned(), reason: reason.to_owned(), source: Some(source) }
}
