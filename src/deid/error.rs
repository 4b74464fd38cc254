//! Why de-identification could not go on. Never: a cell's value.

use arrow::error::ArrowError;

use super::late::LateError;

/// Why de-identification could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A batch was made under another schema than the plan's.
    #[error("rows of table `{found}` came to the plan of table `{planned}`")]
    Table {
        /// The plan's table.
        planned: String,
        /// The batch's table.
        found: String,
    },
    /// A batch's schema is not the one that the plan was read from.
    #[error("the schema of table `{table}` is not the one that its plan was read from")]
    Schema {
        /// The table.
        table: String,
    },
    /// A column came in a type that its kernel does not take.
    #[error("column `{column}` came as {found}, which its kernel does not take")]
    Column {
        /// The column.
        column: String,
        /// Its Arrow type.
        found: String,
    },
    /// A row points at nobody of the roster.
    #[error("row {row} of a batch of table `{table}` belongs to nobody of the roster")]
    Person {
        /// The table.
        table: String,
        /// The row in its batch.
        row: usize,
    },
    /// More would be suppressed than the pipeline allows.
    #[error(
        "table `{table}` would lose {suppressed_rows} of its {rows} rows ({suppressed_ppm} in a \
         million, {limit_ppm} are allowed): their classes of quasi-identifiers have under {k} people"
    )]
    Suppression {
        /// The table.
        table: String,
        /// The least number of people in a class.
        k: u32,
        /// Rows in all.
        rows: u64,
        /// Rows that would go.
        suppressed_rows: u64,
        /// Their share, in millionths.
        suppressed_ppm: u32,
        /// The share that the pipeline allows, in millionths.
        limit_ppm: u32,
    },
    /// Staged rows are not the bytes that were written, or are of another plan.
    #[error("staged rows of table `{table}` are not what was written: {why}")]
    Staged {
        /// The table.
        table: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The late steps of a table could not be settled.
    #[error("table `{table}` cannot be generalised")]
    Late {
        /// The table.
        table: String,
        /// Why not.
        source: LateError,
    },
    /// The settled columns of a table are not as long as its staged rows.
    #[error("the late columns of table `{table}` have other rows than were staged")]
    Rows {
        /// The table.
        table: String,
    },
    /// Arrow could not build or write a batch.
    #[error("table `{table}`: a batch could not be {doing}")]
    Arrow {
        /// The table.
        table: String,
        /// What was being done.
        doing: &'static str,
        /// The cause.
        source: ArrowError,
    },
}
