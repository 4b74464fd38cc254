//! Arrow batches to Polars frames and back by the C data interface, without a copy of the values.
//!
//! Comes in: a `RecordBatch` or a `DataFrame`. Goes out: the other. The one file with unsafe code,
//! each use argued. Never: an array released twice, or read after its release.

#![expect(unsafe_code, reason = "the C data interface crosses two crates that share no type")]

use std::sync::Arc;

use arrow::{
    array::{Array as _, ArrayRef, RecordBatch, RecordBatchOptions, make_array},
    datatypes::{Field, Schema},
    ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi, to_ffi},
};
use polars::prelude::{Column, CompatLevel, DataFrame, IntoColumn as _, Series};
use polars_arrow::ffi::{
    ArrowArray, ArrowSchema, export_array_to_c, export_field_to_c, import_array_from_c,
    import_field_from_c,
};

/// Why a table cannot cross.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Arrow refused a column.
    #[error("column {column} could not cross to or from Arrow")]
    Arrow {
        /// The column's place, from 0.
        column: usize,
        /// What Arrow said.
        #[source]
        source: arrow::error::ArrowError,
    },
    /// Polars refused a column.
    #[error("column {column} could not cross to or from Polars")]
    Polars {
        /// The column's place, from 0.
        column: usize,
        /// What Polars said.
        #[source]
        source: polars::error::PolarsError,
    },
    /// The columns do not make a table.
    #[error("the columns do not make a table")]
    Shape(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Makes a Polars frame of an Arrow batch; the buffers are shared.
pub fn to_polars(batch: &RecordBatch) -> Result<DataFrame, Error> {
    let schema = batch.schema();
    let columns = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .enumerate()
        .map(|(at, (field, array))| to_column(at, field.name(), array))
        .collect::<Result<Vec<_>, _>>()?;
    DataFrame::new(batch.num_rows(), columns).map_err(|e| Error::Shape(Box::new(e)))
}

/// Makes an Arrow batch of a Polars frame; the buffers are shared. Text comes back as `Utf8View`.
pub fn to_arrow(frame: &DataFrame) -> Result<RecordBatch, Error> {
    let mut fields = Vec::with_capacity(frame.width());
    let mut arrays = Vec::with_capacity(frame.width());
    for (at, column) in frame.columns().iter().enumerate() {
        let array = from_column(at, column)?;
        fields.push(Field::new(column.name().as_str(), array.data_type().clone(), true));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(frame.height()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(|e| Error::Shape(Box::new(e)))
}

fn to_column(at: usize, name: &str, array: &ArrayRef) -> Result<Column, Error> {
    let refused = |source| Error::Polars { column: at, source };
    let (array, schema) =
        to_ffi(&array.to_data()).map_err(|source| Error::Arrow { column: at, source })?;
    let (array, schema) = (array_to_polars(array), schema_to_polars(schema));
    // SAFETY: `schema` was exported by arrow-rs one line above and is not yet released; the import
    // reads it by reference, and its own `Drop` releases it when this function ends.
    let field = unsafe { import_field_from_c(&schema) }.map_err(refused)?;
    // SAFETY: `array` was exported together with the schema that gave `field.dtype`, so its buffers
    // are laid out as that type says; the import takes it by value and releases it exactly once.
    let imported = unsafe { import_array_from_c(array, field.dtype) }.map_err(refused)?;
    Ok(Series::from_arrow(name.into(), imported).map_err(refused)?.into_column())
}

fn from_column(at: usize, column: &Column) -> Result<ArrayRef, Error> {
    let series = column.as_materialized_series().rechunk();
    let array = series.to_arrow(0, CompatLevel::newest());
    let field =
        polars_arrow::datatypes::Field::new(column.name().clone(), array.dtype().clone(), true);
    let schema = schema_to_arrow(export_field_to_c(&field));
    let array = array_to_arrow(export_array_to_c(array));
    // SAFETY: array and schema were exported by polars-arrow from one and the same array just above,
    // so they describe each other; `from_ffi` takes the array and releases it exactly once.
    let imported = unsafe { from_ffi(array, &schema) };
    Ok(make_array(imported.map_err(|source| Error::Arrow { column: at, source })?))
}

// Both crates declare the two structs of the C data interface
// (<https://arrow.apache.org/docs/format/CDataInterface.html>) as `#[repr(C)]` with the same fields
// in the same order. `transmute` checks that the sizes agree when this is compiled, and the value is
// moved, so that exactly one side runs its release callback.

fn array_to_polars(array: FFI_ArrowArray) -> ArrowArray {
    // SAFETY: see above; same C struct, moved.
    unsafe { std::mem::transmute::<FFI_ArrowArray, ArrowArray>(array) }
}

fn schema_to_polars(schema: FFI_ArrowSchema) -> ArrowSchema {
    // SAFETY: see above; same C struct, moved.
    unsafe { std::mem::transmute::<FFI_ArrowSchema, ArrowSchema>(schema) }
}

fn array_to_arrow(array: ArrowArray) -> FFI_ArrowArray {
    // SAFETY: see above; same C struct, moved.
    unsafe { std::mem::transmute::<ArrowArray, FFI_ArrowArray>(array) }
}

fn schema_to_arrow(schema: ArrowSchema) -> FFI_ArrowSchema {
    // SAFETY: see above; same C struct, moved.
    unsafe { std::mem::transmute::<ArrowSchema, FFI_ArrowSchema>(schema) }
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{
            AsArray as _, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
            StringViewArray, UInt32Array,
        },
        compute::cast,
        datatypes::DataType,
    };

    use super::*;

    fn batch() -> RecordBatch {
        let text = ["short", "a text that is longer than twelve bytes", ""];
        RecordBatch::try_from_iter_with_nullable([
            ("n", Arc::new(Int64Array::from(vec![Some(1), None, Some(-3)])) as ArrayRef, true),
            ("u", Arc::new(UInt32Array::from(vec![7, 8, u32::MAX])), true),
            ("f", Arc::new(Float64Array::from(vec![Some(0.5), None, Some(-0.0)])), true),
            ("b", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])), true),
            ("d", Arc::new(Date32Array::from(vec![Some(0), None, Some(20_000)])), true),
            ("s", Arc::new(StringArray::from(vec![Some(text[0]), None, Some(text[1])])), true),
            ("v", Arc::new(StringViewArray::from(vec![Some(text[1]), Some(text[2]), None])), true),
        ])
        .unwrap()
    }

    #[test]
    fn a_batch_comes_back_from_polars_as_it_went() {
        let batch = batch();
        let back = to_arrow(&to_polars(&batch).unwrap()).unwrap();
        assert_eq!(back.num_rows(), 3);
        for (column, field) in batch.schema().fields().iter().enumerate() {
            let (before, after) = (batch.column(column), back.column(column));
            let after = cast(after, field.data_type()).unwrap();
            assert_eq!(before, &after, "column {} changed on the way", field.name());
        }
        assert_eq!(back.column(5).data_type(), &DataType::Utf8View);
    }

    #[test]
    fn a_slice_crosses_with_its_own_rows_only() {
        let back = to_arrow(&to_polars(&batch().slice(1, 2)).unwrap()).unwrap();
        assert_eq!(back.num_rows(), 2);
        let numbers = back.column(0).as_primitive::<arrow::datatypes::Int64Type>();
        assert!(numbers.is_null(0));
        assert_eq!(numbers.value(1), -3);
        assert!(back.column(5).is_null(0), "the offset of a slice would be lost");
    }

    #[test]
    fn the_values_outlive_the_batch_they_came_from() {
        let frame = {
            let batch = batch();
            to_polars(&batch).unwrap()
        };
        let back = to_arrow(&frame).unwrap();
        drop(frame);
        assert_eq!(
            back.column(6).as_string_view().value(0),
            "a text that is longer than twelve bytes",
            "the buffers would be freed under the array"
        );
    }

    #[test]
    fn an_empty_batch_crosses_both_ways() {
        let back = to_arrow(&to_polars(&batch().slice(0, 0)).unwrap()).unwrap();
        assert_eq!((back.num_rows(), back.num_columns()), (0, 7));
    }
}
