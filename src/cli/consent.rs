//! `almoner consent`: import, grant, withdraw, show, explain.
//!
//! Comes in: a file, or one person's decision. Goes out: what was recorded, or why yes or no.
//! Never: a person's id in an error.

use std::{path::PathBuf, sync::Arc};

use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use super::{Context, Failure, Kind, Table, open_site, output::Format};
use crate::{
    consent::{Action, Decision, Event, Held, InputFormat, Terms},
    instant::{Date, Instant},
    party::{ContributorId, InstitutionId},
    pipeline::consent as act,
    purpose::Purpose,
};

/// How many faults of a file are shown.
const FAULTS_SHOWN_MAX: usize = 100;

/// Record and explain what people consent to
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Import decisions from a CSV or NDJSON file, all of it or nothing
    #[command(after_help = "\
Columns (CSV header) or members (NDJSON):
  contributor   the person, as `person` columns name them (with the pipeline's namespace)
  action        grant or withdraw
  purposes      DUO codes between `|`; in a withdrawal `*` or nothing for all
  institutions  ids between `|`; `*` or nothing for all
  categories    categories of data between `|`; `*` or nothing for all
  valid_from    first day, nothing for the day it was decided
  valid_until   first day after the last one, nothing for no end
  decided_at    RFC 3339

Examples:
  almoner consent import consents.csv
  almoner consent import --input-format ndjson decisions.txt")]
    Import(ImportArgs),
    /// Record that a person permits a use
    #[command(after_help = "\
Examples:
  almoner consent grant p-117 --purpose HMB
  almoner consent grant p-117 --purpose DUO:0000007=MONDO:0005148 --institution north-shore \\
      --category conditions --until 2028-01-01")]
    Grant(GrantArgs),
    /// Record that a person takes consent back, all of it or what the options name
    #[command(after_help = "\
Examples:
  almoner consent withdraw p-117
  almoner consent withdraw p-117 --purpose HMB --institution north-shore")]
    Withdraw(WithdrawArgs),
    /// Show every decision of a person
    #[command(after_help = "Example:\n  almoner consent show p-117 --format json")]
    Show(ShowArgs),
    /// Say in plain words why a person's records may be used, or not
    #[command(after_help = "\
Example:
  almoner consent explain p-117 --purpose HMB --institution north-shore --category conditions")]
    Explain(ExplainArgs),
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// The file; gzip and zstd are unpacked
    file: PathBuf,
    /// How the file is written [default: by its name]
    #[arg(long, value_enum)]
    input_format: Option<Input>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Input {
    Csv,
    Ndjson,
}

#[derive(Debug, clap::Args)]
struct GrantArgs {
    /// The person
    person: String,
    /// A DUO code or shorthand, such as DUO:0000006 or HMB; may be given more than once
    #[arg(long = "purpose", value_name = "DUO", required = true)]
    purposes: Vec<String>,
    /// An institution that may contribute the person's records [default: all]
    #[arg(long = "institution", value_name = "ID")]
    institutions: Vec<String>,
    /// A category of data [default: all]
    #[arg(long = "category", value_name = "NAME")]
    categories: Vec<String>,
    /// The first day on which it holds [default: the day it was decided]
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// The first day on which it no longer holds [default: no end]
    #[arg(long, value_name = "DATE")]
    until: Option<Date>,
    /// When the person decided, RFC 3339 [default: now]
    #[arg(long, value_name = "INSTANT")]
    decided_at: Option<String>,
}

#[derive(Debug, clap::Args)]
struct WithdrawArgs {
    /// The person
    person: String,
    /// A DUO code or shorthand that is taken back [default: all]
    #[arg(long = "purpose", value_name = "DUO")]
    purposes: Vec<String>,
    /// An institution whose records are taken back [default: all]
    #[arg(long = "institution", value_name = "ID")]
    institutions: Vec<String>,
    /// A category of data that is taken back [default: all]
    #[arg(long = "category", value_name = "NAME")]
    categories: Vec<String>,
    /// When the person decided, RFC 3339 [default: now]
    #[arg(long, value_name = "INSTANT")]
    decided_at: Option<String>,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The person
    person: String,
}

#[derive(Debug, clap::Args)]
struct ExplainArgs {
    /// The person
    person: String,
    /// A purpose or condition of the use; may be given more than once
    #[arg(long = "purpose", value_name = "DUO", required = true)]
    purposes: Vec<String>,
    /// Whose records
    #[arg(long, value_name = "ID")]
    institution: String,
    /// Of which category
    #[arg(long, value_name = "NAME")]
    category: String,
    /// On which day [default: today]
    #[arg(long, value_name = "DATE")]
    on: Option<Date>,
}

/// Runs the command.
pub fn run(args: Args, context: &mut Context<'_>) -> Result<(), Failure> {
    match args.act {
        Act::Import(args) => import(&args, context),
        Act::Grant(args) => grant(&args, context),
        Act::Withdraw(args) => withdraw(&args, context),
        Act::Show(args) => show(&args, context),
        Act::Explain(args) => explain(&args, context),
    }
}

fn import(args: &ImportArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = open_site(&context.global)?;
    let format = args.input_format.map(|format| match format {
        Input::Csv => InputFormat::Csv,
        Input::Ndjson => InputFormat::Ndjson,
    });
    let outcome = act::import(&site, &args.file, format).map_err(failure)?;
    tell(&outcome, context)
}

fn grant(args: &GrantArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = open_site(&context.global)?;
    let terms = terms(&args.purposes, &args.institutions, &args.categories)?;
    let decided = decided(args.decided_at.as_deref(), site.now())?;
    let person = person(&args.person)?;
    let event = Event::new(person, Action::Grant, terms, args.from, args.until, decided);
    let event = event.map_err(|e| Failure::new(Kind::Usage, e))?;
    tell(&act::decide(&site, vec![event]).map_err(failure)?, context)
}

fn withdraw(args: &WithdrawArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = open_site(&context.global)?;
    let terms = terms(&args.purposes, &args.institutions, &args.categories)?;
    let decided = decided(args.decided_at.as_deref(), site.now())?;
    let person = person(&args.person)?;
    let event = Event::new(person, Action::Withdraw, terms, None, None, decided);
    let event = event.map_err(|e| Failure::new(Kind::Usage, e))?;
    tell(&act::decide(&site, vec![event]).map_err(failure)?, context)
}

fn show(args: &ShowArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = open_site(&context.global)?;
    let held = act::show(&site, &person(&args.person)?).map_err(failure)?;
    let Some(held) = held else {
        if context.global.format == Format::Table {
            writeln!(context.out, "the register holds no decision of this person")?;
            return Ok(());
        }
        return Ok(Table::new(HEADERS).write::<[Line; 0]>(
            context.global.format,
            &[],
            context.out,
        )?);
    };
    let lines: Vec<Line> = held.iter().map(|held| Line::new(held, None)).collect();
    let mut table = Table::new(HEADERS);
    for line in &lines {
        table.row(line.cells());
    }
    Ok(table.write(context.global.format, &lines, context.out)?)
}

fn explain(args: &ExplainArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = open_site(&context.global)?;
    let institution = InstitutionId::parse(&args.institution)
        .map_err(|e| Failure::new(Kind::Usage, format!("`--institution`: {e}")))?;
    let on = args.on.unwrap_or_else(|| site.now().date());
    let purposes = purposes(&args.purposes)?;
    let person = person(&args.person)?;
    let found = act::explain(&site, &person, &purposes, &institution, &args.category, on)
        .map_err(failure)?;
    let (permit, reason, words) = match found.decision {
        Decision::Permit => (true, "permit", "consent stands"),
        Decision::Refuse(refusal) => (false, refusal.as_str(), refusal.words()),
    };
    let lines: Vec<Line> = found.events.iter().map(|(h, text)| Line::new(h, Some(text))).collect();
    let answer = Answer { permit, reason, words, on, events: &lines };
    let mut table = Table::new(HEADERS.into_iter().chain(["so it"]));
    for line in &lines {
        table.row(line.cells());
    }
    if context.global.format == Format::Table {
        let yes = if permit { "yes" } else { "no" };
        let wanted: Vec<String> = purposes.iter().map(Purpose::label).collect();
        let (category, wanted) = (&args.category, wanted.join(", "));
        writeln!(context.out, "{yes}: {words}")?;
        writeln!(context.out, "use: {category} of {institution} on {on} for {wanted}")?;
        if lines.is_empty() {
            return Ok(());
        }
        writeln!(context.out)?;
    }
    Ok(table.write(context.global.format, &answer, context.out)?)
}

const HEADERS: [&str; 9] = [
    "no",
    "action",
    "purposes",
    "institutions",
    "categories",
    "from",
    "until",
    "decided",
    "recorded",
];

/// One decision, as it is written out. The person is not repeated.
#[derive(Debug, Serialize)]
struct Line {
    seq: u64,
    action: Action,
    purposes: String,
    institutions: String,
    categories: String,
    valid_from: Date,
    valid_until: Option<Date>,
    decided_at: Instant,
    recorded_at: Instant,
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    effect: Option<String>,
}

#[derive(Debug, Serialize)]
struct Answer<'a> {
    permit: bool,
    reason: &'a str,
    words: &'a str,
    on: Date,
    events: &'a [Line],
}

impl Line {
    fn new(held: &Held, effect: Option<&String>) -> Self {
        let event = &held.event;
        Self {
            seq: held.seq,
            action: event.action(),
            purposes: event.terms().purposes_text(),
            institutions: event.terms().institutions_text(),
            categories: event.terms().categories_text(),
            valid_from: event.valid_from(),
            valid_until: event.valid_until(),
            decided_at: event.decided_at(),
            recorded_at: held.recorded_at,
            source: held.source.clone(),
            effect: effect.cloned(),
        }
    }

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![
            self.seq.to_string(),
            self.action.to_string(),
            self.purposes.clone(),
            self.institutions.clone(),
            self.categories.clone(),
            self.valid_from.to_string(),
            self.valid_until.map(|date| date.to_string()).unwrap_or_default(),
            self.decided_at.to_string(),
            self.recorded_at.to_string(),
        ];
        cells.extend(self.effect.clone());
        cells
    }
}

fn tell(outcome: &act::Outcome, context: &mut Context<'_>) -> Result<(), Failure> {
    if outcome.commits.is_empty() && context.global.format == Format::Table {
        if !context.global.quiet {
            writeln!(
                context.out,
                "nothing new: the register holds all {} decisions",
                outcome.known
            )?;
        }
        return Ok(());
    }
    let mut table = Table::new(["grants", "withdrawals", "known", "new people", "commits"]);
    let commits: Vec<String> = outcome.commits.iter().map(u64::to_string).collect();
    let counts = [outcome.grants, outcome.withdrawals, outcome.known, outcome.people_new];
    table.row(counts.iter().map(u64::to_string).chain([commits.join(" ")]));
    Ok(table.write(context.global.format, outcome, context.out)?)
}

fn person(text: &str) -> Result<ContributorId, Failure> {
    ContributorId::parse(text).map_err(|e| Failure::new(Kind::Usage, format!("PERSON: {e}")))
}

fn purposes(texts: &[String]) -> Result<Vec<Purpose>, Failure> {
    let read = texts.iter().map(|text| Purpose::named(text)).collect::<Result<Vec<_>, _>>();
    read.ok().filter(|purposes| purposes.iter().all(|purpose| purpose.term().is_some())).ok_or_else(
        || {
            Failure::new(Kind::Usage, "`--purpose` holds no DUO code or shorthand")
                .hint("HMB is DUO:0000006, health, medical or biomedical research")
        },
    )
}

fn terms(
    texts: &[String],
    institutions: &[String],
    categories: &[String],
) -> Result<Arc<Terms>, Failure> {
    let purposes = purposes(texts)?;
    let institutions = institutions.iter().map(|id| InstitutionId::parse(id));
    let institutions = institutions
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| Failure::new(Kind::Usage, format!("`--institution`: {e}")))?;
    let institutions = Some(institutions).filter(|list| !list.is_empty());
    let categories = Some(categories.to_vec()).filter(|list| !list.is_empty());
    let terms = Terms::new(purposes, institutions, categories);
    Ok(Arc::new(terms.map_err(|e| Failure::new(Kind::Usage, e))?))
}

fn decided(text: Option<&str>, now: Instant) -> Result<Instant, Failure> {
    let Some(text) = text else { return Ok(now) };
    Instant::parse(text).map_err(|e| Failure::new(Kind::Usage, format!("`--decided-at`: {e}")))
}

impl From<act::Error> for Failure {
    fn from(error: act::Error) -> Self {
        failure(error)
    }
}

fn failure(error: act::Error) -> Failure {
    use crate::consent::Error as C;
    use act::Error as E;
    match error {
        E::Site(error) => error.into(),
        E::Consent(C::Store(error)) => error.into(),
        E::Consent(error @ (C::Changed { .. } | C::Format { .. })) => {
            Failure::new(Kind::Integrity, error)
        }
        E::Consent(error) => Failure::new(Kind::Failed, error),
        E::Faults { file, faults } => {
            let name = file.display().to_string();
            let mut reports: Vec<miette::Report> = faults
                .iter()
                .take(FAULTS_SHOWN_MAX)
                .map(|fault| miette::Report::msg(format!("`{name}` {fault}")))
                .collect();
            if let Some(more @ 1..) = faults.len().checked_sub(FAULTS_SHOWN_MAX) {
                reports.push(miette::Report::msg(format!("`{name}` has {more} more faults")));
            }
            Failure::new(Kind::Invalid, E::Faults { file, faults })
                .hint("mend the lines and import the file again; `almoner consent import --help` has the columns")
                .reports(reports)
        }
        error @ E::Format(_) => {
            Failure::new(Kind::Usage, error).hint("say `--input-format csv` or `ndjson`")
        }
        error @ E::Clock { .. } => Failure::new(Kind::Failed, error)
            .hint("set the clock, or give `--now` an instant that is not in the past"),
        error @ E::Read { .. } => Failure::new(Kind::Failed, error),
    }
}
