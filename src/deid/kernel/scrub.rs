//! Notes with everything taken out that is not known to be harmless; see `deid::scrub`.
//!
//! Comes in: text, for each row its person and their days. Goes out: `Utf8` of the same rows.
//! Never: a note searched for another person's values.

use arrow::array::{Array as _, StringArray, StringBuilder};

use crate::deid::scrub::{Known, Matcher, Scrubber};

/// Scrubs a column; `people` has each row's person and the days that their dates move by.
pub(super) fn texts(
    scrubber: &Scrubber,
    texts: &StringArray,
    people: impl Iterator<Item = (u32, i32)>,
    known: &Known,
) -> StringArray {
    let mut out = StringBuilder::with_capacity(texts.len(), texts.value_data().len());
    // The notes of a person mostly stand one after the other.
    let mut last: Option<(u32, Matcher)> = None;
    for (text, (person, days)) in texts.iter().zip(people) {
        let matcher = match last.take() {
            Some((same, matcher)) if same == person => matcher,
            Some(_) | None => known.matcher(person),
        };
        out.append_option(text.map(|text| scrubber.scrub(text, &matcher, days)));
        last = Some((person, matcher));
    }
    out.finish()
}
