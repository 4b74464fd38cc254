//! `almoner transfer`: a patient's record to another institution, step by step, once they approve.
//!
//! Comes in: the site, its desk file, what is to be done. Goes out: what was done and what was refused.
//! Never: a patient's id unless it was asked for.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::{Context, Failure, Format, Kind, Table};
use crate::{
    instant::Instant,
    party::InstitutionId,
    pipeline::transfer::{
        self as act, Clerk, Desk, End, Outcome, Refused, licence_of, purpose_words,
    },
    transfer::{Role, TransferId},
};

/// Send a patient's record to another institution once they approve, and receive theirs
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A record goes in five steps, each a signed file in the exchange that the desk file names. The one who \
holds it offers it; the other challenges, and shows that it knows the patient; the patient approves with \
a key of their own (`almoner approve`); the record is sent sealed, for the other to open and nobody else; \
a receipt comes back. `almoner transfer run`, by hand or by cron at each side, does all that is due and \
carries files to partners whose exchange can be reached; elsewhere a courier carries outbox/<partner>/ \
to inbox/<us>/ there.

Nothing goes without the patient's signature, a consent that permits it on the day it is sent, enough \
that both know of the same person, and a licence that stands. A file that is not what it should be is \
refused and named; no other transfer is held up by it.

Examples:
  almoner transfer keys --desk north.toml --format toml >> lake.toml
  almoner transfer approver add 7f3a… \"$(almoner approve --new-key my.key)\" --desk north.toml
  almoner transfer offer --desk north.toml --to lake-county --patient 7f3a…
  almoner transfer run --desk north.toml
  almoner transfer status --desk north.toml")]
pub struct Args {
    /// The desk file
    #[arg(long, global = true, env = "ALMONER_DESK", value_name = "FILE")]
    desk: Option<PathBuf>,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Print what a partner's desk file must say of this site
    #[command(after_help = "\
Examples:
  almoner transfer keys --desk north.toml --as toml")]
    Keys(KeysArgs),
    /// Offer the records of patients to a partner
    #[command(after_help = "\
A patient needs a key that is registered (`transfer approver add`) and a consent, imported with `consent \
import`, that permits this recipient and purpose today. What a consent leaves out stays here, and the \
offer says how much and by which rule. Who has an open transfer to the partner is not offered twice.

Examples:
  almoner transfer offer --to lake-county --patient 7f3a… 90bc…
  almoner transfer offer --to lake-county --patients moved.txt --purpose TREAT")]
    Offer(OfferArgs),
    /// Answer the offers that came in: find the patient, show what is known of them
    #[command(after_help = "\
An offer for whom this site does not know is named and stays: it is answered once they are known.

Examples:
  almoner transfer challenge
  almoner transfer challenge 5f0c… --format json")]
    Challenge(OneArgs),
    /// Judge the challenges that came in, lay them before the patients, take their approvals
    #[command(after_help = "\
A challenge of another person ends the transfer. One that holds is laid on the desk, where the patient \
approves or declines.

Examples:
  almoner transfer accept")]
    Accept(OneArgs),
    /// Send what is approved: consent, licences and approver are judged once more
    #[command(after_help = "\
Examples:
  almoner transfer send
  almoner transfer send 5f0c…")]
    Send(OneArgs),
    /// Open the parcels that came in, check all of it, unpack, and put out receipts
    #[command(after_help = "\
Records are unpacked to a folder a transfer, one FHIR NDJSON file a type, beside transfer.json. At the \
sender it takes the receipts.

Examples:
  almoner transfer receive")]
    Receive(OneArgs),
    /// Call a transfer off, before its record was sent or received
    #[command(after_help = "\
Examples:
  almoner transfer cancel 5f0c…")]
    Cancel(CancelArgs),
    /// Show how transfers stand, what is due, what was refused
    #[command(after_help = "\
Examples:
  almoner transfer status
  almoner transfer status --patients --format csv")]
    Status(StatusArgs),
    /// Do all that is due, and carry files to partners
    #[command(after_help = "\
Safe to run at any time and after any crash: what is done stays done.

Examples:
  */10 * * * *  almoner transfer run --site /srv/north --desk /etc/almoner/north.toml --quiet")]
    Run,
    /// Register, revoke and list the keys with which patients approve
    #[command(after_help = "\
Examples:
  almoner transfer approver list")]
    Approver(ApproverArgs),
}

#[derive(Debug, clap::Args)]
struct KeysArgs {
    /// How it is written
    #[arg(long = "as", value_enum, default_value_t = KeysAs::Plain)]
    written: KeysAs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KeysAs {
    /// A table, or as --format says
    Plain,
    /// The `[[partner]]` table of a desk file
    Toml,
}

#[derive(Debug, clap::Args)]
struct OfferArgs {
    /// The partner
    #[arg(long, value_name = "INSTITUTION")]
    to: InstitutionArg,
    /// Patients, by this site's own ids
    #[arg(long, value_name = "ID", num_args = 1.., required_unless_present = "patients")]
    patient: Vec<String>,
    /// A file with one such id a line
    #[arg(long, value_name = "FILE")]
    patients: Option<PathBuf>,
    /// What for, a code of HL7 v3-ActReason [default: the desk file's]
    #[arg(long, value_name = "CODE")]
    purpose: Option<String>,
}

#[derive(Debug, clap::Args)]
struct OneArgs {
    /// One transfer [default: all that are due]
    #[arg(value_name = "TRANSFER", value_parser = transfer_id)]
    transfer: Option<TransferId>,
}

#[derive(Debug, clap::Args)]
struct CancelArgs {
    /// The transfer
    #[arg(value_parser = transfer_id)]
    transfer: TransferId,
}

#[derive(Debug, clap::Args)]
struct StatusArgs {
    /// Show the patients' ids of this site
    #[arg(long)]
    patients: bool,
}

#[derive(Debug, clap::Args)]
struct ApproverArgs {
    #[command(subcommand)]
    act: ApproverAct,
}

#[derive(Debug, Subcommand)]
enum ApproverAct {
    /// Register the key of a patient, or of one who decides for them
    #[command(after_help = "\
Whoever works at the desk has seen the person and knows who they are; the key is what `almoner approve \
--new-key` printed.

Examples:
  almoner transfer approver add 7f3a… approver-5d41+9a6f2b1c+AQO…
  almoner transfer approver add 7f3a… approver-… --role delegate --until 2027-01-01")]
    Add {
        /// The patient, by this site's own id
        patient: String,
        /// The key
        vkey: String,
        /// Whose it is
        #[arg(long, value_enum, default_value_t = RoleArg::Patient)]
        role: RoleArg,
        /// Until when it may approve
        #[arg(long, value_name = "INSTANT")]
        until: Option<String>,
    },
    /// Revoke a key: what it signs counts for nothing from now on
    #[command(after_help = "\
Examples:
  almoner transfer approver revoke 7f3a… approver-5d41…+9a6f2b1c+AQO…")]
    Revoke {
        /// The patient, by this site's own id
        patient: String,
        /// The key
        vkey: String,
    },
    /// List the keys, of all patients or one
    #[command(after_help = "\
Examples:
  almoner transfer approver list 7f3a…")]
    List {
        /// The patient, by this site's own id
        patient: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RoleArg {
    /// The patient
    Patient,
    /// One who decides for them
    Delegate,
}

/// An institution on the command line.
#[derive(Debug, Clone)]
struct InstitutionArg(InstitutionId);

impl std::str::FromStr for InstitutionArg {
    type Err = crate::party::IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        InstitutionId::parse(text).map(Self)
    }
}

fn transfer_id(text: &str) -> Result<TransferId, String> {
    TransferId::parse(text).map_err(|error| error.to_string())
}

/// Runs `almoner transfer`.
pub fn run(args: &Args, context: &mut Context<'_>) -> Result<(), Failure> {
    let Some(file) = &args.desk else {
        return Err(Failure::new(Kind::Usage, "no desk file was named")
            .hint("give --desk FILE or set ALMONER_DESK; pipelines/transfer.toml is an example"));
    };
    let desk = Desk::read(file)?;
    let site = context.site()?;
    if let Act::Keys(args) = &args.act {
        return keys(args, &act::keys(&site, &desk), context);
    }
    let licence = licence_of(&site)?;
    let bar = context.bar("transfer");
    let mut clerk = Clerk::open(&site, &desk, &*licence, &bar)?;
    let mut single = true;
    match &args.act {
        Act::Keys(_) => {}
        Act::Offer(args) => {
            let (patients, purpose) = asked(args)?;
            clerk.offer(&args.to.0, &patients, purpose)?;
        }
        Act::Challenge(OneArgs { transfer }) => clerk.challenge(transfer.as_ref())?,
        Act::Accept(OneArgs { transfer }) => clerk.accept(transfer.as_ref())?,
        Act::Send(OneArgs { transfer }) => clerk.send(transfer.as_ref())?,
        Act::Receive(OneArgs { transfer }) => clerk.receive(transfer.as_ref())?,
        Act::Cancel(CancelArgs { transfer }) => clerk.cancel(transfer)?,
        Act::Run => {
            single = false;
            clerk.run()?;
        }
        Act::Status(args) => return status(&clerk, args.patients, context),
        Act::Approver(ApproverArgs { act: ApproverAct::List { patient } }) => {
            return list(&clerk, patient.as_deref(), context);
        }
        Act::Approver(ApproverArgs { act }) => {
            approver(act, &mut clerk)?;
            let said = if clerk.close().known > 0 { "stood so already" } else { "was recorded" };
            writeln!(context.err, "the key {said}")?;
            return Ok(());
        }
    }
    let outcome = clerk.close();
    drop(bar);
    tell(&outcome, context)?;
    match outcome.refused.first() {
        Some(Refused { file, why, .. }) if single => {
            Err(Failure::new(Kind::Refused, format!("`{file}` was refused: {why}"))
                .hint("the others went on; `almoner transfer status` lists what was refused"))
        }
        Some(_) | None => Ok(()),
    }
}

fn keys(args: &KeysArgs, keys: &act::Keys, context: &mut Context<'_>) -> Result<(), Failure> {
    if args.written == KeysAs::Toml {
        write!(context.out, "{}", keys.toml())?;
        return Ok(());
    }
    let mut table = Table::new(["institution", "origin", "vkey", "hpke"]);
    let institution = keys.institution.to_string();
    table.row([institution, keys.origin.clone(), keys.vkey.clone(), keys.hpke.to_string()]);
    Ok(table.write(context.global.format, keys, context.out)?)
}

fn asked(args: &OfferArgs) -> Result<(Vec<String>, Option<&str>), Failure> {
    let mut patients = args.patient.clone();
    if let Some(file) = &args.patients {
        let text = std::fs::read_to_string(file).map_err(|error| {
            Failure::new(Kind::Usage, format!("`{}` cannot be read: {error}", file.display()))
        })?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        patients.extend(lines.map(str::to_owned));
    }
    match &args.purpose {
        Some(code) if purpose_words(code).is_none() => {
            let known: Vec<&str> = act::PURPOSES.iter().map(|(code, _)| *code).collect();
            Err(Failure::new(Kind::Usage, "`--purpose` holds no purpose that records are sent for")
                .hint(format!("known are {}", known.join(", "))))
        }
        purpose => Ok((patients, purpose.as_deref())),
    }
}

/// Registers or revokes a key.
fn approver(act: &ApproverAct, clerk: &mut Clerk<'_>) -> Result<(), Failure> {
    match act {
        ApproverAct::Add { patient, vkey, role, until } => {
            let role = match role {
                RoleArg::Patient => Role::Patient,
                RoleArg::Delegate => Role::Delegate,
            };
            let until = until
                .as_deref()
                .map(Instant::parse)
                .transpose()
                .map_err(|error| Failure::new(Kind::Usage, format!("`--until`: {error}")))?;
            clerk.add_approver(patient, vkey, role, until)?;
        }
        ApproverAct::Revoke { patient, vkey } => clerk.revoke_approver(patient, vkey)?,
        ApproverAct::List { .. } => {}
    }
    Ok(())
}

fn list(
    clerk: &Clerk<'_>,
    patient: Option<&str>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    let approvers = clerk.approvers(patient);
    let mut table = Table::new(["patient", "key", "role", "until", "revoked"]);
    let at = |instant: Option<Instant>| instant.map(|at| at.to_string()).unwrap_or_default();
    for own in &approvers {
        let role = match own.role {
            Role::Patient => "patient",
            Role::Delegate => "delegate",
        };
        let (until, revoked) = (at(own.until), at(own.revoked));
        table.row([own.patient.clone(), own.key.clone(), role.to_owned(), until, revoked]);
    }
    Ok(table.write(context.global.format, &approvers, context.out)?)
}

fn tell(outcome: &Outcome, context: &mut Context<'_>) -> Result<(), Failure> {
    let mut table = Table::new(["transfer", "partner", "step"]);
    for done in &outcome.steps {
        let (transfer, partner) = (done.transfer.to_string(), done.partner.to_string());
        table.row([transfer, partner, done.step.as_str().to_owned()]);
    }
    let is_silent = outcome.steps.is_empty() && context.global.format == Format::Table;
    if !is_silent {
        table.write(context.global.format, outcome, context.out)?;
    }
    for Refused { file, why, .. } in &outcome.refused {
        writeln!(context.err, "refused: `{file}`: {why}")?;
    }
    for file in &outcome.blocked {
        writeln!(context.err, "not carried: {file}")?;
    }
    match outcome.carried {
        0 => {}
        1 => writeln!(context.err, "1 file was carried to partners")?,
        more => writeln!(context.err, "{more} files were carried to partners")?,
    }
    if outcome.known > 0 {
        writeln!(context.err, "{} stood already", outcome.known)?;
    }
    if outcome.commits.is_empty() && outcome.carried == 0 && outcome.refused.is_empty() {
        writeln!(context.err, "nothing was due")?;
    }
    Ok(())
}

fn status(clerk: &Clerk<'_>, patients: bool, context: &mut Context<'_>) -> Result<(), Failure> {
    let status = clerk.status(patients)?;
    let mut headers = vec!["transfer", "partner", "role", "step", "since", "expires", "note"];
    headers.extend(patients.then_some("patient"));
    let mut table = Table::new(headers);
    for row in &status.transfers {
        let role = match row.role {
            End::Sender => "sender",
            End::Receiver => "receiver",
        };
        let cells = [
            row.transfer.to_string(),
            row.partner.to_string(),
            role.to_owned(),
            row.step.as_str().to_owned(),
            row.since.to_string(),
            row.expires.to_string(),
            row.note.clone(),
        ];
        table.row(cells.into_iter().chain(row.patient.clone()));
    }
    table.write(context.global.format, &status, context.out)?;
    if context.global.format == Format::Table && !status.refused.is_empty() {
        let mut table = Table::new(["refused", "code", "since", "why"]);
        for row in &status.refused {
            let since = row.since.to_string();
            table.row([row.file.clone(), row.code.clone(), since, row.words.clone()]);
        }
        writeln!(context.out)?;
        table.write(context.global.format, &status.refused, context.out)?;
    }
    Ok(())
}

impl From<act::Error> for Failure {
    fn from(error: act::Error) -> Self {
        use act::Error as E;
        match error {
            E::Site(error) => error.into(),
            E::Faults { file, faults } => {
                let reports = faults.iter().cloned().map(miette::Report::new).collect();
                Self::new(Kind::Invalid, E::Faults { file, faults }).reports(reports)
            }
            error @ E::File { .. } => {
                Self::new(Kind::Invalid, error).hint("paths of a desk file are relative to it")
            }
            E::Partner { partner, known } => {
                let hint = format!("the desk file has {known}");
                Self::new(Kind::Usage, E::Partner { partner, known }).hint(hint)
            }
            error @ (E::Unknown(_) | E::Key(_)) => Self::new(Kind::Usage, error)
                .hint("`almoner transfer status` and `transfer approver list` show what is known"),
            error @ (E::TooLate { .. } | E::Asked { .. }) => Self::new(Kind::Refused, error),
            E::Approver(error) => error.into(),
            error @ E::Clock { .. } => Self::new(Kind::Failed, error)
                .hint("set the clock, or give `--now` an instant that is not in the past"),
            error @ (E::Object(_)
            | E::Format { .. }
            | E::Order { .. }
            | E::Changed(_)
            | E::Documents { .. }
            | E::Bug) => Self::new(Kind::Integrity, error)
                .hint("run `almoner verify --deep`, which names what has changed"),
            error @ E::Select(_) => Self::new(Kind::Invalid, error)
                .hint("`records` of the desk file names a folder of FHIR NDJSON"),
            error @ (E::Canonical(_)
            | E::Write(_)
            | E::Consent(_)
            | E::Linkage(_)
            | E::Pair(_)
            | E::Parcel(_)
            | E::Unpack(_)
            | E::Licence(_)
            | E::Booking(_)) => Self::new(Kind::Failed, error),
        }
    }
}
