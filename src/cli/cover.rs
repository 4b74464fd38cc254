//! `almoner cover`: open, fund, enrol, run, show, explain and prove policies.
//!
//! Comes in: policy files, payments, files of people, a pipeline. Goes out: what was done, how policies
//! stand, why a person was paid. Never: a person's id where a count of people was asked for.

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;

use super::{
    Context, Failure, Format, Kind, Table,
    pool::{Books, pool_id, usage},
};
use crate::{
    cover::EnrolmentFault,
    money::Amount,
    party::SponsorId,
    payee,
    pipeline::{
        cover::{self as act, Paid},
        fund::Done,
        payout,
        spec::Spec,
    },
    reward::{Funded, PoolId},
};

/// At most so many bad rows are shown one by one.
const REJECTS_SHOWN_MAX: usize = 20;

/// Open, fund and run policies that pay when records show an event
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A policy pays a fixed sum for an event that records show: a test above a threshold, a diagnosis, an \
appointment kept. Who is enrolled and consented to it is paid once for each event, whichever \
institution sent it, without a claim. A record that is taken back later is never asked money back \
for: what was paid is kept from later payments of the same policy.

Examples:
  almoner cover open pipelines/cover-gestational-diabetes.toml
  almoner cover fund gestational-diabetes-2026 50000.00 --sponsor vitana --reference wire-12
  almoner cover enrol gestational-diabetes-2026 enrolled.csv
  almoner cover run pipelines/hospitals.toml --input /data/2026-q3")]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Open a policy; its terms never change
    #[command(after_help = "\
Examples:
  almoner cover open pipelines/cover-gestational-diabetes.toml
  almoner cover open pipelines/cover-appointment.toml --format json")]
    Open(OpenArgs),
    /// Put the insurer's money in; the same reference again is the same payment
    #[command(after_help = "\
Example:
  almoner cover fund gestational-diabetes-2026 50000.00 --sponsor vitana --reference wire-12")]
    Fund(FundArgs),
    /// Enrol the people of a file; an enrolment told twice is one
    #[command(after_help = "\
The file is CSV with the columns contributor and enrolled, and due where the policy asks for weeks of \
pregnancy. A contributor may be INSTITUTION/ID. Days are written 2026-03-01.

Examples:
  almoner cover enrol gestational-diabetes-2026 enrolled.csv
  almoner cover enrol gestational-diabetes-2026 enrolled.csv --rejects-max-ppm 10000")]
    Enrol(EnrolArgs),
    /// Look for events in a pipeline's inputs, and pay each once
    #[command(after_help = "\
Without --policy, the policies are those that the pipeline names (`cover = [\"file.toml\"]`), which \
`almoner ingest` runs too, right after its commit. The same inputs again pay nothing again; what waited \
for money is paid once there is some, the oldest first.

Examples:
  almoner cover run pipelines/hospitals.toml --input /data/2026-q3
  almoner cover run pipelines/synthea-fhir.toml --input DIR --policy appointments-2026")]
    Run(RunArgs),
    /// Show how one policy stands, or all
    #[command(after_help = "Example:\n  almoner cover show --format json")]
    Show(ShowArgs),
    /// Say what a policy paid a person, and why
    #[command(after_help = "Example:\n  almoner cover explain gestational-diabetes-2026 p-117")]
    Explain(PersonArgs),
    /// Prove every line of a person against the book
    #[command(after_help = "\
Each proof holds the line, its path to the root that the book's entry names, the entry, and the C2SP \
proof that the entry is in the log.

Examples:
  almoner cover prove gestational-diabetes-2026 p-117 > mine.tlog-proof
  almoner verify-proof mine.tlog-proof --vkey VKEY")]
    Prove(PersonArgs),
    /// Write a policy's double-entry journal
    #[command(after_help = "\
What is paid is ordered by `almoner payout export POLICY PERIOD`; the books hold what the bank was told \
and answered.

Examples:
  almoner cover journal gestational-diabetes-2026 > cover.journal && hledger -f cover.journal check
  almoner cover journal gestational-diabetes-2026 --as beancount > cover.beancount")]
    Journal(JournalArgs),
}

#[derive(Debug, clap::Args)]
struct JournalArgs {
    /// The policy
    policy: String,
    #[command(flatten)]
    books: Books,
}

#[derive(Debug, clap::Args)]
struct OpenArgs {
    /// The policy's file
    file: PathBuf,
}

#[derive(Debug, clap::Args)]
struct FundArgs {
    /// The policy
    policy: String,
    /// How much, with all decimals of the currency, such as 50000.00
    amount: String,
    /// From whom
    #[arg(long, value_name = "ID")]
    sponsor: String,
    /// The payment's own reference
    #[arg(long, value_name = "TEXT")]
    reference: String,
}

#[derive(Debug, clap::Args)]
struct EnrolArgs {
    /// The policy
    policy: String,
    /// The file
    file: PathBuf,
    /// How many of a million rows may be bad; they are left out. Where more are, nothing is taken
    #[arg(long, default_value_t = 10_000, value_name = "PPM")]
    rejects_max_ppm: u32,
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// The pipeline's file
    pipeline: PathBuf,
    /// The folder that the pipeline's paths are in
    #[arg(long, value_name = "DIR", default_value = ".")]
    input: PathBuf,
    /// A policy; may be given more than once [default: those that the pipeline names]
    #[arg(long = "policy", value_name = "POLICY")]
    policies: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The policy [default: all]
    policy: Option<String>,
}

#[derive(Debug, clap::Args)]
struct PersonArgs {
    /// The policy
    policy: String,
    /// The person
    person: String,
}

/// Runs `almoner cover`.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    match &args.act {
        Act::Open(args) => open(args, context),
        Act::Fund(args) => fund(args, context),
        Act::Enrol(args) => enrol(args, context),
        Act::Run(args) => evaluate(args, context),
        Act::Show(args) => show(args, context),
        Act::Explain(args) => explain(args, context),
        Act::Prove(args) => prove(args, context),
        Act::Journal(args) => journal(args, context),
    }
}

fn open(args: &OpenArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let policy = act::read(&args.file)?;
    let name = policy.policy.clone();
    let done = act::open(&context.site()?, policy)?;
    acted(context, "opened", &name, &done)
}

fn fund(args: &FundArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    let pool = pool_id(&args.policy)?;
    let currency = act::policy(&site, &pool)?.policy().currency;
    let amount = Amount::parse(&args.amount, currency).map_err(|e| usage("AMOUNT", &e))?;
    let sponsor = SponsorId::parse(&args.sponsor).map_err(|e| usage("--sponsor", &e))?;
    if args.reference.is_empty() {
        return Err(Failure::new(Kind::Usage, "`--reference` may not be empty"));
    }
    let reference = args.reference.clone();
    let done = act::fund(&site, Funded { pool: pool.clone(), amount, sponsor, reference })?;
    acted(context, "funded", &pool, &done)
}

#[derive(Serialize)]
struct Acted<'a> {
    policy: &'a PoolId,
    #[serde(flatten)]
    done: &'a Done,
}

fn acted(
    context: &mut Context<'_>,
    what: &str,
    policy: &PoolId,
    done: &Done,
) -> Result<(), Failure> {
    let (commit, entry) = (done.commit, done.entry);
    if context.global.format == Format::Table {
        let already = if done.new { "" } else { " already" };
        writeln!(context.out, "policy {policy} {what}{already}: commit {commit}, entry {entry}")?;
        return Ok(());
    }
    let mut table = Table::new(["policy", "commit", "entry", "new"]);
    table.row([policy.to_string(), commit.to_string(), entry.to_string(), done.new.to_string()]);
    Ok(table.write(context.global.format, &Acted { policy, done }, context.out)?)
}

fn enrol(args: &EnrolArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let policy = pool_id(&args.policy)?;
    let done = act::enrol(&context.site()?, &policy, &args.file, args.rejects_max_ppm)?;
    for line in left_out(&args.file.display().to_string(), &done.rejects) {
        writeln!(context.err, "left out: {line}")?;
    }
    let mut table = Table::new(["enrolled", "known", "rejected", "commit"]);
    let commit = done.commit.map_or_else(|| "none".to_owned(), |commit| commit.to_string());
    let counts = [done.enrolled, done.known, done.rejected].map(|count| count.to_string());
    table.row(counts.into_iter().chain([commit]));
    table.write(context.global.format, &done, context.out)?;
    if done.commit.is_none() {
        writeln!(context.err, "nothing new: all of it is known")?;
    }
    Ok(())
}

/// Says which rows are bad, and why.
fn left_out(file: &str, rejects: &[(u64, EnrolmentFault)]) -> Vec<String> {
    let shown = rejects.iter().take(REJECTS_SHOWN_MAX);
    let mut lines: Vec<String> =
        shown.map(|(line, reason)| format!("`{file}` line {line}: {reason}")).collect();
    if let Some(more @ 1..) = rejects.len().checked_sub(REJECTS_SHOWN_MAX) {
        lines.push(format!("`{file}`: {more} more rows"));
    }
    lines
}

fn evaluate(args: &RunArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let spec = Spec::read(&args.pipeline)?;
    let named = args.policies.iter().map(|name| pool_id(name)).collect::<Result<Vec<_>, _>>()?;
    let site = context.site()?;
    let bar = context.bar("cover");
    let done = act::run(&site, &spec, &args.input, &named, &bar)?;
    drop(bar);
    let mut table = Table::new([
        "policy",
        "looked at",
        "events",
        "paid",
        "recovered",
        "waiting",
        "flagged",
        "commit",
    ]);
    for paid in &done {
        table.row([
            paid.policy.to_string(),
            paid.considered.to_string(),
            paid.events.to_string(),
            paid.amount.to_string(),
            paid.recovered.to_string(),
            paid.waiting.to_string(),
            paid.flagged.to_string(),
            paid.commit.map_or_else(|| "none".to_owned(), |commit| commit.to_string()),
        ]);
    }
    table.write(context.global.format, &done, context.out)?;
    for paid in &done {
        for (reason, count) in &paid.refused {
            writeln!(context.err, "policy {}: {count} rows: {reason}", paid.policy)?;
        }
    }
    Ok(())
}

/// Says in a line what a policy came to in a run.
pub(super) fn told(paid: &Paid) -> String {
    let Paid { policy, events, amount, waiting, flagged, .. } = paid;
    let word = if *events == 1 { "event" } else { "events" };
    let more = |count: u64, what: &str| {
        if count == 0 { String::new() } else { format!("; {count} {what}") }
    };
    let (waiting, flagged) = (more(*waiting, "wait for money"), more(*flagged, "flagged"));
    format!("policy {policy}: {events} {word} paid, {amount}{waiting}{flagged}")
}

fn show(args: &ShowArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let policy = args.policy.as_deref().map(pool_id).transpose()?;
    let standings = act::standings(&context.site()?, policy.as_ref())?;
    let mut table = Table::new([
        "policy", "kind", "currency", "from", "until", "sum", "funded", "paid", "enrolled",
        "events", "flagged",
    ]);
    let count =
        |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for standing in &standings {
        let terms = &standing.terms;
        table.row([
            terms.policy.to_string(),
            terms.kind.as_str().to_owned(),
            terms.currency.to_string(),
            terms.term.from.to_string(),
            terms.term.until.to_string(),
            terms.sum.grouped(),
            standing.funded.grouped(),
            standing.paid.grouped(),
            count(&standing.enrolled),
            count(&standing.events),
            count(&standing.flagged),
        ]);
    }
    Ok(table.write(context.global.format, &standings, context.out)?)
}

fn explain(args: &PersonArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let policy = pool_id(&args.policy)?;
    let told = act::explain(&context.site()?, &policy, &args.person)?;
    let mut table = Table::new(["day", "event", "seen at", "due", "kept", "paid", "why"]);
    for line in &told.lines {
        table.row([
            line.day.to_string(),
            line.trigger.clone(),
            line.institution.clone(),
            line.owed.grouped(),
            line.recovered.grouped(),
            line.paid.grouped(),
            line.words.to_owned(),
        ]);
    }
    table.write(context.global.format, &told, context.out)?;
    if told.enrolments.is_empty() {
        writeln!(context.err, "the person is not enrolled in policy {policy}")?;
    }
    for enrolment in &told.enrolments {
        writeln!(context.err, "enrolled since {}", enrolment.enrolled)?;
    }
    writeln!(context.err, "paid in all: {}", told.paid)?;
    if told.to_recover.minor() > 0 {
        writeln!(context.err, "to be kept from later payments: {}", told.to_recover)?;
    }
    Ok(())
}

fn prove(args: &PersonArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let policy = pool_id(&args.policy)?;
    super::proof::lines(&context.site()?, &args.person, Some(&policy), None, context)
}

fn journal(args: &JournalArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let policy = pool_id(&args.policy)?;
    let journal = payout::books(&context.site()?, &policy, args.books.private)?;
    args.books.write(&journal, context.out)
}

impl From<act::Error> for Failure {
    fn from(error: act::Error) -> Self {
        use act::Error as E;
        match error {
            E::Site(error) => error.into(),
            E::Fund(error) => error.into(),
            E::Folders(error) => error.into(),
            E::Person(error) => error.into(),
            E::Keys(error) => error.into(),
            E::Book(error) => error.into(),
            E::Object(payee::Error::Store(error))
            | E::Cover(crate::cover::CoverError::Store(error)) => error.into(),
            error @ (E::Cover(_) | E::Object(_) | E::Proof(_)) => Self::new(Kind::Integrity, error)
                .hint("run `almoner verify --deep`, which names what has changed"),
            error @ (E::File { .. } | E::Amount(_)) => Self::new(Kind::Usage, error),
            E::Faults { file, faults } => {
                let reports = faults.into_iter().map(miette::Report::new).collect();
                let text = format!("policy `{}` has faults", file.display());
                Self::new(Kind::Invalid, text)
                    .hint("pipelines/cover-gestational-diabetes.toml is one that is whole")
                    .reports(reports)
            }
            error @ E::Unknown(_) => Self::new(Kind::Usage, error).hint(
                "open it: almoner cover open FILE; `almoner cover show` lists those that are",
            ),
            error @ E::OtherTerms(_) => Self::new(Kind::Refused, error)
                .hint("a policy keeps its terms; give the new ones another name"),
            error @ E::IsPool(_) => {
                Self::new(Kind::Refused, error).hint("give the policy another name")
            }
            error @ E::OtherPayment { .. } => Self::new(Kind::Refused, error)
                .hint("a reference names one payment; give each payment its own"),
            error @ E::People { .. } => {
                Self::new(Kind::Invalid, error).hint("`almoner cover enrol --help` has the columns")
            }
            E::Rejects { file, rejects, rows, rejects_max_ppm } => {
                let lines = left_out(&file.display().to_string(), &rejects);
                let reports = lines.into_iter().map(miette::Report::msg).collect();
                Self::new(Kind::Rejects, E::Rejects { file, rejects, rows, rejects_max_ppm })
                    .hint("mend the rows, or allow more of them with --rejects-max-ppm")
                    .reports(reports)
            }
            error @ E::Clock { .. } => Self::new(Kind::Failed, error)
                .hint("set the clock, or give `--now` an instant that is not in the past"),
            error @ E::Misfit(_) => Self::new(Kind::Invalid, error)
                .hint("name a policy whose tables and columns the pipeline has"),
            error @ E::NoPolicy(_) => Self::new(Kind::Usage, error)
                .hint("give --policy POLICY, or write cover = [\"file.toml\"] into the pipeline"),
            error @ (E::Source(_) | E::Conform(_)) => Self::new(Kind::Invalid, error),
            error @ (E::Consent(_)
            | E::Linkage(_)
            | E::Sum(_)
            | E::Money(_)
            | E::Canonical(_)
            | E::Write(_)) => Self::new(Kind::Failed, error),
        }
    }
}
