//! `almoner credential trust` and `issuer`: whose licences count, and the site's own key for them.

use clap::Subcommand;
use serde_json::json;

use super::licence::told;
use crate::{
    cli::{Context, Failure, Kind, Table},
    credential::Trust,
    instant::Instant,
    pipeline::licence as act,
    signed_note::Verifier,
};

/// Say whose licences count
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "one is made in a run; clap parses no boxed key")]
enum Act {
    /// Trust an issuer: from the first one on, the rules on licences are in force
    #[command(after_help = "\
Example:
  almoner credential trust add board.example/ledger/licences --vkey VKEY")]
    Add {
        /// The issuer's name: that of its key, so that no wrong key is pasted
        issuer: String,
        /// The issuer's key, name+hash+base64
        #[arg(long, value_parser = Verifier::parse)]
        vkey: Verifier,
        /// What it decided from then on counts [default: all that it ever decided]
        #[arg(long, value_name = "WHEN", value_parser = Instant::parse)]
        from: Option<Instant>,
    },
    /// Trust an issuer no more: what it decided before stays, what comes later does not count
    #[command(after_help = "\
With --from in the past, what the issuer decided since then counts no more either: for a stolen key.

Example:
  almoner credential trust end board.example/ledger/licences --from 2026-06-01")]
    End {
        /// The issuer's name
        issuer: String,
        /// Since when [default: now]
        #[arg(long, value_name = "WHEN", value_parser = Instant::parse)]
        from: Option<Instant>,
    },
    /// Show whom the site trusts and trusted
    #[command(after_help = "Example:\n  almoner credential trust show --format json")]
    Show,
}

/// This site's own key for licences
#[derive(Debug, clap::Args)]
pub(super) struct IssuerArgs {
    #[command(subcommand)]
    act: IssuerAct,
}

#[derive(Debug, Subcommand)]
enum IssuerAct {
    /// Make the key, where there is none, in the site's key folder; print its vkey
    #[command(after_help = "\
The site does not trust its own key by itself: `almoner credential trust add NAME --vkey VKEY`.

Example:
  almoner credential issuer new")]
    New,
    /// Print the key's name and vkey
    #[command(after_help = "Example:\n  almoner credential issuer show --format json")]
    Show,
}

/// Runs `almoner credential trust`.
pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<(), Failure> {
    match args.act {
        Act::Add { issuer, vkey, from } => {
            if vkey.name() != issuer {
                return Err(Failure::new(
                    Kind::Usage,
                    format!("the key is that of `{}`, not of `{issuer}`", vkey.name()),
                )
                .hint(
                    "an issuer is named as its key is: the part of the vkey before the first +",
                ));
            }
            let outcome = act::trust(&context.site()?, &vkey, from)?;
            told(&outcome, "trusted already", context)
        }
        Act::End { issuer, from } => {
            let outcome = act::distrust(&context.site()?, &issuer, from)?;
            told(&outcome, "trust had ended before", context)
        }
        Act::Show => {
            let trusts = act::trusts(&context.site()?)?;
            let mut table = Table::new(["issuer", "vkey", "from", "until"]);
            let when = |when: Option<Instant>| when.map(|w| w.to_string()).unwrap_or_default();
            let until = |trust: &Trust| trust.ended.map(|(since, _)| since);
            for trust in &trusts {
                let (name, vkey) = (trust.key.name().to_owned(), trust.key.vkey());
                table.row([name, vkey, when(trust.from), when(until(trust))]);
            }
            let line = |trust: &Trust| {
                json!({
                    "issuer": trust.key.name(),
                    "vkey": trust.key.vkey(),
                    "from": trust.from,
                    "until": until(trust),
                })
            };
            let json: Vec<_> = trusts.iter().map(line).collect();
            Ok(table.write(context.global.format, &json, context.out)?)
        }
    }
}

/// Runs `almoner credential issuer`.
pub(super) fn issuer(args: &IssuerArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    let key = match args.act {
        IssuerAct::New => act::make_issuer(&site)?,
        IssuerAct::Show => act::own_issuer(&site)?,
    };
    let mut table = Table::new(["issuer", "vkey"]);
    table.row([key.name().to_owned(), key.vkey()]);
    let json = json!({"issuer": key.name(), "vkey": key.vkey()});
    Ok(table.write(context.global.format, &json, context.out)?)
}
