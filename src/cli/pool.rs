//! `almoner pool`: open, fund, show, journal.
//!
//! Comes in: rules, a payment, or a question. Goes out: what was done, or how a pool stands.
//! Never: an amount that was guessed from a number with the wrong decimals.

use std::{io::Write, path::PathBuf};

use clap::Subcommand;
use serde::Serialize;

use super::{Context, Failure, Format, Kind, Table, matching};
use crate::{
    instant::Date,
    money::{Amount, Currency},
    party::SponsorId,
    pipeline::{
        fund::{self as act, Done, Standing},
        giving::{self, Funder},
        payout, rules, statement,
    },
    purpose::Purpose,
    reward::{
        Funded, Opened, Pool, PoolId, RuleSet,
        journal::{Dialect, Journal},
        rules::{BASIS, SplitRule},
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
    /// Open a pool; its rules never change
    #[command(after_help = "\
Examples:
  almoner pool open diabetes-2026 --currency EUR --dataset synthea-clinical --fee-bps 500
  almoner pool open standard --currency EUR --dataset d --rules pipelines/rewards.toml
  almoner pool open cancer --currency EUR --dataset d --rules rewards.toml --purpose DS=MONDO:0004992
  almoner pool open shared --currency EUR --dataset d --institution-bps 1500
  almoner pool open registry --currency JPY --dataset d --base-ppm 500000 --usage-ppm 500000 \\
      --minimum 100")]
    Open(OpenArgs),
    /// Put money into a pool; the same reference again is the same payment
    #[command(after_help = "\
Example:
  almoner pool fund diabetes-2026 --amount 100000.00 --sponsor care-fund --reference wire-77")]
    Fund(FundArgs),
    /// Add a fund's money to what many verified persons gave to pools
    Match(matching::Args),
    /// Show how one pool stands, or all
    #[command(after_help = "Example:\n  almoner pool show --format json")]
    Show(ShowArgs),
    /// Write a pool's double-entry journal
    #[command(after_help = "\
Examples:
  almoner pool journal diabetes-2026 > pool.journal && hledger -f pool.journal check
  almoner pool journal diabetes-2026 --as beancount > pool.beancount && bean-check pool.beancount
  almoner pool journal diabetes-2026 --as ledger > pool.ledger && ledger -f pool.ledger bal
  almoner pool journal diabetes-2026 --as csv --from 2027-01-01 --until 2027-03-31")]
    Journal(JournalArgs),
    /// Write what a pool gave as open grants data: 360Giving JSON, people together and never one by one
    #[command(after_help = "\
Example:
  almoner pool giving diabetes-2026 --prefix 360G-example --funder-id GB-CHC-1234567 \\
      --funder-name 'Example Commons' > grants.json")]
    Giving(GivingArgs),
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
    /// What its money may pay for, a DUO code or shorthand; may be given more than once [default:
    /// anything]
    #[arg(long = "purpose", value_name = "DUO")]
    purposes: Vec<String>,
    /// A file of rules; without one, the options below make a plain rule set
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["fee_bps", "institution_bps", "base_ppm", "usage_ppm", "minimum"]
    )]
    rules: Option<PathBuf>,
    /// The platform's fee of what comes in, in hundredths of a percent, rounded down
    #[arg(long, default_value_t = 0, value_name = "BPS")]
    fee_bps: u32,
    /// The institutions' part of what their people earn, in hundredths of a percent
    #[arg(long, default_value_t = 0, value_name = "BPS")]
    institution_bps: u32,
    /// What is for having contributed, in millionths; with --usage-ppm it sums to 1000000
    #[arg(long, default_value_t = 300_000, value_name = "PPM")]
    base_ppm: u32,
    /// What is for having been used, in millionths
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
    #[command(flatten)]
    books: Books,
}

/// Which books, and how they are written; those of pools and of covers alike.
#[derive(Debug, clap::Args)]
pub(super) struct Books {
    /// How it is written
    #[arg(long = "as", value_enum, default_value_t = Dialect::Hledger, value_name = "DIALECT")]
    dialect: Dialect,
    /// An account a payment, numbered as the lines that owe it; for the vault's own eyes
    #[arg(long)]
    pub(super) private: bool,
    /// The first day; what came before it is one transaction of opening balances
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// The last day
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
}

impl Books {
    /// Writes a journal.
    pub(super) fn write(&self, journal: &Journal, out: &mut dyn Write) -> Result<(), Failure> {
        let failed = |e| Failure::new(Kind::Failed, e);
        let date = |option: &str, text: &Option<String>| {
            let day = text.as_ref().map(|text| text.parse::<Date>());
            day.transpose().map_err(|_| {
                Failure::new(Kind::Usage, format!("`{option}`: not a day")).hint("write 2026-12-31")
            })
        };
        let (from, to) = (date("--from", &self.from)?, date("--until", &self.until)?);
        let text = journal.between(from, to).and_then(|journal| journal.write(self.dialect));
        Ok(out.write_all(text.map_err(failed)?.as_bytes())?)
    }
}

#[derive(Debug, clap::Args)]
struct GivingArgs {
    /// The pool
    name: String,
    /// The publisher's prefix that 360Giving gave out
    #[arg(long, value_name = "PREFIX")]
    prefix: String,
    /// The publisher's id, such as GB-CHC-1234567
    #[arg(long, value_name = "ID")]
    funder_id: String,
    /// The publisher's name
    #[arg(long, value_name = "NAME")]
    funder_name: String,
}

/// Runs `almoner pool`.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    match &args.act {
        Act::Open(args) => open(args, context),
        Act::Fund(args) => fund(args, context),
        Act::Match(args) => matching::run(args, context),
        Act::Show(args) => show(args, context),
        Act::Journal(args) => journal(args, context),
        Act::Giving(args) => giving(args, context),
    }
}

fn open(args: &OpenArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let pool = pool_id(&args.name)?;
    let currency = Currency::parse(&args.currency).map_err(|e| usage("--currency", &e))?;
    let rules = match &args.rules {
        Some(file) => rules::read(file)?,
        None => plain(args, currency)?,
    };
    let purposes = args
        .purposes
        .iter()
        .map(|text| Purpose::named(text).map_err(|e| usage("--purpose", &e)))
        .collect::<Result<_, _>>()?;
    let datasets = args.datasets.clone();
    let opened = Opened { pool, currency, datasets, purposes, rules };
    let done = act::open(&context.site()?, opened)?;
    told(context, "opened", &args.name, &done)
}

/// Makes the rule set that the options say.
fn plain(args: &OpenArgs, currency: Currency) -> Result<RuleSet, Failure> {
    let OpenArgs { fee_bps, institution_bps, base_ppm, usage_ppm, .. } = *args;
    let minimum_minor = match &args.minimum {
        Some(text) => {
            let minimum = Amount::parse(text, currency).map_err(|e| usage("--minimum", &e))?;
            u64::try_from(minimum.minor())
                .map_err(|_| Failure::new(Kind::Usage, "`--minimum`: it may not be negative"))?
        }
        None => 0,
    };
    let person_bps = BASIS
        .checked_sub(institution_bps)
        .ok_or_else(|| Failure::new(Kind::Usage, "`--institution-bps` is more than the whole"))?;
    let split = SplitRule { person_bps, institution_bps, platform_bps: 0 };
    Ok(RuleSet { fee_bps, minimum_minor, split, ..RuleSet::plain(base_ppm, usage_ppm) })
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
        "rules",
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
            format!("{}@{}", pool.opened.rules.name, pool.opened.rules.version),
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
    let lines = if args.books.private { Some(statement::lines(&site, &pool)?) } else { None };
    let movements = payout::movements(&site, pool.id())?;
    let journal = Journal::of(&pool, lines.as_ref(), &movements);
    args.books.write(&journal.map_err(|e| Failure::new(Kind::Failed, e))?, context.out)
}

fn giving(args: &GivingArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let pool = pool_id(&args.name)?;
    let funder = Funder {
        prefix: args.prefix.clone(),
        id: args.funder_id.clone(),
        name: args.funder_name.clone(),
    };
    for (option, text) in
        [("--prefix", &funder.prefix), ("--funder-id", &funder.id), ("--funder-name", &funder.name)]
    {
        if text.trim().is_empty() {
            return Err(Failure::new(Kind::Usage, format!("`{option}` may not be empty")));
        }
    }
    let package = giving::giving(&context.site()?, &pool, &funder)?;
    for period in &package.left_out {
        writeln!(context.err, "{period}: people are left out, fewer than eleven were paid")?;
    }
    serde_json::to_writer_pretty(&mut *context.out, &package.json)
        .map_err(|e| Failure::new(Kind::Failed, e))?;
    Ok(writeln!(context.out)?)
}

impl From<giving::Error> for Failure {
    fn from(error: giving::Error) -> Self {
        match error {
            giving::Error::Payout(error) => error.into(),
            error @ giving::Error::Nothing(_) => Self::new(Kind::Refused, error)
                .hint("people are published together, eleven or more of one settlement"),
            error @ giving::Error::Digits(_) => Self::new(Kind::Failed, error),
        }
    }
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

impl From<rules::Error> for Failure {
    fn from(error: rules::Error) -> Self {
        use rules::Error as E;
        match error {
            E::File { .. } => Self::new(Kind::Invalid, error),
            E::Faults { file, faults } => {
                let reports = faults.into_iter().map(miette::Report::new).collect();
                let text = format!("the rules in `{}` have faults", file.display());
                Self::new(Kind::Invalid, text).reports(reports)
            }
        }
    }
}

/// Returns a pool as it stands.
pub(super) fn one(site: &Site, id: &PoolId) -> Result<Pool, Failure> {
    Ok(act::pools(site)?.remove(id).ok_or_else(|| act::Error::Unknown(id.clone()))?)
}
