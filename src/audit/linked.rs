//! The person index as an auditor reads it: who was whom after each commit, by a second, plain
//! reading; and that a run gives new records a person and never moves a known one.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;

use super::{
    Audit, Check, Evidence,
    commits::{Commits, Numbered},
    shape::{LinkageAct, LinkageCommit},
    table::{count, ints, leaf_hash, object, parquet, root, texts},
};
use crate::{digest::hmac_sha3_parts, store};

/// An institution and its own id of a person.
type Record = (String, String);

/// What one commit did.
#[derive(Debug)]
struct Step {
    number: u64,
    rows: Vec<(Record, String)>,
    merged: Option<(String, String)>,
}

/// All that was ever done to the index, in order.
#[derive(Debug, Default)]
pub(super) struct History {
    steps: Vec<Step>,
}

/// Who was whom after some commit.
#[derive(Debug, Default)]
pub(super) struct People {
    seen: BTreeSet<(String, String)>,
    aliases: BTreeMap<String, String>,
}

impl People {
    /// Says whether a person had a record at an institution.
    pub(super) fn is_seen(&self, person: &str, institution: &str) -> bool {
        self.seen.contains(&(person.to_owned(), institution.to_owned()))
    }

    /// Returns the person for whom an id stood: another one, or itself.
    pub(super) fn person<'a>(&'a self, id: &'a str) -> &'a str {
        self.aliases.get(id).map_or(id, String::as_str)
    }

    /// Returns the other ids that stood for a person.
    pub(super) fn aliases(&self, person: &str) -> Vec<&str> {
        let own = self.aliases.iter().filter(|(_, kept)| *kept == person);
        own.map(|(alias, _)| alias.as_str()).collect()
    }
}

impl History {
    /// Returns who was whom after a commit.
    pub(super) fn at(&self, commit: u64) -> People {
        let mut people = People::default();
        let mut of: BTreeMap<&Record, &str> = BTreeMap::new();
        for step in self.steps.iter().filter(|step| step.number <= commit) {
            for (record, person) in &step.rows {
                of.insert(record, person);
                people.aliases.remove(person);
            }
            if let Some((kept, alias)) = &step.merged {
                for known in people.aliases.values_mut().filter(|known| *known == alias) {
                    known.clone_from(kept);
                }
                people.aliases.insert(alias.clone(), kept.clone());
            }
        }
        let seen = of.into_iter();
        people.seen = seen.map(|((place, _), person)| (person.to_owned(), place.clone())).collect();
        people
    }
}

/// Reads the index, works out the root of each of its commits, and judges what each was allowed.
pub(super) fn people(
    evidence: &Evidence,
    audit: &mut Audit,
    commits: &Commits,
) -> Result<History, store::Error> {
    let mut history = History::default();
    let mut of: BTreeMap<Record, String> = BTreeMap::new();
    let mut next = 1_u64;
    for commit in &commits.linkage {
        let LinkageCommit { act, members, tokens, review, .. } = &commit.body;
        for held in [tokens, review].into_iter().flatten() {
            object(audit, &evidence.vault, "vault", &held.path, &held.digest)?;
        }
        let mut rows = Vec::new();
        let mut name = commit.path.clone();
        if let Some(members) = members {
            name = format!("vault/{}", members.path);
            let vault = &evidence.vault;
            let batches = parquet(audit, vault, "vault", &members.path, &members.digest)?;
            let Some(batches) = batches else { continue };
            let read: Option<Vec<_>> = batches.iter().map(lines).collect();
            let Some(read) = read else {
                audit.check(Check::Linkage, &name, false, "it holds what is no record's person");
                continue;
            };
            let read = read.concat();
            let counted = count(&read) == members.count;
            audit.check(Check::Object, &name, counted, "its rows were counted otherwise");
            let numbered = read.iter().zip(next..).all(|((seq, _, _), own)| *seq == own);
            audit.check(Check::Linkage, &name, numbered, "its lines are not numbered on");
            next = next.saturating_add(count(&read));
            rows = read;
        }
        let key = &evidence.secrets.linkage_commitments;
        let mut leaves: Vec<[u8; 32]> = rows.iter().map(|row| commitment(key, row)).collect();
        leaves.sort_unstable();
        let own = root(&leaves.iter().map(|leaf| leaf_hash(leaf)).collect::<Vec<_>>());
        let fault = "its root is not that of who is whom";
        audit.check(Check::Linkage, &commit.path, own == commit.body.root, fault);
        allowed(audit, commit, &name, &of, &rows);
        let merged = match act {
            LinkageAct::Merge { kept, alias, .. } => Some((kept.clone(), alias.clone())),
            LinkageAct::Run { .. } | LinkageAct::Split { .. } => None,
        };
        let rows: Vec<(Record, String)> =
            rows.into_iter().map(|(_, record, person)| (record, person)).collect();
        of.extend(rows.iter().cloned());
        history.steps.push(Step { number: commit.number, rows, merged });
    }
    Ok(history)
}

type Line = (u64, Record, String);

fn lines(batch: &RecordBatch) -> Option<Vec<Line>> {
    let seq = ints(batch, "seq")?;
    let [places, locals, people] =
        [texts(batch, "institution")?, texts(batch, "local")?, texts(batch, "person")?];
    (0..batch.num_rows())
        .map(|row| {
            let record = (places.value(row).to_owned(), locals.value(row).to_owned());
            Some((u64::try_from(seq.value(row)).ok()?, record, people.value(row).to_owned()))
        })
        .collect()
}

/// What a commit's root commits to for one line.
fn commitment(key: &[u8; 32], (seq, (place, local), person): &Line) -> [u8; 32] {
    let seq = seq.to_be_bytes();
    let label = b"almoner/linkage-member/v1".as_slice();
    hmac_sha3_parts(key, &[label, &seq, place.as_bytes(), local.as_bytes(), person.as_bytes()])
}

/// A run moves no known record; a merge moves all records of one person to another, a split at most
/// one, and neither makes a record.
fn allowed(
    audit: &mut Audit,
    commit: &Numbered<LinkageCommit>,
    name: &str,
    of: &BTreeMap<Record, String>,
    rows: &[Line],
) {
    let moves = |from: &str, to: &str| {
        rows.iter().all(|(_, record, person)| {
            person == to && of.get(record).is_some_and(|before| before == from)
        })
    };
    match &commit.body.act {
        LinkageAct::Run { people_new, .. } => {
            let fresh = rows.iter().all(|(_, record, _)| !of.contains_key(record));
            audit.check(Check::Linkage, name, fresh, "a run moved a record that was known");
            let known: BTreeSet<&String> = of.values().collect();
            let new: BTreeSet<&String> =
                rows.iter().map(|(_, _, person)| person).filter(|p| !known.contains(p)).collect();
            let counted = u64::try_from(new.len()).is_ok_and(|new| new == *people_new);
            audit.check(Check::Linkage, name, counted, "its new people are counted otherwise");
        }
        LinkageAct::Merge { kept, alias, .. } => {
            let all = of.values().filter(|person| *person == alias).count() == rows.len();
            let good = !rows.is_empty() && all && moves(alias, kept);
            audit.check(Check::Linkage, name, good, "a merge moved other records than it names");
        }
        LinkageAct::Split { from, to, .. } => {
            let good = rows.len() <= 1 && moves(from, to);
            audit.check(Check::Linkage, name, good, "a split moved another record than it names");
        }
    }
}
