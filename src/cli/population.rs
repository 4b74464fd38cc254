//! `almoner population`: seeded people, consents, sponsors, researchers and bench tables.

use std::path::{Path, PathBuf};

use clap::{ArgAction, ArgGroup, Args as ClapArgs, Subcommand, ValueEnum};

use super::{Context, Failure, Kind, Table};
use crate::population::{self, Asking, Error, Population};

/// Seeded people, consents, sponsors and researchers, for demos, tests and benches
#[derive(Debug, ClapArgs)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  almoner population people --people 2000 --institutions 4 --seed 1 --out demo/input
  almoner population consents --for patients.csv --column Id --seed 7 --namespace synthea --out consents.csv
  almoner population consents --fhir Patient.ndjson --institution lake-county --out Consent.ndjson
  almoner population consents --fhir-folders input
  almoner population flat --rows 5000000 --seed 1 --out flat.csv
  almoner population split --fhir ../shared/data/synthea-r4-multi --out input
  almoner population notes --notes 2000 --seed 1 --out notes
  almoner population files --out ."
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// People, their records and consents, a folder an institution, CSV or FHIR, and who is who
    People {
        /// How many people
        #[arg(long, default_value_t = 2_000)]
        people: u64,
        /// At how many institutions
        #[arg(long, default_value_t = 4)]
        institutions: u32,
        /// How many of them send FHIR, the second one first; 0: all send CSV [default: half]
        #[arg(long, value_name = "COUNT")]
        fhir: Option<u32>,
        /// The seed: the same one makes the same bytes
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The folder to write to
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Consents of whoever stands in a column of a CSV file, or in FHIR Patients
    #[command(group(ArgGroup::new("people").required(true).args(["file", "fhir", "fhir_folders"])))]
    Consents {
        /// A CSV file, plain, gzip or zstd, whose people should get consents
        #[arg(long = "for", value_name = "FILE", requires = "column")]
        file: Option<PathBuf>,
        /// The column that holds their ids
        #[arg(long, requires = "file")]
        column: Option<String>,
        /// FHIR Patients as NDJSON, plain, gzip or zstd
        #[arg(long, value_name = "FILE", num_args = 1.., requires = "institution")]
        fhir: Vec<PathBuf>,
        /// The institution that keeps the consents of --fhir
        #[arg(long, requires = "fhir")]
        institution: Option<String>,
        /// How the consents of --fhir are written
        #[arg(long = "as", value_name = "FORMAT", default_value = "fhir", requires = "fhir")]
        written: ConsentFormat,
        /// A folder with truth.csv and a folder an institution: writes <institution>/Consent.ndjson,
        /// one decision a person, at one of the institutions that know them
        #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "namespace"])]
        fhir_folders: Option<PathBuf>,
        /// What the pipeline puts before the ids
        #[arg(long)]
        namespace: Option<String>,
        /// The share of people who permit health research
        #[arg(long, value_parser = share, default_value = "0.95")]
        grant_share: u64,
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
    /// One FHIR bulk export of many organisations, cut into a folder of NDJSON for each
    Split {
        /// The folder of the export: `<Type>.ndjson`, plain, gzip or zstd
        #[arg(long, value_name = "DIR")]
        fhir: PathBuf,
        /// The folder to write to
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// What the local ids are made of: the same seed makes the same ones
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Whether each organisation knows a patient by an id of its own
        #[arg(long, action = ArgAction::Set, num_args = 0..=1, default_value_t = true,
              default_missing_value = "true", value_name = "BOOL")]
        local_ids: bool,
        /// The types to write
        #[arg(long, value_delimiter = ',', default_values = population::SPLIT_TYPES)]
        types: Vec<String>,
    },
    /// Notes with the spans in them that say who somebody is, and the patients they tell of
    Notes {
        /// How many notes
        #[arg(long, default_value_t = 2_000)]
        notes: u64,
        /// The seed
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The folder to write to: notes.csv, patients.csv, gold.jsonl
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
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

/// How consents are written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ConsentFormat {
    /// FHIR R4 Consents, one a line
    Fhir,
    /// A CSV table
    Csv,
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
        What::People { people, institutions, fhir, seed, out } => {
            let fhir = fhir.unwrap_or(institutions / 2);
            let population = Population::new(seed, people, institutions)?.with_fhir(fhir);
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
            fhir,
            institution,
            written,
            fhir_folders,
            namespace,
            grant_share,
            seed,
            out,
        } => {
            let asking = Asking { seed, grant_ppm: grant_share, namespace: namespace.as_deref() };
            if let Some(folders) = fhir_folders {
                return folder_consents(&folders, &asking, context);
            }
            to(context, out.as_deref(), |writer| {
                if let (Some(file), Some(column)) = (file, column) {
                    return population::consents_for(&file, &column, &asking, writer);
                }
                let format = match written {
                    ConsentFormat::Csv => population::ConsentFormat::Csv,
                    ConsentFormat::Fhir => population::ConsentFormat::Fhir,
                };
                let institution = institution.unwrap_or_default();
                population::consents_for_patients(&fhir, &institution, format, &asking, writer)
            })
        }
        What::Sponsors(Parties { count, seed, out }) => {
            to(context, out.as_deref(), |writer| population::write_sponsors(seed, count, writer))
        }
        What::Researchers(Parties { count, seed, out }) => {
            to(context, out.as_deref(), |writer| population::write_researchers(seed, count, writer))
        }
        What::Flat { rows, seed, out } => {
            to(context, out.as_deref(), |writer| population::write_flat(seed, rows, writer))
        }
        What::Split { fhir, out, seed, local_ids, types } => {
            let how = population::Split { types, seed, local_ids };
            let parted = population::split(&fhir, &out, &how)?;
            let mut table = Table::new(["institution", "people", "resources"]);
            for (name, people, resources) in &parted.institutions {
                table.row([name.clone(), people.to_string(), resources.to_string()]);
            }
            table.write(context.global.format, &parted, context.out)?;
            writeln!(
                context.err,
                "{} people at {} institutions, {} of them at several; {} resources left out",
                parted.people,
                parted.institutions.len(),
                parted.several,
                parted.left_out
            )?;
            Ok(())
        }
        What::Notes { notes, seed, out } => {
            for path in population::write_notes(seed, notes, &out)? {
                writeln!(context.out, "{}", path.display())?;
            }
            Ok(())
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

fn folder_consents(
    folders: &Path,
    asking: &Asking<'_>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let written = population::consents_for_folders(folders, asking)?;
    let mut table = Table::new(["institution", "consents"]);
    for (name, consents) in &written.institutions {
        table.row([name.clone(), consents.to_string()]);
    }
    Ok(table.write(context.global.format, &written, context.out)?)
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
            Error::Csv { .. } | Error::Column { .. } | Error::Source(_) => Kind::Invalid,
        };
        Self::new(kind, error)
    }
}
