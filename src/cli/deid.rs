//! `almoner deid`: what generalisation makes a table anonymous and loses least.

mod recall;

use std::{path::PathBuf, time::Duration};

use clap::{Subcommand, builder::PossibleValuesParser};

use super::{Context, Failure, Format, Kind, Table};
use crate::pipeline::{
    deid::{
        self, Asked, Found,
        asked::{self, Closeness, Diversity, METRICS, Metric, Presence, Privacy},
    },
    spec::Spec,
};

/// Find the generalisation that makes a table anonymous and loses least
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Search the lattice of generalisations of a file for the node that loses least
    Search(Box<SearchArgs>),
    /// Measure the scrubber of free text on notes whose spans are marked
    Recall(recall::Args),
}

/// Search the lattice of generalisations of a file for the node that loses least
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  almoner deid search adult.csv --hierarchies adult/ --k 5 --suppress 0.05\n  \
    almoner deid search adult.csv --hierarchies adult/ --k 5 --suppress 0.02 \\\n      \
    --sensitive occupation --t-closeness hierarchical:0.2 --format json\n  \
    almoner deid search adult.csv --hierarchies adult/ --k 5 --recode --output safe.csv\n  \
    almoner deid search pipelines/demo-levels.toml --input /data/2026-q3\n\n\
    FILE has a header; its separator (`;`, `,`, tab or `|`) is found from its head, quotes and \
    compression (gzip, zstd) are understood. DIR holds a file NAME_hierarchy_COLUMN.csv for each \
    quasi-identifier, without a header: a line `value;level1;level2;…` for each value. Columns with a \
    hierarchy are the quasi-identifiers, in the order of FILE, save the sensitive ones. A cell and its \
    line must be the same to the letter (see --trim); a cell that is empty, or `*`, is a value like \
    others and needs its line.\n\n\
    Levels are counted from 0, the value itself. What loses least is exact unless the answer says \
    otherwise: a lattice of more than ten million nodes is searched best first, and so is every other \
    once --time-limit is over; then `optimal` is false and `gap` says how much better a node might be."
)]
struct SearchArgs {
    /// The rows: delimited text with a header; or a pipeline (.toml), which says all else itself
    file: PathBuf,
    /// The folder of hierarchies, each named `NAME_hierarchy_COLUMN.csv`
    #[arg(long, value_name = "DIR")]
    hierarchies: Option<PathBuf>,
    /// The folder that a pipeline's paths are in
    #[arg(long, value_name = "DIR", default_value = ".", conflicts_with = "hierarchies")]
    input: PathBuf,
    /// The only quasi-identifiers [default: every column with a hierarchy that is not sensitive]
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    quasi: Vec<String>,
    /// At least so many records share each class (k-anonymity)
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..))]
    k: Option<u64>,
    /// The share of records that may be suppressed
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = deid::Fraction::parse)]
    suppress: deid::Fraction,
    /// What is to be lost least
    #[arg(long, default_value = "loss", value_parser = metric())]
    metric: String,
    /// A sensitive column: l-diversity and t-closeness hold of each that is named
    #[arg(long, value_name = "COLUMN")]
    sensitive: Vec<String>,
    /// 3 (distinct), entropy:3, or recursive:4:3 (c, then l)
    #[arg(long, value_name = "L", requires = "sensitive")]
    l_diversity: Vec<Diversity>,
    /// 0.2 (equal distance), ordered:0.2, or hierarchical:0.2 (by the column's own hierarchy)
    #[arg(long, value_name = "T", requires = "sensitive")]
    t_closeness: Vec<Closeness>,
    /// Everybody the rows were taken from, those of FILE too, with the same quasi-identifiers
    #[arg(long, value_name = "FILE")]
    population: Option<PathBuf>,
    /// At least so many people of the population share each class (k-map)
    #[arg(long, value_name = "K", requires = "population", value_parser = clap::value_parser!(u64).range(1..))]
    k_map: Option<u64>,
    /// Of each class's population between LEAST and MOST are released (delta-presence): 0.1:0.8
    #[arg(long, value_name = "LEAST:MOST", requires = "population")]
    presence: Option<Presence>,
    /// The mean risk of a record, 1 / its class, is at most this
    #[arg(long, value_name = "RISK", value_parser = asked::risk)]
    average_risk: Option<f64>,
    /// The highest risk of a record, 1 / its class, is at most this
    #[arg(long, value_name = "RISK", value_parser = asked::risk)]
    max_risk: Option<f64>,
    /// Stop after this long and say how good the best node is: 60s, 10m, 2h [default: 10m over ten
    /// million nodes, else none]
    #[arg(long, value_name = "TIME", value_parser = time)]
    time_limit: Option<Duration>,
    /// Tell suppressed records less exactly instead of leaving them out (local recoding)
    #[arg(long)]
    recode: bool,
    /// Write the table at the found levels: quasi-identifiers and sensitive columns, no others
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Take spaces off the ends of all cells, in FILE and in hierarchies
    #[arg(long)]
    trim: bool,
    /// Work on so many threads [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

fn metric() -> PossibleValuesParser {
    PossibleValuesParser::new(METRICS.map(|(word, _)| word))
}

/// Parses `60s`, `10m`, `2h`, or seconds.
fn time(text: &str) -> Result<Duration, &'static str> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(number) => (number, text.chars().next_back()),
        None => (text, None),
    };
    let seconds = match unit {
        Some('h') => 3600,
        Some('m') => 60,
        Some(_) | None => 1,
    };
    let number: u32 = number.parse().map_err(|_| "not a time like 60s, 10m or 2h")?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

/// Runs the command.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    match &args.act {
        Act::Search(args) => search(args, context),
        Act::Recall(args) => recall::run(args, context),
    }
}

fn search(args: &SearchArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    if args.file.extension().is_some_and(|extension| extension == "toml") {
        return of_pipeline(args, context);
    }
    let asked = args.asked()?;
    let mut pool = rayon::ThreadPoolBuilder::new();
    if let Some(threads) = args.threads {
        pool = pool.num_threads(threads.into());
    }
    let pool = pool.build().map_err(|error| Failure::new(Kind::Failed, error))?;
    let began = std::time::Instant::now();
    let bar = context.bar("search");
    let found = pool.install(|| deid::search(&asked, &|| began.elapsed(), &bar))?;
    drop(bar);
    for warning in &found.warnings {
        writeln!(context.err, "warning: {warning}")?;
    }
    show(&found, context)?;
    if let Some(written) = &found.written {
        writeln!(
            context.err,
            "{} rows written, {} suppressed ones left out{}",
            written.rows,
            written.left_out,
            match written.other_columns.len() {
                0 => String::new(),
                n => format!("; {n} columns are neither quasi-identifiers nor sensitive: left out"),
            }
        )?;
    }
    Ok(())
}

/// Shows what the searches of a pipeline would choose; nothing is written.
fn of_pipeline(args: &SearchArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let spec = Spec::read(&args.file)?;
    let site = context.site()?;
    let bar = context.bar("search");
    let chosen = deid::of_pipeline(&site, &spec, &args.input, &bar)?;
    drop(bar);
    let mut table = Table::new(["table", "levels", "score", "suppressed", "classes", "smallest"]);
    for one in &chosen {
        let levels: Vec<String> = one.levels.iter().map(ToString::to_string).collect();
        table.row([
            one.table.clone(),
            format!("[{}]", levels.join(",")),
            one.score.to_string(),
            format!("{} of {}", one.suppressed_rows, one.rows),
            one.classes.to_string(),
            one.smallest_class.to_string(),
        ]);
    }
    table.write(context.global.format, &chosen, context.out)?;
    if chosen.is_empty() {
        writeln!(context.err, "no column of this pipeline's tables has a hierarchy")?;
    }
    Ok(())
}

impl SearchArgs {
    fn asked(&self) -> Result<Asked, Failure> {
        let hierarchies = self.hierarchies.clone().ok_or_else(|| {
            Failure::new(Kind::Usage, "no folder of hierarchies was named")
                .hint("give --hierarchies DIR, with a file `NAME_hierarchy_COLUMN.csv` a column")
        })?;
        Ok(Asked {
            file: self.file.clone(),
            hierarchies,
            quasi: self.quasi.clone(),
            sensitive: self.sensitive.clone(),
            population: self.population.clone(),
            trim: self.trim,
            privacy: Privacy {
                k: self.k,
                diversity: self.l_diversity.clone(),
                closeness: self.t_closeness.clone(),
                k_map: self.k_map,
                presence: self.presence,
                average_risk: self.average_risk,
                maximum_risk: self.max_risk,
            },
            suppress: self.suppress,
            // INVARIANT: clap lets the words of METRICS alone through.
            metric: asked::metric(&self.metric).unwrap_or(Metric::Loss),
            time_limit: self.time_limit,
            recode: self.recode,
            output: self.output.clone(),
        })
    }
}

/// Writes what was found: for people the levels, then the figures; as CSV one row.
fn show(found: &Found, context: &mut Context<'_>) -> Result<(), Failure> {
    let figures = found.figures();
    match context.global.format {
        Format::Json | Format::Parquet => {
            Table::default().write(Format::Json, found, context.out)?;
        }
        Format::Csv => {
            let mut table = Table::new(figures.iter().map(|(name, _)| *name));
            table.row(figures.iter().map(|(_, text)| text.as_str()));
            table.write(Format::Csv, found, context.out)?;
        }
        Format::Table => {
            let mut levels = Table::new(["column", "level", "of", "labels"]);
            for column in &found.told {
                levels.row([
                    column.name.clone(),
                    column.level.to_string(),
                    column.highest.to_string(),
                    column.labels.to_string(),
                ]);
            }
            levels.write(Format::Table, found, context.out)?;
            writeln!(context.out)?;
            let mut table = Table::new(["figure", "value"]);
            for (name, text) in figures {
                table.row([name, &text]);
            }
            table.write(Format::Table, found, context.out)?;
        }
    }
    Ok(())
}

impl From<deid::Error> for Failure {
    fn from(error: deid::Error) -> Self {
        use deid::Error as E;
        let (kind, hint) = match error {
            E::Hierarchies(faults) => return faulty(faults),
            E::Source(_) => (
                Kind::Invalid,
                "the file is text whose first line names every column, each once".to_owned(),
            ),
            E::Search(error) => return unfound(error),
            E::Rows { .. } => {
                (Kind::Invalid, "mend the rows: a row left out would change every class".to_owned())
            }
            E::NoRows { .. } | E::Table(_) => {
                (Kind::Invalid, "the first line is the header; rows come after it".to_owned())
            }
            E::NoHierarchies { .. } => (
                Kind::Invalid,
                "write one file a column, such as `adult_hierarchy_age.csv`, with a line \
                 `value;level1;*` for each value"
                    .to_owned(),
            ),
            E::SeveralFiles { ref own, .. } => {
                (Kind::Invalid, format!("name the one that is meant `{own}_hierarchy_COLUMN.csv`"))
            }
            E::Encoding { .. } => (Kind::Invalid, "save it as UTF-8".to_owned()),
            E::NoColumn { ref near, .. } => (
                Kind::Usage,
                near.as_ref().map_or_else(
                    || "columns are named in the first line, to the letter".to_owned(),
                    |near| format!("is `{near}` meant?"),
                ),
            ),
            E::NoHierarchy { ref column, .. } => {
                (Kind::Invalid, format!("write a file `NAME_hierarchy_{column}.csv`"))
            }
            E::SensitiveQuasi(_) => (
                Kind::Usage,
                "who knows a quasi-identifier knows it; what nobody is to learn is sensitive: \
                 name the column once"
                    .to_owned(),
            ),
            E::NoQuasi { .. } => (
                Kind::Invalid,
                "the COLUMN of NAME_hierarchy_COLUMN.csv is a column's name to the letter"
                    .to_owned(),
            ),
            E::NoModel => (
                Kind::Usage,
                "give --k K, or another: --l-diversity, --t-closeness, --k-map, --presence, \
                 --average-risk, --max-risk"
                    .to_owned(),
            ),
            E::Needs(_) => (Kind::Usage, "name it".to_owned()),
            E::Overwrites(_) => (Kind::Usage, "give --output another name".to_owned()),
            E::LargeK { rows, .. } => {
                (Kind::Invalid, format!("no class can have more records than {rows}"))
            }
            E::LargeL { values, .. } => {
                (Kind::Invalid, format!("no class can have more values than {values}"))
            }
            E::Population { .. } => (
                Kind::Invalid,
                "--population holds everybody, those of FILE too, with the same values".to_owned(),
            ),
            E::Folder { .. } | E::Read { .. } | E::Write { .. } => {
                return Self::new(Kind::Failed, error);
            }
        };
        Self::new(kind, error).hint(hint)
    }
}

fn unfound(error: deid::Unfound) -> Failure {
    use deid::Unfound as U;
    let (kind, hint) = match error {
        U::Unsatisfiable => (
            Kind::Rejects,
            "let more be suppressed with --suppress, ask for less, or give the hierarchies a last \
             level `*`",
        ),
        U::Stopped => (Kind::Failed, "give it more time with --time-limit"),
        U::Lattice | U::Wide { .. } => (
            Kind::Invalid,
            "name the columns that others may know with --quasi, and leave the rest out",
        ),
        U::K { .. } => (Kind::Invalid, "no class can have more records than the table"),
        U::NoRows | U::NoColumns | U::Rows { .. } | U::Sensitive { .. } | U::Codes => {
            (Kind::Invalid, "give it another table")
        }
    };
    Failure::new(kind, error).hint(hint)
}

fn faulty(faults: Vec<crate::fault::Fault>) -> Failure {
    let reports = faults.iter().cloned().map(miette::Report::new).collect();
    Failure::new(Kind::Invalid, deid::Error::Hierarchies(faults)).reports(reports)
}
