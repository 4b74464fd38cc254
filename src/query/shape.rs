//! What a plan may look like: exactly one aggregate, whose rows each belong to one person, and
//! above it only what works on finished cells.
//!
//! Comes in: an analysed plan (types settled, nothing optimised). Goes out: its [`Shape`].
//! Never: a pseudonym in a condition or a group, a join that is not on `person`, or an expression
//! that could fail on one row and so tell that the row is there.

#![expect(clippy::wildcard_enum_match_arm, reason = "allow-lists: what is unknown is refused")]

use std::collections::BTreeSet;

use datafusion::{
    arrow::datatypes::{DataType, TimeUnit},
    common::{
        Column, DFSchema, DataFusionError, JoinType, ScalarValue,
        tree_node::{Transformed, TreeNode as _, TreeNodeRecursion},
    },
    logical_expr::{
        Aggregate, BinaryExpr, Cast, Expr, ExprSchemable as _, Join, LogicalPlan, Operator,
        TableScan, TryCast, expr::AggregateFunction, expr_rewriter::NamePreserver,
        utils::split_conjunction,
    },
};

use super::{error::Error, functions};

/// The column that says whose a row is.
pub(super) const PERSON: &str = "person";
/// How many columns a question may group by, and how many values it may ask of each cell.
const COLUMNS_MAX: usize = 32;

/// What one aggregate of a question asks of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Measure {
    /// `COUNT(*)`.
    Rows,
    /// `COUNT(DISTINCT person)`.
    People,
    /// `COUNT(column)`.
    Count(Column),
    /// `COUNT(DISTINCT column)`.
    Distinct(Column),
    /// `SUM(column)`.
    Sum(Column),
    /// `AVG(column)`.
    Average(Column),
}

/// A plan that may be answered.
#[derive(Debug)]
pub(super) struct Shape {
    /// What stands above the aggregate, the outermost first; each has one input.
    pub(super) above: Vec<LogicalPlan>,
    /// The aggregate. Only its input and groups are executed; its values are made by `disclosure`.
    pub(super) aggregate: Aggregate,
    /// The column of its input that says whose a row is.
    pub(super) person: Column,
    /// What it asks of each cell, in the order of its expressions.
    pub(super) measures: Vec<Measure>,
}

/// Columns that hold pseudonyms, by table: `person`, and the keyed ids of visits and the like.
pub(super) type Identifiers = BTreeSet<(String, String)>;

/// Reads the shape of a plan.
pub(super) fn shape(plan: LogicalPlan, identifiers: &Identifiers) -> Result<Shape, Error> {
    let mut above = Vec::new();
    let mut node = plan;
    let aggregate = loop {
        let input = match &node {
            LogicalPlan::Aggregate(aggregate) => break aggregate.clone(),
            LogicalPlan::Projection(projection) => &projection.input,
            LogicalPlan::Filter(filter) => &filter.input,
            LogicalPlan::Sort(sort) => &sort.input,
            LogicalPlan::Limit(limit) => &limit.input,
            LogicalPlan::SubqueryAlias(alias) => &alias.input,
            LogicalPlan::TableScan(_) => {
                return Err(Error::refused(
                    "a question for rows",
                    "ask for COUNT, SUM or AVG; only aggregates leave",
                ));
            }
            LogicalPlan::Join(_) => {
                return Err(Error::refused(
                    "a join outside the aggregate",
                    "join the tables on `person` in FROM and aggregate once; only aggregates leave",
                ));
            }
            other => return Err(surplus(other)),
        };
        let input = input.as_ref().clone();
        let nothing = Columns::none(input.schema().fields().len());
        for expr in node.expressions() {
            check(&expr, input.schema(), &nothing, Floor::Cells)?;
        }
        above.push(node);
        node = input;
    };
    let rows = columns(&aggregate.input, identifiers)?;
    let schema = aggregate.input.schema();
    if aggregate.group_expr.len() > COLUMNS_MAX || aggregate.aggr_expr.len() > COLUMNS_MAX {
        return Err(Error::refused(format!("more than {COLUMNS_MAX} columns"), ""));
    }
    for expr in &aggregate.group_expr {
        check(expr, schema, &rows, Floor::Rows)?;
    }
    let owner = rows.flags.iter().position(|flag| flag.owner);
    let person = owner.and_then(|at| schema.columns().into_iter().nth(at)).ok_or_else(|| {
        Error::refused(
            "an aggregate over rows that no longer say whose they are",
            "let the inner SELECT keep the column `person`",
        )
    })?;
    let measures = aggregate
        .aggr_expr
        .iter()
        .map(|expr| measure(expr, schema, &rows))
        .collect::<Result<_, _>>()?;
    Ok(Shape { above, aggregate, person, measures })
}

/// Makes casts between dates and timestamps give null where they would fail. The analyser puts
/// them into comparisons by itself (microseconds against a text become nanoseconds, which end in
/// the year 2262), and a failure would tell that such a row is there.
pub(super) fn soften(plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    let temporal = |kind: &DataType| {
        matches!(kind, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
    };
    let softened = plan.transform_up(|node| {
        let names = NamePreserver::new(&node);
        let schema = merged(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let expr = expr.transform_up(|expr| match expr {
                Expr::Cast(Cast { expr, field })
                    if temporal(field.data_type())
                        && expr.get_type(&schema).is_ok_and(|kind| temporal(&kind)) =>
                {
                    let soft = TryCast::new(expr, field.data_type().clone());
                    Ok(Transformed::yes(Expr::TryCast(soft)))
                }
                other => Ok(Transformed::no(other)),
            })?;
            Ok(expr.update_data(|expr| name.restore(expr)))
        })
    })?;
    Ok(softened.data)
}

/// The columns that a node's expressions speak of.
fn merged(node: &LogicalPlan) -> DFSchema {
    let mut schema = DFSchema::empty();
    for input in node.inputs() {
        schema.merge(input.schema());
    }
    schema
}

/// What is known of one column below the aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flag {
    /// It is the pseudonym of the person whose row it is, in every row.
    owner: bool,
    /// It holds a pseudonym: nothing may be asked of its value.
    identifier: bool,
    /// It is a column of a table as it stands there.
    base: bool,
}

/// What is known of each column of a plan.
#[derive(Debug)]
struct Columns {
    flags: Vec<Flag>,
}

impl Columns {
    fn none(count: usize) -> Self {
        Self { flags: vec![Flag { owner: false, identifier: false, base: false }; count] }
    }

    fn of(&self, column: &Column, schema: &DFSchema) -> Result<Flag, Error> {
        schema
            .maybe_index_of_column(column)
            .and_then(|at| self.flags.get(at))
            .copied()
            .ok_or_else(|| Error::Sql { reason: format!("there is no column `{}`", column.name) })
    }
}

fn columns(plan: &LogicalPlan, identifiers: &Identifiers) -> Result<Columns, Error> {
    match plan {
        LogicalPlan::TableScan(TableScan {
            table_name, projected_schema, filters, fetch, ..
        }) => {
            if !filters.is_empty() || fetch.is_some() {
                return Err(Error::refused("this plan", ""));
            }
            let table = table_name.table();
            let flags = projected_schema.fields().iter().map(|field| {
                let name = field.name();
                Flag {
                    owner: name == PERSON,
                    identifier: name == PERSON
                        || identifiers.contains(&(table.to_owned(), name.clone())),
                    base: true,
                }
            });
            Ok(Columns { flags: flags.collect() })
        }
        LogicalPlan::SubqueryAlias(alias) => columns(&alias.input, identifiers),
        LogicalPlan::Filter(filter) => {
            let input = columns(&filter.input, identifiers)?;
            check(&filter.predicate, filter.input.schema(), &input, Floor::Rows)?;
            Ok(input)
        }
        LogicalPlan::Projection(projection) => {
            let input = columns(&projection.input, identifiers)?;
            let schema = projection.input.schema();
            let flags = projection.expr.iter().map(|expr| {
                if let Expr::Column(column) = bare(expr) {
                    return input.of(column, schema);
                }
                check(expr, schema, &input, Floor::Rows)?;
                Ok(Flag { owner: false, identifier: false, base: false })
            });
            Ok(Columns { flags: flags.collect::<Result<_, _>>()? })
        }
        LogicalPlan::Join(join) => joined(join, identifiers),
        LogicalPlan::Aggregate(_) => Err(Error::refused(
            "an aggregate over an aggregate",
            "aggregate once; GROUP BY makes the cells",
        )),
        LogicalPlan::Limit(_) | LogicalPlan::Sort(_) => Err(Error::refused(
            "LIMIT or ORDER BY below the aggregate",
            "it would pick single rows; put it after GROUP BY",
        )),
        other => Err(surplus(other)),
    }
}

/// A join keeps one person a row only if both sides agree on the person. In an outer join the side
/// that may be missing says nothing of whose the row is.
fn joined(join: &Join, identifiers: &Identifiers) -> Result<Columns, Error> {
    let left = columns(&join.left, identifiers)?;
    let right = columns(&join.right, identifiers)?;
    let width = left.flags.len();
    let both = Columns { flags: left.flags.iter().chain(&right.flags).copied().collect() };
    let mut on_person = false;
    let mut pair = |one: &Expr, other: &Expr| -> Result<bool, Error> {
        let (Expr::Column(one), Expr::Column(other)) = (bare(one), bare(other)) else {
            return Ok(false);
        };
        let (Some(a), Some(b)) =
            (join.schema.maybe_index_of_column(one), join.schema.maybe_index_of_column(other))
        else {
            return Ok(false);
        };
        let (first, second) = (both.of(one, &join.schema)?, both.of(other, &join.schema)?);
        let across = (a < width) != (b < width);
        on_person |= across && first.owner && second.owner;
        Ok(across && first.identifier && second.identifier)
    };
    let mut others = Vec::new();
    for (one, other) in &join.on {
        if !pair(one, other)? {
            others.extend([one, other]);
        }
    }
    for condition in join.filter.iter().flat_map(split_conjunction) {
        let equal = match condition {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => pair(left, right)?,
            _ => false,
        };
        if !equal {
            others.push(condition);
        }
    }
    for expr in others {
        check(expr, &join.schema, &both, Floor::Rows)?;
    }
    if !on_person {
        return Err(Error::refused(
            "a join that is not on `person`",
            "write JOIN … USING (person), or ON a.person = b.person AND …",
        ));
    }
    let (keep_left, keep_right) = match join.join_type {
        JoinType::Inner => (true, true),
        JoinType::Left => (true, false),
        JoinType::Right => (false, true),
        JoinType::Full
        | JoinType::LeftSemi
        | JoinType::RightSemi
        | JoinType::LeftAnti
        | JoinType::RightAnti
        | JoinType::LeftMark
        | JoinType::RightMark => {
            return Err(Error::refused(
                "this kind of join",
                "write JOIN … USING (person), LEFT or RIGHT",
            ));
        }
    };
    let mut flags = both.flags;
    for (at, flag) in flags.iter_mut().enumerate() {
        flag.owner &= if at < width { keep_left } else { keep_right };
    }
    Ok(Columns { flags })
}

fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => bare(&alias.expr),
        other => other,
    }
}

fn surplus(plan: &LogicalPlan) -> Error {
    let text = plan.display().to_string();
    let name = text.split([':', ' ', '(']).next().unwrap_or_default();
    Error::refused(format!("`{name}` in a plan"), "ask one SELECT with one aggregate")
}

/// Reads one aggregate. Its argument is a column as it stands in a table: an expression could hide
/// a condition that holds for a few people among many (`SUM(CASE WHEN …)`), and the size of the
/// cell would not show it.
fn measure(expr: &Expr, schema: &DFSchema, rows: &Columns) -> Result<Measure, Error> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = bare(expr) else {
        return Err(Error::refused("this aggregate", ""));
    };
    let name = func.name().to_ascii_lowercase();
    if params.filter.is_some() || !params.order_by.is_empty() || params.null_treatment.is_some() {
        return Err(Error::refused(format!("`{name}` with FILTER or ORDER BY"), "write WHERE"));
    }
    let [argument] = params.args.as_slice() else {
        return Err(Error::refused(format!("`{name}` of several columns"), "name one column"));
    };
    if let Expr::Literal(value, _) = argument
        && name == "count"
        && !params.distinct
        && !value.is_null()
    {
        return Ok(Measure::Rows);
    }
    let column = match numeric(argument, schema) {
        Expr::Column(column) if rows.of(column, schema)?.base => column.clone(),
        _ => {
            return Err(Error::refused(
                format!("`{name}` of anything but a column of a table"),
                "put conditions into WHERE, or into GROUP BY with CASE; SUM(a + b) is \
                 SUM(a) + SUM(b)",
            ));
        }
    };
    let flag = rows.of(&column, schema)?;
    match (name.as_str(), params.distinct) {
        ("count", true) if flag.owner => Ok(Measure::People),
        ("count", true) => Ok(Measure::Distinct(column)),
        ("count", false) => Ok(Measure::Count(column)),
        ("sum" | "avg", false) if !flag.identifier => {
            let kind = schema.maybe_index_of_column(&column).map(|at| schema.field(at).data_type());
            if !kind.is_some_and(DataType::is_numeric) {
                return Err(Error::refused(format!("`{name}` of a column without numbers"), ""));
            }
            Ok(if name == "sum" { Measure::Sum(column) } else { Measure::Average(column) })
        }
        ("sum" | "avg", true) => {
            Err(Error::refused(format!("`{name}` with DISTINCT"), "leave DISTINCT out"))
        }
        _ => Err(Error::refused(
            format!("the aggregate `{name}`"),
            functions::why_not(&name).unwrap_or("COUNT, SUM and AVG are answered"),
        )),
    }
}

/// Looks through the casts between numbers that the analyser put round an argument.
fn numeric<'a>(expr: &'a Expr, schema: &DFSchema) -> &'a Expr {
    match expr {
        Expr::Alias(alias) => numeric(&alias.expr, schema),
        Expr::Cast(cast)
            if cast.field.data_type().is_numeric()
                && cast.expr.get_type(schema).is_ok_and(|kind| kind.is_numeric()) =>
        {
            numeric(&cast.expr, schema)
        }
        other => other,
    }
}

/// What an expression works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Floor {
    /// Rows of people: a failure would tell of a row, so only total expressions pass.
    Rows,
    /// Cells that may be seen.
    Cells,
}

/// Checks one expression and all below it: an allow-list.
fn check(expr: &Expr, schema: &DFSchema, columns: &Columns, floor: Floor) -> Result<(), Error> {
    let mut fault = None;
    let walked = expr.apply(|node| {
        let found = match node {
            Expr::Column(column) => match columns.of(column, schema) {
                Ok(flag) if flag.identifier => Err(Error::refused(
                    format!("a group or condition on the pseudonym `{}`", column.name),
                    "a pseudonym serves to join tables and in COUNT(DISTINCT …)",
                )),
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            },
            Expr::Literal(value, _) if floor == Floor::Cells || is_short(value) => Ok(()),
            Expr::Literal(..) => Err(Error::refused("an interval of more than 1,000 years", "")),
            Expr::Alias(_)
            | Expr::Not(_)
            | Expr::IsNotNull(_)
            | Expr::IsNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Negative(_)
            | Expr::Between(_)
            | Expr::Case(_)
            | Expr::InList(_)
            | Expr::TryCast(_) => Ok(()),
            Expr::Like(like) => match (floor, &*like.pattern) {
                (Floor::Cells, _) | (Floor::Rows, Expr::Literal(..)) => Ok(()),
                (Floor::Rows, _) => Err(Error::refused("LIKE with a pattern that is no text", "")),
            },
            Expr::BinaryExpr(binary) => operator(binary, floor),
            Expr::Cast(cast) => {
                let from = cast.expr.get_type(schema).unwrap_or(DataType::Null);
                let literal = matches!(*cast.expr, Expr::Literal(..));
                if floor == Floor::Cells || literal || total(&from, cast.field.data_type()) {
                    Ok(())
                } else {
                    Err(Error::refused(
                        format!("a CAST from {from} to {} of rows", cast.field.data_type()),
                        "write TRY_CAST: a cast that fails on a row would tell that it is there",
                    ))
                }
            }
            Expr::ScalarFunction(call) => match functions::rest(call.name()) {
                None => Err(Error::refused(format!("the function `{}`", call.name()), "")),
                Some(rest) => match functions::fault(rest, &call.args) {
                    Some(fault) if floor == Floor::Rows => Err(Error::refused(
                        format!("`{}` with these arguments", call.name()),
                        fault,
                    )),
                    Some(_) | None => Ok(()),
                },
            },
            Expr::AggregateFunction(_) => {
                Err(Error::refused("an aggregate inside an aggregate", "aggregate once"))
            }
            other => Err(Error::refused(
                format!("`{}` in an expression", other.variant_name()),
                "ask one SELECT with one aggregate",
            )),
        };
        match found {
            Ok(()) => Ok(TreeNodeRecursion::Continue),
            Err(error) => {
                fault = Some(error);
                Ok(TreeNodeRecursion::Stop)
            }
        }
    });
    match (fault, walked) {
        (Some(error), _) => Err(error),
        (None, Ok(_)) => Ok(()),
        (None, Err(_)) => Err(Error::Engine { doing: "read the plan", kind: "plan" }),
    }
}

fn operator(binary: &BinaryExpr, floor: Floor) -> Result<(), Error> {
    use Operator as O;
    match binary.op {
        O::Eq
        | O::NotEq
        | O::Lt
        | O::LtEq
        | O::Gt
        | O::GtEq
        | O::And
        | O::Or
        | O::IsDistinctFrom
        | O::IsNotDistinctFrom
        | O::StringConcat
        | O::Plus
        | O::Minus
        | O::Multiply => Ok(()),
        O::Divide | O::Modulo if floor == Floor::Cells || nonzero(&binary.right) => Ok(()),
        O::Divide | O::Modulo => Err(Error::refused(
            "a division of rows by anything but a number other than 0",
            "a division that fails on a row would tell that it is there; divide the aggregates",
        )),
        other => Err(Error::refused(format!("the operator `{other}`"), "")),
    }
}

fn nonzero(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::Int64(Some(n)), _) => *n > 0,
        Expr::Literal(ScalarValue::Float64(Some(x)), _) => *x != 0.0,
        // A whole number stays what it is; a fraction cast to a whole number may become 0.
        Expr::Cast(cast) => {
            let (to, whole) = (cast.field.data_type(), is_whole(&cast.expr));
            (to.is_floating() || (to.is_numeric() && whole)) && nonzero(&cast.expr)
        }
        _ => false,
    }
}

fn is_whole(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Int64(Some(_)), _))
}

/// Says whether adding an interval to a date of a calendar cannot fail: at most 1,000 years, so
/// that even a chain of them stays far from where dates end.
fn is_short(value: &ScalarValue) -> bool {
    match value {
        ScalarValue::IntervalMonthDayNano(Some(span)) => {
            span.months.unsigned_abs() <= 12_000 && span.days.unsigned_abs() <= 366_000
        }
        other => !matches!(other.data_type(), DataType::Interval(_)),
    }
}

/// Says whether every value of one type has a value of the other.
fn total(from: &DataType, to: &DataType) -> bool {
    let text =
        |kind: &DataType| matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let whole = |kind: &DataType| kind.is_integer();
    let small = |kind: &DataType| {
        matches!(kind, DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Boolean)
            || matches!(kind, DataType::UInt8 | DataType::UInt16 | DataType::UInt32)
    };
    from == to
        || *from == DataType::Null
        || text(to)
        || (matches!(to, DataType::Float64) && (from.is_numeric() || *from == DataType::Boolean))
        || (matches!(to, DataType::Int64) && small(from))
        || (matches!(to, DataType::Int32)
            && matches!(from, DataType::Int8 | DataType::Int16 | DataType::Boolean))
        || (matches!(to, DataType::Boolean) && whole(from))
        || (matches!(from, DataType::Timestamp(..)) && matches!(to, DataType::Date32))
        // Not to nanoseconds, which end in the year 2262.
        || (matches!(from, DataType::Date32)
            && matches!(to, DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond, _)))
}
