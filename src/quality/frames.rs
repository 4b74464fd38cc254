//! Conformed rows as frames: of each table the columns that rules need and no others, one
//! institution at a time.
//!
//! Comes in: conformed batches, in any order of parts. Goes out: [`Tables`], rows in the order of
//! files and lines. Memory: for each row 24 bytes for its place, 8 for each number or date, 16 and
//! the text itself for each text, of the columns that rules name and the person's.
//! Never: a column that no rule asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::{
    array::{Array as _, ArrayRef, RecordBatch, RecordBatchOptions},
    compute::cast,
    datatypes::{DataType, Field, Schema, TimeUnit},
};
use polars::prelude::{Column, DataFrame, PlSmallStr};

use super::{Error, rule::Rules, tally::Tally};
use crate::{
    frame,
    schema::{ColumnType, ConformedBatch, Role, TableSchema},
};

/// The column that numbers a frame's rows from 0. No source column may begin with `#` and be taken
/// for it: frames bear only columns that rules name, and rules name none that begins so.
pub(super) const ROW: &str = "#row";

/// Which columns of a table are kept as a frame.
#[derive(Debug, Clone)]
pub struct Need {
    schema: Arc<TableSchema>,
    columns: Vec<usize>,
}

impl Need {
    /// Returns what rules need of each table, in the order of the schemas.
    pub fn of(rules: &Rules, schemas: &[Arc<TableSchema>]) -> Vec<Self> {
        let needed = |schema: &Arc<TableSchema>| {
            let mut columns: BTreeSet<usize> = BTreeSet::new();
            let mut judged = false;
            for rule in rules.iter().filter(|rule| rule.applies(schemas)) {
                judged |= rule.table == schema.table;
                let own = rule.uses.iter().filter(|needed| needed.table == schema.table);
                columns.extend(own.filter_map(|needed| schema.column(&needed.column)));
            }
            if judged || !columns.is_empty() {
                columns.extend(schema.person());
            }
            Self { schema: Arc::clone(schema), columns: columns.into_iter().collect() }
        };
        schemas.iter().map(needed).collect()
    }

    /// The columns whose values are tallied before and after de-identification.
    fn tallied(&self) -> Vec<String> {
        let told = |role: Role| match role {
            Role::Quasi | Role::Measure => true,
            Role::Person | Role::Direct | Role::Sensitive | Role::Drop => false,
        };
        let columns = self.schema.columns.iter().filter(|column| told(column.role));
        columns.map(|column| column.name.clone()).collect()
    }
}

/// What one part of a table's rows gives.
#[derive(Debug)]
pub struct Portion {
    need: Need,
    frames: Vec<DataFrame>,
    places: Vec<(u64, u64)>,
    files: BTreeMap<u64, Arc<str>>,
    rows: u64,
    filled: Vec<u64>,
    tallied: Vec<String>,
    tally: Tally,
}

impl Portion {
    /// Starts a part.
    pub fn new(need: &Need) -> Self {
        Self {
            need: need.clone(),
            frames: Vec::new(),
            places: Vec::new(),
            files: BTreeMap::new(),
            rows: 0,
            filled: vec![0; need.schema.columns.len()],
            tallied: need.tallied(),
            tally: Tally::default(),
        }
    }

    /// Takes in a batch; `file` is the place of its file in the order of the run.
    pub fn add(&mut self, file: u64, batch: &ConformedBatch) -> Result<(), Error> {
        let rows = batch.rows();
        self.rows += rows.num_rows() as u64;
        for (filled, column) in self.filled.iter_mut().zip(rows.columns()) {
            *filled += (column.len() - column.null_count()) as u64;
        }
        if let Some(person) = self.need.schema.person() {
            let names = self.tallied.iter().map(String::as_str);
            self.tally.add(rows, person, names);
        }
        if self.need.columns.is_empty() {
            return Ok(());
        }
        let table = || self.need.schema.table.clone();
        let picked =
            picked(&self.need, rows).map_err(|source| Error::Columns { table: table(), source })?;
        let frame =
            frame::to_polars(&picked).map_err(|source| Error::Frame { table: table(), source })?;
        self.frames.push(frame);
        self.places.extend(batch.lines().iter().map(|line| (file, *line)));
        self.files.insert(file, Arc::clone(batch.file()));
        Ok(())
    }
}

/// The needed columns; dates and timestamps as microseconds since 1970, so that they compare.
fn picked(need: &Need, rows: &RecordBatch) -> Result<RecordBatch, arrow::error::ArrowError> {
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for (at, column) in
        need.columns.iter().filter_map(|&at| Some((at, need.schema.columns.get(at)?)))
    {
        let Some(array) = rows.columns().get(at) else { continue };
        let array = match column.kind {
            ColumnType::Date => {
                let instants = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
                cast(&instants, &DataType::Int64)?
            }
            ColumnType::Timestamp => cast(array, &DataType::Int64)?,
            ColumnType::String | ColumnType::Int | ColumnType::Float | ColumnType::Bool => {
                Arc::clone(array)
            }
        };
        fields.push(Field::new(&column.name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
}

/// One table of one institution.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) schema: Arc<TableSchema>,
    pub(super) frame: DataFrame,
    pub(super) places: Vec<(u64, u64)>,
    pub(super) files: BTreeMap<u64, Arc<str>>,
    pub(super) rows: u64,
    pub(super) filled: Vec<u64>,
}

/// The tables of one institution.
#[derive(Debug)]
pub struct Tables {
    pub(super) tables: BTreeMap<String, Table>,
    /// What the columns hold, by table.
    pub tallies: BTreeMap<String, Tally>,
}

impl Tables {
    /// Puts an institution's parts together; a table without any is empty.
    pub fn new(needs: &[Need], mut portions: Vec<Portion>) -> Result<Self, Error> {
        // Rows stand in the order of files and lines, whoever was done first.
        portions.sort_by_key(|portion| portion.places.first().copied());
        let mut tables = BTreeMap::new();
        let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
        for need in needs {
            let name = &need.schema.table;
            let mut table = Table {
                schema: Arc::clone(&need.schema),
                frame: empty(need)?,
                places: Vec::new(),
                files: BTreeMap::new(),
                rows: 0,
                filled: vec![0; need.schema.columns.len()],
            };
            let fault = |source| Error::Run { what: name.clone(), source };
            for portion in portions.iter_mut().filter(|p| p.need.schema.table == *name) {
                for frame in portion.frames.drain(..) {
                    table.frame.vstack_mut(&frame).map_err(fault)?;
                }
                table.places.append(&mut portion.places);
                table.files.append(&mut portion.files);
                table.rows += portion.rows;
                for (sum, filled) in table.filled.iter_mut().zip(&portion.filled) {
                    *sum += filled;
                }
                let tally = std::mem::take(&mut portion.tally);
                tallies.entry(name.clone()).or_default().merge(tally);
            }
            let numbers: Vec<u64> = (0..table.frame.height() as u64).collect();
            let numbers = Column::new(PlSmallStr::from(ROW), numbers);
            table.frame.with_column(numbers).map_err(fault)?;
            tables.insert(name.clone(), table);
        }
        Ok(Self { tables, tallies })
    }
}

/// A frame of no rows that has the columns.
fn empty(need: &Need) -> Result<DataFrame, Error> {
    let table = || need.schema.table.clone();
    let none = RecordBatch::new_empty(Arc::new(need.schema.arrow()));
    let none = picked(need, &none).map_err(|source| Error::Columns { table: table(), source })?;
    frame::to_polars(&none).map_err(|source| Error::Frame { table: table(), source })
}
