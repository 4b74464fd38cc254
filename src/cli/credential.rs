//! `almoner credential`: who may ask, and who may contribute.
//!
//! Comes in: passes, credentials, status lists, decisions on licences. Goes out: what they are worth, and
//! what was recorded. Never: an identifier of a practitioner that was not asked for.

mod licence;
mod pass;
mod show;
mod trust;

use std::{fs, path::PathBuf};

use clap::Subcommand;

use super::{Context, Failure, Kind, delivery};
use crate::{credential::is_token, instant::Instant};

/// Passes of researchers, licences of institutions and practitioners
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A researcher asks with a pass. Once the site trusts an issuer of licences, an institution sends
records, asks and exchanges parcels only while its licence stands. What issuers decide comes as
W3C Verifiable Credentials 2.0 (vc+jwt, EdDSA) and as Bitstring Status Lists; a site may also
issue licences itself.

Examples:
  almoner credential issue --researcher ada --dataset diabetes --purpose DUO:0000006 \\
    --expires 2027-01-01 --out ada.pass
  almoner credential trust add board.example/ledger/licences --vkey VKEY
  almoner credential licence import from-the-board.jwt
  almoner credential status north-shore --at 2026-03-15
  almoner credential verify FILE")]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Write a researcher's signed pass, from the run's instant on
    #[command(after_help = "\
Example:
  almoner credential issue --researcher ada --dataset diabetes --purpose DUO:0000006 \\
    --expires 2027-01-01 --out ada.pass")]
    Issue(pass::Issue),
    /// Say what a pass, a licence's credential or a status list says, and whether it stands now
    #[command(after_help = "\
Which of the three it is shows by its content.

Examples:
  almoner credential verify ada.pass
  almoner credential verify north-shore.jwt --format json")]
    Verify {
        /// The pass, the credential or the status list
        file: PathBuf,
    },
    /// Show all that was decided on a holder's licences
    #[command(after_help = "\
Examples:
  almoner credential history north-shore
  almoner credential history npi:1234567893 --format csv")]
    History {
        /// An institution, or a practitioner as npi:NUMBER
        holder: String,
    },
    /// Say what a holder's licences are worth now, or were at another time
    #[command(after_help = "\
Examples:
  almoner credential status north-shore
  almoner credential status north-shore --at 2026-03-15
  almoner credential status north-shore --at 2026-03-15 --known 4

The last one says it as the site knew it after commit 4 of licences.")]
    Status {
        /// An institution, or a practitioner as npi:NUMBER
        holder: String,
        /// When, a date or an RFC 3339 instant [default: now]
        #[arg(long, value_name = "WHEN", value_parser = Instant::parse)]
        at: Option<Instant>,
        /// As the site knew it after this commit of licences
        #[arg(long, value_name = "COMMIT")]
        known: Option<u64>,
    },
    /// Show the states of all licences: institutions by name, practitioners by number
    #[command(after_help = "\
`almoner publish` writes the same as public/licences.html and licences.json.

Example:
  almoner credential show --format json")]
    Show,
    /// Revoke a licence that this site issued; the same as `licence revoke`
    Revoke(licence::Taken),
    /// Decide on licences that this site issues; take those of others
    Licence(licence::Args),
    /// Say whose licences count
    Trust(trust::Args),
    /// This site's own key for licences
    Issuer(trust::IssuerArgs),
    SignDelivery(delivery::Args),
}

/// Runs the command.
pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<(), Failure> {
    match args.act {
        Act::Issue(issue) => pass::issue(issue, context),
        Act::Verify { file } => verify(&file, context),
        Act::History { holder } => show::history(&holder, context),
        Act::Status { holder, at, known } => show::status(&holder, at, known, context),
        Act::Show => show::all(context),
        Act::Revoke(taken) => licence::revoke(&taken, context),
        Act::Licence(args) => licence::run(args, context),
        Act::Trust(args) => trust::run(args, context),
        Act::Issuer(args) => trust::issuer(&args, context),
        Act::SignDelivery(args) => delivery::run(&args, context),
    }
}

fn verify(file: &std::path::Path, context: &mut Context<'_>) -> Result<(), Failure> {
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::new(Kind::Usage, format!("`{}` cannot be read: {error}", file.display()))
    })?;
    if is_token(&text) { show::verify(&text, context) } else { pass::verify(&text, context) }
}
