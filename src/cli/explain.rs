//! `almoner explain`: why a contributor gets this amount, in words, step by step.
//!
//! Comes in: a person. Goes out: sentences on stdout, or the same steps with their figures as JSON.
//! Never: a figure that the recorded line does not bear out.

use super::{
    Context, Failure, Format, Table,
    statement::{Which, found},
};
use crate::report::{Explanation, explain};

/// Say why a contributor gets this amount, step by step
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  almoner explain p-117
  almoner explain p-117 --pool diabetes-2026 --period 2026-Q4 --lang de
  almoner explain p-117 --format json")]
pub struct Args {
    /// The person
    person: String,
    #[command(flatten)]
    which: Which,
}

/// Runs `almoner explain`.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    let selection = args.which.of(&site, Some(&args.person))?;
    let told: Vec<Explanation> = found(&site, &selection)?
        .iter()
        .map(|page| explain(&page.statement, args.which.lang))
        .collect();
    if context.global.format == Format::Table {
        for why in &told {
            writeln!(context.out, "{}\n\n{}\n", why.title, why.answer)?;
            for (number, step) in (1_u32..).zip(&why.steps) {
                writeln!(context.out, "{number}. {}", step.text)?;
            }
            writeln!(context.out)?;
        }
        return Ok(());
    }
    let mut table = Table::new(["pool", "period", "step", "text"]);
    for why in &told {
        for step in &why.steps {
            table.row([&why.pool, &why.period, &step.step, &step.text]);
        }
    }
    Ok(table.write(context.global.format, &told, context.out)?)
}
