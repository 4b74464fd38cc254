//! `almoner pool`: open, fund, show, journal.
//!
//! Comes in: terms, a payment, or a question. Goes out: what was done, or how a pool stands.
//! Never: an amount that was guessed from a number with the wrong decimals.

use clap::Subcommand;
use serde::Serialize;

use super::{Context, Failure, Format, Kind, Table};
use crate::{
    money::{Amount, Currency},
    party::SponsorId,
    pipeline::{
        fund::{self as act, Done, Standing},
        statement,
    },
    reward::{
        Funded, Opened, Pool, PoolId, Terms,
        journal::{Dialect, Journal},
    },
    site::Site,
};

/// Open, fund and show pools, and write their books
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Open a pool; its terms never change
    #[command(after_help = "\
Examples:
  almoner pool open diabetes-2026 --currency EUR --dataset synthea-clinical --fee-bps 500
  almoner pool open shared --currency EUR --dataset d --institution-ppm 150000
  almoner pool open registry --currency JPY --dataset d --base-ppm 500000 --usage-ppm 500000 \\
      --minimum 100")]
    Open(OpenArgs),
    /// Put money into a pool; the same reference again is the same payment
    #[command(after_help = "\
Example:
  almoner pool fund diabetes-2026 --amount 100000.00 --sponsor care-fund --reference wire-77")]
    Fund(FundArgs),
    /// Show how one pool stands, or all
    #[command(after_help = "Example:\n  almoner pool show --format json")]
    Show(ShowArgs),
    /// Write a pool's double-entry journal
    #[command(after_help = "\
Examples:
  almoner pool journal diabetes-2026 > pool.journal && hledger -f pool.journal check
  almoner pool journal diabetes-2026 --as beancount > pool.beancount && bean-check pool.beancount")]
    Journal(JournalArgs),
}

#[derive(Debug, clap::Args)]
struct OpenArgs {
    /// Its name: a-z, 0-9 and `-`
    name: String,
    /// Its currency, ISO 4217
    #[arg(long, value_name = "CODE")]
    currency: String,
    /// A dataset that it pays for; may be given more than once
    #[arg(long = "dataset", value_name = "DATASET", required = true)]
    datasets: Vec<String>,
    /// The platform's fee of what comes in, in hundredths of a percent, rounded down
    #[arg(long, default_value_t = 0, value_name = "BPS")]
    fee_bps: u32,
    /// The institutions' part of what remains after the fee, in millionths, rounded down; people share
    /// the rest
    #[arg(long, default_value_t = 0, value_name = "PPM")]
    institution_ppm: u32,
    /// Of people's part, what is for having contributed, in millionths; with --usage-ppm it sums to
    /// 1000000
    #[arg(long, default_value_t = 300_000, value_name = "PPM")]
    base_ppm: u32,
    /// Of people's part, what is for having been used, in millionths
    #[arg(long, default_value_t = 700_000, value_name = "PPM")]
    usage_ppm: u32,
    /// The least that is paid out; what is less is carried [default: one minor unit]
    #[arg(long, value_name = "AMOUNT")]
    minimum: Option<String>,
}

#[derive(Debug, clap::Args)]
struct FundArgs {
    /// The pool
    name: String,
    /// How much, with all decimals of the currency, such as 100000.00
    #[arg(long, value_name = "AMOUNT")]
    amount: String,
    /// From whom
    #[arg(long, value_name = "ID")]
    sponsor: String,
    /// The payment's own reference
    #[arg(long, value_name = "TEXT")]
    reference: String,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The pool [default: all]
    name: Option<String>,
}

#[derive(Debug, clap::Args)]
struct JournalArgs {
    /// The pool
    name: String,
    /// How it is written
    #[arg(long = "as", value_enum, default_value_t = Dialect::Hledger, value_name = "DIALECT")]
    dialect: Dialect,
    /// An account a payment, numbered as the lines of the settlement; for the vault's own eyes
    #[arg(long)]
    private: bool,
}

/// Runs `almoner pool`.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    match &args.act {
        Act::Open(args) => open(args, context),
        Act::Fund(args) => fund(args, context),
        Act::Show(args) => show(args, context),
        Act::Journal(args) => journal(args, context),
    }
}

fn open(args: &OpenArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let pool = pool_id(&args.name)?;
    let currency = Currency::parse(&args.currency).map_err(|e| usage("--currency", &e))?;
    let minimum = match &args.minimum {
        Some(text) => Amount::parse(text, currency).map_err(|e| usage("--minimum", &e))?,
        None => Amount::zero(currency),
    };
    let OpenArgs { fee_bps, institution_ppm, base_ppm, usage_ppm, .. } = *args;
    let terms = Terms { fee_bps, institution_ppm, base_ppm, usage_ppm, minimum };
    let datasets = args.datasets.clone();
    let done = act::open(&context.site()?, Opened { pool, currency, datasets, terms })?;
    told(context, "opened", &args.name, &done)
}

fn fund(args: &FundArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    let pool = pool_id(&args.name)?;
    let currency = one(&site, &pool)?.currency();
    let amount = Amount::parse(&args.amount, currency).map_err(|e| usage("--amount", &e))?;
    let sponsor = SponsorId::parse(&args.sponsor).map_err(|e| usage("--sponsor", &e))?;
    if args.reference.is_empty() {
        return Err(Failure::new(Kind::Usage, "`--reference` may not be empty"));
    }
    let done =
        act::fund(&site, Funded { pool, amount, sponsor, reference: args.reference.clone() })?;
    told(context, "funded", &args.name, &done)
}

fn show(args: &ShowArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    let pools: Vec<Standing> = match &args.name {
        Some(name) => vec![Standing::of(&one(&site, &pool_id(name)?)?)?],
        None => act::pools(&site)?.values().map(Standing::of).collect::<Result<_, _>>()?,
    };
    let mut table = Table::new([
        "pool",
        "currency",
        "funded",
        "fees",
        "institutions",
        "paid",
        "carried",
        "open",
        "datasets",
        "settled",
    ]);
    for pool in &pools {
        table.row([
            pool.pool.to_string(),
            pool.opened.currency.to_string(),
            pool.funded.grouped(),
            pool.fees.grouped(),
            pool.institutions.as_ref().map_or_else(|| "-".to_owned(), |i| i.paid.grouped()),
            pool.paid.grouped(),
            pool.carried.grouped(),
            pool.open.grouped(),
            pool.opened.datasets.join(" "),
            pool.settled.join(" "),
        ]);
    }
    Ok(table.write(context.global.format, &pools, context.out)?)
}

fn journal(args: &JournalArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    let pool = one(&site, &pool_id(&args.name)?)?;
    let failed = |e| Failure::new(Kind::Failed, e);
    let journal = if args.private {
        Journal::private(&pool, &statement::lines(&site, &pool)?)
    } else {
        Journal::public(&pool)
    };
    let text = journal.and_then(|j| j.write(args.dialect)).map_err(failed)?;
    Ok(context.out.write_all(text.as_bytes())?)
}

#[derive(Serialize)]
struct Told<'a> {
    pool: &'a str,
    #[serde(flatten)]
    done: &'a Done,
}

fn told(context: &mut Context<'_>, what: &str, pool: &str, done: &Done) -> Result<(), Failure> {
    if context.global.format == Format::Table {
        let (commit, entry) = (done.commit, done.entry);
        let already = if done.new { "" } else { " already" };
        writeln!(context.out, "pool {pool} {what}{already}: commit {commit}, entry {entry}")?;
        return Ok(());
    }
    let mut table = Table::new(["pool", "commit", "entry", "new"]);
    let (commit, entry) = (done.commit.to_string(), done.entry.to_string());
    table.row([pool.to_owned(), commit, entry, done.new.to_string()]);
    Ok(table.write(context.global.format, &Told { pool, done }, context.out)?)
}

/// Parses a pool's name as the command line gives it.
pub(super) fn pool_id(text: &str) -> Result<PoolId, Failure> {
    PoolId::parse(text).map_err(|e| Failure::new(Kind::Usage, e))
}

/// Says what is wrong with an option, without repeating its value.
pub(super) fn usage(option: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(Kind::Usage, format!("`{option}`: {error}"))
}

fn one(site: &Site, id: &PoolId) -> Result<Pool, Failure> {
    Ok(act::pools(site)?.remove(id).ok_or_else(|| act::Error::Unknown(id.clone()))?)
}
