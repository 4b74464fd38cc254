//! `almoner audit POOL --as …`: what a sponsor and their auditor read.
//!
//! Comes in: a pool, days, a seed, the audit that was just made. Goes out: files, and what they say in
//! short. Never: files that others on this machine may read, or exceptions that end in success.

use std::path::Path;

use super::{Context, Failure, Format, Kind, Table, statement::AsForm};
use crate::{
    instant::Date,
    pipeline::{
        sponsor::{self, Ask, Error},
        statement::{self, Form},
    },
    report::{AuditPage, Days},
    reward::PoolId,
};

/// What a sponsor's audit is asked for.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Write what a sponsor and their auditor read, in these forms, into the folder of --out
    #[arg(long = "as", value_name = "FORM", value_delimiter = ',', requires_all = ["pool", "out"])]
    forms: Vec<AsForm>,
    /// The first day whose acts are told of, such as 2026-10-01
    #[arg(long, requires = "forms")]
    from: Option<Date>,
    /// The last day whose acts are told of
    #[arg(long, requires = "forms")]
    until: Option<Date>,
    /// Draw this many lines for a closer look
    #[arg(long, value_name = "N", requires = "seed")]
    sample: Option<usize>,
    /// The text that the lines are drawn by: the same text draws the same lines
    #[arg(long, value_name = "TEXT", requires = "sample", requires = "forms")]
    seed: Option<String>,
}

impl Options {
    /// Says whether a sponsor's audit is asked for.
    pub fn asked(&self) -> bool {
        !self.forms.is_empty()
    }

    fn ask(&self) -> Ask {
        Ask {
            days: Days { from: self.from, until: self.until },
            sample: self.sample.zip(self.seed.clone()),
        }
    }
}

/// Writes a sponsor's audit of a pool, after the audit of its records.
pub fn run(
    options: &Options,
    pool: &PoolId,
    folder: &Path,
    audited: &AuditPage,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let site = context.site()?;
    let audit = sponsor::audit(&site, pool, &options.ask(), audited)?;
    statement::folder(folder)?;
    let mut written = Vec::new();
    let forms: Vec<Form> = options.forms.iter().flat_map(|form| form.forms()).copied().collect();
    for (name, bytes) in sponsor::files(&audit, &forms)? {
        statement::put(folder, &name, &bytes)?;
        written.push(folder.join(name));
    }
    let mut table = Table::new(["line", "what", "within", "until"]);
    for line in &audit.federal.lines {
        let (within, until) = (line.within.shown(), line.until.shown());
        table.row([line.line, line.what, &within, &until]);
    }
    table.write(context.global.format, &audit, context.out)?;
    if context.global.format == Format::Table {
        writeln!(context.out)?;
        for exception in &audit.exceptions {
            writeln!(context.out, "{}: {}", exception.object, exception.fault)?;
        }
        for file in &written {
            writeln!(context.out, "{}", file.display())?;
        }
        let found = audit.exceptions.len();
        writeln!(context.out, "{} entries, {found} exceptions", audit.entries.len())?;
    }
    match audit.exceptions.len() {
        0 => Ok(()),
        found => {
            let said = format!("the sponsor's audit came to {found} exceptions");
            Err(Failure::new(Kind::Integrity, said).hint("the last section of the page names each"))
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Settle(error) => error.into(),
            Error::Book(error) => error.into(),
            Error::Payout(error) => error.into(),
            Error::Days => {
                Self::new(Kind::Usage, error).hint("--from is the first day, --until the last")
            }
            Error::Journal(_) | Error::Related(_) => Self::new(Kind::Integrity, error),
            Error::TooLarge(_) | Error::Json(_) | Error::Pdf(_) => Self::new(Kind::Failed, error),
        }
    }
}
