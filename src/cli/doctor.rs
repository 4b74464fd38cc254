//! `almoner doctor`: is the store fit, are the keys there, is the clock sane, is the book whole.

use serde::Serialize;

use super::{Context, Failure, Kind, Table, address, instant};
use crate::{pipeline::doctor, store::Store};

/// Ask whether the store is fit, the keys are there, and the book is whole
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The store must make an object once when many writers race for its name; a \
    store that does not would lose commits, and is refused.\n\nExample:\n  \
    almoner doctor --site s3://commons/site --keys /etc/almoner/keys"
)]
pub struct Args {
    /// How many races are run
    #[arg(long, default_value_t = 10)]
    rounds: u32,
    /// How many writers race in each
    #[arg(long, default_value_t = 16)]
    writers: u32,
}

#[derive(Serialize)]
struct Report<'a> {
    healthy: bool,
    checks: &'a [doctor::Check],
}

/// Runs the command.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let (place, keys) = address(&context.global)?;
    let store = Store::open(&place)?;
    let bar = context.bar("probing the store");
    let checks = doctor::examine(
        &store,
        &place,
        &keys,
        instant(&context.global)?,
        (args.rounds, args.writers),
        &bar,
    );
    drop(bar);
    let mut table = Table::new(["check", "result", "found"]);
    for check in &checks {
        table.row([
            check.name.to_owned(),
            if check.passed { "ok" } else { "FAILED" }.to_owned(),
            check.found.clone(),
        ]);
    }
    let failed = checks.iter().filter(|c| !c.passed).count();
    let report = Report { healthy: failed == 0, checks: &checks };
    table.write(context.global.format, &report, context.out)?;
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::new(Kind::Failed, format!("{failed} of {} checks failed", checks.len())).hint(
        "what was found says what to do; a store that fails the race would lose commits: do not keep \
         a site there",
    ))
}
