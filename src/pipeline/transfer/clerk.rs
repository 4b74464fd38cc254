//! The clerk: who works at a desk. Commits steps, puts out files, remembers what was refused.
//!
//! Comes in: a site, its desk, what the acts decided. Goes out: commits, entries, files, an [`Outcome`].
//! Never: an outbox file before its commit, or a batch whose entry is too long for the book.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::{
    Desk, Done, Error, Outcome, Refused, Why,
    book::{Act, Book, COMMITS, Commit, End, Held, Line, Step, Steps, Taken},
    exchange::{self, Inbox, put_aside},
    file::{File, Name},
    key,
};
use crate::{
    digest::Sha3Digest,
    instant::Instant,
    ledger::{entry::EntryId, tree::leaf_hash},
    party::InstitutionId,
    payee::Object,
    pipeline::{Progress, consent::shown},
    site::Site,
    store::{Sequence, Store},
    transfer::{Booked, LicenceFault, Payload, Side, Signed, TransferId, TransferKey, batch_root},
};

/// Says whether an institution's licence stands at an instant, by what this site knows and by what the
/// institution shows of it, a compact `vc+jwt`.
pub type LicenceOf<'a> =
    dyn Fn(&InstitutionId, Option<&str>, Instant) -> Result<(), LicenceFault> + 'a;

/// The most steps of one commit.
const BATCH_STEPS_MAX: usize = 4_096;
/// The most entries that one entry names: an entry has at most 65,535 bytes.
const BATCH_PREV_MAX: usize = 256;

/// Where refusals are remembered, in the vault.
const REFUSED: &str = "transfers/refused";

/// A refusal as the vault remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    pub(super) file: String,
    pub(super) transfer: Option<TransferId>,
    pub(super) code: String,
    pub(super) words: String,
    pub(super) since: Instant,
    /// How its transfer stood then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) step: Option<Step>,
}

/// Works at a desk, at the run's one instant.
pub struct Clerk<'a> {
    pub(super) site: &'a Site,
    pub(super) desk: &'a Desk,
    pub(super) exchange: Store,
    pub(super) book: Book,
    pub(super) key: TransferKey,
    pub(super) licence: &'a LicenceOf<'a>,
    pub(super) progress: &'a dyn Progress,
    pub(super) outcome: Outcome,
}

impl std::fmt::Debug for Clerk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clerk").field("outcome", &self.outcome).finish_non_exhaustive()
    }
}

impl<'a> Clerk<'a> {
    /// Sits down: reads how all transfers stand, and puts out what a crash kept in.
    pub fn open(
        site: &'a Site,
        desk: &'a Desk,
        licence: &'a LicenceOf<'a>,
        progress: &'a dyn Progress,
    ) -> Result<Self, Error> {
        let book = Book::load(&site.vault())?;
        if let Some(newest) = book.newest.filter(|newest| *newest > site.now()) {
            return Err(Error::Clock { now: site.now(), newest });
        }
        let exchange = Store::open(&desk.exchange)?;
        let outcome = Outcome::default();
        let key = key::own(site);
        let clerk = Self { site, desk, exchange, book, key, licence, progress, outcome };
        clerk.put_again()?;
        Ok(clerk)
    }

    /// Stands up, and says what was done.
    pub fn close(self) -> Outcome {
        self.outcome
    }

    pub(super) fn now(&self) -> Instant {
        self.site.now()
    }

    pub(super) fn own(&self) -> Side {
        Side {
            institution: self.desk.institution.clone(),
            origin: self.site.about().origin.clone(),
        }
    }

    /// Returns the transfers that `only` names, or all of them, with what is asked of their state.
    pub(super) fn held(&self, only: Option<&TransferId>, end: End, newest: &[Step]) -> Vec<Held> {
        let fits = |held: &&Held| {
            only.is_none_or(|id| *id == held.id)
                && held.end == end
                && held.steps.last_key_value().is_some_and(|(step, _)| newest.contains(step))
        };
        self.book.transfers.values().filter(fits).cloned().collect()
    }

    pub(super) fn inbox(&self) -> Result<Inbox, Error> {
        Inbox::list(&self.exchange, self.desk.partners.keys())
    }

    /// Reads a partner's file; none where it has not come.
    pub(super) fn came<T: Payload>(
        &self,
        partner: &InstitutionId,
        transfer: &TransferId,
        name: Name,
    ) -> Result<Option<Result<Signed<T>, Why>>, Error> {
        let path = format!("{}/{}", exchange::inbox(partner, transfer), name.file());
        Ok(self.exchange.find(&path)?.map(|bytes| Signed::parse(&bytes).map_err(Why::from)))
    }

    /// Remembers that a partner's file was refused, and puts it aside where its bytes are at fault.
    pub(super) fn refuse(
        &mut self,
        partner: &InstitutionId,
        transfer: &TransferId,
        name: Name,
        why: Why,
    ) -> Result<(), Error> {
        let path = format!("{}/{}", exchange::inbox(partner, transfer), name.file());
        if why.is_of_bytes() {
            put_aside(&self.exchange, &path)?;
        }
        let (partner, transfer) = (Some(partner.clone()), Some(*transfer));
        self.note(Refused { file: path, partner, transfer, why })
    }

    /// Remembers a refusal: in the outcome, and in the vault for `status`.
    pub(super) fn note(&mut self, refused: Refused) -> Result<(), Error> {
        let vault = self.site.vault();
        let path = note_path(&refused.file);
        let note = Note {
            file: refused.file.clone(),
            transfer: refused.transfer,
            code: refused.why.code().to_owned(),
            words: refused.why.to_string(),
            since: self.now(),
            step: refused
                .transfer
                .and_then(|id| self.book.transfers.get(&id))
                .and_then(|held| held.step().ok()),
        };
        let told = self
            .outcome
            .refused
            .iter()
            .any(|known| known.file == refused.file && known.why.code() == refused.why.code());
        if told {
            return Ok(());
        }
        let known: Option<Note> =
            vault.find(&path)?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if known.is_none_or(|known| (known.code, known.step) != (note.code.clone(), note.step)) {
            vault.put(&path, Bytes::from(serde_json::to_vec(&note)?))?;
        }
        tracing::info!(file = refused.file, why = %refused.why, "refused");
        self.outcome.refused.push(refused);
        Ok(())
    }

    /// Returns what was refused and is remembered.
    pub(super) fn notes(&self) -> Result<Vec<Note>, Error> {
        let vault = self.site.vault();
        let mut notes = Vec::new();
        for object in vault.list(REFUSED)? {
            notes.push(serde_json::from_slice(&vault.get(&object.path)?)?);
        }
        Ok(notes)
    }

    /// Commits steps of one kind with one partner, in as many commits as they need, and puts out their
    /// files.
    pub(super) fn commit(
        &mut self,
        step: Step,
        partner: &InstitutionId,
        lines: Vec<Line>,
    ) -> Result<(), Error> {
        for (lines, prev) in batches(lines) {
            self.commit_batch(step, partner, lines, &prev)?;
        }
        Ok(())
    }

    fn commit_batch(
        &mut self,
        step: Step,
        partner: &InstitutionId,
        lines: Vec<Line>,
        prev: &[EntryId],
    ) -> Result<(), Error> {
        let vault = self.site.vault();
        let (steps, bytes) = Object::write("transfers/steps", &lines)?;
        vault.put_content(&steps.path, &bytes)?;
        let digests: Vec<Sha3Digest> = lines.iter().map(|line| line.digest).collect();
        let (root, count) = (batch_root(&digests), steps.count);
        let mut body = Map::new();
        body.insert("partner".to_owned(), partner.as_str().into());
        body.insert("count".to_owned(), shown(count));
        body.insert("root".to_owned(), root.to_string().into());
        let entry = self.site.entry(step.kind(), &[], prev, &body)?;
        let act = Steps { step, partner: partner.clone(), steps, root, count };
        let number = self.book.number.saturating_add(1);
        let commit = Commit {
            txn: self.site.txn()?,
            time: self.now(),
            act: Act::Steps(act.clone()),
            entry: entry.text().to_owned(),
        };
        self.site.commit(&Sequence::new(&vault, COMMITS), number, &commit, &entry)?;
        let ids: Vec<TransferId> = lines.iter().map(|line| line.transfer).collect();
        self.book.take_steps(number, &commit, &act, lines)?;
        self.outcome.commits.push(number);
        self.outcome.entries.push(entry.id());
        for transfer in ids {
            self.outcome.steps.push(Done { transfer, partner: partner.clone(), step });
            if let Some(held) = self.book.transfers.get(&transfer) {
                self.put_out(held, &BTreeSet::new())?;
            }
        }
        Ok(())
    }

    /// Puts out what is missing of the open transfers and of those in the newest commit: a crash leaves
    /// the files of no other commit behind.
    fn put_again(&self) -> Result<(), Error> {
        if self.book.transfers.is_empty() {
            return Ok(());
        }
        let mut there: BTreeSet<String> = BTreeSet::new();
        for folder in ["outbox", "desk"] {
            there.extend(self.exchange.list(folder)?.into_iter().map(|object| object.path));
        }
        for held in self.book.transfers.values() {
            let newest = held.newest()?.1.batch.commit == self.book.number;
            if held.is_open() || newest {
                self.put_out(held, &there)?;
            }
        }
        Ok(())
    }

    /// Puts out the files of a transfer that are not there: for the partner, and for the patient.
    fn put_out(&self, held: &Held, there: &BTreeSet<String>) -> Result<(), Error> {
        let folder = exchange::outbox(&held.partner, &held.id);
        for (step, taken) in &held.steps {
            let Some(name) = self.ours(held, *step, taken) else { continue };
            let path = format!("{folder}/{}", name.file());
            if !there.contains(&path) {
                let file = taken
                    .line
                    .file
                    .clone()
                    .book(taken.booked(self.site.keys().steward())?)
                    .bytes()?;
                if let Some(sealed) = taken.line.sealed.as_ref().filter(|_| held.is_open()) {
                    self.put_parts(sealed, &folder)?;
                }
                self.exchange.put_content(&path, &file)?;
            }
            let desk = format!("{}/{}", exchange::desk(&held.id), name.file());
            if *step == Step::Offered && !there.contains(&desk) {
                let file = taken
                    .line
                    .file
                    .clone()
                    .book(taken.booked(self.site.keys().steward())?)
                    .bytes()?;
                self.exchange.put_content(&desk, &file)?;
            }
        }
        if held.end == End::Sender && !held.is_open() {
            self.forget(held)?;
        }
        Ok(())
    }

    /// Returns the name of a step's file where it is this side's to put out.
    fn ours(&self, held: &Held, step: Step, taken: &Taken) -> Option<Name> {
        let own = match (step, held.end) {
            (Step::Offered | Step::Approved | Step::Sent, End::Sender)
            | (Step::Challenged | Step::Received, End::Receiver) => true,
            (Step::Offered | Step::Approved | Step::Sent, End::Receiver)
            | (Step::Challenged | Step::Received, End::Sender) => false,
            (Step::Ended, End::Sender | End::Receiver) => match &taken.line.file {
                File::Ended(ended) => ended.payload.by.institution == self.desk.institution,
                File::Offer(_)
                | File::Challenge(_)
                | File::Accept(_)
                | File::Refusal(_)
                | File::Parcel(_)
                | File::Receipt(_) => false,
            },
        };
        taken.line.file.name().filter(|_| own)
    }

    /// Copies sealed parts from the vault to the outbox.
    fn put_parts(&self, sealed: &str, folder: &str) -> Result<(), Error> {
        let vault = self.site.vault();
        for object in vault.list(sealed)? {
            let name = object.path.rsplit('/').next().unwrap_or_default();
            let bytes = vault.get(&object.path)?;
            self.exchange.put_content(&format!("{folder}/parts/{name}"), &bytes)?;
        }
        Ok(())
    }

    /// Deletes the record of a transfer that is over: what was offered, and what was sealed of it.
    pub(super) fn forget(&self, held: &Held) -> Result<(), Error> {
        let vault = self.site.vault();
        for folder in ["content", "sealed"] {
            for object in vault.list(&format!("transfers/{folder}/{}", held.id))? {
                vault.delete(&object.path)?;
            }
        }
        let parts = format!("{}/parts", exchange::outbox(&held.partner, &held.id));
        for object in self.exchange.list(&parts)? {
            self.exchange.delete(&object.path)?;
        }
        Ok(())
    }
}

pub(super) fn note_path(file: &str) -> String {
    format!("{REFUSED}/{}.json", Sha3Digest::of(file.as_bytes()))
}

fn entry_of(booked: &Booked) -> EntryId {
    leaf_hash(booked.entry.as_bytes())
}

/// Parts steps into batches that fit an entry, each with the entries it answers.
fn batches(lines: Vec<Line>) -> Vec<(Vec<Line>, Vec<EntryId>)> {
    let mut batches: Vec<(Vec<Line>, BTreeSet<EntryId>)> = Vec::new();
    for line in lines {
        let files = line.answers.iter().chain([&line.file]);
        let prev: BTreeSet<EntryId> = files.filter_map(File::booked).map(entry_of).collect();
        match batches.last_mut() {
            Some((batch, known))
                if batch.len() < BATCH_STEPS_MAX
                    && known.union(&prev).count() <= BATCH_PREV_MAX =>
            {
                batch.push(line);
                known.extend(prev);
            }
            Some(_) | None => batches.push((vec![line], prev)),
        }
    }
    batches.into_iter().map(|(lines, prev)| (lines, prev.into_iter().collect())).collect()
}

/// Groups lines by partner: a batch is of one.
pub(super) fn by_partner(lines: Vec<(InstitutionId, Line)>) -> BTreeMap<InstitutionId, Vec<Line>> {
    let mut grouped: BTreeMap<InstitutionId, Vec<Line>> = BTreeMap::new();
    for (partner, line) in lines {
        grouped.entry(partner).or_default().push(line);
    }
    grouped
}
