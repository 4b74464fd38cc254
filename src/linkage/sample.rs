//! Small tables for the tests of this room.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};

use super::tokens::{Fields, Table};
use crate::party::InstitutionId;

pub(super) const COLUMNS: [&str; 10] =
    ["id", "given", "family", "birth", "sex", "address", "zip", "phone", "email", "ssn"];

/// Rows of [`COLUMNS`]; an empty text is an empty cell.
pub(super) fn table(institution: &str, rows: &[[&str; 10]], secret: &[u8; 32]) -> Table {
    let columns = COLUMNS.iter().enumerate().map(|(at, name)| {
        let cells = rows.iter().map(|row| Some(row[at]).filter(|cell| !cell.is_empty()));
        (*name, Arc::new(cells.collect::<StringArray>()) as ArrayRef, true)
    });
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let name = |text: &str| Some(text.to_owned());
    let fields = Fields {
        given: name("given"),
        family: name("family"),
        birth_date: name("birth"),
        sex: name("sex"),
        address: name("address"),
        postal_code: name("zip"),
        phone: name("phone"),
        email: name("email"),
        identifiers: vec!["ssn".to_owned()],
        ..Fields::default()
    };
    Table::of(&batch, "id", &fields, &InstitutionId::parse(institution).unwrap(), secret).unwrap()
}
