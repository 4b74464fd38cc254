//! `almoner rejects`: the rows that a run put into quarantine: where and why, never what; and what
//! became of them once they were mended.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Subcommand;

use super::{Context, Failure, Kind, Table};
use crate::pipeline::{
    rejects,
    replay::{self, Fate, Replayed},
};

/// Show the rows that a run put into quarantine, and take them again
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  almoner rejects list\n  almoner rejects show demo-0a1b2c3d4e5f6071\n  \
    almoner rejects show demo-0a1b2c3d4e5f6071 --format csv\n  \
    almoner rejects replay demo-0a1b2c3d4e5f6071\n\n\
    Mend the rows in place in the input, or the schema or the rules; then replay: the whole pipeline \
    runs anew, so that nothing is lost and nothing is there twice, and each row of the old quarantine \
    is accounted for by its file and line. Replayed again it finds the same."
)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// The runs of this site
    List,
    /// The rejected rows of one run: file, line, column, rule, reason
    Show {
        /// The run, as `ingest` named it
        run: String,
        /// Count by rule and column instead of listing rows
        #[arg(long)]
        count: bool,
    },
    /// Run the pipeline anew over the mended input or by the mended rules, and say what became of
    /// each row of the old quarantine
    Replay {
        /// The run, as `ingest` named it
        run: String,
        /// The pipeline's file [default: the one that the run read]
        #[arg(long, value_name = "FILE")]
        pipeline: Option<PathBuf>,
        /// The folder that the pipeline's paths are in [default: the one that the run read]
        #[arg(long, value_name = "DIR")]
        input: Option<PathBuf>,
        /// Count by rule and fate instead of listing rows
        #[arg(long)]
        count: bool,
    },
}

/// Runs the command.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    match &args.act {
        Act::List => {
            let runs = rejects::runs(&site)?;
            let mut table = Table::new(["run", "rejected"]);
            for run in &runs {
                table.row([run.run.clone(), run.rejected.to_string()]);
            }
            Ok(table.write(context.global.format, &runs, context.out)?)
        }
        Act::Show { run, count: false } => {
            let found = rejects::show(&site, run)?;
            let mut table = Table::new(["file", "line", "column", "rule", "reason"]);
            for line in &found {
                table.row([
                    line.file.clone(),
                    line.line.to_string(),
                    line.column.clone().unwrap_or_default(),
                    line.rule.clone(),
                    line.reason.clone(),
                ]);
            }
            Ok(table.write(context.global.format, &found, context.out)?)
        }
        Act::Show { run, count: true } => {
            let found = rejects::count(&rejects::show(&site, run)?);
            let mut table = Table::new(["file", "column", "rule", "rows"]);
            for line in &found {
                table.row([
                    line.file.clone(),
                    line.column.clone(),
                    line.rule.clone(),
                    line.rows.to_string(),
                ]);
            }
            Ok(table.write(context.global.format, &found, context.out)?)
        }
        Act::Replay { run, pipeline, input, count } => {
            let bar = context.bar("replay");
            let done = replay::replay(&site, run, pipeline.as_deref(), input.as_deref(), &bar)?;
            drop(bar);
            show_replayed(&done, *count, context)
        }
    }
}

fn show_replayed(
    done: &Replayed,
    by_count: bool,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let mut counts: BTreeMap<(&str, String), u64> = BTreeMap::new();
    let mut table = Table::new(["file", "line", "was", "now"]);
    for row in &done.rows {
        let now = said(&row.fate);
        *counts.entry((row.was.as_str(), now.clone())).or_default() += 1;
        table.row([row.file.clone(), row.line.to_string(), row.was.clone(), now]);
    }
    if by_count {
        table = Table::new(["was", "now", "rows"]);
        for ((was, now), rows) in &counts {
            table.row([(*was).to_owned(), now.clone(), rows.to_string()]);
        }
    }
    table.write(context.global.format, done, context.out)?;
    let still = done.rows.iter().filter(|row| matches!(row.fate, Fate::Rejected { .. })).count();
    writeln!(
        context.err,
        "{} of {} rows still do not fit; version {} by run {}",
        still,
        done.rows.len(),
        done.version,
        done.again
    )?;
    Ok(())
}

fn said(fate: &Fate) -> String {
    match fate {
        Fate::Admitted => "admitted".to_owned(),
        Fate::Refused { reason } => format!("refused: {reason}"),
        Fate::Rejected { rule, reason } => format!("rejected: {rule}: {reason}"),
        Fate::Gone => "gone".to_owned(),
    }
}

impl From<replay::Error> for Failure {
    fn from(error: replay::Error) -> Self {
        use replay::Error as E;
        match error {
            E::Rejects(error) => error.into(),
            E::Spec(error) => error.into(),
            E::Ingest(error) => error.into(),
            E::Store(error) => error.into(),
            E::Record { .. } => Self::new(Kind::Usage, error)
                .hint("an older run did not write that down: give --pipeline and --input"),
            E::Dataset { .. } => {
                Self::new(Kind::Usage, error).hint("a replay runs the pipeline of the same dataset")
            }
            E::Json(_) => Self::new(Kind::Failed, error),
        }
    }
}
