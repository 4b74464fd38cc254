//! `almoner quality`: what the rules of quality find, before a run and in one.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Context, Failure, Kind, Table};
use crate::{
    pipeline::{quality, spec::Spec},
    quality::{Finding, Outcome},
    report::{self, QualityReport},
};

/// Check a folder's files by a pipeline's rules of quality, or show what they found in a run
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  almoner quality run pipelines/synthea.toml --input /data --out q.html\n  \
    almoner quality show demo-0a1b2c3d4e5f6071\n\n\
    A check needs no site. With --site, drifts are held against the dataset's newest version. The \
    page and the findings are for the steward: their counts are exact."
)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Check files before a run; nothing is written but the page
    Run {
        /// The pipeline's file
        pipeline: PathBuf,
        /// The folder that the pipeline's paths are in
        #[arg(long, value_name = "DIR", default_value = ".")]
        input: PathBuf,
        /// Write the page here, and the same as JSON beside it
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Show rules that hold, too
        #[arg(long)]
        all: bool,
    },
    /// What the rules found in a run
    Show {
        /// The run, as `ingest` named it
        run: String,
        /// Write the page here, and the same as JSON beside it
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Show rules that hold, too
        #[arg(long)]
        all: bool,
    },
}

/// Runs the command.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    match &args.act {
        Act::Run { pipeline, input, out, all } => {
            let spec = Spec::read(pipeline)?;
            let now = super::instant(&context.global)?;
            let site = match context.global.site {
                Some(_) => Some(context.site()?),
                None => None,
            };
            let bar = context.bar("quality");
            let found = quality::run(site.as_ref(), &spec, input, now, &bar)?;
            drop(bar);
            show(&found, out.as_ref(), *all, context)?;
            let stops = found.findings.iter().filter(|f| f.outcome == Outcome::Stopped).count();
            if stops == 0 {
                return Ok(());
            }
            let text = format!("{stops} findings would stop the run");
            Err(Failure::new(Kind::Rejects, text)
                .hint("mend the rows at their source, or change `error_if` of the rule"))
        }
        Act::Show { run, out, all } => {
            let found = quality::show(&context.site()?, run)?;
            show(&found, out.as_ref(), *all, context)
        }
    }
}

fn show(
    found: &QualityReport,
    out: Option<&PathBuf>,
    all: bool,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    if let Some(file) = out {
        std::fs::write(file, report::quality_page(found))?;
        let json = report::json(found).map_err(|e| Failure::new(Kind::Failed, e))?;
        std::fs::write(file.with_extension("json"), json)?;
    }
    let mut table = Table::new([
        "rule",
        "table",
        "institution",
        "category",
        "severity",
        "rows",
        "failing",
        "outcome",
    ]);
    let told = found.findings.iter().filter(|f| all || f.outcome >= Outcome::Warned);
    for finding in told {
        table.row(row(finding));
    }
    table.write(context.global.format, found, context.out)?;
    let (checked, held) =
        found.validity.values().fold((0, 0), |(c, h), v| (c + v.checked, h + v.held));
    let findings = found.findings.iter().filter(|f| f.outcome >= Outcome::Warned).count();
    writeln!(
        context.err,
        "{findings} findings of {} rules asked; {held} of {checked} checks of rows held",
        found.findings.len()
    )?;
    Ok(())
}

fn row(finding: &Finding) -> [String; 8] {
    let failing = match finding.measure {
        None => finding.failing.to_string(),
        Some(measure) => format!("off by {} in a million", measure.off_ppm),
    };
    let word = |value: serde_json::Result<serde_json::Value>| {
        value.ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    };
    [
        finding.rule.clone(),
        finding.table.clone(),
        finding.institution.clone(),
        word(serde_json::to_value(finding.category)),
        word(serde_json::to_value(finding.severity)),
        finding.rows.to_string(),
        failing,
        word(serde_json::to_value(finding.outcome)),
    ]
}

impl From<quality::Error> for Failure {
    fn from(error: quality::Error) -> Self {
        use quality::Error as E;
        match error {
            E::Store(error) => error.into(),
            E::Lake(error) => error.into(),
            E::NoRun(_) => Self::new(Kind::Usage, error)
                .hint("`almoner rejects list` names the runs; a pipeline without rules keeps none"),
            E::Format { .. } => Self::new(Kind::Integrity, error),
        }
    }
}
