//! `almoner audit`: works everything out again from what is recorded, and names what does not come
//! out.
//!
//! Comes in: a site. Goes out: how often what was asked, and each finding by its object.
//! Never: a site mended before it was looked at, or an audit with findings that ends in success.

use std::{fs, path::PathBuf};

use super::{
    Context, Failure, Format, Kind, Table, address, instant, pool::pool_id, recompute, sponsor,
};
use crate::pipeline::audit::{Error, Files};

/// Work everything out again from what is recorded, and name what does not come out
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  almoner audit
  almoner audit diabetes-2026
  almoner audit recompute diabetes-2026
  almoner audit --partner lake-county/site/ledger
  almoner audit --out audit/ --format json
  almoner audit diabetes-2026 --as html,pdf,json,csv --out audit/
  almoner audit diabetes-2026 --as html --out audit/ --from 2026-10-01 --until 2026-12-31 \\
      --sample 25 --seed 'the auditor, 2027-01-15'

Any finding ends in exit code 7. An audit reads alone: it mends nothing, and writes nothing but
its own page, public/audit.html and audit.json.

With --as it writes what a sponsor and their auditor read: where the money is by the lines of SF-425,
who earned it, what did not count, how it fits the journal and the bank, and lines drawn by a seed. The
files tell what is not public, and nothing of one contributor but the figures of the lines drawn.")]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The pool whose money is reckoned anew [default: all]
    pool: Option<String>,
    /// Write audit.html and audit.json into this folder too
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The `ledger` folder of a partner of transfers: each entry that names one of the other's must name
    /// one that is there; may be given again
    #[arg(long, value_name = "LEDGER")]
    partner: Vec<String>,
    /// Leave the public page as it is
    #[arg(long)]
    no_publish: bool,
    #[command(flatten)]
    sponsor: sponsor::Options,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Recompute(recompute::Args),
}

/// Runs the command.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    if let Some(Command::Recompute(args)) = &args.command {
        return recompute::run(args, context);
    }
    let pool = args.pool.as_deref().map(pool_id).transpose()?;
    let (site, keys) = address(&context.global)?;
    let files = Files::open(&site, &keys)?.beside(&args.partner)?;
    let bar = context.bar("audit");
    let audited = files.audit(instant(&context.global)?, pool.as_ref(), &bar)?;
    drop(bar);
    // The public page is of the whole site.
    if pool.is_none() && !args.no_publish {
        files.publish(&audited)?;
    }
    if let Some(folder) = &args.out {
        fs::create_dir_all(folder)?;
        for (name, text) in audited.files()? {
            fs::write(folder.join(name), text)?;
        }
    }
    let page = audited.page();
    if let (true, Some(pool), Some(folder)) = (args.sponsor.asked(), &pool, &args.out) {
        return sponsor::run(&args.sponsor, pool, folder, page, context);
    }
    let mut findings = Table::new(["check", "object", "fault"]);
    for finding in &page.findings {
        findings.row([finding.check.as_str(), &finding.object, &finding.fault]);
    }
    if context.global.format == Format::Table {
        let mut checks = Table::new(["check", "asked", "findings", "question"]);
        for check in &page.checks {
            let (count, wrong) = (check.count.to_string(), check.findings.to_string());
            checks.row([check.name.as_str(), &count, &wrong, &check.asks]);
        }
        checks.write(Format::Table, &page.checks, context.out)?;
        if !page.findings.is_empty() {
            writeln!(context.out)?;
            findings.write(Format::Table, &page.findings, context.out)?;
        }
        let (checks, findings) = (audited.checks(), page.findings.len());
        writeln!(context.out, "\n{checks} checks, {findings} findings")?;
        if page.unreadable > 0 {
            let many = page.unreadable;
            writeln!(
                context.out,
                "{many} objects cannot be read any more, their keys were destroyed: what rests on them \
                 was not checked"
            )?;
        }
    } else {
        findings.write(context.global.format, page, context.out)?;
    }
    match page.findings.len() {
        0 => Ok(()),
        found => {
            let said =
                if found == 1 { "1 finding".to_owned() } else { format!("{found} findings") };
            Err(Failure::new(Kind::Integrity, format!("the audit came to {said}"))
                .hint("each finding names its object: restore it from a copy, or explain it"))
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => error.into(),
            Error::Site(error) => error.into(),
            Error::Unknown(_) => {
                Self::new(Kind::Usage, error).hint("`almoner pool show` lists the pools")
            }
            Error::Json(_) => Self::new(Kind::Failed, error),
        }
    }
}
