//! `almoner keys`: what keeps a site closed, and what signs for it.
//!
//! Comes in: a key's name. Goes out: what was done to it.
//! Never: a key shown by anything but `export`.

use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Subcommand;
use serde::Serialize;

use super::{Context, Failure, Kind, Table};
use crate::{
    digest::hex,
    pipeline::keys::{self, Error, KeyName, Renewed},
    site::Site,
};

/// List, rotate, export and destroy the keys of a site
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The vault is sealed object by object, the lake's segments are encrypted Parquet with one key for each \
version of a dataset. These keys lie in the vault, wrapped by the site key in the key folder \
(`site.wrap`), or by a command that ALMONER_WRAP_COMMAND names when a site is made or its vault's key is \
rotated: it is called with `wrap` or `unwrap`, takes bytes on stdin and gives bytes on stdout.

Examples:
  almoner keys list
  almoner keys rotate vault
  almoner keys rotate diabetes
  almoner keys export diabetes@2
  almoner keys destroy diabetes@1
  almoner keys copy /srv/open-copy

Rotating and destroying renew the site key too, so that copies of the site made before open no more; keep \
no old copy of the key folder. Both need the site to themselves: nobody may write to it meanwhile.")]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// The keys of data that there are or were
    List,
    /// Put a new key in the place of one: data are sealed anew, the old key is destroyed
    Rotate {
        /// `vault`, or a dataset
        #[arg(value_name = "vault|DATASET")]
        what: String,
    },
    /// Show the key of a version, for DuckDB, pyarrow and others that read encrypted Parquet
    Export {
        /// `dataset` or `dataset@version`
        name: String,
    },
    /// Destroy the key of a version: nobody reads it again, its proofs still hold
    Destroy {
        /// `dataset@version`
        name: String,
    },
    /// Copy the site with vault and lake in the open into a new folder, for programs of your own
    Copy {
        /// The folder; there must be none yet
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

/// Runs the command.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    match &args.act {
        Act::List => list(&site, context),
        Act::Rotate { what } => rotate(&site, what, context),
        Act::Export { name } => export(&site, name, context),
        Act::Destroy { name } => destroy(&site, name, context),
        Act::Copy { folder } => {
            let bar = context.bar("copy");
            let (objects, closed) = keys::copy(&site, folder, &bar)?;
            drop(bar);
            let mut table = Table::new(["folder", "objects", "not readable any more"]);
            let place = folder.display().to_string();
            table.row([place.clone(), objects.to_string(), closed.to_string()]);
            let told = serde_json::json!({ "folder": place, "objects": objects, "closed": closed });
            table.write(context.global.format, &told, context.out)?;
            writeln!(context.err, "it holds who is who in the open: delete it when you are done")?;
            Ok(())
        }
    }
}

fn list(site: &Site, context: &mut Context<'_>) -> Result<(), Failure> {
    let lines = keys::list(site)?;
    let mut table = Table::new(["key", "wrapped by"]);
    for line in &lines {
        let by = line.wrapped_by.as_deref().unwrap_or("destroyed");
        table.row([line.key.as_str(), by]);
    }
    Ok(table.write(context.global.format, &lines, context.out)?)
}

/// What a rotation came to, as it is told.
#[derive(Serialize)]
struct Told {
    made: Vec<String>,
    objects: u64,
    destroyed: Vec<String>,
}

fn rotate(site: &Site, what: &str, context: &mut Context<'_>) -> Result<(), Failure> {
    let bar = context.bar("rotate");
    let renewed = match what {
        "vault" => keys::rotate_vault(site, &bar)?,
        dataset => keys::rotate_dataset(site, dataset, &bar)?,
    };
    drop(bar);
    let Renewed { made, objects, destroyed } = renewed;
    let told = Told { made: names(&made), objects, destroyed: names(&destroyed) };
    let mut table = Table::new(["made", "objects sealed anew", "destroyed"]);
    table.row([told.made.join(" "), objects.to_string(), told.destroyed.join(" ")]);
    Ok(table.write(context.global.format, &told, context.out)?)
}

fn names(keys: &[KeyName]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

fn export(site: &Site, name: &str, context: &mut Context<'_>) -> Result<(), Failure> {
    let (name, key) = keys::export(site, name)?;
    let (name, hex, base64) = (name.to_string(), hex(key.as_slice()), STANDARD.encode(&*key));
    let mut table = Table::new(["key", "hex", "base64"]);
    table.row([name.as_str(), &hex, &base64]);
    let told = serde_json::json!({ "key": name, "hex": hex, "base64": base64 });
    table.write(context.global.format, &told, context.out)?;
    writeln!(context.err, "whoever has this key reads the version's segments")?;
    Ok(())
}

fn destroy(site: &Site, name: &str, context: &mut Context<'_>) -> Result<(), Failure> {
    if !name.contains('@') {
        let text = format!("`{name}` names no version");
        return Err(Failure::new(Kind::Usage, text).hint("write it as dataset@version"));
    }
    let destroyed = names(&keys::destroy(site, name)?);
    let mut table = Table::new(["destroyed"]);
    for key in &destroyed {
        table.row([key.clone()]);
    }
    table.write(context.global.format, &destroyed, context.out)?;
    if destroyed.is_empty() {
        writeln!(context.err, "its keys were destroyed before; nothing changed")?;
    }
    Ok(())
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Key(error) => error.into(),
            Error::Store(error) => error.into(),
            Error::Lake(error) => error.into(),
            Error::Open => Self::new(Kind::Refused, error).hint(
                "`almoner keys rotate vault` seals a site that was made before there were seals",
            ),
            Error::Exists(_) => {
                Self::new(Kind::Usage, error).hint("name a folder that is not there yet")
            }
            Error::File { .. } => Self::new(Kind::Failed, error),
        }
    }
}
