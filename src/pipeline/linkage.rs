//! The acts of linkage: run, review, merge, split, show, evaluate; and who is meant by PERSON.
//!
//! Comes in: a pipeline's table of demographics, or a steward's decision. Goes out: commits of the
//! person index, one entry in the book each. Never: an automatic run that overrules the steward, or
//! an id, a token or a small number in the book.

mod input;
mod truth;

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Progress, consent::shown, spec::Spec};
use crate::{
    consent::{self, Register},
    instant::Instant,
    ledger::entry::{EntryId, Kind},
    linkage::{
        self, Act, Assignment, Batch, COMMITS, Counts, Doubt, PersonIndex, Quality, Table, Truth,
        Weights,
    },
    party::{ContributorId, IdError, InstitutionId},
    schema, site,
    site::Site,
    source,
    store::Sequence,
};

/// Why an act of linkage did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The site failed, or somebody else committed first.
    #[error(transparent)]
    Site(#[from] site::Error),
    /// The index failed.
    #[error(transparent)]
    Linkage(#[from] linkage::Error),
    /// The consent register failed.
    #[error(transparent)]
    Consent(#[from] consent::Error),
    /// The folders of institutions cannot be found.
    #[error(transparent)]
    Folders(#[from] super::spec::Error),
    /// An input cannot be read.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// A file does not fit its schema at all.
    #[error(transparent)]
    Conform(#[from] schema::Error),
    /// The pipeline says nothing of linkage.
    #[error("pipeline `{0}` has no [linkage]")]
    NoLinkage(String),
    /// The run's instant lies before the newest commit.
    #[error("the run's instant {now} lies before the newest commit of the person index, {newest}")]
    Clock {
        /// The run's instant.
        now: Instant,
        /// When the newest commit was recorded.
        newest: Instant,
    },
    /// A text is no id.
    #[error("PERSON: {0}")]
    Id(#[from] IdError),
    /// The index knows no such record.
    #[error("the person index knows no such record of `{0}`")]
    NoRecord(InstitutionId),
    /// The index knows no such person.
    #[error("the person index knows no such person")]
    NoPerson,
    /// A record was not named as one.
    #[error("a record is named by its institution and its id there, as `north-shore/4711`")]
    NotARecord,
    /// The person would be left without a record.
    #[error("it is the person's only record: there is nothing to split")]
    OnlyRecord,
    /// The truth cannot be read.
    #[error("the truth cannot be read at line {line}: {reason}")]
    Truth {
        /// The line, from 1; 0 for the file itself.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
}

/// What a run came to.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// What happened, in numbers.
    pub counts: Counts,
    /// The number of the commit made; none where nothing was new, or for a dry run.
    pub commit: Option<u64>,
    /// The id of its entry.
    pub entry: Option<EntryId>,
}

/// What a steward's decision came to.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// How many records have another person now.
    pub records: u64,
    /// The number of the commit made; none where it stood so already.
    pub commit: Option<u64>,
    /// The id of its entry.
    pub entry: Option<EntryId>,
}

/// One person of the index.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Their id.
    pub person: ContributorId,
    /// Other ids that stand for them.
    pub aliases: Vec<ContributorId>,
    /// Their records.
    pub records: Vec<(InstitutionId, String)>,
}

/// Links the people of a pipeline: new records get their person, known ones keep theirs.
pub fn run(
    site: &Site,
    spec: &Spec,
    folder: &Path,
    dry_run: bool,
    progress: &dyn Progress,
) -> Result<Run, Error> {
    let own = spec.linkage.as_ref().ok_or_else(|| Error::NoLinkage(spec.name.clone()))?;
    let vault = site.vault();
    let fresh = input::table(site, spec, own, folder, progress)?;
    let index = index(site)?;
    let commits = linkage::commits(&vault, u64::MAX)?;
    let known = linkage::tokens(&vault, &commits)?;
    progress.stage("compare records", linkage::steps(&fresh));
    let names = site.secret("linkage-person");
    let linked = linkage::link(&index, known, fresh, &own.rules, &names, &|| progress.step())?;
    let counts = linked.counts;
    tracing::info!(records = counts.records, people = counts.people, "linked");
    let act = Act::Run {
        pipeline: (spec.name.clone(), spec.digest),
        match_centibits: own.rules.match_centibits.into(),
        review_centibits: own.rules.review_centibits.into(),
        people_new: counts.people_new,
        pairs_review: counts.pairs_review,
    };
    let batch = linkage::prepare(
        (index.commit() + 1, index.seq_max() + 1),
        act,
        &linked.assignments,
        linked.tokens.as_ref(),
        linked.review.as_ref(),
        (&site.txn()?, &site.secret(COMMITMENTS)),
    )?;
    let mut runs = commits.iter().rev().filter(|c| matches!(c.act, Act::Run { .. }));
    let same_review = runs.next().and_then(|run| run.review.as_ref()) == batch.review();
    let is_news = !linked.assignments.is_empty() || linked.tokens.is_some() || !same_review;
    if dry_run || !is_news {
        return Ok(Run { counts, commit: None, entry: None });
    }
    let entry = record(site, &batch)?;
    Ok(Run { counts, commit: Some(batch.number), entry: Some(entry) })
}

/// The label of the secret under which the book commits to who is whom.
pub(super) const COMMITMENTS: &str = "linkage-commitments";

/// Returns the pairs of records that wait for the steward, the heaviest first.
pub fn review(site: &Site) -> Result<Vec<Doubt>, Error> {
    let vault = site.vault();
    let commits = linkage::commits(&vault, u64::MAX)?;
    Ok(linkage::review(&vault, &PersonIndex::load(&vault)?, &commits)?)
}

/// Records that two people are one. The id that has consents stays, else the one that came first;
/// the other stands for the same person from now on.
pub fn merge(site: &Site, a: &str, b: &str, reason: &str) -> Result<Change, Error> {
    let index = index(site)?;
    let (a, b) = (named(&index, a)?, named(&index, b)?);
    let (a, b) = (index.canonical(&a).clone(), index.canonical(&b).clone());
    if index.members(&a).is_empty() || index.members(&b).is_empty() {
        return Err(Error::NoPerson);
    }
    if a == b {
        return Ok(Change { records: 0, commit: None, entry: None });
    }
    let register = Register::load(&site.vault())?;
    let rank = |id: &ContributorId| {
        (register.people().index(id.as_str()).is_none(), index.since(id).unwrap_or(u64::MAX))
    };
    let (kept, alias) = if rank(&a) <= rank(&b) { (a, b) } else { (b, a) };
    let moved: Vec<Assignment> = index
        .members(&alias)
        .into_iter()
        .map(|(institution, local)| Assignment {
            institution: institution.clone(),
            local: local.to_owned(),
            person: kept.clone(),
        })
        .collect();
    change(site, &index, Act::Merge { kept, alias, reason: reason.to_owned() }, &moved)
}

/// Records that a record is not of a person, and keeps the two apart from now on. A record that a
/// merge brought goes back to whom it was of; any other gets a person of its own.
pub fn split(site: &Site, person: &str, member: &str, reason: &str) -> Result<Change, Error> {
    let index = index(site)?;
    let person = named(&index, person)?;
    let from = index.canonical(&person).clone();
    let (institution, local) = record_named(&index, member).ok_or(Error::NotARecord)??;
    let own = index.person(&institution, &local).ok_or(Error::NoPerson)?;
    let reason = reason.to_owned();
    if index.members(&from).is_empty() {
        return Err(Error::NoPerson);
    }
    if *own != from {
        if index.is_apart(own, &from) {
            return Ok(Change { records: 0, commit: None, entry: None });
        }
        let act = Act::Split { from, to: own.clone(), reason };
        return change(site, &index, act, &[]);
    }
    if index.members(&from).len() == 1 {
        return Err(Error::OnlyRecord);
    }
    let before = index.before(&institution, &local);
    // An id that stands for somebody else by now, or whose records are that person's, is not taken.
    let free = |id: &&ContributorId| {
        let stands_for = index.canonical(id);
        **id != from && (stands_for == *id || *stands_for == from)
    };
    let to = match before.filter(free) {
        Some(before) => before.clone(),
        None => linkage::name(&index, &site.secret("linkage-person"), &institution, &local)?,
    };
    let moved = [Assignment { institution, local, person: to.clone() }];
    change(site, &index, Act::Split { from, to, reason }, &moved)
}

/// Shows a person of the index.
pub fn show(site: &Site, person: &str) -> Result<Shown, Error> {
    let index = PersonIndex::load(&site.vault())?;
    let named = named(&index, person)?;
    let person = index.canonical(&named).clone();
    let records: Vec<_> = index
        .members(&person)
        .into_iter()
        .map(|(institution, local)| (institution.clone(), local.to_owned()))
        .collect();
    if records.is_empty() {
        return Err(Error::NoPerson);
    }
    let aliases = index.aliases(&person).into_iter().cloned().collect();
    Ok(Shown { person, aliases, records })
}

/// Returns who is meant by a text: `institution/id` of a record that the index knows, an id that it
/// knows, or any id at a site where nothing is linked. Every face that takes PERSON asks here.
pub fn person(site: &Site, text: &str) -> Result<ContributorId, Error> {
    let index = PersonIndex::load(&site.vault())?;
    let named = named(&index, text)?;
    Ok(index.canonical(&named).clone())
}

/// Returns what says who is meant by an id, as [`person`] does; nobody where that fails.
pub(super) fn resolver(
    site: &Site,
) -> Result<impl Fn(&ContributorId) -> Option<ContributorId>, Error> {
    let index = PersonIndex::load(&site.vault())?;
    Ok(move |id: &ContributorId| {
        let named = named(&index, id.as_str()).ok()?;
        Some(index.canonical(&named).clone())
    })
}

/// Returns every id that stands for who is meant by a text, the one in use first: what was recorded
/// before a merge stays under the id that it was recorded under.
pub fn ids(site: &Site, text: &str) -> Result<Vec<ContributorId>, Error> {
    let index = PersonIndex::load(&site.vault())?;
    let named = named(&index, text)?;
    let person = index.canonical(&named);
    Ok(std::iter::once(person).chain(index.aliases(person)).cloned().collect())
}

/// How good a linkage is at several thresholds, and as the index stands.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// The threshold of the pipeline, in hundredths of a bit.
    pub threshold: i32,
    /// For each threshold, what a linkage from nothing comes to.
    pub curve: Vec<(i32, Quality)>,
    /// What the person index comes to, where it has records.
    pub index: Option<Quality>,
    /// The run at the pipeline's threshold, in numbers.
    pub counts: (u64, u64),
}

/// Compares linkage with a truth: `institution,local_id,person` as CSV. Nothing is written.
pub fn evaluate(
    site: &Site,
    spec: &Spec,
    folder: &Path,
    truth: &Path,
    progress: &dyn Progress,
) -> Result<Evaluation, Error> {
    let own = spec.linkage.as_ref().ok_or_else(|| Error::NoLinkage(spec.name.clone()))?;
    let truth = truth::read(truth)?;
    let table = Table::join([input::table(site, spec, own, folder, progress)?]);
    let weights = Weights::of(&table);
    let threshold = own.rules.match_centibits;
    let mut thresholds: Vec<i32> = (8..=20).map(|step| step * 200).chain([threshold]).collect();
    thresholds.sort_unstable();
    thresholds.dedup();
    let least = thresholds.first().copied().unwrap_or(threshold);
    let rules = linkage::Rules { review_centibits: least, ..own.rules };
    progress.stage("compare records", linkage::steps(&table));
    let found = linkage::candidates(&table, &weights, &rules, &|| progress.step())?;
    let curve = linkage::curve(&table, &weights, &rules, &found.pairs, &truth, &thresholds);
    let quality = stands(site, &truth)?;
    let counts = (found.compared, found.blocks_left_out);
    Ok(Evaluation { threshold, curve, index: quality, counts })
}

/// Compares the person index with a truth, as it stands. Nothing is written.
pub fn standing(site: &Site, truth: &Path) -> Result<Quality, Error> {
    Ok(stands(site, &truth::read(truth)?)?.unwrap_or_default())
}

/// Compares the person index with a truth; `None` where nothing was ever linked.
fn stands(site: &Site, truth: &Truth) -> Result<Option<Quality>, Error> {
    let index = PersonIndex::load(&site.vault())?;
    let standing = index.institutions().flat_map(|institution| {
        let members = index.institution(institution);
        members.into_iter().flat_map(move |members| {
            let both = members.locals().iter().zip(members.people());
            both.map(move |(local, person)| (institution, local.as_ref(), *person))
        })
    });
    Ok((index.commit() > 0).then(|| linkage::quality(truth, standing)))
}

/// Loads the index, unless the clock was set back.
fn index(site: &Site) -> Result<PersonIndex, Error> {
    let index = PersonIndex::load(&site.vault())?;
    match index.recorded_until() {
        Some(newest) if newest > site.now() => Err(Error::Clock { now: site.now(), newest }),
        Some(_) | None => Ok(index),
    }
}

fn named(index: &PersonIndex, text: &str) -> Result<ContributorId, Error> {
    let id = ContributorId::parse(text)?;
    if index.knows(&id) {
        return Ok(id);
    }
    match record_named(index, text) {
        Some(record) => {
            let (institution, local) = record?;
            let person = index.person(&institution, &local);
            person.cloned().ok_or(Error::NoRecord(institution))
        }
        None => Ok(id),
    }
}

/// Takes `institution/id` apart where the index knows the institution.
fn record_named(index: &PersonIndex, text: &str) -> Option<Result<(InstitutionId, String), Error>> {
    let found = index.institutions().find_map(|institution| {
        let local = text.strip_prefix(institution.as_str())?.strip_prefix('/')?;
        Some((institution.clone(), local.to_owned()))
    });
    let (institution, local) = found?;
    Some(match index.person(&institution, &local) {
        Some(_) => Ok((institution, local)),
        None => Err(Error::NoRecord(institution)),
    })
}

fn change(
    site: &Site,
    index: &PersonIndex,
    act: Act,
    moved: &[Assignment],
) -> Result<Change, Error> {
    let place = (index.commit() + 1, index.seq_max() + 1);
    let opening = (&*site.txn()?, &site.secret(COMMITMENTS));
    let batch = linkage::prepare(place, act, moved, None, None, opening)?;
    let entry = record(site, &batch)?;
    Ok(Change { records: batch.count, commit: Some(batch.number), entry: Some(entry) })
}

fn record(site: &Site, batch: &Batch) -> Result<EntryId, Error> {
    let vault = site.vault();
    batch.write(&vault)?;
    let (kind, body) = body(batch);
    let entry = site.entry(kind, &[], &[], &body)?;
    let commit = batch.commit(site.now(), entry.text());
    site.commit(&Sequence::new(&vault, COMMITS), batch.number, &commit, &entry)?;
    Ok(entry.id())
}

/// What the book tells of a commit.
fn body(batch: &Batch) -> (Kind, Map<String, Value>) {
    let mut body = Map::new();
    let mut say = |name: &str, value: Value| body.insert(name.to_owned(), value);
    say("commit", batch.number.into());
    say("count", shown(batch.count));
    say("root", batch.root.to_string().into());
    let kind = match &batch.act {
        Act::Run { pipeline, match_centibits, review_centibits, people_new, pairs_review } => {
            say("pipeline", serde_json::json!({"name": pipeline.0, "digest": pipeline.1}));
            say("match_centibits", (*match_centibits).into());
            say("review_centibits", (*review_centibits).into());
            say("people_new", shown(*people_new));
            say("pairs_review", shown(*pairs_review));
            Kind::LinkageRun
        }
        Act::Merge { .. } => {
            say("change", "merge".into());
            Kind::LinkageChanged
        }
        Act::Split { .. } => {
            say("change", "split".into());
            Kind::LinkageChanged
        }
    };
    (kind, body)
}
