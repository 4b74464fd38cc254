//! `almoner voucher`: list, show, prove, redeem, return, expire.
//!
//! Comes in: a code, a person, or a pool. Goes out: how vouchers stand, and what ended them.
//! Never: a list of codes that others on the machine may read, or a code that is shown back.

use std::{fs, io, os::unix::fs::OpenOptionsExt as _, path::PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::{Context, Failure, Format, Kind, Table, pool::pool_id};
use crate::{
    pipeline::{
        goods::{self as act, Ended, Found},
        linkage,
    },
    reward::goods::{VoucherCode, VoucherState},
};

/// List, show, redeem and end the vouchers that goods are handed out for
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A voucher is one unit of an item for whoever shows its code. It is redeemed once; what is told twice is
refused, with the day of the first time. A withdrawal of consent takes no voucher back.")]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Write a pool's open vouchers with their codes into a new file, readable by you alone
    #[command(after_help = "Example:\n  almoner voucher list diabetes-2026 --out vouchers.csv")]
    List(ListArgs),
    /// Show what a voucher is for and how it stands; not whose it is
    #[command(after_help = "Example:\n  almoner voucher show 7Q2M-XK4D-9RTB-H3WA")]
    Show(CodeArgs),
    /// Prove what a person was given in a pool, against the roots in the book
    #[command(after_help = "Example:\n  almoner voucher prove diabetes-2026 p-117 --format json")]
    Prove(ProveArgs),
    /// Redeem a voucher: its unit is handed out
    #[command(after_help = "Example:\n  almoner voucher redeem 7Q2M-XK4D-9RTB-H3WA")]
    Redeem(CodeArgs),
    /// Take a voucher back from an owner who does not want it; its unit goes to the next giving
    #[command(after_help = "Example:\n  almoner voucher return 7Q2M-XK4D-9RTB-H3WA")]
    Return(CodeArgs),
    /// End a pool's vouchers whose last day is over; their units go to the next giving
    #[command(after_help = "Example:\n  almoner voucher expire diabetes-2026")]
    Expire(PoolArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// The pool
    pool: String,
    /// The file: CSV, made new
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, clap::Args)]
struct CodeArgs {
    /// The code, as its owner shows it
    code: String,
}

#[derive(Debug, clap::Args)]
struct ProveArgs {
    /// The pool
    pool: String,
    /// The person
    person: String,
}

#[derive(Debug, clap::Args)]
struct PoolArgs {
    /// The pool
    pool: String,
}

/// Runs `almoner voucher`.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    match &args.act {
        Act::List(args) => list(args, context),
        Act::Show(args) => show(args, context),
        Act::Prove(args) => prove(args, context),
        Act::Redeem(args) => {
            let ended = act::redeem(&context.site()?, &code(&args.code)?)?;
            told(context, "redeemed", &[ended])
        }
        Act::Return(args) => {
            let ended = act::give_back(&context.site()?, &code(&args.code)?)?;
            told(context, "returned", &[ended])
        }
        Act::Expire(args) => {
            let ended = act::end_expired(&context.site()?, &pool_id(&args.pool)?)?;
            told(context, "expired", &ended)
        }
    }
}

fn list(args: &ListArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let vouchers = act::listed(&context.site()?, &pool_id(&args.pool)?)?;
    let opened = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&args.out);
    let mut file = opened.map_err(|error| {
        let failure = Failure::new(
            Kind::Usage,
            format!("`{}` cannot be written: {error}", args.out.display()),
        );
        if error.kind() == io::ErrorKind::AlreadyExists {
            failure.hint("codes are written into a new file alone: name another, or remove it")
        } else {
            failure
        }
    })?;
    let mut table =
        Table::new(["contributor", "item", "number", "period", "expires", "voucher", "code"]);
    for (voucher, code) in &vouchers {
        table.row([
            voucher.contributor.as_str().to_owned(),
            voucher.item.to_string(),
            voucher.number.to_string(),
            voucher.period.to_string(),
            voucher.expires.map(|last| last.to_string()).unwrap_or_default(),
            voucher.id.to_string(),
            code.text(),
        ]);
    }
    table.write(Format::Csv, &(), &mut file)?;
    file.sync_all()?;
    Ok(writeln!(context.out, "{} open vouchers in {}", vouchers.len(), args.out.display())?)
}

fn show(args: &CodeArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let Found { voucher, value } = act::find(&context.site()?, &code(&args.code)?)?;
    let (state, on) = match voucher.state {
        VoucherState::Issued => ("issued", None),
        VoucherState::Redeemed(time) => ("redeemed", Some(time)),
        VoucherState::Lapsed(how, time) => (how.name(), Some(time)),
    };
    let mut table = Table::new(["voucher", "what it says"]);
    let on_text = on.map(|time| format!(" on {}", time.date())).unwrap_or_default();
    table.row(["id", voucher.id.as_str()]);
    table.row(["pool", voucher.pool.as_str()]);
    table.row(["item", voucher.item.as_str()]);
    table.row(["worth".to_owned(), value.to_string()]);
    table.row(["given for", voucher.period.as_str()]);
    let expires = voucher.expires.map(|last| last.to_string());
    table.row(["good until", expires.as_deref().unwrap_or("always")]);
    table.row(["state".to_owned(), format!("{state}{on_text}")]);
    let json = json!({
        "id": voucher.id,
        "pool": voucher.pool,
        "item": voucher.item,
        "value": value,
        "period": voucher.period,
        "expires": voucher.expires,
        "state": state,
        "time": on,
    });
    Ok(table.write(context.global.format, &json, context.out)?)
}

fn prove(args: &ProveArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    let whose = linkage::ids(&site, &args.person)?;
    let proven = act::prove(&site, &pool_id(&args.pool)?, &whose)?;
    if proven.is_empty() {
        return Err(Failure::new(Kind::Failed, "no giving of the pool has a line for that")
            .hint("`almoner goods show` lists the givings; a person has a line once they earned"));
    }
    let mut table = Table::new(["item", "vouchers", "good until", "line", "root", "entry"]);
    for one in &proven {
        let line = &one.proof.line;
        table.row([
            one.item.to_string(),
            one.vouchers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            one.expires.map_or_else(|| "always".to_owned(), |last| last.to_string()),
            format!("{} of {}", line.leaf_index, line.leaf_count),
            line.root.to_string(),
            one.proof.entry.to_string(),
        ]);
    }
    Ok(table.write(context.global.format, &proven, context.out)?)
}

fn told(context: &mut Context<'_>, how: &str, ended: &[Ended]) -> Result<(), Failure> {
    if context.global.format == Format::Table {
        for Ended { pool, item, units, value, done } in ended {
            let (commit, entry) = (done.commit, done.entry);
            writeln!(
                context.out,
                "{how}: {units} {item} of pool {pool}, worth {value}: commit {commit}, entry {entry}"
            )?;
        }
        if ended.is_empty() {
            writeln!(context.out, "no voucher of the pool is over")?;
        }
        return Ok(());
    }
    let mut table = Table::new(["pool", "item", "units", "value", "currency", "commit", "entry"]);
    for Ended { pool, item, units, value, done } in ended {
        table.row([
            pool.to_string(),
            item.to_string(),
            units.to_string(),
            value.decimal(),
            value.currency().to_string(),
            done.commit.to_string(),
            done.entry.to_string(),
        ]);
    }
    Ok(table.write(context.global.format, &ended, context.out)?)
}

fn code(text: &str) -> Result<VoucherCode, Failure> {
    VoucherCode::parse(text).map_err(|e| Failure::new(Kind::Usage, e))
}
