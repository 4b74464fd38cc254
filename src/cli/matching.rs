//! `almoner pool match`: a fund's money for what many gave.
//!
//! Comes in: a fund, pools, a period, a list of sponsors. Goes out: what each pool gets, and why.
//! Never: who gave what.

use std::path::PathBuf;

use serde::Serialize;

use super::{
    Context, Failure, Format, Kind, Table,
    pool::{pool_id, usage},
};
use crate::{
    pipeline::matching::{self as act, Outcome, Request},
    reward::Period,
};

/// What `almoner pool match` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A pool's match is the square of the sum of the square roots of what each verified person gave to it in
the period, less what they gave: nine gifts of 100 are matched with 7200, one gift of 900 with nothing.
All gifts of one person to one pool are one. A fund that holds less shares it in that proportion; one
that holds more keeps the rest. A fund is a pool of its own, and pays nobody but pools.

FILE is CSV with the columns sponsor,person: which sponsors are known to be persons, and who is who.

Examples:
  almoner pool match community-fund --pool diabetes-2026 --pool asthma-2026 --period 2026-Q4 \\
      --verified sponsors.csv --dry-run
  almoner pool match community-fund --pool diabetes-2026 --pool asthma-2026 --period 2026-Q4 \\
      --verified sponsors.csv --cap-ppm 400000")]
pub struct Args {
    /// The pool whose money is given to pools
    fund: String,
    /// A pool whose gifts are matched; may be given more than once
    #[arg(long = "pool", value_name = "POOL", required = true)]
    pools: Vec<String>,
    /// The period in which the gifts came in
    #[arg(long, value_name = "PERIOD")]
    period: String,
    /// Which sponsors are verified persons
    #[arg(long, value_name = "FILE")]
    verified: PathBuf,
    /// The most that one pool gets, in millionths of what the fund holds [default: all of it]
    #[arg(long, value_name = "PPM", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    cap_ppm: Option<u32>,
    /// Reckon and show, but write nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    dry_run: bool,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

/// Runs `almoner pool match`.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let request = Request {
        fund: pool_id(&args.fund)?,
        pools: args.pools.iter().map(|name| pool_id(name)).collect::<Result<_, _>>()?,
        period: Period::parse(&args.period).map_err(|e| usage("--period", &e))?,
        cap_ppm: args.cap_ppm,
        verified: act::read_verified(&args.verified)?,
        dry_run: args.dry_run,
    };
    let outcome = act::match_gifts(&context.site()?, &request)?;
    let Outcome { matched, done } = &outcome;
    if context.global.format == Format::Table {
        let state = match done {
            None => "would be matched (dry run: nothing was written)".to_owned(),
            Some(done) if done.new => {
                format!("matched: commit {}, entry {}", done.commit, done.entry)
            }
            Some(done) => format!("was matched already: commit {}", done.commit),
        };
        writeln!(context.out, "fund {} {} {state}", matched.pool, matched.period)?;
    }
    let mut table = Table::new(["pool", "asked", "matched", "currency"]);
    for share in &matched.shares {
        table.row([
            share.pool.to_string(),
            share.asked.grouped(),
            share.amount.grouped(),
            share.amount.currency().to_string(),
        ]);
    }
    Ok(table.write(
        context.global.format,
        &Shown { dry_run: done.is_none(), outcome: &outcome },
        context.out,
    )?)
}

impl From<act::Error> for Failure {
    fn from(error: act::Error) -> Self {
        use act::Error as E;
        let (kind, hint) = match error {
            E::Fund(error) => return error.into(),
            E::List { .. } | E::Row { .. } => {
                (Kind::Invalid, "CSV with the header `sponsor,person`, a sponsor a line")
            }
            E::NotOver { .. } => {
                (Kind::Refused, "match it when it is over, or look with --dry-run")
            }
            E::Itself(_) | E::Currency { .. } => {
                (Kind::Usage, "name other pools, in the fund's currency")
            }
            E::Settled(_) => (Kind::Refused, "open a pool that is a fund and nothing else"),
            E::Overlap { .. } => {
                (Kind::Refused, "name a period that begins where the matched one ends")
            }
            E::OtherPools { .. } => (Kind::Refused, "a fund matches a period once"),
            E::Reference { .. } => {
                (Kind::Refused, "references that begin with `match:` are for matches")
            }
            E::Nothing { .. } => (
                Kind::Refused,
                "a match takes gifts of two verified persons or more to one pool, and money in the fund",
            ),
            E::Match { .. } => (Kind::Failed, "an amount is beyond what can be reckoned exactly"),
        };
        Self::new(kind, error).hint(hint)
    }
}
