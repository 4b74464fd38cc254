//! Which of the rows that an answer drew on count as records: those of segments that the manifest
//! does not name duplicates. A row made by a join counts if every row in it does.
//!
//! Comes in: the guarded plan below the aggregate. Goes out: the same plan with the marks of its
//! tables carried along. Never: a mark that a question can name; it is added after the question
//! was read.

use std::{collections::BTreeMap, sync::Arc};

use datafusion::{
    arrow::datatypes::DataType,
    common::{Column, DataFusionError},
    datasource::provider_as_source,
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableSource, cast, lit, when},
};

use super::{
    error::Error,
    tables::{DUPLICATE, Place, Segments},
};
use crate::lake::Version;

/// The tables of a version that have duplicates, with their marks.
#[derive(Clone, Default)]
pub(super) struct Marks(BTreeMap<String, Arc<dyn TableSource>>);

impl Marks {
    /// Reads a version's manifest.
    pub(super) fn of(version: &Version, place: &Place) -> Result<Self, Error> {
        let mut marks = BTreeMap::new();
        for table in &version.tables {
            if table.segments.iter().any(|segment| segment.duplicates) {
                let marked = Segments::new(table, place)?.marked();
                marks.insert(table.table.clone(), provider_as_source(Arc::new(marked)));
            }
        }
        Ok(Self(marks))
    }

    /// Carries the marks of a plan's tables up to its top, and returns the number that says whether
    /// a row counts: 1 or 0. `None` where no table of the plan has duplicates.
    pub(super) fn carry(
        &self,
        plan: &LogicalPlan,
    ) -> Result<Option<(LogicalPlan, Expr)>, DataFusionError> {
        let mut count = 0;
        let plan = self.marked(plan, &mut count)?;
        let counts = marks(&plan).into_iter().map(Expr::is_null).reduce(Expr::and);
        Ok(counts.map(|counts| (plan, cast(counts, DataType::Int64))))
    }

    fn marked(
        &self,
        plan: &LogicalPlan,
        count: &mut usize,
    ) -> Result<LogicalPlan, DataFusionError> {
        if let LogicalPlan::TableScan(scan) = plan {
            let Some(source) = self.0.get(scan.table_name.table()) else {
                return Ok(plan.clone());
            };
            let name = scan.table_name.clone();
            // A mark or null, as where an outer join finds no row: that counts as well.
            let mark = Expr::Column(Column::new(Some(name.clone()), DUPLICATE));
            let mark = when(mark, lit(1_i64)).end()?.alias(format!("{DUPLICATE}{count}"));
            *count += 1;
            let own = scan.projected_schema.columns().into_iter().map(Expr::Column);
            let marked = LogicalPlanBuilder::scan(name, Arc::clone(source), None)?;
            return marked.project(own.chain([mark]))?.build();
        }
        let inputs = plan.inputs().into_iter().map(|input| self.marked(input, count));
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        let mut exprs = plan.expressions();
        if matches!(plan, LogicalPlan::Projection(_)) {
            exprs.extend(inputs.iter().flat_map(marks));
        }
        plan.with_new_exprs(exprs, inputs)
    }
}

/// The marks that a plan's rows bear.
fn marks(plan: &LogicalPlan) -> Vec<Expr> {
    let columns = plan.schema().columns().into_iter();
    columns.filter(|column| column.name.starts_with(DUPLICATE)).map(Expr::Column).collect()
}
