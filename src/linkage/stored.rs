//! Tokens and pairs for review as they lie in the vault.
//!
//! Comes in: tables and pairs, or the objects of commits. Goes out: the other.
//! Never: tokens of another make taken for ours; the names of columns say which they are.

use std::sync::Arc;

use arrow::{
    array::{
        Array as _, ArrayRef, AsArray as _, FixedSizeBinaryArray, Int64Array, RecordBatch,
        StringArray,
    },
    datatypes::Int64Type,
};

use super::{
    Error,
    batch::{Act, Commit, read, table as batch_of},
    index::{PersonIndex, strings, wrong},
    score::Comparison,
    tokens::{IdKind, PAIRS, Record, TOKENS, Table, Tokens},
    weights::{Field, Level},
};
use crate::{party::InstitutionId, redaction::standing, store::Store};

/// The column of tokens that every record has.
const FIXED: &str = "tokens/v1";

/// Makes the object of a table's tokens.
pub(super) fn write(table: &Table, rows: &[usize]) -> Result<RecordBatch, Error> {
    let records: Vec<&Record> = rows.iter().filter_map(|at| table.records.get(*at)).collect();
    let text = |cell: &dyn Fn(&Record) -> String| -> ArrayRef {
        Arc::new(records.iter().map(|record| Some(cell(record))).collect::<StringArray>())
    };
    let bytes = |width: usize, cell: &dyn Fn(&Record) -> Vec<u8>| -> Result<ArrayRef, Error> {
        let cells = records.iter().map(|record| Some(cell(record)));
        let width = i32::try_from(width).map_err(Error::written)?;
        let made = FixedSizeBinaryArray::try_from_sparse_iter_with_size(cells, width);
        Ok(Arc::new(made.map_err(Error::written)?))
    };
    let names: Vec<String> = table.kinds.iter().map(column_of).collect();
    let mut columns = vec![
        ("institution", text(&|r| r.institution.as_str().to_owned())),
        ("local", text(&|r| r.local.as_ref().to_owned())),
        (FIXED, bytes(8 * TOKENS, &|r| longs(&r.tokens.fixed))?),
        ("given", bytes(4 * PAIRS, &|r| shorts(&r.tokens.given))?),
        ("family", bytes(4 * PAIRS, &|r| shorts(&r.tokens.family))?),
    ];
    for (at, name) in names.iter().enumerate() {
        let own = |r: &Record| longs(&r.tokens.ids.get(at).copied().unwrap_or_default());
        columns.push((name, bytes(40, &own)?));
    }
    batch_of(columns)
}

fn column_of(kind: &IdKind) -> String {
    format!("{}/{}", if kind.is_document { "document" } else { "identifier" }, kind.name)
}

fn longs(tokens: &[u64]) -> Vec<u8> {
    tokens.iter().flat_map(|token| token.to_be_bytes()).collect()
}

fn shorts(tokens: &[u32]) -> Vec<u8> {
    tokens.iter().flat_map(|token| token.to_be_bytes()).collect()
}

/// Reads the newest tokens of every record that the index ever saw.
pub fn tokens(vault: &Store, commits: &[Commit]) -> Result<Table, Error> {
    let mut tables = Vec::new();
    for object in commits.iter().filter_map(|commit| commit.tokens.as_ref()) {
        for batch in read(vault, object)? {
            tables.push(table(&standing(&batch).map_err(Error::read)?)?);
        }
    }
    Ok(Table::join(tables))
}

fn table(batch: &RecordBatch) -> Result<Table, Error> {
    let schema = batch.schema();
    let mut kinds: Vec<IdKind> = Vec::new();
    for field in schema.fields() {
        if let Some((kind, name)) = field.name().split_once('/') {
            match kind {
                "document" | "identifier" => {
                    kinds.push(IdKind { name: name.to_owned(), is_document: kind == "document" });
                }
                _ => {}
            }
        }
    }
    kinds.sort();
    let (institutions, locals) = (strings(batch, "institution")?, strings(batch, "local")?);
    let fixed = binary(batch, FIXED)?;
    let (given, family) = (binary(batch, "given")?, binary(batch, "family")?);
    let ids: Vec<&FixedSizeBinaryArray> =
        kinds.iter().map(|kind| binary(batch, &column_of(kind))).collect::<Result<_, _>>()?;
    let mut records = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        records.push(Record {
            institution: InstitutionId::parse(institutions.value(row))
                .map_err(|_| wrong("institution"))?,
            local: locals.value(row).into(),
            tokens: Tokens {
                fixed: long_tokens(fixed.value(row)),
                given: short_tokens(given.value(row)),
                family: short_tokens(family.value(row)),
                ids: ids.iter().map(|column| long_tokens(column.value(row))).collect(),
            },
        });
    }
    Ok(Table { kinds, records })
}

fn binary<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a FixedSizeBinaryArray, Error> {
    let column = batch.column_by_name(name).and_then(|c| c.as_fixed_size_binary_opt());
    column.filter(|column| column.null_count() == 0).ok_or_else(|| wrong(name))
}

fn long_tokens<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut tokens = [0; N];
    for (slot, chunk) in tokens.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *slot = u64::from_be_bytes(*chunk);
    }
    tokens
}

fn short_tokens(bytes: &[u8]) -> [u32; PAIRS] {
    let mut tokens = [0; PAIRS];
    for (slot, chunk) in tokens.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *slot = u32::from_be_bytes(*chunk);
    }
    tokens
}

/// A pair of records that waits for the steward.
#[derive(Debug, Clone)]
pub struct Doubt {
    /// One record: its institution and the institution's own id.
    pub a: (InstitutionId, String),
    /// The other.
    pub b: (InstitutionId, String),
    /// What their comparison weighs, in hundredths of a bit.
    pub weight: i64,
    /// Field by field: how well they agree, and what that weighs.
    pub fields: Vec<(Field, Level, i64)>,
}

/// Two rows of a table, and their comparison.
pub(super) type Compared = (u32, u32, Comparison);

/// Makes the object of pairs for review.
pub(super) fn write_review(table: &Table, pairs: &[Compared]) -> Result<RecordBatch, Error> {
    let record = |row: u32| usize::try_from(row).ok().and_then(|at| table.records.get(at));
    let text = |cell: &dyn Fn(&Compared) -> Option<String>| -> ArrayRef {
        Arc::new(
            pairs.iter().map(|pair| Some(cell(pair).unwrap_or_default())).collect::<StringArray>(),
        )
    };
    let weights: Int64Array =
        pairs.iter().map(|(_, _, c)| i64::from(c.weight)).collect::<Vec<_>>().into();
    batch_of(vec![
        ("institution_a", text(&|(a, _, _)| Some(record(*a)?.institution.as_str().to_owned()))),
        ("local_a", text(&|(a, _, _)| Some(record(*a)?.local.to_string()))),
        ("institution_b", text(&|(_, b, _)| Some(record(*b)?.institution.as_str().to_owned()))),
        ("local_b", text(&|(_, b, _)| Some(record(*b)?.local.to_string()))),
        ("weight", Arc::new(weights)),
        ("fields", text(&|(_, _, c)| Some(fields(c)))),
    ])
}

fn fields(comparison: &Comparison) -> String {
    let own = Field::ALL.iter().zip(comparison.levels.iter().zip(&comparison.weights));
    let said = own
        .map(|(field, (level, weight))| format!("{} {} {weight}", field.as_str(), level.as_str()));
    said.collect::<Vec<_>>().join(";")
}

fn read_fields(text: &str) -> Option<Vec<(Field, Level, i64)>> {
    const LEVELS: [Level; 6] =
        [Level::Missing, Level::Exact, Level::Alike, Level::Near, Level::Initial, Level::Differs];
    text.split(';')
        .map(|said| {
            let mut words = said.split(' ');
            let (field, level, weight) = (words.next()?, words.next()?, words.next()?);
            Some((
                Field::ALL.into_iter().find(|own| own.as_str() == field)?,
                LEVELS.into_iter().find(|own| own.as_str() == level)?,
                weight.parse().ok()?,
            ))
        })
        .collect()
}

/// Reads the pairs that the newest run left to the steward, but for those that were decided since,
/// the heaviest first.
pub fn review(vault: &Store, index: &PersonIndex, commits: &[Commit]) -> Result<Vec<Doubt>, Error> {
    let mut newest = commits.iter().rev().filter(|c| matches!(c.act, Act::Run { .. }));
    let Some(object) = newest.next().and_then(|commit| commit.review.as_ref()) else {
        return Ok(Vec::new());
    };
    let mut doubts = Vec::new();
    for batch in read(vault, object)? {
        let batch = standing(&batch).map_err(Error::read)?;
        let column = |name| strings(&batch, name);
        let (one, two) = (column("institution_a")?, column("institution_b")?);
        let (one_local, two_local) = (column("local_a")?, column("local_b")?);
        let fields = column("fields")?;
        let weight = batch.column_by_name("weight").and_then(|c| c.as_primitive_opt::<Int64Type>());
        let weight = weight.ok_or_else(|| wrong("weight"))?;
        for row in 0..batch.num_rows() {
            let side = |institution: &StringArray, local: &StringArray| {
                let id = InstitutionId::parse(institution.value(row));
                Ok::<_, Error>((id.map_err(|_| wrong("institution"))?, local.value(row).to_owned()))
            };
            let doubt = Doubt {
                a: side(one, one_local)?,
                b: side(two, two_local)?,
                weight: weight.value(row),
                fields: read_fields(fields.value(row)).ok_or_else(|| wrong("fields"))?,
            };
            let person = |side: &(InstitutionId, String)| index.person(&side.0, &side.1).cloned();
            let decided = match (person(&doubt.a), person(&doubt.b)) {
                (Some(a), Some(b)) => a == b || index.is_apart(&a, &b),
                (_, _) => false,
            };
            if !decided {
                doubts.push(doubt);
            }
        }
    }
    Ok(doubts)
}
