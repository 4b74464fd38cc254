//! Parquet tables of the vault, rewritten: rows of the register and of the person index are made empty,
//! everywhere else a random name takes a person's place.
//!
//! Comes in: an object's path and bytes. Goes out: its new bytes, where it held the person.
//! Never: a row whose place among the others tells whose it was: sorted tables are sorted again.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{
        Array as _, ArrayRef, AsArray as _, FixedSizeBinaryArray, RecordBatch, StringArray,
        UInt64Array,
    },
    compute::{concat_batches, nullif, take},
    datatypes::Int64Type,
};
use bytes::Bytes;
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};

use super::{Error, plan::Plan};
use crate::{
    linkage::{self, Assignment},
    party::{ContributorId, InstitutionId},
    redaction::{self, LEAF, OPENING},
    store::Store,
};

/// The column of whose a row is.
const CONTRIBUTOR: &str = "contributor";

/// The column of a record's keyed hash.
const HASH: &str = "hash";

/// What opens the roots that hold the people.
#[derive(Default)]
pub(super) struct Openings {
    /// By number: the commitment to each of their decisions.
    pub(super) events: BTreeMap<u64, [u8; 32]>,
    /// By path of the table of members: the key of its commit.
    pub(super) linkage: BTreeMap<String, [u8; 32]>,
    /// The keyed hashes of their records, and what takes the place of each.
    pub(super) records: BTreeMap<[u8; HASH_BYTES], [u8; HASH_BYTES]>,
}

/// The length of a record's hash.
const HASH_BYTES: usize = 16;

/// Where the records of versions are, in the vault.
const RECORDS: &str = "records";

/// Gathers the hashes of the people's records. One that somebody else's record has too stays: what others
/// brought is counted by it.
pub(super) fn hashes(
    plan: &Plan,
    vault: &Store,
) -> Result<BTreeMap<[u8; HASH_BYTES], [u8; HASH_BYTES]>, Error> {
    let (mut own, mut others) = (BTreeMap::new(), Vec::new());
    let mut listed = vault.list_now("")?;
    listed.retain(|o| o.path.strip_prefix(RECORDS).is_some_and(|rest| rest.starts_with('/')));
    for is_first in [true, false] {
        for object in &listed {
            let batch = read(&vault.get(&object.path)?)?;
            let (Some(whose), Some(hashes)) = (text(&batch, CONTRIBUTOR), binary(&batch, HASH))
            else {
                return Err(odd(HASH));
            };
            for (whose, hash) in whose.iter().zip(hashes) {
                let hash = <[u8; HASH_BYTES]>::try_from(hash.unwrap_or_default());
                let hash = hash.map_err(|_| odd(HASH))?;
                if plan.ids.contains(whose.unwrap_or_default()) {
                    if let Some(other) = plan.other(&hash).first_chunk().filter(|_| is_first) {
                        own.insert(hash, *other);
                    }
                } else if !is_first && own.contains_key(&hash) {
                    others.push(hash);
                }
            }
        }
    }
    own.retain(|hash, _| !others.contains(hash));
    Ok(own)
}

/// Reads two columns of text; `None` where the bytes hold no such table. Empty rows are left out.
pub(super) fn pairs(bytes: &Bytes, one: &str, other: &str) -> Option<Vec<(String, String)>> {
    let batch = redaction::standing(&read(bytes).ok()?).ok()?;
    let (one, other) = (text(&batch, one)?, text(&batch, other)?);
    let both = one.iter().zip(other.iter());
    both.map(|(one, other)| Some((one?.to_owned(), other?.to_owned()))).collect()
}

/// Rewrites a table; `None` where it holds nobody of the plan.
pub(super) fn redact(
    plan: &Plan,
    openings: &Openings,
    path: &str,
    bytes: &Bytes,
) -> Result<Option<Bytes>, Error> {
    let batch = read(bytes)?;
    let is = |column: &str, row: usize| {
        let cell = text(&batch, column).filter(|cells| cells.is_valid(row));
        cell.is_some_and(|cells| plan.ids.contains(cells.value(row)))
    };
    let has = |place: &str, local: &str, row: usize| {
        let cell = |name| text(&batch, name).filter(|c| c.is_valid(row)).map(|c| c.value(row));
        let both = cell(place).zip(cell(local));
        both.is_some_and(|(place, local)| {
            plan.records.contains(&(place.to_owned(), local.to_owned()))
        })
    };
    let rows = || 0..batch.num_rows();
    let new = match path.split('/').collect::<Vec<_>>().as_slice() {
        ["consent", "contributors", ..] => {
            let own: Vec<bool> = rows().map(|row| is("contributor", row)).collect();
            emptied(&batch, &own, &[], None, &|_| Ok(None))?
        }
        ["consent", "events", ..] => {
            let own: Vec<bool> = rows().map(|row| is("contributor", row)).collect();
            let leaf = |row: usize| Ok(openings.events.get(&number(&batch, row)?).copied());
            emptied(&batch, &own, &["seq"], None, &leaf)?
        }
        ["linkage", "members", ..] => {
            let own = rows().map(|row| has("institution", "local", row) || is("person", row));
            let keys = rows().map(|row| opening(&batch, openings, path, row));
            let keys = keys.collect::<Result<Vec<_>, _>>()?;
            let leaf = |row: usize| {
                let key = keys.get(row).copied().flatten();
                key.map(|key| Ok(linkage::commitment(&key, &assignment(&batch, row)?))).transpose()
            };
            emptied(&batch, &own.collect::<Vec<_>>(), &["seq"], Some(&keys), &leaf)?
        }
        ["linkage", "tokens", ..] => {
            let own: Vec<bool> = rows().map(|row| has("institution", "local", row)).collect();
            emptied(&batch, &own, &[], None, &|_| Ok(None))?
        }
        ["linkage", "review", ..] => {
            let either =
                |row| has("institution_a", "local_a", row) || has("institution_b", "local_b", row);
            emptied(&batch, &rows().map(either).collect::<Vec<_>>(), &[], None, &|_| Ok(None))?
        }
        [RECORDS, ..] => records(plan, openings, &batch)?,
        _ => renamed(plan, &batch)?,
    };
    new.map(|batch| write(&batch)).transpose()
}

type Leaf<'a> = &'a dyn Fn(usize) -> Result<Option<[u8; 32]>, Error>;

/// Makes rows empty; `None` where there are none to make empty.
fn emptied(
    batch: &RecordBatch,
    own: &[bool],
    kept: &[&str],
    keys: Option<&[Option<[u8; 32]>]>,
    leaf: Leaf<'_>,
) -> Result<Option<RecordBatch>, Error> {
    if !own.contains(&true) {
        return Ok(None);
    }
    let before = redaction::erased(batch);
    let held = binary(batch, LEAF);
    let mut leaves = Vec::new();
    for (row, (own, before)) in own.iter().zip(&before).enumerate() {
        if *own {
            leaves.extend(leaf(row)?);
        } else if *before && let Some(held) = held.filter(|held| held.is_valid(row)) {
            leaves.extend(<[u8; 32]>::try_from(held.value(row)).ok());
        }
    }
    // In order of their own: which leaf was whose is not to be seen from its row.
    leaves.sort_unstable();
    let gone: Vec<bool> = own.iter().zip(&before).map(|(own, before)| *own || *before).collect();
    let rooted = !leaves.is_empty();
    let mut extra: Vec<(&str, ArrayRef)> = Vec::new();
    if rooted {
        let mut next = leaves.into_iter();
        let cells = gone.iter().map(|gone| if *gone { next.next() } else { None });
        extra.push((LEAF, fixed(cells.collect())?));
    }
    if let Some(keys) = keys {
        let cells = keys.iter().zip(&gone).map(|(key, gone)| if *gone { None } else { *key });
        extra.push((OPENING, fixed(cells.collect())?));
    }
    Ok(Some(redaction::empty(batch, &gone, kept, extra)?))
}

/// Puts random names in the place of a person's; `None` where there are none to put.
fn renamed(plan: &Plan, batch: &RecordBatch) -> Result<Option<RecordBatch>, Error> {
    let schema = batch.schema();
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    let mut sorted = None;
    let mut is_changed = false;
    for (at, field) in schema.fields().iter().enumerate() {
        let Some(cells) = text(batch, field.name()) else { continue };
        let new: StringArray = cells
            .iter()
            .map(|cell| cell.map(|c| plan.names.get(c).map_or(c, String::as_str)))
            .collect();
        if new != *cells {
            is_changed = true;
            let ascends = cells.iter().zip(cells.iter().skip(1)).all(|(a, b)| a <= b);
            if ascends && sorted.is_none() && cells.len() > 1 {
                sorted = Some(new.clone());
            }
            if let Some(column) = columns.get_mut(at) {
                *column = Arc::new(new);
            }
        }
    }
    if !is_changed {
        return Ok(None);
    }
    if let Some(cells) = sorted {
        let mut order: Vec<(Option<&str>, u64)> = cells.iter().zip(0..).collect();
        order.sort();
        let order: UInt64Array = order.into_iter().map(|(_, row)| row).collect::<Vec<_>>().into();
        for column in &mut columns {
            *column = take(column.as_ref(), &order, None)?;
        }
    }
    Ok(Some(RecordBatch::try_new(schema, columns)?))
}

/// Puts other hashes in the place of those of a person's records, without what likens them to others', and
/// random names in the place of theirs.
fn records(
    plan: &Plan,
    openings: &Openings,
    batch: &RecordBatch,
) -> Result<Option<RecordBatch>, Error> {
    let (Some(whose), Some(hashes)) = (text(batch, CONTRIBUTOR), binary(batch, HASH)) else {
        return Err(odd(HASH));
    };
    let own: Vec<bool> =
        whose.iter().map(|whose| whose.is_some_and(|id| plan.ids.contains(id))).collect();
    if !own.contains(&true) {
        return Ok(None);
    }
    let mut new = Vec::with_capacity(own.len());
    for (hash, own) in hashes.iter().zip(&own) {
        let hash = <[u8; HASH_BYTES]>::try_from(hash.unwrap_or_default());
        let hash = hash.map_err(|_| odd(HASH))?;
        new.push(if *own { openings.records.get(&hash).copied().unwrap_or(hash) } else { hash });
    }
    let (schema, mut columns) = (batch.schema(), batch.columns().to_vec());
    for (field, column) in schema.fields().iter().zip(&mut columns) {
        match field.name().as_str() {
            HASH => *column = Arc::new(FixedSizeBinaryArray::try_from_iter(new.iter())?),
            "tokens" => *column = nullif(column, &own.clone().into())?,
            _ => {}
        }
    }
    let Some(batch) = renamed(plan, &RecordBatch::try_new(schema, columns)?)? else {
        return Ok(None);
    };
    // By contributor and hash, as they are written: a place among the others tells nothing either.
    let (Some(whose), Some(hashes)) = (text(&batch, CONTRIBUTOR), binary(&batch, HASH)) else {
        return Err(odd(HASH));
    };
    let mut order: Vec<_> = whose.iter().zip(hashes.iter()).zip(0_u64..).collect();
    order.sort_unstable();
    let order: UInt64Array = order.into_iter().map(|(_, row)| row).collect::<Vec<_>>().into();
    let sorted: Result<Vec<ArrayRef>, _> =
        batch.columns().iter().map(|column| take(column.as_ref(), &order, None)).collect();
    Ok(Some(RecordBatch::try_new(batch.schema(), sorted?)?))
}

/// The key of a row of members: of its commit, or as an earlier erasure left it.
fn opening(
    batch: &RecordBatch,
    openings: &Openings,
    path: &str,
    row: usize,
) -> Result<Option<[u8; 32]>, Error> {
    if let Some(keys) = binary(batch, OPENING) {
        let key = keys.is_valid(row).then(|| <[u8; 32]>::try_from(keys.value(row)).ok());
        return Ok(key.flatten());
    }
    let Some(key) = openings.linkage.get(path) else { return Ok(None) };
    Ok(Some(linkage::row_key(key, number(batch, row)?)))
}

fn assignment(batch: &RecordBatch, row: usize) -> Result<Assignment, Error> {
    let cell = |name: &str| {
        let cells = text(batch, name).ok_or_else(|| odd(name))?;
        Ok::<_, Error>(cells.value(row).to_owned())
    };
    Ok(Assignment {
        institution: InstitutionId::parse(&cell("institution")?).map_err(|_| odd("institution"))?,
        local: cell("local")?,
        person: ContributorId::parse(&cell("person")?).map_err(|_| odd("person"))?,
    })
}

fn number(batch: &RecordBatch, row: usize) -> Result<u64, Error> {
    let seq = batch.column_by_name("seq").and_then(|c| c.as_primitive_opt::<Int64Type>());
    let seq = seq.and_then(|seq| u64::try_from(seq.value(row)).ok());
    seq.ok_or_else(|| odd("seq"))
}

fn odd(column: &str) -> Error {
    Error::Format(format!("column `{column}`"))
}

fn text<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a StringArray> {
    batch.column_by_name(name)?.as_string_opt::<i32>()
}

fn binary<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a FixedSizeBinaryArray> {
    batch.column_by_name(name)?.as_fixed_size_binary_opt()
}

fn fixed(cells: Vec<Option<[u8; 32]>>) -> Result<ArrayRef, Error> {
    let array = FixedSizeBinaryArray::try_from_sparse_iter_with_size(cells.into_iter(), 32)?;
    Ok(Arc::new(array))
}

fn read(bytes: &Bytes) -> Result<RecordBatch, Error> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.clone())?;
    let schema = Arc::clone(reader.schema());
    let batches = reader.build()?.collect::<Result<Vec<_>, _>>()?;
    Ok(concat_batches(&schema, &batches)?)
}

fn write(batch: &RecordBatch) -> Result<Bytes, Error> {
    let properties = WriterProperties::builder()
        .set_created_by("almoner".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties))?;
    writer.write(batch)?;
    writer.close()?;
    Ok(Bytes::from(bytes))
}
