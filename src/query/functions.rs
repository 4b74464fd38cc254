//! The functions a question may call, each with the reason why it is safe: it gives the same value
//! for the same arguments, reads nothing but its arguments, makes nothing larger than them, and
//! never fails on a row (a failure that depends on a row would tell that the row is there). And the
//! types it may cast to.

#![expect(clippy::wildcard_enum_match_arm, reason = "allow-lists: what is unknown is refused")]

use datafusion::{common::ScalarValue, logical_expr::Expr, sql::sqlparser::ast::DataType};

/// What a function's arguments after the value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// Any expression.
    Any,
    /// Literals: whole numbers from 0, or texts. A negative length fails, and a pattern taken from
    /// a row may fail on that row.
    Literals,
    /// The first is a literal of [`DATE_PARTS`].
    DatePart,
}

/// The scalar functions that are answered.
pub(super) const SCALAR: &[(&str, Rest)] = &[
    // Text: total, no longer than the arguments.
    ("btrim", Rest::Literals),
    ("ltrim", Rest::Literals),
    ("rtrim", Rest::Literals),
    ("lower", Rest::Any),
    ("upper", Rest::Any),
    ("character_length", Rest::Any),
    ("octet_length", Rest::Any),
    ("concat", Rest::Any),
    ("starts_with", Rest::Literals),
    ("ends_with", Rest::Literals),
    ("contains", Rest::Literals),
    ("strpos", Rest::Literals),
    ("left", Rest::Literals),
    ("right", Rest::Literals),
    ("substr", Rest::Literals),
    // Choice: total.
    ("coalesce", Rest::Any),
    ("nullif", Rest::Any),
    // Numbers: total. `abs` is not: the least integer has no absolute value.
    ("ceil", Rest::Any),
    ("floor", Rest::Any),
    ("round", Rest::Literals),
    ("trunc", Rest::Literals),
    ("sqrt", Rest::Any),
    ("ln", Rest::Any),
    ("log10", Rest::Any),
    ("log2", Rest::Any),
    ("exp", Rest::Any),
    ("signum", Rest::Any),
    // Dates: total for the parts of the list.
    ("date_part", Rest::DatePart),
    ("date_trunc", Rest::DatePart),
];

/// The parts of a date that `date_part` and `date_trunc` take.
pub(super) const DATE_PARTS: &[&str] =
    &["year", "quarter", "month", "week", "day", "dow", "doy", "hour", "minute"];

/// Other names of functions in [`SCALAR`], as people write them.
const ALIASES: &[(&str, &str)] = &[
    ("trim", "btrim"),
    ("length", "character_length"),
    ("char_length", "character_length"),
    ("substring", "substr"),
    ("position", "strpos"),
    ("datepart", "date_part"),
    ("datetrunc", "date_trunc"),
    ("extract", "date_part"),
];

/// The aggregates that are answered: sums over people, never one person's value.
pub(super) const AGGREGATES: &[&str] = &["count", "sum", "avg", "mean"];

/// Says whether a name, in lower case, may be called.
pub(super) fn is_known(name: &str) -> bool {
    AGGREGATES.contains(&name) || rest(name).is_some()
}

/// Returns the rule for the arguments of a scalar function that may be called.
pub(super) fn rest(name: &str) -> Option<Rest> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| *name);
    SCALAR.iter().find(|(known, _)| *known == name).map(|(_, rest)| *rest)
}

/// Says what is wrong with the arguments of a function that may be called.
pub(super) fn fault(rest: Rest, args: &[Expr]) -> Option<&'static str> {
    match rest {
        Rest::Any => None,
        Rest::Literals => (!args.iter().skip(1).all(is_plain_literal))
            .then_some("takes only literals after its first argument: texts, or numbers from 0"),
        Rest::DatePart => match args.first() {
            Some(Expr::Literal(value, _)) if text(value).is_some_and(is_date_part) => None,
            Some(_) | None => Some(
                "takes one of 'year', 'quarter', 'month', 'week', 'day', 'dow', 'doy', 'hour', \
                 'minute'",
            ),
        },
    }
}

/// Says why a function that many would look for is not there.
pub(super) fn why_not(name: &str) -> Option<&'static str> {
    match name {
        "min"
        | "max"
        | "first_value"
        | "last_value"
        | "nth_value"
        | "median"
        | "percentile_cont"
        | "approx_percentile_cont"
        | "approx_median"
        | "mode"
        | "any_value" => Some(
            "it would show the value of one person; COUNT, SUM and AVG are answered, and GROUP BY \
             bands of the column shows how its values are spread",
        ),
        "array_agg" | "string_agg" | "list" | "group_concat" | "listagg" => {
            Some("it would list the values of people one by one")
        }
        "read_csv" | "read_parquet" | "read_json" | "read_text" | "parquet_metadata" | "glob" => {
            Some("a question reads only the tables of its dataset version")
        }
        "now" | "current_date" | "current_timestamp" | "current_time" | "random" | "uuid"
        | "today" => Some("the same question must give the same answer; write the value itself"),
        "var" | "var_pop" | "var_samp" | "stddev" | "stddev_pop" | "stddev_samp" | "variance"
        | "corr" | "covar" => {
            Some("COUNT, SUM and AVG are answered; GROUP BY bands of the column shows its spread")
        }
        _ => None,
    }
}

fn is_date_part(name: &str) -> bool {
    DATE_PARTS.contains(&name.to_ascii_lowercase().as_str())
}

fn is_plain_literal(expr: &Expr) -> bool {
    let value = match expr {
        Expr::Literal(value, _) => value,
        Expr::Cast(cast) => return is_plain_literal(&cast.expr),
        _ => return false,
    };
    match value {
        ScalarValue::Int64(Some(n)) => *n >= 0,
        ScalarValue::Int32(Some(n)) => *n >= 0,
        ScalarValue::UInt64(Some(_)) | ScalarValue::UInt32(Some(_)) => true,
        other => text(other).is_some(),
    }
}

fn text(value: &ScalarValue) -> Option<&str> {
    match value {
        ScalarValue::Utf8(Some(text))
        | ScalarValue::Utf8View(Some(text))
        | ScalarValue::LargeUtf8(Some(text)) => Some(text),
        _ => None,
    }
}

/// Says whether a type is one of a cell: a type of types nests without end.
pub(super) fn is_plain(kind: &DataType) -> bool {
    use DataType as D;
    let number = matches!(
        kind,
        D::TinyInt(_)
            | D::SmallInt(_)
            | D::Int(_)
            | D::Int2(_)
            | D::Int4(_)
            | D::Int8(_)
            | D::Integer(_)
            | D::BigInt(_)
            | D::Float(_)
            | D::Float4
            | D::Float8
            | D::Real
            | D::Double(_)
            | D::DoublePrecision
            | D::Decimal(_)
            | D::Numeric(_)
    );
    let text = matches!(kind, D::Text | D::Varchar(_) | D::Char(_) | D::String(_));
    let time = matches!(kind, D::Date | D::Time(..) | D::Timestamp(..));
    number || text || time || matches!(kind, D::Bool | D::Boolean)
}
