//! One automatic run: what is new is put to whom it belongs, what is in doubt to the steward.
//!
//! Comes in: the index, all tokens, rules. Goes out: assignments of new records, pairs for review.
//! Never: a known record given to another person; that is for the steward.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;

use super::{
    Error,
    batch::Assignment,
    cluster::{Candidates, Clusters, Rules, candidates, compared},
    index::PersonIndex,
    stored,
    tokens::{Record, Table},
    weights::Weights,
};
use crate::{
    digest::{hex, hmac_sha3_parts},
    party::{ContributorId, InstitutionId},
};

/// What a run found out.
#[derive(Debug)]
pub struct Linked {
    /// Records that get their first person, in order.
    pub assignments: Vec<Assignment>,
    /// Tokens of new and changed records.
    pub tokens: Option<RecordBatch>,
    /// Pairs for the steward.
    pub review: Option<RecordBatch>,
    /// What happened, in numbers.
    pub counts: Counts,
}

/// A run in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Records that are known now.
    pub records: u64,
    /// Of them, those that the run saw for the first time.
    pub records_new: u64,
    /// Of them, those that were known with other demographics.
    pub records_changed: u64,
    /// People.
    pub people: u64,
    /// People whom the run was the first to tell of.
    pub people_new: u64,
    /// People with records of two or more institutions.
    pub people_several: u64,
    /// Pairs that were compared.
    pub pairs_compared: u64,
    /// Pairs left to the steward.
    pub pairs_review: u64,
    /// Blocks that were too large to be compared.
    pub blocks_left_out: u64,
}

/// Links the records of a run with all that were linked before. `known` are the tokens in the
/// vault; `secret` names people; `step` hears of each step of [`super::steps`].
pub fn link(
    index: &PersonIndex,
    known: Table,
    fresh: Table,
    rules: &Rules,
    secret: &[u8; 32],
    step: &dyn Fn(),
) -> Result<Linked, Error> {
    let altered = altered(&known, &fresh);
    let table = Table::join([known, fresh]);
    let weights = Weights::of(&table);
    let of = |record: &Record| index.person(&record.institution, &record.local);
    let known: Vec<Option<u32>> = table
        .records
        .iter()
        .map(|record| index.people().binary_search(of(record)?).ok()?.try_into().ok())
        .collect();
    let Candidates { pairs, compared: pairs_compared, blocks_left_out } =
        candidates(&table, &weights, rules, step)?;
    let clusters = Clusters::of(&table, &weights, rules, &pairs, known.clone());
    let mut counts = Counts {
        records: table.len() as u64,
        pairs_compared,
        blocks_left_out,
        ..Counts::default()
    };
    let mut assignments = Vec::new();
    let mut named: BTreeMap<u32, ContributorId> = BTreeMap::new();
    let mut changed = Vec::new();
    for (row, (record, known)) in (0_u32..).zip(table.records.iter().zip(&known)) {
        if known.is_some() {
            if altered.contains(&row_name(record)) {
                changed.push(usize::try_from(row).unwrap_or(usize::MAX));
                counts.records_changed += 1;
            }
            continue;
        }
        let root = clusters.root(row);
        let of_index = clusters.person(root).and_then(|at| usize::try_from(at).ok());
        let known = of_index.and_then(|at| index.people().get(at)).or(named.get(&root));
        let person = if let Some(person) = known {
            person.clone()
        } else {
            let person = name(index, secret, &record.institution, &record.local)?;
            named.insert(root, person.clone());
            person
        };
        changed.push(usize::try_from(row).unwrap_or(usize::MAX));
        let (institution, local) = (record.institution.clone(), record.local.to_string());
        assignments.push(Assignment { institution, local, person });
    }
    counts.records_new = assignments.len() as u64;
    counts.people_new = named.len() as u64;
    (counts.people, counts.people_several) = people(&table, &clusters);
    let doubts: Vec<_> = pairs
        .iter()
        .filter(|pair| clusters.root(pair.a) != clusters.root(pair.b))
        .filter_map(|pair| Some((pair.a, pair.b, compared(&table, &weights, pair.a, pair.b)?)))
        .collect();
    counts.pairs_review = doubts.len() as u64;
    let tokens = (!changed.is_empty()).then(|| stored::write(&table, &changed)).transpose()?;
    let review = (!doubts.is_empty()).then(|| stored::write_review(&table, &doubts)).transpose()?;
    Ok(Linked { assignments, tokens, review, counts })
}

/// Counts clusters, and those of several institutions.
fn people(table: &Table, clusters: &Clusters) -> (u64, u64) {
    let mut roots: Vec<(u32, &InstitutionId)> = (0_u32..)
        .zip(&table.records)
        .map(|(row, record)| (clusters.root(row), &record.institution))
        .collect();
    roots.sort_unstable();
    roots.dedup();
    let people = roots.chunk_by(|(a, _), (b, _)| a == b);
    let several = people.clone().filter(|own| own.len() > 1).count() as u64;
    (people.count() as u64, several)
}

type Name = (InstitutionId, Box<str>);

fn row_name(record: &Record) -> Name {
    (record.institution.clone(), record.local.clone())
}

/// Names those records that are known with other tokens than they come with now.
fn altered(known: &Table, fresh: &Table) -> BTreeSet<Name> {
    let differs = |record: &&Record| {
        let at = known.records.binary_search_by(|own| own.name().cmp(&record.name()));
        let own = at.ok().and_then(|at| known.records.get(at));
        own.is_some_and(|own| !known.same_tokens(own, fresh, record))
    };
    fresh.records.iter().filter(differs).map(row_name).collect()
}

/// Names a new person by their first record: a keyed hash, so that the name tells nothing.
pub fn name(
    index: &PersonIndex,
    secret: &[u8; 32],
    institution: &InstitutionId,
    local: &str,
) -> Result<ContributorId, Error> {
    for count in 0..u32::MAX {
        let count = count.to_be_bytes();
        let parts = [
            b"almoner/person/v1".as_slice(),
            institution.as_str().as_bytes(),
            local.as_bytes(),
            &count,
        ];
        let hash = hmac_sha3_parts(secret, &parts);
        let person = format!("person-{}", hex(hash.split_at(10).0));
        let person = ContributorId::parse(&person).map_err(Error::written)?;
        if !index.knows(&person) {
            return Ok(person);
        }
    }
    Err(Error::TooMany)
}
