//! `almoner goods`: receive, give, show, journal.
//!
//! Comes in: a gift in kind, a settled period, or a question. Goes out: what was done, or what is
//! where. Never: to whom a unit went; the owner's voucher tells that.

use clap::Subcommand;
use serde::Serialize;

use super::{
    Context, Failure, Format, Kind, Table,
    pool::{one, pool_id, usage},
};
use crate::{
    instant::Date,
    money::Amount,
    party::SponsorId,
    pipeline::goods::{self as act, GivenItem, Giving, Stock},
    reward::{
        Period,
        goods::{ItemId, Received},
        journal::Dialect,
    },
};

/// Take goods into a pool, and give them by what contributors earned
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A pool may hold goods beside its money: glucose meters, screening tests, device hours. After a period
is settled, `give` allots whole units by all that each contributor has earned in the pool so far
(Sainte-Laguë), beginning with what each was given before: nobody ever gives a unit back. Each unit is
a voucher; see `almoner voucher`.")]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Take goods into a pool; the same reference again is the same gift
    #[command(after_help = "\
All units of an item have one price. Goods of the same kind at another price are another item, such as
`glucose-meter-2027`.

Example:
  almoner goods receive diabetes-2026 --item glucose-meter --units 40 --unit-price 29.90 \\
      --sponsor meter-maker --reference delivery-12")]
    Receive(ReceiveArgs),
    /// Allot what is on hand to contributors, after the period's settlement, once
    #[command(after_help = "\
Examples:
  almoner goods give diabetes-2026 2026-Q4 --dry-run
  almoner goods give diabetes-2026 2026-Q4 --expires 2027-12-31
  almoner goods give diabetes-2026 2026-Q4 --item glucose-meter --units 7")]
    Give(GiveArgs),
    /// Show what came in, was given, redeemed, has expired, and is on hand
    #[command(after_help = "Example:\n  almoner goods show diabetes-2026 --format json")]
    Show(ShowArgs),
    /// Write the books of a pool's goods: units at their recorded price, apart from the cash
    #[command(after_help = "\
Examples:
  almoner goods journal diabetes-2026 > goods.journal && hledger -f goods.journal check
  almoner goods journal diabetes-2026 --as beancount > goods.beancount")]
    Journal(JournalArgs),
}

#[derive(Debug, clap::Args)]
struct ReceiveArgs {
    /// The pool
    pool: String,
    /// What: 2 to 24 of a-z, 0-9 and `-`
    #[arg(long, value_name = "ITEM")]
    item: String,
    /// How many
    #[arg(long, value_name = "N")]
    units: u64,
    /// What one is worth in the pool's currency, with all its decimals, such as 29.90
    #[arg(long, value_name = "AMOUNT")]
    unit_price: String,
    /// From whom
    #[arg(long, value_name = "ID")]
    sponsor: String,
    /// The gift's own reference
    #[arg(long, value_name = "TEXT")]
    reference: String,
}

#[derive(Debug, clap::Args)]
struct GiveArgs {
    /// The pool
    pool: String,
    /// A settled period: all that was earned in the pool until its end counts
    period: String,
    /// One item alone [default: each]
    #[arg(long, value_name = "ITEM")]
    item: Option<String>,
    /// How many of it [default: all that is on hand]
    #[arg(long, value_name = "N", requires = "item")]
    units: Option<u64>,
    /// The last day on which the vouchers are taken [default: they are always]
    #[arg(long, value_name = "DATE")]
    expires: Option<Date>,
    /// Allot and show, but write nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The pool [default: all]
    pool: Option<String>,
}

#[derive(Debug, clap::Args)]
struct JournalArgs {
    /// The pool
    pool: String,
    /// How it is written
    #[arg(long = "as", value_enum, default_value_t = Dialect::Hledger, value_name = "DIALECT")]
    dialect: Dialect,
}

/// Runs `almoner goods`.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    match &args.act {
        Act::Receive(args) => receive(args, context),
        Act::Give(args) => give(args, context),
        Act::Show(args) => show(args, context),
        Act::Journal(args) => {
            let text = act::journal(&context.site()?, &pool_id(&args.pool)?, args.dialect)?;
            Ok(context.out.write_all(text.as_bytes())?)
        }
    }
}

fn receive(args: &ReceiveArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    let pool = pool_id(&args.pool)?;
    let currency = one(&site, &pool)?.currency();
    let unit_price =
        Amount::parse(&args.unit_price, currency).map_err(|e| usage("--unit-price", &e))?;
    let sponsor = SponsorId::parse(&args.sponsor).map_err(|e| usage("--sponsor", &e))?;
    if args.reference.is_empty() {
        return Err(Failure::new(Kind::Usage, "`--reference` may not be empty"));
    }
    let (item, units, reference) = (item(&args.item)?, args.units, args.reference.clone());
    let done = act::receive(
        &site,
        Received { pool, item: item.clone(), units, unit_price, sponsor, reference },
    )?;
    if context.global.format == Format::Table {
        let (commit, entry) = (done.commit, done.entry);
        let already = if done.new { "" } else { " already" };
        let pool = &args.pool;
        writeln!(
            context.out,
            "pool {pool} received {units} {item}{already}: commit {commit}, entry {entry}"
        )?;
        return Ok(());
    }
    let mut table = Table::new(["pool", "item", "units", "commit", "entry", "new"]);
    let (commit, entry) = (done.commit.to_string(), done.entry.to_string());
    let (units, new) = (units.to_string(), done.new.to_string());
    table.row([args.pool.clone(), item.to_string(), units, commit, entry, new]);
    Ok(table.write(context.global.format, &done, context.out)?)
}

/// What `give` writes as JSON.
#[derive(Serialize)]
struct Shown<'a> {
    dry_run: bool,
    items: &'a [GivenItem],
}

fn give(args: &GiveArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let only = match &args.item {
        Some(name) => Some((item(name)?, args.units)),
        None => None,
    };
    let giving = Giving {
        pool: pool_id(&args.pool)?,
        period: Period::parse(&args.period).map_err(|e| usage("PERIOD", &e))?,
        only,
        expires: args.expires,
        dry_run: args.dry_run,
    };
    let items = act::give(&context.site()?, &giving)?;
    let mut table =
        Table::new(["item", "units", "people", "value", "currency", "expires", "state"]);
    for one in &items {
        let state = match &one.done {
            None => "would be given (dry run: nothing was written)".to_owned(),
            Some(done) if done.new => {
                format!("given: commit {}, entry {}", done.commit, done.entry)
            }
            Some(done) => format!("was given already: commit {}", done.commit),
        };
        let given = &one.given;
        table.row([
            given.item.to_string(),
            given.units.to_string(),
            one.people.to_string(),
            one.value.grouped(),
            one.value.currency().to_string(),
            given.expires.map_or_else(|| "-".to_owned(), |last| last.to_string()),
            state,
        ]);
    }
    let shown = Shown { dry_run: args.dry_run, items: &items };
    table.write(context.global.format, &shown, context.out)?;
    if context.global.format == Format::Table && !args.dry_run {
        let pool = &giving.pool;
        writeln!(context.out, "hand out with: almoner voucher list {pool} --out vouchers.csv")?;
    }
    Ok(())
}

fn show(args: &ShowArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let pool = args.pool.as_deref().map(pool_id).transpose()?;
    let stocks = act::stocks(&context.site()?, pool.as_ref())?;
    let mut table = Table::new([
        "pool",
        "item",
        "unit price",
        "received",
        "given",
        "redeemed",
        "expired",
        "returned",
        "outstanding",
        "on hand",
        "value in store",
        "currency",
        "given for",
    ]);
    for Stock { pool, item, unit_price, counts, value, given_for } in &stocks {
        table.row([
            pool.to_string(),
            item.to_string(),
            unit_price.grouped(),
            counts.received.to_string(),
            counts.given.to_string(),
            counts.redeemed.to_string(),
            counts.expired.to_string(),
            counts.returned.to_string(),
            counts.outstanding.to_string(),
            counts.on_hand.to_string(),
            value.grouped(),
            value.currency().to_string(),
            given_for.join(" "),
        ]);
    }
    Ok(table.write(context.global.format, &stocks, context.out)?)
}

fn item(text: &str) -> Result<ItemId, Failure> {
    ItemId::parse(text).map_err(|e| Failure::new(Kind::Usage, e))
}

impl From<act::Error> for Failure {
    fn from(error: act::Error) -> Self {
        use act::Error as E;
        let (kind, hint) = match error {
            E::Fund(error) => return error.into(),
            E::Settle(error) => return error.into(),
            E::Goods(_) | E::Lines { .. } | E::Changed { .. } => (
                Kind::Integrity,
                "run `almoner verify --deep`, which names what has changed".to_owned(),
            ),
            E::Write(_) => return Self::new(Kind::Failed, error),
            E::Allot { .. } => (
                Kind::Refused,
                "goods go by what was earned: settle a period that pays somebody first".to_owned(),
            ),
            E::Gift(_) => (Kind::Usage, "such as --units 40 --unit-price 29.90".to_owned()),
            E::OtherGift { .. } => {
                (Kind::Refused, "a reference names one gift; give each gift its own".to_owned())
            }
            E::OtherPrice { ref item, .. } => (
                Kind::Refused,
                format!(
                    "an item keeps its price; take these in as an item of their own, such as `{item}-b`"
                ),
            ),
            E::UnknownItem { ref known, ref pool, .. } => {
                let hint = if known.is_empty() {
                    format!("it has no goods yet; `almoner goods receive {pool} …` takes some in")
                } else {
                    format!("it has {}", known.join(", "))
                };
                (Kind::Usage, hint)
            }
            E::Unsettled { ref pool, ref period } => {
                (Kind::Refused, format!("`almoner settle {pool} --period {period}` comes first"))
            }
            E::Order { .. } => (
                Kind::Refused,
                "name a settled period that begins where the last giving's ends".to_owned(),
            ),
            E::Nothing { ref pool, .. } => (
                Kind::Refused,
                format!(
                    "`almoner goods receive {pool} …` takes goods in; `almoner voucher expire {pool}` frees units whose vouchers are over"
                ),
            ),
            E::Short { .. } => (Kind::Refused, "give fewer, or leave out --units".to_owned()),
            E::Expiry(_) => (Kind::Usage, "name a day that is still to come".to_owned()),
            E::NoVoucher => {
                (Kind::Refused, "16 letters and digits; O is read as 0, I and L as 1".to_owned())
            }
            E::Late(_) => (
                Kind::Refused,
                "its unit goes to the next giving after `almoner voucher expire POOL`".to_owned(),
            ),
            E::Over { .. } => {
                (Kind::Refused, "a voucher is for one unit, once; hand nothing out".to_owned())
            }
        };
        Self::new(kind, error).hint(hint)
    }
}
