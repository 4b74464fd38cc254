//! What contributors' records are worth to a model: from the distances of training records to test
//! records to one value a contributor, and the tables that hold them.
//!
//! Comes in: a [`Training`] set. Goes out: values, and the records worth less than nothing for the
//! steward to look at. Never: a negative value, a clawback, or a copy that counts as a record.

#![deny(clippy::arithmetic_side_effects, clippy::float_arithmetic, clippy::as_conversions)]

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc};

use arrow::array::{ArrayRef, Int64Array, StringArray};
use bytes::Bytes;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    ApportionError, LineError, ObjectRef, PoolId,
    line::{self, Texts, write_table},
    shapley::{Neighbour, knn_shapley},
};
use crate::{instant::Instant, party::ContributorId};

/// How values come about, as the book names it.
pub const VALUE_METHOD: &str = "knn-shapley/v1";

/// A training set as its test records see it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Training {
    /// The ids of training records, sorted, each with its contributor.
    pub records: Vec<(String, ContributorId)>,
    /// For each test record all training records, by their places in `records`.
    pub tests: Vec<Vec<Neighbour>>,
}

/// What a training set is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Valued {
    /// The value of each contributor, sorted: the sum of his records' values, or nothing.
    pub contributors: Vec<(ContributorId, u128)>,
    /// The records that are worth less than nothing, the worst first: their labels may be wrong.
    pub review: Vec<Doubtful>,
}

/// A training record that makes the model worse.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Doubtful {
    /// Its value, below zero, in parts of [`SCALE`](super::SCALE) over all test records.
    pub value: i128,
    /// Its id.
    pub record: String,
    /// Whose it is.
    pub contributor: ContributorId,
}

impl Training {
    /// Works out what the records are worth, each test record by itself.
    pub fn value(&self, k: NonZeroU32) -> Result<Valued, ApportionError> {
        let mut worth = vec![0_i128; self.records.len()];
        // A few test records at a time: what they say is added up in the order of the table.
        for tests in self.tests.chunks(TESTS_PER_TURN) {
            let said = tests.par_iter().map(|neighbours| {
                let mut neighbours = neighbours.clone();
                let values = knn_shapley(k, &mut neighbours)?;
                Ok(neighbours.into_iter().map(|n| n.record).zip(values).collect::<Vec<_>>())
            });
            for (record, value) in said.collect::<Result<Vec<_>, ApportionError>>()?.concat() {
                let at = usize::try_from(record).ok().and_then(|at| worth.get_mut(at));
                let worth = at.ok_or(ApportionError::Overflow)?;
                *worth = worth.checked_add(i128::from(value)).ok_or(ApportionError::Overflow)?;
            }
        }
        let mut sums: BTreeMap<&ContributorId, i128> = BTreeMap::new();
        let mut review = Vec::new();
        for ((record, contributor), value) in self.records.iter().zip(worth) {
            let sum = sums.entry(contributor).or_default();
            *sum = sum.checked_add(value).ok_or(ApportionError::Overflow)?;
            if value < 0 {
                let (record, contributor) = (record.clone(), contributor.clone());
                review.push(Doubtful { value, record, contributor });
            }
        }
        review.sort_unstable();
        let natural = |sum: i128| u128::try_from(sum).unwrap_or_default();
        let contributors = sums.into_iter().map(|(id, sum)| (id.clone(), natural(sum))).collect();
        Ok(Valued { contributors, review })
    }

    /// Writes the training set as Parquet, the same bytes for the same set: `test`, `record`,
    /// `contributor`, `distance`, `match`, by test and then from near to far.
    pub fn write(&self) -> Result<Bytes, LineError> {
        let mut rows: Vec<(u32, Neighbour)> = Vec::new();
        for (test, neighbours) in (0_u32..).zip(&self.tests) {
            rows.extend(neighbours.iter().map(|neighbour| (test, *neighbour)));
        }
        rows.sort_unstable();
        let record = |row: &(u32, Neighbour)| {
            usize::try_from(row.1.record).ok().and_then(|at| self.records.get(at))
        };
        let ids = rows.iter().map(|row| record(row).map(|(id, _)| id.as_str()));
        let people = rows.iter().map(|row| record(row).map(|(_, person)| person.as_str()));
        let text = |cells: Vec<Option<&str>>| -> ArrayRef { Arc::new(StringArray::from(cells)) };
        let int = |cells: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(cells)) };
        let distances = rows.iter().map(|(_, near)| i64::try_from(near.distance));
        let distances: Vec<i64> =
            distances.collect::<Result<_, _>>().map_err(|_| LineError::Column("distance"))?;
        write_table(vec![
            ("test", int(rows.iter().map(|(test, _)| i64::from(*test)).collect())),
            ("record", text(ids.collect())),
            ("contributor", text(people.collect())),
            ("distance", int(distances)),
            ("match", int(rows.iter().map(|(_, near)| i64::from(near.is_match)).collect())),
        ])
    }
}

/// Writes values as Parquet: `contributor`, `value` (decimal text).
pub fn write_values(values: &[(ContributorId, u128)]) -> Result<Bytes, LineError> {
    let contributors = values.iter().map(|(id, _)| id.as_str());
    let values = values.iter().map(|(_, value)| value.to_string());
    write_table(vec![
        ("contributor", Arc::new(StringArray::from_iter_values(contributors))),
        ("value", Arc::new(StringArray::from_iter_values(values))),
    ])
}

/// Reads values from Parquet.
pub fn read_values(bytes: &Bytes) -> Result<Vec<(ContributorId, u128)>, LineError> {
    let batch = line::read_table(bytes)?;
    let contributor = Texts::of(&batch, "contributor")?;
    let value = Texts::of(&batch, "value")?;
    (0..batch.num_rows()).map(|row| Ok((contributor.person(row)?, value.weight(row)?))).collect()
}

/// Writes doubtful records as Parquet: `record`, `contributor`, `value` (decimal text).
pub fn write_review(review: &[Doubtful]) -> Result<Bytes, LineError> {
    let records = review.iter().map(|doubtful| doubtful.record.as_str());
    let contributors = review.iter().map(|doubtful| doubtful.contributor.as_str());
    let values = review.iter().map(|doubtful| doubtful.value.to_string());
    write_table(vec![
        ("record", Arc::new(StringArray::from_iter_values(records))),
        ("contributor", Arc::new(StringArray::from_iter_values(contributors))),
        ("value", Arc::new(StringArray::from_iter_values(values))),
    ])
}

/// Reads doubtful records from Parquet.
pub fn read_review(bytes: &Bytes) -> Result<Vec<Doubtful>, LineError> {
    let batch = line::read_table(bytes)?;
    let record = Texts::of(&batch, "record")?;
    let contributor = Texts::of(&batch, "contributor")?;
    let value = Texts::of(&batch, "value")?;
    let doubtful = |row| {
        let cell = value.get(row)?.parse();
        Ok(Doubtful {
            value: cell.map_err(|_| LineError::Cell { column: "value", row })?,
            record: record.get(row)?.to_owned(),
            contributor: contributor.person(row)?,
        })
    };
    (0..batch.num_rows()).map(doubtful).collect()
}

/// The body of `vault/values/commits/<number>.json`: one valuation for a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueCommit {
    /// A random id, so that a retried commit is recognised.
    pub txn: String,
    /// When it was computed.
    pub time: Instant,
    /// The pool whose settlements may pay by it.
    pub pool: PoolId,
    /// [`VALUE_METHOD`].
    pub method: String,
    /// How many neighbours answer.
    pub k: NonZeroU32,
    /// The training set (Parquet).
    pub table: ObjectRef,
    /// The values of contributors (Parquet).
    pub values: ObjectRef,
    /// The records to look at (Parquet).
    pub review: ObjectRef,
    /// How many test records there are.
    pub tests: u64,
    /// How many training records there are.
    pub records: u64,
    /// How many contributors there are.
    pub contributors: u64,
    /// How many records are worth less than nothing.
    pub doubtful: u64,
    /// The entry's text.
    pub entry: String,
}

/// Test records that are valued at the same time, so that a large set does not fill the memory.
const TESTS_PER_TURN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reward::SCALE;

    fn person(id: &str) -> ContributorId {
        ContributorId::parse(id).unwrap()
    }

    /// Four records of three people; the second test record's nearest has the wrong label.
    fn training() -> Training {
        let records = [("r1", "ann"), ("r2", "ben"), ("r3", "cid"), ("r4", "ann")];
        let near = |distance, record, is_match| Neighbour { distance, record, is_match };
        Training {
            records: records.map(|(id, who)| (id.to_owned(), person(who))).to_vec(),
            tests: vec![
                vec![near(1, 0, true), near(2, 1, false), near(3, 2, true), near(4, 3, false)],
                vec![near(1, 1, false), near(2, 0, true), near(3, 3, true), near(4, 2, false)],
            ],
        }
    }

    #[test]
    fn a_contributor_is_worth_the_sum_of_the_records_and_never_less_than_nothing() {
        let valued = training().value(NonZeroU32::MIN).unwrap();
        // k = 1, from the far end: 0, 1/3, 1/3 - 1/2, 5/6 and 0, 1/3, 1/3, 1/3 - 1 (in parts).
        let third = SCALE / 3;
        let half = SCALE / 2;
        let r1 = third - half + SCALE + third;
        let (r3, r4) = (third, third);
        let expected = [
            (person("ann"), u128::try_from(r1 + r4).unwrap()),
            (person("ben"), 0),
            (person("cid"), u128::try_from(r3).unwrap()),
        ];
        assert_eq!(valued.contributors, expected);
        let doubtful = Doubtful {
            value: i128::from(third - half + third - SCALE),
            record: "r2".to_owned(),
            contributor: person("ben"),
        };
        assert_eq!(valued.review, [doubtful], "the wrong label is not put to the steward");
    }

    #[test]
    fn the_order_of_tests_and_neighbours_changes_neither_values_nor_bytes_of_them() {
        let mut turned = training();
        for neighbours in &mut turned.tests {
            neighbours.reverse();
        }
        assert_eq!(training().write().unwrap(), turned.write().unwrap());
        turned.tests.reverse();
        let k = NonZeroU32::new(2).unwrap();
        let (one, other) = (training().value(k).unwrap(), turned.value(k).unwrap());
        assert_eq!(one, other);
        let bytes = write_values(&one.contributors).unwrap();
        assert_eq!(read_values(&bytes).unwrap(), one.contributors);
        let bytes = write_review(&one.review).unwrap();
        assert_eq!(read_review(&bytes).unwrap(), one.review);
    }

    #[test]
    fn nothing_is_worth_nothing() {
        let nothing = Training::default().value(NonZeroU32::MIN).unwrap();
        assert_eq!(nothing, Valued { contributors: vec![], review: vec![] });
        assert_eq!(read_values(&write_values(&[]).unwrap()).unwrap(), []);
    }
}
