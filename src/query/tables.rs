//! The tables of one dataset version, as the engine sees them: exactly the segments that the
//! manifest lists, each with the size that it has in the store.
//!
//! Comes in: a table's manifest. Goes out: a table to scan. Never: a segment that only a listing has, one
//! that is skipped because it is gone, or a column that the manifest does not have.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use datafusion::{
    arrow::datatypes::{DataType, Field, Schema, SchemaRef},
    catalog::{Session, TableProvider},
    common::{DataFusionError, ScalarValue},
    datasource::{
        TableType,
        listing::PartitionedFile,
        physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource},
        source::DataSourceExec,
        table_schema::TableSchema,
    },
    execution::{object_store::ObjectStoreUrl, parquet_encryption::EncryptionFactory},
    logical_expr::Expr,
    physical_plan::{ExecutionPlan, empty::EmptyExec},
};

use super::{error::Error, keys::Keys, shape::PERSON};
use crate::{lake::TableVersion, store::Store};

/// The address that the lake has inside the engine.
pub(super) const LAKE: &str = "almoner://lake/";

/// The column that says whether a row is a duplicate, in tables that are marked. No schema can name
/// a column like it, and no question sees it.
pub(super) const DUPLICATE: &str = "#duplicate";

/// Where the segments of a dataset lie.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The lake's place in its store.
    prefix: String,
    /// The sizes of segments as they are stored, by their paths, where that is not what the manifest
    /// lists.
    sizes: BTreeMap<String, u64>,
    /// What opens them, where the lake is sealed.
    keys: Option<Arc<Keys>>,
}

impl Place {
    /// Looks where the segments of a dataset lie; of a sealed lake the store alone knows the sizes.
    pub(super) fn of(lake: &Store, dataset: &str) -> Result<Self, Error> {
        let (objects, prefix) = lake.object_store()?;
        let mut place =
            Self { prefix: prefix.as_ref().to_owned(), sizes: BTreeMap::new(), keys: None };
        if let Some(seal) = lake.seal() {
            let listed = lake.list(&format!("{dataset}/segments"))?.into_iter();
            place.sizes = listed.map(|object| (place.path(&object.path), object.bytes)).collect();
            place.keys = Some(Arc::new(Keys::new(Arc::clone(seal), objects, place.sizes.clone())));
        }
        Ok(place)
    }

    /// Returns the path of a segment in the store.
    fn path(&self, segment: &str) -> String {
        [self.prefix.as_str(), segment].join("/").trim_start_matches('/').to_owned()
    }
}

/// One table of a version.
#[derive(Debug, Clone)]
pub(super) struct Segments {
    /// The columns of the files, and after them the mark if it is marked.
    schema: SchemaRef,
    /// Whether it has the column [`DUPLICATE`].
    marked: bool,
    /// Each segment.
    files: Vec<File>,
    /// What opens them, where they are sealed.
    keys: Option<Arc<Keys>>,
}

/// One segment.
#[derive(Debug, Clone)]
struct File {
    path: String,
    bytes: u64,
    duplicates: bool,
}

impl Segments {
    /// Reads a table's manifest.
    pub(super) fn new(table: &TableVersion, place: &Place) -> Result<Self, Error> {
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
            let path = place.path(&segment.path);
            files.push(File {
                bytes: place.sizes.get(&path).copied().unwrap_or(segment.bytes),
                path,
                duplicates: segment.duplicates,
            });
        }
        let keys = place.keys.clone();
        Ok(Self { schema: Arc::new(Schema::new(fields)), marked: false, files, keys })
    }

    /// Returns the table with one more column, which says of each row whether it is a duplicate.
    pub(super) fn marked(mut self) -> Self {
        let mark = Arc::new(Field::new(DUPLICATE, DataType::Boolean, false));
        let fields = self.schema.fields().iter().cloned().chain([mark]);
        self.schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        self.marked = true;
        self
    }

    /// The columns as the engine is to read them: the mark is not in a file, but of it.
    fn layout(&self) -> TableSchema {
        let (own, mark) =
            self.schema.fields().split_at(self.schema.fields().len() - usize::from(self.marked));
        TableSchema::builder(Arc::new(Schema::new(own.to_vec())))
            .with_table_partition_cols(mark.to_vec())
            .build()
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
        let files = self.files.iter().map(|file| {
            let mark = self.marked.then(|| ScalarValue::Boolean(Some(file.duplicates)));
            PartitionedFile::new(file.path.as_str(), file.bytes)
                .with_partition_values(mark.into_iter().collect())
        });
        let groups = FileGroup::new(files.collect()).split_files(partitions.max(1));
        let mut source = ParquetSource::new(self.layout());
        if let Some(keys) = &self.keys {
            source = source.with_encryption_factory(Arc::clone(keys) as Arc<dyn EncryptionFactory>);
        }
        let source = Arc::new(source);
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(LAKE)?, source)
            .with_file_groups(groups)
            .with_projection_indices(projection)?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
