//! `almoner population`: seeded people, consents, sponsors, researchers and bench tables.

use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, Subcommand};

use super::{Context, Failure, Kind, Table};
use crate::population::{self, Error, Population};

/// Seeded people, consents, sponsors and researchers, for demos, tests and benches
#[derive(Debug, ClapArgs)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  almoner population people --people 2000 --institutions 4 --seed 1 --out demo/input
  almoner population consents --for patients.csv --column Id --seed 7 --namespace synthea --out consents.csv
  almoner population flat --rows 5000000 --seed 1 --out flat.csv
  almoner population files --out ."
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// People and their records as CSV, a folder an institution, with consents and parties
    People {
        /// How many people
        #[arg(long, default_value_t = 2_000)]
        people: u64,
        /// At how many institutions
        #[arg(long, default_value_t = 4)]
        institutions: u32,
        /// The seed: the same one makes the same bytes
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The folder to write to
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Consents, for a population or for whoever stands in a column of a CSV file
    Consents {
        /// A CSV file, plain, gzip or zstd, whose people should get consents
        #[arg(long = "for", value_name = "FILE", requires = "column", conflicts_with = "people")]
        file: Option<PathBuf>,
        /// The column that holds their ids
        #[arg(long, requires = "file")]
        column: Option<String>,
        /// What the pipeline puts before the ids
        #[arg(long, requires = "file")]
        namespace: Option<String>,
        /// The share of people who permit health research
        #[arg(long, value_parser = share, default_value = "0.95", requires = "file")]
        grant_share: u64,
        /// How many people, without --for
        #[arg(long, required_unless_present = "file")]
        people: Option<u64>,
        /// At how many institutions, without --for
        #[arg(long, default_value_t = 4)]
        institutions: u32,
        /// The seed
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The file to write [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// A list of sponsors as CSV
    Sponsors(Parties),
    /// A list of researchers as CSV
    Researchers(Parties),
    /// One wide CSV table of seven columns for the benches, about 50 rows a patient
    Flat {
        /// How many rows
        #[arg(long, default_value_t = 5_000_000)]
        rows: u64,
        /// The seed
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The file to write [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// The demo's and the benches' pipelines and schemas
    Files {
        /// The folder to write to
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// The canaries that a population's files hold, one a line: search outputs for them
    Canaries {
        /// The seed
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// At how many institutions
        #[arg(long, default_value_t = 4)]
        institutions: u32,
    },
}

#[derive(Debug, ClapArgs)]
struct Parties {
    /// How many
    #[arg(long, default_value_t = 4)]
    count: u32,
    /// The seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs `almoner population`.
pub fn run(args: Args, context: &mut Context<'_>) -> Result<(), Failure> {
    match args.what {
        What::People { people, institutions, seed, out } => {
            let population = Population::new(seed, people, institutions)?;
            let written = population::write_people(&population, &out)?;
            let mut table = Table::new(["institution", "people", "rows", "faulty"]);
            for (name, people, rows, faulty) in &written.institutions {
                table.row([name.clone(), people.to_string(), rows.to_string(), faulty.to_string()]);
            }
            Ok(table.write(context.global.format, &written, context.out)?)
        }
        What::Consents {
            file,
            column,
            namespace,
            grant_share,
            people,
            institutions,
            seed,
            out,
        } => to(context, out.as_deref(), |writer| {
            if let (Some(file), Some(column)) = (file, column) {
                let namespace = namespace.as_deref();
                population::consents_for(&file, &column, seed, namespace, grant_share, writer)
            } else {
                let population = Population::new(seed, people.unwrap_or(0), institutions)?;
                population::write_consents(&population, writer)
            }
        }),
        What::Sponsors(Parties { count, seed, out }) => {
            to(context, out.as_deref(), |writer| population::write_sponsors(seed, count, writer))
        }
        What::Researchers(Parties { count, seed, out }) => {
            to(context, out.as_deref(), |writer| population::write_researchers(seed, count, writer))
        }
        What::Flat { rows, seed, out } => {
            to(context, out.as_deref(), |writer| population::write_flat(seed, rows, writer))
        }
        What::Files { out } => {
            for path in population::write_demo_files(&out)? {
                writeln!(context.out, "{}", path.display())?;
            }
            Ok(())
        }
        What::Canaries { seed, institutions } => {
            for canary in population::canaries(seed, institutions) {
                writeln!(context.out, "{canary}")?;
            }
            Ok(())
        }
    }
}

/// Writes to a file, or to where results go.
fn to(
    context: &mut Context<'_>,
    path: Option<&Path>,
    write: impl FnOnce(&mut dyn std::io::Write) -> Result<u64, Error>,
) -> Result<(), Failure> {
    match path {
        None => write(context.out)?,
        Some(path) => population::to_file(path, |out| write(out))?,
    };
    Ok(())
}

fn share(text: &str) -> Result<u64, String> {
    population::share_ppm(text).ok_or_else(|| "a share such as 0.95, from 0 to 1".to_owned())
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Range { .. } => Kind::Usage,
            Error::File { .. } | Error::Write(_) => Kind::Failed,
            Error::Csv { .. } | Error::Column { .. } => Kind::Invalid,
        };
        Self::new(kind, error)
    }
}
