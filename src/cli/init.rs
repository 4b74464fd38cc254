//! `almoner init`: a new site.

use std::path::PathBuf;

use super::{Context, Failure, Kind, Table, address, instant, refuse_network};
use crate::{
    pipeline::signing,
    site::{self, Site},
};

/// Make a site: zones, keys, genesis entry
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A new site is sealed: its vault and lake are encrypted under keys that `site.wrap` in the key \
    folder wraps (`almoner keys --help`). Whoever loses that folder loses the data.\n\nExamples:\n  almoner init /srv/commons\n  \
    almoner init s3://commons/site --keys /etc/almoner/keys --origin commons.example/ledger\n  \
    almoner init /srv/commons --recovery /media/stick/recovery.seed\n  \
    almoner init /srv/next --origin next.example/ledger --continues /srv/commons/ledger"
)]
pub struct Args {
    /// Where: a folder, or a file://, s3://, az:// or memory:// URL [default: --site]
    #[arg(value_name = "SITE")]
    place: Option<String>,
    /// The ledger's name in the world, as a URL without its scheme
    #[arg(long, default_value = "commons.example/ledger")]
    origin: String,
    /// The public ledger whose key was revoked and that this one continues: its genesis names the
    /// last good checkpoint of that one
    #[arg(long, value_name = "LEDGER")]
    continues: Option<String>,
    /// Make a recovery key in this file too, and bring it into the book; then take the file away
    #[arg(long, value_name = "FILE")]
    recovery: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let mut global = context.global.clone();
    if args.place.is_some() {
        global.site.clone_from(&args.place);
    }
    let (place, keys) = address(&global)?;
    if args.origin.contains([' ', '+', '\n']) || args.origin.is_empty() {
        return Err(Failure::new(Kind::Usage, "an origin holds no space and no plus sign"));
    }
    refuse_network(&global, &place)?;
    let now = instant(&global)?;
    let before = args.continues.as_deref().map(signing::last_good).transpose()?;
    let (mut site, made) = match Site::init_after(&place, &keys, &args.origin, now, before.as_ref())
    {
        Ok(site) => (site, true),
        Err(site::Error::Exists(_)) => (Site::open(&place, &keys, now)?, false),
        Err(error) => return Err(error.into()),
    };
    if let Some(file) = &args.recovery {
        signing::recovery(&mut site, file, None, "made with the site")?;
    }
    let keys: PathBuf = site.keys().folder().to_owned();
    let mut table = Table::new(["site", "origin", "keys", "made"]);
    let done = if made { "now" } else { "before; nothing changed" };
    table.row([place, site.about().origin.clone(), keys.display().to_string(), done.to_owned()]);
    Ok(table.write(context.global.format, site.about(), context.out)?)
}
