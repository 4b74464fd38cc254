//! The door for strangers' SQL: one SELECT over the tables of one dataset version, with functions
//! of the list, and nothing else. An allow-list: what this file does not know is refused.
//!
//! Comes in: text. Goes out: a [`Guarded`] statement, which is planned as it was read here.
//! Never: a second statement, a file, a setting, a subquery in an expression, or a system table.

use std::{collections::BTreeSet, ops::ControlFlow, thread};

use datafusion::sql::sqlparser::{
    ast::{
        BinaryOperator, CastKind, Distinct, Expr, Function, FunctionArguments, GroupByExpr,
        JoinOperator, ObjectName, ObjectNamePart, Query, Select, SetExpr, Spanned as _, Statement,
        TableFactor, TypedString, UnaryOperator, Value, Visit as _, Visitor, With,
    },
    dialect::GenericDialect,
    parser::{Parser, ParserError},
    tokenizer::Span,
};

use super::{
    error::{Error, Place},
    functions,
};

/// The longest question, in bytes.
const BYTES_MAX: usize = 20_000;
/// How deep a question may nest.
const DEPTH_MAX: usize = 48;
/// How deep an expression may be once it is read: a chain of operators nests without brackets.
const CHAIN_MAX: usize = 128;
/// The stack a question is read on: the worst of [`BYTES_MAX`] bytes fits, on whatever thread the
/// caller runs. Pages that are not reached cost nothing.
const STACK_BYTES: usize = 256 << 20;
/// How many SELECTs may stand in each other.
const QUERIES_MAX: usize = 8;
/// How many tables a question may name; each join multiplies work.
const TABLES_MAX: usize = 8;

/// A statement that passed the door. Only [`guard`] makes one.
#[derive(Debug)]
pub(super) struct Guarded {
    statement: Statement,
}

impl Guarded {
    /// Returns the statement.
    pub(super) fn into_statement(self) -> Statement {
        self.statement
    }

    /// Returns the question's normalised text: the same for every way to space it.
    pub(super) fn text(&self) -> String {
        self.statement.to_string()
    }
}

/// Reads a question over `tables`, on a stack of its own.
pub(super) fn guard(sql: &str, tables: &BTreeSet<&str>) -> Result<Guarded, Error> {
    if sql.len() > BYTES_MAX {
        let what = format!("a question of {} bytes (at most {BYTES_MAX})", sql.len());
        return Err(Error::refused(what, ""));
    }
    let failed = |kind| Error::Engine { doing: "read", kind };
    thread::scope(|scope| {
        thread::Builder::new()
            .name("almoner-question".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || read(sql, tables))
            .map_err(|_| failed("thread"))?
            .join()
            .map_err(|_| failed("panic"))?
    })
}

fn read(sql: &str, tables: &BTreeSet<&str>) -> Result<Guarded, Error> {
    let statements = Parser::new(&GenericDialect {})
        .with_recursion_limit(DEPTH_MAX)
        .try_with_sql(sql)
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| match error {
            ParserError::TokenizerError(reason) | ParserError::ParserError(reason) => {
                Error::Sql { reason }
            }
            ParserError::RecursionLimitExceeded => {
                Error::refused(format!("a question nested deeper than {DEPTH_MAX}"), "")
            }
        })?;
    let count = statements.len();
    let mut statements = statements.into_iter();
    let (Some(statement), None) = (statements.next(), statements.next()) else {
        return Err(Error::refused(format!("a question of {count} statements"), "ask one SELECT"));
    };
    if !matches!(statement, Statement::Query(_)) {
        let text = statement.to_string();
        let verb = text.split_whitespace().next().unwrap_or_default().to_uppercase();
        return Err(refuse(statement.span(), format!("`{verb}`"), "ask one SELECT"));
    }
    let mut watch = Watch { tables, ctes: Vec::new(), queries: 0, named: 0, depth: 0 };
    match statement.visit(&mut watch) {
        ControlFlow::Continue(()) => Ok(Guarded { statement }),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Watch<'a> {
    tables: &'a BTreeSet<&'a str>,
    ctes: Vec<String>,
    queries: usize,
    named: usize,
    depth: usize,
}

type Seen = ControlFlow<Error>;

fn refuse(span: Span, what: impl Into<String>, hint: &str) -> Error {
    let place =
        (span.start.line > 0).then_some(Place { line: span.start.line, column: span.start.column });
    Error::Refused { what: what.into(), place, hint: (!hint.is_empty()).then(|| hint.to_owned()) }
}

fn no(span: Span, what: impl Into<String>, hint: &str) -> Seen {
    ControlFlow::Break(refuse(span, what, hint))
}

/// What DataFusion makes of a name: as it is in double quotes or backticks, else in lower case.
fn normal(part: &ObjectNamePart) -> Option<String> {
    let ident = part.as_ident()?;
    Some(match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    })
}

const SUBQUERY: &str = "join the tables on `person` in FROM, or name the inner SELECT WITH … AS";

impl Visitor for Watch<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> Seen {
        self.queries += 1;
        let span = query.span();
        if self.queries > QUERIES_MAX {
            return no(span, format!("a question of more than {QUERIES_MAX} SELECTs"), "");
        }
        let Query {
            with,
            body,
            order_by: _,
            limit_clause: _,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        if let Some(With { recursive, cte_tables, .. }) = with {
            if *recursive {
                return no(span, "a recursive WITH", "");
            }
            for cte in cte_tables {
                let name = &cte.alias.name;
                self.ctes.push(match name.quote_style {
                    Some(_) => name.value.clone(),
                    None => name.value.to_ascii_lowercase(),
                });
            }
        }
        let surplus = [
            (fetch.is_some(), "`FETCH`", "write LIMIT"),
            (!locks.is_empty(), "`FOR UPDATE`", ""),
            (for_clause.is_some(), "`FOR`", ""),
            (settings.is_some(), "`SETTINGS`", ""),
            (format_clause.is_some(), "`FORMAT`", "say --format on the command line"),
            (!pipe_operators.is_empty(), "a pipe", ""),
        ];
        if let Some((_, what, hint)) = surplus.into_iter().find(|(there, ..)| *there) {
            return no(span, what, hint);
        }
        match &**body {
            SetExpr::Select(_) | SetExpr::Query(_) => ControlFlow::Continue(()),
            SetExpr::SetOperation { op, .. } => {
                no(span, format!("`{op}`"), "ask one SELECT; GROUP BY makes several cells")
            }
            SetExpr::Values(_) => no(span, "`VALUES`", "ask the tables of the dataset"),
            SetExpr::Table(_) => no(span, "`TABLE`", "ask for an aggregate"),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                no(span, "a change of the data", "ask one SELECT")
            }
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> Seen {
        let span = select.span();
        let (group_modifiers, group_all) = match &select.group_by {
            GroupByExpr::All(modifiers) => (modifiers, true),
            GroupByExpr::Expressions(_, modifiers) => (modifiers, false),
        };
        let surplus = [
            (
                matches!(select.distinct, Some(Distinct::Distinct | Distinct::On(_))),
                "`SELECT DISTINCT`",
                "write GROUP BY with COUNT(*)",
            ),
            (select.top.is_some(), "`TOP`", "write LIMIT"),
            (select.into.is_some(), "`INTO`", "redirect the command's output"),
            (!select.lateral_views.is_empty(), "`LATERAL VIEW`", ""),
            (select.prewhere.is_some(), "`PREWHERE`", "write WHERE"),
            (!select.connect_by.is_empty(), "`CONNECT BY`", ""),
            (!select.cluster_by.is_empty(), "`CLUSTER BY`", ""),
            (!select.distribute_by.is_empty(), "`DISTRIBUTE BY`", ""),
            (!select.sort_by.is_empty(), "`SORT BY`", "write ORDER BY"),
            (!select.named_window.is_empty(), "`WINDOW`", "write GROUP BY"),
            (select.qualify.is_some(), "`QUALIFY`", "write HAVING"),
            (select.value_table_mode.is_some(), "`SELECT AS`", ""),
            (select.exclude.is_some(), "`EXCLUDE`", "name the columns"),
            (select.select_modifiers.is_some(), "a modifier of SELECT", ""),
            (!select.optimizer_hints.is_empty(), "an optimizer hint", ""),
            (group_all, "`GROUP BY ALL`", "name the columns"),
            (!group_modifiers.is_empty(), "`ROLLUP` or `CUBE`", "ask one grouping at a time"),
            (select.from.is_empty(), "a SELECT without FROM", "ask the tables of the dataset"),
        ];
        if let Some((_, what, hint)) = surplus.into_iter().find(|(there, ..)| *there) {
            return no(span, what, hint);
        }
        for table in &select.from {
            for join in &table.joins {
                joined(&join.join_operator, join.relation.span())?;
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> Seen {
        self.named += 1;
        if self.named > TABLES_MAX {
            return no(factor.span(), format!("a question of more than {TABLES_MAX} tables"), "");
        }
        match factor {
            TableFactor::Table { name, args: Some(_), .. } => {
                called(&name.to_string(), name.span())
            }
            TableFactor::Table {
                name,
                alias: _,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => {
                self.relation(name)
            }
            TableFactor::Table { name, .. } => {
                no(name.span(), format!("a sample, version or hint of table `{name}`"), "")
            }
            TableFactor::Derived { lateral: false, sample: None, .. } => ControlFlow::Continue(()),
            TableFactor::NestedJoin { table_with_joins, .. } => {
                for join in &table_with_joins.joins {
                    joined(&join.join_operator, join.relation.span())?;
                }
                ControlFlow::Continue(())
            }
            TableFactor::Function { name, .. } => called(&name.to_string(), name.span()),
            TableFactor::Derived { .. }
            | TableFactor::TableFunction { .. }
            | TableFactor::UNNEST { .. }
            | TableFactor::JsonTable { .. }
            | TableFactor::OpenJsonTable { .. }
            | TableFactor::Pivot { .. }
            | TableFactor::Unpivot { .. }
            | TableFactor::MatchRecognize { .. }
            | TableFactor::XmlTable { .. }
            | TableFactor::SemanticView { .. } => {
                no(factor.span(), "this kind of table", "name a table of the dataset")
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "an allow-list: the unknown is refused")]
    fn pre_visit_expr(&mut self, expr: &Expr) -> Seen {
        self.depth += 1;
        if self.depth > CHAIN_MAX {
            let what = format!("an expression deeper than {CHAIN_MAX}");
            return no(expr.span(), what, "write IN (…) for a long chain of OR");
        }
        match expr {
            Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => {
                no(expr.span(), "a placeholder", "write the value")
            }
            Expr::BinaryOp { op, .. } if !is_known(op) => {
                no(expr.span(), format!("the operator `{op}`"), "")
            }
            Expr::Cast { data_type, .. } | Expr::TypedString(TypedString { data_type, .. })
                if !functions::is_plain(data_type) =>
            {
                no(
                    expr.span(),
                    "this type",
                    "cast to INT, DOUBLE, TEXT, BOOLEAN, DATE or TIMESTAMP",
                )
            }
            Expr::Identifier(_)
            | Expr::CompoundIdentifier(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::InList { .. }
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::Extract { .. }
            | Expr::Ceil { .. }
            | Expr::Floor { .. }
            | Expr::Position { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. }
            | Expr::Nested(_)
            | Expr::TypedString(_)
            | Expr::Case { .. }
            | Expr::Interval(_)
            | Expr::Value(_)
            | Expr::BinaryOp { .. }
            | Expr::UnaryOp {
                op: UnaryOperator::Not | UnaryOperator::Plus | UnaryOperator::Minus,
                ..
            }
            | Expr::Cast {
                kind: CastKind::Cast | CastKind::TryCast | CastKind::DoubleColon, ..
            } => ControlFlow::Continue(()),
            Expr::Function(function) => call(function),
            Expr::Subquery(query) => no(query.span(), "a SELECT inside an expression", SUBQUERY),
            Expr::Exists { subquery, .. } => no(subquery.span(), "`EXISTS`", SUBQUERY),
            Expr::InSubquery { subquery, .. } => {
                no(subquery.span(), "`IN` with a SELECT", SUBQUERY)
            }
            Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) => {
                no(expr.span(), "`ROLLUP`, `CUBE` or `GROUPING SETS`", "ask one grouping at a time")
            }
            _ => no(expr.span(), "this kind of expression", ""),
        }
    }

    fn post_visit_expr(&mut self, _: &Expr) -> Seen {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

impl Watch<'_> {
    fn relation(&self, name: &ObjectName) -> Seen {
        let known = match name.0.as_slice() {
            [part] => normal(part).is_some_and(|name| {
                self.tables.contains(name.as_str()) || self.ctes.contains(&name)
            }),
            _ => false,
        };
        if known {
            return ControlFlow::Continue(());
        }
        let list: Vec<&str> = self.tables.iter().copied().collect();
        let hint = format!("the dataset has {}", list.join(", "));
        no(name.span(), format!("a table `{name}` that the dataset does not have"), &hint)
    }
}

fn joined(operator: &JoinOperator, span: Span) -> Seen {
    match operator {
        JoinOperator::Join(_)
        | JoinOperator::Inner(_)
        | JoinOperator::Left(_)
        | JoinOperator::LeftOuter(_)
        | JoinOperator::Right(_)
        | JoinOperator::RightOuter(_) => ControlFlow::Continue(()),
        JoinOperator::FullOuter(_)
        | JoinOperator::CrossJoin(_)
        | JoinOperator::Semi(_)
        | JoinOperator::LeftSemi(_)
        | JoinOperator::RightSemi(_)
        | JoinOperator::Anti(_)
        | JoinOperator::LeftAnti(_)
        | JoinOperator::RightAnti(_)
        | JoinOperator::CrossApply
        | JoinOperator::OuterApply
        | JoinOperator::AsOf { .. }
        | JoinOperator::StraightJoin(_)
        | JoinOperator::ArrayJoin
        | JoinOperator::LeftArrayJoin
        | JoinOperator::InnerArrayJoin => {
            no(span, "this kind of join", "write JOIN … USING (person), LEFT or RIGHT")
        }
    }
}

fn called(name: &str, span: Span) -> Seen {
    let name = name.to_ascii_lowercase();
    let hint = functions::why_not(&name).unwrap_or("a question reads only the dataset's tables");
    no(span, format!("the table function `{name}`"), hint)
}

fn call(function: &Function) -> Seen {
    let Function {
        name,
        uses_odbc_syntax,
        parameters,
        args,
        filter,
        null_treatment,
        over,
        within_group,
    } = function;
    let span = name.span();
    let lower = name.to_string().to_ascii_lowercase();
    if over.is_some() {
        return no(span, format!("`{lower}` over a window"), "write GROUP BY");
    }
    if !functions::is_known(&lower) {
        let hint = functions::why_not(&lower).unwrap_or_default();
        return no(span, format!("the function `{lower}`"), hint);
    }
    if filter.is_some() {
        let hint = "put the condition into WHERE, or into GROUP BY with CASE";
        return no(span, format!("`{lower}` with FILTER"), hint);
    }
    let clauses = match args {
        FunctionArguments::List(list) => !list.clauses.is_empty(),
        FunctionArguments::None => false,
        FunctionArguments::Subquery(_) => true,
    };
    let plain = !*uses_odbc_syntax
        && matches!(parameters, FunctionArguments::None)
        && null_treatment.is_none()
        && within_group.is_empty()
        && !clauses;
    if plain {
        return ControlFlow::Continue(());
    }
    no(span, format!("`{lower}` with ORDER BY or other clauses"), "")
}

fn is_known(operator: &BinaryOperator) -> bool {
    use BinaryOperator as B;
    let arithmetic = matches!(
        operator,
        B::Plus | B::Minus | B::Multiply | B::Divide | B::Modulo | B::StringConcat
    );
    let logic =
        matches!(operator, B::Gt | B::Lt | B::GtEq | B::LtEq | B::Eq | B::NotEq | B::And | B::Or);
    arithmetic || logic
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(sql: &str) -> Result<Guarded, Error> {
        guard(sql, &BTreeSet::from(["conditions", "patients"]))
    }

    fn refused(sql: &str) -> (String, Option<Place>) {
        match ask(sql) {
            Err(Error::Refused { what, place, .. }) => (what, place),
            other => panic!("not refused: {sql}: {other:?}"),
        }
    }

    #[test]
    fn an_aggregate_over_the_tables_passes() {
        for sql in [
            "SELECT code, COUNT(*) FROM conditions GROUP BY code",
            "WITH c AS (SELECT * FROM conditions) SELECT COUNT(DISTINCT person) FROM c",
            "SELECT extract(year FROM onset) y, count(*) FROM conditions GROUP BY 1 ORDER BY 2 DESC LIMIT 3",
            "SELECT avg(p.age) FROM conditions c JOIN Patients p USING (person) WHERE c.code LIKE 'E%'",
        ] {
            assert!(ask(sql).is_ok(), "{sql}: {:?}", ask(sql));
        }
    }

    #[test]
    fn what_is_no_question_is_refused() {
        for sql in [
            "COPY conditions TO '/tmp/x'",
            "SET datafusion.execution.batch_size = 1",
            "EXPLAIN SELECT COUNT(*) FROM conditions",
            "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
            "CREATE TABLE x AS SELECT * FROM conditions",
            "INSERT INTO conditions VALUES (1)",
            "DROP TABLE conditions",
            "SELECT COUNT(*) FROM conditions; SELECT COUNT(*) FROM conditions",
            "SELECT COUNT(*) FROM '/etc/passwd'",
            "SELECT COUNT(*) FROM \"/etc/passwd\"",
            "SELECT * FROM read_csv('/etc/passwd')",
            "SELECT COUNT(*) FROM information_schema.tables",
            "SELECT COUNT(*) FROM datafusion.public.conditions",
            "SELECT COUNT(*) FROM conditions UNION ALL SELECT COUNT(*) FROM patients",
            "SELECT row_number() OVER () FROM conditions",
            "SELECT count(*) OVER () FROM conditions",
            "SELECT (SELECT count(*) FROM patients) FROM conditions",
            "SELECT count(*) FROM conditions c WHERE EXISTS (SELECT 1 FROM patients p WHERE p.person = c.person)",
            "SELECT count(*) FROM conditions WHERE person IN (SELECT person FROM patients)",
            "WITH RECURSIVE t AS (SELECT 1) SELECT count(*) FROM conditions",
            "SELECT DISTINCT code FROM conditions",
            "SELECT count(*) INTO x FROM conditions",
            "SELECT count(*) FROM conditions FOR UPDATE",
            "SELECT MIN(age) FROM patients",
            "SELECT array_agg(code) FROM conditions",
            "SELECT count(*) FILTER (WHERE age = 4) FROM patients",
            "SELECT code, count(*) FROM conditions GROUP BY ROLLUP (code)",
            "SELECT count(*) FROM conditions CROSS JOIN patients",
            "SELECT count(*) FROM conditions TABLESAMPLE BERNOULLI (1)",
            "SELECT count(*) FROM patients WHERE name ~ 'x'",
            "SELECT count(*) FROM patients WHERE random() < 0.5",
            "SELECT 1",
            "VALUES (1)",
        ] {
            let error = ask(sql).err();
            assert!(
                matches!(error, Some(Error::Refused { .. } | Error::Sql { .. })),
                "taken: {sql}"
            );
        }
    }

    #[test]
    fn a_refusal_names_the_place() {
        let (what, place) = refused("SELECT code,\n  MAX(age) FROM patients GROUP BY code");
        assert!(what.contains("max"), "{what}");
        assert_eq!(place, Some(Place { line: 2, column: 3 }));
    }

    #[test]
    fn a_question_nested_too_deep_is_refused_and_does_not_end_the_program() {
        let sql = format!("SELECT {}1{} FROM patients", "(".repeat(5000), ")".repeat(5000));
        assert!(ask(&sql).is_err());
        let sql = format!("SELECT count(*) FROM patients WHERE {}age = 1", "NOT ".repeat(4000));
        assert!(ask(&sql).is_err());
        for (open, close) in [("ARRAY<", ">"), ("STRUCT<a ", ">"), ("MAP(INT, ", ")")] {
            let depth = (BYTES_MAX - 100) / (open.len() + close.len());
            let (open, close) = (open.repeat(depth), close.repeat(depth));
            let sql = format!("SELECT count(CAST(age AS {open}INT{close})) FROM patients");
            assert!(ask(&sql).is_err(), "{open:.12} is taken");
        }
        let sql = format!("SELECT count(*) FROM {}patients{}", "(".repeat(9000), ")".repeat(9000));
        assert!(ask(&sql).is_err());
    }

    #[test]
    fn a_long_chain_is_refused_with_its_place_and_does_not_end_the_program() {
        let chain = |links: usize| {
            format!("SELECT count(*) FROM patients WHERE age = 1{}", "+1".repeat(links))
        };
        assert!(ask(&chain(CHAIN_MAX - 2)).is_ok());
        for links in [CHAIN_MAX - 1, 9_900] {
            let (what, place) = refused(&chain(links));
            assert!(what.contains("deeper") && place.is_some(), "{what}");
        }
        refused(&format!("SET a = 1{}", "+1".repeat(9_900)));
        refused(&format!("SELECT age{} FROM patients", "::int".repeat(3_900)));
    }
}
