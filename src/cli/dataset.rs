//! `almoner dataset`: list, show, compare and check what is in the lake.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Context, Failure, Kind, Table};
use crate::pipeline::dataset;

/// List, show, compare and check the versions of datasets
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  almoner dataset list\n  almoner dataset show diabetes@1\n  \
    almoner dataset diff diabetes@1 diabetes@2\n  almoner dataset verify")]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// The newest version of each dataset
    List,
    /// One version: its tables, columns and what was done to each
    Show {
        /// `dataset` or `dataset@version`
        name: String,
    },
    /// What is different between two versions
    Diff {
        /// The older one, `dataset@version`
        before: String,
        /// The newer one
        after: String,
    },
    /// Hash every object of a version, or of all
    Verify {
        /// `dataset` or `dataset@version` [default: all versions]
        name: Option<String>,
    },
    /// Copy a version's segments into a folder, for the steward
    Export {
        /// `dataset` or `dataset@version`
        name: String,
        /// The folder
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// Runs the command.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    match &args.act {
        Act::List => {
            let lines = dataset::list(&site)?;
            let mut table =
                Table::new(["dataset", "version", "made", "purposes", "people", "rows", "bytes"]);
            for line in &lines {
                let purposes: Vec<&str> =
                    line.purposes.iter().map(crate::purpose::Purpose::as_str).collect();
                table.row([
                    line.dataset.clone(),
                    line.version.to_string(),
                    line.time.to_string(),
                    purposes.join(" "),
                    line.people.to_string(),
                    line.rows.to_string(),
                    line.bytes.to_string(),
                ]);
            }
            Ok(table.write(context.global.format, &lines, context.out)?)
        }
        Act::Show { name } => {
            let version = dataset::show(&site, name)?;
            let mut table =
                Table::new(["table", "rows", "column", "type", "role", "what was done"]);
            for released in &version.tables {
                for (at, column) in released.columns.iter().enumerate() {
                    let first = at == 0;
                    table.row([
                        if first { released.table.clone() } else { String::new() },
                        if first { released.rows.to_string() } else { String::new() },
                        column.name.clone(),
                        column.kind.clone(),
                        format!("{:?}", column.role).to_lowercase(),
                        column.done.clone(),
                    ]);
                }
            }
            Ok(table.write(context.global.format, &version, context.out)?)
        }
        Act::Diff { before, after } => {
            let found = dataset::diff(&site, before, after)?;
            let mut table = Table::new(["table", "rows before", "rows after", "columns", "schema"]);
            for line in &found {
                let added = line.columns_added.iter().map(|c| format!("+{c}"));
                let removed = line.columns_removed.iter().map(|c| format!("-{c}"));
                table.row([
                    line.table.clone(),
                    line.rows_before.to_string(),
                    line.rows_after.to_string(),
                    added.chain(removed).collect::<Vec<_>>().join(" "),
                    if line.schema_changed { "changed" } else { "same" }.to_owned(),
                ]);
            }
            Ok(table.write(context.global.format, &found, context.out)?)
        }
        Act::Verify { name } => {
            let (objects, problems) = dataset::verify(&site, name.as_deref())?;
            let mut table = Table::new(["object", "fault"]);
            for problem in &problems {
                table.row([problem.object.clone(), problem.fault.clone()]);
            }
            table.write(context.global.format, &problems, context.out)?;
            if problems.is_empty() {
                writeln!(context.err, "{objects} objects, all as they were committed")?;
                return Ok(());
            }
            let text = format!("{} of {objects} objects are not as committed", problems.len());
            Err(Failure::new(Kind::Integrity, text).hint(
                "restore the named objects from a copy; `almoner audit` says what rests on them",
            ))
        }
        Act::Export { name, out } => {
            let version = dataset::show(&site, name)?;
            let mut table = Table::new(["file", "rows"]);
            let mut files = Vec::new();
            for released in &version.tables {
                let folder = out.join(&released.table);
                std::fs::create_dir_all(&folder)?;
                for (at, segment) in released.segments.iter().enumerate() {
                    let file = folder.join(format!("{at:05}.parquet"));
                    std::fs::write(&file, dataset::segment_bytes(&site, segment)?)?;
                    table.row([file.display().to_string(), segment.rows.to_string()]);
                    files.push(file);
                }
            }
            Ok(table.write(context.global.format, &files, context.out)?)
        }
    }
}
