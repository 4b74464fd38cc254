//! Labels of bands: one text a band, made once a batch and copied to its rows.
//!
//! Comes in: numbers and the band each lies in. Goes out: `Utf8`. Never: a value inside a label.

use std::collections::BTreeMap;

use arrow::{
    array::{ArrowPrimitiveType, PrimitiveArray, StringArray, StringBuilder},
    datatypes::ArrowNativeType,
};

/// Labels each value by its band.
pub(super) fn per_value<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    band: impl Fn(T::Native) -> i64,
    text: impl Fn(i64) -> String,
) -> StringArray
where
    T::Native: ArrowNativeType,
{
    let mut labels = BTreeMap::<i64, String>::new();
    let mut out = StringBuilder::with_capacity(values.len(), values.len() * 8);
    for value in values {
        match value {
            None => out.append_null(),
            Some(value) => {
                let band = band(value);
                out.append_value(labels.entry(band).or_insert_with(|| text(band)));
            }
        }
    }
    out.finish()
}

/// `low-high`, or the one number where both are the same.
pub(in crate::deid) fn range(low: i64, high: i64) -> String {
    if low == high { low.to_string() } else { format!("{low}-{high}") }
}
