//! Evaluates policies over a pipeline's inputs: what events they show, and what each gets, once.
//!
//! Comes in: a pipeline, its inputs, policies that were opened. Goes out: for each policy with news one
//! commit and its entry in the book. Never: a row read past the consent of its person, or a commit
//! where nothing is new.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::Map;

use super::{
    Error,
    cells::{self, Found},
    check_clock, commit, misfits, one, sealed,
};
use crate::{
    consent::{Decision, Register},
    cover::{
        self, Act, Basis, Cover, CoverLine, Covers, Enrolment, Evaluated, Evaluation, EventKey,
        LINES, Outcome, Policy, Reason, RowId, evaluate,
    },
    digest::{Sha3Digest, canonical_digest, hex, hmac_sha3_parts},
    instant::Date,
    ledger::{EntryId, Kind},
    linkage::PersonIndex,
    money::Amount,
    party::{ContributorId, InstitutionId},
    payee::Object,
    pipeline::{
        Progress,
        fund::{json, subject},
        reading::{self, PART_BYTES},
        settle::{LineKeys, people},
        spec::{SourceSpec, Spec},
    },
    reward::{ObjectRef, PoolId, proof::leaf_hash},
    schema,
    site::Site,
    source::{self, Format, Part},
};

/// What a policy came to in a run.
#[derive(Debug, Clone, Serialize)]
pub struct Paid {
    /// The policy.
    pub policy: PoolId,
    /// The run.
    pub run: String,
    /// How many events were paid, or kept for what was paid before.
    pub events: u64,
    /// What was paid.
    pub amount: Amount,
    /// What was kept for earlier payments that were not due.
    pub recovered: Amount,
    /// How many events wait for money.
    pub waiting: u64,
    /// How many payments turned out not to be due.
    pub flagged: u64,
    /// How many rows were looked at.
    pub considered: u64,
    /// How many of them brought nothing new, by reason.
    pub refused: BTreeMap<String, u64>,
    /// The commit; none where nothing was new.
    pub commit: Option<u64>,
    /// Its ledger entry.
    pub entry: Option<EntryId>,
}

/// Evaluates policies over the inputs of a pipeline: those that are named, else those that it names.
pub fn run(
    site: &Site,
    spec: &Spec,
    input: &Path,
    named: &[PoolId],
    progress: &dyn Progress,
) -> Result<Vec<Paid>, Error> {
    run_as(site, spec, input, named, None, progress)
}

/// Evaluates policies as a part of a run that has a name already.
pub fn run_as(
    site: &Site,
    spec: &Spec,
    input: &Path,
    named: &[PoolId],
    run: Option<&str>,
    progress: &dyn Progress,
) -> Result<Vec<Paid>, Error> {
    let spec = &spec.over(input)?;
    let own: Vec<PoolId>;
    let policies = if named.is_empty() {
        super::ready(site, spec)?;
        own = spec.covers.iter().map(|policy| policy.policy.clone()).collect();
        &own
    } else {
        named
    };
    if policies.is_empty() {
        return Err(Error::NoPolicy(spec.name.clone()));
    }
    let index = PersonIndex::load(&site.vault())?;
    let register = Register::load(&site.vault())?;
    let keys = LineKeys::load(site)?;
    let mut done = Vec::new();
    for policy in policies {
        let work = Work { site, spec, input, index: &index, register: &register, keys: &keys };
        done.push(work.policy(policy, run, progress)?);
    }
    Ok(done)
}

struct Work<'a> {
    site: &'a Site,
    spec: &'a Spec,
    input: &'a Path,
    index: &'a PersonIndex,
    register: &'a Register,
    keys: &'a LineKeys,
}

/// A file's part, with the source that it is of.
struct Task<'a> {
    source: &'a SourceSpec,
    format: Format,
    file: PathBuf,
    part: Part,
}

impl Work<'_> {
    fn policy(
        &self,
        id: &PoolId,
        run: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<Paid, Error> {
        let vault = self.site.vault();
        let covers = Covers::load(&vault)?;
        let cover = one(&covers, id)?;
        let policy = cover.policy();
        if let Some(misfit) = misfits(policy, &self.spec.schemas).into_iter().next() {
            return Err(Error::Misfit(misfit));
        }
        check_clock(self.site, cover)?;
        let enrolled = self.enrolled(cover)?;
        let past = self.past(cover)?;
        let (found, inputs) = self.read(policy, &enrolled, progress)?;
        let today = self.site.now().date();
        let asked = RefCell::new(BTreeMap::new());
        let consent = |person: &ContributorId, row: &RowId, category: &str, day: Date| {
            let key = (person.clone(), row.institution.clone(), category.to_owned(), day);
            let known = asked.borrow().get(&key).copied();
            known.unwrap_or_else(|| {
                let stands = [day, today]
                    .into_iter()
                    .try_for_each(|on| self.stands(policy, person, row, category, on));
                asked.borrow_mut().insert(key, stands);
                stands
            })
        };
        let secret = self.site.secret("covers");
        let keyed = |event: &EventKey| {
            let parts = [
                b"almoner/cover-event/v1".as_slice(),
                id.as_str().as_bytes(),
                event.contributor.as_str().as_bytes(),
                event.trigger.as_bytes(),
                &event.window.to_be_bytes(),
            ];
            Sha3Digest(hmac_sha3_parts(&secret, &parts))
        };
        let mut evaluation = evaluate(
            &Basis {
                policy,
                past: &past,
                enrolled: &enrolled,
                funds: cover.funds()?,
                today,
                consent: &consent,
                keyed: &keyed,
            },
            found.sightings,
        )?;
        for (reason, count) in found.others {
            evaluation.considered = evaluation.considered.saturating_add(count);
            let all = evaluation.refused.entry(reason.to_owned()).or_default();
            *all = all.saturating_add(count);
        }
        let run = run.map_or_else(
            || format!("{}-{}", self.spec.name, hex(inputs.as_bytes().split_at(8).0)),
            str::to_owned,
        );
        self.record((covers.commit(), cover), run, inputs, evaluation)
    }

    /// Returns who is enrolled, under the ids that they have today.
    fn enrolled(&self, cover: &Cover) -> Result<BTreeMap<ContributorId, Vec<Enrolment>>, Error> {
        let mut enrolled: BTreeMap<ContributorId, Vec<Enrolment>> = BTreeMap::new();
        for mut enrolment in cover.enrolments(&self.site.vault())? {
            enrolment.contributor = self.index.canonical(&enrolment.contributor).clone();
            enrolled.entry(enrolment.contributor.clone()).or_default().push(enrolment);
        }
        Ok(enrolled)
    }

    /// Returns all lines of a policy, under the ids that their people have today.
    fn past(&self, cover: &Cover) -> Result<Vec<CoverLine>, Error> {
        let mut past = Vec::new();
        for evaluated in &cover.evaluated {
            for mut line in cover::lines(&self.site.vault(), &evaluated.act)? {
                line.contributor = self.index.canonical(&line.contributor).clone();
                past.push(line);
            }
        }
        Ok(past)
    }

    /// Says whether consent to a policy's purpose stands on a day, under every id of the person.
    fn stands(
        &self,
        policy: &Policy,
        person: &ContributorId,
        row: &RowId,
        category: &str,
        on: Date,
    ) -> Result<(), &'static str> {
        let purposes = std::slice::from_ref(&policy.purpose);
        let now = self.site.now();
        let mut ids = self.index.aliases(person);
        ids.push(person);
        let decide = |id: &ContributorId| {
            self.register.decision(id, purposes, &row.institution, category, on, now)
        };
        // A refusal is greater than a permit: of several ids of one person all must permit.
        match ids.into_iter().filter_map(decide).max() {
            Some(Decision::Permit) => Ok(()),
            Some(Decision::Refuse(refusal)) => Err(refusal.as_str()),
            None => Err(crate::consent::Refusal::NoConsent.as_str()),
        }
    }

    /// Reads those tables that the policy looks at; returns what was found, and the digest of the files.
    fn read(
        &self,
        policy: &Policy,
        enrolled: &BTreeMap<ContributorId, Vec<Enrolment>>,
        progress: &dyn Progress,
    ) -> Result<(Found, Sha3Digest), Error> {
        let looks = |source: &&SourceSpec| {
            let schema = self.spec.schemas.get(source.schema);
            schema.is_some_and(|s| policy.triggers.iter().any(|t| t.table == s.table))
        };
        let (mut tasks, mut digests) = (Vec::new(), Vec::new());
        for source in self.spec.sources.iter().filter(looks) {
            for (format, file) in reading::files(self.spec, source, self.input)? {
                let survey = source::survey(&file, format, PART_BYTES)?;
                digests.push((source.institution.as_str(), survey.digest));
                let task = |part| Task { source, format, file: file.clone(), part };
                tasks.extend(survey.parts.into_iter().map(task));
            }
        }
        let inputs = canonical_digest(&digests)?;
        progress.stage("events of policies", tasks.len() as u64);
        let whose = |institution: &InstitutionId, local: &str| {
            let person = self.person(institution, local)?;
            if enrolled.contains_key(&person) { Ok(person) } else { Err(Reason::NotEnrolled) }
        };
        let parts = tasks
            .par_iter()
            .map(|task| {
                let mut found = Found::default();
                self.part(policy, task, &whose, &mut found)?;
                progress.step();
                Ok(found)
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let mut all = Found::default();
        for found in parts {
            all.sightings.extend(found.sightings);
            for (reason, count) in found.others {
                let sum = all.others.entry(reason).or_default();
                *sum = sum.saturating_add(count);
            }
        }
        Ok((all, inputs))
    }

    fn part(
        &self,
        policy: &Policy,
        task: &Task<'_>,
        whose: cells::Whose<'_>,
        found: &mut Found,
    ) -> Result<(), Error> {
        let Some(schema) = self.spec.schemas.get(task.source.schema) else { return Ok(()) };
        let name = task.file.strip_prefix(self.input).unwrap_or(&task.file).display().to_string();
        let place = (task.format, task.file.as_path(), name.as_str());
        reading::read(self.spec, task.source, place, &task.part, |raw| {
            let (conformed, _) = schema::conform(schema, &raw)?;
            cells::find(policy, &task.source.institution, &conformed, whose, found)
        })
    }

    /// Says who is meant by an id of an institution.
    fn person(&self, institution: &InstitutionId, local: &str) -> Result<ContributorId, Reason> {
        if self.spec.linkage.is_some() {
            let person = self.index.person(institution, local);
            return person.cloned().ok_or(Reason::NotLinked);
        }
        let id = match self.spec.namespace.as_str() {
            "" => ContributorId::parse(local),
            namespace => ContributorId::parse(&format!("{namespace}:{local}")),
        };
        let id = id.map_err(|_| Reason::NotLinked)?;
        Ok(self.index.canonical(&id).clone())
    }

    /// Puts an evaluation down, where it says anything new.
    fn record(
        &self,
        (newest, cover): (u64, &Cover),
        run: String,
        inputs: Sha3Digest,
        evaluation: Evaluation,
    ) -> Result<Paid, Error> {
        let Evaluation { lines, totals, considered, refused } = evaluation;
        let policy = cover.policy();
        let amount = |minor: i64| Amount::new(i128::from(minor), policy.currency);
        let mut paid = Paid {
            policy: policy.policy.clone(),
            run: run.clone(),
            events: totals.settled(),
            amount: amount(totals.paid_minor),
            recovered: amount(totals.recovered_minor),
            waiting: totals.count(Outcome::Waiting),
            flagged: totals.count(Outcome::Flagged).saturating_add(totals.count(Outcome::Twice)),
            considered,
            refused: refused.clone(),
            commit: None,
            entry: None,
        };
        if lines.is_empty() {
            return Ok(paid);
        }
        let vault = self.site.vault();
        let tree = cover::proof::tree(&policy.policy, &lines, |id| self.keys.of(id))?;
        let (object, bytes) = Object::write(LINES, &lines).map_err(Error::Write)?;
        let leaves = Bytes::from(tree.bytes());
        let digest = Sha3Digest::of(&leaves);
        let leaves_at = ObjectRef { path: format!("{LINES}/{digest}.leaves"), digest };
        vault.put_content(&object.path, &bytes)?;
        vault.put_content(&leaves_at.path, &leaves)?;
        // Keyed and salted: the lines of few people could else be guessed and checked against the book.
        let txn = self.site.txn()?;
        let commitment = sealed(self.site, b"almoner/cover-lines/v2", &txn, &object.digest);
        let mut body = Map::new();
        body.insert("policy".to_owned(), policy.policy.as_str().into());
        body.insert("count".to_owned(), people(object.count));
        body.insert("paid".to_owned(), people(paid.events));
        body.insert("root".to_owned(), tree.root().to_string().into());
        if paid.events >= TOTAL_MIN {
            body.insert("total".to_owned(), json(&paid.amount)?);
        }
        body.insert("inputs".to_owned(), inputs.to_string().into());
        body.insert("commitment".to_owned(), commitment.to_string().into());
        let subject = subject(format!("cover:{}", policy.policy), commitment);
        let prev = leaf_hash(cover.newest_entry().as_bytes());
        let entry = self.site.entry(Kind::CoverEvaluated, &[subject], &[prev], &body)?;
        let act = Evaluated {
            policy: policy.policy.clone(),
            run,
            count: object.count,
            lines: object,
            leaves: leaves_at,
            root: tree.root(),
            totals,
            considered,
            refused,
            commitment,
        };
        let done = commit(self.site, txn, newest, Act::Evaluated(Box::new(act)), &entry)?;
        paid.commit = Some(done.commit);
        paid.entry = Some(done.entry);
        Ok(paid)
    }
}

/// The total of fewer payments than these would tell what single people got.
const TOTAL_MIN: u64 = 10;
