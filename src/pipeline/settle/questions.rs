//! The questions of a period, and which of them count.
//!
//! Comes in: usage records, the pool, the steward's decisions. Goes out: one [`Question`] each, in order.
//! Never: a question that counts twice a day, or for a purpose that the pool's money may not pay for.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Error, id};
use crate::{
    pipeline::fund::{self, load},
    reward::{ObjectRef, Override, OverrideInput, Period, Pool, PoolId, QueryInput},
    site::Site,
    store::Sequence,
    usage::UsageRecord,
};

/// A question on one of a pool's datasets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Question {
    /// What was asked, and by whom.
    #[serde(flatten)]
    pub query: QueryInput,
    /// Whether it counts.
    pub state: QuestionState,
}

/// Whether a question counts for a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuestionState {
    /// It does.
    Counts,
    /// It repeats one of the same researcher and day.
    Repeats,
    /// The pool's money may not pay for its purpose.
    OtherPurpose,
    /// The steward decided that it, or the one that it repeats, does not count.
    Excluded,
}

impl QuestionState {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::Repeats => "repeats",
            Self::OtherPurpose => "other-purpose",
            Self::Excluded => "excluded",
        }
    }
}

/// Lists the questions of a period, by commit, as the next settlement of the pool would count them.
pub fn questions(site: &Site, pool: &PoolId, period: &Period) -> Result<Vec<Question>, Error> {
    let (pools, _) = load(site)?;
    let pool = pools.get(pool).ok_or_else(|| fund::Error::Unknown(pool.clone()))?;
    Ok(sorted(site, pool, period)?.0)
}

/// Returns the questions of a period, by commit, and how many before it no settled period holds.
pub(super) fn sorted(
    site: &Site,
    pool: &Pool,
    period: &Period,
) -> Result<(Vec<Question>, u64), Error> {
    let opened = &pool.opened.act;
    let decided = Decided(overrides(pool));
    let mut questions = Vec::new();
    let mut asked = BTreeMap::new();
    let mut unpaid_before = 0_u64;
    for (number, record) in usage(site)? {
        if !opened.datasets.contains(&record.dataset) {
            continue;
        }
        if period.contains(record.time) {
            // The same question again on the same day is one use, however often it is asked.
            let (dataset, day) = (record.dataset.clone(), record.time.date());
            let key = (dataset, record.query, record.researcher.clone(), day);
            let first = *asked.entry(key).or_insert(number);
            let state = if decided.excluded(first) || decided.excluded(number) {
                QuestionState::Excluded
            } else if !opened.pays_for(&record.purpose) {
                QuestionState::OtherPurpose
            } else if first == number {
                QuestionState::Counts
            } else {
                QuestionState::Repeats
            };
            questions.push(Question { query: query(number, record, decided.price(number)), state });
        } else if record.time < period.from()
            && !pool.settled.iter().any(|s| s.act.period.contains(record.time))
        {
            unpaid_before = unpaid_before.saturating_add(1);
        }
    }
    Ok((questions, unpaid_before))
}

fn query(commit: u64, record: UsageRecord, price: u32) -> QueryInput {
    QueryInput {
        commit,
        entry: id(&record.entry),
        time: record.time,
        dataset: record.dataset,
        version: record.version,
        purpose: record.purpose,
        researcher: record.researcher,
        institution: record.institution,
        query: record.query,
        price,
        people: record.people,
        rows: record.rows,
        lines: ObjectRef { path: record.lines_path, digest: record.lines },
    }
}

fn usage(site: &Site) -> Result<Vec<(u64, UsageRecord)>, Error> {
    Sequence::new(&site.vault(), "usage/commits")
        .all()?
        .into_iter()
        .map(|(number, body)| {
            let path = format!("vault/usage/commits/{number}");
            let record =
                serde_json::from_slice(&body).map_err(|source| Error::Format { path, source })?;
            Ok((number, record))
        })
        .collect()
}

/// What the steward decided since the settlement before.
struct Decided(Vec<OverrideInput>);

impl Decided {
    fn excluded(&self, number: u64) -> bool {
        self.0.iter().any(|decided| match &decided.act {
            Override::ExcludeQuery { query } => *query == number,
            Override::ExcludeContributor { .. }
            | Override::Price { .. }
            | Override::Correct { .. } => false,
        })
    }

    /// Returns the weight of a question: the one decided last, else 1.
    fn price(&self, number: u64) -> u32 {
        let decided = self.0.iter().rev().find_map(|decided| match &decided.act {
            Override::Price { query, price } if *query == number => Some(*price),
            Override::ExcludeQuery { .. }
            | Override::ExcludeContributor { .. }
            | Override::Price { .. }
            | Override::Correct { .. } => None,
        });
        decided.unwrap_or(1)
    }
}

/// Returns what the steward decided since the settlement before.
pub(super) fn overrides(pool: &Pool) -> Vec<OverrideInput> {
    pool.decided()
        .map(|decided| OverrideInput {
            commit: decided.commit,
            entry: id(&decided.entry),
            act: decided.act.change.clone(),
        })
        .collect()
}
