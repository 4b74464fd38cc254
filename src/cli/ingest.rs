//! `almoner ingest`: one pipeline, over the files of a folder.

use std::path::PathBuf;

use super::{Context, Failure, Kind, Table, cover};
use crate::{
    pipeline::{
        cover::Paid,
        ingest::{self, Ingested, Outcome},
        spec::Spec,
    },
    report::{DoubtLine, LeftLine, RunReport},
    schema,
};

/// Run a pipeline: read, conform, admit, de-identify, release, record
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  almoner ingest pipelines/demo.toml --input /data/2026-q3\n  \
    almoner ingest pipelines/demo.toml --input /data/2026-q3 --dry-run --format json\n\n\
    The same pipeline on the same inputs and consents is the same run: begun again it goes on, \
    finished it is found done.")]
pub struct Args {
    /// The pipeline's file
    pipeline: PathBuf,
    /// The folder that the pipeline's paths are in
    #[arg(long, value_name = "DIR", default_value = ".")]
    input: PathBuf,
    /// Do everything but write: what would be released, and at which risk
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let spec = Spec::read(&args.pipeline)?;
    let site = context.site()?;
    let bar = context.bar("ingest");
    let done = ingest::ingest(&site, &spec, &args.input, args.dry_run, &bar)?;
    drop(bar);
    show(&done, context)
}

/// The report of a run, and what the policies that its pipeline names came to.
#[derive(serde::Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    report: &'a RunReport,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    covers: &'a [Paid],
}

fn show(done: &Ingested, context: &mut Context<'_>) -> Result<(), Failure> {
    let version = &done.version;
    let name = format!("{}@{}", version.dataset, version.version);
    let mut table = Table::new([
        "institution",
        "people",
        "read",
        "rejected",
        "refused",
        "admitted",
        "released",
    ]);
    for line in &done.report.institutions {
        table.row([
            line.institution.clone(),
            line.people.to_string(),
            line.read.to_string(),
            line.rejected.to_string(),
            line.refused.to_string(),
            line.admitted.to_string(),
            line.released.to_string(),
        ]);
    }
    let told = Told { report: &done.report, covers: &done.covers };
    table.write(context.global.format, &told, context.out)?;
    match done.outcome {
        Outcome::New => writeln!(context.err, "{name} made by run {}", done.run)?,
        Outcome::Unchanged => {
            writeln!(context.err, "{name} was made of the same inputs before; nothing new")?;
        }
        Outcome::Dry => writeln!(context.err, "{name} would be made; nothing was written")?,
    }
    for line in &done.report.files_left {
        let LeftLine { institution, file, reason } = line;
        writeln!(context.err, "not taken: {file} of {institution}: {reason}")?;
    }
    for DoubtLine { table, column, said } in &done.report.doubts {
        writeln!(context.err, "look at column `{column}` of `{table}`: it {said}")?;
    }
    for paid in &done.covers {
        writeln!(context.err, "{}", cover::told(paid))?;
    }
    if version.counts.rejected > 0 && done.outcome == Outcome::New {
        writeln!(
            context.err,
            "{} rows are in quarantine: almoner rejects show {}",
            version.counts.rejected, done.run
        )?;
    }
    Ok(())
}

impl From<crate::pipeline::spec::Error> for Failure {
    fn from(error: crate::pipeline::spec::Error) -> Self {
        use crate::pipeline::spec::Error as E;
        match error {
            E::File { .. } => Self::new(Kind::Usage, error),
            E::Folders(_) => Self::new(Kind::Usage, error).hint(
                "`{institution}` stands for a folder below --input, one an institution; an export of many is \
                 cut into such folders by: almoner population split --fhir DIR --out OUT",
            ),
            E::Institution { .. } => Self::new(Kind::Invalid, error)
                .hint("rename the folder: an institution's id has no control characters"),
            E::Faults { file, faults } => {
                let count = faults.len();
                let reports = faults.into_iter().map(miette::Report::new).collect();
                let said =
                    if count == 1 { "a fault".to_owned() } else { format!("{count} faults") };
                let text = format!("pipeline `{}` has {said}", file.display());
                Self::new(Kind::Invalid, text).reports(reports)
            }
        }
    }
}

impl From<ingest::Error> for Failure {
    fn from(error: ingest::Error) -> Self {
        use ingest::Error as E;
        match error {
            E::Folders(error) => error.into(),
            E::Site(error) => error.into(),
            E::Store(error) => error.into(),
            E::Lake(error) => error.into(),
            E::Cover(error) => (*error).into(),
            E::Gold { .. } => Self::new(Kind::Invalid, error).hint(
                "each line is {\"text\": …, \"spans\": [{\"start\", \"end\", \"class\"}]}; `almoner \
                 deid recall --write FILE` makes one",
            ),
            E::Leak { pipeline, faults } => {
                let reports = faults.into_iter().map(miette::Report::new).collect();
                let text = format!("pipeline `{pipeline}` would let an identifier leave");
                Self::new(Kind::Invalid, text)
                    .hint("give each column a role and a kernel; nothing leaves by default")
                    .reports(reports)
            }
            E::Rejects { ref run, .. } => {
                let hint = format!("see which and why: almoner rejects show {run}");
                Self::new(Kind::Rejects, error).hint(hint)
            }
            E::Rule { ref run, .. } => {
                let hint = format!("see what fails and where: almoner quality show {run}");
                Self::new(Kind::Rejects, error).hint(hint)
            }
            E::Deid(ref deid @ crate::pipeline::ingest::DeidError::Suppression { .. }) => {
                let text = deid.to_string();
                Self::new(Kind::Rejects, text)
                    .hint("generalise the quasi-identifiers further, or raise suppress_limit")
            }
            E::Deid(crate::pipeline::ingest::DeidError::Late { table, source }) => {
                late(&table, &source)
            }
            E::Events(_) => Self::new(Kind::Invalid, error).hint(
                "lower known_events, or tell events less exactly: a category instead of a code, a \
                 year instead of a day",
            ),
            E::Offsets { .. } => Self::new(Kind::Refused, error).hint(
                "give each of them a line `person;days`, or leave shift_offsets out: shifts are drawn",
            ),
            E::Empty { .. } => Self::new(Kind::Refused, error)
                .hint("import consents first: almoner consent import FILE"),
            E::Untaken { .. } => Self::new(Kind::Refused, error).hint(
                "an institution signs what it delivers: almoner credential sign-delivery; how its \
                 licence stood: almoner credential history",
            ),
            E::Notes { .. } => Self::new(Kind::Usage, error),
            E::Conform(schema::Error::Undeclared { .. }) => Self::new(Kind::Invalid, error).hint(
                "a schema names every column of its file, with a role; what nobody classified may be any \
                 number, characteristic or code of one person (45 CFR 164.514(b)(2)(i)(R)): give it \
                 role = \"drop\" if it is not needed",
            ),
            E::Source(_) | E::Conform(_) => Self::new(Kind::Invalid, error),
            E::Consent(_)
            | E::Licences(_)
            | E::Linkage(_)
            | E::Deid(_)
            | E::Codes(_)
            | E::Randomness(_)
            | E::Record(_)
            | E::Digest(_)
            | E::Json(_)
            | E::Arrow(_)
            | E::Parquet(_)
            | E::Quality(_)
            | E::Records(_)
            | E::Counts { .. } => Self::new(Kind::Failed, error),
        }
    }
}

/// Says why a table cannot be generalised, and what to do.
fn late(table: &str, error: &ingest::LateError) -> Failure {
    use ingest::{LateError as L, Unfound as U};
    let (kind, hint) = match error {
        L::Missing(_) => (
            Kind::Invalid,
            "add a line for each to the hierarchy's file; an empty cell is a value, too",
        ),
        L::Rule(_) | L::Least { .. } => {
            (Kind::Invalid, "the schema's `deid` says by what the column is generalised")
        }
        L::Column { .. } | L::Table(_) => {
            (Kind::Invalid, "the schema's roles say which columns are searched")
        }
        L::Search(U::Unsatisfiable) => (
            Kind::Rejects,
            "raise suppress_limit, ask for less, or give the hierarchies a last level `*`",
        ),
        L::Search(U::Stopped) => (Kind::Failed, "raise search_seconds in [deid]"),
        L::Search(U::K { .. }) => {
            (Kind::Rejects, "no class can have more people than the table: lower k, or read more")
        }
        L::Search(
            U::Lattice
            | U::Wide { .. }
            | U::NoRows
            | U::NoColumns
            | U::Rows { .. }
            | U::Sensitive { .. }
            | U::Codes,
        ) => (Kind::Invalid, "give fewer columns the role `quasi`, or those fewer levels"),
    };
    Failure::new(kind, format!("table `{table}` cannot be generalised: {error}")).hint(hint)
}

impl From<crate::pipeline::rejects::Error> for Failure {
    fn from(error: crate::pipeline::rejects::Error) -> Self {
        use crate::pipeline::rejects::Error as E;
        match error {
            E::Store(error) => error.into(),
            E::NoRun(_) => Self::new(Kind::Usage, error).hint("`almoner rejects list` names them"),
            E::Read { .. } => Self::new(Kind::Failed, error),
        }
    }
}
