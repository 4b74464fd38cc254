//! The person index as an auditor reads it: who was whom after each commit, by a second, plain
//! reading; and that a run gives new records a person and never moves a known one.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{AsArray as _, RecordBatch};

use super::{
    Audit, Check, Evidence,
    commits::{Commits, Numbered},
    erased::Gone,
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
        let (mut rows, mut gone) = (Vec::new(), Gone::default());
        let mut name = commit.path.clone();
        if let Some(members) = members {
            name = format!("vault/{}", members.path);
            let vault = &evidence.vault;
            let batches = parquet(audit, vault, "vault", &members.path, &members.digest)?;
            let Some(batches) = batches else { continue };
            let found: u64 = batches
                .iter()
                .map(|batch| u64::try_from(batch.num_rows()).unwrap_or(u64::MAX))
                .sum();
            let (batches, empty) = commits.erased.standing(audit, &name, &members.digest, batches);
            gone = empty;
            let read: Option<Vec<_>> = batches.iter().map(lines).collect();
            let Some(read) = read else {
                audit.check(Check::Linkage, &name, false, "it holds what is no record's person");
                continue;
            };
            let read = read.concat();
            let counted = found == members.count;
            audit.check(Check::Object, &name, counted, "its rows were counted otherwise");
            let own = read.iter().map(|line| i64::try_from(line.seq).unwrap_or(i64::MAX));
            let mut numbers: Vec<i64> = own.chain(gone.numbers.iter().copied()).collect();
            if gone.rows > 0 {
                numbers.sort_unstable();
            }
            let numbered = count(&numbers) == found
                && numbers.iter().zip(next..).all(|(seq, own)| u64::try_from(*seq) == Ok(own));
            audit.check(Check::Linkage, &name, numbered, "its lines are not numbered on");
            next = next.saturating_add(found);
            rows = read;
        }
        let parts = [b"almoner/linkage-commit/v1".as_slice(), commit.body.txn.as_bytes()];
        let key = hmac_sha3_parts(&evidence.secrets.linkage_commitments, &parts);
        let mut leaves: Vec<[u8; 32]> = rows.iter().map(|row| commitment(&key, row)).collect();
        leaves.extend(gone.leaves.iter().copied());
        leaves.sort_unstable();
        let own = root(&leaves.iter().map(|leaf| leaf_hash(leaf)).collect::<Vec<_>>());
        let fault = "its root is not that of who is whom";
        audit.check(Check::Linkage, &commit.path, own == commit.body.root, fault);
        allowed(audit, commit, &name, &of, &rows, gone.rows);
        let merged = match act {
            LinkageAct::Merge { kept, alias, .. } => Some((kept.clone(), alias.clone())),
            LinkageAct::Run { .. } | LinkageAct::Split { .. } => None,
        };
        let rows: Vec<(Record, String)> =
            rows.into_iter().map(|line| (line.record, line.person)).collect();
        of.extend(rows.iter().cloned());
        history.steps.push(Step { number: commit.number, rows, merged });
    }
    Ok(history)
}

/// One line of the index, with its key where an erasure left it.
#[derive(Debug, Clone)]
struct Line {
    seq: u64,
    record: Record,
    person: String,
    key: Option<[u8; 32]>,
}

fn lines(batch: &RecordBatch) -> Option<Vec<Line>> {
    let seq = ints(batch, "seq")?;
    let [places, locals, people] =
        [texts(batch, "institution")?, texts(batch, "local")?, texts(batch, "person")?];
    let keys = batch.column_by_name("opening").and_then(|column| column.as_fixed_size_binary_opt());
    (0..batch.num_rows())
        .map(|row| {
            Some(Line {
                seq: u64::try_from(seq.value(row)).ok()?,
                record: (places.value(row).to_owned(), locals.value(row).to_owned()),
                person: people.value(row).to_owned(),
                key: keys.map(|keys| keys.value(row).try_into()).transpose().ok()?,
            })
        })
        .collect()
}

/// What a commit's root commits to for one line, under the line's own key.
fn commitment(commit_key: &[u8; 32], line: &Line) -> [u8; 32] {
    let seq = line.seq.to_be_bytes();
    let key =
        line.key.unwrap_or_else(|| hmac_sha3_parts(commit_key, &[b"almoner/linkage-row/v1", &seq]));
    let (place, local) = &line.record;
    let label = b"almoner/linkage-member/v2".as_slice();
    hmac_sha3_parts(&key, &[label, place.as_bytes(), local.as_bytes(), line.person.as_bytes()])
}

/// A run moves no known record; a merge moves all records of one person to another, a split at most
/// one, and neither makes a record.
fn allowed(
    audit: &mut Audit,
    commit: &Numbered<LinkageCommit>,
    name: &str,
    of: &BTreeMap<Record, String>,
    rows: &[Line],
    gone: u64,
) {
    let moves = |from: &str, to: &str| {
        rows.iter().all(|line| {
            line.person == to && of.get(&line.record).is_some_and(|before| before == from)
        })
    };
    match &commit.body.act {
        LinkageAct::Run { people_new, .. } => {
            let fresh = rows.iter().all(|line| !of.contains_key(&line.record));
            audit.check(Check::Linkage, name, fresh, "a run moved a record that was known");
            let known: BTreeSet<&String> = of.values().collect();
            let new: BTreeSet<&String> =
                rows.iter().map(|line| &line.person).filter(|p| !known.contains(p)).collect();
            let counted = u64::try_from(new.len())
                .is_ok_and(|new| (new..=new.saturating_add(gone)).contains(people_new));
            audit.check(Check::Linkage, name, counted, "its new people are counted otherwise");
        }
        LinkageAct::Merge { kept, alias, .. } => {
            let all = of.values().filter(|person| *person == alias).count() == rows.len();
            let good = gone > 0 || (!rows.is_empty() && all && moves(alias, kept));
            audit.check(Check::Linkage, name, good, "a merge moved other records than it names");
        }
        LinkageAct::Split { from, to, .. } => {
            let good = rows.len() <= 1 && moves(from, to);
            audit.check(Check::Linkage, name, good, "a split moved another record than it names");
        }
    }
}
