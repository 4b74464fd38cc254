//! `almoner linkage`: run, review, merge, split, show, evaluate.
//!
//! Comes in: a pipeline, or a steward's decision. Goes out: who is whom, as ids and weights.
//! Never: a name, a birthday, a token, or an id in an error.

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;

use super::{Context, Failure, Kind, Table, output::Format};
use crate::{
    linkage::{Doubt, Level, Quality},
    pipeline::{linkage as act, spec::Spec},
};

/// Link the records of one person at several institutions
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Link the people of a pipeline: new records get their person, known ones keep theirs
    #[command(after_help = "\
A pipeline says in [linkage] which table tells who people are:
  table         the table of demographics; its `person` column holds the institution's own ids
  given, family, birth_date, sex, address, city, postal_code, phone, email
                its columns, as far as it has them
  identifiers   columns of numbers that institutions share, such as [\"ssn\"]
  documents     columns of passports, licences and state ids
  match         bits from which two records are one person [default: 24]
  review        bits from which they are put to the steward [default: 17]
  same_institution
                when two records of one institution may be of one person: `identifier` (the same
                one), `never` [default: identifier]

Examples:
  almoner linkage run pipelines/demo.toml --input input
  almoner linkage run pipelines/demo.toml --input input --dry-run --format json")]
    Run(RunArgs),
    /// List the pairs of records that are in doubt: ids, weights, levels, no values
    #[command(after_help = "\
Of each field it says how well the two agree and what that weighs in bits. Decide with
`almoner linkage merge A B` or `almoner linkage split A B`.

Example:
  almoner linkage review --limit 20")]
    Review {
        /// How many pairs are listed, the heaviest first
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Record that two people are one; undone by `split`
    #[command(after_help = "\
Example:
  almoner linkage merge north-shore/4711 lake-county/98 --reason 'both passports seen'")]
    Merge {
        /// A person, or a record as INSTITUTION/ID
        a: String,
        /// Another
        b: String,
        /// Why; it stays in the vault
        #[arg(long)]
        reason: String,
    },
    /// Record that a record is not of a person, and keep them apart; undone by `merge`
    #[command(after_help = "\
Example:
  almoner linkage split north-shore/4711 lake-county/98 --reason 'twins'")]
    Split {
        /// A person, or a record as INSTITUTION/ID
        person: String,
        /// A record as INSTITUTION/ID
        member: String,
        /// Why; it stays in the vault
        #[arg(long)]
        reason: String,
    },
    /// Show a person's records
    #[command(after_help = "Example:\n  almoner linkage show north-shore/4711")]
    Show {
        /// A person, or a record as INSTITUTION/ID
        person: String,
    },
    /// Compare linkage with a truth: precision and recall over pairs, at several thresholds
    #[command(after_help = "\
Example:
  almoner linkage evaluate pipelines/demo.toml --input input --truth input/truth.csv")]
    Evaluate {
        /// The pipeline's file
        pipeline: PathBuf,
        /// The folder that the pipeline's paths are in
        #[arg(long, value_name = "DIR", default_value = ".")]
        input: PathBuf,
        /// CSV with the columns `institution`, `local_id`, `person`
        #[arg(long, value_name = "FILE")]
        truth: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// The pipeline's file
    pipeline: PathBuf,
    /// The folder that the pipeline's paths are in
    #[arg(long, value_name = "DIR", default_value = ".")]
    input: PathBuf,
    /// Say what would be linked, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    match &args.act {
        Act::Run(args) => link(args, context),
        Act::Review { limit } => review(*limit, context),
        Act::Merge { a, b, reason } => {
            let change = act::merge(&context.site()?, a, b, reason)?;
            tell(&change, context)
        }
        Act::Split { person, member, reason } => {
            let change = act::split(&context.site()?, person, member, reason)?;
            tell(&change, context)
        }
        Act::Show { person } => show(person, context),
        Act::Evaluate { pipeline, input, truth } => evaluate(pipeline, input, truth, context),
    }
}

fn link(args: &RunArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let spec = Spec::read(&args.pipeline)?;
    let site = context.site()?;
    let bar = context.bar("linkage");
    let done = act::run(&site, &spec, &args.input, args.dry_run, &bar)?;
    drop(bar);
    let counts = done.counts;
    let mut table = Table::new(["", "count"]);
    for (name, count) in [
        ("records", counts.records),
        ("new", counts.records_new),
        ("changed", counts.records_changed),
        ("people", counts.people),
        ("new", counts.people_new),
        ("seen at 2 or more institutions", counts.people_several),
        ("pairs compared", counts.pairs_compared),
        ("pairs for review", counts.pairs_review),
        ("blocks left out", counts.blocks_left_out),
    ] {
        table.row([name.to_owned(), count.to_string()]);
    }
    table.write(context.global.format, &done, context.out)?;
    match done.commit {
        Some(number) => writeln!(context.err, "commit {number} of the person index")?,
        None if args.dry_run => writeln!(context.err, "nothing was written")?,
        None => writeln!(context.err, "nothing new")?,
    }
    Ok(())
}

/// A pair in doubt, as it is written out.
#[derive(Debug, Serialize)]
struct Line {
    a: String,
    b: String,
    bits: String,
    fields: Vec<FieldLine>,
}

#[derive(Debug, Serialize)]
struct FieldLine {
    field: &'static str,
    level: &'static str,
    bits: String,
}

impl Line {
    fn new(doubt: &Doubt) -> Self {
        let name = |(institution, local): &(_, String)| format!("{institution}/{local}");
        let said = doubt.fields.iter().filter(|(_, level, _)| *level != Level::Missing);
        let field = |(field, level, weight): &(crate::linkage::Field, Level, i64)| FieldLine {
            field: field.as_str(),
            level: level.as_str(),
            bits: bits(*weight),
        };
        Self {
            a: name(&doubt.a),
            b: name(&doubt.b),
            bits: bits(doubt.weight),
            fields: said.map(field).collect(),
        }
    }
}

/// Writes hundredths of a bit as bits.
fn bits(centibits: i64) -> String {
    let sign = if centibits < 0 { "-" } else { "" };
    let size = centibits.unsigned_abs();
    format!("{sign}{}.{:02}", size / 100, size % 100)
}

fn review(limit: usize, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    let doubts = act::review(&site)?;
    let lines: Vec<Line> = doubts.iter().take(limit).map(Line::new).collect();
    if lines.is_empty() && context.global.format == Format::Table {
        writeln!(context.err, "no pair is in doubt")?;
        return Ok(());
    }
    let mut table = Table::new(["a", "b", "bits", "fields"]);
    for line in &lines {
        let fields = line.fields.iter().map(|f| format!("{} {} {}", f.field, f.level, f.bits));
        let fields = fields.collect::<Vec<_>>().join(", ");
        table.row([line.a.clone(), line.b.clone(), line.bits.clone(), fields]);
    }
    table.write(context.global.format, &lines, context.out)?;
    if let Some(more @ 1..) = doubts.len().checked_sub(lines.len()) {
        writeln!(context.err, "{more} more pairs are in doubt")?;
    }
    Ok(())
}

fn tell(change: &act::Change, context: &mut Context<'_>) -> Result<(), Failure> {
    let mut table = Table::new(["records moved", "commit"]);
    let commit = change.commit.map_or_else(|| "it stood so already".to_owned(), |n| n.to_string());
    table.row([change.records.to_string(), commit]);
    Ok(table.write(context.global.format, change, context.out)?)
}

/// A person, as they are written out.
#[derive(Debug, Serialize)]
struct PersonLine<'a> {
    person: &'a str,
    aliases: Vec<&'a str>,
    records: Vec<String>,
}

fn show(person: &str, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    let shown = act::show(&site, person)?;
    let line = PersonLine {
        person: shown.person.as_str(),
        aliases: shown.aliases.iter().map(crate::party::ContributorId::as_str).collect(),
        records: shown.records.iter().map(|(id, local)| format!("{id}/{local}")).collect(),
    };
    let mut table = Table::new(["person", "also", "record"]);
    for record in &line.records {
        table.row([line.person.to_owned(), line.aliases.join(" "), record.clone()]);
    }
    Ok(table.write(context.global.format, &line, context.out)?)
}

/// The quality of a linkage, as it is written out.
#[derive(Debug, Serialize)]
struct QualityLine {
    linkage: String,
    is_default: bool,
    precision: String,
    recall: String,
    f1: String,
    #[serde(flatten)]
    counts: Quality,
}

impl QualityLine {
    fn new(linkage: String, is_default: bool, counts: Quality) -> Self {
        let share = |share: f64| format!("{share:.5}");
        Self {
            linkage,
            is_default,
            precision: share(counts.precision()),
            recall: share(counts.recall()),
            f1: share(counts.f1()),
            counts,
        }
    }
}

fn evaluate(
    pipeline: &std::path::Path,
    input: &std::path::Path,
    truth: &std::path::Path,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let spec = Spec::read(pipeline)?;
    let site = context.site()?;
    let bar = context.bar("linkage");
    let found = act::evaluate(&site, &spec, input, truth, &bar)?;
    drop(bar);
    let curve = found.curve.iter().map(|(threshold, quality)| {
        let name = format!("match {}", bits(i64::from(*threshold)));
        QualityLine::new(name, *threshold == found.threshold, *quality)
    });
    let index = found.index.map(|q| QualityLine::new("person index".to_owned(), false, q));
    let lines: Vec<QualityLine> = curve.chain(index).collect();
    let mut table =
        Table::new(["linkage", "precision", "recall", "F1", "true pairs", "found", "right"]);
    for line in &lines {
        let mark = if line.is_default { " *" } else { "" };
        let counts = line.counts;
        table.row([
            format!("{}{mark}", line.linkage),
            line.precision.clone(),
            line.recall.clone(),
            line.f1.clone(),
            counts.pairs_true.to_string(),
            counts.pairs_found.to_string(),
            counts.pairs_right.to_string(),
        ]);
    }
    table.write(context.global.format, &lines, context.out)?;
    let (compared, left_out) = found.counts;
    writeln!(
        context.err,
        "{compared} pairs compared, {left_out} blocks left out; * the pipeline's"
    )?;
    Ok(())
}

impl From<act::Error> for Failure {
    fn from(error: act::Error) -> Self {
        use crate::{consent::Error as C, linkage::Error as L};
        use act::Error as E;
        match error {
            E::Site(error) => error.into(),
            E::Folders(error) => error.into(),
            E::Linkage(L::Store(error)) | E::Consent(C::Store(error)) => error.into(),
            E::Linkage(error @ (L::Changed { .. } | L::Format { .. })) => {
                Self::new(Kind::Integrity, error)
            }
            E::Consent(error @ (C::Changed { .. } | C::Format { .. })) => {
                Self::new(Kind::Integrity, error)
            }
            E::Source(_) | E::Conform(_) | E::Truth { .. } => Self::new(Kind::Invalid, error),
            E::NoLinkage(_) => Self::new(Kind::Invalid, error).hint(
                "say which table and columns tell who people are: `almoner linkage run --help`",
            ),
            E::Id(_) | E::NotARecord => Self::new(Kind::Usage, error),
            E::NoRecord(_) | E::NoPerson => Self::new(Kind::Usage, error)
                .hint("name a record as INSTITUTION/ID; `almoner linkage run` links new records"),
            E::OnlyRecord => Self::new(Kind::Refused, error),
            E::Linkage(_) | E::Consent(_) => Self::new(Kind::Failed, error),
            error @ E::Clock { .. } => Self::new(Kind::Failed, error)
                .hint("set the clock right, or give --now an instant that is not in the past"),
        }
    }
}
