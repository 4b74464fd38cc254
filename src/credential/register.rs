//! The register of licences: whom the site trusts to issue them, and all that those decided.
//!
//! Comes in: the commits of `vault/licences`. Goes out: what a holder's licences are worth at any
//! instant, as the site knows it now or knew it after an earlier commit. Never: a decision of somebody
//! who is not trusted, or one that does not follow from those before it.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{
    history::History,
    licence::{Holder, LicenceEvent, Refusal, Standing},
};
use crate::{
    digest::{Sha3Digest, Sha256, hex, hmac_sha3},
    instant::Instant,
    party::InstitutionId,
    payee::{self, Object},
    signed_note::Verifier,
    store::{self, Sequence, Store},
};

/// Where the commits of licences are, in the vault.
pub const COMMITS: &str = "licences/commits";

/// Why the register cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The decisions of a commit are not those that it names, or are not what this version wrote.
    #[error(transparent)]
    Object(#[from] payee::Error),
    /// A commit is not what this version wrote. What the reader said stays out: it may quote a cell.
    #[error("`vault/{COMMITS}/{commit:012}.json` is not what this version wrote, at line {line}")]
    Format {
        /// Its number.
        commit: u64,
        /// Where.
        line: usize,
    },
    /// A commit names a key that is none.
    #[error("commit {commit} of licences names an issuer's key that is none")]
    Key {
        /// Its number.
        commit: u64,
    },
}

/// What became of the trust in an issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrustChange {
    /// It begins.
    Added,
    /// It ends.
    Ended,
}

/// Trust in an issuer begins or ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trusted {
    /// The issuer's key.
    pub vkey: String,
    /// What became of it.
    pub change: TrustChange,
    /// From when on; none for all that the issuer ever decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Instant>,
}

/// Whose licences a commit speaks of: what it publishes depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holders {
    /// Institutions: their decisions are public.
    Institutions,
    /// Practitioners: their decisions stand in the book under salts.
    Practitioners,
}

/// Decisions of issuers, on licences of institutions or of practitioners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// Whose licences.
    pub holders: Holders,
    /// The decisions, one [`Line`] each, sorted.
    pub events: Object,
    /// The RFC 6962 root over the lines' leaves ([`Line::leaf`]).
    pub root: Sha256,
    /// How many.
    pub count: u64,
    /// The keyed digest of the object that stands in the book.
    pub commitment: Sha3Digest,
}

/// One decision as the register holds it, with its evidence. Its `Debug` shows no credential: it may name a
/// practitioner.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The decision.
    pub event: LicenceEvent,
    /// The id of the issuer's key, `name+hash`.
    pub by: String,
    /// The credential that tells it, a compact `vc+jwt`; none where a status list does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// The digest of the status list that tells it: `licences/lists/<digest>.jwt` of the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<Sha3Digest>,
    /// What keeps a practitioner's leaf from being guessed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<Sha3Digest>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = f.debug_struct("Line");
        told.field("event", &self.event).field("by", &self.by).finish_non_exhaustive()
    }
}

impl Line {
    /// Returns the data of its leaf: the decision's canonical bytes, or under a salt their HMAC-SHA3-256.
    pub fn leaf(&self) -> Result<Vec<u8>, crate::digest::CanonicalError> {
        let bytes = crate::digest::canonical(&self.event)?;
        Ok(match self.salt {
            None => bytes,
            Some(salt) => hmac_sha3(salt.as_bytes(), &bytes).to_vec(),
        })
    }
}

/// One act on the register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Act {
    /// Trust in an issuer begins or ends.
    Trusted(Trusted),
    /// Decisions are recorded.
    Recorded(Recorded),
}

/// One commit of `vault/licences/commits`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// A random id of this commit.
    pub txn: String,
    /// When.
    pub time: Instant,
    /// What.
    pub act: Act,
    /// The ledger entry, as its bytes stand in the log.
    pub entry: String,
}

/// A span of trust in one key of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// The key; its name is the issuer's.
    pub key: Verifier,
    /// From when on its decisions count; none for all of them.
    pub from: Option<Instant>,
    /// The commit that says so.
    pub added: u64,
    /// Since when they count no more, and the commit that says so.
    pub ended: Option<(Instant, u64)>,
}

impl Trust {
    /// Says whether a decision of an instant counts that the site learnt in a commit: once trust has
    /// ended nothing new is taken, whatever date it bears.
    fn covers(&self, decided: Instant, learnt: (u64, Instant)) -> bool {
        let begun = self.from.is_none_or(|from| from <= decided);
        let ended = self.ended.is_some_and(|(since, commit)| {
            decided >= since || (learnt.0 > commit && learnt.1 >= since)
        });
        begun && !ended
    }

    /// Says whether it stands at an instant.
    pub fn stands(&self, at: Instant) -> bool {
        self.from.is_none_or(|from| from <= at) && self.ended.is_none_or(|(since, _)| at < since)
    }
}

/// Returns a key's id as the register and envelopes name it: the start of its vkey.
pub fn key_id(key: &Verifier) -> String {
    format!("{}+{}", key.name(), hex(&key.id()))
}

/// A decision as the register holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The commit that recorded it.
    pub commit: u64,
    /// When it was recorded.
    pub recorded_at: Instant,
    /// The decision and its evidence.
    pub line: Line,
    /// Why it changes nothing, if it does not.
    pub refused: Option<Refusal>,
}

/// Who issued a licence, and its id.
type LicenceId = (String, String);

/// All that the site knows of licences.
#[derive(Debug, Clone, Default)]
pub struct Licences {
    commit: u64,
    recorded_until: Option<Instant>,
    trusts: Vec<Trust>,
    held: Vec<Held>,
    histories: BTreeMap<LicenceId, History>,
    holders: BTreeMap<Holder, Vec<LicenceId>>,
}

impl Licences {
    /// Reads the register of a vault.
    pub fn load(vault: &Store) -> Result<Self, Error> {
        Self::load_at(vault, u64::MAX)
    }

    /// Reads the register as it was after a commit: what the site knew then.
    pub fn load_at(vault: &Store, commit: u64) -> Result<Self, Error> {
        let mut licences = Self::default();
        let sequence = Sequence::new(vault, COMMITS);
        for number in sequence.numbers()?.into_iter().filter(|number| *number <= commit) {
            let body = sequence.read(number)?;
            let commit: Commit = serde_json::from_slice(&body)
                .map_err(|error| Error::Format { commit: number, line: error.line() })?;
            licences.commit = number;
            licences.recorded_until = licences.recorded_until.max(Some(commit.time));
            match commit.act {
                Act::Trusted(trusted) => licences.trust(&trusted, commit.time, number)?,
                Act::Recorded(recorded) => {
                    let lines = recorded.events.read::<Line>(vault)?;
                    licences.take(number, commit.time, lines);
                }
            }
        }
        licences.weigh();
        Ok(licences)
    }

    pub(super) fn trust(
        &mut self,
        trusted: &Trusted,
        time: Instant,
        commit: u64,
    ) -> Result<(), Error> {
        let key = Verifier::parse(&trusted.vkey).map_err(|_| Error::Key { commit })?;
        match trusted.change {
            TrustChange::Added => {
                self.trusts.push(Trust { key, from: trusted.from, added: commit, ended: None });
            }
            TrustChange::Ended => {
                let since = trusted.from.unwrap_or(time);
                let open = self.trusts.iter_mut().filter(|t| t.key == key && t.ended.is_none());
                open.for_each(|trust| trust.ended = Some((since, commit)));
            }
        }
        Ok(())
    }

    fn take(&mut self, commit: u64, recorded_at: Instant, lines: Vec<Line>) {
        let held = |line| Held { commit, recorded_at, line, refused: None };
        self.held.extend(lines.into_iter().map(held));
    }

    /// Returns the register with more decisions, as if they were recorded now: for looking ahead.
    #[must_use]
    pub fn with(&self, now: Instant, lines: Vec<Line>) -> Self {
        self.with_at(self.commit.saturating_add(1), now, lines)
    }

    /// Returns the register with more decisions, as if they had been recorded by a commit.
    pub(super) fn with_at(&self, commit: u64, recorded_at: Instant, lines: Vec<Line>) -> Self {
        let mut next = self.clone();
        next.take(commit, recorded_at, lines);
        next.weigh();
        next
    }

    /// Works out every licence's history from the decisions held.
    fn weigh(&mut self) {
        let mut issuers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut groups: BTreeMap<LicenceId, Vec<usize>> = BTreeMap::new();
        let mut refused = vec![None; self.held.len()];
        for (at, held) in self.held.iter().enumerate() {
            let event = &held.line.event;
            let learnt = (held.commit, held.recorded_at);
            let covers = |trust: &Trust| {
                key_id(&trust.key) == held.line.by
                    && trust.key.name() == event.issuer
                    && trust.covers(event.decided_at, learnt)
            };
            if self.trusts.iter().any(covers) {
                let id = (event.issuer.clone(), event.licence.clone());
                groups.entry(id).or_default().push(at);
                if event.action == super::LicenceAction::Issue {
                    issuers.entry(&event.licence).or_default().push(&event.issuer);
                }
            } else if let Some(slot) = refused.get_mut(at) {
                *slot = Some(Refusal::Untrusted);
            }
        }
        let mut histories = BTreeMap::new();
        let mut holders: BTreeMap<Holder, Vec<LicenceId>> = BTreeMap::new();
        for (id, group) in groups {
            let lines: Vec<&Held> = group.iter().filter_map(|at| self.held.get(*at)).collect();
            let events: Vec<&LicenceEvent> = lines.iter().map(|held| &held.line.event).collect();
            let (history, refusals) = History::of(&events);
            let is_elsewhere = issuers
                .get(id.1.as_str())
                .is_some_and(|issuers| issuers.iter().any(|issuer| *issuer != id.0));
            for ((at, refusal), event) in group.iter().zip(refusals).zip(&events) {
                let refusal = match refusal {
                    Some(Refusal::NotIssued) if is_elsewhere => Some(Refusal::NotTheIssuer),
                    other => other,
                };
                if refusal.is_none() {
                    let own = holders.entry(event.holder.clone()).or_default();
                    if !own.contains(&id) {
                        own.push(id.clone());
                    }
                }
                if let Some(slot) = refused.get_mut(*at) {
                    *slot = refusal;
                }
            }
            histories.insert(id, history);
        }
        for (held, refusal) in self.held.iter_mut().zip(refused) {
            held.refused = refusal;
        }
        self.histories = histories;
        self.holders = holders;
    }

    /// Returns the number of the newest commit read, 0 where there is none.
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// Returns when the newest commit was recorded.
    pub fn recorded_until(&self) -> Option<Instant> {
        self.recorded_until
    }

    /// Says whether the rules on licences are in force: some issuer was ever trusted. To end the trust
    /// in the last of them does not end the rules.
    pub fn is_kept(&self) -> bool {
        !self.trusts.is_empty()
    }

    /// Returns whom the site trusts or trusted to issue licences, in the order in which it began.
    pub fn trusts(&self) -> &[Trust] {
        &self.trusts
    }

    /// Says what a holder's licences are worth at an instant: the best of them counts.
    pub fn standing(&self, holder: &Holder, at: Instant) -> Standing {
        let own = self.holders.get(holder).into_iter().flatten();
        let standings = own.filter_map(|id| self.histories.get(id)).map(|own| own.standing(at));
        standings.reduce(Standing::or).unwrap_or(Standing::Unknown)
    }

    /// Says what one licence is worth at an instant.
    pub fn licence(&self, issuer: &str, licence: &str, at: Instant) -> Standing {
        let id = (issuer.to_owned(), licence.to_owned());
        self.histories.get(&id).map_or(Standing::Unknown, |own| own.standing(at))
    }

    /// Returns all that was ever decided on a holder's licences, in the order in which it has effect.
    pub fn history(&self, holder: &Holder) -> Vec<Held> {
        let own = self.held.iter().filter(|held| held.line.event.holder == *holder);
        let mut own: Vec<Held> = own.cloned().collect();
        own.sort_by(|a, b| a.line.event.place().cmp(&b.line.event.place()));
        own
    }

    /// Returns all decisions, in the order in which they were recorded.
    pub fn held(&self) -> &[Held] {
        &self.held
    }

    /// Returns everybody who holds or held a licence.
    pub fn holders(&self) -> impl Iterator<Item = &Holder> {
        self.holders.keys()
    }

    /// Returns the keys with which an institution signs at an instant: those of its licences that stand
    /// then.
    pub fn keys(&self, institution: &InstitutionId, at: Instant) -> Vec<Verifier> {
        let holder = Holder::Institution(institution.clone());
        let own = self.holders.get(&holder).into_iter().flatten();
        let standing = own
            .filter_map(|id| self.histories.get(id))
            .filter(|licence| licence.standing(at).stands());
        let mut keys: Vec<Verifier> = Vec::new();
        for vkey in standing.filter_map(|licence| licence.phase(at)?.key.as_ref()) {
            // INVARIANT: a key that is no vkey passes no door: `LicenceEvent::check`.
            if let Ok(key) = Verifier::parse(vkey)
                && !keys.contains(&key)
            {
                keys.push(key);
            }
        }
        keys
    }

    /// Returns the newest credential of a licence of a holder that stands at an instant, as its issuer
    /// signed it: what the holder shows to others.
    pub fn credential(&self, holder: &Holder, at: Instant) -> Option<&str> {
        let shows = |held: &&Held| {
            let event = &held.line.event;
            event.holder == *holder
                && held.refused.is_none()
                && event.effective() <= at
                && event.until.is_none_or(|until| at < until)
                && self.licence(&event.issuer, &event.licence, at).stands()
                && matches!(event.action, super::LicenceAction::Issue | super::LicenceAction::Renew)
        };
        let own = self.held.iter().filter(shows);
        let newest = own.max_by(|a, b| a.line.event.place().cmp(&b.line.event.place()))?;
        newest.line.credential.as_deref()
    }
}
