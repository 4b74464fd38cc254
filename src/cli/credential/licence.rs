//! `almoner credential licence`: decide on the site's own licences, take those of other issuers.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use serde_json::json;

use super::show::holder;
use crate::{
    cli::{Context, Failure, Kind, Table},
    credential::{Refusal, ShapeError, StatusPurpose},
    instant::Instant,
    pipeline::licence::{self as act, Decision, Terms},
};

/// At most so many refused lines are shown one by one.
const REJECTS_SHOWN_MAX: usize = 20;

/// Decide on licences that this site issues; take those of others
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Issue a licence
    #[command(after_help = "\
Examples:
  almoner credential licence issue H-1 north-shore --class hospital --from 2026-01-01 \\
    --until 2028-01-01 --key VKEY --out north-shore.jwt
  almoner credential licence issue P-7 npi:1234567893 --class physician")]
    Issue {
        /// The licence's id
        licence: String,
        /// An institution, or a practitioner as npi:NUMBER
        holder: String,
        /// What it permits to be, such as hospital or physician
        #[arg(long)]
        class: String,
        /// A condition under which it stands
        #[arg(long, value_name = "TEXT")]
        restriction: Option<String>,
        #[command(flatten)]
        term: Term,
        #[command(flatten)]
        when: When,
    },
    /// Give a licence a new term; a new key of the holder takes the place of the old
    #[command(after_help = "\
Example:
  almoner credential licence renew H-1 --from 2028-01-01 --until 2030-01-01 --out north-shore.jwt")]
    Renew {
        /// The licence's id
        licence: String,
        #[command(flatten)]
        term: Term,
        #[command(flatten)]
        when: When,
    },
    /// Put a licence under one condition more
    #[command(after_help = "\
Example:
  almoner credential licence restrict H-1 --restriction 'no surgery'")]
    Restrict {
        /// The licence's id
        licence: String,
        /// The condition
        #[arg(long, value_name = "TEXT")]
        restriction: String,
        #[command(flatten)]
        when: When,
    },
    /// Let a licence rest; what its holder signed before stays good
    #[command(
        after_help = "Example:\n  almoner credential licence suspend H-1 --out h-1-suspended.jwt"
    )]
    Suspend(Taken),
    /// End a licence for ever
    #[command(
        after_help = "Example:\n  almoner credential licence revoke P-7 --out p-7-revoked.jwt"
    )]
    Revoke(Taken),
    /// End a suspension; where there is none, lift the conditions
    #[command(
        after_help = "Example:\n  almoner credential licence reinstate H-1 --from 2026-05-01"
    )]
    Reinstate(Taken),
    /// Take credentials and status lists of trusted issuers from a file, one token a line
    #[command(after_help = "\
What is known changes nothing; what is refused is told with its line and reason; the rest is kept.

Examples:
  almoner credential licence import from-the-board.jwt
  almoner credential licence import suspensions.jwt --format json")]
    Import {
        /// The file
        file: PathBuf,
    },
    /// Write the newest credential that shows a holder's licence now
    #[command(after_help = "\
Example:
  almoner credential licence export north-shore --out north-shore.jwt")]
    Export {
        /// An institution, or a practitioner as npi:NUMBER
        holder: String,
        /// Where to write it [default: stdout]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Write a Bitstring Status List of the licences that this site issued, as they are now
    #[command(after_help = "\
Examples:
  almoner credential licence status-list suspension --out suspensions.jwt
  almoner credential licence status-list revocation --out revocations.jwt")]
    StatusList {
        /// suspension or revocation
        #[arg(value_parser = purpose)]
        purpose: StatusPurpose,
        /// Where to write it [default: stdout]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, clap::Args)]
struct Term {
    /// When the term ends, exclusive [default: never]
    #[arg(long, value_name = "WHEN", value_parser = Instant::parse)]
    until: Option<Instant>,
    /// The vkey with which the holder signs deliveries and transfers
    #[arg(long, value_name = "VKEY")]
    key: Option<String>,
}

#[derive(Debug, clap::Args)]
struct When {
    /// From when on [default: now]; what takes away never reaches back
    #[arg(long, value_name = "WHEN", value_parser = Instant::parse)]
    from: Option<Instant>,
    /// Where to write the credential that tells it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A licence to take something from, or to give it back.
#[derive(Debug, clap::Args)]
pub(super) struct Taken {
    /// The licence's id
    licence: String,
    #[command(flatten)]
    when: When,
}

fn purpose(text: &str) -> Result<StatusPurpose, &'static str> {
    StatusPurpose::parse(text).ok_or("neither suspension nor revocation")
}

/// Runs `almoner credential licence`.
pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let terms = |term: Term| Terms { until: term.until, key: term.key };
    match args.act {
        Act::Issue { licence, holder: text, class, restriction, term, when } => {
            let (holder, terms) = (holder(&text)?, terms(term));
            let decision = Decision::Issue { holder, class, terms, restriction };
            decide(&licence, decision, &when, context)
        }
        Act::Renew { licence, term, when } => {
            decide(&licence, Decision::Renew(terms(term)), &when, context)
        }
        Act::Restrict { licence, restriction, when } => {
            decide(&licence, Decision::Restrict(restriction), &when, context)
        }
        Act::Suspend(Taken { licence, when }) => {
            decide(&licence, Decision::Suspend, &when, context)
        }
        Act::Revoke(taken) => revoke(&taken, context),
        Act::Reinstate(Taken { licence, when }) => {
            decide(&licence, Decision::Reinstate, &when, context)
        }
        Act::Import { file } => import(&file, context),
        Act::Export { holder: text, out } => {
            let token = act::export(&context.site()?, &holder(&text)?)?;
            write(out.as_deref(), &token, context)
        }
        Act::StatusList { purpose, out } => {
            let token = act::status_list(&context.site()?, purpose)?;
            write(out.as_deref(), &token, context)
        }
    }
}

/// Revokes a licence.
pub(super) fn revoke(taken: &Taken, context: &mut Context<'_>) -> Result<(), Failure> {
    decide(&taken.licence, Decision::Revoke, &taken.when, context)
}

fn decide(
    licence: &str,
    decision: Decision,
    when: &When,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let decided = act::decide(&context.site()?, licence, decision, when.from)?;
    let event = &decided.event;
    let mut table = Table::new(["decision", "what it says"]);
    table.row(["licence", &event.licence]);
    table.row(["action", event.action.as_str()]);
    table.row(["class", &event.class]);
    table.row(["from".to_owned(), event.effective().to_string()]);
    if let Some(until) = event.until {
        table.row(["until".to_owned(), until.to_string()]);
    }
    for commit in &decided.outcome.commits {
        table.row(["commit".to_owned(), commit.to_string()]);
    }
    let json = json!({
        "decision": event,
        "credential": decided.credential,
        "commits": decided.outcome.commits,
        "entries": decided.outcome.entries,
    });
    if let Some(out) = &when.out {
        put(out, &decided.credential)?;
        writeln!(context.err, "the credential is in {}", out.display())?;
    }
    table.write(context.global.format, &json, context.out)?;
    if decided.outcome.commits.is_empty() {
        writeln!(context.err, "nothing new: this was decided before")?;
    }
    Ok(())
}

fn import(file: &Path, context: &mut Context<'_>) -> Result<(), Failure> {
    let outcome = act::import(&context.site()?, file)?;
    for reject in outcome.rejects.iter().take(REJECTS_SHOWN_MAX) {
        writeln!(context.err, "left out: `{}` {reject}", file.display())?;
    }
    if let Some(more @ 1..) = outcome.rejects.len().checked_sub(REJECTS_SHOWN_MAX) {
        writeln!(context.err, "left out: `{}`: {more} more lines", file.display())?;
    }
    if outcome.bad_npis > 0 {
        let count = outcome.bad_npis;
        writeln!(context.err, "{count} identifiers of practitioners fail their check digit; kept")?;
    }
    told(&outcome, "nothing new: the register holds all of it", context)?;
    let taken = outcome.institutions + outcome.practitioners + outcome.known;
    if outcome.rejected > 0 && taken == 0 && outcome.commits.is_empty() {
        return Err(Failure::new(
            Kind::Refused,
            format!("`{}`: nothing in it was taken", file.display()),
        )
        .hint(
            "the lines above say why; `almoner credential trust show` lists the issuers that count",
        ));
    }
    Ok(())
}

/// Shows what an act came to.
pub(super) fn told(
    outcome: &act::Outcome,
    nothing: &str,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let mut table =
        Table::new(["institutions", "practitioners", "known", "rejected", "bad npis", "commits"]);
    let counts = [
        outcome.institutions,
        outcome.practitioners,
        outcome.known,
        outcome.rejected,
        outcome.bad_npis,
    ];
    let commits: Vec<String> = outcome.commits.iter().map(ToString::to_string).collect();
    let commits = if commits.is_empty() { "none".to_owned() } else { commits.join(" ") };
    table.row(counts.map(|count| count.to_string()).into_iter().chain([commits]));
    table.write(context.global.format, outcome, context.out)?;
    if outcome.commits.is_empty() && outcome.rejected == 0 {
        writeln!(context.err, "{nothing}")?;
    }
    Ok(())
}

/// Writes a token to a file or to stdout.
fn write(out: Option<&Path>, token: &str, context: &mut Context<'_>) -> Result<(), Failure> {
    match out {
        Some(file) => {
            put(file, token)?;
            writeln!(context.err, "written to {}", file.display())?;
        }
        None => writeln!(context.out, "{token}")?,
    }
    Ok(())
}

fn put(file: &Path, token: &str) -> Result<(), Failure> {
    fs::write(file, format!("{token}\n")).map_err(|error| {
        Failure::new(Kind::Usage, format!("`{}` cannot be written: {error}", file.display()))
    })
}

impl From<act::Error> for Failure {
    fn from(error: act::Error) -> Self {
        use act::Error as E;
        let (kind, hint) = match error {
            E::Site(error) => return error.into(),
            E::Register(crate::credential::LicencesError::Store(error)) => return error.into(),
            E::Register(_) => {
                (Kind::Integrity, Some("run `almoner verify --deep`, which names what has changed"))
            }
            E::Read { .. } => (Kind::Usage, None),
            E::NoToken(_) => (
                Kind::Invalid,
                Some("a file of licences holds compact tokens (vc+jwt), one a line"),
            ),
            E::Credential(_) => (
                Kind::Refused,
                Some("`almoner credential trust show` lists the issuers that count"),
            ),
            E::Canonical(_) | E::Write(_) | E::Object(_) => (Kind::Failed, None),
            E::Clock { .. } => (
                Kind::Failed,
                Some("set the clock, or give `--now` an instant that is not in the past"),
            ),
            E::NoIssuer => (Kind::Usage, Some("`almoner credential issuer new` makes one")),
            E::OwnKey(_) => (
                Kind::Refused,
                Some(
                    "`almoner credential issuer show` prints its vkey; \
                     `almoner credential trust add NAME --vkey VKEY` trusts it",
                ),
            ),
            E::Cosigner(_) => (Kind::Usage, Some("ask the issuer for its key that signs")),
            E::NotTrusted(_) => {
                (Kind::Usage, Some("`almoner credential trust show` lists the issuers"))
            }
            E::NoLicence => (
                Kind::Usage,
                Some(
                    "`almoner credential show` lists what is known; only its issuer decides on it",
                ),
            ),
            E::Shape(shape) => (Kind::Usage, shape_hint(shape)),
            E::Refused(refusal) => (Kind::Refused, refusal_hint(refusal)),
        };
        let failure = Self::new(kind, error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

fn shape_hint(shape: ShapeError) -> Option<&'static str> {
    match shape {
        ShapeError::Term | ShapeError::Until => Some("--until lies after --from"),
        ShapeError::Key | ShapeError::NoKey => {
            Some("a vkey reads name+hash+base64; `almoner transfer keys` of the holder prints it")
        }
        ShapeError::Text(_) | ShapeError::Restriction | ShapeError::NoRestriction => None,
    }
}

fn refusal_hint(refusal: Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::Revoked => Some("what was revoked stays revoked: issue a licence of another id"),
        Refusal::Issued | Refusal::OtherHolder => {
            Some("an id names one licence of one holder; `renew` gives it a new term")
        }
        Refusal::NotIssued => Some("--from lies before the licence begins"),
        Refusal::NothingToReinstate => Some("`almoner credential history` shows what was decided"),
        Refusal::Untrusted | Refusal::NotTheIssuer | Refusal::OtherClass => None,
    }
}
