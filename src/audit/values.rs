//! Valuations as an auditor reads them: each worked out again from its recorded table by the plain
//! sum that defines it, record by record.

use std::{collections::BTreeMap, num::NonZeroU32};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Audit, Check, Evidence,
    commits::Commits,
    expected::{Said, shown},
    shape::Named,
    table::{count, ints, parquet, texts},
};
use crate::{instant::Instant, ledger::Kind, store};

/// What a whole is worth.
const SCALE: i128 = 1_000_000_000_000_000;

/// `vault/values/commits/<n>.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ValueCommit {
    txn: String,
    pub(super) time: Instant,
    pub(super) pool: String,
    method: String,
    k: NonZeroU32,
    table: Named,
    pub(super) values: Named,
    review: Named,
    tests: u64,
    records: u64,
    contributors: u64,
    doubtful: u64,
    pub(super) entry: String,
}

impl ValueCommit {
    /// Returns the objects that it names.
    pub(super) fn objects(&self) -> [&Named; 3] {
        [&self.table, &self.values, &self.review]
    }

    /// Returns what its entry must say.
    pub(super) fn said(&self) -> Said {
        let body = json!({
            "pool": self.pool,
            "method": "knn-shapley/v1",
            "k": self.k,
            "scale": 1_000_000_000_000_000_u64,
            "table": self.table.digest,
            "contributors": shown(self.contributors),
        });
        let subjects = vec![(format!("values:{}", self.pool), self.values.digest, None)];
        Said { kind: Kind::ValueComputed, time: self.time, body, prev: Vec::new(), subjects }
    }
}

/// One row of the table.
struct Row {
    test: i64,
    record: String,
    contributor: String,
    distance: i64,
    label: i64,
}

/// Works each valuation out again.
pub(super) fn values(
    evidence: &Evidence,
    audit: &mut Audit,
    commits: &Commits,
) -> Result<(), store::Error> {
    for commit in &commits.values {
        let body = &commit.body;
        let mut read = |at: &Named| parquet(audit, &evidence.vault, "vault", &at.path, &at.digest);
        let (table, values, review) =
            (read(&body.table)?, read(&body.values)?, read(&body.review)?);
        let (Some(table), Some(values), Some(review)) = (table, values, review) else { continue };
        let name = format!("vault/{}", body.table.path);
        let rows: Option<Vec<Vec<Row>>> = table.iter().map(rows).collect();
        let rows: Option<Vec<Row>> = rows.map(|rows| rows.into_iter().flatten().collect());
        let fault = "it holds what is no distance between a test and a training record";
        if !audit.check(Check::Inputs, &name, rows.is_some(), fault) {
            continue;
        }
        let Some(found) = rows.and_then(|rows| reckon(&rows, body.k)) else {
            let fault = "a test record was not held against each training record once, in order";
            audit.check(Check::Inputs, &name, false, fault);
            continue;
        };
        let people = pairs(&values, "contributor").unwrap_or_default();
        let name = format!("vault/{}", body.values.path);
        let fault = "a contributor's value is not the sum of the records' values";
        audit.check(Check::Inputs, &name, people == found.people, fault);
        let doubtful = pairs(&review, "record").unwrap_or_default();
        let name = format!("vault/{}", body.review.path);
        let fault = "it does not name the records that are worth less than nothing";
        audit.check(Check::Inputs, &name, doubtful == found.doubtful, fault);
        let counted = (body.tests, body.records, body.contributors, body.doubtful)
            == (found.tests, found.records, count(&found.people), count(&found.doubtful));
        audit.check(Check::Inputs, &commit.path, counted, "it counts what is not in its table");
        let known = commits.pools.iter().any(|c| c.body.act.pool() == body.pool);
        audit.check(Check::Inputs, &commit.path, known, "there is no such pool");
    }
    Ok(())
}

fn rows(batch: &arrow::array::RecordBatch) -> Option<Vec<Row>> {
    let (test, distance) = (ints(batch, "test")?, ints(batch, "distance")?);
    let (record, contributor) = (texts(batch, "record")?, texts(batch, "contributor")?);
    let label = ints(batch, "match")?;
    (0..batch.num_rows())
        .map(|row| {
            let fits = distance.value(row) >= 0 && matches!(label.value(row), 0 | 1);
            fits.then(|| Row {
                test: test.value(row),
                record: record.value(row).to_owned(),
                contributor: contributor.value(row).to_owned(),
                distance: distance.value(row),
                label: label.value(row),
            })
        })
        .collect()
}

/// Texts with their values, as a table of results holds them.
type Pairs = Vec<(String, i128)>;

/// What a table comes to.
struct Found {
    people: Pairs,
    doubtful: Pairs,
    tests: u64,
    records: u64,
}

/// Sums what each record is worth to each test record: the i-th nearest of n is worth the sum over
/// j from i to n of `(m_j - m_(j+1)) * floor(SCALE / max(k, j))`, where `m` past n is zero and the
/// last part is `m_n * floor(SCALE / max(k, n))`.
fn reckon(rows: &[Row], k: NonZeroU32) -> Option<Found> {
    let mut worth: BTreeMap<&str, (&str, i128)> = BTreeMap::new();
    let mut tests = 0_u64;
    let mut last = None;
    for neighbours in rows.chunk_by(|a, b| a.test == b.test) {
        let first = neighbours.first()?;
        if last.is_some_and(|last| last >= first.test) {
            return None;
        }
        last = Some(first.test);
        let near = |row: &Row| (row.distance, row.record.clone());
        if !neighbours.is_sorted_by(|a, b| near(a) < near(b)) {
            return None;
        }
        let mut value = 0;
        let mut beyond = 0;
        for (row, rank) in neighbours.iter().rev().zip((1..=neighbours.len()).rev()) {
            let rank = u32::try_from(rank).ok()?.max(k.get());
            value += i128::from(row.label - beyond) * (SCALE / i128::from(rank));
            beyond = row.label;
            let (owner, sum) = worth.entry(&row.record).or_insert((&row.contributor, 0));
            *sum += value;
            if *owner != row.contributor {
                return None;
            }
        }
        tests += 1;
    }
    // No record twice for one test record, and none left out: n rows for each of n records.
    if rows.chunk_by(|a, b| a.test == b.test).any(|near| near.len() != worth.len()) {
        return None;
    }
    let mut people: BTreeMap<&str, i128> = BTreeMap::new();
    for (owner, value) in worth.values() {
        *people.entry(owner).or_default() += value;
    }
    let people = people.into_iter().map(|(id, sum)| (id.to_owned(), sum.max(0))).collect();
    let low = worth.iter().filter(|(_, (_, value))| *value < 0);
    let mut doubtful: Pairs = low.map(|(id, (_, value))| ((*id).to_owned(), *value)).collect();
    doubtful.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
    let records = u64::try_from(worth.len()).ok()?;
    Some(Found { people, doubtful, tests, records })
}

/// Reads a table of results: ids, and their values as decimal text.
fn pairs(batches: &[arrow::array::RecordBatch], name: &str) -> Option<Pairs> {
    let mut all = Vec::new();
    for batch in batches {
        let (ids, values) = (texts(batch, name)?, texts(batch, "value")?);
        for row in 0..batch.num_rows() {
            all.push((ids.value(row).to_owned(), values.value(row).parse().ok()?));
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(test: i64, record: &str, contributor: &str, distance: i64, label: i64) -> Row {
        let (record, contributor) = (record.to_owned(), contributor.to_owned());
        Row { test, record, contributor, distance, label }
    }

    fn table() -> Vec<Row> {
        vec![
            row(0, "r1", "ann", 1, 1),
            row(0, "r2", "ben", 2, 0),
            row(0, "r3", "ann", 3, 1),
            row(1, "r2", "ben", 1, 0),
            row(1, "r1", "ann", 2, 1),
            row(1, "r3", "ann", 3, 1),
        ]
    }

    #[test]
    fn a_table_comes_to_what_the_formula_says() {
        let found = reckon(&table(), NonZeroU32::MIN).unwrap();
        let (third, half) = (SCALE / 3, SCALE / 2);
        let ann = (third - half + SCALE) + third + third + third;
        assert_eq!(found.people, [("ann".to_owned(), ann), ("ben".to_owned(), 0)]);
        let ben = third - half + third - SCALE;
        assert_eq!(found.doubtful, [("r2".to_owned(), ben)]);
        assert_eq!((found.tests, found.records), (2, 3));
    }

    #[test]
    fn a_table_out_of_order_or_with_a_hole_is_no_table() {
        let without = |at: usize| {
            let mut rows = table();
            rows.remove(at);
            rows
        };
        assert!((0..6).all(|at| reckon(&without(at), NonZeroU32::MIN).is_none()), "a hole passes");
        let mut swapped = table();
        swapped.swap(0, 1);
        assert!(reckon(&swapped, NonZeroU32::MIN).is_none(), "an order of its own passes");
        let mut stolen = table();
        "eve".clone_into(&mut stolen[3].contributor);
        assert!(reckon(&stolen, NonZeroU32::MIN).is_none(), "a record of two people passes");
    }
}
