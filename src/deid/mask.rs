//! Kernels that need a whole column: ends coded by percentile, microaggregation, rank swapping.
//!
//! Comes in: the columns of a table, all rows of all parts, for each row its person. Goes out: the
//! columns that are shown, of the same types and lengths, and what that cost. Never: a cell that shows
//! what its kernel could not make safe; it shows nothing, and is counted. Nothing stays nothing.
//!
//! They run before rows are suppressed: who is in a group, an end or a swap may not be in the release.

mod mdav;
mod microaggregate;
mod rank_swap;
mod shells;
mod stream;
mod tails;

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{
        Array as _, ArrayRef, ArrowPrimitiveType, AsArray as _, Float64Array, Int64Array,
        PrimitiveArray, UInt32Array,
    },
    compute::{cast, take},
    datatypes::{DataType, Float64Type, Int64Type},
    error::ArrowError,
};

pub(super) use self::tails::Tails;
use self::{
    shells::{count, place},
    stream::Stream,
};
use super::{Fraction, kernel::sticky::Sticky};

/// A kernel of whole columns.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mask {
    /// The ends show the value at which they begin.
    TopBottom { tails: Tails, k: u32 },
    /// The mean of a group of near rows; columns of one group are grouped together.
    Microaggregate { group: String, k: u32 },
    /// Ends first, then values change places.
    RankSwap { window: Fraction, tails: Option<Tails>, k: u32, stream: String },
}

/// What a mask did to one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masked {
    /// Its place among the table's steps.
    pub(super) at: usize,
    /// Cells that held a value.
    pub cells: u64,
    /// Cells that show another.
    pub changed: u64,
    /// Cells that show nothing, because nothing could be shown.
    pub emptied: u64,
    /// The squared change as a share of the column's variance, in millionths.
    pub moved_ppm: u64,
}

impl Masked {
    /// Says what it cost, for reports.
    pub fn words(&self) -> String {
        let moved = format!("{}.{:02} %", self.moved_ppm / 10_000, self.moved_ppm / 100 % 100);
        let empty = match self.emptied {
            0 => "no cell emptied".to_owned(),
            emptied => format!("{emptied} of {} cells emptied", self.cells),
        };
        format!("squared change {moved} of its variance, {empty}")
    }
}

/// Masks columns in place; `masks` has the kernel of each by its place.
pub(super) fn run(
    columns: &mut BTreeMap<usize, ArrayRef>,
    masks: &BTreeMap<usize, &Mask>,
    persons: &[u32],
    sticky: &Sticky,
) -> Result<Vec<Masked>, ArrowError> {
    let mut groups: BTreeMap<(&str, u32), Vec<usize>> = BTreeMap::new();
    let mut told = Vec::new();
    for (at, mask) in masks {
        let Some(column) = columns.get(at) else { continue };
        let shown = match mask {
            Mask::TopBottom { tails, k } => {
                let rows = tails::code(&order(column, &[]), persons, *tails, place(*k));
                take(column, &UInt32Array::from(rows), None)?
            }
            Mask::RankSwap { window, tails, k, stream } => {
                let mut stream = Stream::new(sticky.stream(stream));
                // Rows of one value stand in a drawn order, lest rows of one person stand together.
                let ties: Vec<usize> =
                    persons.iter().map(|_| stream.below(persons.len())).collect();
                let order = order(column, &ties);
                let window = ranks(order.len(), *window);
                let swapped = rank_swap::swap(&order, persons, window, &mut stream);
                let ends = tails.map(|tails| tails::code(&order, persons, tails, place(*k)));
                let end = |row: u32| match &ends {
                    Some(ends) => ends.get(place(row)).copied().flatten(),
                    None => Some(row),
                };
                let rows: UInt32Array = swapped.into_iter().map(|row| end(row?)).collect();
                take(column, &rows, None)?
            }
            Mask::Microaggregate { group, k } => {
                groups.entry((group.as_str(), *k)).or_default().push(*at);
                continue;
            }
        };
        told.push(compare(*at, column, &shown)?);
        columns.insert(*at, shown);
    }
    for ((_, k), group) in groups {
        let given: Vec<Vec<Option<f64>>> =
            group.iter().filter_map(|at| columns.get(at)).map(numbers).collect::<Result<_, _>>()?;
        let means = microaggregate::shown(&given, persons, place(k));
        for (at, means) in group.iter().zip(means) {
            let Some(column) = columns.get(at) else { continue };
            let shown: ArrayRef = if *column.data_type() == DataType::Int64 {
                Arc::new(means.into_iter().map(|mean| mean.map(nearest)).collect::<Int64Array>())
            } else {
                Arc::new(Float64Array::from(means))
            };
            told.push(compare(*at, column, &shown)?);
            columns.insert(*at, shown);
        }
    }
    told.sort_by_key(|masked| masked.at);
    Ok(told)
}

/// The rows that hold a value, by it, then by what decides ties, then in the order of the table.
fn order(column: &ArrayRef, ties: &[usize]) -> Vec<u32> {
    fn of<T: ArrowPrimitiveType, K: Ord>(
        values: &PrimitiveArray<T>,
        ties: &[usize],
        key: impl Fn(T::Native) -> K,
    ) -> Vec<u32> {
        let tie = |row: u32| ties.get(place(row)).copied().unwrap_or_default();
        let there = (0..).zip(values).filter_map(|(row, value)| Some((key(value?), tie(row), row)));
        let mut rows: Vec<(K, usize, u32)> = there.collect();
        rows.sort_unstable();
        rows.into_iter().map(|(_, _, row)| row).collect()
    }
    match (column.as_primitive_opt::<Int64Type>(), column.as_primitive_opt::<Float64Type>()) {
        (Some(values), _) => of(values, ties, |value| value),
        (None, Some(values)) => of(values, ties, ascending),
        // INVARIANT: the plan lets numbers alone have a mask. Nothing else is in an order, so none
        // of it is shown.
        (None, None) => Vec::new(),
    }
}

/// A key by which floats are in order; values are finite.
fn ascending(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

fn numbers(column: &ArrayRef) -> Result<Vec<Option<f64>>, ArrowError> {
    let floats = cast(column, &DataType::Float64)?;
    Ok(floats.as_primitive_opt::<Float64Type>().map(|of| of.iter().collect()).unwrap_or_default())
}

/// A share of the ranks, at least two: within one, an odd value would find nobody.
fn ranks(count: usize, share: Fraction) -> usize {
    let ranks = (count as u128) * u128::from(share.ppm()) / 1_000_000;
    usize::try_from(ranks).unwrap_or(count).max(2)
}

/// The integer nearest to a mean of integers.
#[expect(clippy::cast_possible_truncation, reason = "a mean of integers lies among them")]
fn nearest(mean: f64) -> i64 {
    mean.round() as i64
}

fn compare(at: usize, given: &ArrayRef, shown: &ArrayRef) -> Result<Masked, ArrowError> {
    let (given, shown) = (numbers(given)?, numbers(shown)?);
    let values: Vec<f64> = given.iter().copied().flatten().collect();
    let mean = values.iter().sum::<f64>() / count(values.len().max(1));
    let mut masked =
        Masked { at, cells: values.len() as u64, changed: 0, emptied: 0, moved_ppm: 0 };
    let (mut moved, mut spread) = (0.0, 0.0);
    for (given, shown) in given.iter().zip(&shown) {
        match (given, shown) {
            (Some(given), Some(shown)) => {
                masked.changed += u64::from(given.total_cmp(shown).is_ne());
                moved += (shown - given) * (shown - given);
                spread += (given - mean) * (given - mean);
            }
            (Some(_), None) => masked.emptied += 1,
            (None, _) => {}
        }
    }
    if spread > 0.0 {
        masked.moved_ppm = millionths(moved / spread);
    }
    Ok(masked)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share is not negative, and a cast to an integer stops at its ends"
)]
fn millionths(share: f64) -> u64 {
    (share * 1e6).round() as u64
}

#[cfg(test)]
mod cases;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::party::ContributorId;

    const TAILS: Tails = Tails { bottom_ppm: Some(50_000), top_ppm: Some(950_000) };

    fn masked(column: ArrayRef, mask: &Mask, persons: &[u32]) -> (ArrayRef, Masked) {
        let sticky = Sticky::new(&[1; 32], &[ContributorId::parse("p").unwrap()]);
        let mut columns = BTreeMap::from([(3, column)]);
        let told = run(&mut columns, &BTreeMap::from([(3, mask)]), persons, &sticky).unwrap();
        (columns.remove(&3).unwrap(), told[0].clone())
    }

    fn swap(tails: Option<Tails>) -> Mask {
        let window = Fraction::parse("0.1").unwrap();
        Mask::RankSwap { window, tails, k: 5, stream: "t.c".to_owned() }
    }

    #[test]
    fn a_swap_hides_whose_extremes_they_are_and_with_ends_the_extremes() {
        let persons: Vec<u32> = (0..100).collect();
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values((0..100).map(|n| n * n)));
        let (shown, told) = masked(Arc::clone(&column), &swap(None), &persons);
        let mut values: Vec<i64> = shown.as_primitive::<Int64Type>().iter().flatten().collect();
        values.sort_unstable();
        assert_eq!(
            values,
            column.as_primitive::<Int64Type>().values().to_vec(),
            "a value was made"
        );
        assert_eq!((told.cells, told.changed, told.emptied), (100, 100, 0));
        assert!(told.moved_ppm > 0 && told.moved_ppm < 100_000, "{} moved", told.moved_ppm);
        let words = Masked { moved_ppm: 31_250, emptied: 2, ..told }.words();
        assert_eq!(words, "squared change 3.12 % of its variance, 2 of 100 cells emptied");
        let (shown, _) = masked(column, &swap(Some(TAILS)), &persons);
        let most = shown.as_primitive::<Int64Type>().iter().flatten().max();
        assert_eq!(most, Some(94 * 94), "the largest value is shown");
    }

    #[test]
    fn nothing_stays_nothing_under_every_mask() {
        let persons: Vec<u32> = (0..40).collect();
        let values = (0..40).map(|n| (n % 4 != 1).then_some(f64::from(n) / 3.0));
        let column: ArrayRef = Arc::new(values.collect::<Float64Array>());
        for mask in [
            Mask::TopBottom { tails: TAILS, k: 3 },
            Mask::Microaggregate { group: "g".to_owned(), k: 3 },
            swap(Some(TAILS)),
        ] {
            let (shown, told) = masked(Arc::clone(&column), &mask, &persons);
            assert_eq!(shown.data_type(), column.data_type());
            assert_eq!(shown.logical_nulls(), column.logical_nulls(), "{mask:?}");
            assert_eq!((told.cells, told.emptied), (30, 0));
        }
    }

    #[test]
    fn rows_of_one_value_and_person_that_stand_together_find_others_to_swap_with() {
        let persons: Vec<u32> = (0..200).map(|row| row / 20).collect();
        let column: ArrayRef = Arc::new(Int64Array::from(vec![7; 200]));
        let (_, told) = masked(column, &swap(None), &persons);
        assert_eq!(told.emptied, 0, "rows of one value are swapped in the order of the table");
    }

    #[test]
    fn floats_of_both_signs_are_in_order() {
        let values = [-3.5, -0.0, 0.0, 1e-300, 2.0, 1e300];
        assert!(values.map(ascending).is_sorted());
        assert_eq!(ascending(-0.0), ascending(0.0), "two zeros are apart");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn integers_that_are_aggregated_show_their_groups_mean_rounded(
            values in proptest::collection::vec(-1_000_i64..1_000, 3..60),
        ) {
            let persons: Vec<u32> = (0..).take(values.len()).collect();
            let mask = Mask::Microaggregate { group: "g".to_owned(), k: 3 };
            let (shown, told) = masked(Arc::new(Int64Array::from(values.clone())), &mask, &persons);
            let shown = shown.as_primitive::<Int64Type>();
            prop_assert_eq!(told.emptied, 0);
            let off: i64 = values.iter().zip(shown.values()).map(|(value, shown)| value - shown).sum();
            prop_assert!(off.unsigned_abs() * 2 <= values.len() as u64, "the mean moved by {off}");
            prop_assert!(told.moved_ppm <= 1_300_000);
        }
    }
}
