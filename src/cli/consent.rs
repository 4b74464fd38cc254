//! `almoner consent`: import, grant, withdraw, show, explain.
//!
//! Comes in: a file, or one person's decision. Goes out: what was recorded, or why yes or no.
//! Never: a person's id in an error.

mod explain;
mod fhir;

use std::{path::PathBuf, sync::Arc};

use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use super::{Context, Failure, Kind, Table, open_site, output::Format};
use crate::{
    consent::{Action, Event, Held, InputFormat, Terms},
    instant::{Date, Instant},
    party::{ContributorId, InstitutionId},
    pipeline::{consent as act, linkage},
    purpose::Purpose,
    site::Site,
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
    /// Import decisions from CSV or NDJSON, or FHIR Consents, all of it or nothing
    #[command(after_help = "\
Columns (CSV header) or members (NDJSON):
  contributor   the person, as `person` columns name them (with the pipeline's namespace)
  action        grant or withdraw; opt-out (of every secondary use) or opt-in
  purposes      DUO codes between `|`; in a withdrawal `*` or nothing for all
  institutions  ids between `|`; `*` or nothing for all
  categories    categories of data between `|`; `*` or nothing for all
  valid_from    first day, nothing for the day it was decided
  valid_until   first day after the last one, nothing for no end
  decided_at    RFC 3339

FHIR Consents (R4 and R5; NDJSON, a Bundle, or one resource) grant what a DUO code, an
institution, a category and days can say; whatever restricts records in another way grants nothing,
and the result says so for each. A newer Consent replaces an older one.

Examples:
  almoner consent import consents.csv
  almoner consent import --input-format ndjson decisions.txt
  almoner consent import --institution north-shore north-shore/consents.csv
  almoner consent import '{institution}/consents.csv'

  almoner consent import --input-format fhir --institution north-shore Consent.ndjson.gz
  almoner consent import --input-format fhir 'export/{institution}/Consent.ndjson*'")]
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
    /// Record that a person keeps out of every secondary use, whatever is or will be granted
    #[command(after_help = "Example:\n  almoner consent opt-out p-117")]
    OptOut(OptArgs),
    /// Record that a person ends an opt-out
    #[command(after_help = "Example:\n  almoner consent opt-in p-117")]
    OptIn(OptArgs),
    /// Show every decision of a person
    #[command(after_help = "Example:\n  almoner consent show p-117 --format json")]
    Show(ShowArgs),
    /// Say in plain words why a person's records may be used, or not
    #[command(after_help = "\
Examples:
  almoner consent explain p-117 --purpose HMB
  almoner consent explain p-117 --purpose HMB --institution north-shore --category conditions
  almoner consent explain p-117 --purpose HMB --on 2026-03-01 --as-of 2026-03-01T12:00:00Z
  almoner consent explain p-117 --purpose HMB --dataset diabetes@2 --pass ada.pass")]
    Explain(explain::Args),
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// The file; gzip and zstd are unpacked. FHIR Consents may be several, patterns, or a path with
    /// {institution} in the place of a folder
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How the file is written [default: by its name]
    #[arg(long, value_enum)]
    input_format: Option<Input>,
    /// The institution whose own ids name people: the person index says who that is; decisions under
    /// an id that is not linked are left out and counted, to be imported again once it is
    #[arg(long, value_name = "ID")]
    institution: Option<String>,
    /// What ids of FHIR Consents that are not linked are prefixed with, as the pipeline says
    #[arg(long, value_name = "NAME", default_value = "")]
    namespace: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Input {
    Csv,
    Ndjson,
    Fhir,
}

#[derive(Debug, clap::Args)]
struct GrantArgs {
    /// The person, or a record of theirs as INSTITUTION/ID
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
    /// The person, or a record of theirs as INSTITUTION/ID
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
struct OptArgs {
    /// The person, or a record of theirs as INSTITUTION/ID
    person: String,
    /// When the person decided, RFC 3339 [default: now]
    #[arg(long, value_name = "INSTANT")]
    decided_at: Option<String>,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The person, or a record of theirs as INSTITUTION/ID
    person: String,
}

/// Runs the command.
pub fn run(args: Args, context: &mut Context<'_>) -> Result<(), Failure> {
    match args.act {
        Act::Import(args) => import(&args, context),
        Act::Grant(args) => grant(&args, context),
        Act::Withdraw(args) => withdraw(&args, context),
        Act::Show(args) => show(&args, context),
        Act::OptOut(args) => opt(&args, Action::OptOut, context),
        Act::OptIn(args) => opt(&args, Action::OptIn, context),
        Act::Explain(args) => explain::run(&args, context),
    }
}

fn import(args: &ImportArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = open_site(&context.global)?;
    let institution = args.institution.as_deref().map(InstitutionId::parse).transpose();
    let institution =
        institution.map_err(|e| Failure::new(Kind::Usage, format!("`--institution`: {e}")))?;
    let institution = institution.as_ref();
    let format = match args.input_format {
        Some(Input::Fhir) => return fhir::import(&site, args, institution, context),
        Some(Input::Csv) => Some(InputFormat::Csv),
        Some(Input::Ndjson) => Some(InputFormat::Ndjson),
        None => None,
    };
    if !args.namespace.is_empty() {
        return Err(Failure::new(Kind::Usage, "`--namespace` is for --input-format fhir")
            .hint("a table of decisions names contributors as they are"));
    }
    let mut outcome = act::Outcome::default();
    for source in act::sources(&args.files, institution).map_err(failure)? {
        let own = source.institution.as_ref();
        outcome.add(act::import(&site, &source.file, format, own).map_err(failure)?);
    }
    tell(&outcome, context)
}

fn grant(args: &GrantArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = open_site(&context.global)?;
    let terms = terms(&args.purposes, &args.institutions, &args.categories)?;
    let decided = decided(args.decided_at.as_deref(), site.now())?;
    let person = linkage::person(&site, &args.person)?;
    let event = Event::new(person, Action::Grant, terms, args.from, args.until, decided);
    let event = event.map_err(|e| Failure::new(Kind::Usage, e))?;
    tell(&act::decide(&site, vec![event]).map_err(failure)?, context)
}

fn withdraw(args: &WithdrawArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = open_site(&context.global)?;
    let terms = terms(&args.purposes, &args.institutions, &args.categories)?;
    let decided = decided(args.decided_at.as_deref(), site.now())?;
    let person = linkage::person(&site, &args.person)?;
    let event = Event::new(person, Action::Withdraw, terms, None, None, decided);
    let event = event.map_err(|e| Failure::new(Kind::Usage, e))?;
    let contributor = event.contributor().clone();
    let outcome = act::decide(&site, vec![event]).map_err(failure)?;
    take_back(&site, &outcome, &contributor, context)
}

fn opt(args: &OptArgs, action: Action, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = open_site(&context.global)?;
    let all = terms(&[], &[], &[])?;
    let decided = decided(args.decided_at.as_deref(), site.now())?;
    let person = linkage::person(&site, &args.person)?;
    let event = Event::new(person.clone(), action, all, None, None, decided);
    let event = event.map_err(|e| Failure::new(Kind::Usage, e))?;
    let outcome = act::decide(&site, vec![event]).map_err(failure)?;
    if action.gives() {
        tell(&outcome, context)
    } else {
        take_back(&site, &outcome, &person, context)
    }
}

/// Tells what was taken back, and what cannot be: releases that hold the person already.
fn take_back(
    site: &Site,
    outcome: &act::Outcome,
    person: &ContributorId,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Taken<'a> {
        #[serde(flatten)]
        outcome: &'a act::Outcome,
        not_recallable: &'a [act::Release],
    }
    let released = act::releases(site, person).map_err(failure)?;
    if context.global.format == Format::Table {
        tell(outcome, context)?;
        return released_lines(&released, context);
    }
    Ok(outcome_table(outcome).write(
        context.global.format,
        &Taken { outcome, not_recallable: &released },
        context.out,
    )?)
}

/// Says which releases hold a person already.
fn released_lines(released: &[act::Release], context: &mut Context<'_>) -> Result<(), Failure> {
    if released.is_empty() {
        return Ok(());
    }
    writeln!(
        context.out,
        "\nreleased before, and not recallable; the next version leaves them out:"
    )?;
    for release in released {
        let act::Release { dataset, version, released } = release;
        writeln!(context.out, "  {dataset}@{version}  {}", released.date())?;
    }
    Ok(())
}

fn show(args: &ShowArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = open_site(&context.global)?;
    let held = act::show(&site, &linkage::person(&site, &args.person)?).map_err(failure)?;
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
    if outcome.commits.is_empty()
        && outcome.not_linked == 0
        && context.global.format == Format::Table
    {
        if !context.global.quiet {
            writeln!(
                context.out,
                "nothing new: the register holds all {} decisions",
                outcome.known
            )?;
        }
        return Ok(());
    }
    Ok(outcome_table(outcome).write(context.global.format, outcome, context.out)?)
}

fn outcome_table(outcome: &act::Outcome) -> Table {
    let mut table =
        Table::new(["grants", "withdrawals", "known", "not linked", "new people", "commits"]);
    let commits: Vec<String> = outcome.commits.iter().map(u64::to_string).collect();
    let counts = [
        outcome.grants,
        outcome.withdrawals,
        outcome.known,
        outcome.not_linked,
        outcome.people_new,
    ];
    table.row(counts.iter().map(u64::to_string).chain([commits.join(" ")]));
    table
}

fn purposes(texts: &[String]) -> Result<Vec<Purpose>, Failure> {
    let read = texts.iter().map(|text| Purpose::named(text)).collect::<Result<Vec<_>, _>>();
    read.ok().filter(|purposes| purposes.iter().all(Purpose::is_known)).ok_or_else(|| {
        Failure::new(Kind::Usage, "`--purpose` holds no DUO code or shorthand").hint(
            "HMB is DUO:0000006, health, medical or biomedical research; HL7:HPAYMT is payment",
        )
    })
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
        E::Linkage(error) => linkage::Error::from(error).into(),
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
            Failure::new(Kind::Usage, error).hint("say `--input-format csv`, `ndjson` or `fhir`")
        }
        error @ E::NothingFound { .. } => Failure::new(Kind::Usage, error)
            .hint("quote a pattern; {institution} stands for one folder's whole name"),
        E::Lake(error) => error.into(),
        error @ E::Clock { .. } => Failure::new(Kind::Failed, error)
            .hint("set the clock, or give `--now` an instant that is not in the past"),
        error @ (E::Event | E::Read { .. }) => Failure::new(Kind::Failed, error),
    }
}
