//! `almoner deid recall`: how much of what must go the scrubber of free text finds.

use std::path::PathBuf;

use crate::{
    cli::{Context, Failure, Kind, Table},
    pipeline::deid::{
        Fraction,
        recall::{self, Gold, Recalled},
    },
    population,
};

/// Measure the scrubber of free text on notes whose spans are marked
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  almoner deid recall gold.jsonl --at-least 0.995\n  \
    almoner deid recall --notes 5000 --seed 7 --format json\n  \
    almoner deid recall gold.jsonl --words words/es.txt\n\n\
    GOLD has a note a line, as JSON: {\"text\": \"…\", \"spans\": [{\"start\": 0, \"end\": 8, \"class\": \
    \"name\"}], \"known\": [{\"kind\": \"name\", \"value\": \"…\"}]}. `start` and `end` count characters; \
    classes are name, date, age, phone, email, url, ip, ssn, iban, id, zip, place, number and word; \
    `known` is what tables say of the note's person (name, place, id, contact). Without GOLD, notes \
    are generated; `almoner population notes` writes them.\n\n\
    Shares are of letters and digits. `at least` is the one-sided bound of Clopper and Pearson at \
    95 %: of characters as if each were found by itself, which those of one span are not; `whole at \
    least` is the same for spans that went whole.")]
pub(super) struct Args {
    /// The notes [default: generated ones]
    gold: Option<PathBuf>,
    /// Words that are harmless besides those of the lists, one a line
    #[arg(long, value_name = "FILE")]
    words: Option<PathBuf>,
    /// How many notes are generated
    #[arg(long, default_value_t = 2_000, conflicts_with = "gold", value_parser = clap::value_parser!(u64).range(1..))]
    notes: u64,
    /// The seed of generated notes
    #[arg(long, default_value_t = 1, conflicts_with = "gold")]
    seed: u64,
    /// Fail with exit code 4 unless at least this share of characters goes, with 95 % confidence
    #[arg(long, value_name = "SHARE", value_parser = Fraction::parse)]
    at_least: Option<Fraction>,
}

/// Runs the command.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let gold: Vec<Gold> = match &args.gold {
        Some(file) => recall::gold(file)?,
        None => (0..args.notes).map(|index| population::note(args.seed, index)).collect(),
    };
    let found = recall::recall(&gold, args.words.as_deref())?;
    show(&found, context)?;
    match args.at_least {
        Some(wanted) if found.bound_ppm() < u64::from(wanted.ppm()) => {
            let text = format!(
                "at least {} of what must go is found, and {} is asked",
                percent(found.bound_ppm()),
                percent(wanted.ppm().into())
            );
            Err(Failure::new(Kind::Rejects, text)
                .hint("leave free text out, or measure on more notes"))
        }
        Some(_) | None => Ok(()),
    }
}

fn show(found: &Recalled, context: &mut Context<'_>) -> Result<(), Failure> {
    let mut table = Table::new([
        "class",
        "spans",
        "whole",
        "whole at least",
        "characters",
        "found",
        "recall",
        "at least",
    ]);
    for line in &found.classes {
        table.row([
            line.class.clone(),
            line.spans.to_string(),
            line.spans_found.to_string(),
            percent(line.spans_bound_ppm),
            line.characters.to_string(),
            line.characters_found.to_string(),
            percent(line.recall_ppm),
            percent(line.bound_ppm),
        ]);
    }
    table.write(context.global.format, found, context.out)?;
    writeln!(
        context.err,
        "{} notes, {} letters and digits; {} of what went had to go, {} of the rest stayed",
        found.notes,
        found.characters,
        percent(found.precision_ppm),
        percent(found.kept_ppm)
    )?;
    Ok(())
}

fn percent(ppm: u64) -> String {
    format!("{}.{:04} %", ppm / 10_000, ppm % 10_000)
}

impl From<recall::Error> for Failure {
    fn from(error: recall::Error) -> Self {
        use recall::Error as E;
        match error {
            E::Read { .. } => Self::new(Kind::Failed, error),
            E::Gold { .. } => Self::new(Kind::Invalid, error)
                .hint("`almoner population notes --out DIR` writes a gold set to look at"),
            E::Words { .. } => {
                Self::new(Kind::Invalid, error).hint("write one word a line, `#` before a comment")
            }
        }
    }
}
