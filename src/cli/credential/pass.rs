//! `almoner credential issue`: a researcher's pass, written for its bearer alone.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::{
    cli::{Context, Failure, Kind, Table},
    credential::{Pass, PassRequest},
    instant::Instant,
    party::{InstitutionId, ResearcherId},
    pipeline::pass,
    purpose::{Claims, Purpose},
};

#[derive(Debug, clap::Args)]
pub(super) struct Issue {
    /// Who may ask
    #[arg(long, value_name = "ID", value_parser = |text: &str| ResearcherId::parse(text))]
    researcher: ResearcherId,
    /// Where the researcher works
    #[arg(long, value_name = "ID", value_parser = |text: &str| InstitutionId::parse(text))]
    institution: Option<InstitutionId>,
    /// A dataset that may be asked; may be given again
    #[arg(long, value_name = "NAME", required = true)]
    dataset: Vec<String>,
    /// What for, a DUO code; may be given again
    #[arg(long, value_name = "DUO", required = true, value_parser = Purpose::parse)]
    purpose: Vec<Purpose>,
    /// What the steward was shown of the study; may be given again: organisation=non-profit,
    /// commercial=no, country=DE, ethics=ID, project=ID, research=TYPE, methods=no, genetic=yes,
    /// clinical=no, accepts=publication|collaboration|return|moratorium|no-ancestry
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    claims: Vec<String>,
    /// When it ends, a date or an RFC 3339 instant; exclusive
    #[arg(long, value_name = "WHEN", value_parser = Instant::parse)]
    expires: Instant,
    /// Where to write it; an existing file is left alone
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Issues a pass.
pub(super) fn issue(issue: Issue, context: &mut Context<'_>) -> Result<(), Failure> {
    let request = PassRequest {
        claims: claims(&issue.claims)?,
        researcher: issue.researcher,
        institution: issue.institution,
        datasets: issue.dataset.into_iter().collect(),
        purposes: issue.purpose.into_iter().collect(),
        expires: issue.expires,
    };
    let (pass, note) = pass::issue(&context.site()?, request)?;
    create(&issue.out, &note)?;
    show(&pass, context)?;
    writeln!(context.err, "written to {}", issue.out.display())?;
    Ok(())
}

/// Says what a pass allows, and whether it stands now.
pub(super) fn verify(note: &str, context: &mut Context<'_>) -> Result<(), Failure> {
    let pass = pass::verify(&context.site()?, note)?;
    show(&pass, context)?;
    writeln!(context.err, "signed by this site's steward, and stands now")?;
    Ok(())
}

/// Reads claims; one that does not fit is named by its place, not by its value.
fn claims(texts: &[String]) -> Result<Claims, Failure> {
    let mut claims = Claims::default();
    for (at, text) in (1..).zip(texts) {
        let fault = |reason: String| {
            Failure::new(Kind::Usage, format!("`--claim` number {at} {reason}"))
                .hint("such as --claim country=DE --claim accepts=publication")
        };
        let (name, value) =
            text.split_once('=').ok_or_else(|| fault("is no NAME=VALUE".to_owned()))?;
        match claims.take(name, value) {
            Some(taken) => taken.map_err(|error| fault(error.to_string()))?,
            None => return Err(fault("has a name that no claim has".to_owned())),
        }
    }
    Ok(claims)
}

/// A pass is what its bearer has: nobody else on the machine may read it.
fn create(file: &Path, note: &str) -> Result<(), Failure> {
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut opened| opened.write_all(note.as_bytes()));
    written.map_err(|error| {
        Failure::new(Kind::Usage, format!("`{}` cannot be written: {error}", file.display()))
    })
}

fn show(pass: &Pass, context: &mut Context<'_>) -> Result<(), Failure> {
    let request = pass.request();
    let purposes: Vec<&str> = request.purposes.iter().map(Purpose::as_str).collect();
    let datasets: Vec<&str> = request.datasets.iter().map(String::as_str).collect();
    let institution = request.institution.as_ref().map(ToString::to_string);
    let mut table = Table::new(["pass", "what it says"]);
    table.row(["id".to_owned(), pass.id().to_owned()]);
    table.row(["researcher".to_owned(), request.researcher.to_string()]);
    table.row(["institution".to_owned(), institution.clone().unwrap_or_default()]);
    table.row(["datasets".to_owned(), datasets.join(" ")]);
    table.row(["purposes".to_owned(), purposes.join(" ")]);
    for (name, value) in request.claims.lines() {
        table.row([name.to_owned(), value]);
    }
    table.row(["from".to_owned(), pass.issued().to_string()]);
    table.row(["until".to_owned(), request.expires.to_string()]);
    let json = json!({
        "id": pass.id(),
        "researcher": request.researcher,
        "institution": institution,
        "datasets": datasets,
        "purposes": purposes,
        "claims": request.claims,
        "issued": pass.issued(),
        "expires": request.expires,
    });
    Ok(table.write(context.global.format, &json, context.out)?)
}

impl From<pass::Error> for Failure {
    fn from(error: pass::Error) -> Self {
        match error {
            pass::Error::Site(error) => error.into(),
            pass::Error::Pass(error) => error.into(),
            pass::Error::Standing(error) => error.into(),
        }
    }
}
