//! Classes of quasi-identifiers: which people share the same tuple of what others may know of them.
//!
//! Comes in: de-identified batches. Goes out: [`Classes`], the people of each class, small enough for
//! a part's receipt and mergeable in any order; [`SmallClasses`], those that may not be shown.
//! Never: a person counted twice in a class, however many rows they have there.

mod counter;
mod encoding;

use std::sync::Arc;

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _},
    compute::is_not_null,
    datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType},
    error::ArrowError,
    row::{RowConverter, SortField},
};
use rayon::prelude::*;

pub use self::{counter::ClassCounter, encoding::ClassesError};
use super::TablePlan;
use crate::digest::Sha256;

/// The class of rows that nobody is to see, whoever else is in it.
pub(super) const HELD: u128 = u128::MAX;

/// The people of each class of one table.
///
/// Laid out flat: class `i` has key `keys[i]`, `rows[i]` rows, and the people between `ends[i - 1]`
/// and `ends[i]`.
// INVARIANT: keys ascend strictly; so do the people of a class.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Classes {
    keys: Vec<u128>,
    rows: Vec<u64>,
    ends: Vec<usize>,
    people: Vec<u32>,
}

impl Classes {
    /// Puts the classes of all parts together, on every core. The order of the parts does not
    /// matter; a part given twice has its rows counted twice.
    pub fn merge(parts: Vec<Self>) -> Self {
        parts.into_par_iter().reduce(Self::default, |a, b| a.union(&b))
    }

    /// Returns how many classes there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no class: no row, or no quasi-identifier.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Finds the classes of fewer than `k` people.
    pub fn small(&self, k: u32) -> SmallClasses {
        let large = self.iter().filter(|class| class.is_shown(k)).map(|class| class.key);
        let large: Vec<u128> = large.collect();
        SmallClasses { count: self.len() - large.len(), large }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Class<'_>> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        self.keys.iter().zip(&self.rows).zip(starts.zip(&self.ends)).map(
            |((key, rows), (start, end))| Class {
                key: *key,
                rows: *rows,
                people: self.people.get(start..*end).unwrap_or_default(),
            },
        )
    }

    fn push(&mut self, key: u128, rows: u64, people: impl Iterator<Item = u32>) {
        self.keys.push(key);
        self.rows.push(rows);
        self.people.extend(people);
        self.ends.push(self.people.len());
    }

    fn union(self, other: &Self) -> Self {
        if self.is_empty() {
            return other.clone();
        }
        let mut out = Self::default();
        out.people.reserve(self.people.len() + other.people.len());
        let (mut left, mut right) = (self.iter().peekable(), other.iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) => a.key.cmp(&b.key),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (None, None) => return out,
            };
            let (a, b) = match order {
                std::cmp::Ordering::Less => (left.next(), None),
                std::cmp::Ordering::Greater => (None, right.next()),
                std::cmp::Ordering::Equal => (left.next(), right.next()),
            };
            match (a, b) {
                (Some(a), Some(b)) => {
                    out.push(a.key, a.rows + b.rows, united(a.people, b.people));
                }
                (Some(class), None) | (None, Some(class)) => {
                    out.push(class.key, class.rows, class.people.iter().copied());
                }
                (None, None) => return out,
            }
        }
    }
}

/// One class.
#[derive(Debug, Clone, Copy)]
pub(super) struct Class<'a> {
    pub(super) key: u128,
    pub(super) rows: u64,
    pub(super) people: &'a [u32],
}

impl Class<'_> {
    /// Whether it may be shown where classes have at least `k` people.
    pub(super) fn is_shown(&self, k: u32) -> bool {
        let least = usize::try_from(k).unwrap_or(usize::MAX).max(1);
        self.key != HELD && self.people.len() >= least
    }
}

/// Two ascending lists as one, each person once.
fn united<'a>(a: &'a [u32], b: &'a [u32]) -> impl Iterator<Item = u32> + 'a {
    let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
    std::iter::from_fn(move || match (a.peek(), b.peek()) {
        (Some(x), Some(y)) if x == y => {
            a.next();
            b.next()
        }
        (Some(x), Some(y)) if x < y => a.next(),
        (Some(_), None) => a.next(),
        (_, Some(_)) | (None, None) => b.next(),
    })
}

/// Which classes of a table may not be shown: all but those counted to k people or more.
///
/// It holds the large ones, so that a class nobody counted is small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmallClasses {
    count: usize,
    large: Vec<u128>,
}

impl SmallClasses {
    /// Returns how many of the counted classes are small.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether every counted class is large enough.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn contains(&self, key: u128) -> bool {
        self.large.binary_search(&key).is_err()
    }
}

/// The class of each row: a code into the batch's distinct classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClassCodes {
    pub(super) keys: Vec<u128>,
    pub(super) codes: Vec<u32>,
}

#[expect(clippy::disallowed_types, reason = "looked up only; its order never reaches output")]
pub(super) type Lookup<K> = std::collections::HashMap<K, u32, foldhash::fast::FixedState>;

/// Finds the class of each row of the released columns.
pub(super) fn class_codes(
    plan: &TablePlan,
    columns: &[ArrayRef],
) -> Result<Option<ClassCodes>, ArrowError> {
    let mut quasi: Vec<ArrayRef> = Vec::new();
    for (column, step) in columns.iter().skip(1).zip(plan.steps()) {
        if step.is_quasi {
            // What a keyed kernel made matches nothing that anybody knows, but that there is
            // something does: a date of death says that a person died.
            quasi.push(if step.kernel.is_keyed() {
                Arc::new(is_not_null(column)?)
            } else {
                Arc::clone(column)
            });
        }
    }
    if quasi.is_empty() {
        return Ok(None);
    }
    let fields = quasi.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    let rows = RowConverter::new(fields)?.convert_columns(&quasi)?;
    let mut lookup = Lookup::<&[u8]>::default();
    let mut keys = Vec::new();
    let mut codes = Vec::with_capacity(rows.num_rows());
    // Rows borrow their bytes from `rows`, which outlives the lookup.
    for at in 0..rows.num_rows() {
        let next = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        let code = *lookup.entry(rows.row(at).data()).or_insert_with(|| {
            keys.push(key(plan, &quasi, at));
            next
        });
        codes.push(code);
    }
    Ok(Some(ClassCodes { keys, codes }))
}

/// The key of a class: the first 16 bytes of SHA-256 over the plan's digest and the tuple, each
/// value framed, so that it is the same in every part, on every machine, in every build.
fn key(plan: &TablePlan, quasi: &[ArrayRef], row: usize) -> u128 {
    let mut bytes = b"almoner/class/v1".to_vec();
    bytes.extend_from_slice(plan.digest().as_bytes());
    for column in quasi {
        write_value(column, row, &mut bytes);
    }
    let digest = Sha256::of(&bytes);
    digest.as_bytes().iter().take(16).fold(0, |key, byte| key << 8 | u128::from(*byte))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "Arrow's types are many, ours are six")]
fn write_value(column: &ArrayRef, row: usize, out: &mut Vec<u8>) {
    if column.is_null(row) {
        out.push(0);
        return;
    }
    out.push(1);
    match column.data_type() {
        DataType::Utf8 => {
            let text = column.as_string::<i32>().value(row);
            out.extend_from_slice(&(text.len() as u64).to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        DataType::Int64 => {
            out.extend_from_slice(&column.as_primitive::<Int64Type>().value(row).to_be_bytes());
        }
        DataType::Float64 => {
            let value = column.as_primitive::<Float64Type>().value(row);
            out.extend_from_slice(&value.to_bits().to_be_bytes());
        }
        DataType::Date32 => {
            out.extend_from_slice(&column.as_primitive::<Date32Type>().value(row).to_be_bytes());
        }
        DataType::Timestamp(_, _) => {
            let at = column.as_primitive::<TimestampMicrosecondType>().value(row);
            out.extend_from_slice(&at.to_be_bytes());
        }
        DataType::Boolean => out.push(u8::from(column.as_boolean().value(row))),
        // INVARIANT: kernels make no other types; were there one, each of its rows would be a class
        // of its own, so not shown.
        _ => out.extend_from_slice(&(row as u64).to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counted(pairs: &[(u8, u32)]) -> Classes {
        let mut counter = ClassCounter::default();
        for (class, person) in pairs {
            counter.add_rows(&[u128::from(*class)], &[0], &[*person]);
        }
        counter.finish()
    }

    #[test]
    fn a_person_with_many_rows_counts_once() {
        let classes = counted(&[(1, 7), (1, 7), (1, 7), (2, 7)]);
        assert_eq!(
            classes.iter().map(|c| (c.people.len(), c.rows)).collect::<Vec<_>>(),
            [(1, 3), (1, 1)]
        );
        assert!(classes.small(2).contains(1), "one person's rows made a class look large");
    }

    #[test]
    fn a_class_that_nobody_counted_is_small() {
        let small = counted(&[(1, 1), (1, 2)]).small(2);
        assert!(!small.contains(1) && small.contains(99));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn parts_merge_to_the_same_in_any_order(
            pairs in proptest::collection::vec((0_u8..6, 0_u32..12), 0..80),
            cut in 0_usize..80, other in 0_usize..80,
        ) {
            let whole = counted(&pairs);
            let cut = cut.min(pairs.len());
            let other = other.min(cut);
            let parts = [&pairs[..other], &pairs[other..cut], &pairs[cut..]].map(counted);
            let mut backwards = parts.to_vec();
            backwards.reverse();
            prop_assert_eq!(&Classes::merge(parts.to_vec()), &whole);
            prop_assert_eq!(&Classes::merge(backwards), &whole);
            let mut sizes = std::collections::BTreeMap::<u8, std::collections::BTreeSet<u32>>::new();
            for (class, person) in &pairs {
                sizes.entry(*class).or_default().insert(*person);
            }
            for (class, people) in sizes {
                prop_assert_eq!(whole.small(5).contains(u128::from(class)), people.len() < 5);
            }
        }

        #[test]
        fn classes_read_back_from_their_bytes(
            pairs in proptest::collection::vec((any::<u8>(), any::<u32>()), 0..80),
        ) {
            let classes = counted(&pairs);
            let bytes = classes.to_bytes();
            prop_assert_eq!(Classes::from_bytes(&bytes), Ok(classes.clone()));
            let json = serde_json::to_string(&classes).unwrap();
            prop_assert_eq!(serde_json::from_str::<Classes>(&json).unwrap(), classes);
            for end in 0..bytes.len() {
                prop_assert!(Classes::from_bytes(&bytes[..end]).is_err(), "cut bytes are taken");
            }
        }
    }
}
