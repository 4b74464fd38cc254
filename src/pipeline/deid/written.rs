//! A table written at levels: what may be shown of each row, and no row that breaks a model.
//!
//! Comes in: a table, the levels of each row. Goes out: delimited text. Never: a column that is neither
//! a quasi-identifier nor sensitive; nobody has said what it tells.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::Path,
};

use serde::Serialize;

use crate::deid::search::{Recoding, Table};

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Rows that are suppressed: they are not in the file.
    pub left_out: u64,
    /// Columns of the rows' file that are not in it.
    pub other_columns: Vec<String>,
}

/// Writes the released rows of a table in their order, each at its levels.
pub(super) fn write(
    file: &Path,
    table: &Table,
    told: &Recoding,
    separator: u8,
    other_columns: Vec<String>,
) -> io::Result<Written> {
    let out = BufWriter::new(File::create(file)?);
    let mut out = csv::WriterBuilder::new().delimiter(separator).from_writer(out);
    let quasi = table.quasi().iter().map(|one| one.hierarchy.column());
    out.write_record(quasi.chain(table.sensitive().iter().map(|one| one.name.as_str())))?;
    let mut written = Written { rows: 0, left_out: 0, other_columns };
    for row in (0..table.rows()).filter(|row| table.is_released(*row)) {
        let Some(levels) = told.levels(row) else {
            written.left_out += 1;
            continue;
        };
        let code = |codes: &[u32]| codes.get(row).copied().unwrap_or(u32::MAX);
        for (one, level) in table.quasi().iter().zip(levels) {
            out.write_field(one.hierarchy.label(*level, code(&one.codes)).unwrap_or_default())?;
        }
        for one in table.sensitive() {
            let at = usize::try_from(code(&one.codes)).unwrap_or(usize::MAX);
            out.write_field(one.labels.get(at).map_or("", String::as_str))?;
        }
        out.write_record(None::<&[u8]>)?;
        written.rows += 1;
    }
    out.into_inner().map_err(csv::IntoInnerError::into_error)?.flush()?;
    Ok(written)
}
