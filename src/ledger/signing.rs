//! What the writing hand signs with, size by size, and the changes of keys that it will not make.
//!
//! Comes in: seeds, a log's entries about keys. Goes out: the signers of a checkpoint.
//! Never: a checkpoint signed by fewer keys than stand at its size, or an entry after the log's end.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)
)]

use super::{
    entry::Entry,
    log::Error,
    tile::{self, Row, Tile},
    trust::{Role, Trust, kept},
};
use crate::{
    signed_note::{Note, Signer, Verifier},
    store::Store,
};

/// The seeds at hand, and the key that the log began with.
#[derive(Debug)]
pub(super) struct Signing {
    zone: Store,
    first: Verifier,
    signers: Vec<Signer>,
}

impl Signing {
    /// Takes the seeds of a log that began with the key `first`.
    pub(super) fn new(zone: &Store, first: Verifier, signers: Vec<Signer>) -> Self {
        Self { zone: zone.clone(), first, signers }
    }

    /// Returns the key that the log began with.
    pub(super) fn first(&self) -> &Verifier {
        &self.first
    }

    /// Takes one more seed.
    pub(super) fn hold(&mut self, signer: Signer) {
        self.signers.push(signer);
    }

    /// Returns whom to believe after the entries about keys that are kept and the `fresh` ones;
    /// none while no entry has changed a key. The tiles of the log's first `size` entries are there.
    pub(super) fn trust(&self, size: u64, fresh: &[(u64, Entry)]) -> Result<Option<Trust>, Error> {
        let kept = kept::objects(&self.zone)?;
        if kept.is_empty() && fresh.is_empty() {
            self.is_newest(None, size)?;
            return Ok(None);
        }
        let mut entries = Vec::new();
        for (index, object) in kept {
            let bytes = self.zone.get(&object)?;
            let entry =
                Entry::parse(&bytes).map_err(|e| Error::Broken(format!("`{object}`: {e}")))?;
            entries.push((index, entry));
        }
        let news = fresh.iter().filter(|entry| !entries.contains(entry)).cloned();
        let news: Vec<_> = news.collect();
        entries.extend(news);
        let mut trust = self.begin(size)?;
        kept::take_all(&mut trust, &entries)?;
        self.is_newest(Some(&trust), size)?;
        Ok(Some(trust))
    }

    /// Refuses what a listing of a while ago says of the keys: the checkpoint of `size` is signed by one of
    /// the log that it does not know. Whoever went on from there would sign with a key that is gone.
    fn is_newest(&self, trust: Option<&Trust>, size: u64) -> Result<(), Error> {
        let first = || vec![self.first.clone()];
        let known = trust.map_or_else(first, |trust| trust.all(Role::Log));
        let note = self.zone.find(&format!("checkpoints/{size}"))?.unwrap_or_default();
        let note = std::str::from_utf8(&note).ok().and_then(|note| Note::parse(note).ok());
        let lines = note.as_ref().map(Note::signatures).unwrap_or_default();
        let mut own = lines.iter().filter(|line| line.name == self.first.name());
        if own.all(|line| known.iter().any(|key| line.is_of(key))) {
            Ok(())
        } else {
            Err(Error::KeysChanged)
        }
    }

    /// Returns whom to believe after entries that are about to be added to a log of `size` entries.
    pub(super) fn after(
        &self,
        before: Option<&Trust>,
        size: u64,
        fresh: &[(u64, Entry)],
    ) -> Result<Option<Trust>, Error> {
        if let Some(size) = before.and_then(Trust::ended) {
            return Err(Error::Ended(size));
        }
        if fresh.is_empty() {
            return Ok(before.cloned());
        }
        let mut trust = match before {
            Some(before) => before.clone(),
            None => self.begin(size)?,
        };
        kept::take_all(&mut trust, fresh)?;
        Ok(Some(trust))
    }

    /// Returns those who sign a checkpoint of `size`.
    pub(super) fn signers(&self, trust: Option<&Trust>, size: u64) -> Result<Vec<&Signer>, Error> {
        let keys = trust.map_or_else(|| vec![&self.first], |trust| trust.signers(size));
        let seed = |key: &Verifier| {
            let mut own = self.signers.iter();
            own.find(|own| own.verifier() == key).ok_or_else(|| Error::NoSeed(key.key_id()))
        };
        keys.into_iter().map(seed).collect()
    }

    /// Reads the genesis of a log that has `size` entries.
    fn begin(&self, size: u64) -> Result<Trust, Error> {
        let fault = |reason: &str| Error::Broken(format!("the log's first entry {reason}"));
        let tile = Tile::of_size(Row::Entries, 0, size).ok_or_else(|| fault("is missing"))?;
        let bytes = tile::fetch(&self.zone, tile)?.ok_or_else(|| fault("is missing"))?;
        let entries = tile::decode_bundle(&bytes, tile.width);
        let entries = entries.map_err(|e| Error::Broken(e.to_string()))?;
        let genesis = entries.first().and_then(|genesis| Entry::parse(genesis).ok());
        let trust = genesis.and_then(|genesis| Trust::begin(&genesis).ok());
        trust
            .filter(|trust| *trust.first_log_key() == self.first)
            .ok_or_else(|| fault("is no genesis of its key"))
    }
}

#[cfg(test)]
mod tests;
