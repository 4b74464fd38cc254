//! `almoner risk`: what could still be learnt from a version or a file, and an expert's signed word on it.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use serde::Serialize;

use super::{Context, Failure, Format, Kind, Table};
use crate::{
    digest::Sha256,
    pipeline::risk::{self, Ask, Determined, Population, Told, Verified},
    report::{Lang, RiskFigures, RiskReport, RiskSigned, RiskSubject, RiskUnique, json, risk_page},
    signed_note::Verifier,
    site::Site,
};

/// Tell what could be learnt from a version or a file, and sign that the risk is very small
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
How likely somebody is recognised (prosecutor, journalist, marketer), who is unique in the data and, by \
four models, in the population, which few columns single out, what people who look alike give away, the \
three tests of the data-protection authorities, and what is left of each column. The figures decide \
nothing by themselves: an expert does, who signs the report with a key of their own. The entry of the \
public book holds the key; `almoner audit` checks that what was signed is the version that is there.

Examples:
  almoner risk diabetes
  almoner risk diabetes@2 --html risk.html --lang de
  almoner risk rows.csv --quasi age,sex,zip --sensitive diagnosis --region germany --format json
  almoner risk rows.csv --hierarchies hierarchies --population 40000
  almoner risk new-key expert.key
  almoner risk diabetes@2 --sign expert.key --by 'Dr. Ada Example' --out determination.json
  almoner risk verify determination.json"
)]
pub struct Args {
    #[command(subcommand)]
    act: Option<Act>,
    /// `dataset`, `dataset@version`, or a file of rows
    #[arg(required = true, value_name = "DATASET|FILE")]
    what: Option<String>,
    /// The columns of a file that others may know
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS")]
    quasi: Vec<String>,
    /// A folder of files `*_hierarchy_COLUMN.csv` that name them instead
    #[arg(long, value_name = "DIR", conflicts_with = "quasi")]
    hierarchies: Option<PathBuf>,
    /// The columns of a file that nobody should learn
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS")]
    sensitive: Vec<String>,
    /// How many people at the least are to look alike in a file
    #[arg(long, value_name = "K", default_value_t = 1)]
    k: u64,
    /// The people of the population that the data are drawn from
    #[arg(long, value_name = "PEOPLE", conflicts_with = "region")]
    population: Option<u64>,
    /// The population by its region: us, germany, eu, uk, france, canada, …
    #[arg(long, default_value = "us")]
    region: String,
    /// Write the page here, and the same as JSON beside it
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The page's language: en or de
    #[arg(long, default_value_t = Lang::En)]
    lang: Lang,
    /// Sign the report of a version with an expert's key
    #[arg(long, value_name = "KEYFILE", requires = "by")]
    sign: Option<PathBuf>,
    /// Who signs
    #[arg(long, value_name = "NAME", requires = "sign")]
    by: Option<String>,
    /// Write the signed report here
    #[arg(long, value_name = "FILE", requires = "sign")]
    out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Check a signed report; with --site its entry in the book, too
    Verify {
        /// The signed report
        file: PathBuf,
        /// The expert's key as you know it [default: the one that the report names]
        #[arg(long, value_name = "VKEY")]
        key: Option<String>,
    },
    /// Make an expert's key in a new file and print its public half
    NewKey {
        /// The file
        file: PathBuf,
    },
}

/// Runs the command.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    match &args.act {
        Some(Act::Verify { file, key }) => verify(file, key.as_deref(), context),
        Some(Act::NewKey { file }) => {
            let key = risk::new_key(file)?.vkey();
            let mut table = Table::new(["key"]);
            table.row([key.clone()]);
            table.write(context.global.format, &serde_json::json!({ "key": key }), context.out)?;
            writeln!(
                context.err,
                "keep `{}` to yourself: whoever has it can sign",
                file.display()
            )?;
            Ok(())
        }
        None => measure(args, context),
    }
}

/// A report with who signed it.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    report: &'a RiskReport,
    determinations: &'a [RiskSigned],
}

fn measure(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let what = args.what.as_deref().unwrap_or_default();
    let population = match args.population {
        Some(people) => Population::given(people),
        None => args.region.parse().map_err(|e| Failure::new(Kind::Usage, e))?,
    };
    // A table for people does not show it, so it need not wait for it.
    let is_kept = args.sign.is_some()
        || args.html.is_some()
        || matches!(context.global.format, Format::Json | Format::Parquet);
    let code = if is_kept { own_digest() } else { None };
    let told = Told { population, code };
    let is_file = !args.quasi.is_empty() || args.hierarchies.is_some() || Path::new(what).is_file();
    let (report, signed, determined) = if is_file {
        if args.sign.is_some() {
            return Err(risk::Error::NotOfASite.into());
        }
        let ask = Ask {
            quasi: args.quasi.clone(),
            hierarchies: args.hierarchies.clone(),
            sensitive: args.sensitive.clone(),
            k: args.k,
        };
        (risk::of_file(Path::new(what), &ask, &told)?, Vec::new(), None)
    } else {
        let site = context.site()?;
        let report = risk::of_version(&site, what, &told)?;
        let determined = match (&args.sign, &args.by) {
            (Some(key), Some(by)) => Some(risk::sign(&site, &report, by, key)?),
            (_, _) => None,
        };
        let signed = determinations(&site, &report)?;
        (report, signed, determined)
    };
    if let Some(file) = &args.html {
        let beside = file.with_extension("json");
        let name = beside.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let now = super::instant(&context.global)?;
        std::fs::write(file, risk_page(&report, &signed, now, args.lang, &name))?;
        let text = json(&Shown { report: &report, determinations: &signed });
        std::fs::write(beside, text.map_err(|e| Failure::new(Kind::Failed, e))?)?;
    }
    show(&report, &signed, context)?;
    if let Some(determined) = determined {
        hand_out(&determined, args.out.as_deref(), context)?;
    }
    Ok(())
}

fn determinations(site: &Site, report: &RiskReport) -> Result<Vec<RiskSigned>, Failure> {
    match &report.subject {
        RiskSubject::Version { dataset, version, .. } => Ok(risk::signed(site, dataset, *version)?),
        RiskSubject::File { .. } => Ok(Vec::new()),
    }
}

/// The digest of the program that runs.
fn own_digest() -> Option<Sha256> {
    let file = File::open(std::env::current_exe().ok()?).ok()?;
    Sha256::of_reader(file).ok().map(|(digest, _)| digest)
}

fn show(
    report: &RiskReport,
    signed: &[RiskSigned],
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let mut table = Table::new(["table", "figure", "before", "now"]);
    for one in &report.tables {
        let Some(now) = &one.figures else {
            table.row([one.table.as_str(), "no column that others may know", "", ""]);
            continue;
        };
        for (at, (name, read)) in LINES.iter().enumerate() {
            let had = one.before.as_ref().map(read).unwrap_or_default();
            let name_of = if at == 0 { one.table.as_str() } else { "" };
            table.row([name_of.to_owned(), (*name).to_owned(), had, read(now)]);
        }
        let found = &one.minimal_uniques;
        let name = format!("singled out by at most {} columns", found.columns_max);
        table.row([String::new(), name, String::new(), few(found.records, report.k)]);
        for line in &one.sensitive {
            let name = format!("{}: l, entropy l, t", line.column);
            let attained = format!("{}, {:.3}, {:.5}", line.l, line.entropy_l, line.t);
            table.row([String::new(), name, String::new(), attained]);
        }
    }
    table.write(context.global.format, &Shown { report, determinations: signed }, context.out)?;
    for test in &report.tests {
        let word = |value: serde_json::Result<serde_json::Value>| {
            value.ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
        };
        let (name, outcome) =
            (word(serde_json::to_value(test.test)), word(serde_json::to_value(test.outcome)));
        writeln!(context.err, "{name}: {outcome} {}", test.tables.join(", "))?;
    }
    for one in signed {
        writeln!(context.err, "determined by {} on {} with {}", one.by, one.time, one.key)?;
    }
    Ok(())
}

/// Shows a count of people; of fewer than k no more than that.
fn few(count: u64, k: u64) -> String {
    if (1..k).contains(&count) { format!("under {k}") } else { count.to_string() }
}

type Read = fn(&RiskFigures) -> String;

/// The lines of a table's figures.
const LINES: [(&str, Read); 12] = [
    ("people in classes", |f| f.records.to_string()),
    ("classes", |f| f.classes.to_string()),
    ("smallest class", |f| f.smallest_class.to_string()),
    ("highest risk (prosecutor, journalist)", |f| share(f.prosecutor.highest)),
    ("at risk above one fifth", |f| share(f.prosecutor.at_risk)),
    ("average risk (and marketer)", |f| share(f.prosecutor.success)),
    ("unique in the data", |f| share(f.sample_unique)),
    ("unique in the population (Dankar)", |f| unique(f, "dankar", |u| u.dankar)),
    ("  by Pitman", |f| unique(f, "pitman", |u| u.pitman)),
    ("  by Zayatz", |f| unique(f, "zayatz", |u| u.zayatz)),
    ("  by SNB as ARX", |f| unique(f, "snb", |u| u.snb)),
    ("  by SNB, Shlosser's classes", |f| unique(f, "snb_shlosser", |u| u.snb_shlosser)),
];

fn share(share: f64) -> String {
    format!("{share:.7}")
}

fn unique(figures: &RiskFigures, model: &str, read: fn(&RiskUnique) -> f64) -> String {
    match &figures.population_unique {
        None => "the population is smaller".to_owned(),
        Some(found) if found.unsolved.iter().any(|name| name == model) => "no solution".to_owned(),
        Some(found) => share(read(found)),
    }
}

fn hand_out(
    determined: &Determined,
    out: Option<&Path>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    if let Some(file) = out {
        std::fs::write(file, &determined.file)?;
    }
    let Determined { dataset, version, digest, entry, known, .. } = determined;
    let when = if *known { "was determined before" } else { "is determined" };
    writeln!(context.err, "{dataset}@{version} {when}: file {digest}, entry {entry}")?;
    Ok(())
}

fn verify(file: &Path, key: Option<&str>, context: &mut Context<'_>) -> Result<(), Failure> {
    let key = key.map(Verifier::parse).transpose().map_err(|e| Failure::new(Kind::Usage, e))?;
    let site = match context.global.site {
        Some(_) => Some(context.site()?),
        None => None,
    };
    let verified = risk::verify(site.as_ref(), file, key.as_ref())?;
    let Verified { determination, digest, entry } = &verified;
    let mut table = Table::new(["dataset", "version", "by", "when", "key", "file", "entry"]);
    table.row([
        determination.dataset.clone(),
        determination.version.to_string(),
        determination.by.clone(),
        determination.time.to_string(),
        determination.key.vkey(),
        digest.to_string(),
        entry.map(|entry| entry.to_string()).unwrap_or_default(),
    ]);
    table.write(context.global.format, &verified, context.out)?;
    if key.is_none() {
        writeln!(
            context.err,
            "the signature is that of the key that the report names; give --key to say whose you expect"
        )?;
    }
    Ok(())
}

impl From<risk::Error> for Failure {
    fn from(error: risk::Error) -> Self {
        use risk::Error as E;
        match error {
            E::Site(error) => error.into(),
            E::Lake(error) => error.into(),
            E::Source(error) => Self::new(Kind::Invalid, error),
            E::Table(error) => error.into(),
            E::NoQuasi => Self::new(Kind::Usage, error)
                .hint("give --quasi COLUMNS, or --hierarchies DIR whose files name the columns"),
            E::Twice(_) => Self::new(Kind::Usage, error)
                .hint("a column is one that others may know, or a sensitive one, and once"),
            E::Empty(_) | E::Name | E::Read { .. } | E::KeyExists(_) => {
                Self::new(Kind::Usage, error)
            }
            E::NotOfASite => Self::new(Kind::Usage, error)
                .hint("name a dataset of the site: almoner risk DATASET --sign KEYFILE --by NAME"),
            E::Rows { .. } | E::Write(_) => Self::new(Kind::Failed, error),
            E::Seed(_) | E::Key(_) => {
                Self::new(Kind::Usage, error).hint("`almoner risk new-key FILE` makes a key")
            }
            E::Paper { .. } | E::Entry(_) | E::Unsigned { .. } => Self::new(Kind::Integrity, error),
        }
    }
}
