//! The commits of `vault/transfers/commits`, and how each transfer stands by them.
//!
//! Comes in: commits and the objects they name. Goes out: a [`Book`]: every transfer with the steps it
//! took, every approver's key. Never: a step taken twice, or one that the commits do not hold.
//!
//! # What a commit holds
//!
//! A [`Commit`] has `txn`, `time`, `act` and `entry`, as those of pools. An act of the kind `steps` is a
//! batch of steps of one kind with one partner: `step`, `partner`, `steps` (an [`Object`] below
//! `transfers/steps`, one [`Line`] a line), `root` and `count`. A line's `digest` is the SHA3-256 digest
//! of the canonical payload of its `file`: the offer, challenge, accept, parcel, receipt or end that the
//! step is about, as it was signed. `root` is the RFC 6962 root over the 32 bytes of these digests, in
//! the order of lines. `answers` are the files that the step rests on, as they came.
//!
//! The entry's kind is `transfers-` and the step; its body has `partner`, `count` (below ten as `<10`) and
//! `root`; its `prev` are the partner's entries that the `booked` of `file` and `answers` name, sorted,
//! each once. So what `received` means depends on the side: at the receiver the file is its own receipt
//! and `prev` names the sender's entries of accepts and parcels, at the sender it is the receiver's
//! receipt and `prev` names the receiver's entries of receipts.
//!
//! An act of the kind `approvers` names an object below `transfers/approvers`, one [`ApproverLine`] a
//! line; its entry `approvers-registered` has `count` and `commitment`, the keyed digest of the object.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Serialize};

use super::{Error, file::File};
use crate::{
    digest::{Sha3Digest, Sha256},
    instant::Instant,
    ledger::{Entry, Kind},
    party::InstitutionId,
    payee::Object,
    signed_note::Signer,
    site::Site,
    store::{Sequence, Store},
    transfer::{Booked, BookedBatch, Role, TransferId, batch_root},
};

/// Where the commits of transfers are, in the vault.
pub const COMMITS: &str = "transfers/commits";

/// One commit of `vault/transfers/commits`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// One act of transfers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Act {
    /// Keys of patients and delegates were registered or revoked.
    Approvers(Approvers),
    /// Transfers took a step.
    Steps(Steps),
}

/// Keys that were registered or revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approvers {
    /// The lines.
    pub approvers: Object,
}

/// A batch of steps of one kind with one partner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steps {
    /// Which step.
    pub step: Step,
    /// With whom.
    pub partner: InstitutionId,
    /// The lines.
    pub steps: Object,
    /// The RFC 6962 root over the lines' digests.
    pub root: Sha256,
    /// How many.
    pub count: u64,
}

/// A step of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The sender offers.
    Offered,
    /// The receiver asks for it.
    Challenged,
    /// The sender took the patient's approval.
    Approved,
    /// The sender put the sealed parcel out.
    Sent,
    /// The receiver opened it, and at the sender: the receipt came.
    Received,
    /// It ended before that.
    Ended,
}

impl Step {
    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Challenged => "challenged",
            Self::Approved => "approved",
            Self::Sent => "sent",
            Self::Received => "received",
            Self::Ended => "ended",
        }
    }

    /// Returns the kind of its entry in the book.
    pub fn kind(self) -> Kind {
        match self {
            Self::Offered => Kind::TransfersOffered,
            Self::Challenged => Kind::TransfersChallenged,
            Self::Approved => Kind::TransfersApproved,
            Self::Sent => Kind::TransfersSent,
            Self::Received => Kind::TransfersReceived,
            Self::Ended => Kind::TransfersEnded,
        }
    }
}

/// Which end of a transfer this site is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// It holds the record.
    Sender,
    /// It asks for it.
    Receiver,
}

/// One step of one transfer. Private: it names the patient.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The transfer.
    pub transfer: TransferId,
    /// Which end this site is.
    pub role: End,
    /// The patient's id at this site.
    pub patient: String,
    /// The digest of the canonical payload of `file`.
    pub digest: Sha3Digest,
    /// What the step is about.
    pub file: File,
    /// What it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<File>,
    /// How the two records of the patient agree, where the step judged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
    /// The record as it was offered, below `transfers/content/<transfer>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub content: Vec<Content>,
    /// The folder of the vault with the sealed parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("transfer", &self.transfer).finish_non_exhaustive()
    }
}

/// How two records of a patient agree: names of fields, never their values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// Fields that agree.
    pub agree: Vec<String>,
    /// Fields that both have and that differ.
    pub differ: Vec<String>,
}

/// A piece of the record as it was offered: whole lines of one file of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// The file of the manifest.
    pub file: String,
    /// Its path in the vault.
    pub path: String,
    /// Its digest.
    pub digest: Sha3Digest,
    /// Its length.
    pub bytes: u64,
}

/// A key with which a patient or a delegate approves.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproverLine {
    /// The patient's id at this site.
    pub patient: String,
    /// The key.
    pub vkey: String,
    /// Whose it is.
    pub role: Role,
    /// Until when it may approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Instant>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Instant>,
}

impl std::fmt::Debug for ApproverLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApproverLine").field("role", &self.role).finish_non_exhaustive()
    }
}

/// One batch, as it is committed.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) commit: u64,
    pub(super) time: Instant,
    pub(super) entry: Entry,
    digests: Vec<Sha3Digest>,
    booked: OnceLock<Vec<Booked>>,
}

impl Batch {
    /// Proves the place of each file under the entry, once.
    fn booked(&self, steward: &Signer) -> Result<&[Booked], Error> {
        if let Some(booked) = self.booked.get() {
            return Ok(booked);
        }
        let batch = BookedBatch::new(&self.entry, &self.digests)?;
        let all = (0_u64..).zip(&self.digests).map(|(index, _)| batch.prove(index, steward));
        let booked = all.collect::<Result<Vec<_>, _>>()?;
        Ok(self.booked.get_or_init(|| booked))
    }
}

/// A step that a transfer took.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub(super) batch: Arc<Batch>,
    pub(super) index: u64,
    pub(super) line: Arc<Line>,
}

impl Taken {
    /// Says where the step's file stands in this site's book.
    pub(super) fn booked(&self, steward: &Signer) -> Result<Booked, Error> {
        let index = usize::try_from(self.index).map_err(|_| Error::Bug)?;
        self.batch.booked(steward)?.get(index).cloned().ok_or(Error::Bug)
    }
}

/// A transfer as it stands. It has no `Debug`: it names the patient.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) id: TransferId,
    pub(super) partner: InstitutionId,
    pub(super) end: End,
    pub(super) patient: String,
    pub(super) steps: BTreeMap<Step, Taken>,
}

impl Held {
    /// Returns the newest step. A transfer is held because it took one.
    pub(super) fn newest(&self) -> Result<(Step, &Taken), Error> {
        self.steps.last_key_value().map(|(step, taken)| (*step, taken)).ok_or(Error::Bug)
    }

    /// Returns the newest step's name.
    pub(super) fn step(&self) -> Result<Step, Error> {
        Ok(self.newest()?.0)
    }

    /// Says whether it can still go on.
    pub(super) fn is_open(&self) -> bool {
        !self.steps.contains_key(&Step::Received) && !self.steps.contains_key(&Step::Ended)
    }

    /// Returns the files that the transfer knows, in the order of steps.
    pub(super) fn files(&self) -> impl Iterator<Item = &File> {
        self.steps.values().flat_map(|taken| taken.line.answers.iter().chain([&taken.line.file]))
    }
}

/// Returns the transfers of some patients' records, by id.
pub(in crate::pipeline) fn of_patients(
    site: &Site,
    is_own: impl Fn(&str) -> bool,
) -> Result<BTreeSet<String>, Error> {
    let book = Book::load(&site.vault())?;
    let own = book.transfers.into_values().filter(|held| is_own(&held.patient));
    Ok(own.map(|held| held.id.to_string()).collect())
}

/// All transfers and approvers of a site as its commits have them.
#[derive(Default)]
pub(super) struct Book {
    pub(super) number: u64,
    pub(super) newest: Option<Instant>,
    pub(super) transfers: BTreeMap<TransferId, Held>,
    /// By patient and key: the newest line.
    pub(super) approvers: BTreeMap<(String, String), ApproverLine>,
}

impl Book {
    /// Reads all commits.
    pub(super) fn load(vault: &Store) -> Result<Self, Error> {
        let mut book = Self::default();
        for (number, body) in Sequence::new(vault, COMMITS).all()? {
            let commit: Commit = serde_json::from_slice(&body)
                .map_err(|source| Error::Format { commit: number, source })?;
            match &commit.act {
                Act::Approvers(act) => {
                    let lines = act.approvers.read(vault)?;
                    book.take_approvers(number, &commit, lines);
                }
                Act::Steps(act) => {
                    let lines = act.steps.read(vault)?;
                    book.take_steps(number, &commit, act, lines)?;
                }
            }
        }
        Ok(book)
    }

    pub(super) fn take_approvers(
        &mut self,
        number: u64,
        commit: &Commit,
        lines: Vec<ApproverLine>,
    ) {
        self.number = number;
        self.newest = Some(commit.time);
        for line in lines {
            self.approvers.insert((line.patient.clone(), line.vkey.clone()), line);
        }
    }

    pub(super) fn take_steps(
        &mut self,
        number: u64,
        commit: &Commit,
        act: &Steps,
        lines: Vec<Line>,
    ) -> Result<(), Error> {
        let wrong = |reason| Error::Order { commit: number, reason };
        let digests: Vec<Sha3Digest> = lines.iter().map(|line| line.digest).collect();
        if batch_root(&digests) != act.root || digests.len() as u64 != act.count {
            return Err(wrong("its root or count is not that of its lines"));
        }
        let entry =
            Entry::parse(commit.entry.as_bytes()).map_err(|_| wrong("its entry cannot be read"))?;
        let (time, booked) = (commit.time, OnceLock::new());
        let batch = Arc::new(Batch { commit: number, time, entry, digests, booked });
        self.number = number;
        self.newest = Some(commit.time);
        for (index, line) in (0_u64..).zip(lines) {
            let id = line.transfer;
            let held = self.transfers.entry(id).or_insert_with(|| Held {
                id,
                partner: act.partner.clone(),
                end: line.role,
                patient: line.patient.clone(),
                steps: BTreeMap::new(),
            });
            if held.end != line.role || held.partner != act.partner {
                return Err(wrong("a transfer changed its sides"));
            }
            if !held.is_open() || held.steps.last_key_value().is_some_and(|(s, _)| *s >= act.step) {
                return Err(wrong("a transfer took a step twice, or out of order"));
            }
            let taken = Taken { batch: Arc::clone(&batch), index, line: Arc::new(line) };
            held.steps.insert(act.step, taken);
        }
        Ok(())
    }
}
