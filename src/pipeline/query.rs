//! Answers one question: the pass, the version, the answer, its usage in the vault and the book,
//! and only then the answer handed over.
//!
//! Comes in: a pass and SQL. Goes out: [`Answered`]. Never: an answer whose use is not recorded,
//! or one for a purpose that the people in it did not consent to.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{standing, terms};
use crate::{
    credential::{Error as PassError, Grant, Pass},
    digest::{Sha3Digest, hex, hmac_sha3_parts},
    lake::{self, Lake, Version},
    ledger::{Entry, EntryId, Kind, Subject, entry},
    purpose::{Effect, Purpose, Verdict},
    query::{self, Answer, COUNT_STEP, Limits, Outcome},
    site::{self, Site},
    store::{self, Sequence},
    usage::{self, UsageRecord},
};

/// How often a commit is tried again when another answer took its number.
const TRIES_MAX: u32 = 64;

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The site failed, or others commit without end.
    #[error(transparent)]
    Site(#[from] site::Error),
    /// The pass does not allow it.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// The researcher's institution may not ask.
    #[error(transparent)]
    Standing(#[from] standing::Error),
    /// The lake has no such version, or it is broken.
    #[error(transparent)]
    Lake(#[from] lake::Error),
    /// The question has no answer.
    #[error(transparent)]
    Query(#[from] query::Error),
    /// The people in the version consented to other purposes.
    #[error(
        "the people in `{dataset}@{version}` did not consent to {purpose}; they consented to \
         {consented}"
    )]
    NotConsented {
        /// The dataset.
        dataset: String,
        /// Its version.
        version: u64,
        /// The purpose asked.
        purpose: Purpose,
        /// What they consented to.
        consented: String,
    },
    /// The version's key was destroyed.
    #[error("`{dataset}@{version}` cannot be read any more: its key was destroyed")]
    Destroyed {
        /// The dataset.
        dataset: String,
        /// Its version.
        version: u64,
    },
    /// The terms of the dataset deny it, or more must be shown.
    #[error("{}", told(dataset, *version, verdict))]
    Terms {
        /// The dataset.
        dataset: String,
        /// Its version.
        version: u64,
        /// What its terms say.
        verdict: Box<Verdict>,
    },
    /// The version's own entry cannot be read.
    #[error("the ledger entry of `{dataset}@{version}` cannot be read")]
    Entry {
        /// The dataset.
        dataset: String,
        /// Its version.
        version: u64,
        /// What is wrong with it.
        #[source]
        source: entry::Error,
    },
    /// The lines of usage could not be written.
    #[error(transparent)]
    Lines(#[from] usage::LinesError),
}

/// Says what decided, clause by clause.
fn told(dataset: &str, version: u64, verdict: &Verdict) -> String {
    let said = match verdict.effect() {
        Effect::Permit => "permit this use",
        Effect::Refer => "need more to be shown before this use",
        Effect::Deny => "deny this use",
    };
    let reasons: Vec<String> = verdict.deciding().map(ToString::to_string).collect();
    format!("the terms of `{dataset}@{version}` {said}: {}", reasons.join("; "))
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Site(error.into())
    }
}

/// One question, as it comes in.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The signed pass.
    pub pass: &'a str,
    /// `dataset` or `dataset@version`; unsaid, the pass's only dataset, its newest version.
    pub dataset: Option<&'a str>,
    /// What for; unsaid, the pass's only purpose.
    pub purpose: Option<&'a Purpose>,
    /// The question.
    pub sql: &'a str,
    /// What it may use.
    pub limits: Limits,
}

/// An answer whose use is in the book.
#[derive(Debug)]
pub struct Answered {
    /// The answer.
    pub answer: Answer,
    /// The dataset asked.
    pub dataset: String,
    /// Its version.
    pub version: u64,
    /// What for.
    pub purpose: Purpose,
    /// The entry that records the answer.
    pub entry: EntryId,
    /// The commit of its usage.
    pub commit: u64,
    /// What the researcher takes on by the terms of the dataset.
    pub obligations: BTreeSet<String>,
}

/// Answers one question and records whose rows it drew on.
pub fn answer(site: &Site, question: &Question<'_>) -> Result<Answered, Error> {
    let pass = Pass::open(question.pass, site.steward_verifier())?;
    let dataset = question.dataset.map(|name| name.split_once('@').map_or(name, |(name, _)| name));
    let grant = pass.grant(dataset, question.purpose, site.now())?;
    standing::may_ask(site, grant.institution())?;
    let named = question.dataset.unwrap_or_else(|| grant.dataset());
    let version = Lake::new(site.lake()).find(named)?.version;
    if !grant.is_permitted_by(&version.purposes) {
        let consented: Vec<&str> = version.purposes.iter().map(Purpose::as_str).collect();
        return Err(Error::NotConsented {
            dataset: version.dataset,
            version: version.version,
            purpose: grant.purpose().clone(),
            consented: consented.join(", "),
        });
    }
    let obligations = obligations(site, &version, &grant)?;
    if site.keyring().is_destroyed(&version.dataset, version.version).map_err(site::Error::from)? {
        let Version { dataset, version, .. } = version;
        return Err(Error::Destroyed { dataset, version });
    }
    let outcome = query::ask(&site.lake(), &version, question.sql, question.limits)?;
    let (record, commit, entry) = record(site, &grant, &version, &outcome)?;
    Ok(Answered {
        answer: outcome.hand_over(&record)?,
        dataset: version.dataset,
        version: version.version,
        purpose: record.purpose,
        entry,
        commit,
        obligations,
    })
}

/// Judges the study by the dataset's terms; only a permit goes on, with what it obliges to.
fn obligations(site: &Site, version: &Version, grant: &Grant) -> Result<BTreeSet<String>, Error> {
    let study = grant.study(site.now().date());
    let Some(verdict) = terms::verdict(site, version, &study)? else {
        return Ok(BTreeSet::new());
    };
    match verdict.effect() {
        Effect::Permit => Ok(verdict.obligations().clone()),
        Effect::Refer | Effect::Deny => Err(Error::Terms {
            dataset: version.dataset.clone(),
            version: version.version,
            verdict: Box::new(verdict),
        }),
    }
}

/// Writes the lines, then the commit, then the entry. A crash before the commit leaves an object
/// that nothing names; one after it is mended by the next `Site::open`.
fn record(
    site: &Site,
    grant: &Grant,
    version: &Version,
    outcome: &Outcome,
) -> Result<(UsageRecord, u64, EntryId), Error> {
    let object = usage::write_lines(outcome.lines())?;
    let lines = Sha3Digest::of(&object);
    let lines_path = format!("usage/lines/{lines}.parquet");
    site.vault().put_content(&lines_path, &object)?;
    let people = outcome.lines().len() as u64;
    let rows = outcome.lines().iter().map(|line| line.rows).sum();
    let txn = site.txn()?;
    let mut record = UsageRecord {
        txn,
        time: site.now(),
        researcher: grant.researcher().clone(),
        institution: grant.institution().cloned(),
        purpose: grant.purpose().clone(),
        dataset: version.dataset.clone(),
        version: version.version,
        query: outcome.query(),
        answer: outcome.digest(),
        people,
        rows,
        lines_path,
        lines,
        entry: String::new(),
    };
    let entry = entry_of(site, version, &record)?;
    entry.text().clone_into(&mut record.entry);
    let sequence = Sequence::new(&site.vault(), "usage/commits");
    let mut tries = 0;
    loop {
        let number = sequence.numbers()?.last().copied().unwrap_or_default().saturating_add(1);
        match site.commit(&sequence, number, &record, &entry) {
            Ok(()) => return Ok((record, number, entry.id())),
            // Another answer was first: it changes nothing in this one but the number.
            Err(site::Error::Conflict(_)) if tries < TRIES_MAX => tries += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

fn entry_of(site: &Site, version: &Version, record: &UsageRecord) -> Result<Entry, Error> {
    let released = Entry::parse(version.entry.as_bytes()).map_err(|source| Error::Entry {
        dataset: version.dataset.clone(),
        version: version.version,
        source,
    })?;
    // The random `txn` makes the token another for each answer: nobody follows a researcher.
    let parts = [record.researcher.as_str().as_bytes(), record.txn.as_bytes()];
    let token = hmac_sha3_parts(&site.secret("researcher-token"), &parts);
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    put("dataset", record.dataset.as_str().into());
    put("version", record.version.into());
    put("purpose", record.purpose.as_str().into());
    put("researcher_token", hex(&token).into());
    put("query", record.query.to_string().into());
    put("answer", record.answer.to_string().into());
    put("lines", record.lines.to_string().into());
    put("rows_bucket", bucket(record.rows).into());
    put("people_bucket", bucket(record.people).into());
    let subject = Subject {
        name: format!("{}@{}", version.dataset, version.version),
        sha3: Sha3Digest::of(released.bytes()),
        sha256: None,
    };
    Ok(site.entry(Kind::QueryExecuted, &[subject], &[released.id()], &body)?)
}

/// Released cells have eleven people or more, so a bucket is of nobody or of many.
fn bucket(count: u64) -> u64 {
    count.saturating_add(COUNT_STEP / 2) / COUNT_STEP * COUNT_STEP
}

/// Reads what every answer so far used, in the order of the answers.
pub fn history(site: &Site) -> Result<Vec<UsageRecord>, Error> {
    let sequence = Sequence::new(&site.vault(), "usage/commits");
    let mut records = Vec::new();
    for (number, body) in sequence.all()? {
        let record = serde_json::from_slice(&body).map_err(|e| site::Error::Format {
            path: format!("usage/commits/{number:012}.json"),
            reason: e.to_string(),
        })?;
        records.push(record);
    }
    Ok(records)
}
