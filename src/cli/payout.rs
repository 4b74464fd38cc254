//! `almoner payout`: order the bank to pay, take its answer, show how payouts stand.
//!
//! Comes in: a period of a pool or policy, a debtor's file, the bank's files. Goes out: counts and sums, and the file
//! for the bank, readable by its owner alone. Never: a payee or an account on the terminal.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use clap::Subcommand;

use super::{
    Context, Failure, Format, Kind, Table,
    pool::{pool_id, usage},
};
use crate::{
    bank::PayoutsError,
    cover::CoverError,
    instant::Date,
    money::Currency,
    pipeline::payout::{self as act, AnswerForm, Debtor, Finding, Rate, Terms, Version},
    reward::Period,
};

/// At most so many findings are shown one by one.
const FINDINGS_SHOWN_MAX: usize = 20;

/// Order the bank to pay, take its answer, show how payouts stand
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Order what a period owes, with what earlier ones still owe: ISO 20022 pain.001
    #[command(after_help = "\
The debtor's file is TOML: name, iban and, where the bank wants it, bic. What is on its way is never \
ordered again: the same command twice gives the same file. Payees without an account wait for the next \
order; what the bank returned is in it, under another id.

Examples:
  almoner payout export diabetes-2026 2026-Q4 --debtor debtor.toml --out order.xml
  almoner payout export diabetes-2026 2026-Q4 --debtor debtor.toml --xml pain.001.001.03
  almoner payout export gestational-diabetes-2026 2026-11 --debtor insurer.toml --out order.xml
  almoner payout export diabetes-2026 2026-Q4 --debtor debtor.toml --currency USD --rate 1.0837 \\
      --rate-source ECB --rate-date 2027-01-04")]
    Export(ExportArgs),
    /// Take the bank's answer: what was booked, what came back
    #[command(after_help = "\
The file is camt.054.001.02 or .08 (by its ending, .xml), or CSV with the columns \
end_to_end,outcome,amount,currency,date,reason, where the outcome is booked or returned. What does not \
fit an order is told and changes nothing (exit code 4); the same file again changes nothing.

Examples:
  almoner payout settle diabetes-2026 --file camt.054.xml
  almoner payout settle diabetes-2026 2026-Q4 --file bank.csv --format json")]
    Settle(SettleArgs),
    /// Show each order and what became of its payments
    #[command(after_help = "Example:\n  almoner payout show diabetes-2026 --format json")]
    Show(ShowArgs),
    /// Hold a pain.001 against its own sums, which no schema does; needs no site
    #[command(after_help = "Example:\n  almoner payout check order.xml")]
    Check(CheckArgs),
}

#[derive(Debug, clap::Args)]
struct ExportArgs {
    /// The pool, or the policy of a cover
    pool: String,
    /// The settled period; of a policy, the period of its evaluations
    period: String,
    /// Whose account pays: TOML with name, iban, bic
    #[arg(long, value_name = "FILE")]
    debtor: PathBuf,
    /// The version of the message
    #[arg(long, value_enum, default_value_t = Version::V09, value_name = "VERSION")]
    xml: Version,
    /// The day on which the bank shall pay [default: today]
    #[arg(long, value_name = "DATE")]
    date: Option<String>,
    /// The currency to pay in, where it is not the pool's own
    #[arg(long, value_name = "CODE", requires_all = ["rate", "rate_source", "rate_date"])]
    currency: Option<String>,
    /// Units of that currency for one of the pool's, such as 1.0837
    #[arg(long, value_name = "RATE", requires = "currency")]
    rate: Option<String>,
    /// Who published the rate
    #[arg(long, value_name = "TEXT", requires = "currency")]
    rate_source: Option<String>,
    /// The day of the rate
    #[arg(long, value_name = "DATE", requires = "currency")]
    rate_date: Option<String>,
    /// Write the file for the bank here, readable by you alone [default: it stays in the vault]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct SettleArgs {
    /// The pool, or the policy of a cover
    pool: String,
    /// Of orders of one period alone
    period: Option<String>,
    /// The bank's file
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// The form of the file [default: by its ending, .xml or .csv]
    #[arg(long, value_enum, value_name = "FORM")]
    form: Option<AnswerForm>,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The pool, or the policy of a cover [default: all]
    pool: Option<String>,
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// The file
    file: PathBuf,
}

/// Runs `almoner payout`.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    match &args.act {
        Act::Export(args) => export(args, context),
        Act::Settle(args) => settle(args, context),
        Act::Show(args) => show(args, context),
        Act::Check(args) => check(args, context),
    }
}

fn period(text: &str) -> Result<Period, Failure> {
    Period::parse(text).map_err(|e| Failure::new(Kind::Usage, e))
}

fn export(args: &ExportArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let (pool, period) = (pool_id(&args.pool)?, period(&args.period)?);
    let name = args.debtor.display();
    let text = fs::read_to_string(&args.debtor).map_err(|e| {
        Failure::new(Kind::Invalid, format!("`{name}` cannot be read: {}", e.kind()))
    })?;
    let debtor = Debtor::read(&text).map_err(|line| {
        Failure::new(Kind::Invalid, format!("`{name}` line {line} names no debtor"))
            .hint("name = \"…\", iban = \"…\" and, where the bank wants it, bic = \"…\"")
    })?;
    let terms = Terms {
        debtor,
        version: args.xml,
        date: args.date.as_deref().map(|text| day("--date", text)).transpose()?,
        exchange: exchange(args)?,
    };
    let done = act::export(&context.site()?, &pool, &period, &terms)?;
    if let Some(out) = &args.out {
        write(out, &done.file)?;
    }
    let order = &done.order;
    let mut table = Table::new(["message", "payments", "control sum", "waiting", "file"]);
    table.row([
        order.message.clone(),
        order.lines.count.to_string(),
        order.control.to_string(),
        order.waiting.to_string(),
        args.out
            .as_ref()
            .map_or_else(|| format!("vault/{}", order.file.path), |out| out.display().to_string()),
    ]);
    table.write(context.global.format, &done, context.out)?;
    if !done.new {
        writeln!(
            context.err,
            "nothing new is due: this is the order of commit {}, the same file again",
            done.commit
        )?;
    } else if order.waiting > 0 {
        writeln!(
            context.err,
            "{} payments wait for the next order: their payees have no account yet",
            order.waiting
        )?;
    }
    Ok(())
}

fn day(option: &str, text: &str) -> Result<Date, Failure> {
    text.parse().map_err(|_| {
        Failure::new(Kind::Usage, format!("`{option}`: not a day")).hint("write 2027-01-04")
    })
}

fn exchange(args: &ExportArgs) -> Result<Option<(Currency, Rate)>, Failure> {
    let (Some(currency), Some(rate), Some(source), Some(date)) =
        (&args.currency, &args.rate, &args.rate_source, &args.rate_date)
    else {
        return Ok(None);
    };
    let currency = Currency::parse(currency).map_err(|e| usage("--currency", &e))?;
    let (num, den) = fraction(rate).ok_or_else(|| {
        Failure::new(Kind::Usage, "`--rate`: not a rate above zero with at most 10 decimals")
            .hint("write 1.0837: so much of --currency for one of the pool's")
    })?;
    if source.is_empty() || source.chars().any(char::is_control) {
        return Err(Failure::new(Kind::Usage, "`--rate-source` may not be empty"));
    }
    let date = day("--rate-date", date)?;
    Ok(Some((currency, Rate { num, den, source: source.clone(), date })))
}

/// Reads a plain decimal number as a fraction.
fn fraction(text: &str) -> Option<(u64, u64)> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || text.ends_with('.') || decimals.len() > 10 {
        return None;
    }
    if !digits(whole) || !digits(decimals) {
        return None;
    }
    let num = format!("{whole}{decimals}").parse::<u64>().ok().filter(|num| *num > 0)?;
    let den = 10_u64.checked_pow(u32::try_from(decimals.len()).ok()?)?;
    Some((num, den))
}

fn write(out: &Path, file: &[u8]) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    let mut opened = options.write(true).create(true).truncate(true).mode(0o600).open(out)?;
    // A file that was there keeps its mode: it is narrowed before anything is in it.
    opened.set_permissions(fs::Permissions::from_mode(0o600))?;
    opened.write_all(file)?;
    Ok(opened.sync_all()?)
}

fn settle(args: &SettleArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let pool = pool_id(&args.pool)?;
    let period = args.period.as_deref().map(period).transpose()?;
    let ending = args.file.extension().and_then(|ending| ending.to_str());
    let form = args.form.or(match ending {
        Some("xml") => Some(AnswerForm::Camt054),
        Some("csv") => Some(AnswerForm::Csv),
        Some(_) | None => None,
    });
    let form = form.ok_or_else(|| {
        Failure::new(Kind::Usage, "the file ends neither in .xml nor in .csv")
            .hint("say --form camt054 or --form csv")
    })?;
    let name = args.file.display().to_string();
    let file = fs::read(&args.file).map_err(|e| {
        Failure::new(Kind::Failed, format!("`{name}` cannot be read: {}", e.kind()))
    })?;
    let heard = act::answer(&context.site()?, &pool, period.as_ref(), form, &file)?;
    let mut table = Table::new(["outcome", "payments", "amount"]);
    for (outcome, count, amount) in [
        ("booked", heard.booked, heard.booked_sum.to_string()),
        ("returned", heard.returned, heard.returned_sum.to_string()),
        ("known before", heard.known, String::new()),
        ("not booked yet", heard.pending, String::new()),
        ("other money", heard.other, String::new()),
        ("not applied", heard.findings.len() as u64, String::new()),
    ] {
        table.row([outcome.to_owned(), count.to_string(), amount]);
    }
    table.write(context.global.format, &heard, context.out)?;
    if heard.commit.is_none() && context.global.format == Format::Table {
        writeln!(context.err, "nothing new: nothing was written")?;
    }
    if heard.findings.is_empty() {
        return Ok(());
    }
    let place = if form == AnswerForm::Csv { "line" } else { "entry" };
    let told = |Finding { place: at, fault }: &Finding| {
        miette::Report::msg(format!("`{name}` {place} {at}: {fault}"))
    };
    let count = heard.findings.len();
    let reports = heard.findings.iter().take(FINDINGS_SHOWN_MAX).map(told).collect();
    let error = format!("{count} answers of the bank were not applied; the others were");
    Err(Failure::new(Kind::Rejects, error)
        .hint("ask the bank; nothing was changed by what does not fit an order")
        .reports(reports))
}

fn show(args: &ShowArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    let mut pools = act::payers(&site)?;
    if let Some(name) = &args.pool {
        let pool = pool_id(name)?;
        if !pools.contains(&pool) {
            return Err(act::Error::Unknown(pool).into());
        }
        pools = vec![pool];
    }
    let orders = act::orders(&site, &pools)?;
    let mut table = Table::new([
        "commit",
        "pool",
        "period",
        "message",
        "payments",
        "control sum",
        "unanswered",
        "booked",
        "returned",
        "waiting",
    ]);
    for order in &orders {
        table.row([
            order.commit.to_string(),
            order.pool.to_string(),
            order.period.clone(),
            order.message.clone(),
            order.count.to_string(),
            order.control.to_string(),
            order.ordered.to_string(),
            order.booked.to_string(),
            order.returned.to_string(),
            order.waiting.to_string(),
        ]);
    }
    Ok(table.write(context.global.format, &orders, context.out)?)
}

fn check(args: &CheckArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let name = args.file.display();
    let file = fs::read(&args.file).map_err(|e| {
        Failure::new(Kind::Failed, format!("`{name}` cannot be read: {}", e.kind()))
    })?;
    let sums = act::check(&file)?;
    let mut table = Table::new(["version", "message", "payments", "control sum"]);
    table.row([
        sums.version.as_str().to_owned(),
        sums.message.clone(),
        sums.count.to_string(),
        sums.sum.to_string(),
    ]);
    Ok(table.write(context.global.format, &sums, context.out)?)
}

impl From<act::Error> for Failure {
    fn from(error: act::Error) -> Self {
        use act::Error as E;
        let changed = "run `almoner verify --deep`, which names what has changed";
        match error {
            E::Fund(error) => error.into(),
            E::Settle(error) => error.into(),
            E::Payee(error) => crate::pipeline::payee::Error::from(error).into(),
            E::Payouts(PayoutsError::Store(error)) | E::Cover(CoverError::Store(error)) => {
                error.into()
            }
            error @ (E::Payouts(_) | E::Cover(_)) => {
                Self::new(Kind::Integrity, error).hint(changed)
            }
            error @ E::Order(_) => Self::new(Kind::Invalid, error),
            error @ E::Unknown(_) => Self::new(Kind::Usage, error)
                .hint("`almoner pool show` and `almoner cover show` list them"),
            error @ E::NotSettled { .. } => {
                Self::new(Kind::Usage, error).hint("`almoner pool show` lists the settled periods")
            }
            error @ E::NothingDue { .. } => Self::new(Kind::Refused, error)
                .hint("`almoner payee import` gives payees their accounts"),
            error @ E::Rate => Self::new(Kind::Usage, error),
            error @ E::Answer(_) => Self::new(Kind::Invalid, error)
                .hint("nothing was taken of it; `almoner payout settle --help` has the forms"),
            error @ (E::Exchange(_) | E::Journal(_) | E::Money(_) | E::Write(_)) => {
                Self::new(Kind::Failed, error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_plain_decimal_number() {
        assert_eq!(fraction("1.0837"), Some((10_837, 10_000)));
        assert_eq!(fraction("160"), Some((160, 1)));
        for text in ["", ".5", "1.", "0", "0.000", "-1", "1e3", "1.12345678901", "1,08"] {
            assert_eq!(fraction(text), None, "{text}");
        }
    }
}
