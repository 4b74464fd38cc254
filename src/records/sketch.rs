//! What is kept of a row to know it again: a keyed hash, a token for each cell, its stratum.
//!
//! Comes in: admitted rows and a table's schema. Goes out: [`Sketches`], and their bytes. Never: a
//! sketch that tells a value without the site's key, but for the stratum, which never leaves.

use std::{collections::BTreeMap, fmt};

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, RecordBatch},
    datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType},
};
use chrono::Datelike as _;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::minhash::mix;
use crate::{
    digest::{Sha3Digest, hmac_sha256},
    schema::{Role, TableSchema},
};

/// Sketches the rows of one table.
#[derive(Clone)]
pub struct Sketcher {
    table: String,
    mac: Hmac<Sha256>,
    columns: Vec<Column>,
    stratum: Vec<(String, usize)>,
}

#[derive(Debug, Clone)]
struct Column {
    input: usize,
    /// Which column it is, wherever it stands.
    tag: [u8; 8],
    key: u64,
}

impl fmt::Debug for Sketcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sketcher").field("table", &self.table).finish_non_exhaustive()
    }
}

/// The sketches of rows, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sketches {
    /// How many tokens a row has at most: one a column.
    pub(super) width: usize,
    pub(super) hashes: Vec<u128>,
    /// Each row's person.
    pub(super) people: Vec<u32>,
    /// The tokens of all rows, `width` each; 0 where a cell is empty.
    pub(super) tokens: Vec<u32>,
    /// Each row's stratum, as a position in `names`.
    pub(super) strata: Vec<u32>,
    pub(super) names: Vec<String>,
}

impl Sketcher {
    /// Prepares a table; `stratum` are the columns whose values make a row's stratum.
    pub fn new(secret: &[u8; 32], schema: &TableSchema, stratum: &[String]) -> Self {
        let mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(secret)
            .unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"));
        let kept = schema.columns.iter().enumerate().filter(|(_, column)| match column.role {
            Role::Quasi | Role::Sensitive | Role::Measure => true,
            Role::Person | Role::Direct | Role::Drop => false,
        });
        let mut columns: Vec<(&str, usize)> = kept.map(|(at, c)| (c.name.as_str(), at)).collect();
        // By name, so that a schema whose columns stand in another order knows the same records.
        columns.sort_unstable();
        let columns = columns.into_iter().map(|(name, input)| {
            let token = hmac_sha256(secret, &[b"token", name.as_bytes()]);
            let tag = Sha3Digest::of(name.as_bytes());
            Column { input, tag: eight(&tag.0), key: u64::from_be_bytes(eight(&token)) }
        });
        let place = |name: &String| Some((name.clone(), schema.column(name)?));
        Self {
            table: schema.table.clone(),
            mac,
            columns: columns.collect(),
            stratum: stratum.iter().filter_map(place).collect(),
        }
    }

    /// Sketches rows, and adds them to those there are.
    pub fn add(&self, rows: &RecordBatch, people: &[u32], to: &mut Sketches) {
        to.people.extend_from_slice(people);
        let cells = |at: usize| rows.columns().get(at).map_or(Cells::None, Cells::of);
        let columns: Vec<(&Column, Cells<'_>)> =
            self.columns.iter().map(|column| (column, cells(column.input))).collect();
        let strata: Vec<(&str, Cells<'_>)> =
            self.stratum.iter().map(|(name, at)| (name.as_str(), cells(*at))).collect();
        let mut names: BTreeMap<String, u32> =
            (0..).zip(&to.names).map(|(at, name)| (name.clone(), at)).collect();
        to.width = columns.len();
        let mut table = self.mac.clone();
        frame(&mut table, self.table.as_bytes());
        let (mut bytes, mut name) = (Vec::new(), String::new());
        for row in 0..rows.num_rows() {
            bytes.clear();
            for (column, cells) in &columns {
                let Some(cell) = cells.cell(row) else {
                    to.tokens.push(0);
                    continue;
                };
                bytes.extend_from_slice(&column.tag);
                cell.write(&mut bytes);
                to.tokens.push(token(column.key, &cell));
            }
            let mut mac = table.clone();
            mac.update(&bytes);
            let digest: [u8; 32] = mac.finalize().into_bytes().into();
            let (hash, _) = digest.split_at(16);
            to.hashes.push(hash.iter().fold(0, |all, byte| all << 8 | u128::from(*byte)));
            self.name(&strata, row, &mut name);
            let at = if let Some(at) = names.get(&name) {
                *at
            } else {
                let at = u32::try_from(to.names.len()).unwrap_or(u32::MAX);
                to.names.push(name.clone());
                names.insert(name.clone(), at);
                at
            };
            to.strata.push(at);
        }
    }

    fn name(&self, strata: &[(&str, Cells<'_>)], row: usize, name: &mut String) {
        name.clone_from(&self.table);
        for (column, cells) in strata {
            name.push('/');
            name.push_str(column);
            name.push('=');
            if let Some(cell) = cells.cell(row) {
                cell.coarse(name);
            }
        }
    }
}

fn eight(bytes: &[u8; 32]) -> [u8; 8] {
    let mut out = [0; 8];
    out.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    out
}

fn frame(mac: &mut Hmac<Sha256>, part: &[u8]) {
    mac.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    mac.update(part);
}

/// A cell's token, never 0: a keyed mix, good enough to compare rows that a person chose; what is
/// equal is decided by the hash.
fn token(key: u64, cell: &Cell<'_>) -> u32 {
    let mixed = match cell {
        Cell::Text(text) => {
            let (words, rest) = text.as_bytes().as_chunks::<8>();
            let start = mix(key, text.len() as u64);
            let body = words.iter().fold(start, |all, word| mix(all, u64::from_le_bytes(*word)));
            rest.iter().fold(body, |all, byte| mix(all, u64::from(*byte) + 1))
        }
        Cell::Int(n) | Cell::Time(n) => mix(key, n.cast_unsigned()),
        Cell::Date(days) => mix(key, u64::from(days.cast_unsigned())),
        Cell::Number(number) => mix(key, number.to_bits()),
        Cell::Bool(yes) => mix(key, u64::from(*yes)),
    };
    u32::try_from(mixed >> 32).unwrap_or(u32::MAX).max(1)
}

enum Cells<'a> {
    Text(&'a arrow::array::StringArray),
    Int(&'a arrow::array::Int64Array),
    Number(&'a arrow::array::Float64Array),
    Bool(&'a arrow::array::BooleanArray),
    Date(&'a arrow::array::Date32Array),
    Time(&'a arrow::array::TimestampMicrosecondArray),
    None,
}

enum Cell<'a> {
    Text(&'a str),
    Int(i64),
    Number(f64),
    Bool(bool),
    Date(i32),
    Time(i64),
}

impl<'a> Cells<'a> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "conformed columns have no other types")]
    fn of(array: &'a ArrayRef) -> Self {
        match array.data_type() {
            DataType::Utf8 => Self::Text(array.as_string()),
            DataType::Int64 => Self::Int(array.as_primitive::<Int64Type>()),
            DataType::Float64 => Self::Number(array.as_primitive::<Float64Type>()),
            DataType::Boolean => Self::Bool(array.as_boolean()),
            DataType::Date32 => Self::Date(array.as_primitive::<Date32Type>()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Self::Time(array.as_primitive::<TimestampMicrosecondType>())
            }
            _ => Self::None,
        }
    }

    fn cell(&self, row: usize) -> Option<Cell<'a>> {
        match self {
            Self::Text(cells) => cells.is_valid(row).then(|| Cell::Text(cells.value(row))),
            Self::Int(cells) => cells.is_valid(row).then(|| Cell::Int(cells.value(row))),
            // One zero, so that equal numbers have equal bytes.
            Self::Number(cells) => {
                cells.is_valid(row).then(|| Cell::Number(cells.value(row) + 0.0))
            }
            Self::Bool(cells) => cells.is_valid(row).then(|| Cell::Bool(cells.value(row))),
            Self::Date(cells) => cells.is_valid(row).then(|| Cell::Date(cells.value(row))),
            Self::Time(cells) => cells.is_valid(row).then(|| Cell::Time(cells.value(row))),
            Self::None => None,
        }
    }
}

impl Cell<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => {
                let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(text.as_bytes());
            }
            Self::Int(n) | Self::Time(n) => out.extend_from_slice(&n.to_be_bytes()),
            Self::Number(number) => out.extend_from_slice(&number.to_bits().to_be_bytes()),
            Self::Bool(yes) => out.push(u8::from(*yes)),
            Self::Date(days) => out.extend_from_slice(&days.to_be_bytes()),
        }
    }

    /// What of the value goes into a stratum's name: of days the year.
    fn coarse(&self, name: &mut String) {
        use fmt::Write as _;
        let day = |days: i64| {
            let days = i32::try_from(days).ok();
            days.and_then(arrow::temporal_conversions::date32_to_datetime)
        };
        let written = match self {
            Self::Text(text) => {
                name.push_str(text);
                Ok(())
            }
            Self::Int(n) => write!(name, "{n}"),
            Self::Number(number) => write!(name, "{number}"),
            Self::Bool(yes) => write!(name, "{yes}"),
            Self::Date(days) => write!(name, "{}", day((*days).into()).map_or(0, |d| d.year())),
            Self::Time(micros) => {
                let days = micros.div_euclid(86_400_000_000);
                write!(name, "{}", day(days).map_or(0, |d| d.year()))
            }
        };
        let () = written.unwrap_or_else(|_| unreachable!("a text takes what is written to it"));
    }
}

impl Sketches {
    /// Returns how many rows there are.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Returns the stratum of a row.
    pub fn stratum(&self, row: usize) -> &str {
        let at = self.strata.get(row).and_then(|at| usize::try_from(*at).ok());
        at.and_then(|at| self.names.get(at)).map_or("", String::as_str)
    }

    /// Returns the hash of a row.
    pub fn hash(&self, row: usize) -> Option<u128> {
        self.hashes.get(row).copied()
    }

    /// Returns the tokens of a row.
    pub fn tokens(&self, row: usize) -> &[u32] {
        let first = row.saturating_mul(self.width);
        self.tokens.get(first..first.saturating_add(self.width)).unwrap_or_default()
    }

    /// Returns the sketches as bytes: counts, hashes, people, tokens, strata, names;
    /// little-endian.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24 + self.len() * (24 + 4 * self.width));
        let count = |n: usize, out: &mut Vec<u8>| {
            out.extend_from_slice(&(n as u64).to_le_bytes());
        };
        count(self.len(), &mut out);
        count(self.width, &mut out);
        count(self.names.len(), &mut out);
        self.names.iter().for_each(|name| count(name.len(), &mut out));
        self.hashes.iter().for_each(|hash| out.extend_from_slice(&hash.to_le_bytes()));
        let words = self.people.iter().chain(&self.tokens).chain(&self.strata);
        words.for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        self.names.iter().for_each(|name| out.extend_from_slice(name.as_bytes()));
        out
    }

    /// Reads sketches back.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut left = bytes;
        let mut take = |count: usize| {
            let (taken, rest) = left.split_at_checked(count)?;
            left = rest;
            Some(taken)
        };
        let mut count = || usize::try_from(u64::from_le_bytes(take(8)?.try_into().ok()?)).ok();
        let (rows, width, names) = (count()?, count()?, count()?);
        let lengths = (0..names).map(|_| count()).collect::<Option<Vec<_>>>()?;
        let (hashes, []) = take(rows.checked_mul(16)?)?.as_chunks::<16>() else { return None };
        let mut words = |count: usize| {
            let (words, []) = take(count.checked_mul(4)?)?.as_chunks::<4>() else { return None };
            Some(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
        };
        let people = words(rows)?;
        let tokens = words(rows.checked_mul(width)?)?;
        let strata = words(rows)?;
        let mut name = |length: &usize| String::from_utf8(take(*length)?.to_vec()).ok();
        let names = lengths.iter().map(&mut name).collect::<Option<_>>()?;
        let hashes = hashes.iter().map(|hash| u128::from_le_bytes(*hash)).collect();
        left.is_empty().then_some(Self { width, hashes, people, tokens, strata, names })
    }
}
