//! `almoner party`: say and show which institutions are related.
//!
//! Comes in: two institutions, a reason, an approver. Goes out: what was recorded.
//! Never: a relation that nobody answers for.

use clap::Subcommand;
use serde::Serialize;

use super::{Context, Failure, Format, Kind, Table, pool::usage};
use crate::{
    party::InstitutionId,
    pipeline::related::{self as act, relate, relations},
    reward::{Relation, RelationCommit},
};

/// Say and show which institutions are related, so that none is paid for its own questions
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Leave an institution's records out of another's questions, as its own already are
    #[command(after_help = "\
Example:
  almoner party relate care-fund-clinic north-shore --reason 'the fund owns it' --approver board")]
    Relate(RelateArgs),
    /// Show all relations
    #[command(after_help = "Example:\n  almoner party show --format json")]
    Show,
}

#[derive(Debug, clap::Args)]
struct RelateArgs {
    /// The institution whose researchers ask
    payer: String,
    /// The institution whose records their questions do not count
    institution: String,
    /// Why; it stands in the public book
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who approved it; it stands in the public book
    #[arg(long, value_name = "NAME")]
    approver: String,
}

/// Runs `almoner party`.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    match &args.act {
        Act::Relate(args) => related(args, context),
        Act::Show => show(context),
    }
}

fn related(args: &RelateArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let RelateArgs { payer, institution, reason, approver } = args;
    let relation = Relation {
        payer: InstitutionId::parse(payer).map_err(|e| usage("PAYER", &e))?,
        institution: InstitutionId::parse(institution).map_err(|e| usage("INSTITUTION", &e))?,
        reason: reason.clone(),
        approver: approver.clone(),
    };
    let done = relate(&context.site()?, relation)?;
    if context.global.format == Format::Table {
        let already = if done.new { "" } else { " already" };
        let (commit, entry) = (done.commit, done.entry);
        writeln!(
            context.out,
            "{payer} related to {institution}{already}: commit {commit}, entry {entry}"
        )?;
        return Ok(());
    }
    let mut table = Table::new(["commit", "entry", "new"]);
    table.row([done.commit.to_string(), done.entry.to_string(), done.new.to_string()]);
    Ok(table.write(context.global.format, &done, context.out)?)
}

#[derive(Serialize)]
struct Shown<'a> {
    commit: u64,
    time: String,
    #[serde(flatten)]
    relation: &'a Relation,
}

fn show(context: &mut Context<'_>) -> Result<(), Failure> {
    let relations = relations(&context.site()?)?;
    let mut table = Table::new(["commit", "time", "payer", "institution", "reason", "approver"]);
    let shown: Vec<Shown<'_>> = relations
        .iter()
        .map(|(commit, RelationCommit { time, act, .. })| Shown {
            commit: *commit,
            time: time.to_string(),
            relation: act,
        })
        .collect();
    for Shown { commit, time, relation } in &shown {
        table.row([
            commit.to_string(),
            time.clone(),
            relation.payer.to_string(),
            relation.institution.to_string(),
            relation.reason.clone(),
            relation.approver.clone(),
        ]);
    }
    Ok(table.write(context.global.format, &shown, context.out)?)
}

impl From<act::Error> for Failure {
    fn from(error: act::Error) -> Self {
        use act::Error as E;
        match error {
            E::Site(error) => error.into(),
            E::Commit(_) => Self::new(Kind::Integrity, error)
                .hint("run `almoner verify --deep`, which names what has changed"),
            E::Canonical(_) => Self::new(Kind::Failed, error),
            E::Same | E::Silent => Self::new(Kind::Usage, error),
        }
    }
}
