//! Whose rows each question drew on: usage lines joined to the roster of the version asked.
//!
//! Comes in: pseudonyms and rows, and who is behind each pseudonym. Goes out: rows a payee a question.
//! Never: a line without a payee, or a pseudonym with two.

use std::sync::Arc;

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, RecordBatch, StringArray, UInt32Array},
    datatypes::{Int64Type, UInt32Type},
};
use polars::prelude::{IntoLazy as _, JoinArgs, JoinType, col};

use super::line::{self, Ints, Texts};
use crate::frame;

/// Rows of one payee that one question drew on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Draw {
    /// The question's place among those of its version.
    pub query: u32,
    /// The payee's place in the list of all payees.
    pub payee: u32,
    /// The rows.
    pub rows: u64,
}

/// What is wrong with usage.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A table cannot be read.
    #[error(transparent)]
    Table(#[from] line::Error),
    /// A table could not cross to Polars.
    #[error("a table could not cross between engines")]
    Frame(#[from] frame::Error),
    /// The join failed.
    #[error("usage could not be joined to the roster")]
    Join(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A line's pseudonym is not in the version's roster.
    #[error("{0} pairs of question and pseudonym are not in the roster of the version asked")]
    Stranger(usize),
    /// A pseudonym stands for two people.
    #[error("{0} pseudonyms stand for more than one person")]
    Ambiguous(usize),
    /// More rows than can be summed exactly.
    #[error("the rows of the questions of one version are too many to sum")]
    Overflow,
}

/// Who is behind each pseudonym of a version: a pseudonym may come more than once (a person seen at
/// two institutions), always with the same payee.
pub type Behind<'a> = Vec<(&'a str, u32)>;

/// Sums the rows that each of the questions drew from each payee, sorted by question and payee.
pub fn draws(behind: &Behind<'_>, queries: &[RecordBatch]) -> Result<Vec<Draw>, Error> {
    if queries.is_empty() {
        return Ok(Vec::new());
    }
    let pseudonyms: ArrayRef =
        Arc::new(StringArray::from_iter_values(behind.iter().map(|(pseudonym, _)| *pseudonym)));
    let payees: ArrayRef =
        Arc::new(UInt32Array::from_iter_values(behind.iter().map(|(_, payee)| *payee)));
    let roster = table([("pseudonym", pseudonyms), ("payee", payees)])?;
    let people = frame::to_polars(&roster)?
        .lazy()
        .group_by([col("pseudonym")])
        .agg([col("payee").min(), col("payee").max().alias("other")])
        .collect()
        .map_err(joining)?;
    let checked = frame::to_arrow(&people)?;
    let (least, most) = (numbers(&checked, "payee")?, numbers(&checked, "other")?);
    let ambiguous = least.values().iter().zip(most.values()).filter(|(a, b)| a != b).count();
    if ambiguous > 0 {
        return Err(Error::Ambiguous(ambiguous));
    }

    let lines = frame::to_polars(&together(queries)?)?.lazy();
    let on = [col("pseudonym")];
    let sums = lines
        .join(people.lazy(), on.clone(), on, JoinArgs::new(JoinType::Left))
        .group_by([col("query"), col("payee")])
        .agg([col("rows").sum()])
        .collect()
        .map_err(joining)?;
    let sums = frame::to_arrow(&sums)?;
    let (query, payee) = (numbers(&sums, "query")?, numbers(&sums, "payee")?);
    if payee.null_count() > 0 {
        return Err(Error::Stranger(payee.null_count()));
    }
    let rows = sums
        .column_by_name("rows")
        .and_then(|c| c.as_primitive_opt::<Int64Type>())
        .ok_or(line::Error::Column("rows"))?;
    let mut draws: Vec<Draw> = query
        .values()
        .iter()
        .zip(payee.values())
        .zip(rows.values())
        .map(|((&query, &payee), rows)| Draw { query, payee, rows: rows.unsigned_abs() })
        .collect();
    draws.sort_unstable();
    Ok(draws)
}

/// Puts the lines of all questions into one table, each with its question's place.
fn together(queries: &[RecordBatch]) -> Result<RecordBatch, Error> {
    let mut pseudonyms = Vec::new();
    let mut rows = Vec::new();
    let mut places = Vec::new();
    // INVARIANT: Polars sums wrap; the sum of all rows fits, so that no part of it can wrap.
    let mut total = 0_i64;
    for (place, lines) in queries.iter().enumerate() {
        let place = u32::try_from(place).map_err(|_| Error::Overflow)?;
        let pseudonym = Texts::of(lines, "pseudonym")?;
        let count = Ints::of(lines, "rows")?;
        for row in 0..lines.num_rows() {
            pseudonyms.push(pseudonym.get(row)?.to_owned());
            let drawn = i64::try_from(count.natural(row)?).map_err(|_| Error::Overflow)?;
            total = total.checked_add(drawn).ok_or(Error::Overflow)?;
            rows.push(drawn);
            places.push(place);
        }
    }
    table([
        ("query", Arc::new(UInt32Array::from(places)) as ArrayRef),
        ("pseudonym", Arc::new(StringArray::from(pseudonyms))),
        ("rows", Arc::new(arrow::array::Int64Array::from(rows))),
    ])
}

fn table<const N: usize>(columns: [(&str, ArrayRef); N]) -> Result<RecordBatch, Error> {
    Ok(RecordBatch::try_from_iter(columns).map_err(line::Error::from)?)
}

fn numbers<'a>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a UInt32Array, Error> {
    let column = batch.column_by_name(name).and_then(|c| c.as_primitive_opt::<UInt32Type>());
    Ok(column.ok_or(line::Error::Column(name))?)
}

fn joining(error: polars::error::PolarsError) -> Error {
    Error::Join(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(cells: &[(&str, i64)]) -> RecordBatch {
        let pseudonyms: ArrayRef =
            Arc::new(StringArray::from_iter_values(cells.iter().map(|c| c.0)));
        let rows: ArrayRef =
            Arc::new(arrow::array::Int64Array::from_iter_values(cells.iter().map(|c| c.1)));
        table([("pseudonym", pseudonyms), ("rows", rows)]).unwrap()
    }

    #[test]
    fn rows_of_one_person_under_one_pseudonym_are_summed_a_question() {
        let behind = vec![("p1", 4), ("p2", 0), ("p1", 4)];
        let found = draws(&behind, &[lines(&[("p1", 3), ("p2", 2)]), lines(&[("p1", 1)])]).unwrap();
        let draw = |query, payee, rows| Draw { query, payee, rows };
        assert_eq!(
            found,
            [draw(0, 0, 2), draw(0, 4, 3), draw(1, 4, 1)],
            "a person seen at two institutions would be counted twice"
        );
    }

    #[test]
    fn a_pseudonym_that_nobody_is_behind_is_an_error_and_stays_unnamed() {
        let error = draws(&vec![("p1", 0)], &[lines(&[("secret", 1)])]).unwrap_err();
        assert!(matches!(error, Error::Stranger(1)), "somebody's rows would go unpaid");
        assert!(!format!("{error:?}").contains("secret"));
    }

    #[test]
    fn a_pseudonym_of_two_people_is_an_error() {
        let error = draws(&vec![("p1", 0), ("p1", 1)], &[lines(&[("p1", 1)])]).unwrap_err();
        assert!(matches!(error, Error::Ambiguous(1)));
    }

    #[test]
    fn rows_that_would_wrap_are_refused() {
        let error = draws(&vec![("p", 0)], &[lines(&[("p", i64::MAX), ("p", 1)])]).unwrap_err();
        assert!(matches!(error, Error::Overflow));
        let error = draws(&vec![("p", 0)], &[lines(&[("p", -1)])]).unwrap_err();
        assert!(matches!(error, Error::Table(line::Error::Cell { row: 0, .. })));
    }
}
