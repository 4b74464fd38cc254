//! The tables of one dataset version, as the engine sees them: exactly the segments that the
//! manifest lists, each with the size it lists.
//!
//! Comes in: a table's manifest. Goes out: a table to scan. Never: a directory listing, a segment
//! that is skipped because it is gone, or a column that the manifest does not have.

use std::{pin::Pin, sync::Arc};

use datafusion::{
    arrow::datatypes::{DataType, Field, Schema, SchemaRef},
    catalog::{Session, TableProvider},
    common::DataFusionError,
    datasource::{
        TableType,
        listing::PartitionedFile,
        physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource},
        source::DataSourceExec,
    },
    execution::object_store::ObjectStoreUrl,
    logical_expr::Expr,
    physical_plan::{ExecutionPlan, empty::EmptyExec},
};

use super::{error::Error, shape::PERSON};
use crate::lake::TableVersion;

/// The address that the lake has inside the engine.
pub(super) const LAKE: &str = "almoner://lake/";

/// One table of a version.
#[derive(Debug)]
pub(super) struct Segments {
    schema: SchemaRef,
    /// Path and size of each segment.
    files: Vec<(String, u64)>,
}

impl Segments {
    /// Reads a table's manifest; `prefix` is the lake's place in its store.
    pub(super) fn new(table: &TableVersion, prefix: &str) -> Result<Self, Error> {
        let fault = |what: &str| Error::Integrity(format!("table `{}` {what}", table.table));
        let mut fields = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            let kind: DataType =
                column.kind.parse().map_err(|_| fault("has a column of an unknown type"))?;
            fields.push(Field::new(&column.name, kind, true));
        }
        if !fields.first().is_some_and(|f| f.name() == PERSON && *f.data_type() == DataType::Utf8) {
            return Err(fault("does not begin with a column `person` of Utf8"));
        }
        let mut files = Vec::with_capacity(table.segments.len());
        for segment in &table.segments {
            if segment.path.split('/').any(|part| matches!(part, "" | "." | "..")) {
                return Err(fault("lists a segment outside the lake"));
            }
            let path = [prefix, segment.path.as_str()].join("/");
            files.push((path.trim_start_matches('/').to_owned(), segment.bytes));
        }
        Ok(Self { schema: Arc::new(Schema::new(fields)), files })
    }
}

type Scan<'a> =
    Pin<Box<dyn Future<Output = Result<Arc<dyn ExecutionPlan>, DataFusionError>> + Send + 'a>>;

impl TableProvider for Segments {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    // Written out, as `async_trait` would write it.
    fn scan<'life0, 'life1, 'life2, 'life3, 'async_trait>(
        &'life0 self,
        state: &'life1 dyn Session,
        projection: Option<&'life2 Vec<usize>>,
        _filters: &'life3 [Expr],
        limit: Option<usize>,
    ) -> Scan<'async_trait>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        'life3: 'async_trait,
        Self: 'async_trait,
    {
        let partitions = state.config().target_partitions();
        let projection = projection.cloned();
        Box::pin(std::future::ready(self.plan(projection, limit, partitions)))
    }
}

impl Segments {
    fn plan(
        &self,
        projection: Option<Vec<usize>>,
        limit: Option<usize>,
        partitions: usize,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        if self.files.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.schema.project(&columns)?),
                None => SchemaRef::clone(&self.schema),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let files =
            self.files.iter().map(|(path, bytes)| PartitionedFile::new(path.as_str(), *bytes));
        let groups = FileGroup::new(files.collect()).split_files(partitions.max(1));
        let source = Arc::new(ParquetSource::new(SchemaRef::clone(&self.schema)));
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(LAKE)?, source)
            .with_file_groups(groups)
            .with_projection_indices(projection)?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
