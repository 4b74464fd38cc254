//! What each column means: `schemas/*.toml` read into [`TableSchema`], and raw rows conformed to it.
//!
//! Comes in: a schema file, raw batches. Goes out: [`ConformedBatch`] and the rejects.
//! Never: a column that no schema declares, a guess at a type, or a value in a reject.

mod cell;
mod conform;
mod hierarchy;
mod kernel;
mod keys;
mod read;
mod reject;
mod scrub;

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use arrow::{
    array::{BooleanArray, RecordBatch},
    compute::filter_record_batch,
    datatypes::{DataType, Field, Schema},
    error::ArrowError,
};
use serde::{Deserialize, Serialize};

pub use conform::{Error, conform};
pub use hierarchy::{CodeSystem, DatePart, First, HierarchyRule, HierarchySpec};
pub use keys::{Broken, KeySet, ReferenceSet, Screen, check_references};
pub use reject::{Reject, Rule, rejects_batch};
pub use scrub::{ScrubDates, ScrubSpec, WordList};

use crate::digest::Sha3Digest;

/// The type of a conformed column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnType {
    /// UTF-8 text: Arrow `Utf8`.
    String,
    /// A 64-bit integer: Arrow `Int64`.
    Int,
    /// A finite number: Arrow `Float64`.
    Float,
    /// true or false: Arrow `Boolean`.
    Bool,
    /// A civil date: Arrow `Date32`.
    Date,
    /// A date and time in UTC: Arrow `Timestamp(Microsecond, None)`.
    Timestamp,
}

impl ColumnType {
    /// Returns the Arrow type of conformed columns of this type.
    pub fn arrow(self) -> DataType {
        match self {
            Self::String => DataType::Utf8,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None),
        }
    }
}

/// What a column is to the person it tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The contributor's id: becomes the pseudonym. Exactly one a table.
    Person,
    /// A direct identifier: dropped, or replaced by a keyed pseudonym of its own domain.
    Direct,
    /// A quasi-identifier: known to others, so counted in k-anonymity.
    Quasi,
    /// What a person would not want known.
    Sensitive,
    /// A measurement or code that singles nobody out by itself.
    Measure,
    /// Read, checked, never kept.
    Drop,
}

/// What de-identification does to a column. `schemas/*.toml` writes it `{ kernel = "zip3" }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kernel", rename_all = "kebab-case", deny_unknown_fields)]
pub enum KernelSpec {
    /// Leaves the value as it is.
    Keep {
        /// Why a text column may stay; required for free text, recorded in the ledger.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        allow: Option<String>,
    },
    /// Takes the column out.
    Drop {},
    /// A keyed pseudonym of the domain, so that equal ids of one domain meet across tables.
    Pseudonym {
        /// The domain, such as `encounter`.
        domain: String,
    },
    /// Moves a date or timestamp by the person's own number of days.
    ShiftDate {},
    /// Keeps the year; years that reveal an age over `top_age` become the first that does not.
    Year {
        /// The highest age shown.
        #[serde(default = "top_age")]
        top_age: u32,
        /// Years in bands of this width, counted from year 0 and written `1960-1999`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        band: Option<u32>,
    },
    /// Ages (integers): those over `top_age` become `top_age + 1`.
    Age {
        /// The highest age shown.
        #[serde(default = "top_age")]
        top_age: u32,
    },
    /// The first three digits of a ZIP code where more than 20,000 people live there, else `000`.
    Zip3 {},
    /// Numbers as bands `[low, low + width)`, written `40-49`; ages over `top` in one band.
    Band {
        /// The width of a band.
        width: u32,
        /// Values at or above this share one band, written `90+`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        top: Option<i64>,
    },
    /// The first characters of a text, such as the category of an ICD-10 code.
    Prefix {
        /// How many characters stay.
        length: usize,
    },
    /// Told less exactly by a hierarchy, to the level that the search over all rows finds.
    Hierarchy(HierarchySpec),
    /// Numbers as the mean of a group of at least `k` people whose rows lie near each other (MDAV).
    Microaggregate {
        /// The least number of people in a group.
        k: u32,
        /// Columns of one table with the same group are grouped together.
        group: String,
    },
    /// Numbers with random noise added, the same for the same value of the same person each time.
    Noise {
        /// The noise's scale as decimal text: b of `laplace`, the standard deviation of `normal`.
        scale: String,
        /// How the noise is distributed.
        #[serde(default)]
        distribution: Distribution,
    },
    /// Codes, some of them changed at random to another of the column's codes (PRAM).
    Pram {
        /// How likely a code stays, as decimal text: `0.8`.
        keep: String,
    },
    /// Numbers that changed places with others of near rank.
    RankSwap {
        /// How far a rank may move, as a share of all ranks: `0.05`.
        window: String,
        /// The percentile from which values are coded first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        top: Option<String>,
        /// The percentile to which values are coded first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bottom: Option<String>,
    },
    /// Numbers to the nearest multiple, half away from zero.
    Round {
        /// The multiple, as decimal text: `0.5`, `10`.
        to: String,
    },
    /// Free text with everything taken out that no list of harmless words and shapes holds.
    Scrub(ScrubSpec),
    /// An id of the same shape under the release's key (FF1): digits stay digits, letters letters.
    Surrogate {
        /// The domain, such as `encounter`, so that equal ids of one domain meet across tables.
        domain: String,
    },
    /// Numbers whose ends show the value at which they begin.
    TopBottom {
        /// The percentile from which values are one, as decimal text: `0.99`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        top: Option<String>,
        /// The percentile up to which values are one: `0.01`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bottom: Option<String>,
    },
}

/// How noise is distributed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// Two exponentials back to back: a sharp peak at zero, long tails.
    #[default]
    Laplace,
    /// The bell.
    Normal,
}

fn top_age() -> u32 {
    89
}

/// What becomes of a cell that does not fit its column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unfit {
    /// Its row is rejected.
    #[default]
    Reject,
    /// The cell is emptied and its row goes on: for a column that mixes measurements with text.
    Null,
}

/// How precise a date or time must at least be; a less precise one is unfit.
///
/// What is precise enough and leaves something open is read as the first day or instant it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// `2015`.
    Year,
    /// `2015-02`.
    Month,
    /// `2015-02-07`, where a time is wanted.
    Day,
}

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Column {
    /// The column's name in the source.
    pub name: String,
    /// Its name in a released table; the source's name in lower case unless the schema says `as`.
    pub released: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Its role.
    pub role: Role,
    /// Whether an empty cell is a fault.
    pub required: bool,
    /// What becomes of a cell that breaks a rule of the column's type, range or codes.
    pub unfit: Unfit,
    /// What an ISO 8601 date or time may leave open; `None` for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
    /// What de-identification does to it; `None` leaves the role's default.
    pub deid: Option<KernelSpec>,
    /// The least value, inclusive, as text of the column's type.
    pub min: Option<String>,
    /// The greatest value, inclusive.
    pub max: Option<String>,
    /// The only values allowed; empty allows all.
    pub codes: Vec<String>,
    /// The unit of a measure (UCUM).
    pub unit: Option<String>,
    /// The code system of a code, such as `http://loinc.org`.
    pub code_system: Option<String>,
    /// `table.column` that holds every value of this one.
    pub references: Option<String>,
}

/// One table: the contract between an institution's files and the lake.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableSchema {
    /// The table's name: lower-case letters, digits and `_`.
    pub table: String,
    /// What it holds, for people.
    pub description: Option<String>,
    /// Whether it tells of no person, such as a list of care sites: its keys are checked against, and
    /// none of it is released.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reference: bool,
    /// The data category for consent, such as `conditions`; the table's name unless said.
    pub category: String,
    /// Names of the columns whose values are unique together.
    pub key: Vec<String>,
    /// The columns, in order.
    pub columns: Vec<Column>,
    /// Texts that mean an empty cell, besides the empty one.
    pub nulls: Vec<String>,
    /// How dates are written (strftime); `None` is `YYYY-MM-DD`.
    pub date_format: Option<String>,
    /// How timestamps are written (strftime); `None` is ISO 8601.
    pub timestamp_format: Option<String>,
    /// The file it was read from.
    #[serde(skip)]
    pub file: PathBuf,
    /// The SHA3-256 digest of the schema's canonical JSON.
    #[serde(skip)]
    pub digest: Sha3Digest,
}

impl TableSchema {
    /// Returns the index of the column with role `person`.
    pub fn person(&self) -> Option<usize> {
        self.columns.iter().position(|column| column.role == Role::Person)
    }
}

impl TableSchema {
    /// Returns the Arrow schema of its conformed rows.
    pub fn arrow(&self) -> Schema {
        let field = |column: &Column| Field::new(&column.name, column.kind.arrow(), true);
        Schema::new(self.columns.iter().map(field).collect::<Vec<_>>())
    }

    /// Returns the index of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// Rows that fit their schema: one Arrow column a schema column, in the schema's order and types,
/// those of role `drop` included.
///
/// INVARIANT: only [`conform`] makes one; [`Screen::apply`] makes it smaller.
#[derive(Debug, Clone)]
pub struct ConformedBatch {
    schema: Arc<TableSchema>,
    rows: RecordBatch,
    file: Arc<str>,
    lines: Vec<u64>,
}

impl ConformedBatch {
    /// Returns the schema that the rows fit.
    pub fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    /// Returns the rows.
    pub fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    /// Returns the name of the file they come from.
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// Returns, for each row, the line it begins on.
    pub fn lines(&self) -> &[u64] {
        &self.lines
    }

    /// Returns the rows of some lines alone.
    pub fn only(&self, lines: &BTreeSet<u64>) -> Result<Self, ArrowError> {
        let marks: Vec<bool> = self.lines.iter().map(|line| lines.contains(line)).collect();
        self.clone().keep(&marks)
    }

    /// Keeps the rows that are marked.
    fn keep(self, marks: &[bool]) -> Result<Self, ArrowError> {
        let mask: BooleanArray = marks.iter().map(|&mark| Some(mark)).collect();
        let rows = filter_record_batch(&self.rows, &mask)?;
        let kept = self.lines.iter().zip(marks).filter(|(_, mark)| **mark).map(|(line, _)| *line);
        let lines = kept.collect();
        Ok(Self { rows, lines, ..self })
    }
}
