//! `[records]` of a pipeline: how alike two people's records are that count once, and which columns
//! make the stratum by which a new record's rarity is told.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    deid::Fraction,
    fault::{Members, Sheet},
    records::Settings,
    schema::{ColumnType, Role, TableSchema},
};

/// How a pipeline's records are told apart.
#[derive(Debug, Clone)]
pub struct RecordsSpec {
    /// How records are compared.
    pub settings: Settings,
    /// By table: the columns whose values make a record's stratum; of a table without, all records
    /// are of one.
    pub strata: BTreeMap<String, Vec<String>>,
}

const BANDS: i64 = 16;
const ROWS: i64 = 4;
const MOST: i64 = 256;

pub(super) fn read(
    sheet: &Sheet<'_>,
    top: &Members<'_, '_>,
    schemas: &[Arc<TableSchema>],
) -> Option<RecordsSpec> {
    let members = top.table("records")?;
    let similar_ppm = super::share(sheet, &members, "similar").map(Fraction::ppm);
    let count = |key: &'static str, default: i64| {
        let number = members.integer(key, 1).unwrap_or(default);
        if number > MOST {
            sheet.fault(members.value_span(key), format!("`{key}` is {MOST} at most"));
        }
        usize::try_from(number.min(MOST)).unwrap_or(1)
    };
    let settings = Settings {
        similar_ppm: similar_ppm.unwrap_or(900_000),
        bands: count("bands", BANDS),
        rows: count("rows", ROWS),
    };
    let mut strata: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for text in members.texts("stratum").unwrap_or_default() {
        let Some((table, name)) = text.value.split_once(' ') else {
            let hint = "such as stratum = [\"conditions code\"]";
            sheet.fault_hint(text.span, "a stratum is a table and a column of it", hint);
            continue;
        };
        let Some(schema) = schemas.iter().find(|schema| schema.table == table) else {
            let known = schemas.iter().map(|schema| schema.table.as_str());
            sheet.unknown(text.span, "table", table, known);
            continue;
        };
        let Some(column) = schema.columns.iter().find(|column| column.name == name) else {
            let known = schema.columns.iter().map(|column| column.name.as_str());
            sheet.unknown(text.span, "column", name, known);
            continue;
        };
        let coarse = match (column.role, column.kind) {
            (Role::Person | Role::Direct | Role::Drop, _) | (_, ColumnType::Float) => false,
            (
                Role::Quasi | Role::Sensitive | Role::Measure,
                ColumnType::String
                | ColumnType::Int
                | ColumnType::Bool
                | ColumnType::Date
                | ColumnType::Timestamp,
            ) => true,
        };
        if !coarse {
            sheet.fault_hint(
                text.span,
                "this column cannot make a stratum",
                "take a code, or a day, of which the year counts; no id, no measured number, \
                 nothing that is dropped",
            );
            continue;
        }
        strata.entry(table.to_owned()).or_default().push(name.to_owned());
    }
    members.finish();
    Some(RecordsSpec { settings, strata })
}
