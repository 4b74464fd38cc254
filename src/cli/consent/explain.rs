//! `almoner consent explain`: why a person's records may be used, or not, layer by layer.

use std::{fs, path::PathBuf};

use serde::Serialize;

use super::{
    Context, Failure, Format, HEADERS, Kind, Line, Table, act, failure, open_site, purposes,
    released_lines,
};
use crate::{
    instant::{Date, Instant},
    party::InstitutionId,
    pipeline::linkage,
    purpose::{Effect, Purpose},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The person, or a record of theirs as INSTITUTION/ID
    person: String,
    /// A purpose or condition of the use; may be given more than once
    #[arg(long = "purpose", value_name = "DUO", required = true)]
    purposes: Vec<String>,
    /// Whose records [default: each that decisions name, and any other]
    #[arg(long, value_name = "ID", value_parser = |text: &str| InstitutionId::parse(text))]
    institution: Option<InstitutionId>,
    /// Of which category [default: each that decisions or the dataset name]
    #[arg(long, value_name = "NAME")]
    category: Option<String>,
    /// On which day [default: today]
    #[arg(long, value_name = "DATE")]
    on: Option<Date>,
    /// By what was known at that instant, RFC 3339 [default: now]
    #[arg(long, value_name = "INSTANT", value_parser = Instant::parse)]
    as_of: Option<Instant>,
    /// Also by the terms of this dataset, or dataset@version
    #[arg(long, value_name = "D[@V]")]
    dataset: Option<String>,
    /// Also by the evidence in this pass
    #[arg(long, value_name = "FILE", requires = "dataset")]
    pass: Option<PathBuf>,
}

pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = open_site(&context.global)?;
    let (person, purposes) = (linkage::person(&site, &args.person)?, purposes(&args.purposes)?);
    let pass = match &args.pass {
        None => None,
        Some(file) => Some(fs::read_to_string(file).map_err(|error| {
            Failure::new(Kind::Usage, format!("`{}` cannot be read: {error}", file.display()))
        })?),
    };
    let on = args.on.unwrap_or_else(|| site.now().date());
    let as_of = args.as_of.unwrap_or_else(|| site.now());
    let asked = act::Asked {
        person: &person,
        purposes: &purposes,
        institution: args.institution.as_ref(),
        category: args.category.as_deref(),
        on,
        as_of,
        dataset: args.dataset.as_deref(),
        pass: pass.as_deref(),
    };
    let told = act::explain(&site, &asked).map_err(failure)?;
    let lines: Vec<Line> = told.events.iter().map(|(h, text)| Line::new(h, Some(text))).collect();
    let mut table = Table::new(HEADERS.into_iter().chain(["so it"]));
    for line in &lines {
        table.row(line.cells());
    }
    if context.global.format == Format::Table {
        words(&told, &purposes, on, as_of, context)?;
        if !lines.is_empty() {
            writeln!(context.out)?;
            table.write(Format::Table, &(), context.out)?;
        }
        return released_lines(&told.released, context);
    }
    let answer = Answer::new(&told, on, as_of, &lines);
    Ok(table.write(context.global.format, &answer, context.out)?)
}

#[derive(Debug, Serialize)]
struct Answer<'a> {
    permit: bool,
    effect: Effect,
    reason: &'a str,
    words: String,
    on: Date,
    as_of: Instant,
    layers: &'a [act::Layer],
    cells: &'a [act::Cell],
    obligations: &'a [String],
    events: &'a [Line],
    not_recallable: &'a [act::Release],
}

impl<'a> Answer<'a> {
    fn new(told: &'a act::Told, on: Date, as_of: Instant, events: &'a [Line]) -> Self {
        let refused = told.cells.iter().find(|cell| !cell.permit);
        Self {
            permit: told.effect == Effect::Permit,
            effect: told.effect,
            reason: refused.map_or(told.effect.as_str(), |cell| cell.reason),
            words: deciding(told).join("; "),
            on,
            as_of,
            layers: &told.layers,
            cells: &told.cells,
            obligations: &told.obligations,
            events,
            not_recallable: &told.released,
        }
    }
}

/// The clauses that decided.
fn deciding(told: &act::Told) -> Vec<String> {
    let layers = told.layers.iter().filter(|layer| layer.effect == told.effect);
    let reasons = layers.flat_map(|layer| layer.reasons.iter());
    reasons.filter(|reason| reason.effect == told.effect).map(ToString::to_string).collect()
}

fn words(
    told: &act::Told,
    purposes: &[Purpose],
    on: Date,
    as_of: Instant,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let stands = told.cells.iter().filter(|cell| cell.permit).count();
    let answer = match told.effect {
        Effect::Permit => "yes",
        Effect::Refer => "not yet",
        Effect::Deny if stands > 0 && stands < told.cells.len() => "in part",
        Effect::Deny => "no",
    };
    let wanted: Vec<String> = purposes.iter().map(Purpose::label).collect();
    writeln!(context.out, "{answer}: {} on {on}, as known at {as_of}", wanted.join(", "))?;
    for layer in &told.layers {
        writeln!(context.out, "{}: {}", layer.layer, layer.effect)?;
        for reason in &layer.reasons {
            let mark = if reason.effect == layer.effect { "*" } else { " " };
            writeln!(context.out, "  {mark} {:<6} {reason}", reason.effect.as_str())?;
        }
    }
    for obligation in &told.obligations {
        writeln!(context.out, "obliged to {obligation}")?;
    }
    Ok(())
}
