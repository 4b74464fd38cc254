//! Parquet: flat columns of any type, each cast to text.
//!
//! Comes in: a file. Goes out: raw batches; a row's line is its number. Never: a nested column, or
//! a value that its cast lost without a word.

use std::{ops::ControlFlow, path::Path, sync::Arc};

use arrow::{
    array::{Array as _, AsArray as _, RecordBatch, RecordBatchReader as _, StringArray},
    compute::cast,
    datatypes::DataType,
};
use parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder};

use super::{Error, Options, Part, RawBatch, RowFault, RowFaultKind, bytes::open};

pub(super) fn read(
    file: &Path,
    name: &Arc<str>,
    part: &Part,
    options: &Options,
    take: &mut dyn FnMut(RawBatch) -> ControlFlow<()>,
) -> Result<(), Error> {
    let (opened, _, size) = open(file, super::Format::Parquet)?;
    if size != part.file_bytes() {
        return Err(Error::Changed { file: file.to_owned(), now: size, then: part.file_bytes() });
    }
    let error = |source| Error::Parquet { file: file.to_owned(), source };
    let builder = ParquetRecordBatchReaderBuilder::try_new(opened).map_err(error)?;
    let mut wanted = Vec::new();
    for (at, field) in builder.schema().fields().iter().enumerate() {
        if options.columns.as_ref().is_some_and(|all| all.iter().all(|one| one != field.name())) {
            continue;
        }
        if field.data_type().is_nested() {
            let (column, kind) = (field.name().clone(), field.data_type().to_string());
            return Err(Error::Nested { file: file.to_owned(), column, kind });
        }
        wanted.push(at);
    }
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    // Bounded by bytes as far as Parquet lets us: wide rows in smaller batches.
    let rows_max = options.batch_rows.clamp(1, 1 << 20);
    let reader = builder.with_projection(mask).with_batch_size(rows_max).build().map_err(error)?;
    // A file without rows still goes on, so that its columns are checked.
    let empty = RecordBatch::new_empty(reader.schema());
    let mut sent = false;
    let mut line = 1;
    for batch in reader {
        let batch = batch.map_err(|source| Error::Arrow { file: file.to_owned(), source })?;
        let rows = batch.num_rows() as u64;
        sent = true;
        if take(raw(file, name, &batch, line, options)?).is_break() {
            break;
        }
        line += rows;
    }
    if !sent {
        let _ = take(raw(file, name, &empty, 1, options)?);
    }
    Ok(())
}

fn raw(
    file: &Path,
    name: &Arc<str>,
    batch: &RecordBatch,
    first: u64,
    options: &Options,
) -> Result<RawBatch, Error> {
    let error = |source| Error::Arrow { file: file.to_owned(), source };
    let mut cells: Vec<StringArray> = Vec::with_capacity(batch.num_columns());
    let mut faults: Vec<RowFault> = Vec::new();
    let mut bad = vec![false; batch.num_rows()];
    let schema = batch.schema();
    for (array, field) in batch.columns().iter().zip(schema.fields()) {
        // A dictionary hides the nulls of its values; its values show them.
        let flat = if let DataType::Dictionary(_, values) = array.data_type() {
            cast(array, values).map_err(error)?
        } else {
            Arc::clone(array)
        };
        let text = cast(&flat, &DataType::Utf8).map_err(error)?;
        let text = text.as_string::<i32>().clone();
        for (row, mark) in bad.iter_mut().enumerate() {
            let lost = flat.is_valid(row) && text.is_null(row);
            let long = text.is_valid(row) && text.value(row).len() > options.record_bytes_max;
            if (lost || long) && !std::mem::replace(mark, true) {
                let (kind, reason) = if lost {
                    (RowFaultKind::Encoding, "a cell that has no text".to_owned())
                } else {
                    let bytes = text.value(row).len();
                    let limit = options.record_bytes_max;
                    (RowFaultKind::Length, format!("{bytes} bytes, the limit is {limit}"))
                };
                let column = Some(field.name().clone());
                faults.push(RowFault { line: first + row as u64, column, kind, reason });
            }
        }
        cells.push(text);
    }
    let mut lines: Vec<u64> = (first..).take(batch.num_rows()).collect();
    if !faults.is_empty() {
        let keep: arrow::array::BooleanArray = bad.iter().map(|bad| Some(!bad)).collect();
        cells = cells
            .iter()
            .map(|column| Ok(arrow::compute::filter(column, &keep)?.as_string::<i32>().clone()))
            .collect::<Result<_, _>>()
            .map_err(error)?;
        lines = lines.iter().zip(&bad).filter(|(_, bad)| !**bad).map(|(line, _)| *line).collect();
        faults.sort_by_key(|fault| fault.line);
    }
    let names = schema.fields().iter().map(|field| Arc::from(field.name().as_str())).collect();
    Ok(RawBatch { file: Arc::clone(name), names, cells, lines, faults, headed: true })
}
