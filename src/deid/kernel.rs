//! Kernels: each turns one Arrow column into one that is safe to show. One file each.
//!
//! Comes in: a conformed column, for each row its person. Goes out: the column as released.
//! Never: a value that a kernel does not understand passed on as it came.

pub mod age;
pub mod band;
pub(super) mod label;
pub mod noise;
pub mod pram;
pub mod prefix;
pub mod pseudonym;
pub mod round;
mod scrub;
pub mod shift_date;
pub(super) mod sticky;
mod surrogate;
pub mod year;
pub mod zip3;

use std::sync::Arc;

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, StringArray},
    compute::cast,
    datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType},
};

use self::{noise::Noise, pram::Pram, round::Multiple, surrogate::Surrogates};
use super::{Error, late::Late, people::People, scrub::Scrubber};
use crate::{
    instant::Date,
    schema::{
        CodeSystem, ColumnType, Distribution, First, HierarchyRule, HierarchySpec, KernelSpec,
        ScrubDates,
    },
};

/// A kernel with its settings, ready to run on columns of one type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kernel {
    Keep,
    Pseudonym {
        domain: String,
    },
    ShiftDate {
        horizon: Option<Date>,
    },
    Year {
        shown: year::Shown,
        band: Option<u32>,
    },
    Age {
        top_age: u32,
    },
    Zip3,
    Band {
        width: u32,
        top: Option<i64>,
    },
    Prefix {
        length: usize,
    },
    Round {
        multiple: Multiple,
    },
    Noise(Noise),
    Pram(Pram),
    Scrub(Arc<Scrubber>),
    Surrogate {
        domain: String,
    },
    /// Waits for the rows of all parts; what it waits with is safe in the vault alone.
    Late(Late),
}

impl Kernel {
    /// The Arrow type of what the kernel makes of a column of type `kind`; `None` where it cannot
    /// run on such a column.
    pub(super) fn output(&self, kind: ColumnType) -> Option<DataType> {
        use ColumnType::{Date, Float, Int, String, Timestamp};
        match (self, kind) {
            (Self::Late(late), _) => late.output(kind),
            (Self::Keep | Self::ShiftDate { .. }, Date | Timestamp)
            | (Self::Keep, String | Int | Float | ColumnType::Bool)
            | (Self::Noise(_), Int | Float)
            | (Self::Pram(_) | Self::Surrogate { .. }, String | Int)
            | (Self::Round { .. }, Float) => Some(kind.arrow()),
            (Self::Round { multiple }, Int) => multiple.whole().map(|_| DataType::Int64),
            (Self::Pseudonym { .. }, String | Int)
            | (Self::Zip3 | Self::Prefix { .. } | Self::Scrub(_), String)
            | (Self::Band { .. }, Int | Float)
            | (Self::Year { band: Some(_), .. }, Date | Timestamp | Int) => Some(DataType::Utf8),
            (Self::Year { band: None, .. }, Date | Timestamp | Int) | (Self::Age { .. }, Int) => {
                Some(DataType::Int64)
            }
            _ => None,
        }
    }

    /// Whether what it makes depends on a key, so that nobody outside can match it to what they
    /// know.
    pub(super) fn is_keyed(&self) -> bool {
        matches!(self, Self::Pseudonym { .. } | Self::ShiftDate { .. } | Self::Surrogate { .. })
    }

    /// What scrubs free text, where it does that.
    pub(super) fn scrubber(&self) -> Option<&Scrubber> {
        if let Self::Scrub(scrubber) = self { Some(scrubber) } else { None }
    }

    /// Runs on a column; `persons` has the roster index of each row.
    pub(super) fn run(
        &self,
        column: &str,
        values: &ArrayRef,
        persons: &[u32],
        people: &People,
    ) -> Result<ArrayRef, Error> {
        let dates = values.as_primitive_opt::<Date32Type>();
        let times = values.as_primitive_opt::<TimestampMicrosecondType>();
        let integers = values.as_primitive_opt::<Int64Type>();
        let floats = values.as_primitive_opt::<Float64Type>();
        let shifts = || persons.iter().map(|person| people.shift(*person));
        let out: Option<ArrayRef> = match self {
            Self::Keep => Some(Arc::clone(values)),
            Self::Late(late) => Some(late.stage(column, values, persons, people)?),
            Self::Pseudonym { domain } => {
                let keyed = people.pseudonyms();
                match integers {
                    Some(ids) => Some(Arc::new(keyed.integers(domain, ids))),
                    None => text(values).map(|ids| Arc::new(keyed.texts(domain, &ids)) as _),
                }
            }
            Self::ShiftDate { horizon } => match (dates, times) {
                (Some(dates), _) => Some(Arc::new(shift_date::dates(dates, shifts(), *horizon))),
                (None, Some(at)) => Some(Arc::new(shift_date::timestamps(at, shifts(), *horizon))),
                (None, None) => None,
            },
            Self::Year { shown, band } => {
                let years = match (dates, times, integers) {
                    (Some(dates), _, _) => Some(year::of_dates(dates, *shown)),
                    (None, Some(at), _) => Some(year::of_timestamps(at, *shown)),
                    (None, None, Some(years)) => Some(year::of_years(years, *shown)),
                    (None, None, None) => None,
                };
                years.map(|years| match band {
                    Some(width) => Arc::new(year::banded(&years, *width, shown.floor)) as ArrayRef,
                    None => Arc::new(years),
                })
            }
            Self::Age { top_age } => integers.map(|ages| Arc::new(age::age(ages, *top_age)) as _),
            Self::Zip3 => text(values).map(|codes| Arc::new(zip3::zip3(&codes)) as _),
            Self::Band { width, top } => match (integers, floats) {
                (Some(values), _) => Some(Arc::new(band::integers(values, *width, *top))),
                (None, Some(values)) => Some(Arc::new(band::floats(values, *width, *top))),
                (None, None) => None,
            },
            Self::Prefix { length } => {
                text(values).map(|texts| Arc::new(prefix::prefix(&texts, *length)) as _)
            }
            Self::Noise(noise) => match (integers, floats) {
                (Some(values), _) => {
                    Some(Arc::new(noise.integers(values, persons, people.sticky())))
                }
                (None, Some(values)) => {
                    Some(Arc::new(noise.floats(values, persons, people.sticky())))
                }
                (None, None) => None,
            },
            Self::Pram(pram) => match integers {
                Some(codes) => Some(Arc::new(pram.integers(codes, persons, people.sticky()))),
                None => text(values)
                    .map(|codes| Arc::new(pram.texts(&codes, persons, people.sticky())) as _),
            },
            Self::Scrub(scrubber) => text(values).map(|notes| {
                let days = persons.iter().map(|person| (*person, people.shift(*person)));
                Arc::new(scrub::texts(scrubber, &notes, days, people.known())) as _
            }),
            Self::Surrogate { domain } => {
                let surrogates = Surrogates::new(&people.pseudonyms().surrogate_key(domain));
                match integers {
                    Some(ids) => Some(Arc::new(surrogates.integers(ids))),
                    None => text(values).map(|ids| Arc::new(surrogates.texts(&ids)) as _),
                }
            }
            Self::Round { multiple } => match (integers, floats, multiple.whole()) {
                (Some(values), _, Some(whole)) => Some(Arc::new(round::integers(values, whole))),
                (None, Some(values), _) => Some(Arc::new(round::floats(values, *multiple))),
                (Some(_) | None, None, _) | (Some(_), Some(_), None) => None,
            },
        };
        out.ok_or_else(|| Error::Column {
            column: column.to_owned(),
            found: values.data_type().to_string(),
        })
    }
}

/// Text of any Arrow layout as `Utf8`: Polars hands strings back as views.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "Arrow's types are many, those of text are three"
)]
fn text(values: &ArrayRef) -> Option<StringArray> {
    match values.data_type() {
        DataType::Utf8 => values.as_string_opt::<i32>().cloned(),
        DataType::LargeUtf8 | DataType::Utf8View => {
            cast(values, &DataType::Utf8).ok()?.as_string_opt::<i32>().cloned()
        }
        _ => None,
    }
}

/// Says whether what was done to a column, in the words of [`done`], depends on a key.
pub fn is_done_with_a_key(done: &str) -> bool {
    done.starts_with("keyed ") || done.starts_with("moved by the person's own")
}

/// Returns in words what a kernel does, for reports and for the ledger's readers.
pub fn done(spec: &KernelSpec) -> String {
    match spec {
        KernelSpec::Keep { allow: None } => "as it came".to_owned(),
        KernelSpec::Keep { allow: Some(reason) } => format!("as it came, allowed: {reason}"),
        KernelSpec::Drop {} => "taken out".to_owned(),
        KernelSpec::Pseudonym { domain } => format!("keyed pseudonym of its {domain}"),
        KernelSpec::ShiftDate {} => "moved by the person's own number of days".to_owned(),
        KernelSpec::Year { top_age, band } => {
            let years = match band {
                None => "year".to_owned(),
                Some(width) => format!("year in bands of {width}"),
            };
            format!("{years}, those that show an age over {top_age} in one class")
        }
        KernelSpec::Age { top_age } => format!("age, those over {top_age} in one class"),
        KernelSpec::Zip3 {} => format!(
            "first three digits of the ZIP code where over 20,000 people live ({} census), else 000",
            zip3::CENSUS_YEAR
        ),
        KernelSpec::Band { width, top: None } => format!("bands of {width}"),
        KernelSpec::Band { width, top: Some(top) } => {
            format!("bands of {width}, {top} and over in one")
        }
        KernelSpec::Hierarchy(spec) => hierarchy_done(spec),
        KernelSpec::Prefix { length: 1 } => "first character".to_owned(),
        KernelSpec::Prefix { length } => format!("first {length} characters"),
        KernelSpec::Round { to } => format!("rounded to the nearest {to}"),
        KernelSpec::Microaggregate { k, group } => {
            format!("mean of at least {k} people whose `{group}` are near (MDAV)")
        }
        KernelSpec::Noise { scale, distribution: Distribution::Laplace } => {
            format!("with Laplace noise of scale {scale}, the same again for the same value")
        }
        KernelSpec::Noise { scale, distribution: Distribution::Normal } => format!(
            "with normal noise of standard deviation {scale}, the same again for the same value"
        ),
        KernelSpec::Pram { keep } => {
            format!("its own code with probability {keep}, else another of its codes, each alike")
        }
        KernelSpec::RankSwap { window, top, bottom } => format!(
            "{}changed places within {window} of the ranks",
            ends(top.as_deref(), bottom.as_deref(), "; then ")
        ),
        KernelSpec::Scrub(spec) => {
            let dates = match spec.dates {
                ScrubDates::Mask => "dates too",
                ScrubDates::Shift => "whole dates moved by the person's own number of days",
            };
            let besides = spec
                .words
                .as_ref()
                .map_or_else(String::new, |list| format!(" and of `{}`", list.path));
            format!(
                "free text; everything taken out but words of the lists{besides} and numbers of \
                 clinical shapes, {dates}"
            )
        }
        KernelSpec::Surrogate { domain } => {
            format!("keyed surrogate of its {domain}, of the same shape (FF1)")
        }
        KernelSpec::TopBottom { top, bottom } => ends(top.as_deref(), bottom.as_deref(), ""),
    }
}

/// What is done to the ends of a column, and what then.
fn ends(top: Option<&str>, bottom: Option<&str>, then: &str) -> String {
    match (bottom, top) {
        (None, None) => String::new(),
        (Some(bottom), None) => format!("those up to percentile {bottom} in one{then}"),
        (None, Some(top)) => format!("those from percentile {top} in one{then}"),
        (Some(bottom), Some(top)) => {
            format!("those up to percentile {bottom} in one, and those from {top}{then}")
        }
    }
}

fn hierarchy_done(spec: &HierarchySpec) -> String {
    let first = match spec.after {
        None => "",
        Some(First::Year) => "year, then ",
        Some(First::Age) => "age, then ",
        Some(First::Zip3) => "first three digits of the ZIP code, then ",
    };
    let by = match &spec.by {
        HierarchyRule::File { path, .. } => format!("`{path}`"),
        HierarchyRule::Prefix(_) => "its first characters".to_owned(),
        HierarchyRule::Widths(_) => "bands".to_owned(),
        HierarchyRule::Dates(_) => "parts of the date".to_owned(),
        HierarchyRule::Codes(CodeSystem::Icd10) => "the levels of ICD-10".to_owned(),
        HierarchyRule::Codes(CodeSystem::Atc) => "the levels of ATC".to_owned(),
    };
    format!("{first}told less exactly by {by}")
}
