//! `almoner keys signers`, `rotate log|steward`, `recovery` and `revoke`: the keys that sign.
//!
//! Comes in: a role or a key, a recovery key's file. Goes out: which key went and which came.
//! Never: a seed shown.

use std::path::PathBuf;

use crate::{
    cli::{Context, Failure, Kind, Table},
    ledger::trust::{PERIOD_ENTRIES, Role},
    pipeline::signing::{self, Changed, Error},
    site::Site,
};

/// What `rotate --help` says of the keys that sign.
pub(super) const ROTATE_HELP: &str = "\
The rotation of `log` or `steward` is an entry of the public book that the key that goes and the key that \
comes both sign: who knows the old key follows from it to the new one. For the next 64 entries the log's \
old key signs checkpoints beside the new one; the next change of keys deletes seeds whose time is over.

Examples:
  almoner keys rotate vault
  almoner keys rotate log --reason 'a year is over'
  almoner keys rotate steward --key 'commons.example/ledger/steward+49d83c79'";

/// Options of a rotation of a key that signs.
#[derive(Debug, clap::Args)]
pub(super) struct RotateArgs {
    /// Why, for the public book
    #[arg(long, default_value = "by schedule")]
    reason: String,
    /// Only if this is the key in force, so that a command given twice rotates once
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

/// `keys recovery`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Make it when you make the site, and take the file away: on paper, or in a safe. Whoever has it revokes \
the keys that sign.

Examples:
  almoner keys recovery /media/stick/recovery.seed
  almoner keys recovery /media/new/recovery.seed --old /media/stick/recovery.seed")]
pub(super) struct RecoveryArgs {
    /// Its file; a new seed is made there where there is none
    file: PathBuf,
    /// The file of the recovery key before it, which must sign the new one
    #[arg(long, value_name = "FILE")]
    old: Option<PathBuf>,
    /// Why, for the public book
    #[arg(long, default_value = "a key that lies offline")]
    reason: String,
}

/// `keys revoke`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A steward's key is followed by a new one, and what the old one signs from then on is a finding of every \
audit. A log whose key is revoked ends: nobody can tell whose checkpoints follow. `almoner init \
--continues` begins the next one, under another origin, whose first entry names the last good checkpoint.

Examples:
  almoner keys revoke 'commons.example/ledger/steward+49d83c79' \\
    --recovery /media/stick/recovery.seed --reason 'the laptop was stolen'
  almoner keys revoke 'commons.example/ledger+0b6306e5' --last-good 812 \\
    --recovery /media/stick/recovery.seed --reason 'the server was broken into'")]
pub(super) struct RevokeArgs {
    /// The key, as `keys signers` shows it
    key: String,
    /// The recovery key's file
    #[arg(long, value_name = "FILE")]
    recovery: PathBuf,
    /// Why, for the public book
    #[arg(long)]
    reason: String,
    /// Of a log's key: the size up to which the log may be believed [default: all of it]
    #[arg(long, value_name = "SIZE")]
    last_good: Option<u64>,
}

/// Returns the role of a key that `rotate` names, if it is one that signs.
pub(super) fn role(what: &str) -> Option<Role> {
    Role::parse(what).filter(|role| *role != Role::Recovery)
}

pub(super) fn list(site: &Site, context: &mut Context<'_>) -> Result<(), Failure> {
    let lines = signing::list(site);
    let mut table = Table::new(["role", "key", "from entry", "until entry", "state"]);
    for line in &lines {
        let until = line.until.map(|at| at.to_string()).unwrap_or_default();
        table.row([
            line.role.to_owned(),
            line.vkey.clone(),
            line.from.to_string(),
            until,
            line.state.to_owned(),
        ]);
    }
    Ok(table.write(context.global.format, &lines, context.out)?)
}

pub(super) fn rotate(
    site: &mut Site,
    role: Role,
    args: &RotateArgs,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let changed = signing::rotate(site, role, &args.reason, args.key.as_deref())?;
    if role == Role::Log && !changed.known {
        writeln!(
            context.err,
            "the old key signs beside the new one for {PERIOD_ENTRIES} entries: tell your witnesses the new key"
        )?;
    }
    show(&changed, context)
}

pub(super) fn recovery(
    site: &mut Site,
    args: &RecoveryArgs,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let changed = signing::recovery(site, &args.file, args.old.as_deref(), &args.reason)?;
    if !changed.known {
        writeln!(context.err, "take {} away from this machine", args.file.display())?;
    }
    show(&changed, context)
}

pub(super) fn revoke(
    site: &mut Site,
    args: &RevokeArgs,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let RevokeArgs { key, recovery, reason, last_good } = args;
    let changed = signing::revoke(site, key, recovery, reason, *last_good)?;
    show(&changed, context)
}

fn show(changed: &Changed, context: &mut Context<'_>) -> Result<(), Failure> {
    let mut table =
        Table::new(["role", "key that went", "key that came", "entry", "seeds deleted"]);
    let told =
        if changed.known { "known before; nothing changed".to_owned() } else { String::new() };
    table.row([
        changed.role.to_owned(),
        changed.old.clone().unwrap_or_default(),
        changed.new.clone().unwrap_or_default(),
        changed.entry.map_or(told, |entry| entry.to_string()),
        changed.forgotten.join(" "),
    ]);
    Ok(table.write(context.global.format, changed, context.out)?)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        use Error as E;
        let hint = match &error {
            E::Site(_) | E::Store(_) | E::Reader(_) | E::Entry(_) | E::Seed(_) | E::Note(_) => None,
            E::Reason => Some("give --reason TEXT; it stands in the public book"),
            E::OtherRecovery(_) | E::NoKey => Some("`almoner keys signers` shows all keys"),
            E::NoRecovery => Some("`almoner keys recovery FILE` brings one in"),
            E::HasRecovery => Some("name its file with --old"),
            E::OwnKey => Some("`almoner keys recovery NEW --old OLD` puts another in its place"),
            E::NoCheckpoint(_) => Some("the sizes stand in the ledger's folder `checkpoints`"),
            E::NotEnded(_) => Some("`almoner keys revoke KEY` ends it"),
            E::NoLedger(_) => Some("name the folder `ledger` of the site that was"),
            E::Ended(_) => Some("`almoner init --continues` begins the log that follows"),
        };
        let failure = match error {
            E::Site(error) => return error.into(),
            E::Store(error) => return error.into(),
            E::Reader(_) => Self::new(Kind::Integrity, error),
            E::Entry(_) => Self::new(Kind::Failed, error),
            E::Seed(_) | E::Note(_) | E::OtherRecovery(_) => Self::new(Kind::Invalid, error),
            E::Reason | E::NoKey | E::NoCheckpoint(_) | E::NotEnded(_) | E::NoLedger(_) => {
                Self::new(Kind::Usage, error)
            }
            E::NoRecovery | E::HasRecovery | E::OwnKey | E::Ended(_) => {
                Self::new(Kind::Refused, error)
            }
        };
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
