//! Rules that judge rows, as expressions of Polars: which rows of a table fail.
//!
//! Comes in: a rule and one institution's frames. Goes out: the numbers of failing rows.
//! Never: a row that is not of the table, or a verdict that rests on the order of rows but where
//! the kind says "earlier".

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::{
    BooleanChunked, DataFrame, DataType, Expr, IntoLazy as _, JoinArgs, JoinType, LazyFrame,
    NamedFrom as _, NewChunkedArray as _, PolarsResult, Series, col, len, lit,
};

use super::{
    frames::{ROW, Tables},
    kind::{Bound, CodeUnits, Kind, Relation, Target, UnitRange},
    rule::{Rule, Scope, Test},
};
use crate::{
    instant::Date,
    schema::{ColumnType, TableSchema},
};

const MICROS_A_DAY: i64 = 86_400_000_000;

/// One institution's frames, without the rows that are gone already.
#[derive(Debug)]
pub(super) struct Frames<'t> {
    frames: BTreeMap<&'t str, (&'t TableSchema, DataFrame)>,
    today: i64,
}

/// Rows that are gone, by table.
pub(super) type Gone = BTreeMap<String, BTreeSet<u64>>;

impl<'t> Frames<'t> {
    pub(super) fn new(tables: &'t Tables, gone: &Gone, today: Date) -> PolarsResult<Self> {
        let mut frames = BTreeMap::new();
        for (name, table) in &tables.tables {
            let mut frame = table.frame.clone();
            if let Some(gone) = gone.get(name).filter(|gone| !gone.is_empty()) {
                let kept = (0..frame.height() as u64).map(|row| !gone.contains(&row));
                let kept = BooleanChunked::from_slice("kept".into(), &kept.collect::<Vec<bool>>());
                frame = frame.filter(&kept)?;
            }
            frames.insert(name.as_str(), (table.schema.as_ref(), frame));
        }
        Ok(Self { frames, today: days(today) })
    }

    /// Returns the rows of a rule's table that `where` leaves.
    pub(super) fn scoped(&self, rule: &Rule) -> LazyFrame {
        let Some((_, frame)) = self.frames.get(rule.table.as_str()) else {
            return DataFrame::empty().lazy();
        };
        let rows = frame.clone().lazy();
        match &rule.scope {
            Some(scope) => rows.filter(looked_at(scope)),
            None => rows,
        }
    }

    fn kind(&self, table: &str, column: &str) -> Option<ColumnType> {
        let (schema, _) = self.frames.get(table)?;
        schema.columns.get(schema.column(column)?).map(|column| column.kind)
    }

    fn person(&self, table: &str) -> Expr {
        let schema = self.frames.get(table).map(|(schema, _)| schema);
        let person = schema.and_then(|schema| schema.columns.get(schema.person()?));
        person.map_or_else(|| lit(""), |person| col(person.name.as_str()))
    }

    /// Joins what another table knows of each row's key, one row a key.
    fn with(
        &self,
        rows: LazyFrame,
        by: Expr,
        table: &str,
        key: Expr,
        known: Vec<Expr>,
    ) -> LazyFrame {
        let Some((_, frame)) = self.frames.get(table) else { return rows };
        let others = frame.clone().lazy().filter(key.clone().is_not_null());
        let others = others.group_by([key.alias("#key")]).agg(known);
        rows.join(others, [by], [col("#key")], JoinArgs::new(JoinType::Left))
    }

    /// Joins what another table knows of each row's person.
    fn with_person(&self, rows: LazyFrame, own: &str, table: &str, known: Vec<Expr>) -> LazyFrame {
        self.with(rows, self.person(own), table, self.person(table), known)
    }
}

/// Runs a rule that judges rows: how many it looked at, and the numbers of those that fail.
pub(super) fn run(rule: &Rule, frames: &Frames<'_>) -> PolarsResult<(u64, Vec<u64>)> {
    let (rows, fails) = judged(rule, frames)?;
    let fails = fails.fill_null(lit(false)).alias("#fails");
    let out = rows.select([col(ROW), fails]).collect()?;
    let numbers = out.column(ROW)?.u64()?.clone();
    let marks = out.column("#fails")?.bool()?.clone();
    let failing = numbers.iter().zip(marks.iter()).filter(|(_, mark)| *mark == Some(true));
    let mut failing: Vec<u64> = failing.filter_map(|(row, _)| row).collect();
    failing.sort_unstable();
    failing.dedup();
    Ok((out.height() as u64, failing))
}

/// The rows a rule looks at, with what it needs to know of them, and when one fails.
fn judged(rule: &Rule, frames: &Frames<'_>) -> PolarsResult<(LazyFrame, Expr)> {
    let own = rule.table.as_str();
    let rows = frames.scoped(rule);
    Ok(match &rule.kind {
        Kind::PrimaryKey { columns } => {
            let empty = any(columns.iter().map(|column| cell(column).is_null()));
            (rows, empty.or(repeats(columns)?))
        }
        Kind::UniqueShare { columns } => {
            let filled = all(columns.iter().map(|column| cell(column).is_not_null()));
            (rows, filled.and(repeats(columns)?))
        }
        Kind::Duplicates { columns } => (rows, repeats(columns)?),
        Kind::Required { columns } => {
            (rows, any(columns.iter().map(|column| cell(column).is_null())))
        }
        Kind::ForeignKey { column, to } => {
            let known = vec![len().alias("#there")];
            let rows = frames.with(rows, cell(column), &to.table, cell(&to.column), known);
            (rows, cell(column).is_not_null().and(col("#there").is_null()))
        }
        Kind::AllowedCodes { column, codes } => (rows, one_of(column, codes).not()),
        Kind::Range { column, min, max } => (rows, outside(column, *min, *max)),
        Kind::RangeByUnit { column, unit, code, ranges } => {
            (rows, any(ranges.iter().map(|range| out_of(column, unit, code.as_deref(), range))))
        }
        Kind::UnitsOfCode { column, code, units } => {
            let wrong = |units: &CodeUnits| {
                text(code).eq(lit(units.code.clone())).and(one_of(column, &units.units).not())
            };
            (rows, any(units.iter().map(wrong)))
        }
        Kind::Pattern { column, pattern } => (rows, matches(cell(column), pattern).not()),
        Kind::DuringLife { column, birth, death, grace_days } => {
            let rows = frames.with_person(
                rows,
                own,
                &birth.table,
                vec![born(frames, birth).min().alias("#born")],
            );
            let early = day(cell(column)).lt(col("#born") - lit(*grace_days));
            match death {
                None => (rows, early),
                Some(death) => {
                    let rows = with_death(frames, rows, own, death);
                    (rows, early.or(late(column, *grace_days)))
                }
            }
        }
        Kind::BeforeDeath { column, death, grace_days } => {
            (with_death(frames, rows, own, death), late(column, *grace_days))
        }
        Kind::TemporalOrder { first, second } => {
            let exact = [first, second]
                .iter()
                .all(|name| frames.kind(own, name) == Some(ColumnType::Timestamp));
            let fails = if exact {
                cell(first).gt(cell(second))
            } else {
                day(cell(first)).gt(day(cell(second)))
            };
            (rows, fails)
        }
        Kind::Duration { first, second, min_days, max_days } => {
            let micros = (cell(second) - cell(first)).cast(DataType::Float64);
            let length = micros / lit(86_400_000_000.0_f64);
            let short = min_days.map(|days| length.clone().lt(lit(days)));
            let long = max_days.map(|days| length.clone().gt(lit(days)));
            (rows, any([short, long].into_iter().flatten()))
        }
        Kind::WithinSpan { column, by, of, from, until, grace_days } => {
            let known =
                vec![day(cell(from)).min().alias("#from"), day(cell(until)).max().alias("#until")];
            let rows = frames.with(rows, cell(by), &of.table, cell(&of.column), known);
            let on = day(cell(column));
            let early = on.clone().lt(col("#from") - lit(*grace_days));
            (rows, early.or(on.gt(col("#until") + lit(*grace_days))))
        }
        Kind::SexSpecificCodes { column, codes, prefixes, sex, is } => {
            let known = vec![text(&sex.column).min().alias("#sex")];
            let rows = frames.with_person(rows, own, &sex.table, known);
            let begins =
                prefixes.iter().map(|prefix| text(column).str().starts_with(lit(prefix.clone())));
            let specific = any(begins.chain([one_of(column, codes)]));
            (rows, specific.and(is_in(col("#sex"), is).not()))
        }
        Kind::NotFuture { column } => (rows, day(cell(column)).gt(lit(frames.today))),
        Kind::RowsPerPerson { max } => {
            let each = col(ROW).count().over([frames.person(own)])?;
            (rows, each.cast(DataType::UInt64).gt(lit(u64::from(*max))))
        }
        Kind::Consistency { first, second, relation } => {
            let (one, other) = (cell(first), cell(second));
            let fails = match relation {
                Relation::Equal => one.neq(other),
                Relation::AtMost => one.gt(other),
                Relation::Together => one.is_null().neq(other.is_null()),
                Relation::Implies => one.is_not_null().and(other.is_null()),
            };
            (rows, fails)
        }
        // A table as a whole fails, and no row of it.
        Kind::MissingShare { .. }
        | Kind::Drift { .. }
        | Kind::MeanShift { .. }
        | Kind::RowCount { .. } => (rows, lit(false)),
    })
}

/// Fits a text as a whole to a regular expression.
pub(super) fn matches(text: Expr, pattern: &str) -> Expr {
    text.str().contains(lit(format!("^(?:{pattern})$")), true)
}

pub(super) fn cell(column: &str) -> Expr {
    col(column)
}

/// A cell as text, as codes are written.
pub(super) fn text(column: &str) -> Expr {
    col(column).cast(DataType::String)
}

fn is_in(value: Expr, list: &[String]) -> Expr {
    value.is_in(lit(Series::new("list".into(), list)).implode(false), false)
}

fn one_of(column: &str, codes: &[String]) -> Expr {
    is_in(text(column), codes)
}

fn any(tests: impl IntoIterator<Item = Expr>) -> Expr {
    tests.into_iter().reduce(Expr::or).unwrap_or_else(|| lit(false))
}

fn all(tests: impl IntoIterator<Item = Expr>) -> Expr {
    tests.into_iter().reduce(Expr::and).unwrap_or_else(|| lit(true))
}

/// A row whose cells an earlier one has; empty cells are equal to each other.
fn repeats(columns: &[String]) -> PolarsResult<Expr> {
    let columns: Vec<Expr> = columns.iter().map(|column| cell(column)).collect();
    Ok(col(ROW).gt(col(ROW).min().over(columns)?))
}

fn looked_at(scope: &Scope) -> Expr {
    match &scope.test {
        Test::Is(list) => one_of(&scope.column, list),
        Test::Not(list) => one_of(&scope.column, list).not().fill_null(lit(true)),
        Test::Filled(true) => cell(&scope.column).is_not_null(),
        Test::Filled(false) => cell(&scope.column).is_null(),
    }
}

/// The day of an instant, counted from 1970-01-01.
fn day(instant: Expr) -> Expr {
    floored(instant, MICROS_A_DAY)
}

/// Divides and rounds down, for numbers above a million times the divisor below nought: all that a
/// calendar has. Division alone would round towards nought.
fn floored(number: Expr, by: i64) -> Expr {
    const SHIFT: i64 = 1_000_000;
    (number + lit(SHIFT * by)) / lit(by) - lit(SHIFT)
}

fn days(date: Date) -> i64 {
    date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp().div_euclid(86_400)
}

/// The first day on which somebody can have been born: of a year alone, its first of January.
/// <https://howardhinnant.github.io/date_algorithms.html#days_from_civil>
fn born(frames: &Frames<'_>, birth: &Target) -> Expr {
    let known = cell(&birth.column);
    if frames.kind(&birth.table, &birth.column) != Some(ColumnType::Int) {
        return day(known);
    }
    let since = |year: i64| known.clone() - lit(year);
    let leaps = |year: i64, every: i64| floored(since(year), every);
    since(1970) * lit(365_i64) + leaps(1969, 4) - leaps(1901, 100) + leaps(1601, 400)
}

fn with_death(frames: &Frames<'_>, rows: LazyFrame, own: &str, death: &Target) -> LazyFrame {
    let known = vec![day(cell(&death.column)).min().alias("#died")];
    frames.with_person(rows, own, &death.table, known)
}

fn late(column: &str, grace_days: i64) -> Expr {
    day(cell(column)).gt(col("#died") + lit(grace_days))
}

fn outside(column: &str, min: Option<Bound>, max: Option<Bound>) -> Expr {
    let side = |bound: Bound| match bound {
        Bound::Number(number) => (cell(column).cast(DataType::Float64), lit(number)),
        Bound::Day(date) => (day(cell(column)), lit(days(date))),
    };
    let low = min.map(side).map(|(value, bound)| value.lt(bound));
    let high = max.map(side).map(|(value, bound)| value.gt(bound));
    any([low, high].into_iter().flatten())
}

fn out_of(column: &str, unit: &str, code: Option<&str>, range: &UnitRange) -> Expr {
    let mut meant = text(unit).eq(lit(range.unit.clone()));
    if let (Some(column), Some(code)) = (code, &range.code) {
        meant = meant.and(text(column).eq(lit(code.clone())));
    }
    meant.and(outside(column, range.min.map(Bound::Number), range.max.map(Bound::Number)))
}
