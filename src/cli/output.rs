//! Results as a table for people, JSON or CSV for programs.

use std::io::{self, Write};

use clap::ValueEnum;
use serde::Serialize;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people.
    Table,
    /// JSON.
    Json,
    /// CSV, RFC 4180.
    Csv,
    /// Parquet (`query` alone).
    Parquet,
}

/// A result of rows and columns that knows how to write itself in every text format.
#[derive(Debug, Clone, Default)]
pub struct Table {
    headers: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Starts a table.
    pub fn new<H: Into<String>>(headers: impl IntoIterator<Item = H>) -> Self {
        Self { headers: headers.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Writes the table for people or as CSV; `json` is what `--format json` writes.
    pub fn write<T: Serialize>(
        &self,
        format: Format,
        json: &T,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match format {
            Format::Json | Format::Parquet => {
                serde_json::to_writer_pretty(&mut *out, json)?;
                writeln!(out)
            }
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                writer.write_record(&self.headers)?;
                for row in &self.rows {
                    writer.write_record(row)?;
                }
                writer.flush()
            }
            Format::Table => {
                let mut table = comfy_table::Table::new();
                table.load_style(comfy_table::presets::NOTHING);
                table.set_header(&self.headers);
                for row in &self.rows {
                    table.add_row(row);
                }
                for line in table.lines() {
                    writeln!(out, "{}", line.trim_end())?;
                }
                Ok(())
            }
        }
    }
}
