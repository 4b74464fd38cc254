//! `almoner query`: a governed answer to one SELECT, metered.

use std::{fs, path::PathBuf, time::Duration};

use serde_json::json;

use super::{Context, Failure, Format, Kind, Table};
use crate::{
    credential::Error as PassError,
    pipeline::{
        query::{self, Answered, Question},
        standing,
    },
    purpose::{Effect, Purpose},
    query::{Error as QueryError, Limits},
};

/// Ask one SELECT of a dataset: aggregates over at least 11 people leave, rounded, and recorded
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    almoner query --pass ada.pass \"SELECT code, COUNT(DISTINCT person) FROM conditions GROUP BY code\"\n  \
    almoner query --pass ada.pass --dataset diabetes@2 --file cohort.sql --format csv\n\n\
    What is answered: one SELECT with COUNT(*), COUNT(x), COUNT(DISTINCT x), SUM(x) or AVG(x) over \
    tables joined on `person`; WITH, WHERE, GROUP BY, HAVING, ORDER BY and LIMIT.\n\
    What leaves: cells of 11 people or more; counts to the nearest 5; SUM and AVG to three digits.\n\
    An empty field is a value that was held back, or none.")]
pub struct Args {
    /// The researcher's pass
    #[arg(long, value_name = "FILE")]
    pass: PathBuf,
    /// The dataset, or dataset@version [default: the pass's only one, its newest version]
    #[arg(long, value_name = "D[@V]")]
    dataset: Option<String>,
    /// What for, a DUO code [default: the pass's only one]
    #[arg(long, value_name = "DUO", value_parser = Purpose::parse)]
    purpose: Option<Purpose>,
    /// Read the question from a file
    #[arg(long, value_name = "FILE", conflicts_with = "sql")]
    file: Option<PathBuf>,
    /// The most memory that the question may take, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    memory: usize,
    /// The longest that the question may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// The question
    #[arg(required_unless_present = "file")]
    sql: Option<String>,
}

/// Runs the command.
pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    let read = |file: &PathBuf| {
        fs::read_to_string(file).map_err(|error| {
            Failure::new(Kind::Usage, format!("`{}` cannot be read: {error}", file.display()))
        })
    };
    let pass = read(&args.pass)?;
    let sql = match (args.sql, &args.file) {
        (Some(sql), _) => sql,
        (None, Some(file)) => read(file)?,
        (None, None) => return Err(Failure::new(Kind::Usage, "no question was asked")),
    };
    let limits = Limits {
        memory_bytes: args.memory.saturating_mul(1 << 20),
        time: Duration::from_secs(args.timeout),
        ..Limits::default()
    };
    let question = Question {
        pass: &pass,
        dataset: args.dataset.as_deref(),
        purpose: args.purpose.as_ref(),
        sql: &sql,
        limits,
    };
    let answered = query::answer(&site, &question)?;
    write(&answered, context)?;
    let Answered { answer, dataset, version, entry, .. } = &answered;
    let cells = answer.cells();
    write!(
        context.err,
        "{} rows from {dataset}@{version}; {} of {cells} cells held back",
        answer.rows(),
        answer.cells_suppressed()
    )?;
    if answer.values_withheld() > 0 {
        write!(context.err, ", and {} values of the others", answer.values_withheld())?;
    }
    writeln!(context.err, "; counts to the nearest 5\nentry {entry}")?;
    for obligation in &answered.obligations {
        writeln!(context.err, "you took on to {obligation}")?;
    }
    Ok(())
}

fn write(answered: &Answered, context: &mut Context<'_>) -> Result<(), Failure> {
    let Answered { answer, dataset, version, purpose, entry, obligations, commit: _ } = answered;
    match context.global.format {
        Format::Parquet => Ok(context.out.write_all(&answer.parquet().map_err(failure)?)?),
        format @ (Format::Table | Format::Csv | Format::Json) => {
            let mut table = Table::new(answer.columns());
            for row in answer.texts().map_err(failure)? {
                table.row(row.into_iter().map(Option::unwrap_or_default));
            }
            let json = json!({
                "dataset": dataset,
                "version": version,
                "purpose": purpose,
                "entry": entry.to_string(),
                "obligations": obligations,
                "cells": answer.cells(),
                "cells_suppressed": answer.cells_suppressed(),
                "values_withheld": answer.values_withheld(),
                "columns": answer.columns(),
                "rows": answer.json().map_err(failure)?,
            });
            Ok(table.write(format, &json, context.out)?)
        }
    }
}

fn failure(error: QueryError) -> Failure {
    let kind = match error {
        QueryError::Store(error) => return error.into(),
        QueryError::Sql { .. } => Kind::Usage,
        QueryError::Refused { .. }
        | QueryError::Memory(_)
        | QueryError::Time(_)
        | QueryError::TooManyCells(_) => Kind::Refused,
        QueryError::Integrity(_) => Kind::Integrity,
        QueryError::Unrecorded | QueryError::Engine { .. } => Kind::Failed,
    };
    let hint = error.hint().map(ToOwned::to_owned);
    let failure = Failure::new(kind, error);
    match hint {
        Some(hint) => failure.hint(hint),
        None if kind == Kind::Integrity => {
            failure.hint("run `almoner verify --deep`, which names what has changed")
        }
        None => failure,
    }
}

impl From<PassError> for Failure {
    fn from(error: PassError) -> Self {
        let (kind, hint) = match &error {
            PassError::Signature(_) => {
                (Kind::Refused, "a pass is issued by this site: almoner credential issue")
            }
            PassError::TooLong(_) | PassError::Lines(_) | PassError::Incomplete(_) => {
                (Kind::Invalid, "almoner credential issue writes a whole pass")
            }
            PassError::DatasetUnsaid(_) => (Kind::Usage, "add --dataset D"),
            PassError::PurposeUnsaid(_) => (Kind::Usage, "add --purpose DUO:…"),
            PassError::NotYetIssued { .. } | PassError::Expired { .. } => {
                (Kind::Refused, "ask the steward for a new pass")
            }
            PassError::Dataset { .. } | PassError::Purpose { .. } => {
                (Kind::Refused, "ask the steward for a pass that grants it")
            }
        };
        Self::new(kind, error).hint(hint)
    }
}

impl From<standing::Error> for Failure {
    fn from(error: standing::Error) -> Self {
        let hint = match &error {
            standing::Error::Licences(_) => return Self::new(Kind::Failed, error),
            standing::Error::Unnamed => "have a pass issued with --institution ID",
            standing::Error::Unlicensed { .. } => {
                "how the institution's licence stood, day by day: almoner credential history"
            }
        };
        Self::new(Kind::Refused, error).hint(hint)
    }
}

impl From<query::Error> for Failure {
    fn from(error: query::Error) -> Self {
        use query::Error as E;
        match error {
            E::Site(error) => error.into(),
            E::Pass(error) => error.into(),
            E::Standing(error) => error.into(),
            E::Lake(error) => error.into(),
            E::Query(error) => failure(error),
            E::NotConsented { .. } => Self::new(Kind::Refused, error).hint(
                "nobody's data is used for what they did not agree to; ask for another purpose",
            ),
            E::Destroyed { .. } => Self::new(Kind::Refused, error)
                .hint("ask a version that is there: almoner dataset list"),
            E::Terms { ref verdict, .. } => {
                let hint = match verdict.effect() {
                    Effect::Refer => {
                        "show the steward what is missing; `almoner credential issue` signs it \
                         into a new pass"
                    }
                    Effect::Permit | Effect::Deny => {
                        "`almoner dataset show` has the terms; another dataset may permit it"
                    }
                };
                Self::new(Kind::Refused, error).hint(hint)
            }
            E::Entry { .. } => Self::new(Kind::Integrity, error)
                .hint("run `almoner verify --deep`, which names what has changed"),
            E::Lines(_) => Self::new(Kind::Failed, error),
        }
    }
}
