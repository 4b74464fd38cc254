//! A table from which people were erased: their rows stay, empty, so that numbers and counts go on.
//!
//! Comes in: batches of a table. Goes out: the rows of people that still stand; the table with rows
//! made empty. Never: a cell of an erased person; what stands in an empty row opens nothing.
//!
//! A redacted table has the columns of its kind, all of them nullable, and after them `erased` (true for
//! an empty row), `leaf` (32 bytes: what a committed root holds for an empty row) and, where a root is
//! keyed row by row, `opening` (32 bytes: the key of a row that still stands).

use std::sync::Arc;

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, BooleanArray, RecordBatch},
    compute::{filter_record_batch, nullif},
    datatypes::{DataType, Field, Schema},
    error::ArrowError,
};

/// The column that tells which rows are empty.
pub const ERASED: &str = "erased";
/// The column of what a committed root holds for empty rows.
pub const LEAF: &str = "leaf";
/// The column of keys of rows that still stand.
pub const OPENING: &str = "opening";

/// How the ids begin that take the place of an erased person's.
pub const NOBODY: &str = "erased-";

/// Says whether an id stands in an erased person's place: nobody is paid under it.
pub fn is_nobody(id: &str) -> bool {
    id.starts_with(NOBODY)
}

/// Returns which rows of a batch are empty.
pub fn erased(batch: &RecordBatch) -> Vec<bool> {
    match batch.column_by_name(ERASED).and_then(|column| column.as_boolean_opt()) {
        Some(column) => column.iter().map(|cell| cell == Some(true)).collect(),
        None => vec![false; batch.num_rows()],
    }
}

/// Returns the rows of a batch that still stand.
pub fn standing(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    if batch.column_by_name(ERASED).is_none() {
        return Ok(batch.clone());
    }
    let kept: BooleanArray = erased(batch).into_iter().map(|gone| Some(!gone)).collect();
    filter_record_batch(batch, &kept)
}

/// Makes rows empty but for the columns of `kept`, and puts the columns of redaction beside: `extra` has
/// `leaf` and `opening` as the kind of table needs them.
pub fn empty(
    batch: &RecordBatch,
    gone: &[bool],
    kept: &[&str],
    extra: Vec<(&str, ArrayRef)>,
) -> Result<RecordBatch, ArrowError> {
    let mask: BooleanArray = gone.iter().map(|gone| Some(*gone)).collect();
    let schema = batch.schema();
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        if [ERASED, LEAF, OPENING].contains(&field.name().as_str()) {
            continue;
        }
        let stays = kept.contains(&field.name().as_str());
        fields.push(field.as_ref().clone().with_nullable(true));
        columns.push(if stays { Arc::clone(column) } else { nullif(column, &mask)? });
    }
    fields.push(Field::new(ERASED, DataType::Boolean, false));
    columns.push(Arc::new(mask));
    for (name, column) in extra {
        fields.push(Field::new(name, column.data_type().clone(), true));
        columns.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;

    use super::*;

    #[test]
    fn an_empty_row_keeps_its_place_and_none_of_its_cells() {
        let people: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
        let batch = RecordBatch::try_from_iter([("seq", Arc::clone(&people)), ("id", people)]);
        let batch = empty(&batch.unwrap(), &[false, true, false], &["seq"], Vec::new()).unwrap();
        assert_eq!(batch.num_rows(), 3, "the rows after it would be numbered otherwise");
        assert_eq!(erased(&batch), [false, true, false]);
        assert!(batch.column_by_name("id").unwrap().is_null(1), "an erased cell stayed");
        assert!(batch.column_by_name("seq").unwrap().is_valid(1), "its number is gone");
        let left = standing(&batch).unwrap();
        assert_eq!(left.num_rows(), 2, "an empty row would be read as somebody's");
        let again = empty(&batch, &[true, true, false], &["seq"], Vec::new()).unwrap();
        assert_eq!(again.num_columns(), 3, "a second erasure doubled the columns");
    }
}
