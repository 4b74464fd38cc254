//! The engine: DataFusion with only our catalogue, our functions, a memory limit and a clock.
//!
//! Comes in: a guarded statement and one dataset version. Goes out: an [`Outcome`]. Below the
//! aggregate runs one grouping by (keys, person); above it runs on safe cells alone.
//! Never: a directory listing, a spill file, a row, or the engine's own words about a row.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use datafusion::{
    arrow::{
        array::{ArrayRef, Float64Array, Int64Array, RecordBatch, RecordBatchOptions},
        compute::cast,
        datatypes::{DataType, Field, Schema, SchemaRef},
    },
    common::{Column, DataFusionError, TableReference},
    datasource::{MemTable, provider_as_source},
    execution::{
        SessionState, SessionStateBuilder, SessionStateDefaults,
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        runtime_env::RuntimeEnvBuilder,
    },
    functions_aggregate::expr_fn::{count, max, min, sum},
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast as cast_expr, lit},
    prelude::{DataFrame, SessionConfig, SessionContext},
    sql::parser::Statement,
};
use futures::StreamExt as _;

use super::{
    answer::{Answer, Outcome},
    cells::{Cell, Cells, Tally},
    disclosure::{self, Shown},
    error::Error,
    functions, guard,
    records::Marks,
    shape::{self, Identifiers, Measure, Shape},
    tables::{LAKE, Place, Segments},
};
use crate::{lake::Version, schema::Role, store::Store};

/// The stack of each thread that plans: the deepest question of the guard fits.
const STACK_BYTES: usize = 64 << 20;

/// What one question may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Memory, in bytes.
    pub memory_bytes: usize,
    /// Time.
    pub time: Duration,
    /// Threads.
    pub partitions: usize,
    /// Cells of the grouping, those held back included.
    pub cells_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            memory_bytes: 1 << 30,
            time: Duration::from_mins(1),
            partitions: cores.min(8),
            cells_max: 100_000,
        }
    }
}

/// Answers one question over one dataset version. `lake` is the zone that its segments are in.
pub fn ask(lake: &Store, version: &Version, sql: &str, limits: Limits) -> Result<Outcome, Error> {
    let tables: BTreeSet<&str> = version.tables.iter().map(|table| table.table.as_str()).collect();
    let guarded = guard::guard(sql, &tables)?;
    let text = guarded.text();
    let statement = Statement::Statement(Box::new(guarded.into_statement()));
    let place = Place::of(lake, &version.dataset)?;
    let state = session(lake, version, &place, limits)?;
    let identifiers = identifiers(version);
    let marks = Marks::of(version, &place)?;
    let failed = |_| Error::Engine { doing: "started", kind: "runtime" };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(limits.partitions.max(1))
        .thread_name("almoner-query")
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .map_err(failed)?;
    // A task of its own: the clock runs on even while an operator keeps its thread busy.
    let task =
        runtime.spawn(async move { answer(&state, statement, &identifiers, &marks, limits).await });
    let finished = runtime.block_on(async { tokio::time::timeout(limits.time, task).await });
    runtime.shutdown_background();
    let (answer, drawn) = match finished {
        Ok(Ok(result)) => result?,
        Ok(Err(_)) => return Err(Error::Engine { doing: "answered", kind: "panic" }),
        Err(_) => return Err(Error::Time(limits.time)),
    };
    Outcome::new(answer, &text, drawn)
}

/// The columns of a version that hold pseudonyms.
fn identifiers(version: &Version) -> Identifiers {
    let mut identifiers = Identifiers::new();
    for table in &version.tables {
        for column in &table.columns {
            match column.role {
                Role::Person | Role::Direct => {
                    identifiers.insert((table.table.clone(), column.name.clone()));
                }
                Role::Quasi | Role::Sensitive | Role::Measure | Role::Drop => {}
            }
        }
    }
    identifiers
}

fn session(
    lake: &Store,
    version: &Version,
    place: &Place,
    limits: Limits,
) -> Result<SessionState, Error> {
    let config = SessionConfig::new()
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(true)
        .with_target_partitions(limits.partitions.max(1))
        .with_collect_statistics(false);
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_limit(limits.memory_bytes, 1.0)
        .with_disk_manager_builder(disk)
        .build_arc()
        .map_err(|e| engine("started", &e, limits))?;
    let (objects, _) = lake.object_store()?;
    let root =
        url::Url::parse(LAKE).map_err(|_| Error::Engine { doing: "started", kind: "address" })?;
    runtime.register_object_store(&root, objects);
    // No table factories, formats or table functions: there is nothing to open a file with.
    let scalar = SessionStateDefaults::default_scalar_functions();
    let aggregate = SessionStateDefaults::default_aggregate_functions();
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_expr_planners(SessionStateDefaults::default_expr_planners())
        .with_scalar_functions(
            scalar.into_iter().filter(|f| functions::rest(f.name()).is_some()).collect(),
        )
        .with_aggregate_functions(
            aggregate.into_iter().filter(|f| functions::AGGREGATES.contains(&f.name())).collect(),
        )
        .build();
    let context = SessionContext::new_with_state(state);
    for table in &version.tables {
        let segments = Segments::new(table, place)?;
        context
            .register_table(TableReference::bare(table.table.as_str()), Arc::new(segments))
            .map_err(|e| engine("opened the tables", &e, limits))?;
    }
    Ok(context.state())
}

type Drawn = Vec<(u128, u64)>;

async fn answer(
    state: &SessionState,
    statement: Statement,
    identifiers: &Identifiers,
    marks: &Marks,
    limits: Limits,
) -> Result<(Answer, Drawn), Error> {
    let plan = state.statement_to_plan(statement).await.map_err(|e| sql(&e))?;
    let plan = state
        .analyzer()
        .execute_and_check(plan, state.config_options(), |_, _| {})
        .map_err(|e| sql(&e))?;
    let plan = shape::soften(plan).map_err(|e| sql(&e))?;
    let shape = shape::shape(plan, identifiers)?;
    let cells = count_cells(state, &shape, marks, limits).await?;
    let ordered = cells.ordered();
    let decided: Vec<&Cell> = ordered.iter().map(|(_, cell)| *cell).collect();
    let released: BTreeSet<usize> = ordered
        .iter()
        .zip(disclosure::released(&decided))
        .filter_map(|((at, _), shown)| shown.then_some(*at))
        .collect();
    // An aggregate without GROUP BY has one cell even where no row is in it.
    let total = if shape.aggregate.group_expr.is_empty() { 1 } else { ordered.len() as u64 };
    let (safe, withheld) = safe_cells(&shape, &cells, &released)?;
    let plan = over_safe_cells(&shape, safe).map_err(|e| engine("rebuilt the plan", &e, limits))?;
    let frame = DataFrame::new(state.clone(), plan);
    let schema: SchemaRef = Arc::new(unqualified(frame.schema().as_arrow()));
    let batches =
        frame.collect().await.map_err(|e| engine("ordered the safe cells", &e, limits))?;
    let batches = batches
        .into_iter()
        .map(|batch| {
            let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            let columns = batch.columns().to_vec();
            RecordBatch::try_new_with_options(SchemaRef::clone(&schema), columns, &rows)
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| Error::Engine { doing: "ordered the safe cells", kind: "arrow" })?;
    let suppressed = total - released.len() as u64;
    let drawn = cells.drawn(|at| released.contains(&at));
    Ok((Answer::new(schema, batches, total, suppressed, withheld), drawn))
}

/// Makes every column nullable and drops metadata: the answer's schema is names and types.
fn unqualified(schema: &Schema) -> Schema {
    Schema::new(
        schema
            .fields()
            .iter()
            .map(|field| Field::new(field.name(), field.data_type().clone(), true))
            .collect::<Vec<_>>(),
    )
}

/// Groups the aggregate's input by (keys, person) and counts the cells from that.
async fn count_cells(
    state: &SessionState,
    shape: &Shape,
    marks: &Marks,
    limits: Limits,
) -> Result<Cells, Error> {
    let failed = |e: DataFusionError| engine("counted the cells", &e, limits);
    let keys: Vec<Expr> = (0..shape.aggregate.group_expr.len()).map(key).collect();
    let mut columns: Vec<Expr> = shape
        .aggregate
        .group_expr
        .iter()
        .enumerate()
        .map(|(at, expr)| expr.clone().unalias().alias(format!("k{at}")))
        .collect();
    columns.push(Expr::Column(shape.person.clone()).alias("p"));
    let mut figures = vec![count(lit(1_i64)).alias("n")];
    let carried = marks.carry(&shape.aggregate.input).map_err(failed)?;
    let weighed = carried.is_some();
    let rows = match carried {
        None => shape.aggregate.input.as_ref().clone(),
        Some((rows, counts)) => {
            columns.push(counts.alias("r"));
            figures.push(sum(Expr::Column(Column::new_unqualified("r"))).alias("r"));
            rows
        }
    };
    for (at, measure) in shape.measures.iter().enumerate() {
        let name = format!("a{at}");
        let value = Expr::Column(Column::new_unqualified(&name));
        match measure {
            Measure::Rows | Measure::People => {}
            Measure::Count(column) | Measure::Distinct(column) => {
                columns.push(Expr::Column(column.clone()).alias(&name));
                figures.push(count(value).alias(format!("c{at}")));
            }
            Measure::Sum(column) | Measure::Average(column) => {
                let number = cast_expr(Expr::Column(column.clone()), DataType::Float64);
                columns.push(number.alias(&name));
                figures.push(count(value.clone()).alias(format!("c{at}")));
                figures.push(sum(value.clone()).alias(format!("s{at}")));
                figures.push(min(value.clone()).alias(format!("l{at}")));
                figures.push(max(value).alias(format!("h{at}")));
            }
        }
    }
    let input = LogicalPlanBuilder::from(rows)
        .project(columns)
        .and_then(LogicalPlanBuilder::build)
        .map_err(failed)?;
    let people = Expr::Column(Column::new_unqualified("p"));
    let by_person = LogicalPlanBuilder::from(input.clone())
        .aggregate(keys.iter().cloned().chain([people]), figures)
        .and_then(LogicalPlanBuilder::build)
        .map_err(failed)?;
    let fields = by_person.schema().fields();
    let key_types = fields.iter().take(keys.len()).map(|f| f.data_type().clone()).collect();
    let mut cells = Cells::new(key_types, &shape.measures, weighed, limits)?;
    let mut stream =
        DataFrame::new(state.clone(), by_person).execute_stream().await.map_err(failed)?;
    while let Some(batch) = stream.next().await {
        cells.take(&batch.map_err(failed)?)?;
    }
    for (at, measure) in shape.measures.iter().enumerate() {
        if matches!(measure, Measure::Distinct(_)) {
            let value = Expr::Column(Column::new_unqualified(format!("a{at}")));
            let plan = LogicalPlanBuilder::from(input.clone())
                .filter(value.clone().is_not_null())
                .and_then(|b| b.aggregate(keys.iter().cloned().chain([value]), Vec::<Expr>::new()))
                .and_then(|b| b.aggregate(keys.clone(), [count(lit(1_i64)).alias("d")]))
                .and_then(LogicalPlanBuilder::build)
                .map_err(failed)?;
            let mut stream =
                DataFrame::new(state.clone(), plan).execute_stream().await.map_err(failed)?;
            while let Some(batch) = stream.next().await {
                cells.take_distinct(at, &batch.map_err(failed)?)?;
            }
        }
    }
    Ok(cells)
}

fn key(at: usize) -> Expr {
    Expr::Column(Column::new_unqualified(format!("k{at}")))
}

/// Makes the table that stands in the place of the aggregate: released cells, rounded.
fn safe_cells(
    shape: &Shape,
    cells: &Cells,
    released: &BTreeSet<usize>,
) -> Result<(RecordBatch, u64), Error> {
    let fault = |_| Error::Engine { doing: "rounded the cells", kind: "arrow" };
    let kept: Vec<&Cell> = cells
        .ordered()
        .into_iter()
        .filter_map(|(at, c)| released.contains(&at).then_some(c))
        .collect();
    let mut withheld = 0;
    let mut columns: Vec<ArrayRef> = cells.keys(|at| released.contains(&at))?;
    let nobody = Tally::default();
    for (at, measure) in shape.measures.iter().enumerate() {
        let values: Vec<Shown> = kept
            .iter()
            .map(|cell| disclosure::shown(measure, cell, cell.tallies.get(at).unwrap_or(&nobody)))
            .collect();
        withheld += values.iter().filter(|value| **value == Shown::Withheld).count() as u64;
        columns.push(match measure {
            Measure::Rows | Measure::People | Measure::Count(_) | Measure::Distinct(_) => {
                Arc::new(values.iter().map(whole).collect::<Int64Array>())
            }
            Measure::Sum(_) | Measure::Average(_) => {
                Arc::new(values.iter().map(fraction).collect::<Float64Array>())
            }
        });
    }
    let mut fields = Vec::with_capacity(columns.len());
    for ((at, column), field) in columns.iter_mut().enumerate().zip(shape.aggregate.schema.fields())
    {
        *column = cast(column, field.data_type()).map_err(fault)?;
        fields.push(Field::new(format!("c{at}"), field.data_type().clone(), true));
    }
    let rows = RecordBatchOptions::new().with_row_count(Some(kept.len()));
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new_with_options(schema, columns, &rows).map_err(fault)?;
    Ok((batch, withheld))
}

fn whole(value: &Shown) -> Option<i64> {
    match value {
        Shown::Count(count) => i64::try_from(*count).ok(),
        Shown::Number(_) | Shown::Nothing | Shown::Withheld => None,
    }
}

fn fraction(value: &Shown) -> Option<f64> {
    match value {
        Shown::Number(number) => Some(*number),
        Shown::Count(_) | Shown::Nothing | Shown::Withheld => None,
    }
}

/// Puts the safe cells in the place of the aggregate, under the same names.
fn over_safe_cells(shape: &Shape, safe: RecordBatch) -> Result<LogicalPlan, DataFusionError> {
    let table = MemTable::try_new(safe.schema(), vec![vec![safe]])?;
    let names = shape.aggregate.schema.iter().enumerate().map(|(at, (qualifier, field))| {
        Expr::Column(Column::new(Some("cells"), format!("c{at}")))
            .alias_qualified(qualifier.cloned(), field.name())
    });
    let mut plan = LogicalPlanBuilder::scan("cells", provider_as_source(Arc::new(table)), None)?
        .project(names)?
        .build()?;
    for node in shape.above.iter().rev() {
        plan = node.with_new_exprs(node.expressions(), vec![plan])?;
    }
    Ok(plan)
}

/// What the planner says of the question: it has not seen the data yet.
fn sql(error: &DataFusionError) -> Error {
    let root = error.find_root();
    if matches!(root, DataFusionError::ResourcesExhausted(_)) {
        return Error::Engine { doing: "planned", kind: "resources" };
    }
    Error::Sql { reason: root.strip_backtrace() }
}

/// What the engine says while it reads rows may hold a cell's value: only its kind goes on.
fn engine(doing: &'static str, error: &DataFusionError, limits: Limits) -> Error {
    let kind = match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => return Error::Memory(limits.memory_bytes),
        DataFusionError::ObjectStore(source) => {
            let missing = matches!(**source, object_store::Error::NotFound { .. });
            let what = if missing { "is missing" } else { "cannot be read" };
            return Error::Integrity(format!("a segment of the version {what}"));
        }
        DataFusionError::ParquetError(_) => {
            return Error::Integrity("a segment of the version is no Parquet file".to_owned());
        }
        DataFusionError::ArrowError(..) => "arrow",
        DataFusionError::IoError(_) => "io",
        DataFusionError::SQL(..) => "sql",
        DataFusionError::NotImplemented(_) => "not implemented",
        DataFusionError::Internal(_) => "internal",
        DataFusionError::Plan(_) => "plan",
        DataFusionError::Configuration(_) => "configuration",
        DataFusionError::SchemaError(..) => "schema",
        DataFusionError::Execution(_) => "execution",
        DataFusionError::ExecutionJoin(_) => "task",
        DataFusionError::External(_) => "external",
        DataFusionError::Context(..)
        | DataFusionError::Diagnostic(..)
        | DataFusionError::Collection(_)
        | DataFusionError::Shared(_)
        | DataFusionError::Substrait(_)
        | DataFusionError::Ffi(_) => "other",
    };
    Error::Engine { doing, kind }
}
