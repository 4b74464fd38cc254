//! `almoner dataset`: list, show, compare and check what is in the lake.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use super::{Context, Failure, Kind, Table};
use crate::{
    pipeline::{dataset, export, quality, risk},
    report::RiskSigned,
    site::Site,
};

/// List, show, compare and check the versions of datasets
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  almoner dataset list\n  almoner dataset show diabetes@1\n  \
     almoner dataset show diabetes@1 --profile\n  \
     almoner dataset diff diabetes@1 diabetes@2\n  almoner dataset verify\n  \
     almoner dataset export diabetes@1 --as meds --out DIR")]
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
        /// Describe the columns in figures instead: nothing rests on fewer than 11 people
        #[arg(long)]
        profile: bool,
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
    /// Write a version's released rows into a folder, for the steward; its bytes are checked first
    Export {
        /// `dataset` or `dataset@version`
        name: String,
        /// The form: the segments as they are, CSV, or MEDS (medical event data standard 0.4)
        #[arg(long = "as", value_enum, default_value_t = Form::Parquet)]
        form: Form,
        /// One table alone
        #[arg(long)]
        table: Option<String>,
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
        Act::Show { name, profile: true } => show_profile(&site, name, context),
        Act::Show { name, profile: false } => {
            let version = dataset::show(&site, name)?;
            let determinations = risk::signed(&site, &version.dataset, version.version)?;
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
            let destroyed = dataset::is_destroyed(&site, &version)?;
            let shown = Shown { version: &version, destroyed, determinations: &determinations };
            table.write(context.global.format, &shown, context.out)?;
            if destroyed {
                writeln!(context.err, "its key was destroyed: nobody reads its rows any more")?;
            }
            for released in &version.tables {
                let Some(choice) = &released.choice else { continue };
                let sure = match &choice.bound {
                    None => "none loses less".to_owned(),
                    Some(bound) => format!("the search was stopped, none loses under {bound}"),
                };
                writeln!(
                    context.err,
                    "{}: of {} generalisations, by {}: {} ({sure}); {}",
                    released.table,
                    choice.lattice,
                    choice.metric,
                    choice.score,
                    choice.models_said().join(", ")
                )?;
            }
            for one in &determinations {
                writeln!(context.err, "determined by {} on {} with {}", one.by, one.time, one.key)?;
            }
            for term in version.duo.iter().flat_map(|duo| duo.terms.terms()) {
                writeln!(context.err, "every use is bound by {}", term.term.label())?;
            }
            Ok(())
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
        Act::Export { name, form, table: wanted, out } => {
            let files = export::export(&site, name, (*form).into(), wanted.as_deref(), out)?;
            let mut table = Table::new(["file", "rows"]);
            for file in &files {
                table.row([file.path.display().to_string(), file.rows.to_string()]);
            }
            Ok(table.write(context.global.format, &files, context.out)?)
        }
    }
}

/// A version with who determined that its risk is very small.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    version: &'a dataset::Version,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    destroyed: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    determinations: &'a [RiskSigned],
}

/// The form of an export.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    Parquet,
    Csv,
    Meds,
}

impl From<Form> for export::Form {
    fn from(form: Form) -> Self {
        match form {
            Form::Parquet => Self::Parquet,
            Form::Csv => Self::Csv,
            Form::Meds => Self::Meds,
        }
    }
}

impl From<export::Error> for Failure {
    fn from(error: export::Error) -> Self {
        use export::Error as E;
        match error {
            E::Lake(error) => error.into(),
            E::Changed { ref version, .. } => {
                let hint = format!("see all of them: almoner dataset verify {version}");
                Self::new(Kind::Integrity, error).hint(hint)
            }
            E::NoTable { ref known, .. } => {
                let hint = format!("it has {}", known.join(", "));
                Self::new(Kind::Usage, error).hint(hint)
            }
            E::File { .. } | E::Arrow(_) | E::Parquet(_) | E::Json(_) => {
                Self::new(Kind::Failed, error)
            }
        }
    }
}

fn show_profile(site: &Site, name: &str, context: &mut Context<'_>) -> Result<(), Failure> {
    let found = quality::profile(site, name)?;
    let mut table = Table::new([
        "table",
        "column",
        "type",
        "filled",
        "missing",
        "distinct",
        "bounds",
        "quantiles",
        "top",
    ]);
    let few = |count: Option<u64>| count.map_or_else(|| "<11 people".to_owned(), |n| n.to_string());
    for described in &found.tables {
        for column in &described.columns {
            let bounds = column.bounds.as_ref().map(|(low, high)| format!("{low} to {high}"));
            let quantiles = column.quantiles.iter().map(|(at, value)| format!("{at} %: {value}"));
            let top = column.top.iter().map(|top| format!("{} ({})", top.value, top.rows));
            table.row([
                described.table.clone(),
                column.column.clone(),
                column.kind.clone(),
                few(column.filled),
                few(column.missing),
                few(column.distinct),
                bounds.unwrap_or_default(),
                quantiles.collect::<Vec<_>>().join(", "),
                top.collect::<Vec<_>>().join(", "),
            ]);
        }
    }
    Ok(table.write(context.global.format, &found, context.out)?)
}
