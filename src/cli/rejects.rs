//! `almoner rejects`: the rows that a run put into quarantine: where and why, never what.

use clap::Subcommand;

use super::{Context, Failure, Table};
use crate::pipeline::rejects;

/// Show the rows that a run put into quarantine
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  almoner rejects list\n  almoner rejects show demo-0a1b2c3d4e5f6071\n  \
    almoner rejects show demo-0a1b2c3d4e5f6071 --format csv"
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
    }
}
