//! The command line: one file a command; what it prints goes to the writers it is given.
//!
//! Comes in: arguments. Goes out: results on stdout, progress and errors on stderr, an exit code.
//! Never: a cell's value in an error, or a decision; a face asks an act.

pub mod approve;
pub mod audit;
pub mod believe;
pub mod completions;
pub mod consent;
pub mod cover;
pub mod credential;
pub mod dataset;
pub mod deid;
mod delivery;
pub mod demo;
pub mod doctor;
pub mod erase;
pub mod explain;
mod failure;
pub mod goods;
pub mod ingest;
pub mod init;
pub mod keys;
pub mod ledger;
pub mod linkage;
pub mod matching;
mod output;
pub mod party;
pub mod payee;
pub mod payout;
pub mod pool;
pub mod population;
mod progress;
pub mod proof;
pub mod publish;
pub mod quality;
pub mod query;
pub mod recompute;
pub mod rejects;
pub mod repair;
pub mod risk;
pub mod settle;
pub mod sponsor;
pub mod statement;
pub mod transfer;
pub mod value;
pub mod verify;
pub mod view;
pub mod voucher;

use std::{
    io::{self, IsTerminal as _, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{CommandFactory as _, Parser, Subcommand};

pub use self::{
    failure::{Failure, Kind},
    output::{Format, Table},
    progress::Bar,
};
use crate::{instant::Instant, site::Site, store::Store};

/// The batch engine of a health-data commons: consented records in, governed answers out, every
/// contributor paid for what was used, and a public ledger that anyone can check.
#[derive(Debug, Parser)]
#[command(
    name = "almoner",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 configuration or contract invalid, \
                  4 rejects or suppression over the threshold, 5 conflict (safe to retry), \
                  6 store unavailable (retry), 7 integrity broken, 8 refused by policy, \
                  130 interrupted.\n\nStart with: almoner demo"
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// The site: a folder, or a file://, s3://, az:// or memory:// URL
    #[arg(long, global = true, env = "ALMONER_SITE", value_name = "SITE")]
    pub site: Option<String>,
    /// The folder of the site's keys [default: SITE.keys beside a folder]
    #[arg(long, global = true, env = "ALMONER_KEYS", value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// The run's one instant, RFC 3339 [default: the clock]
    #[arg(long, global = true, env = "ALMONER_NOW", value_name = "INSTANT")]
    pub now: Option<String>,
    /// Keep a site on NFS, SMB, FUSE or the like, whose links, locks and syncs may not hold
    #[arg(
        long,
        global = true,
        env = "ALMONER_ALLOW_NETWORK_FILESYSTEM",
        value_name = "BOOL",
        value_parser = clap::builder::BoolishValueParser::new(),
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true"
    )]
    pub allow_network_filesystem: bool,
    /// How results are written
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Say nothing but the result
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// What is logged to stderr: off, error, warn, info, debug, trace
    #[arg(long, global = true, env = "ALMONER_LOG", default_value = "warn", value_name = "LEVEL")]
    pub log_level: String,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Live through a quarter of a generated commons, in about a minute
    Demo(demo::Args),
    /// Make a site: zones, keys, genesis entry
    Init(init::Args),
    /// List, rotate, export and destroy the keys of a site
    Keys(keys::Args),
    /// Ask whether the store is fit, the keys are there, and the book is whole
    Doctor(doctor::Args),
    /// Import, grant, withdraw, show and explain consents
    Consent(consent::Args),
    /// Link the records of one person at several institutions, and decide what is in doubt
    Linkage(linkage::Args),
    /// Run a pipeline: read, conform, admit, de-identify, release, record
    Ingest(ingest::Args),
    /// Show the rows that a run put into quarantine, and take them again
    Rejects(rejects::Args),
    /// Check files by rules of quality, and show what they found in a run
    Quality(quality::Args),
    /// List, show, compare and check the versions of datasets
    Dataset(dataset::Args),
    /// Tell what could be learnt from a version or a file, and sign that the risk is very small
    Risk(risk::Args),
    /// Find the generalisation that makes a table anonymous and loses least
    Deid(deid::Args),
    /// Open, fund and show pools, and write their books
    Pool(pool::Args),
    /// Open, fund and run policies that pay when records show an event
    Cover(cover::Args),
    /// Take goods into a pool, and give them by what contributors earned
    Goods(goods::Args),
    /// List, show, redeem and end the vouchers that goods are handed out for
    Voucher(voucher::Args),
    /// Import and count payees: who they are, where they pay taxes, where their money goes
    Payee(payee::Args),
    /// Order the bank to pay, take its answer, show how payouts stand
    Payout(payout::Args),
    /// Say and show which institutions are related, so that none is paid for its own questions
    Party(party::Args),
    /// Value contributors' records for a model, where a pool pays for that
    Value(value::Args),
    /// Settle a period of a pool: turn usage into exact payouts, once
    Settle(settle::Args),
    /// State what a contributor earned, why, and how to check it
    Statement(statement::Args),
    /// Say why a contributor gets this amount, step by step
    Explain(explain::Args),
    /// Passes of researchers, licences of institutions and practitioners
    Credential(credential::Args),
    /// Send a patient's record to another institution once they approve, and receive theirs
    Transfer(transfer::Args),
    /// Approve that your record goes to another institution: see what goes where and why, then sign
    Approve(approve::ApproveArgs),
    /// Decline a transfer of your record
    Decline(approve::DeclineArgs),
    /// Take back your approval of a transfer, until the record is on its way
    Revoke(approve::RevokeArgs),
    /// Ask one SELECT: aggregates over at least 11 people leave, rounded, and recorded
    Query(query::Args),
    /// Write the public pages, and the steward's run reports, from what is recorded
    Publish(publish::Args),
    /// Show the public book and prove what is in it
    Ledger(ledger::Args),
    /// Destroy what links people to anything in this site, for good
    Erase(erase::Args),
    /// Work everything out again from what is recorded, and name what does not come out
    Audit(audit::Args),
    /// Check the book against its checkpoints, and with --deep every object it names
    Verify(verify::Args),
    /// Write again what is lost or broken of the book and follows from its entries
    Repair(repair::Args),
    /// Check a proof with nothing but the log's public key
    VerifyProof(proof::Args),
    /// Check views of FHIR resources, run them over files, run the official tests
    View(view::Args),
    /// Make institutions, people, records and consents from a seed
    Population(population::Args),
    /// Write shell completions
    Completions(completions::ShellArgs),
    /// Write the manual page, or one for each command into a folder
    Man(completions::ManArgs),
}

/// What a command writes to, and what every command was told.
pub struct Context<'a> {
    /// Options of every command.
    pub global: Global,
    /// Where results go.
    pub out: &'a mut dyn Write,
    /// Where remarks go; nowhere with `--quiet`.
    pub err: &'a mut dyn Write,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("global", &self.global).finish_non_exhaustive()
    }
}

impl Context<'_> {
    /// Opens the site that the options name, at the run's instant.
    pub fn site(&self) -> Result<Site, Failure> {
        open_site(&self.global)
    }

    /// Returns a progress bar on stderr; it shows on a terminal alone.
    pub fn bar(&self, what: &'static str) -> Bar {
        Bar::new(what, self.global.quiet)
    }
}

/// Returns the run's one instant: `--now`, else the clock.
pub fn instant(global: &Global) -> Result<Instant, Failure> {
    if let Some(text) = &global.now {
        return Instant::parse(text).map_err(|e| {
            Failure::new(Kind::Usage, format!("`--now`: {e}")).hint("write 2026-11-22T09:30:00Z")
        });
    }
    #[expect(clippy::disallowed_methods, reason = "the one look at the clock in a run")]
    let seconds = chrono::Utc::now().timestamp();
    Instant::from_unix(seconds).map_err(|e| Failure::new(Kind::Failed, e))
}

/// Returns the site's address and key folder as the options give them.
pub fn address(global: &Global) -> Result<(String, PathBuf), Failure> {
    let site = global.site.clone().ok_or_else(|| {
        Failure::new(Kind::Usage, "no site was named")
            .hint("give --site SITE or set ALMONER_SITE; `almoner init SITE` makes one")
    })?;
    let folder = site.strip_prefix("file://").unwrap_or(&site);
    let keys = match &global.keys {
        Some(keys) => keys.clone(),
        None if folder.contains("://") => {
            return Err(Failure::new(Kind::Usage, "no key folder was named")
                .hint("keys never lie in an object store: give --keys DIR or set ALMONER_KEYS"));
        }
        None => PathBuf::from(format!("{}.keys", folder.trim_end_matches('/'))),
    };
    Ok((site, keys))
}

/// Refuses a folder across a network, where a site could lose what it was told is durable; its
/// steward may allow it.
pub fn refuse_network(global: &Global, place: &str) -> Result<(), Failure> {
    match Store::open(place)?.medium()? {
        Some(medium) if medium.is_network && !global.allow_network_filesystem => {
            let refused = format!("`{place}` lies on {}, across a network", medium.name);
            Err(Failure::new(Kind::Refused, refused).hint(
                "keep the site on a disk of this machine or in an object store; or, knowing that its \
                 links, locks and syncs hold, say --allow-network-filesystem",
            ))
        }
        Some(_) | None => Ok(()),
    }
}

/// Opens the site that the options name, at the run's instant.
pub fn open_site(global: &Global) -> Result<Site, Failure> {
    let (site, keys) = address(global)?;
    refuse_network(global, &site)?;
    Ok(Site::open(&site, &keys, instant(global)?)?)
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        // A panic's message may quote data: only its place is shown.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        drop(writeln!(
            io::stderr(),
            "bug: almoner broke a promise of its own at {place}; please report this line"
        ));
    }));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            drop(error.print());
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    start_log(&cli.global.log_level);
    let mut out = io::BufWriter::new(io::stdout());
    let mut sink = io::sink();
    let mut stderr = io::stderr();
    let err: &mut dyn Write = if cli.global.quiet { &mut sink } else { &mut stderr };
    let mut context = Context { global: cli.global, out: &mut out, err };
    let result = run(cli.command, &mut context).and_then(|()| Ok(context.out.flush()?));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            drop(out.flush());
            let colour = io::stderr().is_terminal();
            drop(failure.show(&mut io::stderr(), colour));
            ExitCode::from(failure.kind.code())
        }
    }
}

fn start_log(level: &str) {
    let filter = tracing_subscriber::EnvFilter::builder()
        .parse(level)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init();
    if let Err(error) = started {
        tracing::debug!(%error, "the log was started before");
    }
}

fn run(command: Command, context: &mut Context<'_>) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => demo::run(&args, context),
        Command::Init(args) => init::run(&args, context),
        Command::Keys(args) => keys::run(&args, context),
        Command::Doctor(args) => doctor::run(&args, context),
        Command::Consent(args) => consent::run(args, context),
        Command::Linkage(args) => linkage::run(&args, context),
        Command::Ingest(args) => ingest::run(&args, context),
        Command::Rejects(args) => rejects::run(&args, context),
        Command::Quality(args) => quality::run(&args, context),
        Command::Dataset(args) => dataset::run(&args, context),
        Command::Risk(args) => risk::run(&args, context),
        Command::Deid(args) => deid::run(&args, context),
        Command::Pool(args) => pool::run(&args, context),
        Command::Cover(args) => cover::run(&args, context),
        Command::Goods(args) => goods::run(&args, context),
        Command::Voucher(args) => voucher::run(&args, context),
        Command::Payee(args) => payee::run(&args, context),
        Command::Payout(args) => payout::run(&args, context),
        Command::Party(args) => party::run(&args, context),
        Command::Value(args) => value::run(&args, context),
        Command::Settle(args) => settle::run(&args, context),
        Command::Statement(args) => statement::run(&args, context),
        Command::Explain(args) => explain::run(&args, context),
        Command::Credential(args) => credential::run(args, context),
        Command::Transfer(args) => transfer::run(&args, context),
        Command::Approve(args) => approve::approve(&args, context),
        Command::Decline(args) => approve::decline(&args, context),
        Command::Revoke(args) => approve::revoke(&args, context),
        Command::Query(args) => query::run(args, context),
        Command::Publish(args) => publish::run(&args, context),
        Command::Ledger(args) => ledger::run(&args, context),
        Command::Erase(args) => erase::run(&args, context),
        Command::Audit(args) => audit::run(&args, context),
        Command::Verify(args) => verify::run(&args, context),
        Command::Repair(args) => repair::run(&args, context),
        Command::VerifyProof(args) => proof::run(&args, context),
        Command::View(args) => view::run(args, context),
        Command::Population(args) => population::run(args, context),
        Command::Completions(args) => completions::shell(&args, context, Cli::command()),
        Command::Man(args) => completions::man(&args, context, Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
