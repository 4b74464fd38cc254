//! `almoner credential sign-delivery`: an institution signs what it delivers.
//!
//! Comes in: a folder, the institution, its key. Goes out: `delivery.note` beside the files.
//! Never: a site; the institution needs none.

use std::path::PathBuf;

use serde_json::json;

use super::{Context, Failure, Kind, Table, instant};
use crate::{
    party::InstitutionId,
    pipeline::delivery::{self, Error},
    signed_note::{Signer, seed},
};

/// Sign for all files of a folder, in a note beside them
///
/// An ingest that asks for licences takes a file only if such a note lists it with its digest, signed
/// with a key that the institution's licence names, on a day on which that licence stood.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    almoner credential sign-delivery --new-key --key north.key --institution north\n  \
    almoner credential sign-delivery 2026-q3/north --institution north --key north.key\n\n\
    The key's vkey goes to the issuer of the licence, which names it. The same files again are \
    signed already; --again gives them today's date.")]
pub(super) struct Args {
    /// The folder that is delivered
    #[arg(required_unless_present = "new_key", value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Whose files they are
    #[arg(long, value_name = "ID", value_parser = |text: &str| InstitutionId::parse(text))]
    institution: InstitutionId,
    /// The file of the institution's key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Make a key in that file where there is none, and print its vkey
    #[arg(long)]
    new_key: bool,
    /// Sign again what is signed already, under today's date
    #[arg(long)]
    again: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let fault = |error: &dyn std::fmt::Display| {
        Failure::new(Kind::Usage, format!("the key in `{}`: {error}", args.key.display()))
            .hint("--new-key makes one where there is none")
    };
    if args.new_key {
        seed::create(&args.key).map_err(|error| fault(&error))?;
    }
    let seed = seed::read(&args.key).map_err(|error| fault(&error))?;
    let name = args.institution.as_str().replace([' ', '+'], "-");
    let key = Signer::from_seed(&name, &seed).map_err(|error| fault(&error))?;
    let vkey = key.verifier().vkey();
    let Some(folder) = &args.folder else {
        let mut table = Table::new(["institution", "vkey"]);
        table.row([args.institution.to_string(), vkey.clone()]);
        let value = json!({ "institution": args.institution, "vkey": vkey });
        return Ok(table.write(context.global.format, &value, context.out)?);
    };
    let now = instant(&context.global)?;
    let signed = delivery::sign(folder, &args.institution, &key, now, args.again)?;
    let mut table = Table::new(["note", "files", "bytes", "signed", "vkey"]);
    for note in &signed.notes {
        let counts = [signed.files.to_string(), signed.bytes.to_string()];
        let [files, bytes] = counts;
        let when = signed.signed.to_string();
        table.row([note.display().to_string(), files, bytes, when, vkey.clone()]);
    }
    let value = json!({
        "institution": args.institution,
        "notes": signed.notes,
        "files": signed.files,
        "bytes": signed.bytes,
        "signed": signed.signed,
        "new": signed.new,
        "vkey": vkey,
    });
    table.write(context.global.format, &value, context.out)?;
    if !signed.new {
        writeln!(context.err, "signed before; nothing new (--again gives it today's date)")?;
    }
    Ok(())
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::File { .. } => Self::new(Kind::Usage, error),
            Error::Delivery { .. } => Self::new(Kind::Invalid, error),
            Error::Foreign { .. } => Self::new(Kind::Invalid, error)
                .hint("each institution delivers a folder of its own; move the note away"),
        }
    }
}
