//! Erases people: what links them to anything in any zone is destroyed, what others' proofs and sums rest
//! on stays.
//!
//! Comes in: people, a reason, whether versions that hold them are destroyed. Goes out: rewritten objects
//! and commits, one commit of `vault/erasures`, one entry. Never: half an erasure that nobody finishes: the
//! plan lies in the vault until all is done, and whoever erases next goes on with it first.
//!
//! # What happens, in order
//!
//! 1. The plan is put down: the people's ids, records, pseudonyms, accounts, payments, and what takes
//!    the place of each. It is the last thing that is destroyed.
//! 2. Every object that holds any of them is written anew beside the old one. Decisions and records become
//!    empty rows with the bare leaf that a committed root needs; money stays under a random id.
//! 3. The list of redactions and the commit are made, and the entry recorded: the digest of the list, which
//!    rooms of the vault were touched, the reason, how many people; under ten it says just that.
//! 4. Commits name the new objects, old objects are deleted, and so are the segments of versions that held
//!    the people.
//! 5. The secret of pseudonyms is renewed, so that none of before can be made again, and so is the key of
//!    the vault: no older copy of it opens.

mod commits;
mod covers;
mod documents;
mod plan;
mod rest;
mod table;
mod text;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::{
    commits::commit,
    plan::{Move, PENDING, Plan},
    rest::{destroy, known, transfers},
    table::Openings,
};
use super::{Progress, consent::shown};
use crate::{
    consent,
    digest::Sha3Digest,
    instant::Instant,
    lake,
    ledger::entry::{self, Entry, EntryId, Kind},
    linkage,
    party::{ContributorId, IdError},
    payee,
    site::{self, Site},
    store::{self, Sequence},
    vault::{self, Closed},
};

/// Where the commits of erasures are, in the vault.
pub const COMMITS: &str = "erasures/commits";

/// Where rewritten objects wait until the entry stands, in the vault.
const STAGED: &str = "erasures/staged";

/// The longest reason.
const CLAUSE_CHARS_MAX: usize = 200;

/// Why nobody was erased.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The site failed, or somebody else committed first.
    #[error(transparent)]
    Site(#[from] site::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The register of consents cannot be read.
    #[error(transparent)]
    Consent(#[from] consent::Error),
    /// The person index cannot be read.
    #[error(transparent)]
    Index(#[from] linkage::Error),
    /// A person cannot be found by the person index.
    #[error(transparent)]
    Linkage(#[from] super::linkage::Error),
    /// The lake cannot be read.
    #[error(transparent)]
    Lake(#[from] lake::Error),
    /// A key could not be destroyed.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// Goods that were given cannot be read.
    #[error(transparent)]
    Goods(#[from] super::goods::Error),
    /// Payees cannot be read.
    #[error(transparent)]
    Payees(#[from] payee::Error),
    /// An entry cannot be read.
    #[error("an entry of the ledger cannot be read")]
    Entry(#[from] entry::Error),
    /// A text is no id.
    #[error(transparent)]
    Id(#[from] IdError),
    /// JSON could not be written.
    #[error("what an erasure leaves could not be written as JSON")]
    Json(#[from] serde_json::Error),
    /// A table could not be read or written.
    #[error("a table of the vault could not be rewritten")]
    Arrow(#[from] arrow::error::ArrowError),
    /// A table could not be read or written.
    #[error("a table of the vault could not be rewritten")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// An object is not what this version writes.
    #[error("{0} is not what this version writes")]
    Format(String),
    /// Nobody was named.
    #[error("nobody is named")]
    Nobody,
    /// The reason is none that the public book may hold.
    #[error("a reason is 1 to {CLAUSE_CHARS_MAX} characters without controls, and names nobody")]
    Reason,
    /// Somebody wrote about the person meanwhile.
    #[error("something about the people was written while they were erased; erase them again")]
    Raced,
}

/// What becomes of versions that hold the people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Versions {
    /// Nobody can read them any more.
    #[default]
    Destroy,
    /// They stay as they are.
    Keep,
}

/// What an erasure did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// How many people of those named the site knew.
    pub people: u64,
    /// How many of those named stand nowhere.
    pub unknown: u64,
    /// Objects rewritten, by room of the vault.
    pub objects: BTreeMap<String, u64>,
    /// Commits rewritten.
    pub commits: u64,
    /// The versions that hold the people.
    pub versions: Vec<String>,
    /// Whether these were destroyed.
    pub destroyed: bool,
    /// How many payments stay in the books under a random id.
    pub payments: u64,
    /// The number of the commit, where one was made.
    pub commit: Option<u64>,
    /// Its entry.
    pub entry: Option<EntryId>,
}

/// One commit of `vault/erasures/commits`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// A random id of this commit.
    pub txn: String,
    /// Its number, from 1.
    pub number: u64,
    /// When.
    pub time: Instant,
    /// Why.
    pub clause: String,
    /// How many people.
    pub people: u64,
    /// Which rooms of the vault, or `lake`, were touched.
    pub stores: BTreeSet<String>,
    /// The versions that were destroyed: dataset and number.
    pub destroyed: Vec<(String, u64)>,
    /// Whether versions that hold the people were to be destroyed.
    pub versions: String,
    /// The list of redactions.
    pub redactions: Redacted,
    /// The ledger entry, as its bytes stand in the log.
    pub entry: String,
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErasureCommit").field("number", &self.number).finish_non_exhaustive()
    }
}

/// An object with its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redacted {
    /// Its path in the vault; `lake/` stands before that of a commit of the lake.
    pub path: String,
    /// The digest that the book knows, where it knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Sha3Digest>,
    /// Its digest.
    pub digest: Sha3Digest,
}

/// The list of redactions.
#[derive(Serialize, Deserialize)]
struct Redactions {
    /// The ids that stand in the people's place.
    aliases: BTreeSet<String>,
    objects: Vec<Redacted>,
    commits: Vec<Redacted>,
}

/// Erases people; of those whom it was asked for before nothing is left to do.
pub fn erase(
    site: &Site,
    people: &[String],
    reason: &str,
    versions: Versions,
    dry_run: bool,
    progress: &dyn Progress,
) -> Result<Erased, Error> {
    let vault = site.vault();
    // Nobody reads of the people before and writes of them afterwards.
    let _alone = if dry_run { None } else { Some(site.keyring().shut_out()?) };
    if !dry_run && let Some(plan) = Plan::pending(&vault)? {
        progress.stage("going on with an erasure that was cut off", 1);
        finish(site, plan, progress)?;
    }
    if people.is_empty() {
        return Err(Error::Nobody);
    }
    let ids: BTreeSet<ContributorId> =
        people.iter().map(|text| super::linkage::person(site, text)).collect::<Result<_, _>>()?;
    let ids: Vec<ContributorId> = ids.into_iter().collect();
    progress.stage("who is meant", 1);
    let mut plan = Plan::gather(site, &ids, reason, versions == Versions::Destroy)?;
    check(&plan, people, reason)?;
    progress.stage("what holds them", 1);
    let found = rewrite(site, &plan)?;
    let mut erased = told(&plan, &found);
    if found.objects.is_empty() && found.commits.is_empty() {
        return Ok(Erased { unknown: ids.len() as u64, ..Erased::default() });
    }
    erased.people = ids.len() as u64;
    if dry_run {
        return Ok(erased);
    }
    plan.keep(&vault)?;
    plan.moves = None;
    let (commit, entry) = finish(site, plan, progress)?;
    erased.commit = Some(commit);
    erased.entry = Some(entry);
    Ok(erased)
}

/// Finishes an erasure that was cut off, where there is one.
pub fn resume(site: &Site, progress: &dyn Progress) -> Result<bool, Error> {
    let _alone = site.keyring().shut_out()?;
    let Some(plan) = Plan::pending(&site.vault())? else { return Ok(false) };
    finish(site, plan, progress)?;
    Ok(true)
}

/// A reason stands in the public book: it may name nobody.
fn check(plan: &Plan, people: &[String], reason: &str) -> Result<(), Error> {
    let length = reason.chars().count();
    let form = (1..=CLAUSE_CHARS_MAX).contains(&length) && !reason.chars().any(char::is_control);
    let told = plan.names.keys().chain(people).chain(&plan.holders);
    let told = told.chain(plan.accounts.keys()).chain(plan.records.iter().map(|(_, local)| local));
    if !form || told.into_iter().any(|name| reason.contains(name.as_str())) {
        return Err(Error::Reason);
    }
    Ok(())
}

/// Everything that changes: objects with where they come from, and commits.
#[derive(Default)]
struct Found {
    objects: Vec<(Move, Bytes)>,
    commits: Vec<(String, Bytes)>,
}

fn told(plan: &Plan, found: &Found) -> Erased {
    let mut erased = Erased {
        payments: plan.payments,
        commits: found.commits.len() as u64,
        versions: plan.versions.iter().map(|(d, v)| format!("{d}@{v}")).collect(),
        destroyed: plan.destroy,
        ..Erased::default()
    };
    for (moved, _) in &found.objects {
        *erased.objects.entry(room(&moved.to)).or_default() += 1;
    }
    erased
}

/// The room of the vault in which an object lies.
fn room(path: &str) -> String {
    path.split('/').next().unwrap_or_default().to_owned()
}

/// Says whether a path is a numbered commit's.
fn is_commit(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    let number = parts.next().and_then(|name| name.strip_suffix(".json"));
    let number = number.is_some_and(|n| n.len() == 12 && n.bytes().all(|b| b.is_ascii_digit()));
    number && parts.next() == Some("commits")
}

/// Says whether an object is of the machinery, and no record of anything.
fn is_apart(path: &str) -> bool {
    matches!(path.split('/').next(), Some("erasures" | "keyring"))
        || (path.starts_with("runs/") && path.contains("/parts/"))
}

/// Works out every object and commit that changes, and changes nothing.
fn rewrite(site: &Site, plan: &Plan) -> Result<Found, Error> {
    let vault = site.vault();
    let openings = openings(site, plan)?;
    let paths: Vec<String> = vault.list_now("")?.into_iter().map(|listed| listed.path).collect();
    let objects = || paths.iter().filter(|path| !is_commit(path) && !is_apart(path));
    let mut changed: BTreeMap<&String, (Sha3Digest, Bytes)> = BTreeMap::new();
    for path in objects().filter(|path| path.ends_with(".parquet")) {
        let bytes = vault.get(path)?;
        if let Some(new) = table::redact(plan, &openings, path, &bytes)? {
            changed.insert(path, (Sha3Digest::of(&bytes), new));
        }
    }
    for (path, ids) in &documents::ids(&vault, plan)? {
        let Some(path) = paths.iter().find(|listed| *listed == path) else { continue };
        let bytes = vault.get(path)?;
        if let Some(new) = documents::redact(path, &bytes, ids)? {
            changed.insert(path, (Sha3Digest::of(&bytes), new));
        }
    }
    // An object that names a changed one changes itself: until nothing does.
    loop {
        let renames = renames(&changed);
        let mut is_news = false;
        for path in
            objects().filter(|path| !path.ends_with(".parquet") && !documents::is_file(path))
        {
            let bytes = vault.get(path)?;
            let Ok(text) = std::str::from_utf8(&bytes) else { continue };
            let Some(new) = text::redact(plan, &renames, path, text)? else { continue };
            let new = Bytes::from(new);
            if changed.get(path).is_none_or(|(_, before)| *before != new) {
                is_news = true;
                changed.insert(path, (Sha3Digest::of(&bytes), new));
            }
        }
        if !is_news {
            break;
        }
    }
    let renames = renames(&changed);
    let mut found = Found::default();
    for path in paths.iter().filter(|path| is_commit(path) && !is_apart(path)) {
        let old = vault.get(path)?;
        if let Some(new) = commit(plan, &renames, path, &old)? {
            found.commits.push((format!("vault/{path}"), new));
        }
    }
    let lake = site.lake();
    for listed in lake.list_now("")?.into_iter().filter(|listed| is_commit(&listed.path)) {
        let old = lake.get(&listed.path)?;
        if let Some(new) = commit(plan, &renames, &listed.path, &old)? {
            found.commits.push((format!("lake/{}", listed.path), new));
        }
    }
    for (path, (was, bytes)) in changed {
        let now = Sha3Digest::of(&bytes);
        let to = path.replace(&was.to_string(), &now.to_string());
        found.objects.push((Move { from: path.clone(), to, was, now }, bytes));
    }
    Ok(found)
}

fn renames(changed: &BTreeMap<&String, (Sha3Digest, Bytes)>) -> BTreeMap<String, String> {
    let both = changed.values();
    both.map(|(was, new)| (was.to_string(), Sha3Digest::of(new).to_string())).collect()
}

/// Gathers what opens the roots that hold the people.
fn openings(site: &Site, plan: &Plan) -> Result<Openings, Error> {
    let vault = site.vault();
    let mut openings = Openings { records: table::hashes(plan, &vault)?, ..Openings::default() };
    let register = consent::Register::load(&vault)?;
    for id in &plan.ids {
        let id = ContributorId::parse(id)?;
        let people = register.people();
        let key = people.index(id.as_str()).and_then(|at| people.key(at));
        let (Some(key), Some(events)) = (key, register.events(&id)) else { continue };
        for held in events {
            openings.events.insert(held.seq, consent::commitment(key, held.seq, &held.event));
        }
    }
    let secret = site.secret(super::linkage::COMMITMENTS);
    for commit in linkage::commits(&vault, u64::MAX)? {
        if let Some(members) = commit.members {
            let key = linkage::commit_key(&secret, &commit.txn);
            openings.linkage.insert(members.path, key);
        }
    }
    Ok(openings)
}

/// Does all that is left of a plan.
fn finish(site: &Site, mut plan: Plan, progress: &dyn Progress) -> Result<(u64, EntryId), Error> {
    let vault = site.vault();
    progress.stage("new objects", 1);
    let commits = if let Some(moves) = &plan.moves {
        let renames = moves.iter().map(|m| (m.was.to_string(), m.now.to_string())).collect();
        commits(site, &plan, &renames)?
    } else {
        let found = rewrite(site, &plan)?;
        for (moved, bytes) in &found.objects {
            vault.put_content(&staged(moved), bytes)?;
        }
        plan.moves = Some(found.objects.into_iter().map(|(moved, _)| moved).collect());
        plan.keep(&vault)?;
        found.commits
    };
    let moves = plan.moves.clone().unwrap_or_default();
    progress.stage("the entry", 1);
    let (number, entry) = record(site, &plan, &moves, &commits)?;
    progress.stage("old objects", 1);
    for moved in &moves {
        if let Some(bytes) = vault.find(&staged(moved))? {
            vault.put(&moved.to, bytes)?;
        }
    }
    for (path, bytes) in &commits {
        match path.split_once('/') {
            Some(("lake", path)) => site.lake().put(path, bytes.clone())?,
            Some((_, path)) => vault.put(path, bytes.clone())?,
            None => {}
        }
    }
    for moved in &moves {
        if moved.from != moved.to {
            vault.delete(&moved.from)?;
        }
        vault.delete(&staged(moved))?;
    }
    // What an attempt that was cut off staged of another state of the vault lies there still.
    for listed in vault.list_now("")? {
        let is_part = listed.path.starts_with("runs/") && is_apart(&listed.path);
        if is_part || listed.path.starts_with(STAGED) {
            vault.delete(&listed.path)?;
        }
    }
    transfers(site, &plan)?;
    progress.stage("versions and keys", 1);
    if plan.destroy {
        destroy(site, &plan)?;
    }
    site.renew_pseudonyms()?;
    let left = rewrite(site, &plan)?;
    if !left.objects.is_empty() || !left.commits.is_empty() {
        // Written while the erasure was cut off: the work of one more, with an entry of its own, with which
        // whoever erases next begins.
        (plan.txn, plan.moves) = (site.txn()?, None);
        plan.keep(&vault)?;
        return Err(Error::Raced);
    }
    // The plan tells who was erased: what is left of it says no more than that keys are to be renewed.
    plan.forget();
    plan.keep(&vault)?;
    if site.keyring().closed()? == Closed::Sealed {
        progress.stage("a new key for the vault", 1);
        site.keyring().rotate_vault(&|_, _| ())?;
    }
    // What a writer that died left half-written may hold a row.
    site.store().sweep("")?;
    vault.delete(PENDING)?;
    Ok((number, entry))
}

/// Where a rewritten object waits until the entry stands.
fn staged(moved: &Move) -> String {
    format!("{STAGED}/{}", moved.now)
}

/// The commits that are still to be rewritten.
fn commits(
    site: &Site,
    plan: &Plan,
    renames: &BTreeMap<String, String>,
) -> Result<Vec<(String, Bytes)>, Error> {
    let mut all = Vec::new();
    for (zone, name) in [(site.vault(), "vault"), (site.lake(), "lake")] {
        for listed in zone.list_now("")? {
            if !is_commit(&listed.path) || (name == "vault" && is_apart(&listed.path)) {
                continue;
            }
            let old = zone.get(&listed.path)?;
            if let Some(new) = commit(plan, renames, &listed.path, &old)? {
                all.push((format!("{name}/{}", listed.path), new));
            }
        }
    }
    Ok(all)
}

/// Makes the commit and its entry, once.
fn record(
    site: &Site,
    plan: &Plan,
    moves: &[Move],
    rewritten: &[(String, Bytes)],
) -> Result<(u64, EntryId), Error> {
    let vault = site.vault();
    let sequence = Sequence::new(&vault, COMMITS);
    let (mut newest, mut earlier) = (0, Vec::new());
    for (number, body) in sequence.all()? {
        let done: Commit = serde_json::from_slice(&body)
            .map_err(|_| Error::Format(format!("{COMMITS}/{number}")))?;
        newest = number;
        earlier.push(done.redactions.clone());
        if done.txn == plan.txn {
            let entry = Entry::parse(done.entry.as_bytes())?;
            site.record(&entry)?;
            return Ok((number, entry.id()));
        }
    }
    let mut known = known(site)?;
    for list in earlier {
        let list: Redactions = serde_json::from_slice(&vault.get(&list.path)?)
            .map_err(|_| Error::Format(format!("vault/{}", list.path)))?;
        let objects = list.objects.into_iter().filter(|object| object.was.is_some());
        known.extend(objects.map(|object| object.digest.to_string()));
    }
    let objects = moves.iter().map(|m| Redacted {
        path: m.to.clone(),
        was: Some(m.was).filter(|was| known.contains(&was.to_string())),
        digest: m.now,
    });
    let commits = rewritten.iter().map(|(path, bytes)| Redacted {
        path: path.clone(),
        was: None,
        digest: Sha3Digest::of(bytes),
    });
    let list = Redactions {
        aliases: plan.aliases(),
        objects: objects.collect(),
        commits: commits.collect(),
    };
    let text = Bytes::from(serde_json::to_vec_pretty(&list)?);
    let digest = Sha3Digest::of(&text);
    let redactions = Redacted { path: format!("erasures/lists/{digest}.json"), was: None, digest };
    vault.put_content(&redactions.path, &text)?;
    let mut stores: BTreeSet<String> = moves.iter().map(|m| room(&m.to)).collect();
    let destroyed: Vec<(String, u64)> =
        plan.versions.iter().filter(|_| plan.destroy).cloned().collect();
    if !destroyed.is_empty() {
        stores.insert("lake".to_owned());
    }
    let number = newest.saturating_add(1);
    let versions = if plan.destroy { "destroy" } else { "keep" };
    let mut body = Map::new();
    let mut say = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    say("commit", number.into());
    say("stores", serde_json::to_value(&stores)?);
    say("clause", plan.clause.as_str().into());
    say("count", shown(plan.people));
    say("redactions", digest.to_string().into());
    say("versions", versions.into());
    let entry = site.entry(Kind::ErasureExecuted, &[], &[], &body)?;
    let commit = Commit {
        txn: plan.txn.clone(),
        number,
        time: site.now(),
        clause: plan.clause.clone(),
        people: plan.people,
        stores,
        destroyed,
        versions: versions.to_owned(),
        redactions,
        entry: entry.text().to_owned(),
    };
    site.commit_erasure(&sequence, number, &commit, &entry)?;
    Ok((number, entry.id()))
}
