//! `almoner view`: checks definitions of views, runs them over FHIR, runs the official tests.

use std::{fs, path::PathBuf};

use clap::Subcommand;
use serde::Serialize;

use super::{Context, Failure, Format, Kind, Table};
use crate::pipeline::view::{self, Export, Exported, Report};

/// Check views of FHIR resources (SQL on FHIR v2), run them, and run the official tests
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  almoner view check schemas/fhir/patient.json\n  \
    almoner view run schemas/fhir/observation.json Observation.ndjson --out observation.parquet\n  \
    almoner view test ../sql-on-fhir-v2/tests --out test_report.json")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a ViewDefinition and show its columns
    Check(CheckArgs),
    /// Run a view over files of resources into one table
    Run(RunArgs),
    /// Run a folder of official tests; write their report
    Test(TestArgs),
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// The ViewDefinition, as JSON
    view: PathBuf,
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// The ViewDefinition, as JSON
    view: PathBuf,
    /// Files of resources: *.ndjson, a Bundle (*.json), or manifest.json; plain, .gz or .zst
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The table: *.parquet, *.csv or *.ndjson
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Add `_sha256`, the digest of each row's resource
    #[arg(long)]
    digest: bool,
    /// Threads that read and encode [default: one a core]
    #[arg(long, value_name = "COUNT")]
    threads: Option<usize>,
}

#[derive(Debug, clap::Args)]
struct TestArgs {
    /// The folder of the tests
    folder: PathBuf,
    /// Where the report goes, in the format that the standard asks for
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: Args, context: &mut Context<'_>) -> Result<(), Failure> {
    match args.command {
        Command::Check(args) => check(&args, context),
        Command::Run(args) => export(&args, context),
        Command::Test(args) => test(&args, context),
    }
}

#[derive(Serialize)]
struct ColumnLine {
    name: String,
    kind: &'static str,
    collection: bool,
    description: Option<String>,
}

fn check(args: &CheckArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let view = view::compile(&args.view)?;
    let lines: Vec<ColumnLine> = view
        .columns()
        .iter()
        .map(|column| ColumnLine {
            name: column.name.clone(),
            kind: column.kind.word(),
            collection: column.collection,
            description: column.description.clone(),
        })
        .collect();
    let mut table = Table::new(["column", "type", "description"]);
    for line in &lines {
        let kind =
            if line.collection { format!("list of {}", line.kind) } else { line.kind.to_owned() };
        table.row([line.name.clone(), kind, line.description.clone().unwrap_or_default()]);
    }
    table.write(context.global.format, &lines, context.out)?;
    let name = view.name().unwrap_or("the view");
    writeln!(context.err, "{name} is well: {} columns of {}", lines.len(), view.resource())?;
    Ok(())
}

fn export(args: &RunArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let view = view::compile(&args.view)?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let export = Export { digests: args.digest, threads: args.threads.unwrap_or(cores) };
    let bar = context.bar("view");
    let done = view::run(&view, &args.files, &args.out, export, &bar)?;
    drop(bar);
    show(&done, context)?;
    if let Some(faults) = &done.faults_file {
        let (count, file) = (done.faults, faults.display());
        writeln!(context.err, "{count} resources or lines were put aside: {file} says why")?;
    }
    Ok(())
}

fn show(done: &Exported, context: &mut Context<'_>) -> Result<(), Failure> {
    let mut table = Table::new(["files", "bytes", "resources", "rows", "other types", "faults"]);
    table.row(
        [done.files, done.bytes, done.resources, done.rows, done.passed_over, done.faults]
            .map(|count| count.to_string()),
    );
    Ok(table.write(context.global.format, done, context.out)?)
}

fn test(args: &TestArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let report = view::test(&args.folder)?;
    if let Some(out) = &args.out {
        fs::write(
            out,
            serde_json::to_string_pretty(&report).map_err(std::io::Error::from)? + "\n",
        )?;
    }
    let mut table = Table::new(["file", "passed", "tests"]);
    for (file, tests) in &report {
        let passed = tests.tests.iter().filter(|test| test.result.passed).count();
        table.row([file.clone(), passed.to_string(), tests.tests.len().to_string()]);
    }
    table.write(context.global.format, &report, context.out)?;
    let (passed, count) = tally(&report, context)?;
    if context.global.format == Format::Table {
        writeln!(context.err, "{passed} of {count} tests passed")?;
    }
    if passed == count {
        return Ok(());
    }
    let text = format!("{} of {count} tests failed", count - passed);
    Err(Failure::new(Kind::Failed, text))
}

/// Counts the tests, and tells those that failed.
fn tally(report: &Report, context: &mut Context<'_>) -> Result<(usize, usize), Failure> {
    let (mut passed, mut count) = (0, 0);
    for (file, tests) in report {
        for test in &tests.tests {
            count += 1;
            passed += usize::from(test.result.passed);
            if let Some(reason) = &test.result.reason {
                writeln!(context.err, "{file}: {}: {reason}", test.name)?;
            }
        }
    }
    Ok((passed, count))
}

impl From<view::Error> for Failure {
    fn from(error: view::Error) -> Self {
        use view::Error as E;
        match error {
            E::View { file, faults } => {
                let count = faults.len();
                let reports = faults.into_iter().map(miette::Report::new).collect();
                let said =
                    if count == 1 { "a fault".to_owned() } else { format!("{count} faults") };
                let text = format!("view `{}` has {said}", file.display());
                Self::new(Kind::Invalid, text).reports(reports)
            }
            E::Read { .. } | E::NoTests { .. } | E::InputName { .. } | E::OutputName { .. } => {
                Self::new(Kind::Usage, error)
            }
            E::Suite { .. } | E::Source(_) => Self::new(Kind::Invalid, error),
            E::Write { .. }
            | E::Encode { .. }
            | E::Parquet(_)
            | E::Csv(_)
            | E::Json(_)
            | E::Stopped { .. } => Self::new(Kind::Failed, error),
        }
    }
}
