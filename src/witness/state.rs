//! What a witness knows: its name, the logs it watches, and the newest checkpoint of each.
//!
//! Comes in: a folder, a request, the time. Goes out: an [`Answer`] whose promise is on the disk.
//! Never: a check and a write with another's write between them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Answer, Error, Request, locked::Locked};
use crate::{
    ledger::{Checkpoint, Hash, checkpoint, tree::verify_consistency},
    signed_note::{self, KeyUse, Note, Signer, Verifier, seed},
};

const FILE: &str = "state.json";
const LOCK: &str = "lock";
const SEED: &str = "witness.seed";

/// A witness in a folder.
#[derive(Debug)]
pub struct State {
    folder: PathBuf,
    signer: Signer,
}

/// `state.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    /// 1.
    format: u32,
    /// The witness's own vkey.
    witness: Verifier,
    /// The logs it watches, by origin.
    logs: BTreeMap<String, Watched>,
}

/// A log that a witness watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Watched {
    /// The keys that may sign its checkpoints.
    keys: Vec<Verifier>,
    /// The newest checkpoint that the witness cosigned, as the log signed it.
    newest: Option<String>,
}

/// A log that a witness watches, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The log's origin.
    pub origin: String,
    /// The keys that may sign its checkpoints.
    pub keys: Vec<Verifier>,
    /// The size of the newest checkpoint that the witness cosigned.
    pub size: Option<u64>,
    /// Its root.
    pub root: Option<Hash>,
}

impl State {
    /// Makes a witness in a folder, or adds logs to those it watches. Its key lies in the folder
    /// unless `key` names another file, and is made where it is missing.
    pub fn init(
        folder: &Path,
        key: Option<&Path>,
        name: &str,
        logs: &[Verifier],
    ) -> Result<Self, Error> {
        if logs.iter().any(|log| log.key_use() != KeyUse::Sign) {
            return Err(signed_note::Error::Algorithm(0x04).into());
        }
        let locked = Locked::open(folder, LOCK)?;
        locked.is_local()?;
        let file = key.map_or_else(|| folder.join(SEED), Path::to_owned);
        let _: bool = seed::create(&file)?;
        let signer = Signer::witness(name, &*seed::read(&file)?)?;
        let witness = signer.verifier().clone();
        let mut known = match read(&locked, folder)? {
            Some(known) if known.witness != witness => {
                let (place, vkey) = (folder.display().to_string(), known.witness.vkey());
                return Err(Error::Other { place, vkey });
            }
            Some(known) => known,
            None => Known { format: 1, witness, logs: BTreeMap::new() },
        };
        for log in logs {
            let watched = known.logs.entry(log.name().to_owned());
            let keys = &mut watched.or_insert(Watched { keys: Vec::new(), newest: None }).keys;
            if !keys.contains(log) {
                keys.push(log.clone());
            }
        }
        write(&locked, &known)?;
        Ok(Self { folder: folder.to_owned(), signer })
    }

    /// Opens the witness in a folder.
    pub fn open(folder: &Path, key: Option<&Path>) -> Result<Self, Error> {
        let missing = || Error::Missing(folder.display().to_string());
        if !folder.join(FILE).is_file() {
            return Err(missing());
        }
        let locked = Locked::open(folder, LOCK)?;
        locked.is_local()?;
        let known = read(&locked, folder)?.ok_or_else(missing)?;
        let file = key.map_or_else(|| folder.join(SEED), Path::to_owned);
        let signer = Signer::witness(known.witness.name(), &*seed::read(&file)?)?;
        if *signer.verifier() != known.witness {
            let place = folder.display().to_string();
            return Err(Error::Other { place, vkey: known.witness.vkey() });
        }
        Ok(Self { folder: folder.to_owned(), signer })
    }

    /// Returns the witness's public key.
    pub fn verifier(&self) -> &Verifier {
        self.signer.verifier()
    }

    /// Returns the logs it watches.
    pub fn seen(&self) -> Result<Vec<Seen>, Error> {
        let known = self.read(&Locked::open(&self.folder, LOCK)?)?;
        let seen = known.logs.into_iter().map(|(origin, watched)| {
            let newest = watched.newest.and_then(|note| open(&note, &origin, &watched.keys).ok());
            let (size, root) = newest.map(|newest| (newest.size, newest.root)).unzip();
            Seen { origin, keys: watched.keys, size, root }
        });
        Ok(seen.collect())
    }

    /// Answers a request at an instant (Unix seconds), by the order of the protocol's checks. What
    /// is answered with a cosignature is on the disk before this returns.
    pub fn answer(&self, body: &[u8], unix: u64) -> Result<Answer, Error> {
        let request = match Request::parse(body) {
            Ok(request) => request,
            Err(reason) => return Ok(Answer::Malformed(reason.to_owned())),
        };
        let note = match Note::parse(&request.checkpoint) {
            Ok(note) => note,
            Err(error) => return Ok(Answer::Malformed(error.to_string())),
        };
        // The origin is not to be believed yet: it only says whose keys to try.
        let origin = note.text().split('\n').next().unwrap_or_default();

        // INVARIANT: from here to the end one process holds the lock, so that what is checked
        // against is what is written over.
        let locked = Locked::open(&self.folder, LOCK)?;
        let mut known = self.read(&locked)?;
        let Some(watched) = known.logs.get_mut(origin) else { return Ok(Answer::Unknown) };
        let offered = match open(&request.checkpoint, origin, &watched.keys) {
            Ok(offered) => offered,
            Err(checkpoint::Error::Form | checkpoint::Error::Origin(_)) => {
                return Ok(Answer::Malformed("the note is no checkpoint".to_owned()));
            }
            Err(checkpoint::Error::Note(_) | checkpoint::Error::NotByLog) => {
                return Ok(Answer::Unsigned);
            }
        };
        if request.old > offered.size {
            let reason = "the old size is larger than the checkpoint's".to_owned();
            return Ok(Answer::Malformed(reason));
        }
        let newest = match &watched.newest {
            Some(note) => Some(
                open(note, origin, &watched.keys)
                    .map_err(|e| format_error(&self.folder, e.to_string()))?,
            ),
            None => None,
        };
        let size = newest.as_ref().map_or(0, |newest| newest.size);
        if request.old != size {
            return Ok(Answer::Stale(size));
        }
        if let Some(newest) = &newest {
            if size == offered.size && newest.root != offered.root {
                keep_fork(&locked, &offered, &request.checkpoint)?;
                return Ok(Answer::Forked);
            }
            let proof = &request.proof;
            if !verify_consistency(size, offered.size, &newest.root, &offered.root, proof) {
                return Ok(Answer::Inconsistent);
            }
        } else if !request.proof.is_empty() {
            return Ok(Answer::Inconsistent);
        }
        if newest.as_ref() != Some(&offered) {
            watched.newest = Some(request.checkpoint.clone());
            write(&locked, &known)?;
        }
        Ok(Answer::Cosigned(self.signer.cosign(note.text(), unix)?))
    }

    fn read(&self, locked: &Locked) -> Result<Known, Error> {
        read(locked, &self.folder)?.ok_or_else(|| Error::Missing(self.folder.display().to_string()))
    }
}

/// Keeps a checkpoint that its log signed beside another of the same size: together they prove
/// the fork to anyone.
fn keep_fork(locked: &Locked, forked: &Checkpoint, note: &str) -> Result<(), Error> {
    let root = forked.root.to_string();
    let name = format!("fork-{}-{}", forked.size, root.get(..16).unwrap_or(&root));
    tracing::warn!(origin = %forked.origin, size = forked.size, kept = %name, "a log forked");
    locked.put(&name, note.to_owned())
}

/// Opens a checkpoint that one of a log's keys signed.
fn open(note: &str, origin: &str, keys: &[Verifier]) -> Result<Checkpoint, checkpoint::Error> {
    Checkpoint::open(note, origin, keys).map(|opened| opened.checkpoint)
}

fn read(locked: &Locked, folder: &Path) -> Result<Option<Known>, Error> {
    let Some(bytes) = locked.find(FILE)? else { return Ok(None) };
    let known: Known = serde_json::from_slice(&bytes).map_err(|e| {
        format_error(folder, format!("line {}, column {}: {e}", e.line(), e.column()))
    })?;
    if known.format != 1 {
        return Err(format_error(folder, format!("format {} is not known", known.format)));
    }
    Ok(Some(known))
}

fn write(locked: &Locked, known: &Known) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(known)
        .unwrap_or_else(|_| unreachable!("texts and numbers are always JSON"));
    locked.put(FILE, format!("{text}\n"))
}

fn format_error(folder: &Path, reason: String) -> Error {
    Error::Format { place: folder.join(FILE).display().to_string(), reason }
}

#[cfg(test)]
mod tests;
