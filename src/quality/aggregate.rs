//! Rules that judge a table as a whole, against the previous version: missing cells, drift, means,
//! rows.
//!
//! Comes in: a rule, one institution's frames, what the previous version was like. Goes out: a
//! measure in millionths, and what the next version will be held against.
//! Never: a figure that rests on the order of rows: numbers are sorted before they are added up.

use std::collections::BTreeMap;

use polars::prelude::{DataType, LazyFrame, PolarsResult, len};

use super::{
    baseline::{ColumnBase, TableBase},
    finding::{Measure, share_ppm},
    kind::Kind,
    row::{Frames, cell, text},
    rule::Rule,
};

/// More codes than this are counted together as one: the rarest.
const CODES_MAX: usize = 256;
/// What stands for all rarer codes; no conformed code is empty.
const RARER: &str = "";
/// Numbers are spread over this many bins of equal count.
const BINS: usize = 10;

/// What a rule saw, and how far that is from before.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) base: TableBase,
    pub(super) measure: Option<Measure>,
    pub(super) failing: u64,
}

/// Runs a rule that judges a table as a whole; `None` for one that judges rows.
pub(super) fn run(
    rule: &Rule,
    frames: &Frames<'_>,
    before: Option<&TableBase>,
) -> PolarsResult<Option<Seen>> {
    let rows = frames.scoped(rule);
    let column = match &rule.kind {
        Kind::MissingShare { column, .. }
        | Kind::Drift { column, .. }
        | Kind::MeanShift { column, .. } => Some(column.as_str()),
        Kind::RowCount { .. } => None,
        Kind::PrimaryKey { .. }
        | Kind::ForeignKey { .. }
        | Kind::Required { .. }
        | Kind::AllowedCodes { .. }
        | Kind::Range { .. }
        | Kind::RangeByUnit { .. }
        | Kind::UnitsOfCode { .. }
        | Kind::Pattern { .. }
        | Kind::UniqueShare { .. }
        | Kind::Duplicates { .. }
        | Kind::DuringLife { .. }
        | Kind::BeforeDeath { .. }
        | Kind::TemporalOrder { .. }
        | Kind::Duration { .. }
        | Kind::WithinSpan { .. }
        | Kind::SexSpecificCodes { .. }
        | Kind::NotFuture { .. }
        | Kind::RowsPerPerson { .. }
        | Kind::Consistency { .. } => return Ok(None),
    };
    // A rule that was about something else before has no past.
    let before = before.filter(|b| b.table == rule.table && b.column.as_deref() == column);
    let count = rows.clone().select([len()]).collect()?;
    let count = u64::from(count.columns().first().and_then(|c| c.u32().ok()?.get(0)).unwrap_or(0));
    let mut base = TableBase {
        table: rule.table.clone(),
        column: column.map(str::to_owned),
        rows: count,
        missing: 0,
        base: ColumnBase::None,
    };
    if let Some(column) = column {
        let missing = rows.clone().select([cell(column).null_count()]).collect()?;
        let missing = missing.columns().first().and_then(|c| c.u32().ok()?.get(0)).unwrap_or(0);
        base.missing = u64::from(missing);
    }
    let mut failing = 0;
    let measure = match (&rule.kind, column) {
        (Kind::MissingShare { baseline_ppm, .. }, _) => {
            failing = base.missing;
            let then = before.map(|b| share_ppm(b.missing, b.rows));
            missing(&base, baseline_ppm.or(then))
        }
        (Kind::Drift { rows_min, .. }, Some(column)) => {
            let past = before.map(|b| &b.base);
            let (now, off) = drift(&rows, column, past)?;
            base.base = now;
            off.filter(|_| enough(before, &base, *rows_min)).map(|off| Measure {
                off_ppm: millionths(off),
                now_ppm: None,
                before_ppm: None,
            })
        }
        (Kind::MeanShift { rows_min, .. }, Some(column)) => {
            let (mean, deviation) = mean(&numbers(&rows, column)?);
            base.base = ColumnBase::Mean { mean, deviation };
            match before.map(|b| &b.base) {
                Some(ColumnBase::Mean { mean: then, deviation })
                    if *deviation > 0.0 && enough(before, &base, *rows_min) =>
                {
                    let off_ppm = millionths((mean - then).abs() / deviation);
                    Some(Measure { off_ppm, now_ppm: None, before_ppm: None })
                }
                Some(_) | None => None,
            }
        }
        (Kind::RowCount { rows_min }, _) => {
            before.filter(|b| b.rows.max(base.rows) >= *rows_min && b.rows > 0).map(|b| Measure {
                off_ppm: share_ppm(b.rows.abs_diff(base.rows), b.rows),
                now_ppm: Some(base.rows.saturating_mul(1_000_000)),
                before_ppm: Some(b.rows.saturating_mul(1_000_000)),
            })
        }
        (_, _) => None,
    };
    Ok(Some(Seen { base, measure, failing }))
}

/// Too few rows, now or then, say nothing of how a column is spread.
fn enough(before: Option<&TableBase>, now: &TableBase, rows_min: u64) -> bool {
    let filled = |base: &TableBase| base.rows - base.missing.min(base.rows);
    filled(now) >= rows_min && before.is_some_and(|before| filled(before) >= rows_min)
}

fn missing(now: &TableBase, before_ppm: Option<u64>) -> Option<Measure> {
    let before = before_ppm.filter(|_| now.rows > 0)?;
    let share = share_ppm(now.missing, now.rows);
    let off_ppm = share.saturating_sub(before);
    Some(Measure { off_ppm, now_ppm: Some(share), before_ppm: Some(before) })
}

/// The filled cells of a column as numbers, ascending.
fn numbers(rows: &LazyFrame, column: &str) -> PolarsResult<Vec<f64>> {
    let frame = rows.clone().select([cell(column).cast(DataType::Float64)]).collect()?;
    let mut numbers: Vec<f64> = frame.column(column)?.f64()?.iter().flatten().collect();
    numbers.sort_by(f64::total_cmp);
    Ok(numbers)
}

fn mean(sorted: &[f64]) -> (f64, f64) {
    if sorted.is_empty() {
        return (0.0, 0.0);
    }
    let count = float(sorted.len());
    let mean = sorted.iter().sum::<f64>() / count;
    let squares: f64 = sorted.iter().map(|number| (number - mean).powi(2)).sum();
    (mean, (squares / count).sqrt())
}

fn drift(
    rows: &LazyFrame,
    column: &str,
    past: Option<&ColumnBase>,
) -> PolarsResult<(ColumnBase, Option<f64>)> {
    let frame = rows.clone().select([cell(column)]).limit(0).collect()?;
    let dtype = frame.column(column)?.dtype().clone();
    if matches!(dtype, DataType::Float64 | DataType::Int64) {
        let sorted = numbers(rows, column)?;
        let off = match past {
            Some(ColumnBase::Bins { edges, counts }) => {
                Some(index(counts, &binned(&sorted, edges)))
            }
            Some(_) | None => None,
        };
        let edges = edges(&sorted);
        let counts = binned(&sorted, &edges);
        return Ok((ColumnBase::Bins { edges, counts }, off));
    }
    let counted = rows
        .clone()
        .select([text(column).alias("code")])
        .drop_nulls(None)
        .group_by([cell("code")])
        .agg([len().alias("rows")])
        .collect()?;
    let (codes, counts) = (counted.column("code")?.str()?, counted.column("rows")?.u32()?);
    let counted: BTreeMap<String, u64> = codes
        .iter()
        .zip(counts.iter())
        .filter_map(|(code, rows)| Some((code?.to_owned(), u64::from(rows?))))
        .collect();
    let off = match past {
        Some(ColumnBase::Codes { counts }) => {
            // What was too rare to be named then stays unnamed now.
            let mut now: BTreeMap<&str, u64> = BTreeMap::new();
            let rarer = counts.contains_key(RARER);
            for (code, rows) in &counted {
                let known = counts.contains_key(code) || !rarer;
                *now.entry(if known { code } else { RARER }).or_default() += rows;
            }
            let names: std::collections::BTreeSet<&str> =
                counts.keys().map(String::as_str).chain(now.keys().copied()).collect();
            let of = |name: &&str| (counts.get(*name), now.get(*name));
            let pairs: Vec<(u64, u64)> = names
                .iter()
                .map(of)
                .map(|(then, now)| (then.copied().unwrap_or(0), now.copied().unwrap_or(0)))
                .collect();
            let (then, now): (Vec<u64>, Vec<u64>) = pairs.into_iter().unzip();
            Some(index(&then, &now))
        }
        Some(_) | None => None,
    };
    Ok((ColumnBase::Codes { counts: named(counted) }, off))
}

/// Keeps the most frequent codes and counts the others together.
fn named(counted: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    if counted.len() <= CODES_MAX {
        return counted;
    }
    let mut order: Vec<(u64, String)> = counted.into_iter().map(|(code, n)| (n, code)).collect();
    order.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let mut kept: BTreeMap<String, u64> = BTreeMap::new();
    for (at, (rows, code)) in order.into_iter().enumerate() {
        let name = if at < CODES_MAX { code } else { RARER.to_owned() };
        *kept.entry(name).or_default() += rows;
    }
    kept
}

/// Edges between bins of about equal count; equal edges are one.
fn edges(sorted: &[f64]) -> Vec<f64> {
    let mut edges: Vec<f64> = (1..BINS)
        .filter_map(|bin| sorted.get(sorted.len() * bin / BINS))
        .copied()
        .filter(|edge| sorted.first().is_some_and(|first| first < edge))
        .collect();
    edges.dedup();
    edges
}

fn binned(sorted: &[f64], edges: &[f64]) -> Vec<u64> {
    let mut counts = Vec::with_capacity(edges.len() + 1);
    let mut done = 0;
    for edge in edges {
        let below = sorted.partition_point(|number| number < edge);
        counts.push(below.saturating_sub(done) as u64);
        done = below.max(done);
    }
    counts.push((sorted.len() - done) as u64);
    counts
}

/// The population stability index, with half a row added to each bin so that none is empty: under
/// 0.1 nothing moved, over 0.25 much did.
fn index(then: &[u64], now: &[u64]) -> f64 {
    let sum = |counts: &[u64]| {
        counts.iter().map(|&rows| wide(rows)).sum::<f64>() + 0.5 * float(counts.len())
    };
    let (all_then, all_now) = (sum(then), sum(now));
    then.iter()
        .zip(now)
        .map(|(&then, &now)| {
            let (p, q) = ((wide(then) + 0.5) / all_then, (wide(now) + 0.5) / all_now);
            (q - p) * (q / p).ln()
        })
        .sum()
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows lie far below 2^53")]
fn wide(count: u64) -> f64 {
    count as f64
}

fn float(count: usize) -> f64 {
    wide(count as u64)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float holds at the ends of the integer, and the measure is not negative"
)]
fn millionths(measure: f64) -> u64 {
    (measure * 1e6).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moved_is_zero_and_a_swap_is_much() {
        assert!(index(&[50, 50], &[500, 500]) < 1e-3, "a larger table is no drift");
        assert!(index(&[90, 10], &[10, 90]) > 0.25);
        assert!(index(&[0, 10], &[10, 0]).is_finite(), "an empty bin would divide by nothing");
    }

    #[test]
    fn bins_hold_every_number_once() {
        let sorted: Vec<f64> = (0..1_000_u32).map(f64::from).collect();
        let edges = edges(&sorted);
        let counts = binned(&sorted, &edges);
        assert_eq!(counts.iter().sum::<u64>(), 1_000);
        assert!(counts.iter().all(|&rows| rows == 100), "{counts:?}");
        let flat = [3.0; 50];
        assert_eq!(binned(&flat, &super::edges(&flat)), [50], "one value is one bin");
    }
}
