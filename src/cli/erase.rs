//! `almoner erase`: what links people to anything here is destroyed; what others' proofs rest on stays.

use clap::ValueEnum;
use serde::Serialize;

use super::{Bar, Context, Failure, Kind, Table};
use crate::pipeline::erase::{self, Erased, Error, Versions};

/// Destroy what links people to anything in this site, for good
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Their decisions, keys, linked records and tokens become empty rows; their pseudonyms, accounts and payments \
get a random name in place of theirs; the versions that hold their rows are destroyed. Roots in the book \
still come out, and everyone else's proofs hold. Sums of settlements and payment orders stay in the books \
without a name: a steward who must keep vouchers for the tax office keeps the bank's statements outside of \
this site. The entry in the public book tells the reason, so write none that names anybody.

A transfer of their record that is still open ends, and codes of vouchers that they have not redeemed are \
of no use any more.

Not reached: files that were handed out (statements, proofs, answers, exports), the signed steps of transfers \
that partners hold too, what institutions hold, and copies of site and keys made before. Ask the institutions to leave the person out, or the next run of a \
pipeline takes them for somebody new.

Digests in the book still let somebody test a guess who holds every other row, the surviving secrets and all
else that one row said. With --versions keep the rows themselves stay readable.

It needs the site to itself: while others write it is refused, and what was begun before it is refused after.
Cut off, the act is finished by whoever erases next; nothing else is written before. With --resume nobody new \
is erased.

Examples:
  almoner erase p-0042 --reason 'request under Art. 17 GDPR' --dry-run
  almoner erase p-0042 north-shore/NS-118 --reason 'request under Art. 17 GDPR'
  almoner erase p-0042 --reason 'request under Art. 17 GDPR' --versions keep
  almoner erase --resume")]
pub struct Args {
    /// Whom: ids, or `institution/id` of linked records
    #[arg(value_name = "PERSON", required_unless_present = "resume")]
    people: Vec<String>,
    /// Why, as the public book will tell it; it may name nobody
    #[arg(long, value_name = "TEXT", required_unless_present = "resume")]
    reason: Option<String>,
    /// What becomes of versions that hold them
    #[arg(long, value_enum, default_value_t = Policy::Destroy)]
    versions: Policy,
    /// Say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Finish an erasure that was cut off
    #[arg(long, conflicts_with_all = ["people", "reason", "dry_run"])]
    resume: bool,
}

/// What becomes of versions that hold the people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Policy {
    /// Nobody can read them any more; ingest makes the next one
    Destroy,
    /// They stay, and with them the rows, under a pseudonym that nobody can make again
    Keep,
}

#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    erased: Erased,
    dry_run: bool,
}

/// Runs the command.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let site = context.site()?;
    let bar = Bar::new("erase", context.global.quiet);
    if args.resume {
        let was = erase::resume(&site, &bar)?;
        let said = if was { "finished" } else { "nothing was cut off" };
        let mut table = Table::new(["erasure"]);
        table.row([said.to_owned()]);
        let shown = serde_json::json!({ "finished": was });
        return Ok(table.write(context.global.format, &shown, context.out)?);
    }
    let versions = match args.versions {
        Policy::Destroy => Versions::Destroy,
        Policy::Keep => Versions::Keep,
    };
    let reason = args.reason.as_deref().unwrap_or_default();
    let erased = erase::erase(&site, &args.people, reason, versions, args.dry_run, &bar)?;
    let mut table = Table::new(["what", "how many"]);
    let mut row = |what: &str, count: String| {
        table.row([what.to_owned(), count]);
    };
    row("people erased", erased.people.to_string());
    row("people of whom nothing is known", erased.unknown.to_string());
    for (store, objects) in &erased.objects {
        row(&format!("objects of {store} rewritten"), objects.to_string());
    }
    row("commits rewritten", erased.commits.to_string());
    row("payments that stay without a name", erased.payments.to_string());
    let kept = if erased.destroyed { "destroyed" } else { "kept" };
    row(&format!("versions {kept}"), erased.versions.join(", "));
    let shown = Shown { erased, dry_run: args.dry_run };
    table.write(context.global.format, &shown, context.out)?;
    if args.dry_run {
        writeln!(context.err, "nothing was changed")?;
    }
    Ok(())
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (kind, hint) = match error {
            Error::Site(error) => return error.into(),
            Error::Store(error) => return error.into(),
            Error::Linkage(error) => return error.into(),
            Error::Vault(error) => return error.into(),
            Error::Consent(_)
            | Error::Index(_)
            | Error::Lake(_)
            | Error::Goods(_)
            | Error::Payees(_)
            | Error::Entry(_)
            | Error::Arrow(_)
            | Error::Parquet(_)
            | Error::Format(_) => {
                (Kind::Integrity, Some("run `almoner verify --deep`, which names what has changed"))
            }
            Error::Json(_) => (Kind::Failed, None),
            Error::Id(_) | Error::Nobody => (Kind::Usage, None),
            Error::Reason => {
                (Kind::Usage, Some("name the rule, such as 'request under Art. 17 GDPR'"))
            }
            Error::Raced => (Kind::Conflict, Some("run the command again")),
        };
        let failure = Self::new(kind, error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
