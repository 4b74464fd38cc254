//! `almoner doctor`: is the store fit, are the keys there, is the clock sane, is the book whole.

use serde::Serialize;

use super::{Context, Failure, Kind, Table, address, instant};
use crate::{
    pipeline::doctor,
    store::{Races, Store},
};

/// Ask whether the store is fit, the keys are there, and the book is whole
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The store must make an object once when many writers race for its name, and \
    give back at once what was written; a store that does not would lose commits, and is refused. \
    So is a folder on a network file system, unless --allow-network-filesystem says that you know \
    better.\n\nExamples:\n  \
    almoner doctor --site s3://commons/site --keys /etc/almoner/keys\n  \
    almoner doctor --store s3://commons --rounds 40 --writers 32"
)]
pub struct Args {
    /// Probe this store alone; no site is looked for, no key is asked for
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
    /// How many races are run
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How many writers race in each
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    writers: u32,
}

#[derive(Serialize)]
struct Report<'a> {
    healthy: bool,
    checks: &'a [doctor::Check],
}

/// Runs the command.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let races = Races { rounds: args.rounds, writers: args.writers };
    let may_be_network = context.global.allow_network_filesystem;
    let site = match args.store {
        Some(_) => None,
        None => Some(address(&context.global)?),
    };
    let place = args.store.as_ref().or(site.as_ref().map(|(place, _)| place));
    let store = Store::open(place.map_or("", String::as_str))?;
    let bar = context.bar("probing the store");
    let mut checks = doctor::examine_store(&store, races, may_be_network, &bar);
    drop(bar);
    if let Some((place, keys)) = &site {
        checks.extend(doctor::examine_site(place, keys, instant(&context.global)?));
    }
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
        "what was found says what to do; a store that fails the probe would lose commits: do not keep \
         a site there",
    ))
}
