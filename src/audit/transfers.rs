//! Transfers as an auditor reads them: batches of steps under their roots and entries, the keys of
//! those who may approve, and every step handed to `transferred` in order.
//!
//! Comes in: the commits of transfers and the lines they name. Goes out: findings.
//! Never: a patient in a finding, or a step that is judged by what a desk decided.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Audit, Check, Evidence,
    commits::{Commits, Numbered},
    crossed::Sides,
    expected::{Said, shown},
    licences::Register,
    shape::Counted,
    table::{count, leaf_hash, object, root},
    transferred::{At, Held},
};
use crate::{
    digest::{Sha3Digest, Sha256, hmac_sha3_parts},
    instant::Instant,
    ledger::Kind,
    signed_note::Verifier,
    store,
};

/// `vault/transfers/commits/<n>.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TransferCommit {
    txn: String,
    time: Instant,
    pub(super) act: TransferAct,
    pub(super) entry: String,
}

/// What was done at the desk of transfers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum TransferAct {
    Approvers(Approvers),
    Steps(Steps),
}

impl TransferAct {
    /// Returns the object that holds its lines.
    pub(super) fn lines(&self) -> &Counted {
        match self {
            Self::Approvers(act) => &act.approvers,
            Self::Steps(act) => &act.lines,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Approvers {
    approvers: Counted,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Steps {
    pub(super) step: Step,
    pub(super) partner: String,
    #[serde(rename = "steps")]
    lines: Counted,
    root: Sha256,
    count: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Step {
    Offered,
    Challenged,
    Approved,
    Sent,
    Received,
    Ended,
}

impl Step {
    fn kind(self) -> Kind {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum End {
    Sender,
    Receiver,
}

/// One step of one transfer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) transfer: String,
    pub(super) role: End,
    pub(super) patient: String,
    pub(super) digest: Sha3Digest,
    pub(super) file: File,
    #[serde(default)]
    pub(super) answers: Vec<File>,
    /// How the patient was found, the record as it was kept, where it was sealed: not judged here.
    #[serde(default, rename = "score")]
    _score: Option<Value>,
    #[serde(default, rename = "content")]
    _content: Vec<Value>,
    #[serde(default, rename = "sealed")]
    _sealed: Option<String>,
}

/// A signed file of a transfer.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum File {
    Offer(Signed),
    Challenge(Signed),
    Accept(Signed),
    Refusal(Signed),
    Parcel(Signed),
    Receipt(Signed),
    Ended(Signed),
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Offer,
    Challenge,
    Accept,
    Refusal,
    Parcel,
    Receipt,
    Ended,
}

impl File {
    /// Takes it apart.
    pub(super) fn open(&self) -> (Name, &Signed) {
        match self {
            Self::Offer(signed) => (Name::Offer, signed),
            Self::Challenge(signed) => (Name::Challenge, signed),
            Self::Accept(signed) => (Name::Accept, signed),
            Self::Refusal(signed) => (Name::Refusal, signed),
            Self::Parcel(signed) => (Name::Parcel, signed),
            Self::Receipt(signed) => (Name::Receipt, signed),
            Self::Ended(signed) => (Name::Ended, signed),
        }
    }
}

impl Name {
    /// Returns the type that stands in what is signed.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Offer => "application/vnd.almoner.transfer-offer+json",
            Self::Challenge => "application/vnd.almoner.transfer-challenge+json",
            Self::Accept => "application/vnd.almoner.transfer-accept+json",
            Self::Refusal => "application/vnd.almoner.transfer-refusal+json",
            Self::Parcel => "application/vnd.almoner.transfer-parcel+json",
            Self::Receipt => "application/vnd.almoner.transfer-receipt+json",
            Self::Ended => "application/vnd.almoner.transfer-ended+json",
        }
    }

    /// Returns the kind of entry that tells of it in a book.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Offer => Kind::TransfersOffered,
            Self::Challenge => Kind::TransfersChallenged,
            Self::Accept => Kind::TransfersApproved,
            Self::Parcel => Kind::TransfersSent,
            Self::Receipt => Kind::TransfersReceived,
            Self::Refusal | Self::Ended => Kind::TransfersEnded,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signed {
    pub(super) payload: Value,
    pub(super) key: String,
    pub(super) signature: String,
    #[serde(default)]
    pub(super) booked: Option<Booked>,
}

/// Where a file stands in its signer's book.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Booked {
    pub(super) entry: String,
    pub(super) index: u64,
    pub(super) count: u64,
    pub(super) path: Vec<Sha256>,
    pub(super) signature: String,
}

/// A key with which somebody approves.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApproverLine {
    patient: String,
    vkey: String,
    role: String,
    until: Option<Instant>,
    revoked: Option<Instant>,
}

/// A key that is registered for a patient.
#[derive(Debug)]
pub(super) struct Approver {
    pub(super) role: String,
    pub(super) until: Option<Instant>,
    pub(super) revoked: Option<Instant>,
}

/// By patient and vkey: the newest line.
pub(super) type Desk = BTreeMap<(String, String), Approver>;

/// The steward's keys of other sites, by the origins of their ledgers, where an auditor has them.
pub(super) type Stewards = BTreeMap<String, Vec<Verifier>>;

/// What the entry of a commit must say. Which entries it follows stands in its lines: [`check`]
/// compares them.
pub(super) fn said(evidence: &Evidence, commit: &Numbered<TransferCommit>) -> Option<Said> {
    let TransferCommit { txn, time, act, .. } = &commit.body;
    let (kind, body) = match act {
        TransferAct::Approvers(act) => {
            let digest = act.approvers.digest.as_bytes();
            let parts = [b"almoner/approvers/v2".as_slice(), txn.as_bytes(), digest];
            let own = Sha3Digest(hmac_sha3_parts(&evidence.secrets.approvers, &parts));
            let body = json!({ "count": shown(act.approvers.count), "commitment": own });
            (Kind::ApproversRegistered, body)
        }
        TransferAct::Steps(act) => {
            let count = shown(act.count);
            let body = json!({ "partner": act.partner, "count": count, "root": act.root });
            (act.step.kind(), body)
        }
    };
    let prev = match act {
        TransferAct::Approvers(_) => Vec::new(),
        TransferAct::Steps(_) => commit.entry.as_ref()?.prev(),
    };
    Some(Said { kind, time: *time, body, prev, subjects: Vec::new() })
}

/// Goes through all transfers of a site, and says who takes part in them.
pub(super) fn check(
    evidence: &Evidence,
    audit: &mut Audit,
    commits: &Commits,
    register: &Register,
    stewards: &Stewards,
) -> Result<Sides, store::Error> {
    let mut desk = Desk::new();
    let mut transfers: BTreeMap<String, Held> = BTreeMap::new();
    let mut newest = None;
    for commit in &commits.transfers {
        let TransferCommit { time, act, .. } = &commit.body;
        let forward = newest.is_none_or(|newest| newest <= *time);
        audit.check(Check::Commit, &commit.path, forward, "it is older than the one before it");
        newest = Some(*time);
        let Counted { path, digest, .. } = act.lines();
        let bytes = object(audit, &evidence.vault, "vault", path, digest)?;
        let Some(bytes) = bytes else { continue };
        let name = format!("vault/{path}");
        match act {
            TransferAct::Approvers(act) => approvers(audit, &name, act, &bytes, &mut desk),
            TransferAct::Steps(act) => {
                let Some(lines) = lines::<Line>(&bytes) else {
                    let fault = "it holds what are no steps of transfers";
                    audit.check(Check::Transfers, &name, false, fault);
                    continue;
                };
                batch(audit, &name, commit, act, &lines);
                let at = At { evidence, name: &name, act, time: *time, desk: &desk, stewards };
                for line in &lines {
                    let held = transfers.entry(line.transfer.clone());
                    let held = held.or_insert_with(|| Held::new(line, act));
                    held.take(audit, &at, line);
                    held.licensed(audit, &at, register);
                }
            }
        }
    }
    let mut sides = Sides::default();
    for (own, partner, origin) in transfers.values().filter_map(Held::sides) {
        sides.own.insert(own.to_owned());
        sides.partners.insert(partner.to_owned(), origin.to_owned());
    }
    Ok(sides)
}

fn lines<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Option<Vec<T>> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).ok()).collect()
}

fn approvers(audit: &mut Audit, name: &str, act: &Approvers, bytes: &[u8], desk: &mut Desk) {
    let Some(lines) = lines::<ApproverLine>(bytes) else {
        audit.check(Check::Transfers, name, false, "it holds what are no keys of approvers");
        return;
    };
    let all = count(&lines) == act.approvers.count;
    audit.check(Check::Transfers, name, all, "it holds another number of keys");
    for ApproverLine { patient, vkey, role, until, revoked } in lines {
        let good = Verifier::parse(&vkey).is_ok() && matches!(&*role, "patient" | "delegate");
        audit.check(Check::Transfers, name, good, "an approver's key is none");
        desk.insert((patient, vkey), Approver { role, until, revoked });
    }
}

/// A batch's root and count follow from its lines, and its entry names those that the files answer.
fn batch(
    audit: &mut Audit,
    name: &str,
    commit: &Numbered<TransferCommit>,
    act: &Steps,
    lines: &[Line],
) {
    let all = count(lines) == act.count && act.count == act.lines.count && act.count > 0;
    audit.check(Check::Transfers, name, all, "it holds another number of steps");
    let leaves: Vec<Sha256> = lines.iter().map(|line| leaf_hash(line.digest.as_bytes())).collect();
    let same = root(&leaves) == act.root;
    audit.check(Check::Transfers, name, same, "its root is not that of its steps");
    let files = lines.iter().flat_map(|line| line.answers.iter().chain([&line.file]));
    let booked = files.filter_map(|file| file.open().1.booked.as_ref());
    let prev: BTreeSet<Sha256> = booked.map(|b| leaf_hash(b.entry.as_bytes())).collect();
    let named = commit.entry.as_ref().is_some_and(|entry| entry.prev().iter().eq(&prev));
    let fault = "its entry does not name the partner's entries that its files answer";
    audit.check(Check::Transfers, &commit.path, named, fault);
}
