//! One transfer after the other, step by step: which step may follow, what each file must name, and
//! whose signature it must bear.
//!
//! Comes in: lines of batches in the order of their commits. Goes out: findings.
//! Never: a parcel without the patient's approval, or anything after an end.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    Audit, Check, Evidence,
    licences::Register,
    licensed::worth,
    table::leaf_hash,
    transfers::{Booked, Desk, End, File, Line, Name, Signed, Step, Steps, Stewards},
};
use crate::{
    digest::{Sha3Digest, Sha256, canonical},
    instant::Instant,
    ledger::{Entry, trust::Role},
    signed_note::Verifier,
};

/// The restriction that forbids a transfer.
const NO_TRANSFER: &str = "no-transfer";
/// The type of what a steward signs of a place in the book.
const BOOKED: &str = "application/vnd.almoner.transfer-booked+json";

/// Where a step stands, and what is known by then.
pub(super) struct At<'a> {
    pub(super) evidence: &'a Evidence,
    pub(super) name: &'a str,
    pub(super) act: &'a Steps,
    pub(super) time: Instant,
    pub(super) desk: &'a Desk,
    pub(super) stewards: &'a Stewards,
}

impl At<'_> {
    fn good(&self, audit: &mut Audit, good: bool, fault: &str) -> bool {
        audit.check(Check::Transfers, self.name, good, fault)
    }
}

/// A transfer as it stands.
pub(super) struct Held {
    end: End,
    partner: String,
    patient: String,
    newest: Option<Step>,
    /// The payload of each file that was taken, and its digest.
    files: BTreeMap<Name, (Value, Sha3Digest)>,
    /// The vkey and the role of the one who approved.
    approver: Option<(String, String)>,
}

impl Held {
    /// Begins with nothing but its sides.
    pub(super) fn new(line: &Line, act: &Steps) -> Self {
        Self {
            end: line.role,
            partner: act.partner.clone(),
            patient: line.patient.clone(),
            newest: None,
            files: BTreeMap::new(),
            approver: None,
        }
    }

    /// Takes a step: its place, its files, their links and their signatures.
    pub(super) fn take(&mut self, audit: &mut Audit, at: &At<'_>, line: &Line) {
        let same =
            self.end == line.role && self.partner == at.act.partner && self.patient == line.patient;
        at.good(audit, same, "a transfer changed its sides or its patient");
        let follows = self.follows(at.act.step);
        at.good(audit, follows, "a transfer took a step twice, out of order, or after its end");
        self.newest = Some(at.act.step);
        let (name, file) = line.file.open();
        let names: Vec<Name> = line.answers.iter().map(|file| file.open().0).collect();
        let shape = is_of(self.end, at.act.step, name, &names);
        at.good(audit, shape, "a step holds other files than such a step has");
        let own = digest(&file.payload) == Some(line.digest);
        at.good(audit, own, "a step's digest is not that of its file");
        for file in line.answers.iter().chain([&line.file]) {
            let (name, file) = file.open();
            let transfer = file.payload.get("transfer").and_then(Value::as_str);
            let same = transfer == Some(&*line.transfer);
            at.good(audit, same, "a file is of another transfer");
            let Some(digest) = digest(&file.payload) else { continue };
            self.files.insert(name, (file.payload.clone(), digest));
        }
        self.links(audit, at);
        for file in line.answers.iter().chain([&line.file]) {
            self.signed(audit, at, file);
        }
        if at.act.step == Step::Sent {
            let own = self.approver.as_ref();
            let stands = own.is_some_and(|(vkey, role)| self.is_registered(at, vkey, role));
            at.good(audit, stands, "a parcel went out after its approver's key had ended");
        }
    }

    fn follows(&self, step: Step) -> bool {
        match (self.end, self.newest, step) {
            (End::Sender, None, Step::Offered)
            | (End::Sender, Some(Step::Offered), Step::Approved | Step::Ended)
            | (End::Sender, Some(Step::Approved), Step::Sent | Step::Ended)
            | (End::Sender, Some(Step::Sent), Step::Received | Step::Ended)
            | (End::Receiver, None, Step::Challenged)
            | (End::Receiver, Some(Step::Challenged), Step::Received | Step::Ended) => true,
            (End::Sender | End::Receiver, _, _) => false,
        }
    }

    /// What the files say of each other, of the sides and of time.
    fn links(&self, audit: &mut Audit, at: &At<'_>) {
        let text = |name: Name, path: &str| self.text(name, path);
        let digest = |name: Name| self.files.get(&name).map(|(_, digest)| digest.to_string());
        let (sender, receiver) =
            (text(Name::Offer, "/from/origin"), text(Name::Offer, "/to/origin"));
        let partner = match self.end {
            End::Sender => "/to/institution",
            End::Receiver => "/from/institution",
        };
        let own = match self.end {
            End::Sender => sender,
            End::Receiver => receiver,
        };
        let sides = text(Name::Offer, partner) == Some(&self.partner)
            && own == Some(&at.evidence.origin)
            && sender != receiver;
        at.good(audit, sides, "an offer is of other sides");
        let mut names = true;
        for (file, member, named) in [
            (Name::Challenge, "/offer", Name::Offer),
            (Name::Accept, "/offer", Name::Offer),
            (Name::Accept, "/challenge", Name::Challenge),
            (Name::Refusal, "/offer", Name::Offer),
            (Name::Parcel, "/offer", Name::Offer),
            (Name::Parcel, "/challenge", Name::Challenge),
            (Name::Parcel, "/accept", Name::Accept),
            (Name::Receipt, "/parcel", Name::Parcel),
            (Name::Ended, "/offer", Name::Offer),
        ] {
            names &= !self.files.contains_key(&file)
                || text(file, member).is_some() && text(file, member) == digest(named).as_deref();
        }
        at.good(audit, names, "a file does not name the file that it answers");
        let by = !self.files.contains_key(&Name::Challenge)
            || self.at(Name::Challenge, "/by") == self.at(Name::Offer, "/to");
        at.good(audit, by, "a challenge is not by the institution that was offered to");
        let timely = match (self.end, at.act.step) {
            (_, Step::Offered | Step::Challenged | Step::Approved | Step::Sent)
            | (End::Receiver, Step::Received) => {
                let expires = text(Name::Offer, "/expires").map(Instant::parse);
                expires.and_then(Result::ok).is_some_and(|expires| at.time < expires)
            }
            (End::Sender, Step::Received) | (_, Step::Ended) => true,
        };
        at.good(audit, timely, "a transfer went on after it had expired");
        if at.act.step == Step::Received {
            at.good(audit, self.received(), "a receipt is not for what was offered");
        }
    }

    /// A receipt tells of the very root and counts that were offered.
    fn received(&self) -> bool {
        let told =
            |file: &Value| json!([file.get("name"), file.get("resources"), file.get("bytes")]);
        let told = |files: Option<&Value>| -> Option<Vec<Value>> {
            Some(files?.as_array()?.iter().map(told).collect())
        };
        let offered = told(self.at(Name::Offer, "/manifest/files"));
        let root = self.text(Name::Offer, "/manifest/root");
        let sent = self.at(Name::Parcel, "/bytes");
        offered.is_some()
            && root.is_some()
            && offered == told(self.at(Name::Receipt, "/files"))
            && root == self.text(Name::Receipt, "/manifest_root")
            && sent == self.at(Name::Offer, "/manifest/bytes")
    }

    /// Each file bears the signature of the one whose word it is.
    fn signed(&mut self, audit: &mut Audit, at: &At<'_>, file: &File) {
        let (name, file) = file.open();
        let ours = match (name, self.end) {
            (Name::Offer | Name::Parcel, End::Sender)
            | (Name::Challenge | Name::Receipt, End::Receiver) => true,
            (Name::Offer | Name::Parcel, End::Receiver)
            | (Name::Challenge | Name::Receipt, End::Sender) => false,
            (Name::Ended, _) => {
                let by = file.payload.pointer("/by/origin").and_then(Value::as_str);
                by == Some(&at.evidence.origin)
            }
            (Name::Accept | Name::Refusal, _) => {
                let good = self.approved(at, name, file);
                at.good(audit, good, "an approval or refusal is not by one who may give it");
                if self.end == End::Receiver {
                    self.booked(audit, at, name, file);
                }
                return;
            }
        };
        if ours {
            let own = at.evidence.trust.all(Role::Steward);
            let good = own.iter().any(|key| verifies(key, name.media_type(), file));
            at.good(audit, good, "a file of this site is not signed by its steward");
            return;
        }
        self.booked(audit, at, name, file);
        let origin = self.their_origin();
        let named = origin.is_some_and(|origin| {
            let name = file.key.rsplit_once('+').map(|(name, _)| name);
            name == Some(&*format!("{origin}/steward"))
        });
        at.good(audit, named, "a file of the partner names another key");
        if let Some(stewards) = origin.and_then(|origin| at.stewards.get(origin)) {
            let good = stewards.iter().any(|key| verifies(key, name.media_type(), file));
            at.good(audit, good, "a file of the partner is not signed by their steward");
        }
    }

    /// Who approves is named in the offer, and stood in this site's register when the offer is ours.
    fn approved(&mut self, at: &At<'_>, name: Name, file: &Signed) -> bool {
        let offered = self.at(Name::Offer, "/approvers").and_then(Value::as_array);
        let mut offered = offered.into_iter().flatten().filter_map(|approver| {
            let vkey = approver.get("key")?.as_str()?;
            Some((vkey, Verifier::parse(vkey).ok()?, approver.get("role")?.as_str()?))
        });
        let Some((vkey, key, role)) = offered.find(|(_, key, _)| key.key_id() == file.key) else {
            return false;
        };
        if !verifies(&key, name.media_type(), file) {
            return false;
        }
        // A refusal counts by whatever key the offer names: it takes nothing from anybody.
        if name == Name::Refusal {
            return true;
        }
        let as_role = file.payload.get("role").and_then(Value::as_str) == Some(role);
        let registered = self.end == End::Receiver || self.is_registered(at, vkey, role);
        self.approver = Some((vkey.to_owned(), role.to_owned()));
        as_role && registered
    }

    /// Says whether a key of the patient stood in this site's register at a step.
    fn is_registered(&self, at: &At<'_>, vkey: &str, role: &str) -> bool {
        let own = at.desk.get(&(self.patient.clone(), vkey.to_owned()));
        own.is_some_and(|own| {
            own.role == role
                && own.until.is_none_or(|until| at.time < until)
                && own.revoked.is_none_or(|revoked| at.time < revoked)
        })
    }

    /// A file of the partner stands in their book, under an entry about this institution.
    fn booked(&self, audit: &mut Audit, at: &At<'_>, name: Name, file: &Signed) {
        let own = self.text(
            Name::Offer,
            match self.end {
                End::Sender => "/from/institution",
                End::Receiver => "/to/institution",
            },
        );
        let good =
            file.booked.as_ref().zip(digest(&file.payload)).is_some_and(|(booked, digest)| {
                let Ok(entry) = Entry::parse(booked.entry.as_bytes()) else { return false };
                let said = |member: &str| entry.body().get(member).and_then(Value::as_str);
                let leaf = leaf_hash(digest.as_bytes());
                let root = climb(leaf, booked.index, booked.count, &booked.path);
                let origin = self.their_origin();
                let stewards = origin.and_then(|origin| at.stewards.get(origin));
                let vouched = |key| is_vouched(key, &entry, booked, &digest);
                entry.origin() == origin
                    && entry.kind() == Some(name.kind())
                    && said("partner") == own
                    && root.is_some_and(|root| said("root") == Some(&root.to_string()))
                    && stewards.is_none_or(|keys| keys.iter().any(vouched))
            });
        at.good(audit, good, "a file of the partner does not stand in their book");
    }

    /// Both ends held a licence that allows it, as far as this site knew of them.
    pub(super) fn licensed(&self, audit: &mut Audit, at: &At<'_>, register: &Register) {
        let sides: &[&str] = match (self.end, at.act.step) {
            (End::Sender, Step::Approved | Step::Sent) => &["/from/institution", "/to/institution"],
            (End::Receiver, Step::Received) => &["/from/institution"],
            (End::Sender | End::Receiver, _) => return,
        };
        for side in sides {
            let Some(institution) = self.text(Name::Offer, side) else { continue };
            // What was recorded in the very second of a step may have come before or after it.
            let known =
                [register.newest(|time| time < at.time), register.newest(|time| time <= at.time)];
            let good = known.into_iter().any(|known| {
                !register.knows(institution, known)
                    || worth(register, institution, at.time, known).allows(NO_TRANSFER)
            });
            let fault = "a transfer went on although a licence did not allow it";
            audit.check(Check::Licences, at.name, good, fault);
        }
    }

    /// Returns this site's institution, the partner, and the origin of the partner's ledger.
    pub(super) fn sides(&self) -> Option<(&str, &str, &str)> {
        let own = match self.end {
            End::Sender => "/from/institution",
            End::Receiver => "/to/institution",
        };
        Some((self.text(Name::Offer, own)?, &self.partner, self.their_origin()?))
    }

    fn their_origin(&self) -> Option<&str> {
        self.text(
            Name::Offer,
            match self.end {
                End::Sender => "/to/origin",
                End::Receiver => "/from/origin",
            },
        )
    }

    fn at(&self, name: Name, path: &str) -> Option<&Value> {
        self.files.get(&name)?.0.pointer(path)
    }

    fn text(&self, name: Name, path: &str) -> Option<&str> {
        self.at(name, path)?.as_str()
    }
}

/// Which file a step is about, and which it rests on.
fn is_of(end: End, step: Step, file: Name, answers: &[Name]) -> bool {
    match (end, step) {
        (End::Sender, Step::Offered) => (file, answers) == (Name::Offer, &[]),
        (End::Sender, Step::Approved) => (file, answers) == (Name::Accept, &[Name::Challenge]),
        (End::Sender, Step::Sent) => (file, answers) == (Name::Parcel, &[]),
        (End::Sender, Step::Received) => (file, answers) == (Name::Receipt, &[]),
        (End::Receiver, Step::Challenged) => (file, answers) == (Name::Challenge, &[Name::Offer]),
        (End::Receiver, Step::Received) => {
            (file, answers) == (Name::Receipt, &[Name::Accept, Name::Parcel])
        }
        (End::Sender, Step::Ended) => {
            file == Name::Ended && matches!(answers, [] | [Name::Refusal])
        }
        (End::Receiver, Step::Ended) => (file, answers) == (Name::Ended, &[]),
        (End::Sender, Step::Challenged)
        | (End::Receiver, Step::Offered | Step::Approved | Step::Sent) => false,
    }
}

fn digest(payload: &Value) -> Option<Sha3Digest> {
    Some(Sha3Digest::of(&canonical(payload).ok()?))
}

fn verifies(key: &Verifier, media_type: &str, file: &Signed) -> bool {
    key.key_id() == file.key && is_signed(key, media_type, &file.payload, &file.signature)
}

/// DSSE: the signature is over the type and the canonical bytes, each with its length.
fn is_signed(key: &Verifier, media_type: &str, payload: &Value, signature: &str) -> bool {
    let (Ok(payload), Ok(signature)) = (canonical(payload), STANDARD.decode(signature)) else {
        return false;
    };
    let (lengths, head) = ((media_type.len(), payload.len()), "DSSEv1");
    let mut bytes = format!("{head} {} {media_type} {} ", lengths.0, lengths.1).into_bytes();
    bytes.extend(payload);
    key.verify_raw(&bytes, &signature)
}

/// The partner's steward signed the entry, and the place of the file under it.
fn is_vouched(key: &Verifier, entry: &Entry, booked: &Booked, file: &Sha3Digest) -> bool {
    let place = json!({
        "file": file,
        "entry": leaf_hash(booked.entry.as_bytes()),
        "index": booked.index,
        "count": booked.count,
        "path": booked.path,
    });
    entry.verify(std::slice::from_ref(key)) && is_signed(key, BOOKED, &place, &booked.signature)
}

/// RFC 6962 §2.1.1 backwards: the root of a tree of `count` leaves of which `hash` is at `index`.
fn climb(hash: Sha256, index: u64, count: u64, path: &[Sha256]) -> Option<Sha256> {
    if index >= count {
        return None;
    }
    let Some((sibling, below)) = path.split_last() else { return (count == 1).then_some(hash) };
    let left = count.checked_next_power_of_two()?.checked_div(2).filter(|_| count > 1)?;
    let node = |left: &Sha256, right: &Sha256| {
        Sha256::of(&[&[1], left.as_bytes().as_slice(), right.as_bytes()].concat())
    };
    match index.checked_sub(left) {
        None => Some(node(&climb(hash, index, left, below)?, sibling)),
        Some(index) => {
            let right = count.checked_sub(left)?;
            Some(node(sibling, &climb(hash, index, right, below)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audit::table::root, ledger::tree::Tree};

    #[test]
    fn a_path_leads_to_the_root_from_its_own_place_alone() {
        for count in 1..20_u64 {
            let leaves: Vec<Sha256> = (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect();
            let tree = Tree::new(leaves.clone());
            for index in 0..count {
                let path = tree.inclusion(index).unwrap();
                let leaf = leaves[usize::try_from(index).unwrap()];
                let found = climb(leaf, index, count, &path);
                assert_eq!(found, Some(root(&leaves)), "{index} of {count}");
                let other = climb(leaf, (index + 1) % count, count, &path);
                assert!(count == 1 || other != Some(root(&leaves)), "{index} of {count} moved");
            }
            assert_eq!(climb(leaves[0], count, count, &[]), None);
        }
    }
}
