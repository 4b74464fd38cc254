//! What licences were worth, reckoned anew from the decisions recorded, and what was done under them:
//! the files that versions took, and the questions that were answered.
//!
//! Comes in: the decisions that `licences` read, versions, usage. Goes out: findings.
//! Never: a state that a station worked out.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{
    Audit, Check, Evidence,
    commits::{Commits, Numbered},
    licences::{Action, Decision, Holder, Register},
    released::Versions,
    table::object,
};
use crate::{
    digest::Sha3Digest,
    instant::Instant,
    lake::Version,
    signed_note::{Note, Verifier},
    store,
};

/// Where deliveries are, in the vault.
const DELIVERIES: &str = "deliveries/";
/// The restrictions that forbid what is judged here; others are for people.
const NO_CONTRIBUTION: &str = "no-data-contribution";
const NO_RESEARCH: &str = "no-research";

/// What the licences of an institution that stand are worth together.
#[derive(Debug, Default)]
pub(super) struct Worth {
    stands: bool,
    restrictions: BTreeSet<String>,
    keys: Vec<Verifier>,
}

impl Worth {
    /// Says whether at least one stands, and none that stands forbids this.
    pub(super) fn allows(&self, but: &str) -> bool {
        self.stands && !self.restrictions.contains(but)
    }

    /// Returns the keys of those that stand.
    pub(super) fn keys(&self) -> &[Verifier] {
        &self.keys
    }
}

/// One licence while its decisions are gone through.
struct Running<'a> {
    holder: &'a Holder,
    class: &'a str,
    until: Option<Instant>,
    restrictions: BTreeSet<String>,
    resting: bool,
    over: bool,
    key: Option<&'a str>,
}

impl<'a> Running<'a> {
    fn begun(decision: &'a Decision) -> Self {
        Self {
            holder: &decision.holder,
            class: &decision.class,
            until: decision.until,
            restrictions: decision.restriction.iter().cloned().collect(),
            resting: false,
            over: false,
            key: decision.key.as_deref(),
        }
    }

    /// A decision on another's licence, of another class, or after the end changes nothing.
    fn go_on(&mut self, decision: &'a Decision) {
        if self.over || *self.holder != decision.holder || self.class != decision.class {
            return;
        }
        match decision.action {
            Action::Issue => {}
            Action::Renew => {
                self.until = decision.until;
                self.key = decision.key.as_deref().or(self.key);
            }
            Action::Restrict => self.restrictions.extend(decision.restriction.clone()),
            Action::Suspend => self.resting = true,
            Action::Revoke => self.over = true,
            Action::Reinstate if self.resting => self.resting = false,
            Action::Reinstate => self.restrictions.clear(),
        }
    }

    fn stands(&self, at: Instant) -> bool {
        !self.over && !self.resting && self.until.is_none_or(|until| at < until)
    }
}

/// Works out what an institution's licences were worth at an instant, as a commit knew it.
pub(super) fn worth(register: &Register, institution: &str, at: Instant, commit: u64) -> Worth {
    let mut licences: BTreeMap<(&str, &str), Vec<&Decision>> = BTreeMap::new();
    for decision in register.trusted(commit) {
        if decision.effective() <= at {
            let id = (decision.issuer.as_str(), decision.licence.as_str());
            licences.entry(id).or_default().push(decision);
        }
    }
    let mut worth = Worth::default();
    for mut decisions in licences.into_values() {
        decisions.sort_by(|a, b| a.order().cmp(&b.order()));
        let mut own: Option<Running<'_>> = None;
        for decision in decisions {
            match &mut own {
                Some(own) => own.go_on(decision),
                None if decision.action == Action::Issue => own = Some(Running::begun(decision)),
                None => {}
            }
        }
        let Some(own) = own.filter(|own| own.holder.is(institution) && own.stands(at)) else {
            continue;
        };
        worth.stands = true;
        worth.restrictions.extend(own.restrictions);
        worth.keys.extend(own.key.and_then(|vkey| Verifier::parse(vkey).ok()));
    }
    worth
}

/// `vault/deliveries/<digest>.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deliveries {
    licence_commit: u64,
    taken: Vec<Taken>,
    left: Vec<Left>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Taken {
    institution: String,
    file: String,
    digest: Sha3Digest,
    bytes: u64,
    note: Sha3Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read so that no member is passed over; nothing was taken of these")]
struct Left {
    institution: String,
    file: String,
    reason: String,
}

/// Names what a version says was delivered; none where its pipeline asked for no licences.
pub(super) fn paper(version: &Version) -> Option<(&str, Sha3Digest)> {
    let is_own = |path: &str| {
        let name = path.strip_prefix(DELIVERIES);
        name.is_some_and(|name| name.strip_suffix(".json").is_some())
    };
    let paper = version.papers.iter().find(|paper| is_own(&paper.path))?;
    Some((&paper.path, paper.digest))
}

/// Judges every version by the licences of those who delivered to it, and every answer by the licence
/// of the researcher's institution.
pub(super) fn check(
    evidence: &Evidence,
    audit: &mut Audit,
    commits: &Commits,
    register: &Register,
    versions: &Versions,
) -> Result<(), store::Error> {
    for commit in &commits.lake {
        let version = &commit.body;
        let Some((path, digest)) = paper(version) else { continue };
        let Some(bytes) = object(audit, &evidence.vault, "vault", path, &digest)? else { continue };
        let name = format!("vault/{path}");
        let Ok(told) = serde_json::from_slice::<Deliveries>(&bytes) else {
            audit.check(Check::Licences, &name, false, "it holds what are no deliveries");
            continue;
        };
        let from: BTreeSet<&str> = told.taken.iter().map(|t| t.institution.as_str()).collect();
        let kept_apart = told.left.iter().all(|left| {
            told.taken.iter().all(|t| (&t.institution, &t.file) != (&left.institution, &left.file))
        });
        audit.check(Check::Licences, &name, kept_apart, "a file of it was taken and left");
        let seen = versions.get(&(version.dataset.clone(), version.version));
        let mut roster = seen.iter().flat_map(|seen| &seen.roster);
        let whole = roster.all(|line| from.contains(line.institution.as_str()));
        let fault = "the version holds rows of an institution of which no file was taken";
        audit.check(Check::Licences, &name, whole, fault);
        heeded(audit, commit, register, told.licence_commit);
        let inputs: BTreeSet<Sha3Digest> = told.taken.iter().map(|taken| taken.digest).collect();
        let same = inputs.iter().eq(&version.inputs);
        audit.check(Check::Licences, &name, same, "its files are not the inputs of the version");
        let mut notes = Notes { evidence, version, read: BTreeMap::new() };
        for taken in &told.taken {
            let Some(note) = notes.get(audit, taken.note)? else { continue };
            let good = delivered(audit, &name, taken, note, version.time);
            let worth = worth(register, &taken.institution, note.signed, told.licence_commit);
            let fault = "a file was taken of an institution whose licence did not allow it";
            audit.check(Check::Licences, &name, worth.allows(NO_CONTRIBUTION), fault);
            let signed = note.note.vouched(worth.keys()).is_ok();
            let fault = "a delivery note is not signed with a key of a licence that stood";
            audit.check(Check::Licences, &name, good && signed, fault);
        }
    }
    for commit in &commits.usage {
        let record = &commit.body;
        // What was recorded in the very second of a question may have come before or after it.
        let (before, until) = (
            register.newest(|time| time < record.time),
            register.newest(|time| time <= record.time),
        );
        let good = [before, until].into_iter().any(|known| {
            let institution = record.institution.as_ref();
            !register.is_kept(known)
                || institution.is_some_and(|institution| {
                    worth(register, institution.as_str(), record.time, known).allows(NO_RESEARCH)
                })
        });
        let fault = "it was answered to an institution without a standing licence";
        audit.check(Check::Licences, &commit.path, good, fault);
    }
    Ok(())
}

/// A version knows every decision that was recorded before it was made, and none of later.
fn heeded(audit: &mut Audit, commit: &Numbered<Version>, register: &Register, known: u64) {
    let time = commit.body.time;
    let good =
        (register.newest(|own| own < time)..=register.newest(|own| own <= time)).contains(&known);
    let fault = "decisions on licences that were recorded before it were not heeded";
    audit.check(Check::Licences, &commit.path, good, fault);
}

fn delivered(audit: &mut Audit, name: &str, taken: &Taken, note: &ReadNote, time: Instant) -> bool {
    let own = note.institution == taken.institution;
    audit.check(Check::Licences, name, own, "a delivery note is another institution's");
    let past = note.signed <= time;
    audit.check(Check::Licences, name, past, "a delivery note is dated after the version");
    let listed = note.files.iter().any(|(file, digest, bytes)| {
        // A note names files from its own folder.
        let above = taken.file.strip_suffix(file.as_str());
        let below = above.is_some_and(|above| above.is_empty() || above.ends_with('/'));
        below && *digest == taken.digest && *bytes == taken.bytes
    });
    audit.check(
        Check::Licences,
        name,
        listed,
        "a delivery note does not list a file as it was taken",
    );
    own && past && listed
}

/// A delivery note, taken apart.
struct ReadNote {
    note: Note,
    institution: String,
    signed: Instant,
    files: Vec<(String, Sha3Digest, u64)>,
}

impl ReadNote {
    fn of(bytes: &[u8]) -> Option<Self> {
        let note = Note::parse(std::str::from_utf8(bytes).ok()?).ok()?;
        let mut lines = note.text().lines();
        (lines.next()? == "almoner/delivery/v1").then_some(())?;
        let institution = lines.next()?.strip_prefix("institution ")?.to_owned();
        let signed = Instant::parse(lines.next()?.strip_prefix("signed ")?).ok()?;
        let file = |line: &str| {
            let (rest, bytes) = line.strip_prefix("file ")?.rsplit_once(" bytes ")?;
            let (name, digest) = rest.rsplit_once(" sha3:")?;
            Some((name.to_owned(), Sha3Digest::parse(digest).ok()?, bytes.parse().ok()?))
        };
        let files = lines.map(file).collect::<Option<Vec<_>>>()?;
        Some(Self { note, institution, signed, files })
    }
}

/// The notes of one version, each read once.
struct Notes<'a> {
    evidence: &'a Evidence,
    version: &'a Version,
    read: BTreeMap<Sha3Digest, Option<ReadNote>>,
}

impl Notes<'_> {
    fn get(
        &mut self,
        audit: &mut Audit,
        digest: Sha3Digest,
    ) -> Result<Option<&ReadNote>, store::Error> {
        if !self.read.contains_key(&digest) {
            let path = format!("{DELIVERIES}{digest}.note");
            let name = format!("vault/{path}");
            let named = self.version.papers.iter().any(|p| p.path == path && p.digest == digest);
            let fault = "the version does not name a note by which a file was taken";
            audit.check(Check::Licences, &name, named, fault);
            let bytes = object(audit, &self.evidence.vault, "vault", &path, &digest)?;
            let note = bytes.as_ref().and_then(|bytes| ReadNote::of(bytes));
            if bytes.is_some() {
                audit.check(Check::Licences, &name, note.is_some(), "it is no delivery note");
            }
            self.read.insert(digest, note);
        }
        Ok(self.read.get(&digest).and_then(Option::as_ref))
    }
}
