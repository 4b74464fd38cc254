//! A view's cells as JSON values and as text.
//!
//! Never: a whole number written as a fraction, or a digest as bytes.

use std::fmt::Write as _;

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _},
    datatypes::{Float64Type, Int64Type},
};
use serde_json::{Number, Value};

/// Integers up to here are exact in a double.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// Returns a cell as JSON.
pub(super) fn value(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    if let Some(texts) = array.as_string_opt::<i32>() {
        Value::from(texts.value(row))
    } else if let Some(wholes) = array.as_primitive_opt::<Int64Type>() {
        Value::from(wholes.value(row))
    } else if let Some(decimals) = array.as_primitive_opt::<Float64Type>() {
        number(decimals.value(row))
    } else if let Some(booleans) = array.as_boolean_opt() {
        Value::from(booleans.value(row))
    } else if let Some(digests) = array.as_fixed_size_binary_opt() {
        Value::from(hex(digests.value(row)))
    } else if let Some(lists) = array.as_list_opt::<i32>() {
        let items = lists.value(row);
        (0..items.len()).map(|item| value(&items, item)).collect()
    } else {
        // INVARIANT: a view has no other types.
        Value::Null
    }
}

/// Returns a number as JSON: whole where it is whole.
pub(super) fn number(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < WHOLE_MAX {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// Returns a cell as text; null is empty, a list a JSON array.
pub(super) fn text(array: &ArrayRef, row: usize) -> String {
    match value(array, row) {
        Value::Null => String::new(),
        Value::String(text) => text,
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            other.to_string()
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
